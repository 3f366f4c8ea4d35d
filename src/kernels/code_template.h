/*
 * Integer dot products of queries with codes, for any processor that multiplies bytes in vectors. Included once by each
 * implementation, which defines before:
 *
 *   TARGET                             the attribute that lets a function use the instructions
 *   CODES_STEP                         bytes of a plane in one vector: 16, 32 or 64
 *   COARSE_STEPS                       how often one may coarse_add before the sum must go into a wide_sum
 *   codes_u8, query_s8                 vectors of CODES_STEP bytes, without and with sign
 *   codes_load(from, half)             unaligned; half: only the first 32 bytes, zeros behind (where CODES_STEP is 64)
 *   query_load(from, half)
 *   codes_low_nibbles(bytes)           bytes & 15
 *   codes_high_nibbles(bytes)          bytes >> 4
 *   codes_join_low(high, low)          the codes of dimensions whose nibbles are in the low halves of two planes' bytes
 *   codes_join_high(high, low)         the same for the high halves
 *   coarse_sum, coarse_zero()
 *   coarse_add(sum, low_nibbles, low_query, high_nibbles, high_query)
 *   wide_sum, wide_zero()              int32 lanes
 *   wide_add(sum, coarse_sum)
 *   wide_reduce(sum)
 *   fine_sum, fine_zero()              int32 lanes that wrap around: only the whole sum must fit
 *   fine_add(sum, codes, query_high, query_low)
 *   fine_reduce(sum, fine_total)       less 128 * fine_total where codes are taken without sign
 *
 * and afterwards finds code_dot_high, code_dot_both, code_dot_high_tile, code_dot_both_tile.
 */
#include <stdbool.h>
#include <stdint.h>

#include "vectors.h"

#define ROW_INLINE TARGET static inline __attribute__((always_inline))

/* See score_template.h. */
ROW_INLINE void prefetch_codes(const uint8_t *codes) {
    __builtin_prefetch((const void *)((uintptr_t)codes + PREFETCH_BYTES));
}

ROW_INLINE void high_step(coarse_sum *sums, const npv_code_query *queries, size_t tile, const uint8_t *high,
                          size_t plane_bytes, size_t j, bool half) {
    const codes_u8 codes = codes_load(high + j, half);
    const codes_u8 low_nibbles = codes_low_nibbles(codes);
    const codes_u8 high_nibbles = codes_high_nibbles(codes);
    UNROLL
    for (size_t i = 0; i < tile; i++) {
        const int8_t *coarse = queries[i].coarse + j;
        sums[i] = coarse_add(sums[i], low_nibbles, query_load(coarse, half), high_nibbles,
                             query_load(coarse + plane_bytes, half));
    }
}

/* As many steps as a coarse sum takes, from byte j on; returns where it stopped. */
ROW_INLINE size_t high_steps(wide_sum *sums, const npv_code_query *queries, size_t tile, const uint8_t *high,
                             size_t plane_bytes, size_t j) {
    coarse_sum coarse[NPV_TILE];
    UNROLL
    for (size_t i = 0; i < tile; i++)
        coarse[i] = coarse_zero();
    const size_t most = (size_t)CODES_STEP * COARSE_STEPS;
    const size_t end = plane_bytes - j < most ? plane_bytes : j + most;
    for (; j + CODES_STEP <= end; j += CODES_STEP) {
        prefetch_codes(high + j);
        high_step(coarse, queries, tile, high, plane_bytes, j, false);
    }
    if (CODES_STEP > 32 && j < end)
        high_step(coarse, queries, tile, high, plane_bytes, j, true);
    UNROLL
    for (size_t i = 0; i < tile; i++)
        sums[i] = wide_add(sums[i], coarse[i]);
    return end;
}

ROW_INLINE void high_row(const npv_code_query *queries, size_t tile, const uint8_t *high, size_t plane_bytes,
                         size_t count, int32_t *dots) {
    wide_sum sums[NPV_TILE];
    UNROLL
    for (size_t i = 0; i < tile; i++)
        sums[i] = wide_zero();
    for (size_t j = 0; j < plane_bytes;)
        j = high_steps(sums, queries, tile, high, plane_bytes, j);
    UNROLL
    for (size_t i = 0; i < tile; i++)
        dots[i * count] = wide_reduce(sums[i]);
}

ROW_INLINE void both_step(fine_sum *sums, const npv_code_query *queries, size_t tile, const uint8_t *high,
                          const uint8_t *low, size_t plane_bytes, size_t j, bool half) {
    const codes_u8 high_codes = codes_load(high + j, half);
    const codes_u8 low_codes = codes_load(low + j, half);
    const codes_u8 first = codes_join_low(high_codes, low_codes);
    const codes_u8 second = codes_join_high(high_codes, low_codes);
    UNROLL
    for (size_t i = 0; i < tile; i++) {
        const int8_t *fine_high = queries[i].fine_high + j;
        const int8_t *fine_low = queries[i].fine_low + j;
        sums[i] = fine_add(sums[i], first, query_load(fine_high, half), query_load(fine_low, half));
        sums[i] = fine_add(sums[i], second, query_load(fine_high + plane_bytes, half),
                           query_load(fine_low + plane_bytes, half));
    }
}

ROW_INLINE void both_row(const npv_code_query *queries, size_t tile, const uint8_t *high, const uint8_t *low,
                         size_t plane_bytes, size_t count, int32_t *dots) {
    fine_sum sums[NPV_TILE];
    UNROLL
    for (size_t i = 0; i < tile; i++)
        sums[i] = fine_zero();
    size_t j = 0;
    for (; j + CODES_STEP <= plane_bytes; j += CODES_STEP) {
        prefetch_codes(high + j);
        prefetch_codes(low + j);
        both_step(sums, queries, tile, high, low, plane_bytes, j, false);
    }
    if (CODES_STEP > 32 && j < plane_bytes)
        both_step(sums, queries, tile, high, low, plane_bytes, j, true);
    UNROLL
    for (size_t i = 0; i < tile; i++)
        dots[i * count] = fine_reduce(sums[i], queries[i].fine_sum);
}

TARGET static void code_dot_high(const npv_code_query *query, const uint8_t *high, size_t plane_bytes, size_t count,
                                 int32_t *dots) {
    for (size_t i = 0; i < count; i++)
        high_row(query, 1, high + i * plane_bytes, plane_bytes, count, dots + i);
}

TARGET static void code_dot_high_tile(const npv_code_query *queries, const uint8_t *high, size_t plane_bytes,
                                      size_t count, int32_t *dots) {
    for (size_t i = 0; i < count; i++)
        high_row(queries, NPV_TILE, high + i * plane_bytes, plane_bytes, count, dots + i);
}

TARGET static void code_dot_both(const npv_code_query *query, const uint8_t *high, const uint8_t *low,
                                 size_t plane_bytes, size_t count, int32_t *dots) {
    for (size_t i = 0; i < count; i++)
        both_row(query, 1, high + i * plane_bytes, low + i * plane_bytes, plane_bytes, count, dots + i);
}

TARGET static void code_dot_both_tile(const npv_code_query *queries, const uint8_t *high, const uint8_t *low,
                                      size_t plane_bytes, size_t count, int32_t *dots) {
    for (size_t i = 0; i < count; i++)
        both_row(queries, NPV_TILE, high + i * plane_bytes, low + i * plane_bytes, plane_bytes, count, dots + i);
}
