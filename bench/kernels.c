/*
 * How fast each kernel of each table is, on one thread: from the second-level cache, and from memory. The best of many
 * runs, since other programs can only slow one down.
 *
 *   bench-kernels [dimensions] [table]
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "../src/kernels/kernels.h"

#define CACHED_BYTES ((size_t)512 << 10)
#define MEMORY_BYTES ((size_t)256 << 20)
#define RUNS_CACHED 300
#define RUNS_MEMORY 7

typedef struct input {
    size_t dimensions;
    size_t plane_bytes;
    size_t count; /* rows */
    double *query;
    float *rows;
    uint8_t *high;
    uint8_t *low;
    npv_code_query queries[NPV_TILE];
    float *headers;
    double *scores;
    int32_t *dots;
    float *bounds;
} input;

typedef void run_kernel(const npv_kernels *kernels, const input *in);

static void run_dot(const npv_kernels *kernels, const input *in) {
    kernels->dot(in->query, in->rows, in->dimensions, in->count, in->scores);
}

static void run_squared_distance(const npv_kernels *kernels, const input *in) {
    kernels->squared_distance(in->query, in->rows, in->dimensions, in->count, in->scores);
}

static void run_encode(const npv_kernels *kernels, const input *in) {
    npv_code_header header;
    for (size_t i = 0; i < in->count; i++)
        kernels->encode_row(in->rows, 0.25F, in->rows + i * in->dimensions, in->dimensions,
                            in->high + i * in->plane_bytes, in->low + i * in->plane_bytes, &header);
}

static void run_dot_high(const npv_kernels *kernels, const input *in) {
    kernels->dot_high(in->queries, in->high, in->plane_bytes, in->count, in->dots);
}

static void run_dot_both(const npv_kernels *kernels, const input *in) {
    kernels->dot_both(in->queries, in->high, in->low, in->plane_bytes, in->count, in->dots);
}

static void run_dot_high_tile(const npv_kernels *kernels, const input *in) {
    kernels->dot_high_tile(in->queries, in->high, in->plane_bytes, in->count, in->dots);
}

static void run_dot_both_tile(const npv_kernels *kernels, const input *in) {
    kernels->dot_both_tile(in->queries, in->high, in->low, in->plane_bytes, in->count, in->dots);
}

static void run_bounds(const npv_kernels *kernels, const input *in) {
    const npv_bound_terms terms = {1, 1e-6F, 1e-6F, 1e-3F, 1, 1e-3F};
    const npv_code_columns columns = {in->headers, in->headers, in->headers, in->headers};
    kernels->bound_rows(&terms, &columns, in->dots, in->count, in->bounds);
}

static double now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + 1e-9 * (double)time.tv_nsec;
}

static double best_seconds(run_kernel *run, const npv_kernels *kernels, const input *in, int runs) {
    double best = 1e9;
    for (int i = 0; i < runs; i++) {
        const double start = now();
        run(kernels, in);
        const double seconds = now() - start;
        best = seconds < best ? seconds : best;
    }
    return best;
}

static void *allocate(size_t bytes) {
    void *memory = aligned_alloc(2 << 20, (bytes + (2 << 20) - 1) >> 21 << 21);
    if (memory == NULL) {
        fprintf(stderr, "bench-kernels: no memory for %zu bytes\n", bytes);
        exit(2);
    }
    memset(memory, 0, bytes);
    return memory;
}

/* Rows enough that what the kernel reads of them, `row_bytes` each, takes `bytes`. */
static input make_input(size_t dimensions, size_t row_bytes, size_t bytes) {
    const size_t plane_bytes = NPV_PLANE_BYTES(dimensions);
    const size_t count = bytes / row_bytes + 1;
    input in = {.dimensions = dimensions, .plane_bytes = plane_bytes, .count = count};
    in.query = allocate(NPV_PADDED(dimensions) * sizeof(double));
    in.rows = allocate(row_bytes >= dimensions * sizeof(float) ? count * dimensions * sizeof(float) : 1);
    in.high = allocate(row_bytes > 20 ? count * plane_bytes:1);
    in.low = allocate(row_bytes >20 ? count * plane_bytes:1);
    in.headers = allocate(count * sizeof(float));
    in.scores = allocate(count * sizeof(double));
    in.dots = allocate(NPV_TILE * count * sizeof(int32_t));
    in.bounds = allocate(count * sizeof(float));
    int8_t *const codes = allocate(NPV_TILE * 3 * 2 * plane_bytes);
    for (size_t i = 0; i < NPV_TILE; i++) {
        int8_t *const own = codes + i * 3 * 2 * plane_bytes;
        in.queries[i] = (npv_code_query){own, own + 2 * plane_bytes, own + 4 * plane_bytes, 0};
    }
    for (size_t i = 0; i < (row_bytes >= dimensions * sizeof(float) ? count * dimensions : 0); i++)
        in.rows[i] = (float)((double)(i * 2654435761U % 2001) / 1000 - 1);
    return in;
}

static void free_input(const input *in) {
    free(in->query);
    free(in->rows);
    free(in->high);
    free(in->low);
    free((void *)in->queries[0].coarse);
    free(in->headers);
    free(in->scores);
    free(in->dots);
    free(in->bounds);
}

typedef struct kernel {
    const char *name;
    run_kernel *run;
    size_t queries; /* at once */
    size_t (*row_bytes)(size_t dimensions);
} kernel;

static size_t float_bytes(size_t dimensions) {
    return dimensions * sizeof(float);
}

static size_t both_bytes(size_t dimensions) {
    return 2 * NPV_PLANE_BYTES(dimensions);
}

static size_t high_bytes(size_t dimensions) {
    return NPV_PLANE_BYTES(dimensions);
}

static size_t header_bytes(size_t dimensions) {
    (void)dimensions;
    return 5 * sizeof(float); /* the four columns and the dots; the bench reads one column four times */
}

static const kernel all[] = {
    {"dot", run_dot, 1, float_bytes},
    {"squared_distance", run_squared_distance, 1, float_bytes},
    {"encode_row", run_encode, 1, float_bytes},
    {"dot_high", run_dot_high, 1, high_bytes},
    {"dot_both", run_dot_both, 1, both_bytes},
    {"dot_high_tile", run_dot_high_tile, NPV_TILE, high_bytes},
    {"dot_both_tile", run_dot_both_tile, NPV_TILE, both_bytes},
    {"bound_rows", run_bounds, 1, header_bytes},
};

static void measure(const npv_kernels *kernels, const kernel *one, size_t dimensions) {
    const size_t row_bytes = one->row_bytes(dimensions);
    double rows_per_second[2];
    for (int memory = 0; memory < 2; memory++) {
        const input in = make_input(dimensions, row_bytes, memory ? MEMORY_BYTES : CACHED_BYTES);
        const double seconds = best_seconds(one->run, kernels, &in, memory ? RUNS_MEMORY : RUNS_CACHED);
        rows_per_second[memory] = (double)in.count / seconds;
        free_input(&in);
    }
    printf("%-9s %-17s %6zu   cache %7.1f GB/s %7.1f GMAC/s %6.3f ns/element   memory %7.1f GB/s %7.1f GMAC/s\n",
           kernels->name, one->name, dimensions, 1e-9 * rows_per_second[0] * (double)row_bytes,
           1e-9 * rows_per_second[0] * (double)(dimensions * one->queries),
           1e9 / (rows_per_second[0] * (double)dimensions), 1e-9 * rows_per_second[1] * (double)row_bytes,
           1e-9 * rows_per_second[1] * (double)(dimensions * one->queries));
    fflush(stdout);
}

int main(int argc, char **argv) {
    const size_t dimensions = argc > 1 ? strtoul(argv[1], NULL, 10) : 1536;
    if (dimensions < 1 || dimensions > 65536) {
        fprintf(stderr, "usage: bench-kernels [dimensions, 1 to 65536] [table]\n");
        return 2;
    }
    const npv_kernels *kernels = NULL;
    for (size_t i = 0; (kernels = npv_kernels_runnable(i)) != NULL; i++)
        for (size_t j = 0; j < sizeof all / sizeof *all; j++)
            if (argc < 3 || strcmp(argv[2], kernels->name) == 0)
                measure(kernels, &all[j], dimensions);
    return 0;
}
