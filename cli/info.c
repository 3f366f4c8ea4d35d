#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "commands.h"
#include "fields.h"
#include "json_text.h"
#include "table.h"

enum { JSON = CLI_LONG };

static const cli_option OPTIONS[] = {
    {JSON, "json", NULL, "print the same as JSON"},
    {0},
};

static uint64_t file_size(const char *path) {
    struct stat file;
    if (stat(path, &file) != 0)
        cli_fail_io(path, "reading the file's size");
    return (uint64_t)file.st_size;
}

static const char *kind_name(npv_metadata_kind kind) {
    return kind == NPV_METADATA_NONE ? "none" : kind == NPV_METADATA_DOCUMENTS ? "documents" : "typed";
}

static void print_json(const char *path, const npv_info *info, const npv_schema *schema) {
    printf("{\"path\": ");
    cli_print_json_string(path);
    printf(
        ", \"bytes\": %" PRIu64 ", \"rows\": %" PRIu64 ", \"dimensions\": %zu, \"normalize\": %s, \"metadata\": \"%s\"",
        file_size(path), info->rows, info->dimensions, info->normalize ? "true" : "false", kind_name(info->metadata));
    printf(", \"mapped\": %s, \"origin\": ", info->mapped ? "true" : "false");
    cli_print_json_string(info->origin);
    printf(", \"kernels\": \"%s\", \"threads\": %u, \"ids\": %" PRIu64, info->kernels, info->threads, info->ids);
    cli_print_fields_member(schema->fields, schema->field_count);
    printf("}\n");
}

static void print_facts(const char *path, const npv_info *info, const npv_schema *schema) {
    cli_buffer fields = {0};
    cli_append_fields(&fields, schema->fields, schema->field_count);
    cli_print_line("file         %s", path);
    cli_print_line("bytes        %" PRIu64, file_size(path));
    cli_print_line("rows         %" PRIu64, info->rows);
    cli_print_line("ids          %" PRIu64, info->ids);
    cli_print_line("dimensions   %zu", info->dimensions);
    cli_print_line("normalized   %s", info->normalize ? "yes" : "no");
    cli_print_line("metadata     %s", kind_name(info->metadata));
    if (fields.size > 0)
        cli_print_line("fields       %s", fields.text);
    cli_print_line("vectors      %s", info->origin);
    cli_print_line("kernels      %s", info->kernels);
    cli_print_line("threads      %u", info->threads);
    free(fields.text);
}

static npv_schema get_schema(npv_store *store, const char *path) {
    npv_error error;
    npv_schema schema = {.size = sizeof schema};
    if (npv_get_schema(store, &schema, &error) != NPV_OK)
        cli_fail_npv(path, &error);
    return schema;
}

static int run(int argc, char **argv) {
    bool json = false;
    while (cli_next_option(&cli_info, argc, argv) != -1)
        json = true;
    if (argc - optind != 1)
        cli_fail_usage("expected the name of one store, found %d", argc - optind);
    npv_store *store = cli_open_store(argv[optind]);
    const npv_info info = cli_get_info(store);
    const npv_schema schema = get_schema(store, argv[optind]);
    if (json)
        print_json(argv[optind], &info, &schema);
    else
        print_facts(argv[optind], &info, &schema);
    npv_close(store);
    return CLI_DONE;
}

const cli_command cli_info = {
    "info",
    "describe a store",
    "STORE.npz [options]",
    "Says what a store holds, and whether its vectors are mapped from the file or were converted, and why.",
    OPTIONS,
    run,
};
