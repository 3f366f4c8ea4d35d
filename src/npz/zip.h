/*
 * ZIP archives: members found, checked and read on the mapped bytes; written through npv_replacement.
 *
 * zlib inflates, deflates and counts CRC-32; the container is ours. minizip 1.1, the obvious library for it, overlooks
 * the ZIP64 sizes and offsets of members on 64-bit systems, takes archives that were cut off or that contradict
 * themselves, and when memory runs out while it writes, it crashes.
 *
 * Messages name the member only where a function deals with more than one; archive.c puts the path in front.
 */
#ifndef NPV_ZIP_H
#define NPV_ZIP_H

#include <stdbool.h>
#include <zlib.h>

#include "../io.h"

/* More members than any archive of ours needs; the checks compare each with each. */
#define NPV_ZIP_MAX_MEMBERS 1024

/* Where the data of an aligned member starts: at a multiple of this, so that a mapping of it suits any vector load. */
#define NPV_ZIP_ALIGNMENT 64

/* The id of the extra field (in the local header only) that makes room before aligned data: "NV" in the file. */
#define NPV_ZIP_PADDING_ID 0x564e

typedef struct npv_zip_member {
    npv_bytes name;  /* in the mapped bytes, not terminated */
    npv_bytes data;  /* in the mapped bytes, as stored or deflated */
    uint64_t start;  /* of its local header in the file */
    uint64_t offset; /* of its data in the file */
    uint64_t size;   /* when inflated */
    uint32_t crc;
    bool deflated;
} npv_zip_member;

typedef struct npv_zip {
    npv_zip_member *members;
    size_t count;
    npv_bytes comment;
} npv_zip;

/*
 * Reads the directory of the archive in `bytes`, which must outlive *zip. Afterwards every member is stored or
 * deflated, lies within the bytes before the directory and apart from all others, has a name of its own, agrees with
 * its local header, and claims no more than its bytes can inflate to.
 */
npv_status npv_zip_open(npv_bytes bytes, npv_zip *zip, npv_error *error);
void npv_zip_close(npv_zip *zip);

/* The member called `name`, or NULL. */
const npv_zip_member *npv_zip_find(const npv_zip *zip, const char *name);

/* What a member's directory entry and its local header both say. */
typedef struct npv_zip_header {
    uint32_t flags;
    uint32_t method;
    uint32_t crc;
    uint64_t compressed;
    uint64_t size;
    uint64_t offset; /* of the local header */
    npv_bytes name;
    npv_bytes extra;
} npv_zip_header;

/* The entry at `at` of the directory that ends at `end`. *at moves behind it. */
npv_status npv_zip_read_entry(npv_bytes bytes, uint64_t *at, uint64_t end, npv_zip_header *header, npv_error *error);

/* The local header at `offset`, which must begin and end before `limit`. */
bool npv_zip_read_local(npv_bytes bytes, uint64_t offset, uint64_t limit, npv_zip_header *header);

/* Reads one member from its start to its end. Depends on nothing but the mapped bytes. */
typedef struct npv_zip_reader {
    const npv_zip_member *member;
    z_stream inflater; /* deflated members only */
    uint64_t done;     /* bytes handed out */
    uint32_t crc;      /* of these */
} npv_zip_reader;

npv_status npv_zip_reader_open(const npv_zip_member *member, npv_zip_reader *reader, npv_error *error);
npv_source npv_zip_reader_source(npv_zip_reader *reader);
/* Call when all `member->size` bytes were read: checks that the member ends here, and its CRC-32. */
npv_status npv_zip_reader_finish(npv_zip_reader *reader, npv_error *error);
void npv_zip_reader_close(npv_zip_reader *reader);

/* All bytes of a member, checked: *contents lies in the mapped file if it is stored, else in the empty `inflated`. */
npv_status npv_zip_contents(const npv_zip_member *member, npv_buffer *inflated, npv_bytes *contents, npv_error *error);

/* Writes an archive from its first byte to its last. Same members in, same bytes out. */
typedef struct npv_zip_writer {
    npv_replacement *file;
    unsigned char *buffer; /* bytes that are not in the file yet, */
    size_t buffered;
    uint64_t flushed;     /* ... and where they belong */
    npv_buffer directory; /* entries of the members so far */
    uint64_t members;
    struct npv_zip_entry { /* the member that is being written */
        const char *name;
        uint64_t start; /* of its local header */
        uint64_t data;  /* ... behind it */
        uint64_t size;
        uint64_t compressed;
        uint32_t crc;
        bool deflated;
        bool zip64; /* its sizes may need 64 bits */
        unsigned padding;
    } entry;
    uint64_t expected; /* bytes of it that are still to come */
    z_stream deflater; /* in use while `deflating` */
    bool deflating;
} npv_zip_writer;

npv_status npv_zip_writer_open(npv_replacement *file, npv_zip_writer *writer, npv_error *error);

/* Starts a member of `size` bytes, which then follow in any number of writes. The data of stored ones is aligned. The
 * name must stay until the member ends. */
npv_status npv_zip_writer_begin(npv_zip_writer *writer, const char *name, uint64_t size, bool deflate,
                                npv_error *error);
npv_sink npv_zip_writer_sink(npv_zip_writer *writer);
npv_status npv_zip_writer_end(npv_zip_writer *writer, npv_error *error);

/* Writes directory and comment. */
npv_status npv_zip_writer_finish(npv_zip_writer *writer, const char *comment, npv_error *error);
/* Frees what the writer holds, finished or not. */
void npv_zip_writer_close(npv_zip_writer *writer);

#endif
