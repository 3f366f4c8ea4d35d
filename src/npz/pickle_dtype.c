#include "pickle_dtype.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "../meta/value.h"

static bool take_char(npv_bytes *text, char c) {
    if (text->size == 0 || *text->data != (unsigned char)c)
        return false;
    *text = (npv_bytes){text->data + 1, text->size - 1};
    return true;
}

/* A number that an int32 holds, which has no leading zero and is `otherwise` if there are no digits. */
static bool take_number(npv_bytes *text, int64_t otherwise, int64_t *number) {
    *number = otherwise;
    if (text->size == 0 || *text->data < '0' || *text->data > '9')
        return otherwise >= 0;
    if (*text->data == '0' && text->size > 1 && text->data[1] >= '0' && text->data[1] <= '9')
        return false;
    for (*number = 0; text->size > 0 && *text->data >= '0' && *text->data <= '9'; text->data++, text->size--) {
        *number = *number * 10 + (*text->data - '0');
        if (*number > INT32_MAX)
            return false;
    }
    return true;
}

/* "f8", or "U12": what is left of `text` is the unit, if there is one. */
static bool take_type(npv_bytes *text, npv_pickle_dtype *dtype) {
    static const char *const SIZES[][2] = {{"b", "1"},   {"i", "1248"}, {"u", "1248"},
                                           {"f", "248"}, {"M", "8"},    {"m", "8"}};
    int64_t size;
    if (text->size == 0)
        return false;
    dtype->letter = (char)*text->data;
    *text = (npv_bytes){text->data + 1, text->size - 1};
    if (!take_number(text, -1, &size) || size > INT32_MAX / 4)
        return false;
    snprintf(dtype->text, sizeof dtype->text, "<%c%" PRId64, dtype->letter, size);
    dtype->size = (size_t)size * (dtype->letter == 'U' ? 4 : 1);
    if (dtype->letter == 'U' || dtype->letter == 'S')
        return true;
    for (size_t i = 0; i < sizeof SIZES / sizeof *SIZES; i++)
        if (*SIZES[i][0] == dtype->letter)
            return size >= 1 && size <= 8 && strchr(SIZES[i][1], (char)('0' + size)) != NULL;
    return false;
}

static bool add_unit(npv_pickle_dtype *dtype, npv_bytes name, int64_t multiple) {
    const npv_time_unit unit = npv_time_unit_named(name);
    if (unit == NPV_TIME_UNKNOWN || multiple < 1 || multiple > INT32_MAX)
        return false;
    if (unit == NPV_TIME_GENERIC)
        return true;
    const size_t length = strlen(dtype->text), room = sizeof dtype->text - length;
    if (multiple == 1)
        snprintf(dtype->text + length, room, "[%s]", npv_time_unit_name(unit));
    else
        snprintf(dtype->text + length, room, "[%" PRId64 "%s]", multiple, npv_time_unit_name(unit));
    return true;
}

/* "[25us]"; nothing is a generic unit. */
static bool read_unit_text(npv_bytes text, npv_pickle_dtype *dtype) {
    int64_t multiple;
    if (text.size == 0)
        return true;
    if (!take_char(&text, '[') || !take_number(&text, 1, &multiple) || text.size == 0 ||
        text.data[text.size - 1] != ']')
        return false;
    return add_unit(dtype, (npv_bytes){text.data, text.size - 1}, multiple);
}

/* (metadata, (b'us', 25, 1, 1)) */
static bool read_unit_state(const npv_node *node, npv_pickle_dtype *dtype) {
    npv_node *const *const pair = npv_node_tuple_items(node, 2);
    npv_node *const *const unit = pair == NULL ? NULL : npv_node_tuple_items(pair[1], 4);
    if (unit == NULL || (unit[0]->kind != NPV_NODE_BYTES && unit[0]->kind != NPV_NODE_LATIN1))
        return false;
    for (int i = 1; i < 4; i++)
        if (unit[i]->kind != NPV_NODE_INT)
            return false;
    return unit[2]->integer == 1 && add_unit(dtype, (npv_bytes){unit[0]->text, unit[0]->size}, unit[1]->integer);
}

bool npv_pickle_dtype_read(const npv_node *node, npv_pickle_dtype *dtype) {
    npv_node *const *const arguments = npv_node_call_arguments(node, NPV_GLOBAL_DTYPE, 3);
    if (arguments == NULL || arguments[0]->kind != NPV_NODE_STR)
        return false;
    npv_bytes text = {arguments[0]->text, arguments[0]->size};
    const npv_node *const state = node->call->state;
    const bool has_order = take_char(&text, '<');
    if (!take_type(&text, dtype) || has_order == (state != NULL))
        return false;
    const bool is_time = dtype->letter == 'M' || dtype->letter == 'm';
    if (state == NULL)
        return is_time ? read_unit_text(text, dtype) : text.size == 0;
    npv_node *const *const items = npv_node_tuple_items(state, is_time ? 9 : 8);
    if (items == NULL || text.size > 0 || npv_node_is_text(items[1], ">"))
        return false;
    return !is_time || read_unit_state(items[8], dtype);
}
