#include "pickle_tree.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "../error.h"
#include "../meta/decimal.h"
#include "../meta/utf8.h"

/*
 * Each block of memory is twice as large as the one before, up to what huge pages are worth asking for: a fifth of the
 * time that reading 100,000 documents takes went into pages of 4 KiB.
 */
#define FIRST_BLOCK ((size_t)64 << 10)
#define LARGEST_BLOCK ((size_t)4 << 20)
#define HUGE_PAGE ((size_t)2 << 20)

/* Memory of the tree: nodes, runs and decoded text stand where they were made until all are freed. */
struct npv_node_block {
    struct npv_node_block *next;
    size_t used, size; /* of all of it, this head included */
};

typedef struct node_list {
    npv_node **items;
    size_t count, capacity;
} node_list;

typedef struct parser {
    npv_bytes rest; /* of the pickle */
    size_t size;    /* of the pickle */
    size_t at;      /* where the current opcode stands */
    const struct opcode *opcode;
    npv_pickle_tree *tree;
    node_list stack, memo;
    npv_node mark;     /* on the stack where MARK was */
    npv_status status; /* what went wrong first: functions that return false have set it */
    npv_error *error;
} parser;

/* An opcode and how it is read; what kind, width and note mean depends on the reader. */
typedef struct opcode {
    const char *name;
    bool (*read)(parser *p);
    unsigned char kind;  /* of the node it makes */
    unsigned char width; /* bytes of the number behind it */
    const char *note;
} opcode;

static bool damaged(parser *p, const char *what) {
    p->status = npv_fail(p->error, NPV_E_FORMAT, "the pickle of the documents is damaged: byte %zu, opcode %s: %s",
                         p->at, p->opcode->name, what);
    return false;
}

static bool too_large(parser *p, const char *what, uint32_t limit) {
    p->status = npv_fail(p->error, NPV_E_LIMIT,
                         "the pickle of the documents: byte %zu, opcode %s: %s may have a size of %lu, found more",
                         p->at, p->opcode->name, what, (unsigned long)limit);
    return false;
}

static bool out_of_memory(parser *p, size_t bytes) {
    p->status = npv_fail_memory(p->error, "reading documents", bytes);
    return false;
}

/* ------------------------------------------------------------------------------------------ Memory and the stack -- */

static struct npv_node_block *new_block(struct npv_node_block *before, size_t least) {
    const size_t next = before == NULL                     ? FIRST_BLOCK
                        : before->size < LARGEST_BLOCK / 2 ? 2 * before->size
                                                           : LARGEST_BLOCK;
    const size_t size = next > least ? next : least;
    const bool huge = size == LARGEST_BLOCK;
    struct npv_node_block *block = huge ? aligned_alloc(HUGE_PAGE, size) : malloc(size);
    if (block == NULL)
        return NULL;
#ifdef MADV_HUGEPAGE
    if (huge)
        (void)madvise(block, size, MADV_HUGEPAGE);
#endif
    *block = (struct npv_node_block){before, sizeof *block, size};
    return block;
}

static void *allocate(parser *p, size_t size) {
    const size_t rounded = (size + 7) / 8 * 8;
    struct npv_node_block *block = p->tree->blocks;
    if (block == NULL || rounded > block->size - block->used) {
        block = new_block(block, sizeof *block + rounded);
        if (block == NULL) {
            out_of_memory(p, sizeof *block + rounded);
            return NULL;
        }
        p->tree->blocks = block;
    }
    void *const place = (unsigned char *)block + block->used;
    block->used += rounded;
    return place;
}

static bool list_push(parser *p, node_list *list, npv_node *node) {
    if (list->count == list->capacity) {
        const size_t capacity = list->capacity == 0 ? 64 : 2 * list->capacity;
        npv_node **const items = realloc(list->items, capacity * sizeof *items);
        if (items == NULL)
            return out_of_memory(p, capacity * sizeof *items);
        list->items = items;
        list->capacity = capacity;
    }
    list->items[list->count++] = node;
    return true;
}

static bool push(parser *p, npv_node *node) {
    return list_push(p, &p->stack, node);
}

static bool push_new(parser *p, npv_node node) {
    npv_node *const made = allocate(p, sizeof *made);
    if (made == NULL)
        return false;
    *made = node;
    return push(p, made);
}

/* The last `count` nodes of the stack, which must not be below a mark; they stay there. */
static bool top(parser *p, size_t count, npv_node ***nodes) {
    if (count > p->stack.count)
        return damaged(p, "too few values before it");
    *nodes = p->stack.items + p->stack.count - count;
    for (size_t i = 0; i < count; i++)
        if ((*nodes)[i] == &p->mark)
            return damaged(p, "too few values before it");
    return true;
}

/* The nodes above the last mark; they stay there. */
static bool above_mark(parser *p, npv_node ***nodes, size_t *count) {
    size_t first = p->stack.count;
    while (first > 0 && p->stack.items[first - 1] != &p->mark)
        first--;
    if (first == 0)
        return damaged(p, "no MARK before it");
    *nodes = p->stack.items + first;
    *count = p->stack.count - first;
    return true;
}

/* Adds copies of the pointers `nodes` to a container. */
static bool add_run(parser *p, npv_node *container, npv_node *const *nodes, size_t count) {
    if (count == 0)
        return true;
    if (count > UINT32_MAX - container->size)
        return too_large(p, "a list, a tuple or a dict", UINT32_MAX);
    npv_node_run *const run = allocate(p, sizeof *run + count * sizeof(npv_node *));
    if (run == NULL)
        return false;
    run->count = count;
    memcpy(run->items, nodes, count * sizeof *nodes);
    run->next = container->last == NULL ? run : container->last->next;
    if (container->last != NULL)
        container->last->next = run;
    container->last = run;
    container->size += (uint32_t)count;
    return true;
}

/* ------------------------------------------------------------------------------------------- Bytes of the pickle -- */

static bool take(parser *p, uint64_t size, npv_bytes *taken) {
    if (size > p->rest.size)
        return damaged(p, "the pickle ends inside its data");
    *taken = (npv_bytes){p->rest.data, (size_t)size};
    p->rest.data += size;
    p->rest.size -= (size_t)size;
    return true;
}

/* The little-endian number of p->opcode->width bytes. */
static bool take_number(parser *p, uint64_t *number) {
    npv_bytes bytes;
    if (!take(p, p->opcode->width, &bytes))
        return false;
    *number = 0;
    for (size_t i = 0; i < bytes.size; i++)
        *number |= (uint64_t)bytes.data[i] << 8 * i;
    return true;
}

/* As many bytes as the number says that comes first. */
static bool take_counted(parser *p, npv_bytes *taken) {
    uint64_t size;
    if (!take_number(p, &size))
        return false;
    if (size > UINT32_MAX && size <= p->rest.size)
        return too_large(p, "text or bytes", UINT32_MAX);
    return take(p, size, taken);
}

/* What stands before the next line feed, without it. */
static bool take_line(parser *p, npv_bytes *line) {
    const unsigned char *const end = memchr(p->rest.data, '\n', p->rest.size);
    if (end == NULL)
        return damaged(p, "the pickle ends inside its data");
    npv_bytes feed;
    return take(p, (size_t)(end - p->rest.data), line) && take(p, 1, &feed);
}

/* ------------------------------------------------------------------------------------------------- Simple values -- */

static bool read_constant(parser *p) {
    return push(p, &p->tree->constants[p->opcode->kind]);
}

static bool read_unsigned(parser *p) {
    uint64_t number;
    return take_number(p, &number) && push_new(p, (npv_node){.kind = NPV_NODE_INT, .integer = (int64_t)number});
}

static bool read_signed(parser *p) {
    uint64_t number;
    if (!take_number(p, &number))
        return false;
    return push_new(p, (npv_node){.kind = NPV_NODE_INT, .integer = (int32_t)(uint32_t)number});
}

/* Two's complement of any length, which must stay where it is. */
static bool push_integer(parser *p, npv_bytes bytes) {
    const unsigned char sign = bytes.size > 0 && bytes.data[bytes.size - 1] & 0x80 ? 0xff : 0;
    while (bytes.size > 8 && bytes.data[bytes.size - 1] == sign && (bytes.data[bytes.size - 2] & 0x80) == (sign & 0x80))
        bytes.size--;
    if (bytes.size > NPV_MAX_INTEGER_BYTES)
        return too_large(p, "an integer", NPV_MAX_INTEGER_BYTES);
    if (bytes.size > 8)
        return push_new(p, (npv_node){.kind = NPV_NODE_BIG, .size = (uint32_t)bytes.size, .text = bytes.data});
    uint64_t number = sign == 0 ? 0 : UINT64_MAX;
    for (size_t i = bytes.size; i-- > 0;)
        number = number << 8 | bytes.data[i];
    return push_new(p, (npv_node){.kind = NPV_NODE_INT, .integer = (int64_t)number});
}

static bool read_long(parser *p) {
    npv_bytes bytes;
    return take_counted(p, &bytes) && push_integer(p, bytes);
}

/* INT "-5", which has "01" and "00" for True and False, and LONG "-5L". */
static bool read_decimal(parser *p) {
    npv_bytes line;
    if (!take_line(p, &line))
        return false;
    if (p->opcode->kind == NPV_NODE_INT && line.size == 2 && line.data[0] == '0' && (line.data[1] & 0xfe) == '0')
        return push(p, &p->tree->constants[line.data[1] == '1' ? NPV_NODE_TRUE : NPV_NODE_FALSE]);
    if (p->opcode->kind == NPV_NODE_BIG && line.size > 0 && line.data[line.size - 1] == 'L')
        line.size--;
    unsigned char integer[NPV_MAX_INTEGER_BYTES];
    size_t size;
    if (!npv_decimal_to_integer(line, integer, &size))
        return damaged(p, "its line is no integer, or one that is too long");
    unsigned char *const kept = allocate(p, size);
    if (kept == NULL)
        return false;
    memcpy(kept, integer, size);
    return push_integer(p, (npv_bytes){kept, size});
}

static bool read_float(parser *p) {
    npv_bytes bytes;
    if (!take(p, 8, &bytes))
        return false;
    uint64_t bits = 0;
    for (int i = 0; i < 8; i++)
        bits = bits << 8 | bytes.data[i];
    npv_node node = {.kind = NPV_NODE_FLOAT};
    memcpy(&node.real, &bits, sizeof bits);
    return push_new(p, node);
}

static bool read_float_text(parser *p) {
    npv_bytes line;
    if (!take_line(p, &line))
        return false;
    npv_node node = {.kind = NPV_NODE_FLOAT};
    if (!npv_decimal_to_double(line, &node.real))
        return damaged(p, "its line is no float");
    return push_new(p, node);
}

static bool push_text(parser *p, npv_node_kind kind, npv_bytes text) {
    return push_new(p, (npv_node){.kind = (unsigned char)kind, .size = (uint32_t)text.size, .text = text.data});
}

static bool read_bytes(parser *p) {
    npv_bytes bytes;
    return take_counted(p, &bytes) && push_text(p, NPV_NODE_BYTES, bytes);
}

static bool read_str(parser *p) {
    npv_bytes text;
    if (!take_counted(p, &text))
        return false;
    return push_text(p, npv_utf8_valid(text) ? NPV_NODE_STR : NPV_NODE_NOT_UTF8, text);
}

/* The strings of Python 2 were bytes; Python 3 reads them as ASCII. */
static bool read_ascii(parser *p) {
    npv_bytes text;
    if (!take_counted(p, &text))
        return false;
    bool is_ascii = true;
    for (size_t i = 0; is_ascii && i < text.size; i++)
        is_ascii = text.data[i] < 0x80;
    return push_text(p, is_ascii ? NPV_NODE_STR : NPV_NODE_NOT_UTF8, text);
}

/* Reads the hexadecimal digits of \uXXXX or \UXXXXXXXX; false if they are none, or no code point. */
static bool unescape(npv_bytes *line, uint32_t *code_point) {
    const size_t digits = line->data[1] == 'u' ? 4 : 8;
    if (line->size < 2 + digits)
        return false;
    uint64_t value = 0;
    for (size_t i = 2; i < 2 + digits; i++) {
        static const char HEX[] = "0123456789abcdef";
        const int lower = line->data[i] >= 'A' && line->data[i] <= 'F' ? line->data[i] + 32 : line->data[i];
        const char *const digit = lower == 0 ? NULL : strchr(HEX, lower);
        if (digit == NULL)
            return false;
        value = value << 4 | (uint64_t)(digit - HEX);
    }
    *line = (npv_bytes){line->data + 2 + digits, line->size - 2 - digits};
    *code_point = (uint32_t)value;
    return value <= NPV_MAX_CODE_POINT;
}

/* Protocol 0: Latin-1 with \uXXXX and \UXXXXXXXX. Before any other character a backslash is just that. */
static bool read_unicode_line(parser *p) {
    npv_bytes line;
    if (!take_line(p, &line))
        return false;
    unsigned char *const text =
        allocate(p, 2 * line.size); /* a Latin-1 byte becomes two, an escape fewer than it has */
    if (text == NULL)
        return false;
    size_t size = 0;
    while (line.size > 0) {
        uint32_t code_point = line.data[0];
        if (code_point == '\\' && line.size > 1 && (line.data[1] == 'u' || line.data[1] == 'U')) {
            if (!unescape(&line, &code_point))
                return push_text(p, NPV_NODE_NOT_UTF8, (npv_bytes){text, 0});
        } else if (code_point == '\\' && line.size > 1) { /* it may be a second backslash, which begins nothing */
            text[size++] = '\\';
            code_point = line.data[1];
            line = (npv_bytes){line.data + 2, line.size - 2};
        } else {
            line = (npv_bytes){line.data + 1, line.size - 1};
        }
        size += npv_utf8_encode(code_point, text + size);
    }
    return push_text(p, NPV_NODE_STR, (npv_bytes){text, size});
}

/* ---------------------------------------------------------------------------------------------------- Containers -- */

static bool read_mark(parser *p) {
    return push(p, &p->mark);
}

static bool read_empty(parser *p) {
    return push_new(p, (npv_node){.kind = p->opcode->kind, .other = p->opcode->note});
}

static bool check_pairs(parser *p, npv_node_kind kind, size_t count) {
    return kind != NPV_NODE_DICT || count % 2 == 0 || damaged(p, "a key without a value");
}

/* LIST, TUPLE, DICT, FROZENSET: a container of all above the mark, in place of both. */
static bool read_from_mark(parser *p) {
    npv_node **nodes, container = {.kind = p->opcode->kind};
    size_t count;
    if (!above_mark(p, &nodes, &count) || !check_pairs(p, container.kind, count))
        return false;
    if (container.kind == NPV_NODE_OTHER)
        container.other = p->opcode->note;
    else if (!add_run(p, &container, nodes, count))
        return false;
    p->stack.count -= count + 1;
    return push_new(p, container);
}

static bool push_tuple(parser *p, size_t count) {
    npv_node **nodes, tuple = {.kind = NPV_NODE_TUPLE};
    if (!top(p, count, &nodes) || !add_run(p, &tuple, nodes, count))
        return false;
    p->stack.count -= count;
    return push_new(p, tuple);
}

static bool read_tuple1(parser *p) {
    return push_tuple(p, 1);
}

static bool read_tuple2(parser *p) {
    return push_tuple(p, 2);
}

static bool read_tuple3(parser *p) {
    return push_tuple(p, 3);
}

/* Adds the last `count` values of the stack to the container before them. What is added to an object of a class is
 * dropped: no document can hold the object. */
static bool fill(parser *p, npv_node *container, npv_node *const *nodes, size_t count) {
    const bool is_object = container->kind == NPV_NODE_CALL || container->kind == NPV_NODE_OTHER;
    if (!is_object && container->kind != p->opcode->kind)
        return damaged(p, "the value that it adds to is of another kind");
    return check_pairs(p, p->opcode->kind, count) && (is_object || add_run(p, container, nodes, count));
}

/* APPEND and SETITEM: one item, or one key and its value. */
static bool read_add_one(parser *p) {
    const size_t count = p->opcode->kind == NPV_NODE_DICT ? 2 : 1;
    npv_node **nodes;
    if (!top(p, count + 1, &nodes))
        return false;
    p->stack.count -= count;
    return fill(p, nodes[0], nodes + 1, count);
}

/* APPENDS, SETITEMS, ADDITEMS: all above the mark. */
static bool read_add_all(parser *p) {
    npv_node **container, **nodes;
    size_t count;
    if (!above_mark(p, &nodes, &count))
        return false;
    p->stack.count -= count + 1;
    return top(p, 1, &container) && fill(p, *container, nodes, count);
}

/* ---------------------------------------------------------------------------------------------------------- Memo -- */

static bool remember(parser *p, uint64_t index) {
    npv_node **node;
    if (!top(p, 1, &node))
        return false;
    if (index > p->size) /* Python counts from 0, so more would only be room for nothing */
        return damaged(p, "its number in the memo is larger than the pickle");
    while (p->memo.count <= index)
        if (!list_push(p, &p->memo, NULL))
            return false;
    p->memo.items[index] = *node;
    return true;
}

static bool recall(parser *p, uint64_t index) {
    if (index >= p->memo.count || p->memo.items[index] == NULL)
        return damaged(p, "nothing has that number in the memo");
    return push(p, p->memo.items[index]);
}

/* A number of the memo: p->opcode->width bytes, or, for 0, a line of digits. */
static bool take_memo_index(parser *p, uint64_t *index) {
    if (p->opcode->width > 0)
        return take_number(p, index);
    npv_bytes line;
    if (!take_line(p, &line))
        return false;
    *index = 0;
    for (size_t i = 0; i < line.size; i++) {
        if (line.data[i] < '0' || line.data[i] > '9' || i >= 18)
            return damaged(p, "its line is no number of the memo");
        *index = *index * 10 + (uint64_t)(line.data[i] - '0');
    }
    return true;
}

static bool read_put(parser *p) {
    uint64_t index;
    return take_memo_index(p, &index) && remember(p, index);
}

static bool read_get(parser *p) {
    uint64_t index;
    return take_memo_index(p, &index) && recall(p, index);
}

static bool read_memoize(parser *p) {
    return remember(p, p->memo.count);
}

/* ------------------------------------------------------------------------------------------------------- Classes -- */

static const struct {
    const char *module, *name;
    npv_global_name known;
} GLOBALS[] = {
    {"numpy.core.multiarray", "_reconstruct", NPV_GLOBAL_RECONSTRUCT},
    {"numpy._core.multiarray", "_reconstruct", NPV_GLOBAL_RECONSTRUCT},
    {"numpy.core.numeric", "_frombuffer", NPV_GLOBAL_FROM_BUFFER},
    {"numpy._core.numeric", "_frombuffer", NPV_GLOBAL_FROM_BUFFER},
    {"numpy.core.multiarray", "scalar", NPV_GLOBAL_SCALAR},
    {"numpy._core.multiarray", "scalar", NPV_GLOBAL_SCALAR},
    {"numpy", "ndarray", NPV_GLOBAL_NDARRAY},
    {"numpy", "dtype", NPV_GLOBAL_DTYPE},
    {"_codecs", "encode", NPV_GLOBAL_ENCODE},
    {"builtins", "bytes", NPV_GLOBAL_BYTES},
    {"__builtin__", "bytes", NPV_GLOBAL_BYTES},
    {"pickle", "loads", NPV_GLOBAL_LOADS},
};

static bool is_text(npv_bytes bytes, const char *text) {
    return bytes.size == strlen(text) && memcmp(bytes.data, text, bytes.size) == 0;
}

static bool push_global(parser *p, npv_bytes module, npv_bytes name) {
    npv_node_global *const global = allocate(p, sizeof *global);
    if (global == NULL)
        return false;
    *global = (npv_node_global){NPV_GLOBAL_STRANGER, module, name};
    for (size_t i = 0; i < sizeof GLOBALS / sizeof *GLOBALS; i++)
        if (is_text(module, GLOBALS[i].module) && is_text(name, GLOBALS[i].name))
            global->known = GLOBALS[i].known;
    if (!push_new(p, (npv_node){.kind = NPV_NODE_GLOBAL, .global = global}))
        return false;
    if (global->known == NPV_GLOBAL_STRANGER && p->tree->stranger == NULL)
        p->tree->stranger = p->stack.items[p->stack.count - 1];
    return true;
}

static bool read_global(parser *p) {
    npv_bytes module, name;
    return take_line(p, &module) && take_line(p, &name) && push_global(p, module, name);
}

static bool read_stack_global(parser *p) {
    npv_node **nodes;
    if (!top(p, 2, &nodes))
        return false;
    const npv_node *const module = nodes[0], *const name = nodes[1];
    if (module->kind != NPV_NODE_STR || name->kind != NPV_NODE_STR)
        return damaged(p, "the name of a class is not text");
    p->stack.count -= 2;
    return push_global(p, (npv_bytes){module->text, module->size}, (npv_bytes){name->text, name->size});
}

/* Protocols 0 to 2 have no opcode for bytes: Python writes encode(text, 'latin1'), and bytes() if there are none. */
static bool as_bytes(const npv_node *callable, const npv_node *arguments, npv_node *bytes) {
    if (callable->kind != NPV_NODE_GLOBAL)
        return false;
    if (callable->global->known == NPV_GLOBAL_BYTES && arguments->size == 0) {
        *bytes = (npv_node){.kind = NPV_NODE_BYTES, .text = (const unsigned char *)""};
        return true;
    }
    npv_node *const *const text = npv_node_tuple_items(arguments, 2);
    if (callable->global->known != NPV_GLOBAL_ENCODE || text == NULL || text[0]->kind != NPV_NODE_STR ||
        !npv_node_is_text(text[1], "latin1"))
        return false;
    *bytes = (npv_node){.kind = NPV_NODE_LATIN1, .size = text[0]->size, .text = text[0]->text};
    return true;
}

/* REDUCE and NEWOBJ: a callable and its arguments. NEWOBJ_EX: keyword arguments, too, which none of ours has. */
static bool read_call(parser *p) {
    const size_t count = p->opcode->width;
    npv_node **nodes;
    if (!top(p, count, &nodes))
        return false;
    npv_node *const callable = nodes[0], *const arguments = nodes[1];
    if (arguments->kind != NPV_NODE_TUPLE)
        return damaged(p, "the arguments of a class are no tuple");
    p->stack.count -= count;
    npv_node bytes;
    if (as_bytes(callable, arguments, &bytes))
        return push_new(p, bytes);
    npv_node_call *const call = allocate(p, sizeof *call);
    if (call == NULL)
        return false;
    *call = (npv_node_call){callable, arguments, NULL};
    return push_new(p, (npv_node){.kind = NPV_NODE_CALL, .call = call});
}

static bool read_build(parser *p) {
    npv_node **nodes;
    if (!top(p, 2, &nodes))
        return false;
    if (nodes[0]->kind != NPV_NODE_CALL || nodes[0]->call->state != NULL)
        return damaged(p, "there is no new object to build");
    nodes[0]->call->state = nodes[1];
    p->stack.count--;
    return true;
}

static bool refuse(parser *p) {
    p->status = npv_fail(p->error, NPV_E_UNSUPPORTED,
                         "the pickle of the documents: byte %zu, opcode %s: %s is not data that npvec reads", p->at,
                         p->opcode->name, p->opcode->note);
    return false;
}

/* Only behind an object (meta/documents.h): what it drops is the object's document. */
static bool read_pop(parser *p) {
    if (p->stack.count < 2)
        return refuse(p);
    npv_node *const object = p->stack.items[p->stack.count - 2], *const document = p->stack.items[p->stack.count - 1];
    if (document == &p->mark || npv_node_call_arguments(object, NPV_GLOBAL_LOADS, 1) == NULL ||
        object->call->state != NULL)
        return refuse(p);
    object->call->state = document;
    p->stack.count--;
    return true;
}

static bool read_bytearray(parser *p) {
    npv_bytes bytes;
    return take_counted(p, &bytes) && read_empty(p);
}

/* ---------------------------------------------------------------------------------------------------- The pickle -- */

static bool read_protocol(parser *p) {
    uint64_t protocol;
    if (!take_number(p, &protocol))
        return false;
    if (protocol <= 5)
        return true;
    p->status = npv_fail(p->error, NPV_E_UNSUPPORTED,
                         "the documents are in pickle protocol %d; npvec reads 0 to 5: save the file with protocol 4",
                         (int)protocol);
    return false;
}

/* Frames only say how much may be read ahead. */
static bool read_frame(parser *p) {
    uint64_t size;
    return take_number(p, &size) && (size <= p->rest.size || damaged(p, "the pickle ends inside its data"));
}

static bool read_stop(parser *p) {
    npv_node **root;
    if (!top(p, 1, &root))
        return false;
    if (p->stack.count != 1)
        return damaged(p, "values are left over");
    if (p->rest.size > 0)
        return damaged(p, "bytes follow the end");
    p->tree->root = *root;
    return true;
}

/* docs/format-pickle.md explains this table. */
static const opcode OPCODES[256] = {
    [0x80] = {"PROTO", read_protocol, 0, 1, NULL},
    [0x95] = {"FRAME", read_frame, 0, 8, NULL},
    ['.'] = {"STOP", read_stop, 0, 0, NULL},

    ['N'] = {"NONE", read_constant, NPV_NODE_NONE, 0, NULL},
    [0x88] = {"NEWTRUE", read_constant, NPV_NODE_TRUE, 0, NULL},
    [0x89] = {"NEWFALSE", read_constant, NPV_NODE_FALSE, 0, NULL},
    ['K'] = {"BININT1", read_unsigned, 0, 1, NULL},
    ['M'] = {"BININT2", read_unsigned, 0, 2, NULL},
    ['J'] = {"BININT", read_signed, 0, 4, NULL},
    [0x8a] = {"LONG1", read_long, 0, 1, NULL},
    [0x8b] = {"LONG4", read_long, 0, 4, NULL},
    ['I'] = {"INT", read_decimal, NPV_NODE_INT, 0, NULL},
    ['L'] = {"LONG", read_decimal, NPV_NODE_BIG, 0, NULL},
    ['G'] = {"BINFLOAT", read_float, 0, 0, NULL},
    ['F'] = {"FLOAT", read_float_text, 0, 0, NULL},
    [0x8c] = {"SHORT_BINUNICODE", read_str, 0, 1, NULL},
    ['X'] = {"BINUNICODE", read_str, 0, 4, NULL},
    [0x8d] = {"BINUNICODE8", read_str, 0, 8, NULL},
    ['V'] = {"UNICODE", read_unicode_line, 0, 0, NULL},
    ['U'] = {"SHORT_BINSTRING", read_ascii, 0, 1, NULL},
    ['T'] = {"BINSTRING", read_ascii, 0, 4, NULL},
    ['C'] = {"SHORT_BINBYTES", read_bytes, 0, 1, NULL},
    ['B'] = {"BINBYTES", read_bytes, 0, 4, NULL},
    [0x8e] = {"BINBYTES8", read_bytes, 0, 8, NULL},

    ['('] = {"MARK", read_mark, 0, 0, NULL},
    [']'] = {"EMPTY_LIST", read_empty, NPV_NODE_LIST, 0, NULL},
    [')'] = {"EMPTY_TUPLE", read_empty, NPV_NODE_TUPLE, 0, NULL},
    ['}'] = {"EMPTY_DICT", read_empty, NPV_NODE_DICT, 0, NULL},
    ['l'] = {"LIST", read_from_mark, NPV_NODE_LIST, 0, NULL},
    ['t'] = {"TUPLE", read_from_mark, NPV_NODE_TUPLE, 0, NULL},
    ['d'] = {"DICT", read_from_mark, NPV_NODE_DICT, 0, NULL},
    [0x85] = {"TUPLE1", read_tuple1, 0, 0, NULL},
    [0x86] = {"TUPLE2", read_tuple2, 0, 0, NULL},
    [0x87] = {"TUPLE3", read_tuple3, 0, 0, NULL},
    ['a'] = {"APPEND", read_add_one, NPV_NODE_LIST, 0, NULL},
    ['e'] = {"APPENDS", read_add_all, NPV_NODE_LIST, 0, NULL},
    ['s'] = {"SETITEM", read_add_one, NPV_NODE_DICT, 0, NULL},
    ['u'] = {"SETITEMS", read_add_all, NPV_NODE_DICT, 0, NULL},

    ['p'] = {"PUT", read_put, 0, 0, NULL},
    ['q'] = {"BINPUT", read_put, 0, 1, NULL},
    ['r'] = {"LONG_BINPUT", read_put, 0, 4, NULL},
    [0x94] = {"MEMOIZE", read_memoize, 0, 0, NULL},
    ['g'] = {"GET", read_get, 0, 0, NULL},
    ['h'] = {"BINGET", read_get, 0, 1, NULL},
    ['j'] = {"LONG_BINGET", read_get, 0, 4, NULL},

    ['c'] = {"GLOBAL", read_global, 0, 0, NULL},
    [0x93] = {"STACK_GLOBAL", read_stack_global, 0, 0, NULL},
    ['R'] = {"REDUCE", read_call, 0, 2, NULL},
    [0x81] = {"NEWOBJ", read_call, 0, 2, NULL},
    [0x92] = {"NEWOBJ_EX", read_call, 0, 3, NULL},
    ['b'] = {"BUILD", read_build, 0, 0, NULL},

    /* Read only so that the row can be named that holds such a thing. */
    [0x8f] = {"EMPTY_SET", read_empty, NPV_NODE_OTHER, 0, "set"},
    [0x90] = {"ADDITEMS", read_add_all, NPV_NODE_OTHER, 0, NULL},
    [0x91] = {"FROZENSET", read_from_mark, NPV_NODE_OTHER, 0, "frozenset"},
    [0x96] = {"BYTEARRAY8", read_bytearray, NPV_NODE_OTHER, 8, "bytearray"},

    ['0'] = {"POP", read_pop, 0, 0, "a tuple that refers to itself"},
    ['1'] = {"POP_MARK", refuse, 0, 0, "a tuple that refers to itself"},
    ['2'] = {"DUP", refuse, 0, 0, "a value on the stack twice"},
    ['S'] = {"STRING", refuse, 0, 0, "a string of Python 2's protocol 0"},
    ['P'] = {"PERSID", refuse, 0, 0, "an object kept outside the pickle"},
    ['Q'] = {"BINPERSID", refuse, 0, 0, "an object kept outside the pickle"},
    ['i'] = {"INST", refuse, 0, 0, "an object of a class"},
    ['o'] = {"OBJ", refuse, 0, 0, "an object of a class"},
    [0x82] = {"EXT1", refuse, 0, 0, "an object of a registered class"},
    [0x83] = {"EXT2", refuse, 0, 0, "an object of a registered class"},
    [0x84] = {"EXT4", refuse, 0, 0, "an object of a registered class"},
    [0x97] = {"NEXT_BUFFER", refuse, 0, 0, "a buffer kept outside the pickle"},
    [0x98] = {"READONLY_BUFFER", refuse, 0, 0, "a buffer kept outside the pickle"},
};

static npv_status parse(parser *p) {
    while (p->tree->root == NULL && p->status == NPV_OK) {
        p->at = p->size - p->rest.size;
        if (p->rest.size == 0)
            return npv_fail(p->error, NPV_E_FORMAT,
                            "the pickle of the documents is cut off: it ends at byte %zu without STOP", p->at);
        const unsigned char byte = *p->rest.data++;
        p->rest.size--;
        p->opcode = &OPCODES[byte];
        if (p->opcode->read == NULL)
            return npv_fail(p->error, NPV_E_FORMAT,
                            "the pickle of the documents is damaged: byte %zu is 0x%02x, which is no opcode", p->at,
                            byte);
        (void)p->opcode->read(p); /* p->status says the same */
    }
    return p->status;
}

npv_status npv_pickle_tree_parse(npv_bytes pickle, npv_pickle_tree *tree, npv_error *error) {
    *tree =
        (npv_pickle_tree){.constants = {{.kind = NPV_NODE_NONE}, {.kind = NPV_NODE_FALSE}, {.kind = NPV_NODE_TRUE}}};
    parser p = {.rest = pickle, .size = pickle.size, .tree = tree, .error = error};
    const npv_status status = parse(&p);
    free(p.stack.items);
    free(p.memo.items);
    return status;
}

void npv_pickle_tree_free(npv_pickle_tree *tree) {
    while (tree->blocks != NULL) {
        struct npv_node_block *const next = tree->blocks->next;
        free(tree->blocks);
        tree->blocks = next;
    }
}

npv_node *const *npv_node_tuple_items(const npv_node *node, size_t count) {
    const bool is_such = node != NULL && node->kind == NPV_NODE_TUPLE && node->size == count && count > 0;
    return is_such ? node->last->items : NULL;
}

bool npv_node_is_text(const npv_node *node, const char *text) {
    return node->kind == NPV_NODE_STR && is_text((npv_bytes){node->text, node->size}, text);
}

npv_node *const *npv_node_call_arguments(const npv_node *node, npv_global_name class_name, size_t count) {
    if (node->kind != NPV_NODE_CALL || node->call->callable->kind != NPV_NODE_GLOBAL ||
        node->call->callable->global->known != class_name)
        return NULL;
    return npv_node_tuple_items(node->call->arguments, count);
}
