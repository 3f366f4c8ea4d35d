/* Writing rows in formats that npv_save does not write. */
#ifndef CLI_EXPORT_H
#define CLI_EXPORT_H

#include <stdbool.h>
#include <stdio.h>

#include "npvec.h"

/* All of these end the process if a row cannot be written; whether `file` took everything is for the caller to ask. */
void cli_write_npy(npv_store *store, FILE *file);
void cli_write_fvecs(npv_store *store, FILE *file);

/* Members that are added to documents; NULL: not wanted. */
typedef struct cli_members_added {
    const char *id, *vector;
} cli_members_added;

/* One object a row: its document with these members; documents alone if there are none. */
void cli_write_jsonl(npv_store *store, const char *path, cli_members_added added, FILE *file);

#endif
