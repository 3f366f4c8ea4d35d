#include "bytes.h"

#include <stdlib.h>
#include <string.h>

#include "error.h"

static npv_status resize(npv_buffer *buffer, size_t capacity, npv_error *error) {
    unsigned char *const data = realloc(buffer->data, capacity);
    if (data == NULL)
        return npv_fail_memory(error, "a buffer", capacity);
    buffer->data = data;
    buffer->capacity = capacity;
    return NPV_OK;
}

npv_status npv_buffer_reserve(npv_buffer *buffer, size_t more, npv_error *error) {
    if (more > PTRDIFF_MAX - buffer->size) /* no object is larger */
        return npv_fail_memory(error, "a buffer", more);
    const size_t needed = buffer->size + more;
    return needed <= buffer->capacity ? NPV_OK : resize(buffer, needed, error);
}

npv_status npv_buffer_append(npv_buffer *buffer, const void *data, size_t size, npv_error *error) {
    if (size == 0)
        return NPV_OK;
    if (size > buffer->capacity - buffer->size) {
        /* Half as much again keeps appending amortised and lets realloc reuse what was freed before. */
        const size_t grown = buffer->capacity + buffer->capacity / 2 + 64;
        const size_t needed = buffer->size + size;
        if (size > PTRDIFF_MAX - buffer->size)
            return npv_fail_memory(error, "a buffer", size);
        const npv_status status = resize(buffer, grown > needed ? grown : needed, error);
        if (status != NPV_OK)
            return status;
    }
    memcpy(buffer->data + buffer->size, data, size);
    buffer->size += size;
    return NPV_OK;
}

void npv_bytes_show(npv_bytes text, char shown[NPV_SHOWN]) {
    const size_t room = NPV_SHOWN - 1;
    const size_t length = text.size <= room ? text.size : room;
    for (size_t i = 0; i < length; i++)
        shown[i] = (char)(text.data[i] < 0x20 || text.data[i] == 0x7f ? '?' : text.data[i]);
    shown[length] = '\0';
    if (text.size <= room)
        return;
    size_t cut = room - 3;
    while (cut > 0 && (text.data[cut] & 0xc0) == 0x80) /* not inside a UTF-8 character */
        cut--;
    memcpy(shown + cut, "...", 4);
}
