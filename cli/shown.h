/* What of a row is shown, in tables and as JSON: its number and id, its document or fields of it, its vector. */
#ifndef CLI_SHOWN_H
#define CLI_SHOWN_H

#include <stdbool.h>

#include "npvec.h"
#include "table.h"

/* Zero it to start. */
typedef struct cli_shown {
    bool json;
    bool vector;
    const char **fields; /* of documents; NULL: the whole document. The words are borrowed, the array is owned */
    size_t field_count;

    /* Of the store, from cli_show_store. */
    npv_store *store;
    const char *path;
    size_t dimensions;
    bool has_ids, has_documents;
} cli_shown;

#define CLI_FIELDS_HELP "show only these fields of the documents, each in a column: title,author.name"

/* Adds the fields of "a,b.c,"d,e"", which it splits in place: commas in double quotes are part of a name. */
void cli_split_fields(cli_shown *shown, char *words);

/* Says which store the rows are in. */
void cli_show_store(cli_shown *shown, npv_store *store, const char *path);

/* Ends the process if a name of --fields is none, before anything is printed. */
void cli_check_fields(const cli_shown *shown, const uint64_t *rows, size_t count);

/* Columns and cells of the table: what tells the row, and, behind what the caller puts between, what it holds. */
void cli_add_row_columns(cli_table *table, const cli_shown *shown);
void cli_add_row_cells(cli_table *table, const cli_shown *shown, uint64_t row);
void cli_add_content_columns(cli_table *table, const cli_shown *shown);
void cli_add_content_cells(cli_table *table, const cli_shown *shown, uint64_t row);

/* Prints the members `"document": ...` and, if wanted or there, `"vector": ...` and `"id": ...`. */
void cli_print_content_members(const cli_shown *shown, uint64_t row);

#endif
