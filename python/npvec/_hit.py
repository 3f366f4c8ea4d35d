"""What searches and facets find."""

from dataclasses import dataclass
from typing import Any, Generic, NamedTuple, TypeVar

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class VectorHit(Generic[T]):
    """A row that a search found.

    index: the row's number. value: its score, or for Euclidean searches its distance. metadata: the row's own object,
    not a copy of it; where the store has a schema, a copy of the row's record. Hits are equal, and have a hash, as
    these three are and have.
    """

    index: int
    value: float
    metadata: T


class Facet(NamedTuple):
    """The values of a field with how many rows have them, most frequent first, and how many rows lack the field."""

    values: list[tuple[Any, int]]
    missing: int
