/*
 * What a store reads or makes when it is first needed: documents, ids, columns, lengths of rows, codes, and experience
 * of which way a search is faster. Readers come here together, under the reading lock; `lazy` lets one of them work and
 * the others wait. A writer may come here too.
 */
#ifndef NPV_LAZY_H
#define NPV_LAZY_H

#include "store.h"

/* Reads documents or records that are still in the file. */
npv_status npv_store_load_metadata(npv_store *store, npv_error *error);

/* Reads ids that are still in the file. */
npv_status npv_store_load_ids(npv_store *store, npv_error *error);

/* Documents or records: whatever the store has. */
npv_column_source npv_store_column_source(const npv_store *store);

/*
 * The columns of these paths, made or brought up to date if need be; all or none. They stay as they are until they are
 * released.
 */
npv_status npv_store_columns(npv_store *store, const npv_path *paths, size_t count, const npv_column **columns,
                             npv_error *error);
void npv_store_release_columns(npv_store *store, const npv_column *const *columns, size_t count);

/* The lengths of all rows. */
npv_status npv_store_lengths(npv_store *store, const double **lengths, npv_error *error);

/* Codes all rows if that pays, now that this search comes; how many it coded. */
uint64_t npv_store_code_rows(npv_store *store, const npv_request *request);

/* Where a cascade reads the vectors that it picks out, or NULL: in place. */
const npv_array *npv_store_file(const npv_store *store);

/* Which way to search, and what came of it. */
npv_plan npv_store_plan(npv_store *store, const npv_request *request);
void npv_store_learn(npv_store *store, const npv_request *request, npv_plan plan, const npv_cascade_cost *cost);

#endif
