"""The Python package beside numpy-vector-store: the same programs, with the import changed."""

from __future__ import annotations

import importlib.machinery
import importlib.util
import math
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

import oracle
from campaign import Options, say
from datasets import Case
from timing import Contender, interleave, warm_up

ADDED = 10_000  # rows that are added, at most
BATCH = 1000
ADD_ROUNDS = 5
BENCH = Path(__file__).resolve().parent


def load() -> dict[str, ModuleType]:
    """Both packages. That of npvec gets another name here, where `npvec` is the library through ctypes."""
    import numpy_vector_store

    paths = [path for path in sys.path if Path(path).resolve() != BENCH]
    found = importlib.machinery.PathFinder.find_spec("npvec", paths)
    if found is None or found.origin is None:
        raise ImportError("the package npvec is not installed")
    spec = importlib.util.spec_from_file_location(
        "npvec_package", found.origin, submodule_search_locations=list(found.submodule_search_locations or ())
    )
    package = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = package
    spec.loader.exec_module(package)
    return {"npvec": package, "original": numpy_vector_store}


def metadata(count: int) -> list[dict[str, Any]]:
    return [
        {"source": f"notes/{i:08d}.md", "year": 1990 + i % 35, "text": f"What was said on day {i}"}
        for i in range(count)
    ]


def run_case(case: Case, options: Options) -> list[dict[str, Any]]:
    """One record for each k; what does not depend on k is measured once and stands in all of them."""
    packages = load()
    shutil.rmtree(options.work, ignore_errors=True)
    options.work.mkdir(parents=True)
    try:
        added = _adds(case, packages)
        paths = _save(case, packages, options)
        stores = {name: package.VectorStore.open(paths[name]) for name, package in packages.items()}
        rows = stores["npvec"].vectors
        return [_record(case, k, packages, stores, paths, rows, added, options) for k in options.ks]
    finally:
        shutil.rmtree(options.work, ignore_errors=True)


def _record(
    case: Case,
    k: int,
    packages: dict[str, ModuleType],
    stores: dict[str, Any],
    paths: dict[str, Path],
    rows: np.ndarray,
    added: dict[str, Any],
    options: Options,
) -> dict[str, Any]:
    say(f"k={k}: finding the true answers in float64")
    truth = oracle.find(rows, case.queries, k)
    searched = _searches(case, k, stores, truth, options)
    opened = _opens(case, k, packages, paths, truth, options)
    parts = {"adds": added["adds"], "searches": searched, "opens": opened}
    return {
        "name": case.name,
        "description": case.description,
        "rows": len(case.rows),
        "dimensions": case.dimensions,
        "k": k,
        "added": added["added"],
        "calls": [line for part in parts.values() for line in part],
        "wrong_answers": sum(line["wrong_answers"] for part in parts.values() for line in part),
    }


def _line(call: str, ways: dict[str, Contender], wrong: int) -> dict[str, Any]:
    return {"call": call, **{f"{name}_p50_s": way.percentile(50) for name, way in ways.items()}, "wrong_answers": wrong}


# ---------------------------------------------------------------------------------------------------------- Adding


def _adds(case: Case, packages: dict[str, ModuleType]) -> dict[str, Any]:
    """The same rows into new stores, again and again."""
    rows, payloads = case.rows[:ADDED], metadata(min(ADDED, len(case.rows)))
    expected = packages["npvec"].VectorStore(case.dimensions)
    expected.add(rows, payloads)
    lines = []
    for size in (1, BATCH):
        say(f"{len(rows)} rows, {size} at a time")
        wrong: list[int] = []

        def check(store: Any, wrong: list[int] = wrong) -> None:
            if type(store) is packages["npvec"].VectorStore:
                same = np.array_equal(store.vectors, expected.vectors) and all(map(_is, store.metadata, payloads))
                wrong.append(not same)

        ways = {
            name: Contender([_filler(package, rows, payloads, size)] * ADD_ROUNDS, check)
            for name, package in packages.items()
        }
        interleave(list(ways.values()), 1, 1, math.inf)
        lines.append(_line(f"add, {size:,} at a time", ways, sum(wrong)))
    return {"added": len(rows), "adds": lines}


def _is(found: object, expected: object) -> bool:
    return found is expected


def _filler(package: ModuleType, rows: np.ndarray, payloads: list[dict[str, Any]], size: int) -> Callable[[], Any]:
    parts = [(rows[i : i + size], payloads[i : i + size]) for i in range(0, len(rows), size)]

    def fill() -> Any:
        store = package.VectorStore(rows.shape[1])
        for vectors, objects in parts:
            store.add(vectors, objects)
        return store

    return fill


# ------------------------------------------------------------------------------------------------------- Searching


def _searches(
    case: Case, k: int, stores: dict[str, Any], truth: oracle.Truth, options: Options
) -> list[dict[str, Any]]:
    asked = np.resize(np.arange(len(case.queries)), options.queries)
    ways = {name: Contender(_calls(store, case.queries[asked], k), _scored) for name, store in stores.items()}
    say(f"{len(asked)} queries, one at a time")
    for name, way in ways.items():
        _ = stores[name].metadata  # npvec makes the objects of a file when they are first asked for
        warm_up(way)
    interleave(list(ways.values()), options.turn, options.warm, options.seconds)
    found = ways["npvec"].results
    return [_line("cosine_search", ways, oracle.wrong_answers(truth.of(asked[: len(found)]), found))]


def _calls(store: Any, queries: np.ndarray, k: int) -> list[Callable[[], Any]]:
    search = store.cosine_search
    return [lambda query=query: search(query, top_k=k) for query in queries]


def _scored(hits: Any) -> list[tuple[int, float]]:
    return [(hit.index, hit.value) for hit in hits]


# --------------------------------------------------------------------------------------------------------- Opening


def _save(case: Case, packages: dict[str, ModuleType], options: Options) -> dict[str, Path]:
    """Each package's file, as its `save` writes it: npvec's is not compressed, the original's always is."""
    paths, payloads = {}, metadata(len(case.rows))
    for name, package in packages.items():
        say(f"saving {name}")
        paths[name] = options.work / f"{name}.npz"
        store = package.VectorStore(case.dimensions)
        store.add(case.rows, payloads)
        store.save(paths[name])
    return paths


def _opens(
    case: Case, k: int, packages: dict[str, ModuleType], paths: dict[str, Path], truth: oracle.Truth, options: Options
) -> list[dict[str, Any]]:
    def opener(name: str) -> Callable[[], Any]:
        def opened() -> Any:
            store = packages[name].VectorStore.open(paths[name])
            return store.cosine_search(case.queries[0], top_k=k)

        return opened

    rounds = max(options.starts, 1)
    ways = {name: Contender([opener(name)] * rounds, _scored) for name in packages}
    say(f"opening and one question, {rounds} times")
    interleave(list(ways.values()), 1, 0, math.inf)
    first = np.zeros(rounds, np.int64)
    return [_line("open, cosine_search", ways, oracle.wrong_answers(truth.of(first), ways["npvec"].results))]
