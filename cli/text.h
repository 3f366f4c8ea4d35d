/* Text: a buffer that grows, UTF-8, and making text from elsewhere fit for a terminal. */
#ifndef CLI_TEXT_H
#define CLI_TEXT_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Borrowed text, not zero-terminated. */
typedef struct cli_span {
    const char *text;
    size_t size;
} cli_span;

/* Zero it to start, free(text) to end. `text` is zero-terminated once something was appended, if only "". */
typedef struct cli_buffer {
    char *text;
    size_t size;
    size_t capacity;
} cli_buffer;

void cli_append(cli_buffer *buffer, const char *text, size_t size);
void cli_append_format(cli_buffer *buffer, const char *format, ...) __attribute__((format(printf, 2, 3)));
void cli_append_values(cli_buffer *buffer, const char *format, va_list values);

/* What cli_next_character returns for a byte that is not UTF-8. */
#define CLI_NOT_UTF8 UINT32_MAX

/* The character at *at, which is before `end`; moves *at behind it. */
uint32_t cli_next_character(const char **at, const char *end);

/* Whether a terminal could take the character for a command, or the line be broken or reordered by it. */
bool cli_is_unsafe(uint32_t character);

/*
 * Appends text with everything spelt out (\n, \u001b, \xff) that could move the cursor, reorder the line or be taken
 * for a command by a terminal.
 */
void cli_append_visible(cli_buffer *buffer, const char *text, size_t size);

/* Columns that text made by cli_append_visible takes on a terminal. */
size_t cli_width(const char *text);

/* Bytes of `text` that fit `columns`, and in *used how many of those they take. */
size_t cli_fit(const char *text, size_t columns, size_t *used);

#endif
