/* The bytes of a journal. */
#include <inttypes.h>
#include <string.h>

#include <xxhash.h>

#include "error.h"
#include "journal.h"

/* As PNG's: conversions of text damage it. */
static const unsigned char MAGIC[8] = {0x93, 'N', 'P', 'V', 'J', '\r', '\n', 0x1a};
#define RECORD_MAGIC 0x1e43524eu /* "NRC\x1e" */
#define CHECKED 112              /* bytes of the header that its checksum covers */

/* ------------------------------------------------------------------------------------------------------- Numbers -- */

void npv_put_u32(unsigned char *bytes, uint32_t value) {
    for (int i = 0; i < 4; i++)
        bytes[i] = (unsigned char)(value >> 8 * i);
}

void npv_put_u64(unsigned char *bytes, uint64_t value) {
    for (int i = 0; i < 8; i++)
        bytes[i] = (unsigned char)(value >> 8 * i);
}

uint32_t npv_get_u32(const unsigned char *bytes) {
    uint32_t value = 0;
    for (int i = 4; i-- > 0;)
        value = value << 8 | bytes[i];
    return value;
}

uint64_t npv_get_u64(const unsigned char *bytes) {
    return npv_get_u32(bytes) | (uint64_t)npv_get_u32(bytes + 4) << 32;
}

/* -------------------------------------------------------------------------------------------------------- Header -- */

bool npv_journal_same_archive(const npv_journal_base *a, const npv_journal_base *b) {
    return memcmp(a->id, b->id, sizeof a->id) == 0 && a->generation == b->generation;
}

bool npv_journal_same_base(const npv_journal_base *a, const npv_journal_base *b) {
    return npv_journal_same_archive(a, b) && a->dimensions == b->dimensions && a->normalize == b->normalize &&
           a->record_size == b->record_size && a->descr_hash == b->descr_hash;
}

void npv_journal_write_header(const npv_journal_header *header, unsigned char bytes[NPV_JOURNAL_HEADER]) {
    const npv_journal_base *const base = &header->base;
    memset(bytes, 0, NPV_JOURNAL_HEADER);
    memcpy(bytes, MAGIC, sizeof MAGIC);
    npv_put_u32(bytes + 8, NPV_JOURNAL_VERSION);
    npv_put_u32(bytes + 12, NPV_JOURNAL_HEADER);
    memcpy(bytes + 16, base->id, sizeof base->id);
    npv_put_u64(bytes + 32, base->generation);
    npv_put_u32(bytes + 40, (uint32_t)base->dimensions);
    npv_put_u32(bytes + 44, base->normalize);
    npv_put_u64(bytes + 48, base->record_size);
    npv_put_u64(bytes + 56, base->descr_hash);
    npv_put_u64(bytes + 64, header->salt);
    npv_put_u64(bytes + 72, header->follows_salt);
    npv_put_u64(bytes + 80, header->follows_sequence);
    npv_put_u64(bytes + CHECKED, XXH3_64bits(bytes, CHECKED));
    npv_put_u64(bytes + NPV_JOURNAL_PROCESS_AT, header->process);
}

void npv_journal_take_header(const unsigned char bytes[NPV_JOURNAL_HEADER], npv_journal_header *header) {
    *header = (npv_journal_header){.base = {.generation = npv_get_u64(bytes + 32),
                                            .dimensions = npv_get_u32(bytes + 40),
                                            .normalize = npv_get_u32(bytes + 44) != 0,
                                            .record_size = npv_get_u64(bytes + 48),
                                            .descr_hash = npv_get_u64(bytes + 56)},
                                   .salt = npv_get_u64(bytes + 64),
                                   .follows_salt = npv_get_u64(bytes + 72),
                                   .follows_sequence = npv_get_u64(bytes + 80),
                                   .process = npv_get_u64(bytes + NPV_JOURNAL_PROCESS_AT)};
    memcpy(header->base.id, bytes + 16, sizeof header->base.id);
}

npv_status npv_journal_read_header(const char *path, const unsigned char bytes[NPV_JOURNAL_HEADER],
                                   npv_journal_header *header, npv_error *error) {
    if (memcmp(bytes, MAGIC, sizeof MAGIC) != 0)
        return npv_fail(error, NPV_E_FORMAT, "%s: expected a journal of npvec, found another file", path);
    if (npv_get_u64(bytes + CHECKED) != XXH3_64bits(bytes, CHECKED))
        return npv_fail(error, NPV_E_FORMAT, "%s: the first %d bytes of the journal are damaged", path,
                        NPV_JOURNAL_HEADER);
    if (npv_get_u32(bytes + 8) != NPV_JOURNAL_VERSION || npv_get_u32(bytes + 12) != NPV_JOURNAL_HEADER)
        return npv_fail(error, NPV_E_UNSUPPORTED, "%s: expected a journal of version %d, found %" PRIu32, path,
                        NPV_JOURNAL_VERSION, npv_get_u32(bytes + 8));
    npv_journal_take_header(bytes, header);
    return NPV_OK;
}

/* ------------------------------------------------------------------------------------------------------- Records -- */

void npv_journal_write_record_header(const npv_journal_record_header *header, uint64_t salt, uint64_t offset,
                                     unsigned char bytes[NPV_JOURNAL_RECORD]) {
    npv_put_u32(bytes, RECORD_MAGIC);
    npv_put_u32(bytes + 4, header->type | header->unflushed << 16);
    npv_put_u64(bytes + 8, header->sequence);
    npv_put_u64(bytes + 16, header->size);
    npv_put_u64(bytes + 24, header->checksum);
    npv_put_u64(bytes + 32, XXH3_64bits_withSeed(bytes, 32, salt + offset));
}

bool npv_journal_read_record_header(const unsigned char bytes[NPV_JOURNAL_RECORD], uint64_t salt, uint64_t offset,
                                    npv_journal_record_header *header) {
    if (npv_get_u32(bytes) != RECORD_MAGIC || npv_get_u64(bytes + 32) != XXH3_64bits_withSeed(bytes, 32, salt + offset))
        return false;
    const uint32_t type = npv_get_u32(bytes + 4);
    *header = (npv_journal_record_header){type & 0xffff, npv_get_u64(bytes + 8), npv_get_u64(bytes + 16),
                                          npv_get_u64(bytes + 24), type >> 16};
    return true;
}

/* ------------------------------------------------------------------------------------------------------- Batches -- */

/* Takes the next part of a batch, with its padding, if it has one. */
static bool take_part(npv_bytes *rest, bool there, uint64_t size, npv_bytes *part) {
    *part = (npv_bytes){NULL, 0};
    if (!there)
        return size == 0;
    if (size > rest->size || npv_journal_padded(size) > rest->size)
        return false;
    *part = (npv_bytes){rest->data, (size_t)size};
    rest->data += npv_journal_padded(size);
    rest->size -= (size_t)npv_journal_padded(size);
    return true;
}

static bool count_ids(npv_bytes ids, uint64_t count) {
    uint64_t found = 0;
    for (size_t i = 0; i < ids.size; i++)
        found += ids.data[i] == 0;
    return found == count && (ids.size == 0 || ids.data[ids.size - 1] == 0);
}

static npv_status damaged(npv_error *error) {
    return npv_fail(error, NPV_E_FORMAT, "the parts of a batch contradict its size");
}

npv_status npv_journal_read_batch(npv_bytes payload, size_t dimensions, uint64_t record_size, npv_journal_batch *batch,
                                  npv_error *error) {
    if (payload.size < NPV_JOURNAL_BATCH)
        return damaged(error);
    const uint64_t count = npv_get_u64(payload.data);
    const uint32_t flags = npv_get_u32(payload.data + 8);
    const bool vectors = flags & NPV_JOURNAL_HAS_VECTORS, records = flags & NPV_JOURNAL_HAS_RECORDS;
    const bool rows = flags & NPV_JOURNAL_HAS_ROWS;
    uint64_t vector_bytes = 0, record_bytes = 0, row_bytes = 0;
    npv_bytes rest = {payload.data + NPV_JOURNAL_BATCH, payload.size - NPV_JOURNAL_BATCH};
    if (count == 0 || (vectors && __builtin_mul_overflow(count, dimensions * sizeof(float), &vector_bytes)) ||
        (records && __builtin_mul_overflow(count, record_size, &record_bytes)) ||
        (rows && __builtin_mul_overflow(count, sizeof(uint64_t), &row_bytes)))
        return damaged(error);
    batch->count = count;
    if (!take_part(&rest, vectors, vector_bytes, &batch->vectors) ||
        !take_part(&rest, records, record_bytes, &batch->records) || !take_part(&rest, rows, row_bytes, &batch->rows) ||
        !take_part(&rest, flags & NPV_JOURNAL_HAS_IDS, npv_get_u64(payload.data + 16), &batch->ids) ||
        !take_part(&rest, flags & NPV_JOURNAL_HAS_DOCUMENTS, npv_get_u64(payload.data + 24), &batch->documents) ||
        rest.size > 0 || (batch->ids.data != NULL && !count_ids(batch->ids, count)))
        return damaged(error);
    return NPV_OK;
}
