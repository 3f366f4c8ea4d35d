/* The pickle of the documents, behind a byte that says of how many rows. What is read must survive being written. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "meta/json.h"
#include "npz/pickle.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static npv_status append(void *context, const void *data, size_t size, npv_error *error) {
    return npv_buffer_append(context, data, size, error);
}

static void check_documents(const npv_documents *documents, uint64_t rows) {
    npv_documents again = NPV_DOCUMENTS_EMPTY;
    npv_buffer pickle = {NULL, 0, 0};
    npv_status status = npv_pickle_write(documents, NULL, (npv_sink){append, &pickle}, NULL);
    assert(status == NPV_OK && pickle.size == npv_pickle_size(documents, NULL));
    status = npv_pickle_read((npv_bytes){pickle.data, pickle.size}, rows, &again, NULL);
    assert(status == NPV_OK);
    for (size_t row = 0; row < rows; row++) {
        const npv_bytes before = npv_documents_fragment(documents, row), after = npv_documents_fragment(&again, row);
        const npv_bytes document = npv_documents_get(documents, row);
        npv_buffer json = {NULL, 0, 0};
        assert(before.size == after.size && (before.size == 0 || memcmp(before.data, after.data, before.size) == 0));
        if (document.size > 0)
            status = npv_fragment_to_json(document, &json, NULL);
        assert(status == NPV_OK);
        free(json.data);
        (void)after;
    }
    npv_documents_free(&again);
    free(pickle.data);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    npv_documents documents = NPV_DOCUMENTS_EMPTY;
    if (size == 0)
        return 0;
    const uint64_t rows = data[0];
    npv_error error = {.message = ""};
    if (npv_pickle_read((npv_bytes){data + 1, size - 1}, rows, &documents, &error) == NPV_OK) {
        assert(documents.count == rows);
        check_documents(&documents, rows);
    } else {
        assert(documents.count == 0 && error.message[0] != '\0' && strchr(error.message, '\n') == NULL);
    }
    npv_documents_free(&documents);
    return 0;
}
