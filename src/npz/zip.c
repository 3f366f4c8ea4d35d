#include "zip.h"

#include <assert.h>
#include <inttypes.h>
#include <minizip/unzip.h>
#include <minizip/zip.h>
#include <stdlib.h>
#include <string.h>

#include "../error.h"

/* Sizes of the fixed parts of ZIP's records, and where the fields lie that minizip does not report. */
enum {
    LOCAL_SIZE = 30,
    LOCAL_FLAGS = 6,
    LOCAL_COMPRESSED = 18,
    LOCAL_UNCOMPRESSED = 22,
    LOCAL_NAME_LENGTH = 26,
    LOCAL_EXTRA_LENGTH = 28,
    DIRECTORY_ENTRY_SIZE = 46,
    END_SIZE = 22,
    END_DISK = 4,
    END_DIRECTORY_DISK = 6,
    END_COMMENT_LENGTH = 20,
    ZIP64_EXTRA_ID = 0x0001
};
enum { LOCAL_SIGNATURE = 0x04034b50, ENTRY_SIGNATURE = 0x02014b50, END_SIGNATURE = 0x06054b50 };
enum { ZIP64_END_SIGNATURE = 0x06064b50 };
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

/* ----------------------------------------------------------------------------- minizip's calls for mapped bytes -- */

typedef struct mapped_stream {
    npv_bytes bytes;
    uint64_t at; /* never behind the end */
} mapped_stream;

static uLong mapped_read(void *context, void *stream, void *data, uLong size) {
    (void)context;
    mapped_stream *const mapped = stream;
    const size_t left = mapped->bytes.size - (size_t)mapped->at;
    const size_t taken = size < left ? (size_t)size : left;
    if (taken > 0)
        memcpy(data, mapped->bytes.data + mapped->at, taken);
    mapped->at += taken;
    return (uLong)taken;
}

static ZPOS64_T mapped_tell(void *context, void *stream) {
    (void)context;
    return ((mapped_stream *)stream)->at;
}

static long mapped_seek(void *context, void *stream, ZPOS64_T offset, int origin) {
    (void)context;
    mapped_stream *const mapped = stream;
    const uint64_t size = mapped->bytes.size;
    const uint64_t base = origin == ZLIB_FILEFUNC_SEEK_SET ? 0 : origin == ZLIB_FILEFUNC_SEEK_CUR ? mapped->at : size;
    if (offset > size - base)
        return -1;
    mapped->at = base + offset;
    return 0;
}

/* Opening, closing and asking for errors are the same for reading and for writing: the context is the stream. */
static void *context_itself(void *context, const void *name, int mode) {
    (void)name;
    (void)mode;
    return context;
}

static int no_error(void *context, void *stream) {
    (void)context;
    (void)stream;
    return 0;
}

/* ---------------------------------------------------------------------------------------------- The directory -- */

/* The end record must end the file: minizip accepts a comment that was cut off, or bytes behind it. */
static npv_status find_end(npv_bytes bytes, size_t *end, npv_error *error) {
    for (size_t comment = 0; comment <= 0xffff && comment + END_SIZE <= bytes.size; comment++) {
        const size_t at = bytes.size - comment - END_SIZE;
        const unsigned char *const record = bytes.data + at;
        if (read_u32(record) != END_SIGNATURE || read_u16(record + END_COMMENT_LENGTH) != comment)
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

/* What a member needs that npvec reads at all: the same for those whose names it does not know. */
static npv_status check_kind(const unz_file_info64 *info, const char *name, npv_error *error) {
    if ((info->flag & (FLAG_ENCRYPTED | FLAG_STRONG_ENCRYPTION)) != 0)
        return npv_fail(error, NPV_E_UNSUPPORTED, "member '%s' is encrypted", name);
    if ((info->flag & FLAG_PATCH) != 0)
        return npv_fail(error, NPV_E_UNSUPPORTED, "member '%s' is a patch of another file", name);
    if (info->disk_num_start != 0)
        return npv_fail(error, NPV_E_UNSUPPORTED, "member '%s' lies on disk %lu of a divided archive", name,
                        info->disk_num_start);
    if (info->compression_method != 0 && info->compression_method != Z_DEFLATED)
        return npv_fail(error, NPV_E_UNSUPPORTED,
                        "member '%s': expected it stored or deflated, found compression method %lu", name,
                        info->compression_method);
    return NPV_OK;
}

static npv_status check_sizes(const unz_file_info64 *info, uint64_t room, const char *name, npv_error *error) {
    if (info->compressed_size > room)
        return npv_fail(error, NPV_E_FORMAT,
                        "member '%s': its %" PRIu64 " bytes reach behind the %" PRIu64 " that the file has for them",
                        name, (uint64_t)info->compressed_size, room);
    if (info->compression_method == 0 && info->compressed_size != info->uncompressed_size)
        return npv_fail(error, NPV_E_FORMAT, "member '%s' is stored, but its sizes differ: %" PRIu64 " and %" PRIu64,
                        name, (uint64_t)info->compressed_size, (uint64_t)info->uncompressed_size);
    if (info->uncompressed_size / MOST_INFLATION > info->compressed_size || info->uncompressed_size > SIZE_MAX)
        return npv_fail(error, NPV_E_FORMAT, "member '%s': %" PRIu64 " bytes cannot inflate to %" PRIu64, name,
                        (uint64_t)info->compressed_size, (uint64_t)info->uncompressed_size);
    return NPV_OK;
}

/* The sizes in the local header's ZIP64 field, if it has one and needs it; otherwise *uncompressed and *compressed
 * stay. A field that does not fit is no field. */
static void read_zip64_sizes(npv_bytes extra, uint64_t *uncompressed, uint64_t *compressed) {
    size_t at = 0;
    while (extra.size - at >= 4) {
        const uint32_t id = read_u16(extra.data + at);
        const size_t size = read_u16(extra.data + at + 2);
        at += 4;
        if (size > extra.size - at)
            return;
        if (id == ZIP64_EXTRA_ID) {
            size_t field = 0;
            if (*uncompressed == UINT32_MAX && size - field >= 8) {
                *uncompressed = read_u64(extra.data + at + field);
                field += 8;
            }
            if (*compressed == UINT32_MAX && size - field >= 8)
                *compressed = read_u64(extra.data + at + field);
            return;
        }
        at += size;
    }
}

/* minizip compares method, CRC-32, 32-bit sizes and the length of the name; here the rest. */
static bool local_header_agrees(const unz_file_info64 *info, npv_bytes name, const unsigned char *header) {
    const uint32_t flags = read_u16(header + LOCAL_FLAGS);
    const uint32_t compared = FLAG_ENCRYPTED | FLAG_SIZES_FOLLOW | FLAG_PATCH | FLAG_STRONG_ENCRYPTION;
    if ((flags & compared) != ((uint32_t)info->flag & compared))
        return false;
    if (memcmp(header + LOCAL_SIZE, name.data, name.size) != 0)
        return false;
    if ((flags & FLAG_SIZES_FOLLOW) != 0)
        return true;
    uint64_t compressed = read_u32(header + LOCAL_COMPRESSED);
    uint64_t uncompressed = read_u32(header + LOCAL_UNCOMPRESSED);
    const npv_bytes extra = {header + LOCAL_SIZE + name.size, read_u16(header + LOCAL_EXTRA_LENGTH)};
    read_zip64_sizes(extra, &uncompressed, &compressed);
    return uncompressed == info->uncompressed_size && compressed == info->compressed_size;
}

/* The member that `unzip` stands at. Its directory entry lies at `entry`, the directory begins at `limit`. */
static npv_status read_member(npv_bytes bytes, unzFile unzip, const unz_file_info64 *info, size_t entry, size_t limit,
                              npv_zip_member *member, npv_error *error) {
    const npv_bytes name = {bytes.data + entry + DIRECTORY_ENTRY_SIZE, info->size_filename};
    char shown[NPV_SHOWN];
    npv_bytes_show(name, shown);
    npv_status status = check_kind(info, shown, error);
    if (status != NPV_OK)
        return status;
    int method = 0;
    if (unzOpenCurrentFile2(unzip, &method, NULL, 1) != UNZ_OK)
        return npv_fail(error, NPV_E_FORMAT, "member '%s': its local header is missing or differs from the directory",
                        shown);
    const uint64_t offset = unzGetCurrentFileZStreamPos64(unzip);
    const int extra = unzGetLocalExtrafield(unzip, NULL, 0);
    unzCloseCurrentFile(unzip);
    const uint64_t head = (uint64_t)LOCAL_SIZE + name.size + (uint64_t)(extra < 0 ? 0 : extra);
    if (offset < head || offset > limit)
        return npv_fail(error, NPV_E_FORMAT, "member '%s' lies outside the file's data", shown);
    const unsigned char *const header = bytes.data + (offset - head);
    if (extra < 0 || read_u32(header) != LOCAL_SIGNATURE || read_u16(header + LOCAL_NAME_LENGTH) != name.size ||
        read_u16(header + LOCAL_EXTRA_LENGTH) != (uint32_t)extra || !local_header_agrees(info, name, header))
        return npv_fail(error, NPV_E_FORMAT, "member '%s': its local header differs from the directory", shown);
    status = check_sizes(info, limit - offset, shown, error);
    if (status != NPV_OK)
        return status;
    *member = (npv_zip_member){name,
                               {bytes.data + offset, (size_t)info->compressed_size},
                               offset - head,
                               offset,
                               info->uncompressed_size,
                               (uint32_t)info->crc,
                               info->compression_method == Z_DEFLATED};
    return NPV_OK;
}

/* Where the entry lies that `unzip` stands at, and what it says. Everything minizip took from it is within bounds. */
static npv_status read_entry(npv_bytes bytes, unzFile unzip, size_t end, size_t *entry, size_t *next,
                             unz_file_info64 *info, npv_error *error) {
    unz64_file_pos place = {0, 0};
    if (unzGetCurrentFileInfo64(unzip, info, NULL, 0, NULL, 0, NULL, 0) != UNZ_OK ||
        unzGetFilePos64(unzip, &place) != UNZ_OK)
        return npv_fail(error, NPV_E_FORMAT, "the ZIP directory is damaged");
    const uint64_t size =
        (uint64_t)DIRECTORY_ENTRY_SIZE + info->size_filename + info->size_file_extra + info->size_file_comment;
    /* minizip tolerates a program in front of the archive by shifting all offsets; those files do not begin as ours do
     * and are not for us, so offsets count from the first byte. */
    if (place.pos_in_zip_directory > end || size > end - place.pos_in_zip_directory ||
        read_u32(bytes.data + place.pos_in_zip_directory) != ENTRY_SIGNATURE)
        return npv_fail(error, NPV_E_FORMAT, "the ZIP directory is not where the end of the file says");
    *entry = (size_t)place.pos_in_zip_directory;
    *next = *entry + (size_t)size;
    return NPV_OK;
}

static npv_status read_members(npv_bytes bytes, unzFile unzip, size_t end, npv_zip *zip, npv_error *error) {
    size_t limit = end;
    size_t next = end;
    int found = unzGoToFirstFile(unzip);
    for (size_t i = 0; i < zip->count; i++) {
        if (found != UNZ_OK)
            return npv_fail(error, NPV_E_FORMAT, "the ZIP directory is damaged after %zu of %zu members", i,
                            zip->count);
        unz_file_info64 info;
        size_t entry = 0;
        npv_status status = read_entry(bytes, unzip, end, &entry, &next, &info, error);
        if (status == NPV_OK) {
            limit = i == 0 ? entry : limit;
            status = read_member(bytes, unzip, &info, entry, limit, &zip->members[i], error);
        }
        if (status != NPV_OK)
            return status;
        found = unzGoToNextFile(unzip);
    }
    if (next != end && (end - next < 4 || read_u32(bytes.data + next) != ZIP64_END_SIGNATURE))
        return npv_fail(error, NPV_E_FORMAT, "the ZIP directory has more entries than the %zu it announces",
                        zip->count);
    return NPV_OK;
}

static npv_status check_apart(const npv_zip *zip, npv_error *error) {
    for (size_t i = 0; i < zip->count; i++) {
        const npv_zip_member *const a = &zip->members[i];
        for (size_t j = 0; j < i; j++) {
            const npv_zip_member *const b = &zip->members[j];
            char shown[NPV_SHOWN];
            npv_bytes_show(a->name, shown);
            if (a->name.size == b->name.size && memcmp(a->name.data, b->name.data, a->name.size) == 0)
                return npv_fail(error, NPV_E_FORMAT, "two members are called '%s'", shown);
            if (a->start < b->offset + b->data.size && b->start < a->offset + a->data.size)
                return npv_fail(error, NPV_E_FORMAT, "member '%s' overlaps another one", shown);
        }
    }
    return NPV_OK;
}

static npv_status read_directory(npv_bytes bytes, unzFile unzip, size_t end, npv_zip *zip, npv_error *error) {
    unz_global_info64 global;
    if (unzGetGlobalInfo64(unzip, &global) != UNZ_OK || global.size_comment != bytes.size - end - END_SIZE)
        return npv_fail(error, NPV_E_FORMAT, "the end of the ZIP directory is ambiguous");
    if (global.number_entry > NPV_ZIP_MAX_MEMBERS)
        return npv_fail(error, NPV_E_LIMIT, "expected at most %d members, found %" PRIu64, NPV_ZIP_MAX_MEMBERS,
                        (uint64_t)global.number_entry);
    zip->comment = (npv_bytes){bytes.data + end + END_SIZE, global.size_comment};
    zip->count = (size_t)global.number_entry;
    zip->members = calloc(zip->count + 1, sizeof *zip->members);
    if (zip->members == NULL)
        return npv_fail_memory(error, "a ZIP directory", (zip->count + 1) * sizeof *zip->members);
    const npv_status status = read_members(bytes, unzip, end, zip, error);
    return status == NPV_OK ? check_apart(zip, error) : status;
}

npv_status npv_zip_open(npv_bytes bytes, npv_zip *zip, npv_error *error) {
    size_t end = 0;
    npv_status status = find_end(bytes, &end, error);
    if (status != NPV_OK)
        return status;
    mapped_stream stream = {bytes, 0};
    zlib_filefunc64_def calls = {context_itself, mapped_read, NULL,     mapped_tell,
                                 mapped_seek,    no_error,    no_error, &stream};
    const unzFile unzip = unzOpen2_64("", &calls);
    if (unzip == NULL)
        return npv_fail(error, NPV_E_FORMAT, "the end of the ZIP directory is damaged, or memory ran out");
    npv_zip opened = {NULL, 0, {NULL, 0}};
    status = read_directory(bytes, unzip, end, &opened, error);
    unzClose(unzip);
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
    const size_t length = strlen(name);
    for (size_t i = 0; i < zip->count; i++)
        if (zip->members[i].name.size == length && memcmp(zip->members[i].name.data, name, length) == 0)
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

/* ---------------------------------------------------------------------------------------------------- Writing -- */

static uLong replacement_write(void *context, void *stream, const void *data, uLong size) {
    (void)context;
    npv_zip_writer *const writer = stream;
    if (writer->status == NPV_OK)
        writer->status = npv_replacement_write(writer->file, writer->at, data, (size_t)size, &writer->error);
    if (writer->status != NPV_OK)
        return 0;
    writer->at += size;
    return size;
}

static ZPOS64_T replacement_tell(void *context, void *stream) {
    (void)context;
    return ((npv_zip_writer *)stream)->at;
}

static long replacement_seek(void *context, void *stream, ZPOS64_T offset, int origin) {
    (void)context;
    npv_zip_writer *const writer = stream;
    assert(origin == ZLIB_FILEFUNC_SEEK_SET);
    (void)origin;
    writer->at = offset;
    return 0;
}

/* The reason why minizip gave up: ours, or else it is out of memory, the only thing that it can lack itself. */
static npv_status writer_failure(const npv_zip_writer *writer, npv_error *error) {
    if (writer->status == NPV_OK)
        return npv_fail(error, NPV_E_MEMORY, "out of memory: writing a ZIP member needs about 300 KB");
    if (error != NULL)
        *error = writer->error;
    return writer->status;
}

npv_status npv_zip_writer_open(npv_replacement *file, npv_zip_writer *writer, npv_error *error) {
    memset(writer, 0, sizeof *writer);
    writer->file = file;
    zlib_filefunc64_def calls = {context_itself,   NULL,     replacement_write, replacement_tell,
                                 replacement_seek, no_error, no_error,          writer};
    writer->zip = zipOpen2_64("", APPEND_STATUS_CREATE, NULL, &calls);
    return writer->zip != NULL ? NPV_OK : writer_failure(writer, error);
}

/* The length of the padding field that makes the data of a member begin at a multiple of the alignment. */
static uInt padding_length(const npv_zip_writer *writer, const char *name, bool zip64) {
    const uint64_t zip64_field = zip64 ? 20 : 0; /* which minizip adds to the local header */
    const uint64_t unpadded = writer->at + LOCAL_SIZE + strlen(name) + zip64_field + 4;
    return (uInt)(4 + (NPV_ZIP_ALIGNMENT - unpadded % NPV_ZIP_ALIGNMENT) % NPV_ZIP_ALIGNMENT);
}

npv_status npv_zip_writer_begin(npv_zip_writer *writer, const char *name, uint64_t size, bool deflate,
                                npv_error *error) {
    /* The deflated size may exceed the size, by less than 1/1000; 16 MiB is 1/256 of 4 GiB. */
    const bool zip64 = size >= UINT32_MAX - ((uint64_t)16 << 20);
    const zip_fileinfo info = {.dosDate = 1U << 21 | 1U << 16}; /* 1980-01-01, the first day of ZIP's calendar */
    unsigned char padding[4 + NPV_ZIP_ALIGNMENT] = {NPV_ZIP_PADDING_ID & 0xff, NPV_ZIP_PADDING_ID >> 8};
    const uInt length = deflate ? 0 : padding_length(writer, name, zip64);
    padding[2] = (unsigned char)(deflate ? 0 : length - 4);
    writer->expected = size;
    const int result = zipOpenNewFileInZip64(writer->zip, name, &info, padding, length, NULL, 0, NULL,
                                             deflate ? Z_DEFLATED : 0, Z_DEFAULT_COMPRESSION, zip64);
    return result == ZIP_OK ? NPV_OK : writer_failure(writer, error);
}

static npv_status writer_write(void *context, const void *data, size_t size, npv_error *error) {
    npv_zip_writer *const writer = context;
    const unsigned char *const bytes = data;
    const size_t slice = (size_t)1 << 20; /* minizip takes the CRC first, then copies: within the cache */
    assert(size <= writer->expected);
    for (size_t done = 0; done < size; done += slice) {
        const size_t part = size - done < slice ? size - done : slice;
        if (zipWriteInFileInZip(writer->zip, bytes + done, (unsigned)part) != ZIP_OK)
            return writer_failure(writer, error);
    }
    writer->expected -= size;
    return NPV_OK;
}

npv_sink npv_zip_writer_sink(npv_zip_writer *writer) {
    return (npv_sink){writer_write, writer};
}

npv_status npv_zip_writer_end(npv_zip_writer *writer, npv_error *error) {
    assert(writer->expected == 0);
    return zipCloseFileInZip(writer->zip) == ZIP_OK ? NPV_OK : writer_failure(writer, error);
}

npv_status npv_zip_writer_close(npv_zip_writer *writer, const char *comment, npv_error *error) {
    const int result = zipClose(writer->zip, comment);
    return result == ZIP_OK && writer->status == NPV_OK ? NPV_OK : writer_failure(writer, error);
}

void npv_zip_writer_abandon(npv_zip_writer *writer) {
    writer->status = NPV_E_IO; /* zipClose is the only way to free, and must not write any more */
    zipClose(writer->zip, NULL);
}
