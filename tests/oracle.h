/* What a search must answer, computed from the definition in npvec.h by code that shares nothing with the library. */
#ifndef ORACLE_H
#define ORACLE_H

#include <stdbool.h>

#include "npvec.h"

/* A reproducible stream of numbers. */
typedef struct oracle_random {
    uint64_t state;
} oracle_random;

uint64_t oracle_next(oracle_random *random);
/* Roughly normal, finite. */
float oracle_normal(oracle_random *random);

/* rows x dimensions roughly normal floats; the caller frees. */
float *oracle_vectors(oracle_random *random, size_t rows, size_t dimensions);

/* The score of a query against a row that is stored as given. `normalize`: of the store. */
double oracle_score(const float *query, const float *row, size_t dimensions, npv_metric metric, bool normalize);

/*
 * Fails the running test unless `hits` are, bit for bit, what the definition demands for every query against the rows
 * that the store holds.
 */
void oracle_check(npv_store *store, const float *queries, size_t query_count, const npv_search_options *options);

/* The same where only rows whose `among` is true may be hits: of all row numbers, deleted ones included. */
void oracle_check_among(npv_store *store, const float *queries, size_t query_count, const npv_search_options *options,
                        const bool *among);

#endif
