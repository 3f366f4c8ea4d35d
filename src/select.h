/* From an npv_selection to rows. */
#ifndef NPV_SELECT_H
#define NPV_SELECT_H

#include "filter/filter.h"
#include "store.h"

typedef struct npv_row_set {
    uint64_t *bits; /* one a row; the caller's to free. NULL: all rows of the store, none of which is deleted */
    uint64_t count;
} npv_row_set;

/* The rows that a selection is of. Under the store's lock. On failure *set is as it was. */
npv_status npv_row_set_make(npv_store *store, const npv_selection *selection, npv_row_set *set, npv_error *error);

/*
 * Does a store with typed fields have this one? NPV_E_NOT_FOUND with the name that was probably meant. Other stores may
 * have any field. `position` is for the error.
 */
npv_status npv_store_check_field(const npv_store *store, const npv_path *path, size_t position, npv_error *error);

#endif
