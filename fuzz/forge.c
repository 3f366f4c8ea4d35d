#include "forge.h"

#include <string.h>

#include <xxhash.h>

#include "npz/zip.h"

/* ------------------------------------------------------------------------------------------------------ Archives -- */

/* The CRC-32 of a member as it is, if it can be read. */
static bool count_crc(const npv_zip_member *member, uint32_t *crc) {
    unsigned char block[4096];
    npv_zip_reader reader;
    npv_status status = npv_zip_reader_open(member, &reader, NULL);
    if (status != NPV_OK)
        return false;
    const npv_source source = npv_zip_reader_source(&reader);
    for (uint64_t left = member->size; left > 0 && status == NPV_OK; left = member->size - reader.done)
        status = source.read(source.context, block, left < sizeof block ? (size_t)left : sizeof block, NULL);
    *crc = reader.crc;
    npv_zip_reader_close(&reader);
    return status == NPV_OK;
}

void fuzz_correct(unsigned char *bytes, size_t size) {
    npv_zip zip;
    uint32_t crc;
    if (npv_zip_open((npv_bytes){bytes, size}, &zip, NULL) != NPV_OK)
        return;
    for (size_t i = 0; i < zip.count; i++) {
        const npv_zip_member *const member = &zip.members[i];
        if (!count_crc(member, &crc))
            continue;
        npv_put_u32(bytes + member->start + 14, crc);
        npv_put_u32(bytes + (member->name.data - bytes) - 46 + 16, crc);
    }
    npv_zip_close(&zip);
}

/* ------------------------------------------------------------------------------------------------------ Journals -- */

enum { TYPES = 8, SALT = 1 };

/* Appends a record to the journal in `bytes`; returns its new size. */
static size_t put_record(unsigned char *bytes, size_t at, uint64_t sequence, unsigned type, npv_bytes payload) {
    npv_journal_record_header header = {type % TYPES, sequence, npv_journal_padded(payload.size), 0,
                                        type & FUZZ_UNFLUSHED ? 2 : 0};
    unsigned char *const place = bytes + at + NPV_JOURNAL_RECORD;
    memset(place, 0, (size_t)header.size);
    memcpy(place, payload.data, payload.size);
    header.checksum = XXH3_64bits_withSeed(place, (size_t)header.size, SALT);
    npv_journal_write_record_header(&header, SALT, at, bytes + at);
    if (type & FUZZ_TORN_HEADER)
        bytes[at] ^= 1;
    if ((type & FUZZ_TORN_PAYLOAD) && header.size > 0)
        place[header.size - 1] ^= 1;
    return at + NPV_JOURNAL_RECORD + (size_t)header.size;
}

size_t fuzz_make_journal(const npv_journal_base *base, npv_bytes input, unsigned damage, unsigned char *bytes) {
    const npv_journal_header header = {.salt = SALT, .base = *base};
    npv_journal_write_header(&header, bytes);
    size_t end = NPV_JOURNAL_HEADER;
    for (uint64_t sequence = 1; input.size >= 3; sequence++) {
        const unsigned type = input.data[0] & (damage | (TYPES - 1));
        const size_t length = input.data[1] | (size_t)input.data[2] << 8, left = input.size - 3;
        const npv_bytes payload = {input.data + 3, length < left ? length : left};
        sequence += type & FUZZ_SKIPS_ONE ? 1 : 0;
        end = put_record(bytes, end, sequence, type, payload);
        input = (npv_bytes){payload.data + payload.size, left - payload.size};
    }
    return end;
}
