#include "codes.h"

#include <math.h>
#include <stdlib.h>

#include "error.h"
#include "vector.h"

/* Enough rows for a steady mean: of n rows its direction errs by about 1/sqrt(n) of a row's distance from it. */
#define SAMPLED_ROWS 4096

/* Rows that a thread codes at a time. */
#define PART_ROWS 256

typedef struct coding_job {
    npv_codes *codes;
    const npv_kernels *kernels;
    const float *vectors;
    size_t dimensions;
    uint64_t first;
    uint64_t end;
} coding_job;

/* The sum of rows spread evenly over all, in float64. */
static void sum_rows(const float *vectors, size_t dimensions, uint64_t rows, uint64_t sampled, double *sum) {
    for (uint64_t i = 0; i < sampled; i++) {
        const float *x = vectors + rows / sampled * i * dimensions;
        for (size_t j = 0; j < dimensions; j++)
            sum[j] += (double)x[j];
    }
}

/*
 * The unit vector that the rows tend to. Taking the coordinate along it out of the codes is what makes them fine
 * enough: embeddings of one model all point roughly the same way. A bad direction costs speed only.
 */
static npv_status find_direction(npv_codes *codes, const npv_kernels *kernels, const float *vectors, size_t dimensions,
                                 uint64_t rows, npv_error *error) {
    float *direction = malloc(dimensions * sizeof *direction);
    double *wide = calloc(NPV_PADDED(dimensions), sizeof *wide);
    if (direction == NULL || wide == NULL) {
        free(direction);
        free(wide);
        return npv_fail_memory(error, "the mean direction", NPV_PADDED(dimensions) * sizeof *wide);
    }
    codes->sampled = rows < SAMPLED_ROWS ? rows : SAMPLED_ROWS;
    sum_rows(vectors, dimensions, rows, codes->sampled, wide);
    double square = 0;
    for (size_t j = 0; j < dimensions; j++)
        square += wide[j] * wide[j];
    const double length = sqrt(square);
    for (size_t j = 0; j < dimensions; j++) /* not finite or zero: then there is no direction, and codes do without */
        direction[j] = isfinite(length) && length > 0 ? (float)(wide[j] / length) : 0;
    npv_widen(direction, dimensions, wide);
    kernels->dot(wide, direction, dimensions, 1, &codes->direction_square);
    codes->direction = direction;
    codes->wide_direction = wide;
    return NPV_OK;
}

static npv_status make_room(npv_codes *codes, size_t plane_bytes, uint64_t rows, npv_error *error) {
    npv_status status = npv_array_grow(&codes->high, (size_t)rows * plane_bytes, error);
    if (status == NPV_OK)
        status = npv_array_grow(&codes->low, (size_t)rows * plane_bytes, error);
    if (status == NPV_OK)
        status = npv_array_grow(&codes->headers, npv_bits_words(rows) * sizeof(npv_code_block), error);
    return status;
}

static void set_header(const npv_codes *codes, uint64_t row, const npv_code_header *header) {
    npv_code_block *block = npv_codes_block(codes, row);
    const size_t i = row % NPV_BLOCK_ROWS;
    block->along[i] = header->along;
    block->step[i] = header->step;
    block->error4[i] = header->error4;
    block->error8[i] = header->error8;
    block->length[i] = header->length;
}

static void code_row(const coding_job *job, uint64_t row) {
    npv_codes *codes = job->codes;
    const size_t plane_bytes = NPV_PLANE_BYTES(job->dimensions);
    const float *x = job->vectors + row * job->dimensions;
    npv_code_header header;
    double along = 0;
    job->kernels->dot(codes->wide_direction, x, job->dimensions, 1, &along);
    if (codes->direction_square > 0)
        along /= codes->direction_square;
    job->kernels->encode_row(codes->direction, (float)along, x, job->dimensions, codes->high.data + row * plane_bytes,
                             codes->low.data + row * plane_bytes, &header);
    set_header(codes, row, &header);
}

static void code_part(void *context, size_t part, unsigned worker) {
    const coding_job *job = context;
    const uint64_t begin = job->first + part * (uint64_t)PART_ROWS;
    const uint64_t end = job->end - begin < PART_ROWS ? job->end : begin + PART_ROWS;
    (void)worker;
    for (uint64_t row = begin; row < end; row++)
        code_row(job, row);
}

npv_status npv_codes_extend(npv_codes *codes, const npv_kernels *kernels, npv_workers *workers, const float *vectors,
                            size_t dimensions, uint64_t rows, npv_error *error) {
    npv_status status = NPV_OK;
    if (codes->direction == NULL)
        status = find_direction(codes, kernels, vectors, dimensions, rows, error);
    if (status == NPV_OK)
        status = make_room(codes, NPV_PLANE_BYTES(dimensions), rows, error);
    if (status != NPV_OK)
        return status;
    coding_job job = {codes, kernels, vectors, dimensions, codes->rows, rows};
    npv_workers_run(workers, (size_t)((rows - codes->rows + PART_ROWS - 1) / PART_ROWS), code_part, &job);
    codes->rows = rows;
    return NPV_OK;
}

void npv_codes_update(npv_codes *codes, const npv_kernels *kernels, const float *vectors, size_t dimensions,
                      uint64_t row) {
    const coding_job job = {codes, kernels, vectors, dimensions, row, row + 1};
    code_row(&job, row);
}

void npv_codes_close_gaps(npv_codes *codes, size_t dimensions, const uint64_t *kept) {
    npv_bits_run run = {0, 0};
    uint64_t end = 0;
    npv_array_close_gaps(&codes->high, NPV_PLANE_BYTES(dimensions), kept, codes->rows);
    npv_array_close_gaps(&codes->low, NPV_PLANE_BYTES(dimensions), kept, codes->rows);
    while (npv_bits_next_run(kept, codes->rows, &run))
        for (uint64_t row = run.first; row < run.end; row++) {
            const npv_code_header header = npv_codes_header(codes, row);
            set_header(codes, end++, &header);
        }
    npv_array_shrink(&codes->headers, npv_bits_words(end) * sizeof(npv_code_block));
    codes->rows = end;
}

int npv_codes_outgrown(const npv_codes *codes, uint64_t rows) {
    return codes->direction != NULL && codes->sampled < SAMPLED_ROWS && rows / 4 >= codes->sampled;
}

void npv_codes_free(npv_codes *codes) {
    free(codes->direction);
    free(codes->wide_direction);
    npv_array_free(&codes->high);
    npv_array_free(&codes->low);
    npv_array_free(&codes->headers);
    *codes = (npv_codes){0};
}
