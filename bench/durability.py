"""Changes that survive: what they cost beside SQLite and plain writes, what readers notice, and what files grow to."""

from __future__ import annotations

import contextlib
import json
import math
import multiprocessing
import os
import re
import shutil
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np

import npvec
from campaign import Options, say
from datasets import Case
from timing import Contender, interleave

DOCUMENT_BYTES = 200
TURN = 100  # adds of one system before it is the next one's turn
BATCH = 100  # rows added at once with a flush
MOST_BATCHES = 100
DD_RUNS = 5
FLUSHES = 5  # batches of one system before it is the next one's turn
READER_ROUNDS = 5
REFRESH_EVERY = 100  # searches
WRITER_ROWS = 1000  # that the writer adds again and again
UPSERTED = 1000
UPSERT_ROUNDS = 100


def run_case(case: Case, options: Options) -> list[dict[str, Any]]:
    shutil.rmtree(options.work, ignore_errors=True)
    options.work.mkdir(parents=True)
    try:
        return [_record(case, options)]
    finally:
        shutil.rmtree(options.work, ignore_errors=True)


def _record(case: Case, options: Options) -> dict[str, Any]:
    singles = _single_changes(case, options)
    return {
        "name": case.name,
        "description": case.description,
        "rows": len(case.rows),
        "dimensions": case.dimensions,
        "k": options.ks[0],
        **singles,
        "flushed": _flushed_batches(case, options),
        "readers": _readers(case, options),
        "growth": _growth(case, options),
    }


def document(number: int) -> str:
    """JSON of DOCUMENT_BYTES."""
    start = f'{{"source": "notes/{number:08d}.md", "text": "'
    words = f"What was said on day {number % 365}, and by whom: " * DOCUMENT_BYTES
    return f'{start}{words[: DOCUMENT_BYTES - len(start) - 2]}"}}'


def identity(number: int) -> str:
    return f"row-{number:08d}"


def _rows(case: Case, first: int, end: int) -> tuple[Any, int, int, list[bytes], list[bytes]]:
    """Rows of the case as npvec takes them."""
    texts = [document(i).encode() for i in range(first, end)]
    ids = [identity(i).encode() for i in range(first, end)]
    return case.rows[first:end], end - first, case.dimensions, texts, ids


def _journal_bytes(store: npvec.Store) -> int:
    """Without the room behind its records."""
    return store.info()["journal_bytes"]


# ------------------------------------------------------------------------------------------------ One row at a time


def _single_changes(case: Case, options: Options) -> dict[str, Any]:
    """Every system adds all rows of the case, each for itself, in turns, and then replaces them in the same way."""
    path = options.work / "single.npz"
    store = npvec.Store.open_file(str(path), 1, case.dimensions, npvec.OS)
    databases = [_database(options.work / f"{name}.sqlite", kind) for name, kind in IDS.items()]
    record = _record_size(case, options, 1)
    fd = os.open(options.work / "single.bytes", os.O_RDWR | os.O_CREAT, 0o600)
    count = len(case.rows)
    rows = [(identity(i), case.rows[i].tobytes(), document(i)) for i in range(count)]
    ways = {
        "npvec": [store.prepare_add(*_rows(case, i, i + 1)) for i in range(count)],
        **{name: _inserts(database, rows) for name, database in zip(IDS, databases, strict=True)},
        "write": _pwrites(fd, record, count),
        "npvec_call": [store.prepare_add(None, 0, case.dimensions)] * count,
        "sqlite_call": _inserts(databases[0], rows, "SELECT ?, ?, ? WHERE 0"),
    }
    contenders = {name: Contender(calls, _nothing) for name, calls in ways.items()}
    say(f"{count} rows, one at a time")
    interleave(list(contenders.values()), TURN, 0, math.inf)
    os.close(fd)
    replacers = _replacers(store, databases[1], case, rows)
    say(f"{count} rows, replaced one at a time")
    interleave(list(replacers.values()), TURN, 0, math.inf)
    for database in databases:
        database.close()
    return {
        "adds": {name: _times(way) for name, way in contenders.items()},
        "upserts": {name: _times(way) for name, way in replacers.items()},
        "add_bytes": record,
        "wrong_answers": _lost(store, path, case),
    }


# What a table says of the column with the ids: npvec's are unique, which costs SQLite an index.
IDS = {"sqlite": "TEXT", "sqlite_unique": "TEXT PRIMARY KEY"}


def _database(path: Path, kind: str) -> sqlite3.Connection:
    """Each statement is a transaction."""
    database = sqlite3.connect(path, isolation_level=None)
    mode = database.execute("PRAGMA journal_mode = WAL").fetchone()[0]
    if mode != "wal":
        raise SystemExit(f"bench: SQLite has no WAL in {path.parent}, but {mode}")
    database.execute("PRAGMA synchronous = NORMAL")
    database.execute(f"CREATE TABLE facts (id {kind}, vector BLOB, document TEXT)")
    return database


def _inserts(
    database: sqlite3.Connection, rows: list[tuple], text: str = "INSERT INTO facts VALUES (?, ?, ?)"
) -> list[Callable[[], Any]]:
    """The module keeps the statement prepared for the next call with the same text."""
    execute = database.cursor().execute
    return [lambda row=row: execute(text, row) for row in rows]


UPSERT = (
    "INSERT INTO facts VALUES (?, ?, ?)"
    " ON CONFLICT (id) DO UPDATE SET vector = excluded.vector, document = excluded.document"
)


def _replacers(
    store: npvec.Store, database: sqlite3.Connection, case: Case, rows: list[tuple]
) -> dict[str, Contender]:
    """Every row by itself, its id and the same vector; in SQLite by the index on ids."""
    ways = {
        "npvec": [store.prepare_upsert(*_rows(case, i, i + 1)) for i in range(len(rows))],
        "sqlite_unique": _inserts(database, rows, UPSERT),
    }
    return {name: Contender(calls, _nothing) for name, calls in ways.items()}


def _pwrites(fd: int, size: int, count: int) -> list[Callable[[], int]]:
    """What the system takes for the bytes alone, each time at the end of the file."""
    data = os.urandom(size)
    return [lambda offset=i * size: os.pwrite(fd, data, offset) for i in range(count)]


def _nothing(_: Any) -> None:
    return None


def _times(way: Contender) -> dict[str, float]:
    """The mean has what comes now and then: checkpoints of SQLite, and npvec's folding."""
    return {"mean_s": float(np.mean(way.seconds)), "p50_s": way.percentile(50), "p99_s": way.percentile(99)}


def _record_size(case: Case, options: Options, count: int) -> int:
    """Bytes that so many rows are in the journal."""
    path = options.work / "size.npz"
    store = npvec.Store.open_file(str(path), 1, case.dimensions, npvec.OS)
    before = _journal_bytes(store)
    store.prepare_add(*_rows(case, 0, count))()
    size = _journal_bytes(store) - before
    store.close()
    path.unlink()
    Path(f"{path}-journal").unlink()
    return size


def _lost(store: npvec.Store, path: Path, case: Case) -> int:
    """Closes the store, and counts the rows that are not there, bit by bit, when it is opened again."""
    stored = bytes(store.vectors())
    store.close()
    opened = npvec.Store.open_file(str(path), 1)
    found, size = bytes(opened.vectors()), 4 * case.dimensions
    lost = sum(
        found[i * size : (i + 1) * size] != stored[i * size : (i + 1) * size]
        or json.loads(opened.document(i)) != json.loads(document(i))
        for i in range(min(len(found) // size, len(case.rows)))
    )
    lost += len(case.rows) - len(found) // size
    opened.close()
    return lost


# -------------------------------------------------------------------------------------------------- Onto the disk


def _flushed_batches(case: Case, options: Options) -> dict[str, Any]:
    count = min(len(case.rows) // BATCH, MOST_BATCHES)
    if count == 0:
        raise SystemExit(f"bench: --durability needs {BATCH} rows, found {len(case.rows)}")
    size = _record_size(case, options, BATCH)
    path = options.work / "flushed.npz"
    store = npvec.Store.open_file(str(path), 1, case.dimensions, npvec.DISK)
    fd = os.open(options.work / "flushed.bytes", os.O_RDWR | os.O_CREAT | os.O_DSYNC, 0o600)
    ways = {
        "npvec": [store.prepare_add(*_rows(case, i * BATCH, (i + 1) * BATCH)) for i in range(count)],
        "write": _pwrites(fd, size, count),
    }
    contenders = {name: Contender(calls, _nothing) for name, calls in ways.items()}
    say(f"{count} batches of {BATCH} rows, each flushed to the disk")
    interleave(list(contenders.values()), FLUSHES, 0, math.inf)
    os.close(fd)
    store.close()
    times: dict[str, dict[str, float | None]] = {name: _times(way) for name, way in contenders.items()}
    times["dd"] = {"mean_s": _dd(options.work / "dd.bytes", size, count), "p50_s": None, "p99_s": None}
    return times | {"rows": BATCH, "bytes": size}


def _dd(path: Path, size: int, count: int) -> float | None:
    """Seconds a block, as dd reports them: the median of some runs. None where there is no such dd."""
    command = ["dd", "if=/dev/zero", f"of={path}", f"bs={size}", f"count={count}", "oflag=dsync"]
    seconds = []
    for _ in range(DD_RUNS):
        path.unlink(missing_ok=True)
        with contextlib.suppress(OSError):
            said = subprocess.run(command, capture_output=True, check=False, text=True, env={**os.environ, "LC_ALL": "C"})
            seconds += re.findall(r"copied, ([0-9.e+-]+) s", said.stderr)
    return float(np.median([float(each) for each in seconds])) / count if seconds else None


# ------------------------------------------------------------------------------------------- Readers and a writer


class Neighbour:
    """A process that adds rows to a file, computes, or rests, as it is told."""

    def __init__(self, path: Path, processor: int | None) -> None:
        context = multiprocessing.get_context("spawn")
        self.pipe, its = context.Pipe()
        self.process = context.Process(target=_serve, args=(its, str(path), processor), daemon=True)
        self.process.start()
        self.pipe.recv()  # it has the file open

    def tell(self, what: str) -> int:
        """Returns, when it does so, how many rows it has added so far."""
        self.pipe.send(what)
        return self.pipe.recv()

    def end(self) -> None:
        self.tell("end")
        self.process.join()


def _pin(processor: int | None) -> None:
    if processor is not None:
        os.sched_setaffinity(0, {processor})


def _serve(pipe: Connection, path: str, processor: int | None) -> None:
    _pin(processor)
    store = npvec.Store.open_file(path, 1, durability=npvec.OS)
    dimensions = store.info()["dimensions"]
    rows = np.frombuffer(store.vectors(), np.float32).reshape(-1, dimensions)[:WRITER_ROWS].copy()
    adds = [store.prepare_add(rows[i : i + 1], 1, dimensions, [document(i).encode()]) for i in range(len(rows))]
    what, added = "rest", 0
    pipe.send(added)
    while what != "end":
        if what == "rest" or pipe.poll():
            what = pipe.recv()
            pipe.send(added)
        for i in range(10 if what == "add" else 0):
            adds[(added + i) % len(adds)]()
        added += 10 if what == "add" else 0
    store.close()


class Reader:
    """Searches one after the other, with one thread."""

    def __init__(self, path: Path, case: Case, options: Options) -> None:
        self.store = npvec.Store.open_file(str(path), 1)
        self.searches = [
            self.store.prepare(np.array(case.queries[i : i + 1]), 1, case.dimensions, options.ks[0])
            for i in range(len(case.queries))
        ]

    def run(self, seconds: float, refreshing: bool = False) -> tuple[Contender, list[float]]:
        """The times of the searches, and of the refreshes between them."""
        searched, refreshed = Contender(), []
        begun = time.perf_counter()
        while time.perf_counter() - begun < seconds:
            for i in range(REFRESH_EVERY):
                started = time.perf_counter()
                hits = self.searches[i % len(self.searches)]()
                searched.seconds.append(time.perf_counter() - started)
                self.store.take(hits)
            started = time.perf_counter()
            if refreshing:
                self.store.refresh()
                refreshed.append(time.perf_counter() - started)
        return searched, refreshed


def _processors() -> tuple[int | None, int | None]:
    """One for the reader and one for its neighbour, where that can be said and there are two."""
    usable = sorted(os.sched_getaffinity(0)) if sys.platform == "linux" else []
    return (usable[0], usable[-1]) if len(usable) > 1 else (None, None)


def _readers(case: Case, options: Options) -> dict[str, Any]:
    path = options.work / "read.npz"
    made = npvec.Store.create(case.dimensions, 1)
    made.add(case.rows, *case.rows.shape, documents=[document(i).encode() for i in range(len(case.rows))])
    made.save(str(path))
    made.close()
    own, other = _processors()
    before = os.sched_getaffinity(0) if own is not None else set()
    neighbour = Neighbour(path, other)
    _pin(own)
    seconds = min(1.0, options.seconds / 20)
    try:
        say("a reader alone, beside a process that computes, and beside a writer")
        steady = _steady(Reader(path, case, options), neighbour, seconds)
        say("a reader that refreshes, beside a writer")
        following = _following(Reader(path, case, options), neighbour, seconds)
    finally:
        neighbour.end()
        if before:
            os.sched_setaffinity(0, before)
    return {"processors": [own, other], "steady": steady, "following": following}


def _steady(reader: Reader, neighbour: Neighbour, seconds: float) -> dict[str, Any]:
    """Without refreshing the reader has the same rows all the time, so that only the neighbour makes a difference."""
    runs: dict[str, Contender] = {what: Contender() for what in ("rest", "compute", "add")}
    rng = np.random.default_rng(0)
    added, adding = 0, 0.0
    reader.run(seconds)
    for _ in range(READER_ROUNDS):
        for what in rng.permutation(list(runs)):
            rows, started = neighbour.tell(str(what)), time.perf_counter()
            runs[what].seconds += reader.run(seconds)[0].seconds
            if what == "add":
                added += neighbour.tell("rest") - rows
                adding += time.perf_counter() - started
    neighbour.tell("rest")
    reader.store.close()
    return {f"{what}_p50_s": run.percentile(50) for what, run in runs.items()} | {"rows_per_second": added / adding}


def _following(reader: Reader, neighbour: Neighbour, seconds: float) -> dict[str, Any]:
    """The reader gets more rows, so it is compared with itself alone with as many: the mean of before and after."""
    rounds = []
    first_rows = _caught_up(reader, seconds)
    for _ in range(READER_ROUNDS):
        before = reader.run(seconds)[0].percentile(50)
        neighbour.tell("add")
        searched, refreshed = reader.run(seconds, refreshing=True)
        neighbour.tell("rest")
        rows = _caught_up(reader, seconds / 4)
        alone = (before + reader.run(seconds)[0].percentile(50)) / 2
        share = sum(refreshed) / sum(searched.seconds)
        rounds.append((searched.percentile(50) / alone, float(np.median(refreshed)), share))
    reader.store.close()
    slowdown, refresh, share = np.median(np.array(rounds), axis=0).tolist()
    return {
        "slowdown": slowdown,
        "refresh_p50_s": refresh,
        "refreshing_per_searching": share,
        "rows": [first_rows, rows],
    }


def _caught_up(reader: Reader, seconds: float) -> int:
    """After refreshing, and some searches: npvec codes new rows when there are enough of them."""
    reader.store.refresh()
    reader.run(seconds)
    return reader.store.info()["rows"]


# -------------------------------------------------------------------------------------------------------- Growth


def _growth(case: Case, options: Options) -> list[dict[str, Any]]:
    """The same rows, ids and documents over and over."""
    rows = _rows(case, 0, min(UPSERTED, len(case.rows)))
    say(f"{UPSERT_ROUNDS} rounds of {rows[1]} upserts")
    lines = []
    for each in (True, False):
        path = options.work / f"growth-{each}.npz"
        store = npvec.Store.open_file(str(path), 1, case.dimensions, npvec.OS)
        sizes = []
        for number in range(UPSERT_ROUNDS):
            store.upsert(*rows)
            journal = _journal_bytes(store)
            if each or number in (0, UPSERT_ROUNDS - 1):
                store.save()
            sizes.append({"journal": journal, "archive": path.stat().st_size, "journal_saved": _journal_bytes(store)})
        store.close()
        lines.append({"saved_each_round": each, "rows": rows[1], "first": sizes[0], "last": sizes[-1]})
    return lines
