#include "path.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../error.h"
#include "utf8.h"
#include "value.h"

/* ------------------------------------------------------------------------------------------------------- Parsing -- */

static bool is_bare(unsigned char c, bool first) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '$' ||
           c == '@' || c > 127 || (c == '-' && !first);
}

static npv_status fail_expected(npv_bytes text, size_t at, const char *expected, npv_error *error) {
    if (at == text.size)
        return npv_fail_at(error, NPV_E_ARGUMENT, at, "expected %s, found the end of the text", expected);
    const unsigned char c = text.data[at];
    return npv_fail_at(error, NPV_E_ARGUMENT, at, "expected %s, found '%c'", expected, c < 0x20 || c >= 0x7f ? '?' : c);
}

/* The inside of a quoted key; its quotes are still doubled. *at is behind the quote that opens it. */
static npv_status take_quoted(npv_bytes text, size_t *at, npv_bytes *key, npv_error *error) {
    const size_t begin = *at;
    for (size_t end = begin; end < text.size; end++) {
        if (text.data[end] != '"')
            continue;
        if (end + 1 < text.size && text.data[end + 1] == '"') {
            end++;
            continue;
        }
        *key = (npv_bytes){text.data + begin, end - begin};
        *at = end + 1;
        return NPV_OK;
    }
    return npv_fail_at(error, NPV_E_ARGUMENT, begin - 1, "the name that begins here has no \" at its end");
}

static npv_status take_key(npv_bytes text, size_t *at, npv_path_step *step, npv_error *error) {
    if (*at < text.size && text.data[*at] == '"') {
        ++*at;
        return take_quoted(text, at, &step->key, error);
    }
    size_t end = *at;
    while (end < text.size && is_bare(text.data[end], end == *at))
        end++;
    if (end == *at)
        return fail_expected(text, *at, "the name of a field", error);
    step->key = (npv_bytes){text.data + *at, end - *at};
    *at = end;
    return NPV_OK;
}

/* The number in brackets; *at is behind the bracket that opens them. */
static npv_status take_index(npv_bytes text, size_t *at, npv_path_step *step, npv_error *error) {
    size_t end = *at;
    for (; end < text.size && text.data[end] >= '0' && text.data[end] <= '9'; end++) {
        if (step->index > UINT32_MAX)
            return npv_fail_at(error, NPV_E_ARGUMENT, *at, "no array has that many elements");
        step->index = step->index * 10 + (size_t)(text.data[end] - '0');
    }
    if (end == *at)
        return fail_expected(text, end, "the number of an element, counted from 0", error);
    if (end == text.size || text.data[end] != ']')
        return fail_expected(text, end, "] behind the number of an element", error);
    *at = end + 1;
    return NPV_OK;
}

/* One step; *more: one more follows. `at` is at its beginning, behind the dot if there is one. */
static npv_status take_step(npv_bytes text, size_t *at, npv_path *path, bool *more, npv_error *error) {
    if (path->count == NPV_MAX_PATH_STEPS)
        return npv_fail_at(error, NPV_E_LIMIT, *at, "a path has at most %d steps", NPV_MAX_PATH_STEPS);
    npv_path_step *const step = &path->steps[path->count];
    *step = (npv_path_step){{NULL, 0}, 0};
    const bool is_index = *at < text.size && text.data[*at] == '[' && (*at == 0 || text.data[*at - 1] != '.');
    if (is_index)
        ++*at;
    const npv_status status = is_index ? take_index(text, at, step, error) : take_key(text, at, step, error);
    if (status != NPV_OK)
        return status;
    path->count++;
    *more = *at < text.size && (text.data[*at] == '.' || text.data[*at] == '[');
    *at += *more && text.data[*at] == '.';
    return NPV_OK;
}

/* Copies the keys to memory of the path's own, every doubled quote as one; a bare key has none. */
static npv_status own_keys(npv_path *path, bool unquote, npv_error *error) {
    size_t size = 1; /* an empty key points somewhere too */
    for (size_t i = 0; i < path->count; i++)
        size += path->steps[i].key.size;
    path->text = malloc(size);
    if (path->text == NULL)
        return npv_fail_memory(error, "a path", size);
    unsigned char *to = path->text;
    for (size_t i = 0; i < path->count; i++) {
        const npv_bytes key = path->steps[i].key;
        if (key.data == NULL)
            continue;
        path->steps[i].key.data = to;
        for (size_t j = 0; j < key.size; j++) {
            *to++ = key.data[j];
            j += unquote && key.data[j] == '"';
        }
        path->steps[i].key.size = (size_t)(to - path->steps[i].key.data);
    }
    return NPV_OK;
}

npv_status npv_path_take(npv_bytes *text, npv_path *path, npv_error *error) {
    npv_path taken = {.count = 0, .text = NULL};
    size_t end = 0;
    for (bool more = true; more;) {
        const npv_status status = take_step(*text, &end, &taken, &more, error);
        if (status != NPV_OK)
            return status;
    }
    if (!npv_utf8_valid((npv_bytes){text->data, end}))
        return npv_fail_at(error, NPV_E_ARGUMENT, 0, "the name of a field is not UTF-8");
    const npv_status status = own_keys(&taken, true, error);
    if (status != NPV_OK)
        return status;
    *path = taken;
    *text = (npv_bytes){text->data + end, text->size - end};
    return NPV_OK;
}

npv_status npv_path_parse(const char *text, npv_path *path, npv_error *error) {
    const npv_bytes whole = {(const unsigned char *)text, strlen(text)};
    npv_bytes rest = whole;
    npv_path taken;
    const npv_status status = npv_path_take(&rest, &taken, error);
    if (status != NPV_OK)
        return status;
    if (rest.size > 0) {
        npv_path_free(&taken);
        return fail_expected(whole, whole.size - rest.size, "the end of the field's name (other names stand in \")",
                             error);
    }
    *path = taken;
    return NPV_OK;
}

/* ------------------------------------------------------------------------------------------------- Paths as such -- */

npv_status npv_path_copy(const npv_path *path, npv_path *copy, npv_error *error) {
    npv_path made = *path;
    const npv_status status = own_keys(&made, false, error);
    if (status == NPV_OK)
        *copy = made;
    return status;
}

static bool same_bytes(npv_bytes a, npv_bytes b) {
    return a.size == b.size && memcmp(a.data, b.data, a.size) == 0;
}

static bool same_step(const npv_path_step *a, const npv_path_step *b) {
    if (a->key.data == NULL || b->key.data == NULL)
        return a->key.data == b->key.data && a->index == b->index;
    return same_bytes(a->key, b->key);
}

bool npv_path_equal(const npv_path *a, const npv_path *b) {
    bool equal = a->count == b->count;
    for (size_t i = 0; equal && i < a->count; i++)
        equal = same_step(&a->steps[i], &b->steps[i]);
    return equal;
}

void npv_path_free(npv_path *path) {
    free(path->text);
    path->text = NULL;
    path->count = 0;
}

static npv_status write_key(npv_bytes key, npv_buffer *text, npv_error *error) {
    bool bare = key.size > 0;
    for (size_t i = 0; bare && i < key.size; i++)
        bare = is_bare(key.data[i], i == 0);
    if (bare)
        return npv_buffer_append(text, key.data, key.size, error);
    npv_status status = npv_buffer_append(text, "\"", 1, error);
    for (size_t i = 0; status == NPV_OK && i < key.size; i++) {
        status = npv_buffer_append(text, key.data + i, 1, error);
        if (status == NPV_OK && key.data[i] == '"')
            status = npv_buffer_append(text, "\"", 1, error);
    }
    return status == NPV_OK ? npv_buffer_append(text, "\"", 1, error) : status;
}

npv_status npv_path_write(const npv_path *path, npv_buffer *text, npv_error *error) {
    npv_status status = NPV_OK;
    for (size_t i = 0; status == NPV_OK && i < path->count; i++) {
        const npv_path_step *const step = &path->steps[i];
        if (step->key.data == NULL) {
            char index[32];
            const int length = snprintf(index, sizeof index, "[%zu]", step->index);
            status = npv_buffer_append(text, index, (size_t)length, error);
            continue;
        }
        if (i > 0)
            status = npv_buffer_append(text, ".", 1, error);
        if (status == NPV_OK)
            status = write_key(step->key, text, error);
    }
    return status;
}

/* ----------------------------------------------------------------------------------------------------- Following -- */

static bool is_key(const npv_value *name, npv_bytes key) {
    if (name->kind == NPV_VALUE_STR)
        return same_bytes(name->bytes, key);
    return name->kind == NPV_VALUE_UTF32 && npv_utf8_equals_utf32(key, name->bytes);
}

/* Moves *at from the inside of a dict to the value of that key. */
static bool go_to_key(npv_bytes *at, npv_bytes key) {
    for (;;) {
        const npv_value name = npv_value_next(at);
        if (name.kind == NPV_VALUE_END)
            return false;
        if (is_key(&name, key))
            return true;
        npv_value_skip(at);
    }
}

static bool at_end(npv_bytes at) {
    return npv_value_next(&at).kind == NPV_VALUE_END;
}

/* Moves *at from the inside of a list or tuple to the element of that number. */
static bool go_to_element(npv_bytes *at, size_t index) {
    for (; !at_end(*at); index--) {
        if (index == 0)
            return true;
        npv_value_skip(at);
    }
    return false;
}

static bool take_a_step(const npv_path_step *step, npv_bytes *at) {
    const npv_value_kind kind = npv_value_next(at).kind;
    if (step->key.data != NULL)
        return kind == NPV_VALUE_DICT && go_to_key(at, step->key);
    return (kind == NPV_VALUE_LIST || kind == NPV_VALUE_TUPLE) && go_to_element(at, step->index);
}

size_t npv_path_follow(const npv_path *path, npv_bytes fragment, npv_bytes *reached) {
    *reached = fragment;
    if (fragment.size == 0)
        return 0;
    for (size_t i = 0; i < path->count; i++) {
        npv_bytes at = *reached;
        if (!take_a_step(&path->steps[i], &at))
            return i;
        *reached = at;
    }
    return path->count;
}

npv_bytes npv_path_find(const npv_path *path, npv_bytes fragment) {
    npv_bytes value;
    if (npv_path_follow(path, fragment, &value) < path->count)
        return (npv_bytes){NULL, 0};
    npv_bytes behind = value;
    npv_value_skip(&behind);
    return (npv_bytes){value.data, value.size - behind.size};
}
