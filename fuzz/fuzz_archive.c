/* Whole files: opened, read to the last byte, searched, saved and opened again. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "npz/zip.h"
#include "scratch.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { MOST_ROWS = 64 }; /* that are looked at one by one */

/* The CRC-32 of a member as it is, if it can be read. */
static bool count_crc(const npv_zip_member *member, uint32_t *crc) {
    unsigned char block[4096];
    npv_zip_reader reader;
    npv_status status = npv_zip_reader_open(member, &reader, NULL);
    if (status != NPV_OK)
        return false;
    const npv_source source = npv_zip_reader_source(&reader);
    for (uint64_t left = member->size; left > 0 && status == NPV_OK; left = member->size - reader.done)
        status = source.read(source.context, block, left < sizeof block ? (size_t)left : sizeof block, NULL);
    *crc = reader.crc;
    npv_zip_reader_close(&reader);
    return status == NPV_OK;
}

static void put_u32(unsigned char *at, uint32_t value) {
    for (size_t i = 0; i < 4; i++)
        at[i] = (unsigned char)(value >> (8 * i));
}

/* Mutations do not hit upon a CRC-32, so it is corrected: else nothing behind its check would ever be reached. */
static void correct(unsigned char *bytes, size_t size) {
    npv_zip zip;
    uint32_t crc;
    if (npv_zip_open((npv_bytes){bytes, size}, &zip, NULL) != NPV_OK)
        return;
    for (size_t i = 0; i < zip.count; i++) {
        const npv_zip_member *const member = &zip.members[i];
        if (!count_crc(member, &crc))
            continue;
        put_u32(bytes + member->start + 14, crc);
        put_u32(bytes + (member->name.data - bytes) - 46 + 16, crc);
    }
    npv_zip_close(&zip);
}

/* The documents or records, and ids; whether they could be read. */
static bool read_rows(npv_store *store, uint64_t rows) {
    npv_schema schema = {.size = sizeof schema};
    npv_error error = {.message = ""};
    npv_status status = npv_get_schema(store, &schema, &error);
    for (uint64_t row = 0; row < rows && row < MOST_ROWS && status == NPV_OK; row++) {
        char *json = NULL;
        const char *id = NULL;
        uint64_t found = row;
        status = npv_get_document(store, row, &json, &error);
        if (status == NPV_OK)
            status = npv_get_id(store, row, &id, &error);
        if (status == NPV_OK && id != NULL)
            status = npv_find(store, id, &found, &error);
        assert(status != NPV_OK || (found == row && (json == NULL || json[0] != '\0')));
        npv_free(json);
    }
    assert(status == NPV_OK || (error.message[0] != '\0' && strchr(error.message, '\n') == NULL));
    return status == NPV_OK;
}

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
    const char *const path = fuzz_output(".npz");
    npv_store *again = NULL;
    npv_status status = npv_save(store, path, NULL, NULL);
    assert(status == NPV_OK);
    status = npv_open(path, &options, &again, NULL);
    assert(status == NPV_OK && npv_count(again) == rows);
    const bool is_read = read_rows(again, rows);
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
    correct(bytes, size);
    if (npv_open(fuzz_file(bytes, size), &options, &store, &error) == NPV_OK) {
        npv_info info = {.size = sizeof info};
        const uint64_t rows = npv_count(store);
        const bool is_read = npv_get_info(store, &info, NULL) == NPV_OK && read_rows(store, rows);
        if (info.dimensions > 0)
            search(store, rows, info.dimensions);
        select_rows(store, rows);
        if (is_read)
            save(store, rows);
        npv_close(store);
    } else {
        assert(error.message[0] != '\0' && strchr(error.message, '\n') == NULL);
    }
    free(bytes);
    return 0;
}
