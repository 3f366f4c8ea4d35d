"""npvec against itself: the search as it chooses to run, and the same search told to scan the float32 rows."""

from __future__ import annotations

import shutil
from typing import Any

import numpy as np

import oracle
from campaign import BATCH_REPEATS, BATCH_TURN, Options, say, stored_rows
from datasets import Case
from systems.exact import Npvec
from timing import Contender, interleave, warm_up


def run_case(case: Case, options: Options) -> list[dict[str, Any]]:
    """One record for each k."""
    shutil.rmtree(options.work, ignore_errors=True)
    options.work.mkdir(parents=True)
    system = Npvec(options.threads)
    path = options.work / "rows.npz"
    try:
        system.load()
        system.build(case.rows, path)
        system.open(path, cold=False)
        first = _first_searches(system, case, options.ks[0])
        records = [_record(system, case, k, options, first) for k in options.ks]
        system.close()
        return records
    finally:
        shutil.rmtree(options.work, ignore_errors=True)


def _first_searches(system: Npvec, case: Case, k: int) -> dict[str, Any]:
    """Searches until npvec has coded its rows: how many were plain before, and what the coding took."""
    for searches in range(1, 101):
        told = system.explain(case.queries[:1], k)
        if told["rows_coded"]:
            return {"coded_at_search": searches, "coding_s": told["coding_seconds"]}
    return {"coded_at_search": None, "coding_s": None}


def _record(system: Npvec, case: Case, k: int, options: Options, first: dict[str, Any]) -> dict[str, Any]:
    say(f"{case.name}, {len(case.rows)} x {case.dimensions}, k={k}")
    asked = np.resize(np.arange(len(case.queries)), options.queries)
    batch = case.queries[np.resize(np.arange(len(case.queries)), options.batch)]
    queries = [np.array(case.queries[i : i + 1]) for i in asked]
    chosen, plain = (
        Contender([system.prepare(query, k, exhaustive) for query in queries], system.scored)
        for exhaustive in (False, True)
    )
    chosen_batch, plain_batch = (
        Contender([system.prepare(batch, k, exhaustive)] * BATCH_REPEATS, system.scored) for exhaustive in (False, True)
    )
    for contender in (chosen, plain):
        warm_up(contender)
    interleave([chosen, plain], options.turn, options.warm, options.seconds)
    interleave([chosen_batch, plain_batch], BATCH_TURN, options.warm, options.seconds)
    return {
        "name": case.name,
        "description": case.description,
        "rows": len(case.rows),
        "dimensions": case.dimensions,
        "k": k,
        "chosen_p50_s": chosen.percentile(50),
        "chosen_p99_s": chosen.percentile(99),
        "plain_p50_s": plain.percentile(50),
        "plain_p99_s": plain.percentile(99),
        "chosen_batch_p50_s": chosen_batch.percentile(50),
        "plain_batch_p50_s": plain_batch.percentile(50),
        "wrong_answers": _wrong(case, k, asked, system, [chosen, plain]),
        "explain": system.explain(case.queries, k) | {"single": _single_plans(system, queries, k)},
        **first,
    }


def _single_plans(system: Npvec, queries: list[np.ndarray], k: int) -> dict[str, Any]:
    """What single queries read, summed over all of them, and how many ran by each plan."""
    told = [system.explain(query, k) for query in queries]
    plans: dict[str, int] = {}
    for one in told:
        plans[one["plan"]] = plans.get(one["plan"], 0) + 1
    counted = ("rows", "rows4", "rows8", "rows32", "bytes4", "bytes8", "bytes32", "survivors")
    return {"plans": plans} | {name: sum(one[name] for one in told) for name in counted}


def _wrong(case: Case, k: int, asked: np.ndarray, system: Npvec, contenders: list[Contender]) -> int:
    truth = oracle.find(stored_rows(system), case.queries, k)
    wrong = 0
    for contender in contenders:
        answers = [answer[0] for answer in contender.results]
        wrong += oracle.wrong_answers(truth.of(asked[: len(answers)]), answers)
    return wrong
