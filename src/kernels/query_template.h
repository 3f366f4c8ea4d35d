/*
 * Rounding queries to integers, in vectors.h's vectors. Included once by each implementation, which defines before:
 *
 *   TARGET, KERNEL    as for score_template.h
 *
 * and afterwards finds KERNEL(round_query), an npv_round_query.
 *
 * Adding 1.5 * 2^52 to a double below 2^51 rounds it to an integer, ties to even, which then stands in its last bits.
 */
#include <math.h>
#include <string.h>

#include "vectors.h"

#define TO_INTEGER 0x1.8p52
#define QUERY_LANES (sizeof(vector_f64x4) / sizeof(double))

#define QUERY_INLINE TARGET static inline __attribute__((always_inline))

QUERY_INLINE vector_f64x4 load_doubles(const double *from) {
    vector_f64x4 lanes;
    memcpy(&lanes, from, sizeof lanes);
    return lanes;
}

/* g at four dimensions. */
QUERY_INLINE vector_f64x4 part_at(const npv_query_part *part, size_t j) {
    return load_doubles(part->query + j) * part->scale - part->along * load_doubles(part->direction + j);
}

QUERY_INLINE vector_f64x4 magnitudes(vector_f64x4 lanes) {
    return (vector_f64x4)((vector_i64x4)lanes & INT64_MAX);
}

QUERY_INLINE double add_doubles(vector_f64x4 lanes) {
    return (lanes[0] + lanes[2]) + (lanes[1] + lanes[3]);
}

TARGET static double largest_part(const npv_query_part *part, size_t dimensions) {
    vector_f64x4 largest = {0};
    for (size_t j = 0; j < dimensions; j += QUERY_LANES) {
        const vector_f64x4 size = magnitudes(part_at(part, j));
        const vector_i64x4 larger = size > largest;
        largest = (vector_f64x4)(((vector_i64x4)size & larger) | ((vector_i64x4)largest & ~larger));
    }
    double most = largest[0];
    for (size_t i = 1; i < QUERY_LANES; i++)
        most = largest[i] > most ? largest[i] : most;
    return most;
}

TARGET npv_rounded_query KERNEL(round_query)(const npv_query_part *part, size_t dimensions, int8_t *integers) {
    const size_t plane_bytes = NPV_PLANE_BYTES(dimensions);
    const double largest = largest_part(part, dimensions);
    const double step = largest / 127;
    const double steps = largest >= NPV_LEAST_ROUNDED ? 127 / largest : 0;
    vector_f64x4 squares = {0}, errors = {0}, sum = {0}, magnitude = {0};
    memset(integers, 0, 2 * plane_bytes);
    for (size_t first = 0; first < dimensions; first += NPV_LANES) {
        int64_t shifted[NPV_LANES];
        int8_t *to = integers + npv_code_position(first, plane_bytes); /* neighbours have neighbouring places */
        UNROLL
        for (size_t i = 0; i < NPV_LANES; i += QUERY_LANES) {
            const vector_f64x4 g = part_at(part, first + i);
            const vector_f64x4 in_steps = g * steps + TO_INTEGER;
            const vector_f64x4 integer = in_steps - TO_INTEGER;
            const vector_f64x4 error = g - integer * step;
            memcpy(shifted + i, &in_steps, sizeof in_steps);
            squares += g * g;
            errors += error * error;
            sum += integer;
            magnitude += magnitudes(integer);
        }
        for (size_t i = 0; i < NPV_LANES; i++)
            to[i] = (int8_t)shifted[i];
    }
    return (npv_rounded_query){step, sqrt(add_doubles(squares)), sqrt(add_doubles(errors)), add_doubles(sum),
                               add_doubles(magnitude)};
}
