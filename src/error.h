/* Filling the caller's npv_error. */
#ifndef NPV_ERROR_H
#define NPV_ERROR_H

#include "npvec.h"

/*
 * Fills *error (if not NULL) with the formatted message and returns `code`, so that `return npv_fail(...)` reads well.
 */
npv_status npv_fail(npv_error *error, npv_status code, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* The same with the byte offset in the caller's text at which the mistake was found. */
npv_status npv_fail_at(npv_error *error, npv_status code, size_t position, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* NPV_E_MEMORY: "out of memory: <what>, <bytes> bytes". */
npv_status npv_fail_memory(npv_error *error, const char *what, size_t bytes);

/* NPV_E_IO, or NPV_E_MEMORY after ENOMEM: "<path>: <doing> failed: <strerror(errno)>". */
npv_status npv_fail_io(npv_error *error, const char *path, const char *doing);

#endif
