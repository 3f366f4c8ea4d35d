/* Records to documents and back: what fits a field, and what is said of what does not. */
#include <float.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

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
        "\"S\": \"\", \"M\": null, \"m\": null}"};
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
        {"|S3", "{\"$bytes\": \"AAE\"}", "expected {\"$bytes\": \"<base64>\"} (S3), found {\"$bytes\": \"AAE\"}"},
        {"|S6", "{\"$bytes\": \"AA==AAAA\"}",
         "expected {\"$bytes\": \"<base64>\"} (S6), found {\"$bytes\": \"AA==AAAA\"}"},
        {"<m8[25s]", "{\"$timedelta\": [5, \"s\"]}",
         "expected null or an integer from -9223372036854775807 to 9223372036854775807, in the field's unit (m8[25s]), "
         "found {\"$timedelta\": [5, \"s\"]}"},
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
    /* 2^72 */
    static const unsigned char beyond[] = "\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01";
    for (size_t i = 0; i < COUNT(types); i++) {
        const npv_field field = {"x", types[i]};
        assert_int_equal(npv_schema_declare(&field, 1, &schema, NULL), NPV_OK);
        fragment.size = 0;
        npv_value_begin(&fragment, NPV_VALUE_DICT, NULL);
        npv_value_write_str(&fragment, text_of("x"), NULL);
        npv_value_write_integer(&fragment, (npv_bytes){beyond, 10}, NULL);
        npv_value_end(&fragment, NPV_VALUE_DICT, NULL);
        assert_int_equal(npv_record_from_fragment(&schema, (npv_bytes){fragment.data, fragment.size}, again, NULL),
                         NPV_E_ARGUMENT);
        npv_schema_free(&schema);
    }
    free(fragment.data);
}

int main(void) {
    const struct CMUnitTest tests[] = {
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
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
