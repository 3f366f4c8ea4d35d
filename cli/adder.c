#include "adder.h"

#include <stdlib.h>
#include <string.h>

#include "progress.h"

/* A batch is added when it has as many rows, or as many bytes of vectors, of records, or of documents and ids. */
#ifndef BATCH_ROWS /* few where small inputs have to fill some (fuzz/CMakeLists.txt) */
#define BATCH_ROWS 4096
#endif
#define BATCH_BYTES 16777216

static size_t least(size_t a, size_t b) {
    return a < b ? a : b;
}

void cli_begin_adding(cli_adder *adder, size_t dimensions, const npv_field *fields, size_t field_count) {
    npv_error error;
    npv_schema schema = {.size = sizeof schema};
    if (adder->vectors != NULL)
        return;
    if (adder->store == NULL) {
        adder->dimensions = adder->options.dimensions = dimensions;
        adder->options.fields = fields;
        adder->options.field_count = field_count;
        if (npv_create(&adder->options, &adder->store, &error) != NPV_OK)
            cli_fail_npv(adder->store_path, &error);
    }
    if (npv_get_schema(adder->store, &schema, &error) != NPV_OK)
        cli_fail_npv(adder->store_path, &error);
    adder->record_size = schema.record_size;
    const size_t row_bytes = adder->dimensions * sizeof(float) + schema.record_size;
    adder->most = least(BATCH_BYTES / least(row_bytes, BATCH_BYTES), BATCH_ROWS);
    adder->vectors = cli_resize(NULL, adder->most * adder->dimensions, sizeof *adder->vectors);
    adder->documents = cli_resize(NULL, adder->most, sizeof *adder->documents);
    adder->ids = cli_resize(NULL, adder->most, sizeof *adder->ids);
    adder->records = cli_resize(NULL, adder->most, schema.record_size);
    adder->places = cli_resize(NULL, adder->most, sizeof *adder->places);
    adder->rows = cli_resize(NULL, adder->most, sizeof *adder->rows);
}

/* The same rows of the batch for the library. */
static npv_batch batch_of(const cli_adder *adder, size_t first, size_t count) {
    npv_batch batch = NPV_BATCH_INIT;
    batch.count = count;
    batch.vectors = adder->vectors + first * adder->dimensions;
    batch.documents = adder->has_documents ? (const char *const *)adder->documents + first : NULL;
    batch.ids = adder->has_ids ? (const char *const *)adder->ids + first : NULL;
    batch.records = adder->has_records ? adder->records + first * adder->record_size : NULL;
    return batch;
}

/* Notes that the row was written; false if it had been before. */
static bool touch(cli_adder *adder, uint64_t row) {
    const uint64_t word = row / 64, bit = UINT64_C(1) << row % 64;
    if (word >= adder->touched_words) {
        const size_t words = 2 * ((size_t)word + 1);
        adder->touched = cli_resize(adder->touched, words, sizeof *adder->touched);
        memset(adder->touched + adder->touched_words, 0, (words - adder->touched_words) * sizeof *adder->touched);
        adder->touched_words = words;
    }
    const bool first = (adder->touched[word] & bit) == 0;
    adder->touched[word] |= bit;
    return first;
}

static npv_status give(cli_adder *adder, size_t first, size_t count, npv_error *error) {
    const npv_batch batch = batch_of(adder, first, count);
    uint64_t replaced = 0;
    const npv_status status = adder->upsert ? npv_upsert(adder->store, &batch, adder->rows, &replaced, error)
                                            : npv_add(adder->store, &batch, NULL, error);
    if (status != NPV_OK)
        return status;
    for (size_t i = 0; i < count && adder->upsert; i++)
        if (!touch(adder, adder->rows[i]))
            cli_fail_at(adder->places[first + i], "expected each id once, found '%s' again", adder->ids[first + i]);
    adder->added += count - replaced;
    adder->replaced += replaced;
    return NPV_OK;
}

/* The batch was refused: adds its rows one by one to learn which of them is at fault. The store is lost anyway. */
static _Noreturn void fail_batch(cli_adder *adder, const npv_error *refused) {
    static const char ONLY_ROW[] = "row 0: ";
    npv_error error;
    for (size_t i = 0; i < adder->count; i++) {
        if (give(adder, i, 1, &error) == NPV_OK)
            continue;
        const bool led = strncmp(error.message, ONLY_ROW, strlen(ONLY_ROW)) == 0;
        cli_fail_at(adder->places[i], "%s", error.message + (led ? strlen(ONLY_ROW) : 0));
    }
    cli_fail_npv(adder->store_path, refused);
}

void cli_add_rest(cli_adder *adder) {
    npv_error error;
    if (adder->count == 0)
        return;
    if (give(adder, 0, adder->count, &error) != NPV_OK)
        fail_batch(adder, &error);
    for (size_t i = 0; i < adder->count; i++) {
        free(adder->documents[i]);
        free(adder->ids[i]);
    }
    adder->count = adder->text_bytes = 0;
    adder->has_documents = adder->has_ids = adder->has_records = false;
}

static size_t size_of(const char *text) {
    return text == NULL ? 0 : strlen(text);
}

void cli_add_row(cli_adder *adder, const cli_new_row *row) {
    if (row->dimensions == 0)
        cli_fail_at(row->place, "expected a vector, found one without numbers");
    cli_begin_adding(adder, row->dimensions, NULL, 0);
    if (row->dimensions != adder->dimensions)
        cli_fail_at(row->place, "expected a vector of %zu numbers, found %zu", adder->dimensions, row->dimensions);
    if ((row->record != NULL) != adder->has_records)
        cli_add_rest(adder);
    memcpy(adder->vectors + adder->count * row->dimensions, row->vector, row->dimensions * sizeof(float));
    if (row->record != NULL && adder->record_size > 0)
        memcpy(adder->records + adder->count * adder->record_size, row->record, adder->record_size);
    adder->documents[adder->count] = row->document;
    adder->ids[adder->count] = row->id;
    adder->places[adder->count] = row->place;
    adder->has_records = row->record != NULL;
    adder->has_documents = adder->has_documents || row->document != NULL;
    adder->has_ids = adder->has_ids || row->id != NULL;
    adder->text_bytes += size_of(row->document) + size_of(row->id);
    adder->count++;
    if (adder->count == adder->most || adder->text_bytes > BATCH_BYTES)
        cli_add_rest(adder);
    cli_progress_update(adder->added + adder->replaced + adder->count);
}

void cli_adder_free(cli_adder *adder) {
    npv_close(adder->store);
    free(adder->vectors);
    free(adder->documents);
    free(adder->ids);
    free(adder->records);
    free(adder->places);
    free(adder->rows);
    free(adder->touched);
}
