#!/usr/bin/env python3
"""Compares npvec with other ways to search, side by side: `make bench`, or scripts/bench.sh with options.

Prints a table for each case and writes results.json and SVG plots to build/bench. Ends with status 1 if an answer of
npvec differs from the float64 oracle in a row, the order or a bit of a score. docs/benchmarks.md says how to read it.
"""

from __future__ import annotations

import argparse
import json
import sqlite3
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import machine

ROOT = Path(__file__).resolve().parent.parent
SYNTHETIC = ("facts", "spectrum", "noise")


def whole(text: str) -> int:
    """A number of rows and the like: 10000, 10K or 1M."""
    factor = {"K": 1000, "M": 1000000}.get(text[-1:].upper(), 1)
    number = int(text[:-1] if factor > 1 else text) * factor
    if number < 1:
        raise ValueError(text)
    return number


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="bench", description=__doc__.split("\n")[0])
    add = parser.add_argument
    add("--data", type=Path, nargs="+", default=[], metavar="PATH", help="real embeddings, .npy or .npz")
    add(
        "--data-rows",
        type=whole,
        nargs="+",
        default=[None],
        metavar="N",
        help="rows taken of each --data file: sampled, or grown where it has fewer (default: all it has)",
    )
    add("--sets", nargs="*", choices=SYNTHETIC, help="bundled and self-made sets (all; others: spectrum)")
    add(
        "--rows",
        type=whole,
        nargs="+",
        metavar="N",
        help="of self-made sets (1K 10K; --filters: 100K; --durability: 50K; --python: 1K 10K 100K)",
    )
    add("--dims", type=whole, nargs="+", metavar="N", help="of self-made sets (384 1536; --durability: 384)")
    add("--k", type=whole, nargs="+", metavar="N", help="nearest rows wanted (10; --python: 5)")
    add("--queries", type=whole, default=200, metavar="N", help="timed single queries (200)")
    add("--batch", type=whole, default=100, metavar="N", help="queries in one batch call (100)")
    add("--threads", type=whole, default=machine.processors(), metavar="N", help="for all systems (the machine's)")
    add("--systems", nargs="+", metavar="NAME", help="only these, beside npvec and NumPy; --list names them")
    add("--turn", type=whole, default=25, metavar="N", help="timed searches of a system before the next one's turn (25)")
    add("--warm", type=float, default=50, metavar="MS", help="of others before them; --turn 1 --warm 0: cold caches (50)")
    add("--seconds", type=float, default=20, metavar="S", help="after these a slow system gets fewer queries (20)")
    add("--starts", type=int, default=3, metavar="N", help="cold processes for each system; 0: none (3)")
    add("--hnsw-rows", type=whole, default=100000, metavar="N", help="no HNSW above so many rows (100K)")
    mode = parser.add_mutually_exclusive_group().add_argument
    mode("--plain-ratio", action="store_true", help="only npvec against its own scan of the float32 rows")
    mode("--filters", action="store_true", help="only filters: against NumPy, json.loads and SQLite")
    mode("--durability", action="store_true", help="only changes that are kept: against SQLite and plain writes")
    mode("--python", action="store_true", help="only the Python package: against numpy-vector-store")
    add("--list", action="store_true", help="name the systems, say which can be loaded, and stop")
    add("--out", type=Path, default=ROOT / "build" / "bench", metavar="DIR", help="for results (build/bench)")
    arguments = parser.parse_args()
    narrow = arguments.filters or arguments.durability or arguments.python
    if arguments.k is None:
        arguments.k = [5] if arguments.python else [10]
    if arguments.sets is None:
        arguments.sets = ["spectrum"] if narrow else list(SYNTHETIC)
    if arguments.rows is None:
        arguments.rows = [100000] if arguments.filters else [50000] if arguments.durability else [1000, 10000]
        arguments.rows += [100000] if arguments.python else []
    if arguments.dims is None:
        arguments.dims = [384] if arguments.durability else [384, 1536]
    if narrow:
        arguments.systems = ["numpy", "numpy-vector-store"] if arguments.python else ["numpy"]
    return arguments


def cases(arguments: argparse.Namespace) -> Iterator:
    """One after the other, as the larger ones do not fit in memory together."""
    import datasets

    tuning = min(arguments.queries, 100)
    if "facts" in arguments.sets:
        yield datasets.facts()
    for path in arguments.data:
        embeddings = datasets.Embeddings(path, arguments.queries, tuning)
        for count in arguments.data_rows:
            yield embeddings.case(count)
    for make in (datasets.spectrum, datasets.noise):
        if make.__name__ in arguments.sets:
            for dimensions in arguments.dims:
                for count in arguments.rows:
                    yield make(count, dimensions, arguments.queries, tuning)


def choose(arguments: argparse.Namespace) -> tuple[list, dict[str, str]]:
    """The systems that take part, and why the others do not."""
    from systems import ALL, BY_NAME

    wanted = [name.lower() for name in arguments.systems or BY_NAME] + ["npvec", "numpy"]
    unknown = [name for name in wanted if name not in {known.lower() for known in BY_NAME}]
    if unknown:
        raise SystemExit(f"bench: no such system: {', '.join(unknown)}; there are: {', '.join(BY_NAME)}")
    chosen, missing = [], {}
    for kind in ALL:
        if kind.name.lower() not in wanted:
            continue
        try:
            kind(arguments.threads).load()
            chosen.append(kind)
        except (ImportError, OSError) as error:
            if kind.name in ("npvec", "NumPy"):
                raise SystemExit(f"bench: {kind.name} cannot be loaded: {error}; `make bench` builds it") from error
            missing[kind.name] = f"not on this machine: {str(error).replace(f'{ROOT}/', '')}"
    return chosen, missing


def main() -> int:
    arguments = parse()
    machine.limit_threads(arguments.threads)
    chosen, missing = choose(arguments)
    if arguments.list:
        print("\n".join([kind.name for kind in chosen] + [f"{name}: {why}" for name, why in missing.items()]))
        return 0
    for name, why in missing.items():
        print(f"bench: {name} is left out: {why}", file=sys.stderr)
    return measure(arguments, chosen, missing)


def measure(arguments: argparse.Namespace, chosen: list, missing: dict[str, str]) -> int:
    import campaign

    options = campaign.Options(
        threads=arguments.threads,
        ks=sorted(set(arguments.k)),
        queries=arguments.queries,
        batch=arguments.batch,
        turn=arguments.turn,
        warm=arguments.warm / 1000,
        seconds=arguments.seconds,
        starts=arguments.starts,
        hnsw_rows=arguments.hnsw_rows,
        systems=chosen,
        work=arguments.out / "work",
    )
    run, show, name = choose_measure(arguments)
    results = describe(arguments, chosen, missing)
    warn(results["load_average_before"], arguments.threads)
    arguments.out.mkdir(parents=True, exist_ok=True)
    for case in cases(arguments):
        print(f"bench: {case.name}: {len(case.rows)} x {case.dimensions}, {case.description}", file=sys.stderr)
        for record in run(case, options):
            results["cases"].append(record)
            print(show(record), flush=True)
        del case  # before the next one is made: two large ones would not fit
        # After every case, so that an interrupted run leaves what it has measured.
        (arguments.out / name).write_text(json.dumps(results, indent=1) + "\n")
    return finish(arguments, results)


def choose_measure(arguments: argparse.Namespace) -> tuple[Callable, Callable, str]:
    """What measures a case, what shows its records, and the file for them."""
    import campaign
    import durability
    import filters
    import package
    import plain
    import table

    if arguments.filters:
        return filters.run_case, table.filtered, "filters.json"
    if arguments.durability:
        return durability.run_case, table.durable, "durability.json"
    if arguments.python:
        return package.run_case, table.packaged, "python.json"
    if arguments.plain_ratio:
        return plain.run_case, table.plain, "plain.json"
    return campaign.run_case, table.compared, "results.json"


def describe(arguments: argparse.Namespace, chosen: list, missing: dict[str, str]) -> dict:
    packages = sorted({package for kind in chosen for package in kind.packages})
    kept = ("k", "queries", "batch", "threads", "turn", "warm", "seconds", "starts", "hnsw_rows")
    sqlite = arguments.filters or arguments.durability
    return {
        "day": time.strftime("%Y-%m-%d"),
        "machine": machine.describe(arguments.threads),
        "load_average_before": machine.load_average(),
        "versions": machine.versions(packages) | ({"SQLite": sqlite3.sqlite_version} if sqlite else {}),
        "options": {name: getattr(arguments, name) for name in kept},
        "settings": {kind.name: kind.settings for kind in chosen},
        "missing": missing,
        "cases": [],
    }


def warn(load: float | None, threads: int) -> None:
    """BLAS threads that spin for each other suffer most from other programs, which flatters npvec."""
    if load is not None and load > 0.25 * threads:
        print(f"bench: load average {load}: other programs run, the figures will be worth little", file=sys.stderr)


def finish(arguments: argparse.Namespace, results: dict) -> int:
    if not (arguments.plain_ratio or arguments.filters or arguments.durability or arguments.python):
        draw(results, arguments.out)
    counts = [record.get("wrong_answers") for record in results["cases"]]
    counts += [result["wrong_answers"] for record in results["cases"] for result in record.get("results", [])]
    wrong = sum(count for count in counts if count)
    if arguments.durability:
        print(f"rows that were not there when the file was opened again: {wrong}")
        print(f"results: {arguments.out}")
        return 1 if wrong else 0
    verdict = f"{wrong} answers of npvec DIFFER from" if wrong else "every answer of npvec is equal to"
    print(f"{verdict} the float64 oracle's, rows, order and score bits")
    print(f"results: {arguments.out}")
    return 1 if wrong else 0


def draw(results: dict, out: Path) -> None:
    try:
        import plots
    except ImportError as error:
        print(f"bench: no plots: {error}", file=sys.stderr)
        return
    for path in plots.draw_all(results, out):
        print(f"bench: {path}", file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
