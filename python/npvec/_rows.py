"""The rows of a store: the library's store, and the Python objects that are their metadata.

The library has vectors, ids and what it understands of the metadata, to filter by. The objects themselves are here, so
that a hit has the very object that was added. Those of a file that was opened are made when they are first asked for.
"""

import ast
import contextlib
import io
import os
import pickle
import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import compress
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from . import _archive, _npvec, _typed

_UNREAD = _npvec.UNREAD
_DOCUMENTS = 1  # a kind of metadata, in npvec.h
_BLOCK = 1024  # rows whose metadata is read at once, where all is wanted
_MOST_REPLACED = 4096  # rows of which is known when they were replaced last
_INFINITY = float("inf")
# Without it, an object must not leave an array of which another thread may just be reading it.
_GIL = getattr(sys, "_is_gil_enabled", lambda: True)()

# What the library's pickles of documents name: NumPy scalars.
_ALLOWED = {
    ("numpy.core.multiarray", "scalar"),
    ("numpy._core.multiarray", "scalar"),
    ("numpy", "dtype"),
    ("_codecs", "encode"),
}


class _Documents(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in _ALLOWED:
            raise pickle.UnpicklingError(f"expected data, found {module}.{name}")
        return super().find_class(module, name)


def _dumps(payload: Any) -> bytes:
    return pickle.dumps(payload, 4)


class Changed(IndexError):
    """Rows were deleted, or replaced, by another thread since they were found."""


@contextlib.contextmanager
def found_by(ids: list[str] | None) -> Iterator[None]:
    """Around what is done with the rows of these ids: they may have been deleted since these were looked up."""
    try:
        yield
    except IndexError as error:
        if ids is None:
            raise
        raise Changed(*error.args) from None


def _dtype_of_descr(descr: str) -> np.dtype[Any]:
    """Padding between fields is none of them, as np.load has it."""
    return np.lib.format.descr_to_dtype(ast.literal_eval(descr))


class Rows:
    """Rows of one kind: with objects (`dtype` is object), with fields that are objects, or with typed fields.

    One thread at a time may write; the store sees to that. Any number may read meanwhile. `durable`: a journal has what
    the library has, so that gets a pickle of what JSON does not say when it is added; else when the store is saved.
    `trusted`: such pickles of a file may be unpickled, which runs code.

    Encoding documents takes longer than all else in adding rows, and serves filters and files alone. So plain data is
    only copied at first (`_waiting`), and encoded when the first filter or a file asks. From the first filter on it is
    encoded at once: searches by other threads must not see rows without their documents.

    Who reads without the lock of writers reads a row in parts: a search finds it, then its metadata is looked up. So
    readers compare `epoch`, which says whether row numbers were others meanwhile, and ask `replaced` about their rows.
    """

    __slots__ = (
        "_all_replaced",
        "_objects_lock",
        "_records",
        "_replaced",
        "_replacing",
        "_unread",
        "_waiting",
        "changes",
        "dead",
        "dtype",
        "durable",
        "epoch",
        "filtered",
        "follows",
        "handle",
        "objects",
        "trusted",
        "typed",
        "whole",
    )

    def __init__(
        self,
        handle: _npvec.Store,
        dtype: np.dtype[Any] | None = None,
        durable: bool = False,
        trusted: bool = False,
    ) -> None:
        descr = handle.descr()
        self.handle = handle
        self.durable = durable
        self.trusted = trusted
        self.filtered = durable  # documents are encoded when they are added
        self._waiting: list[tuple[int, list[Any]]] = []  # first rows, and copies of the documents from there on
        self.follows = False  # the library may catch up with the file: all changes and objects are those of the file
        self.typed = descr is not None
        self.dtype = np.dtype(dtype or object) if descr is None else _dtype_of_descr(descr)
        # Can the library have all of the metadata? Not fields that are objects.
        self.whole = self.typed or self.dtype == object
        count, end = handle.size()
        # Row numbers change when deleted rows are dropped: odd while that is being done. For good where others follow.
        self.epoch = 0
        # One more when rows are going to be replaced, and again when that is done: odd meanwhile.
        self.changes = 0
        self._replaced: dict[int, float] = {}  # of rows that were replaced, `changes` after that; infinity until then
        self._all_replaced: float = 0  # the same of all rows that are not there
        self._replacing = 0  # the thread that replaces rows; to pickle metadata it may run what searches the store
        # Others than these may have been deleted by whoever wrote the journal.
        self.dead: set[int] = set() if count == end else _missing(handle, end)
        # None: the library has them all. Else with room for more rows behind `end`; locked, as its views are.
        self.objects: npt.NDArray[Any] | None = None if self.typed else np.full(end, _UNREAD, self.dtype)
        if self.objects is not None:
            self.objects.flags.writeable = False
        self._objects_lock = threading.Lock()
        self._unread = end > 0 and not self.typed
        self._records: npt.NDArray[Any] = np.empty(0, self.dtype)

    @property
    def end(self) -> int:
        """Row numbers are below. As the library says: whoever finds a row there must find it here, too."""
        return self.handle.size()[1]

    # ------------------------------------------------------------------------------------------------------------ views

    def vectors(self, dimensions: int) -> npt.NDArray[np.float32]:
        epoch, end = self.epoch, self.end
        if end == 0:
            view = np.empty((0, dimensions), np.float32)
        else:
            view = np.frombuffer(self.handle.vectors(end), np.float32).reshape(end, dimensions)
        self._check_epoch(epoch)
        view.flags.writeable = False
        return view

    def _check_epoch(self, epoch: int) -> None:
        """Before memory is looked at: what the library has by now may be fewer rows."""
        if epoch % 2 == 1 or self.epoch != epoch:
            raise IndexError("rows have got other numbers meanwhile")

    def records(self) -> npt.NDArray[Any]:
        epoch, end = self.epoch, self.end
        records = self._records  # which another thread may make anew
        if len(records) != end:
            records = np.frombuffer(self.handle.records(end), self.dtype, end)
            self._check_epoch(epoch)
            self._records = records
        view = records.view()
        view.flags.writeable = False
        return view

    def metadata(self) -> npt.NDArray[Any]:
        if self.objects is None:
            return self.records()
        epoch, end = self.epoch, self.end
        if self._unread:
            for first in range(0, end, _BLOCK):
                self._read_block(range(first, min(first + _BLOCK, end)))
            with self._objects_lock:
                self._check_epoch(epoch)
                self._unread = False
        view = self.objects[:end]
        view.flags.writeable = False
        return view

    def _read_block(self, block: range) -> None:
        """Reads what has not been read of these rows. Pickles without a memo, put together, make one of a list."""
        assert self.objects is not None
        epoch = self.epoch
        rows = [row for row in block if self.objects[row] is _UNREAD]
        if self.handle.has_objects():
            made = [_unless_deleted(self._made, row) for row in rows]
        else:
            pickles = [_unless_deleted(self._pickle, row) for row in rows]
            data = b"".join(b"N" if each is None else each[2:-1] for each in pickles)
            made = _Documents(io.BytesIO(b"\x80\x04](" + data + b"e.")).load() if rows else []
        with self._objects_lock:
            self._check_epoch(epoch)
            unread = [self.objects[row] is _UNREAD for row in rows]
            self._store(compress(rows, unread), compress(made, unread))

    def _object(self, row: int) -> bytes | None:
        try:
            return self.handle.object(row)
        except IndexError as error:
            raise Changed(*error.args) from None

    def _pickle(self, row: int) -> bytes | None:
        try:
            return self.handle.pickle(row)
        except IndexError as error:
            raise Changed(*error.args) from None

    def _made(self, row: int) -> Any:
        """What the library has of a row, as an object."""
        data = self._object(row)
        if data is not None:
            self.check_trust()
            return pickle.loads(data)
        data = self._pickle(row)
        return None if data is None else _Documents(io.BytesIO(data)).load()

    def check_trust(self) -> None:
        if not self.trusted:
            raise _npvec.UnsupportedError(
                "rows have metadata that only Python reads, pickled objects; if you trust the file, open it with "
                "allow_pickle=True, which runs code that it names"
            )

    def read(self, row: int) -> Any:
        """The metadata of a row: as it was added, or as the file has it; of records a copy, which stays what it is."""
        if self.objects is None:
            records = self._records
            return _copied(records if row < len(records) else self.records(), row)
        epoch = self.epoch
        found = self.objects[row]
        if found is not _UNREAD:
            return found if self.whole else _copied(self.objects, row)
        made = self._made(row)
        with self._objects_lock:
            self._check_epoch(epoch)
            if self.objects[row] is _UNREAD:
                self._store([row], [made])
            return self.objects[row]

    def vector(self, row: int) -> npt.NDArray[np.float32]:
        """A copy."""
        try:
            return np.frombuffer(self.handle.vector(row), np.float32)
        except IndexError as error:
            raise Changed(*error.args) from None

    def replaced(self, rows: Iterable[int], since: int) -> bool:
        """Was one of the rows replaced, or is it being, since `changes` were so many?"""
        if (self.changes == since and since % 2 == 0) or self._replacing == threading.get_ident():
            return False
        replaced = self._replaced  # the first to be looked at: it is emptied after the other was set
        return self._all_replaced > since or any(replaced.get(row, 0) > since for row in rows)

    # ----------------------------------------------------------------------------------------------------------- writes

    def _store(
        self, rows: Iterable[int], payloads: Iterable[Any], objects: npt.NDArray[Any] | None = None
    ) -> None:
        if objects is None:
            objects = self.objects
        assert objects is not None
        objects.flags.writeable = True
        try:
            for row, payload in zip(rows, payloads):
                objects[row] = payload
        finally:
            objects.flags.writeable = False

    def _append(self, end: int, payloads: Sequence[Any]) -> None:
        """Behind the last row, before the library has the new ones: so whoever finds them finds these, too."""
        assert self.objects is not None
        self._reserve(end, len(payloads))
        with self._objects_lock:
            if self.dtype != object:
                self._store(range(end, end + len(payloads)), payloads)
                return
            self.objects.flags.writeable = True
            try:  # each of them is one object, also if it is a sequence
                self.objects[end : end + len(payloads)] = np.fromiter(payloads, object, len(payloads))
            finally:
                self.objects.flags.writeable = False

    def _reserve(self, end: int, count: int) -> None:
        """Room for more rows; views keep what they show."""
        assert self.objects is not None
        if end + count <= len(self.objects):
            return
        with self._objects_lock:
            grown = np.empty(max(end + count, 2 * len(self.objects)), self.dtype)
            grown[:end] = self.objects[:end]
            grown.flags.writeable = False
            self.objects = grown

    def _pickler(self) -> Callable[[Any], bytes] | None:
        return _dumps if self.durable and not self.typed else None

    def _arguments(self, payloads: Any, count: int) -> tuple[Sequence[Any] | None, npt.NDArray[Any] | None]:
        """Documents and records, one of them None, for the library."""
        if not self.typed:
            names = self.dtype.names
            if names is None or payloads is None:
                return payloads, None
            return [_typed.row_as_dict(payload, names) for payload in payloads], None
        if isinstance(payloads, np.ndarray) and payloads.dtype.names:
            return None, _typed.records_of_array(payloads, self.dtype)
        if payloads is None:
            raise ValueError(f"metadata: expected {count} rows with fields {self.dtype.names}, found None")
        return [_typed.document_of_row(payload, self.dtype.names or ()) for payload in payloads], None

    def _objects_of(self, payloads: Any, count: int) -> Sequence[Any]:
        if payloads is None:
            return [None] * count
        if self.dtype.names is None:
            return payloads  # type: ignore[no-any-return]
        rows = [_typed.row_as_dict(payload, self.dtype.names) for payload in payloads]
        return [tuple(row[name] for name in self.dtype.names) for row in rows]

    def add(self, vectors: npt.NDArray[np.float32], payloads: Any, ids: Sequence[str | None] | None) -> None:
        """`payloads`: a list, a tuple, a structured array, or None."""
        count = len(vectors)
        self.follows = False
        documents, records = self._arguments(payloads, count)
        end = self.end
        if self.objects is not None:
            self._append(end, self._objects_of(payloads, count))
        waiting = None if self.filtered or self.typed or documents is None else _npvec.snapshot(documents)
        fields = None if records is None else records.view(np.uint8)
        try:
            if waiting is not None:
                documents = None
                self._waiting.append((end, waiting))
            self.handle.add(vectors, documents, ids, fields, self._pickler())
        except BaseException:  # an interrupt may come when the rows are in
            if self.end == end:
                self._waiting = [each for each in self._waiting if each[0] < end]
            raise

    def encode(self) -> None:
        """Gives the library the documents that wait."""
        waiting = [
            (row, document)
            for first, documents in self._waiting
            for row, document in enumerate(documents, first)
            if document is not None
        ]
        for first in range(0, len(waiting), _BLOCK):
            rows, documents = zip(*waiting[first : first + _BLOCK])
            self.handle.set_documents(np.array(rows, np.int64), documents, None)
        self._waiting = []

    def upsert(self, vectors: npt.NDArray[np.float32], payloads: Any, ids: Sequence[str]) -> npt.NDArray[np.int64]:
        count = len(vectors)
        self.follows = False
        self.encode()
        documents, records = self._arguments(payloads, count)
        made = None if self.objects is None else self._objects_of(payloads, count)
        places, rows = np.empty(count, np.int64), np.empty(count, np.int64)
        rows.fill(-1)
        self.handle.places(ids, places)
        there = places >= 0
        changed = places[there].tolist()
        if made is not None and len(changed) < count:
            self._append(self.end, list(compress(made, ~there)))
            made = list(compress(made, there))
        fields = None if records is None else records.view(np.uint8)
        before = None  # kept until the lock is free: finalizers may use the store
        try:
            self._begin_to_replace(changed)
            self.handle.upsert(vectors, documents, ids, fields, self._pickler(), rows)
        finally:  # an interrupt may come when it is done
            if made is not None and changed and rows[0] >= 0:
                before = self._replace_objects(changed, made)
            self._end_to_replace(changed)
        del before
        return rows

    def _replace_objects(self, rows: list[int], payloads: Sequence[Any]) -> list[Any]:
        """Returns those that were there."""
        assert self.objects is not None
        with self._objects_lock:
            before = [self.objects[row] for row in rows]
            objects = self.objects if _GIL else self.objects.copy()
            self._store(rows, payloads, objects)
            self.objects = objects
        return before

    def _begin_to_replace(self, rows: list[int]) -> None:
        self._replacing = threading.get_ident()
        if len(self._replaced) + len(rows) > _MOST_REPLACED:
            self._all_replaced = _INFINITY
            self._replaced = {}
        else:
            self._replaced.update(dict.fromkeys(rows, _INFINITY))
        self.changes |= 1

    def _end_to_replace(self, rows: list[int]) -> None:
        self.changes += self.changes % 2
        if self._all_replaced == _INFINITY:
            self._all_replaced = self.changes
        else:
            self._replaced.update(dict.fromkeys(rows, self.changes))
        self._replacing = 0

    def delete(self, rows: npt.NDArray[np.int64]) -> None:
        if len(rows) > 0:
            self.follows = False
            self.encode()
            before = self.handle.size()[0]
            try:
                self.handle.delete(rows, None, None)
            finally:  # an interrupt may come when it is done
                if self.handle.size()[0] < before:
                    self.dead.update(rows.tolist())

    def renewed(self) -> "Rows":
        """The rows as the library has them by now, to take the place of these, which go out of use."""
        self.epoch |= 1
        dtype = None if self.typed or self.dtype == object else self.dtype
        rows = Rows(self.handle, dtype, self.durable, self.trusted)
        rows.follows = self.follows
        return rows

    def _live(self) -> npt.NDArray[np.int64]:
        return np.setdiff1d(np.arange(self.end), np.fromiter(self.dead, np.int64, len(self.dead)))

    def _forget_dead(self, live: npt.NDArray[np.int64]) -> None:
        """After the library closed the gaps."""
        if self.objects is not None:
            kept = self.objects[live]
            kept.flags.writeable = False
            self.objects = kept
        self.dead = set()
        self._records = np.empty(0, self.dtype)

    # ------------------------------------------------------------------------------------------------------------ files

    def _holds(self, row: int, payload: Any) -> bool:
        """Does the library have all of this object?"""
        if self.handle.holds(row, payload, _dumps):
            return True
        data = self.handle.pickle(row)
        if data is None or self.handle.object(row) is not None or _npvec.encode(payload)[1]:
            return False
        return _dumps(_Documents(io.BytesIO(data)).load()) == _dumps(payload)  # tuples, bytes, NumPy scalars

    def settle(self) -> None:
        """Gives the library what it does not have of the metadata as it is now: what was changed, and objects."""
        if self.objects is None:
            return
        self.encode()
        changed = [
            (row, payload)
            for row, payload in enumerate(self.objects[: self.end].tolist())
            if payload is not _UNREAD and row not in self.dead and not self._holds(row, payload)
        ]
        if changed:
            rows, payloads = zip(*changed)
            self.handle.set_documents(np.array(rows, np.int64), payloads, _dumps)

    def save(self, path: Path, compressed: bool) -> None:
        """Has the library write what it has. Rows get other numbers if some were deleted."""
        moves = len(self.dead) > 0
        end, live = self.end, self._live() if moves else None
        with self._objects_lock:  # whoever is about to store what he has read, stores it before or not at all
            self.epoch += moves
        try:
            self.handle.save(os.fsencode(path), compressed)
            self.follows = not self.durable
        finally:  # an interrupt may come when it is done
            if live is not None and self.end < end:
                self._forget_dead(live)
            self.epoch += moves

    def archive(self, dimensions: int, normalize: bool) -> _archive.Archive:
        """What a file has to hold, without deleted rows."""
        live = self._live()
        vectors, metadata = self.vectors(dimensions), self.metadata()
        ids = [self.handle.id(row) for row in live.tolist()]
        some = slice(None) if not self.dead else live
        return _archive.Archive(vectors[some], metadata[some], ids if any(ids) else None, normalize)

    def with_schema(self, dtype: np.dtype[Any] | None, threads: int) -> "Rows":
        """These rows with the fields that a store was made with; None: as they are."""
        if dtype is None or self.dtype == dtype:
            return self
        if self.dtype.names != dtype.names:
            raise ValueError(f"metadata schema: expected fields {dtype.names}, found {self.dtype.names}")
        dimensions, normalize = self.handle.info()[2:4]
        archive = self.archive(dimensions, normalize)
        made = create(dimensions, normalize, threads, dtype)
        made.add(np.ascontiguousarray(archive.vectors), archive.metadata, archive.ids)
        return made


def _unless_deleted(read: Callable[[int], Any], row: int) -> Any:
    try:
        return read(row)
    except Changed:
        return None


def _copied(records: npt.NDArray[Any], row: int) -> Any:
    """A record that nobody can write to, as those in the array."""
    record = records[row : row + 1]
    if not records.dtype.hasobject:
        return np.frombuffer(record.tobytes(), records.dtype)[0]  # copy() has no padding
    copy = record.copy()
    copy.flags.writeable = False
    return copy[0]


class Copies:
    """In the place of rows whose metadata are records with objects, where hits are made: has no objects to hand out."""

    __slots__ = ("objects", "read")

    def __init__(self, rows: Rows) -> None:
        self.objects = None
        self.read = rows.read


class _Closed:
    """In the place of rows."""

    def __getattr__(self, name: str) -> Any:
        raise ValueError("the store is closed")


CLOSED: Any = _Closed()


def _missing(handle: _npvec.Store, end: int) -> set[int]:
    there = np.frombuffer(handle.select(None, None, None, None, False, 0, None), np.int64)
    return set(np.setdiff1d(np.arange(end), there, assume_unique=True).tolist())


def create(
    dimensions: int, normalize: bool, threads: int, dtype: np.dtype[Any] | None = None, durability: int = 0
) -> Rows:
    """An empty store; with typed fields if `dtype` has fields none of which are objects."""
    typed = dtype is not None and not dtype.hasobject
    names, types = _typed.field_types(dtype) if dtype is not None and typed else (None, None)
    handle = _npvec.create(dimensions, normalize, threads, durability, names, types)
    return Rows(handle, None if typed else dtype, durability > 0)


def _unit(vectors: npt.NDArray[Any]) -> bool:
    squares = np.einsum("ij,ij->i", vectors, vectors, dtype=np.float64)
    return bool(np.all(np.abs(np.sqrt(squares) - 1) <= 1e-4))


def of_archive(archive: _archive.Archive, normalize: bool | None, threads: int) -> Rows:
    """A store of what an archive holds, in memory."""
    says = archive.normalize if archive.normalize is not None else normalize
    vectors = np.ascontiguousarray(archive.vectors, np.float32)
    kept = _unit(vectors) if says is None else says
    dtype = archive.metadata.dtype if archive.metadata.dtype.names else None
    rows = create(vectors.shape[1], kept, threads, dtype)
    structured = rows.typed
    rows.add(vectors, archive.metadata if structured else list(archive.metadata), archive.ids)
    return rows


def _check_documents(rows: Rows) -> None:
    """Reads those of a file that npvec did not write, so that objects and mistakes in them are found now."""
    info = rows.handle.info()
    if len(rows.dead) == rows.end:
        return
    if info[4] == _DOCUMENTS and info[11] == 0:
        first = np.frombuffer(rows.handle.select(None, None, None, None, False, 0, 1), np.int64)
        rows.handle.pickle(int(first[0]))
    if rows.handle.has_objects():
        rows.check_trust()


def open_rows(path: Path, dimensions: int, normalize: bool | None, threads: int, allow_pickle: bool) -> Rows:
    """A store of what a file holds. `dimensions` 0 and `normalize` None: whatever the file says."""
    try:
        handle = _npvec.open(os.fsencode(path), dimensions, normalize, threads, 0, None, None)
        rows = Rows(handle, trusted=allow_pickle)
        _check_documents(rows)
        rows.follows = True
        return rows
    except _npvec.UnsupportedError as error:
        if not allow_pickle and "allow_pickle" in str(error):
            raise
        if not allow_pickle:
            raise _npvec.UnsupportedError(
                f"{error}; if you trust the file, open it with allow_pickle=True, which runs code that it names"
            ) from None
    found = of_archive(_archive.read(path), normalize, threads)
    if dimensions not in (0, found.handle.info()[2]):
        raise ValueError(f"{path}: expected {dimensions} dimensions, found {found.handle.info()[2]}")
    return found


def open_for_writing(
    path: Path,
    dimensions: int,
    normalize: bool | None,
    threads: int,
    dtype: np.dtype[Any] | None,
    durability: int,
    allow_pickle: bool,
) -> Rows:
    """The store in a file, with its journal. `dimensions` 0: the file must be there."""
    names, types = (None, None) if dtype is None else _typed.field_types(dtype)
    handle = _npvec.open(os.fsencode(path), dimensions, normalize, threads, durability, names, types)
    rows = Rows(handle, None, True, allow_pickle)
    _check_documents(rows)
    return rows
