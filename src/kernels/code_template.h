/*
 * Integer dot products of queries with codes, for any processor that multiplies bytes in vectors. Included once by each
 * implementation, which defines before:
 *
 *   TARGET                             the attribute that lets a function use the instructions
 *   CODES_STEP                         bytes of a plane in one vector: 16, 32 or 64
 *   COARSE_STEPS                       how many vectors of a plane a coarse sum takes
 *   SINGLE_SUMS                        2 if additions for one query would wait for one another otherwise, else 1
 *   codes_u8, query_s8                 vectors of CODES_STEP bytes, without and with sign
 *   codes_load(from, half)             unaligned; half: only the first 32 bytes, zeros behind (where CODES_STEP is 64)
 *   query_load(from, half)
 *   codes_low_nibbles(bytes)           bytes & 15
 *   codes_high_nibbles(bytes)          bytes >> 4
 *   codes_join_low(high, low)          the codes of dimensions whose nibbles are in the low halves of two planes' bytes
 *   codes_join_high(high, low)         the same for the high halves
 *   wide_sum, wide_zero(), wide_add    int32 lanes
 *   coarse_sum, coarse_begin(wide)     what wide sums are continued in for a while, and
 *   coarse_end(wide, coarse)           the wide sum at its end
 *   coarse_add(sum, nibbles, query)
 *   wide_reduce(sum)                   the sum of its lanes
 *   wide_reduce4(a, b, c, d, sums)     of four
 *   fine_sum, fine_zero()              int32 lanes that wrap around: only the whole sum must fit
 *   fine_add(sum, codes, query_high, query_low)
 *   fine_widen(sum)                    to a wide_sum
 *   CODES_ORIGIN                       what codes for zero are to fine_add: 128, or 0 if it subtracts that from them
 *
 * and afterwards finds code_dot_high, code_dot_both, code_dot_high_tile, code_dot_both_tile.
 *
 * Measured, one thread of a Zen 5, 1,536 dimensions: one query, high plane, 51 GB/s of codes from cache with AVX2 and
 * 102 with AVX-512, 36 from memory with both (30 without prefetching); six queries, 150 and 330 billion products a
 * second, where OpenBLAS's sgemm does 57.
 */
#include <stdbool.h>
#include <stdint.h>

#include "vectors.h"

#define ROW_INLINE TARGET static inline __attribute__((always_inline))

ROW_INLINE void reduce_tile(const wide_sum *sums, size_t tile, size_t count, int32_t *dots) {
    UNROLL
    for (size_t i = 0; i < tile; i += 4) {
        int32_t four[4];
        wide_reduce4(sums[i], i + 1 < tile ? sums[i + 1] : wide_zero(), i + 2 < tile ? sums[i + 2] : wide_zero(),
                     i + 3 < tile ? sums[i + 3] : wide_zero(), four);
        UNROLL
        for (size_t j = 0; j < 4; j++)
            if (i + j < tile)
                dots[(i + j) * count] = four[j];
    }
}

#define MOST_SUMS (NPV_TILE > SINGLE_SUMS ? NPV_TILE : SINGLE_SUMS)

/* One for each query; a single query may have a second one, for the high halves of bytes. */
ROW_INLINE size_t count_sums(size_t tile) {
    return tile == 1 ? SINGLE_SUMS : tile;
}

ROW_INLINE void high_step(coarse_sum *sums, const npv_code_query *queries, size_t tile, const uint8_t *high,
                          size_t plane_bytes, size_t j, bool half) {
    const codes_u8 codes = codes_load(high + j, half);
    const codes_u8 low_nibbles = codes_low_nibbles(codes);
    const codes_u8 high_nibbles = codes_high_nibbles(codes);
    UNROLL
    for (size_t i = 0; i < tile; i++) {
        const int8_t *coarse = queries[i].coarse + j;
        coarse_sum *other = &sums[tile == 1 ? SINGLE_SUMS - 1 : i];
        sums[i] = coarse_add(sums[i], low_nibbles, query_load(coarse, half));
        *other = coarse_add(*other, high_nibbles, query_load(coarse + plane_bytes, half));
    }
}

/* The bytes of a plane from `from` to `to`: as many as a coarse sum takes. */
ROW_INLINE void high_steps(wide_sum *sums, const npv_code_query *queries, size_t tile, const uint8_t *high,
                           size_t plane_bytes, size_t from, size_t to, bool half) {
    const size_t sum_count = count_sums(tile);
    coarse_sum coarse[MOST_SUMS];
    UNROLL
    for (size_t i = 0; i < sum_count; i++)
        coarse[i] = coarse_begin(sums[i]);
    for (size_t j = from; j < to; j += CODES_STEP) {
        prefetch_far(high + j);
        high_step(coarse, queries, tile, high, plane_bytes, j, half);
    }
    UNROLL
    for (size_t i = 0; i < sum_count; i++)
        sums[i] = coarse_end(sums[i], coarse[i]);
}

ROW_INLINE void high_row(const npv_code_query *queries, size_t tile, const uint8_t *high, size_t plane_bytes,
                         size_t count, int32_t *dots) {
    const size_t most = (size_t)CODES_STEP * COARSE_STEPS;
    const size_t sum_count = count_sums(tile);
    wide_sum sums[MOST_SUMS];
    UNROLL
    for (size_t i = 0; i < sum_count; i++)
        sums[i] = wide_zero();
    size_t j = plane_bytes % CODES_STEP;
    if (CODES_STEP > 32 && j != 0)
        high_steps(sums, queries, tile, high, plane_bytes, 0, j, true);
    if (most >= NPV_PLANE_BYTES(65536))
        high_steps(sums, queries, tile, high, plane_bytes, j, plane_bytes, false);
    else
        for (; j < plane_bytes; j += most)
            high_steps(sums, queries, tile, high, plane_bytes, j, plane_bytes - j < most ? plane_bytes : j + most,
                       false);
    if (tile == 1)
        dots[0] = wide_reduce(SINGLE_SUMS == 1 ? sums[0] : wide_add(sums[0], sums[1]));
    else
        reduce_tile(sums, tile, count, dots);
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
    size_t j = plane_bytes % CODES_STEP;
    if (CODES_STEP > 32 && j != 0)
        both_step(sums, queries, tile, high, low, plane_bytes, 0, true);
    for (; j < plane_bytes; j += CODES_STEP) {
        prefetch_far(high + j);
        prefetch_far(low + j);
        both_step(sums, queries, tile, high, low, plane_bytes, j, false);
    }
    wide_sum wide[NPV_TILE];
    UNROLL
    for (size_t i = 0; i < tile; i++)
        wide[i] = fine_widen(sums[i]);
    if (tile == 1)
        dots[0] = wide_reduce(wide[0]);
    else
        reduce_tile(wide, tile, count, dots);
    UNROLL
    for (size_t i = 0; i < tile; i++)
        dots[i * count] = (int32_t)((uint32_t)dots[i * count] - CODES_ORIGIN * (uint32_t)queries[i].fine_sum);
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
