/*
 * The pickle of a one-dimensional NumPy object array: data, never code.
 *
 * Reading is an interpreter for the opcodes that Python's pickle (protocols 0 to 5) emits for arrays of dict, list,
 * tuple, str, int, float, bool, None, bytes and NumPy scalars. It builds fragments (meta/value.h) and calls nothing;
 * every other class or opcode is an error that names the row and the class. A call of pickle.loads with bytes, as
 * meta/documents.h has it, is an object: kept, and not made.
 */
#ifndef NPV_PICKLE_H
#define NPV_PICKLE_H

#include "../bytes.h"
#include "../meta/documents.h"

/*
 * What a pickle may expand to, because it can mention one object many times and every row gets its own copy: this many
 * bytes of documents for each byte of the pickle, since a row that repeats a document costs at least two bytes, and
 * documents of up to 256 bytes may all be one object; and what mentions of long texts come to. Those are n mentions of
 * two bytes and a text of m, together at most n * m = size^2 / 8 bytes, but no more than the margin: for some ten
 * thousand rows that share a long text.
 */
#define NPV_PICKLE_EXPANSION 128
#define NPV_PICKLE_MARGIN ((size_t)256 << 20)

/*
 * The protocol that is written, the second byte of a pickle, where a row has an object; else it is 4. So a reader of
 * two bytes knows that there are none.
 */
#define NPV_PICKLE_WITH_OBJECTS 5

/*
 * Appends to `documents`, which must be empty, one document for each of the `rows` elements of the pickled array. A
 * row whose element is None gets no document. Memory and time are in proportion to the size of the pickle and of the
 * documents, which are bounded by NPV_MAX_DOCUMENT_BYTES a row and by what is said above in all. On failure `documents`
 * is left empty.
 */
npv_status npv_pickle_read(npv_bytes pickle, uint64_t rows, npv_documents *documents, npv_error *error);

/*
 * Appends the fragment of a pickled object that is data: nothing for None. All that is no document is
 * NPV_E_UNSUPPORTED, NPV_E_FORMAT or NPV_E_LIMIT, and `fragment` is unspecified then.
 */
npv_status npv_pickle_read_value(npv_bytes pickle, npv_buffer *fragment, npv_error *error);

/* Writes the documents of these rows (NULL: all) as such a pickle, which loads in NumPy 1.x and 2.x. */
npv_status npv_pickle_write(const npv_documents *documents, const uint64_t *rows, npv_sink sink, npv_error *error);

/* What of it stands before the documents, and behind them. */
npv_status npv_pickle_write_begin(uint64_t rows, bool objects, npv_sink sink, npv_error *error);
npv_status npv_pickle_write_end(npv_sink sink, npv_error *error);

/*
 * Of a pickle of npv_pickle_write that is damaged or cut off: appends the documents before the damage to the empty
 * `documents`, at most `rows`. None, if it is not such a pickle.
 */
npv_status npv_pickle_salvage(npv_bytes pickle, uint64_t rows, npv_documents *documents, npv_error *error);

/* How many bytes npv_pickle_write will write. */
uint64_t npv_pickle_size(const npv_documents *documents, const uint64_t *rows);

#endif
