#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "../error.h"
#include "zip.h"

enum {
    BUFFER_SIZE = 65536,
    SLICE = 1 << 20, /* of large data: CRC-32 first, then the write finds it in the cache */
    MADE_1980_01_01 = 1 << 5 | 1,
    VERSION = 20,
    VERSION_ZIP64 = 45,
    LOCAL_SIZE = 30,
    ZIP64_SIZES_SIZE = 20, /* the ZIP64 field of a local header */
    ZIP64_FIELD_ID = 0x0001
};

/* Deflating makes incompressible data larger, by less than 1/1000; 16 MiB is 1/256 of 4 GiB. */
static const uint64_t zip64_from = UINT32_MAX - ((uint64_t)16 << 20);

/* A record that is put together; the largest is a local header with both extra fields. */
typedef struct record {
    unsigned char bytes[256];
    size_t size;
} record;

static void put(record *r, uint64_t value, size_t size) {
    assert(r->size + size <= sizeof r->bytes);
    for (size_t i = 0; i < size; i++)
        r->bytes[r->size++] = (unsigned char)(value >> (8 * i));
}

static void put_text(record *r, const char *text) {
    const size_t length = strlen(text);
    assert(r->size + length <= sizeof r->bytes);
    memcpy(r->bytes + r->size, text, length);
    r->size += length;
}

static bool is_far(const struct npv_zip_entry *entry) {
    return entry->start >= UINT32_MAX;
}

static unsigned version_needed(const struct npv_zip_entry *entry) {
    return entry->zip64 || is_far(entry) ? VERSION_ZIP64 : VERSION;
}

/* What local header and directory entry have in common: from the version to the length of the name. */
static void put_common(record *r, const struct npv_zip_entry *entry) {
    put(r, version_needed(entry), 2);
    put(r, 0, 2); /* flags */
    put(r, entry->deflated ? Z_DEFLATED : 0, 2);
    put(r, 0, 2); /* time */
    put(r, MADE_1980_01_01, 2);
    put(r, entry->crc, 4);
    put(r, entry->zip64 ? UINT32_MAX : entry->compressed, 4);
    put(r, entry->zip64 ? UINT32_MAX : entry->size, 4);
    put(r, strlen(entry->name), 2);
}

static void put_local(record *r, const struct npv_zip_entry *entry) {
    put_text(r, "PK\x03\x04");
    put_common(r, entry);
    put(r, (entry->zip64 ? ZIP64_SIZES_SIZE : 0) + entry->padding, 2);
    put_text(r, entry->name);
    if (entry->zip64) {
        put(r, ZIP64_FIELD_ID, 2);
        put(r, 16, 2);
        put(r, entry->size, 8);
        put(r, entry->compressed, 8);
    }
    if (entry->padding > 0) {
        put(r, NPV_ZIP_PADDING_ID, 2);
        put(r, entry->padding - 4, 2);
        for (unsigned i = 4; i < entry->padding; i++)
            put(r, 0, 1);
    }
}

static void put_directory_entry(record *r, const struct npv_zip_entry *entry) {
    const bool far = is_far(entry);
    const unsigned wide = (entry->zip64 ? 16U : 0U) + (far ? 8U : 0U);
    put_text(r, "PK\x01\x02");
    put(r, version_needed(entry), 2); /* and what made it: no system in particular */
    put_common(r, entry);
    put(r, wide > 0 ? 4 + wide : 0, 2);
    put(r, 0, 2 + 2 + 2); /* no comment, on the first disk, binary */
    put(r, 0, 4);         /* no attributes */
    put(r, far ? UINT32_MAX : entry->start, 4);
    put_text(r, entry->name);
    if (wide > 0) {
        put(r, ZIP64_FIELD_ID, 2);
        put(r, wide, 2);
    }
    if (entry->zip64) {
        put(r, entry->size, 8);
        put(r, entry->compressed, 8);
    }
    if (far)
        put(r, entry->start, 8);
}

/* The ZIP64 end record and its locator, which lie at `at`. */
static void put_zip64_end(record *r, uint64_t members, uint64_t offset, uint64_t size, uint64_t at) {
    put_text(r, "PK\x06\x06");
    put(r, 44, 8);
    put(r, VERSION_ZIP64, 2);
    put(r, VERSION_ZIP64, 2);
    put(r, 0, 4); /* disk */
    put(r, 0, 4);
    put(r, members, 8);
    put(r, members, 8);
    put(r, size, 8);
    put(r, offset, 8);
    put_text(r, "PK\x06\x07");
    put(r, 0, 4);
    put(r, at, 8);
    put(r, 1, 4);
}

static void put_end(record *r, uint64_t members, uint64_t offset, uint64_t size, const char *comment) {
    put_text(r, "PK\x05\x06");
    put(r, 0, 2); /* disk */
    put(r, 0, 2);
    put(r, members, 2);
    put(r, members, 2);
    put(r, size, 4);
    put(r, offset < UINT32_MAX ? offset : UINT32_MAX, 4);
    put(r, strlen(comment), 2);
    put_text(r, comment);
}

/* ------------------------------------------------------------------------------------------------------- Output -- */

static uint64_t position(const npv_zip_writer *writer) {
    return writer->flushed + writer->buffered;
}

static npv_status flush(npv_zip_writer *writer, npv_error *error) {
    const npv_status status =
        npv_replacement_write(writer->file, writer->flushed, writer->buffer, writer->buffered, error);
    writer->flushed += writer->buffered;
    writer->buffered = 0;
    return status;
}

/* Bytes for the file, as they are. Small ones are gathered. */
static npv_status emit(npv_zip_writer *writer, const unsigned char *data, size_t size, npv_error *error) {
    npv_status status = NPV_OK;
    if (size > BUFFER_SIZE - writer->buffered)
        status = flush(writer, error);
    if (status != NPV_OK)
        return status;
    if (size > BUFFER_SIZE) {
        status = npv_replacement_write(writer->file, writer->flushed, data, size, error);
        writer->flushed += size;
    } else if (size > 0) {
        memcpy(writer->buffer + writer->buffered, data, size);
        writer->buffered += size;
    }
    return status;
}

/* Deflates into the buffer, which is flushed as it fills. */
static npv_status emit_deflated(npv_zip_writer *writer, const unsigned char *data, size_t size, int mode,
                                npv_error *error) {
    z_stream *const deflater = &writer->deflater;
    deflater->next_in = (Bytef *)(uintptr_t)data; /* zlib only reads it */
    deflater->avail_in = (uInt)size;
    int result = Z_OK;
    do {
        if (writer->buffered == BUFFER_SIZE) {
            const npv_status status = flush(writer, error);
            if (status != NPV_OK)
                return status;
        }
        const uInt room = (uInt)(BUFFER_SIZE - writer->buffered);
        deflater->next_out = writer->buffer + writer->buffered;
        deflater->avail_out = room;
        result = deflate(deflater, mode);
        writer->buffered += room - deflater->avail_out;
        assert(result != Z_STREAM_ERROR);
    } while (mode == Z_FINISH ? result != Z_STREAM_END : deflater->avail_in > 0);
    return NPV_OK;
}

/* ------------------------------------------------------------------------------------------------------ Members -- */

npv_status npv_zip_writer_open(npv_replacement *file, npv_zip_writer *writer, npv_error *error) {
    memset(writer, 0, sizeof *writer);
    writer->file = file;
    writer->buffer = malloc(BUFFER_SIZE);
    return writer->buffer != NULL ? NPV_OK : npv_fail_memory(error, "writing a ZIP archive", BUFFER_SIZE);
}

/* The length of the padding field that makes the data of a member begin at a multiple of the alignment. */
static unsigned padding_length(const struct npv_zip_entry *entry) {
    const uint64_t unpadded =
        entry->start + LOCAL_SIZE + strlen(entry->name) + (entry->zip64 ? ZIP64_SIZES_SIZE : 0) + 4;
    return (unsigned)(4 + (NPV_ZIP_ALIGNMENT - unpadded % NPV_ZIP_ALIGNMENT) % NPV_ZIP_ALIGNMENT);
}

npv_status npv_zip_writer_begin(npv_zip_writer *writer, const char *name, uint64_t size, bool deflate,
                                npv_error *error) {
    struct npv_zip_entry *const entry = &writer->entry;
    *entry = (struct npv_zip_entry){
        .name = name, .start = position(writer), .size = size, .deflated = deflate, .zip64 = size >= zip64_from};
    if (deflate &&
        deflateInit2(&writer->deflater, Z_DEFAULT_COMPRESSION, Z_DEFLATED, -MAX_WBITS, 8, Z_DEFAULT_STRATEGY) != Z_OK)
        return npv_fail(error, NPV_E_MEMORY, "out of memory: deflating needs about 300 KB");
    entry->padding = deflate ? 0 : padding_length(entry);
    writer->deflating = deflate;
    writer->expected = size;
    /* CRC-32 and deflated size are not known yet: the header takes its place now and is written again at the end. */
    record local = {.size = 0};
    put_local(&local, entry);
    entry->data = entry->start + local.size;
    return emit(writer, local.bytes, local.size, error);
}

static npv_status writer_write(void *context, const void *data, size_t size, npv_error *error) {
    npv_zip_writer *const writer = context;
    assert(size <= writer->expected);
    writer->expected -= size;
    npv_status status = NPV_OK;
    for (size_t done = 0; done < size && status == NPV_OK; done += SLICE) {
        const unsigned char *const bytes = (const unsigned char *)data + done;
        const size_t slice = size - done < SLICE ? size - done : SLICE;
        writer->entry.crc = (uint32_t)crc32(writer->entry.crc, bytes, (uInt)slice);
        status = writer->deflating ? emit_deflated(writer, bytes, slice, Z_NO_FLUSH, error)
                                   : emit(writer, bytes, slice, error);
    }
    return status;
}

npv_sink npv_zip_writer_sink(npv_zip_writer *writer) {
    return (npv_sink){writer_write, writer};
}

static npv_status finish_deflating(npv_zip_writer *writer, npv_error *error) {
    const npv_status status = emit_deflated(writer, NULL, 0, Z_FINISH, error);
    deflateEnd(&writer->deflater);
    writer->deflating = false;
    return status;
}

/* The local header once more, now that all of it is known, and the entry for the directory. */
static npv_status write_headers(npv_zip_writer *writer, npv_error *error) {
    const struct npv_zip_entry *const entry = &writer->entry;
    record local = {.size = 0};
    record listed = {.size = 0};
    put_local(&local, entry);
    put_directory_entry(&listed, entry);
    writer->members++;
    const npv_status status = npv_replacement_write(writer->file, entry->start, local.bytes, local.size, error);
    return status == NPV_OK ? npv_buffer_append(&writer->directory, listed.bytes, listed.size, error) : status;
}

npv_status npv_zip_writer_end(npv_zip_writer *writer, npv_error *error) {
    assert(writer->expected == 0);
    npv_status status = writer->deflating ? finish_deflating(writer, error) : NPV_OK;
    if (status == NPV_OK)
        status = flush(writer, error);
    writer->entry.compressed = position(writer) - writer->entry.data;
    return status == NPV_OK ? write_headers(writer, error) : status;
}

npv_status npv_zip_writer_finish(npv_zip_writer *writer, const char *comment, npv_error *error) {
    const uint64_t offset = position(writer);
    const uint64_t size = writer->directory.size;
    record end = {.size = 0};
    if (offset >= UINT32_MAX)
        put_zip64_end(&end, writer->members, offset, size, offset + size);
    put_end(&end, writer->members, offset, size, comment);
    npv_status status = emit(writer, writer->directory.data, writer->directory.size, error);
    if (status == NPV_OK)
        status = emit(writer, end.bytes, end.size, error);
    return status == NPV_OK ? flush(writer, error) : status;
}

void npv_zip_writer_close(npv_zip_writer *writer) {
    if (writer->deflating)
        deflateEnd(&writer->deflater);
    free(writer->buffer);
    free(writer->directory.data);
    memset(writer, 0, sizeof *writer);
}
