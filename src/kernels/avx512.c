/*
 * x86-64 with AVX-512 (F, BW, VL) and VNNI: integer dots from 64 bytes of a plane at a time. The float kernels are
 * AVX2's: in 512-bit registers they were no faster.
 */
#include "tables.h"

#if defined(__x86_64__)
#include <immintrin.h>
#include <stdbool.h>

#define TARGET __attribute__((target("avx2,fma,avx512f,avx512bw,avx512vl,avx512vnni")))

/* VNNI adds four products to an int32 lane, so a coarse sum is already as wide as a row needs. */
#define CODES_STEP 64
#define COARSE_STEPS 512

typedef __m512i codes_u8, query_s8, wide_sum;

/* Two sums each, so that an addition need not wait for the one before. */
typedef struct coarse_sum {
    __m512i low_i32x16, high_i32x16; /* of low and of high halves of bytes */
} coarse_sum;

typedef struct fine_sum {
    __m512i high_i32x16, low_i32x16; /* with fine_high and with fine_low */
} fine_sum;

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

/* 0xCA: where the mask (the first operand) has a bit, the second operand's, and elsewhere the third's. */
TARGET static inline codes_u8 codes_join_low(codes_u8 high, codes_u8 low) {
    return _mm512_ternarylogic_epi32(_mm512_set1_epi8(15), low, _mm512_slli_epi16(high, 4), 0xCA);
}

TARGET static inline codes_u8 codes_join_high(codes_u8 high, codes_u8 low) {
    return _mm512_ternarylogic_epi32(_mm512_set1_epi8(15), _mm512_srli_epi16(low, 4), high, 0xCA);
}

TARGET static inline coarse_sum coarse_zero(void) {
    return (coarse_sum){_mm512_setzero_si512(), _mm512_setzero_si512()};
}

TARGET static inline coarse_sum coarse_add(coarse_sum sum, codes_u8 low, query_s8 low_query, codes_u8 high,
                                           query_s8 high_query) {
    return (coarse_sum){_mm512_dpbusd_epi32(sum.low_i32x16, low, low_query),
                        _mm512_dpbusd_epi32(sum.high_i32x16, high, high_query)};
}

TARGET static inline wide_sum wide_zero(void) {
    return _mm512_setzero_si512();
}

TARGET static inline wide_sum wide_add(wide_sum sum_i32x16, coarse_sum coarse) {
    return _mm512_add_epi32(sum_i32x16, _mm512_add_epi32(coarse.low_i32x16, coarse.high_i32x16));
}

/* Sums of codes without sign may wrap around before fine_reduce, which _mm512_reduce_add_epi32 must not. */
TARGET static inline int32_t wide_reduce(wide_sum sum_i32x16) {
    const __m256i by8 = _mm256_add_epi32(_mm512_castsi512_si256(sum_i32x16), _mm512_extracti64x4_epi64(sum_i32x16, 1));
    const __m128i by4 = _mm_add_epi32(_mm256_castsi256_si128(by8), _mm256_extracti128_si256(by8, 1));
    const __m128i by2 = _mm_add_epi32(by4, _mm_unpackhi_epi64(by4, by4));
    return _mm_cvtsi128_si32(_mm_add_epi32(by2, _mm_shuffle_epi32(by2, 1)));
}

TARGET static inline fine_sum fine_zero(void) {
    return (fine_sum){_mm512_setzero_si512(), _mm512_setzero_si512()};
}

TARGET static inline fine_sum fine_add(fine_sum sum, codes_u8 codes, query_s8 high, query_s8 low) {
    return (fine_sum){_mm512_dpbusd_epi32(sum.high_i32x16, codes, high),
                      _mm512_dpbusd_epi32(sum.low_i32x16, codes, low)};
}

TARGET static inline int32_t fine_reduce(fine_sum sum, int32_t fine_total) {
    const __m512i whole = _mm512_add_epi32(_mm512_slli_epi32(sum.high_i32x16, 7), sum.low_i32x16);
    return (int32_t)((uint32_t)wide_reduce(whole) - 128 * (uint32_t)fine_total);
}

#include "code_template.h"

const npv_kernels npv_kernels_avx512 = {
    .name = "avx512",
    .dot = npv_avx2_dot,
    .squared_distance = npv_avx2_squared_distance,
    .encode_row = npv_avx2_encode_row,
    .dot_high = code_dot_high,
    .dot_both = code_dot_both,
    .dot_high_tile = code_dot_high_tile,
    .dot_both_tile = code_dot_both_tile,
    .bound_rows = npv_avx2_bound_rows,
};
#endif
