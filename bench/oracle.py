"""The true answers, in float64, by the definition of a score in include/npvec.h."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

LANES = 16
BLOCK = 8192
QUERIES_AT_ONCE = 32
# Any two orders of adding up to 65,536 float64 products of unit vectors differ by far less.
ORDER_SLACK = 1e-9
# Float32 systems may swap rows whose scores differ by less than their rounding: not counted as a miss.
FLOAT32_SLACK = 1e-6


def lane_dot(rows: np.ndarray, query: np.ndarray) -> np.ndarray:
    """dot(row, query) for each row: sixteen lanes in order, then added pairwise. Bit for bit what npvec defines."""
    width = -(-rows.shape[1] // LANES) * LANES
    products = np.zeros((len(rows), width))
    np.multiply(rows, query, out=products[:, : rows.shape[1]], dtype=np.float64)
    lanes = np.zeros((len(rows), LANES))
    for first in range(0, width, LANES):
        lanes += products[:, first : first + LANES]
    while lanes.shape[1] > 1:
        half = lanes.shape[1] // 2
        lanes = lanes[:, :half] + lanes[:, half:]
    return lanes[:, 0]


def normalised(query: np.ndarray) -> np.ndarray:
    """What a normalising store makes of a query: divided by its length in float64, rounded to float32."""
    length = np.sqrt(lane_dot(query[None], query)[0])
    return (query.astype(np.float64) / length).astype(np.float32)


@dataclass
class Truth:
    """For each query the row numbers and scores of the k nearest rows: best score first, then lowest row."""

    rows: np.ndarray
    scores: np.ndarray

    def first(self, k: int) -> Truth:
        return Truth(self.rows[:, :k], self.scores[:, :k])

    def of(self, queries: np.ndarray) -> Truth:
        return Truth(self.rows[queries], self.scores[queries])


def find(rows: np.ndarray, queries: np.ndarray, k: int) -> Truth:
    """A full scan in float64 picks the candidates; their scores are then computed as defined."""
    k = min(k, len(rows))
    asked = np.stack([normalised(query) for query in queries])
    found = Truth(np.empty((len(asked), k), np.int64), np.empty((len(asked), k)))
    for first in range(0, len(asked), QUERIES_AT_ONCE):
        group = asked[first : first + QUERIES_AT_ONCE]
        for i, scores in enumerate(_scores(rows, group), start=first):
            threshold = np.partition(scores, len(scores) - k)[len(scores) - k] - ORDER_SLACK
            candidates = np.flatnonzero(scores >= threshold)
            exact = lane_dot(rows[candidates], asked[i])
            order = np.lexsort((candidates, -exact))[:k]
            found.rows[i], found.scores[i] = candidates[order], exact[order]
    return found


def _scores(rows: np.ndarray, queries: np.ndarray) -> np.ndarray:
    wide = queries.astype(np.float64)
    scores = np.empty((len(queries), len(rows)))
    for first in range(0, len(rows), BLOCK):
        scores[:, first : first + BLOCK] = wide @ rows[first : first + BLOCK].astype(np.float64).T
    return scores


def wrong_answers(truth: Truth, answers: Sequence[Sequence[tuple[int, float]]]) -> int:
    """How many of npvec's answers differ from the truth in a row, the order or a bit of a score."""
    wrong = 0
    for rows, scores, hits in zip(truth.rows, truth.scores, answers, strict=True):
        wrong += hits != list(zip(rows.tolist(), scores.tolist(), strict=True))
    return wrong


def recall(truth: Truth, rows: np.ndarray, queries: np.ndarray, answers: Sequence[Sequence[int]]) -> float:
    """The share of the k nearest rows that was found, where a row as near as the k-th is as good as the k-th."""
    found = 0
    for scores, query, answer in zip(truth.scores, queries, answers, strict=True):
        distinct = np.unique(np.asarray(answer, np.int64))
        distinct = distinct[(distinct >= 0) & (distinct < len(rows))]
        near = rows[distinct].astype(np.float64) @ query.astype(np.float64) >= scores[-1] - FLOAT32_SLACK
        found += min(int(near.sum()), len(scores))
    return found / truth.scores.size
