"""A Haystack document store in one .npz file, and its retriever. `pip install 'npvec[haystack]'`."""

# The package passes mypy --strict also where the framework is not installed.
# mypy: disable-error-code="import-not-found, misc, no-any-return, untyped-decorator"

from collections.abc import Sequence
from datetime import date, datetime
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from . import VectorStore
from . import _frameworks as frameworks
from ._frameworks import Condition, Documents
from ._inputs import PathInput

try:
    from haystack import Document, component, default_from_dict, default_to_dict
    from haystack.dataclasses import ByteStream, SparseEmbedding
    from haystack.document_stores.errors import DuplicateDocumentError
    from haystack.document_stores.types import DuplicatePolicy, FilterPolicy, apply_filter_policy
    from haystack.errors import FilterError
except ImportError as error:
    raise frameworks.missing_package("haystack", error) from error

__all__ = ["NpvecDocumentStore", "NpvecEmbeddingRetriever"]

# What a row has beside the document's content and meta. A vector must be there; _NO_VECTOR says it stands for none.
_ID, _BLOB, _SPARSE, _NO_VECTOR = _RESERVED = ("_id", "_blob", "_sparse_embedding", "_no_vector")
_ORDERS = {">": "$gt", ">=": "$gte", "<": "$lt", "<=": "$lte"}

# -------------------------------------------------------------------------------------------------------------- filters


def _member(given: dict[str, Any], key: str) -> Any:
    if key not in given:
        raise FilterError(f"filters: expected the key {key!r}, found {sorted(given)}")
    return given[key]


def _field(name: str, text_key: str) -> str:
    if name in ("content", "id"):
        return frameworks.quoted(text_key if name == "content" else _ID)
    if name in ("blob", "score", "embedding", "sparse_embedding"):
        raise FilterError(f"filters: expected content, id or a field of meta, found {name!r}")
    return frameworks.quoted(*name.removeprefix("meta.").split("."))


def _is_date(text: str) -> bool:
    try:
        datetime.fromisoformat(text.removesuffix("Z"))
    except ValueError:
        return False
    return True


def _ordered(field: str, operator: str, value: Any) -> Condition:
    if isinstance(value, list) or (isinstance(value, str) and not _is_date(value)):
        raise FilterError(f"filters: {operator} expects a number or an ISO 8601 date, found {value!r}")
    return frameworks.compare(field, _ORDERS[operator], value)


def _comparison(given: dict[str, Any], text_key: str) -> Condition:
    field, operator, value = (
        _field(_member(given, "field"), text_key),
        _member(given, "operator"),
        _member(given, "value"),
    )
    if isinstance(value, date):
        value = value.isoformat()
    if operator in _ORDERS:
        return _ordered(field, operator, value)
    if operator in ("==", "!="):
        found = frameworks.compare(field, "$eq", value)
    elif operator in ("in", "not in"):
        if not isinstance(value, list):
            raise FilterError(f"filters: {operator!r} expects a list, found {type(value).__name__}")
        found = frameworks.one_of(field, value)
    else:
        raise FilterError(f"filters: expected ==, !=, >, >=, <, <=, in or 'not in', found {operator!r}")
    return frameworks.opposite(found) if operator in ("!=", "not in") else found


def _condition(given: dict[str, Any], text_key: str) -> Condition:
    if "field" in given:
        return _comparison(given, text_key)
    operator = _member(given, "operator")
    conditions = [_condition(each, text_key) for each in _member(given, "conditions")]
    if operator == "OR":
        return frameworks.any_of(conditions)
    if operator not in ("AND", "NOT"):
        raise FilterError(f"filters: expected AND, OR or NOT, found {operator!r}")
    both = frameworks.all_of(conditions)
    return both if operator == "AND" else frameworks.opposite(both)


# ---------------------------------------------------------------------------------------------------------------- store


class NpvecDocumentStore:
    """Documents with their embeddings, searched exactly.

        store = NpvecDocumentStore("notes.npz", embedding_dim=384)
        store.write_documents(documents)
        store.save()
        retriever = NpvecEmbeddingRetriever(NpvecDocumentStore("notes.npz"))

    All filters of Haystack work. What is not there is not equal to anything, so `!=`, `not in` and `NOT` pass it. A
    row's metadata is the document's meta, with its content under `text_key`: any store that has texts can be opened.
    Documents may lack an embedding; retrievers do not see them. What was changed is in memory until `save`.
    """

    def __init__(
        self,
        path: str | None = None,
        *,
        embedding_dim: int = 768,
        embedding_similarity_function: Literal["cosine", "dot_product"] = "cosine",
        text_key: str = "text",
        allow_pickle: bool = False,
    ) -> None:
        """path: of the file; opened, with the dimensions that it has, if it is there, else made by `save`.

        allow_pickle: as of VectorStore.open, for files with metadata that is not JSON.
        """
        if embedding_similarity_function not in ("cosine", "dot_product"):
            raise ValueError(
                "embedding_similarity_function: expected cosine or dot_product, "
                f"found {embedding_similarity_function!r}"
            )
        self._arguments = {
            "path": path,
            "embedding_dim": embedding_dim,
            "embedding_similarity_function": embedding_similarity_function,
            "text_key": text_key,
            "allow_pickle": allow_pickle,
        }
        self._documents = Documents(
            path, text_key=text_key, allow_pickle=allow_pickle, dimensions=embedding_dim, normalize=False
        )

    def to_dict(self) -> dict[str, Any]:
        """The arguments that it was made with. Documents are in the file, not here."""
        return default_to_dict(self, **self._arguments)

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> "NpvecDocumentStore":
        """The opposite of `to_dict`."""
        return default_from_dict(cls, data)

    @property
    def store(self) -> VectorStore[Any]:
        """The rows, for all that npvec can do."""
        assert self._documents.store is not None
        return self._documents.store

    def save(self, path: PathInput | None = None) -> None:
        """Writes the file `path`, or the one of before. Raises ValueError if there is none."""
        self._documents.save(path)

    # ------------------------------------------------------------------------------------------------------------ write

    def _row(self, document: Document) -> dict[str, Any]:
        for key in _RESERVED:
            if key in document.meta:
                raise ValueError(f"meta: expected no key {key!r}, which npvec uses itself")
        row = self._documents.row(document.content, document.meta)
        row[_ID] = document.id
        if document.blob is not None:
            row[_BLOB] = {"data": document.blob.data, "mime_type": document.blob.mime_type, "meta": document.blob.meta}
        if document.sparse_embedding is not None:
            row[_SPARSE] = document.sparse_embedding.to_dict()
        if document.embedding is None:
            row[_NO_VECTOR] = True
        return row

    def _vector(self, document: Document) -> Any:
        width = self.store.dimensions
        if document.embedding is None:
            return np.eye(1, width, dtype=np.float32)[0]
        vector = np.asarray(document.embedding, np.float32)
        if vector.shape != (width,):
            raise ValueError(f"document {document.id}: expected an embedding of {width} numbers, found {vector.shape}")
        if self._arguments["embedding_similarity_function"] == "cosine" and not vector.any():
            raise ValueError(f"document {document.id}: expected a direction, found an embedding of zeros")
        return vector

    def write_documents(self, documents: list[Document], policy: DuplicatePolicy = DuplicatePolicy.NONE) -> int:
        """Adds documents and returns how many, all or none. NONE is the same as FAIL.

        Raises DuplicateDocumentError for an id that is there, unless the policy is SKIP or OVERWRITE.
        """
        if not isinstance(documents, list) or not all(isinstance(document, Document) for document in documents):
            raise ValueError("write_documents: expected a list of Documents")
        chosen: dict[str, Document] = {}
        for document in documents:
            if policy != DuplicatePolicy.OVERWRITE:
                if document.id in chosen or self.store.row_of(document.id) is not None:
                    if policy == DuplicatePolicy.SKIP:
                        continue
                    raise DuplicateDocumentError(f"write_documents: the id {document.id} is there already")
            chosen[document.id] = document
        if chosen:
            rows = [self._row(document) for document in chosen.values()]
            self._documents.upsert([self._vector(document) for document in chosen.values()], rows, list(chosen))
        return len(documents) if policy == DuplicatePolicy.OVERWRITE else len(chosen)

    def delete_documents(self, document_ids: list[str]) -> None:
        """Deletes documents by ids. Those that are not there are passed over."""
        self.store.delete(document_ids)

    def delete_all_documents(self) -> None:
        """Deletes all documents."""
        self.store.clear()

    def delete_by_filter(self, filters: dict[str, Any]) -> int:
        """Deletes the documents for which the filters hold, and returns how many."""
        return self.store.delete(where=self._where(filters) or {})

    def update_by_filter(self, filters: dict[str, Any], meta: dict[str, Any]) -> int:
        """Sets fields of meta of the documents for which the filters hold, and returns how many."""
        found = self.filter_documents(filters)
        for document in found:
            document.meta.update(meta)
        return self.write_documents(found, DuplicatePolicy.OVERWRITE)

    # ------------------------------------------------------------------------------------------------------------- read

    def _where(self, filters: dict[str, Any] | None) -> dict[str, Any] | None:
        return _condition(filters, self._documents.text_key).true if filters else None

    def _document(
        self, given: str | None, vector: npt.NDArray[np.float32], metadata: Any, score: float | None = None
    ) -> Document:
        text, fields = self._documents.parts(metadata)
        name, blob, sparse, no_vector = (fields.pop(key, None) for key in _RESERVED)
        return Document(
            id=name or given or "",
            content=text,
            blob=None if blob is None else ByteStream(**blob),
            meta=fields,
            score=score,
            embedding=None if no_vector else vector.tolist(),
            sparse_embedding=None if sparse is None else SparseEmbedding.from_dict(sparse),
        )

    def count_documents(self) -> int:
        """How many documents there are."""
        return len(self.store)

    def count_documents_by_filter(self, filters: dict[str, Any]) -> int:
        """For how many documents the filters hold."""
        return self.store.count(self._where(filters))

    def filter_documents(self, filters: dict[str, Any] | None = None) -> list[Document]:
        """The documents for which the filters hold; all without filters."""
        where = self._where(filters)

        def read() -> list[tuple[str | None, npt.NDArray[np.float32], Any]]:
            found = [(row, self.store.get(row)) for row in self.store.select(where).tolist()]
            return [(self.store.id_of(row), *got) for row, got in found if got is not None]

        return [self._document(*found) for found in frameworks.steady(self.store, read)]

    def embedding_retrieval(
        self, query_embedding: list[float], *, filters: dict[str, Any] | None = None, top_k: int = 10
    ) -> list[Document]:
        """The `top_k` documents with the most similar embeddings, best first, with their scores."""
        given = self._where(filters)
        has_vector = {_NO_VECTOR: None}
        where = has_vector if given is None else {"$and": [given, has_vector]}
        cosine = self._arguments["embedding_similarity_function"] == "cosine"
        search = self.store.cosine_search if cosine else self.store.dot_search

        def read() -> list[tuple[str | None, npt.NDArray[np.float32], Any, float]]:
            hits, vectors = search(query_embedding, top_k=top_k, where=where), self.store.vectors
            return [(self.store.id_of(hit.index), vectors[hit.index], hit.metadata, hit.value) for hit in hits]

        return [self._document(*found) for found in frameworks.steady(self.store, read)]


@component
class NpvecEmbeddingRetriever:
    """Finds the documents of an NpvecDocumentStore that are most similar to an embedding.

        pipeline.add_component("retriever", NpvecEmbeddingRetriever(store, top_k=5))
        pipeline.connect("embedder.embedding", "retriever.query_embedding")
    """

    def __init__(
        self,
        document_store: NpvecDocumentStore,
        filters: dict[str, Any] | None = None,
        top_k: int = 10,
        filter_policy: FilterPolicy = FilterPolicy.REPLACE,
    ) -> None:
        """filter_policy: do the filters of a run replace those given here, or must both hold (MERGE)?"""
        if not isinstance(document_store, NpvecDocumentStore):
            raise TypeError(f"document_store: expected a NpvecDocumentStore, found {type(document_store).__name__}")
        if top_k < 1:
            raise ValueError(f"top_k: expected 1 or more, found {top_k}")
        self.document_store = document_store
        self.filters = filters
        self.top_k = top_k
        self.filter_policy = filter_policy

    def to_dict(self) -> dict[str, Any]:
        """The arguments that it was made with."""
        return default_to_dict(
            self,
            document_store=self.document_store.to_dict(),
            filters=self.filters,
            top_k=self.top_k,
            filter_policy=self.filter_policy.value,
        )

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> "NpvecEmbeddingRetriever":
        """The opposite of `to_dict`."""
        given = dict(data["init_parameters"])
        given["document_store"] = NpvecDocumentStore.from_dict(given["document_store"])
        if "filter_policy" in given:
            given["filter_policy"] = FilterPolicy.from_str(given["filter_policy"])
        return default_from_dict(cls, {**data, "init_parameters": given})

    @component.output_types(documents=list[Document])
    def run(
        self, query_embedding: list[float], filters: dict[str, Any] | None = None, top_k: int | None = None
    ) -> dict[str, list[Document]]:
        """query_embedding: numbers, as many as the store has dimensions. Returns {"documents": [...]}, best first."""
        chosen = apply_filter_policy(self.filter_policy, self.filters, filters)
        count = self.top_k if top_k is None else top_k
        return {"documents": self.document_store.embedding_retrieval(query_embedding, filters=chosen, top_k=count)}
