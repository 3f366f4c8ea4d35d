#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "caret.h"
#include "commands.h"
#include "json_text.h"
#include "table.h"
#include "where.h"

enum { WHERE = CLI_LONG, PARAM, LIMIT, JSON };

static const cli_option OPTIONS[] = {
    {WHERE, "where", "FILTER", CLI_WHERE_HELP},
    {PARAM, "param", "VALUE", CLI_PARAM_HELP},
    {LIMIT, "limit", "N", "at most N values"},
    {JSON, "json", NULL, "print the values as JSON"},
    {0},
};

typedef struct facet_settings {
    cli_where where;
    const char *field;
    uint64_t limit;
    bool json;
} facet_settings;

static facet_settings parse(int argc, char **argv) {
    facet_settings settings = {.limit = UINT64_MAX};
    for (int key; (key = cli_next_option(&cli_facet, argc, argv)) != -1;) {
        if (key == WHERE)
            cli_set_where(&settings.where, optarg);
        else if (key == PARAM)
            cli_add_parameter(&settings.where, optarg);
        else if (key == LIMIT)
            settings.limit = cli_parse_natural("--limit", optarg, 1);
        else
            settings.json = true;
    }
    if (argc - optind != 2)
        cli_fail_usage("expected a store and a field, found %d names", argc - optind);
    settings.field = argv[optind + 1];
    cli_make_filter(&settings.where);
    return settings;
}

static npv_facets find(npv_store *store, const char *path, const facet_settings *settings) {
    npv_error error;
    npv_facets facets;
    npv_selection selection = NPV_SELECTION_INIT;
    selection.filter = settings->where.filter;
    cli_check_filter(&settings->where, store);
    if (npv_get_facets(store, settings->field, &selection, &facets, &error) != NPV_OK)
        cli_fail_field("FIELD", settings->field, path, &error);
    return facets;
}

static void print_json(const npv_facets *facets, size_t shown, const char *field) {
    printf("{\"field\": ");
    cli_print_json_string(field);
    printf(", \"facets\": [");
    for (size_t i = 0; i < shown; i++) {
        const npv_facet *facet = &facets->facet[i];
        printf("%s{\"value\": ", i > 0 ? ", " : "");
        cli_print_json(stdout, (cli_span){facet->json, strlen(facet->json)});
        printf(", \"count\": %" PRIu64 "}", facet->count);
    }
    printf("], \"values\": %zu, \"missing\": %" PRIu64 "}\n", facets->count, facets->missing);
}

/* As --param would take it: text that could be another value keeps its quotes. */
static void add_value(cli_table *table, const char *json) {
    cli_buffer text = {0};
    const size_t size = strlen(json);
    cli_append(&text, "", 0);
    cli_append_value(&text, (cli_span){json, size});
    const bool as_text = json[0] == '"' && text.size > 0 && !cli_is_json_value(text.text);
    cli_add_cell(table, as_text ? text.text : json, as_text ? text.size : size);
    free(text.text);
}

static void print_table(const npv_facets *facets, size_t shown, const char *field) {
    cli_table table = {0};
    cli_add_column(&table, "count", true);
    cli_add_column(&table, field, false);
    for (size_t i = 0; i < shown; i++) {
        cli_add_cell_format(&table, "%" PRIu64, facets->facet[i].count);
        add_value(&table, facets->facet[i].json);
    }
    cli_print_table(&table);
    if (shown < facets->count)
        printf("and %zu more value%s\n", facets->count - shown, facets->count - shown == 1 ? "" : "s");
    if (facets->missing > 0)
        cli_print_line("%" PRIu64 " row%s without %s", facets->missing, facets->missing == 1 ? "" : "s", field);
}

static void say_nothing_found(const facet_settings *settings, const npv_facets *facets, npv_store *store) {
    if (facets->missing == 0)
        cli_say_nothing_found(&settings->where, store);
    else
        cli_note_field("FIELD", settings->field, store);
}

static int run(int argc, char **argv) {
    facet_settings settings = parse(argc, argv);
    npv_store *store = cli_open_store(argv[optind]);
    npv_facets facets = find(store, argv[optind], &settings);
    const size_t shown = facets.count < settings.limit ? facets.count : (size_t)settings.limit;
    if (settings.json)
        print_json(&facets, shown, settings.field);
    else
        print_table(&facets, shown, settings.field);
    if (facets.count == 0)
        say_nothing_found(&settings, &facets, store);
    npv_facets_free(&facets);
    npv_close(store);
    cli_free_where(&settings.where);
    return shown > 0 ? CLI_DONE : CLI_NOTHING_FOUND;
}

const cli_command cli_facet = {
    "facet",
    "list the values of a field and how often they occur",
    "STORE.npz FIELD [--where FILTER] [options]",
    "Lists the different values of a field, the most frequent first, and how many rows have them.",
    OPTIONS,
    run,
};
