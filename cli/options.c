#include "options.h"

#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "report.h"

#define MAX_OPTIONS 24
#define HELP_KEY 1
#define HELP_COLUMN 28
/* Names are short: longer words are no slips of the fingers. */
#define MAX_WORD 32
#define MAX_SLIPS 2

/* ---------------------------------------------------------------------------------------------------- Suggesting -- */

static size_t least(size_t a, size_t b) {
    return a < b ? a : b;
}

/* Letters to insert, delete or change to get from `a` to `b` (Levenshtein). */
static size_t slips(const char *a, const char *b) {
    size_t row[MAX_WORD + 1];
    const size_t length = strlen(b);
    for (size_t j = 0; j <= length; j++)
        row[j] = j;
    for (size_t i = 0; a[i] != '\0'; i++) {
        size_t diagonal = row[0];
        row[0] = i + 1;
        for (size_t j = 0; j < length; j++) {
            const size_t change = diagonal + (a[i] != b[j]);
            diagonal = row[j + 1];
            row[j + 1] = least(change, 1 + least(row[j], row[j + 1]));
        }
    }
    return row[length];
}

const char *cli_suggest(const char *word, const void *names, size_t stride, size_t count) {
    const char *closest = NULL;
    size_t fewest = MAX_SLIPS + 1;
    for (size_t i = 0; i < count; i++) {
        const char *name;
        memcpy(&name, (const char *)names + i * stride, sizeof name);
        if (name == NULL || strlen(word) > MAX_WORD || strlen(name) > MAX_WORD)
            continue;
        const size_t found = slips(word, name);
        if (found < fewest) {
            fewest = found;
            closest = name;
        }
    }
    return closest;
}

/* ------------------------------------------------------------------------------------------------------- Parsing -- */

static size_t count_options(const cli_command *command) {
    size_t count = 0;
    while (command->options[count].key != 0)
        count++;
    return count;
}

static const cli_option *find_option(const cli_command *command, int key) {
    const cli_option *option = command->options;
    while (option->key != 0 && option->key != key)
        option++;
    return option->key == 0 ? NULL : option;
}

static _Noreturn void fail_option(const cli_command *command, const char *word) {
    const cli_option *known = find_option(command, optopt);
    if (known != NULL && known->argument == NULL)
        cli_fail_usage("--%s takes no value", known->name);
    if (optopt != 0 && optopt < CLI_LONG && strncmp(word, "--", 2) != 0)
        cli_fail_usage("there is no option -%c", optopt);
    char name[MAX_WORD + 1];
    snprintf(name, sizeof name, "%.*s", (int)strcspn(word + 2, "="), word + 2);
    const char *meant = cli_suggest(name, &command->options[0].name, sizeof(cli_option), count_options(command));
    if (meant != NULL)
        cli_fail_usage("there is no option --%s; did you mean --%s?", name, meant);
    cli_fail_usage("there is no option --%s", name);
}

static void fill_tables(const cli_command *command, struct option *longs, char *shorts) {
    *shorts++ = ':'; /* a missing argument is told from an unknown option */
    for (const cli_option *option = command->options; option->key != 0; option++) {
        if (option->name != NULL)
            *longs++ = (struct option){option->name, option->argument == NULL ? no_argument : required_argument, NULL,
                                       option->key};
        if (option->key < CLI_LONG)
            *shorts++ = (char)option->key;
        if (option->key < CLI_LONG && option->argument != NULL)
            *shorts++ = ':';
    }
    *longs++ = (struct option){"help", no_argument, NULL, HELP_KEY};
    *longs = (struct option){0};
    *shorts = '\0';
}

int cli_next_option(const cli_command *command, int argc, char **argv) {
    struct option longs[MAX_OPTIONS + 2];
    char shorts[2 * MAX_OPTIONS + 2];
    fill_tables(command, longs, shorts);
    opterr = 0;
    const int key = getopt_long(argc, argv, shorts, longs, NULL);
    if (key == HELP_KEY) {
        cli_print_help(command);
        exit(cli_finish(CLI_DONE));
    }
    if (key == ':')
        cli_fail_usage("%s needs a value", argv[optind - 1]);
    if (key == '?')
        fail_option(command, argv[optind - 1]);
    return key;
}

uint64_t cli_parse_natural(const char *what, const char *text, uint64_t smallest) {
    char *end;
    errno = 0;
    const unsigned long long value = strtoull(text, &end, 10);
    if (*text < '0' || *text > '9' || *end != '\0' || errno != 0 || value < smallest)
        cli_fail_usage("%s: expected a whole number of at least %" PRIu64 ", found '%s'", what, smallest, text);
    return value;
}

double cli_parse_real(const char *what, const char *text) {
    char *end;
    const double value = strtod(text, &end);
    if (end == text || *end != '\0' || !isfinite(value))
        cli_fail_usage("%s: expected a number, found '%s'", what, text);
    return value;
}

/* ---------------------------------------------------------------------------------------------------------- Help -- */

static void print_option(const char *name, const char *argument, const char *help) {
    const int width = printf("  %s%s%s", name, argument == NULL ? "" : " ", argument == NULL ? "" : argument);
    for (bool first = true; *help != '\0'; first = false) {
        const size_t size = strcspn(help, "\n");
        const bool own_line = first && width >= HELP_COLUMN;
        printf("%s%*s%.*s\n", own_line ? "\n" : "", first && !own_line ? HELP_COLUMN - width : HELP_COLUMN, "",
               (int)size, help);
        help += size + (help[size] == '\n');
    }
}

static void print_usage(const cli_command *command) {
    const char *head = "Usage: ";
    for (const char *line = command->usage; *line != '\0'; head = "       ") {
        const size_t size = strcspn(line, "\n");
        printf("%snpvec %s %.*s\n", head, command->name, (int)size, line);
        line += size + (line[size] == '\n');
    }
}

void cli_print_help(const cli_command *command) {
    print_usage(command);
    printf("\n%s\n\nOptions:\n", command->description);
    for (const cli_option *option = command->options; option->key != 0; option++) {
        char name[MAX_WORD + 3];
        if (option->name != NULL)
            snprintf(name, sizeof name, "--%s", option->name);
        else
            snprintf(name, sizeof name, "-%c", option->key);
        print_option(name, option->argument, option->help);
    }
    print_option("--help", NULL, "this text");
}
