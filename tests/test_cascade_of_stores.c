/* Stores take the cascade when it pays, keep its codes up to date, and answer as the plain scan does. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "oracle.h"

/* As embeddings of one model point. */
static void around_one_direction(float *x, size_t dimensions) {
    for (size_t j = 0; j < dimensions; j++)
        x[j] = x[j] * 0.05f + (j % 2 == 0 ? 1.0f : -0.5f);
}

static npv_metric metric_of_searches = NPV_COSINE;

static npv_hits search(npv_store *store, const float *queries, size_t count, size_t k, int exhaustive,
                       npv_explain *explain) {
    npv_search_options options = NPV_SEARCH_OPTIONS_INIT;
    npv_hits hits;
    options.metric = metric_of_searches;
    options.k = k;
    options.exhaustive = exhaustive;
    options.explain = explain;
    assert_int_equal(npv_search(store, queries, count, &options, &hits, NULL), NPV_OK);
    return hits;
}

static void add(npv_store *store, const float *vectors, size_t count) {
    npv_batch batch = NPV_BATCH_INIT;
    batch.vectors = vectors;
    batch.count = count;
    assert_int_equal(npv_add(store, &batch, NULL, NULL), NPV_OK);
}

static void expect_both_ways_equal(npv_store *store, const float *queries, size_t count) {
    npv_explain explain = {.size = sizeof explain};
    for (int again = 0; again < 6; again++) {
        npv_hits found = search(store, queries, count, 10, 0, &explain);
        npv_hits expected = search(store, queries, count, 10, 1, NULL);
        assert_memory_equal(found.hit, expected.hit, expected.starts[count] * sizeof *expected.hit);
        npv_hits_free(&found);
        npv_hits_free(&expected);
    }
    assert_string_not_equal(explain.plan, "plain");
    assert_true(explain.rows32 < explain.rows / 4);
}

/*
 * Codes come after some searches, grow with the store, are made afresh when it has outgrown them, and go with its rows.
 */
static void codes_follow_the_store(void **state) {
    (void)state;
    enum { rows = 20000, dimensions = 64 };
    oracle_random random = {8};
    float *vectors = oracle_vectors(&random, rows, dimensions);
    npv_store_options options = NPV_STORE_OPTIONS_INIT;
    npv_store *store = NULL;
    npv_explain explain = {.size = sizeof explain};
    options.dimensions = dimensions;
    options.threads = 2;
    for (size_t row = 0; row < rows; row++)
        around_one_direction(vectors + row * dimensions, dimensions);
    assert_int_equal(npv_create(&options, &store, NULL), NPV_OK);
    add(store, vectors, 1000);
    npv_hits hits = search(store, vectors, 1, 1, 0, &explain);
    assert_string_equal(explain.plan, "plain");
    assert_int_equal(explain.rows_coded, 0);
    npv_hits_free(&hits);
    expect_both_ways_equal(store, vectors, 1);
    const size_t ends[] = {1001, 1100, 3000, 4500, rows};
    size_t have = 1000;
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
        add(store, vectors + have * dimensions, ends[i] - have);
        have = ends[i];
        expect_both_ways_equal(store, vectors + (have - 1) * dimensions, 1);
    }
    expect_both_ways_equal(store, vectors, 30);
    assert_int_equal(npv_clear(store, NULL), NPV_OK);
    add(store, vectors, 2000);
    expect_both_ways_equal(store, vectors, 2);
    npv_close(store);
    free(vectors);
}

/* What a cascade needs beside codes depends on the metric and on whether rows are normalised. */
static void every_metric_of_a_store_may_cascade(void **state) {
    (void)state;
    enum { rows = 4000, dimensions = 64 };
    oracle_random random = {14};
    float *vectors = oracle_vectors(&random, rows, dimensions);
    for (size_t row = 0; row < rows; row++)
        around_one_direction(vectors + row * dimensions, dimensions);
    for (int normalize = NPV_NORMALIZE_ON; normalize <= NPV_NORMALIZE_OFF; normalize++)
        for (int metric = NPV_COSINE; metric <= NPV_EUCLIDEAN; metric++) {
            npv_store_options options = NPV_STORE_OPTIONS_INIT;
            npv_store *store = NULL;
            options.dimensions = dimensions;
            options.normalize = (npv_normalize)normalize;
            assert_int_equal(npv_create(&options, &store, NULL), NPV_OK);
            add(store, vectors, rows - 100);
            metric_of_searches = (npv_metric)metric;
            expect_both_ways_equal(store, vectors, 1);
            add(store, vectors + (rows - 100) * dimensions, 100);
            expect_both_ways_equal(store, vectors + 7 * dimensions, 9);
            npv_close(store);
        }
    metric_of_searches = NPV_COSINE;
    free(vectors);
}

static void codes_may_be_forbidden(void **state) {
    (void)state;
    enum { rows = 3000, dimensions = 64 };
    oracle_random random = {9};
    float *vectors = oracle_vectors(&random, rows, dimensions);
    npv_store_options options = NPV_STORE_OPTIONS_INIT;
    npv_store *store = NULL;
    npv_explain explain = {.size = sizeof explain};
    options.dimensions = dimensions;
    options.no_codes = 1;
    assert_int_equal(npv_create(&options, &store, NULL), NPV_OK);
    add(store, vectors, rows);
    npv_hits hits = search(store, vectors, 100, 3, 0, &explain);
    npv_hits_free(&hits);
    assert_string_equal(explain.plan, "plain");
    assert_int_equal(explain.rows_coded, 0);
    assert_int_equal(explain.bytes32, (uint64_t)rows * 100 * dimensions * sizeof(float));
    npv_close(store);
    free(vectors);
}

/* Where bounds rule nothing out, searches learn to scan, and still try the bounds now and then. */
static void searches_learn_which_way_pays(void **state) {
    (void)state;
    enum { rows = 5000, dimensions = 64 };
    float *vectors = malloc(rows * dimensions * sizeof *vectors);
    assert_non_null(vectors);
    for (size_t i = 0; i < rows * dimensions; i++)
        vectors[i] = (float)(i % dimensions) + 1;
    npv_store_options options = NPV_STORE_OPTIONS_INIT;
    npv_store *store = NULL;
    npv_explain explain = {.size = sizeof explain};
    size_t plain = 0;
    size_t other = 0;
    options.dimensions = dimensions;
    assert_int_equal(npv_create(&options, &store, NULL), NPV_OK);
    add(store, vectors, rows);
    for (int again = 0; again < 300; again++) {
        npv_hits hits = search(store, vectors, 1, 5, 0, &explain);
        for (uint64_t i = 0; i < 5; i++)
            assert_int_equal(hits.hit[i].row, i);
        npv_hits_free(&hits);
        *(strcmp(explain.plan, "plain") == 0 ? &plain : &other) += 1;
    }
    assert_true(plain > 280);
    assert_true(other >= 4);
    npv_close(store);
    free(vectors);
}

/* Noise: 4 bits rule nearly nothing out, and 8 bits nearly all. */
static void searches_learn_that_whole_codes_pay(void **state) {
    (void)state;
    enum { rows = 3000, dimensions = 1024, searches = 140 };
    oracle_random random = {5};
    float *vectors = oracle_vectors(&random, rows + searches, dimensions);
    npv_store_options options = NPV_STORE_OPTIONS_INIT;
    npv_store *store = NULL;
    npv_explain explain = {.size = sizeof explain};
    size_t whole = 0;
    options.dimensions = dimensions;
    assert_int_equal(npv_create(&options, &store, NULL), NPV_OK);
    add(store, vectors, rows);
    for (size_t i = 0; i < searches; i++) {
        npv_hits hits = search(store, vectors + (rows + i) * dimensions, 1, 5, 0, &explain);
        npv_hits_free(&hits);
        whole += strcmp(explain.plan, "cascade 8-32") == 0;
    }
    assert_true(whole > searches - 10);
    npv_close(store);
    free(vectors);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(codes_follow_the_store),
        cmocka_unit_test(every_metric_of_a_store_may_cascade),
        cmocka_unit_test(codes_may_be_forbidden),
        cmocka_unit_test(searches_learn_which_way_pays),
        cmocka_unit_test(searches_learn_that_whole_codes_pay),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
