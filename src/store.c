/* A store's life in memory: created, read, closed. edit.c changes its rows, file.c opens and saves it. */
#include "store.h"

#include <inttypes.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "error.h"
#include "fork.h"
#include "lazy.h"
#include "refresh.h"
#include "save.h"

#define DEFAULT_MOST_THREADS 8
#define TEXT(value) #value
#define VERSION_TEXT(major, minor, patch) TEXT(major) "." TEXT(minor) "." TEXT(patch)

const char *npv_version(void) {
    return VERSION_TEXT(NPV_VERSION_MAJOR, NPV_VERSION_MINOR, NPV_VERSION_PATCH);
}

void npv_free(void *memory) {
    free(memory);
}

/* -------------------------------------------------------------------------------------------------------- Locks -- */

static void set_up_locks(npv_store *store) {
    pthread_rwlock_init(&store->lock, NULL);
    pthread_mutex_init(&store->turn, NULL);
    atomic_store(&store->awaited, false);
    pthread_mutex_init(&store->lazy, NULL);
    pthread_mutex_init(&store->saving, NULL);
    atomic_store(&store->forks, npv_forks());
}

/*
 * After fork the child holds copies of locks that threads of its parent may have held, and none of those threads. The
 * first call in the child makes new ones; `forks` is 0 meanwhile.
 */
static void mend_after_fork(npv_store *store) {
    const unsigned long mine = npv_forks();
    unsigned long owner = atomic_load(&store->forks);
    while (owner != mine) {
        if (owner != 0 && atomic_compare_exchange_strong(&store->forks, &owner, 0)) {
            npv_workers_after_fork(store->workers);
            npv_journal_after_fork(store->journal);
            set_up_locks(store);
        } else {
            sched_yield();
        }
        owner = atomic_load(&store->forks);
    }
}

/*
 * A system's lock may let readers in as long as others are inside, and then three threads that search all the time keep
 * a writer waiting for minutes.
 */
void npv_store_lock_for_reading(npv_store *store) {
    mend_after_fork(store);
    if (atomic_load(&store->awaited)) {
        pthread_mutex_lock(&store->turn);
        pthread_mutex_unlock(&store->turn);
    }
    pthread_rwlock_rdlock(&store->lock);
}

void npv_store_lock_for_writing(npv_store *store) {
    mend_after_fork(store);
    /* While one saves, which takes as long as the disk does, readers need not wait for a writer that cannot come in. */
    pthread_mutex_lock(&store->saving);
    pthread_mutex_unlock(&store->saving);
    pthread_mutex_lock(&store->turn);
    atomic_store(&store->awaited, true);
    pthread_rwlock_wrlock(&store->lock);
    atomic_store(&store->awaited, false);
    pthread_mutex_unlock(&store->turn);
}

void npv_store_unlock(npv_store *store) {
    pthread_rwlock_unlock(&store->lock);
}

/* -------------------------------------------------------------------------------------------------------- Calls -- */

const uint64_t *npv_store_live(const npv_store *store) {
    return store->deleted > 0 ? (const uint64_t *)(const void *)store->live.data : NULL;
}

npv_status npv_store_check_row(const npv_store *store, uint64_t row, npv_error *error) {
    const uint64_t *const live = npv_store_live(store);
    if (store->rows == 0)
        return npv_fail(error, NPV_E_RANGE, "row %" PRIu64 " is not there: the store is empty", row);
    if (row >= store->rows)
        return npv_fail(error, NPV_E_RANGE, "expected a row from 0 to %" PRIu64 ", found %" PRIu64, store->rows - 1,
                        row);
    if (live != NULL && !npv_bit(live, row))
        return npv_fail(error, NPV_E_RANGE, "row %" PRIu64 " was deleted", row);
    return NPV_OK;
}

/*
 * Structs that callers fill have no padding at their end: a caller's padding would be taken for a field that this
 * library does not know yet.
 */
#define ENDS_WITH(type, field) \
    _Static_assert(sizeof(type) == offsetof(type, field) + sizeof(((type *)NULL)->field), #type " ends with padding")
ENDS_WITH(npv_store_options, field_count);
ENDS_WITH(npv_save_options, reserved);
ENDS_WITH(npv_search_options, filter);
ENDS_WITH(npv_batch, objects);
ENDS_WITH(npv_selection, id_count);
ENDS_WITH(npv_select_options, limit);

npv_status npv_copy_options(void *target, size_t target_size, const void *given, const char *name, npv_error *error) {
    size_t size;
    if (given == NULL)
        return NPV_OK;
    memcpy(&size, given, sizeof size);
    if (size < sizeof size)
        return npv_fail(error, NPV_E_ARGUMENT, "%s: expected its size in the first field, found %zu; start from %s",
                        name, size, "the _INIT value");
    for (size_t i = target_size; i < size; i++)
        if (((const unsigned char *)given)[i] != 0)
            return npv_fail(error, NPV_E_UNSUPPORTED,
                            "%s: asks for something that npvec %s does not know (byte %zu of %zu)", name, npv_version(),
                            i, size);
    memcpy(target, given, size < target_size ? size : target_size);
    return NPV_OK;
}

npv_status npv_check_reserved(int reserved, const char *name, npv_error *error) {
    if (reserved == 0)
        return NPV_OK;
    return npv_fail(error, NPV_E_UNSUPPORTED, "%s: expected 0 as `reserved`, found %d", name, reserved);
}

void npv_store_unfollow(npv_store *store) {
    if (store->followed.fd >= 0)
        close(store->followed.fd);
    store->followed.fd = -1;
    store->followed.salt = store->followed.offset = store->followed.sequence = 0;
}

npv_status npv_check_durability(npv_durability durability, npv_error *error) {
    if (durability == NPV_DURABILITY_OFF || durability == NPV_DURABILITY_OS || durability == NPV_DURABILITY_DISK)
        return NPV_OK;
    return npv_fail(error, NPV_E_UNSUPPORTED, "expected a durability of %d to %d, found %d", NPV_DURABILITY_OFF,
                    NPV_DURABILITY_DISK, (int)durability);
}

/* ------------------------------------------------------------------------------------------------------- Stores -- */

static unsigned machine_threads(void) {
    const long processors = sysconf(_SC_NPROCESSORS_ONLN);
    return processors < 1 ? 1 : processors > DEFAULT_MOST_THREADS ? DEFAULT_MOST_THREADS : (unsigned)processors;
}

npv_status npv_store_new(size_t dimensions, unsigned threads, npv_store **result, npv_error *error) {
    if (dimensions == 0 || dimensions > NPV_MAX_DIMENSIONS)
        return npv_fail(error, NPV_E_ARGUMENT, "expected 1 to %d dimensions, found %zu", NPV_MAX_DIMENSIONS,
                        dimensions);
    if (threads > NPV_MAX_THREADS)
        return npv_fail(error, NPV_E_ARGUMENT, "expected at most %d threads, found %u", NPV_MAX_THREADS, threads);
    const npv_status status = npv_forks_watch(error);
    if (status != NPV_OK)
        return status;
    npv_store *store = calloc(1, sizeof *store);
    if (store == NULL)
        return npv_fail_memory(error, "a store", sizeof *store);
    store->dimensions = dimensions;
    store->threads = threads > 0 ? threads : machine_threads();
    store->kernels = npv_kernels_chosen();
    store->workers = npv_workers_new(store->threads);
    if (store->workers == NULL) {
        free(store);
        return npv_fail_memory(error, "the threads of a store", 0);
    }
    npv_ids_init(&store->ids);
    store->fold_at = NPV_FOLD_AT;
    store->followed.fd = -1;
    set_up_locks(store);
    *result = store;
    return NPV_OK;
}

npv_status npv_create(const npv_store_options *given, npv_store **store, npv_error *error) {
    npv_store_options options = NPV_STORE_OPTIONS_INIT;
    npv_store *created;
    if (store == NULL)
        return npv_fail(error, NPV_E_ARGUMENT, "npv_create: expected a place for the store, found NULL");
    npv_status status = npv_copy_options(&options, sizeof options, given, "npv_store_options", error);
    if (status == NPV_OK)
        status = npv_check_durability(options.durability, error);
    if (status == NPV_OK)
        status = npv_store_new(options.dimensions, options.threads, &created, error);
    if (status != NPV_OK)
        return status;
    if (options.fields == NULL && options.field_count > 0)
        status =
            npv_fail(error, NPV_E_ARGUMENT, "npv_create: expected %zu typed fields, found NULL", options.field_count);
    else if (options.fields != NULL)
        status = npv_schema_declare(options.fields, options.field_count, &created->schema, error);
    if (status != NPV_OK) {
        npv_close(created);
        return status;
    }
    created->metadata = options.fields != NULL ? NPV_METADATA_TYPED : NPV_METADATA_NONE;
    created->no_codes = options.no_codes != 0;
    created->durability = options.durability;
    created->normalize = options.normalize != NPV_NORMALIZE_OFF;
    strcpy(created->origin, "created in memory");
    *store = created;
    return NPV_OK;
}

void npv_close(npv_store *store) {
    if (store == NULL)
        return;
    mend_after_fork(store);
    npv_workers_free(store->workers);
    npv_journal_close(store->journal);
    npv_store_unfollow(store);
    npv_retired_rows_free(store->retired);
    npv_archive_close(store->archive);
    npv_array_free(&store->live);
    npv_array_free(&store->vectors);
    npv_array_free(&store->lengths);
    npv_columns_free(&store->columns);
    npv_ids_free(&store->ids);
    npv_codes_free(&store->codes);
    npv_documents_free(&store->documents);
    npv_schema_free(&store->schema);
    npv_array_free(&store->records);
    free(store->path);
    free(store->journal_path);
    pthread_rwlock_destroy(&store->lock);
    pthread_mutex_destroy(&store->turn);
    pthread_mutex_destroy(&store->lazy);
    pthread_mutex_destroy(&store->saving);
    free(store);
}

npv_status npv_get_info(npv_store *store, npv_info *info, npv_error *error) {
    if (store == NULL || info == NULL || info->size < sizeof info->size)
        return npv_fail(error, NPV_E_ARGUMENT, "npv_get_info: expected a store and an npv_info that holds its size");
    npv_store_lock_for_reading(store);
    const npv_status status = npv_store_load_ids(store, error);
    npv_info found = {.size = info->size,
                      .rows = store->rows - store->deleted,
                      .row_end = store->rows,
                      .dimensions = store->dimensions,
                      .normalize = store->normalize,
                      .metadata = store->metadata,
                      .mapped = store->mapped,
                      .threads = store->threads,
                      .kernels = store->kernels->name,
                      .ids = store->ids.table.count};
    memcpy(found.origin, store->origin, sizeof found.origin);
    pthread_mutex_lock(&store->lazy);
    found.path = store->path;
    found.durability = store->journal != NULL ? store->durability : NPV_DURABILITY_OFF;
    found.generation = store->mark.generation;
    found.journal_bytes = store->journal != NULL ? npv_journal_size(store->journal) : store->followed.offset;
    memcpy(found.journal_note, store->journal_note, sizeof found.journal_note);
    found.objects = store->documents.objects;
    pthread_mutex_unlock(&store->lazy);
    npv_store_unlock(store);
    if (status == NPV_OK)
        memcpy(info, &found, info->size < sizeof found ? info->size : sizeof found);
    return status;
}

uint64_t npv_count(npv_store *store) {
    npv_store_lock_for_reading(store);
    const uint64_t rows = store->rows - store->deleted;
    npv_store_unlock(store);
    return rows;
}
