/*
 * The ids of a store: texts, each of which belongs to one row. Rows may be without one.
 *
 * A text is UTF-8 as utf8.h has it, of 1 to NPV_MAX_ID_BYTES bytes, none of them zero, and stays where it is, zero at
 * its end, until npv_ids_compact. 8 bytes a row, 12 to 22 bytes and the text an id.
 */
#ifndef NPV_IDS_H
#define NPV_IDS_H

#include "bytes.h"
#include "hash.h"
#include "rows.h"

typedef struct npv_ids {
    npv_array texts; /* back to back, each with a zero at its end; at 0 nothing, so that an offset of 0 is no id */
    size_t texts_size;
    npv_array offsets;    /* uint64_t, one a row */
    uint64_t rows;        /* that have an offset; those behind have no id */
    npv_hash_table table; /* from texts to rows; its count is that of the ids */
} npv_ids;

void npv_ids_init(npv_ids *ids);
void npv_ids_free(npv_ids *ids);

/* NPV_E_ARGUMENT unless it can be an id. The message begins with "an id". */
npv_status npv_ids_check(npv_bytes id, npv_error *error);

/*
 * Gives a row behind all that have one its id. NPV_E_EXISTS if another row has it, with the row in *other (may be
 * NULL); NPV_E_ARGUMENT as npv_ids_check; then nothing has changed. O(length).
 */
npv_status npv_ids_append(npv_ids *ids, uint64_t row, npv_bytes id, uint64_t *other, npv_error *error);

/* Undoes appends: rows from `rows` on have no ids. */
void npv_ids_truncate(npv_ids *ids, uint64_t rows);

/* The row with this id, or UINT64_MAX. O(length). */
uint64_t npv_ids_find(const npv_ids *ids, npv_bytes id);

/* The id of a row, or NULL. */
const char *npv_ids_get(const npv_ids *ids, uint64_t row);

/* The row, if it has an id, loses it, and the id is free. */
void npv_ids_remove(npv_ids *ids, uint64_t row);

/* Rows that are not in `kept` go, and had no ids. `room`: a number for each of ids->rows. Cannot fail. */
void npv_ids_compact(npv_ids *ids, const uint64_t *kept, uint32_t *room);

#endif
