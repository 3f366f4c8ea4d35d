#include "report.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "progress.h"
#include "text.h"

/* Messages that quote a line of 64 MiB are cut here. */
#define MESSAGE_SIZE 2048

static const char *command;

void cli_set_command(const char *name) {
    command = name;
}

static void say(const char *before, const char *format, va_list values) {
    char message[MESSAGE_SIZE];
    cli_buffer line = {0};
    vsnprintf(message, sizeof message, format, values);
    cli_append_visible(&line, before, strlen(before));
    cli_append_visible(&line, message, strlen(message));
    cli_progress_end();
    fprintf(stderr, "npvec%s%s: %s\n", command == NULL ? "" : " ", command == NULL ? "" : command, line.text);
    free(line.text);
}

void cli_warn(const char *format, ...) {
    va_list values;
    va_start(values, format);
    say("", format, values);
    va_end(values);
}

void cli_fail(const char *format, ...) {
    va_list values;
    va_start(values, format);
    say("", format, values);
    va_end(values);
    exit(CLI_ERROR);
}

void cli_fail_at(cli_place place, const char *format, ...) {
    char before[MESSAGE_SIZE];
    if (place.unit == NULL)
        snprintf(before, sizeof before, "%s: ", place.path);
    else if (strcmp(place.unit, "line") == 0)
        snprintf(before, sizeof before, "%s:%" PRIu64 ": ", place.path, place.number);
    else
        snprintf(before, sizeof before, "%s: %s %" PRIu64 ": ", place.path, place.unit, place.number);
    va_list values;
    va_start(values, format);
    say(before, format, values);
    va_end(values);
    exit(CLI_ERROR);
}

void cli_fail_npv(const char *path, const npv_error *error) {
    if (strncmp(error->message, path, strlen(path)) == 0)
        cli_fail("%s", error->message);
    cli_fail("%s: %s", path, error->message);
}

void cli_fail_io(const char *path, const char *doing) {
    cli_fail("%s: %s failed: %s", path, doing, strerror(errno));
}

void cli_fail_usage(const char *format, ...) {
    va_list values;
    va_start(values, format);
    say("", format, values);
    va_end(values);
    fprintf(stderr, "Try: npvec %s%s--help\n", command == NULL ? "" : command, command == NULL ? "" : " ");
    exit(CLI_ERROR);
}

int cli_finish(int code) {
    cli_progress_end();
    const int failed_before = ferror(stdout);
    if (fclose(stdout) == 0 && !failed_before)
        return code;
    cli_warn("writing to standard output failed%s%s", failed_before ? "" : ": ", failed_before ? "" : strerror(errno));
    return CLI_ERROR;
}

void *cli_resize(void *memory, size_t count, size_t size) {
    if (size != 0 && count > SIZE_MAX / size)
        cli_fail("out of memory: %zu x %zu bytes are more than there can be", count, size);
    void *resized = realloc(memory, count * size > 0 ? count * size : 1);
    if (resized == NULL)
        cli_fail("out of memory: %zu bytes could not be had", count * size);
    return resized;
}

char *cli_copy(const char *text, size_t size) {
    char *copy = cli_resize(NULL, size + 1, 1);
    memcpy(copy, text, size);
    copy[size] = '\0';
    return copy;
}
