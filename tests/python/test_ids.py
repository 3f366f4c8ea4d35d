"""Ids both ways between npvec and NumPy, and what deletion leaves of a file."""

import io
import zipfile

import numpy as np
import pytest

import store as npvec
from store import Store

IDS = ["a", None, "été", "\U0001f600 x", "\ud800", None, "0123456789" * 20]
VECTORS = np.arange(1, 3 * len(IDS) + 1, dtype=np.float32).reshape(-1, 3)
ARRAY = np.array(["" if text is None else text for text in IDS])


def saved_ids(path):
    with zipfile.ZipFile(path) as archive:
        return archive.read("ids.npy")


@pytest.mark.parametrize("compress", [False, True], ids=["stored", "deflated"])
def test_ids_are_saved_as_numpy_saves_them(tmp_path, compress):
    store = Store.create(3, normalize=False)
    store.add(VECTORS, ids=IDS)
    store.save(tmp_path / "a.npz", compress=compress)
    expected = io.BytesIO()
    np.save(expected, ARRAY)
    assert saved_ids(tmp_path / "a.npz") == expected.getvalue()
    with np.load(tmp_path / "a.npz", allow_pickle=True) as file:
        assert file["ids"].tolist() == ARRAY.tolist()


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_ids_that_numpy_saved_are_read(tmp_path, order, save):
    save(tmp_path / "a.npz", vectors=VECTORS, ids=ARRAY.astype(ARRAY.dtype.newbyteorder(order)))
    store = Store.open(tmp_path / "a.npz")
    assert [store.id(row) for row in range(len(IDS))] == IDS
    assert [store.find(text) for text in IDS if text] == [row for row, text in enumerate(IDS) if text]
    assert store.info().ids == sum(text is not None for text in IDS)


def test_deleted_rows_are_not_saved(tmp_path):
    store = Store.create(3, normalize=False)
    store.add(VECTORS, [f'{{"row": {row}}}' for row in range(len(IDS))], ids=IDS)
    assert store.delete([0, 4, 5]) == 3
    assert (store.info().rows, store.info().row_end) == (4, 7)
    store.save(tmp_path / "a.npz")
    assert (store.info().rows, store.info().row_end) == (4, 4)
    kept = [1, 2, 3, 6]
    with np.load(tmp_path / "a.npz", allow_pickle=True) as file:
        assert np.array_equal(file["vectors"], VECTORS[kept])
        assert [document["row"] for document in file["metadata"]] == kept
        assert file["ids"].tolist() == ARRAY[kept].tolist()
    assert [store.id(row) for row in range(4)] == [IDS[row] for row in kept]
    assert [store.document(row) for row in range(4)] == [f'{{"row": {row}}}' for row in kept]


def test_deleted_records_are_not_saved(tmp_path):
    records = np.array([(1, "a"), (2, "bb"), (3, "c"), (4, "")], [("n", "<i2"), ("text", "<U3")])
    np.savez(tmp_path / "a.npz", vectors=VECTORS[:4], metadata=records)
    store = Store.open(tmp_path / "a.npz")
    assert store.delete([1]) == 1
    store.save(tmp_path / "b.npz")
    with np.load(tmp_path / "b.npz") as file:
        assert np.array_equal(file["metadata"], records[[0, 2, 3]])


def test_a_store_without_ids_has_no_member_for_them(tmp_path):
    store = Store.create(3)
    store.add(VECTORS[:2], ids=["x", None])
    store.delete([0])
    store.save(tmp_path / "a.npz")
    with zipfile.ZipFile(tmp_path / "a.npz") as archive:
        assert "ids.npy" not in archive.namelist()


def test_two_rows_with_one_id_are_both_named(tmp_path):
    np.savez(tmp_path / "a.npz", vectors=VECTORS[:3], ids=np.array(["x", "y", "x"]))
    with pytest.raises(npvec.NpvecError, match="ids.npy: rows 0 and 2 have the same id") as caught:
        Store.open(tmp_path / "a.npz").id(1)
    assert caught.value.code == npvec.FORMAT
