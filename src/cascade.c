/*
 * How a query runs:
 *
 *   1. bound    one stream over the codes gives every eligible row an upper bound, and every block of 64 rows its
 *               largest.
 *   2. seed     of the rows with the highest bounds those that whole codes put first are scored. The k-th best of these
 *               scores is the threshold: k rows are known to reach it, so a row whose bound is below cannot be a hit.
 *               (Never a threshold from lower bounds: it lies two error widths lower instead of one, and many times the
 *               rows survive.)
 *   3. refine   rows whose bound reaches the threshold are bounded again by their whole codes, and scored if that bound
 *               reaches it too. Better scores raise the threshold on the way.
 *
 * Queries of a batch take these steps together, a group at a time, so that a block of codes is read from memory once
 * for all of them.
 *
 * Blocks are of neighbouring rows. If only a small share of the rows is eligible, these are listed, and blocks are of
 * 64 that follow each other in the list: nothing else is touched.
 */
#include "cascade.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "bits.h"
#include "bounds.h"
#include "error.h"

/*
 * Bounds are kept for every row and query of a group: this much of them, which a second-level cache or two can hold,
 * but for two tiles at least, so that threads have something to share, and sixteen at most.
 */
#define GROUP_BYTES ((size_t)4 << 20)
#define LEAST_TILES 2
#define MOST_TILES 16

/* A part for one thread to bound: codes that stay in its second-level cache while all queries of the group use them. */
#define PART_BYTES ((size_t)256 << 10)

#define CACHE_LINE 64

/* Groups of rows among which the seeds are sought, for each that is wanted: with four, one in eight shares a group. */
#define SEED_GROUPS 4

/* Halvings that find the seeds' floor at the latest: float32 has no more bits between two bounds of one magnitude. */
#define SEED_STEPS 24

/* More survivors than this are worth sharing out. */
#define SHARED_SURVIVORS 2048

/* Blocks with survivors that one thread looks through sooner than all survivors are counted. */
#define FEW_BLOCKS 256

/*
 * Rows that are picked out are looked at in lots: what is needed of all of them is asked for before the first's turn.
 */
#define LOT_ROWS 128

/*
 * With fewer eligible rows than one in so many, they are listed. Codes that are picked out cost three to five times
 * what they cost in a stream.
 */
#define LISTED_SHARE 5

/* Listed rows whose codes are asked for ahead of their turn. */
#define ROWS_AHEAD 8

/* How much of a row is asked for; the rest follows by itself once it is read. */
#define MOST_ASKED_FOR 8192

/* What one query of a group holds. */
typedef struct cascade_query {
    const double *prepared;
    npv_bounder bounder;
    float *bounds;      /* one a row in blocks, up to whole ones; -infinity where none is, or none that is eligible */
    float *maxima;      /* one a block */
    float seed_floor;   /* the seeds of step 2 are the rows with bounds from here on, */
    size_t seed_blocks; /* in so many blocks */
    npv_topk *top;
    npv_cascade_cost *cost;
    npv_status status;
    npv_error error;
} cascade_query;

/* Where a thread chooses the seeds of a query, and the likeliest of them, and what it reads vectors to. */
typedef struct thread_room {
    float *maxima;
    uint64_t *seeds;
    float *seed_bounds;
    npv_candidate *likely;
    unsigned char *vector;
} thread_room;

/* What a thread that helps with one query's survivors finds. */
typedef struct cascade_helper {
    npv_topk top;
    npv_cascade_cost cost;
} cascade_helper;

typedef struct cascade_job {
    const npv_request *request;
    const npv_codes *codes;
    int bits;
    uint64_t *listed; /* eligible rows, if they are few; NULL: blocks are of all rows */
    size_t rows;      /* in blocks */
    size_t blocks;
    size_t part_blocks;
    size_t query_count; /* of the group */
    cascade_query *queries;
    thread_room *rooms;      /* one a thread */
    cascade_helper *helpers; /* one a thread but the caller's; for a group of one, of which there is one at most */
} cascade_job;

/* -------------------------------------------------------------------------------------------------- 1. Bounding -- */

/* The row at a place in the blocks. */
static uint64_t row_at(const cascade_job *job, uint64_t place) {
    return job->listed == NULL ? place : job->listed[place];
}

/* Rows that are picked out lie anywhere: asked for some steps ahead, they do not keep the kernels waiting. */
static void ask_for(const void *bytes, size_t size) {
    const size_t most = size < MOST_ASKED_FOR ? size : MOST_ASKED_FOR;
    for (size_t i = 0; i < most; i += CACHE_LINE)
        __builtin_prefetch((const char *)bytes + i);
}

static void ask_for_header(const cascade_job *job, int bits, uint64_t row) {
    const npv_headers headers = npv_headers_from(job->request, job->codes, bits, row);
    __builtin_prefetch(headers.columns.along);
    __builtin_prefetch(headers.columns.step);
    __builtin_prefetch(headers.columns.error);
    __builtin_prefetch(headers.columns.length);
}

/* What bound_whole_code reads. */
static void ask_for_whole_code(const cascade_job *job, uint64_t row) {
    const size_t plane_bytes = NPV_PLANE_BYTES(job->request->dimensions);
    ask_for(npv_plane_row(&job->codes->high, row, plane_bytes), plane_bytes);
    ask_for(npv_plane_row(&job->codes->low, row, plane_bytes), plane_bytes);
    ask_for_header(job, 8, row);
}

/* The queries that are bounded together: one, or a tile, whose integers lie one behind the other. */
typedef struct tile {
    const int8_t *coarse;
    size_t queries;
} tile;

/* dots[query * count + i] of `count` neighbouring rows of a plane. */
static void sum_rows(const cascade_job *job, const tile *of, const npv_array *plane, uint64_t row, size_t count,
                     int32_t *dots) {
    const npv_kernels *kernels = job->request->kernels;
    const size_t plane_bytes = NPV_PLANE_BYTES(job->request->dimensions);
    (of->queries == 1 ? kernels->dot_nibbles : kernels->dot_nibbles_tile)(
        of->coarse, npv_plane_row(plane, row, plane_bytes), plane_bytes, count, dots);
}

/* The same for the rows at neighbouring places in the blocks. */
static void sum_places(const cascade_job *job, const tile *of, const npv_array *plane, npv_run places, int32_t *dots) {
    const size_t plane_bytes = NPV_PLANE_BYTES(job->request->dimensions);
    if (job->listed == NULL) {
        sum_rows(job, of, plane, places.first, places.count, dots);
        return;
    }
    for (size_t i = 0; i < places.count; i++) {
        int32_t sums[NPV_TILE];
        const uint64_t ahead = places.first + i + ROWS_AHEAD;
        if (ahead < job->rows) {
            ask_for(npv_plane_row(plane, job->listed[ahead], plane_bytes), plane_bytes);
            ask_for_header(job, job->bits, job->listed[ahead]);
        }
        sum_rows(job, of, plane, job->listed[places.first + i], 1, sums);
        for (size_t query = 0; query < of->queries; query++)
            dots[query * places.count + i] = sums[query];
    }
}

/* The headers of rows that are picked out, brought together. */
typedef struct gathered_headers {
    float along[NPV_BLOCK_ROWS], step[NPV_BLOCK_ROWS], error[NPV_BLOCK_ROWS], length[NPV_BLOCK_ROWS];
    double lengths[NPV_BLOCK_ROWS];
} gathered_headers;

static npv_headers gather_headers(const cascade_job *job, int bits, const uint64_t *rows, size_t count,
                                  gathered_headers *room) {
    const npv_headers all = npv_headers_from(job->request, job->codes, bits, 0);
    for (size_t i = 0; i < count; i++) {
        const uint64_t row = rows[i];
        room->along[i] = all.columns.along[row];
        room->step[i] = all.columns.step[row];
        room->error[i] = all.columns.error[row];
        room->length[i] = all.columns.length[row];
        room->lengths[i] = all.lengths == NULL ? 0 : all.lengths[row];
    }
    return (npv_headers){{room->along, room->step, room->error, room->length}, room->lengths};
}

/* Bounds all rows of a block for `count` queries, at most a tile. */
static void bound_whole_block(const cascade_job *job, cascade_query *queries, size_t count, npv_run block) {
    const tile of = {queries->bounder.coarse, count == 1 ? 1 : NPV_TILE};
    int32_t dots[NPV_TILE * NPV_BLOCK_ROWS];
    gathered_headers room;
    sum_places(job, &of, &job->codes->high, block, dots);
    if (job->bits == 8) {
        int32_t low[NPV_TILE * NPV_BLOCK_ROWS];
        sum_places(job, &of, &job->codes->low, block, low);
        for (size_t i = 0; i < of.queries * block.count; i++)
            dots[i] = 16 * dots[i] + low[i];
    }
    const npv_headers headers = job->listed == NULL
                                    ? npv_headers_from(job->request, job->codes, job->bits, block.first)
                                    : gather_headers(job, job->bits, job->listed + block.first, block.count, &room);
    for (size_t i = 0; i < count; i++)
        queries[i].maxima[block.first / NPV_BLOCK_ROWS] =
            npv_bound_keys(job->request, &queries[i].bounder, job->bits, &headers, block.count, dots + i * block.count,
                           queries[i].bounds + block.first);
}

/* Takes the rows of a block that are not in `eligible` out again. */
static void leave_out(cascade_query *query, size_t number, uint64_t eligible) {
    float *bounds = query->bounds + number * NPV_BLOCK_ROWS;
    float largest = -HUGE_VALF;
    for (size_t i = 0; i < NPV_BLOCK_ROWS; i++) {
        bounds[i] = eligible >> i & 1 ? bounds[i] : -HUGE_VALF;
        largest = bounds[i] > largest ? bounds[i] : largest;
    }
    query->maxima[number] = largest;
}

static void bound_block(const cascade_job *job, cascade_query *queries, size_t count, size_t number) {
    const size_t first = number * NPV_BLOCK_ROWS;
    const npv_run block = {first, job->rows - first < NPV_BLOCK_ROWS ? job->rows - first : NPV_BLOCK_ROWS};
    uint64_t eligible = block.count == NPV_BLOCK_ROWS ? UINT64_MAX : ((uint64_t)1 << block.count) - 1;
    if (job->listed == NULL && job->request->eligible != NULL)
        eligible &= job->request->eligible[number];
    if (eligible != 0)
        bound_whole_block(job, queries, count, block);
    for (size_t i = 0; i < count && eligible != UINT64_MAX; i++)
        leave_out(&queries[i], number, eligible);
}

static void bound_part(void *context, size_t part, unsigned worker) {
    cascade_job *job = context;
    const size_t begin = part * job->part_blocks;
    const size_t end = job->blocks - begin < job->part_blocks ? job->blocks : begin + job->part_blocks;
    (void)worker;
    for (size_t query = 0; query < job->query_count;) {
        const size_t count = job->query_count - query < NPV_TILE ? job->query_count - query : NPV_TILE;
        for (size_t block = begin; block < end; block++)
            bound_block(job, job->queries + query, count, block);
        query += count;
    }
}

/* --------------------------------------------------------------------------------------------------- 2. Seeding -- */

/* More than k, so that the threshold is good although bounds are not in the order of scores. */
static size_t seed_count(const npv_request *request) {
    const uint64_t wanted = (uint64_t)request->k + request->k / 2 + 6;
    return (size_t)(wanted < request->eligible_count ? wanted : request->eligible_count);
}

/* How many of the values reach `floor`. */
static size_t count_from(const float *values, size_t count, float floor) {
    size_t reaching = 0;
    for (size_t i = 0; i < count; i++)
        reaching += values[i] >= floor;
    return reaching;
}

/*
 * The largest bound of each of `groups` groups of rows: blocks, if there are so many, or else every so many-th row.
 * Returns how many groups there are in the end.
 */
static size_t group_maxima(const cascade_job *job, const cascade_query *query, size_t groups, float *maxima) {
    if (job->blocks >= groups) {
        memcpy(maxima, query->maxima, job->blocks * sizeof *maxima);
        return job->blocks;
    }
    const size_t rows = job->rows;
    groups = groups < rows ? groups : rows;
    memcpy(maxima, query->bounds, groups * sizeof *maxima);
    for (size_t first = groups; first < rows; first += groups)
        for (size_t i = 0; i < groups && first + i < rows; i++)
            maxima[i] = query->bounds[first + i] > maxima[i] ? query->bounds[first + i] : maxima[i];
    return groups;
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

static void score_row(const cascade_job *job, const cascade_query *query, uint64_t row, const thread_room *room,
                      npv_topk *top) {
    const npv_request *request = job->request;
    const size_t row_bytes = request->dimensions * sizeof(float);
    const float *vector = request->vectors + row * request->dimensions;
    double key;
    if (request->file != NULL)
        vector = (const float *)(const void *)npv_array_read(request->file, row * row_bytes, row_bytes, room->vector);
    npv_score_keys(request, query->prepared, vector, row, 1, &key);
    if (key >= request->least_key)
        npv_topk_offer(top, (npv_candidate){key, row});
}

static void ask_for_row(const npv_request *request, uint64_t row) {
    if (request->file == NULL)
        ask_for(request->vectors + row * request->dimensions, request->dimensions * sizeof(float));
}

/* The rows of a block whose bounds are at least `least`, one bit a row. */
static uint64_t rows_from(const cascade_job *job, const cascade_query *query, size_t number, float least) {
    if (query->maxima[number] < least)
        return 0;
    return npv_bounds_from(job->request->kernels, query->bounds + number * NPV_BLOCK_ROWS, least);
}

/* Bounds by whole codes of rows that were picked out. */
static void bound_whole_codes(const cascade_job *job, const cascade_query *query, const uint64_t *rows, size_t count,
                              float *bounds) {
    const tile of = {query->bounder.coarse, 1};
    for (size_t first = 0; first < count; first += NPV_BLOCK_ROWS) {
        const size_t some = count - first < NPV_BLOCK_ROWS ? count - first : NPV_BLOCK_ROWS;
        int32_t dots[NPV_BLOCK_ROWS];
        gathered_headers room;
        for (size_t i = 0; i < some; i++) {
            int32_t high, low;
            sum_rows(job, &of, &job->codes->high, rows[first + i], 1, &high);
            sum_rows(job, &of, &job->codes->low, rows[first + i], 1, &low);
            dots[i] = 16 * high + low;
        }
        const npv_headers headers = gather_headers(job, 8, rows + first, some, &room);
        npv_bound_keys(job->request, &query->bounder, 8, &headers, some, dots, bounds + first);
    }
}

/* The least bound that a hit can have, given k rows that are at least as good as the worst of `top`. */
static float threshold_of(const cascade_job *job, const cascade_query *query, const npv_topk *top) {
    const double least = job->request->least_key;
    const double key = top->count == top->k && top->heap[0].key > least ? top->heap[0].key : least;
    return npv_bound_of_key(job->request, &query->bounder, key);
}

/* The rows with the highest bounds: those from a floor on, the first blocks' if there are too many. */
static size_t choose_seeds(const cascade_job *job, cascade_query *query, thread_room *room) {
    const size_t wanted = seed_count(job->request);
    size_t count = 0;
    size_t number = 0;
    query->seed_floor = seed_floor(job, query, wanted, room->maxima);
    for (; count < 2 * wanted && number < job->blocks; number++)
        for (uint64_t left = rows_from(job, query, number, query->seed_floor); left != 0; left &= left - 1) {
            const size_t place = number * NPV_BLOCK_ROWS + (unsigned)__builtin_ctzll(left);
            room->seed_bounds[count] = query->bounds[place];
            room->seeds[count] = row_at(job, place);
            if (job->bits == 4)
                ask_for_whole_code(job, room->seeds[count]);
            count++;
        }
    query->seed_blocks = number;
    return count;
}

/*
 * Bounds by whole codes are in the order of scores, nearly: the k rows that they put first give the threshold, and of
 * the other seeds hardly one reaches it.
 */
static void seed(const cascade_job *job, cascade_query *query, thread_room *room) {
    const size_t count = choose_seeds(job, query, room);
    npv_topk likely = {room->likely, 0, job->request->k};
    if (job->bits == 4) {
        bound_whole_codes(job, query, room->seeds, count, room->seed_bounds);
        query->cost->rows8 += count;
    }
    for (size_t i = 0; i < count; i++)
        npv_topk_offer(&likely, (npv_candidate){(double)room->seed_bounds[i], room->seeds[i]});
    for (size_t i = 0; i < likely.count; i++)
        ask_for_row(job->request, likely.heap[i].row);
    for (size_t i = 0; i < likely.count; i++)
        score_row(job, query, likely.heap[i].row, room, query->top);
    query->cost->rows32 += likely.count;
    for (size_t i = 0; i < count; i++) {
        const npv_candidate other = {(double)room->seed_bounds[i], room->seeds[i]};
        if (npv_better(likely.heap[0], other) && room->seed_bounds[i] >= threshold_of(job, query, query->top)) {
            score_row(job, query, other.row, room, query->top);
            query->cost->rows32++;
        }
    }
}

/* -------------------------------------------------------------------------------------------------- 3. Refining -- */

/* The survivors of a block that are no seeds; asks for what they are looked at by. */
static size_t find_survivors(const cascade_job *job, const cascade_query *query, size_t number, float threshold,
                             uint64_t *rows, npv_cascade_cost *cost) {
    uint64_t left = rows_from(job, query, number, threshold);
    size_t count = 0;
    cost->survivors += npv_word_count(left);
    if (number < query->seed_blocks)
        left &= ~rows_from(job, query, number, query->seed_floor);
    for (; left != 0; left &= left - 1) {
        const uint64_t row = row_at(job, number * NPV_BLOCK_ROWS + (unsigned)__builtin_ctzll(left));
        rows[count++] = row;
        if (job->bits == 4)
            ask_for_whole_code(job, row);
        else
            ask_for_row(job->request, row);
    }
    return count;
}

/* Leaves of a lot of survivors those whose whole codes do not rule them out; asks for their vectors. */
static size_t look_at_whole_codes(const cascade_job *job, const cascade_query *query, uint64_t *rows, size_t count,
                                  float threshold) {
    float bounds[LOT_ROWS];
    size_t left = 0;
    bound_whole_codes(job, query, rows, count, bounds);
    for (size_t i = 0; i < count; i++)
        if (bounds[i] >= threshold) {
            rows[left++] = rows[i];
            ask_for_row(job->request, rows[i]);
        }
    return left;
}

/* Looks at a lot of survivors. `start` is the threshold after step 2; `top` may know a better one. */
static void refine_lot(const cascade_job *job, const cascade_query *query, uint64_t *rows, size_t count, float start,
                       const thread_room *room, npv_topk *top, npv_cascade_cost *cost) {
    const float known = threshold_of(job, query, top);
    const float threshold = known > start ? known : start;
    if (job->bits == 4) {
        cost->rows8 += count;
        count = look_at_whole_codes(job, query, rows, count, threshold);
    }
    for (size_t i = 0; i < count; i++)
        score_row(job, query, rows[i], room, top);
    cost->rows32 += count;
}

/* Above this number of survivors it is cheaper to score all rows, one after the other, than to pick them out. */
static double too_many_survivors(const npv_request *request) {
    return 0.6 * (double)request->eligible_count;
}

/*
 * How many rows survive; or, if there are few blocks with survivors, how many of those: then there cannot be too many
 * survivors, nor enough to share out, and they need not be counted.
 */
static uint64_t count_survivors(const cascade_job *job, const cascade_query *query, float threshold) {
    uint64_t survivors = 0;
    const size_t blocks = count_from(query->maxima, job->blocks, threshold);
    if (blocks <= FEW_BLOCKS && (double)(blocks * NPV_BLOCK_ROWS) <= too_many_survivors(job->request))
        return blocks;
    for (size_t number = 0; number < job->blocks; number++)
        survivors += npv_word_count(rows_from(job, query, number, threshold));
    return survivors;
}

typedef struct refining {
    const cascade_job *job;
    cascade_query *query;
    const thread_room *room; /* the caller's */
    float threshold;
    size_t part_blocks;
} refining;

/* The caller works on the query's own top, which knows the seeds; helpers have tops of their own. */
static void refine_part(void *context, size_t part, unsigned worker) {
    const refining *self = context;
    const cascade_job *job = self->job;
    const size_t begin = part * self->part_blocks;
    const size_t end = job->blocks - begin < self->part_blocks ? job->blocks : begin + self->part_blocks;
    npv_topk *top = worker == 0 ? self->query->top : &job->helpers[worker - 1].top;
    npv_cascade_cost *cost = worker == 0 ? self->query->cost : &job->helpers[worker - 1].cost;
    const thread_room *room = worker == 0 ? self->room : &job->rooms[worker];
    uint64_t rows[LOT_ROWS];
    size_t count = 0;
    for (size_t number = begin; number < end; number++) {
        if (self->query->maxima[number] >= self->threshold)
            count += find_survivors(job, self->query, number, self->threshold, rows + count, cost);
        if (count > LOT_ROWS - NPV_BLOCK_ROWS || number + 1 == end) {
            refine_lot(job, self->query, rows, count, self->threshold, room, top, cost);
            count = 0;
        }
    }
}

/* Only the query of a group of one may be shared out: those of larger groups have a thread each. */
static void refine(const cascade_job *job, cascade_query *query, const thread_room *room, float threshold,
                   uint64_t survivors) {
    const size_t parts = survivors > SHARED_SURVIVORS ? 8 * (size_t)job->request->threads : 1;
    refining self = {job, query, room, threshold, (job->blocks + parts - 1) / parts};
    npv_workers_run(job->request->workers, (job->blocks + self.part_blocks - 1) / self.part_blocks, refine_part, &self);
    if (job->query_count > 1)
        return;
    for (unsigned i = 0; i + 1 < job->request->threads; i++) {
        query->cost->survivors += job->helpers[i].cost.survivors;
        query->cost->rows8 += job->helpers[i].cost.rows8;
        query->cost->rows32 += job->helpers[i].cost.rows32;
        for (size_t j = 0; j < job->helpers[i].top.count; j++)
            npv_topk_offer(query->top, job->helpers[i].top.heap[j]);
    }
}

/* ------------------------------------------------------------------------------------------------------- A group -- */

/* The plain scan for one query of the group. */
static npv_status scan_plainly(const cascade_job *job, cascade_query *query, npv_error *error) {
    npv_request request = *job->request;
    request.queries = query->prepared;
    request.query_count = 1;
    query->top->count = 0;
    query->cost->rows32 += request.eligible_count;
    return npv_scan(&request, query->top, error);
}

/* Steps 2 and 3 of a query. */
static void finish_query(void *context, size_t number, unsigned worker) {
    const cascade_job *job = context;
    cascade_query *query = &job->queries[number];
    seed(job, query, &job->rooms[worker]);
    const float threshold = threshold_of(job, query, query->top);
    const uint64_t survivors = count_survivors(job, query, threshold);
    if ((double)survivors <= too_many_survivors(job->request)) {
        refine(job, query, &job->rooms[worker], threshold, survivors);
        return;
    }
    query->cost->survivors = survivors;
    query->cost->given_up = 1;
    query->status = scan_plainly(job, query, &query->error);
}

static void prepare_query(void *context, size_t number, unsigned worker) {
    const cascade_job *job = context;
    cascade_query *query = &job->queries[number];
    (void)worker;
    npv_bounder_prepare(job->request, job->codes, query->prepared, &query->bounder);
    *(job->bits == 4 ? &query->cost->rows4 : &query->cost->rows8) = job->request->eligible_count;
}

static npv_status run_group(cascade_job *job, npv_error *error) {
    npv_workers *workers = job->request->workers;
    npv_workers_run(workers, job->query_count, prepare_query, job);
    npv_workers_run(workers, (job->blocks + job->part_blocks - 1) / job->part_blocks, bound_part, job);
    if (job->query_count == 1)
        finish_query(job, 0, 0); /* not as a job, so that it may share out its survivors as one */
    else
        npv_workers_run(workers, job->query_count, finish_query, job);
    for (size_t i = 0; i < job->query_count; i++)
        if (job->queries[i].status != NPV_OK) {
            if (error != NULL)
                *error = job->queries[i].error;
            return job->queries[i].status;
        }
    return NPV_OK;
}

/* ----------------------------------------------------------------------------------------------------- All of it -- */

/* Memory of a cascade, made once for all groups. */
typedef struct cascade_memory {
    int8_t *coarse;
    float *bounds;
    float *maxima;
    npv_candidate *candidates;
    cascade_query *queries;
    float *seed_maxima;
    uint64_t *seeds;
    float *seed_bounds;
    npv_candidate *likely;
    unsigned char *vectors;
    thread_room *rooms;
    cascade_helper *helpers;
} cascade_memory;

static void free_memory(cascade_memory *memory) {
    free(memory->coarse);
    free(memory->bounds);
    free(memory->maxima);
    free(memory->candidates);
    free(memory->queries);
    free(memory->seed_maxima);
    free(memory->seeds);
    free(memory->seed_bounds);
    free(memory->likely);
    free(memory->vectors);
    free(memory->rooms);
    free(memory->helpers);
}

/*
 * Room for the integers of whole tiles; what the kernel finds in the places of queries that are not there is not used.
 * Aligned, because loads that straddle cache lines halve the speed of a tile: 150 instead of 260 products a nanosecond.
 */
static int8_t *new_coarse(size_t group, size_t dimensions) {
    const size_t bytes = (group + NPV_TILE - 1) / NPV_TILE * NPV_TILE * 2 * NPV_PLANE_BYTES(dimensions);
    int8_t *coarse = aligned_alloc(CACHE_LINE, bytes); /* a multiple of it, as aligned_alloc wants */
    if (coarse != NULL)
        memset(coarse, 0, bytes);
    return coarse;
}

static npv_status make_memory(cascade_memory *memory, const npv_request *request, size_t blocks, size_t group,
                              npv_error *error) {
    const size_t threads = request->threads;
    const size_t seeds = seed_count(request);
    const size_t most_seeds = 2 * seeds + NPV_BLOCK_ROWS;
    const size_t seed_groups = blocks > SEED_GROUPS * seeds ? blocks : SEED_GROUPS * seeds;
    memory->coarse = new_coarse(group, request->dimensions);
    memory->bounds = malloc(group * blocks * NPV_BLOCK_ROWS * sizeof *memory->bounds);
    memory->maxima = malloc(group * blocks * sizeof *memory->maxima);
    memory->candidates = malloc(threads * request->k * sizeof *memory->candidates);
    memory->queries = calloc(group, sizeof *memory->queries);
    memory->seed_maxima = malloc(threads * seed_groups * sizeof *memory->seed_maxima);
    memory->seeds = malloc(threads * most_seeds * sizeof *memory->seeds);
    memory->seed_bounds = malloc(threads * most_seeds * sizeof *memory->seed_bounds);
    memory->likely = malloc(threads * request->k * sizeof *memory->likely);
    memory->vectors = malloc(threads * request->dimensions * sizeof(float));
    memory->rooms = calloc(threads, sizeof *memory->rooms);
    memory->helpers = calloc(threads, sizeof *memory->helpers);
    if (memory->coarse == NULL || memory->bounds == NULL || memory->maxima == NULL || memory->candidates == NULL ||
        memory->queries == NULL || memory->seed_maxima == NULL || memory->seeds == NULL ||
        memory->seed_bounds == NULL || memory->likely == NULL || memory->vectors == NULL || memory->rooms == NULL ||
        memory->helpers == NULL)
        return npv_fail_memory(error, "the bounds of a search",
                               group * blocks * (NPV_BLOCK_ROWS + 1) * sizeof *memory->bounds);
    for (size_t i = 0; i < threads; i++)
        memory->rooms[i] = (thread_room){memory->seed_maxima + i * seed_groups, memory->seeds + i * most_seeds,
                                         memory->seed_bounds + i * most_seeds, memory->likely + i * request->k,
                                         memory->vectors + i * request->dimensions * sizeof(float)};
    for (size_t i = 0; i + 1 < threads; i++)
        memory->helpers[i].top = (npv_topk){memory->candidates + i * request->k, 0, request->k};
    return NPV_OK;
}

/* Whole tiles, as far as the bounds of their rows keep within GROUP_BYTES; fewer queries if there are no more. */
static size_t group_size(const npv_request *request, size_t blocks) {
    const size_t tiles = GROUP_BYTES / (blocks * NPV_BLOCK_ROWS * sizeof(float)) / NPV_TILE;
    const size_t most = NPV_TILE * (tiles < LEAST_TILES ? LEAST_TILES : tiles < MOST_TILES ? tiles : MOST_TILES);
    return request->query_count < most ? request->query_count : most;
}

static size_t blocks_in_a_part(const npv_request *request, int bits, size_t blocks) {
    const size_t block_bytes = NPV_PLANE_BYTES(request->dimensions) * NPV_BLOCK_ROWS * (bits == 4 ? 1 : 2);
    if (!npv_worth_sharing(request, blocks * block_bytes * request->query_count))
        return blocks;
    return PART_BYTES / block_bytes > 0 ? PART_BYTES / block_bytes : 1;
}

static void set_up_group(cascade_job *job, cascade_memory *memory, size_t done, size_t count, npv_topk *tops,
                         npv_cascade_cost *costs) {
    const npv_request *request = job->request;
    job->query_count = count;
    for (size_t i = 0; i < count; i++) {
        costs[done + i] = (npv_cascade_cost){0};
        job->queries[i] = (cascade_query){
            .prepared = request->queries + (done + i) * NPV_PADDED(request->dimensions),
            .bounder = {.coarse = memory->coarse + i * 2 * NPV_PLANE_BYTES(request->dimensions)},
            .bounds = memory->bounds + i * job->blocks * NPV_BLOCK_ROWS,
            .maxima = memory->maxima + i * job->blocks,
            .top = &tops[done + i],
            .cost = &costs[done + i],
        };
    }
}

/* Lists the eligible rows if they are few. */
static npv_status list_rows(cascade_job *job, npv_error *error) {
    const npv_request *request = job->request;
    job->rows = (size_t)request->rows;
    if (request->eligible == NULL || request->eligible_count >= request->rows / LISTED_SHARE)
        return NPV_OK;
    job->listed = malloc((size_t)request->eligible_count * sizeof *job->listed);
    if (job->listed == NULL)
        return npv_fail_memory(error, "the rows of a search", (size_t)request->eligible_count * sizeof *job->listed);
    job->rows = 0;
    for (size_t word = 0; word < npv_bits_words(request->rows); word++)
        for (uint64_t left = request->eligible[word]; left != 0; left &= left - 1)
            job->listed[job->rows++] = word * 64 + (unsigned)__builtin_ctzll(left);
    return NPV_OK;
}

npv_status npv_cascade(const npv_request *request, const npv_codes *codes, int bits, npv_topk *tops,
                       npv_cascade_cost *costs, npv_error *error) {
    cascade_job job = {.request = request, .codes = codes, .bits = bits};
    cascade_memory memory = {0};
    npv_status status = list_rows(&job, error);
    if (status != NPV_OK)
        return status;
    job.blocks = npv_bits_words(job.rows);
    job.part_blocks = blocks_in_a_part(request, bits, job.blocks);
    const size_t group = group_size(request, job.blocks);
    status = make_memory(&memory, request, job.blocks, group, error);
    job.queries = memory.queries;
    job.rooms = memory.rooms;
    job.helpers = memory.helpers;
    for (size_t done = 0; done < request->query_count && status == NPV_OK; done += job.query_count) {
        const size_t left = request->query_count - done;
        set_up_group(&job, &memory, done, left < group ? left : group, tops, costs);
        status = run_group(&job, error);
    }
    free_memory(&memory);
    free(job.listed);
    return status;
}
