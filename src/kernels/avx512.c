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

/* VNNI adds four products to an int32 lane, so a coarse sum is already as wide as a row needs. */
#define CODES_STEP 64
#define COARSE_STEPS 512
#define SINGLE_SUMS 2
#define CODES_ORIGIN 128

typedef __m512i codes_u8, query_s8, coarse_sum, wide_sum;

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

TARGET static inline wide_sum wide_zero(void) {
    return _mm512_setzero_si512();
}

TARGET static inline wide_sum wide_add(wide_sum a_i32x16, wide_sum b_i32x16) {
    return _mm512_add_epi32(a_i32x16, b_i32x16);
}

TARGET static inline coarse_sum coarse_begin(wide_sum sum) {
    return sum;
}

TARGET static inline coarse_sum coarse_add(coarse_sum sum_i32x16, codes_u8 nibbles, query_s8 query) {
    return _mm512_dpbusd_epi32(sum_i32x16, nibbles, query);
}

TARGET static inline wide_sum coarse_end(wide_sum sum, coarse_sum coarse) {
    (void)sum;
    return coarse;
}

TARGET static inline __m256i halves_added(__m512i sum_i32x16) {
    return _mm256_add_epi32(_mm512_castsi512_si256(sum_i32x16), _mm512_extracti64x4_epi64(sum_i32x16, 1));
}

TARGET static inline int32_t wide_reduce(wide_sum sum) {
    return reduce_i32x8(halves_added(sum));
}

TARGET static inline void wide_reduce4(wide_sum a, wide_sum b, wide_sum c, wide_sum d, int32_t sums[4]) {
    reduce4_i32x8(halves_added(a), halves_added(b), halves_added(c), halves_added(d), sums);
}

TARGET static inline fine_sum fine_zero(void) {
    return (fine_sum){_mm512_setzero_si512(), _mm512_setzero_si512()};
}

TARGET static inline fine_sum fine_add(fine_sum sum, codes_u8 codes, query_s8 high, query_s8 low) {
    return (fine_sum){_mm512_dpbusd_epi32(sum.high_i32x16, codes, high),
                      _mm512_dpbusd_epi32(sum.low_i32x16, codes, low)};
}

TARGET static inline wide_sum fine_widen(fine_sum sum) {
    return _mm512_add_epi32(_mm512_slli_epi32(sum.high_i32x16, 7), sum.low_i32x16);
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
