"""npvec.langchain against langchain-core, by the vector store suite of langchain-tests and by what its users do."""

import pytest
from langchain_core.documents import Document
from langchain_core.embeddings import Embeddings
from langchain_tests.integration_tests import VectorStoreIntegrationTests

from npvec import FilterError, VectorStore
from npvec.langchain import NpvecVectorStore

TEXTS = ["one", "two", "three", "four"]
METADATAS = [{"n": 1, "tags": ["odd"]}, {"n": 2, "tags": ["even"]}, {"n": 3}, {"n": 4, "a": {"b": "x"}}]
VECTORS = {"one": [1, 0, 0], "two": [0.8, 0.6, 0], "three": [0.79, 0.61, 0], "four": [0, 0, 1], "minus": [-1, 0, 0]}


class Table(Embeddings):
    """Says how it was asked."""

    def __init__(self):
        self.asked = []

    def embed_documents(self, texts):
        self.asked.append("sync")
        return [[float(x) for x in VECTORS[text]] for text in texts]

    def embed_query(self, text):
        self.asked.append("sync")
        return VECTORS[text]

    async def aembed_documents(self, texts):
        self.asked.append("async")
        return [VECTORS[text] for text in texts]

    async def aembed_query(self, text):
        self.asked.append("async")
        return VECTORS[text]


class TestSuite(VectorStoreIntegrationTests):
    @pytest.fixture
    def vectorstore(self):
        return NpvecVectorStore(self.get_embeddings())


@pytest.fixture
def store():
    return NpvecVectorStore.from_texts(TEXTS, Table(), METADATAS, ids=["1", "2", "3", "4"])


def texts(documents):
    return [document.page_content for document in documents]


@pytest.mark.parametrize("search", ["similarity_search", "max_marginal_relevance_search"])
def test_a_document_that_is_deleted_after_it_was_found_is_left_out(store, search, monkeypatch):
    find = VectorStore.search

    def find_and_delete(self, *arguments, **options):
        hits = find(self, *arguments, **options)
        self.delete(["2"])
        return hits

    monkeypatch.setattr(VectorStore, "search", find_and_delete)
    assert texts(getattr(store, search)("one", k=2)) == ["one", "three"]


def test_documents_come_back_as_they_were(store):
    (found,) = store.get_by_ids(["4"])
    assert found == Document(id="4", page_content="four", metadata=METADATAS[3])
    assert type(found.metadata["n"]) is int
    found.metadata["n"] = 5
    assert store.get_by_ids(["4"])[0].metadata["n"] == 4


def test_search_by_text_and_vector_with_scores(store):
    assert texts(store.similarity_search("one", k=2)) == ["one", "two"]
    assert texts(store.similarity_search_by_vector([0, 0, 1], k=1)) == ["four"]
    (first, score), *_ = store.similarity_search_with_score("one", k=4)
    assert first.page_content == "one" and score == pytest.approx(1)
    assert len(store.similarity_search("minus", k=4)) == 4, "no score is too low"


@pytest.mark.parametrize(
    ("filter", "params", "expected"),
    [
        ({"n": {"$gte": 3}}, None, ["three", "four"]),
        ({"tags": {"$contains": "even"}}, None, ["two"]),
        ({"$or": [{"n": 1}, {"a.b": "x"}]}, None, ["one", "four"]),
        ("n IN ? AND text != ?", [[1, 2], "one"], ["two"]),
        ("text = ?", ["' OR n > 0 OR text = '"], []),
    ],
)
def test_filters(store, filter, params, expected):
    assert texts(store.similarity_search("one", filter=filter, params=params)) == expected
    assert texts(store.max_marginal_relevance_search("one", filter=filter, params=params)) == expected


def test_a_filter_that_is_wrong_says_so(store):
    with pytest.raises(FilterError):
        store.similarity_search("one", filter="n >")
    with pytest.raises(TypeError, match="expected text or a dict"):
        store.similarity_search("one", filter=lambda document: True)


def test_delete_by_ids_and_by_filter_and_all(store):
    assert store.delete(["1", "none"]) and len(store) == 3
    assert store.delete(filter="n = ?", params=[2]) and len(store) == 2
    assert store.delete([]) and len(store) == 2
    assert store.delete() and len(store) == 0 and store.similarity_search("one") == []


def test_maximal_marginal_relevance_leaves_out_the_alike(store):
    assert texts(store.max_marginal_relevance_search("two", k=2, lambda_mult=1)) == ["two", "three"]
    assert texts(store.max_marginal_relevance_search("two", k=2, lambda_mult=0.3)) == ["two", "four"]
    assert texts(store.max_marginal_relevance_search("two", k=2, fetch_k=2, lambda_mult=0)) == ["two", "three"]


def test_retrievers(store):
    assert texts(store.as_retriever(search_kwargs={"k": 1, "filter": {"n": 2}}).invoke("one")) == ["two"]
    near = store.as_retriever(search_type="similarity_score_threshold", search_kwargs={"score_threshold": 0.9})
    assert texts(near.invoke("one")) == ["one"]
    assert texts(store.as_retriever(search_type="mmr", search_kwargs={"k": 1}).invoke("four")) == ["four"]
    assert [score for _, score in store.similarity_search_with_relevance_scores("minus")] == [0, 0, 0, 0]


def test_a_file_has_it_all(store, tmp_path):
    store.save(tmp_path / "notes.npz")
    again = NpvecVectorStore(Table(), path=tmp_path / "notes")
    assert again.get_by_ids(["4", "1"]) == store.get_by_ids(["4", "1"])
    again.add_texts(["one"], [{"n": 7}], ids=["5"])
    again.save()
    again.save(tmp_path / "other.npz")
    again.delete()
    again.save()
    assert len(NpvecVectorStore(Table(), path=tmp_path / "other.npz")) == 0
    more = NpvecVectorStore.from_texts(["two"], Table(), ids=["2"], path=tmp_path / "notes.npz")
    assert len(more) == 5 and more.get_by_ids(["2"])[0].metadata == {}
    assert VectorStore.open(tmp_path / "notes.npz").get(id="5")[1] == {"text": "one", "n": 7}


def test_a_path_without_a_file_is_where_it_is_saved(tmp_path):
    store = NpvecVectorStore(Table(), path=tmp_path / "new.npz")
    with pytest.raises(ValueError, match="found none yet"):
        store.save()
    store.add_documents([Document(page_content="one")])
    store.save()
    assert len(NpvecVectorStore(Table(), path=tmp_path / "new.npz")) == 1
    with pytest.raises(ValueError, match="expected a path"):
        NpvecVectorStore.from_texts(["one"], Table()).save()


def test_a_store_with_durability_keeps_changes_as_they_are_made(tmp_path):
    rows = VectorStore(3, tmp_path / "a.npz", durability="os")
    writer = NpvecVectorStore(Table(), store=rows)
    writer.add_texts(["one", "two"], ids=["1", "2"])
    writer.delete(["2"])
    reader = NpvecVectorStore(Table(), path=tmp_path / "a.npz")
    assert [document.id for document in reader.similarity_search("two")] == ["1"]
    rows.close()


def test_stores_made_elsewhere_have_another_key_and_no_ids():
    rows = VectorStore(3)
    rows.add([[1, 0, 0], [0, 1, 0]], [{"body": "one", "text": "own"}, {"n": 2}])
    found = NpvecVectorStore(Table(), store=rows, text_key="body").similarity_search("one")
    assert found == [
        Document(page_content="one", metadata={"text": "own"}),
        Document(page_content="", metadata={"n": 2}),
    ]


def test_documents_keep_their_ids_and_others_get_one(store):
    mixed = [Document(id="x", page_content="one"), Document(page_content="two")]
    first, second = store.add_documents(mixed)
    assert first == "x" and second and mixed[1].id is None
    assert texts(store.get_by_ids([second, "x"])) == ["two", "one"]


def test_of_one_id_twice_the_last_stays(store):
    assert store.add_texts(["one", "two"], [{"n": 8}, {"n": 9}], ids=["y", "y"]) == ["y", "y"]
    assert store.get_by_ids(["y"])[0].metadata == {"n": 9}


def test_mistakes_change_nothing(store):
    with pytest.raises(ValueError, match="text_key"):
        store.add_texts(["one"], [{"text": "mine"}])
    with pytest.raises(ValueError, match="metadatas: expected 1"):
        store.add_texts(["one"], [])
    with pytest.raises(ValueError, match="a path or a store"):
        NpvecVectorStore(Table(), path="a.npz", store=VectorStore(3))
    assert len(store) == 4 and store.add_texts([]) == []


async def test_asynchronous_methods_ask_the_asynchronous_embedding():
    embedding = Table()
    store = await NpvecVectorStore.afrom_documents([Document(id="1", page_content="one")], embedding)
    await store.aadd_texts(["two"], [{"n": 2}], ids=["2"])
    assert texts(await store.asimilarity_search("one", filter={"n": 2})) == ["two"]
    assert texts(await store.as_retriever().ainvoke("one")) == ["one", "two"]
    assert (await store.asimilarity_search_with_score("one", k=1))[0][1] == pytest.approx(1)
    assert set(embedding.asked) == {"async"}
    assert await store.adelete(["1"]) and len(store) == 1
