/*
 * Journals with right checksums and any contents. Input: a byte that chooses the store, then for each record its type,
 * two bytes of length, and its payload, which is filled with zeros to a multiple of eight.
 */
#include <assert.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <xxhash.h>

#include "journalling.h"
#include "scratch.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { DIMENSIONS = 2, KINDS = 3, TYPES = 7 };

static npv_store *new_store(unsigned kind) {
    static const npv_field fields[] = {{"n", "i4"}, {"s", "U2"}};
    npv_store_options options = {.size = sizeof options, .dimensions = DIMENSIONS, .threads = 1};
    npv_store *store = NULL;
    options.normalize = kind == 1 ? NPV_NORMALIZE_ON : NPV_NORMALIZE_OFF;
    options.fields = kind == 2 ? fields : NULL;
    options.field_count = kind == 2 ? 2 : 0;
    const npv_status status = npv_create(&options, &store, NULL);
    assert(status == NPV_OK);
    (void)status;
    return store;
}

/* Appends a record to the journal in `bytes`; returns its new size. */
static size_t put_record(unsigned char *bytes, size_t at, uint64_t sequence, uint32_t type, npv_bytes payload) {
    const npv_journal_record_header header = {type, sequence, npv_journal_padded(payload.size), 0, 0};
    unsigned char *const place = bytes + at + NPV_JOURNAL_RECORD;
    npv_journal_record_header checked = header;
    memset(place, 0, (size_t)header.size);
    memcpy(place, payload.data, payload.size);
    checked.checksum = XXH3_64bits_withSeed(place, (size_t)header.size, 1);
    npv_journal_write_record_header(&checked, 1, at, bytes + at);
    return at + NPV_JOURNAL_RECORD + (size_t)header.size;
}

static size_t make_journal(const npv_store *store, npv_bytes input, unsigned char *bytes) {
    npv_journal_header header = {.salt = 1};
    npv_store_base(store, &header.base);
    npv_journal_write_header(&header, bytes);
    size_t end = NPV_JOURNAL_HEADER;
    for (uint64_t sequence = 1; input.size >= 3; sequence++) {
        const size_t length = input.data[1] | (size_t)input.data[2] << 8, left = input.size - 3;
        const npv_bytes payload = {input.data + 3, length < left ? length : left};
        end = put_record(bytes, end, sequence, input.data[0] % TYPES, payload);
        input = (npv_bytes){payload.data + payload.size, left - payload.size};
    }
    return end;
}

/* Whatever was taken in is sound: it can be shown, and found. */
static void read_rows(npv_store *store, uint64_t end) {
    for (uint64_t row = 0; row < end; row++) {
        char *json = NULL;
        const char *id = NULL;
        uint64_t found = row;
        npv_status status = npv_get_id(store, row, &id, NULL);
        if (status == NPV_E_RANGE)
            continue;
        assert(status == NPV_OK);
        status = npv_get_document(store, row, &json, NULL);
        assert(status == NPV_OK);
        if (id != NULL)
            status = npv_find(store, id, &found, NULL);
        assert(status == NPV_OK && found == row);
        npv_free(json);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size == 0)
        return 0;
    npv_store *const store = new_store(data[0] % KINDS);
    unsigned char *const bytes = malloc(NPV_JOURNAL_HEADER + 16 * (NPV_JOURNAL_RECORD + size));
    assert(bytes != NULL);
    const size_t end = make_journal(store, (npv_bytes){data + 1, size - 1}, bytes);
    const char *const path = fuzz_file(bytes, end);
    npv_journal_reader reader;
    npv_error error = {.message = ""};
    bool found, changed;
    npv_status status = npv_journal_reader_open(path, -1, &reader, &found, &error);
    assert(status == NPV_OK && found);
    status = npv_store_replay(store, &reader, &changed, &error);
    npv_journal_reader_close(&reader);
    assert(status == NPV_OK || (error.message[0] != '\0' && strchr(error.message, '\n') == NULL));
    npv_info info = {.size = sizeof info};
    const npv_status informed = npv_get_info(store, &info, NULL);
    assert(informed == NPV_OK);
    read_rows(store, info.row_end);
    (void)informed;
    npv_close(store);
    free(bytes);
    return 0;
}
