/* What npv_verify and npv_repair report, printed line by line or kept for JSON. */
#ifndef CLI_FINDINGS_H
#define CLI_FINDINGS_H

#include <stdbool.h>
#include <string.h>

#include "npvec.h"
#include "text.h"

/* Zero it to start, but for `json`. */
typedef struct cli_findings {
    bool json;
    size_t lines;
    cli_buffer text; /* JSON: the strings of an array */
} cli_findings;

/* An npv_report; its context is cli_findings. */
void cli_take_finding(void *findings, const char *line);

/* Prints the rest of an object: the members that both commands have. */
void cli_print_findings(cli_findings *findings, const npv_verification *counts);

#endif
