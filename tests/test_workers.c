/* Every part of a job is done once, whoever does it. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "workers.h"

#define MOST_PARTS 1000

typedef struct job {
    atomic_int done[MOST_PARTS];
    atomic_int inside[NPV_MAX_THREADS]; /* is this worker number in use? */
    atomic_int clashes;
    atomic_int other_threads;
    pthread_t caller;
    long pause_ns;
} job;

static void task(void *context, size_t part, unsigned worker) {
    job *self = context;
    if (atomic_exchange(&self->inside[worker], 1) != 0)
        atomic_fetch_add(&self->clashes, 1);
    atomic_fetch_add(&self->done[part], 1);
    if (!pthread_equal(pthread_self(), self->caller))
        atomic_fetch_add(&self->other_threads, 1);
    if (self->pause_ns > 0)
        nanosleep(&(struct timespec){0, self->pause_ns}, NULL);
    atomic_store(&self->inside[worker], 0);
}

static void run(npv_workers *workers, size_t parts, long pause_ns, job *self) {
    memset(self, 0, sizeof *self);
    self->caller = pthread_self();
    self->pause_ns = pause_ns;
    npv_workers_run(workers, parts, task, self);
    for (size_t i = 0; i < MOST_PARTS; i++)
        assert_int_equal(self->done[i], i < parts ? 1 : 0);
    assert_int_equal(self->clashes, 0);
}

/* On a busy machine a helper, or the caller, may come too late for a job. They must not come too late for all. */
static void run_until_shared(npv_workers *workers, int parts, job *self) {
    do
        run(workers, (size_t)parts, 1000000, self);
    while (self->other_threads == 0 || self->other_threads == parts);
}

static void every_part_is_done_once(void **state) {
    (void)state;
    const unsigned threads[] = {1, 2, 5, NPV_MAX_THREADS};
    job *self = malloc(sizeof *self);
    for (size_t i = 0; i < sizeof threads / sizeof *threads; i++) {
        npv_workers *workers = npv_workers_new(threads[i]);
        for (size_t parts = 0; parts <= 20; parts++)
            run(workers, parts, 0, self);
        for (int again = 0; again < 200; again++)
            run(workers, MOST_PARTS, 0, self);
        npv_workers_free(workers);
    }
    free(self);
}

static void parts_are_shared(void **state) {
    (void)state;
    job *self = malloc(sizeof *self);
    npv_workers *workers = npv_workers_new(3);
    run_until_shared(workers, 60, self);
    npv_workers_free(workers);
    free(self);
}

/* Helpers look out for a job for a moment and then sleep: they must come from either. */
static void helpers_come_awake_or_asleep(void **state) {
    (void)state;
    job *self = malloc(sizeof *self);
    npv_workers *workers = npv_workers_new(2);
    assert_false(npv_workers_awake(workers));
    for (int again = 0; again < 6; again++) {
        run_until_shared(workers, 4, self);
        if (again % 2 == 0)
            continue;
        nanosleep(&(struct timespec){0, 20000000}, NULL);
        assert_false(npv_workers_awake(workers));
    }
    npv_workers_free(workers);
    free(self);
}

static void *run_alongside(void *workers) {
    job *self = malloc(sizeof *self);
    for (int i = 0; i < 100; i++)
        run(workers, 50, 0, self);
    free(self);
    return NULL;
}

static void several_callers_at_once(void **state) {
    (void)state;
    npv_workers *workers = npv_workers_new(4);
    pthread_t callers[4];
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&callers[i], NULL, run_alongside, workers), 0);
    for (size_t i = 0; i < 4; i++)
        pthread_join(callers[i], NULL);
    npv_workers_free(workers);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_part_is_done_once),
        cmocka_unit_test(parts_are_shared),
        cmocka_unit_test(helpers_come_awake_or_asleep),
        cmocka_unit_test(several_callers_at_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
