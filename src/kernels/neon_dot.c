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

/* A narrow sum is int32 lanes, as wide as a row needs. */
#define NARROW_STEPS 2048
#define SINGLE_SUMS 2
#define TILE_ROWS 1

#include "neon_codes.h"

typedef int32x4_t narrow_sum;

TARGET static inline narrow_sum narrow_begin(wide_sum sum) {
    return sum;
}

TARGET static inline narrow_sum narrow_add(narrow_sum sum_i32x4, codes_u8 nibbles, query_s8 query) {
    return vdotq_s32(sum_i32x4, vreinterpretq_s8_u8(nibbles), query);
}

TARGET static inline wide_sum narrow_end(wide_sum sum, narrow_sum narrow) {
    (void)sum;
    return narrow;
}

#include "code_template.h"

const npv_kernels npv_kernels_neon_dot = {
    .name = "neon-dot",
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
