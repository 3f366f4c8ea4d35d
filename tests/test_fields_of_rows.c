/* Fields of documents and records: their order, their facets, picked and misspelt. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "forge.h"
#include "journal_model.h"

static void values_are_in_order_whatever_their_type(void **state) {
    (void)state;
    static const char *documents[] = {"{\"v\": \"b\"}",
                                      "{\"v\": 2}",
                                      "{\"v\": null}",
                                      "{}",
                                      NULL,
                                      "{\"v\": true}",
                                      "{\"v\": 1.5}",
                                      "{\"v\": [1]}",
                                      "{\"v\": \"a\"}",
                                      "{\"v\": 9223372036854775807}",
                                      "{\"v\": false}",
                                      "{\"v\": 2.0}",
                                      "{\"v\": {\"x\": 1}}",
                                      "{\"v\": -3}"};
    static const uint64_t up[] = {10, 5, 13, 6, 1, 11, 9, 8, 0, 7, 12, 2, 3, 4};
    static const uint64_t down[] = {5, 10, 9, 1, 11, 6, 13, 0, 8, 7, 12, 2, 3, 4};
    static const char *const values[] = {"2",     "false", "true", "-3",         "1.5", "9223372036854775807",
                                         "\"a\"", "\"b\"", "[1]",  "{\"x\": 1}", "null"};
    enum { count = sizeof documents / sizeof *documents };
    npv_store_options options = NPV_STORE_OPTIONS_INIT;
    npv_select_options by_value = NPV_SELECT_OPTIONS_INIT;
    npv_batch given = NPV_BATCH_INIT;
    npv_store *store = NULL;
    npv_facets facets;
    npv_error error = {0};
    uint64_t *rows = NULL;
    size_t found = 0;
    float vectors[count] = {0};
    options.dimensions = 1;
    options.normalize = NPV_NORMALIZE_OFF;
    must(npv_create(&options, &store, &error), &error);
    /* One after the other, with the column there: codes come in the order of rows, not of values. */
    for (size_t i = 0; i < count; i++) {
        given.count = 1;
        given.vectors = vectors;
        given.documents = documents + i;
        must(npv_add(store, &given, NULL, &error), &error);
        by_value.order_by = "v";
        must(npv_select(store, &by_value, &rows, &found, &error), &error);
        npv_free(rows);
    }
    for (by_value.descending = 0; by_value.descending < 2; by_value.descending++) {
        must(npv_select(store, &by_value, &rows, &found, &error), &error);
        assert_int_equal(found, count);
        assert_memory_equal(rows, by_value.descending ? down : up, sizeof up);
        npv_free(rows);
    }
    must(npv_get_facets(store, "v", NULL, &facets, &error), &error);
    assert_int_equal(facets.count, sizeof values / sizeof *values);
    assert_int_equal(facets.missing, 2);
    for (size_t i = 0; i < facets.count; i++) {
        assert_string_equal(facets.facet[i].json, values[i]);
        assert_int_equal(facets.facet[i].count, i == 0 ? 2 : 1);
    }
    npv_facets_free(&facets);
    npv_close(store);
}

static void facets_of_records_keep_all_digits(void **state) {
    (void)state;
    static const npv_field declared[] = {{"n", "u8"}};
    static const uint64_t records[] = {UINT64_MAX, 5, (uint64_t)1 << 63, UINT64_MAX};
    static const char *const values[] = {"18446744073709551615", "5", "9223372036854775808"};
    npv_store_options options = NPV_STORE_OPTIONS_INIT;
    npv_batch given = NPV_BATCH_INIT;
    npv_store *store = NULL;
    npv_facets facets;
    npv_error error = {0};
    options.dimensions = 1;
    options.fields = declared;
    options.field_count = 1;
    must(npv_create(&options, &store, &error), &error);
    given.count = 4;
    given.vectors = (const float[]){1, 1, 1, 1};
    given.records = records;
    must(npv_add(store, &given, NULL, &error), &error);
    must(npv_get_facets(store, "n", NULL, &facets, &error), &error);
    assert_int_equal(facets.count, 3);
    for (size_t i = 0; i < 3; i++)
        assert_string_equal(facets.facet[i].json, values[i]);
    npv_facets_free(&facets);
    assert_int_equal(npv_get_facets(store, "m", NULL, &facets, &error), NPV_E_NOT_FOUND);
    npv_close(store);
}

static void fields_are_picked_from_documents(void **state) {
    (void)state;
    static const char *documents[] = {"{\"year\": 1843, \"author\": {\"name\": \"Ada\", \"x\": [1, {\"y\": null}]}}",
                                      NULL};
    static const char *const fields[] = {"author.name", "nothing", "year", "author.x[1].y"};
    static const char *const twice[] = {"year", "year"}, *const mistake[] = {"a..b"};
    npv_store_options options = NPV_STORE_OPTIONS_INIT;
    npv_batch given = NPV_BATCH_INIT;
    npv_store *store = NULL;
    npv_error error = {0};
    char *json = NULL;
    options.dimensions = 1;
    must(npv_create(&options, &store, &error), &error);
    given.count = 2;
    given.vectors = (const float[]){1, 1};
    given.documents = documents;
    must(npv_add(store, &given, NULL, &error), &error);
    must(npv_get_fields(store, 0, fields, 4, &json, &error), &error);
    assert_string_equal(json, "{\"author.name\": \"Ada\", \"year\": 1843, \"author.x[1].y\": null}");
    npv_free(json);
    must(npv_get_fields(store, 0, NULL, 0, &json, &error), &error);
    assert_string_equal(json, "{}");
    npv_free(json);
    must(npv_get_fields(store, 1, fields, 4, &json, &error), &error);
    assert_null(json);
    assert_int_equal(npv_get_fields(store, 0, twice, 2, &json, &error), NPV_E_ARGUMENT);
    assert_string_equal(error.message, "expected each field once, found 'year' again");
    assert_int_equal(npv_get_fields(store, 0, mistake, 1, &json, &error), NPV_E_ARGUMENT);
    assert_int_equal(npv_get_fields(store, 2, fields, 1, &json, &error), NPV_E_RANGE);
    npv_close(store);
}

/* A field that no row has is refused where fields are declared; in documents only npv_filter_check says so. */
static void misspelt_fields_are_found(void **state) {
    (void)state;
    static const npv_field declared[] = {{"year", "i4"}, {"title", "U8"}};
    static const char *documents[] = {"{\"year\": 1843, \"title\": \"Notes\"}"};
    for (int typed = 0; typed < 2; typed++) {
        npv_store_options options = NPV_STORE_OPTIONS_INIT;
        npv_selection selection = NPV_SELECTION_INIT;
        npv_batch given = NPV_BATCH_INIT;
        npv_store *store = NULL;
        npv_filter *filter = NULL, *good = NULL;
        npv_error error = {0};
        uint64_t count = 7;
        options.dimensions = 1;
        options.fields = typed ? declared : NULL;
        options.field_count = typed ? 2 : 0;
        must(npv_create(&options, &store, &error), &error);
        given.count = 1;
        given.vectors = (const float[]){1};
        given.documents = documents;
        must(npv_add(store, &given, NULL, &error), &error);
        must(npv_filter_new("title = 'x' OR yaer > 3 OR titel = 'y'", NULL, &filter, &error), &error);
        must(npv_filter_new("title = 'Notes' AND year > 3", NULL, &good, &error), &error);
        assert_int_equal(npv_filter_check(store, filter, &error), NPV_E_NOT_FOUND);
        assert_non_null(strstr(error.message, "'yaer'; did you mean 'year'?"));
        assert_int_equal(error.position, 15);
        must(npv_filter_check(store, good, &error), &error);
        selection.filter = filter;
        assert_int_equal(npv_count_selected(store, &selection, &count, &error), typed ? NPV_E_NOT_FOUND : NPV_OK);
        assert_int_equal(count, typed ? 7 : 0);
        selection.filter = good;
        must(npv_count_selected(store, &selection, &count, &error), &error);
        assert_int_equal(count, 1);
        char *json = NULL;
        const char *const fields[] = {"yaer"};
        assert_int_equal(npv_get_fields(store, 0, fields, 1, &json, &error), typed ? NPV_E_NOT_FOUND : NPV_OK);
        npv_free(json);
        npv_filter_free(filter);
        npv_filter_free(good);
        npv_close(store);
    }
}

/* Records of types that are not read are kept, but have no fields. */
static void fields_that_are_not_read_cannot_be_named(void **state) {
    (void)state;
    const float vectors[] = {1, 2}, complex_numbers[] = {1, 2, 3, 4};
    npv_buffer rows = forge_npy(1, "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 1), }", vectors, 8);
    npv_buffer records =
        forge_npy(1, "{'descr': [('z', '<c8')], 'fortran_order': False, 'shape': (2,), }", complex_numbers, 16);
    npv_buffer zip = forge_zip((const forged_member[]){{"vectors.npy", {rows.data, rows.size}, false},
                                                       {"metadata.npy", {records.data, records.size}, false}},
                               2, "");
    npv_facets facets;
    npv_store *store = NULL;
    npv_error error = {0};
    forge_write(forge_path("complex.npz"), (npv_bytes){zip.data, zip.size});
    must(npv_open(forge_path("complex.npz"), NULL, &store, &error), &error);
    assert_int_equal(npv_get_facets(store, "z", NULL, &facets, &error), NPV_E_UNSUPPORTED);
    assert_non_null(strstr(error.message, "does not read its fields"));
    npv_close(store);
    forge_remove_files();
    free(rows.data);
    free(records.data);
    free(zip.data);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_are_in_order_whatever_their_type),  cmocka_unit_test(facets_of_records_keep_all_digits),
        cmocka_unit_test(fields_are_picked_from_documents),         cmocka_unit_test(misspelt_fields_are_found),
        cmocka_unit_test(fields_that_are_not_read_cannot_be_named),
    };
    return cmocka_run_group_tests(tests, forge_setup, forge_teardown);
}
