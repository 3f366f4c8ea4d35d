/*
 * Every allocation and system call of npv_verify and npv_repair fails: an error, or what they say without; never less.
 */
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
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>

/* -------------------------------------------------------------------------------------------------- System calls -- */

static long calls_until_failure = -1; /* below 0: all succeed */
static bool struck;

static bool call_fails(int reason) {
    if (calls_until_failure < 0 || calls_until_failure-- > 0)
        return false;
    struck = true;
    errno = reason;
    return true;
}

void *mmap(void *place, size_t size, int protection, int flags, int fd, off_t offset) {
    return call_fails(ENOMEM) ? MAP_FAILED : (void *)syscall(SYS_mmap, place, size, protection, flags, fd, offset);
}

int mprotect(void *place, size_t size, int protection) {
    return call_fails(ENOMEM) ? -1 : (int)syscall(SYS_mprotect, place, size, protection);
}

ssize_t pwrite(int fd, const void *data, size_t size, off_t offset) {
    return call_fails(ENOSPC) ? -1 : syscall(SYS_pwrite64, fd, data, size, offset);
}

ssize_t pread(int fd, void *data, size_t size, off_t offset) {
    return call_fails(EIO) ? -1 : syscall(SYS_pread64, fd, data, size, offset);
}

/* What power loss does is another test's. */
int fsync(int fd) {
    (void)fd;
    return call_fails(EIO) ? -1 : 0;
}

int rename(const char *from, const char *to) {
    return call_fails(EIO) ? -1 : (int)syscall(SYS_renameat2, AT_FDCWD, from, AT_FDCWD, to, 0);
}

int fstat(int fd, struct stat *file) {
    return call_fails(EIO) ? -1 : (int)syscall(SYS_fstat, fd, file);
}

int open(const char *path, int flags, ...) {
    mode_t mode = 0;
    if (flags & O_CREAT) {
        va_list rest;
        va_start(rest, flags);
        mode = va_arg(rest, mode_t);
        va_end(rest);
    }
    return call_fails(EIO) ? -1 : (int)syscall(SYS_openat, AT_FDCWD, path, flags, mode);
}

/* --------------------------------------------------------------------------------------------------------- Files -- */

static char *path, *journal, *saved;

static int set_up(void **state) {
    const int result = forge_setup(state);
    path = strdup(forge_path("store.npz"));
    journal = strdup(forge_path("store.npz-journal"));
    saved = strdup(forge_path("saved.npz"));
    return result;
}

static int tear_down(void **state) {
    free(path);
    free(journal);
    free(saved);
    return forge_teardown(state);
}

/* An archive of six rows, a change of each kind. */
static void make_files(model_kind kind, bool compress) {
    model m;
    npv_error error = {0};
    npv_save_options options = NPV_SAVE_OPTIONS_INIT;
    model_init(&m, 31, kind);
    npv_store *const store = model_open(&m, path, NPV_DURABILITY_OS);
    options.compress = compress;
    model_add(&m, store, 6);
    must(npv_save(store, NULL, &options, &error), &error);
    model_add(&m, store, 2);
    model_upsert(&m, store, 2, false);
    model_delete(&m, store, 2);
    model_add(&m, store, 3);
    npv_close(store);
    model_free(&m);
}

typedef void harm(npv_buffer *archive, npv_buffer *changes);

static void nothing(npv_buffer *archive, npv_buffer *changes) {
    (void)archive;
    (void)changes;
}

static size_t data_of(npv_buffer archive, const char *name) {
    const size_t local = forge_local(archive, name);
    return local + 30 + archive.data[local + 26] + archive.data[local + 28];
}

static void one_vector(npv_buffer *archive, npv_buffer *changes) {
    (void)changes;
    forge_put32(*archive, data_of(*archive, "vectors.npy") + 128 + 2 * 4 * MODEL_DIMENSIONS, 0x7fc00000);
}

static void all_metadata(npv_buffer *archive, npv_buffer *changes) {
    (void)changes;
    for (size_t at = 140; at < 200; at += 10)
        archive->data[data_of(*archive, "metadata.npy") + at] ^= 0x55;
    archive->data[data_of(*archive, "ids.npy") + 130] ^= 0x80;
}

static void the_headers(npv_buffer *archive, npv_buffer *changes) {
    archive->data[data_of(*archive, "vectors.npy") + 20] ^= 1;
    archive->data[data_of(*archive, "metadata.npy") + 20] ^= 1;
    changes->data[100] ^= 1;
}

static void the_end(npv_buffer *archive, npv_buffer *changes) {
    archive->size = data_of(*archive, "vectors.npy") + 128 + 3 * 4 * MODEL_DIMENSIONS;
    changes->size -= 9;
}

static void one_change(npv_buffer *archive, npv_buffer *changes) {
    (void)archive;
    changes->data[128 + 60] ^= 1;
}

static void two_changes(npv_buffer *archive, npv_buffer *changes) {
    (void)archive;
    changes->data[128] ^= 1;
    changes->data[changes->size - 9] ^= 1;
}

static void damage(harm *how) {
    npv_buffer archive = forge_read(path), changes = forge_read(journal);
    how(&archive, &changes);
    forge_write(path, (npv_bytes){archive.data, archive.size});
    forge_write(journal, (npv_bytes){changes.data, changes.size});
    free(archive.data);
    free(changes.data);
}

/* ------------------------------------------------------------------------------------------------------ Failures -- */

typedef struct outcome {
    npv_status status;
    npv_verification counts;
    char report[8192];
    npv_error error;
} outcome;

static void take(void *context, const char *line) {
    char *const report = context;
    const size_t size = strlen(report);
    assert_true(size + strlen(line) + 2 < sizeof((outcome *)0)->report);
    strcat(strcpy(report + size, line), "\n");
}

static void run(bool repair, outcome *result) {
    memset(result, 0, sizeof *result);
    result->counts.size = sizeof result->counts;
    result->status = repair ? npv_repair(path, saved, take, result->report, &result->counts, &result->error)
                            : npv_verify(path, take, result->report, &result->counts, &result->error);
}

/* Whether it has come to the failure. */
static bool run_failing(bool repair, bool memory, long n, outcome *result) {
    struck = false;
    if (memory)
        until_failure = n;
    else
        calls_until_failure = n;
    run(repair, result);
    const bool reached = memory ? until_failure < 0 : struck;
    until_failure = calls_until_failure = -1;
    return reached;
}

static void expect_same(const outcome *expected, const outcome *found) {
    must(found->status, &found->error);
    assert_string_equal(found->report, expected->report);
    assert_memory_equal(&found->counts, &expected->counts, sizeof expected->counts);
}

/* One failure. False: it was not reached. */
static bool fail_once(bool repair, bool memory, long n, const outcome *expected, long *failures) {
    static outcome found;
    const long before = alive;
    const bool reached = run_failing(repair, memory, n, &found);
    assert_int_equal(alive, before);
    *failures += found.status != NPV_OK;
    if (found.status == NPV_OK) {
        expect_same(expected, &found);
    } else {
        assert_true(found.status == NPV_E_MEMORY || (!memory && found.status == NPV_E_IO));
        assert_true(found.error.message[0] != '\0' && found.counts.rows == 0);
        assert_int_equal(forge_count("saved.npz"), 0);
        run(repair, &found);
        expect_same(expected, &found);
    }
    unlink(saved);
    assert_int_equal(forge_count(""), 2); /* the store and its journal */
    return reached;
}

static void fail_everywhere(model_kind kind, bool compress, harm *how) {
    static outcome expected;
    forge_remove_files();
    make_files(kind, compress);
    damage(how);
    const npv_buffer archive = forge_read(path), changes = forge_read(journal);
    for (int way = 0; way < 4; way++) {
        long failures = 0;
        run(way % 2, &expected);
        must(expected.status, &expected.error);
        unlink(saved);
        for (long n = 0; fail_once(way % 2, way / 2, n, &expected, &failures); n++)
            assert_true(n < 5000);
        assert_true(failures > 3);
    }
    assert_true(forge_same_file(path, (npv_bytes){archive.data, archive.size}));
    assert_true(forge_same_file(journal, (npv_bytes){changes.data, changes.size}));
    free(archive.data);
    free(changes.data);
}

static void failures_of_sound_stores_are_told(void **state) {
    (void)state;
    for (int kind = MODEL_DOCUMENTS; kind <= MODEL_PLAIN; kind++)
        fail_everywhere((model_kind)kind, kind != MODEL_PLAIN, nothing);
}

static void failures_of_damaged_archives_are_told(void **state) {
    (void)state;
    fail_everywhere(MODEL_DOCUMENTS, false, one_vector);
    fail_everywhere(MODEL_DOCUMENTS, false, all_metadata);
    fail_everywhere(MODEL_DOCUMENTS, true, all_metadata);
    fail_everywhere(MODEL_TYPED, false, all_metadata);
    fail_everywhere(MODEL_DOCUMENTS, false, the_headers);
    fail_everywhere(MODEL_TYPED, false, the_end);
}

static void failures_of_damaged_journals_are_told(void **state) {
    (void)state;
    fail_everywhere(MODEL_DOCUMENTS, false, one_change);
    fail_everywhere(MODEL_TYPED, false, two_changes);
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

static void failures_of_sound_stores_are_told(void **state) {
    (void)state;
    skip();
}

#define failures_of_damaged_archives_are_told failures_of_sound_stores_are_told
#define failures_of_damaged_journals_are_told failures_of_sound_stores_are_told
#endif

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(failures_of_sound_stores_are_told, set_up, tear_down),
        cmocka_unit_test_setup_teardown(failures_of_damaged_archives_are_told, set_up, tear_down),
        cmocka_unit_test_setup_teardown(failures_of_damaged_journals_are_told, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
