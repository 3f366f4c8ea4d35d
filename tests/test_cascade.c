/*
 * The cascade gives the answer of the plain scan, bit for bit, on any data, and its bounds are bounds. The plain scan
 * is held to the definition by test_search.c.
 */
#include <float.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "bounds.h"
#include "cascade.h"
#include "oracle.h"
#include "plan.h"
#include "vector.h"

#ifdef __SANITIZE_THREAD__
#define THREADS_ONLY 1
#else
#define THREADS_ONLY 0
#endif

/* Rows, their codes, and all that a request wants. */
typedef struct world {
    size_t rows;
    size_t dimensions;
    float *vectors;
    npv_array file; /* the same in a file, if there are enough of them */
    double *lengths;
    npv_codes codes;
    npv_workers *workers;
    unsigned threads;
    const npv_kernels *kernels;
} world;

static void *allocate(size_t bytes) {
    void *memory = malloc(bytes + 1);
    assert_non_null(memory);
    return memory;
}

/* Takes over `vectors`. */
static void write_file(world *of) {
    const size_t bytes = of->rows * of->dimensions * sizeof(float);
    FILE *file = tmpfile();
    assert_non_null(file);
    assert_int_equal(fseek(file, 64, SEEK_SET), 0);
    assert_int_equal(fwrite(of->vectors, 1, bytes, file), bytes);
    assert_int_equal(fflush(file), 0);
    assert_int_equal(npv_array_map_file(&of->file, fileno(file), 64, bytes, NULL), NPV_OK);
    fclose(file);
}

static world make_world(float *vectors, size_t rows, size_t dimensions, unsigned threads, const npv_kernels *kernels) {
    world made = {.rows = rows,
                  .dimensions = dimensions,
                  .vectors = vectors,
                  .lengths = allocate(rows * sizeof(double)),
                  .workers = npv_workers_new(threads),
                  .threads = threads,
                  .kernels = kernels};
    for (size_t row = 0; row < rows; row++)
        made.lengths[row] = npv_length(kernels, vectors + row * dimensions, dimensions);
    write_file(&made);
    assert_int_equal(npv_codes_extend(&made.codes, kernels, made.workers, vectors, dimensions, rows, NULL), NPV_OK);
    return made;
}

static void free_world(world *old) {
    npv_codes_free(&old->codes);
    npv_array_free(&old->file);
    npv_workers_free(old->workers);
    free(old->lengths);
    free(old->vectors);
}

static npv_request make_request(const world *of, npv_metric metric, bool divide, const double *queries, size_t count,
                                size_t k) {
    return (npv_request){.kernels = of->kernels,
                         .workers = of->workers,
                         .threads = of->threads,
                         .vectors = of->vectors,
                         .dimensions = of->dimensions,
                         .rows = of->rows,
                         .lengths = of->lengths,
                         .divide = divide,
                         .eligible_count = of->rows,
                         .metric = metric,
                         .queries = queries,
                         .query_count = count,
                         .k = k < of->rows ? k : of->rows,
                         .least_key = -HUGE_VAL};
}

static npv_topk *new_tops(const npv_request *request) {
    npv_topk *tops = allocate(request->query_count * sizeof *tops);
    for (size_t i = 0; i < request->query_count; i++)
        tops[i] = (npv_topk){allocate(request->k * sizeof(npv_candidate)), 0, request->k};
    return tops;
}

static void free_tops(npv_topk *tops, size_t count) {
    for (size_t i = 0; i < count; i++)
        free(tops[i].heap);
    free(tops);
}

static void expect_same(npv_topk *expected, npv_topk *found) {
    npv_topk_sort(expected);
    npv_topk_sort(found);
    assert_int_equal(found->count, expected->count);
    for (size_t i = 0; i < found->count; i++) {
        assert_int_equal(found->heap[i].row, expected->heap[i].row);
        assert_memory_equal(&found->heap[i].key, &expected->heap[i].key, sizeof(double));
    }
}

/* Both cascades against the scan; one of them reads vectors from a file. */
static void compare(const world *of, const npv_request *request) {
    for (int bits = 4; bits <= 8; bits += 4) {
        npv_request picking = *request;
        picking.file = (bits == 4) == (request->k % 2 == 0) ? &of->file : NULL;
        npv_topk *expected = new_tops(request);
        npv_topk *found = new_tops(request);
        npv_cascade_cost *costs = allocate(request->query_count * sizeof *costs);
        assert_int_equal(npv_scan(request, expected, NULL), NPV_OK);
        assert_int_equal(npv_cascade(&picking, &of->codes, bits, found, costs, NULL), NPV_OK);
        for (size_t i = 0; i < request->query_count; i++)
            expect_same(&expected[i], &found[i]);
        free(costs);
        free_tops(expected, request->query_count);
        free_tops(found, request->query_count);
    }
}

static double *widen_queries(const float *queries, size_t count, size_t dimensions) {
    double *wide = allocate(count * NPV_PADDED(dimensions) * sizeof(double));
    for (size_t i = 0; i < count; i++)
        npv_widen(queries + i * dimensions, dimensions, wide + i * NPV_PADDED(dimensions));
    return wide;
}

/* Marks rows for which row % modulus == rest, or all others. */
static uint64_t *mark(const world *of, size_t modulus, size_t rest, bool others, uint64_t *count) {
    uint64_t *bits = calloc(of->rows / 64 + 1, sizeof *bits);
    assert_non_null(bits);
    *count = 0;
    for (size_t row = 0; row < of->rows; row++)
        if ((row % modulus == rest) != others) {
            bits[row / 64] |= (uint64_t)1 << row % 64;
            ++*count;
        }
    return bits;
}

static bool has_zero_row(const world *of) {
    for (size_t row = 0; row < of->rows; row++)
        if (of->lengths[row] == 0)
            return true;
    return false;
}

/* Every metric, several k, sets of rows, single queries and batches. */
static void compare_all(const world *of, const float *queries, size_t count) {
    const size_t ks[] = {1, 10, of->rows / 3 + 1, of->rows};
    const size_t sets[][3] = {{1, 0, 0},   {3, 1, 0}, {of->rows, of->rows / 2, 0}, {of->rows, of->rows / 2, 1},
                              {65, 64, 0}, {6, 2, 0}};
    double *wide = widen_queries(queries, count, of->dimensions);
    for (int kind = 0; kind < 4; kind++) {
        const npv_metric metric = kind == 3 ? NPV_COSINE : (npv_metric)kind; /* 3: divided by lengths */
        if (kind == 3 && has_zero_row(of))
            continue;
        for (size_t i = 0; i < sizeof ks / sizeof *ks; i++)
            for (size_t j = 0; j < sizeof sets / sizeof *sets; j++) {
                npv_request request = make_request(of, metric, kind == 3, wide, count, ks[i]);
                uint64_t *eligible = mark(of, sets[j][0], sets[j][1], sets[j][2] != 0, &request.eligible_count);
                request.eligible = j == 0 ? NULL : eligible;
                if (request.eligible_count > 0) {
                    request.k = request.k < request.eligible_count ? request.k : (size_t)request.eligible_count;
                    compare(of, &request);
                    request.query_count = 1;
                    compare(of, &request);
                }
                free(eligible);
            }
    }
    free(wide);
}

/* A way to make rows and queries out of normal ones. */
typedef void shape(float *x, size_t row, size_t dimensions, float *first);

static void as_they_are(float *x, size_t row, size_t dimensions, float *first) {
    (void)x, (void)row, (void)dimensions, (void)first;
}

static void all_equal(float *x, size_t row, size_t dimensions, float *first) {
    (void)row;
    memmove(x, first, dimensions * sizeof *x);
}

static void many_twins(float *x, size_t row, size_t dimensions, float *first) {
    if (row % 64 <= 1 || row % 7 == 3)
        memmove(x, first + (row % 5) * dimensions, dimensions * sizeof *x);
}

static void one_dimension_rules(float *x, size_t row, size_t dimensions, float *first) {
    (void)row, (void)first;
    x[dimensions / 2] *= 1000;
}

static void lengths_from_1e_minus_30_to_1e18(float *x, size_t row, size_t dimensions, float *first) {
    (void)first;
    for (size_t j = 0; j < dimensions; j++)
        x[j] *= powf(10, (float)(row % 49) - 30);
}

static void tiny_lengths(float *x, size_t row, size_t dimensions, float *first) {
    (void)first;
    for (size_t j = 0; j < dimensions; j++)
        x[j] = ldexpf(x[j], -100 - (int)(row % 50));
}

static void huge_lengths(float *x, size_t row, size_t dimensions, float *first) {
    (void)first;
    for (size_t j = 0; j < dimensions; j++)
        x[j] = ldexpf(x[j] / 16, 90 + (int)(row % 38));
}

/* A query so short beside the rows that their squares leave float32 in its units. */
static void one_tiny_among_huge(float *x, size_t row, size_t dimensions, float *first) {
    (void)first;
    for (size_t j = 0; j < dimensions; j++)
        x[j] = row == 0 ? x[j] * 1e-30f : x[j] * 1e18f;
}

static void around_one_direction(float *x, size_t row, size_t dimensions, float *first) {
    (void)row, (void)first;
    for (size_t j = 0; j < dimensions; j++)
        x[j] = x[j] * 0.05f + (j % 2 == 0 ? 1.0f : -0.5f);
}

static void against_one_direction(float *x, size_t row, size_t dimensions, float *first) {
    around_one_direction(x, row, dimensions, first);
    if (row == 0) /* the query points away from all others: all scores are negative */
        for (size_t j = 0; j < dimensions; j++)
            x[j] = -x[j];
}

static void plus_and_minus(float *x, size_t row, size_t dimensions, float *first) {
    (void)first;
    if (row % 2 == 1) /* the mean is exactly zero: there is no direction */
        for (size_t j = 0; j < dimensions; j++)
            x[j] = -*(x + j - dimensions);
}

static void one_hot(float *x, size_t row, size_t dimensions, float *first) {
    (void)first;
    memset(x, 0, dimensions * sizeof *x);
    x[row % dimensions] = row % 3 == 0 ? -1 : 1;
}

static void some_zero(float *x, size_t row, size_t dimensions, float *first) {
    (void)first;
    if (row % 3 == 1)
        memset(x, 0, dimensions * sizeof *x);
}

static void all_zero_but_the_first(float *x, size_t row, size_t dimensions, float *first) {
    (void)first;
    if (row > 0)
        memset(x, 0, dimensions * sizeof *x);
}

static void whole_numbers(float *x, size_t row, size_t dimensions, float *first) {
    (void)row, (void)first;
    for (size_t j = 0; j < dimensions; j++)
        x[j] = truncf(x[j] * 2);
}

static void any_data_gives_the_answer_of_the_scan(void **state) {
    (void)state;
    shape *const shapes[] = {
        as_they_are,    all_equal,    many_twins,          one_dimension_rules,    lengths_from_1e_minus_30_to_1e18,
        tiny_lengths,   huge_lengths, one_tiny_among_huge, around_one_direction,   against_one_direction,
        plus_and_minus, one_hot,      some_zero,           all_zero_but_the_first, whole_numbers};
    const size_t sizes[][2] = {{257, 65}, {200, 1}, {193, 2}, {130, 37}, {400, 64}, {1085, 8}};
    oracle_random random = {1};
    for (size_t s = 0; s < sizeof shapes / sizeof *shapes; s++)
        for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
            const npv_kernels *kernels;
            /* All processors' kernels see the first size; test_kernels.c compares them one by one. */
            for (size_t t = 0; (kernels = npv_kernels_runnable(t)) != NULL && (t == 0 || i == 0); t++) {
                const size_t rows = sizes[i][0];
                const size_t dimensions = sizes[i][1];
                float *vectors = oracle_vectors(&random, rows, dimensions);
                for (size_t row = 0; row < rows; row++)
                    shapes[s](vectors + row * dimensions, row, dimensions, vectors);
                world of = make_world(vectors, rows, dimensions, t % 2 == 0 ? 2 : 1, kernels);
                compare_all(&of, vectors, 8);
                free_world(&of);
            }
        }
}

/* With a limit that only hits reach, every thread's candidates are hits: none may get lost on the way. */
static void expect_shared_hits(const world *of, const double *query) {
    npv_request request = make_request(of, NPV_DOT, false, query, 1, 400);
    npv_topk *top = new_tops(&request);
    assert_int_equal(npv_scan(&request, top, NULL), NPV_OK);
    request.least_key = top->heap[0].key;
    request.k = 500;
    for (int again = 0; again < 20; again++)
        compare(of, &request);
    free_tops(top, 1);
}

/* Large enough for groups of several tiles, parts for several threads, and survivors that are shared out. */
static void large_worlds_are_shared_out(void **state) {
    (void)state;
    enum { rows = 30011, dimensions = 96, queries = 30 };
    oracle_random random = {2};
    for (unsigned threads = THREADS_ONLY ? 3 : 1; threads <= 3; threads++)
        for (int twins = 0; twins <= 1; twins++) {
            float *vectors = oracle_vectors(&random, rows, dimensions);
            for (size_t row = 0; twins == 1 && row < rows; row++)
                if (row % 9 == 0)
                    memmove(vectors + row * dimensions, vectors, dimensions * sizeof(float));
            world of = make_world(vectors, rows, dimensions, threads, npv_kernels_chosen());
            double *wide = widen_queries(vectors, queries, dimensions);
            const size_t ks[] = {1, 50, 3000};
            for (size_t i = 0; i < 3; i++) {
                npv_request request = make_request(&of, NPV_DOT, false, wide, queries, ks[i]);
                compare(&of, &request);
                request.query_count = 1;
                compare(&of, &request);
            }
            expect_shared_hits(&of, wide);
            free(wide);
            free_world(&of);
        }
}

static void limits_on_keys_are_inclusive(void **state) {
    (void)state;
    enum { rows = 500, dimensions = 48 };
    oracle_random random = {3};
    world of = make_world(oracle_vectors(&random, rows, dimensions), rows, dimensions, 1, npv_kernels_chosen());
    double *wide = widen_queries(of.vectors, 1, dimensions);
    for (int kind = 0; kind < 4; kind++)
        for (uint64_t row = 0; row < rows; row += 31) {
            npv_request request =
                make_request(&of, kind == 3 ? NPV_COSINE : (npv_metric)kind, kind == 3, wide, 1, rows);
            npv_score_keys(&request, wide, of.vectors + row * dimensions, row, 1, &request.least_key);
            compare(&of, &request);
            request.k = 3;
            compare(&of, &request);
        }
    free(wide);
    free_world(&of);
}

/* ------------------------------------------------------------------------------------------------------- Bounds -- */

/* The bounds of a row: by its high nibbles, by its whole code, and the first made the second by the low ones. */
enum { LEVELS = 3 };

static int32_t dot_row(const world *of, const npv_bounder *bounder, const npv_array *plane, uint64_t row) {
    const npv_plane_rows rows = {plane->data, NPV_PLANE_BYTES(of->dimensions), &row, 1, 0};
    int32_t dot;
    of->kernels->dot_nibbles(bounder->coarse, &rows, &dot);
    return dot;
}

static void bound_row(const world *of, const npv_request *request, const npv_bounder *bounder, uint64_t row,
                      float bounds[LEVELS]) {
    const int32_t high = dot_row(of, bounder, &of->codes.high, row);
    const int32_t low = dot_row(of, bounder, &of->codes.low, row);
    const int32_t whole = 16 * high + low;
    const npv_headers headers4 = npv_headers_from(request, &of->codes, 4, row);
    const npv_headers headers8 = npv_headers_from(request, &of->codes, 8, row);
    npv_bound_keys(request, bounder, 4, &headers4, 1, &high, &bounds[0]);
    npv_bound_keys(request, bounder, 8, &headers8, 1, &whole, &bounds[1]);
    const npv_bounded_row sharpened = {row, &bounds[2]};
    bounds[2] = bounds[0];
    npv_sharpen_bounds(request, bounder, &of->codes, &low, 1, &sharpened);
}

/* Every bound of every row against its key. Returns the smallest margin of any level in units of |q||x|. */
static double check_bounds(const world *of, const npv_request *request, const double *query) {
    double least = HUGE_VAL;
    npv_bounder bounder = {.coarse = allocate(2 * NPV_PLANE_BYTES(of->dimensions))};
    npv_bounder_prepare(request, &of->codes, query, &bounder);
    for (uint64_t row = 0; row < of->rows; row++) {
        float bounds[LEVELS];
        double key;
        bound_row(of, request, &bounder, row, bounds);
        npv_score_keys(request, query, request->vectors + row * request->dimensions, row, 1, &key);
        const double unit = sqrt(bounder.query_square) * bounder.scale * (request->divide ? 1 : of->lengths[row]);
        for (int level = 0; level < LEVELS; level++) {
            const double margin = (double)bounds[level] - npv_bound_of_key(request, &bounder, key);
            assert_true(margin >= 0);
            if (unit > 0 && margin / unit < least)
                least = margin / unit;
        }
        /* Sharpened, a bound keeps the slack that it had: no more than that is between the two. */
        const double apart = fabs((double)bounds[2] - (double)bounds[1]);
        assert_true(bounds[0] > FLT_MAX || apart <= 8e-6 * fmax(unit, fabs((double)bounds[1])) || !(unit > 0));
    }
    free(bounder.coarse);
    return least;
}

static void bounds_are_never_below_keys(void **state) {
    (void)state;
    shape *const shapes[] = {as_they_are,
                             around_one_direction,
                             against_one_direction,
                             one_dimension_rules,
                             one_hot,
                             tiny_lengths,
                             huge_lengths,
                             whole_numbers,
                             some_zero,
                             lengths_from_1e_minus_30_to_1e18};
    const size_t dimensions[] = {1, 3, 64, 100, 384, 1536};
    oracle_random random = {4};
    for (size_t s = 0; s < sizeof shapes / sizeof *shapes; s++)
        for (size_t d = 0; d < sizeof dimensions / sizeof *dimensions; d++) {
            enum { rows = 130 };
            float *vectors = oracle_vectors(&random, rows, dimensions[d]);
            for (size_t row = 0; row < rows; row++)
                shapes[s](vectors + row * dimensions[d], row, dimensions[d], vectors);
            world of = make_world(vectors, rows, dimensions[d], 1, npv_kernels_chosen());
            double *wide = widen_queries(vectors, 6, dimensions[d]);
            for (int kind = 0; kind < 4; kind++) {
                npv_request request =
                    make_request(&of, kind == 3 ? NPV_COSINE : (npv_metric)kind, kind == 3, wide, 1, 1);
                if (kind == 3 && has_zero_row(&of))
                    continue;
                for (size_t i = 0; i < 6; i++)
                    check_bounds(&of, &request, wide + i * NPV_PADDED(dimensions[d]));
            }
            free(wide);
            free_world(&of);
        }
}

/* What the code of a row leaves of it, if there is no direction. */
static void residual(const world *of, uint64_t row, int bits, double *left) {
    const size_t plane_bytes = NPV_PLANE_BYTES(of->dimensions);
    const uint8_t *high = npv_plane_row(&of->codes.high, row, plane_bytes);
    const uint8_t *low = npv_plane_row(&of->codes.low, row, plane_bytes);
    const double step = (double)npv_codes_header(&of->codes, row).step;
    for (size_t j = 0; j < of->dimensions; j++) {
        const size_t position = npv_code_position(j, plane_bytes) % plane_bytes;
        const int shift = j % 64 < 32 ? 0 : 4;
        const double h = high[position] >> shift & 15;
        const double l = low[position] >> shift & 15;
        left[j] =
            (double)of->vectors[row * of->dimensions + j] - step * (bits == 4 ? 16 * h + 7.5 - 128 : 16 * h + l - 128);
    }
}

/*
 * The Cauchy-Schwarz inequality is tight for a query parallel to what the code of a row leaves out, and the query's own
 * rounding costs nothing if it consists of whole numbers up to 127: there an error that is stored half a percent too
 * small shows.
 */
static void queries_along_a_residual_are_bounded_tightly(void **state) {
    (void)state;
    enum { rows = 100, dimensions = 320 };
    oracle_random random = {5};
    float *vectors = oracle_vectors(&random, rows, dimensions);
    for (size_t row = 0; row < rows; row++)
        plus_and_minus(vectors + row * dimensions, row, dimensions, vectors);
    world of = make_world(vectors, rows, dimensions, 1, npv_kernels_chosen());
    assert_true(of.codes.direction_square == 0);
    for (uint64_t row = 0; row < rows; row++)
        for (int bits = 4; bits <= 8; bits += 4) {
            double left[dimensions];
            double largest = 0;
            double query[NPV_PADDED(dimensions)] = {0};
            residual(&of, row, bits, left);
            for (size_t j = 0; j < dimensions; j++)
                largest = fmax(largest, fabs(left[j]));
            for (size_t j = 0; j < dimensions; j++)
                query[j] = nearbyint(left[j] / largest * 127);
            npv_request request = make_request(&of, NPV_DOT, false, query, 1, 1);
            assert_true(check_bounds(&of, &request, query) < (bits == 4 ? 1e-4 : 2e-5));
        }
    free_world(&of);
}

/*
 * Rows and queries that their integers stand for almost exactly leave the bound nothing but its slack for roundings, of
 * which each coefficient and sum has some.
 */
static void exact_codes_leave_only_slack(void **state) {
    (void)state;
    enum { rows = 600, dimensions = 448 };
    oracle_random random = {6};
    float *vectors = allocate(rows * dimensions * sizeof *vectors);
    for (size_t row = 0; row < rows; row++) {
        const float unit = 1 + (float)(oracle_next(&random) % 1000) / 1000;
        for (size_t j = 0; j < dimensions; j++)
            vectors[row * dimensions + j] = unit * (float)((int)(oracle_next(&random) % 255) - 127);
        vectors[row * dimensions + row % dimensions] = unit * 127;
        plus_and_minus(vectors + row * dimensions, row, dimensions, vectors);
    }
    world of = make_world(vectors, rows, dimensions, 1, npv_kernels_chosen());
    double least = HUGE_VAL;
    for (size_t i = 0; i < 40; i++) {
        double query[NPV_PADDED(dimensions)] = {0};
        const float unit = 1 + (float)i / 17;
        const int lowest = i % 2 == 0 ? -127 : 1; /* all of one sign: the largest sums over codes and offsets */
        for (size_t j = 0; j < dimensions; j++)
            query[j] = (double)(unit * (float)((int)(oracle_next(&random) % (128 - (unsigned)lowest)) + lowest));
        query[0] = (double)(unit * 127);
        npv_request request = make_request(&of, NPV_DOT, false, query, 1, 1);
        least = fmin(least, check_bounds(&of, &request, query));
    }
    assert_true(least < 1e-5);
    free_world(&of);
}

/* Nearly all of each row lies along the direction, so that nothing but the slack of that coordinate is left. */
static void rows_along_the_direction_leave_only_slack(void **state) {
    (void)state;
    enum { rows = 500, dimensions = 70 };
    oracle_random random = {7};
    float *vectors = oracle_vectors(&random, rows, dimensions);
    for (size_t row = 1; row < rows; row++)
        for (size_t j = 0; j < dimensions; j++)
            vectors[row * dimensions + j] = vectors[j] * (1 + (float)row / 77);
    world of = make_world(vectors, rows, dimensions, 1, npv_kernels_chosen());
    double *wide = widen_queries(vectors, rows, dimensions);
    npv_request request = make_request(&of, NPV_DOT, false, wide, 1, 1);
    for (size_t i = 0; i < rows; i += 7)
        assert_true(check_bounds(&of, &request, wide + i * NPV_PADDED(dimensions)) < 1e-5);
    free(wide);
    free_world(&of);
}

/* At least `exact`, and above it by no more than float32 cannot avoid. */
static void expect_rounded_up(float coefficient, long double exact) {
    assert_true((long double)coefficient >= exact);
    assert_true((long double)coefficient <= exact * (1 + 0x1p-22L) + 0x1p-140L);
}

/* Each coefficient has the slack that docs/exactness.md adds to it. */
static void coefficients_are_those_of_the_proof(void **state) {
    (void)state;
    enum { rows = 50, dimensions = 200 };
    oracle_random random = {12};
    float *vectors = oracle_vectors(&random, rows, dimensions);
    for (size_t row = 0; row < rows; row++)
        around_one_direction(vectors + row * dimensions, row, dimensions, vectors);
    world of = make_world(vectors, rows, dimensions, 1, npv_kernels_chosen());
    double *wide = widen_queries(vectors, rows, dimensions);
    npv_request request = make_request(&of, NPV_DOT, false, wide, 1, 1);
    npv_bounder bounder = {.coarse = allocate(2 * NPV_PLANE_BYTES(dimensions))};
    for (size_t i = 0; i < rows; i++) {
        const double *query = wide + i * NPV_PADDED(dimensions);
        const double *v = of.codes.wide_direction;
        npv_bounder_prepare(&request, &of.codes, query, &bounder);
        long double along = 0, square = 0, direction = 0, left = 0, error = 0, sum = 0, magnitude = 0, largest = 0;
        for (size_t j = 0; j < dimensions; j++) {
            along += (long double)query[j] * v[j];
            square += (long double)query[j] * query[j];
            direction += (long double)v[j] * v[j];
        }
        for (size_t j = 0; j < dimensions; j++)
            largest = fmaxl(largest, fabsl((query[j] - along / direction * v[j]) * bounder.scale));
        for (size_t j = 0; j < dimensions; j++) {
            const long double g = (query[j] - along / direction * v[j]) * bounder.scale;
            const long double integer = bounder.coarse[npv_code_position(j, NPV_PLANE_BYTES(dimensions))];
            left += g * g;
            error += (g - largest / 127 * integer) * (g - largest / 127 * integer);
            sum += integer;
            magnitude += fabsl(integer);
        }
        const long double length = sqrtl(square) * bounder.scale;
        const npv_bound_terms *levels[] = {&bounder.terms4, &bounder.terms8};
        const long double offsets[] = {-120.5L, -128};
        const long double most[] = {240, 255};
        assert_true(length >= 0.5L && length < 1);
        for (int level = 0; level < 2; level++) {
            const npv_bound_terms *terms = levels[level];
            const long double offset = largest / 127 * offsets[level] * sum;
            const long double slack = (largest / 127 * most[level] * magnitude + fabsl(offset)) * 0x1p-20L;
            expect_rounded_up(terms->per_size, length * sqrtl(direction) * 0x1p-20L);
            expect_rounded_up(terms->per_error, sqrtl(left) * (1 + 0x1p-20L) + length * 0x1p-30L);
            expect_rounded_up(terms->per_length, sqrtl(error) * (1 + 0x1p-20L) + length * 0x1p-30L);
            assert_true(fabsl(terms->per_step - (offset + slack)) <= fabsl(offset) * 0x1p-23L);
            assert_true(fabsl(terms->per_along - along * bounder.scale) <= length * 0x1p-23L);
        }
    }
    free(bounder.coarse);
    free(wide);
    free_world(&of);
}

/* What docs/exactness.md says of sharpened bounds, rounded up: not below it, but for what float64 loses on the way. */
static void sharpened_bounds_are_rounded_up(void **state) {
    (void)state;
    enum { rows = 300, dimensions = 96 };
    oracle_random random = {13};
    world of = make_world(oracle_vectors(&random, rows, dimensions), rows, dimensions, 1, npv_kernels_chosen());
    double *wide = widen_queries(of.vectors, 1, dimensions);
    npv_request request = make_request(&of, NPV_DOT, false, wide, 1, 1);
    npv_bounder bounder = {.coarse = allocate(2 * NPV_PLANE_BYTES(dimensions))};
    npv_bounder_prepare(&request, &of.codes, wide, &bounder);
    for (uint64_t row = 0; row < rows; row++) {
        float bounds[LEVELS];
        const int32_t low = dot_row(&of, &bounder, &of.codes.low, row);
        bound_row(&of, &request, &bounder, row, bounds);
        const long double nearer = ((long double)low - 7.5L * bounder.sum) * bounder.step;
        const long double errors =
            (long double)npv_codes_header(&of.codes, row).error4 - (long double)npv_codes_header(&of.codes, row).error8;
        const long double exact =
            bounds[0] + (long double)npv_codes_header(&of.codes, row).step * nearer - bounder.length * errors;
        assert_true(bounds[2] >= exact - 0x1p-45L && bounds[2] <= exact + fabsl(exact) * 0x1p-21L + 0x1p-45L);
    }
    free(bounder.coarse);
    free(wide);
    free_world(&of);
}

/*
 * A bound that equals the threshold is not below it. Rows of zeros have bound 0 exactly; rows at right angles to the
 * query have key 0 and a higher bound, so they come first among the seeds; and the zeros come first by their row
 * numbers. All others are far below, so that the survivors are few and looked at one by one.
 */
static void check_ties(size_t zeros, size_t right_angles) {
    enum { rows = 4000, dimensions = 64 };
    float *vectors = calloc(rows * dimensions, sizeof *vectors);
    assert_non_null(vectors);
    for (size_t row = zeros; row < zeros + right_angles; row++)
        vectors[row * dimensions + 1 + row % (dimensions - 1)] = row % 2 == 0 ? 1 : -1;
    for (size_t row = zeros + right_angles; row < rows; row++)
        vectors[row * dimensions] = -1;
    world of = make_world(vectors, rows, dimensions, 1, npv_kernels_chosen());
    double query[NPV_PADDED(dimensions)] = {1};
    for (size_t k = 1; k <= 100; k *= 10) {
        npv_request request = make_request(&of, NPV_DOT, false, query, 1, k);
        compare(&of, &request);
    }
    free_world(&of);
}

static void a_bound_at_the_threshold_survives(void **state) {
    (void)state;
    check_ties(300, 300);
    check_ties(5, 10); /* all of them are seeds */
}

/*
 * With a limit on keys there may be fewer than k seeds that reach it, and then the worst of them is no threshold. Long
 * rows have high bounds whatever their keys, so they are the seeds, and one of them is a hit.
 */
/* Compared by their bits, in every table; never ineligible rows, whose bounds are -infinity. */
static void bounds_from_a_threshold_are_found(void **state) {
    (void)state;
    const float values[] = {0.0F,     -0.0F,    1.0F,       -1.0F,        FLT_MIN / 4, -FLT_MIN / 4,
                            0x1p-10F, -0x1p10F, FLT_MAX,    -FLT_MAX,     HUGE_VALF,   -HUGE_VALF,
                            0.75F,    -0.75F,   1.0000001F, -0.99999994F, 3e38F,       -3e38F};
    const size_t count = sizeof values / sizeof *values;
    float bounds[NPV_BLOCK_ROWS];
    for (size_t i = 0; i < NPV_BLOCK_ROWS; i++)
        bounds[i] = values[i * 7 % count];
    const npv_kernels *kernels;
    for (size_t table = 0; (kernels = npv_kernels_runnable(table)) != NULL; table++)
        for (size_t t = 0; t < count; t++) {
            if (values[t] == -HUGE_VALF)
                continue;
            uint64_t expected = 0;
            for (size_t i = 0; i < NPV_BLOCK_ROWS; i++)
                expected |= (uint64_t)(bounds[i] >= values[t]) << i;
            assert_true(npv_bounds_from(kernels, bounds, values[t]) == expected);
        }
}

static void seeds_below_the_limit_are_no_threshold(void **state) {
    (void)state;
    enum { rows = 2000, dimensions = 64, long_rows = 200 };
    oracle_random random = {13};
    float *vectors = oracle_vectors(&random, rows, dimensions);
    for (size_t row = 0; row < long_rows; row++)
        for (size_t j = 0; j < dimensions; j++)
            vectors[row * dimensions + j] =
                j == 0 ? (row == 50 ? 500.0f : -1.0f) : 1000 * vectors[row * dimensions + j];
    world of = make_world(vectors, rows, dimensions, 1, npv_kernels_chosen());
    double query[NPV_PADDED(dimensions)] = {1};
    for (size_t k = 2; k <= 50; k *= 5) {
        npv_request request = make_request(&of, NPV_DOT, false, query, 1, k);
        request.least_key = 2;
        compare(&of, &request);
    }
    free_world(&of);
}

int main(void) {
    const struct CMUnitTest sums[] = {
        cmocka_unit_test(any_data_gives_the_answer_of_the_scan),
        cmocka_unit_test(limits_on_keys_are_inclusive),
        cmocka_unit_test(bounds_are_never_below_keys),
        cmocka_unit_test(queries_along_a_residual_are_bounded_tightly),
        cmocka_unit_test(exact_codes_leave_only_slack),
        cmocka_unit_test(rows_along_the_direction_leave_only_slack),
        cmocka_unit_test(coefficients_are_those_of_the_proof),
        cmocka_unit_test(sharpened_bounds_are_rounded_up),
        cmocka_unit_test(a_bound_at_the_threshold_survives),
        cmocka_unit_test(bounds_from_a_threshold_are_found),
        cmocka_unit_test(seeds_below_the_limit_are_no_threshold),
    };
    const struct CMUnitTest threads[] = {
        cmocka_unit_test(large_worlds_are_shared_out),
    };
    /* The thread sanitizer is slow, and has nothing to find where one thread does sums. */
    const int failed = THREADS_ONLY ? 0 : cmocka_run_group_tests(sums, NULL, NULL);
    return failed + cmocka_run_group_tests(threads, NULL, NULL);
}
