#include "npy_ids.h"

#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "../error.h"
#include "../meta/utf8.h"

/* Elements are read and written in blocks of about this size; one is at most 2 KB. */
#define BLOCK_BYTES ((size_t)65536)

/* ----------------------------------------------------------------------------------------------------- Reading -- */

npv_status npv_npy_check_ids(const npv_npy_header *header, uint64_t rows, npv_error *error) {
    char shown[2 * NPV_SHOWN];
    npv_npy_describe(header, shown);
    if (header->axes != 1 || header->shape[0] != rows)
        return npv_fail(error, NPV_E_FORMAT, "expected an id for each of the %" PRIu64 " vectors, found %s", rows,
                        shown);
    if (header->item_size > NPV_MAX_ID_BYTES * NPV_NPY_CHARACTER)
        return npv_fail(error, NPV_E_LIMIT, "expected ids of at most %d characters, found %s", NPV_MAX_ID_BYTES, shown);
    return NPV_OK;
}

static uint32_t code_point(const unsigned char *character, bool big_endian) {
    uint32_t value = 0;
    for (int i = 0; i < NPV_NPY_CHARACTER; i++)
        value = value << 8 | character[big_endian ? i : NPV_NPY_CHARACTER - 1 - i];
    return value;
}

/* One element: zeros at its end are not part of it. */
static npv_status take_id(const unsigned char *item, const npv_npy_header *header, uint64_t row, npv_ids *ids,
                          npv_error *error) {
    unsigned char text[NPV_MAX_ID_BYTES * 4];
    size_t size = 0, length = 0;
    for (size_t at = 0; at < header->item_size; at += NPV_NPY_CHARACTER) {
        const uint32_t found = code_point(item + at, header->big_endian);
        if (found > NPV_MAX_CODE_POINT)
            return npv_fail(error, NPV_E_FORMAT, "row %" PRIu64 ": expected a character, found code point 0x%" PRIx32,
                            row, found);
        size += npv_utf8_encode(found, text + size);
        length = found != 0 ? size : length;
    }
    if (length == 0)
        return NPV_OK;
    npv_error why;
    uint64_t other = 0;
    const npv_status status = npv_ids_append(ids, row, (npv_bytes){text, length}, &other, &why);
    if (status == NPV_E_EXISTS)
        return npv_fail(error, NPV_E_FORMAT, "rows %" PRIu64 " and %" PRIu64 " have the same id", other, row);
    if (status == NPV_E_ARGUMENT)
        return npv_fail(error, NPV_E_UNSUPPORTED, "row %" PRIu64 ": %s", row, why.message);
    return status == NPV_OK ? NPV_OK : npv_fail(error, status, "%s", why.message);
}

npv_status npv_npy_read_ids(npv_source source, const npv_npy_header *header, npv_ids *ids, npv_error *error) {
    const size_t item_size = (size_t)header->item_size;
    if (item_size == 0)
        return NPV_OK;
    unsigned char *const block = malloc(BLOCK_BYTES);
    if (block == NULL)
        return npv_fail_memory(error, "ids", BLOCK_BYTES);
    npv_status status = NPV_OK;
    uint64_t row = 0;
    while (row < header->shape[0] && status == NPV_OK) {
        const uint64_t left = header->shape[0] - row;
        const size_t count = left < BLOCK_BYTES / item_size ? (size_t)left : BLOCK_BYTES / item_size;
        status = source.read(source.context, block, count * item_size, error);
        for (size_t i = 0; i < count && status == NPV_OK; i++)
            status = take_id(block + i * item_size, header, row + i, ids, error);
        row += count;
    }
    free(block);
    return status;
}

npv_status npv_npy_salvage_ids(npv_source source, const npv_npy_header *header, uint64_t rows, npv_ids *ids,
                               npv_error *error) {
    unsigned char item[NPV_MAX_ID_BYTES * NPV_NPY_CHARACTER];
    npv_status status = NPV_OK;
    for (uint64_t row = 0; row < rows && status != NPV_E_MEMORY && header->item_size > 0; row++) {
        if (source.read(source.context, item, (size_t)header->item_size, NULL) != NPV_OK)
            return NPV_OK;
        status = take_id(item, header, row, ids, error);
    }
    return status == NPV_E_MEMORY ? status : NPV_OK;
}

/* ----------------------------------------------------------------------------------------------------- Writing -- */

/* Characters of one id; written to `item`, if it is not NULL. */
static size_t spell(const char *id, unsigned char *item) {
    npv_bytes rest = {(const unsigned char *)id, strlen(id)};
    size_t characters = 0;
    for (; rest.size > 0; characters++) {
        uint32_t found = 0;
        const size_t taken = npv_utf8_decode(rest, &found);
        for (size_t i = 0; item != NULL && i < NPV_NPY_CHARACTER; i++)
            item[characters * NPV_NPY_CHARACTER + i] = (unsigned char)(found >> 8 * i);
        rest = (npv_bytes){rest.data + taken, rest.size - taken};
    }
    return characters;
}

size_t npv_npy_id_characters(const npv_ids *ids) {
    size_t longest = 0;
    for (uint64_t row = 0; row < ids->rows; row++) {
        const char *const id = npv_ids_get(ids, row);
        const size_t characters = id == NULL ? 0 : spell(id, NULL);
        longest = characters > longest ? characters : longest;
    }
    return longest;
}

typedef struct id_writer {
    const npv_ids *ids;
    size_t item_size;
    npv_sink sink;
    unsigned char *block;
    size_t used;
} id_writer;

static npv_status write_id(id_writer *writer, uint64_t row, npv_error *error) {
    const char *const id = npv_ids_get(writer->ids, row);
    npv_status status = NPV_OK;
    if (writer->used + writer->item_size > BLOCK_BYTES) {
        status = writer->sink.write(writer->sink.context, writer->block, writer->used, error);
        writer->used = 0;
    }
    memset(writer->block + writer->used, 0, writer->item_size);
    if (id != NULL)
        spell(id, writer->block + writer->used);
    writer->used += writer->item_size;
    return status;
}

npv_status npv_npy_write_ids(const npv_ids *ids, uint64_t rows, const uint64_t *live, size_t characters, npv_sink sink,
                             npv_error *error) {
    id_writer writer = {ids, characters * NPV_NPY_CHARACTER, sink, malloc(BLOCK_BYTES), 0};
    npv_bits_run run = {0, 0};
    npv_status status = NPV_OK;
    assert(characters <= NPV_MAX_ID_BYTES);
    if (writer.block == NULL)
        return npv_fail_memory(error, "ids", BLOCK_BYTES);
    while (status == NPV_OK && npv_bits_next_run(live, rows, &run))
        for (uint64_t row = run.first; row < run.end && status == NPV_OK; row++)
            status = write_id(&writer, row, error);
    if (status == NPV_OK)
        status = sink.write(sink.context, writer.block, writer.used, error);
    free(writer.block);
    return status;
}
