#include "scan.h"

#include <math.h>
#include <stdlib.h>

#include "error.h"

/* A part of the job for one thread: large enough that taking it costs nothing, small enough to share out evenly. */
#define PART_BYTES ((size_t)1 << 20)

typedef struct scan_job {
    const npv_request *request;
    size_t part_rows; /* a multiple of NPV_BLOCK_ROWS */
    npv_topk *tops;   /* worker x query */
} scan_job;

void npv_score_keys(const npv_request *request, const double *query, const float *vectors, uint64_t first, size_t count,
                    double *keys) {
    if (request->metric == NPV_EUCLIDEAN) {
        request->kernels->squared_distance(query, vectors, request->dimensions, count, keys);
        for (size_t i = 0; i < count; i++)
            keys[i] = -sqrt(keys[i]);
        return;
    }
    request->kernels->dot(query, vectors, request->dimensions, count, keys);
    if (request->divide)
        for (size_t i = 0; i < count; i++)
            keys[i] /= request->lengths[first + i];
}

bool npv_next_run(uint64_t *word, uint64_t first, npv_run *run) {
    if (*word == 0)
        return false;
    const unsigned start = (unsigned)__builtin_ctzll(*word);
    const uint64_t from_start = ~(*word >> start);
    const unsigned count = from_start == 0 ? NPV_BLOCK_ROWS - start : (unsigned)__builtin_ctzll(from_start);
    *word = start + count == NPV_BLOCK_ROWS ? 0 : *word >> (start + count) << (start + count);
    *run = (npv_run){first + start, count};
    return true;
}

static void scan_run(const npv_request *request, size_t query, npv_run run, npv_topk *top) {
    double keys[NPV_BLOCK_ROWS];
    npv_score_keys(request, request->queries + query * NPV_PADDED(request->dimensions),
                   request->vectors + run.first * request->dimensions, run.first, run.count, keys);
    for (size_t i = 0; i < run.count; i++)
        if (keys[i] >= request->least_key) /* false for the NaN of a row that a hostile file brought in */
            npv_topk_offer(top, (npv_candidate){keys[i], run.first + i});
}

static void scan_block(const npv_request *request, size_t query, npv_run block, npv_topk *top) {
    if (request->eligible == NULL) {
        scan_run(request, query, block, top);
        return;
    }
    uint64_t word = request->eligible[block.first / NPV_BLOCK_ROWS];
    npv_run run;
    while (npv_next_run(&word, block.first, &run))
        scan_run(request, query, run, top);
}

static void scan_part(void *context, size_t part, unsigned worker) {
    const scan_job *job = context;
    const npv_request *request = job->request;
    const uint64_t begin = part * job->part_rows;
    const uint64_t end = request->rows - begin < job->part_rows ? request->rows : begin + job->part_rows;
    npv_topk *tops = job->tops + worker * request->query_count;
    for (uint64_t first = begin; first < end; first += NPV_BLOCK_ROWS) {
        const size_t count = end - first < NPV_BLOCK_ROWS ? (size_t)(end - first) : NPV_BLOCK_ROWS;
        for (size_t query = 0; query < request->query_count; query++)
            scan_block(request, query, (npv_run){first, count}, &tops[query]);
    }
}

static size_t rows_in_a_part(const npv_request *request) {
    const size_t row_bytes = request->dimensions * sizeof(float) * request->query_count;
    if (!npv_workers_worth(request->workers, (size_t)request->eligible_count * row_bytes))
        return (size_t)request->rows;
    const size_t rows = PART_BYTES / row_bytes / NPV_BLOCK_ROWS * NPV_BLOCK_ROWS;
    return rows > 0 ? rows : NPV_BLOCK_ROWS;
}

/* Room for threads x queries x k candidates. */
static npv_topk *new_tops(const npv_request *request, npv_candidate **room) {
    const size_t count = request->threads * request->query_count;
    npv_topk *tops = calloc(count, sizeof *tops);
    *room = count <= SIZE_MAX / sizeof **room / request->k ? malloc(count * request->k * sizeof **room) : NULL;
    if (tops == NULL || *room == NULL) {
        free(tops);
        free(*room);
        return NULL;
    }
    for (size_t i = 0; i < count; i++)
        tops[i] = (npv_topk){*room + i * request->k, 0, request->k};
    return tops;
}

npv_status npv_scan(const npv_request *request, npv_topk *tops, npv_error *error) {
    npv_candidate *room;
    scan_job job = {request, rows_in_a_part(request), new_tops(request, &room)};
    if (job.tops == NULL)
        return npv_fail_memory(error, "the candidates of a search", request->k * sizeof(npv_candidate));
    const size_t parts = (size_t)((request->rows + job.part_rows - 1) / job.part_rows);
    npv_workers_run(request->workers, parts, scan_part, &job);
    for (size_t i = 0; i < request->threads * request->query_count; i++)
        for (size_t j = 0; j < job.tops[i].count; j++)
            npv_topk_offer(&tops[i % request->query_count], job.tops[i].heap[j]);
    free(job.tops);
    free(room);
    return NPV_OK;
}
