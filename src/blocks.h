/*
 * The rows that a cascade looks at, in blocks of 64, and a query's bounds of them.
 *
 * Blocks are of neighbouring rows. If only a small share of the rows is eligible, these are listed, and blocks are of 64
 * that follow each other in the list: nothing else is touched. A row's place is its number, or that in the list.
 */
#ifndef NPV_BLOCKS_H
#define NPV_BLOCKS_H

#include "bounds.h"

typedef struct npv_blocks {
    const npv_request *request;
    const npv_codes *codes;
    int bits;         /* what the first level reads of codes: 4 or 8 */
    uint64_t *listed; /* eligible rows, if they are few; NULL: blocks are of all rows */
    size_t rows;      /* in blocks */
    size_t count;
} npv_blocks;

/* Those of one query. Room for `of_rows` and `of_blocks` is the caller's. */
typedef struct npv_block_bounds {
    npv_bounder bounder;
    float *of_rows;   /* one a place, up to whole blocks; -infinity: no row, or none that may be a hit */
    float *of_blocks; /* at least the largest of each block */
} npv_block_bounds;

/* *blocks has its request, codes and bits, and gets the rest. O(rows / 64), and the list. */
npv_status npv_blocks_make(npv_blocks *blocks, npv_error *error);
void npv_blocks_free(npv_blocks *blocks);

/* The row at a place. */
static inline uint64_t npv_blocks_row(const npv_blocks *blocks, uint64_t place) {
    return blocks->listed == NULL ? place : blocks->listed[place];
}

/*
 * Bounds all rows of a block for `count` queries, at most NPV_TILE. Their integers lie one behind the other, with room for
 * a whole tile if there are several.
 */
void npv_blocks_bound(const npv_blocks *blocks, npv_block_bounds *queries, size_t count, size_t number);

/* The rows of a block whose bounds are at least `least`, one bit a row. */
static inline uint64_t npv_blocks_from(const npv_blocks *blocks, const npv_block_bounds *query, size_t number,
                                       float least) {
    return npv_bounds_from(blocks->request->kernels, query->of_rows + number * NPV_BLOCK_ROWS, least);
}

/* Bounds rows that were picked out, and have bounds from their high nibbles, by their whole codes. */
void npv_blocks_sharpen(const npv_blocks *blocks, const npv_block_bounds *query, const npv_bounded_row *rows,
                        size_t count);

#define NPV_CACHE_LINE 64

/* How much of a row is asked for; the rest follows by itself once it is read. */
#define NPV_MOST_ASKED_FOR 8192

/* gcc takes functions that do nothing but prefetch for pure ones, whose calls it may drop: so there must be no calls. */
#define NPV_PREFETCHES static inline __attribute__((always_inline))

NPV_PREFETCHES void npv_ask_for(const void *bytes, size_t size) {
    const size_t most = size < NPV_MOST_ASKED_FOR ? size : NPV_MOST_ASKED_FOR;
    for (size_t i = 0; i < most; i += NPV_CACHE_LINE)
        __builtin_prefetch((const char *)bytes + i);
}

#endif
