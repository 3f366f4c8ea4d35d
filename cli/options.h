/* The words of a command line: one table makes what is accepted and what --help prints. */
#ifndef CLI_OPTIONS_H
#define CLI_OPTIONS_H

#include <stddef.h>
#include <stdint.h>

typedef struct cli_option {
    int key;              /* what cli_next_option returns: the letter of a short option, or a number from CLI_LONG */
    const char *name;     /* after the two dashes; NULL for a short option */
    const char *argument; /* as the help names it; NULL: takes none */
    const char *help;
} cli_option;

#define CLI_LONG 256

typedef struct cli_command {
    const char *name;
    const char *summary; /* one line for the list of commands */
    const char *usage;   /* one or more lines, each without "npvec NAME" */
    const char *description;
    const cli_option *options; /* ends with key 0 */
    int (*run)(int argc, char **argv);
} cli_command;

/*
 * The key of the next option, its argument in optarg; -1 behind the last: the operands are argv[optind] and on. --help
 * is answered here; what is not in the table ends the process with a suggestion.
 */
int cli_next_option(const cli_command *command, int argc, char **argv);

void cli_print_help(const cli_command *command);

/* The one of `count` names, `stride` bytes apart, that somebody may have meant by `word`; NULL if none is close. */
const char *cli_suggest(const char *word, const void *names, size_t stride, size_t count);

/* `text` as a number of at least `least`, or ends the process; `what` is "-k" and the like. */
uint64_t cli_parse_natural(const char *what, const char *text, uint64_t least);
double cli_parse_real(const char *what, const char *text);

#endif
