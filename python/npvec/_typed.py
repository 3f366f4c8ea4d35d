"""Metadata of a declared schema: NumPy types, and rows brought into them without loss."""

import base64
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from . import _npvec


def dtype_of_schema(schema: Mapping[str, Any]) -> np.dtype[Any]:
    """Fields whose type is no text are Python objects, as in the original."""
    if not isinstance(schema, Mapping):
        raise TypeError(f"metadata_schema: expected a dict of names and types, found {type(schema).__name__}")
    return np.dtype([(name, kind if isinstance(kind, str) else object) for name, kind in schema.items()])


def field_types(dtype: np.dtype[Any]) -> tuple[list[str], list[str]]:
    """Names, and types as npvec.h spells them."""
    names = list(dtype.names or ())
    return names, [dtype[name].str.lstrip("<>|=") for name in names]


def _differs(given: npt.NDArray[Any], kept: npt.NDArray[Any]) -> npt.NDArray[np.bool_]:
    """Where a value did not fit. A float may be rounded, but not into infinity."""
    if given.dtype.kind == "f" and kept.dtype.kind == "f":
        different = np.isfinite(given) != np.isfinite(kept)
    else:
        different = given != kept.astype(given.dtype)
        if given.dtype.kind in "fMm":
            different &= ~(np.isnan(given) & np.isnan(kept))
    return np.asarray(different, np.bool_)


def _same_family(given: np.dtype[Any], kept: np.dtype[Any]) -> bool:
    families = ("b", "iu", "iuf", "U", "S", "M", "m")
    return given == kept or any(given.kind in family and kept.kind in family for family in families)


def fit_field(given: npt.NDArray[Any], kept: npt.NDArray[Any], name: str) -> None:
    """Stores a column, or raises: a value that does not fit is never cut."""
    if not _same_family(given.dtype, kept.dtype):
        raise TypeError(f"metadata: field {name!r}: expected {kept.dtype}, found {given.dtype}")
    with np.errstate(over="ignore", invalid="ignore"):
        kept[:] = given
    different = _differs(given, kept)
    if different.any():
        row = int(np.flatnonzero(different)[0])
        raise ValueError(f"metadata: row {row}: field {name!r}: {given[row]!r} does not fit {kept.dtype}")


def records_of_array(array: npt.NDArray[Any], dtype: np.dtype[Any]) -> npt.NDArray[Any]:
    """A structured array as records of the store's type; the very array if it has that type."""
    if array.dtype == dtype:
        return np.ascontiguousarray(array)
    if set(array.dtype.names or ()) != set(dtype.names or ()):
        raise ValueError(f"metadata schema: expected fields {dtype.names}, found {array.dtype.names}")
    records = np.zeros(len(array), dtype)
    for name in dtype.names or ():
        fit_field(array[name], records[name], name)
    return records


def row_as_dict(row: Any, names: Sequence[str]) -> dict[str, Any]:
    """A dict, a record or a tuple, as a dict."""
    if isinstance(row, Mapping):
        return dict(row)
    if isinstance(row, np.void) and row.dtype.names:
        return {name: row[name] for name in row.dtype.names}
    if isinstance(row, (tuple, list)):
        if len(row) != len(names):
            raise ValueError(f"metadata: expected {len(names)} values a row, found {len(row)}")
        return dict(zip(names, row))
    raise TypeError(f"metadata: expected dicts, tuples or a structured array, found {type(row).__name__}")


def _plain(value: Any, name: str) -> Any:
    """A value as JSON has it, for the library to fit into its field."""
    if isinstance(value, np.datetime64):
        return None if np.isnat(value) else str(value)
    if isinstance(value, np.timedelta64):
        raise TypeError(f"metadata: field {name!r}: pass timedelta64 in a structured array")
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, bytes):
        return {"$bytes": base64.b64encode(value).decode()}
    if hasattr(value, "isoformat"):
        return value.isoformat()
    return value


def document_of_row(row: Any, names: Sequence[str]) -> dict[str, Any]:
    """For a row of a typed store. Raises for what only comes near a JSON value."""
    document = {name: _plain(value, name) for name, value in row_as_dict(row, names).items()}
    for name, value in document.items():
        if not _npvec.encode(value)[1]:
            raise TypeError(f"metadata: field {name!r}: expected a value of its type, found {value!r}")
    return document
