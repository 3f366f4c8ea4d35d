/* A file that is there whole or not at all: written beside its destination and renamed. */
#ifndef CLI_OUTPUT_H
#define CLI_OUTPUT_H

#include <stdio.h>

/* Opens a file that becomes `path` with cli_commit_output, and is removed if the process ends before. One at a time. */
FILE *cli_open_output(const char *path);
void cli_commit_output(FILE *file, const char *path);

#endif
