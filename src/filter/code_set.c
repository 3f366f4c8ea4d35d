#include "code_set.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "../error.h"
#include "pattern.h"

/* ------------------------------------------------------------------------------------------------ A single value -- */

typedef enum verdict { IS_FALSE, IS_TRUE, IS_NULL } verdict;

static verdict verdict_of(bool truth) {
    return truth ? IS_TRUE : IS_FALSE;
}

static verdict judge_comparison(const npv_filter_node *condition, const npv_entry *entry) {
    const npv_entry *value = &condition->values[0];
    if (entry->class != value->class)
        return IS_NULL;
    const int order = npv_entry_compare(entry, value);
    return verdict_of(order < 0 ? condition->kind != NPV_FILTER_EQUAL
                                : order == 0 && condition->kind != NPV_FILTER_LESS);
}

static int compare_entries(const void *key, const void *element) {
    const npv_entry *a = key;
    const npv_entry *b = element;
    return a->class != b->class ? a->class - b->class : npv_entry_compare(a, b);
}

/*
 * x IN (...) is x = a OR x = b OR ..., so false, if not true, where x can be compared with all of the list: only for
 * values of the one class that all of the list is of.
 */
static bool in_is_not_null(const npv_filter_node *in, unsigned char class) {
    return !in->with_null && in->value_count > 0 && in->values[0].class == class &&
           in->values[in->value_count - 1].class == class;
}

static verdict judge_in(const npv_filter_node *in, const npv_entry *entry) {
    if (in->value_count > 0 && bsearch(entry, in->values, in->value_count, sizeof *in->values, compare_entries) != NULL)
        return IS_TRUE;
    return in_is_not_null(in, entry->class) ? IS_FALSE : IS_NULL;
}

static verdict judge_like(const npv_filter_node *condition, const npv_entry *entry) {
    if (entry->class != NPV_CLASS_TEXT)
        return IS_NULL;
    return verdict_of(npv_pattern_match(condition->values[0].bytes, condition->ignore_case, entry->bytes));
}

static bool has_part(npv_bytes text, npv_bytes part) {
    if (part.size == 0)
        return true;
    while (text.size >= part.size) {
        const unsigned char *const found = memchr(text.data, part.data[0], text.size - part.size + 1);
        if (found == NULL)
            return false;
        if (memcmp(found, part.data, part.size) == 0)
            return true;
        text.size -= (size_t)(found + 1 - text.data);
        text.data = found + 1;
    }
    return false;
}

static verdict judge_contains(const npv_filter_node *condition, const npv_entry *entry) {
    const npv_entry *value = &condition->values[0];
    if (entry->class == NPV_CLASS_ARRAY)
        return verdict_of(npv_entry_contains(entry, value));
    if (entry->class == NPV_CLASS_TEXT && value->class == NPV_CLASS_TEXT)
        return verdict_of(has_part(entry->bytes, value->bytes));
    return IS_NULL;
}

static verdict judge(const npv_filter_node *condition, const npv_entry *entry) {
    switch (condition->kind) {
    case NPV_FILTER_IN:
        return judge_in(condition, entry);
    case NPV_FILTER_LIKE:
        return judge_like(condition, entry);
    case NPV_FILTER_CONTAINS:
        return judge_contains(condition, entry);
    case NPV_FILTER_IS_NULL:
        return verdict_of(entry->class == NPV_CLASS_MISSING || entry->class == NPV_CLASS_NULL);
    case NPV_FILTER_EXISTS:
        return verdict_of(entry->class != NPV_CLASS_MISSING);
    default:
        return judge_comparison(condition, entry);
    }
}

bool npv_condition_holds(const npv_filter_node *condition, bool negated, const npv_entry *entry) {
    return judge(condition, entry) == (negated ? IS_FALSE : IS_TRUE);
}

/* ------------------------------------------------------------------------------------------------ Codes in order -- */

typedef struct span {
    uint32_t first;
    uint32_t end;
} span;

/* LIKE 'abc%': the pattern has one wildcard, its last byte. */
static bool is_prefix(npv_bytes pattern) {
    if (pattern.size == 0 || pattern.data[pattern.size - 1] != NPV_PATTERN_ANY)
        return false;
    return memchr(pattern.data, NPV_PATTERN_ANY, pattern.size - 1) == NULL &&
           memchr(pattern.data, NPV_PATTERN_ONE, pattern.size - 1) == NULL;
}

/* Is the condition true for values that follow one another in the order of values? */
static bool is_range(const npv_filter_node *condition) {
    switch (condition->kind) {
    case NPV_FILTER_EQUAL:
    case NPV_FILTER_LESS:
    case NPV_FILTER_LESS_OR_EQUAL:
    case NPV_FILTER_IS_NULL:
    case NPV_FILTER_EXISTS:
        return true;
    case NPV_FILTER_LIKE:
        return !condition->ignore_case && is_prefix(condition->values[0].bytes);
    default:
        return false;
    }
}

bool npv_condition_reads_values(const npv_filter_node *condition) {
    return !is_range(condition) && condition->kind != NPV_FILTER_IN;
}

/* The codes for which the condition is not NULL. */
static span find_decided(const npv_filter_node *condition, const npv_column_view *column) {
    if (condition->kind == NPV_FILTER_IS_NULL || condition->kind == NPV_FILTER_EXISTS)
        return (span){0, column->head};
    const unsigned char class = condition->values[0].class;
    assert(class == NPV_CLASS_BOOL || class == NPV_CLASS_NUMBER || class == NPV_CLASS_TEXT);
    return (span){column->class_start[class], column->class_start[class + 1]};
}

/* Texts that begin with "abc" come before "abc" and a byte that is in no text, which is how the pattern is spelled. */
static span find_prefix(const npv_entry *pattern, const npv_column_view *column) {
    npv_entry prefix = *pattern;
    prefix.bytes.size--;
    return (span){npv_column_search(column, &prefix, false), npv_column_search(column, pattern, false)};
}

/* Of those, `decided`, the codes for which it is true. */
static span find_true(const npv_filter_node *condition, const npv_column_view *column, span decided) {
    const npv_entry *value = condition->values;
    switch (condition->kind) {
    case NPV_FILTER_IS_NULL:
        return (span){0, column->class_start[NPV_CLASS_NULL + 1]};
    case NPV_FILTER_EXISTS:
        return (span){column->class_start[NPV_CLASS_MISSING + 1], column->head};
    case NPV_FILTER_EQUAL:
        return (span){npv_column_search(column, value, false), npv_column_search(column, value, true)};
    case NPV_FILTER_LIKE:
        return find_prefix(value, column);
    default:
        return (span){decided.first, npv_column_search(column, value, condition->kind != NPV_FILTER_LESS)};
    }
}

static npv_code_range find_range(const npv_filter_node *condition, bool negated, const npv_column_view *column) {
    const span decided = find_decided(condition, column);
    const span is_true = find_true(condition, column, decided);
    if (negated)
        return (npv_code_range){decided.first, decided.end, is_true.first, is_true.end};
    return (npv_code_range){is_true.first, is_true.end, 0, 0};
}

/* ---------------------------------------------------------------------------------------------- Codes one by one -- */

/* member[] is all zeros, for all codes. */
static void look_up_list(const npv_filter_node *in, bool negated, const npv_column *column, unsigned char *member) {
    const npv_column_view view = npv_column_look(column);
    for (uint32_t code = 0; negated && code < view.entry_count; code++)
        member[code] = in_is_not_null(in, view.entries[code].class);
    for (size_t i = 0; i < in->value_count; i++) {
        const uint32_t code = npv_column_code(column, &in->values[i]);
        if (code != 0)
            member[code] = !negated;
    }
}

npv_status npv_code_set_make(const npv_filter_node *condition, bool negated, const npv_column *column,
                             npv_code_set *set, npv_error *error) {
    const npv_column_view view = npv_column_look(column);
    npv_code_set made = {0};
    if (is_range(condition)) {
        made.range = find_range(condition, negated, &view);
        made.listed = view.head;
    }
    const uint32_t count = view.entry_count - made.listed;
    if (count > 0 && (made.member = calloc(count, 1)) == NULL)
        return npv_fail_memory(error, "a filter's values", count);
    if (condition->kind == NPV_FILTER_IN && condition->value_count < count)
        look_up_list(condition, negated, column, made.member);
    else
        for (uint32_t i = 0; i < count; i++)
            made.member[i] = npv_condition_holds(condition, negated, &view.entries[made.listed + i]);
    *set = made;
    return NPV_OK;
}

void npv_code_set_free(npv_code_set *set) {
    free(set->member);
}
