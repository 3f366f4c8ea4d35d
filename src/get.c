/* What a store hands out of its rows: vectors, ids, documents, fields of these. */
#include <stdlib.h>
#include <string.h>

#include "error.h"
#include "lazy.h"
#include "meta/json.h"
#include "meta/value.h"
#include "records.h"
#include "select.h"
#include "store.h"

/* ----------------------------------------------------------------------------------------- Vectors and documents -- */

const float *npv_vectors(npv_store *store) {
    npv_store_lock_for_reading(store);
    const float *vectors = (const float *)(const void *)store->vectors.data;
    npv_store_unlock(store);
    return vectors;
}

npv_status npv_get_vector(npv_store *store, uint64_t row, const float **vector, npv_error *error) {
    if (store == NULL || vector == NULL)
        return npv_fail(error, NPV_E_ARGUMENT, "npv_get_vector: expected a store and a place, found NULL");
    npv_store_lock_for_reading(store);
    const npv_status status = npv_store_check_row(store, row, error);
    if (status == NPV_OK)
        *vector = (const float *)(const void *)store->vectors.data + row * store->dimensions;
    npv_store_unlock(store);
    return status;
}

/* The document of a row as a fragment; `room` is to be freed whatever happens. */
static npv_status find_fragment(npv_store *store, uint64_t row, npv_buffer *room, npv_bytes *fragment,
                                npv_error *error) {
    npv_status status = npv_store_check_row(store, row, error);
    if (status == NPV_OK)
        status = npv_store_load_metadata(store, error);
    if (status != NPV_OK)
        return status;
    if (store->metadata == NPV_METADATA_TYPED) {
        status = npv_records_get(store, row, room, error);
        *fragment = (npv_bytes){room->data, room->size};
    } else {
        *fragment = npv_documents_get(&store->documents, (size_t)row);
    }
    return status;
}

static npv_status get_document(npv_store *store, uint64_t row, npv_buffer *room, npv_buffer *json, npv_error *error) {
    npv_bytes fragment;
    npv_status status = find_fragment(store, row, room, &fragment, error);
    if (status != NPV_OK || fragment.size == 0)
        return status;
    status = npv_fragment_to_json(fragment, json, error);
    return status == NPV_OK ? npv_buffer_append(json, "", 1, error) : status;
}

npv_status npv_get_document(npv_store *store, uint64_t row, char **json, npv_error *error) {
    if (store == NULL || json == NULL)
        return npv_fail(error, NPV_E_ARGUMENT, "npv_get_document: expected a store and a place, found NULL");
    npv_buffer room = {0}, text = {0};
    npv_store_lock_for_reading(store);
    const npv_status status = get_document(store, row, &room, &text, error);
    npv_store_unlock(store);
    free(room.data);
    if (status == NPV_OK)
        *json = (char *)text.data;
    else
        free(text.data);
    return status;
}

/* A fragment is a pickle but for its first and last opcodes. */
static npv_status get_pickle(npv_store *store, uint64_t row, npv_buffer *room, npv_buffer *pickle, npv_error *error) {
    static const char protocol[] = {'\x80', 4}, stop[] = {'.'};
    npv_bytes fragment;
    npv_status status = find_fragment(store, row, room, &fragment, error);
    if (status != NPV_OK || fragment.size == 0)
        return status;
    status = npv_buffer_append(pickle, protocol, sizeof protocol, error);
    if (status == NPV_OK)
        status = npv_buffer_append(pickle, fragment.data, fragment.size, error);
    return status == NPV_OK ? npv_buffer_append(pickle, stop, sizeof stop, error) : status;
}

npv_status npv_get_pickle(npv_store *store, uint64_t row, unsigned char **pickle, size_t *pickle_size,
                          npv_error *error) {
    if (store == NULL || pickle == NULL || pickle_size == NULL)
        return npv_fail(error, NPV_E_ARGUMENT, "npv_get_pickle: expected a store and places, found NULL");
    npv_buffer room = {0}, bytes = {0};
    npv_store_lock_for_reading(store);
    const npv_status status = get_pickle(store, row, &room, &bytes, error);
    npv_store_unlock(store);
    free(room.data);
    if (status == NPV_OK) {
        *pickle = bytes.data;
        *pickle_size = bytes.size;
    } else {
        free(bytes.data);
    }
    return status;
}

static npv_status get_object(npv_store *store, uint64_t row, npv_buffer *object, npv_error *error) {
    npv_status status = npv_store_check_row(store, row, error);
    if (status == NPV_OK)
        status = npv_store_load_metadata(store, error);
    if (status != NPV_OK || store->metadata != NPV_METADATA_DOCUMENTS)
        return status;
    const npv_bytes found = npv_documents_object(&store->documents, (size_t)row);
    if (found.data == NULL)
        return NPV_OK;
    status = npv_buffer_reserve(object, found.size + 1, error); /* not NULL, even without bytes */
    return status == NPV_OK ? npv_buffer_append(object, found.data, found.size, error) : status;
}

npv_status npv_get_object(npv_store *store, uint64_t row, unsigned char **object, size_t *object_size,
                          npv_error *error) {
    if (store == NULL || object == NULL || object_size == NULL)
        return npv_fail(error, NPV_E_ARGUMENT, "npv_get_object: expected a store and places, found NULL");
    npv_buffer bytes = {0};
    npv_store_lock_for_reading(store);
    const npv_status status = get_object(store, row, &bytes, error);
    npv_store_unlock(store);
    if (status == NPV_OK) {
        *object = bytes.data;
        *object_size = bytes.size;
    } else {
        free(bytes.data);
    }
    return status;
}

/* Appends one field of a document to the dict of those that were asked for. */
static npv_status project(const npv_store *store, npv_bytes document, const char *field, npv_buffer *fields,
                          npv_error *error) {
    npv_path path;
    npv_status status = npv_path_parse(field, &path, error);
    if (status != NPV_OK)
        return status;
    if (store->metadata == NPV_METADATA_TYPED)
        status = npv_store_check_field(store, &path, NPV_NO_POSITION, error);
    const npv_bytes value = npv_path_find(&path, document);
    if (status == NPV_OK && value.size > 0)
        status = npv_value_write_str(fields, (npv_bytes){(const unsigned char *)field, strlen(field)}, error);
    if (status == NPV_OK)
        status = npv_buffer_append(fields, value.data, value.size, error);
    npv_path_free(&path);
    return status;
}

static npv_status check_fields(const char *const *fields, size_t count, npv_error *error) {
    if (count > NPV_MAX_FIELDS)
        return npv_fail(error, NPV_E_LIMIT, "expected at most %d fields, found %zu", NPV_MAX_FIELDS, count);
    for (size_t i = 0; i < count; i++) {
        if (fields[i] == NULL)
            return npv_fail(error, NPV_E_ARGUMENT, "npv_get_fields: expected the name of field %zu, found NULL", i);
        for (size_t j = 0; j < i; j++)
            if (strcmp(fields[i], fields[j]) == 0)
                return npv_fail(error, NPV_E_ARGUMENT, "expected each field once, found '%.64s' again", fields[i]);
    }
    return NPV_OK;
}

static npv_status get_fields(npv_store *store, uint64_t row, const char *const *fields, size_t count, npv_buffer *room,
                             npv_buffer *json, npv_error *error) {
    npv_bytes document;
    npv_buffer found = {0};
    npv_status status = find_fragment(store, row, room, &document, error);
    if (status != NPV_OK || document.size == 0)
        return status;
    status = npv_value_begin(&found, NPV_VALUE_DICT, error);
    for (size_t i = 0; i < count && status == NPV_OK; i++)
        status = project(store, document, fields[i], &found, error);
    if (status == NPV_OK)
        status = npv_value_end(&found, NPV_VALUE_DICT, error);
    if (status == NPV_OK)
        status = npv_fragment_to_json((npv_bytes){found.data, found.size}, json, error);
    free(found.data);
    return status == NPV_OK ? npv_buffer_append(json, "", 1, error) : status;
}

npv_status npv_get_fields(npv_store *store, uint64_t row, const char *const *fields, size_t field_count, char **json,
                          npv_error *error) {
    if (store == NULL || json == NULL || (fields == NULL && field_count > 0))
        return npv_fail(error, NPV_E_ARGUMENT, "npv_get_fields: expected a store, fields and a place, found NULL");
    npv_buffer room = {0}, text = {0};
    npv_status status = check_fields(fields, field_count, error);
    if (status != NPV_OK)
        return status;
    npv_store_lock_for_reading(store);
    status = get_fields(store, row, fields, field_count, &room, &text, error);
    npv_store_unlock(store);
    free(room.data);
    if (status == NPV_OK)
        *json = (char *)text.data;
    else
        free(text.data);
    return status;
}

/* --------------------------------------------------------------------------------------------------------- Ids -- */

npv_status npv_find(npv_store *store, const char *id, uint64_t *row, npv_error *error) {
    if (store == NULL || id == NULL || row == NULL)
        return npv_fail(error, NPV_E_ARGUMENT, "npv_find: expected a store, an id and a place, found NULL");
    const npv_bytes sought = {(const unsigned char *)id, strlen(id)};
    uint64_t found = UINT64_MAX;
    npv_store_lock_for_reading(store);
    const npv_status status = npv_store_load_ids(store, error);
    if (status == NPV_OK)
        found = npv_ids_find(&store->ids, sought);
    npv_store_unlock(store);
    if (status != NPV_OK)
        return status;
    char shown[NPV_SHOWN];
    npv_bytes_show(sought, shown);
    if (found == UINT64_MAX)
        return npv_fail(error, NPV_E_NOT_FOUND, "no row has the id '%s'", shown);
    *row = found;
    return NPV_OK;
}

npv_status npv_get_id(npv_store *store, uint64_t row, const char **id, npv_error *error) {
    if (store == NULL || id == NULL)
        return npv_fail(error, NPV_E_ARGUMENT, "npv_get_id: expected a store and a place, found NULL");
    npv_store_lock_for_reading(store);
    npv_status status = npv_store_check_row(store, row, error);
    if (status == NPV_OK)
        status = npv_store_load_ids(store, error);
    if (status == NPV_OK)
        *id = npv_ids_get(&store->ids, row);
    npv_store_unlock(store);
    return status;
}
