#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "caret.h"
#include "choice.h"
#include "commands.h"
#include "shown.h"

enum { ID = CLI_LONG, WHERE, PARAM, ORDER_BY, DESC, OFFSET, LIMIT, FIELDS, VECTOR, JSON };

static const cli_option OPTIONS[] = {
    {ID, "id", "ID", CLI_ID_HELP},
    {WHERE, "where", "FILTER", CLI_WHERE_HELP},
    {PARAM, "param", "VALUE", CLI_PARAM_HELP},
    {ORDER_BY, "order-by", "FIELD", "in the order of this field, instead of that of row numbers"},
    {DESC, "desc", NULL, "with --order-by: from the largest value to the smallest"},
    {OFFSET, "offset", "N", "pass over the first N rows"},
    {LIMIT, "limit", "N", "at most N rows"},
    {FIELDS, "fields", "A,B,...", CLI_FIELDS_HELP},
    {VECTOR, "vector", NULL, "show the vectors, too"},
    {JSON, "json", NULL, "print the rows as JSON"},
    {0},
};

typedef struct get_settings {
    cli_choice choice;
    npv_select_options page;
    bool has_page; /* one of its options was given */
    cli_shown shown;
} get_settings;

static void set_page(get_settings *settings, int key) {
    settings->has_page = true;
    if (key == ORDER_BY)
        settings->page.order_by = optarg;
    else if (key == DESC)
        settings->page.descending = 1;
    else if (key == OFFSET)
        settings->page.offset = cli_parse_natural("--offset", optarg, 0);
    else
        settings->page.limit = cli_parse_natural("--limit", optarg, 1);
}

static void set(get_settings *settings, int key) {
    switch (key) {
    case ID:
        cli_choose_id(&settings->choice, optarg);
        break;
    case WHERE:
        cli_set_where(&settings->choice.where, optarg);
        break;
    case PARAM:
        cli_add_parameter(&settings->choice.where, optarg);
        break;
    case FIELDS:
        cli_split_fields(&settings->shown, optarg);
        break;
    case VECTOR:
        settings->shown.vector = true;
        break;
    case JSON:
        settings->shown.json = true;
        break;
    default:
        set_page(settings, key);
    }
}

static get_settings parse(int argc, char **argv) {
    get_settings settings = {.page = NPV_SELECT_OPTIONS_INIT};
    for (int key; (key = cli_next_option(&cli_get, argc, argv)) != -1;)
        set(&settings, key);
    if (argc == optind)
        cli_fail_usage("expected a store, and rows, --id or --where");
    cli_choose_rows(&settings.choice, argv + optind + 1, argc - optind - 1);
    const bool is_listed = settings.choice.row_count > 0 || settings.choice.id_count > 0;
    if (!cli_end_choice(&settings.choice) && !settings.has_page)
        cli_fail_usage("expected rows, --id or --where, found none; --limit N shows the first N of all");
    if (is_listed && settings.has_page)
        cli_fail_usage("--order-by, --desc, --offset and --limit go with --where, or with all rows");
    if (settings.page.descending && settings.page.order_by == NULL)
        cli_fail_usage("--desc goes with --order-by");
    return settings;
}

/* ------------------------------------------------------------------------------------------------------- Finding -- */

/* Rows by their ids, in the order asked for; NULL, and said so, if one is not there. */
static uint64_t *find_ids(npv_store *store, const char *path, const cli_choice *choice) {
    npv_error error;
    uint64_t *rows = cli_resize(NULL, choice->id_count, sizeof *rows);
    for (size_t i = 0; i < choice->id_count; i++) {
        const npv_status status = npv_find(store, choice->ids[i], &rows[i], &error);
        if (status == NPV_OK)
            continue;
        if (status != NPV_E_NOT_FOUND)
            cli_fail_npv(path, &error);
        cli_warn("%s: %s", path, error.message);
        free(rows);
        return NULL;
    }
    return rows;
}

static uint64_t *select_rows(npv_store *store, const char *path, const get_settings *settings, size_t *count) {
    npv_error error;
    uint64_t *found = NULL;
    const npv_selection selection = cli_selection_of(&settings->choice);
    npv_select_options options = settings->page;
    options.selection = &selection;
    cli_check_filter(&settings->choice.where, store);
    if (npv_select(store, &options, &found, count, &error) != NPV_OK)
        cli_fail_field("--order-by", options.order_by, path, &error);
    if (*count == 0)
        cli_say_nothing_found(&settings->choice.where, store);
    else if (options.order_by != NULL)
        cli_note_field("--order-by", options.order_by, store);
    return found;
}

/* ------------------------------------------------------------------------------------------------------ Printing -- */

static void print_json(const uint64_t *rows, size_t count, const cli_shown *shown) {
    printf("{\"rows\": [");
    for (size_t i = 0; i < count; i++) {
        printf("%s{\"row\": %" PRIu64 ", ", i > 0 ? ", " : "", rows[i]);
        cli_print_content_members(shown, rows[i]);
        printf("}");
    }
    printf("]}\n");
}

static void print_table(const uint64_t *rows, size_t count, const cli_shown *shown) {
    cli_table table = {0};
    cli_add_row_columns(&table, shown);
    cli_add_content_columns(&table, shown);
    for (size_t i = 0; i < count; i++) {
        cli_add_row_cells(&table, shown, rows[i]);
        cli_add_content_cells(&table, shown, rows[i]);
    }
    cli_print_table(&table);
}

static void print_rows(const uint64_t *rows, size_t count, const cli_shown *shown) {
    cli_check_fields(shown, rows, count);
    if (shown->json)
        print_json(rows, count, shown);
    else
        print_table(rows, count, shown);
}

static int run(int argc, char **argv) {
    get_settings settings = parse(argc, argv);
    const cli_choice *choice = &settings.choice;
    const char *path = argv[optind];
    npv_store *store = cli_open_store(path);
    size_t count = choice->row_count + choice->id_count;
    uint64_t *found = NULL;
    cli_show_store(&settings.shown, store, path);
    bool all = true;
    if (choice->row_count > 0)
        all = cli_rows_are_there(choice, store, path);
    else if (choice->id_count > 0)
        all = (found = find_ids(store, path, choice)) != NULL;
    else
        found = select_rows(store, path, &settings, &count);
    if (all)
        print_rows(choice->row_count > 0 ? choice->rows : found, count, &settings.shown);
    npv_free(found);
    npv_close(store);
    cli_free_choice(&settings.choice);
    free(settings.shown.fields);
    return all && count > 0 ? CLI_DONE : CLI_NOTHING_FOUND;
}

const cli_command cli_get = {
    "get",
    "show rows by number, id or filter",
    "STORE.npz ROW... [options]\n"
    "STORE.npz --id ID [--id ID...] [options]\n"
    "STORE.npz --where FILTER [options]",
    "Shows rows: those with these numbers, counted from 0, or ids, in the order asked for; or those that pass\na "
    "filter, in the order of row numbers or of a field.",
    OPTIONS,
    run,
};
