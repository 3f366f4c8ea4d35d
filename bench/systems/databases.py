"""Embedded databases that scan: sqlite-vec and LanceDB without an index."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from systems.base import Search, System


class SqliteVec(System):
    name = "sqlite-vec"
    packages = ("sqlite-vec", "apsw")
    suffix = ".db"
    settings = (
        "vec0 with Euclidean distance (the metric it has SIMD for; on unit vectors the order is the same), "
        "64 KB pages, mapped; a batch is a loop"
    )

    def load(self) -> None:
        # The sqlite3 of many Pythons is built without extensions; apsw brings an SQLite of its own.
        import apsw
        import sqlite_vec

        self.apsw, self.extension = apsw, sqlite_vec.loadable_path()

    def connect(self, path: Path) -> Any:
        connection = self.apsw.Connection(str(path))
        connection.enable_load_extension(True)
        connection.load_extension(self.extension)
        return connection

    def build(self, vectors: Any, path: Path) -> None:
        connection = self.connect(path)
        connection.execute("pragma page_size = 65536")
        connection.execute(f"create virtual table rows using vec0(vector float[{vectors.shape[1]}])")
        with connection:
            numbered = ((i, vector.tobytes()) for i, vector in enumerate(vectors))
            connection.executemany("insert into rows(rowid, vector) values (?, ?)", numbered)
        connection.close()

    def open(self, path: Path, cold: bool) -> None:
        self.connection = self.connect(path)
        self.connection.execute(f"pragma mmap_size = {path.stat().st_size}")

    def prepare(self, queries: Any, k: int) -> Search:
        execute = self.connection.execute
        statement = "select rowid, distance from rows where vector match ? and k = ?"
        view = memoryview(queries).cast("B")
        width = len(view) // len(queries)
        arguments = [(bytes(view[i : i + width]), k) for i in range(0, len(view), width)]
        return lambda: [execute(statement, bound).fetchall() for bound in arguments]

    def rows(self, answer: Any) -> list[list[int]]:
        return [[row for row, _ in hits] for hits in answer]

    def close(self) -> None:
        self.connection.close()
        super().close()


class LanceDb(System):
    name = "LanceDB flat"
    packages = ("lancedb", "pyarrow")
    suffix = ".lance"
    settings = "a table without an index, inner product, only row numbers and distances selected; Arrow results"

    def load(self) -> None:
        import lancedb
        import numpy
        import pyarrow

        self.lancedb, self.np, self.pyarrow = lancedb, numpy, pyarrow

    def build(self, vectors: Any, path: Path) -> None:
        lists = self.pyarrow.FixedSizeListArray.from_arrays(vectors.reshape(-1), vectors.shape[1])
        table = self.pyarrow.table({"id": self.np.arange(len(vectors)), "vector": lists})
        self.lancedb.connect(path).create_table("rows", table)

    def open(self, path: Path, cold: bool) -> None:
        self.table = self.lancedb.connect(path).open_table("rows")

    def prepare(self, queries: Any, k: int) -> Search:
        table = self.table
        single = len(queries) == 1
        asked = queries[0] if single else queries
        columns = ["id", "_distance"] if single else ["query_index", "id", "_distance"]
        return lambda: table.search(asked).distance_type("dot").limit(k).select(columns).to_arrow()

    def rows(self, answer: Any) -> Any:
        ids = answer.column("id").to_numpy()
        if "query_index" not in answer.column_names:
            return [ids]
        starts = self.np.flatnonzero(self.np.diff(answer.column("query_index").to_numpy())) + 1
        return self.np.split(ids, starts)
