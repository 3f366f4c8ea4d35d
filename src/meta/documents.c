#include "documents.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

static npv_document_place *places(const npv_documents *documents) {
    return (npv_document_place *)(void *)documents->places.data;
}

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

npv_bytes npv_documents_get(const npv_documents *documents, size_t row) {
    const npv_document_place place = places(documents)[row];
    if (place.length == 0)
        return (npv_bytes){NULL, 0};
    return (npv_bytes){documents->fragments.data + place.offset, (size_t)place.length};
}

void npv_documents_free(npv_documents *documents) {
    npv_array_free(&documents->fragments);
    npv_array_free(&documents->places);
    *documents = (npv_documents)NPV_DOCUMENTS_EMPTY;
}
