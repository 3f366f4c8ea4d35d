/* A store takes rows and documents, gives them back, keeps them in a file, and is unchanged by what fails. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "oracle.h"

static char path[64]; /* a file of this test's own */

static int set_up(void **state) {
    (void)state;
    snprintf(path, sizeof path, "/tmp/npvec-test-%ld.npz", (long)getpid());
    unlink(path);
    return 0;
}

static int tear_down(void **state) {
    (void)state;
    unlink(path);
    return 0;
}

static npv_store *new_store(size_t dimensions, npv_normalize normalize) {
    npv_store_options options = NPV_STORE_OPTIONS_INIT;
    npv_store *store = NULL;
    options.dimensions = dimensions;
    options.normalize = normalize;
    assert_int_equal(npv_create(&options, &store, NULL), NPV_OK);
    return store;
}

static npv_status add(npv_store *store, const float *vectors, const char *const *documents, size_t count,
                      npv_error *error) {
    npv_batch batch = NPV_BATCH_INIT;
    batch.vectors = vectors;
    batch.documents = documents;
    batch.count = count;
    return npv_add(store, &batch, NULL, error);
}

static npv_store *open_store(const char *from, const npv_store_options *options) {
    npv_store *store = NULL;
    npv_error error = {0};
    if (npv_open(from, options, &store, &error) != NPV_OK)
        fail_msg("%s", error.message);
    return store;
}

static void save(npv_store *store, const char *to, int compress) {
    npv_save_options options = NPV_SAVE_OPTIONS_INIT;
    npv_error error = {0};
    options.compress = compress;
    if (npv_save(store, to, &options, &error) != NPV_OK)
        fail_msg("%s", error.message);
}

static npv_info info_of(npv_store *store) {
    npv_info info = {.size = sizeof info};
    assert_int_equal(npv_get_info(store, &info, NULL), NPV_OK);
    return info;
}

static void expect_document(npv_store *store, uint64_t row, const char *expected) {
    char *json = NULL;
    npv_error error = {0};
    if (npv_get_document(store, row, &json, &error) != NPV_OK)
        fail_msg("%s", error.message);
    if (expected == NULL)
        assert_null(json);
    else
        assert_string_equal(json, expected);
    npv_free(json);
}

static void expect_text(const npv_error *error, npv_status code, const char *text) {
    assert_int_equal(error->code, code);
    if (strstr(error->message, text) == NULL)
        fail_msg("expected '%s' in '%s'", text, error->message);
}

static void dimensions_and_threads_have_limits(void **state) {
    (void)state;
    npv_store *store = NULL;
    npv_error error = {0};
    npv_store_options options = NPV_STORE_OPTIONS_INIT;
    assert_int_equal(npv_create(NULL, &store, &error), NPV_E_ARGUMENT);
    expect_text(&error, NPV_E_ARGUMENT, "expected 1 to 65536 dimensions, found 0");
    options.dimensions = NPV_MAX_DIMENSIONS + 1;
    assert_int_equal(npv_create(&options, &store, &error), NPV_E_ARGUMENT);
    options.dimensions = 3;
    options.threads = NPV_MAX_THREADS + 1;
    assert_int_equal(npv_create(&options, &store, &error), NPV_E_ARGUMENT);
    expect_text(&error, NPV_E_ARGUMENT, "expected at most 64 threads, found 65");
    assert_null(store);
    assert_int_equal(npv_create(&options, NULL, &error), NPV_E_ARGUMENT);
}

/* A caller compiled with another header: shorter structs keep defaults, longer ones must not ask for unknown things. */
static void structs_may_have_other_sizes(void **state) {
    (void)state;
    struct {
        npv_store_options known;
        size_t more;
    } longer = {NPV_STORE_OPTIONS_INIT, 0};
    npv_store *store = NULL;
    npv_error error = {0};
    longer.known.size = sizeof longer;
    longer.known.dimensions = 4;
    assert_int_equal(npv_create(&longer.known, &store, &error), NPV_OK);
    npv_close(store);
    longer.more = 1;
    assert_int_equal(npv_create(&longer.known, &store, &error), NPV_E_UNSUPPORTED);
    npv_store_options shorter = {.size = offsetof(npv_store_options, normalize), .dimensions = 4, .threads = 99};
    shorter.normalize = NPV_NORMALIZE_OFF;
    assert_int_equal(npv_create(&shorter, &store, &error), NPV_OK);
    assert_int_equal(info_of(store).normalize, 1);
    npv_close(store);
    shorter.size = 0;
    assert_int_equal(npv_create(&shorter, &store, &error), NPV_E_ARGUMENT);
    expect_text(&error, NPV_E_ARGUMENT, "npv_store_options: expected its size in the first field, found 0");
}

static void rows_are_scaled_in_double_precision(void **state) {
    (void)state;
    enum { rows = 200, dimensions = 37 };
    oracle_random random = {1};
    float *vectors = oracle_vectors(&random, rows, dimensions);
    npv_store *store = new_store(dimensions, NPV_NORMALIZE_ON);
    assert_int_equal(add(store, vectors, NULL, rows, NULL), NPV_OK);
    for (size_t row = 0; row < rows; row++) {
        const float *x = vectors + row * dimensions;
        const float *stored = NULL;
        const double length =
            sqrt(oracle_score(x, x, dimensions, NPV_EUCLIDEAN, false) == 0
                     ? oracle_score((const float[dimensions]){0}, x, dimensions, NPV_EUCLIDEAN, false) *
                           oracle_score((const float[dimensions]){0}, x, dimensions, NPV_EUCLIDEAN, false)
                     : -1);
        assert_int_equal(npv_get_vector(store, row, &stored, NULL), NPV_OK);
        for (size_t j = 0; j < dimensions; j++)
            assert_true(fabs((double)stored[j] - (double)x[j] / length) <= ldexp(fabs((double)stored[j]), -24));
    }
    npv_close(store);
    free(vectors);
}

static void raw_rows_stay_as_they_are(void **state) {
    (void)state;
    const float rows[] = {3, 4, 0, 0, -1e-40f, 1e38f};
    npv_store *store = new_store(2, NPV_NORMALIZE_OFF);
    assert_int_equal(add(store, rows, NULL, 3, NULL), NPV_OK);
    assert_memory_equal(npv_vectors(store), rows, sizeof rows);
    npv_close(store);
}

static void pointers_stay_while_rows_are_added(void **state) {
    (void)state;
    const float row[] = {1, 0};
    npv_store *store = new_store(2, NPV_NORMALIZE_ON);
    assert_null(npv_vectors(store));
    assert_int_equal(add(store, row, NULL, 1, NULL), NPV_OK);
    const float *borrowed = npv_vectors(store);
    for (int i = 0; i < 100000; i++)
        assert_int_equal(add(store, row, NULL, 1, NULL), NPV_OK);
    assert_ptr_equal(npv_vectors(store), borrowed);
    assert_int_equal(npv_clear(store, NULL), NPV_OK);
    assert_int_equal(npv_count(store), 0);
    assert_true(borrowed[0] == 0 || borrowed[0] != 0); /* may be read */
    npv_close(store);
}

static void a_failed_add_changes_nothing(void **state) {
    (void)state;
    const float good[] = {1, 2, 3, 4};
    const float infinite[] = {1, 2, (float)INFINITY, 4};
    const float zero[] = {1, 2, 0, 0};
    const char *documents[] = {"{\"a\": 1}", "{\"a\": }"};
    npv_error error = {0};
    npv_store *store = new_store(2, NPV_NORMALIZE_ON);
    assert_int_equal(add(store, good, NULL, 1, NULL), NPV_OK);
    assert_int_equal(add(store, infinite, NULL, 2, &error), NPV_E_ARGUMENT);
    expect_text(&error, NPV_E_ARGUMENT, "row 1: expected finite numbers, found infinity in dimension 0");
    assert_int_equal(add(store, zero, NULL, 2, &error), NPV_E_ARGUMENT);
    expect_text(&error, NPV_E_ARGUMENT, "row 1: expected a direction");
    assert_int_equal(add(store, good, documents, 2, &error), NPV_E_ARGUMENT);
    expect_text(&error, NPV_E_ARGUMENT, "row 1: ");
    assert_int_equal(error.position, 6); /* of the brace that stands where a value should */
    assert_int_equal(add(store, NULL, NULL, 2, &error), NPV_E_ARGUMENT);
    assert_int_equal(npv_add(store, NULL, NULL, &error), NPV_E_ARGUMENT);
    assert_int_equal(npv_count(store), 1);
    expect_document(store, 0, NULL);
    documents[1] = NULL;
    assert_int_equal(add(store, good, documents, 2, &error), NPV_OK);
    expect_document(store, 0, NULL);
    expect_document(store, 1, "{\"a\": 1}");
    expect_document(store, 2, NULL);
    npv_close(store);
}

static void the_first_row_of_a_batch_is_told(void **state) {
    (void)state;
    const float rows[] = {1, 2, 3, 4};
    npv_store *store = new_store(2, NPV_NORMALIZE_ON);
    npv_batch batch = NPV_BATCH_INIT;
    uint64_t first = 99;
    batch.vectors = rows;
    batch.count = 2;
    assert_int_equal(npv_add(store, &batch, &first, NULL), NPV_OK);
    assert_int_equal(first, 0);
    assert_int_equal(npv_add(store, &batch, &first, NULL), NPV_OK);
    assert_int_equal(first, 2);
    batch.count = 0;
    assert_int_equal(npv_add(store, &batch, &first, NULL), NPV_OK);
    assert_int_equal(first, 4);
    npv_close(store);
}

static void rows_outside_are_named(void **state) {
    (void)state;
    const float rows[] = {1, 2, 3, 4};
    const float *vector = NULL;
    char *json = NULL;
    npv_error error = {0};
    npv_store *store = new_store(2, NPV_NORMALIZE_ON);
    assert_int_equal(npv_get_vector(store, 0, &vector, &error), NPV_E_RANGE);
    expect_text(&error, NPV_E_RANGE, "row 0 is not there: the store is empty");
    assert_int_equal(add(store, rows, NULL, 2, NULL), NPV_OK);
    assert_int_equal(npv_get_vector(store, 2, &vector, &error), NPV_E_RANGE);
    expect_text(&error, NPV_E_RANGE, "expected a row from 0 to 1, found 2");
    assert_int_equal(npv_get_document(store, UINT64_MAX, &json, &error), NPV_E_RANGE);
    npv_close(store);
}

static void what_was_saved_is_opened(void **state) {
    (void)state;
    enum { rows = 1000, dimensions = 19 };
    oracle_random random = {2};
    float *vectors = oracle_vectors(&random, rows, dimensions);
    const char *documents[rows];
    for (size_t row = 0; row < rows; row++)
        documents[row] = row % 3 == 0 ? NULL : row % 3 == 1 ? "{\"n\": 7, \"x\": 1.5}" : "[true, null, \"\\u00e9\"]";
    for (int compress = 0; compress <= 1; compress++)
        for (int normalize = NPV_NORMALIZE_ON; normalize <= NPV_NORMALIZE_OFF; normalize++) {
            npv_store *store = new_store(dimensions, (npv_normalize)normalize);
            assert_int_equal(add(store, vectors, documents, rows, NULL), NPV_OK);
            save(store, path, compress);
            assert_string_equal(info_of(store).path, path);
            npv_store *opened = open_store(path, NULL);
            const npv_info info = info_of(opened);
            assert_int_equal(info.rows, rows);
            assert_int_equal(info.dimensions, dimensions);
            assert_int_equal(info.normalize, normalize == NPV_NORMALIZE_ON);
            assert_int_equal(info.mapped, !compress);
            assert_string_equal(info.origin, compress ? "converted: deflated" : "mapped");
            assert_memory_equal(npv_vectors(opened), npv_vectors(store), rows * dimensions * sizeof(float));
            expect_document(opened, 0, NULL);
            expect_document(opened, 1, "{\"n\": 7, \"x\": 1.5}");
            expect_document(opened, 999 - 1, "[true, null, \"é\"]");
            npv_close(store);
            npv_close(opened);
        }
    free(vectors);
}

/* Rows that follow a mapped file stand in place behind it, and saving over that file is fine. */
static void a_mapped_store_takes_more_rows(void **state) {
    (void)state;
    enum { rows = 700, dimensions = 21 };
    oracle_random random = {3};
    float *vectors = oracle_vectors(&random, 2 * rows, dimensions);
    npv_store *store = new_store(dimensions, NPV_NORMALIZE_OFF);
    assert_int_equal(add(store, vectors, NULL, rows, NULL), NPV_OK);
    save(store, path, 0);
    npv_close(store);
    store = open_store(path, NULL);
    const float *borrowed = npv_vectors(store);
    const char *document = "{}";
    assert_int_equal(add(store, vectors + rows * dimensions, NULL, rows - 1, NULL), NPV_OK);
    assert_int_equal(add(store, vectors + (2 * rows - 1) * dimensions, &document, 1, NULL), NPV_OK);
    assert_ptr_equal(npv_vectors(store), borrowed);
    assert_memory_equal(borrowed, vectors, 2 * rows * dimensions * sizeof(float));
    save(store, NULL, 0);
    assert_memory_equal(borrowed, vectors, 2 * rows * dimensions * sizeof(float));
    npv_store *again = open_store(path, NULL);
    assert_int_equal(npv_count(again), 2 * rows);
    assert_memory_equal(npv_vectors(again), vectors, 2 * rows * dimensions * sizeof(float));
    expect_document(again, 2 * rows - 2, NULL);
    expect_document(again, 2 * rows - 1, "{}");
    npv_search_options options = NPV_SEARCH_OPTIONS_INIT;
    oracle_check(again, vectors, 2, &options);
    npv_close(again);
    npv_close(store);
    free(vectors);
}

static void an_empty_store_is_saved_and_opened(void **state) {
    (void)state;
    const float row[] = {1, 2, 3};
    npv_store *store = new_store(3, NPV_NORMALIZE_OFF);
    save(store, path, 0);
    npv_close(store);
    store = open_store(path, NULL);
    assert_int_equal(npv_count(store), 0);
    assert_int_equal(info_of(store).normalize, 0);
    assert_int_equal(add(store, row, NULL, 1, NULL), NPV_OK);
    assert_memory_equal(npv_vectors(store), row, sizeof row);
    npv_close(store);
}

static void opening_checks_what_is_asked_for(void **state) {
    (void)state;
    const float row[] = {1, 2, 3};
    npv_error error = {0};
    npv_store *none = NULL;
    npv_store_options options = NPV_STORE_OPTIONS_INIT;
    npv_store *store = new_store(3, NPV_NORMALIZE_ON);
    assert_int_equal(add(store, row, NULL, 1, NULL), NPV_OK);
    save(store, path, 0);
    npv_close(store);
    options.dimensions = 4;
    assert_int_equal(npv_open(path, &options, &none, &error), NPV_E_ARGUMENT);
    expect_text(&error, NPV_E_ARGUMENT, "expected 4 dimensions, found 3");
    options.dimensions = 3;
    options.normalize = NPV_NORMALIZE_OFF;
    assert_int_equal(npv_open(path, &options, &none, &error), NPV_E_ARGUMENT);
    expect_text(&error, NPV_E_ARGUMENT, "expected a store that does not normalise, found one that does");
    options.normalize = NPV_NORMALIZE_ON;
    npv_close(open_store(path, &options));
    assert_int_equal(npv_open("/nowhere/at/all.npz", NULL, &none, &error), NPV_E_IO);
    expect_text(&error, NPV_E_IO, "/nowhere/at/all.npz: ");
    assert_int_equal(npv_open(NULL, NULL, &none, &error), NPV_E_ARGUMENT);
    assert_null(none);
}

static void saving_needs_a_place(void **state) {
    (void)state;
    npv_error error = {0};
    npv_store *store = new_store(3, NPV_NORMALIZE_ON);
    assert_int_equal(npv_save(store, NULL, NULL, &error), NPV_E_ARGUMENT);
    expect_text(&error, NPV_E_ARGUMENT, "the store has no file yet");
    assert_int_equal(npv_save(store, "/tmp/store.npy", NULL, &error), NPV_E_ARGUMENT);
    expect_text(&error, NPV_E_ARGUMENT, "expected a name that ends in .npz");
    assert_int_equal(npv_save(store, "/nowhere/at/all.npz", NULL, &error), NPV_E_IO);
    assert_null(info_of(store).path);
    npv_close(store);
}

/* A .npy with the header that NumPy writes. */
static void write_npy(const char *to, const char *type, size_t rows, size_t columns, const void *data, size_t size) {
    char header[118];
    FILE *file = fopen(to, "wb");
    assert_non_null(file);
    const int length = snprintf(header, sizeof header, "{'descr': '%s', 'fortran_order': False, 'shape': (%zu, %zu), }",
                                type, rows, columns);
    memset(header + length, ' ', sizeof header - (size_t)length);
    header[sizeof header - 1] = '\n';
    assert_int_equal(fwrite("\x93NUMPY\x01\x00\x76\x00", 1, 10, file), 10);
    assert_int_equal(fwrite(header, 1, sizeof header, file), sizeof header);
    assert_int_equal(fwrite(data, 1, size, file), size);
    assert_int_equal(fclose(file), 0);
}

static void foreign_rows_decide_whether_they_are_normalised(void **state) {
    (void)state;
    const float unit[] = {0.6f, 0.8f, 1, 0};
    const float raw[] = {3, 4, 1, 0};
    const float zero[] = {1, 0, 0, 0};
    npv_store_options normalised = NPV_STORE_OPTIONS_INIT;
    npv_error error = {0};
    normalised.normalize = NPV_NORMALIZE_ON;
    write_npy(path, "<f4", 2, 2, unit, sizeof unit);
    npv_store *store = open_store(path, NULL);
    assert_int_equal(info_of(store).normalize, 1);
    assert_int_equal(info_of(store).mapped, 1);
    npv_close(store);

    write_npy(path, "<f4", 2, 2, raw, sizeof raw);
    store = open_store(path, NULL);
    assert_int_equal(info_of(store).normalize, 0);
    assert_memory_equal(npv_vectors(store), raw, sizeof raw);
    npv_close(store);
    store = open_store(path, &normalised);
    assert_int_equal(info_of(store).normalize, 1);
    assert_int_equal(info_of(store).mapped, 0);
    assert_string_equal(info_of(store).origin, "converted: rows scaled to unit length");
    assert_memory_equal(npv_vectors(store), unit, sizeof unit);
    npv_close(store);

    write_npy(path, "<f4", 2, 2, zero, sizeof zero);
    npv_close(open_store(path, NULL));
    assert_int_equal(npv_open(path, &normalised, &store, &error), NPV_E_FORMAT);
    expect_text(&error, NPV_E_FORMAT, "row 1 has length zero");
}

static void foreign_rows_must_be_finite(void **state) {
    (void)state;
    const float rows[] = {1, 2, 3, (float)NAN};
    npv_store *store = NULL;
    npv_error error = {0};
    write_npy(path, "<f4", 2, 2, rows, sizeof rows);
    assert_int_equal(npv_open(path, NULL, &store, &error), NPV_E_FORMAT);
    expect_text(&error, NPV_E_FORMAT, "row 1: expected finite numbers, found NaN in dimension 1");
}

/* float64 vectors lose digits as float32: not over the only copy. */
static void saving_over_wider_vectors_is_refused(void **state) {
    (void)state;
    char other[80];
    const double rows[] = {0.1, 0.2, 0.3, 0.4};
    npv_error error = {0};
    write_npy(path, "<f8", 2, 2, rows, sizeof rows);
    npv_store *store = open_store(path, NULL);
    assert_string_equal(info_of(store).origin, "converted: float64");
    assert_int_equal(npv_save(store, NULL, NULL, &error), NPV_E_UNSUPPORTED);
    expect_text(&error, NPV_E_UNSUPPORTED, "save to another path");
    snprintf(other, sizeof other, "/tmp/../%s", path + 1);
    assert_int_equal(npv_save(store, other, NULL, &error), NPV_E_UNSUPPORTED);
    snprintf(other, sizeof other, "%s.npz", path);
    save(store, other, 0);
    save(store, other, 0);
    npv_close(store);
    npv_close(open_store(other, NULL));
    unlink(other);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(dimensions_and_threads_have_limits),
        cmocka_unit_test(structs_may_have_other_sizes),
        cmocka_unit_test(rows_are_scaled_in_double_precision),
        cmocka_unit_test(raw_rows_stay_as_they_are),
        cmocka_unit_test(pointers_stay_while_rows_are_added),
        cmocka_unit_test(a_failed_add_changes_nothing),
        cmocka_unit_test(the_first_row_of_a_batch_is_told),
        cmocka_unit_test(rows_outside_are_named),
        cmocka_unit_test(what_was_saved_is_opened),
        cmocka_unit_test(a_mapped_store_takes_more_rows),
        cmocka_unit_test(an_empty_store_is_saved_and_opened),
        cmocka_unit_test(opening_checks_what_is_asked_for),
        cmocka_unit_test(saving_needs_a_place),
        cmocka_unit_test(foreign_rows_decide_whether_they_are_normalised),
        cmocka_unit_test(foreign_rows_must_be_finite),
        cmocka_unit_test(saving_over_wider_vectors_is_refused),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
