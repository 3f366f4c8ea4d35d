/* A store is opened from its file, for reading or for writing. */
#include "file.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "error.h"
#include "identity.h"
#include "journalling.h"
#include "lazy.h"
#include "save.h"
#include "vector.h"

/* Rows that were scaled to unit length in float32, or half precision, are this close to it. */
#define UNIT_TOLERANCE 1e-4

/* ------------------------------------------------------------------------------------------------------- Opening -- */

static npv_status check_facts(const char *path, const npv_archive_facts *facts, const npv_store_options *options,
                              npv_error *error) {
    if (options->dimensions != 0 && options->dimensions != facts->dimensions)
        return npv_fail(error, NPV_E_ARGUMENT, "%s: expected %zu dimensions, found %zu", path, options->dimensions,
                        facts->dimensions);
    if (options->normalize != NPV_NORMALIZE_AUTO && facts->normalize != NPV_NORMALIZE_AUTO &&
        options->normalize != facts->normalize)
        return npv_fail(error, NPV_E_ARGUMENT, "%s: expected a store that %s, found one that %s", path,
                        options->normalize == NPV_NORMALIZE_ON ? "normalises" : "does not normalise",
                        facts->normalize == NPV_NORMALIZE_ON ? "does" : "does not");
    return NPV_OK;
}

static npv_status load_vectors(npv_store *store, npv_archive *archive, const npv_archive_facts *facts,
                               npv_error *error) {
    const uint64_t most = SIZE_MAX / sizeof(float) / facts->dimensions;
    if (facts->rows > most)
        return npv_fail_memory(error, "the vectors", SIZE_MAX);
    const size_t bytes = (size_t)facts->rows * facts->dimensions * sizeof(float);
    memcpy(store->origin, facts->origin, sizeof store->origin);
    store->mapped = facts->mappable;
    if (facts->mappable)
        return npv_array_map_file(&store->vectors, facts->fd, facts->vectors_offset, bytes, error);
    const npv_status status = npv_array_grow(&store->vectors, bytes, error);
    return status == NPV_OK ? npv_archive_read_vectors(archive, (float *)(void *)store->vectors.data, error) : status;
}

/* Replaces the rows by rows of unit length. They may be mapped, so they are written elsewhere. */
static npv_status scale_rows(npv_store *store, const double *lengths, npv_error *error) {
    const size_t dimensions = store->dimensions;
    const float *rows = (const float *)(const void *)store->vectors.data;
    npv_array scaled = NPV_ARRAY_EMPTY;
    npv_status status = npv_array_grow(&scaled, (size_t)store->rows * dimensions * sizeof(float), error);
    for (uint64_t row = 0; row < store->rows && status == NPV_OK; row++) {
        if (lengths[row] == 0)
            status = npv_fail(error, NPV_E_FORMAT,
                              "row %" PRIu64 " has length zero and cannot be scaled to unit length, as a store that "
                              "normalises needs it",
                              row);
        else
            store->kernels->scale_row(rows + row * dimensions, dimensions, lengths[row],
                                      (float *)(void *)scaled.data + row * dimensions);
    }
    if (status != NPV_OK) {
        npv_array_free(&scaled);
        return status;
    }
    npv_array_free(&store->vectors);
    store->vectors = scaled;
    store->mapped = false;
    strcpy(store->origin, "converted: rows scaled to unit length");
    return NPV_OK;
}

/* Vectors that npvec did not write: are they finite, and are they of unit length, as they may have to be? */
static npv_status check_rows(npv_store *store, npv_normalize wanted, npv_error *error) {
    const double *lengths = NULL;
    const npv_status status = npv_store_lengths(store, &lengths, error);
    if (status != NPV_OK)
        return status;
    bool unit = true;
    for (uint64_t row = 0; row < store->rows; row++) {
        if (!isfinite(lengths[row]))
            return npv_fail_not_finite(error, NPV_E_FORMAT, "row", row,
                                       (const float *)(const void *)store->vectors.data + row * store->dimensions,
                                       store->dimensions);
        unit = unit && fabs(lengths[row] - 1) <= UNIT_TOLERANCE;
    }
    store->normalize = wanted == NPV_NORMALIZE_AUTO ? unit : wanted == NPV_NORMALIZE_ON;
    return store->normalize && !unit ? scale_rows(store, lengths, error) : NPV_OK;
}

/* Puts the path in front of a message that says only which row is at fault. */
static npv_status in_file(const char *path, npv_status status, npv_error *error) {
    if (status == NPV_OK || error == NULL)
        return status;
    const npv_error found = *error;
    return npv_fail(error, status, "%s: %s", path, found.message);
}

static npv_status load(npv_store *store, const char *path, npv_archive *archive, const npv_archive_facts *facts,
                       npv_normalize wanted, npv_error *error) {
    npv_status status = load_vectors(store, archive, facts, error);
    if (status != NPV_OK)
        return status;
    store->rows = facts->rows;
    store->metadata = facts->metadata;
    store->documents.objects = facts->objects;
    store->mark = facts->mark;
    if (facts->marked)
        store->normalize = facts->normalize == NPV_NORMALIZE_ON;
    else
        status = in_file(
            path, check_rows(store, facts->normalize == NPV_NORMALIZE_AUTO ? wanted : facts->normalize, error), error);
    if (status == NPV_OK && facts->metadata == NPV_METADATA_TYPED)
        status = npv_archive_read_schema(archive, &store->schema, error);
    if (status == NPV_OK && facts->metadata == NPV_METADATA_NONE)
        status = npv_documents_append_none(&store->documents, (size_t)facts->rows, error);
    return status;
}

/* Saving over the file that was opened must not lose what the store never took in. */
static npv_status remember_source(npv_store *store, const char *path, const npv_archive_facts *facts,
                                  npv_error *error) {
    struct stat file;
    if (fstat(facts->fd, &file) != 0)
        return npv_fail_io(error, path, "reading the file's state");
    store->source_device = file.st_dev;
    store->source_inode = file.st_ino;
    store->archive_bytes = (uint64_t)file.st_size;
    if (facts->unknown[0] != '\0')
        snprintf(store->would_lose, sizeof store->would_lose, "its member '%s'", facts->unknown);
    else if (facts->narrowed)
        strcpy(store->would_lose, "digits of its float64 vectors");
    if (!npv_ends_in_npz(path))
        return NPV_OK;
    store->path = strdup(path);
    return store->path != NULL ? npv_journal_path(path, &store->journal_path, error)
                               : npv_fail_memory(error, "a path", strlen(path) + 1);
}

static npv_status open_archive(const char *path, npv_archive *archive, const npv_archive_facts *facts,
                               const npv_store_options *options, npv_store **result, npv_error *error) {
    npv_store *store = NULL;
    npv_status status = check_facts(path, facts, options, error);
    if (status == NPV_OK)
        status = npv_store_new(facts->dimensions, options->threads, &store, error);
    if (status != NPV_OK)
        return status;
    store->no_codes = options->no_codes != 0;
    store->compress = facts->deflated;
    status = load(store, path, archive, facts, options->normalize, error);
    if (status == NPV_OK)
        status = remember_source(store, path, facts, error);
    if (status == NPV_OK)
        status = npv_archive_identify(path, facts, &store->followed.base, error);
    if (status == NPV_OK)
        *result = store;
    else
        npv_close(store);
    return status;
}

/* The store as its archive has it. */
static npv_status open_stored(const char *path, const npv_store_options *options, npv_store **result,
                              npv_error *error) {
    npv_archive *archive = NULL;
    npv_archive_facts facts;
    npv_store *store = NULL;
    npv_status status = npv_archive_open(path, &archive, &facts, error);
    if (status != NPV_OK)
        return status;
    status = open_archive(path, archive, &facts, options, &store, error);
    if (status == NPV_OK && (facts.metadata != NPV_METADATA_NONE || facts.ids)) {
        store->archive = archive; /* what it holds beside vectors is read when it is first needed */
        store->metadata_waits = facts.metadata != NPV_METADATA_NONE;
        store->ids_wait = facts.ids;
    } else {
        npv_archive_close(archive);
    }
    if (status == NPV_OK)
        *result = store;
    return status;
}

/* ------------------------------------------------------------------------------------------- Opening for reading -- */

static npv_status check_journal(const npv_store *store, const npv_journal_reader *reader, npv_error *error) {
    npv_journal_base base;
    npv_store_base(store, &base);
    if (npv_journal_same_base(&base, &reader->header.base))
        return NPV_OK;
    return npv_fail(error, NPV_E_FORMAT,
                    "%s: the journal goes on from this archive, but expects vectors of %zu dimensions that are %s, and "
                    "records of %" PRIu64 " bytes; found %zu, %s, %" PRIu64,
                    reader->path, reader->header.base.dimensions,
                    reader->header.base.normalize ? "normalised" : "not normalised", reader->header.base.record_size,
                    base.dimensions, base.normalize ? "normalised" : "not normalised", base.record_size);
}

/* What a crash, or a writer that is at it, leaves at the end of a journal that has been read. */
static npv_status note_unfinished(npv_store *store, npv_journal_reader *reader, const char *what, npv_error *error) {
    uint64_t size = 0;
    const npv_status status = npv_journal_unfinished(reader, &size, error);
    if (size > 0)
        snprintf(store->journal_note, sizeof store->journal_note, "the last %" PRIu64 " bytes of the journal %s", size,
                 what);
    return status;
}

npv_status npv_store_follow(npv_store *store, npv_journal_reader *reader, bool *changed, npv_error *error) {
    npv_status status = check_journal(store, reader, error);
    if (status != NPV_OK)
        return status;
    npv_journal_position *const followed = &store->followed;
    npv_store_unfollow(store);
    followed->fd = reader->fd;
    followed->salt = reader->header.salt;
    followed->offset = reader->offset;
    followed->sequence = reader->sequence;
    reader->owns_fd = false;
    status = npv_store_replay(store, reader, changed, error);
    store->journal_note[0] = '\0';
    if (status == NPV_OK)
        status = note_unfinished(store, reader, "are a change that is being written, or never was finished", error);
    return status;
}

/* Is the file that was opened still the one at its path? */
static bool is_current(const npv_store *store, const char *path) {
    struct stat file;
    return stat(path, &file) == 0 && file.st_dev == store->source_device && file.st_ino == store->source_inode;
}

/* Reads the journal. *again: the archive is not the one that it goes on from, because it was just replaced. */
static npv_status read_journal(npv_store *store, const char *path, bool *again, npv_error *error) {
    npv_journal_reader reader;
    bool found, changed;
    npv_status status = npv_journal_reader_open(store->journal_path, -1, &reader, &found, error);
    *again = false;
    if (status != NPV_OK || !found)
        return status;
    if (npv_journal_same_archive(&reader.header.base, &store->followed.base))
        status = npv_store_follow(store, &reader, &changed, error);
    else if (!is_current(store, path))
        *again = true;
    else
        strcpy(store->journal_note, "the journal beside this file goes on from another one, and was passed over");
    npv_journal_reader_close(&reader);
    return status;
}

/* A writer that folds its journal replaces the archive and then the journal: between them they do not fit together. */
#define MOST_ROUNDS 100

npv_status npv_store_open_for_reading(const char *path, const npv_store_options *options, npv_store **result,
                                      npv_error *error) {
    bool again = true;
    for (int round = 0; again && round < MOST_ROUNDS; round++) {
        npv_store *store = NULL;
        npv_status status = open_stored(path, options, &store, error);
        if (status == NPV_OK && store->journal_path != NULL)
            status = read_journal(store, path, &again, error);
        else
            again = false;
        if (status == NPV_OK && !again)
            *result = store;
        else
            npv_close(store);
        if (status != NPV_OK)
            return status;
    }
    return again ? npv_fail(error, NPV_E_BUSY, "%s: it is replaced faster than it can be opened", path) : NPV_OK;
}

/* ------------------------------------------------------------------------------------------- Opening for writing -- */

static npv_status check_fields(const npv_store *store, const char *path, const npv_store_options *options,
                               npv_error *error) {
    npv_record_schema schema = {.fields = NULL};
    if (options->fields == NULL)
        return NPV_OK;
    npv_status status = npv_schema_declare(options->fields, options->field_count, &schema, error);
    if (status != NPV_OK)
        return status;
    if (store->schema.descr == NULL || strcmp(store->schema.descr, schema.descr) != 0)
        status = npv_fail(error, NPV_E_ARGUMENT, "%s: expected typed fields %.150s, found %.150s", path, schema.descr,
                          store->schema.descr != NULL ? store->schema.descr : "none");
    npv_schema_free(&schema);
    return status;
}

/* The store goes on with its journal, of which it has the lock. */
static npv_status attach_journal(npv_store *store, npv_journal *journal, npv_error *error) {
    npv_journal_reader reader;
    npv_journal_base base;
    bool found, changed;
    npv_store_base(store, &base);
    npv_status status = npv_journal_reader_open(journal->path, journal->lock.fd, &reader, &found, error);
    if (status != NPV_OK)
        return status;
    if (!found || !npv_journal_same_archive(&reader.header.base, &base)) {
        if (found)
            strcpy(store->journal_note, "the journal beside this file went on from another one, and was removed");
        npv_journal_reader_close(&reader);
        /* Whoever replaced the archive may have been killed before its name was on the disk, which must come first. */
        status = npv_flush_names(journal->path, error);
        return status == NPV_OK ? npv_journal_restart(journal, &base, error) : status;
    }
    status = npv_store_follow(store, &reader, &changed, error);
    if (status == NPV_OK)
        status = note_unfinished(store, &reader, "were a change that was never finished, and were removed", error);
    if (status == NPV_OK)
        status = npv_journal_continue(journal, &reader, error);
    store->followed.fd = -1; /* the lock's */
    npv_journal_reader_close(&reader);
    return status;
}

static npv_status open_existing(const char *path, const npv_store_options *options, npv_journal *journal,
                                npv_store **result, npv_error *error) {
    npv_store *store = NULL;
    npv_status status = open_stored(path, options, &store, error);
    if (status != NPV_OK)
        return status;
    status = check_fields(store, path, options, error);
    if (status == NPV_OK && store->would_lose[0] != '\0')
        status = npv_fail(error, NPV_E_UNSUPPORTED,
                          "%s: cannot be opened for writing, because saving over it would lose %s; open it with "
                          "durability off and save it to another path",
                          path, store->would_lose);
    if (status == NPV_OK)
        status = attach_journal(store, journal, error);
    if (status == NPV_OK)
        *result = store;
    else
        npv_close(store);
    return status;
}

/* An archive without rows, so that there is something for readers to open and for the journal to go on from. */
static npv_status create_file(const char *path, const npv_store_options *options, npv_journal *journal,
                              npv_store **result, npv_error *error) {
    npv_store *store = NULL;
    npv_status status = npv_create(options, &store, error);
    if (status != NPV_OK)
        return status;
    store->journal = journal;
    store->journal_path = strdup(journal->path);
    status = store->journal_path != NULL ? npv_store_save(store, path, false, error)
                                         : npv_fail_memory(error, "a path", strlen(journal->path) + 1);
    store->journal = NULL; /* the caller's, until nothing can fail */
    if (status == NPV_OK)
        *result = store;
    else
        npv_close(store);
    return status;
}

static npv_status open_locked(const char *path, const npv_store_options *options, npv_journal *journal,
                              npv_store **result, npv_error *error) {
    npv_store *store = NULL;
    struct stat file;
    const bool there = stat(path, &file) == 0;
    if (!there && errno != ENOENT)
        return npv_fail_io(error, path, "looking for it");
    npv_status status = (there ? open_existing : create_file)(path, options, journal, &store, error);
    if (status != NPV_OK)
        return status;
    store->durability = options->durability;
    store->journal = journal;
    if (npv_store_is_outgrown(store) && npv_store_save(store, NULL, store->compress, NULL) != NPV_OK)
        store->fold_at = 2 * journal->size; /* it can do without */
    *result = store;
    return NPV_OK;
}

static npv_status open_for_writing(const char *path, const npv_store_options *options, npv_store **result,
                                   npv_error *error) {
    npv_journal *journal = NULL;
    char *journal_path = NULL;
    struct stat file = {.st_mode = 0666};
    if (!npv_ends_in_npz(path))
        return npv_fail(error, NPV_E_ARGUMENT, "%s: expected a name that ends in .npz", path);
    if (stat(path, &file) != 0 && (errno != ENOENT || options->dimensions == 0))
        return npv_fail_io(error, path, "opening it for writing (dimensions would be needed to create it)");
    npv_status status = npv_journal_path(path, &journal_path, error);
    if (status != NPV_OK)
        return status;
    status = npv_journal_open(journal_path, file.st_mode & (mode_t)0777, options->durability, &journal, error);
    if (status != NPV_OK) {
        free(journal_path);
        return status;
    }
    status = open_locked(path, options, journal, result, error);
    if (status != NPV_OK)
        npv_journal_close(journal);
    return status;
}

npv_status npv_open(const char *path, const npv_store_options *given, npv_store **result, npv_error *error) {
    npv_store_options options = NPV_STORE_OPTIONS_INIT;
    if (path == NULL || result == NULL)
        return npv_fail(error, NPV_E_ARGUMENT, "npv_open: expected a path and a place for the store, found NULL");
    npv_status status = npv_copy_options(&options, sizeof options, given, "npv_store_options", error);
    if (status == NPV_OK)
        status = npv_check_durability(options.durability, error);
    if (status != NPV_OK)
        return status;
    if (options.durability != NPV_DURABILITY_OFF)
        return open_for_writing(path, &options, result, error);
    if (options.fields != NULL || options.field_count > 0)
        return npv_fail(error, NPV_E_ARGUMENT, "npv_open: expected no typed fields, which the file says; found %zu",
                        options.field_count);
    return npv_store_open_for_reading(path, &options, result, error);
}
