/* AArch64, whose NEON always has doubles: sixteen lanes in eight registers. */
#include "code_header.h"
#include "tables.h"
#include "vectors.h"

#if defined(__aarch64__)
#include <arm_neon.h>
#include <stdbool.h>
#include <string.h>

#define TARGET
#define KERNEL(name) npv_neon_##name

typedef struct lanes_f64x16 {
    float64x2_t f64x2[8];
} lanes_f64x16;

static inline lanes_f64x16 lanes_fill(double value) {
    lanes_f64x16 all;
    for (int i = 0; i < 8; i++)
        all.f64x2[i] = vdupq_n_f64(value);
    return all;
}

static inline lanes_f64x16 lanes_zero(void) {
    return lanes_fill(0);
}

static inline lanes_f64x16 lanes_load(const double *from) {
    lanes_f64x16 loaded;
    for (int i = 0; i < 8; i++)
        loaded.f64x2[i] = vld1q_f64(from + 2 * i);
    return loaded;
}

static inline lanes_f64x16 lanes_widen(const float *from) {
    lanes_f64x16 wide;
    for (int i = 0; i < 4; i++) {
        const float32x4_t narrow_f32x4 = vld1q_f32(from + 4 * i);
        wide.f64x2[2 * i] = vcvt_f64_f32(vget_low_f32(narrow_f32x4));
        wide.f64x2[2 * i + 1] = vcvt_high_f64_f32(narrow_f32x4);
    }
    return wide;
}

static inline lanes_f64x16 lanes_multiply_add(lanes_f64x16 sum, lanes_f64x16 a, lanes_f64x16 b) {
    for (int i = 0; i < 8; i++)
        sum.f64x2[i] = vfmaq_f64(sum.f64x2[i], a.f64x2[i], b.f64x2[i]);
    return sum;
}

static inline lanes_f64x16 lanes_add_square(lanes_f64x16 sum, lanes_f64x16 d) {
    for (int i = 0; i < 8; i++)
        sum.f64x2[i] = vaddq_f64(sum.f64x2[i], vmulq_f64(d.f64x2[i], d.f64x2[i]));
    return sum;
}

static inline lanes_f64x16 lanes_subtract(lanes_f64x16 a, lanes_f64x16 b) {
    for (int i = 0; i < 8; i++)
        a.f64x2[i] = vsubq_f64(a.f64x2[i], b.f64x2[i]);
    return a;
}

static inline lanes_f64x16 lanes_divide(lanes_f64x16 a, lanes_f64x16 b) {
    for (int i = 0; i < 8; i++)
        a.f64x2[i] = vdivq_f64(a.f64x2[i], b.f64x2[i]);
    return a;
}

static inline void lanes_narrow(float *to, lanes_f64x16 x) {
    for (int i = 0; i < 4; i++)
        vst1q_f32(to + 4 * i, vcvt_high_f32_f64(vcvt_f32_f64(x.f64x2[2 * i]), x.f64x2[2 * i + 1]));
}

static inline double lanes_reduce(lanes_f64x16 sum) {
    for (int half = 4; half > 0; half /= 2)
        for (int i = 0; i < half; i++)
            sum.f64x2[i] = vaddq_f64(sum.f64x2[i], sum.f64x2[i + half]);
    return vgetq_lane_f64(sum.f64x2[0], 0) + vgetq_lane_f64(sum.f64x2[0], 1);
}

#include "score_template.h"

static inline vector_f32x8 larger_f32x8(vector_f32x8 x, vector_f32x8 y) {
    float32x4_t a[2], b[2];
    memcpy(a, &x, sizeof a);
    memcpy(b, &y, sizeof b);
    a[0] = vmaxnmq_f32(a[0], b[0]);
    a[1] = vmaxnmq_f32(a[1], b[1]);
    memcpy(&x, a, sizeof a);
    return x;
}

static inline void store_bytes_i32x8(uint8_t *to, vector_i32x8 x) {
    uint32x4_t half[2];
    memcpy(half, &x, sizeof half);
    vst1_u8(to, vmovn_u16(vcombine_u16(vmovn_u32(half[0]), vmovn_u32(half[1]))));
}

#include "encode_template.h"

typedef vector_f64x4 query_f64;
typedef vector_i64x4 query_i64;

#include "query_template.h"

typedef vector_f32x8 bounds_f32;
typedef vector_i32x8 bounds_i32;

static inline bounds_f32 larger_bounds(bounds_f32 a, bounds_f32 b) {
    return larger_f32x8(a, b);
}

static inline float largest_bound(bounds_f32 a) {
    float32x4_t half[2];
    memcpy(half, &a, sizeof half);
    return vmaxnmvq_f32(vmaxnmq_f32(half[0], half[1]));
}

#include "bounds_template.h"

/* All bits of the codes of a lane that is in the range. */
static inline uint32x4_t rows4_in_range(const uint32_t *codes, uint32_t first, uint32_t size, uint32_t hole_first,
                                        uint32_t hole_size) {
    const uint32x4_t code = vld1q_u32(codes);
    const uint32x4_t inside = vcltq_u32(vsubq_u32(code, vdupq_n_u32(first)), vdupq_n_u32(size));
    const uint32x4_t in_hole = vcltq_u32(vsubq_u32(code, vdupq_n_u32(hole_first)), vdupq_n_u32(hole_size));
    return vbicq_u32(inside, in_hole);
}

static inline uint64_t rows64_in_range(const uint32_t *codes, uint32_t first, uint32_t size, uint32_t hole_first,
                                       uint32_t hole_size) {
    const uint8x16_t weights = vreinterpretq_u8_u64(vdupq_n_u64(0x8040201008040201));
    uint8x16_t weighed[4]; /* a byte a row: the bit that it has in its byte, or 0 */
    for (int i = 0; i < 4; i++) {
        uint16x4_t narrow[4];
        for (int j = 0; j < 4; j++)
            narrow[j] = vmovn_u32(rows4_in_range(codes + 16 * i + 4 * j, first, size, hole_first, hole_size));
        const uint8x8_t low = vmovn_u16(vcombine_u16(narrow[0], narrow[1]));
        const uint8x8_t high = vmovn_u16(vcombine_u16(narrow[2], narrow[3]));
        weighed[i] = vandq_u8(vcombine_u8(low, high), weights);
    }
    const uint8x16_t by2 = vpaddq_u8(weighed[0], weighed[1]);
    const uint8x16_t by4 = vpaddq_u8(by2, vpaddq_u8(weighed[2], weighed[3]));
    return vgetq_lane_u64(vreinterpretq_u64_u8(vpaddq_u8(by4, by4)), 0);
}

#include "rows_template.h"

/* A narrow sum is int16 lanes. A step adds two products to a lane, 127 * 15 * 2 = 3,810: eight steps fit 32,767. */
#define NARROW_STEPS 8
#define SINGLE_SUMS 1
#define TILE_ROWS 1

#include "neon_codes.h"

/* Of the first and of the last eight bytes of each vector. */
typedef struct narrow_sum {
    int16x8_t first, last;
} narrow_sum;

static inline narrow_sum narrow_begin(wide_sum sum) {
    (void)sum;
    return (narrow_sum){vdupq_n_s16(0), vdupq_n_s16(0)};
}

static inline narrow_sum narrow_add(narrow_sum sum, codes_u8 nibbles, query_s8 query) {
    const int8x16_t signed_nibbles = vreinterpretq_s8_u8(nibbles);
    sum.first = vmlal_s8(sum.first, vget_low_s8(signed_nibbles), vget_low_s8(query));
    sum.last = vmlal_high_s8(sum.last, signed_nibbles, query);
    return sum;
}

static inline wide_sum narrow_end(wide_sum sum_i32x4, narrow_sum narrow) {
    return vpadalq_s16(vpadalq_s16(sum_i32x4, narrow.first), narrow.last);
}

#include "code_template.h"

const npv_kernels npv_kernels_neon = {
    .name = "neon",
    .dot = npv_neon_dot,
    .squared_distance = npv_neon_squared_distance,
    .square_row = npv_neon_square_row,
    .scale_row = npv_neon_scale_row,
    .encode_row = npv_neon_encode_row,
    .round_query = npv_neon_round_query,
    .dot_nibbles = code_dot_nibbles,
    .dot_nibbles_tile = code_dot_nibbles_tile,
    .bound_rows = npv_neon_bound_rows,
    .rows_in_range = npv_neon_rows_in_range,
};
#endif
