/* A compiled filter. It never changes, so that threads may share it. */
#include "module.h"

typedef struct filter_object {
    PyObject_HEAD npv_filter *filter;
} filter_object;

bool filter_of(module_state *state, PyObject *object, const npv_filter **filter) {
    *filter = NULL;
    if (object == Py_None)
        return true;
    if (Py_TYPE(object) != state->filter) {
        PyErr_SetString(PyExc_TypeError, "expected a compiled filter or None");
        return false;
    }
    *filter = ((filter_object *)(void *)object)->filter;
    return true;
}

/* Bytes become characters in `position`; None where there is none. */
static PyObject *position_of(const char *text, size_t position) {
    if (position == NPV_NO_POSITION)
        return Py_NewRef(Py_None);
    PyObject *const before = PyUnicode_DecodeUTF8(text, (Py_ssize_t)position, "replace");
    PyObject *const characters = before == NULL ? NULL : PyLong_FromSsize_t(PyUnicode_GetLength(before));
    Py_XDECREF(before);
    return characters;
}

static PyObject *raise_filter_error(module_state *state, const char *text, const npv_error *error) {
    if (error->code != NPV_E_ARGUMENT && error->code != NPV_E_LIMIT)
        return raise_error(state, error);
    PyObject *const position = position_of(text, error->position);
    PyObject *const message = decode_message(error);
    PyObject *const exception =
        message == NULL ? NULL : PyObject_CallFunctionObjArgs(state->filter_error, message, NULL);
    if (position != NULL && exception != NULL && PyObject_SetAttrString(exception, "position", position) == 0)
        PyErr_SetObject(state->filter_error, exception);
    Py_XDECREF(position);
    Py_XDECREF(exception);
    Py_XDECREF(message);
    return NULL;
}

/* compile(text, parameters as JSON or None) -> Filter */
PyObject *filter_compile(PyObject *module, PyObject *const *arguments, Py_ssize_t count) {
    module_state *const state = PyModule_GetState(module);
    text_list texts = {0};
    filter_object *object = NULL;
    npv_error error;
    if (!check_count("compile", 2, count))
        return NULL;
    PyObject *const pair = PyTuple_Pack(2, arguments[0], arguments[1]);
    if (pair == NULL || !texts_read(pair, true, &texts))
        goto end;
    object = PyObject_New(filter_object, state->filter);
    if (object == NULL)
        goto end;
    object->filter = NULL;
    if (npv_filter_new(texts.text[0], texts.text[1], &object->filter, &error) != NPV_OK) {
        raise_filter_error(state, texts.text[0] == NULL ? "" : texts.text[0], &error);
        Py_CLEAR(object);
    }
end:
    texts_free(&texts);
    Py_XDECREF(pair);
    return (PyObject *)object;
}

static void filter_dealloc(PyObject *self) {
    PyTypeObject *const type = Py_TYPE(self);
    npv_filter_free(((filter_object *)(void *)self)->filter);
    PyObject_Free(self);
    Py_DECREF(type);
}

static PyType_Slot filter_slots[] = {{Py_tp_dealloc, (void *)filter_dealloc}, {0, NULL}};

PyType_Spec filter_spec = {
    .name = "npvec._npvec.Filter",
    .basicsize = sizeof(filter_object),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = filter_slots,
};
