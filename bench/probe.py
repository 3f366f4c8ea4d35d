"""A cold process that opens one file, answers, and says how long it took and what memory it holds.

Started by cold.py: probe.py SYSTEM FILE QUERIES DIMENSIONS K THREADS EFFORT SEARCHES. QUERIES is a file of
float32. The first answer is announced by a line as soon as it is there; after SEARCHES more, a line of JSON follows.
"""

from __future__ import annotations

import sys
import time
from array import array
from pathlib import Path
from typing import Any


def read_queries(path: str, dimensions: int) -> Any:
    """Each query as a 1 x dimensions array: of NumPy if the system has imported it, otherwise a memoryview."""
    values = array("f", Path(path).read_bytes())
    numpy = sys.modules.get("numpy")
    for first in range(0, len(values), dimensions):
        one = values[first : first + dimensions]
        if numpy:
            yield numpy.asarray(one, numpy.float32).reshape(1, dimensions)
        else:
            yield memoryview(one).cast("B").cast("f", [1, dimensions])


def memory() -> dict[str, int]:
    """Resident bytes, and where the system says so those that no file backs."""
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
    except OSError:
        import psutil

        return {"resident": psutil.Process().memory_info().rss}
    fields = {line.split(":")[0]: int(line.split()[1]) * 1024 for line in lines if line.endswith(" kB")}
    return {"resident": fields["VmRSS"], "anonymous": fields["RssAnon"], "peak": fields["VmHWM"]}


def main() -> None:
    name, path, query_path = sys.argv[1:4]
    dimensions, k, threads, effort, searches = map(int, sys.argv[4:9])
    system, imported = import_system(name, threads)
    queries = list(read_queries(query_path, dimensions))
    before = memory()
    started = time.perf_counter()
    system.open(Path(path), cold=True)
    if effort:
        system.set_effort(effort)
    opened = time.perf_counter()
    first = system.rows(system.prepare(queries[0], k)())
    answered = time.perf_counter()
    print("answered", flush=True)
    for i in range(searches):
        system.rows(system.prepare(queries[i % len(queries)], k)())
    report(
        before,
        {
            "import_s": imported,
            "open_s": opened - started,
            "first_s": answered - started,
            "hits": len(first[0]),
        },
    )


def import_system(name: str, threads: int) -> tuple[Any, float]:
    started = time.perf_counter()
    from systems import BY_NAME

    system = BY_NAME[name](threads)
    system.load()
    return system, time.perf_counter() - started


def report(before: dict[str, int], measured: dict[str, Any]) -> None:
    import json

    after = memory()
    growth = {key: after[key] - before[key] for key in after}
    print(json.dumps({**measured, "memory": growth}), flush=True)


if __name__ == "__main__":
    main()
