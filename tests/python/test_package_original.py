"""npvec.VectorStore and numpy_vector_store.VectorStore: the same programs, with the import changed.

Every test runs with both where the original is installed (it needs Python 3.11), so that none asks for more than that.
"""

import copy
import dataclasses
import importlib
import os
import pickle
import sys

import numpy as np
import pytest

import npvec

PACKAGES = [npvec]
try:
    import numpy_vector_store

    PACKAGES.append(numpy_vector_store)
except ImportError:
    pass


@pytest.fixture(params=PACKAGES, ids=lambda package: package.__name__)
def package(request):
    return request.param


@pytest.fixture(params=[True, False], ids=["normalized", "raw"])
def normalize(request):
    return request.param


@pytest.fixture
def axes(package, normalize):
    """Four rows: the axes of space, and the first again, each with its name."""
    store = package.VectorStore(3, normalize=normalize)
    store.add(np.eye(3)[[0, 1, 2, 0]], [{"name": name} for name in "xyzX"])
    return store


SEARCHES = ["cosine_search", "dot_search", "euclidean_search"]


# ------------------------------------------------------------------------------------------------------------- searches


@pytest.mark.skipif(len(PACKAGES) == 1, reason="the original is not installed")
@pytest.mark.parametrize("method", SEARCHES)
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, np.int32])
def test_both_find_the_same(method, dtype, normalize):
    random = np.random.default_rng(7)
    vectors = (random.standard_normal((200, 24)) * 9 + 1).astype(dtype)
    queries = (random.standard_normal((5, 24)) * 9).astype(dtype)
    stores = [package.VectorStore(24, normalize=normalize) for package in PACKAGES]
    for store in stores:
        store.add(vectors, list(range(200)))
    for query in queries:
        ours, theirs = (getattr(store, method)(query, top_k=12, within_rows=range(3, 190, 2)) for store in stores)
        assert [hit.index for hit in ours] == [hit.index for hit in theirs]
        np.testing.assert_allclose([hit.value for hit in ours], [hit.value for hit in theirs], rtol=2e-6, atol=2e-6)
        assert [hit.metadata for hit in ours] == [hit.index for hit in ours]


@pytest.mark.parametrize("method", SEARCHES)
def test_equal_rows_come_in_order_of_their_numbers(axes, method):
    search = getattr(axes, method)
    assert [hit.index for hit in search([2.0, 1.0, 0.0], top_k=3)] == [0, 3, 1]
    assert [hit.index for hit in search([2.0, 1.0, 0.0], top_k=1)] == [0]
    assert [hit.index for hit in search([2.0, 1.0, 0.0], top_k=2, within_rows=[3, 2, 0])] == [0, 3]


def test_limits_leave_out_what_is_beyond_them(axes):
    assert [hit.index for hit in axes.cosine_search([1, 0, 0], min_value=0.5)] == [0, 3]
    assert [hit.index for hit in axes.dot_search([1, 0, 0], min_value=np.float32(1))] == [0, 3]
    assert [hit.index for hit in axes.euclidean_search([1, 0, 0], max_value=0)] == [0, 3]
    assert len(axes.cosine_search([1, 0, 0], top_k=np.int64(100))) == 4


def test_a_hit_is_a_frozen_record_that_has_the_very_object(package, axes):
    payload = {"name": "new"}
    axes.add([[0.0, 0.5, 0.5]], [payload])
    hit = axes.cosine_search([0, 1, 1], top_k=1)[0]
    assert hit.metadata is payload and axes.metadata[4] is payload and axes.get(4)[1] is payload
    assert type(hit) is package.VectorHit and type(hit.index) is int and type(hit.value) is float
    assert hit == package.VectorHit(4, hit.value, payload)
    assert dataclasses.asdict(hit) == {"index": 4, "value": hit.value, "metadata": payload}
    with pytest.raises(dataclasses.FrozenInstanceError):
        hit.index = 5
    assert hash(package.VectorHit(1, 2.0, "a")) == hash(package.VectorHit(1, 2.0, "a"))
    assert repr(package.VectorHit(1, 2.0, "a")) == "VectorHit(index=1, value=2.0, metadata='a')"


def test_an_empty_store_finds_nothing_but_still_checks(package, normalize):
    store = package.VectorStore(2, normalize=normalize)
    assert store.cosine_search([1, 0]) == [] and store.euclidean_search([1, 0], within_rows=[]) == []
    for query in ([0, 0], [1, 0, 0], [np.nan, 1]):
        with pytest.raises(ValueError):
            store.cosine_search(query)
    with pytest.raises(IndexError):
        store.dot_search([1, 0], within_rows=[0])


def test_zero_vectors_belong_to_raw_stores_and_not_to_cosine(package):
    with pytest.raises(ValueError):
        package.VectorStore(2).add([[0, 0]], [None])
    store = package.VectorStore(2, normalize=False)
    store.add([[0, 0], [3, 4]], ["zero", "five"])
    assert store.dot_search([1, 1], top_k=1)[0].value == 7
    assert store.euclidean_search([0, 0], top_k=1)[0].metadata == "zero"
    assert store.cosine_search([3, 4], within_rows=[1])[0].value == pytest.approx(1)
    with pytest.raises(ValueError):
        store.cosine_search([3, 4])


# --------------------------------------------------------------------------------------------------------------- errors


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ({"top_k": 0}, ValueError),
        ({"top_k": -1}, ValueError),
        ({"top_k": True}, TypeError),
        ({"top_k": 2.0}, TypeError),
        ({"top_k": "2"}, TypeError),
        ({"min_value": True}, TypeError),
        ({"min_value": "0.5"}, TypeError),
        ({"min_value": 1j}, TypeError),
        ({"min_value": np.array([0.5])}, TypeError),
        ({"min_value": np.nan}, ValueError),
        ({"min_value": 10**400}, ValueError),
        ({"within_rows": [0, 0]}, ValueError),
        ({"within_rows": np.array([9, 9])}, ValueError),
        ({"within_rows": [[0, 1]]}, ValueError),
        ({"within_rows": np.array(1)}, ValueError),
        ({"within_rows": {0, 1}}, ValueError),
        ({"within_rows": {0: 1}}, ValueError),
        ({"within_rows": b"01"}, ValueError),
        ({"within_rows": "01"}, ValueError),
        ({"within_rows": 1}, TypeError),
        ({"within_rows": [0, True]}, TypeError),
        ({"within_rows": [0.0]}, TypeError),
        ({"within_rows": np.array([True, False])}, TypeError),
        ({"within_rows": [-1]}, IndexError),
        ({"within_rows": [4]}, IndexError),
        ({"within_rows": np.array([2**63], np.uint64)}, IndexError),
        ({"within_rows": [10**30]}, IndexError),
        ({"within_rows": [10**30, 10**30 + 1]}, IndexError),
        ({"within_rows": [10**30, 10**30]}, ValueError),
        ({"within_rows": [-1, -1]}, ValueError),
        ({"within_rows": np.array([-1, -1])}, ValueError),
        ({"within_rows": [range(2)]}, ValueError),
    ],
)
def test_wrong_arguments_of_a_search(axes, arguments, error):
    with pytest.raises(error):
        axes.cosine_search([1, 0, 0], **arguments)


@pytest.mark.parametrize(
    ("query", "error"),
    [
        ([1, 0], ValueError),
        ([[1, 0, 0]], ValueError),
        ([1, 0, np.inf], ValueError),
        ([1, 0, 1e300], ValueError),
        ([1j, 0, 0], TypeError),
        (["a", "b", "c"], ValueError),
        ([0, 0, 0], ValueError),
    ],
)
def test_wrong_queries(axes, query, error):
    with pytest.raises(error):
        axes.cosine_search(query)


@pytest.mark.parametrize(
    ("vectors", "metadata", "error"),
    [
        ([1.0, 0.0, 0.0], [None], ValueError),
        ([[1.0, 0.0]], [None], ValueError),
        ([[1.0, 0.0, 0.0]], [], ValueError),
        ([[1.0, 0.0, 0.0]], [None, None], ValueError),
        ([[1.0, 0.0, 0.0]], np.array([[1]]), ValueError),
        ([[1.0, 0.0, 0.0]], 5, TypeError),
        ([[1.0, np.nan, 0.0]], [None], ValueError),
        ([[1.0, 1e300, 0.0]], [None], ValueError),
        ([[1j, 0, 0]], [None], TypeError),
    ],
)
def test_a_refused_addition_leaves_all_as_it_was(axes, vectors, metadata, error):
    with pytest.raises(error):
        axes.add(vectors, metadata)
    assert len(axes) == len(axes.vectors) == len(axes.metadata) == 4
    axes.add([[0, 1, 1]], ["next"])
    assert axes.get(4)[1] == "next"


@pytest.mark.parametrize("dimensions", [0, -1])
def test_dimensions_are_positive(package, dimensions):
    with pytest.raises(ValueError):
        package.VectorStore(dimensions)


@pytest.mark.parametrize("dimensions", [True, 2.0, "2", None])
def test_dimensions_are_integers(package, dimensions):
    with pytest.raises(TypeError):
        package.VectorStore(dimensions)


@pytest.mark.parametrize("value", [0, "no", None])
def test_normalize_is_a_boolean(package, value):
    with pytest.raises(TypeError):
        package.VectorStore(2, normalize=value)


def test_get_takes_integers_and_returns_none_outside(axes):
    assert axes.get(np.uint8(1))[1] == {"name": "y"}
    assert axes.get(4) is None and axes.get(-1) is None
    for index in (True, 1.0, "1"):
        with pytest.raises(TypeError):
            axes.get(index)


# ---------------------------------------------------------------------------------------------------------------- state


def test_configuration_is_read_only(package, axes, normalize):
    assert axes.dimensions == 3 and axes.normalize is normalize and axes.file_path is None
    for name in ("dimensions", "normalize", "file_path", "vectors", "metadata"):
        with pytest.raises(AttributeError):
            setattr(axes, name, None)
    assert package.VectorStore[dict](np.int64(2), normalize=np.bool_(False)).normalize is False


def test_views_are_read_only_and_not_copied(axes):
    vectors, metadata = axes.vectors, axes.metadata
    assert vectors.dtype == np.float32 and vectors.shape == (4, 3) and metadata.dtype == object
    assert np.shares_memory(vectors, axes.vectors) and np.shares_memory(metadata, axes.metadata)
    for view in (vectors, metadata):
        with pytest.raises(ValueError):
            view[0] = 1
        with pytest.raises(ValueError):
            view.flags.writeable = True


def test_views_stay_what_they_were(axes):
    vectors, metadata = axes.vectors, axes.metadata
    before = vectors.copy()
    for _ in range(300):
        axes.add([[1, 2, 3]], ["more"])
    assert len(axes.vectors) == len(axes.metadata) == 304
    axes.clear()
    axes.add([[7, 8, 9]], ["other"])
    np.testing.assert_array_equal(vectors, before)
    assert [row["name"] for row in metadata] == ["x", "y", "z", "X"]


def test_get_returns_a_copy_of_the_vector(axes):
    vector, _ = axes.get(0)
    vector[:] = 5
    assert axes.vectors[0, 0] == 1


@pytest.mark.parametrize("again", [copy.copy, copy.deepcopy, lambda store: pickle.loads(pickle.dumps(store))])
def test_a_store_can_be_copied(axes, again):
    other = again(axes)
    np.testing.assert_array_equal(other.vectors, axes.vectors)
    assert list(other.metadata) == list(axes.metadata) and other.normalize is axes.normalize
    assert [hit.index for hit in other.cosine_search([1, 0, 0], top_k=2)] == [0, 3]


@pytest.mark.parametrize("again", [copy.copy, copy.deepcopy, lambda store: pickle.loads(pickle.dumps(store))])
def test_a_copy_has_the_attributes_of_programs(axes, again):
    axes.model = {"name": "small"}
    assert again(axes).model == axes.model
    assert (copy.copy(axes).model is axes.model) and (copy.deepcopy(axes).model is not axes.model)


def test_metadata_that_uses_the_store_when_it_is_read(package):
    class Names(list):
        def __iter__(self):
            seen.append(len(store.metadata))
            return super().__iter__()

    seen = []
    store = package.VectorStore(2)
    store.add([[1, 0], [0, 1]], Names("ab"))
    assert seen == [0] and list(store.metadata) == ["a", "b"]


def test_adding_nothing_changes_nothing(package, axes):
    axes.add(np.empty((0, 3)), [])
    axes.add(np.empty((0, 3), np.float32), np.array([], dtype=object))
    assert len(axes) == 4 and len(package.VectorStore(3).vectors) == 0


def test_clear_leaves_an_empty_store_of_the_same_kind(axes, normalize):
    axes.clear()
    assert len(axes) == 0 and axes.vectors.shape == (0, 3) and axes.metadata.shape == (0,)
    assert axes.cosine_search([1, 0, 0]) == [] and axes.normalize is normalize
    axes.add([[0, 3, 4]], [1])
    np.testing.assert_allclose(axes.vectors, [[0, 0.6, 0.8]] if normalize else [[0, 3, 4]])


@pytest.mark.parametrize(
    "payloads",
    [
        [("a", 1), ("b", 2)],
        [[1, 2], [3, 4]],
        ["one", "two"],
        [1, 2.5],
        [None, {"a": {"b": [1, (2, 3)]}}],
        [frozenset({1}), 2j],
        [np.arange(3), object],
        (7, 8),
        range(2),
        np.arange(2),
        np.array([{"a": 1}, ["b"]], dtype=object),
    ],
    ids=repr,
)
def test_every_object_is_one_payload(package, payloads):
    store = package.VectorStore(2)
    store.add([[1, 0], [0, 1]], payloads)
    expected = list(payloads)
    for row in range(2):
        found = store.get(row)[1]
        assert found is expected[row] or (found == expected[row] and type(found) is type(expected[row]))


# ---------------------------------------------------------------------------------------------------------------- files


def test_save_binds_and_open_restores(package, axes, normalize, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    axes.save("vectors")
    assert axes.file_path == tmp_path / "vectors.npz"
    monkeypatch.chdir("/")
    axes.add([[1, 1, 1]], [{"name": "diagonal"}])
    axes.save()
    opened = package.VectorStore[dict].open(tmp_path / "vectors")
    assert (opened.dimensions, opened.normalize, opened.file_path) == (3, normalize, tmp_path / "vectors.npz")
    np.testing.assert_array_equal(opened.vectors, axes.vectors)
    assert list(opened.metadata) == list(axes.metadata)
    assert opened.cosine_search([1, 1, 1], top_k=1)[0].metadata is opened.get(4)[1]


def test_reload_forgets_what_was_not_saved(package, axes, tmp_path):
    axes.save(tmp_path / "a.npz")
    axes.add([[1, 1, 1]], [None])
    axes.reload()
    assert len(axes) == 4 and axes.get(1)[1] == {"name": "y"}
    (tmp_path / "a.npz").unlink()
    with pytest.raises(FileNotFoundError):
        axes.reload()
    assert len(axes) == 4


def test_reload_refuses_another_kind_of_store(package, axes, normalize, tmp_path):
    axes.save(tmp_path / "a.npz")
    other = package.VectorStore(2, normalize=normalize)
    other.save(tmp_path / "a.npz")
    with pytest.raises(ValueError):
        axes.reload()
    other = package.VectorStore(3, normalize=not normalize)
    other.save(tmp_path / "a.npz")
    with pytest.raises(ValueError):
        axes.reload()
    assert len(axes) == 4


def test_paths(package, axes, tmp_path):
    with pytest.raises(ValueError):
        axes.save()
    with pytest.raises(ValueError):
        axes.reload()
    for path, error in (("", ValueError), (b"a.npz", TypeError), (None, TypeError), (5, TypeError), ("\0", ValueError)):
        with pytest.raises(error):
            package.VectorStore.open(path)
    with pytest.raises(FileNotFoundError) as caught:
        package.VectorStore.open(tmp_path / "none.npz")
    assert isinstance(caught.value, OSError)
    with pytest.raises(FileNotFoundError):
        axes.save(tmp_path / "no" / "directory.npz")
    (tmp_path / "directory.npz").mkdir()
    with pytest.raises(IsADirectoryError):
        package.VectorStore.open(tmp_path / "directory")
    with pytest.raises(IsADirectoryError):
        axes.save(tmp_path / "directory")
    assert axes.file_path is None
    axes.save(f"{tmp_path}/named/")
    assert axes.file_path == tmp_path / "named.npz"


def test_a_name_is_not_taken_for_what_stands_before_a_null(package, axes, tmp_path):
    axes.save(tmp_path / "a.npz")
    with pytest.raises(ValueError):
        package.VectorStore.open(f"{tmp_path}/a.npz\0.npz")


@pytest.mark.skipif(sys.platform != "linux", reason="names of files are any bytes")
def test_names_of_files_that_are_no_text(package, axes, tmp_path):
    name = os.fsdecode(b"\xff.npz")
    with pytest.raises(FileNotFoundError):
        package.VectorStore.open(tmp_path / name)
    axes.save(tmp_path / name)
    assert len(package.VectorStore.open(tmp_path / name)) == 4


def test_a_derived_class_is_made_as_it_says_when_it_opens(package, axes, normalize, tmp_path):
    class Notes(package.VectorStore):
        def __init__(self, dimensions, *, normalize):
            super().__init__(dimensions, normalize=normalize)
            self.opened = 0

        def add(self, vectors, metadata):
            super().add(vectors, metadata)
            self.opened += len(vectors)

    axes.save(tmp_path / "a.npz")
    notes = Notes.open(tmp_path / "a.npz")
    notes.add([[1, 1, 1]], ["diagonal"])
    assert (type(notes), notes.opened, len(notes), notes.normalize) == (Notes, 1, 5, normalize)


def test_the_module_of_the_classes(package):
    module = importlib.import_module(f"{package.__name__}.vector_store")
    assert module.VectorStore is package.VectorStore and module.VectorHit is package.VectorHit


def test_a_saved_file_keeps_its_permissions(axes, tmp_path):
    path = tmp_path / "a.npz"
    axes.save(path)
    path.chmod(0o640)
    axes.save()
    assert path.stat().st_mode & 0o777 == 0o640 and os.listdir(tmp_path) == ["a.npz"]


def test_payloads_that_changed_are_saved_as_they_are(package, axes, tmp_path):
    axes.get(0)[1]["reviewed"] = True
    axes.save(tmp_path / "a.npz")
    axes.get(1)[1]["reviewed"] = (1, 2)
    axes.save()
    opened = package.VectorStore.open(tmp_path / "a.npz")
    assert opened.get(0)[1] == {"name": "x", "reviewed": True}
    assert opened.get(1)[1] == {"name": "y", "reviewed": (1, 2)}
