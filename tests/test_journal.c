/* A store with a journal keeps what it was told, one change at a time, without npv_save. */
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

static const char *path, *journal, *copy;

static int set_up(void **state) {
    const int result = forge_setup(state);
    path = strdup(forge_path("store.npz"));
    journal = strdup(forge_path("store.npz-journal"));
    copy = strdup(forge_path("copy.npz"));
    return result;
}

static int tear_down(void **state) {
    free((char *)(uintptr_t)path);
    free((char *)(uintptr_t)journal);
    free((char *)(uintptr_t)copy);
    return forge_teardown(state);
}

static bool exists(const char *file) {
    struct stat found;
    return stat(file, &found) == 0;
}

static uint64_t size_of(const char *file) {
    struct stat found;
    return stat(file, &found) == 0 ? (uint64_t)found.st_size : 0;
}

/* ---------------------------------------------------------------------------------------------------------- Life -- */

static void a_file_is_created_and_remembers_without_saving(void **state) {
    (void)state;
    model m;
    model_init(&m, 1, MODEL_DOCUMENTS);
    npv_store *store = model_open(&m, path, NPV_DURABILITY_OS);
    assert_true(exists(path));
    assert_true(exists(journal));
    for (int i = 0; i < 20; i++)
        model_change(&m, store);
    npv_close(store);
    store = model_open(&m, path, NPV_DURABILITY_OFF);
    model_check(&m, store);
    assert_int_equal(model_info(store).generation, 1);
    assert_true(model_info(store).journal_bytes == size_of(journal));
    npv_close(store);
    store = model_open(&m, path, NPV_DURABILITY_DISK);
    model_check(&m, store);
    assert_int_equal(model_info(store).durability, NPV_DURABILITY_DISK);
    model_change(&m, store);
    model_save(&m, store, NULL);
    assert_int_equal(size_of(journal), 128);
    assert_int_equal(model_info(store).generation, 2);
    npv_close(store);
    assert_false(exists(journal)); /* it had nothing to say */
    store = model_open(&m, path, NPV_DURABILITY_OFF);
    model_check(&m, store);
    npv_close(store);
    model_free(&m);
}

static void changes_survive_in_any_order(void **state) {
    (void)state;
    for (uint64_t seed = 1; seed <= 12; seed++) {
        model m;
        model_init(&m, seed, (model_kind)(seed % 3));
        npv_store *store = model_open(&m, path, NPV_DURABILITY_OS);
        for (int i = 0; i < 150; i++) {
            const unsigned what = model_below(&m, 20);
            if (what == 0) {
                npv_close(store);
                store = model_open(&m, path, what % 2 == 0 ? NPV_DURABILITY_OS : NPV_DURABILITY_DISK);
            } else if (what == 1) {
                model_save(&m, store, NULL);
            } else if (what == 2) {
                npv_store *const reader = model_open(&m, path, NPV_DURABILITY_OFF);
                model_check(&m, reader);
                npv_close(reader);
            } else if (what == 3) {
                store->fold_at = 2000; /* and so saves itself after a few changes */
                store->archive_bytes = 0;
            } else {
                model_change(&m, store);
            }
            if (i % 10 == 0)
                model_check(&m, store);
        }
        model_check(&m, store);
        npv_close(store);
        model_free(&m);
        unlink(path);
        unlink(journal);
    }
}

static void a_store_made_in_memory_gets_its_journal_when_it_is_saved(void **state) {
    (void)state;
    model m;
    model_init(&m, 3, MODEL_DOCUMENTS);
    npv_store *store = model_create(&m, NPV_DURABILITY_OS);
    model_change(&m, store);
    assert_int_equal(model_info(store).durability, NPV_DURABILITY_OFF);
    model_save(&m, store, path);
    assert_int_equal(model_info(store).durability, NPV_DURABILITY_OS);
    assert_true(exists(journal));
    model_change(&m, store);
    npv_store *reader = model_open(&m, path, NPV_DURABILITY_OFF);
    model_check(&m, reader);
    npv_close(reader);
    /* Saved elsewhere it goes on there; what it leaves behind is as it was. */
    model_save(&m, store, copy);
    assert_true(size_of(journal) > 128);
    reader = model_open(&m, path, NPV_DURABILITY_OS);
    npv_close(reader);
    model_change(&m, store);
    npv_close(store);
    store = model_open(&m, copy, NPV_DURABILITY_OFF);
    model_check(&m, store);
    npv_close(store);
    model_free(&m);
}

/* It would say nothing. */
static void a_journal_without_changes_is_not_left_behind(void **state) {
    (void)state;
    model m;
    model_init(&m, 7, MODEL_DOCUMENTS);
    npv_store *const store = model_open(&m, path, NPV_DURABILITY_OS);
    assert_true(exists(journal));
    model_save(&m, store, copy);
    assert_false(exists(journal));
    model_add(&m, store, 3);
    npv_store *const reader = model_open(&m, copy, NPV_DURABILITY_OFF);
    model_check(&m, reader);
    npv_close(reader);
    npv_close(store);
    assert_true(exists(path));
    model_free(&m);
}

/* Not before it is twice the archive, which writing the archive again is worth, and not much after. */
static void a_journal_that_outgrows_its_archive_is_folded(void **state) {
    (void)state;
    enum { least = 4000, record = 800 };
    model m;
    model_init(&m, 4, MODEL_DOCUMENTS);
    npv_store *store = model_open(&m, path, NPV_DURABILITY_OS);
    store->fold_at = least;
    model_add(&m, store, 20);
    for (int i = 0; i < 300; i++) {
        const npv_info before = model_info(store);
        const uint64_t archive = size_of(path);
        if (i % 3 == 0)
            model_add(&m, store, 2);
        else
            model_upsert(&m, store, 3, false);
        const npv_info after = model_info(store);
        if (after.generation > before.generation)
            assert_true(before.journal_bytes + record > least && before.journal_bytes + record > 2 * archive);
        else
            assert_true(after.journal_bytes <= least || after.journal_bytes <= 2 * archive + 1);
    }
    assert_true(model_info(store).generation > 3);
    model_check(&m, store);
    npv_close(store);
    store = model_open(&m, path, NPV_DURABILITY_OFF);
    model_check(&m, store);
    npv_close(store);
    model_free(&m);
}

static void documents_change_without_vectors(void **state) {
    (void)state;
    npv_error error = {0};
    for (int kind = 0; kind < 3; kind++) {
        model m;
        model_init(&m, 5, (model_kind)kind);
        npv_store *store = model_open(&m, path, NPV_DURABILITY_OS);
        model_add(&m, store, 30);
        for (int i = 0; i < 10; i++) {
            model_upsert(&m, store, 4, true);
            model_set_documents(&m, store, 4);
        }
        model_check(&m, store);
        npv_batch batch = NPV_BATCH_INIT;
        batch.count = 1;
        batch.ids = (const char *const[]){"nobody"};
        batch.documents = (const char *const[]){"{\"n\": 1, \"text\": \"t\"}"};
        const uint64_t before = size_of(journal);
        assert_int_equal(npv_upsert(store, &batch, NULL, NULL, &error), NPV_E_NOT_FOUND);
        assert_non_null(strstr(error.message, "row 0"));
        batch.ids = NULL;
        assert_int_equal(npv_set_documents(store, (const uint64_t[]){30}, &batch, &error), NPV_E_RANGE);
        assert_int_equal(size_of(journal), before);
        npv_close(store);
        store = model_open(&m, path, NPV_DURABILITY_OFF);
        model_check(&m, store);
        npv_close(store);
        model_free(&m);
        unlink(path);
        unlink(journal);
    }
}

/* To scale a vector that has been scaled would change its last bits. */
static void scaled_vectors_keep_their_bits(void **state) {
    (void)state;
    enum { ROWS = 300, DIMENSIONS = 48 };
    oracle_random random = {17};
    float *const vectors = oracle_vectors(&random, ROWS, DIMENSIONS);
    npv_store_options options = NPV_STORE_OPTIONS_INIT;
    npv_store *store = NULL, *reader = NULL;
    npv_error error = {0};
    options.dimensions = DIMENSIONS;
    options.durability = NPV_DURABILITY_OS;
    must(npv_open(path, &options, &store, &error), &error);
    npv_batch batch = NPV_BATCH_INIT;
    batch.count = ROWS;
    batch.vectors = vectors;
    must(npv_add(store, &batch, NULL, &error), &error);
    must(npv_open(path, NULL, &reader, &error), &error);
    assert_int_equal(model_info(reader).normalize, 1);
    assert_memory_equal(npv_vectors(reader), npv_vectors(store), ROWS * DIMENSIONS * sizeof(float));
    npv_close(reader);
    npv_close(store);
    free(vectors);
}

/* A file that npvec has not written has no mark; its journal knows it by what is in it. */
static void files_from_elsewhere_take_a_journal(void **state) {
    (void)state;
    static const float eye[4][4] = {{1, 0, 0, 0}, {0, 1, 0, 0}, {0, 0, 1, 0}, {0, 0, 0, 1}};
    npv_buffer array = forge_npy(1, "{'descr': '<f4', 'fortran_order': False, 'shape': (4, 4), }", eye, sizeof eye);
    const forged_member member = {"vectors.npy", {array.data, array.size}, false};
    npv_buffer zip = forge_zip(&member, 1, "");
    forge_write(path, (npv_bytes){zip.data, zip.size});
    free(array.data);
    free(zip.data);
    model m;
    model_init(&m, 6, MODEL_DOCUMENTS);
    npv_store *store = NULL;
    npv_error error = {0};
    npv_store_options options = NPV_STORE_OPTIONS_INIT;
    options.durability = NPV_DURABILITY_OS;
    must(npv_open(path, &options, &store, &error), &error);
    const uint64_t before = size_of(path);
    npv_batch batch = NPV_BATCH_INIT;
    batch.count = 1;
    batch.vectors = (const float[]){3, 0, 4, 0};
    must(npv_add(store, &batch, NULL, &error), &error);
    npv_close(store);
    assert_int_equal(size_of(path), before);
    for (int i = 0; i < 2; i++) {
        const float *vector;
        must(npv_open(path, i == 0 ? NULL : &options, &store, &error), &error);
        assert_int_equal(npv_count(store), 5);
        must(npv_get_vector(store, 4, &vector, &error), &error);
        assert_true(vector[0] == 0.6f && vector[2] == 0.8f);
        assert_int_equal(model_info(store).generation, 0);
        if (i == 1)
            must(npv_save(store, NULL, NULL, &error), &error);
        npv_close(store);
    }
    must(npv_open(path, NULL, &store, &error), &error);
    assert_int_equal(npv_count(store), 5);
    assert_int_equal(model_info(store).generation, 1);
    npv_close(store);
    model_free(&m);
}

static void a_journal_of_another_archive_is_not_applied(void **state) {
    (void)state;
    model m;
    char saved[256];
    model_init(&m, 7, MODEL_DOCUMENTS);
    npv_store *store = model_open(&m, path, NPV_DURABILITY_OS);
    model_change(&m, store);
    npv_close(store);
    snprintf(saved, sizeof saved, "%s.kept", journal);
    assert_int_equal(rename(journal, saved), 0);
    store = model_open(&m, path, NPV_DURABILITY_OS);
    assert_int_equal(npv_count(store), 0);
    model_clear(&m);
    model_add(&m, store, 3);
    model_save(&m, store, NULL);
    npv_close(store);
    assert_int_equal(rename(saved, journal), 0);
    store = model_open(&m, path, NPV_DURABILITY_OFF);
    model_check(&m, store);
    assert_non_null(strstr(model_info(store).journal_note, "another"));
    npv_close(store);
    assert_true(exists(journal));
    store = model_open(&m, path, NPV_DURABILITY_OS);
    model_check(&m, store);
    assert_non_null(strstr(model_info(store).journal_note, "removed"));
    npv_close(store);
    assert_false(exists(journal));
    model_free(&m);
}

static void journals_are_no_more_readable_than_their_archives(void **state) {
    (void)state;
    struct stat found;
    model m;
    model_init(&m, 8, MODEL_DOCUMENTS);
    npv_store *store = model_open(&m, path, NPV_DURABILITY_OS);
    npv_close(store);
    assert_int_equal(chmod(path, 0600), 0);
    store = model_open(&m, path, NPV_DURABILITY_OS);
    model_change(&m, store);
    assert_int_equal(stat(journal, &found), 0);
    assert_int_equal(found.st_mode & 0777, 0600);
    model_save(&m, store, NULL);
    assert_int_equal(stat(journal, &found), 0);
    assert_int_equal(found.st_mode & 0777, 0600);
    npv_close(store);
    model_free(&m);
}

/*
 * Small records are copied together before they are written: payloads up to 24,000 bytes, in steps of 8 around 8,192.
 */
static void changes_of_any_size_come_back(void **state) {
    (void)state;
    enum { MOST = 3000 };
    static float rows[2 * MOST];
    npv_store_options options = NPV_STORE_OPTIONS_INIT;
    npv_store *store = NULL;
    npv_error error = {0};
    uint64_t added = 0, row = 0;
    options.dimensions = 2;
    options.normalize = NPV_NORMALIZE_OFF;
    options.durability = NPV_DURABILITY_OS;
    for (size_t i = 0; i < 2 * MOST; i++)
        rows[i] = (float)i;
    must(npv_open(path, &options, &store, &error), &error);
    for (size_t count = 1; count <= MOST; count += count >= 1000 && count < 1040 ? 1 : 100 - count % 100) {
        npv_batch batch = NPV_BATCH_INIT;
        batch.vectors = rows;
        batch.count = count;
        must(npv_add(store, &batch, NULL, &error), &error);
        added += count;
    }
    npv_close(store);
    options.durability = NPV_DURABILITY_OFF;
    must(npv_open(path, &options, &store, &error), &error);
    assert_int_equal(npv_count(store), added);
    const float *const found = npv_vectors(store);
    for (size_t count = 1; count <= MOST; count += count >= 1000 && count < 1040 ? 1 : 100 - count % 100) {
        assert_memory_equal(found + 2 * row, rows, 2 * count * sizeof *rows);
        row += count;
    }
    npv_close(store);
}

static void memory_that_a_large_change_took_is_given_back(void **state) {
    (void)state;
    enum { LENGTH = 3 << 20 };
    const float vector[] = {1, 2};
    char *const document = malloc(LENGTH + 1);
    npv_store_options options = {.size = sizeof options, .dimensions = 2, .durability = NPV_DURABILITY_OS};
    npv_store *store = NULL;
    npv_error error = {0};
    char *found = NULL;
    assert_non_null(document);
    memset(document, 'x', LENGTH);
    document[0] = document[LENGTH - 1] = '"';
    document[LENGTH] = '\0';
    must(npv_open(path, &options, &store, &error), &error);
    for (int round = 0; round < 2; round++) {
        npv_batch batch = NPV_BATCH_INIT;
        batch.count = 1;
        batch.vectors = vector;
        batch.documents = round == 0 ? (const char *const *)&document : NULL;
        must(npv_add(store, &batch, NULL, &error), &error);
        for (size_t i = 0; i < sizeof store->journal->scratch / sizeof store->journal->scratch[0]; i++)
            assert_true(store->journal->scratch[i].capacity <= 1 << 20);
    }
    npv_close(store);
    must(npv_open(path, NULL, &store, &error), &error);
    must(npv_get_document(store, 0, &found, &error), &error);
    assert_string_equal(found, document);
    assert_int_equal(npv_count(store), 2);
    npv_close(store);
    npv_free(found);
    free(document);
}

/* The same rows are replaced again and again: in the journal that is counted, and in the archive that is forgotten. */
static void rounds_of_the_same_changes_leave_no_trace_when_saved(void **state) {
    (void)state;
    uint64_t sizes[2] = {0, 0};
    for (int i = 0; i < 2; i++) {
        const int rounds = i == 0 ? 1 : 100;
        model m;
        model_init(&m, 33, MODEL_DOCUMENTS);
        npv_store *store = model_open(&m, path, NPV_DURABILITY_OS);
        model_add(&m, store, 20);
        model_save(&m, store, NULL);
        const uint64_t empty = model_info(store).journal_bytes;
        uint64_t one = 0;
        for (int round = 0; round < rounds; round++) {
            model again = model_copy(&m); /* with the same numbers to come */
            model_upsert(&again, store, 5, true);
            model_free(&again);
            one = round == 0 ? model_info(store).journal_bytes - empty : one;
        }
        assert_int_equal(model_info(store).journal_bytes, empty + (uint64_t)rounds * one);
        npv_error error = {0};
        must(npv_save(store, NULL, NULL, &error), &error);
        assert_int_equal(size_of(journal), empty);
        sizes[i] = size_of(path);
        npv_close(store);
        assert_false(exists(journal));
        model_free(&m);
        unlink(path);
    }
    assert_int_equal(sizes[1], sizes[0]);
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(a_file_is_created_and_remembers_without_saving),
        TEST(changes_survive_in_any_order),
        TEST(changes_of_any_size_come_back),
        TEST(memory_that_a_large_change_took_is_given_back),
        TEST(a_store_made_in_memory_gets_its_journal_when_it_is_saved),
        TEST(a_journal_without_changes_is_not_left_behind),
        TEST(a_journal_that_outgrows_its_archive_is_folded),
        TEST(rounds_of_the_same_changes_leave_no_trace_when_saved),
        TEST(documents_change_without_vectors),
        TEST(scaled_vectors_keep_their_bits),
        TEST(files_from_elsewhere_take_a_journal),
        TEST(a_journal_of_another_archive_is_not_applied),
        TEST(journals_are_no_more_readable_than_their_archives),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
