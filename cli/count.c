#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>

#include "commands.h"
#include "where.h"

enum { WHERE = CLI_LONG, PARAM, JSON };

static const cli_option OPTIONS[] = {
    {WHERE, "where", "FILTER", CLI_WHERE_HELP},
    {PARAM, "param", "VALUE", CLI_PARAM_HELP},
    {JSON, "json", NULL, "print the number as JSON"},
    {0},
};

/* A filter that no row can pass because of a wrong name is worth a word; a count of 0 is not. */
static void note_missing_field(const cli_where *where, npv_store *store) {
    npv_error error;
    if (where->filter != NULL && npv_filter_check(store, where->filter, &error) == NPV_E_NOT_FOUND)
        cli_warn("%s", error.message);
}

static int run(int argc, char **argv) {
    cli_where where = {0};
    bool json = false;
    npv_selection selection = NPV_SELECTION_INIT;
    npv_error error;
    uint64_t count;
    for (int key; (key = cli_next_option(&cli_count, argc, argv)) != -1;) {
        if (key == WHERE)
            cli_set_where(&where, optarg);
        else if (key == PARAM)
            cli_add_parameter(&where, optarg);
        json = json || key == JSON;
    }
    if (argc - optind != 1)
        cli_fail_usage("expected the name of one store, found %d", argc - optind);
    cli_make_filter(&where);
    npv_store *store = cli_open_store(argv[optind]);
    cli_check_filter(&where, store);
    selection.filter = where.filter;
    if (npv_count_selected(store, &selection, &count, &error) != NPV_OK)
        cli_fail_npv(argv[optind], &error);
    printf(json ? "{\"count\": %" PRIu64 "}\n" : "%" PRIu64 "\n", count);
    if (count == 0)
        note_missing_field(&where, store);
    npv_close(store);
    cli_free_where(&where);
    return CLI_DONE;
}

const cli_command cli_count = {
    "count",
    "count rows",
    "STORE.npz [--where FILTER] [options]",
    "Prints how many rows there are, or how many of them pass a filter. No such row is an answer, too: 0.",
    OPTIONS,
    run,
};
