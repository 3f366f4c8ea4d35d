/*
 * A pickle as a tree: what it spells out, before anybody asks what that means.
 *
 * Every opcode that Python emits builds a node; calling a class is a node that says so, and nothing is called. Objects
 * that a pickle mentions twice are one node with two parents, so a hostile tree can be small and its expansion
 * infinite: whoever walks it needs limits. Building it takes time and memory in proportion to the size of the pickle.
 */
#ifndef NPV_PICKLE_TREE_H
#define NPV_PICKLE_TREE_H

#include <stdbool.h>

#include "../bytes.h"

typedef enum npv_node_kind {
    NPV_NODE_NONE,
    NPV_NODE_FALSE,
    NPV_NODE_TRUE,
    NPV_NODE_INT,
    NPV_NODE_BIG, /* an integer that int64 does not hold: `size` bytes of two's complement, little-endian */
    NPV_NODE_FLOAT,
    NPV_NODE_STR,      /* UTF-8, as utf8.h has it */
    NPV_NODE_NOT_UTF8, /* text that is not */
    NPV_NODE_BYTES,
    NPV_NODE_LATIN1, /* bytes as protocols 0 to 2 write them: UTF-8 of the characters that the bytes are in Latin-1 */
    NPV_NODE_LIST,
    NPV_NODE_TUPLE,
    NPV_NODE_DICT,   /* its items are key, value, key, value */
    NPV_NODE_GLOBAL, /* a class or function by its name */
    NPV_NODE_CALL,   /* the result of calling one */
    NPV_NODE_OTHER   /* something that has an opcode of its own and is no document, such as a set */
} npv_node_kind;

/* The classes and functions that a NumPy object array consists of. */
typedef enum npv_global_name {
    NPV_GLOBAL_STRANGER,
    NPV_GLOBAL_RECONSTRUCT,
    NPV_GLOBAL_FROM_BUFFER, /* how protocol 5 writes an array of numbers; read only for its name */
    NPV_GLOBAL_NDARRAY,
    NPV_GLOBAL_DTYPE,
    NPV_GLOBAL_SCALAR,
    NPV_GLOBAL_ENCODE,
    NPV_GLOBAL_BYTES,
    NPV_GLOBAL_LOADS /* a row's object */
} npv_global_name;

typedef struct npv_node npv_node;

typedef struct npv_node_global {
    npv_global_name known;
    npv_bytes module, name;
} npv_node_global;

typedef struct npv_node_call {
    const npv_node *callable;
    npv_node *arguments;
    npv_node *state; /* what BUILD handed over, or, of an object, what stood behind it until POP; or NULL */
} npv_node_call;

/* Items come in runs, as Python writes them; the runs of a node form a ring. */
typedef struct npv_node_run {
    struct npv_node_run *next;
    size_t count;
    npv_node *items[];
} npv_node_run;

struct npv_node {
    unsigned char kind;
    bool is_open;  /* for the walker: it is inside this container */
    uint32_t size; /* bytes of text, or items in all runs */
    union {
        int64_t integer;
        double real;
        const unsigned char *text;
        npv_node_run *last; /* LIST, TUPLE, DICT: last->next is the first run; NULL if empty */
        npv_node_call *call;
        const npv_node_global *global;
        const char *other; /* its name */
    };
};

typedef struct npv_pickle_tree {
    npv_node *root;
    const npv_node *stranger; /* the first class in the pickle that is no part of an array, or NULL */
    struct npv_node_block *blocks;
    npv_node constants[3]; /* None, False, True */
} npv_pickle_tree;

/* The pickle must stay where it is while the tree is used. npv_pickle_tree_free is due on failure, too. */
npv_status npv_pickle_tree_parse(npv_bytes pickle, npv_pickle_tree *tree, npv_error *error);

void npv_pickle_tree_free(npv_pickle_tree *tree);

/* Whether the node is that text. */
bool npv_node_is_text(const npv_node *node, const char *text);

/* The items of a tuple of exactly `count`, or NULL if the node is NULL or anything else. */
npv_node *const *npv_node_tuple_items(const npv_node *node, size_t count);

/* The arguments of a call of that class with exactly `count`, or NULL if the node is anything else. */
npv_node *const *npv_node_call_arguments(const npv_node *node, npv_global_name class_name, size_t count);

#endif
