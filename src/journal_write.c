/* Writing a journal: one write(2) for a change, and one flush for all that wait for theirs. */
#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#include <xxhash.h>

#include "error.h"
#include "io.h"
#include "journal.h"

/* ------------------------------------------------------------------------------------------------------- Writing -- */

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

#define MOST_PARTS 12

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

/* One part is written by pwrite, which takes the system 90 nanoseconds less. */
static npv_status write_at(const npv_journal *journal, uint64_t offset, parts p, npv_error *error) {
    struct iovec *part = p.part;
    int count = p.count;
    while (count > 0) {
        const ssize_t written = count == 1 ? pwrite(journal->lock.fd, part->iov_base, part->iov_len, (off_t)offset)
                                           : pwritev(journal->lock.fd, part, count, (off_t)offset);
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

/*
 * Zeros are written ahead of the records, which then change no more than pages that are there. A record of 1,744 bytes
 * takes the system 1.0 microseconds by the mean instead of 1.8, because many pages at once cost it as much as a few;
 * and a flush half the time, because the size of the file and where it lies on the disk stay what they were. Steps of
 * 64 KiB: in larger ones each write takes longer again. With flushes the room grows with the file, up to a megabyte,
 * because the one that flushes it takes longer.
 */
#define ROOM_STEP 65536
#define MOST_ROOM ((uint64_t)1 << 20)

static uint64_t end_of_room(const npv_journal *journal, uint64_t end) {
    const bool flushes = journal->durability == NPV_DURABILITY_DISK;
    const uint64_t ahead = !flushes ? 0 : end < MOST_ROOM ? end : MOST_ROOM;
    return (end + ahead + ROOM_STEP - 1) / ROOM_STEP * ROOM_STEP;
}

/* For a record up to `end`. What a large one itself is going to fill is left out. */
static npv_status make_room(npv_journal *journal, uint64_t end, npv_error *error) {
    static const unsigned char zeros[ROOM_STEP];
    npv_status status = NPV_OK;
    if (end <= journal->room_end)
        return NPV_OK;
    const uint64_t room_end = end_of_room(journal, end);
    uint64_t from = end - journal->size > ROOM_STEP ? end : journal->room_end;
    while (from < room_end && status == NPV_OK) {
        const size_t size = ROOM_STEP - (size_t)(from % ROOM_STEP);
        parts p = {.count = 0};
        add_part(&p, zeros, size);
        status = write_at(journal, from, p, error);
        from += size;
    }
    journal->room_end = room_end;
    return status;
}

npv_status npv_journal_cut_room(npv_journal *journal) {
    if (journal->room_end <= journal->size)
        return NPV_OK;
    if (npv_cut_file(journal->lock.fd, journal->size) != 0)
        return NPV_E_IO;
    journal->room_end = journal->size;
    return NPV_OK;
}

/* After a failure the file is cut back to what it was; if even that fails, nothing may follow. */
static npv_status undo_write(npv_journal *journal, npv_status status, const npv_error *found, npv_error *error) {
    if (npv_cut_file(journal->lock.fd, journal->size) != 0)
        npv_journal_break(journal, found->message);
    journal->room_end = journal->size;
    if (error != NULL)
        *error = *found;
    return status;
}

/*
 * A small record is copied together, because a part costs the system and the checksum more than copying it. What is in
 * part 0, the record's header, comes when it is known.
 */
#define SMALL_RECORD 8192

static void gather(parts *p, unsigned char room[NPV_JOURNAL_RECORD + SMALL_RECORD]) {
    size_t end = NPV_JOURNAL_RECORD;
    for (int i = 1; i < p->count; i++) {
        memcpy(room + end, p->part[i].iov_base, p->part[i].iov_len);
        end += p->part[i].iov_len;
    }
    p->count = 0;
    add_part(p, room, end);
}

/* Of all that is behind the record's header. */
static uint64_t checksum_of(const npv_journal *journal, const parts *p) {
    if (p->count == 1)
        return XXH3_64bits_withSeed((const unsigned char *)p->part[0].iov_base + NPV_JOURNAL_RECORD,
                                    p->part[0].iov_len - NPV_JOURNAL_RECORD, journal->header.salt);
    XXH3_64bits_reset_withSeed(journal->hash, journal->header.salt);
    for (int i = 1; i < p->count; i++)
        XXH3_64bits_update(journal->hash, p->part[i].iov_base, p->part[i].iov_len);
    return XXH3_64bits_digest(journal->hash);
}

/* For a record that is going to be written. */
static uint32_t count_unflushed(npv_journal *journal) {
    if (journal->durability != NPV_DURABILITY_DISK)
        return 0;
    pthread_mutex_lock(&journal->mutex);
    const uint64_t count = journal->written - journal->synced;
    pthread_mutex_unlock(&journal->mutex);
    return count < NPV_JOURNAL_MOST_UNFLUSHED ? (uint32_t)count : NPV_JOURNAL_MOST_UNFLUSHED;
}

/* Part 0 is the record's header, which is filled in here. */
static npv_status append(npv_journal *journal, npv_journal_type type, parts *p, npv_error *error) {
    unsigned char room[NPV_JOURNAL_RECORD + SMALL_RECORD];
    npv_journal_record_header header = {
        .type = type, .sequence = journal->sequence + 1, .unflushed = count_unflushed(journal)};
    npv_error found;
    for (int i = 1; i < p->count; i++)
        header.size += p->part[i].iov_len;
    assert(p->count <= MOST_PARTS && header.size % 8 == 0);
    if (header.size <= SMALL_RECORD)
        gather(p, room);
    header.checksum = checksum_of(journal, p);
    npv_journal_write_record_header(&header, journal->header.salt, journal->size, p->part[0].iov_base);
    const uint64_t end = journal->size + NPV_JOURNAL_RECORD + header.size;
    npv_status status = make_room(journal, end, &found);
    if (status == NPV_OK)
        status = write_at(journal, journal->size, *p, &found);
    if (status != NPV_OK)
        return undo_write(journal, status, &found, error);
    journal->size = end;
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
                               (batch->rows.data != NULL ? NPV_JOURNAL_HAS_ROWS : 0) |
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
    add_padded(&p, batch->rows);
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
