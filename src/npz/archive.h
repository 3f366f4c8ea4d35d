/*
 * A store's file: .npz, or .npy for reading. What the members mean is decided here; zip.c knows containers, npy.c
 * array headers, pickle.c documents. docs/format.md is the specification.
 */
#ifndef NPV_ARCHIVE_H
#define NPV_ARCHIVE_H

#include <stdbool.h>
#include <stdint.h>

#include "../ids.h"
#include "../io.h"
#include "../meta/documents.h"
#include "../meta/schema.h"

typedef struct npv_archive npv_archive;

/* What tells one store's files, and one save from the next, apart. All zero: no mark yet. */
typedef struct npv_archive_mark {
    unsigned char store_id[16]; /* random */
    uint64_t generation;        /* 1 in the store's first file, 1 more at each save */
} npv_archive_mark;

/* The mark of the next save: generation + 1, with a store id drawn at random if there is none. */
npv_status npv_archive_next_mark(npv_archive_mark *mark, npv_error *error);

/* The mark that a comment is; false if it is none. */
bool npv_archive_parse_mark(npv_bytes comment, npv_archive_mark *mark);

/* What is known of an opened file before any vector or document is read. */
typedef struct npv_archive_facts {
    uint64_t rows;
    size_t dimensions;
    npv_normalize normalize; /* AUTO: the file does not say */
    bool marked;             /* npvec wrote it: rows are finite and, where it normalises, of unit length */
    bool deflated;           /* vectors are */
    bool mappable;           /* vectors can be mapped in place: */
    int fd;                  /* ... of this file, owned by the archive, */
    uint64_t vectors_offset; /* ... from here */
    npv_metadata_kind metadata;
    bool objects;          /* documents may have objects beside them */
    bool ids;              /* some rows have one */
    npv_archive_mark mark; /* if marked, else all zero */
    bool narrowed;         /* vectors are float64: as float32 they lose digits */
    char unknown[64];      /* name of the first member that means nothing to npvec, or "" */
    char origin[160];      /* npv_info's text */
} npv_archive_facts;

/* Reads directory and headers, checks sizes against each other. O(members), whatever their size. */
npv_status npv_archive_open(const char *path, npv_archive **archive, npv_archive_facts *facts, npv_error *error);
void npv_archive_close(npv_archive *archive);

/* Converts the vectors to float32 rows in C order: rows x dimensions floats. Any float64 that a float32 cannot hold is
 * an error that names the row. Checks the member's CRC-32 when it is read whole. */
npv_status npv_archive_read_vectors(npv_archive *archive, float *vectors, npv_error *error);

/* Appends one document a row to the empty `documents` (metadata == NPV_METADATA_DOCUMENTS). */
npv_status npv_archive_read_documents(npv_archive *archive, npv_documents *documents, npv_error *error);

/* The type of the records (metadata == NPV_METADATA_TYPED), perhaps one that is not read: npv_schema_unread. */
npv_status npv_archive_read_schema(npv_archive *archive, npv_record_schema *schema, npv_error *error);

struct npv_zip_member;

/* The same of a member alone; `descr` is empty, and the caller's to free. */
npv_status npv_archive_schema_of(const struct npv_zip_member *member, npv_buffer *descr, npv_record_schema *schema,
                                 npv_error *error);

/* Reads the records, of that type, into the empty `records`, and checks them. On failure it is left empty. */
npv_status npv_archive_read_records(npv_archive *archive, const npv_record_schema *schema, npv_array *records,
                                    npv_error *error);

/* Reads the ids into the empty `ids`. NPV_E_FORMAT names both rows that have the same one. */
npv_status npv_archive_read_ids(npv_archive *archive, npv_ids *ids, npv_error *error);

/* What to write. */
typedef struct npv_archive_contents {
    uint64_t rows;
    const uint64_t *live; /* of these rows, those to write; NULL: all */
    size_t dimensions;
    bool normalize;
    const float *vectors;
    const npv_ids *ids;              /* NULL: none */
    const npv_documents *documents;  /* `rows` of them; ignored if there is a schema */
    const npv_record_schema *schema; /* NULL: there are no records; else */
    const unsigned char *records;    /* ... `rows` of them */
    npv_archive_mark mark;           /* the mark that the file gets: from npv_archive_next_mark */
    bool compress;
} npv_archive_contents;

/* Writes `path` atomically (npv_replacement). Same contents, same bytes. */
npv_status npv_archive_write(const char *path, const npv_archive_contents *contents, npv_error *error);

#endif
