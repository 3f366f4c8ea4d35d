/* AArch64, whose NEON always has doubles: sixteen lanes in eight registers. */
#include "tables.h"

#if defined(__aarch64__)
#include <arm_neon.h>

#define TARGET

typedef struct lanes_f64x16 {
    float64x2_t f64x2[8];
} lanes_f64x16;

static inline lanes_f64x16 lanes_zero(void) {
    lanes_f64x16 zero;
    for (int i = 0; i < 8; i++)
        zero.f64x2[i] = vdupq_n_f64(0);
    return zero;
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

static inline double lanes_reduce(lanes_f64x16 sum) {
    for (int half = 4; half > 0; half /= 2)
        for (int i = 0; i < half; i++)
            sum.f64x2[i] = vaddq_f64(sum.f64x2[i], sum.f64x2[i + half]);
    return vgetq_lane_f64(sum.f64x2[0], 0) + vgetq_lane_f64(sum.f64x2[0], 1);
}

#include "score_template.h"

const npv_kernels npv_kernels_neon = {"neon", score_dot, score_squared_distance};
#endif
