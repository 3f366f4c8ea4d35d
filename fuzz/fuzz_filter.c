/* Both dialects of filters, and their parameters, which are behind a zero byte. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "filter/filter.h"
#include "filter/pattern.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Goes through all of the tree: the sanitizer sees what is not there. */
static void walk(const npv_filter *filter, const npv_filter_node *node, size_t depth) {
    assert(depth <= NPV_MAX_FILTER_TREE);
    assert(node->child_count > 0 || node->kind <= NPV_FILTER_OR || node->path < filter->path_count);
    for (size_t i = 0; i < node->value_count; i++) {
        const npv_entry *const value = &node->values[i];
        const npv_bytes text = value->class == NPV_CLASS_TEXT ? value->bytes : (npv_bytes){NULL, 0};
        if (node->kind == NPV_FILTER_LIKE)
            npv_pattern_match(text, node->ignore_case, (npv_bytes){(const unsigned char *)"a\xc3\xa9z", 4});
        if (i > 0 && value->class == node->values[i - 1].class)
            assert(npv_entry_compare(&node->values[i - 1], value) < 0);
    }
    for (size_t i = 0; i < node->child_count; i++)
        walk(filter, node->children[i], depth + 1);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    char *const text = malloc(size + 1);
    npv_filter *filter = NULL;
    npv_error error = {.position = NPV_NO_POSITION};
    assert(text != NULL);
    memcpy(text, data, size);
    text[size] = '\0';
    const size_t length = strlen(text);
    const char *const parameters = length < size ? text + length + 1 : NULL;
    if (npv_filter_new(text, parameters, &filter, &error) == NPV_OK) {
        walk(filter, filter->root, 1);
        npv_filter_free(filter);
    } else {
        assert(error.position <= (strncmp(error.message, "parameters: ", 12) == 0 ? strlen(parameters) : length));
    }
    free(text);
    return 0;
}
