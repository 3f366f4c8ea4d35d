/*
 * All that can be had of a store's files, sound or damaged. npv_verify says what is wrong with them, and npv_repair
 * saves what there is: both do this and differ only in what becomes of the store.
 */
#ifndef NPV_SALVAGE_H
#define NPV_SALVAGE_H

#include "findings.h"
#include "npz/npy.h"
#include "npz/zip_salvage.h"
#include "store.h"

enum {
    NPV_PART_VERSION,
    NPV_PART_DIMENSIONS,
    NPV_PART_NORMALIZE,
    NPV_PART_METADATA,
    NPV_PART_IDS,
    NPV_PART_VECTORS,
    NPV_PARTS
};

/* A member of the archive. */
typedef struct npv_part {
    const char *name;
    npv_salvaged_member found;
    bool readable;         /* its header is: */
    npv_npy_header header; /* ... */
    bool mended;           /* the header is not the file's, but what it must have been: */
    unsigned char head[NPV_NPY_WRITTEN_HEADER];
} npv_part;

typedef struct npv_salvage {
    npv_findings *findings;
    npv_file file;
    npv_part parts[NPV_PARTS];
    bool marked;               /* there is a mark: */
    npv_archive_mark mark;     /* ... */
    bool mark_lost;            /* there is none, and there may have been one */
    npv_journal_base identity; /* id and generation that a journal of this archive has */
    npv_store *store;          /* what was found; rows that are lost are deleted ones. NULL: nothing */
    bool numbered;             /* rows that are added get the numbers that they had */
    uint64_t partial;          /* rows that lack something */
} npv_salvage;

/* Reads the archive. An error is for what says nothing about the file, or for a file that is no store at all. */
npv_status npv_salvage_archive(const char *path, npv_findings *findings, npv_salvage *salvage, npv_error *error);

/*
 * Does what the journal says, as far as it can be read. *again: it goes on from an archive that is at the path by now.
 */
npv_status npv_salvage_journal(const char *path, npv_salvage *salvage, bool *again, npv_error *error);

/* Reads documents or records, and ids, of the archive into the store, which has its vectors. */
npv_status npv_salvage_metadata(npv_salvage *salvage, npv_error *error);
npv_status npv_salvage_ids(npv_salvage *salvage, npv_error *error);

/* Want of memory is an error; whatever else is wrong with what was read is the file's, and none. */
npv_status npv_salvage_error(npv_status status, const npv_error *wrong, npv_error *error);

/* Reads the part from its first byte, with the header that it must have had. */
typedef struct npv_part_reader {
    npv_part *part;
    npv_zip_reader zip;
} npv_part_reader;

npv_status npv_part_open(npv_part *part, npv_part_reader *reader, npv_error *error);
void npv_part_close(npv_part_reader *reader);
npv_source npv_part_source(npv_part_reader *reader);

/* If this header, with what follows, has the CRC-32 of the damaged part, then only its header is damaged. */
void npv_part_mend(npv_part *part, const char *descr, unsigned axes, const uint64_t *shape);

/* Says which rows of a set are lost, or lack something: a line for each run of them. */
void npv_salvage_name_rows(npv_salvage *salvage, const uint64_t *rows, uint64_t count, const char *what);

void npv_salvage_free(npv_salvage *salvage);

#endif
