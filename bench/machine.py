"""What a result depends on: the processor, the versions, the commit. Never the name of the machine."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import subprocess
from pathlib import Path
from typing import Any

import npvec

ROOT = Path(__file__).resolve().parent.parent
# Of a processor's many features, those that decide how fast a dot product can be.
FEATURES = ("avx2", "fma", "avx512f", "avx512bw", "avx512_vnni", "avx_vnni", "amx_int8", "asimd", "asimddp", "i8mm")
THREAD_VARIABLES = (
    "OPENBLAS_NUM_THREADS",
    "OMP_NUM_THREADS",
    "MKL_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
    "LANCE_CPU_THREADS",
    "RAYON_NUM_THREADS",
    "TOKIO_WORKER_THREADS",
)


def processors() -> int:
    """Those that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def limit_threads(threads: int) -> None:
    """Holds this process and its children to so many threads. Must run before NumPy is imported."""
    for variable in THREAD_VARIABLES:
        os.environ[variable] = str(threads)
    os.environ.setdefault("RUST_LOG", "error")
    if hasattr(os, "sched_setaffinity") and threads < processors():
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:threads])


def _output(*command: str) -> str:
    try:
        return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return ""


def _cpuinfo() -> dict[str, str]:
    """The first processor of /proc/cpuinfo; empty where there is none."""
    try:
        text = Path("/proc/cpuinfo").read_text()
    except OSError:
        return {}
    pairs = (line.split(":", 1) for line in text.split("\n\n")[0].splitlines() if ":" in line)
    return {key.strip(): value.strip() for key, value in pairs}


def describe(threads: int) -> dict[str, Any]:
    import psutil

    info = _cpuinfo()
    flags = (info.get("flags") or info.get("Features") or "").split()
    return {
        "cpu": info.get("model name") or _output("sysctl", "-n", "machdep.cpu.brand_string") or platform.machine(),
        "features": [feature for feature in FEATURES if feature in flags],
        "last_level_cache": _last_level_cache(),
        "processors": os.cpu_count(),
        "threads": threads,
        "memory_gib": round(psutil.virtual_memory().total / 2**30, 1),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
    }


def _last_level_cache() -> str:
    sizes = sorted(Path("/sys/devices/system/cpu/cpu0/cache").glob("index*/size"))
    return sizes[-1].read_text().strip() if sizes else _output("sysctl", "-n", "hw.l2cachesize")


def versions(packages: list[str]) -> dict[str, str]:
    """Of npvec, with its kernels and the commit, and of each installed package."""
    found = {"npvec": f"{npvec.version()} ({', '.join([_kernels(), *_commit()])})"}
    for package in packages:
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def _kernels() -> str:
    store = npvec.Store.create(dimensions=1)
    try:
        return f"{store.info()['kernels']} kernels"
    finally:
        store.close()


def _commit() -> list[str]:
    commit = _output("git", "rev-parse", "--short=10", "HEAD")
    changed = _output("git", "status", "--porcelain", "--", "src", "include", "CMakeLists.txt", "cmake")
    return [f"commit {commit}{' with changes' if changed else ''}"] if commit else []


def load_average() -> float | None:
    """Of the last minute: above the number of threads that wait for nothing, the figures are worth little."""
    return round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None
