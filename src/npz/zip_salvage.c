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

static bool begins_array(npv_bytes bytes, uint64_t at) {
    const size_t size = NPV_NPY_MAGIC_SIZE;
    return at < bytes.size && bytes.size - at >= size && memcmp(bytes.data + at, NPV_NPY_MAGIC, size) == 0;
}

static bool begins_header(npv_bytes bytes, uint64_t at) {
    static const char local[] = "PK\3\4", entry[] = "PK\1\2";
    return at < bytes.size && bytes.size - at >= 4 &&
           (memcmp(bytes.data + at, local, 4) == 0 || memcmp(bytes.data + at, entry, 4) == 0);
}

/* Where that is from `at` on, as far as a name and an extra field may reach; or `at`. */
static uint64_t find(npv_bytes bytes, uint64_t at, bool (*is_it)(npv_bytes bytes, uint64_t at)) {
    const uint64_t most = at < bytes.size && bytes.size - at > 65536 ? at + 65536 : bytes.size;
    for (uint64_t i = at; i < most; i++)
        if (is_it(bytes, i))
            return i;
    return at;
}

/*
 * Where the data of a member may begin. *likely: behind its local header, or at what an array begins with if it does
 * not there. *other: as far before the next header as the data is long, because a damaged header may lead to another
 * array.
 */
static void find_places(npv_bytes bytes, const npv_zip_header *header, uint64_t *likely, uint64_t *other) {
    npv_zip_header local;
    const bool read = npv_zip_read_local(bytes, header->offset, bytes.size, &local);
    const uint64_t said = read ? (uint64_t)(local.extra.data - bytes.data) + local.extra.size : header->offset;
    uint64_t array = header->offset;
    if (!read || (header->method == 0 && !begins_array(bytes, said)))
        array = find(bytes, header->offset, begins_array);
    *likely = *other = array > header->offset ? array : said;
    if (header->compressed < bytes.size - header->offset)
        *other = find(bytes, header->offset + header->compressed, begins_header) - header->compressed;
}

static npv_status check_found(npv_salvaged_member *found, npv_error *error) {
    npv_error wrong;
    const npv_status status = npv_zip_check(&found->member, &wrong);
    found->sound = status == NPV_OK;
    return status == NPV_E_MEMORY ? npv_fail(error, status, "%s", wrong.message) : NPV_OK;
}

/* The member, if its data begins at `at`. */
static npv_status look_at(npv_bytes bytes, const npv_zip_header *header, uint64_t at, npv_salvaged_member *found,
                          npv_error *error) {
    const uint64_t room = at < bytes.size ? bytes.size - at : 0;
    const bool whole = header->compressed <= room;
    const bool deflated = header->method == Z_DEFLATED;
    *found = (npv_salvaged_member){.claimed = header->size, .found = room > 0};
    if (room == 0)
        return NPV_OK;
    found->member = (npv_zip_member){.name = header->name,
                                     .data = {bytes.data + at, (size_t)(whole ? header->compressed : room)},
                                     .start = header->offset,
                                     .offset = at,
                                     .size = header->size,
                                     .crc = header->crc,
                                     .deflated = deflated};
    if (!deflated)
        found->member.size = found->member.data.size;
    return whole && (deflated || header->compressed == header->size) ? check_found(found, error) : NPV_OK;
}

/* The better one of what is known and what this header says. *end is where the member ends, if it is a whole one, or 0.
 * No array is empty: such headers were written when the size was not known yet. */
static npv_status consider(npv_bytes bytes, const npv_zip_header *header, npv_salvaged_member *best, uint64_t *end,
                           npv_error *error) {
    npv_salvaged_member found;
    uint64_t likely, other;
    *end = 0;
    if (header->offset >= bytes.size || header->size > SIZE_MAX || header->size == 0 ||
        (header->method != 0 && header->method != Z_DEFLATED))
        return NPV_OK;
    find_places(bytes, header, &likely, &other);
    npv_status status = look_at(bytes, header, likely, &found, error);
    if (status == NPV_OK && !found.sound && other != likely && other > header->offset) {
        npv_salvaged_member instead;
        status = look_at(bytes, header, other, &instead, error);
        if (instead.sound)
            found = instead;
    }
    if (status != NPV_OK || !found.found)
        return status;
    if (!best->found || (found.sound && !best->sound) ||
        (!best->sound && found.member.data.size > best->member.data.size))
        *best = found;
    const uint64_t behind = found.member.offset + header->compressed;
    const bool whole = header->compressed <= bytes.size - found.member.offset;
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
