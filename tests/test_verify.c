/* npv_verify finds damage wherever it is, and npv_repair saves the rows that it has not touched. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "forge.h"
#include "journal_model.h"

static char *path, *journal, *saved;
static char report[1 << 18];

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

static void take(void *context, const char *line) {
    assert_null(context);
    assert_null(strchr(line, '\n'));
    assert_int_equal(strncmp(line, path, strlen(path)), 0);
    strncat(report, line, sizeof report - strlen(report) - 2);
    strcat(report, "\n");
}

static npv_status verify(npv_verification *counts) {
    npv_error error = {.message = ""};
    report[0] = '\0';
    *counts = (npv_verification){.size = sizeof *counts};
    return npv_verify(path, take, NULL, counts, &error);
}

static npv_status repair(npv_verification *counts) {
    npv_error error = {.message = ""};
    report[0] = '\0';
    *counts = (npv_verification){.size = sizeof *counts};
    unlink(saved);
    const npv_status status = npv_repair(path, saved, take, NULL, counts, &error);
    if (status != NPV_OK)
        strcat(report, error.message);
    return status;
}

static void expect_report(const char *words) {
    if (strstr(report, words) == NULL)
        fail_msg("expected '%s' in: %s", words, report);
}

static npv_store *open_saved(void) {
    npv_store *store = NULL;
    npv_error error = {.message = ""};
    must(npv_open(saved, NULL, &store, &error), &error);
    return store;
}

/* Does the saved store hold exactly these rows of the model, in order, as they were? */
static void expect_saved(const model *m, const bool *kept) {
    model wanted = model_copy(m);
    for (size_t i = 0; i < wanted.count; i++)
        wanted.rows[i].deleted = wanted.rows[i].deleted || !kept[i];
    model_close_gaps(&wanted);
    npv_store *const store = open_saved();
    if (!model_matches(&wanted, store))
        fail_msg("what was saved is not what it was; reported: %s", report);
    npv_close(store);
    model_free(&wanted);
}

static void expect_all_saved(const model *m) {
    bool kept[MODEL_ROWS];
    memset(kept, 1, sizeof kept);
    expect_saved(m, kept);
}

static model make_archive(uint64_t seed, model_kind kind, size_t rows) {
    model m;
    model_init(&m, seed, kind);
    npv_store *const store = model_create(&m, NPV_DURABILITY_OFF);
    model_add(&m, store, rows);
    model_save(&m, store, path);
    npv_close(store);
    return m;
}

/* Where the first row of the vectors is in the file. */
static size_t vectors_of(npv_buffer file) {
    const size_t local = forge_local(file, "vectors.npy");
    return local + 30 + file.data[local + 26] + file.data[local + 28] + 128;
}

/* ------------------------------------------------------------------------------------------------------ Archives -- */

static void a_sound_store_has_no_findings(void **state) {
    (void)state;
    for (int kind = MODEL_DOCUMENTS; kind <= MODEL_PLAIN; kind++) {
        model m = make_archive(1, (model_kind)kind, 20);
        npv_verification counts;
        assert_int_equal(verify(&counts), NPV_OK);
        assert_string_equal(report, "");
        assert_int_equal(counts.findings, 0);
        assert_int_equal(counts.rows, 20);
        assert_int_equal(npv_verify(path, NULL, NULL, NULL, NULL), NPV_OK);
        assert_int_equal(repair(&counts), NPV_OK);
        expect_all_saved(&m);
        model_free(&m);
    }
}

static bool is_within(npv_buffer file, const char *name, size_t at) {
    const size_t local = forge_local(file, name);
    const size_t size = forge_get32(file, local + 18);
    const size_t head = 30 + (size_t)file.data[local + 26] + file.data[local + 28] + 256u * file.data[local + 29];
    return at >= local + head && at < local + head + size;
}

/* In the data of a member its CRC-32 notices; everywhere else the rows are all there, whatever is found. */
static void every_changed_byte(model_kind kind) {
    model m = make_archive(2, kind, 6);
    const npv_buffer whole = forge_read(path);
    static const char *const names[] = {"format_version.npy", "dimensions.npy", "normalize.npy",
                                        "metadata.npy",       "ids.npy",        "vectors.npy"};
    size_t found = 0;
    for (size_t at = 0; at < whole.size; at++) {
        npv_verification counts;
        bool data = false, content = false;
        for (size_t i = 0; i < 6; i++)
            data = data || is_within(whole, names[i], at);
        for (size_t i = 3; i < 6; i++)
            content = content || is_within(whole, names[i], at);
        whole.data[at] ^= (unsigned char)(1u << at % 8);
        forge_write(path, (npv_bytes){whole.data, whole.size});
        assert_int_equal(verify(&counts), NPV_OK);
        if (data)
            assert_true(counts.findings > 0);
        found += counts.findings > 0;
        assert_int_equal(repair(&counts), NPV_OK);
        assert_true(counts.rows + counts.rows_lost == 6);
        if (!content)
            expect_all_saved(&m);
        npv_close(open_saved());
        whole.data[at] ^= (unsigned char)(1u << at % 8);
    }
    assert_true(found > whole.size * 3 / 4);
    free(whole.data);
    model_free(&m);
}

static void every_changed_byte_of_documents(void **state) {
    (void)state;
    every_changed_byte(MODEL_DOCUMENTS);
}

static void every_changed_byte_of_typed_fields(void **state) {
    (void)state;
    every_changed_byte(MODEL_TYPED);
}

/* The lengths in a damaged local header may lead to where another array begins. */
static void a_header_that_leads_to_another_array_loses_nothing(void **state) {
    (void)state;
    static const char *const names[] = {"format_version.npy", "dimensions.npy", "normalize.npy", "metadata.npy",
                                        "ids.npy"};
    model m = make_archive(2, MODEL_DOCUMENTS, 6);
    npv_buffer whole = forge_read(path);
    const size_t vectors = vectors_of(whole) - 128;
    for (size_t i = 0; i < 5; i++) {
        npv_verification counts;
        const size_t local = forge_local(whole, names[i]), lengths = local + 26;
        const uint32_t were = forge_get32(whole, lengths);
        forge_put16(whole, lengths + 2, (unsigned)(vectors - local - 30 - strlen(names[i])));
        forge_write(path, (npv_bytes){whole.data, whole.size});
        assert_int_equal(repair(&counts), NPV_OK);
        assert_int_equal(counts.findings, 1);
        expect_all_saved(&m);
        forge_put32(whole, lengths, were);
    }
    free(whole.data);
    model_free(&m);
}

/* Vectors come last, so a file that is cut off has lost its last rows. */
static void a_cut_archive_keeps_the_rows_before_the_cut(void **state) {
    (void)state;
    model m = make_archive(3, MODEL_DOCUMENTS, 8);
    const npv_buffer whole = forge_read(path);
    const size_t begin = vectors_of(whole);
    for (size_t size = 1; size < whole.size; size++) {
        npv_verification counts;
        forge_write(path, (npv_bytes){whole.data, size});
        const npv_status status = verify(&counts);
        assert_true(status == NPV_OK || size < 30);
        assert_true(status != NPV_OK || counts.findings > 0);
        const size_t there = size < begin ? 0 : (size - begin) / (4 * MODEL_DIMENSIONS);
        const size_t rows = there < 8 ? there : 8;
        assert_int_equal(status == NPV_OK ? counts.rows : 0, rows);
        if (size < begin || rows == 0)
            continue;
        bool kept[MODEL_ROWS] = {false};
        memset(kept, 1, rows);
        assert_int_equal(repair(&counts), NPV_OK);
        assert_int_equal(counts.rows_lost, 8 - rows);
        expect_saved(&m, kept);
    }
    free(whole.data);
    model_free(&m);
}

static void vectors_that_are_none_are_left_out_and_named(void **state) {
    (void)state;
    model m = make_archive(4, MODEL_DOCUMENTS, 8);
    npv_buffer whole = forge_read(path);
    const size_t row3 = vectors_of(whole) + 3 * 4 * MODEL_DIMENSIONS;
    npv_verification counts;
    bool kept[MODEL_ROWS];
    memset(kept, 1, sizeof kept);
    kept[3] = false;
    forge_put32(whole, row3, 0x7fc00000); /* NaN */
    forge_write(path, (npv_bytes){whole.data, whole.size});
    assert_int_equal(repair(&counts), NPV_OK);
    expect_report("vectors.npy: at bytes");
    expect_report("row 3: expected finite numbers");
    expect_report("row 3 of the archive: lost");
    expect_report("7 rows can be read, but which of them are as they were cannot be told");
    if (m.rows[3].id[0] != '\0')
        expect_report(m.rows[3].id);
    assert_int_equal(counts.rows_lost, 1);
    expect_saved(&m, kept);
    free(whole.data);
    model_free(&m);
}

/* Every other row, so that each would be a line of its own. */
static void not_more_than_a_thousand_runs_of_rows_are_named(void **state) {
    (void)state;
    enum { ROWS = 2400 };
    model m;
    model_init(&m, 4, MODEL_PLAIN);
    npv_store *const store = model_create(&m, NPV_DURABILITY_OFF);
    for (int i = 0; i < 2; i++)
        model_add(&m, store, ROWS / 2);
    model_save(&m, store, path);
    npv_close(store);
    npv_buffer whole = forge_read(path);
    npv_verification counts;
    bool kept[MODEL_ROWS];
    for (size_t i = 0; i < ROWS; i++) {
        kept[i] = i % 2 == 0;
        if (!kept[i])
            forge_put32(whole, vectors_of(whole) + i * 4 * MODEL_DIMENSIONS, 0x7fc00000); /* NaN */
    }
    forge_write(path, (npv_bytes){whole.data, whole.size});
    assert_int_equal(repair(&counts), NPV_OK);
    expect_report("row 1999 of the archive: lost");
    expect_report("and so are others behind row 2001");
    assert_null(strstr(report, "row 2003 of the archive"));
    assert_int_equal(counts.rows_lost, ROWS / 2);
    expect_saved(&m, kept);
    free(whole.data);
    model_free(&m);
}

/* Their texts are no code points. The first twenty are named. */
static void records_that_are_none_are_named_and_counted(void **state) {
    (void)state;
    enum { ROWS = 25, RECORD = 4 + 5 * 4 };
    model m = make_archive(4, MODEL_TYPED, ROWS);
    npv_buffer whole = forge_read(path);
    npv_verification counts;
    const size_t local = forge_local(whole, "metadata.npy");
    const size_t end = local + 30 + whole.data[local + 26] + whole.data[local + 28] + forge_get32(whole, local + 18);
    for (size_t i = 1; i <= ROWS - 2; i++)
        forge_put32(whole, end - i * RECORD + 4, 0x110000);
    forge_write(path, (npv_bytes){whole.data, whole.size});
    assert_int_equal(repair(&counts), NPV_OK);
    expect_report("the record of row 2 is lost");
    expect_report("the record of row 21 is lost");
    assert_null(strstr(report, "the record of row 22 is lost"));
    expect_report("and those of 3 rows more");
    npv_store *const store = open_saved();
    char *json[3] = {NULL, NULL, NULL};
    for (size_t i = 0; i < 3; i++)
        must(npv_get_document(store, i, &json[i], NULL), NULL);
    assert_null(strstr(json[1], "\"text\": \"\""));
    assert_non_null(strstr(json[2], "\"text\": \"\""));
    for (size_t i = 0; i < 3; i++)
        npv_free(json[i]);
    npv_close(store);
    free(whole.data);
    model_free(&m);
}

static void members_that_are_none_of_a_store_are_named(void **state) {
    (void)state;
    static const float vectors[] = {1, 0, 0, 1};
    static const int64_t numbers[] = {0};
    npv_buffer parts[] = {
        forge_npy(1, "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 2), }", vectors, sizeof vectors),
        forge_npy(1, "{'descr': '<i8', 'fortran_order': False, 'shape': (1,), }", numbers, sizeof numbers),
    };
    const forged_member members[] = {
        {"vectors.npy", {parts[0].data, parts[0].size}, false},
        {"normalize.npy", {parts[1].data, parts[1].size}, false},
        {"notes.txt", {(const unsigned char *)"x", 1}, false},
    };
    npv_buffer zip = forge_zip(members, 3, "");
    npv_verification counts;
    forge_write(path, (npv_bytes){zip.data, zip.size});
    assert_int_equal(verify(&counts), NPV_OK);
    expect_report("normalize.npy: expected one bool, found");
    expect_report("notes.txt: means nothing to npvec");
    assert_int_equal(counts.findings, 1);
    assert_int_equal(counts.rows, 2);
    free(zip.data);
    free(parts[0].data);
    free(parts[1].data);
}

static void rows_that_are_not_of_unit_length_are_left_out_where_they_must_be(void **state) {
    (void)state;
    static const float vectors[] = {1, 0, 0.6f, 0.8f, 0, 1};
    npv_store_options options = NPV_STORE_OPTIONS_INIT;
    npv_batch batch = NPV_BATCH_INIT;
    npv_store *store = NULL;
    npv_error error = {.message = ""};
    npv_verification counts;
    options.dimensions = 2;
    batch.count = 3;
    batch.vectors = vectors;
    must(npv_create(&options, &store, &error), &error);
    must(npv_add(store, &batch, NULL, &error), &error);
    must(npv_save(store, path, NULL, &error), &error);
    npv_close(store);
    npv_buffer whole = forge_read(path);
    whole.data[vectors_of(whole) + 4 * 2 + 3] ^= 1; /* 0.6 becomes 2.4 */
    forge_write(path, (npv_bytes){whole.data, whole.size});
    assert_int_equal(repair(&counts), NPV_OK);
    expect_report("row 1: expected a vector of length 1");
    assert_int_equal(counts.rows, 2);
    store = open_saved();
    assert_memory_equal(npv_vectors(store), ((const float[]){1, 0, 0, 1}), 16);
    npv_close(store);
    free(whole.data);
}

static void nothing_is_ever_overwritten(void **state) {
    (void)state;
    model m = make_archive(5, MODEL_DOCUMENTS, 3);
    npv_error error = {.message = ""};
    const npv_buffer before = forge_read(path);
    assert_int_equal(npv_repair(path, path, NULL, NULL, NULL, &error), NPV_E_EXISTS);
    forge_write(saved, (npv_bytes){before.data, 5});
    assert_int_equal(npv_repair(path, saved, NULL, NULL, NULL, &error), NPV_E_EXISTS);
    assert_true(forge_same_file(saved, (npv_bytes){before.data, 5}));
    unlink(saved);
    const char *const beside = forge_path("saved.npz-journal");
    forge_write(beside, (npv_bytes){before.data, 5});
    assert_int_equal(npv_repair(path, saved, NULL, NULL, NULL, &error), NPV_E_EXISTS);
    unlink(beside);
    assert_int_equal(npv_repair(path, forge_path("saved.npy"), NULL, NULL, NULL, &error), NPV_E_ARGUMENT);
    assert_int_equal(symlink("nowhere", saved), 0);
    assert_int_equal(npv_repair(path, saved, NULL, NULL, NULL, &error), NPV_E_EXISTS);
    assert_true(forge_same_file(path, (npv_bytes){before.data, before.size}));
    free(before.data);
    model_free(&m);
}

static void what_is_no_store_cannot_be_verified(void **state) {
    (void)state;
    npv_verification counts;
    assert_int_equal(verify(&counts), NPV_E_IO);
    forge_write(path, (npv_bytes){(const unsigned char *)"some text, and no store", 23});
    assert_int_equal(verify(&counts), NPV_E_FORMAT);
    assert_int_equal(repair(&counts), NPV_E_FORMAT);
    assert_int_equal(forge_count("saved.npz"), 0);
    assert_int_equal(npv_verify(NULL, NULL, NULL, NULL, NULL), NPV_E_ARGUMENT);
    assert_int_equal(npv_repair(path, NULL, NULL, NULL, NULL, NULL), NPV_E_ARGUMENT);
}

/* ------------------------------------------------------------------------------------------------------ Journals -- */

enum { CHANGES = 8 };

/* An archive of 4 rows, and then changes that each add 2; ends[i] is where change i ends in the journal. */
static model make_journal(uint64_t seed, model_kind kind, uint64_t ends[CHANGES + 1]) {
    model m;
    model_init(&m, seed, kind);
    npv_store *const store = model_open(&m, path, NPV_DURABILITY_OS);
    model_add(&m, store, 4);
    model_save(&m, store, NULL);
    ends[0] = model_info(store).journal_bytes;
    for (int i = 1; i <= CHANGES; i++) {
        model_add(&m, store, 2);
        ends[i] = model_info(store).journal_bytes;
    }
    npv_close(store);
    return m;
}

static void a_damaged_change_is_lost_alone(void **state) {
    (void)state;
    for (int kind = MODEL_DOCUMENTS; kind <= MODEL_PLAIN; kind++) {
        uint64_t ends[CHANGES + 1];
        model m = make_journal(6, (model_kind)kind, ends);
        const npv_buffer whole = forge_read(journal);
        for (size_t at = ends[0]; at < whole.size; at += 3) {
            npv_verification counts;
            bool kept[MODEL_ROWS];
            size_t change = 0;
            while (ends[change + 1] <= at)
                change++;
            memset(kept, 1, sizeof kept);
            kept[4 + 2 * change] = kept[5 + 2 * change] = false;
            whole.data[at] ^= 16;
            forge_write(journal, (npv_bytes){whole.data, whole.size});
            assert_int_equal(verify(&counts), NPV_OK);
            assert_int_equal(counts.findings, 1);
            assert_int_equal(counts.rows, 4 + 2 * (CHANGES - 1));
            assert_int_equal(repair(&counts), NPV_OK);
            expect_saved(&m, kept);
            whole.data[at] ^= 16;
        }
        free(whole.data);
        model_free(&m);
        unlink(journal);
        unlink(path);
    }
}

static void the_header_of_a_journal_is_believed_where_it_agrees(void **state) {
    (void)state;
    uint64_t ends[CHANGES + 1];
    model m = make_journal(7, MODEL_DOCUMENTS, ends);
    const npv_buffer whole = forge_read(journal);
    bool archive_alone[MODEL_ROWS] = {true, true, true, true};
    for (size_t at = 0; at < 120; at++) {
        npv_verification counts;
        whole.data[at] ^= 2;
        forge_write(journal, (npv_bytes){whole.data, whole.size});
        assert_int_equal(verify(&counts), NPV_OK);
        assert_true(counts.findings > 0);
        assert_int_equal(repair(&counts), NPV_OK);
        if (at < 16 || at >= 72)
            expect_all_saved(&m); /* which archive, of what form, and the salt are as they were */
        else
            expect_saved(&m, archive_alone);
        whole.data[at] ^= 2;
    }
    free(whole.data);
    model_free(&m);
}

static void an_unfinished_change_is_no_damage(void **state) {
    (void)state;
    uint64_t ends[CHANGES + 1];
    model m = make_journal(8, MODEL_DOCUMENTS, ends);
    const npv_buffer whole = forge_read(journal);
    bool kept[MODEL_ROWS] = {false};
    memset(kept, 1, 4 + 2 * (CHANGES - 1));
    for (uint64_t size = ends[CHANGES - 1] + 1; size < whole.size; size++) {
        npv_verification counts;
        forge_write(journal, (npv_bytes){whole.data, size});
        assert_int_equal(verify(&counts), NPV_OK);
        assert_int_equal(counts.findings, 0);
        expect_report("never was finished");
        assert_int_equal(repair(&counts), NPV_OK);
        expect_saved(&m, kept);
    }
    for (uint64_t size = 1; size < 128; size++) {
        npv_verification counts;
        forge_write(journal, (npv_bytes){whole.data, size});
        assert_int_equal(verify(&counts), NPV_OK);
        assert_int_equal(counts.findings, 1);
    }
    free(whole.data);
    model_free(&m);
}

/* Deletions name rows by number: they are made where these are certain. */
static void deletions_behind_a_gap_are_made_where_numbers_are_certain(void **state) {
    (void)state;
    for (int lost = 0; lost < 2; lost++) {
        model m;
        npv_verification counts;
        npv_error error = {.message = ""};
        model_init(&m, 9, MODEL_PLAIN);
        npv_store *const store = model_open(&m, path, NPV_DURABILITY_OS);
        model_add(&m, store, 4);
        model_save(&m, store, NULL);
        const uint64_t before = model_info(store).journal_bytes;
        model_add(&m, store, 3); /* rows 4 to 6 */
        const uint64_t behind = model_info(store).journal_bytes;
        model_add(&m, store, 2); /* rows 7 and 8 */
        const uint64_t rows[] = {1, 5, 7};
        npv_selection selection = NPV_SELECTION_INIT;
        selection.rows = rows;
        selection.row_count = 3;
        must(npv_delete(store, &selection, NULL, &error), &error);
        npv_close(store);
        m.rows[1].deleted = m.rows[5].deleted = m.rows[7].deleted = true;
        npv_buffer bytes = forge_read(journal);
        bytes.data[lost == 0 ? behind - 4 : before + 2] ^= 1; /* how many rows it adds is known, or not */
        forge_write(journal, (npv_bytes){bytes.data, bytes.size});
        assert_int_equal(repair(&counts), NPV_OK);
        if (lost == 1) {
            m.rows[7].deleted = false;
            expect_report("may be there again");
        }
        bool kept[MODEL_ROWS];
        memset(kept, 1, sizeof kept);
        memset(kept + 4, 0, 3);
        expect_saved(&m, kept);
        free(bytes.data);
        model_free(&m);
        unlink(journal);
        unlink(path);
    }
}

/* Change i says that these many before it were not flushed, and that its number is so much larger. */
static void put_unflushed(npv_buffer bytes, const uint64_t ends[CHANGES + 1], const unsigned unflushed[CHANGES + 1],
                          int from, uint64_t larger) {
    npv_journal_header header;
    npv_error error = {.message = ""};
    must(npv_journal_read_header("", bytes.data, &header, &error), &error);
    for (int i = 1; i <= CHANGES; i++) {
        npv_journal_record_header record;
        unsigned char *const place = bytes.data + ends[i - 1];
        assert_true(npv_journal_read_record_header(place, header.salt, ends[i - 1], &record));
        record.unflushed = unflushed[i];
        record.sequence += i >= from ? larger : 0;
        npv_journal_write_record_header(&record, header.salt, ends[i - 1], place);
    }
}

static bool can_be_opened(void) {
    npv_store *store = NULL;
    const npv_status status = npv_open(path, NULL, &store, NULL);
    npv_close(store);
    return status == NPV_OK;
}

/* Changes that say that one before them was not flushed were lost with it, as a reader of the store has it. */
static void changes_that_were_not_flushed_are_no_damage(void **state) {
    (void)state;
    static const unsigned said[][CHANGES + 1] = {{0, 0, 0, 0, 0, 0, 1, 2, 3}, {0, 0, 0, 0, 0, 9, 9, 9, 9},
                                                 {0, 0, 0, 0, 0, 0, 1, 1, 3}, {0, 0, 0, 0, 0, 0, 1, 2, 0},
                                                 {0, 0, 0, 0, 0, 0, 0, 2, 3}, {0, 0, 0, 0, 9, 9, 0, 0, 0}};
    for (int torn = 0; torn < 6; torn++) {
        uint64_t ends[CHANGES + 1];
        model m = make_journal(12, MODEL_DOCUMENTS, ends);
        npv_buffer bytes = forge_read(journal);
        const bool damaged = torn >= 2;
        bool kept[MODEL_ROWS];
        npv_verification counts;
        put_unflushed(bytes, ends, said[torn], CHANGES, 0);
        memset(bytes.data + ends[4] + (torn % 2 == 0 ? 0 : 72), 0, 8); /* of change 5 */
        forge_write(journal, (npv_bytes){bytes.data, bytes.size});
        memset(kept, damaged, sizeof kept);
        memset(kept, 1, 12);
        kept[12] = kept[13] = false;
        assert_int_equal(verify(&counts), NPV_OK);
        assert_int_equal(counts.findings, damaged);
        assert_int_equal(counts.rows, damaged ? 18 : 12);
        assert_int_equal(can_be_opened(), !damaged);
        expect_report(damaged ? "changes 5 to 5 of the journal are lost" : "not flushed when the power went");
        assert_int_equal(repair(&counts), NPV_OK);
        expect_saved(&m, kept);
        free(bytes.data);
        model_free(&m);
        unlink(journal);
        unlink(path);
    }
}

static void a_change_that_is_missing_is_named(void **state) {
    (void)state;
    static const unsigned none[CHANGES + 1];
    uint64_t ends[CHANGES + 1];
    model m = make_journal(14, MODEL_DOCUMENTS, ends);
    npv_buffer bytes = forge_read(journal);
    npv_verification counts;
    put_unflushed(bytes, ends, none, 5, 2);
    forge_write(journal, (npv_bytes){bytes.data, bytes.size});
    assert_false(can_be_opened());
    assert_int_equal(repair(&counts), NPV_OK);
    assert_int_equal(counts.findings, 1);
    expect_report("changes 5 to 6 of the journal are lost");
    expect_all_saved(&m);
    free(bytes.data);
    model_free(&m);
}

/* What is not read as one change makes no other unreadable, wherever and however often it is. */
static void changes_between_damaged_ones_are_saved(void **state) {
    (void)state;
    for (unsigned pattern = 1; pattern < 1u << CHANGES; pattern += 6) {
        uint64_t ends[CHANGES + 1];
        model m = make_journal(13, MODEL_DOCUMENTS, ends);
        npv_buffer bytes = forge_read(journal);
        bool kept[MODEL_ROWS];
        npv_verification counts;
        memset(kept, 1, sizeof kept);
        for (size_t i = 0; i < CHANGES; i++) {
            if ((pattern >> i & 1) == 0)
                continue;
            kept[4 + 2 * i] = kept[5 + 2 * i] = false;
            bytes.data[ends[i] + 8 + (i % 3) * 32] ^=
                1; /* the number of the change, the payload's first bytes, others */
        }
        forge_write(journal, (npv_bytes){bytes.data, bytes.size});
        assert_int_equal(repair(&counts), NPV_OK);
        assert_true(counts.findings > 0);
        expect_saved(&m, kept);
        free(bytes.data);
        model_free(&m);
        unlink(journal);
        unlink(path);
    }
}

/* Documents that are set by number are, too, where these are certain. */
static void documents_behind_a_gap_are_set_where_numbers_are_certain(void **state) {
    (void)state;
    static const char *const documents[] = {"{\"n\": 7, \"text\": \"t7\"}", "{\"n\": 8, \"text\": \"t8\"}"};
    for (int lost = 0; lost < 4; lost++) {
        model m;
        npv_verification counts;
        npv_error error = {.message = ""};
        model_init(&m, 12, MODEL_DOCUMENTS);
        npv_store *const store = model_open(&m, path, NPV_DURABILITY_OS);
        model_add(&m, store, 4);
        model_save(&m, store, NULL);
        const uint64_t before = model_info(store).journal_bytes;
        model_add(&m, store, 3); /* rows 4 to 6 */
        const uint64_t behind = model_info(store).journal_bytes;
        model_add(&m, store, 2); /* rows 7 and 8 */
        const npv_batch batch = {.size = sizeof batch, .count = 2, .documents = documents};
        const uint64_t rows[] = {1, lost == 0 ? 7 : lost == 1 ? 5 : 2};
        must(npv_set_documents(store, rows, &batch, &error), &error);
        npv_close(store);
        m.rows[1].n = 7;
        m.rows[rows[1]].n = 8;
        npv_buffer bytes = forge_read(journal);
        bytes.data[lost % 2 == 0 ? behind - 4 : before + 2] ^= 1; /* how many rows it adds is known, or not */
        forge_write(journal, (npv_bytes){bytes.data, bytes.size});
        assert_int_equal(repair(&counts), NPV_OK);
        assert_int_equal(counts.findings, lost == 1 ? 2 : 1);
        if (lost == 1)
            expect_report("1 rows keep the documents that they had");
        bool kept[MODEL_ROWS];
        memset(kept, 1, sizeof kept);
        memset(kept + 4, 0, 3);
        expect_saved(&m, kept);
        free(bytes.data);
        model_free(&m);
        unlink(journal);
        unlink(path);
    }
}

/* So many rows are lost that they are not kept for the sake of their numbers: deletions are of rows that are there. */
static void deletions_behind_a_large_gap_are_made_where_numbers_are_certain(void **state) {
    (void)state;
    enum { ROWS = (1 << 22) + 100 };
    float *const vectors = malloc(ROWS * sizeof *vectors);
    npv_store_options options = NPV_STORE_OPTIONS_INIT;
    npv_batch batch = NPV_BATCH_INIT;
    npv_selection selection = NPV_SELECTION_INIT;
    npv_verification counts;
    npv_store *store = NULL;
    npv_error error = {.message = ""};
    options.dimensions = 1;
    options.normalize = NPV_NORMALIZE_OFF;
    options.durability = NPV_DURABILITY_OS;
    for (int i = 0; i < ROWS; i++)
        vectors[i] = (float)i;
    batch.count = ROWS;
    batch.vectors = vectors;
    must(npv_create(&options, &store, &error), &error);
    must(npv_add(store, &batch, NULL, &error), &error);
    must(npv_save(store, path, NULL, &error), &error);
    batch.count = 60;
    must(npv_add(store, &batch, NULL, &error), &error);
    const uint64_t rows[] = {1, 40, ROWS};
    selection.rows = rows;
    selection.row_count = 3;
    must(npv_delete(store, &selection, NULL, &error), &error);
    npv_close(store);
    const npv_buffer whole = forge_read(path);
    assert_int_equal(truncate(path, (off_t)vectors_of(whole) + 20 * 4), 0);
    free(whole.data);
    assert_int_equal(repair(&counts), NPV_OK);
    expect_report("rows that were deleted may be there again");
    assert_int_equal(counts.rows, 20 - 1 + 60);
    store = open_saved();
    for (int i = 0; i < 60; i++)
        assert_true(npv_vectors(store)[19 + i] == (float)i);
    npv_close(store);
    free(vectors);
}

static void a_journal_of_another_archive_is_named(void **state) {
    (void)state;
    uint64_t ends[CHANGES + 1];
    model m = make_journal(10, MODEL_DOCUMENTS, ends);
    const npv_buffer old = forge_read(journal);
    npv_verification counts;
    npv_store *const store = model_open(&m, path, NPV_DURABILITY_OS);
    model_save(&m, store, NULL);
    npv_close(store);
    forge_write(journal, (npv_bytes){old.data, old.size}); /* as a crash between the two files leaves it */
    assert_int_equal(verify(&counts), NPV_OK);
    assert_int_equal(counts.findings, 0);
    assert_int_equal(counts.rows, m.count);
    expect_report("a crash has left it behind");
    assert_int_equal(repair(&counts), NPV_OK);
    expect_all_saved(&m);
    model other = make_archive(11, MODEL_DOCUMENTS, 3);
    forge_write(journal, (npv_bytes){old.data, old.size});
    assert_int_equal(verify(&counts), NPV_OK);
    assert_int_equal(counts.findings, 1);
    expect_report("its 8 changes are not in this one");
    model_free(&other);
    model_free(&m);
    free(old.data);
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(a_sound_store_has_no_findings),
        TEST(every_changed_byte_of_documents),
        TEST(every_changed_byte_of_typed_fields),
        TEST(a_header_that_leads_to_another_array_loses_nothing),
        TEST(a_cut_archive_keeps_the_rows_before_the_cut),
        TEST(vectors_that_are_none_are_left_out_and_named),
        TEST(not_more_than_a_thousand_runs_of_rows_are_named),
        TEST(records_that_are_none_are_named_and_counted),
        TEST(members_that_are_none_of_a_store_are_named),
        TEST(rows_that_are_not_of_unit_length_are_left_out_where_they_must_be),
        TEST(nothing_is_ever_overwritten),
        TEST(what_is_no_store_cannot_be_verified),
        TEST(a_damaged_change_is_lost_alone),
        TEST(the_header_of_a_journal_is_believed_where_it_agrees),
        TEST(an_unfinished_change_is_no_damage),
        TEST(deletions_behind_a_gap_are_made_where_numbers_are_certain),
        TEST(changes_that_were_not_flushed_are_no_damage),
        TEST(a_change_that_is_missing_is_named),
        TEST(changes_between_damaged_ones_are_saved),
        TEST(documents_behind_a_gap_are_set_where_numbers_are_certain),
        TEST(deletions_behind_a_large_gap_are_made_where_numbers_are_certain),
        TEST(a_journal_of_another_archive_is_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
