/*
 * A column: the values of one field over all rows, each as the code of an entry in a dictionary of distinct values.
 *
 * Codes are in the order of values, so that a comparison is a range of codes, a sort is one of integers, a histogram is
 * an array, and any other condition is decided once for each distinct value. Values are equal if a filter's = says so:
 * 1 and 1.0 share an entry, true and 1 do not.
 *
 * Values that rows bring later get codes behind those that are in order; when there are many of them, or when a column
 * has been brought up to date with many rows, the dictionary is sorted again. So a column has a head of codes in order,
 * and a tail of some that are not; the few rows with codes of the tail are known.
 *
 * Memory: 4 bytes a row, and for each entry 24 bytes, its text and its place in a hash table.
 */
#ifndef NPV_COLUMN_H
#define NPV_COLUMN_H

#include "../rows.h"
#include "documents.h"
#include "path.h"
#include "schema.h"

/* Classes of values, in the order of their codes. Values of different classes are never compared. */
typedef enum npv_class {
    NPV_CLASS_MISSING, /* always code 0 */
    NPV_CLASS_NULL,    /* always code 1: None, and times that are none */
    NPV_CLASS_BOOL,
    NPV_CLASS_NUMBER,  /* int64, uint64 and float64, compared exactly */
    NPV_CLASS_TEXT,    /* by bytes of UTF-8; datetimes are the text that NumPy prints */
    NPV_CLASS_ARRAY,   /* lists and tuples */
    NPV_CLASS_OTHER,   /* dicts, bytes, NaN, integers beyond 64 bits: never equal to anything that a filter can say */
    NPV_CLASSES
} npv_class;

typedef struct npv_entry {
    unsigned char class;  /* npv_class */
    unsigned char number; /* NUMBER: NPV_VALUE_INT, NPV_VALUE_UINT or NPV_VALUE_FLOAT */
    union {
        bool boolean;
        int64_t integer;
        uint64_t natural;
        double real;
        npv_bytes bytes; /* TEXT: UTF-8. ARRAY, OTHER: the fragment */
    };
} npv_entry;

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

/* Brings the column up to `rows` rows. On failure it is as before. O(new rows), and a sort now and then. */
npv_status npv_column_extend(npv_column *column, const npv_column_source *source, uint64_t rows, npv_error *error);

/* The row's value has changed. On failure the column must be freed. */
npv_status npv_column_update(npv_column *column, const npv_column_source *source, uint64_t row, npv_error *error);

/* What evaluation reads. Valid until the column is extended, updated or freed. */
typedef struct npv_column_view {
    uint64_t rows;
    const uint32_t *codes;                  /* one a row */
    const npv_entry *entries;               /* entries[code]; 0 is MISSING, 1 is NULL */
    uint32_t entry_count;
    uint32_t head;                          /* codes below are in order */
    uint32_t class_start[NPV_CLASSES + 1];  /* the codes of class c in the head: class_start[c] to class_start[c + 1] */
    const uint64_t *tail_rows;              /* rows with codes from `head` on, ascending; may hold rows that no longer do */
    size_t tail_count;
} npv_column_view;

npv_column_view npv_column_look(const npv_column *column);

/* The order of values of one class: negative, 0, positive. */
int npv_entry_compare(const npv_entry *a, const npv_entry *b);

/* The first code of the head, within the class of `value`, whose value is not below (or, `above`: is above) `value`. */
uint32_t npv_column_search(const npv_column_view *column, const npv_entry *value, bool above);

/* The code of a value equal to `value`, in head or tail, or 0 if no row ever had it. O(1). */
uint32_t npv_column_code(const npv_column *column, const npv_entry *value);

/* Does an array's fragment hold an element equal to `value`? */
bool npv_entry_contains(const npv_entry *array, const npv_entry *value);

/* The value that a walk has just reached as an entry; strings that are no UTF-8 of their own are written to `room`. */
npv_status npv_entry_of_fragment(npv_bytes fragment, npv_entry *entry, npv_buffer *room, npv_error *error);

#endif
