"""Filters on documents with any keys and values of any kind, against their meaning in Python, before and after saving.

SQLite, which test_filters.py asks, has no NumPy, no halves of surrogate pairs, and no keys with quotes in them.
"""

import math
import random

import meaning
import numpy as np
import pytest
from meaning import ARRAY, BOOLEAN, MISSING, NULL, NUMBER, OTHER, TEXT
from test_typed_filters import INTEGERS, REALS, TEXTS, make_filter

from npvec import VectorStore

FILTERS = 12

KEYS = ["a", "A", "a.b", "a b", "", " ", '"', '""', "it's", "\\", "a\\b", "\ud800", "x\udfff", "\0", "a\0b", "in"]
KEYS += ["NOT", "0", "[0]", "a[0]", "$a", "$and", "größe", "日本", "😀", "e\u0301", "é", ".", "?", "-", "\n", "\x7f"]
KEYS += ["k" * 300]
SCALARS = [np.float32(0.1), np.float16(math.inf), np.int8(1), np.uint64(2**64 - 1), np.bool_(True), np.str_("a"), b"a"]
SCALARS += [np.bytes_(b"a"), np.datetime64("2024-05-17"), np.datetime64(2**50, "s"), np.datetime64("NaT"), {1, 2}, 1j]
SCALARS += [np.datetime64("2024-05-17T00:00:00.000000001"), np.timedelta64(7, "ns"), np.timedelta64("NaT")]
SCALARS += [None, True, False, math.nan, math.inf, 2**64, -(2**63) - 1, 10**300]


def make_value(rng, keys, depth):
    kind = rng.randrange(10)
    if depth > 0 and kind < 2:
        return {key: make_value(rng, keys, depth - 1) for key in rng.sample(keys, rng.randrange(3))}
    if depth > 0 and kind < 4:
        return rng.choice([list, tuple])(make_value(rng, keys, depth - 1) for _ in range(rng.randrange(4)))
    return rng.choice(rng.choice([SCALARS, INTEGERS, REALS, TEXTS]))


def make_document(rng, keys):
    if rng.random() < 0.05:
        return make_value(rng, keys, 1)
    return {key: make_value(rng, keys, rng.choice([0, 0, 1, 3])) for key in keys if rng.random() < 0.8}


def value_of(found):
    """A value of a document as a filter sees it."""
    if isinstance(found, np.generic) and not isinstance(found, (np.bytes_, np.str_)):
        if found.dtype.kind in "Mm":
            known = (TEXT, str(found)) if found.dtype.kind == "M" else (NUMBER, int(found.view("i8")))
            return (NULL, None) if np.isnat(found) else known
        found = found.item()
    if isinstance(found, bool):
        return BOOLEAN, found
    if isinstance(found, (int, float)):
        is_known = -(2**63) <= found < 2**64 if isinstance(found, int) else found == found
        return (NUMBER if is_known else OTHER), found
    if isinstance(found, str):
        return TEXT, str(found)
    if isinstance(found, (list, tuple)):
        return ARRAY, [value_of(element) for element in found]
    return (OTHER if isinstance(found, (dict, bytes)) else NULL), None


class Row:
    def __init__(self, document):
        self.document = document

    def __getitem__(self, field):
        found = self.document
        for step in field:
            kind = (list, tuple) if isinstance(step, int) else dict
            if not isinstance(found, kind) or (step >= len(found) if isinstance(step, int) else step not in found):
                return MISSING, None
            found = found[step]
        return value_of(found)


def make_field(rng, document, keys):
    """One that the document has, or any."""
    field, found = [], document
    while isinstance(found, (dict, list, tuple)) and found and (not field or rng.random() < 0.7):
        field.append(rng.choice(list(found) if isinstance(found, dict) else range(len(found))))
        found = found[field[-1]]
    return tuple(field) or (rng.choice(keys), rng.choice([*keys, 0]))


def check_facets(store, field, rows):
    """Each value, as a filter, finds the rows that it counts."""
    facet = store.facet(meaning.key(field))
    kinds = [row[field][0] for row in rows]
    assert facet.missing == kinds.count(MISSING)
    assert sum(count for _, count in facet.values) + facet.missing == len(rows)
    assert sum(count for value, count in facet.values if value is None) == kinds.count(NULL)
    for value, count in facet.values:
        if value_of(value)[0] in (BOOLEAN, NUMBER, TEXT) and value not in (math.inf, -math.inf):
            assert sum(row[field] == value_of(value) for row in rows) == count
            assert store.count({meaning.key(field): value}) == count
            assert store.count({meaning.key(field): {"$in": [value]}}) == count


def check(rng, store, documents, keys):
    rows = {number: Row(document) for number, document in documents.items()}
    fields = [make_field(rng, rng.choice(list(documents.values())), keys) for _ in range(8)]
    some = [{field: row[field] for field in fields} for row in rows.values()]
    for _ in range(FILTERS):
        where, speller = make_filter(rng, rng.randrange(3), some, fields), meaning.Speller(rng)
        expected = [number for number, row in rows.items() if where.holds(row) is True]
        text, as_json = where.text(speller), where.json()
        if "\0" not in text:
            assert store.select(text, params=speller.parameters or None).tolist() == expected, text
        if as_json is not None:
            assert store.select(as_json).tolist() == expected, as_json
            assert store.count(as_json) == len(expected)
    field = next((field for field in fields if "\0" not in meaning.key(field)), ("a",))
    check_facets(store, field, list(rows.values()))


@pytest.mark.parametrize("seed", range(20))
def test_filters_on_any_documents_mean_what_is_documented(seed, tmp_path):
    rng = random.Random(seed)
    keys, numbers = rng.sample(KEYS, 6), np.random.default_rng(seed)
    documents = dict(enumerate(make_document(rng, keys) for _ in range(rng.choice([1, 50]))))
    store = VectorStore(2, tmp_path / "a.npz", durability=rng.choice(["off", "os"]), allow_pickle=True)
    store.add(numbers.normal(size=(len(documents), 2)), list(documents.values()), ids=map(str, documents))
    check(rng, store, documents, keys)
    changed = rng.sample(sorted(documents), len(documents) // 3)
    documents |= {number: make_document(rng, keys) for number in changed}
    store.upsert(numbers.normal(size=(len(changed), 2)), [documents[number] for number in changed], ids=changed)
    check(rng, store, documents, keys)
    store.save()
    check(rng, store, documents, keys)
    store.close()
    with VectorStore.open(tmp_path / "a.npz", allow_pickle=True) as opened:
        check(rng, opened, documents, keys)
        assert list(map(repr, opened.metadata)) == list(map(repr, documents.values()))
