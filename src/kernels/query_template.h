/*
 * Rounding queries to integers, in vectors.h's vectors. Included once by each implementation, which defines before:
 *
 *   TARGET, KERNEL            as for score_template.h
 *   query_f64, query_i64      vectors of as many doubles and int64 lanes, at most eight
 *
 * and afterwards finds KERNEL(round_query), an npv_round_query.
 *
 * Adding 1.5 * 2^52 to a double below 2^51 rounds it to an integer, ties to even, which then stands in its last bits.
 */
#include <math.h>
#include <string.h>

#include "vectors.h"

#define TO_INTEGER 0x1.8p52
#define SUM_LANES 8
#define QUERY_LANES (sizeof(query_f64) / sizeof(double))

#define QUERY_INLINE TARGET static inline __attribute__((always_inline))

/* One sum, in one vector or several, so that no addition waits for that of its neighbours. */
typedef struct query_sum {
    query_f64 part[SUM_LANES / QUERY_LANES];
} query_sum;

QUERY_INLINE query_f64 load_doubles(const double *from) {
    query_f64 lanes;
    memcpy(&lanes, from, sizeof lanes);
    return lanes;
}

/* g at as many dimensions as there are lanes. */
QUERY_INLINE query_f64 part_at(const npv_query_part *part, size_t j) {
    return load_doubles(part->query + j) * part->scale - part->along * load_doubles(part->direction + j);
}

QUERY_INLINE query_f64 magnitudes(query_f64 lanes) {
    return (query_f64)((query_i64)lanes & INT64_MAX);
}

QUERY_INLINE double add_lanes(const query_sum *sum) {
    double lanes[SUM_LANES];
    memcpy(lanes, sum, sizeof lanes);
    return ((lanes[0] + lanes[4]) + (lanes[2] + lanes[6])) + ((lanes[1] + lanes[5]) + (lanes[3] + lanes[7]));
}

TARGET static double largest_part(const npv_query_part *part, size_t dimensions) {
    query_f64 largest[NPV_LANES / QUERY_LANES] = {{0}};
    double lanes[NPV_LANES];
    for (size_t first = 0; first < dimensions; first += NPV_LANES) {
        UNROLL
        for (size_t i = 0; i < NPV_LANES / QUERY_LANES; i++) {
            const query_f64 size = magnitudes(part_at(part, first + i * QUERY_LANES));
            const query_i64 larger = size > largest[i];
            largest[i] = (query_f64)(((query_i64)size & larger) | ((query_i64)largest[i] & ~larger));
        }
    }
    memcpy(lanes, largest, sizeof lanes);
    double most = lanes[0];
    for (size_t i = 1; i < NPV_LANES; i++)
        most = lanes[i] > most ? lanes[i] : most;
    return most;
}

TARGET npv_rounded_query KERNEL(round_query)(const npv_query_part *part, size_t dimensions, int8_t *integers) {
    const size_t plane_bytes = NPV_PLANE_BYTES(dimensions);
    const double largest = largest_part(part, dimensions);
    const double step = largest / 127;
    const double steps = largest >= NPV_LEAST_ROUNDED ? 127 / largest : 0;
    query_sum squares = {{{0}}}, errors = {{{0}}}, sum = {{{0}}}, magnitude = {{{0}}};
    memset(integers, 0, 2 * plane_bytes);
    for (size_t first = 0; first < dimensions; first += NPV_LANES) {
        int64_t shifted[NPV_LANES];
        int8_t *to = integers + npv_code_position(first, plane_bytes); /* neighbours have neighbouring places */
        UNROLL
        for (size_t i = 0; i < NPV_LANES; i += QUERY_LANES) {
            const size_t at = i % SUM_LANES / QUERY_LANES;
            const query_f64 g = part_at(part, first + i);
            const query_f64 in_steps = g * steps + TO_INTEGER;
            const query_f64 integer = in_steps - TO_INTEGER;
            const query_f64 error = g - integer * step;
            memcpy(shifted + i, &in_steps, sizeof in_steps);
            squares.part[at] += g * g;
            errors.part[at] += error * error;
            sum.part[at] += integer;
            magnitude.part[at] += magnitudes(integer);
        }
        for (size_t i = 0; i < NPV_LANES; i++)
            to[i] = (int8_t)shifted[i];
    }
    return (npv_rounded_query){step, sqrt(add_lanes(&squares)), sqrt(add_lanes(&errors)), add_lanes(&sum),
                               add_lanes(&magnitude)};
}
