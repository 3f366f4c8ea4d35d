/* The plain scan: every eligible row against every query. The fallback of faster ways, and what they are held to. */
#ifndef NPV_SCAN_H
#define NPV_SCAN_H

#include "kernels/kernels.h"
#include "npvec.h"
#include "topk.h"
#include "workers.h"

/* A search made ready: checked, normalised, widened. Nothing in it is owned. */
typedef struct npv_request {
    const npv_kernels *kernels;
    npv_workers *workers;
    unsigned threads;

    const float *vectors;
    size_t dimensions;
    uint64_t rows;
    const double *lengths;    /* divide scores by these (cosine on rows that are not normalised), or NULL */
    const uint64_t *eligible; /* one bit a row, low bits first, zeros behind `rows`; NULL: all rows */

    npv_metric metric;
    const double *queries; /* query_count x NPV_PADDED(dimensions) */
    size_t query_count;
    size_t k;         /* at most the number of eligible rows, at least 1 */
    double least_key; /* rows with lower keys are no hits */
} npv_request;

/* Offers the rows of `request` to tops[query], which are empty, of size k, with room. */
npv_status npv_scan(const npv_request *request, npv_topk *tops, npv_error *error);

#endif
