/* Rows that come, change and go: npv_add, npv_upsert, npv_delete, npv_clear. */
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "error.h"
#include "lazy.h"
#include "meta/json.h"
#include "records.h"
#include "select.h"
#include "store.h"
#include "vector.h"

/* ------------------------------------------------------------------------------------------------------ Staging -- */

/* Checks row `number` of a batch and writes it, scaled if the store normalises, to its place. */
static npv_status place_vector(const npv_store *store, const float *x, uint64_t number, double *wide, float *place,
                               npv_error *error) {
    const double length = npv_length(store->kernels, x, store->dimensions, wide);
    if (!isfinite(length))
        return npv_fail_not_finite(error, NPV_E_ARGUMENT, "row", number, x, store->dimensions);
    if (!store->normalize) {
        memcpy(place, x, store->dimensions * sizeof *x);
        return NPV_OK;
    }
    if (length == 0)
        return npv_fail(error, NPV_E_ARGUMENT,
                        "row %" PRIu64 ": expected a direction, found a vector of length zero, which a store that "
                        "normalises cannot hold",
                        number);
    npv_scale_to_unit(x, store->dimensions, length, place);
    return NPV_OK;
}

static npv_status place_vectors(npv_store *store, const npv_batch *batch, npv_error *error) {
    const size_t dimensions = store->dimensions;
    const uint64_t most = SIZE_MAX / sizeof(float) / dimensions;
    if (batch->count > most - store->rows)
        return npv_fail_memory(error, "the vectors", SIZE_MAX);
    const size_t bytes = (size_t)(store->rows + batch->count) * dimensions * sizeof(float);
    double *wide = malloc(NPV_PADDED(dimensions) * sizeof *wide);
    if (wide == NULL)
        return npv_fail_memory(error, "a vector", NPV_PADDED(dimensions) * sizeof *wide);
    npv_status status = npv_array_grow(&store->vectors, bytes, error);
    if (status == NPV_OK) {
        float *place = (float *)(void *)store->vectors.data + store->rows * dimensions;
        for (size_t i = 0; i < batch->count && status == NPV_OK; i++)
            status = place_vector(store, batch->vectors + i * dimensions, i, wide, place + i * dimensions, error);
    }
    free(wide);
    return status;
}

/* One document of a batch; the error's message is led by its row. */
static npv_status place_document(npv_store *store, const char *json, size_t number, npv_buffer *fragment,
                                 npv_error *error) {
    npv_error found;
    fragment->size = 0;
    npv_status status = json == NULL ? NPV_OK : npv_json_to_fragment(json, fragment, &found);
    if (status == NPV_OK)
        status = npv_documents_append(&store->documents, (npv_bytes){fragment->data, fragment->size}, &found);
    if (status == NPV_OK)
        return NPV_OK;
    return npv_fail_at(error, status, found.position, "row %zu: %s", number, found.message);
}

static npv_status place_documents(npv_store *store, const npv_batch *batch, npv_error *error) {
    if (store->metadata == NPV_METADATA_TYPED)
        return npv_records_place(store, batch, store->rows, error);
    if (batch->records != NULL)
        return npv_fail(error, NPV_E_ARGUMENT, "expected documents, for this store has no typed fields; found records");
    if (batch->documents == NULL)
        return npv_documents_append_none(&store->documents, batch->count, error);
    npv_buffer fragment = {0};
    npv_status status = NPV_OK;
    for (size_t i = 0; i < batch->count && status == NPV_OK; i++)
        status = place_document(store, batch->documents[i], i, &fragment, error);
    free(fragment.data);
    return status;
}

/* Room in the set of rows that are not deleted, where there is one, for `count` more. */
static npv_status grow_live(npv_store *store, size_t count, npv_error *error) {
    if (store->deleted == 0)
        return NPV_OK;
    return npv_array_grow(&store->live, npv_bits_words(store->rows + count) * sizeof(uint64_t), error);
}

/* Vectors, documents and records of a batch are written behind the last row, where nobody looks. */
static npv_status stage(npv_store *store, const npv_batch *batch, npv_error *error) {
    npv_status status = npv_store_load_metadata(store, error);
    if (status == NPV_OK && batch->ids != NULL)
        status = npv_store_load_ids(store, error);
    if (status == NPV_OK)
        status = place_vectors(store, batch, error);
    if (status == NPV_OK)
        status = place_documents(store, batch, error);
    return status == NPV_OK ? grow_live(store, batch->count, error) : status;
}

static void undo_stage(npv_store *store) {
    npv_documents_truncate(&store->documents, (size_t)store->rows);
    npv_ids_truncate(&store->ids, store->rows);
}

/* Takes `count` rows in that have been staged. */
static void accept(npv_store *store, const npv_batch *batch, size_t count) {
    if (store->deleted > 0)
        npv_bits_set((uint64_t *)(void *)store->live.data, store->rows, store->rows + count);
    store->rows += count;
    if (npv_codes_outgrown(&store->codes, store->rows))
        npv_codes_free(&store->codes);
    if (batch->documents != NULL && store->metadata == NPV_METADATA_NONE)
        store->metadata = NPV_METADATA_DOCUMENTS;
}

static npv_status fail_twice(npv_error *error, size_t number) {
    return npv_fail(error, NPV_E_EXISTS, "row %zu: another row of the batch has the same id", number);
}

/* Gives a staged row its id; `number` is that of the batch. */
static npv_status place_id(npv_store *store, const char *id, uint64_t row, size_t number, npv_error *error) {
    npv_error found;
    uint64_t other = 0;
    const npv_bytes text = {(const unsigned char *)id, strlen(id)};
    const npv_status status = npv_ids_append(&store->ids, row, text, &other, &found);
    if (status == NPV_E_EXISTS && other >= store->rows)
        return fail_twice(error, number);
    return status == NPV_OK ? NPV_OK : npv_fail(error, status, "row %zu: %s", number, found.message);
}

/* ------------------------------------------------------------------------------------------------------- Adding -- */

static npv_status add(npv_store *store, const npv_batch *batch, npv_error *error) {
    npv_status status = stage(store, batch, error);
    for (size_t i = 0; batch->ids != NULL && i < batch->count && status == NPV_OK; i++)
        if (batch->ids[i] != NULL)
            status = place_id(store, batch->ids[i], store->rows + i, i, error);
    if (status == NPV_OK)
        accept(store, batch, batch->count);
    else
        undo_stage(store);
    return status;
}

static npv_status copy_batch(npv_batch *batch, const npv_batch *given, npv_error *error) {
    const npv_status status = npv_copy_options(batch, sizeof *batch, given, "npv_batch", error);
    if (status == NPV_OK && batch->vectors == NULL && batch->count > 0)
        return npv_fail(error, NPV_E_ARGUMENT, "expected %zu vectors, found NULL", batch->count);
    return status;
}

npv_status npv_add(npv_store *store, const npv_batch *given, uint64_t *first_row, npv_error *error) {
    npv_batch batch = NPV_BATCH_INIT;
    if (store == NULL || given == NULL)
        return npv_fail(error, NPV_E_ARGUMENT, "npv_add: expected a store and a batch, found NULL");
    npv_status status = copy_batch(&batch, given, error);
    if (status != NPV_OK)
        return status;
    npv_store_lock_for_writing(store);
    const uint64_t first = store->rows;
    if (batch.count > 0)
        status = add(store, &batch, error);
    npv_store_unlock(store);
    if (status == NPV_OK && first_row != NULL)
        *first_row = first;
    return status;
}

/* ---------------------------------------------------------------------------------------------------- Upserting -- */

/* Where the rows of a batch go. */
typedef struct upsert_job {
    npv_store *store;
    const npv_batch *batch;
    uint64_t *rows; /* one for each of the batch: below store->rows, or the next new one */
    size_t added;
    double *wide;
} upsert_job;

static npv_status find_place(upsert_job *job, size_t number, npv_error *error) {
    npv_store *const store = job->store;
    const char *const id = job->batch->ids == NULL ? NULL : job->batch->ids[number];
    if (id == NULL)
        return npv_fail(error, NPV_E_ARGUMENT, "row %zu: expected an id, found none", number);
    const uint64_t found = npv_ids_find(&store->ids, (npv_bytes){(const unsigned char *)id, strlen(id)});
    job->rows[number] = found < store->rows ? found : store->rows + job->added;
    if (found < store->rows)
        return NPV_OK;
    job->added++;
    return place_id(store, id, job->rows[number], number, error);
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
    return row == UINT64_MAX ? NPV_OK : fail_twice(error, number - 1);
}

/* Everything that can fail. */
static npv_status prepare_upsert(upsert_job *job, npv_error *error) {
    npv_store *const store = job->store;
    const size_t row_bytes = store->dimensions * sizeof(float);
    const size_t wide_bytes = NPV_PADDED(store->dimensions) * sizeof *job->wide;
    if (job->batch->count > SIZE_MAX / sizeof *job->rows)
        return npv_fail_memory(error, "the rows of a batch", SIZE_MAX);
    job->rows = malloc(job->batch->count * sizeof *job->rows);
    job->wide = malloc(wide_bytes);
    if (job->rows == NULL || job->wide == NULL)
        return npv_fail_memory(error, "the rows of a batch", job->batch->count * sizeof *job->rows + wide_bytes);
    npv_status status = stage(store, job->batch, error);
    for (size_t i = 0; i < job->batch->count && status == NPV_OK; i++)
        status = find_place(job, i, error);
    if (status == NPV_OK)
        status = check_distinct(job, error);
    for (size_t i = 0; i < job->batch->count && status == NPV_OK; i++)
        if (job->rows[i] < store->rows)
            status = npv_array_make_private(&store->vectors, (size_t)job->rows[i] * row_bytes,
                                            (size_t)(job->rows[i] + 1) * row_bytes, error);
    return status;
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
    *length = npv_length(store->kernels, vectors + row * store->dimensions, store->dimensions, job->wide);
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
    npv_array_settle(&store->vectors, store->dimensions * sizeof(float), first, job->rows, count);
    if (store->metadata == NPV_METADATA_TYPED)
        npv_array_settle(&store->records, store->schema.record_size, first, job->rows, count);
    else
        npv_documents_settle(&store->documents, (size_t)first, job->rows, count);
    const npv_column_source source = npv_store_column_source(store);
    for (size_t i = 0; i < count; i++) {
        if (job->rows[i] >= first)
            continue;
        refresh_row(job, job->rows[i]);
        npv_columns_update(&store->columns, &source, job->rows[i]);
    }
    accept(store, job->batch, job->added);
    tidy_documents(&store->documents);
}

static npv_status upsert(npv_store *store, const npv_batch *batch, uint64_t *rows, uint64_t *replaced,
                         npv_error *error) {
    upsert_job job = {.store = store, .batch = batch};
    npv_status status = npv_store_load_ids(store, error);
    if (status == NPV_OK)
        status = prepare_upsert(&job, error);
    if (status == NPV_OK) {
        settle(&job);
        if (rows != NULL)
            memcpy(rows, job.rows, batch->count * sizeof *rows);
        if (replaced != NULL)
            *replaced = batch->count - job.added;
    } else {
        undo_stage(store);
    }
    free(job.rows);
    free(job.wide);
    return status;
}

npv_status npv_upsert(npv_store *store, const npv_batch *given, uint64_t *rows, uint64_t *replaced, npv_error *error) {
    npv_batch batch = NPV_BATCH_INIT;
    if (store == NULL || given == NULL)
        return npv_fail(error, NPV_E_ARGUMENT, "npv_upsert: expected a store and a batch, found NULL");
    npv_status status = copy_batch(&batch, given, error);
    if (status != NPV_OK)
        return status;
    if (batch.count == 0) {
        if (replaced != NULL)
            *replaced = 0;
        return NPV_OK;
    }
    npv_store_lock_for_writing(store);
    status = upsert(store, &batch, rows, replaced, error);
    npv_store_unlock(store);
    return status;
}

/* ----------------------------------------------------------------------------------------------------- Deleting -- */

/* The set of rows that are not deleted, made when the first one goes. */
static npv_status start_live(npv_store *store, npv_error *error) {
    if (store->deleted > 0)
        return NPV_OK;
    const npv_status status = npv_array_grow(&store->live, npv_bits_words(store->rows) * sizeof(uint64_t), error);
    if (status == NPV_OK)
        npv_bits_set((uint64_t *)(void *)store->live.data, 0, store->rows);
    return status;
}

static npv_status delete_rows(npv_store *store, const npv_row_set *set, npv_error *error) {
    npv_bits_run run = {0, 0};
    npv_status status = npv_store_load_ids(store, error);
    if (status == NPV_OK && set->count > 0)
        status = start_live(store, error);
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
        status = delete_rows(store, &set, error);
    npv_store_unlock(store);
    free(set.bits);
    if (status == NPV_OK && deleted != NULL)
        *deleted = set.count;
    return status;
}

static npv_status clear(npv_store *store, npv_error *error) {
    npv_status status = npv_array_clear(&store->vectors, error);
    if (status == NPV_OK)
        status = npv_array_clear(&store->records, error);
    if (status != NPV_OK)
        return status;
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
    const npv_status status = clear(store, error);
    npv_store_unlock(store);
    return status;
}
