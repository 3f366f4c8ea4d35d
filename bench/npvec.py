"""npvec called through ctypes: the few functions of include/npvec.h that the benchmarks need.

Nothing but the standard library is imported, so that a cold process pays only for npvec. Vectors are any writable
buffers of float32 (NumPy arrays, array.array); results are plain lists.
"""

from __future__ import annotations

import ctypes
import math
import sys
from collections.abc import Callable, Sequence
from ctypes import POINTER, byref, c_char, c_char_p, c_double, c_float, c_int, c_size_t, c_uint, c_uint64, c_void_p
from itertools import pairwise
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
LIBRARY = ROOT / "build" / "release" / ("libnpvec.dylib" if sys.platform == "darwin" else "libnpvec.so")

Hits = list[list[tuple[int, float]]]

OFF, OS, DISK = 0, 1, 2  # npv_durability


class _Error(ctypes.Structure):
    _fields_ = [("code", c_int), ("position", c_size_t), ("message", c_char * 512)]


class _Field(ctypes.Structure):
    _fields_ = [("name", c_char_p), ("type", c_char_p)]


class _StoreOptions(ctypes.Structure):
    _fields_ = [
        ("size", c_size_t),
        ("dimensions", c_size_t),
        ("normalize", c_int),
        ("threads", c_uint),
        ("no_codes", c_int),
        ("durability", c_int),
        ("fields", POINTER(_Field)),
        ("field_count", c_size_t),
    ]


class _Batch(ctypes.Structure):
    _fields_ = [
        ("size", c_size_t),
        ("count", c_size_t),
        ("vectors", POINTER(c_float)),
        ("documents", c_void_p),
        ("ids", c_void_p),
        ("records", c_char_p),
    ]


class _Info(ctypes.Structure):
    _fields_ = [
        ("size", c_size_t),
        ("rows", c_uint64),
        ("row_end", c_uint64),
        ("dimensions", c_size_t),
        ("normalize", c_int),
        ("metadata", c_int),
        ("mapped", c_int),
        ("threads", c_uint),
        ("kernels", c_char_p),
        ("path", c_char_p),
        ("ids", c_uint64),
        ("origin", c_char * 160),
        ("durability", c_int),
        ("generation", c_uint64),
        ("journal_bytes", c_uint64),
        ("journal_note", c_char * 160),
    ]


class _Explain(ctypes.Structure):
    _fields_ = [
        ("size", c_size_t),
        ("plan", c_char_p),
        ("queries", c_uint64),
        ("rows", c_uint64),
        ("rows4", c_uint64),
        ("rows8", c_uint64),
        ("rows32", c_uint64),
        ("bytes4", c_uint64),
        ("bytes8", c_uint64),
        ("bytes32", c_uint64),
        ("survivors", c_uint64),
        ("rows_coded", c_uint64),
        ("coding_seconds", c_double),
        ("search_seconds", c_double),
        ("filter_seconds", c_double),
    ]


class _SearchOptions(ctypes.Structure):
    _fields_ = [
        ("size", c_size_t),
        ("metric", c_int),
        ("exhaustive", c_int),
        ("k", c_size_t),
        ("min_score", c_double),
        ("max_distance", c_double),
        ("within_rows", c_void_p),
        ("within_count", c_size_t),
        ("explain", POINTER(_Explain)),
        ("filter", c_void_p),
    ]


class _Selection(ctypes.Structure):
    _fields_ = [
        ("size", c_size_t),
        ("filter", c_void_p),
        ("rows", c_void_p),
        ("row_count", c_size_t),
        ("ids", c_void_p),
        ("id_count", c_size_t),
    ]


class _Hit(ctypes.Structure):
    _fields_ = [("row", c_uint64), ("score", c_double)]


class _Hits(ctypes.Structure):
    _fields_ = [("query_count", c_size_t), ("starts", POINTER(c_size_t)), ("hit", POINTER(_Hit))]


def _declare(library: ctypes.CDLL) -> ctypes.CDLL:
    """Gives the functions their types; those without a result type return an npv_status."""
    store, error = c_void_p, POINTER(_Error)
    library.npv_version.restype = c_char_p
    library.npv_create.argtypes = [POINTER(_StoreOptions), POINTER(store), error]
    library.npv_open.argtypes = [c_char_p, POINTER(_StoreOptions), POINTER(store), error]
    library.npv_refresh.argtypes = [store, POINTER(c_int), error]
    library.npv_close.argtypes, library.npv_close.restype = [store], None
    library.npv_save.argtypes = [store, c_char_p, c_void_p, error]
    library.npv_get_info.argtypes = [store, POINTER(_Info), error]
    library.npv_add.argtypes = [store, POINTER(_Batch), POINTER(c_uint64), error]
    library.npv_upsert.argtypes = [store, POINTER(_Batch), POINTER(c_uint64), POINTER(c_uint64), error]
    library.npv_get_document.argtypes = [store, c_uint64, POINTER(c_void_p), error]
    library.npv_free.argtypes, library.npv_free.restype = [c_void_p], None
    library.npv_filter_new.argtypes = [c_char_p, c_char_p, POINTER(c_void_p), error]
    library.npv_filter_free.argtypes, library.npv_filter_free.restype = [c_void_p], None
    library.npv_count_selected.argtypes = [store, POINTER(_Selection), POINTER(c_uint64), error]
    library.npv_vectors.argtypes, library.npv_vectors.restype = [store], POINTER(c_float)
    library.npv_search.argtypes = [store, POINTER(c_float), c_size_t, POINTER(_SearchOptions), POINTER(_Hits), error]
    library.npv_hits_free.argtypes, library.npv_hits_free.restype = [POINTER(_Hits)], None
    return library


_library: ctypes.CDLL | None = None


def load() -> ctypes.CDLL:
    """The library of the release build; loaded at the first call."""
    global _library
    if _library is None:
        _library = _declare(ctypes.CDLL(str(LIBRARY)))
    return _library


def version() -> str:
    return load().npv_version().decode()


class Failed(Exception):
    """A call returned something other than NPV_OK; the text is npvec's."""


def _floats(buffer: Any, count: int) -> ctypes.Array:
    """`count` floats of a writable float32 buffer, not copied; the result keeps the buffer alive."""
    return (c_float * count).from_buffer(memoryview(buffer).cast("B")) if count else (c_float * 0)()


def _batch(
    vectors: Any,
    count: int,
    dimensions: int,
    documents: Sequence[bytes],
    ids: Sequence[bytes],
    records: bytes = b"",
) -> _Batch:
    floats = ctypes.cast(_floats(vectors, count * dimensions), POINTER(c_float))
    texts, names = ((c_char_p * count)(*given) if given else None for given in (documents, ids))
    places = [ctypes.cast(given, c_void_p) for given in (texts, names)]
    batch = _Batch(ctypes.sizeof(_Batch), count, floats, *places, records or None)
    batch.kept = (floats, texts, names)
    return batch


class Filter:
    """One npv_filter, freed with the object; it belongs to no store."""

    def __init__(self, text: str) -> None:
        error = _Error()
        self.handle = c_void_p()
        _check(load().npv_filter_new(text.encode(), None, byref(self.handle), byref(error)), error)

    def __del__(self) -> None:
        load().npv_filter_free(self.handle)


class Store:
    """One npv_store. Made by `create` or `open_file`; closed by `close`."""

    def __init__(self, handle: c_void_p) -> None:
        self._library = load()
        self._handle = handle
        self._error = _Error()

    @classmethod
    def create(cls, dimensions: int, threads: int = 0, fields: Sequence[tuple[str, str]] = ()) -> Store:
        """With names and types of fields, rows have records; without, documents."""
        declared = (_Field * len(fields))(*((name.encode(), kind.encode()) for name, kind in fields))
        options = _StoreOptions(
            ctypes.sizeof(_StoreOptions), dimensions, 0, threads, 0, 0, declared if fields else None, len(fields)
        )
        handle, error = c_void_p(), _Error()
        _check(load().npv_create(byref(options), byref(handle), byref(error)), error)
        return cls(handle)

    @classmethod
    def open_file(cls, path: str, threads: int = 0, dimensions: int = 0, durability: int = OFF) -> Store:
        """With `durability` and `dimensions` a file that is not there is created."""
        options = _StoreOptions(ctypes.sizeof(_StoreOptions), dimensions, 0, threads, 0, durability)
        handle, error = c_void_p(), _Error()
        _check(load().npv_open(path.encode(), byref(options), byref(handle), byref(error)), error)
        return cls(handle)

    def close(self) -> None:
        self._library.npv_close(self._handle)
        self._handle = c_void_p()

    def add(
        self, vectors: Any, count: int, dimensions: int, documents: Sequence[bytes] = (), records: bytes = b""
    ) -> None:
        """Documents are JSON texts; records stand back to back, as the fields say."""
        batch = _batch(vectors, count, dimensions, documents, (), records)
        _check(self._library.npv_add(self._handle, byref(batch), None, byref(self._error)), self._error)

    def prepare_add(
        self, vectors: Any, count: int, dimensions: int, documents: Sequence[bytes] = (), ids: Sequence[bytes] = ()
    ) -> Callable[[], None]:
        """A call of npv_add without arguments, so that timing it times little else."""
        batch = _batch(vectors, count, dimensions, documents, ids)
        handle, error, npv_add = self._handle, self._error, self._library.npv_add

        def add() -> None:
            _check(npv_add(handle, batch, None, error), error)

        return add

    def prepare_upsert(
        self, vectors: Any, count: int, dimensions: int, documents: Sequence[bytes], ids: Sequence[bytes]
    ) -> Callable[[], None]:
        """The same of npv_upsert."""
        batch = _batch(vectors, count, dimensions, documents, ids)
        handle, error, npv_upsert = self._handle, self._error, self._library.npv_upsert

        def upsert() -> None:
            _check(npv_upsert(handle, batch, None, None, error), error)

        return upsert

    def upsert(
        self, vectors: Any, count: int, dimensions: int, documents: Sequence[bytes], ids: Sequence[bytes]
    ) -> None:
        batch = _batch(vectors, count, dimensions, documents, ids)
        _check(self._library.npv_upsert(self._handle, byref(batch), None, None, byref(self._error)), self._error)

    def refresh(self) -> int:
        """0: nothing is new; 1: rows came, changed or went; 2: and have other numbers."""
        changed = c_int()
        _check(self._library.npv_refresh(self._handle, byref(changed), byref(self._error)), self._error)
        return changed.value

    def save(self, path: str | None = None) -> None:
        """Without a path, to the file that it was opened from."""
        to = path.encode() if path is not None else None
        _check(self._library.npv_save(self._handle, to, None, byref(self._error)), self._error)

    def info(self) -> dict[str, Any]:
        info = _Info(ctypes.sizeof(_Info))
        _check(self._library.npv_get_info(self._handle, byref(info), byref(self._error)), self._error)
        return {
            "rows": info.rows,
            "dimensions": info.dimensions,
            "mapped": bool(info.mapped),
            "threads": info.threads,
            "kernels": info.kernels.decode(),
            "origin": info.origin.decode(),
            "journal_bytes": info.journal_bytes,
        }

    def document(self, row: int) -> str:
        text = c_void_p()
        _check(self._library.npv_get_document(self._handle, row, byref(text), byref(self._error)), self._error)
        copied = ctypes.string_at(text).decode() if text else ""
        self._library.npv_free(text)
        return copied

    def vectors(self) -> ctypes.Array:
        """All rows, one after the other, borrowed: valid until `close`."""
        info = self.info()
        pointer = self._library.npv_vectors(self._handle)
        return ctypes.cast(pointer, POINTER(c_float * (info["rows"] * info["dimensions"]))).contents

    def prepare(
        self,
        queries: Any,
        count: int,
        dimensions: int,
        k: int,
        exhaustive: bool = False,
        explain: Any = None,
        condition: Filter | None = None,
    ) -> Callable[[], _Hits]:
        """A call of npv_search without arguments, so that timing it times little else. Pass its result to `take`."""
        floats = _floats(queries, count * dimensions)
        passing = condition.handle if condition else None
        options = _SearchOptions(
            ctypes.sizeof(_SearchOptions), 0, exhaustive, k, -math.inf, math.inf, None, 0, explain, passing
        )
        options.kept = condition
        pointer = ctypes.cast(floats, POINTER(c_float))
        handle, error, npv_search = self._handle, self._error, self._library.npv_search

        def search() -> _Hits:
            hits = _Hits()
            _check(npv_search(handle, pointer, count, options, hits, error), error)
            return hits

        return search

    def prepare_count(self, condition: Filter) -> Callable[[], int]:
        """A call of npv_count_selected without arguments: how many rows pass."""
        selection = _Selection(ctypes.sizeof(_Selection), condition.handle, None, 0, None, 0)
        selection.kept = condition
        handle, error, npv_count_selected = self._handle, self._error, self._library.npv_count_selected

        def count_selected() -> int:
            count = c_uint64()
            _check(npv_count_selected(handle, selection, count, error), error)
            return count.value

        return count_selected

    def explain(
        self, queries: Any, count: int, dimensions: int, k: int, condition: Filter | None = None
    ) -> dict[str, Any]:
        """What one search did, under the names of npv_explain."""
        explain = _Explain(ctypes.sizeof(_Explain))
        told_to = ctypes.pointer(explain)
        self.take(self.prepare(queries, count, dimensions, k, explain=told_to, condition=condition)())
        told = {name: getattr(explain, name) for name, _ in _Explain._fields_[1:]}
        return {**told, "plan": explain.plan.decode()}

    def take(self, hits: _Hits) -> Hits:
        """Copies the hits of every query and frees those of the library."""
        starts = hits.starts[: hits.query_count + 1]
        copied = [[(hits.hit[i].row, hits.hit[i].score) for i in range(first, end)] for first, end in pairwise(starts)]
        self._library.npv_hits_free(byref(hits))
        return copied


def _check(status: int, error: _Error) -> None:
    if status:
        raise Failed(error.message.decode(errors="replace"))
