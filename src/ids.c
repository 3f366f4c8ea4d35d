#include "ids.h"

#include <assert.h>
#include <inttypes.h>
#include <string.h>

#include "error.h"
#include "meta/utf8.h"

void npv_ids_init(npv_ids *ids) {
    *ids = (npv_ids){NPV_ARRAY_EMPTY, 0, NPV_ARRAY_EMPTY, 0, {NULL, 0, 0, 0}};
    npv_hash_init(&ids->table);
}

void npv_ids_free(npv_ids *ids) {
    npv_array_free(&ids->texts);
    npv_array_free(&ids->offsets);
    npv_hash_free(&ids->table);
    ids->texts_size = 0;
    ids->rows = 0;
}

static uint64_t *offsets(const npv_ids *ids) {
    return (uint64_t *)(void *)ids->offsets.data;
}

const char *npv_ids_get(const npv_ids *ids, uint64_t row) {
    if (row >= ids->rows || offsets(ids)[row] == 0)
        return NULL;
    return (const char *)ids->texts.data + offsets(ids)[row];
}

/* ----------------------------------------------------------------------------------------------------- Finding -- */

typedef struct sought {
    const npv_ids *ids;
    npv_bytes id;
} sought;

static bool is_sought(const void *context, uint32_t row) {
    const sought *key = context;
    const char *text = npv_ids_get(key->ids, row);
    return strncmp(text, (const char *)key->id.data, key->id.size) == 0 && text[key->id.size] == '\0';
}

static uint32_t find(const npv_ids *ids, npv_bytes id, uint32_t hash) {
    const sought key = {ids, id};
    return npv_hash_find(&ids->table, hash, is_sought, &key);
}

uint64_t npv_ids_find(const npv_ids *ids, npv_bytes id) {
    const uint32_t row = find(ids, id, npv_hash_of(&ids->table, id));
    return row == NPV_HASH_NONE ? UINT64_MAX : row;
}

/* ---------------------------------------------------------------------------------------------------- Changing -- */

npv_status npv_ids_check(npv_bytes id, npv_error *error) {
    if (id.size == 0)
        return npv_fail(error, NPV_E_ARGUMENT, "an id must not be empty; a row without one has NULL");
    if (id.size > NPV_MAX_ID_BYTES)
        return npv_fail(error, NPV_E_ARGUMENT, "an id may have at most %d bytes, found %zu", NPV_MAX_ID_BYTES, id.size);
    if (memchr(id.data, 0, id.size) != NULL || !npv_utf8_valid(id))
        return npv_fail(error, NPV_E_ARGUMENT, "an id must be UTF-8 without zero bytes");
    return NPV_OK;
}

/* Everything that can fail, so that what follows cannot. */
static npv_status make_room(npv_ids *ids, uint64_t row, size_t length, npv_error *error) {
    if (row >= NPV_HASH_NONE)
        return npv_fail(error, NPV_E_LIMIT, "expected an id for a row below %" PRIu32 ", found it for row %" PRIu64,
                        NPV_HASH_NONE, row);
    npv_status status = npv_array_grow(&ids->offsets, (size_t)(row + 1) * sizeof(uint64_t), error);
    if (status == NPV_OK)
        status = npv_array_grow(&ids->texts, ids->texts_size + length + 2, error);
    return status == NPV_OK ? npv_hash_reserve(&ids->table, 1, error) : status;
}

static void place(npv_ids *ids, uint64_t row, npv_bytes id) {
    if (ids->texts_size == 0)
        ids->texts.data[ids->texts_size++] = 0;
    for (; ids->rows < row; ids->rows++)
        offsets(ids)[ids->rows] = 0;
    offsets(ids)[ids->rows++] = ids->texts_size;
    memcpy(ids->texts.data + ids->texts_size, id.data, id.size);
    ids->texts.data[ids->texts_size + id.size] = 0;
    ids->texts_size += id.size + 1;
}

npv_status npv_ids_append(npv_ids *ids, uint64_t row, npv_bytes id, uint64_t *other, npv_error *error) {
    assert(row >= ids->rows);
    npv_status status = npv_ids_check(id, error);
    if (status != NPV_OK)
        return status;
    const uint32_t hash = npv_hash_of(&ids->table, id);
    const uint32_t found = find(ids, id, hash);
    if (found != NPV_HASH_NONE) {
        char shown[NPV_SHOWN];
        npv_bytes_show(id, shown);
        if (other != NULL)
            *other = found;
        return npv_fail(error, NPV_E_EXISTS, "the id '%s' is that of row %" PRIu32 " already", shown, found);
    }
    status = make_room(ids, row, id.size, error);
    if (status != NPV_OK)
        return status;
    place(ids, row, id);
    return npv_hash_insert(&ids->table, hash, (uint32_t)row, error); /* there is room */
}

void npv_ids_remove(npv_ids *ids, uint64_t row) {
    const char *const text = npv_ids_get(ids, row);
    if (text == NULL)
        return;
    const npv_bytes id = {(const unsigned char *)text, strlen(text)};
    npv_hash_remove(&ids->table, npv_hash_of(&ids->table, id), (uint32_t)row);
    offsets(ids)[row] = 0;
}

void npv_ids_truncate(npv_ids *ids, uint64_t rows) {
    for (; ids->rows > rows; ids->rows--) {
        const uint64_t offset = offsets(ids)[ids->rows - 1];
        npv_ids_remove(ids, ids->rows - 1);
        if (offset != 0)
            ids->texts_size = (size_t)offset;
    }
}

/* -------------------------------------------------------------------------------------------------- Compacting -- */

/* Texts lie in the order of rows, so they can move down one after the other. */
static void compact_texts(npv_ids *ids) {
    size_t end = 1;
    for (uint64_t row = 0; row < ids->rows; row++) {
        const char *const text = npv_ids_get(ids, row);
        if (text == NULL)
            continue;
        const size_t size = strlen(text) + 1;
        memmove(ids->texts.data + end, text, size);
        offsets(ids)[row] = end;
        end += size;
    }
    ids->texts_size = end;
    npv_array_shrink(&ids->texts, end);
}

void npv_ids_compact(npv_ids *ids, const uint64_t *kept, uint32_t *room) {
    npv_bits_run run = {0, 0};
    uint32_t count = 0;
    if (ids->rows == 0)
        return;
    while (npv_bits_next_run(kept, ids->rows, &run))
        for (uint64_t row = run.first; row < run.end; row++)
            room[row] = count++;
    npv_hash_renumber(&ids->table, room);
    npv_array_close_gaps(&ids->offsets, sizeof(uint64_t), kept, ids->rows);
    ids->rows = count;
    compact_texts(ids);
}
