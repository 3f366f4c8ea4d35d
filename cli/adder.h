/* Rows on their way into a store: gathered into batches, all of them or none. */
#ifndef CLI_ADDER_H
#define CLI_ADDER_H

#include <stdbool.h>

#include "report.h"

typedef struct cli_adder {
    const char *store_path;
    bool upsert;               /* rows replace those with the same ids */
    npv_store *store;          /* NULL until the first row tells the dimensions of a store to be created */
    npv_store_options options; /* of that store */
    size_t dimensions;         /* 0 while unknown */

    /* The batch. */
    float *vectors;
    char **documents;
    char **ids;
    unsigned char *records;
    cli_place *places;
    size_t count, most;
    size_t text_bytes; /* of documents and ids */
    bool has_documents, has_ids, has_records;

    size_t record_size; /* of a store with typed fields */
    uint64_t *rows;     /* upsert: where those of the batch went, */
    uint64_t *touched;  /* and a bit for every row to which some did: an id may be there once in all inputs */
    uint64_t touched_words;
    uint64_t added, replaced; /* rows of the batches before */
} cli_adder;

typedef struct cli_new_row {
    const float *vector;
    size_t dimensions;
    char *document;     /* JSON, or NULL; the adder takes it over, */
    char *id;           /* and this, or NULL */
    const void *record; /* instead of a document, from a store with the same typed fields; or NULL */
    cli_place place;
} cli_new_row;

/* Makes the store, if it is not there, and the room for batches. Called by cli_add_row, or before to say the fields. */
void cli_begin_adding(cli_adder *adder, size_t dimensions, const npv_field *fields, size_t field_count);

/* Adds a row. A wrong vector, document or id ends the process. */
void cli_add_row(cli_adder *adder, const cli_new_row *row);

/* Adds what is left of the last batch. */
void cli_add_rest(cli_adder *adder);

void cli_adder_free(cli_adder *adder);

#endif
