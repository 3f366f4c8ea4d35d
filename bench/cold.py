"""Cold processes: the time to a first answer from a file, and the memory of a process that searches it."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

PROBE = Path(__file__).resolve().parent / "probe.py"
TIMEOUT = 600
QUERIES = 20
# After these a system has whatever it makes lazily.
SEARCHES = 50


@dataclass
class Target:
    """A file, and the system that is to answer from it."""

    name: str
    path: Path
    effort: int


def measure(
    targets: Sequence[Target], queries: np.ndarray, k: int, threads: int, starts: int, work: Path
) -> dict[str, dict[str, Any]]:
    """What each target needed; one that failed has only `failed`, the reason. The targets take turns."""
    query_path = work / "queries.f32"
    queries[:QUERIES].tofile(query_path)
    measured: dict[str, list[dict[str, Any]]] = {target.name: [] for target in targets}
    failed: dict[str, str] = {}
    for start in range(starts):
        searches = SEARCHES if start == starts - 1 else 0
        for target in targets:
            if target.name in failed:
                continue
            arguments = [target.name, target.path, query_path, queries.shape[1], k, threads, target.effort, searches]
            try:
                measured[target.name].append(_run(arguments))
            except (OSError, RuntimeError) as error:
                failed[target.name] = str(error)
    return {name: {"failed": failed[name]} if name in failed else _summary(runs) for name, runs in measured.items()}


def _run(arguments: list[Any]) -> dict[str, Any]:
    command = [sys.executable, str(PROBE), *map(str, arguments)]
    with tempfile.TemporaryFile("w+") as errors:
        started = time.perf_counter()
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors, text=True) as process:
            watchdog = threading.Timer(TIMEOUT, process.kill)
            watchdog.start()
            line = process.stdout.readline()
            answered = time.perf_counter() - started
            rest = process.stdout.read()
        watchdog.cancel()
        if process.returncode or line.strip() != "answered":
            errors.seek(0)
            reason = (errors.read().strip().splitlines() or ["no reason given"])[-1]
            raise RuntimeError(f"exit status {process.returncode}: {reason}")
    return {**json.loads(rest), "process_s": answered}


def _summary(runs: list[dict[str, Any]]) -> dict[str, Any]:
    """Medians of the times; the memory of the last run, the one that goes on searching."""
    times = {key: float(np.median([run[key] for run in runs])) for key in runs[0] if key.endswith("_s")}
    return {**times, "memory": runs[-1]["memory"], "searches": SEARCHES + 1}
