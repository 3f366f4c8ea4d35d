#include "adder.h"

#include <stdlib.h>
#include <string.h>

#include "progress.h"

/* A batch is added when it has as many rows, or as many bytes of vectors or of documents. */
#define BATCH_ROWS 4096
#define BATCH_BYTES 16777216

static void begin(cli_adder *adder, size_t dimensions) {
    npv_error error;
    adder->dimensions = dimensions;
    if (adder->store == NULL) {
        adder->options.dimensions = dimensions;
        if (npv_create(&adder->options, &adder->store, &error) != NPV_OK)
            cli_fail_npv(adder->store_path, &error);
    }
    const size_t fitting = BATCH_BYTES / (dimensions * sizeof(float));
    adder->most = fitting < BATCH_ROWS ? fitting : BATCH_ROWS;
    adder->vectors = cli_resize(NULL, adder->most * dimensions, sizeof *adder->vectors);
    adder->documents = cli_resize(NULL, adder->most, sizeof *adder->documents);
    adder->places = cli_resize(NULL, adder->most, sizeof *adder->places);
}

/* The batch was refused: adds its rows one by one to learn which of them is at fault. The store is lost anyway. */
static _Noreturn void fail_batch(const cli_adder *adder, const npv_error *refused) {
    static const char ONLY_ROW[] = "row 0: ";
    npv_error error;
    for (size_t i = 0; i < adder->count; i++) {
        const char *document = adder->documents[i];
        npv_batch one = NPV_BATCH_INIT;
        one.count = 1;
        one.vectors = adder->vectors + i * adder->dimensions;
        one.documents = &document;
        if (npv_add(adder->store, &one, NULL, &error) == NPV_OK)
            continue;
        const bool led = strncmp(error.message, ONLY_ROW, strlen(ONLY_ROW)) == 0;
        cli_fail_at(adder->places[i], "%s", error.message + (led ? strlen(ONLY_ROW) : 0));
    }
    cli_fail_npv(adder->store_path, refused);
}

void cli_add_rest(cli_adder *adder) {
    if (adder->count == 0)
        return;
    npv_error error;
    npv_batch batch = NPV_BATCH_INIT;
    batch.count = adder->count;
    batch.vectors = adder->vectors;
    batch.documents = adder->has_documents ? (const char *const *)adder->documents : NULL;
    if (npv_add(adder->store, &batch, NULL, &error) != NPV_OK)
        fail_batch(adder, &error);
    for (size_t i = 0; i < adder->count; i++)
        free(adder->documents[i]);
    adder->added += adder->count;
    adder->count = adder->document_bytes = 0;
    adder->has_documents = false;
}

void cli_add_row(cli_adder *adder, const float *vector, size_t dimensions, char *document, cli_place place) {
    if (dimensions == 0)
        cli_fail_at(place, "expected a vector, found one without numbers");
    if (adder->vectors == NULL)
        begin(adder, adder->dimensions > 0 ? adder->dimensions : dimensions);
    if (dimensions != adder->dimensions)
        cli_fail_at(place, "expected a vector of %zu numbers, found %zu", adder->dimensions, dimensions);
    memcpy(adder->vectors + adder->count * dimensions, vector, dimensions * sizeof *vector);
    adder->documents[adder->count] = document;
    adder->places[adder->count] = place;
    adder->has_documents = adder->has_documents || document != NULL;
    adder->document_bytes += document == NULL ? 0 : strlen(document);
    adder->count++;
    if (adder->count == adder->most || adder->document_bytes > BATCH_BYTES)
        cli_add_rest(adder);
    cli_progress_update(adder->added + adder->count);
}

void cli_adder_free(cli_adder *adder) {
    npv_close(adder->store);
    free(adder->vectors);
    free(adder->documents);
    free(adder->places);
}
