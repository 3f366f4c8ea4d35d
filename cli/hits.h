/* How hits are shown. */
#ifndef CLI_HITS_H
#define CLI_HITS_H

#include <stdbool.h>

#include "npvec.h"

typedef struct cli_shown {
    bool json;
    char **fields; /* members of documents; the words are borrowed, the array is owned */
    size_t field_count;
} cli_shown;

/* Splits "a,b,c" in place. */
void cli_split_fields(cli_shown *shown, char *words);

void cli_print_hits(npv_store *store, const char *path, const npv_hits *hits, const cli_shown *shown);

#endif
