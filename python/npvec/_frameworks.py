"""What the modules for LangChain, LlamaIndex and Haystack share: documents as rows, conditions, diversity.

A row's metadata is the document's own, with its text under a key beside it, so that one file serves all three.

The filters of frameworks know true and false only: what is not equal to 5 is also what is missing. Those of the library
know NULL as well (docs/filters.md), so that a condition and its opposite are two filters here, each true where the
other is not. Values go into filters as JSON, never into text.
"""

import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple, TypeVar

import numpy as np
import numpy.typing as npt

from . import _rows
from ._inputs import PathInput, file_path
from ._store import VectorStore

Filter = dict[str, Any]
R = TypeVar("R")


class Condition(NamedTuple):
    """A filter, and the filter that is true for all other rows."""

    true: Filter
    false: Filter


_OPPOSITES = {"$eq": "$ne", "$ne": "$eq", "$lt": "$gte", "$gte": "$lt", "$lte": "$gt", "$gt": "$lte"}


def missing_package(extra: str, error: ImportError) -> ImportError:
    """To be raised for an import that failed."""
    return ImportError(
        f"npvec.{extra.replace('-', '_')}: expected its framework, found: {error}; say: pip install 'npvec[{extra}]'",
        name=error.name,
    )


# ----------------------------------------------------------------------------------------------------------------- rows


class Documents:
    """The store of a file or in memory, made when the first vectors come unless `dimensions` are known."""

    def __init__(
        self,
        path: PathInput | None,
        store: VectorStore[Any] | None = None,
        *,
        text_key: str = "text",
        allow_pickle: bool = False,
        dimensions: int | None = None,
        normalize: bool = True,
    ) -> None:
        if path is not None and store is not None:
            raise ValueError("expected a path or a store, found both")
        self._lock = threading.Lock()
        self.path = None if path is None else file_path(path)
        self.text_key = text_key
        self.store = store
        if self.path is not None and self.path.exists():
            self.store = VectorStore.open(self.path, allow_pickle=allow_pickle)
        elif store is None and dimensions is not None:
            self.store = VectorStore(dimensions, normalize=normalize)

    def __len__(self) -> int:
        return 0 if self.store is None else len(self.store)

    def row(self, text: str | None, metadata: Mapping[str, Any]) -> dict[str, Any]:
        """Metadata as it is stored."""
        if self.text_key in metadata:
            raise ValueError(
                f"metadata: expected no key {self.text_key!r}, which is for the text; choose another as text_key"
            )
        return {**metadata} if text is None else {self.text_key: text, **metadata}

    def parts(self, metadata: Any) -> tuple[str | None, dict[str, Any]]:
        """Text and metadata of a row, whoever made it."""
        fields = dict(metadata) if isinstance(metadata, Mapping) else {"metadata": metadata}
        text = fields.pop(self.text_key, None)
        return None if text is None else str(text), fields

    def upsert(self, vectors: Any, rows: Sequence[dict[str, Any]], ids: Sequence[str]) -> None:
        """Of rows with the same id the last stays."""
        array = np.asarray(vectors, np.float32)
        if array.ndim != 2 or len(array) != len(ids):
            raise ValueError(f"vectors: expected {len(ids)} of one length, found an array of shape {array.shape}")
        with self._lock:
            if self.store is None:
                self.store = VectorStore(array.shape[1])
        last = {name: position for position, name in enumerate(ids)}
        kept = list(last.values())
        self.store.upsert(array[kept], [rows[position] for position in kept], ids=last)

    def save(self, path: PathInput | None) -> None:
        """Writes the file, and is bound to it."""
        if self.store is None:
            raise ValueError("save: expected documents, found none yet, so that dimensions are unknown")
        self.store.save(self.path if path is None else path)
        self.path = self.store.file_path


def steady(store: VectorStore[Any], read: Callable[[], R]) -> R:
    """What several calls read of rows that one of them finds, which other threads may delete or renumber meanwhile."""

    def whole(rows: _rows.Rows) -> R:
        try:
            found = read()
        except IndexError as error:
            raise _rows.Changed(*error.args) from None
        if store._rows is not rows:
            raise _rows.Changed
        return found

    return store._steady(whole)


# ----------------------------------------------------------------------------------------------------------- conditions


def quoted(*keys: str) -> str:
    """The name of the field that keys lead to, whatever characters they have."""
    return ".".join('"' + key.replace('"', '""') + '"' for key in keys)


def _kinds(field: str) -> dict[str, Filter]:
    """For each kind of value a filter that is true for values of it, and for no others."""
    return {
        "boolean": {field: {"$in": [True, False]}},
        "number": {"$or": [{field: {"$lt": 0}}, {field: {"$gte": 0}}]},
        "text": {field: {"$gte": ""}},
        "array": {"$or": [{field: {"$contains": 0}}, {field: {"$not_contains": 0}}]},
    }


def _kind_of(value: Any) -> str:
    if isinstance(value, (bool, np.bool_)):
        return "boolean"
    if isinstance(value, (int, float, np.integer, np.floating)):
        return "number"
    if isinstance(value, str):
        return "text"
    raise TypeError(f"filter: expected text, a number, a boolean or None to compare with, found {type(value).__name__}")


def _unless(field: str, negation: Filter, kinds: Iterable[str]) -> Filter:
    """A negation that also passes what it is NULL for: what is null, missing, or of none of the kinds."""
    others = [passes for kind, passes in _kinds(field).items() if kind not in kinds]
    return {"$or": [negation, {field: None}, *others]}


def compare(field: str, operator: str, value: Any) -> Condition:
    """operator: $eq, $lt, $lte, $gt or $gte. With None only $eq is ever true."""
    if value is None:
        null = Condition({field: None}, {field: {"$ne": None}})
        return null if operator == "$eq" else any_of([])
    negation = {field: {_OPPOSITES[operator]: value}}
    return Condition({field: {operator: value}}, _unless(field, negation, [_kind_of(value)]))


def one_of(field: str, values: Sequence[Any]) -> Condition:
    """The field is equal to one of the values."""
    kinds: dict[str, list[Any]] = {}
    for value in values:
        if value is not None:
            kinds.setdefault(_kind_of(value), []).append(value)
    conditions = [
        Condition({field: {"$in": some}}, _unless(field, {field: {"$nin": some}}, [kind]))
        for kind, some in kinds.items()
    ]
    if any(value is None for value in values):
        conditions.append(compare(field, "$eq", None))
    return any_of(conditions)


def contains(field: str, value: Any) -> Condition:
    """The field is an array with this element, or a text with this part."""
    kinds = ["array", "text"] if _kind_of(value) == "text" else ["array"]
    return Condition({field: {"$contains": value}}, _unless(field, {field: {"$not_contains": value}}, kinds))


def has_text(field: str, part: Any, ignore_case: bool = False) -> Condition:
    """The field is a text with this part."""
    if not isinstance(part, str):
        raise TypeError(f"filter: expected text to look for, found {type(part).__name__}")
    for special in "!%_":
        part = part.replace(special, f"!{special}")
    matches = {field: {"$ilike" if ignore_case else "$like": [f"%{part}%", "!"]}}
    return Condition(matches, _unless(field, {"$not": matches}, ["text"]))


def is_empty(field: str) -> Condition:
    """The field is null, missing, an empty text or an empty array."""
    nothing = Condition({f"{field}[0]": {"$exists": False}}, {f"{field}[0]": {"$exists": True}})
    array = _kinds(field)["array"]
    empty_array = all_of([Condition(array, _unless(field, {"$or": []}, ["array"])), nothing])
    return any_of([compare(field, "$eq", None), compare(field, "$eq", ""), empty_array])


def all_of(conditions: Sequence[Condition]) -> Condition:
    return Condition({"$and": [each.true for each in conditions]}, {"$or": [each.false for each in conditions]})


def any_of(conditions: Sequence[Condition]) -> Condition:
    return opposite(all_of([opposite(each) for each in conditions]))


def opposite(condition: Condition) -> Condition:
    return Condition(condition.false, condition.true)


# ------------------------------------------------------------------------------------------------------------ diversity


def diverse(query: npt.ArrayLike, vectors: npt.NDArray[np.float32], count: int, relevance: float) -> list[int]:
    """Maximal marginal relevance: positions of `count` vectors that are near the query and far from each other.

    relevance: 1 for the nearest, 0 for those farthest from each other.
    """
    rows = np.asarray(vectors, np.float64)
    rows = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    direction = np.asarray(query, np.float64)
    near = rows @ (direction / np.linalg.norm(direction))
    nearest_chosen = np.full(len(rows), -np.inf)
    chosen: list[int] = []
    while len(chosen) < min(count, len(rows)):
        worth = near if not chosen else relevance * near - (1 - relevance) * nearest_chosen
        worth = np.where(np.isin(np.arange(len(rows)), chosen), -np.inf, worth)
        best = int(np.argmax(worth))
        chosen.append(best)
        nearest_chosen = np.maximum(nearest_chosen, rows @ rows[best])
    return chosen
