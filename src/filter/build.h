/*
 * Building the tree of a filter: what the parsers of both dialects share.
 *
 * Conditions go on a stack. A comparison is put on it, NOT turns the one on top around, and AND and OR gather all that
 * were put there since a mark: so lists of any length are read without recursion, and the tree is as flat as the text.
 */
#ifndef NPV_BUILD_H
#define NPV_BUILD_H

#include "filter.h"

typedef struct npv_builder {
    npv_filter *filter;
    npv_buffer nodes;                      /* npv_filter_node *: the stack */
    npv_buffer values;                     /* npv_entry: of the list that is being read */
    bool with_null;                        /* NULL is in that list */
    uint16_t sorted[NPV_MAX_FILTER_PATHS]; /* the numbers of paths in the order of paths */
    size_t path_capacity;
    npv_error *error;
} npv_builder;

/* The field that a condition is about. */
typedef struct npv_named_field {
    size_t path;     /* its number */
    size_t position; /* in the text of the filter, */
    npv_bytes raw;   /* as it stands there */
} npv_named_field;

typedef enum npv_comparison {
    NPV_COMPARE_EQUAL,
    NPV_COMPARE_NOT_EQUAL,
    NPV_COMPARE_LESS,
    NPV_COMPARE_LESS_OR_EQUAL,
    NPV_COMPARE_GREATER,
    NPV_COMPARE_GREATER_OR_EQUAL
} npv_comparison;

npv_status npv_build_start(npv_builder *builder, npv_error *error);
void npv_build_free(npv_builder *builder);

/* Hands over the filter, of which one condition is on the stack. The builder is only to be freed. */
npv_filter *npv_build_finish(npv_builder *builder);

/* Memory that lives as long as the filter. */
npv_status npv_build_memory(npv_builder *builder, size_t size, void **memory);

/* Sets the number of the path, which this takes over, also when it fails. */
npv_status npv_build_field(npv_builder *builder, npv_path *path, npv_named_field *field);

/* How many conditions are on the stack. */
size_t npv_build_mark(const npv_builder *builder);

/* Puts EQUAL, CONTAINS (one value), IS_NULL or EXISTS (none: NULL) on the stack. The value's text must live as long. */
npv_status npv_build_condition(npv_builder *builder, npv_filter_kind kind, npv_named_field field,
                               const npv_entry *value);
npv_status npv_build_comparison(npv_builder *builder, npv_comparison comparison, npv_named_field field,
                                const npv_entry *value);
npv_status npv_build_between(npv_builder *builder, npv_named_field field, const npv_entry *low, const npv_entry *high);

/* `escape` is one code point, or of size 0. *valid is false, and nothing is put on the stack, if nothing follows it. */
npv_status npv_build_like(npv_builder *builder, npv_named_field field, npv_bytes pattern, npv_bytes escape,
                          bool ignore_case, bool *valid);

/* IN: begin a list, add its values one by one, and put the condition on the stack. O(n log n). */
void npv_build_list_begin(npv_builder *builder);
npv_status npv_build_list_add(npv_builder *builder, const npv_entry *value);
npv_status npv_build_list_in(npv_builder *builder, npv_named_field field);

npv_status npv_build_not(npv_builder *builder);

/* AND or OR of all conditions from `mark` on; of a single one it is that one. */
npv_status npv_build_group(npv_builder *builder, npv_filter_kind kind, size_t mark);

#endif
