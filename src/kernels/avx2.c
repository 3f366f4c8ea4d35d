/* x86-64 with AVX2 and FMA: sixteen lanes in four registers. */
#include "code_header.h"
#include "tables.h"
#include "vectors.h"

#if defined(__x86_64__)
#include <immintrin.h>
#include <stdbool.h>

#define TARGET __attribute__((target("avx2,fma")))
#define KERNEL(name) npv_avx2_##name

#include "x86_reduce.h"

/* Named members, not an array: gcc 12 at -O2 keeps an array in memory, at a quarter of the speed. */
typedef struct lanes_f64x16 {
    __m256d a, b, c, d;
} lanes_f64x16;

TARGET static inline lanes_f64x16 lanes_zero(void) {
    const __m256d zero = _mm256_setzero_pd();
    return (lanes_f64x16){zero, zero, zero, zero};
}

TARGET static inline lanes_f64x16 lanes_fill(double value) {
    const __m256d all = _mm256_set1_pd(value);
    return (lanes_f64x16){all, all, all, all};
}

TARGET static inline lanes_f64x16 lanes_load(const double *from) {
    return (lanes_f64x16){_mm256_loadu_pd(from), _mm256_loadu_pd(from + 4), _mm256_loadu_pd(from + 8),
                          _mm256_loadu_pd(from + 12)};
}

TARGET static inline lanes_f64x16 lanes_widen(const float *from) {
    return (lanes_f64x16){_mm256_cvtps_pd(_mm_loadu_ps(from)), _mm256_cvtps_pd(_mm_loadu_ps(from + 4)),
                          _mm256_cvtps_pd(_mm_loadu_ps(from + 8)), _mm256_cvtps_pd(_mm_loadu_ps(from + 12))};
}

TARGET static inline lanes_f64x16 lanes_multiply_add(lanes_f64x16 sum, lanes_f64x16 x, lanes_f64x16 y) {
    return (lanes_f64x16){_mm256_fmadd_pd(x.a, y.a, sum.a), _mm256_fmadd_pd(x.b, y.b, sum.b),
                          _mm256_fmadd_pd(x.c, y.c, sum.c), _mm256_fmadd_pd(x.d, y.d, sum.d)};
}

TARGET static inline lanes_f64x16 lanes_add_square(lanes_f64x16 sum, lanes_f64x16 x) {
    return (lanes_f64x16){_mm256_add_pd(sum.a, _mm256_mul_pd(x.a, x.a)), _mm256_add_pd(sum.b, _mm256_mul_pd(x.b, x.b)),
                          _mm256_add_pd(sum.c, _mm256_mul_pd(x.c, x.c)), _mm256_add_pd(sum.d, _mm256_mul_pd(x.d, x.d))};
}

TARGET static inline lanes_f64x16 lanes_subtract(lanes_f64x16 x, lanes_f64x16 y) {
    return (lanes_f64x16){_mm256_sub_pd(x.a, y.a), _mm256_sub_pd(x.b, y.b), _mm256_sub_pd(x.c, y.c),
                          _mm256_sub_pd(x.d, y.d)};
}

TARGET static inline lanes_f64x16 lanes_divide(lanes_f64x16 x, lanes_f64x16 y) {
    return (lanes_f64x16){_mm256_div_pd(x.a, y.a), _mm256_div_pd(x.b, y.b), _mm256_div_pd(x.c, y.c),
                          _mm256_div_pd(x.d, y.d)};
}

TARGET static inline void lanes_narrow(float *to, lanes_f64x16 x) {
    _mm_storeu_ps(to, _mm256_cvtpd_ps(x.a));
    _mm_storeu_ps(to + 4, _mm256_cvtpd_ps(x.b));
    _mm_storeu_ps(to + 8, _mm256_cvtpd_ps(x.c));
    _mm_storeu_ps(to + 12, _mm256_cvtpd_ps(x.d));
}

TARGET static inline double lanes_reduce(lanes_f64x16 sum) {
    const __m256d by4 = _mm256_add_pd(_mm256_add_pd(sum.a, sum.c), _mm256_add_pd(sum.b, sum.d));
    const __m128d by2 = _mm_add_pd(_mm256_castpd256_pd128(by4), _mm256_extractf128_pd(by4, 1));
    return _mm_cvtsd_f64(_mm_add_sd(by2, _mm_unpackhi_pd(by2, by2)));
}

#include "score_template.h"

TARGET static inline __m256 larger_f32x8(vector_f32x8 x, vector_f32x8 y) {
    return _mm256_max_ps(x, y);
}

TARGET static inline void store_bytes_i32x8(uint8_t *to, vector_i32x8 x) {
    const __m256i last = _mm256_set1_epi32(0x0C080400);
    const __m256i bytes = _mm256_shuffle_epi8((__m256i)x, last); /* four in each half of the register */
    _mm_storeu_si64(to, _mm_unpacklo_epi32(_mm256_castsi256_si128(bytes), _mm256_extracti128_si256(bytes, 1)));
}

#include "encode_template.h"

typedef vector_f64x4 query_f64;
typedef vector_i64x4 query_i64;

#include "query_template.h"

/* A narrow sum is int16 lanes. A step adds four products to a lane, 127 * 15 * 4 = 7,620: four steps fit 32,767. */
#define CODES_STEP 32
#define NARROW_STEPS 4
#define SINGLE_SUMS 1
#define TILE_ROWS 1

typedef __m256i codes_u8, query_s8, narrow_sum, wide_sum;

TARGET static inline codes_u8 codes_load(const uint8_t *from, bool half) {
    (void)half;
    return _mm256_loadu_si256((const __m256i *)from);
}

TARGET static inline query_s8 query_load(const int8_t *from, bool half) {
    (void)half;
    return _mm256_loadu_si256((const __m256i *)from);
}

TARGET static inline codes_u8 codes_low_nibbles(codes_u8 codes) {
    return _mm256_and_si256(codes, _mm256_set1_epi8(15));
}

TARGET static inline codes_u8 codes_high_nibbles(codes_u8 codes) {
    return _mm256_and_si256(_mm256_srli_epi16(codes, 4), _mm256_set1_epi8(15));
}

TARGET static inline wide_sum wide_zero(void) {
    return _mm256_setzero_si256();
}

TARGET static inline wide_sum wide_add(wide_sum a_i32x8, wide_sum b_i32x8) {
    return _mm256_add_epi32(a_i32x8, b_i32x8);
}

TARGET static inline narrow_sum narrow_begin(wide_sum sum) {
    (void)sum;
    return _mm256_setzero_si256();
}

TARGET static inline narrow_sum narrow_add(narrow_sum sum_i16x16, codes_u8 nibbles, query_s8 query) {
    return _mm256_add_epi16(sum_i16x16, _mm256_maddubs_epi16(nibbles, query));
}

TARGET static inline wide_sum narrow_end(wide_sum sum_i32x8, narrow_sum narrow_i16x16) {
    return _mm256_add_epi32(sum_i32x8, _mm256_madd_epi16(narrow_i16x16, _mm256_set1_epi16(1)));
}

TARGET static inline int32_t wide_reduce(wide_sum sum_i32x8) {
    return reduce_i32x8(sum_i32x8);
}

TARGET static inline void wide_reduce4(wide_sum a, wide_sum b, wide_sum c, wide_sum d, int32_t sums[4]) {
    reduce4_i32x8(a, b, c, d, sums);
}

#include "code_template.h"

typedef vector_f32x8 bounds_f32;
typedef vector_i32x8 bounds_i32;

TARGET static inline bounds_f32 larger_bounds(bounds_f32 a, bounds_f32 b) {
    return larger_f32x8(a, b);
}

TARGET static inline float largest_bound(bounds_f32 a) {
    const __m128 by4 = _mm_max_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps(a, 1));
    const __m128 by2 = _mm_max_ps(by4, _mm_movehl_ps(by4, by4));
    return _mm_cvtss_f32(_mm_max_ss(by2, _mm_movehdup_ps(by2)));
}

#include "bounds_template.h"

/* AVX2 compares without sign only after the highest bits are turned over, which a subtraction does on the way. */
#define TURN 0x80000000U

TARGET static inline uint64_t rows64_in_range(const uint32_t *codes, uint32_t first, uint32_t size, uint32_t hole_first,
                                              uint32_t hole_size) {
    const __m256i first_u32x8 = _mm256_set1_epi32((int)(first + TURN));
    const __m256i size_u32x8 = _mm256_set1_epi32((int)(size + TURN));
    const __m256i hole_first_u32x8 = _mm256_set1_epi32((int)(hole_first + TURN));
    const __m256i hole_size_u32x8 = _mm256_set1_epi32((int)(hole_size + TURN));
    uint64_t bits = 0;
    UNROLL
    for (int i = 0; i < 8; i++) {
        const __m256i code_u32x8 = _mm256_loadu_si256((const __m256i *)(codes + 8 * i));
        const __m256i inside = _mm256_cmpgt_epi32(size_u32x8, _mm256_sub_epi32(code_u32x8, first_u32x8));
        const __m256i in_hole = _mm256_cmpgt_epi32(hole_size_u32x8, _mm256_sub_epi32(code_u32x8, hole_first_u32x8));
        const int eight = _mm256_movemask_ps(_mm256_castsi256_ps(_mm256_andnot_si256(in_hole, inside)));
        bits |= (uint64_t)(unsigned)eight << 8 * i;
    }
    return bits;
}

#include "rows_template.h"

const npv_kernels npv_kernels_avx2 = {
    .name = "avx2",
    .dot = npv_avx2_dot,
    .squared_distance = npv_avx2_squared_distance,
    .square_row = npv_avx2_square_row,
    .scale_row = npv_avx2_scale_row,
    .encode_row = npv_avx2_encode_row,
    .round_query = npv_avx2_round_query,
    .dot_nibbles = code_dot_nibbles,
    .dot_nibbles_tile = code_dot_nibbles_tile,
    .bound_rows = npv_avx2_bound_rows,
    .rows_in_range = npv_avx2_rows_in_range,
};
#endif
