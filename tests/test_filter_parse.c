/* Filters: both dialects become the trees they should, and mistakes have a place and a message. */
#include <locale.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "filter/filter.h"
#include "filter_tree.h"

#define COUNT(array) (sizeof(array) / sizeof *(array))

static void assert_tree_with(const char *text, const char *parameters, const char *expected) {
    npv_error error = {0};
    char *const tree = filter_tree(text, parameters, &error);
    if (tree == NULL)
        fail_msg("%s: %s (at %zu)", text, error.message, error.position);
    if (strcmp(tree, expected) != 0)
        fail_msg("%s\nexpected %s\nfound    %s", text, expected, tree);
    free(tree);
}

static void assert_tree(const char *text, const char *expected) {
    assert_tree_with(text, NULL, expected);
}

/* ------------------------------------------------------------------------------------------------- Both dialects -- */

static void test_both_dialects_make_the_same_trees(void **state) {
    (void)state;
    static const struct {
        const char *text, *json, *tree;
    } filters[] = {
        {"year = 2023", "{\"year\": 2023}", "(= year 2023)"},
        {"year == 2023", "{\"year\": {\"$eq\": 2023}}", "(= year 2023)"},
        {"year != 2023", "{\"year\": {\"$ne\": 2023}}", "(not (= year 2023))"},
        {"year <> 2023", "{\"year\": {\"$not\": {\"$eq\": 2023}}}", "(not (= year 2023))"},
        {"year < 2023", "{\"year\": {\"$lt\": 2023}}", "(< year 2023)"},
        {"year <= 2023", "{\"year\": {\"$lte\": 2023}}", "(<= year 2023)"},
        {"year > 2023", "{\"year\": {\"$gt\": 2023}}", "(not (<= year 2023))"},
        {"year >= 2023", "{\"year\": {\"$gte\": 2023}}", "(not (< year 2023))"},
        {"year BETWEEN 1 AND 2.5", "{\"year\": {\"$between\": [1, 2.5]}}", "(and (not (< year 1)) (<= year 2.5))"},
        {"year >= 1 AND year <= 2", "{\"year\": {\"$gte\": 1, \"$lte\": 2}}", "(and (not (< year 1)) (<= year 2))"},
        {"NOT year BETWEEN 1 AND 2", "{\"year\": {\"$not\": {\"$gte\": 1, \"$lte\": 2}}}",
         "(not (and (not (< year 1)) (<= year 2)))"},
        {"a IN (3, 1, 2, 1.0, 3)", "{\"a\": {\"$in\": [3, 1, 2, 1.0, 3]}}", "(in a 1 2 3)"},
        {"a IN ('b', 2, true, 'a', 1, false)", "{\"a\": {\"$in\": [\"b\", 2, true, \"a\", 1, false]}}",
         "(in a false true 1 2 'a' 'b')"},
        {"a NOT IN (1)", "{\"a\": {\"$nin\": [1]}}", "(not (in a 1))"},
        {"a IN ()", "{\"a\": {\"$in\": []}}", "(or)"},
        {"a NOT IN ()", "{\"a\": {\"$nin\": []}}", "(not (or))"},
        {"a IN (1) OR a IS NULL", "{\"a\": {\"$in\": [null, 1]}}", "(or (in a 1) (null a))"},
        {"tags CONTAINS 'rag'", "{\"tags\": {\"$contains\": \"rag\"}}", "(contains tags 'rag')"},
        {"tags NOT CONTAINS 1", "{\"tags\": {\"$not_contains\": 1}}", "(not (contains tags 1))"},
        {"name LIKE 'A%'", "{\"name\": {\"$like\": \"A%\"}}", "(like name 'A<%>')"},
        {"name NOT LIKE '_b'", "{\"name\": {\"$not\": {\"$like\": \"_b\"}}}", "(not (like name '<_>b'))"},
        {"name ILIKE 'A%'", "{\"name\": {\"$ilike\": \"A%\"}}", "(like-any-case name 'a<%>')"},
        {"name LIKE '10!%%' ESCAPE '!'", "{\"name\": {\"$like\": [\"10!%%\", \"!\"]}}", "(like name '10%<%>')"},
        {"name NOT ILIKE 'Xxx' ESCAPE 'x'", "{\"name\": {\"$not\": {\"$ilike\": [\"Xxx\", \"x\"]}}}",
         "(not (like-any-case name 'xx'))"},
        {"a IS NULL", "{\"a\": null}", "(null a)"},
        {"a IS NULL", "{\"a\": {\"$eq\": null}}", "(null a)"},
        {"a IS NULL", "{\"a\": {\"$null\": true}}", "(null a)"},
        {"a IS NULL", "{\"a\": {\"$in\": [null]}}", "(null a)"},
        {"a IS NOT NULL", "{\"a\": {\"$ne\": null}}", "(not (null a))"},
        {"a IS NOT NULL", "{\"a\": {\"$null\": false}}", "(not (null a))"},
        {"EXISTS(a)", "{\"a\": {\"$exists\": true}}", "(exists a)"},
        {"NOT EXISTS ( a.b )", "{\"a.b\": {\"$exists\": false}}", "(not (exists a.b))"},
        {"active = true AND b = FALSE", "{\"active\": true, \"b\": false}", "(and (= active true) (= b false))"},
        {"a = 1 AND b = 2 AND c = 3", "{\"$and\": [{\"a\": 1}, {\"b\": 2}, {\"c\": 3}]}",
         "(and (= a 1) (= b 2) (= c 3))"},
        {"a = 1 OR b = 2 OR c = 3", "{\"$or\": [{\"a\": 1}, {\"b\": 2}, {\"c\": 3}]}", "(or (= a 1) (= b 2) (= c 3))"},
        {"NOT (a = 1 OR b = 2)", "{\"$nor\": [{\"a\": 1}, {\"b\": 2}]}", "(not (or (= a 1) (= b 2)))"},
        {"NOT a = 1", "{\"$not\": {\"a\": 1}}", "(not (= a 1))"},
        {"NOT a = 1", "{\"$nor\": [{\"a\": 1}]}", "(not (= a 1))"},
        {"NOT (a = 1 AND b = 2)", "{\"$not\": {\"a\": 1, \"b\": 2}}", "(not (and (= a 1) (= b 2)))"},
        {"a = 1 AND (b = 2 OR c = 3)", "{\"a\": 1, \"$or\": [{\"b\": 2}, {\"c\": 3}]}",
         "(and (= a 1) (or (= b 2) (= c 3)))"},
        {"a > 1 AND a < 1", "{\"a\": {\"$gt\": 1}, \"\\u0061\": {\"\\u0024lt\": 1}}", "(and (not (<= a 1)) (< a 1))"},
        {"author.name = 'Ada'", "{\"author.name\": \"Ada\"}", "(= author.name 'Ada')"},
        {"tags[0] = 'x'", "{\"tags[0]\": \"x\"}", "(= tags[0] 'x')"},
        {"[1].a = 0", "{\"[1].a\": 0}", "(= [1].a 0)"},
        {"\"family name\".\"a.b\" = 1", "{\"\\\"family name\\\".\\\"a.b\\\"\": 1}", "(= \"family name\".\"a.b\" 1)"},
        {"\"\" = 1", "{\"\\\"\\\"\": 1}", "(= \"\" 1)"},
        {"\"say \"\"hi\"\"\" = ''", "{\"\\\"say \\\"\\\"hi\\\"\\\"\\\"\": \"\"}", "(= \"say \"\"hi\"\"\" '')"},
        {"\"$eq\" = 1 AND $x = 2", "{\"\\\"$eq\\\"\": 1, \"\\\"$x\\\"\": 2}", "(and (= $eq 1) (= $x 2))"},
        {"\"in\" = 1 AND a.in = 1 AND inn = 1", "{\"in\": 1, \"a.in\": 1, \"inn\": 1}",
         "(and (= in 1) (= a.in 1) (= inn 1))"},
        {"gr\xc3\xb6\xc3\x9f"
         "e-2 = 'it''s \xe2\x82\xac'",
         "{\"gr\\u00f6\\u00dfe-2\": \"it's \\u20ac\"}",
         "(= gr\xc3\xb6\xc3\x9f"
         "e-2 'it's \xe2\x82\xac')"},
        {"a = '\xf0\x9f\x98\x80 \xed\xa0\x80'", "{\"a\": \"\\ud83d\\uDE00 \\ud800\"}",
         "(= a '\xf0\x9f\x98\x80 \xed\xa0\x80')"},
        {"a = '\"\\/\n\t'", "{\"a\": \"\\\"\\\\\\/\\n\\t\"}", "(= a '\"\\/\n\t')"},
        {" \t\r\n a\n=\t1 ", " \t\r\n { \"a\"\t:\r\n1 } \n", "(= a 1)"},
    };
    for (size_t i = 0; i < COUNT(filters); i++) {
        assert_tree(filters[i].text, filters[i].tree);
        assert_tree(filters[i].json, filters[i].tree);
    }
}

static void test_what_only_one_dialect_spells(void **state) {
    (void)state;
    assert_tree("{}", "(and)");
    assert_tree("{\"$and\": []}", "(and)");
    assert_tree("{\"$or\": []}", "(or)");
    assert_tree("{\"$not\": {}}", "(not (and))");
    assert_tree("{\"$and\": [{}, {\"$or\": [{\"a\": 1}]}]}", "(and (and) (= a 1))");
    assert_tree("{\"a\": \"\\b\\f\\r\"}", "(= a '\b\f\r')");
    assert_tree("{\"a\": \"\\ud800\\ud801\\udc00\\udc01\\u0041\"}", "(= a '\xed\xa0\x80\xf0\x90\x90\x80\xed\xb0\x81"
                                                                    "A')");
    assert_tree("a IN (1, NULL, null)", "(in a 1 null)");
    assert_tree("a IN (NULL)", "(in a null)");
    assert_tree("2023 <= year", "(not (< year 2023))");
    assert_tree("2023 < year", "(not (<= year 2023))");
    assert_tree("2023 >= year", "(<= year 2023)");
    assert_tree("2023 > year", "(< year 2023)");
    assert_tree("'x' = a AND true <> a", "(and (= a 'x') (not (= a true)))");
    assert_tree("((a = 1))", "(= a 1)");
}

static void test_not_binds_tighter_than_and_which_binds_tighter_than_or(void **state) {
    (void)state;
    assert_tree("a=1 or b=2 and c=3", "(or (= a 1) (and (= b 2) (= c 3)))");
    assert_tree("a=1 and b=2 or c=3 and d=4", "(or (and (= a 1) (= b 2)) (and (= c 3) (= d 4)))");
    assert_tree("(a=1 or b=2) and c=3", "(and (or (= a 1) (= b 2)) (= c 3))");
    assert_tree("not a=1 and b=2", "(and (not (= a 1)) (= b 2))");
    assert_tree("not (a=1 and b=2)", "(not (and (= a 1) (= b 2)))");
    assert_tree("not not a=1", "(not (not (= a 1)))");
    assert_tree("a between 1 and 2 and b between 3 and 4 or c=5",
                "(or (and (and (not (< a 1)) (<= a 2)) (and (not (< b 3)) (<= b 4))) (= c 5))");
    assert_tree("not a not in (1)", "(not (not (in a 1)))");
    assert_tree("Not a Is Not Null", "(not (not (null a)))");
}

static void test_numbers_are_exact(void **state) {
    (void)state;
    static const char *const numbers[][2] = {
        {"0", "0"},
        {"-0", "0"},
        {"9007199254740993", "9007199254740993"},
        {"9223372036854775807", "9223372036854775807"},
        {"-9223372036854775808", "-9223372036854775808"},
        {"9223372036854775808", "9223372036854775808u"},
        {"18446744073709551615", "18446744073709551615u"},
        {"-0.0", "-0.0"},
        {"1e2", "100.0"},
        {"1E+2", "100.0"},
        {"1.5", "1.5"},
        {"0.1", "0.1"},
        {"100e-2", "1.0"},
        {"0.000001234", "1.234e-06"},
        {"18446744073709551616.0", "1.8446744073709552e+19"},
        {"1.7976931348623157e308", "1.7976931348623157e+308"},
        {"4.9e-324", "5e-324"},
        {"1e-400", "0.0"},
        {"0e999999999999", "0.0"},
        {"0.0000000000000000000000000000000000000000000000000000000000001e61", "1.0"},
        {"10000000000000000000000000000000000000000000000000000000000000.0e-61", "1.0"},
        {"0.1000000000000000055511151231257827021181583404541015625", "0.1"},
        /* exactly between 2^53 and 2^53 + 2, and a little above it */
        {"9007199254740993.0", "9007199254740992.0"},
        {"9007199254740993.00000000000000000000000000000000000000000000000000001", "9007199254740994.0"},
    };
    for (size_t i = 0; i < COUNT(numbers); i++) {
        char text[256], json[256], tree[256];
        snprintf(text, sizeof text, "a = %s", numbers[i][0]);
        snprintf(json, sizeof json, "{\"a\": %s}", numbers[i][0]);
        snprintf(tree, sizeof tree, "(= a %s)", numbers[i][1]);
        assert_tree(text, tree);
        assert_tree(json, tree);
    }
    assert_tree("a IN (+5, .5, 5., 007, +.5e1)", "(in a 0.5 5 7)");
}

/* A digit far behind the point decides: 2^53 + 1, `zeros` times 0, and then a 1 or not. */
static void test_the_last_of_many_digits_decides(void **state) {
    (void)state;
    static char text[4096];
    for (size_t zeros = 700; zeros < 900; zeros++) {
        memset(text, '0', sizeof text);
        memcpy(text, "a = 9007199254740993.", 21);
        memcpy(text + 21 + zeros, "1", 2);
        assert_tree(text, "(= a 9007199254740994.0)");
        text[21 + zeros] = '0';
        assert_tree(text, "(= a 9007199254740992.0)");
        memcpy(text, "a = 0.", 6);
        memset(text + 6, '0', 15);
        snprintf(text + 21 + zeros, 32, "9007199254740993e%zu", zeros + 15 + 16);
        assert_tree(text, "(= a 9007199254740992.0)");
    }
}

static void test_the_locale_makes_no_difference(void **state) {
    (void)state;
    static const char *const locales[] = {"de_DE.UTF-8", "fr_FR.UTF-8", "tr_TR.UTF-8"};
    for (size_t i = 0; i < COUNT(locales); i++) {
        if (setlocale(LC_ALL, locales[i]) == NULL)
            continue;
        assert_tree("a = 1.5 AND b ILIKE 'I%' AND c iLIKE 'x' OR d In (0.25)",
                    "(or (and (= a 1.5) (like-any-case b 'i<%>') (like-any-case c 'x')) (in d 0.25))");
    }
    setlocale(LC_ALL, "C");
}

static void test_parameters_take_the_places_of_question_marks(void **state) {
    (void)state;
    assert_tree_with(
        "a = ? AND b IN (?, 2, ?) AND c LIKE ? ESCAPE ? AND d BETWEEN ? AND ?",
        "[\"x\", 3, 1.5, \"!%%\", \"!\", true, 18446744073709551615]",
        "(and (= a 'x') (in b 1.5 2 3) (like c '%<%>') (and (not (< d true)) (<= d 18446744073709551615u)))");
    assert_tree_with("a IN ? AND b NOT IN ? AND c = ? AND d IN ?", " [ [2, 1, 2, null] , [] , \"\\u00e9\",[\"\"] ] ",
                     "(and (in a 1 2 null) (not (or)) (= c '\xc3\xa9') (in d ''))");
    assert_tree_with("? < a AND a CONTAINS ? AND b IN (?)", "[1, 2, null]",
                     "(and (not (<= a 1)) (contains a 2) (in b null))");
    assert_tree_with("a = '?' AND \"?\" = 1", "[]", "(and (= a '?') (= \"?\" 1))");
    assert_tree_with("{\"a\": \"?\"}", "[]", "(= a '?')");
}

static void test_fields_are_numbered_and_placed_as_they_are_named(void **state) {
    (void)state;
    npv_filter *filter;
    assert_int_equal(npv_filter_new("x = 1 AND (2 > \"y z\".w OR NOT x IN (1))", NULL, &filter, NULL), NPV_OK);
    assert_int_equal(filter->path_count, 2);
    const npv_filter_node *const either = filter->root->children[1];
    assert_int_equal(filter->positions[0], 0);
    assert_int_equal(filter->positions[1], 15);
    assert_int_equal(filter->root->children[0]->path, 0);
    assert_int_equal(either->children[0]->path, 1);
    assert_int_equal(either->children[1]->children[0]->path, 0);
    npv_filter_free(filter);
    assert_int_equal(npv_filter_new("{\"a\": {\"$lt\": 3}, \"b\": null}", NULL, &filter, NULL), NPV_OK);
    assert_int_equal(filter->positions[0], 1);
    assert_int_equal(filter->positions[1], 18);
    npv_filter_free(filter);
    npv_filter_free(NULL);
}

/* ------------------------------------------------------------------------------------------------------ Mistakes -- */

static void assert_fails(const char *text, const char *parameters, npv_status code, size_t position,
                         const char *message) {
    npv_filter *filter = (npv_filter *)(void *)&code; /* must be left alone */
    npv_error error = {0};
    const npv_status status = npv_filter_new(text, parameters, &filter, &error);
    if (status != code || error.code != code || error.position != position || strcmp(error.message, message) != 0)
        fail_msg("%.200s\nexpected %d at %zu: %s\nfound    %d at %zu: %s", text, (int)code, position, message,
                 (int)status, error.position, error.message);
    assert_ptr_equal(filter, &code);
    assert_int_equal(npv_filter_new(text, parameters, &filter, NULL), code);
}

static void test_mistakes_have_a_place_and_a_message(void **state) {
    (void)state;
    static const struct {
        const char *text, *parameters;
        size_t position; /* in `text`, or, where the message begins so, in `parameters` */
        const char *message;
    } mistakes[] = {
        {"year", NULL, 4,
         "expected = != < <= > >=, IN, BETWEEN, LIKE, ILIKE, CONTAINS, IS or NOT behind the field, found the end; if "
         "it is true or false, say year = true"},
        {"year AND x = 1", NULL, 5,
         "expected = != < <= > >=, IN, BETWEEN, LIKE, ILIKE, CONTAINS, IS or NOT behind the field, found AND; if it is "
         "true or false, say year = true"},
        {"(active)", NULL, 7,
         "expected = != < <= > >=, IN, BETWEEN, LIKE, ILIKE, CONTAINS, IS or NOT behind the field, found ); if it is "
         "true or false, say active = true"},
        {"NOT active", NULL, 10,
         "expected = != < <= > >=, IN, BETWEEN, LIKE, ILIKE, CONTAINS, IS or NOT behind the field, found the end; if "
         "it is true or false, say active = true"},
        {"a.b OR c = 1", NULL, 4,
         "expected = != < <= > >=, IN, BETWEEN, LIKE, ILIKE, CONTAINS, IS or NOT behind the field, found OR; if it is "
         "true or false, say a.b = true"},
        {"year = ", NULL, 7, "expected a value to compare with, found the end"},
        {"year = AND", NULL, 7, "expected a value to compare with, found AND"},
        {"year = NULL", NULL, 7,
         "expected a value that is not null, found NULL; nothing compares with NULL: say IS NULL or IS NOT NULL"},
        {"year != null", NULL, 8,
         "expected a value that is not null, found null; nothing compares with NULL: say IS NULL or IS NOT NULL"},
        {"NULL = year", NULL, 0,
         "expected a value that is not null, found NULL; nothing compares with NULL: say IS NULL or IS NOT NULL"},
        {"year < NULL", NULL, 7,
         "expected a value that is not null, found NULL; nothing compares with NULL: say IS NULL or IS NOT NULL"},
        {"year = Ada", NULL, 7,
         "expected a value to compare with, found Ada; fields are compared with values only, and text stands in "
         "quotes: 'text'"},
        {"year = \"Ada\"", NULL, 7,
         "expected a value to compare with, found \"Ada\"; double quotes are for names of fields: say 'text'"},
        {"year && x", NULL, 5,
         "expected = != < <= > >=, IN, BETWEEN, LIKE, ILIKE, CONTAINS, IS or NOT behind the field, found &&; say AND"},
        {"year = 1 && x = 2", NULL, 9, "expected AND, OR or the end, found &&; say AND"},
        {"year = 1 || x = 2", NULL, 9, "expected AND, OR or the end, found ||; say OR"},
        {"! year = 1", NULL, 0, "expected a condition, such as year >= 2023, found !; say NOT"},
        {"year ! = 1", NULL, 5,
         "expected = != < <= > >=, IN, BETWEEN, LIKE, ILIKE, CONTAINS, IS or NOT behind the field, found !; say NOT"},
        {"year = 1 year = 2", NULL, 9, "expected AND, OR or the end, found year"},
        {"(year = 1", NULL, 9, "expected AND, OR or ), found the end"},
        {"(year = 1))", NULL, 10, "expected AND, OR or the end, found )"},
        {"year = 'abc", NULL, 7, "expected ' at the end of the text that begins here, found the end"},
        {"\"year = 1", NULL, 0, "expected \" at the end of the name that begins here, found the end"},
        {"year = 2023-01-01", NULL, 7,
         "expected a decimal number, found 2023-01-01; text and dates stand in single quotes, names that begin with a "
         "digit in double quotes"},
        {"year = 0x10", NULL, 7,
         "expected a decimal number, found 0x10; text and dates stand in single quotes, names that begin with a digit "
         "in double quotes"},
        {"1st = 2", NULL, 0,
         "expected a decimal number, found 1st; text and dates stand in single quotes, names that begin with a digit "
         "in double quotes"},
        {"year = 18446744073709551616", NULL, 7,
         "expected an integer from -9223372036854775808 to 18446744073709551615, or a number with a point or an "
         "exponent, found 18446744073709551616"},
        {"year = -9223372036854775809", NULL, 7,
         "expected an integer from -9223372036854775808 to 18446744073709551615, or a number with a point or an "
         "exponent, found -9223372036854775809"},
        {"year = 1e309", NULL, 7, "expected a number below 1.8e308, found 1e309"},
        {"year IN 5", NULL, 8, "expected a list (1, 2) or ? behind IN, found 5"},
        {"year IN (1, 2", NULL, 13, "expected a comma or ) in the list, found the end"},
        {"year IN (1, ", NULL, 12, "expected a value in the list, found the end"},
        {"year IN (1 2)", NULL, 11, "expected a comma or ) in the list, found 2"},
        {"year IN (1,)", NULL, 11, "expected a value in the list, found )"},
        {"year IN (x)", NULL, 9,
         "expected a value in the list, found x; fields are compared with values only, and text stands in quotes: "
         "'text'"},
        {"year IN (NOT)", NULL, 9, "expected a value in the list, found NOT"},
        {"year NOT", NULL, 8, "expected IN, BETWEEN, LIKE, ILIKE or CONTAINS behind NOT, found the end"},
        {"year NOT = 5", NULL, 9, "expected IN, BETWEEN, LIKE, ILIKE or CONTAINS behind NOT, found ="},
        {"year NOT IS NULL", NULL, 9, "expected IN, BETWEEN, LIKE, ILIKE or CONTAINS behind NOT, found IS"},
        {"year BETWEEN 1", NULL, 14, "expected AND and the upper value of BETWEEN, found the end"},
        {"year BETWEEN 1 OR 2", NULL, 15, "expected AND and the upper value of BETWEEN, found OR"},
        {"year BETWEEN NULL AND 2", NULL, 13,
         "expected a value that is not null, found NULL; nothing compares with NULL: say IS NULL or IS NOT NULL"},
        {"year BETWEEN 1 AND NULL", NULL, 19,
         "expected a value that is not null, found NULL; nothing compares with NULL: say IS NULL or IS NOT NULL"},
        {"year LIKE", NULL, 9, "expected a pattern in quotes, found the end"},
        {"year LIKE 5", NULL, 10, "expected a pattern in quotes, found 5"},
        {"year LIKE NULL", NULL, 10, "expected a pattern in quotes, found NULL"},
        {"year LIKE x", NULL, 10,
         "expected a pattern in quotes, found x; fields are compared with values only, and text stands in quotes: "
         "'text'"},
        {"year LIKE 'a' ESCAPE 'ab'", NULL, 21, "expected one character in quotes behind ESCAPE, found 'ab'"},
        {"year LIKE 'a' ESCAPE ''", NULL, 21, "expected one character in quotes behind ESCAPE, found ''"},
        {"year LIKE 'a' ESCAPE 5", NULL, 21, "expected one character in quotes behind ESCAPE, found 5"},
        {"year LIKE 'a!' ESCAPE '!'", NULL, 10,
         "expected a character behind the last escape of the pattern, found 'a!'"},
        {"year CONTAINS", NULL, 13, "expected a value behind CONTAINS, found the end"},
        {"year CONTAINS NULL", NULL, 14,
         "expected a value that is not null, found NULL; nothing compares with NULL: say IS NULL or IS NOT NULL"},
        {"year IS", NULL, 7, "expected NULL or NOT NULL behind IS, found the end"},
        {"year IS 5", NULL, 8, "expected NULL or NOT NULL behind IS, found 5"},
        {"year IS NOT 5", NULL, 12, "expected NULL or NOT NULL behind IS, found 5"},
        {"EXISTS", NULL, 6, "expected ( and the name of a field behind EXISTS, found the end"},
        {"EXISTS year", NULL, 7, "expected ( and the name of a field behind EXISTS, found year"},
        {"EXISTS(5)", NULL, 7, "expected the name of a field in EXISTS(), found 5"},
        {"EXISTS(year", NULL, 11, "expected ) behind the field of EXISTS, found the end"},
        {"5", NULL, 1, "expected = != < <= > or >= and a field behind the value, found the end"},
        {"5 = 5", NULL, 4,
         "expected a field to compare the value with, found 5; its name stands bare or in double quotes"},
        {"5 = ", NULL, 4,
         "expected a field to compare the value with, found the end; its name stands bare or in double quotes"},
        {"5 < 'x'", NULL, 4,
         "expected a field to compare the value with, found 'x'; its name stands bare or in double quotes"},
        {"'year' = 5", NULL, 9,
         "expected a field to compare the value with, found 5; its name stands bare or in double quotes"},
        {"TRUE", NULL, 4, "expected = != < <= > or >= and a field behind the value, found the end"},
        {"AND a = 1", NULL, 0, "expected a condition, found AND; a field of that name stands in double quotes"},
        {"a = 1 AND", NULL, 9, "expected a condition, such as year >= 2023, found the end"},
        {"a = 1 OR", NULL, 8, "expected a condition, such as year >= 2023, found the end"},
        {"in = 5", NULL, 0, "expected a condition, found in; a field of that name stands in double quotes"},
        {"a. = 5", NULL, 2, "expected the name of a field, found ' '"},
        {"a[x] = 5", NULL, 2, "expected the number of an element, counted from 0, found 'x'"},
        {"a[1 = 5", NULL, 3, "expected ] behind the number of an element, found ' '"},
        {"a..b = 1", NULL, 2, "expected the name of a field, found '.'"},
        {"a; = 1", NULL, 1,
         "expected = != < <= > >=, IN, BETWEEN, LIKE, ILIKE, CONTAINS, IS or NOT behind the field, found ;"},
        {"a = ;", NULL, 4, "expected a value to compare with, found ;"},
        {"a = 1; b", NULL, 5, "expected AND, OR or the end, found ;"},
        {"a BETWEN 1 AND 2", NULL, 2,
         "expected = != < <= > >=, IN, BETWEEN, LIKE, ILIKE, CONTAINS, IS or NOT behind the field, found BETWEN"},
        {"a = ?", NULL, 4, "expected a parameter for this ?, found only 0 in all"},
        {"a = ?", "[]", 4, "expected a parameter for this ?, found only 0 in all"},
        {"a = ? AND b = ?", "[1]", 14, "expected a parameter for this ?, found only 1 in all"},
        {"a = ?", "[1, 2]", 4, "parameters: expected the end of the array, as the filter has 1 ?, found 2"},
        {"a = 1", "[1]", 1, "parameters: expected the end of the array, as the filter has 0 ?, found 1"},
        {"a = ?", "[null]", 1,
         "parameters: expected a value that is not null, found null; nothing compares with NULL: say IS NULL or IS NOT "
         "NULL"},
        {"a = ?", "[[1]]", 1,
         "parameters: expected a string, a number, true, false or null, found [; a list is for IN ?, without "
         "parentheses"},
        {"a = ?", "[{}]", 1, "parameters: expected a string, a number, true, false or null, found {"},
        {"a = ?", "1", 0, "parameters: expected a JSON array of values for the ?, found 1"},
        {"a = ?", "[1] x", 4, "parameters: expected the end, found x"},
        {"a = ?", "[1,]", 3, "parameters: expected a value behind the comma, found ]"},
        {"a = ?", "[1 2]", 3, "parameters: expected a comma or ], found 2"},
        {"a = ?", "[nan]", 1, "parameters: expected a string, a number, true, false or null, found nan"},
        {"a = ?", "[1e999]", 1, "parameters: expected a number below 1.8e308, found 1e999"},
        {"a = ?", "[01]", 1, "parameters: expected a string, a number, true, false or null, found 01"},
        {"a = ?", "[\"\\x\"]", 2,
         "parameters: expected one of \\\" \\\\ \\/ \\b \\f \\n \\r \\t \\u0000 in a string, found another \\"},
        {"a = ?", "[\"a", 1, "parameters: expected \" at the end of the string that begins here, found the end"},
        {"a = ?", "", 0, "parameters: expected a JSON array of values for the ?, found the end"},
        {"a IN ?", "[1]", 1, "parameters: expected an array for IN ?, found 1"},
        {"a IN ?", "[[1, [2]]]", 5, "parameters: expected a string, a number, true, false or null, found ["},
        {"a IN ?", "[[1, 2", 6, "parameters: expected a comma or ], found the end"},
        {"a IN ?", "[[1, 2,]]", 7, "parameters: expected a value behind the comma, found ]"},
        {"a IN (?)", "[[1]]", 1,
         "parameters: expected a string, a number, true, false or null, found [; a list is for IN ?, without "
         "parentheses"},
        {"a LIKE ?", "[1]", 1, "parameters: expected a pattern in quotes, found 1"},
        {"a LIKE 'x' ESCAPE ?", "[\"xx\"]", 1,
         "parameters: expected one character in quotes behind ESCAPE, found \"xx\""},
        {"a LIKE ? ESCAPE '!'", "[\"x!\"]", 1,
         "parameters: expected a character behind the last escape of the pattern, found \"x!\""},
        {"{\"a\": 1}", "[1]", 1, "parameters: expected the end of the array, as the filter has 0 ?, found 1"},
        {"{", NULL, 1, "expected a field or an operator such as \"$or\", found the end"},
        {"{\"a\"", NULL, 4, "expected a colon behind the key, found the end"},
        {"{\"a\":", NULL, 5, "expected a string, a number, true or false, found the end"},
        {"{\"a\": 1", NULL, 7, "expected a comma or }, found the end"},
        {"{\"a\": 1,", NULL, 8, "expected a field or an operator such as \"$or\", found the end"},
        {"{\"a\": 1,}", NULL, 8, "expected a field or an operator such as \"$or\", found }"},
        {"{\"a\": 1 \"b\": 2}", NULL, 8, "expected a comma or }, found \"b\""},
        {"{\"a\": 1}}", NULL, 8, "expected the end, found }"},
        {"{\"a\": 1} x", NULL, 9, "expected the end, found x"},
        {"{a: 1}", NULL, 1, "expected a field or an operator such as \"$or\", found a"},
        {"{'a': 1}", NULL, 1, "expected a field or an operator such as \"$or\", found '"},
        {"{\"a\": 'x'}", NULL, 6, "expected a string, a number, true or false, found '"},
        {"{\"a\": NaN}", NULL, 6, "expected a string, a number, true or false, found NaN"},
        {"{\"a\": -}", NULL, 6, "expected a string, a number, true or false, found -"},
        {"{\"a\": 1.}", NULL, 6, "expected a string, a number, true or false, found 1."},
        {"{\"a\": Infinity}", NULL, 6, "expected a string, a number, true or false, found Infinity"},
        {"{\"a\": True}", NULL, 6, "expected a string, a number, true or false, found True"},
        {"{\"a\": [1, 2]}", NULL, 6,
         "expected a string, a number, true or false, found [; for one of several values say {\"$in\": [...]}"},
        {"{\"a\": {}}", NULL, 7, "expected an operator such as \"$eq\", found }"},
        {"{\"a\": {\"$not\": {}}}", NULL, 16, "expected an operator such as \"$eq\", found }"},
        {"{\"a\": {\"b\": 1}}", NULL, 7,
         "expected $eq $ne $gt $gte $lt $lte $in $nin $between $exists $null $contains $not_contains $like $ilike or "
         "$not, found \"b\"; for a field inside another say {\"a.b\": ...}"},
        {"{\"a\": {\"$gt\": 1, \"b\": 1}}", NULL, 17,
         "expected $eq $ne $gt $gte $lt $lte $in $nin $between $exists $null $contains $not_contains $like $ilike or "
         "$not, found \"b\"; for a field inside another say {\"a.b\": ...}"},
        {"{\"a\": {\"$gtt\": 1}}", NULL, 7,
         "expected $eq $ne $gt $gte $lt $lte $in $nin $between $exists $null $contains $not_contains $like $ilike or "
         "$not, found \"$gtt\"; did you mean $gt?"},
        {"{\"a\": {\"$regex\": 1}}", NULL, 7,
         "expected $eq $ne $gt $gte $lt $lte $in $nin $between $exists $null $contains $not_contains $like $ilike or "
         "$not, found \"$regex\""},
        {"{\"a\": {\"$or\": [1]}}", NULL, 7,
         "expected $eq $ne $gt $gte $lt $lte $in $nin $between $exists $null $contains $not_contains $like $ilike or "
         "$not, found \"$or\"; say {\"$or\": [{\"a\": ...}, ...]}"},
        {"{\"$gt\": 5}", NULL, 1,
         "expected a field, $and, $or, $nor or $not, found \"$gt\"; say {\"field\": {\"$gt\": ...}}"},
        {"{\"$orr\": []}", NULL, 1, "expected a field, $and, $or, $nor or $not, found \"$orr\"; did you mean $or?"},
        {"{\"$foo\": []}", NULL, 1, "expected a field, $and, $or, $nor or $not, found \"$foo\"; did you mean $or?"},
        {"{\"$and\": {}}", NULL, 9, "expected an array of objects with conditions, found {"},
        {"{\"$and\": [1]}", NULL, 10, "expected an object with conditions, found 1"},
        {"{\"$not\": []}", NULL, 9, "expected an object with conditions, found ["},
        {"{\"a\": {\"$not\": 5}}", NULL, 15, "expected an object with operators, found 5"},
        {"{\"a\": {\"$gt\": null}}", NULL, 14,
         "expected a string, a number, true or false, found null; nothing compares with null: say {\"$null\": true}"},
        {"{\"a\": {\"$gt\": [1]}}", NULL, 14,
         "expected a string, a number, true or false, found [; for one of several values say {\"$in\": [...]}"},
        {"{\"a\": {\"$gt\": {}}}", NULL, 14, "expected a string, a number, true or false, found {"},
        {"{\"a\": {\"$in\": 5}}", NULL, 14, "expected an array of values, found 5"},
        {"{\"a\": {\"$in\": [[1]]}}", NULL, 15, "expected a string, a number, true or false, found ["},
        {"{\"a\": {\"$in\": [{}]}}", NULL, 15, "expected a string, a number, true or false, found {"},
        {"{\"a\": {\"$between\": 5}}", NULL, 19, "expected an array [lower, upper], found 5"},
        {"{\"a\": {\"$between\": [1]}}", NULL, 21, "expected a comma and the upper value, found ]"},
        {"{\"a\": {\"$between\": [1, 2, 3]}}", NULL, 24, "expected ] behind the upper value, found ,"},
        {"{\"a\": {\"$between\": [null, 2]}}", NULL, 20,
         "expected a string, a number, true or false, found null; nothing compares with null: say {\"$null\": true}"},
        {"{\"a\": {\"$exists\": 1}}", NULL, 18, "expected true or false, found 1"},
        {"{\"a\": {\"$like\": 1}}", NULL, 16, "expected a pattern, or [pattern, escape], found 1"},
        {"{\"a\": {\"$like\": [\"a\"]}}", NULL, 20, "expected a comma and the escape, found ]"},
        {"{\"a\": {\"$like\": [\"a\", \"bc\"]}}", NULL, 22, "expected an escape of one character, found \"bc\""},
        {"{\"a\": {\"$like\": [\"a\", 1]}}", NULL, 22, "expected an escape of one character, found 1"},
        {"{\"a\": {\"$like\": [\"a!\", \"!\"]}}", NULL, 17,
         "expected a character behind the last escape of the pattern, found \"a!\""},
        {"{\"a\": {\"$like\": [\"a!\", \"!\", 3]}}", NULL, 26, "expected ] behind the escape, found ,"},
        {"{\"a\": {\"$contains\": null}}", NULL, 20,
         "expected a string, a number, true or false, found null; nothing compares with null: say {\"$null\": true}"},
        {"{\"\": 1}", NULL, 2, "expected the name of a field, found the end of the text"},
        {"{\"a b\": 1}", NULL, 3,
         "expected the end of the field's name, found  b; names of other characters than letters, digits, _ and - "
         "stand in double quotes of their own: \"\\\"a b\\\"\""},
        {"{\"\\u0061\\u0020b\": 1}", NULL, 8,
         "expected the end of the field's name, found  b; names of other characters than letters, digits, _ and - "
         "stand in double quotes of their own: \"\\\"a b\\\"\""},
        {"{\"a..b\": 1}", NULL, 4, "expected the name of a field, found '.'"},
        {"{\"a\": \"\\u12\"}", NULL, 7,
         "expected one of \\\" \\\\ \\/ \\b \\f \\n \\r \\t \\u0000 in a string, found another \\"},
        {"{\"a\": 18446744073709551616}", NULL, 6,
         "expected an integer from -9223372036854775808 to 18446744073709551615, or a number with a point or an "
         "exponent, found 18446744073709551616"},
        {"[1]", NULL, 3,
         "expected = != < <= > >=, IN, BETWEEN, LIKE, ILIKE, CONTAINS, IS or NOT behind the field, found the end; if "
         "it is true or false, say [1] = true"},
        {"{\"a\": \"b\x01\"}", NULL, 8, "expected \\n, \\t or \\u0001 in a string, found the control character itself"},
        {"a = ?", "[1 @ 2]", 3, "parameters: expected a comma or ], found @"},
    };
    for (size_t i = 0; i < COUNT(mistakes); i++)
        assert_fails(mistakes[i].text, mistakes[i].parameters, NPV_E_ARGUMENT, mistakes[i].position,
                     mistakes[i].message);
}

static void test_what_a_number_may_not_be(void **state) {
    (void)state;
    static const char *const words[] = {"1e", "1e+", "1ex", "1.e", "1.2.3", "1_000", "5a", "1-2"};
    for (size_t i = 0; i < COUNT(words); i++) {
        char text[32], message[256];
        snprintf(text, sizeof text, "a = %s", words[i]);
        snprintf(message, sizeof message,
                 "expected a decimal number, found %s; text and dates stand in single quotes, names that begin with a "
                 "digit in double quotes",
                 words[i]);
        if (strchr(words[i], '+') == NULL)
            assert_fails(text, NULL, NPV_E_ARGUMENT, 4, message);
        else
            assert_int_equal(npv_filter_new(text, NULL, (npv_filter *[]){NULL}, NULL), NPV_E_ARGUMENT);
    }
    assert_fails("-a = 1", NULL, NPV_E_ARGUMENT, 0, "expected a condition, such as year >= 2023, found -");
    assert_fails("a = -b", NULL, NPV_E_ARGUMENT, 4, "expected a value to compare with, found -");
}

static void test_text_must_be_utf_8(void **state) {
    (void)state;
    assert_fails("a = 'x\xff'", NULL, NPV_E_ARGUMENT, 6, "expected UTF-8, found the byte 0xff");
    assert_fails("\x80 = 1", NULL, NPV_E_ARGUMENT, 0, "expected UTF-8, found the byte 0x80");
    assert_fails("gr\xc3\xb6\xf0\x9f\x98\x80\xe2\x82", NULL, NPV_E_ARGUMENT, 8, "expected UTF-8, found the byte 0xe2");
    assert_fails("{\"a\": \"\xc0\x80\"}", NULL, NPV_E_ARGUMENT, 7, "expected UTF-8, found the byte 0xc0");
    assert_fails("a = ?", "[\"\xf5\"]", NPV_E_ARGUMENT, 2, "parameters: expected UTF-8, found the byte 0xf5");
}

static void test_there_must_be_a_text_and_a_place_for_the_filter(void **state) {
    (void)state;
    npv_filter *filter = NULL;
    npv_error error;
    assert_int_equal(npv_filter_new(NULL, NULL, &filter, &error), NPV_E_ARGUMENT);
    assert_string_equal(error.message, "expected a filter's text and where to put the filter, found NULL");
    assert_int_equal(npv_filter_new("a = 1", NULL, NULL, &error), NPV_E_ARGUMENT);
    assert_null(filter);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_both_dialects_make_the_same_trees),
        cmocka_unit_test(test_what_only_one_dialect_spells),
        cmocka_unit_test(test_not_binds_tighter_than_and_which_binds_tighter_than_or),
        cmocka_unit_test(test_numbers_are_exact),
        cmocka_unit_test(test_the_last_of_many_digits_decides),
        cmocka_unit_test(test_the_locale_makes_no_difference),
        cmocka_unit_test(test_parameters_take_the_places_of_question_marks),
        cmocka_unit_test(test_fields_are_numbered_and_placed_as_they_are_named),
        cmocka_unit_test(test_mistakes_have_a_place_and_a_message),
        cmocka_unit_test(test_what_a_number_may_not_be),
        cmocka_unit_test(test_text_must_be_utf_8),
        cmocka_unit_test(test_there_must_be_a_text_and_a_place_for_the_filter),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
