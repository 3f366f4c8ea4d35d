/* AArch64 with dot-product instructions (FEAT_DotProd): integer dots of four bytes to a lane; the rest is NEON's. */
#include "tables.h"

#if defined(NPV_NEON_DOT)
#include <arm_neon.h>
#include <stdbool.h>

#if defined(__ARM_FEATURE_DOTPROD)
#define TARGET
#else
#define TARGET __attribute__((target("arch=armv8.2-a+dotprod")))
#endif

/* A coarse sum is int32 lanes, as wide as a row needs. */
#define COARSE_STEPS 2048
#define SINGLE_SUMS 2

#include "neon_codes.h"

typedef int32x4_t coarse_sum;

TARGET static inline coarse_sum coarse_begin(wide_sum sum) {
    return sum;
}

TARGET static inline coarse_sum coarse_add(coarse_sum sum_i32x4, codes_u8 nibbles, query_s8 query) {
    return vdotq_s32(sum_i32x4, vreinterpretq_s8_u8(nibbles), query);
}

TARGET static inline wide_sum coarse_end(wide_sum sum, coarse_sum coarse) {
    (void)sum;
    return coarse;
}

TARGET static inline fine_sum fine_add(fine_sum sum, codes_u8 codes, query_s8 high, query_s8 low) {
    const int8x16_t signed_codes = codes_less_128(codes);
    sum.high_i32x4 = vdotq_s32(sum.high_i32x4, signed_codes, high);
    sum.low_i32x4 = vdotq_s32(sum.low_i32x4, signed_codes, low);
    return sum;
}

#include "code_template.h"

const npv_kernels npv_kernels_neon_dot = {
    .name = "neon-dot",
    .dot = npv_neon_dot,
    .squared_distance = npv_neon_squared_distance,
    .encode_row = npv_neon_encode_row,
    .dot_high = code_dot_high,
    .dot_both = code_dot_both,
    .dot_high_tile = code_dot_high_tile,
    .dot_both_tile = code_dot_both_tile,
    .bound_rows = npv_neon_bound_rows,
};
#endif
