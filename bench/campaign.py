"""Runs the cases: builds every system's file, checks the answers, times the searches, starts cold processes."""

from __future__ import annotations

import shutil
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import psutil

import cold
import oracle
from datasets import Case
from systems import System, TunedSystem
from systems.exact import Npvec, Numpy
from timing import Contender, interleave, warm_up

BATCH_REPEATS = 9
BATCH_TURN = 3
RECALL_WANTED = 0.99
MOST_EFFORT = 8192
MEMORY_SHARE = 0.8


@dataclass
class Options:
    threads: int
    ks: list[int]
    queries: int
    batch: int
    turn: int
    warm: float  # seconds
    seconds: float
    starts: int
    hnsw_rows: int
    systems: list[type[System]]  # npvec first
    work: Path


@dataclass
class Runner:
    """One system in one case."""

    system: System
    path: Path
    build_s: float = 0.0
    tuned_recall: float | None = None
    left_out: str = ""
    single: Contender = field(default_factory=Contender)
    batch: Contender = field(default_factory=Contender)

    @property
    def name(self) -> str:
        return self.system.name

    def attempt(self, step: Callable[..., None], *arguments: Any) -> None:
        """A system that fails is left out of the case, with its reason; npvec must not fail."""
        try:
            step(self, *arguments)
        except Exception as error:
            if isinstance(self.system, Npvec):
                raise
            reason = f"{type(error).__name__}: {error}".replace(f"{self.path.parent}/", "")
            self.left_out = reason.split("\n")[0][:300]
            say(f"{self.name} is left out: {self.left_out}")

    def close(self) -> None:
        """Also forgets the prepared searches, which hold on to the system's memory."""
        self.single, self.batch = Contender(), Contender()
        self.system.close()


@dataclass
class Result:
    """One system, one case, one k. Times in seconds; `single` and `batch` are of whole calls."""

    system: str
    build_s: float
    effort: int | None
    tuned_recall: float | None
    single_least_s: float
    single_p50_s: float
    single_p99_s: float
    single_first_s: float | None
    single_count: int
    batch_p50_s: float
    recall: float
    wrong_answers: int | None
    cold: dict[str, Any] = field(default_factory=dict)


def say(text: str) -> None:
    print(f"  {text}", file=sys.stderr, flush=True)


def run_case(case: Case, options: Options) -> list[dict[str, Any]]:
    """One record for each k."""
    shutil.rmtree(options.work, ignore_errors=True)
    options.work.mkdir(parents=True)
    try:
        return _run_case(case, options)
    finally:
        shutil.rmtree(options.work, ignore_errors=True)


def _run_case(case: Case, options: Options) -> list[dict[str, Any]]:
    runners = [Runner(kind(options.threads), options.work / f"rows{kind.suffix}") for kind in options.systems]
    for runner in runners:
        runner.attempt(_build, case, options)
    say("finding the true answers in float64")
    truth = oracle.find(stored_rows(runners[0].system), case.queries, max(options.ks))
    tuning = oracle.find(case.rows, case.tuning, max(options.ks))
    records = []
    for k in options.ks:
        measured = _measure(case, k, _present(runners), truth.first(k), tuning.first(k), options)
        records.append(_record(case, k, measured))
    for runner in _present(runners):
        runner.close()
    _add_cold(case, records[0], runners, options)
    for record in records:
        record["left_out"] = {r.name: r.left_out for r in runners if r.left_out}
    return records


def _add_cold(case: Case, record: dict[str, Any], runners: Sequence[Runner], options: Options) -> None:
    """First answers and memory hardly depend on k, so they are measured for one k alone."""
    if not options.starts:
        return
    paths = {runner.name: runner.path for runner in runners}
    targets = [cold.Target(r["system"], paths[r["system"]], r["effort"] or 0) for r in record["results"]]
    say(f"cold processes: {options.starts} for each of {len(targets)} systems, in turn")
    measured = cold.measure(targets, case.queries, record["k"], options.threads, options.starts, options.work)
    for result in record["results"]:
        result["cold"] = measured[result["system"]]
        if "failed" in result["cold"]:
            say(f"{result['system']}: its cold process failed: {result['cold']['failed']}")


def _present(runners: Sequence[Runner]) -> list[Runner]:
    return [runner for runner in runners if not runner.left_out]


def _build(runner: Runner, case: Case, options: Options) -> None:
    runner.left_out = _too_much(runner.system, case, options)
    if runner.left_out:
        say(f"{runner.name} is left out: {runner.left_out}")
        if isinstance(runner.system, Npvec):
            raise SystemExit("bench: without npvec there is nothing to compare")
        return
    runner.system.load()
    say(f"{runner.name}: building")
    started = time.perf_counter()
    runner.system.build(case.rows, runner.path)
    runner.build_s = time.perf_counter() - started
    if isinstance(runner.system, Numpy):
        runner.system.share(case.rows)
    else:
        runner.system.open(runner.path, cold=False)


def _too_much(system: System, case: Case, options: Options) -> str:
    """Why this system cannot take part in this case, or nothing."""
    if isinstance(system, TunedSystem) and len(case.rows) > options.hnsw_rows:
        return f"no HNSW is built above {options.hnsw_rows} rows (--hnsw-rows)"
    # While it is built, a system that copies the rows may hold a second copy for a moment.
    needed = (1 + system.copies) * case.rows.nbytes if system.copies else 0
    usable = MEMORY_SHARE * psutil.virtual_memory().available
    if needed > usable:
        return f"needs about {needed / 2**30:.1f} GiB of memory, {usable / 2**30:.1f} GiB are to be had"
    free = shutil.disk_usage(options.work).free
    if 1.5 * case.rows.nbytes > free:
        return f"needs about {1.5 * case.rows.nbytes / 2**30:.1f} GiB of disk, {free / 2**30:.1f} GiB are free"
    return ""


def stored_rows(system: Npvec) -> np.ndarray:
    """The rows as npvec keeps them, bit for bit; borrowed, until it is closed."""
    return np.ctypeslib.as_array(system.store.vectors()).reshape(-1, system.store.info()["dimensions"])


def _record(case: Case, k: int, results: list[Result]) -> dict[str, Any]:
    return {
        "name": case.name,
        "description": case.description,
        "rows": len(case.rows),
        "dimensions": case.dimensions,
        "k": k,
        "results": [vars(result) for result in results],
    }


def _measure(
    case: Case, k: int, runners: list[Runner], truth: oracle.Truth, tuning: oracle.Truth, options: Options
) -> list[Result]:
    for runner in runners:
        if isinstance(runner.system, TunedSystem):
            runner.attempt(_tune, case, k, tuning)
    asked = _repeat(len(case.queries), options.queries)
    batch = case.queries[_repeat(len(case.queries), options.batch)]
    for runner in _present(runners):
        runner.attempt(_prepare, case, k, asked, batch)
    ready = _present(runners)
    say(f"k={k}: one query at a time, {len(asked)} queries on {len(ready)} systems in turn")
    interleave([runner.single for runner in ready], options.turn, options.warm, options.seconds)
    say(f"k={k}: {len(batch)} queries in one call")
    interleave([runner.batch for runner in ready], BATCH_TURN, options.warm, options.seconds)
    return [_result(runner, case, asked, truth) for runner in ready]


def _repeat(queries: int, count: int) -> np.ndarray:
    """The numbers of `count` queries; those of a small set come again."""
    return np.resize(np.arange(queries), count)


def _prepare(runner: Runner, case: Case, k: int, asked: np.ndarray, batch: np.ndarray) -> None:
    system = runner.system
    take = system.scored if isinstance(system, Npvec) else system.rows
    runner.single = Contender([system.prepare(np.array(case.queries[i : i + 1]), k) for i in asked], take)
    runner.batch = Contender([system.prepare(batch, k)] * BATCH_REPEATS, take)
    warm_up(runner.single)
    take(runner.batch.searches[0]())


def _tune(runner: Runner, case: Case, k: int, truth: oracle.Truth) -> None:
    """Finds by bisection the least effort that reaches the wanted recall on queries that are not timed."""

    def reached(effort: int) -> float:
        runner.system.set_effort(effort)
        answers = runner.system.rows(runner.system.prepare(case.tuning, k)())
        return oracle.recall(truth, case.rows, case.tuning, answers)

    low, high = k - 1, k
    most = max(k, min(MOST_EFFORT, len(case.rows)))
    while (recall := reached(high)) < RECALL_WANTED and high < most:
        low, high = high, min(2 * high, most)
    while recall >= RECALL_WANTED and high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if reached(middle) >= RECALL_WANTED else (middle, high)
    runner.tuned_recall = reached(high)
    say(f"{runner.name}: effort {high}, recall {runner.tuned_recall:.4f} on the tuning queries")


def _result(runner: Runner, case: Case, asked: np.ndarray, truth: oracle.Truth) -> Result:
    single, batch = runner.single, runner.batch
    of_query = asked[: len(single.results)]
    known = truth.of(of_query)
    answers, wrong = [answer[0] for answer in single.results], None
    if isinstance(runner.system, Npvec):
        batched = batch.results[0]
        wrong = oracle.wrong_answers(known, answers)
        wrong += oracle.wrong_answers(truth.of(_repeat(len(case.queries), len(batched))), batched)
        answers = [[row for row, _ in hits] for hits in answers]
    return Result(
        system=runner.name,
        build_s=runner.build_s,
        effort=runner.system.effort if isinstance(runner.system, TunedSystem) else None,
        tuned_recall=runner.tuned_recall,
        single_least_s=single.percentile(0),
        single_p50_s=single.percentile(50),
        single_p99_s=single.percentile(99),
        single_first_s=float(np.median(single.firsts)) if single.firsts else None,
        single_count=len(single.seconds),
        batch_p50_s=batch.percentile(50),
        recall=oracle.recall(known, case.rows, case.queries[of_query], answers),
        wrong_answers=wrong,
    )
