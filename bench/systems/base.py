"""What the benchmarks ask of a system that is compared."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, ClassVar

Search = Callable[[], Any]


class System:
    """One way to search.

    A system is loaded (its modules imported), built from rows of unit length into a file, opened from that file and
    asked. `prepare` does what a caller would have done beforehand, such as making a query the type that the system
    takes; the call that it returns is what is timed; `rows` turns the answer into row numbers, untimed.

    Modules are imported by `load`, not at the top, so that a cold process imports only what its system needs.
    """

    name: ClassVar[str]
    packages: ClassVar[tuple[str, ...]] = ()
    suffix: ClassVar[str] = ""
    settings: ClassVar[str]
    copies: ClassVar[float] = 1.0  # resident float32 rows while it is open, as a share of all rows
    approximate: ClassVar[bool] = False

    def __init__(self, threads: int) -> None:
        self.threads = threads

    def load(self) -> None:
        """Imports its modules. Raises ImportError or OSError where they are not to be had."""
        raise NotImplementedError

    def build(self, vectors: Any, path: Path) -> None:
        """Writes `vectors`, and an index if it has one, to `path`."""
        raise NotImplementedError

    def open(self, path: Path, cold: bool) -> None:
        """Opens the file. `cold`: for one answer as soon as possible, not for many."""
        raise NotImplementedError

    def prepare(self, queries: Any, k: int) -> Search:
        """A search for the k nearest rows to each of the queries (2-D, float32)."""
        raise NotImplementedError

    def rows(self, answer: Any) -> Sequence[Sequence[int]]:
        """Row numbers, best first, for each query of an answer."""
        raise NotImplementedError

    def close(self) -> None:
        """Lets go of the file and of memory."""
        self.__dict__ = {"threads": self.threads}


class TunedSystem(System):
    """A system that trades recall for time by one number, `effort`."""

    approximate = True
    effort: int = 0

    def set_effort(self, effort: int) -> None:
        raise NotImplementedError
