/* Every allocation and system call of an edit fails once: then nothing has changed, and the next try does it all. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "failing_malloc.h"
#include "oracle.h"

#if defined(FAILING_MALLOC) && defined(__linux__)
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/syscall.h>

/* The program's own come before the C library's. */
int mprotect(void *place, size_t size, int protection) {
    return fails() ? -1 : (int)syscall(SYS_mprotect, place, size, protection);
}

int fsync(int fd) {
    return fails() ? -1 : (int)syscall(SYS_fsync, fd);
}

int rename(const char *from, const char *to) {
    return fails() ? -1 : renameat(AT_FDCWD, from, AT_FDCWD, to);
}

ssize_t pwrite(int fd, const void *data, size_t size, off_t offset) {
    return fails() ? -1 : (ssize_t)syscall(SYS_pwrite64, fd, data, size, offset);
}

enum { ROWS = 700, DIMENSIONS = 24 };

static float *vectors;
static char path[64], copy[80];
static char ids[ROWS][8], texts[ROWS][64];
static const char *id_list[ROWS], *documents[ROWS];

static void must(npv_status status, const npv_error *error) {
    if (status != NPV_OK)
        fail_msg("%s", error->message);
}

static int set_up(void **state) {
    (void)state;
    oracle_random random = {1};
    npv_store_options options = NPV_STORE_OPTIONS_INIT;
    npv_batch batch = NPV_BATCH_INIT;
    npv_store *store = NULL;
    npv_error error = {0};
    vectors = oracle_vectors(&random, ROWS, DIMENSIONS);
    snprintf(path, sizeof path, "/tmp/npvec-edits-%ld.npz", (long)getpid());
    snprintf(copy, sizeof copy, "/tmp/npvec-edits-%ld-copy.npz", (long)getpid());
    for (int i = 0; i < ROWS; i++) {
        snprintf(ids[i], sizeof ids[i], "id%d", i);
        snprintf(texts[i], sizeof texts[i], "{\"n\": %d, \"text\": \"number %d\"}", i, i % 9);
        id_list[i] = i % 3 == 0 ? NULL : ids[i];
        documents[i] = i % 5 == 0 ? NULL : texts[i];
    }
    options.dimensions = DIMENSIONS;
    options.normalize = NPV_NORMALIZE_OFF;
    must(npv_create(&options, &store, &error), &error);
    batch.count = ROWS;
    batch.vectors = vectors;
    batch.ids = id_list;
    batch.documents = documents;
    must(npv_add(store, &batch, NULL, &error), &error);
    must(npv_save(store, path, NULL, &error), &error);
    npv_close(store);
    return 0;
}

static int tear_down(void **state) {
    (void)state;
    free(vectors);
    unlink(path);
    unlink(copy);
    return 0;
}

/* Opened from the file; `warm`: with all that is made at first use. */
static npv_store *open_store(bool warm) {
    npv_store_options options = NPV_STORE_OPTIONS_INIT;
    npv_store *store = NULL;
    npv_error error = {0};
    options.threads = 1;
    must(npv_open(path, &options, &store, &error), &error);
    for (int i = 0; warm && i < 12; i++) {
        npv_search_options search = NPV_SEARCH_OPTIONS_INIT;
        npv_select_options select = NPV_SELECT_OPTIONS_INIT;
        npv_hits hits;
        uint64_t *rows;
        size_t count;
        search.metric = (npv_metric)(i % 3);
        must(npv_search(store, vectors, 1, &search, &hits, &error), &error);
        npv_hits_free(&hits);
        select.order_by = i % 2 == 0 ? "text" : "n";
        must(npv_select(store, &select, &rows, &count, &error), &error);
        npv_free(rows);
    }
    return store;
}

/* All that a caller can see of a store, as one number. */
static uint64_t mixed(uint64_t sum, const void *data, size_t size) {
    const unsigned char *bytes = data;
    for (size_t i = 0; i < size; i++)
        sum = (sum ^ bytes[i]) * 1099511628211u;
    return sum;
}

static uint64_t looked_at(npv_store *store) {
    npv_info info = {.size = sizeof info};
    npv_error error = {0};
    uint64_t sum = 14695981039346656037u;
    must(npv_get_info(store, &info, &error), &error);
    sum = mixed(mixed(mixed(sum, &info.rows, 8), &info.row_end, 8), &info.ids, 8);
    for (uint64_t row = 0; row < info.row_end; row++) {
        const float *vector = NULL;
        const char *id = NULL;
        char *json = NULL;
        unsigned char *object = NULL;
        size_t object_size = 0;
        uint64_t found = UINT64_MAX;
        if (npv_get_vector(store, row, &vector, &error) != NPV_OK) {
            sum = mixed(sum, error.message, strlen(error.message));
            continue;
        }
        must(npv_get_id(store, row, &id, &error), &error);
        must(npv_get_document(store, row, &json, &error), &error);
        must(npv_get_object(store, row, &object, &object_size, &error), &error);
        if (id != NULL)
            must(npv_find(store, id, &found, &error), &error);
        assert_true(id == NULL || found == row);
        sum = mixed(sum, vector, DIMENSIONS * sizeof *vector);
        sum = mixed(sum, id != NULL ? id : "-", id != NULL ? strlen(id) + 1 : 2);
        sum = mixed(sum, json != NULL ? json : "-", json != NULL ? strlen(json) + 1 : 2);
        sum = mixed(mixed(sum, object, object_size), "", 1);
        npv_free(json);
        npv_free(object);
    }
    return sum;
}

/* Searches find what there is, by codes as well. */
static void check_searches(npv_store *store) {
    npv_filter *filter = NULL;
    npv_error error = {0};
    npv_info info = {.size = sizeof info};
    bool passes[2 * ROWS], live[2 * ROWS];
    must(npv_filter_new("n >= 100 AND text LIKE 'number%'", NULL, &filter, &error), &error);
    must(npv_get_info(store, &info, &error), &error);
    for (uint64_t row = 0; row < info.row_end; row++) {
        const float *vector;
        char *json = NULL;
        int n = -1;
        live[row] = npv_get_vector(store, row, &vector, NULL) == NPV_OK;
        if (live[row])
            must(npv_get_document(store, row, &json, &error), &error);
        passes[row] = json != NULL && sscanf(json, "{\"n\": %d", &n) == 1 && n >= 100;
        npv_free(json);
    }
    for (int i = 0; i < 12; i++) {
        npv_search_options options = NPV_SEARCH_OPTIONS_INIT;
        options.metric = (npv_metric)(i % 3);
        options.filter = i % 2 == 0 ? filter : NULL;
        oracle_check_among(store, vectors, 2, &options, i % 2 == 0 ? passes : live);
    }
    npv_filter_free(filter);
}

/* -------------------------------------------------------------------------------------------------------- Edits -- */

static npv_status delete_by_filter(npv_store *store, npv_error *error) {
    npv_selection selection = NPV_SELECTION_INIT;
    npv_filter *filter = NULL;
    uint64_t deleted = 99;
    npv_status status = npv_filter_new("n < 30 OR text = 'number 4'", NULL, &filter, error);
    selection.filter = filter;
    if (status == NPV_OK)
        status = npv_delete(store, &selection, &deleted, error);
    npv_filter_free(filter);
    assert_true((deleted == 99) == (status != NPV_OK));
    return status;
}

static npv_status delete_by_ids(npv_store *store, npv_error *error) {
    npv_selection selection = NPV_SELECTION_INIT;
    const uint64_t rows[] = {41, 42, 43, 44};
    selection.rows = rows;
    selection.row_count = 4;
    selection.ids = id_list + 43;
    selection.id_count = 2;
    return npv_delete(store, &selection, NULL, error);
}

static npv_status upsert(npv_store *store, npv_error *error) {
    static const char *const some[] = {"new1", "id7", "new2", "id400", "id401"};
    static const char *const given[] = {"{\"n\": 5000}", "{\"n\": 6000, \"text\": \"number x\"}", NULL, NULL,
                                        "{\"a\": [1]}"};
    npv_batch batch = NPV_BATCH_INIT;
    uint64_t rows[5] = {99}, replaced = 99;
    batch.count = 5;
    batch.vectors = vectors + 100;
    batch.ids = some;
    batch.documents = given;
    const npv_status status = npv_upsert(store, &batch, rows, &replaced, error);
    assert_true((rows[0] == 99) == (status != NPV_OK) && (replaced == 99) == (status != NPV_OK));
    return status;
}

static npv_status set_documents(npv_store *store, npv_error *error) {
    static const char *const given[] = {"{\"n\": 7000, \"text\": \"number y\"}", NULL, "{\"n\": [1]}"};
    const uint64_t rows[] = {ROWS - 1, 46, 3};
    npv_batch batch = NPV_BATCH_INIT;
    batch.count = 3;
    batch.documents = given;
    batch.objects = (const npv_object[]){{"ca\nb\n.", 6}, {"](K\1C\1xe.", 9}, {"", 0}}; /* the second is data */
    return npv_set_documents(store, rows, &batch, error);
}

static npv_status add(npv_store *store, npv_error *error) {
    npv_batch batch = NPV_BATCH_INIT;
    batch.count = 3;
    batch.vectors = vectors + 200;
    batch.ids = (const char *const[]){"x", NULL, "y"};
    return npv_add(store, &batch, NULL, error);
}

static npv_status save(npv_store *store, npv_error *error) {
    return npv_save(store, copy, NULL, error);
}

typedef npv_status edit(npv_store *store, npv_error *error);

/* `before` is done without failures, then `run` with them. */
static void fail_everywhere(edit *before, edit *run, bool warm) {
    long failures = 0;
    uint64_t done = 0;
    for (long n = -1;; n++) {
        npv_error error = {0};
        npv_store *store = open_store(warm);
        if (before != NULL)
            must(before(store, &error), &error);
        if (n < 0) { /* what it comes to when nothing fails */
            must(run(store, &error), &error);
            done = looked_at(store);
            npv_close(store);
            continue;
        }
        npv_store *same = open_store(false);
        if (before != NULL)
            must(before(same, &error), &error);
        const uint64_t undone = looked_at(same);
        npv_close(same);
        until_failure = n;
        const npv_status status = run(store, &error);
        const bool reached = until_failure < 0;
        until_failure = -1;
        if (status != NPV_OK) {
            assert_int_equal(status, NPV_E_MEMORY);
            failures++;
            assert_true(looked_at(store) == undone);
            must(run(store, &error), &error);
        }
        assert_true(looked_at(store) == done);
        if (n % 4 == 0)
            check_searches(store);
        npv_close(store);
        if (!reached)
            break;
    }
    assert_true(failures >= 1);
}

static void failed_edits_change_nothing(void **state) {
    (void)state;
    const long before = alive;
    for (int warm = 0; warm < 2; warm++) {
        fail_everywhere(NULL, delete_by_filter, warm);
        fail_everywhere(delete_by_filter, delete_by_ids, warm);
        fail_everywhere(NULL, upsert, warm);
        fail_everywhere(delete_by_ids, upsert, warm);
        fail_everywhere(NULL, set_documents, warm);
        fail_everywhere(delete_by_ids, set_documents, warm);
        fail_everywhere(delete_by_filter, add, warm);
        fail_everywhere(delete_by_filter, save, warm);
        fail_everywhere(upsert, save, warm);
    }
    assert_int_equal(alive, before);
}
#else
static int set_up(void **state) {
    (void)state;
    return 0;
}

static int tear_down(void **state) {
    (void)state;
    return 0;
}

static void failed_edits_change_nothing(void **state) {
    (void)state;
    skip();
}
#endif

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(failed_edits_change_nothing, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
