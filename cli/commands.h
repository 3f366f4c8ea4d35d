/* The commands, and what several of them need. */
#ifndef CLI_COMMANDS_H
#define CLI_COMMANDS_H

#include <stdbool.h>

#include "options.h"
#include "report.h"

extern const cli_command cli_add;
extern const cli_command cli_compact;
extern const cli_command cli_count;
extern const cli_command cli_create;
extern const cli_command cli_delete;
extern const cli_command cli_export;
extern const cli_command cli_facet;
extern const cli_command cli_get;
extern const cli_command cli_info;
extern const cli_command cli_repair;
extern const cli_command cli_search;
extern const cli_command cli_upsert;
extern const cli_command cli_verify;

/* Opens the store or ends the process. */
npv_store *cli_open_store(const char *path);

npv_info cli_get_info(npv_store *store);

/* Writes the store to `path` or ends the process. */
void cli_save_store(npv_store *store, const char *path, bool compress);

/* Ends the process if npv_save would refuse the name: better now than after the work. */
void cli_need_npz(const char *path);

bool cli_exists(const char *path);

/* Ends the process if `path` exists and `force` is false. */
void cli_refuse_to_overwrite(const char *path, bool force);

/*
 * The document of a row as JSON, the caller's to free; NULL if it has none. Typed fields that npvec does not read count
 * as none, and are said so once.
 */
char *cli_get_document(npv_store *store, const char *path, uint64_t row);

/* A document could not be had: ends the process, but for fields as above. */
void cli_miss_document(npv_store *store, const char *path, const npv_error *error);

#endif
