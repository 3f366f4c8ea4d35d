/* Between a store and its journal: what is done to the one is written to the other, and the other way round. */
#ifndef NPV_JOURNALLING_H
#define NPV_JOURNALLING_H

#include "select.h"
#include "stage.h"
#include "store.h"

/* The state of the archive that the store was read from or saved to last, as journals name it. */
void npv_store_base(const npv_store *store, npv_journal_base *base);

/*
 * Writes a change to the store's journal, if it has one, before it is made: the batch is staged. If that fails nothing
 * has happened. Under the store's lock for writing, like all that follows.
 */
npv_status npv_journal_staged(npv_store *store, npv_journal_type type, const npv_change *change, npv_error *error);
npv_status npv_journal_deletion(npv_store *store, const npv_row_set *set, npv_error *error);
npv_status npv_journal_clearing(npv_store *store, npv_error *error);

/*
 * Does to the store what the journal says, from where the reader stands to its last whole record. The store writes no
 * journal, and has no changes of its own. *changed: there was something. On failure what went before has been done.
 */
npv_status npv_store_replay(npv_store *store, npv_journal_reader *reader, bool *changed, npv_error *error);

/* One of them; all of it is done or nothing. `fragments` is empty, and stays so: memory that is used again. */
npv_status npv_replay_record(npv_store *store, const npv_journal_record *record, npv_documents *fragments,
                             npv_error *error);

#endif
