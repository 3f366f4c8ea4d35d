/* Store: rows that come and go, and which rows. */
#include "module.h"

#include <string.h>

/* The rows of one call of add or upsert, and all that must live until it is over. */
typedef struct batch_argument {
    npv_batch batch;
    Py_buffer vectors;
    Py_buffer records;
    documents_argument documents;
    text_list ids;
} batch_argument;

/* (vectors, documents or None, ids or None, records as bytes or None, pickler or None: see documents_read) */
static bool read_batch(const store_object *self, PyObject *const *arguments, batch_argument *argument) {
    memset(argument, 0, sizeof *argument);
    argument->batch = (npv_batch)NPV_BATCH_INIT;
    if (!buffer_read(arguments[0], 'f', ANY_SIZE, false, &argument->vectors))
        return false;
    const size_t count = (size_t)argument->vectors.len / sizeof(float) / self->dimensions;
    if (!documents_read(arguments[1], count, arguments[4], &argument->documents) ||
        !texts_read(arguments[2], true, &argument->ids) ||
        !buffer_read(arguments[3], 'B', ANY_SIZE, false, &argument->records))
        return false;
    if (argument->ids.text != NULL && argument->ids.count != count) {
        PyErr_Format(PyExc_ValueError, "expected %zu ids, one a row, found %zu", count, argument->ids.count);
        return false;
    }
    argument->batch.count = count;
    argument->batch.vectors = argument->vectors.buf;
    argument->batch.documents = argument->documents.text;
    argument->batch.ids = argument->ids.text;
    argument->batch.records = argument->records.buf;
    argument->batch.objects = argument->documents.objects;
    return true;
}

static void free_batch(batch_argument *argument) {
    if (argument->vectors.obj != NULL)
        PyBuffer_Release(&argument->vectors);
    if (argument->records.obj != NULL)
        PyBuffer_Release(&argument->records);
    documents_free(&argument->documents);
    texts_free(&argument->ids);
}

/* add(vectors, documents, ids, records, pickler) -> first row */
PyObject *store_add(PyObject *self, PyObject *const *arguments, Py_ssize_t count) {
    npv_store *const store = store_of(self)->store;
    batch_argument argument;
    PyObject *result = NULL;
    uint64_t first = 0;
    npv_error error;
    npv_status status;
    if (!check_count("add", 5, count))
        return NULL;
    if (!read_batch(store_of(self), arguments, &argument))
        goto end;
    Py_BEGIN_ALLOW_THREADS status = npv_add(store, &argument.batch, &first, &error);
    Py_END_ALLOW_THREADS result =
        status == NPV_OK ? PyLong_FromUnsignedLongLong(first) : raise_error(state_of(self), &error);
end:
    free_batch(&argument);
    return result;
}

/* upsert(vectors, documents, ids, records, pickler, rows to fill (int64)); these are filled when it has been done */
PyObject *store_upsert(PyObject *self, PyObject *const *arguments, Py_ssize_t count) {
    npv_store *const store = store_of(self)->store;
    batch_argument argument;
    Py_buffer rows = {0};
    PyObject *result = NULL;
    npv_error error;
    npv_status status;
    if (!check_count("upsert", 6, count))
        return NULL;
    if (!read_batch(store_of(self), arguments, &argument) ||
        !buffer_read(arguments[5], 'q', (Py_ssize_t)(argument.batch.count * sizeof(uint64_t)), true, &rows))
        goto end;
    Py_BEGIN_ALLOW_THREADS status = npv_upsert(store, &argument.batch, rows.buf, NULL, &error);
    Py_END_ALLOW_THREADS result = status == NPV_OK ? Py_NewRef(Py_None) : raise_error(state_of(self), &error);
end:
    if (rows.obj != NULL)
        PyBuffer_Release(&rows);
    free_batch(&argument);
    return result;
}

/* places(ids, rows to fill (int64)): the rows with these ids, -1 where there is none */
PyObject *store_places(PyObject *self, PyObject *const *arguments, Py_ssize_t count) {
    npv_store *const store = store_of(self)->store;
    text_list ids = {0};
    Py_buffer rows = {0};
    PyObject *result = NULL;
    npv_error error;
    npv_status status = NPV_OK;
    if (!check_count("places", 2, count))
        return NULL;
    if (!texts_read(arguments[0], false, &ids) ||
        !buffer_read(arguments[1], 'q', (Py_ssize_t)(ids.count * sizeof(uint64_t)), true, &rows))
        goto end;
    uint64_t *const places = rows.buf;
    Py_BEGIN_ALLOW_THREADS for (size_t i = 0; i < ids.count && status == NPV_OK; i++) {
        status = npv_find(store, ids.text[i], &places[i], &error);
        if (status == NPV_E_NOT_FOUND) {
            places[i] = UINT64_MAX;
            status = NPV_OK;
        }
    }
    Py_END_ALLOW_THREADS result = status == NPV_OK ? Py_NewRef(Py_None) : raise_error(state_of(self), &error);
end:
    if (rows.obj != NULL)
        PyBuffer_Release(&rows);
    texts_free(&ids);
    return result;
}

/* set_documents(rows as int64, as many documents, pickler) */
PyObject *store_set_documents(PyObject *self, PyObject *const *arguments, Py_ssize_t count) {
    npv_store *const store = store_of(self)->store;
    npv_batch batch = NPV_BATCH_INIT;
    documents_argument documents = {0};
    Py_buffer rows;
    PyObject *result = NULL;
    npv_error error;
    npv_status status;
    if (!check_count("set_documents", 3, count) || !buffer_read(arguments[0], 'q', ANY_SIZE, false, &rows))
        return NULL;
    batch.count = (size_t)rows.len / sizeof(uint64_t);
    if (!documents_read(arguments[1], batch.count, arguments[2], &documents))
        goto end;
    batch.documents = documents.text;
    batch.objects = documents.objects;
    Py_BEGIN_ALLOW_THREADS status = npv_set_documents(store, rows.buf, &batch, &error);
    Py_END_ALLOW_THREADS result = status == NPV_OK ? Py_NewRef(Py_None) : raise_error(state_of(self), &error);
end:
    documents_free(&documents);
    if (rows.obj != NULL)
        PyBuffer_Release(&rows);
    return result;
}

/* ---------------------------------------------------------------------------------------------------- selections -- */

typedef npv_status count_function(npv_store *, const npv_selection *, uint64_t *, npv_error *);

/* (rows, ids, filter) -> number */
static PyObject *count_rows(PyObject *self, PyObject *const *arguments, count_function *count_of) {
    npv_store *const store = store_of(self)->store;
    selection_argument argument;
    PyObject *result = NULL;
    uint64_t number = 0;
    npv_error error;
    npv_status status;
    if (!selection_read(state_of(self), arguments[0], arguments[1], arguments[2], &argument))
        goto end;
    Py_BEGIN_ALLOW_THREADS status = count_of(store, &argument.selection, &number, &error);
    Py_END_ALLOW_THREADS result =
        status == NPV_OK ? PyLong_FromUnsignedLongLong(number) : raise_error(state_of(self), &error);
end:
    selection_free(&argument);
    return result;
}

/* delete(rows, ids, filter) -> number of rows */
PyObject *store_delete(PyObject *self, PyObject *const *arguments, Py_ssize_t count) {
    return check_count("delete", 3, count) ? count_rows(self, arguments, npv_delete) : NULL;
}

/* count(rows, ids, filter) -> number of rows */
PyObject *store_count(PyObject *self, PyObject *const *arguments, Py_ssize_t count) {
    return check_count("count", 3, count) ? count_rows(self, arguments, npv_count_selected) : NULL;
}

static bool read_select_options(PyObject *const *arguments, npv_select_options *options, text_list *order_by) {
    const npv_select_options defaults = NPV_SELECT_OPTIONS_INIT;
    *options = defaults;
    PyObject *const one = PyTuple_Pack(1, arguments[0]);
    const bool done = one != NULL && texts_read(one, true, order_by);
    Py_XDECREF(one);
    if (!done)
        return false;
    options->order_by = order_by->text[0];
    options->descending = PyObject_IsTrue(arguments[1]);
    options->offset = PyLong_AsUnsignedLongLong(arguments[2]);
    if (arguments[3] != Py_None)
        options->limit = PyLong_AsUnsignedLongLong(arguments[3]);
    return PyErr_Occurred() == NULL;
}

/* select(rows, ids, filter, order_by, descending, offset, limit) -> rows as int64 in a bytearray */
PyObject *store_select(PyObject *self, PyObject *const *arguments, Py_ssize_t count) {
    npv_store *const store = store_of(self)->store;
    selection_argument argument = {0};
    npv_select_options options;
    text_list order_by = {0};
    PyObject *result = NULL;
    uint64_t *rows = NULL;
    size_t found = 0;
    npv_error error;
    npv_status status;
    if (!check_count("select", 7, count))
        return NULL;
    if (!selection_read(state_of(self), arguments[0], arguments[1], arguments[2], &argument) ||
        !read_select_options(arguments + 3, &options, &order_by))
        goto end;
    options.selection = &argument.selection;
    Py_BEGIN_ALLOW_THREADS status = npv_select(store, &options, &rows, &found, &error);
    Py_END_ALLOW_THREADS if (status == NPV_OK) result =
        PyByteArray_FromStringAndSize((const char *)rows, (Py_ssize_t)(found * sizeof *rows));
    else raise_error(state_of(self), &error);
    npv_free(rows);
end:
    texts_free(&order_by);
    selection_free(&argument);
    return result;
}

static PyObject *list_facets(const npv_facets *facets) {
    PyObject *const list = PyList_New((Py_ssize_t)facets->count);
    for (size_t i = 0; list != NULL && i < facets->count; i++) {
        PyObject *const pair = Py_BuildValue("(sK)", facets->facet[i].json, (unsigned long long)facets->facet[i].count);
        if (pair == NULL || PyList_SetItem(list, (Py_ssize_t)i, pair) != 0) {
            Py_DECREF(list);
            return NULL;
        }
    }
    return list == NULL ? NULL : Py_BuildValue("(NK)", list, (unsigned long long)facets->missing);
}

/* facets(rows, ids, filter, field) -> ([(JSON, number), ...], rows without the field) */
PyObject *store_facets(PyObject *self, PyObject *const *arguments, Py_ssize_t count) {
    npv_store *const store = store_of(self)->store;
    selection_argument argument = {0};
    text_list field = {0};
    npv_facets facets = {0};
    PyObject *result = NULL;
    npv_error error;
    npv_status status;
    if (!check_count("facets", 4, count))
        return NULL;
    PyObject *const one = PyTuple_Pack(1, arguments[3]);
    if (one == NULL || !selection_read(state_of(self), arguments[0], arguments[1], arguments[2], &argument) ||
        !texts_read(one, false, &field))
        goto end;
    Py_BEGIN_ALLOW_THREADS status = npv_get_facets(store, field.text[0], &argument.selection, &facets, &error);
    Py_END_ALLOW_THREADS if (status == NPV_OK) {
        result = list_facets(&facets);
        npv_facets_free(&facets);
    }
    else {
        raise_error(state_of(self), &error);
    }
end:
    texts_free(&field);
    selection_free(&argument);
    Py_XDECREF(one);
    return result;
}
