/*
 * Where in a document a field lies: keys, and numbers of array elements.
 *
 *      year    author.name    tags[0]    "key with spaces"."and.dots"    author."family name"[2].x    [0].score
 *
 * A bare key is letters, digits, '_', '-' (not first), '$' and '@', and every byte above 127; any other stands in
 * double quotes, a double quote in it doubled. The text dialect of filters and its JSON dialect spell paths alike.
 *
 * Keys of a document that are no strings are no part of a path.
 */
#ifndef NPV_PATH_H
#define NPV_PATH_H

#include <stdbool.h>

#include "../bytes.h"

#define NPV_MAX_PATH_STEPS 32

typedef struct npv_path_step {
    npv_bytes key; /* data NULL: an element of an array, */
    size_t index;  /* with this number */
} npv_path_step;

typedef struct npv_path {
    size_t count; /* at least 1 */
    npv_path_step steps[NPV_MAX_PATH_STEPS];
    unsigned char *text; /* owned: what the keys point into */
} npv_path;

/*
 * Takes a path from the beginning of *text, which it moves behind it. On failure error->position counts from the
 * beginning of *text. *path is the caller's: npv_path_free. O(path).
 */
npv_status npv_path_take(npv_bytes *text, npv_path *path, npv_error *error);

/* The same for a text that is a path and nothing else: what callers of the library name a field by. */
npv_status npv_path_parse(const char *text, npv_path *path, npv_error *error);

npv_status npv_path_copy(const npv_path *path, npv_path *copy, npv_error *error);
bool npv_path_equal(const npv_path *a, const npv_path *b);
void npv_path_free(npv_path *path);

/* Appends the path as text that npv_path_parse reads. */
npv_status npv_path_write(const npv_path *path, npv_buffer *text, npv_error *error);

/* The fragment of the value that the path leads to in a document's fragment; size 0: it is missing. O(document). */
npv_bytes npv_path_find(const npv_path *path, npv_bytes fragment);

/* How many steps lead to something, and the fragment from there on: *reached begins with it, and may go on. */
size_t npv_path_follow(const npv_path *path, npv_bytes fragment, npv_bytes *reached);

#endif
