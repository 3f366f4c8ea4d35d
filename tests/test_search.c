/* A search answers what the definition demands: same rows, same order, same bits. */
#include <float.h>
#include <math.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "oracle.h"

static npv_store *new_store(size_t dimensions, npv_normalize normalize, unsigned threads) {
    npv_store_options options = NPV_STORE_OPTIONS_INIT;
    npv_store *store = NULL;
    options.dimensions = dimensions;
    options.normalize = normalize;
    options.threads = threads;
    assert_int_equal(npv_create(&options, &store, NULL), NPV_OK);
    return store;
}

static void add(npv_store *store, const float *vectors, size_t count) {
    npv_batch batch = NPV_BATCH_INIT;
    npv_error error = {0};
    batch.vectors = vectors;
    batch.count = count;
    if (npv_add(store, &batch, NULL, &error) != NPV_OK)
        fail_msg("%s", error.message);
}

static void expect_failure(npv_store *store, const float *queries, const npv_search_options *options, npv_status status,
                           const char *text) {
    npv_hits hits = {77, NULL, NULL};
    npv_error error = {0};
    assert_int_equal(npv_search(store, queries, 1, options, &hits, &error), status);
    assert_int_equal(error.code, status);
    assert_int_equal(hits.query_count, 77);
    if (strstr(error.message, text) == NULL)
        fail_msg("expected '%s' in '%s'", text, error.message);
}

/* Every metric, with k from 1 to more than there is. */
static void check_all(npv_store *store, const float *queries, size_t count) {
    const size_t rows = (size_t)npv_count(store);
    const size_t ks[] = {1, 3, 10, rows, SIZE_MAX};
    for (int metric = NPV_COSINE; metric <= NPV_EUCLIDEAN; metric++)
        for (size_t i = 0; i < sizeof ks / sizeof *ks; i++) {
            npv_search_options options = NPV_SEARCH_OPTIONS_INIT;
            options.metric = (npv_metric)metric;
            options.k = ks[i] > 0 ? ks[i] : 1;
            oracle_check(store, queries, count, &options);
        }
}

static void random_stores_match_the_definition(void **state) {
    (void)state;
    const size_t shapes[][2] = {{1, 1}, {2, 3}, {63, 16}, {64, 17}, {65, 31}, {200, 32}, {130, 100}, {1000, 7}};
    oracle_random random = {1};
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++)
        for (unsigned threads = 1; threads <= 3; threads += 2)
            for (int normalize = NPV_NORMALIZE_ON; normalize <= NPV_NORMALIZE_OFF; normalize++) {
                npv_store *store = new_store(shapes[i][1], (npv_normalize)normalize, threads);
                float *vectors = oracle_vectors(&random, shapes[i][0], shapes[i][1]);
                float *queries = oracle_vectors(&random, 3, shapes[i][1]);
                add(store, vectors, shapes[i][0]);
                check_all(store, queries, 3);
                free(vectors);
                free(queries);
                npv_close(store);
            }
}

/* Large enough that several parts are shared among the threads. */
static void several_threads_answer_as_one(void **state) {
    (void)state;
    oracle_random random = {2};
    float *vectors = oracle_vectors(&random, 6000, 256);
    float *queries = oracle_vectors(&random, 2, 256);
    for (unsigned threads = 1; threads <= 5; threads += 2) {
        npv_store *store = new_store(256, NPV_NORMALIZE_ON, threads);
        npv_search_options options = NPV_SEARCH_OPTIONS_INIT;
        add(store, vectors, 6000);
        options.k = 25;
        oracle_check(store, queries, 2, &options);
        npv_close(store);
    }
    free(vectors);
    free(queries);
}

/* Equal rows on both sides of every border between words, blocks and parts. */
static void ties_go_to_the_lower_row(void **state) {
    (void)state;
    enum { rows = 9000, dimensions = 64 };
    oracle_random random = {3};
    float *vectors = oracle_vectors(&random, rows, dimensions);
    for (size_t row = 1; row < rows; row++)
        if (row % 64 <= 1 || row % 4096 <= 2)
            memcpy(vectors + row * dimensions, vectors, dimensions * sizeof(float));
    for (unsigned threads = 1; threads <= 2; threads++) {
        npv_store *store = new_store(dimensions, NPV_NORMALIZE_ON, threads);
        add(store, vectors, rows);
        for (int metric = NPV_COSINE; metric <= NPV_EUCLIDEAN; metric++) {
            npv_search_options options = NPV_SEARCH_OPTIONS_INIT;
            options.metric = (npv_metric)metric;
            options.k = 100;
            oracle_check(store, vectors, 1, &options);
        }
        npv_close(store);
    }
    free(vectors);
}

static void all_rows_equal_come_in_order(void **state) {
    (void)state;
    enum { rows = 500, dimensions = 5 };
    npv_store *store = new_store(dimensions, NPV_NORMALIZE_OFF, 2);
    const float row[dimensions] = {1, -2, 3, 0.5f, 9};
    for (size_t i = 0; i < rows; i++)
        add(store, row, 1);
    check_all(store, row, 1);
    npv_close(store);
}

static void limits_on_scores_are_inclusive(void **state) {
    (void)state;
    enum { rows = 300, dimensions = 20 };
    oracle_random random = {4};
    float *vectors = oracle_vectors(&random, rows, dimensions);
    float *query = oracle_vectors(&random, 1, dimensions);
    npv_store *store = new_store(dimensions, NPV_NORMALIZE_OFF, 2);
    add(store, vectors, rows);
    for (size_t row = 0; row < rows; row += 29) {
        npv_search_options options = NPV_SEARCH_OPTIONS_INIT;
        const float *stored = vectors + row * dimensions;
        options.k = rows;
        options.min_score = oracle_score(query, stored, dimensions, NPV_COSINE, false);
        oracle_check(store, query, 1, &options);
        options.metric = NPV_DOT;
        options.min_score = oracle_score(query, stored, dimensions, NPV_DOT, false);
        oracle_check(store, query, 1, &options);
        options.metric = NPV_EUCLIDEAN;
        options.min_score = -(double)INFINITY;
        options.max_distance = oracle_score(query, stored, dimensions, NPV_EUCLIDEAN, false);
        oracle_check(store, query, 1, &options);
    }
    npv_search_options nothing = NPV_SEARCH_OPTIONS_INIT;
    nothing.min_score = 2;
    oracle_check(store, query, 1, &nothing);
    npv_close(store);
    free(vectors);
    free(query);
}

static void within_rows_restricts(void **state) {
    (void)state;
    enum { rows = 3000, dimensions = 24 };
    oracle_random random = {5};
    float *vectors = oracle_vectors(&random, rows, dimensions);
    npv_store *store = new_store(dimensions, NPV_NORMALIZE_ON, 2);
    uint64_t within[rows];
    add(store, vectors, rows);
    const unsigned keep[] = {1, 2, 3, 64, 1000, rows};
    for (size_t i = 0; i < sizeof keep / sizeof *keep; i++) {
        npv_search_options options = NPV_SEARCH_OPTIONS_INIT;
        options.within_rows = within;
        options.k = 20;
        for (uint64_t row = 0; row < rows; row++)
            if (row % keep[i] == keep[i] - 1 || (row >= 640 && row < 640 + 64 * i))
                within[options.within_count++] = rows - 1 - row;
        oracle_check(store, vectors, 1, &options);
    }
    npv_search_options none = NPV_SEARCH_OPTIONS_INIT;
    none.within_rows = within;
    oracle_check(store, vectors, 1, &none);
    npv_close(store);
    free(vectors);
}

/* The borders between parts of a shared scan fall between words of the set of rows. */
static void within_rows_restricts_a_shared_scan(void **state) {
    (void)state;
    enum { rows = 9000, dimensions = 200 };
    oracle_random random = {11};
    float *vectors = oracle_vectors(&random, rows, dimensions);
    npv_store *store = new_store(dimensions, NPV_NORMALIZE_ON, 2);
    npv_search_options options = NPV_SEARCH_OPTIONS_INIT;
    uint64_t within[rows];
    add(store, vectors, rows);
    options.within_rows = within;
    options.k = 30;
    for (uint64_t row = 0; row < rows; row += 3)
        within[options.within_count++] = row;
    oracle_check(store, vectors, 1, &options);
    npv_close(store);
    free(vectors);
}

static void rows_outside_or_twice_are_errors(void **state) {
    (void)state;
    const float rows[] = {1, 2, 3, 4, 5, 6};
    npv_store *store = new_store(2, NPV_NORMALIZE_ON, 1);
    npv_search_options options = NPV_SEARCH_OPTIONS_INIT;
    const uint64_t outside[] = {0, 3};
    const uint64_t twice[] = {2, 1, 2};
    options.within_rows = outside;
    options.within_count = 2;
    expect_failure(store, rows, &options, NPV_E_RANGE, "row 0 is not there: the store is empty");
    add(store, rows, 3);
    expect_failure(store, rows, &options, NPV_E_RANGE, "expected a row from 0 to 2, found 3");
    options.within_rows = twice;
    options.within_count = 3;
    expect_failure(store, rows, &options, NPV_E_ARGUMENT, "found row 2 again");
    npv_close(store);
}

static void wrong_requests_are_errors(void **state) {
    (void)state;
    const float zero[3] = {0};
    const float row[3] = {1, 2, 3};
    const float bad[3] = {1, -(float)INFINITY, 3};
    npv_store *store = new_store(3, NPV_NORMALIZE_ON, 1);
    npv_search_options options = NPV_SEARCH_OPTIONS_INIT;
    add(store, row, 1);
    options.k = 0;
    expect_failure(store, row, &options, NPV_E_ARGUMENT, "k of at least 1");
    options.k = 1;
    expect_failure(store, zero, &options, NPV_E_ARGUMENT, "query 0: expected a direction");
    expect_failure(store, bad, &options, NPV_E_ARGUMENT,
                   "query 0: expected finite numbers, found -infinity in dimension 1");
    options.metric = (npv_metric)9;
    expect_failure(store, row, &options, NPV_E_ARGUMENT, "found 9");
    options.metric = NPV_EUCLIDEAN;
    options.min_score = 0;
    expect_failure(store, row, &options, NPV_E_ARGUMENT, "use max_distance");
    options.metric = NPV_DOT;
    options.min_score = (double)NAN;
    expect_failure(store, row, &options, NPV_E_ARGUMENT, "NaN");
    expect_failure(store, NULL, NULL, NPV_E_ARGUMENT, "found NULL");
    npv_close(store);
}

/* Zero rows are fine until cosine has to divide by their length. */
static void zero_rows_matter_to_cosine_only(void **state) {
    (void)state;
    const float rows[] = {1, 2, 0, 0, 3, 4};
    const uint64_t others[] = {0, 2};
    npv_store *store = new_store(2, NPV_NORMALIZE_OFF, 1);
    npv_search_options options = NPV_SEARCH_OPTIONS_INIT;
    add(store, rows, 3);
    expect_failure(store, rows, &options, NPV_E_ARGUMENT, "row 1 has length zero");
    options.within_rows = others;
    options.within_count = 2;
    oracle_check(store, rows, 1, &options);
    options = (npv_search_options)NPV_SEARCH_OPTIONS_INIT;
    options.metric = NPV_DOT;
    oracle_check(store, rows + 2, 1, &options);
    options.metric = NPV_EUCLIDEAN;
    oracle_check(store, rows + 2, 1, &options);
    npv_close(store);
}

static void extreme_lengths_keep_their_order(void **state) {
    (void)state;
    enum { rows = 400, dimensions = 48 };
    oracle_random random = {6};
    float *vectors = oracle_vectors(&random, rows, dimensions);
    for (size_t row = 0; row < rows; row++)
        for (size_t j = 0; j < dimensions; j++)
            vectors[row * dimensions + j] *= powf(10, (float)(row % 49) - 30);
    npv_store *store = new_store(dimensions, NPV_NORMALIZE_OFF, 2);
    add(store, vectors, rows);
    check_all(store, vectors + 48 * dimensions, 2);
    npv_close(store);
    free(vectors);
}

static void rows_added_later_are_found(void **state) {
    (void)state;
    enum { dimensions = 40 };
    oracle_random random = {7};
    float *vectors = oracle_vectors(&random, 2000, dimensions);
    npv_store *store = new_store(dimensions, NPV_NORMALIZE_OFF, 2);
    npv_search_options options = NPV_SEARCH_OPTIONS_INIT;
    for (size_t done = 0; done < 2000; done += 250) {
        add(store, vectors + done * dimensions, 250);
        oracle_check(store, vectors + (done + 249) * dimensions, 1, &options);
    }
    assert_int_equal(npv_clear(store, NULL), NPV_OK);
    oracle_check(store, vectors, 1, &options);
    add(store, vectors + 77 * dimensions, 30);
    oracle_check(store, vectors, 1, &options);
    npv_close(store);
    free(vectors);
}

static void batches_answer_like_single_queries(void **state) {
    (void)state;
    enum { rows = 700, dimensions = 3, queries = 200 };
    oracle_random random = {8};
    float *vectors = oracle_vectors(&random, rows, dimensions);
    npv_store *store = new_store(dimensions, NPV_NORMALIZE_ON, NPV_MAX_THREADS);
    npv_search_options options = NPV_SEARCH_OPTIONS_INIT;
    npv_hits hits;
    add(store, vectors, rows);
    oracle_check(store, vectors, queries, &options);
    options.k = rows; /* times threads: so many candidates that the queries are answered in several groups */
    oracle_check(store, vectors, queries, &options);
    assert_int_equal(npv_search(store, vectors, 0, &options, &hits, NULL), NPV_OK);
    assert_int_equal(hits.query_count, 0);
    assert_int_equal(hits.starts[0], 0);
    npv_hits_free(&hits);
    npv_close(store);
    free(vectors);
}

typedef struct searcher {
    npv_store *store;
    const float *query;
    npv_status status;
    uint64_t found;
} searcher;

static void *search_often(void *argument) {
    searcher *self = argument;
    npv_search_options options = NPV_SEARCH_OPTIONS_INIT;
    for (int i = 0; i < 200 && self->status == NPV_OK; i++) {
        npv_hits hits;
        self->status = npv_search(self->store, self->query, 1, &options, &hits, NULL);
        if (self->status == NPV_OK) {
            self->found = hits.hit[0].row;
            npv_hits_free(&hits);
        }
    }
    return NULL;
}

static void threads_may_search_while_one_adds(void **state) {
    (void)state;
    enum { dimensions = 384, rows = 4000, searchers = 3 };
    oracle_random random = {9};
    float *vectors = oracle_vectors(&random, rows, dimensions);
    npv_store *store = new_store(dimensions, NPV_NORMALIZE_OFF, 2);
    pthread_t threads[searchers];
    searcher work[searchers];
    add(store, vectors, rows / 2);
    for (size_t i = 0; i < searchers; i++) {
        work[i] = (searcher){store, vectors + i * dimensions, NPV_OK, 0};
        assert_int_equal(pthread_create(&threads[i], NULL, search_often, &work[i]), 0);
    }
    for (size_t row = rows / 2; row < rows; row += 50)
        add(store, vectors + row * dimensions, 50);
    for (size_t i = 0; i < searchers; i++) {
        pthread_join(threads[i], NULL);
        assert_int_equal(work[i].status, NPV_OK);
        assert_int_equal(work[i].found, i);
    }
    npv_close(store);
    free(vectors);
}

#ifndef __SANITIZE_THREAD__
static void a_child_after_fork_may_search_and_add(void **state) {
    (void)state;
    enum { dimensions = 384, rows = 4000 };
    oracle_random random = {10};
    float *vectors = oracle_vectors(&random, rows, dimensions);
    npv_store *store = new_store(dimensions, NPV_NORMALIZE_ON, 4);
    npv_search_options options = NPV_SEARCH_OPTIONS_INIT;
    add(store, vectors, rows - 1);
    oracle_check(store, vectors, 1, &options);
    const pid_t child = fork();
    if (child == 0) {
        npv_batch batch = NPV_BATCH_INIT;
        npv_hits hits;
        batch.vectors = vectors + (size_t)(rows - 1) * dimensions;
        batch.count = 1;
        int bad = npv_add(store, &batch, NULL, NULL) != NPV_OK;
        bad = bad || npv_search(store, batch.vectors, 1, &options, &hits, NULL) != NPV_OK;
        bad = bad || hits.hit[0].row != rows - 1;
        npv_close(store);
        _exit(bad);
    }
    int status = -1;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    oracle_check(store, vectors, 1, &options);
    npv_close(store);
    free(vectors);
}
#endif

/* Above 64 MiB, rows of a mapped file are picked out by reading it, unless they were changed. */
static void large_files_are_searched_without_being_resident(void **state) {
    (void)state;
    enum { rows = 17000, dimensions = 1024, replaced = 11000, searches = 12 };
    char path[64];
    snprintf(path, sizeof path, "/tmp/npvec-large-%ld.npz", (long)getpid());
    oracle_random random = {6};
    float *vectors = oracle_vectors(&random, rows, dimensions);
    const char *id = "changed", *ids[rows] = {0};
    npv_batch batch = NPV_BATCH_INIT;
    npv_store *store = new_store(dimensions, NPV_NORMALIZE_OFF, 2);
    ids[replaced] = id;
    batch = (npv_batch){.size = sizeof batch, .count = rows, .vectors = vectors, .ids = ids};
    assert_int_equal(npv_add(store, &batch, NULL, NULL), NPV_OK);
    assert_int_equal(npv_save(store, path, NULL, NULL), NPV_OK);
    npv_close(store);
    assert_int_equal(npv_open(path, NULL, &store, NULL), NPV_OK);
    unlink(path);
    for (size_t i = 0; i < searches; i++) {
        npv_search_options options = NPV_SEARCH_OPTIONS_INIT;
        npv_hits found, expected;
        const float *query = vectors + (replaced + i) * dimensions;
        if (i == searches / 2) {
            batch = (npv_batch){.size = sizeof batch, .count = 1, .vectors = query + 100 * dimensions, .ids = &id};
            assert_int_equal(npv_upsert(store, &batch, NULL, NULL, NULL), NPV_OK);
        }
        if (i >= searches / 2)
            query += (100 - i + searches / 2) * dimensions;
        assert_int_equal(npv_search(store, query, 1, &options, &found, NULL), NPV_OK);
        options.exhaustive = 1;
        assert_int_equal(npv_search(store, query, 1, &options, &expected, NULL), NPV_OK);
        assert_memory_equal(found.hit, expected.hit, 10 * sizeof *found.hit);
        assert_int_equal(found.hit[0].row, i < searches / 2 ? replaced + i : replaced);
        npv_hits_free(&found);
        npv_hits_free(&expected);
    }
    npv_close(store);
    free(vectors);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_stores_match_the_definition),
        cmocka_unit_test(several_threads_answer_as_one),
        cmocka_unit_test(ties_go_to_the_lower_row),
        cmocka_unit_test(all_rows_equal_come_in_order),
        cmocka_unit_test(limits_on_scores_are_inclusive),
        cmocka_unit_test(within_rows_restricts),
        cmocka_unit_test(within_rows_restricts_a_shared_scan),
        cmocka_unit_test(rows_outside_or_twice_are_errors),
        cmocka_unit_test(wrong_requests_are_errors),
        cmocka_unit_test(zero_rows_matter_to_cosine_only),
        cmocka_unit_test(extreme_lengths_keep_their_order),
        cmocka_unit_test(rows_added_later_are_found),
        cmocka_unit_test(large_files_are_searched_without_being_resident),
        cmocka_unit_test(batches_answer_like_single_queries),
        cmocka_unit_test(threads_may_search_while_one_adds),
#ifndef __SANITIZE_THREAD__ /* which forbids threads in a child */
        cmocka_unit_test(a_child_after_fork_may_search_and_add),
#endif
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
