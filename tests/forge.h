/* Files as others make them, honest or not: a scratch directory, .npy and ZIP files put together byte by byte. */
#ifndef FORGE_H
#define FORGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bytes.h"

/* cmocka group fixtures: a directory of the test's own, removed with all that is in it. */
int forge_setup(void **state);
int forge_teardown(void **state);

/* The path of a file in that directory; one of eight buffers in turn. */
const char *forge_path(const char *name);

void forge_write(const char *path, npv_bytes bytes);
npv_buffer forge_read(const char *path); /* the caller frees .data */
bool forge_same_file(const char *path, npv_bytes bytes);

/* Files in the scratch directory whose names end in this. */
size_t forge_count(const char *suffix);
void forge_remove_files(void);

/* An .npy file: this version, this dict as it stands (no padding is added), this data. The caller frees .data. */
npv_buffer forge_npy(int version, const char *dict, const void *data, size_t size);

typedef struct forged_member {
    const char *name;
    npv_bytes contents;
    bool deflate;
} forged_member;

/* A sound archive of these members. The caller frees .data. */
npv_buffer forge_zip(const forged_member *members, size_t count, const char *comment);

/* Where a member's local header and directory entry begin, and where the end record does. */
size_t forge_local(npv_buffer zip, const char *name);
size_t forge_entry(npv_buffer zip, const char *name);
size_t forge_end(npv_buffer zip);

/* Little-endian numbers at a place. */
void forge_put16(npv_buffer bytes, size_t at, unsigned value);
void forge_put32(npv_buffer bytes, size_t at, uint32_t value);
void forge_put64(npv_buffer bytes, size_t at, uint64_t value);
uint32_t forge_get32(npv_buffer bytes, size_t at);

/* Moves what follows `at` and puts these bytes there. */
void forge_insert(npv_buffer *bytes, size_t at, const void *data, size_t size);

#endif
