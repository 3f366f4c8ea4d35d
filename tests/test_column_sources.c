/* Columns of records and of documents, what they do when memory runs out, and fields that were meant. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "failing_malloc.h"
#include "meta/columns.h"
#include "meta/json.h"

#define COUNT(array) (sizeof(array) / sizeof *(array))
#define BYTES(literal) ((npv_bytes){(const unsigned char *)(literal), sizeof(literal) - 1})

static npv_path path_of(const char *text) {
    npv_path path;
    assert_int_equal(npv_path_parse(text, &path, NULL), NPV_OK);
    return path;
}

static void append_json(npv_documents *documents, const char *json) {
    npv_buffer fragment = {NULL, 0, 0};
    assert_int_equal(npv_json_to_fragment(json, &fragment, NULL), NPV_OK);
    assert_int_equal(npv_documents_append(documents, (npv_bytes){fragment.data, fragment.size}, NULL), NPV_OK);
    free(fragment.data);
}

/* ------------------------------------------------------------------------------------------------------- Records -- */

/* An entry as a line: its class, and its value. */
static void describe(const npv_entry *entry, char line[64]) {
    static const char *const names[] = {"missing", "null", "bool", "number", "text", "array", "other"};
    switch (entry->class) {
    case NPV_CLASS_BOOL:
        snprintf(line, 64, "bool %d", entry->boolean);
        break;
    case NPV_CLASS_NUMBER:
        if (entry->number == NPV_VALUE_FLOAT)
            snprintf(line, 64, "number %.3g", entry->real);
        else
            snprintf(line, 64, entry->number == NPV_VALUE_INT ? "number %lld" : "number %llu",
                     (long long)entry->integer);
        break;
    case NPV_CLASS_TEXT:
        snprintf(line, 64, "text %.*s", (int)entry->bytes.size, (const char *)entry->bytes.data);
        break;
    default:
        snprintf(line, 64, "%s", names[entry->class]);
    }
}

static void assert_field(npv_columns *columns, const npv_column_source *source, const char *name, uint64_t rows,
                         const char *const *expected) {
    npv_path path = path_of(name);
    const npv_column *column;
    assert_int_equal(npv_columns_get(columns, source, &path, rows, &column, NULL), NPV_OK);
    npv_path_free(&path);
    const npv_column_view view = npv_column_look(column);
    assert_int_equal(view.rows, rows);
    for (uint64_t row = 0; row < rows; row++) {
        char line[64];
        describe(&view.entries[view.codes[row]], line);
        assert_string_equal(line, expected[row]);
    }
}

static const struct {
    const char *name, *values[3];
} FIELDS[] = {
    {"b", {"bool 1", "bool 0", "bool 1"}},
    {"i", {"number -2", "number 258", "number 0"}},
    {"u", {"number 18446744073709551615", "number 1", "number 0"}},
    {"f", {"number 0.5", "other", "number -0"}},
    {"t", {"text h\xc3\xa9", "text ", "text abc"}},
    {"s", {"other", "text x", "text x"}},
    {"d", {"text 2024-05-17", "null", "text 1970-01-01"}},
    {"m", {"number 90", "null", "number -1"}},
};

/* b1 i2 u8 f8 U3 S2 M8[D] m8[s]: numbers and characters, turned over for big-endian ones. */
static void put(unsigned char **to, uint64_t value, size_t size, bool big_endian) {
    for (size_t i = 0; i < size; i++)
        *(*to)++ = (unsigned char)(value >> 8 * (big_endian ? size - 1 - i : i));
}

static size_t write_records(unsigned char *to, bool big_endian) {
    static const uint64_t values[][5] = {{1, 0xfffe, UINT64_MAX, 0x3fe0000000000000, 19860},
                                         {0, 258, 1, 0x7ff8000000000000, (uint64_t)1 << 63},
                                         {1, 0, 0, (uint64_t)1 << 63, 0}};
    static const uint64_t spans[] = {90, (uint64_t)1 << 63, UINT64_MAX};
    static const uint32_t texts[][3] = {{'h', 0xe9, 0}, {0, 0, 0}, {'a', 'b', 'c'}};
    const unsigned char *const begin = to;
    for (size_t row = 0; row < 3; row++) {
        put(&to, values[row][0], 1, big_endian);
        put(&to, values[row][1], 2, big_endian);
        put(&to, values[row][2], 8, big_endian);
        put(&to, values[row][3], 8, big_endian);
        for (size_t i = 0; i < 3; i++)
            put(&to, texts[row][i], 4, big_endian);
        put(&to, row == 0 ? 0xe9 : 'x', 2, false); /* ASCII is text */
        put(&to, values[row][4], 8, big_endian);
        put(&to, spans[row], 8, big_endian);
    }
    return (size_t)(to - begin);
}

static void test_fields_of_records_are_columns(void **state) {
    (void)state;
    static const char *const descrs[] = {
        "[('b', '|b1'), ('i', '<i2'), ('u', '<u8'), ('f', '<f8'), ('t', '<U3'), ('s', '|S2'), ('d', '<M8[D]'), ('m', "
        "'<m8[s]')]",
        "[('b', '|b1'), ('i', '>i2'), ('u', '>u8'), ('f', '>f8'), ('t', '>U3'), ('s', '|S2'), ('d', '>M8[D]'), ('m', "
        "'>m8[s]')]",
    };
    for (size_t i = 0; i < COUNT(descrs); i++) {
        npv_record_schema schema;
        const npv_bytes descr = {(const unsigned char *)descrs[i], strlen(descrs[i])};
        assert_int_equal(npv_schema_from_descr(descr, &schema, NULL), NPV_OK);
        npv_array records = NPV_ARRAY_EMPTY;
        assert_int_equal(npv_array_grow(&records, 4096, NULL), NPV_OK);
        assert_int_equal(write_records(records.data, i == 1), 3 * schema.record_size);
        const npv_column_source source = {.schema = &schema, .records = &records};
        npv_columns columns = {NULL, 0};
        for (size_t field = 0; field < COUNT(FIELDS); field++)
            assert_field(&columns, &source, FIELDS[field].name, 3, FIELDS[field].values);
        assert_int_equal(columns.count, COUNT(FIELDS));
        assert_int_equal(npv_column_look(columns.held[5].column).entry_count, 4); /* equal bytes are one value */
        npv_columns_free(&columns);
        npv_array_free(&records);
        npv_schema_free(&schema);
    }
}

static void assert_no_field(npv_columns *columns, const npv_column_source *source, const char *name,
                            const char *message) {
    npv_path path = path_of(name);
    const npv_column *column;
    npv_error error;
    assert_int_equal(npv_columns_get(columns, source, &path, 0, &column, &error), NPV_E_NOT_FOUND);
    assert_string_equal(error.message, message);
    assert_int_equal(columns->count, 0);
    npv_path_free(&path);
}

static void test_a_schema_has_only_its_fields(void **state) {
    (void)state;
    const npv_field fields[] = {
        {"year", "i4"}, {"publication date", "M8[D]"}, {"a.b", "i1"}, {"tags[0].\"x y\"", "i1"}};
    npv_record_schema schema;
    assert_int_equal(npv_schema_declare(fields, COUNT(fields), &schema, NULL), NPV_OK);
    const npv_array records = NPV_ARRAY_EMPTY;
    const npv_column_source source = {.schema = &schema, .records = &records};
    npv_columns columns = {NULL, 0};
    assert_no_field(&columns, &source, "yaer", "there is no field yaer: did you mean year?");
    assert_no_field(&columns, &source, "\"publicationdate\"",
                    "there is no field publicationdate: did you mean \"publication date\"?");
    assert_no_field(&columns, &source, "title", "there is no field title");
    assert_no_field(&columns, &source, "year.x", "there is no field year.x");
    assert_no_field(&columns, &source, "yaer.x", "there is no field yaer.x");
    assert_no_field(&columns, &source, "[0]", "there is no field [0]");
    assert_no_field(&columns, &source, "a.b", "there is no field a.b: did you mean \"a.b\"?");
    assert_no_field(&columns, &source, "a.c", "there is no field a.c");
    assert_no_field(&columns, &source, "tags[0].\"x y\"",
                    "there is no field tags[0].\"x y\": did you mean \"tags[0].\"\"x y\"\"\"?");
    npv_schema_free(&schema);
}

static void test_records_that_are_not_read_say_why(void **state) {
    (void)state;
    npv_record_schema schema;
    const npv_bytes descr = BYTES("[('z', '<c16')]");
    npv_error error;
    assert_int_equal(npv_schema_from_descr(descr, &schema, &error), NPV_E_UNSUPPORTED);
    assert_int_equal(npv_schema_unread(descr, 16, error.message, &schema, NULL), NPV_OK);
    const npv_array records = NPV_ARRAY_EMPTY;
    const npv_column_source source = {.schema = &schema, .records = &records};
    char message[600];
    snprintf(message, sizeof message, "there is no field z: %s", error.message);
    assert_no_field(&(npv_columns){NULL, 0}, &source, "z", message);
    npv_schema_free(&schema);
}

/* -------------------------------------------------------------------------------------------- Columns of a store -- */

static void test_a_field_named_again_is_the_same_column(void **state) {
    (void)state;
    npv_documents documents = NPV_DOCUMENTS_EMPTY;
    const npv_column_source source = {.documents = &documents};
    npv_columns columns = {NULL, 0};
    append_json(&documents, "{\"a\": 1, \"b\": {\"c\": \"x\"}}");
    assert_field(&columns, &source, "a", 1, (const char *const[]){"number 1"});
    assert_field(&columns, &source, "b.c", 1, (const char *const[]){"text x"});
    assert_int_equal(npv_documents_append_none(&documents, 1, NULL), NPV_OK);
    append_json(&documents, "{\"a\": null, \"b\": [\"c\"]}");
    assert_field(&columns, &source, "\"a\"", 3, (const char *const[]){"number 1", "missing", "null"});
    assert_field(&columns, &source, "b", 3, (const char *const[]){"other", "missing", "array"});
    assert_int_equal(columns.count, 3);

    ((npv_document_place *)(void *)documents.places.data)[0] = (npv_document_place){0, 0};
    npv_columns_update(&columns, &source, 0);
    assert_field(&columns, &source, "a", 3, (const char *const[]){"missing", "missing", "null"});
    assert_field(&columns, &source, "b.c", 3, (const char *const[]){"missing", "missing", "missing"});
    assert_int_equal(columns.count, 3);
    npv_columns_free(&columns);
    assert_int_equal(columns.count, 0);
    npv_documents_free(&documents);
}

/* 256 bytes away from "year". */
#define SIXTY_FOUR "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
#define LONG "year" SIXTY_FOUR SIXTY_FOUR SIXTY_FOUR SIXTY_FOUR

/* The number that a field of each row has, and how many columns there are once it was read. */
static size_t look_at_number(npv_columns *columns, const npv_column_source *source, unsigned number) {
    char name[16];
    const npv_column *column;
    snprintf(name, sizeof name, "f%u", number);
    npv_path path = path_of(name);
    assert_int_equal(npv_columns_get(columns, source, &path, 1, &column, NULL), NPV_OK);
    const npv_column_view view = npv_column_look(column);
    assert_int_equal(view.entries[view.codes[0]].integer, number);
    npv_columns_release(columns, source, column);
    npv_path_free(&path);
    return columns->count;
}

#define MANY 200

static void append_many_fields(npv_documents *documents) {
    char json[16 * MANY] = "{\"f0\": 0";
    for (size_t i = 1, at = strlen(json); i < MANY; i++)
        at += (size_t)snprintf(json + at, sizeof json - at, ", \"f%zu\": %zu", i, i);
    append_json(documents, strcat(json, "}"));
}

static void test_columns_of_the_fields_that_were_named_last_are_kept(void **state) {
    (void)state;
    npv_documents documents = NPV_DOCUMENTS_EMPTY;
    const npv_column_source source = {.documents = &documents};
    npv_columns columns = {NULL, 0};
    append_many_fields(&documents);
    for (unsigned i = 0; i < MANY; i++) {
        assert_int_equal(look_at_number(&columns, &source, i), i < NPV_KEPT_COLUMNS ? i + 1 : NPV_KEPT_COLUMNS);
        look_at_number(&columns, &source, 0);
    }
    npv_path first = path_of("f0"), early = path_of("f1");
    assert_true(npv_path_equal(npv_column_path(columns.held[NPV_KEPT_COLUMNS - 1].column), &first));
    for (size_t i = 0; i < columns.count; i++)
        assert_false(npv_path_equal(npv_column_path(columns.held[i].column), &early));
    npv_path_free(&first);
    npv_path_free(&early);
    npv_columns_free(&columns);
    npv_documents_free(&documents);
}

static void test_columns_that_are_read_are_not_freed(void **state) {
    (void)state;
    npv_documents documents = NPV_DOCUMENTS_EMPTY;
    const npv_column_source source = {.documents = &documents};
    npv_columns columns = {NULL, 0};
    const npv_column *read[2];
    append_many_fields(&documents);
    npv_path path = path_of("f7");
    for (size_t i = 0; i < COUNT(read); i++)
        assert_int_equal(npv_columns_get(&columns, &source, &path, 1, &read[i], NULL), NPV_OK);
    assert_ptr_equal(read[0], read[1]);
    for (size_t i = 0; i < COUNT(read); i++) {
        for (unsigned number = 8; number < MANY; number++)
            look_at_number(&columns, &source, number);
        assert_ptr_equal(columns.held[0].column, read[i]);
        assert_int_equal(npv_column_look(read[i]).rows, 1);
        npv_columns_release(&columns, &source, read[i]);
    }
    look_at_number(&columns, &source, 8);
    assert_int_equal(columns.count, NPV_KEPT_COLUMNS);
    assert_ptr_not_equal(columns.held[0].column, read[0]);
    npv_path_free(&path);
    npv_columns_free(&columns);
    npv_documents_free(&documents);
}

/* More than are kept, as of a filter that names them all: each goes when its last reader does. */
static void test_columns_that_are_all_read_are_all_there(void **state) {
    (void)state;
    enum { READ = NPV_KEPT_COLUMNS + 6 };
    npv_documents documents = NPV_DOCUMENTS_EMPTY;
    const npv_column_source source = {.documents = &documents};
    npv_columns columns = {NULL, 0};
    const npv_column *read[READ];
    append_many_fields(&documents);
    for (int reader = 0; reader < 2; reader++)
        for (unsigned i = 0; i < READ; i++) {
            char name[16];
            snprintf(name, sizeof name, "f%u", i);
            npv_path path = path_of(name);
            assert_int_equal(npv_columns_get(&columns, &source, &path, 1, &read[i], NULL), NPV_OK);
            npv_path_free(&path);
        }
    for (unsigned i = 0; i < 2 * READ; i++) {
        const unsigned gone = i < READ ? 0 : i - READ + 1;
        npv_columns_release(&columns, &source, read[i % READ]);
        assert_int_equal(columns.count, gone < READ - NPV_KEPT_COLUMNS ? READ - gone : NPV_KEPT_COLUMNS);
    }
    for (unsigned i = READ - NPV_KEPT_COLUMNS; i < READ; i++)
        assert_int_equal(npv_column_look(read[i]).entries[npv_column_look(read[i]).codes[0]].integer, i);
    npv_columns_free(&columns);
    npv_documents_free(&documents);
}

static void test_the_field_that_was_meant_is_suggested(void **state) {
    (void)state;
    npv_documents documents = NPV_DOCUMENTS_EMPTY;
    const npv_column_source source = {.documents = &documents};
    assert_int_equal(npv_documents_append_none(&documents, 1, NULL), NPV_OK);
    append_json(&documents, "[1]");
    append_json(&documents, "{\"year\": 1, \"authors\": {\"name\": \"x\", \"a long name\": 2}, \"z\": \"citation\"}");
    append_json(&documents, "{\"" LONG "\": 1}");
    append_json(&documents, "{\"citations\": 1, \"tags\": [{\"label\": 1}], \"citatioms_xx\": 3}");
    append_json(&documents, "{\"much\": {\"a.b\": 1, \"q\": {}}, \"o.p\": 2, \"n[0]\": 3}");
    static const struct {
        const char *path, *meant;
    } cases[] = {
        {"yaer", "year"},
        {"Year", "year"},
        {"ye", NULL},
        {"yearssss", NULL},
        {"citation", "citations"},
        {"citatioms", "citations"},      /* citatioms_xx, which comes later, is farther */
        {"citatioms_x", "citatioms_xx"}, /* citations, which comes earlier, is */
        {"author.name", "authors.name"},
        {"authors.nmae", "authors.name"},
        {"authors.\"a lon name\"", "authors.\"a long name\""},
        {"authors.year", NULL},
        {"tags[0].lable", "tags[0].label"},
        {"tags[1].lable", NULL},
        {"tagz[0].x", "tags[0].x"},
        {"[3]", NULL},
        {"\"\"", "z"},
        {"name", NULL},
        {"much.a.b", "much.\"a.b\""},
        {"o.p", "\"o.p\""},
        {"n[0]", "\"n[0]\""},
        {"much.q.a.b", NULL},
        {LONG, NULL},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        npv_path path = path_of(cases[i].path);
        char shown[NPV_SHOWN];
        assert_int_equal(npv_columns_suggest(&source, &path, documents.count, shown), cases[i].meant != NULL);
        if (cases[i].meant != NULL)
            assert_string_equal(shown, cases[i].meant);
        npv_path_free(&path);
    }
    npv_documents_free(&documents);
}

/* -------------------------------------------------------------------------------------------------------- Faults -- */

#ifdef FAILING_MALLOC

/* What a column shows, as one number. */
static uint64_t fingerprint(const npv_column *column) {
    const npv_column_view view = npv_column_look(column);
    uint64_t sum = view.rows + 31 * view.entry_count + 977 * view.head + 65537 * view.tail_count;
    for (uint64_t row = 0; row < view.rows; row++)
        sum = sum * 1000003 + view.codes[row];
    for (uint32_t code = 0; code < view.entry_count; code++) {
        char line[64];
        describe(&view.entries[code], line);
        for (const char *c = line; *c != '\0'; c++)
            sum = sum * 1000003 + (unsigned char)*c;
    }
    return sum;
}

static void append_values(npv_documents *documents, size_t rows) {
    while (documents->count < rows) {
        char json[100];
        snprintf(json, sizeof json, documents->count % 2 ? "{\"a\": \"value number %zu\"}" : "{\"a\": %zu}",
                 documents->count * 7919 % 2003);
        append_json(documents, json);
    }
}

/* Every allocation of an extension fails once: each time the column is as before, and at last it has the rows. */
static void extend_with_faults(npv_columns *columns, const npv_column_source *source, const npv_path *path,
                               uint64_t rows) {
    const npv_column *column = columns->count > 0 ? columns->held[0].column : NULL;
    const uint64_t before = column != NULL ? fingerprint(column) : 0;
    npv_status status = NPV_E_MEMORY;
    for (long n = 0; status != NPV_OK; n++) {
        until_failure = n;
        status = npv_columns_get(columns, source, path, rows, &column, NULL);
        const bool reached = until_failure < 0;
        until_failure = -1;
        assert_true(status == NPV_OK || (status == NPV_E_MEMORY && reached));
        if (status != NPV_OK && before != 0)
            assert_int_equal(fingerprint(columns->held[0].column), before);
    }
    assert_int_equal(npv_column_look(column).rows, rows);
}

static void test_extending_without_memory_leaves_a_column_as_it_was(void **state) {
    (void)state;
    const long alive_before = alive;
    npv_documents documents = NPV_DOCUMENTS_EMPTY;
    const npv_column_source source = {.documents = &documents};
    npv_columns columns = {NULL, 0};
    npv_path path = path_of("a");
    append_values(&documents, 2500);
    static const uint64_t rows[] = {300, 301, 302, 303, 420, 421, 430, 431, 450, 2000, 2010, 2500};
    for (size_t i = 0; i < COUNT(rows); i++)
        extend_with_faults(&columns, &source, &path, rows[i]);

    npv_columns unharmed = {NULL, 0};
    const npv_column *column;
    for (size_t i = 0; i < COUNT(rows); i++)
        assert_int_equal(npv_columns_get(&unharmed, &source, &path, rows[i], &column, NULL), NPV_OK);
    assert_int_equal(fingerprint(columns.held[0].column), fingerprint(column));
    npv_columns_free(&columns);
    npv_columns_free(&unharmed);
    npv_path_free(&path);
    npv_documents_free(&documents);
    assert_int_equal(alive, alive_before);
}

static void test_a_column_that_cannot_be_updated_is_dropped(void **state) {
    (void)state;
    const long alive_before = alive;
    npv_documents documents = NPV_DOCUMENTS_EMPTY;
    const npv_column_source source = {.documents = &documents};
    append_values(&documents, 200);
    append_json(&documents, "{\"a\": \"a value that is much longer than all that were there before it, so that it "
                            "needs memory of its own\", \"b\": 1}");
    npv_document_place *const places = (npv_document_place *)(void *)documents.places.data;
    const npv_document_place old = places[7];
    bool dropped = true;
    for (long n = 0; dropped; n++) {
        npv_columns columns = {NULL, 0};
        npv_path paths[] = {path_of("none"), path_of("a")};
        const npv_column *column;
        for (size_t i = 0; i < COUNT(paths); i++) {
            assert_int_equal(npv_columns_get(&columns, &source, &paths[i], 200, &column, NULL), NPV_OK);
            npv_path_free(&paths[i]);
        }
        places[7] = places[200];
        until_failure = n;
        npv_columns_update(&columns, &source, 7);
        dropped = until_failure < 0;
        until_failure = -1;
        assert_int_equal(columns.count, dropped ? 1 : 2);
        assert_int_equal(npv_column_look(columns.held[0].column).rows, 200);
        places[7] = old;
        npv_columns_free(&columns);
        assert_true(dropped || n > 1);
    }
    npv_documents_free(&documents);
    assert_int_equal(alive, alive_before);
}

#endif

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fields_of_records_are_columns),
        cmocka_unit_test(test_a_schema_has_only_its_fields),
        cmocka_unit_test(test_records_that_are_not_read_say_why),
        cmocka_unit_test(test_a_field_named_again_is_the_same_column),
        cmocka_unit_test(test_columns_of_the_fields_that_were_named_last_are_kept),
        cmocka_unit_test(test_columns_that_are_read_are_not_freed),
        cmocka_unit_test(test_columns_that_are_all_read_are_all_there),
        cmocka_unit_test(test_the_field_that_was_meant_is_suggested),
#ifdef FAILING_MALLOC
        cmocka_unit_test(test_extending_without_memory_leaves_a_column_as_it_was),
        cmocka_unit_test(test_a_column_that_cannot_be_updated_is_dropped),
#endif
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
