#include "stage.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "error.h"
#include "lazy.h"
#include "meta/json.h"
#include "npz/pickle.h"
#include "records.h"
#include "vector.h"

/* ------------------------------------------------------------------------------------------------------- Vectors -- */

/* Rows that were scaled to unit length in float32 are this close to it. */
#define UNIT_TOLERANCE 1e-4

/* A vector of a journal, which is what it was when it was written, or a mistake of somebody else's. */
static npv_status place_stored(const npv_store *store, const float *x, uint64_t number, double length, float *place,
                               npv_error *error) {
    if (store->normalize && !(fabs(length - 1) <= UNIT_TOLERANCE))
        return npv_fail(error, NPV_E_FORMAT, "row %" PRIu64 ": expected a vector of length 1, found %g", number,
                        length);
    memcpy(place, x, store->dimensions * sizeof *x);
    return NPV_OK;
}

/* Checks row `number` of a batch and writes it, scaled if the store normalises, to its place. */
static npv_status place_vector(const npv_store *store, const npv_change *change, uint64_t number, float *place,
                               npv_error *error) {
    const float *const x = change->batch.vectors + number * store->dimensions;
    const double length = npv_length(store->kernels, x, store->dimensions);
    if (!isfinite(length))
        return npv_fail_not_finite(error, NPV_E_ARGUMENT, "row", number, x, store->dimensions);
    if (change->stored)
        return place_stored(store, x, number, length, place, error);
    if (!store->normalize) {
        memcpy(place, x, store->dimensions * sizeof *x);
        return NPV_OK;
    }
    if (length == 0)
        return npv_fail(error, NPV_E_ARGUMENT,
                        "row %" PRIu64 ": expected a direction, found a vector of length zero, which a store that "
                        "normalises cannot hold",
                        number);
    store->kernels->scale_row(x, store->dimensions, length, place);
    return NPV_OK;
}

static npv_status place_vectors(npv_store *store, const npv_change *change, npv_error *error) {
    const npv_batch *const batch = &change->batch;
    const size_t dimensions = store->dimensions;
    const uint64_t most = SIZE_MAX / sizeof(float) / dimensions;
    if (batch->count > most - store->rows)
        return npv_fail_memory(error, "the vectors", SIZE_MAX);
    const size_t bytes = (size_t)(store->rows + batch->count) * dimensions * sizeof(float);
    npv_status status = npv_array_grow(&store->vectors, bytes, error);
    if (status != NPV_OK)
        return status;
    float *const place = (float *)(void *)store->vectors.data + store->rows * dimensions;
    for (size_t i = 0; i < batch->count && status == NPV_OK; i++)
        status = place_vector(store, change, i, place + i * dimensions, error);
    return status;
}

/* ----------------------------------------------------------------------------------------------------- Documents -- */

bool npv_change_has_documents(const npv_change *change) {
    return change->batch.documents != NULL || change->batch.objects != NULL || change->fragments != NULL;
}

/* Buffers that are used again for each row. */
typedef struct fragment_room {
    npv_buffer document;
    npv_buffer whole; /* with its object */
} fragment_room;

/* An object that is data is the row's document; any other is kept beside it. */
static npv_status place_object(npv_bytes object, npv_bytes *fragment, npv_buffer *whole, npv_error *error) {
    const bool small = object.size <= NPV_MAX_OBJECT_BYTES;
    npv_status status = small ? npv_pickle_read_value(object, whole, error) : NPV_E_LIMIT;
    if (status != NPV_OK && status != NPV_E_MEMORY) {
        whole->size = 0;
        status = npv_object_write(whole, object, *fragment, error);
    }
    *fragment = (npv_bytes){whole->data, whole->size};
    return status;
}

/* One document of a batch; the error's message is led by its row. */
static npv_status place_document(npv_store *store, const npv_batch *batch, size_t number, fragment_room *room,
                                 npv_error *error) {
    const char *const json = batch->documents != NULL ? batch->documents[number] : NULL;
    const npv_object object = batch->objects != NULL ? batch->objects[number] : (npv_object){NULL, 0};
    npv_error found;
    room->document.size = room->whole.size = 0;
    npv_status status = json == NULL ? NPV_OK : npv_json_to_fragment(json, &room->document, &found);
    npv_bytes fragment = {room->document.data, room->document.size};
    if (status == NPV_OK && object.data != NULL)
        status = place_object((npv_bytes){object.data, object.size}, &fragment, &room->whole, &found);
    if (status == NPV_OK)
        status = npv_documents_append(&store->documents, fragment, &found);
    if (status == NPV_OK)
        return NPV_OK;
    return npv_fail_at(error, status, found.position, "row %zu: %s", number, found.message);
}

static npv_status place_fragments(npv_store *store, const npv_documents *fragments, npv_error *error) {
    npv_status status = NPV_OK;
    for (size_t i = 0; i < fragments->count && status == NPV_OK; i++)
        status = npv_documents_append(&store->documents, npv_documents_fragment(fragments, i), error);
    return status;
}

static npv_status place_documents(npv_store *store, const npv_change *change, npv_error *error) {
    const npv_batch *const batch = &change->batch;
    if (store->metadata == NPV_METADATA_TYPED && batch->objects != NULL)
        return npv_fail(error, NPV_E_ARGUMENT, "expected no objects, for this store has typed fields");
    if (store->metadata == NPV_METADATA_TYPED)
        return npv_records_place(store, batch, store->rows, error);
    if (batch->records != NULL)
        return npv_fail(error, NPV_E_ARGUMENT, "expected documents, for this store has no typed fields; found records");
    if (change->fragments != NULL)
        return place_fragments(store, change->fragments, error);
    if (!npv_change_has_documents(change))
        return npv_documents_append_none(&store->documents, batch->count, error);
    fragment_room room = {{0}, {0}};
    npv_status status = NPV_OK;
    for (size_t i = 0; i < batch->count && status == NPV_OK; i++)
        status = place_document(store, batch, i, &room, error);
    free(room.document.data);
    free(room.whole.data);
    return status;
}

/* ------------------------------------------------------------------------------------------------------- Staging -- */

/* Room in the set of rows that are not deleted, where there is one, for `count` more. */
static npv_status grow_live(npv_store *store, size_t count, npv_error *error) {
    if (store->deleted == 0)
        return NPV_OK;
    return npv_array_grow(&store->live, npv_bits_words(store->rows + count) * sizeof(uint64_t), error);
}

npv_status npv_stage(npv_store *store, const npv_change *change, npv_error *error) {
    const npv_batch *const batch = &change->batch;
    npv_status status = npv_store_load_metadata(store, error);
    if (status == NPV_OK && batch->ids != NULL)
        status = npv_store_load_ids(store, error);
    if (status == NPV_OK && batch->vectors != NULL)
        status = place_vectors(store, change, error);
    if (status == NPV_OK)
        status = place_documents(store, change, error);
    return status == NPV_OK ? grow_live(store, batch->count, error) : status;
}

void npv_stage_undo(npv_store *store) {
    npv_documents_truncate(&store->documents, (size_t)store->rows);
    npv_ids_truncate(&store->ids, store->rows);
}

void npv_stage_accept(npv_store *store, const npv_change *change, size_t count) {
    if (store->deleted > 0)
        npv_bits_set((uint64_t *)(void *)store->live.data, store->rows, store->rows + count);
    store->rows += count;
    if (npv_codes_outgrown(&store->codes, store->rows))
        npv_codes_free(&store->codes);
    if (npv_change_has_documents(change) && store->metadata == NPV_METADATA_NONE)
        store->metadata = NPV_METADATA_DOCUMENTS;
}

npv_status npv_fail_twice(npv_error *error, size_t number) {
    return npv_fail(error, NPV_E_EXISTS, "row %zu: another row of the batch has the same id", number);
}

npv_status npv_stage_id(npv_store *store, const char *id, uint64_t row, size_t number, npv_error *error) {
    npv_error found;
    uint64_t other = 0;
    const npv_bytes text = {(const unsigned char *)id, strlen(id)};
    const npv_status status = npv_ids_append(&store->ids, row, text, &other, &found);
    if (status == NPV_E_EXISTS && other >= store->rows)
        return npv_fail_twice(error, number);
    return status == NPV_OK ? NPV_OK : npv_fail(error, status, "row %zu: %s", number, found.message);
}
