/* Stores with typed fields through npvec.h: what they take, what they refuse, and that nothing is half done. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "failing_malloc.h"
#include "forge.h"
#include "npvec.h"

enum { DIMENSIONS = 2 };

typedef struct record {
    int32_t year;
    uint32_t title[3];
} record;

static const npv_field fields[] = {{"year", "i4"}, {"title", "U3"}};
static const float vectors[] = {1, 0, 0, 1, -1, 0, 0, -1};
static const record records[] = {{2001, {'a'}}, {2002, {'b', 'b'}}, {2003, {'c', 'c', 'c'}}, {2004, {0}}};
static const char *const documents[] = {"{\"year\": 2001, \"title\": \"a\"}", "{\"year\": 2002, \"title\": \"bb\"}",
                                        "{\"year\": 2003, \"title\": \"ccc\"}", "{\"year\": 2004, \"title\": \"\"}"};
static const char *const ids[] = {"one", "two", "three", "four"};

static npv_status create(npv_store **store, npv_error *error) {
    npv_store_options options = NPV_STORE_OPTIONS_INIT;
    options.dimensions = DIMENSIONS;
    options.threads = 1;
    options.fields = fields;
    options.field_count = 2;
    return npv_create(&options, store, error);
}

static npv_batch batch_of(size_t first, size_t count, bool as_records) {
    npv_batch batch = NPV_BATCH_INIT;
    batch.count = count;
    batch.vectors = vectors + first * DIMENSIONS;
    batch.ids = ids + first;
    batch.records = as_records ? records + first : NULL;
    batch.documents = as_records ? NULL : documents + first;
    return batch;
}

static npv_schema look(npv_store *store) {
    npv_schema schema = {.size = sizeof schema};
    assert_int_equal(npv_get_schema(store, &schema, NULL), NPV_OK);
    return schema;
}

static void assert_document(npv_store *store, uint64_t row, const char *expected) {
    char *json = NULL;
    assert_int_equal(npv_get_document(store, row, &json, NULL), NPV_OK);
    assert_string_equal(json, expected);
    npv_free(json);
}

static void records_and_documents_are_the_same_rows(void **state) {
    (void)state;
    for (int as_records = 0; as_records < 2; as_records++) {
        npv_store *store = NULL;
        assert_int_equal(create(&store, NULL), NPV_OK);
        for (size_t half = 0; half < 2; half++) {
            const npv_batch batch = batch_of(2 * half, 2, as_records == 1);
            assert_int_equal(npv_add(store, &batch, NULL, NULL), NPV_OK);
        }
        const npv_schema schema = look(store);
        assert_int_equal(schema.record_size, sizeof(record));
        assert_memory_equal(schema.records, records, sizeof records);
        assert_string_equal(schema.descr, "[('year', '<i4'), ('title', '<U3')]");
        for (size_t row = 0; row < 4; row++)
            assert_document(store, row, documents[row]);
        npv_close(store);
    }
}

static void replaced_and_deleted_rows_take_their_records_along(void **state) {
    (void)state;
    npv_store *store = NULL;
    uint64_t rows[4], replaced = 0;
    assert_int_equal(create(&store, NULL), NPV_OK);
    npv_batch batch = batch_of(0, 3, true);
    assert_int_equal(npv_add(store, &batch, NULL, NULL), NPV_OK);
    /* "two" gets the record of 2004, and "four" that of 2001. */
    const char *const other_ids[] = {"two", "four"};
    const char *const other_documents[] = {documents[3], documents[0]};
    batch = batch_of(0, 2, false);
    batch.ids = other_ids;
    batch.documents = other_documents;
    assert_int_equal(npv_upsert(store, &batch, rows, &replaced, NULL), NPV_OK);
    assert_int_equal(replaced, 1);
    assert_int_equal(rows[0], 1);
    assert_int_equal(rows[1], 3);
    const record expected[] = {records[0], records[3], records[2], records[0]};
    assert_memory_equal(look(store).records, expected, sizeof expected);
    /* Rows 3 and 0 get those of 2002 and 2003, as records and as a document. */
    batch = (npv_batch){.size = sizeof batch, .count = 1, .records = &records[1]};
    assert_int_equal(npv_set_documents(store, (const uint64_t[]){3}, &batch, NULL), NPV_OK);
    batch = (npv_batch){.size = sizeof batch, .count = 1, .documents = &documents[2]};
    assert_int_equal(npv_set_documents(store, (const uint64_t[]){0}, &batch, NULL), NPV_OK);
    batch.documents = NULL;
    assert_int_equal(npv_set_documents(store, (const uint64_t[]){0}, &batch, NULL), NPV_E_ARGUMENT);
    const record set[] = {records[2], records[3], records[2], records[1]};
    assert_memory_equal(look(store).records, set, sizeof set);
    batch = (npv_batch){.size = sizeof batch, .count = 2, .records = (const record[]){records[0], records[0]}};
    assert_int_equal(npv_set_documents(store, (const uint64_t[]){3, 0}, &batch, NULL), NPV_OK);
    assert_memory_equal(look(store).records, expected, sizeof expected);

    npv_selection selection = NPV_SELECTION_INIT;
    selection.ids = other_ids;
    selection.id_count = 1;
    assert_int_equal(npv_delete(store, &selection, NULL, NULL), NPV_OK);
    assert_int_equal(npv_save(store, forge_path("typed.npz"), NULL, NULL), NPV_OK);
    const record left[] = {records[0], records[2], records[0]};
    assert_memory_equal(look(store).records, left, sizeof left);
    npv_close(store);
    assert_int_equal(npv_open(forge_path("typed.npz"), NULL, &store, NULL), NPV_OK);
    assert_memory_equal(look(store).records, left, sizeof left);
    assert_document(store, 1, documents[2]);
    npv_close(store);
    forge_remove_files();
}

static void refused_batches_leave_the_store_as_it_was(void **state) {
    (void)state;
    static const char *const wrong[] = {"{\"year\": 1, \"title\": \"abcd\"}", "{\"year\": 1}", "[]",
                                        "{\"year\": ", NULL};
    npv_store *store = NULL;
    assert_int_equal(create(&store, NULL), NPV_OK);
    npv_batch good = batch_of(0, 2, true);
    assert_int_equal(npv_add(store, &good, NULL, NULL), NPV_OK);
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        for (int upsert = 0; upsert < 2; upsert++) {
            const char *const texts[] = {documents[3], wrong[i]};
            const char *const some_ids[] = {"one", "new"};
            npv_batch batch = batch_of(0, 2, false);
            npv_error error = {0};
            batch.documents = texts;
            batch.ids = upsert == 1 ? some_ids : ids + 2;
            const npv_status status =
                upsert == 1 ? npv_upsert(store, &batch, NULL, NULL, &error) : npv_add(store, &batch, NULL, &error);
            assert_int_equal(status, NPV_E_ARGUMENT);
            assert_memory_equal(error.message, "row 1: ", 7);
            assert_int_equal(error.position != NPV_NO_POSITION, i == 3);
            assert_int_equal(npv_count(store), 2);
            assert_memory_equal(look(store).records, records, 2 * sizeof(record));
        }
    good = batch_of(2, 2, true);
    assert_int_equal(npv_add(store, &good, NULL, NULL), NPV_OK);
    assert_memory_equal(look(store).records, records, sizeof records);
    npv_close(store);
}

static void borrowed_records_stay_where_they_are(void **state) {
    (void)state;
    npv_store *store = NULL;
    assert_int_equal(create(&store, NULL), NPV_OK);
    npv_batch batch = batch_of(0, 4, true);
    batch.ids = NULL;
    assert_int_equal(npv_add(store, &batch, NULL, NULL), NPV_OK);
    const npv_schema first = look(store);
    for (int i = 0; i < 5000; i++)
        assert_int_equal(npv_add(store, &batch, NULL, NULL), NPV_OK);
    const npv_schema second = look(store);
    assert_ptr_equal(second.records, first.records);
    assert_ptr_equal(second.fields, first.fields);
    assert_memory_equal(first.records, records, sizeof records);
    assert_int_equal(npv_clear(store, NULL), NPV_OK);
    (void)*(const volatile unsigned char *)first.records; /* may still be read */
    assert_int_equal(npv_add(store, &batch, NULL, NULL), NPV_OK);
    assert_memory_equal(look(store).records, records, sizeof records);
    npv_close(store);
}

static void schema_is_filled_to_the_size_that_the_caller_knows(void **state) {
    (void)state;
    npv_store *store = NULL;
    npv_error error = {0};
    assert_int_equal(create(&store, NULL), NPV_OK);
    npv_schema schema = {.size = offsetof(npv_schema, descr), .descr = "untouched"};
    assert_int_equal(npv_get_schema(store, &schema, NULL), NPV_OK);
    assert_int_equal(schema.field_count, 2);
    assert_string_equal(schema.descr, "untouched");
    schema.size = 0;
    assert_int_equal(npv_get_schema(store, &schema, &error), NPV_E_ARGUMENT);
    assert_int_equal(npv_get_schema(store, NULL, NULL), NPV_E_ARGUMENT);
    npv_close(store);
}

static void fields_are_declared_when_a_store_is_made_and_only_then(void **state) {
    (void)state;
    npv_store_options options = NPV_STORE_OPTIONS_INIT;
    npv_store *store = NULL;
    npv_error error = {0};
    options.dimensions = DIMENSIONS;
    options.field_count = 2;
    assert_int_equal(npv_create(&options, &store, &error), NPV_E_ARGUMENT);
    assert_string_equal(error.message, "npv_create: expected 2 typed fields, found NULL");
    options.fields = fields;
    assert_int_equal(npv_open(forge_path("none.npz"), &options, &store, &error), NPV_E_ARGUMENT);
    assert_string_equal(error.message, "npv_open: expected no typed fields, which the file says; found 2");
    assert_null(store);
}

#ifdef FAILING_MALLOC
static npv_status live(npv_error *error) {
    npv_store *store = NULL;
    npv_schema schema = {.size = sizeof schema};
    npv_batch batch = batch_of(0, 3, false);
    char *json = NULL;
    npv_status status = create(&store, error);
    if (status == NPV_OK)
        status = npv_add(store, &batch, NULL, error);
    batch = batch_of(2, 2, true);
    if (status == NPV_OK)
        status = npv_upsert(store, &batch, NULL, NULL, error);
    if (status == NPV_OK)
        status = npv_save(store, forge_path("typed.npz"), NULL, error);
    npv_close(store);
    store = NULL;
    if (status == NPV_OK)
        status = npv_open(forge_path("typed.npz"), NULL, &store, error);
    if (status == NPV_OK)
        status = npv_get_document(store, 3, &json, error);
    if (status == NPV_OK)
        status = npv_get_schema(store, &schema, error);
    if (status == NPV_OK && memcmp(schema.records, records, sizeof records) != 0)
        status = NPV_E_FORMAT;
    npv_free(json);
    npv_close(store);
    return status;
}

static void every_failing_allocation_is_an_error(void **state) {
    (void)state;
    for (long n = 0;; n++) {
        npv_error error = {0};
        const long before = alive;
        until_failure = n;
        const npv_status status = live(&error);
        const bool reached = until_failure < 0;
        until_failure = -1;
        assert_int_equal(alive, before);
        if (!reached) {
            assert_int_equal(status, NPV_OK);
            assert_true(n > 30);
            break;
        }
        assert_int_equal(status, NPV_E_MEMORY);
    }
    forge_remove_files();
}
#else
static void every_failing_allocation_is_an_error(void **state) {
    (void)state;
    skip();
}
#endif

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(records_and_documents_are_the_same_rows),
        cmocka_unit_test(replaced_and_deleted_rows_take_their_records_along),
        cmocka_unit_test(refused_batches_leave_the_store_as_it_was),
        cmocka_unit_test(borrowed_records_stay_where_they_are),
        cmocka_unit_test(schema_is_filled_to_the_size_that_the_caller_knows),
        cmocka_unit_test(fields_are_declared_when_a_store_is_made_and_only_then),
        cmocka_unit_test(every_failing_allocation_is_an_error),
    };
    return cmocka_run_group_tests(tests, forge_setup, forge_teardown);
}
