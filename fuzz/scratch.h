/* Files for what reads files. They are kept in memory where the system has a place for that. */
#ifndef FUZZ_SCRATCH_H
#define FUZZ_SCRATCH_H

#include <stddef.h>
#include <stdint.h>

/* A path of the process's own with this at its end, "" or one of a few others; the file is removed at the end. */
const char *fuzz_path(const char *suffix);

/* Puts these bytes there. */
void fuzz_write(const char *path, const uint8_t *data, size_t size);

/*
 * The same for the path "", whose file stays open, and is returned: opening and emptying it takes longer than small
 * inputs.
 */
int fuzz_rewrite(const uint8_t *data, size_t size);

#endif
