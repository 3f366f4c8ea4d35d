/* Closing the gaps that deleted rows leave, when a store is saved. */
#ifndef NPV_COMPACT_H
#define NPV_COMPACT_H

#include "store.h"

/* What it takes, so that nothing can fail once the file has been written. */
typedef struct npv_compaction {
    uint32_t *id_room;
    npv_document_order *document_room;
} npv_compaction;

/*
 * Makes ready; nothing that a caller could see changes. Documents and ids must have been read. Pages of a mapped file
 * become private from the first deleted row on, which is when they are written to, so rows are copied once.
 */
npv_status npv_compaction_prepare(npv_store *store, npv_compaction *compaction, npv_error *error);

/* Drops the deleted rows; those behind move up, in order. Columns are made again when they are next needed. */
void npv_compaction_run(npv_store *store, const npv_compaction *compaction);

void npv_compaction_free(npv_compaction *compaction);

#endif
