#include "zip.h"

#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "../error.h"

/* ZIP's records, as far as they matter here: their signatures, their fixed sizes and where their fields lie. */
enum { LOCAL = 0x04034b50, ENTRY = 0x02014b50, END = 0x06054b50, ZIP64_END = 0x06064b50, ZIP64_LOCATOR = 0x07064b50 };
enum {
    LOCAL_SIZE = 30,
    LOCAL_FLAGS = 6,
    LOCAL_METHOD = 8,
    LOCAL_CRC = 14,
    LOCAL_COMPRESSED = 18,
    LOCAL_UNCOMPRESSED = 22,
    LOCAL_NAME_LENGTH = 26,
    LOCAL_EXTRA_LENGTH = 28
};
enum {
    ENTRY_SIZE = 46,
    ENTRY_FLAGS = 8,
    ENTRY_METHOD = 10,
    ENTRY_CRC = 16,
    ENTRY_COMPRESSED = 20,
    ENTRY_UNCOMPRESSED = 24,
    ENTRY_NAME_LENGTH = 28,
    ENTRY_EXTRA_LENGTH = 30,
    ENTRY_COMMENT_LENGTH = 32,
    ENTRY_DISK = 34,
    ENTRY_OFFSET = 42
};
enum {
    END_SIZE = 22,
    END_DISK = 4,
    END_DIRECTORY_DISK = 6,
    END_ENTRIES = 10,
    END_DIRECTORY_SIZE = 12,
    END_DIRECTORY_OFFSET = 16,
    END_COMMENT_LENGTH = 20
};
enum {
    ZIP64_END_SIZE = 56,
    ZIP64_END_LENGTH = 4, /* of what follows this field */
    ZIP64_END_ENTRIES = 32,
    ZIP64_END_DIRECTORY_SIZE = 40,
    ZIP64_END_DIRECTORY_OFFSET = 48,
    ZIP64_LOCATOR_SIZE = 20,
    ZIP64_LOCATOR_OFFSET = 8,
    ZIP64_LOCATOR_DISKS = 16,
    ZIP64_FIELD_ID = 0x0001
};
enum { FLAG_ENCRYPTED = 1 << 0, FLAG_SIZES_FOLLOW = 1 << 3, FLAG_PATCH = 1 << 5, FLAG_STRONG_ENCRYPTION = 1 << 6 };

/* Deflate spends at least two bits on a match of at most 258 bytes. */
enum { MOST_INFLATION = 258 * 8 / 2 };

/* zlib counts in unsigned int. */
static const size_t most_at_once = (size_t)1 << 30;

static uint32_t read_u16(const unsigned char *at) {
    return (uint32_t)at[0] | (uint32_t)at[1] << 8;
}

static uint32_t read_u32(const unsigned char *at) {
    return read_u16(at) | read_u16(at + 2) << 16;
}

static uint64_t read_u64(const unsigned char *at) {
    return (uint64_t)read_u32(at) | (uint64_t)read_u32(at + 4) << 32;
}

/* ---------------------------------------------------------------------------------------------- The directory -- */

typedef struct zip_directory {
    uint64_t offset;
    uint64_t size;
    uint64_t entries;
    npv_bytes comment; /* of the archive */
} zip_directory;

/* The end record, with its comment, must end the file: what was cut off or appended to is not what was written. */
static npv_status find_end(npv_bytes bytes, size_t *end, npv_error *error) {
    for (size_t comment = 0; comment <= 0xffff && comment + END_SIZE <= bytes.size; comment++) {
        const size_t at = bytes.size - comment - END_SIZE;
        const unsigned char *const record = bytes.data + at;
        if (read_u32(record) != END || read_u16(record + END_COMMENT_LENGTH) != comment)
            continue;
        if (read_u16(record + END_DISK) != 0 || read_u16(record + END_DIRECTORY_DISK) != 0)
            return npv_fail(error, NPV_E_UNSUPPORTED, "expected a ZIP archive in one piece, found one of several");
        *end = at;
        return NPV_OK;
    }
    return npv_fail(error, NPV_E_FORMAT,
                    "expected a ZIP archive that ends with its directory, found none at the end of %zu bytes: "
                    "the file was cut short or something was appended",
                    bytes.size);
}

/* The ZIP64 end record that fills the bytes from the end of the directory to its locator, right before the end record;
 * NULL if there is none. */
static const unsigned char *find_zip64_end(npv_bytes bytes, size_t end) {
    if (end < ZIP64_LOCATOR_SIZE + ZIP64_END_SIZE)
        return NULL;
    const size_t locator = end - ZIP64_LOCATOR_SIZE;
    if (read_u32(bytes.data + locator) != ZIP64_LOCATOR || read_u32(bytes.data + locator + ZIP64_LOCATOR_DISKS) > 1)
        return NULL;
    const uint64_t at = read_u64(bytes.data + locator + ZIP64_LOCATOR_OFFSET);
    if (at > locator - ZIP64_END_SIZE || read_u32(bytes.data + at) != ZIP64_END)
        return NULL;
    const uint64_t head = ZIP64_END_LENGTH + 8;
    return read_u64(bytes.data + at + ZIP64_END_LENGTH) == locator - at - head ? bytes.data + at : NULL;
}

static npv_status find_directory(npv_bytes bytes, zip_directory *found, npv_error *error) {
    size_t end = 0;
    const npv_status status = find_end(bytes, &end, error);
    if (status != NPV_OK)
        return status;
    const unsigned char *const record = bytes.data + end;
    zip_directory read = {.offset = read_u32(record + END_DIRECTORY_OFFSET),
                          .size = read_u32(record + END_DIRECTORY_SIZE),
                          .entries = read_u16(record + END_ENTRIES),
                          .comment = {record + END_SIZE, bytes.size - end - END_SIZE}};
    const unsigned char *const zip64 = find_zip64_end(bytes, end);
    if (zip64 != NULL) {
        read.offset = read_u64(zip64 + ZIP64_END_DIRECTORY_OFFSET);
        read.size = read_u64(zip64 + ZIP64_END_DIRECTORY_SIZE);
        read.entries = read_u64(zip64 + ZIP64_END_ENTRIES);
        end = (size_t)(zip64 - bytes.data);
    }
    /* Thus offsets count from the first byte: there is no program in front of the archive. */
    if (read.offset > end || read.size != end - read.offset)
        return npv_fail(error, NPV_E_FORMAT, "the ZIP directory is not where the end of the file says");
    if (read.entries > NPV_ZIP_MAX_MEMBERS)
        return npv_fail(error, NPV_E_LIMIT, "expected at most %d members, found %" PRIu64, NPV_ZIP_MAX_MEMBERS,
                        read.entries);
    *found = read;
    return NPV_OK;
}

/* Replaces those of the values that 32 bits could not hold by what the ZIP64 field says, if there is one. */
static void widen(npv_bytes extra, uint64_t *const *values, size_t count) {
    size_t at = 0;
    while (extra.size - at >= 4) {
        const uint32_t id = read_u16(extra.data + at);
        const size_t size = read_u16(extra.data + at + 2);
        at += 4;
        if (size > extra.size - at)
            return;
        size_t used = 0;
        for (size_t i = 0; id == ZIP64_FIELD_ID && i < count && size - used >= 8; i++) {
            if (*values[i] != UINT32_MAX)
                continue;
            *values[i] = read_u64(extra.data + at + used);
            used += 8;
        }
        at += size;
    }
}

npv_status npv_zip_read_entry(npv_bytes bytes, uint64_t *at, uint64_t end, npv_zip_header *header, npv_error *error) {
    const unsigned char *const entry = bytes.data + *at;
    if (end - *at < ENTRY_SIZE || read_u32(entry) != ENTRY)
        return npv_fail(error, NPV_E_FORMAT, "the ZIP directory is damaged at byte %" PRIu64, *at);
    const size_t name = read_u16(entry + ENTRY_NAME_LENGTH);
    const size_t extra = read_u16(entry + ENTRY_EXTRA_LENGTH);
    const size_t size = ENTRY_SIZE + name + extra + read_u16(entry + ENTRY_COMMENT_LENGTH);
    if (end - *at < size)
        return npv_fail(error, NPV_E_FORMAT, "the ZIP directory is damaged at byte %" PRIu64, *at);
    *header = (npv_zip_header){.flags = read_u16(entry + ENTRY_FLAGS),
                               .method = read_u16(entry + ENTRY_METHOD),
                               .crc = read_u32(entry + ENTRY_CRC),
                               .compressed = read_u32(entry + ENTRY_COMPRESSED),
                               .size = read_u32(entry + ENTRY_UNCOMPRESSED),
                               .offset = read_u32(entry + ENTRY_OFFSET),
                               .name = {entry + ENTRY_SIZE, name},
                               .extra = {entry + ENTRY_SIZE + name, extra}};
    widen(header->extra, (uint64_t *const[]){&header->size, &header->compressed, &header->offset}, 3);
    *at += size;
    return read_u16(entry + ENTRY_DISK) == 0
               ? NPV_OK
               : npv_fail(error, NPV_E_UNSUPPORTED, "expected a ZIP archive in one piece, found one of several");
}

bool npv_zip_read_local(npv_bytes bytes, uint64_t offset, uint64_t limit, npv_zip_header *header) {
    if (offset > limit || limit - offset < LOCAL_SIZE || read_u32(bytes.data + offset) != LOCAL)
        return false;
    const unsigned char *const local = bytes.data + offset;
    const size_t name = read_u16(local + LOCAL_NAME_LENGTH);
    const size_t extra = read_u16(local + LOCAL_EXTRA_LENGTH);
    *header = (npv_zip_header){.flags = read_u16(local + LOCAL_FLAGS),
                               .method = read_u16(local + LOCAL_METHOD),
                               .crc = read_u32(local + LOCAL_CRC),
                               .compressed = read_u32(local + LOCAL_COMPRESSED),
                               .size = read_u32(local + LOCAL_UNCOMPRESSED),
                               .offset = offset,
                               .name = {local + LOCAL_SIZE, name},
                               .extra = {local + LOCAL_SIZE + name, extra}};
    if (limit - offset < LOCAL_SIZE + name + extra)
        return false;
    widen(header->extra, (uint64_t *const[]){&header->size, &header->compressed}, 2);
    return true;
}

static bool same_bytes(npv_bytes a, npv_bytes b) {
    return a.size == b.size && (a.size == 0 || memcmp(a.data, b.data, a.size) == 0);
}

static bool headers_agree(const npv_zip_header *entry, const npv_zip_header *local) {
    const uint32_t compared = FLAG_ENCRYPTED | FLAG_SIZES_FOLLOW | FLAG_PATCH | FLAG_STRONG_ENCRYPTION;
    if ((entry->flags & compared) != (local->flags & compared) || entry->method != local->method ||
        !same_bytes(entry->name, local->name))
        return false;
    if ((local->flags & FLAG_SIZES_FOLLOW) != 0) /* behind the data, when they were known */
        return true;
    return entry->crc == local->crc && entry->compressed == local->compressed && entry->size == local->size;
}

/* What a member needs that npvec reads at all: the same for those whose names it does not know. */
static npv_status check_kind(const npv_zip_header *header, const char *name, npv_error *error) {
    if ((header->flags & (FLAG_ENCRYPTED | FLAG_STRONG_ENCRYPTION)) != 0)
        return npv_fail(error, NPV_E_UNSUPPORTED, "member '%s' is encrypted", name);
    if ((header->flags & FLAG_PATCH) != 0)
        return npv_fail(error, NPV_E_UNSUPPORTED, "member '%s' is a patch of another file", name);
    if (header->method != 0 && header->method != Z_DEFLATED)
        return npv_fail(error, NPV_E_UNSUPPORTED,
                        "member '%s': expected it stored or deflated, found compression method %" PRIu32, name,
                        header->method);
    return NPV_OK;
}

static npv_status check_sizes(const npv_zip_header *header, uint64_t room, const char *name, npv_error *error) {
    if (header->compressed > room)
        return npv_fail(error, NPV_E_FORMAT,
                        "member '%s': its %" PRIu64 " bytes reach behind the %" PRIu64 " that the file has for them",
                        name, header->compressed, room);
    if (header->method == 0 && header->compressed != header->size)
        return npv_fail(error, NPV_E_FORMAT, "member '%s' is stored, but its sizes differ: %" PRIu64 " and %" PRIu64,
                        name, header->compressed, header->size);
    if (header->size / MOST_INFLATION > header->compressed || header->size > SIZE_MAX)
        return npv_fail(error, NPV_E_FORMAT, "member '%s': %" PRIu64 " bytes cannot inflate to %" PRIu64, name,
                        header->compressed, header->size);
    return NPV_OK;
}

/* The member of this directory entry; its local header and data must lie before `limit`. */
static npv_status read_member(npv_bytes bytes, const npv_zip_header *entry, uint64_t limit, npv_zip_member *member,
                              npv_error *error) {
    char shown[NPV_SHOWN];
    npv_bytes_show(entry->name, shown);
    npv_status status = check_kind(entry, shown, error);
    if (status != NPV_OK)
        return status;
    npv_zip_header local;
    if (!npv_zip_read_local(bytes, entry->offset, limit, &local))
        return npv_fail(error, NPV_E_FORMAT, "member '%s': expected its local header at byte %" PRIu64 ", found none",
                        shown, entry->offset);
    if (!headers_agree(entry, &local))
        return npv_fail(error, NPV_E_FORMAT, "member '%s': its local header differs from the directory", shown);
    const uint64_t offset = entry->offset + LOCAL_SIZE + local.name.size + local.extra.size;
    status = check_sizes(entry, limit - offset, shown, error);
    if (status != NPV_OK)
        return status;
    *member = (npv_zip_member){.name = entry->name,
                               .data = {bytes.data + offset, (size_t)entry->compressed},
                               .start = entry->offset,
                               .offset = offset,
                               .size = entry->size,
                               .crc = entry->crc,
                               .deflated = entry->method == Z_DEFLATED};
    return NPV_OK;
}

static npv_status read_members(npv_bytes bytes, const zip_directory *directory, npv_zip *zip, npv_error *error) {
    const uint64_t end = directory->offset + directory->size;
    uint64_t at = directory->offset;
    for (size_t i = 0; i < zip->count; i++) {
        npv_zip_header entry;
        npv_status status = npv_zip_read_entry(bytes, &at, end, &entry, error);
        if (status == NPV_OK)
            status = read_member(bytes, &entry, directory->offset, &zip->members[i], error);
        if (status != NPV_OK)
            return status;
    }
    if (at != end)
        return npv_fail(error, NPV_E_FORMAT, "the ZIP directory does not end after the %zu entries that it announces",
                        zip->count);
    return NPV_OK;
}

static npv_status check_apart(const npv_zip *zip, npv_error *error) {
    for (size_t i = 0; i < zip->count; i++) {
        const npv_zip_member *const a = &zip->members[i];
        for (size_t j = 0; j < i; j++) {
            const npv_zip_member *const b = &zip->members[j];
            const bool same = same_bytes(a->name, b->name);
            if (!same && (a->start >= b->offset + b->data.size || b->start >= a->offset + a->data.size))
                continue;
            char shown[NPV_SHOWN];
            npv_bytes_show(a->name, shown);
            return same ? npv_fail(error, NPV_E_FORMAT, "two members are called '%s'", shown)
                        : npv_fail(error, NPV_E_FORMAT, "member '%s' overlaps another one", shown);
        }
    }
    return NPV_OK;
}

npv_status npv_zip_open(npv_bytes bytes, npv_zip *zip, npv_error *error) {
    zip_directory directory = {0};
    npv_status status = find_directory(bytes, &directory, error);
    if (status != NPV_OK)
        return status;
    const size_t count = (size_t)directory.entries;
    npv_zip opened = {calloc(count + 1, sizeof *opened.members), count, directory.comment};
    if (opened.members == NULL)
        return npv_fail_memory(error, "a ZIP directory", (count + 1) * sizeof *opened.members);
    status = read_members(bytes, &directory, &opened, error);
    if (status == NPV_OK)
        status = check_apart(&opened, error);
    if (status == NPV_OK)
        *zip = opened;
    else
        npv_zip_close(&opened);
    return status;
}

void npv_zip_close(npv_zip *zip) {
    free(zip->members);
    *zip = (npv_zip){NULL, 0, {NULL, 0}};
}

const npv_zip_member *npv_zip_find(const npv_zip *zip, const char *name) {
    const npv_bytes wanted = {(const unsigned char *)name, strlen(name)};
    for (size_t i = 0; i < zip->count; i++)
        if (same_bytes(zip->members[i].name, wanted))
            return &zip->members[i];
    return NULL;
}

/* -------------------------------------------------------------------------------------------- Reading a member -- */

static uint32_t crc_of(uint32_t crc, const unsigned char *data, size_t size) {
    for (size_t done = 0; done < size;) {
        const size_t slice = size - done < most_at_once ? size - done : most_at_once;
        crc = (uint32_t)crc32(crc, data + done, (uInt)slice);
        done += slice;
    }
    return crc;
}

npv_status npv_zip_reader_open(const npv_zip_member *member, npv_zip_reader *reader, npv_error *error) {
    memset(reader, 0, sizeof *reader);
    reader->member = member;
    if (!member->deflated)
        return NPV_OK;
    if (inflateInit2(&reader->inflater, -MAX_WBITS) != Z_OK)
        return npv_fail(error, NPV_E_MEMORY, "out of memory: inflating needs about 50 KB");
    return NPV_OK;
}

void npv_zip_reader_close(npv_zip_reader *reader) {
    if (reader->member->deflated)
        inflateEnd(&reader->inflater);
}

/* One call of inflate, which takes what it wants of the rest of the member. */
static int inflate_some(npv_zip_reader *reader, unsigned char *data, size_t size, size_t *got) {
    z_stream *const inflater = &reader->inflater;
    const npv_bytes input = reader->member->data;
    const size_t taken = (size_t)inflater->total_in;
    const size_t left = input.size - taken;
    inflater->next_in = (Bytef *)(uintptr_t)(input.data + taken); /* zlib only reads it */
    inflater->avail_in = (uInt)(left < most_at_once ? left : most_at_once);
    inflater->next_out = data;
    inflater->avail_out = (uInt)(size < most_at_once ? size : most_at_once);
    const uInt room = inflater->avail_out;
    const int result = inflate(inflater, Z_NO_FLUSH);
    *got = room - inflater->avail_out;
    return result;
}

static npv_status inflate_exactly(npv_zip_reader *reader, unsigned char *data, size_t size, npv_error *error) {
    while (size > 0) {
        size_t got = 0;
        const int result = inflate_some(reader, data, size, &got);
        data += got;
        size -= got;
        if (result == Z_MEM_ERROR)
            return npv_fail(error, NPV_E_MEMORY, "out of memory: inflating needs about 50 KB");
        if (size > 0 && (result != Z_OK || got == 0))
            return npv_fail(error, NPV_E_FORMAT, "its deflated bytes are damaged after %lu of %zu bytes",
                            reader->inflater.total_in, reader->member->data.size);
    }
    return NPV_OK;
}

static npv_status reader_read(void *context, void *data, size_t size, npv_error *error) {
    npv_zip_reader *const reader = context;
    const npv_zip_member *const member = reader->member;
    if (size > member->size - reader->done)
        return npv_fail(error, NPV_E_FORMAT, "expected %zu bytes more after %" PRIu64 ", found %" PRIu64, size,
                        reader->done, member->size - reader->done);
    if (size == 0)
        return NPV_OK;
    if (member->deflated) {
        const npv_status status = inflate_exactly(reader, data, size, error);
        if (status != NPV_OK)
            return status;
    } else {
        memcpy(data, member->data.data + reader->done, size);
    }
    reader->crc = crc_of(reader->crc, data, size);
    reader->done += size;
    return NPV_OK;
}

npv_source npv_zip_reader_source(npv_zip_reader *reader) {
    return (npv_source){reader_read, reader};
}

static npv_status check_crc(const npv_zip_member *member, uint32_t crc, npv_error *error) {
    if (crc == member->crc)
        return NPV_OK;
    return npv_fail(error, NPV_E_FORMAT, "its bytes are damaged: expected CRC-32 %08" PRIx32 ", found %08" PRIx32,
                    member->crc, crc);
}

npv_status npv_zip_reader_finish(npv_zip_reader *reader, npv_error *error) {
    const npv_zip_member *const member = reader->member;
    assert(reader->done == member->size);
    if (member->deflated) {
        unsigned char more = 0;
        size_t got = 0;
        const int result = inflate_some(reader, &more, 1, &got);
        if (result != Z_STREAM_END || got != 0 || reader->inflater.total_in != member->data.size)
            return npv_fail(error, NPV_E_FORMAT, "its deflated bytes do not end after %" PRIu64 " inflated ones",
                            member->size);
    }
    return check_crc(member, reader->crc, error);
}

static npv_status inflate_whole(npv_zip_reader *reader, npv_buffer *inflated, npv_error *error) {
    const size_t size = (size_t)reader->member->size;
    npv_status status = npv_buffer_reserve(inflated, size, error);
    if (status == NPV_OK)
        status = reader_read(reader, inflated->data, size, error);
    if (status == NPV_OK)
        status = npv_zip_reader_finish(reader, error);
    if (status == NPV_OK)
        inflated->size = size;
    return status;
}

npv_status npv_zip_contents(const npv_zip_member *member, npv_buffer *inflated, npv_bytes *contents, npv_error *error) {
    if (!member->deflated) {
        *contents = member->data;
        return check_crc(member, crc_of(0, member->data.data, member->data.size), error);
    }
    npv_zip_reader reader;
    npv_status status = npv_zip_reader_open(member, &reader, error);
    if (status != NPV_OK)
        return status;
    status = inflate_whole(&reader, inflated, error);
    npv_zip_reader_close(&reader);
    *contents = (npv_bytes){inflated->data, inflated->size};
    return status;
}
