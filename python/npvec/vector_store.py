"""The classes by the name that numpy_vector_store's own module has, for programs that import them from there."""

from ._hit import VectorHit
from ._store import VectorStore

__all__ = ["VectorHit", "VectorStore"]
