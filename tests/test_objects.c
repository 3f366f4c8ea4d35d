/* Objects beside documents: bytes that are carried and never looked into. And pickles of documents. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <zlib.h>

#include "forge.h"
#include "npz/npy.h"
#include "npz/pickle.h"
#include "store.h"

enum { ROWS = 4 };

static const float vectors[] = {1, 0, 0, 1, 1, 1, 2, 1};
static const char *const ids[ROWS] = {"a", "b", "c", "d"};
static const char *const documents[ROWS] = {"{\"n\": 1}", "{\"n\": 2}", NULL, NULL};
/* The first is what Python makes of a date; the others are nothing that could be unpickled. */
static const npv_object objects[ROWS] = {
    {"\x80\4cdatetime\ndate\nC\4\7\xe3\1\1\x85R.", 26}, {NULL, 0}, {"\0(tu]0", 6}, {"", 0}};

static void must(npv_status status, const npv_error *error) {
    if (status != NPV_OK)
        fail_msg("%s", error->message);
}

static npv_batch batch_of(size_t first, size_t count) {
    npv_batch batch = NPV_BATCH_INIT;
    batch.count = count;
    batch.vectors = vectors + 2 * first;
    batch.documents = documents + first;
    batch.ids = ids + first;
    batch.objects = objects + first;
    return batch;
}

static npv_store *open_store(const char *path, npv_durability durability) {
    npv_store_options options = NPV_STORE_OPTIONS_INIT;
    npv_store *store = NULL;
    npv_error error = {0};
    options.dimensions = 2;
    options.normalize = NPV_NORMALIZE_OFF;
    options.threads = 1;
    options.durability = durability;
    must(path != NULL ? npv_open(path, &options, &store, &error) : npv_create(&options, &store, &error), &error);
    return store;
}

static int may_have_objects(npv_store *store) {
    npv_info info = {.size = sizeof info};
    npv_error error = {0};
    must(npv_get_info(store, &info, &error), &error);
    return info.objects;
}

static void expect_object(npv_store *store, uint64_t row, npv_object expected) {
    unsigned char *object = NULL;
    size_t size = 99;
    npv_error error = {0};
    must(npv_get_object(store, row, &object, &size, &error), &error);
    assert_int_equal(size, expected.size);
    assert_true((object == NULL) == (expected.data == NULL));
    if (size > 0)
        assert_memory_equal(object, expected.data, size);
    npv_free(object);
}

static void expect_document(npv_store *store, uint64_t row, const char *expected) {
    char *json = NULL;
    npv_error error = {0};
    must(npv_get_document(store, row, &json, &error), &error);
    assert_true((json == NULL) == (expected == NULL));
    if (json != NULL)
        assert_string_equal(json, expected);
    npv_free(json);
}

static void expect_all(npv_store *store) {
    npv_filter *filter = NULL;
    npv_selection selection = NPV_SELECTION_INIT;
    npv_error error = {0};
    uint64_t count = 0;
    for (uint64_t row = 0; row < ROWS; row++) {
        expect_object(store, row, objects[row]);
        expect_document(store, row, documents[row]);
    }
    must(npv_filter_new("n >= 1", NULL, &filter, &error), &error);
    selection.filter = filter;
    must(npv_count_selected(store, &selection, &count, &error), &error);
    assert_int_equal(count, 2);
    npv_filter_free(filter);
}

static void objects_are_kept_beside_documents(void **state) {
    (void)state;
    const char *const path = forge_path("objects.npz");
    npv_error error = {0};
    npv_batch batch = batch_of(0, ROWS);
    npv_store *store = open_store(NULL, NPV_DURABILITY_OFF);
    assert_int_equal(may_have_objects(store), 0);
    must(npv_add(store, &batch, NULL, &error), &error);
    assert_int_equal(may_have_objects(store), 1);
    expect_all(store);
    for (int compress = 0; compress < 2; compress++) {
        const npv_save_options options = {sizeof options, compress, 0};
        must(npv_save(store, path, &options, &error), &error);
        npv_close(store);
        store = open_store(path, NPV_DURABILITY_OFF);
        assert_int_equal(may_have_objects(store), 1);
        assert_true(store->metadata_waits);
        expect_all(store);
    }
    npv_close(store);
}

static void objects_go_with_their_rows(void **state) {
    (void)state;
    const char *const path = forge_path("gone.npz");
    const npv_object none = {NULL, 0};
    npv_error error = {0};
    npv_selection selection = NPV_SELECTION_INIT;
    npv_batch batch = batch_of(0, ROWS);
    npv_store *store = open_store(NULL, NPV_DURABILITY_OFF);
    must(npv_add(store, &batch, NULL, &error), &error);
    batch = batch_of(0, 1);
    batch.objects = objects + 2;
    must(npv_upsert(store, &batch, NULL, NULL, &error), &error);
    expect_object(store, 0, objects[2]);
    batch = (npv_batch){.size = sizeof batch, .count = 1, .objects = objects};
    must(npv_set_documents(store, (const uint64_t[]){1}, &batch, &error), &error);
    expect_object(store, 1, objects[0]);
    expect_document(store, 1, NULL);
    batch = (npv_batch){.size = sizeof batch, .count = 3, .documents = documents};
    must(npv_set_documents(store, (const uint64_t[]){2, 1, 0}, &batch, &error), &error);
    for (uint64_t row = 0; row < 3; row++)
        expect_object(store, row, none);
    expect_document(store, 2, documents[0]);
    must(npv_save(store, path, NULL, &error), &error);
    npv_close(store);
    store = open_store(path, NPV_DURABILITY_OFF);
    assert_int_equal(may_have_objects(store), 1); /* row 3 */
    selection.ids = ids + 3;
    selection.id_count = 1;
    must(npv_delete(store, &selection, NULL, &error), &error);
    must(npv_save(store, path, NULL, &error), &error);
    npv_close(store);
    store = open_store(path, NPV_DURABILITY_OFF);
    assert_int_equal(may_have_objects(store), 0);
    npv_close(store);
}

static void objects_are_in_the_journal(void **state) {
    (void)state;
    const char *const path = forge_path("journal.npz");
    npv_error error = {0};
    int changed = 0;
    npv_store *store = open_store(path, NPV_DURABILITY_OS), *const reader = open_store(path, NPV_DURABILITY_OFF);
    for (size_t i = 0; i < ROWS; i++) {
        const npv_batch batch = batch_of(i, 1);
        must(npv_add(store, &batch, NULL, &error), &error);
    }
    must(npv_refresh(reader, &changed, &error), &error);
    assert_int_equal(changed, 1);
    expect_all(reader);
    npv_close(reader);
    npv_close(store);
    store = open_store(path, NPV_DURABILITY_OS);
    assert_int_equal(may_have_objects(store), 1);
    expect_all(store);
    must(npv_save(store, NULL, NULL, &error), &error);
    npv_close(store);
    store = open_store(path, NPV_DURABILITY_OFF);
    expect_all(store);
    npv_close(store);
}

/* Also where the JSON beside it says less. */
static void a_pickle_that_is_data_is_the_document(void **state) {
    (void)state;
    static const npv_object data[] = {
        {"\x80\4K\1C\1x\x86\x94.", 10}, {"N.", 2}, {"}(X\1\0\0\0nK\7u.", 12}, {"](cpickle\nloads\nC\1x\x85Re.", 23}};
    const npv_object none = {NULL, 0};
    npv_error error = {0};
    npv_batch batch = batch_of(0, ROWS);
    npv_store *store = open_store(NULL, NPV_DURABILITY_OFF);
    batch.objects = data;
    must(npv_add(store, &batch, NULL, &error), &error);
    expect_document(store, 0, "[1, {\"$bytes\": \"eA==\"}]");
    expect_document(store, 1, NULL);
    expect_document(store, 2, "{\"n\": 7}");
    for (uint64_t row = 0; row < 3; row++)
        expect_object(store, row, none);
    expect_object(store, 3, data[3]);
    npv_close(store);
}

static void objects_have_limits(void **state) {
    (void)state;
    static const npv_field field = {"n", "i4"};
    static const char record[4];
    npv_store_options options = NPV_STORE_OPTIONS_INIT;
    const npv_object large = {"", (size_t)NPV_MAX_OBJECT_BYTES + 1};
    npv_error error = {0};
    npv_batch batch = batch_of(0, 1);
    npv_store *store = open_store(NULL, NPV_DURABILITY_OFF);
    batch.objects = &large;
    assert_int_equal(npv_add(store, &batch, NULL, &error), NPV_E_LIMIT);
    assert_non_null(strstr(error.message, "row 0: an object may have 1073741824 bytes, found 1073741825"));
    assert_int_equal(npv_count(store), 0);
    npv_close(store);
    options.dimensions = 2;
    options.fields = &field;
    options.field_count = 1;
    must(npv_create(&options, &store, &error), &error);
    batch = (npv_batch){.size = sizeof batch, .count = 1, .vectors = vectors, .records = record, .objects = objects};
    assert_int_equal(npv_add(store, &batch, NULL, &error), NPV_E_ARGUMENT);
    assert_non_null(strstr(error.message, "typed fields"));
    batch.objects = NULL;
    must(npv_add(store, &batch, NULL, &error), &error);
    expect_object(store, 0, (npv_object){NULL, 0});
    npv_close(store);
}

/* ------------------------------------------------------------------------------------------------------- Pickles -- */

static void a_document_is_a_pickle_of_its_own(void **state) {
    (void)state;
    static const char expected[] = "\x80\4}(\x8c\1x](J\1\0\0\0\x8c\1aN\x88G\x40\4\0\0\0\0\0\0eu.";
    const char *const document = "{\"x\": [1, \"a\", null, true, 2.5]}";
    npv_error error = {0};
    npv_batch batch = batch_of(0, 3);
    unsigned char *pickle = NULL;
    size_t size = 0;
    npv_store *store = open_store(NULL, NPV_DURABILITY_OFF);
    batch.documents = (const char *const[]){document, document, NULL};
    must(npv_add(store, &batch, NULL, &error), &error);
    for (uint64_t row = 0; row < 2; row++) { /* with an object, and without */
        must(npv_get_pickle(store, row, &pickle, &size, &error), &error);
        assert_int_equal(size, sizeof expected - 1);
        assert_memory_equal(pickle, expected, size);
        npv_free(pickle);
    }
    must(npv_get_pickle(store, 2, &pickle, &size, &error), &error);
    assert_null(pickle);
    assert_int_equal(size, 0);
    assert_int_equal(npv_get_pickle(store, 3, &pickle, &size, &error), NPV_E_RANGE);
    assert_int_equal(npv_get_object(store, 3, &pickle, &size, &error), NPV_E_RANGE);
    npv_close(store);
}

static npv_status sink_write(void *context, const void *data, size_t size, npv_error *error) {
    return npv_buffer_append(context, data, size, error);
}

/* Reads an array of these rows, spelled in opcodes. */
static npv_status read_rows(const char *opcodes, size_t size, uint64_t rows, npv_documents *read, npv_error *error) {
    npv_buffer pickle = {NULL, 0, 0};
    const npv_sink sink = {sink_write, &pickle};
    must(npv_pickle_write_begin(rows, true, sink, error), error);
    must(npv_buffer_append(&pickle, opcodes, size, error), error);
    must(npv_pickle_write_end(sink, error), error);
    const npv_status status = npv_pickle_read((npv_bytes){pickle.data, pickle.size}, rows, read, error);
    free(pickle.data);
    return status;
}

#define CALL "cpickle\nloads\nC\3abc\x85R"

static void objects_are_read_however_they_are_spelled(void **state) {
    (void)state;
    static const struct {
        const char *opcodes;
        size_t size;
    } spellings[] = {
#define SPELLING(text) {text, sizeof text - 1}
        SPELLING("cpickle\nloads\nB\3\0\0\0abc\x85R\x88\x30N"),
        SPELLING(CALL "\x88\x30N"),
        SPELLING("\x8c\6pickle\x8c\5loads\x93q\0C\3abcq\1\x85q\2Rq\3\x88\x30N"),
        SPELLING("cpickle\nloads\n(C\3abctR\x88\x30N"),
    };
    for (size_t i = 0; i < sizeof spellings / sizeof spellings[0]; i++) {
        npv_documents read = NPV_DOCUMENTS_EMPTY;
        npv_error error = {0};
        must(read_rows(spellings[i].opcodes, spellings[i].size, 2, &read, &error), &error);
        const npv_bytes whole = npv_documents_fragment(&read, 0), object = npv_documents_object(&read, 0);
        assert_true(read.objects);
        assert_int_equal(whole.size, spellings[0].size - 1);
        assert_memory_equal(whole.data, spellings[0].opcodes, whole.size);
        assert_int_equal(object.size, 3);
        assert_memory_equal(object.data, "abc", 3);
        assert_int_equal(npv_documents_get(&read, 0).size, 1);
        assert_null(npv_documents_object(&read, 1).data);
        npv_documents_free(&read);
    }
    npv_documents read = NPV_DOCUMENTS_EMPTY; /* one object in two rows, without a document, and with None */
    must(read_rows(CALL "q\0h\0", sizeof CALL + 3, 2, &read, NULL), NULL);
    assert_int_equal(npv_documents_object(&read, 1).size, 3);
    assert_int_equal(npv_documents_get(&read, 1).size, 0);
    npv_documents_free(&read);
}

/* Their size has four bytes. */
static void objects_of_every_size_are_written_and_read(void **state) {
    (void)state;
    static const size_t sizes[] = {0, 1, 255, 256, 65535, 65536, (1 << 24) + 1};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        npv_documents made = NPV_DOCUMENTS_EMPTY, read = NPV_DOCUMENTS_EMPTY, saved = NPV_DOCUMENTS_EMPTY;
        npv_buffer fragment = {NULL, 0, 0}, pickle = {NULL, 0, 0};
        npv_error error = {0};
        unsigned char *const data = malloc(sizes[i] + 1);
        assert_non_null(data);
        memset(data, 'R', sizes[i]);
        must(npv_object_write(&fragment, (npv_bytes){data, sizes[i]}, (npv_bytes){NULL, 0}, &error), &error);
        assert_int_equal(fragment.size, sizes[i] + NPV_OBJECT_EXTRA);
        must(npv_documents_append(&made, (npv_bytes){fragment.data, fragment.size}, &error), &error);
        must(npv_pickle_write(&made, NULL, (npv_sink){sink_write, &pickle}, &error), &error);
        must(npv_pickle_read((npv_bytes){pickle.data, pickle.size}, 1, &read, &error), &error);
        must(npv_pickle_salvage((npv_bytes){pickle.data, pickle.size}, 1, &saved, &error), &error);
        const npv_documents *const all[] = {&made, &read, &saved};
        for (size_t j = 0; j < 3; j++) {
            const npv_bytes found = npv_documents_object(all[j], 0);
            assert_int_equal(all[j]->count, 1);
            assert_int_equal(found.size, sizes[i]);
            assert_memory_equal(found.data, data, sizes[i]);
            assert_int_equal(npv_documents_get(all[j], 0).size, 0);
        }
        npv_documents_free(&made);
        npv_documents_free(&read);
        npv_documents_free(&saved);
        free(fragment.data);
        free(pickle.data);
        free(data);
    }
}

static void refuse_rows(const char *opcodes, size_t size, npv_status status, const char *words) {
    npv_documents read = NPV_DOCUMENTS_EMPTY;
    npv_error error = {0};
    assert_int_equal(read_rows(opcodes, size, 1, &read, &error), status);
    if (strstr(error.message, words) == NULL)
        fail_msg("expected '%s' in: %s", words, error.message);
    assert_int_equal(read.count, 0);
}

#define REFUSE(opcodes, status, words) refuse_rows(opcodes, sizeof opcodes - 1, status, words)

static void what_only_looks_like_an_object_is_refused(void **state) {
    (void)state;
    const npv_status not_read = NPV_E_UNSUPPORTED;
    REFUSE("NN0", not_read, "opcode POP");
    REFUSE("0N", not_read, "opcode POP");
    REFUSE(CALL "(0", not_read, "opcode POP");
    REFUSE(CALL "N0N0", not_read, "opcode POP");
    REFUSE("cpickle\nloads\nN0", not_read, "opcode POP");
    REFUSE("cpickle\nloads\n", not_read, "class pickle.loads");
    REFUSE("cpickle\nloads\n\x8c\3abc\x85R", not_read, "class pickle.loads");
    REFUSE("cpickle\nloads\nC\1aC\1b\x86R", not_read, "class pickle.loads");
    REFUSE("c_pickle\nloads\nC\3abc\x85R", not_read, "class _pickle.loads");
    REFUSE("cos\nsystem\nC\3abc\x85R", not_read, "class os.system");
    REFUSE("cos\nsystem\nC\3abc\x85RN0", not_read, "opcode POP");
    REFUSE("](" CALL "e", not_read, "row 0: class pickle.loads");
    REFUSE(CALL "](" CALL "e0", not_read, "row 0: class pickle.loads");
    REFUSE(CALL "cos\nsystem\n0", not_read, "class os.system");
    REFUSE("cpickle\nloads\nB\xff\xff\xff\xff"
           "abc\x85R",
           NPV_E_FORMAT, "ends inside");
}

/* Many rows that share a large object would each get a copy of it. */
static void objects_that_are_shared_cannot_fill_the_memory(void **state) {
    (void)state;
    enum { SIZE = 1 << 20, SHARES = 60000 };
    npv_buffer opcodes = {NULL, 0, 0};
    npv_documents read = NPV_DOCUMENTS_EMPTY;
    npv_error error = {0};
    must(npv_buffer_reserve(&opcodes, SIZE + 64 + 2 * SHARES, &error), &error);
    must(npv_buffer_append(&opcodes, "cpickle\nloads\nB\0\0\x10\0", 19, &error), &error);
    memset(opcodes.data + opcodes.size, 'x', SIZE);
    opcodes.size += SIZE;
    must(npv_buffer_append(&opcodes, "\x85Rq\0", 4, &error), &error);
    for (int i = 1; i < SHARES; i++)
        must(npv_buffer_append(&opcodes, "h\0", 2, &error), &error);
    assert_int_equal(read_rows((char *)opcodes.data, opcodes.size, SHARES, &read, &error), NPV_E_LIMIT);
    assert_non_null(strstr(error.message, "each with its own copy"));
    free(opcodes.data);
}

static void objects_before_damage_are_saved(void **state) {
    (void)state;
    npv_buffer pickle = {NULL, 0, 0};
    npv_error error = {0};
    npv_store *store = open_store(NULL, NPV_DURABILITY_OFF);
    const npv_batch batch = batch_of(0, ROWS);
    must(npv_add(store, &batch, NULL, &error), &error);
    must(npv_pickle_write(&store->documents, NULL, (npv_sink){sink_write, &pickle}, &error), &error);
    assert_int_equal(pickle.size, npv_pickle_size(&store->documents, NULL));
    size_t before = 0;
    for (size_t size = 0; size <= pickle.size; size++) {
        npv_documents read = NPV_DOCUMENTS_EMPTY;
        must(npv_pickle_salvage((npv_bytes){pickle.data, size}, ROWS, &read, &error), &error);
        assert_true(read.count == before || read.count == before + 1);
        before = read.count;
        for (size_t row = 0; row < read.count; row++) {
            const npv_bytes found = npv_documents_fragment(&read, row);
            const npv_bytes expected = npv_documents_fragment(&store->documents, row);
            assert_int_equal(found.size, expected.size);
            assert_memory_equal(found.data, expected.data, found.size);
        }
        npv_documents_free(&read);
    }
    assert_int_equal(before, ROWS);
    free(pickle.data);
    npv_close(store);
}

/* -------------------------------------------------------------------------------------------------------- Lazily -- */

/* A store whose documents nobody asks for opens, and is searched, whatever is the matter with them. */
static void documents_are_read_when_they_are_needed(void **state) {
    (void)state;
    const char *const path = forge_path("lazy.npz");
    npv_error error = {0};
    npv_hits hits;
    npv_schema schema = {.size = sizeof schema};
    npv_search_options options = NPV_SEARCH_OPTIONS_INIT;
    char *json;
    npv_store *store = open_store(NULL, NPV_DURABILITY_OFF);
    const npv_batch batch = batch_of(0, ROWS);
    must(npv_add(store, &batch, NULL, &error), &error);
    must(npv_save(store, path, NULL, &error), &error);
    npv_close(store);
    npv_buffer bytes = forge_read(path);
    for (size_t at = 0; at + 3 < bytes.size; at++)
        if (memcmp(bytes.data + at, "etb.", 4) == 0)
            bytes.data[at] ^= 1;
    forge_write(path, (npv_bytes){bytes.data, bytes.size});
    free(bytes.data);
    store = open_store(path, NPV_DURABILITY_OFF);
    options.k = 2;
    must(npv_search(store, vectors, 1, &options, &hits, &error), &error);
    assert_int_equal(hits.starts[1], 2);
    npv_hits_free(&hits);
    assert_int_equal(may_have_objects(store), 1);
    must(npv_get_schema(store, &schema, &error), &error);
    assert_int_equal(schema.field_count, 0);
    assert_int_equal(npv_get_document(store, 0, &json, &error), NPV_E_FORMAT);
    npv_close(store);
}

/* A file that says that rows may have objects is not believed any more when they have been read. */
static void whether_there_are_objects_is_known_when_documents_are_read(void **state) {
    (void)state;
    const char *const path = forge_path("none.npz");
    npv_error error = {0};
    npv_batch batch = batch_of(0, ROWS);
    npv_store *store = open_store(NULL, NPV_DURABILITY_OFF);
    batch.objects = NULL;
    must(npv_add(store, &batch, NULL, &error), &error);
    must(npv_save(store, path, NULL, &error), &error);
    npv_close(store);
    npv_buffer bytes = forge_read(path);
    const size_t local = forge_local(bytes, "metadata.npy"), size = forge_get32(bytes, local + 18);
    const size_t data = local + 30 + bytes.data[local + 26] + bytes.data[local + 28];
    assert_int_equal(bytes.data[data + NPV_NPY_WRITTEN_HEADER + 1], 4);
    bytes.data[data + NPV_NPY_WRITTEN_HEADER + 1] = NPV_PICKLE_WITH_OBJECTS;
    const uint32_t crc = (uint32_t)crc32(0, bytes.data + data, (uInt)size);
    forge_put32(bytes, local + 14, crc);
    forge_put32(bytes, forge_entry(bytes, "metadata.npy") + 16, crc);
    forge_write(path, (npv_bytes){bytes.data, bytes.size});
    free(bytes.data);
    store = open_store(path, NPV_DURABILITY_OFF);
    assert_int_equal(may_have_objects(store), 1);
    expect_document(store, 0, documents[0]);
    assert_int_equal(may_have_objects(store), 0);
    npv_close(store);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(objects_are_kept_beside_documents),
        cmocka_unit_test(objects_go_with_their_rows),
        cmocka_unit_test(objects_are_in_the_journal),
        cmocka_unit_test(a_pickle_that_is_data_is_the_document),
        cmocka_unit_test(objects_have_limits),
        cmocka_unit_test(a_document_is_a_pickle_of_its_own),
        cmocka_unit_test(objects_are_read_however_they_are_spelled),
        cmocka_unit_test(objects_of_every_size_are_written_and_read),
        cmocka_unit_test(what_only_looks_like_an_object_is_refused),
        cmocka_unit_test(objects_that_are_shared_cannot_fill_the_memory),
        cmocka_unit_test(objects_before_damage_are_saved),
        cmocka_unit_test(documents_are_read_when_they_are_needed),
        cmocka_unit_test(whether_there_are_objects_is_known_when_documents_are_read),
    };
    return cmocka_run_group_tests(tests, forge_setup, forge_teardown);
}
