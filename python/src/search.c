/* Store: searches. What a call costs beside the search itself is some microseconds, so hits are made here. */
#include "module.h"

#include <math.h>
#include <string.h>

/* The arguments that all searches have, and what must live until the search is over. */
typedef struct search_argument {
    npv_search_options options;
    Py_buffer rows;
    Py_buffer queries;
    float *converted; /* from float64, or NULL */
} search_argument;

/* (k, metric, threshold, rows or None, filter or None) */
static bool read_options(module_state *state, PyObject *const *arguments, search_argument *argument) {
    static const uint64_t nothing[1] = {0};
    npv_search_options *const options = &argument->options;
    *options = (npv_search_options)NPV_SEARCH_OPTIONS_INIT;
    options->k = PyLong_AsSize_t(arguments[0]);
    options->metric = (npv_metric)PyLong_AsLong(arguments[1]);
    const double threshold = PyFloat_AsDouble(arguments[2]);
    if (options->metric == NPV_EUCLIDEAN)
        options->max_distance = threshold;
    else
        options->min_score = threshold;
    if (PyErr_Occurred() != NULL || !buffer_read(arguments[3], 'q', ANY_SIZE, false, &argument->rows) ||
        !filter_of(state, arguments[4], &options->filter))
        return false;
    if (arguments[3] != Py_None) {
        options->within_rows = argument->rows.len == 0 ? nothing : argument->rows.buf;
        options->within_count = (size_t)argument->rows.len / sizeof(uint64_t);
    }
    return true;
}

static void free_search(search_argument *argument) {
    if (argument->rows.obj != NULL)
        PyBuffer_Release(&argument->rows);
    if (argument->queries.obj != NULL)
        PyBuffer_Release(&argument->queries);
    PyMem_Free(argument->converted);
}

static npv_status run(npv_store *store, const float *queries, size_t count, const search_argument *argument,
                      npv_hits *hits, npv_error *error) {
    npv_status status;
    Py_BEGIN_ALLOW_THREADS status = npv_search(store, queries, count, &argument->options, hits, error);
    Py_END_ALLOW_THREADS return status;
}

/* ----------------------------------------------------------------------------------------------------- one query -- */

typedef enum query_found { QUERY_FAILED = -1, QUERY_OTHER = 0, QUERY_READ = 1 } query_found;

/* NumPy rounds float64 in the same way. What becomes infinite, the library refuses. */
static const float *convert(search_argument *argument, size_t dimensions) {
    const double *const wide = argument->queries.buf;
    argument->converted = PyMem_Malloc(dimensions * sizeof(float));
    if (argument->converted == NULL) {
        PyErr_NoMemory();
        return NULL;
    }
    for (size_t j = 0; j < dimensions; j++)
        argument->converted[j] = (float)wide[j];
    return argument->converted;
}

/* One vector of float32 or float64 without gaps; all else, wrong sizes too, is for the package to convert and judge. */
static query_found read_query(PyObject *object, size_t dimensions, search_argument *argument, const float **query) {
    Py_buffer *const view = &argument->queries;
    if (PyObject_GetBuffer(object, view, PyBUF_C_CONTIGUOUS | PyBUF_FORMAT) != 0) {
        PyErr_Clear();
        view->obj = NULL;
        return QUERY_OTHER;
    }
    const char *const format = view->format == NULL ? "B" : view->format;
    if (view->ndim != 1 || (size_t)view->shape[0] != dimensions || format[1] != '\0')
        return QUERY_OTHER;
    if (format[0] == 'f')
        *query = view->buf;
    else if (format[0] == 'd')
        *query = convert(argument, dimensions);
    else
        return QUERY_OTHER;
    return *query == NULL ? QUERY_FAILED : QUERY_READ;
}

/* What a hit is made of. */
typedef struct hit_maker {
    module_state *state;
    PyTypeObject *type; /* NULL: tuples */
    PyObject *rows;     /* has read(row), and */
    PyObject *objects;  /* an array of what is in memory, or None */
} hit_maker;

static PyObject *metadata_of(const hit_maker *maker, uint64_t number, PyObject *row) {
    if (maker->objects != Py_None) {
        PyObject *const object = PySequence_GetItem(maker->objects, (Py_ssize_t)number);
        if (object != maker->state->unread)
            return object;
        Py_DECREF(object);
    }
    return PyObject_CallMethod(maker->rows, "read", "O", row);
}

/* Past __init__ and __setattr__, which refuses: a frozen dataclass takes a microsecond to fill itself. */
static PyObject *make_object(const hit_maker *maker, PyObject *row, PyObject *score, PyObject *metadata) {
    const module_state *const state = maker->state;
    PyObject *const hit = PyType_GenericAlloc(maker->type, 0);
    if (hit == NULL)
        return NULL;
    if (PyObject_GenericSetAttr(hit, state->index, row) == 0 &&
        PyObject_GenericSetAttr(hit, state->value, score) == 0 &&
        PyObject_GenericSetAttr(hit, state->metadata, metadata) == 0)
        return hit;
    Py_DECREF(hit);
    return NULL;
}

static PyObject *make_hit(const hit_maker *maker, npv_hit found) {
    PyObject *const row = PyLong_FromUnsignedLongLong(found.row);
    PyObject *const score = PyFloat_FromDouble(found.score);
    PyObject *const metadata = row == NULL ? NULL : metadata_of(maker, found.row, row);
    PyObject *hit = NULL;
    if (row != NULL && score != NULL && metadata != NULL)
        hit = maker->type == NULL ? PyTuple_Pack(3, row, score, metadata) : make_object(maker, row, score, metadata);
    Py_XDECREF(metadata);
    Py_XDECREF(score);
    Py_XDECREF(row);
    return hit;
}

static PyObject *list_hits(hit_maker *maker, const npv_hits *hits) {
    const size_t count = hits->starts[1] - hits->starts[0];
    PyObject *const list = PyList_New((Py_ssize_t)count);
    /* Asked for now: rows that the search saw are in memory before they are in the store. */
    maker->objects = list == NULL ? NULL : PyObject_GetAttr(maker->rows, maker->state->objects);
    if (maker->objects == NULL)
        goto fail;
    for (size_t i = 0; i < count; i++) {
        PyObject *const hit = make_hit(maker, hits->hit[hits->starts[0] + i]);
        if (hit == NULL || PyList_SetItem(list, (Py_ssize_t)i, hit) != 0)
            goto fail;
    }
    Py_DECREF(maker->objects);
    return list;
fail:
    Py_XDECREF(maker->objects);
    Py_XDECREF(list);
    return NULL;
}

/*
 * search(query, k, metric, threshold, rows, filter, maker of metadata, class of hits or None for tuples) -> list of
 * hits, or NotImplemented for a query that the package has to convert first.
 */
PyObject *store_search(PyObject *self, PyObject *const *arguments, Py_ssize_t count) {
    const store_object *const store = store_of(self);
    hit_maker maker = {.state = state_of(self)};
    search_argument argument = {0};
    const float *query = NULL;
    PyObject *result = NULL;
    npv_hits hits;
    npv_error error;
    if (!check_count("search", 8, count))
        return NULL;
    maker.rows = arguments[6];
    maker.type = arguments[7] == Py_None ? NULL : (PyTypeObject *)(void *)arguments[7];
    const query_found found = read_query(arguments[0], store->dimensions, &argument, &query);
    if (found == QUERY_OTHER)
        result = Py_NewRef(Py_NotImplemented);
    if (found != QUERY_READ || !read_options(maker.state, arguments + 1, &argument))
        goto end;
    if (run(store->store, query, 1, &argument, &hits, &error) != NPV_OK) {
        raise_error(maker.state, &error);
        goto end;
    }
    result = list_hits(&maker, &hits);
    npv_hits_free(&hits);
end:
    free_search(&argument);
    return result;
}

/* -------------------------------------------------------------------------------------------------- many queries -- */

/* A row for each query; what it has no hits for is -1 and NaN. */
static void fill(const npv_hits *hits, size_t k, int64_t *rows, double *scores) {
    for (size_t query = 0; query < hits->query_count; query++) {
        const npv_hit *const hit = hits->hit + hits->starts[query];
        const size_t count = hits->starts[query + 1] - hits->starts[query];
        for (size_t i = 0; i < k; i++) {
            rows[query * k + i] = i < count ? (int64_t)hit[i].row : -1;
            scores[query * k + i] = i < count ? hit[i].score : (double)NAN;
        }
    }
}

static PyObject *search_into(PyObject *self, const search_argument *argument, size_t count, Py_buffer *rows,
                             Py_buffer *scores) {
    npv_hits hits;
    npv_error error;
    if (run(store_of(self)->store, argument->queries.buf, count, argument, &hits, &error) != NPV_OK)
        return raise_error(state_of(self), &error);
    Py_BEGIN_ALLOW_THREADS fill(&hits, argument->options.k, rows->buf, scores->buf);
    Py_END_ALLOW_THREADS npv_hits_free(&hits);
    return Py_NewRef(Py_None);
}

/* search_batch(queries, k, metric, threshold, rows, filter, rows to fill (int64, queries x k), scores (float64)) */
PyObject *store_search_batch(PyObject *self, PyObject *const *arguments, Py_ssize_t count) {
    const store_object *const store = store_of(self);
    search_argument argument = {0};
    Py_buffer rows = {0}, scores = {0};
    PyObject *result = NULL;
    if (!check_count("search_batch", 8, count))
        return NULL;
    if (!buffer_read(arguments[0], 'f', ANY_SIZE, false, &argument.queries) ||
        !read_options(state_of(self), arguments + 1, &argument))
        goto end;
    const size_t queries = (size_t)argument.queries.len / sizeof(float) / store->dimensions;
    const Py_ssize_t size = (Py_ssize_t)(queries * argument.options.k * sizeof(int64_t));
    if (buffer_read(arguments[6], 'q', size, true, &rows) && buffer_read(arguments[7], 'd', size, true, &scores))
        result = search_into(self, &argument, queries, &rows, &scores);
end:
    if (rows.obj != NULL)
        PyBuffer_Release(&rows);
    if (scores.obj != NULL)
        PyBuffer_Release(&scores);
    free_search(&argument);
    return result;
}

static PyObject *explain_as_dict(const npv_explain *explain) {
    return Py_BuildValue("{s:s,s:K,s:K,s:K,s:K,s:K,s:K,s:K,s:K,s:K,s:K,s:d,s:d,s:d}", "plan", explain->plan, "queries",
                         (unsigned long long)explain->queries, "rows", (unsigned long long)explain->rows, "rows4",
                         (unsigned long long)explain->rows4, "rows8", (unsigned long long)explain->rows8, "rows32",
                         (unsigned long long)explain->rows32, "bytes4", (unsigned long long)explain->bytes4, "bytes8",
                         (unsigned long long)explain->bytes8, "bytes32", (unsigned long long)explain->bytes32,
                         "survivors", (unsigned long long)explain->survivors, "rows_coded",
                         (unsigned long long)explain->rows_coded, "coding_seconds", explain->coding_seconds,
                         "search_seconds", explain->search_seconds, "filter_seconds", explain->filter_seconds);
}

/* explain(queries, k, metric, threshold, rows, filter) -> dict */
PyObject *store_explain(PyObject *self, PyObject *const *arguments, Py_ssize_t count) {
    const store_object *const store = store_of(self);
    search_argument argument = {0};
    npv_explain explain = {.size = sizeof explain};
    PyObject *result = NULL;
    npv_hits hits;
    npv_error error;
    if (!check_count("explain", 6, count))
        return NULL;
    if (!buffer_read(arguments[0], 'f', ANY_SIZE, false, &argument.queries) ||
        !read_options(state_of(self), arguments + 1, &argument))
        goto end;
    argument.options.explain = &explain;
    const size_t queries = (size_t)argument.queries.len / sizeof(float) / store->dimensions;
    if (run(store->store, argument.queries.buf, queries, &argument, &hits, &error) != NPV_OK) {
        raise_error(state_of(self), &error);
        goto end;
    }
    npv_hits_free(&hits);
    result = explain_as_dict(&explain);
end:
    free_search(&argument);
    return result;
}
