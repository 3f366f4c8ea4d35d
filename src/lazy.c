#include "lazy.h"

#include <stdlib.h>

#include "error.h"
#include "records.h"
#include "vector.h"

/* ----------------------------------------------------------------------------------------------------- Metadata -- */

/* Under `lazy`: the file is not needed any more once everything was read. */
static void let_go_of_archive(npv_store *store) {
    if (store->metadata_waits || store->ids_wait)
        return;
    npv_archive_close(store->archive);
    store->archive = NULL;
}

npv_status npv_store_load_metadata(npv_store *store, npv_error *error) {
    npv_status status = NPV_OK;
    pthread_mutex_lock(&store->lazy);
    if (store->metadata_waits) {
        store->documents.objects = false;
        status = store->metadata == NPV_METADATA_TYPED
                     ? npv_records_load(store, error)
                     : npv_archive_read_documents(store->archive, &store->documents, error);
        store->metadata_waits = status != NPV_OK;
        let_go_of_archive(store);
    }
    pthread_mutex_unlock(&store->lazy);
    return status;
}

npv_status npv_store_load_ids(npv_store *store, npv_error *error) {
    npv_status status = NPV_OK;
    pthread_mutex_lock(&store->lazy);
    if (store->ids_wait) {
        status = npv_archive_read_ids(store->archive, &store->ids, error);
        store->ids_wait = status != NPV_OK;
        let_go_of_archive(store);
    }
    pthread_mutex_unlock(&store->lazy);
    return status;
}

/* ----------------------------------------------------------------------------------------------------- Columns -- */

npv_column_source npv_store_column_source(const npv_store *store) {
    if (store->metadata == NPV_METADATA_TYPED)
        return (npv_column_source){NULL, &store->schema, &store->records};
    return (npv_column_source){&store->documents, NULL, NULL};
}

npv_status npv_store_columns(npv_store *store, const npv_path *paths, size_t count, const npv_column **columns,
                             npv_error *error) {
    npv_status status = npv_store_load_metadata(store, error);
    if (status != NPV_OK)
        return status;
    const npv_column_source source = npv_store_column_source(store);
    pthread_mutex_lock(&store->lazy);
    size_t got = 0;
    for (; got < count && status == NPV_OK; got += status == NPV_OK)
        status = npv_columns_get(&store->columns, &source, &paths[got], store->rows, &columns[got], error);
    for (size_t i = 0; i < got && status != NPV_OK; i++)
        npv_columns_release(&store->columns, &source, columns[i]);
    pthread_mutex_unlock(&store->lazy);
    return status;
}

void npv_store_release_columns(npv_store *store, const npv_column *const *columns, size_t count) {
    const npv_column_source source = npv_store_column_source(store);
    pthread_mutex_lock(&store->lazy);
    for (size_t i = 0; i < count; i++)
        npv_columns_release(&store->columns, &source, columns[i]);
    pthread_mutex_unlock(&store->lazy);
}

/* ------------------------------------------------------------------------------------------------------ Lengths -- */

#define PART_ROWS 1024

typedef struct lengths_job {
    const npv_store *store;
    double *lengths;
    uint64_t first;
} lengths_job;

static void measure_part(void *context, size_t part, unsigned worker) {
    (void)worker;
    const lengths_job *job = context;
    const npv_store *store = job->store;
    const float *vectors = (const float *)(const void *)store->vectors.data;
    const uint64_t begin = job->first + part * (uint64_t)PART_ROWS;
    const uint64_t end = store->rows - begin < PART_ROWS ? store->rows : begin + PART_ROWS;
    for (uint64_t row = begin; row < end; row++)
        job->lengths[row] = npv_length(store->kernels, vectors + row * store->dimensions, store->dimensions);
}

/* Under `lazy`: measures the rows that were added since the last time. */
static npv_status measure(npv_store *store, npv_error *error) {
    const uint64_t first = store->lengths_known;
    const npv_status status = npv_array_grow(&store->lengths, (size_t)store->rows * sizeof(double), error);
    if (status != NPV_OK)
        return status;
    lengths_job job = {store, (double *)(void *)store->lengths.data, first};
    npv_workers_run(store->workers, (size_t)((store->rows - first + PART_ROWS - 1) / PART_ROWS), measure_part, &job);
    for (uint64_t row = first; row < store->rows; row++)
        store->zero_rows += job.lengths[row] == 0;
    store->lengths_known = store->rows;
    return NPV_OK;
}

npv_status npv_store_lengths(npv_store *store, const double **lengths, npv_error *error) {
    npv_status status = NPV_OK;
    pthread_mutex_lock(&store->lazy);
    if (store->lengths_known < store->rows)
        status = measure(store, error);
    pthread_mutex_unlock(&store->lazy);
    if (status == NPV_OK)
        *lengths = (const double *)(const void *)store->lengths.data;
    return status;
}

/* -------------------------------------------------------------------------------------------------------- Codes -- */

/* Coding a row costs about as much as scanning it this many times; before that was spent, codes do not pay. */
#define CODING_COST 4

/* Under `lazy`. Codes that are there are extended at once, others are made when as much work went into plain scans. */
static bool codes_pay(npv_store *store, const npv_request *request) {
    if (store->codes.rows > 0)
        return true;
    store->rows_scanned += request->eligible_count * request->query_count;
    return store->rows_scanned >= CODING_COST * store->rows;
}

/*
 * Once there are codes, a search reads a few rows of a mapped file. They need not be resident: a page fault makes at
 * least 64 KiB so, and a thousand searches most of the file. So rows that are picked out of a large file are read from
 * the system's cache; those of a small one stay where coding has mapped them, which is faster.
 */
#define SMALL_FILE ((uint64_t)64 << 20)

static bool reads_rows(const npv_store *store) {
    return store->mapped && store->rows * store->dimensions * sizeof(float) >= SMALL_FILE;
}

uint64_t npv_store_code_rows(npv_store *store, const npv_request *request) {
    uint64_t coded = 0;
    if (store->no_codes || !npv_plan_wants_codes(request))
        return 0;
    pthread_mutex_lock(&store->lazy);
    const uint64_t before = store->codes.rows;
    if (before < store->rows && codes_pay(store, request)) {
        /* Without memory for codes a search is slower, not wrong; the next try is due after as many scans again. */
        if (npv_codes_extend(&store->codes, store->kernels, store->workers, request->vectors, store->dimensions,
                             store->rows, NULL) != NPV_OK)
            store->rows_scanned = 0;
        coded = store->codes.rows - before;
        if (reads_rows(store))
            npv_array_forget_file(&store->vectors);
    }
    pthread_mutex_unlock(&store->lazy);
    return coded;
}

const npv_array *npv_store_file(const npv_store *store) {
    return reads_rows(store) ? &store->vectors : NULL;
}

npv_plan npv_store_plan(npv_store *store, const npv_request *request) {
    npv_plan plan = NPV_PLAN_SCAN;
    if (store->no_codes || !npv_plan_wants_codes(request))
        return plan;
    pthread_mutex_lock(&store->lazy);
    if (store->codes.rows == store->rows)
        plan = npv_plan_choose(&store->experience, request);
    pthread_mutex_unlock(&store->lazy);
    return plan;
}

void npv_store_learn(npv_store *store, const npv_request *request, npv_plan plan, const npv_cascade_cost *cost) {
    pthread_mutex_lock(&store->lazy);
    npv_plan_learn(&store->experience, request, plan, cost);
    pthread_mutex_unlock(&store->lazy);
}
