#include <string.h>

#include "pickle.h"

/*
 * PROTO 4, _reconstruct(ndarray, (0,), b'b'), and the head of its state: MARK, version 1, how many rows in 8 bytes.
 * NumPy 2 keeps numpy.core.multiarray for exactly these two functions of old pickles.
 */
static const char ARRAY_BEGIN[] = "\x80\x04"
                                  "cnumpy.core.multiarray\n_reconstruct\n"
                                  "cnumpy\nndarray\n"
                                  "K\0\x85"
                                  "C\1b"
                                  "\x87R"
                                  "(K\1\x8a\x08";

/* Then its dtype, not Fortran order, and the list of rows; at its end APPENDS, TUPLE, BUILD, STOP. */
static const char LIST_BEGIN[] = "\x85"
                                 "cnumpy\ndtype\n"
                                 "\x8c\x02O8\x89\x88\x87R"
                                 "(K\3\x8c\1|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK?tb"
                                 "\x89"
                                 "](";
static const char LIST_END[] = "etb.";

/* The first row from `row` on that has a document, or has none. */
static size_t run_end(const npv_documents *documents, size_t row, bool has_document) {
    while (row < documents->count && (npv_documents_get(documents, row).size > 0) == has_document)
        row++;
    return row;
}

/* Rows with documents lie back to back, so many rows are one write. */
static npv_status write_rows(const npv_documents *documents, npv_sink sink, npv_error *error) {
    npv_status status = NPV_OK;
    for (size_t row = 0; status == NPV_OK && row < documents->count;) {
        const size_t end = run_end(documents, row, true);
        if (end == row) {
            status = sink.write(sink.context, "N", 1, error);
            row++;
            continue;
        }
        const npv_bytes first = npv_documents_get(documents, row), last = npv_documents_get(documents, end - 1);
        status = sink.write(sink.context, first.data, (size_t)(last.data - first.data) + last.size, error);
        row = end;
    }
    return status;
}

npv_status npv_pickle_write(const npv_documents *documents, npv_sink sink, npv_error *error) {
    unsigned char rows[8];
    for (int i = 0; i < 8; i++)
        rows[i] = (unsigned char)((uint64_t)documents->count >> 8 * i);
    npv_status status = sink.write(sink.context, ARRAY_BEGIN, sizeof ARRAY_BEGIN - 1, error);
    if (status == NPV_OK)
        status = sink.write(sink.context, rows, sizeof rows, error);
    if (status == NPV_OK)
        status = sink.write(sink.context, LIST_BEGIN, sizeof LIST_BEGIN - 1, error);
    if (status == NPV_OK)
        status = write_rows(documents, sink, error);
    return status != NPV_OK ? status : sink.write(sink.context, LIST_END, sizeof LIST_END - 1, error);
}

uint64_t npv_pickle_size(const npv_documents *documents) {
    uint64_t size =
        sizeof ARRAY_BEGIN - 1 + 8 + sizeof LIST_BEGIN - 1 + sizeof LIST_END - 1 + documents->fragments_size;
    for (size_t row = 0; row < documents->count; row++)
        size += npv_documents_get(documents, row).size == 0;
    return size;
}
