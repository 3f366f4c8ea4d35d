/*
 * What the command says on standard error, and how it ends.
 *
 * A mistake ends the process where it is found: nothing needs to be undone, because a store is written only when
 * everything else has succeeded. Messages are one line, and hostile text in them cannot steer the terminal.
 */
#ifndef CLI_REPORT_H
#define CLI_REPORT_H

#include <stddef.h>
#include <stdint.h>

#include "npvec.h"

enum { CLI_DONE = 0, CLI_NOTHING_FOUND = 1, CLI_ERROR = 2 };

/* Where in an input something stands. */
typedef struct cli_place {
    const char *path;
    const char *unit; /* "line" is written path:17, anything else path: unit 17; NULL: the file as a whole */
    uint64_t number;
} cli_place;

/* The command that runs, for the head of messages; NULL before it is known. */
void cli_set_command(const char *name);

void cli_warn(const char *format, ...) __attribute__((format(printf, 1, 2)));
_Noreturn void cli_fail(const char *format, ...) __attribute__((format(printf, 1, 2)));
_Noreturn void cli_fail_at(cli_place place, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* The library's message, led by `path` unless it names it already. */
_Noreturn void cli_fail_npv(const char *path, const npv_error *error);

/* "<path>: <doing> failed: <errno in words>". */
_Noreturn void cli_fail_io(const char *path, const char *doing);

/* The caller's words are wrong; points to the help. */
_Noreturn void cli_fail_usage(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Closes standard output; returns `code`, or CLI_ERROR if something could not be written. */
int cli_finish(int code);

/* realloc of count x size bytes that succeeds or ends the process. */
void *cli_resize(void *memory, size_t count, size_t size);

/* A zero-terminated copy of `size` bytes. */
char *cli_copy(const char *text, size_t size);

#endif
