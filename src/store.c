/* A store's life in memory: created, added to, read, cleared, closed. file.c opens and saves it. */
#include "store.h"

#include <inttypes.h>
#include <math.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "error.h"
#include "lazy.h"
#include "meta/json.h"
#include "vector.h"

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
    pthread_mutex_init(&store->lazy, NULL);
    pthread_mutex_init(&store->saving, NULL);
    atomic_store(&store->process, getpid());
}

/*
 * After fork the child holds copies of locks that threads of its parent may have held, and none of those threads. The
 * first call in the child makes new ones; `process` is 0 meanwhile.
 */
static void mend_after_fork(npv_store *store) {
    const pid_t mine = getpid();
    pid_t owner = atomic_load(&store->process);
    while (owner != mine) {
        if (owner != 0 && atomic_compare_exchange_strong(&store->process, &owner, 0)) {
            npv_workers_after_fork(store->workers);
            set_up_locks(store);
        } else {
            sched_yield();
        }
        owner = atomic_load(&store->process);
    }
}

void npv_store_lock_for_reading(npv_store *store) {
    mend_after_fork(store);
    pthread_rwlock_rdlock(&store->lock);
}

void npv_store_lock_for_writing(npv_store *store) {
    mend_after_fork(store);
    pthread_rwlock_wrlock(&store->lock);
}

void npv_store_unlock(npv_store *store) {
    pthread_rwlock_unlock(&store->lock);
}

/* -------------------------------------------------------------------------------------------------------- Calls -- */

npv_status npv_fail_row(npv_error *error, uint64_t row, uint64_t rows) {
    if (rows == 0)
        return npv_fail(error, NPV_E_RANGE, "row %" PRIu64 " is not there: the store is empty", row);
    return npv_fail(error, NPV_E_RANGE, "expected a row from 0 to %" PRIu64 ", found %" PRIu64, rows - 1, row);
}

/*
 * Structs that callers fill have no padding at their end: a caller's padding would be taken for a field that this library
 * does not know yet.
 */
#define ENDS_WITH(type, field) \
    _Static_assert(sizeof(type) == offsetof(type, field) + sizeof(((type *)NULL)->field), #type " ends with padding")
ENDS_WITH(npv_store_options, field_count);
ENDS_WITH(npv_save_options, reserved);
ENDS_WITH(npv_search_options, filter);
ENDS_WITH(npv_batch, records);
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
        status = npv_check_reserved(options.reserved, "npv_store_options", error);
    if (status == NPV_OK)
        status = npv_store_new(options.dimensions, options.threads, &created, error);
    if (status != NPV_OK)
        return status;
    created->no_codes = options.no_codes != 0;
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
    npv_archive_close(store->archive);
    npv_array_free(&store->vectors);
    npv_array_free(&store->lengths);
    npv_codes_free(&store->codes);
    npv_documents_free(&store->documents);
    free(store->typed.data);
    free(store->path);
    pthread_rwlock_destroy(&store->lock);
    pthread_mutex_destroy(&store->lazy);
    pthread_mutex_destroy(&store->saving);
    free(store);
}

npv_status npv_get_info(npv_store *store, npv_info *info, npv_error *error) {
    if (store == NULL || info == NULL || info->size < sizeof info->size)
        return npv_fail(error, NPV_E_ARGUMENT, "npv_get_info: expected a store and an npv_info that holds its size");
    npv_store_lock_for_reading(store);
    npv_info found = {.size = info->size,
                      .rows = store->rows,
                      .row_end = store->rows,
                      .dimensions = store->dimensions,
                      .normalize = store->normalize,
                      .metadata = store->metadata,
                      .mapped = store->mapped,
                      .threads = store->threads,
                      .kernels = store->kernels->name};
    memcpy(found.origin, store->origin, sizeof found.origin);
    pthread_mutex_lock(&store->lazy);
    found.path = store->path;
    pthread_mutex_unlock(&store->lazy);
    npv_store_unlock(store);
    memcpy(info, &found, info->size < sizeof found ? info->size : sizeof found);
    return NPV_OK;
}

uint64_t npv_count(npv_store *store) {
    npv_store_lock_for_reading(store);
    const uint64_t rows = store->rows;
    npv_store_unlock(store);
    return rows;
}

/* ------------------------------------------------------------------------------------------------------- Adding -- */

/* Checks row `number` of a batch and writes it, scaled if the store normalises, to its place. */
static npv_status place_vector(const npv_store *store, const float *x, uint64_t number, double *wide, float *place,
                               npv_error *error) {
    const double length = npv_length(store->kernels, x, store->dimensions, wide);
    if (!isfinite(length))
        return npv_fail_not_finite(error, NPV_E_ARGUMENT, "row", number, x, store->dimensions);
    if (!store->normalize) {
        memcpy(place, x, store->dimensions * sizeof *x);
        return NPV_OK;
    }
    if (length == 0)
        return npv_fail(error, NPV_E_ARGUMENT,
                        "row %" PRIu64 ": expected a direction, found a vector of length zero, which a store that "
                        "normalises cannot hold",
                        number);
    npv_scale_to_unit(x, store->dimensions, length, place);
    return NPV_OK;
}

static npv_status place_vectors(npv_store *store, const npv_batch *batch, npv_error *error) {
    const size_t dimensions = store->dimensions;
    const uint64_t most = SIZE_MAX / sizeof(float) / dimensions;
    if (batch->count > most - store->rows)
        return npv_fail_memory(error, "the vectors", SIZE_MAX);
    const size_t bytes = (size_t)(store->rows + batch->count) * dimensions * sizeof(float);
    double *wide = malloc(NPV_PADDED(dimensions) * sizeof *wide);
    if (wide == NULL)
        return npv_fail_memory(error, "a vector", NPV_PADDED(dimensions) * sizeof *wide);
    npv_status status = npv_array_grow(&store->vectors, bytes, error);
    if (status == NPV_OK) {
        float *place = (float *)(void *)store->vectors.data + store->rows * dimensions;
        for (size_t i = 0; i < batch->count && status == NPV_OK; i++)
            status = place_vector(store, batch->vectors + i * dimensions, i, wide, place + i * dimensions, error);
    }
    free(wide);
    return status;
}

/* One document of a batch; the error's message is led by its row. */
static npv_status place_document(npv_store *store, const char *json, size_t number, npv_buffer *fragment,
                                 npv_error *error) {
    npv_error found;
    fragment->size = 0;
    npv_status status = json == NULL ? NPV_OK : npv_json_to_fragment(json, fragment, &found);
    if (status == NPV_OK)
        status = npv_documents_append(&store->documents, (npv_bytes){fragment->data, fragment->size}, &found);
    if (status == NPV_OK)
        return NPV_OK;
    return npv_fail_at(error, status, found.position, "row %zu: %s", number, found.message);
}

static npv_status place_documents(npv_store *store, const npv_batch *batch, npv_error *error) {
    if (batch->documents == NULL)
        return npv_documents_append_none(&store->documents, batch->count, error);
    npv_buffer fragment = {0};
    npv_status status = NPV_OK;
    for (size_t i = 0; i < batch->count && status == NPV_OK; i++)
        status = place_document(store, batch->documents[i], i, &fragment, error);
    free(fragment.data);
    return status;
}

/* Rows and documents are written behind the last row, where nobody looks, until the count takes them in. */
static npv_status add(npv_store *store, const npv_batch *batch, npv_error *error) {
    npv_status status = npv_store_load_metadata(store, error);
    if (status == NPV_OK && store->metadata == NPV_METADATA_TYPED)
        status = npv_fail(error, NPV_E_UNSUPPORTED,
                          "this store has typed metadata (a structured array), to which npvec %s cannot add rows",
                          npv_version());
    if (status == NPV_OK)
        status = place_vectors(store, batch, error);
    if (status == NPV_OK)
        status = place_documents(store, batch, error);
    if (status != NPV_OK) {
        npv_documents_truncate(&store->documents, (size_t)store->rows);
        return status;
    }
    store->rows += batch->count;
    if (npv_codes_outgrown(&store->codes, store->rows))
        npv_codes_free(&store->codes);
    if (batch->documents != NULL)
        store->metadata = NPV_METADATA_DOCUMENTS;
    return NPV_OK;
}

npv_status npv_add(npv_store *store, const npv_batch *given, uint64_t *first_row, npv_error *error) {
    npv_batch batch = NPV_BATCH_INIT;
    if (store == NULL || given == NULL)
        return npv_fail(error, NPV_E_ARGUMENT, "npv_add: expected a store and a batch, found NULL");
    npv_status status = npv_copy_options(&batch, sizeof batch, given, "npv_batch", error);
    if (status == NPV_OK && batch.vectors == NULL && batch.count > 0)
        status = npv_fail(error, NPV_E_ARGUMENT, "npv_add: expected %zu vectors, found NULL", batch.count);
    if (status != NPV_OK)
        return status;
    npv_store_lock_for_writing(store);
    const uint64_t first = store->rows;
    if (batch.count > 0)
        status = add(store, &batch, error);
    npv_store_unlock(store);
    if (status == NPV_OK && first_row != NULL)
        *first_row = first;
    return status;
}

static npv_status clear(npv_store *store, npv_error *error) {
    npv_status status = npv_array_clear(&store->vectors, error);
    if (status != NPV_OK)
        return status;
    npv_archive_close(store->archive);
    store->archive = NULL;
    npv_documents_free(&store->documents);
    npv_array_free(&store->lengths);
    npv_codes_free(&store->codes);
    free(store->typed.data);
    store->typed = (npv_buffer){0};
    store->metadata = NPV_METADATA_NONE;
    store->rows = store->lengths_known = store->zero_rows = store->rows_scanned = 0;
    store->mapped = false;
    strcpy(store->origin, "created in memory");
    return NPV_OK;
}

npv_status npv_clear(npv_store *store, npv_error *error) {
    if (store == NULL)
        return npv_fail(error, NPV_E_ARGUMENT, "npv_clear: expected a store, found NULL");
    npv_store_lock_for_writing(store);
    const npv_status status = clear(store, error);
    npv_store_unlock(store);
    return status;
}

/* ------------------------------------------------------------------------------------------------------ Reading -- */

const float *npv_vectors(npv_store *store) {
    npv_store_lock_for_reading(store);
    const float *vectors = (const float *)(const void *)store->vectors.data;
    npv_store_unlock(store);
    return vectors;
}

npv_status npv_get_vector(npv_store *store, uint64_t row, const float **vector, npv_error *error) {
    if (store == NULL || vector == NULL)
        return npv_fail(error, NPV_E_ARGUMENT, "npv_get_vector: expected a store and a place, found NULL");
    npv_status status = NPV_OK;
    npv_store_lock_for_reading(store);
    if (row < store->rows)
        *vector = (const float *)(const void *)store->vectors.data + row * store->dimensions;
    else
        status = npv_fail_row(error, row, store->rows);
    npv_store_unlock(store);
    return status;
}

static npv_status get_document(npv_store *store, uint64_t row, npv_buffer *json, npv_error *error) {
    if (row >= store->rows)
        return npv_fail_row(error, row, store->rows);
    const npv_status status = npv_store_load_metadata(store, error);
    if (status != NPV_OK)
        return status;
    if (store->metadata == NPV_METADATA_TYPED)
        return npv_fail(error, NPV_E_UNSUPPORTED,
                        "this store has typed metadata (a structured array), which npvec %s cannot show as documents",
                        npv_version());
    const npv_bytes fragment = npv_documents_get(&store->documents, (size_t)row);
    if (fragment.size == 0)
        return NPV_OK;
    const npv_status written = npv_fragment_to_json(fragment, json, error);
    return written == NPV_OK ? npv_buffer_append(json, "", 1, error) : written;
}

npv_status npv_get_document(npv_store *store, uint64_t row, char **json, npv_error *error) {
    if (store == NULL || json == NULL)
        return npv_fail(error, NPV_E_ARGUMENT, "npv_get_document: expected a store and a place, found NULL");
    npv_buffer text = {0};
    npv_store_lock_for_reading(store);
    const npv_status status = get_document(store, row, &text, error);
    npv_store_unlock(store);
    if (status == NPV_OK)
        *json = (char *)text.data;
    else
        free(text.data);
    return status;
}
