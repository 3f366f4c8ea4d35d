"""The command: search, and the queries that it reads."""

import re

import numpy as np
import pytest
from command import done, make_store, npvec, refused


@pytest.fixture
def store(tmp_path):
    return make_store(tmp_path / "store.npz")


def test_table_shows_rank_row_score_and_document(store):
    assert done("search", store, "--row", 2, "-k", 2).splitlines() == [
        "rank  row     score  document",
        '   1    1  0.965926  {"name": "n1", "size": 10, "tags": ["a", 1]}',
        '   2    3  0.965926  {"name": "n3", "size": 30, "tags": ["a", 3]}',
    ]


def test_fields_become_columns(store):
    assert done("search", store, "--row", 0, "-k", 2, "--fields", "name,nothing,tags").splitlines() == [
        "rank  row     score  name  nothing  tags",
        '   1    1  0.965926  n1             ["a", 1]',
        '   2    2  0.866025  n2             ["a", 2]',
    ]


def test_fields_select_members_in_json(store):
    hits = npvec("search", store, "--row", 0, "-k", 1, "--fields", "tags,nothing,name", "--json").json["hits"]
    assert [hit["document"] for hit in hits] == [{"tags": ["a", 1], "name": "n1"}]


def test_json_scores_read_back_as_the_same_bits(tmp_path):
    rows = np.random.default_rng(0).standard_normal((300, 2)).astype(np.float32)
    np.savez(tmp_path / "s.npz", vectors=rows)
    hits = npvec("search", tmp_path / "s.npz", "--row", 0, "-k", 299, "--metric", "dot", "--json").json["hits"]
    assert sorted(hit["row"] for hit in hits) == list(range(1, 300))
    (qx, qy), rows = rows[0].tolist(), rows.tolist()
    for hit in hits:
        x, y = rows[hit["row"]]
        assert hit["score"] == qx * x + qy * y  # products of float32 are exact in float64: one rounding
        assert list(hit) == ["row", "score", "document"]


def test_row_itself_is_left_out_and_k_still_met(store):
    for k in (1, 3, 5):
        hits = npvec("search", store, "--row", 3, "-k", k, "--json").json["hits"]
        assert len(hits) == k and 3 not in [hit["row"] for hit in hits]


def test_row_among_many_twins_leaves_no_gap(tmp_path):
    path = tmp_path / "twins.npz"
    done("add", path, "-", "--create", stdin='{"vector": [1, 2]}\n' * 8)
    hits = npvec("search", path, "--row", 7, "-k", 3, "--json").json["hits"]
    assert [hit["row"] for hit in hits] == [0, 1, 2]


def test_row_outside_the_store(store):
    message = refused("search", store, "--row", 6)
    assert str(store) in message and "6" in message


def test_ten_hits_unless_told_otherwise(tmp_path):
    path = tmp_path / "many.npz"
    done("add", path, "-", "--create", stdin='{"vector": [1, 2]}\n' * 30)
    assert len(npvec("search", path, "--vector", "-", "--json", stdin="1 2").json["hits"]) == 10


@pytest.mark.parametrize(
    "metric, limit, rows",
    [
        ("cosine", ["--min-score", "0.9"], [1]),
        ("dot", ["--min-score", "0.8"], [1, 2]),
        ("euclidean", ["--max-distance", "0.3"], [1]),
        ("euclidean", ["--max-distance", "0.6"], [1, 2]),
    ],
)
def test_limits_of_each_metric(store, metric, limit, rows):
    hits = npvec("search", store, "--row", 0, "--metric", metric, *limit, "--json").json["hits"]
    assert [hit["row"] for hit in hits] == rows


def test_negative_limit_is_a_value_and_no_option(store):
    assert len(npvec("search", store, "--row", 0, "--min-score", "-0.5", "--json").json["hits"]) == 5


def test_metrics_differ_where_vectors_are_not_normalised(tmp_path):
    path = tmp_path / "raw.npz"
    done("add", path, "-", "--create", "--no-normalize", stdin='{"vector": [1, 0]}\n{"vector": [5, 5]}\n{"vector":[2, 1]}')
    first = {}
    for metric in ("cosine", "dot", "euclidean"):
        hits = npvec("search", path, "--vector", "-", "--metric", metric, "--json", stdin="[2, 0]").json["hits"]
        first[metric] = (hits[0]["row"], hits[0]["score"])
    assert first == {"cosine": (0, 1.0), "dot": (1, 10.0), "euclidean": (0, 1.0)}


def test_nothing_found_is_exit_code_one(store):
    result = npvec("search", store, "--row", 0, "--min-score", "2")
    assert (result.code, result.out, result.err) == (1, "", "npvec search: nothing found\n")
    result = npvec("search", store, "--row", 0, "--min-score", "2", "--json")
    assert (result.code, result.json) == (1, {"hits": []})


def test_documents_that_cannot_be_read_are_told_by_row(tmp_path):
    path = tmp_path / "s.npz"
    np.savez(path, vectors=np.eye(2, dtype=np.float32), metadata=np.array([{"a": 1}, {"a": {1, 2}}], dtype=object))
    message = refused("search", path, "--vector", "-", stdin="1 0")
    assert message.startswith(f"npvec search: {path}: ") and "row 1" in message
    message = refused("add", tmp_path / "t.npz", path, "--create")
    assert message.startswith(f"npvec add: {path}: ") and "row 1" in message


def test_several_queries_have_several_results(store):
    result = npvec("search", store, "--vector", "-", "-k", 1, "--json", stdin="[[1, 0], [0, 1]]").json
    assert [[hit["row"] for hit in one["hits"]] for one in result["results"]] == [[0], [5]]
    table = done("search", store, "--vector", "-", "-k", 1, "--fields", "name", stdin="[[1, 0], [0, 1]]")
    assert re.findall(r"^query (\d)$|^ +1 +(\d)", table, re.M) == [("0", ""), ("", "0"), ("1", ""), ("", "5")]


def test_query_without_hits_is_named_among_others(store):
    out = done("search", store, "--vector", "-", "--min-score", "0.99", "--fields", "name", stdin="[[1, 0], [-1, 0]]")
    assert "query 1: nothing found\n" in out


@pytest.mark.parametrize(
    "text, count",
    [
        ("1 0", 1),
        ("1.5e-1,-0.25", 1),
        ("1\n0\n", 1),
        ("1 0\n0 1\n", 2),
        ("[1, 0]", 1),
        ("[[1, 0], [0, 1], [1, 1]]", 3),
        ("[[1, 0]]\n", 1),
        ("[1, 0]\n[0, 1]\n", 2),
        ("[ 1.  0.5]", 1),
        ("[[1.  0.]\n [0.  1.]]", 2),
    ],
)
def test_queries_as_text(store, text, count):
    result = npvec("search", store, "--vector", "-", "-k", 1, "--json", stdin=text).json
    assert len(result.get("results", [result])) == count


@pytest.mark.parametrize(
    "text, message",
    [
        ("", "expected a query of 2 numbers, found none"),
        (" \n", "expected a query of 2 numbers, found none"),
        ("[]", "query 0: expected 2 numbers, as the store's vectors have, found 0"),
        ("1 2 3", "expected 2 numbers for a query, as the store's vectors have, found 3"),
        ("[1, 2, 3]", "query 0: expected 2 numbers, as the store's vectors have, found 3"),
        ("[[1, 2], [1]]", "query 1: expected 2 numbers, as the store's vectors have, found 1"),
        ("[1, 2", "query 0: expected ']' behind its numbers, found the end"),
        ("[[1, 2]", "expected ']' behind the queries, found the end"),
        ("[[1, 2] 3]", "expected ']' behind the queries, found something else"),
        ("[1, [2]]", "query 0: expected ']' behind its numbers, found another '['"),
        ("[1, 2] x", "expected nothing behind query 0, found 'x'"),
        ("1 2 [3]", "expected numbers alone or arrays alone, found '[' behind number 2"),
        ("1 two", "number 1 of the vector: expected a number, found 'two'"),
        ("nan 1", "number 0 of the vector: expected a number, found 'nan'"),
        ("0x10 1", "number 0 of the vector: expected a number, found '0x10'"),
        ("1 1e39", "number 1 of the vector: expected at most 3.40282e+38 (float32), found 1e+39"),
        ("1 1e999", "number 1 of the vector: expected at most 3.40282e+38 (float32), found inf"),
        ('{"vector": [1, 2]}', "number 0 of the vector: expected a number, found '{\"vector\":'"),
        ("1 \0 2", "expected numbers, found a zero byte at byte 2"),
    ],
)
def test_wrong_queries_as_text(store, text, message):
    assert refused("search", store, "--vector", "-", stdin=text) == f"npvec search: standard input: {message}"


def test_query_of_length_zero_is_refused(store):
    assert "length zero" in refused("search", store, "--vector", "-", stdin="0 0")


@pytest.mark.parametrize("dtype", ["<f4", "<f8"])
def test_query_as_np_save_writes_one_vector(store, tmp_path, dtype):
    np.save(tmp_path / "q.npy", np.array([0, 1], dtype))
    assert npvec("search", store, "--vector", tmp_path / "q.npy", "-k", 1, "--json").json["hits"][0]["row"] == 5


@pytest.mark.parametrize("dtype", ["<f2", "<f4", "<f8", ">f4"])
def test_queries_as_np_save_writes_several(store, tmp_path, dtype):
    np.save(tmp_path / "q.npy", np.array([[0, 1], [1, 0]], dtype))
    results = npvec("search", store, "--vector", tmp_path / "q.npy", "-k", 1, "--json").json["results"]
    assert [one["hits"][0]["row"] for one in results] == [5, 0]


def test_queries_in_an_archive(store, tmp_path):
    np.savez(tmp_path / "q.npz", vectors=np.array([[3, 4], [1, 0]], np.float32))
    results = npvec("search", store, "--vector", tmp_path / "q.npz", "-k", 1, "--json").json["results"]
    assert results[1]["hits"][0]["row"] == 0


@pytest.mark.parametrize(
    "array, message",
    [
        (np.zeros(2, ">f4"), "expected a query as <f4 or <f8, found '>f4'"),
        (np.zeros(2, "i4"), "expected a query as <f4 or <f8, found '<i4'"),
        (np.zeros(3, "f4"), "query 0: expected 2 numbers, as the store's vectors have, found 3"),
        (np.zeros((1, 3), "f4"), "query 0: expected 2 numbers, as the store's vectors have, found 3"),
        (np.zeros(70000, "f4"), "expected at most 65536 numbers, found more"),
        (np.array([1, 1e300]), "number 1 of the vector: expected at most 3.40282e+38 (float32), found 1e+300"),
        (np.array([1, np.nan]), "number 1 of the vector: expected at most 3.40282e+38 (float32), found nan"),
    ],
)
def test_wrong_queries_as_npy(store, tmp_path, array, message):
    np.save(tmp_path / "q.npy", array)
    assert refused("search", store, "--vector", tmp_path / "q.npy") == f"npvec search: {tmp_path / 'q.npy'}: {message}"


def test_query_file_that_ends_early(store, tmp_path):
    np.save(tmp_path / "q.npy", np.array([0, 1], "f4"))
    (tmp_path / "cut.npy").write_bytes((tmp_path / "q.npy").read_bytes()[:-1])
    message = refused("search", store, "--vector", tmp_path / "cut.npy")
    assert message.endswith("cut.npy: expected 2 numbers, found the end of the file after 1")


@pytest.mark.parametrize("size", [1, 6, 9, 10, 40, 127])
def test_query_file_with_half_a_header_is_an_error(store, tmp_path, size):
    np.save(tmp_path / "q.npy", np.array([0, 1], "f4"))
    (tmp_path / "cut.npy").write_bytes((tmp_path / "q.npy").read_bytes()[:size])
    refused("search", store, "--vector", tmp_path / "cut.npy")


def test_query_file_that_is_not_there(store, tmp_path):
    message = refused("search", store, "--vector", tmp_path / "none.npy")
    assert message == f"npvec search: {tmp_path / 'none.npy'}: opening failed: No such file or directory"


def test_store_that_is_not_there(tmp_path):
    for command in (["search", "--row", "0"], ["get", "0"], ["info"], ["export", "o.npy"]):
        message = refused(command[0], tmp_path / "none.npz", *command[1:])
        assert message.startswith(f"npvec {command[0]}: {tmp_path / 'none.npz'}: ")
        assert "No such file or directory" in message
