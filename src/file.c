/* A store and its file: opening and saving. */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "compact.h"
#include "error.h"
#include "lazy.h"
#include "store.h"
#include "vector.h"

/* Rows that were scaled to unit length in float32, or half precision, are this close to it. */
#define UNIT_TOLERANCE 1e-4

static bool ends_in_npz(const char *path) {
    const size_t length = strlen(path);
    return length > 4 && strcmp(path + length - 4, ".npz") == 0;
}

/* ------------------------------------------------------------------------------------------------------ Opening -- */

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
            npv_scale_to_unit(rows + row * dimensions, dimensions, lengths[row],
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
    if (facts->unknown[0] != '\0')
        snprintf(store->would_lose, sizeof store->would_lose, "its member '%s'", facts->unknown);
    else if (facts->narrowed)
        strcpy(store->would_lose, "digits of its float64 vectors");
    if (ends_in_npz(path) && (store->path = strdup(path)) == NULL)
        return npv_fail_memory(error, "a path", strlen(path) + 1);
    return NPV_OK;
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
    status = load(store, path, archive, facts, options->normalize, error);
    if (status == NPV_OK)
        status = remember_source(store, path, facts, error);
    if (status == NPV_OK)
        *result = store;
    else
        npv_close(store);
    return status;
}

npv_status npv_open(const char *path, const npv_store_options *given, npv_store **result, npv_error *error) {
    npv_store_options options = NPV_STORE_OPTIONS_INIT;
    npv_archive *archive = NULL;
    npv_archive_facts facts;
    npv_store *store = NULL;
    if (path == NULL || result == NULL)
        return npv_fail(error, NPV_E_ARGUMENT, "npv_open: expected a path and a place for the store, found NULL");
    npv_status status = npv_copy_options(&options, sizeof options, given, "npv_store_options", error);
    if (status == NPV_OK)
        status = npv_check_durability(options.durability, error);
    if (status == NPV_OK && (options.fields != NULL || options.field_count > 0))
        status = npv_fail(error, NPV_E_ARGUMENT, "npv_open: expected no typed fields, which the file says; found %zu",
                          options.field_count);
    if (status == NPV_OK)
        status = npv_archive_open(path, &archive, &facts, error);
    if (status != NPV_OK)
        return status;
    status = open_archive(path, archive, &facts, &options, &store, error);
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

/* ------------------------------------------------------------------------------------------------------- Saving -- */

static bool is_source(const npv_store *store, const char *path) {
    struct stat file;
    return stat(path, &file) == 0 && file.st_dev == store->source_device && file.st_ino == store->source_inode;
}

static npv_status check_destination(const npv_store *store, const char *path, npv_error *error) {
    if (path == NULL)
        return npv_fail(error, NPV_E_ARGUMENT, "npv_save: expected a path, found none, and the store has no file yet");
    if (!ends_in_npz(path))
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

/* Under `saving`: the store belongs to the file that was just written. */
static void adopt_path(npv_store *store, char *path, npv_archive_mark mark) {
    pthread_mutex_lock(&store->lazy);
    free(store->path);
    store->path = path;
    store->mark = mark;
    store->would_lose[0] = '\0';
    pthread_mutex_unlock(&store->lazy);
}

static npv_status save(npv_store *store, const char *given, bool compress, npv_error *error) {
    const char *path = given != NULL ? given : store->path;
    npv_archive_mark mark = store->mark;
    npv_status status = check_destination(store, path, error);
    if (status == NPV_OK)
        status = npv_archive_next_mark(&mark, error);
    if (status != NPV_OK)
        return status;
    char *copy = strdup(path);
    if (copy == NULL)
        return npv_fail_memory(error, "a path", strlen(path) + 1);
    status = write_archive(store, path, compress, mark, error);
    if (status == NPV_OK)
        adopt_path(store, copy, mark);
    else
        free(copy);
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
    status = (store->deleted > 0 ? save_and_compact : save)(store, path, options.compress != 0, error);
    pthread_mutex_unlock(&store->saving);
    npv_store_unlock(store);
    return status;
}
