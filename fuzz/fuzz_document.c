/* JSON of documents. What is taken is a sound fragment, and comes back from the JSON that it is written as. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "meta/json.h"
#include "meta/utf8.h"
#include "meta/value.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Goes through all values, and over all of them at once. */
static void walk(npv_bytes fragment) {
    npv_bytes rest = fragment, behind = fragment;
    size_t open = 0;
    do {
        const npv_value value = npv_value_next(&rest);
        open += value.kind == NPV_VALUE_LIST || value.kind == NPV_VALUE_DICT;
        open -= value.kind == NPV_VALUE_END;
        assert(open <= NPV_MAX_DOCUMENT_DEPTH);
        assert(value.kind != NPV_VALUE_STR || npv_utf8_valid(value.bytes));
    } while (open > 0);
    npv_value_skip(&behind);
    assert(rest.size == 0 && behind.size == 0);
}

static void check_return(npv_bytes fragment) {
    npv_buffer json = {NULL, 0, 0}, again = {NULL, 0, 0};
    npv_status status = npv_fragment_to_json(fragment, &json, NULL);
    assert(status == NPV_OK);
    status = npv_buffer_append(&json, "", 1, NULL);
    assert(status == NPV_OK);
    status = npv_json_to_fragment((const char *)json.data, &again, NULL);
    assert(status == NPV_OK);
    assert(again.size == fragment.size && memcmp(again.data, fragment.data, again.size) == 0);
    free(json.data);
    free(again.data);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    char *const json = malloc(size + 1);
    npv_buffer fragment = {NULL, 0, 0};
    npv_error error = {.position = NPV_NO_POSITION};
    assert(json != NULL);
    memcpy(json, data, size);
    json[size] = '\0';
    if (npv_json_to_fragment(json, &fragment, &error) == NPV_OK) {
        walk((npv_bytes){fragment.data, fragment.size});
        check_return((npv_bytes){fragment.data, fragment.size});
    } else {
        assert(fragment.size == 0 && error.position <= strlen(json));
    }
    free(fragment.data);
    free(json);
    return 0;
}
