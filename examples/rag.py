#!/usr/bin/env python3
"""Retrieval for a question: the facts that bear on it, put into a prompt for any language model. No network.

    pip install . && python examples/rag.py [number of a bundled question, 0 to 39] [condition]
    python examples/rag.py 13 "category = 'chemistry'"

The questions' vectors are bundled, too; elsewhere the model that embedded the facts embeds the question.
"""

import sys
from pathlib import Path

from npvec import VectorStore

HERE = Path(__file__).resolve().parent


def retrieve(store, vector, *, count=5, min_score=0.25, where=None):
    """The facts that are near enough to be worth reading, best first."""
    return store.cosine_search(vector, top_k=count, min_value=min_score, where=where)


def prompt(question, hits):
    """What a language model is to be asked: only what was found, each with a number to cite."""
    facts = "\n".join(f"[{hit.index}] {hit.metadata['text']}" for hit in hits)
    return (
        "Answer the question from these facts alone, and name those that you use by their numbers. "
        f"If they do not answer it, say so.\n\n{facts or '(nothing was found)'}\n\nQuestion: {question}"
    )


def main():
    number = int(sys.argv[1]) if len(sys.argv) > 1 else 13
    where = sys.argv[2] if len(sys.argv) > 2 else None
    facts = VectorStore.open(HERE / "facts.npz")
    vector, question = VectorStore.open(HERE / "queries.npz").get(number)
    print(prompt(question["text"], retrieve(facts, vector, where=where)))


if __name__ == "__main__":
    main()
