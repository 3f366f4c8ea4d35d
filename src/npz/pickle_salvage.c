/*
 * What can be had of a damaged pickle: its first documents. They are found here, and read as those of any other file.
 */
#include <stdlib.h>
#include <string.h>

#include "pickle.h"

static npv_status append(void *context, const void *data, size_t size, npv_error *error) {
    return npv_buffer_append(context, data, size, error);
}

/* Bytes behind the opcode at the beginning of `rest`; SIZE_MAX if it is none that a document has. */
static size_t operand_size(npv_bytes rest) {
    size_t size = 0;
    switch (rest.data[0]) {
    case 'J':
        return 4;
    case 'G':
        return 8;
    case 0x8a:
    case 0x8c:
    case 'C':
        return rest.size > 1 ? (size_t)1 + rest.data[1] : SIZE_MAX;
    case 0x8b:
    case 'X':
    case 'B':
        if (rest.size < 5)
            return SIZE_MAX;
        for (int i = 4; i > 0; i--)
            size = size << 8 | rest.data[i];
        return 4 + size;
    case 'c':
        for (int lines = 0; lines < 2; lines += rest.data[size] == '\n')
            if (++size >= rest.size)
                return SIZE_MAX;
        return size;
    default:
        return strchr("N\x88\x89]}(etu\x86\x87R", rest.data[0]) != NULL && rest.data[0] != 0 ? 0 : SIZE_MAX;
    }
}

/* Steps over one document as value.h spells it, as far as its length goes; false if there is no whole one. */
static bool step_over(npv_bytes *rest) {
    size_t depth = 0;
    int calls = 0; /* of a NumPy scalar's two, still to come */
    while (rest->size > 0) {
        const unsigned char opcode = rest->data[0];
        const size_t operand = operand_size(*rest);
        if (operand >= rest->size)
            return false;
        rest->data += 1 + operand;
        rest->size -= 1 + operand;
        const bool ends = opcode == 'e' || opcode == 't' || opcode == 'u';
        if (ends && depth == 0)
            return false;
        depth += opcode == '(';
        depth -= ends;
        if (opcode == 'c' && depth == 0 && calls == 0)
            calls = 2;
        calls -= opcode == 'R' && depth == 0 && calls > 0;
        if (depth == 0 && calls == 0 && opcode != ']' && opcode != '}')
            return true;
    }
    return false;
}

static bool take(npv_bytes *rest, const char *bytes, size_t size) {
    if (size > rest->size || memcmp(rest->data, bytes, size) != 0)
        return false;
    rest->data += size;
    rest->size -= size;
    return true;
}

/* The same with the row's object, if it has one. */
static bool step_over_row(npv_bytes *rest) {
    if (!take(rest, NPV_OBJECT_CALL, sizeof NPV_OBJECT_CALL - 1))
        return step_over(rest);
    const size_t operand = rest->size > 0 && rest->data[0] == 'B' ? operand_size(*rest) : SIZE_MAX;
    if (operand >= rest->size)
        return false;
    rest->data += 1 + operand;
    rest->size -= 1 + operand;
    return take(rest, "\x85R", 2) && step_over(rest) && take(rest, "0", 1);
}

/* The first `count` documents, which take `size` bytes. NPV_OK with documents->count 0 if they cannot be read. */
static npv_status read_first(npv_bytes fragments, size_t size, uint64_t count, npv_documents *documents,
                             npv_error *error) {
    npv_buffer pickle = {NULL, 0, 0};
    const npv_sink sink = {append, &pickle};
    npv_status status = npv_pickle_write_begin(count, false, sink, error);
    if (status == NPV_OK)
        status = npv_buffer_append(&pickle, fragments.data, size, error);
    if (status == NPV_OK)
        status = npv_pickle_write_end(sink, error);
    if (status == NPV_OK)
        status = npv_pickle_read((npv_bytes){pickle.data, pickle.size}, count, documents, error);
    free(pickle.data);
    return status == NPV_E_MEMORY ? status : NPV_OK;
}

/* Where the first `most` documents end; *found is how many there are. */
static size_t find_documents(npv_bytes fragments, uint64_t most, uint64_t *found) {
    npv_bytes rest = fragments;
    size_t end = 0;
    for (*found = 0; *found < most && step_over_row(&rest); ++*found)
        end = fragments.size - rest.size;
    return end;
}

/* Halves what is in question until it is known how many can be read: the last reading is of these. */
static npv_status read_most(npv_bytes fragments, uint64_t rows, npv_documents *documents, npv_error *error) {
    uint64_t good = 0, count = 0;
    size_t size = find_documents(fragments, rows, &count);
    uint64_t bad = count + 1;
    npv_status status = NPV_OK;
    while (status == NPV_OK && bad - good > 1) {
        size = find_documents(fragments, count, &count);
        npv_documents_free(documents);
        status = read_first(fragments, size, count, documents, error);
        if (documents->count == count)
            good = count;
        else
            bad = count;
        count = good + (bad - good) / 2;
    }
    if (status != NPV_OK || documents->count == good)
        return status;
    npv_documents_free(documents);
    return good > 0 ? read_first(fragments, find_documents(fragments, good, &good), good, documents, error) : NPV_OK;
}

npv_status npv_pickle_salvage(npv_bytes pickle, uint64_t rows, npv_documents *documents, npv_error *error) {
    npv_buffer begin = {NULL, 0, 0};
    npv_status status = npv_pickle_write_begin(rows, false, (npv_sink){append, &begin}, error);
    const size_t size = begin.size;
    free(begin.data);
    if (status == NPV_OK && pickle.size > size)
        status = read_most((npv_bytes){pickle.data + size, pickle.size - size}, rows, documents, error);
    return status;
}
