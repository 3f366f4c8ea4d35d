/* A condition on one field as a set of codes of the field's column: those of the values that fulfil it. */
#ifndef NPV_CODE_SET_H
#define NPV_CODE_SET_H

#include "../kernels/kernels.h"
#include "filter.h"

typedef struct npv_code_set {
    npv_code_range range;  /* of the codes below `listed`, those that are in the set */
    uint32_t listed;       /* of the codes from here on */
    unsigned char *member; /* member[code - listed] is 1 if it is in the set, else 0; NULL if there are none */
} npv_code_set;

/*
 * The values for which the condition is true, or, `negated`, for which it is false and not NULL. *set is the caller's:
 * npv_code_set_free. Comparisons and LIKE 'abc%' take O(log values); IN is decided once for each distinct value, or
 * each listed one, if these are fewer; all else once for each distinct value.
 */
npv_status npv_code_set_make(const npv_filter_node *condition, bool negated, const npv_column *column,
                             npv_code_set *set, npv_error *error);
void npv_code_set_free(npv_code_set *set);

/* Is the condition one that reads all distinct values? Where few rows are left, it is better to read theirs alone. */
bool npv_condition_reads_values(const npv_filter_node *condition);

/* Is the value in the set? */
bool npv_condition_holds(const npv_filter_node *condition, bool negated, const npv_entry *entry);

#endif
