"""A LangChain vector store in one .npz file. `pip install 'npvec[langchain]'`."""

import threading
import uuid
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from . import VectorStore as Store
from ._frameworks import diverse, missing_package
from ._inputs import PathInput, Where, file_path

try:
    from langchain_core.documents import Document
    from langchain_core.embeddings import Embeddings
    from langchain_core.runnables import run_in_executor
    from langchain_core.vectorstores import VectorStore
except ImportError as error:
    raise missing_package("langchain", error) from error

__all__ = ["NpvecVectorStore"]


class NpvecVectorStore(VectorStore):
    """Documents with their vectors, searched exactly by cosine.

        store = NpvecVectorStore.from_texts(texts, embedding, metadatas, path="notes.npz")
        store.similarity_search("light", k=3, filter={"year": {"$gte": 1900}})
        store.save()
        store = NpvecVectorStore(embedding, path="notes.npz")

    A row's metadata is the document's, with its text under `text_key`: any store that has texts can be opened. `filter` of
    all searches is a condition of npvec on that metadata (docs/filters.md): a dict, or text, with `params` for each `?`.
    Scores are cosines. What was changed is in memory until `save`.
    """

    def __init__(
        self,
        embedding: Embeddings,
        *,
        path: PathInput | None = None,
        store: Store[Any] | None = None,
        text_key: str = "text",
        allow_pickle: bool = False,
    ) -> None:
        """path: of the file; opened if it is there, else made by `save`. store: one to use instead.

        allow_pickle: as of VectorStore.open, for files with metadata that is not JSON.
        """
        if path is not None and store is not None:
            raise ValueError("NpvecVectorStore: expected a path or a store, found both")
        self._embedding = embedding
        self._path = None if path is None else file_path(path)
        self._text_key = text_key
        self._lock = threading.Lock()
        self._store = store
        if self._path is not None and self._path.exists():
            self._store = Store.open(self._path, allow_pickle=allow_pickle)

    @classmethod
    def from_texts(
        cls,
        texts: list[str],
        embedding: Embeddings,
        metadatas: list[dict[str, Any]] | None = None,
        *,
        ids: list[str] | None = None,
        **kwargs: Any,
    ) -> "NpvecVectorStore":
        """A store of these texts; added to those in the file, if `path` is one. kwargs: as of the class."""
        made = cls(embedding, **kwargs)
        made.add_texts(texts, metadatas, ids=ids)
        return made

    @classmethod
    async def afrom_texts(
        cls,
        texts: list[str],
        embedding: Embeddings,
        metadatas: list[dict[str, Any]] | None = None,
        *,
        ids: list[str] | None = None,
        **kwargs: Any,
    ) -> "NpvecVectorStore":
        """`from_texts`, with the asynchronous embedding."""
        made = await run_in_executor(None, lambda: cls(embedding, **kwargs))
        await made.aadd_texts(texts, metadatas, ids=ids)
        return made

    @property
    def embeddings(self) -> Embeddings:
        """What makes vectors of texts."""
        return self._embedding

    @property
    def store(self) -> Store[Any] | None:
        """The rows, for all that npvec can do; None before the first are added."""
        return self._store

    def __len__(self) -> int:
        """How many documents there are."""
        return 0 if self._store is None else len(self._store)

    def __bool__(self) -> bool:
        """A store is true when it is empty, too."""
        return True

    def save(self, path: PathInput | None = None) -> None:
        """Writes the file `path`, or the one of before. Raises ValueError if there is none."""
        target = self._path if path is None else file_path(path)
        if self._store is None:
            raise ValueError("save: expected documents, found none yet, so that dimensions are unknown")
        self._store.save(target)
        self._path = self._store.file_path

    # --------------------------------------------------------------------------------------------------- add and delete

    def _rows_of(
        self, texts: Iterable[str], metadatas: Sequence[dict[str, Any]] | None, ids: Sequence[str | None] | None
    ) -> tuple[list[str], list[dict[str, Any]], list[str]]:
        """Texts, metadata with them in it, and ids, made where there are none."""
        given = list(texts)
        some = metadatas if metadatas is not None else [{}] * len(given)
        names = ids if ids is not None else [None] * len(given)
        for what, values in (("metadatas", some), ("ids", names)):
            if len(values) != len(given):
                raise ValueError(f"{what}: expected {len(given)}, one a text, found {len(values)}")
        rows = []
        for text, metadata in zip(given, some):
            if self._text_key in metadata:
                raise ValueError(
                    f"metadata: expected no key {self._text_key!r}, which is for the text; choose another as text_key"
                )
            rows.append({self._text_key: text, **metadata})
        return given, rows, [name or str(uuid.uuid4()) for name in names]

    def _upsert(self, vectors: Sequence[Sequence[float]], rows: list[dict[str, Any]], ids: list[str]) -> list[str]:
        if not ids:
            return []
        last = {name: position for position, name in enumerate(ids)}
        array = np.asarray(vectors, np.float32)
        if array.ndim != 2 or len(array) != len(ids):
            raise ValueError(f"embedding: expected {len(ids)} vectors of one length, found shape {array.shape}")
        with self._lock:
            if self._store is None:
                self._store = Store(array.shape[1])
        kept = list(last.values())
        self._store.upsert(array[kept], [rows[position] for position in kept], ids=last)
        return ids

    def add_texts(
        self,
        texts: Iterable[str],
        metadatas: list[dict[str, Any]] | None = None,
        *,
        ids: Sequence[str | None] | None = None,
        **kwargs: Any,
    ) -> list[str]:
        """Adds texts, or replaces those whose ids are there, and returns all ids."""
        given, rows, names = self._rows_of(texts, metadatas, ids)
        return self._upsert(self._embedding.embed_documents(given), rows, names) if given else []

    async def aadd_texts(
        self,
        texts: Iterable[str],
        metadatas: list[dict[str, Any]] | None = None,
        *,
        ids: Sequence[str | None] | None = None,
        **kwargs: Any,
    ) -> list[str]:
        """`add_texts`, with the asynchronous embedding."""
        given, rows, names = self._rows_of(texts, metadatas, ids)
        if not given:
            return []
        vectors = await self._embedding.aembed_documents(given)
        return await run_in_executor(None, self._upsert, vectors, rows, names)

    def delete(
        self,
        ids: list[str] | None = None,
        *,
        filter: Where | None = None,
        params: Sequence[Any] | None = None,
        **kwargs: Any,
    ) -> bool:
        """Deletes documents by ids or by a condition, or all if there is neither. Ids that are not there are passed over."""
        if self._store is None:
            return True
        if ids is None and filter is None:
            self._store.clear()
        else:
            self._store.delete(ids, where=filter, params=params)
        return True

    # --------------------------------------------------------------------------------------------------- get and search

    def _document(self, row: int, metadata: Any) -> Document:
        assert self._store is not None
        fields = dict(metadata) if isinstance(metadata, dict) else {"metadata": metadata}
        text = fields.pop(self._text_key, "")
        return Document(id=self._store.id_of(row), page_content=str(text), metadata=fields)

    def get_by_ids(self, ids: Sequence[str], /) -> list[Document]:
        """The documents with these ids, in their order; those that are not there are left out."""
        found = [] if self._store is None else [(name, self._store.row_of(name)) for name in ids]
        rows = [(row, self._store.get(row)) for _, row in found if self._store is not None and row is not None]
        return [self._document(row, got[1]) for row, got in rows if got is not None]

    def _hits(
        self, vector: npt.ArrayLike, k: int, filter: Where | None, params: Sequence[Any] | None
    ) -> list[tuple[int, float, Any]]:
        if self._store is None:
            return []
        return self._store.search(vector, k, -float("inf"), where=filter, params=params)

    def similarity_search_with_score_by_vector(
        self,
        embedding: list[float],
        k: int = 4,
        *,
        filter: Where | None = None,
        params: Sequence[Any] | None = None,
        **kwargs: Any,
    ) -> list[tuple[Document, float]]:
        """The `k` documents nearest to a vector, with their cosines, best first."""
        hits = self._hits(embedding, k, filter, params)
        return [(self._document(row, metadata), score) for row, score, metadata in hits]

    def similarity_search_by_vector(self, embedding: list[float], k: int = 4, **kwargs: Any) -> list[Document]:
        """The `k` documents nearest to a vector. kwargs: filter, params."""
        return [document for document, _ in self.similarity_search_with_score_by_vector(embedding, k, **kwargs)]

    def similarity_search_with_score(self, query: str, k: int = 4, **kwargs: Any) -> list[tuple[Document, float]]:
        """The `k` documents nearest to a text, with their cosines. kwargs: filter, params."""
        return self.similarity_search_with_score_by_vector(self._embedding.embed_query(query), k, **kwargs)

    async def asimilarity_search_with_score(
        self, query: str, k: int = 4, **kwargs: Any
    ) -> list[tuple[Document, float]]:
        """`similarity_search_with_score`, with the asynchronous embedding."""
        vector = await self._embedding.aembed_query(query)
        return await run_in_executor(None, self.similarity_search_with_score_by_vector, vector, k, **kwargs)

    def similarity_search(self, query: str, k: int = 4, **kwargs: Any) -> list[Document]:
        """The `k` documents nearest to a text. kwargs: filter, params."""
        return [document for document, _ in self.similarity_search_with_score(query, k, **kwargs)]

    async def asimilarity_search(self, query: str, k: int = 4, **kwargs: Any) -> list[Document]:
        """`similarity_search`, with the asynchronous embedding."""
        return [document for document, _ in await self.asimilarity_search_with_score(query, k, **kwargs)]

    def _select_relevance_score_fn(self) -> Callable[[float], float]:
        """Cosines are relevance; those below 0 count as 0."""
        return lambda score: min(max(score, 0.0), 1.0)

    def max_marginal_relevance_search_by_vector(
        self,
        embedding: list[float],
        k: int = 4,
        fetch_k: int = 20,
        lambda_mult: float = 0.5,
        *,
        filter: Where | None = None,
        params: Sequence[Any] | None = None,
        **kwargs: Any,
    ) -> list[Document]:
        """`k` of the `fetch_k` nearest documents, near the vector (lambda_mult 1) and unlike each other (0)."""
        hits = self._hits(embedding, fetch_k, filter, params)
        if self._store is None or not hits:
            return []
        vectors = self._store.vectors[[row for row, _, _ in hits]]
        chosen = diverse(embedding, vectors, k, lambda_mult)
        return [self._document(hits[position][0], hits[position][2]) for position in chosen]

    def max_marginal_relevance_search(
        self, query: str, k: int = 4, fetch_k: int = 20, lambda_mult: float = 0.5, **kwargs: Any
    ) -> list[Document]:
        """The same for a text. kwargs: filter, params."""
        vector = self._embedding.embed_query(query)
        return self.max_marginal_relevance_search_by_vector(vector, k, fetch_k, lambda_mult, **kwargs)
