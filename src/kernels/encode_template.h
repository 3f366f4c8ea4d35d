/*
 * Coding rows, in vectors.h's vectors. Included once by each implementation, which defines before:
 *
 *   TARGET, KERNEL               as for score_template.h
 *   larger_f32x8(a, b)           the larger of a and b in each lane; either if one is not a number
 *   store_bytes_i32x8(to, a)     the last byte of each lane (gcc 12 makes a detour of __builtin_convertvector)
 *
 * and afterwards finds KERNEL(encode_row), an npv_encode_row.
 *
 * Rounding: adding 1.5 * 2^23 to a float below 2^22 rounds it to an integer, ties to even, which then stands in its
 * last bits. With 128 more they are the code.
 *
 * Measured, one thread of a Zen 5, 1,536 dimensions, AVX2: 0.34 ns an element from cache, at four instructions a cycle;
 * 0.39 from memory, which is the time of four scans of the rows. In float64 it was 0.6.
 */
#include <string.h>

#include "vectors.h"

#define TO_CODE (0x1.8p23F + 128)
#define CHUNK 64

/*
 * Sums in units of the step: squares of p, and of p less what the high nibbles and the codes stand for. The dimensions
 * of low and of high halves of bytes have lanes of their own.
 */
typedef struct code_sums {
    vector_f32x8 whole, off4, off8;
} code_sums;

/* The last dimensions % CHUNK dimensions, with zeros behind them. */
typedef struct last_chunk {
    size_t count;
    float x[CHUNK];
    float direction[CHUNK];
    float present[CHUNK]; /* 1 for a dimension, 0 behind the last */
} last_chunk;

#define ENCODE_INLINE TARGET static inline __attribute__((always_inline))

ENCODE_INLINE vector_f32x8 load_floats(const float *from) {
    vector_f32x8 lanes;
    memcpy(&lanes, from, sizeof lanes);
    return lanes;
}

ENCODE_INLINE float reduce_larger(vector_f32x8 lanes) {
    float largest = lanes[0];
    for (size_t i = 1; i < VECTOR_LANES; i++)
        largest = lanes[i] > largest ? lanes[i] : largest;
    return largest;
}

/* The tree: lane i of 16 += lane i + 8, then + 4, + 2, + 1. */
ENCODE_INLINE float reduce_floats(vector_f32x8 low, vector_f32x8 high) {
    const vector_f32x8 sum = low + high;
    return ((sum[0] + sum[4]) + (sum[2] + sum[6])) + ((sum[1] + sum[5]) + (sum[3] + sum[7]));
}

TARGET static void take_last(last_chunk *last, const float *direction, const float *x, size_t dimensions) {
    *last = (last_chunk){.count = dimensions % CHUNK};
    memcpy(last->x, x + (dimensions - last->count), last->count * sizeof *x);
    memcpy(last->direction, direction + (dimensions - last->count), last->count * sizeof *direction);
    for (size_t j = 0; j < last->count; j++)
        last->present[j] = 1;
}

/* Eight dimensions of p = x - t v. */
ENCODE_INLINE vector_f32x8 load_remainder(const float *direction, float along, const float *x) {
    return load_floats(x) - along * load_floats(direction);
}

/* max|p[j]| of `count` dimensions, a multiple of eight, and `largest`. */
ENCODE_INLINE vector_f32x8 larger_remainder(vector_f32x8 largest, const float *direction, float along, const float *x,
                                            size_t count) {
    for (size_t j = 0; j < count; j += VECTOR_LANES) {
        prefetch_far(x + j);
        const vector_i32x8 p = (vector_i32x8)load_remainder(direction + j, along, x + j);
        largest = larger_f32x8(largest, (vector_f32x8)(p & INT32_MAX));
    }
    return largest;
}

/* Codes eight dimensions, given p / step; a code is the last byte of a lane. `present` may be NULL: all are. */
ENCODE_INLINE vector_i32x8 encode_floats(vector_f32x8 p, const float *present, code_sums *sums) {
    const vector_f32x8 coded = p + TO_CODE;
    const vector_f32x8 off8 = p - (coded - TO_CODE);
    vector_f32x8 off4 = p - ((vector_f32x8)((vector_i32x8)coded & ~15) - TO_CODE + 7.5F);
    if (present != NULL)
        off4 *= load_floats(present);
    sums->whole += p * p;
    sums->off4 += off4 * off4;
    sums->off8 += off8 * off8;
    return (vector_i32x8)coded;
}

/* `sums` are of the low and of the high halves of bytes. */
ENCODE_INLINE void encode_chunk(const float *direction, float along, const float *x, const float *present,
                                float inverse, uint8_t *high, uint8_t *low, code_sums sums[2]) {
    const float *present2 = present == NULL ? NULL : present + 32;
    for (size_t i = 0; i < CHUNK / 2; i += VECTOR_LANES) {
        const vector_f32x8 p1 = load_remainder(direction + i, along, x + i) * inverse;
        const vector_f32x8 p2 = load_remainder(direction + i + 32, along, x + i + 32) * inverse;
        const vector_i32x8 code1 = encode_floats(p1, present == NULL ? NULL : present + i, &sums[0]);
        const vector_i32x8 code2 = encode_floats(p2, present == NULL ? NULL : present2 + i, &sums[1]);
        store_bytes_i32x8(high + i, code1 >> 4 | (code2 & 0xF0));
        store_bytes_i32x8(low + i, (code1 & 0x0F) | code2 << 4);
    }
}

TARGET void KERNEL(encode_row)(const float *direction, float along, const float *x, size_t dimensions, uint8_t *high,
                               uint8_t *low, npv_code_header *header) {
    const size_t whole = dimensions / CHUNK * CHUNK;
    last_chunk last;
    vector_f32x8 largest_f32x8 = larger_remainder((vector_f32x8){0}, direction, along, x, whole);
    if (whole < dimensions) {
        take_last(&last, direction, x, dimensions);
        largest_f32x8 = larger_remainder(largest_f32x8, last.direction, along, last.x, CHUNK);
    }
    const float largest = reduce_larger(largest_f32x8);
    const float step = npv_code_step(along, largest);
    const float inverse = step > 0 ? 1 / step : 0;

    code_sums sums[2] = {0};
    for (size_t j = 0; j < whole; j += CHUNK)
        encode_chunk(direction + j, along, x + j, NULL, inverse, high + j / 2, low + j / 2, sums);
    if (whole < dimensions)
        encode_chunk(last.direction, along, last.x, last.present, inverse, high + whole / 2, low + whole / 2, sums);
    const npv_code_sums reduced = {.whole = reduce_floats(sums[0].whole, sums[1].whole),
                                   .off4 = reduce_floats(sums[0].off4, sums[1].off4),
                                   .off8 = reduce_floats(sums[0].off8, sums[1].off8)};
    *header = npv_code_header_of(along, largest, &reduced);
    npv_code_undo(header, dimensions, high, low);
}
