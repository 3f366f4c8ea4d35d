#include "columns.h"

#include <stdlib.h>
#include <string.h>

#include "../error.h"

/* Puts the column of a path last, as the one that is used now. */
static bool find(npv_columns *columns, const npv_path *path) {
    size_t i = columns->count;
    while (i > 0 && !npv_path_equal(npv_column_path(columns->held[i - 1].column), path))
        i--;
    if (i == 0)
        return false;
    const npv_held_column found = columns->held[i - 1];
    memmove(&columns->held[i - 1], &columns->held[i], (columns->count - i) * sizeof found);
    columns->held[columns->count - 1] = found;
    return true;
}

static bool names_a_field(const npv_record_schema *schema, const npv_path *path) {
    return path->count == 1 && path->steps[0].key.data != NULL &&
           npv_schema_find(schema, path->steps[0].key) < schema->field_count;
}

static npv_status fail_no_field(const npv_column_source *source, const npv_path *path, npv_error *error) {
    char name[NPV_SHOWN] = "?", meant[NPV_SHOWN];
    npv_buffer text = {NULL, 0, 0};
    if (npv_path_write(path, &text, NULL) == NPV_OK)
        npv_bytes_show((npv_bytes){text.data, text.size}, name);
    free(text.data);
    if (source->schema->unread != NULL)
        return npv_fail(error, NPV_E_NOT_FOUND, "there is no field %s: %s", name, source->schema->unread);
    if (npv_columns_suggest(source, path, 0, meant))
        return npv_fail(error, NPV_E_NOT_FOUND, "there is no field %s: did you mean %s?", name, meant);
    return npv_fail(error, NPV_E_NOT_FOUND, "there is no field %s", name);
}

/* A new column of no rows yet, as the last one. */
static npv_status add(npv_columns *columns, const npv_path *path, npv_error *error) {
    const size_t size = (columns->count + 1) * sizeof *columns->held;
    npv_held_column *const grown = realloc(columns->held, size);
    if (grown == NULL)
        return npv_fail_memory(error, "the columns of a store", size);
    columns->held = grown;
    grown[columns->count] = (npv_held_column){NULL, 0};
    const npv_status status = npv_column_new(path, &grown[columns->count].column, error);
    if (status == NPV_OK)
        columns->count++;
    return status;
}

npv_status npv_columns_get(npv_columns *columns, const npv_column_source *source, const npv_path *path, uint64_t rows,
                           const npv_column **column, npv_error *error) {
    if (source->schema != NULL && !names_a_field(source->schema, path))
        return fail_no_field(source, path, error);
    npv_status status = find(columns, path) ? NPV_OK : add(columns, path, error);
    if (status != NPV_OK)
        return status;
    npv_held_column *const last = &columns->held[columns->count - 1];
    status = npv_column_extend(last->column, source, rows, error);
    if (status == NPV_OK) {
        last->readers++;
        *column = last->column;
    }
    return status;
}

static void remove_column(npv_columns *columns, size_t number) {
    npv_held_column *const place = &columns->held[number];
    npv_column_free(place->column);
    columns->count--;
    memmove(place, place + 1, (columns->count - number) * sizeof *place);
}

void npv_columns_release(npv_columns *columns, const npv_column_source *source, const npv_column *column) {
    for (size_t i = 0; i < columns->count; i++)
        columns->held[i].readers -= columns->held[i].column == column;
    for (size_t i = 0; source->schema == NULL && columns->count > NPV_KEPT_COLUMNS && i < columns->count;)
        if (columns->held[i].readers == 0)
            remove_column(columns, i);
        else
            i++;
}

void npv_columns_update(npv_columns *columns, const npv_column_source *source, uint64_t row) {
    for (size_t i = columns->count; i > 0; i--)
        if (npv_column_update(columns->held[i - 1].column, source, row, NULL) != NPV_OK)
            remove_column(columns, i - 1);
}

void npv_columns_free(npv_columns *columns) {
    for (size_t i = 0; i < columns->count; i++)
        npv_column_free(columns->held[i].column);
    free(columns->held);
    *columns = (npv_columns){NULL, 0};
}

/* --------------------------------------------------------------------------------------------------- Suggestions -- */

#define MAX_DOCUMENTS 4096
#define MAX_BYTES ((size_t)4 << 20) /* of documents: a suggestion takes some milliseconds */
#define MAX_NAME 48

/* The nearest name so far, for one step of a path. */
typedef struct suggestion {
    const npv_path *path;
    size_t step;
    size_t edits;
    bool is_end; /* the name is all that the path spells from there on */
    unsigned char name[MAX_NAME];
    size_t name_size; /* 0: none */
} suggestion;

/* Bytes to be inserted, deleted or replaced to make `a` of `b`; both are at most MAX_NAME long. */
static size_t count_edits(npv_bytes a, npv_bytes b) {
    unsigned char row[MAX_NAME + 1];
    for (size_t j = 0; j <= b.size; j++)
        row[j] = (unsigned char)j;
    for (size_t i = 0; i < a.size; i++) {
        unsigned char diagonal = row[0];
        row[0] = (unsigned char)(i + 1);
        for (size_t j = 0; j < b.size; j++) {
            const unsigned char replaced = (unsigned char)(diagonal + (a.data[i] != b.data[j]));
            const unsigned char other = (unsigned char)((row[j] < row[j + 1] ? row[j] : row[j + 1]) + 1);
            diagonal = row[j + 1];
            row[j + 1] = replaced < other ? replaced : other;
        }
    }
    return row[b.size];
}

/* Is `name` what the steps from this one on spell? So a.b and x[0] are written where "a.b" and "x[0]" are meant. */
static bool is_spelled(const npv_path *path, size_t step, npv_bytes name) {
    if (memchr(name.data, '.', name.size) == NULL && memchr(name.data, '[', name.size) == NULL)
        return false;
    npv_path rest = {.count = path->count - step};
    memcpy(rest.steps, path->steps + step, rest.count * sizeof *rest.steps);
    npv_buffer text = {NULL, 0, 0};
    const bool is = npv_path_write(&rest, &text, NULL) == NPV_OK && text.size == name.size &&
                    memcmp(text.data, name.data, name.size) == 0;
    free(text.data);
    return is;
}

/* Could `name` have been meant by a step of the path? */
static void consider(suggestion *nearest, size_t step, npv_bytes name) {
    const npv_bytes key = nearest->path->steps[step].key;
    if (key.data == NULL || key.size > MAX_NAME || name.size == 0 || name.size > MAX_NAME)
        return;
    const bool is_end = is_spelled(nearest->path, step, name);
    const size_t edits = is_end ? 0 : count_edits(key, name);
    if (edits > 1 + key.size / 4 || (nearest->name_size > 0 && edits >= nearest->edits))
        return;
    nearest->step = step;
    nearest->edits = edits;
    nearest->is_end = is_end;
    nearest->name_size = name.size;
    memcpy(nearest->name, name.data, name.size);
}

/* Considers all keys of a document where the path leaves it. */
static void consider_document(suggestion *nearest, npv_bytes document) {
    npv_bytes at;
    const size_t step = npv_path_follow(nearest->path, document, &at);
    if (step == nearest->path->count || document.size == 0 || npv_value_next(&at).kind != NPV_VALUE_DICT)
        return;
    for (npv_value key; (key = npv_value_next(&at)).kind != NPV_VALUE_END; npv_value_skip(&at))
        if (key.kind == NPV_VALUE_STR)
            consider(nearest, step, key.bytes);
}

static void consider_documents(suggestion *nearest, const npv_documents *documents, uint64_t rows) {
    size_t size = 0;
    for (uint64_t row = 0; row < rows && row < MAX_DOCUMENTS && size < MAX_BYTES; row++) {
        const npv_bytes document = npv_documents_get(documents, (size_t)row);
        consider_document(nearest, document);
        size += document.size;
    }
}

/* The whole path with the name in its place. */
static bool show(const suggestion *nearest, char shown[NPV_SHOWN]) {
    npv_path path = *nearest->path;
    path.steps[nearest->step].key = (npv_bytes){nearest->name, nearest->name_size};
    path.count = nearest->is_end ? nearest->step + 1 : path.count;
    npv_buffer text = {NULL, 0, 0};
    const bool written = npv_path_write(&path, &text, NULL) == NPV_OK;
    if (written)
        npv_bytes_show((npv_bytes){text.data, text.size}, shown);
    free(text.data);
    return written;
}

static void consider_fields(suggestion *nearest, const npv_record_schema *schema) {
    for (size_t i = 0; i < schema->field_count; i++) {
        const npv_bytes name = {(const unsigned char *)schema->fields[i].name, strlen(schema->fields[i].name)};
        if (nearest->path->count == 1 || is_spelled(nearest->path, 0, name))
            consider(nearest, 0, name);
    }
}

bool npv_columns_suggest(const npv_column_source *source, const npv_path *path, uint64_t rows, char shown[NPV_SHOWN]) {
    suggestion nearest = {.path = path};
    if (source->schema != NULL)
        consider_fields(&nearest, source->schema);
    else
        consider_documents(&nearest, source->documents, rows);
    return nearest.name_size > 0 && show(&nearest, shown);
}
