/* Journals that were cut off, damaged, or made by somebody hostile: a prefix of the changes, or an error. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>
#include <xxhash.h>

#include "forge.h"
#include "journal_model.h"

enum { CHANGES = 14 };

static char *path, *journal;

/* What the store was after each change, and where in the journal that change ends. */
static model states[CHANGES + 1];
static uint64_t ends[CHANGES + 1];
static npv_buffer whole;

static uint64_t size_of(const char *file) {
    struct stat found;
    return stat(file, &found) == 0 ? (uint64_t)found.st_size : 0;
}

static void change(model *m, npv_store *store, int number) {
    if (number == 9)
        model_delete(m, store, 2);
    else if (number % 4 == 1)
        model_upsert(m, store, 2, false);
    else if (number % 4 == 2)
        model_upsert(m, store, 1, true);
    else if (number % 8 == 0)
        model_set_documents(m, store, 3);
    else
        model_add(m, store, 1 + (size_t)number % 3);
}

static int set_up(void **state) {
    const int result = forge_setup(state);
    path = strdup(forge_path("store.npz"));
    journal = strdup(forge_path("store.npz-journal"));
    model m;
    model_init(&m, 11, MODEL_DOCUMENTS);
    npv_store *store = model_open(&m, path, NPV_DURABILITY_OS);
    model_add(&m, store, 4);
    model_save(&m, store, NULL);
    for (int i = 0; i <= CHANGES; i++) {
        if (i > 0)
            change(&m, store, i);
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

static npv_status try_open(npv_durability durability, npv_store **store, npv_error *error) {
    npv_store_options options = NPV_STORE_OPTIONS_INIT;
    options.threads = 1;
    options.durability = durability;
    return npv_open(path, &options, store, error);
}

/* The number of changes that the store has, which must be all of some of the first ones. */
static int changes_in(npv_store *store) {
    for (int i = CHANGES; i >= 0; i--)
        if (model_matches(&states[i], store))
            return i;
    fail_msg("the store is what it never was");
    return -1;
}

static void a_torn_end_is_dropped_at_every_length(void **state) {
    (void)state;
    for (uint64_t size = 128; size <= whole.size; size++) {
        npv_store *store = NULL;
        npv_error error = {0};
        int expected = 0;
        while (expected < CHANGES && ends[expected + 1] <= size)
            expected++;
        forge_write(journal, (npv_bytes){whole.data, size});
        must(try_open(NPV_DURABILITY_OFF, &store, &error), &error);
        assert_int_equal(changes_in(store), expected);
        assert_int_equal(model_info(store).journal_note[0] != '\0', size != ends[expected]);
        npv_close(store);
        assert_int_equal(size_of(journal), size);
        if (size % 7 != 0)
            continue;
        must(try_open(NPV_DURABILITY_OS, &store, &error), &error);
        assert_int_equal(changes_in(store), expected);
        assert_int_equal(size_of(journal), ends[expected]);
        npv_close(store);
    }
}

static void what_follows_a_torn_end_is_kept(void **state) {
    (void)state;
    npv_store *store = NULL;
    npv_error error = {0};
    forge_write(journal, (npv_bytes){whole.data, ends[5] + 60});
    must(try_open(NPV_DURABILITY_OS, &store, &error), &error);
    model m = model_copy(&states[5]);
    model_add(&m, store, 1);
    npv_close(store);
    must(try_open(NPV_DURABILITY_OFF, &store, &error), &error);
    model_check(&m, store);
    npv_close(store);
    model_free(&m);
}

static void a_journal_cut_inside_its_header_is_an_error(void **state) {
    (void)state;
    for (size_t size = 1; size < 128; size++) {
        npv_store *store = NULL;
        npv_error error = {0};
        forge_write(journal, (npv_bytes){whole.data, size});
        assert_int_equal(try_open(size % 2 == 0 ? NPV_DURABILITY_OFF : NPV_DURABILITY_OS, &store, &error),
                         NPV_E_FORMAT);
        assert_non_null(strstr(error.message, "cut off"));
        assert_int_equal(size_of(journal), size);
    }
    npv_store *store = NULL;
    npv_error error = {0};
    forge_write(journal, (npv_bytes){whole.data, 0});
    must(try_open(NPV_DURABILITY_OFF, &store, &error), &error);
    assert_int_equal(changes_in(store), 0);
    npv_close(store);
}

/* A changed byte costs the last change at most; in any other it is an error that says how much is intact. */
static void no_changed_byte_goes_unnoticed(void **state) {
    (void)state;
    npv_buffer bytes = {malloc(whole.size), whole.size, whole.size};
    int dropped = 0, refused = 0;
    for (size_t i = 0; i < whole.size; i++) {
        npv_store *store = NULL;
        npv_error error = {0};
        memcpy(bytes.data, whole.data, whole.size);
        bytes.data[i] ^= (unsigned char)(1u << i % 8);
        forge_write(journal, (npv_bytes){bytes.data, bytes.size});
        const npv_status status = try_open(i % 2 == 0 ? NPV_DURABILITY_OFF : NPV_DURABILITY_OS, &store, &error);
        if (status == NPV_OK) {
            const int changes = changes_in(store);
            assert_true(changes == (i < 128 ? CHANGES : CHANGES - 1));
            assert_true(i >= 120); /* before, nothing is believed */
            dropped++;
            npv_close(store);
            continue;
        }
        assert_int_equal(status, NPV_E_FORMAT);
        assert_true(i < ends[CHANGES - 1]);
        assert_non_null(strstr(error.message, i < 8 ? "another file" : "damaged"));
        assert_true(i < 128 || strstr(error.message, "npvec repair") != NULL);
        assert_int_equal(size_of(journal), whole.size); /* nobody has cut it off */
        refused++;
    }
    assert_true(dropped > 100 && refused > 1000);
    free(bytes.data);
}

static void the_error_says_what_is_intact(void **state) {
    (void)state;
    npv_store *store = NULL;
    npv_error error = {0};
    char expected[64];
    whole.data[ends[3] + 50] ^= 1;
    forge_write(journal, (npv_bytes){whole.data, whole.size});
    assert_int_equal(try_open(NPV_DURABILITY_OFF, &store, &error), NPV_E_FORMAT);
    snprintf(expected, sizeof expected, "change 4, at byte %llu", (unsigned long long)ends[3]);
    assert_non_null(strstr(error.message, expected));
    snprintf(expected, sizeof expected, "%zu rows are intact", states[3].count);
    assert_non_null(strstr(error.message, expected));
}

/* ----------------------------------------------------------------------------------------------------- Forgeries -- */

/* The journal up to the end of change `after`, and then a record with this payload and right checksums. */
static void forge_record(int after, uint32_t type, const unsigned char *payload, size_t size) {
    npv_journal_header header;
    npv_error error = {0};
    npv_buffer bytes = {malloc(whole.size + 40 + size), 0, whole.size + 40 + size};
    must(npv_journal_read_header("", whole.data, &header, &error), &error);
    memcpy(bytes.data, whole.data, ends[after]);
    const npv_journal_record_header record = {type, (uint64_t)after + 1, size,
                                              XXH3_64bits_withSeed(payload, size, header.salt), 0};
    npv_journal_write_record_header(&record, header.salt, ends[after], bytes.data + ends[after]);
    if (size > 0)
        memcpy(bytes.data + ends[after] + 40, payload, size);
    forge_write(journal, (npv_bytes){bytes.data, ends[after] + 40 + size});
    free(bytes.data);
}

static void expect_refusal(const char *words) {
    for (int i = 0; i < 2; i++) {
        npv_store *store = NULL;
        npv_error error = {0};
        const npv_status status = try_open(i == 0 ? NPV_DURABILITY_OFF : NPV_DURABILITY_OS, &store, &error);
        assert_true(status == NPV_E_FORMAT || status == NPV_E_UNSUPPORTED);
        if (strstr(error.message, words) == NULL)
            fail_msg("expected '%s' in: %s", words, error.message);
    }
}

static void batches_that_lie_are_refused(void **state) {
    (void)state;
    const unsigned char *const first = whole.data + ends[2] + 40; /* change 3 adds rows */
    const size_t size = (size_t)(ends[3] - ends[2]) - 40;
    static const uint64_t numbers[] = {0, 1, 2, 1000, UINT32_MAX, (uint64_t)1 << 40, UINT64_MAX / 20, UINT64_MAX};
    unsigned char *const payload = malloc(size + 8);
    for (size_t at = 0; at < 32; at += 8) {
        for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
            npv_store *store = NULL;
            memcpy(payload, first, size);
            if (npv_get_u64(payload + at) == numbers[i])
                continue;
            npv_put_u64(payload + at, numbers[i]);
            forge_record(2, NPV_JOURNAL_ADD, payload, size);
            if (at == 8 && numbers[i] % 16 == npv_get_u64(first + at) % 16)
                continue;
            assert_int_equal(try_open(NPV_DURABILITY_OFF, &store, NULL), NPV_E_FORMAT);
        }
    }
    memcpy(payload, first, size);
    memset(payload + size, 0, 8);
    forge_record(2, NPV_JOURNAL_ADD, payload, size + 8);
    expect_refusal("contradict");
    forge_record(2, NPV_JOURNAL_UPSERT, payload, 8);
    expect_refusal("contradict");
    npv_put_u32(payload + 32, 0x7fc00000); /* NaN as its first component */
    forge_record(2, NPV_JOURNAL_ADD, payload, size);
    expect_refusal("row 0");
    forge_record(2, 9, payload, size);
    expect_refusal("type 9");
    forge_record(2, NPV_JOURNAL_CLEAR, payload, size);
    expect_refusal("mean nothing");
    free(payload);
}

/* A batch of `count` rows named by number, without documents, and with other parts if `flags` say so. */
static void forge_set(const uint64_t *rows, size_t count, uint32_t flags) {
    unsigned char payload[256] = {0};
    npv_put_u64(payload, count);
    npv_put_u32(payload + 8, flags);
    npv_put_u64(payload + 16, flags & NPV_JOURNAL_HAS_IDS ? count : 0);
    for (size_t i = 0; i < count; i++)
        npv_put_u64(payload + 32 + 8 * i, rows[i]);
    const size_t parts = 8 * count + (flags & NPV_JOURNAL_HAS_IDS ? 8 : 0);
    forge_record(2, NPV_JOURNAL_SET_DOCUMENTS, payload, 32 + (flags & ~NPV_JOURNAL_HAS_ROWS ? parts : 8 * count));
}

static void documents_of_rows_that_lie_are_refused(void **state) {
    (void)state;
    const uint64_t rows[] = {0, 2, 0, 99999, UINT64_MAX};
    npv_store *store = NULL;
    char *json = NULL;
    forge_set(rows, 2, NPV_JOURNAL_HAS_ROWS);
    assert_int_equal(try_open(NPV_DURABILITY_OFF, &store, NULL), NPV_OK);
    assert_int_equal(npv_get_document(store, 2, &json, NULL), NPV_OK);
    assert_null(json);
    npv_close(store);
    forge_set(rows, 3, NPV_JOURNAL_HAS_ROWS);
    expect_refusal("found row 0 again");
    forge_set(rows + 2, 2, NPV_JOURNAL_HAS_ROWS);
    expect_refusal("found 99999");
    forge_set(rows + 4, 1, NPV_JOURNAL_HAS_ROWS);
    expect_refusal("found 18446744073709551615");
    forge_set(rows, 2, NPV_JOURNAL_HAS_ROWS | NPV_JOURNAL_HAS_IDS);
    expect_refusal("too much");
    forge_set(rows, 0, NPV_JOURNAL_HAS_ROWS);
    expect_refusal("contradict");
    unsigned char payload[32] = {1}; /* and no rows at all */
    forge_record(2, NPV_JOURNAL_SET_DOCUMENTS, payload, sizeof payload);
    expect_refusal("lacks something");
}

static size_t find(const unsigned char *bytes, size_t size, const char *text, size_t length) {
    size_t at = 0;
    while (at + length <= size && memcmp(bytes + at, text, length) != 0)
        at++;
    assert_true(at + length <= size);
    return at;
}

/* A pickle may mention one text many times; in a journal none does. */
static void documents_that_grow_are_refused(void **state) {
    (void)state;
    const unsigned char *const first = whole.data + ends[3] + 40; /* change 4 adds rows, and documents last */
    const size_t size = (size_t)(ends[4] - ends[3]) - 40;
    const size_t pickle = find(first, size, "cnumpy", 6) - 2, head = find(first, size, "](", 2) + 2;
    const size_t tail = find(first, size, "etb.", 4), rows = (size_t)npv_get_u64(first);
    unsigned char payload[4096] = {0};
    memcpy(payload, first, head);
    size_t end = head;
    memcpy(payload + end, "X\xc8\0\0", 5); /* 200 bytes, remembered as number 0 */
    memset(payload + end + 5, 'a', 200);
    memcpy(payload + end + 205, "\x94](", 3);
    end += 208;
    for (int i = 0; i < 50; i++, end += 2)
        memcpy(payload + end, "h", 2);
    payload[end++] = 'e';
    for (size_t i = 2; i < rows; i++)
        payload[end++] = 'N';
    memcpy(payload + end, first + tail, 4);
    end += 4;
    assert_true(rows >= 2);
    npv_put_u64(payload + 24, end - pickle);
    forge_record(3, NPV_JOURNAL_ADD, payload, (end + 7) / 8 * 8);
    expect_refusal("in the journal only");
}

static void deletions_that_lie_are_refused(void **state) {
    (void)state;
    static const uint64_t lies[][4] = {
        {0, 0, 0, 0}, {3, 2, 0, 0}, {0, UINT64_MAX, 0, 0}, {UINT64_MAX - 1, UINT64_MAX, 0, 0},
        {2, 3, 0, 1}, {1, 2, 1, 2}, {0, 1000, 0, 0},
    };
    for (size_t i = 0; i < sizeof lies / sizeof lies[0]; i++) {
        unsigned char payload[32];
        for (int j = 0; j < 4; j++)
            npv_put_u64(payload + 8 * j, lies[i][j]);
        forge_record(2, NPV_JOURNAL_DELETE, payload, lies[i][3] == 0 ? 16 : 32);
        expect_refusal("not there");
        forge_record(2, NPV_JOURNAL_DELETE, payload, 8);
        expect_refusal("not there");
    }
    /* Of a row that is deleted already: change 9 did that. */
    for (size_t row = 0; row < states[9].count; row++) {
        unsigned char payload[16];
        npv_put_u64(payload, row);
        npv_put_u64(payload + 8, row + 1);
        forge_record(9, NPV_JOURNAL_DELETE, payload, 16);
        if (states[9].rows[row].deleted)
            expect_refusal("not there");
    }
}

static void a_record_that_was_copied_is_not_believed(void **state) {
    (void)state;
    const size_t size = (size_t)(ends[3] - ends[2]);
    npv_buffer bytes = {malloc(whole.size + size), 0, 0};
    memcpy(bytes.data, whole.data, whole.size);
    memcpy(bytes.data + whole.size, whole.data + ends[2], size); /* what a torn end may look like */
    forge_write(journal, (npv_bytes){bytes.data, whole.size + size});
    npv_store *store = NULL;
    npv_error error = {0};
    must(try_open(NPV_DURABILITY_OFF, &store, &error), &error);
    assert_int_equal(changes_in(store), CHANGES);
    npv_close(store);
    free(bytes.data);
}

/* Headers that all claim the rest of the file would each cost reading it. */
static void many_headers_cost_no_more_than_the_file(void **state) {
    (void)state;
    enum { SIZE = 8 << 20 };
    npv_journal_header header;
    npv_error error = {0};
    unsigned char *const bytes = calloc(1, SIZE);
    must(npv_journal_read_header("", whole.data, &header, &error), &error);
    memcpy(bytes, whole.data, 128);
    for (uint64_t at = 128 + 40; at + 40 < SIZE; at += 40) {
        const npv_journal_record_header record = {NPV_JOURNAL_ADD, 1, SIZE - at - 40, 1, 0};
        npv_journal_write_record_header(&record, header.salt, at, bytes + at);
    }
    forge_write(journal, (npv_bytes){bytes, SIZE});
    free(bytes);
    expect_refusal("damaged");
}

static void other_files_and_versions_are_refused(void **state) {
    (void)state;
    npv_journal_header header;
    npv_error error = {0};
    unsigned char bytes[128];
    must(npv_journal_read_header("", whole.data, &header, &error), &error);
    memcpy(bytes, whole.data, sizeof bytes);
    npv_put_u32(bytes + 8, 2);
    npv_put_u64(bytes + 112, XXH3_64bits(bytes, 112));
    forge_write(journal, (npv_bytes){bytes, sizeof bytes});
    expect_refusal("version 1, found 2");
    header.base.dimensions = 6;
    npv_journal_write_header(&header, bytes);
    forge_write(journal, (npv_bytes){bytes, sizeof bytes});
    expect_refusal("6 dimensions");
    memset(bytes, 'x', sizeof bytes);
    forge_write(journal, (npv_bytes){bytes, sizeof bytes});
    expect_refusal("another file");
    unlink(journal);
    assert_int_equal(symlink(path, journal), 0);
    npv_store *store = NULL;
    assert_int_equal(try_open(NPV_DURABILITY_OS, &store, &error), NPV_E_IO);
    assert_int_equal(try_open(NPV_DURABILITY_OFF, &store, &error), NPV_E_IO);
    unlink(journal);
    assert_int_equal(mkdir(journal, 0700), 0);
    assert_int_equal(try_open(NPV_DURABILITY_OS, &store, &error), NPV_E_IO);
    assert_int_equal(try_open(NPV_DURABILITY_OFF, &store, &error), NPV_E_IO);
    rmdir(journal);
    assert_int_equal(mkfifo(journal, 0600), 0);
    assert_int_equal(try_open(NPV_DURABILITY_OS, &store, &error), NPV_E_IO);
    assert_int_equal(try_open(NPV_DURABILITY_OFF, &store, &error), NPV_E_IO);
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(a_torn_end_is_dropped_at_every_length),
        TEST(what_follows_a_torn_end_is_kept),
        TEST(a_journal_cut_inside_its_header_is_an_error),
        TEST(no_changed_byte_goes_unnoticed),
        TEST(the_error_says_what_is_intact),
        TEST(batches_that_lie_are_refused),
        TEST(documents_of_rows_that_lie_are_refused),
        TEST(documents_that_grow_are_refused),
        TEST(deletions_that_lie_are_refused),
        TEST(a_record_that_was_copied_is_not_believed),
        TEST(many_headers_cost_no_more_than_the_file),
        TEST(other_files_and_versions_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
