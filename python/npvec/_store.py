"""VectorStore."""

import json
import threading
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Generic, Literal, SupportsIndex, TypeVar

import numpy as np
import numpy.typing as npt

from . import _archive, _inputs, _npvec, _rows, _typed
from ._hit import Facet, VectorHit
from ._inputs import Id, PathInput, RealNumber, RowNumbers, Where

T = TypeVar("T")
R = TypeVar("R")

# Attributes of a store; a copy has the others, of programs and derived classes, as they are.
_OWN = {"_threads", "_durability", "_dimensions", "_normalize", "_file_path"}
_OWN |= {"_allow_pickle", "_loaded", "_dtype", "_lock", "_rows"}


class VectorStore(Generic[T]):
    """Vectors of one length in float32, each with metadata and perhaps an id, and exact search among them.

    Metadata is any Python object, and hits have the object itself. Dicts can be filtered by their fields with `where`,
    as they were when they were added; with `metadata_schema` metadata is a NumPy structured array. All methods may be
    called by several threads at once; those that search or save leave the interpreter to others meanwhile. A hit, and
    what `get` returns, is a row as it was at one moment; what views show goes on changing.

    Selections. These arguments of many methods say which rows; more than one: rows for which all hold.

    where: a condition on fields: text (`"year >= 2023 AND tags CONTAINS 'rag'"`) or a dict (`{"year": 2023}`);
    docs/filters.md has the grammar. params: values for each `?` in the text. within_rows: row numbers, each once, in
    any order. ids: ids of rows; those that no row has are passed over.

    Errors. TypeError: an argument of the wrong kind. ValueError: of the right kind with a wrong value; FilterError, one
    of them: a condition that cannot be understood. IndexError: a row number outside the store. LookupError: a condition
    on a field that the schema lacks. OSError: files; BlockingIOError, one of them: somebody else has the file open for
    writing.

    Durability. A store is in memory until `save`, unless it is made or opened with a `durability` that is not "off":
    then it has its file open for writing, and each add, upsert, delete and clear is a record in a journal beside the
    file, `<file>-journal`, before the call returns. Whatever ends the process, the file opens with all of them; half a
    call is never there. "os": with the system, which a crash of the process cannot undo; "disk": flushed to the disk.
    `save` folds the journal into the file. One store at a time has a file open for writing, until `close`, or until its
    process ends; any number may read it, and catch up with `refresh`.

    What JSON does not say of metadata (dates, instances of classes) is kept as a pickle beside what it says: in the
    journal from when it was added, else from when it is saved. To open such a file takes allow_pickle=True. Nobody
    notices objects that are changed in place: `upsert` them, or `save`, which writes those that have changed.
    """

    def __init__(
        self,
        dimensions: SupportsIndex,
        file_path: PathInput | None = None,
        metadata_schema: dict[str, Any] | None = None,
        *,
        normalize: bool | np.bool_ = True,
        allow_pickle: bool = False,
        threads: SupportsIndex = 0,
        durability: Literal["off", "os", "disk"] = "off",
    ) -> None:
        """Makes an empty store in memory, or with durability and file_path opens that file, which is made if need be.

        dimensions: numbers in a vector, 1 to 65,536. file_path: where `load` and `save` find the file, which need not
        exist. metadata_schema: names and NumPy types ("U200", "i4", "f8", "M8[s]", ...) of fields that every row has.
        normalize: scale vectors to length 1 when they are added. allow_pickle: `load` and `reload` may unpickle
        objects, which runs code that the file names. threads: of one search; 0: the machine's processors, at most 8.
        durability: "off", "os" or "disk", as above; without file_path it begins with the first `save`.
        """
        width = _inputs.positive(dimensions, "dimensions")
        scaled = _inputs.boolean(normalize, "normalize")
        dtype = _typed.dtype_of_schema(metadata_schema) if metadata_schema else None
        path = _inputs.file_path(file_path) if file_path else None
        self._threads = _inputs.integer(threads, "threads")
        self._durability = _inputs.durability(durability)
        if self._durability and dtype is not None and dtype.hasobject:
            raise ValueError("metadata_schema: expected types of NumPy, as text, in a store with durability")
        if self._durability and path is not None:
            rows = self._open_for_writing(path, width, scaled, dtype, _inputs.boolean(allow_pickle, "allow_pickle"))
        else:
            rows = _rows.create(width, scaled, self._threads, dtype, self._durability)
        self._set(rows, width, scaled, path, allow_pickle, dtype)

    def _set(
        self,
        rows: _rows.Rows,
        dimensions: int,
        normalize: bool,
        path: Path | None,
        allow_pickle: bool,
        dtype: np.dtype[Any] | None = None,
    ) -> None:
        self._dimensions = dimensions
        self._normalize = normalize
        self._file_path = path
        self._allow_pickle = _inputs.boolean(allow_pickle, "allow_pickle")
        self._loaded = False
        self._dtype = dtype
        self._lock = threading.RLock()  # of writers
        self._rows = rows

    @classmethod
    def open(
        cls,
        path: PathInput,
        *,
        allow_pickle: bool = False,
        threads: SupportsIndex = 0,
        durability: Literal["off", "os", "disk"] = "off",
    ) -> "VectorStore[T]":
        """Opens the store in a file, whose name may lack its `.npz`, and binds it to that path.

        Vectors are mapped, not read. Metadata that is data is read without running anything; other objects need
        allow_pickle=True, which runs code that the file names: only for files that you trust. It is read when it is first
        asked for, if npvec wrote the file.
        durability: "off", or for writing "os" or "disk".
        Raises FileNotFoundError and the like, ValueError for what is no store, and UnsupportedError, one of them, for
        objects.
        """
        resolved = _inputs.file_path(path)
        opened: VectorStore[T] = VectorStore.__new__(VectorStore)
        opened._threads = _inputs.integer(threads, "threads")
        opened._durability = _inputs.durability(durability)
        trusted = _inputs.boolean(allow_pickle, "allow_pickle")
        if opened._durability:
            rows = opened._open_for_writing(resolved, 0, None, None, trusted)
        else:
            rows = opened._read(resolved, 0, None, trusted)
        info = rows.handle.info()
        opened._set(rows, info[2], info[3], resolved, trusted)
        opened._loaded = True
        store = cls(dimensions=info[2], normalize=info[3])  # what a derived class does there is done
        store.__dict__.update(opened.__dict__)
        return store

    # ------------------------------------------------------------------------------------------------------- what it is

    @property
    def dimensions(self) -> int:
        """How many numbers a vector has."""
        return self._dimensions

    @property
    def normalize(self) -> bool:
        """Are vectors scaled to length 1?"""
        return self._normalize

    @property
    def file_path(self) -> Path | None:
        """The file that `save` and `reload` use, if any: an absolute path."""
        return self._file_path

    @property
    def durability(self) -> Literal["off", "os", "disk"]:
        """How safe a change is when its call returns: "off", "os" or "disk"."""
        return _inputs.DURABILITIES[self._durability]

    @property
    def vectors(self) -> npt.NDArray[np.float32]:
        """All vectors, rows x dimensions: a read-only view, not a copy. Rows that are added later need a new view.

        Deleted rows stay in it until `save`. The view stays good after the store is gone. But what it shows is
        unspecified after `clear` with durability, and after a `refresh` that returned 2.
        """
        return self._steady(lambda rows: rows.vectors(self._dimensions))

    @property
    def metadata(self) -> npt.NDArray[Any]:
        """All metadata, an object a row, or a structured array where the store has a schema: a read-only view."""
        return self._steady(_rows.Rows.metadata)

    def __len__(self) -> int:
        """How many rows there are, without deleted ones."""
        return self._rows.handle.size()[0]

    def __repr__(self) -> str:
        rows = self._rows
        count = "closed" if rows is _rows.CLOSED else rows.handle.size()[0]
        return f"VectorStore(dimensions={self._dimensions}, normalize={self._normalize}, rows={count})"

    def __getstate__(self) -> dict[str, Any]:
        """For pickle and copy: the rows, without deleted ones, and the path to which the store is bound.

        The copy is in memory, with durability "off".
        """
        with self._lock:
            archive = self._rows.archive(self._dimensions, self._normalize)
            # Not views, which go on to change before they are copied or written.
            vectors, metadata = archive.vectors.copy(), archive.metadata.copy()
            return {
                "archive": (vectors, metadata, *archive[2:]),
                "path": self._file_path,
                "allow_pickle": self._allow_pickle,
                "threads": self._threads,
                "dtype": self._dtype,
                "others": {name: value for name, value in self.__dict__.items() if name not in _OWN},
            }

    def __setstate__(self, state: dict[str, Any]) -> None:
        archive = _archive.Archive(*state["archive"])
        self._threads = state["threads"]
        self._durability = 0
        rows = _rows.of_archive(archive, archive.normalize, self._threads)
        info = rows.handle.info()
        self._set(rows, info[2], info[3], state["path"], state["allow_pickle"], state["dtype"])
        self.__dict__.update(state["others"])

    def info(self) -> dict[str, Any]:
        """What the library says of itself: rows, whether vectors are mapped, kernels, threads, and so on."""
        names = "rows row_end dimensions normalize metadata mapped threads kernels ids origin durability generation"
        names += " journal_bytes journal_note"
        with self._lock:
            self._rows.encode()
            found: dict[str, Any] = dict(zip(names.split(), self._rows.handle.info()))
        return found | {"durability": _inputs.DURABILITIES[found["durability"]]}

    # ------------------------------------------------------------------------------------------------------------- rows

    def _payloads(self, metadata: Any, count: int) -> Any:
        """A list or tuple, or a structured array for a typed store, of `count`; or None."""
        if metadata is None:
            return None
        if isinstance(metadata, np.ndarray) and metadata.ndim != 1:
            raise ValueError(f"metadata: expected a 1D sequence, found {metadata.ndim} dimension(s)")
        if len(metadata) != count:
            raise ValueError(f"metadata: expected {count}, one a vector, found {len(metadata)}")
        if type(metadata) in (list, tuple) or (self._rows.typed and isinstance(metadata, np.ndarray)):
            return metadata
        return list(metadata)  # runs code of the caller, which must not be while locks are held

    def add(
        self,
        vectors: npt.ArrayLike,
        metadata: Sequence[T] | npt.NDArray[Any] | None = None,
        *,
        ids: Iterable[Id | None] | None = None,
    ) -> None:
        """Adds rows, all or none.

        vectors: rows x dimensions, anything that NumPy takes as an array of real numbers. metadata: an object for each,
        or None. ids: for each a text, an integer or a UUID, which no other row has, or None.
        Raises ValueError for wrong shapes, numbers that are not finite in float32, vectors of length 0 where they are
        normalised, ids that are there.
        """
        array = _inputs.matrix(vectors, self._dimensions, "vectors")
        payloads = self._payloads(metadata, len(array))
        texts = None if ids is None else _inputs.id_list_of_rows(ids, len(array))
        with self._lock:
            try:
                self._rows.add(array, payloads, texts)
            except OSError as error:
                raise self._not_durable(error) from None

    def upsert(
        self,
        vectors: npt.ArrayLike,
        metadata: Sequence[T] | npt.NDArray[Any] | None = None,
        *,
        ids: Iterable[Id],
    ) -> npt.NDArray[np.int64]:
        """Like `add`, but rows whose ids are there are replaced, in their places. Returns the row numbers, int64."""
        array = _inputs.matrix(vectors, self._dimensions, "vectors")
        payloads = self._payloads(metadata, len(array))
        texts = _inputs.id_list(ids)
        if len(texts) != len(array):
            raise ValueError(f"ids: expected {len(array)}, one a row, found {len(texts)}")
        with self._lock:
            try:
                return self._rows.upsert(array, payloads, texts)
            except OSError as error:
                raise self._not_durable(error) from None

    def add_vectors(self, vectors_2d: npt.ArrayLike, metadata_array: npt.NDArray[Any]) -> None:
        """The same as `add`: vectors rows x dimensions, and a one-dimensional array of metadata."""
        self.add(vectors_2d, metadata_array)

    def delete(
        self,
        ids: Iterable[Id] | None = None,
        *,
        where: Where | None = None,
        params: Sequence[Any] | None = None,
        within_rows: RowNumbers | None = None,
    ) -> int:
        """Deletes the selected rows and returns how many. Others keep their numbers until `save`."""
        if ids is None and where is None and within_rows is None:
            raise ValueError("delete: expected ids, where or within_rows; clear() removes all rows")
        selection = self._selection(where, params, ids, within_rows)  # runs code of the caller, as in _payloads
        with self._lock:
            rows = self._rows
            if where is not None:
                self._prepare_to_filter(rows)
            numbers = np.frombuffer(rows.handle.select(*selection, None, False, 0, None), np.int64)
            try:
                rows.delete(numbers)
            except OSError as error:
                raise self._not_durable(error) from None
        return len(numbers)

    def clear(self) -> None:
        """Removes all rows. Views keep theirs, and the file is unchanged until `save`; both only without durability."""
        with self._lock:
            if self._durability:
                self._clear_durably()
                return
            old = self._rows
            dtype = old.dtype if old.dtype.names else None
            self._rows = _rows.create(self._dimensions, self._normalize, self._threads, dtype)
            self._loaded = False

    def _clear_durably(self) -> None:
        old = self._rows
        old.epoch |= 1
        try:
            old.handle.clear()
        finally:
            self._rows = old.renewed()

    def get(
        self, index: SupportsIndex | None = None, *, id: Id | None = None
    ) -> tuple[npt.NDArray[np.float32], T] | None:
        """The row of this number, or of this id: a copy of its vector, and its metadata (a dict where the store has a
        schema). None: there is no such row.
        """
        if (index is None) == (id is None):
            raise TypeError("get: expected an index or an id")
        text = None if id is None else _inputs.one_id(id)
        number = None if index is None else _inputs.integer(index, "index")

        def read(rows: _rows.Rows) -> tuple[npt.NDArray[np.float32], T] | None:
            row = number if text is None else rows.handle.find(text)
            if row is None or not 0 <= row < rows.end:
                return None
            changes = rows.changes
            try:
                found, vector = rows.read(row), rows.vector(row)
            except _rows.Changed:
                return None  # it was deleted
            if rows.replaced([row], changes):
                raise _rows.Changed
            names = rows.dtype.names
            metadata: Any = found if names is None else {name: found[name] for name in names}
            return vector, metadata

        return self._steady(read)

    def _steady(self, read: Callable[[_rows.Rows], R]) -> R:
        """What it reads of rows that stay what they are meanwhile: saving, refreshing and clearing renumber them."""
        rows = self._rows
        epoch = rows.epoch
        try:
            found = read(rows)
        except _rows.Changed:
            pass
        except IndexError:
            if rows.epoch == epoch and epoch % 2 == 0:
                raise
        else:
            if rows.epoch == epoch and epoch % 2 == 0:
                return found
        with self._lock:  # nobody changes them now
            return self._steady(read)

    def row_of(self, id: Id) -> int | None:
        """The number of the row with this id. None: there is none."""
        return self._rows.handle.find(_inputs.one_id(id))

    def id_of(self, index: SupportsIndex) -> str | None:
        """The id of a row. None: it has none. Raises IndexError for a row that is not there."""
        row = _inputs.integer(index, "index")
        if row < 0:
            raise IndexError(f"index: expected a row of the store, found {row}")
        with self._lock:
            return self._rows.handle.id(row)

    def _not_durable(self, error: OSError) -> OSError:
        """A change that could not be written is not in the store, one that could not be flushed is: the core knows."""
        if self._durability:
            self._rows = self._rows.renewed()
        return _inputs.file_error(error, self._file_path)

    # ----------------------------------------------------------------------------------------------------------- search

    def search(
        self,
        query_vector: npt.ArrayLike,
        top_k: SupportsIndex = 10,
        score_cutoff: RealNumber = 0.0,
        *,
        within_rows: RowNumbers | None = None,
        where: Where | None = None,
        params: Sequence[Any] | None = None,
        ids: Iterable[Id] | None = None,
    ) -> list[tuple[int, float, T]]:
        """The rows most similar to a query by cosine, as tuples (row number, score, metadata), best first.

        Only rows that score at least `score_cutoff`; -1 for all. Else as `cosine_search`.
        """
        limit = float(_inputs.real(score_cutoff, "score_cutoff"))
        hits: list[tuple[int, float, T]]
        hits = self._search(query_vector, _inputs.COSINE, top_k, limit, within_rows, where, params, ids, None)
        return hits

    def cosine_search(
        self,
        query: npt.ArrayLike,
        *,
        top_k: SupportsIndex = 10,
        min_value: RealNumber | None = None,
        within_rows: RowNumbers | None = None,
        where: Where | None = None,
        params: Sequence[Any] | None = None,
        ids: Iterable[Id] | None = None,
    ) -> list[VectorHit[T]]:
        """The `top_k` selected rows most similar to a query by cosine, best first; of equals the lowest row first.

        query: `dimensions` numbers. min_value: only rows that score at least this.
        Raises ValueError for a query of length 0, and for such a row where vectors are not normalised.
        """
        limit = _inputs.at_least(min_value)
        hits: list[VectorHit[T]]
        hits = self._search(query, _inputs.COSINE, top_k, limit, within_rows, where, params, ids, VectorHit)
        return hits

    def dot_search(
        self,
        query: npt.ArrayLike,
        *,
        top_k: SupportsIndex = 10,
        min_value: RealNumber | None = None,
        within_rows: RowNumbers | None = None,
        where: Where | None = None,
        params: Sequence[Any] | None = None,
        ids: Iterable[Id] | None = None,
    ) -> list[VectorHit[T]]:
        """Like `cosine_search`, by dot product. Where vectors are normalised, so is the query."""
        limit = _inputs.at_least(min_value)
        hits: list[VectorHit[T]]
        hits = self._search(query, _inputs.DOT, top_k, limit, within_rows, where, params, ids, VectorHit)
        return hits

    def euclidean_search(
        self,
        query: npt.ArrayLike,
        *,
        top_k: SupportsIndex = 10,
        max_value: RealNumber | None = None,
        within_rows: RowNumbers | None = None,
        where: Where | None = None,
        params: Sequence[Any] | None = None,
        ids: Iterable[Id] | None = None,
    ) -> list[VectorHit[T]]:
        """Like `cosine_search`, by Euclidean distance: nearest first, at most `max_value` away."""
        limit = _inputs.at_most(max_value)
        hits: list[VectorHit[T]]
        hits = self._search(query, _inputs.EUCLIDEAN, top_k, limit, within_rows, where, params, ids, VectorHit)
        return hits

    def _search(
        self,
        query: Any,
        metric: int,
        top_k: Any,
        limit: float,
        within_rows: RowNumbers | None,
        where: Where | None,
        params: Sequence[Any] | None,
        ids: Iterable[Id] | None,
        hit: type[Any] | None,
    ) -> Any:
        k = top_k if type(top_k) is int and 0 < top_k < _inputs.LARGEST else _inputs.positive(top_k, "top_k")
        condition = None if where is None else _inputs.condition(where, params)
        texts = None if ids is None else _inputs.id_list(ids)
        chosen = None if within_rows is None else _inputs.row_numbers(within_rows)
        return self._find(query, k, metric, limit, chosen, texts, condition, hit)

    def _find(
        self,
        query: Any,
        k: int,
        metric: int,
        limit: float,
        chosen: npt.NDArray[np.int64] | None,
        texts: list[str] | None,
        condition: _npvec.Filter | None,
        hit: type[Any] | None,
    ) -> Any:
        rows = self._rows
        epoch, changes = rows.epoch, rows.changes
        if condition is not None and not rows.filtered:
            self._prepare_to_filter(rows)
        maker = rows if rows.whole else _rows.Copies(rows)
        selected = chosen if texts is None else self._numbers(rows, chosen, texts)
        found = None
        try:
            found = rows.handle.search(query, k, metric, limit, selected, condition, maker, hit)
        except _rows.Changed:
            pass
        except IndexError:
            if texts is None and rows.epoch == epoch and epoch % 2 == 0:
                _inputs.check_unique(selected)
                raise
        if found is NotImplemented:
            query = _inputs.vector(query, self._dimensions)
            return self._find(query, k, metric, limit, chosen, texts, condition, hit)
        if found is not None and rows.epoch == epoch and epoch % 2 == 0:
            if rows.changes == changes and changes % 2 == 0:
                return found
            if not rows.replaced([each[0] if hit is None else each.index for each in found], changes):
                return found
        with self._lock:  # nobody changes them now
            return self._find(query, k, metric, limit, chosen, texts, condition, hit)

    def _prepare_to_filter(self, rows: _rows.Rows) -> None:
        if not rows.filtered:
            with self._lock:
                rows.encode()
                rows.filtered = True

    @staticmethod
    def _numbers(rows: _rows.Rows, chosen: npt.NDArray[np.int64] | None, texts: list[str]) -> npt.NDArray[np.int64]:
        return np.frombuffer(rows.handle.select(chosen, texts, None, None, False, 0, None), np.int64)

    def search_batch(
        self,
        queries: npt.ArrayLike,
        *,
        top_k: SupportsIndex = 10,
        metric: Literal["cosine", "dot", "euclidean"] = "cosine",
        min_value: RealNumber | None = None,
        max_value: RealNumber | None = None,
        within_rows: RowNumbers | None = None,
        where: Where | None = None,
        params: Sequence[Any] | None = None,
        ids: Iterable[Id] | None = None,
    ) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float64]]:
        """Many searches at once, faster than one by one, with the same answers.

        queries: queries x dimensions. Returns row numbers (int64) and scores or distances (float64), each queries x
        hits, where hits is `top_k` or the number of rows, whichever is less; -1 and NaN where a query has fewer.
        """
        array, number, limit = _inputs.batch(queries, self._dimensions, metric, min_value, max_value)
        wanted = _inputs.positive(top_k, "top_k")
        condition = None if where is None else _inputs.condition(where, params)
        texts = None if ids is None else _inputs.id_list(ids)
        chosen = None if within_rows is None else _inputs.row_numbers(within_rows)

        def run(rows: _rows.Rows) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float64]]:
            if condition is not None:
                self._prepare_to_filter(rows)
            k = min(wanted, rows.handle.size()[0])
            selected = chosen if texts is None else self._numbers(rows, chosen, texts)
            found = np.empty((len(array), k), np.int64), np.empty((len(array), k), np.float64)
            if k > 0:
                with _rows.found_by(texts):
                    rows.handle.search_batch(array, k, number, limit, selected, condition, *found)
            return found

        return self._steady(run)

    def explain(
        self,
        query: npt.ArrayLike,
        *,
        top_k: SupportsIndex = 10,
        metric: Literal["cosine", "dot", "euclidean"] = "cosine",
        min_value: RealNumber | None = None,
        max_value: RealNumber | None = None,
        within_rows: RowNumbers | None = None,
        where: Where | None = None,
        params: Sequence[Any] | None = None,
        ids: Iterable[Id] | None = None,
    ) -> dict[str, str | int | float]:
        """Runs a search (`query` may be several) and says what it did: the plan, rows and bytes read, seconds."""
        queries = np.atleast_2d(_inputs.floats(query, "query"))
        array, number, limit = _inputs.batch(queries, self._dimensions, metric, min_value, max_value)
        wanted = _inputs.positive(top_k, "top_k")
        chosen, texts, condition = self._selection(where, params, ids, within_rows)

        def run(rows: _rows.Rows) -> dict[str, str | int | float]:
            if condition is not None:
                self._prepare_to_filter(rows)
            selected = chosen if texts is None else self._numbers(rows, chosen, texts)
            with _rows.found_by(texts):
                return rows.handle.explain(array, wanted, number, limit, selected, condition)

        return self._steady(run)

    # ------------------------------------------------------------------------------------------------------- selections

    @staticmethod
    def _selection(
        where: Where | None, params: Sequence[Any] | None, ids: Iterable[Id] | None, within_rows: RowNumbers | None
    ) -> tuple[npt.NDArray[np.int64] | None, list[str] | None, _npvec.Filter | None]:
        return (
            None if within_rows is None else _inputs.row_numbers(within_rows),
            None if ids is None else _inputs.id_list(ids),
            None if where is None else _inputs.condition(where, params),
        )

    def count(
        self,
        where: Where | None = None,
        *,
        params: Sequence[Any] | None = None,
        ids: Iterable[Id] | None = None,
        within_rows: RowNumbers | None = None,
    ) -> int:
        """How many rows are selected."""
        rows = self._rows
        if where is not None:
            self._prepare_to_filter(rows)
        return rows.handle.count(*self._selection(where, params, ids, within_rows))

    def select(
        self,
        where: Where | None = None,
        *,
        params: Sequence[Any] | None = None,
        ids: Iterable[Id] | None = None,
        within_rows: RowNumbers | None = None,
        order_by: str | None = None,
        descending: bool = False,
        offset: SupportsIndex = 0,
        limit: SupportsIndex | None = None,
    ) -> npt.NDArray[np.int64]:
        """The numbers of the selected rows (int64), by a field or else in order; at most `limit`, behind `offset`."""
        skipped = _inputs.integer(offset, "offset")
        most = None if limit is None else _inputs.integer(limit, "limit")
        if skipped < 0 or (most is not None and most < 0):
            raise ValueError(f"select: expected offset and limit of 0 or more, found {offset} and {limit}")
        selection = self._selection(where, params, ids, within_rows)
        rows = self._rows
        if where is not None or order_by is not None:
            self._prepare_to_filter(rows)
        found = rows.handle.select(*selection, order_by, bool(descending), skipped, most)
        return np.frombuffer(found, np.int64)

    def facet(
        self,
        field: str,
        where: Where | None = None,
        *,
        params: Sequence[Any] | None = None,
        ids: Iterable[Id] | None = None,
        within_rows: RowNumbers | None = None,
    ) -> Facet:
        """The distinct values of a field among the selected rows, and how many rows have each."""
        rows = self._rows
        self._prepare_to_filter(rows)
        pairs, missing = rows.handle.facets(*self._selection(where, params, ids, within_rows), field)
        return Facet([(json.loads(text), number) for text, number in pairs], missing)

    # ------------------------------------------------------------------------------------------------------------ files

    def _read(self, path: Path, dimensions: int, normalize: bool | None, allow_pickle: bool) -> _rows.Rows:
        try:
            return _rows.open_rows(path, dimensions, normalize, self._threads, allow_pickle)
        except OSError as error:
            raise _inputs.file_error(error, path) from None

    def _open_for_writing(
        self, path: Path, dimensions: int, normalize: bool | None, dtype: np.dtype[Any] | None, allow_pickle: bool
    ) -> _rows.Rows:
        settings = self._threads, dtype, self._durability, allow_pickle
        try:
            return _rows.open_for_writing(path, dimensions, normalize, *settings)
        except OSError as error:
            raise _inputs.file_error(error, path) from None

    def load(self) -> None:
        """Reads the file of `file_path`, once; nothing if there is no such file, or with durability: it is open.

        Raises ValueError if it has other dimensions, or another schema.
        """
        with self._lock:
            path = self._file_path
            if self._loaded or self._durability or path is None or not path.exists():
                return
            read = self._read(path, self._dimensions, self._normalize, self._allow_pickle)
            self._rows, self._loaded = read.with_schema(self._dtype, self._threads), True

    def reload(self) -> None:
        """Reads the bound file again, and lets go of what was not saved. If it fails, nothing changes.

        With durability nothing is unsaved but what was changed in metadata objects, which are made anew.
        Raises ValueError if the store is bound to no file, or the file has other dimensions or another normalisation.
        """
        with self._lock:
            if self._file_path is None:
                raise ValueError("reload: expected a store that is bound to a file by open, save or file_path")
            if self._durability:
                self._rows = self._rows.renewed()
                return
            rows = self._read(self._file_path, self._dimensions, None, self._allow_pickle)
            if rows.handle.info()[3] != self._normalize:
                raise ValueError(f"{self._file_path}: expected normalize={self._normalize}, found the opposite")
            self._rows = rows.with_schema(self._dtype, self._threads)
            self._loaded = True

    def refresh(self) -> int:
        """Catches up with what a writer, in this process or another, has done to the file since it was opened.

        For a store that was opened with durability "off" and has no changes of its own. The work is in proportion to
        what is new. Returns 0: nothing is new; 1: rows came, changed or went, and the others have their numbers; 2:
        rows may have other numbers, because the writer saved after deleting, or the file was replaced. Unless it
        returns 0, metadata objects are made anew. Does nothing for a store that is open for writing.
        Raises ValueError for a store without a file, with changes of its own, or that had to be converted in memory
        (objects, another schema): `reload` serves those; and for a damaged journal.
        """
        with self._lock:
            rows = self._rows
            if rows.durable:
                return 0
            if not rows.follows:
                raise ValueError(
                    "refresh: expected a store that was opened from a file, not converted in memory, and not changed "
                    "since; reload reads the file of others"
                )
            return self._follow(rows)

    def _follow(self, rows: _rows.Rows) -> int:
        changed = 2
        rows.epoch += 1
        try:
            changed = rows.handle.refresh()
        except OSError as error:
            raise _inputs.file_error(error, self._file_path) from None
        finally:
            if changed:
                self._rows = rows.renewed()
            else:
                rows.epoch += 1
        return changed

    def close(self) -> None:
        """Lets go of the file and of all rows; the store cannot be used afterwards. Saves nothing. May be repeated.

        Another store can open the file for writing as soon as views of `vectors`, and of typed `metadata`, are gone.
        """
        with self._lock:
            self._rows = _rows.CLOSED

    def save(self, path: PathInput | None = None, *, compress: bool = False) -> None:
        """Writes the store to `path`, to which it is then bound, or to where it is bound. Deleted rows go for good.

        The file is replaced as a whole: at every moment the path holds the old one or the new one. compress: a smaller
        file that takes longer to open. Raises ValueError if there is no path.
        """
        with self._lock:
            target = self._file_path if path is None else _inputs.file_path(path)
            if target is None:
                raise ValueError("save: expected a path for a store that is bound to no file")
            rows = self._rows
            try:
                if rows.whole:
                    self._settle(rows, target, compress)
                    rows.save(target, compress)
                else:
                    self._save_objects(rows, target, compress)
            except OSError as error:
                raise _inputs.file_error(error, target) from None
            self._file_path = target

    def _settle(self, rows: _rows.Rows, target: Path, compress: bool) -> None:
        """A journal that takes no changes does so again once what the library has is saved."""
        try:
            rows.settle()
        except OSError:
            rows.save(target, compress)
            self._file_path = target
            rows.settle()

    def _save_objects(self, rows: _rows.Rows, target: Path, compress: bool) -> None:
        archive = rows.archive(self._dimensions, self._normalize)
        _archive.write(target, archive, compress)
        if rows.dead:
            self._rows = _rows.of_archive(archive, self._normalize, self._threads)

    # --------------------------------------------------------------------------------------------------------- contexts

    def __enter__(self) -> "VectorStore[T]":
        """The store itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Saves the store if it is bound to a file, unless the block raised. With durability it is then closed."""
        try:
            if kind is None and self._file_path is not None and self._rows is not _rows.CLOSED:
                self.save()
        finally:
            if self._durability:
                self.close()
