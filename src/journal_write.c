/* Writing a journal: one write(2) for a change, and one flush for all that wait for theirs. */
#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include <xxhash.h>

#include "error.h"
#include "io.h"
#include "journal.h"

/* ------------------------------------------------------------------------------------------------------ Opening -- */

npv_status npv_journal_path(const char *path, char **journal_path, npv_error *error) {
    static const char SUFFIX[] = "-journal";
    char *const real = realpath(path, NULL);
    if (real == NULL && errno != ENOENT)
        return npv_fail_io(error, path, "resolving its name");
    const char *const resolved = real != NULL ? real : path;
    const size_t length = strlen(resolved);
    char *const text = malloc(length + sizeof SUFFIX);
    if (text != NULL) {
        memcpy(text, resolved, length);
        memcpy(text + length, SUFFIX, sizeof SUFFIX);
    }
    free(real);
    *journal_path = text;
    return text != NULL ? NPV_OK : npv_fail_memory(error, "a path", length + sizeof SUFFIX);
}

static pid_t read_process(int fd) {
    unsigned char bytes[NPV_JOURNAL_HEADER];
    npv_journal_header header;
    if (pread(fd, bytes, sizeof bytes, 0) != (ssize_t)sizeof bytes ||
        npv_journal_read_header("", bytes, &header, NULL) != NPV_OK)
        return 0;
    return (pid_t)header.process;
}

static npv_status is_busy(const char *path, pid_t holder, npv_error *error) {
    if (holder == getpid())
        return npv_fail(error, NPV_E_BUSY, "%s: another store of this process has it open for writing", path);
    if (holder > 0)
        return npv_fail(error, NPV_E_BUSY, "%s: process %jd has it open for writing", path, (intmax_t)holder);
    return npv_fail(error, NPV_E_BUSY, "%s: another process is writing to it", path);
}

/* Memory and locks of a journal whose path is the caller's until nothing can fail any more. */
static npv_journal *allocate(npv_durability durability) {
    npv_journal *const journal = calloc(1, sizeof *journal);
    if (journal == NULL || (journal->hash = XXH3_createState()) == NULL) {
        free(journal);
        return NULL;
    }
    journal->lock = (npv_lock)NPV_LOCK_FREE;
    journal->durability = durability;
    journal->process = getpid();
    pthread_mutex_init(&journal->mutex, NULL);
    pthread_cond_init(&journal->synced_more, NULL);
    return journal;
}

static void free_journal(npv_journal *journal) {
    if (journal->retired != NULL)
        free_journal(journal->retired);
    npv_lock_release(&journal->lock);
    pthread_mutex_destroy(&journal->mutex);
    pthread_cond_destroy(&journal->synced_more);
    XXH3_freeState(journal->hash);
    free(journal->scratch[0].data);
    free(journal->scratch[1].data);
    free(journal->path);
    free(journal);
}

/*
 * When a writer dies just after fork, or between fork and exec, its child has the lock until it gets to run. Nobody else
 * who is gone has it, so this is worth waiting for: half a second at most.
 */
#define MOST_WAITS 500

static bool is_on_its_way_out(pid_t holder, int waits) {
    const struct timespec millisecond = {0, 1000000};
    if (holder <= 0 || waits >= MOST_WAITS || kill(holder, 0) == 0 || errno != ESRCH)
        return false;
    nanosleep(&millisecond, NULL);
    return true;
}

static npv_status take_lock(const char *path, mode_t mode, npv_lock *lock, npv_error *error) {
    bool taken = false;
    pid_t holder = 0;
    for (int waits = 0;; waits++) {
        const npv_status status = npv_lock_take(path, mode, read_process, lock, &taken, &holder, error);
        if (status != NPV_OK || taken)
            return status;
        if (!is_on_its_way_out(holder, waits))
            return is_busy(path, holder, error);
    }
}

npv_status npv_journal_open(char *path, mode_t mode, npv_durability durability, npv_journal **result,
                            npv_error *error) {
    struct stat file;
    npv_journal *const journal = allocate(durability);
    if (journal == NULL)
        return npv_fail_memory(error, "a journal", sizeof *journal);
    const npv_status status = take_lock(path, mode, &journal->lock, error);
    if (status != NPV_OK) {
        free_journal(journal);
        return status;
    }
    journal->known = fstat(journal->lock.fd, &file) == 0 && file.st_size == 0;
    journal->path = path;
    *result = journal;
    return NPV_OK;
}

static npv_status write_process(npv_journal *journal, npv_error *error) {
    unsigned char bytes[8];
    npv_put_u64(bytes, (uint64_t)journal->process);
    ssize_t written;
    do
        written = pwrite(journal->lock.fd, bytes, sizeof bytes, NPV_JOURNAL_PROCESS_AT);
    while (written < 0 && errno == EINTR);
    return written == (ssize_t)sizeof bytes ? NPV_OK : npv_fail_io(error, journal->path, "writing to the journal");
}

static int cut_off(int fd, uint64_t size) {
    int result;
    do
        result = ftruncate(fd, (off_t)size);
    while (result != 0 && errno == EINTR);
    return result;
}

npv_status npv_journal_continue(npv_journal *journal, const npv_journal_reader *reader, npv_error *error) {
    if (reader->offset < reader->file_size && cut_off(journal->lock.fd, reader->offset) != 0)
        return npv_fail_io(error, journal->path, "cutting off the unfinished end of the journal");
    journal->header = reader->header;
    journal->size = reader->offset;
    journal->sequence = reader->sequence;
    journal->known = true;
    return write_process(journal, error);
}

/* ------------------------------------------------------------------------------------------------------ Starting -- */

/* The new file is the journal now, and all that came before is in an archive. */
static void take_over(npv_journal *journal, const npv_journal_header *header, npv_lock *lock) {
    pthread_mutex_lock(&journal->mutex);
    while (journal->syncing) /* the file that is going to be closed */
        pthread_cond_wait(&journal->synced_more, &journal->mutex);
    npv_lock_release(&journal->lock);
    npv_lock_move(lock, &journal->lock);
    journal->header = *header;
    journal->size = NPV_JOURNAL_HEADER;
    journal->sequence = 0;
    journal->known = true;
    journal->broken[0] = '\0';
    journal->flush_failed = false;
    journal->synced = journal->written;
    pthread_cond_broadcast(&journal->synced_more);
    pthread_mutex_unlock(&journal->mutex);
}

static npv_status next_header(const npv_journal *journal, const npv_journal_base *base, npv_journal_header *header,
                              npv_error *error) {
    *header = (npv_journal_header){.base = *base,
                                   .follows_salt = journal->header.salt,
                                   .follows_sequence = journal->sequence,
                                   .process = (uint64_t)journal->process};
    return npv_random(&header->salt, sizeof header->salt, error);
}

/* Locked before it gets its name, so that nobody can come between. */
static npv_status write_and_rename(const npv_journal_header *header, npv_replacement *file, npv_lock *lock,
                                   npv_error *error) {
    unsigned char bytes[NPV_JOURNAL_HEADER];
    npv_journal_write_header(header, bytes);
    npv_status status = npv_replacement_write(file, 0, bytes, sizeof bytes, error);
    if (status == NPV_OK)
        status = take_lock(file->temporary, 0, lock, error);
    if (status != NPV_OK) {
        npv_replacement_abandon(file);
        return status;
    }
    return npv_replacement_commit(file, error);
}

npv_status npv_journal_restart(npv_journal *journal, const npv_journal_base *base, npv_error *error) {
    npv_journal_header header;
    npv_replacement file;
    npv_lock lock = NPV_LOCK_FREE;
    npv_status status = next_header(journal, base, &header, error);
    if (status == NPV_OK)
        status = npv_replacement_open(journal->path, &file, error);
    if (status == NPV_OK)
        status = write_and_rename(&header, &file, &lock, error);
    /* Renamed, and then its directory could not be flushed: it is the journal all the same. */
    if (lock.fd >= 0 && npv_lock_names(&lock, journal->path))
        take_over(journal, &header, &lock);
    npv_lock_release(&lock);
    return status;
}

/* ------------------------------------------------------------------------------------------------------ Writing -- */

void npv_journal_break(npv_journal *journal, const char *reason) {
    pthread_mutex_lock(&journal->mutex);
    if (journal->broken[0] == '\0')
        snprintf(journal->broken, sizeof journal->broken, "%s", reason);
    pthread_mutex_unlock(&journal->mutex);
}

uint64_t npv_journal_size(npv_journal *journal) {
    pthread_mutex_lock(&journal->mutex);
    const uint64_t size = journal->size;
    pthread_mutex_unlock(&journal->mutex);
    return size;
}

npv_status npv_journal_check(npv_journal *journal, npv_error *error) {
    npv_status status = NPV_OK;
    if (journal->foreign)
        return npv_fail(error, NPV_E_BUSY,
                        "%s: process %jd has it open for writing, and this is a child of it after fork, which may "
                        "only read; a store that a process writes to must be opened in that process",
                        journal->path, (intmax_t)journal->process);
    pthread_mutex_lock(&journal->mutex);
    if (journal->broken[0] != '\0')
        status = npv_fail(error, NPV_E_IO,
                          "%s: no changes are taken since writing failed (%s); npv_save writes all rows and goes on",
                          journal->path, journal->broken);
    pthread_mutex_unlock(&journal->mutex);
    return status;
}

#define MOST_PARTS 10

typedef struct parts {
    struct iovec part[MOST_PARTS];
    int count;
} parts;

static void add_part(parts *p, const void *data, size_t size) {
    if (size > 0)
        p->part[p->count++] = (struct iovec){(void *)(uintptr_t)data, size}; /* only read */
}

/* What the store holds, with zeros up to the next multiple of 8. */
static void add_padded(parts *p, npv_bytes bytes) {
    static const unsigned char zeros[8];
    add_part(p, bytes.data, bytes.size);
    add_part(p, zeros, (size_t)(npv_journal_padded(bytes.size) - bytes.size));
}

/* Takes what was written off the front. */
static void advance(struct iovec **part, int *count, size_t written) {
    while (*count > 0 && written >= (*part)->iov_len) {
        written -= (*part)->iov_len;
        ++*part;
        --*count;
    }
    if (*count > 0) {
        (*part)->iov_base = (unsigned char *)(*part)->iov_base + written;
        (*part)->iov_len -= written;
    }
}

static npv_status write_parts(const npv_journal *journal, parts p, npv_error *error) {
    struct iovec *part = p.part;
    int count = p.count;
    uint64_t offset = journal->size;
    while (count > 0) {
        const ssize_t written = pwritev(journal->lock.fd, part, count, (off_t)offset);
        if (written < 0 && errno == EINTR)
            continue;
        if (written == 0)
            errno = ENOSPC;
        if (written <= 0)
            return npv_fail_io(error, journal->path, "writing to the journal");
        offset += (uint64_t)written;
        advance(&part, &count, (size_t)written);
    }
    return NPV_OK;
}

/* After a failure the file is cut back to what it was; if even that fails, nothing may follow. */
static npv_status undo_write(npv_journal *journal, npv_status status, const npv_error *found, npv_error *error) {
    if (cut_off(journal->lock.fd, journal->size) != 0)
        npv_journal_break(journal, found->message);
    if (error != NULL)
        *error = *found;
    return status;
}

static uint64_t checksum_of(const npv_journal *journal, const parts *p) {
    XXH3_64bits_reset_withSeed(journal->hash, journal->header.salt);
    for (int i = 1; i < p->count; i++)
        XXH3_64bits_update(journal->hash, p->part[i].iov_base, p->part[i].iov_len);
    return XXH3_64bits_digest(journal->hash);
}

/* Part 0 is the record's header, which is filled in here. */
static npv_status append(npv_journal *journal, npv_journal_type type, parts *p, npv_error *error) {
    unsigned char *const head = p->part[0].iov_base;
    npv_journal_record_header header = {.type = type, .sequence = journal->sequence + 1};
    npv_error found;
    for (int i = 1; i < p->count; i++)
        header.size += p->part[i].iov_len;
    assert(p->count <= MOST_PARTS && header.size % 8 == 0);
    header.checksum = checksum_of(journal, p);
    npv_journal_write_record_header(&header, journal->header.salt, journal->size, head);
    const npv_status status = write_parts(journal, *p, &found);
    if (status != NPV_OK)
        return undo_write(journal, status, &found, error);
    journal->size += NPV_JOURNAL_RECORD + header.size;
    journal->sequence++;
    pthread_mutex_lock(&journal->mutex);
    journal->written++;
    pthread_mutex_unlock(&journal->mutex);
    return NPV_OK;
}

static void write_batch_head(const npv_journal_batch *batch, unsigned char bytes[NPV_JOURNAL_BATCH]) {
    npv_put_u64(bytes, batch->count);
    npv_put_u32(bytes + 8, (batch->vectors.data != NULL ? NPV_JOURNAL_HAS_VECTORS : 0) |
                               (batch->records.data != NULL ? NPV_JOURNAL_HAS_RECORDS : 0) |
                               (batch->ids.data != NULL ? NPV_JOURNAL_HAS_IDS : 0) |
                               (batch->documents.data != NULL ? NPV_JOURNAL_HAS_DOCUMENTS : 0));
    npv_put_u32(bytes + 12, 0);
    npv_put_u64(bytes + 16, batch->ids.size);
    npv_put_u64(bytes + 24, batch->documents.size);
}

npv_status npv_journal_append_batch(npv_journal *journal, npv_journal_type type, const npv_journal_batch *batch,
                                    npv_error *error) {
    unsigned char record[NPV_JOURNAL_RECORD], head[NPV_JOURNAL_BATCH];
    parts p = {.count = 0};
    npv_status status = npv_journal_check(journal, error);
    if (status != NPV_OK)
        return status;
    write_batch_head(batch, head);
    add_part(&p, record, sizeof record);
    add_part(&p, head, sizeof head);
    add_padded(&p, batch->vectors);
    add_padded(&p, batch->records);
    add_padded(&p, batch->ids);
    add_padded(&p, batch->documents);
    return append(journal, type, &p, error);
}

npv_status npv_journal_append(npv_journal *journal, npv_journal_type type, npv_bytes payload, npv_error *error) {
    unsigned char record[NPV_JOURNAL_RECORD];
    parts p = {.count = 0};
    const npv_status status = npv_journal_check(journal, error);
    if (status != NPV_OK)
        return status;
    add_part(&p, record, sizeof record);
    add_part(&p, payload.data, payload.size);
    return append(journal, type, &p, error);
}

/* ------------------------------------------------------------------------------------------------------ Flushing -- */

/* Under the mutex, which is given up meanwhile: flushes what was written up to now. */
static npv_status flush(npv_journal *journal, npv_error *error) {
    const uint64_t upto = journal->written;
    const int fd = journal->lock.fd;
    journal->syncing = true;
    pthread_mutex_unlock(&journal->mutex);
    const int result = npv_flush_data(fd);
    const int reason = errno;
    pthread_mutex_lock(&journal->mutex);
    journal->syncing = false;
    if (result == 0 && journal->synced < upto)
        journal->synced = upto;
    npv_status status = NPV_OK;
    if (result != 0) {
        /* The system may have dropped the pages, and would report success the next time: there is no trying again. */
        journal->flush_failed = true;
        if (journal->broken[0] == '\0')
            snprintf(journal->broken, sizeof journal->broken, "flushing the journal failed: %s", strerror(reason));
        status = npv_fail(error, NPV_E_IO, "%s: flushing the journal to the disk failed: %s", journal->path,
                          strerror(reason));
    }
    pthread_cond_broadcast(&journal->synced_more);
    return status;
}

npv_status npv_journal_wait(npv_journal *journal, uint64_t written, npv_error *error) {
    npv_status status = NPV_OK;
    if (journal->durability != NPV_DURABILITY_DISK)
        return NPV_OK;
    pthread_mutex_lock(&journal->mutex);
    while (status == NPV_OK && journal->synced < written) {
        if (journal->flush_failed)
            status = npv_fail(error, NPV_E_IO, "%s: %s", journal->path, journal->broken);
        else if (journal->syncing)
            pthread_cond_wait(&journal->synced_more, &journal->mutex);
        else
            status = flush(journal, error);
    }
    pthread_mutex_unlock(&journal->mutex);
    return status;
}

/* ------------------------------------------------------------------------------------------------------- Closing -- */

void npv_journal_after_fork(npv_journal *journal) {
    if (journal == NULL)
        return;
    npv_lock_release(&journal->lock); /* closed already, unless fork was not the C library's */
    pthread_mutex_init(&journal->mutex, NULL);
    pthread_cond_init(&journal->synced_more, NULL);
    journal->syncing = false;
    journal->foreign = true;
}

void npv_journal_close(npv_journal *journal) {
    if (journal == NULL)
        return;
    if (journal->lock.fd >= 0 && journal->known && journal->sequence == 0 &&
        npv_lock_names(&journal->lock, journal->path))
        unlink(journal->path); /* while it is locked: nobody has begun to write to it */
    free_journal(journal);
}

void npv_journal_remove(npv_journal *journal) {
    unlink(journal->path);
    free_journal(journal);
}

void npv_journal_retire(npv_journal *journal, npv_journal *next) {
    pthread_mutex_lock(&journal->mutex);
    while (journal->syncing)
        pthread_cond_wait(&journal->synced_more, &journal->mutex);
    const bool removable = journal->lock.fd >= 0 && journal->known && journal->sequence == 0;
    if (journal->synced < journal->written && (journal->flush_failed || npv_flush_data(journal->lock.fd) != 0))
        journal->flush_failed = true;
    else
        journal->synced = journal->written;
    if (removable && npv_lock_names(&journal->lock, journal->path))
        unlink(journal->path);
    npv_lock_release(&journal->lock);
    pthread_cond_broadcast(&journal->synced_more);
    pthread_mutex_unlock(&journal->mutex);
    next->retired = journal;
}
