/*
 * A filter as a tree: what both dialects are parsed to, and what is evaluated. docs/filters.md has grammar and meaning.
 * It is at most NPV_MAX_FILTER_TREE deep: walks may recurse.
 */
#ifndef NPV_FILTER_H
#define NPV_FILTER_H

#include "../meta/column.h"

#define NPV_MAX_FILTER_PATHS 1024 /* different fields that a filter names */

/* For each condition inside another at most NOT, OR and AND; inside the last one NOT, AND, NOT and the comparison. */
#define NPV_MAX_FILTER_TREE (3 * (NPV_MAX_FILTER_DEPTH + 2))

typedef enum npv_filter_kind {
    NPV_FILTER_AND, /* children, none or at least two; none: true */
    NPV_FILTER_OR,  /* children, none or at least two; none: false. IN of an empty list is this */
    NPV_FILTER_NOT, /* one child. != is NOT =, NOT IN is NOT IN, IS NOT NULL is NOT IS NULL */
    NPV_FILTER_EQUAL,
    NPV_FILTER_LESS,
    NPV_FILTER_LESS_OR_EQUAL, /* > is NOT <=, >= is NOT <, BETWEEN is AND of the two: the same in three-valued logic */
    NPV_FILTER_IN,
    NPV_FILTER_LIKE,     /* values[0]: the pattern as compiled by pattern.h */
    NPV_FILTER_CONTAINS, /* an array with an equal element; a text with a part equal to it, by bytes */
    NPV_FILTER_IS_NULL,  /* missing or null */
    NPV_FILTER_EXISTS    /* not missing; may be null */
} npv_filter_kind;

typedef struct npv_filter_node {
    npv_filter_kind kind;
    bool ignore_case;  /* LIKE: ASCII letters of either case match */
    bool with_null;    /* IN: NULL was in the list */
    size_t path;       /* number of it; for conditions on a field */
    npv_entry *values; /* what the field is compared with; IN: sorted by class and value, all different */
    size_t value_count;
    struct npv_filter_node **children;
    size_t child_count;
} npv_filter_node;

struct npv_filter {
    npv_filter_node *root;
    npv_path *paths;   /* each once, in the order in which the text names them */
    size_t *positions; /* where in the text each is first named */
    size_t path_count;
    struct npv_filter_block *blocks; /* memory of nodes, values and their text */
};

#endif
