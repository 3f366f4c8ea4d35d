#include "documents.h"

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
