#include "findings.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void keep(npv_findings *findings, const char *format, va_list values) {
    char line[1024];
    const int head = snprintf(line, sizeof line, "%.400s: ", findings->path);
    vsnprintf(line + head, sizeof line - (size_t)head, format, values);
    if (findings->status == NPV_OK)
        findings->status = npv_buffer_append(&findings->lines, line, strlen(line) + 1, NULL);
}

void npv_found(npv_findings *findings, const char *format, ...) {
    va_list values;
    va_start(values, format);
    keep(findings, format, values);
    va_end(values);
    findings->counts.findings++;
}

void npv_remark(npv_findings *findings, const char *format, ...) {
    va_list values;
    va_start(values, format);
    keep(findings, format, values);
    va_end(values);
}

void npv_findings_tell(const npv_findings *findings, npv_report *report, void *context) {
    const char *line = (const char *)findings->lines.data;
    for (size_t at = 0; report != NULL && at < findings->lines.size; at += strlen(line + at) + 1)
        report(context, line + at);
}

void npv_findings_clear(npv_findings *findings) {
    free(findings->lines.data);
    *findings = (npv_findings){.path = findings->path};
}
