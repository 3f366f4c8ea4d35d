/* Threads search a store, through filters, while one changes and saves it. */
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "journal_model.h"

enum { READERS = 3, DIMENSIONS = 32 };

typedef struct shared {
    npv_store *store;
    double best;
    atomic_bool done;
    atomic_ulong searches;
} shared;

/* Whatever comes and goes meanwhile, there are three copies of the best row that passes the filter. */
static void *keep_searching(void *context) {
    shared *all = context;
    npv_filter *filter = NULL;
    npv_search_options options = NPV_SEARCH_OPTIONS_INIT;
    float query[DIMENSIONS] = {1, 2, 3};
    npv_error error = {0};
    bool right = npv_filter_new("year = 2001 AND tag = 't1'", NULL, &filter, &error) == NPV_OK;
    options.k = 3;
    options.filter = filter;
    while (right && (!all->done || all->searches < 50)) {
        npv_hits hits = {0};
        right = npv_search(all->store, query, 1, &options, &hits, &error) == NPV_OK && hits.starts[1] == 3;
        for (size_t i = 0; right && i < 3; i++)
            right = hits.hit[i].score == all->best;
        npv_hits_free(&hits);
        all->searches++;
    }
    npv_filter_free(filter);
    return right ? NULL : context;
}

static double best_score(npv_store *store) {
    npv_filter *filter = NULL;
    npv_search_options options = NPV_SEARCH_OPTIONS_INIT;
    const float query[DIMENSIONS] = {1, 2, 3};
    npv_error error = {0};
    npv_hits hits;
    must(npv_filter_new("year = 2001 AND tag = 't1'", NULL, &filter, &error), &error);
    options.filter = filter;
    must(npv_search(store, query, 1, &options, &hits, &error), &error);
    const double best = hits.hit[0].score;
    npv_hits_free(&hits);
    npv_filter_free(filter);
    return best;
}

static void readers_filter_while_one_writes(void **state) {
    (void)state;
    enum { at_once = 64 };
    static float vectors[at_once * DIMENSIONS];
    const char *documents[at_once];
    shared all = {.done = false};
    char path[64];
    pthread_t readers[READERS];
    oracle_random random = {9};
    npv_store_options options = NPV_STORE_OPTIONS_INIT;
    npv_batch given = NPV_BATCH_INIT;
    npv_error error = {0};
    options.dimensions = DIMENSIONS;
    options.threads = 2;
    snprintf(path, sizeof path, "/tmp/npvec-threads-%ld.npz", (long)getpid());
    for (size_t i = 0; i < at_once; i++)
        documents[i] = i % 4 == 1 ? "{\"year\": 2001, \"tag\": \"t1\"}" : "{\"year\": 2001, \"tag\": \"t2\"}";
    for (size_t i = 0; i < sizeof vectors / sizeof *vectors; i++)
        vectors[i] = oracle_normal(&random);
    given.count = at_once;
    given.vectors = vectors;
    given.documents = documents;
    npv_batch same = {sizeof same, at_once / 2, NULL, documents + 1, NULL, NULL, NULL};
    uint64_t rows[at_once], first = 0;
    must(npv_create(&options, &all.store, &error), &error);
    for (int i = 0; i < 3; i++)
        must(npv_add(all.store, &given, NULL, &error), &error);
    all.best = best_score(all.store);
    for (int i = 0; i < READERS; i++)
        assert_int_equal(pthread_create(&readers[i], NULL, keep_searching, &all), 0);
    for (int i = 0; i < 30; i++) {
        const uint64_t row = (uint64_t)(i % 5) * 64;
        npv_selection selection = NPV_SELECTION_INIT;
        selection.rows = &row;
        selection.row_count = 1;
        must(npv_add(all.store, &given, &first, &error), &error);
        must(npv_delete(all.store, &selection, NULL, &error), &error);
        for (size_t j = 0; j < same.count; j++)
            rows[j] = first + 1 + j;
        must(npv_set_documents(all.store, rows, &same, &error), &error);
        if (i % 5 == 4)
            must(npv_save(all.store, path, NULL, &error), &error);
    }
    all.done = true;
    for (int i = 0; i < READERS; i++) {
        void *wrong = NULL;
        assert_int_equal(pthread_join(readers[i], &wrong), 0);
        assert_null(wrong);
    }
    npv_close(all.store);
    unlink(path);
}

static void *add_one(void *store) {
    npv_batch batch = NPV_BATCH_INIT;
    npv_error error = {0};
    const float vector[DIMENSIONS] = {1};
    batch.count = 1;
    batch.vectors = vector;
    must(npv_add(store, &batch, NULL, &error), &error);
    return NULL;
}

static void *count_rows(void *store) {
    return (void *)(uintptr_t)npv_count(store);
}

static npv_store *new_store(void) {
    npv_store_options options = NPV_STORE_OPTIONS_INIT;
    npv_store *store = NULL;
    npv_error error = {0};
    options.dimensions = DIMENSIONS;
    must(npv_create(&options, &store, &error), &error);
    return store;
}

/* Else readers that overlap, as those of three threads always do, keep writers waiting for good. */
static void who_comes_after_a_waiting_writer_reads_after_it(void **state) {
    (void)state;
    npv_store *store = new_store();
    pthread_t writer, reader;
    void *counted = NULL;
    npv_store_lock_for_reading(store);
    assert_int_equal(pthread_create(&writer, NULL, add_one, store), 0);
    while (!store->awaited)
        sched_yield();
    assert_int_equal(pthread_create(&reader, NULL, count_rows, store), 0);
    nanosleep(&(struct timespec){0, 20000000}, NULL); /* in which a reader could come too early */
    npv_store_unlock(store);
    assert_int_equal(pthread_join(writer, NULL), 0);
    assert_int_equal(pthread_join(reader, &counted), 0);
    assert_int_equal((uintptr_t)counted, 1);
    npv_close(store);
}

static void searches_go_on_while_a_writer_waits_for_a_save(void **state) {
    (void)state;
    npv_store *store = new_store();
    pthread_t writer, reader;
    void *counted = NULL;
    npv_store_lock_for_reading(store); /* as npv_save does */
    pthread_mutex_lock(&store->saving);
    assert_int_equal(pthread_create(&writer, NULL, add_one, store), 0);
    nanosleep(&(struct timespec){0, 20000000}, NULL); /* in which the writer gets as far as it can */
    alarm(60);
    assert_int_equal(pthread_create(&reader, NULL, count_rows, store), 0);
    assert_int_equal(pthread_join(reader, &counted), 0);
    alarm(0);
    assert_int_equal((uintptr_t)counted, 0);
    pthread_mutex_unlock(&store->saving);
    npv_store_unlock(store);
    assert_int_equal(pthread_join(writer, NULL), 0);
    assert_int_equal(npv_count(store), 1);
    npv_close(store);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(searches_go_on_while_a_writer_waits_for_a_save),
        cmocka_unit_test(who_comes_after_a_waiting_writer_reads_after_it),
        cmocka_unit_test(readers_filter_while_one_writes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
