"""npvec and the exact searches that keep all rows in memory: NumPy, numpy-vector-store, usearch."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from systems.base import Search, System


class Npvec(System):
    name = "npvec"
    suffix = ".npz"
    settings = "the release build through ctypes; an .npz that it saved, mapped; cosine"
    copies = 0.3  # what it derives from the rows; they stay in the mapped file

    def load(self) -> None:
        import npvec

        npvec.load()
        self.npvec = npvec

    def build(self, vectors: Any, path: Path) -> None:
        store = self.npvec.Store.create(vectors.shape[1], self.threads)
        store.add(vectors, *vectors.shape)
        store.save(str(path))
        store.close()

    def open(self, path: Path, cold: bool) -> None:
        self.store = self.npvec.Store.open_file(str(path), self.threads)

    def prepare(self, queries: Any, k: int, exhaustive: bool = False, condition: Any = None) -> Search:
        return self.store.prepare(queries, *queries.shape, k, exhaustive, condition=condition)

    def explain(self, queries: Any, k: int, condition: Any = None) -> dict[str, Any]:
        return self.store.explain(queries, *queries.shape, k, condition)

    def scored(self, answer: Any) -> list[list[tuple[int, float]]]:
        return self.store.take(answer)

    def rows(self, answer: Any) -> list[list[int]]:
        return [[row for row, _ in hits] for hits in self.scored(answer)]

    def close(self) -> None:
        self.store.close()
        super().close()


class Numpy(System):
    name = "NumPy"
    packages = ("numpy",)
    suffix = ".npy"
    settings = "np.dot into a buffer kept for it, np.argpartition, then a sort of the k; .npy in memory (cold: mapped)"
    copies = 0.0  # shares the rows that the benchmark itself holds

    def load(self) -> None:
        import numpy

        self.np = numpy

    def build(self, vectors: Any, path: Path) -> None:
        self.np.save(path, vectors)

    def open(self, path: Path, cold: bool) -> None:
        self.vectors = self.np.load(path, mmap_mode="r" if cold else None)

    def share(self, vectors: Any) -> None:
        """Searches these rows instead of a second copy of them."""
        self.vectors = vectors

    def prepare(self, queries: Any, k: int) -> Search:
        np, vectors = self.np, self.vectors
        k = min(k, len(vectors))
        first = len(vectors) - k

        def one() -> Any:
            np.dot(vectors, query, out=scores)
            best = np.argpartition(scores, first)[first:]
            return best[np.argsort(scores[best])[::-1]]

        def many() -> Any:
            np.dot(queries, vectors.T, out=scores)
            best = np.argpartition(scores, first, axis=1)[:, first:]
            order = np.argsort(np.take_along_axis(scores, best, 1), axis=1)[:, ::-1]
            return np.take_along_axis(best, order, 1)

        if len(queries) == 1:
            query, scores = queries[0], self.buffer(len(vectors))
            return one
        scores = self.buffer(len(queries), len(vectors))
        return many

    def buffer(self, *shape: int) -> Any:
        """One array of scores for all searches of a shape: each of them writes it anew."""
        buffers = self.__dict__.setdefault("buffers", {})
        if shape not in buffers:
            buffers[shape] = self.np.empty(shape, self.np.float32)
        return buffers[shape]

    def rows(self, answer: Any) -> Any:
        return answer.reshape(-1, answer.shape[-1])


class NumpyVectorStore(System):
    name = "numpy-vector-store"
    packages = ("numpy-vector-store", "numpy")
    suffix = ".nvs.npz"
    settings = "cosine_search, normalize=True; the rows' documents are None; a batch is a loop"

    def load(self) -> None:
        import numpy_vector_store

        self.module = numpy_vector_store

    def build(self, vectors: Any, path: Path) -> None:
        store = self.module.VectorStore(vectors.shape[1])
        store.add(vectors, [None] * len(vectors))
        store.save(path)

    def open(self, path: Path, cold: bool) -> None:
        self.store = self.module.VectorStore.open(path)

    def prepare(self, queries: Any, k: int) -> Search:
        search = self.store.cosine_search
        return lambda: [search(query, top_k=k) for query in queries]

    def rows(self, answer: Any) -> list[list[int]]:
        return [[hit.index for hit in hits] for hits in answer]


class Usearch(Numpy):
    name = "usearch exact"
    packages = ("usearch", "numpy")
    settings = "usearch.index.search(exact=True), inner product, the same array as NumPy"

    def load(self) -> None:
        super().load()
        from usearch.index import MetricKind, search

        self.search, self.metric = search, MetricKind.IP

    def prepare(self, queries: Any, k: int) -> Search:
        search, vectors, metric, threads = self.search, self.vectors, self.metric, self.threads
        asked = queries[0] if len(queries) == 1 else queries
        return lambda: search(vectors, asked, k, metric, exact=True, threads=threads)

    def rows(self, answer: Any) -> Any:
        return answer.keys.reshape(-1, answer.keys.shape[-1]).astype(self.np.int64)
