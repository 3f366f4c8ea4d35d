/* Filters that are long, deep, hostile or short of memory: bounded time and space, and an error at worst. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "failing_malloc.h"
#include "filter/filter.h"
#include "filter_tree.h"

#define COUNT(array) (sizeof(array) / sizeof *(array))

static void put(npv_buffer *out, const char *text) {
    assert_int_equal(npv_buffer_append(out, text, strlen(text), NULL), NPV_OK);
}

/* NPV_E_LIMIT. */
static void assert_fails(const char *text, const char *parameters, size_t position, const char *message) {
    npv_filter *filter = NULL;
    npv_error error = {0};
    assert_int_equal(npv_filter_new(text, parameters, &filter, &error), NPV_E_LIMIT);
    assert_string_equal(error.message, message);
    assert_int_equal(error.position, position);
    assert_null(filter);
}

/* -------------------------------------------------------------------------------------------------------- Limits -- */

/* `before` many times, then `middle`, then `after` as many times. */
static char *repeat(const char *before, const char *middle, const char *after, size_t times) {
    const size_t size = times * (strlen(before) + strlen(after)) + strlen(middle) + 1;
    char *const text = malloc(size), *at = text;
    assert_non_null(text);
    for (size_t i = 0; i < times; i++)
        at = (char *)memcpy(at, before, strlen(before)) + strlen(before);
    at = (char *)memcpy(at, middle, strlen(middle)) + strlen(middle);
    for (size_t i = 0; i < times; i++)
        at = (char *)memcpy(at, after, strlen(after)) + strlen(after);
    *at = '\0';
    return text;
}

static void test_conditions_may_be_nested_128_deep(void **state) {
    (void)state;
    static const struct {
        const char *before, *middle, *after;
        size_t most, position;
        const char *message;
    } nests[] = {
        {"(", "a = 1", ")", 128, 128, "expected conditions at most 128 deep in NOT and parentheses, found more"},
        {"NOT ", "a = 1", "", 128, 512, "expected conditions at most 128 deep in NOT and parentheses, found more"},
        {"NOT(", "a != 1", ")", 64, 256, "expected conditions at most 128 deep in NOT and parentheses, found more"},
        {"(b = 1 OR c = 2 AND NOT (", "a NOT BETWEEN 1 AND 2", "))", 42, 0, NULL},
        {"{\"$nor\": [{}, ", "{}", "]}", 127, 127 * 14 + 10, "expected objects at most 128 deep, found more"},
        {"{\"b\": 1, \"$nor\": [{}, ", "{\"a\": {\"$not\": {\"$ne\": 1}}}", "]}", 125, 0, NULL},
        {"{\"$not\":", "{}", "}", 127, 127 * 8 + 8, "expected objects at most 128 deep, found more"},
    };
    for (size_t i = 0; i < COUNT(nests); i++) {
        npv_error error = {0};
        char *text = repeat(nests[i].before, nests[i].middle, nests[i].after, nests[i].most);
        char *const tree = filter_tree(text, NULL, &error); /* asserts that it is no deeper than it may be */
        if (tree == NULL)
            fail_msg("%s: %s", text, error.message);
        free(tree);
        free(text);
        text = repeat(nests[i].before, nests[i].middle, nests[i].after, nests[i].most + 1);
        if (nests[i].message != NULL)
            assert_fails(text, NULL, nests[i].position, nests[i].message);
        else
            assert_int_equal(npv_filter_new(text, NULL, (npv_filter *[]){NULL}, NULL), NPV_E_LIMIT);
        free(text);
        text = repeat(nests[i].before, nests[i].middle, nests[i].after, 300000);
        assert_int_equal(npv_filter_new(text, NULL, (npv_filter *[]){NULL}, NULL), NPV_E_LIMIT);
        free(text);
    }
    char *const brackets = repeat("{\"a\":{\"$in\":[", "", "", 100000);
    assert_int_equal(npv_filter_new(brackets, NULL, (npv_filter *[]){NULL}, NULL), NPV_E_ARGUMENT);
    free(brackets);
}

static void test_conditions_side_by_side_are_not_nested(void **state) {
    (void)state;
    char *const text = repeat("(a = 1) AND NOT a = 2 OR NOT (a = 3) AND ", "a = 4", "", 300);
    char *const json = repeat("{\"$or\": [{\"$not\": {\"a\": {\"$not\": {\"$gt\": 1}}}}, ", "{}", "]}", 1);
    char *const tree = filter_tree(text, NULL, NULL), *const other = filter_tree(json, NULL, NULL);
    assert_non_null(tree);
    assert_non_null(other);
    free(other);
    free(tree);
    free(json);
    free(text);
}

static void test_filters_and_parameters_may_have_16_mib(void **state) {
    (void)state;
    char *const text = repeat(" ", "a = ?", "", NPV_MAX_FILTER_BYTES - 5);
    char *const longer = repeat(" ", "a = ?", "", NPV_MAX_FILTER_BYTES - 4);
    char *const parameters = repeat(" ", "[1]", "", NPV_MAX_FILTER_BYTES - 3);
    char *const more = repeat(" ", "[1]", "", NPV_MAX_FILTER_BYTES - 2);
    char *const tree = filter_tree(text, parameters, NULL);
    assert_string_equal(tree, "(= a 1)");
    free(tree);
    assert_fails(longer, parameters, NPV_MAX_FILTER_BYTES, "expected at most 16777216 bytes of filter, found 16777217");
    assert_fails(text, more, NPV_MAX_FILTER_BYTES,
                 "parameters: expected at most 16777216 bytes of parameters, found 16777217");
    free(text);
    free(longer);
    free(parameters);
    free(more);
}

/* a0 = 0 OR a1 = 0 OR ..., each field as often as said. */
static char *many_fields(size_t fields, size_t mentions) {
    char *const text = malloc(mentions * 16 + 1);
    size_t size = 0;
    assert_non_null(text);
    for (size_t i = 0; i < mentions; i++)
        size += (size_t)sprintf(text + size, "%sa%zu = 0", i == 0 ? "" : " OR ", i * 7919 % fields);
    return text;
}

static void test_a_filter_names_at_most_1024_fields_however_often(void **state) {
    (void)state;
    char *text = many_fields(NPV_MAX_FILTER_PATHS, 200000);
    npv_filter *filter = NULL;
    assert_int_equal(npv_filter_new(text, NULL, &filter, NULL), NPV_OK);
    assert_int_equal(filter->path_count, NPV_MAX_FILTER_PATHS);
    assert_int_equal(filter->root->child_count, 200000);
    for (size_t i = 0; i < filter->root->child_count; i++) {
        char expected[16];
        const npv_bytes key = filter->paths[filter->root->children[i]->path].steps[0].key;
        snprintf(expected, sizeof expected, "a%zu", i * 7919 % NPV_MAX_FILTER_PATHS);
        assert_int_equal(key.size, strlen(expected));
        assert_memory_equal(key.data, expected, key.size);
    }
    npv_filter_free(filter);
    free(text);
    text = many_fields(NPV_MAX_FILTER_PATHS + 1, NPV_MAX_FILTER_PATHS + 1);
    npv_error error;
    assert_int_equal(npv_filter_new(text, NULL, &filter, &error), NPV_E_LIMIT);
    assert_string_equal(error.message, "expected at most 1024 different fields, found more");
    assert_int_equal(error.position, (size_t)(strrchr(text, 'a') - text));
    free(text);
}

static void test_paths_that_differ_are_different_fields(void **state) {
    (void)state;
    static const char text[] =
        "a=1 AND a.a=1 AND a[0]=1 AND a[1]=1 AND \"a.a\"=1 AND b=1 AND ab=1 AND a.b=1 AND A=1 AND "
        "\"a[0]\"=1 AND \"\"=1 AND \"0\"=1 AND [0]=1 AND a.\"0\"=1 AND [0].a=1 AND "
        "\"a\"=1 AND \"a\".\"a\"=1 AND a[00]=1";
    npv_filter *filter = NULL;
    assert_int_equal(npv_filter_new(text, NULL, &filter, NULL), NPV_OK);
    assert_int_equal(filter->path_count, 15);
    for (size_t i = 0; i < 15; i++)
        for (size_t j = 0; j < i; j++)
            assert_false(npv_path_equal(&filter->paths[i], &filter->paths[j]));
    assert_int_equal(filter->root->children[15]->path, 0);
    assert_int_equal(filter->root->children[16]->path, 1);
    assert_int_equal(filter->root->children[17]->path, 2);
    npv_filter_free(filter);
}

/* ----------------------------------------------------------------------------------------------------- Long ones -- */

static void test_lists_of_100000_values_are_sorted_and_unique(void **state) {
    (void)state;
    enum { VALUES = 300000, DIFFERENT = 100003 };
    npv_buffer text = {NULL, 0, 0}, parameters = {NULL, 0, 0};
    put(&text, "a IN (0");
    put(&parameters, "[[0");
    for (size_t i = 1; i < VALUES; i++) {
        char value[32];
        snprintf(value, sizeof value, ",%s%zu%s", "", i * 7919 % DIFFERENT, i % 3 == 0 ? ".0" : "");
        put(&text, value);
        put(&parameters, value);
    }
    npv_buffer_append(&text, ")", 2, NULL);
    npv_buffer_append(&parameters, "]]", 3, NULL);
    for (int i = 0; i < 2; i++) {
        npv_filter *filter = NULL;
        const npv_status status = i == 0 ? npv_filter_new((char *)text.data, NULL, &filter, NULL)
                                         : npv_filter_new("a IN ?", (char *)parameters.data, &filter, NULL);
        assert_int_equal(status, NPV_OK);
        assert_int_equal(filter->root->value_count, DIFFERENT);
        for (size_t j = 0; j < DIFFERENT; j++) {
            const npv_entry *const value = &filter->root->values[j];
            assert_true((value->number == NPV_VALUE_FLOAT ? value->real : (double)value->integer) == (double)j);
        }
        npv_filter_free(filter);
    }
    free(text.data);
    free(parameters.data);
}

static void assert_flat(const char *before, const char *middle, npv_filter_kind kind, size_t count) {
    char *const text = repeat(before, middle, "", count - 1);
    npv_filter *filter = NULL;
    assert_int_equal(npv_filter_new(text, NULL, &filter, NULL), NPV_OK);
    assert_int_equal(filter->root->kind, kind);
    assert_int_equal(filter->root->child_count, count);
    for (size_t i = 0; i < count; i++)
        assert_int_equal(filter->root->children[i]->kind, NPV_FILTER_EQUAL);
    npv_filter_free(filter);
    free(text);
}

static void test_chains_of_conditions_make_flat_trees(void **state) {
    (void)state;
    assert_flat("a = 1 AND ", "b = 'x'", NPV_FILTER_AND, 200000);
    assert_flat("a = 1 OR ", "b = 'x'", NPV_FILTER_OR, 200000);
    char *const json = repeat("{\"a\": 1},", "{\"a\": 1}]}", "", 199999);
    npv_buffer whole = {NULL, 0, 0};
    put(&whole, "{\"$or\": [");
    npv_buffer_append(&whole, json, strlen(json) + 1, NULL);
    assert_flat("", (char *)whole.data, NPV_FILTER_OR, 200000);
    free(whole.data);
    free(json);
}

/* ------------------------------------------------------------------------------------------------- Hostile input -- */

/* Whatever the text is: a filter that can be walked, or an error with a place in the text and one line. */
static void feed(const char *text, const char *parameters) {
    npv_error error = {.position = 12345678};
    char *const tree = filter_tree(text, parameters, &error);
    if (tree == NULL) {
        const bool in_parameters = strncmp(error.message, "parameters: ", 12) == 0;
        assert_true(error.position <= strlen(in_parameters ? parameters : text));
        assert_true(error.code == NPV_E_ARGUMENT || error.code == NPV_E_LIMIT);
        assert_in_range(strlen(error.message), 10, sizeof error.message - 2);
        for (const char *c = error.message; *c != '\0'; c++)
            assert_true((unsigned char)*c >= ' ');
    }
    free(tree);
}

static const char *const WHOLE[][2] = {
    {"year >= 2023 AND (citations > ? OR tags NOT CONTAINS 'r''ag') AND \"a \"\"b\".name[12] LIKE 'A%!' ESCAPE '!'",
     "[1]"},
    {"NOT EXISTS(a.b) OR -1.5e+300 <> x AND x IS NOT NULL AND x NOT IN (1, 'two', ?, NULL, 18446744073709551615)",
     "[\"\\ud83d\\ude00\\n\"]"},
    {"a BETWEEN ? AND 'z' AND b IN ? OR c ILIKE '%\xc3\xa9_'", "[false, [1, 2.5, \"x\", null, true]]"},
    {"{\"year\": {\"$gte\": 2023, \"$not\": {\"$in\": [1, \"a\\u00e9\", null]}}, \"$or\": [{\"a.b\": null}, {\"$nor\": "
     "[{}]}]}",
     "[]"},
    {"{\"x\": {\"$like\": [\"a!%\", \"!\"], \"$between\": [-1e5, 2]}, \"\\\"a b\\\"[3]\": {\"$exists\": true, "
     "\"$null\": false}}",
     NULL},
};

static void test_every_beginning_of_a_filter_is_a_filter_or_an_error(void **state) {
    (void)state;
    for (size_t i = 0; i < COUNT(WHOLE); i++) {
        for (size_t j = 0; j < 2 && WHOLE[i][j] != NULL; j++) {
            const size_t size = strlen(WHOLE[i][j]);
            for (size_t cut = 0; cut <= size; cut++) {
                char *const part = malloc(cut + 1); /* of its own, so that reading beyond shows */
                memcpy(part, WHOLE[i][j], cut);
                part[cut] = '\0';
                feed(j == 0 ? part : WHOLE[i][0], j == 1 ? part : WHOLE[i][1]);
                free(part);
            }
        }
    }
}

static uint32_t next_random(uint64_t *random) {
    *random = *random * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(*random >> 33);
}

static void test_changed_filters_are_filters_or_errors(void **state) {
    (void)state;
    static const char bytes[] = "'\"\\?()[]{},:.$%_!=<>-+e019aANDORnotIN \t\x01\x7f\x80\xc3\xa9\xff";
    uint64_t random = 3;
    for (int i = 0; i < 60000; i++) {
        char texts[2][256] = {"", ""};
        const size_t which = next_random(&random) % COUNT(WHOLE), changed = next_random(&random) % 4 == 0;
        strcpy(texts[0], WHOLE[which][0]);
        strcpy(texts[1], WHOLE[which][1] == NULL ? "[]" : WHOLE[which][1]);
        for (uint32_t j = next_random(&random) % 4; j < 4; j++) {
            char *const text = texts[changed];
            const size_t size = strlen(text), at = next_random(&random) % (size + 1),
                         from = next_random(&random) % (size + 1);
            if (j == 3 && at < size)
                text[at] = bytes[next_random(&random) % (sizeof bytes - 1)];
            else if (j == 2 && at < size)
                memmove(text + at, text + at + 1, size - at);
            else
                memmove(text + at, text + from, (at > from ? size - at : size - from) > 20 ? 5 : 0);
        }
        feed(texts[0], texts[1]);
    }
}

static void test_random_bytes_are_errors_or_filters(void **state) {
    (void)state;
    static const char *const words[] = {"a",       "\"b\"",   "'c'",      "1",    "-2.5", "?",   "(",  ")",    ",",
                                        "=",       "<>",      ">=",       "AND",  "OR",   "NOT", "IN", "LIKE", "IS",
                                        "NULL",    "EXISTS",  "BETWEEN",  "true", "{",    "}",   "[",  "]",    ":",
                                        "\"$in\"", "\"$or\"", "\"$not\"", ".",    "\\",   "'",   "\""};
    uint64_t random = 11;
    for (int i = 0; i < 60000; i++) {
        char text[256] = "";
        for (uint32_t j = next_random(&random) % 12; j > 0; j--) {
            strcat(text, words[next_random(&random) % COUNT(words)]);
            strcat(text, next_random(&random) % 2 == 0 ? " " : "");
        }
        feed(text, "[1, [2], \"x\"]");
        for (size_t j = 0; j < 40; j++)
            text[j] = (char)(next_random(&random) % 255 + 1);
        text[40] = '\0';
        feed(text, text);
        text[0] = '{';
        feed(text, NULL);
    }
}

static void test_every_failing_allocation_is_an_error(void **state) {
    (void)state;
#ifdef FAILING_MALLOC
    char *const text = many_fields(40, 200);
    for (size_t i = 0; i <= COUNT(WHOLE); i++) {
        const char *const whole = i < COUNT(WHOLE) ? WHOLE[i][0] : text;
        for (long n = 0;; n++) {
            npv_error error = {0};
            npv_filter *filter = NULL;
            const long before = alive;
            until_failure = n;
            const npv_status status = npv_filter_new(whole, i < COUNT(WHOLE) ? WHOLE[i][1] : NULL, &filter, &error);
            const bool reached = until_failure < 0;
            until_failure = -1;
            if (status == NPV_OK)
                npv_filter_free(filter);
            assert_int_equal(alive, before);
            if (!reached)
                break;
            assert_true(status == NPV_OK || status == NPV_E_MEMORY); /* qsort does without memory */
            assert_true(status == NPV_OK || error.position == NPV_NO_POSITION);
            assert_true(n < 10000);
        }
    }
    free(text);
#else
    skip();
#endif
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_conditions_may_be_nested_128_deep),
        cmocka_unit_test(test_conditions_side_by_side_are_not_nested),
        cmocka_unit_test(test_filters_and_parameters_may_have_16_mib),
        cmocka_unit_test(test_a_filter_names_at_most_1024_fields_however_often),
        cmocka_unit_test(test_paths_that_differ_are_different_fields),
        cmocka_unit_test(test_lists_of_100000_values_are_sorted_and_unique),
        cmocka_unit_test(test_chains_of_conditions_make_flat_trees),
        cmocka_unit_test(test_every_beginning_of_a_filter_is_a_filter_or_an_error),
        cmocka_unit_test(test_changed_filters_are_filters_or_errors),
        cmocka_unit_test(test_random_bytes_are_errors_or_filters),
        cmocka_unit_test(test_every_failing_allocation_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
