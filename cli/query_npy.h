/* One vector as np.save writes it. */
#ifndef CLI_QUERY_NPY_H
#define CLI_QUERY_NPY_H

#include <stdbool.h>

#include "numbers.h"

/* Appends the numbers of a one-dimensional .npy. False, with nothing read, for other shapes: npv_open reads those. */
bool cli_read_flat_npy(const char *path, cli_vector *vector);

#endif
