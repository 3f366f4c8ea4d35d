#include "dictionary.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "../error.h"

#define FIXED_CODES 2 /* MISSING and NULL */
#define MAX_COUNT (NPV_HASH_NONE - 1)

static bool has_bytes(const npv_entry *entry) {
    return entry->class >= NPV_CLASS_TEXT;
}

/* ------------------------------------------------------------------------------------------------------- Hashing -- */

/* A float64 that is an integer of 64 bits is hashed as that integer, for they are equal. */
static npv_entry number_to_hash(const npv_entry *entry) {
    npv_entry plain = *entry;
    if (entry->number != NPV_VALUE_FLOAT)
        return plain;
    if (entry->real >= -0x1p63 && entry->real < 0x1p63 && (double)(int64_t)entry->real == entry->real) {
        plain.number = NPV_VALUE_INT;
        plain.integer = (int64_t)entry->real;
    } else if (entry->real >= 0x1p63 && entry->real < 0x1p64) {
        plain.number = NPV_VALUE_UINT;
        plain.natural = (uint64_t)entry->real;
    }
    return plain;
}

static uint32_t hash_of(const npv_dictionary *dictionary, const npv_entry *entry) {
    if (has_bytes(entry))
        return npv_hash_of(&dictionary->table, entry->bytes);
    unsigned char key[9] = {entry->class};
    if (entry->class == NPV_CLASS_BOOL) {
        key[1] = entry->boolean;
    } else {
        const npv_entry plain = number_to_hash(entry);
        key[0] = plain.number;
        memcpy(key + 1, &plain.integer, 8);
    }
    return npv_hash_of(&dictionary->table, (npv_bytes){key, sizeof key});
}

typedef struct wanted {
    const npv_dictionary *dictionary;
    const npv_entry *value;
} wanted;

static bool is_wanted(const void *context, uint32_t code) {
    const wanted *const w = context;
    return npv_entry_equal(w->value, &w->dictionary->entries[code]);
}

uint32_t npv_dictionary_find(const npv_dictionary *dictionary, const npv_entry *value) {
    if (value->class <= NPV_CLASS_NULL)
        return value->class;
    const wanted w = {dictionary, value};
    const uint32_t code = npv_hash_find(&dictionary->table, hash_of(dictionary, value), is_wanted, &w);
    return code == NPV_HASH_NONE ? 0 : code;
}

/* -------------------------------------------------------------------------------------------------------- Adding -- */

static npv_status reserve_entry(npv_dictionary *dictionary, npv_error *error) {
    if (dictionary->count == MAX_COUNT)
        return npv_fail(error, NPV_E_LIMIT, "a field has at most %u different values", MAX_COUNT);
    if (dictionary->count < dictionary->capacity)
        return NPV_OK;
    const uint64_t grown = (uint64_t)dictionary->capacity + dictionary->capacity / 2 + 8;
    const size_t capacity = grown > MAX_COUNT ? MAX_COUNT : (size_t)grown;
    npv_entry *const entries = realloc(dictionary->entries, capacity * sizeof *entries);
    if (entries == NULL)
        return npv_fail_memory(error, "the values of a field", capacity * sizeof *entries);
    dictionary->entries = entries;
    dictionary->capacity = (uint32_t)capacity;
    return NPV_OK;
}

/* Appends a copy, for which there is room. */
static void append(npv_dictionary *dictionary, const npv_entry *value) {
    npv_entry *const copy = &dictionary->entries[dictionary->count++];
    *copy = *value;
    if (has_bytes(value))
        copy->bytes = npv_arena_copy(&dictionary->bytes, value->bytes);
}

static npv_status add(npv_dictionary *dictionary, const npv_entry *value, uint32_t hash, npv_error *error) {
    npv_status status = reserve_entry(dictionary, error);
    if (status == NPV_OK && has_bytes(value))
        status = npv_arena_reserve(&dictionary->bytes, value->bytes.size, error);
    if (status == NPV_OK)
        status = npv_hash_insert(&dictionary->table, hash, dictionary->count, error);
    if (status == NPV_OK)
        append(dictionary, value);
    return status;
}

npv_status npv_dictionary_intern(npv_dictionary *dictionary, const npv_entry *value, uint32_t *code, npv_error *error) {
    if (value->class <= NPV_CLASS_NULL) {
        *code = value->class;
        return NPV_OK;
    }
    const wanted w = {dictionary, value};
    const uint32_t hash = hash_of(dictionary, value);
    const uint32_t known = npv_hash_find(&dictionary->table, hash, is_wanted, &w);
    const npv_status status = known == NPV_HASH_NONE ? add(dictionary, value, hash, error) : NPV_OK;
    if (status == NPV_OK)
        *code = known == NPV_HASH_NONE ? dictionary->count - 1 : known;
    return status;
}

static void forget(npv_dictionary *dictionary, uint32_t code) {
    npv_hash_remove(&dictionary->table, hash_of(dictionary, &dictionary->entries[code]), code);
}

void npv_dictionary_truncate(npv_dictionary *dictionary, uint32_t count) {
    assert(count >= dictionary->head);
    while (dictionary->count > count) {
        const npv_entry *const last = &dictionary->entries[dictionary->count - 1];
        forget(dictionary, dictionary->count - 1);
        if (has_bytes(last))
            npv_arena_drop(&dictionary->bytes, last->bytes.size);
        dictionary->count--;
    }
}

npv_status npv_dictionary_init(npv_dictionary *dictionary, npv_error *error) {
    npv_dictionary made = {.head = FIXED_CODES, .class_start = {0, 1, 2, 2, 2, 2, 2, 2}};
    npv_hash_init(&made.table);
    const npv_status status = reserve_entry(&made, error);
    if (status != NPV_OK)
        return status;
    append(&made, &(npv_entry){.class = NPV_CLASS_MISSING});
    append(&made, &(npv_entry){.class = NPV_CLASS_NULL});
    *dictionary = made;
    return NPV_OK;
}

void npv_dictionary_free(npv_dictionary *dictionary) {
    free(dictionary->entries);
    npv_hash_free(&dictionary->table);
    npv_arena_free(&dictionary->bytes);
}

/* ------------------------------------------------------------------------------------------------------- Sorting -- */

/* An entry of the tail. Most are told apart by the prefix, without a look at the entries. */
typedef struct sort_item {
    uint64_t prefix; /* in the order of values, as far as it goes */
    const npv_entry *entry;
} sort_item;

static int compare_items(const void *left, const void *right) {
    const sort_item *const a = left, *const b = right;
    if (a->prefix != b->prefix)
        return a->prefix < b->prefix ? -1 : 1;
    return npv_entry_compare(a->entry, b->entry);
}

/* Rounding to float64 keeps the order; so do its bits, if those of negative numbers are turned over. */
static uint64_t number_prefix(const npv_entry *entry) {
    const double real = entry->number == NPV_VALUE_INT    ? (double)entry->integer
                        : entry->number == NPV_VALUE_UINT ? (double)entry->natural
                                                          : entry->real;
    uint64_t bits;
    memcpy(&bits, &real, sizeof bits);
    return bits >> 63 ? ~bits : bits | (uint64_t)1 << 63;
}

/* Eight bytes, those behind the first `skip`, which all values have in common. */
static uint64_t bytes_prefix(npv_bytes bytes, size_t skip) {
    uint64_t prefix = 0;
    for (size_t i = skip; i < skip + 8; i++)
        prefix = prefix << 8 | (i < bytes.size ? bytes.data[i] : 0);
    return prefix;
}

static size_t common_bytes(const sort_item *items, size_t count) {
    size_t common = items[0].entry->bytes.size;
    for (size_t i = 1; i < count; i++) {
        const npv_bytes bytes = items[i].entry->bytes;
        size_t same = 0;
        while (same < common && same < bytes.size && bytes.data[same] == items[0].entry->bytes.data[same])
            same++;
        common = same;
    }
    return common;
}

/* Sorts values of one class. */
static void sort_class(sort_item *items, size_t count) {
    const bool of_bytes = has_bytes(items[0].entry);
    const size_t skip = of_bytes ? common_bytes(items, count) : 0;
    for (size_t i = 0; i < count; i++) {
        const npv_entry *const entry = items[i].entry;
        items[i].prefix = of_bytes                           ? bytes_prefix(entry->bytes, skip)
                          : entry->class == NPV_CLASS_NUMBER ? number_prefix(entry)
                                                             : entry->boolean;
    }
    qsort(items, count, sizeof *items, compare_items);
}

/* Those of the tail that are in use, by class, and in order. Returns how many. */
static size_t sort_tail(const npv_dictionary *dictionary, const uint32_t *used, sort_item *items) {
    size_t count = 0;
    for (unsigned of = NPV_CLASS_BOOL; of < NPV_CLASSES; of++) {
        const size_t first = count;
        for (uint32_t code = dictionary->head; code < dictionary->count; code++)
            if (used[code] != 0 && dictionary->entries[code].class == of)
                items[count++].entry = &dictionary->entries[code];
        if (count > first)
            sort_class(items + first, count - first);
    }
    return count;
}

static bool comes_before(const npv_entry *a, const npv_entry *b) {
    return a->class != b->class ? a->class < b->class : npv_entry_compare(a, b) < 0;
}

/* Appends to `sorted` what is in use of the head and the tail's items; what is not gets the new code 0. */
static void merge(const npv_dictionary *dictionary, const sort_item *items, size_t item_count, uint32_t *renumbered,
                  npv_dictionary *sorted) {
    size_t next = 0;
    for (uint32_t code = 0; code < dictionary->head; code++) {
        const npv_entry *const entry = &dictionary->entries[code];
        for (; next < item_count && comes_before(items[next].entry, entry); next++) {
            renumbered[items[next].entry - dictionary->entries] = sorted->count;
            append(sorted, items[next].entry);
        }
        if (code >= FIXED_CODES && renumbered[code] == 0)
            continue;
        renumbered[code] = sorted->count;
        append(sorted, entry);
    }
    for (; next < item_count; next++) {
        renumbered[items[next].entry - dictionary->entries] = sorted->count;
        append(sorted, items[next].entry);
    }
}

static void find_classes(npv_dictionary *dictionary) {
    uint32_t code = 0;
    for (unsigned of = 0; of < NPV_CLASSES; of++) {
        dictionary->class_start[of] = code;
        while (code < dictionary->count && dictionary->entries[code].class == of)
            code++;
    }
    dictionary->class_start[NPV_CLASSES] = dictionary->head = dictionary->count;
}

/* Makes room in `sorted` for all that is in use. */
static npv_status reserve_sorted(const npv_dictionary *dictionary, const uint32_t *used, npv_dictionary *sorted,
                                 npv_error *error) {
    uint32_t count = FIXED_CODES;
    size_t size = 0;
    for (uint32_t code = FIXED_CODES; code < dictionary->count; code++) {
        const npv_entry *const entry = &dictionary->entries[code];
        count += used[code] != 0;
        size += used[code] != 0 && has_bytes(entry) ? entry->bytes.size : 0;
    }
    sorted->entries = malloc(count * sizeof *sorted->entries);
    if (sorted->entries == NULL)
        return npv_fail_memory(error, "the values of a field", count * sizeof *sorted->entries);
    sorted->capacity = count;
    return npv_arena_reserve(&sorted->bytes, size, error);
}

npv_status npv_dictionary_sort(npv_dictionary *dictionary, uint32_t *renumbered, npv_error *error) {
    npv_dictionary sorted = {.table = dictionary->table};
    const size_t tail = dictionary->count - dictionary->head;
    sort_item *const items = malloc((tail + 1) * sizeof *items);
    npv_status status = items != NULL ? NPV_OK : npv_fail_memory(error, "sorting a field", tail * sizeof *items);
    if (status == NPV_OK)
        status = reserve_sorted(dictionary, renumbered, &sorted, error);
    if (status != NPV_OK) {
        free(sorted.entries);
        free(items);
        return status;
    }
    for (uint32_t code = FIXED_CODES; code < dictionary->count; code++)
        if (renumbered[code] == 0)
            forget(dictionary, code);
    merge(dictionary, items, sort_tail(dictionary, renumbered, items), renumbered, &sorted);
    npv_hash_renumber(&dictionary->table, renumbered);
    find_classes(&sorted);
    sorted.table = dictionary->table;
    free(dictionary->entries);
    npv_arena_free(&dictionary->bytes);
    *dictionary = sorted;
    free(items);
    return NPV_OK;
}
