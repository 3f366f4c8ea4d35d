/* Patterns of LIKE: what they match, and how long that may take. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "filter/pattern.h"

#define COUNT(array) (sizeof(array) / sizeof *(array))
#define BYTES(literal) ((npv_bytes){(const unsigned char *)(literal), sizeof(literal) - 1})

static bool like(npv_bytes text, npv_bytes pattern, npv_bytes escape, bool ignore_case) {
    unsigned char compiled[64];
    size_t size;
    assert_true(pattern.size <= sizeof compiled);
    assert_true(npv_pattern_compile(pattern, escape, ignore_case, compiled, &size));
    assert_true(size <= pattern.size);
    return npv_pattern_match((npv_bytes){compiled, size}, ignore_case, text);
}

static void test_patterns_match_what_they_should(void **state) {
    (void)state;
    static const struct {
        const char *text, *pattern, *escape;
        bool matches, ignore_case;
    } cases[] = {
        {"", "", "", true, false},
        {"a", "", "", false, false},
        {"", "%", "", true, false},
        {"", "_", "", false, false},
        {"abc", "abc", "", true, false},
        {"abc", "ab", "", false, false},
        {"ab", "abc", "", false, false},
        {"abc", "a%", "", true, false},
        {"abc", "%c", "", true, false},
        {"abc", "%b%", "", true, false},
        {"abc", "_b_", "", true, false},
        {"abc", "__", "", false, false},
        {"abc", "____", "", false, false},
        {"abc", "%_%_%_%", "", true, false},
        {"ab", "%_%_%_%", "", false, false},
        {"aab", "%ab", "", true, false},
        {"abab", "%ab", "", true, false},
        {"ababc", "%ab", "", false, false},
        {"aXbXc", "a%X%c", "", true, false},
        {"aXc", "a%X%X%c", "", false, false},
        {"abc", "ABC", "", false, false},
        {"aBc", "AbC", "", true, true},
        {"aBc", "%BC", "", true, true},
        {"xaBcy", "%B_%Y", "", true, true},
        {"50%", "50!%", "!", true, false},
        {"50x", "50!%", "!", false, false},
        {"a_b", "a!_b", "!", true, false},
        {"axb", "a!_b", "!", false, false},
        {"a!b", "a!!b", "!", true, false},
        {"ab", "a!b", "!", true, false},
        {"%", "%%", "%", true, false},
        {"x", "%%", "%", false, false},
        {"a\\b", "a\\b", "", true, false},
        {"100%", "___\xe2\x82\xac%", "\xe2\x82\xac", true, false},
        {"\xc3\xa9", "_", "", true, false},
        {"\xc3\xa9", "__", "", false, false},
        {"\xf0\x9f\x98\x80!", "_!", "", true, false},
        {"\xc3\x89", "\xc3\xa9", "", false, true},
        {"k", "\xe2\x84\xaa", "", false, true},
        {"[", "{", "", false, true},
        {"@", "`", "", false, true},
        {"a\nb", "a_b", "", true, false},
        {"\xed\xa0\x80", "_", "", true, false},
        {"\xc3\xa9\xa9", "%\xa9", "", true, false},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        const npv_bytes text = {(const unsigned char *)cases[i].text, strlen(cases[i].text)};
        const npv_bytes pattern = {(const unsigned char *)cases[i].pattern, strlen(cases[i].pattern)};
        const npv_bytes escape = {(const unsigned char *)cases[i].escape, strlen(cases[i].escape)};
        if (like(text, pattern, escape, cases[i].ignore_case) != cases[i].matches)
            fail_msg("%s LIKE %s", cases[i].text, cases[i].pattern);
    }
    unsigned char compiled[8];
    size_t size;
    assert_false(npv_pattern_compile(BYTES("a!"), BYTES("!"), false, compiled, &size));
    assert_true(npv_pattern_is_escape(BYTES("\xe2\x82\xac")));
    assert_false(npv_pattern_is_escape(BYTES("")));
    assert_false(npv_pattern_is_escape(BYTES("ab")));
}

/* What the words say, however long it takes. Code points here are 'a', 'b' and the two bytes of 'e' with an accent. */
static bool slow_like(const char *text, const char *pattern) {
    if (*pattern == '\0')
        return *text == '\0';
    const size_t size = *text == '\0' ? 0 : *text == '\xc3' ? 2 : 1;
    if (*pattern == '%')
        return slow_like(text, pattern + 1) || (size > 0 && slow_like(text + size, pattern));
    if (*pattern == '_')
        return size > 0 && slow_like(text + size, pattern + 1);
    return *text == *pattern && slow_like(text + 1, pattern + 1);
}

static uint32_t next_random(uint64_t *random) {
    *random = *random * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(*random >> 33);
}

static void pick(uint64_t *random, const char *const *pieces, uint32_t piece_count, uint32_t most, char *text) {
    *text = '\0';
    for (uint32_t i = next_random(random) % (most + 1); i > 0; i--)
        strcat(text, pieces[next_random(random) % piece_count]);
}

static void test_patterns_agree_with_a_slow_matcher(void **state) {
    (void)state;
    static const char *const pieces[] = {"a", "b", "\xc3\xa9", "%", "_"};
    uint64_t random = 7;
    size_t matched = 0;
    for (int i = 0; i < 300000; i++) {
        char text[32], pattern[32];
        pick(&random, pieces, 3, 8, text);
        pick(&random, pieces, 5, 7, pattern);
        const bool expected = slow_like(text, pattern);
        matched += expected;
        if (like((npv_bytes){(unsigned char *)text, strlen(text)},
                 (npv_bytes){(unsigned char *)pattern, strlen(pattern)}, BYTES(""), i % 2) != expected)
            fail_msg("%s LIKE %s", text, pattern);
    }
    assert_in_range(matched, 30000, 270000);
}

/* Backtracking over every % would take 2^50 steps. */
static void test_patterns_take_no_exponential_time(void **state) {
    (void)state;
    static char text[50000];
    unsigned char pattern[128];
    memset(text, 'a', sizeof text);
    for (size_t i = 0; i < sizeof pattern; i++)
        pattern[i] = i % 2 == 0 ? NPV_PATTERN_ANY : 'a';
    pattern[127] = 'b';
    assert_false(npv_pattern_match((npv_bytes){pattern, 128}, false, (npv_bytes){(unsigned char *)text, sizeof text}));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_patterns_match_what_they_should),
        cmocka_unit_test(test_patterns_agree_with_a_slow_matcher),
        cmocka_unit_test(test_patterns_take_no_exponential_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
