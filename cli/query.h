/* The queries of a search. */
#ifndef CLI_QUERY_H
#define CLI_QUERY_H

#include "numbers.h"

/*
 * Appends the vectors of `path` ("-": standard input): .npy and .npz, of one vector or several; or text: numbers, and
 * arrays of them. All must have `dimensions` numbers. Returns how many there are; at least one, or ends the process.
 */
size_t cli_read_queries(const char *path, size_t dimensions, cli_vector *queries);

#endif
