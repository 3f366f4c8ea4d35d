"""The rows that are searched and the queries that are asked: real embeddings, realistic ones, noise."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

EXAMPLES = Path(__file__).resolve().parent.parent / "examples"
SEED = 20240229
BLOCK = 16384

# The spectrum of the self-made set: of text embeddings it has the mean cosine between rows (about .56) and the
# participation ratio (about 85 directions), but not the clusters.
MEAN_LENGTH = 0.75
DIRECTIONS = 256
DECAY = 0.7


@dataclass
class Case:
    """One set of rows with its queries; all of unit length, float32, C order."""

    name: str
    description: str
    rows: np.ndarray
    queries: np.ndarray  # what is timed
    tuning: np.ndarray  # what approximate systems are tuned with

    @property
    def dimensions(self) -> int:
        return self.rows.shape[1]


def unit(vectors: np.ndarray) -> np.ndarray:
    """Scales rows to unit length, in place."""
    for first in range(0, len(vectors), BLOCK):
        block = vectors[first : first + BLOCK]
        block /= np.sqrt(np.einsum("ij,ij->i", block, block, dtype=np.float64))[:, None].astype(np.float32)
    return vectors


def read_vectors(path: Path) -> np.ndarray:
    """The rows of a .npy, or of the member `vectors` of an .npz, scaled to unit length."""
    try:
        loaded = np.load(path)
        vectors = np.array(loaded["vectors"] if path.suffix == ".npz" else loaded, np.float32, order="C")
    except (OSError, ValueError, KeyError) as error:
        raise SystemExit(f"bench: {path}: not a .npy, nor an .npz with `vectors`: {error}") from error
    if vectors.ndim != 2 or not vectors.size or not np.isfinite(vectors).all() or not vectors.any(axis=1).all():
        raise SystemExit(f"bench: {path}: expected two dimensions and finite rows that are not zero")
    return unit(vectors)


def facts() -> Case:
    """The bundled example with its questions."""
    questions = read_vectors(EXAMPLES / "queries.npz")
    rows = read_vectors(EXAMPLES / "facts.npz")
    return Case("facts", "the bundled example, its 40 questions", rows, questions, questions)


class Embeddings:
    """A file of real embeddings, of which some rows are held out as queries."""

    def __init__(self, path: Path, query_count: int, tuning_count: int) -> None:
        self.name = path.stem
        vectors = read_vectors(path)
        held_out = min(query_count + tuning_count, len(vectors) // 5)
        order = np.random.default_rng(SEED).permutation(len(vectors))
        self.rows = vectors[np.sort(order[held_out:])]
        timed = max(1, held_out * query_count // (query_count + tuning_count))
        self.queries = vectors[order[:timed]]
        self.tuning = vectors[order[timed:held_out]]

    def case(self, count: int | None) -> Case:
        """All rows; or `count` of them; or, where there are not so many, `count` rows made from them."""
        if count is None or count == len(self.rows):
            return Case(self.name, "real embeddings, held-out queries", self.rows, self.queries, self.tuning)
        if count < len(self.rows):
            chosen = np.sort(np.random.default_rng(SEED).permutation(len(self.rows))[:count])
            description = "a sample of real embeddings, held-out queries"
            return Case(f"{self.name} sampled", description, self.rows[chosen], self.queries, self.tuning)
        description = "real embeddings drawn with replacement, noise of a tenth of their distance to the mean added"
        return Case(f"{self.name} grown", description, self._grow(count), self.queries, self.tuning)

    def _grow(self, count: int) -> np.ndarray:
        rng = np.random.default_rng(SEED)
        mean = self.rows.mean(axis=0, dtype=np.float64).astype(np.float32)
        grown = np.empty((count, self.rows.shape[1]), np.float32)
        for block in _blocks(grown):
            drawn = self.rows[rng.integers(0, len(self.rows), len(block))]
            spread = np.linalg.norm(drawn - mean, axis=1) * np.float32(0.1 / np.sqrt(block.shape[1]))
            block[:] = rng.standard_normal(block.shape, np.float32) * spread[:, None] + drawn
        return unit(grown)


def spectrum(count: int, dimensions: int, query_count: int, tuning_count: int) -> Case:
    """A mean direction and normal scores along 256 directions whose variances fall by a power law."""
    rng = np.random.default_rng(SEED)
    rank = min(DIRECTIONS, dimensions - 1)
    # Orthonormal: the mean first, then the directions.
    basis = np.linalg.qr(rng.standard_normal((dimensions, rank + 1)))[0].T.astype(np.float32)
    variances = np.arange(1, rank + 1) ** -DECAY
    scales = np.sqrt((1 - MEAN_LENGTH**2) * variances / variances.sum()).astype(np.float32)
    axes = basis[1:] * scales[:, None]

    def fill(block: np.ndarray) -> None:
        np.dot(rng.standard_normal((len(block), rank), np.float32), axes, out=block)
        block += basis[0] * np.float32(MEAN_LENGTH)

    description = f"a mean direction of length {MEAN_LENGTH}, {rank} directions with variances j^-{DECAY}"
    return _drawn("spectrum", description, fill, (count, query_count, tuning_count), dimensions)


def noise(count: int, dimensions: int, query_count: int, tuning_count: int) -> Case:
    """Isotropic: every direction as likely as every other, so that nothing is near anything."""
    rng = np.random.default_rng(SEED)

    def fill(block: np.ndarray) -> None:
        rng.standard_normal(block.shape, np.float32, out=block)

    description = "isotropic Gaussian: the adversarial case"
    return _drawn("noise", description, fill, (count, query_count, tuning_count), dimensions)


def _drawn(name: str, description: str, fill: Callable, counts: tuple[int, int, int], dimensions: int) -> Case:
    sets = []
    for count in counts:
        vectors = np.empty((count, dimensions), np.float32)
        for block in _blocks(vectors):
            fill(block)
        sets.append(unit(vectors))
    return Case(name, description, *sets)


def _blocks(vectors: np.ndarray) -> Iterator[np.ndarray]:
    for first in range(0, len(vectors), BLOCK):
        yield vectors[first : first + BLOCK]
