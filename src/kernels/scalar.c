/* The reference: the definition in npvec.h, written down in plain C. */
#include <math.h>
#include <stdbool.h>
#include <string.h>

#include "code_header.h"
#include "tables.h"

static double reduce(double *sum_f64x16) {
    for (size_t half = NPV_LANES / 2; half > 0; half /= 2)
        for (size_t i = 0; i < half; i++)
            sum_f64x16[i] += sum_f64x16[i + half];
    return sum_f64x16[0];
}

static void dot(const double *query, const float *rows, size_t dimensions, size_t count, double *scores) {
    for (size_t i = 0; i < count; i++) {
        const float *x = rows + i * dimensions;
        double sum_f64x16[NPV_LANES] = {0};
        for (size_t j = 0; j < dimensions; j++)
            sum_f64x16[j % NPV_LANES] += query[j] * (double)x[j];
        scores[i] = reduce(sum_f64x16);
    }
}

static void squared_distance(const double *query, const float *rows, size_t dimensions, size_t count, double *scores) {
    for (size_t i = 0; i < count; i++) {
        const float *x = rows + i * dimensions;
        double sum_f64x16[NPV_LANES] = {0};
        for (size_t j = 0; j < dimensions; j++) {
            const double difference = query[j] - (double)x[j];
            sum_f64x16[j % NPV_LANES] += difference * difference;
        }
        scores[i] = reduce(sum_f64x16);
    }
}

static double square_row(const float *x, size_t dimensions) {
    double sum_f64x16[NPV_LANES] = {0};
    for (size_t j = 0; j < dimensions; j++)
        sum_f64x16[j % NPV_LANES] += (double)x[j] * (double)x[j];
    return reduce(sum_f64x16);
}

static void scale_row(const float *x, size_t dimensions, double length, float *unit) {
    for (size_t j = 0; j < dimensions; j++)
        unit[j] = (float)((double)x[j] / length);
}

/* Puts the nibble of dimension j into a plane. */
static void put_nibble(uint8_t *plane, size_t j, int nibble) {
    const int shift = j % 64 < 32 ? 0 : 4;
    uint8_t *const byte = &plane[j / 64 * 32 + j % 32];
    *byte = (uint8_t)((*byte & ~(15 << shift)) | nibble << shift);
}

/* The lane in which dimension j of a code is measured: eight for the low halves of bytes, eight for the high ones. */
static size_t lane_of(size_t j) {
    return j % 8 + (j % 64 < 32 ? 0 : 8);
}

static float reduce_f32(float *sum_f32x16) {
    for (size_t half = NPV_LANES / 2; half > 0; half /= 2)
        for (size_t i = 0; i < half; i++)
            sum_f32x16[i] += sum_f32x16[i + half];
    return sum_f32x16[0];
}

static float largest_of(const float *direction, float along, const float *x, size_t dimensions) {
    float largest = 0;
    for (size_t j = 0; j < dimensions; j++) {
        const float p = x[j] - along * direction[j];
        largest = fabsf(p) > largest ? fabsf(p) : largest;
    }
    return largest;
}

static void encode_row(const float *direction, float along, const float *x, size_t dimensions, uint8_t *high,
                       uint8_t *low, npv_code_header *header) {
    const float largest = largest_of(direction, along, x, dimensions);
    const float step = npv_code_step(along, largest);
    const float inverse = step > 0 ? 1 / step : 0;
    float whole_f32x16[NPV_LANES] = {0};
    float off4_f32x16[NPV_LANES] = {0};
    float off8_f32x16[NPV_LANES] = {0};
    for (size_t j = 0; j < 2 * NPV_PLANE_BYTES(dimensions); j++) {
        const float y = j < dimensions ? (x[j] - along * direction[j]) * inverse : 0;
        const int code = isnan(y) ? 128 : (int)rintf(y) + 128;
        put_nibble(high, j, code >> 4);
        put_nibble(low, j, code & 15);
        const float off4 = j < dimensions ? y - ((float)(code & ~15) + 7.5F - 128) : 0;
        const float off8 = y - (float)(code - 128);
        whole_f32x16[lane_of(j)] += y * y;
        off4_f32x16[lane_of(j)] += off4 * off4;
        off8_f32x16[lane_of(j)] += off8 * off8;
    }
    const npv_code_sums sums = {reduce_f32(whole_f32x16), reduce_f32(off4_f32x16), reduce_f32(off8_f32x16)};
    *header = npv_code_header_of(along, largest, &sums);
    npv_code_undo(header, dimensions, high, low);
}

static double part_at(const npv_query_part *part, size_t j) {
    return part->query[j] * part->scale - part->along * part->direction[j];
}

static double add_f64(double *sum_f64x8) {
    for (size_t half = 4; half > 0; half /= 2)
        for (size_t i = 0; i < half; i++)
            sum_f64x8[i] += sum_f64x8[i + half];
    return sum_f64x8[0];
}

static npv_rounded_query round_query(const npv_query_part *part, size_t dimensions, int8_t *integers) {
    const size_t plane_bytes = NPV_PLANE_BYTES(dimensions);
    double largest = 0;
    double squares_f64x8[8] = {0}, errors_f64x8[8] = {0}, sum_f64x8[8] = {0}, magnitude_f64x8[8] = {0};
    for (size_t j = 0; j < dimensions; j++)
        largest = fabs(part_at(part, j)) > largest ? fabs(part_at(part, j)) : largest;
    const double step = largest / 127;
    const double steps = largest >= NPV_LEAST_ROUNDED ? 127 / largest : 0;
    memset(integers, 0, 2 * plane_bytes);
    for (size_t j = 0; j < dimensions; j++) {
        const double g = part_at(part, j);
        const double integer = rint(g * steps);
        const double error = g - integer * step;
        integers[npv_code_position(j, plane_bytes)] = (int8_t)integer;
        squares_f64x8[j % 8] += g * g;
        errors_f64x8[j % 8] += error * error;
        sum_f64x8[j % 8] += integer;
        magnitude_f64x8[j % 8] += fabs(integer);
    }
    return (npv_rounded_query){step, sqrt(add_f64(squares_f64x8)), sqrt(add_f64(errors_f64x8)), add_f64(sum_f64x8),
                               add_f64(magnitude_f64x8)};
}

static void dot_nibbles(const int8_t *query, const npv_plane_rows *rows, int32_t *dots) {
    const size_t plane_bytes = rows->plane_bytes;
    for (size_t i = 0; i < rows->count; i++) {
        const uint8_t *row = rows->plane + (rows->listed == NULL ? i : rows->listed[i]) * plane_bytes;
        int32_t sum = 0;
        for (size_t j = 0; j < plane_bytes; j++)
            sum += query[j] * (row[j] & 15) + query[plane_bytes + j] * (row[j] >> 4);
        dots[i] = sum;
    }
}

static void dot_nibbles_tile(const int8_t *queries, const npv_plane_rows *rows, int32_t *dots) {
    for (size_t i = 0; i < NPV_TILE; i++)
        dot_nibbles(queries + i * 2 * rows->plane_bytes, rows, dots + i * rows->count);
}

static float bound_rows(const npv_bound_terms *terms, const npv_code_columns *columns, const int32_t *dots,
                        size_t count, float *bounds) {
    float largest = -HUGE_VALF;
    for (size_t i = 0; i < count; i++) {
        const float along = terms->per_along * columns->along[i] + terms->per_size * fabsf(columns->along[i]);
        const float coded = columns->step[i] * (terms->per_dot * (float)dots[i] + terms->per_step);
        const float slack = terms->per_error * columns->error[i] + terms->per_length * columns->length[i];
        const float bound = along + coded + slack;
        bounds[i] = isfinite(bound) ? bound : HUGE_VALF;
        largest = bounds[i] > largest ? bounds[i] : largest;
    }
    return largest + 0.0F; /* no -0, which other processors order below +0 */
}

static void rows_in_range(const npv_code_range *range, const void *codes, size_t count, uint64_t *bits) {
    for (size_t word = 0; word * 64 < count; word++) {
        uint64_t in_range = 0;
        for (size_t i = word * 64; i < count && i < word * 64 + 64; i++) {
            uint32_t code;
            memcpy(&code, (const unsigned char *)codes + i * sizeof code, sizeof code);
            const bool inside = range->first <= code && code < range->end;
            const bool in_hole = range->hole_first <= code && code < range->hole_end;
            in_range |= (uint64_t)(inside && !in_hole) << i % 64;
        }
        bits[word] &= in_range;
    }
}

const npv_kernels npv_kernels_scalar = {
    .name = "scalar",
    .dot = dot,
    .squared_distance = squared_distance,
    .square_row = square_row,
    .scale_row = scale_row,
    .encode_row = encode_row,
    .round_query = round_query,
    .dot_nibbles = dot_nibbles,
    .dot_nibbles_tile = dot_nibbles_tile,
    .bound_rows = bound_rows,
    .rows_in_range = rows_in_range,
};
