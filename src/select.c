/* Which rows: selections as sets of rows, the check of a filter's fields, npv_count_selected. */
#include "select.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "error.h"
#include "filter/evaluate.h"
#include "lazy.h"
#include "records.h"

/* ------------------------------------------------------------------------------------------------------ Fields -- */

static npv_status fail_no_field(const npv_store *store, const npv_path *path, size_t position, npv_error *error) {
    const npv_column_source source = npv_store_column_source(store);
    npv_buffer text = {0};
    char shown[NPV_SHOWN], meant[NPV_SHOWN];
    const npv_status status = npv_path_write(path, &text, error);
    if (status != NPV_OK) {
        free(text.data);
        return status;
    }
    npv_bytes_show((npv_bytes){text.data, text.size}, shown);
    free(text.data);
    if (npv_columns_suggest(&source, path, store->rows, meant))
        return npv_fail_at(error, NPV_E_NOT_FOUND, position, "no row has a field '%s'; did you mean '%s'?", shown,
                           meant);
    return npv_fail_at(error, NPV_E_NOT_FOUND, position, "no row has a field '%s'", shown);
}

npv_status npv_store_check_field(const npv_store *store, const npv_path *path, size_t position, npv_error *error) {
    if (store->metadata != NPV_METADATA_TYPED)
        return NPV_OK;
    const npv_status status = npv_records_check_readable(store, error);
    if (status != NPV_OK)
        return status;
    const npv_bytes name = path->steps[0].key;
    if (path->count == 1 && name.data != NULL && npv_schema_find(&store->schema, name) < store->schema.field_count)
        return NPV_OK;
    return fail_no_field(store, path, position, error);
}

static bool has_rows(const npv_column *column, const uint64_t *live) {
    const npv_column_view view = npv_column_look(column);
    npv_bits_run run = {0, 0};
    while (npv_bits_next_run(live, view.rows, &run))
        for (uint64_t row = run.first; row < run.end; row++)
            if (view.codes[row] != 0)
                return true;
    return false;
}

/* ----------------------------------------------------------------------------------------------------- Filters -- */

/* The columns of all paths of a filter; the caller's to release. */
static npv_status filter_columns(npv_store *store, const npv_filter *filter, const npv_column ***columns,
                                 npv_error *error) {
    for (size_t i = 0; i < filter->path_count; i++) {
        const npv_status status = npv_store_check_field(store, &filter->paths[i], filter->positions[i], error);
        if (status != NPV_OK)
            return status;
    }
    *columns = calloc(filter->path_count + 1, sizeof **columns);
    if (*columns == NULL)
        return npv_fail_memory(error, "the columns of a filter", filter->path_count * sizeof **columns);
    const npv_status status = npv_store_columns(store, filter->paths, filter->path_count, *columns, error);
    if (status != NPV_OK)
        free(*columns);
    return status;
}

static void release_columns(npv_store *store, const npv_filter *filter, const npv_column **columns) {
    npv_store_release_columns(store, columns, filter->path_count);
    free(columns);
}

static npv_status evaluate(npv_store *store, const npv_filter *filter, uint64_t *bits, npv_error *error) {
    const npv_column **columns = NULL;
    npv_status status = filter_columns(store, filter, &columns, error);
    if (status != NPV_OK)
        return status;
    status = npv_filter_evaluate(filter, store->kernels, store->workers, columns, store->rows, bits, error);
    release_columns(store, filter, columns);
    return status;
}

/* In documents a field is there if a row has it. */
static npv_status check_filter(npv_store *store, const npv_filter *filter, npv_error *error) {
    const npv_column **columns = NULL;
    npv_status status = filter_columns(store, filter, &columns, error);
    if (status != NPV_OK)
        return status;
    for (size_t i = 0; i < filter->path_count && status == NPV_OK && store->metadata != NPV_METADATA_TYPED; i++)
        if (!has_rows(columns[i], npv_store_live(store)))
            status = fail_no_field(store, &filter->paths[i], filter->positions[i], error);
    release_columns(store, filter, columns);
    return status;
}

npv_status npv_filter_check(npv_store *store, const npv_filter *filter, npv_error *error) {
    if (store == NULL || filter == NULL)
        return npv_fail(error, NPV_E_ARGUMENT, "npv_filter_check: expected a store and a filter, found NULL");
    npv_store_lock_for_reading(store);
    const npv_status status = check_filter(store, filter, error);
    npv_store_unlock(store);
    return status;
}

/* --------------------------------------------------------------------------------------------------------- Sets -- */

static npv_status mark_rows(const npv_store *store, const npv_selection *selection, uint64_t *bits, npv_error *error) {
    for (size_t i = 0; i < selection->row_count; i++) {
        const uint64_t row = selection->rows[i];
        const npv_status status = npv_store_check_row(store, row, error);
        if (status != NPV_OK)
            return status;
        if (npv_bit(bits, row))
            return npv_fail(error, NPV_E_ARGUMENT, "expected each row once, found row %" PRIu64 " again", row);
        npv_bit_set(bits, row);
    }
    return NPV_OK;
}

static npv_status mark_ids(npv_store *store, const npv_selection *selection, uint64_t *bits, npv_error *error) {
    const npv_status status = npv_store_load_ids(store, error);
    for (size_t i = 0; i < selection->id_count && status == NPV_OK; i++) {
        const char *const id = selection->ids[i];
        if (id == NULL)
            return npv_fail(error, NPV_E_ARGUMENT, "expected an id as number %zu of %zu, found NULL", i,
                            selection->id_count);
        const uint64_t row = npv_ids_find(&store->ids, (npv_bytes){(const unsigned char *)id, strlen(id)});
        if (row != UINT64_MAX)
            npv_bit_set(bits, row);
    }
    return status;
}

static npv_status check_selection(const npv_selection *selection, npv_error *error) {
    if (selection->rows == NULL && selection->row_count > 0)
        return npv_fail(error, NPV_E_ARGUMENT, "expected %zu rows to select, found NULL", selection->row_count);
    if (selection->ids == NULL && selection->id_count > 0)
        return npv_fail(error, NPV_E_ARGUMENT, "expected %zu ids to select, found NULL", selection->id_count);
    return NPV_OK;
}

static npv_status allocate(const npv_store *store, uint64_t **bits, npv_error *error) {
    const size_t words = npv_bits_words(store->rows) + 1; /* never 0 bytes */
    *bits = calloc(words, sizeof **bits);
    return *bits != NULL ? NPV_OK : npv_fail_memory(error, "a set of rows", words * sizeof **bits);
}

/* Keeps those of the set that rows and ids say. */
static npv_status cut(npv_store *store, const npv_selection *selection, uint64_t *bits, npv_error *error) {
    const size_t words = npv_bits_words(store->rows);
    uint64_t *said = NULL;
    if (selection->rows == NULL && selection->ids == NULL)
        return NPV_OK;
    npv_status status = allocate(store, &said, error);
    if (status == NPV_OK && selection->rows != NULL) {
        status = mark_rows(store, selection, said, error);
        npv_bits_and(bits, said, store->rows);
        memset(said, 0, words * sizeof *said);
    }
    if (status == NPV_OK && selection->ids != NULL) {
        status = mark_ids(store, selection, said, error);
        npv_bits_and(bits, said, store->rows);
    }
    free(said);
    return status;
}

npv_status npv_row_set_make(npv_store *store, const npv_selection *selection, npv_row_set *set, npv_error *error) {
    const uint64_t *const live = npv_store_live(store);
    uint64_t *bits = NULL;
    npv_status status = check_selection(selection, error);
    if (status != NPV_OK)
        return status;
    if (live == NULL && selection->filter == NULL && selection->rows == NULL && selection->ids == NULL) {
        *set = (npv_row_set){NULL, store->rows};
        return NPV_OK;
    }
    status = allocate(store, &bits, error);
    if (status == NPV_OK && selection->filter != NULL)
        status = evaluate(store, selection->filter, bits, error);
    else if (status == NPV_OK)
        npv_bits_set(bits, 0, store->rows);
    if (status == NPV_OK && live != NULL)
        npv_bits_and(bits, live, store->rows);
    if (status == NPV_OK)
        status = cut(store, selection, bits, error);
    if (status == NPV_OK)
        *set = (npv_row_set){bits, npv_bits_count(bits, store->rows)};
    else
        free(bits);
    return status;
}

npv_status npv_count_selected(npv_store *store, const npv_selection *given, uint64_t *count, npv_error *error) {
    npv_selection selection = NPV_SELECTION_INIT;
    npv_row_set set = {NULL, 0};
    if (store == NULL || count == NULL)
        return npv_fail(error, NPV_E_ARGUMENT, "npv_count_selected: expected a store and a place, found NULL");
    npv_status status = npv_copy_options(&selection, sizeof selection, given, "npv_selection", error);
    if (status != NPV_OK)
        return status;
    npv_store_lock_for_reading(store);
    status = npv_row_set_make(store, &selection, &set, error);
    npv_store_unlock(store);
    free(set.bits);
    if (status == NPV_OK)
        *count = set.count;
    return status;
}
