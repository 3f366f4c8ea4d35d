/*
 * x86-64 with AVX-512 (F, BW, VL) and VNNI: integer dots from 64 bytes of a plane at a time. The float kernels are
 * AVX2's: in 512-bit registers they were no faster.
 */
#include "tables.h"

#if defined(__x86_64__)
#include <immintrin.h>
#include <stdbool.h>

#define TARGET __attribute__((target("avx2,fma,avx512f,avx512bw,avx512vl,avx512vnni")))

#include "x86_reduce.h"

/* VNNI adds four products to an int32 lane, so a narrow sum is already as wide as a row needs. */
#define CODES_STEP 64
#define NARROW_STEPS 512
#define SINGLE_SUMS 2
#define TILE_ROWS 4

typedef __m512i codes_u8, query_s8, narrow_sum, wide_sum;

TARGET static inline codes_u8 codes_load(const uint8_t *from, bool half) {
    return half ? _mm512_zextsi256_si512(_mm256_loadu_si256((const __m256i *)from)) : _mm512_loadu_si512(from);
}

TARGET static inline query_s8 query_load(const int8_t *from, bool half) {
    return half ? _mm512_zextsi256_si512(_mm256_loadu_si256((const __m256i *)from)) : _mm512_loadu_si512(from);
}

TARGET static inline codes_u8 codes_low_nibbles(codes_u8 codes) {
    return _mm512_and_si512(codes, _mm512_set1_epi8(15));
}

TARGET static inline codes_u8 codes_high_nibbles(codes_u8 codes) {
    return _mm512_and_si512(_mm512_srli_epi16(codes, 4), _mm512_set1_epi8(15));
}

TARGET static inline wide_sum wide_zero(void) {
    return _mm512_setzero_si512();
}

TARGET static inline wide_sum wide_add(wide_sum a_i32x16, wide_sum b_i32x16) {
    return _mm512_add_epi32(a_i32x16, b_i32x16);
}

TARGET static inline narrow_sum narrow_begin(wide_sum sum) {
    return sum;
}

TARGET static inline narrow_sum narrow_add(narrow_sum sum_i32x16, codes_u8 nibbles, query_s8 query) {
    return _mm512_dpbusd_epi32(sum_i32x16, nibbles, query);
}

TARGET static inline wide_sum narrow_end(wide_sum sum, narrow_sum narrow) {
    (void)sum;
    return narrow;
}

TARGET static inline __m256i halves_added(__m512i sum_i32x16) {
    return _mm256_add_epi32(_mm512_castsi512_si256(sum_i32x16), _mm512_extracti64x4_epi64(sum_i32x16, 1));
}

TARGET static inline int32_t wide_reduce(wide_sum sum) {
    return reduce_i32x8(halves_added(sum));
}

/* Lanes are brought together pairwise, and the sums into the order of their names on the way. */
TARGET static inline void wide_reduce4(wide_sum a, wide_sum b, wide_sum c, wide_sum d, int32_t sums[4]) {
    const __m512i ab = _mm512_add_epi32(_mm512_unpacklo_epi32(a, b), _mm512_unpackhi_epi32(a, b));
    const __m512i cd = _mm512_add_epi32(_mm512_unpacklo_epi32(c, d), _mm512_unpackhi_epi32(c, d));
    const __m512i abcd = _mm512_add_epi32(_mm512_unpacklo_epi64(ab, cd), _mm512_unpackhi_epi64(ab, cd));
    const __m256i by8 = halves_added(abcd);
    const __m128i by4 = _mm_add_epi32(_mm256_castsi256_si128(by8), _mm256_extracti128_si256(by8, 1));
    _mm_storeu_si128((__m128i *)sums, by4);
}

#include "code_template.h"

#define KERNEL(name) npv_avx512_##name

typedef vector_f64x8 query_f64;
typedef vector_i64x8 query_i64;

#include "query_template.h"

typedef vector_f32x16 bounds_f32;
typedef vector_i32x16 bounds_i32;

TARGET static inline bounds_f32 larger_bounds(bounds_f32 a, bounds_f32 b) {
    return _mm512_max_ps(a, b);
}

TARGET static inline float largest_bound(bounds_f32 a) {
    return _mm512_reduce_max_ps(a);
}

#include "bounds_template.h"

TARGET static inline uint64_t rows64_in_range(const uint32_t *codes, uint32_t first, uint32_t size, uint32_t hole_first,
                                              uint32_t hole_size) {
    uint64_t bits = 0;
    UNROLL
    for (int i = 0; i < 4; i++) {
        const __m512i code_u32x16 = _mm512_loadu_si512(codes + 16 * i);
        const __m512i from_first = _mm512_sub_epi32(code_u32x16, _mm512_set1_epi32((int)first));
        const __m512i from_hole = _mm512_sub_epi32(code_u32x16, _mm512_set1_epi32((int)hole_first));
        const __mmask16 inside = _mm512_cmplt_epu32_mask(from_first, _mm512_set1_epi32((int)size));
        bits |= (uint64_t)_mm512_mask_cmpge_epu32_mask(inside, from_hole, _mm512_set1_epi32((int)hole_size)) << 16 * i;
    }
    return bits;
}

#include "rows_template.h"

const npv_kernels npv_kernels_avx512 = {
    .name = "avx512",
    .dot = npv_avx2_dot,
    .squared_distance = npv_avx2_squared_distance,
    .square_row = npv_avx2_square_row,
    .scale_row = npv_avx2_scale_row,
    .encode_row = npv_avx2_encode_row,
    .round_query = npv_avx512_round_query,
    .dot_nibbles = code_dot_nibbles,
    .dot_nibbles_tile = code_dot_nibbles_tile,
    .bound_rows = npv_avx512_bound_rows,
    .rows_in_range = npv_avx512_rows_in_range,
};
#endif
