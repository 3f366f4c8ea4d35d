/* A store's file: what is written is read back, what others wrote is read or refused, and damage is never believed. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include <cmocka.h>

#include "failing_malloc.h"
#include "forge.h"
#include "meta/json.h"
#include "npz/archive.h"
#include "npz/npy.h"

enum { ROWS = 5, DIMENSIONS = 3 };

static const float rows[ROWS * DIMENSIONS] = {1, 0, 0, 0, 1, 0, 0, 0, 1, -1, 0, 0, 0.6F, 0.8F, 0};

#define MARK_ID {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16}

static npv_documents some_documents(size_t count) {
    static const char *const texts[] = {"{\"a\": 1}", NULL, "{\"b\": [true, 2.5, \"x\"]}", "{}", "7"};
    npv_documents documents = NPV_DOCUMENTS_EMPTY;
    for (size_t i = 0; i < count; i++) {
        npv_buffer fragment = {NULL, 0, 0};
        if (texts[i] != NULL)
            assert_int_equal(npv_json_to_fragment(texts[i], &fragment, NULL), NPV_OK);
        assert_int_equal(npv_documents_append(&documents, (npv_bytes){fragment.data, fragment.size}, NULL), NPV_OK);
        free(fragment.data);
    }
    return documents;
}

static npv_status write_store(const char *path, bool compress, const npv_record_schema *schema,
                              const unsigned char *records, npv_error *error) {
    npv_documents documents = some_documents(ROWS);
    const npv_archive_contents contents = {.rows = ROWS,
                                           .dimensions = DIMENSIONS,
                                           .normalize = true,
                                           .vectors = rows,
                                           .documents = &documents,
                                           .schema = schema,
                                           .records = records,
                                           .mark = {MARK_ID, 7},
                                           .compress = compress};
    const npv_status status = npv_archive_write(path, &contents, error);
    npv_documents_free(&documents);
    return status;
}

static bool same_documents(const npv_documents *a, const npv_documents *b) {
    bool same = a->count == b->count;
    for (size_t i = 0; same && i < a->count; i++) {
        const npv_bytes x = npv_documents_get(a, i);
        const npv_bytes y = npv_documents_get(b, i);
        same = x.size == y.size && (x.size == 0 || memcmp(x.data, y.data, x.size) == 0);
    }
    return same;
}

/* Reads all that an archive holds: what a file costs that was sound until it was opened. */
static npv_status read_all(const char *path, npv_archive_facts *facts, float **vectors, npv_documents *documents,
                           npv_array *records, npv_error *error) {
    npv_archive *archive = NULL;
    npv_status status = npv_archive_open(path, &archive, facts, error);
    if (status != NPV_OK)
        return status;
    *vectors = malloc((size_t)facts->rows * facts->dimensions * sizeof(float) + 1);
    status = npv_archive_read_vectors(archive, *vectors, error);
    if (status == NPV_OK && facts->metadata == NPV_METADATA_DOCUMENTS)
        status = npv_archive_read_documents(archive, documents, error);
    npv_record_schema schema = {0};
    if (status == NPV_OK && facts->metadata == NPV_METADATA_TYPED)
        status = npv_archive_read_schema(archive, &schema, error);
    if (status == NPV_OK && facts->metadata == NPV_METADATA_TYPED)
        status = npv_archive_read_records(archive, &schema, records, error);
    npv_schema_free(&schema);
    npv_archive_close(archive);
    return status;
}

static npv_status open_only(const char *path, npv_archive_facts *facts, npv_error *error) {
    npv_archive *archive = NULL;
    const npv_status status = npv_archive_open(path, &archive, facts, error);
    npv_archive_close(archive);
    return status;
}

/* -------------------------------------------------------------------------------------------------- Round trips -- */

static void check_round_trip(bool compress) {
    const char *path = forge_path("store.npz");
    assert_int_equal(write_store(path, compress, NULL, NULL, NULL), NPV_OK);
    npv_archive_facts facts;
    float *vectors = NULL;
    npv_documents documents = NPV_DOCUMENTS_EMPTY;
    npv_documents expected = some_documents(ROWS);
    npv_error error = {0};
    if (read_all(path, &facts, &vectors, &documents, NULL, &error) != NPV_OK)
        fail_msg("%s", error.message);
    assert_int_equal(facts.rows, ROWS);
    assert_int_equal(facts.dimensions, DIMENSIONS);
    assert_int_equal(facts.normalize, NPV_NORMALIZE_ON);
    assert_int_equal(facts.metadata, NPV_METADATA_DOCUMENTS);
    assert_true(facts.marked);
    assert_int_equal(facts.mark.generation, 7);
    assert_memory_equal(facts.mark.store_id, ((unsigned char[])MARK_ID), 16);
    assert_string_equal(facts.unknown, "");
    assert_false(facts.narrowed);
    assert_int_equal(facts.mappable, !compress);
    assert_string_equal(facts.origin, compress ? "converted: deflated" : "mapped");
    assert_memory_equal(vectors, rows, sizeof rows);
    assert_true(same_documents(&documents, &expected));
    if (!compress) {
        npv_buffer bytes = forge_read(path);
        assert_int_equal(facts.vectors_offset % 64, 0);
        assert_memory_equal(bytes.data + facts.vectors_offset, rows, sizeof rows);
        free(bytes.data);
    }
    npv_documents_free(&documents);
    npv_documents_free(&expected);
    free(vectors);
    forge_remove_files();
}

static void written_store_reads_back(void **state) {
    (void)state;
    check_round_trip(false);
    check_round_trip(true);
}

static void same_contents_give_the_same_bytes(void **state) {
    (void)state;
    for (int compress = 0; compress < 2; compress++) {
        assert_int_equal(write_store(forge_path("a"), compress != 0, NULL, NULL, NULL), NPV_OK);
        assert_int_equal(write_store(forge_path("b"), compress != 0, NULL, NULL, NULL), NPV_OK);
        npv_buffer bytes = forge_read(forge_path("a"));
        assert_true(forge_same_file(forge_path("b"), (npv_bytes){bytes.data, bytes.size}));
        free(bytes.data);
    }
    forge_remove_files();
}

/* Of a type that is read, and of one that is only kept; in Latin-1, in UTF-8, and too long for version 1. */
static void records_are_kept_with_their_type(void **state) {
    (void)state;
    static const unsigned char data[7 * ROWS] = "seven bytes a row, five rows of it";
    char descr[80000];
    for (int i = 0; i < 8; i++) {
        static const char *const names[] = {"a", "\xc3\xa9", "\xe6\x97\xa5"};
        const int used = snprintf(descr, sizeof descr, i % 2 == 0 ? "[('%s', '<i4'), ('b" : "[('%s', '<i2', (2,)), ('b",
                                  names[i < 6 ? i / 2 : 1]);
        const int filling = i < 6 ? 0 : 70000;
        memset(descr + used, 'b', (size_t)filling);
        snprintf(descr + used + filling, sizeof descr - (size_t)(used + filling), "', '|S3')]");
        npv_record_schema schema = {.record_size = 7, .descr = descr};
        npv_archive *archive = NULL;
        npv_archive_facts facts;
        npv_array records = NPV_ARRAY_EMPTY;
        npv_record_schema found = {0};
        assert_int_equal(write_store(forge_path("a"), i % 4 > 1, &schema, data, NULL), NPV_OK);
        assert_int_equal(npv_archive_open(forge_path("a"), &archive, &facts, NULL), NPV_OK);
        assert_int_equal(facts.metadata, NPV_METADATA_TYPED);
        assert_true(facts.marked);
        assert_int_equal(npv_archive_read_schema(archive, &found, NULL), NPV_OK);
        assert_int_equal(npv_archive_read_records(archive, &found, &records, NULL), NPV_OK);
        assert_string_equal(found.descr, descr);
        assert_int_equal(found.record_size, 7);
        assert_int_equal(found.field_count, i % 2 == 0 ? 2 : 0);
        assert_int_equal(found.unread != NULL, i % 2);
        assert_memory_equal(records.data, data, sizeof data);
        npv_schema_free(&found);
        npv_array_free(&records);
        npv_archive_close(archive);
    }
    forge_remove_files();
}

static void empty_store_reads_back(void **state) {
    (void)state;
    npv_documents none = NPV_DOCUMENTS_EMPTY;
    const npv_archive_contents contents = {.dimensions = 4, .documents = &none, .mark = {MARK_ID, 1}};
    assert_int_equal(npv_archive_write(forge_path("a"), &contents, NULL), NPV_OK);
    npv_archive_facts facts;
    float *vectors = NULL;
    npv_documents documents = NPV_DOCUMENTS_EMPTY;
    assert_int_equal(read_all(forge_path("a"), &facts, &vectors, &documents, NULL, NULL), NPV_OK);
    assert_int_equal(facts.rows, 0);
    assert_int_equal(facts.dimensions, 4);
    assert_int_equal(facts.normalize, NPV_NORMALIZE_OFF);
    assert_true(facts.marked && !facts.mappable);
    assert_string_equal(facts.origin, "no rows");
    assert_int_equal(documents.count, 0);
    npv_documents_free(&documents);
    free(vectors);
    forge_remove_files();
}

static void next_mark_keeps_the_id_and_counts(void **state) {
    (void)state;
    npv_archive_mark mark = {{0}, 0};
    npv_archive_mark other = {{0}, 0};
    static const unsigned char none[16];
    assert_int_equal(npv_archive_next_mark(&mark, NULL), NPV_OK);
    assert_int_equal(npv_archive_next_mark(&other, NULL), NPV_OK);
    assert_memory_not_equal(mark.store_id, none, 16);
    assert_memory_not_equal(mark.store_id, other.store_id, 16);
    assert_int_equal(mark.generation, 1);
    const npv_archive_mark first = mark;
    assert_int_equal(npv_archive_next_mark(&mark, NULL), NPV_OK);
    assert_memory_equal(mark.store_id, first.store_id, 16);
    assert_int_equal(mark.generation, 2);
}

/* ------------------------------------------------------------------------------------------- What others write -- */

#define DICT(descr, order, shape) "{'descr': " descr ", 'fortran_order': " order ", 'shape': " shape ", }"
#define F4 DICT("'<f4'", "False", "(5, 3)")
#define SCALAR(descr) DICT(descr, "False", "()")
#define RECORDS DICT("[('a', '<i4')]", "False", "(5,)")

/* The members of a foreign archive: a dict and its data each. NULL ends the list. */
typedef struct foreign {
    const char *name;
    const char *dict;
    const void *data;
    size_t size;
} foreign;

static const char zeros[4096];
static const int64_t one = 1;
static const int64_t three = 3;

static void write_foreign(const char *path, const foreign *members, bool deflate, const char *comment) {
    forged_member forged[8] = {{NULL, {NULL, 0}, false}};
    npv_buffer npy[8] = {{NULL, 0, 0}};
    size_t count = 0;
    for (; members[count].name != NULL; count++) {
        npy[count] = forge_npy(1, members[count].dict, members[count].data, members[count].size);
        forged[count] = (forged_member){members[count].name, {npy[count].data, npy[count].size}, deflate};
    }
    npv_buffer zip = forge_zip(forged, count, comment);
    forge_write(path, (npv_bytes){zip.data, zip.size});
    free(zip.data);
    for (size_t i = 0; i < count; i++)
        free(npy[i].data);
}

static void foreign_archives_are_read(void **state) {
    (void)state;
    static const struct {
        foreign members[6];
        npv_normalize normalize;
        npv_metadata_kind metadata;
        const char *unknown;
    } cases[] = {
        {{{"vectors.npy", F4, rows, sizeof rows}}, NPV_NORMALIZE_AUTO, NPV_METADATA_NONE, ""},
        {{{"x.npy", SCALAR("'<i8'"), &one, 8}, {"vectors.npy", F4, rows, sizeof rows}, {"y", F4, rows, sizeof rows}},
         NPV_NORMALIZE_AUTO,
         NPV_METADATA_NONE,
         "x.npy"},
        {{{"vectors.npy", F4, rows, sizeof rows}, {"", F4, rows, sizeof rows}},
         NPV_NORMALIZE_AUTO,
         NPV_METADATA_NONE,
         "(no name)"},
        {{{"metadata.npy", RECORDS, zeros, 20}, {"vectors.npy", F4, rows, sizeof rows}},
         NPV_NORMALIZE_AUTO,
         NPV_METADATA_TYPED,
         ""},
        {{{"vectors.npy", F4, rows, sizeof rows},
          {"format_version.npy", SCALAR("'<i8'"), &one, 8},
          {"dimensions.npy", SCALAR("'<i4'"), &three, 4},
          {"normalize.npy", SCALAR("'|b1'"), &one, 1}},
         NPV_NORMALIZE_ON,
         NPV_METADATA_NONE,
         ""},
        {{{"vectors.npy", F4, rows, sizeof rows},
          {"normalize.npy", SCALAR("'|b1'"), zeros, 1},
          {"dimensions.npy", SCALAR("'|u1'"), &three, 1}},
         NPV_NORMALIZE_OFF,
         NPV_METADATA_NONE,
         ""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        for (int deflate = 0; deflate < 2; deflate++) {
            write_foreign(forge_path("a"), cases[i].members, deflate != 0, "");
            npv_archive_facts facts;
            npv_error error = {0};
            float *vectors = NULL;
            npv_array records = NPV_ARRAY_EMPTY;
            if (read_all(forge_path("a"), &facts, &vectors, NULL, &records, &error) != NPV_OK)
                fail_msg("case %zu: %s", i, error.message);
            assert_memory_equal(vectors, rows, sizeof rows);
            assert_int_equal(facts.normalize, cases[i].normalize);
            assert_int_equal(facts.metadata, cases[i].metadata);
            assert_string_equal(facts.unknown, cases[i].unknown);
            assert_false(facts.marked);
            npv_array_free(&records);
            free(vectors);
        }
    forge_remove_files();
}

static void what_is_not_a_store_is_refused(void **state) {
    (void)state;
    static const struct {
        foreign members[3];
        npv_status status;
        const char *text;
    } cases[] = {
        {{{"vector.npy", F4, rows, sizeof rows}},
         NPV_E_UNSUPPORTED,
         "expected an array called vectors, found none among 1 members"},
        {{{"vectors.npy", DICT("'<f4'", "False", "(15,)"), rows, sizeof rows}},
         NPV_E_UNSUPPORTED,
         ": vectors.npy: expected vectors as a 2-D array"},
        {{{"vectors.npy", F4, rows, sizeof rows - 1}},
         NPV_E_FORMAT,
         ": vectors.npy: expected 60 bytes of data for dtype '<f4' of shape (5, 3), found 59"},
        {{{"vectors.npy", F4, zeros, sizeof rows + 1}}, NPV_E_FORMAT, "expected 60 bytes of data"},
        {{{"vectors.npy", DICT("'<f4'", "False", "(1000000000, 60000)"), zeros, 4096}},
         NPV_E_FORMAT,
         "expected 240000000000000 bytes of data"},
        {{{"vectors.npy", "{", NULL, 0}}, NPV_E_FORMAT, ": vectors.npy: its .npy header is damaged"},
        {{{"vectors.npy", F4, rows, sizeof rows}, {"format_version.npy", SCALAR("'<i8'"), &three, 8}},
         NPV_E_UNSUPPORTED,
         "expected format_version 1, found 3"},
        {{{"vectors.npy", F4, rows, sizeof rows}, {"format_version.npy", SCALAR("'|b1'"), &one, 1}},
         NPV_E_FORMAT,
         ": format_version.npy: expected one integer, found dtype '|b1' of shape ()"},
        {{{"vectors.npy", F4, rows, sizeof rows}, {"format_version.npy", DICT("'<i8'", "False", "(1,)"), &one, 8}},
         NPV_E_FORMAT,
         "expected one integer, found dtype '<i8' of shape (1,)"},
        {{{"vectors.npy", F4, rows, sizeof rows}, {"dimensions.npy", SCALAR("'<i8'"), &one, 8}},
         NPV_E_FORMAT,
         "its member dimensions says 1, but its vectors have 3"},
        {{{"vectors.npy", F4, rows, sizeof rows}, {"dimensions.npy", SCALAR("'<i8'"), &three, 7}},
         NPV_E_FORMAT,
         ": dimensions.npy: expected 8 bytes of data"},
        {{{"vectors.npy", F4, rows, sizeof rows}, {"normalize.npy", SCALAR("'<i8'"), &one, 8}},
         NPV_E_FORMAT,
         ": normalize.npy: expected one bool, found dtype '<i8'"},
        {{{"vectors.npy", F4, rows, sizeof rows}, {"metadata.npy", DICT("[('a', '<i4')]", "False", "(4,)"), zeros, 16}},
         NPV_E_FORMAT,
         ": metadata.npy: expected an entry for each of the 5 vectors, found dtype [('a', '<i4')] of shape (4,)"},
        {{{"vectors.npy", F4, rows, sizeof rows},
          {"metadata.npy", DICT("[('a', '<i4')]", "False", "(5, 1)"), zeros, 20}},
         NPV_E_UNSUPPORTED,
         "expected a 1-D array, found"},
        {{{"vectors.npy", F4, rows, sizeof rows}, {"metadata.npy", DICT("'<U10'", "False", "(5,)"), zeros, 200}},
         NPV_E_UNSUPPORTED,
         "expected an array of Python objects or a structured array, found dtype '<U10' of shape (5,)"},
        {{{"vectors.npy", F4, rows, sizeof rows}, {"metadata.npy", DICT("[('a', '|O')]", "False", "(5,)"), zeros, 9}},
         NPV_E_UNSUPPORTED,
         "records with Python objects in them are not read: dtype [('a', '|O')]"},
        {{{"vectors.npy", F4, rows, sizeof rows}, {"vectors.npy", F4, rows, sizeof rows}},
         NPV_E_FORMAT,
         "two members are called 'vectors.npy'"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        for (int deflate = 0; deflate < 2; deflate++) {
            const char *path = forge_path("a");
            write_foreign(path, cases[i].members, deflate != 0, "");
            npv_archive_facts facts;
            npv_error error = {0};
            const npv_status status = open_only(path, &facts, &error);
            if (status != cases[i].status || strstr(error.message, cases[i].text) == NULL ||
                strncmp(error.message, path, strlen(path)) != 0)
                fail_msg("case %zu: expected %d, '%s', found %d, '%s'", i, (int)cases[i].status, cases[i].text,
                         (int)status, error.message);
        }
    forge_remove_files();
}

static void check_refused_file(npv_bytes bytes, npv_status expected, const char *text) {
    npv_archive_facts facts;
    npv_error error = {0};
    forge_write(forge_path("a"), bytes);
    const npv_status status = open_only(forge_path("a"), &facts, &error);
    assert_int_equal(status, expected);
    assert_non_null(strstr(error.message, text));
}

static void other_files_are_refused(void **state) {
    (void)state;
    check_refused_file((npv_bytes){(const unsigned char *)"hello", 5}, NPV_E_FORMAT, "expected an .npz or .npy file");
    check_refused_file((npv_bytes){(const unsigned char *)"P", 1}, NPV_E_FORMAT, "expected an .npz or .npy file");
    check_refused_file((npv_bytes){(const unsigned char *)"PK\x03\x04", 4}, NPV_E_FORMAT, "the file was cut short");
    check_refused_file((npv_bytes){(const unsigned char *)"\x93NUMPY", 6}, NPV_E_FORMAT, "more after 0, found 6");
    check_refused_file((npv_bytes){(const unsigned char *)"", 0}, NPV_E_FORMAT, "found an empty file");
    npv_archive_facts facts;
    npv_error error = {0};
    assert_int_equal(open_only(forge_path("missing"), &facts, &error), NPV_E_IO);
    forge_remove_files();
}

static void bare_npy_is_vectors_alone(void **state) {
    (void)state;
    static const struct {
        const char *dict; /* whose length decides where the data begins: 10 bytes behind */
        bool mappable;
        const char *origin;
    } cases[] = {
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (5, 3)}     ", true, "mapped"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (5, 3)}    ", false, "converted: data not aligned"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (5, 3)}   ", false, "converted: data not aligned"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        npv_buffer npy = forge_npy(1, cases[i].dict, rows, sizeof rows);
        forge_write(forge_path("a"), (npv_bytes){npy.data, npy.size});
        npv_archive_facts facts;
        float *vectors = NULL;
        assert_int_equal(read_all(forge_path("a"), &facts, &vectors, NULL, NULL, NULL), NPV_OK);
        assert_memory_equal(vectors, rows, sizeof rows);
        assert_int_equal(facts.mappable, cases[i].mappable);
        assert_string_equal(facts.origin, cases[i].origin);
        assert_int_equal(facts.vectors_offset, npy.size - sizeof rows);
        assert_int_equal(facts.metadata, NPV_METADATA_NONE);
        assert_int_equal(facts.normalize, NPV_NORMALIZE_AUTO);
        assert_false(facts.marked);
        free(vectors);
        forge_write(forge_path("a"), (npv_bytes){npy.data, npy.size - 1});
        npv_error error;
        assert_int_equal(open_only(forge_path("a"), &facts, &error), NPV_E_FORMAT);
        assert_null(strstr(error.message, ": :"));
        free(npy.data);
    }
    forge_remove_files();
}

static void origin_says_why_vectors_are_converted(void **state) {
    (void)state;
    static const struct {
        const char *dict;
        size_t size;
        bool deflate;
        bool narrowed;
        const char *origin;
    } cases[] = {
        {DICT("'<f8'", "True", "(5, 3)"), 120, false, true, "converted: float64, Fortran order"},
        {DICT("'<f8'", "True", "(5, 3)"), 120, true, true, "converted: float64, Fortran order, deflated"},
        {DICT("'>f2'", "False", "(5, 3)"), 30, false, false, "converted: big-endian float16"},
        {DICT("'<f4'", "False", "(5, 3)"), 60, true, false, "converted: deflated"},
        {DICT("'<f4'", "True", "(5, 3)"), 60, false, false, "converted: Fortran order"},
        {DICT("'<f4'", "False", "(0, 3)"), 0, true, false, "no rows"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const foreign members[] = {{"vectors.npy", cases[i].dict, zeros, cases[i].size}, {NULL, NULL, NULL, 0}};
        write_foreign(forge_path("a"), members, cases[i].deflate, "");
        npv_archive_facts facts;
        assert_int_equal(open_only(forge_path("a"), &facts, NULL), NPV_OK);
        assert_string_equal(facts.origin, cases[i].origin);
        assert_int_equal(facts.narrowed, cases[i].narrowed);
        assert_false(facts.mappable);
    }
    forge_remove_files();
}

static void deflated_vectors_are_never_mapped(void **state) {
    (void)state;
    for (size_t moved = 0; moved < 4; moved++) { /* wherever they lie */
        const foreign members[] = {
            {&"xxxx"[moved], F4, NULL, 0}, {"vectors.npy", F4, rows, sizeof rows}, {NULL, NULL, NULL, 0}};
        write_foreign(forge_path("a"), members, true, "");
        npv_archive_facts facts;
        assert_int_equal(open_only(forge_path("a"), &facts, NULL), NPV_OK);
        assert_false(facts.mappable);
    }
    forge_remove_files();
}

static void double_that_does_not_fit_is_named(void **state) {
    (void)state;
    double values[15] = {0};
    values[3 * 3 + 2] = 1e39;
    const foreign members[] = {{"vectors.npy", DICT("'<f8'", "False", "(5, 3)"), values, sizeof values},
                               {NULL, NULL, NULL, 0}};
    write_foreign(forge_path("a"), members, false, "");
    npv_archive_facts facts;
    npv_error error = {0};
    float *vectors = NULL;
    assert_int_equal(read_all(forge_path("a"), &facts, &vectors, NULL, NULL, &error), NPV_E_UNSUPPORTED);
    assert_non_null(strstr(error.message, "a: vectors.npy: row 3, column 2: 1e+39 does not fit a float32"));
    free(vectors);
    forge_remove_files();
}

static void inflating_bombs_cost_nothing(void **state) {
    (void)state;
    /* 4 KB that claim to be 200 MB of vectors, as deflate could indeed deliver them. */
    const size_t size = (size_t)200 << 20;
    const foreign members[] = {{"vectors.npy", F4, zeros, sizeof zeros}, {NULL, NULL, NULL, 0}};
    write_foreign(forge_path("a"), members, true, "");
    npv_buffer zip = forge_read(forge_path("a"));
    forge_put32(zip, forge_local(zip, "vectors.npy") + 22, (uint32_t)size);
    forge_put32(zip, forge_entry(zip, "vectors.npy") + 24, (uint32_t)size);
    check_refused_file((npv_bytes){zip.data, zip.size}, NPV_E_FORMAT, "cannot inflate to 209715200");
    free(zip.data);
    /* A member that is larger than its header explains is not inflated at all. */
    char *much = calloc(1, size / 10);
    const foreign more[] = {{"vectors.npy", F4, much, size / 10}, {NULL, NULL, NULL, 0}};
    write_foreign(forge_path("a"), more, true, "");
    free(much);
    npv_archive_facts facts;
    npv_error error;
    assert_int_equal(open_only(forge_path("a"), &facts, &error), NPV_E_FORMAT);
    assert_non_null(strstr(error.message, "expected 60 bytes of data for dtype '<f4' of shape (5, 3), found 20971520"));
    forge_remove_files();
}

/* --------------------------------------------------------------------------------------------------------- Marks -- */

static void only_exact_marks_count(void **state) {
    (void)state;
    static const struct {
        const char *comment;
        bool marked;
        size_t zeros; /* that follow */
    } cases[] = {
        {"npvec 1 0102030405060708090a0b0c0d0e0f10 1", false, 1},
        {"npvec 1 0102030405060708090a0b0c0d0e0f10 1", true, 0},
        {"npvec 1 0102030405060708090a0b0c0d0e0f10 9223372036854775807", true, 0},
        {"npvec 1 0102030405060708090a0b0c0d0e0f10 9223372036854775808", false, 0},
        {"npvec 1 0102030405060708090a0b0c0d0e0f10 99999999999999999999", false, 0},
        {"npvec 1 0102030405060708090a0b0c0d0e0f10 0", false, 0},
        {"npvec 1 0102030405060708090a0b0c0d0e0f10 01", false, 0},
        {"npvec 1 0102030405060708090a0b0c0d0e0f10 -1", false, 0},
        {"npvec 1 0102030405060708090a0b0c0d0e0f10 +1", false, 0},
        {"npvec 1 0102030405060708090a0b0c0d0e0f10  1", false, 0},
        {"npvec 1 0102030405060708090a0b0c0d0e0f10 1 ", false, 0},
        {"npvec 1 0102030405060708090a0b0c0d0e0f10 1\n", false, 0},
        {"npvec 1 0102030405060708090a0b0c0d0e0f10 ", false, 0},
        {"npvec 1 0102030405060708090a0b0c0d0e0f10", false, 0},
        {"npvec 1 0102030405060708090A0b0c0d0e0f10 1", false, 0},
        {"npvec 1 0102030405060708090a0b0c0d0e0f1 1", false, 0},
        {"npvec 1 0102030405060708090a0b0c0d0e0f100 1", false, 0},
        {"npvec 1 00000000000000000000000000000000 1", false, 0},
        {"npvec 2 0102030405060708090a0b0c0d0e0f10 1", false, 0},
        {"npvec 1 0x02030405060708090a0b0c0d0e0f10 1", false, 0},
        {" npvec 1 0102030405060708090a0b0c0d0e0f10 1", false, 0},
        {"npvec", false, 0},
        {"", false, 0},
    };
    assert_int_equal(write_store(forge_path("a"), false, NULL, NULL, NULL), NPV_OK);
    npv_buffer whole = forge_read(forge_path("a"));
    const size_t end = forge_end(whole);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const size_t length = strlen(cases[i].comment);
        npv_buffer bytes = {NULL, 0, 0};
        assert_int_equal(npv_buffer_append(&bytes, whole.data, end + 22, NULL), NPV_OK);
        assert_int_equal(npv_buffer_append(&bytes, cases[i].comment, length, NULL), NPV_OK);
        assert_int_equal(npv_buffer_append(&bytes, zeros, cases[i].zeros, NULL), NPV_OK);
        forge_put16(bytes, end + 20, (unsigned)(length + cases[i].zeros));
        forge_write(forge_path("a"), (npv_bytes){bytes.data, bytes.size});
        free(bytes.data);
        npv_archive_facts facts;
        assert_int_equal(open_only(forge_path("a"), &facts, NULL), NPV_OK);
        if (facts.marked != cases[i].marked || (facts.mark.generation != 0) != cases[i].marked)
            fail_msg("'%s'", cases[i].comment);
    }
    free(whole.data);
    forge_remove_files();
}

static void mark_on_what_npvec_cannot_have_written_is_ignored(void **state) {
    (void)state;
    static const char mark[] = "npvec 1 0102030405060708090a0b0c0d0e0f10 1";
    const foreign version = {"format_version.npy", SCALAR("'<i8'"), &one, 8};
    const foreign dimensions = {"dimensions.npy", SCALAR("'<i8'"), &three, 8};
    const foreign normalize = {"normalize.npy", SCALAR("'|b1'"), &one, 1};
    const foreign metadata = {"metadata.npy", RECORDS, zeros, 20};
    const foreign vectors = {"vectors.npy", F4, rows, sizeof rows};
    const foreign doubles = {"vectors.npy", DICT("'<f8'", "False", "(5, 3)"), zeros, 120};
    const foreign more = {"more.npy", F4, rows, sizeof rows};
    const foreign end = {NULL, NULL, NULL, 0};
    const struct {
        foreign members[7];
        bool marked;
    } cases[] = {
        {{version, dimensions, normalize, metadata, vectors, end}, true},
        {{version, dimensions, normalize, vectors, end}, false},
        {{version, dimensions, more, metadata, vectors, end}, false},
        {{version, dimensions, normalize, metadata, vectors, more, end}, false},
        {{version, dimensions, normalize, metadata, doubles, end}, false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        write_foreign(forge_path("a"), cases[i].members, false, mark);
        npv_archive_facts facts;
        assert_int_equal(open_only(forge_path("a"), &facts, NULL), NPV_OK);
        assert_int_equal(facts.marked, cases[i].marked);
    }
    forge_remove_files();
}

/* -------------------------------------------------------------------------------------------------------- Damage -- */

/* What reads without an error must be what was written. */
static void check_damaged(npv_bytes bytes, const npv_documents *expected, const char *what, size_t at) {
    forge_write(forge_path("damaged"), bytes);
    npv_archive_facts facts;
    float *vectors = NULL;
    npv_documents documents = NPV_DOCUMENTS_EMPTY;
    npv_array records = NPV_ARRAY_EMPTY;
    npv_error error = {0};
    const npv_status status = read_all(forge_path("damaged"), &facts, &vectors, &documents, &records, &error);
    if (status == NPV_OK) {
        const bool same = facts.rows == ROWS && facts.dimensions == DIMENSIONS &&
                          memcmp(vectors, rows, sizeof rows) == 0 &&
                          (facts.metadata == NPV_METADATA_NONE || same_documents(&documents, expected));
        if (!same)
            fail_msg("%s at byte %zu was believed", what, at);
    } else {
        assert_int_not_equal(error.message[0], '\0');
        assert_null(strchr(error.message, '\n'));
    }
    npv_documents_free(&documents);
    npv_array_free(&records);
    free(vectors);
}

static void no_part_of_a_store_is_taken_for_the_whole(void **state) {
    (void)state;
    for (int compress = 0; compress < 2; compress++) {
        assert_int_equal(write_store(forge_path("whole"), compress != 0, NULL, NULL, NULL), NPV_OK);
        npv_buffer whole = forge_read(forge_path("whole"));
        for (size_t size = 0; size < whole.size; size++) {
            forge_write(forge_path("a"), (npv_bytes){whole.data, size});
            npv_archive_facts facts;
            npv_error error;
            assert_int_equal(open_only(forge_path("a"), &facts, &error), NPV_E_FORMAT);
        }
        free(whole.data);
    }
    forge_remove_files();
}

static void no_flipped_byte_is_believed(void **state) {
    (void)state;
    static const unsigned char flips[] = {0x01, 0x20, 0x80, 0xff};
    npv_documents expected = some_documents(ROWS);
    for (int compress = 0; compress < 2; compress++) {
        assert_int_equal(write_store(forge_path("whole"), compress != 0, NULL, NULL, NULL), NPV_OK);
        npv_buffer whole = forge_read(forge_path("whole"));
        for (size_t at = 0; at < whole.size; at++)
            for (size_t i = 0; i < sizeof flips; i++) {
                whole.data[at] ^= flips[i];
                check_damaged((npv_bytes){whole.data, whole.size}, &expected, "a flipped byte", at);
                whole.data[at] ^= flips[i];
            }
        free(whole.data);
    }
    npv_documents_free(&expected);
    forge_remove_files();
}

static void failing_writes_leave_the_old_file(void **state) {
    (void)state;
    struct rlimit old;
    getrlimit(RLIMIT_FSIZE, &old);
    signal(SIGXFSZ, SIG_IGN);
    for (int compress = 0; compress < 2; compress++) {
        const char *path = forge_path("store.npz");
        assert_int_equal(write_store(path, compress != 0, NULL, NULL, NULL), NPV_OK);
        npv_buffer whole = forge_read(path);
        for (size_t size = 0; size < whole.size; size += 7) {
            npv_error error = {0};
            setrlimit(RLIMIT_FSIZE, &(struct rlimit){size, old.rlim_max});
            const npv_status status = write_store(path, compress != 0, NULL, NULL, &error);
            setrlimit(RLIMIT_FSIZE, &old);
            assert_int_equal(status, NPV_E_IO);
            assert_non_null(strstr(error.message, "store.npz: writing its replacement failed: File too large"));
            assert_true(forge_same_file(path, (npv_bytes){whole.data, whole.size}));
            assert_int_equal(forge_count(""), 1);
        }
        free(whole.data);
        forge_remove_files();
    }
}

#ifdef FAILING_MALLOC
static npv_status write_prepared(const npv_archive_contents *contents, npv_error *error) {
    return npv_archive_write(forge_path("store.npz"), contents, error);
}

static npv_status read_prepared(const npv_archive_contents *contents, npv_error *error) {
    static float vectors[ROWS * DIMENSIONS];
    npv_documents documents = NPV_DOCUMENTS_EMPTY;
    npv_archive *archive = NULL;
    npv_archive_facts facts;
    (void)contents;
    npv_status status = npv_archive_open(forge_path("store.npz"), &archive, &facts, error);
    if (status == NPV_OK)
        status = npv_archive_read_vectors(archive, vectors, error);
    if (status == NPV_OK)
        status = npv_archive_read_documents(archive, &documents, error);
    npv_archive_close(archive);
    npv_documents_free(&documents);
    return status;
}

static void check_every_failing_allocation(npv_status (*run)(const npv_archive_contents *, npv_error *),
                                           const npv_archive_contents *contents) {
    npv_status status = NPV_E_MEMORY;
    long call = 0;
    for (; status != NPV_OK && call < 10000; call++) {
        npv_error error = {0};
        const long before = alive;
        until_failure = call;
        status = run(contents, &error);
        const bool reached = until_failure < 0;
        until_failure = -1;
        assert_int_equal(alive, before);
        assert_int_equal(status != NPV_OK, reached);
        if (status != NPV_OK)
            assert_true(status == NPV_E_MEMORY || strstr(error.message, "Cannot allocate memory") != NULL);
        assert_int_equal(forge_count(".tmp"), 0);
    }
    assert_int_equal(status, NPV_OK);
    assert_true(call > 5);
}

static void every_failing_allocation_is_an_error(void **state) {
    (void)state;
    for (int compress = 0; compress < 2; compress++) {
        npv_documents documents = some_documents(ROWS);
        const npv_archive_contents contents = {.rows = ROWS,
                                               .dimensions = DIMENSIONS,
                                               .vectors = rows,
                                               .documents = &documents,
                                               .mark = {MARK_ID, 7},
                                               .compress = compress != 0};
        check_every_failing_allocation(write_prepared, &contents);
        check_every_failing_allocation(read_prepared, &contents);
        npv_documents_free(&documents);
    }
    forge_remove_files();
}
#endif

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(written_store_reads_back),
        cmocka_unit_test(same_contents_give_the_same_bytes),
        cmocka_unit_test(records_are_kept_with_their_type),
        cmocka_unit_test(empty_store_reads_back),
        cmocka_unit_test(next_mark_keeps_the_id_and_counts),
        cmocka_unit_test(foreign_archives_are_read),
        cmocka_unit_test(what_is_not_a_store_is_refused),
        cmocka_unit_test(other_files_are_refused),
        cmocka_unit_test(bare_npy_is_vectors_alone),
        cmocka_unit_test(origin_says_why_vectors_are_converted),
        cmocka_unit_test(deflated_vectors_are_never_mapped),
        cmocka_unit_test(double_that_does_not_fit_is_named),
        cmocka_unit_test(inflating_bombs_cost_nothing),
        cmocka_unit_test(only_exact_marks_count),
        cmocka_unit_test(mark_on_what_npvec_cannot_have_written_is_ignored),
        cmocka_unit_test(no_part_of_a_store_is_taken_for_the_whole),
        cmocka_unit_test(no_flipped_byte_is_believed),
        cmocka_unit_test(failing_writes_leave_the_old_file),
#ifdef FAILING_MALLOC
        cmocka_unit_test(every_failing_allocation_is_an_error),
#endif
    };
    return cmocka_run_group_tests(tests, forge_setup, forge_teardown);
}
