#include "save.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "compact.h"
#include "error.h"
#include "identity.h"
#include "journalling.h"
#include "lazy.h"

/* --------------------------------------------------------------------------------------------------- The archive -- */

bool npv_ends_in_npz(const char *path) {
    const size_t length = strlen(path);
    return length > 4 && strcmp(path + length - 4, ".npz") == 0;
}

static bool is_source(const npv_store *store, const char *path) {
    struct stat file;
    return stat(path, &file) == 0 && file.st_dev == store->source_device && file.st_ino == store->source_inode;
}

static npv_status check_destination(const npv_store *store, const char *path, npv_error *error) {
    if (path == NULL)
        return npv_fail(error, NPV_E_ARGUMENT, "npv_save: expected a path, found none, and the store has no file yet");
    if (!npv_ends_in_npz(path))
        return npv_fail(error, NPV_E_ARGUMENT, "%s: expected a name that ends in .npz", path);
    if (store->would_lose[0] != '\0' && is_source(store, path))
        return npv_fail(error, NPV_E_UNSUPPORTED, "%s: saving over this file would lose %s; save to another path", path,
                        store->would_lose);
    return NPV_OK;
}

static npv_status write_archive(npv_store *store, const char *path, bool compress, npv_archive_mark mark,
                                npv_error *error) {
    npv_status status = npv_store_load_metadata(store, error);
    if (status == NPV_OK)
        status = npv_store_load_ids(store, error);
    if (status != NPV_OK)
        return status;
    const npv_archive_contents contents = {.rows = store->rows,
                                           .live = npv_store_live(store),
                                           .dimensions = store->dimensions,
                                           .normalize = store->normalize,
                                           .vectors = (const float *)(const void *)store->vectors.data,
                                           .ids = &store->ids,
                                           .documents = &store->documents,
                                           .schema = store->metadata == NPV_METADATA_TYPED ? &store->schema : NULL,
                                           .records = store->records.data,
                                           .mark = mark,
                                           .compress = compress};
    return npv_archive_write(path, &contents, error);
}

/* --------------------------------------------------------------------------------------------------- The journal -- */

/* One npv_save, from locking its destination to its end. */
typedef struct saving {
    npv_store *store;
    const char *path;
    char *path_copy, *journal_path; /* owned, until the store adopts them */
    npv_journal *journal; /* locked: the store's own, or that of another path; NULL: there are no locks here */
    bool own_path;        /* the store's file is replaced */
} saving;

/* Changes that another process wrote to the journal, and that this store, which is going to remove it, has not seen. */
static npv_status check_unseen(const saving *save, npv_error *error) {
    const npv_journal_position *const followed = &save->store->followed;
    npv_journal_reader reader;
    npv_journal_record record;
    bool found = false;
    npv_status status = npv_journal_reader_open(save->journal_path, save->journal->lock.fd, &reader, &found, error);
    if (status != NPV_OK || !found)
        return status;
    found = npv_journal_same_archive(&reader.header.base, &followed->base);
    if (followed->fd >= 0 && reader.header.salt == followed->salt) {
        reader.offset = followed->offset;
        reader.sequence = followed->sequence;
    }
    if (found)
        status = npv_journal_next(&reader, &record, &found, error);
    npv_journal_reader_close(&reader);
    if (status != NPV_OK || !found)
        return status;
    return npv_fail(error, NPV_E_BUSY,
                    "%s: its journal has changes that this store has not seen and saving would lose: npv_refresh, or "
                    "open it again",
                    save->path);
}

/* The permissions of the journal are those of its archive. */
static mode_t journal_mode(const char *path) {
    struct stat file;
    return stat(path, &file) == 0 ? file.st_mode & (mode_t)0777 : (mode_t)0666;
}

static npv_status lock_destination(saving *save, npv_error *error) {
    npv_store *const store = save->store;
    if (save->own_path && store->journal != NULL && !store->journal->foreign) {
        save->journal = store->journal;
        if (npv_lock_names(&store->journal->lock, store->journal->path))
            return NPV_OK;
        return npv_fail(error, NPV_E_BUSY,
                        "%s: it was removed or replaced while this store was writing to it; save to another path",
                        store->journal->path);
    }
    if (save->own_path && store->journal != NULL)
        return npv_journal_check(store->journal, error);
    char *const journal_path = strdup(save->journal_path);
    if (journal_path == NULL)
        return npv_fail_memory(error, "a path", strlen(save->journal_path) + 1);
    npv_status status =
        npv_journal_open(journal_path, journal_mode(save->path), store->durability, &save->journal, error);
    if (status != NPV_OK)
        free(journal_path);
    if (status == NPV_E_UNSUPPORTED && store->durability == NPV_DURABILITY_OFF)
        return NPV_OK; /* a file system without locks */
    return status == NPV_OK && save->own_path ? check_unseen(save, error) : status;
}

/* The archive has been written: the store's journal goes on from it, and another is not needed any more. */
static npv_status settle_journal(saving *save, npv_archive_mark mark, npv_error *error) {
    npv_store *const store = save->store;
    npv_journal *const journal = save->journal;
    npv_journal_base base;
    npv_error found;
    npv_store_base(store, &base);
    memcpy(base.id, mark.store_id, sizeof base.id);
    base.generation = mark.generation;
    if (store->durability == NPV_DURABILITY_OFF) {
        if (journal != NULL)
            npv_journal_remove(journal);
        save->journal = NULL;
        return NPV_OK;
    }
    const npv_status status = npv_journal_restart(journal, &base, &found);
    if (status != NPV_OK) {
        if (journal == store->journal)
            npv_journal_break(journal, found.message);
        return npv_fail(error, status, "%s: saved, but without a new journal: %s", save->path, found.message);
    }
    if (store->journal != NULL && store->journal != journal)
        npv_journal_retire(store->journal, journal);
    store->journal = journal;
    return NPV_OK;
}

/* Under `saving`: the store belongs to the file that was just written. */
static void adopt_path(saving *save, npv_archive_mark mark) {
    npv_store *const store = save->store;
    struct stat file;
    pthread_mutex_lock(&store->lazy);
    free(store->path);
    free(store->journal_path);
    store->path = save->path_copy;
    store->journal_path = save->journal_path;
    save->path_copy = save->journal_path = NULL;
    store->mark = mark;
    npv_store_unfollow(store);
    memcpy(store->followed.base.id, mark.store_id, sizeof mark.store_id);
    store->followed.base.generation = mark.generation;
    if (stat(store->path, &file) == 0)
        store->archive_bytes = (uint64_t)file.st_size;
    store->would_lose[0] = store->journal_note[0] = '\0';
    store->own_changes = false;
    pthread_mutex_unlock(&store->lazy);
}

/* -------------------------------------------------------------------------------------------------------- Saving -- */

static npv_status begin(saving *save, npv_error *error) {
    npv_status status = npv_journal_path(save->path, &save->journal_path, error);
    if (status != NPV_OK)
        return status;
    const char *const own = save->store->journal_path;
    save->own_path = own != NULL && strcmp(own, save->journal_path) == 0;
    save->path_copy = strdup(save->path);
    if (save->path_copy == NULL)
        return npv_fail_memory(error, "a path", strlen(save->path) + 1);
    return lock_destination(save, error);
}

static void end(saving *save) {
    if (save->journal != save->store->journal)
        npv_journal_close(save->journal);
    free(save->path_copy);
    free(save->journal_path);
}

/*
 * Writing the archive has failed. If that was after it got its name, the journal does not go on from it: changes that
 * were written there would be lost.
 */
static void check_archive(const saving *save, const char *reason) {
    npv_journal *const journal = save->store->journal;
    bool same = false;
    if (journal == NULL || journal != save->journal || save->store->path == NULL)
        return;
    if (npv_store_file_is_same(save->store, &same, NULL) != NPV_OK || !same)
        npv_journal_break(journal, reason);
}

static npv_status save(npv_store *store, const char *given, bool compress, npv_error *error) {
    saving save = {.store = store, .path = given != NULL ? given : store->path};
    npv_archive_mark mark = store->mark;
    npv_error found = {.message = ""};
    npv_status status = check_destination(store, save.path, error);
    if (status == NPV_OK)
        status = npv_archive_next_mark(&mark, error);
    if (status != NPV_OK)
        return status;
    status = begin(&save, error);
    if (status != NPV_OK) {
        end(&save);
        return status;
    }
    status = write_archive(store, save.path, compress, mark, &found);
    if (status != NPV_OK) {
        check_archive(&save, found.message);
        if (error != NULL)
            *error = found;
    } else {
        status = settle_journal(&save, mark, error);
        if (status == NPV_OK || save.own_path)
            adopt_path(&save, mark);
        store->compress = compress;
    }
    end(&save);
    return status;
}

/* Rows were deleted: they are left out of the file, and then out of memory. */
static npv_status save_and_compact(npv_store *store, const char *path, bool compress, npv_error *error) {
    npv_compaction compaction;
    npv_status status = npv_store_load_metadata(store, error);
    if (status == NPV_OK)
        status = npv_store_load_ids(store, error);
    if (status == NPV_OK)
        status = npv_compaction_prepare(store, &compaction, error);
    if (status != NPV_OK)
        return status;
    status = save(store, path, compress, error);
    if (status == NPV_OK)
        npv_compaction_run(store, &compaction);
    npv_compaction_free(&compaction);
    return status;
}

npv_status npv_store_save(npv_store *store, const char *path, bool compress, npv_error *error) {
    return (store->deleted > 0 ? save_and_compact : save)(store, path, compress, error);
}

/* Rows that move up must have no readers. */
static void lock_for_saving(npv_store *store) {
    npv_store_lock_for_reading(store);
    if (store->deleted == 0)
        return;
    npv_store_unlock(store);
    npv_store_lock_for_writing(store);
}

npv_status npv_save(npv_store *store, const char *path, const npv_save_options *given, npv_error *error) {
    npv_save_options options = NPV_SAVE_OPTIONS_INIT;
    if (store == NULL)
        return npv_fail(error, NPV_E_ARGUMENT, "npv_save: expected a store, found NULL");
    npv_status status = npv_copy_options(&options, sizeof options, given, "npv_save_options", error);
    if (status == NPV_OK)
        status = npv_check_reserved(options.reserved, "npv_save_options", error);
    if (status != NPV_OK)
        return status;
    lock_for_saving(store); /* first, because it mends the locks after a fork */
    pthread_mutex_lock(&store->saving);
    status = npv_store_save(store, path, options.compress != 0, error);
    pthread_mutex_unlock(&store->saving);
    npv_store_unlock(store);
    return status;
}

/* ------------------------------------------------------------------------------------------------------- Folding -- */

/*
 * For each byte of the journal half a byte of the archive is written again, and one for each that came new; and to open
 * the file takes no longer than to read a journal of twice its size.
 */
bool npv_store_is_outgrown(const npv_store *store) {
    const uint64_t bytes = store->journal != NULL ? store->journal->size : 0;
    return bytes > store->fold_at && bytes / 2 > store->archive_bytes;
}

void npv_store_fold_if_outgrown(npv_store *store) {
    if (!npv_store_is_outgrown(store) || store->deleted > 0 || npv_journal_check(store->journal, NULL) != NPV_OK)
        return;
    if (npv_store_save(store, NULL, store->compress, NULL) != NPV_OK)
        store->fold_at = 2 * store->journal->size;
}
