#include "documents.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "../error.h"

static npv_document_place *places(const npv_documents *documents) {
    return (npv_document_place *)(void *)documents->places.data;
}

/* ------------------------------------------------------------------------------------------------------ Objects -- */

enum { CALL_SIZE = sizeof NPV_OBJECT_CALL - 1, HEAD_SIZE = CALL_SIZE + 1 + 4 };

/* No value begins like a call of pickle.loads: the only class that values name is NumPy's. */
static bool has_object(npv_bytes fragment) {
    return fragment.size > CALL_SIZE && memcmp(fragment.data, NPV_OBJECT_CALL, CALL_SIZE) == 0;
}

static npv_bytes object_of(npv_bytes fragment) {
    size_t size = 0;
    for (int i = 4; i-- > 0;)
        size = size << 8 | fragment.data[CALL_SIZE + 1 + i];
    return (npv_bytes){fragment.data + HEAD_SIZE, size};
}

static npv_bytes document_of(npv_bytes fragment) {
    const size_t before = HEAD_SIZE + object_of(fragment).size + 2;
    const npv_bytes document = {fragment.data + before, fragment.size - before - 1};
    return document.data[0] == 'N' ? (npv_bytes){NULL, 0} : document;
}

npv_status npv_object_write(npv_buffer *fragment, npv_bytes object, npv_bytes document, npv_error *error) {
    static const unsigned char none[] = {'N'};
    unsigned char head[HEAD_SIZE] = NPV_OBJECT_CALL "B";
    if (object.size > NPV_MAX_OBJECT_BYTES)
        return npv_fail(error, NPV_E_LIMIT, "an object may have %d bytes, found %zu", NPV_MAX_OBJECT_BYTES,
                        object.size);
    for (int i = 0; i < 4; i++)
        head[CALL_SIZE + 1 + i] = (unsigned char)(object.size >> 8 * i);
    npv_status status = npv_buffer_append(fragment, head, sizeof head, error);
    if (status == NPV_OK)
        status = npv_buffer_append(fragment, object.data, object.size, error);
    if (status == NPV_OK)
        status = npv_buffer_append(fragment, "\x85R", 2, error);
    if (status == NPV_OK)
        status = npv_buffer_append(fragment, document.size > 0 ? document.data : none,
                                   document.size > 0 ? document.size : sizeof none, error);
    return status == NPV_OK ? npv_buffer_append(fragment, "0", 1, error) : status;
}

/* --------------------------------------------------------------------------------------------------------- Rows -- */

npv_status npv_documents_append(npv_documents *documents, npv_bytes fragment, npv_error *error) {
    const size_t offset = documents->fragments_size;
    npv_status status = npv_array_grow(&documents->fragments, offset + fragment.size, error);
    if (status == NPV_OK)
        status = npv_array_grow(&documents->places, (documents->count + 1) * sizeof(npv_document_place), error);
    if (status != NPV_OK)
        return status;
    if (fragment.size > 0)
        memcpy(documents->fragments.data + offset, fragment.data, fragment.size);
    documents->fragments_size += fragment.size;
    documents->objects = documents->objects || has_object(fragment);
    places(documents)[documents->count++] = (npv_document_place){offset, fragment.size};
    return NPV_OK;
}

npv_status npv_documents_append_none(npv_documents *documents, size_t count, npv_error *error) {
    if (count > SIZE_MAX / sizeof(npv_document_place) - documents->count)
        return npv_array_grow(&documents->places, SIZE_MAX, error);
    const size_t rows = documents->count + count;
    const npv_status status = npv_array_grow(&documents->places, rows * sizeof(npv_document_place), error);
    if (status != NPV_OK)
        return status;
    for (size_t row = documents->count; row < rows; row++)
        places(documents)[row] = (npv_document_place){documents->fragments_size, 0};
    documents->count = rows;
    return NPV_OK;
}

void npv_documents_truncate(npv_documents *documents, size_t count) {
    if (count >= documents->count)
        return;
    documents->fragments_size = (size_t)places(documents)[count].offset;
    documents->count = count;
}

void npv_documents_settle(npv_documents *documents, size_t first, const uint64_t *places_of, size_t count) {
    size_t end = first;
    assert(first + count == documents->count);
    for (size_t i = 0; i < count; i++) {
        if (places_of[i] < first)
            documents->unused += (size_t)places(documents)[places_of[i]].length;
        else
            end++;
        places(documents)[places_of[i]] = places(documents)[first + i];
    }
    documents->count = end;
}

static int by_offset(const void *a, const void *b) {
    const uint64_t first = ((const npv_document_order *)a)->offset;
    const uint64_t second = ((const npv_document_order *)b)->offset;
    return (first > second) - (first < second);
}

/* The rows that have documents, in the order in which these lie. */
static size_t order_rows(const npv_documents *documents, npv_document_order *order) {
    size_t count = 0;
    bool sorted = true;
    for (size_t row = 0; row < documents->count; row++) {
        const npv_document_place place = places(documents)[row];
        if (place.length == 0)
            continue;
        order[count] = (npv_document_order){place.offset, row};
        sorted = sorted && (count == 0 || order[count - 1].offset < place.offset);
        count++;
    }
    if (!sorted)
        qsort(order, count, sizeof *order, by_offset);
    return count;
}

void npv_documents_compact(npv_documents *documents, const uint64_t *kept, npv_document_order *room) {
    if (kept != NULL) {
        npv_array_close_gaps(&documents->places, sizeof(npv_document_place), kept, documents->count);
        documents->count = (size_t)npv_bits_count(kept, documents->count);
    }
    const size_t count = order_rows(documents, room);
    size_t end = 0;
    for (size_t i = 0; i < count; i++) {
        npv_document_place *const place = &places(documents)[room[i].row];
        memmove(documents->fragments.data + end, documents->fragments.data + place->offset, (size_t)place->length);
        place->offset = end;
        end += (size_t)place->length;
    }
    npv_array_shrink(&documents->fragments, end);
    documents->fragments_size = end;
    documents->unused = 0;
}

npv_bytes npv_documents_fragment(const npv_documents *documents, size_t row) {
    const npv_document_place place = places(documents)[row];
    if (place.length == 0)
        return (npv_bytes){NULL, 0};
    return (npv_bytes){documents->fragments.data + place.offset, (size_t)place.length};
}

npv_bytes npv_documents_get(const npv_documents *documents, size_t row) {
    const npv_bytes fragment = npv_documents_fragment(documents, row);
    return has_object(fragment) ? document_of(fragment) : fragment;
}

npv_bytes npv_documents_object(const npv_documents *documents, size_t row) {
    const npv_bytes fragment = npv_documents_fragment(documents, row);
    return has_object(fragment) ? object_of(fragment) : (npv_bytes){NULL, 0};
}

void npv_documents_free(npv_documents *documents) {
    npv_array_free(&documents->fragments);
    npv_array_free(&documents->places);
    *documents = (npv_documents)NPV_DOCUMENTS_EMPTY;
}
