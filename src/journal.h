/*
 * The journal of a store: what has changed since its archive was written, one record for each change.
 *
 * docs/format.md ("The journal") has the bytes. This file and journal_*.c know records, not what they do to a store:
 * that is replay.c's.
 */
#ifndef NPV_JOURNAL_H
#define NPV_JOURNAL_H

#include <pthread.h>
#include <stdbool.h>

#include "bytes.h"
#include "lock.h"

#define NPV_JOURNAL_VERSION 1
#define NPV_JOURNAL_HEADER 128 /* bytes before the first record */
#define NPV_JOURNAL_RECORD 40  /* bytes before the payload of one */
#define NPV_JOURNAL_BATCH 32   /* bytes of a batch's payload before its vectors */

typedef enum npv_journal_type {
    NPV_JOURNAL_ADD = 1,
    NPV_JOURNAL_UPSERT = 2,
    NPV_JOURNAL_DELETE = 3,
    NPV_JOURNAL_CLEAR = 4,
    NPV_JOURNAL_SET_DOCUMENTS = 5
} npv_journal_type;

/* The state of a store that a journal goes on from. */
typedef struct npv_journal_base {
    unsigned char id[16]; /* of the store; of a file without a mark, its fingerprint */
    uint64_t generation;  /* 0: without a mark */
    size_t dimensions;
    bool normalize;
    uint64_t record_size; /* of a store with typed fields, else 0 */
    uint64_t descr_hash;
} npv_journal_base;

typedef struct npv_journal_header {
    npv_journal_base base;
    uint64_t salt;             /* random: no other journal has it */
    uint64_t follows_salt;     /* the journal whose changes are in the archive this one goes on from, or 0 */
    uint64_t follows_sequence; /* ... with that many records */
    uint64_t process;          /* who wrote to it last; not checked */
} npv_journal_header;

/* The parts of a batch, as the store has them: vectors scaled, ids one after the other with a zero each. */
typedef struct npv_journal_batch {
    uint64_t count;
    npv_bytes vectors;   /* data NULL: none */
    npv_bytes records;   /* the same for all of them */
    npv_bytes rows;      /* count numbers, 8 bytes each */
    npv_bytes ids;       /* count texts; of no bytes but the zero: a row without an id */
    npv_bytes documents; /* a pickle (npz/pickle.h) */
} npv_journal_batch;

typedef struct npv_journal_record {
    npv_journal_type type;
    uint64_t sequence; /* 1 for the first */
    uint32_t unflushed;
    npv_bytes payload; /* valid until the next record is read */
} npv_journal_record;

/* -------------------------------------------------------------------------------------------------------- Format -- */

/* Of the same archive; and also of the same form. */
bool npv_journal_same_archive(const npv_journal_base *a, const npv_journal_base *b);
bool npv_journal_same_base(const npv_journal_base *a, const npv_journal_base *b);

void npv_journal_write_header(const npv_journal_header *header, unsigned char bytes[NPV_JOURNAL_HEADER]);

/* NPV_E_FORMAT for what is no header, or a damaged one; NPV_E_UNSUPPORTED for another version. */
npv_status npv_journal_read_header(const char *path, const unsigned char bytes[NPV_JOURNAL_HEADER],
                                   npv_journal_header *header, npv_error *error);

/* Whatever the checksum says. */
void npv_journal_take_header(const unsigned char bytes[NPV_JOURNAL_HEADER], npv_journal_header *header);

/* Where the process stands in the header, so that it can be changed alone. */
#define NPV_JOURNAL_PROCESS_AT 120

typedef struct npv_journal_record_header {
    uint32_t type;
    uint64_t sequence;
    uint64_t size;      /* of the payload */
    uint64_t checksum;  /* of the payload */
    uint32_t unflushed; /* changes right before this one that were not on the disk when it was written; see below */
} npv_journal_record_header;

/*
 * Threads share a flush, so that with durability DISK several records may wait for one; if the power goes, a later one
 * may be on the disk without an earlier one. Where a record is broken, those behind it show that it was lost and never
 * acknowledged, if all of them count it among the unflushed; else it is damaged. With OS they count none.
 */
#define NPV_JOURNAL_MOST_UNFLUSHED 65535

/* A record's header depends on the journal and on where in it the record stands, so no copy of one is ever valid. */
void npv_journal_write_record_header(const npv_journal_record_header *header, uint64_t salt, uint64_t offset,
                                     unsigned char bytes[NPV_JOURNAL_RECORD]);
bool npv_journal_read_record_header(const unsigned char bytes[NPV_JOURNAL_RECORD], uint64_t salt, uint64_t offset,
                                    npv_journal_record_header *header);

/* Checked against each other and against the size of the payload; `batch` points into it. NPV_E_FORMAT. */
npv_status npv_journal_read_batch(npv_bytes payload, size_t dimensions, uint64_t record_size, npv_journal_batch *batch,
                                  npv_error *error);

/* Flags of a batch. */
#define NPV_JOURNAL_HAS_VECTORS 1u
#define NPV_JOURNAL_HAS_RECORDS 2u
#define NPV_JOURNAL_HAS_IDS 4u
#define NPV_JOURNAL_HAS_DOCUMENTS 8u
#define NPV_JOURNAL_HAS_ROWS 16u

static inline uint64_t npv_journal_padded(uint64_t size) {
    return (size + 7) / 8 * 8;
}

void npv_put_u32(unsigned char *bytes, uint32_t value);
void npv_put_u64(unsigned char *bytes, uint64_t value);
uint32_t npv_get_u32(const unsigned char *bytes);
uint64_t npv_get_u64(const unsigned char *bytes);

/* ------------------------------------------------------------------------------------------------------- Reading -- */

/* Reads records from a journal that somebody else may be writing to. Memory is that of the largest record. */
typedef struct npv_journal_reader {
    const char *path; /* the caller's */
    int fd;
    bool owns_fd;
    uint64_t file_size; /* when it was opened */
    npv_journal_header header;
    uint64_t offset;   /* behind the last whole record that was read */
    uint64_t sequence; /* of that record */
    npv_buffer window; /* bytes of the file, from `window_at` */
    uint64_t window_at;
    uint64_t wasted; /* bytes of damaged payloads that were read in vain */
    bool follows;    /* `offset` is where it was read to before, so zeros are nothing but room */
} npv_journal_reader;

/* *found is false, and nothing is open, if there is no journal, or an empty file. `fd` -1, or one that stays open. */
npv_status npv_journal_reader_open(const char *path, int fd, npv_journal_reader *reader, bool *found, npv_error *error);
void npv_journal_reader_close(npv_journal_reader *reader);

/*
 * The next whole record; *found is false behind the last one. What is left then, up to file_size, is a record that was
 * not finished, and room. NPV_E_FORMAT if it is not that: if whole records lie behind a damaged one.
 */
npv_status npv_journal_next(npv_journal_reader *reader, npv_journal_record *record, bool *found, npv_error *error);

/* Behind the last record: bytes up to the last one that is not zero. */
npv_status npv_journal_unfinished(npv_journal_reader *reader, uint64_t *size, npv_error *error);

/* The rest is for what can be had of a damaged journal. Its header is taken as it stands. */
npv_status npv_journal_reader_open_damaged(const char *path, npv_journal_reader *reader, bool *found, npv_error *error);

/* What stands at one place of the file. */
typedef struct npv_journal_sight {
    uint64_t at;
    bool has_header; /* that of a record: */
    npv_journal_record_header header;
    npv_journal_record record; /* its payload, if there is all of it, */
    bool sound;                /* ... as it was written */
} npv_journal_sight;

npv_status npv_journal_look(npv_journal_reader *reader, uint64_t offset, npv_journal_sight *sight, npv_error *error);

/* The first sound record from there on; sight->sound is false if there is none. */
npv_status npv_journal_find(npv_journal_reader *reader, uint64_t from, npv_journal_sight *sight, npv_error *error);

/* Reading goes on behind this one. */
void npv_journal_pass(npv_journal_reader *reader, const npv_journal_sight *sight);

/* ------------------------------------------------------------------------------------------------------- Writing -- */

/* A journal that is written to. One thread at a time, but for npv_journal_wait. */
typedef struct npv_journal {
    char *path;
    npv_lock lock; /* on the file, which it keeps open */
    npv_durability durability;
    npv_journal_header header;
    uint64_t size;     /* of the header and the records */
    uint64_t room_end; /* of the zeros behind them: of the file */
    uint64_t sequence; /* of the last record */
    struct XXH3_state_s *hash;
    npv_buffer scratch[2]; /* the caller's: ids (or rows) and documents of a batch */
    struct npv_journal *retired;
    pid_t process;
    bool known;       /* that what is in the file is what was read or written here */
    bool foreign;     /* this is a child of the process that took the lock */
    char broken[256]; /* why nothing may be written any more, or "" */

    pthread_mutex_t mutex; /* for what follows, and `broken` */
    pthread_cond_t synced_more;
    uint64_t written; /* changes, counted over all files that this journal was */
    uint64_t synced;  /* of them, those that are on the disk */
    bool syncing;
    bool flush_failed;
} npv_journal;

/* The journal of the archive at `path`: "<path>-journal", where links lead to. The caller's to free. */
npv_status npv_journal_path(const char *path, char **journal_path, npv_error *error);

/*
 * Takes the lock of the journal at `path`, which becomes the journal's own on success. The file is empty if it was not
 * there. NPV_E_BUSY names who has it.
 */
npv_status npv_journal_open(char *path, mode_t mode, npv_durability durability, npv_journal **journal,
                            npv_error *error);

/* Goes on behind what `reader` has read: the rest, if there is any, is cut off. */
npv_status npv_journal_continue(npv_journal *journal, const npv_journal_reader *reader, npv_error *error);

/* Replaces the file by one without records, which goes on from `base`; the lock moves over. */
npv_status npv_journal_restart(npv_journal *journal, const npv_journal_base *base, npv_error *error);

/* Bytes of the header and the records. Any thread. */
uint64_t npv_journal_size(npv_journal *journal);

/* NPV_E_BUSY or NPV_E_IO with the reason if nothing can be written. */
npv_status npv_journal_check(npv_journal *journal, npv_error *error);

/* Appends a record with one write. If that fails the file is as it was. The number of the change is in `written`. */
npv_status npv_journal_append_batch(npv_journal *journal, npv_journal_type type, const npv_journal_batch *batch,
                                    npv_error *error);
npv_status npv_journal_append(npv_journal *journal, npv_journal_type type, npv_bytes payload, npv_error *error);

/* Cuts off the zeros behind the records. NPV_E_IO with errno. */
npv_status npv_journal_cut_room(npv_journal *journal);

/* Nothing more can be written, for this reason. */
void npv_journal_break(npv_journal *journal, const char *reason);

/*
 * Returns when change number `written` is as durable as asked. Any number of threads at once: one of them flushes for
 * all that wait.
 */
npv_status npv_journal_wait(npv_journal *journal, uint64_t written, npv_error *error);

/* In a child after fork, before anything else. */
void npv_journal_after_fork(npv_journal *journal);

/* Unlocks, and removes the file if it has no records. NULL is allowed. */
void npv_journal_close(npv_journal *journal);

/* The same with the file removed in any case: its changes are in an archive. */
void npv_journal_remove(npv_journal *journal);

/* The store goes on with another journal, `next`. Threads may still wait for this one: it is freed with the other. */
void npv_journal_retire(npv_journal *journal, npv_journal *next);

#endif
