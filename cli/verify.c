#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "commands.h"
#include "findings.h"
#include "json_text.h"
#include "table.h"

enum { JSON = CLI_LONG };

static const cli_option OPTIONS[] = {
    {JSON, "json", NULL, "print the result as JSON"},
    {0},
};

/* --------------------------------------------------------------------------------------------- Findings, for all -- */

void cli_take_finding(void *context, const char *line) {
    cli_findings *findings = context;
    if (findings->json && findings->lines++ > 0)
        cli_append(&findings->text, ", ", 2);
    if (findings->json)
        cli_append_json_string(&findings->text, line, strlen(line));
    else
        cli_print_line("%s", line);
}

void cli_print_findings(cli_findings *findings, const npv_verification *counts) {
    printf("\"findings\": %" PRIu64 ", \"rows\": %" PRIu64 ", \"rows_partial\": %" PRIu64 ", \"rows_lost\": %" PRIu64
           ", \"report\": [",
           counts->findings, counts->rows, counts->rows_partial, counts->rows_lost);
    if (findings->text.size > 0)
        cli_print_json(stdout, (cli_span){findings->text.text, findings->text.size});
    printf("]}\n");
    free(findings->text.text);
}

/* -------------------------------------------------------------------------------------------------------- verify -- */

static void print_verified(const char *path, cli_findings *findings, const npv_verification *counts) {
    if (findings->json) {
        printf("{\"path\": ");
        cli_print_json_string(path);
        printf(", ");
        cli_print_findings(findings, counts);
    } else if (counts->findings == 0) {
        cli_print_line("%s: sound, %" PRIu64 " row%s", path, counts->rows, counts->rows == 1 ? "" : "s");
    } else {
        cli_print_line("%s: %" PRIu64 " finding%s; npvec repair can save %" PRIu64 " row%s", path, counts->findings,
                       counts->findings == 1 ? "" : "s", counts->rows, counts->rows == 1 ? "" : "s");
    }
}

static int run(int argc, char **argv) {
    cli_findings findings = {.json = false};
    npv_verification counts = {.size = sizeof counts};
    npv_error error;
    while (cli_next_option(&cli_verify, argc, argv) != -1)
        findings.json = true;
    if (argc - optind != 1)
        cli_fail_usage("expected the name of one store, found %d", argc - optind);
    const char *path = argv[optind];
    if (npv_verify(path, cli_take_finding, &findings, &counts, &error) != NPV_OK)
        cli_fail_npv(path, &error);
    print_verified(path, &findings, &counts);
    return counts.findings == 0 ? CLI_DONE : CLI_NOTHING_FOUND;
}

const cli_command cli_verify = {
    "verify",
    "check everything in a store's files",
    "STORE.npz [options]",
    "Reads a store and its journal whole, and names what is wrong and where, a line each. Exit status 0: sound, 1: "
    "not,\n"
    "2: it could not be checked. Changes nothing; may run beside a writer.",
    OPTIONS,
    run,
};
