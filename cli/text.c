#include "text.h"

#include <stdio.h>
#include <string.h>
#include <wchar.h>

#include "report.h"

static void reserve(cli_buffer *buffer, size_t more) {
    if (buffer->text != NULL && buffer->capacity - buffer->size > more)
        return;
    const size_t needed = buffer->size + more + 1; /* what is held and what is added are both in memory: no overflow */
    buffer->capacity = needed > 2 * buffer->capacity ? needed : 2 * buffer->capacity;
    buffer->text = cli_resize(buffer->text, buffer->capacity, 1);
}

void cli_append(cli_buffer *buffer, const char *text, size_t size) {
    reserve(buffer, size);
    memcpy(buffer->text + buffer->size, text, size);
    buffer->size += size;
    buffer->text[buffer->size] = '\0';
}

void cli_append_values(cli_buffer *buffer, const char *format, va_list values) {
    va_list again;
    va_copy(again, values);
    const int size = vsnprintf(NULL, 0, format, again);
    va_end(again);
    reserve(buffer, (size_t)size);
    vsnprintf(buffer->text + buffer->size, (size_t)size + 1, format, values);
    buffer->size += (size_t)size;
}

void cli_append_format(cli_buffer *buffer, const char *format, ...) {
    va_list values;
    va_start(values, format);
    cli_append_values(buffer, format, values);
    va_end(values);
}

uint32_t cli_next_character(const char **at, const char *end) {
    static const uint32_t LEAST[] = {0, 0x80, 0x800, 0x10000};
    const unsigned char *c = (const unsigned char *)*at;
    const size_t left = (size_t)(end - *at);
    const size_t more = c[0] < 0x80 ? 0 : c[0] >> 5 == 6 ? 1 : c[0] >> 4 == 14 ? 2 : c[0] >> 3 == 30 ? 3 : 4;
    *at += 1;
    if (more == 0)
        return c[0];
    if (more == 4 || more >= left)
        return CLI_NOT_UTF8;
    uint32_t character = c[0] & (0x3fu >> more);
    for (size_t i = 1; i <= more; i++) {
        if (c[i] >> 6 != 2)
            return CLI_NOT_UTF8;
        character = character << 6 | (c[i] & 0x3fu);
    }
    if (character < LEAST[more] || character > 0x10ffff || character >> 11 == 0xd800 >> 11)
        return CLI_NOT_UTF8;
    *at += more;
    return character;
}

static bool is_in(uint32_t character, uint32_t first, uint32_t last) {
    return character >= first && character <= last;
}

/* Controls of both sets, what ends a line, and what turns the direction of writing. */
bool cli_is_unsafe(uint32_t character) {
    if (is_in(character, ' ', '~')) /* most of them */
        return false;
    return character < ' ' || is_in(character, 0x7f, 0x9f) || is_in(character, 0x200e, 0x200f) ||
           is_in(character, 0x2028, 0x202e) || is_in(character, 0x2066, 0x2069) || character == 0x61c ||
           character == 0xfeff;
}

void cli_append_visible(cli_buffer *buffer, const char *text, size_t size) {
    const char *const end = text + size;
    const char *plain = text;
    while (text < end) {
        const char *const start = text;
        const uint32_t character = cli_next_character(&text, end);
        if (character != CLI_NOT_UTF8 && !cli_is_unsafe(character))
            continue;
        cli_append(buffer, plain, (size_t)(start - plain));
        plain = text;
        if (character == CLI_NOT_UTF8)
            cli_append_format(buffer, "\\x%02x", (unsigned)(unsigned char)*start);
        else if (character == '\n' || character == '\r' || character == '\t')
            cli_append_format(buffer, "\\%c", character == '\n' ? 'n' : character == '\r' ? 'r' : 't');
        else
            cli_append_format(buffer, "\\u%04x", (unsigned)character);
    }
    cli_append(buffer, plain, (size_t)(end - plain));
}

/* A character that the C library does not know is taken for one column: the likeliest. */
static size_t columns_of(uint32_t character) {
    const int width = wcwidth((wchar_t)character);
    return width < 0 ? 1 : (size_t)width;
}

size_t cli_width(const char *text) {
    size_t width = 0;
    for (const char *const end = text + strlen(text); text < end;)
        width += columns_of(cli_next_character(&text, end));
    return width;
}

size_t cli_fit(const char *text, size_t columns, size_t *used) {
    const char *at = text, *const end = text + strlen(text);
    *used = 0;
    while (at < end) {
        const char *after = at;
        const size_t width = columns_of(cli_next_character(&after, end));
        if (*used + width > columns)
            break;
        *used += width;
        at = after;
    }
    return (size_t)(at - text);
}
