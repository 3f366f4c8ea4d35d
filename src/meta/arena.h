/* Copies of bytes that stay where they are until all of them are freed, or until they are dropped, last first. */
#ifndef NPV_ARENA_H
#define NPV_ARENA_H

#include "../bytes.h"

typedef struct npv_arena {
    struct npv_arena_block *blocks; /* the last one made is first */
    size_t size;                    /* bytes of all copies */
} npv_arena;

/* Makes room, so that copies of `size` bytes in all cannot fail. */
npv_status npv_arena_reserve(npv_arena *arena, size_t size, npv_error *error);

/* Copies bytes for which room was made. */
npv_bytes npv_arena_copy(npv_arena *arena, npv_bytes bytes);

/* Takes back the last copy, which has this size. */
void npv_arena_drop(npv_arena *arena, size_t size);

void npv_arena_free(npv_arena *arena);

#endif
