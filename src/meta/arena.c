#include "arena.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "../error.h"

#define MIN_BLOCK 256
#define MAX_BLOCK ((size_t)1 << 20)

typedef struct npv_arena_block {
    struct npv_arena_block *next;
    size_t size; /* bytes in use */
    size_t capacity;
    unsigned char data[];
} npv_arena_block;

/* In proportion to what there is, so that small arenas stay small; the first block has just what is asked. */
static size_t block_capacity(const npv_arena *arena, size_t size) {
    if (arena->blocks == NULL)
        return size;
    size_t capacity = arena->size / 4;
    capacity = capacity < MIN_BLOCK ? MIN_BLOCK : capacity > MAX_BLOCK ? MAX_BLOCK : capacity;
    return capacity < size ? size : capacity;
}

npv_status npv_arena_reserve(npv_arena *arena, size_t size, npv_error *error) {
    npv_arena_block *const last = arena->blocks;
    if (last != NULL && size <= last->capacity - last->size)
        return NPV_OK;
    const size_t capacity = block_capacity(arena, size);
    npv_arena_block *block = NULL;
    if (capacity <= PTRDIFF_MAX - sizeof *block)
        block = malloc(sizeof *block + capacity);
    if (block == NULL)
        return npv_fail_memory(error, "the values of a field", capacity);
    block->next = last;
    block->size = 0;
    block->capacity = capacity;
    arena->blocks = block;
    return NPV_OK;
}

npv_bytes npv_arena_copy(npv_arena *arena, npv_bytes bytes) {
    npv_arena_block *const block = arena->blocks;
    assert(block != NULL && bytes.size <= block->capacity - block->size);
    unsigned char *const copy = block->data + block->size;
    if (bytes.size > 0)
        memcpy(copy, bytes.data, bytes.size);
    block->size += bytes.size;
    arena->size += bytes.size;
    return (npv_bytes){copy, bytes.size};
}

static void free_first_block(npv_arena *arena) {
    npv_arena_block *const next = arena->blocks->next;
    free(arena->blocks);
    arena->blocks = next;
}

void npv_arena_drop(npv_arena *arena, size_t size) {
    while (arena->blocks->size < size) /* room was made behind the last copy, and not used */
        free_first_block(arena);
    arena->blocks->size -= size;
    arena->size -= size;
}

void npv_arena_free(npv_arena *arena) {
    while (arena->blocks != NULL)
        free_first_block(arena);
    arena->size = 0;
}
