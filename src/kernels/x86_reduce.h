/* Sums over the lanes of AVX registers, for the files that define TARGET. */
#include <immintrin.h>
#include <stdint.h>

TARGET static inline int32_t reduce_i32x8(__m256i sum) {
    const __m128i by4 = _mm_add_epi32(_mm256_castsi256_si128(sum), _mm256_extracti128_si256(sum, 1));
    const __m128i by2 = _mm_add_epi32(by4, _mm_unpackhi_epi64(by4, by4));
    return _mm_cvtsi128_si32(_mm_add_epi32(by2, _mm_shuffle_epi32(by2, 1)));
}

/* Four at once, in half the instructions. */
TARGET static inline void reduce4_i32x8(__m256i a, __m256i b, __m256i c, __m256i d, int32_t sums[4]) {
    const __m256i all = _mm256_hadd_epi32(_mm256_hadd_epi32(a, b), _mm256_hadd_epi32(c, d));
    const __m128i four = _mm_add_epi32(_mm256_castsi256_si128(all), _mm256_extracti128_si256(all, 1));
    _mm_storeu_si128((__m128i *)sums, four);
}
