/* The straight line from a query to its hits. */
#include <inttypes.h>
#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "error.h"
#include "scan.h"
#include "store.h"
#include "vector.h"

/* Queries of one call are answered in groups, so that the candidates of all threads stay below this. */
#define CANDIDATE_BYTES ((size_t)64 << 20)

/* What a search holds on to; all of it is freed at the end. */
typedef struct search_memory {
    double *queries;
    uint64_t *eligible;
    npv_topk *tops;
    npv_candidate *room;
    npv_hits hits;
} search_memory;

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

/* The query as the scores want it: of unit length where the definition says so, widened, padded. */
static npv_status prepare_query(const npv_store *store, npv_metric metric, const float *query, size_t number,
                                double *wide, npv_error *error) {
    const double length = npv_length(store->kernels, query, store->dimensions, wide);
    if (!isfinite(length))
        return npv_fail_not_finite(error, NPV_E_ARGUMENT, "query", number, query, store->dimensions);
    if (!store->normalize && metric != NPV_COSINE)
        return NPV_OK;
    if (length == 0)
        return npv_fail(error, NPV_E_ARGUMENT,
                        "query %zu: expected a direction, found a vector of length zero; use the dot product or "
                        "Euclidean distance on a store that does not normalise",
                        number);
    for (size_t j = 0; j < store->dimensions; j++)
        wide[j] = (double)(float)(wide[j] / length);
    return NPV_OK;
}

static npv_status prepare_queries(const npv_store *store, npv_metric metric, const float *queries, size_t count,
                                  double **prepared, npv_error *error) {
    const size_t stride = NPV_PADDED(store->dimensions);
    if (count < SIZE_MAX / sizeof(double) / stride)
        *prepared = malloc((count + 1) * stride * sizeof(double));
    if (*prepared == NULL)
        return npv_fail_memory(error, "the queries", count * stride * sizeof(double));
    npv_status status = NPV_OK;
    for (size_t i = 0; i < count && status == NPV_OK; i++)
        status = prepare_query(store, metric, queries + i * store->dimensions, i, *prepared + i * stride, error);
    return status;
}

/* within_rows as one bit a row. */
static npv_status mark_rows(uint64_t rows, const uint64_t *within, size_t count, uint64_t **bits, npv_error *error) {
    *bits = calloc((size_t)(rows / 64 + 1), sizeof **bits);
    if (*bits == NULL)
        return npv_fail_memory(error, "the rows to search", (size_t)(rows / 8));
    for (size_t i = 0; i < count; i++) {
        if (within[i] >= rows)
            return npv_fail_row(error, within[i], rows);
        const uint64_t bit = (uint64_t)1 << (within[i] % 64);
        if ((*bits)[within[i] / 64] & bit)
            return npv_fail(error, NPV_E_ARGUMENT, "within_rows: expected each row once, found row %" PRIu64 " again",
                            within[i]);
        (*bits)[within[i] / 64] |= bit;
    }
    return NPV_OK;
}

/* Cosine is undefined for a zero row; only those that the search would have to score matter. */
static npv_status refuse_zero_rows(const npv_request *request, npv_error *error) {
    for (uint64_t row = 0; row < request->rows; row++)
        if (request->lengths[row] == 0 &&
            (request->eligible == NULL || request->eligible[row / 64] >> (row % 64) & 1))
            return npv_fail(error, NPV_E_ARGUMENT,
                            "row %" PRIu64 " has length zero, for which cosine is not defined; use the dot product "
                            "or Euclidean distance, or leave the row out by within_rows",
                            row);
    return NPV_OK;
}

static npv_status prepare_lengths(npv_store *store, npv_request *request, npv_error *error) {
    if (request->metric != NPV_COSINE || store->normalize)
        return NPV_OK;
    const npv_status status = npv_store_lengths(store, &request->lengths, error);
    if (status != NPV_OK || store->zero_rows == 0)
        return status;
    return refuse_zero_rows(request, error);
}

/* Heaps for `count` queries, and room for the hits of all. One element too many, so that none is asked for 0 bytes. */
static npv_status make_room(search_memory *memory, size_t count, size_t k, size_t query_count, npv_error *error) {
    if (k > 0 && query_count > SIZE_MAX / sizeof(npv_hit) / k - 1)
        return npv_fail_memory(error, "the hits of a search", SIZE_MAX);
    memory->tops = calloc(count + 1, sizeof *memory->tops);
    memory->room = malloc((count * k + 1) * sizeof *memory->room);
    memory->hits.starts = calloc(query_count + 1, sizeof *memory->hits.starts);
    memory->hits.hit = malloc((query_count * k + 1) * sizeof *memory->hits.hit);
    if (memory->tops == NULL || memory->room == NULL || memory->hits.starts == NULL || memory->hits.hit == NULL)
        return npv_fail_memory(error, "the hits of a search", query_count * k * sizeof *memory->hits.hit);
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

/* How many queries at a time keep within CANDIDATE_BYTES; at least one. */
static size_t group_size(const npv_request *request, size_t query_count) {
    if (request->k == 0)
        return query_count;
    const size_t most = CANDIDATE_BYTES / sizeof(npv_candidate) / request->threads / request->k;
    return most >= query_count ? query_count : most > 0 ? most : 1;
}

/* Answers all queries, group by group. */
static npv_status answer(npv_request *request, const double *queries, size_t query_count, search_memory *memory,
                         npv_error *error) {
    const size_t in_a_group = group_size(request, query_count);
    npv_status status = make_room(memory, in_a_group, request->k, query_count, error);
    for (size_t done = 0; done < query_count && status == NPV_OK; done += request->query_count) {
        request->queries = queries + done * NPV_PADDED(request->dimensions);
        request->query_count = query_count - done < in_a_group ? query_count - done : in_a_group;
        for (size_t i = 0; i < request->query_count; i++)
            memory->tops[i] = (npv_topk){memory->room + i * request->k, 0, request->k};
        if (request->k > 0)
            status = npv_scan(request, memory->tops, error);
        for (size_t i = 0; i < request->query_count && status == NPV_OK; i++)
            hand_over(&memory->hits, request->metric, &memory->tops[i]);
    }
    return status;
}

static npv_status search(npv_store *store, const float *queries, size_t query_count, const npv_search_options *options,
                         search_memory *memory, npv_error *error) {
    const bool restricted = options->within_rows != NULL;
    const uint64_t most = restricted ? options->within_count : store->rows;
    npv_request request = {.kernels = store->kernels,
                           .workers = store->workers,
                           .threads = store->threads,
                           .vectors = (const float *)(const void *)store->vectors.data,
                           .dimensions = store->dimensions,
                           .rows = store->rows,
                           .metric = options->metric,
                           .k = options->k < most ? options->k : (size_t)most,
                           .least_key = options->metric == NPV_EUCLIDEAN ? -options->max_distance : options->min_score};
    npv_status status = prepare_queries(store, options->metric, queries, query_count, &memory->queries, error);
    if (status == NPV_OK && restricted)
        status = mark_rows(store->rows, options->within_rows, options->within_count, &memory->eligible, error);
    request.eligible = memory->eligible;
    if (status == NPV_OK)
        status = prepare_lengths(store, &request, error);
    if (status == NPV_OK)
        status = answer(&request, memory->queries, query_count, memory, error);
    return status;
}

npv_status npv_search(npv_store *store, const float *queries, size_t query_count, const npv_search_options *given,
                      npv_hits *hits, npv_error *error) {
    npv_search_options options = NPV_SEARCH_OPTIONS_INIT;
    search_memory memory = {0};
    npv_status status = npv_copy_options(&options, sizeof options, given, "npv_search_options", error);
    if (status == NPV_OK)
        status = check_options(&options, error);
    if (status == NPV_OK && (store == NULL || hits == NULL || (queries == NULL && query_count > 0)))
        status = npv_fail(error, NPV_E_ARGUMENT, "npv_search: expected a store, queries and hits, found NULL");
    if (status != NPV_OK)
        return status;

    npv_store_lock_for_reading(store);
    status = search(store, queries, query_count, &options, &memory, error);
    npv_store_unlock(store);
    free(memory.queries);
    free(memory.eligible);
    free(memory.tops);
    free(memory.room);
    if (status == NPV_OK)
        *hits = memory.hits;
    else
        npv_hits_free(&memory.hits);
    return status;
}

void npv_hits_free(npv_hits *hits) {
    if (hits == NULL)
        return;
    free(hits->starts);
    free(hits->hit);
    *hits = (npv_hits){0};
}
