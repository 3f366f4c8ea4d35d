/* Filters on so many rows that several threads look at them, and asked by several threads at once. */
#include <inttypes.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "journal_model.h"
#include "store.h"

enum { ROWS = 150001, THREADS = 3, TURNS = 60, VALUES = 97 };

/* Row r has n = r mod 97, and the vector 1. */
static npv_store *make_store(void) {
    static const npv_field fields[] = {{"n", "i4"}};
    npv_store_options options = NPV_STORE_OPTIONS_INIT;
    npv_batch batch = NPV_BATCH_INIT;
    npv_store *store = NULL;
    npv_error error = {0};
    float *vectors = malloc(ROWS * sizeof *vectors);
    unsigned char *records = malloc((size_t)ROWS * 4);
    for (uint32_t row = 0; row < ROWS; row++) {
        vectors[row] = 1;
        for (uint32_t i = 0; i < 4; i++)
            records[row * 4 + i] = (unsigned char)(row % VALUES >> 8 * i);
    }
    options.dimensions = 1;
    options.threads = THREADS;
    options.fields = fields;
    options.field_count = 1;
    batch.count = ROWS;
    batch.vectors = vectors;
    batch.records = records;
    must(npv_create(&options, &store, &error), &error);
    must(npv_add(store, &batch, NULL, &error), &error);
    free(vectors);
    free(records);
    return store;
}

/* A search that helpers take part in, or are called for: what comes soon after it is shared. */
static void wake_helpers(npv_store *store) {
    npv_search_options options = NPV_SEARCH_OPTIONS_INIT;
    npv_hits hits;
    const float query = 1;
    options.exhaustive = 1;
    assert_int_equal(npv_search(store, &query, 1, &options, &hits, NULL), NPV_OK);
    npv_hits_free(&hits);
}

/* One filter by a range of codes, which ends where words and parts do not, and one by a list of them. */
static const char *const texts[] = {"n >= 40", "n IN (0, 1, 13, 96) OR n BETWEEN 20 AND 21"};

static bool passes(size_t filter, uint64_t row) {
    const uint64_t n = row % VALUES;
    return filter == 0 ? n >= 40 : n <= 1 || n == 13 || n == 96 || n == 20 || n == 21;
}

/* Are exactly the rows that pass selected? */
static bool is_right(npv_store *store, size_t number, bool wake) {
    npv_filter *filter = NULL;
    npv_selection selection = NPV_SELECTION_INIT;
    npv_select_options options = NPV_SELECT_OPTIONS_INIT;
    uint64_t *rows = NULL;
    size_t count = 0;
    if (npv_filter_new(texts[number], NULL, &filter, NULL) != NPV_OK)
        return false;
    selection.filter = filter;
    options.selection = &selection;
    if (wake)
        wake_helpers(store);
    bool right = npv_select(store, &options, &rows, &count, NULL) == NPV_OK;
    size_t next = 0;
    for (uint64_t row = 0; row < ROWS && right; row++)
        if (passes(number, row))
            right = next < count && rows[next++] == row;
    npv_free(rows);
    npv_filter_free(filter);
    return right && next == count;
}

static void rows_are_shared_among_threads(void **state) {
    (void)state;
    npv_store *store = make_store();
    for (int turn = 0; turn < TURNS; turn++)
        assert_true(is_right(store, (size_t)turn % 2, turn % 3 > 0));
    npv_close(store);
}

static void *ask(void *store) {
    for (int turn = 0; turn < TURNS / 4; turn++)
        if (!is_right(store, (size_t)turn % 2, true))
            return store;
    return NULL;
}

static void several_threads_ask_at_once(void **state) {
    (void)state;
    npv_store *store = make_store();
    pthread_t threads[THREADS];
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, ask, store), 0);
    for (int i = 0; i < THREADS; i++) {
        void *wrong = NULL;
        assert_int_equal(pthread_join(threads[i], &wrong), 0);
        assert_null(wrong);
    }
    npv_close(store);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_are_shared_among_threads),
        cmocka_unit_test(several_threads_ask_at_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
