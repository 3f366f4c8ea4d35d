/*
 * Filters over documents: what evaluation finds against an evaluator (terms.c) that is written from the meaning of
 * filters alone, goes through the JSON values row by row, and knows three values.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

#include "failing_malloc.h"
#include "filter/evaluate.h"
#include "meta/json.h"
#include "terms.h"

#define MOST_ROWS 700
#define WORDS (MOST_ROWS / 64 + 1)

static uint64_t random_state = 1;

static uint64_t random_bits(void) {
    random_state += 0x9E3779B97F4A7C15;
    uint64_t z = random_state;
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9;
    z = (z ^ z >> 27) * 0x94D049BB133111EB;
    return z ^ z >> 31;
}

static size_t random_below(size_t end) {
    return (size_t)(random_bits() % end);
}

static bool one_in(size_t n) {
    return random_below(n) == 0;
}

/* ---------------------------------------------------------------------------------------------------- The tables -- */

/* Documents, as the library has them and as they are. */
typedef struct table {
    npv_documents documents;
    json_t *json; /* array; null: a row without a document */
    npv_column *column[TERM_FIELDS];
} table;

static npv_column_source source_of(const table *t) {
    return (npv_column_source){.documents = &t->documents};
}

static void table_begin(table *t) {
    *t = (table){.documents = NPV_DOCUMENTS_EMPTY, .json = json_array()};
    for (size_t i = 0; i < TERM_FIELDS; i++) {
        npv_path path;
        assert_int_equal(npv_path_parse(term_fields[i].path, &path, NULL), NPV_OK);
        assert_int_equal(npv_column_new(&path, &t->column[i], NULL), NPV_OK);
        npv_path_free(&path);
    }
}

static void table_end(table *t) {
    for (size_t i = 0; i < TERM_FIELDS; i++)
        npv_column_free(t->column[i]);
    npv_documents_free(&t->documents);
    json_decref(t->json);
    term_free_all();
}

/* Takes the value. */
static void table_add(table *t, json_t *document) {
    npv_buffer fragment = {0};
    if (!json_is_null(document)) {
        char *const text = json_dumps(document, JSON_ENCODE_ANY | JSON_REAL_PRECISION(17));
        assert_int_equal(npv_json_to_fragment(text, &fragment, NULL), NPV_OK);
        free(text);
    }
    assert_int_equal(npv_documents_append(&t->documents, (npv_bytes){fragment.data, fragment.size}, NULL), NPV_OK);
    free(fragment.data);
    assert_int_equal(json_array_append_new(t->json, document), 0);
}

/* A document as text, with ' for ". */
static void table_add_text(table *t, const char *text) {
    char *const json = strdup(text);
    for (char *c = json; *c != '\0'; c++)
        *c = *c == '\'' ? '"' : *c;
    json_t *const document = json_loads(json, JSON_DECODE_ANY, NULL);
    assert_non_null(document);
    table_add(t, document);
    free(json);
}

/* Brings the columns up to date. */
static void table_look(table *t) {
    const npv_column_source source = source_of(t);
    for (size_t i = 0; i < TERM_FIELDS; i++)
        assert_int_equal(npv_column_extend(t->column[i], &source, json_array_size(t->json), NULL), NPV_OK);
}

/* The calling thread and no other; made by main. */
static npv_workers *alone;

static npv_status evaluate(const table *t, const npv_filter_node *root, size_t rows, uint64_t *bits, npv_error *error) {
    const npv_filter filter = {.root = (npv_filter_node *)root};
    const npv_column *const *columns = (const npv_column *const *)t->column;
    return npv_filter_evaluate(&filter, npv_kernels_chosen(), alone, columns, rows, bits, error);
}

/* The library finds the rows that the evaluator finds, of the first `rows`; returns how many. */
static size_t check(const table *t, const term *filter, size_t rows) {
    uint64_t *const bits = malloc((rows + 63) / 64 * sizeof *bits); /* no more, for sanitizers */
    size_t found = 0;
    assert_true(rows == 0 || bits != NULL);
    assert_int_equal(evaluate(t, term_node(filter), rows, bits, NULL), NPV_OK);
    for (size_t row = 0; row < (rows + 63) / 64 * 64; row++) {
        const json_t *document = json_array_get(t->json, row);
        const bool expected = row < rows && term_passes(filter, document);
        const bool is_set = (bits[row / 64] >> row % 64 & 1) != 0;
        if (is_set != expected) {
            char *const text = json_dumps(document, JSON_ENCODE_ANY);
            fail_msg("row %zu of %zu: %d, expected %d: %s", row, rows, is_set, expected, text);
        }
        found += expected;
    }
    free(bits);
    return found;
}

/* ----------------------------------------------------------------------------------------------- Anything at all -- */

static const char *const texts[] = {"",
                                    "a",
                                    "A",
                                    "b",
                                    "ab",
                                    "aB",
                                    "aab",
                                    "aaab",
                                    "abab",
                                    "abc",
                                    "abd",
                                    "ac",
                                    "100%",
                                    "a_b",
                                    "x'y",
                                    "\"q\"",
                                    "true",
                                    "1",
                                    "\\",
                                    "\xc3\xa4",
                                    "\303\244b",
                                    "\xe6\x97\xa5\xe6\x9c\xac",
                                    "\xf0\x9f\xa6\x80",
                                    "2024-05-17",
                                    "\xef\xbf\xbf"};
static const json_int_t integers[] = {0,
                                      1,
                                      -1,
                                      2,
                                      3,
                                      7,
                                      (json_int_t)1 << 53,
                                      ((json_int_t)1 << 53) + 1,
                                      -((json_int_t)1 << 53) - 1,
                                      INT64_MAX,
                                      INT64_MAX - 1,
                                      INT64_MIN};
static const double reals[] = {0.0,    -0.0,       0.5,    1.0,     1.5,   -1.0,   2.0,
                               0x1p53, 0x1p53 + 2, 0x1p63, -0x1p63, 1e300, -1e300, 5e-324};

#define ANY_OF(list) ((list)[random_below(sizeof(list) / sizeof *(list))])

/* May be of a text that no row has. */
static json_t *random_scalar(void) {
    char text[32];
    switch (random_below(8)) {
    case 0:
        return json_boolean(one_in(2));
    case 1:
    case 2:
        return one_in(4) ? json_integer((json_int_t)random_below(200)) : json_integer(ANY_OF(integers));
    case 3:
        return json_real(ANY_OF(reals));
    case 4:
        snprintf(text, sizeof text, "%s%zu", ANY_OF(texts), random_below(40));
        return json_string(text);
    default:
        return json_string(ANY_OF(texts));
    }
}

static json_t *random_value(size_t depth) {
    const size_t kind = random_below(10);
    if (kind == 0)
        return json_null();
    if (kind == 1 && depth > 0) {
        json_t *const array = json_array();
        for (size_t i = random_below(4); i > 0; i--)
            json_array_append_new(array, random_value(depth - 1));
        return array;
    }
    if (kind == 2 && depth > 0) {
        json_t *const object = json_object();
        json_object_set_new(object, "x", random_value(depth - 1));
        return object;
    }
    return random_scalar();
}

static void maybe_set(json_t *object, const char *key, json_t *value) {
    if (one_in(6))
        json_decref(value);
    else
        json_object_set_new(object, key, value);
}

static json_t *random_document(void) {
    if (one_in(30))
        return one_in(2) ? json_null() : random_value(1);
    json_t *const document = json_object();
    maybe_set(document, "a", random_value(2));
    maybe_set(document, "b", one_in(3) ? random_value(1) : json_integer((json_int_t)random_below(10)));
    maybe_set(document, "c", one_in(3) ? random_value(1) : json_string(ANY_OF(texts)));
    if (one_in(10)) {
        json_object_set_new(document, "n", random_value(1));
    } else {
        json_t *const inner = json_object();
        json_t *const innermost = json_object();
        maybe_set(innermost, "z", random_value(1));
        maybe_set(inner, "x", random_value(0));
        maybe_set(inner, "y", innermost);
        maybe_set(document, "n", inner);
    }
    json_t *const list = json_array();
    for (size_t i = random_below(4); i > 0; i--)
        json_array_append_new(list, one_in(4) ? json_pack("{s:o}", "k", random_value(0)) : random_value(1));
    maybe_set(document, "list", list);
    maybe_set(document, "k e y", json_pack("{s:o}", "d.o\"t", random_value(0)));
    maybe_set(document, "\xd0\xba\xd0\xbb\xd1\x8e\xd1\x87", random_value(0));
    return document;
}

static json_t *random_pattern(void) {
    static const char *const pieces[] = {"%", "%", "_", "a", "A", "b", "B", "\\%", "\\_", "\\\\", "\xc3\xa4", "1", "0"};
    static const char *const common[] = {"a%", "%b%", "%ab", "%aab%", "\xc3\xa4%"};
    char pattern[64] = "";
    for (size_t i = random_below(5); i > 0; i--)
        strcat(pattern, ANY_OF(pieces));
    if (one_in(3))
        strcpy(pattern, ANY_OF(common));
    return json_string(pattern);
}

static term *new_term(npv_filter_kind kind) {
    term *const made = term_memory(sizeof *made);
    made->kind = kind;
    made->field = random_below(TERM_FIELDS);
    return made;
}

static term *random_term(json_t *values, size_t depth) {
    static const npv_filter_kind conditions[] = {
        NPV_FILTER_EQUAL, NPV_FILTER_LESS,     NPV_FILTER_LESS_OR_EQUAL, NPV_FILTER_IN,
        NPV_FILTER_LIKE,  NPV_FILTER_CONTAINS, NPV_FILTER_IS_NULL,       NPV_FILTER_EXISTS,
    };
    static const npv_filter_kind inner[] = {NPV_FILTER_AND, NPV_FILTER_OR, NPV_FILTER_NOT};
    if (depth > 0 && !one_in(3)) {
        term *const made = new_term(ANY_OF(inner));
        made->child_count = made->kind == NPV_FILTER_NOT ? 1 : random_below(4);
        for (size_t i = 0; i < made->child_count; i++)
            made->children[i] = random_term(values, depth - 1);
        return made;
    }
    term *const made = new_term(ANY_OF(conditions));
    made->ignore_case = made->kind == NPV_FILTER_LIKE && one_in(3);
    made->values = json_array();
    json_array_append_new(values, made->values);
    if (made->kind == NPV_FILTER_LIKE) {
        json_array_append_new(made->values, random_pattern());
        return made;
    }
    const size_t count = made->kind != NPV_FILTER_IN ? 1 : one_in(10) ? 1 + random_below(300) : 1 + random_below(6);
    const bool one_class = one_in(2);
    for (size_t i = 0; i < count; i++)
        json_array_append_new(made->values, one_class ? json_integer((json_int_t)random_below(300)) : random_scalar());
    if (made->kind == NPV_FILTER_IN && one_in(6))
        json_array_append_new(made->values, json_null());
    return made;
}

static void check_random(const table *t, size_t filters, size_t *matches) {
    for (size_t i = 0; i < filters; i++) {
        json_t *const values = json_array();
        const size_t rows = one_in(4) ? random_below(json_array_size(t->json) + 1) : json_array_size(t->json);
        *matches += check(t, random_term(values, random_below(4)), rows);
        term_free_all();
        json_decref(values);
    }
}

/* Replaces a row's document, in the documents and in the columns. */
static void replace_row(table *t, size_t row) {
    table other;
    table_begin(&other);
    for (size_t i = 0; i < json_array_size(t->json); i++)
        table_add(&other, i == row ? random_document() : json_deep_copy(json_array_get(t->json, i)));
    npv_documents_free(&t->documents);
    t->documents = other.documents;
    other.documents = (npv_documents)NPV_DOCUMENTS_EMPTY;
    json_t *const before = t->json;
    t->json = other.json;
    other.json = before;
    table_end(&other);
    const npv_column_source source = source_of(t);
    for (size_t i = 0; i < TERM_FIELDS; i++)
        assert_int_equal(npv_column_update(t->column[i], &source, row, NULL), NPV_OK);
}

static void random_filters_find_what_the_evaluator_finds(void **state) {
    (void)state;
    size_t matches = 0;
    size_t tails = 0;
    for (size_t round = 0; round < 30; round++) {
        table t;
        table_begin(&t);
        for (size_t step = 0; step < 6; step++) {
            size_t more = step == 0 ? random_below(500) : one_in(2) ? 1 : random_below(30);
            while (more-- > 0)
                table_add(&t, random_document());
            table_look(&t);
            if (json_array_size(t.json) > 0)
                replace_row(&t, random_below(json_array_size(t.json)));
            for (size_t i = 0; i < TERM_FIELDS; i++)
                tails += npv_column_look(t.column[i]).tail_count > 0;
            check_random(&t, 40, &matches);
        }
        table_end(&t);
    }
    assert_true(matches > 10000);
    assert_true(tails > 100);
}

/* ------------------------------------------------------------------------------------------------- Cases by name -- */

/* Field "a" of one row for each of the texts, with ' for ". */
static table table_of(const char *const *values, size_t count) {
    table t;
    char text[256];
    table_begin(&t);
    for (size_t i = 0; i < count; i++) {
        snprintf(text, sizeof text, values[i] == NULL ? "{}" : "{'a': %s}", values[i]);
        table_add_text(&t, text);
    }
    table_look(&t);
    return t;
}

#define TABLE_OF(...) \
    table_of((const char *const[]){__VA_ARGS__}, sizeof((const char *[]){__VA_ARGS__}) / sizeof(char *))

static term *condition(npv_filter_kind kind, json_t *values) {
    term *const made = new_term(kind);
    made->field = 0;
    made->values = values;
    return made;
}

static term *combined(npv_filter_kind kind, term *first, term *second) {
    term *const made = new_term(kind);
    made->child_count = second != NULL ? 2 : first != NULL ? 1 : 0;
    made->children[0] = first;
    made->children[1] = second;
    return made;
}

static term * not(term * of) {
    return combined(NPV_FILTER_NOT, of, NULL);
}

/* The rows for which it is true as "1", and the others as "0". */
static void assert_rows(const table *t, term *filter, const char *expected) {
    uint64_t bits[WORDS];
    char found[MOST_ROWS + 1] = "";
    const size_t rows = json_array_size(t->json);
    assert_int_equal(evaluate(t, term_node(filter), rows, bits, NULL), NPV_OK);
    for (size_t row = 0; row < rows; row++)
        found[row] = bits[row / 64] >> row % 64 & 1 ? '1' : '0';
    assert_string_equal(found, expected);
    check(t, filter, rows);
}

/* For which rows the condition is true, and for which it is false. */
static void assert_true_and_false(const table *t, npv_filter_kind kind, const char *values, const char *is_true,
                                  const char *is_false) {
    json_t *const list = json_loads(values, 0, NULL);
    assert_non_null(list);
    assert_rows(t, condition(kind, list), is_true);
    assert_rows(t, not(condition(kind, list)), is_false);
    assert_rows(t, not(not(condition(kind, list))), is_true);
    json_decref(list);
}

static void comparisons_are_of_values_of_one_class(void **state) {
    (void)state;
    table t = TABLE_OF("1", "2.5", "'1'", "true", "null", NULL, "[1]", "{'x': 1}", "false", "'2'");
    assert_true_and_false(&t, NPV_FILTER_EQUAL, "[1]", "1000000000", "0100000000");
    assert_true_and_false(&t, NPV_FILTER_EQUAL, "[3]", "0000000000", "1100000000");
    assert_true_and_false(&t, NPV_FILTER_LESS, "[2]", "1000000000", "0100000000");
    assert_true_and_false(&t, NPV_FILTER_LESS_OR_EQUAL, "[2.5]", "1100000000", "0000000000");
    assert_true_and_false(&t, NPV_FILTER_EQUAL, "[\"1\"]", "0010000000", "0000000001");
    assert_true_and_false(&t, NPV_FILTER_LESS, "[\"2\"]", "0010000000", "0000000001");
    assert_true_and_false(&t, NPV_FILTER_LESS, "[true]", "0000000010", "0001000000");
    assert_true_and_false(&t, NPV_FILTER_IS_NULL, "[]", "0000110000", "1111001111");
    assert_true_and_false(&t, NPV_FILTER_EXISTS, "[]", "1111101111", "0000010000");
    table_end(&t);
}

static void integers_are_exact_beside_doubles(void **state) {
    (void)state;
    table t = TABLE_OF("9007199254740992", "9007199254740993", "9007199254740992.0", "9223372036854775807",
                       "9223372036854775808.0", "-9223372036854775808", "-9223372036854775808.0", "1e300");
    assert_true_and_false(&t, NPV_FILTER_EQUAL, "[9007199254740993]", "01000000", "10111111");
    assert_true_and_false(&t, NPV_FILTER_EQUAL, "[9007199254740992.0]", "10100000", "01011111");
    assert_true_and_false(&t, NPV_FILTER_LESS, "[9223372036854775808.0]", "11110110", "00001001");
    assert_true_and_false(&t, NPV_FILTER_LESS_OR_EQUAL, "[9223372036854775807]", "11110110", "00001001");
    assert_true_and_false(&t, NPV_FILTER_EQUAL, "[-9223372036854775808]", "00000110", "11111001");
    table_end(&t);
}

static void integers_above_int64_are_numbers_too(void **state) {
    (void)state;
    table t = TABLE_OF("9223372036854775807", "9223372036854775808.0", "18446744073709551616.0", "-1", "1e300", "'a'");
    npv_entry value = {.class = NPV_CLASS_NUMBER, .number = NPV_VALUE_UINT, .natural = (uint64_t)1 << 63};
    npv_filter_node less = {.kind = NPV_FILTER_LESS, .values = &value, .value_count = 1};
    npv_filter_node equal = {.kind = NPV_FILTER_EQUAL, .values = &value, .value_count = 1};
    npv_filter_node differs = {.kind = NPV_FILTER_NOT, .children = (npv_filter_node *[]){&equal}, .child_count = 1};
    uint64_t bits[WORDS];
    assert_int_equal(evaluate(&t, &equal, 6, bits, NULL), NPV_OK);
    assert_int_equal(bits[0], 1 << 1);
    assert_int_equal(evaluate(&t, &less, 6, bits, NULL), NPV_OK);
    assert_int_equal(bits[0], 1 << 0 | 1 << 3);
    value.natural = UINT64_MAX;
    assert_int_equal(evaluate(&t, &less, 6, bits, NULL), NPV_OK);
    assert_int_equal(bits[0], 1 << 0 | 1 << 1 | 1 << 3);
    assert_int_equal(evaluate(&t, &differs, 6, bits, NULL), NPV_OK);
    assert_int_equal(bits[0], 1 << 0 | 1 << 1 | 1 << 2 | 1 << 3 | 1 << 4);
    table_end(&t);
}

static void zeros_are_equal_whatever_their_sign(void **state) {
    (void)state;
    table t = TABLE_OF("0", "-0.0", "0.0", "-5e-324", "false");
    assert_true_and_false(&t, NPV_FILTER_EQUAL, "[-0.0]", "11100", "00010");
    assert_true_and_false(&t, NPV_FILTER_LESS, "[0]", "00010", "11100");
    assert_true_and_false(&t, NPV_FILTER_IN, "[-0.0, 7]", "11100", "00010");
    table_end(&t);
}

static void in_is_equalities_with_or_between(void **state) {
    (void)state;
    table t = TABLE_OF("1", "2", "'1'", "true", "null", NULL, "[1]", "3.0");
    assert_true_and_false(&t, NPV_FILTER_IN, "[1, 3]", "10000001", "01000000");
    assert_true_and_false(&t, NPV_FILTER_IN, "[1, \"1\"]", "10100000", "00000000");
    assert_true_and_false(&t, NPV_FILTER_IN, "[1, null]", "10000000", "00000000");
    assert_true_and_false(&t, NPV_FILTER_IN, "[null]", "00000000", "00000000");
    assert_true_and_false(&t, NPV_FILTER_IN, "[\"9\"]", "00000000", "00100000");
    assert_true_and_false(&t, NPV_FILTER_IN, "[4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 3]", "00000001", "11000000");
    table_end(&t);
}

static void contains_is_of_arrays_and_of_texts(void **state) {
    (void)state;
    table t = TABLE_OF("[]", "[1, 'rag']", "'drag'", "['drag']", "5", "[[1]]", "[1.0, null]", "''", "null", NULL);
    assert_true_and_false(&t, NPV_FILTER_CONTAINS, "[\"rag\"]", "0110000000", "1001011100");
    assert_true_and_false(&t, NPV_FILTER_CONTAINS, "[1]", "0100001000", "1001010000");
    assert_true_and_false(&t, NPV_FILTER_CONTAINS, "[\"\"]", "0010000100", "1101011000");
    assert_true_and_false(&t, NPV_FILTER_CONTAINS, "[true]", "0000000000", "1101011000");
    table_end(&t);
    t = TABLE_OF("'aab'", "'aaab'", "'aa'", "'ab'", "'aba'", "'\xc3\xa4\xc3\xa4'");
    assert_true_and_false(&t, NPV_FILTER_CONTAINS, "[\"aab\"]", "110000", "001111");
    assert_true_and_false(&t, NPV_FILTER_CONTAINS, "[\"ab\"]", "110110", "001001");
    assert_true_and_false(&t, NPV_FILTER_CONTAINS, "[\"\xc3\xa4\"]", "000001", "111110");
    table_end(&t);
}

static void like_is_of_texts(void **state) {
    (void)state;
    table t =
        TABLE_OF("'ab'", "'abc'", "'Abc'", "'ac'", "''", "'\xc3\xa4'", "1", "['ab']", "null", NULL, "'a%'", "'b'");
    assert_true_and_false(&t, NPV_FILTER_LIKE, "[\"ab%\"]", "110000000000", "001111000011");
    assert_true_and_false(&t, NPV_FILTER_LIKE, "[\"%\"]", "111111000011", "000000000000");
    assert_true_and_false(&t, NPV_FILTER_LIKE, "[\"\"]", "000010000000", "111101000011");
    assert_true_and_false(&t, NPV_FILTER_LIKE, "[\"a\\\\%\"]", "000000000010", "111111000001");
    assert_true_and_false(&t, NPV_FILTER_LIKE, "[\"a\\\\%%\"]", "000000000010", "111111000001");
    assert_true_and_false(&t, NPV_FILTER_LIKE, "[\"%c\"]", "011100000000", "100011000011");
    assert_true_and_false(&t, NPV_FILTER_LIKE, "[\"%b%\"]", "111000000001", "000111000010");
    assert_true_and_false(&t, NPV_FILTER_LIKE, "[\"a%c%\"]", "010100000000", "101011000011");
    assert_true_and_false(&t, NPV_FILTER_LIKE, "[\"_\"]", "000001000001", "111110000010");
    assert_true_and_false(&t, NPV_FILTER_LIKE, "[\"_%\"]", "111101000011", "000010000000");
    assert_true_and_false(&t, NPV_FILTER_LIKE, "[\"\xc3\xa4%\"]", "000001000000", "111110000011");
    json_t *const values = json_pack("[s]", "AB%");
    term *const ignoring = condition(NPV_FILTER_LIKE, values);
    ignoring->ignore_case = true;
    assert_rows(&t, ignoring, "111000000000");
    json_decref(values);
    table_end(&t);
}

static void and_of_nothing_is_true_and_or_of_nothing_false(void **state) {
    (void)state;
    table t = TABLE_OF("1", NULL, "null");
    assert_rows(&t, combined(NPV_FILTER_AND, NULL, NULL), "111");
    assert_rows(&t, combined(NPV_FILTER_OR, NULL, NULL), "000");
    assert_rows(&t, not(combined(NPV_FILTER_AND, NULL, NULL)), "000");
    assert_rows(&t, not(combined(NPV_FILTER_OR, NULL, NULL)), "111");
    table_end(&t);
}

static void null_or_true_is_true_and_null_and_true_is_not(void **state) {
    (void)state;
    table t = TABLE_OF("1", "2", NULL);
    json_t *const one = json_pack("[i]", 1);
    term *const is_one = condition(NPV_FILTER_EQUAL, one);
    term *const is_null = condition(NPV_FILTER_IS_NULL, NULL);
    assert_rows(&t, combined(NPV_FILTER_OR, is_one, is_null), "101");
    assert_rows(&t, combined(NPV_FILTER_AND, is_one, not(is_null)), "100");
    assert_rows(&t, not(combined(NPV_FILTER_OR, is_one, is_null)), "010");
    assert_rows(&t, not(combined(NPV_FILTER_AND, is_one, is_null)), "110");
    assert_rows(&t, not(combined(NPV_FILTER_AND, is_one, not(is_null))), "011");
    table_end(&t);
    json_decref(one);
}

static void rows_end_anywhere_in_a_word(void **state) {
    (void)state;
    table t;
    table_begin(&t);
    for (size_t i = 0; i < 200; i++)
        table_add(&t, json_pack("{s:i}", "a", (int)(i % 3)));
    table_look(&t);
    json_t *const one = json_pack("[i]", 1);
    for (size_t rows = 0; rows <= 200; rows++) {
        assert_int_equal(check(&t, condition(NPV_FILTER_EQUAL, one), rows), (rows + 1) / 3);
        assert_int_equal(check(&t, condition(NPV_FILTER_IN, one), rows), (rows + 1) / 3);
        assert_int_equal(check(&t, combined(NPV_FILTER_AND, NULL, NULL), rows), rows);
    }
    json_decref(one);
    table_end(&t);
}

/* New values come behind those in order: few rows at a time, so that they are not sorted in. */
static void values_of_the_tail_are_found(void **state) {
    (void)state;
    table t;
    table_begin(&t);
    for (size_t i = 0; i < 300; i++)
        table_add(&t, json_pack("{s:i}", "a", (int)(i % 100 * 10)));
    table_look(&t);
    table_add_text(&t, "{'a': 5}");
    table_add_text(&t, "{'a': 'text'}");
    table_add_text(&t, "{'a': ['text', 5]}");
    table_look(&t);
    assert_true(npv_column_look(t.column[0]).tail_count > 0);
    static const npv_filter_kind kinds[] = {NPV_FILTER_EQUAL, NPV_FILTER_LESS, NPV_FILTER_LESS_OR_EQUAL, NPV_FILTER_IN,
                                            NPV_FILTER_CONTAINS};
    json_t *const values = json_pack("[[i], [i], [s], [f], [s]]", 5, 6, "text", 5.0, "te");
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        for (size_t j = 0; j < json_array_size(values); j++) {
            const term *one = condition(kinds[i], json_array_get(values, j));
            check(&t, one, 303);
            check(&t, not(condition(kinds[i], json_array_get(values, j))), 301);
        }
    assert_int_equal(check(&t, condition(NPV_FILTER_EQUAL, json_array_get(values, 0)), 303), 1);
    assert_int_equal(check(&t, condition(NPV_FILTER_LESS, json_array_get(values, 1)), 303), 4);
    assert_int_equal(check(&t, not(condition(NPV_FILTER_EQUAL, json_array_get(values, 0))), 303), 300);
    assert_int_equal(check(&t, not(condition(NPV_FILTER_IS_NULL, NULL)), 303), 303);
    json_decref(values);
    table_end(&t);
}

static void a_list_may_be_longer_than_the_column(void **state) {
    (void)state;
    enum { LISTED = 100000 };
    table t;
    table_begin(&t);
    for (size_t i = 0; i < 500; i++)
        table_add(&t, json_pack("{s:i}", "a", (int)i * 1000));
    table_look(&t);
    npv_filter_node in = {.kind = NPV_FILTER_IN, .value_count = LISTED};
    npv_filter_node negated = {.kind = NPV_FILTER_NOT, .child_count = 1, .children = (npv_filter_node *[]){&in}};
    in.values = calloc(LISTED, sizeof *in.values);
    assert_non_null(in.values);
    for (size_t i = 0; i < LISTED; i++)
        in.values[i] = (npv_entry){.class = NPV_CLASS_NUMBER, .number = NPV_VALUE_INT, .integer = (int64_t)i * 2};
    uint64_t bits[WORDS];
    for (int round = 0; round < 2; round++) {
        assert_int_equal(evaluate(&t, round == 0 ? &in : &negated, 500, bits, NULL), NPV_OK);
        for (size_t row = 0; row < 500; row++)
            assert_int_equal(bits[row / 64] >> row % 64 & 1, (row < 200) == (round == 0));
    }
    free(in.values);
    table_end(&t);
}

static void trees_may_be_as_deep_as_they_are_allowed_to_be(void **state) {
    (void)state;
    table t = TABLE_OF("1", "2", NULL);
    json_t *const one = json_pack("[i]", 1);
    term *filter = condition(NPV_FILTER_EQUAL, one);
    for (int i = 0; i < NPV_MAX_FILTER_TREE / 3; i++)
        filter = combined(NPV_FILTER_AND, combined(NPV_FILTER_OR, not(filter), condition(NPV_FILTER_EQUAL, one)),
                          combined(NPV_FILTER_AND, NULL, NULL));
    for (int i = 0; i < 3; i++, filter = not(filter))
        check(&t, filter, 3);
    json_decref(one);
    table_end(&t);
}

/* -------------------------------------------------------------------------------------------------------- Memory -- */

#ifdef FAILING_MALLOC
static void every_failing_allocation_is_an_error(void **state) {
    (void)state;
    table t;
    table_begin(&t);
    for (int i = 0; i < 80; i++)
        table_add(&t, json_pack("{s:i}", "a", i % 5));
    table_look(&t);
    table_add_text(&t, "{'a': 'x'}");
    table_look(&t);
    assert_true(npv_column_look(t.column[0]).tail_count > 0);
    json_t *const one = json_pack("[i]", 1);
    json_t *const text = json_pack("[s]", "%x");
    term *const both = combined(NPV_FILTER_AND, not(condition(NPV_FILTER_LESS, one)), condition(NPV_FILTER_IN, one));
    term *const filter = combined(NPV_FILTER_OR, both, condition(NPV_FILTER_LIKE, text));
    const npv_filter_node *root = term_node(filter);
    long failed = 0;
    for (long n = 0;; n++) {
        npv_error error = {0};
        uint64_t bits[WORDS];
        const long before = alive;
        until_failure = n;
        const npv_status status = evaluate(&t, root, 81, bits, &error);
        const bool reached = until_failure < 0;
        until_failure = -1;
        assert_int_equal(alive, before);
        if (!reached) {
            assert_int_equal(status, NPV_OK);
            break;
        }
        assert_int_equal(status, NPV_E_MEMORY);
        assert_non_null(strstr(error.message, "out of memory"));
        failed++;
    }
    assert_true(failed >= 5);
    assert_int_equal(check(&t, filter, 81), 17);
    json_decref(one);
    json_decref(text);
    table_end(&t);
}
#else
static void every_failing_allocation_is_an_error(void **state) {
    (void)state;
    skip();
}
#endif

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_filters_find_what_the_evaluator_finds),
        cmocka_unit_test(comparisons_are_of_values_of_one_class),
        cmocka_unit_test(integers_are_exact_beside_doubles),
        cmocka_unit_test(integers_above_int64_are_numbers_too),
        cmocka_unit_test(zeros_are_equal_whatever_their_sign),
        cmocka_unit_test(in_is_equalities_with_or_between),
        cmocka_unit_test(contains_is_of_arrays_and_of_texts),
        cmocka_unit_test(like_is_of_texts),
        cmocka_unit_test(and_of_nothing_is_true_and_or_of_nothing_false),
        cmocka_unit_test(null_or_true_is_true_and_null_and_true_is_not),
        cmocka_unit_test(rows_end_anywhere_in_a_word),
        cmocka_unit_test(values_of_the_tail_are_found),
        cmocka_unit_test(a_list_may_be_longer_than_the_column),
        cmocka_unit_test(trees_may_be_as_deep_as_they_are_allowed_to_be),
        cmocka_unit_test(every_failing_allocation_is_an_error),
    };
    alone = npv_workers_new(1);
    const int failed = cmocka_run_group_tests(tests, NULL, NULL);
    npv_workers_free(alone);
    return failed;
}
