/* Where vectors and documents come from. A reader gives its rows to an adder, and ends the process over a mistake. */
#ifndef CLI_INPUT_H
#define CLI_INPUT_H

#include <stdbool.h>

#include "adder.h"
#include "text.h"

typedef enum cli_format {
    CLI_FORMAT_UNKNOWN,
    CLI_FORMAT_NPZ,
    CLI_FORMAT_NPY,
    CLI_FORMAT_JSONL,
    CLI_FORMAT_CSV,
    CLI_FORMAT_FVECS
} cli_format;

/* By the name of the format: "npy", "jsonl", ... */
cli_format cli_format_named(const char *name);

/* By the end of a file's name. */
cli_format cli_format_of_path(const char *path);

/* By what the file begins with, then by the end of its name. Pipes and standard input are taken for JSON Lines. */
cli_format cli_format_of_input(const char *path);

typedef struct cli_input {
    const char *path;
    cli_format format;
    const char *vector_field;   /* member or column that holds the vector; NULL: "vector", or else "embedding" */
    const char *id_field;       /* member or column that holds the id; NULL: rows have none, but in an .npz */
    bool id_field_given;        /* and not only taken for granted */
    const char *documents_path; /* JSON Lines with the documents of a file that holds vectors alone, or NULL */
    bool infer;                 /* CSV: numbers, true, false and null are not strings */
} cli_input;

void cli_read_input(const cli_input *input, cli_adder *adder);

void cli_read_npy(const cli_input *input, cli_adder *adder);
void cli_read_jsonl(const cli_input *input, cli_adder *adder);
void cli_read_csv(const cli_input *input, cli_adder *adder);
void cli_read_fvecs(const cli_input *input, cli_adder *adder);

/* The documents that go with vectors of another file, one a line. */
typedef struct cli_documents cli_documents;

/* NULL for a NULL path. */
cli_documents *cli_open_documents(const char *path);

/*
 * The document of the next vector and the id in it, the caller's; NULL for `null`, and without `id_field`. Ends the
 * process when there are too few.
 */
char *cli_next_document(cli_documents *documents, const cli_input *input, char **id);

/* Ends the process when there are too many. */
void cli_close_documents(cli_documents *documents, const char *vectors_path);

/* A copy of the JSON document in `text`, checked; NULL for `null`. */
char *cli_copy_document(const char *text, size_t size, cli_place place);

#endif
