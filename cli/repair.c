#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>

#include "commands.h"
#include "findings.h"
#include "json_text.h"
#include "table.h"

enum { JSON = CLI_LONG };

static const cli_option OPTIONS[] = {
    {JSON, "json", NULL, "print the result as JSON"},
    {0},
};

static void print_repaired(const char *path, const char *to, cli_findings *findings, const npv_verification *counts) {
    if (!findings->json) {
        cli_print_line("saved %" PRIu64 " row%s to %s; %" PRIu64 " lost", counts->rows, counts->rows == 1 ? "" : "s",
                       to, counts->rows_lost);
        return;
    }
    printf("{\"path\": ");
    cli_print_json_string(path);
    printf(", \"to\": ");
    cli_print_json_string(to);
    printf(", ");
    cli_print_findings(findings, counts);
}

static int run(int argc, char **argv) {
    cli_findings findings = {.json = false};
    npv_verification counts = {.size = sizeof counts};
    npv_error error;
    while (cli_next_option(&cli_repair, argc, argv) != -1)
        findings.json = true;
    if (argc - optind != 2)
        cli_fail_usage("expected a store and the name of a new one, found %d names", argc - optind);
    const char *path = argv[optind], *to = argv[optind + 1];
    cli_need_npz(to);
    if (npv_repair(path, to, cli_take_finding, &findings, &counts, &error) != NPV_OK)
        cli_fail_npv(error.code == NPV_E_EXISTS ? to : path, &error);
    print_repaired(path, to, &findings, &counts);
    return CLI_DONE;
}

const cli_command cli_repair = {
    "repair",
    "save what can be had of a damaged store",
    "STORE.npz NEW.npz [options]",
    "Writes all rows that can be read of a store and its journal to a new file, and says what is lost. The store's "
    "own\n"
    "files stay as they are, and no file is ever overwritten.",
    OPTIONS,
    run,
};
