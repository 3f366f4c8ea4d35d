#!/usr/bin/env python3
"""Moving to npvec from NumPy files, FAISS, Chroma and sqlite-vec. Copy the function that you need.

    pip install . && python examples/moving.py

makes a store of each kind whose package is installed, moves it, and compares the answers.
"""

import json
import sqlite3
import tempfile
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from npvec import VectorStore

HERE = Path(__file__).resolve().parent


def from_numpy(vectors_path, metadata_path):
    """An .npy file with a matrix, mapped and not read, and a file with a line of JSON for each row."""
    vectors = np.load(vectors_path, mmap_mode="r")
    store = VectorStore(vectors.shape[1])
    with open(metadata_path, encoding="utf-8") as lines:
        store.add(vectors, [json.loads(line) for line in lines])
    return store


def from_faiss(index, metadata):
    """A flat index: IndexFlatIP (ask with dot_search) or IndexFlatL2 (euclidean_search; FAISS squares its distances).

    Vectors stay as they are, because both depend on their lengths.
    """
    store = VectorStore(index.d, normalize=False)
    store.add(index.reconstruct_n(0, index.ntotal), metadata)
    return store


def from_chroma(collection, batch=10_000):
    """A collection with its ids, metadata and texts; `where` of its queries keeps working."""
    store = None
    for offset in range(0, collection.count(), batch):
        rows = collection.get(limit=batch, offset=offset, include=["embeddings", "metadatas", "documents"])
        vectors = np.asarray(rows["embeddings"], np.float32)
        metadata = [{**(fields or {}), "text": text} for fields, text in zip(rows["metadatas"], rows["documents"])]
        store = store or VectorStore(vectors.shape[1])
        store.add(vectors, metadata, ids=rows["ids"])
    return store


def from_sqlite_vec(connection, query):
    """Rows of a query: an id, the vector (a float32 column of vec0), and any columns, which become metadata."""
    cursor = connection.execute(query)
    names = [column[0] for column in cursor.description[2:]]
    rows = cursor.fetchall()
    vectors = np.frombuffer(b"".join(row[1] for row in rows), np.float32).reshape(len(rows), -1)
    store = VectorStore(vectors.shape[1])
    store.add(vectors, [dict(zip(names, row[2:])) for row in rows], ids=[row[0] for row in rows])
    return store


# ------------------------------------------------------------------------------------------------------ trying them out


def try_numpy(facts, query, directory):
    np.save(directory / "vectors.npy", facts.vectors)
    (directory / "facts.jsonl").write_text("".join(json.dumps(fact) + "\n" for fact in facts.metadata))
    theirs = np.argsort(-(facts.vectors @ query), kind="stable")[:5].tolist()
    store = from_numpy(directory / "vectors.npy", directory / "facts.jsonl")
    return theirs, [hit.index for hit in store.cosine_search(query, top_k=5)]


def try_faiss(facts, query, directory):
    import faiss

    index = faiss.IndexFlatIP(facts.dimensions)
    index.add(facts.vectors)
    faiss.write_index(index, str(directory / "facts.faiss"))
    store = from_faiss(faiss.read_index(str(directory / "facts.faiss")), facts.metadata)
    return index.search(query[None], 5)[1][0].tolist(), [hit.index for hit in store.dot_search(query, top_k=5)]


def try_chroma(facts, query, directory):
    import chromadb

    settings = chromadb.Settings(anonymized_telemetry=False)
    client = chromadb.PersistentClient(str(directory / "chroma"), settings)
    collection = client.create_collection("facts", metadata={"hnsw:space": "cosine"}, embedding_function=None)
    collection.add(
        ids=[f"fact-{row}" for row in range(len(facts))],
        embeddings=facts.vectors,
        documents=[fact["text"] for fact in facts.metadata],
        metadatas=[{"category": fact["category"], "year": fact.get("year", 0)} for fact in facts.metadata],
    )
    where = {"$and": [{"category": {"$in": ["chemistry", "history", "animals"]}}, {"year": {"$ne": 0}}]}
    theirs = collection.query(query_embeddings=query[None], n_results=5, where=where)["ids"][0]
    store = from_chroma(collection, batch=300)
    return theirs, [store.id_of(hit.index) for hit in store.cosine_search(query, top_k=5, where=where)]


def try_sqlite_vec(facts, query, directory):
    import sqlite_vec

    connection = sqlite3.connect(directory / "facts.db")
    connection.enable_load_extension(True)
    sqlite_vec.load(connection)
    connection.execute("CREATE VIRTUAL TABLE facts USING vec0(embedding float[384], category text, +text text)")
    connection.executemany(
        "INSERT INTO facts(rowid, embedding, category, text) VALUES (?, ?, ?, ?)",
        [
            (row, facts.vectors[row].tobytes(), fact["category"], fact["text"])
            for row, fact in enumerate(facts.metadata)
        ],
    )
    nearest = "SELECT rowid FROM facts WHERE embedding MATCH ? AND k = 5 AND category = 'chemistry' ORDER BY distance"
    theirs = [row for (row,) in connection.execute(nearest, [query.tobytes()])]
    store = from_sqlite_vec(connection, "SELECT rowid, embedding, category, text FROM facts ORDER BY rowid")
    return theirs, [
        int(store.id_of(hit.index)) for hit in store.cosine_search(query, top_k=5, where="category = 'chemistry'")
    ]


def is_available(package):
    loads_extensions = hasattr(sqlite3.Connection, "enable_load_extension")
    return find_spec(package) is not None and (package != "sqlite_vec" or loads_extensions)


def main():
    facts = VectorStore.open(HERE / "facts.npz")
    query = np.array(VectorStore.open(HERE / "queries.npz").vectors[13])
    tries = {"numpy": try_numpy, "faiss": try_faiss, "chromadb": try_chroma, "sqlite_vec": try_sqlite_vec}
    for package, attempt in tries.items():
        if not is_available(package):
            print(f"{package}: not available")
            continue
        with tempfile.TemporaryDirectory() as directory:
            theirs, ours = attempt(facts, query, Path(directory))
        print(f"{package}: {'the same rows' if theirs == ours else f'{theirs}, but npvec {ours}'}")


if __name__ == "__main__":
    main()
