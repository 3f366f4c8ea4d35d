#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "commands.h"
#include "fields.h"
#include "json_text.h"
#include "table.h"

enum { DIMENSIONS = CLI_LONG, FIELD, NO_NORMALIZE, FORCE, JSON };

static const cli_option OPTIONS[] = {
    {DIMENSIONS, "dimensions", "N", "numbers in a vector; required"},
    {FIELD, "field", "NAME:TYPE",
     "a typed field that every row has; may be given several times. TYPE is NumPy's:\n"
     "b1, i1 to i8, u1 to u8, f2 to f8, U<characters>, S<bytes>, M8[<unit>], m8[<unit>]"},
    {NO_NORMALIZE, "no-normalize", NULL, "keep vectors as they are, instead of scaling them to unit length"},
    {FORCE, "force", NULL, "replace a file that is there already"},
    {JSON, "json", NULL, "print the result as JSON"},
    {0},
};

typedef struct create_settings {
    npv_store_options store;
    npv_field *fields;
    bool force, json;
} create_settings;

/* Types have no colon, names may. */
static void add_field(create_settings *settings, char *word) {
    char *const colon = strrchr(word, ':');
    if (colon == NULL || colon == word || colon[1] == '\0')
        cli_fail_usage("--field: expected NAME:TYPE, such as year:i4, found '%s'", word);
    const size_t count = settings->store.field_count++;
    settings->fields = cli_resize(settings->fields, count + 1, sizeof *settings->fields);
    *colon = '\0';
    settings->fields[count] = (npv_field){word, colon + 1};
    settings->store.fields = settings->fields;
}

static void set(create_settings *settings, int key) {
    if (key == DIMENSIONS)
        settings->store.dimensions = (size_t)cli_parse_natural("--dimensions", optarg, 1);
    else if (key == FIELD)
        add_field(settings, optarg);
    else if (key == NO_NORMALIZE)
        settings->store.normalize = NPV_NORMALIZE_OFF;
    settings->force = settings->force || key == FORCE;
    settings->json = settings->json || key == JSON;
}

static void print_created(const char *path, const create_settings *settings) {
    const npv_store_options *store = &settings->store;
    const bool normalize = store->normalize != NPV_NORMALIZE_OFF;
    if (!settings->json) {
        cli_buffer fields = {0};
        cli_append(&fields, "", 0);
        cli_append_fields(&fields, store->fields, store->field_count);
        cli_print_line("created %s: %zu dimensions, vectors %s%s%s", path, store->dimensions,
                       normalize ? "scaled to unit length" : "kept as they are",
                       store->field_count > 0 ? ", fields " : "", fields.text);
        free(fields.text);
        return;
    }
    printf("{\"path\": ");
    cli_print_json_string(path);
    printf(", \"dimensions\": %zu, \"normalize\": %s", store->dimensions, normalize ? "true" : "false");
    cli_print_fields_member(store->fields, store->field_count);
    printf("}\n");
}

static int run(int argc, char **argv) {
    create_settings settings = {.store = NPV_STORE_OPTIONS_INIT};
    npv_store *store;
    npv_error error;
    for (int key; (key = cli_next_option(&cli_create, argc, argv)) != -1;)
        set(&settings, key);
    if (argc - optind != 1)
        cli_fail_usage("expected the name of one store to create, found %d", argc - optind);
    if (settings.store.dimensions == 0)
        cli_fail_usage("--dimensions is missing: how many numbers does a vector have?");
    cli_need_npz(argv[optind]);
    cli_refuse_to_overwrite(argv[optind], settings.force);
    if (npv_create(&settings.store, &store, &error) != NPV_OK)
        cli_fail_usage("%s", error.message);
    cli_save_store(store, argv[optind], false);
    npv_close(store);
    print_created(argv[optind], &settings);
    free(settings.fields);
    return CLI_DONE;
}

const cli_command cli_create = {
    "create",
    "make an empty store",
    "STORE.npz --dimensions N [options]",
    "Makes an empty store for vectors of N numbers. Its rows have documents, or, with --field, typed fields.",
    OPTIONS,
    run,
};
