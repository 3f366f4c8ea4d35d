"""Kills writers at random moments and looks for what they had acknowledged: npvec beside other embedded stores.

    scripts/bench.sh --crash [--rounds N] [--systems NAME...] [--seed N]

Every system adds rows one at a time, each acknowledged before the next, and is killed by SIGKILL; another process opens
what is left and reads the rows. Counted are rows that were acknowledged and are not there, rows that are there twice, and
files that cannot be opened. Durability is each system's own for a crash of the process; none of this is a power loss.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

DIMENSIONS = 64
MOST_ROWS = 4000  # then a system begins anew
LONGEST = 0.3  # seconds from the first acknowledged row to the kill
PATIENCE = 60  # seconds for a process to begin, or to read


def vector(number: int) -> Any:
    import numpy as np

    values = np.cos(np.arange(1, DIMENSIONS + 1, dtype=np.float32) * (number + 1))
    return (values / np.linalg.norm(values)).astype(np.float32)


# Each system: add(directory) gives what adds one row by its number; numbers(directory) those of the rows that are there.


def npvec_add(directory: Path) -> Callable[[int], None]:
    import npvec

    store = npvec.Store.open_file(str(directory / "store.npz"), 1, DIMENSIONS, npvec.OS)

    def add(number: int) -> None:
        text = json.dumps({"n": number}).encode()
        store.prepare_add(vector(number), 1, DIMENSIONS, [text], [str(number).encode()])()

    return add


def npvec_numbers(directory: Path) -> Iterator[int]:
    import npvec

    store = npvec.Store.open_file(str(directory / "store.npz"))
    for row in range(store.info()["rows"]):
        yield json.loads(store.document(row))["n"]


def original_add(directory: Path) -> Callable[[int], None]:
    from numpy_vector_store import VectorStore

    path = directory / "store.npz"
    store = VectorStore.open(path) if path.exists() else VectorStore(DIMENSIONS)

    def add(number: int) -> None:
        store.add(vector(number)[None, :], [{"n": number}])
        store.save(path)

    return add


def original_numbers(directory: Path) -> Iterator[int]:
    from numpy_vector_store import VectorStore

    for document in VectorStore.open(directory / "store.npz").metadata:
        yield document["n"]


def sqlite_connection(directory: Path, extension: bool) -> Any:
    if extension:
        import apsw
        import sqlite_vec

        connection = apsw.Connection(str(directory / "store.sqlite"))
        connection.enable_load_extension(True)
        connection.load_extension(sqlite_vec.loadable_path())
    else:
        import sqlite3

        connection = sqlite3.connect(directory / "store.sqlite", isolation_level=None)
    for pragma in ("journal_mode = WAL", "synchronous = NORMAL"):
        connection.execute(f"PRAGMA {pragma}").fetchall()
    return connection


def sqlite_add(directory: Path, extension: bool = False) -> Callable[[int], None]:
    connection = sqlite_connection(directory, extension)
    table = f"VIRTUAL TABLE IF NOT EXISTS rows USING vec0(vector float[{DIMENSIONS}], +n integer)"
    connection.execute(f"CREATE {table if extension else 'TABLE IF NOT EXISTS rows(vector BLOB, n INTEGER)'}")

    def add(number: int) -> None:
        connection.execute("INSERT INTO rows(vector, n) VALUES (?, ?)", (vector(number).tobytes(), number))

    return add


def sqlite_numbers(directory: Path, extension: bool = False) -> Iterator[int]:
    for (number,) in sqlite_connection(directory, extension).execute("SELECT n FROM rows"):
        yield number


def lancedb_table(directory: Path) -> Any:
    import lancedb
    import pyarrow

    database = lancedb.connect(str(directory))
    if (directory / "rows.lance").exists():
        return database.open_table("rows")
    fields = [("n", pyarrow.int64()), ("vector", pyarrow.list_(pyarrow.float32(), DIMENSIONS))]
    return database.create_table("rows", schema=pyarrow.schema(fields))


def lancedb_add(directory: Path) -> Callable[[int], None]:
    table = lancedb_table(directory)
    return lambda number: table.add([{"n": number, "vector": vector(number)}])


def lancedb_numbers(directory: Path) -> Iterator[int]:
    yield from lancedb_table(directory).to_arrow()["n"].to_pylist()


SYSTEMS: dict[str, tuple[Callable, Callable]] = {
    "npvec": (npvec_add, npvec_numbers),
    "numpy-vector-store": (original_add, original_numbers),
    "SQLite": (sqlite_add, sqlite_numbers),
    "sqlite-vec": (lambda path: sqlite_add(path, True), lambda path: sqlite_numbers(path, True)),
    "LanceDB": (lancedb_add, lancedb_numbers),
}


def write_until_killed(system: str, directory: Path, first: int) -> None:
    add = SYSTEMS[system][0](directory)
    for number in range(first, sys.maxsize):
        add(number)
        os.write(1, b"%d\n" % number)


def read_rows(system: str, directory: Path) -> None:
    print(json.dumps(list(SYSTEMS[system][1](directory))))


def start(what: str, system: str, directory: Path, *more: str) -> list[str]:
    return [sys.executable, __file__, f"--{what}", system, str(directory), *more]


def acknowledged(system: str, directory: Path, first: int, chance: random.Random) -> list[int]:
    """Rows that a writer acknowledged before it was killed."""
    command = start("write", system, directory, str(first))
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as writer:
        assert writer.stdout is not None
        begun = writer.stdout.readline()
        time.sleep(chance.uniform(0, LONGEST))
        writer.send_signal(signal.SIGKILL)
        rest = writer.stdout.read()
    if not begun:
        raise RuntimeError(f"{system}: the writer did not begin")
    return [int(line) for line in (begun + rest).splitlines(keepends=True) if line.endswith(b"\n")]


def found(system: str, directory: Path) -> list[int] | None:
    command = start("read", system, directory)
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=PATIENCE)
    return json.loads(done.stdout) if done.returncode == 0 else None


def torment(system: str, rounds: int, seed: int) -> dict[str, int]:
    counts = dict.fromkeys(("rounds", "acknowledged", "lost", "twice", "unopenable"), 0)
    chance = random.Random(seed)
    known: set[int] = set()
    directory = Path(tempfile.mkdtemp(prefix="npvec-crash-"))
    for i in range(rounds):
        new = acknowledged(system, directory, i * 1000000, chance)
        rows = found(system, directory)
        known.update(new)
        counts["rounds"] += 1
        counts["acknowledged"] += len(new)
        counts["unopenable"] += rows is None
        if rows is not None:
            counts["lost"] += len(known - set(rows))
            counts["twice"] += len(rows) - len(set(rows))
            known = set(rows)
        if rows is None or len(rows) > MOST_ROWS:
            shutil.rmtree(directory)
            directory.mkdir()
            known = set()
    shutil.rmtree(directory)
    return counts


def main() -> int:
    if len(sys.argv) > 2 and sys.argv[1] == "--write":
        write_until_killed(sys.argv[2], Path(sys.argv[3]), int(sys.argv[4]))
    if len(sys.argv) > 2 and sys.argv[1] == "--read":
        read_rows(sys.argv[2], Path(sys.argv[3]))
        return 0
    parser = argparse.ArgumentParser(prog="scripts/bench.sh --crash", description="kills writers at random moments")
    parser.add_argument("--rounds", type=int, default=20, metavar="N", help="kills of each system (20)")
    parser.add_argument("--systems", nargs="+", choices=SYSTEMS, default=list(SYSTEMS), metavar="NAME", help="only these")
    parser.add_argument("--seed", type=int, default=1, metavar="N", help="of the moments (1)")
    arguments = parser.parse_args()
    wrong = 0
    print(f"{'':20} {'kills':>6} {'acknowledged':>13} {'lost':>6} {'twice':>6} {'unopenable':>11}")
    for system in arguments.systems:
        try:
            counts = torment(system, arguments.rounds, arguments.seed)
        except RuntimeError as error:
            print(f"{error}: left out")
            continue
        wrong += counts["lost"] + counts["twice"] + counts["unopenable"] if system == "npvec" else 0
        print(
            f"{system:20} {counts['rounds']:6} {counts['acknowledged']:13} {counts['lost']:6} {counts['twice']:6} "
            f"{counts['unopenable']:11}",
            flush=True,
        )
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
