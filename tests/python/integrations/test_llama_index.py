"""npvec.llama_index against llama-index-core: filters beside plain Python, and what an index does with a store."""

import itertools

import pytest
from llama_index.core import MockEmbedding, StorageContext, VectorStoreIndex
from llama_index.core.schema import Document, NodeRelationship, RelatedNodeInfo, TextNode
from llama_index.core.vector_stores.types import (
    FilterCondition,
    FilterOperator,
    MetadataFilter,
    MetadataFilters,
    VectorStoreQuery,
    VectorStoreQueryMode,
)

from npvec import VectorStore
from npvec.llama_index import NpvecVectorStore

VALUES = [
    *(None, 1, 2, 2.5, -3, True, False, "", "red", "Red 50%", "50 of 100", "a_b", "' OR 1 = 1 --"),
    *([], [1, 2], ["red", "blue"], [0], ["red"]),
]
METADATA = [{"x": value, "n": n, 'odd "k.e[y': n} for n, value in enumerate(VALUES)] + [{"n": len(VALUES)}]


def node(number, metadata, vector, document="d0"):
    source = {NodeRelationship.SOURCE: RelatedNodeInfo(node_id=document)}
    return TextNode(
        id_=f"n{number}",
        text=f"text {number}",
        metadata=metadata,
        embedding=[float(x) for x in vector],
        relationships=source,
    )


@pytest.fixture
def store():
    made = NpvecVectorStore()
    made.add([node(n, metadata, [1, n / 10], f"d{n % 2}") for n, metadata in enumerate(METADATA)])
    return made


def is_like(value, other):
    """Can the two be compared?"""
    if isinstance(value, bool) or isinstance(other, bool):
        return isinstance(value, bool) and isinstance(other, bool)
    numbers = (int, float)
    return type(value) is type(other) or (isinstance(value, numbers) and isinstance(other, numbers))


def has(value, part):
    if isinstance(value, str):
        return isinstance(part, str) and part in value
    return isinstance(value, list) and any(is_like(each, part) and each == part for each in value)


def same(value, other):
    return value is other is None or (is_like(value, other) and value == other)


EXPECTED = {
    FilterOperator.EQ: same,
    FilterOperator.NE: lambda value, other: not same(value, other),
    FilterOperator.GT: lambda value, other: is_like(value, other) and value > other,
    FilterOperator.LT: lambda value, other: is_like(value, other) and value < other,
    FilterOperator.GTE: lambda value, other: is_like(value, other) and value >= other,
    FilterOperator.LTE: lambda value, other: is_like(value, other) and value <= other,
    FilterOperator.IN: lambda value, others: any(same(value, other) for other in others),
    FilterOperator.NIN: lambda value, others: not any(same(value, other) for other in others),
    FilterOperator.ANY: lambda value, others: any(has(value, other) for other in others),
    FilterOperator.ALL: lambda value, others: all(has(value, other) for other in others),
    FilterOperator.CONTAINS: has,
    FilterOperator.TEXT_MATCH: lambda value, part: isinstance(value, str) and part in value,
    FilterOperator.TEXT_MATCH_INSENSITIVE: lambda value, part: isinstance(value, str) and part.lower() in value.lower(),
    FilterOperator.IS_EMPTY: lambda value, _: value is None or value == "" or value == [],
}
LISTS = {FilterOperator.IN, FilterOperator.NIN, FilterOperator.ANY, FilterOperator.ALL}
TEXTS = {FilterOperator.TEXT_MATCH, FilterOperator.TEXT_MATCH_INSENSITIVE}


def operands(operator):
    if operator in LISTS:
        return [[], [1, 2], [-3], ["red", "blue"], ["red"], ["", "' OR 1 = 1 --"]]
    if operator in TEXTS:
        return ["red", "50%", "_", "", "'"]
    if operator == FilterOperator.IS_EMPTY:
        return [None]
    return [1, 2.5, "red", "", "' OR 1 = 1 --", *([None] if operator in {FilterOperator.EQ, FilterOperator.NE} else [])]


FILTERS = [(operator, operand) for operator in FilterOperator for operand in operands(operator)]


def passing(operator, operand):
    return {n for n, metadata in enumerate(METADATA) if EXPECTED[operator](metadata.get("x"), operand)}


def found(store, filters):
    return {int(each.node_id[1:]) for each in store.get_nodes(filters=filters)}


@pytest.mark.parametrize(("operator", "operand"), FILTERS)
def test_every_operator_and_its_opposite(store, operator, operand):
    given = MetadataFilter(key="x", operator=operator, value=operand)
    expected = passing(operator, operand)
    assert found(store, MetadataFilters(filters=[given])) == expected
    assert (
        found(store, MetadataFilters(filters=[given], condition=FilterCondition.NOT))
        == set(range(len(METADATA))) - expected
    )


def test_filters_inside_one_another(store):
    everything = set(range(len(METADATA)))
    for (first, one), (second, two) in itertools.islice(itertools.combinations(FILTERS, 2), 0, None, 17):
        a = MetadataFilter(key="x", operator=first, value=one)
        b = MetadataFilter(key="x", operator=second, value=two)
        inner = MetadataFilters(filters=[a, b], condition=FilterCondition.OR)
        neither = MetadataFilters(filters=[inner], condition=FilterCondition.NOT)
        small = MetadataFilter(key="n", operator=FilterOperator.LT, value=9)
        expected = (everything - passing(first, one) - passing(second, two)) & set(range(9))
        assert found(store, MetadataFilters(filters=[neither, small])) == expected


def test_keys_are_taken_as_they_are(store):
    given = MetadataFilter(key='odd "k.e[y', value=3)
    assert found(store, MetadataFilters(filters=[given])) == {3}
    for condition in FilterCondition:
        assert found(store, MetadataFilters(filters=[], condition=condition)) == set(range(len(METADATA)))


def test_filters_that_are_wrong_say_so(store):
    with pytest.raises(TypeError, match="x in: expected a list"):
        found(store, MetadataFilters(filters=[MetadataFilter(key="x", value=1, operator=FilterOperator.IN)]))
    with pytest.raises(TypeError, match="expected text, a number"):
        found(store, MetadataFilters(filters=[MetadataFilter(key="x", value=[1])]))


def ask(store, **arguments):
    return store.query(VectorStoreQuery(query_embedding=[1.0, 0.0], **arguments))


def test_query(store):
    result = ask(store, similarity_top_k=3)
    assert result.ids == ["n0", "n1", "n2"] and result.similarities[0] == pytest.approx(1)
    assert result.nodes[1].get_content() == "text 1" and result.nodes[1].metadata == METADATA[1]
    assert result.nodes[1].ref_doc_id == "d1"
    assert ask(store, similarity_top_k=2, doc_ids=["d1"]).ids == ["n1", "n3"]
    assert ask(store, similarity_top_k=2, node_ids=["n7", "n5", "none"]).ids == ["n5", "n7"]
    filters = MetadataFilters(filters=[MetadataFilter(key="n", value=4, operator=FilterOperator.GTE)])
    assert ask(store, similarity_top_k=2, filters=filters, doc_ids=["d1"]).ids == ["n5", "n7"]
    with pytest.raises(ValueError, match="found VectorStoreQueryMode.HYBRID"):
        ask(store, mode=VectorStoreQueryMode.HYBRID)
    assert ask(NpvecVectorStore()).ids == []


def test_maximal_marginal_relevance():
    store = NpvecVectorStore()
    store.add([node(n, {}, vector) for n, vector in enumerate([[1, 0.01], [1, 0.02], [1, -1]])])
    mode = VectorStoreQueryMode.MMR
    assert ask(store, similarity_top_k=2, mode=mode, mmr_threshold=1.0).ids == ["n0", "n1"]
    assert ask(store, similarity_top_k=2, mode=mode, mmr_threshold=0.2).ids == ["n0", "n2"]
    store.add([node(3, {}, [1, -1.1])])
    assert ask(store, similarity_top_k=4, mode=mode, mmr_threshold=0.0).ids == ["n0", "n3", "n2", "n1"]


def test_add_replaces_and_delete_deletes(store):
    everything = len(METADATA)
    store.add([node(0, {"new": 1}, [0, 1])])
    assert len(store.client) == everything and store.get_nodes(["n0"])[0].metadata == {"new": 1}
    store.delete("d1")
    assert {each.ref_doc_id for each in store.get_nodes()} == {"d0"}
    store.delete_nodes(["n0", "none"])
    store.delete_nodes(filters=MetadataFilters(filters=[MetadataFilter(key="n", value=4)]))
    store.delete_nodes(["n8"], MetadataFilters(filters=[MetadataFilter(key="n", value=6)]))
    store.delete_nodes()
    left = {each.node_id for each in store.get_nodes()}
    assert not left & {"n0", "n4"} and {"n2", "n6", "n8"} <= left
    store.clear()
    assert store.get_nodes() == [] and ask(store).ids == []


def test_an_index_lives_in_a_file(tmp_path):
    embedding = MockEmbedding(embed_dim=4)
    store = NpvecVectorStore(tmp_path / "index.npz")
    context = StorageContext.from_defaults(vector_store=store)
    documents = [
        Document(id_="a", text="first", metadata={"n": 1}),
        Document(id_="b", text="second", metadata={"n": 2}),
    ]
    index = VectorStoreIndex.from_documents(documents, storage_context=context, embed_model=embedding)
    index.delete_ref_doc("a")
    store.save()
    again = VectorStoreIndex.from_vector_store(NpvecVectorStore(tmp_path / "index.npz"), embed_model=embedding)
    again.insert(Document(id_="c", text="third", metadata={"n": 3}))
    filters = MetadataFilters(filters=[MetadataFilter(key="n", value=3)])
    (hit,) = again.as_retriever(filters=filters).retrieve("anything")
    assert hit.node.get_content() == "third" and hit.score == pytest.approx(1)
    assert {hit.node.get_content() for hit in again.as_retriever().retrieve("anything")} == {"second", "third"}
    again.storage_context.persist(tmp_path / "storage")
    (path,) = (tmp_path / "storage").glob("*.npz")
    assert len(NpvecVectorStore.from_persist_path(str(path.with_suffix(""))).get_nodes()) == 2


async def test_asynchronous_methods(store):
    result = await store.aquery(VectorStoreQuery(query_embedding=[1.0, 0.0], similarity_top_k=1))
    assert result.ids == ["n0"]
    assert await store.async_add([node(99, {}, [0, 1])]) == ["n99"]
    await store.adelete_nodes(["n99"])
    assert await store.aget_nodes(["n99"]) == []


def test_stores_made_elsewhere():
    rows = VectorStore(2)
    rows.add([[1, 0], [0, 1]], [{"body": "one", "n": 1}, {"body": "two"}], ids=["a", None])
    result = ask(NpvecVectorStore(store=rows, text_key="body"), similarity_top_k=2)
    assert [(each.node_id, each.get_content(), each.metadata) for each in result.nodes] == [
        ("a", "one", {"n": 1}),
        ("1", "two", {}),
    ]


def test_mistakes_change_nothing(store):
    with pytest.raises(ValueError, match="text_key"):
        store.add([node(1, {"text": "mine"}, [1, 0])])
    with pytest.raises(ValueError, match="local file system"):
        import fsspec

        store.persist("a.npz", fs=fsspec.filesystem("memory"))
    assert len(store.client) == len(METADATA)
