/* Files for what reads files. They are kept in memory where the system has a place for that. */
#ifndef FUZZ_SCRATCH_H
#define FUZZ_SCRATCH_H

#include <stddef.h>
#include <stdint.h>

/* The path of a file that holds these bytes: every time the same one, removed at the end. */
const char *fuzz_file(const uint8_t *data, size_t size);

/* The path of that file with this at its end, for what the target writes; removed at the end. One suffix for all. */
const char *fuzz_output(const char *suffix);

#endif
