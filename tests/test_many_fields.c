/* Programs that name more fields of documents than a store keeps columns of: slower, and never wrong. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>

#include <cmocka.h>

#include "journal_model.h"
#include "store.h"

enum { ROWS = 300, FIELDS = 3 * NPV_KEPT_COLUMNS, THREADS = 4, TURNS = 400 };

/* Row r has the fields f(r), f(r+1) and f(r+2), all with the number of the row. */
static npv_store *make_store(void) {
    static float vectors[ROWS];
    static char text[ROWS][96];
    const char *documents[ROWS];
    npv_store_options options = NPV_STORE_OPTIONS_INIT;
    npv_batch batch = NPV_BATCH_INIT;
    npv_store *store = NULL;
    npv_error error = {0};
    options.dimensions = 1;
    for (int row = 0; row < ROWS; row++) {
        vectors[row] = 1;
        documents[row] = text[row];
        snprintf(text[row], sizeof text[row], "{\"f%d\": %d, \"f%d\": %d, \"f%d\": %d}", row % FIELDS, row,
                 (row + 1) % FIELDS, row, (row + 2) % FIELDS, row);
    }
    batch.count = ROWS;
    batch.vectors = vectors;
    batch.documents = documents;
    must(npv_create(&options, &store, &error), &error);
    must(npv_add(store, &batch, NULL, &error), &error);
    return store;
}

static uint64_t rows_with(int field) {
    uint64_t count = 0;
    for (int row = 0; row < ROWS; row++)
        count += row % FIELDS == field || (row + 1) % FIELDS == field || (row + 2) % FIELDS == field;
    return count;
}

/* Two fields in one filter, of which the second is named by nobody else at about that time. */
static uint64_t count_rows(npv_store *store, int field) {
    char text[64];
    npv_filter *filter = NULL;
    npv_selection selection = NPV_SELECTION_INIT;
    uint64_t count = UINT64_MAX;
    snprintf(text, sizeof text, "f%d >= 0 OR g%d = 1", field, field);
    if (npv_filter_new(text, NULL, &filter, NULL) != NPV_OK)
        return count;
    selection.filter = filter;
    npv_count_selected(store, &selection, &count, NULL);
    npv_filter_free(filter);
    return count;
}

static uint64_t count_values(npv_store *store, int field) {
    char name[16];
    npv_facets facets;
    snprintf(name, sizeof name, "f%d", field);
    if (npv_get_facets(store, name, NULL, &facets, NULL) != NPV_OK)
        return UINT64_MAX;
    const uint64_t count = facets.count;
    npv_facets_free(&facets);
    return count;
}

/* The row with the highest number in a field. */
static uint64_t last_row(npv_store *store, int field) {
    char name[16];
    npv_select_options options = NPV_SELECT_OPTIONS_INIT;
    uint64_t *rows = NULL, last = UINT64_MAX;
    size_t count = 0;
    snprintf(name, sizeof name, "f%d", field);
    options.order_by = name;
    options.limit = rows_with(field);
    if (npv_select(store, &options, &rows, &count, NULL) == NPV_OK && count > 0)
        last = rows[count - 1];
    npv_free(rows);
    return last;
}

static uint64_t expected_last(int field) {
    for (int row = ROWS - 1;; row--)
        if (row % FIELDS == field || (row + 1) % FIELDS == field || (row + 2) % FIELDS == field)
            return (uint64_t)row;
}

static bool answers_are_right(npv_store *store, int field) {
    return count_rows(store, field) == rows_with(field) && count_values(store, field) == rows_with(field) &&
           last_row(store, field) == expected_last(field);
}

static void test_memory_for_columns_is_bounded(void **state) {
    (void)state;
    npv_store *const store = make_store();
    for (int field = 0; field < FIELDS; field++) {
        npv_filter *filter = NULL;
        assert_true(answers_are_right(store, field));
        assert_true(store->columns.count <= NPV_KEPT_COLUMNS);
        assert_int_equal(npv_filter_new("h = 1", NULL, &filter, NULL), NPV_OK);
        assert_int_equal(npv_filter_check(store, filter, NULL), NPV_E_NOT_FOUND);
        assert_true(store->columns.count <= NPV_KEPT_COLUMNS);
        npv_filter_free(filter);
    }
    for (size_t i = 0; i < store->columns.count; i++)
        assert_int_equal(store->columns.held[i].readers, 0);
    npv_close(store);
}

typedef struct shared {
    npv_store *store;
    atomic_int thread;
} shared;

static void *ask(void *context) {
    shared *const all = context;
    oracle_random random = {(uint64_t)all->thread++};
    for (int turn = 0; turn < TURNS; turn++)
        if (!answers_are_right(all->store, (int)(oracle_next(&random) % FIELDS)))
            return context;
    return NULL;
}

static void test_threads_name_many_fields_at_once(void **state) {
    (void)state;
    shared all = {make_store(), 1};
    pthread_t threads[THREADS];
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, ask, &all), 0);
    for (int i = 0; i < THREADS; i++) {
        void *wrong = NULL;
        assert_int_equal(pthread_join(threads[i], &wrong), 0);
        assert_null(wrong);
    }
    assert_true(all.store->columns.count <= NPV_KEPT_COLUMNS);
    npv_close(all.store);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_memory_for_columns_is_bounded),
        cmocka_unit_test(test_threads_name_many_fields_at_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
