/*
 * Parked threads that share out the parts of one job.
 *
 * A thread costs 0.1 ms to create on a small machine and a search may take less, so the threads are started at the
 * first job that has several parts and then sleep between jobs.
 */
#ifndef NPV_WORKERS_H
#define NPV_WORKERS_H

#include <stddef.h>

#include "npvec.h"

typedef struct npv_workers npv_workers;

/* Does part `part` of a job. `worker`, below the number of threads, tells the threads of one job apart. */
typedef void npv_task(void *context, size_t part, unsigned worker);

/* `threads` counts the caller of npv_workers_run, so 1 means no threads of our own. NULL if there is no memory. */
npv_workers *npv_workers_new(unsigned threads);
void npv_workers_free(npv_workers *workers);

/*
 * Runs task(context, part, worker) once for every part below `parts` and returns when all are done. Parts are taken in
 * order, by whichever thread is free. If another thread has a job running, or threads cannot be started, the caller
 * does all parts itself. Never fails.
 */
void npv_workers_run(npv_workers *workers, size_t parts, npv_task *task, void *context);

/* In a child after fork: the threads are gone, and the locks are in an unknown state. Starts afresh. */
void npv_workers_after_fork(npv_workers *workers);

#endif
