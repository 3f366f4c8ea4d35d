"""Filters: with a search against NumPy, on documents against typed fields, at first use, and against SQLite."""

from __future__ import annotations

import json
import shutil
import sqlite3
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

import fields
import npvec
import oracle
from campaign import Options, say, stored_rows
from datasets import Case
from systems.exact import Npvec
from timing import Contender, interleave, warm_up

SHARES = (1, 10, 50)  # per cent of the rows that pass
COUNTS = 100  # timed counts of a filter
FIRST_USES = 5  # stores that have not been asked yet
LISTED = 1000  # values after IN

# Their conditions on documents, by which each field is used for the first time.
CONDITIONS = {
    "year": "year >= 2014",
    "citations": "citations < 10",
    "score": "score >= 0.5",
    "weight": "weight < 12.5",
    "open": "open = true",
    "author": "author > 'M'",
    "category": "category = 'category 7'",
    "title": "title LIKE 'What B%'",
    "date": "date >= '2014-01-01'",
    "tags": "tags CONTAINS 'tag07'",
}


class Stores:
    """Two files with the same vectors, one with records and one with documents, opened."""

    def __init__(self, case: Case, options: Options) -> None:
        self.records = fields.records(len(case.rows))
        self.texts = fields.texts(self.records)
        self.documents_path = options.work / "documents.npz"
        self.threads = options.threads
        say("building a store with typed fields and one with documents")
        self.typed = self._build(case, options.work / "typed.npz", fields.TYPES, records=self.records.tobytes())
        self.documents = self._build(case, self.documents_path, (), documents=[text.encode() for text in self.texts])

    def _build(self, case: Case, path: Path, types: Sequence[tuple[str, str]], **metadata: Any) -> Npvec:
        made = npvec.Store.create(case.dimensions, self.threads, types)
        made.add(case.rows, *case.rows.shape, **metadata)
        made.save(str(path))
        made.close()
        system = Npvec(self.threads)
        system.load()
        system.open(path, cold=False)
        return system

    def close(self) -> None:
        self.typed.close()
        self.documents.close()


def run_case(case: Case, options: Options) -> list[dict[str, Any]]:
    """One record for each k; what does not depend on k is measured once and stands in all of them."""
    shutil.rmtree(options.work, ignore_errors=True)
    options.work.mkdir(parents=True)
    try:
        stores = Stores(case, options)
        once = _first_uses(stores, options) | _against_sqlite(stores, options)
        records = [_record(case, k, stores, options, once) for k in options.ks]
        stores.close()
        return records
    finally:
        shutil.rmtree(options.work, ignore_errors=True)


def _record(case: Case, k: int, stores: Stores, options: Options, once: dict[str, Any]) -> dict[str, Any]:
    searches = _searches(case, k, stores, options)
    lines = [*searches["filters"], *once["first_uses"], *once["texts"]]
    return {
        "name": case.name,
        "description": case.description,
        "rows": len(case.rows),
        "dimensions": case.dimensions,
        "k": k,
        "wrong_answers": searches["unfiltered_wrong_answers"] + sum(line["wrong_answers"] for line in lines),
        **searches,
        **once,
    }


# ------------------------------------------------------------------------------------------- Filters with a search


@dataclass
class Filtered:
    """A filter that some per cent of the rows pass, and all that is timed with it."""

    text: str
    condition: npvec.Filter
    passing: np.ndarray  # row numbers
    searches: dict[str, Contender]
    counts: dict[str, Contender]


def _searches(case: Case, k: int, stores: Stores, options: Options) -> dict[str, Any]:
    """The same searches with a filter and without, by npvec on both stores and by NumPy in three ways."""
    asked = np.resize(np.arange(len(case.queries)), options.queries)
    queries = [np.array(case.queries[i : i + 1]) for i in asked]
    unfiltered = Contender([stores.typed.prepare(query, k) for query in queries], stores.typed.scored)
    filtered = [_prepare(share, case, k, stores, queries) for share in SHARES]
    searches = [unfiltered] + [search for one in filtered for search in one.searches.values()]
    say(f"k={k}: {len(asked)} queries, with {len(filtered)} filters and without")
    for search in searches:
        warm_up(search)
    interleave(searches, options.turn, options.warm, options.seconds)
    counts = [count for one in filtered for count in one.counts.values()]
    interleave(counts, options.turn, options.warm, options.seconds)
    say("finding the true answers in float64")
    truth = oracle.find(stored_rows(stores.typed), case.queries, k)
    return {
        "unfiltered_p50_s": unfiltered.percentile(50),
        "unfiltered_wrong_answers": _wrong(truth, asked, unfiltered),
        "filters": [_filtered(one, case, k, stores, asked) for one in filtered],
    }


def _prepare(share: int, case: Case, k: int, stores: Stores, queries: list[np.ndarray]) -> Filtered:
    least = fields.YEARS[1] + 1 - share
    condition = npvec.Filter(f"year >= {least}")
    systems = {"typed": stores.typed, "documents": stores.documents}
    searches = {
        name: Contender([system.prepare(query, k, condition=condition) for query in queries], system.scored)
        for name, system in systems.items()
    }
    for name, way in {"numpy": _masked, "numpy_gather": _gathered, "numpy_all": _all_scored}.items():
        searches[name] = Contender([way(case.rows, stores.records, least, query[0], k) for query in queries])
    counts = {name: Contender([own.store.prepare_count(condition)] * COUNTS, int) for name, own in systems.items()}
    passing = np.flatnonzero(stores.records["year"] >= least)
    return Filtered(f"year >= {least}", condition, passing, searches, counts)


def _filtered(one: Filtered, case: Case, k: int, stores: Stores, asked: np.ndarray) -> dict[str, Any]:
    rows = stored_rows(stores.typed)
    truth = oracle.find(rows[one.passing], case.queries, k)
    truth.rows = one.passing[truth.rows]
    wrong = sum(_wrong(truth, asked, one.searches[name]) for name in one.counts)
    wrong += sum(count != len(one.passing) for way in one.counts.values() for count in way.results)
    recalls = [_recall(truth, asked, case, one.searches[name]) for name in one.searches if name not in one.counts]
    return {
        "filter": one.text,
        "passing": len(one.passing),
        **{f"{name}_p50_s": way.percentile(50) for name, way in one.searches.items()},
        **{f"{name}_count_p50_s": way.percentile(50) for name, way in one.counts.items()},
        "numpy_recall": min(recalls),
        "wrong_answers": wrong,
        "explain": stores.typed.explain(case.queries[:1], k, one.condition),
    }


def _wrong(truth: oracle.Truth, asked: np.ndarray, search: Contender) -> int:
    return oracle.wrong_answers(truth.of(asked[: len(search.results)]), [answer[0] for answer in search.results])


def _recall(truth: oracle.Truth, asked: np.ndarray, case: Case, search: Contender) -> float:
    of_query = asked[: len(search.results)]
    return oracle.recall(truth.of(of_query), case.rows, case.queries[of_query], search.results)


def _best(scores: np.ndarray, k: int) -> np.ndarray:
    first = max(0, len(scores) - k)
    best = np.argpartition(scores, first)[first:] if first else np.arange(len(scores))
    return best[np.argsort(scores[best])[::-1]]


def _masked(vectors: np.ndarray, records: np.ndarray, least: int, query: np.ndarray, k: int) -> Callable[[], Any]:
    """NumPy as it is mostly written."""

    def search() -> np.ndarray:
        mask = records["year"] >= least
        return np.flatnonzero(mask)[_best(vectors[mask] @ query, k)]

    return search


def _gathered(vectors: np.ndarray, records: np.ndarray, least: int, query: np.ndarray, k: int) -> Callable[[], Any]:
    """By row numbers, which NumPy copies rows faster by."""

    def search() -> np.ndarray:
        passing = np.flatnonzero(records["year"] >= least)
        return passing[_best(vectors[passing] @ query, k)]

    return search


def _all_scored(vectors: np.ndarray, records: np.ndarray, least: int, query: np.ndarray, k: int) -> Callable[[], Any]:
    """The product of all rows, from which scores are then picked."""
    scores = np.empty(len(vectors), np.float32)

    def search() -> np.ndarray:
        passing = np.flatnonzero(records["year"] >= least)
        np.dot(vectors, query, out=scores)
        return passing[_best(scores[passing], k)]

    return search


# --------------------------------------------------------------------------------------------------- First uses


def _first_uses(stores: Stores, options: Options) -> dict[str, Any]:
    """A field's first use makes its column; each store that is opened can show it once for each field."""
    opened = [npvec.Store.open_file(str(stores.documents_path), stores.threads) for _ in range(FIRST_USES)]
    for store in opened:
        store.document(0)  # reads all of them
    filters = {name: npvec.Filter(text) for name, text in CONDITIONS.items()}
    ways = {name: Contender([store.prepare_count(filters[name]) for store in opened], int) for name in CONDITIONS}
    cold = Contender([lambda: _open_and_count(stores, filters["year"])] * FIRST_USES, _close)
    loads = Contender([lambda: _load(stores.texts)] * FIRST_USES, int)
    say(f"first use of {len(ways)} fields of documents, {FIRST_USES} times each")
    interleave([*ways.values(), cold, loads], 1, 0, options.seconds)
    for store in opened:
        store.close()
    lines = [_first_use(name, ways[name], _true_count(stores, name)) for name in ways]
    lines.append(_first_use("year, from a file not read yet", cold, _true_count(stores, "year")))
    return {"json_loads_p50_s": loads.percentile(50), "first_uses": lines}


def _first_use(name: str, way: Contender, true_count: int) -> dict[str, Any]:
    wrong = sum(count != true_count for count in way.results)
    return {"field": name, "first_p50_s": way.percentile(50), "wrong_answers": wrong}


def _open_and_count(stores: Stores, condition: npvec.Filter) -> tuple[npvec.Store, int]:
    store = npvec.Store.open_file(str(stores.documents_path), stores.threads)
    return store, store.prepare_count(condition)()


def _close(answer: tuple[npvec.Store, int]) -> int:
    store, count = answer
    store.close()
    return count


def _load(texts: list[str]) -> int:
    loads = json.loads
    for text in texts:
        loads(text)
    return len(texts)


def _true_count(stores: Stores, field: str) -> int:
    """What NumPy says to the field's condition."""
    column = stores.records[field]
    tests = {
        "year": lambda: column >= 2014,
        "citations": lambda: column < 10,
        "score": lambda: column >= 0.5,
        "weight": lambda: column < 12.5,
        "open": lambda: column,
        "author": lambda: column > "M",
        "category": lambda: column == "category 7",
        "title": lambda: np.char.startswith(column, "What B"),
        "date": lambda: column >= np.datetime64("2014-01-01"),
        "tags": lambda: np.char.find(column, "tag07") >= 0,
    }
    return int(np.count_nonzero(tests[field]()))


# ------------------------------------------------------------------------------------------------------- SQLite


def _text_conditions() -> dict[str, str]:
    """Conditions on `author` that both understand. Of the values after IN every other one is some row's."""
    known, strange = fields.names(fields.NAMES), fields.names(2 * fields.NAMES)[fields.NAMES :]
    listed = [name for pair in zip(known, strange, strict=True) for name in pair][:LISTED]
    quoted = ", ".join(f"'{name}'" for name in listed)
    return {
        "=": f"author = '{known[0]}'",
        f"IN ({LISTED})": f"author IN ({quoted})",
        "LIKE 'Ba%'": "author LIKE 'Ba%'",
    }


def _against_sqlite(stores: Stores, options: Options) -> dict[str, Any]:
    """The table of SQLite holds nothing but the column, so that it reads nothing else."""
    database = sqlite3.connect(":memory:")
    database.execute("PRAGMA case_sensitive_like = ON")
    database.execute("CREATE TABLE facts (author TEXT)")
    database.executemany("INSERT INTO facts VALUES (?)", ((name,) for name in stores.records["author"].tolist()))
    conditions = _text_conditions()
    filters = {name: npvec.Filter(text) for name, text in conditions.items()}
    ours = {name: Contender([stores.typed.store.prepare_count(filters[name])] * COUNTS, int) for name in conditions}
    theirs = {name: Contender([_sqlite_count(database, text)] * COUNTS, int) for name, text in conditions.items()}
    say(f"{len(conditions)} conditions on a text of {fields.NAMES} values, and in SQLite")
    interleave([*ours.values(), *theirs.values()], options.turn, options.warm, options.seconds)
    lines = [
        {
            "condition": name,
            "passing": theirs[name].results[0],
            "npvec_p50_s": ours[name].percentile(50),
            "sqlite_p50_s": theirs[name].percentile(50),
            "wrong_answers": sum(count != theirs[name].results[0] for count in ours[name].results),
        }
        for name in conditions
    ]
    database.close()
    return {"texts": lines}


def _sqlite_count(database: sqlite3.Connection, condition: str) -> Callable[[], int]:
    """The module keeps the statement prepared for the next call with the same text."""
    text = f"SELECT count(*) FROM facts WHERE {condition}"
    execute = database.cursor().execute
    return lambda: execute(text).fetchone()[0]
