/* A journal, sound or damaged: its changes are made, but for those that are lost. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <xxhash.h>

#include "edit.h"
#include "error.h"
#include "journalling.h"
#include "npz/pickle.h"
#include "salvage.h"

typedef struct journal_salvage {
    npv_salvage *archive;
    npv_findings *findings;
    npv_store *store;
    npv_journal_header header;
    npv_bytes bytes;         /* all of the file */
    npv_documents fragments; /* memory that is used again */
    uint64_t sequence;       /* of the last change that was read */
    bool numbered;           /* rows have the numbers that the journal means; if not, */
    uint64_t numbered_to;    /* ... only those below */
} journal_salvage;

/* ----------------------------------------------------------------------------------------------------- The file -- */

static npv_status read_all(const char *path, int fd, npv_buffer *bytes, npv_error *error) {
    struct stat file;
    if (fstat(fd, &file) != 0)
        return npv_fail_io(error, path, "reading the size of the journal");
    if (!S_ISREG(file.st_mode))
        return npv_fail(error, NPV_E_IO, "%s: expected a regular file", path);
    npv_status status = npv_buffer_reserve(bytes, (size_t)file.st_size + 1, error);
    while (status == NPV_OK && bytes->size < (size_t)file.st_size) {
        const ssize_t got =
            pread(fd, bytes->data + bytes->size, (size_t)file.st_size - bytes->size, (off_t)bytes->size);
        if (got < 0 && errno != EINTR)
            return npv_fail_io(error, path, "reading the journal");
        if (got == 0)
            break;
        bytes->size += got > 0 ? (size_t)got : 0;
    }
    return status;
}

/* Nothing is read if there is no journal. */
static npv_status read_file(const char *path, npv_buffer *bytes, npv_error *error) {
    int fd;
    do
        fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);
    while (fd < 0 && errno == EINTR);
    if (fd < 0)
        return errno == ENOENT ? NPV_OK : npv_fail_io(error, path, "opening the journal");
    const npv_status status = read_all(path, fd, bytes, error);
    close(fd);
    return status;
}

/* ------------------------------------------------------------------------------------------------------ Records -- */

/* The record at `at`, if it is whole and sound. *has_header: its header is. */
static bool read_record(const journal_salvage *job, uint64_t at, npv_journal_record_header *header, bool *has_header,
                        npv_journal_record *record) {
    const npv_bytes bytes = job->bytes;
    *has_header = bytes.size - at >= NPV_JOURNAL_RECORD &&
                  npv_journal_read_record_header(bytes.data + at, job->header.salt, at, header);
    if (!*has_header || header->size > bytes.size - at - NPV_JOURNAL_RECORD || header->size % 8 != 0)
        return false;
    const npv_bytes payload = {bytes.data + at + NPV_JOURNAL_RECORD, (size_t)header->size};
    *record = (npv_journal_record){(npv_journal_type)header->type, header->sequence, header->unflushed, payload};
    return XXH3_64bits_withSeed(payload.data, payload.size, job->header.salt) == header->checksum;
}

/* Sound headers of damaged payloads: each may cost reading all that follows. */
#define MOST_BROKEN 100

/* Where the next sound record begins; the end of the file if there is none. */
static uint64_t find_record(const journal_salvage *job, uint64_t from) {
    unsigned broken = 0;
    for (uint64_t at = from; at + NPV_JOURNAL_RECORD <= job->bytes.size && broken < MOST_BROKEN; at += 8) {
        npv_journal_record_header header;
        npv_journal_record record;
        bool has_header;
        if (read_record(job, at, &header, &has_header, &record) && header.sequence > job->sequence)
            return at;
        broken += has_header;
    }
    return job->bytes.size;
}

/* ------------------------------------------------------------------------------------------------------ Changes -- */

/* Rows of a change that is lost, so that those behind it keep their numbers: they are deleted at once. */
static npv_status add_lost_rows(journal_salvage *job, uint64_t count, npv_error *error) {
    npv_store *const store = job->store;
    const uint64_t first = store->rows;
    float *const vector = calloc(store->dimensions, sizeof *vector);
    unsigned char *const record = calloc(store->schema.record_size + 1, 1);
    const npv_change change = {.batch = {.size = sizeof(npv_batch),
                                         .count = 1,
                                         .vectors = vector,
                                         .records = store->metadata == NPV_METADATA_TYPED ? record : NULL},
                               .stored = true};
    npv_status status = vector != NULL && record != NULL ? NPV_OK : npv_fail_memory(error, "a lost row", 0);
    if (status == NPV_OK)
        vector[0] = 1;
    for (uint64_t i = 0; i < count && status == NPV_OK; i++)
        status = npv_edit_add(store, &change, error);
    free(vector);
    free(record);
    npv_row_set set = {calloc(npv_bits_words(store->rows) + 1, sizeof *set.bits), store->rows - first};
    if (status == NPV_OK && set.bits == NULL)
        status = npv_fail_memory(error, "lost rows", 0);
    if (status == NPV_OK) {
        npv_bits_set(set.bits, first, store->rows);
        status = npv_edit_delete(store, &set, error);
    }
    free(set.bits);
    return status;
}

/* One row of a batch, alone. */
static npv_status replay_row(journal_salvage *job, const npv_journal_batch *parts, const char *id, size_t i,
                             npv_error *error) {
    npv_store *const store = job->store;
    npv_documents one = job->fragments;
    if (one.count > 0) {
        one.places.data += i * sizeof(npv_document_place);
        one.count = 1;
    }
    const unsigned char *const vector = parts->vectors.data, *const record = parts->records.data;
    const npv_change change = {
        .batch = {.size = sizeof(npv_batch),
                  .count = 1,
                  .vectors = vector == NULL ? NULL : (const float *)(const void *)vector + i * store->dimensions,
                  .ids = *id != '\0' ? &id : NULL,
                  .records = record == NULL ? NULL : record + i * store->schema.record_size},
        .fragments = one.count > 0 ? &one : NULL,
        .stored = true};
    return *id != '\0' ? npv_edit_upsert(store, &change, NULL, NULL, error) : npv_edit_add(store, &change, error);
}

/*
 * A batch that cannot be made as it stands: behind a gap it may add an id that is still there, because its deletion is
 * lost, or replace a document of a row that is lost. Its rows are made one by one.
 */
static npv_status replay_rows(journal_salvage *job, const npv_journal_record *record, uint64_t *lost,
                              npv_error *error) {
    npv_store *const store = job->store;
    npv_journal_batch parts;
    *lost = 0;
    if (npv_journal_read_batch(record->payload, store->dimensions, store->schema.record_size, &parts, NULL) != NPV_OK)
        return NPV_OK;
    npv_status status = NPV_OK;
    if (parts.documents.data != NULL &&
        npv_pickle_read(parts.documents, parts.count, &job->fragments, error) == NPV_E_MEMORY)
        return NPV_E_MEMORY;
    const char *id = parts.ids.data != NULL ? (const char *)parts.ids.data : "";
    for (size_t i = 0; i < parts.count && status != NPV_E_MEMORY; i++) {
        const bool has_vector = parts.vectors.data != NULL;
        if ((parts.records.data != NULL) == (store->metadata == NPV_METADATA_TYPED) && (has_vector || *id != '\0'))
            status = replay_row(job, &parts, id, i, error);
        else
            status = NPV_E_FORMAT;
        *lost += status != NPV_OK;
        id += parts.ids.data != NULL ? strlen(id) + 1 : 0;
    }
    npv_documents_truncate(&job->fragments, 0);
    return status == NPV_E_MEMORY ? status : NPV_OK;
}

static npv_status replay_batch(journal_salvage *job, const npv_journal_record *record, uint64_t at, npv_error *error) {
    npv_error wrong = {.message = ""};
    uint64_t lost = 0;
    npv_status status = npv_replay_record(job->store, record, &job->fragments, &wrong);
    if (status == NPV_OK)
        return NPV_OK;
    if (status == NPV_E_MEMORY)
        return npv_fail(error, status, "%s", wrong.message);
    npv_found(job->findings, "change %" PRIu64 " of the journal, at byte %" PRIu64 ": %s", record->sequence, at,
              wrong.message);
    if (record->type != NPV_JOURNAL_ADD && record->type != NPV_JOURNAL_UPSERT)
        return NPV_OK;
    if (job->numbered)
        job->numbered_to = job->store->rows;
    job->numbered = false;
    status = replay_rows(job, record, &lost, error);
    if (lost > 0)
        npv_remark(job->findings, "change %" PRIu64 " of the journal: %" PRIu64 " of its rows are lost",
                   record->sequence, lost);
    job->findings->counts.rows_lost += lost;
    return status;
}

/* Rows of a run that are there go; rows that were lost are not there. Unknown numbers are not guessed. */
static npv_status replay_deletion(journal_salvage *job, const npv_journal_record *record, uint64_t at,
                                  npv_error *error) {
    npv_store *const store = job->store;
    const uint64_t *const live = npv_store_live(store);
    const npv_bytes runs = record->payload;
    const uint64_t most = job->numbered ? store->rows : job->numbered_to;
    npv_row_set set = {calloc(npv_bits_words(store->rows) + 1, sizeof *set.bits), 0};
    uint64_t before = 0, unknown = 0;
    bool sound = runs.size > 0 && runs.size % 16 == 0;
    if (set.bits == NULL)
        return npv_fail_memory(error, "deleted rows of a journal", 0);
    for (size_t i = 0; sound && i < runs.size; i += 16) {
        const uint64_t first = npv_get_u64(runs.data + i), end = npv_get_u64(runs.data + i + 8);
        sound = first >= before && first < end;
        for (uint64_t row = first; sound && row < end && row < most; row++)
            if (live == NULL || npv_bit(live, row))
                npv_bit_set(set.bits, row);
        unknown += sound && end > most ? end - (first > most ? first : most) : 0;
        before = end;
    }
    set.count = npv_bits_count(set.bits, store->rows);
    const bool as_told = sound && unknown == 0;
    if (!as_told)
        npv_found(job->findings,
                  "change %" PRIu64 " of the journal, at byte %" PRIu64
                  ": it deletes rows whose numbers are not known any "
                  "more, or that are not there: %" PRIu64 " rows that were deleted may be there again",
                  record->sequence, at, unknown);
    const npv_status status = sound ? npv_edit_delete(store, &set, error) : NPV_OK;
    free(set.bits);
    return status;
}

static npv_status replay(journal_salvage *job, const npv_journal_record *record, uint64_t at, npv_error *error) {
    if (record->type == NPV_JOURNAL_DELETE)
        return replay_deletion(job, record, at, error);
    const npv_status status = replay_batch(job, record, at, error);
    if (record->type == NPV_JOURNAL_CLEAR && status == NPV_OK)
        job->numbered = true;
    return status;
}

/* ----------------------------------------------------------------------------------------------------- Gaps -- */

/* Changes are lost. If it is one that added rows, and how many is known, then the numbers of others still are, too. */
static npv_status pass_gap(journal_salvage *job, uint64_t at, uint64_t next, uint64_t sequence, npv_error *error) {
    npv_journal_record_header header;
    npv_journal_record record;
    npv_journal_batch parts;
    bool has_header;
    npv_found(job->findings,
              "changes %" PRIu64 " to %" PRIu64 " of the journal are lost: bytes %" PRIu64 " to %" PRIu64
              " are damaged",
              job->sequence + 1, sequence - 1, at, next - 1);
    read_record(job, at, &header, &has_header, &record);
    if (has_header && sequence == job->sequence + 2 && header.type == NPV_JOURNAL_ADD &&
        at + NPV_JOURNAL_RECORD + header.size == next &&
        npv_journal_read_batch(record.payload, job->store->dimensions, job->store->schema.record_size, &parts, NULL) ==
            NPV_OK) {
        npv_remark(job->findings, "change %" PRIu64 " of the journal added %" PRIu64 " rows: lost", job->sequence + 1,
                   parts.count);
        job->findings->counts.rows_lost += parts.count;
        return add_lost_rows(job, parts.count, error);
    }
    if (job->numbered)
        job->numbered_to = job->store->rows;
    job->numbered = false;
    return NPV_OK;
}

/* What is behind the last sound change: the beginning of one, as a crash leaves it, or more than a crash leaves. */
static void judge_end(journal_salvage *job, uint64_t at) {
    npv_journal_record_header header;
    npv_journal_record record;
    bool has_header;
    const uint64_t left = job->bytes.size - at;
    if (left == 0)
        return;
    read_record(job, at, &header, &has_header, &record);
    if (left < NPV_JOURNAL_RECORD || (has_header && header.size > left - NPV_JOURNAL_RECORD))
        npv_remark(job->findings,
                   "the last %" PRIu64
                   " bytes of the journal are a change that is being written, or never was finished",
                   left);
    else
        npv_found(job->findings,
                  "the journal is damaged from byte %" PRIu64 " to its end, %" PRIu64 ": changes there are lost", at,
                  at + left);
}

static npv_status replay_all(journal_salvage *job, npv_error *error) {
    npv_journal_record_header header;
    npv_journal_record record;
    bool has_header;
    uint64_t at = NPV_JOURNAL_HEADER;
    npv_status status = NPV_OK;
    while (status == NPV_OK) {
        const uint64_t next = find_record(job, at);
        if (next == job->bytes.size || !read_record(job, next, &header, &has_header, &record))
            break;
        if (next != at || header.sequence != job->sequence + 1)
            status = pass_gap(job, at, next, header.sequence, error);
        job->sequence = header.sequence;
        if (status == NPV_OK)
            status = replay(job, &record, next, error);
        at = next + NPV_JOURNAL_RECORD + header.size;
    }
    if (status == NPV_OK)
        judge_end(job, at);
    return status;
}

/* ------------------------------------------------------------------------------------------------ Which archive -- */

/* A header as it stands, whatever its checksum: good for no more than to be compared with what is known. */
static bool read_damaged_header(const unsigned char *damaged, npv_journal_header *header) {
    unsigned char bytes[NPV_JOURNAL_HEADER];
    npv_journal_write_header(&(npv_journal_header){.salt = 0}, bytes);
    memcpy(bytes + 16, damaged + 16, 96);
    npv_put_u64(bytes + 112, XXH3_64bits(bytes, 112));
    return npv_journal_read_header("", bytes, header, NULL) == NPV_OK;
}

static npv_status read_header(journal_salvage *job, const char *path, bool *usable, npv_error *error) {
    npv_error wrong = {.message = ""};
    *usable = false;
    if (job->bytes.size < NPV_JOURNAL_HEADER) {
        if (job->bytes.size > 0)
            npv_found(job->findings, "the journal is cut off: expected at least %d bytes, found %zu",
                      NPV_JOURNAL_HEADER, job->bytes.size);
        return NPV_OK;
    }
    const npv_status status = npv_journal_read_header(path, job->bytes.data, &job->header, &wrong);
    *usable = status == NPV_OK;
    if (status == NPV_E_UNSUPPORTED)
        return npv_fail(error, status, "%s", wrong.message);
    if (status == NPV_OK)
        return NPV_OK;
    npv_found(job->findings, "the first %d bytes of the journal are damaged, or it is none", NPV_JOURNAL_HEADER);
    *usable =
        read_damaged_header(job->bytes.data, &job->header) && find_record(job, NPV_JOURNAL_HEADER) < job->bytes.size;
    if (!*usable)
        npv_remark(job->findings, "its changes, if there are any in its %zu bytes, cannot be read: lost",
                   job->bytes.size);
    return NPV_OK;
}

static uint64_t count_changes(journal_salvage *job) {
    npv_journal_record_header header;
    npv_journal_record record;
    bool has_header;
    uint64_t count = 0;
    for (uint64_t at = NPV_JOURNAL_HEADER; (at = find_record(job, at)) < job->bytes.size; count++) {
        if (!read_record(job, at, &header, &has_header, &record))
            break;
        job->sequence = header.sequence;
        at += NPV_JOURNAL_RECORD + header.size;
    }
    return count;
}

static bool is_current(const npv_salvage *salvage) {
    struct stat opened, named;
    return fstat(salvage->file.fd, &opened) == 0 && stat(salvage->findings->path, &named) == 0 &&
           opened.st_dev == named.st_dev && opened.st_ino == named.st_ino;
}

/* Does the journal go on from this archive? If not, says so, as far as it is no trace of a crash. */
static bool belongs(journal_salvage *job, bool *again) {
    const npv_salvage *const salvage = job->archive;
    npv_journal_base base;
    npv_store_base(job->store, &base);
    const npv_journal_base *const named = &job->header.base;
    const bool same_id = memcmp(base.id, named->id, sizeof base.id) == 0;
    if (!npv_journal_same_archive(&base, named) && !is_current(salvage)) {
        *again = true;
        return false;
    }
    if (salvage->mark_lost && named->generation > 0) {
        memcpy(base.id, named->id, sizeof base.id);
        base.generation = named->generation;
        npv_remark(job->findings,
                   "the archive does not say any more which one it is: the journal is taken for its own");
    }
    if (npv_journal_same_base(&base, named))
        return true;
    const uint64_t count = count_changes(job);
    if (same_id && named->generation + 1 == base.generation)
        npv_remark(job->findings, "the changes of the journal are in the archive: a crash has left it behind");
    else
        npv_found(job->findings,
                  "the journal goes on from another archive (generation %" PRIu64 ", this one is %" PRIu64
                  "), or from another kind of store: its %" PRIu64 " changes are not in this one",
                  named->generation, base.generation, count);
    return false;
}

static npv_status salvage_bytes(journal_salvage *job, const char *path, bool *again, npv_error *error) {
    bool usable;
    npv_status status = read_header(job, path, &usable, error);
    if (status != NPV_OK || !usable)
        return status;
    if (job->store == NULL) {
        npv_found(job->findings, "the journal has %" PRIu64 " changes: lost with the archive", count_changes(job));
        return NPV_OK;
    }
    if (belongs(job, again))
        status = replay_all(job, error);
    return status;
}

npv_status npv_salvage_journal(const char *path, npv_salvage *salvage, bool *again, npv_error *error) {
    npv_buffer bytes = {NULL, 0, 0};
    journal_salvage job = {.archive = salvage,
                           .findings = salvage->findings,
                           .store = salvage->store,
                           .fragments = NPV_DOCUMENTS_EMPTY,
                           .numbered = true};
    *again = false;
    npv_status status = read_file(path, &bytes, error);
    job.bytes = (npv_bytes){bytes.data, bytes.size};
    if (status == NPV_OK && salvage->store != NULL)
        salvage->store->followed.base = salvage->identity;
    if (status == NPV_OK && bytes.size > 0)
        status = salvage_bytes(&job, path, again, error);
    npv_documents_free(&job.fragments);
    free(bytes.data);
    return status;
}
