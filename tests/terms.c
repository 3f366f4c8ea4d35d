#include "terms.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "filter/pattern.h"

const term_field term_fields[TERM_FIELDS] = {
    {"a", {"a"}},
    {"b", {"b"}},
    {"c", {"c"}},
    {"n.x", {"n", "x"}},
    {"n.y.z", {"n", "y", "z"}},
    {"n", {"n"}},
    {"list", {"list"}},
    {"list[0]", {"list", "#0"}},
    {"list[1].k", {"list", "#1", "k"}},
    {"\"k e y\".\"d.o\"\"t\"", {"k e y", "d.o\"t"}},
    {"\xd0\xba\xd0\xbb\xd1\x8e\xd1\x87", {"\xd0\xba\xd0\xbb\xd1\x8e\xd1\x87"}},
    {"nowhere", {"nowhere"}},
};

/* ------------------------------------------------------------------------------------------------------- Meaning -- */

typedef enum truth { FALSE3, TRUE3, NULL3 } truth;

/* The value, or NULL where it is missing. */
static const json_t *value_at(const json_t *document, const term_field *where) {
    for (size_t i = 0; i < 4 && where->steps[i] != NULL && document != NULL; i++)
        document = where->steps[i][0] == '#' ? json_array_get(document, strtoul(where->steps[i] + 1, NULL, 10))
                                             : json_object_get(document, where->steps[i]);
    return document;
}

static int sign_of(bool above, bool below) {
    return above - below;
}

/*
 * Rounding keeps order, so an integer that is rounded to less than d is less than d. If both become the same, d is a
 * whole number, and an int64 but for 2^63.
 */
static int order_of_int_and_real(json_int_t i, double d) {
    const double rounded = (double)i;
    if (rounded != d)
        return sign_of(rounded > d, rounded < d);
    return d == 0x1p63 ? -1 : sign_of(i > (json_int_t)d, i < (json_int_t)d);
}

static int order_of_numbers(const json_t *a, const json_t *b) {
    if (json_is_integer(a) && json_is_integer(b))
        return sign_of(json_integer_value(a) > json_integer_value(b), json_integer_value(a) < json_integer_value(b));
    if (json_is_integer(a))
        return order_of_int_and_real(json_integer_value(a), json_real_value(b));
    if (json_is_integer(b))
        return -order_of_int_and_real(json_integer_value(b), json_real_value(a));
    return sign_of(json_real_value(a) > json_real_value(b), json_real_value(a) < json_real_value(b));
}

/* False: the two cannot be compared. */
static bool order_of(const json_t *a, const json_t *b, int *order) {
    if (json_is_number(a) && json_is_number(b))
        *order = order_of_numbers(a, b);
    else if (json_is_boolean(a) && json_is_boolean(b))
        *order = json_is_true(a) - json_is_true(b);
    else if (json_is_string(a) && json_is_string(b))
        *order = strcmp(json_string_value(a), json_string_value(b)); /* no zeros in the test's texts */
    else
        return false;
    return true;
}

static truth truth_of_comparison(npv_filter_kind kind, const json_t *a, const json_t *b) {
    int order;
    if (!order_of(a, b, &order))
        return NULL3;
    return kind == NPV_FILTER_EQUAL ? order == 0 : kind == NPV_FILTER_LESS ? order < 0 : order <= 0;
}

static truth or3(truth a, truth b) {
    return a == TRUE3 || b == TRUE3 ? TRUE3 : a == NULL3 || b == NULL3 ? NULL3 : FALSE3;
}

static truth not3(truth a) {
    return a == NULL3 ? NULL3 : a == TRUE3 ? FALSE3 : TRUE3;
}

static char lower(char c) {
    return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

static bool like(const char *pattern, const char *text, bool ignore_case) {
    if (*pattern == '\0')
        return *text == '\0';
    if (*pattern == '%')
        return like(pattern + 1, text, ignore_case) || (*text != '\0' && like(pattern, text + 1, ignore_case));
    if (*text == '\0')
        return false;
    if (*pattern == '_') {
        do
            text++;
        while (((unsigned char)*text & 0xc0) == 0x80);
        return like(pattern + 1, text, ignore_case);
    }
    pattern += *pattern == '\\';
    return (ignore_case ? lower(*pattern) == lower(*text) : *pattern == *text) &&
           like(pattern + 1, text + 1, ignore_case);
}

static truth contains(const json_t *value, const json_t *part) {
    if (json_is_string(value) && json_is_string(part))
        return strstr(json_string_value(value), json_string_value(part)) != NULL;
    if (!json_is_array(value) || !(json_is_number(part) || json_is_boolean(part) || json_is_string(part)))
        return NULL3;
    truth found = FALSE3;
    for (size_t i = 0; i < json_array_size(value); i++)
        if (truth_of_comparison(NPV_FILTER_EQUAL, json_array_get(value, i), part) == TRUE3)
            found = TRUE3;
    return found;
}

static truth truth_of_condition(const term *t, const json_t *value) {
    const json_t *first = json_array_get(t->values, 0);
    truth found = FALSE3;
    switch (t->kind) {
    case NPV_FILTER_IS_NULL:
        return value == NULL || json_is_null(value);
    case NPV_FILTER_EXISTS:
        return value != NULL;
    case NPV_FILTER_IN:
        for (size_t i = 0; i < json_array_size(t->values); i++)
            found = or3(found, truth_of_comparison(NPV_FILTER_EQUAL, value, json_array_get(t->values, i)));
        return found;
    case NPV_FILTER_LIKE:
        return json_is_string(value) ? like(json_string_value(first), json_string_value(value), t->ignore_case) : NULL3;
    case NPV_FILTER_CONTAINS:
        return contains(value, first);
    default:
        return truth_of_comparison(t->kind, value, first);
    }
}

static truth truth_of(const term *t, const json_t *document) {
    if (t->kind == NPV_FILTER_NOT)
        return not3(truth_of(t->children[0], document));
    if (t->kind != NPV_FILTER_AND && t->kind != NPV_FILTER_OR)
        return truth_of_condition(t, value_at(document, &term_fields[t->field]));
    const bool both = t->kind == NPV_FILTER_AND; /* a AND b is NOT (NOT a OR NOT b) */
    truth any = FALSE3;
    for (size_t i = 0; i < t->child_count; i++) {
        const truth child = truth_of(t->children[i], document);
        any = or3(any, both ? not3(child) : child);
    }
    return both ? not3(any) : any;
}

bool term_passes(const term *filter, const json_t *document) {
    return truth_of(filter, document) == TRUE3;
}

/* ---------------------------------------------------------------------------------------------- Terms as filters -- */

/* Memory of terms and nodes, freed all at once. */
typedef struct block {
    struct block *next;
    max_align_t data[];
} block;

static block *blocks;

void *term_memory(size_t size) {
    block *const made = calloc(1, sizeof *made + size);
    assert_non_null(made);
    made->next = blocks;
    blocks = made;
    return made->data;
}

void term_free_all(void) {
    while (blocks != NULL) {
        block *const next = blocks->next;
        free(blocks);
        blocks = next;
    }
}

static npv_entry entry_of(const json_t *value) {
    npv_entry entry = {.class = NPV_CLASS_NUMBER};
    if (json_is_boolean(value)) {
        entry.class = NPV_CLASS_BOOL;
        entry.boolean = json_is_true(value);
    } else if (json_is_integer(value)) {
        entry.number = NPV_VALUE_INT;
        entry.integer = json_integer_value(value);
    } else if (json_is_real(value)) {
        entry.number = NPV_VALUE_FLOAT;
        entry.real = json_real_value(value);
    } else {
        entry.class = NPV_CLASS_TEXT;
        entry.bytes.data = (const unsigned char *)json_string_value(value);
        entry.bytes.size = json_string_length(value);
    }
    return entry;
}

static int by_class_and_value(const void *left, const void *right) {
    const npv_entry *a = left;
    const npv_entry *b = right;
    return a->class != b->class ? (int)a->class - (int)b->class : npv_entry_compare(a, b);
}

static void fill_list(npv_filter_node *node) {
    size_t count = 0;
    qsort(node->values, node->value_count, sizeof *node->values, by_class_and_value);
    for (size_t i = 0; i < node->value_count; i++)
        if (i == 0 || by_class_and_value(&node->values[count - 1], &node->values[i]) != 0)
            node->values[count++] = node->values[i];
    node->value_count = count;
}

static void fill_pattern(npv_filter_node *node) {
    const npv_bytes pattern = node->values[0].bytes;
    unsigned char *const compiled = term_memory(pattern.size);
    const npv_bytes escape = {(const unsigned char *)"\\", 1};
    size_t size;
    assert_true(npv_pattern_compile(pattern, escape, node->ignore_case, compiled, &size));
    node->values[0].bytes = (npv_bytes){compiled, size};
}

npv_filter_node *term_node(const term *t) {
    npv_filter_node *const node = term_memory(sizeof *node);
    node->kind = t->kind;
    node->ignore_case = t->ignore_case;
    node->path = t->field;
    node->children = term_memory(t->child_count * sizeof *node->children);
    node->child_count = t->child_count;
    for (size_t i = 0; i < t->child_count; i++)
        node->children[i] = term_node(t->children[i]);
    const bool has_values = json_array_size(t->values) > 0 && !json_is_null(json_array_get(t->values, 0));
    node->values = has_values ? term_memory(json_array_size(t->values) * sizeof *node->values) : NULL;
    for (size_t i = 0; i < json_array_size(t->values); i++) {
        const json_t *value = json_array_get(t->values, i);
        if (json_is_null(value))
            node->with_null = true;
        else
            node->values[node->value_count++] = entry_of(value);
    }
    if (t->kind == NPV_FILTER_IN && has_values)
        fill_list(node);
    if (t->kind == NPV_FILTER_LIKE)
        fill_pattern(node);
    return node;
}
