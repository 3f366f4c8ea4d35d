"""A LangChain vector store in one .npz file. `pip install 'npvec[langchain]'`."""

# The package passes mypy --strict also where the framework is not installed.
# mypy: disable-error-code="import-not-found, misc, no-any-return"

import uuid
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy.typing as npt

from . import VectorStore as Store
from ._frameworks import Documents, diverse, missing_package, steady
from ._inputs import PathInput, Where

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

    A row's metadata is the document's, with its text under `text_key`: any store that has texts can be opened. `filter`
    of all searches is a condition of npvec on that metadata (docs/filters.md): a dict, or text, with `params` for each
    `?`. Scores are cosines. What was changed is in memory until `save`.
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
        self._embedding = embedding
        self._documents = Documents(path, store, text_key=text_key, allow_pickle=allow_pickle)

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
        return self._documents.store

    def __len__(self) -> int:
        """How many documents there are."""
        return len(self._documents)

    def __bool__(self) -> bool:
        """A store is true when it is empty, too."""
        return True

    def save(self, path: PathInput | None = None) -> None:
        """Writes the file `path`, or the one of before. Raises ValueError if there is none."""
        self._documents.save(path)

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
        rows = [self._documents.row(text, metadata) for text, metadata in zip(given, some)]
        return given, rows, [name or str(uuid.uuid4()) for name in names]

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
        if given:
            self._documents.upsert(self._embedding.embed_documents(given), rows, names)
        return names

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
        if given:
            vectors = await self._embedding.aembed_documents(given)
            await run_in_executor(None, self._documents.upsert, vectors, rows, names)
        return names

    def delete(
        self,
        ids: list[str] | None = None,
        *,
        filter: Where | None = None,
        params: Sequence[Any] | None = None,
        **kwargs: Any,
    ) -> bool:
        """Deletes documents by ids or by a condition; all if there is neither. Ids of no document are passed over."""
        if self.store is not None:
            if ids is None and filter is None:
                self.store.clear()
            else:
                self.store.delete(ids, where=filter, params=params)
        return True

    # --------------------------------------------------------------------------------------------------- get and search

    def _document(self, name: str | None, metadata: Any) -> Document:
        text, fields = self._documents.parts(metadata)
        return Document(id=name, page_content=text or "", metadata=fields)

    def get_by_ids(self, ids: Sequence[str], /) -> list[Document]:
        """The documents with these ids, in their order; those that are not there are left out."""
        if self.store is None:
            return []
        found = [(name, self.store.get(id=name)) for name in ids]
        return [self._document(name, row[1]) for name, row in found if row is not None]

    def _hits(
        self, vector: npt.ArrayLike, k: int, filter: Where | None, params: Sequence[Any] | None
    ) -> list[tuple[int, float, Document]]:
        store = self.store
        if store is None:
            return []

        def read() -> list[tuple[int, float, str | None, Any]]:
            hits = store.search(vector, k, -float("inf"), where=filter, params=params)
            return [(row, score, store.id_of(row), metadata) for row, score, metadata in hits]

        found = steady(store, read)
        return [(row, score, self._document(name, metadata)) for row, score, name, metadata in found]

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
        return [(document, score) for _, score, document in self._hits(embedding, k, filter, params)]

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
        store = self.store
        if store is None:
            return []

        def read() -> tuple[list[tuple[int, float, Document]], npt.NDArray[Any]]:
            hits = self._hits(embedding, fetch_k, filter, params)
            return hits, store.vectors[[row for row, _, _ in hits]]

        hits, vectors = steady(store, read)
        return [hits[position][2] for position in diverse(embedding, vectors, k, lambda_mult)]

    def max_marginal_relevance_search(
        self, query: str, k: int = 4, fetch_k: int = 20, lambda_mult: float = 0.5, **kwargs: Any
    ) -> list[Document]:
        """The same for a text. kwargs: filter, params."""
        vector = self._embedding.embed_query(query)
        return self.max_marginal_relevance_search_by_vector(vector, k, fetch_k, lambda_mult, **kwargs)
