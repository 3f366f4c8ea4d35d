#include "adding.h"

#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "adder.h"
#include "input.h"
#include "json_text.h"
#include "progress.h"
#include "table.h"

enum {
    METADATA = CLI_LONG,
    VECTOR_FIELD,
    VECTOR_COLUMN,
    ID_FIELD,
    FORMAT,
    INFER,
    CREATE,
    NO_NORMALIZE,
    COMPRESS,
    JSON
};

const cli_option cli_adding_options[] = {
    {METADATA, "metadata", "FILE.jsonl", "documents for the vectors of a .npy, .npz or fvecs file, one a line"},
    {VECTOR_FIELD, "vector-field", "NAME",
     "JSON Lines: the member that holds the vector (default: vector, or else\n"
     "embedding)"},
    {VECTOR_COLUMN, "vector-column", "NAME", "CSV: the column that holds the vector (default: the same)"},
    {ID_FIELD, "id-field", "NAME",
     "the member or column that holds the id, which is taken out of the document\n"
     "(upsert: id if not given)"},
    {FORMAT, "format", "FORMAT", "npy, npz, jsonl, csv or fvecs, where the files do not tell"},
    {INFER, "infer", NULL, "CSV: cells that spell numbers, true, false or null are not strings"},
    {CREATE, "create", NULL, "make the store if it is not there"},
    {NO_NORMALIZE, "no-normalize", NULL, "with --create: keep vectors as they are; a store that is there must do so"},
    {COMPRESS, "compress", NULL, "deflate the file: smaller, slower to open"},
    {JSON, "json", NULL, "print the result as JSON"},
    {0},
};

typedef struct add_settings {
    cli_input input;
    npv_store_options store;
    bool create, compress, json;
} add_settings;

static void set(add_settings *settings, int key) {
    switch (key) {
    case METADATA:
        settings->input.documents_path = optarg;
        break;
    case VECTOR_FIELD:
    case VECTOR_COLUMN:
        settings->input.vector_field = optarg;
        break;
    case ID_FIELD:
        settings->input.id_field = optarg;
        settings->input.id_field_given = true;
        break;
    case FORMAT:
        settings->input.format = cli_format_named(optarg);
        if (settings->input.format == CLI_FORMAT_UNKNOWN)
            cli_fail_usage("--format: expected npy, npz, jsonl, csv or fvecs, found '%s'", optarg);
        break;
    case NO_NORMALIZE:
        settings->store.normalize = NPV_NORMALIZE_OFF;
        break;
    default:
        settings->input.infer = settings->input.infer || key == INFER;
        settings->create = settings->create || key == CREATE;
        settings->compress = settings->compress || key == COMPRESS;
        settings->json = settings->json || key == JSON;
    }
}

static cli_adder open_adder(const char *path, bool upsert, const add_settings *settings) {
    cli_adder adder = {.store_path = path, .upsert = upsert, .options = settings->store};
    npv_error error;
    if (!cli_exists(path)) {
        if (!settings->create)
            cli_fail("%s: there is no such file; --create makes it", path);
        return adder;
    }
    if (npv_open(path, &settings->store, &adder.store, &error) != NPV_OK)
        cli_fail_npv(path, &error);
    adder.dimensions = cli_get_info(adder.store).dimensions;
    return adder;
}

static void read_inputs(const add_settings *settings, char **paths, int count, cli_adder *adder) {
    cli_progress_begin(adder->upsert ? "upserting" : "adding", 0);
    for (int i = 0; i < count; i++) {
        cli_input input = settings->input;
        input.path = paths[i];
        if (input.format == CLI_FORMAT_UNKNOWN)
            input.format = cli_format_of_input(input.path);
        cli_read_input(&input, adder);
    }
    cli_add_rest(adder);
}

static const char *plural(uint64_t count) {
    return count == 1 ? "" : "s";
}

static void print_added(const cli_adder *adder) {
    const uint64_t rows = npv_count(adder->store);
    if (adder->upsert)
        cli_print_line("added %" PRIu64 " row%s to %s and replaced %" PRIu64 "; it has %" PRIu64 " now", adder->added,
                       plural(adder->added), adder->store_path, adder->replaced, rows);
    else
        cli_print_line("added %" PRIu64 " row%s to %s, which has %" PRIu64 " now", adder->added, plural(adder->added),
                       adder->store_path, rows);
}

static void print_json(const cli_adder *adder) {
    printf("{\"path\": ");
    cli_print_json_string(adder->store_path);
    printf(", \"added\": %" PRIu64 ", \"rows\": %" PRIu64, adder->added, npv_count(adder->store));
    if (adder->upsert)
        printf(", \"replaced\": %" PRIu64, adder->replaced);
    printf("}\n");
}

static int count_stdin(const char *const *paths, int count) {
    int found = 0;
    for (int i = 0; i < count; i++)
        found += paths[i] != NULL && strcmp(paths[i], "-") == 0;
    return found;
}

static void check(const add_settings *settings, char **inputs, int count) {
    const cli_input *input = &settings->input;
    if (count < 1)
        cli_fail_usage("expected a store and at least one file to add (- for standard input)");
    if (input->documents_path != NULL && count > 1)
        cli_fail_usage("--metadata goes with one file of vectors, found %d", count);
    if (count_stdin((const char *const *)inputs, count) + count_stdin(&input->documents_path, 1) > 1)
        cli_fail_usage("standard input can be read only once");
    if (input->id_field != NULL && input->vector_field != NULL && strcmp(input->id_field, input->vector_field) == 0)
        cli_fail_usage("expected different names for id and vector, found '%s' for both", input->id_field);
}

int cli_run_adding(const cli_command *command, bool upsert, int argc, char **argv) {
    add_settings settings = {.store = NPV_STORE_OPTIONS_INIT, .input.id_field = upsert ? "id" : NULL};
    for (int key; (key = cli_next_option(command, argc, argv)) != -1;)
        set(&settings, key);
    const int inputs = argc - optind - 1;
    check(&settings, argv + optind + 1, inputs);
    cli_need_npz(argv[optind]);
    cli_adder adder = open_adder(argv[optind], upsert, &settings);
    read_inputs(&settings, argv + optind + 1, inputs, &adder);
    if (adder.store == NULL)
        cli_fail("%s: not created: there was nothing to add, so its dimensions are unknown", adder.store_path);
    cli_save_store(adder.store, adder.store_path, settings.compress);
    if (settings.json)
        print_json(&adder);
    else
        print_added(&adder);
    cli_adder_free(&adder);
    return CLI_DONE;
}
