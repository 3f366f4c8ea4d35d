/* How hits are shown. */
#ifndef CLI_HITS_H
#define CLI_HITS_H

#include "shown.h"

void cli_print_hits(const npv_hits *hits, const cli_shown *shown);

#endif
