/*
 * Damaged stores are verified and repaired. Input: two bytes of length, an archive of that length, and a journal as
 * forge.h has it. What is repaired is sound, and of a store that is sound it is all.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "forge.h"
#include "journalling.h"
#include "rows.h"
#include "scratch.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_line(void *context, const char *line) {
    fuzz_check_line(line);
    ++*(uint64_t *)context;
}

/* Opens the store and reads it; *rows is how many it has. */
static bool is_readable(const char *path, uint64_t *rows) {
    const npv_store_options options = {.size = sizeof options, .threads = 1};
    npv_store *store = NULL;
    npv_error error = {.message = ""};
    if (npv_open(path, &options, &store, &error) != NPV_OK) {
        fuzz_check_line(error.message);
        return false;
    }
    *rows = npv_count(store);
    const bool is_read = fuzz_read_rows(store);
    npv_close(store);
    return is_read;
}

/* Of the archive, if it can be opened. */
static npv_journal_base base_of(const char *path) {
    const npv_store_options options = {.size = sizeof options, .threads = 1};
    npv_journal_base base = {.generation = 1, .dimensions = 3, .normalize = true};
    npv_store *store = NULL;
    if (npv_open(path, &options, &store, NULL) == NPV_OK)
        npv_store_base(store, &base);
    npv_close(store);
    return base;
}

static void write_files(npv_bytes archive, npv_bytes journal, const char *path, const char *journal_path) {
    unsigned char *const bytes = malloc(NPV_JOURNAL_HEADER + 16 * (NPV_JOURNAL_RECORD + archive.size + journal.size));
    const unsigned damage = FUZZ_TORN_HEADER | FUZZ_TORN_PAYLOAD | FUZZ_SKIPS_ONE | FUZZ_UNFLUSHED;
    assert(bytes != NULL);
    unlink(journal_path);
    memcpy(bytes, archive.data, archive.size);
    fuzz_correct(bytes, archive.size);
    fuzz_write(path, bytes, archive.size);
    if (journal.size > 0) {
        const npv_journal_base base = base_of(path);
        fuzz_write(journal_path, bytes, fuzz_make_journal(&base, journal, damage, bytes));
    }
    free(bytes);
}

/* What was saved is a store without findings, of as many rows as were told. */
static void check_repaired(const char *saved, const npv_verification *counts) {
    npv_verification again = {.size = sizeof again};
    uint64_t rows = 0, lines = 0;
    const bool is_read = is_readable(saved, &rows);
    assert(is_read && rows == counts->rows);
    const npv_status status = npv_verify(saved, check_line, &lines, &again, NULL);
    assert(status == NPV_OK && again.findings == 0 && again.rows == rows && again.rows_lost == 0);
    (void)is_read;
    (void)status;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size < 2)
        return 0;
    const char *const path = fuzz_path(".npz"), *const journal_path = fuzz_path(".npz-journal");
    const char *const saved = fuzz_path("-saved.npz");
    const size_t length = data[0] | (size_t)data[1] << 8, left = size - 2;
    const npv_bytes archive = {data + 2, length < left ? length : left};
    npv_verification found = {.size = sizeof found}, counts = {.size = sizeof counts};
    npv_error error = {.message = ""};
    uint64_t rows = 0, lines = 0, same_lines = 0;
    write_files(archive, (npv_bytes){archive.data + archive.size, left - archive.size}, path, journal_path);
    unlink(saved);
    const npv_status status = npv_verify(path, check_line, &lines, &found, &error);
    const npv_status repaired = npv_repair(path, saved, check_line, &same_lines, &counts, &error);
    if (status != NPV_OK || repaired != NPV_OK)
        fuzz_check_line(error.message);
    assert(status == NPV_OK || repaired == status);
    assert(status != NPV_OK || lines == same_lines);
    if (status == NPV_OK && found.findings == 0) {
        const bool is_sound = is_readable(path, &rows);
        assert(is_sound && rows == found.rows && repaired == NPV_OK && found.rows_lost == 0);
        (void)is_sound;
    }
    if (repaired == NPV_OK)
        check_repaired(saved, &counts);
    return 0;
}
