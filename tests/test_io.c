/* Files are mapped, or replaced as a whole or not at all. */
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "forge.h"
#include "io.h"

#define BYTES(text) ((npv_bytes){(const unsigned char *)(text), sizeof(text) - 1})

/* The program's own fsync and rename come before the C library's: they note what is called when, and may fail. */
#ifdef __linux__
#include <errno.h>

static char calls[16];
static char failing; /* the letter of the call that fails */
static int reason;

static bool note(char letter) {
    const size_t length = strlen(calls);
    if (length + 1 < sizeof calls)
        calls[length] = letter;
    if (letter == failing)
        errno = reason;
    return letter != failing;
}

int fsync(int fd) {
    struct stat found;
    const bool directory = fstat(fd, &found) == 0 && S_ISDIR(found.st_mode);
    return note(directory ? 'D' : 'F') ? 0 : -1;
}

int rename(const char *from, const char *to) {
    return note('R') ? renameat(AT_FDCWD, from, AT_FDCWD, to) : -1;
}

static void watch(char fail, int why) {
    memset(calls, 0, sizeof calls);
    failing = fail;
    reason = why;
}
#endif

/* --------------------------------------------------------------------------------------------------------- Bytes -- */

static void buffers_keep_what_is_appended(void **state) {
    (void)state;
    npv_buffer buffer = {NULL, 0, 0};
    assert_int_equal(npv_buffer_append(&buffer, NULL, 0, NULL), NPV_OK);
    for (unsigned i = 0; i < 100000; i++)
        assert_int_equal(npv_buffer_append(&buffer, &i, 1 + i % 4, NULL), NPV_OK);
    size_t at = 0;
    for (unsigned i = 0; i < 100000; at += 1 + i % 4, i++)
        assert_memory_equal(buffer.data + at, &i, 1 + i % 4);
    assert_int_equal(at, buffer.size);
    assert_true(buffer.capacity < 2 * buffer.size + 128);
    free(buffer.data);
}

static void reserving_takes_no_more_than_asked(void **state) {
    (void)state;
    npv_buffer buffer = {NULL, 0, 0};
    assert_int_equal(npv_buffer_append(&buffer, "abc", 3, NULL), NPV_OK);
    assert_int_equal(npv_buffer_reserve(&buffer, 1000000, NULL), NPV_OK);
    assert_int_equal(buffer.capacity, 1000003);
    assert_int_equal(buffer.size, 3);
    npv_error error;
    assert_int_equal(npv_buffer_reserve(&buffer, SIZE_MAX - 1, &error), NPV_E_MEMORY);
    assert_int_equal(npv_buffer_reserve(&buffer, SIZE_MAX / 2, &error), NPV_E_MEMORY);
    assert_memory_equal(buffer.data, "abc", 3);
    free(buffer.data);
}

static void shown_text_is_one_short_line(void **state) {
    (void)state;
    char shown[NPV_SHOWN];
    npv_bytes_show(BYTES("a\nb\x7f\0c"), shown);
    assert_string_equal(shown, "a?b??c");
    npv_bytes_show(BYTES(""), shown);
    assert_string_equal(shown, "");
    unsigned char text[200];
    memset(text, 'x', sizeof text);
    npv_bytes_show((npv_bytes){text, 63}, shown);
    assert_int_equal(strlen(shown), 63);
    assert_null(strchr(shown, '.'));
    memcpy(text + 59, "\xc3\xa4", 2); /* the cut would fall into this letter */
    npv_bytes_show((npv_bytes){text, sizeof text}, shown);
    assert_string_equal(shown + 57, "xx...");
}

/* ------------------------------------------------------------------------------------------------------- Reading -- */

static void opened_file_is_mapped_whole(void **state) {
    (void)state;
    forge_write(forge_path("a"), BYTES("hello"));
    npv_file file = NPV_FILE_CLOSED;
    assert_int_equal(npv_file_open(forge_path("a"), &file, NULL), NPV_OK);
    assert_int_equal(file.bytes.size, 5);
    assert_memory_equal(file.bytes.data, "hello", 5);
    assert_true((fcntl(file.fd, F_GETFD) & FD_CLOEXEC) != 0);
    npv_file_close(&file);
    assert_int_equal(file.fd, -1);
    npv_file_close(&file);
}

static void check_refused(const char *path, npv_status status, const char *text) {
    npv_file file = NPV_FILE_CLOSED;
    npv_error error;
    assert_int_equal(npv_file_open(path, &file, &error), status);
    assert_non_null(strstr(error.message, path));
    assert_non_null(strstr(error.message, text));
    assert_int_equal(file.fd, -1);
}

static void what_is_no_regular_file_is_refused(void **state) {
    (void)state;
    forge_write(forge_path("empty"), BYTES(""));
    assert_int_equal(mkfifo(forge_path("fifo"), 0600), 0);
    const int before = dup(0);
    close(before);
    check_refused(forge_path("missing"), NPV_E_IO, "No such file");
    check_refused(forge_path("empty"), NPV_E_FORMAT, "found an empty file");
    check_refused(forge_path("."), NPV_E_IO, "found a directory");
    alarm(20); /* opening a FIFO must not wait for a writer */
    check_refused(forge_path("fifo"), NPV_E_IO, "found a FIFO");
    alarm(0);
    check_refused("/dev/null", NPV_E_IO, "found a device");
    const int after = dup(0);
    close(after);
    assert_int_equal(after, before); /* no descriptor stays open */
    forge_remove_files();
}

/* ----------------------------------------------------------------------------------------------------- Replacing -- */

static mode_t mode_of(const char *path) {
    struct stat found;
    assert_int_equal(stat(path, &found), 0);
    return found.st_mode & (mode_t)07777;
}

static void replace(const char *path, npv_bytes bytes) {
    npv_replacement file;
    assert_int_equal(npv_replacement_open(path, &file, NULL), NPV_OK);
    assert_int_equal(npv_replacement_write(&file, 0, bytes.data, bytes.size, NULL), NPV_OK);
    assert_int_equal(npv_replacement_commit(&file, NULL), NPV_OK);
}

static void new_file_is_written_at_any_offset(void **state) {
    (void)state;
    const mode_t mask = umask(027);
    npv_replacement file;
    assert_int_equal(npv_replacement_open(forge_path("new"), &file, NULL), NPV_OK);
    assert_int_equal(npv_replacement_write(&file, 6, "world", 5, NULL), NPV_OK);
    assert_int_equal(npv_replacement_write(&file, 0, "hello ", 6, NULL), NPV_OK);
    assert_int_equal(npv_replacement_write(&file, 3, NULL, 0, NULL), NPV_OK);
    assert_int_equal(access(forge_path("new"), F_OK), -1);
    assert_int_equal(forge_count(".tmp"), 1);
    assert_non_null(strstr(file.temporary, "/.new."));
    assert_int_equal(npv_replacement_commit(&file, NULL), NPV_OK);
    umask(mask);
    assert_true(forge_same_file(forge_path("new"), BYTES("hello world")));
    assert_int_equal(mode_of(forge_path("new")), 0640);
    assert_int_equal(forge_count(""), 1);
    forge_remove_files();
}

static void old_file_stays_until_commit_and_when_abandoned(void **state) {
    (void)state;
    forge_write(forge_path("a"), BYTES("old"));
    npv_replacement file;
    assert_int_equal(npv_replacement_open(forge_path("a"), &file, NULL), NPV_OK);
    assert_int_equal(npv_replacement_write(&file, 0, "new", 3, NULL), NPV_OK);
    assert_true(forge_same_file(forge_path("a"), BYTES("old")));
    npv_replacement_abandon(&file);
    assert_true(forge_same_file(forge_path("a"), BYTES("old")));
    assert_int_equal(forge_count(""), 1);
    forge_remove_files();
}

static void permissions_and_owner_are_kept(void **state) {
    (void)state;
    const char *path = forge_path("a");
    forge_write(path, BYTES("old"));
    assert_int_equal(chmod(path, 0666), 0); /* wider than the umask allows */
    replace(path, BYTES("new"));
    assert_int_equal(mode_of(path), 0666);
    assert_int_equal(chmod(path, 0600), 0);
    if (geteuid() == 0)
        assert_int_equal(chown(path, 1234, 1235), 0);
    npv_replacement file;
    assert_int_equal(npv_replacement_open(path, &file, NULL), NPV_OK);
    assert_int_equal(mode_of(file.temporary), 0600); /* a secret is none for a moment only */
    assert_int_equal(npv_replacement_commit(&file, NULL), NPV_OK);
    assert_int_equal(mode_of(path), 0600);
    struct stat found;
    assert_int_equal(stat(path, &found), 0);
    if (geteuid() == 0)
        assert_true(found.st_uid == 1234 && found.st_gid == 1235);
    forge_remove_files();
}

static void links_are_followed(void **state) {
    (void)state;
    forge_write(forge_path("target"), BYTES("old"));
    assert_int_equal(symlink("target", forge_path("link")), 0);
    assert_int_equal(symlink("nowhere", forge_path("dangling")), 0);
    replace(forge_path("link"), BYTES("new"));
    struct stat found;
    assert_int_equal(lstat(forge_path("link"), &found), 0);
    assert_true(S_ISLNK(found.st_mode));
    assert_true(forge_same_file(forge_path("target"), BYTES("new")));
    npv_replacement file;
    npv_error error;
    assert_int_equal(npv_replacement_open(forge_path("dangling"), &file, &error), NPV_E_IO);
    assert_non_null(strstr(error.message, "link to a file that does not exist"));
    forge_remove_files();
}

static void destinations_that_cannot_be_are_refused(void **state) {
    (void)state;
    npv_replacement file;
    npv_error error;
    assert_int_equal(npv_replacement_open(forge_path("."), &file, &error), NPV_E_IO);
    assert_non_null(strstr(error.message, "found a directory"));
    assert_int_equal(npv_replacement_open(forge_path("no/file"), &file, &error), NPV_E_IO);
    assert_non_null(strstr(error.message, "No such file"));
    assert_int_equal(npv_replacement_open("", &file, &error), NPV_E_IO);
    assert_non_null(strstr(error.message, "expected a path that ends in the name of a file"));
    assert_int_equal(mkfifo(forge_path("fifo"), 0600), 0);
    assert_int_equal(npv_replacement_open(forge_path("fifo"), &file, &error), NPV_E_IO);
    assert_int_equal(forge_count(".tmp"), 0);
    forge_remove_files();
}

static void longest_names_and_bare_names_work(void **state) {
    (void)state;
    char name[256];
    strcpy(name, "x"); /* so that the cut would be inside a character */
    for (size_t i = 0; i < 127; i++)
        strcat(name, "\xc3\xa4");
    replace(forge_path(name), BYTES("long"));
    assert_true(forge_same_file(forge_path(name), BYTES("long")));
    char here[1024];
    assert_non_null(getcwd(here, sizeof here));
    assert_int_equal(chdir(forge_path(".")), 0);
    replace("bare", BYTES("bare"));
    assert_int_equal(chdir(here), 0);
    assert_true(forge_same_file(forge_path("bare"), BYTES("bare")));
    forge_remove_files();
}

static void full_disk_is_an_error_after_short_writes(void **state) {
    (void)state;
    forge_write(forge_path("a"), BYTES("old"));
    struct rlimit old;
    getrlimit(RLIMIT_FSIZE, &old);
    signal(SIGXFSZ, SIG_IGN);
    setrlimit(RLIMIT_FSIZE, &(struct rlimit){10000, old.rlim_max});
    static const unsigned char block[6000];
    npv_replacement file;
    npv_error error;
    const npv_status opened = npv_replacement_open(forge_path("a"), &file, &error);
    const npv_status first = npv_replacement_write(&file, 0, block, sizeof block, &error);
    const npv_status second = npv_replacement_write(&file, sizeof block, block, sizeof block, &error);
    struct stat found;
    const int seen = fstat(file.fd, &found);
    npv_replacement_abandon(&file);
    setrlimit(RLIMIT_FSIZE, &old);
    assert_int_equal(opened, NPV_OK);
    assert_int_equal(first, NPV_OK);
    assert_int_equal(second, NPV_E_IO);
    assert_non_null(strstr(error.message, "writing its replacement failed: File too large"));
    assert_int_equal(seen, 0);
    assert_int_equal(found.st_size, 10000); /* the short write was taken, then tried again behind it */
    assert_true(forge_same_file(forge_path("a"), BYTES("old")));
    assert_int_equal(forge_count(""), 1);
    forge_remove_files();
}

#ifdef __linux__
static void commit_flushes_file_then_renames_then_flushes_directory(void **state) {
    (void)state;
    watch(0, 0);
    replace(forge_path("a"), BYTES("new"));
    assert_string_equal(calls, "FRD");
    forge_remove_files();
}

static void check_failing_commit(char letter, int why, npv_status expected, const char *left, const char *text) {
    forge_write(forge_path("a"), BYTES("old"));
    npv_replacement file;
    npv_error error = {0};
    assert_int_equal(npv_replacement_open(forge_path("a"), &file, NULL), NPV_OK);
    assert_int_equal(npv_replacement_write(&file, 0, "new", 3, NULL), NPV_OK);
    watch(letter, why);
    const npv_status status = npv_replacement_commit(&file, &error);
    watch(0, 0);
    assert_int_equal(status, expected);
    if (expected != NPV_OK)
        assert_non_null(strstr(error.message, text));
    assert_true(forge_same_file(forge_path("a"), (npv_bytes){(const unsigned char *)left, 3}));
    assert_int_equal(forge_count(""), 1);
    forge_remove_files();
}

static void failing_commit_leaves_a_whole_file(void **state) {
    (void)state;
    check_failing_commit('F', EIO, NPV_E_IO, "old", "flushing its replacement to the disk failed");
    check_failing_commit('R', EACCES, NPV_E_IO, "old", "renaming its replacement into place failed");
    check_failing_commit('D', EIO, NPV_E_IO, "new", "the new file is in place");
    check_failing_commit('D', EINVAL, NPV_OK, "new", "");
    check_failing_commit('D', ENOTSUP, NPV_OK, "new", "");
}
#endif

static void random_bytes_differ(void **state) {
    (void)state;
    unsigned char a[32] = {0};
    unsigned char b[32] = {0};
    assert_int_equal(npv_random(a, sizeof a, NULL), NPV_OK);
    assert_int_equal(npv_random(b, sizeof b, NULL), NPV_OK);
    assert_memory_not_equal(a, b, sizeof a);
    assert_memory_not_equal(a + 16, b + 16, 16);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(buffers_keep_what_is_appended),
        cmocka_unit_test(reserving_takes_no_more_than_asked),
        cmocka_unit_test(shown_text_is_one_short_line),
        cmocka_unit_test(opened_file_is_mapped_whole),
        cmocka_unit_test(what_is_no_regular_file_is_refused),
        cmocka_unit_test(new_file_is_written_at_any_offset),
        cmocka_unit_test(old_file_stays_until_commit_and_when_abandoned),
        cmocka_unit_test(permissions_and_owner_are_kept),
        cmocka_unit_test(links_are_followed),
        cmocka_unit_test(destinations_that_cannot_be_are_refused),
        cmocka_unit_test(longest_names_and_bare_names_work),
        cmocka_unit_test(full_disk_is_an_error_after_short_writes),
#ifdef __linux__
        cmocka_unit_test(commit_flushes_file_then_renames_then_flushes_directory),
        cmocka_unit_test(failing_commit_leaves_a_whole_file),
#endif
        cmocka_unit_test(random_bytes_differ),
    };
    return cmocka_run_group_tests(tests, forge_setup, forge_teardown);
}
