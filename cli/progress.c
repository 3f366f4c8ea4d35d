#include "progress.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

/* Seconds: work that is shorter than PATIENCE shows nothing, and the line changes every INTERVAL. */
#define PATIENCE 1.0
#define INTERVAL 0.1
#define ERASE_LINE "\r\033[K"

static struct {
    bool running, shown;
    const char *what;
    uint64_t total;
    double start, next;
} progress;

static double now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec * 1e-9;
}

void cli_progress_begin(const char *what, uint64_t total) {
    progress.running = isatty(STDERR_FILENO);
    progress.what = what;
    progress.total = total;
    progress.start = now();
    progress.next = progress.start + PATIENCE;
}

void cli_progress_update(uint64_t done) {
    if (!progress.running)
        return;
    const double time = now();
    if (time < progress.next)
        return;
    progress.next = time + INTERVAL;
    progress.shown = true;
    fprintf(stderr, ERASE_LINE "%s: %" PRIu64 " rows", progress.what, done);
    if (progress.total > 0)
        fprintf(stderr, " of %" PRIu64 " (%.0f %%)", progress.total, 100.0 * (double)done / (double)progress.total);
    fflush(stderr);
}

void cli_progress_phase(const char *what) {
    if (!progress.running || now() < progress.start + PATIENCE)
        return;
    progress.shown = true;
    fprintf(stderr, ERASE_LINE "%s", what);
    fflush(stderr);
}

void cli_progress_end(void) {
    if (progress.shown)
        fputs(ERASE_LINE, stderr);
    progress.running = progress.shown = false;
}
