/* The plain scan: every eligible row against every query. The fallback of faster ways, and what they are held to. */
#ifndef NPV_SCAN_H
#define NPV_SCAN_H

#include <stdbool.h>

#include "kernels/kernels.h"
#include "npvec.h"
#include "rows.h"
#include "topk.h"
#include "workers.h"

/* A search made ready: checked, normalised, widened. Nothing in it is owned. */
typedef struct npv_request {
    const npv_kernels *kernels;
    npv_workers *workers;
    unsigned threads;

    const float *vectors;
    const npv_array *file; /* of the vectors, if those that are picked out are to be read from a file; or NULL */
    size_t dimensions;
    uint64_t rows;
    const double *lengths;    /* of the rows, where they are needed, or NULL */
    bool divide;              /* scores are divided by them: cosine on rows that are not normalised */
    const uint64_t *eligible; /* one bit a row, low bits first, zeros behind `rows`; NULL: all rows */
    uint64_t eligible_count;

    npv_metric metric;
    const double *queries; /* query_count x NPV_PADDED(dimensions) */
    size_t query_count;
    size_t k;         /* at most the number of eligible rows, at least 1 */
    double least_key; /* rows with lower keys are no hits */
} npv_request;

/* The canonical keys of `count` neighbouring rows from `first`, whose vectors are these. */
void npv_score_keys(const npv_request *request, const double *query, const float *vectors, uint64_t first, size_t count,
                    double *keys);

/* One run of neighbouring eligible rows after another within the block of `first`; false at its end. */
typedef struct npv_run {
    uint64_t first;
    size_t count;
} npv_run;
bool npv_next_run(uint64_t *word, uint64_t first, npv_run *run);

/* Offers the rows of `request` to tops[query], which are empty, of size k, with room. */
npv_status npv_scan(const npv_request *request, npv_topk *tops, npv_error *error);

#endif
