/* Memory of a store as a Python buffer, and the arguments that come as buffers and texts. */
#include "module.h"

#include <string.h>

/* -------------------------------------------------------------------------------------------------------- memory -- */

typedef struct memory_object {
    PyObject_HEAD PyObject *owner;
    void *data;
    Py_ssize_t size;
} memory_object;

PyObject *memory_new(module_state *state, PyObject *owner, const void *data, size_t size) {
    memory_object *const memory = PyObject_New(memory_object, state->memory);
    if (memory == NULL)
        return NULL;
    memory->owner = Py_NewRef(owner);
    /* The buffer is read-only, but Py_buffer has no const. */
    memcpy(&memory->data, &data, sizeof data);
    memory->size = (Py_ssize_t)size;
    PyObject *const view = PyMemoryView_FromObject((PyObject *)memory);
    Py_DECREF(memory);
    return view;
}

static int memory_get_buffer(PyObject *self, Py_buffer *view, int flags) {
    const memory_object *const memory = (memory_object *)(void *)self;
    return PyBuffer_FillInfo(view, self, memory->data, memory->size, 1, flags);
}

static void memory_dealloc(PyObject *self) {
    PyTypeObject *const type = Py_TYPE(self);
    Py_DECREF(((memory_object *)(void *)self)->owner);
    PyObject_Free(self);
    Py_DECREF(type);
}

static PyType_Slot memory_slots[] = {
    {Py_tp_dealloc, (void *)memory_dealloc},
    {Py_bf_getbuffer, (void *)memory_get_buffer},
    {0, NULL},
};

PyType_Spec memory_spec = {
    .name = "npvec._npvec.Memory",
    .basicsize = sizeof(memory_object),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = memory_slots,
};

/* ------------------------------------------------------------------------------------------------------- buffers -- */

static bool fits(const Py_buffer *view, char format, Py_ssize_t size) {
    const char *const found = view->format == NULL ? "B" : view->format;
    /* NumPy calls int64 'l' where long has 64 bits. */
    const bool same = found[0] == format || (format == 'q' && found[0] == 'l' && view->itemsize == 8);
    return same && found[1] == '\0' && (size == ANY_SIZE || view->len == size);
}

bool buffer_read(PyObject *object, char format, Py_ssize_t size, bool writable, Py_buffer *view) {
    view->obj = NULL;
    view->buf = NULL;
    view->len = 0;
    if (object == Py_None)
        return true;
    if (PyObject_GetBuffer(object, view, PyBUF_C_CONTIGUOUS | PyBUF_FORMAT | (writable ? PyBUF_WRITABLE : 0)) != 0)
        return false;
    if (fits(view, format, size))
        return true;
    PyErr_Format(PyExc_ValueError, "expected a buffer of '%c' and %zd bytes, found '%s' and %zd bytes", format, size,
                 view->format == NULL ? "B" : view->format, view->len);
    PyBuffer_Release(view);
    return false;
}

/* --------------------------------------------------------------------------------------------------------- texts -- */

/* Lone surrogates as the library has them, in bytes that take the place of the text in `held`. */
static const char *read_surrogates(PyObject *held, Py_ssize_t place, Py_ssize_t *size) {
    PyErr_Clear();
    PyObject *const bytes = PyUnicode_AsEncodedString(PyList_GetItem(held, place), "utf-8", "surrogatepass");
    char *text;
    if (bytes == NULL || PyList_SetItem(held, place, bytes) != 0 || PyBytes_AsStringAndSize(bytes, &text, size) != 0)
        return NULL;
    return text;
}

static bool read_text(PyObject *held, Py_ssize_t place, bool none_allowed, const char **text) {
    PyObject *const object = PyList_GetItem(held, place);
    Py_ssize_t size;
    if (none_allowed && object == Py_None) {
        *text = NULL;
        return true;
    }
    if (!PyUnicode_Check(object)) {
        PyErr_SetString(PyExc_TypeError, "expected text");
        return false;
    }
    *text = PyUnicode_AsUTF8AndSize(object, &size);
    if (*text == NULL)
        *text = read_surrogates(held, place, &size);
    if (*text == NULL || strlen(*text) == (size_t)size)
        return *text != NULL;
    PyErr_SetString(PyExc_ValueError, "expected text without U+0000");
    return false;
}

bool texts_read(PyObject *sequence, bool none_allowed, text_list *texts) {
    memset(texts, 0, sizeof *texts);
    if (sequence == Py_None)
        return true;
    texts->held = PySequence_List(sequence);
    if (texts->held == NULL)
        return false;
    texts->count = (size_t)PyList_Size(texts->held);
    texts->text = PyMem_Calloc(texts->count + 1, sizeof *texts->text);
    if (texts->text == NULL) {
        PyErr_NoMemory();
        return false;
    }
    for (size_t i = 0; i < texts->count; i++)
        if (!read_text(texts->held, (Py_ssize_t)i, none_allowed, &texts->text[i]))
            return false;
    return true;
}

void texts_free(text_list *texts) {
    PyMem_Free((void *)texts->text);
    Py_XDECREF(texts->held);
}

/* ---------------------------------------------------------------------------------------------------- selections -- */

bool selection_read(module_state *state, PyObject *rows, PyObject *ids, PyObject *filter,
                    selection_argument *argument) {
    static const uint64_t nothing[1] = {0};
    memset(argument, 0, sizeof *argument);
    argument->selection = (npv_selection)NPV_SELECTION_INIT;
    if (!filter_of(state, filter, &argument->selection.filter) ||
        !buffer_read(rows, 'q', ANY_SIZE, false, &argument->rows) || !texts_read(ids, false, &argument->ids))
        return false;
    if (rows != Py_None) {
        argument->selection.rows = argument->rows.len == 0 ? nothing : argument->rows.buf;
        argument->selection.row_count = (size_t)argument->rows.len / sizeof(uint64_t);
    }
    argument->selection.ids = argument->ids.text;
    argument->selection.id_count = argument->ids.count;
    return true;
}

void selection_free(selection_argument *argument) {
    if (argument->rows.obj != NULL)
        PyBuffer_Release(&argument->rows);
    texts_free(&argument->ids);
}
