#include "lines.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#ifndef FIRST_CAPACITY /* fuzz/CMakeLists.txt */
#define FIRST_CAPACITY 65536
#endif

const char *cli_input_name(const char *path) {
    return strcmp(path, "-") == 0 ? "standard input" : path;
}

FILE *cli_open_input(const char *path) {
    if (strcmp(path, "-") == 0)
        return stdin;
    FILE *file = fopen(path, "rb");
    if (file == NULL)
        cli_fail_io(path, "opening");
    return file;
}

cli_lines cli_open_lines(const char *path) {
    cli_lines lines = {.path = cli_input_name(path), .file = cli_open_input(path), .capacity = FIRST_CAPACITY};
    lines.buffer = cli_resize(NULL, lines.capacity, 1);
    return lines;
}

void cli_close_lines(cli_lines *lines) {
    if (lines->file != stdin)
        fclose(lines->file);
    free(lines->buffer);
    lines->buffer = NULL;
}

cli_place cli_lines_place(const cli_lines *lines) {
    return (cli_place){lines->path, "line", lines->number};
}

/*
 * Reads more behind what is there, and leaves a byte for the terminating zero. False at the end of the file. Not by
 * fread, which would wait for a full buffer while lines of a slow pipe are there to be worked on.
 */
static bool fill(cli_lines *lines) {
    if (lines->begin > 0) {
        memmove(lines->buffer, lines->buffer + lines->begin, lines->end - lines->begin);
        lines->end -= lines->begin;
        lines->begin = 0;
    }
    if (lines->end > CLI_MAX_LINE)
        cli_fail_at((cli_place){lines->path, "line", lines->number + 1},
                    "expected a line of at most %d bytes, found more", CLI_MAX_LINE);
    if (lines->end + 1 >= lines->capacity) {
        lines->capacity *= 2;
        lines->buffer = cli_resize(lines->buffer, lines->capacity, 1);
    }
    ssize_t got;
    do {
        got = read(fileno(lines->file), lines->buffer + lines->end, lines->capacity - 1 - lines->end);
    } while (got < 0 && errno == EINTR);
    if (got < 0)
        cli_fail_io(lines->path, "reading");
    lines->end += (size_t)got;
    return got > 0;
}

static void skip_byte_order_mark(char **text, size_t *size) {
    if (*size >= 3 && memcmp(*text, "\xef\xbb\xbf", 3) == 0) {
        *text += 3;
        *size -= 3;
    }
}

bool cli_next_line(cli_lines *lines, char **text, size_t *size) {
    size_t searched = 0;
    char *feed;
    while ((feed = memchr(lines->buffer + lines->begin + searched, '\n', lines->end - lines->begin - searched)) ==
           NULL) {
        searched = lines->end - lines->begin;
        if (!fill(lines))
            break;
    }
    if (feed == NULL && searched == 0)
        return false;
    *text = lines->buffer + lines->begin;
    *size = feed == NULL ? searched : (size_t)(feed - *text);
    (*text)[*size] = '\0';
    lines->begin += *size + (feed != NULL);
    lines->number++;
    if (memchr(*text, '\0', *size) != NULL)
        cli_fail_at(cli_lines_place(lines), "expected text, found a zero byte at byte %zu of the line", strlen(*text));
    if (lines->number == 1)
        skip_byte_order_mark(text, size);
    return true;
}

bool cli_next_filled_line(cli_lines *lines, char **text, size_t *size) {
    while (cli_next_line(lines, text, size))
        if (strspn(*text, " \t\r") < *size)
            return true;
    return false;
}
