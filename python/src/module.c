/* npvec._npvec: the module, its exceptions, and npv_error as exceptions. */
#include "module.h"

#include <string.h>

PyObject *decode_message(const npv_error *error) {
    return PyUnicode_DecodeUTF8(error->message, (Py_ssize_t)strlen(error->message), "backslashreplace");
}

PyObject *raise_error(module_state *state, const npv_error *error) {
    PyObject *type = PyExc_ValueError;
    switch (error->code) {
    case NPV_E_RANGE:
        type = PyExc_IndexError;
        break;
    case NPV_E_NOT_FOUND:
        type = PyExc_LookupError;
        break;
    case NPV_E_MEMORY:
        type = PyExc_MemoryError;
        break;
    case NPV_E_IO:
        type = PyExc_OSError;
        break;
    case NPV_E_BUSY:
        type = PyExc_BlockingIOError;
        break;
    case NPV_E_UNSUPPORTED:
        type = state->unsupported_error;
        break;
    default:
        break;
    }
    PyObject *const message = decode_message(error);
    if (message != NULL)
        PyErr_SetObject(type, message);
    Py_XDECREF(message);
    return NULL;
}

bool check_count(const char *method, Py_ssize_t expected, Py_ssize_t found) {
    if (found == expected)
        return true;
    PyErr_Format(PyExc_TypeError, "%s: expected %zd arguments, found %zd", method, expected, found);
    return false;
}

/* encode(object) -> (JSON or None, whether it says all that there is) */
static PyObject *encode(PyObject *module, PyObject *object) {
    (void)module;
    json_writer writer = {.exact = true};
    PyObject *pair = NULL;
    if (json_write(&writer, object))
        pair = Py_BuildValue("(y#N)", writer.data, (Py_ssize_t)writer.size, PyBool_FromLong(writer.exact));
    PyMem_Free(writer.data);
    return pair;
}

static PyMethodDef functions[] = {
    {"create", (PyCFunction)(void (*)(void))store_create, METH_FASTCALL, NULL},
    {"open", (PyCFunction)(void (*)(void))store_open, METH_FASTCALL, NULL},
    {"compile", (PyCFunction)(void (*)(void))filter_compile, METH_FASTCALL, NULL},
    {"encode", encode, METH_O, NULL},
    {"snapshot", snapshot, METH_O, NULL},
    {NULL, NULL, 0, NULL},
};

static bool make_type(PyObject *module, PyType_Spec *spec, PyTypeObject **type) {
    *type = (PyTypeObject *)(void *)PyType_FromModuleAndSpec(module, spec, NULL);
    return *type != NULL;
}

static bool add_type(PyObject *module, PyType_Spec *spec, PyTypeObject **type) {
    return make_type(module, spec, type) && PyModule_AddType(module, *type) == 0;
}

static bool add_error(PyObject *module, const char *name, const char *full_name, const char *doc, PyObject **error) {
    *error = PyErr_NewExceptionWithDoc(full_name, doc, PyExc_ValueError, NULL);
    return *error != NULL && PyModule_AddObjectRef(module, name, *error) == 0;
}

static bool add_errors(PyObject *module, module_state *state) {
    return add_error(module, "FilterError", "npvec.FilterError",
                     "A filter cannot be understood. `position` is where, in characters, or None.",
                     &state->filter_error) &&
           add_error(module, "UnsupportedError", "npvec.UnsupportedError",
                     "A file is sound but holds something that npvec does not read.", &state->unsupported_error);
}

static bool add_names(PyObject *module, module_state *state) {
    state->unread = PyObject_CallNoArgs((PyObject *)&PyBaseObject_Type);
    state->index = PyUnicode_InternFromString("index");
    state->value = PyUnicode_InternFromString("value");
    state->metadata = PyUnicode_InternFromString("metadata");
    state->objects = PyUnicode_InternFromString("objects");
    return state->unread != NULL && state->index != NULL && state->value != NULL && state->metadata != NULL &&
           state->objects != NULL && PyModule_AddObjectRef(module, "UNREAD", state->unread) == 0;
}

static int fill_module(PyObject *module) {
    module_state *const state = PyModule_GetState(module);
    const bool done = add_type(module, &store_spec, &state->store) && add_type(module, &filter_spec, &state->filter) &&
                      make_type(module, &memory_spec, &state->memory) && add_errors(module, state) &&
                      add_names(module, state) && PyModule_AddStringConstant(module, "version", npv_version()) == 0 &&
                      PyModule_AddIntConstant(module, "MAX_DIMENSIONS", NPV_MAX_DIMENSIONS) == 0;
    return done ? 0 : -1;
}

static int traverse_module(PyObject *module, visitproc visit, void *arg) {
    const module_state *const state = PyModule_GetState(module);
    Py_VISIT(state->store);
    Py_VISIT(state->filter);
    Py_VISIT(state->memory);
    Py_VISIT(state->filter_error);
    Py_VISIT(state->unsupported_error);
    return 0;
}

static int clear_module(PyObject *module) {
    module_state *const state = PyModule_GetState(module);
    Py_CLEAR(state->store);
    Py_CLEAR(state->filter);
    Py_CLEAR(state->memory);
    Py_CLEAR(state->filter_error);
    Py_CLEAR(state->unsupported_error);
    Py_CLEAR(state->unread);
    Py_CLEAR(state->index);
    Py_CLEAR(state->value);
    Py_CLEAR(state->metadata);
    Py_CLEAR(state->objects);
    return 0;
}

static void free_module(void *module) {
    clear_module(module);
}

static PyModuleDef_Slot slots[] = {
    {Py_mod_exec, (void *)fill_module},
#ifdef Py_GIL_DISABLED
    {Py_mod_gil, Py_MOD_GIL_NOT_USED},
#endif
    {0, NULL},
};

static struct PyModuleDef definition = {
    PyModuleDef_HEAD_INIT,
    .m_name = "npvec._npvec",
    .m_doc = "npvec.h for the package; its users are the modules beside it.",
    .m_size = sizeof(module_state),
    .m_methods = functions,
    .m_slots = slots,
    .m_traverse = traverse_module,
    .m_clear = clear_module,
    .m_free = free_module,
};

PyMODINIT_FUNC PyInit__npvec(void);

PyMODINIT_FUNC PyInit__npvec(void) {
    return PyModuleDef_Init(&definition);
}
