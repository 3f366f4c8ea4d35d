/* Rows on their way into a store: gathered into batches, all of them or none. */
#ifndef CLI_ADDER_H
#define CLI_ADDER_H

#include <stdbool.h>

#include "report.h"

typedef struct cli_adder {
    const char *store_path;
    npv_store *store;          /* NULL until the first row tells the dimensions of a store to be created */
    npv_store_options options; /* of that store */
    size_t dimensions;         /* 0 while unknown */

    /* The batch. */
    float *vectors;
    char **documents;
    cli_place *places;
    size_t count, most;
    size_t document_bytes;
    bool has_documents;

    uint64_t added;
} cli_adder;

/* Adds a row. Takes ownership of `document` (JSON, or NULL). A wrong vector or document ends the process. */
void cli_add_row(cli_adder *adder, const float *vector, size_t dimensions, char *document, cli_place place);

/* Adds what is left of the last batch. */
void cli_add_rest(cli_adder *adder);

void cli_adder_free(cli_adder *adder);

#endif
