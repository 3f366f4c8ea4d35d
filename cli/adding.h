/* What add and upsert share: all but a word. */
#ifndef CLI_ADDING_H
#define CLI_ADDING_H

#include "commands.h"

extern const cli_option cli_adding_options[];

/* Runs the command; `upsert`: rows replace those with the same ids. */
int cli_run_adding(const cli_command *command, bool upsert, int argc, char **argv);

#endif
