/* Whole files: opened, read to the last byte, searched, saved and opened again. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "forge.h"
#include "rows.h"
#include "scratch.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void select_rows(npv_store *store, uint64_t rows) {
    npv_selection selection = NPV_SELECTION_INIT;
    npv_filter *filter = NULL;
    npv_facets facets;
    uint64_t count = 0;
    const npv_status parsed = npv_filter_new("year > 1 OR name.x LIKE '%a%' OR tags[0] IS NULL", NULL, &filter, NULL);
    assert(parsed == NPV_OK);
    selection.filter = filter;
    if (npv_count_selected(store, &selection, &count, NULL) == NPV_OK)
        assert(count <= rows);
    if (npv_get_facets(store, "name", NULL, &facets, NULL) == NPV_OK)
        npv_facets_free(&facets);
    npv_filter_free(filter);
    (void)parsed;
}

static void search(npv_store *store, uint64_t rows, size_t dimensions) {
    float *const query = calloc(dimensions, sizeof *query);
    assert(query != NULL);
    query[dimensions - 1] = 1;
    for (int metric = NPV_COSINE; metric <= NPV_EUCLIDEAN; metric++) {
        npv_search_options options = NPV_SEARCH_OPTIONS_INIT;
        npv_hits hits;
        options.metric = (npv_metric)metric;
        options.k = 3;
        if (npv_search(store, query, 1, &options, &hits, NULL) != NPV_OK)
            continue;
        assert(hits.starts[1] <= 3 && hits.starts[1] <= rows);
        npv_hits_free(&hits);
    }
    free(query);
}

/* What could be read can be saved, and is the same number of rows then. */
static void save(npv_store *store, uint64_t rows) {
    const npv_store_options options = {.size = sizeof options, .threads = 1};
    const char *const path = fuzz_path(".npz");
    npv_store *again = NULL;
    npv_status status = npv_save(store, path, NULL, NULL);
    assert(status == NPV_OK);
    status = npv_open(path, &options, &again, NULL);
    assert(status == NPV_OK && npv_count(again) == rows);
    const bool is_read = fuzz_read_rows(again);
    assert(is_read);
    npv_close(again);
    (void)is_read;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    const npv_store_options options = {.size = sizeof options, .threads = 1};
    unsigned char *const bytes = malloc(size + 1);
    npv_store *store = NULL;
    npv_error error = {.message = ""};
    assert(bytes != NULL);
    memcpy(bytes, data, size);
    fuzz_correct(bytes, size);
    fuzz_rewrite(bytes, size);
    if (npv_open(fuzz_path(""), &options, &store, &error) == NPV_OK) {
        npv_info info = {.size = sizeof info};
        const uint64_t rows = npv_count(store);
        const bool is_read = npv_get_info(store, &info, NULL) == NPV_OK && fuzz_read_rows(store);
        if (info.dimensions > 0)
            search(store, rows, info.dimensions);
        select_rows(store, rows);
        if (is_read)
            save(store, rows);
        npv_close(store);
    } else {
        fuzz_check_line(error.message);
    }
    free(bytes);
    return 0;
}
