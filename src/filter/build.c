#include "build.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "../error.h"
#include "pattern.h"

#define FIRST_BLOCK 1024 /* most filters need no more */
#define LARGEST_BLOCK (1u << 20)
#define ALIGNMENT sizeof(uint64_t) /* that of all that filters are made of */

/* ------------------------------------------------------------------------------------------------------- Memory -- */

struct npv_filter_block {
    struct npv_filter_block *next;
    size_t size, used;
    _Alignas(max_align_t) unsigned char data[];
};

npv_status npv_build_memory(npv_builder *builder, size_t size, void **memory) {
    struct npv_filter_block *block = builder->filter->blocks;
    size = (size + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    if (block == NULL || size > block->size - block->used) {
        size_t room = block == NULL ? FIRST_BLOCK : 2 * block->size;
        room = room > LARGEST_BLOCK ? LARGEST_BLOCK : room;
        room = room < size ? size : room;
        block = malloc(sizeof *block + room);
        if (block == NULL)
            return npv_fail_memory(builder->error, "a filter", sizeof *block + room);
        *block = (struct npv_filter_block){builder->filter->blocks, room, 0};
        builder->filter->blocks = block;
    }
    *memory = block->data + block->used;
    block->used += size;
    return NPV_OK;
}

npv_status npv_build_start(npv_builder *builder, npv_error *error) {
    memset(builder, 0, sizeof *builder);
    builder->error = error;
    builder->filter = calloc(1, sizeof *builder->filter);
    return builder->filter == NULL ? npv_fail_memory(error, "a filter", sizeof *builder->filter) : NPV_OK;
}

void npv_build_free(npv_builder *builder) {
    npv_filter_free(builder->filter);
    free(builder->nodes.data);
    free(builder->values.data);
}

npv_filter *npv_build_finish(npv_builder *builder) {
    npv_filter *const filter = builder->filter;
    assert(npv_build_mark(builder) == 1);
    memcpy(&filter->root, builder->nodes.data, sizeof filter->root);
    builder->filter = NULL;
    return filter;
}

void npv_filter_free(npv_filter *filter) {
    if (filter == NULL)
        return;
    for (size_t i = 0; i < filter->path_count; i++)
        npv_path_free(&filter->paths[i]);
    for (struct npv_filter_block *block = filter->blocks, *next; block != NULL; block = next) {
        next = block->next;
        free(block);
    }
    free(filter->paths);
    free(filter->positions);
    free(filter);
}

/* -------------------------------------------------------------------------------------------------------- Fields -- */

static int compare_steps(const npv_path_step *a, const npv_path_step *b) {
    if (a->key.data == NULL && b->key.data == NULL)
        return (a->index > b->index) - (a->index < b->index);
    if (a->key.data == NULL || b->key.data == NULL)
        return a->key.data == NULL ? -1 : 1;
    const size_t shorter = a->key.size < b->key.size ? a->key.size : b->key.size;
    const int order = memcmp(a->key.data, b->key.data, shorter);
    return order != 0 ? order : (a->key.size > b->key.size) - (a->key.size < b->key.size);
}

/* Any total order will do. */
static int compare_paths(const npv_path *a, const npv_path *b) {
    for (size_t i = 0; i < a->count && i < b->count; i++) {
        const int order = compare_steps(&a->steps[i], &b->steps[i]);
        if (order != 0)
            return order;
    }
    return (a->count > b->count) - (a->count < b->count);
}

/* The place of the path in `sorted`, or where it would have to be. */
static size_t find_path(const npv_builder *builder, const npv_path *path, bool *found) {
    const npv_filter *const filter = builder->filter;
    size_t low = 0, high = filter->path_count;
    *found = false;
    while (low < high) {
        const size_t middle = low + (high - low) / 2;
        const int order = compare_paths(&filter->paths[builder->sorted[middle]], path);
        if (order == 0) {
            *found = true;
            return middle;
        }
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static npv_status grow_paths(npv_builder *builder) {
    npv_filter *const filter = builder->filter;
    if (filter->path_count < builder->path_capacity)
        return NPV_OK;
    const size_t capacity = 2 * filter->path_count + 1;
    npv_path *const paths = realloc(filter->paths, capacity * sizeof *paths);
    filter->paths = paths != NULL ? paths : filter->paths;
    size_t *const positions = realloc(filter->positions, capacity * sizeof *positions);
    filter->positions = positions != NULL ? positions : filter->positions;
    if (paths == NULL || positions == NULL)
        return npv_fail_memory(builder->error, "a filter's fields", capacity * sizeof *paths);
    builder->path_capacity = capacity;
    return NPV_OK;
}

npv_status npv_build_field(npv_builder *builder, npv_path *path, npv_named_field *field) {
    npv_filter *const filter = builder->filter;
    bool found;
    const size_t place = find_path(builder, path, &found);
    if (found) {
        npv_path_free(path);
        field->path = builder->sorted[place];
        return NPV_OK;
    }
    npv_status status = NPV_OK;
    if (filter->path_count == NPV_MAX_FILTER_PATHS)
        status = npv_fail_at(builder->error, NPV_E_LIMIT, field->position,
                             "expected at most %d different fields, found more", NPV_MAX_FILTER_PATHS);
    else
        status = grow_paths(builder);
    if (status != NPV_OK) {
        npv_path_free(path);
        return status;
    }
    memmove(builder->sorted + place + 1, builder->sorted + place,
            (filter->path_count - place) * sizeof *builder->sorted);
    builder->sorted[place] = (uint16_t)filter->path_count;
    field->path = filter->path_count;
    filter->positions[filter->path_count] = field->position;
    filter->paths[filter->path_count++] = *path;
    return NPV_OK;
}

/* ---------------------------------------------------------------------------------------------------- Conditions -- */

size_t npv_build_mark(const npv_builder *builder) {
    return builder->nodes.size / sizeof(npv_filter_node *);
}

/* Puts a new condition on the stack, with room for `value_count` values. */
static npv_status push(npv_builder *builder, npv_filter_kind kind, npv_named_field field, size_t value_count,
                       npv_filter_node **pushed) {
    void *memory;
    const size_t size = sizeof(npv_filter_node) + value_count * sizeof(npv_entry);
    npv_status status = npv_build_memory(builder, size, &memory);
    if (status != NPV_OK)
        return status;
    npv_filter_node *const node = memory;
    *node = (npv_filter_node){.kind = kind, .path = field.path};
    node->values = value_count > 0 ? (npv_entry *)(void *)(node + 1) : NULL;
    node->value_count = value_count;
    *pushed = node;
    return npv_buffer_append(&builder->nodes, &node, sizeof node, builder->error);
}

npv_status npv_build_condition(npv_builder *builder, npv_filter_kind kind, npv_named_field field,
                               const npv_entry *value) {
    npv_filter_node *node;
    const npv_status status = push(builder, kind, field, value != NULL, &node);
    if (status == NPV_OK && value != NULL)
        node->values[0] = *value;
    return status;
}

npv_status npv_build_comparison(npv_builder *builder, npv_comparison comparison, npv_named_field field,
                                const npv_entry *value) {
    static const struct {
        npv_filter_kind kind;
        bool negated;
    } spelled[] = {
        [NPV_COMPARE_EQUAL] = {NPV_FILTER_EQUAL, false},
        [NPV_COMPARE_NOT_EQUAL] = {NPV_FILTER_EQUAL, true},
        [NPV_COMPARE_LESS] = {NPV_FILTER_LESS, false},
        [NPV_COMPARE_LESS_OR_EQUAL] = {NPV_FILTER_LESS_OR_EQUAL, false},
        [NPV_COMPARE_GREATER] = {NPV_FILTER_LESS_OR_EQUAL, true},
        [NPV_COMPARE_GREATER_OR_EQUAL] = {NPV_FILTER_LESS, true},
    };
    const npv_status status = npv_build_condition(builder, spelled[comparison].kind, field, value);
    return status == NPV_OK && spelled[comparison].negated ? npv_build_not(builder) : status;
}

npv_status npv_build_between(npv_builder *builder, npv_named_field field, const npv_entry *low, const npv_entry *high) {
    const size_t mark = npv_build_mark(builder);
    npv_status status = npv_build_comparison(builder, NPV_COMPARE_GREATER_OR_EQUAL, field, low);
    if (status == NPV_OK)
        status = npv_build_comparison(builder, NPV_COMPARE_LESS_OR_EQUAL, field, high);
    return status != NPV_OK ? status : npv_build_group(builder, NPV_FILTER_AND, mark);
}

npv_status npv_build_like(npv_builder *builder, npv_named_field field, npv_bytes pattern, npv_bytes escape,
                          bool ignore_case, bool *valid) {
    void *compiled;
    size_t size;
    npv_status status = npv_build_memory(builder, pattern.size, &compiled);
    if (status != NPV_OK)
        return status;
    *valid = npv_pattern_compile(pattern, escape, ignore_case, compiled, &size);
    if (!*valid)
        return NPV_OK;
    npv_filter_node *node;
    status = push(builder, NPV_FILTER_LIKE, field, 1, &node);
    if (status != NPV_OK)
        return status;
    node->ignore_case = ignore_case;
    node->values[0] = (npv_entry){.class = NPV_CLASS_TEXT, .bytes = {compiled, size}};
    return NPV_OK;
}

npv_status npv_build_not(npv_builder *builder) {
    const size_t mark = npv_build_mark(builder) - 1;
    void *memory = NULL;
    const npv_status status = npv_build_memory(builder, sizeof(npv_filter_node) + sizeof(npv_filter_node *), &memory);
    if (status != NPV_OK)
        return status;
    npv_filter_node *const node = memory, **const top = (npv_filter_node **)(void *)builder->nodes.data + mark;
    *node = (npv_filter_node){.kind = NPV_FILTER_NOT, .child_count = 1};
    node->children = (npv_filter_node **)(void *)(node + 1);
    node->children[0] = *top;
    *top = node;
    return NPV_OK;
}

npv_status npv_build_group(npv_builder *builder, npv_filter_kind kind, size_t mark) {
    const size_t count = npv_build_mark(builder) - mark;
    if (count == 1)
        return NPV_OK;
    void *memory;
    const size_t children_size = count * sizeof(npv_filter_node *);
    const npv_status status = npv_build_memory(builder, sizeof(npv_filter_node) + children_size, &memory);
    if (status != NPV_OK)
        return status;
    npv_filter_node *const node = memory;
    *node = (npv_filter_node){.kind = kind, .child_count = count};
    node->children = (npv_filter_node **)(void *)(node + 1);
    if (count > 0) /* otherwise the stack may have no memory yet */
        memcpy(node->children, builder->nodes.data + mark * sizeof node, children_size);
    builder->nodes.size -= children_size;
    return npv_buffer_append(&builder->nodes, &node, sizeof node, builder->error);
}

/* --------------------------------------------------------------------------------------------------------- Lists -- */

void npv_build_list_begin(npv_builder *builder) {
    builder->values.size = 0;
    builder->with_null = false;
}

npv_status npv_build_list_add(npv_builder *builder, const npv_entry *value) {
    if (value->class != NPV_CLASS_NULL)
        return npv_buffer_append(&builder->values, value, sizeof *value, builder->error);
    builder->with_null = true;
    return NPV_OK;
}

static int compare_values(const void *first, const void *second) {
    const npv_entry *const a = first, *const b = second;
    return a->class != b->class ? a->class - b->class : npv_entry_compare(a, b);
}

/* Sorts the values and drops those that are there twice; returns how many are left. */
static size_t sort_values(npv_entry *values, size_t count) {
    if (count == 0)
        return 0;
    qsort(values, count, sizeof *values, compare_values);
    size_t kept = 1;
    for (size_t i = 1; i < count; i++)
        if (compare_values(&values[kept - 1], &values[i]) != 0)
            values[kept++] = values[i];
    return kept;
}

/* An empty list is no value at all: whatever the field is, NULL included, it is not in it. */
npv_status npv_build_list_in(npv_builder *builder, npv_named_field field) {
    npv_entry *const values = (npv_entry *)(void *)builder->values.data;
    const size_t count = sort_values(values, builder->values.size / sizeof *values);
    if (count == 0 && !builder->with_null)
        return npv_build_group(builder, NPV_FILTER_OR, npv_build_mark(builder));
    npv_filter_node *node;
    const npv_status status = push(builder, NPV_FILTER_IN, field, count, &node);
    if (status != NPV_OK)
        return status;
    node->with_null = builder->with_null;
    if (count > 0)
        memcpy(node->values, values, count * sizeof *values);
    return NPV_OK;
}
