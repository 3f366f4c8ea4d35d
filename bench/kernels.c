/*
 * How fast each kernel of each table is, on one thread: from the second-level cache, and from memory. The best of many
 * runs, since other programs can only slow one down.
 *
 *   gcc -O2 -fno-tree-pre -ffp-contract=off bench/kernels.c src/kernels/[a-z]*.c -lm -o bench-kernels
 *   ./bench-kernels [dimensions] [table]
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
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
    int8_t *queries; /* NPV_TILE of them */
    float *headers;  /* four columns */
    double *scores;
    int32_t *dots;
    float *bounds;
    uint32_t *codes; /* of a column, one a row */
    uint64_t *bits;
} input;

typedef void run_kernel(const npv_kernels *kernels, const input *in);

enum { FLOATS = 1, PLANES = 2 };

typedef struct kernel {
    const char *name;
    run_kernel *run;
    size_t queries; /* at once */
    unsigned reads; /* what rows it needs */
    size_t (*row_bytes)(size_t dimensions);
} kernel;

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

static void run_dot_nibbles(const npv_kernels *kernels, const input *in) {
    const npv_plane_rows rows = {.plane = in->high, .plane_bytes = in->plane_bytes, .count = in->count};
    kernels->dot_nibbles(in->queries, &rows, in->dots);
}

static void run_dot_nibbles_tile(const npv_kernels *kernels, const input *in) {
    const npv_plane_rows rows = {.plane = in->high, .plane_bytes = in->plane_bytes, .count = in->count};
    kernels->dot_nibbles_tile(in->queries, &rows, in->dots);
}

static void run_bounds(const npv_kernels *kernels, const input *in) {
    const npv_bound_terms terms = {1, 1e-6F, 1e-6F, 1e-3F, 1, 1e-3F};
    const npv_code_columns columns = {in->headers, in->headers + in->count, in->headers + 2 * in->count,
                                      in->headers + 3 * in->count};
    kernels->bound_rows(&terms, &columns, in->dots, in->count, in->bounds);
}

/* Rows stay marked from run to run, but for those that are cleared in the first. */
static void run_rows_in_range(const npv_kernels *kernels, const input *in) {
    const npv_code_range range = {2, 900, 500, 501};
    kernels->rows_in_range(&range, in->codes, in->count, in->bits);
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
    const size_t page = (size_t)2 << 20; /* so that the system may use huge ones */
    void *memory = aligned_alloc(page, bytes / page * page + page);
    if (memory == NULL) {
        fprintf(stderr, "bench-kernels: no memory for %zu bytes\n", bytes);
        exit(2);
    }
#ifdef MADV_HUGEPAGE
    madvise(memory, bytes, MADV_HUGEPAGE);
#endif
    memset(memory, 0, bytes);
    return memory;
}

/* Rows enough that what the kernel reads of them takes `bytes`. */
static input make_input(const kernel *one, size_t dimensions, size_t bytes) {
    input in = {.dimensions = dimensions, .plane_bytes = NPV_PLANE_BYTES(dimensions)};
    in.count = bytes / one->row_bytes(dimensions) + 1;
    const size_t floats = (one->reads & FLOATS) != 0 ? in.count * dimensions : 0;
    const size_t planes = (one->reads & PLANES) != 0 ? in.count * in.plane_bytes : 0;
    in.query = allocate(NPV_PADDED(dimensions) * sizeof(double));
    in.rows = allocate(floats * sizeof(float));
    in.high = allocate(planes);
    in.low = allocate(planes);
    in.headers = allocate(in.count * 4 * sizeof(float));
    in.scores = allocate(in.count * sizeof(double));
    in.dots = allocate(NPV_TILE * in.count * sizeof(int32_t));
    in.bounds = allocate(in.count * sizeof(float));
    in.queries = allocate(NPV_TILE * 2 * in.plane_bytes);
    in.codes = allocate(in.count * sizeof(uint32_t));
    in.bits = allocate((in.count + 63) / 64 * sizeof(uint64_t));
    for (size_t i = 0; i < in.count; i++)
        in.codes[i] = (uint32_t)(i * 2654435761U % 1000);
    memset(in.bits, 0xFF, (in.count + 63) / 64 * sizeof(uint64_t));
    for (size_t i = 0; i < floats; i++)
        in.rows[i] = (float)((double)(i * 2654435761U % 2001) / 1000 - 1);
    return in;
}

static void free_input(const input *in) {
    free(in->query);
    free(in->rows);
    free(in->high);
    free(in->low);
    free(in->queries);
    free(in->headers);
    free(in->scores);
    free(in->dots);
    free(in->bounds);
    free(in->codes);
    free(in->bits);
}

static size_t float_bytes(size_t dimensions) {
    return dimensions * sizeof(float);
}

static size_t plane_bytes_of(size_t dimensions) {
    return NPV_PLANE_BYTES(dimensions);
}

static size_t header_bytes(size_t dimensions) {
    (void)dimensions;
    return 5 * sizeof(float); /* the four columns and the dots */
}

static size_t code_bytes(size_t dimensions) {
    (void)dimensions;
    return sizeof(uint32_t);
}

static const kernel all[] = {
    {"dot", run_dot, 1, FLOATS, float_bytes},
    {"squared_distance", run_squared_distance, 1, FLOATS, float_bytes},
    {"encode_row", run_encode, 1, FLOATS | PLANES, float_bytes},
    {"dot_nibbles", run_dot_nibbles, 1, PLANES, plane_bytes_of},
    {"dot_nibbles_tile", run_dot_nibbles_tile, NPV_TILE, PLANES, plane_bytes_of},
    {"bound_rows", run_bounds, 1, 0, header_bytes},
    {"rows_in_range", run_rows_in_range, 1, 0, code_bytes},
};

static void measure(const npv_kernels *kernels, const kernel *one, size_t dimensions) {
    const size_t row_bytes = one->row_bytes(dimensions);
    double rows_per_second[2];
    for (int memory = 0; memory < 2; memory++) {
        const input in = make_input(one, dimensions, memory ? MEMORY_BYTES : CACHED_BYTES);
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
