#include "column.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "../error.h"
#include "dictionary.h"

struct npv_column {
    npv_path path;
    npv_dictionary dictionary;
    uint32_t *codes;
    uint64_t rows;
    uint64_t row_capacity;
    uint64_t *tail_rows;
    size_t tail_count;
    uint64_t tail_capacity;
};

npv_status npv_column_new(const npv_path *path, npv_column **column, npv_error *error) {
    npv_column *const made = calloc(1, sizeof *made);
    if (made == NULL)
        return npv_fail_memory(error, "a column", sizeof *made);
    npv_status status = npv_path_copy(path, &made->path, error);
    if (status == NPV_OK)
        status = npv_dictionary_init(&made->dictionary, error);
    if (status == NPV_OK)
        *column = made;
    else
        npv_column_free(made);
    return status;
}

void npv_column_free(npv_column *column) {
    if (column == NULL)
        return;
    npv_path_free(&column->path);
    npv_dictionary_free(&column->dictionary);
    free(column->codes);
    free(column->tail_rows);
    free(column);
}

const npv_path *npv_column_path(const npv_column *column) {
    return &column->path;
}

npv_column_view npv_column_look(const npv_column *column) {
    const npv_dictionary *const dictionary = &column->dictionary;
    npv_column_view view = {.rows = column->rows,
                            .codes = column->codes,
                            .entries = dictionary->entries,
                            .entry_count = dictionary->count,
                            .head = dictionary->head,
                            .tail_rows = column->tail_rows,
                            .tail_count = column->tail_count};
    memcpy(view.class_start, dictionary->class_start, sizeof view.class_start);
    return view;
}

uint32_t npv_column_code(const npv_column *column, const npv_entry *value) {
    return npv_dictionary_find(&column->dictionary, value);
}

uint32_t npv_column_search(const npv_column_view *column, const npv_entry *value, bool above) {
    uint32_t low = column->class_start[value->class], high = column->class_start[value->class + 1];
    while (low < high) {
        const uint32_t middle = low + (high - low) / 2;
        const int order = npv_entry_compare(&column->entries[middle], value);
        if (above ? order <= 0 : order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* ---------------------------------------------------------------------------------------------- Values from rows -- */

typedef struct reader {
    const npv_path *path;
    const npv_column_source *source;
    const npv_schema_field *field; /* NULL: from documents */
    unsigned char *swapped;        /* for npv_record_value */
    npv_buffer room;               /* for npv_entry_of_* */
} reader;

static npv_status open_reader(const npv_column *column, const npv_column_source *source, reader *from,
                              npv_error *error) {
    *from = (reader){.path = &column->path, .source = source};
    if (source->schema == NULL)
        return NPV_OK;
    assert(column->path.count == 1 && column->path.steps[0].key.data != NULL);
    const size_t number = npv_schema_find(source->schema, column->path.steps[0].key);
    assert(number < source->schema->field_count);
    from->field = &source->schema->fields[number];
    from->swapped = malloc(from->field->size + 1);
    return from->swapped != NULL ? NPV_OK : npv_fail_memory(error, "a field", from->field->size + 1);
}

static void close_reader(reader *from) {
    free(from->swapped);
    free(from->room.data);
}

/* The entry is good until the next is read. */
static npv_status read_entry(reader *from, uint64_t row, npv_entry *entry, npv_error *error) {
    const npv_column_source *const source = from->source;
    if (from->field == NULL) {
        const npv_bytes document = npv_documents_get(source->documents, (size_t)row);
        return npv_entry_of_fragment(npv_path_find(from->path, document), entry, &from->room, error);
    }
    const unsigned char *const record = source->records->data + (size_t)row * source->schema->record_size;
    const npv_value value = npv_record_value(from->field, record, from->swapped);
    return npv_entry_of_value(&value, entry, &from->room, error);
}

/* Reads the codes of some rows, for which there is room. */
static npv_status read_codes(npv_column *column, const npv_column_source *source, uint64_t row, uint64_t end,
                             npv_error *error) {
    reader from;
    npv_status status = open_reader(column, source, &from, error);
    for (; status == NPV_OK && row < end; row++) {
        npv_entry entry;
        status = read_entry(&from, row, &entry, error);
        if (status == NPV_OK)
            status = npv_dictionary_intern(&column->dictionary, &entry, &column->codes[row], error);
    }
    close_reader(&from);
    return status;
}

/* ------------------------------------------------------------------------------------------------- Head and tail -- */

/* `memory` with room for `needed` elements, or NULL. It grows by half or more, so that growing is amortised. */
static void *grow(void *memory, size_t element, uint64_t needed, uint64_t *capacity, npv_error *error) {
    const uint64_t grown = *capacity + *capacity / 2;
    const uint64_t wanted = grown < needed ? needed : grown;
    void *const moved = wanted <= PTRDIFF_MAX / element ? realloc(memory, (size_t)wanted * element) : NULL;
    if (moved == NULL)
        npv_fail_memory(error, "a column", (size_t)wanted * element);
    else
        *capacity = wanted;
    return moved;
}

static npv_status reserve_rows(npv_column *column, uint64_t rows, npv_error *error) {
    if (rows <= column->row_capacity)
        return NPV_OK;
    uint32_t *const codes = grow(column->codes, sizeof *codes, rows, &column->row_capacity, error);
    if (codes == NULL)
        return NPV_E_MEMORY;
    column->codes = codes;
    return NPV_OK;
}

static npv_status reserve_tail(npv_column *column, uint64_t count, npv_error *error) {
    if (count <= column->tail_capacity)
        return NPV_OK;
    uint64_t *const rows = grow(column->tail_rows, sizeof *rows, count, &column->tail_capacity, error);
    if (rows == NULL)
        return NPV_E_MEMORY;
    column->tail_rows = rows;
    return NPV_OK;
}

/* Of these rows, those with codes of the tail. */
static uint64_t count_tail_rows(const npv_column *column, uint64_t row, uint64_t end) {
    uint64_t count = 0;
    for (; row < end; row++)
        count += column->codes[row] >= column->dictionary.head;
    return count;
}

/*
 * Sorting costs some nanoseconds a row, and so does a row of the tail in every filter that names the field. At one in
 * 32 both are small: a row that is added pays for the sorting of some 32, and a filter does not notice the tail.
 */
static bool should_sort(const npv_column *column, uint64_t rows, uint64_t new_rows, uint64_t tail_rows) {
    const uint64_t few = rows / 32;
    const uint64_t tail_values = column->dictionary.count - column->dictionary.head;
    return tail_values > 0 && (new_rows > few || tail_rows > few || tail_values > few);
}

static npv_status sort(npv_column *column, uint64_t rows, npv_error *error) {
    const uint32_t count = column->dictionary.count;
    uint32_t *const renumbered = calloc(count, sizeof *renumbered);
    if (renumbered == NULL)
        return npv_fail_memory(error, "sorting a field", count * sizeof *renumbered);
    for (uint64_t row = 0; row < rows; row++)
        renumbered[column->codes[row]] = 1;
    const npv_status status = npv_dictionary_sort(&column->dictionary, renumbered, error);
    if (status == NPV_OK) {
        for (uint64_t row = 0; row < rows; row++)
            column->codes[row] = renumbered[column->codes[row]];
        column->tail_count = 0;
    }
    free(renumbered);
    return status;
}

/* Rows from column->rows on have their codes; what else there is to be known of them. */
static npv_status settle(npv_column *column, uint64_t rows, npv_error *error) {
    const uint64_t tail_count = column->tail_count + count_tail_rows(column, column->rows, rows);
    if (should_sort(column, rows, rows - column->rows, tail_count))
        return sort(column, rows, error);
    const npv_status status = reserve_tail(column, tail_count, error);
    if (status != NPV_OK)
        return status;
    for (uint64_t row = column->rows; row < rows; row++)
        if (column->codes[row] >= column->dictionary.head)
            column->tail_rows[column->tail_count++] = row;
    return NPV_OK;
}

npv_status npv_column_extend(npv_column *column, const npv_column_source *source, uint64_t rows, npv_error *error) {
    if (rows <= column->rows)
        return NPV_OK;
    const uint32_t known = column->dictionary.count;
    npv_status status = reserve_rows(column, rows, error);
    if (status == NPV_OK)
        status = read_codes(column, source, column->rows, rows, error);
    if (status == NPV_OK)
        status = settle(column, rows, error);
    if (status == NPV_OK)
        column->rows = rows;
    else
        npv_dictionary_truncate(&column->dictionary, known);
    return status;
}

static npv_status add_tail_row(npv_column *column, uint64_t row, npv_error *error) {
    size_t low = 0, high = column->tail_count;
    while (low < high) {
        const size_t middle = low + (high - low) / 2;
        if (column->tail_rows[middle] < row)
            low = middle + 1;
        else
            high = middle;
    }
    if (low < column->tail_count && column->tail_rows[low] == row)
        return NPV_OK;
    const npv_status status = reserve_tail(column, column->tail_count + 1, error);
    if (status != NPV_OK)
        return status;
    uint64_t *const place = column->tail_rows + low;
    memmove(place + 1, place, (column->tail_count - low) * sizeof *place);
    *place = row;
    column->tail_count++;
    return NPV_OK;
}

npv_status npv_column_update(npv_column *column, const npv_column_source *source, uint64_t row, npv_error *error) {
    if (row >= column->rows)
        return NPV_OK;
    npv_status status = read_codes(column, source, row, row + 1, error);
    if (status == NPV_OK && column->codes[row] >= column->dictionary.head)
        status = add_tail_row(column, row, error);
    if (status == NPV_OK && should_sort(column, column->rows, 1, column->tail_count))
        status = sort(column, column->rows, error);
    return status;
}
