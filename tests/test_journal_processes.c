/* One writer, any number of readers: in one process, in several, and across fork. */
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "forge.h"
#include "journal_model.h"

static char *path, *journal;

static int set_up(void **state) {
    const int result = forge_setup(state);
    path = strdup(forge_path("store.npz"));
    journal = strdup(forge_path("store.npz-journal"));
    return result;
}

static int tear_down(void **state) {
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

static int refreshed(npv_store *store) {
    npv_error error = {0};
    int changed = -1;
    must(npv_refresh(store, &changed, &error), &error);
    return changed;
}

/* --------------------------------------------------------------------------------------------------------- Locks -- */

static void a_second_writer_learns_who_is_the_first(void **state) {
    (void)state;
    model m;
    npv_error error = {0};
    npv_store *second = NULL;
    model_init(&m, 1, MODEL_DOCUMENTS);
    npv_store *store = model_open(&m, path, NPV_DURABILITY_OS);
    model_add(&m, store, 3);
    assert_int_equal(try_open(NPV_DURABILITY_OS, &second, &error), NPV_E_BUSY);
    assert_non_null(strstr(error.message, "another store of this process"));
    const pid_t child = fork();
    if (child == 0) {
        char expected[64];
        snprintf(expected, sizeof expected, "process %ld has it open", (long)getppid());
        const npv_status status = try_open(NPV_DURABILITY_OS, &second, &error);
        _exit(status == NPV_E_BUSY && strstr(error.message, expected) != NULL ? 0 : 1);
    }
    int result;
    assert_int_equal(waitpid(child, &result, 0), child);
    assert_int_equal(result, 0);
    /* A store that is not open for writing may not replace the file either. */
    npv_store *reader = model_open(&m, path, NPV_DURABILITY_OFF);
    assert_int_equal(npv_save(reader, NULL, NULL, &error), NPV_E_BUSY);
    npv_close(reader);
    model_add(&m, store, 2);
    npv_close(store);
    must(try_open(NPV_DURABILITY_OS, &store, &error), &error);
    model_check(&m, store);
    npv_close(store);
    model_free(&m);
}

static void a_child_may_read_but_not_write(void **state) {
    (void)state;
    model m;
    model_init(&m, 2, MODEL_DOCUMENTS);
    npv_store *store = model_open(&m, path, NPV_DURABILITY_OS);
    model_add(&m, store, 5);
    const pid_t child = fork();
    if (child == 0) {
        npv_error error = {0};
        npv_batch batch = NPV_BATCH_INIT;
        const float vector[MODEL_DIMENSIONS] = {1};
        batch.vectors = vector;
        batch.count = 1;
        bool good = model_matches(&m, store);
        good = good && npv_add(store, &batch, NULL, &error) == NPV_E_BUSY && strstr(error.message, "child") != NULL;
        good = good && npv_clear(store, &error) == NPV_E_BUSY && npv_save(store, NULL, NULL, &error) == NPV_E_BUSY;
        good = good && npv_refresh(store, NULL, &error) == NPV_E_BUSY && model_matches(&m, store);
        good = good && npv_save(store, forge_path("child.npz"), NULL, &error) == NPV_OK;
        good = good && npv_add(store, &batch, NULL, &error) == NPV_OK; /* that file is its own */
        npv_close(store);
        _exit(good ? 0 : 1);
    }
    int result;
    assert_int_equal(waitpid(child, &result, 0), child);
    assert_int_equal(result, 0);
    model_add(&m, store, 5);
    npv_close(store);
    store = model_open(&m, path, NPV_DURABILITY_OS);
    model_check(&m, store);
    npv_close(store);
    store = model_open(&m, forge_path("child.npz"), NPV_DURABILITY_OFF);
    assert_int_equal(npv_count(store), 6);
    npv_close(store);
    model_free(&m);
}

/* A child that never touches the store must not keep its lock when the parent is gone. */
static void a_lock_dies_with_its_process_though_children_live(void **state) {
    (void)state;
    int line[2];
    model m;
    npv_error error = {0};
    npv_store *store = NULL;
    model_init(&m, 3, MODEL_DOCUMENTS);
    assert_int_equal(pipe(line), 0);
    const pid_t writer = fork();
    if (writer == 0) {
        store = model_open(&m, path, NPV_DURABILITY_OS);
        model_add(&m, store, 4);
        const pid_t grandchild = fork();
        if (grandchild == 0) {
            sleep(30);
            _exit(0);
        }
        _exit(write(line[1], &grandchild, sizeof grandchild) == (ssize_t)sizeof grandchild ? 0 : 1);
    }
    pid_t grandchild = 0;
    assert_int_equal(read(line[0], &grandchild, sizeof grandchild), sizeof grandchild);
    assert_int_equal(waitpid(writer, NULL, 0), writer);
    /* Opening waits half a second for the grandchild to get as far as to let go; it may not get to run for longer. */
    npv_status status = NPV_E_BUSY;
    for (int tries = 0; tries < 40 && status == NPV_E_BUSY; tries++)
        status = try_open(NPV_DURABILITY_OS, &store, &error);
    must(status, &error);
    assert_int_equal(npv_count(store), 4);
    npv_close(store);
    kill(grandchild, SIGKILL);
    close(line[0]);
    close(line[1]);
    model_free(&m);
}

static void a_leftover_journal_is_not_lost_by_a_save_that_has_not_seen_it(void **state) {
    (void)state;
    model m;
    npv_error error = {0};
    model_init(&m, 4, MODEL_DOCUMENTS);
    npv_store *store = model_open(&m, path, NPV_DURABILITY_OS);
    model_add(&m, store, 3);
    npv_store *reader = model_open(&m, path, NPV_DURABILITY_OFF);
    model_add(&m, store, 3);
    npv_close(store);
    assert_int_equal(npv_save(reader, NULL, NULL, &error), NPV_E_BUSY);
    assert_non_null(strstr(error.message, "npv_refresh"));
    assert_int_equal(refreshed(reader), 1);
    must(npv_save(reader, NULL, NULL, &error), &error);
    assert_int_equal(access(journal, F_OK), -1);
    npv_close(reader);
    store = model_open(&m, path, NPV_DURABILITY_OFF);
    model_check(&m, store);
    npv_close(store);
    model_free(&m);
}

static void a_writer_whose_journal_was_taken_away_says_so(void **state) {
    (void)state;
    model m;
    npv_error error = {0};
    model_init(&m, 5, MODEL_DOCUMENTS);
    npv_store *store = model_open(&m, path, NPV_DURABILITY_OS);
    model_add(&m, store, 3);
    unlink(journal);
    assert_int_equal(npv_save(store, NULL, NULL, &error), NPV_E_BUSY);
    model_save(&m, store, forge_path("elsewhere.npz"));
    model_add(&m, store, 3);
    npv_close(store);
    store = model_open(&m, forge_path("elsewhere.npz"), NPV_DURABILITY_OFF);
    model_check(&m, store);
    npv_close(store);
    model_free(&m);
}

static void links_lead_to_one_journal(void **state) {
    (void)state;
    model m;
    npv_error error = {0};
    npv_store *second = NULL;
    model_init(&m, 6, MODEL_DOCUMENTS);
    npv_store *store = model_open(&m, path, NPV_DURABILITY_OS);
    model_add(&m, store, 3);
    const char *const link_path = forge_path("link.npz");
    assert_int_equal(symlink(path, link_path), 0);
    npv_store_options options = NPV_STORE_OPTIONS_INIT;
    options.durability = NPV_DURABILITY_OS;
    assert_int_equal(npv_open(link_path, &options, &second, &error), NPV_E_BUSY);
    npv_store *reader = model_open(&m, link_path, NPV_DURABILITY_OFF);
    model_check(&m, reader);
    npv_close(reader);
    npv_close(store);
    model_free(&m);
}

/* As somebody whom permissions stop, which root is not. */
static bool reads_but_cannot_write(const model *m) {
    npv_error error = {0};
    npv_store *store = NULL;
    if (geteuid() == 0 && (setgid(65534) != 0 || setuid(65534) != 0))
        return false;
    bool good = try_open(NPV_DURABILITY_OFF, &store, &error) == NPV_OK && model_matches(m, store);
    good = good && npv_refresh(store, NULL, &error) == NPV_OK;
    npv_close(store);
    return good && try_open(NPV_DURABILITY_OS, &store, &error) == NPV_E_IO && strstr(error.message, "ermi") != NULL;
}

static void names_are_relative_or_not(void **state) {
    (void)state;
    model m;
    char before[256], *const directory = strdup(path);
    *strrchr(directory, '/') = '\0';
    assert_non_null(getcwd(before, sizeof before));
    assert_int_equal(chdir(directory), 0);
    model_init(&m, 14, MODEL_DOCUMENTS);
    npv_store *store = model_open(&m, "store.npz", NPV_DURABILITY_OS);
    model_add(&m, store, 3);
    model_save(&m, store, NULL);
    model_save(&m, store, "./store.npz");
    model_save(&m, store, path);
    model_add(&m, store, 3);
    assert_int_equal(model_info(store).generation, 4);
    assert_int_equal(chdir(before), 0);
    npv_close(store);
    store = model_open(&m, path, NPV_DURABILITY_OFF);
    model_check(&m, store);
    npv_close(store);
    free(directory);
    model_free(&m);
}

static void read_only_places_can_be_read(void **state) {
    (void)state;
    model m;
    model_init(&m, 7, MODEL_DOCUMENTS);
    npv_store *store = model_open(&m, path, NPV_DURABILITY_OS);
    model_add(&m, store, 3);
    npv_close(store);
    char *directory = strdup(path);
    *strrchr(directory, '/') = '\0';
    assert_int_equal(chmod(directory, 0555) | chmod(journal, 0444) | chmod(path, 0444), 0);
    const pid_t child = fork();
    if (child == 0)
        _exit(reads_but_cannot_write(&m) ? 0 : 1);
    int result = 1;
    assert_int_equal(waitpid(child, &result, 0), child);
    assert_int_equal(chmod(directory, 0700), 0);
    assert_int_equal(result, 0);
    free(directory);
    model_free(&m);
}

/* ------------------------------------------------------------------------------------------------------- Refresh -- */

static void a_reader_follows_every_kind_of_change(void **state) {
    (void)state;
    for (uint64_t seed = 1; seed <= 9; seed++) {
        model m;
        model_init(&m, 100 + seed, (model_kind)(seed % 3));
        npv_store *store = model_open(&m, path, NPV_DURABILITY_OS);
        npv_store *reader = model_open(&m, path, NPV_DURABILITY_OFF);
        int seen[3] = {0};
        for (int i = 0; i < 200; i++) {
            const unsigned what = model_below(&m, 24);
            if (what == 0)
                model_save(&m, store, NULL);
            else if (what == 1 && seed % 2 == 0) {
                npv_close(store);
                store = model_open(&m, path, NPV_DURABILITY_OS);
            } else
                model_change(&m, store);
            if (model_below(&m, 3) > 0)
                continue;
            seen[refreshed(reader)]++;
            model_check(&m, reader);
            assert_int_equal(refreshed(reader), 0);
        }
        assert_true(seen[1] > 20 && seen[2] > 0);
        npv_close(reader);
        npv_close(store);
        model_free(&m);
        unlink(path);
        unlink(journal);
    }
}

static void adding_keeps_pointers_and_saving_does_not_reload(void **state) {
    (void)state;
    model m;
    model_init(&m, 8, MODEL_DOCUMENTS);
    npv_store *store = model_open(&m, path, NPV_DURABILITY_OS);
    model_add(&m, store, 10);
    npv_store *reader = model_open(&m, path, NPV_DURABILITY_OFF);
    const float *const before = npv_vectors(reader);
    model_add(&m, store, 30);
    assert_int_equal(refreshed(reader), 1);
    assert_ptr_equal(npv_vectors(reader), before);
    model_add(&m, store, 1);
    model_save(&m, store, NULL);
    model_add(&m, store, 1);
    assert_int_equal(refreshed(reader), 1);
    assert_ptr_equal(npv_vectors(reader), before);
    model_check(&m, reader);
    assert_int_equal(model_info(reader).generation, 2);
    npv_close(reader);
    npv_close(store);
    model_free(&m);
}

static void a_replaced_file_is_read_anew_and_old_rows_stay_readable(void **state) {
    (void)state;
    model m, other;
    model_init(&m, 9, MODEL_DOCUMENTS);
    npv_store *store = model_create(&m, NPV_DURABILITY_OFF);
    model_add(&m, store, 30);
    model_save(&m, store, path);
    npv_store *reader = model_open(&m, path, NPV_DURABILITY_OFF);
    npv_close(store);
    float kept[30 * MODEL_DIMENSIONS];
    const float *old = npv_vectors(reader);
    memcpy(kept, old, sizeof kept);
    for (uint64_t i = 0; i < 4; i++) {
        model_init(&other, 20 + i, MODEL_DOCUMENTS);
        store = model_create(&other, NPV_DURABILITY_OFF);
        model_add(&other, store, 7 + i);
        model_save(&other, store, path);
        npv_close(store);
        assert_int_equal(refreshed(reader), 2);
        model_check(&other, reader);
        if (i == 0)
            assert_memory_equal(old, kept, sizeof kept);
        float sum = 0;
        for (size_t j = 0; j < 30 * MODEL_DIMENSIONS; j++)
            sum += old[j];
        assert_true(sum == sum || sum != sum);
        model_free(&other);
    }
    npv_close(reader);
    model_free(&m);
}

static void own_changes_are_not_mixed(void **state) {
    (void)state;
    model m;
    npv_error error = {0};
    model_init(&m, 10, MODEL_DOCUMENTS);
    npv_store *store = model_create(&m, NPV_DURABILITY_OFF);
    assert_int_equal(npv_refresh(store, NULL, &error), NPV_E_ARGUMENT);
    model_add(&m, store, 3);
    model_save(&m, store, path);
    assert_int_equal(refreshed(store), 0);
    model_add(&m, store, 3);
    assert_int_equal(npv_refresh(store, NULL, &error), NPV_E_ARGUMENT);
    model_check(&m, store);
    npv_close(store);
    assert_int_equal(npv_refresh(NULL, NULL, &error), NPV_E_ARGUMENT);
    model_free(&m);
}

/* 0, and what one of parent and child writes there the other one reads. */
static _Atomic long *shared_number(void) {
    void *const memory = mmap(NULL, sizeof(_Atomic long), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    assert_true(memory != MAP_FAILED);
    return memory;
}

/*
 * A writer at work: batches of ten rows whose documents have one number, which some changes raise; saves, deletions of
 * whole batches. At every moment all ten rows of a batch are there with the same number, or none.
 */
enum { BATCH = 10 };

static void write_batches(long rounds, const _Atomic long *refreshes) {
    npv_store *store = NULL;
    npv_error error = {0};
    char ids[BATCH][24], documents[BATCH][24];
    const char *id_list[BATCH], *document_list[BATCH];
    float vectors[BATCH * MODEL_DIMENSIONS];
    must(try_open(NPV_DURABILITY_OS, &store, &error), &error);
    for (long round = 0; round < rounds || (*refreshes < 4 && round < 100 * rounds); round++) {
        npv_batch batch = {sizeof batch, BATCH, vectors, document_list, id_list, NULL, NULL};
        for (int i = 0; i < BATCH; i++) {
            snprintf(ids[i], sizeof ids[i], "%ld-%d", round % 40, i);
            snprintf(documents[i], sizeof documents[i], "%ld", round);
            id_list[i] = ids[i];
            document_list[i] = documents[i];
            for (int j = 0; j < MODEL_DIMENSIONS; j++)
                vectors[i * MODEL_DIMENSIONS + j] = (float)round;
        }
        if (round % 7 == 6) {
            npv_selection selection = NPV_SELECTION_INIT;
            selection.ids = id_list;
            selection.id_count = BATCH;
            must(npv_delete(store, &selection, NULL, &error), &error);
        } else {
            must(npv_upsert(store, &batch, NULL, NULL, &error), &error);
        }
        if (round % 50 == 49)
            must(npv_save(store, NULL, NULL, &error), &error);
        if (round % 333 == 332)
            must(npv_clear(store, &error), &error);
    }
    npv_close(store);
}

static void check_batches(npv_store *store) {
    for (int name = 0; name < 40; name++) {
        char id[24], *json = NULL, *first = NULL;
        int found = 0;
        for (int i = 0; i < BATCH; i++) {
            uint64_t row;
            const float *vector;
            npv_error error = {0};
            snprintf(id, sizeof id, "%d-%d", name, i);
            if (npv_find(store, id, &row, NULL) != NPV_OK)
                continue;
            found++;
            must(npv_get_document(store, row, &json, &error), &error);
            must(npv_get_vector(store, row, &vector, &error), &error);
            assert_non_null(json);
            assert_true(vector[0] == (float)atol(json) && vector[MODEL_DIMENSIONS - 1] == vector[0]);
            if (first == NULL)
                first = strdup(json);
            assert_string_equal(json, first);
            npv_free(json);
        }
        free(first);
        assert_true(found == 0 || found == BATCH);
    }
}

static void readers_beside_a_writer_see_whole_batches(void **state) {
    (void)state;
    model m;
    npv_error error = {0};
    model_init(&m, 12, MODEL_DOCUMENTS);
    npv_close(model_open(&m, path, NPV_DURABILITY_OS));
    model_free(&m);
    _Atomic long *const refreshes = shared_number();
    const pid_t writer = fork();
    if (writer == 0) {
        write_batches(3000, refreshes);
        _exit(0);
    }
    npv_store *reader = NULL, *fresh = NULL;
    must(try_open(NPV_DURABILITY_OFF, &reader, &error), &error);
    int result = 0;
    while (waitpid(writer, &result, WNOHANG) == 0) {
        refreshed(reader);
        check_batches(reader);
        must(try_open(NPV_DURABILITY_OFF, &fresh, &error), &error);
        check_batches(fresh);
        npv_close(fresh);
        ++*refreshes;
    }
    assert_int_equal(result, 0);
    assert_true(*refreshes > 3);
    refreshed(reader);
    check_batches(reader);
    npv_close(reader);
    munmap((void *)refreshes, sizeof *refreshes);
}

/* A writer that saves all the time, so that archive and journal are rarely seen at rest. */
enum { ROUNDS = 400 };

static void add_and_save(_Atomic long *acknowledged) {
    npv_store *store = NULL;
    npv_error error = {0};
    const float vector[MODEL_DIMENSIONS] = {1, 2, 3};
    must(try_open(NPV_DURABILITY_OS, &store, &error), &error);
    for (int i = 0; i < ROUNDS; i++) {
        npv_batch batch = NPV_BATCH_INIT;
        batch.count = 1;
        batch.vectors = vector;
        must(npv_add(store, &batch, NULL, &error), &error);
        ++*acknowledged;
        if (i % 3 == 2)
            must(npv_save(store, NULL, NULL, &error), &error);
    }
    npv_close(store);
}

static void what_was_acknowledged_is_seen_at_once(void **state) {
    (void)state;
    model m;
    npv_error error = {0};
    npv_store *reader = NULL, *fresh = NULL;
    int result = 0;
    _Atomic long *const acknowledged = shared_number();
    model_init(&m, 15, MODEL_PLAIN);
    npv_close(model_open(&m, path, NPV_DURABILITY_OS));
    model_free(&m);
    must(try_open(NPV_DURABILITY_OFF, &reader, &error), &error);
    const pid_t writer = fork();
    if (writer == 0) {
        add_and_save(acknowledged);
        _exit(0);
    }
    while (waitpid(writer, &result, WNOHANG) == 0) {
        long before = *acknowledged;
        refreshed(reader);
        assert_true(npv_count(reader) >= (uint64_t)before);
        before = *acknowledged;
        must(try_open(NPV_DURABILITY_OFF, &fresh, &error), &error);
        assert_true(npv_count(fresh) >= (uint64_t)before);
        npv_close(fresh);
    }
    assert_int_equal(result, 0);
    refreshed(reader);
    assert_int_equal(npv_count(reader), ROUNDS);
    npv_close(reader);
    munmap((void *)acknowledged, sizeof *acknowledged);
}

/* The writer appends, and saves, while a reader that has come to the end of the journal will look for another. */
static void a_reader_that_missed_the_end_of_a_journal_reads_the_archive(void **state) {
    (void)state;
    model m;
    model_init(&m, 16, MODEL_DOCUMENTS);
    npv_store *store = model_open(&m, path, NPV_DURABILITY_OS);
    model_add(&m, store, 3);
    npv_store *reader = model_open(&m, path, NPV_DURABILITY_OFF);
    npv_buffer bytes = forge_read(journal);
    const char *const shorter = forge_path("shorter");
    forge_write(shorter, (npv_bytes){bytes.data, bytes.size});
    free(bytes.data);
    close(reader->followed.fd);
    reader->followed.fd = open(shorter, O_RDONLY);
    model_add(&m, store, 2);
    model_save(&m, store, NULL);
    assert_int_equal(refreshed(reader), 2);
    model_check(&m, reader);
    npv_close(reader);
    npv_close(store);
    model_free(&m);
}

/* ------------------------------------------------------------------------------------------------------- Threads -- */

static void *add_many(void *context) {
    npv_error error = {0};
    const float vector[MODEL_DIMENSIONS] = {1, 2, 3};
    for (int i = 0; i < 30; i++) {
        npv_batch batch = NPV_BATCH_INIT;
        batch.count = 1;
        batch.vectors = vector;
        must(npv_add(context, &batch, NULL, &error), &error);
        if (i == 15)
            must(npv_save(context, NULL, NULL, &error), &error);
    }
    return NULL;
}

static void threads_share_flushes(void **state) {
    (void)state;
    model m;
    pthread_t threads[4];
    model_init(&m, 13, MODEL_DOCUMENTS);
    npv_store *store = model_open(&m, path, NPV_DURABILITY_DISK);
    npv_store *reader = model_open(&m, path, NPV_DURABILITY_OFF);
    for (int i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, add_many, store), 0);
    for (int i = 0; i < 20; i++)
        refreshed(reader);
    for (int i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(npv_count(store), 120);
    refreshed(reader);
    assert_int_equal(npv_count(reader), 120);
    npv_close(reader);
    npv_close(store);
    model_free(&m);
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(a_second_writer_learns_who_is_the_first),
        TEST(a_child_may_read_but_not_write),
        TEST(a_lock_dies_with_its_process_though_children_live),
        TEST(a_leftover_journal_is_not_lost_by_a_save_that_has_not_seen_it),
        TEST(a_writer_whose_journal_was_taken_away_says_so),
        TEST(links_lead_to_one_journal),
        TEST(names_are_relative_or_not),
        TEST(read_only_places_can_be_read),
        TEST(a_reader_follows_every_kind_of_change),
        TEST(adding_keeps_pointers_and_saving_does_not_reload),
        TEST(a_replaced_file_is_read_anew_and_old_rows_stay_readable),
        TEST(own_changes_are_not_mixed),
        TEST(readers_beside_a_writer_see_whole_batches),
        TEST(what_was_acknowledged_is_seen_at_once),
        TEST(a_reader_that_missed_the_end_of_a_journal_reads_the_archive),
        TEST(threads_share_flushes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
