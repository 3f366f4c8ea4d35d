/*
 * Integer dot products of queries with codes, for any processor that multiplies bytes in vectors. Included once by each
 * implementation, which defines before:
 *
 *   TARGET                             the attribute that lets a function use the instructions
 *   CODES_STEP                         bytes of a plane in one vector: 16, 32 or 64
 *   NARROW_STEPS                       how many vectors of a plane a narrow sum takes
 *   SINGLE_SUMS                        2 if additions for one query would wait for one another otherwise, else 1
 *   TILE_ROWS                          rows that a tile takes at once, 1 or 4: as many as there are registers for
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
 * `stream` says that rows follow which are read next: memory behind these is asked for. A row that is alone was picked
 * out, and what lies behind it would push out what is needed.
 *
 * Measured, one thread of a Zen 5, 1,536 dimensions: one query, one plane, 51 GB/s of codes from cache with AVX2 and
 * 102 with AVX-512, 36 from memory with both (30 without prefetching); four queries, 159 and 400 billion products a
 * second, where OpenBLAS's sgemm does 57.
 */
#include <stdbool.h>
#include <stdint.h>

#include "vectors.h"

#define ROW_INLINE TARGET static inline __attribute__((always_inline))

/* Of `rows` rows and `tile` queries, row after row; a single query and row may have two, one for the high halves. */
#define MOST_SUMS (TILE_ROWS * NPV_TILE > SINGLE_SUMS ? TILE_ROWS * NPV_TILE : SINGLE_SUMS)

ROW_INLINE size_t count_sums(size_t rows, size_t tile) {
    return rows * tile == 1 ? SINGLE_SUMS : rows * tile;
}

ROW_INLINE void sum_step(narrow_sum *sums, const int8_t *queries, size_t tile, const uint8_t *plane, size_t rows,
                         size_t plane_bytes, size_t j, bool half, bool stream) {
    codes_u8 low_nibbles[TILE_ROWS];
    codes_u8 high_nibbles[TILE_ROWS];
    UNROLL
    for (size_t row = 0; row < rows; row++) {
        const uint8_t *from = plane + row * plane_bytes + j;
        const codes_u8 codes = codes_load(from, half);
        if (stream)
            prefetch_far(from);
        low_nibbles[row] = codes_low_nibbles(codes);
        high_nibbles[row] = codes_high_nibbles(codes);
    }
    UNROLL
    for (size_t i = 0; i < tile; i++) {
        const query_s8 query = query_load(queries + i * 2 * plane_bytes + j, half);
        UNROLL
        for (size_t row = 0; row < rows; row++)
            sums[row * tile + i] = narrow_add(sums[row * tile + i], low_nibbles[row], query);
    }
    UNROLL
    for (size_t i = 0; i < tile; i++) {
        const query_s8 query = query_load(queries + (i * 2 + 1) * plane_bytes + j, half);
        UNROLL
        for (size_t row = 0; row < rows; row++) {
            narrow_sum *sum = &sums[rows * tile == 1 ? SINGLE_SUMS - 1 : row * tile + i];
            *sum = narrow_add(*sum, high_nibbles[row], query);
        }
    }
}

/* The bytes of a plane from `from` to `to`: as many as a narrow sum takes. */
ROW_INLINE void sum_steps(wide_sum *sums, const int8_t *queries, size_t tile, const uint8_t *plane, size_t rows,
                          size_t plane_bytes, size_t from, size_t to, bool half, bool stream) {
    const size_t sum_count = count_sums(rows, tile);
    narrow_sum narrow[MOST_SUMS];
    UNROLL
    for (size_t i = 0; i < sum_count; i++)
        narrow[i] = narrow_begin(sums[i]);
    for (size_t j = from; j < to; j += CODES_STEP)
        sum_step(narrow, queries, tile, plane, rows, plane_bytes, j, half, stream);
    UNROLL
    for (size_t i = 0; i < sum_count; i++)
        sums[i] = narrow_end(sums[i], narrow[i]);
}

/* The sums of one row for a tile go to where each query has its own; those of four rows for a query are neighbours. */
ROW_INLINE void reduce_tile(const wide_sum *sums, size_t rows, size_t count, int32_t *dots) {
    _Static_assert(NPV_TILE == 4, "sums are reduced four at a time");
    int32_t of_queries[4];
    if (rows == 1) {
        wide_reduce4(sums[0], sums[1], sums[2], sums[3], of_queries);
        for (size_t i = 0; i < 4; i++)
            dots[i * count] = of_queries[i];
        return;
    }
    UNROLL
    for (size_t i = 0; i < 4; i++)
        wide_reduce4(sums[i], sums[rows * 1 + i], sums[rows * 2 + i], sums[rows * 3 + i], dots + i * count);
}

ROW_INLINE void sum_rows(const int8_t *queries, size_t tile, const uint8_t *plane, size_t rows, size_t plane_bytes,
                         size_t count, int32_t *dots, bool stream) {
    const size_t most = (size_t)CODES_STEP * NARROW_STEPS;
    const size_t sum_count = count_sums(rows, tile);
    wide_sum sums[MOST_SUMS];
    UNROLL
    for (size_t i = 0; i < sum_count; i++)
        sums[i] = wide_zero();
    size_t j = plane_bytes % CODES_STEP;
    if (CODES_STEP > 32 && j != 0)
        sum_steps(sums, queries, tile, plane, rows, plane_bytes, 0, j, true, stream);
    if (most >= NPV_PLANE_BYTES(65536))
        sum_steps(sums, queries, tile, plane, rows, plane_bytes, j, plane_bytes, false, stream);
    else
        for (; j < plane_bytes; j += most)
            sum_steps(sums, queries, tile, plane, rows, plane_bytes, j, plane_bytes - j < most ? plane_bytes : j + most,
                      false, stream);
    if (rows * tile == 1)
        dots[0] = wide_reduce(SINGLE_SUMS == 1 ? sums[0] : wide_add(sums[0], sums[1]));
    else if (tile == 1)
        wide_reduce4(sums[0], sums[1], sums[2], sums[3], dots);
    else
        reduce_tile(sums, rows, count, dots);
}

TARGET static void code_dot_nibbles(const int8_t *query, const uint8_t *plane, size_t plane_bytes, size_t count,
                                    int32_t *dots) {
    size_t i = 0;
    if (count == 1) {
        sum_rows(query, 1, plane, 1, plane_bytes, 1, dots, false);
        return;
    }
    for (; TILE_ROWS > 1 && plane_bytes <= NPV_SHORT_PLANE_BYTES && i + TILE_ROWS <= count; i += TILE_ROWS)
        sum_rows(query, 1, plane + i * plane_bytes, TILE_ROWS, plane_bytes, count, dots + i, true);
    for (; i < count; i++)
        sum_rows(query, 1, plane + i * plane_bytes, 1, plane_bytes, count, dots + i, true);
}

TARGET static void code_dot_nibbles_tile(const int8_t *queries, const uint8_t *plane, size_t plane_bytes, size_t count,
                                         int32_t *dots) {
    size_t i = 0;
    for (; TILE_ROWS > 1 && i + TILE_ROWS <= count; i += TILE_ROWS)
        sum_rows(queries, NPV_TILE, plane + i * plane_bytes, TILE_ROWS, plane_bytes, count, dots + i, true);
    for (; i < count; i++)
        sum_rows(queries, NPV_TILE, plane + i * plane_bytes, 1, plane_bytes, count, dots + i, true);
}
