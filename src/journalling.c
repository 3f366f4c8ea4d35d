#include "journalling.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include <xxhash.h>

#include "edit.h"
#include "error.h"
#include "npz/pickle.h"

void npv_store_base(const npv_store *store, npv_journal_base *base) {
    const char *const descr = store->schema.descr;
    *base = store->followed.base; /* id and generation */
    base->dimensions = store->dimensions;
    base->normalize = store->normalize;
    base->record_size = store->schema.record_size;
    base->descr_hash = descr != NULL ? XXH3_64bits(descr, strlen(descr)) : 0;
}

/* ------------------------------------------------------------------------------------------------------ Writing -- */

/* Above this, memory that a batch needed is given back. */
#define MOST_SCRATCH ((size_t)1 << 20)

static void tidy(npv_buffer *scratch) {
    if (scratch->capacity <= MOST_SCRATCH)
        return;
    free(scratch->data);
    *scratch = (npv_buffer){NULL, 0, 0};
}

static npv_status write_ids(const npv_batch *batch, npv_buffer *scratch, npv_error *error) {
    npv_status status = NPV_OK;
    scratch->size = 0;
    for (size_t i = 0; batch->ids != NULL && i < batch->count && status == NPV_OK; i++) {
        const char *const id = batch->ids[i] != NULL ? batch->ids[i] : "";
        status = npv_buffer_append(scratch, id, strlen(id) + 1, error);
    }
    return status;
}

static npv_status append_number(npv_buffer *buffer, uint64_t number, npv_error *error) {
    unsigned char bytes[8];
    npv_put_u64(bytes, number);
    return npv_buffer_append(buffer, bytes, sizeof bytes, error);
}

static npv_status write_rows(const npv_change *change, npv_buffer *scratch, npv_error *error) {
    npv_status status = NPV_OK;
    scratch->size = 0;
    for (size_t i = 0; i < change->batch.count && status == NPV_OK; i++)
        status = append_number(scratch, change->rows[i], error);
    return status;
}

static npv_status sink_write(void *context, const void *data, size_t size, npv_error *error) {
    return npv_buffer_append(context, data, size, error);
}

/* The staged documents, as if they were all that there are. */
static npv_status write_documents(const npv_store *store, const npv_change *change, npv_buffer *scratch,
                                  npv_error *error) {
    npv_documents staged = store->documents;
    scratch->size = 0;
    if (!npv_change_has_documents(change) || store->metadata == NPV_METADATA_TYPED)
        return NPV_OK;
    staged.places.data += store->rows * sizeof(npv_document_place);
    staged.count = change->batch.count;
    return npv_pickle_write(&staged, NULL, (npv_sink){sink_write, scratch}, error);
}

static npv_bytes staged_rows(const npv_array *array, size_t item_size, const npv_store *store, size_t count) {
    return (npv_bytes){array->data + store->rows * item_size, count * item_size};
}

npv_status npv_journal_staged(npv_store *store, npv_journal_type type, const npv_change *change, npv_error *error) {
    npv_journal *const journal = store->journal;
    const npv_batch *const batch = &change->batch;
    store->own_changes = store->own_changes || journal == NULL;
    if (journal == NULL)
        return NPV_OK;
    npv_buffer *const names = &journal->scratch[0], *const documents = &journal->scratch[1];
    npv_status status = change->rows != NULL ? write_rows(change, names, error) : write_ids(batch, names, error);
    if (status == NPV_OK)
        status = write_documents(store, change, documents, error);
    npv_journal_batch parts = {.count = batch->count};
    if (batch->vectors != NULL)
        parts.vectors = staged_rows(&store->vectors, store->dimensions * sizeof(float), store, batch->count);
    if (store->metadata == NPV_METADATA_TYPED)
        parts.records = staged_rows(&store->records, store->schema.record_size, store, batch->count);
    if (names->size > 0)
        *(change->rows != NULL ? &parts.rows : &parts.ids) = (npv_bytes){names->data, names->size};
    if (documents->size > 0)
        parts.documents = (npv_bytes){documents->data, documents->size};
    if (status == NPV_OK)
        status = npv_journal_append_batch(journal, type, &parts, error);
    tidy(names);
    tidy(documents);
    return status;
}

npv_status npv_journal_deletion(npv_store *store, const npv_row_set *set, npv_error *error) {
    npv_journal *const journal = store->journal;
    npv_bits_run run = {0, 0};
    npv_status status = NPV_OK;
    store->own_changes = store->own_changes || journal == NULL;
    if (journal == NULL)
        return NPV_OK;
    npv_buffer *const runs = &journal->scratch[0];
    runs->size = 0;
    while (status == NPV_OK && npv_bits_next_run(set->bits, store->rows, &run)) {
        status = append_number(runs, run.first, error);
        if (status == NPV_OK)
            status = append_number(runs, run.end, error);
    }
    if (status == NPV_OK)
        status = npv_journal_append(journal, NPV_JOURNAL_DELETE, (npv_bytes){runs->data, runs->size}, error);
    tidy(runs);
    return status;
}

npv_status npv_journal_clearing(npv_store *store, npv_error *error) {
    store->own_changes = store->own_changes || store->journal == NULL;
    if (store->journal == NULL)
        return NPV_OK;
    return npv_journal_append(store->journal, NPV_JOURNAL_CLEAR, (npv_bytes){NULL, 0}, error);
}

/* ---------------------------------------------------------------------------------------------------- Replaying -- */

/* The texts of a batch, one pointer each; the empty ones are none. */
static npv_status point_at_ids(npv_bytes ids, size_t count, const char ***pointers, npv_error *error) {
    if (ids.data == NULL)
        return NPV_OK;
    const char *text = (const char *)ids.data;
    const char **const list = calloc(count, sizeof *list);
    if (list == NULL)
        return npv_fail_memory(error, "ids of a journal", count * sizeof *list);
    for (size_t i = 0; i < count; i++) {
        list[i] = *text != '\0' ? text : NULL;
        text += strlen(text) + 1;
    }
    *pointers = list;
    return NPV_OK;
}

static npv_status read_rows(npv_bytes rows, size_t count, uint64_t **numbers, npv_error *error) {
    if (rows.data == NULL)
        return NPV_OK;
    uint64_t *const list = calloc(count, sizeof *list);
    if (list == NULL)
        return npv_fail_memory(error, "rows of a journal", count * sizeof *list);
    for (size_t i = 0; i < count; i++)
        list[i] = npv_get_u64(rows.data + i * sizeof *list);
    *numbers = list;
    return NPV_OK;
}

/* What a batch must have, by the kind of store and change. */
static npv_status check_parts(const npv_store *store, npv_journal_type type, const npv_journal_batch *batch,
                              npv_error *error) {
    const bool typed = store->metadata == NPV_METADATA_TYPED, sets = type == NPV_JOURNAL_SET_DOCUMENTS;
    if ((batch->records.data != NULL) != typed || (typed && batch->documents.data != NULL) ||
        (batch->vectors.data == NULL && type == NPV_JOURNAL_ADD) ||
        (batch->ids.data == NULL && type == NPV_JOURNAL_UPSERT) || (batch->rows.data != NULL) != sets ||
        (sets && (batch->vectors.data != NULL || batch->ids.data != NULL)))
        return npv_fail(error, NPV_E_FORMAT, "the batch lacks something that this store needs, or has too much");
    return NPV_OK;
}

/*
 * What was written here mentions nothing twice, so it does not grow when it is read. A pickle that does would let a
 * small journal fill the memory, record by record.
 */
static npv_status read_documents(const npv_journal_batch *parts, npv_documents *fragments, npv_error *error) {
    const npv_status status = npv_pickle_read(parts->documents, parts->count, fragments, error);
    if (status == NPV_OK && fragments->fragments_size > parts->documents.size)
        return npv_fail(error, NPV_E_FORMAT, "its documents have %zu bytes, and in the journal only %zu",
                        fragments->fragments_size, parts->documents.size);
    return status;
}

/* `fragments` is used again and again: to make the memory of one takes longer than to read a row. */
static npv_status replay_batch(npv_store *store, const npv_journal_record *record, npv_documents *fragments,
                               npv_error *error) {
    npv_journal_batch parts;
    const char **ids = NULL;
    uint64_t *rows = NULL;
    npv_status status =
        npv_journal_read_batch(record->payload, store->dimensions, store->schema.record_size, &parts, error);
    if (status == NPV_OK)
        status = check_parts(store, record->type, &parts, error);
    if (status == NPV_OK && parts.documents.data != NULL)
        status = read_documents(&parts, fragments, error);
    if (status == NPV_OK)
        status = point_at_ids(parts.ids, (size_t)parts.count, &ids, error);
    if (status == NPV_OK)
        status = read_rows(parts.rows, (size_t)parts.count, &rows, error);
    if (status == NPV_OK) {
        const npv_change change = {.batch = {.size = sizeof(npv_batch),
                                             .count = (size_t)parts.count,
                                             .vectors = (const float *)(const void *)parts.vectors.data,
                                             .ids = ids,
                                             .records = parts.records.data},
                                   .rows = rows,
                                   .fragments = parts.documents.data != NULL ? fragments : NULL,
                                   .stored = true};
        status = record->type == NPV_JOURNAL_ADD ? npv_edit_add(store, &change, error)
                                                 : npv_edit_upsert(store, &change, NULL, NULL, error);
    }
    free(ids);
    free(rows);
    npv_documents_truncate(fragments, 0);
    return status;
}

/* Runs are in order, apart, and of rows that are there. */
static npv_status read_runs(const npv_store *store, npv_bytes runs, npv_row_set *set, npv_error *error) {
    const uint64_t *const live = npv_store_live(store);
    uint64_t before = 0;
    bool sound = runs.size > 0 && runs.size % 16 == 0;
    for (size_t i = 0; i < runs.size && sound; i += 16) {
        const uint64_t first = npv_get_u64(runs.data + i), end = npv_get_u64(runs.data + i + 8);
        sound = first >= before && first < end && end <= store->rows;
        for (uint64_t row = first; row < end && sound && live != NULL; row++)
            sound = npv_bit(live, row);
        if (!sound)
            break;
        npv_bits_set(set->bits, first, end);
        set->count += end - first;
        before = end;
    }
    return sound ? NPV_OK : npv_fail(error, NPV_E_FORMAT, "it deletes rows that are not there");
}

static npv_status replay_deletion(npv_store *store, const npv_journal_record *record, npv_error *error) {
    const size_t words = npv_bits_words(store->rows);
    npv_row_set set = {calloc(words > 0 ? words : 1, sizeof *set.bits), 0};
    if (set.bits == NULL)
        return npv_fail_memory(error, "deleted rows of a journal", words * sizeof *set.bits);
    npv_status status = read_runs(store, record->payload, &set, error);
    if (status == NPV_OK)
        status = npv_edit_delete(store, &set, error);
    free(set.bits);
    return status;
}

npv_status npv_replay_record(npv_store *store, const npv_journal_record *record, npv_documents *fragments,
                             npv_error *error) {
    switch (record->type) {
    case NPV_JOURNAL_ADD:
    case NPV_JOURNAL_UPSERT:
    case NPV_JOURNAL_SET_DOCUMENTS:
        return replay_batch(store, record, fragments, error);
    case NPV_JOURNAL_DELETE:
        return replay_deletion(store, record, error);
    case NPV_JOURNAL_CLEAR:
        if (record->payload.size > 0)
            return npv_fail(error, NPV_E_FORMAT, "it has bytes that mean nothing");
        return npv_edit_clear(store, error);
    }
    return npv_fail(error, NPV_E_UNSUPPORTED, "it is of type %d, which this version does not know", (int)record->type);
}

/* Whatever is wrong with a change of a journal is damage; memory and files aside. */
static npv_status fail_in_record(const npv_journal_reader *reader, npv_status status, const npv_error *found,
                                 npv_error *error) {
    const bool ours = status == NPV_E_MEMORY || status == NPV_E_IO || status == NPV_E_UNSUPPORTED;
    return npv_fail(error, ours ? status : NPV_E_FORMAT, "%s: change %" PRIu64 " of the journal: %s", reader->path,
                    reader->sequence, found->message);
}

/* The reader has found damage: says how much is not touched by it. */
static npv_status fail_in_journal(const npv_store *store, npv_status status, const npv_error *found, npv_error *error) {
    if (status != NPV_E_FORMAT)
        return npv_fail(error, status, "%s", found->message);
    return npv_fail(error, status, "%s; %" PRIu64 " rows are intact up to there: `npvec repair` saves them",
                    found->message, store->rows - store->deleted);
}

/* One record; *found is false if there was none. */
static npv_status replay_next(npv_store *store, npv_journal_reader *reader, npv_documents *fragments, bool *found,
                              npv_error *error) {
    npv_error wrong = {.message = ""};
    npv_journal_record record;
    npv_status status = npv_journal_next(reader, &record, found, &wrong);
    if (status != NPV_OK)
        return fail_in_journal(store, status, &wrong, error);
    if (!*found)
        return NPV_OK;
    status = npv_replay_record(store, &record, fragments, &wrong);
    store->own_changes = false;
    if (status != NPV_OK)
        return fail_in_record(reader, status, &wrong, error);
    store->followed.offset = reader->offset;
    store->followed.sequence = reader->sequence;
    return NPV_OK;
}

npv_status npv_store_replay(npv_store *store, npv_journal_reader *reader, bool *changed, npv_error *error) {
    npv_documents fragments = NPV_DOCUMENTS_EMPTY;
    npv_status status = NPV_OK;
    bool found = true;
    *changed = false;
    while (status == NPV_OK && found) {
        status = replay_next(store, reader, &fragments, &found, error);
        *changed = *changed || (status == NPV_OK && found);
    }
    npv_documents_free(&fragments);
    return status;
}
