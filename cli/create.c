#include <getopt.h>
#include <stdio.h>

#include "commands.h"
#include "json_text.h"
#include "table.h"

enum { DIMENSIONS = CLI_LONG, NO_NORMALIZE, FORCE, JSON };

static const cli_option OPTIONS[] = {
    {DIMENSIONS, "dimensions", "N", "numbers in a vector; required"},
    {NO_NORMALIZE, "no-normalize", NULL, "keep vectors as they are, instead of scaling them to unit length"},
    {FORCE, "force", NULL, "replace a file that is there already"},
    {JSON, "json", NULL, "print the result as JSON"},
    {0},
};

static void print_created(const char *path, const npv_store_options *options, bool json) {
    const bool normalize = options->normalize != NPV_NORMALIZE_OFF;
    if (!json) {
        cli_print_line("created %s: %zu dimensions, vectors %s", path, options->dimensions,
                       normalize ? "scaled to unit length" : "kept as they are");
        return;
    }
    printf("{\"path\": ");
    cli_print_json_string(path);
    printf(", \"dimensions\": %zu, \"normalize\": %s}\n", options->dimensions, normalize ? "true" : "false");
}

static int run(int argc, char **argv) {
    npv_store_options options = NPV_STORE_OPTIONS_INIT;
    npv_store *store;
    npv_error error;
    bool force = false, json = false;
    for (int key; (key = cli_next_option(&cli_create, argc, argv)) != -1;) {
        if (key == DIMENSIONS)
            options.dimensions = (size_t)cli_parse_natural("--dimensions", optarg, 1);
        else if (key == NO_NORMALIZE)
            options.normalize = NPV_NORMALIZE_OFF;
        force = force || key == FORCE;
        json = json || key == JSON;
    }
    if (argc - optind != 1)
        cli_fail_usage("expected the name of one store to create, found %d", argc - optind);
    if (options.dimensions == 0)
        cli_fail_usage("--dimensions is missing: how many numbers does a vector have?");
    cli_need_npz(argv[optind]);
    cli_refuse_to_overwrite(argv[optind], force);
    if (npv_create(&options, &store, &error) != NPV_OK)
        cli_fail_usage("%s", error.message);
    cli_save_store(store, argv[optind], false);
    npv_close(store);
    print_created(argv[optind], &options, json);
    return CLI_DONE;
}

const cli_command cli_create = {
    "create",
    "make an empty store",
    "STORE.npz --dimensions N [options]",
    "Makes an empty store for vectors of N numbers.",
    OPTIONS,
    run,
};
