#include "zip.h"

#include <assert.h>
#include <minizip/zip.h>
#include <string.h>

#include "../error.h"

/* minizip's calls. It opens what it is given as context, and asks for errors when we have told it of them already. */
static void *open_context(void *context, const void *name, int mode) {
    (void)name;
    (void)mode;
    return context;
}

static int no_error(void *context, void *stream) {
    (void)context;
    (void)stream;
    return 0;
}

static uLong replacement_write(void *context, void *stream, const void *data, uLong size) {
    (void)context;
    npv_zip_writer *const writer = stream;
    if (writer->status == NPV_OK)
        writer->status = npv_replacement_write(writer->file, writer->at, data, (size_t)size, &writer->error);
    writer->at += size;
    return size; /* in any case: minizip leaks memory when a local header cannot be written */
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

/* What came of a call of minizip. It never learns of our failures, so its own can only be that memory ran out. */
static npv_status outcome(const npv_zip_writer *writer, bool done, npv_error *error) {
    if (writer->status != NPV_OK && error != NULL)
        *error = writer->error;
    if (writer->status != NPV_OK || done)
        return writer->status;
    return npv_fail(error, NPV_E_MEMORY, "out of memory: writing a ZIP member needs about 300 KB");
}

npv_status npv_zip_writer_open(npv_replacement *file, npv_zip_writer *writer, npv_error *error) {
    memset(writer, 0, sizeof *writer);
    writer->file = file;
    zlib_filefunc64_def calls = {open_context,     NULL,     replacement_write, replacement_tell,
                                 replacement_seek, no_error, no_error,          writer};
    writer->zip = zipOpen2_64("", APPEND_STATUS_CREATE, NULL, &calls);
    return outcome(writer, writer->zip != NULL, error);
}

/* The length of the padding field that makes the data of a member begin at a multiple of the alignment. */
static uInt padding_length(const npv_zip_writer *writer, const char *name, bool zip64) {
    const uint64_t local_header = 30;
    const uint64_t zip64_field = zip64 ? 20 : 0; /* which minizip adds to the local header */
    const uint64_t unpadded = writer->at + local_header + strlen(name) + zip64_field + 4;
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
    return outcome(writer, result == ZIP_OK, error);
}

static npv_status writer_write(void *context, const void *data, size_t size, npv_error *error) {
    npv_zip_writer *const writer = context;
    const unsigned char *const bytes = data;
    const size_t slice = (size_t)1 << 20; /* minizip takes the CRC first, then copies: within the cache */
    assert(size <= writer->expected);
    for (size_t done = 0; done < size; done += slice) {
        const size_t part = size - done < slice ? size - done : slice;
        const int result = zipWriteInFileInZip(writer->zip, bytes + done, (unsigned)part);
        const npv_status status = outcome(writer, result == ZIP_OK, error);
        if (status != NPV_OK)
            return status;
    }
    writer->expected -= size;
    return NPV_OK;
}

npv_sink npv_zip_writer_sink(npv_zip_writer *writer) {
    return (npv_sink){writer_write, writer};
}

npv_status npv_zip_writer_end(npv_zip_writer *writer, npv_error *error) {
    assert(writer->expected == 0);
    const int result = zipCloseFileInZip(writer->zip);
    return outcome(writer, result == ZIP_OK, error);
}

npv_status npv_zip_writer_close(npv_zip_writer *writer, const char *comment, npv_error *error) {
    const int result = zipClose(writer->zip, comment);
    return outcome(writer, result == ZIP_OK, error);
}

void npv_zip_writer_abandon(npv_zip_writer *writer) {
    writer->status = NPV_E_IO; /* zipClose is the only way to free, and must not write any more */
    zipClose(writer->zip, NULL);
}
