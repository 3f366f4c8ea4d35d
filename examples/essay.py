#!/usr/bin/env python3
"""A vector store is an array, metadata beside it, and one file: the whole life of a store, on the bundled facts.

    pip install . && python examples/essay.py
"""

import tempfile
from pathlib import Path

import numpy as np

from npvec import VectorStore

HERE = Path(__file__).resolve().parent
SCHEMA = {"text": "U200", "category": "U20", "country": "U30", "year": "i4"}

facts = VectorStore.open(HERE / "facts.npz")
questions = VectorStore.open(HERE / "queries.npz")
with_year = [row for row, fact in enumerate(facts.metadata) if "year" in fact]
records = np.array(
    [tuple(facts.metadata[row].get(field, "") for field in SCHEMA) for row in with_year], dtype=list(SCHEMA.items())
)

with tempfile.TemporaryDirectory() as directory:
    path = Path(directory) / "history.npz"

    # Leaving the block saves the store.
    with VectorStore(dimensions=384, file_path=path, metadata_schema=SCHEMA) as store:
        store.add_vectors(facts.vectors[with_year], records)
    print(f"{len(store)} rows in a file of {path.stat().st_size // 1024} KiB")

    store = VectorStore(dimensions=384, file_path=path, metadata_schema=SCHEMA)
    store.load()

    # Search: tuples of row, score and metadata.
    question, vector = questions.metadata[34]["text"], questions.vectors[34]
    print(f"\n{question}")
    for _, score, fact in store.search(vector, top_k=3):
        print(f"  {score:.3f}  {fact['year']:>5}  {fact['text']}")

    # Fields are columns: mask, sort and count with NumPy.
    years = store.metadata["year"]
    print(f"\n{np.count_nonzero(years < 0)} facts before our era; the oldest:")
    for row in np.argsort(years, kind="stable")[:2]:
        print(f"  {years[row]:>5}  {store.get(row)[1]['text']}")
    music = store.metadata["category"] == "music"
    print(f"\nthe mean of {np.count_nonzero(music)} vectors about music is nearest to:")
    for _, score, fact in store.search(store.vectors[music].mean(axis=0), top_k=1):
        print(f"  {score:.3f}  {fact['text']}")

    # What a mask selects, a search can be kept to; or a condition does it in one step.
    italian = np.flatnonzero(store.metadata["country"] == "Italy")
    by_mask = store.search(vector, top_k=2, within_rows=italian)
    by_condition = store.search(vector, top_k=2, where="country = 'Italy'")
    print(f"\nin Italy: rows {[hit[0] for hit in by_mask]}, by a condition {[hit[0] for hit in by_condition]}")

    # The file is NumPy's.
    with np.load(path) as members:
        print(f"\nnp.load: {', '.join(f'{name} {members[name].shape}' for name in ('vectors', 'metadata'))}")
