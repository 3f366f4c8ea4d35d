"""Metadata that JSON does not say wholly: dates, instances of classes, in files and in journals."""

import datetime
import os
import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import npvec
from npvec import VectorStore

VECTORS = np.eye(4, dtype=np.float32)
DATE = datetime.datetime(2026, 5, 17, 9, 30)
RUN: list[str] = []  # what was unpickled


def run(name: str) -> str:
    RUN.append(name)
    return name


class Runs:
    """Says so when it is unpickled."""

    def __reduce__(self) -> Any:
        return run, ("ran",)


class Named(str):
    """A text that Python tells from the str that it is equal to."""

    KEY: "Named"

    def __hash__(self) -> int:
        return 1


Named.KEY = Named("key")

PAYLOADS: list[Any] = [{"year": 2026, "when": DATE}, {"year": 2025}, DATE, ({1, 2}, b"bytes")]


def check(store: VectorStore[Any]) -> None:
    assert list(store.metadata) == PAYLOADS
    assert [store.get(row)[1] for row in range(4)] == PAYLOADS  # type: ignore[index]
    assert store.select("year >= 2026").tolist() == [0]
    assert store.select("year > 2000").tolist() == [0, 1]


@pytest.mark.parametrize("durability", ["off", "os", "disk"])
def test_any_object_is_kept_in_file_and_journal(tmp_path: Path, durability: Any) -> None:
    path = tmp_path / "a.npz"
    store: VectorStore[Any] = VectorStore(4, file_path=path, durability=durability, allow_pickle=True)
    store.add(VECTORS[:2], PAYLOADS[:2], ids=["a", "b"])
    store.upsert(VECTORS[1:], [PAYLOADS[1], PAYLOADS[2], PAYLOADS[3]], ids=["b", "c", "d"])
    assert store.get(0)[1] is PAYLOADS[0]  # type: ignore[index]
    if durability == "off":
        store.save()
    store.close()
    for mode in ("os", "off"):
        with pytest.raises(npvec.UnsupportedError, match="allow_pickle=True"):
            VectorStore.open(path, durability=mode)
        store = VectorStore.open(path, durability=mode, allow_pickle=True)
        check(store)
        store.save()
        store.close()
    with np.load(path, allow_pickle=True) as members:
        assert members["metadata"].tolist() == PAYLOADS
    with np.load(path) as members, pytest.raises(ValueError, match="allow_pickle"):
        members["metadata"]


def test_nothing_is_unpickled_without_leave(tmp_path: Path) -> None:
    RUN.clear()
    path = tmp_path / "a.npz"
    store: VectorStore[Any] = VectorStore(4, file_path=path, durability="os")
    store.add(VECTORS, [Runs(), {"year": 1}, None, None])
    store.reload()
    for read in (lambda: store.get(0), lambda: store.metadata, lambda: store.search(VECTORS[0])):
        with pytest.raises(npvec.UnsupportedError, match="allow_pickle=True"):
            read()
    assert store.get(1)[1] == {"year": 1}  # type: ignore[index]
    store.save()
    store.close()
    with pytest.raises(npvec.UnsupportedError):
        VectorStore.open(path)
    assert RUN == []
    assert VectorStore[Any].open(path, allow_pickle=True).get(0)[1] == "ran"  # type: ignore[index]
    assert RUN == ["ran"]


STORES: list[VectorStore[Any]] = []


def delete_others() -> str:
    STORES.pop().delete(where="year >= 1")
    return "alone"


class Deletes:
    """Deletes the rows with a year when it is unpickled, as another thread may while a search's hits are made."""

    def __reduce__(self) -> Any:
        return delete_others, ()


def test_a_row_deleted_after_it_was_found_is_no_hit(tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    store: VectorStore[Any] = VectorStore(4)
    store.add(np.eye(4)[[0, 0, 0, 0]], [Deletes(), {"year": 1}, None, {"year": 2}])
    store.save(path)

    store = VectorStore.open(path, allow_pickle=True)
    STORES.append(store)
    assert [(row, metadata) for row, _, metadata in store.search(np.ones(4))] == [(0, "alone"), (2, None)]
    assert len(store) == 2

    store = VectorStore.open(path, allow_pickle=True)
    STORES.append(store)
    assert store.metadata.tolist() == ["alone", None, None, None]
    assert len(store) == 2 and STORES == []


class Spy:
    """The library's store, with the rows whose documents are set."""

    def __init__(self, handle: Any) -> None:
        self.handle = handle
        self.rows: list[int] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self.handle, name)

    def set_documents(self, rows: Any, documents: Any, pickler: Any) -> None:
        self.rows += rows.tolist()
        self.handle.set_documents(rows, documents, pickler)


@pytest.mark.parametrize("durability", ["off", "os"])
def test_saving_sets_what_was_changed_in_place_and_nothing_else(tmp_path: Path, durability: Any) -> None:
    path = tmp_path / "a.npz"
    payloads: list[Any] = [{"n": 0}, {"n": 1, "when": [DATE]}, {"n": 2}, {"n": 3, "when": [DATE]}]
    store: VectorStore[Any] = VectorStore(4, file_path=path, durability=durability, allow_pickle=True)
    store.add(VECTORS, payloads)
    store.save()
    spy: Any = Spy(store._rows.handle)
    store._rows.handle = spy
    store.save()
    assert spy.rows == []
    payloads[0]["n"] = 10
    payloads[1]["when"].append(DATE)
    payloads[2]["when"] = {DATE}
    store.save()
    assert spy.rows == [0, 1, 2]
    store.save()
    assert spy.rows == [0, 1, 2]
    payloads[1] = payloads[2]
    del payloads[1]["when"]  # of row 2
    store.save()
    assert spy.rows == [0, 1, 2, 2]
    assert store.select("n >= 10").tolist() == [0]
    read: VectorStore[Any] = VectorStore.open(path, allow_pickle=True)
    assert read.metadata.tolist() == [{"n": 10}, {"n": 1, "when": [DATE, DATE]}, {"n": 2}, {"n": 3, "when": [DATE]}]
    assert read.info()["generation"] == 5 if durability == "off" else True


def test_what_cannot_be_pickled_is_refused_and_changes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    store: VectorStore[Any] = VectorStore(4, file_path=path, durability="os")
    with pytest.raises((pickle.PicklingError, AttributeError, TypeError)):
        store.add(VECTORS[:2], [{"n": 1}, {"n": lambda: 2}])
    assert len(store) == 0
    store.add(VECTORS[:1], [{"n": 1}])
    store.close()
    assert VectorStore[Any].open(path).metadata.tolist() == [{"n": 1}]


def test_metadata_is_read_when_it_is_asked_for(tmp_path: Path) -> None:
    """A file that npvec wrote opens, and is searched, whatever is the matter with its metadata."""
    path = tmp_path / "a.npz"
    store: VectorStore[Any] = VectorStore(4)
    store.add(VECTORS, [{"n": i} for i in range(4)])
    store.save(path)
    data = path.read_bytes()
    path.write_bytes(data.replace(b"etb.", b"etc."))
    damaged: VectorStore[Any] = VectorStore.open(path)
    assert damaged.vectors.tolist() == VECTORS.tolist()
    assert damaged.search_batch(VECTORS[1:2], top_k=1)[0].tolist() == [[1]]
    with pytest.raises(ValueError, match="metadata"):
        damaged.get(0)


def test_a_killed_writer_has_its_objects_in_the_journal(tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    program = (
        "import datetime, os, sys, numpy as np, npvec\n"
        "store = npvec.VectorStore(4, file_path=sys.argv[1], durability='os')\n"
        "store.add(np.eye(4), [{'n': i, 'when': datetime.date(2026, 1, 1 + i)} for i in range(4)])\n"
        "os.kill(os.getpid(), 9)\n"
    )
    assert subprocess.run([sys.executable, "-c", program, os.fspath(path)]).returncode == -9
    store: VectorStore[Any] = VectorStore.open(path, durability="os", allow_pickle=True)
    assert [each["when"].day for each in store.metadata] == [1, 2, 3, 4]
    assert store.select("n = 2").tolist() == [2]


@pytest.mark.parametrize(
    ("value", "passes"),
    [
        (b"abcd", ["EXISTS(a)", "a IS NOT NULL"]),
        (np.bytes_(b"x"), ["EXISTS(a)", "a IS NOT NULL"]),
        ([b"", b"a", b"ab"], ["EXISTS(a[2])", "a[1] IS NOT NULL"]),
        (np.timedelta64(5, "s"), ["a = 5"]),
        (np.datetime64("2020-05-01"), ["a = '2020-05-01'"]),
        (np.datetime64("NaT"), ["EXISTS(a)", "a IS NULL"]),
        (np.datetime64("2020-05-01T00:00:00.000000001"), ["a = '2020-05-01T00:00:00.000000001'"]),
        (np.datetime64(2**40, "s"), ["a = '36812-02-20T00:36:16'"]),  # a year that Python has not
        (np.timedelta64("NaT"), ["EXISTS(a)", "a IS NULL"]),
        (np.timedelta64(7, "ns"), ["a = 7"]),
        (np.longdouble(0.5), ["EXISTS(a)", "a IS NULL"]),
        (np.complex64(1), ["EXISTS(a)", "a IS NULL"]),
        (np.float16(0.5), ["a = 0.5"]),
        ((1, "x"), ["a CONTAINS 'x'"]),
        (2**63, ["a = 9223372036854775808", "a > 0"]),
        (2**64, ["EXISTS(a)", "a IS NOT NULL"]),
        ("\ud800x", ["a LIKE '_x'", "a = '\ud800x'", {"a": "\ud800x"}]),
        ({1, 2}, ["EXISTS(a)", "a IS NULL"]),
        ({"\ud800": 1, "b\0c": 2, "": 3}, [{'a."\ud800"': 1}, {'a."b\0c"': 2}, 'a."" = 3']),
        ({np.str_("k"): 1, "\udfff": 2}, ["a.k = 1", 'a."\udfff" = 2']),
        ({Named.KEY: 1, 2: 3}, ["EXISTS(a)", "NOT EXISTS(a.key)", 'NOT EXISTS(a."2")']),
    ],
)
def test_filters_find_the_same_in_memory_and_in_a_file(tmp_path: Path, value: Any, passes: list[Any]) -> None:
    conditions = ["EXISTS(a)", "a IS NULL", "a IS NOT NULL", "a > 0", "a > ''", "a LIKE '%'", "a CONTAINS 'x'", *passes]

    def ask(store: VectorStore[Any]) -> list[int]:
        return [store.count(condition) for condition in conditions]

    store = VectorStore[Any](4)
    store.add(VECTORS[:1], [{"a": value}])
    in_memory = ask(store)
    assert in_memory[-len(passes) :] == [1] * len(passes)
    store.save(tmp_path / "a.npz")
    assert ask(store) == in_memory
    assert ask(VectorStore.open(tmp_path / "a.npz", allow_pickle=True)) == in_memory


def test_ids_and_parameters_may_have_lone_surrogates() -> None:
    store = VectorStore[Any](4)
    store.add(VECTORS[:2], [{"a": "\udc80"}, {"a": "b"}], ids=["\ud800", "b"])
    assert store.row_of("\ud800") == 0 and store.id_of(0) == "\ud800"
    assert store.select("a = ?", params=["\udc80"]).tolist() == [0]
    assert store.select({"a": {"$in": ["\udc80", "é"]}}).tolist() == [0]
