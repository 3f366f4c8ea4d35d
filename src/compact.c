#include "compact.h"

#include <stdlib.h>

#include "error.h"

static uint64_t first_deleted(const npv_store *store) {
    npv_bits_run run = {0, 0};
    npv_bits_next_run(npv_store_live(store), store->rows, &run);
    return run.first > 0 ? 0 : run.end;
}

/* Room for `count` items, at least one, so that NULL means failure. */
static void *room_for(uint64_t count, size_t size) {
    return calloc(count > 0 ? (size_t)count : 1, size);
}

npv_status npv_compaction_prepare(npv_store *store, npv_compaction *compaction, npv_error *error) {
    const size_t row_bytes = store->dimensions * sizeof(float);
    *compaction = (npv_compaction){room_for(store->ids.rows, sizeof(uint32_t)),
                                   room_for(store->documents.count, sizeof(npv_document_order))};
    npv_status status = NPV_OK;
    if (compaction->id_room == NULL || compaction->document_room == NULL)
        status = npv_fail_memory(error, "closing the gaps of deleted rows", (size_t)store->rows * sizeof(uint64_t));
    if (status == NPV_OK)
        status = npv_array_make_private(&store->vectors, (size_t)first_deleted(store) * row_bytes,
                                        (size_t)store->rows * row_bytes, error);
    if (status != NPV_OK)
        npv_compaction_free(compaction);
    return status;
}

static void close_lengths(npv_store *store, const uint64_t *live) {
    const uint64_t known = npv_bits_count(live, store->lengths_known);
    npv_array_close_gaps(&store->lengths, sizeof(double), live, store->lengths_known);
    const double *const lengths = (const double *)(const void *)store->lengths.data;
    store->lengths_known = known;
    store->zero_rows = 0;
    for (uint64_t row = 0; row < known; row++)
        store->zero_rows += lengths[row] == 0;
}

void npv_compaction_run(npv_store *store, const npv_compaction *compaction) {
    const uint64_t *const live = npv_store_live(store);
    store->mapped = store->mapped && first_deleted(store) > 0;
    npv_array_close_gaps(&store->vectors, store->dimensions * sizeof(float), live, store->rows);
    npv_codes_close_gaps(&store->codes, store->dimensions, live);
    close_lengths(store, live);
    npv_columns_free(&store->columns);
    if (store->metadata == NPV_METADATA_TYPED)
        npv_array_close_gaps(&store->records, store->schema.record_size, live, store->rows);
    else
        npv_documents_compact(&store->documents, live, compaction->document_room);
    npv_ids_compact(&store->ids, live, compaction->id_room);
    store->rows -= store->deleted;
    store->deleted = 0;
    npv_array_free(&store->live);
}

void npv_compaction_free(npv_compaction *compaction) {
    free(compaction->id_room);
    free(compaction->document_room);
    *compaction = (npv_compaction){NULL, NULL};
}
