/*
 * Upper bounds from dots and headers, in the vectors of gcc and clang, which spell the same for every processor.
 * Included once by each implementation, which defines TARGET before and afterwards finds bounds_of_rows, an
 * npv_bound_rows.
 */
#include <math.h>
#include <stdint.h>
#include <string.h>

#define BOUNDS_LANES 8

typedef float bounds_f32x8 __attribute__((vector_size(32)));
typedef int32_t bounds_i32x8 __attribute__((vector_size(32)));

/* The columns of eight rows, or of fewer with zeros behind. */
typedef struct bounds_rows8 {
    bounds_f32x8 along, step, error, length;
    bounds_i32x8 dots;
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

/* a where the mask has all bits, b where it has none. */
BOUNDS_INLINE bounds_f32x8 bounds_select(bounds_i32x8 mask, bounds_f32x8 a, bounds_f32x8 b) {
    return (bounds_f32x8)(((bounds_i32x8)a & mask) | ((bounds_i32x8)b & ~mask));
}

BOUNDS_INLINE bounds_f32x8 bounds_compute(const npv_bound_terms *terms, const bounds_rows8 *rows) {
    const bounds_f32x8 infinity = (bounds_f32x8){0} + HUGE_VALF;
    const bounds_f32x8 magnitude = (bounds_f32x8)((bounds_i32x8)rows->along & INT32_MAX);
    const bounds_f32x8 along = terms->per_along * rows->along + terms->per_size * magnitude;
    const bounds_f32x8 dots = __builtin_convertvector(rows->dots, bounds_f32x8);
    const bounds_f32x8 coded = rows->step * (terms->per_dot * dots + terms->per_step);
    const bounds_f32x8 slack = terms->per_error * rows->error + terms->per_length * rows->length;
    const bounds_f32x8 bound = along + coded + slack;
    const bounds_f32x8 distance = (bounds_f32x8)((bounds_i32x8)bound & INT32_MAX);
    return bounds_select(distance < infinity, bound, infinity);
}

TARGET static float bounds_of_rows(const npv_bound_terms *terms, const npv_code_columns *columns, const int32_t *dots,
                                   size_t count, float *bounds) {
    bounds_f32x8 largest = (bounds_f32x8){0} - HUGE_VALF;
    size_t i = 0;
    for (; i + BOUNDS_LANES <= count; i += BOUNDS_LANES) {
        const bounds_rows8 rows = bounds_load(columns, dots, i, BOUNDS_LANES);
        const bounds_f32x8 bound = bounds_compute(terms, &rows);
        memcpy(bounds + i, &bound, sizeof bound);
        largest = bounds_select(bound > largest, bound, largest);
    }
    float most = -HUGE_VALF;
    for (size_t lane = 0; lane < BOUNDS_LANES; lane++)
        most = largest[lane] > most ? largest[lane] : most;
    if (i < count) {
        const bounds_rows8 rows = bounds_load(columns, dots, i, count - i);
        const bounds_f32x8 bound = bounds_compute(terms, &rows);
        memcpy(bounds + i, &bound, (count - i) * sizeof(float));
        for (size_t lane = 0; lane < count - i; lane++)
            most = bound[lane] > most ? bound[lane] : most;
    }
    return most + 0.0F; /* -0 would depend on the order of the comparisons */
}
