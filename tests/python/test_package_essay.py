"""The package as the essay and 0.1 of the original use it: file_path, metadata_schema, add_vectors, search, load."""

import copy

import numpy as np
import pytest

from npvec import VectorStore

SCHEMA = {"title": "U20", "year": "i4", "score": "f4", "when": "M8[D]"}
RECORDS = np.array(
    [("one", 2021, 0.5, "2021-01-02"), ("two", 2023, 0.25, "NaT"), ("three", 2025, np.inf, "2025-06-07")],
    dtype=[("title", "U5"), ("year", "i4"), ("score", "f4"), ("when", "M8[D]")],
)


@pytest.fixture
def typed():
    store = VectorStore(dimensions=2, metadata_schema=SCHEMA)
    store.add_vectors(np.array([[1.0, 0.0], [1.0, 1.0], [0.0, 2.0]]), RECORDS)
    return store


def test_search_gives_tuples_that_score_at_least_zero():
    store = VectorStore(dimensions=2)
    metadata = np.array([{"n": 0}, {"n": 1}, {"n": 2}])
    store.add_vectors(np.array([[1.0, 0.0], [0.6, 0.8], [-1.0, 0.0]]), metadata)
    found = store.search(np.array([2.0, 0.0]))
    assert [(row, round(score, 6)) for row, score, _ in found] == [(0, 1.0), (1, 0.6)]
    assert type(found[0]) is tuple and found[1][2] is metadata[1]
    assert [row for row, _, _ in store.search([1, 0], 5, -1)] == [0, 1, 2]
    assert store.search([1, 0], score_cutoff=0.9, top_k=5) == [(0, 1.0, {"n": 0})]
    for cutoff in ("0.5", None, True):
        with pytest.raises(TypeError, match="score_cutoff"):
            store.search([1, 0], score_cutoff=cutoff)


def test_load_reads_once_and_nothing_where_there_is_no_file(tmp_path):
    path = str(tmp_path / "vectors.npz")
    store = VectorStore(dimensions=2, file_path=path)
    store.load()
    assert len(store) == 0
    with VectorStore(2, path) as other:
        other.add_vectors(np.array([[3.0, 4.0]]), np.array([{"id": 1}]))
    store.load()
    assert store.get(0)[1] == {"id": 1}
    store.add([[1, 0]], [{"id": 2}])
    store.load()
    assert len(store) == 2
    store.clear()
    store.load()
    assert len(store) == 1


def test_with_saves_unless_the_block_raises(tmp_path):
    path = tmp_path / "vectors.npz"
    with pytest.raises(KeyError), VectorStore(2, path) as store:
        store.add([[1, 0]], [None])
        raise KeyError
    assert not path.exists()
    with VectorStore(2) as store:
        store.add([[1, 0]], [None])
    with VectorStore(2, path) as store:
        store.add([[1, 0]], [None])
    assert len(VectorStore.open(path)) == 1


def test_load_refuses_another_store(tmp_path, typed):
    typed.save(tmp_path / "vectors.npz")
    with pytest.raises(ValueError):
        VectorStore(3, tmp_path / "vectors.npz").load()
    with pytest.raises(ValueError, match="metadata schema"):
        VectorStore(2, tmp_path / "vectors.npz", {"title": "U20"}).load()


def test_fields_are_columns_to_mask_and_sort_with(typed):
    assert typed.metadata.dtype.names == tuple(SCHEMA)
    np.testing.assert_array_equal(typed.metadata["year"] >= 2023, [False, True, True])
    np.testing.assert_allclose(typed.vectors[typed.metadata["year"] >= 2023][1], [0, 1])
    assert list(np.argsort(typed.metadata["score"])[::-1]) == [2, 0, 1]
    assert np.shares_memory(typed.metadata, typed.metadata)
    with pytest.raises(ValueError):
        typed.metadata["year"][0] = 1
    with pytest.raises(ValueError):
        typed.metadata.flags.writeable = True


def test_get_gives_a_dict_and_search_the_record(typed):
    vector, metadata = typed.get(0)
    assert metadata == {"title": "one", "year": 2021, "score": np.float32(0.5), "when": np.datetime64("2021-01-02")}
    np.testing.assert_array_equal(vector, [1, 0])
    assert typed.search([1, 0], 1)[0][2]["title"] == "one"
    assert typed.cosine_search([0, 1], top_k=1)[0].metadata["year"] == 2025


def test_fields_filter_and_old_views_stay_good(typed):
    before = typed.metadata
    for year in range(2000):
        typed.add([[1, 1]], [{"title": "x", "year": year, "score": 1, "when": "2000-01-01"}])
    assert typed.count("year = 1999 AND title = 'x'") == 1
    assert [hit.index for hit in typed.cosine_search([1, 0], where="year > 2020", top_k=2)] == [0, 1]
    assert list(before["year"]) == [2021, 2023, 2025] and len(typed.metadata) == 2003


@pytest.mark.parametrize("titles", [False, True])
def test_padding_between_fields_is_no_field(tmp_path, titles):
    names = [("long one", "a"), ("long two", "b")] if titles else ["a", "b"]
    dtype = np.dtype([(names[0], "u1"), (names[1], ">f8")], align=True)
    records = np.array([(1, 0.5), (2, 1.5)], dtype)
    np.savez(tmp_path / "a.npz", vectors=np.eye(2), metadata=records)
    store = VectorStore.open(tmp_path / "a.npz")
    assert store.metadata.dtype == dtype and store.get(1)[1] == {"a": 2, "b": 1.5}
    store.add(np.eye(2), records)
    store.add(np.eye(2), [(3, 2.5), {"a": 4, "b": 3.5}])
    assert store.metadata["b"].tolist() == [0.5, 1.5, 0.5, 1.5, 2.5, 3.5]
    assert store.cosine_search([0, 1], where="a = 4")[0].metadata == np.array((4, 3.5), dtype)
    assert copy.deepcopy(store).metadata.tolist() == store.metadata.tolist()
    store.save(tmp_path / "b.npz")
    with np.load(tmp_path / "b.npz") as file:
        assert file["metadata"].dtype == dtype and file["metadata"].tolist() == store.metadata.tolist()


def test_rows_of_numbers_that_are_not_finite(typed):
    typed.add([[1, 1]] * 2, [("x", 1, float("nan"), None), ("y", 2, -np.inf, np.datetime64("NaT"))])
    assert np.isnan(typed.metadata["score"][3]) and typed.metadata["score"][4] == -np.inf
    assert np.isnat(typed.metadata["when"][3:]).all()


@pytest.mark.parametrize(
    "row",
    [
        {"title": "x", "year": 1, "score": 0.5, "when": "2001-02-03"},
        {"title": np.str_("x"), "year": np.int64(1), "score": np.float64(0.5), "when": np.datetime64("2001-02-03")},
        ("x", 1, 0.5, "2001-02-03"),
        np.array([("x", 1, 0.5, "2001-02-03")], dtype=list(SCHEMA.items()))[0],
    ],
    ids=["dict", "NumPy scalars", "tuple", "record"],
)
def test_rows_come_in_many_forms(typed, row):
    typed.add([[1, 1]], [row])
    assert typed.get(3)[1] == {"title": "x", "year": 1, "score": 0.5, "when": np.datetime64("2001-02-03")}


@pytest.mark.parametrize(
    ("row", "error"),
    [
        ({"title": "x" * 21, "year": 1, "score": 0.5, "when": None}, ValueError),
        ({"title": "x", "year": 2**31, "score": 0.5, "when": None}, ValueError),
        ({"title": "x", "year": 1.5, "score": 0.5, "when": None}, ValueError),
        ({"title": "x", "year": "1", "score": 0.5, "when": None}, ValueError),
        ({"title": "x", "year": 1, "score": 0.5}, ValueError),
        ({"title": "x", "year": 1, "score": 0.5, "when": None, "more": 1}, ValueError),
        ({"title": {1, 2}, "year": 1, "score": 0.5, "when": None}, TypeError),
        (("x", 1, 0.5), ValueError),
        ("x", TypeError),
        (None, TypeError),
    ],
)
def test_a_value_that_does_not_fit_is_refused_and_never_cut(typed, row, error):
    with pytest.raises(error):
        typed.add([[1, 1]], [row])
    assert len(typed) == len(typed.metadata) == 3


@pytest.mark.parametrize(
    ("field", "kind", "value"),
    [
        ("title", "U40", "x" * 21),
        ("year", "i8", 2**40),
        ("year", "f8", 0.5),
        ("score", "f8", 1e300),
        ("when", "M8[s]", 1),
    ],
)
def test_columns_of_other_types_are_converted_if_all_values_fit(typed, field, kind, value):
    kinds = {"when": "M8[D]", "title": "U5", "year": "i4", "score": "f4"} | {field: kind}
    rows = np.array([("2001-01-01", "a", 1, 0.5)] * 3, dtype=list(kinds.items()))
    typed.add(np.ones((3, 2)), rows)
    assert typed.get(5)[1] == {"title": "a", "year": 1, "score": 0.5, "when": np.datetime64("2001-01-01")}
    rows[field][2] = value
    with pytest.raises(ValueError, match=f"row 2: field '{field}'"):
        typed.add(np.ones((3, 2)), rows)
    assert len(typed) == 6


def test_typed_stores_can_be_copied_and_know_their_fields(typed):
    other = copy.deepcopy(typed)
    assert other.metadata.tobytes() == typed.metadata.tobytes() and other.get(1)[1]["year"] == 2023
    with pytest.raises(LookupError, match="yaer"):
        typed.count("yaer = 2023")


def test_typed_files_are_structured_arrays(typed, tmp_path):
    typed.save(tmp_path / "typed.npz")
    with np.load(tmp_path / "typed.npz", allow_pickle=False) as members:
        assert members["metadata"].dtype == typed.metadata.dtype
        assert members["metadata"].tobytes() == typed.metadata.tobytes()
    opened = VectorStore.open(tmp_path / "typed.npz")
    assert opened.metadata.tobytes() == typed.metadata.tobytes()
    loaded = VectorStore(2, tmp_path / "typed.npz", SCHEMA | {"title": "U50"})
    loaded.load()
    assert loaded.metadata.dtype["title"] == np.dtype("U50") and loaded.get(1)[1]["title"] == "two"


def test_fields_of_objects_need_trust_to_open(tmp_path):
    schema = {"title": "U9", "tags": list}
    path = tmp_path / "objects.npz"
    with VectorStore(2, path, schema) as store:
        tags = ["a", "b"]
        store.add([[1, 0], [0, 1]], [("x", tags), {"title": "y", "tags": []}])
        assert store.get(0)[1]["tags"] is tags and store.metadata.dtype["tags"] == object
        assert [hit.index for hit in store.cosine_search([1, 1], where="tags CONTAINS 'b'")] == [0]
    with pytest.raises(ValueError, match="allow_pickle"):
        VectorStore(2, path, schema).load()
    loaded = VectorStore(2, path, schema, allow_pickle=True)
    loaded.load()
    assert loaded.get(0)[1] == {"title": "x", "tags": ["a", "b"]}
    loaded.clear()
    assert loaded.metadata.dtype.names == ("title", "tags")
