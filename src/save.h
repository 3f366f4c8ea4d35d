/* Saving a store, and folding its journal into its archive. */
#ifndef NPV_SAVE_H
#define NPV_SAVE_H

#include "store.h"

bool npv_ends_in_npz(const char *path);

/* npv_save, under the lock for writing, or, if no rows are deleted, for reading and `saving`. */
npv_status npv_store_save(npv_store *store, const char *path, bool compress, npv_error *error);

/* A journal below this size is never worth a new archive. */
#define NPV_FOLD_AT ((uint64_t)64 << 20)

/* The journal is larger than that, and than the vectors. */
bool npv_store_is_outgrown(const npv_store *store);

/*
 * Saves the store if its journal is outgrown. Under the lock for writing. Not while there are deleted rows, because
 * saving would renumber the others: only npv_save and npv_open do that. If it fails the journal simply stays, and it is
 * tried again when it has doubled.
 */
void npv_store_fold_if_outgrown(npv_store *store);

#endif
