"""npvec.h for the package; its users are the modules beside it."""

from collections.abc import Callable, Sequence
from typing import Any, final

import numpy as np
import numpy.typing as npt

version: str
MAX_DIMENSIONS: int
UNREAD: object

class FilterError(ValueError):
    position: int | None

class UnsupportedError(ValueError): ...

@final
class Filter: ...

_Floats = npt.NDArray[np.float32]
_Pickler = Callable[[Any], bytes] | None
_Numbers = npt.NDArray[np.int64] | None

@final
class Store:
    def save(self, path: bytes, compress: bool, /) -> None: ...
    def refresh(self, /) -> int: ...
    def clear(self, /) -> None: ...
    def info(self, /) -> tuple[int, int, int, bool, int, bool, int, str, int, str, int, int, int, str]: ...
    def size(self, /) -> tuple[int, int]: ...
    def vectors(self, rows: int, /) -> memoryview: ...
    def vector(self, row: int, /) -> bytearray: ...
    def descr(self, /) -> str | None: ...
    def records(self, rows: int, /) -> memoryview: ...
    def document(self, row: int, /) -> str | None: ...
    def pickle(self, row: int, /) -> bytes | None: ...
    def object(self, row: int, /) -> bytes | None: ...
    def has_objects(self, /) -> bool: ...
    def find(self, id: str, /) -> int | None: ...
    def id(self, row: int, /) -> str | None: ...
    def holds(self, row: int, object: Any, pickler: _Pickler, /) -> bool: ...
    def add(
        self,
        vectors: _Floats,
        documents: Sequence[Any] | None,
        ids: Sequence[str | None] | None,
        records: npt.NDArray[np.uint8] | None,
        pickler: _Pickler,
        /,
    ) -> int: ...
    def upsert(
        self,
        vectors: _Floats,
        documents: Sequence[Any] | None,
        ids: Sequence[str],
        records: npt.NDArray[np.uint8] | None,
        pickler: _Pickler,
        rows: npt.NDArray[np.int64],
        /,
    ) -> None: ...
    def places(self, ids: Sequence[str], rows: npt.NDArray[np.int64], /) -> None: ...
    def set_documents(
        self, rows: npt.NDArray[np.int64], documents: Sequence[Any], pickler: _Pickler, /
    ) -> None: ...
    def delete(self, rows: _Numbers, ids: Sequence[str] | None, filter: Filter | None, /) -> int: ...
    def count(self, rows: _Numbers, ids: Sequence[str] | None, filter: Filter | None, /) -> int: ...
    def select(
        self,
        rows: _Numbers,
        ids: Sequence[str] | None,
        filter: Filter | None,
        order_by: str | None,
        descending: bool,
        offset: int,
        limit: int | None,
        /,
    ) -> bytearray: ...
    def facets(
        self, rows: _Numbers, ids: Sequence[str] | None, filter: Filter | None, field: str, /
    ) -> tuple[list[tuple[str, int]], int]: ...
    def search(
        self,
        query: Any,
        k: int,
        metric: int,
        threshold: float,
        rows: _Numbers,
        filter: Filter | None,
        maker: Any,
        hit: type[Any] | None,
        /,
    ) -> Any: ...
    def search_batch(
        self,
        queries: _Floats,
        k: int,
        metric: int,
        threshold: float,
        rows: _Numbers,
        filter: Filter | None,
        found_rows: npt.NDArray[np.int64],
        found_scores: npt.NDArray[np.float64],
        /,
    ) -> None: ...
    def explain(
        self, queries: _Floats, k: int, metric: int, threshold: float, rows: _Numbers, filter: Filter | None, /
    ) -> dict[str, str | int | float]: ...

def create(
    dimensions: int,
    normalize: bool | None,
    threads: int,
    durability: int,
    names: Sequence[str] | None,
    types: Sequence[str] | None,
    /,
) -> Store: ...
def open(
    path: bytes,
    dimensions: int,
    normalize: bool | None,
    threads: int,
    durability: int,
    names: Sequence[str] | None,
    types: Sequence[str] | None,
    /,
) -> Store: ...
def compile(text: str, parameters: str | None, /) -> Filter: ...
def snapshot(objects: Sequence[Any], /) -> list[Any] | None: ...
def encode(object: object, /) -> tuple[bytes, bool]: ...
