/* Rows and values in the order of values: npv_select, npv_get_facets. */
#include <stdlib.h>
#include <string.h>

#include "error.h"
#include "lazy.h"
#include "meta/json.h"
#include "select.h"

/* ------------------------------------------------------------------------------------------------ Ranks of codes -- */

/* The values of a column in the order of npv_select. Freed by free_ranking. */
typedef struct ranking {
    uint32_t *rank;  /* of each code */
    uint32_t *codes; /* of each rank */
    uint32_t count;
} ranking;

static void free_ranking(ranking *order) {
    free(order->rank);
    free(order->codes);
    *order = (ranking){NULL, NULL, 0};
}

/* The order in which classes come, whatever the direction. */
static int place_of_class(const npv_entry *entry) {
    static const int places[NPV_CLASSES] = {
        [NPV_CLASS_BOOL] = 0,  [NPV_CLASS_NUMBER] = 1, [NPV_CLASS_TEXT] = 2,    [NPV_CLASS_ARRAY] = 3,
        [NPV_CLASS_OTHER] = 4, [NPV_CLASS_NULL] = 5,   [NPV_CLASS_MISSING] = 6,
    };
    return places[entry->class];
}

static int compare(const npv_entry *a, const npv_entry *b, bool descending) {
    const int class_order = place_of_class(a) - place_of_class(b);
    if (class_order != 0)
        return class_order;
    if (a->class == NPV_CLASS_NULL || a->class == NPV_CLASS_MISSING)
        return 0;
    return descending ? npv_entry_compare(b, a) : npv_entry_compare(a, b);
}

static void merge(const npv_column_view *column, bool descending, const uint32_t *from, size_t half, size_t count,
                  uint32_t *to) {
    size_t left = 0, right = half;
    for (size_t i = 0; i < count; i++) {
        const bool take_left =
            right == count ||
            (left < half && compare(&column->entries[from[left]], &column->entries[from[right]], descending) <= 0);
        to[i] = from[take_left ? left++ : right++];
    }
}

/* A merge sort, which is linear on what is almost in order: the head of a column is, but for the order of classes. */
static void sort(const npv_column_view *column, bool descending, uint32_t *codes, size_t count, uint32_t *room) {
    const size_t half = count / 2;
    if (count < 2)
        return;
    sort(column, descending, codes, half, room);
    sort(column, descending, codes + half, count - half, room);
    if (compare(&column->entries[codes[half - 1]], &column->entries[codes[half]], descending) <= 0)
        return;
    memcpy(room, codes, count * sizeof *codes);
    merge(column, descending, room, half, count, codes);
}

static npv_status rank_values(const npv_column_view *column, bool descending, ranking *order, npv_error *error) {
    const size_t count = column->entry_count;
    uint32_t *const room = malloc((count + 1) * sizeof *room);
    *order = (ranking){malloc((count + 1) * sizeof *order->rank), malloc((count + 1) * sizeof *order->codes),
                       column->entry_count};
    if (room == NULL || order->rank == NULL || order->codes == NULL) {
        free(room);
        free_ranking(order);
        return npv_fail_memory(error, "the order of a field's values", 3 * count * sizeof *room);
    }
    for (uint32_t i = 0; i < column->entry_count; i++)
        order->codes[i] = i < column->head && descending ? column->head - 1 - i : i;
    sort(column, descending, order->codes, count, room);
    free(room);
    for (uint32_t i = 0; i < column->entry_count; i++)
        order->rank[order->codes[i]] = i;
    return NPV_OK;
}

/* The column of a field that a caller names, for npv_store_release_columns, and what is in it. */
static npv_status look_up(npv_store *store, const char *field, const npv_column **column, npv_column_view *view,
                          npv_error *error) {
    npv_path path;
    npv_status status = npv_path_parse(field, &path, error);
    if (status != NPV_OK)
        return status;
    status = npv_store_check_field(store, &path, NPV_NO_POSITION, error);
    if (status == NPV_OK)
        status = npv_store_columns(store, &path, 1, column, error);
    npv_path_free(&path);
    if (status == NPV_OK)
        *view = npv_column_look(*column);
    return status;
}

/* How many rows of the set have a value of each rank; the caller's to free. */
static npv_status count_ranks(const npv_column_view *column, const ranking *order, const npv_row_set *set,
                              uint64_t **counts, npv_error *error) {
    uint64_t *const found = calloc((size_t)order->count + 1, sizeof *found);
    npv_bits_run run = {0, 0};
    if (found == NULL)
        return npv_fail_memory(error, "the counts of a field's values", order->count * sizeof *found);
    while (npv_bits_next_run(set->bits, column->rows, &run))
        for (uint64_t row = run.first; row < run.end; row++)
            found[order->rank[column->codes[row]]]++;
    *counts = found;
    return NPV_OK;
}

/* --------------------------------------------------------------------------------------------------------- Rows -- */

/* The rows of a result that are asked for: `offset` are passed over, and there is room for `count`. */
typedef struct page {
    uint64_t offset;
    uint64_t count;
    uint64_t *rows;
} page;

static void put(page *result, uint64_t place, uint64_t row) {
    if (place >= result->offset && place - result->offset < result->count)
        result->rows[place - result->offset] = row;
}

static void list_in_order_of_rows(const npv_store *store, const npv_row_set *set, page *result) {
    npv_bits_run run = {0, 0};
    uint64_t place = 0;
    while (place < result->offset + result->count && npv_bits_next_run(set->bits, store->rows, &run))
        for (uint64_t row = run.first; row < run.end; row++)
            put(result, place++, row);
}

/* Sorts by counting: how many rows have lower values is where the first row with a value goes. */
static npv_status list_in_order_of_values(npv_store *store, const npv_select_options *options, const npv_row_set *set,
                                          page *result, npv_error *error) {
    const npv_column *held = NULL;
    npv_column_view column;
    ranking order = {NULL, NULL, 0};
    uint64_t *starts = NULL;
    npv_status status = look_up(store, options->order_by, &held, &column, error);
    if (status == NPV_OK)
        status = rank_values(&column, options->descending != 0, &order, error);
    if (status == NPV_OK)
        status = count_ranks(&column, &order, set, &starts, error);
    uint64_t before = 0;
    for (uint32_t i = 0; i < order.count && status == NPV_OK; i++) {
        const uint64_t count = starts[i];
        starts[i] = before;
        before += count;
    }
    npv_bits_run run = {0, 0};
    while (status == NPV_OK && npv_bits_next_run(set->bits, column.rows, &run))
        for (uint64_t row = run.first; row < run.end; row++)
            put(result, starts[order.rank[column.codes[row]]]++, row);
    free(starts);
    free_ranking(&order);
    npv_store_release_columns(store, &held, held != NULL);
    return status;
}

static npv_status select_page(npv_store *store, const npv_select_options *options, const npv_row_set *set, page *result,
                              npv_error *error) {
    const uint64_t left = set->count > options->offset ? set->count - options->offset : 0;
    *result = (page){options->offset, left < options->limit ? left : options->limit, NULL};
    if (result->count >= SIZE_MAX / sizeof *result->rows)
        return npv_fail_memory(error, "the selected rows", SIZE_MAX);
    result->rows = malloc(((size_t)result->count + 1) * sizeof *result->rows);
    if (result->rows == NULL)
        return npv_fail_memory(error, "the selected rows", (size_t)result->count * sizeof *result->rows);
    if (options->order_by != NULL)
        return list_in_order_of_values(store, options, set, result, error);
    list_in_order_of_rows(store, set, result);
    return NPV_OK;
}

static npv_status copy_select_options(npv_select_options *options, npv_selection *selection,
                                      const npv_select_options *given, npv_error *error) {
    npv_status status = npv_copy_options(options, sizeof *options, given, "npv_select_options", error);
    if (status == NPV_OK)
        status = npv_check_reserved(options->reserved, "npv_select_options", error);
    return status == NPV_OK ? npv_copy_options(selection, sizeof *selection, options->selection, "npv_selection", error)
                            : status;
}

npv_status npv_select(npv_store *store, const npv_select_options *given, uint64_t **rows, size_t *count,
                      npv_error *error) {
    npv_select_options options = NPV_SELECT_OPTIONS_INIT;
    npv_selection selection = NPV_SELECTION_INIT;
    npv_row_set set = {NULL, 0};
    page result = {0, 0, NULL};
    if (store == NULL || rows == NULL || count == NULL)
        return npv_fail(error, NPV_E_ARGUMENT, "npv_select: expected a store and places for rows, found NULL");
    npv_status status = copy_select_options(&options, &selection, given, error);
    if (status != NPV_OK)
        return status;
    npv_store_lock_for_reading(store);
    status = npv_row_set_make(store, &selection, &set, error);
    if (status == NPV_OK)
        status = select_page(store, &options, &set, &result, error);
    npv_store_unlock(store);
    free(set.bits);
    if (status != NPV_OK) {
        free(result.rows);
        return status;
    }
    *rows = result.rows;
    *count = (size_t)result.count;
    return NPV_OK;
}

/* ------------------------------------------------------------------------------------------------------- Facets -- */

typedef struct frequency {
    uint64_t count;
    uint32_t rank;
} frequency;

static int most_frequent_first(const void *a, const void *b) {
    const frequency *const first = a, *const second = b;
    if (first->count != second->count)
        return first->count > second->count ? -1 : 1;
    return first->rank < second->rank ? -1 : 1;
}

static npv_status spell_number(const npv_entry *entry, npv_buffer *fragment, npv_error *error) {
    unsigned char natural[9] = {0}; /* two's complement: a bit more than uint64 has */
    if (entry->number == NPV_VALUE_INT)
        return npv_value_write_int(fragment, entry->integer, error);
    if (entry->number == NPV_VALUE_FLOAT)
        return npv_value_write_float(fragment, entry->real, error);
    for (int i = 0; i < 8; i++)
        natural[i] = (unsigned char)(entry->natural >> 8 * i);
    return npv_value_write_integer(fragment, (npv_bytes){natural, sizeof natural}, error);
}

static npv_status spell_entry(const npv_entry *entry, npv_buffer *fragment, npv_error *error) {
    switch ((npv_class)entry->class) {
    case NPV_CLASS_BOOL:
        return npv_value_write_bool(fragment, entry->boolean, error);
    case NPV_CLASS_NUMBER:
        return spell_number(entry, fragment, error);
    case NPV_CLASS_TEXT:
        return npv_value_write_str(fragment, entry->bytes, error);
    case NPV_CLASS_ARRAY:
    case NPV_CLASS_OTHER:
        return npv_buffer_append(fragment, entry->bytes.data, entry->bytes.size, error);
    default:
        return npv_value_write_none(fragment, error);
    }
}

static npv_status entry_to_json(const npv_entry *entry, char **json, npv_error *error) {
    npv_buffer fragment = {0}, text = {0};
    npv_status status = spell_entry(entry, &fragment, error);
    if (status == NPV_OK)
        status = npv_fragment_to_json((npv_bytes){fragment.data, fragment.size}, &text, error);
    if (status == NPV_OK)
        status = npv_buffer_append(&text, "", 1, error);
    free(fragment.data);
    if (status == NPV_OK)
        *json = (char *)text.data;
    else
        free(text.data);
    return status;
}

/* The ranks that rows have, most frequent first; missing values apart. */
static npv_status list_frequencies(const npv_column_view *column, const ranking *order, const uint64_t *counts,
                                   frequency **found, size_t *found_count, npv_error *error) {
    frequency *const list = malloc(((size_t)order->count + 1) * sizeof *list);
    size_t count = 0;
    if (list == NULL)
        return npv_fail_memory(error, "the values of a field", order->count * sizeof *list);
    for (uint32_t i = 0; i < order->count; i++)
        if (counts[i] > 0 && column->entries[order->codes[i]].class != NPV_CLASS_MISSING)
            list[count++] = (frequency){counts[i], i};
    qsort(list, count, sizeof *list, most_frequent_first);
    *found = list;
    *found_count = count;
    return NPV_OK;
}

static npv_status spell_facets(const npv_column_view *column, const ranking *order, const frequency *list, size_t count,
                               npv_facets *facets, npv_error *error) {
    npv_status status = NPV_OK;
    facets->facet = calloc(count + 1, sizeof *facets->facet);
    if (facets->facet == NULL)
        return npv_fail_memory(error, "the values of a field", count * sizeof *facets->facet);
    for (; facets->count < count && status == NPV_OK; facets->count++) {
        const frequency *const one = &list[facets->count];
        facets->facet[facets->count].count = one->count;
        status = entry_to_json(&column->entries[order->codes[one->rank]], &facets->facet[facets->count].json, error);
    }
    return status;
}

static npv_status get_facets(npv_store *store, const char *field, const npv_row_set *set, npv_facets *facets,
                             npv_error *error) {
    const npv_column *held = NULL;
    npv_column_view column;
    ranking order = {NULL, NULL, 0};
    uint64_t *counts = NULL;
    frequency *list = NULL;
    size_t count = 0;
    npv_status status = look_up(store, field, &held, &column, error);
    if (status == NPV_OK)
        status = rank_values(&column, false, &order, error);
    if (status == NPV_OK)
        status = count_ranks(&column, &order, set, &counts, error);
    if (status == NPV_OK)
        status = list_frequencies(&column, &order, counts, &list, &count, error);
    if (status == NPV_OK)
        status = spell_facets(&column, &order, list, count, facets, error);
    if (status == NPV_OK)
        facets->missing = counts[order.rank[0]]; /* code 0 is MISSING */
    free(list);
    free(counts);
    free_ranking(&order);
    npv_store_release_columns(store, &held, held != NULL);
    return status;
}

npv_status npv_get_facets(npv_store *store, const char *field, const npv_selection *given, npv_facets *facets,
                          npv_error *error) {
    npv_selection selection = NPV_SELECTION_INIT;
    npv_row_set set = {NULL, 0};
    npv_facets found = {0};
    if (store == NULL || field == NULL || facets == NULL)
        return npv_fail(error, NPV_E_ARGUMENT, "npv_get_facets: expected a store, a field and a place, found NULL");
    npv_status status = npv_copy_options(&selection, sizeof selection, given, "npv_selection", error);
    if (status != NPV_OK)
        return status;
    npv_store_lock_for_reading(store);
    status = npv_row_set_make(store, &selection, &set, error);
    if (status == NPV_OK)
        status = get_facets(store, field, &set, &found, error);
    npv_store_unlock(store);
    free(set.bits);
    if (status == NPV_OK)
        *facets = found;
    else
        npv_facets_free(&found);
    return status;
}

void npv_facets_free(npv_facets *facets) {
    if (facets == NULL)
        return;
    for (size_t i = 0; i < facets->count; i++)
        free(facets->facet[i].json);
    free(facets->facet);
    *facets = (npv_facets){0};
}
