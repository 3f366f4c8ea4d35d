"""npvec.h in Python, as thin as it can be: for tests that hold the library against NumPy.

The library is the one that NPVEC_LIBRARY names.
"""

import ctypes as c
import os

import numpy as np

OK, ARGUMENT, RANGE, NOT_FOUND, EXISTS, MEMORY, IO, FORMAT, UNSUPPORTED, LIMIT = 0, 10, 20, 22, 24, 30, 40, 50, 60, 70
COSINE, DOT, EUCLIDEAN = 0, 1, 2
NO_METADATA, DOCUMENTS, TYPED = 0, 1, 2


class _Error(c.Structure):
    _fields_ = [("code", c.c_int), ("position", c.c_size_t), ("message", c.c_char * 512)]


class _Options(c.Structure):
    """A struct that is led by its own size."""

    def __init__(self, **fields):
        super().__init__(size=c.sizeof(type(self)), **fields)


class _Field(c.Structure):
    _fields_ = [("name", c.c_char_p), ("type", c.c_char_p)]


class _StoreOptions(_Options):
    _fields_ = [
        ("size", c.c_size_t),
        ("dimensions", c.c_size_t),
        ("normalize", c.c_int),
        ("threads", c.c_uint),
        ("no_codes", c.c_int),
        ("durability", c.c_int),
        ("fields", c.POINTER(_Field)),
        ("field_count", c.c_size_t),
    ]

    def declare(self, fields):
        if fields is not None:
            texts = [_Field(name.encode(), kind.encode()) for name, kind in fields]
            self.fields, self.field_count = (_Field * len(texts))(*texts), len(texts)


class _SaveOptions(_Options):
    _fields_ = [("size", c.c_size_t), ("compress", c.c_int), ("reserved", c.c_int)]


class _Batch(_Options):
    _fields_ = [
        ("size", c.c_size_t),
        ("count", c.c_size_t),
        ("vectors", c.c_void_p),
        ("documents", c.POINTER(c.c_char_p)),
        ("ids", c.POINTER(c.c_char_p)),
        ("records", c.c_void_p),
    ]


class _SearchOptions(_Options):
    _fields_ = [
        ("size", c.c_size_t),
        ("metric", c.c_int),
        ("exhaustive", c.c_int),
        ("k", c.c_size_t),
        ("min_score", c.c_double),
        ("max_distance", c.c_double),
        ("within_rows", c.c_void_p),
        ("within_count", c.c_size_t),
    ]


class _Selection(_Options):
    _fields_ = [
        ("size", c.c_size_t),
        ("filter", c.c_void_p),
        ("rows", c.c_void_p),
        ("row_count", c.c_size_t),
        ("ids", c.POINTER(c.c_char_p)),
        ("id_count", c.c_size_t),
    ]


class Info(_Options):
    _fields_ = [
        ("size", c.c_size_t),
        ("rows", c.c_uint64),
        ("row_end", c.c_uint64),
        ("dimensions", c.c_size_t),
        ("normalize", c.c_int),
        ("metadata", c.c_int),
        ("mapped", c.c_int),
        ("threads", c.c_uint),
        ("kernels", c.c_char_p),
        ("path", c.c_char_p),
        ("ids", c.c_uint64),
        ("origin", c.c_char * 160),
    ]


class _Schema(_Options):
    _fields_ = [
        ("size", c.c_size_t),
        ("fields", c.POINTER(_Field)),
        ("field_count", c.c_size_t),
        ("record_size", c.c_size_t),
        ("descr", c.c_char_p),
        ("records", c.c_void_p),
    ]


class _Hit(c.Structure):
    _fields_ = [("row", c.c_uint64), ("score", c.c_double)]


class _Hits(c.Structure):
    _fields_ = [("query_count", c.c_size_t), ("starts", c.POINTER(c.c_size_t)), ("hit", c.POINTER(_Hit))]


_library = c.CDLL(os.environ["NPVEC_LIBRARY"])
_library.npv_count.restype = c.c_uint64
_library.npv_vectors.restype = c.c_void_p
_NORMALIZE = {None: 0, True: 1, False: 2}


class NpvecError(Exception):
    """A status other than NPV_OK."""

    def __init__(self, code, position, message):
        super().__init__(message)
        self.code, self.position, self.message = code, position, message


def _call(function, *arguments):
    error = _Error()
    status = getattr(_library, function)(*arguments, c.byref(error))
    if status != OK:
        assert status == error.code
        raise NpvecError(error.code, error.position, error.message.decode())


def _pointer(array):
    return array.ctypes.data_as(c.c_void_p)


class Store:
    """An npv_store. Closed when it is let go."""

    def __init__(self, handle):
        self._handle = handle

    @classmethod
    def create(cls, dimensions, normalize=None, threads=0, fields=None):
        """`fields`: a list of names and types."""
        handle = c.c_void_p()
        options = _StoreOptions(dimensions=dimensions, normalize=_NORMALIZE[normalize], threads=threads)
        options.declare(fields)
        _call("npv_create", c.byref(options), c.byref(handle))
        return cls(handle)

    @classmethod
    def open(cls, path, dimensions=0, normalize=None, threads=0, durability=0, fields=None):
        handle = c.c_void_p()
        options = _StoreOptions(dimensions=dimensions, normalize=_NORMALIZE[normalize], threads=threads)
        options.durability = durability
        options.declare(fields)
        _call("npv_open", os.fsencode(path), c.byref(options), c.byref(handle))
        return cls(handle)

    def close(self):
        _library.npv_close(self._handle)
        self._handle = None

    __del__ = close

    def save(self, path=None, compress=False):
        options = _SaveOptions(compress=compress)
        _call("npv_save", self._handle, None if path is None else os.fsencode(path), c.byref(options))

    def add(self, vectors, documents=None, records=None, ids=None):
        """Adds rows; `documents` and `ids` are lists of texts and None, `records` an array. Returns the first row."""
        vectors = np.ascontiguousarray(vectors, np.float32)
        assert vectors.ndim == 2 and vectors.shape[1] == self.info().dimensions
        batch = _Batch(count=len(vectors), vectors=_pointer(vectors))
        if documents is not None:
            assert len(documents) == len(vectors)
            texts = [None if text is None else text.encode("utf-8") for text in documents]
            batch.documents = (c.c_char_p * len(texts))(*texts)
        if records is not None:
            assert len(records) == len(vectors) and records.flags.c_contiguous
            batch.records = _pointer(records)
        if ids is not None:
            assert len(ids) == len(vectors)
            texts = [None if text is None else text.encode("utf-8", "surrogatepass") for text in ids]
            batch.ids = (c.c_char_p * len(texts))(*texts)
        first_row = c.c_uint64()
        _call("npv_add", self._handle, c.byref(batch), c.byref(first_row))
        return first_row.value

    def __len__(self):
        return _library.npv_count(self._handle)

    def info(self):
        info = Info()
        _call("npv_get_info", self._handle, c.byref(info))
        return info

    def vectors(self):
        """A copy of all vectors."""
        shape = len(self), self.info().dimensions
        place = _library.npv_vectors(self._handle)
        if place is None or len(self) == 0:
            return np.empty(shape, np.float32)
        return np.ctypeslib.as_array(c.cast(place, c.POINTER(c.c_float)), shape).copy()

    def document(self, row):
        """The row's JSON text, or None."""
        text = c.c_void_p()
        _call("npv_get_document", self._handle, c.c_uint64(row), c.byref(text))
        if text.value is None:
            return None
        json = c.string_at(text.value).decode("utf-8")
        _library.npv_free(text)
        return json

    def id(self, row):
        """The row's id, or None."""
        text = c.c_char_p()
        _call("npv_get_id", self._handle, c.c_uint64(row), c.byref(text))
        return None if text.value is None else text.value.decode("utf-8", "surrogatepass")

    def find(self, text):
        row = c.c_uint64()
        _call("npv_find", self._handle, text.encode("utf-8", "surrogatepass"), c.byref(row))
        return row.value

    def delete(self, rows):
        """Deletes rows; returns how many."""
        rows = np.ascontiguousarray(rows, np.uint64)
        deleted = c.c_uint64()
        selection = _Selection(rows=_pointer(rows), row_count=len(rows))
        _call("npv_delete", self._handle, c.byref(selection), c.byref(deleted))
        return deleted.value

    def schema(self):
        """Fields as a list of names and types, the descr, and the bytes of all records."""
        schema = _Schema()
        _call("npv_get_schema", self._handle, c.byref(schema))
        fields = [(schema.fields[i].name.decode(), schema.fields[i].type.decode()) for i in range(schema.field_count)]
        size = schema.record_size * self.info().row_end
        records = c.string_at(schema.records, size) if size > 0 else b""
        return fields, None if schema.descr is None else schema.descr.decode(), records

    def clear(self):
        _call("npv_clear", self._handle)

    def search(self, queries, k=10, metric=COSINE, min_score=-np.inf, max_distance=np.inf, within_rows=None):
        """A list of (row, score) for each of the queries."""
        queries = np.ascontiguousarray(queries, np.float32)
        assert queries.ndim == 2 and queries.shape[1] == self.info().dimensions
        options = _SearchOptions(metric=metric, k=k, min_score=min_score, max_distance=max_distance)
        if within_rows is not None:
            rows = np.ascontiguousarray(within_rows, np.uint64)
            options.within_rows, options.within_count = _pointer(rows), len(rows)
        hits = _Hits()
        _call("npv_search", self._handle, _pointer(queries), c.c_size_t(len(queries)), c.byref(options), c.byref(hits))
        found = [
            [(hits.hit[i].row, hits.hit[i].score) for i in range(hits.starts[query], hits.starts[query + 1])]
            for query in range(len(queries))
        ]
        _library.npv_hits_free(c.byref(hits))
        return found
