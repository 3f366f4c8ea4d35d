/* Mistakes in text from the command line, shown with a caret under the place. */
#ifndef CLI_CARET_H
#define CLI_CARET_H

#include "npvec.h"

/*
 * "<what>: <message>", and, where the error has a position in `text`, below it the text, cut around the position if it
 * is long, and a caret. Ends the process.
 */
_Noreturn void cli_fail_in_text(const char *what, const char *text, const npv_error *error);

/* A call that took a field failed: over its name, or the store's file. */
_Noreturn void cli_fail_field(const char *what, const char *field, const char *path, const npv_error *error);

#endif
