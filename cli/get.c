#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "commands.h"
#include "json_text.h"
#include "table.h"

enum { VECTOR = CLI_LONG, JSON };

static const cli_option OPTIONS[] = {
    {VECTOR, "vector", NULL, "show the vectors, too"},
    {JSON, "json", NULL, "print the rows as JSON"},
    {0},
};

typedef struct get_settings {
    bool vector, json;
} get_settings;

static void append_vector(cli_buffer *text, const float *vector, size_t dimensions) {
    cli_append(text, "[", 1);
    for (size_t i = 0; i < dimensions; i++)
        cli_append_format(text, "%s%.9g", i > 0 ? ", " : "", (double)vector[i]);
    cli_append(text, "]", 1);
}

static const float *vector_of(npv_store *store, uint64_t row) {
    const float *vector;
    npv_error error;
    if (npv_get_vector(store, row, &vector, &error) != NPV_OK)
        cli_fail("%s", error.message);
    return vector;
}

static void print_json(npv_store *store, const char *path, const uint64_t *rows, size_t count, get_settings settings) {
    printf("{\"rows\": [");
    for (size_t i = 0; i < count; i++) {
        char *document = cli_get_document(store, path, rows[i]);
        printf("%s{\"row\": %" PRIu64 ", \"document\": ", i > 0 ? ", " : "", rows[i]);
        cli_print_json(stdout, document == NULL ? (cli_span){"null", 4} : (cli_span){document, strlen(document)});
        npv_free(document);
        if (settings.vector) {
            cli_buffer vector = {0};
            append_vector(&vector, vector_of(store, rows[i]), cli_get_info(store).dimensions);
            printf(", \"vector\": %s", vector.text);
            free(vector.text);
        }
        printf("}");
    }
    printf("]}\n");
}

static void print_rows(npv_store *store, const char *path, const uint64_t *rows, size_t count, get_settings settings) {
    cli_table table = {0};
    const npv_info info = cli_get_info(store);
    const bool has_documents = info.metadata != NPV_METADATA_NONE;
    cli_add_column(&table, "row", true);
    if (settings.vector)
        cli_add_column(&table, "vector", false);
    if (has_documents)
        cli_add_column(&table, "document", false);
    for (size_t i = 0; i < count; i++) {
        cli_buffer vector = {0};
        char *document = cli_get_document(store, path, rows[i]);
        cli_add_cell_format(&table, "%" PRIu64, rows[i]);
        if (settings.vector) {
            append_vector(&vector, vector_of(store, rows[i]), info.dimensions);
            cli_add_cell(&table, vector.text, vector.size);
        }
        if (has_documents)
            cli_add_cell(&table, document == NULL ? "" : document, document == NULL ? 0 : strlen(document));
        free(vector.text);
        npv_free(document);
    }
    cli_print_table(&table);
}

static uint64_t *parse_rows(char *const *words, size_t count) {
    uint64_t *rows = cli_resize(NULL, count, sizeof *rows);
    for (size_t i = 0; i < count; i++)
        rows[i] = cli_parse_natural("ROW", words[i], 0);
    return rows;
}

static bool are_there(npv_store *store, const char *path, const uint64_t *rows, size_t count) {
    const uint64_t present = npv_count(store);
    for (size_t i = 0; i < count; i++)
        if (rows[i] >= present) {
            cli_warn("%s: there is no row %" PRIu64 ": the store has %" PRIu64 " rows, counted from 0", path, rows[i],
                     present);
            return false;
        }
    return true;
}

static int run(int argc, char **argv) {
    get_settings settings = {false, false};
    for (int key; (key = cli_next_option(&cli_get, argc, argv)) != -1;) {
        settings.vector = settings.vector || key == VECTOR;
        settings.json = settings.json || key == JSON;
    }
    if (argc - optind < 2)
        cli_fail_usage("expected a store and at least one row");
    const char *path = argv[optind];
    const size_t count = (size_t)(argc - optind - 1);
    uint64_t *rows = parse_rows(argv + optind + 1, count);
    npv_store *store = cli_open_store(path);
    const bool found = are_there(store, path, rows, count);
    if (found && settings.json)
        print_json(store, path, rows, count, settings);
    else if (found)
        print_rows(store, path, rows, count, settings);
    npv_close(store);
    free(rows);
    return found ? CLI_DONE : CLI_NOTHING_FOUND;
}

const cli_command cli_get = {
    "get",
    "show rows by their numbers",
    "STORE.npz ROW... [options]",
    "Shows the documents of rows, and their vectors if asked for. Rows are counted from 0.",
    OPTIONS,
    run,
};
