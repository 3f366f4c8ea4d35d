#include "workers.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <time.h>

#include "processor.h"

/*
 * To wake a sleeping thread takes 50 microseconds on a small virtual machine. A helper that has done a job looks out
 * for the next one twice as long before it sleeps, and so do callers for helpers: a program that asks, looks at the
 * answer and asks again finds them awake, and one that does not pays a tenth of a millisecond of another processor.
 */
#define LOOK_OUT_NS 100000

/* For so long of it the processor is kept, even if others want it. */
#define KEEP_NS 5000

/* Looks at the clock, which takes some 25 ns, once in so many looks for a job. */
#define LOOKS 16

/* Parts from `next` to `end` are not taken yet. On a cache line of its own. */
typedef struct share {
    _Alignas(64) atomic_size_t next;
    size_t end;
} share;

/* A thread of ours. */
typedef struct npv_helper {
    npv_workers *workers;
    unsigned number; /* from 1: the caller of a job is 0 */
    pthread_t thread;
} npv_helper;

struct npv_workers {
    pthread_mutex_t running; /* held by the thread whose job runs */
    pthread_mutex_t lock;    /* guards what follows */
    pthread_cond_t wake;     /* there is a new job, or it is time to stop */
    pthread_cond_t done;     /* no helper is inside the job any more */
    unsigned wanted;         /* threads of our own */
    unsigned started;
    atomic_uint busy;  /* helpers inside the job; changed under `lock` */
    atomic_uint calls; /* jobs so far, and the call to stop; changed under `lock` */
    bool stopping;
    npv_task *task; /* NULL: no job to enter */
    void *context;
    atomic_int caller;          /* the processor that the last job was called on */
    atomic_uint_least64_t last; /* when the last job ended, in nanoseconds */
    share shares[NPV_MAX_THREADS];
    npv_helper helpers[NPV_MAX_THREADS];
};

static uint64_t nanoseconds(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

static void pause_briefly(void) {
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

/*
 * Waits until *value is another than `old`, but not for long. Whoever is waited for may want this very processor: after
 * the time that a short job takes, it can have it.
 */
static void look_out(const atomic_uint *value, unsigned old) {
    const uint64_t start = nanoseconds();
    for (uint64_t waited = 0; waited < LOOK_OUT_NS; waited = nanoseconds() - start) {
        for (int i = 0; i < LOOKS; i++) {
            if (atomic_load(value) != old)
                return;
            pause_briefly();
        }
        if (waited > KEEP_NS)
            sched_yield();
    }
}

/*
 * Every thread has a share of the parts, always the same one, so that what it read for one job is still in its caches
 * at the next. When it is done, it takes what is left of the others'.
 */
static void take_parts(npv_workers *workers, npv_task *task, void *context, unsigned worker) {
    const unsigned threads = workers->wanted + 1;
    for (unsigned i = 0; i < threads; i++) {
        share *from = &workers->shares[(worker + i) % threads];
        size_t part;
        while ((part = atomic_fetch_add_explicit(&from->next, 1, memory_order_relaxed)) < from->end)
            task(context, part, worker);
    }
}

/*
 * Under `lock`: the call after `seen`, or after one that came meanwhile. *avoided is the processor that the thread does
 * not run on, because the caller does, or -1.
 *
 * Linux was seen to wake a helper up on the caller's own processor while another was idle (in a virtual machine, where
 * halted processors may not pass for idle ones), and to take milliseconds to move it, in which no search is shared:
 * 10,000 x 384 behind another library's searches took 60 instead of 45 microseconds.
 */
static unsigned wait_for_call(npv_workers *workers, unsigned seen, int *avoided) {
    pthread_mutex_unlock(&workers->lock);
    if (*avoided >= 0)
        npv_processor_allow(*avoided);
    look_out(&workers->calls, seen);
    const int caller = atomic_load(&workers->caller);
    const bool asleep = atomic_load(&workers->calls) == seen;
    *avoided = asleep && npv_processor_avoid(caller) ? caller : -1;
    pthread_mutex_lock(&workers->lock);
    while (atomic_load(&workers->calls) == seen)
        pthread_cond_wait(&workers->wake, &workers->lock);
    return atomic_load(&workers->calls);
}

static void *help(void *argument) {
    const npv_helper *self = argument;
    npv_workers *workers = self->workers;
    unsigned seen = 0;
    int avoided = -1;
    pthread_mutex_lock(&workers->lock);
    while (!workers->stopping) {
        seen = wait_for_call(workers, seen, &avoided);
        if (workers->task == NULL) /* too late, or time to stop */
            continue;
        npv_task *task = workers->task;
        void *context = workers->context;
        atomic_fetch_add(&workers->busy, 1);
        pthread_mutex_unlock(&workers->lock);
        take_parts(workers, task, context, self->number);
        pthread_mutex_lock(&workers->lock);
        if (atomic_fetch_sub(&workers->busy, 1) == 1)
            pthread_cond_signal(&workers->done);
    }
    pthread_mutex_unlock(&workers->lock);
    return NULL;
}

static void set_up(npv_workers *workers) {
    pthread_mutex_init(&workers->running, NULL);
    pthread_mutex_init(&workers->lock, NULL);
    pthread_cond_init(&workers->wake, NULL);
    pthread_cond_init(&workers->done, NULL);
    workers->started = 0;
    atomic_store(&workers->busy, 0);
    atomic_store(&workers->calls, 0);
    atomic_store(&workers->caller, -1);
    atomic_store(&workers->last, 0);
    workers->stopping = false;
    workers->task = NULL;
}

npv_workers *npv_workers_new(unsigned threads) {
    npv_workers *workers = calloc(1, sizeof *workers);
    if (workers == NULL)
        return NULL;
    workers->wanted = (threads < NPV_MAX_THREADS ? threads : NPV_MAX_THREADS) - 1;
    set_up(workers);
    return workers;
}

void npv_workers_after_fork(npv_workers *workers) {
    set_up(workers);
}

/* Signals are the application's business: our threads leave them to its own. */
static void start_threads(npv_workers *workers) {
    sigset_t all;
    sigset_t before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    while (workers->started < workers->wanted) {
        npv_helper *helper = &workers->helpers[workers->started];
        *helper = (npv_helper){.workers = workers, .number = workers->started + 1};
        if (pthread_create(&helper->thread, NULL, help, helper) != 0)
            break;
        workers->started++;
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
}

static void open_job(npv_workers *workers, size_t parts, npv_task *task, void *context) {
    pthread_mutex_lock(&workers->lock);
    if (workers->started < workers->wanted)
        start_threads(workers);
    workers->task = task;
    workers->context = context;
    atomic_store(&workers->caller, npv_processor());
    const unsigned threads = workers->wanted + 1;
    for (unsigned i = 0; i < threads; i++) {
        atomic_store(&workers->shares[i].next, parts * i / threads);
        workers->shares[i].end = parts * (i + 1) / threads;
    }
    atomic_fetch_add(&workers->calls, 1);
    pthread_cond_broadcast(&workers->wake);
    pthread_mutex_unlock(&workers->lock);
}

/* Helpers that wake up too late find no job; those inside are waited for. */
static void close_job(npv_workers *workers) {
    pthread_mutex_lock(&workers->lock);
    workers->task = NULL;
    for (unsigned busy; (busy = atomic_load(&workers->busy)) > 0;) {
        pthread_mutex_unlock(&workers->lock);
        look_out(&workers->busy, busy);
        pthread_mutex_lock(&workers->lock);
        if (atomic_load(&workers->busy) == busy)
            pthread_cond_wait(&workers->done, &workers->lock);
    }
    pthread_mutex_unlock(&workers->lock);
}

void npv_workers_run(npv_workers *workers, size_t parts, npv_task *task, void *context) {
    if (parts < 2 || workers->wanted == 0 || pthread_mutex_trylock(&workers->running) != 0) {
        for (size_t part = 0; part < parts; part++)
            task(context, part, 0);
        atomic_store(&workers->last, nanoseconds());
        return;
    }
    open_job(workers, parts, task, context);
    take_parts(workers, task, context, 0);
    close_job(workers);
    atomic_store(&workers->last, nanoseconds());
    pthread_mutex_unlock(&workers->running);
}

bool npv_workers_awake(npv_workers *workers) {
    return nanoseconds() - atomic_load(&workers->last) < LOOK_OUT_NS;
}

bool npv_workers_worth(npv_workers *workers, size_t bytes) {
    const size_t least = npv_workers_awake(workers) ? (size_t)64 << 10 : (size_t)3 << 20;
    return bytes - bytes / (workers->wanted + 1) > least;
}

void npv_workers_free(npv_workers *workers) {
    if (workers == NULL)
        return;
    pthread_mutex_lock(&workers->lock);
    workers->stopping = true;
    atomic_fetch_add(&workers->calls, 1);
    pthread_cond_broadcast(&workers->wake);
    pthread_mutex_unlock(&workers->lock);
    for (unsigned i = 0; i < workers->started; i++)
        pthread_join(workers->helpers[i].thread, NULL);
    pthread_cond_destroy(&workers->done);
    pthread_cond_destroy(&workers->wake);
    pthread_mutex_destroy(&workers->lock);
    pthread_mutex_destroy(&workers->running);
    free(workers);
}
