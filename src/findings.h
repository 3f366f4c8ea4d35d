/* What npv_verify and npv_repair have to say: kept until it is known that it is true of one moment. */
#ifndef NPV_FINDINGS_H
#define NPV_FINDINGS_H

#include "bytes.h"

typedef struct npv_findings {
    const char *path; /* the head of each line */
    npv_buffer lines; /* back to back, each with a zero at its end */
    npv_verification counts;
    npv_status status; /* NPV_E_MEMORY: a line could not be kept */
} npv_findings;

/* Something is wrong, */
void npv_found(npv_findings *findings, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* ... or only worth knowing. */
void npv_remark(npv_findings *findings, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Tells them all. */
void npv_findings_tell(const npv_findings *findings, npv_report *report, void *context);

/* Forgets them all. */
void npv_findings_clear(npv_findings *findings);

#endif
