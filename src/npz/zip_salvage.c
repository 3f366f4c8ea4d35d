#include "zip_salvage.h"

#include <string.h>

#include "../error.h"
#include "npy.h"

npv_status npv_zip_check(const npv_zip_member *member, npv_error *error) {
    unsigned char block[16384];
    npv_zip_reader reader;
    npv_buffer none = {NULL, 0, 0};
    npv_bytes contents;
    if (!member->deflated)
        return npv_zip_contents(member, &none, &contents, error);
    npv_status status = npv_zip_reader_open(member, &reader, error);
    if (status != NPV_OK)
        return status;
    const npv_source source = npv_zip_reader_source(&reader);
    while (status == NPV_OK && reader.done < member->size) {
        const uint64_t left = member->size - reader.done;
        status = source.read(source.context, block, left < sizeof block ? (size_t)left : sizeof block, error);
    }
    if (status == NPV_OK)
        status = npv_zip_reader_finish(&reader, error);
    npv_zip_reader_close(&reader);
    return status;
}

/* Where the data of the member begins whose local header is at `start`: if that is damaged, at what an array begins with. */
static uint64_t find_data(npv_bytes bytes, const npv_zip_header *header) {
    npv_zip_header local;
    const size_t magic = NPV_NPY_MAGIC_SIZE;
    const bool read = npv_zip_read_local(bytes, header->offset, bytes.size, &local);
    const uint64_t said = read ? (uint64_t)(local.extra.data - bytes.data) + local.extra.size : header->offset;
    if (read && header->method == Z_DEFLATED)
        return said;
    if (read && bytes.size - said >= magic && memcmp(bytes.data + said, NPV_NPY_MAGIC, magic) == 0)
        return said;
    const uint64_t most = header->offset + 65536 < bytes.size ? header->offset + 65536 : bytes.size;
    for (uint64_t at = header->offset; at + magic <= most; at++)
        if (memcmp(bytes.data + at, NPV_NPY_MAGIC, magic) == 0)
            return at;
    return said;
}

static npv_status check_found(npv_salvaged_member *found, npv_error *error) {
    npv_error wrong;
    const npv_status status = npv_zip_check(&found->member, &wrong);
    found->sound = status == NPV_OK;
    return status == NPV_E_MEMORY ? npv_fail(error, status, "%s", wrong.message) : NPV_OK;
}

/* The better one of what is known and what this header says. *end is where the member ends, if it is a whole one, or 0. */
static npv_status consider(npv_bytes bytes, const npv_zip_header *header, npv_salvaged_member *best, uint64_t *end,
                           npv_error *error) {
    *end = 0;
    if (header->offset >= bytes.size || header->size > SIZE_MAX ||
        (header->method != 0 && header->method != Z_DEFLATED))
        return NPV_OK;
    const uint64_t at = find_data(bytes, header);
    const uint64_t room = at < bytes.size ? bytes.size - at : 0;
    const bool whole = header->compressed <= room;
    const bool deflated = header->method == Z_DEFLATED;
    npv_salvaged_member found = {.claimed = header->size, .found = true};
    found.member = (npv_zip_member){.name = header->name,
                                    .data = {bytes.data + at, (size_t)(whole ? header->compressed : room)},
                                    .start = header->offset,
                                    .offset = at,
                                    .size = header->size,
                                    .crc = header->crc,
                                    .deflated = deflated};
    if (room == 0)
        return NPV_OK;
    if (!deflated)
        found.member.size = found.member.data.size;
    if (whole && (deflated || header->compressed == header->size) && check_found(&found, error) != NPV_OK)
        return NPV_E_MEMORY;
    if (!best->found || (found.sound && !best->sound) ||
        (!best->sound && found.member.data.size > best->member.data.size))
        *best = found;
    const uint64_t behind = at + header->compressed;
    if (found.sound || (whole && bytes.size - behind >= 2 && memcmp(bytes.data + behind, "PK", 2) == 0))
        *end = behind;
    return NPV_OK;
}

npv_status npv_zip_relocate(npv_bytes bytes, npv_zip_member *member, bool *found_it, npv_error *error) {
    const npv_zip_header header = {.method = member->deflated ? Z_DEFLATED : 0,
                                   .crc = member->crc,
                                   .compressed = member->data.size,
                                   .size = member->size,
                                   .offset = member->start,
                                   .name = member->name};
    npv_salvaged_member found = {.found = false};
    uint64_t end;
    const npv_status status = consider(bytes, &header, &found, &end, error);
    if (found.sound)
        *member = found.member;
    *found_it = found.sound;
    return status;
}

static size_t find_name(npv_bytes name, const char *const *names, size_t count) {
    size_t i = 0;
    while (i < count && (strlen(names[i]) != name.size || memcmp(names[i], name.data, name.size) != 0))
        i++;
    return i;
}

npv_status npv_zip_salvage(npv_bytes bytes, const char *const *names, size_t count, npv_salvaged_member *found,
                           npv_error *error) {
    npv_status status = NPV_OK;
    memset(found, 0, count * sizeof *found);
    for (uint64_t at = 0; at + 4 <= bytes.size && status == NPV_OK; at++) {
        const unsigned char *const next = memchr(bytes.data + at, 'P', bytes.size - (size_t)at);
        npv_zip_header header;
        uint64_t entry, end;
        if (next == NULL)
            break;
        at = entry = (uint64_t)(next - bytes.data);
        const bool local = npv_zip_read_local(bytes, at, bytes.size, &header);
        if (!local && npv_zip_read_entry(bytes, &entry, bytes.size, &header, NULL) != NPV_OK)
            continue;
        const size_t i = find_name(header.name, names, count);
        if (i == count || (found[i].found && found[i].sound))
            continue;
        status = consider(bytes, &header, &found[i], &end, error);
        if (local && end > at) /* what a member holds may look like an archive */
            at = end - 1;
    }
    return status;
}
