/* The tables there are; which of them run is for choose.c to find out. */
#ifndef NPV_TABLES_H
#define NPV_TABLES_H

#include "kernels.h"

extern const npv_kernels npv_kernels_scalar;

#if defined(__x86_64__)
extern const npv_kernels npv_kernels_avx2;
extern const npv_kernels npv_kernels_avx512;

/* What the second takes from the first. */
npv_score_rows npv_avx2_dot, npv_avx2_squared_distance;
npv_square_row npv_avx2_square_row;
npv_scale_row npv_avx2_scale_row;
npv_encode_row npv_avx2_encode_row;
npv_round_query npv_avx2_round_query, npv_avx512_round_query;
npv_bound_rows npv_avx2_bound_rows, npv_avx512_bound_rows;
npv_rows_in_range npv_avx2_rows_in_range, npv_avx512_rows_in_range;

#elif defined(__aarch64__)
extern const npv_kernels npv_kernels_neon;

/* Before version 16 clang has the instructions' intrinsics only where they may be used everywhere. */
#if !defined(__clang__) || __clang_major__ >= 16 || defined(__ARM_FEATURE_DOTPROD)
#define NPV_NEON_DOT
extern const npv_kernels npv_kernels_neon_dot;
#endif

npv_score_rows npv_neon_dot, npv_neon_squared_distance;
npv_square_row npv_neon_square_row;
npv_scale_row npv_neon_scale_row;
npv_encode_row npv_neon_encode_row;
npv_round_query npv_neon_round_query;
npv_bound_rows npv_neon_bound_rows;
npv_rows_in_range npv_neon_rows_in_range;
#endif

#endif
