/* A journal's life: locked, continued or begun anew, closed. */
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <xxhash.h>

#include "error.h"
#include "io.h"
#include "journal.h"

/* ------------------------------------------------------------------------------------------------------- Opening -- */

/* `directory`/`name`-journal, or without a name `directory`-journal. */
static char *spell_path(const char *directory, const char *name) {
    const size_t room = strlen(directory) + strlen(name) + sizeof "/-journal";
    char *const text = malloc(room);
    if (text != NULL)
        snprintf(text, room, "%s%s%s-journal", directory, *name != '\0' ? "/" : "", name);
    return text;
}

/* The directory of a file that is not there yet, resolved. */
static char *resolve_directory(const char *path, const char *name) {
    char *const directory = name == path ? strdup(".") : strndup(path, (size_t)(name - path));
    char *const real = directory != NULL ? realpath(directory, NULL) : NULL;
    free(directory);
    return real;
}

npv_status npv_journal_path(const char *path, char **journal_path, npv_error *error) {
    const char *const slash = strrchr(path, '/');
    const char *name = "";
    char *real = realpath(path, NULL);
    if (real == NULL && errno == ENOENT) {
        name = slash != NULL ? slash + 1 : path;
        real = resolve_directory(path, name);
    }
    if (real == NULL)
        return npv_fail_io(error, path, "resolving its name");
    *journal_path = spell_path(real, name);
    free(real);
    return *journal_path != NULL ? NPV_OK : npv_fail_memory(error, "a path", strlen(path));
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
 * When a writer dies just after fork, or between fork and exec, its child has the lock until it gets to run. Nobody
 * else who is gone has it, so this is worth waiting for: half a second at most.
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

/*
 * Who wrote the journal may have been killed between a change, or a new name, and its flush. A change that is
 * acknowledged from now on needs both on the disk: those before it, lest the journal end up with a hole, and the name.
 */
static npv_status flush_all(const npv_journal *journal, npv_error *error) {
    if (npv_flush_data(journal->lock.fd) != 0)
        return npv_fail_io(error, journal->path, "flushing the journal to the disk");
    return npv_flush_names(journal->path, error);
}

npv_status npv_journal_continue(npv_journal *journal, const npv_journal_reader *reader, npv_error *error) {
    if (reader->offset < reader->file_size && npv_cut_file(journal->lock.fd, reader->offset) != 0)
        return npv_fail_io(error, journal->path, "cutting off the unfinished end of the journal");
    journal->header = reader->header;
    journal->size = journal->room_end = reader->offset;
    journal->sequence = reader->sequence;
    journal->known = true;
    const npv_status status = write_process(journal, error);
    return status == NPV_OK && journal->durability == NPV_DURABILITY_DISK ? flush_all(journal, error) : status;
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
    journal->size = journal->room_end = NPV_JOURNAL_HEADER;
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
    else if (journal->lock.fd >= 0)
        (void)npv_journal_cut_room(journal); /* else whoever opens it next will */
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
    else if (journal->lock.fd >= 0)
        (void)npv_journal_cut_room(journal);
    npv_lock_release(&journal->lock);
    pthread_cond_broadcast(&journal->synced_more);
    pthread_mutex_unlock(&journal->mutex);
    next->retired = journal;
}
