/* The reference: the definition in npvec.h, written down in plain C. */
#include <math.h>

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

/* Where dimension j has its nibble: in which byte of a plane, and how far up. */
static size_t byte_of(size_t j) {
    return j / 64 * 32 + j % 32;
}

static int shift_of(size_t j) {
    return j % 64 < 32 ? 0 : 4;
}

static int get_nibble(const uint8_t *plane, size_t j) {
    return plane[byte_of(j)] >> shift_of(j) & 15;
}

static void put_nibble(uint8_t *plane, size_t j, int nibble) {
    const int others = plane[byte_of(j)] & ~(15 << shift_of(j));
    plane[byte_of(j)] = (uint8_t)(others | nibble << shift_of(j));
}

/* Dimension j of x - t v. The product is exact. */
static double remainder_at(const double *direction, float along, const float *x, size_t j) {
    return (double)x[j] - (double)along * direction[j];
}

static void encode_row(const double *direction, float along, const float *x, size_t dimensions, uint8_t *high,
                       uint8_t *low, npv_code_header *header) {
    double largest = 0;
    double squares_f64x16[NPV_LANES] = {0};
    double squares4_f64x16[NPV_LANES] = {0};
    double squares8_f64x16[NPV_LANES] = {0};
    for (size_t j = 0; j < dimensions; j++) {
        const double p = remainder_at(direction, along, x, j);
        largest = fabs(p) > largest ? fabs(p) : largest;
        squares_f64x16[j % NPV_LANES] += p * p;
    }
    const double squares = reduce(squares_f64x16);
    const float step = npv_code_step(along, largest, squares);
    const double inverse = step > 0 ? 1 / (double)step : 0;

    npv_code_nothing(dimensions, high, low);
    for (size_t j = 0; j < dimensions && step >= 0; j++) {
        const double p = remainder_at(direction, along, x, j);
        const int code = (int)rint(p * inverse) + 128;
        put_nibble(high, j, code >> 4);
        put_nibble(low, j, code & 15);
        const double off4 = p - (double)step * ((code & ~15) + 7.5 - 128);
        const double off8 = p - (double)step * (code - 128);
        squares4_f64x16[j % NPV_LANES] += off4 * off4;
        squares8_f64x16[j % NPV_LANES] += off8 * off8;
    }
    *header = npv_code_header_of(along, step, squares, reduce(squares4_f64x16), reduce(squares8_f64x16));
}

static void dot_high(const npv_code_query *query, const uint8_t *high, size_t plane_bytes, size_t count,
                     int32_t *dots) {
    for (size_t i = 0; i < count; i++) {
        int32_t sum = 0;
        for (size_t j = 0; j < 2 * plane_bytes; j++)
            sum += query->coarse[npv_code_position(j, plane_bytes)] * get_nibble(high + i * plane_bytes, j);
        dots[i] = sum;
    }
}

static void dot_both(const npv_code_query *query, const uint8_t *high, const uint8_t *low, size_t plane_bytes,
                     size_t count, int32_t *dots) {
    for (size_t i = 0; i < count; i++) {
        const size_t row = i * plane_bytes;
        int32_t sum = 0;
        for (size_t j = 0; j < 2 * plane_bytes; j++) {
            const size_t position = npv_code_position(j, plane_bytes);
            const int fine = 128 * query->fine_high[position] + query->fine_low[position];
            sum += fine * (16 * get_nibble(high + row, j) + get_nibble(low + row, j) - 128);
        }
        dots[i] = sum;
    }
}

static void dot_high_tile(const npv_code_query *queries, const uint8_t *high, size_t plane_bytes, size_t count,
                          int32_t *dots) {
    for (size_t i = 0; i < NPV_TILE; i++)
        dot_high(&queries[i], high, plane_bytes, count, dots + i * count);
}

static void dot_both_tile(const npv_code_query *queries, const uint8_t *high, const uint8_t *low, size_t plane_bytes,
                          size_t count, int32_t *dots) {
    for (size_t i = 0; i < NPV_TILE; i++)
        dot_both(&queries[i], high, low, plane_bytes, count, dots + i * count);
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

const npv_kernels npv_kernels_scalar = {
    .name = "scalar",
    .dot = dot,
    .squared_distance = squared_distance,
    .encode_row = encode_row,
    .dot_high = dot_high,
    .dot_both = dot_both,
    .dot_high_tile = dot_high_tile,
    .dot_both_tile = dot_both_tile,
    .bound_rows = bound_rows,
};
