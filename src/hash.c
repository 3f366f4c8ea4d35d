#include "hash.h"

#include <assert.h>
#include <stdlib.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>
#include <xxhash.h>

#include "error.h"

#define MIN_CAPACITY 16

/*
 * Open addressing, linear probing: an entry lies in its home slot, or behind it with no free slot between. A table is
 * at most three quarters full, so there always is a free slot and every search ends.
 */

void npv_hash_init(npv_hash_table *table) {
    *table = (npv_hash_table){NULL, 0, 0, 0};
    if (getentropy(&table->seed, sizeof table->seed) == 0)
        return;
    /* A sandbox may forbid it. What is left is where the system put the stack, and when: hard to guess from outside. */
    struct timespec now = {0, 0};
    clock_gettime(CLOCK_MONOTONIC, &now);
    table->seed = (uint64_t)(uintptr_t)&now ^ (uint64_t)now.tv_nsec << 32;
}

void npv_hash_free(npv_hash_table *table) {
    free(table->slots);
    *table = (npv_hash_table){NULL, 0, 0, table->seed};
}

uint32_t npv_hash_of(const npv_hash_table *table, npv_bytes key) {
    return (uint32_t)XXH3_64bits_withSeed(key.data, key.size, table->seed);
}

/* The high bits, so that it works for any capacity: with more than 2^32 slots homes are just farther apart. */
static size_t home_of(uint32_t hash, size_t capacity) {
    return capacity <= UINT32_MAX ? (size_t)((uint64_t)hash * capacity >> 32)
                                  : (size_t)(hash * ((uint64_t)capacity >> 32));
}

uint32_t npv_hash_find(const npv_hash_table *table, uint32_t hash, npv_hash_equal *equal, const void *context) {
    if (table->capacity == 0)
        return NPV_HASH_NONE;
    const size_t mask = table->capacity - 1;
    for (size_t at = home_of(hash, table->capacity);; at = (at + 1) & mask) {
        const npv_hash_slot slot = table->slots[at];
        if (slot.index == NPV_HASH_NONE || (slot.hash == hash && equal(context, slot.index)))
            return slot.index;
    }
}

static void place(npv_hash_slot *slots, size_t capacity, npv_hash_slot slot) {
    size_t at = home_of(slot.hash, capacity);
    while (slots[at].index != NPV_HASH_NONE)
        at = (at + 1) & (capacity - 1);
    slots[at] = slot;
}

static npv_status resize(npv_hash_table *table, size_t capacity, npv_error *error) {
    if (capacity > SIZE_MAX / sizeof *table->slots)
        return npv_fail_memory(error, "a hash table", SIZE_MAX);
    npv_hash_slot *const slots = malloc(capacity * sizeof *slots);
    if (slots == NULL)
        return npv_fail_memory(error, "a hash table", capacity * sizeof *slots);
    for (size_t i = 0; i < capacity; i++)
        slots[i].index = NPV_HASH_NONE;
    for (size_t i = 0; i < table->capacity; i++)
        if (table->slots[i].index != NPV_HASH_NONE)
            place(slots, capacity, table->slots[i]);
    free(table->slots);
    table->slots = slots;
    table->capacity = capacity;
    return NPV_OK;
}

npv_status npv_hash_reserve(npv_hash_table *table, size_t more, npv_error *error) {
    if (more > UINT32_MAX - table->count)
        return npv_fail(error, NPV_E_LIMIT, "a hash table holds at most %u entries", UINT32_MAX);
    const size_t needed = table->count + more;
    size_t capacity = table->capacity < MIN_CAPACITY ? MIN_CAPACITY : table->capacity;
    while (capacity - capacity / 4 < needed)
        capacity *= 2;
    return capacity == table->capacity ? NPV_OK : resize(table, capacity, error);
}

npv_status npv_hash_insert(npv_hash_table *table, uint32_t hash, uint32_t index, npv_error *error) {
    assert(index != NPV_HASH_NONE);
    const npv_status status = npv_hash_reserve(table, 1, error);
    if (status != NPV_OK)
        return status;
    place(table->slots, table->capacity, (npv_hash_slot){hash, index});
    table->count++;
    return NPV_OK;
}

/* What stands behind the gap moves into it, unless that were before its home; its own slot then is the gap. */
static void close_gap(npv_hash_table *table, size_t gap) {
    const size_t mask = table->capacity - 1;
    for (size_t at = (gap + 1) & mask; table->slots[at].index != NPV_HASH_NONE; at = (at + 1) & mask) {
        const size_t home = home_of(table->slots[at].hash, table->capacity);
        if (((at - home) & mask) < ((at - gap) & mask))
            continue;
        table->slots[gap] = table->slots[at];
        gap = at;
    }
    table->slots[gap].index = NPV_HASH_NONE;
}

void npv_hash_remove(npv_hash_table *table, uint32_t hash, uint32_t index) {
    assert(table->count > 0);
    size_t at = home_of(hash, table->capacity);
    while (table->slots[at].index != index) {
        assert(table->slots[at].index != NPV_HASH_NONE);
        at = (at + 1) & (table->capacity - 1);
    }
    close_gap(table, at);
    table->count--;
}

void npv_hash_renumber(npv_hash_table *table, const uint32_t *renumbered) {
    for (size_t i = 0; i < table->capacity; i++)
        if (table->slots[i].index != NPV_HASH_NONE)
            table->slots[i].index = renumbered[table->slots[i].index];
}
