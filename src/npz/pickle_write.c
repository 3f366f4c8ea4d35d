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

static npv_status flush(npv_bytes *waiting, npv_sink sink, npv_error *error) {
    const npv_bytes bytes = *waiting;
    *waiting = (npv_bytes){NULL, 0};
    return bytes.size > 0 ? sink.write(sink.context, bytes.data, bytes.size, error) : NPV_OK;
}

/* Most documents lie back to back, so many rows are one write: bytes wait until others follow that lie elsewhere. */
static npv_status write_run(const npv_documents *documents, npv_bits_run run, npv_bytes *waiting, npv_sink sink,
                            npv_error *error) {
    static const unsigned char none[] = {'N'};
    npv_status status = NPV_OK;
    for (uint64_t row = run.first; row < run.end && status == NPV_OK; row++) {
        npv_bytes fragment = npv_documents_fragment(documents, (size_t)row);
        if (fragment.size == 0)
            fragment = (npv_bytes){none, sizeof none};
        if (waiting->size > 0 && waiting->data + waiting->size == fragment.data) {
            waiting->size += fragment.size;
            continue;
        }
        status = flush(waiting, sink, error);
        *waiting = fragment;
    }
    return status;
}

static npv_status write_rows(const npv_documents *documents, const uint64_t *rows, npv_sink sink, npv_error *error) {
    npv_bytes waiting = {NULL, 0};
    npv_bits_run run = {0, 0};
    npv_status status = NPV_OK;
    while (status == NPV_OK && npv_bits_next_run(rows, documents->count, &run))
        status = write_run(documents, run, &waiting, sink, error);
    return status == NPV_OK ? flush(&waiting, sink, error) : status;
}

npv_status npv_pickle_write_begin(uint64_t rows, bool objects, npv_sink sink, npv_error *error) {
    unsigned char begin[sizeof ARRAY_BEGIN - 1], count[8];
    for (int i = 0; i < 8; i++)
        count[i] = (unsigned char)(rows >> 8 * i);
    memcpy(begin, ARRAY_BEGIN, sizeof begin);
    begin[1] = objects ? NPV_PICKLE_WITH_OBJECTS : begin[1];
    npv_status status = sink.write(sink.context, begin, sizeof begin, error);
    if (status == NPV_OK)
        status = sink.write(sink.context, count, sizeof count, error);
    return status == NPV_OK ? sink.write(sink.context, LIST_BEGIN, sizeof LIST_BEGIN - 1, error) : status;
}

npv_status npv_pickle_write_end(npv_sink sink, npv_error *error) {
    return sink.write(sink.context, LIST_END, sizeof LIST_END - 1, error);
}

static bool have_objects(const npv_documents *documents, const uint64_t *rows) {
    bool found = false;
    npv_bits_run run = {0, 0};
    while (documents->objects && !found && npv_bits_next_run(rows, documents->count, &run))
        for (uint64_t row = run.first; row < run.end && !found; row++)
            found = npv_documents_object(documents, (size_t)row).data != NULL;
    return found;
}

npv_status npv_pickle_write(const npv_documents *documents, const uint64_t *rows, npv_sink sink, npv_error *error) {
    const uint64_t count = rows == NULL ? documents->count : npv_bits_count(rows, documents->count);
    npv_status status = npv_pickle_write_begin(count, have_objects(documents, rows), sink, error);
    if (status == NPV_OK)
        status = write_rows(documents, rows, sink, error);
    return status == NPV_OK ? npv_pickle_write_end(sink, error) : status;
}

uint64_t npv_pickle_size(const npv_documents *documents, const uint64_t *rows) {
    uint64_t size = sizeof ARRAY_BEGIN - 1 + 8 + sizeof LIST_BEGIN - 1 + sizeof LIST_END - 1;
    npv_bits_run run = {0, 0};
    while (npv_bits_next_run(rows, documents->count, &run)) {
        for (uint64_t row = run.first; row < run.end; row++) {
            const size_t length = npv_documents_fragment(documents, (size_t)row).size;
            size += length > 0 ? length : 1;
        }
    }
    return size;
}
