#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>

#include "choice.h"
#include "commands.h"
#include "json_text.h"
#include "table.h"

enum { ID = CLI_LONG, WHERE, PARAM, DRY_RUN, COMPRESS, JSON };

static const cli_option OPTIONS[] = {
    {ID, "id", "ID", CLI_ID_HELP},
    {WHERE, "where", "FILTER", CLI_WHERE_HELP},
    {PARAM, "param", "VALUE", CLI_PARAM_HELP},
    {DRY_RUN, "dry-run", NULL, "only say how many rows there are to delete"},
    {COMPRESS, "compress", NULL, "deflate the file: smaller, slower to open"},
    {JSON, "json", NULL, "print the result as JSON"},
    {0},
};

typedef struct delete_settings {
    cli_choice choice;
    bool dry_run, compress, json;
} delete_settings;

static void set(delete_settings *settings, int key) {
    if (key == ID)
        cli_choose_id(&settings->choice, optarg);
    else if (key == WHERE)
        cli_set_where(&settings->choice.where, optarg);
    else if (key == PARAM)
        cli_add_parameter(&settings->choice.where, optarg);
    settings->dry_run = settings->dry_run || key == DRY_RUN;
    settings->compress = settings->compress || key == COMPRESS;
    settings->json = settings->json || key == JSON;
}

static delete_settings parse(int argc, char **argv) {
    delete_settings settings = {.dry_run = false};
    for (int key; (key = cli_next_option(&cli_delete, argc, argv)) != -1;)
        set(&settings, key);
    if (argc == optind)
        cli_fail_usage("expected a store, and rows, --id or --where");
    cli_need_npz(argv[optind]);
    cli_choose_rows(&settings.choice, argv + optind + 1, argc - optind - 1);
    if (!cli_end_choice(&settings.choice))
        cli_fail_usage("expected rows, --id or --where, found none: which rows are to be deleted?");
    return settings;
}

static void say_missing_ids(const cli_choice *choice, npv_store *store, const char *path) {
    npv_error error;
    uint64_t row;
    for (size_t i = 0; i < choice->id_count; i++)
        if (npv_find(store, choice->ids[i], &row, &error) == NPV_E_NOT_FOUND)
            cli_warn("%s: %s", path, error.message);
}

static uint64_t delete_rows(npv_store *store, const char *path, const delete_settings *settings) {
    npv_error error;
    uint64_t count;
    const npv_selection selection = cli_selection_of(&settings->choice);
    const npv_status status = settings->dry_run ? npv_count_selected(store, &selection, &count, &error)
                                                : npv_delete(store, &selection, &count, &error);
    if (status != NPV_OK)
        cli_fail_npv(path, &error);
    return count;
}

static void print_deleted(const char *path, uint64_t selected, uint64_t rows, const delete_settings *settings) {
    if (!settings->json) {
        cli_print_line("%s %" PRIu64 " row%s from %s, which has %" PRIu64 "%s",
                       settings->dry_run ? "would delete" : "deleted", selected, selected == 1 ? "" : "s", path, rows,
                       settings->dry_run ? "" : " now");
        return;
    }
    printf("{\"path\": ");
    cli_print_json_string(path);
    printf(", \"selected\": %" PRIu64 ", \"deleted\": %" PRIu64 ", \"rows\": %" PRIu64 "}\n", selected,
           settings->dry_run ? 0 : selected, rows);
}

static int run(int argc, char **argv) {
    delete_settings settings = parse(argc, argv);
    const cli_choice *choice = &settings.choice;
    const char *path = argv[optind];
    npv_store *store = cli_open_store(path);
    uint64_t selected = 0;
    if (cli_rows_are_there(choice, store, path)) {
        cli_check_filter(&choice->where, store);
        say_missing_ids(choice, store, path);
        selected = delete_rows(store, path, &settings);
        if (selected == 0 && choice->where.text != NULL)
            cli_say_nothing_found(&choice->where, store);
        if (selected > 0 && !settings.dry_run)
            cli_save_store(store, path, settings.compress);
        print_deleted(path, selected, npv_count(store), &settings);
    }
    npv_close(store);
    cli_free_choice(&settings.choice);
    return selected > 0 ? CLI_DONE : CLI_NOTHING_FOUND;
}

const cli_command cli_delete = {
    "delete",
    "delete rows by number, id or filter",
    "STORE.npz ROW... [options]\n"
    "STORE.npz --id ID [--id ID...] [options]\n"
    "STORE.npz --where FILTER [options]",
    "Deletes rows and saves the store. The rows behind them move up: row numbers change, ids do not.",
    OPTIONS,
    run,
};
