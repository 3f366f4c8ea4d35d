/* What must hold of every store, whatever it was read from. */
#ifndef FUZZ_ROWS_H
#define FUZZ_ROWS_H

#include <stdbool.h>

#include "npvec.h"

/*
 * Reads vectors, ids and documents of the first rows; false if some cannot be read, which then is an error with one
 * line. What can be read is sound: an id finds its row.
 */
bool fuzz_read_rows(npv_store *store);

/* The same for one line of an error, or of a report. */
void fuzz_check_line(const char *line);

#endif
