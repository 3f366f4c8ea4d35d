"""npvec.haystack against haystack-ai: its own tests of document stores, and pipelines."""

import numpy as np
import pytest
from haystack import Document, Pipeline
from haystack.dataclasses import ByteStream, SparseEmbedding
from haystack.document_stores.errors import DuplicateDocumentError
from haystack.document_stores.types import DuplicatePolicy, FilterPolicy
from haystack.errors import FilterError
from haystack.testing import document_store as suite

from npvec import VectorStore
from npvec.haystack import NpvecDocumentStore, NpvecEmbeddingRetriever


class TestSuite(suite.DocumentStoreBaseExtendedTests, suite.CountDocumentsByFilterTest):
    @pytest.fixture
    def document_store(self):
        return NpvecDocumentStore(embedding_dim=768)

    def test_write_documents(self, document_store):
        document = Document(content="test doc")
        assert document_store.write_documents([document]) == 1
        with pytest.raises(DuplicateDocumentError):
            document_store.write_documents([document])

    def assert_documents_are_equal(self, received, expected):
        """Embeddings are kept in float32; all else is the same."""
        assert [plain(document) for document in received] == [plain(document) for document in expected]
        for one, other in zip(received, expected):
            np.testing.assert_array_equal(one.embedding, other.embedding and np.float32(other.embedding))


def plain(document):
    return {**document.to_dict(flatten=False), "embedding": None}


DOCUMENTS = [
    Document(id="a", content="one", meta={"n": 1, "who": {"name": "x"}}, embedding=[2.0, 0.0]),
    Document(id="b", content="two", meta={"n": 2, "who": {"name": "y"}}, embedding=[3.0, 3.0]),
    Document(id="c", meta={"n": "2"}, embedding=[0.0, 0.5]),
    Document(id="d", content="none", meta={"day": "2024-05-01"}),
]


@pytest.fixture
def store():
    made = NpvecDocumentStore(embedding_dim=2)
    made.write_documents(DOCUMENTS)
    return made


def ids(documents):
    return "".join(document.id for document in documents)


@pytest.mark.parametrize(
    ("field", "operator", "value", "expected"),
    [
        ("n", "==", 2, "b"),
        ("meta.n", "!=", 2, "acd"),
        ("meta.n", "in", [2, "2", None], "bcd"),
        ("meta.n", "not in", [2, "2"], "ad"),
        ("meta.n", "not in", [], "abcd"),
        ("meta.n", ">", 1, "b"),
        ("meta.day", ">=", "2024-05-01", "d"),
        ("meta.who.name", "==", "y", "b"),
        ("meta.who.name", "==", "' OR n > 0 --", ""),
        ("content", "==", "one", "a"),
        ("content", "==", None, "c"),
        ("id", "in", ["a", "d"], "ad"),
    ],
)
def test_comparisons(store, field, operator, value, expected):
    filters = {"field": field, "operator": operator, "value": value}
    assert ids(store.filter_documents(filters)) == expected
    opposite = {"operator": "NOT", "conditions": [filters]}
    assert ids(store.filter_documents(opposite)) == "".join(sorted(set("abcd") - set(expected)))
    assert ids(store.filter_documents({"operator": "NOT", "conditions": [opposite]})) == expected


@pytest.mark.parametrize(
    "filters",
    [
        {"field": "meta.n", "operator": "~", "value": 1},
        {"field": "embedding", "operator": "==", "value": 1},
        {"operator": "XOR", "conditions": []},
    ],
)
def test_filters_that_are_wrong_say_so(store, filters):
    with pytest.raises(FilterError, match="filters: expected"):
        store.filter_documents(filters)


def test_retrieval_scores_and_leaves_out_what_has_no_embedding(store):
    found = store.embedding_retrieval([1.0, 0.0])
    assert ids(found) == "abc" and [round(each.score, 3) for each in found] == [1, 0.707, 0]
    assert found[0].embedding == [2.0, 0.0] and found[0].meta == DOCUMENTS[0].meta
    filters = {"field": "id", "operator": "in", "value": ["a", "d"]}
    assert ids(store.embedding_retrieval([1.0, 0.0], filters=filters)) == "a"
    dot = NpvecDocumentStore(embedding_dim=2, embedding_similarity_function="dot_product")
    dot.write_documents(DOCUMENTS)
    assert [(each.id, each.score) for each in dot.embedding_retrieval([1.0, 0.0], top_k=1)] == [("b", 3.0)]


def test_a_document_keeps_its_embedding_when_rows_move_up_after_it_was_found(store, tmp_path, monkeypatch):
    find = VectorStore.cosine_search

    def find_and_move(self, *arguments, **options):
        hits = find(self, *arguments, **options)
        self.delete(["a"])
        self.save(tmp_path / "a.npz")
        return hits

    monkeypatch.setattr(VectorStore, "cosine_search", find_and_move)
    found = store.embedding_retrieval([1.0, 1.0], top_k=1)
    assert ids(found) == "b" and found[0].embedding[0] == found[0].embedding[1]


def test_the_retriever_in_a_pipeline(store, tmp_path):
    store.save(tmp_path / "notes.npz")
    bound = NpvecDocumentStore(str(tmp_path / "notes.npz"))
    filters = {"field": "meta.n", "operator": "==", "value": 2}
    pipeline = Pipeline()
    pipeline.add_component("retriever", NpvecEmbeddingRetriever(bound, filters=filters, top_k=3))
    again = Pipeline.loads(pipeline.dumps(), allowed_modules=["npvec.haystack"])
    for each in (pipeline, again):
        assert ids(each.run({"retriever": {"query_embedding": [1.0, 0.0]}})["retriever"]["documents"]) == "b"
        run = {"query_embedding": [1.0, 0.0], "filters": {"field": "id", "operator": "!=", "value": "b"}, "top_k": 1}
        assert ids(each.run({"retriever": run})["retriever"]["documents"]) == "a"
    merging = NpvecEmbeddingRetriever(bound, filters=filters, filter_policy=FilterPolicy.MERGE)
    assert merging.run([1.0, 0.0], filters={"field": "id", "operator": "==", "value": "a"})["documents"] == []
    assert NpvecEmbeddingRetriever.from_dict(merging.to_dict()).filter_policy == FilterPolicy.MERGE


def test_documents_come_back_from_a_file(tmp_path):
    documents = [
        Document(id="a", content="one", meta={"n": 1}, embedding=[1.0, 0.5]),
        Document(id="b", blob=ByteStream(b"\x00\xff", meta={"k": 1}, mime_type="image/png")),
        Document(id="c", sparse_embedding=SparseEmbedding(indices=[1, 7], values=[0.5, 0.25])),
    ]
    store = NpvecDocumentStore(str(tmp_path / "notes.npz"), embedding_dim=2)
    assert store.write_documents(documents) == 3
    store.save()
    assert NpvecDocumentStore.from_dict(store.to_dict()).filter_documents() == documents


def test_policies_within_one_batch():
    store = NpvecDocumentStore(embedding_dim=2)
    twice = [Document(id="a", content="one"), Document(id="a", content="two")]
    with pytest.raises(DuplicateDocumentError):
        store.write_documents([Document(id="b"), *twice])
    assert store.count_documents() == 0
    assert store.write_documents(twice, DuplicatePolicy.SKIP) == 1
    assert store.filter_documents()[0].content == "one"
    assert store.write_documents(twice, DuplicatePolicy.OVERWRITE) == 2
    assert store.filter_documents()[0].content == "two"


def test_stores_made_elsewhere(tmp_path):
    rows = VectorStore(2)
    rows.add([[1, 0], [0, 1]], [{"body": "one", "n": 1}, {"n": 2}], ids=["a", None])
    rows.save(tmp_path / "rows.npz")
    found = NpvecDocumentStore(str(tmp_path / "rows.npz"), text_key="body").embedding_retrieval([1, 0])
    assert [(each.content, each.meta) for each in found] == [("one", {"n": 1}), (None, {"n": 2})]
    assert found[0].id == "a" and found[1].id


@pytest.mark.parametrize(
    "document",
    [
        Document(meta={"text": "mine"}),
        Document(meta={"_no_vector": 1}),
        Document(embedding=[1.0]),
        Document(embedding=[0.0, 0.0]),
    ],
)
def test_mistakes_change_nothing(store, document):
    with pytest.raises(ValueError, match="expected"):
        store.write_documents([Document(id="e"), document])
    assert store.count_documents() == 4


def test_arguments_are_checked(store):
    with pytest.raises(ValueError, match="cosine or dot_product"):
        NpvecDocumentStore(embedding_similarity_function="l2")
    with pytest.raises(ValueError, match="top_k"):
        NpvecEmbeddingRetriever(store, top_k=0)
    with pytest.raises(TypeError, match="NpvecDocumentStore"):
        NpvecEmbeddingRetriever(None)
