#include "workers.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>

struct npv_workers {
    pthread_mutex_t running; /* held by the thread whose job runs */
    pthread_mutex_t lock;    /* guards what follows */
    pthread_cond_t wake;     /* there is a new job, or it is time to stop */
    pthread_cond_t done;     /* no helper is inside the job any more */
    unsigned wanted;         /* threads of our own */
    unsigned started;
    unsigned busy;   /* helpers inside the job */
    unsigned joined; /* helpers that ever entered the job: the next worker number */
    bool stopping;
    npv_task *task; /* NULL: no job to enter */
    void *context;
    size_t parts;
    atomic_size_t next; /* first part that nobody has taken */
    pthread_t threads[NPV_MAX_THREADS];
};

static void take_parts(npv_workers *workers, npv_task *task, void *context, size_t parts, unsigned worker) {
    for (;;) {
        const size_t part = atomic_fetch_add_explicit(&workers->next, 1, memory_order_relaxed);
        if (part >= parts)
            return;
        task(context, part, worker);
    }
}

/* A helper enters a job at most once: it leaves when no part is left, and then the job has none to enter for. */
static void *help(void *argument) {
    npv_workers *workers = argument;
    pthread_mutex_lock(&workers->lock);
    while (!workers->stopping) {
        if (workers->task == NULL || atomic_load(&workers->next) >= workers->parts) {
            pthread_cond_wait(&workers->wake, &workers->lock);
            continue;
        }
        npv_task *task = workers->task;
        void *context = workers->context;
        const size_t parts = workers->parts;
        const unsigned worker = ++workers->joined;
        workers->busy++;
        pthread_mutex_unlock(&workers->lock);
        take_parts(workers, task, context, parts, worker);
        pthread_mutex_lock(&workers->lock);
        if (--workers->busy == 0)
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
    workers->started = workers->busy = workers->joined = 0;
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
    while (workers->started < workers->wanted &&
           pthread_create(&workers->threads[workers->started], NULL, help, workers) == 0)
        workers->started++;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
}

static void open_job(npv_workers *workers, size_t parts, npv_task *task, void *context) {
    pthread_mutex_lock(&workers->lock);
    if (workers->started < workers->wanted)
        start_threads(workers);
    workers->task = task;
    workers->context = context;
    workers->parts = parts;
    workers->joined = 0;
    atomic_store(&workers->next, 0);
    pthread_cond_broadcast(&workers->wake);
    pthread_mutex_unlock(&workers->lock);
}

/* Helpers that wake up too late find no job; those inside are waited for. */
static void close_job(npv_workers *workers) {
    pthread_mutex_lock(&workers->lock);
    workers->task = NULL;
    while (workers->busy > 0)
        pthread_cond_wait(&workers->done, &workers->lock);
    pthread_mutex_unlock(&workers->lock);
}

void npv_workers_run(npv_workers *workers, size_t parts, npv_task *task, void *context) {
    if (parts < 2 || workers->wanted == 0 || pthread_mutex_trylock(&workers->running) != 0) {
        for (size_t part = 0; part < parts; part++)
            task(context, part, 0);
        return;
    }
    open_job(workers, parts, task, context);
    take_parts(workers, task, context, parts, 0);
    close_job(workers);
    pthread_mutex_unlock(&workers->running);
}

void npv_workers_free(npv_workers *workers) {
    if (workers == NULL)
        return;
    pthread_mutex_lock(&workers->lock);
    workers->stopping = true;
    pthread_cond_broadcast(&workers->wake);
    pthread_mutex_unlock(&workers->lock);
    for (unsigned i = 0; i < workers->started; i++)
        pthread_join(workers->threads[i], NULL);
    pthread_cond_destroy(&workers->done);
    pthread_cond_destroy(&workers->wake);
    pthread_mutex_destroy(&workers->lock);
    pthread_mutex_destroy(&workers->running);
    free(workers);
}
