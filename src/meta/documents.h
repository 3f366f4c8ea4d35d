/*
 * The documents of a store: for every row one value, or none.
 *
 * A value is kept as a self-contained fragment of a pickle: the very bytes that go into the file (see value.h for the
 * opcodes). So types that JSON does not have (tuples, bytes, NaN, NumPy scalars) survive reading and writing, saving is
 * one copy, and a reader can walk a value without parsing text.
 */
#ifndef NPV_DOCUMENTS_H
#define NPV_DOCUMENTS_H

#include "../bytes.h"
#include "../rows.h"

/* Where a row's fragment lies; length 0: the row has no document. */
typedef struct npv_document_place {
    uint64_t offset;
    uint64_t length;
} npv_document_place;

typedef struct npv_documents {
    npv_array fragments; /* bytes, back to back; in the order of rows but for replaced ones */
    size_t fragments_size;
    size_t unused;    /* of them, bytes that no row has any more */
    npv_array places; /* npv_document_place, one a row */
    size_t count;     /* rows */
} npv_documents;

#define NPV_DOCUMENTS_EMPTY {NPV_ARRAY_EMPTY, 0, 0, NPV_ARRAY_EMPTY, 0}

/* Appends a row with this fragment, which must be one that value.h wrote; size 0: a row without a document. */
npv_status npv_documents_append(npv_documents *documents, npv_bytes fragment, npv_error *error);

/* Appends `count` rows without documents. */
npv_status npv_documents_append_none(npv_documents *documents, size_t count, npv_error *error);

/* Keeps the first `count` rows: undoes appends. */
void npv_documents_truncate(npv_documents *documents, size_t count);

/* The last `count` documents, those from row `first` on, move to rows `places`, as npv_array_settle does it. */
void npv_documents_settle(npv_documents *documents, size_t first, const uint64_t *places, size_t count);

/* Room for npv_documents_compact: this for every row. */
typedef struct npv_document_order {
    uint64_t offset;
    uint64_t row;
} npv_document_order;

/* Keeps only these rows (NULL: all), and of the fragments only what they have. Cannot fail. */
void npv_documents_compact(npv_documents *documents, const uint64_t *kept, npv_document_order *room);

/* The fragment of a row that exists; size 0 if it has none. */
npv_bytes npv_documents_get(const npv_documents *documents, size_t row);

void npv_documents_free(npv_documents *documents);

#endif
