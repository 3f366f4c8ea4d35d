"""python leaks.py [CALLS]: makes each kind of call so many times, a million by default, and fails if memory grows."""

import gc
import os
import sys
import tempfile

import numpy as np

from npvec import VectorStore


def fails(call):
    try:
        call()
    except (ValueError, IndexError):
        return
    raise AssertionError("expected an error")


CALLS = {
    "cosine_search": lambda s, q: s.cosine_search(q, top_k=3),
    "search": lambda s, q: s.search(q, 3),
    "converted query": lambda s, q: s.dot_search(q.tolist()),
    "filtered": lambda s, q: s.cosine_search(q, where={"n": {"$gt": 3}}, within_rows=[1, 5], ids=["1", "5"]),
    "batch": lambda s, q: s.search_batch(q[None], top_k=2),
    "explain": lambda s, q: s.explain(q),
    "get": lambda s, q: (s.get(1), s.get(id="2"), s.id_of(3), s.row_of(4)),
    "views": lambda s, q: (s.vectors, s.metadata, len(s), s.info()),
    "upsert": lambda s, q: s.upsert(q[None], [{"n": 1, "t": ("x", np.int8(3), 2**70, "ü")}], ids=["3"]),
    "select": lambda s, q: (s.select("n > 2", order_by="n"), s.facet("n"), s.count("n = 1")),
    "errors": lambda s, q: [
        fails(call)
        for call in (
            lambda: s.cosine_search(q[:2]),
            lambda: s.cosine_search(q * 0),
            lambda: s.add(q[None], [1], ids=["1"]),
            lambda: s.count("n >"),
            lambda: s.cosine_search(q, within_rows=[99]),
            lambda: s.delete(),
        )
    ],
    "store": lambda s, q: VectorStore(2).add([[1, 2]], [{"a": [1, {"b": None}]}]),
    "open": lambda s, q: VectorStore.open(s.file_path).get(1),
    "journal": lambda s, q: VectorStore.open(s.file_path, durability="os").close(),
}


def make_store(directory):
    store = VectorStore(8)
    store.add(np.random.default_rng(2).standard_normal((10, 8)), [{"n": n} for n in range(10)], ids=range(10))
    store.save(os.path.join(directory, "leaks.npz"))
    return store


def resident():
    with open("/proc/self/statm", encoding="ascii") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def growth(call, calls, size=sys.getallocatedblocks):
    """By how much `size` is larger after so many calls, which are made after a quarter of them for warmth."""
    for _ in range(calls // 4):
        call()
    gc.collect()
    before = size()
    for _ in range(calls):
        call()
    gc.collect()
    return size() - before


def main():
    calls = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    query = np.arange(1, 9, dtype=np.float32)
    leaking = []
    with tempfile.TemporaryDirectory() as directory:
        store = make_store(directory)
        for name, call in CALLS.items():
            # What opens files takes a hundred times as long.
            number = calls if name not in ("open", "journal") else calls // 100
            grown = growth(lambda call=call: call(store, query), number, resident)
            print(f"{name}: {number} calls, {grown / 1024:.0f} KiB", flush=True)
            if grown > max(number, 1 << 20):
                leaking.append(name)
    sys.exit(f"memory grows: {', '.join(leaking)}" if leaking else 0)


if __name__ == "__main__":
    main()
