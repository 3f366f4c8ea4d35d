"""Times searches of several systems in turn, so that whatever drifts hits all of them alike."""

from __future__ import annotations

import contextlib
import gc
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

LEAST_SEARCHES = 10
TASKS = Path("/proc/self/task")
QUIET_SHARE = 0.1
QUIET_SLICE = 0.001
LONGEST_WAIT = 0.25
WARM_UP_SEARCHES = range(5, 41)
WARM_UP_SECONDS = 3.0


@dataclass
class Contender:
    """One system's searches: `searches[i]` answers query i, `take` turns what it returned into a result."""

    searches: Sequence[Callable[[], Any]] = ()
    take: Callable[[Any], Any] = list
    seconds: list[float] = field(default_factory=list)
    firsts: list[float] = field(default_factory=list)  # the first search of each turn, behind another system's
    results: list[Any] = field(default_factory=list)

    def percentile(self, share: float) -> float:
        """The least time that so many per cent of the searches did not exceed."""
        return float(np.percentile(self.seconds, share, method="inverted_cdf"))


def settle() -> None:
    """Waits until no thread of this process is busy: BLAS and OpenMP workers spin for a while after their work."""
    end = time.perf_counter() + LONGEST_WAIT
    busy = _others_run if TASKS.is_dir() else _time_is_used
    while busy() and time.perf_counter() < end:
        time.sleep(QUIET_SLICE)


def _others_run() -> bool:
    """Linux: is another thread running, or waiting for a processor? One that spins and yields may use next to no time."""
    states = []
    for stat in TASKS.glob("*/stat"):
        with contextlib.suppress(OSError):  # a thread that has ended
            states.append(stat.read_text().rpartition(")")[2].split()[0])
    return states.count("R") > 1


def _time_is_used() -> bool:
    used, started = time.process_time(), time.perf_counter()
    time.sleep(QUIET_SLICE)
    return time.process_time() - used >= QUIET_SHARE * (time.perf_counter() - started)


def warm_up(contender: Contender) -> None:
    """Untimed searches, so that a system has what it makes lazily: pages, threads, npvec's codes."""
    end = time.perf_counter() + WARM_UP_SECONDS
    for i in range(WARM_UP_SEARCHES.stop - 1):
        contender.take(contender.searches[i % len(contender.searches)]())
        if i >= WARM_UP_SEARCHES.start and time.perf_counter() > end:
            return


def interleave(contenders: Sequence[Contender], turn: int, warm: float, budget: float, seed: int = 0) -> None:
    """The first `turn` queries on every system in random order, then the next ones, and so on.

    A system's turn begins with `warm` seconds of other queries, so that its rows are in the caches, its threads awake,
    the processors at their speed and the traces of the system before it gone. Of these only the first is kept, in
    `firsts`. A system that has used `budget` seconds stops after LEAST_SEARCHES timed searches.
    """
    rng = np.random.default_rng(seed)
    spent = [0.0] * len(contenders)
    gc.collect()
    gc.disable()
    try:
        for first in range(0, max(len(contender.searches) for contender in contenders), turn):
            for c in rng.permutation(len(contenders)):
                started = time.perf_counter()
                _take_turn(contenders[c], first, turn, warm, budget - spent[c])
                spent[c] += time.perf_counter() - started
    finally:
        gc.enable()


def _take_turn(contender: Contender, first: int, turn: int, warm: float, left: float) -> None:
    searches, take = contender.searches, contender.take
    end = min(first + turn, len(searches) if left > 0 else LEAST_SEARCHES)
    if end <= first:
        return
    settle()
    warming: list[float] = []
    used = 0.0
    while used < warm:
        take(_timed(searches[(end + len(warming)) % len(searches)], warming))
        used += warming[-1]
    contender.firsts += warming[:1]
    contender.results += map(take, [_timed(search, contender.seconds) for search in searches[first:end]])


def _timed(search: Callable[[], Any], seconds: list[float]) -> Any:
    started = time.perf_counter()
    answer = search()
    seconds.append(time.perf_counter() - started)
    return answer
