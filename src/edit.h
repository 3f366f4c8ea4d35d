/* Changes to a store, as its callers and its journal ask for them. All under the lock for writing. */
#ifndef NPV_EDIT_H
#define NPV_EDIT_H

#include "select.h"
#include "stage.h"

npv_status npv_edit_add(npv_store *store, const npv_change *change, npv_error *error);

/*
 * Rows are replaced by their ids, or by change->rows. `rows` and `replaced` may be NULL. A batch without vectors keeps
 * those of its rows, which must be there.
 */
npv_status npv_edit_upsert(npv_store *store, const npv_change *change, uint64_t *rows, uint64_t *replaced,
                           npv_error *error);

npv_status npv_edit_delete(npv_store *store, const npv_row_set *set, npv_error *error);

npv_status npv_edit_clear(npv_store *store, npv_error *error);

#endif
