/*
 * Every system call of saving a file fails once, for every reason that disks have: the old file or the new one is there
 * as a whole, nothing is left beside it, and the next try succeeds.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "forge.h"
#include "npvec.h"

#ifdef __linux__
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* What the chosen call does. An INTERRUPTED one may be tried again; SHORT and NONE are writes that succeed in part. */
typedef enum fault_kind { FULL, BROKEN, DENIED, INTERRUPTED, SHORT, NONE, KINDS } fault_kind;

static const int reasons[] = {ENOSPC, EIO, EPERM, EINTR};

static struct {
    long until; /* calls that still succeed; below 0: all do */
    fault_kind kind;
    const char *call; /* that failed */
    bool renamed;
} fault = {.until = -1};

static bool fails_as(const char *call) {
    if (fault.until < 0 || fault.until-- > 0)
        return false;
    fault.call = call;
    return true;
}

/* Those that transfer nothing succeed or fail. */
static bool fails(const char *call) {
    const bool is_write = fault.kind == SHORT || fault.kind == NONE;
    if (is_write || !fails_as(call))
        return false;
    errno = reasons[fault.kind];
    return true;
}

/* The program's own come before the C library's. */
int open(const char *path, int flags, ...) {
    va_list rest;
    va_start(rest, flags);
    const unsigned mode = (flags & O_CREAT) != 0 ? va_arg(rest, unsigned) : 0;
    va_end(rest);
    return fails("open") ? -1 : (int)syscall(SYS_openat, AT_FDCWD, path, flags, mode);
}

ssize_t pwrite(int fd, const void *data, size_t size, off_t offset) {
    const bool is_write = fault.kind == SHORT || fault.kind == NONE;
    if (is_write && fails_as("pwrite"))
        size = fault.kind == SHORT ? (size + 1) / 2 : 0;
    else if (fails("pwrite"))
        return -1;
    return size == 0 ? 0 : (ssize_t)syscall(SYS_pwrite64, fd, data, size, offset);
}

int fsync(int fd) {
    return fails("fsync") ? -1 : (int)syscall(SYS_fsync, fd);
}

int fchmod(int fd, mode_t mode) {
    return fails("fchmod") ? -1 : (int)syscall(SYS_fchmod, fd, mode);
}

int fchown(int fd, uid_t user, gid_t group) {
    return fails("fchown") ? -1 : (int)syscall(SYS_fchown, fd, user, group);
}

int fstat(int fd, struct stat *found) {
    return fails("fstat") ? -1 : fstatat(fd, "", found, 0x1000 /* AT_EMPTY_PATH, a name of GNU's */);
}

int stat(const char *path, struct stat *found) {
    return fails("stat") ? -1 : fstatat(AT_FDCWD, path, found, 0);
}

int getentropy(void *data, size_t size) {
    return fails("getentropy") ? -1 : syscall(SYS_getrandom, data, size, 0) == (long)size ? 0 : -1;
}

int rename(const char *from, const char *to) {
    if (fails("rename"))
        return -1;
    fault.renamed = true;
    return renameat(AT_FDCWD, from, AT_FDCWD, to);
}

static const float vectors[8] = {1, 0, 0, 1, 1, 0, 0, 1};

static void add_rows(npv_store *store, size_t count) {
    static const char *const documents[4] = {"{\"a\": 1}", NULL, "[]", "7"};
    npv_batch batch = NPV_BATCH_INIT;
    batch.count = count;
    batch.vectors = vectors;
    batch.documents = documents;
    assert_int_equal(npv_add(store, &batch, NULL, NULL), NPV_OK);
}

static npv_store *new_store(size_t rows) {
    npv_store_options options = NPV_STORE_OPTIONS_INIT;
    npv_store *store = NULL;
    options.dimensions = 2;
    options.threads = 1;
    assert_int_equal(npv_create(&options, &store, NULL), NPV_OK);
    add_rows(store, rows);
    return store;
}

/* The rows of the file, which must be whole; 0 if it is not there. */
static uint64_t rows_of(const char *path) {
    npv_store *store = NULL;
    npv_error error;
    char *json = NULL;
    if (access(path, F_OK) != 0)
        return 0;
    if (npv_open(path, NULL, &store, &error) != NPV_OK || npv_get_document(store, 0, &json, &error) != NPV_OK)
        fail_msg("%s", error.message);
    const uint64_t rows = npv_count(store);
    npv_free(json);
    npv_close(store);
    return rows;
}

static bool is_needed(const char *call) {
    return strcmp(call, "pwrite") == 0 || strcmp(call, "fsync") == 0 || strcmp(call, "rename") == 0;
}

/* A file of `old` rows, or none, is replaced by one of four, and call number n fails. False: there are not so many. */
static bool fail_at_call(const char *path, uint64_t old, fault_kind kind, long n) {
    npv_store *const store = new_store(4);
    npv_error error = {.message = ""};
    unlink(path);
    if (old > 0) {
        npv_store *const before = new_store(old);
        assert_int_equal(npv_save(before, path, NULL, NULL), NPV_OK);
        assert_int_equal(chmod(path, 0600), 0);
        (void)chown(path, 12345, 12345); /* as root: then owner and permissions are two calls more */
        npv_close(before);
    }
    fault.kind = kind;
    fault.renamed = false;
    fault.until = n;
    const npv_status status = npv_save(store, path, NULL, &error);
    const bool reached = fault.until < 0;
    fault.until = -1;
    if (status != NPV_OK && (status != NPV_E_IO || error.message[0] == '\0'))
        fail_msg("%s: status %d, %s", fault.call, (int)status, error.message);
    if (reached && kind < INTERRUPTED && status == NPV_OK && is_needed(fault.call))
        fail_msg("%s failed, and nobody said so", fault.call);
    assert_int_equal(rows_of(path), status == NPV_OK || fault.renamed ? 4 : old);
    assert_int_equal(forge_count(".tmp"), 0);
    assert_int_equal(npv_save(store, path, NULL, &error), NPV_OK);
    assert_int_equal(rows_of(path), 4);
    assert_int_equal(forge_count(""), 1); /* a journal without records that was left is gone, too */
    npv_close(store);
    return reached;
}

static void no_failure_leaves_half_a_file(void **state) {
    (void)state;
    for (int kind = 0; kind < KINDS; kind++)
        for (uint64_t old = 0; old < 4; old += 3) {
            long n = 0;
            while (fail_at_call(forge_path("store.npz"), old, (fault_kind)kind, n))
                n++;
            assert_true(n >= (kind < SHORT ? 6 : 1));
        }
}

static void interrupted_and_short_writes_go_on(void **state) {
    (void)state;
    static const fault_kind harmless[] = {INTERRUPTED, SHORT};
    for (size_t i = 0; i < 2; i++) {
        npv_store *const store = new_store(4);
        long n = 0;
        for (fault.call = ""; strcmp(fault.call, "pwrite") != 0; n++) { /* the first that is a write */
            fault.kind = harmless[i];
            fault.until = n;
            const npv_status status = npv_save(store, forge_path("store.npz"), NULL, NULL);
            fault.until = -1;
            assert_true(status == NPV_OK || strcmp(fault.call, "pwrite") != 0);
        }
        assert_int_equal(rows_of(forge_path("store.npz")), 4);
        npv_close(store);
    }
}
#else
static void no_failure_leaves_half_a_file(void **state) {
    (void)state;
    skip();
}

static void interrupted_and_short_writes_go_on(void **state) {
    (void)state;
    skip();
}
#endif

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_failure_leaves_half_a_file),
        cmocka_unit_test(interrupted_and_short_writes_go_on),
    };
    return cmocka_run_group_tests(tests, forge_setup, forge_teardown);
}
