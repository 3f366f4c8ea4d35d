/* The straight line from a query to its hits. */
#include <inttypes.h>
#include <limits.h>
#include <math.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "cascade.h"
#include "error.h"
#include "lazy.h"
#include "plan.h"
#include "scan.h"
#include "select.h"
#include "store.h"
#include "vector.h"

/* What the candidates of a group of queries may take, on all threads together. */
#define CANDIDATE_BYTES ((size_t)64 << 20)

/* What the cascade reads of a row beside its codes: four of its five floats. */
#define HEADER_BYTES (4 * sizeof(float))

/* One call of npv_search. The arrays are freed at its end, but for the hits, which go to the caller. */
typedef struct search_job {
    npv_store *store;
    const npv_search_options *options;
    npv_request request;
    size_t query_count; /* of the call; the request holds a group of them */
    double *queries;
    npv_row_set eligible;
    npv_topk *tops;
    npv_candidate *room;
    npv_cascade_cost *costs; /* one a query of the group */
    npv_hits hits;

    npv_plan plan; /* for npv_explain, as what follows */
    npv_cascade_cost cost;
    uint64_t coded;
    double coding_seconds;
    double filter_seconds;
} search_job;

static npv_status check_options(const npv_search_options *options, npv_error *error) {
    if (options->metric != NPV_COSINE && options->metric != NPV_DOT && options->metric != NPV_EUCLIDEAN)
        return npv_fail(error, NPV_E_ARGUMENT, "expected metric cosine (0), dot (1) or Euclidean (2), found %d",
                        (int)options->metric);
    if (options->k == 0)
        return npv_fail(error, NPV_E_ARGUMENT, "expected k of at least 1, found 0");
    if (isnan(options->min_score) || isnan(options->max_distance))
        return npv_fail(error, NPV_E_ARGUMENT, "expected numbers as min_score and max_distance, found NaN");
    if (options->metric == NPV_EUCLIDEAN && options->min_score != -(double)INFINITY)
        return npv_fail(error, NPV_E_ARGUMENT, "min_score is for cosine and dot; use max_distance with Euclidean");
    if (options->metric != NPV_EUCLIDEAN && options->max_distance != (double)INFINITY)
        return npv_fail(error, NPV_E_ARGUMENT, "max_distance is for Euclidean; use min_score with cosine and dot");
    return NPV_OK;
}

/* Dimensions of a query that are scaled together, whole lanes. */
#define SCALED_DIMENSIONS (16 * NPV_LANES)

/* As a row is scaled that is added: divided in float64, and rounded. */
static void scale_query(const npv_store *store, const float *query, double length, double *wide) {
    float unit[SCALED_DIMENSIONS];
    for (size_t first = 0; first < store->dimensions; first += SCALED_DIMENSIONS) {
        const size_t left = store->dimensions - first;
        const size_t count = left < SCALED_DIMENSIONS ? left : SCALED_DIMENSIONS;
        store->kernels->scale_row(query + first, count, length, unit);
        npv_widen(unit, count, wide + first);
    }
}

/* The query as the scores want it: of unit length where the definition says so, widened, padded. */
static npv_status prepare_query(const npv_store *store, npv_metric metric, const float *query, size_t number,
                                double *wide, npv_error *error) {
    const double length = npv_length(store->kernels, query, store->dimensions);
    if (!isfinite(length))
        return npv_fail_not_finite(error, NPV_E_ARGUMENT, "query", number, query, store->dimensions);
    if (!store->normalize && metric != NPV_COSINE) {
        npv_widen(query, store->dimensions, wide);
        return NPV_OK;
    }
    if (length == 0)
        return npv_fail(error, NPV_E_ARGUMENT,
                        "query %zu: expected a direction, found a vector of length zero; use the dot product or "
                        "Euclidean distance on a store that does not normalise",
                        number);
    scale_query(store, query, length, wide);
    return NPV_OK;
}

/* All queries of a call, to be shared out. */
typedef struct query_preparation {
    const npv_store *store;
    npv_metric metric;
    const float *queries;
    double *wide;
    atomic_size_t refused; /* the first query that is no query, or their number */
} query_preparation;

static npv_status prepare_one(const query_preparation *self, size_t number, npv_error *error) {
    const size_t dimensions = self->store->dimensions;
    return prepare_query(self->store, self->metric, self->queries + number * dimensions, number,
                         self->wide + number * NPV_PADDED(dimensions), error);
}

static void prepare_part(void *context, size_t number, unsigned worker) {
    query_preparation *self = context;
    (void)worker;
    if (prepare_one(self, number, NULL) == NPV_OK)
        return;
    size_t refused = atomic_load(&self->refused);
    while (number < refused && !atomic_compare_exchange_weak(&self->refused, &refused, number)) {}
}

static npv_status prepare_queries(search_job *job, const float *queries, npv_error *error) {
    const size_t count = job->query_count;
    const size_t stride = NPV_PADDED(job->store->dimensions);
    if (count < SIZE_MAX / sizeof(double) / stride)
        job->queries = malloc((count + 1) * stride * sizeof(double));
    if (job->queries == NULL)
        return npv_fail_memory(error, "the queries", count * stride * sizeof(double));
    query_preparation self = {job->store, job->options->metric, queries, job->queries, count};
    if (count == 1) /* not as a job: that would pass for a search that has just ended (npv_workers_awake) */
        return prepare_one(&self, 0, error);
    npv_workers_run(job->store->workers, count, prepare_part, &self);
    const size_t refused = atomic_load(&self.refused);
    return refused < count ? prepare_one(&self, refused, error) : NPV_OK;
}

/* Cosine is undefined for a zero row; only those that the search would have to score matter. */
static npv_status refuse_zero_rows(const npv_request *request, npv_error *error) {
    for (uint64_t row = 0; row < request->rows; row++)
        if (request->lengths[row] == 0 && (request->eligible == NULL || request->eligible[row / 64] >> (row % 64) & 1))
            return npv_fail(error, NPV_E_ARGUMENT,
                            "row %" PRIu64 " has length zero, for which cosine is not defined; use the dot product "
                            "or Euclidean distance, or leave the row out by within_rows",
                            row);
    return NPV_OK;
}

static double seconds(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

/* Which rows may be hits: not deleted, and in within_rows, and passing the filter. */
static npv_status prepare_rows(search_job *job, npv_error *error) {
    const npv_search_options *options = job->options;
    const double start = seconds();
    const npv_selection selection = {.size = sizeof selection,
                                     .filter = options->filter,
                                     .rows = options->within_rows,
                                     .row_count = options->within_rows != NULL ? options->within_count : 0};
    const npv_status status = npv_row_set_make(job->store, &selection, &job->eligible, error);
    if (status != NPV_OK)
        return status;
    job->request.eligible = job->eligible.bits;
    job->request.eligible_count = job->eligible.count;
    job->request.k = options->k < job->eligible.count ? options->k : (size_t)job->eligible.count;
    job->filter_seconds = options->filter != NULL ? seconds() - start : 0;
    return NPV_OK;
}

static npv_status prepare_lengths(search_job *job, npv_error *error) {
    npv_request *request = &job->request;
    if (request->metric != NPV_COSINE || job->store->normalize)
        return NPV_OK;
    const npv_status status = npv_store_lengths(job->store, &request->lengths, error);
    if (status != NPV_OK)
        return status;
    request->divide = true;
    return job->store->zero_rows > 0 ? refuse_zero_rows(request, error) : NPV_OK;
}

static void prepare_codes(search_job *job) {
    const double start = seconds();
    if (!job->options->exhaustive)
        job->coded = npv_store_code_rows(job->store, &job->request);
    job->coding_seconds = job->coded > 0 ? seconds() - start : 0;
}

/* Queries of one call are answered in groups, so that the candidates of all threads stay below CANDIDATE_BYTES. */
static size_t group_size(const search_job *job) {
    if (job->request.k == 0)
        return job->query_count;
    const size_t most = CANDIDATE_BYTES / sizeof(npv_candidate) / job->request.threads / job->request.k;
    return most >= job->query_count ? job->query_count : most > 0 ? most : 1;
}

/* Heaps for a group, and room for the hits of all. One element too many, so that none is asked for 0 bytes. */
static npv_status make_room(search_job *job, size_t group, npv_error *error) {
    const size_t k = job->request.k;
    if (k > 0 && job->query_count > SIZE_MAX / sizeof(npv_hit) / k - 1)
        return npv_fail_memory(error, "the hits of a search", SIZE_MAX);
    job->tops = calloc(group + 1, sizeof *job->tops);
    job->costs = calloc(group + 1, sizeof *job->costs);
    job->room = malloc((group * k + 1) * sizeof *job->room);
    job->hits.starts = calloc(job->query_count + 1, sizeof *job->hits.starts);
    job->hits.hit = malloc((job->query_count * k + 1) * sizeof *job->hits.hit);
    if (job->tops == NULL || job->costs == NULL || job->room == NULL || job->hits.starts == NULL ||
        job->hits.hit == NULL)
        return npv_fail_memory(error, "the hits of a search", job->query_count * k * sizeof *job->hits.hit);
    return NPV_OK;
}

/* Moves the sorted candidates of one query behind the hits of those before it. */
static void hand_over(npv_hits *hits, npv_metric metric, npv_topk *top) {
    size_t end = hits->starts[hits->query_count];
    npv_topk_sort(top);
    for (size_t i = 0; i < top->count; i++) {
        const double key = top->heap[i].key;
        hits->hit[end++] = (npv_hit){top->heap[i].row, metric == NPV_EUCLIDEAN ? -key : key};
    }
    hits->starts[++hits->query_count] = end;
}

static void add_cost(npv_cascade_cost *sum, const npv_cascade_cost *cost) {
    sum->rows4 += cost->rows4;
    sum->rows8 += cost->rows8;
    sum->planes8 += cost->planes8;
    sum->rows32 += cost->rows32;
    sum->survivors += cost->survivors;
    sum->given_up += cost->given_up;
}

static npv_status run_cascade(search_job *job, npv_error *error) {
    npv_request *request = &job->request;
    npv_cascade_cost cost = {0};
    npv_status status = NPV_OK;
    request->file = npv_store_file(job->store);
    if (request->metric == NPV_EUCLIDEAN) /* bounds of distances need them; scores of distances do not */
        status = npv_store_lengths(job->store, &request->lengths, error);
    if (status == NPV_OK)
        status = npv_cascade(request, &job->store->codes, (int)job->plan, job->tops, job->costs, error);
    if (status != NPV_OK)
        return status;
    for (size_t i = 0; i < request->query_count; i++)
        add_cost(&cost, &job->costs[i]);
    npv_store_learn(job->store, request, job->plan, &cost);
    add_cost(&job->cost, &cost);
    return NPV_OK;
}

/* The group in the request, the way that is likely to be the fastest. */
static npv_status answer_group(search_job *job, npv_error *error) {
    const npv_request *request = &job->request;
    if (request->k == 0)
        return NPV_OK;
    job->plan = job->options->exhaustive ? NPV_PLAN_SCAN : npv_store_plan(job->store, request);
    if (job->plan != NPV_PLAN_SCAN)
        return run_cascade(job, error);
    job->cost.rows32 += request->eligible_count * request->query_count;
    return npv_scan(request, job->tops, error);
}

static npv_status answer(search_job *job, npv_error *error) {
    npv_request *request = &job->request;
    const size_t group = group_size(job);
    npv_status status = make_room(job, group, error);
    for (size_t done = 0; done < job->query_count && status == NPV_OK; done += request->query_count) {
        request->queries = job->queries + done * NPV_PADDED(request->dimensions);
        request->query_count = job->query_count - done < group ? job->query_count - done : group;
        for (size_t i = 0; i < request->query_count; i++)
            job->tops[i] = (npv_topk){job->room + i * request->k, 0, request->k};
        status = answer_group(job, error);
        for (size_t i = 0; i < request->query_count && status == NPV_OK; i++)
            hand_over(&job->hits, request->metric, &job->tops[i]);
    }
    return status;
}

/* Fills as much of the caller's struct as it has room for. */
static void explain(const search_job *job, double search_seconds, npv_explain *given) {
    const uint64_t plane_bytes = NPV_PLANE_BYTES(job->request.dimensions);
    const npv_cascade_cost *cost = &job->cost;
    const npv_explain found = {
        .size = given->size,
        .plan = job->plan == NPV_PLAN_SCAN       ? "plain"
                : job->plan == NPV_PLAN_CASCADE4 ? "cascade 4-8-32"
                                                 : "cascade 8-32",
        .queries = job->query_count,
        .rows = job->request.eligible_count * job->query_count,
        .rows4 = cost->rows4,
        .rows8 = cost->rows8,
        .rows32 = cost->rows32,
        .bytes4 = cost->rows4 * (plane_bytes + HEADER_BYTES),
        .bytes8 = cost->planes8 * plane_bytes + cost->rows8 * HEADER_BYTES,
        .bytes32 = cost->rows32 * job->request.dimensions * sizeof(float),
        .survivors = cost->survivors,
        .rows_coded = job->coded,
        .coding_seconds = job->coding_seconds,
        .search_seconds = search_seconds,
        .filter_seconds = job->filter_seconds,
    };
    memcpy(given, &found, given->size < sizeof found ? given->size : sizeof found);
}

/* Everything that a search does, in order. */
static npv_status search(search_job *job, const float *queries, npv_error *error) {
    const double start = seconds();
    npv_status status = prepare_queries(job, queries, error);
    if (status == NPV_OK)
        status = prepare_rows(job, error);
    if (status == NPV_OK)
        status = prepare_lengths(job, error);
    if (status != NPV_OK)
        return status;
    prepare_codes(job);
    status = answer(job, error);
    if (status == NPV_OK && job->options->explain != NULL)
        explain(job, seconds() - start - job->coding_seconds, job->options->explain);
    return status;
}

static npv_request make_request(const npv_store *store, const npv_search_options *options, size_t query_count) {
    return (npv_request){
        .kernels = store->kernels,
        .workers = store->workers,
        .threads = store->threads,
        .vectors = (const float *)(const void *)store->vectors.data,
        .dimensions = store->dimensions,
        .rows = store->rows,
        .metric = options->metric,
        .query_count = query_count,
        .least_key = options->metric == NPV_EUCLIDEAN ? -options->max_distance : options->min_score,
    };
}

npv_status npv_search(npv_store *store, const float *queries, size_t query_count, const npv_search_options *given,
                      npv_hits *hits, npv_error *error) {
    npv_search_options options = NPV_SEARCH_OPTIONS_INIT;
    npv_status status = npv_copy_options(&options, sizeof options, given, "npv_search_options", error);
    if (status == NPV_OK)
        status = check_options(&options, error);
    if (status == NPV_OK && (store == NULL || hits == NULL || (queries == NULL && query_count > 0)))
        status = npv_fail(error, NPV_E_ARGUMENT, "npv_search: expected a store, queries and hits, found NULL");
    if (status != NPV_OK)
        return status;

    npv_store_lock_for_reading(store);
    search_job job = {.store = store,
                      .options = &options,
                      .request = make_request(store, &options, query_count),
                      .query_count = query_count};
    status = search(&job, queries, error);
    npv_store_unlock(store);
    free(job.queries);
    free(job.eligible.bits);
    free(job.tops);
    free(job.room);
    free(job.costs);
    if (status == NPV_OK)
        *hits = job.hits;
    else
        npv_hits_free(&job.hits);
    return status;
}

void npv_hits_free(npv_hits *hits) {
    if (hits == NULL)
        return;
    free(hits->starts);
    free(hits->hit);
    *hits = (npv_hits){0};
}
