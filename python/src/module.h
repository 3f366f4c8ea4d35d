/* What the files of the extension module share. It sees the library through npvec.h alone. */
#ifndef NPVEC_PYTHON_MODULE_H
#define NPVEC_PYTHON_MODULE_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <npvec.h>

#include <stdbool.h>

typedef struct module_state {
    PyTypeObject *store;
    PyTypeObject *filter;
    PyTypeObject *memory;
    PyObject *filter_error;
    PyObject *unsupported_error;
    PyObject *unread; /* stands in an array of metadata for what is still in the file alone */
    PyObject *index;  /* names of attributes, as what follows */
    PyObject *value;
    PyObject *metadata;
    PyObject *objects;
} module_state;

typedef struct store_object {
    PyObject_HEAD npv_store
        *store; /* never changes, and is closed with the object: what borrows from it holds the object */
    size_t dimensions;
} store_object;

/* ---------------------------------------------------------------------------------------------- errors and types -- */

/* The message as text. It is UTF-8, but for paths, which are what the system takes. */
PyObject *decode_message(const npv_error *error);

/* Raises the exception that fits the error, and returns NULL. */
PyObject *raise_error(module_state *state, const npv_error *error);

/* Raises TypeError unless a method was given this many arguments. */
bool check_count(const char *method, Py_ssize_t expected, Py_ssize_t found);

extern PyType_Spec store_spec;
extern PyType_Spec filter_spec;
extern PyType_Spec memory_spec;

PyObject *store_create(PyObject *module, PyObject *const *arguments, Py_ssize_t count);
PyObject *store_open(PyObject *module, PyObject *const *arguments, Py_ssize_t count);
PyObject *filter_compile(PyObject *module, PyObject *const *arguments, Py_ssize_t count);

/* The filter of an object that is a Filter or None (NULL). False, with TypeError: it is neither. */
bool filter_of(module_state *state, PyObject *object, const npv_filter **filter);

/* Memory of a store as a read-only memoryview, which keeps `owner` alive. */
PyObject *memory_new(module_state *state, PyObject *owner, const void *data, size_t size);

/* ----------------------------------------------------------------------------------------------------- arguments -- */

/* Texts that stay where they are while the GIL is released. */
typedef struct text_list {
    PyObject *held;
    const char **text; /* NULL: the argument was None */
    size_t count;
} text_list;

/* `none_allowed`: elements may be None, and then are NULL. */
bool texts_read(PyObject *sequence, bool none_allowed, text_list *texts);
void texts_free(text_list *texts);

/*
 * A buffer of this format ('f', 'd', 'q') and these bytes, or NULL for None, in view->buf. False with an exception for
 * all else: the package hands over arrays that are right.
 */
bool buffer_read(PyObject *object, char format, Py_ssize_t size, bool writable, Py_buffer *view);
#define ANY_SIZE ((Py_ssize_t) - 1)

/* Rows (int64, none negative) and ids and a filter. */
typedef struct selection_argument {
    npv_selection selection;
    Py_buffer rows;
    text_list ids;
} selection_argument;

bool selection_read(module_state *state, PyObject *rows, PyObject *ids, PyObject *filter, selection_argument *argument);
void selection_free(selection_argument *argument);

/* ----------------------------------------------------------------------------------------------------- documents -- */

/* JSON of Python objects, one text behind the other. */
typedef struct json_writer {
    char *data;
    size_t size;
    size_t room;
    bool exact; /* so far JSON says all that there is */
    int depth;
} json_writer;

/*
 * Appends the JSON of any object. What JSON cannot say is left out or comes near: null, an array for a tuple, the base
 * type for a derived one; then `exact` becomes false. False with an exception: no memory.
 */
bool json_write(json_writer *writer, PyObject *object);

/*
 * The documents of a sequence of objects, each NULL for None and for what is beyond the limits. Of what JSON does not
 * say wholly `pickler` (a callable, or None: nobody asks) makes the bytes that the library keeps beside the document.
 */
typedef struct documents_argument {
    json_writer writer;
    const char **text;   /* NULL: the argument was None */
    npv_object *objects; /* NULL: there are none */
    PyObject *pickles;   /* what they point into */
} documents_argument;

bool documents_read(PyObject *sequence, size_t count, PyObject *pickler, documents_argument *documents);
void documents_free(documents_argument *documents);

/*
 * snapshot(list or tuple of objects) -> copies of them as they are now, or None if they are not plain data: dicts with
 * text as keys, lists, text, numbers, booleans and None, all of these very types
 */
PyObject *snapshot(PyObject *module, PyObject *objects);

/* ------------------------------------------------------------------------------------------ methods of the store -- */

PyObject *store_add(PyObject *self, PyObject *const *arguments, Py_ssize_t count);
PyObject *store_upsert(PyObject *self, PyObject *const *arguments, Py_ssize_t count);
PyObject *store_places(PyObject *self, PyObject *const *arguments, Py_ssize_t count);
PyObject *store_set_documents(PyObject *self, PyObject *const *arguments, Py_ssize_t count);
PyObject *store_delete(PyObject *self, PyObject *const *arguments, Py_ssize_t count);
PyObject *store_count(PyObject *self, PyObject *const *arguments, Py_ssize_t count);
PyObject *store_select(PyObject *self, PyObject *const *arguments, Py_ssize_t count);
PyObject *store_facets(PyObject *self, PyObject *const *arguments, Py_ssize_t count);
PyObject *store_search(PyObject *self, PyObject *const *arguments, Py_ssize_t count);
PyObject *store_search_batch(PyObject *self, PyObject *const *arguments, Py_ssize_t count);
PyObject *store_explain(PyObject *self, PyObject *const *arguments, Py_ssize_t count);
PyObject *store_holds(PyObject *self, PyObject *const *arguments, Py_ssize_t count);

static inline module_state *state_of(PyObject *self) {
    return (module_state *)PyType_GetModuleState(Py_TYPE(self));
}

static inline store_object *store_of(PyObject *self) {
    return (store_object *)(void *)self;
}

#endif
