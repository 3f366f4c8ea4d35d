/*
 * A hash table of numbers: which entry, row or whatever the caller numbers has this key? The keys are the caller's.
 *
 * The seed is random and another for each table, so nobody can prepare keys that collide. 12 to 22 bytes an entry.
 */
#ifndef NPV_HASH_H
#define NPV_HASH_H

#include <stdbool.h>

#include "bytes.h"

#define NPV_HASH_NONE UINT32_MAX

typedef struct npv_hash_slot {
    uint32_t hash;
    uint32_t index; /* NPV_HASH_NONE: the slot is free */
} npv_hash_slot;

typedef struct npv_hash_table {
    npv_hash_slot *slots;
    size_t capacity; /* slots; 0 or a power of two */
    size_t count;    /* slots in use */
    uint64_t seed;
} npv_hash_table;

/* Is the key that is looked for, which `context` knows, that of `index`? */
typedef bool npv_hash_equal(const void *context, uint32_t index);

/* An empty table. It has no memory yet, so it may be dropped without npv_hash_free. */
void npv_hash_init(npv_hash_table *table);
void npv_hash_free(npv_hash_table *table);

/* The hash of a key in this table. */
uint32_t npv_hash_of(const npv_hash_table *table, npv_bytes key);

/* The index of the key, or NPV_HASH_NONE. */
uint32_t npv_hash_find(const npv_hash_table *table, uint32_t hash, npv_hash_equal *equal, const void *context);

/* Makes room, so that the next `more` calls of npv_hash_insert cannot fail. On failure the table is as before. */
npv_status npv_hash_reserve(npv_hash_table *table, size_t more, npv_error *error);

/* Adds an index, below NPV_HASH_NONE, whose key is not in the table. Amortised O(1). */
npv_status npv_hash_insert(npv_hash_table *table, uint32_t hash, uint32_t index, npv_error *error);

/* Takes out an index that was inserted with this hash. */
void npv_hash_remove(npv_hash_table *table, uint32_t hash, uint32_t index);

/* Every index i becomes renumbered[i]. */
void npv_hash_renumber(npv_hash_table *table, const uint32_t *renumbered);

#endif
