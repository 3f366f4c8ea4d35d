"""FAISS, flat and HNSW, and hnswlib."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from systems.base import Search, System, TunedSystem

M = 16
EF_CONSTRUCTION = 200


class FaissFlat(System):
    name = "FAISS flat"
    packages = ("faiss-cpu",)
    suffix = ".flat.faiss"
    settings = "IndexFlatIP; FAISS scans for one query with one thread"

    def load(self) -> None:
        import faiss

        faiss.omp_set_num_threads(self.threads)
        self.faiss = faiss

    def build(self, vectors: Any, path: Path) -> None:
        index = self.make(vectors.shape[1])
        index.add(vectors)
        self.faiss.write_index(index, str(path))

    def make(self, dimensions: int) -> Any:
        return self.faiss.IndexFlatIP(dimensions)

    def open(self, path: Path, cold: bool) -> None:
        self.index = self.faiss.read_index(str(path))

    def prepare(self, queries: Any, k: int) -> Search:
        search = self.index.search
        return lambda: search(queries, k)

    def rows(self, answer: Any) -> Any:
        return answer[1]


class FaissShards(FaissFlat):
    name = "FAISS flat shards"
    suffix = ".shards.faiss"
    settings = "IndexShards over one IndexFlatIP a thread, so that one query uses all threads"

    def open(self, path: Path, cold: bool) -> None:
        whole = self.faiss.read_index(str(path))
        rows, dimensions = whole.ntotal, whole.d
        vectors = self.faiss.rev_swig_ptr(whole.get_xb(), rows * dimensions).reshape(rows, dimensions)
        self.index = self.faiss.IndexShards(dimensions, True, True)
        self.parts = []
        for i in range(self.threads):
            part = self.make(dimensions)
            part.add(vectors[rows * i // self.threads : rows * (i + 1) // self.threads])
            self.parts.append(part)
            self.index.add_shard(part)


class FaissHnsw(FaissFlat, TunedSystem):
    name = "FAISS HNSW"
    suffix = ".hnsw.faiss"
    settings = f"IndexHNSWFlat, M={M}, efConstruction={EF_CONSTRUCTION}, inner product; efSearch tuned"
    copies = 1.1

    def make(self, dimensions: int) -> Any:
        index = self.faiss.IndexHNSWFlat(dimensions, M, self.faiss.METRIC_INNER_PRODUCT)
        index.hnsw.efConstruction = EF_CONSTRUCTION
        return index

    def set_effort(self, effort: int) -> None:
        self.effort = effort
        self.index.hnsw.efSearch = effort


class Hnswlib(TunedSystem):
    name = "hnswlib"
    packages = ("hnswlib",)
    suffix = ".hnswlib"
    settings = f"inner product, M={M}, ef_construction={EF_CONSTRUCTION}; ef tuned"
    copies = 1.1

    def load(self) -> None:
        import hnswlib
        import numpy

        self.hnswlib, self.np = hnswlib, numpy

    def build(self, vectors: Any, path: Path) -> None:
        index = self.hnswlib.Index("ip", vectors.shape[1])
        index.init_index(len(vectors), M=M, ef_construction=EF_CONSTRUCTION)
        index.add_items(vectors, num_threads=self.threads)
        index.save_index(str(path))
        # The file does not say how long a vector is, and whoever opens it must.
        path.with_suffix(".dimensions").write_text(str(vectors.shape[1]))

    def open(self, path: Path, cold: bool) -> None:
        self.index = self.hnswlib.Index("ip", int(path.with_suffix(".dimensions").read_text()))
        self.index.load_index(str(path))
        self.index.set_num_threads(self.threads)

    def set_effort(self, effort: int) -> None:
        self.effort = effort
        self.index.set_ef(effort)

    def prepare(self, queries: Any, k: int) -> Search:
        search = self.index.knn_query
        return lambda: search(queries, k)

    def rows(self, answer: Any) -> Any:
        return answer[0].astype(self.np.int64)
