/* Every allocation and every system call of a change fails: the change is there as a whole or not at all. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "failing_malloc.h"
#include "forge.h"
#include "journal_model.h"

#if defined(FAILING_MALLOC) && defined(__linux__)
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>

/* -------------------------------------------------------------------------------------------------- System calls -- */

static long calls_until_failure = -1; /* below 0: all succeed */
static bool fails_for_good;           /* or once */
static int reason;
static bool short_first; /* a write that fails has written some bytes before */
static bool writes_none; /* and then writes none, which is no failure by itself */

static bool struck;

static size_t most_written; /* by one call, and every other call is interrupted; 0: all */
static unsigned writes;

static bool call_fails(void) {
    if (calls_until_failure < 0 || calls_until_failure-- > 0)
        return false;
    struck = true;
    if (fails_for_good)
        calls_until_failure = 0;
    errno = reason;
    return true;
}

static ssize_t write_some(int fd, const struct iovec *parts, int count, off_t offset, size_t most) {
    size_t done = 0;
    for (int i = 0; i < count && done < most; i++) {
        const size_t size = parts[i].iov_len < most - done ? parts[i].iov_len : most - done;
        const ssize_t written = syscall(SYS_pwrite64, fd, parts[i].iov_base, size, offset + (off_t)done);
        assert_true(written == (ssize_t)size);
        done += size;
    }
    return (ssize_t)done;
}

ssize_t pwritev(int fd, const struct iovec *parts, int count, off_t offset) {
    if (most_written > 0) {
        errno = EINTR;
        return writes++ % 2 == 0 ? -1 : write_some(fd, parts, count, offset, most_written);
    }
    if (!call_fails())
        return write_some(fd, parts, count, offset, SIZE_MAX);
    if (!short_first)
        return writes_none ? 0 : -1;
    short_first = false;
    calls_until_failure = 0; /* the rest is what fails */
    return write_some(fd, parts, count, offset, parts[0].iov_len / 2);
}

ssize_t pwrite(int fd, const void *data, size_t size, off_t offset) {
    const struct iovec part = {(void *)(uintptr_t)data, size}; /* only read */
    return pwritev(fd, &part, 1, offset);
}

ssize_t pread(int fd, void *data, size_t size, off_t offset) {
    return call_fails() ? -1 : syscall(SYS_pread64, fd, data, size, offset);
}

int ftruncate(int fd, off_t size) {
    return call_fails() ? -1 : (int)syscall(SYS_ftruncate, fd, size);
}

int fdatasync(int fd) {
    return call_fails() ? -1 : (int)syscall(SYS_fdatasync, fd);
}

int fsync(int fd) {
    return call_fails() ? -1 : (int)syscall(SYS_fsync, fd);
}

int flock(int fd, int operation) {
    return call_fails() ? -1 : (int)syscall(SYS_flock, fd, operation);
}

int rename(const char *from, const char *to) {
    return call_fails() ? -1 : (int)syscall(SYS_renameat2, AT_FDCWD, from, AT_FDCWD, to, 0);
}

int open(const char *path, int flags, ...) {
    mode_t mode = 0;
    if (flags & O_CREAT) {
        va_list rest;
        va_start(rest, flags);
        mode = va_arg(rest, mode_t);
        va_end(rest);
    }
    return call_fails() ? -1 : (int)syscall(SYS_openat, AT_FDCWD, path, flags, mode);
}

/* --------------------------------------------------------------------------------------------------------- World -- */

static char *path, *journal;
static model base;
static npv_buffer archive_bytes, journal_bytes;

enum { UNFINISHED = 30 }; /* bytes at the end of journal_bytes */

static int set_up(void **state) {
    const int result = forge_setup(state);
    path = strdup(forge_path("store.npz"));
    journal = strdup(forge_path("store.npz-journal"));
    model_init(&base, 21, MODEL_DOCUMENTS);
    npv_store *store = model_open(&base, path, NPV_DURABILITY_OS);
    model_add(&base, store, 20);
    model_save(&base, store, NULL);
    model_add(&base, store, 5);
    model_upsert(&base, store, 3, false);
    npv_close(store);
    archive_bytes = forge_read(path);
    journal_bytes = forge_read(journal);
    forge_insert(&journal_bytes, journal_bytes.size, archive_bytes.data, UNFINISHED);
    return result;
}

static int tear_down(void **state) {
    model_free(&base);
    free(archive_bytes.data);
    free(journal_bytes.data);
    free(path);
    free(journal);
    return forge_teardown(state);
}

/* `unfinished`: behind the last change is the beginning of what could be another one. */
static void restore_files(bool unfinished) {
    forge_remove_files();
    forge_write(path, (npv_bytes){archive_bytes.data, archive_bytes.size});
    forge_write(journal, (npv_bytes){journal_bytes.data, journal_bytes.size - (unfinished ? 0 : UNFINISHED)});
}

/* ------------------------------------------------------------------------------------------------------ Failures -- */

enum { LARGE = 1600 }; /* rows whose record is neither copied together nor written into room */

typedef void edit(model *m, npv_store *store);

static void add(model *m, npv_store *store) {
    model_add(m, store, 4);
}

static void add_many(model *m, npv_store *store) {
    model_add(m, store, LARGE);
}

/* The change is made, whatever becomes of the folding. */
static void add_and_fold(model *m, npv_store *store) {
    if (store != NULL) {
        store->fold_at = 1;
        store->archive_bytes = 0;
    }
    model_add(m, store, 4);
}

static void upsert(model *m, npv_store *store) {
    model_upsert(m, store, 4, false);
}

static void change_documents(model *m, npv_store *store) {
    model_upsert(m, store, 3, true);
}

static void set_documents(model *m, npv_store *store) {
    model_set_documents(m, store, 3);
}

static void delete(model *m, npv_store *store) {
    model_delete(m, store, 3);
}

static void save(model *m, npv_store *store) {
    model_save(m, store, NULL);
}

static void save_elsewhere(model *m, npv_store *store) {
    model_save(m, store, forge_path("other.npz"));
}

static void delete_and_save(model *m, npv_store *store) {
    model_delete(m, store, 3);
    if (m->status == NPV_OK)
        model_save(m, store, NULL);
}

typedef enum fault { NO_MEMORY, NO_CALL, NO_CALL_EVER, NO_WRITE_WHOLE, FAULTS } fault;

static void arm(fault kind, long n) {
    reason = n % 2 == 0 ? ENOSPC : EIO;
    struck = false;
    fails_for_good = kind == NO_CALL_EVER;
    short_first = kind == NO_WRITE_WHOLE;
    writes_none = short_first && n % 2 == 1;
    if (kind == NO_MEMORY)
        until_failure = n;
    else
        calls_until_failure = n;
}

/* Whether it has come to the failure. */
static bool disarm(fault kind) {
    const bool reached = kind == NO_MEMORY ? until_failure < 0 : struck;
    until_failure = calls_until_failure = -1;
    return reached;
}

/* What the file has by now, as a reader and as the next writer see it. `other`: it may be that as well; or NULL. */
static void check_file(const char *file, const model *expected, const model *other) {
    npv_store *store = model_open(expected, file, NPV_DURABILITY_OFF);
    const model *const found = other != NULL && !model_matches(expected, store) ? other : expected;
    model_check(found, store);
    npv_close(store);
    store = model_open(expected, file, NPV_DURABILITY_OS);
    model_check(found, store);
    npv_close(store);
}

/* One edit with one failure. False: it was not reached. */
static bool fail_once(edit *run, npv_durability durability, fault kind, long n, long *failures) {
    restore_files(false);
    model m = model_copy(&base);
    model after = model_copy(&base);
    npv_store *store = model_open(&m, path, durability);
    m.lenient = true;
    run(&after, NULL);
    arm(kind, n);
    run(&m, store);
    const bool reached = disarm(kind);
    const bool failed = m.status != NPV_OK;
    assert_true(reached || !failed);
    *failures += failed;
    if (failed && kind == NO_WRITE_WHOLE && (run == add || run == add_many))
        assert_int_equal(store->journal->size, lseek(store->journal->lock.fd, 0, SEEK_END));
    if (failed && writes_none && run == add)
        assert_non_null(strstr(m.error.message, strerror(ENOSPC)));
    assert_true(model_matches(&m, store) || (failed && model_matches(&after, store)));
    if (failed && durability == NPV_DURABILITY_OS && !model_matches(&m, store))
        fail_msg("a change that failed is there: %s", m.error.message);
    const bool repeated = failed && model_matches(&m, store);
    if (repeated) {
        /* Not lost for good: it works the next time, if need be after saving. */
        m.lenient = true;
        model_add(&m, store, 1);
        if (m.status != NPV_OK) {
            model_save(&m, store, NULL);
            assert_int_equal(m.status, NPV_OK);
            model_add(&m, store, 1);
        }
        assert_int_equal(m.status, NPV_OK);
        model_check(&m, store);
    }
    const bool elsewhere = run == save_elsewhere && !failed;
    npv_close(store);
    check_file(elsewhere ? forge_path("other.npz") : path, &m, repeated ? NULL : failed ? &after : NULL);
    model_free(&m);
    model_free(&after);
    return reached;
}

static void failures_leave_all_or_nothing(void **state) {
    (void)state;
    edit *const edits[] = {add,      upsert,         change_documents, delete,
                           save,     save_elsewhere, delete_and_save,  set_documents,
                           add_many, add_and_fold,   add_and_fold};
    const long before = alive;
    for (size_t i = 0; i < sizeof edits / sizeof edits[0]; i++) {
        for (int kind = 0; kind < FAULTS; kind++) {
            long failures = 0;
            const npv_durability durability = i % 2 == 0 ? NPV_DURABILITY_OS : NPV_DURABILITY_DISK;
            for (long n = 0; fail_once(edits[i], durability, (fault)kind, n, &failures); n++)
                assert_true(n < 2000);
            assert_true(failures > 0);
        }
    }
    assert_int_equal(alive, before);
}

static void writes_that_stop_on_their_way_are_gone_on_with(void **state) {
    (void)state;
    const size_t steps[] = {3, 100, 5000};
    for (size_t i = 0; i < sizeof steps / sizeof steps[0]; i++) {
        restore_files(false);
        model m = model_copy(&base);
        npv_store *store = model_open(&m, path, NPV_DURABILITY_OS);
        most_written = steps[i];
        model_add(&m, store, 1);
        const uint64_t before = model_info(store).journal_bytes;
        model_add(&m, store, LARGE);
        assert_true(model_info(store).journal_bytes - before > 65536);
        model_delete(&m, store, 2);
        npv_store *const reader = model_open(&m, path, NPV_DURABILITY_OFF);
        model_check(&m, reader);
        npv_close(reader);
        model_save(&m, store, NULL);
        model_add(&m, store, 1);
        most_written = 0;
        npv_close(store);
        check_file(path, &m, NULL);
        model_free(&m);
    }
}

static void a_failed_flush_stops_the_journal_until_it_is_saved(void **state) {
    (void)state;
    restore_files(false);
    model m = model_copy(&base);
    npv_store *store = model_open(&m, path, NPV_DURABILITY_DISK);
    m.lenient = true;
    reason = EIO;
    calls_until_failure = 2; /* the writes of room and record succeed */
    model_add(&m, store, 1);
    calls_until_failure = -1;
    assert_int_equal(m.status, NPV_E_IO);
    assert_non_null(strstr(m.error.message, "flushing"));
    model_add(&m, store, 1);
    assert_int_equal(m.status, NPV_E_IO);
    assert_non_null(strstr(m.error.message, "npv_save"));
    model_save(&m, store, NULL);
    assert_int_equal(m.status, NPV_OK);
    assert_int_equal(npv_count(store), base.count + 1); /* the row that could not be confirmed */
    npv_close(store);
    model_free(&m);
}

static npv_status open_both(npv_durability durability, npv_error *error) {
    npv_store_options options = NPV_STORE_OPTIONS_INIT;
    npv_store *store = NULL;
    int changed;
    options.durability = durability;
    npv_status status = npv_open(path, &options, &store, error);
    if (status != NPV_OK)
        return status;
    npv_close(store);
    status = npv_open(path, NULL, &store, error);
    if (status != NPV_OK)
        return status;
    status = npv_refresh(store, &changed, error);
    npv_close(store);
    return status;
}

/* False: it was not reached. */
static bool fail_to_open(npv_durability durability, bool unfinished, fault kind, long n) {
    npv_error error = {0};
    restore_files(unfinished);
    arm(kind, n);
    const npv_status status = open_both(durability, &error);
    const bool reached = disarm(kind);
    assert_true(reached || status == NPV_OK);
    check_file(path, &base, NULL);
    return reached;
}

static void opening_that_fails_changes_nothing(void **state) {
    (void)state;
    const long before = alive;
    for (int durability = NPV_DURABILITY_OS; durability <= NPV_DURABILITY_DISK; durability++)
        for (int unfinished = 0; unfinished < 2; unfinished++)
            for (int kind = 0; kind < FAULTS; kind++)
                for (long n = 0; fail_to_open((npv_durability)durability, unfinished, (fault)kind, n); n++)
                    assert_int_equal(alive, before);
}

static void refreshing_that_fails_can_be_repeated(void **state) {
    (void)state;
    for (int kind = 0; kind < FAULTS; kind++) {
        bool reached = true;
        for (long n = 0; reached; n++) {
            npv_error error = {0};
            restore_files(false);
            model m = model_copy(&base);
            npv_store *reader = model_open(&m, path, NPV_DURABILITY_OFF);
            npv_store *store = model_open(&m, path, NPV_DURABILITY_OS);
            model_add(&m, store, 2);
            model_delete(&m, store, 3);
            model_save(&m, store, NULL);
            model_upsert(&m, store, 2, false);
            arm((fault)kind, n);
            const npv_status status = npv_refresh(reader, NULL, &error);
            reached = disarm((fault)kind);
            assert_true(reached || status == NPV_OK);
            if (status != NPV_OK)
                must(npv_refresh(reader, NULL, &error), &error);
            model_check(&m, reader);
            npv_close(reader);
            npv_close(store);
            model_free(&m);
        }
    }
}

/* A file that is to be created is there as a whole, or can be created again. */
static void creating_that_fails_can_be_repeated(void **state) {
    (void)state;
    const long before = alive;
    for (int kind = 0; kind < FAULTS; kind++) {
        bool reached = true;
        for (long n = 0; reached; n++) {
            npv_store_options options = NPV_STORE_OPTIONS_INIT;
            npv_store *store = NULL;
            npv_error error = {0};
            options.dimensions = MODEL_DIMENSIONS;
            options.normalize = NPV_NORMALIZE_OFF;
            options.durability = NPV_DURABILITY_OS;
            forge_remove_files();
            arm((fault)kind, n);
            npv_status status = npv_open(path, &options, &store, &error);
            reached = disarm((fault)kind);
            if (status != NPV_OK)
                must(npv_open(path, &options, &store, &error), &error);
            npv_close(store);
            assert_int_equal(alive, before);
        }
    }
}
#else
static int set_up(void **state) {
    (void)state;
    return 0;
}

static int tear_down(void **state) {
    (void)state;
    return 0;
}

static void failures_leave_all_or_nothing(void **state) {
    (void)state;
    skip();
}

#define writes_that_stop_on_their_way_are_gone_on_with failures_leave_all_or_nothing
#define a_failed_flush_stops_the_journal_until_it_is_saved failures_leave_all_or_nothing
#define opening_that_fails_changes_nothing failures_leave_all_or_nothing
#define refreshing_that_fails_can_be_repeated failures_leave_all_or_nothing
#define creating_that_fails_can_be_repeated failures_leave_all_or_nothing
#endif

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(failures_leave_all_or_nothing, set_up, tear_down),
        cmocka_unit_test_setup_teardown(writes_that_stop_on_their_way_are_gone_on_with, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_failed_flush_stops_the_journal_until_it_is_saved, set_up, tear_down),
        cmocka_unit_test_setup_teardown(opening_that_fails_changes_nothing, set_up, tear_down),
        cmocka_unit_test_setup_teardown(refreshing_that_fails_can_be_repeated, set_up, tear_down),
        cmocka_unit_test_setup_teardown(creating_that_fails_can_be_repeated, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
