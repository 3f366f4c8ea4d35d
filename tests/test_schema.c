/* Typed fields: declared, and read from the types of structured arrays; values of records. */
#include <inttypes.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "failing_malloc.h"
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
        {"[('a\\xg1', '<i4')]", "field 'a\\xg1' has a name that npvec does not read"},
        {"[('a\\U00110000', '<i4')]", "field 'a\\U00110000' has a name that npvec does not read"},
        {"[('', '|V4', (2,))]", "field '' is an array, where npvec reads single values"},
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
        assert_int_equal(values[7].kind, NPV_VALUE_STR);
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
        cmocka_unit_test(every_failing_allocation_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
