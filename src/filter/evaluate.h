/* From a filter and columns to one bit a row. */
#ifndef NPV_EVALUATE_H
#define NPV_EVALUATE_H

#include "../kernels/kernels.h"
#include "../workers.h"
#include "filter.h"

/*
 * Sets bits[row / 64] >> (row % 64) & 1 for the rows for which the filter is true, clears all others up to the end of
 * the last word. columns[i] is the column of filter->paths[i], of at least `rows` rows.
 *
 * NOT goes down to the conditions on fields (De Morgan's laws hold in three-valued logic), so that one bit a row does:
 * a condition is then a set of codes, those for which it is true, or, negated, those for which it is false and not
 * NULL. Rows are shared among the workers where that is worth it.
 */
npv_status npv_filter_evaluate(const npv_filter *filter, const npv_kernels *kernels, npv_workers *workers,
                               const npv_column *const *columns, uint64_t rows, uint64_t *bits, npv_error *error);

#endif
