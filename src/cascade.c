/*
 * How a query runs:
 *
 *   1. bound    one stream over the codes gives every eligible row an upper bound, and every block of 64 rows its
 *               largest.
 *   2. seed     of the rows with the highest bounds those that whole codes put first are scored. The k-th best of these
 *               scores is the threshold: k rows are known to reach it, so a row whose bound is below cannot be a hit.
 *               (Never a threshold from lower bounds: it lies two error widths lower instead of one, and many times the
 *               rows survive.)
 *   3. refine   rows whose bound reaches the threshold are bounded again by their whole codes, and scored, best bound
 *               first, as long as that bound reaches it too. Better scores raise the threshold on the way.
 *
 * Queries of a batch take these steps together, a group at a time, so that a block of codes is read from memory once
 * for all of them.
 */
#include "cascade.h"

#include <float.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "bits.h"
#include "blocks.h"
#include "error.h"

/*
 * Bounds are kept for every row and query of a group: this much of them, but for two tiles at least, so that threads
 * have something to share, and sixteen at most. They are written and read in a stream, so no cache needs to hold them,
 * and larger groups read the codes less often: with 4 MiB, 100 queries on 90,000 x 1536 took a third longer.
 */
#define GROUP_BYTES ((size_t)16 << 20)
#define LEAST_TILES 2
#define MOST_TILES 25

/*
 * A part for one thread to bound: codes that stay in its second-level cache while all queries of the group use them, and
 * few enough that no thread waits long for another's last part.
 */
#define PART_BYTES ((size_t)64 << 10)

/* And in a small store so many for each thread, for even shares. */
#define LEAST_PARTS 4

/* Groups of rows among which the seeds are sought, for each that is wanted: with four, one in eight shares a group. */
#define SEED_GROUPS 4

/* Halvings that find the seeds' floor at the latest: float32 has no more bits between two bounds of one magnitude. */
#define SEED_STEPS 24

/* What scoring a row that was picked out costs, in bytes that are read in a stream, and what reading it from a file adds. */
#define PICKED_OUT 4
#define READ_BYTES ((size_t)32 << 10)

/* More survivors than this are worth sharing out. */
#define SHARED_SURVIVORS 2048

/*
 * Rows that are picked out are looked at in lots: what is needed of all of them is asked for before the first's turn.
 */
#define LOT_ROWS 128

/*
 * Blocks whose bounds are asked for ahead of their turn: they were written in a stream, for a whole group of queries, and
 * are in no cache any more.
 */
#define BLOCKS_AHEAD 8

/* Rows to be scored that are asked for ahead of their turn: processors drop what they cannot take on. */
#define VECTORS_AHEAD 2

/* A block with the rows that have bounds from some value on, one bit a row. */
typedef struct near_block {
    size_t number;
    uint64_t rows;
} near_block;

/* What one query of a group holds. */
typedef struct cascade_query {
    const double *prepared;
    npv_block_bounds *bounds;
    float threshold;    /* after step 2 */
    uint64_t survivors; /* rows that reach it, but for seeds */
    bool shared;        /* step 3 is shared out among all threads */
    bool sharp;         /* bounds that reach the threshold are from whole codes */
    npv_topk *top;
    npv_cascade_cost *cost;
    npv_status status;
} cascade_query;

/* What a thread needs to work on a query. */
typedef struct thread_room {
    float *maxima;    /* among which the seeds' floor is sought */
    near_block *near; /* one a block at most */
    size_t near_count;
    npv_bounded_row *rows; /* to be scored: seeds, then survivors */
    npv_candidate *likely; /* the k of them with the best bounds */
    unsigned char *vector; /* is read to here */
} thread_room;

/* What a thread that helps to refine one query finds. */
typedef struct cascade_helper {
    npv_topk top;
    uint64_t scored;
} cascade_helper;

typedef struct cascade_job {
    const npv_request *request;
    npv_blocks blocks;
    size_t part_blocks;
    bool alone;         /* bounding is not worth waking a thread for */
    size_t room_rows;   /* for which each thread has room */
    size_t query_count; /* of the group */
    npv_block_bounds *bounds;
    cascade_query *queries;
    thread_room *rooms;      /* one a thread */
    cascade_helper *helpers; /* one a thread but the caller's; for a group of one, of which there is one at most */
} cascade_job;

/* -------------------------------------------------------------------------------------------------- 1. Bounding -- */

static size_t part_count(const cascade_job *job) {
    return (job->blocks.count + job->part_blocks - 1) / job->part_blocks;
}

static npv_run blocks_of_part(const cascade_job *job, size_t part) {
    const size_t first = part * job->part_blocks;
    return (npv_run){first,
                     job->blocks.count - first < job->part_blocks ? job->blocks.count - first : job->part_blocks};
}

static npv_run all_blocks(const cascade_job *job) {
    return (npv_run){0, job->blocks.count};
}

/*
 * While queries work on a part, the next one is asked for, a slice with each of `turns`: from memory the first tile to
 * read a part gets 10 GB/s of codes, and all others 27. To the second-level cache: in the first there is this part. (All
 * of it at once is no good: processors drop what they cannot take on.)
 */
NPV_PREFETCHES void ask_for_next_part(const cascade_job *job, const npv_array *plane, npv_run blocks, size_t turn,
                                      size_t turns) {
    const size_t block_bytes = NPV_BLOCK_ROWS * NPV_PLANE_BYTES(job->request->dimensions);
    const size_t slice = (blocks.count * block_bytes + turns - 1) / turns;
    const uintptr_t next = (uintptr_t)plane->data + (blocks.first + blocks.count) * block_bytes;
    for (size_t i = 0; i < slice && job->blocks.listed == NULL; i += NPV_CACHE_LINE)
        __builtin_prefetch((const void *)(next + turn * slice + i), 0, 2);
}

static void bound_part(void *context, size_t part, unsigned worker) {
    const cascade_job *job = context;
    const npv_run blocks = blocks_of_part(job, part);
    (void)worker;
    for (size_t query = 0; query < job->query_count;) {
        const size_t count = job->query_count - query < NPV_TILE ? job->query_count - query : NPV_TILE;
        if (job->query_count > NPV_TILE)
            ask_for_next_part(job, &job->blocks.codes->high, blocks, query / NPV_TILE, job->query_count / NPV_TILE);
        for (size_t i = 0; i < blocks.count; i++)
            npv_blocks_bound(&job->blocks, job->bounds + query, count, blocks.first + i);
        query += count;
    }
}

static void bound_all_parts(void *context, size_t number, unsigned worker) {
    (void)number;
    for (size_t part = 0; part < part_count(context); part++)
        bound_part(context, part, worker);
}

/* --------------------------------------------------------------------------------------------------- 2. Seeding -- */

/* More than k, so that the threshold is good although bounds are not in the order of scores. */
static size_t seed_count(const npv_request *request) {
    const uint64_t wanted = (uint64_t)request->k + request->k / 2 + 6;
    return (size_t)(wanted < request->eligible_count ? wanted : request->eligible_count);
}

/* Loops over groups of rows run in steps of as many, which compilers make vectors of. */
#define GROUP_STEP NPV_BLOCK_ROWS

static size_t whole_steps(size_t groups) {
    return (groups + GROUP_STEP - 1) / GROUP_STEP * GROUP_STEP;
}

/* How many of the values, in whole steps, reach `floor`. */
static size_t count_from(const float *values, size_t count, float floor) {
    int32_t reaching = 0;
    for (size_t first = 0; first < count; first += GROUP_STEP)
        for (size_t i = first; i < first + GROUP_STEP; i++)
            reaching += values[i] >= floor;
    return (size_t)reaching;
}

/*
 * The largest bound of each of at least `groups` groups of rows: blocks, if there are so many, or else every so many-th
 * row; fewer groups if there are not so many rows. Returns their number, in whole steps: some may be empty.
 */
static size_t group_maxima(const cascade_job *job, const cascade_query *query, size_t groups, float *restrict maxima) {
    const size_t blocks = job->blocks.count;
    if (blocks >= groups) {
        memcpy(maxima, query->bounds->of_blocks, blocks * sizeof *maxima);
        for (size_t i = blocks; i < whole_steps(blocks); i++)
            maxima[i] = -HUGE_VALF;
        return whole_steps(blocks);
    }
    const size_t steps = whole_steps(groups) / GROUP_STEP < blocks ? whole_steps(groups) / GROUP_STEP : blocks;
    memcpy(maxima, query->bounds->of_rows, steps * GROUP_STEP * sizeof *maxima);
    for (size_t block = steps; block < blocks; block++) {
        const float *restrict bounds = query->bounds->of_rows + block * GROUP_STEP;
        float *restrict most = maxima + block % steps * GROUP_STEP;
        for (size_t i = 0; i < GROUP_STEP; i++)
            most[i] = bounds[i] > most[i] ? bounds[i] : most[i];
    }
    return steps * GROUP_STEP;
}

/*
 * A bound that at least `wanted` rows reach, and hardly more: as many groups of rows have a maximum from it on. Found
 * by halving the distance between a bound that enough groups reach and one that too few do. Where there are not so many
 * groups with eligible rows, it is the least maximum of one.
 */
static float seed_floor(const cascade_job *job, const cascade_query *query, size_t wanted, float *maxima) {
    const size_t groups = group_maxima(job, query, SEED_GROUPS * wanted, maxima);
    float low = FLT_MAX;
    float high = -FLT_MAX;
    for (size_t i = 0; i < groups; i++)
        if (fabsf(maxima[i]) <= FLT_MAX) {
            low = maxima[i] < low ? maxima[i] : low;
            high = maxima[i] > high ? maxima[i] : high;
        }
    for (int step = 0; step < SEED_STEPS; step++) {
        const float middle = low / 2 + high / 2;
        const size_t reaching = count_from(maxima, groups, middle);
        *(reaching >= wanted ? &low : &high) = middle;
        if (reaching >= wanted && reaching <= wanted + wanted / 8)
            break;
    }
    return low;
}

static double key_of(const cascade_job *job, const cascade_query *query, uint64_t row, const thread_room *room) {
    const npv_request *request = job->request;
    const size_t row_bytes = request->dimensions * sizeof(float);
    const float *vector = request->vectors + row * request->dimensions;
    double key;
    if (request->file != NULL)
        vector = (const float *)(const void *)npv_array_read(request->file, row * row_bytes, row_bytes, room->vector);
    npv_score_keys(request, query->prepared, vector, row, 1, &key);
    return key;
}

static void offer(const cascade_job *job, npv_topk *top, double key, uint64_t row) {
    if (key >= job->request->least_key)
        npv_topk_offer(top, (npv_candidate){key, row});
}

NPV_PREFETCHES void ask_for_low_nibbles(const cascade_job *job, uint64_t row) {
    const size_t plane_bytes = NPV_PLANE_BYTES(job->request->dimensions);
    npv_ask_for(npv_plane_row(&job->blocks.codes->low, row, plane_bytes), plane_bytes);
    __builtin_prefetch(npv_codes_block(job->blocks.codes, row)->error8 + row % NPV_BLOCK_ROWS);
}

NPV_PREFETCHES void ask_for_vector(const cascade_job *job, uint64_t row) {
    const npv_request *request = job->request;
    if (request->file == NULL)
        npv_ask_for(request->vectors + row * request->dimensions, request->dimensions * sizeof(float));
}

/* Finds those of the blocks that have rows with bounds of at least `least`. Without a branch, which would be a guess. */
static void find_near(const cascade_job *job, const cascade_query *query, npv_run blocks, float least,
                      thread_room *room) {
    const npv_block_bounds *bounds = query->bounds;
    near_block *near = room->near;
    size_t count = 0;
    for (size_t number = blocks.first; number < blocks.first + blocks.count; number++) {
        near[count].number = number;
        count += bounds->of_blocks[number] >= least;
    }
    for (size_t i = 0; i < count; i++) {
        if (i + BLOCKS_AHEAD < count)
            npv_ask_for(bounds->of_rows + near[i + BLOCKS_AHEAD].number * NPV_BLOCK_ROWS,
                        NPV_BLOCK_ROWS * sizeof *bounds->of_rows);
        near[i].rows = npv_blocks_from(&job->blocks, bounds, near[i].number, least);
    }
    room->near_count = count;
}

/* The rows that were found in a block; what their bounds are sharpened by is asked for. */
static size_t pick_out(const cascade_job *job, const cascade_query *query, near_block block, npv_bounded_row *rows) {
    size_t count = 0;
    for (uint64_t bits = block.rows; bits != 0; bits &= bits - 1) {
        const size_t place = block.number * NPV_BLOCK_ROWS + (unsigned)__builtin_ctzll(bits);
        rows[count] = (npv_bounded_row){npv_blocks_row(&job->blocks, place), query->bounds->of_rows + place};
        if (!query->sharp)
            ask_for_low_nibbles(job, rows[count].row);
        count++;
    }
    return count;
}

/* The least bound that a hit can have, given k rows that are at least as good as the worst of `top`. */
static float threshold_of(const cascade_job *job, const cascade_query *query, const npv_topk *top) {
    const double least = job->request->least_key;
    const double key = top->count == top->k && top->heap[0].key > least ? top->heap[0].key : least;
    return npv_bound_of_key(job->request, &query->bounds->bounder, key);
}

/* Rows whose bounds become keys. */
typedef struct scoring {
    const cascade_job *job;
    const cascade_query *query;
    npv_candidate *rows;
} scoring;

static void score_one(void *context, size_t number, unsigned worker) {
    const scoring *self = context;
    npv_candidate *candidate = &self->rows[number];
    candidate->key = key_of(self->job, self->query, candidate->row, &self->job->rooms[worker]);
}

/* Is it worth sharing out the scoring of so many rows? Not if threads have queries, or parts of one, of their own. */
static bool worth_sharing_rows(const cascade_job *job, const cascade_query *query, size_t count) {
    const npv_request *request = job->request;
    const size_t row_bytes =
        request->dimensions * sizeof(float) * PICKED_OUT + (request->file != NULL ? READ_BYTES : 0);
    return job->query_count == 1 && !query->shared && npv_workers_worth(request->workers, count * row_bytes);
}

/* Scores all of the rows, by all threads. */
static void score_together(const cascade_job *job, const cascade_query *query, const npv_topk *rows, npv_topk *top) {
    scoring self = {job, query, rows->heap};
    npv_workers_run(job->request->workers, rows->count, score_one, &self);
    for (size_t i = 0; i < rows->count; i++)
        offer(job, top, rows->heap[i].key, rows->heap[i].row);
}

/* Scores those of the rows that may be hits, given the scores known by then. Returns how many. */
static size_t score_in_turn(const cascade_job *job, const cascade_query *query, const npv_topk *rows,
                            const thread_room *room, npv_topk *top) {
    size_t scored = 0;
    for (size_t i = 0; i < rows->count && i < VECTORS_AHEAD; i++)
        ask_for_vector(job, rows->heap[i].row);
    for (size_t i = 0; i < rows->count; i++) {
        if (rows->heap[i].key < (double)threshold_of(job, query, top))
            continue;
        if (i + VECTORS_AHEAD < rows->count)
            ask_for_vector(job, rows->heap[i + VECTORS_AHEAD].row);
        offer(job, top, key_of(job, query, rows->heap[i].row, room), rows->heap[i].row);
        scored++;
    }
    return scored;
}

/*
 * The same for rows with bounds by whole codes. These are nearly in the order of scores: after the k best of them hardly
 * another reaches the threshold. They are scored best first where there is a threshold that may rise.
 */
static size_t score_rows(const cascade_job *job, const cascade_query *query, const npv_bounded_row *rows, size_t count,
                         const thread_room *room, npv_topk *top) {
    npv_topk likely = {room->likely, 0, job->request->k};
    size_t scored;
    if (count == 0)
        return 0;
    for (size_t i = 0; i < count; i++)
        npv_topk_offer(&likely, (npv_candidate){(double)*rows[i].bound, rows[i].row});
    const npv_candidate last = likely.heap[0];
    if (worth_sharing_rows(job, query, likely.count)) {
        score_together(job, query, &likely, top);
        scored = likely.count;
    } else {
        if (top->count == top->k)
            npv_topk_sort(&likely);
        scored = score_in_turn(job, query, &likely, room, top);
    }
    for (size_t i = 0; i < count && scored >= likely.count; i++) {
        const npv_candidate other = {(double)*rows[i].bound, rows[i].row};
        if (npv_better(last, other) && other.key >= (double)threshold_of(job, query, top)) {
            offer(job, top, key_of(job, query, other.row, room), other.row);
            scored++;
        }
    }
    return scored;
}

/* The rows with the highest bounds: those from a floor on, the first blocks' if there are too many. */
static size_t choose_seeds(const cascade_job *job, const cascade_query *query, thread_room *room) {
    const size_t wanted = seed_count(job->request);
    size_t count = 0;
    find_near(job, query, all_blocks(job), seed_floor(job, query, wanted, room->maxima), room);
    for (size_t i = 0; count < 2 * wanted && i < room->near_count; i++)
        count += pick_out(job, query, room->near[i], room->rows + count);
    return count;
}

/* Leaves the seeds out of what comes after. */
static size_t score_seeds(const cascade_job *job, cascade_query *query, thread_room *room) {
    const size_t count = choose_seeds(job, query, room);
    if (!query->sharp)
        npv_blocks_sharpen(&job->blocks, query->bounds, room->rows, count);
    query->cost->rows32 += score_rows(job, query, room->rows, count, room, query->top);
    for (size_t i = 0; i < count; i++)
        *room->rows[i].bound = -HUGE_VALF;
    return count;
}

/* Finds the rows whose bounds reach the threshold. Returns how many. */
static uint64_t find_survivors(const cascade_job *job, const cascade_query *query, npv_run blocks, thread_room *room) {
    uint64_t count = 0;
    find_near(job, query, blocks, query->threshold, room);
    for (size_t i = 0; i < room->near_count; i++)
        count += npv_word_count(room->near[i].rows);
    return count;
}

/* Above this number of survivors it is cheaper to score all rows, one after the other, than to pick them out. */
static double too_many_survivors(const npv_request *request) {
    return 0.6 * (double)request->eligible_count;
}

/*
 * A query that is alone is shared out if that is worth waking a thread for. In a group each thread has a query of its
 * own, and they read rows all over the codes: where most rows are read by several queries, it is better to go through
 * the codes once with all of them.
 */
static bool worth_sharing(const cascade_job *job, uint64_t survivors) {
    if (job->query_count == 1)
        return survivors > SHARED_SURVIVORS;
    return job->blocks.bits == 4 && survivors > job->blocks.rows / job->query_count;
}

/* Step 2. What it finds for step 3 is in the room. */
static void seed(const cascade_job *job, cascade_query *query, thread_room *room) {
    const size_t seeds = score_seeds(job, query, room);
    query->threshold = threshold_of(job, query, query->top);
    query->survivors = find_survivors(job, query, all_blocks(job), room);
    query->cost->survivors = seeds + query->survivors;
    query->cost->given_up = (double)query->cost->survivors > too_many_survivors(job->request);
    query->shared = !query->cost->given_up && worth_sharing(job, query->survivors);
    if (job->blocks.bits == 4)
        query->cost->rows8 = query->cost->planes8 = seeds + (query->cost->given_up ? 0 : query->survivors);
}

/* -------------------------------------------------------------------------------------------------- 3. Refining -- */

/* Survivors whose bounds are sharpened together. */
typedef struct survivor_lot {
    size_t count;
    npv_bounded_row rows[LOT_ROWS];
} survivor_lot;

/* Adds the survivors of a block. Is there room for another block's? */
static bool fill(const cascade_job *job, const cascade_query *query, near_block block, survivor_lot *lot) {
    lot->count += pick_out(job, query, block, lot->rows + lot->count);
    return lot->count <= LOT_ROWS - NPV_BLOCK_ROWS;
}

/* Empties a lot: those that whole codes and the scores known by now do not rule out go to `rows`. Returns how many. */
static size_t keep_close(const cascade_job *job, const cascade_query *query, survivor_lot *lot, const npv_topk *top,
                         npv_bounded_row *rows) {
    const float known = threshold_of(job, query, top);
    const float threshold = known > query->threshold ? known : query->threshold;
    size_t count = 0;
    if (!query->sharp)
        npv_blocks_sharpen(&job->blocks, query->bounds, lot->rows, lot->count);
    for (size_t i = 0; i < lot->count; i++)
        if (*lot->rows[i].bound >= threshold)
            rows[count++] = lot->rows[i];
    lot->count = 0;
    return count;
}

/* Step 3, of the survivors that are in the room. Returns how many rows were scored. */
static uint64_t refine_near(const cascade_job *job, const cascade_query *query, const thread_room *room,
                            npv_topk *top) {
    survivor_lot lot;
    size_t close = 0;
    uint64_t scored = 0;
    lot.count = 0;
    for (size_t i = 0; i < room->near_count; i++) {
        const bool last = i + 1 == room->near_count;
        if (fill(job, query, room->near[i], &lot) && !last)
            continue;
        close += keep_close(job, query, &lot, top, room->rows + close);
        if (close > job->room_rows - LOT_ROWS || last) {
            scored += score_rows(job, query, room->rows, close, room, top);
            close = 0;
        }
    }
    return scored;
}

/* The caller works on the query's own top, which knows the seeds; helpers have tops of their own. */
static void refine_part(void *context, size_t part, unsigned worker) {
    const cascade_job *job = context;
    const cascade_query *query = job->queries;
    npv_topk *top = worker == 0 ? query->top : &job->helpers[worker - 1].top;
    uint64_t *scored = worker == 0 ? &query->cost->rows32 : &job->helpers[worker - 1].scored;
    find_survivors(job, query, blocks_of_part(job, part), &job->rooms[worker]);
    *scored += refine_near(job, query, &job->rooms[worker], top);
}

/* The only query of a group, by all threads. */
static void refine_together(cascade_job *job) {
    const cascade_query *query = job->queries;
    npv_workers_run(job->request->workers, part_count(job), refine_part, job);
    for (unsigned i = 0; i + 1 < job->request->threads; i++) {
        query->cost->rows32 += job->helpers[i].scored;
        for (size_t j = 0; j < job->helpers[i].top.count; j++)
            npv_topk_offer(query->top, job->helpers[i].top.heap[j]);
    }
}

/* Bounds the survivors of a part by their whole codes, for all queries that are shared. */
static void sharpen_part(void *context, size_t part, unsigned worker) {
    const cascade_job *job = context;
    const npv_run blocks = blocks_of_part(job, part);
    thread_room *room = &job->rooms[worker];
    for (size_t i = 0; i < job->query_count; i++) {
        survivor_lot lot;
        lot.count = 0;
        ask_for_next_part(job, &job->blocks.codes->low, blocks, i, job->query_count);
        if (!job->queries[i].shared)
            continue;
        find_survivors(job, &job->queries[i], blocks, room);
        for (size_t j = 0; j < room->near_count; j++)
            if (!fill(job, &job->queries[i], room->near[j], &lot) || j + 1 == room->near_count) {
                npv_blocks_sharpen(&job->blocks, &job->bounds[i], lot.rows, lot.count);
                lot.count = 0;
            }
    }
}

/* The plain scan for one query of the group. */
static npv_status scan_plainly(const cascade_job *job, cascade_query *query) {
    npv_request request = *job->request;
    request.queries = query->prepared;
    request.query_count = 1;
    query->top->count = 0;
    query->cost->rows32 += request.eligible_count;
    return npv_scan(&request, query->top, NULL);
}

/* ------------------------------------------------------------------------------------------------------- A group -- */

static void prepare_query(void *context, size_t number, unsigned worker) {
    const cascade_job *job = context;
    cascade_query *query = &job->queries[number];
    (void)worker;
    npv_bounder_prepare(job->request, job->blocks.codes, query->prepared, &query->bounds->bounder);
    query->cost->rows4 = job->blocks.bits == 4 ? job->request->eligible_count : 0;
    query->cost->rows8 = job->blocks.bits == 8 ? job->request->eligible_count : 0;
    query->cost->planes8 = 2 * query->cost->rows8;
}

/* Steps 2 and 3 of a query; of one that is shared only step 2. */
static void finish_query(void *context, size_t number, unsigned worker) {
    const cascade_job *job = context;
    cascade_query *query = &job->queries[number];
    thread_room *room = &job->rooms[worker];
    seed(job, query, room);
    if (query->cost->given_up)
        query->status = scan_plainly(job, query);
    else if (!query->shared)
        query->cost->rows32 += refine_near(job, query, room, query->top);
}

static void finish_shared_query(void *context, size_t number, unsigned worker) {
    const cascade_job *job = context;
    cascade_query *query = &job->queries[number];
    if (!query->shared)
        return;
    query->sharp = true;
    find_survivors(job, query, all_blocks(job), &job->rooms[worker]);
    query->cost->rows32 += refine_near(job, query, &job->rooms[worker], query->top);
}

static npv_status run_group(cascade_job *job, npv_error *error) {
    npv_workers *workers = job->request->workers;
    bool shared = false;
    npv_workers_run(workers, job->query_count, prepare_query, job);
    npv_workers_run(workers, job->alone ? 1 : part_count(job), job->alone ? bound_all_parts : bound_part, job);
    if (job->query_count == 1)
        finish_query(job, 0, 0); /* not as a job, so that a plain scan may be one */
    else
        npv_workers_run(workers, job->query_count, finish_query, job);
    for (size_t i = 0; i < job->query_count; i++)
        shared |= job->queries[i].shared;
    if (shared && job->query_count == 1)
        refine_together(job);
    else if (shared) {
        npv_workers_run(workers, part_count(job), sharpen_part, job);
        npv_workers_run(workers, job->query_count, finish_shared_query, job);
    }
    for (size_t i = 0; i < job->query_count; i++)
        if (job->queries[i].status != NPV_OK) /* a plain scan fails for want of memory only */
            return npv_fail_memory(error, "the candidates of a search", job->request->k * sizeof(npv_candidate));
    return NPV_OK;
}

/* ----------------------------------------------------------------------------------------------------- All of it -- */

/*
 * Memory of a cascade, made once for all groups: one block. (When there were thirteen, the C library gave some sums of
 * them back to the system after each search and got them again, page by page, for the next one: 100 queries on 1,000 x
 * 384 took a Python program 0.5 ms instead of 0.25.)
 */
typedef struct cascade_memory {
    unsigned char *block; /* NULL: it is only measured */
    size_t used;
    int8_t *coarse;
    float *of_rows;
    float *of_blocks;
} cascade_memory;

/* The next `count` things of the block, from a cache line on. */
static void *take(cascade_memory *memory, size_t count, size_t size) {
    const size_t at = memory->used;
    memory->used += (count * size + NPV_CACHE_LINE - 1) / NPV_CACHE_LINE * NPV_CACHE_LINE;
    return memory->block == NULL ? NULL : memory->block + at;
}

static void take_rooms(cascade_job *job, cascade_memory *memory) {
    const npv_request *request = job->request;
    const size_t seed_groups = SEED_GROUPS * seed_count(request);
    job->rooms = take(memory, request->threads, sizeof *job->rooms);
    job->helpers = take(memory, request->threads, sizeof *job->helpers);
    for (size_t i = 0; i < request->threads; i++) {
        const thread_room room = {
            .maxima = take(memory, whole_steps(job->blocks.count > seed_groups ? job->blocks.count : seed_groups),
                           sizeof *room.maxima),
            .near = take(memory, job->blocks.count, sizeof *room.near),
            .rows = take(memory, job->room_rows, sizeof *room.rows),
            .likely = take(memory, request->k, sizeof *room.likely),
            .vector = take(memory, request->dimensions, sizeof(float)),
        };
        const cascade_helper helper = {.top = {take(memory, request->k, sizeof *room.likely), 0, request->k}};
        if (memory->block != NULL) {
            job->rooms[i] = room;
            job->helpers[i] = helper;
        }
    }
}

/*
 * There is room for the integers of whole tiles; what kernels find in the places of queries that are not there is not
 * used. Cache lines matter: loads that straddle them halve the speed of a tile, from 260 to 150 products a nanosecond.
 */
static void take_all(cascade_job *job, cascade_memory *memory, size_t group) {
    const size_t whole_tiles = (group + NPV_TILE - 1) / NPV_TILE * NPV_TILE;
    const size_t integers = 2 * NPV_PLANE_BYTES(job->request->dimensions);
    memory->used = 0;
    memory->coarse = take(memory, whole_tiles, integers);
    memory->of_rows = take(memory, group * job->blocks.count * NPV_BLOCK_ROWS, sizeof *memory->of_rows);
    memory->of_blocks = take(memory, group * job->blocks.count, sizeof *memory->of_blocks);
    job->bounds = take(memory, group, sizeof *job->bounds);
    job->queries = take(memory, group, sizeof *job->queries);
    take_rooms(job, memory);
    if (memory->block != NULL)
        memset(memory->coarse, 0, whole_tiles * integers);
}

static npv_status make_memory(cascade_job *job, cascade_memory *memory, size_t group, npv_error *error) {
    take_all(job, memory, group);
    memory->block = aligned_alloc(NPV_CACHE_LINE, memory->used);
    if (memory->block == NULL)
        return npv_fail_memory(error, "the bounds of a search", memory->used);
    take_all(job, memory, group);
    return NPV_OK;
}

/* Whole tiles, as far as the bounds of their rows keep within GROUP_BYTES; fewer queries if there are no more. */
static size_t group_size(const npv_request *request, size_t blocks) {
    const size_t tiles = GROUP_BYTES / (blocks * NPV_BLOCK_ROWS * sizeof(float)) / NPV_TILE;
    const size_t most = NPV_TILE * (tiles < LEAST_TILES ? LEAST_TILES : tiles < MOST_TILES ? tiles : MOST_TILES);
    return request->query_count < most ? request->query_count : most;
}

static void divide_into_parts(cascade_job *job) {
    const npv_request *request = job->request;
    const size_t block_bytes = NPV_PLANE_BYTES(request->dimensions) * NPV_BLOCK_ROWS * (job->blocks.bits == 4 ? 1 : 2);
    const size_t fair = job->blocks.count / (LEAST_PARTS * request->threads);
    const size_t blocks = PART_BYTES / block_bytes < fair ? PART_BYTES / block_bytes : fair;
    job->part_blocks = blocks > 0 ? blocks : 1;
    job->alone = !npv_workers_worth(request->workers, job->blocks.count * block_bytes * request->query_count);
}

static void set_up_group(cascade_job *job, cascade_memory *memory, size_t done, size_t count, npv_topk *tops,
                         npv_cascade_cost *costs) {
    const npv_request *request = job->request;
    job->query_count = count;
    for (size_t i = 0; i < count; i++) {
        costs[done + i] = (npv_cascade_cost){0};
        job->bounds[i] = (npv_block_bounds){
            .bounder = {.coarse = memory->coarse + i * 2 * NPV_PLANE_BYTES(request->dimensions)},
            .of_rows = memory->of_rows + i * job->blocks.count * NPV_BLOCK_ROWS,
            .of_blocks = memory->of_blocks + i * job->blocks.count,
        };
        job->queries[i] = (cascade_query){
            .prepared = request->queries + (done + i) * NPV_PADDED(request->dimensions),
            .bounds = &job->bounds[i],
            .sharp = job->blocks.bits == 8,
            .top = &tops[done + i],
            .cost = &costs[done + i],
        };
    }
}

npv_status npv_cascade(const npv_request *request, const npv_codes *codes, int bits, npv_topk *tops,
                       npv_cascade_cost *costs, npv_error *error) {
    cascade_job job = {.request = request, .blocks = {.request = request, .codes = codes, .bits = bits}};
    cascade_memory memory = {0};
    npv_status status = npv_blocks_make(&job.blocks, error);
    if (status != NPV_OK)
        return status;
    divide_into_parts(&job);
    const size_t group = group_size(request, job.blocks.count);
    job.room_rows = 2 * seed_count(request) + 2 * LOT_ROWS;
    status = make_memory(&job, &memory, group, error);
    for (size_t done = 0; done < request->query_count && status == NPV_OK; done += job.query_count) {
        const size_t left = request->query_count - done;
        set_up_group(&job, &memory, done, left < group ? left : group, tops, costs);
        status = run_group(&job, error);
    }
    free(memory.block);
    npv_blocks_free(&job.blocks);
    return status;
}
