/*
 * The documents of a store: for every row one value, or none.
 *
 * A value is kept as a self-contained fragment of a pickle: the very bytes that go into the file (see value.h for the
 * opcodes). So types that JSON does not have (tuples, bytes, NaN, NumPy scalars) survive reading and writing, saving is
 * one copy, and a reader can walk a value without parsing text.
 *
 * Beside its document a row may have an object: bytes that are never looked into. Its fragment then is a call of
 * pickle.loads with these, and behind it the document (N: none), which POP drops again: to Python the row is the
 * object.
 *
 *      c pickle \n loads \n  B <u32 size> <object>  0x85  R  <value>  0
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
    bool objects;     /* a row may have one */
} npv_documents;

#define NPV_DOCUMENTS_EMPTY {NPV_ARRAY_EMPTY, 0, 0, NPV_ARRAY_EMPTY, 0, false}

#define NPV_OBJECT_CALL "cpickle\nloads\n"
#define NPV_OBJECT_EXTRA 23 /* bytes of a fragment beside its object, without a document */

/* Appends to `fragment` that of a row with this object, and this document (size 0: none). NPV_E_LIMIT. */
npv_status npv_object_write(npv_buffer *fragment, npv_bytes object, npv_bytes document, npv_error *error);

/*
 * Appends a row with this fragment, which must be one that value.h or npv_object_write wrote; size 0: a row without a
 * document.
 */
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

/* The fragment of a row that exists, with its object if it has one; size 0 if it has neither. */
npv_bytes npv_documents_fragment(const npv_documents *documents, size_t row);

/* Its document alone; size 0 if it has none. And its object; data NULL if it has none. */
npv_bytes npv_documents_get(const npv_documents *documents, size_t row);
npv_bytes npv_documents_object(const npv_documents *documents, size_t row);

void npv_documents_free(npv_documents *documents);

#endif
