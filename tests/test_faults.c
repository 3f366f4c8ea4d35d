/* Every allocation of a store's life fails once: an error, nothing lost, nothing leaked. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "failing_malloc.h"
#include "oracle.h"

enum { ROWS = 600, DIMENSIONS = 48, QUERIES = 8 };

static float *vectors;
static char path[64];

static int set_up(void **state) {
    (void)state;
    oracle_random random = {1};
    vectors = oracle_vectors(&random, ROWS, DIMENSIONS);
    snprintf(path, sizeof path, "/tmp/npvec-faults-%ld.npz", (long)getpid());
    return 0;
}

static int tear_down(void **state) {
    (void)state;
    free(vectors);
    unlink(path);
    return 0;
}

#ifdef FAILING_MALLOC
static npv_status add(npv_store *store, npv_error *error) {
    static const char *const documents[] = {"{\"a\": [1, 2.5, \"text\"], \"b\": null}", NULL, "7"};
    npv_batch batch = NPV_BATCH_INIT;
    const uint64_t before = npv_count(store);
    batch.vectors = vectors;
    batch.count = ROWS - 3;
    npv_status status = npv_add(store, &batch, NULL, error);
    assert_int_equal(npv_count(store), status == NPV_OK ? before + ROWS - 3 : before);
    if (status != NPV_OK)
        return status;
    batch.count = 3;
    batch.documents = documents;
    status = npv_add(store, &batch, NULL, error);
    assert_int_equal(npv_count(store), before + (status == NPV_OK ? ROWS : ROWS - 3));
    return status;
}

/* Often enough for codes to be made, alone and in a batch, by every metric, within some rows. */
static npv_status search(npv_store *store, npv_error *error) {
    const uint64_t within[] = {1, 5, 599};
    for (int i = 0; i < 12; i++) {
        npv_search_options options = NPV_SEARCH_OPTIONS_INIT;
        npv_hits hits;
        options.metric = (npv_metric)(i % 3);
        options.within_rows = i == 5 ? within : NULL;
        options.within_count = i == 5 ? 3 : 0;
        const npv_status status = npv_search(store, vectors, i % 2 == 0 ? 1 : QUERIES, &options, &hits, error);
        if (status != NPV_OK)
            return status;
        npv_hits_free(&hits);
    }
    return NPV_OK;
}

static npv_status read_document(npv_store *store, npv_error *error) {
    char *json = NULL;
    const npv_status status = npv_get_document(store, ROWS - 3, &json, error);
    npv_free(json);
    return status;
}

static npv_status use(npv_store *store, npv_error *error) {
    npv_status status = add(store, error);
    if (status == NPV_OK)
        status = search(store, error);
    if (status == NPV_OK)
        status = npv_save(store, path, NULL, error);
    if (status == NPV_OK)
        status = npv_clear(store, error);
    return status;
}

static npv_status live(int normalize, unsigned threads, npv_error *error) {
    npv_store_options options = NPV_STORE_OPTIONS_INIT;
    npv_store *store = NULL;
    options.dimensions = DIMENSIONS;
    options.normalize = normalize ? NPV_NORMALIZE_ON : NPV_NORMALIZE_OFF;
    options.threads = threads;
    npv_status status = npv_create(&options, &store, error);
    if (status != NPV_OK)
        return status;
    status = use(store, error);
    npv_close(store);
    if (status != NPV_OK)
        return status;
    status = npv_open(path, NULL, &store, error);
    if (status != NPV_OK)
        return status;
    status = read_document(store, error);
    if (status == NPV_OK)
        status = add(store, error);
    npv_close(store);
    return status;
}

static void every_failing_allocation_is_an_error(void **state) {
    (void)state;
    for (int round = 0; round < 4; round++) {
        const unsigned threads = round < 2 ? 1 : 2;
        long errors = 0;
        for (long n = 0;; n++) {
            npv_error error = {0};
            const long before = alive;
            until_failure = n;
            const npv_status status = live(round % 2, threads, &error);
            const bool reached = until_failure < 0;
            until_failure = -1;
            if (threads == 1) /* the C library keeps what it allocated for a thread, for the next one */
                assert_int_equal(alive, before);
            if (!reached) {
                assert_int_equal(status, NPV_OK);
                break;
            }
            /* Where memory for codes is missing a search does without them. */
            assert_true(status == NPV_E_MEMORY || status == NPV_OK);
            if (status == NPV_E_MEMORY) {
                assert_non_null(strstr(error.message, "memory"));
                errors++;
            }
        }
        assert_true(errors > 50);
    }
}
#else
static void every_failing_allocation_is_an_error(void **state) {
    (void)state;
    skip();
}
#endif

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(every_failing_allocation_is_an_error, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
