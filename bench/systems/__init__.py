"""The systems that are compared, in the order in which the tables list them."""

from __future__ import annotations

from systems.base import System, TunedSystem
from systems.databases import LanceDb, SqliteVec
from systems.exact import Npvec, Numpy, NumpyVectorStore, Usearch
from systems.indexed import FaissFlat, FaissHnsw, FaissShards, Hnswlib

ALL: tuple[type[System], ...] = (
    Npvec,
    Numpy,
    NumpyVectorStore,
    FaissFlat,
    FaissShards,
    Usearch,
    SqliteVec,
    LanceDb,
    FaissHnsw,
    Hnswlib,
)
BY_NAME = {system.name: system for system in ALL}

__all__ = ["ALL", "BY_NAME", "System", "TunedSystem"]
