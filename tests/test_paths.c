/* Paths into documents: how they are spelled, and where they lead. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "meta/json.h"
#include "meta/path.h"
#include "meta/value.h"

#define COUNT(array) (sizeof(array) / sizeof *(array))
#define BYTES(literal) ((npv_bytes){(const unsigned char *)(literal), sizeof(literal) - 1})

/* The steps, each between bars: |key| or #index. */
static void spell(const npv_path *path, char spelled[500]) {
    char *to = spelled;
    for (size_t i = 0; i < path->count; i++) {
        const npv_path_step *const step = &path->steps[i];
        if (step->key.data != NULL)
            to += sprintf(to, "|%.*s|", (int)step->key.size, (const char *)step->key.data);
        else
            to += sprintf(to, "#%zu", step->index);
    }
}

static void test_paths_are_steps(void **state) {
    (void)state;
    static const struct {
        const char *text, *steps;
    } cases[] = {
        {"year", "|year|"},
        {"author.name", "|author||name|"},
        {"tags[0]", "|tags|#0"},
        {"\"key with spaces\".\"and.dots\"", "|key with spaces||and.dots|"},
        {"author.\"family name\"[2].x", "|author||family name|#2|x|"},
        {"[3][007].a", "#3#7|a|"},
        {"2nd.$ref.@id.a-b.-x", NULL},
        {"2nd.$ref.@id.a-b._", "|2nd||$ref||@id||a-b||_|"},
        {"\"say \"\"hi\"\"\"", "|say \"hi\"|"},
        {"\"\"", "||"},
        {"\"\"\"\".\"\"", "|\"|||"},
        {"\xc3\xa9t\xc3\xa9", "|\xc3\xa9t\xc3\xa9|"},
        {"\"[0]\"[0]", "|[0]|#0"},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        npv_path path;
        const npv_status status = npv_path_parse(cases[i].text, &path, NULL);
        assert_int_equal(status, cases[i].steps != NULL ? NPV_OK : NPV_E_ARGUMENT);
        if (status != NPV_OK)
            continue;
        char spelled[500];
        spell(&path, spelled);
        assert_string_equal(spelled, cases[i].steps);
        npv_path_free(&path);
    }
}

static void test_mistakes_in_paths_are_shown_where_they_are(void **state) {
    (void)state;
    static const struct {
        const char *text;
        size_t position;
        const char *message;
    } cases[] = {
        {"", 0, "expected the name of a field, found the end of the text"},
        {".a", 0, "expected the name of a field, found '.'"},
        {"a.", 2, "expected the name of a field, found the end of the text"},
        {"a..b", 2, "expected the name of a field, found '.'"},
        {"a.[0]", 2, "expected the name of a field, found '['"},
        {"a[", 2, "expected the number of an element, counted from 0, found the end of the text"},
        {"a[-1]", 2, "expected the number of an element, counted from 0, found '-'"},
        {"a[1", 3, "expected ] behind the number of an element, found the end of the text"},
        {"a[1 ]", 3, "expected ] behind the number of an element, found ' '"},
        {"a[99999999999999999999999]", 2, "no array has that many elements"},
        {"a.\"b", 2, "the name that begins here has no \" at its end"},
        {"a.\"b\"\"", 2, "the name that begins here has no \" at its end"},
        {"a b", 1, "expected the end of the field's name (other names stand in \"), found ' '"},
        {"a[0]b", 4, "expected the end of the field's name (other names stand in \"), found 'b'"},
        {"a\n", 1, "expected the end of the field's name (other names stand in \"), found '?'"},
        {"\"a\"b", 3, "expected the end of the field's name (other names stand in \"), found 'b'"},
        {"\xff", 0, "the name of a field is not UTF-8"},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        npv_path path;
        npv_error error;
        assert_int_equal(npv_path_parse(cases[i].text, &path, &error), NPV_E_ARGUMENT);
        assert_string_equal(error.message, cases[i].message);
        assert_int_equal(error.position, cases[i].position);
    }
}

static void test_paths_have_a_limited_number_of_steps(void **state) {
    (void)state;
    char text[2 * NPV_MAX_PATH_STEPS + 2] = "a";
    for (size_t i = 1; i < NPV_MAX_PATH_STEPS; i++)
        strcat(text, ".a");
    npv_path path;
    npv_error error;
    assert_int_equal(npv_path_parse(text, &path, NULL), NPV_OK);
    assert_int_equal(path.count, NPV_MAX_PATH_STEPS);
    npv_path_free(&path);
    strcat(text, ".a");
    assert_int_equal(npv_path_parse(text, &path, &error), NPV_E_LIMIT);
    assert_int_equal(error.position, 2 * NPV_MAX_PATH_STEPS);
    assert_string_equal(error.message, "a path has at most 32 steps");
}

static void test_a_path_is_taken_off_a_longer_text(void **state) {
    (void)state;
    npv_bytes text = BYTES("author.\"a b\"[1]>= 5 AND x");
    npv_path path;
    assert_int_equal(npv_path_take(&text, &path, NULL), NPV_OK);
    assert_int_equal(text.size, strlen(">= 5 AND x"));
    assert_memory_equal(text.data, ">= 5 AND x", text.size);
    char spelled[500];
    spell(&path, spelled);
    assert_string_equal(spelled, "|author||a b|#1");
    npv_path_free(&path);

    text = BYTES("a.= 1");
    const npv_bytes before = text;
    assert_int_equal(npv_path_take(&text, &path, NULL), NPV_E_ARGUMENT);
    assert_ptr_equal(text.data, before.data);
    assert_int_equal(text.size, before.size);
}

/* In memory of just that size, so that the sanitizer sees a read beyond it. */
static bool take_and_write_back(const char *from, size_t size) {
    unsigned char *const exact = malloc(size + (size == 0));
    memcpy(exact, from, size);
    npv_bytes rest = {exact, size};
    npv_path path, copy, again;
    const bool taken = npv_path_take(&rest, &path, NULL) == NPV_OK;
    if (taken) {
        assert_int_equal(npv_path_copy(&path, &copy, NULL), NPV_OK);
        npv_buffer text = {NULL, 0, 0};
        assert_int_equal(npv_path_write(&path, &text, NULL), NPV_OK);
        npv_path_free(&path);
        assert_int_equal(npv_buffer_append(&text, "", 1, NULL), NPV_OK);
        assert_int_equal(npv_path_parse((const char *)text.data, &again, NULL), NPV_OK);
        assert_true(npv_path_equal(&copy, &again));
        free(text.data);
        npv_path_free(&copy);
        npv_path_free(&again);
    }
    free(exact);
    return taken;
}

static void test_any_text_is_refused_or_a_path_that_can_be_written(void **state) {
    (void)state;
    static const char alphabet[] = "ab-..[[]]00\"\"\"\" \xc3\xa9";
    uint32_t random = 1;
    size_t taken = 0;
    for (int i = 0; i < 30000; i++) {
        char text[12];
        const size_t size = (size_t)i % sizeof text;
        for (size_t j = 0; j < size; j++) {
            random = random * 1664525 + 1013904223;
            text[j] = alphabet[(random >> 16) % (sizeof alphabet - 1)];
        }
        taken += take_and_write_back(text, size);
    }
    assert_true(taken > 1000);
}

static void test_paths_are_equal_if_all_steps_are(void **state) {
    (void)state;
    static const char *const texts[] = {"a",       "b",   "a.b",  "a[0]",      "a[1]",
                                        "a.\"0\"", "[0]", "\"\"", "a.\"b.c\"", "a.b.c"};
    for (size_t i = 0; i < COUNT(texts); i++)
        for (size_t j = 0; j < COUNT(texts); j++) {
            npv_path a, b;
            assert_int_equal(npv_path_parse(texts[i], &a, NULL), NPV_OK);
            assert_int_equal(npv_path_parse(texts[j], &b, NULL), NPV_OK);
            assert_int_equal(npv_path_equal(&a, &b), i == j);
            npv_path_free(&a);
            npv_path_free(&b);
        }
}

static void assert_leads_to(const char *text, npv_bytes document, const char *expected) {
    npv_path path;
    assert_int_equal(npv_path_parse(text, &path, NULL), NPV_OK);
    const npv_bytes found = npv_path_find(&path, document);
    npv_path_free(&path);
    if (expected == NULL) {
        assert_int_equal(found.size, 0);
        return;
    }
    assert_true(found.size > 0);
    npv_buffer json = {NULL, 0, 0};
    assert_int_equal(npv_fragment_to_json(found, &json, NULL), NPV_OK);
    assert_int_equal(npv_buffer_append(&json, "", 1, NULL), NPV_OK);
    assert_string_equal((const char *)json.data, expected);
    free(json.data);
}

static void test_paths_lead_to_values_of_documents(void **state) {
    (void)state;
    static const struct {
        const char *document, *path, *value;
    } cases[] = {
        {"{\"a\": 1, \"b\": 2}", "b", "2"},
        {"{\"a\": 1, \"b\": 2}", "c", NULL},
        {"{\"a\": {\"b\": 7, \"c\": [1]}, \"b\": 2}", "a.b", "7"},
        {"{\"a\": {\"b\": 7, \"c\": [1]}, \"b\": 2}", "a", "{\"b\": 7, \"c\": [1]}"},
        {"{\"x\": {\"a\": 1}, \"y\": [\"a\", 1]}", "a", NULL}, /* neither in what is stepped over */
        {"{\"x\": \"a\", \"a\": \"x\"}", "a", "\"x\""},        /* nor among the values */
        {"{\"a\": null}", "a", "null"},
        {"{\"a\": null}", "a.b", NULL},
        {"{\"a\": 5}", "a[0]", NULL},
        {"{\"a\": \"text\"}", "a[0]", NULL},
        {"{\"a\": [10, [20, 30], {\"b\": 40}]}", "a[0]", "10"},
        {"{\"a\": [10, [20, 30], {\"b\": 40}]}", "a[1][1]", "30"},
        {"{\"a\": [10, [20, 30], {\"b\": 40}]}", "a[2].b", "40"},
        {"{\"a\": [10, [20, 30], {\"b\": 40}]}", "a[3]", NULL},
        {"{\"a\": []}", "a[0]", NULL},
        {"{\"a\": [1]}", "a.\"0\"", NULL},
        {"{\"0\": 1}", "[0]", NULL},
        {"{\"0\": 1}", "0", "1"},
        {"{\"a b\": {\"c.d\": 1}, \"a\": 2}", "\"a b\".\"c.d\"", "1"},
        {"{\"\": 3}", "\"\"", "3"},
        {"{}", "a", NULL},
        {"[{\"a\": 1}]", "[0].a", "1"},
        {"[{\"a\": 1}]", "a", NULL},
        {"5", "a", NULL},
        {"null", "a", NULL},
        {"{\"ab\": 1, \"a\": 2}", "a", "2"},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        npv_buffer document = {NULL, 0, 0};
        assert_int_equal(npv_json_to_fragment(cases[i].document, &document, NULL), NPV_OK);
        assert_leads_to(cases[i].path, (npv_bytes){document.data, document.size}, cases[i].value);
        free(document.data);
    }
    assert_leads_to("a", (npv_bytes){NULL, 0}, NULL);
}

static void test_paths_lead_through_what_only_python_has(void **state) {
    (void)state;
    npv_buffer document = {NULL, 0, 0};
    npv_value_begin(&document, NPV_VALUE_DICT, NULL);
    npv_value_write_int(&document, 1, NULL); /* keys that are no text are stepped over */
    npv_value_write_str(&document, BYTES("one"), NULL);
    npv_value_write_bytes(&document, BYTES("t"), NULL);
    npv_value_write_none(&document, NULL);
    npv_value_write_numpy(&document, "<U2", BYTES("t\0\0\0\xe9\0\0\0"), NULL);
    npv_value_begin(&document, NPV_VALUE_TUPLE, NULL);
    npv_value_write_float(&document, 0.5, NULL);
    npv_value_write_numpy(&document, "<i2", BYTES("\x07\0"), NULL);
    npv_value_end(&document, NPV_VALUE_TUPLE, NULL);
    assert_int_equal(npv_value_end(&document, NPV_VALUE_DICT, NULL), NPV_OK);
    const npv_bytes fragment = {document.data, document.size};
    assert_leads_to("1", fragment, NULL);
    assert_leads_to("t", fragment, NULL);
    assert_leads_to("t\xc3\xa9[1]", fragment, "7");
    assert_leads_to("t\xc3\xa9", fragment, "[0.5, 7]");
    free(document.data);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_paths_are_steps),
        cmocka_unit_test(test_mistakes_in_paths_are_shown_where_they_are),
        cmocka_unit_test(test_paths_have_a_limited_number_of_steps),
        cmocka_unit_test(test_a_path_is_taken_off_a_longer_text),
        cmocka_unit_test(test_any_text_is_refused_or_a_path_that_can_be_written),
        cmocka_unit_test(test_paths_are_equal_if_all_steps_are),
        cmocka_unit_test(test_paths_lead_to_values_of_documents),
        cmocka_unit_test(test_paths_lead_through_what_only_python_has),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
