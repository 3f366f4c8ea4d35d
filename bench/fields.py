"""Ten fields for every row, as a structured array and as JSON texts: the same facts for all that are compared."""

from __future__ import annotations

import json
from itertools import pairwise

import numpy as np

from datasets import SEED

YEARS = (1924, 2023)  # a hundred, all as likely: a row has the last one in 1 % of the cases
NAMES = 1000
CATEGORIES = 20
TAGS = 50
MOST_TAGS = 3

# Arrays have no type in a record: there, tags are one text.
TYPES = [
    ("year", "i4"),
    ("citations", "i8"),
    ("score", "f8"),
    ("weight", "f4"),
    ("open", "b1"),
    ("author", "U16"),
    ("category", "U12"),
    ("title", "U48"),
    ("date", "M8[D]"),
    ("tags", "U24"),
]


def names(count: int) -> list[str]:
    """Different made-up names, in no order: some prefix of theirs is shared by a hundredth of them, and so on."""
    rng = np.random.default_rng(SEED)
    syllables = [consonant + vowel for consonant in "bdfghklmnprstvz" for vowel in "aeiou"]
    found: dict[str, None] = {}
    while len(found) < count:
        found["".join(rng.choice(syllables, 4)).capitalize()] = None
    return list(found)


def records(count: int) -> np.ndarray:
    rng = np.random.default_rng(SEED)
    author = rng.choice(names(NAMES), count)
    made = np.empty(count, TYPES)
    made["year"] = rng.integers(YEARS[0], YEARS[1] + 1, count)
    made["citations"] = rng.pareto(1, count).clip(max=1e6)
    made["score"] = rng.random(count)
    made["weight"] = rng.integers(0, 1000, count) / 8
    made["open"] = rng.random(count) < 0.5
    made["author"] = author
    made["category"] = np.array([f"category {i}" for i in range(CATEGORIES)])[rng.integers(0, CATEGORIES, count)]
    made["title"] = [f"What {name} found, part {i}" for i, name in enumerate(author)]
    made["date"] = (made["year"] - 1970).astype("M8[Y]").astype("M8[D]") + rng.integers(0, 365, count)
    made["tags"] = _tags(rng, count)
    return made


def _tags(rng: np.random.Generator, count: int) -> list[str]:
    """One to three tags a row, with blanks between them."""
    drawn = [f"tag{i:02}" for i in rng.integers(0, TAGS, count * MOST_TAGS)]
    ends = np.cumsum(rng.integers(1, MOST_TAGS + 1, count)).tolist()
    return [" ".join(drawn[first:end]) for first, end in pairwise([0, *ends])]


def texts(made: np.ndarray) -> list[str]:
    """The same as JSON: dates as text, tags as an array."""
    columns = {name: made[name].tolist() for name, _ in TYPES}
    columns["date"] = np.datetime_as_string(made["date"]).tolist()
    columns["tags"] = [text.split(" ") for text in columns["tags"]]
    rows = zip(*columns.values(), strict=True)
    return [json.dumps(dict(zip(columns, row, strict=True))) for row in rows]
