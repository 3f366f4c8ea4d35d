#include "filter_tree.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "filter/filter.h"
#include "filter/pattern.h"
#include "meta/decimal.h"

static void put(npv_buffer *out, const char *text) {
    assert_int_equal(npv_buffer_append(out, text, strlen(text), NULL), NPV_OK);
}

static void put_number(npv_buffer *out, const npv_entry *value) {
    char text[NPV_DECIMAL_DOUBLE_SIZE] = "";
    if (value->number == NPV_VALUE_INT)
        snprintf(text, sizeof text, "%lld", (long long)value->integer);
    else if (value->number == NPV_VALUE_UINT)
        snprintf(text, sizeof text, "%lluu", (unsigned long long)value->natural);
    else
        text[npv_decimal_from_double(value->real, text)] = '\0';
    put(out, text);
}

static void put_value(npv_buffer *out, const npv_entry *value) {
    put(out, " ");
    if (value->class == NPV_CLASS_BOOL)
        put(out, value->boolean ? "true" : "false");
    else if (value->class == NPV_CLASS_NUMBER)
        put_number(out, value);
    else {
        assert_int_equal(value->class, NPV_CLASS_TEXT);
        put(out, "'");
        for (size_t i = 0; i < value->bytes.size; i++) {
            const unsigned char c = value->bytes.data[i];
            npv_buffer_append(out,
                              c == NPV_PATTERN_ANY   ? "<%>"
                              : c == NPV_PATTERN_ONE ? "<_>"
                                                     : (const char *)&c,
                              c >= NPV_PATTERN_ONE ? 3 : 1, NULL);
        }
        put(out, "'");
    }
}

static void put_node(npv_buffer *out, const npv_filter *filter, const npv_filter_node *node, size_t depth) {
    static const char *const names[] = {
        [NPV_FILTER_AND] = "and",      [NPV_FILTER_OR] = "or",        [NPV_FILTER_NOT] = "not",
        [NPV_FILTER_EQUAL] = "=",      [NPV_FILTER_LESS] = "<",       [NPV_FILTER_LESS_OR_EQUAL] = "<=",
        [NPV_FILTER_IN] = "in",        [NPV_FILTER_LIKE] = "like",    [NPV_FILTER_CONTAINS] = "contains",
        [NPV_FILTER_IS_NULL] = "null", [NPV_FILTER_EXISTS] = "exists"};
    assert_true(depth <= NPV_MAX_FILTER_TREE);
    put(out, "(");
    put(out, names[node->kind]);
    put(out, node->ignore_case ? "-any-case" : "");
    if (node->kind > NPV_FILTER_NOT) {
        assert_true(node->path < filter->path_count);
        put(out, " ");
        assert_int_equal(npv_path_write(&filter->paths[node->path], out, NULL), NPV_OK);
    } else if (node->kind == NPV_FILTER_NOT)
        assert_int_equal(node->child_count, 1);
    else
        assert_int_not_equal(node->child_count, 1);
    for (size_t i = 0; i < node->value_count; i++)
        put_value(out, &node->values[i]);
    put(out, node->with_null ? " null" : "");
    for (size_t i = 0; i < node->child_count; i++) {
        put(out, " ");
        put_node(out, filter, node->children[i], depth + 1);
    }
    put(out, ")");
}

char *filter_tree(const char *text, const char *parameters, npv_error *error) {
    npv_filter *filter = NULL;
    if (npv_filter_new(text, parameters, &filter, error) != NPV_OK)
        return NULL;
    npv_buffer out = {NULL, 0, 0};
    put_node(&out, filter, filter->root, 1);
    npv_buffer_append(&out, "", 1, NULL);
    npv_filter_free(filter);
    return (char *)out.data;
}
