/*
 * Python objects as JSON, as the library spells it, in one pass.
 *
 * json.dumps cannot say whether a text holds all of an object (a tuple becomes a list, 1 a "1"), and takes six
 * times as long on the small dicts that metadata is made of, where adding a row must take a few microseconds.
 */
#include "module.h"

#include <math.h>
#include <string.h>

/* NPV_MAX_INTEGER_BYTES of them have at least so many. */
#define MAX_DIGITS 2465

static bool write_value(json_writer *writer, PyObject *object);

static bool write_bytes(json_writer *writer, const char *bytes, size_t count) {
    if (count > writer->room - writer->size) {
        const size_t room = 2 * writer->room + count + 256;
        char *const data = PyMem_Realloc(writer->data, room);
        if (data == NULL) {
            PyErr_NoMemory();
            return false;
        }
        writer->data = data;
        writer->room = room;
    }
    memcpy(writer->data + writer->size, bytes, count);
    writer->size += count;
    return true;
}

/* For what JSON does not have. */
static bool write_null(json_writer *writer) {
    writer->exact = false;
    return write_bytes(writer, "null", 4);
}

static bool write_escape(json_writer *writer, unsigned char c) {
    static const char letters[] = "\"\"\\\\\bb\ff\nn\rr\tt";
    char escape[8];
    for (size_t i = 0; i + 1 < sizeof letters; i += 2)
        if ((unsigned char)letters[i] == c)
            return write_bytes(writer, (const char[]){'\\', letters[i + 1]}, 2);
    PyOS_snprintf(escape, sizeof escape, "\\u%04x", c);
    return write_bytes(writer, escape, 6);
}

/* Three bytes that "surrogatepass" makes of a lone surrogate, which JSON has only as an escape. */
static bool write_surrogate(json_writer *writer, const char bytes[3]) {
    char escape[8];
    const unsigned low = ((unsigned char)bytes[1] & 0x3fu) << 6 | ((unsigned char)bytes[2] & 0x3fu);
    PyOS_snprintf(escape, sizeof escape, "\\u%04x", 0xd000u | low);
    return write_bytes(writer, escape, 6);
}

static bool write_text(json_writer *writer, const char *text, size_t size) {
    bool done = write_bytes(writer, "\"", 1);
    size_t start = 0;
    for (size_t i = 0; i < size && done; i++) {
        const unsigned char c = (unsigned char)text[i];
        const bool surrogate = c == 0xed && (unsigned char)text[i + 1] >= 0xa0;
        if (c >= 0x20 && c != '"' && c != '\\' && !surrogate)
            continue;
        done = write_bytes(writer, text + start, i - start) &&
               (surrogate ? write_surrogate(writer, text + i) : write_escape(writer, c));
        i += surrogate ? 2 : 0;
        start = i + 1;
    }
    return done && write_bytes(writer, text + start, size - start) && write_bytes(writer, "\"", 1);
}

/* JSON reads a high surrogate with a low one behind it as one character. */
static bool has_pair(const char *text, size_t size) {
    for (size_t i = 0; i + 5 < size; i++)
        if ((unsigned char)text[i] == 0xed && (unsigned char)(text[i + 1] & 0xf0) == 0xa0 &&
            (unsigned char)text[i + 3] == 0xed && (unsigned char)(text[i + 4] & 0xf0) == 0xb0)
            return true;
    return false;
}

static bool write_surrogates(json_writer *writer, PyObject *object) {
    PyObject *const bytes = PyUnicode_AsEncodedString(object, "utf-8", "surrogatepass");
    char *text;
    Py_ssize_t size;
    const bool encoded = bytes != NULL && PyBytes_AsStringAndSize(bytes, &text, &size) == 0;
    const bool done =
        encoded && (has_pair(text, (size_t)size) ? write_null(writer) : write_text(writer, text, (size_t)size));
    Py_XDECREF(bytes);
    return done;
}

static bool write_str(json_writer *writer, PyObject *object) {
    Py_ssize_t size;
    const char *const text = PyUnicode_AsUTF8AndSize(object, &size);
    if (text != NULL)
        return write_text(writer, text, (size_t)size);
    PyErr_Clear();
    return write_surrogates(writer, object);
}

/* Of more than 64 bits. */
static bool write_long_int(json_writer *writer, PyObject *object) {
    Py_ssize_t size = 0;
    PyObject *const text = PyNumber_ToBase(object, 10);
    const char *const digits = text == NULL ? NULL : PyUnicode_AsUTF8AndSize(text, &size);
    const bool fits = digits != NULL && size - (digits[0] == '-') <= MAX_DIGITS;
    PyErr_Clear(); /* Python's own limit */
    const bool done = fits ? write_bytes(writer, digits, (size_t)size) : write_null(writer);
    Py_XDECREF(text);
    return done;
}

static bool write_int(json_writer *writer, PyObject *object) {
    int overflow;
    char digits[24];
    const long long value = PyLong_AsLongLongAndOverflow(object, &overflow);
    if (overflow != 0)
        return write_long_int(writer, object);
    const int size = PyOS_snprintf(digits, sizeof digits, "%lld", value);
    return write_bytes(writer, digits, (size_t)size);
}

static bool write_float(json_writer *writer, PyObject *object) {
    const double value = PyFloat_AsDouble(object);
    if (isnan(value))
        return write_bytes(writer, "NaN", 3);
    if (isinf(value))
        return value > 0 ? write_bytes(writer, "Infinity", 8) : write_bytes(writer, "-Infinity", 9);
    char *const digits = PyOS_double_to_string(value, 'r', 0, Py_DTSF_ADD_DOT_0, NULL);
    if (digits == NULL)
        return false;
    const bool done = write_bytes(writer, digits, strlen(digits));
    PyMem_Free(digits);
    return done;
}

/* Bytes as npv_get_document spells them, so that filters find an object there, and not null. */
static bool write_binary(json_writer *writer, PyObject *object) {
    static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const unsigned char *const data = (const unsigned char *)PyBytes_AsString(object);
    const size_t size = (size_t)PyBytes_Size(object);
    bool done = write_bytes(writer, "{\"$bytes\": \"", 12);
    for (size_t i = 0; i < size && done; i += 3) {
        const size_t left = size - i;
        const unsigned bits = data[i] << 16 | (left > 1 ? data[i + 1] << 8 : 0) | (left > 2 ? data[i + 2] : 0);
        const char four[] = {letters[bits >> 18], letters[bits >> 12 & 63], left > 1 ? letters[bits >> 6 & 63] : '=',
                             left > 2 ? letters[bits & 63] : '='};
        done = write_bytes(writer, four, sizeof four);
    }
    return done && write_bytes(writer, "\"}", 2);
}

/* A list or a tuple. New references, because what comes of one element may change the list. */
static bool write_array(json_writer *writer, PyObject *object) {
    bool done = write_bytes(writer, "[", 1);
    for (Py_ssize_t i = 0; done && i < PySequence_Size(object); i++) {
        PyObject *const item = PySequence_GetItem(object, i);
        done = item != NULL && (i == 0 || write_bytes(writer, ", ", 2)) && write_value(writer, item);
        Py_XDECREF(item);
    }
    return done && write_bytes(writer, "]", 1);
}

/* NumPy's text and others that are more than a str: is it the key for which the dict has what it has for that str? */
static bool is_found_as_str(PyObject *dict, PyObject *key) {
    PyObject *const plain = PyUnicode_FromObject(key);
    PyObject *const value = plain == NULL ? NULL : PyDict_GetItemWithError(dict, plain);
    Py_XDECREF(plain);
    return value != NULL;
}

/* Others are no part of a path. */
static bool is_key(PyObject *dict, PyObject *key) {
    Py_ssize_t size;
    char *text;
    bool is = PyUnicode_CheckExact(key) || (PyUnicode_Check(key) && is_found_as_str(dict, key));
    if (is && PyUnicode_AsUTF8AndSize(key, &size) == NULL) {
        PyErr_Clear();
        PyObject *const bytes = PyUnicode_AsEncodedString(key, "utf-8", "surrogatepass");
        is = bytes != NULL && PyBytes_AsStringAndSize(bytes, &text, &size) == 0 && !has_pair(text, (size_t)size);
        Py_XDECREF(bytes);
    }
    PyErr_Clear();
    return is;
}

static bool write_member(json_writer *writer, PyObject *key, PyObject *value, bool first) {
    return (first || write_bytes(writer, ", ", 2)) && write_str(writer, key) && write_bytes(writer, ": ", 2) &&
           write_value(writer, value);
}

/* From a copy of the items, because what comes of one may change the dict. */
static bool write_object(json_writer *writer, PyObject *object) {
    PyObject *const items = PyDict_Items(object);
    bool done = items != NULL && write_bytes(writer, "{", 1);
    bool first = true;
    for (Py_ssize_t i = 0; done && i < PyList_Size(items); i++) {
        PyObject *const pair = PyList_GetItem(items, i);
        PyObject *const key = PyTuple_GetItem(pair, 0);
        const bool written = is_key(object, key);
        writer->exact = writer->exact && written && PyUnicode_CheckExact(key);
        if (written) {
            done = write_member(writer, key, PyTuple_GetItem(pair, 1), first);
            first = false;
        }
    }
    Py_XDECREF(items);
    return done && write_bytes(writer, "}", 1);
}

static bool write_container(json_writer *writer, PyObject *object) {
    if (writer->depth == NPV_MAX_DOCUMENT_DEPTH)
        return write_null(writer);
    writer->depth++;
    const bool done = PyDict_Check(object) ? write_object(writer, object) : write_array(writer, object);
    writer->depth--;
    return done;
}

/* Those of these very types say all that JSON says of them; NULL: none of them. */
typedef bool write_function(json_writer *writer, PyObject *object);

static write_function *writer_of(PyObject *object) {
    if (PyUnicode_Check(object))
        return write_str;
    if (PyLong_Check(object))
        return write_int;
    if (PyFloat_Check(object))
        return write_float;
    if (PyBytes_Check(object))
        return write_binary;
    return PyDict_Check(object) || PyList_Check(object) || PyTuple_Check(object) ? write_container : NULL;
}

static bool is_exact(PyObject *object) {
    return PyUnicode_CheckExact(object) || PyLong_CheckExact(object) || PyFloat_CheckExact(object) ||
           PyDict_CheckExact(object) || PyList_CheckExact(object);
}

static bool has_kind(PyObject *dtype, const char *letter) {
    PyObject *const kind = PyObject_GetAttrString(dtype, "kind");
    const bool has = kind != NULL && PyUnicode_Check(kind) && PyUnicode_CompareWithASCIIString(kind, letter) == 0;
    Py_XDECREF(kind);
    return has;
}

/* What a time of NumPy is to filters: a date is text, a duration its ticks. */
static PyObject *time_of(PyObject *object, bool is_duration) {
    PyObject *const ticks = is_duration ? PyObject_CallMethod(object, "view", "s", "i8") : NULL;
    PyObject *const found = ticks != NULL ? PyObject_CallMethod(ticks, "item", NULL) : PyObject_Str(object);
    Py_XDECREF(ticks);
    return found;
}

/* A NumPy scalar as the Python object that is equal to it, None for NaT, or as a time. NULL: it is none. */
static PyObject *plain(PyObject *object) {
    PyObject *found = NULL;
    PyObject *const dtype = PyObject_GetAttrString(object, "dtype");
    if (dtype != NULL)
        found = PyObject_CallMethod(object, "item", NULL);
    /* Of times Python has no object for that is an integer. */
    const bool is_duration = found != NULL && has_kind(dtype, "m");
    if (found != NULL && found != Py_None && (is_duration || has_kind(dtype, "M"))) {
        Py_DECREF(found);
        found = time_of(object, is_duration);
    }
    Py_XDECREF(dtype);
    PyErr_Clear();
    return found;
}

static bool write_plain(json_writer *writer, PyObject *object) {
    PyObject *const found = plain(object);
    write_function *const write = found == NULL ? NULL : writer_of(found);
    writer->exact = false;
    const bool done = write == NULL || write == write_container ? write_null(writer) : write_value(writer, found);
    Py_XDECREF(found);
    return done;
}

static bool write_value(json_writer *writer, PyObject *object) {
    if (object == Py_None)
        return write_bytes(writer, "null", 4);
    if (object == Py_True || object == Py_False)
        return object == Py_True ? write_bytes(writer, "true", 4) : write_bytes(writer, "false", 5);
    write_function *const write = writer_of(object);
    writer->exact = writer->exact && is_exact(object);
    return write == NULL ? write_plain(writer, object) : write(writer, object);
}

bool json_write(json_writer *writer, PyObject *object) {
    writer->depth = 0;
    return write_value(writer, object);
}

/* ----------------------------------------------------------------------------------------------------- documents -- */

#define NO_DOCUMENT SIZE_MAX

/* Appends one document and stores where it begins. */
static bool read_document(PyObject *object, json_writer *writer, size_t *offset) {
    const size_t start = writer->size;
    *offset = NO_DOCUMENT;
    if (object == Py_None)
        return true;
    if (!json_write(writer, object))
        return false;
    if (writer->size - start > NPV_MAX_DOCUMENT_BYTES / 2) {
        writer->size = start;
        writer->exact = false;
        return true;
    }
    *offset = start;
    return write_bytes(writer, "", 1);
}

/* Keeps the pickle of an object of which JSON does not say all. */
static bool keep_pickle(PyObject *object, PyObject *pickler, size_t count, size_t row, documents_argument *documents) {
    if (documents->objects == NULL) {
        documents->objects = PyMem_Calloc(count, sizeof *documents->objects);
        documents->pickles = PyList_New(0);
        if (documents->objects == NULL && documents->pickles != NULL)
            PyErr_NoMemory();
        if (documents->objects == NULL || documents->pickles == NULL)
            return false;
    }
    PyObject *const pickle = PyObject_CallFunctionObjArgs(pickler, object, NULL);
    char *data = NULL;
    Py_ssize_t size = 0;
    const bool done = pickle != NULL && PyBytes_AsStringAndSize(pickle, &data, &size) == 0 &&
                      PyList_Append(documents->pickles, pickle) == 0;
    documents->objects[row] = (npv_object){data, (size_t)size};
    Py_XDECREF(pickle);
    return done;
}

static bool read_documents(PyObject *sequence, size_t count, PyObject *pickler, documents_argument *documents,
                           size_t *offsets) {
    for (size_t i = 0; i < count; i++) {
        PyObject *const object = PySequence_GetItem(sequence, (Py_ssize_t)i);
        documents->writer.exact = true;
        bool done = object != NULL && read_document(object, &documents->writer, &offsets[i]);
        if (done && !documents->writer.exact && pickler != Py_None)
            done = keep_pickle(object, pickler, count, i, documents);
        Py_XDECREF(object);
        if (!done)
            return false;
    }
    return true;
}

bool documents_read(PyObject *sequence, size_t count, PyObject *pickler, documents_argument *documents) {
    memset(documents, 0, sizeof *documents);
    if (sequence == Py_None)
        return true;
    size_t *const offsets = PyMem_Calloc(count + 1, sizeof *offsets);
    bool done = offsets != NULL && read_documents(sequence, count, pickler, documents, offsets);
    if (done)
        documents->text = PyMem_Calloc(count + 1, sizeof *documents->text);
    if (offsets == NULL || (done && documents->text == NULL))
        PyErr_NoMemory();
    done = done && documents->text != NULL;
    for (size_t i = 0; i < count && done; i++)
        documents->text[i] = offsets[i] == NO_DOCUMENT ? NULL : documents->writer.data + offsets[i];
    PyMem_Free(offsets);
    return done;
}

void documents_free(documents_argument *documents) {
    PyMem_Free((void *)documents->text);
    PyMem_Free(documents->objects);
    Py_XDECREF(documents->pickles);
    PyMem_Free(documents->writer.data);
}

/* Is the row's object these bytes, or, for NULL, has it none? */
static npv_status compare_object(npv_store *store, uint64_t row, npv_object wanted, bool *same, npv_error *error) {
    unsigned char *object = NULL;
    size_t size = 0;
    const npv_status status = npv_get_object(store, row, &object, &size, error);
    if (status == NPV_OK)
        *same = (object == NULL) == (wanted.data == NULL) && size == wanted.size &&
                (size == 0 || memcmp(object, wanted.data, size) == 0);
    npv_free(object);
    return status;
}

static npv_status compare_row(npv_store *store, uint64_t row, const documents_argument *wanted, bool *same,
                              npv_error *error) {
    char *json = NULL;
    npv_status status = npv_get_document(store, row, &json, error);
    const char *const text = wanted->text[0];
    *same = (json == NULL) == (text == NULL) && (json == NULL || strcmp(json, text) == 0);
    npv_free(json);
    if (status == NPV_OK && *same)
        status = compare_object(store, row, wanted->objects != NULL ? wanted->objects[0] : (npv_object){NULL, 0}, same,
                                error);
    return status;
}

/* holds(row, object, pickler) -> whether the row's document, or its object, says all of this object */
PyObject *store_holds(PyObject *self, PyObject *const *arguments, Py_ssize_t count) {
    documents_argument wanted = {.text = NULL};
    PyObject *result = NULL;
    bool same = false;
    npv_error error;
    if (!check_count("holds", 3, count))
        return NULL;
    const unsigned long long row = PyLong_AsUnsignedLongLong(arguments[0]);
    PyObject *const one = PyErr_Occurred() == NULL ? PyTuple_Pack(1, arguments[1]) : NULL;
    if (one != NULL && documents_read(one, 1, arguments[2], &wanted))
        result = compare_row(store_of(self)->store, row, &wanted, &same, &error) == NPV_OK
                     ? PyBool_FromLong(same)
                     : raise_error(state_of(self), &error);
    documents_free(&wanted);
    Py_XDECREF(one);
    return result;
}
