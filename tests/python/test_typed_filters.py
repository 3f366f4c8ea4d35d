"""Filters on typed fields of every type, in both dialects, against their meaning in Python, while rows come and go."""

import io
import itertools
import json
import math
import random
import zipfile
from functools import cmp_to_key

import meaning
import numpy as np
import pytest
from command import npvec
from meaning import BOOLEAN, NULL, NUMBER, OTHER, PLACES, TEXT

from npvec import VectorStore

SEEDS = 20
FILTERS = 6
NOT_A_TIME = -(2**63)

NAMES = ["a", "year", "a.b", "a b", "in", 'say "hi"', "it's", "größe", "日本", "😀", "$and", "2024", "[0]", "x[1]"]
NAMES += ["back\\slash", "tab\t", "-", "e", "?", "{", " ", ".", "%", "a..b", "\x7f", "e\u0301"]
KINDS = ["b1", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "f2", "f4", "f8"]
KINDS += ["U", "U", "U", "S", "S", "M8", "M8", "m8"]
UNITS = ["Y", "M", "W", "D", "h", "m", "s", "ms", "us", "ns", "ps", "fs", "as", "25us", "7D"]
TEXTS = ["", "a", "A", "ab", "aab", "ä", "a\0b", "\0a", "100%", "a_b", "it's", '"q"', "true", "1", "\\", "日本", "😀"]
TEXTS += ["\n", "\ud800", "a\udfff", "2024-05-17", "NaN", "\uffff", "\U0010ffff", "\x7f"]
INTEGERS = [0, 1, -1, 7, 127, -128, 255, 2**15, 2**31, 2**53, 2**53 + 1, -(2**53) - 1, 2**63 - 1, 2**63 - 513]
INTEGERS += [-(2**63), 2**63, 2**63 + 1, 2**64 - 2048, 2**64 - 1]
REALS = [0.0, -0.0, 0.5, 0.1, 1.0, -1.0, 2.0**24 + 1, 2.0**53, 2.0**53 + 2, 2.0**63, -(2.0**63), 2.0**64, 1e308]
REALS += [1.7976931348623157e308, 5e-324, 1e-45, 65504.0, 6e-8, 3.4028234663852886e38]
PIECES = ["%", "%", "_", "a", "A", "ä", "1", "\0", "😀", "\\", "!"]


# ----------------------------------------------------------------------------------------------------------- Records --


def make_type(rng, kind):
    if kind in ("U", "S"):
        return kind + str(rng.choice([0, 1, 3, 8, 20]))
    return kind + (f"[{rng.choice(UNITS)}]" if kind in ("M8", "m8") else "")


def make_dtype(rng):
    """In any order of bytes, with and without padding between fields; there is one that takes some bytes."""
    names = rng.sample(NAMES, rng.choice([1, 6, 6, 6]))
    types = [rng.choice("<>") + make_type(rng, kind) for kind in rng.sample(KINDS, len(names) - 1)]
    types.append(rng.choice(["<i8", "S3"]))
    if rng.random() < 0.3:
        sizes = [0, *(np.dtype(kind).itemsize for kind in types[:-1])]
        offsets = np.cumsum([rng.randrange(4) + size for size in sizes]).tolist()
        return np.dtype({"names": names, "formats": types, "offsets": offsets})
    return np.dtype(list(zip(names, types)), align=rng.random() < 0.3)


def make_item(rng, dtype):
    """A value of a field as what NumPy takes for it; times as ticks."""
    if dtype.kind == "b":
        return rng.random() < 0.5
    if dtype.kind in "iu":
        least, most = int(np.iinfo(dtype).min), int(np.iinfo(dtype).max)
        return rng.choice([least, most, *filter(lambda integer: least <= integer <= most, INTEGERS)])
    if dtype.kind == "f":
        return rng.choice([*REALS, math.nan, math.inf, -math.inf])
    if dtype.kind == "U":
        return rng.choice(TEXTS)[: dtype.itemsize // 4]
    if dtype.kind == "S":
        return rng.choice([*TEXTS, "\x80", "\xff\xff"]).encode("latin-1", "replace")[: dtype.itemsize]
    return rng.choice([NOT_A_TIME, 0, -1, 7, 20_000, -(10**6), 2**53 + 1 if dtype.kind == "m" else 10**6])


def make_records(rng, dtype, rows):
    records = np.zeros(rows, dtype)
    for name in dtype.names:
        field = dtype[name]
        items = [make_item(rng, field) for _ in range(rng.choice([1, 4, 30]))]
        column = [rng.choice(items) for _ in range(rows)]
        with np.errstate(all="ignore"):
            if field.kind in "mM":
                records[name] = np.array(column, "i8").view("<" + field.str[1:])
            else:
                records[name] = column
    return records


def value_of(item):
    """A field of a record as a filter sees it."""
    kind = item.dtype.kind
    if kind in "Mm" and np.isnat(item):
        return NULL, None
    if kind == "b":
        return BOOLEAN, bool(item)
    if kind in "US":
        text = item if kind == "U" else item.decode("ascii", "ignore")
        return (TEXT, str(text)) if len(text) == len(item) else (OTHER, bytes(item))
    if kind == "M":
        return TEXT, str(item)
    number = float(item) if kind == "f" else int(item.view("i8") if kind == "m" else item)
    return (NUMBER, number) if number == number else (OTHER, "NaN")


def values_of(record):
    """In the machine's order of bytes."""
    names = record.dtype.names
    return {name: value_of(record[name].astype(record.dtype[name].newbyteorder("="))) for name in names}


def member(file):
    with zipfile.ZipFile(file) as archive:
        return archive.read("metadata.npy")


def numpys(records):
    """What np.savez makes of them."""
    file = io.BytesIO()
    np.savez(file, metadata=records)
    return member(file)


# ----------------------------------------------------------------------------------------------------------- Filters --


def near(rng, value):
    """The number, or one beside it."""
    if isinstance(value, int):
        found = rng.choice([value, value + 1, value - 1, float(value)])
        return found if isinstance(found, float) or -(2**63) <= found < 2**64 else value
    found = rng.choice([value, math.nextafter(value, math.inf), math.nextafter(value, -math.inf)])
    return found if math.isfinite(found) else 0


def make_constant(rng, field, rows):
    kind, value = rng.choice(rows)[field] if rows and rng.random() < 0.8 else (None, None)
    if kind == NUMBER:
        return near(rng, value)
    if kind in (BOOLEAN, TEXT):
        return value
    return rng.choice([rng.random() < 0.5, *rng.sample(INTEGERS, 3), *rng.sample(REALS, 3), *rng.sample(TEXTS, 5)])


def make_like(rng, field, constant):
    """The pattern is often a text of the field, with wildcards in it."""
    pieces = list(constant) if isinstance(constant, str) else rng.choices(PIECES, k=rng.randrange(4))
    for _ in range(rng.randrange(3) if pieces else 0):
        pieces[rng.randrange(len(pieces))] = rng.choice(PIECES)
    pieces += rng.choice([[], ["%"]])
    escape = rng.choice([None, "!", "\\", "a", "%", "_", "😀"])
    if escape is not None:
        pieces = [escape + piece if piece == escape or rng.random() < 0.2 else piece for piece in pieces]
    return rng.choice([meaning.Like, meaning.ILike])(field, "".join(pieces), escape)


def make_condition(rng, rows, names):
    field = rng.choice(names)
    constants = [make_constant(rng, field, rows) for _ in range(rng.choice([2, 5, 40]))]
    return rng.choice(
        [
            lambda: meaning.Comparison(field, rng.choice(list(meaning.Comparison.TESTS)), constants[0]),
            lambda: meaning.Between(field, *constants[:2]),
            lambda: meaning.In(field, *constants[: rng.randrange(40)], *rng.choice([[], [], [None]])),
            lambda: make_like(rng, field, constants[0]),
            lambda: meaning.Contains(field, constants[0][:1] if isinstance(constants[0], str) else constants[0]),
            lambda: meaning.IsNull(field),
            lambda: meaning.Exists(field),
        ]
    )()


def make_filter(rng, depth, rows, names):
    if depth == 0 or rng.random() < 0.4:
        condition = make_condition(rng, rows, names)
        return condition if rng.random() < 0.6 else meaning.Not(condition)
    parts = [make_filter(rng, depth - 1, rows, names) for _ in range(rng.randrange(2, 4))]
    group = meaning.Group(rng.choice(["AND", "OR"]), parts)
    return group if rng.random() < 0.8 else meaning.Not(group)


# ------------------------------------------------------------------------------------------------------------- Store --


class Twin:
    """A store, and what must be in it: records, values and ids by row numbers."""

    def __init__(self, rng, path):
        self.rng, self.path, self.dtype = rng, path, make_dtype(rng)
        self.names, self.numbers = list(self.dtype.names), np.random.default_rng(rng.randrange(2**32))
        records, vectors = make_records(rng, self.dtype, rng.choice([0, 1, 64, 90, 90])), self.numbers
        (np.savez if rng.random() < 0.5 else np.savez_compressed)(
            path, vectors=self.numbers.normal(size=(len(records), 4)).astype(np.float32), metadata=records
        )
        self.durability = rng.choice(["off", "os"])
        self.store = VectorStore.open(path, durability=self.durability)
        self.records, self.ids, self.fresh = dict(enumerate(records)), [None] * len(records), itertools.count()

    def add(self):
        records = make_records(self.rng, self.dtype, self.rng.choice([1, 20]))
        ids = [str(next(self.fresh)) for _ in records]
        self.store.add(self.numbers.normal(size=(len(records), 4)), records, ids=ids)
        self.records |= enumerate(records, len(self.ids))
        self.ids += ids

    def upsert(self):
        rows = [row for row in self.records if self.ids[row] is not None]
        rows = self.rng.sample(rows, min(len(rows), 10))
        records, ids = make_records(self.rng, self.dtype, len(rows)), [self.ids[row] for row in rows]
        assert self.store.upsert(self.numbers.normal(size=(len(rows), 4)), records, ids=ids).tolist() == rows
        self.records |= zip(rows, records)

    def delete(self):
        where = self.make_filter(1)
        gone = self.passing(where)
        assert self.store.delete(**self.spelled(where)) == len(gone)
        for row in gone:
            del self.records[row]

    def save(self):
        self.store.save(compress=self.rng.random() < 0.3)
        rows = sorted(self.records)
        self.records, self.ids = {i: self.records[row] for i, row in enumerate(rows)}, [self.ids[row] for row in rows]
        assert member(self.path) == numpys(self.array())
        self.check()
        self.store.close()
        self.store = VectorStore.open(self.path, durability=self.durability)

    def array(self):
        records = np.zeros(len(self.records), self.dtype)
        for i, row in enumerate(sorted(self.records)):
            records[i] = self.records[row]
        return records

    def make_filter(self, depth):
        some = [values_of(record) for record in list(self.records.values())[:20]]
        return make_filter(self.rng, depth, some, self.names)

    def passing(self, where):
        return [row for row in sorted(self.records) if where.holds(self.values[row]) is True]

    def spelled(self, where):
        """In one of the dialects."""
        as_json = where.json() if self.rng.random() < 0.5 else None
        if as_json is not None:
            return {"where": as_json}
        speller = meaning.Speller(self.rng)
        return {"where": where.text(speller), "params": speller.parameters or None}

    def check(self):
        self.values = {row: values_of(record) for row, record in self.records.items()}
        query = self.numbers.normal(size=4)
        ranking = [hit.index for hit in self.store.cosine_search(query, top_k=1000)]
        for _ in range(FILTERS):
            where = self.make_filter(self.rng.randrange(3))
            self.check_filter(where, query, ranking)
        self.check_facets(self.rng.choice(self.names))

    def check_filter(self, where, query, ranking):
        expected, field, k = self.passing(where), self.rng.choice(self.names), self.rng.choice([1, 5, 1000])
        for spelled in (self.spelled(where), self.spelled(where)):
            assert self.store.select(**spelled).tolist() == expected, spelled
            assert self.store.count(**spelled) == len(expected), spelled
        hits = self.store.cosine_search(query, top_k=k, **spelled)
        assert [hit.index for hit in hits] == [row for row in ranking if row in set(expected)][:k], spelled
        assert all(hit.metadata.tobytes() == self.records[hit.index].tobytes() for hit in hits), spelled
        page = {"offset": self.rng.choice([0, 2]), "limit": self.rng.choice([None, 0, 3])}
        descending = self.rng.random() < 0.5
        ordered = self.store.select(**spelled, order_by=meaning.quoted(field), descending=descending, **page).tolist()
        wanted = self.in_order(expected, field, descending)[page["offset"] :][: page["limit"]]
        assert len(ordered) == len(wanted), spelled
        for found, row in zip(ordered, wanted):  # values of no order may stand in any
            assert found == row or self.values[found][field][0] == self.values[row][field][0] == OTHER, (spelled, field)

    def in_order(self, rows, field, descending):
        def compare(first, second):
            (kind, a), (other, b) = self.values[first][field], self.values[second][field]
            if kind != other or kind in (OTHER, NULL) or a == b:
                return PLACES[kind] - PLACES[other] or first - second
            return (1 if descending else -1) if a < b else (-1 if descending else 1)

        return sorted(rows, key=cmp_to_key(compare))

    def check_facets(self, field):
        """And that each of them, as a filter, finds the rows that it counts."""
        facet, counts = self.store.facet(meaning.quoted(field)), {}
        for values in self.values.values():
            counts[values[field]] = counts.get(values[field], 0) + 1
        assert sorted(count for _, count in facet.values) == sorted(counts.values()) and facet.missing == 0
        for value, count in facet.values:
            if isinstance(value, (bool, int, str)) or (isinstance(value, float) and math.isfinite(value)):
                assert counts[meaning.kind_of(value), value] == count
                assert self.store.count({meaning.key(field): value}) == count
                assert self.store.count({meaning.key(field): {"$in": [value]}}) == count
            if value is None:
                assert self.store.count({meaning.key(field): None}) == count


@pytest.mark.filterwarnings("ignore:Stored array in format")
@pytest.mark.parametrize("seed", range(SEEDS))
def test_filters_on_fields_of_numpy_mean_what_is_documented(seed, tmp_path):
    twin = Twin(random.Random(seed), tmp_path / "a.npz")
    twin.check()
    for _ in range(2):
        for step in (twin.add, twin.upsert, twin.delete, twin.save):
            step()
            twin.check()


@pytest.mark.filterwarnings("ignore:Stored array in format")
@pytest.mark.parametrize("seed", range(8))
def test_the_command_filters_files_of_numpy_alike(seed, tmp_path):
    twin = Twin(random.Random(seed), tmp_path / "a.npz")
    twin.check()
    for _ in range(6):
        where, speller = twin.make_filter(1), meaning.Speller(twin.rng)
        words = ["--where", where.text(speller)]
        for parameter in speller.parameters:
            words += ["--param", json.dumps(parameter)]
        expected = twin.passing(where)
        assert npvec("count", twin.path, *words).out == f"{len(expected)}\n", words
        found = npvec("get", twin.path, *words, "--json").json["rows"]
        assert [row["row"] for row in found] == expected, words
