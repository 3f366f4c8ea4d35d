/*
 * The cascade: the answer of the plain scan from a fraction of its bytes.
 *
 * Every row is held coarse to fine: 4 bits a dimension, 8 bits, float32. A row is looked at more closely only while an
 * upper bound of its key allows that it is a hit; the canonical kernel decides. So the hits are those of the plain
 * scan, bit for bit, whatever the codes are.
 */
#ifndef NPV_CASCADE_H
#define NPV_CASCADE_H

#include "codes.h"
#include "scan.h"

/* What one query cost, and what is learnt from it. */
typedef struct npv_cascade_cost {
    uint64_t rows4;     /* rows bounded by the high nibbles of their codes, */
    uint64_t rows8;     /* by their whole codes, */
    uint64_t planes8;   /* for which so many rows of a plane were read; */
    uint64_t rows32;    /* scored by the canonical kernel */
    uint64_t survivors; /* rows whose first bound was not below the threshold; counted where rows4 is not 0 */
    uint64_t given_up;  /* queries of which so many survived that all rows were scored */
} npv_cascade_cost;

/*
 * As npv_scan, with the rows' codes, which hold all rows. `bits` says which codes the first pass reads: 4 for the high
 * nibbles alone, which is faster as long as few rows survive, or 8. costs[query] is filled.
 */
npv_status npv_cascade(const npv_request *request, const npv_codes *codes, int bits, npv_topk *tops,
                       npv_cascade_cost *costs, npv_error *error);

#endif
