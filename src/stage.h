/* Rows of a batch, written behind the last row, where nobody looks, until they are taken in or dropped. */
#ifndef NPV_STAGE_H
#define NPV_STAGE_H

#include "store.h"

/* A batch, from the caller or from a journal. */
typedef struct npv_change {
    npv_batch batch;
    const uint64_t *rows;           /* whose documents are replaced; NULL: those of the batch's ids, or new ones */
    const npv_documents *fragments; /* of a journal: a document a row, in the place of the batch's; or NULL */
    bool stored;                    /* of a journal: vectors are scaled already, and are checked instead */
} npv_change;

bool npv_change_has_documents(const npv_change *change);

/* Checks the batch and writes vectors, documents and records. Ids come with npv_stage_id. */
npv_status npv_stage(npv_store *store, const npv_change *change, npv_error *error);

/* Gives a staged row its id; `number` is that of the batch. */
npv_status npv_stage_id(npv_store *store, const char *id, uint64_t row, size_t number, npv_error *error);

npv_status npv_fail_twice(npv_error *error, size_t number);

/* Takes the first `count` rows in that were staged. Cannot fail. */
void npv_stage_accept(npv_store *store, const npv_change *change, size_t count);

void npv_stage_undo(npv_store *store);

#endif
