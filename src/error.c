#include "error.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static npv_status fill(npv_error *error, npv_status code, size_t position, const char *format, va_list values) {
    if (error == NULL)
        return code;
    error->code = code;
    error->position = position;
    vsnprintf(error->message, sizeof error->message, format, values);
    return code;
}

npv_status npv_fail(npv_error *error, npv_status code, const char *format, ...) {
    va_list values;
    va_start(values, format);
    fill(error, code, NPV_NO_POSITION, format, values);
    va_end(values);
    return code;
}

npv_status npv_fail_at(npv_error *error, npv_status code, size_t position, const char *format, ...) {
    va_list values;
    va_start(values, format);
    fill(error, code, position, format, values);
    va_end(values);
    return code;
}

npv_status npv_fail_memory(npv_error *error, const char *what, size_t bytes) {
    return npv_fail(error, NPV_E_MEMORY, "out of memory: %s needs %zu bytes", what, bytes);
}

npv_status npv_fail_io(npv_error *error, const char *path, const char *doing) {
    const int reason = errno;
    return npv_fail(error, reason == ENOMEM ? NPV_E_MEMORY : NPV_E_IO, "%s: %s failed: %s", path, doing,
                    strerror(reason));
}
