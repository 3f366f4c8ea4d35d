/*
 * Upper bounds from dots and headers, in vectors.h's vectors. Included once by each implementation, which defines
 * before:
 *
 *   TARGET, KERNEL             as for score_template.h
 *   bounds_f32, bounds_i32     vectors of as many float and int32 lanes
 *   larger_bounds(a, b)        the larger of a and b in each lane
 *   largest_bound(a)           the largest of its lanes
 *
 * and afterwards finds KERNEL(bound_rows), an npv_bound_rows.
 */
#include <math.h>
#include <string.h>

#include "vectors.h"

#define BOUNDS_LANES (sizeof(bounds_f32) / sizeof(float))

/* The columns of as many rows as there are lanes, or of fewer with zeros behind. */
typedef struct bounds_rows {
    bounds_f32 along, step, error, length;
    bounds_i32 dots;
} bounds_rows;

#define BOUNDS_INLINE TARGET static inline __attribute__((always_inline))

BOUNDS_INLINE bounds_rows bounds_load(const npv_code_columns *columns, const int32_t *dots, size_t i, size_t count) {
    bounds_rows rows = {0};
    memcpy(&rows.along, columns->along + i, count * sizeof(float));
    memcpy(&rows.step, columns->step + i, count * sizeof(float));
    memcpy(&rows.error, columns->error + i, count * sizeof(float));
    memcpy(&rows.length, columns->length + i, count * sizeof(float));
    memcpy(&rows.dots, dots + i, count * sizeof(int32_t));
    return rows;
}

BOUNDS_INLINE bounds_f32 bounds_compute(const npv_bound_terms *terms, const bounds_rows *rows) {
    const bounds_i32 magnitude = (bounds_i32)rows->along & INT32_MAX;
    const bounds_f32 along = terms->per_along * rows->along + terms->per_size * (bounds_f32)magnitude;
    const bounds_f32 dots = __builtin_convertvector(rows->dots, bounds_f32);
    const bounds_f32 coded = rows->step * (terms->per_dot * dots + terms->per_step);
    const bounds_f32 slack = terms->per_error * rows->error + terms->per_length * rows->length;
    const bounds_f32 bound = along + coded + slack;
    /* What is not finite has all bits of its exponent. */
    const bounds_i32 infinity = (bounds_i32)((bounds_f32){0} + HUGE_VALF);
    const bounds_i32 finite = ((bounds_i32)bound & infinity) < infinity;
    return (bounds_f32)(((bounds_i32)bound & finite) | (infinity & ~finite));
}

TARGET float KERNEL(bound_rows)(const npv_bound_terms *given_terms, const npv_code_columns *given_columns,
                                const int32_t *dots, size_t count, float *bounds) {
    /* Copies stay in registers: `bounds` might be in the place of the originals. */
    const npv_bound_terms terms = *given_terms;
    const npv_code_columns columns = *given_columns;
    bounds_f32 largest = (bounds_f32){0} - HUGE_VALF;
    size_t i = 0;
    for (; i + BOUNDS_LANES <= count; i += BOUNDS_LANES) {
        const bounds_rows rows = bounds_load(&columns, dots, i, BOUNDS_LANES);
        const bounds_f32 bound = bounds_compute(&terms, &rows);
        memcpy(bounds + i, &bound, sizeof bound);
        largest = larger_bounds(largest, bound);
    }
    float most = largest_bound(largest);
    if (i < count) {
        const bounds_rows rows = bounds_load(&columns, dots, i, count - i);
        const bounds_f32 bound = bounds_compute(&terms, &rows);
        memcpy(bounds + i, &bound, (count - i) * sizeof(float));
        for (size_t lane = 0; lane < count - i; lane++)
            most = bound[lane] > most ? bound[lane] : most;
    }
    return most + 0.0F; /* no -0, which would depend on the order of the comparisons */
}
