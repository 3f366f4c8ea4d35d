/* What a store owns. Only store.c changes it; search.c and the rest read it under the lock. */
#ifndef NPV_STORE_H
#define NPV_STORE_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <sys/types.h>

#include "bytes.h"
#include "codes.h"
#include "kernels/kernels.h"
#include "meta/documents.h"
#include "npz/archive.h"
#include "plan.h"
#include "rows.h"
#include "workers.h"

struct npv_store {
    pthread_rwlock_t lock;  /* writers alone, readers together */
    pthread_mutex_t lazy;   /* taken by readers, inside `lock`, around what is made at first use */
    pthread_mutex_t saving; /* taken by readers, inside `lock`: one npv_save at a time */
    _Atomic pid_t process;  /* whose locks and threads these are */

    size_t dimensions;
    bool normalize;
    unsigned threads;
    const npv_kernels *kernels;
    npv_workers *workers;

    uint64_t rows;
    npv_array vectors; /* float, rows x dimensions */

    npv_metadata_kind metadata;
    npv_documents documents; /* `rows` of them, unless they are still in the archive */
    npv_buffer typed;        /* metadata.npy of a typed store */
    npv_archive *archive;    /* not NULL: documents or typed metadata have not been read yet */

    npv_array lengths; /* double, |x| of the first lengths_known rows: made at the first search that needs them */
    uint64_t lengths_known;
    uint64_t zero_rows; /* of those, how many are zero */

    npv_codes codes; /* the coarse copy; made under `lazy` */
    bool no_codes;
    uint64_t rows_scanned;     /* rows x queries scanned plainly while there were no codes; under `lazy` */
    npv_experience experience; /* under `lazy` */
    uint64_t touched;          /* bytes of the mapped file that searches have made resident; under `lazy` */

    bool mapped;
    char origin[160];
    char *path;            /* where npv_save writes, or NULL. Changed under `lazy` */
    npv_archive_mark mark; /* of the file there */
    dev_t source_device;   /* the file that was opened, */
    ino_t source_inode;
    char would_lose[96]; /* and what of it saving over it would lose, or "" */
};

/* Every public function holds one of these while it looks at the store. Also mends the store in a child after fork. */
void npv_store_lock_for_reading(npv_store *store);
void npv_store_lock_for_writing(npv_store *store);
void npv_store_unlock(npv_store *store);

/* An empty store that does not normalise. file.c and npv_create make it what it is to be. */
npv_status npv_store_new(size_t dimensions, unsigned threads, npv_store **store, npv_error *error);

/* "expected a row below <rows>, found <row>" */
npv_status npv_fail_row(npv_error *error, uint64_t row, uint64_t rows);

/*
 * Copies the caller's struct over *target, which holds the defaults; both are led by their size. A struct from an older
 * header is shorter and leaves the rest at its default; one from a newer header is taken if it asks for nothing that
 * this library does not know.
 */
npv_status npv_copy_options(void *target, size_t target_size, const void *given, const char *name, npv_error *error);

/* A field that means nothing yet must be 0, so that it can mean something later. */
npv_status npv_check_reserved(int reserved, const char *name, npv_error *error);

#endif
