"""What the package has beyond the original: filters, ids, rows that change, many queries at once, any kind of array."""

import datetime
import uuid

import numpy as np
import pytest

import npvec
from npvec import VectorStore
from test_package_life import in_threads

RANDOM = np.random.default_rng(11)
VECTORS = RANDOM.standard_normal((60, 8)).astype(np.float32)
PAPERS = [
    {
        "number": row,
        "year": 2000 + row % 7,
        "tags": ["even"] if row % 2 == 0 else ["odd", "x"],
        "by": {"name": f"n{row % 3}"},
    }
    for row in range(60)
]


@pytest.fixture
def papers():
    store = VectorStore(8)
    store.add(VECTORS, PAPERS, ids=[f"p{row}" if row % 2 else row for row in range(60)])
    return store


def rows_of(hits):
    return [hit.index for hit in hits]


# -------------------------------------------------------------------------------------------------------------- filters


@pytest.mark.parametrize(
    ("where", "params", "expected"),
    [
        ("year >= 2005", None, lambda p: p["year"] >= 2005),
        ("year = ? AND tags CONTAINS ?", [2003, "x"], lambda p: p["year"] == 2003 and "x" in p["tags"]),
        ("year IN ?", [(2001, np.int64(2002))], lambda p: p["year"] in (2001, 2002)),
        ({"year": {"$in": np.array([2001, 2002])}}, None, lambda p: p["year"] in (2001, 2002)),
        (
            {"by.name": "n1", "$or": [{"year": 2000}, {"tags": {"$contains": "x"}}]},
            None,
            lambda p: p["by"]["name"] == "n1" and (p["year"] == 2000 or "x" in p["tags"]),
        ),
        ("number < 0", None, lambda p: False),
    ],
)
def test_filters_choose_the_same_rows_everywhere(papers, where, params, expected):
    rows = [row for row in range(60) if expected(PAPERS[row])]
    query = VECTORS[0] + 0.1
    assert papers.select(where, params=params).tolist() == rows
    assert papers.count(where, params=params) == len(rows)
    for name in ("cosine_search", "dot_search", "euclidean_search"):
        search = getattr(papers, name)
        assert search(query, where=where, params=params) == search(query, within_rows=rows)
    wanted = papers.search(query, 5, -1, within_rows=rows)
    assert papers.search(query, 5, -1, where=where, params=params) == wanted
    found, scores = papers.search_batch([query], top_k=5, where=where, params=params)
    assert [(row, score) for row, score in zip(found[0], scores[0]) if row >= 0] == [hit[:2] for hit in wanted]


def test_a_mistake_in_a_filter_is_pointed_at(papers):
    with pytest.raises(npvec.FilterError) as caught:
        papers.cosine_search(VECTORS[0], where="year >= 'ü' AN x = 1")
    assert isinstance(caught.value, ValueError)
    message, text, caret = str(caught.value).split("\n")
    assert text.strip() == "year >= 'ü' AN x = 1" and caret.index("^") - 4 == caught.value.position == 12
    for where in (5, ["year"], b"year"):
        with pytest.raises(TypeError):
            papers.count(where)
    with pytest.raises(TypeError):
        papers.count({"year": object()})


def test_dates_compare_as_text():
    store = VectorStore(2)
    store.add([[1, 0], [0, 1]], [{"day": "2024-01-02"}, {"day": np.datetime64("2025-01-02")}])
    assert store.count({"day": {"$gte": datetime.date(2024, 6, 1)}}) == 1
    assert store.count("day < ?", params=[np.datetime64("2024-06-01")]) == 1


def test_selections_narrow_one_another(papers):
    assert papers.select("year = 2001", within_rows=[8, 1, 9], ids=["p1", "p9", "none"]).tolist() == [1]
    assert rows_of(papers.cosine_search(VECTORS[8], ids=[8, "p1", "nobody"], top_k=1)) == [8]
    assert papers.cosine_search(VECTORS[8], ids=[]) == [] and papers.count(within_rows=[]) == 0


def test_select_orders_and_pages(papers):
    by_year = sorted(range(60), key=lambda row: (-PAPERS[row]["year"], row))
    assert papers.select(order_by="year", descending=True, offset=5, limit=10).tolist() == by_year[5:15]
    assert papers.select(limit=0).tolist() == [] and papers.select().dtype == np.int64
    for wrong in ({"offset": -1}, {"limit": -1}):
        with pytest.raises(ValueError):
            papers.select(**wrong)


def test_facets_count_values(papers):
    papers.add([VECTORS[0]], [{"other": 1}])
    facet = papers.facet("by.name")
    assert facet == ([("n0", 20), ("n1", 20), ("n2", 20)], 1) and facet.missing == 1
    assert papers.facet("year", "number < 3").values == [(2000, 1), (2001, 1), (2002, 1)]


# ------------------------------------------------------------------------------------------------------------------ ids


def test_ids_are_text_integers_and_uuids():
    store = VectorStore(2)
    key = uuid.uuid4()
    store.add([[1, 0], [0, 1], [1, 1], [2, 1]], "abcd", ids=["a", 7, key, None])
    assert [store.id_of(row) for row in range(4)] == ["a", "7", str(key), None]
    assert (store.row_of(7), store.row_of(key), store.row_of("none")) == (1, 2, None)
    assert store.get(id="a")[1] == "a" and store.get(id=key)[1] == "c" and store.get(id="none") is None
    with pytest.raises(ValueError, match="'a'"):
        store.add([[1, 0]], "e", ids=["a"])
    for ids in ([True], [1.5], [b"x"], "a"):
        with pytest.raises(TypeError):
            store.add([[1, 0]], "e", ids=ids)
    for ids in ([], ["x", "y"], ["a\0b"], [""]):
        with pytest.raises(ValueError):
            store.add([[1, 0]], "e", ids=ids)
    with pytest.raises(IndexError):
        store.id_of(4)
    with pytest.raises(TypeError):
        store.get()
    assert len(store) == 4


def test_upsert_replaces_in_place_and_adds(papers, tmp_path):
    payload = {"year": 1900}
    rows = papers.upsert(VECTORS[:3] * -1, [payload, {"year": 1901}, {1, 2}], ids=["p5", "new", "p7"])
    assert rows.tolist() == [5, 60, 7] and len(papers) == 61
    assert papers.get(5)[1] is payload and papers.get(7)[1] == {1, 2} and papers.get(60)[1] == {"year": 1901}
    assert papers.select("year < 1950").tolist() == [5, 60]
    assert rows_of(papers.cosine_search(-VECTORS[0], top_k=1)) == [5]
    with pytest.raises(ValueError):
        papers.upsert(VECTORS[:2], [1, 2], ids=["same", "same"])
    assert len(papers) == len(papers.metadata) == 61


def test_deleted_rows_are_gone_and_numbers_close_up_on_save(papers, tmp_path):
    assert papers.delete(["p1", 2, "none"]) == 2
    assert papers.delete(where="year = 2006") == sum(paper["year"] == 2006 for paper in PAPERS)
    assert papers.delete(within_rows=[0]) == 1
    left = [row for row in range(60) if row not in (0, 1, 2) and PAPERS[row]["year"] != 2006]
    assert len(papers) == len(left) and papers.select().tolist() == left
    assert papers.get(1) is None and papers.get(id="p1") is None and papers.get(3)[1] is PAPERS[3]
    assert set(rows_of(papers.cosine_search(VECTORS[1], top_k=60))) == set(left)
    with pytest.raises(IndexError):
        papers.cosine_search(VECTORS[1], within_rows=[1])
    papers.add([VECTORS[1]], ["again"], ids=["p1"])
    papers.save(tmp_path / "a.npz")
    with pytest.raises(ValueError):
        papers.metadata.flags.writeable = True
    expected = [PAPERS[row] for row in left] + ["again"]
    for store in (papers, VectorStore.open(tmp_path / "a.npz")):
        assert list(store.metadata) == expected and len(store.vectors) == len(store) == len(expected)
        assert store.row_of("p1") == len(left) and store.get(0)[1] == PAPERS[3]
    with pytest.raises(ValueError):
        papers.delete()


def test_deleted_rows_that_were_never_read_are_none(papers, tmp_path):
    papers.save(tmp_path / "a.npz")
    opened = VectorStore.open(tmp_path / "a.npz")
    opened.delete(within_rows=[1, 3])
    expected = [None if row in (1, 3) else paper for row, paper in enumerate(PAPERS)]
    assert list(opened.metadata) == expected and opened.get(3) is None


def test_deleted_rows_close_up_beside_objects(papers, tmp_path):
    papers.upsert([VECTORS[0]], [{3, 4}], ids=["p59"])
    papers.delete(within_rows=range(50))
    papers.save(tmp_path / "a.npz")
    assert len(papers) == len(papers.metadata) == len(papers.vectors) == 10
    assert papers.get(9)[1] == {3, 4} and papers.row_of("p59") == 9


# --------------------------------------------------------------------------------------------------------- many queries


@pytest.mark.parametrize("metric", ["cosine", "dot", "euclidean"])
@pytest.mark.parametrize("normalize", [True, False])
def test_many_queries_are_answered_as_one_by_one(metric, normalize):
    store = VectorStore(8, normalize=normalize)
    store.add(VECTORS)
    queries = RANDOM.standard_normal((9, 8))
    rows, scores = store.search_batch(queries, top_k=7, metric=metric)
    assert rows.dtype == np.int64 and scores.dtype == np.float64 and rows.shape == scores.shape == (9, 7)
    for query, found, values in zip(queries, rows, scores):
        hits = getattr(store, f"{metric}_search")(query, top_k=7)
        assert [(hit.index, hit.value) for hit in hits] == list(zip(found.tolist(), values.tolist()))


def test_missing_hits_are_minus_one_and_nan(papers):
    rows, scores = papers.search_batch(VECTORS[:2], top_k=3, min_value=0.999)
    assert rows.tolist() == [[0, -1, -1], [1, -1, -1]] and np.isnan(scores).tolist() == [[False, True, True]] * 2
    assert papers.search_batch(VECTORS[:2], top_k=1000)[0].shape == (2, 60)
    assert papers.search_batch(np.empty((0, 8)))[0].shape == (0, 10)
    assert VectorStore(8).search_batch(VECTORS)[0].shape == (60, 0)
    for wrong in ({"metric": "l2"}, {"max_value": 1}, {"metric": "euclidean", "min_value": 1}, {"top_k": 0}):
        with pytest.raises(ValueError):
            papers.search_batch(VECTORS, **wrong)
    with pytest.raises(ValueError):
        papers.search_batch(VECTORS[0])


def test_explain_says_what_a_search_read(papers):
    found = papers.explain(VECTORS[:4], where="year = 2001", metric="euclidean", top_k=2)
    assert found["queries"] == 4 and found["rows"] == 4 * papers.count("year = 2001") and found["plan"]
    assert papers.explain(VECTORS[0], ids=["p1"])["rows"] == 1
    assert papers.info()["rows"] == 60 and "rows=60" in repr(papers)


# --------------------------------------------------------------------------------------------------------------- arrays


class Exporter:
    """Knows DLPack and nothing else."""

    def __init__(self, array):
        self.array = array

    def __dlpack__(self, **options):
        return self.array.__dlpack__(**options)

    def __dlpack_device__(self):
        return self.array.__dlpack_device__()


@pytest.mark.parametrize(
    "form",
    [
        lambda a: a,
        lambda a: a.astype(np.float64),
        lambda a: a.tolist(),
        lambda a: tuple(a.tolist()),
        lambda a: np.asfortranarray(a),
        lambda a: np.repeat(a, 2, axis=-1)[..., ::2],
        lambda a: a.astype(">f4"),
        lambda a: Exporter(a.copy()),
        lambda a: memoryview(np.ascontiguousarray(a)),
        lambda a: np.ma.masked_array(a),
    ],
)
def test_vectors_may_be_any_kind_of_array(form):
    store = VectorStore(8)
    store.add(VECTORS)
    other = VectorStore(8)
    other.add(form(VECTORS))
    np.testing.assert_array_equal(other.vectors, store.vectors)
    for query in VECTORS[:5]:
        assert other.cosine_search(form(query)) == store.cosine_search(query)
    np.testing.assert_array_equal(other.search_batch(form(VECTORS))[0], store.search_batch(VECTORS)[0])


def test_half_precision_and_integers_are_converted():
    store = VectorStore(2, normalize=False)
    store.add(np.array([[0.1, 3]], np.float16))
    store.add(np.array([[1, 2]], np.int8))
    assert store.vectors.tolist() == [[np.float32(np.float16(0.1)), 3], [1, 2]]
    assert store.dot_search(np.array([1, 1], np.float16), top_k=1)[0].value == np.float16(0.1).astype(float) + 3


# ------------------------------------------------------------------------------------------- documents, encoded later

FIRST_FILTERS = {
    "count": lambda s: s.count("tags CONTAINS 'old'"),
    "search": lambda s: len(s.search(VECTORS[0], 99, -1, where="tags CONTAINS 'old'")),
    "search_batch": lambda s: int((s.search_batch(VECTORS[:1], top_k=99, where="tags CONTAINS 'old'")[0] >= 0).sum()),
    "explain": lambda s: s.explain(VECTORS[0], where="tags CONTAINS 'old'")["rows"],
    "select": lambda s: len(s.select("tags CONTAINS 'old'")),
    "order": lambda s: 4 * (s.select(order_by="year", descending=True).tolist()[:4] == [3, 2, 1, 0]),
    "facet": lambda s: dict(s.facet("by[0].name").values).get("a", 0),
    "delete": lambda s: s.delete(where="tags CONTAINS 'old'"),
    "upsert": lambda s: [s.upsert(VECTORS[:1], [{"tags": "new"}], ids=["x"]), s.count("tags CONTAINS 'old'")][1],
    "info": lambda s: [s.info()["metadata"], s.count("tags CONTAINS 'old'")][1],
}


@pytest.mark.parametrize("name", FIRST_FILTERS)
def test_filters_see_documents_as_they_were_when_they_were_added(name):
    payloads = [{"year": 2000 + row, "tags": ["old"], "by": [{"name": "a"}]} for row in range(4)]
    store = VectorStore(8)
    store.add(VECTORS[:3], payloads[:3])
    store.add(VECTORS[3:4], payloads[3:])
    store.add(VECTORS[4:6])
    for payload in payloads:
        payload["tags"][0] = payload["by"][0]["name"] = "new"
        payload["year"] = 0
        payload["more"] = 1
    assert FIRST_FILTERS[name](store) == 4
    if name != "delete":
        assert store.count("year >= 2000 AND by[0].name = 'a' AND more IS NULL") == 4 and store.get(0)[1] is payloads[0]
    late = {"tags": ["late"]}
    store.add(VECTORS[:1], [late])
    late["tags"].append("later")
    assert store.count("tags CONTAINS 'late'") == 1 and store.count("tags CONTAINS 'later'") == 0


@pytest.mark.parametrize(
    "odd", [{"tags": ("old", [1])}, {1: 2}, {1, 2}, np.float32(1), [[{"a": 2j}]], "text", None], ids=repr
)
def test_documents_of_all_kinds_may_stand_side_by_side(odd, tmp_path):
    store = VectorStore(8)
    for payloads in ([{"n": 0}], [odd], [{"n": 2}, odd, {"n": 4}], [odd, None], [{"n": 7}, {"n": [{"m": 8}]}]):
        store.add(VECTORS[: len(payloads)], payloads)
    assert store.select("n >= 0").tolist() == [0, 2, 4, 7] and store.select("n IS NOT NULL").tolist() == [0, 2, 4, 7, 8]
    assert store.get(3)[1] is odd and store.get(8)[1] == {"n": [{"m": 8}]}


def test_documents_that_no_filter_has_asked_for_are_saved(tmp_path):
    store = VectorStore(8)
    store.add(VECTORS, PAPERS)
    store.delete(within_rows=[0, 59])
    store.save(tmp_path / "a.npz")
    store.add(VECTORS[:1], [{"year": 1}])
    assert list(VectorStore.open(tmp_path / "a.npz").metadata) == PAPERS[1:59]
    assert store.count("year = 1") == 1 and store.count("year >= 2000") == 58


def test_a_first_filter_beside_additions_finds_no_row_without_its_document():
    for _ in range(20):
        store = VectorStore(8)

        def add(_, store=store):
            for _ in range(40):
                store.add(VECTORS[:9], PAPERS[:9])

        def search(stopped, store=store):
            while not stopped():
                assert store.count("year IS NULL") == 0 == len(store.cosine_search(VECTORS[0], where="year IS NULL"))

        in_threads(add, search, search)
        assert store.count("year >= 2000") == len(store) == 360


def test_cyclic_and_deep_documents_are_added():
    cycle, deep = {"a": 1}, {"n": 5}
    cycle["itself"] = [cycle]
    for _ in range(500):
        deep = {"n": 5, "deep": deep}
    store = VectorStore(8)
    store.add(VECTORS[:2], [cycle, deep])
    assert store.count("n = 5") == 1 and store.count("a = 1") == 1
