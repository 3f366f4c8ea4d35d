/* A journal, sound or damaged: its changes are made, but for those that are lost. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "edit.h"
#include "error.h"
#include "journalling.h"
#include "npz/pickle.h"
#include "salvage.h"

typedef struct journal_salvage {
    npv_salvage *archive;
    npv_findings *findings;
    npv_store *store;
    npv_journal_reader reader;
    npv_documents fragments; /* memory that is used again */
    bool damaged;            /* a change is broken, and others lie behind it */
    bool numbered;           /* rows have the numbers that the journal means; if not, */
    uint64_t numbered_to;    /* ... only those below */
} journal_salvage;

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

/* Rows from here on may be others than those that the journal means. */
static uint64_t numbered_to(const journal_salvage *job) {
    return job->numbered ? job->store->rows : job->numbered_to;
}

/* One row of a batch, alone. */
static npv_status replay_row(journal_salvage *job, const npv_journal_batch *parts, const char *id, size_t i,
                             npv_error *error) {
    npv_store *const store = job->store;
    const uint64_t row = parts->rows.data != NULL ? npv_get_u64(parts->rows.data + i * sizeof row) : 0;
    if (parts->rows.data != NULL && row >= numbered_to(job))
        return npv_fail(error, NPV_E_RANGE, "row %" PRIu64 " is not there any more", row);
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
        .rows = parts->rows.data != NULL ? &row : NULL,
        .fragments = one.count > 0 ? &one : NULL,
        .stored = true};
    const bool there = *id != '\0' || change.rows != NULL;
    return there ? npv_edit_upsert(store, &change, NULL, NULL, error) : npv_edit_add(store, &change, error);
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
        const bool has_place = parts.vectors.data != NULL || parts.rows.data != NULL || *id != '\0';
        if ((parts.records.data != NULL) == (store->metadata == NPV_METADATA_TYPED) && has_place)
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
    const uint64_t most = numbered_to(job);
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

/* The documents of rows that are known; unknown numbers are not guessed. */
static npv_status replay_documents(journal_salvage *job, const npv_journal_record *record, uint64_t at,
                                   npv_error *error) {
    npv_error wrong = {.message = "behind a gap it names rows by their numbers, of which some are not known any more"};
    uint64_t lost = 0;
    npv_status status = NPV_E_FORMAT;
    if (job->numbered)
        status = npv_replay_record(job->store, record, &job->fragments, &wrong);
    if (status == NPV_OK)
        return NPV_OK;
    if (status == NPV_E_MEMORY)
        return npv_fail(error, status, "%s", wrong.message);
    status = replay_rows(job, record, &lost, error);
    if (status != NPV_OK)
        return status;
    if (job->numbered || lost > 0)
        npv_found(job->findings,
                  "change %" PRIu64 " of the journal, at byte %" PRIu64 ": %s: %" PRIu64
                  " rows keep the documents that they had",
                  record->sequence, at, wrong.message, lost);
    return NPV_OK;
}

static npv_status replay(journal_salvage *job, const npv_journal_record *record, uint64_t at, npv_error *error) {
    if (record->type == NPV_JOURNAL_DELETE)
        return replay_deletion(job, record, at, error);
    if (record->type == NPV_JOURNAL_SET_DOCUMENTS)
        return replay_documents(job, record, at, error);
    const npv_status status = replay_batch(job, record, at, error);
    if (record->type == NPV_JOURNAL_CLEAR && status == NPV_OK)
        job->numbered = true;
    return status;
}

/* ----------------------------------------------------------------------------------------------------- Gaps -- */

/* The rows that a damaged change adds; 0 if that is not known. */
static uint64_t rows_of(const journal_salvage *job, const npv_journal_sight *broken) {
    npv_journal_batch parts;
    if (broken->header.type != NPV_JOURNAL_ADD || broken->record.payload.data == NULL ||
        npv_journal_read_batch(broken->record.payload, job->store->dimensions, job->store->schema.record_size, &parts,
                               NULL) != NPV_OK)
        return 0;
    return parts.count;
}

/* Changes are lost. If it is one that added rows, and how many is known, then the numbers of others still are, too. */
static npv_status pass_gap(journal_salvage *job, const npv_journal_sight *broken, uint64_t rows,
                           const npv_journal_sight *next, npv_error *error) {
    const uint64_t first = job->reader.sequence + 1, end = next->header.sequence;
    npv_found(job->findings,
              "changes %" PRIu64 " to %" PRIu64 " of the journal are lost: bytes %" PRIu64 " to %" PRIu64
              " are damaged",
              first, end - 1, broken->at, next->at - 1);
    if (rows > 0 && end == first + 1 && broken->at + NPV_JOURNAL_RECORD + broken->header.size == next->at) {
        npv_remark(job->findings, "change %" PRIu64 " of the journal added %" PRIu64 " rows: lost", first, rows);
        job->findings->counts.rows_lost += rows;
        return add_lost_rows(job, rows, error);
    }
    if (job->numbered)
        job->numbered_to = job->store->rows;
    job->numbered = false;
    return NPV_OK;
}

/* The next sound change behind the last one, wherever it is. */
static npv_status find_next(journal_salvage *job, uint64_t from, npv_journal_sight *next, npv_error *error) {
    npv_status status = npv_journal_find(&job->reader, from, next, error);
    while (status == NPV_OK && next->sound && next->header.sequence <= job->reader.sequence)
        status = npv_journal_find(&job->reader, next->at + 8, next, error);
    return status;
}

static npv_status pass_damage(journal_salvage *job, npv_journal_sight *next, npv_error *error) {
    npv_journal_sight broken;
    npv_status status = npv_journal_look(&job->reader, job->reader.offset, &broken, error);
    if (status != NPV_OK)
        return status;
    const uint64_t rows = broken.sound ? 0 : rows_of(job, &broken);
    status = find_next(job, job->reader.offset, next, error);
    if (status == NPV_OK && next->sound && (next->at != broken.at || next->header.sequence != job->reader.sequence + 1))
        status = pass_gap(job, &broken, rows, next, error);
    return status;
}

/*
 * Is it more than the file has, or, with room behind it, did whole sectors of its end, behind `written`, stay zeros? A
 * record ends in a few zeros anyway.
 */
#define SECTOR 512

static bool is_unfinished(const npv_journal_reader *reader, const npv_journal_sight *sight, uint64_t written) {
    const uint64_t left = reader->file_size - sight->at - NPV_JOURNAL_RECORD;
    if (!sight->has_header || sight->header.size >= left)
        return sight->has_header && sight->header.size > left;
    return (written + SECTOR - 1) / SECTOR * SECTOR < sight->at + NPV_JOURNAL_RECORD + sight->header.size;
}

/*
 * What is behind the last sound change: the beginning of one, as a crash leaves it; changes that say themselves that
 * one before them was not flushed; or more than a crash leaves. A writer may be at it: then the beginning of what it
 * writes is there when it is looked at after the end.
 */
static npv_status judge_end(journal_salvage *job, npv_error *error) {
    npv_journal_reader *const reader = &job->reader;
    uint64_t left = 0;
    npv_journal_sight end, behind = {.sound = false};
    npv_status status = npv_journal_unfinished(reader, &left, error);
    if (status != NPV_OK || left == 0)
        return status;
    if (!job->damaged)
        status = npv_journal_find(reader, reader->offset + 8, &behind, error);
    reader->window.size = 0;
    if (status == NPV_OK)
        status = npv_journal_look(reader, reader->offset, &end, error);
    if (status != NPV_OK || (end.sound && !job->damaged)) /* it has been finished meanwhile */
        return status;
    if (behind.sound)
        npv_remark(job->findings,
                   "the last %" PRIu64
                   " bytes of the journal are changes that were not flushed when the power went, and nobody relies on",
                   left);
    else if (left < NPV_JOURNAL_RECORD || is_unfinished(reader, &end, reader->offset + left))
        npv_remark(job->findings,
                   "the last %" PRIu64
                   " bytes of the journal are a change that is being written, or never was finished",
                   left);
    else
        npv_found(job->findings,
                  "the journal is damaged from byte %" PRIu64 " to its end, %" PRIu64
                  ": changes there are lost, unless the power went while they were written",
                  reader->offset, reader->offset + left);
    return NPV_OK;
}

/* The next change, as everybody reads it: until it turns out that the journal is damaged. */
static npv_status next_change(journal_salvage *job, npv_journal_record *record, uint64_t *at, bool *found,
                              npv_error *error) {
    npv_journal_sight next;
    npv_status status = NPV_OK;
    if (!job->damaged) {
        *at = job->reader.offset;
        status = npv_journal_next(&job->reader, record, found, error);
        job->damaged = status == NPV_E_FORMAT;
        if (!job->damaged)
            return status;
    }
    status = pass_damage(job, &next, error);
    *found = status == NPV_OK && next.sound;
    if (!*found)
        return status;
    *record = next.record;
    *at = next.at;
    npv_journal_pass(&job->reader, &next);
    return NPV_OK;
}

static npv_status replay_all(journal_salvage *job, npv_error *error) {
    npv_journal_record record;
    uint64_t at = 0;
    bool found = true;
    npv_status status = NPV_OK;
    while (status == NPV_OK && found) {
        status = next_change(job, &record, &at, &found, error);
        if (status == NPV_OK && found)
            status = replay(job, &record, at, error);
    }
    return status == NPV_OK ? judge_end(job, error) : status;
}

/* ------------------------------------------------------------------------------------------------ Which archive -- */

/* A damaged header is good for no more than to be compared with what is known, and to find a change by its salt. */
static npv_status open_damaged(journal_salvage *job, const char *path, bool *usable, npv_error *error) {
    npv_journal_sight first;
    npv_error wrong = {.message = ""};
    npv_status status = npv_journal_reader_open_damaged(path, &job->reader, usable, &wrong);
    if (status != NPV_OK || !*usable) {
        *usable = false;
        return status == NPV_OK || status == NPV_E_FORMAT ? NPV_OK : npv_fail(error, status, "%s", wrong.message);
    }
    status = npv_journal_find(&job->reader, NPV_JOURNAL_HEADER, &first, error);
    *usable = status == NPV_OK && first.sound;
    if (status == NPV_OK && !first.sound)
        npv_remark(job->findings, "its changes, if there are any in its %" PRIu64 " bytes, cannot be read: lost",
                   job->reader.file_size);
    if (!*usable)
        npv_journal_reader_close(&job->reader);
    return status;
}

static npv_status open_journal(journal_salvage *job, const char *path, bool *usable, npv_error *error) {
    npv_error wrong = {.message = ""};
    const npv_status status = npv_journal_reader_open(path, -1, &job->reader, usable, &wrong);
    if (status == NPV_OK)
        return NPV_OK;
    *usable = false;
    if (status != NPV_E_FORMAT)
        return npv_fail(error, status, "%s", wrong.message);
    npv_found(job->findings, "%s", wrong.message);
    return open_damaged(job, path, usable, error);
}

/* All changes that can be read, also behind damage. */
static npv_status count_changes(journal_salvage *job, uint64_t *count, npv_error *error) {
    npv_journal_sight next;
    npv_status status;
    *count = 0;
    while ((status = find_next(job, job->reader.offset, &next, error)) == NPV_OK && next.sound) {
        npv_journal_pass(&job->reader, &next);
        ++*count;
    }
    return status;
}

static bool is_current(const npv_salvage *salvage) {
    struct stat opened, named;
    return fstat(salvage->file.fd, &opened) == 0 && stat(salvage->findings->path, &named) == 0 &&
           opened.st_dev == named.st_dev && opened.st_ino == named.st_ino;
}

/* Does the journal go on from this archive? If not, says so, as far as it is no trace of a crash. */
static npv_status belongs(journal_salvage *job, bool *here, bool *again, npv_error *error) {
    const npv_salvage *const salvage = job->archive;
    const npv_journal_base *const named = &job->reader.header.base;
    npv_journal_base base;
    uint64_t count;
    npv_store_base(job->store, &base);
    const bool same_id = memcmp(base.id, named->id, sizeof base.id) == 0;
    *again = !npv_journal_same_archive(&base, named) && !is_current(salvage);
    if (*again)
        return NPV_OK;
    if (salvage->mark_lost && named->generation > 0) {
        memcpy(base.id, named->id, sizeof base.id);
        base.generation = named->generation;
        npv_remark(job->findings,
                   "the archive does not say any more which one it is: the journal is taken for its own");
    }
    *here = npv_journal_same_base(&base, named);
    const npv_status status = *here ? NPV_OK : count_changes(job, &count, error);
    if (*here || status != NPV_OK)
        return status;
    if (same_id && named->generation + 1 == base.generation)
        npv_remark(job->findings, "the changes of the journal are in the archive: a crash has left it behind");
    else
        npv_found(job->findings,
                  "the journal goes on from another archive (generation %" PRIu64 ", this one is %" PRIu64
                  "), or from another kind of store: its %" PRIu64 " changes are not in this one",
                  named->generation, base.generation, count);
    return NPV_OK;
}

static npv_status salvage_changes(journal_salvage *job, bool *again, npv_error *error) {
    uint64_t count;
    bool here = false;
    npv_status status;
    if (job->store == NULL) {
        status = count_changes(job, &count, error);
        if (status == NPV_OK)
            npv_found(job->findings, "the journal has %" PRIu64 " changes: lost with the archive", count);
        return status;
    }
    status = belongs(job, &here, again, error);
    return status == NPV_OK && here ? replay_all(job, error) : status;
}

npv_status npv_salvage_journal(const char *path, npv_salvage *salvage, bool *again, npv_error *error) {
    journal_salvage job = {.archive = salvage,
                           .findings = salvage->findings,
                           .store = salvage->store,
                           .fragments = NPV_DOCUMENTS_EMPTY,
                           .numbered = salvage->numbered};
    bool usable;
    *again = false;
    if (salvage->store != NULL) {
        salvage->store->followed.base = salvage->identity;
        job.numbered_to = salvage->store->rows;
    }
    npv_status status = open_journal(&job, path, &usable, error);
    if (status != NPV_OK || !usable)
        return status;
    status = salvage_changes(&job, again, error);
    npv_journal_reader_close(&job.reader);
    npv_documents_free(&job.fragments);
    return status;
}
