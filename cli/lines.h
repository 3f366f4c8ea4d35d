/* Text files, line by line, in bounded memory. */
#ifndef CLI_LINES_H
#define CLI_LINES_H

#include <stdbool.h>
#include <stdio.h>

#include "report.h"

/* A line may have as many bytes: room for a vector of 65,536 numbers and a document of 16 MiB. */
#define CLI_MAX_LINE 67108864

typedef struct cli_lines {
    const char *path; /* as messages name it */
    FILE *file;
    uint64_t number; /* of the line that was read last, from 1 */
    char *buffer;
    size_t begin, end, capacity; /* what is read but not yet handed out */
} cli_lines;

/* Opens `path`, or standard input for "-". */
cli_lines cli_open_lines(const char *path);

/*
 * The next line in *text, zero-terminated and without its line feed, which the caller may change and has until the next
 * call. Free of zero bytes and of a byte order mark. False at the end of the file.
 */
bool cli_next_line(cli_lines *lines, char **text, size_t *size);

/* The next line that is not blank. */
bool cli_next_filled_line(cli_lines *lines, char **text, size_t *size);

cli_place cli_lines_place(const cli_lines *lines);
void cli_close_lines(cli_lines *lines);

/* fopen for reading that succeeds or ends the process. "-" is standard input. */
FILE *cli_open_input(const char *path);

/* "-" is called "standard input". */
const char *cli_input_name(const char *path);

#endif
