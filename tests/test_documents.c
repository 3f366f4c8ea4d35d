/* Values as fragments, JSON to and from them, and the documents of a store. */
#include <locale.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "meta/documents.h"
#include "meta/json.h"
#include "meta/utf8.h"
#include "meta/value.h"

#define COUNT(array) (sizeof(array) / sizeof *(array))
#define BYTES(literal) ((npv_bytes){(const unsigned char *)(literal), sizeof(literal) - 1})

static npv_bytes bytes_of(const npv_buffer *buffer) {
    return (npv_bytes){buffer->data, buffer->size};
}

static void assert_bytes(npv_bytes found, npv_bytes expected) {
    assert_int_equal(found.size, expected.size);
    assert_memory_equal(found.data, expected.data, expected.size);
}

/* -------------------------------------------------------------------------------------------------------- Values -- */

/* Every spelling of the table in value.h, one behind the other in a list. */
static void write_all_kinds(npv_buffer *out) {
    static const unsigned char minus_two_to_64[] = {0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
    static const char long_text[300] = {0};
    npv_value_begin(out, NPV_VALUE_LIST, NULL);
    npv_value_write_none(out, NULL);
    npv_value_write_bool(out, true, NULL);
    npv_value_write_bool(out, false, NULL);
    npv_value_write_int(out, INT32_MIN, NULL);
    npv_value_write_int(out, (int64_t)INT32_MAX + 1, NULL);
    npv_value_write_integer(out, (npv_bytes){minus_two_to_64, sizeof minus_two_to_64}, NULL);
    npv_value_write_float(out, 1.5, NULL);
    npv_value_write_str(out, BYTES("h\xc3\xa9"), NULL);
    npv_value_write_str(out, (npv_bytes){(const unsigned char *)long_text, 256}, NULL);
    npv_value_write_bytes(out, BYTES("\0\xff"), NULL);
    npv_value_write_bytes(out, (npv_bytes){(const unsigned char *)long_text, 257}, NULL);
    npv_value_write_numpy(out, "<M8[25us]", BYTES("\x05\0\0\0\0\0\0\0"), NULL);
    npv_value_begin(out, NPV_VALUE_TUPLE, NULL);
    npv_value_end(out, NPV_VALUE_TUPLE, NULL);
    npv_value_begin(out, NPV_VALUE_DICT, NULL);
    npv_value_write_int(out, 1, NULL);
    npv_value_begin(out, NPV_VALUE_LIST, NULL);
    npv_value_end(out, NPV_VALUE_LIST, NULL);
    npv_value_end(out, NPV_VALUE_DICT, NULL);
    assert_int_equal(npv_value_end(out, NPV_VALUE_LIST, NULL), NPV_OK);
}

static void test_every_value_has_its_documented_opcodes(void **state) {
    (void)state;
    static const char head[] = "](N\x88\x89J\0\0\0\x80"
                               "\x8a\x05\0\0\0\x80\0"
                               "\x8a\x09\0\0\0\0\0\0\0\0\xff"
                               "G\x3f\xf8\0\0\0\0\0\0"
                               "\x8c\x03h\xc3\xa9"
                               "X\0\1\0\0";
    static const char tail[] = "cnumpy.core.multiarray\nscalar\ncnumpy\ndtype\nX\x09\0\0\0<M8[25us]\x89\x88\x87R"
                               "B\x08\0\0\0\x05\0\0\0\0\0\0\0\x86R(t}(J\1\0\0\0](eue";
    npv_buffer out = {NULL, 0, 0};
    write_all_kinds(&out);
    assert_memory_equal(out.data, head, sizeof head - 1);
    assert_memory_equal(out.data + sizeof head - 1 + 256,
                        "C\2\0\xff"
                        "B\1\1\0\0",
                        9);
    assert_bytes((npv_bytes){out.data + sizeof head - 1 + 256 + 9 + 257, out.size - (sizeof head - 1 + 256 + 9 + 257)},
                 BYTES(tail));
    free(out.data);
}

static void test_reading_yields_what_was_written(void **state) {
    (void)state;
    static const npv_value_kind kinds[] = {
        NPV_VALUE_LIST,     NPV_VALUE_NONE,  NPV_VALUE_BOOL, NPV_VALUE_BOOL, NPV_VALUE_INT,   NPV_VALUE_INT,
        NPV_VALUE_BIG,      NPV_VALUE_FLOAT, NPV_VALUE_STR,  NPV_VALUE_STR,  NPV_VALUE_BYTES, NPV_VALUE_BYTES,
        NPV_VALUE_DATETIME, NPV_VALUE_TUPLE, NPV_VALUE_END,  NPV_VALUE_DICT, NPV_VALUE_INT,   NPV_VALUE_LIST,
        NPV_VALUE_END,      NPV_VALUE_END,   NPV_VALUE_END};
    npv_buffer out = {NULL, 0, 0};
    write_all_kinds(&out);
    npv_bytes rest = bytes_of(&out);
    npv_value values[COUNT(kinds)];
    for (size_t i = 0; i < COUNT(kinds); i++) {
        values[i] = npv_value_next(&rest);
        assert_int_equal(values[i].kind, kinds[i]);
    }
    assert_int_equal(rest.size, 0);
    assert_true(values[2].boolean);
    assert_false(values[3].boolean);
    assert_true(values[4].integer == INT32_MIN);
    assert_true(values[5].integer == (int64_t)INT32_MAX + 1);
    assert_int_equal(values[6].bytes.size, 9);
    assert_true(values[7].real == 1.5);
    assert_bytes(values[8].bytes, BYTES("h\xc3\xa9"));
    assert_int_equal(values[9].bytes.size, 256);
    assert_bytes(values[10].bytes, BYTES("\0\xff"));
    assert_int_equal(values[11].bytes.size, 257);
    assert_true(values[12].time.ticks == 5);
    assert_int_equal(values[12].time.multiple, 25);
    assert_int_equal(values[12].time.unit, NPV_TIME_us);
    free(out.data);
}

static void test_skipping_steps_over_whole_values(void **state) {
    (void)state;
    npv_buffer out = {NULL, 0, 0};
    write_all_kinds(&out);
    npv_bytes whole = bytes_of(&out), inside = whole;
    npv_value_skip(&whole);
    assert_int_equal(whole.size, 0);
    npv_value_next(&inside);
    for (int i = 0; i < 14; i++)
        npv_value_skip(&inside);
    assert_int_equal(npv_value_next(&inside).kind, NPV_VALUE_END);
    assert_int_equal(inside.size, 0);
    free(out.data);
}

static void test_integers_are_kept_at_every_width(void **state) {
    (void)state;
    for (unsigned bit = 0; bit < 64; bit++) {
        for (int64_t offset = -1; offset <= 1; offset++) {
            const int64_t value = (int64_t)(((uint64_t)1 << bit) + (uint64_t)offset);
            npv_buffer out = {NULL, 0, 0};
            assert_int_equal(npv_value_write_int(&out, value, NULL), NPV_OK);
            npv_bytes rest = bytes_of(&out);
            const npv_value found = npv_value_next(&rest);
            assert_int_equal(found.kind, NPV_VALUE_INT);
            assert_true(found.integer == value);
            assert_int_equal(*out.data, value >= INT32_MIN && value <= INT32_MAX ? 'J' : 0x8a);
            free(out.data);
        }
    }
}

static void test_only_a_uint64_above_int64_is_no_int(void **state) {
    (void)state;
    npv_buffer out = {NULL, 0, 0};
    npv_value_write_numpy(&out, "<u8", BYTES("\xff\xff\xff\xff\xff\xff\xff\x7f"), NULL);
    npv_value_write_numpy(&out, "<u8", BYTES("\0\0\0\0\0\0\0\x80"), NULL);
    npv_bytes rest = bytes_of(&out);
    const npv_value fits = npv_value_next(&rest), is_larger = npv_value_next(&rest);
    assert_int_equal(fits.kind, NPV_VALUE_INT);
    assert_true(fits.integer == INT64_MAX);
    assert_int_equal(is_larger.kind, NPV_VALUE_UINT);
    assert_true(is_larger.natural == (uint64_t)INT64_MAX + 1);
    free(out.data);
}

static void test_utf8_takes_lone_surrogates_and_nothing_else_that_is_wrong(void **state) {
    (void)state;
    const npv_bytes valid[] = {BYTES(""),
                               BYTES("plain ASCII, longer than eight"),
                               BYTES("\xc2\x80"),
                               BYTES("\xdf\xbf"),
                               BYTES("\xe0\xa0\x80"),
                               BYTES("\xed\x9f\xbf"),
                               BYTES("\xed\xa0\x80"),
                               BYTES("\xed\xbf\xbf"),
                               BYTES("\xef\xbf\xbf"),
                               BYTES("\xf0\x90\x80\x80"),
                               BYTES("\xf4\x8f\xbf\xbf"),
                               BYTES("1234567\xc3\xa9"
                                     "1234567\0")};
    const npv_bytes invalid[] = {BYTES("\x80"),
                                 BYTES("\xbf"),
                                 BYTES("\xc0\x80"),
                                 BYTES("\xc1\xbf"),
                                 BYTES("\xc2"),
                                 BYTES("\xc2"
                                       "a"),
                                 BYTES("\xe0\x9f\xbf"),
                                 BYTES("\xe1\x80"),
                                 BYTES("\xe1\x80"
                                       "a"),
                                 BYTES("\xf0\x8f\xbf\xbf"),
                                 BYTES("\xf0\x90\x80"),
                                 BYTES("\xf4\x90\x80\x80"),
                                 BYTES("\xf5\x80\x80\x80"),
                                 BYTES("\xff"),
                                 BYTES("12345678\x80"),
                                 BYTES("1234567\xc3")};
    for (size_t i = 0; i < COUNT(valid); i++)
        assert_true(npv_utf8_valid(valid[i]));
    for (size_t i = 0; i < COUNT(invalid); i++)
        assert_false(npv_utf8_valid(invalid[i]));
}

/* ------------------------------------------------------------------------------------------- JSON into fragments -- */

static npv_status parse(const char *json, npv_buffer *fragment, npv_error *error) {
    fragment->size = 0;
    return npv_json_to_fragment(json, fragment, error);
}

static void test_json_becomes_fragments_in_key_order(void **state) {
    (void)state;
    const struct {
        const char *json;
        npv_bytes fragment;
    } cases[] = {
        {"null", BYTES("N")},
        {" true ", BYTES("\x88")},
        {"-1", BYTES("J\xff\xff\xff\xff")},
        {"1.0", BYTES("G\x3f\xf0\0\0\0\0\0\0")},
        {"-9223372036854775808", BYTES("\x8a\x08\0\0\0\0\0\0\0\x80")},
        {"\"a\\u0000\\ud83d\\ude00\"", BYTES("\x8c\x06"
                                             "a\0\xf0\x9f\x98\x80")},
        {"[]", BYTES("](e")},
        {"{\"b\": {}, \"a\": [false]}", BYTES("}(\x8c\1b}(u\x8c\1a](\x89"
                                              "eu")},
    };
    npv_buffer fragment = {NULL, 0, 0};
    for (size_t i = 0; i < COUNT(cases); i++) {
        assert_int_equal(parse(cases[i].json, &fragment, NULL), NPV_OK);
        assert_bytes(bytes_of(&fragment), cases[i].fragment);
    }
    free(fragment.data);
}

/* `depth` brackets, or braces with a key, around nothing; brackets in a string do not count. */
static char *nested(size_t depth) {
    char *const json = calloc(depth + 1, 8);
    char *at = json;
    for (size_t i = 0; i < depth; i++)
        at += sprintf(at, i + 1 == depth ? "[" : i % 2 == 0 ? "[" : "{\"\\\"[\":");
    for (size_t i = depth; i-- > 0;)
        *at++ = i + 1 == depth || i % 2 == 0 ? ']' : '}';
    return json;
}

static void test_json_may_be_nested_128_deep(void **state) {
    (void)state;
    npv_buffer fragment = {NULL, 0, 0};
    char *json = nested(NPV_MAX_DOCUMENT_DEPTH);
    assert_int_equal(parse(json, &fragment, NULL), NPV_OK);
    free(json);
    json = nested(NPV_MAX_DOCUMENT_DEPTH + 1);
    npv_error error;
    assert_int_equal(parse(json, &fragment, &error), NPV_E_LIMIT);
    assert_int_equal(json[error.position], '[');
    assert_int_equal(strlen(json + error.position), NPV_MAX_DOCUMENT_DEPTH + 2);
    free(json);
    json = malloc(1000001);
    memset(json, '[', 1000000);
    json[1000000] = '\0';
    assert_int_equal(parse(json, &fragment, &error), NPV_E_LIMIT);
    assert_int_equal(error.position, NPV_MAX_DOCUMENT_DEPTH);
    free(json);
    free(fragment.data);
}

static void test_documents_have_a_largest_size(void **state) {
    (void)state;
    char *const json = malloc(NPV_MAX_DOCUMENT_BYTES + 2);
    memset(json, 'x', NPV_MAX_DOCUMENT_BYTES + 1);
    json[0] = json[NPV_MAX_DOCUMENT_BYTES - 6] = '"';
    json[NPV_MAX_DOCUMENT_BYTES - 5] = '\0';
    npv_buffer fragment = {NULL, 0, 0};
    npv_error error;
    assert_int_equal(parse(json, &fragment, &error), NPV_OK); /* 5 bytes in front of so long a text */
    assert_int_equal(fragment.size, NPV_MAX_DOCUMENT_BYTES - 2);
    memset(json + NPV_MAX_DOCUMENT_BYTES - 6, 'x', 6);
    json[NPV_MAX_DOCUMENT_BYTES - 1] = '"';
    json[NPV_MAX_DOCUMENT_BYTES] = '\0';
    assert_int_equal(parse(json, &fragment, &error), NPV_E_LIMIT); /* as stored */
    assert_int_equal(fragment.size, 0);
    json[NPV_MAX_DOCUMENT_BYTES] = ' ';
    json[NPV_MAX_DOCUMENT_BYTES + 1] = '\0';
    assert_int_equal(parse(json, &fragment, &error), NPV_E_LIMIT); /* as JSON */
    assert_int_equal(error.position, NPV_MAX_DOCUMENT_BYTES);
    assert_int_equal(fragment.size, 0);
    free(json);
    free(fragment.data);
}

/* ------------------------------------------------------------------------------------------- Fragments into JSON -- */

static void assert_json(npv_bytes fragment, const char *expected) {
    npv_buffer json = {NULL, 0, 0};
    assert_int_equal(npv_fragment_to_json(fragment, &json, NULL), NPV_OK);
    assert_int_equal(npv_buffer_append(&json, "", 1, NULL), NPV_OK);
    assert_string_equal((const char *)json.data, expected);
    free(json.data);
}

static void assert_same_json(const char *json) {
    npv_buffer fragment = {NULL, 0, 0};
    assert_int_equal(npv_json_to_fragment(json, &fragment, NULL), NPV_OK);
    assert_json(bytes_of(&fragment), json);
    free(fragment.data);
}

static void test_json_comes_back_as_python_spells_it(void **state) {
    (void)state;
    assert_same_json(
        "{\"b\": 1, \"a\": [1, 2.5, \"x\", null, true, false, {}, []], \"\": {\"c\": -9223372036854775808}}");
    assert_same_json(
        "\"\\u0000\\u0001\\b\\t\\n\\f\\r\\u001f \\\" \\\\ / \x7f \xc3\xa9 \xed\x9f\xbf \xf0\x9f\x98\x80\"");
    assert_same_json("[0, -1, 9223372036854775807, 1000000000, 999999999, 10, -2147483648]");
}

static void test_doubles_are_the_shortest_that_read_back(void **state) {
    (void)state;
    assert_same_json("[0.0, -0.0, 1.0, 0.1, -1.5, 100.0, 123456.789, 0.3333333333333333, 0.30000000000000004]");
    assert_same_json("[1000000000000000.0, 9999999999999998.0, 1e+16, 1.2345678901234568e+16, 0.0001, 1e-05, 1.5e-07]");
    assert_same_json("[5e-324, 1e-323, 2.2250738585072014e-308, 2.225073858507201e-308, 1.7976931348623157e+308]");
    /* Powers of two whose nearest decimal of 16 digits is not the one that reads back. */
    assert_same_json("[5.960464477539063e-08, 9007199254740992.0, 9.5367431640625e-07, 1.1805916207174113e+21]");
}

static void test_what_json_cannot_spell_is_spelled_as_documented(void **state) {
    (void)state;
    assert_json(BYTES("](G\x7f\xf8\0\0\0\0\0\0G\x7f\xf0\0\0\0\0\0\0G\xff\xf0\0\0\0\0\0\0e"),
                "[NaN, Infinity, -Infinity]");
    assert_json(BYTES("(J\1\0\0\0(t](et"), "[1, [], []]");
    assert_json(BYTES("](C\0C\1\xff"
                      "C\2\xff\xfe"
                      "C\3abcC\4\0\0\0\0e"),
                "[{\"$bytes\": \"\"}, {\"$bytes\": \"/w==\"}, {\"$bytes\": \"//4=\"}, {\"$bytes\": \"YWJj\"}, "
                "{\"$bytes\": \"AAAAAA==\"}]");
    assert_json(BYTES("\x8c\x07"
                      "a\xed\xa0\x80\xed\xbf\xbf"),
                "\"a\\ud800\\udfff\"");
    assert_json(
        BYTES("](\x8a\x09\0\0\0\0\0\0\0\0\1\x8a\x09\0\0\0\0\0\0\0\0\xff\x8a\x0d\0\0\0\x40\xea\xed\x74\x46\xd0\x9c"
              "\x2c\x9f\x0c"
              "e"),
        "[18446744073709551616, -18446744073709551616, 1000000000000000000000000000000]");
}

static void test_keys_that_are_no_text_become_their_json_text(void **state) {
    (void)state;
    assert_json(
        BYTES("}(J\1\0\0\0N\x88NN\x89G\x3f\xf0\0\0\0\0\0\0\x8c\0C\1\xff](eu"),
        "{\"1\": null, \"true\": null, \"null\": false, \"1.0\": \"\", \"{\\\"$bytes\\\": \\\"/w==\\\"}\": []}");
}

static void assert_numpy(const char *dtype, npv_bytes item, const char *expected) {
    npv_buffer fragment = {NULL, 0, 0};
    assert_int_equal(npv_value_write_numpy(&fragment, dtype, item, NULL), NPV_OK);
    assert_json(bytes_of(&fragment), expected);
    free(fragment.data);
}

static void test_numpy_scalars_are_shown_as_their_values(void **state) {
    (void)state;
    assert_numpy("<b1", BYTES("\1"), "true");
    assert_numpy("<b1", BYTES("\0"), "false");
    assert_numpy("<i1", BYTES("\x80"), "-128");
    assert_numpy("<i2", BYTES("\xff\x7f"), "32767");
    assert_numpy("<i8", BYTES("\0\0\0\0\0\0\0\x80"), "-9223372036854775808");
    assert_numpy("<u1", BYTES("\x80"), "128");
    assert_numpy("<u4", BYTES("\xff\xff\xff\xff"), "4294967295");
    assert_numpy("<u8", BYTES("\xff\xff\xff\xff\xff\xff\xff\x7f"), "9223372036854775807");
    assert_numpy("<u8", BYTES("\xff\xff\xff\xff\xff\xff\xff\xff"), "18446744073709551615");
    assert_numpy("<f2", BYTES("\0\x3e"), "1.5");
    assert_numpy("<f2", BYTES("\1\x80"), "-5.960464477539063e-08");
    assert_numpy("<f2", BYTES("\xff\x7b"), "65504.0");
    assert_numpy("<f2", BYTES("\0\xfc"), "-Infinity");
    assert_numpy("<f2", BYTES("\1\x7c"), "NaN");
    assert_numpy("<f4", BYTES("\xcd\xcc\xcc\x3d"), "0.10000000149011612");
    assert_numpy("<f8", BYTES("\x9a\x99\x99\x99\x99\x99\xb9\x3f"), "0.1");
    assert_numpy("<U3", BYTES("\xe9\0\0\0\0\xf6\1\0\0\0\0\0"), "\"\xc3\xa9\xf0\x9f\x98\x80\"");
    assert_numpy("<U1", BYTES("\0\xd8\0\0"), "\"\\ud800\"");
    assert_numpy("<U0", BYTES(""), "\"\"");
    assert_numpy("<S3", BYTES("a\xff\0"), "{\"$bytes\": \"Yf8=\"}");
}

static void assert_time(const char *dtype, int64_t ticks, const char *expected) {
    unsigned char item[8];
    for (int i = 0; i < 8; i++)
        item[i] = (unsigned char)((uint64_t)ticks >> 8 * i);
    assert_numpy(dtype, (npv_bytes){item, 8}, expected);
}

/* The expected texts are what str() prints in NumPy 2. */
static void test_times_are_shown_as_numpy_prints_them(void **state) {
    (void)state;
    assert_time("<M8[Y]", 54, "\"2024\"");
    assert_time("<M8[Y]", -1971, "\"-001\"");
    assert_time("<M8[M]", -1, "\"1969-12\"");
    assert_time("<M8[W]", 1, "\"1970-01-08\"");
    assert_time("<M8[D]", 19782, "\"2024-02-29\"");
    assert_time("<M8[D]", -719529, "\"-001-12-31\"");
    assert_time("<M8[D]", 11017, "\"2000-03-01\"");
    assert_time("<M8[D]", -25509, "\"1900-02-28\"");
    assert_time("<M8[D]", -25508, "\"1900-03-01\"");
    assert_time("<M8[h]", -1, "\"1969-12-31T23\"");
    assert_time("<M8[m]", 28598970, "\"2024-05-17T09:30\"");
    assert_time("<M8[s]", 1715938245, "\"2024-05-17T09:30:45\"");
    assert_time("<M8[ms]", -1, "\"1969-12-31T23:59:59.999\"");
    assert_time("<M8[25us]", 5, "\"1970-01-01T00:00:00.000125\"");
    assert_time("<M8[ns]", 1715938245123456789, "\"2024-05-17T09:30:45.123456789\"");
    assert_time("<M8[as]", -1, "\"1969-12-31T23:59:59.999999999999999999\"");
    assert_time("<M8[us]", INT64_MIN + 1, "\"-290308-12-21T19:59:05.224193\"");
    assert_time("<M8[as]", INT64_MIN + 1, "\"1969-12-31T23:59:50.776627963145224193\"");
    assert_time("<M8[s]", INT64_MIN, "\"NaT\"");
    assert_time("<M8", INT64_MIN, "\"NaT\"");
    assert_time("<m8[25us]", -3, "{\"$timedelta\": [-3, \"25us\"]}");
    assert_time("<m8[D]", 7, "{\"$timedelta\": [7, \"D\"]}");
    assert_time("<m8", 7, "{\"$timedelta\": [7, \"generic\"]}");
    assert_time("<m8[s]", INT64_MIN, "{\"$timedelta\": [\"NaT\", \"s\"]}");
}

static void test_the_locale_makes_no_difference(void **state) {
    (void)state;
    static const char *const with_comma[] = {"de_DE.UTF-8", "de_DE.utf8", "fr_FR.UTF-8", "nl_NL.UTF-8", "pt_BR.UTF-8"};
    size_t i = 0;
    while (i < COUNT(with_comma) && setlocale(LC_ALL, with_comma[i]) == NULL)
        i++;
    if (i == COUNT(with_comma))
        skip();
    char text[8];
    snprintf(text, sizeof text, "%.1f", 0.5);
    assert_string_equal(text, "0,5");
    assert_same_json("[0.1, 1.2345678901234568e+16, 5e-324, 0.30000000000000004]");
    setlocale(LC_ALL, "C");
}

/* ----------------------------------------------------------------------------------------------------- Documents -- */

static void test_rows_keep_their_documents(void **state) {
    (void)state;
    npv_documents documents = NPV_DOCUMENTS_EMPTY;
    assert_int_equal(npv_documents_append_none(&documents, 2, NULL), NPV_OK);
    assert_int_equal(npv_documents_append(&documents, BYTES("N"), NULL), NPV_OK);
    assert_int_equal(npv_documents_append(&documents, (npv_bytes){NULL, 0}, NULL), NPV_OK);
    assert_int_equal(npv_documents_append(&documents, BYTES("](e"), NULL), NPV_OK);
    assert_int_equal(documents.count, 5);
    assert_int_equal(documents.fragments_size, 4);
    assert_int_equal(npv_documents_get(&documents, 0).size, 0);
    assert_int_equal(npv_documents_get(&documents, 1).size, 0);
    assert_bytes(npv_documents_get(&documents, 2), BYTES("N"));
    assert_int_equal(npv_documents_get(&documents, 3).size, 0);
    assert_bytes(npv_documents_get(&documents, 4), BYTES("](e"));
    npv_documents_free(&documents);
    assert_int_equal(documents.count, 0);
}

static void test_truncating_undoes_appends(void **state) {
    (void)state;
    npv_documents documents = NPV_DOCUMENTS_EMPTY;
    for (int i = 0; i < 1000; i++)
        assert_int_equal(npv_documents_append(&documents, i % 3 == 0 ? (npv_bytes){NULL, 0} : BYTES("\x88"), NULL),
                         NPV_OK);
    npv_documents_truncate(&documents, 1000);
    assert_int_equal(documents.count, 1000);
    npv_documents_truncate(&documents, 3);
    assert_int_equal(documents.count, 3);
    assert_int_equal(documents.fragments_size, 2);
    assert_int_equal(npv_documents_append_none(&documents, 2, NULL), NPV_OK);
    assert_int_equal(npv_documents_append(&documents, BYTES("(t"), NULL), NPV_OK);
    assert_bytes(npv_documents_get(&documents, 1), BYTES("\x88"));
    npv_documents_truncate(&documents, 4);
    assert_int_equal(documents.fragments_size, 2);
    assert_int_equal(npv_documents_append_none(&documents, 1, NULL), NPV_OK);
    assert_int_equal(npv_documents_append(&documents, BYTES("(t"), NULL), NPV_OK);
    assert_int_equal(npv_documents_get(&documents, 4).size, 0); /* was a document before */
    assert_bytes(npv_documents_get(&documents, 5), BYTES("(t"));
    npv_documents_truncate(&documents, 0);
    assert_int_equal(documents.fragments_size, 0);
    npv_documents_free(&documents);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_value_has_its_documented_opcodes),
        cmocka_unit_test(test_reading_yields_what_was_written),
        cmocka_unit_test(test_skipping_steps_over_whole_values),
        cmocka_unit_test(test_integers_are_kept_at_every_width),
        cmocka_unit_test(test_only_a_uint64_above_int64_is_no_int),
        cmocka_unit_test(test_utf8_takes_lone_surrogates_and_nothing_else_that_is_wrong),
        cmocka_unit_test(test_json_becomes_fragments_in_key_order),
        cmocka_unit_test(test_json_may_be_nested_128_deep),
        cmocka_unit_test(test_documents_have_a_largest_size),
        cmocka_unit_test(test_json_comes_back_as_python_spells_it),
        cmocka_unit_test(test_doubles_are_the_shortest_that_read_back),
        cmocka_unit_test(test_what_json_cannot_spell_is_spelled_as_documented),
        cmocka_unit_test(test_keys_that_are_no_text_become_their_json_text),
        cmocka_unit_test(test_numpy_scalars_are_shown_as_their_values),
        cmocka_unit_test(test_times_are_shown_as_numpy_prints_them),
        cmocka_unit_test(test_the_locale_makes_no_difference),
        cmocka_unit_test(test_rows_keep_their_documents),
        cmocka_unit_test(test_truncating_undoes_appends),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
