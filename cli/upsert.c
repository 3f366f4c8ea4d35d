#include "adding.h"

static int run(int argc, char **argv) {
    return cli_run_adding(&cli_upsert, true, argc, argv);
}

const cli_command cli_upsert = {
    "upsert",
    "add rows, or replace those with the same ids",
    "STORE.npz INPUT... [options]",
    "As add, for rows with ids: a row whose id is in the store replaces vector and document of the row with\n"
    "that id, which keeps its number; the others are added. An id may be in the inputs only once.",
    cli_adding_options,
    run,
};
