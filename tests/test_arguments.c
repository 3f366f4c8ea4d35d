/* What callers must not hand over is an error that says so, whoever calls what. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "forge.h"
#include "npvec.h"

static npv_store *store;
static npv_filter *filter;
static npv_error error;

static int set_up(void **state) {
    (void)state;
    static const float vectors[] = {1, 0, 0, 1};
    static const char *const documents[] = {"{\"n\": 1}", NULL};
    static const char *const ids[] = {"a", NULL};
    npv_store_options options = NPV_STORE_OPTIONS_INIT;
    npv_batch batch = NPV_BATCH_INIT;
    options.dimensions = 2;
    options.threads = 1;
    batch.count = 2;
    batch.vectors = vectors;
    batch.documents = documents;
    batch.ids = ids;
    return forge_setup(state) != 0 || npv_create(&options, &store, NULL) != NPV_OK ||
                   npv_add(store, &batch, NULL, NULL) != NPV_OK ||
                   npv_filter_new("n = 1", NULL, &filter, NULL) != NPV_OK
               ? -1
               : 0;
}

static int tear_down(void **state) {
    (void)state;
    npv_filter_free(filter);
    npv_close(store);
    return forge_teardown(state);
}

/* Also without a place for the error, and the store is as it was. */
static void expect(npv_status found, npv_status expected, const char *message) {
    if (found != expected || error.code != expected || strstr(error.message, message) == NULL)
        fail_msg("expected status %d and '%s', found %d: %s", (int)expected, message, (int)found, error.message);
    assert_null(strchr(error.message, '\n'));
    assert_int_equal(npv_count(store), 2);
    error = (npv_error){.message = ""};
}

static void null_is_refused_where_something_must_be(void **state) {
    (void)state;
    const npv_batch batch = NPV_BATCH_INIT;
    const float query[2] = {1, 0};
    const float *vector;
    const char *id;
    char *json;
    unsigned char *pickle;
    uint64_t row, *rows;
    size_t count;
    npv_facets facets;
    npv_hits hits;
    const npv_status wrong = NPV_E_ARGUMENT;
    const char *const name = "n";
    expect(npv_create(NULL, NULL, &error), wrong, "npv_create: expected a place for the store, found NULL");
    expect(npv_open(NULL, NULL, &store, &error), wrong, "found NULL");
    expect(npv_open("x.npz", NULL, NULL, &error), wrong, "found NULL");
    expect(npv_refresh(NULL, NULL, &error), wrong, "found NULL");
    expect(npv_save(NULL, "x.npz", NULL, &error), wrong, "found NULL");
    expect(npv_save(store, NULL, NULL, &error), wrong, "expected a path, found none");
    expect(npv_add(NULL, &batch, NULL, &error), wrong, "found NULL");
    expect(npv_add(store, NULL, NULL, &error), wrong, "found NULL");
    expect(npv_upsert(NULL, &batch, NULL, NULL, &error), wrong, "found NULL");
    expect(npv_upsert(store, NULL, NULL, NULL, &error), wrong, "found NULL");
    expect(npv_set_documents(NULL, &row, &batch, &error), wrong, "found NULL");
    expect(npv_set_documents(store, &row, NULL, &error), wrong, "found NULL");
    expect(npv_delete(NULL, NULL, NULL, &error), wrong, "found NULL");
    expect(npv_delete(store, NULL, NULL, &error), wrong, "");
    expect(npv_clear(NULL, &error), wrong, "found NULL");
    expect(npv_get_vector(NULL, 0, &vector, &error), wrong, "found NULL");
    expect(npv_get_vector(store, 0, NULL, &error), wrong, "found NULL");
    expect(npv_get_document(NULL, 0, &json, &error), wrong, "found NULL");
    expect(npv_get_document(store, 0, NULL, &error), wrong, "found NULL");
    expect(npv_get_pickle(NULL, 0, &pickle, &count, &error), wrong, "found NULL");
    expect(npv_get_pickle(store, 0, NULL, &count, &error), wrong, "found NULL");
    expect(npv_get_object(NULL, 0, &pickle, &count, &error), wrong, "found NULL");
    expect(npv_get_object(store, 0, NULL, &count, &error), wrong, "found NULL");
    expect(npv_get_object(store, 0, &pickle, NULL, &error), wrong, "found NULL");
    expect(npv_get_pickle(store, 0, &pickle, NULL, &error), wrong, "found NULL");
    expect(npv_get_fields(NULL, 0, &name, 1, &json, &error), wrong, "found NULL");
    expect(npv_get_fields(store, 0, NULL, 1, &json, &error), wrong, "found NULL");
    expect(npv_get_fields(store, 0, &name, 1, NULL, &error), wrong, "found NULL");
    expect(npv_get_fields(store, 0, &(const char *){NULL}, 1, &json, &error), wrong, "the name of field 0, found NULL");
    expect(npv_find(NULL, "a", &row, &error), wrong, "found NULL");
    expect(npv_find(store, NULL, &row, &error), wrong, "found NULL");
    expect(npv_find(store, "a", NULL, &error), wrong, "found NULL");
    expect(npv_get_id(NULL, 0, &id, &error), wrong, "found NULL");
    expect(npv_get_id(store, 0, NULL, &error), wrong, "found NULL");
    expect(npv_get_info(NULL, &(npv_info){.size = sizeof(npv_info)}, &error), wrong, "npv_info");
    expect(npv_get_info(store, NULL, &error), wrong, "npv_info");
    expect(npv_get_info(store, &(npv_info){.size = 0}, &error), wrong, "npv_info");
    expect(npv_get_schema(NULL, &(npv_schema){.size = sizeof(npv_schema)}, &error), wrong, "npv_schema");
    expect(npv_get_schema(store, NULL, &error), wrong, "npv_schema");
    expect(npv_get_schema(store, &(npv_schema){.size = 0}, &error), wrong, "npv_schema");
    expect(npv_filter_new(NULL, NULL, &filter, &error), wrong, "found NULL");
    expect(npv_filter_new("n = 1", NULL, NULL, &error), wrong, "found NULL");
    expect(npv_filter_check(NULL, filter, &error), wrong, "found NULL");
    expect(npv_filter_check(store, NULL, &error), wrong, "found NULL");
    expect(npv_count_selected(NULL, NULL, &row, &error), wrong, "found NULL");
    expect(npv_count_selected(store, NULL, NULL, &error), wrong, "found NULL");
    expect(npv_select(NULL, NULL, &rows, &count, &error), wrong, "found NULL");
    expect(npv_select(store, NULL, NULL, &count, &error), wrong, "found NULL");
    expect(npv_select(store, NULL, &rows, NULL, &error), wrong, "found NULL");
    expect(npv_get_facets(NULL, "n", NULL, &facets, &error), wrong, "found NULL");
    expect(npv_get_facets(store, NULL, NULL, &facets, &error), wrong, "found NULL");
    expect(npv_get_facets(store, "n", NULL, NULL, &error), wrong, "found NULL");
    expect(npv_search(NULL, query, 1, NULL, &hits, &error), wrong, "found NULL");
    expect(npv_search(store, NULL, 1, NULL, &hits, &error), wrong, "found NULL");
    expect(npv_search(store, query, 1, NULL, NULL, &error), wrong, "found NULL");
}

static void what_frees_takes_null(void **state) {
    (void)state;
    npv_close(NULL);
    npv_free(NULL);
    npv_filter_free(NULL);
    npv_facets_free(NULL);
    npv_hits_free(NULL);
}

static void lists_that_are_missing_are_refused(void **state) {
    (void)state;
    npv_selection selection = NPV_SELECTION_INIT;
    npv_batch batch = NPV_BATCH_INIT;
    const char *const ids[] = {"a", NULL};
    uint64_t count = 7;
    selection.row_count = 3;
    expect(npv_count_selected(store, &selection, &count, &error), NPV_E_ARGUMENT,
           "expected 3 rows to select, found NULL");
    selection.row_count = 0;
    selection.id_count = 2;
    expect(npv_count_selected(store, &selection, &count, &error), NPV_E_ARGUMENT,
           "expected 2 ids to select, found NULL");
    selection.ids = ids;
    expect(npv_count_selected(store, &selection, &count, &error), NPV_E_ARGUMENT,
           "expected an id as number 1 of 2, found NULL");
    expect(npv_delete(store, &selection, &count, &error), NPV_E_ARGUMENT,
           "expected an id as number 1 of 2, found NULL");
    selection.id_count = 1; /* and nothing of the rest was given */
    assert_int_equal(npv_count_selected(store, &selection, &count, NULL), NPV_OK);
    assert_int_equal(count, 1);
    batch.count = 5;
    expect(npv_add(store, &batch, NULL, &error), NPV_E_ARGUMENT, "expected 5 vectors, found NULL");
}

static void rows_that_are_not_there_are_out_of_range(void **state) {
    (void)state;
    const float *vector;
    const char *id;
    char *json;
    unsigned char *pickle;
    size_t size;
    const char *const name = "n";
    const uint64_t rows[] = {2, UINT64_MAX};
    for (size_t i = 0; i < 2; i++) {
        npv_selection selection = NPV_SELECTION_INIT;
        uint64_t count;
        selection.rows = rows + i;
        selection.row_count = 1;
        expect(npv_get_vector(store, rows[i], &vector, &error), NPV_E_RANGE, "");
        expect(npv_get_document(store, rows[i], &json, &error), NPV_E_RANGE, "");
        expect(npv_get_pickle(store, rows[i], &pickle, &size, &error), NPV_E_RANGE, "");
        expect(npv_get_fields(store, rows[i], &name, 1, &json, &error), NPV_E_RANGE, "");
        expect(npv_get_id(store, rows[i], &id, &error), NPV_E_RANGE, "");
        expect(npv_count_selected(store, &selection, &count, &error), NPV_E_RANGE, "");
    }
}

/* A struct of a newer header is longer; only what asks for nothing new is understood. */
static void structs_of_other_sizes_are_taken_or_refused(void **state) {
    (void)state;
    struct {
        npv_select_options options;
        unsigned char more[16];
    } newer = {NPV_SELECT_OPTIONS_INIT, {0}};
    npv_selection selection = NPV_SELECTION_INIT;
    uint64_t *rows = NULL, number;
    size_t count = 0;
    newer.options.size = sizeof newer;
    assert_int_equal(npv_select(store, &newer.options, &rows, &count, &error), NPV_OK);
    assert_int_equal(count, 2);
    npv_free(rows);
    newer.more[3] = 1;
    expect(npv_select(store, &newer.options, &rows, &count, &error), NPV_E_UNSUPPORTED, "npv_select_options");
    selection.size = 3;
    expect(npv_count_selected(store, &selection, &number, &error), NPV_E_ARGUMENT, "npv_selection");
    newer.options = (npv_select_options)NPV_SELECT_OPTIONS_INIT;
    newer.options.selection = &selection;
    expect(npv_select(store, &newer.options, &rows, &count, &error), NPV_E_ARGUMENT, "npv_selection");
    newer.options.selection = NULL;
    newer.options.reserved = 1;
    expect(npv_select(store, &newer.options, &rows, &count, &error), NPV_E_UNSUPPORTED, "expected 0 as `reserved`");
}

static void fields_that_cannot_be_are_refused(void **state) {
    (void)state;
    static const char *const names[] = {"", ".", "a.", "a[", "a[x]", "\"a"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        npv_select_options options = NPV_SELECT_OPTIONS_INIT;
        npv_facets facets;
        uint64_t *rows;
        size_t count;
        char *json;
        options.order_by = names[i];
        expect(npv_select(store, &options, &rows, &count, &error), NPV_E_ARGUMENT, "");
        expect(npv_get_facets(store, names[i], NULL, &facets, &error), NPV_E_ARGUMENT, "");
        expect(npv_get_fields(store, 0, &names[i], 1, &json, &error), NPV_E_ARGUMENT, "");
    }
}

static void what_one_kind_of_store_has_another_refuses(void **state) {
    (void)state;
    static const npv_field field = {"text", "U2"};
    static const float vectors[] = {1, 0};
    static const unsigned char not_text[8] = {'a', 0, 0, 0, 0xff, 0xff, 0x11, 0};
    const char *const document = "{\"text\": \"a\"}";
    npv_store_options options = NPV_STORE_OPTIONS_INIT;
    npv_batch batch = NPV_BATCH_INIT;
    npv_store *typed = NULL;
    options.dimensions = 2;
    options.fields = &field;
    options.field_count = 1;
    batch.count = 1;
    batch.vectors = vectors;
    assert_int_equal(npv_create(&options, &typed, &error), NPV_OK);
    expect(npv_add(typed, &batch, NULL, &error), NPV_E_ARGUMENT, "expected records or documents, ");
    batch.records = not_text;
    expect(npv_add(store, &batch, NULL, &error), NPV_E_ARGUMENT, "this store has no typed fields");
    expect(npv_add(typed, &batch, NULL, &error), NPV_E_ARGUMENT, "row 0: field 'text': expected text, found 0x11ffff");
    batch.documents = &document;
    expect(npv_add(typed, &batch, NULL, &error), NPV_E_ARGUMENT, "found both");
    batch.records = NULL;
    assert_int_equal(npv_add(typed, &batch, NULL, &error), NPV_OK);
    npv_close(typed);
}

static void limits_are_of_their_metric(void **state) {
    (void)state;
    const float query[] = {1, 0};
    npv_search_options options = NPV_SEARCH_OPTIONS_INIT;
    npv_hits hits;
    options.max_distance = 1;
    expect(npv_search(store, query, 1, &options, &hits, &error), NPV_E_ARGUMENT, "max_distance is for Euclidean");
    options = (npv_search_options)NPV_SEARCH_OPTIONS_INIT;
    options.metric = NPV_EUCLIDEAN;
    options.min_score = 0;
    expect(npv_search(store, query, 1, &options, &hits, &error), NPV_E_ARGUMENT, "min_score");
}

static void nothing_may_be_added_and_too_much_may_not_be_asked(void **state) {
    (void)state;
    enum { TOO_MANY = NPV_MAX_FIELDS + 1 };
    static const char *names[TOO_MANY];
    const npv_batch nothing = NPV_BATCH_INIT;
    uint64_t first = 7, replaced = 7;
    char *json;
    assert_int_equal(npv_add(store, &nothing, &first, &error), NPV_OK);
    assert_int_equal(npv_upsert(store, &nothing, NULL, &replaced, &error), NPV_OK);
    assert_int_equal(first, 2);
    assert_int_equal(replaced, 0);
    for (size_t i = 0; i < TOO_MANY; i++)
        names[i] = "n";
    expect(npv_get_fields(store, 0, names, TOO_MANY, &json, &error), NPV_E_LIMIT, "expected at most 1024 fields");
}

static void files_that_cannot_be_written_to_are_not_opened_for_it(void **state) {
    (void)state;
    static const npv_field field = {"text", "U2"};
    npv_buffer vectors =
        forge_npy(1, "{'descr': '<f4', 'fortran_order': False, 'shape': (1, 2)}", "\0\0\x80\x3f\0\0\0", 8);
    const npv_bytes all = {vectors.data, vectors.size};
    const forged_member members[] = {{"vectors.npy", all, false}, {"more.npy", all, false}};
    npv_buffer zip = forge_zip(members, 2, "");
    npv_store_options options = NPV_STORE_OPTIONS_INIT;
    npv_store *opened = NULL;
    const char *const path = forge_path("a.npz");
    options.durability = NPV_DURABILITY_OS;
    expect(npv_open(forge_path("a.npy"), &options, &opened, &error), NPV_E_ARGUMENT, "a name that ends in .npz");
    expect(npv_open(path, &options, &opened, &error), NPV_E_IO, "dimensions would be needed to create it");
    forge_write(path, (npv_bytes){zip.data, zip.size});
    expect(npv_open(path, &options, &opened, &error), NPV_E_UNSUPPORTED, "would lose its member 'more.npy'");
    free(zip.data);
    zip = forge_zip(members, 1, "");
    forge_write(path, (npv_bytes){zip.data, zip.size});
    options.fields = &field;
    options.field_count = 1;
    expect(npv_open(path, &options, &opened, &error), NPV_E_ARGUMENT,
           "expected typed fields [('text', '<U2')], found none");
    options.durability = NPV_DURABILITY_OFF;
    expect(npv_open(path, &options, &opened, &error), NPV_E_ARGUMENT, "expected no typed fields, which the file says");
    options.durability = (npv_durability)77;
    expect(npv_open(path, &options, &opened, &error), NPV_E_UNSUPPORTED, "expected a durability of 0 to");
    assert_null(opened);
    assert_int_equal(forge_count(""), 1); /* and no journals were left */
    free(zip.data);
    free(vectors.data);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(null_is_refused_where_something_must_be),
        cmocka_unit_test(what_frees_takes_null),
        cmocka_unit_test(lists_that_are_missing_are_refused),
        cmocka_unit_test(rows_that_are_not_there_are_out_of_range),
        cmocka_unit_test(structs_of_other_sizes_are_taken_or_refused),
        cmocka_unit_test(fields_that_cannot_be_are_refused),
        cmocka_unit_test(what_one_kind_of_store_has_another_refuses),
        cmocka_unit_test(limits_are_of_their_metric),
        cmocka_unit_test(nothing_may_be_added_and_too_much_may_not_be_asked),
        cmocka_unit_test(files_that_cannot_be_written_to_are_not_opened_for_it),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
