#include "records.h"

#include <stdlib.h>
#include <string.h>

#include "error.h"
#include "lazy.h"
#include "meta/json.h"

static unsigned char *record_at(const npv_store *store, uint64_t row) {
    return store->records.data + row * store->schema.record_size;
}

npv_status npv_records_check_readable(const npv_store *store, npv_error *error) {
    if (store->schema.unread == NULL)
        return NPV_OK;
    return npv_fail(error, NPV_E_UNSUPPORTED,
                    "this store's typed metadata is kept as it is, but npvec does not read its fields: %s",
                    store->schema.unread);
}

npv_status npv_records_load(npv_store *store, npv_error *error) {
    return npv_archive_read_records(store->archive, &store->schema, &store->records, error);
}

/* ------------------------------------------------------------------------------------------------------ Adding -- */

/* One document of a batch as a record; the error's message is led by its row. */
static npv_status place_document(const npv_store *store, const char *json, size_t number, npv_buffer *fragment,
                                 unsigned char *record, npv_error *error) {
    npv_error found;
    npv_status status = NPV_OK;
    fragment->size = 0;
    if (json == NULL)
        status = npv_fail(&found, NPV_E_ARGUMENT, "expected a document with the store's typed fields, found none");
    if (status == NPV_OK)
        status = npv_json_to_fragment(json, fragment, &found);
    if (status == NPV_OK)
        status = npv_record_from_fragment(&store->schema, (npv_bytes){fragment->data, fragment->size}, record, &found);
    if (status == NPV_OK)
        return NPV_OK;
    return npv_fail_at(error, status, found.position, "row %zu: %s", number, found.message);
}

static npv_status place_documents(npv_store *store, const npv_batch *batch, uint64_t first, npv_error *error) {
    npv_buffer fragment = {0};
    npv_status status = npv_records_check_readable(store, error);
    for (size_t i = 0; i < batch->count && status == NPV_OK; i++)
        status = place_document(store, batch->documents[i], i, &fragment, record_at(store, first + i), error);
    free(fragment.data);
    return status;
}

static npv_status place_records(npv_store *store, const npv_batch *batch, uint64_t first, npv_error *error) {
    const npv_status status =
        npv_record_check_texts(&store->schema, batch->records, batch->count, NPV_E_ARGUMENT, error);
    if (status == NPV_OK)
        memcpy(record_at(store, first), batch->records, batch->count * store->schema.record_size);
    return status;
}

npv_status npv_records_place(npv_store *store, const npv_batch *batch, uint64_t first, npv_error *error) {
    size_t bytes;
    if ((batch->records == NULL) == (batch->documents == NULL))
        return npv_fail(error, NPV_E_ARGUMENT,
                        "expected records or documents, for this store has typed fields; found %s",
                        batch->records == NULL ? "neither" : "both");
    if (__builtin_mul_overflow(first + batch->count, store->schema.record_size, &bytes))
        return npv_fail_memory(error, "the records", SIZE_MAX);
    const npv_status status = npv_array_grow(&store->records, bytes > 0 ? bytes : 1, error); /* never NULL */
    if (status != NPV_OK)
        return status;
    return batch->records != NULL ? place_records(store, batch, first, error)
                                  : place_documents(store, batch, first, error);
}

/* ----------------------------------------------------------------------------------------------------- Reading -- */

npv_status npv_records_get(const npv_store *store, uint64_t row, npv_buffer *fragment, npv_error *error) {
    const npv_status status = npv_records_check_readable(store, error);
    return status == NPV_OK ? npv_record_to_fragment(&store->schema, record_at(store, row), fragment, error) : status;
}

npv_status npv_get_schema(npv_store *store, npv_schema *schema, npv_error *error) {
    if (store == NULL || schema == NULL || schema->size < sizeof schema->size)
        return npv_fail(error, NPV_E_ARGUMENT,
                        "npv_get_schema: expected a store and an npv_schema that holds its size");
    npv_store_lock_for_reading(store);
    /* Documents can wait: whoever asks whether there is a schema may want vectors alone. */
    const bool typed = store->metadata == NPV_METADATA_TYPED;
    const npv_status status = typed ? npv_store_load_metadata(store, error) : NPV_OK;
    const npv_schema found = {.size = schema->size,
                              .fields = store->schema.declared,
                              .field_count = store->schema.field_count,
                              .record_size = store->schema.record_size,
                              .descr = store->schema.descr,
                              .records = store->records.data};
    npv_store_unlock(store);
    if (status == NPV_OK)
        memcpy(schema, &found, schema->size < sizeof found ? schema->size : sizeof found);
    return status;
}
