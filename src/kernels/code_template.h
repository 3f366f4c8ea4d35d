/*
 * Integer dot products of queries with codes, for any processor that multiplies bytes in vectors. Included once by each
 * implementation, which defines before:
 *
 *   TARGET                             the attribute that lets a function use the instructions
 *   CODES_STEP                         bytes of a plane in one vector: 16, 32 or 64
 *   NARROW_STEPS                       how many vectors of a plane a narrow sum takes
 *   SINGLE_SUMS                        2 if additions for one query would wait for one another otherwise, else 1
 *   codes_u8, query_s8                 vectors of CODES_STEP bytes, without and with sign
 *   codes_load(from, half)             unaligned; half: only the first 32 bytes, zeros behind (where CODES_STEP is 64)
 *   query_load(from, half)
 *   codes_low_nibbles(bytes)           bytes & 15
 *   codes_high_nibbles(bytes)          bytes >> 4
 *   wide_sum, wide_zero(), wide_add    int32 lanes
 *   narrow_sum, narrow_begin(wide)     what wide sums are continued in for a while, and
 *   narrow_end(wide, narrow)           the wide sum at its end
 *   narrow_add(sum, nibbles, query)
 *   wide_reduce(sum)                   the sum of its lanes
 *   wide_reduce4(a, b, c, d, sums)     of four
 *
 * and afterwards finds code_dot_nibbles and code_dot_nibbles_tile.
 *
 * Measured, one thread of a Zen 5, 1,536 dimensions: one query, one plane, 51 GB/s of codes from cache with AVX2 and
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

ROW_INLINE void sum_step(narrow_sum *sums, const int8_t *queries, size_t tile, const uint8_t *plane, size_t plane_bytes,
                         size_t j, bool half) {
    const codes_u8 codes = codes_load(plane + j, half);
    const codes_u8 low_nibbles = codes_low_nibbles(codes);
    const codes_u8 high_nibbles = codes_high_nibbles(codes);
    UNROLL
    for (size_t i = 0; i < tile; i++) {
        const int8_t *query = queries + i * 2 * plane_bytes + j;
        narrow_sum *other = &sums[tile == 1 ? SINGLE_SUMS - 1 : i];
        sums[i] = narrow_add(sums[i], low_nibbles, query_load(query, half));
        *other = narrow_add(*other, high_nibbles, query_load(query + plane_bytes, half));
    }
}

/* The bytes of a plane from `from` to `to`: as many as a narrow sum takes. */
ROW_INLINE void sum_steps(wide_sum *sums, const int8_t *queries, size_t tile, const uint8_t *plane, size_t plane_bytes,
                          size_t from, size_t to, bool half) {
    const size_t sum_count = count_sums(tile);
    narrow_sum narrow[MOST_SUMS];
    UNROLL
    for (size_t i = 0; i < sum_count; i++)
        narrow[i] = narrow_begin(sums[i]);
    for (size_t j = from; j < to; j += CODES_STEP) {
        prefetch_far(plane + j);
        sum_step(narrow, queries, tile, plane, plane_bytes, j, half);
    }
    UNROLL
    for (size_t i = 0; i < sum_count; i++)
        sums[i] = narrow_end(sums[i], narrow[i]);
}

ROW_INLINE void sum_row(const int8_t *queries, size_t tile, const uint8_t *plane, size_t plane_bytes, size_t count,
                        int32_t *dots) {
    const size_t most = (size_t)CODES_STEP * NARROW_STEPS;
    const size_t sum_count = count_sums(tile);
    wide_sum sums[MOST_SUMS];
    UNROLL
    for (size_t i = 0; i < sum_count; i++)
        sums[i] = wide_zero();
    size_t j = plane_bytes % CODES_STEP;
    if (CODES_STEP > 32 && j != 0)
        sum_steps(sums, queries, tile, plane, plane_bytes, 0, j, true);
    if (most >= NPV_PLANE_BYTES(65536))
        sum_steps(sums, queries, tile, plane, plane_bytes, j, plane_bytes, false);
    else
        for (; j < plane_bytes; j += most)
            sum_steps(sums, queries, tile, plane, plane_bytes, j, plane_bytes - j < most ? plane_bytes : j + most,
                      false);
    if (tile == 1)
        dots[0] = wide_reduce(SINGLE_SUMS == 1 ? sums[0] : wide_add(sums[0], sums[1]));
    else
        reduce_tile(sums, tile, count, dots);
}

TARGET static void code_dot_nibbles(const int8_t *query, const uint8_t *plane, size_t plane_bytes, size_t count,
                                    int32_t *dots) {
    for (size_t i = 0; i < count; i++)
        sum_row(query, 1, plane + i * plane_bytes, plane_bytes, count, dots + i);
}

TARGET static void code_dot_nibbles_tile(const int8_t *queries, const uint8_t *plane, size_t plane_bytes, size_t count,
                                         int32_t *dots) {
    for (size_t i = 0; i < count; i++)
        sum_row(queries, NPV_TILE, plane + i * plane_bytes, plane_bytes, count, dots + i);
}
