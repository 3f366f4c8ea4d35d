#include "blocks.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "bits.h"
#include "error.h"

/*
 * With fewer eligible rows than one in so many, they are listed. Codes that are picked out cost three to five times
 * what they cost in a stream.
 */
#define LISTED_SHARE 5

/*
 * The rows whose bits are set, in order. Returns how many; listed[that] may have been written, too. Where few rows are
 * eligible, a branch that asks a word for its next row is a guess, so two are noted of each and those there are count.
 */
static size_t list_bits(const uint64_t *bits, size_t words, uint64_t *listed) {
    const uint64_t last = (uint64_t)1 << 63; /* so that there is a lowest bit */
    size_t count = 0;
    for (size_t word = 0; word < words; word++) {
        uint64_t left = bits[word];
        do
            for (int i = 0; i < 2; i++) {
                listed[count] = word * 64 + (unsigned)__builtin_ctzll(left | last);
                count += left != 0;
                left &= left - 1;
            }
        while (left != 0);
    }
    return count;
}

/* Lists the eligible rows if they are few. */
static npv_status list_rows(npv_blocks *blocks, npv_error *error) {
    const npv_request *request = blocks->request;
    blocks->rows = (size_t)request->rows;
    if (request->eligible == NULL || request->eligible_count >= request->rows / LISTED_SHARE)
        return NPV_OK;
    const size_t bytes = ((size_t)request->eligible_count + 1) * sizeof *blocks->listed;
    blocks->listed = malloc(bytes);
    if (blocks->listed == NULL)
        return npv_fail_memory(error, "the rows of a search", bytes);
    blocks->rows = list_bits(request->eligible, npv_bits_words(request->rows), blocks->listed);
    return NPV_OK;
}

npv_status npv_blocks_make(npv_blocks *blocks, npv_error *error) {
    const npv_status status = list_rows(blocks, error);
    blocks->count = npv_bits_words(blocks->rows);
    return status;
}

void npv_blocks_free(npv_blocks *blocks) {
    free(blocks->listed);
}

/* The queries that are bounded together: one, or a tile, whose integers lie one behind the other. */
typedef struct tile {
    const int8_t *coarse;
    size_t queries;
} tile;

static void sum_nibbles(const npv_blocks *blocks, const tile *of, const npv_plane_rows *rows, int32_t *dots) {
    const npv_kernels *kernels = blocks->request->kernels;
    (of->queries == 1 ? kernels->dot_nibbles : kernels->dot_nibbles_tile)(of->coarse, rows, dots);
}

/* dots[query * places.count + i] of the rows at neighbouring places in the blocks. */
static void sum_places(const npv_blocks *blocks, const tile *of, const npv_array *plane, npv_run places,
                       int32_t *dots) {
    const size_t plane_bytes = NPV_PLANE_BYTES(blocks->request->dimensions);
    const bool listed = blocks->listed != NULL;
    const npv_plane_rows rows = {
        .plane = npv_plane_row(plane, listed ? 0 : places.first, plane_bytes),
        .plane_bytes = plane_bytes,
        .listed = listed ? blocks->listed + places.first : NULL,
        .count = places.count,
        .behind = blocks->rows - places.first - places.count,
    };
    sum_nibbles(blocks, of, &rows, dots);
}

/* The headers of listed rows, brought together. */
typedef struct gathered_headers {
    float along[NPV_BLOCK_ROWS], step[NPV_BLOCK_ROWS], error[NPV_BLOCK_ROWS], length[NPV_BLOCK_ROWS];
    double lengths[NPV_BLOCK_ROWS];
} gathered_headers;

NPV_PREFETCHES void ask_for_headers(const npv_blocks *blocks, npv_run places) {
    for (size_t place = places.first; place < places.first + places.count; place++) {
        const uint64_t row = blocks->listed[place];
        const npv_code_block *headers = npv_codes_block(blocks->codes, row);
        const size_t i = row % NPV_BLOCK_ROWS;
        __builtin_prefetch(headers->along + i);
        __builtin_prefetch(headers->step + i);
        __builtin_prefetch((blocks->bits == 4 ? headers->error4 : headers->error8) + i);
        __builtin_prefetch(headers->length + i);
    }
}

static npv_headers gather_headers(const npv_blocks *blocks, int bits, const uint64_t *rows, size_t count,
                                  gathered_headers *room) {
    const double *lengths = blocks->request->lengths;
    for (size_t i = 0; i < count; i++) {
        const npv_code_block *from = npv_codes_block(blocks->codes, rows[i]);
        const size_t place = rows[i] % NPV_BLOCK_ROWS;
        room->along[i] = from->along[place];
        room->step[i] = from->step[place];
        room->error[i] = (bits == 4 ? from->error4 : from->error8)[place];
        room->length[i] = from->length[place];
        room->lengths[i] = lengths == NULL ? 0 : lengths[rows[i]];
    }
    return (npv_headers){{room->along, room->step, room->error, room->length}, room->lengths};
}

/* Bounds all rows of a block for `count` queries, at most a tile. */
static void bound_whole_block(const npv_blocks *blocks, npv_block_bounds *queries, size_t count, npv_run block) {
    const tile of = {queries->bounder.coarse, count == 1 ? 1 : NPV_TILE};
    int32_t dots[NPV_TILE * NPV_BLOCK_ROWS];
    gathered_headers room;
    if (blocks->listed != NULL)
        ask_for_headers(blocks, block);
    sum_places(blocks, &of, &blocks->codes->high, block, dots);
    if (blocks->bits == 8) {
        int32_t low[NPV_TILE * NPV_BLOCK_ROWS];
        sum_places(blocks, &of, &blocks->codes->low, block, low);
        for (size_t i = 0; i < of.queries * block.count; i++)
            dots[i] = 16 * dots[i] + low[i];
    }
    const npv_headers headers =
        blocks->listed == NULL ? npv_headers_from(blocks->request, blocks->codes, blocks->bits, block.first)
                               : gather_headers(blocks, blocks->bits, blocks->listed + block.first, block.count, &room);
    for (size_t i = 0; i < count; i++)
        queries[i].of_blocks[block.first / NPV_BLOCK_ROWS] =
            npv_bound_keys(blocks->request, &queries[i].bounder, blocks->bits, &headers, block.count,
                           dots + i * block.count, queries[i].of_rows + block.first);
}

/* Takes the rows of a block that are not in `eligible` out again. */
static void leave_out(npv_block_bounds *query, size_t number, uint64_t eligible) {
    float *bounds = query->of_rows + number * NPV_BLOCK_ROWS;
    float largest = -HUGE_VALF;
    for (size_t i = 0; i < NPV_BLOCK_ROWS; i++) {
        bounds[i] = eligible >> i & 1 ? bounds[i] : -HUGE_VALF;
        largest = bounds[i] > largest ? bounds[i] : largest;
    }
    query->of_blocks[number] = largest;
}

void npv_blocks_bound(const npv_blocks *blocks, npv_block_bounds *queries, size_t count, size_t number) {
    const size_t first = number * NPV_BLOCK_ROWS;
    const npv_run block = {first, blocks->rows - first < NPV_BLOCK_ROWS ? blocks->rows - first : NPV_BLOCK_ROWS};
    uint64_t eligible = block.count == NPV_BLOCK_ROWS ? UINT64_MAX : ((uint64_t)1 << block.count) - 1;
    if (blocks->listed == NULL && blocks->request->eligible != NULL)
        eligible &= blocks->request->eligible[number];
    if (eligible != 0)
        bound_whole_block(blocks, queries, count, block);
    for (size_t i = 0; i < count && eligible != UINT64_MAX; i++)
        leave_out(&queries[i], number, eligible);
}

void npv_blocks_sharpen(const npv_blocks *blocks, const npv_block_bounds *query, const npv_bounded_row *rows,
                        size_t count) {
    const tile of = {query->bounder.coarse, 1};
    uint64_t listed[NPV_BLOCK_ROWS];
    int32_t dots[NPV_BLOCK_ROWS];
    for (size_t first = 0; first < count; first += NPV_BLOCK_ROWS) {
        const size_t some = count - first < NPV_BLOCK_ROWS ? count - first : NPV_BLOCK_ROWS;
        for (size_t i = 0; i < some; i++)
            listed[i] = rows[first + i].row;
        sum_nibbles(blocks, &of,
                    &(npv_plane_rows){.plane = blocks->codes->low.data,
                                      .plane_bytes = NPV_PLANE_BYTES(blocks->request->dimensions),
                                      .listed = listed,
                                      .count = some},
                    dots);
        npv_sharpen_bounds(blocks->request, &query->bounder, blocks->codes, dots, some, rows + first);
    }
}
