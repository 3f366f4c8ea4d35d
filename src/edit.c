/* Rows that come, change and go: npv_add, npv_upsert, npv_set_documents, npv_delete, npv_clear. */
#include "edit.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "error.h"
#include "journalling.h"
#include "lazy.h"
#include "save.h"
#include "vector.h"

/* -------------------------------------------------------------------------------------------------------- Adding -- */

npv_status npv_edit_add(npv_store *store, const npv_change *change, npv_error *error) {
    const npv_batch *const batch = &change->batch;
    npv_status status = npv_stage(store, change, error);
    for (size_t i = 0; batch->ids != NULL && i < batch->count && status == NPV_OK; i++)
        if (batch->ids[i] != NULL)
            status = npv_stage_id(store, batch->ids[i], store->rows + i, i, error);
    if (status == NPV_OK)
        status = npv_journal_staged(store, NPV_JOURNAL_ADD, change, error);
    if (status == NPV_OK)
        npv_stage_accept(store, change, batch->count);
    else
        npv_stage_undo(store);
    return status;
}

/* Unlocks the store, and returns when what was changed is as durable as asked. */
static npv_status finish(npv_store *store, npv_status status, npv_error *error) {
    npv_journal *const journal = store->journal;
    const uint64_t written = journal != NULL ? journal->written : 0;
    if (status == NPV_OK)
        npv_store_fold_if_outgrown(store);
    npv_store_unlock(store);
    return status == NPV_OK && journal != NULL ? npv_journal_wait(journal, written, error) : status;
}

npv_status npv_add(npv_store *store, const npv_batch *given, uint64_t *first_row, npv_error *error) {
    npv_change change = {.batch = NPV_BATCH_INIT};
    if (store == NULL || given == NULL)
        return npv_fail(error, NPV_E_ARGUMENT, "npv_add: expected a store and a batch, found NULL");
    npv_status status = npv_copy_options(&change.batch, sizeof change.batch, given, "npv_batch", error);
    if (status == NPV_OK && change.batch.vectors == NULL && change.batch.count > 0)
        status = npv_fail(error, NPV_E_ARGUMENT, "expected %zu vectors, found NULL", change.batch.count);
    if (status != NPV_OK)
        return status;
    npv_store_lock_for_writing(store);
    const uint64_t first = store->rows;
    if (change.batch.count > 0)
        status = npv_edit_add(store, &change, error);
    status = finish(store, status, error);
    if (status == NPV_OK && first_row != NULL)
        *first_row = first;
    return status;
}

/* ----------------------------------------------------------------------------------------------------- Replacing -- */

/* Where the rows of a batch go. */
typedef struct upsert_job {
    npv_store *store;
    const npv_change *change;
    const npv_batch *batch; /* of it */
    uint64_t *rows;         /* one for each of the batch: below store->rows, or the next new one */
    size_t added;
} upsert_job;

static npv_status find_place(upsert_job *job, size_t number, npv_error *error) {
    npv_store *const store = job->store;
    if (job->change->rows != NULL) {
        job->rows[number] = job->change->rows[number];
        return npv_store_check_row(store, job->rows[number], error);
    }
    const char *const id = job->batch->ids == NULL ? NULL : job->batch->ids[number];
    if (id == NULL)
        return npv_fail(error, NPV_E_ARGUMENT, "row %zu: expected an id, found none", number);
    const uint64_t found = npv_ids_find(&store->ids, (npv_bytes){(const unsigned char *)id, strlen(id)});
    job->rows[number] = found < store->rows ? found : store->rows + job->added;
    if (found < store->rows)
        return NPV_OK;
    if (job->batch->vectors == NULL)
        return npv_fail(error, NPV_E_NOT_FOUND, "row %zu: no row has its id, and without vectors none can be added",
                        number);
    job->added++;
    return npv_stage_id(store, id, job->rows[number], number, error);
}

static int by_row(const void *a, const void *b) {
    const uint64_t first = *(const uint64_t *)a, second = *(const uint64_t *)b;
    return (first > second) - (first < second);
}

/* New ids were compared when they were placed; here the rows that are replaced. */
static npv_status check_distinct(const upsert_job *job, npv_error *error) {
    const size_t count = job->batch->count;
    uint64_t *const sorted = malloc(count * sizeof *sorted);
    if (sorted == NULL)
        return npv_fail_memory(error, "the rows of a batch", count * sizeof *sorted);
    memcpy(sorted, job->rows, count * sizeof *sorted);
    qsort(sorted, count, sizeof *sorted, by_row);
    size_t twice = 1;
    while (twice < count && sorted[twice] != sorted[twice - 1])
        twice++;
    const uint64_t row = twice < count ? sorted[twice] : UINT64_MAX;
    free(sorted);
    size_t number = 0;
    for (size_t seen = 0; row != UINT64_MAX && seen < 2; number++)
        seen += job->rows[number] == row;
    if (row == UINT64_MAX)
        return NPV_OK;
    if (job->change->rows != NULL)
        return npv_fail(error, NPV_E_ARGUMENT, "expected each row once, found row %" PRIu64 " again", row);
    return npv_fail_twice(error, number - 1);
}

/* Replaced vectors may lie in pages of the file. */
static npv_status make_private(const upsert_job *job, npv_error *error) {
    npv_store *const store = job->store;
    const size_t row_bytes = store->dimensions * sizeof(float);
    npv_status status = NPV_OK;
    for (size_t i = 0; job->batch->vectors != NULL && i < job->batch->count && status == NPV_OK; i++)
        if (job->rows[i] < store->rows)
            status = npv_array_make_private(&store->vectors, (size_t)job->rows[i] * row_bytes,
                                            (size_t)(job->rows[i] + 1) * row_bytes, error);
    return status;
}

/* Everything that can fail. */
static npv_status prepare_upsert(upsert_job *job, npv_error *error) {
    npv_store *const store = job->store;
    if (job->batch->count > SIZE_MAX / sizeof *job->rows)
        return npv_fail_memory(error, "the rows of a batch", SIZE_MAX);
    job->rows = malloc(job->batch->count * sizeof *job->rows);
    if (job->rows == NULL)
        return npv_fail_memory(error, "the rows of a batch", job->batch->count * sizeof *job->rows);
    npv_status status = npv_stage(store, job->change, error);
    for (size_t i = 0; i < job->batch->count && status == NPV_OK; i++)
        status = find_place(job, i, error);
    if (status == NPV_OK)
        status = check_distinct(job, error);
    if (status == NPV_OK)
        status = make_private(job, error);
    const npv_journal_type type = job->change->rows != NULL ? NPV_JOURNAL_SET_DOCUMENTS : NPV_JOURNAL_UPSERT;
    return status == NPV_OK ? npv_journal_staged(store, type, job->change, error) : status;
}

/* What was made from a row's vector is made again. */
static void refresh_row(const upsert_job *job, uint64_t row) {
    npv_store *const store = job->store;
    const float *const vectors = (const float *)(const void *)store->vectors.data;
    if (row < store->codes.rows)
        npv_codes_update(&store->codes, store->kernels, vectors, store->dimensions, row);
    if (row >= store->lengths_known)
        return;
    double *const length = (double *)(void *)store->lengths.data + row;
    store->zero_rows -= *length == 0;
    *length = npv_length(store->kernels, vectors + row * store->dimensions, store->dimensions);
    store->zero_rows += *length == 0;
}

/* Replaced documents leave their bytes behind. When these are most of them, and not few, they are given back. */
#define FEW_BYTES ((size_t)1 << 20)

static void tidy_documents(npv_documents *documents) {
    if (documents->unused < FEW_BYTES || documents->unused < documents->fragments_size / 2)
        return;
    npv_document_order *const room = calloc(documents->count, sizeof *room);
    if (room != NULL)
        npv_documents_compact(documents, NULL, room);
    free(room);
}

/* From here on nothing can fail. */
static void settle(const upsert_job *job) {
    npv_store *const store = job->store;
    const uint64_t first = store->rows;
    const size_t count = job->batch->count;
    if (job->batch->vectors != NULL)
        npv_array_settle(&store->vectors, store->dimensions * sizeof(float), first, job->rows, count);
    if (store->metadata == NPV_METADATA_TYPED)
        npv_array_settle(&store->records, store->schema.record_size, first, job->rows, count);
    else
        npv_documents_settle(&store->documents, (size_t)first, job->rows, count);
    const npv_column_source source = npv_store_column_source(store);
    for (size_t i = 0; i < count; i++) {
        if (job->rows[i] >= first)
            continue;
        if (job->batch->vectors != NULL)
            refresh_row(job, job->rows[i]);
        npv_columns_update(&store->columns, &source, job->rows[i]);
    }
    npv_stage_accept(store, job->change, job->added);
    tidy_documents(&store->documents);
}

npv_status npv_edit_upsert(npv_store *store, const npv_change *change, uint64_t *rows, uint64_t *replaced,
                           npv_error *error) {
    upsert_job job = {.store = store, .change = change, .batch = &change->batch};
    npv_status status = change->rows == NULL ? npv_store_load_ids(store, error) : NPV_OK;
    if (status == NPV_OK)
        status = prepare_upsert(&job, error);
    if (status == NPV_OK) {
        settle(&job);
        if (rows != NULL)
            memcpy(rows, job.rows, change->batch.count * sizeof *rows);
        if (replaced != NULL)
            *replaced = change->batch.count - job.added;
    } else {
        npv_stage_undo(store);
    }
    free(job.rows);
    return status;
}

npv_status npv_upsert(npv_store *store, const npv_batch *given, uint64_t *rows, uint64_t *replaced, npv_error *error) {
    npv_change change = {.batch = NPV_BATCH_INIT};
    if (store == NULL || given == NULL)
        return npv_fail(error, NPV_E_ARGUMENT, "npv_upsert: expected a store and a batch, found NULL");
    npv_status status = npv_copy_options(&change.batch, sizeof change.batch, given, "npv_batch", error);
    if (status != NPV_OK)
        return status;
    if (change.batch.count == 0) {
        if (replaced != NULL)
            *replaced = 0;
        return NPV_OK;
    }
    npv_store_lock_for_writing(store);
    status = npv_edit_upsert(store, &change, rows, replaced, error);
    return finish(store, status, error);
}

npv_status npv_set_documents(npv_store *store, const uint64_t *rows, const npv_batch *given, npv_error *error) {
    npv_change change = {.batch = NPV_BATCH_INIT, .rows = rows};
    if (store == NULL || given == NULL)
        return npv_fail(error, NPV_E_ARGUMENT, "npv_set_documents: expected a store and a batch, found NULL");
    npv_status status = npv_copy_options(&change.batch, sizeof change.batch, given, "npv_batch", error);
    if (status == NPV_OK && (change.batch.vectors != NULL || change.batch.ids != NULL))
        status = npv_fail(error, NPV_E_ARGUMENT,
                          "npv_set_documents: expected a batch without vectors and ids, found %s; npv_upsert "
                          "replaces vectors",
                          change.batch.vectors != NULL ? "vectors" : "ids");
    if (status != NPV_OK || change.batch.count == 0)
        return status;
    if (rows == NULL)
        return npv_fail(error, NPV_E_ARGUMENT, "npv_set_documents: expected %zu row numbers, found NULL",
                        change.batch.count);
    npv_store_lock_for_writing(store);
    status = npv_edit_upsert(store, &change, NULL, NULL, error);
    return finish(store, status, error);
}

/* ------------------------------------------------------------------------------------------------------ Deleting -- */

/* The set of rows that are not deleted, made when the first one goes. */
static npv_status start_live(npv_store *store, npv_error *error) {
    if (store->deleted > 0)
        return NPV_OK;
    const npv_status status = npv_array_grow(&store->live, npv_bits_words(store->rows) * sizeof(uint64_t), error);
    if (status == NPV_OK)
        npv_bits_set((uint64_t *)(void *)store->live.data, 0, store->rows);
    return status;
}

npv_status npv_edit_delete(npv_store *store, const npv_row_set *set, npv_error *error) {
    npv_bits_run run = {0, 0};
    npv_status status = npv_store_load_ids(store, error);
    if (status != NPV_OK || set->count == 0)
        return status;
    status = start_live(store, error);
    if (status == NPV_OK)
        status = npv_journal_deletion(store, set, error);
    if (status != NPV_OK)
        return status;
    uint64_t *const live = (uint64_t *)(void *)store->live.data;
    while (npv_bits_next_run(set->bits, store->rows, &run)) {
        for (uint64_t row = run.first; row < run.end; row++) {
            npv_bit_clear(live, row);
            npv_ids_remove(&store->ids, row);
        }
    }
    store->deleted += set->count;
    return NPV_OK;
}

npv_status npv_delete(npv_store *store, const npv_selection *given, uint64_t *deleted, npv_error *error) {
    npv_selection selection = NPV_SELECTION_INIT;
    npv_row_set set = {NULL, 0};
    if (store == NULL)
        return npv_fail(error, NPV_E_ARGUMENT, "npv_delete: expected a store, found NULL");
    npv_status status = npv_copy_options(&selection, sizeof selection, given, "npv_selection", error);
    if (status == NPV_OK && selection.filter == NULL && selection.rows == NULL && selection.ids == NULL)
        status = npv_fail(error, NPV_E_ARGUMENT,
                          "npv_delete: expected a filter, rows or ids, found none; npv_clear removes all rows");
    if (status != NPV_OK)
        return status;
    npv_store_lock_for_writing(store);
    status = npv_row_set_make(store, &selection, &set, error);
    if (status == NPV_OK)
        status = npv_edit_delete(store, &set, error);
    free(set.bits);
    status = finish(store, status, error);
    if (status == NPV_OK && deleted != NULL)
        *deleted = set.count;
    return status;
}

npv_status npv_edit_clear(npv_store *store, npv_error *error) {
    npv_status status = npv_journal_clearing(store, error);
    if (status == NPV_OK)
        status = npv_array_clear(&store->vectors, error);
    if (status == NPV_OK)
        status = npv_array_clear(&store->records, error);
    if (status != NPV_OK) {
        if (store->journal != NULL)
            npv_journal_break(store->journal, "rows could not be removed from memory");
        return status;
    }
    npv_archive_close(store->archive);
    store->archive = NULL;
    store->metadata_waits = store->ids_wait = false;
    npv_documents_free(&store->documents);
    npv_columns_free(&store->columns);
    npv_ids_free(&store->ids);
    npv_array_free(&store->lengths);
    npv_array_free(&store->live);
    npv_codes_free(&store->codes);
    if (store->metadata != NPV_METADATA_TYPED)
        store->metadata = NPV_METADATA_NONE;
    store->rows = store->deleted = store->lengths_known = store->zero_rows = store->rows_scanned = 0;
    store->mapped = false;
    strcpy(store->origin, "created in memory");
    return NPV_OK;
}

npv_status npv_clear(npv_store *store, npv_error *error) {
    if (store == NULL)
        return npv_fail(error, NPV_E_ARGUMENT, "npv_clear: expected a store, found NULL");
    npv_store_lock_for_writing(store);
    return finish(store, npv_edit_clear(store, error), error);
}
