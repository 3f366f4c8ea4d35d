"""One release of numpy-vector-store, the one on PYTHONPATH, at work on a file.

    python original.py save PATH normalized|raw     makes a store of vectors() and DOCUMENTS, and saves it
    python original.py open PATH normalized|raw     opens one

Both print as JSON what the store holds and finds.
"""

import json
import sys

import numpy as np

from samples import objects, spell

DIMENSIONS = 8
DOCUMENTS = [{"number": row, "text": f"row {row}", "tags": ("a", 2.5, None)} for row in range(30)]
TOP = 5


def vectors():
    return np.random.default_rng(5).standard_normal((len(DOCUMENTS), DIMENSIONS)).astype(np.float32) * 3


def queries():
    return np.random.default_rng(6).standard_normal((4, DIMENSIONS)).astype(np.float32) * 2


def version():
    from numpy_vector_store import __version__

    return tuple(map(int, __version__.split(".")))


def new_store(path, normalize):
    from numpy_vector_store import VectorStore

    if version() < (0, 3):
        return VectorStore(DIMENSIONS, path)
    if version() < (0, 4):
        return VectorStore(DIMENSIONS, path, normalize=normalize)
    return VectorStore(DIMENSIONS, normalize=normalize)


def save_store(path, normalize):
    store = new_store(path, normalize)
    if version() < (0, 2):
        store.add_vectors(vectors(), objects(DOCUMENTS))
    else:
        store.add(vectors(), DOCUMENTS)
    if version() < (0, 4):
        store.save()
    else:
        store.save(path)
    return store


def open_store(path, normalize):
    from numpy_vector_store import VectorStore

    if version() >= (0, 4):
        return VectorStore.open(path)
    store = new_store(path, normalize)
    store.load()
    return store


def search(store, metric):
    """(row, score) of the best rows for each of the queries, or None if this release does not know the metric."""
    if version() < (0, 2):
        find = store.search if metric == "cosine" else None
        hits = [find(query, TOP, score_cutoff=-1) for query in queries()] if find else None
        return hits and [[(row, score) for row, score, _ in found] for found in hits]
    find = getattr(store, f"{metric}_search", None)
    return find and [[(hit.index, hit.value) for hit in find(query, top_k=TOP)] for query in queries()]


def report(store):
    return {
        "vectors": np.asarray(store.vectors, "<f4").tobytes().hex(),
        "documents": [spell(document) for document in store.metadata],
        "hits": {metric: search(store, metric) for metric in ("cosine", "dot", "euclidean")},
    }


if __name__ == "__main__":
    command, path, kind = sys.argv[1:]
    store = {"save": save_store, "open": open_store}[command](path, kind == "normalized")
    json.dump(report(store), sys.stdout)
