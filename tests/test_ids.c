/* Ids: unique, found, freed, kept in the file; arrays of ids from elsewhere, honest or not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "forge.h"
#include "store.h"

static const float vectors[] = {1, 0, 0, 1, 3, 4, 4, 3, 1, 1, 2, 1};

static npv_store *new_store(void) {
    npv_store_options options = NPV_STORE_OPTIONS_INIT;
    npv_store *store = NULL;
    options.dimensions = 2;
    options.normalize = NPV_NORMALIZE_OFF;
    assert_int_equal(npv_create(&options, &store, NULL), NPV_OK);
    return store;
}

static npv_status add(npv_store *store, const char *const *ids, size_t count, npv_error *error) {
    npv_batch batch = NPV_BATCH_INIT;
    batch.count = count;
    batch.vectors = vectors;
    batch.ids = ids;
    return npv_add(store, &batch, NULL, error);
}

static npv_status upsert(npv_store *store, const char *const *ids, const char *const *documents, size_t count,
                         npv_error *error) {
    npv_batch batch = NPV_BATCH_INIT;
    batch.count = count;
    batch.vectors = vectors;
    batch.documents = documents;
    batch.ids = ids;
    return npv_upsert(store, &batch, NULL, NULL, error);
}

static npv_status delete_ids(npv_store *store, const char *const *ids, size_t count, uint64_t *deleted) {
    npv_selection selection = NPV_SELECTION_INIT;
    selection.ids = ids;
    selection.id_count = count;
    return npv_delete(store, &selection, deleted, NULL);
}

static void expect(const npv_error *error, npv_status code, const char *text) {
    assert_int_equal(error->code, code);
    if (strstr(error->message, text) == NULL)
        fail_msg("expected '%s' in '%s'", text, error->message);
}

static void expect_row(npv_store *store, const char *id, uint64_t expected) {
    uint64_t row = UINT64_MAX;
    npv_error error = {0};
    if (npv_find(store, id, &row, &error) != NPV_OK)
        fail_msg("%s", error.message);
    assert_int_equal(row, expected);
}

static uint64_t id_count(npv_store *store) {
    npv_info info = {.size = sizeof info};
    assert_int_equal(npv_get_info(store, &info, NULL), NPV_OK);
    return info.ids;
}

static npv_store *reopen(npv_store *store, const char *path) {
    npv_error error = {0};
    if (npv_save(store, path, NULL, &error) != NPV_OK)
        fail_msg("%s", error.message);
    npv_close(store);
    if (npv_open(path, NULL, &store, &error) != NPV_OK)
        fail_msg("%s", error.message);
    return store;
}

/* ------------------------------------------------------------------------------------------------------- Memory -- */

static void ids_are_unique_and_fit(void **state) {
    (void)state;
    char longest[NPV_MAX_ID_BYTES + 2];
    memset(longest, 'x', sizeof longest);
    longest[NPV_MAX_ID_BYTES] = '\0';
    const char *good[] = {"a", NULL, longest};
    const char *there[] = {"b", "a"}, *twice[] = {"c", "c"}, *empty[] = {""}, *latin[] = {"\xe9t\xe9"};
    npv_error error = {0};
    npv_store *store = new_store();
    assert_int_equal(add(store, good, 3, &error), NPV_OK);
    const size_t texts_size = store->ids.texts_size;
    assert_int_equal(add(store, there, 2, &error), NPV_E_EXISTS);
    expect(&error, NPV_E_EXISTS, "row 1: the id 'a' is that of row 0 already");
    assert_int_equal(add(store, twice, 2, &error), NPV_E_EXISTS);
    expect(&error, NPV_E_EXISTS, "row 1: another row of the batch has the same id");
    assert_int_equal(add(store, empty, 1, &error), NPV_E_ARGUMENT);
    expect(&error, NPV_E_ARGUMENT, "row 0: an id must not be empty");
    assert_int_equal(add(store, latin, 1, &error), NPV_E_ARGUMENT);
    expect(&error, NPV_E_ARGUMENT, "row 0: an id must be UTF-8");
    longest[NPV_MAX_ID_BYTES] = 'x';
    longest[NPV_MAX_ID_BYTES + 1] = '\0';
    assert_int_equal(add(store, &good[2], 1, &error), NPV_E_ARGUMENT);
    expect(&error, NPV_E_ARGUMENT, "row 0: an id may have at most 512 bytes, found 513");
    assert_int_equal(npv_count(store), 3);
    assert_int_equal(id_count(store), 2);
    /* What failed left no id behind. */
    assert_int_equal(store->ids.texts_size, texts_size);
    assert_int_equal(add(store, (const char *const[]){"b", "c"}, 2, &error), NPV_OK);
    expect_row(store, "b", 3);
    expect_row(store, "c", 4);
    npv_close(store);
}

static void deleted_ids_are_free_at_once(void **state) {
    (void)state;
    const char *ids[] = {"a", "b", "c"}, *gone[] = {"nobody", "b", "b"};
    uint64_t deleted = 0, row = 0;
    const char *id = "";
    npv_error error = {0};
    npv_store *store = new_store();
    assert_int_equal(add(store, ids, 3, NULL), NPV_OK);
    assert_int_equal(delete_ids(store, gone, 3, &deleted), NPV_OK);
    assert_int_equal(deleted, 1);
    assert_int_equal(npv_find(store, "b", &row, &error), NPV_E_NOT_FOUND);
    expect(&error, NPV_E_NOT_FOUND, "no row has the id 'b'");
    assert_int_equal(npv_get_id(store, 1, &id, &error), NPV_E_RANGE);
    expect(&error, NPV_E_RANGE, "row 1 was deleted");
    assert_int_equal(add(store, &ids[1], 1, &error), NPV_OK);
    expect_row(store, "b", 3);
    assert_int_equal(id_count(store), 3);
    npv_close(store);
}

static void deleting_says_which_rows(void **state) {
    (void)state;
    const npv_selection all = NPV_SELECTION_INIT;
    npv_selection some = NPV_SELECTION_INIT;
    uint64_t rows[] = {1, 2, 1}, deleted = 7;
    npv_error error = {0};
    npv_store *store = new_store();
    assert_int_equal(add(store, NULL, 4, NULL), NPV_OK);
    assert_int_equal(npv_delete(store, &all, &deleted, &error), NPV_E_ARGUMENT);
    expect(&error, NPV_E_ARGUMENT, "npv_clear removes all rows");
    assert_int_equal(npv_delete(store, NULL, &deleted, &error), NPV_E_ARGUMENT);
    some.rows = rows;
    some.row_count = 3;
    assert_int_equal(npv_delete(store, &some, &deleted, &error), NPV_E_ARGUMENT);
    expect(&error, NPV_E_ARGUMENT, "expected each row once, found row 1 again");
    rows[2] = 4;
    assert_int_equal(npv_delete(store, &some, &deleted, &error), NPV_E_RANGE);
    expect(&error, NPV_E_RANGE, "expected a row from 0 to 3, found 4");
    assert_int_equal(deleted, 7);
    assert_int_equal(npv_count(store), 4);
    some.row_count = 0;
    assert_int_equal(npv_delete(store, &some, &deleted, &error), NPV_OK);
    assert_int_equal(deleted, 0);
    some.row_count = 2;
    assert_int_equal(npv_delete(store, &some, &deleted, &error), NPV_OK);
    assert_int_equal(npv_delete(store, &some, &deleted, &error), NPV_E_RANGE);
    expect(&error, NPV_E_RANGE, "row 1 was deleted");
    some.rows = NULL;
    some.ids = (const char *const[]){NULL};
    some.id_count = 1;
    assert_int_equal(npv_delete(store, &some, &deleted, &error), NPV_E_ARGUMENT);
    npv_close(store);
}

static void a_failed_upsert_changes_nothing(void **state) {
    (void)state;
    const char *ids[] = {"a", "b", "c"}, *twice[] = {"a", "new", "a"}, *new_twice[] = {"a", "new", "new"};
    const char *none[] = {"a", NULL, "b"}, *mistake[] = {"{\"x\": 2}", "{", NULL}, *mixed[] = {"c", "new", "a"};
    const char *documents[] = {"{\"x\": 1}", "{\"x\": 1}", NULL};
    char *json = NULL;
    npv_error error = {0};
    npv_store *store = new_store();
    assert_int_equal(upsert(store, ids, documents, 3, &error), NPV_OK);
    assert_int_equal(upsert(store, twice, NULL, 3, &error), NPV_E_EXISTS);
    expect(&error, NPV_E_EXISTS, "row 2: another row of the batch has the same id");
    assert_int_equal(upsert(store, new_twice, NULL, 3, &error), NPV_E_EXISTS);
    expect(&error, NPV_E_EXISTS, "row 2: another row of the batch has the same id");
    assert_int_equal(upsert(store, none, NULL, 3, &error), NPV_E_ARGUMENT);
    expect(&error, NPV_E_ARGUMENT, "row 1: expected an id, found none");
    assert_int_equal(upsert(store, NULL, NULL, 3, &error), NPV_E_ARGUMENT);
    expect(&error, NPV_E_ARGUMENT, "row 0: expected an id, found none");
    assert_int_equal(upsert(store, mixed, mistake, 3, &error), NPV_E_ARGUMENT);
    expect(&error, NPV_E_ARGUMENT, "row 1: ");
    assert_int_equal(npv_count(store), 3);
    assert_int_equal(id_count(store), 3);
    assert_memory_equal(npv_vectors(store), vectors, 6 * sizeof *vectors);
    assert_int_equal(npv_get_document(store, 0, &json, NULL), NPV_OK);
    assert_string_equal(json, "{\"x\": 1}");
    npv_free(json);
    assert_int_equal(upsert(store, mixed, NULL, 3, &error), NPV_OK);
    expect_row(store, "new", 3);
    assert_memory_equal(npv_vectors(store) + 4, vectors, 2 * sizeof *vectors);
    assert_memory_equal(npv_vectors(store), vectors + 4, 2 * sizeof *vectors);
    npv_close(store);
}

static npv_status set(npv_store *store, const uint64_t *rows, const char *const *documents, size_t count,
                      npv_error *error) {
    npv_batch batch = NPV_BATCH_INIT;
    batch.count = count;
    batch.documents = documents;
    return npv_set_documents(store, rows, &batch, error);
}

static void expect_documents(npv_store *store, const char *const *expected, size_t count) {
    for (size_t row = 0; row < count; row++) {
        char *json = NULL;
        assert_int_equal(npv_get_document(store, row, &json, NULL), NPV_OK);
        assert_true((json == NULL) == (expected[row] == NULL));
        if (json != NULL)
            assert_string_equal(json, expected[row]);
        npv_free(json);
    }
}

static void documents_are_set_by_row_or_not_at_all(void **state) {
    (void)state;
    const char *const ids[] = {"a", NULL, "c"};
    const char *const good[] = {"{\"x\": 2}", NULL, "{\"x\": 1}"}, *const wrong[] = {"{\"x\": 3}", "{"};
    const char *const none[] = {NULL, NULL, NULL}, *const set_twice[] = {"{\"x\": 1}", "{\"x\": 2}", NULL};
    npv_error error = {0};
    npv_store *store = new_store();
    npv_batch batch = {.size = sizeof batch, .count = 1, .vectors = vectors};
    assert_int_equal(set(store, (const uint64_t[]){0}, good, 1, &error), NPV_E_RANGE);
    expect(&error, NPV_E_RANGE, "the store is empty");
    assert_int_equal(add(store, ids, 3, NULL), NPV_OK);
    assert_int_equal(set(store, (const uint64_t[]){2, 0}, wrong, 2, &error), NPV_E_ARGUMENT);
    expect(&error, NPV_E_ARGUMENT, "row 1: ");
    assert_int_equal(set(store, (const uint64_t[]){2, 3}, good, 2, &error), NPV_E_RANGE);
    expect(&error, NPV_E_RANGE, "found 3");
    assert_int_equal(set(store, (const uint64_t[]){2, 1, 2}, good, 3, &error), NPV_E_ARGUMENT);
    expect(&error, NPV_E_ARGUMENT, "expected each row once, found row 2 again");
    assert_int_equal(set(store, NULL, good, 3, &error), NPV_E_ARGUMENT);
    expect(&error, NPV_E_ARGUMENT, "expected 3 row numbers, found NULL");
    assert_int_equal(npv_set_documents(store, (const uint64_t[]){0}, &batch, &error), NPV_E_ARGUMENT);
    expect(&error, NPV_E_ARGUMENT, "found vectors");
    batch.vectors = NULL;
    batch.ids = ids;
    assert_int_equal(npv_set_documents(store, (const uint64_t[]){0}, &batch, &error), NPV_E_ARGUMENT);
    expect(&error, NPV_E_ARGUMENT, "found ids");
    assert_int_equal(set(store, NULL, NULL, 0, &error), NPV_OK);
    expect_documents(store, none, 3);
    assert_int_equal(set(store, (const uint64_t[]){1, 2, 0}, good, 3, &error), NPV_OK);
    expect_documents(store, set_twice, 2);
    assert_int_equal(npv_count(store), 3);
    assert_int_equal(id_count(store), 2);
    assert_memory_equal(npv_vectors(store), vectors, 6 * sizeof *vectors);
    assert_int_equal(set(store, (const uint64_t[]){1, 0}, NULL, 2, &error), NPV_OK);
    expect_documents(store, none, 3);
    assert_int_equal(delete_ids(store, ids + 2, 1, NULL), NPV_OK);
    assert_int_equal(set(store, (const uint64_t[]){2}, good, 1, &error), NPV_E_RANGE);
    expect(&error, NPV_E_RANGE, "row 2 was deleted");
    npv_close(store);
}

/* Replacing one document again and again does not fill the memory. */
static void replaced_documents_give_their_memory_back(void **state) {
    (void)state;
    enum { size = 10000 };
    char *text = malloc(size + 32);
    const char *ids[] = {"a", "b"}, *documents[] = {text, "{\"small\": true}"};
    char *json = NULL;
    npv_store *store = new_store();
    assert_non_null(text);
    for (int i = 0; i < 2000; i++) {
        const int head = snprintf(text, 32, "{\"n\": %d, \"text\": \"", i);
        memset(text + head, 'x', size);
        strcpy(text + head + size - 8, "\"}");
        assert_int_equal(upsert(store, ids, documents, i % 2 == 0 ? 2 : 1, NULL), NPV_OK);
        assert_true(store->documents.fragments_size < (size_t)4 << 20);
    }
    assert_int_equal(npv_get_document(store, 0, &json, NULL), NPV_OK);
    assert_string_equal(json, text);
    npv_free(json);
    store = reopen(store, forge_path("documents.npz"));
    assert_int_equal(npv_get_document(store, 1, &json, NULL), NPV_OK);
    assert_string_equal(json, documents[1]);
    npv_free(json);
    npv_close(store);
    free(text);
    forge_remove_files();
}

/* -------------------------------------------------------------------------------------------------------- Files -- */

static npv_archive_facts facts_of(const char *path) {
    npv_archive *archive = NULL;
    npv_archive_facts facts;
    assert_int_equal(npv_archive_open(path, &archive, &facts, NULL), NPV_OK);
    npv_archive_close(archive);
    return facts;
}

static void ids_come_back_from_the_file(void **state) {
    (void)state;
    const char *ids[] = {"\xc3\xa9t\xc3\xa9", NULL, "\xf0\x9f\x98\x80", "a", "\xed\xa0\x80", NULL};
    const char *gone[] = {"a"}, *rest[] = {"\xc3\xa9t\xc3\xa9", "\xf0\x9f\x98\x80", "\xed\xa0\x80"};
    const char *path = forge_path("ids.npz"), *id = "";
    npv_store *store = new_store();
    assert_int_equal(add(store, ids, 6, NULL), NPV_OK);
    store = reopen(store, path);
    assert_true(facts_of(path).ids && facts_of(path).marked);
    for (uint64_t row = 0; row < 6; row++) {
        assert_int_equal(npv_get_id(store, row, &id, NULL), NPV_OK);
        if (ids[row] == NULL) {
            assert_null(id);
            continue;
        }
        assert_string_equal(id, ids[row]);
        expect_row(store, ids[row], row);
    }
    assert_int_equal(delete_ids(store, gone, 1, NULL), NPV_OK);
    store = reopen(store, path);
    assert_int_equal(npv_count(store), 5);
    expect_row(store, "\xed\xa0\x80", 3);
    assert_int_equal(delete_ids(store, rest, 3, NULL), NPV_OK);
    store = reopen(store, path);
    assert_false(facts_of(path).ids); /* nobody has one: no member */
    assert_true(facts_of(path).marked);
    assert_int_equal(npv_count(store), 2);
    npv_close(store);
    forge_remove_files();
}

/* A file with `ids` as an array of this type and shape, beside three vectors. */
static void write_ids(const char *path, const char *dict, const void *data, size_t size) {
    npv_buffer rows = forge_npy(1, "{'descr': '<f4', 'fortran_order': False, 'shape': (3, 2), }", vectors, 24);
    npv_buffer ids = forge_npy(1, dict, data, size);
    npv_buffer zip = forge_zip((const forged_member[]){{"vectors.npy", {rows.data, rows.size}, false},
                                                       {"ids.npy", {ids.data, ids.size}, true}},
                               2, "");
    forge_write(path, (npv_bytes){zip.data, zip.size});
    free(rows.data);
    free(ids.data);
    free(zip.data);
}

static void ids_of_either_byte_order_are_read(void **state) {
    (void)state;
    static const unsigned char big[] = {0, 0, 0, 'a', 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0xf6, 0, 0, 0, 0, 'b'};
    static const unsigned char little[] = {'a', 0, 0, 0, 0, 0,    0, 0, 0,   0, 0, 0,
                                           0,   0, 0, 0, 0, 0xf6, 1, 0, 'b', 0, 0, 0};
    const char *path = forge_path("foreign.npz"), *id = "";
    for (int i = 0; i < 2; i++) {
        npv_store *store = NULL;
        write_ids(path,
                  i == 0 ? "{'descr': '>U2', 'fortran_order': False, 'shape': (3,), }"
                         : "{'descr': '<U2', 'fortran_order': False, 'shape': (3,), }",
                  i == 0 ? big : little, sizeof big);
        assert_int_equal(npv_open(path, NULL, &store, NULL), NPV_OK);
        expect_row(store, "a", 0);
        assert_int_equal(npv_get_id(store, 1, &id, NULL), NPV_OK);
        assert_null(id);
        expect_row(store,
                   "\xf0\x9f\x98\x80"
                   "b",
                   2);
        npv_close(store);
    }
    forge_remove_files();
}

static void expect_refused(const char *dict, const void *data, size_t size, npv_status code, const char *text) {
    const char *path = forge_path("foreign.npz"), *id = NULL;
    npv_store *store = NULL;
    npv_error error = {0};
    write_ids(path, dict, data, size);
    npv_status status = npv_open(path, NULL, &store, &error);
    if (status == NPV_OK)
        status = npv_get_id(store, 0, &id, &error);
    assert_int_equal(status, code);
    expect(&error, code, text);
    assert_non_null(strstr(error.message, "foreign.npz: ids.npy: "));
    npv_close(store);
}

static void dishonest_ids_are_refused(void **state) {
    (void)state;
    static const char two[] = "{'descr': '<U1', 'fortran_order': False, 'shape': (2,), }";
    static const char three[] = "{'descr': '<U1', 'fortran_order': False, 'shape': (3,), }";
    static const char wide[] = "{'descr': '<U2', 'fortran_order': False, 'shape': (3,), }";
    static const uint32_t same[] = {'x', 'y', 'x'}, beyond[] = {'x', 0x110000, 'y'};
    static const uint32_t gap[] = {'x', 0, 0, 'y', 'z', 0};
    expect_refused(two, same, 8, NPV_E_FORMAT, "expected an id for each of the 3 vectors, found dtype '<U1'");
    expect_refused(three, same, 12, NPV_E_FORMAT, "rows 0 and 2 have the same id");
    expect_refused(three, beyond, 12, NPV_E_FORMAT, "row 1: expected a character, found code point 0x110000");
    expect_refused(wide, gap, 24, NPV_E_UNSUPPORTED, "row 1: an id must be UTF-8 without zero bytes");
    expect_refused("{'descr': '<U2147483647', 'fortran_order': False, 'shape': (3,), }", same, 12, NPV_E_FORMAT,
                   "expected 25769803764 bytes of data");
    char *zeros = calloc(3, 4 * 513);
    assert_non_null(zeros);
    expect_refused("{'descr': '<U513', 'fortran_order': False, 'shape': (3,), }", zeros, 3 * 4 * 513, NPV_E_LIMIT,
                   "expected ids of at most 512 characters");
    free(zeros);
    forge_remove_files();
}

/* Numbers called ids are somebody else's array, like one of any other name: not read, and not lost. */
static void ids_that_are_no_text_are_not_ours(void **state) {
    (void)state;
    const uint32_t numbers[] = {1, 2, 3};
    const char *path = forge_path("foreign.npz");
    npv_store *store = NULL;
    npv_error error = {0};
    write_ids(path, "{'descr': '<i4', 'fortran_order': False, 'shape': (3,), }", numbers, sizeof numbers);
    assert_int_equal(npv_open(path, NULL, &store, &error), NPV_OK);
    assert_int_equal(id_count(store), 0);
    assert_int_equal(npv_save(store, NULL, NULL, &error), NPV_E_UNSUPPORTED);
    expect(&error, NPV_E_UNSUPPORTED, "would lose its member 'ids.npy'");
    npv_close(store);
    forge_remove_files();
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ids_are_unique_and_fit),
        cmocka_unit_test(deleted_ids_are_free_at_once),
        cmocka_unit_test(deleting_says_which_rows),
        cmocka_unit_test(a_failed_upsert_changes_nothing),
        cmocka_unit_test(documents_are_set_by_row_or_not_at_all),
        cmocka_unit_test(replaced_documents_give_their_memory_back),
        cmocka_unit_test(ids_come_back_from_the_file),
        cmocka_unit_test(ids_of_either_byte_order_are_read),
        cmocka_unit_test(dishonest_ids_are_refused),
        cmocka_unit_test(ids_that_are_no_text_are_not_ours),
    };
    return cmocka_run_group_tests(tests, forge_setup, forge_teardown);
}
