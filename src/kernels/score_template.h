/*
 * Scoring, measuring and scaling rows, for any processor that has doubles in vectors. Included once by each
 * implementation, which defines before:
 *
 *   TARGET                           the attribute that lets a function use the instructions
 *   KERNEL(name)                     what the functions of this implementation are called
 *   lanes_f64x16                     NPV_LANES doubles
 *   lanes_zero()                     all +0.0
 *   lanes_fill(double)               all the same
 *   lanes_load(const double *)       16 doubles, unaligned
 *   lanes_widen(const float *)       16 floats, unaligned, to doubles (exact)
 *   lanes_multiply_add(sum, a, b)    sum + a * b; a * b is exact for widened floats, so one rounding or two is the same
 *   lanes_add_square(sum, d)         sum + d * d with two roundings, never fused: d * d is not exact
 *   lanes_subtract(a, b)
 *   lanes_divide(a, b)
 *   lanes_narrow(float *, lanes)     rounds 16 doubles to floats, unaligned
 *   lanes_reduce(sum)                the tree: lane i += lane i + 8, then + 4, + 2, + 1
 *
 * and afterwards finds KERNEL(dot) and KERNEL(squared_distance), two npv_score_rows, KERNEL(square_row) and
 * KERNEL(scale_row).
 *
 * Accumulators are float64. Products of floats stay below 2^256, a sum of 65,536 of them below 2^272: no overflow.
 *
 * Memory behind the rows is asked for, but not behind a row that is alone: it was picked out.
 *
 * Sixteen lanes in AVX-512 registers were no faster than in AVX2's, from memory or from cache: there is no such copy.
 */
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "vectors.h"

#define SCORE_INLINE TARGET static inline __attribute__((always_inline))

/* The last dimensions % NPV_LANES floats with zeros behind them. */
TARGET static inline lanes_f64x16 widen_tail(const float *x, size_t count) {
    float padded[NPV_LANES] = {0};
    memcpy(padded, x, count * sizeof *x);
    return lanes_widen(padded);
}

SCORE_INLINE double dot_row(const double *query, const float *x, size_t dimensions, bool stream) {
    lanes_f64x16 sum = lanes_zero();
    size_t j = 0;
    for (; j + NPV_LANES <= dimensions; j += NPV_LANES) {
        if (stream)
            prefetch_far(x + j);
        sum = lanes_multiply_add(sum, lanes_load(query + j), lanes_widen(x + j));
    }
    if (j < dimensions)
        sum = lanes_multiply_add(sum, lanes_load(query + j), widen_tail(x + j, dimensions - j));
    return lanes_reduce(sum);
}

SCORE_INLINE double squared_distance_row(const double *query, const float *x, size_t dimensions, bool stream) {
    lanes_f64x16 sum = lanes_zero();
    size_t j = 0;
    for (; j + NPV_LANES <= dimensions; j += NPV_LANES) {
        if (stream)
            prefetch_far(x + j);
        sum = lanes_add_square(sum, lanes_subtract(lanes_load(query + j), lanes_widen(x + j)));
    }
    if (j < dimensions)
        sum = lanes_add_square(sum, lanes_subtract(lanes_load(query + j), widen_tail(x + j, dimensions - j)));
    return lanes_reduce(sum);
}

TARGET void KERNEL(dot)(const double *query, const float *rows, size_t dimensions, size_t count, double *scores) {
    if (count == 1) {
        scores[0] = dot_row(query, rows, dimensions, false);
        return;
    }
    for (size_t i = 0; i < count; i++)
        scores[i] = dot_row(query, rows + i * dimensions, dimensions, true);
}

TARGET void KERNEL(squared_distance)(const double *query, const float *rows, size_t dimensions, size_t count,
                                     double *scores) {
    if (count == 1) {
        scores[0] = squared_distance_row(query, rows, dimensions, false);
        return;
    }
    for (size_t i = 0; i < count; i++)
        scores[i] = squared_distance_row(query, rows + i * dimensions, dimensions, true);
}

TARGET double KERNEL(square_row)(const float *x, size_t dimensions) {
    lanes_f64x16 sum = lanes_zero();
    size_t j = 0;
    for (; j + NPV_LANES <= dimensions; j += NPV_LANES) {
        prefetch_far(x + j);
        const lanes_f64x16 wide = lanes_widen(x + j);
        sum = lanes_multiply_add(sum, wide, wide);
    }
    if (j < dimensions) {
        const lanes_f64x16 wide = widen_tail(x + j, dimensions - j);
        sum = lanes_multiply_add(sum, wide, wide);
    }
    return lanes_reduce(sum);
}

TARGET void KERNEL(scale_row)(const float *x, size_t dimensions, double length, float *unit) {
    const lanes_f64x16 divisor = lanes_fill(length);
    size_t j = 0;
    for (; j + NPV_LANES <= dimensions; j += NPV_LANES)
        lanes_narrow(unit + j, lanes_divide(lanes_widen(x + j), divisor));
    if (j < dimensions) {
        float tail[NPV_LANES];
        lanes_narrow(tail, lanes_divide(widen_tail(x + j, dimensions - j), divisor));
        memcpy(unit + j, tail, (dimensions - j) * sizeof *tail);
    }
}
