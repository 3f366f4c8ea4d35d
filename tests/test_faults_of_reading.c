/* Every allocation and system call of opening and reading fails once: an error, nothing leaked, and then it works. */
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
void *mmap(void *place, size_t size, int protection, int flags, int fd, off_t offset) {
    return fails() ? MAP_FAILED : (void *)syscall(SYS_mmap, place, size, protection, flags, fd, offset);
}

int mprotect(void *place, size_t size, int protection) {
    return fails() ? -1 : (int)syscall(SYS_mprotect, place, size, protection);
}

int open(const char *path, int flags, ...) {
    return fails() ? -1 : (int)syscall(SYS_openat, AT_FDCWD, path, flags, 0);
}

enum { ROWS = 40, DIMENSIONS = 6 };

static float *vectors;
static char path[64];
static char ids[ROWS][8], texts[ROWS][96];
static const char *id_list[ROWS], *documents[ROWS];

static void must(npv_status status, const npv_error *error) {
    if (status != NPV_OK)
        fail_msg("%s", error->message);
}

/* ------------------------------------------------------------------------------------- What is read, as a number -- */

static uint64_t mix(uint64_t sum, const void *data, size_t size) {
    for (size_t i = 0; i < size; i++)
        sum = (sum ^ ((const unsigned char *)data)[i]) * UINT64_C(0x100000001b3);
    return sum;
}

typedef npv_status reading(npv_store *store, uint64_t *sum, npv_error *error);

static npv_status get_documents(npv_store *store, uint64_t *sum, npv_error *error) {
    npv_status status = NPV_OK;
    for (uint64_t row = 0; row < ROWS && status == NPV_OK; row += 7) {
        char *json = NULL;
        status = npv_get_document(store, row, &json, error);
        if (json != NULL)
            *sum = mix(*sum, json, strlen(json));
        npv_free(json);
    }
    return status;
}

static npv_status get_pickles(npv_store *store, uint64_t *sum, npv_error *error) {
    unsigned char *pickle = NULL;
    size_t size = 0;
    const npv_status status = npv_get_pickle(store, 3, &pickle, &size, error);
    *sum = mix(*sum, pickle, size);
    npv_free(pickle);
    return status;
}

static npv_status get_fields(npv_store *store, uint64_t *sum, npv_error *error) {
    static const char *const fields[] = {"name", "missing.\"field\"[3]", "year"};
    npv_info info = {.size = sizeof info};
    npv_status status = npv_get_info(store, &info, error);
    const size_t count = info.metadata == NPV_METADATA_TYPED ? 1 : 3;
    char *json = NULL;
    if (status == NPV_OK)
        status = npv_get_fields(store, 3, fields, count, &json, error);
    if (json != NULL)
        *sum = mix(*sum, json, strlen(json));
    npv_free(json);
    return status;
}

static npv_status get_ids(npv_store *store, uint64_t *sum, npv_error *error) {
    const char *id = NULL;
    uint64_t row = 0;
    npv_status status = npv_get_id(store, 1, &id, error);
    if (status == NPV_OK)
        status = npv_find(store, "id7", &row, error);
    *sum = mix(*sum + row, id, id == NULL ? 0 : strlen(id));
    return status;
}

static npv_status get_schema(npv_store *store, uint64_t *sum, npv_error *error) {
    npv_schema schema = {.size = sizeof schema};
    const npv_status status = npv_get_schema(store, &schema, error);
    *sum = mix(*sum, schema.records, schema.record_size * (status == NPV_OK ? ROWS : 0));
    return status;
}

static npv_status make_filter(npv_filter **filter, npv_error *error) {
    return npv_filter_new("year > ? AND (name LIKE '%5%' OR name IN ? OR NOT name = 'x')", "[10, [\"a\", \"name 3\"]]",
                          filter, error);
}

static npv_status select_rows(npv_store *store, uint64_t *sum, npv_error *error) {
    const uint64_t rows[] = {39, 1, 3, 5, 13, 15, 25, 35};
    const char *const some[] = {"id1", "id13", "id25", "id35", "none"};
    npv_selection selection = NPV_SELECTION_INIT;
    npv_select_options options = NPV_SELECT_OPTIONS_INIT;
    npv_filter *filter = NULL;
    uint64_t *selected = NULL;
    size_t count = 0;
    npv_status status = make_filter(&filter, error);
    selection = (npv_selection){sizeof selection, filter, rows, 8, some, 5};
    options.selection = &selection;
    options.order_by = "name";
    options.descending = 1;
    if (status == NPV_OK)
        status = npv_filter_check(store, filter, error);
    if (status == NPV_OK)
        status = npv_select(store, &options, &selected, &count, error);
    *sum = mix(*sum, selected, count * sizeof *selected);
    npv_free(selected);
    npv_filter_free(filter);
    return status;
}

static npv_status count_values(npv_store *store, uint64_t *sum, npv_error *error) {
    npv_selection selection = NPV_SELECTION_INIT;
    npv_facets facets = {0};
    npv_filter *filter = NULL;
    uint64_t count = 0;
    npv_status status = make_filter(&filter, error);
    selection.filter = filter;
    if (status == NPV_OK)
        status = npv_count_selected(store, &selection, &count, error);
    if (status == NPV_OK)
        status = npv_get_facets(store, "name", &selection, &facets, error);
    for (size_t i = 0; i < facets.count; i++)
        *sum = mix(*sum + facets.facet[i].count, facets.facet[i].json, strlen(facets.facet[i].json));
    *sum = *sum * 31 + count;
    npv_facets_free(&facets);
    npv_filter_free(filter);
    return status;
}

static npv_status search(npv_store *store, uint64_t *sum, npv_error *error) {
    npv_search_options options = NPV_SEARCH_OPTIONS_INIT;
    npv_filter *filter = NULL;
    npv_status status = make_filter(&filter, error);
    options.filter = filter;
    for (int i = 0; i < 12 && status == NPV_OK; i++) {
        npv_hits hits;
        options.metric = (npv_metric)(i % 3);
        options.filter = i % 4 == 0 ? filter : NULL;
        status = npv_search(store, vectors, i == 7 ? 5 : 1, &options, &hits, error);
        if (status != NPV_OK)
            break;
        for (size_t hit = 0; hit < hits.starts[hits.query_count]; hit++)
            *sum = mix(*sum + hits.hit[hit].row, &hits.hit[hit].score, sizeof(double));
        npv_hits_free(&hits);
    }
    npv_filter_free(filter);
    return status;
}

/* ------------------------------------------------------------------------------------------------------ The test -- */

static npv_status open_store(npv_store **store, npv_error *error) {
    npv_store_options options = NPV_STORE_OPTIONS_INIT;
    options.threads = 1;
    return npv_open(path, &options, store, error);
}

static bool is_failure(npv_status status, const npv_error *error) {
    return status == NPV_E_MEMORY || (status == NPV_E_IO && strstr(error->message, "failed: ") != NULL);
}

/* Call number n fails, in opening or in the reading. False: there are not so many. */
static bool fail_at_call(reading *read, long n, uint64_t expected) {
    const long before = alive;
    npv_store *store = NULL;
    npv_error error = {.message = ""};
    uint64_t sum = 0;
    until_failure = n;
    npv_status status = open_store(&store, &error);
    const bool opened = status == NPV_OK;
    if (opened)
        status = read(store, &sum, &error);
    const bool reached = until_failure < 0;
    until_failure = -1;
    if (status != NPV_OK && !is_failure(status, &error))
        fail_msg("call %ld: status %d, %s", n, (int)status, error.message);
    if (opened && status != NPV_OK) {
        sum = 0;
        must(read(store, &sum, &error), &error);
    }
    if (opened)
        assert_true(sum == expected);
    npv_close(store);
    assert_int_equal(alive, before);
    return reached;
}

static void fail_everywhere(reading *read) {
    npv_store *store = NULL;
    npv_error error;
    uint64_t expected = 0;
    long n = 0;
    must(open_store(&store, &error), &error);
    must(read(store, &expected, &error), &error);
    npv_close(store);
    while (fail_at_call(read, n, expected))
        n++;
    assert_true(n > 10);
}

static void save_store(const npv_field *fields, size_t field_count, bool compress) {
    npv_store_options options = NPV_STORE_OPTIONS_INIT;
    npv_save_options saving = NPV_SAVE_OPTIONS_INIT;
    npv_batch batch = NPV_BATCH_INIT;
    npv_store *store = NULL;
    npv_error error = {.message = ""};
    options.dimensions = DIMENSIONS;
    options.fields = fields;
    options.field_count = field_count;
    saving.compress = compress;
    batch.count = ROWS;
    batch.vectors = vectors;
    batch.documents = documents;
    batch.ids = id_list;
    must(npv_create(&options, &store, &error), &error);
    must(npv_add(store, &batch, NULL, &error), &error);
    must(npv_save(store, path, &saving, &error), &error);
    npv_close(store);
}

static int set_up(void **state) {
    (void)state;
    oracle_random random = {1};
    vectors = oracle_vectors(&random, ROWS, DIMENSIONS);
    snprintf(path, sizeof path, "/tmp/npvec-reading-%ld.npz", (long)getpid());
    for (int i = 0; i < ROWS; i++) {
        snprintf(ids[i], sizeof ids[i], "id%d", i);
        snprintf(texts[i], sizeof texts[i], "{\"year\": %d, \"name\": \"name %d\"}", i, i % 9);
        id_list[i] = i % 3 == 0 ? NULL : ids[i];
        documents[i] = texts[i];
    }
    return 0;
}

static int tear_down(void **state) {
    (void)state;
    free(vectors);
    unlink(path);
    return 0;
}

static void failed_reading_can_be_tried_again(void **state) {
    (void)state;
    static const npv_field fields[] = {{"year", "i4"}, {"name", "U12"}};
    static reading *const readings[] = {get_documents, get_pickles, get_fields,   get_ids,
                                        get_schema,    select_rows, count_values, search};
    for (int round = 0; round < 4; round++) {
        save_store(round % 2 != 0 ? fields : NULL, round % 2 != 0 ? 2 : 0, round / 2 != 0);
        for (size_t i = 0; i < sizeof readings / sizeof *readings; i++)
            fail_everywhere(readings[i]);
    }
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

static void failed_reading_can_be_tried_again(void **state) {
    (void)state;
    skip();
}
#endif

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(failed_reading_can_be_tried_again, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
