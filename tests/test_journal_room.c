/* Zeros that are written ahead of the records: no part of the journal, whoever reads it, and whenever. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include <cmocka.h>

#include "forge.h"
#include "journal_model.h"

enum { CHANGES = 6 };

static char *path, *journal;

/* What the store was after each change, and where in the journal that change ends. */
static model states[CHANGES + 1];
static uint64_t ends[CHANGES + 1];
static npv_buffer whole;

static uint64_t size_of(const char *file) {
    struct stat found;
    return stat(file, &found) == 0 ? (uint64_t)found.st_size : 0;
}

static int set_up(void **state) {
    const int result = forge_setup(state);
    path = strdup(forge_path("store.npz"));
    journal = strdup(forge_path("store.npz-journal"));
    model m;
    model_init(&m, 51, MODEL_DOCUMENTS);
    npv_store *const store = model_open(&m, path, NPV_DURABILITY_OS);
    for (int i = 0; i <= CHANGES; i++) {
        if (i > 0)
            model_add(&m, store, i < CHANGES ? 2 : 9);
        states[i] = model_copy(&m);
        ends[i] = model_info(store).journal_bytes;
    }
    npv_close(store);
    whole = forge_read(journal);
    model_free(&m);
    return result;
}

static int tear_down(void **state) {
    for (int i = 0; i <= CHANGES; i++)
        model_free(&states[i]);
    free(whole.data);
    free(path);
    free(journal);
    return forge_teardown(state);
}

/* In the same file, which a reader may have open. */
static void overwrite(npv_bytes bytes) {
    FILE *const file = fopen(journal, "r+b");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes.data, 1, bytes.size, file), bytes.size);
    assert_int_equal(fclose(file), 0);
    assert_int_equal(truncate(journal, (off_t)bytes.size), 0);
}

/* The first bytes of the journal, and zeros behind them. */
static void write_journal(uint64_t size, uint64_t room) {
    unsigned char *const bytes = calloc(size + room, 1);
    assert_non_null(bytes);
    memcpy(bytes, whole.data, size);
    overwrite((npv_bytes){bytes, size + room});
    free(bytes);
}

static void count_line(void *context, const char *line) {
    (void)line;
    ++*(int *)context;
}

static uint64_t verify(int *lines) {
    npv_verification result = {.size = sizeof result};
    npv_error error = {.message = ""};
    *lines = 0;
    must(npv_verify(path, count_line, lines, &result, &error), &error);
    return result.findings;
}

/* ---------------------------------------------------------------------------------------------------------- Life -- */

static void a_file_has_room_while_it_is_written_to(void **state) {
    (void)state;
    for (int durability = NPV_DURABILITY_OS; durability <= NPV_DURABILITY_DISK; durability++) {
        model m = model_copy(&states[CHANGES]);
        npv_store *store = model_open(&m, path, (npv_durability)durability);
        for (int i = 0; i < 400; i++) {
            model_add(&m, store, 1 + model_below(&m, 3));
            const uint64_t size = size_of(journal), records = model_info(store).journal_bytes;
            assert_true(size % 65536 == 0 && size >= records);
            assert_true(size - records <= (durability == NPV_DURABILITY_OS ? 65536 : records + 65536));
        }
        npv_store *const reader = model_open(&m, path, NPV_DURABILITY_OFF);
        assert_string_equal(model_info(reader).journal_note, "");
        assert_true(model_info(reader).journal_bytes == model_info(store).journal_bytes);
        model_check(&m, reader);
        const uint64_t records = model_info(store).journal_bytes;
        npv_close(store);
        assert_int_equal(size_of(journal), records);
        must(npv_refresh(reader, NULL, &m.error), &m.error);
        npv_close(reader);
        model_free(&m);
        write_journal(whole.size, 0);
    }
}

static void room_is_no_change_and_no_damage(void **state) {
    (void)state;
    static const uint64_t rooms[] = {1, 7, 8, 39, 40, 41, 512, 4096, 65536, 1 << 20};
    for (size_t i = 0; i < sizeof rooms / sizeof rooms[0]; i++) {
        int lines;
        write_journal(whole.size, rooms[i]);
        assert_int_equal(verify(&lines), 0);
        assert_int_equal(lines, 0);
        npv_store *store = model_open(&states[CHANGES], path, NPV_DURABILITY_OFF);
        model_check(&states[CHANGES], store);
        assert_string_equal(model_info(store).journal_note, "");
        npv_close(store);
        model m = model_copy(&states[CHANGES]);
        store = model_open(&m, path, NPV_DURABILITY_OS);
        assert_string_equal(model_info(store).journal_note, "");
        model_add(&m, store, 1);
        npv_close(store);
        store = model_open(&m, path, NPV_DURABILITY_OFF);
        model_check(&m, store);
        npv_close(store);
        model_free(&m);
    }
}

/* ------------------------------------------------------------------------------------------------------- Crashes -- */

static void a_change_that_was_cut_off_in_the_room_is_dropped(void **state) {
    (void)state;
    const model *const before = &states[CHANGES - 1];
    uint64_t end = whole.size; /* behind the last byte that is not zero */
    while (whole.data[end - 1] == 0)
        end--;
    for (uint64_t size = ends[CHANGES - 1] + 1; size < end; size++) {
        write_journal(size, 65536 - size);
        npv_store *store = model_open(before, path, size % 2 == 0 ? NPV_DURABILITY_OFF : NPV_DURABILITY_OS);
        model_check(before, store);
        assert_non_null(strstr(model_info(store).journal_note, "never "));
        npv_close(store);
    }
}

/* Damage is told from it by whole sectors that are missing. */
static void a_sector_that_was_not_written_is_no_finding(void **state) {
    (void)state;
    const uint64_t from = ends[CHANGES - 1], end = ends[CHANGES];
    const uint64_t cut = (end - 1) / 512 * 512;
    int lines;
    if (cut <= from + 40)
        fail_msg("the last change, bytes %d to %d, has too little behind the border of a sector", (int)from, (int)end);
    write_journal(cut, 65536 - cut);
    assert_int_equal(verify(&lines), 0);
    assert_int_equal(lines, 1);
    write_journal(end, 65536 - end);
    npv_buffer bytes = forge_read(journal);
    bytes.data[from + 60] ^= 1;
    overwrite((npv_bytes){bytes.data, bytes.size});
    free(bytes.data);
    assert_int_equal(verify(&lines), 1);
}

/* Zeros instead of these bytes, but for one of them. */
static void write_zeroed(uint64_t from, uint64_t end, uint64_t left) {
    write_journal(whole.size, 4096);
    npv_buffer bytes = forge_read(journal);
    memset(bytes.data + from, 0, end - from);
    bytes.data[left] = 1;
    overwrite((npv_bytes){bytes.data, bytes.size});
    free(bytes.data);
}

/* Also if only the last one is there, wherever the zeros begin. */
static void zeros_with_changes_behind_them_are_damage(void **state) {
    (void)state;
    for (uint64_t i = 0; i < CHANGES - 1; i++) {
        npv_store *store = NULL;
        npv_error error = {.message = ""};
        char expected[32];
        int lines;
        snprintf(expected, sizeof expected, "change %d,", (int)i + 1);
        write_zeroed(ends[i], ends[CHANGES - 1], ends[CHANGES - 1] - 8 * (i + 1));
        assert_int_equal(npv_open(path, NULL, &store, &error), NPV_E_FORMAT);
        assert_non_null(strstr(error.message, expected));
        assert_true(verify(&lines) > 0);
    }
}

static void who_follows_knows_room_from_damage(void **state) {
    (void)state;
    npv_error error = {.message = ""};
    int changed = 1;
    write_journal(ends[2], 4096);
    npv_store *const follower = model_open(&states[2], path, NPV_DURABILITY_OFF);
    must(npv_refresh(follower, &changed, &error), &error);
    assert_int_equal(changed, 0);
    write_zeroed(ends[2] + 48, ends[3], ends[2] + 48);
    assert_int_equal(npv_refresh(follower, &changed, &error), NPV_E_FORMAT);
    model_check(&states[2], follower);
    write_journal(whole.size, 4096);
    must(npv_refresh(follower, &changed, &error), &error);
    assert_int_equal(changed, 1);
    model_check(&states[CHANGES], follower);
    npv_close(follower);
}

/* --------------------------------------------------------------------------------------------- Beside a writer -- */

/* Where the next read finds zeros, as if the writer had not come so far, but had a moment later. */
static uint64_t hidden_from, hidden_to;
static atomic_int hidings; /* how often that is */

ssize_t pread(int fd, void *data, size_t size, off_t offset) {
    const struct iovec part = {data, size};
    const ssize_t result = preadv(fd, &part, 1, offset);
    if (result > 0 && hidings > 0 && (uint64_t)offset < hidden_to && (uint64_t)(offset + result) > hidden_from) {
        const uint64_t from = hidden_from > (uint64_t)offset ? hidden_from : (uint64_t)offset;
        const uint64_t end = (uint64_t)(offset + result) < hidden_to ? (uint64_t)(offset + result) : hidden_to;
        memset((unsigned char *)data + (from - (uint64_t)offset), 0, end - from);
        hidings--;
    }
    return result;
}

/* Each part of a change, while the one behind it is seen already. */
static void a_change_that_is_being_written_is_looked_at_again(void **state) {
    (void)state;
    for (uint64_t from = ends[2]; from < ends[3]; from += 8) {
        int lines;
        write_journal(whole.size, 4096);
        hidden_from = from;
        hidden_to = ends[3];
        hidings = 1;
        npv_store *store = model_open(&states[CHANGES], path, NPV_DURABILITY_OFF);
        assert_int_equal(hidings, 0);
        model_check(&states[CHANGES], store);
        npv_close(store);
        hidings = 1;
        assert_int_equal(verify(&lines), 0);
        assert_int_equal(lines, 0);
    }
}

/* The last one, of which verify finds the end before it finds the beginning. */
static void verifying_waits_for_no_writer(void **state) {
    (void)state;
    for (uint64_t to = ends[CHANGES - 1] + 8; to < ends[CHANGES]; to += 8) {
        int lines;
        write_journal(whole.size, 4096);
        hidden_from = ends[CHANGES - 1];
        hidden_to = to;
        hidings = 1 + (to % 16 == 0);
        assert_int_equal(verify(&lines), 0);
        assert_int_equal(hidings, 0);
    }
}

static atomic_bool done;

static void *keep_adding(void *context) {
    npv_store *const store = context;
    model m = model_copy(&states[CHANGES]);
    for (int i = 0; i < 1500 && m.count < MODEL_ROWS - 4; i++)
        model_add(&m, store, 1 + model_below(&m, 3));
    done = true;
    model_free(&m);
    return NULL;
}

/* Whoever reads meanwhile sees changes one after the other, never a damaged one. */
static void readers_see_no_half_changes(void **state) {
    (void)state;
    pthread_t thread;
    npv_error error = {.message = ""};
    npv_store *const store = model_open(&states[CHANGES], path, NPV_DURABILITY_OS);
    npv_store *follower = NULL;
    must(npv_open(path, NULL, &follower, &error), &error);
    assert_int_equal(pthread_create(&thread, NULL, keep_adding, store), 0);
    uint64_t before = npv_count(follower);
    for (bool last = false; !last;) {
        npv_store *reader = NULL;
        int lines;
        last = done;
        must(npv_refresh(follower, NULL, &error), &error);
        assert_true(npv_count(follower) >= before);
        before = npv_count(follower);
        must(npv_open(path, NULL, &reader, &error), &error);
        assert_true(npv_count(reader) >= before);
        npv_close(reader);
        assert_int_equal(verify(&lines), 0);
    }
    pthread_join(thread, NULL);
    assert_int_equal(npv_count(follower), npv_count(store));
    npv_close(follower);
    npv_close(store);
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(a_file_has_room_while_it_is_written_to),
        TEST(room_is_no_change_and_no_damage),
        TEST(a_change_that_was_cut_off_in_the_room_is_dropped),
        TEST(a_sector_that_was_not_written_is_no_finding),
        TEST(zeros_with_changes_behind_them_are_damage),
        TEST(who_follows_knows_room_from_damage),
        TEST(a_change_that_is_being_written_is_looked_at_again),
        TEST(verifying_waits_for_no_writer),
        TEST(readers_see_no_half_changes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
