#include "adding.h"

static int run(int argc, char **argv) {
    return cli_run_adding(&cli_add, false, argc, argv);
}

const cli_command cli_add = {
    "add",
    "add vectors and documents from files",
    "STORE.npz INPUT... [options]",
    "Adds the rows of files to a store: all of them, or none if anything is wrong. An input is\n"
    "  .npy     vectors, with --metadata for their documents\n"
    "  .npz     vectors and documents, typed fields, ids\n"
    "  .jsonl   JSON Lines: objects with a vector; the rest of each is its document\n"
    "  .csv     a header, a column with vectors ([0.1, 0.2] or 0.1 0.2); the others make documents\n"
    "  .fvecs   vectors, with --metadata for their documents\n"
    "  -        JSON Lines from standard input",
    cli_adding_options,
    run,
};
