/* Typed fields: declared, read from the types of structured arrays, and records from and to documents. */
#include <float.h>
#include <inttypes.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "failing_malloc.h"
#include "meta/datetime.h"
#include "meta/json.h"
#include "meta/schema.h"

#define COUNT(array) (sizeof(array) / sizeof *(array))

static npv_bytes text_of(const char *text) {
    return (npv_bytes){(const unsigned char *)text, strlen(text)};
}

static npv_record_schema schema_of(const char *descr) {
    npv_record_schema schema = {0};
    npv_error error = {0};
    if (npv_schema_from_descr(text_of(descr), &schema, &error) != NPV_OK)
        fail_msg("%s: %s", descr, error.message);
    return schema;
}

/* ---------------------------------------------------------------------------------------------------- Declared -- */

static void declared_fields_are_spelled_as_numpy_spells_them(void **state) {
    (void)state;
    static const npv_field fields[] = {{"year", "i4"},    {"ok", "b1"},  {"tiny", "u1"},     {"half", "f2"},
                                       {"title", "U200"}, {"raw", "S8"}, {"at", "M8[25us]"}, {"took", "m8[ms]"},
                                       {"count", "u8"},   {"one", "i1"}, {"day", "M8[1D]"}};
    npv_record_schema schema = {0};
    assert_int_equal(npv_schema_declare(fields, COUNT(fields), &schema, NULL), NPV_OK);
    assert_string_equal(schema.descr, "[('year', '<i4'), ('ok', '|b1'), ('tiny', '|u1'), ('half', '<f2'), "
                                      "('title', '<U200'), ('raw', '|S8'), ('at', '<M8[25us]'), ('took', '<m8[ms]'), "
                                      "('count', '<u8'), ('one', '|i1'), ('day', '<M8[D]')]");
    assert_int_equal(schema.record_size, 4 + 1 + 1 + 2 + 800 + 8 + 8 + 8 + 8 + 1 + 8);
    assert_int_equal(schema.field_count, COUNT(fields));
    for (size_t i = 0; i < COUNT(fields); i++) {
        assert_string_equal(schema.declared[i].name, fields[i].name);
        assert_string_equal(schema.declared[i].type, i + 1 < COUNT(fields) ? fields[i].type : "M8[D]");
        assert_int_equal(npv_schema_find(&schema, text_of(fields[i].name)), i);
    }
    assert_int_equal(npv_schema_find(&schema, text_of("titl")), COUNT(fields));
    npv_schema_free(&schema);
    assert_int_equal(schema.field_count, 0);
}

static void names_are_quoted_as_repr_quotes_them(void **state) {
    (void)state;
    static const struct {
        const char *name, *spelled;
    } cases[] = {
        {"plain", "'plain'"},
        {"it's", "\"it's\""},
        {"say \"x\"", "'say \"x\"'"},
        {"it's \"x\"", "'it\\'s \"x\"'"},
        {"back\\slash", "'back\\\\slash'"},
        {"tab\tnew\nline\r", "'tab\\tnew\\nline\\r'"},
        {"bell\a del\x7f", "'bell\\x07 del\\x7f'"},
        {"caf\xc3\xa9 \xe6\x97\xa5 \xf0\x9f\x98\x80", "'caf\xc3\xa9 \xe6\x97\xa5 \xf0\x9f\x98\x80'"},
        {"nbsp\xc2\xa0shy\xc2\xad", "'nbsp\\xa0shy\\xad'"},
        {"zwsp\xe2\x80\x8b", "'zwsp\\u200b'"},
        {"private\xf3\xb0\x80\x80", "'private\\U000f0000'"},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        const npv_field field = {cases[i].name, "i1"};
        npv_record_schema schema = {0};
        char expected[96];
        snprintf(expected, sizeof expected, "[(%s, '|i1')]", cases[i].spelled);
        assert_int_equal(npv_schema_declare(&field, 1, &schema, NULL), NPV_OK);
        assert_string_equal(schema.descr, expected);
        assert_string_equal(schema.fields[0].name, cases[i].name);
        npv_schema_free(&schema);
    }
}

static void mistakes_in_declared_fields_are_named(void **state) {
    (void)state;
    static const struct {
        npv_field fields[2];
        const char *message;
    } cases[] = {
        {{{"a", "i4"}, {"", "i4"}}, "field 1: expected a name in UTF-8, found none"},
        {{{NULL, "i4"}, {"b", "i4"}}, "field 0: expected a name in UTF-8, found none"},
        {{{"a\xff", "i4"}, {"b", "i4"}}, "field 0: expected a name in UTF-8, found other bytes"},
        {{{"\xed\xa0\x80", "i4"}, {"b", "i4"}}, "field 0: expected a name in UTF-8, found other bytes"},
        {{{"a", "i4"}, {"a", "f4"}}, "field 'a' is there twice"},
        {{{"a", "i4"}, {"b", NULL}},
         "field 'b': expected a type (b1, i1 to i8, u1 to u8, f2 to f8, U<characters>, "
         "S<bytes>, M8[<unit>], m8[<unit>]), found 'none'"},
        {{{"a", "i4"}, {"b", "U536870911"}}, "field 'b' makes records longer than 2**31 - 1 bytes"},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        npv_record_schema schema = {0};
        npv_error error = {0};
        assert_int_equal(npv_schema_declare(cases[i].fields, 2, &schema, &error), NPV_E_ARGUMENT);
        assert_int_equal(error.code, NPV_E_ARGUMENT);
        assert_string_equal(error.message, cases[i].message);
        assert_null(schema.fields);
        assert_int_equal(npv_schema_declare(cases[i].fields, 2, &schema, NULL), NPV_E_ARGUMENT);
    }
}

static void types_that_numpy_or_npvec_lack_are_refused(void **state) {
    (void)state;
    static const char *const types[] = {"",
                                        "int",
                                        "i3",
                                        "i16",
                                        "f16",
                                        "c8",
                                        "O",
                                        "V4",
                                        "U",
                                        "U0",
                                        "U05",
                                        "S0",
                                        "U-1",
                                        "U5x",
                                        "U 5",
                                        "U536870912",
                                        "S2147483648",
                                        "<i4",
                                        ">i4",
                                        "b",
                                        "b2",
                                        "M8",
                                        "m8",
                                        "M8[]",
                                        "M8[x]",
                                        "M8[0s]",
                                        "M8[s",
                                        "M8[generic]",
                                        "M4[s]",
                                        "M8[ s]",
                                        "M8[s]x",
                                        "M8[99999999999s]",
                                        "i4 ",
                                        "I4",
                                        "U99999999999999999999999999999999999999999999999999"};
    for (size_t i = 0; i < COUNT(types); i++) {
        const npv_field field = {"a", types[i]};
        npv_record_schema schema = {0};
        npv_error error = {0};
        if (npv_schema_declare(&field, 1, &schema, &error) != NPV_E_ARGUMENT)
            fail_msg("'%s' was taken", types[i]);
        assert_non_null(strstr(error.message, "field 'a': expected a type"));
    }
}

static void schemas_have_limits(void **state) {
    (void)state;
    static npv_field fields[NPV_MAX_FIELDS + 1];
    static char names[NPV_MAX_FIELDS + 1][2000];
    npv_record_schema schema = {0};
    npv_error error = {0};
    for (size_t i = 0; i <= NPV_MAX_FIELDS; i++) {
        snprintf(names[i], sizeof names[i], "f%zu", i);
        fields[i] = (npv_field){names[i], "i1"};
    }
    assert_int_equal(npv_schema_declare(fields, 0, &schema, &error), NPV_E_ARGUMENT);
    assert_string_equal(error.message, "expected at least one field, found none");
    assert_int_equal(npv_schema_declare(fields, NPV_MAX_FIELDS + 1, &schema, &error), NPV_E_LIMIT);
    assert_int_equal(npv_schema_declare(fields, NPV_MAX_FIELDS, &schema, &error), NPV_OK);
    assert_int_equal(npv_schema_find(&schema, text_of("f1023")), 1023);

    char *longer = malloc(strlen(schema.descr) + 32);
    snprintf(longer, strlen(schema.descr) + 32, "[('one_more', '<i4'), %s", schema.descr + 1);
    npv_schema_free(&schema);
    assert_int_equal(npv_schema_from_descr(text_of(longer), &schema, &error), NPV_E_UNSUPPORTED);
    free(longer);

    for (size_t i = 0; i < NPV_MAX_FIELDS; i++) {
        memset(names[i] + strlen(names[i]), 'x', sizeof names[i] - strlen(names[i]) - 1);
        names[i][sizeof names[i] - 1] = '\0';
    }
    assert_int_equal(npv_schema_declare(fields, NPV_MAX_FIELDS, &schema, &error), NPV_E_LIMIT);
}

/* ------------------------------------------------------------------------------------------------------- Descrs -- */

static void types_of_structured_arrays_are_read(void **state) {
    (void)state;
    /* np.dtype([...], align=True), a field with a title, big-endian numbers, generic times. */
    const char *descr = "[('a', '|i1'), ('', '|V3'), ('b', '>i4'), (('The title', 'c'), '<U3'), ('', '|V2'), "
                        "(\"it's\", '>M8[25us]'), ('m', '<m8'), ('s', '|S0'), ('x\\u200b', '>U1'), ('', '|V7')]";
    static const struct {
        const char *name, *type;
        size_t offset, size;
        bool big_endian;
    } expected[] = {{"a", "i1", 0, 1, false},
                    {"b", "i4", 4, 4, true},
                    {"c", "U3", 8, 12, false},
                    {"it's", "M8[25us]", 22, 8, true},
                    {"m", "m8", 30, 8, false},
                    {"s", "S0", 38, 0, false},
                    {"x\xe2\x80\x8b", "U1", 38, 4, true}};
    npv_record_schema schema = schema_of(descr);
    assert_int_equal(schema.record_size, 49);
    assert_int_equal(schema.field_count, COUNT(expected));
    assert_string_equal(schema.descr, descr);
    for (size_t i = 0; i < COUNT(expected); i++) {
        assert_string_equal(schema.declared[i].name, expected[i].name);
        assert_string_equal(schema.declared[i].type, expected[i].type);
        assert_ptr_equal(schema.fields[i].name, schema.declared[i].name);
        assert_int_equal(schema.fields[i].letter, *expected[i].type);
        assert_int_equal(schema.fields[i].offset, expected[i].offset);
        assert_int_equal(schema.fields[i].size, expected[i].size);
        assert_int_equal(schema.fields[i].big_endian, expected[i].big_endian);
    }
    assert_int_equal(schema.fields[3].time.multiple, 25);
    assert_int_equal(schema.fields[3].time.unit, NPV_TIME_us);
    assert_int_equal(schema.fields[4].time.unit, NPV_TIME_GENERIC);
    npv_schema_free(&schema);
}

static void types_without_fields_for_us_are_unsupported(void **state) {
    (void)state;
    static const struct {
        const char *descr, *message;
    } cases[] = {
        {"[('a', '<i4', (2,))]", "field 'a' is an array, where npvec reads single values"},
        {"[('a', '<i4', 3)]", "field 'a' is an array, where npvec reads single values"},
        {"[('a', [('b', '<i4')])]", "field 'a' is a record itself, where npvec reads single values"},
        {"[('a', '<c16')]", "field 'a' is a complex number, which npvec does not read"},
        {"[('a', '|O')]", "field 'a' is a Python object, which npvec does not read in records"},
        {"[('a', '|V4')]", "field 'a' is raw bytes (V), which npvec does not read"},
        {"[('a', '<f16')]", "field 'a' is a long double, which npvec does not read"},
        {"[('a', '<M8[fortnight]')]", "field 'a' has a unit of time that NumPy does not have"},
        {"[('a', '<M8[0s]')]", "field 'a' has a unit of time that NumPy does not have"},
        {"[('a', '<M8[9999999999s]')]", "field 'a' has a unit of time that NumPy does not have"},
        {"[('a', '<i4'), ('a', '<i4')]", "field 'a' is there twice"},
        {"[('', '<i4')]", "field '' has no name"},
        {"[('a\\x00', '<i4')]", "field 'a\\x00' has a name that npvec does not read"},
        {"[('a\\ud800', '<i4')]", "field 'a\\ud800' has a name that npvec does not read"},
        {"[('a\\N{DASH}', '<i4')]", "field 'a\\N{DASH}' has a name that npvec does not read"},
        {"[('a\\x1', '<i4')]", "field 'a\\x1' has a name that npvec does not read"},
        {"[('a\\U00110000', '<i4')]", "field 'a\\U00110000' has a name that npvec does not read"},
        {"[]", "its records have no fields"},
        {"[('', '|V4')]", "its records have no fields"},
        {"[('a', '|S0')]", "its records have no bytes"},
        {"[('a', '|S2147483647'), ('b', '|S1')]", "field 'b' makes records longer than 2**31 - 1 bytes"},
        {"[('a', '<x4')]", "dtype '<x4' is none of NumPy's that npvec knows"},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        npv_record_schema schema = {0};
        npv_error error = {0};
        if (npv_schema_from_descr(text_of(cases[i].descr), &schema, &error) != NPV_E_UNSUPPORTED)
            fail_msg("%s: %s", cases[i].descr, error.message);
        assert_string_equal(error.message, cases[i].message);
        assert_null(schema.descr);
        assert_int_equal(npv_schema_unread(text_of(cases[i].descr), 12, error.message, &schema, &error), NPV_OK);
        assert_string_equal(schema.descr, cases[i].descr);
        assert_string_equal(schema.unread, cases[i].message);
        assert_int_equal(schema.record_size, 12);
        assert_int_equal(schema.field_count, 0);
        npv_schema_free(&schema);
    }
}

/* Bytes of their own, so that a sanitizer sees a read behind the end. */
static npv_status read_copy(const char *descr, size_t size) {
    unsigned char *copy = malloc(size + (size == 0));
    memcpy(copy, descr, size);
    npv_record_schema schema = {0};
    npv_error error = {0};
    const npv_status status = npv_schema_from_descr((npv_bytes){copy, size}, &schema, &error);
    if (status != NPV_OK)
        assert_null(strchr(error.message, '\n'));
    npv_schema_free(&schema);
    free(copy);
    return status;
}

static void damaged_descrs_are_refused(void **state) {
    (void)state;
    static const char good[] = "[('a', '|i1'), ('', '|V3'), (('t', 'c'), '<U3'), (\"it's\\n\", '>M8[25us]')]";
    static const char alphabet[] = "[]()'\",<>|=\\xuUVMOi0129 \n\t\xff";
    assert_int_equal(read_copy(good, sizeof good - 1), NPV_OK);
    for (size_t size = 0; size < sizeof good - 1; size++)
        assert_int_equal(read_copy(good, size), NPV_E_FORMAT);
    assert_int_equal(read_copy("'<i4'", 5), NPV_E_FORMAT);
    assert_int_equal(read_copy("[('a', '<i4')]x", 15), NPV_E_FORMAT);
    uint32_t random = 1;
    for (int round = 0; round < 20000; round++) {
        char bad[sizeof good];
        memcpy(bad, good, sizeof good);
        for (int change = 0; change <= round % 3; change++) {
            random = random * 1664525 + 1013904223;
            bad[(random >> 8) % (sizeof good - 1)] = alphabet[(random >> 24) % (sizeof alphabet - 1)];
        }
        read_copy(bad, sizeof good - 1);
    }
}

/* ------------------------------------------------------------------------------------------------------ Values -- */

static void fields_have_the_same_values_in_both_byte_orders(void **state) {
    (void)state;
    static const char little[] = "[('i', '<i2'), ('u', '<u8'), ('h', '<f2'), ('f', '<f4'), ('d', '<f8'), ('b', '|b1'), "
                                 "('U', '<U2'), ('S', '|S3'), ('M', '<M8[D]'), ('m', '<m8[7s]'), ('n', '<u4')]";
    static const unsigned char record[] = "\xfe\xff"
                                          "\xff\xff\xff\xff\xff\xff\xff\xff"
                                          "\x01\x00"
                                          "\x00\x00\xc0\xbf"
                                          "\x00\x00\x00\x00\x00\x00\xf0\x7f"
                                          "\x02"
                                          "\x42\xf6\x01\x00\x00\x00\x00\x00"
                                          "a\0\0"
                                          "\xff\xff\xff\xff\xff\xff\xff\xff"
                                          "\x00\x00\x00\x00\x00\x00\x00\x80"
                                          "\xff\xff\xff\xff";
    for (int big = 0; big < 2; big++) {
        char descr[sizeof little];
        unsigned char bytes[sizeof record], room[8];
        memcpy(descr, little, sizeof little);
        memcpy(bytes, record, sizeof record);
        for (char *c = descr; big && *c != '\0'; c++)
            *c = *c == '<' ? '>' : *c;
        npv_record_schema schema = schema_of(descr);
        for (size_t i = 0; big && i < schema.field_count; i++) {
            const npv_schema_field *field = &schema.fields[i];
            const size_t unit = field->letter == 'U' ? 4 : field->letter == 'S' ? 1 : field->size;
            for (size_t at = 0; at < field->size; at++)
                bytes[field->offset + at] = record[field->offset + at / unit * unit + unit - 1 - at % unit];
        }
        npv_value values[11];
        for (size_t i = 0; i < COUNT(values); i++) {
            values[i] = npv_record_value(&schema.fields[i], bytes, room);
            if (schema.fields[i].letter == 'U') {
                assert_int_equal(values[i].kind, NPV_VALUE_UTF32);
                assert_int_equal(values[i].bytes.size, 4);
                assert_memory_equal(values[i].bytes.data, "\x42\xf6\x01\x00", 4);
            }
        }
        assert_int_equal(values[0].kind, NPV_VALUE_INT);
        assert_int_equal(values[0].integer, -2);
        assert_int_equal(values[1].kind, NPV_VALUE_UINT);
        assert_true(values[1].natural == UINT64_MAX);
        assert_int_equal(values[2].kind, NPV_VALUE_FLOAT);
        assert_true(values[2].real == 0x1p-24);
        assert_true(values[3].real == -1.5);
        assert_true(values[4].real == (double)INFINITY);
        assert_int_equal(values[5].kind, NPV_VALUE_BOOL);
        assert_true(values[5].boolean);
        assert_int_equal(values[7].kind, NPV_VALUE_BYTES);
        assert_int_equal(values[7].bytes.size, 1);
        assert_int_equal(values[8].kind, NPV_VALUE_DATETIME);
        assert_int_equal(values[8].time.ticks, -1);
        assert_int_equal(values[8].time.unit, NPV_TIME_D);
        assert_int_equal(values[9].kind, NPV_VALUE_TIMEDELTA);
        assert_true(values[9].time.ticks == NPV_NOT_A_TIME);
        assert_int_equal(values[9].time.multiple, 7);
        assert_int_equal(values[10].integer, UINT32_MAX);
        npv_schema_free(&schema);
    }
}

/* ---------------------------------------------------------------------------------------- Records and documents -- */

static npv_status fill(const npv_record_schema *schema, const char *json, unsigned char *record, npv_error *error) {
    npv_buffer fragment = {0};
    npv_error bad = {0};
    if (npv_json_to_fragment(json, &fragment, &bad) != NPV_OK)
        fail_msg("%s: %s", json, bad.message);
    const npv_status status =
        npv_record_from_fragment(schema, (npv_bytes){fragment.data, fragment.size}, record, error);
    free(fragment.data);
    return status;
}

/* The record's document, and the record that this document makes is the same record. */
static void check_document(const npv_record_schema *schema, const unsigned char *record, const char *expected) {
    npv_buffer fragment = {0}, json = {0};
    npv_error error = {0};
    assert_int_equal(npv_record_to_fragment(schema, record, &fragment, NULL), NPV_OK);
    const npv_bytes bytes = {fragment.data, fragment.size};
    assert_int_equal(npv_fragment_to_json(bytes, &json, NULL), NPV_OK);
    assert_int_equal(npv_buffer_append(&json, "", 1, NULL), NPV_OK);
    if (expected != NULL)
        assert_string_equal((char *)json.data, expected);
    unsigned char *again = malloc(schema->record_size);
    if (npv_record_from_fragment(schema, bytes, again, &error) != NPV_OK)
        fail_msg("%s: %s", (char *)json.data, error.message);
    assert_memory_equal(again, record, schema->record_size);
    free(again);
    free(fragment.data);
    free(json.data);
}

static const char *const all_types[] = {
    "[('b', '|b1'), ('i1', '|i1'), ('i2', '<i2'), ('i4', '<i4'), ('i8', '<i8'), ('u1', '|u1'), ('u2', '<u2'), "
    "('u4', '<u4'), ('u8', '<u8'), ('', '|V3'), ('f2', '<f2'), ('f4', '<f4'), ('f8', '<f8'), ('U', '<U4'), "
    "('S', '|S4'), ('M', '<M8[ms]'), ('m', '<m8[25us]')]",
    "[('b', '|b1'), ('i1', '|i1'), ('i2', '>i2'), ('i4', '>i4'), ('i8', '>i8'), ('u1', '|u1'), ('u2', '>u2'), "
    "('u4', '>u4'), ('u8', '>u8'), ('', '|V3'), ('f2', '>f2'), ('f4', '>f4'), ('f8', '>f8'), ('U', '>U4'), "
    "('S', '|S4'), ('M', '>M8[ms]'), ('m', '>m8[25us]')]"};

static void documents_become_records_and_come_back(void **state) {
    (void)state;
    static const char *const documents[] = {
        "{\"b\": true, \"i1\": -128, \"i2\": -32768, \"i4\": -2147483648, \"i8\": -9223372036854775808, \"u1\": 255, "
        "\"u2\": 65535, \"u4\": 4294967295, \"u8\": 9223372036854775807, \"f2\": 65504.0, \"f4\": 0.5, \"f8\": 1e+308, "
        "\"U\": \"\xc3\xa9\xf0\x9f\x98\x80\", \"S\": {\"$bytes\": \"AP8=\"}, \"M\": \"2024-05-17T09:30:00.250\", "
        "\"m\": {\"$timedelta\": [-5, \"25us\"]}}",
        "{\"b\": false, \"i1\": 127, \"i2\": 32767, \"i4\": 2147483647, \"i8\": 9223372036854775807, \"u1\": 0, "
        "\"u2\": 0, \"u4\": 0, \"u8\": 0, \"f2\": -0.0, \"f4\": -0.0, \"f8\": -0.0, \"U\": \"\\u0000a\\ud800b\", "
        "\"S\": {\"$bytes\": \"\"}, \"M\": null, \"m\": null}"};
    for (size_t order = 0; order < COUNT(all_types); order++) {
        npv_record_schema schema = schema_of(all_types[order]);
        unsigned char *record = malloc(schema.record_size);
        for (size_t i = 0; i < COUNT(documents); i++) {
            npv_error error = {0};
            npv_buffer fragment = {0};
            if (strstr(documents[i], "\\ud800") != NULL) { /* JSON cannot say it, a record can */
                assert_int_equal(fill(&schema,
                                      "{\"b\":false,\"i1\":127,\"i2\":32767,\"i4\":2147483647,"
                                      "\"i8\":9223372036854775807,\"u1\":0,\"u2\":0,\"u4\":0,\"u8\":0,"
                                      "\"f2\":-0.0,\"f4\":-0.0,\"f8\":-0.0,\"U\":\"\\u0000a?b\",\"S\":\"\","
                                      "\"M\":\"NaT\",\"m\":null}",
                                      record, &error),
                                 NPV_OK);
                const npv_schema_field *text = &schema.fields[npv_schema_find(&schema, text_of("U"))];
                memcpy(record + text->offset + 8, text->big_endian ? "\0\0\xd8\0" : "\0\xd8\0\0", 4);
            } else if (fill(&schema, documents[i], record, &error) != NPV_OK) {
                fail_msg("%s", error.message);
            }
            check_document(&schema, record, documents[i]);
            free(fragment.data);
        }
        free(record);
        npv_schema_free(&schema);
    }
}

static void keys_may_come_in_any_order(void **state) {
    (void)state;
    npv_record_schema schema = schema_of("[('a', '|u1'), ('b', '|u1'), ('c', '|u1')]");
    unsigned char record[3];
    assert_int_equal(fill(&schema, "{\"c\": 3, \"a\": 1, \"b\": 2}", record, NULL), NPV_OK);
    assert_memory_equal(record, "\1\2\3", 3);
    npv_schema_free(&schema);
}

static void padding_and_ends_of_texts_are_zeros(void **state) {
    (void)state;
    npv_record_schema schema = schema_of("[('', '|V1'), ('a', '<U2'), ('', '|V2'), ('s', '|S3'), ('', '|V1')]");
    unsigned char record[15];
    memset(record, 0xaa, sizeof record);
    assert_int_equal(schema.record_size, sizeof record);
    assert_int_equal(fill(&schema, "{\"a\": \"x\", \"s\": \"yz\"}", record, NULL), NPV_OK);
    assert_memory_equal(record, "\0x\0\0\0\0\0\0\0\0\0yz\0\0", sizeof record);
    npv_schema_free(&schema);
}

static void any_record_without_nan_payloads_survives_its_document(void **state) {
    (void)state;
    uint64_t random = 7;
    for (size_t order = 0; order < COUNT(all_types); order++) {
        npv_record_schema schema = schema_of(all_types[order]);
        unsigned char *record = malloc(schema.record_size);
        for (int round = 0; round < 2000; round++) {
            for (size_t i = 0; i < schema.record_size; i++) {
                random = random * 6364136223846793005U + 1442695040888963407U;
                record[i] = (unsigned char)(random >> 56);
            }
            for (size_t i = 0; i < schema.field_count; i++) {
                const npv_schema_field *field = &schema.fields[i];
                unsigned char *item = record + field->offset;
                if (field->letter == 'b')
                    *item &= 1;
                for (size_t at = 0; field->letter == 'U' && at < field->size; at += 4) { /* 0x10000 and above */
                    item[at + (field->big_endian ? 0 : 3)] = 0;
                    item[at + (field->big_endian ? 1 : 2)] = 1;
                }
                unsigned char room[16];
                const npv_value value = npv_record_value(field, record, room);
                if (value.kind == NPV_VALUE_FLOAT && isnan(value.real))
                    memset(item, 0, field->size);
            }
            memset(record + schema.fields[9].offset - 3, 0, 3); /* padding */
            check_document(&schema, record, NULL);
        }
        free(record);
        npv_schema_free(&schema);
    }
}

static void values_that_do_not_fit_are_named(void **state) {
    (void)state;
    static const struct {
        const char *type, *value, *message;
    } cases[] = {
        {"<i4", "3000000000", "expected an integer from -2147483648 to 2147483647 (i4), found 3000000000"},
        {"<i4", "-2147483649", "expected an integer from -2147483648 to 2147483647 (i4), found -2147483649"},
        {"|i1", "128", "expected an integer from -128 to 127 (i1), found 128"},
        {"|i1", "1.0", "expected an integer from -128 to 127 (i1), found 1.0"},
        {"|i1", "true", "expected an integer from -128 to 127 (i1), found true"},
        {"|i1", "\"1\"", "expected an integer from -128 to 127 (i1), found \"1\""},
        {"<i8", "null", "expected an integer from -9223372036854775808 to 9223372036854775807 (i8), found null"},
        {"|u1", "256", "expected an integer from 0 to 255 (u1), found 256"},
        {"<u8", "-1", "expected an integer from 0 to 18446744073709551615 (u8), found -1"},
        {"|b1", "1", "expected true or false (b1), found 1"},
        {"|b1", "null", "expected true or false (b1), found null"},
        {"<f8", "9007199254740993", "expected a number that a float64 holds exactly (f8), found 9007199254740993"},
        {"<f8", "9223372036854775807",
         "expected a number that a float64 holds exactly (f8), found 9223372036854775807"},
        {"<f4", "9007199254740993", "expected a number that a float64 holds exactly (f4), found 9007199254740993"},
        {"<f4", "3.5e38", "expected a number from -3.4e38 to 3.4e38 (f4), found 3.5e+38"},
        {"<f4", "-3.40282357e38", "expected a number from -3.4e38 to 3.4e38 (f4), found -3.40282357e+38"},
        {"<f2", "65520", "expected a number from -65504 to 65504 (f2), found 65520"},
        {"<f2", "-1e300", "expected a number from -65504 to 65504 (f2), found -1e+300"},
        {"<f8", "\"1\"", "expected a number or null (f8), found \"1\""},
        {"<f8", "false", "expected a number or null (f8), found false"},
        {"<U3", "\"abcd\"", "expected text of at most 3 characters (U3), found \"abcd\""},
        {"<U3", "\"\\u00e9\\u00e9\\u00e9\\u00e9\"",
         "expected text of at most 3 characters (U3), found \"\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\""},
        {"<U3", "\"a\\u0000\"",
         "expected text without a zero at its end, which NumPy would drop (U3), found \"a\\u0000\""},
        {"<U3", "5", "expected text (U3), found 5"},
        {"<U3", "null", "expected text (U3), found null"},
        {"|S3", "\"abcd\"", "expected text of at most 3 bytes (S3), found \"abcd\""},
        {"|S3", "\"a\\u0000\"",
         "expected text without a zero at its end, which NumPy would drop (S3), found \"a\\u0000\""},
        {"|S3", "\"\\u00e9\"", "expected ASCII text or {\"$bytes\": \"<base64>\"} (S3), found \"\xc3\xa9\""},
        {"|S3", "{\"$bytes\": \"AAECAw==\"}",
         "expected text of at most 3 bytes (S3), found {\"$bytes\": \"AAECAw==\"}"},
        {"|S3", "{\"$bytes\": \"A\"}", "expected {\"$bytes\": \"<base64>\"} (S3), found {\"$bytes\": \"A\"}"},
        {"|S3", "{\"$bytes\": \"A=A=\"}", "expected {\"$bytes\": \"<base64>\"} (S3), found {\"$bytes\": \"A=A=\"}"},
        {"|S3", "{\"$bytes\": \"AAEC\", \"x\": 1}",
         "expected ASCII text or {\"$bytes\": \"<base64>\"} (S3), found {\"$bytes\": \"AAEC\", \"x\": 1}"},
        {"|S3", "{\"bytes\": \"AAEC\"}",
         "expected ASCII text or {\"$bytes\": \"<base64>\"} (S3), found {\"bytes\": \"AAEC\"}"},
        {"|S3", "{}", "expected ASCII text or {\"$bytes\": \"<base64>\"} (S3), found {}"},
        {"|S3", "7", "expected ASCII text or {\"$bytes\": \"<base64>\"} (S3), found 7"},
        {"<M8[D]", "\"2024-05-17T09:30\"",
         "expected null or a date that it holds exactly, such as \"1970-01-01\" (M8[D]), found \"2024-05-17T09:30\""},
        {"<M8[s]", "1715938200",
         "expected null or a date that it holds exactly, such as \"1970-01-01T00:00:00\" (M8[s]), found 1715938200"},
        {"<m8[s]", "1.5",
         "expected null or an integer from -9223372036854775807 to 9223372036854775807, in the field's unit (m8[s]), "
         "found 1.5"},
        {"<m8[s]", "-9223372036854775808",
         "expected null or an integer from -9223372036854775807 to 9223372036854775807, in the field's unit (m8[s]), "
         "found -9223372036854775808"},
        {"<m8[s]", "{\"$timedelta\": [5, \"ms\"]}",
         "expected null or an integer from -9223372036854775807 to 9223372036854775807, in the field's unit (m8[s]), "
         "found {\"$timedelta\": [5, \"ms\"]}"},
        {"<m8[s]", "{\"$timedelta\": [5, \"s\", 1]}",
         "expected null or an integer from -9223372036854775807 to 9223372036854775807, in the field's unit (m8[s]), "
         "found {\"$timedelta\": [5, \"s\", 1]}"},
        {"<i4", "\"a long text that goes on and on, so that the message would not end either\"",
         "expected an integer from -2147483648 to 2147483647 (i4), found \"a long text that goes on and on, so that "
         "the "
         "message would ..."},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        char descr[64], json[160], message[512];
        unsigned char record[64];
        npv_error error = {0};
        snprintf(descr, sizeof descr, "[('ok', '|u1'), ('it', '%s')]", cases[i].type);
        snprintf(json, sizeof json, "{\"ok\": 1, \"it\": %s}", cases[i].value);
        snprintf(message, sizeof message, "field 'it': %s", cases[i].message);
        npv_record_schema schema = schema_of(descr);
        if (fill(&schema, json, record, &error) != NPV_E_ARGUMENT)
            fail_msg("%s takes %s", cases[i].type, cases[i].value);
        assert_string_equal(error.message, message);
        npv_schema_free(&schema);
    }
}

static void documents_have_exactly_the_fields(void **state) {
    (void)state;
    static const struct {
        const char *json, *message;
    } cases[] = {
        {"{\"year\": 1}", "field 'title': expected a value, found none"},
        {"{}", "field 'year': expected a value, found none"},
        {"{\"title\": \"\"}", "field 'year': expected a value, found none"},
        {"{\"year\": 1, \"title\": \"\", \"yeer\": 2}", "expected the fields 'year', 'title', found 'yeer'"},
        {"[1]", "expected an object with the fields 'year', 'title', found [1]"},
        {"null", "expected an object with the fields 'year', 'title', found null"},
    };
    npv_record_schema schema = schema_of("[('year', '<i4'), ('title', '<U4')]");
    for (size_t i = 0; i < COUNT(cases); i++) {
        unsigned char record[20];
        npv_error error = {0};
        assert_int_equal(fill(&schema, cases[i].json, record, &error), NPV_E_ARGUMENT);
        assert_string_equal(error.message, cases[i].message);
    }
    npv_schema_free(&schema);
}

static void lists_of_many_fields_are_cut(void **state) {
    (void)state;
    npv_field fields[100];
    char names[100][64];
    for (size_t i = 0; i < COUNT(fields); i++) {
        snprintf(names[i], sizeof names[i], "a_rather_long_name_of_a_field_with_the_number_%zu", i);
        fields[i] = (npv_field){names[i], "i1"};
    }
    npv_record_schema schema = {0};
    unsigned char record[100];
    npv_error error = {0};
    assert_int_equal(npv_schema_declare(fields, COUNT(fields), &schema, NULL), NPV_OK);
    assert_int_equal(fill(&schema, "{\"x\": 1}", record, &error), NPV_E_ARGUMENT);
    assert_non_null(strstr(error.message, "_number_0', 'a_rather"));
    assert_non_null(strstr(error.message, ", ..., found 'x'"));
    npv_schema_free(&schema);
}

/* ----------------------------------------------------------------------------------------------------- Numbers -- */

static double value_of_half(uint16_t half) {
    const npv_schema_field field = {.name = "h", .letter = 'f', .size = 2};
    unsigned char bytes[2] = {(unsigned char)half, (unsigned char)(half >> 8)};
    return npv_record_value(&field, bytes, NULL).real;
}

static uint16_t half_of_value(double value) {
    static const npv_field declared = {"h", "f2"};
    npv_record_schema schema = {0};
    npv_buffer fragment = {0};
    unsigned char record[2] = {0xff, 0xff};
    assert_int_equal(npv_schema_declare(&declared, 1, &schema, NULL), NPV_OK);
    npv_value_begin(&fragment, NPV_VALUE_DICT, NULL);
    npv_value_write_str(&fragment, text_of("h"), NULL);
    npv_value_write_float(&fragment, value, NULL);
    npv_value_end(&fragment, NPV_VALUE_DICT, NULL);
    assert_int_equal(npv_record_from_fragment(&schema, (npv_bytes){fragment.data, fragment.size}, record, NULL),
                     NPV_OK);
    free(fragment.data);
    npv_schema_free(&schema);
    return (uint16_t)(record[0] | record[1] << 8);
}

static void halves_are_rounded_to_nearest_and_even(void **state) {
    (void)state;
    for (uint16_t half = 0; half < 0x7c00; half++) { /* all that are finite */
        const double value = value_of_half(half);
        const double next = half == 0x7bff ? 65536 : value_of_half(half + 1);
        const double middle = value + (next - value) / 2;
        const uint16_t even = half % 2 == 0 ? half : half + 1;
        assert_int_equal(half_of_value(value), half);
        assert_int_equal(half_of_value(-value), half | 0x8000);
        assert_int_equal(half_of_value(nextafter(middle, 0)), half);
        if (half == 0x7bff)
            break;
        assert_int_equal(half_of_value(middle), even);
        assert_int_equal(half_of_value(nextafter(middle, 1e9)), half + 1);
    }
    assert_int_equal(half_of_value((double)INFINITY), 0x7c00);
    assert_int_equal(half_of_value(-(double)INFINITY), 0xfc00);
    assert_int_equal(half_of_value((double)NAN), 0x7e00);
}

static void numbers_are_rounded_as_numpy_rounds_them(void **state) {
    (void)state;
    npv_record_schema schema = schema_of("[('f', '<f4'), ('d', '<f8'), ('n', '<f4'), ('x', '<f8')]");
    unsigned char record[24];
    float f, n;
    double d, x;
    assert_int_equal(
        fill(&schema, "{\"f\": 16777217, \"d\": -9007199254740992, \"n\": null, \"x\": null}", record, NULL), NPV_OK);
    memcpy(&f, record, 4);
    memcpy(&d, record + 4, 8);
    memcpy(&n, record + 12, 4);
    memcpy(&x, record + 16, 8);
    assert_true(f == 16777216.0F);
    assert_true(d == -9007199254740992.0);
    assert_memory_equal(record + 12, "\0\0\xc0\x7f", 4); /* np.nan */
    assert_memory_equal(record + 16, "\0\0\0\0\0\0\xf8\x7f", 8);
    assert_int_equal(fill(&schema,
                          "{\"f\": 3.4028235677973362e38, \"d\": 0.1, \"n\": 1e-60, \"x\": -9223372036854775808}",
                          record, NULL),
                     NPV_OK);
    memcpy(&f, record, 4);
    memcpy(&x, record + 16, 8);
    assert_true(f == FLT_MAX);
    assert_true(x == -0x1p63);
    npv_schema_free(&schema);
}

static void naturals_above_int64_fit_u8_alone(void **state) {
    (void)state;
    npv_record_schema schema = schema_of("[('u', '<u8'), ('d', '>f8')]");
    static const unsigned char record[] = "\x00\x00\x00\x00\x00\x00\x00\xff\x43\xef\xe0\x00\x00\x00\x00\x00";
    npv_buffer fragment = {0};
    unsigned char again[16];
    assert_int_equal(npv_record_to_fragment(&schema, record, &fragment, NULL), NPV_OK);
    assert_int_equal(npv_record_from_fragment(&schema, (npv_bytes){fragment.data, fragment.size}, again, NULL), NPV_OK);
    assert_memory_equal(again, record, 16);
    npv_schema_free(&schema);
    /* The same integer as both fields, and as one that cannot hold it. */
    static const char *const types[] = {"u8", "f8", "i8", "u4"};
    static const unsigned char integer[] = "\x00\x00\x00\x00\x00\x00\x00\xff\x00";
    for (size_t i = 0; i < COUNT(types); i++) {
        const npv_field field = {"x", types[i]};
        assert_int_equal(npv_schema_declare(&field, 1, &schema, NULL), NPV_OK);
        fragment.size = 0;
        npv_value_begin(&fragment, NPV_VALUE_DICT, NULL);
        npv_value_write_str(&fragment, text_of("x"), NULL);
        npv_value_write_integer(&fragment, (npv_bytes){integer, 9}, NULL);
        npv_value_end(&fragment, NPV_VALUE_DICT, NULL);
        assert_int_equal(npv_record_from_fragment(&schema, (npv_bytes){fragment.data, fragment.size}, again, NULL),
                         i < 2 ? NPV_OK : NPV_E_ARGUMENT);
        if (i == 0)
            assert_memory_equal(again, integer, 8);
        if (i == 1)
            assert_memory_equal(again, "\x00\x00\x00\x00\x00\xe0\xef\x43", 8);
        npv_schema_free(&schema);
    }
    free(fragment.data);
}

/* ------------------------------------------------------------------------------------------------------- Dates -- */

static void dates_are_read_to_the_unit_of_their_field(void **state) {
    (void)state;
    static const struct {
        const char *text;
        uint32_t multiple;
        npv_time_unit unit;
        int64_t ticks;
    } cases[] = {
        {"2024", 1, NPV_TIME_Y, 54},
        {"2024-01-01", 1, NPV_TIME_Y, 54},
        {"2024", 1, NPV_TIME_D, 19723},
        {"2024-02-29", 1, NPV_TIME_D, 19782},
        {"1969-12-31", 1, NPV_TIME_D, -1},
        {"0000-03-01", 1, NPV_TIME_D, -719468},
        {"-0001-12-31", 1, NPV_TIME_D, -719529},
        {"12345-06-07", 1, NPV_TIME_D, 3789548},
        {"1970-01-08", 1, NPV_TIME_W, 1},
        {"1969-12-25", 1, NPV_TIME_W, -1},
        {"1969-11", 1, NPV_TIME_M, -2},
        {"2024-05-17T09", 1, NPV_TIME_h, 476649},
        {"2024-05-17 09:30", 1, NPV_TIME_m, 28598970},
        {"2024-05-17T09:30:15", 15, NPV_TIME_s, 114395881},
        {"2024-05-17T09:30:15Z", 1, NPV_TIME_s, 1715938215},
        {"1970-01-01T02:00+02:00", 1, NPV_TIME_D, 0},
        {"1970-01-01T00:30-0130", 1, NPV_TIME_h, 2},
        {"1970-01-01T00:00:00.25", 1, NPV_TIME_ms, 250},
        {"1969-12-31T23:59:59.999999999", 1, NPV_TIME_ns, -1},
        {"1970-01-01T00:00:00.000000000000000001", 1, NPV_TIME_as, 1},
        {"1970-01-01T00:00:00.5000000000000000000000", 1, NPV_TIME_ms, 500},
        {"1677-09-21T00:12:43.145224193", 1, NPV_TIME_ns, INT64_MIN + 1},
        {"2262-04-11T23:47:16.854775807", 1, NPV_TIME_ns, INT64_MAX},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        npv_time time = {0, cases[i].multiple, cases[i].unit};
        if (!npv_datetime_from_text(text_of(cases[i].text), &time))
            fail_msg("%s was refused", cases[i].text);
        if (time.ticks != cases[i].ticks)
            fail_msg("%s: expected %" PRId64 ", found %" PRId64, cases[i].text, cases[i].ticks, time.ticks);
    }
}

static void dates_that_lose_something_are_refused(void **state) {
    (void)state;
    static const struct {
        const char *text;
        uint32_t multiple;
        npv_time_unit unit;
    } cases[] = {
        {"2024-02", 1, NPV_TIME_Y},
        {"2024-01-02", 1, NPV_TIME_M},
        {"1970-01-02", 1, NPV_TIME_W},
        {"2024-05-17T00:00:01", 1, NPV_TIME_D},
        {"2024-05-17T00:30", 1, NPV_TIME_h},
        {"2024-05-17T00:00:30", 1, NPV_TIME_m},
        {"2024-05-17T00:00:00.5", 1, NPV_TIME_s},
        {"2024-05-17T00:00:00.5", 1, NPV_TIME_h},
        {"2024-05-17T00:00:00.0005", 1, NPV_TIME_ms},
        {"1970-01-01T00:00:00.0000000000000000001", 1, NPV_TIME_as},
        {"2024-05-17T00:00:01", 15, NPV_TIME_s},
        {"2262-04-11T23:47:16.854775808", 1, NPV_TIME_ns},
        {"1677-09-21T00:12:43.145224192", 1, NPV_TIME_ns}, /* would be NaT */
        {"999999999999999999-01-01", 1, NPV_TIME_s},
        {"-999999999999999999-01-01", 1, NPV_TIME_M},
        {"9999999999999999999", 1, NPV_TIME_Y},
        {"2024-13", 1, NPV_TIME_D},
        {"2024-00", 1, NPV_TIME_D},
        {"2024-04-31", 1, NPV_TIME_D},
        {"2023-02-29", 1, NPV_TIME_D},
        {"1900-02-29", 1, NPV_TIME_D},
        {"2024-01-00", 1, NPV_TIME_D},
        {"2024-1-1", 1, NPV_TIME_D},
        {"24-01-01", 1, NPV_TIME_D},
        {"2024-01-01T", 1, NPV_TIME_s},
        {"2024-01-01T24:00", 1, NPV_TIME_s},
        {"2024-01-01T00:60", 1, NPV_TIME_s},
        {"2024-01-01T00:00:60", 1, NPV_TIME_s},
        {"2024-01-01T00:00:00.", 1, NPV_TIME_s},
        {"2024-01-01T00:00:00+", 1, NPV_TIME_s},
        {"2024-01-01T00:00:00+25:00", 1, NPV_TIME_s},
        {"2024-01-01Z", 1, NPV_TIME_s},
        {"2024-01-01 ", 1, NPV_TIME_D},
        {"2024-01-01x", 1, NPV_TIME_D},
        {"", 1, NPV_TIME_D},
        {"now", 1, NPV_TIME_D},
        {"2024-01-01", 1, NPV_TIME_GENERIC},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        npv_time time = {0, cases[i].multiple, cases[i].unit};
        if (npv_datetime_from_text(text_of(cases[i].text), &time))
            fail_msg("%s was taken as %" PRId64, cases[i].text, time.ticks);
    }
}

static void dates_read_back_as_they_were_written(void **state) {
    (void)state;
    uint64_t random = 3;
    for (npv_time_unit unit = NPV_TIME_Y; unit < NPV_TIME_GENERIC; unit++)
        for (int round = 0; round < 20000; round++) {
            random = random * 6364136223846793005U + 1442695040888963407U;
            const uint32_t multiple = round % 4 == 0 ? 1 + (uint32_t)(random >> 60) : 1;
            /* Years of up to 18 digits, and no more than their days can be counted. */
            const int64_t ticks = (int64_t)random >> (unit <= NPV_TIME_D ? 15 + round % 40 : 4 + round % 50);
            npv_time time = {ticks, multiple, unit};
            char text[NPV_DATETIME_TEXT_SIZE];
            const size_t length = npv_datetime_to_text(time, text);
            time.ticks = 0;
            if (!npv_datetime_from_text((npv_bytes){(unsigned char *)text, length}, &time) || time.ticks != ticks)
                fail_msg("%s (%u %s) became %" PRId64 ", expected %" PRId64, text, (unsigned)multiple,
                         npv_time_unit_name(unit), time.ticks, ticks);
        }
}

/* ------------------------------------------------------------------------------------------------------ Memory -- */

#ifdef FAILING_MALLOC
static npv_status use(npv_error *error) {
    static const npv_field fields[] = {{"it's", "U3"}, {"b", "S2"}, {"c", "M8[s]"}, {"d", "m8[s]"}};
    npv_record_schema schema = {0};
    npv_buffer fragment = {0};
    unsigned char record[30] = {'a', 0, 0, 0, 'b'};
    npv_status status = npv_schema_declare(fields, COUNT(fields), &schema, error);
    if (status == NPV_OK)
        status = npv_record_to_fragment(&schema, record, &fragment, error);
    if (status == NPV_OK)
        status = npv_record_from_fragment(&schema, (npv_bytes){fragment.data, fragment.size}, record, error);
    npv_schema_free(&schema);
    if (status == NPV_OK)
        status = npv_schema_unread(text_of("[]"), 5, "because", &schema, error);
    npv_schema_free(&schema);
    free(fragment.data);
    return status;
}

static void every_failing_allocation_is_an_error(void **state) {
    (void)state;
    for (long n = 0;; n++) {
        npv_error error = {0};
        const long before = alive;
        until_failure = n;
        const npv_status status = use(&error);
        const bool reached = until_failure < 0;
        until_failure = -1;
        assert_int_equal(alive, before);
        if (!reached) {
            assert_int_equal(status, NPV_OK);
            assert_true(n > 10);
            return;
        }
        assert_int_equal(status, NPV_E_MEMORY);
        assert_non_null(strstr(error.message, "memory"));
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
        cmocka_unit_test(declared_fields_are_spelled_as_numpy_spells_them),
        cmocka_unit_test(names_are_quoted_as_repr_quotes_them),
        cmocka_unit_test(mistakes_in_declared_fields_are_named),
        cmocka_unit_test(types_that_numpy_or_npvec_lack_are_refused),
        cmocka_unit_test(schemas_have_limits),
        cmocka_unit_test(types_of_structured_arrays_are_read),
        cmocka_unit_test(types_without_fields_for_us_are_unsupported),
        cmocka_unit_test(damaged_descrs_are_refused),
        cmocka_unit_test(fields_have_the_same_values_in_both_byte_orders),
        cmocka_unit_test(documents_become_records_and_come_back),
        cmocka_unit_test(keys_may_come_in_any_order),
        cmocka_unit_test(padding_and_ends_of_texts_are_zeros),
        cmocka_unit_test(any_record_without_nan_payloads_survives_its_document),
        cmocka_unit_test(values_that_do_not_fit_are_named),
        cmocka_unit_test(documents_have_exactly_the_fields),
        cmocka_unit_test(lists_of_many_fields_are_cut),
        cmocka_unit_test(halves_are_rounded_to_nearest_and_even),
        cmocka_unit_test(numbers_are_rounded_as_numpy_rounds_them),
        cmocka_unit_test(naturals_above_int64_fit_u8_alone),
        cmocka_unit_test(dates_are_read_to_the_unit_of_their_field),
        cmocka_unit_test(dates_that_lose_something_are_refused),
        cmocka_unit_test(dates_read_back_as_they_were_written),
        cmocka_unit_test(every_failing_allocation_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
