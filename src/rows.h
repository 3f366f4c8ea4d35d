/*
 * Arrays that grow and never move.
 *
 * Address space is reserved far ahead and made usable as the array grows, so pointers into it stay valid while it
 * grows, nothing is ever copied, and the head of the vectors' array can be a file mapping. Where the address space is
 * limited (RLIMIT_AS) the array moves instead when its reservation is used up; the old place stays readable until the
 * array is freed, so that borrowed pointers never dangle.
 */
#ifndef NPV_ROWS_H
#define NPV_ROWS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bits.h"
#include "npvec.h"

typedef struct npv_array {
    unsigned char *data;       /* first element; NULL until something was reserved */
    size_t usable;             /* bytes from data that may be written */
    unsigned char *place;      /* the reservation, page aligned; data lies inside its first page */
    size_t reserved;           /* bytes of the reservation */
    size_t file_bytes;         /* whole pages of a file at its start, */
    int file;                  /* ... which this is, if there are any; -1: it could not be kept open */
    uint64_t file_offset;      /* ... and where in it they begin */
    uint64_t *file_pages;      /* a bit for each of them: is it still as in the file? NULL: all are */
    struct npv_old_place *old; /* reservations that the array has outgrown */
} npv_array;

#define NPV_ARRAY_EMPTY {NULL, 0, NULL, 0, 0, 0, 0, NULL, NULL}

/* Makes the first `bytes` bytes usable; new ones are zero. Amortised O(1) for each byte. */
npv_status npv_array_grow(npv_array *array, size_t bytes, npv_error *error);

/*
 * Makes `bytes` bytes of the open file `fd`, from `offset`, the head of an empty array: read-only pages of the file,
 * but for the last, which is a private copy. Whatever grows behind it follows without a gap.
 */
npv_status npv_array_map_file(npv_array *array, int fd, uint64_t offset, size_t bytes, npv_error *error);

/*
 * Bytes `begin` to `end` are going to be written. Pages of a mapped file are read-only until then; those of these bytes
 * become private copies when they are written to, and are no longer forgotten. The file itself never changes.
 */
npv_status npv_array_make_private(npv_array *array, size_t begin, size_t end, npv_error *error);

/*
 * Gives the memory behind the first `bytes` bytes back. It stays usable, and holds zeros, or bytes of the file, or what
 * it held.
 */
void npv_array_shrink(const npv_array *array, size_t bytes);

/*
 * Moves the kept of `items` items together, in order, and shrinks the array to them. Those before the first gap
 * are not touched; what lies behind must not be a read-only page (npv_array_make_private).
 */
void npv_array_close_gaps(npv_array *array, size_t item_size, const uint64_t *kept, uint64_t items);

/*
 * Item first + i goes to places[i], for each of the `count` items behind `first` in turn: none of them is farther on.
 */
void npv_array_settle(npv_array *array, size_t item_size, uint64_t first, const uint64_t *places, size_t count);

/*
 * `size` bytes from `offset`: in place, or, where they lie in pages of a mapped file as they are there, read to `room`,
 * which does not make pages resident. 30 rows of 1.5 KB take 50 microseconds in this way, 220 if their pages are mapped
 * and let go again.
 */
const unsigned char *npv_array_read(const npv_array *array, size_t offset, size_t size, unsigned char *room);

/* Lets go of the pages of a mapped file that were read; they are read again when they are needed. */
void npv_array_forget_file(const npv_array *array);

/* Gives the memory back; the array is usable from 0 bytes again. Old pointers may be read and yield anything. */
npv_status npv_array_clear(npv_array *array, npv_error *error);

/*
 * For an array that is only kept because pointers into it may be in use: gives back the address space it did not use.
 */
void npv_array_trim(npv_array *array);

/* Gives back its memory, or file, but not its addresses: they may be read and yield anything. */
void npv_array_vacate(npv_array *array);

/* Gives everything back and leaves NPV_ARRAY_EMPTY. */
void npv_array_free(npv_array *array);

#endif
