/* The columns that a store has made: one for each field that was named, but of documents only those named last. */
#ifndef NPV_COLUMNS_H
#define NPV_COLUMNS_H

#include "column.h"

typedef struct npv_held_column {
    npv_column *column;
    size_t readers; /* got and not yet released */
} npv_held_column;

typedef struct npv_columns {
    npv_held_column *held; /* in the order of last use */
    size_t count;
} npv_columns;

/*
 * The column of a path, made or brought up to `rows` rows if need be. The caller sees to it that one thread at a time
 * is in here; a column that is up to date is not touched, so others may go on reading it until they release it. With a
 * schema, NPV_E_NOT_FOUND for a name that is no field.
 */
npv_status npv_columns_get(npv_columns *columns, const npv_column_source *source, const npv_path *path, uint64_t rows,
                           const npv_column **column, npv_error *error);

/* One that was got is not read any more. Of documents, frees those above NPV_KEPT_COLUMNS that nobody reads. */
void npv_columns_release(npv_columns *columns, const npv_column_source *source, const npv_column *column);

/* The row's value has changed in all of them. A column for which memory runs out is dropped. */
void npv_columns_update(npv_columns *columns, const npv_column_source *source, uint64_t row);

/* Frees all of them: rows have other numbers now, or are gone. */
void npv_columns_free(npv_columns *columns);

/*
 * The field that was probably meant by one that no row has: the nearest by edits among the names in the schema, or in
 * some of the documents (the keys at the same place of the path). False if none is near.
 */
bool npv_columns_suggest(const npv_column_source *source, const npv_path *path, uint64_t rows, char shown[NPV_SHOWN]);

#endif
