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
 * Measured by bench/kernels.c, one thread of a Zen 5, 1,536 dimensions: one query, one plane, 61 GB/s of codes from cache
 * with AVX2 and 141 with AVX-512, 40 from memory with both; four queries, 186 and 536 billion products a second, where
 * OpenBLAS's sgemm does 57.
 */
#include <stdbool.h>
#include <stdint.h>

#include "vectors.h"

#define ROW_INLINE TARGET static inline __attribute__((always_inline))

/* Of `rows` rows and `tile` queries, row after row; a single query and row may have two, one for the high halves. */
#define MOST_SUMS (TILE_ROWS * NPV_TILE > SINGLE_SUMS ? TILE_ROWS * NPV_TILE : SINGLE_SUMS)

/*
 * How far ahead of the sums codes are asked for: in bytes those of neighbours, in rows those of a list. With 4 KiB, as
 * for floats, 30,000 x 1536 took two threads of a Zen 5 up to a tenth longer, with 12 KiB as long.
 */
#define CODES_AHEAD 8192
#define ROWS_AHEAD 8

/* Where the rows are that are summed together, and what is asked for meanwhile. */
typedef struct code_rows {
    const uint8_t *from[TILE_ROWS];
    const uint8_t *ahead[TILE_ROWS]; /* of a list */
} code_rows;

ROW_INLINE code_rows rows_at(const npv_plane_rows *rows, size_t i, size_t together, bool listed) {
    const size_t last = rows->count + rows->behind - 1;
    code_rows at;
    UNROLL
    for (size_t row = 0; row < together; row++) {
        const size_t next = i + row + ROWS_AHEAD < last ? i + row + ROWS_AHEAD : last;
        at.from[row] = rows->plane + (listed ? rows->listed[i + row] : i + row) * rows->plane_bytes;
        at.ahead[row] = listed ? rows->plane + rows->listed[next] * rows->plane_bytes : NULL;
    }
    return at;
}

ROW_INLINE size_t count_sums(size_t rows, size_t tile) {
    return rows * tile == 1 ? SINGLE_SUMS : rows * tile;
}

ROW_INLINE void sum_step(narrow_sum *sums, const int8_t *queries, size_t tile, const code_rows *at, size_t rows,
                         size_t plane_bytes, size_t j, bool half, bool listed) {
    codes_u8 low_nibbles[TILE_ROWS];
    codes_u8 high_nibbles[TILE_ROWS];
    UNROLL
    for (size_t row = 0; row < rows; row++) {
        const codes_u8 codes = codes_load(at->from[row] + j, half);
        if (listed)
            __builtin_prefetch(at->ahead[row] + j);
        else
            __builtin_prefetch((const void *)((uintptr_t)at->from[row] + j + CODES_AHEAD));
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
ROW_INLINE void sum_steps(wide_sum *sums, const int8_t *queries, size_t tile, const code_rows *at, size_t rows,
                          size_t plane_bytes, size_t from, size_t to, bool half, bool listed) {
    const size_t sum_count = count_sums(rows, tile);
    narrow_sum narrow[MOST_SUMS];
    UNROLL
    for (size_t i = 0; i < sum_count; i++)
        narrow[i] = narrow_begin(sums[i]);
    for (size_t j = from; j < to; j += CODES_STEP)
        sum_step(narrow, queries, tile, at, rows, plane_bytes, j, half, listed);
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

ROW_INLINE void sum_rows(const int8_t *queries, size_t tile, const code_rows *at, size_t rows, size_t plane_bytes,
                         size_t count, int32_t *dots, bool listed) {
    const size_t most = (size_t)CODES_STEP * NARROW_STEPS;
    const size_t sum_count = count_sums(rows, tile);
    wide_sum sums[MOST_SUMS];
    UNROLL
    for (size_t i = 0; i < sum_count; i++)
        sums[i] = wide_zero();
    size_t j = plane_bytes % CODES_STEP;
    if (CODES_STEP > 32 && j != 0)
        sum_steps(sums, queries, tile, at, rows, plane_bytes, 0, j, true, listed);
    if (most >= NPV_PLANE_BYTES(65536))
        sum_steps(sums, queries, tile, at, rows, plane_bytes, j, plane_bytes, false, listed);
    else
        for (; j < plane_bytes; j += most)
            sum_steps(sums, queries, tile, at, rows, plane_bytes, j, plane_bytes - j < most ? plane_bytes : j + most,
                      false, listed);
    if (rows * tile == 1)
        dots[0] = wide_reduce(SINGLE_SUMS == 1 ? sums[0] : wide_add(sums[0], sums[1]));
    else if (tile == 1)
        wide_reduce4(sums[0], sums[1], sums[2], sums[3], dots);
    else
        reduce_tile(sums, rows, count, dots);
}

/* All rows for `tile` queries; the first `together` of them several at a time, as long as there are so many. */
ROW_INLINE void sum_all(const int8_t *queries, size_t tile, const npv_plane_rows *given, size_t together, bool listed,
                        int32_t *dots) {
    const npv_plane_rows rows = *given; /* a copy stays in registers: `dots` might be in the original's place */
    size_t i = 0;
    for (; TILE_ROWS > 1 && i + TILE_ROWS <= together; i += TILE_ROWS) {
        const code_rows at = rows_at(&rows, i, TILE_ROWS, listed);
        sum_rows(queries, tile, &at, TILE_ROWS, rows.plane_bytes, rows.count, dots + i, listed);
    }
    for (; i < rows.count; i++) {
        const code_rows at = rows_at(&rows, i, 1, listed);
        sum_rows(queries, tile, &at, 1, rows.plane_bytes, rows.count, dots + i, listed);
    }
}

/* Lists have functions of their own: in one with those of neighbours, compilers run out of registers for either. */
TARGET static __attribute__((noinline)) void dot_listed(const int8_t *query, const npv_plane_rows *rows,
                                                        int32_t *dots) {
    sum_all(query, 1, rows, rows->count, true, dots);
}

TARGET static __attribute__((noinline)) void dot_listed_tile(const int8_t *queries, const npv_plane_rows *rows,
                                                             int32_t *dots) {
    sum_all(queries, NPV_TILE, rows, rows->count, true, dots);
}

TARGET static void code_dot_nibbles(const int8_t *query, const npv_plane_rows *rows, int32_t *dots) {
    if (rows->listed != NULL)
        dot_listed(query, rows, dots);
    else
        sum_all(query, 1, rows, rows->plane_bytes <= NPV_SHORT_PLANE_BYTES ? rows->count : 0, false, dots);
}

TARGET static void code_dot_nibbles_tile(const int8_t *queries, const npv_plane_rows *rows, int32_t *dots) {
    if (rows->listed != NULL)
        dot_listed_tile(queries, rows, dots);
    else
        sum_all(queries, NPV_TILE, rows, rows->count, false, dots);
}
