/* The type Store: one npv_store. Create, open, save; what it is; its rows one by one. */
#include "module.h"

#include <string.h>

/* ----------------------------------------------------------------------------------------------- create and open -- */

static PyObject *wrap(module_state *state, npv_store *store) {
    npv_info info = {.size = sizeof info};
    npv_error error;
    if (npv_get_info(store, &info, &error) != NPV_OK) {
        npv_close(store);
        return raise_error(state, &error);
    }
    store_object *const object = PyObject_New(store_object, state->store);
    if (object == NULL) {
        npv_close(store);
        return NULL;
    }
    object->store = store;
    object->dimensions = info.dimensions;
    return (PyObject *)object;
}

/* What create and open have in common: (dimensions, normalize or None, threads, durability, names or None, types). */
typedef struct open_argument {
    npv_store_options options;
    npv_field *fields;
    text_list names, types;
} open_argument;

static bool read_options(PyObject *const *arguments, npv_store_options *options) {
    options->dimensions = PyLong_AsSize_t(arguments[0]);
    if (PyErr_Occurred() != NULL)
        return false;
    if (arguments[1] != Py_None)
        options->normalize = PyObject_IsTrue(arguments[1]) ? NPV_NORMALIZE_ON : NPV_NORMALIZE_OFF;
    options->threads = (unsigned)PyLong_AsUnsignedLong(arguments[2]);
    if (PyErr_Occurred() == NULL)
        options->durability = (npv_durability)PyLong_AsLong(arguments[3]);
    return PyErr_Occurred() == NULL;
}

static bool read_fields(PyObject *names, PyObject *types, open_argument *argument) {
    if (!texts_read(names, false, &argument->names) || !texts_read(types, false, &argument->types))
        return false;
    const size_t count = argument->names.count;
    if (argument->types.count != count) {
        PyErr_SetString(PyExc_ValueError, "expected as many types as names");
        return false;
    }
    argument->fields = PyMem_Calloc(count + 1, sizeof *argument->fields);
    if (argument->fields == NULL) {
        PyErr_NoMemory();
        return false;
    }
    for (size_t i = 0; i < count; i++)
        argument->fields[i] = (npv_field){argument->names.text[i], argument->types.text[i]};
    argument->options.fields = argument->names.text == NULL ? NULL : argument->fields;
    argument->options.field_count = count;
    return true;
}

static bool open_argument_read(PyObject *const *arguments, open_argument *argument) {
    memset(argument, 0, sizeof *argument);
    argument->options = (npv_store_options)NPV_STORE_OPTIONS_INIT;
    return read_options(arguments, &argument->options) && read_fields(arguments[4], arguments[5], argument);
}

static void open_argument_free(open_argument *argument) {
    PyMem_Free(argument->fields);
    texts_free(&argument->names);
    texts_free(&argument->types);
}

/* create(the six above) -> Store */
PyObject *store_create(PyObject *module, PyObject *const *arguments, Py_ssize_t count) {
    module_state *const state = PyModule_GetState(module);
    open_argument argument;
    npv_store *store = NULL;
    PyObject *object = NULL;
    npv_error error;
    npv_status status;
    if (!check_count("create", 6, count))
        return NULL;
    if (open_argument_read(arguments, &argument)) {
        Py_BEGIN_ALLOW_THREADS status = npv_create(&argument.options, &store, &error);
        Py_END_ALLOW_THREADS object = status == NPV_OK ? wrap(state, store) : raise_error(state, &error);
    }
    open_argument_free(&argument);
    return object;
}

/* open(path as bytes, the six above) -> Store. Dimensions 0, no fields: whatever the file has. */
PyObject *store_open(PyObject *module, PyObject *const *arguments, Py_ssize_t count) {
    module_state *const state = PyModule_GetState(module);
    open_argument argument;
    npv_store *store = NULL;
    PyObject *object = NULL;
    npv_error error;
    npv_status status;
    if (!check_count("open", 7, count))
        return NULL;
    const char *const path = PyBytes_AsString(arguments[0]);
    if (path == NULL)
        return NULL;
    if (open_argument_read(arguments + 1, &argument)) {
        Py_BEGIN_ALLOW_THREADS status = npv_open(path, &argument.options, &store, &error);
        Py_END_ALLOW_THREADS object = status == NPV_OK ? wrap(state, store) : raise_error(state, &error);
    }
    open_argument_free(&argument);
    return object;
}

/* save(path as bytes, compress) */
static PyObject *save(PyObject *self, PyObject *const *arguments, Py_ssize_t count) {
    npv_store *const store = store_of(self)->store;
    npv_save_options options = NPV_SAVE_OPTIONS_INIT;
    npv_error error;
    if (!check_count("save", 2, count))
        return NULL;
    const char *const path = PyBytes_AsString(arguments[0]);
    options.compress = PyObject_IsTrue(arguments[1]);
    if (path == NULL || options.compress < 0)
        return NULL;
    npv_status status;
    Py_BEGIN_ALLOW_THREADS status = npv_save(store, path, &options, &error);
    Py_END_ALLOW_THREADS return status == NPV_OK ? Py_NewRef(Py_None) : raise_error(state_of(self), &error);
}

/* refresh() -> 0: nothing is new, 1: rows came, changed or went, 2: and have other numbers */
static PyObject *refresh(PyObject *self, PyObject *unused) {
    npv_store *const store = store_of(self)->store;
    int changed = 0;
    npv_error error;
    npv_status status;
    (void)unused;
    Py_BEGIN_ALLOW_THREADS status = npv_refresh(store, &changed, &error);
    Py_END_ALLOW_THREADS return status == NPV_OK ? PyLong_FromLong(changed) : raise_error(state_of(self), &error);
}

/* clear() */
static PyObject *clear(PyObject *self, PyObject *unused) {
    npv_store *const store = store_of(self)->store;
    npv_error error;
    npv_status status;
    (void)unused;
    Py_BEGIN_ALLOW_THREADS status = npv_clear(store, &error);
    Py_END_ALLOW_THREADS return status == NPV_OK ? Py_NewRef(Py_None) : raise_error(state_of(self), &error);
}

/* Unmapping much memory takes its time. */
static void dealloc(PyObject *self) {
    PyTypeObject *const type = Py_TYPE(self);
    npv_store *const store = store_of(self)->store;
    Py_BEGIN_ALLOW_THREADS npv_close(store);
    Py_END_ALLOW_THREADS PyObject_Free(self);
    Py_DECREF(type);
}

/* ------------------------------------------------------------------------------------------------- what it holds -- */

static bool get_info(PyObject *self, npv_info *info) {
    npv_store *const store = store_of(self)->store;
    npv_error error;
    npv_status status;
    *info = (npv_info){.size = sizeof *info};
    Py_BEGIN_ALLOW_THREADS status = npv_get_info(store, info, &error);
    Py_END_ALLOW_THREADS if (status != NPV_OK) raise_error(state_of(self), &error);
    return status == NPV_OK;
}

/* info() -> (rows, row_end, dimensions, normalize, metadata kind, mapped, threads, kernels, ids, origin, durability,
 * generation, bytes of the journal, note on the journal) */
static PyObject *info(PyObject *self, PyObject *unused) {
    npv_info found;
    (void)unused;
    if (!get_info(self, &found))
        return NULL;
    return Py_BuildValue("(KKnNiNIsKsiKKs)", (unsigned long long)found.rows, (unsigned long long)found.row_end,
                         (Py_ssize_t)found.dimensions, PyBool_FromLong(found.normalize), (int)found.metadata,
                         PyBool_FromLong(found.mapped), found.threads, found.kernels, (unsigned long long)found.ids,
                         found.origin, (int)found.durability, (unsigned long long)found.generation,
                         (unsigned long long)found.journal_bytes, found.journal_note);
}

/* size() -> (rows, row_end) */
static PyObject *size(PyObject *self, PyObject *unused) {
    npv_info found;
    (void)unused;
    return get_info(self, &found)
               ? Py_BuildValue("(KK)", (unsigned long long)found.rows, (unsigned long long)found.row_end)
               : NULL;
}

/* vectors(rows) -> memory of the first rows, of which the store has had so many */
static PyObject *vectors(PyObject *self, PyObject *rows) {
    const store_object *const object = store_of(self);
    const size_t count = PyLong_AsSize_t(rows);
    const float *memory;
    if (PyErr_Occurred() != NULL)
        return NULL;
    Py_BEGIN_ALLOW_THREADS memory = npv_vectors(object->store);
    Py_END_ALLOW_THREADS return memory_new(state_of(self), self, memory,
                                           memory == NULL ? 0 : count * object->dimensions * sizeof(float));
}

static bool get_schema(PyObject *self, npv_schema *schema) {
    npv_store *const store = store_of(self)->store;
    npv_error error;
    npv_status status;
    *schema = (npv_schema){.size = sizeof *schema};
    Py_BEGIN_ALLOW_THREADS status = npv_get_schema(store, schema, &error);
    Py_END_ALLOW_THREADS if (status != NPV_OK) raise_error(state_of(self), &error);
    return status == NPV_OK;
}

/* descr() -> the type of records as NumPy spells it, or None */
static PyObject *descr(PyObject *self, PyObject *unused) {
    npv_schema schema;
    (void)unused;
    return get_schema(self, &schema) ? Py_BuildValue("z", schema.descr) : NULL;
}

/* records(rows) -> memory of the first records */
static PyObject *records(PyObject *self, PyObject *rows) {
    npv_schema schema;
    const size_t count = PyLong_AsSize_t(rows);
    if (PyErr_Occurred() != NULL || !get_schema(self, &schema))
        return NULL;
    return memory_new(state_of(self), self, schema.records, schema.records == NULL ? 0 : count * schema.record_size);
}

/* ------------------------------------------------------------------------------------------------------- one row -- */

/* vector(row) -> a copy, as a bytearray. Whoever replaces it meanwhile sees to it that the copy is thrown away. */
static PyObject *vector(PyObject *self, PyObject *row) {
    const store_object *const object = store_of(self);
    const unsigned long long number = PyLong_AsUnsignedLongLong(row);
    const float *found = NULL;
    npv_error error;
    npv_status status;
    if (PyErr_Occurred() != NULL)
        return NULL;
    Py_BEGIN_ALLOW_THREADS status = npv_get_vector(object->store, number, &found, &error);
    Py_END_ALLOW_THREADS if (status != NPV_OK) return raise_error(state_of(self), &error);
    return PyByteArray_FromStringAndSize((const char *)found, (Py_ssize_t)(object->dimensions * sizeof *found));
}

/* document(row) -> JSON or None */
static PyObject *document(PyObject *self, PyObject *row) {
    npv_store *const store = store_of(self)->store;
    const unsigned long long number = PyLong_AsUnsignedLongLong(row);
    char *json = NULL;
    npv_error error;
    npv_status status;
    if (PyErr_Occurred() != NULL)
        return NULL;
    Py_BEGIN_ALLOW_THREADS status = npv_get_document(store, number, &json, &error);
    Py_END_ALLOW_THREADS if (status != NPV_OK) return raise_error(state_of(self), &error);
    PyObject *const text = Py_BuildValue("z", json);
    npv_free(json);
    return text;
}

typedef npv_status get_bytes(npv_store *store, uint64_t row, unsigned char **bytes, size_t *size, npv_error *error);

/* What the library has of a row, as bytes, or None. */
static PyObject *bytes_of_row(PyObject *self, PyObject *row, get_bytes *get) {
    npv_store *const store = store_of(self)->store;
    const unsigned long long number = PyLong_AsUnsignedLongLong(row);
    unsigned char *bytes = NULL;
    size_t count = 0;
    npv_error error;
    npv_status status;
    if (PyErr_Occurred() != NULL)
        return NULL;
    Py_BEGIN_ALLOW_THREADS status = get(store, number, &bytes, &count, &error);
    Py_END_ALLOW_THREADS if (status != NPV_OK) return raise_error(state_of(self), &error);
    PyObject *const found = Py_BuildValue("y#", (const char *)bytes, (Py_ssize_t)count);
    npv_free(bytes);
    return found;
}

/* pickle(row) -> the document with all its types, as bytes, or None */
static PyObject *pickle(PyObject *self, PyObject *row) {
    return bytes_of_row(self, row, npv_get_pickle);
}

/* object(row) -> the pickle beside the document, as bytes, or None */
static PyObject *object(PyObject *self, PyObject *row) {
    return bytes_of_row(self, row, npv_get_object);
}

/* has_objects() -> whether rows may have objects */
static PyObject *has_objects(PyObject *self, PyObject *unused) {
    npv_info found;
    (void)unused;
    return get_info(self, &found) ? PyBool_FromLong(found.objects) : NULL;
}

/* find(id) -> row or None */
static PyObject *find(PyObject *self, PyObject *id) {
    npv_store *const store = store_of(self)->store;
    PyObject *const one = PyTuple_Pack(1, id);
    text_list texts = {0};
    PyObject *found = NULL;
    uint64_t row = 0;
    npv_error error;
    npv_status status = NPV_OK;
    if (one == NULL || !texts_read(one, false, &texts))
        goto end;
    Py_BEGIN_ALLOW_THREADS status = npv_find(store, texts.text[0], &row, &error);
    Py_END_ALLOW_THREADS if (status == NPV_OK) found = PyLong_FromUnsignedLongLong(row);
    else found = status == NPV_E_NOT_FOUND ? Py_NewRef(Py_None) : raise_error(state_of(self), &error);
end:
    texts_free(&texts);
    Py_XDECREF(one);
    return found;
}

/* id(row) -> text or None. The caller holds off writers: the text is borrowed until the next one. */
static PyObject *id(PyObject *self, PyObject *row) {
    npv_store *const store = store_of(self)->store;
    const unsigned long long number = PyLong_AsUnsignedLongLong(row);
    const char *text = NULL;
    npv_error error;
    npv_status status;
    if (PyErr_Occurred() != NULL)
        return NULL;
    Py_BEGIN_ALLOW_THREADS status = npv_get_id(store, number, &text, &error);
    Py_END_ALLOW_THREADS if (status != NPV_OK) return raise_error(state_of(self), &error);
    if (text == NULL)
        return Py_NewRef(Py_None);
    return PyUnicode_DecodeUTF8(text, (Py_ssize_t)strlen(text), "surrogatepass");
}

static PyMethodDef methods[] = {
    {"save", (PyCFunction)(void (*)(void))save, METH_FASTCALL, NULL},
    {"refresh", refresh, METH_NOARGS, NULL},
    {"clear", clear, METH_NOARGS, NULL},
    {"info", info, METH_NOARGS, NULL},
    {"size", size, METH_NOARGS, NULL},
    {"vectors", vectors, METH_O, NULL},
    {"vector", vector, METH_O, NULL},
    {"descr", descr, METH_NOARGS, NULL},
    {"records", records, METH_O, NULL},
    {"document", document, METH_O, NULL},
    {"pickle", pickle, METH_O, NULL},
    {"object", object, METH_O, NULL},
    {"has_objects", has_objects, METH_NOARGS, NULL},
    {"find", find, METH_O, NULL},
    {"id", id, METH_O, NULL},
    {"add", (PyCFunction)(void (*)(void))store_add, METH_FASTCALL, NULL},
    {"upsert", (PyCFunction)(void (*)(void))store_upsert, METH_FASTCALL, NULL},
    {"places", (PyCFunction)(void (*)(void))store_places, METH_FASTCALL, NULL},
    {"set_documents", (PyCFunction)(void (*)(void))store_set_documents, METH_FASTCALL, NULL},
    {"delete", (PyCFunction)(void (*)(void))store_delete, METH_FASTCALL, NULL},
    {"count", (PyCFunction)(void (*)(void))store_count, METH_FASTCALL, NULL},
    {"select", (PyCFunction)(void (*)(void))store_select, METH_FASTCALL, NULL},
    {"facets", (PyCFunction)(void (*)(void))store_facets, METH_FASTCALL, NULL},
    {"search", (PyCFunction)(void (*)(void))store_search, METH_FASTCALL, NULL},
    {"search_batch", (PyCFunction)(void (*)(void))store_search_batch, METH_FASTCALL, NULL},
    {"explain", (PyCFunction)(void (*)(void))store_explain, METH_FASTCALL, NULL},
    {"holds", (PyCFunction)(void (*)(void))store_holds, METH_FASTCALL, NULL},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot store_slots[] = {{Py_tp_dealloc, (void *)dealloc}, {Py_tp_methods, methods}, {0, NULL}};

PyType_Spec store_spec = {
    .name = "npvec._npvec.Store",
    .basicsize = sizeof(store_object),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = store_slots,
};
