/* JSON as documents are read from it: what is taken, what is refused and where, and what it costs. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "failing_malloc.h"
#include "meta/decimal.h"
#include "meta/json.h"
#include "meta/value.h"

#define COUNT(array) (sizeof(array) / sizeof *(array))

/* Of every kind of word, in every place that it can have. */
static const char EVERYTHING[] =
    " {\"a\" : [null, true,false ,NaN,Infinity , -Infinity, 0, -0.0, 1.5e-7, 123456789012345678901234567890, []],\n"
    "\t\"b\\u00e9\\ud83d\\ude00\\ud800\\n\\\"\\\\\" : {\"\": {}, \"\xc3\xa9\xf0\x9f\x98\x80\": \"\\/\\b\\f\\r\\t\"}, "
    "\"c\":\"plain\" }\r\n";

static char *json_of(const npv_buffer *fragment) {
    npv_buffer json = {NULL, 0, 0};
    assert_int_equal(npv_fragment_to_json((npv_bytes){fragment->data, fragment->size}, &json, NULL), NPV_OK);
    assert_int_equal(npv_buffer_append(&json, "", 1, NULL), NPV_OK);
    return (char *)json.data;
}

/* What is written again is the same value. */
static void assert_comes_back(const npv_buffer *fragment) {
    npv_buffer again = {NULL, 0, 0};
    char *const json = json_of(fragment);
    assert_int_equal(npv_json_to_fragment(json, &again, NULL), NPV_OK);
    assert_int_equal(again.size, fragment->size);
    assert_memory_equal(again.data, fragment->data, again.size);
    free(again.data);
    free(json);
}

static void assert_taken(const char *text, const char *expected) {
    npv_error error = {0};
    npv_buffer fragment = {NULL, 0, 0};
    if (npv_json_to_fragment(text, &fragment, &error) != NPV_OK)
        fail_msg("%s: %s", text, error.message);
    char *const json = json_of(&fragment);
    assert_string_equal(json, expected);
    assert_comes_back(&fragment);
    free(json);
    free(fragment.data);
}

/* In memory that ends where it ends, for the address sanitizer. */
static void assert_refused(const char *given, npv_status status, size_t position, const char *message) {
    npv_error error = {0};
    npv_buffer fragment = {NULL, 0, 0};
    char *const text = strdup(given);
    assert_non_null(text);
    npv_buffer_append(&fragment, "before", 6, NULL);
    if (npv_json_to_fragment(text, &fragment, &error) == NPV_OK)
        fail_msg("%s is taken", text);
    if (strstr(error.message, message) == NULL || error.position != position)
        fail_msg("%s: at %zu: %s", text, error.position, error.message);
    assert_int_equal(error.code, status);
    assert_null(strchr(error.message, '\n'));
    assert_int_equal(fragment.size, 6);
    assert_memory_equal(fragment.data, "before", 6);
    free(fragment.data);
    free(text);
}

/* ------------------------------------------------------------------------------------------------------- Grammar -- */

static void every_form_of_the_grammar_is_taken(void **state) {
    (void)state;
    static const char *const cases[][2] = {
        {"null", "null"},
        {"\t\n\r true \t\n\r", "true"},
        {"false", "false"},
        {"\"\"", "\"\""},
        {"[]", "[]"},
        {"[ ]", "[]"},
        {"{}", "{}"},
        {"{\n}", "{}"},
        {"[[],[[]],{\"a\":{}}]", "[[], [[]], {\"a\": {}}]"},
        {"[1,2 , 3]", "[1, 2, 3]"},
        {"{\"a\":1,\"b\" :2, \"c\": 3}", "{\"a\": 1, \"b\": 2, \"c\": 3}"},
        {"0", "0"},
        {"-0", "0"},
        {"-1", "-1"},
        {"10", "10"},
        {"0.0", "0.0"},
        {"-0.0", "-0.0"},
        {"0.5", "0.5"},
        {"0e0", "0.0"},
        {"1E5", "100000.0"},
        {"1e+5", "100000.0"},
        {"1e-5", "1e-05"},
        {"1.25E+2", "125.0"},
        {"1e00005", "100000.0"},
        {"NaN", "NaN"},
        {"[Infinity,-Infinity]", "[Infinity, -Infinity]"},
        {"1e-999", "0.0"},
        {"-1e-999999999999999999999", "-0.0"},
        {"\"\\\" \\\\ \\/ \\b \\f \\n \\r \\t\"", "\"\\\" \\\\ / \\b \\f \\n \\r \\t\""},
        {"\"\\u0041\\u00e9\\u00E9\\u20ac\\uFFFF\"", "\"A\xc3\xa9\xc3\xa9\xe2\x82\xac\xef\xbf\xbf\""},
        {"\"\\u0000\\u001f \x7f\"", "\"\\u0000\\u001f \x7f\""},
        {"\"\xc2\x80\xed\x9f\xbf\xee\x80\x80\xf4\x8f\xbf\xbf\"",
         "\"\xc2\x80\xed\x9f\xbf\xee\x80\x80\xf4\x8f\xbf\xbf\""},
        {"{\"\\u0000\": 1, \"\": 2}", "{\"\\u0000\": 1, \"\": 2}"},
    };
    for (size_t i = 0; i < COUNT(cases); i++)
        assert_taken(cases[i][0], cases[i][1]);
}

static void surrogates_make_pairs_or_stay_alone(void **state) {
    (void)state;
    assert_taken("\"\\ud83d\\ude00\\uD83D\\uDE00\"", "\"\xf0\x9f\x98\x80\xf0\x9f\x98\x80\"");
    assert_taken("\"\\ud800\\udc00\\udbff\\udfff\"", "\"\xf0\x90\x80\x80\xf4\x8f\xbf\xbf\"");
    assert_taken("\"\\ud83d\"", "\"\\ud83d\"");
    assert_taken("\"\\ude00\\ud83d\"", "\"\\ude00\\ud83d\"");
    assert_taken("\"\\ud83dx\\ude00\"", "\"\\ud83dx\\ude00\"");
    assert_taken("\"\\ud83d\\n\\ude00\"", "\"\\ud83d\\n\\ude00\"");
    assert_taken("\"\\ud83d\\nde00\"", "\"\\ud83d\\nde00\"");
    assert_taken("\"\\udc00\\udc00\"", "\"\\udc00\\udc00\"");
    assert_taken("\"\\ud83d\\ud83d\\ude00\"", "\"\\ud83d\xf0\x9f\x98\x80\"");
    assert_taken("{\"\\udfff\": \"\\ud800\\ue000\"}", "{\"\\udfff\": \"\\ud800\xee\x80\x80\"}");
}

static void what_is_no_json_is_refused_where_it_stands(void **state) {
    (void)state;
    static const struct {
        const char *text;
        size_t position;
        const char *message;
    } cases[] = {
        {"", 0, "expected a value, found the end"},
        {" \n", 2, "expected a value, found the end"},
        {"nul", 0, "expected a value, found nul"},
        {"nulll", 0, "found nulll"},
        {"True", 0, "found True"},
        {"nan", 0, "found nan"},
        {"-NaN", 0, "found -NaN"},
        {"+Infinity", 0, "found +Infinity"},
        {"-infinity", 0, "found -infinity"},
        {"undefined", 0, "found undefined"},
        {"'a'", 0, "found '"},
        {"/* a */ 1", 0, "found /"},
        {"1 // one", 2, "expected the end, found /"},
        {"1 2", 2, "expected the end, found 2"},
        {"{} []", 3, "expected the end, found ["},
        {"[1] ]", 4, "expected the end, found ]"},
        {"\xef\xbb\xbf{}", 0, "expected a value"},
        {"\v1", 0, "expected a value, found ?"},
        {"[1,\n 2,, 3]", 7, "expected a value, found ,"},
        {"[1,]", 3, "expected a value, found ]"},
        {"[,1]", 1, "expected a value, found ,"},
        {"[1 2]", 3, "expected a comma or ], found 2"},
        {"[1:2]", 2, "expected a comma or ], found :"},
        {"[1}", 2, "expected a comma or ], found }"},
        {"[1", 2, "expected a comma or ], found the end"},
        {"[", 1, "expected a value, found the end"},
        {"]", 0, "expected a value, found ]"},
        {"{", 1, "expected a key in double quotes, found the end"},
        {"{,}", 1, "expected a key in double quotes, found ,"},
        {"{1: 2}", 1, "expected a key in double quotes, found 1"},
        {"{a: 2}", 1, "expected a key in double quotes, found a"},
        {"{\"a\"}", 4, "expected a colon behind the key, found }"},
        {"{\"a\", 1}", 4, "expected a colon behind the key, found ,"},
        {"{\"a\": }", 6, "expected a value, found }"},
        {"{\"a\": 1,}", 8, "expected a key in double quotes, found }"},
        {"{\"a\": 1 \"b\": 2}", 8, "expected a comma or }, found \"b\""},
        {"{\"a\": 1]", 7, "expected a comma or }, found ]"},
        {"{\"a\": 1", 7, "expected a comma or }, found the end"},
        {"{\"a\": tru}", 6, "expected a value, found tru"},
        {"01", 0, "found 01"},
        {"-01", 0, "found -01"},
        {"00", 0, "found 00"},
        {"+1", 0, "found +1"},
        {"-", 0, "found -"},
        {"--1", 0, "found --1"},
        {".5", 0, "found .5"},
        {"1.", 0, "found 1."},
        {"1.e5", 0, "found 1.e5"},
        {"1e", 0, "found 1e"},
        {"1e+", 0, "found 1e+"},
        {"1e5.5", 0, "found 1e5.5"},
        {"1.2.3", 0, "found 1.2.3"},
        {"0x10", 0, "found 0x10"},
        {"1_000", 0, "found 1_000"},
        {"[1e309]", 1, "expected a number below 1.8e308, found 1e309; infinity is Infinity"},
        {"-1.8e308", 0, "expected a number below 1.8e308"},
        {"\"a", 0, "expected \" at the end of the string that begins here, found the end"},
        {"[\"a\\\"]", 1, "expected \" at the end of the string"},
        {"\"a\nb\"", 2, "expected \\n, \\t or \\u000a in a string"},
        {"\"\x1f\"", 1, "\\u001f"},
        {"\"\\a\"", 1, "found another \\"},
        {"\"\\'\"", 1, "found another \\"},
        {"\"x\\u12\"", 2, "found another \\"},
        {"\"\\u12g4\"", 1, "found another \\"},
        {"\"\\ud83d\\u12\"", 7, "found another \\"},
        {"\"\\U0041\"", 1, "found another \\"},
        {"\"\\", 1, "found another \\"},
        {"\"\xff\"", 1, "expected UTF-8, found the byte 0xff"},
        {"[\"a\", \"\xc3\"]", 7, "0xc3"},
        {"\"\xc0\x80\"", 1, "0xc0"},
        {"\"\xf4\x90\x80\x80\"", 1, "0xf4"},
        {"\"\xe4\xbd\xa0\xed\xa0\x80\"", 4, "0xed"},
        {"\"\xed\xbf\xbf\"", 1, "0xed"},
        {"\"\xed\x9f\xbf\xed\x80\x80\xed\xb0\x80\"", 7, "0xed"},
        {"\"\xed\x9f", 1, "0xed"},
    };
    for (size_t i = 0; i < COUNT(cases); i++)
        assert_refused(cases[i].text, NPV_E_ARGUMENT, cases[i].position, cases[i].message);
}

static void no_beginning_of_a_document_is_one(void **state) {
    (void)state;
    const size_t length = strlen(EVERYTHING) - 3; /* what follows the last brace is blank */
    for (size_t size = 0; size <= length; size++) {
        char *const text = malloc(size + 1); /* so that a sanitizer sees its end */
        npv_buffer fragment = {NULL, 0, 0};
        npv_error error = {0};
        memcpy(text, EVERYTHING, size);
        text[size] = '\0';
        assert_int_equal(npv_json_to_fragment(text, &fragment, &error), NPV_E_ARGUMENT);
        assert_true(error.position <= size);
        assert_int_equal(fragment.size, 0);
        free(fragment.data);
        free(text);
    }
}

/* Most are refused; what is taken must be a value that comes back. */
static void any_byte_may_be_another(void **state) {
    (void)state;
    char text[sizeof EVERYTHING];
    size_t taken = 0;
    npv_buffer fragment = {NULL, 0, 0};
    for (size_t i = 0; i < sizeof text - 1; i++)
        for (int c = 1; c < 256; c++) {
            npv_error error = {0};
            memcpy(text, EVERYTHING, sizeof text);
            text[i] = (char)c;
            fragment.size = 0;
            if (npv_json_to_fragment(text, &fragment, &error) == NPV_OK) {
                assert_comes_back(&fragment);
                taken++;
            } else {
                assert_int_equal(error.code, NPV_E_ARGUMENT);
                assert_true(error.position < sizeof text);
            }
        }
    assert_true(taken > 1000);
    free(fragment.data);
}

/* ------------------------------------------------------------------------------------------------------- Numbers -- */

static npv_value value_of(const char *text, npv_buffer *fragment) {
    fragment->size = 0;
    assert_int_equal(npv_json_to_fragment(text, fragment, NULL), NPV_OK);
    npv_bytes rest = {fragment->data, fragment->size};
    return npv_value_next(&rest);
}

static void integers_of_any_length_are_kept(void **state) {
    (void)state;
    static const char *const integers[] = {"2147483647",
                                           "2147483648",
                                           "-2147483648",
                                           "-2147483649",
                                           "999999999999999999",
                                           "9223372036854775807",
                                           "-9223372036854775808",
                                           "9223372036854775808",
                                           "-9223372036854775809",
                                           "18446744073709551615",
                                           "18446744073709551616",
                                           "-18446744073709551616",
                                           "340282366920938463463374607431768211456"};
    npv_buffer fragment = {NULL, 0, 0};
    for (size_t i = 0; i < COUNT(integers); i++)
        assert_taken(integers[i], integers[i]);
    assert_int_equal(value_of("-9223372036854775808", &fragment).kind, NPV_VALUE_INT);
    assert_true(value_of("-9223372036854775808", &fragment).integer == INT64_MIN);
    assert_int_equal(value_of("9223372036854775808", &fragment).kind, NPV_VALUE_BIG);
    assert_int_equal(value_of("18446744073709551615", &fragment).bytes.size, 9);
    free(fragment.data);
}

/* The longest is 2^8191 - 1, or -2^8191. */
static void integers_have_a_greatest_length(void **state) {
    (void)state;
    unsigned char bytes[NPV_MAX_INTEGER_BYTES];
    char text[NPV_DECIMAL_INTEGER_SIZE + 1];
    memset(bytes, 0xff, sizeof bytes);
    bytes[sizeof bytes - 1] = 0x7f;
    size_t length = npv_decimal_from_integer((npv_bytes){bytes, sizeof bytes}, text);
    text[length] = '\0';
    assert_taken(text, text);
    assert_int_equal(text[length - 1], '7');
    text[length - 1] = '8';
    assert_refused(text, NPV_E_LIMIT, 0, "1024 bytes, found one of 2466 digits");
    memset(bytes, 0, sizeof bytes);
    bytes[sizeof bytes - 1] = 0x80;
    length = npv_decimal_from_integer((npv_bytes){bytes, sizeof bytes}, text);
    text[length] = '\0';
    assert_taken(text, text);
    text[length - 1]++;
    assert_refused(text, NPV_E_LIMIT, 0, "1024 bytes, found one of 2466 digits");
    char *const endless = malloc(1000003);
    memset(endless, '9', 1000002);
    endless[0] = '[';
    endless[1000001] = ']';
    endless[1000002] = '\0';
    assert_refused(endless, NPV_E_LIMIT, 1, "found one of 1000000 digits");
    free(endless);
}

/* Exactly between two doubles, and a digit beyond, where no other digit decides. */
static void numbers_are_the_nearest_doubles(void **state) {
    (void)state;
    static const struct {
        const char *text;
        double value;
    } cases[] = {
        {"9007199254740993.0", 0x1p53},
        {"9007199254740993.00000000000000000000000000001", 0x1.0000000000001p53},
        {"9007199254740995e0", 0x1.0000000000002p53},
        {"1.7976931348623158e308", 0x1.fffffffffffffp1023},
        {"179769313486231580793728971405301e276", 0x1.fffffffffffffp1023},
        {"4.9406564584124654e-324", 0x1p-1074},
        {"2.47e-324", 0},
        {"2.48e-324", 0x1p-1074},
        {"2.2250738585072011e-308", 0x0.fffffffffffffp-1022},
        {"0.1", 0x1.999999999999ap-4},
        {"1.00000000000000033306690738754696212708950042724609375", 0x1.0000000000002p0},
        {"123456789e-2", 0x1.2d687e3d70a3dp20},
        {"0.000000000000000000000000000000000000000000000000001e51", 1},
        {"1000000000000000000000000000000000000000000000000000e-51", 1},
    };
    npv_buffer fragment = {NULL, 0, 0};
    for (size_t i = 0; i < COUNT(cases); i++) {
        const npv_value found = value_of(cases[i].text, &fragment);
        assert_int_equal(found.kind, NPV_VALUE_FLOAT);
        if (found.real != cases[i].value)
            fail_msg("%s: %a, not %a", cases[i].text, found.real, cases[i].value);
    }
    char longest[1024];
    snprintf(longest, sizeof longest, "1.00000000000000011102230246251565404236316680908203125%0900d", 0);
    assert_true(value_of(longest, &fragment).real == 1);
    snprintf(longest, sizeof longest, "1.00000000000000011102230246251565404236316680908203125%0900d", 1);
    assert_true(value_of(longest, &fragment).real == 0x1.0000000000001p0);
    srand(1);
    for (int i = 0; i < 20000; i++) {
        char text[64];
        snprintf(text, sizeof text, "%d.%d%de%d", rand() % 1000, rand(), rand(), rand() % 640 - 330);
        const double expected = strtod(text, NULL);
        if (isfinite(expected))
            assert_true(value_of(text, &fragment).real == expected);
    }
    free(fragment.data);
}

/* ---------------------------------------------------------------------------------------------------------- Keys -- */

static void keys_that_are_there_twice_are_refused_at_the_second(void **state) {
    (void)state;
    assert_refused("{\"a\": 1, \"a\": 2}", NPV_E_ARGUMENT, 9, "different keys in an object, found \"a\" twice");
    assert_refused("{\"a\": 1, \"b\": 2, \"b\": 3, \"a\": 4}", NPV_E_ARGUMENT, 17, "found \"b\" twice");
    assert_refused("[{\"\": {}, \"\": {}}]", NPV_E_ARGUMENT, 10, "found \"\" twice");
    assert_refused("{\"a\": 1, \"\\u0061\": 2}", NPV_E_ARGUMENT, 9, "found \"a\" twice");
    assert_refused("{\"x\": {\"a\": 1}, \"y\": {\"a\": 1, \"a\": 2}}", NPV_E_ARGUMENT, 30, "found \"a\" twice");
    assert_refused("{\"a\": {\"b\": 1}, \"b\": [{\"a\": 1}], \"a\": 1}", NPV_E_ARGUMENT, 33, "found \"a\" twice");
    assert_taken("{\"a\": {\"a\": {\"a\": [{\"a\": 1}, {\"a\": 2}]}, \"b\": 1}, \"b\": {\"a\": 1}}",
                 "{\"a\": {\"a\": {\"a\": [{\"a\": 1}, {\"a\": 2}]}, \"b\": 1}, \"b\": {\"a\": 1}}");
    assert_taken("{\"a\": 1, \"A\": 2, \"aa\": 3, \"a\\u0000\": 4, \"\": 5}",
                 "{\"a\": 1, \"A\": 2, \"aa\": 3, \"a\\u0000\": 4, \"\": 5}");
}

/* "k0" to "k<count - 1>", and behind them once more the one that is numbered `twice`, if there is such a one. */
static char *many_keys(size_t count, size_t twice) {
    char *const text = malloc(24 * (count + 2));
    char *at = text + sprintf(text, "{");
    for (size_t i = 0; i < count; i++)
        at += sprintf(at, "%s\"k%zu\": 0", i == 0 ? "" : ", ", i);
    if (twice < count)
        at += sprintf(at, ", \"k%zu\": 0, \"k0\": 1", twice);
    sprintf(at, "}");
    return text;
}

static void objects_may_have_many_keys(void **state) {
    (void)state;
    for (size_t count = 1; count < 3000; count = count < 70 ? count + 1 : 4 * count) {
        char *text = many_keys(count, SIZE_MAX);
        assert_taken(text, text);
        free(text);
        for (size_t i = 0; i < 3; i++) {
            const size_t twice = i * (count - 1) / 2;
            text = many_keys(count, twice);
            char name[32];
            const int length = snprintf(name, sizeof name, "\"k%zu\":", twice);
            const char *second = strstr(strstr(text, name) + length, name);
            assert_refused(text, NPV_E_ARGUMENT, (size_t)(second - text), " twice");
            free(text);
        }
    }
}

/* -------------------------------------------------------------------------------------------------------- Limits -- */

/* `unit`, again and again, between brackets: all that the limit on the text lets in. */
static char *fill(const char *unit) {
    char *const text = malloc(NPV_MAX_DOCUMENT_BYTES + 1);
    const size_t size = strlen(unit), count = (NPV_MAX_DOCUMENT_BYTES - 2) / size;
    text[0] = '[';
    for (size_t i = 0; i < count; i++)
        memcpy(text + 1 + i * size, unit, size);
    text[count * size] = ']'; /* over the last comma */
    text[count * size + 1] = '\0';
    return text;
}

/* An integer takes five bytes, behind two of the list. */
static void what_is_stored_is_bounded_while_it_is_read(void **state) {
    (void)state;
    char *const text = fill("0,");
    npv_buffer fragment = {NULL, 0, 0};
    npv_error error = {0};
    assert_int_equal(npv_json_to_fragment(text, &fragment, &error), NPV_E_LIMIT);
    const size_t fit = (NPV_MAX_DOCUMENT_BYTES - 2) / 5;
    assert_int_equal(error.position, 1 + 2 * fit);
    assert_true(fragment.capacity < 2 * (size_t)NPV_MAX_DOCUMENT_BYTES);
    free(fragment.data);
    free(text);
}

/* Text of just so many bytes has five in front of it. */
static void the_largest_document_is_taken(void **state) {
    (void)state;
    char *const text = malloc(NPV_MAX_DOCUMENT_BYTES + 1);
    npv_buffer fragment = {NULL, 0, 0};
    npv_buffer_append(&fragment, "before", 6, NULL);
    memset(text, ' ', NPV_MAX_DOCUMENT_BYTES);
    text[NPV_MAX_DOCUMENT_BYTES] = '\0';
    memset(text, 'x', NPV_MAX_DOCUMENT_BYTES - 3);
    text[0] = text[NPV_MAX_DOCUMENT_BYTES - 4] = '"';
    assert_int_equal(npv_json_to_fragment(text, &fragment, NULL), NPV_OK);
    assert_int_equal(fragment.size, 6 + NPV_MAX_DOCUMENT_BYTES);
    text[NPV_MAX_DOCUMENT_BYTES - 4] = 'x';
    text[NPV_MAX_DOCUMENT_BYTES - 3] = '"';
    free(fragment.data);
    assert_refused(text, NPV_E_LIMIT, 0, "16777216 bytes as stored");
    free(text);
}

/* Neither a tree nor keys of objects that are closed are kept. */
static void small_objects_without_end_take_no_memory(void **state) {
    (void)state;
    char *const text = fill("{\"\":\"\"},");
    npv_buffer fragment = {NULL, 0, 0};
    assert_int_equal(npv_json_to_fragment(text, &fragment, NULL), NPV_OK);
    assert_int_equal(fragment.size, (NPV_MAX_DOCUMENT_BYTES - 2) / 8 * 7 + 3);
    free(fragment.data);
    free(text);
}

#ifdef FAILING_MALLOC
static void every_failing_allocation_is_an_error(void **state) {
    (void)state;
    char *const keys = many_keys(100, SIZE_MAX);
    const char *const texts[] = {EVERYTHING, keys};
    for (size_t i = 0; i < COUNT(texts); i++)
        for (long n = 0;; n++) {
            npv_buffer fragment = {NULL, 0, 0};
            npv_error error = {0};
            const long before = alive;
            until_failure = n;
            const npv_status status = npv_json_to_fragment(texts[i], &fragment, &error);
            const bool reached = until_failure < 0;
            until_failure = -1;
            free(fragment.data);
            assert_int_equal(alive, before);
            if (!reached) {
                assert_int_equal(status, NPV_OK);
                assert_true(n > 2);
                break;
            }
            assert_int_equal(status, NPV_E_MEMORY);
            assert_int_equal(error.code, NPV_E_MEMORY);
            assert_true(error.position == NPV_NO_POSITION);
            assert_int_equal(fragment.size, 0);
        }
    free(keys);
}
#else
static void every_failing_allocation_is_an_error(void **state) {
    (void)state;
    skip();
}
#endif

/* Strings are read eight bytes at a time: whatever ends that, in every place and beside every other byte. */
static void strings_end_where_they_end(void **state) {
    (void)state;
    enum { LONGEST = 40 };
    static const char *const fillings[] = {"x", "\x7f", " ", "!", "#", "[", "]", "\xc3\xa9", "\xf4\x8f\xbf\xbf"};
    for (size_t f = 0; f < COUNT(fillings); f++)
        for (size_t length = 0; length < LONGEST; length++)
            for (size_t place = 0; place <= length; place++) {
                char before[4 * LONGEST + 1] = "", after[4 * LONGEST + 1] = "";
                char text[9 * LONGEST];
                for (size_t i = 0; i < length; i++)
                    strcat(i < place ? before : after, fillings[f]);
                snprintf(text, sizeof text, "[\"%s\\\"%s\", \"%s\\u0001%s\"]", before, after, before, after);
                assert_taken(text, text);
                snprintf(text, sizeof text, "{\"%s\": \"%s\"}", before, after);
                assert_taken(text, text);
                snprintf(text, sizeof text, "[\"\\t%s\x1f%s\"]", before, after);
                assert_refused(text, NPV_E_ARGUMENT, 4 + strlen(before), "expected \\n, \\t or \\u001f in a string");
                snprintf(text, sizeof text, "[\"%s\\q%s\"]", before, after);
                assert_refused(text, NPV_E_ARGUMENT, 2 + strlen(before), "found another \\");
                snprintf(text, sizeof text, "[\"\\n%s%s", before, after);
                assert_refused(text, NPV_E_ARGUMENT, 1, "found the end");
            }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_form_of_the_grammar_is_taken),
        cmocka_unit_test(surrogates_make_pairs_or_stay_alone),
        cmocka_unit_test(what_is_no_json_is_refused_where_it_stands),
        cmocka_unit_test(no_beginning_of_a_document_is_one),
        cmocka_unit_test(strings_end_where_they_end),
        cmocka_unit_test(any_byte_may_be_another),
        cmocka_unit_test(integers_of_any_length_are_kept),
        cmocka_unit_test(integers_have_a_greatest_length),
        cmocka_unit_test(numbers_are_the_nearest_doubles),
        cmocka_unit_test(keys_that_are_there_twice_are_refused_at_the_second),
        cmocka_unit_test(objects_may_have_many_keys),
        cmocka_unit_test(what_is_stored_is_bounded_while_it_is_read),
        cmocka_unit_test(the_largest_document_is_taken),
        cmocka_unit_test(small_objects_without_end_take_no_memory),
        cmocka_unit_test(every_failing_allocation_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
