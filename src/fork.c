#include "fork.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "error.h"

static atomic_bool watched;
static atomic_ulong forks = 1;

static void in_child(void) {
    atomic_fetch_add(&forks, 1);
}

npv_status npv_forks_watch(npv_error *error) {
    /*
     * Without a lock, which a thread might hold at a fork: two threads at once make a child count twice, and no harm.
     */
    if (!atomic_load(&watched) && pthread_atfork(NULL, NULL, in_child) != 0)
        return npv_fail_memory(error, "a handler of forks", 0);
    atomic_store(&watched, true);
    return NPV_OK;
}

unsigned long npv_forks(void) {
    return atomic_load_explicit(&forks, memory_order_relaxed);
}
