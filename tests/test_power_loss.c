/*
 * The power goes at every moment of a store's life. The disk may then hold, of what was not flushed, anything or
 * nothing: the file opens, every change that was acknowledged is there, once, and the one that was under way is there
 * as a whole or not at all.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "disk.h"
#include "forge.h"
#include "journal_model.h"

#ifdef __linux__
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <sched.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

/* -------------------------------------------------------------------------------------------------- System calls -- */

static disk recorded;
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static bool recording;
static char *directory; /* links resolved, with a slash at its end */

enum { DESCRIPTORS = 1024, NAMES = -1 };
static int files[DESCRIPTORS]; /* which file a descriptor is of; 0: not one of the directory; NAMES: the directory */

/* The name in the directory, or NULL. */
static const char *name_of(const char *path) {
    const size_t length = strlen(directory);
    return recording && strncmp(path, directory, length) == 0 ? path + length : NULL;
}

static void note_opened(int fd, const char *path, int flags) {
    const char *const name = name_of(path);
    assert_true(fd < DESCRIPTORS);
    files[fd] = 0;
    if (name == NULL)
        return;
    pthread_mutex_lock(&mutex);
    files[fd] = *name == '\0' ? NAMES : (int)disk_find(&recorded, name);
    if (files[fd] == 0 && (flags & O_CREAT) != 0)
        files[fd] = (int)disk_create(&recorded, name);
    pthread_mutex_unlock(&mutex);
}

static void note_written(int fd, const void *data, size_t size, off_t offset) {
    pthread_mutex_lock(&mutex);
    if (recording && files[fd] > 0)
        disk_write(&recorded, (unsigned)files[fd], (uint64_t)offset, data, size);
    pthread_mutex_unlock(&mutex);
}

/* Nothing is flushed in earnest, which would take most of the time. */
static int note_flushed(int fd) {
    pthread_mutex_lock(&mutex);
    if (recording && files[fd] == NAMES)
        disk_flush_names(&recorded);
    else if (recording && files[fd] > 0)
        disk_flush(&recorded, (unsigned)files[fd]);
    pthread_mutex_unlock(&mutex);
    return 0;
}

/* The program's own come before the C library's. */
int open(const char *path, int flags, ...) {
    va_list rest;
    va_start(rest, flags);
    const unsigned mode = (flags & O_CREAT) != 0 ? va_arg(rest, unsigned) : 0;
    va_end(rest);
    const int fd = (int)syscall(SYS_openat, AT_FDCWD, path, flags, mode);
    if (fd >= 0 && directory != NULL)
        note_opened(fd, path, flags);
    return fd;
}

ssize_t pwrite(int fd, const void *data, size_t size, off_t offset) {
    const ssize_t written = syscall(SYS_pwrite64, fd, data, size, offset);
    if (written > 0)
        note_written(fd, data, (size_t)written, offset);
    return written;
}

/* The parts in one piece, because a sector is written once. */
ssize_t pwritev(int fd, const struct iovec *parts, int count, off_t offset) {
    npv_buffer whole = {NULL, 0, 0};
    for (int i = 0; i < count; i++)
        assert_int_equal(npv_buffer_append(&whole, parts[i].iov_base, parts[i].iov_len, NULL), NPV_OK);
    const ssize_t written = pwrite(fd, whole.data, whole.size, offset);
    free(whole.data);
    return written;
}

int ftruncate(int fd, off_t size) {
    const int result = (int)syscall(SYS_ftruncate, fd, size);
    pthread_mutex_lock(&mutex);
    if (recording && result == 0 && files[fd] > 0)
        disk_cut(&recorded, (unsigned)files[fd], (uint64_t)size);
    pthread_mutex_unlock(&mutex);
    return result;
}

static void (*before_flush)(void); /* once */

int fdatasync(int fd) {
    void (*const call)(void) = before_flush;
    before_flush = NULL;
    if (call != NULL)
        call();
    return note_flushed(fd);
}

int fsync(int fd) {
    return note_flushed(fd);
}

int rename(const char *from, const char *to) {
    const int result = renameat(AT_FDCWD, from, AT_FDCWD, to);
    if (recording && result == 0)
        disk_rename(&recorded, name_of(from), name_of(to));
    return result;
}

int unlink(const char *path) {
    const int result = unlinkat(AT_FDCWD, path, 0);
    if (recording && result == 0)
        disk_remove(&recorded, name_of(path));
    return result;
}

/* ------------------------------------------------------------------------------------------------------- History -- */

/* What the store was after each change, and how many events had happened when the change was acknowledged. */
enum { MOST_CHANGES = 100 };
static struct {
    model m;
    size_t point;
} history[MOST_CHANGES];
static size_t changes;
static size_t under_way = 1; /* changes at once */

static void acknowledge(const model *m) {
    assert_true(changes < MOST_CHANGES);
    history[changes].m = model_copy(m);
    history[changes].point = recorded.count;
    changes++;
}

/* Forgets what came after the first `count`. */
static void forget_changes(size_t count) {
    while (changes > count)
        model_free(&history[--changes].m);
}

/* -------------------------------------------------------------------------------------------------------- States -- */

static char *path;
static char where[200]; /* what is being looked at, for a test that fails */
static size_t states;
static oracle_random random_state = {1};
static bool briefly; /* of all the states of a moment only the first ones, and what becomes of names */

/* Which of them is it: what was acknowledged last, or that and the change that was under way? */
static size_t match(npv_store *store, size_t last) {
    for (size_t i = last; i <= last + under_way && i < changes; i++)
        if (model_matches(&history[i].m, store))
            return i;
    fail_msg("%" PRIu64 " rows, which are not those that were acknowledged", model_info(store).rows);
    return last;
}

static size_t acknowledged(size_t point) {
    size_t last = 0;
    while (last + 1 < changes && history[last + 1].point <= point)
        last++;
    return last;
}

static size_t find_state(size_t last) {
    if (access(path, F_OK) != 0) {
        if (last > 0)
            fail_msg("the file is gone");
        return 0;
    }
    npv_store *const reader = model_open(&history[last].m, path, NPV_DURABILITY_OFF);
    const size_t found = match(reader, last);
    npv_close(reader);
    return found;
}

/* The file opens for reading and for writing, holds what it must, and can be written to. */
static void check_files(size_t last) {
    states++;
    model m = model_copy(&history[find_state(last)].m);
    npv_store *store = model_open(&m, path, NPV_DURABILITY_DISK);
    model_check(&m, store);
    model_add(&m, store, 2);
    npv_close(store);
    store = model_open(&m, path, NPV_DURABILITY_OFF);
    model_check(&m, store);
    npv_close(store);
    model_free(&m);
}

static void check(size_t point, const char *what, disk_loss loss) {
    snprintf(where, sizeof where, "power lost after %zu of %zu calls, %s", point, recorded.count, what);
    disk_lose(&recorded, point, loss);
    check_files(acknowledged(point));
}

/* All of `pending` are lost, or none. */
static void set_all(bool *lost, const size_t *pending, size_t count, bool value) {
    for (size_t i = 0; i < count; i++)
        lost[pending[i]] = value;
}

static void lose_each(size_t point, bool *lost, const size_t *pending, size_t count) {
    char what[64];
    for (size_t i = 0; i < count && count > 1; i++) {
        if (briefly && recorded.events[pending[i]].kind == DISK_WRITE && i + 1 < count)
            continue;
        set_all(lost, pending, count, false);
        lost[pending[i]] = true;
        snprintf(what, sizeof what, "call %zu lost", pending[i]);
        check(point, what, (disk_loss){lost, false, SIZE_MAX, 0});
        set_all(lost, pending, count, true);
        lost[pending[i]] = false;
        snprintf(what, sizeof what, "all lost but call %zu", pending[i]);
        check(point, what, (disk_loss){lost, false, SIZE_MAX, 0});
    }
}

/* The last write is cut inside a sector. */
static void tear(size_t point, bool *lost, const size_t *pending, size_t count) {
    const disk_event *const last = count > 0 ? &recorded.events[pending[count - 1]] : NULL;
    if (last == NULL || last->kind != DISK_WRITE)
        return;
    const size_t kept[] = {1, last->size / 2, last->size - 1, (size_t)(oracle_next(&random_state) % last->size)};
    set_all(lost, pending, count, false);
    for (size_t i = 0; i < 4; i++)
        check(point, "last write torn", (disk_loss){lost, i % 2 == 1, pending[count - 1], kept[i]});
}

static void lose_at_random(size_t point, bool *lost, const size_t *pending, size_t count) {
    for (size_t i = 0; i < 4 && count > 2; i++) {
        const unsigned share = 1 + (unsigned)(oracle_next(&random_state) % 7);
        for (size_t j = 0; j < count; j++)
            lost[pending[j]] = oracle_next(&random_state) % 8 < share;
        check(point, "some lost", (disk_loss){lost, i % 2 == 1, SIZE_MAX, 0});
    }
}

/* In the middle of a file that is written from its beginning to its end: each moment is like the one before. */
static bool is_writing_on(size_t point) {
    return point > 0 && point < recorded.count && recorded.events[point - 1].kind == DISK_WRITE &&
           recorded.events[point].kind == DISK_WRITE;
}

/* Every state that a power loss at this point is tried with. */
static void lose_power(size_t point) {
    size_t *const pending = calloc(point + 1, sizeof *pending);
    bool *const lost = calloc(point + 1, sizeof *lost);
    assert_true(pending != NULL && lost != NULL);
    const size_t count = disk_pending(&recorded, point, pending);
    check(point, "nothing lost", (disk_loss){lost, false, SIZE_MAX, 0});
    set_all(lost, pending, count, true);
    check(point, "all lost", (disk_loss){lost, false, SIZE_MAX, 0});
    if (count > 0)
        check(point, "all lost but sizes", (disk_loss){lost, true, SIZE_MAX, 0});
    if (!is_writing_on(point))
        lose_each(point, lost, pending, count);
    if (!briefly) {
        tear(point, lost, pending, count);
        lose_at_random(point, lost, pending, count);
    }
    free(pending);
    free(lost);
}

static void lose_power_from(size_t point) {
    recording = false;
    for (; point <= recorded.count; point++)
        lose_power(point);
}

/* ----------------------------------------------------------------------------------------------------- Scenarios -- */

typedef enum step { ADD, ADD_MANY, UPSERT, REPLACE, SET, DELETE, SAVE, FOLDING, REOPEN, SAVE_ELSEHOW } step;

/* Saved by a store that has no journal, as a script does between two runs of a service. */
static npv_store *save_without_journal(model *m, npv_store *store) {
    npv_close(store);
    npv_store *const other = model_open(m, path, NPV_DURABILITY_OFF);
    model_add(m, other, 3);
    model_save(m, other, NULL);
    acknowledge(m);
    npv_close(other);
    return model_open(m, path, NPV_DURABILITY_DISK);
}

static npv_store *take(model *m, npv_store *store, step what) {
    switch (what) {
    case ADD:
        model_add(m, store, 1 + model_below(m, 9));
        break;
    case ADD_MANY:
        model_add(m, store, 1600);
        break;
    case UPSERT:
        model_upsert(m, store, 3, false);
        break;
    case REPLACE:
        model_upsert(m, store, 2, true);
        break;
    case SET:
        model_set_documents(m, store, 2);
        break;
    case DELETE:
        model_delete(m, store, 2);
        break;
    case SAVE:
        model_save(m, store, NULL);
        break;
    case FOLDING:
        store->fold_at = 600;
        store->archive_bytes = 0;
        break; /* by itself, when the journal is that long */
    case REOPEN:
        npv_close(store);
        return model_open(m, path, NPV_DURABILITY_DISK);
    case SAVE_ELSEHOW:
        return save_without_journal(m, store);
    }
    return store;
}

static void record(model *m, const step *steps, size_t count) {
    recording = true;
    npv_store *store = model_open(m, path, NPV_DURABILITY_DISK);
    acknowledge(m);
    for (size_t i = 0; i < count; i++) {
        store = take(m, store, steps[i]);
        acknowledge(m);
    }
    npv_close(store);
    recording = false;
}

static const step life[] = {ADD,    ADD,          UPSERT,  DELETE, REPLACE, SAVE,   ADD, DELETE, SET,
                            SAVE,   SAVE,         REOPEN,  REOPEN, ADD,     REOPEN, ADD, DELETE, REOPEN,
                            UPSERT, SAVE_ELSEHOW, FOLDING, ADD,    ADD,     SET,    ADD, UPSERT, ADD};

static void begin(model *m, model_kind kind, const step *steps, size_t count) {
    disk_free(&recorded);
    forget_changes(0);
    forge_remove_files();
    model_init(m, 40 + (uint64_t)kind, kind);
    acknowledge(m);
    record(m, steps, count);
}

static void begin_life(model *m, model_kind kind) {
    begin(m, kind, life, sizeof life / sizeof life[0]);
}

static void what_was_acknowledged_is_on_the_disk(void **state) {
    (void)state;
    states = 0;
    for (int kind = MODEL_DOCUMENTS; kind <= MODEL_TYPED; kind++) {
        model m;
        begin_life(&m, (model_kind)kind);
        lose_power_from(0);
        model_free(&m);
    }
    print_message("%zu states\n", states);
    where[0] = '\0';
}

/* Its room is behind it, and what it fills itself is no room. */
static void a_change_larger_than_its_room_is_there_or_not(void **state) {
    (void)state;
    static const step steps[] = {ADD, ADD_MANY, ADD};
    enum { ADDED = 2, ADDED_MANY };
    model m;
    states = 0;
    begin(&m, MODEL_DOCUMENTS, steps, sizeof steps / sizeof steps[0]);
    briefly = true;
    lose_power_from(history[ADDED].point);
    briefly = false;
    assert_true(history[ADDED_MANY].point - history[ADDED].point > 65536 / 512);
    model_free(&m);
    print_message("%zu states\n", states);
    where[0] = '\0';
}

/*
 * The process is killed after `point` calls. Nothing is lost by that; the next one goes on with what it finds, flushed
 * or not, and then the power goes.
 */
static void kill_at(size_t point) {
    static const step steps[] = {ADD};
    snprintf(where, sizeof where, "killed after %zu calls", point);
    const size_t last = acknowledged(point);
    disk_go_back(&recorded, point);
    disk_lose(&recorded, point, (disk_loss){NULL, false, SIZE_MAX, 0});
    const size_t found = find_state(last);
    forget_changes(found + 1);
    model m = model_copy(&history[found].m);
    record(&m, steps, 1);
    if (found > last) /* it was not acknowledged, but now it was seen */
        history[found].point = history[found + 1].point;
    lose_power_from(point);
    model_free(&m);
}

static void what_a_killed_process_left_is_flushed_first(void **state) {
    (void)state;
    model m;
    states = 0;
    begin_life(&m, MODEL_PLAIN);
    briefly = true;
    for (size_t point = recorded.count; point-- > 0;)
        if (!is_writing_on(point))
            kill_at(point);
    briefly = false;
    model_free(&m);
    print_message("%zu states\n", states);
    where[0] = '\0';
}

/* One thread flushes while another one has written: the earlier change may be lost, and the later one be there. */
static struct {
    npv_store *store;
    model m;
    pthread_t thread;
} other;

static void *add_as_other(void *unused) {
    (void)unused;
    model_add(&other.m, other.store, 2);
    return NULL;
}

static size_t count_events(void) {
    pthread_mutex_lock(&mutex);
    const size_t count = recorded.count;
    pthread_mutex_unlock(&mutex);
    return count;
}

static void let_other_write(void) {
    const size_t before = count_events();
    assert_int_equal(pthread_create(&other.thread, NULL, add_as_other, NULL), 0);
    while (count_events() == before)
        sched_yield();
}

static void threads_that_share_a_flush_lose_no_more(void **state) {
    (void)state;
    model m;
    states = 0;
    begin_life(&m, MODEL_DOCUMENTS);
    recording = true;
    other.store = model_open(&m, path, NPV_DURABILITY_DISK);
    const size_t point = recorded.count;
    other.m = model_copy(&m);
    model_add(&other.m, NULL, 3); /* what this thread does first */
    before_flush = let_other_write;
    model_add(&m, other.store, 3);
    acknowledge(&m);
    pthread_join(other.thread, NULL);
    acknowledge(&other.m);
    model_add(&other.m, other.store, 1);
    acknowledge(&other.m);
    npv_close(other.store);
    under_way = 2;
    lose_power_from(point);
    under_way = 1;
    print_message("%zu states\n", states);
    where[0] = '\0';
    model_free(&other.m);
    model_free(&m);
}

/* ---------------------------------------------------------------------------------------------------------- Main -- */

static int set_up(void **state) {
    const int result = forge_setup(state);
    char *const real = realpath(forge_path(""), NULL);
    if (result != 0 || real == NULL)
        return -1;
    directory = malloc(strlen(real) + 2);
    path = malloc(strlen(real) + sizeof "/store.npz");
    if (directory == NULL || path == NULL)
        return -1;
    sprintf(path, "%s/store.npz", real);
    sprintf(directory, "%s/", real);
    free(real);
    return 0;
}

static int tear_down(void **state) {
    if (where[0] != '\0')
        print_error("%s\n", where);
    where[0] = '\0';
    recording = false;
    disk_free(&recorded);
    forget_changes(0);
    free(directory);
    free(path);
    directory = NULL;
    return forge_teardown(state);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_was_acknowledged_is_on_the_disk, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_change_larger_than_its_room_is_there_or_not, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_a_killed_process_left_is_flushed_first, set_up, tear_down),
        cmocka_unit_test_setup_teardown(threads_that_share_a_flush_lose_no_more, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
#else
int main(void) {
    return 0;
}
#endif
