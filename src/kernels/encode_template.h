/*
 * Coding rows, for any processor that has doubles in vectors. Included after score_template.h by each implementation,
 * which defines before:
 *
 *   TARGET, lanes_f64x16, lanes_zero, lanes_load, lanes_widen, lanes_add_square, lanes_subtract, lanes_reduce
 *                                         as for score_template.h
 *   lanes_splat(double)                   the same in all lanes
 *   lanes_add(a, b), lanes_multiply(a, b)
 *   lanes_subtract_product(a, x, y)       a - x * y; x * y is exact here, so one rounding or two is the same
 *   lanes_larger(a, b)                    the larger of a and |b| in each lane; any of them if b is not a number
 *   lanes_largest(a)                      of all lanes
 *   lanes_without_nibble(a)               with the last four bits of each double cleared
 *   lanes_store_bytes(uint8_t *, a)       the last eight bits of each double, 16 bytes
 *   lanes_pack_codes(codes, high, low)    64 codes to a chunk of both planes, 32 bytes each
 *
 * and afterwards finds encode_one_row, an npv_encode_row.
 *
 * Rounding: adding 1.5 * 2^52 to a double below 2^51 rounds it to an integer, ties to even, which then stands in its
 * last bits. With 128 more those are the code.
 */
#include <stdint.h>
#include <string.h>

#define TO_CODE (0x1.8p52 + 128)
#define CHUNK 64

/* Sixteen floats of a row, or the fewer that are left with zeros behind them. */
TARGET static inline lanes_f64x16 widen_some(const float *x, size_t left) {
    return left < NPV_LANES ? widen_tail(x, left) : lanes_widen(x);
}

/* Sixteen dimensions, or the last few, of p = x - t v, with zeros behind them. */
TARGET static inline lanes_f64x16 remainder_of(lanes_f64x16 along, const double *direction, const float *x,
                                               size_t left) {
    return lanes_subtract_product(widen_some(x, left), along, lanes_load(direction));
}

/* What is measured of a row's codes: the squares of p less what the codes, or the high nibbles, stand for. */
typedef struct code_squares {
    lanes_f64x16 of4, of8;
} code_squares;

/* Codes sixteen dimensions. */
TARGET static inline void encode_lanes(lanes_f64x16 p, double step, double inverse, size_t left, uint8_t *codes,
                                       code_squares *squares) {
    static const double present[2 * NPV_LANES] = {1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1};
    const lanes_f64x16 steps = lanes_splat(step);
    const lanes_f64x16 coded = lanes_add(lanes_multiply(p, lanes_splat(inverse)), lanes_splat(TO_CODE));
    const lanes_f64x16 value8 = lanes_subtract(coded, lanes_splat(TO_CODE));
    const lanes_f64x16 value4 =
        lanes_add(lanes_subtract(lanes_without_nibble(coded), lanes_splat(TO_CODE)), lanes_splat(7.5));
    lanes_f64x16 off4 = lanes_subtract_product(p, steps, value4);
    if (left < NPV_LANES)
        off4 = lanes_multiply(off4, lanes_load(present + NPV_LANES - left));
    squares->of4 = lanes_add_square(squares->of4, off4);
    squares->of8 = lanes_add_square(squares->of8, lanes_subtract_product(p, steps, value8));
    lanes_store_bytes(codes, coded);
}

TARGET static void encode_one_row(const double *direction, float along, const float *x, size_t dimensions,
                                  uint8_t *high, uint8_t *low, npv_code_header *header) {
    const lanes_f64x16 t = lanes_splat((double)along);
    lanes_f64x16 largest = lanes_zero();
    lanes_f64x16 squares_of_p = lanes_zero();
    for (size_t j = 0; j < dimensions; j += NPV_LANES) {
        const lanes_f64x16 p = remainder_of(t, direction + j, x + j, dimensions - j);
        largest = lanes_larger(largest, p);
        squares_of_p = lanes_add_square(squares_of_p, p);
    }
    const double squares = lanes_reduce(squares_of_p);
    const float step = npv_code_step(along, lanes_largest(largest), squares);
    const double inverse = 1 / (double)step;

    /* Without a step the codes stand for zero, and what they miss is p. */
    code_squares off = {squares_of_p, squares_of_p};
    if (step > 0)
        off = (code_squares){lanes_zero(), lanes_zero()};
    else
        npv_code_nothing(dimensions, high, low);
    for (size_t chunk = 0; chunk < dimensions && step > 0; chunk += CHUNK) {
        uint8_t codes[CHUNK];
        memset(codes, 128, sizeof codes);
        for (size_t j = chunk; j < dimensions && j < chunk + CHUNK; j += NPV_LANES)
            encode_lanes(remainder_of(t, direction + j, x + j, dimensions - j), (double)step, inverse, dimensions - j,
                         codes + (j - chunk), &off);
        lanes_pack_codes(codes, high + chunk / 2, low + chunk / 2);
    }
    *header = npv_code_header_of(along, step, squares, lanes_reduce(off.of4), lanes_reduce(off.of8));
}
