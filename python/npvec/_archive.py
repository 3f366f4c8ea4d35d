"""Archives by NumPy itself: for metadata that only Python understands.

Objects that are no data to the library (instances of classes, sets, dates) lie in `metadata.npy` as NumPy pickles them,
as in all archives of numpy_vector_store. The library refuses to read them, and reading them here runs code that the
file names, so nothing calls `read` unless the caller said allow_pickle=True. docs/format.md describes what `write`
writes.
"""

import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, NamedTuple

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    import zipfile  # else by those who need it: it takes as long as all of this package

_ALIGNMENT = 64
_PADDING_ID = 0x564E
_ZIP64_EXTRA = 20  # bytes that zipfile adds to a local header


class Archive(NamedTuple):
    """What a file holds; None: it does not say."""

    vectors: npt.NDArray[Any]
    metadata: npt.NDArray[Any]
    ids: list[str | None] | None
    normalize: bool | None


def _check(vectors: npt.NDArray[Any], metadata: npt.NDArray[Any]) -> None:
    if vectors.ndim != 2 or vectors.dtype.kind != "f":
        raise ValueError(f"vectors: expected a 2D array of floats, found {vectors.ndim}D of {vectors.dtype}")
    if metadata.shape != vectors.shape[:1]:
        raise ValueError(f"metadata length mismatch: expected {vectors.shape[:1]}, found {metadata.shape}")


def read(path: Path) -> Archive:
    """Reads with np.load, which unpickles."""
    with np.load(path, allow_pickle=True) as members:
        vectors, metadata = members["vectors"], members["metadata"]
        _check(vectors, metadata)
        ids = [text or None for text in members["ids"].tolist()] if "ids" in members else None
        normalize = bool(members["normalize"]) if "normalize" in members else None
    return Archive(vectors, metadata, ids, normalize)


def _member(file: BinaryIO, name: str, array: npt.NDArray[Any], compress: bool) -> "tuple[zipfile.ZipInfo, bool]":
    """The header of a member that begins here, padded so that a stored array is aligned, and whether it is large."""
    import zipfile

    info = zipfile.ZipInfo(name)
    info.compress_type = zipfile.ZIP_DEFLATED if compress else zipfile.ZIP_STORED
    large = array.dtype.hasobject or array.nbytes >= 1 << 31
    start = file.tell() + 30 + len(name) + 4 + (_ZIP64_EXTRA if large else 0)
    padding = -start % _ALIGNMENT
    info.extra = _PADDING_ID.to_bytes(2, "little") + padding.to_bytes(2, "little") + bytes(padding)
    return info, large


def _write_members(file: BinaryIO, members: dict[str, npt.NDArray[Any]], compress: bool) -> None:
    import zipfile

    with zipfile.ZipFile(file, "w") as archive:
        for name, array in members.items():
            info, large = _member(file, f"{name}.npy", array, compress and array.ndim > 0)
            with archive.open(info, "w", force_zip64=large) as member:
                write_array = np.lib.format.write_array  # which has no types before NumPy 2.3
                write_array(member, array, allow_pickle=True)  # type: ignore[no-untyped-call, unused-ignore]
            # For the directory, which the archive writes at its end.
            info.extra, info.external_attr, info.create_system = b"", 0, 0
        archive.comment = f"npvec 1 {os.urandom(16).hex()} 1".encode()


def _sync_directory(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _replace(path: Path, members: dict[str, npt.NDArray[Any]], compress: bool) -> None:
    """Writes beside the file, and renames over it."""
    beside = path.with_name(f".{path.name[:200]}.{os.urandom(8).hex()}.tmp")
    try:
        with beside.open("x+b") as file:
            _write_members(file, members, compress)
            file.flush()
            os.fsync(file.fileno())
        if path.exists():
            beside.chmod(stat.S_IMODE(path.stat().st_mode))
        os.replace(beside, path)
    except BaseException:
        beside.unlink(missing_ok=True)
        raise
    _sync_directory(path.parent)


def write(path: Path, archive: Archive, compress: bool) -> None:
    """Writes an archive as the library does: the path holds the whole old file or the whole new one at every moment."""
    members: dict[str, npt.NDArray[Any]] = {
        "format_version": np.array(1, np.int64),
        "dimensions": np.array(archive.vectors.shape[1], np.int64),
        "normalize": np.array(bool(archive.normalize), np.bool_),
        "metadata": archive.metadata,
    }
    if archive.ids is not None:
        members["ids"] = np.array([text or "" for text in archive.ids], np.str_)
    members["vectors"] = archive.vectors
    _replace(path, members, compress)
