/*
 * Upper bounds from dots and headers, in vectors.h's vectors. Included once by each implementation, which defines
 * before:
 *
 *   TARGET, KERNEL        as for score_template.h
 *   larger_f32x8(a, b)    the larger of a and b in each lane
 *
 * and afterwards finds KERNEL(bound_rows), an npv_bound_rows.
 */
#include <math.h>
#include <string.h>

#include "vectors.h"

/* The columns of eight rows, or of fewer with zeros behind. */
typedef struct bounds_rows8 {
    vector_f32x8 along, step, error, length;
    vector_i32x8 dots;
} bounds_rows8;

#define BOUNDS_INLINE TARGET static inline __attribute__((always_inline))

BOUNDS_INLINE bounds_rows8 bounds_load(const npv_code_columns *columns, const int32_t *dots, size_t i, size_t count) {
    bounds_rows8 rows = {0};
    memcpy(&rows.along, columns->along + i, count * sizeof(float));
    memcpy(&rows.step, columns->step + i, count * sizeof(float));
    memcpy(&rows.error, columns->error + i, count * sizeof(float));
    memcpy(&rows.length, columns->length + i, count * sizeof(float));
    memcpy(&rows.dots, dots + i, count * sizeof(int32_t));
    return rows;
}

BOUNDS_INLINE vector_f32x8 bounds_compute(const npv_bound_terms *terms, const bounds_rows8 *rows) {
    const vector_i32x8 magnitude = (vector_i32x8)rows->along & INT32_MAX;
    const vector_f32x8 along = terms->per_along * rows->along + terms->per_size * (vector_f32x8)magnitude;
    const vector_f32x8 dots = __builtin_convertvector(rows->dots, vector_f32x8);
    const vector_f32x8 coded = rows->step * (terms->per_dot * dots + terms->per_step);
    const vector_f32x8 slack = terms->per_error * rows->error + terms->per_length * rows->length;
    const vector_f32x8 bound = along + coded + slack;
    /* What is not finite has all bits of its exponent. */
    const vector_i32x8 infinity = (vector_i32x8)((vector_f32x8){0} + HUGE_VALF);
    const vector_i32x8 finite = ((vector_i32x8)bound & infinity) < infinity;
    return (vector_f32x8)(((vector_i32x8)bound & finite) | (infinity & ~finite));
}

TARGET float KERNEL(bound_rows)(const npv_bound_terms *terms, const npv_code_columns *columns, const int32_t *dots,
                                size_t count, float *bounds) {
    vector_f32x8 largest = (vector_f32x8){0} - HUGE_VALF;
    size_t i = 0;
    for (; i + VECTOR_LANES <= count; i += VECTOR_LANES) {
        const bounds_rows8 rows = bounds_load(columns, dots, i, VECTOR_LANES);
        const vector_f32x8 bound = bounds_compute(terms, &rows);
        memcpy(bounds + i, &bound, sizeof bound);
        largest = larger_f32x8(largest, bound);
    }
    float most = -HUGE_VALF;
    for (size_t lane = 0; lane < VECTOR_LANES; lane++)
        most = largest[lane] > most ? largest[lane] : most;
    if (i < count) {
        const bounds_rows8 rows = bounds_load(columns, dots, i, count - i);
        const vector_f32x8 bound = bounds_compute(terms, &rows);
        memcpy(bounds + i, &bound, (count - i) * sizeof(float));
        for (size_t lane = 0; lane < count - i; lane++)
            most = bound[lane] > most ? bound[lane] : most;
    }
    return most + 0.0F; /* no -0, which would depend on the order of the comparisons */
}
