/* Filters from the command line: --where and its --param. */
#ifndef CLI_WHERE_H
#define CLI_WHERE_H

#include <stdbool.h>

#include "npvec.h"
#include "text.h"

/* Zero it to start. */
typedef struct cli_where {
    const char *text;      /* NULL: there is no filter */
    cli_buffer parameters; /* a JSON array that is not closed yet; text NULL: there are none */
    npv_filter *filter;
} cli_where;

#define CLI_WHERE_HELP "only rows for which FILTER is true: \"year >= 2020 AND tags CONTAINS 'rag'\""
#define CLI_PARAM_HELP "the value of the next ? in FILTER: JSON if it is JSON, else text"

/* --where. */
void cli_set_where(cli_where *where, const char *text);

/* --param: a value that is JSON, and no object, stands for that; any other for its text. */
void cli_add_parameter(cli_where *where, const char *value);

/* Whether `text` is a JSON value, and no object. */
bool cli_is_json_value(const char *text);

/* Makes the filter, if there is one, from what was given; a mistake ends the process. */
void cli_make_filter(cli_where *where);

/* Ends the process where the store has typed fields, and the filter names another. */
void cli_check_filter(const cli_where *where, npv_store *store);

/* Says that nothing was found, and which field no row has if that may be why. */
void cli_say_nothing_found(const cli_where *where, npv_store *store);

/* Says so if no row has the field. */
void cli_note_field(const char *what, const char *field, npv_store *store);

void cli_free_where(cli_where *where);

#endif
