/* npv_verify and npv_repair of files that npvec did not write, and of what is left of a store. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "forge.h"
#include "journal_model.h"

static char report[65536];

static void take(void *context, const char *line) {
    (void)context;
    strcat(strcat(report, line), "\n");
}

/* What repairing the file finds; what it saved is opened. */
static npv_store *repaired(const char *name, npv_verification *counts) {
    npv_store *store = NULL;
    npv_error error = {.message = ""};
    report[0] = '\0';
    *counts = (npv_verification){.size = sizeof *counts};
    unlink(forge_path("saved.npz"));
    must(npv_repair(forge_path(name), forge_path("saved.npz"), take, NULL, counts, &error), &error);
    must(npv_open(forge_path("saved.npz"), NULL, &store, &error), &error);
    assert_int_equal(npv_count(store), counts->rows);
    return store;
}

static void expect_report(const char *words) {
    if (strstr(report, words) == NULL)
        fail_msg("expected '%s' in: %s", words, report);
}

/* An archive of these vectors, and `more` if it has a name. */
static void write_archive(const char *name, npv_buffer vectors, const char *more, npv_buffer array, bool deflate) {
    const forged_member members[] = {{"vectors.npy", {vectors.data, vectors.size}, deflate},
                                     {more, {array.data, array.size}, false}};
    npv_buffer zip = forge_zip(members, more != NULL ? 2 : 1, "");
    forge_write(forge_path(name), (npv_bytes){zip.data, zip.size});
    free(zip.data);
    free(vectors.data);
    free(array.data);
}

static const float rows[] = {3, 4, 0, 2, 0.6f, 0.8f};

static npv_buffer no_array(void) {
    return (npv_buffer){NULL, 0, 0};
}

static npv_buffer array_of(const char *dict, const void *data, size_t size) {
    return forge_npy(1, dict, data, size);
}

static void rows_are_scaled_where_the_file_says_so(void **state) {
    (void)state;
    npv_verification counts;
    write_archive("scaled.npz",
                  array_of("{'descr': '<f4', 'fortran_order': False, 'shape': (3, 2), }", rows, sizeof rows),
                  "normalize.npy", array_of("{'descr': '|b1', 'fortran_order': False, 'shape': (), }", "\1", 1), false);
    npv_store *store = repaired("scaled.npz", &counts);
    assert_int_equal(counts.findings, 0);
    assert_memory_equal(npv_vectors(store), ((const float[]){0.6f, 0.8f, 0, 1, 0.6f, 0.8f}), sizeof rows);
    npv_close(store);
}

static void arrays_of_every_form_are_read(void **state) {
    (void)state;
    static const float columns[] = {3, 0, 0.6f, 4, 2, 0.8f};
    npv_verification counts;
    for (int i = 0; i < 3; i++) {
        if (i < 2)
            write_archive(
                "forms.npz",
                array_of("{'descr': '<f4', 'fortran_order': True, 'shape': (3, 2), }", columns, sizeof columns), NULL,
                no_array(), i == 1);
        npv_buffer bare = array_of("{'descr': '<f4', 'fortran_order': False, 'shape': (3, 2), }", rows, sizeof rows);
        forge_write(forge_path("bare.npy"), (npv_bytes){bare.data, bare.size});
        free(bare.data);
        npv_store *store = repaired(i < 2 ? "forms.npz" : "bare.npy", &counts);
        assert_int_equal(counts.findings, 0);
        assert_memory_equal(npv_vectors(store), rows, sizeof rows);
        npv_close(store);
    }
}

/* Columns of which some are cut off are no rows. */
static void cut_columns_are_no_rows(void **state) {
    (void)state;
    npv_verification counts = {.size = sizeof counts};
    write_archive("forms.npz",
                  array_of("{'descr': '<f4', 'fortran_order': True, 'shape': (3, 2), }", rows, sizeof rows), NULL,
                  no_array(), false);
    npv_buffer whole = forge_read(forge_path("forms.npz"));
    forge_write(forge_path("forms.npz"), (npv_bytes){whole.data, forge_entry(whole, "vectors.npy") - 4});
    free(whole.data);
    report[0] = '\0';
    assert_int_equal(npv_verify(forge_path("forms.npz"), take, NULL, &counts, NULL), NPV_OK);
    assert_true(counts.findings > 0 && counts.rows == 0);
}

static void expect_rows(const char *name) {
    npv_verification counts;
    npv_store *const store = repaired(name, &counts);
    assert_true(counts.findings > 0);
    assert_int_equal(counts.rows, 3);
    assert_memory_equal(npv_vectors(store), rows, sizeof rows);
    npv_close(store);
}

/* Deflated bytes do not say where they begin: they end where the next header does. */
static void a_damaged_header_of_deflated_rows_loses_nothing(void **state) {
    (void)state;
    for (size_t bit = 0; bit < 30 * 8; bit++) {
        write_archive(
            "deflated.npz", array_of("{'descr': '<f4', 'fortran_order': False, 'shape': (3, 2), }", rows, sizeof rows),
            "normalize.npy", array_of("{'descr': '|b1', 'fortran_order': False, 'shape': (), }", "\0", 1), true);
        npv_buffer whole = forge_read(forge_path("deflated.npz"));
        const size_t at = forge_local(whole, "vectors.npy") + bit / 8;
        whole.data[at] ^= (unsigned char)(1u << bit % 8);
        whole.data[whole.size - 22] ^= 1; /* nor is the directory sound */
        forge_write(forge_path("deflated.npz"), (npv_bytes){whole.data, whole.size});
        free(whole.data);
        expect_rows("deflated.npz");
    }
}

/* Who writes to a pipe writes the sizes behind the data: their header has zeros, and is no empty array. */
static void arrays_whose_sizes_follow_are_found_by_the_directory(void **state) {
    (void)state;
    write_archive("pipe.npz",
                  array_of("{'descr': '<f4', 'fortran_order': False, 'shape': (3, 2), }", rows, sizeof rows), NULL,
                  no_array(), false);
    npv_buffer whole = forge_read(forge_path("pipe.npz"));
    const size_t local = forge_local(whole, "vectors.npy");
    whole.data[local + 6] |= 8;
    whole.data[forge_entry(whole, "vectors.npy") + 8] |= 8;
    memset(whole.data + local + 14, 0, 12);
    forge_write(forge_path("pipe.npz"), (npv_bytes){whole.data, whole.size - 1});
    free(whole.data);
    expect_rows("pipe.npz");
}

static void many_bad_rows_are_counted(void **state) {
    (void)state;
    float many[60];
    npv_verification counts;
    for (int i = 0; i < 60; i++)
        many[i] = i % 2 == 0 ? NAN : 1;
    write_archive("many.npz",
                  array_of("{'descr': '<f4', 'fortran_order': False, 'shape': (60, 1), }", many, sizeof many), NULL,
                  no_array(), false);
    npv_store *store = repaired("many.npz", &counts);
    assert_int_equal(counts.rows, 30);
    assert_int_equal(counts.rows_lost, 30);
    expect_report("and 10 rows more");
    npv_close(store);
}

/* Of an archive without vectors nothing can be saved, nor of its journal; how much that is is said. */
static void changes_without_their_archive_are_counted(void **state) {
    (void)state;
    model m;
    npv_verification counts = {.size = sizeof counts};
    model_init(&m, 3, MODEL_DOCUMENTS);
    npv_store *const store = model_open(&m, forge_path("store.npz"), NPV_DURABILITY_OS);
    model_add(&m, store, 3);
    model_save(&m, store, NULL);
    for (int i = 0; i < 4; i++)
        model_add(&m, store, 1);
    npv_close(store);
    npv_buffer whole = forge_read(forge_path("store.npz"));
    forge_write(forge_path("store.npz"), (npv_bytes){whole.data, forge_local(whole, "vectors.npy")});
    free(whole.data);
    report[0] = '\0';
    assert_int_equal(npv_verify(forge_path("store.npz"), take, NULL, &counts, NULL), NPV_OK);
    expect_report("there are no vectors that can be read");
    expect_report("the journal has 4 changes: lost with the archive");
    assert_int_equal(npv_repair(forge_path("store.npz"), forge_path("saved.npz"), NULL, NULL, NULL, NULL),
                     NPV_E_FORMAT);
    assert_int_equal(forge_count("saved.npz"), 0);
    model_free(&m);
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, forge_setup, forge_teardown)
    const struct CMUnitTest tests[] = {
        TEST(rows_are_scaled_where_the_file_says_so),
        TEST(arrays_of_every_form_are_read),
        TEST(cut_columns_are_no_rows),
        TEST(a_damaged_header_of_deflated_rows_loses_nothing),
        TEST(arrays_whose_sizes_follow_are_found_by_the_directory),
        TEST(many_bad_rows_are_counted),
        TEST(changes_without_their_archive_are_counted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
