/*
 * A writer is killed at a random moment, again and again: what it had acknowledged is there, once, and the file opens.
 *
 *      test_crash [rounds [seed]]          a few dozen rounds without arguments; `make crash ROUNDS=5000`
 */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "forge.h"
#include "journal_model.h"

static long rounds = 60;
static uint64_t seed = 1;

/* It saves itself, too, when there is a little in its journal. */
static void fold_soon(npv_store *store) {
    store->fold_at = 3000;
    store->archive_bytes = 0;
}

/* A change, a save, or the store opened once more: what comes next is a matter of the model alone. */
static npv_store *step(model *m, npv_store *store, const char *path, npv_durability durability) {
    npv_error error = {0};
    const unsigned what = model_below(m, 40);
    if (m->count > 400) {
        if (store != NULL)
            must(npv_clear(store, &error), &error);
        model_clear(m);
    } else if (what < 4) {
        model_save(m, store, NULL);
    } else if (what == 4 && store != NULL) {
        npv_close(store);
        store = model_open(m, path, durability);
        fold_soon(store);
    } else if (what != 4) {
        model_change(m, store);
    }
    return store;
}

static void write_until_killed(model *m, const char *path, int acknowledged) {
    const npv_durability durability = model_below(m, 4) == 0 ? NPV_DURABILITY_DISK : NPV_DURABILITY_OS;
    npv_store *store = model_open(m, path, durability);
    fold_soon(store);
    for (;;) {
        store = step(m, store, path, durability);
        if (write(acknowledged, "", 1) != 1)
            _exit(1);
    }
}

static size_t kill_writer(pid_t writer, int acknowledged, unsigned microseconds) {
    const struct timespec pause = {0, 1000L * microseconds};
    char bytes[4096];
    size_t count = 0;
    int result;
    nanosleep(&pause, NULL);
    kill(writer, SIGKILL);
    assert_int_equal(waitpid(writer, &result, 0), writer);
    assert_true(WIFSIGNALED(result) && WTERMSIG(result) == SIGKILL);
    for (;;) {
        const ssize_t got = read(acknowledged, bytes, sizeof bytes);
        if (got <= 0)
            return count;
        count += (size_t)got;
    }
}

/* The model becomes what the file is: `count` steps on, or, since the last one may not have been answered, one more. */
static void check_file(model *m, const char *path, size_t count) {
    (void)model_below(m, 4); /* the durability */
    for (size_t i = 0; i < count; i++)
        step(m, NULL, path, NPV_DURABILITY_OS);
    npv_store *store = model_open(m, path, NPV_DURABILITY_OFF);
    if (!model_matches(m, store))
        step(m, NULL, path, NPV_DURABILITY_OS);
    model_check(m, store);
    npv_close(store);
    store = model_open(m, path, NPV_DURABILITY_OS);
    model_check(m, store);
    npv_close(store);
}

static void what_was_acknowledged_survives(void **state) {
    (void)state;
    model m;
    size_t acknowledged = 0;
    const char *const path = forge_path("crash.npz");
    model_init(&m, seed, (model_kind)(seed % 3));
    oracle_random random = {seed};
    npv_close(model_open(&m, path, NPV_DURABILITY_OS));
    /* On a busy machine a writer may not get far before it is killed. */
    const size_t least = rounds < 50 ? 0 : 100;
    long kills = 0;
    for (; kills < rounds || acknowledged < least; kills++) {
        int line[2];
        assert_int_equal(pipe(line), 0);
        const pid_t writer = fork();
        assert_true(writer >= 0);
        if (writer == 0)
            write_until_killed(&m, path, line[1]);
        close(line[1]);
        const size_t count = kill_writer(writer, line[0], (unsigned)(oracle_next(&random) % 30000));
        close(line[0]);
        check_file(&m, path, count);
        acknowledged += count;
    }
    print_message("%ld kills, %zu changes acknowledged, none lost\n", kills, acknowledged);
    model_free(&m);
}

int main(int count, char **arguments) {
    if (count > 1)
        rounds = atol(arguments[1]);
    if (count > 2)
        seed = strtoull(arguments[2], NULL, 10);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_was_acknowledged_survives, forge_setup, forge_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
