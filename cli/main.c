/* npvec: the command. Everything it knows of stores comes from npvec.h. */
#include <langinfo.h>
#include <locale.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "commands.h"

static const cli_command *const COMMANDS[] = {&cli_create, &cli_add,    &cli_upsert, &cli_search, &cli_get,
                                              &cli_count,  &cli_facet,  &cli_delete, &cli_info,   &cli_export,
                                              &cli_verify, &cli_repair, &cli_compact};

#define COMMAND_COUNT (sizeof COMMANDS / sizeof *COMMANDS)

/* Stores are UTF-8; the locale only tells how wide characters are. C.UTF-8 where the user's locale has no UTF-8. */
static void choose_locale(void) {
    if (setlocale(LC_CTYPE, "") != NULL && strcmp(nl_langinfo(CODESET), "UTF-8") == 0)
        return;
    if (setlocale(LC_CTYPE, "C.UTF-8") == NULL)
        setlocale(LC_CTYPE, "en_US.UTF-8");
}

static void print_help(void) {
    printf("npvec: an exact vector store in one NumPy file\n\n"
           "Usage: npvec COMMAND [arguments]\n"
           "       npvec help COMMAND\n\n"
           "Commands:\n");
    for (size_t i = 0; i < COMMAND_COUNT; i++)
        printf("  %-8s %s\n", COMMANDS[i]->name, COMMANDS[i]->summary);
    printf("\n"
           "Options:\n"
           "  --help     this text\n"
           "  --version  the version of npvec\n\n"
           "Exit status: 0 done, 1 nothing found, or something wrong, 2 error.\n");
}

static const cli_command *find_command(const char *name) {
    const char *names[COMMAND_COUNT];
    for (size_t i = 0; i < COMMAND_COUNT; i++) {
        names[i] = COMMANDS[i]->name;
        if (strcmp(name, names[i]) == 0)
            return COMMANDS[i];
    }
    const char *meant = cli_suggest(name, names, sizeof *names, COMMAND_COUNT);
    if (meant != NULL)
        cli_fail_usage("there is no command '%s'; did you mean '%s'?", name, meant);
    cli_fail_usage("there is no command '%s'", name);
}

static int help(int argc, char **argv) {
    if (argc > 3)
        cli_fail_usage("help: expected one command, found '%s' behind it", argv[3]);
    if (argc == 3)
        cli_print_help(find_command(argv[2]));
    else
        print_help();
    return CLI_DONE;
}

static int run(int argc, char **argv) {
    if (argc < 2)
        cli_fail_usage(
            "expected a command: create, add, upsert, search, get, count, facet, delete, info, export, verify, "
            "repair or compact");
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0) {
        print_help();
        return CLI_DONE;
    }
    if (strcmp(argv[1], "--version") == 0) {
        printf("npvec %s\n", npv_version());
        return CLI_DONE;
    }
    if (strcmp(argv[1], "help") == 0)
        return help(argc, argv);
    if (argv[1][0] == '-')
        cli_fail_usage("there is no option %s before the command", argv[1]);
    const cli_command *command = find_command(argv[1]);
    cli_set_command(command->name);
    return command->run(argc - 1, argv + 1);
}

int main(int argc, char **argv) {
    /*
     * A reader that has seen enough (`npvec search ... | head -1`) ends us, silently; even where somebody ignores it.
     */
    signal(SIGPIPE, SIG_DFL);
    choose_locale();
    return cli_finish(run(argc, argv));
}
