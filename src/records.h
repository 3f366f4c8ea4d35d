/* The records of a store with typed fields: read from its file, added, and shown as documents. */
#ifndef NPV_RECORDS_H
#define NPV_RECORDS_H

#include "store.h"

/* Reads those that are still in the archive. Under `lazy`. */
npv_status npv_records_load(npv_store *store, npv_error *error);

/* NPV_E_UNSUPPORTED with the reason if they are kept as they are, and what their fields are is not known. */
npv_status npv_records_check_readable(const npv_store *store, npv_error *error);

/*
 * Writes the batch's records, or its documents as records, to the rows from `first` on, where nobody looks yet. Errors
 * name the row of the batch.
 */
npv_status npv_records_place(npv_store *store, const npv_batch *batch, uint64_t first, npv_error *error);

/* Appends the record of a row as the fragment of a document. */
npv_status npv_records_get(const npv_store *store, uint64_t row, npv_buffer *fragment, npv_error *error);

#endif
