/* Documents, records and ids of an archive, sound or damaged. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "error.h"
#include "npz/npy_ids.h"
#include "npz/pickle.h"
#include "salvage.h"

/* ---------------------------------------------------------------------------------------------------- Documents -- */

#define BLOCK ((size_t)65536)

/* All bytes of a part behind its header, as far as they can be read. */
static npv_status read_data(npv_part *part, npv_buffer *data, npv_error *error) {
    npv_part_reader reader;
    npv_npy_header header;
    npv_error wrong;
    npv_status status = npv_part_open(part, &reader, error);
    if (status != NPV_OK)
        return status;
    const npv_source source = npv_part_source(&reader);
    npv_status read = npv_npy_read_header(source, &header, &wrong);
    /* What is damaged is read byte by byte at its end: deflated bytes are good up to the damage. */
    for (size_t step = BLOCK; read == NPV_OK && status == NPV_OK && step > 0;) {
        const uint64_t left = part->found.member.size - reader.zip.done;
        const size_t size = left < step ? (size_t)left : step;
        status = npv_buffer_reserve(data, size > 0 ? size : 1, error);
        if (status != NPV_OK || size == 0)
            break;
        read = source.read(source.context, data->data + data->size, size, &wrong);
        data->size += read == NPV_OK ? size : 0;
    }
    npv_part_close(&reader);
    return status == NPV_OK ? npv_salvage_error(read, &wrong, error) : status;
}

static npv_status read_documents(npv_salvage *salvage, npv_part *part, npv_bytes pickle, npv_error *error) {
    npv_store *const store = salvage->store;
    const uint64_t rows = part->header.axes == 1 ? part->header.shape[0] : 0;
    npv_error wrong = {.message = ""};
    npv_status status = npv_pickle_read(pickle, rows, &store->documents, &wrong);
    if (status == NPV_OK)
        return NPV_OK;
    if (part->found.sound)
        npv_found(salvage->findings, "%s: %s", part->name, wrong.message);
    else
        npv_remark(salvage->findings, "%s: %s", part->name, wrong.message);
    status = npv_salvage_error(status, &wrong, error);
    return status == NPV_OK ? npv_pickle_salvage(pickle, rows, &store->documents, error) : status;
}

/* Rows behind those whose documents could be read have none. */
static npv_status complete(npv_salvage *salvage, const char *name, npv_error *error) {
    npv_store *const store = salvage->store;
    const uint64_t have = store->documents.count;
    if (have > store->rows)
        npv_documents_truncate(&store->documents, (size_t)store->rows);
    if (have >= store->rows)
        return NPV_OK;
    npv_remark(salvage->findings, "%s: documents of rows %" PRIu64 " to %" PRIu64 " are lost", name, have,
               store->rows - 1);
    salvage->partial = store->rows - have;
    return npv_documents_append_none(&store->documents, (size_t)(store->rows - have), error);
}

static npv_status load_documents(npv_salvage *salvage, npv_part *part, npv_error *error) {
    npv_buffer data = {NULL, 0, 0};
    npv_status status = read_data(part, &data, error);
    if (status == NPV_OK)
        status = read_documents(salvage, part, (npv_bytes){data.data, data.size}, error);
    free(data.data);
    if (status != NPV_OK)
        return status;
    if (!part->found.sound && salvage->store->documents.count > 0)
        npv_remark(salvage->findings,
                   "%s: %zu documents can be read, but which of them are as they were cannot be told", part->name,
                   salvage->store->documents.count);
    return complete(salvage, part->name, error);
}

/* ------------------------------------------------------------------------------------------------------ Records -- */

/* Record after record; one that cannot be read, or is no record, is all zeros. */
static npv_status read_records(npv_salvage *salvage, npv_part *part, npv_source source, npv_error *error) {
    npv_store *const store = salvage->store;
    const size_t size = store->schema.record_size;
    npv_npy_header header;
    npv_error wrong = {.message = ""};
    npv_status status = npv_array_grow(&store->records, (size_t)store->rows * size + 1, error);
    if (status != NPV_OK)
        return status;
    npv_status read = npv_npy_read_header(source, &header, &wrong);
    for (uint64_t row = 0; row < store->rows; row++) {
        unsigned char *const record = store->records.data + row * size;
        if (read == NPV_OK && row < header.shape[0])
            read = source.read(source.context, record, size, &wrong);
        if (npv_salvage_error(read, &wrong, error) != NPV_OK)
            return NPV_E_MEMORY;
        if (read == NPV_OK && row < header.shape[0] &&
            npv_record_check_texts(&store->schema, record, 1, NPV_E_FORMAT, &wrong) == NPV_OK)
            continue;
        memset(record, 0, size);
        if (salvage->partial++ < 20)
            npv_found(salvage->findings, "%s: the record of row %" PRIu64 " is lost: its fields are zero or empty",
                      part->name, row);
    }
    if (salvage->partial > 20)
        npv_remark(salvage->findings, "%s: and those of %" PRIu64 " rows more", part->name, salvage->partial - 20);
    return NPV_OK;
}

static npv_status load_records(npv_salvage *salvage, npv_part *part, npv_error *error) {
    npv_store *const store = salvage->store;
    npv_buffer descr = {NULL, 0, 0};
    npv_error wrong = {.message = ""};
    npv_part_reader reader;
    npv_status status = npv_archive_schema_of(&part->found.member, &descr, &store->schema, &wrong);
    free(descr.data);
    if (status != NPV_OK) {
        npv_found(salvage->findings, "%s: records cannot be read: %s", part->name, wrong.message);
        salvage->partial = store->rows;
        return npv_salvage_error(status, &wrong, error);
    }
    store->metadata = NPV_METADATA_TYPED;
    status = npv_part_open(part, &reader, error);
    if (status != NPV_OK)
        return status;
    status = read_records(salvage, part, npv_part_source(&reader), error);
    npv_part_close(&reader);
    if (!part->found.sound)
        npv_remark(salvage->findings, "%s: which of the records are as they were cannot be told", part->name);
    return status;
}

npv_status npv_salvage_metadata(npv_salvage *salvage, npv_error *error) {
    npv_part *const part = &salvage->parts[NPV_PART_METADATA];
    npv_store *const store = salvage->store;
    npv_status status = NPV_OK;
    if (part->readable && part->header.objects && part->header.kind == 'O') {
        store->metadata = NPV_METADATA_DOCUMENTS;
        return load_documents(salvage, part, error);
    }
    if (part->readable && part->header.kind == NPV_DESCR_RECORD && part->header.axes == 1 && !part->header.objects)
        status = load_records(salvage, part, error);
    else if (part->found.found || salvage->mark_lost)
        npv_remark(salvage->findings, "%s: there are no documents that can be read", part->name);
    if (part->found.found && store->metadata == NPV_METADATA_NONE)
        salvage->partial = store->rows;
    if (status == NPV_OK && store->metadata == NPV_METADATA_NONE)
        status = npv_documents_append_none(&store->documents, (size_t)store->rows, error);
    return status;
}

/* ---------------------------------------------------------------------------------------------------------- Ids -- */

static npv_status read_ids(npv_part *part, bool strict, uint64_t rows, npv_ids *ids, npv_error *error) {
    npv_part_reader reader;
    npv_npy_header header;
    npv_status status = npv_part_open(part, &reader, error);
    if (status != NPV_OK)
        return status;
    const npv_source source = npv_part_source(&reader);
    status = npv_npy_read_header(source, &header, error);
    if (status == NPV_OK && strict)
        status = npv_npy_read_ids(source, &part->header, ids, error);
    else if (status == NPV_OK)
        status = npv_npy_salvage_ids(source, &part->header, rows, ids, error);
    npv_part_close(&reader);
    return status;
}

npv_status npv_salvage_ids(npv_salvage *salvage, npv_error *error) {
    npv_part *const part = &salvage->parts[NPV_PART_IDS];
    npv_ids *const ids = &salvage->store->ids;
    npv_error wrong = {.message = ""};
    if (!part->found.found || (part->readable && part->header.kind != 'U'))
        return NPV_OK;
    if (!part->readable || npv_npy_check_ids(&part->header, part->header.shape[0], &wrong) != NPV_OK) {
        npv_remark(salvage->findings, "%s: all ids are lost", part->name);
        return NPV_OK;
    }
    npv_status status = read_ids(part, true, 0, ids, &wrong);
    if (status == NPV_OK && part->header.shape[0] <= salvage->store->rows) {
        if (!part->found.sound)
            npv_remark(salvage->findings, "%s: ids can be read, but which of them are as they were cannot be told",
                       part->name);
        return NPV_OK;
    }
    if (status != NPV_OK)
        npv_found(salvage->findings, "%s: %s", part->name, wrong.message);
    status = npv_salvage_error(status, &wrong, error);
    npv_ids_free(ids);
    npv_ids_init(ids);
    if (status == NPV_OK)
        status = read_ids(part, false, salvage->store->rows, ids, error);
    npv_remark(salvage->findings, "%s: %zu ids can be read", part->name, (size_t)ids->table.count);
    return status;
}
