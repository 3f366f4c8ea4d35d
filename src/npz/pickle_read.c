#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../error.h"
#include "../meta/value.h"
#include "pickle.h"
#include "pickle_dtype.h"
#include "pickle_tree.h"

/* Up to here, keys are compared each with each: for the dicts of most documents faster than sorting them. */
#define FEW_KEYS 16

/* Where a key stands in `out`; its address once the dict is complete, since `out` moves as it grows. */
typedef struct key_place {
    size_t offset, size;
    const unsigned char *data;
} key_place;

/* Walks the tree, one row at a time. */
typedef struct reader {
    npv_buffer out;     /* the row's fragment */
    npv_buffer scratch; /* bytes that were decoded */
    npv_buffer whole;   /* a fragment with an object */
    key_place *keys;    /* of all dicts that the walk is in */
    size_t key_count, key_capacity;
    size_t row;
    size_t limit;     /* bytes that the row may take, */
    size_t expansion; /* and all rows */
    size_t depth;
    npv_error *error;
} reader;

static npv_status write_node(reader *r, npv_node *node);

/* ------------------------------------------------------------------------------------------------------ Refusals -- */

/* The class of something that is no document. */
static void name_class(const npv_node *node, char text[2 * NPV_SHOWN]) {
    while (node->kind == NPV_NODE_CALL)
        node = node->call->callable;
    if (node->kind != NPV_NODE_GLOBAL) {
        snprintf(text, 2 * NPV_SHOWN, "%s", node->kind == NPV_NODE_OTHER ? node->other : "unknown");
        return;
    }
    if (node->global->known == NPV_GLOBAL_RECONSTRUCT || node->global->known == NPV_GLOBAL_FROM_BUFFER) {
        snprintf(text, 2 * NPV_SHOWN, "numpy.ndarray");
        return;
    }
    char module[NPV_SHOWN], name[NPV_SHOWN];
    npv_bytes_show(node->global->module, module);
    npv_bytes_show(node->global->name, name);
    const bool is_builtin = strcmp(module, "builtins") == 0 || strcmp(module, "__builtin__") == 0;
    snprintf(text, 2 * NPV_SHOWN, "%s%s%s", is_builtin ? "" : module, is_builtin ? "" : ".", name);
}

static npv_status refuse_class(const reader *r, const npv_node *node) {
    char name[2 * NPV_SHOWN];
    name_class(node, name);
    return npv_fail(r->error, NPV_E_UNSUPPORTED,
                    "row %zu: class %s is not data that npvec reads; store it as text, a number, a list or a dict",
                    r->row, name);
}

static npv_status refuse(const reader *r, npv_status code, const char *what) {
    return npv_fail(r->error, code, "row %zu: %s", r->row, what);
}

static npv_status too_large(const reader *r) {
    if (r->limit == NPV_MAX_DOCUMENT_BYTES)
        return npv_fail(r->error, NPV_E_LIMIT, "row %zu: a document may take %d bytes, found more", r->row,
                        NPV_MAX_DOCUMENT_BYTES);
    return npv_fail(
        r->error, NPV_E_LIMIT,
        "row %zu: the documents, each with its own copy of what they share, would take more than %zu bytes, "
        "the most for a pickle of this size",
        r->row, r->expansion);
}

/* ------------------------------------------------------------------------------------------------- Scalar values -- */

/* The bytes of a BYTES or LATIN1 node. The latter are code points below 256, of which UTF-8 makes one or two bytes. */
static npv_status bytes_of(reader *r, const npv_node *node, npv_bytes *bytes) {
    *bytes = (npv_bytes){node->text, node->size};
    if (node->kind == NPV_NODE_BYTES)
        return NPV_OK;
    assert(node->kind == NPV_NODE_LATIN1);
    r->scratch.size = 0;
    const npv_status status = npv_buffer_reserve(&r->scratch, node->size, r->error);
    if (status != NPV_OK)
        return status;
    for (size_t i = 0; i < node->size; i++) {
        unsigned char byte = node->text[i];
        if (byte > 0xc3)
            return refuse(r, NPV_E_FORMAT, "bytes hold a character that is not Latin-1: the pickle is damaged");
        if (byte >= 0xc2)
            byte = (unsigned char)(byte << 6 | (node->text[++i] & 0x3f));
        r->scratch.data[r->scratch.size++] = byte;
    }
    *bytes = (npv_bytes){r->scratch.data, r->scratch.size};
    return NPV_OK;
}

static npv_status write_bytes(reader *r, const npv_node *node) {
    npv_bytes bytes;
    const npv_status status = bytes_of(r, node, &bytes);
    return status != NPV_OK ? status : npv_value_write_bytes(&r->out, bytes, r->error);
}

/* ------------------------------------------------------------------------------------------------- NumPy scalars -- */

/* Little-endian UCS-4. */
static bool are_code_points(npv_bytes text) {
    for (size_t i = 0; i < text.size; i += 4)
        if (text.data[i + 3] != 0 || text.data[i + 2] > 0x10)
            return false;
    return true;
}

static npv_status refuse_dtype(const reader *r, const npv_node *dtype) {
    npv_node *const *const arguments = npv_node_call_arguments(dtype, NPV_GLOBAL_DTYPE, 3);
    char name[NPV_SHOWN] = "unknown";
    if (arguments != NULL && arguments[0]->kind == NPV_NODE_STR)
        npv_bytes_show((npv_bytes){arguments[0]->text, arguments[0]->size}, name);
    return npv_fail(r->error, NPV_E_UNSUPPORTED,
                    "row %zu: a NumPy scalar of type %s is not data that npvec reads; store it as text or as a number",
                    r->row, name);
}

/* numpy.core.multiarray.scalar(dtype, bytes). */
static npv_status write_scalar(reader *r, npv_node *const *arguments) {
    npv_pickle_dtype dtype;
    if (!npv_pickle_dtype_read(arguments[0], &dtype))
        return refuse_dtype(r, arguments[0]);
    if (arguments[1]->kind != NPV_NODE_BYTES && arguments[1]->kind != NPV_NODE_LATIN1)
        return refuse(r, NPV_E_FORMAT, "a NumPy scalar has no bytes: the pickle is damaged");
    npv_bytes item;
    const npv_status status = bytes_of(r, arguments[1], &item);
    if (status != NPV_OK)
        return status;
    if (item.size != dtype.size)
        return refuse(r, NPV_E_FORMAT, "a NumPy scalar has another size than its type: the pickle is damaged");
    if (dtype.letter == 'U' && !are_code_points(item))
        return refuse(r, NPV_E_FORMAT, "a NumPy string is not Unicode: the pickle is damaged");
    return npv_value_write_numpy(&r->out, dtype.text, item, r->error);
}

static npv_status write_call(reader *r, const npv_node *node) {
    npv_node *const *const arguments = npv_node_call_arguments(node, NPV_GLOBAL_SCALAR, 2);
    return arguments == NULL ? refuse_class(r, node) : write_scalar(r, arguments);
}

/* ---------------------------------------------------------------------------------------------------- Containers -- */

static npv_status add_key(reader *r, size_t offset) {
    if (r->key_count == r->key_capacity) {
        const size_t capacity = r->key_capacity == 0 ? 64 : 2 * r->key_capacity;
        key_place *const keys = realloc(r->keys, capacity * sizeof *keys);
        if (keys == NULL)
            return npv_fail_memory(r->error, "reading documents", capacity * sizeof *keys);
        r->keys = keys;
        r->key_capacity = capacity;
    }
    r->keys[r->key_count++] = (key_place){offset, r->out.size - offset, NULL};
    return NPV_OK;
}

static int compare_keys(const void *left, const void *right) {
    const key_place *const a = left, *const b = right;
    if (a->size != b->size)
        return a->size < b->size ? -1 : 1;
    return memcmp(a->data, b->data, a->size);
}

/* A value has one spelling, so equal keys are equal bytes. */
static bool are_different(reader *r, size_t first_key) {
    const size_t count = r->key_count - first_key;
    if (count < 2)
        return true;
    key_place *const keys = r->keys + first_key;
    for (size_t i = 0; i < count; i++)
        keys[i].data = r->out.data + keys[i].offset;
    if (count <= FEW_KEYS) {
        for (size_t i = 1; i < count; i++)
            for (size_t j = 0; j < i; j++)
                if (compare_keys(&keys[i], &keys[j]) == 0)
                    return false;
        return true;
    }
    qsort(keys, count, sizeof *keys, compare_keys);
    for (size_t i = 1; i < count; i++)
        if (compare_keys(&keys[i - 1], &keys[i]) == 0)
            return false;
    return true;
}

static npv_status write_key(reader *r, npv_node *key) {
    const size_t offset = r->out.size;
    if (key->kind == NPV_NODE_TUPLE)
        return refuse(r, NPV_E_UNSUPPORTED, "a key of a dict is a tuple, which npvec does not read; use text");
    if (key->kind == NPV_NODE_LIST || key->kind == NPV_NODE_DICT)
        return refuse(r, NPV_E_FORMAT, "a key of a dict is a list or a dict: the pickle is damaged");
    const npv_status status = write_node(r, key);
    return status != NPV_OK ? status : add_key(r, offset);
}

static npv_status write_items(reader *r, const npv_node *node) {
    const npv_node_run *run = node->last;
    npv_status status = NPV_OK;
    bool is_key = node->kind == NPV_NODE_DICT;
    do {
        if (run == NULL)
            break;
        run = run->next;
        for (size_t i = 0; status == NPV_OK && i < run->count; i++) {
            status = is_key ? write_key(r, run->items[i]) : write_node(r, run->items[i]);
            is_key = !is_key && node->kind == NPV_NODE_DICT;
        }
    } while (status == NPV_OK && run != node->last);
    return status;
}

static npv_status write_container(reader *r, npv_node *node) {
    const npv_value_kind container = node->kind == NPV_NODE_LIST    ? NPV_VALUE_LIST
                                     : node->kind == NPV_NODE_TUPLE ? NPV_VALUE_TUPLE
                                                                    : NPV_VALUE_DICT;
    if (node->is_open)
        return refuse(r, NPV_E_UNSUPPORTED, "a list, a tuple or a dict contains itself, which npvec does not read");
    if (r->depth == NPV_MAX_DOCUMENT_DEPTH)
        return npv_fail(r->error, NPV_E_LIMIT, "row %zu: lists and dicts may be nested %d deep, found more", r->row,
                        NPV_MAX_DOCUMENT_DEPTH);
    const size_t first_key = r->key_count;
    node->is_open = true;
    r->depth++;
    npv_status status = npv_value_begin(&r->out, container, r->error);
    if (status == NPV_OK)
        status = write_items(r, node);
    if (status == NPV_OK && !are_different(r, first_key))
        status = refuse(r, NPV_E_FORMAT, "a dict has two equal keys: the pickle is damaged");
    if (status == NPV_OK)
        status = npv_value_end(&r->out, container, r->error);
    r->key_count = first_key;
    r->depth--;
    node->is_open = false;
    return status;
}

static npv_status write_node(reader *r, npv_node *node) {
    /* Every item and every byte of text takes a byte at least, so nothing is done that the limit would forbid. */
    if (r->out.size + node->size >= r->limit)
        return too_large(r);
    switch ((npv_node_kind)node->kind) {
    case NPV_NODE_NONE:
        return npv_value_write_none(&r->out, r->error);
    case NPV_NODE_FALSE:
    case NPV_NODE_TRUE:
        return npv_value_write_bool(&r->out, node->kind == NPV_NODE_TRUE, r->error);
    case NPV_NODE_INT:
        return npv_value_write_int(&r->out, node->integer, r->error);
    case NPV_NODE_BIG:
        return npv_value_write_integer(&r->out, (npv_bytes){node->text, node->size}, r->error);
    case NPV_NODE_FLOAT:
        return npv_value_write_float(&r->out, node->real, r->error);
    case NPV_NODE_STR:
        return npv_value_write_str(&r->out, (npv_bytes){node->text, node->size}, r->error);
    case NPV_NODE_NOT_UTF8:
        return refuse(r, NPV_E_FORMAT, "text is not valid UTF-8: the pickle is damaged");
    case NPV_NODE_BYTES:
    case NPV_NODE_LATIN1:
        return write_bytes(r, node);
    case NPV_NODE_LIST:
    case NPV_NODE_TUPLE:
    case NPV_NODE_DICT:
        return write_container(r, node);
    case NPV_NODE_CALL:
        return write_call(r, node);
    case NPV_NODE_GLOBAL:
    case NPV_NODE_OTHER:
        break;
    }
    return refuse_class(r, node);
}

/* ----------------------------------------------------------------------------------------------------- The array -- */

/*
 * The rows of an array: _reconstruct(ndarray, (0,), b'b') with the state (1, shape, dtype, Fortran order, list).
 * The order makes no difference to one dimension.
 */
static const npv_node *row_list(const npv_node *root, uint64_t rows) {
    npv_node *const *const arguments = npv_node_call_arguments(root, NPV_GLOBAL_RECONSTRUCT, 3);
    if (arguments == NULL || arguments[0]->kind != NPV_NODE_GLOBAL || arguments[0]->global->known != NPV_GLOBAL_NDARRAY)
        return NULL;
    npv_node *const *const state = npv_node_tuple_items(root->call->state, 5);
    npv_node *const *const shape = state == NULL ? NULL : npv_node_tuple_items(state[1], 1);
    npv_node *const *const dtype_arguments =
        state == NULL ? NULL : npv_node_call_arguments(state[2], NPV_GLOBAL_DTYPE, 3);
    const bool is_such = shape != NULL && shape[0]->kind == NPV_NODE_INT && (uint64_t)shape[0]->integer == rows &&
                         dtype_arguments != NULL &&
                         (npv_node_is_text(dtype_arguments[0], "O8") || npv_node_is_text(dtype_arguments[0], "O4")) &&
                         state[4]->kind == NPV_NODE_LIST && state[4]->size == rows;
    return is_such ? state[4] : NULL;
}

/* The document of a row, in `room` bytes. */
static npv_status read_document(reader *r, npv_node *node, size_t room) {
    r->out.size = 0;
    r->limit = room < NPV_MAX_DOCUMENT_BYTES ? room : NPV_MAX_DOCUMENT_BYTES;
    const npv_status status = write_node(r, node);
    return status == NPV_OK && r->out.size > r->limit ? too_large(r) : status;
}

/* pickle.loads(object), and the document that POP dropped behind it. */
static npv_status read_object(reader *r, const npv_node *node, const npv_node *object, size_t room,
                              npv_documents *documents) {
    npv_node *const document = node->call->state;
    npv_status status = NPV_OK;
    r->out.size = 0;
    r->limit = room;
    if (object->size + (size_t)NPV_OBJECT_EXTRA > room)
        return too_large(r);
    if (document != NULL && document->kind != NPV_NODE_NONE)
        status = read_document(r, document, room - object->size - NPV_OBJECT_EXTRA);
    r->whole.size = 0;
    if (status == NPV_OK)
        status = npv_object_write(&r->whole, (npv_bytes){object->text, object->size},
                                  (npv_bytes){r->out.data, r->out.size}, r->error);
    return status != NPV_OK ? status
                            : npv_documents_append(documents, (npv_bytes){r->whole.data, r->whole.size}, r->error);
}

static npv_status read_row(reader *r, npv_node *node, size_t room, npv_documents *documents) {
    npv_node *const *const object = npv_node_call_arguments(node, NPV_GLOBAL_LOADS, 1);
    if (node->kind == NPV_NODE_NONE)
        return npv_documents_append_none(documents, 1, r->error);
    r->row = documents->count;
    if (object != NULL && object[0]->kind == NPV_NODE_BYTES)
        return read_object(r, node, object[0], room, documents);
    const npv_status status = read_document(r, node, room);
    return status != NPV_OK ? status : npv_documents_append(documents, (npv_bytes){r->out.data, r->out.size}, r->error);
}

static npv_status read_rows(reader *r, const npv_node *list, npv_documents *documents) {
    const npv_node_run *run = list->last;
    npv_status status = NPV_OK;
    do {
        if (run == NULL)
            break;
        run = run->next;
        for (size_t i = 0; status == NPV_OK && i < run->count; i++)
            status = read_row(r, run->items[i], r->expansion - documents->fragments_size, documents);
    } while (status == NPV_OK && run != list->last);
    return status;
}

/* See NPV_PICKLE_EXPANSION. */
static size_t expansion_of(size_t pickle) {
    const bool small = pickle < 65536 && pickle * pickle / 8 < NPV_PICKLE_MARGIN;
    return NPV_PICKLE_EXPANSION * pickle + (small ? pickle * pickle / 8 : NPV_PICKLE_MARGIN);
}

static npv_status read_tree(const npv_pickle_tree *tree, size_t pickle_size, uint64_t rows, npv_documents *documents,
                            npv_error *error) {
    const npv_node *const list = row_list(tree->root, rows);
    if (list == NULL && tree->stranger == NULL)
        return npv_fail(error, NPV_E_FORMAT,
                        "the pickle of the documents is no one-dimensional NumPy object array of %llu rows",
                        (unsigned long long)rows);
    reader r = {.error = error, .expansion = expansion_of(pickle_size)};
    npv_status status = NPV_OK;
    if (list != NULL)
        status = read_rows(&r, list, documents);
    free(r.out.data);
    free(r.scratch.data);
    free(r.whole.data);
    free(r.keys);
    if (status == NPV_OK && tree->stranger != NULL) { /* where no row is, nothing must be either */
        char name[2 * NPV_SHOWN];
        name_class(tree->stranger, name);
        return npv_fail(error, NPV_E_UNSUPPORTED,
                        "the pickle of the documents names class %s, which is not data that npvec reads", name);
    }
    return status;
}

npv_status npv_pickle_read(npv_bytes pickle, uint64_t rows, npv_documents *documents, npv_error *error) {
    assert(documents->count == 0);
    npv_pickle_tree tree;
    npv_status status = npv_pickle_tree_parse(pickle, &tree, error);
    if (status == NPV_OK)
        status = read_tree(&tree, pickle.size, rows, documents, error);
    npv_pickle_tree_free(&tree);
    if (status != NPV_OK)
        npv_documents_free(documents);
    return status;
}

static npv_status read_value(const npv_pickle_tree *tree, size_t pickle_size, npv_buffer *fragment, npv_error *error) {
    reader r = {.error = error, .expansion = expansion_of(pickle_size)};
    npv_status status = NPV_OK;
    if (tree->stranger != NULL)
        return refuse_class(&r, tree->stranger);
    if (tree->root->kind != NPV_NODE_NONE)
        status = read_document(&r, tree->root, r.expansion);
    if (status == NPV_OK)
        status = npv_buffer_append(fragment, r.out.data, r.out.size, error);
    free(r.out.data);
    free(r.scratch.data);
    free(r.keys);
    return status;
}

npv_status npv_pickle_read_value(npv_bytes pickle, npv_buffer *fragment, npv_error *error) {
    npv_pickle_tree tree;
    npv_status status = npv_pickle_tree_parse(pickle, &tree, error);
    if (status == NPV_OK)
        status = read_value(&tree, pickle.size, fragment, error);
    npv_pickle_tree_free(&tree);
    return status;
}
