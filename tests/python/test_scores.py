"""Searches against the definition of a score in npvec.h, spelled out once more in NumPy: ids, order and every bit."""

import json
from pathlib import Path

import numpy as np
import pytest

import store as npvec
from store import Store

EXAMPLES = Path(__file__).parents[2] / "examples"
METRICS = {"cosine": npvec.COSINE, "dot": npvec.DOT, "euclidean": npvec.EUCLIDEAN}


def sum_in_lanes(products):
    """The sums of the rows of `products`: 16 lanes filled in order, then added pairwise."""
    rows, dimensions = products.shape
    padded = np.zeros((rows, -(-dimensions // 16) * 16))
    padded[:, :dimensions] = products
    lanes = np.zeros((rows, 16))
    for block in padded.reshape(rows, -1, 16).transpose(1, 0, 2):
        lanes = lanes + block
    for half in (8, 4, 2, 1):
        lanes = lanes[:, :half] + lanes[:, half:]
    return lanes[:, 0]


def dot(a, b):
    return sum_in_lanes(a.astype(np.float64) * b.astype(np.float64))


def lengths(vectors):
    return np.sqrt(dot(vectors, vectors))


def unit(vectors):
    return (vectors.astype(np.float64) / lengths(vectors)[:, None]).astype(np.float32)


def scores(rows, query, metric, normalize):
    if normalize or metric == "cosine":
        query = unit(query[None])[0]
    if metric == "euclidean":
        return np.sqrt(sum_in_lanes((query.astype(np.float64) - rows.astype(np.float64)) ** 2))
    products = dot(rows, query[None])
    return products / lengths(rows) if metric == "cosine" and not normalize else products


def best(rows, query, metric, normalize, k, limit=None, eligible=None):
    """The (row, score) of the best k rows, in the order of npvec.h."""
    values = scores(rows, query, metric, normalize)
    taken = np.ones(len(rows), bool)
    if eligible is not None:
        taken[:] = False
        taken[eligible] = True
    if limit is not None:
        taken &= values <= limit if metric == "euclidean" else values >= limit
    order = np.argsort(values if metric == "euclidean" else -values, kind="stable")
    return [(int(row), values[row]) for row in order[taken[order]][:k]]


def bits(hits):
    return [(row, float(score).hex()) for row, score in hits]


def random_rows(count, dimensions, seed):
    """Some of them equal, some equal but for one bit, some of few different numbers: all kinds of ties."""
    random = np.random.default_rng(seed)
    rows = random.standard_normal((count, dimensions)).astype(np.float32)
    coarse = count // 3
    rows[:coarse] = random.integers(-2, 3, (coarse, dimensions)) + 0.5
    copies = random.integers(0, count, count // 4)
    rows[random.permutation(count)[: len(copies)]] = rows[copies]
    nudged = random.integers(0, count, count // 8)
    rows[nudged, 0] = np.nextafter(rows[nudged, 0], np.float32(9))
    return rows


@pytest.fixture(params=[(1, 1), (7, 3), (300, 15), (300, 16), (500, 17), (700, 100), (400, 384), (5000, 4), (20000, 48)], ids=str)
def rows(request):
    return random_rows(*request.param, seed=sum(request.param))


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("normalize", [True, False], ids=["normalized", "raw"])
@pytest.mark.parametrize("metric", METRICS)
def test_ids_order_and_bits_are_those_of_the_definition(rows, metric, normalize, threads):
    store = Store.create(rows.shape[1], normalize=normalize, threads=threads)
    store.add(rows)
    stored = unit(rows) if normalize else rows
    assert store.vectors().tobytes() == stored.tobytes()
    queries = np.concatenate([random_rows(6, rows.shape[1], seed=1), rows[-2:]])
    for k in (1, 10, len(rows) + 5):
        for query, hits in zip(queries, store.search(queries, k=k, metric=METRICS[metric])):
            assert bits(hits) == bits(best(stored, query, metric, normalize, k))


@pytest.mark.parametrize("normalize", [True, False], ids=["normalized", "raw"])
@pytest.mark.parametrize("metric", METRICS)
def test_limits_are_inclusive_to_the_last_bit(metric, normalize):
    rows = random_rows(600, 24, seed=3)
    store = Store.create(24, normalize=normalize)
    store.add(rows)
    stored = unit(rows) if normalize else rows
    option, worse = ("max_distance", np.inf) if metric == "euclidean" else ("min_score", -np.inf)
    query = random_rows(3, 24, seed=4)[2]
    every = best(stored, query, metric, normalize, k=600)
    for place in (0, 1, 100, 599):
        limit = every[place][1]
        for limit in (limit, np.nextafter(limit, worse), np.nextafter(limit, -worse)):
            hits = store.search(query[None], k=600, metric=METRICS[metric], **{option: limit})[0]
            assert bits(hits) == bits(best(stored, query, metric, normalize, 600, limit))
    assert store.search(query[None], k=600, metric=METRICS[metric], **{option: -worse})[0] == []


@pytest.mark.parametrize("normalize", [True, False], ids=["normalized", "raw"])
@pytest.mark.parametrize("metric", METRICS)
def test_searches_within_rows_look_at_no_others(metric, normalize):
    rows = random_rows(600, 24, seed=5)
    store = Store.create(24, normalize=normalize)
    store.add(rows)
    stored = unit(rows) if normalize else rows
    query = random_rows(3, 24, seed=6)[2]
    for count in (0, 1, 50, 600):
        eligible = np.random.default_rng(count).permutation(600)[:count]
        hits = store.search(query[None], k=20, metric=METRICS[metric], within_rows=eligible)[0]
        assert bits(hits) == bits(best(stored, query, metric, normalize, 20, eligible=eligible))


@pytest.mark.parametrize("normalize", [True, False], ids=["normalized", "raw"])
@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("scale", [1e-30, 1e30])
def test_very_small_and_very_large_numbers_neither_vanish_nor_overflow(scale, metric, normalize):
    rows = random_rows(200, 40, seed=7) * np.float32(scale)
    store = Store.create(40, normalize=normalize)
    store.add(rows)
    stored = unit(rows) if normalize else rows
    query = random_rows(3, 40, seed=8)[2] * np.float32(scale)
    hits = store.search(query[None], k=200, metric=METRICS[metric])[0]
    assert bits(hits) == bits(best(stored, query, metric, normalize, 200))
    assert all(np.isfinite(score) for _, score in hits)


def load(name):
    with np.load(EXAMPLES / name, allow_pickle=True) as file:
        return file["vectors"], file["metadata"]


@pytest.mark.parametrize("metric", METRICS)
def test_facts_are_found_as_the_definition_finds_them(metric):
    facts, documents = load("facts.npz")
    queries, _ = load("queries.npz")
    store = Store.open(EXAMPLES / "facts.npz")
    assert store.vectors().tobytes() == facts.tobytes()
    for query, hits in zip(queries, store.search(queries, k=len(facts), metric=METRICS[metric])):
        assert bits(hits) == bits(best(facts, query, metric, True, len(facts)))
    assert [json.loads(store.document(row)) for row in range(len(facts))] == documents.tolist()


def test_the_examples_find_as_many_answers_as_their_readme_says():
    queries, questions = load("queries.npz")
    found = Store.open(EXAMPLES / "facts.npz").search(queries, k=5)
    rows = [[row for row, _ in hits] for hits in found]
    assert sum(question["answer"] == hits[0] for question, hits in zip(questions, rows)) == 28
    assert sum(question["answer"] in hits for question, hits in zip(questions, rows)) == 37
