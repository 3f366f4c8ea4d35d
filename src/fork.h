/* Is this a child of the process that made something? Every call asks, and getpid takes a tenth of a short one. */
#ifndef NPV_FORK_H
#define NPV_FORK_H

#include "npvec.h"

/* Begins to count. Fails for want of memory alone. */
npv_status npv_forks_watch(npv_error *error);

/* Another number in a child of fork(2) than in its parent; never 0. */
unsigned long npv_forks(void);

#endif
