"""What callers pass, checked and brought into the form that the library takes."""

import errno
import json
import math
import operator
import os
import re
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from pathlib import Path
from typing import Any, Literal, SupportsIndex, TypeAlias

import numpy as np
import numpy.typing as npt

from . import _npvec

RealNumber: TypeAlias = int | float | np.integer[Any] | np.floating[Any]
PathInput: TypeAlias = str | os.PathLike[str]
RowNumbers: TypeAlias = Sequence[SupportsIndex] | npt.NDArray[np.integer[Any]]
Where: TypeAlias = str | Mapping[str, Any]
Id: TypeAlias = Any  # str, int or uuid.UUID

LARGEST = 2**62
COSINE, DOT, EUCLIDEAN = 0, 1, 2  # as in npvec.h
_METRICS = {"cosine": COSINE, "dot": DOT, "euclidean": EUCLIDEAN}
_SURROGATE = re.compile("[\ud800-\udfff]")
DURABILITIES: tuple[Literal["off", "os", "disk"], ...] = ("off", "os", "disk")  # in the order of npvec.h


def integer(value: SupportsIndex, name: str) -> int:
    if isinstance(value, (bool, np.bool_)):
        raise TypeError(f"{name} must be an integer, found a boolean")
    try:
        return operator.index(value)
    except TypeError:
        raise TypeError(f"{name} must be an integer, found {type(value).__name__}") from None


def positive(value: SupportsIndex, name: str) -> int:
    number = integer(value, name)
    if number <= 0:
        raise ValueError(f"{name} must be greater than 0, found {number}")
    return min(number, LARGEST)


def boolean(value: bool | np.bool_, name: str) -> bool:
    if not isinstance(value, (bool, np.bool_)):
        raise TypeError(f"{name} must be a boolean, found {type(value).__name__}")
    return bool(value)


def durability(value: str) -> int:
    """Its number in npvec.h."""
    if not isinstance(value, str):
        raise TypeError(f"durability must be a text, found {type(value).__name__}")
    if value not in DURABILITIES:
        raise ValueError(f"durability: expected one of {', '.join(DURABILITIES)}, found {value!r}")
    return DURABILITIES.index(value)


def real(value: RealNumber, name: str) -> RealNumber:
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, (int, float, np.integer, np.floating)):
        raise TypeError(f"{name} must be a real number, found {type(value).__name__}")
    return value


def threshold(value: RealNumber, name: str) -> float:
    """A finite number as a float."""
    try:
        number = float(real(value, name))
    except OverflowError:
        number = math.inf
    if not math.isfinite(number):
        raise ValueError(f"{name} must be finite, found {value}")
    return number


# -------------------------------------------------------------------------------------------------------------- vectors


def _of_dlpack(values: Any) -> Any:
    """What NumPy's asarray does not know by itself."""
    if isinstance(values, np.ndarray) or hasattr(values, "__array__") or not hasattr(values, "__dlpack__"):
        return values
    return np.from_dlpack(values)


def at_least(value: RealNumber | None) -> float:
    return -math.inf if value is None else threshold(value, "min_value")


def at_most(value: RealNumber | None) -> float:
    return math.inf if value is None else threshold(value, "max_value")


def floats(values: npt.ArrayLike, name: str) -> npt.NDArray[np.float32]:
    """Any array-like as float32 without gaps; the very array if it is that. Values too large become infinite."""
    array = np.asarray(_of_dlpack(values))
    if array.dtype != np.float32:
        if np.iscomplexobj(array):
            raise TypeError(f"{name}: expected real numbers, found {array.dtype}")
        with np.errstate(over="ignore", invalid="ignore"):
            array = array.astype(np.float32)
    return array if array.flags.c_contiguous else np.ascontiguousarray(array)


def matrix(values: npt.ArrayLike, dimensions: int, name: str) -> npt.NDArray[np.float32]:
    array = floats(values, name)
    if array.ndim != 2:
        raise ValueError(f"{name}: expected a 2D array of rows x {dimensions}, found {array.ndim} dimension(s)")
    if array.shape[1] != dimensions:
        raise ValueError(f"{name}: expected rows of {dimensions} numbers, as the store has, found {array.shape[1]}")
    return array


def batch(
    queries: npt.ArrayLike,
    dimensions: int,
    metric: Literal["cosine", "dot", "euclidean"],
    min_value: RealNumber | None,
    max_value: RealNumber | None,
) -> tuple[npt.NDArray[np.float32], int, float]:
    """Queries, metric and limit as the library takes them."""
    if metric not in _METRICS:
        raise ValueError(f"metric: expected one of {', '.join(_METRICS)}, found {metric!r}")
    array = matrix(queries, dimensions, "queries")
    if metric == "euclidean":
        if min_value is not None:
            raise ValueError("min_value: expected max_value with the Euclidean metric")
        return array, EUCLIDEAN, at_most(max_value)
    if max_value is not None:
        raise ValueError("max_value: expected min_value with cosine and dot product")
    return array, _METRICS[metric], at_least(min_value)


def vector(values: npt.ArrayLike, dimensions: int) -> npt.NDArray[np.float32]:
    """A query."""
    array = floats(values, "query")
    if array.ndim != 1:
        raise ValueError(f"Query vector: expected one dimension, found {array.ndim}")
    if len(array) != dimensions:
        raise ValueError(f"Query vector dimension: expected {dimensions}, as the store has, found {len(array)}")
    return array


# ----------------------------------------------------------------------------------------------------------- selections


def _numbers(rows: Iterable[Any], name: str) -> npt.NDArray[np.int64]:
    """Of integers of any size."""
    numbers = []
    for row in rows:
        if (isinstance(row, np.ndarray) or not hasattr(row, "__index__")) and np.ndim(row) != 0:
            raise ValueError(f"{name}: expected a 1D sequence of row numbers, found sequences in it")
        numbers.append(integer(row, name))
    if numbers and not 0 <= min(numbers) <= max(numbers) < LARGEST:
        check_unique(numbers)
        raise IndexError(f"{name}: expected rows of the store, found {min(numbers)} to {max(numbers)}")
    return np.array(numbers, np.int64)


def row_numbers(rows: RowNumbers, name: str = "within_rows") -> npt.NDArray[np.int64]:
    """Row numbers as int64; the very array if it is that. The library refuses numbers twice, and those of no row."""
    if isinstance(rows, np.ndarray) and rows.ndim != 1:
        raise ValueError(f"{name}: expected a 1D sequence of row numbers, found {rows.ndim} dimension(s)")
    if isinstance(rows, (str, bytes, Iterator, Mapping, Set)):
        raise ValueError(f"{name}: expected a 1D sequence of row numbers, found {type(rows).__name__}")
    array = rows if isinstance(rows, np.ndarray) and rows.dtype != object else _numbers(rows, name)
    if len(array) == 0:
        return np.empty(0, np.int64)
    if not np.issubdtype(array.dtype, np.integer):
        raise TypeError(f"{name}: expected row numbers, found {array.dtype}")
    if array.min() < 0 or array.max() >= LARGEST:
        check_unique(array)
        raise IndexError(f"{name}: expected rows of the store, found {array.min()} to {array.max()}")
    return np.ascontiguousarray(array, np.int64)


def check_unique(rows: list[int] | npt.NDArray[np.integer[Any]] | None) -> None:
    """Of numbers that are refused: a number twice is the greater mistake."""
    if rows is not None and len(set(rows if isinstance(rows, list) else rows.tolist())) != len(rows):
        raise ValueError("within_rows: expected unique row numbers, found some twice")


def one_id(value: Id) -> str:
    if isinstance(value, str):
        return value
    uuid = sys.modules.get("uuid")
    if uuid is not None and isinstance(value, uuid.UUID):
        return str(value)
    if isinstance(value, (bool, np.bool_)) or not hasattr(value, "__index__"):
        raise TypeError(f"ids: expected text, integers or UUIDs, found {type(value).__name__}")
    return str(operator.index(value))


def id_list(ids: Iterable[Id]) -> list[str]:
    if isinstance(ids, str):
        raise TypeError("ids: expected a sequence of ids, found one text")
    return [one_id(value) for value in ids]


def id_list_of_rows(ids: Iterable[Id | None], rows: int) -> list[str | None]:
    """One a row; None for a row without one."""
    if isinstance(ids, str):
        raise TypeError("ids: expected a sequence of ids, found one text")
    texts = [None if value is None else one_id(value) for value in ids]
    if len(texts) != rows:
        raise ValueError(f"ids: expected {rows}, one a row, found {len(texts)}")
    return texts


def _json_default(value: Any) -> Any:
    if isinstance(value, np.datetime64):
        return str(value)
    if isinstance(value, (np.generic, np.ndarray)):
        return value.tolist()
    if hasattr(value, "isoformat"):
        return value.isoformat()
    if isinstance(value, (set, frozenset)):
        return list(value)
    raise TypeError(f"where: a filter cannot compare with {type(value).__name__}")


def _json(value: Any) -> str:
    text = json.dumps(value, default=_json_default, ensure_ascii=False)
    # Errors tell a place, so that escapes are only for what has to have them: lone surrogates.
    return text if text.isascii() else _SURROGATE.sub(lambda one: f"\\u{ord(one[0]):04x}", text)


def _show_place(error: _npvec.FilterError, text: str) -> _npvec.FilterError:
    """The same error with the place under the text, if that is a line."""
    position = error.position
    if position is None or len(text) > 200 or "\n" in text:
        return error
    shown = _npvec.FilterError(f"{error}\n    {text}\n    {' ' * position}^")
    shown.position = position
    return shown


def condition(where: Where, parameters: Sequence[Any] | None) -> _npvec.Filter:
    """A compiled filter of text or of a dict."""
    if not isinstance(where, (str, Mapping)):
        raise TypeError(f"where: expected text or a dict, found {type(where).__name__}")
    text = where if isinstance(where, str) else _json(where)
    given = None if parameters is None else _json(list(parameters))
    try:
        return _npvec.compile(text, given)
    except _npvec.FilterError as error:
        raise _show_place(error, text) from None


# ---------------------------------------------------------------------------------------------------------------- files


def file_path(path: PathInput) -> Path:
    """The absolute path of an archive, whose name ends in .npz."""
    try:
        text = os.fspath(path)
    except TypeError:
        raise TypeError(f"path: expected text or a path, found {type(path).__name__}") from None
    if not isinstance(text, str):
        raise TypeError("path: expected text or a path of text, found bytes")
    if not text:
        raise ValueError("path: expected the name of a file, found nothing")
    if "\0" in text:
        raise ValueError(f"path: expected the name of a file, found U+0000 in {text!r}")
    resolved = Path(text)
    return (resolved if resolved.suffix == ".npz" else Path(f"{resolved}.npz")).absolute()


def file_error(error: OSError, path: Path | None) -> OSError:
    """The error with its number, from the system's text at its end: FileNotFoundError and so on."""
    message = str(error)
    if message.endswith("found a directory"):
        return IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    for number in errno.errorcode:
        if message.endswith(os.strerror(number)):
            return OSError(number, os.strerror(number), None if path is None else str(path))
    return error
