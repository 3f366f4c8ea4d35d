"""The package over time: threads, processes, the end of the interpreter, memory."""

import gc
import os
import subprocess
import sys
import textwrap
import threading
import time

import numpy as np
import pytest

from leaks import CALLS, growth, make_store
from npvec import VectorStore

RANDOM = np.random.default_rng(2)


def run(program, *arguments):
    """Runs a program with warnings as errors, and returns what it prints."""
    command = [
        sys.executable,
        "-W",
        "error",
        "-X",
        "faulthandler",
        "-c",
        textwrap.dedent(program),
        *map(str, arguments),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0 and done.stderr == "", done.stderr
    return done.stdout


def in_threads(*works):
    """Runs functions at once until the first has returned; they get a function that says whether to stop."""
    errors, stop = [], threading.Event()

    def guard(work):
        try:
            work(stop.is_set)
        except BaseException as error:  # to be raised in the test
            errors.append(error)
            stop.set()

    threads = [threading.Thread(target=guard, args=(work,)) for work in works]
    for thread in threads:
        thread.start()
    threads[0].join()
    stop.set()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]


def test_searches_see_whole_rows_while_others_write(tmp_path):
    """Every row's metadata is the number that its vector points to, and stays so while rows come, change and go."""
    store = VectorStore(16, file_path=tmp_path / "store.npz")
    corners = np.eye(16, dtype=np.float32)

    def add(corner, rows):
        return corners[[corner] * rows], [{"corner": corner}] * rows

    def write(_):
        for turn in range(150):
            store.add(*add(turn % 16, 1 + turn % 40))
            store.upsert(*add(turn % 16, 1), ids=[turn % 16])
            if turn % 10 == 5:
                store.delete(where="corner = ?", params=[turn % 16])
            if turn % 25 == 20:
                store.save()
            if turn % 70 == 69:
                store.clear()

    def search(stopped):
        while not stopped():
            for corner in range(16):
                for hit in store.cosine_search(corners[corner], top_k=20, min_value=0.5):
                    assert hit.metadata == {"corner": corner}
                for row, score, metadata in store.search(corners[corner], 3, 0.5, where=f"corner = {corner}"):
                    assert metadata == {"corner": corner} and score == 1.0

    def look(stopped):
        while not stopped():
            vectors = store.vectors
            assert np.isfinite(vectors).all()
            assert len(store.metadata) >= 0 and store.count() >= 0
            store.search_batch(corners, top_k=5)
            store.get(0)

    in_threads(write, search, search, look)


def test_one_file_is_read_by_many_threads_at_first_use(tmp_path):
    store = VectorStore(8)
    store.add(RANDOM.standard_normal((2000, 8)), [{"row": row} for row in range(2000)])
    store.save(tmp_path / "a.npz")
    opened = VectorStore.open(tmp_path / "a.npz")
    kept = []

    def read(_):
        kept.append(list(opened.metadata))

    in_threads(*[read] * 6)
    assert all(a is b for rows in kept for a, b in zip(rows, kept[0]))


def test_the_interpreter_is_free_during_a_search():
    store = VectorStore(256, threads=1)
    store.add(RANDOM.standard_normal((20000, 256)))
    queries = RANDOM.standard_normal((400, 256)).astype(np.float32)
    turns = [0]

    def search(_):
        store.search_batch(queries)

    def count(stopped):
        while not stopped():
            turns[0] += 1
            time.sleep(0)  # lets go by itself

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1000)  # nobody is made to let go
    try:
        in_threads(search, count)
    finally:
        sys.setswitchinterval(interval)
    assert turns[0] > 0


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork")
def test_a_child_searches_on():
    print_twice = """
        import os, numpy as np, npvec
        store = npvec.VectorStore(64)
        store.add(np.random.default_rng(1).standard_normal((20000, 64)), range(20000))
        before = store.cosine_search(store.vectors[5])
        child = os.fork()
        assert store.cosine_search(store.vectors[5]) == before
        store.add([[1.0] * 64], ["new"])
        assert store.get(20000)[1] == "new"
        if child:
            assert os.waitpid(child, 0)[1] == 0
            print("done")
        else:
            os._exit(0)
    """
    assert run(print_twice) == "done\n"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork")
def test_children_that_are_made_while_threads_search():
    program = """
        import os, threading, warnings, numpy as np, npvec
        warnings.simplefilter("ignore", DeprecationWarning)  # Python 3.12 and later say that it is dangerous
        vectors = np.random.default_rng(1).standard_normal((40000, 128))
        store, stop = npvec.VectorStore(128), threading.Event()
        store.add(vectors, range(40000))
        expected = store.cosine_search(vectors[5])
        def search():
            while not stop.is_set():
                assert store.cosine_search(vectors[5]) == expected
        threads = [threading.Thread(target=search) for _ in range(2)]
        for thread in threads:
            thread.start()
        for _ in range(5):
            child = os.fork()
            if child == 0:
                store.add(vectors[:1] + 1, ["child's"])
                os._exit(store.cosine_search(vectors[5]) != expected)
            assert os.waitpid(child, 0)[1] == 0
        stop.set()
        for thread in threads:
            thread.join()
        print(len(store))
    """
    assert run(program) == "40000\n"


@pytest.mark.parametrize("durability", ["off", "disk"])
def test_the_interpreter_ends_with_open_stores(tmp_path, durability):
    """Which is said on the command line; what it did not save is in the journal if it has one."""
    program = """
        import sys, threading, numpy as np, npvec
        store = npvec.VectorStore(8)
        store.add(np.eye(8), range(8))
        store.save(sys.argv[1])
        opened = npvec.VectorStore.open(sys.argv[1])
        store = npvec.VectorStore(8, file_path=sys.argv[2], durability=sys.argv[3])
        view, hits = opened.vectors, opened.cosine_search(np.ones(8))
        store.itself = store
        store.add(np.ones((20000, 8)), range(20000))
        def forever():
            while True:
                store.cosine_search(np.ones(8))
        def write():
            while True:
                store.upsert(np.ones((1, 8)), ["written"], ids=["w"])
        for work in (forever, forever, write):
            threading.Thread(target=work, daemon=True).start()
        while store.row_of("w") is None:
            pass
        print(len(hits))
    """
    assert run(program, tmp_path / "a.npz", tmp_path / "b.npz", durability) == "8\n"
    if durability != "off":
        assert VectorStore.open(tmp_path / "b.npz").get(id="w")[1] == "written"


def test_importing_takes_little_beside_numpy():
    program = """
        import sys, numpy
        before = set(sys.modules)
        import npvec
        print(*set(sys.modules) - before)
    """
    heavy = {"asyncio", "ctypes", "inspect", "numpy.random", "typing_extensions", "uuid", "zipfile"}
    if sys.version_info < (3, 11):  # dataclasses needs it, and the NumPy that there is for 3.10 does not
        heavy.remove("inspect")
    assert not heavy & set(run(program).split())


def test_a_view_keeps_its_memory():
    store = VectorStore(4, normalize=False)
    store.add(np.arange(40).reshape(10, 4), range(10))
    vectors = store.vectors
    del store
    gc.collect()
    np.testing.assert_array_equal(vectors, np.arange(40).reshape(10, 4))


@pytest.mark.parametrize("name", CALLS)
def test_calls_leave_no_memory_behind(name, tmp_path):
    """Nor do a million of each, by `python leaks.py`."""
    store, query = make_store(tmp_path), np.arange(1, 9, dtype=np.float32)
    calls = 1000 if name != "journal" else 100
    assert growth(lambda: CALLS[name](store, query), calls) < 0.9 * calls


@pytest.mark.skipif(not hasattr(sys, "_is_gil_enabled"), reason="this Python cannot be without the GIL")
def test_the_gil_stays_as_it_was():
    program = """
        import sys, numpy
        before = sys._is_gil_enabled()
        import npvec
        print(sys._is_gil_enabled() == before)
    """
    assert run(program) == "True\n"


def test_objects_that_are_replaced_live_on_where_they_are_being_read():
    store = VectorStore(8)
    vectors = RANDOM.standard_normal((64, 8))
    store.add(vectors, [{"row": row} for row in range(64)], ids=range(64))

    def replace(_):
        for _ in range(3000):
            store.upsert(vectors[:16], [{"row": row} for row in range(16)], ids=range(16))

    def search(stopped):
        while not stopped():
            assert all(hit.metadata["row"] == hit.index for hit in store.cosine_search(vectors[0], top_k=50))

    def look(stopped):
        while not stopped():
            assert [found["row"] for found in store.metadata] == list(range(64))
            assert all(store.get(row)[1]["row"] == row for row in range(64))

    in_threads(replace, search, search, look)
