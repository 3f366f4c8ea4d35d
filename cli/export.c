#include "export.h"

#include <getopt.h>
#include <inttypes.h>
#include <string.h>

#include "commands.h"
#include "input.h"
#include "json_text.h"
#include "output.h"
#include "progress.h"
#include "table.h"

enum { FORMAT = CLI_LONG, NO_VECTORS, VECTOR_FIELD, NO_IDS, ID_FIELD, COMPRESS, FORCE, JSON };

static const cli_option OPTIONS[] = {
    {FORMAT, "format", "FORMAT", "npz, npy, jsonl or fvecs, where the name of OUTPUT does not tell"},
    {NO_VECTORS, "no-vectors", NULL, "JSON Lines: without the vectors"},
    {VECTOR_FIELD, "vector-field", "NAME", "JSON Lines: the member for the vector (default: vector)"},
    {NO_IDS, "no-ids", NULL, "JSON Lines: without the ids"},
    {ID_FIELD, "id-field", "NAME", "JSON Lines: the member for the id (default: id)"},
    {COMPRESS, "compress", NULL, ".npz: deflate the file: smaller, slower to open"},
    {FORCE, "force", NULL, "replace a file that is there already"},
    {JSON, "json", NULL, "print the result as JSON"},
    {0},
};

typedef struct export_settings {
    cli_format format;
    const char *vector_field, *id_field;
    bool no_vectors, no_ids, compress, force, json;
} export_settings;

static void set(export_settings *settings, int key) {
    switch (key) {
    case FORMAT:
        settings->format = cli_format_named(optarg);
        if (settings->format == CLI_FORMAT_UNKNOWN || settings->format == CLI_FORMAT_CSV)
            cli_fail_usage("--format: expected npz, npy, jsonl or fvecs, found '%s'", optarg);
        break;
    case VECTOR_FIELD:
        settings->vector_field = optarg;
        break;
    case ID_FIELD:
        settings->id_field = optarg;
        break;
    default:
        settings->no_vectors = settings->no_vectors || key == NO_VECTORS;
        settings->no_ids = settings->no_ids || key == NO_IDS;
        settings->compress = settings->compress || key == COMPRESS;
        settings->force = settings->force || key == FORCE;
        settings->json = settings->json || key == JSON;
    }
}

static cli_format format_of(const export_settings *settings, const char *output) {
    if (settings->format != CLI_FORMAT_UNKNOWN)
        return settings->format;
    return strcmp(output, "-") == 0 ? CLI_FORMAT_JSONL : cli_format_of_path(output);
}

static void check(const export_settings *settings, const char *output) {
    const bool jsonl = settings->format == CLI_FORMAT_JSONL;
    if (settings->format == CLI_FORMAT_UNKNOWN || settings->format == CLI_FORMAT_CSV)
        cli_fail_usage("%s: its name does not tell the format; say --format npz, npy, jsonl or fvecs", output);
    if ((settings->no_vectors || settings->vector_field != NULL) && !jsonl)
        cli_fail_usage("--%s goes with JSON Lines", settings->no_vectors ? "no-vectors" : "vector-field");
    if (settings->no_vectors && settings->vector_field != NULL)
        cli_fail_usage("--vector-field and --no-vectors exclude each other");
    if ((settings->no_ids || settings->id_field != NULL) && !jsonl)
        cli_fail_usage("--%s goes with JSON Lines", settings->no_ids ? "no-ids" : "id-field");
    if (settings->no_ids && settings->id_field != NULL)
        cli_fail_usage("--id-field and --no-ids exclude each other");
    if (settings->compress && settings->format != CLI_FORMAT_NPZ)
        cli_fail_usage("--compress goes with .npz");
    if (strcmp(output, "-") == 0 && (settings->json || settings->format == CLI_FORMAT_NPZ))
        cli_fail_usage("%s needs a file, not standard output", settings->json ? "--json" : "--format npz");
}

/* The name of a member, or NULL where it is not wanted. */
static const char *member_name(bool unwanted, const char *given, const char *usual) {
    return unwanted ? NULL : given == NULL ? usual : given;
}

static void write_rows(npv_store *store, const char *path, const export_settings *settings, FILE *file) {
    const bool no_ids = settings->no_ids || cli_get_info(store).ids == 0;
    const cli_members_added added = {member_name(no_ids, settings->id_field, "id"),
                                     member_name(settings->no_vectors, settings->vector_field, "vector")};
    if (added.id != NULL && added.vector != NULL && strcmp(added.id, added.vector) == 0)
        cli_fail_usage("expected different names for id and vector, found '%s' for both", added.id);
    if (settings->format == CLI_FORMAT_NPY)
        cli_write_npy(store, file);
    else if (settings->format == CLI_FORMAT_FVECS)
        cli_write_fvecs(store, file);
    else
        cli_write_jsonl(store, path, added, file);
}

static void write_file(npv_store *store, const char *path, const char *output, const export_settings *settings) {
    if (settings->format == CLI_FORMAT_NPZ) {
        cli_save_store(store, output, settings->compress);
        return;
    }
    FILE *file = cli_open_output(output);
    write_rows(store, path, settings, file);
    cli_progress_phase("flushing to disk");
    cli_commit_output(file, output);
}

static void print_exported(uint64_t rows, const char *output, bool json) {
    if (!json) {
        cli_print_line("wrote %" PRIu64 " row%s to %s", rows, rows == 1 ? "" : "s", output);
        return;
    }
    printf("{\"path\": ");
    cli_print_json_string(output);
    printf(", \"rows\": %" PRIu64 "}\n", rows);
}

static int run(int argc, char **argv) {
    export_settings settings = {.format = CLI_FORMAT_UNKNOWN};
    for (int key; (key = cli_next_option(&cli_export, argc, argv)) != -1;)
        set(&settings, key);
    if (argc - optind != 2)
        cli_fail_usage("expected a store and the name of a file to write, found %d names", argc - optind);
    const char *path = argv[optind], *output = argv[optind + 1];
    const bool to_stdout = strcmp(output, "-") == 0;
    settings.format = format_of(&settings, output);
    check(&settings, output);
    if (!to_stdout)
        cli_refuse_to_overwrite(output, settings.force);
    npv_store *store = cli_open_store(path);
    if (to_stdout) {
        write_rows(store, path, &settings, stdout);
    } else {
        cli_progress_begin("exporting", npv_count(store));
        write_file(store, path, output, &settings);
        cli_progress_end();
        print_exported(npv_count(store), output, settings.json);
    }
    npv_close(store);
    return CLI_DONE;
}

const cli_command cli_export = {
    "export",
    "write a store in another format",
    "STORE.npz OUTPUT [options]",
    "Writes the rows of a store to a file: .npz (everything), .npy (vectors), .jsonl (documents with their ids and\n"
    "vectors) or .fvecs (vectors). - writes JSON Lines to standard output.",
    OPTIONS,
    run,
};
