/*
 * The coded copy of a store's rows: one byte a dimension in two planes of nibbles, and five floats a row
 * (kernels/kernels.h says what they mean). Made from the rows alone, never saved.
 */
#ifndef NPV_CODES_H
#define NPV_CODES_H

#include "kernels/kernels.h"
#include "rows.h"
#include "workers.h"

typedef struct npv_codes {
    float *direction;        /* v; NULL before the first row is coded */
    double *wide_direction;  /* the same, NPV_PADDED */
    double direction_square; /* v.v; 0 if the rows have no mean direction */
    uint64_t sampled;        /* rows that v was found from */
    uint64_t rows;           /* coded so far */
    npv_array high;          /* planes */
    npv_array low;
    npv_array along; /* float, as the next four */
    npv_array step;
    npv_array error4;
    npv_array error8;
    npv_array length;
} npv_codes;

/*
 * Codes the rows from codes->rows to `rows`. Coded rows never change, so others may go on reading them. O(dimensions) a
 * row, shared among the workers.
 */
npv_status npv_codes_extend(npv_codes *codes, const npv_kernels *kernels, npv_workers *workers, const float *vectors,
                            size_t dimensions, uint64_t rows, npv_error *error);

/* Codes a coded row again, whose vector has changed. */
void npv_codes_update(npv_codes *codes, const npv_kernels *kernels, const float *vectors, size_t dimensions,
                      uint64_t row);

/* Keeps only these rows, of those that are coded. */
void npv_codes_close_gaps(npv_codes *codes, size_t dimensions, const uint64_t *kept);

/* Was v found from so few of the `rows` that it is better to start again? */
int npv_codes_outgrown(const npv_codes *codes, uint64_t rows);

void npv_codes_free(npv_codes *codes);

/* A row of a plane. */
static inline const uint8_t *npv_plane_row(const npv_array *plane, uint64_t row, size_t plane_bytes) {
    return plane->data + row * plane_bytes;
}

static inline const float *npv_code_floats(const npv_array *array) {
    return (const float *)(const void *)array->data;
}

#endif
