/* Which rows a command is about: rows by number, ids, or a filter. */
#ifndef CLI_CHOICE_H
#define CLI_CHOICE_H

#include <stdint.h>

#include "where.h"

/* Zero it to start. */
typedef struct cli_choice {
    uint64_t *rows;
    size_t row_count;
    const char **ids;
    size_t id_count;
    cli_where where;
} cli_choice;

#define CLI_ID_HELP "the row with this id; may be given several times"

void cli_choose_id(cli_choice *choice, const char *id);

/* Rows by their numbers, as operands say them. */
void cli_choose_rows(cli_choice *choice, char *const *words, int count);

/* Ends the process if more than one of rows, ids and filter was given; makes the filter. False if none was. */
bool cli_end_choice(cli_choice *choice);

/* False, and said so, if a row that was chosen by number is not there. */
bool cli_rows_are_there(const cli_choice *choice, npv_store *store, const char *path);

/* What the library takes; valid as long as `choice` is. */
npv_selection cli_selection_of(const cli_choice *choice);

void cli_free_choice(cli_choice *choice);

#endif
