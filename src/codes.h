/*
 * The coded copy of a store's rows: one byte a dimension in two planes of nibbles, and five floats a row
 * (kernels/kernels.h says what they mean). Made from the rows alone, never saved.
 */
#ifndef NPV_CODES_H
#define NPV_CODES_H

#include "kernels/kernels.h"
#include "rows.h"
#include "workers.h"

/*
 * The headers of a block of rows: vectors of neighbouring rows' for a stream, and what a row that is picked out needs
 * lies close together. (In an array for each float they lay on four pages; 1 % of 100,000 x 384 took a tenth longer.)
 */
typedef struct npv_code_block {
    float along[NPV_BLOCK_ROWS];
    float step[NPV_BLOCK_ROWS];
    float error4[NPV_BLOCK_ROWS];
    float error8[NPV_BLOCK_ROWS];
    float length[NPV_BLOCK_ROWS];
} npv_code_block;

typedef struct npv_codes {
    float *direction;        /* v; NULL before the first row is coded */
    double *wide_direction;  /* the same, NPV_PADDED */
    double direction_square; /* v.v; 0 if the rows have no mean direction */
    uint64_t sampled;        /* rows that v was found from */
    uint64_t rows;           /* coded so far */
    npv_array high;          /* planes */
    npv_array low;
    npv_array headers; /* npv_code_block */
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

/* The headers of the block that a row is in. */
static inline npv_code_block *npv_codes_block(const npv_codes *codes, uint64_t row) {
    return (npv_code_block *)(void *)codes->headers.data + row / NPV_BLOCK_ROWS;
}

static inline npv_code_header npv_codes_header(const npv_codes *codes, uint64_t row) {
    const npv_code_block *block = npv_codes_block(codes, row);
    const size_t i = row % NPV_BLOCK_ROWS;
    return (npv_code_header){block->along[i], block->step[i], block->error4[i], block->error8[i], block->length[i]};
}

#endif
