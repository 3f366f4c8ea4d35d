/* What a store owns. Only store.c, edit.c and file.c change it; search.c and the rest read it under the lock. */
#ifndef NPV_STORE_H
#define NPV_STORE_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <sys/types.h>

#include "bytes.h"
#include "codes.h"
#include "ids.h"
#include "journal.h"
#include "kernels/kernels.h"
#include "meta/columns.h"
#include "meta/documents.h"
#include "meta/schema.h"
#include "npz/archive.h"
#include "plan.h"
#include "rows.h"
#include "workers.h"

/* How far a store that does not write to a journal has read it. */
typedef struct npv_journal_position {
    npv_journal_base base; /* the archive that it goes on from */
    int fd;                /* of the journal; -1: there was none */
    uint64_t salt;
    uint64_t offset;
    uint64_t sequence;
} npv_journal_position;

struct npv_store {
    pthread_rwlock_t lock;  /* writers alone, readers together */
    pthread_mutex_t turn;   /* taken by writers, before `lock`, until they have that; and by readers that come while */
    atomic_bool awaited;    /* a writer that has its turn waits for `lock` */
    pthread_mutex_t lazy;   /* taken by readers, inside `lock`, around what is made at first use */
    pthread_mutex_t saving; /* taken by readers, inside `lock`: one npv_save at a time; by writers, before their turn */
    atomic_ulong forks;     /* npv_forks() of the process whose locks and threads these are */

    unsigned threads;
    const npv_kernels *kernels;
    npv_workers *workers;

    bool no_codes;
    uint64_t rows_scanned;     /* rows x queries scanned plainly while there were no codes; under `lazy` */
    npv_experience experience; /* under `lazy` */

    npv_durability durability;
    npv_journal *journal;             /* of a store that was opened for writing, or saved as one; else NULL */
    uint64_t fold_at;                 /* bytes of it that are worth a new archive */
    bool own_changes;                 /* rows were changed, without a journal, since they were read or saved */
    struct npv_retired_rows *retired; /* rows that npv_refresh has replaced, for pointers that were borrowed */
    char *path;                       /* where npv_save writes, or NULL. Changed under `lazy`, as is */
    char *journal_path;               /* its journal, or NULL */

    /*
     * From here to the end: what a file holds, and what was made of it. When a file is opened anew npv_refresh replaces
     * all of this, and nothing above.
     */
    size_t dimensions;
    bool normalize;

    uint64_t rows;     /* with the deleted ones: all row numbers are below */
    uint64_t deleted;  /* of them */
    npv_array live;    /* a bit a row: is it not deleted? Nothing while none is */
    npv_array vectors; /* float, rows x dimensions */

    npv_metadata_kind metadata;
    npv_documents documents;  /* `rows` of them, unless they are still in the archive */
    npv_record_schema schema; /* of a typed store */
    npv_array records;        /* schema.record_size bytes each, one a row, unless they are still in the archive */
    npv_columns columns;      /* of documents or records; made under `lazy` */
    npv_ids ids;
    npv_archive *archive; /* not NULL: something has not been read yet, */
    bool metadata_waits;  /* ... documents or records, */
    bool ids_wait;        /* ... ids */

    npv_array lengths; /* double, |x| of the first lengths_known rows: made at the first search that needs them */
    uint64_t lengths_known;
    uint64_t zero_rows; /* of those, how many are zero */

    npv_codes codes; /* the coarse copy; made under `lazy` */

    bool mapped;
    char origin[160];
    npv_journal_position followed; /* the archive, and what of its journal is in a store that does not write it */
    char journal_note[160];        /* what of it is not, and why, or "" */
    npv_archive_mark mark;         /* of the file at `path`; changed under `lazy` */
    dev_t source_device;           /* the file that was opened, */
    ino_t source_inode;
    uint64_t archive_bytes; /* of the file at `path`, as it was opened or saved */
    bool compress;          /* how the file there was written */
    char would_lose[96];    /* and what of it saving over it would lose, or "" */
};

/* Every public function holds one of these while it looks at the store. Also mends the store in a child after fork. */
void npv_store_lock_for_reading(npv_store *store);
void npv_store_lock_for_writing(npv_store *store);
void npv_store_unlock(npv_store *store);

/* An empty store that does not normalise. file.c and npv_create make it what it is to be. */
npv_status npv_store_new(size_t dimensions, unsigned threads, npv_store **store, npv_error *error);

/* What was followed is not needed any more. */
void npv_store_unfollow(npv_store *store);

/* The rows that are not deleted, or NULL: none is. */
const uint64_t *npv_store_live(const npv_store *store);

/* NPV_E_RANGE for a row that is not there, or was deleted. */
npv_status npv_store_check_row(const npv_store *store, uint64_t row, npv_error *error);

/*
 * Copies the caller's struct over *target, which holds the defaults; both are led by their size. A struct from an older
 * header is shorter and leaves the rest at its default; one from a newer header is taken if it asks for nothing that
 * this library does not know.
 */
npv_status npv_copy_options(void *target, size_t target_size, const void *given, const char *name, npv_error *error);

/* A field that means nothing yet must be 0, so that it can mean something later. */
npv_status npv_check_reserved(int reserved, const char *name, npv_error *error);

npv_status npv_check_durability(npv_durability durability, npv_error *error);

#endif
