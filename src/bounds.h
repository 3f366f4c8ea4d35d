/*
 * Upper bounds of scores from coded rows: one query made ready for it. The derivation, with every rounding, is in
 * docs/exactness.md; the names here are those of the text.
 */
#ifndef NPV_BOUNDS_H
#define NPV_BOUNDS_H

#include "codes.h"
#include "scan.h"

typedef struct npv_bounder {
    int8_t *coarse;         /* g in steps, 2 x NPV_PLANE_BYTES, in the order of the nibbles; room is the caller's */
    double scale;           /* a power of two that makes the query's length about one */
    double query_square;    /* |q|^2, unscaled */
    npv_bound_terms terms4; /* for sums over the high plane alone */
    npv_bound_terms terms8; /* for 16 x the sum over the high plane + the sum over the low plane */
    double step;            /* r, of one integer */
    double sum;             /* of the integers */
    double length;          /* |g| */
} npv_bounder;

/* Splits the prepared query along the codes' direction and rounds what is left to integers. O(dimensions). */
void npv_bounder_prepare(const npv_request *request, const npv_codes *codes, const double *query, npv_bounder *bounder);

/* What else is kept of coded rows, one behind the other. */
typedef struct npv_headers {
    npv_code_columns columns;
    const double *lengths; /* or NULL, where the request has none */
} npv_headers;

/* The headers from row `first` to the end of its block, for codes of 4 or 8 bits. */
npv_headers npv_headers_from(const npv_request *request, const npv_codes *codes, int bits, uint64_t first);

/*
 * Bounds of `count` rows, given their headers and the sums over their codes (bits: 4 or 8): what the key of a row
 * cannot exceed, in the units of npv_bound_of_key. Returns the largest.
 */
float npv_bound_keys(const npv_request *request, const npv_bounder *bounder, int bits, const npv_headers *headers,
                     size_t count, const int32_t *dots, float *bounds);

/* A row that was picked out, and where its bound is. */
typedef struct npv_bounded_row {
    uint64_t row;
    float *bound;
} npv_bounded_row;

/* Bounds from the high plane become those from whole codes, given the sums over the low plane alone. */
void npv_sharpen_bounds(const npv_request *request, const npv_bounder *bounder, const npv_codes *codes,
                        const int32_t *low_dots, size_t count, const npv_bounded_row *rows);

/* The least bound that a row with this key, or a better one, can have. Not -infinity. */
float npv_bound_of_key(const npv_request *request, const npv_bounder *bounder, double key);

/* Which of the bounds of a block are at least `least`, which is not NaN or -infinity: one bit a row. */
uint64_t npv_bounds_from(const npv_kernels *kernels, const float bounds[NPV_BLOCK_ROWS], float least);

#endif
