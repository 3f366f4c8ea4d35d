/* Borrowed and growing runs of bytes. */
#ifndef NPV_BYTES_H
#define NPV_BYTES_H

#include <stddef.h>
#include <stdint.h>

#include "npvec.h"

/* Bytes that somebody else owns. */
typedef struct npv_bytes {
    const unsigned char *data;
    size_t size;
} npv_bytes;

/* A heap buffer that grows by appending. Zero it to start; free(buffer.data) to end. */
typedef struct npv_buffer {
    unsigned char *data;
    size_t size;
    size_t capacity;
} npv_buffer;

/* Appends `size` bytes. Amortised O(size). `data` may be NULL if there are none. */
npv_status npv_buffer_append(npv_buffer *buffer, const void *data, size_t size, npv_error *error);

/* Makes room for `more` bytes behind those that are there, no more than asked: for sizes that are known. */
npv_status npv_buffer_reserve(npv_buffer *buffer, size_t more, npv_error *error);

/* Where a writer sends its bytes. */
typedef struct npv_sink {
    npv_status (*write)(void *context, const void *data, size_t size, npv_error *error);
    void *context;
} npv_sink;

/* Where a reader gets its bytes, one after the other: exactly `size` of them, or an error. */
typedef struct npv_source {
    npv_status (*read)(void *context, void *data, size_t size, npv_error *error);
    void *context;
} npv_source;

#define NPV_SHOWN 64

/* Text from a file, fit for a one-line message: control characters become '?', what is too long ends in "...". */
void npv_bytes_show(npv_bytes text, char shown[NPV_SHOWN]);

#endif
