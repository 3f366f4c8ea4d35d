#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "commands.h"
#include "json_text.h"
#include "table.h"

enum { COMPRESS = CLI_LONG, JSON };

static const cli_option OPTIONS[] = {
    {COMPRESS, "compress", NULL, "deflate the file: smaller, slower to open"},
    {JSON, "json", NULL, "print the result as JSON"},
    {0},
};

/* Bytes of the store and, if there is one, of its journal. */
static uint64_t size_of_files(const char *path) {
    struct stat file;
    cli_buffer journal = {0};
    if (stat(path, &file) != 0)
        cli_fail_io(path, "reading the file's size");
    uint64_t size = (uint64_t)file.st_size;
    cli_append_format(&journal, "%s-journal", path);
    if (stat(journal.text, &file) == 0)
        size += (uint64_t)file.st_size;
    free(journal.text);
    return size;
}

/* For writing, so that nobody else does meanwhile. */
static npv_store *open_store(const char *path) {
    npv_store_options options = NPV_STORE_OPTIONS_INIT;
    npv_store *store;
    npv_error error;
    options.durability = NPV_DURABILITY_DISK;
    if (npv_open(path, &options, &store, &error) != NPV_OK)
        cli_fail_npv(path, &error);
    return store;
}

static void print_compacted(const char *path, uint64_t rows, uint64_t before, uint64_t after, bool json) {
    if (!json) {
        cli_print_line("compacted %s: %" PRIu64 " row%s, %" PRIu64 " bytes, before it was %" PRIu64, path, rows,
                       rows == 1 ? "" : "s", after, before);
        return;
    }
    printf("{\"path\": ");
    cli_print_json_string(path);
    printf(", \"rows\": %" PRIu64 ", \"bytes_before\": %" PRIu64 ", \"bytes\": %" PRIu64 "}\n", rows, before, after);
}

static int run(int argc, char **argv) {
    bool json = false, compress = false;
    for (int key; (key = cli_next_option(&cli_compact, argc, argv)) != -1;) {
        json = json || key == JSON;
        compress = compress || key == COMPRESS;
    }
    if (argc - optind != 1)
        cli_fail_usage("expected the name of one store, found %d", argc - optind);
    const char *path = argv[optind];
    cli_need_npz(path);
    const uint64_t before = size_of_files(path);
    npv_store *store = open_store(path);
    cli_save_store(store, path, compress);
    const uint64_t rows = npv_count(store);
    npv_close(store);
    print_compacted(path, rows, before, size_of_files(path), json);
    return CLI_DONE;
}

const cli_command cli_compact = {
    "compact",
    "fold the journal into the archive",
    "STORE.npz [options]",
    "Takes the changes of the journal into the archive and writes that anew, without deleted rows: what was deleted "
    "or\n"
    "replaced is in neither file any more. Row numbers close up. Fails if another process has the store open for "
    "writing.",
    OPTIONS,
    run,
};
