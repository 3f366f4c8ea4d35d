/*
 * Parked threads that share out the parts of one job.
 *
 * A thread costs 0.1 ms to create on a small machine and a search may take less, so the threads are started at the
 * first job that has several parts. Between jobs they look out for the next one for a moment, and then sleep.
 */
#ifndef NPV_WORKERS_H
#define NPV_WORKERS_H

#include <stdbool.h>
#include <stddef.h>

#include "npvec.h"

typedef struct npv_workers npv_workers;

/* Does part `part` of a job. `worker`, below the number of threads, tells the threads of one job apart. */
typedef void npv_task(void *context, size_t part, unsigned worker);

/* `threads` counts the caller of npv_workers_run, so 1 means no threads of our own. NULL if there is no memory. */
npv_workers *npv_workers_new(unsigned threads);
void npv_workers_free(npv_workers *workers);

/*
 * Runs task(context, part, worker) once for every part below `parts` and returns when all are done. Each thread begins
 * with a share of its own, the same in every job of as many parts. If another thread has a job running, or threads
 * cannot be started, the caller does all parts itself. Never fails.
 */
void npv_workers_run(npv_workers *workers, size_t parts, npv_task *task, void *context);

/* Did a job end so shortly ago that helpers are still awake, or, if they had no part in it, are likely to be needed? */
bool npv_workers_awake(npv_workers *workers);

/*
 * Is work that reads so many bytes worth sharing out? What the other threads take over must be more than what could be
 * read while they wake up: 50 microseconds on a small virtual machine, at 60 GB/s from cache. If they are awake, it
 * takes them one microsecond, a third of which is the caller's.
 */
bool npv_workers_worth(npv_workers *workers, size_t bytes);

/* In a child after fork: the threads are gone, and the locks are in an unknown state. Starts afresh. */
void npv_workers_after_fork(npv_workers *workers);

#endif
