/* One line on standard error while work takes long, if that is a terminal. */
#ifndef CLI_PROGRESS_H
#define CLI_PROGRESS_H

#include <stdint.h>

/* Starts the clock. `what` is "adding" and the like and must outlive the work; `total` is 0 if nobody knows it. */
void cli_progress_begin(const char *what, uint64_t total);

/* Rows done so far. Cheap enough to be called for each of them. */
void cli_progress_update(uint64_t done);

/* Says what goes on now, without a count, under the clock that runs. */
void cli_progress_phase(const char *what);

/* Erases the line. May be called at any time. */
void cli_progress_end(void);

#endif
