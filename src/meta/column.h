/*
 * A column: the values of one field over all rows, each as the code of an entry in a dictionary of distinct values.
 *
 * Codes are in the order of values, so that a comparison is a range of codes, a sort is one of integers, a histogram is
 * an array, and any other condition is decided once for each distinct value. Values are equal if a filter's = says so:
 * 1 and 1.0 share an entry, true and 1 do not.
 *
 * Values that rows bring later get codes behind those that are in order; when there are many of them, or when a column
 * has been brought up to date with many rows, the dictionary is sorted again, and what no row has any more is let go.
 * So a column has a head of codes in order, and a tail of some that are not; the few rows with codes of that are known.
 *
 * Memory: 4 bytes a row, and for each entry 24 bytes, its text and its place in a hash table; twice that while sorting.
 */
#ifndef NPV_COLUMN_H
#define NPV_COLUMN_H

#include "../rows.h"
#include "documents.h"
#include "entry.h"
#include "path.h"
#include "schema.h"

typedef struct npv_column npv_column;

/* Where columns come from: exactly one of these. */
typedef struct npv_column_source {
    const npv_documents *documents;
    const npv_record_schema *schema; /* of `records` */
    const npv_array *records;
} npv_column_source;

/* An empty column of a path, which it copies. With a schema the path must be one step: the name of a field. */
npv_status npv_column_new(const npv_path *path, npv_column **column, npv_error *error);
void npv_column_free(npv_column *column);
const npv_path *npv_column_path(const npv_column *column);

/* Brings the column up to `rows` rows. On failure it is as before. O(new rows log rows), amortised. */
npv_status npv_column_extend(npv_column *column, const npv_column_source *source, uint64_t rows, npv_error *error);

/* The row's value has changed; rows that the column does not have yet are passed over. On failure it must be freed. */
npv_status npv_column_update(npv_column *column, const npv_column_source *source, uint64_t row, npv_error *error);

/* What evaluation reads. Valid until the column is extended, updated or freed. */
typedef struct npv_column_view {
    uint64_t rows;
    const uint32_t *codes;    /* one a row */
    const npv_entry *entries; /* entries[code]; 0 is MISSING, 1 is NULL */
    uint32_t entry_count;
    uint32_t head;                         /* codes below are in order */
    uint32_t class_start[NPV_CLASSES + 1]; /* the codes of class c in the head: class_start[c] to class_start[c + 1] */
    const uint64_t *tail_rows; /* rows with codes from `head` on, ascending; may hold rows that no longer do */
    size_t tail_count;
} npv_column_view;

npv_column_view npv_column_look(const npv_column *column);

/* The first code of the head, within the class of `value`, whose value is not below (or, `above`: is above) `value`. */
uint32_t npv_column_search(const npv_column_view *column, const npv_entry *value, bool above);

/* The code of a value equal to `value`, in head or tail, or 0 if no row ever had it. O(1). */
uint32_t npv_column_code(const npv_column *column, const npv_entry *value);

#endif
