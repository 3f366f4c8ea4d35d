"""Files of the package: metadata of all kinds, what pickles may do, and the original's files."""

import collections
import dataclasses
import datetime
import os
import pickle
import re
import zipfile

import numpy as np
import pytest

import npvec
from conftest import ORIGINALS, run_python
from npvec import VectorStore


@dataclasses.dataclass
class Chunk:
    source: str
    number: int


class Traitor:
    """Leaves a trace when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (self.path,)


DATA = [
    {"text": 'ü\n"\\\x00', "numbers": [0, -1, 2**63 - 1, 0.1, -0.0, 1e16, 5e-324, True, None], "nested": {"a": [{}]}},
    [1, "two", [3]],
    "text",
    5,
    None,
    ("a", ("b", 1.5)),
    b"\x00\xff",
    {"tuple": (1, 2), "bytes": b"x", 1: "one", None: 2, "big": 2**100, "nan": float("inf")},
    np.float32(0.5),
    np.int64(-3),
    np.datetime64("2024-05-06", "D"),
    {"scalar": np.float64(2.5), "text": np.str_("x")},
    "\ud800",
]
OBJECTS = [
    Chunk("a", 1),
    {"when": datetime.date(2024, 1, 2), "year": 2024},
    {1, 2},
    2j,
    collections.OrderedDict(a=1),
    np.arange(3),
]


def store_of(payloads, **options):
    store = VectorStore(4, **options)
    store.add(np.random.default_rng(3).standard_normal((len(payloads), 4)), payloads)
    return store


def same(found, expected):
    if isinstance(expected, np.ndarray):
        return np.array_equal(found, expected)
    return type(found) is type(expected) and found == expected


@pytest.mark.parametrize("compress", [False, True])
def test_data_comes_back_with_its_types_and_needs_no_trust(tmp_path, compress):
    store = store_of(DATA)
    store.save(tmp_path / "data.npz", compress=compress)
    opened = VectorStore.open(tmp_path / "data.npz")
    for row, payload in enumerate(DATA):
        assert same(opened.get(row)[1], payload)
    assert opened.cosine_search(store.vectors[2], top_k=1)[0].metadata is opened.metadata[2]
    np.testing.assert_array_equal(opened.vectors, store.vectors)


@pytest.mark.parametrize(
    "payload", [*DATA, {"a": [(1,)]}, {"a": np.float64(0.5)}, {1: 2}, {"a": True, "b": np.True_}], ids=repr
)
def test_one_payload_decides_nothing_for_others(tmp_path, payload):
    """Each alone in its file: what JSON only comes near to must not go there as JSON."""
    store_of([payload]).save(tmp_path / "one.npz")
    found = VectorStore.open(tmp_path / "one.npz").get(0)[1]
    assert same(found, payload) and repr(found) == repr(payload)


def test_json_metadata_is_written_by_the_library_and_mapped(tmp_path, monkeypatch):
    monkeypatch.delattr("npvec._archive.write")
    numbers = {"infinite": [float("inf"), -float("inf")], "long": [2**64, -(10**2464)], "nan": float("nan")}
    store_of([*DATA[:5], numbers]).save(tmp_path / "json.npz")
    opened = VectorStore.open(tmp_path / "json.npz")
    assert opened.info()["mapped"] and repr(opened.get(5)[1]) == repr(numbers)
    opened.get(0)
    opened.save()
    assert VectorStore.open(tmp_path / "json.npz").get(0)[1] == DATA[0]


def test_hits_of_an_opened_file_have_their_metadata(tmp_path):
    store = store_of(DATA)
    store.save(tmp_path / "data.npz")
    opened = VectorStore.open(tmp_path / "data.npz")
    hit = opened.cosine_search(store.vectors[0], top_k=1)[0]
    assert hit.metadata == DATA[0] and opened.search(store.vectors[5], 1)[0][2] == DATA[5]
    assert hit.metadata is opened.get(0)[1] is opened.metadata[0]


def test_objects_need_trust_to_open(tmp_path):
    path = tmp_path / "objects.npz"
    store = store_of(OBJECTS, normalize=False)
    store.save(path)
    store.save()
    assert os.listdir(tmp_path) == ["objects.npz"]
    with pytest.raises(npvec.UnsupportedError, match="allow_pickle=True"):
        VectorStore.open(path)
    with pytest.raises(ValueError):
        store.reload()
    opened = VectorStore.open(path, allow_pickle=True)
    assert all(same(opened.get(row)[1], payload) for row, payload in enumerate(OBJECTS))
    np.testing.assert_array_equal(opened.vectors, store.vectors)
    assert opened.normalize is False and opened.count("year = 2024") == 1
    opened.add([[1, 2, 3, 4]], [{"year": 2024}])
    opened.save(tmp_path / "more.npz", compress=True)
    opened.reload()
    assert opened.count({"year": 2024}) == 2 and opened.get(0)[1] == OBJECTS[0]


def test_vectors_beside_objects_are_mapped_by_readers(tmp_path):
    store_of(OBJECTS).save(tmp_path / "objects.npz")
    with np.load(tmp_path / "objects.npz", allow_pickle=True) as members:
        assert members.files == ["format_version", "dimensions", "normalize", "metadata", "vectors"]
        vectors, metadata = members["vectors"], members["metadata"]
    assert metadata[0] == OBJECTS[0] and vectors.dtype == np.float32
    with zipfile.ZipFile(tmp_path / "objects.npz") as archive:
        assert {(info.extra, info.external_attr, info.create_system) for info in archive.infolist()} == {(b"", 0, 0)}
        assert re.fullmatch(rb"npvec 1 [0-9a-f]{32} 1", archive.comment)
    raw = (tmp_path / "objects.npz").read_bytes()
    assert raw.index(vectors.tobytes()) % 64 == 0


def test_opening_runs_no_code(tmp_path):
    trace = tmp_path / "trace"
    for payload in (Traitor(str(trace)), {"deep": [Traitor(str(trace))]}):
        metadata = np.array([payload], dtype=object)
        np.savez(tmp_path / "hostile.npz", vectors=np.ones((1, 2), np.float32), metadata=metadata)
        with pytest.raises(npvec.UnsupportedError):
            VectorStore.open(tmp_path / "hostile.npz")
        loaded = VectorStore(2, tmp_path / "hostile.npz")
        with pytest.raises(npvec.UnsupportedError):
            loaded.load()
        assert len(loaded) == 0 and not trace.exists()
    VectorStore.open(tmp_path / "hostile.npz", allow_pickle=True)
    assert trace.exists()


def test_damaged_files_are_value_errors(tmp_path):
    path = tmp_path / "damaged.npz"
    store_of(DATA).save(path)
    whole = path.read_bytes()
    for content in (b"", b"nonsense" * 9, whole[:-30], whole[: len(whole) // 2]):
        path.write_bytes(content)
        with pytest.raises(ValueError):
            VectorStore.open(path)
        with pytest.raises(ValueError):
            VectorStore.open(path, allow_pickle=True)
    path.unlink()
    path.mkdir()
    with pytest.raises(OSError):
        VectorStore.open(path)


def test_a_failed_save_leaves_the_old_file(tmp_path):
    path = tmp_path / "objects.npz"
    store = store_of(OBJECTS)
    store.save(path)
    before = path.read_bytes()
    store.add([[1, 1, 1, 1]], [lambda: None])
    with pytest.raises((AttributeError, pickle.PicklingError)):
        store.save()
    assert path.read_bytes() == before and os.listdir(tmp_path) == ["objects.npz"] and len(store) == len(OBJECTS) + 1


def test_ids_live_beside_objects(tmp_path):
    store = VectorStore(2)
    store.add([[1, 0], [0, 1], [1, 1]], [Chunk("a", 1), Chunk("b", 2), None], ids=["a", None, "ü"])
    store.save(tmp_path / "ids.npz")
    opened = VectorStore.open(tmp_path / "ids.npz", allow_pickle=True)
    assert [opened.id_of(row) for row in range(3)] == ["a", None, "ü"] and opened.row_of("ü") == 2
    opened.delete(["a"])
    opened.save()
    assert [opened.id_of(row) for row in range(2)] == [None, "ü"] and opened.get(0)[1] == Chunk("b", 2)
    assert VectorStore.open(tmp_path / "ids.npz", allow_pickle=True).get(id="ü")[1] is None


def test_files_of_numpy_open(tmp_path):
    vectors = np.random.default_rng(1).standard_normal((5, 3))
    np.savez_compressed(tmp_path / "plain.npz", vectors=vectors)
    opened = VectorStore.open(tmp_path / "plain")
    np.testing.assert_array_equal(opened.vectors, vectors.astype(np.float32))
    assert opened.normalize is False and opened.get(0)[1] is None


@pytest.mark.parametrize("release", ORIGINALS)
@pytest.mark.parametrize("kind", ["normalized", "raw"])
def test_the_original_opens_our_files_and_we_its(tmp_path, release, kind):
    if kind == "raw" and release in ("0.1.0", "0.2.0"):
        pytest.skip("this release always normalises")
    run_python("original.py", "save", tmp_path / "theirs.npz", kind, path=ORIGINALS[release])
    theirs = VectorStore.open(tmp_path / "theirs.npz")
    assert theirs.get(3)[1] == {"number": 3, "text": "row 3", "tags": ("a", 2.5, None)}
    theirs.get(3)[1]["changed"] = (1, ("x",))
    theirs.save(tmp_path / "ours.npz")
    report = run_python("original.py", "open", tmp_path / "ours.npz", kind, path=ORIGINALS[release])
    assert theirs.vectors.tobytes().hex() in report or release < "0.5"


def test_a_file_of_numpy_without_rows_opens(tmp_path):
    """Its metadata is of Python objects, of which there are none: nothing to be trusted."""
    np.savez(tmp_path / "none.npz", vectors=np.empty((0, 3), np.float32), metadata=np.empty(0, object))
    store = npvec.VectorStore.open(tmp_path / "none.npz")
    assert (len(store), store.dimensions, list(store.metadata)) == (0, 3, [])
