"""A LlamaIndex vector store in one .npz file. `pip install 'npvec[llama-index]'`."""

# The package passes mypy --strict also where the framework is not installed.
# mypy: disable-error-code="import-not-found, misc, no-any-return"

from collections.abc import Sequence
from typing import Any

from . import VectorStore as Store
from . import _frameworks as frameworks
from ._frameworks import Condition, Documents
from ._inputs import PathInput

try:
    from llama_index.core.bridge.pydantic import PrivateAttr
    from llama_index.core.schema import BaseNode, MetadataMode, TextNode
    from llama_index.core.vector_stores.types import (
        BasePydanticVectorStore,
        FilterCondition,
        FilterOperator,
        MetadataFilter,
        MetadataFilters,
        VectorStoreQuery,
        VectorStoreQueryMode,
        VectorStoreQueryResult,
    )
    from llama_index.core.vector_stores.utils import metadata_dict_to_node, node_to_metadata_dict
except ImportError as error:
    raise frameworks.missing_package("llama-index", error) from error

__all__ = ["NpvecVectorStore"]

_COMPARISONS = {
    FilterOperator.EQ: "$eq",
    FilterOperator.GT: "$gt",
    FilterOperator.GTE: "$gte",
    FilterOperator.LT: "$lt",
    FilterOperator.LTE: "$lte",
}


def _list(given: MetadataFilter) -> Sequence[Any]:
    if not isinstance(given.value, list):
        raise TypeError(
            f"filter: {given.key} {given.operator.value}: expected a list, found {type(given.value).__name__}"
        )
    return given.value


def _condition_of(given: MetadataFilter) -> Condition:
    field, operator, value = frameworks.quoted(given.key), given.operator, given.value
    if operator in _COMPARISONS:
        return frameworks.compare(field, _COMPARISONS[operator], value)
    if operator == FilterOperator.NE:
        return frameworks.opposite(frameworks.compare(field, "$eq", value))
    if operator == FilterOperator.IN:
        return frameworks.one_of(field, _list(given))
    if operator == FilterOperator.NIN:
        return frameworks.opposite(frameworks.one_of(field, _list(given)))
    if operator == FilterOperator.ANY:
        return frameworks.any_of([frameworks.contains(field, each) for each in _list(given)])
    if operator == FilterOperator.ALL:
        return frameworks.all_of([frameworks.contains(field, each) for each in _list(given)])
    if operator == FilterOperator.CONTAINS:
        return frameworks.contains(field, value)
    if operator == FilterOperator.IS_EMPTY:
        return frameworks.is_empty(field)
    return frameworks.has_text(field, value, ignore_case=operator != FilterOperator.TEXT_MATCH)


def _condition(given: MetadataFilters) -> Condition:
    conditions = [
        _condition(each) if isinstance(each, MetadataFilters) else _condition_of(each) for each in given.filters
    ]
    if not conditions or given.condition in (None, FilterCondition.AND):
        return frameworks.all_of(conditions)
    found = frameworks.any_of(conditions)
    return found if given.condition == FilterCondition.OR else frameworks.opposite(found)


class NpvecVectorStore(BasePydanticVectorStore):
    """Nodes with their vectors, searched exactly by cosine.

        store = NpvecVectorStore("notes.npz")
        index = VectorStoreIndex(nodes, storage_context=StorageContext.from_defaults(vector_store=store))
        store.save()
        index = VectorStoreIndex.from_vector_store(NpvecVectorStore("notes.npz"))

    All filters of LlamaIndex work, also inside one another. What is not there is not equal to anything, so `!=`, `nin`
    and `not` pass it. Queries are of the modes DEFAULT and MMR. A row's metadata is the node's, with its text under
    `text_key`: any store that has texts can be opened. What was changed is in memory until `save` or `persist`.
    """

    stores_text: bool = True
    _documents: Documents = PrivateAttr()

    def __init__(
        self,
        path: PathInput | None = None,
        *,
        store: Store[Any] | None = None,
        text_key: str = "text",
        allow_pickle: bool = False,
    ) -> None:
        """path: of the file; opened if it is there, else made by `save`. store: one to use instead.

        allow_pickle: as of VectorStore.open, for files with metadata that is not JSON.
        """
        super().__init__(stores_text=True)
        self._documents = Documents(path, store, text_key=text_key, allow_pickle=allow_pickle)

    @classmethod
    def class_name(cls) -> str:
        """What LlamaIndex calls it."""
        return "NpvecVectorStore"

    @classmethod
    def from_persist_path(cls, persist_path: str, fs: Any = None) -> "NpvecVectorStore":
        """The store that `persist` wrote there. Raises FileNotFoundError if there is none."""
        _check_local(fs)
        return cls(store=Store.open(persist_path))

    @property
    def client(self) -> Store[Any] | None:
        """The rows, for all that npvec can do; None before the first are added."""
        return self._documents.store

    def save(self, path: PathInput | None = None) -> None:
        """Writes the file `path`, or the one of before. Raises ValueError if there is none."""
        self._documents.save(path)

    def persist(self, persist_path: str, fs: Any = None) -> None:
        """Writes the file `persist_path`, to whose name .npz is added where it lacks."""
        _check_local(fs)
        self._documents.save(persist_path)

    def add(self, nodes: Sequence[BaseNode], **kwargs: Any) -> list[str]:
        """Adds nodes, which must have embeddings, or replaces those whose ids are there. Returns the ids."""
        rows = []
        for node in nodes:
            text = node.get_content(metadata_mode=MetadataMode.NONE)
            rows.append(self._documents.row(text, node_to_metadata_dict(node, remove_text=True)))
        names = [node.node_id for node in nodes]
        if names:
            self._documents.upsert([node.get_embedding() for node in nodes], rows, names)
        return names

    def delete(self, ref_doc_id: str, **delete_kwargs: Any) -> None:
        """Deletes the nodes of a document."""
        if self.client is not None:
            self.client.delete(where={"ref_doc_id": ref_doc_id})

    def delete_nodes(
        self, node_ids: list[str] | None = None, filters: MetadataFilters | None = None, **delete_kwargs: Any
    ) -> None:
        """Deletes nodes by ids, by filters, or by both at once; none if there is neither."""
        if self.client is not None and not (node_ids is None and filters is None):
            self.client.delete(node_ids, where=None if filters is None else _condition(filters).true)

    def clear(self) -> None:
        """Deletes all nodes."""
        if self.client is not None:
            self.client.clear()

    def _node(self, row: int, name: str | None, metadata: Any) -> BaseNode:
        text, fields = self._documents.parts(metadata)
        if "_node_content" in fields:
            return metadata_dict_to_node(fields, text=text)
        return TextNode(id_=name or str(row), text=text or "", metadata=fields)

    def get_nodes(self, node_ids: list[str] | None = None, filters: MetadataFilters | None = None) -> list[BaseNode]:
        """The nodes with these ids and for which the filters hold; all if there is neither."""
        store = self.client
        if store is None:
            return []
        where = None if filters is None else _condition(filters).true

        def read() -> list[tuple[int, str | None, Any]]:
            found = [(row, store.get(row)) for row in store.select(where, ids=node_ids).tolist()]
            return [(row, store.id_of(row), got[1]) for row, got in found if got is not None]

        return [self._node(*found) for found in frameworks.steady(store, read)]

    def query(self, query: VectorStoreQuery, **kwargs: Any) -> VectorStoreQueryResult:
        """The nodes nearest to the query's embedding, with their cosines, best first.

        kwargs, for the mode MMR: mmr_threshold, mmr_prefetch_factor (4; so many times as many nodes are chosen from).
        """
        store, embedding = self.client, query.query_embedding
        if query.mode not in (VectorStoreQueryMode.DEFAULT, VectorStoreQueryMode.MMR):
            raise ValueError(
                f"query: expected the mode default or mmr, found {query.mode}: npvec searches vectors alone"
            )
        if embedding is None:
            raise ValueError("query: expected an embedding, found None")
        if store is None or query.similarity_top_k < 1:
            return VectorStoreQueryResult(nodes=[], similarities=[], ids=[])
        conditions = [] if query.filters is None else [_condition(query.filters)]
        if query.doc_ids:
            conditions.append(frameworks.one_of("ref_doc_id", query.doc_ids))
        where = frameworks.all_of(conditions).true if conditions else None
        mmr = query.mode == VectorStoreQueryMode.MMR
        count = query.similarity_top_k * (kwargs.get("mmr_prefetch_factor", 4) if mmr else 1)
        only = query.node_ids or None  # an index passes an empty list for all
        threshold = query.mmr_threshold if query.mmr_threshold is not None else kwargs.get("mmr_threshold", 0.5)

        def read() -> list[tuple[int, str | None, Any, float]]:
            hits = store.search(embedding, count, -float("inf"), where=where, ids=only)
            if mmr and hits:
                vectors = store.vectors[[row for row, _, _ in hits]]
                chosen = frameworks.diverse(embedding, vectors, query.similarity_top_k, threshold)
                hits = [hits[position] for position in chosen]
            return [(row, store.id_of(row), metadata, score) for row, score, metadata in hits]

        found = frameworks.steady(store, read)
        nodes = [self._node(row, name, metadata) for row, name, metadata, _ in found]
        scores = [score for _, _, _, score in found]
        return VectorStoreQueryResult(nodes=nodes, similarities=scores, ids=[node.node_id for node in nodes])


def _check_local(fs: Any) -> None:
    protocol = getattr(fs, "protocol", "file")
    if fs is not None and "file" not in ((protocol,) if isinstance(protocol, str) else protocol):
        raise ValueError(f"persist: expected the local file system, found {protocol}")
