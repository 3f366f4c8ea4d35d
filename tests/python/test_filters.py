"""Generated filters over generated documents, in both dialects, against SQLite.

A filter is made as a tree, which spells itself as npvec's text, as npvec's JSON and as SQL. SQLite has the same three
values, but compares anything with anything: so each comparison stands in a CASE on the types that it is for.
"""

import ctypes as c
import json
import random
import sqlite3

import numpy as np
import pytest

import store as npvec
from store import Store

ROUNDS = 40
FILTERS = 80

# Paths as npvec and as SQLite spell them; the first ones hold something most of the time.
FIELDS = [
    ("year", "$.year"),
    ("name", "$.name"),
    ("any", "$.any"),
    ("tags", "$.tags"),
    ("n.x", "$.n.x"),
    ("n.y.z", "$.n.y.z"),
    ("n", "$.n"),
    ("tags[0]", "$.tags[0]"),
    ("list[1].k", "$.list[1].k"),
    ('"k e y"."d.o.t"', '$."k e y"."d.o.t"'),
    ("größe", '$."größe"'),
    ('"select"', "$.select"),
    ("nowhere", "$.nowhere"),
]
TEXTS = ["", "a", "A", "b", "ab", "aB", "abc", "100%", "a_b", "x'y", '"q"', "true", "1", "\\", "ä", "äb"]
TEXTS += ["2023-11-14T22:13:25", "aab", "aaab", "abab", "日本", "🦀", "2023-12-31", "2024-05-17", "null", "$.a", "%"]
INTEGERS = [0, 1, -1, 2, 7, 2**53, 2**53 + 1, -(2**53) - 1, 2**63 - 1, 2**63 - 2, -(2**63)]
REALS = [0.0, -0.0, 0.5, 0.1, 1.0, 1.5, -1.0, 7.0, 2.0**53, 2.0**53 + 2, 2.0**63, -(2.0**63), 1e22, -1e15]
PIECES = ["%", "%", "_", "a", "A", "b", "ab", "ä", "1", "0", "2024", "!%", "!_", "!!"]


# ------------------------------------------------------------------------------------------------------- Documents --


def make_scalar(rng):
    kind = rng.randrange(10)
    if kind == 0:
        return rng.random() < 0.5
    if kind < 4:
        return rng.choice(INTEGERS) if rng.random() < 0.5 else rng.randrange(30)
    if kind < 5:
        return rng.choice(REALS)
    return rng.choice(TEXTS) + (str(rng.randrange(20)) if rng.random() < 0.2 else "")


def make_value(rng, depth):
    kind = rng.randrange(8)
    if kind == 0:
        return None
    if kind == 1 and depth > 0:
        return [make_value(rng, depth - 1) for _ in range(rng.randrange(4))]
    if kind == 2 and depth > 0:
        return {"x": make_value(rng, depth - 1)}
    return make_scalar(rng)


def make_document(rng):
    if rng.random() < 0.05:
        return make_value(rng, 1)
    document = {
        "year": rng.randrange(2000, 2030) if rng.random() < 0.8 else make_value(rng, 1),
        "name": rng.choice(TEXTS) if rng.random() < 0.8 else make_value(rng, 1),
        "any": make_value(rng, 2),
        "tags": [make_value(rng, 1) for _ in range(rng.randrange(4))] if rng.random() < 0.8 else make_value(rng, 1),
        "n": {"x": make_scalar(rng), "y": {"z": make_value(rng, 0)}} if rng.random() < 0.8 else make_value(rng, 1),
        "list": [make_value(rng, 1), {"k": make_scalar(rng)}],
        "k e y": {"d.o.t": make_value(rng, 0)},
        "größe": make_scalar(rng),
        "select": make_scalar(rng),
    }
    return {key: value for key, value in document.items() if rng.random() < 0.9}


# --------------------------------------------------------------------------------------------------------- Filters --


def quote(value):
    """A value in the text dialect."""
    if isinstance(value, str):
        return "'" + value.replace("'", "''") + "'"
    if value is None or isinstance(value, bool):
        return {None: "NULL", True: "true", False: "FALSE"}[value]
    return repr(value)


def class_of(value):
    """Which types of json_type can be compared with it."""
    if isinstance(value, bool):
        return "('true', 'false')"
    return "('text')" if isinstance(value, str) else "('integer', 'real')"


class Sql:
    """SQL with its parameters; columns t<i> and v<i> are type and value of field i."""

    def __init__(self):
        self.parameters = []

    def value(self, value):
        self.parameters.append(value)
        return "?"

    def guarded(self, field, value, condition):
        return f"CASE WHEN t{field} IN {class_of(value)} THEN {condition} END"


class Text:
    """Text with its parameters: a part of the values is put there."""

    def __init__(self, rng):
        self.rng = rng
        self.parameters = []

    def value(self, value):
        if self.rng.random() < 0.3:
            self.parameters.append(value)
            return "?"
        return quote(value)

    def word(self, word):
        return word.lower() if self.rng.random() < 0.3 else word


class Comparison:
    NAMES = {"=": "$eq", "<>": "$ne", "<": "$lt", "<=": "$lte", ">": "$gt", ">=": "$gte"}
    SWAPPED = {"=": "==", "<>": "!=", "<": ">", "<=": ">=", ">": "<", ">=": "<="}

    def __init__(self, rng, field):
        self.field, self.operator, self.other = field, rng.choice(list(self.NAMES)), make_scalar(rng)

    def sql(self, sql):
        return sql.guarded(self.field, self.other, f"v{self.field} {self.operator} {sql.value(self.other)}")

    def text(self, text):
        name, value = FIELDS[self.field][0], text.value(self.other)
        if text.rng.random() < 0.2:
            return f"{value} {self.SWAPPED[self.operator]} {name}"
        return f"{name}{self.operator}{value}"

    def json(self):
        name = FIELDS[self.field][0]
        return {name: self.other} if self.operator == "=" else {name: {self.NAMES[self.operator]: self.other}}


class Between:
    def __init__(self, rng, field):
        self.field, self.ends = field, sorted([rng.randrange(1995, 2035), rng.randrange(1995, 2035)])
        if rng.random() < 0.4:
            self.ends = [make_scalar(rng), make_scalar(rng)]
        self.negated = rng.random() < 0.3

    def sql(self, sql):
        low, high = self.ends
        first = sql.guarded(self.field, low, f"v{self.field} >= {sql.value(low)}")
        second = sql.guarded(self.field, high, f"v{self.field} <= {sql.value(high)}")
        return f"{'NOT' if self.negated else ''} ({first} AND {second})"

    def text(self, text):
        low, high = (text.value(end) for end in self.ends)
        negation = text.word("NOT ") if self.negated else ""
        return f"{FIELDS[self.field][0]} {negation}{text.word('BETWEEN')} {low} {text.word('AND')} {high}"

    def json(self):
        condition = {"$between": self.ends}
        return {FIELDS[self.field][0]: {"$not": condition} if self.negated else condition}


class In:
    def __init__(self, rng, field):
        self.field, self.negated = field, rng.random() < 0.4
        count = rng.choice([0, 1, 2, 3, 5, 40])
        pick = rng.choice([make_scalar, lambda rng: rng.randrange(1995, 2035), lambda rng: rng.choice(TEXTS)])
        self.values = [pick(rng) for _ in range(count)]
        if rng.random() < 0.15:
            self.values.insert(rng.randrange(len(self.values) + 1), None)

    def sql(self, sql):
        """x IN (a, b) is x = a OR x = b."""
        parts = [
            "NULL" if value is None else sql.guarded(self.field, value, f"v{self.field} = {sql.value(value)}")
            for value in self.values
        ]
        return f"{'NOT' if self.negated else ''} ({' OR '.join(parts) or '0'})"

    def text(self, text):
        if text.rng.random() < 0.3:
            text.parameters.append(self.values)
            values = "?"
        else:
            values = "(" + ", ".join(text.value(value) for value in self.values) + ")"
        return f"{FIELDS[self.field][0]} {text.word('NOT IN' if self.negated else 'IN')} {values}"

    def json(self):
        """In JSON null means something else."""
        if None in self.values:
            return None
        return {FIELDS[self.field][0]: {"$nin" if self.negated else "$in": self.values}}


class Like:
    def __init__(self, rng, field):
        self.field, self.negated, self.ignore_case = field, rng.random() < 0.3, rng.random() < 0.3
        self.pattern = "".join(rng.choice(PIECES) for _ in range(rng.randrange(5)))
        if rng.random() < 0.3:
            self.pattern = rng.choice(["a%", "%b%", "%ab", "%aab%", "2024%", "ä%", "%"])
        self.has_escape = "!" in self.pattern

    def sql(self, sql):
        value, pattern = f"v{self.field}", sql.value(self.pattern)
        if self.ignore_case:
            value, pattern = f"lower({value})", f"lower({pattern})"
        escape = "ESCAPE '!'" if self.has_escape else ""
        like = f"{value} {'NOT' if self.negated else ''} LIKE {pattern} {escape}"
        return sql.guarded(self.field, "text", like)

    def text(self, text):
        word = ("NOT " if self.negated else "") + ("ILIKE" if self.ignore_case else "LIKE")
        escape = text.word(" ESCAPE ") + quote("!") if self.has_escape else ""
        return f"{FIELDS[self.field][0]} {text.word(word)} {text.value(self.pattern)}{escape}"

    def json(self):
        pattern = [self.pattern, "!"] if self.has_escape else self.pattern
        condition = {"$ilike" if self.ignore_case else "$like": pattern}
        return {FIELDS[self.field][0]: {"$not": condition} if self.negated else condition}


class Contains:
    def __init__(self, rng, field):
        self.field, self.negated, self.part = field, rng.random() < 0.3, make_scalar(rng)

    def sql(self, sql):
        part = self.part
        element = f"SELECT 1 FROM json_each(v{self.field}) e WHERE e.type IN {class_of(part)} AND e.value = "
        cases = f"WHEN 'array' THEN EXISTS ({element} {sql.value(part)})"
        if isinstance(part, str):
            cases += f" WHEN 'text' THEN instr(v{self.field}, {sql.value(part)}) > 0"
        return f"{'NOT' if self.negated else ''} CASE t{self.field} {cases} END"

    def text(self, text):
        word = "NOT CONTAINS" if self.negated else "CONTAINS"
        return f"{FIELDS[self.field][0]} {text.word(word)} {text.value(self.part)}"

    def json(self):
        return {FIELDS[self.field][0]: {"$not_contains" if self.negated else "$contains": self.part}}


class IsNull:
    def __init__(self, rng, field):
        self.field, self.negated = field, rng.random() < 0.5

    def sql(self, _):
        return f"{'NOT' if self.negated else ''} coalesce(t{self.field} = 'null', 1)"

    def text(self, text):
        return f"{FIELDS[self.field][0]} {text.word('IS NOT NULL' if self.negated else 'IS NULL')}"

    def json(self):
        return {FIELDS[self.field][0]: {"$ne": None} if self.negated else None}


class Exists:
    def __init__(self, rng, field):
        self.field, self.wanted = field, rng.random() < 0.5

    def sql(self, _):
        return f"t{self.field} IS {'NOT' if self.wanted else ''} NULL"

    def text(self, text):
        negation = "" if self.wanted else text.word("NOT ")
        return f"{negation}{text.word('EXISTS')}({FIELDS[self.field][0]})"

    def json(self):
        return {FIELDS[self.field][0]: {"$exists": self.wanted}}


class Not:
    def __init__(self, inner):
        self.inner = inner

    def sql(self, sql):
        return f"NOT ({self.inner.sql(sql)})"

    def text(self, text):
        return f"{text.word('NOT')} {enclose(self.inner, text, isinstance(self.inner, Group))}"

    def json(self):
        inner = self.inner.json()
        return None if inner is None else {"$not": inner}


class Group:
    """AND, OR of two or more."""

    def __init__(self, word, parts):
        self.word, self.parts = word, parts

    def sql(self, sql):
        return "(" + f" {self.word} ".join(f"({part.sql(sql)})" for part in self.parts) + ")"

    def text(self, text):
        """Parentheses where OR stands in AND, and sometimes elsewhere."""
        parts = []
        for part in self.parts:
            is_looser = self.word == "AND" and isinstance(part, Group) and part.word == "OR"
            parts.append(enclose(part, text, is_looser))
        return f" {text.word(self.word)} ".join(parts)

    def json(self):
        parts = [part.json() for part in self.parts]
        return None if None in parts else {"$" + self.word.lower(): parts}


def enclose(part, text, must):
    inner = part.text(text)
    return f"({inner})" if must or text.rng.random() < 0.1 else inner


CONDITIONS = [Comparison, Comparison, Comparison, Between, In, In, Like, Contains, IsNull, Exists]


# Those that hold something most of the time are named more often.
ALL_FIELDS = list(range(len(FIELDS))) + 4 * [0, 1, 2, 3]


def make_filter(rng, depth, fields=ALL_FIELDS):
    if depth == 0 or rng.random() < 0.3:
        return rng.choice(CONDITIONS)(rng, rng.choice(fields))
    if rng.random() < 0.2:
        return Not(make_filter(rng, depth - 1, fields))
    parts = [make_filter(rng, depth - 1, fields) for _ in range(rng.randrange(2, 5))]
    return Group(rng.choice(["AND", "OR"]), parts)


# ------------------------------------------------------------------------------------------------------ Both sides --


class Selection(c.Structure):
    _fields_ = [
        ("size", c.c_size_t),
        ("filter", c.c_void_p),
        ("rows", c.c_void_p),
        ("row_count", c.c_size_t),
        ("ids", c.c_void_p),
        ("id_count", c.c_size_t),
    ]


class SelectOptions(c.Structure):
    _fields_ = [
        ("size", c.c_size_t),
        ("selection", c.POINTER(Selection)),
        ("order_by", c.c_char_p),
        ("descending", c.c_int),
        ("reserved", c.c_int),
        ("offset", c.c_uint64),
        ("limit", c.c_uint64),
    ]


class SearchOptions(c.Structure):
    _fields_ = [
        ("size", c.c_size_t),
        ("metric", c.c_int),
        ("exhaustive", c.c_int),
        ("k", c.c_size_t),
        ("min_score", c.c_double),
        ("max_distance", c.c_double),
        ("within_rows", c.c_void_p),
        ("within_count", c.c_size_t),
        ("explain", c.c_void_p),
        ("filter", c.c_void_p),
    ]


class Filter:
    """An npv_filter, freed when it is let go."""

    def __init__(self, text, parameters=None):
        self.handle = c.c_void_p()
        given = None if parameters is None else json.dumps(parameters).encode()
        npvec._call("npv_filter_new", text.encode(), given, c.byref(self.handle))

    def __del__(self):
        npvec._library.npv_filter_free(self.handle)

    def selection(self):
        return Selection(size=c.sizeof(Selection), filter=self.handle)

    def select(self, store):
        """The rows that pass."""
        rows, count, selection = c.POINTER(c.c_uint64)(), c.c_size_t(), self.selection()
        options = SelectOptions(size=c.sizeof(SelectOptions), selection=c.pointer(selection), limit=2**64 - 1)
        npvec._call("npv_select", store._handle, c.byref(options), c.byref(rows), c.byref(count))
        selected = rows[: count.value]
        npvec._library.npv_free(rows)
        return selected

    def delete(self, store):
        deleted, selection = c.c_uint64(), self.selection()
        npvec._call("npv_delete", store._handle, c.byref(selection), c.byref(deleted))
        return deleted.value

    def search(self, store, query, k):
        """The rows found, best first."""
        hits = npvec._Hits()
        options = SearchOptions(c.sizeof(SearchOptions), 0, 0, k, -np.inf, np.inf, None, 0, None, self.handle)
        query = np.ascontiguousarray(query, np.float32)
        npvec._call(
            "npv_search", store._handle, npvec._pointer(query), c.c_size_t(1), c.byref(options), c.byref(hits)
        )
        found = [hits.hit[i].row for i in range(hits.starts[1])]
        npvec._library.npv_hits_free(c.byref(hits))
        return found


def dump(document):
    return json.dumps(document, ensure_ascii=False)


class Oracle:
    """A table in SQLite with type and value of each field, one row for each document that is there."""

    def __init__(self, documents):
        self.connection = sqlite3.connect(":memory:")
        self.connection.execute("PRAGMA case_sensitive_like = ON")
        self.connection.execute("CREATE TABLE documents (row INTEGER PRIMARY KEY, json)")
        self.connection.executemany(
            "INSERT INTO documents VALUES (?, ?)", [(row, dump(document)) for row, document in documents.items()]
        )
        columns = ", ".join(
            f"json_type(json, '{path}') t{i}, json_extract(json, '{path}') v{i}" for i, (_, path) in enumerate(FIELDS)
        )
        self.connection.execute(f"CREATE TABLE fields AS SELECT row, {columns} FROM documents")

    def select(self, tree):
        sql = Sql()
        condition = tree.sql(sql)
        found = self.connection.execute(f"SELECT row FROM fields WHERE {condition} ORDER BY row", sql.parameters)
        return [row for (row,) in found]


def check(tree, rng, store, oracle):
    """Both dialects select what SQLite selects; returns those rows."""
    expected = oracle.select(tree)
    text = Text(rng)
    spelled = tree.text(text)
    assert Filter(spelled, text.parameters).select(store) == expected, (spelled, text.parameters)
    as_json = tree.json()
    if as_json is not None:
        assert Filter(dump(as_json)).select(store) == expected, dump(as_json)
    return expected


def ranking(store, query):
    return [row for row, _ in store.search(query[None], k=len(store) + 1)[0]]


@pytest.mark.parametrize("number", REALS + INTEGERS)
def test_sqlite_reads_numbers_as_python_does(number):
    ((read,),) = sqlite3.connect(":memory:").execute("SELECT json_extract(?, '$[0]')", [dump([number])])
    assert read == number and type(read) is type(number)


@pytest.mark.parametrize("seed", range(ROUNDS))
def test_filters_select_what_sqlite_selects(seed):
    rng = random.Random(seed)
    documents = dict(enumerate(make_document(rng) for _ in range(rng.randrange(20, 150))))
    store = Store.create(4)
    store.add(np.random.default_rng(seed).normal(size=(len(documents), 4)), [dump(d) for d in documents.values()])
    oracle = Oracle(documents)
    matched = 0
    for _ in range(FILTERS):
        matched += len(check(make_filter(rng, rng.randrange(4)), rng, store, oracle))
    assert matched > FILTERS


@pytest.mark.parametrize("seed", range(10))
def test_filters_hold_while_rows_come_and_go(seed, tmp_path):
    """Adds, deletes by filter, saves and reopens; searches find min(k, matching) rows, in the order of all rows."""
    rng = random.Random(seed)
    numbers = np.random.default_rng(seed)
    store, documents, row_end = Store.create(4), {}, 0
    for step in range(8):
        added = [make_document(rng) for _ in range(rng.choice([1, 3, 100]))]
        store.add(numbers.normal(size=(len(added), 4)), [dump(document) for document in added])
        documents |= enumerate(added, row_end)
        row_end += len(added)
        if step % 2 == 1:
            tree = make_filter(rng, 2)
            gone = Oracle(documents).select(tree)
            text = Text(rng)
            assert Filter(tree.text(text), text.parameters).delete(store) == len(gone)
            for row in gone:
                del documents[row]
        if step in (3, 6):
            path = tmp_path / f"{step}.npz"
            store.save(path)
            store = Store.open(path)
            documents = dict(enumerate(documents.values()))
            row_end = len(documents)
        oracle, query = Oracle(documents), numbers.normal(size=4)
        order = ranking(store, query) if documents else []
        for _ in range(20):
            tree = make_filter(rng, rng.randrange(3))
            expected = check(tree, rng, store, oracle)
            text, k = Text(rng), rng.choice([1, 5, 1000])
            found = Filter(tree.text(text), text.parameters).search(store, query, k)
            assert found == [row for row in order if row in set(expected)][:k]


TYPED = {"year": "i4", "name": "U19", "any": "f4", "select": "b1", "größe": "M8[s]", "tags": "S9"}


def make_record(rng):
    seconds = np.datetime64(rng.choice([rng.randrange(1_700_000_000, 1_700_000_030), "NaT"]), "s")
    real = rng.choice([float("nan"), *REALS])
    ascii = [text.encode() for text in TEXTS if text.isascii() and len(text) < 10 and not text.endswith("\0")]
    raw = rng.choice([*ascii, b"\xe9"])
    return (rng.randrange(2000, 2030), rng.choice(TEXTS), real, rng.random() < 0.5, seconds, raw)


def as_document(record):
    """What has no kind of its own in a filter (NaN, bytes that are not ASCII) is an object to SQLite."""
    year, name, real, flag, seconds, raw = record.item()
    return {
        "year": year,
        "name": name,
        "any": {} if real != real else real,
        "select": flag,
        "größe": None if seconds is None else seconds.isoformat(),
        "tags": raw.decode() if raw.isascii() else {},
    }


@pytest.mark.parametrize("seed", range(10))
def test_filters_on_typed_fields_select_what_sqlite_selects(seed, tmp_path):
    rng = random.Random(seed)
    records = np.array([make_record(rng) for _ in range(rng.randrange(1, 200))], dtype=list(TYPED.items()))
    np.savez(tmp_path / "typed.npz", vectors=np.ones((len(records), 4), np.float32), metadata=records)
    store = Store.open(tmp_path / "typed.npz")
    oracle = Oracle(dict(enumerate(map(as_document, records))))
    fields = [i for i, (path, _) in enumerate(FIELDS) if path.strip('"') in TYPED]
    assert len(fields) == len(TYPED)
    for _ in range(80):
        check(make_filter(rng, rng.randrange(4), fields), rng, store, oracle)
