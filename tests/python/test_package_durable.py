"""Stores that are open for writing: what a killed process leaves, readers that follow, who may write."""

import copy
import gc
import os
import pickle
import resource
import signal
import subprocess
import sys
import textwrap

import numpy as np
import pytest

import npvec
from npvec import VectorStore
from test_package_life import in_threads

VECTORS = np.random.default_rng(8).standard_normal((50, 4)).astype(np.float32)
WRITING = ["os", "disk"]


def start(program, *arguments):
    """A process that is told what to do, and says what it did, in lines."""
    return subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(program), *map(str, arguments)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def filled(path, durability="os", rows=3):
    store = VectorStore(4, path, durability=durability)
    store.add(VECTORS[:rows], [{"n": n} for n in range(rows)], ids=map(str, range(rows)))
    return store


def contents(store):
    """All that a store shows of its rows."""
    rows = store.select().tolist()
    return [(store.id_of(row), store.get(row)[1], store.get(row)[0].tobytes()) for row in rows]


# ----------------------------------------------------------------------------------------------------------- what stays


@pytest.mark.parametrize("durability", WRITING)
def test_a_killed_writer_loses_nothing_that_it_said(tmp_path, durability):
    program = """
        import sys, numpy as np, npvec
        store = npvec.VectorStore(4, sys.argv[1], durability=sys.argv[2])
        n = 0
        while True:
            store.add([[n, 1, 2, 3]], [{"n": n, "kind": "added"}], ids=[f"a{n}"])
            store.upsert([[n, -1, 2, 3]], [{"n": n, "kind": "replaced"}], ids=["same"])
            if n % 7 == 3:
                store.delete([f"a{n - 1}"])
            if n == 40:
                store.save()
            print(n, flush=True)
            n += 1
    """
    writer = start(program, tmp_path / "a.npz", durability)
    for line in writer.stdout:
        if int(line) >= 100:
            writer.kill()
            break
    said = max([int(line), *map(int, writer.stdout.read().split())])
    assert writer.wait() == -signal.SIGKILL
    expected = {f"a{n}": n for n in range(said + 1) if n % 7 != 2 or n + 1 > said}
    opened = VectorStore.open(tmp_path / "a.npz")
    found = {opened.id_of(row): opened.get(row)[1]["n"] for row in opened.select().tolist()}
    unsaid = {f"a{said + 1}", f"a{said}", "same"}  # the last turn may have come as far as it likes
    assert found.keys() - unsaid == expected.keys() - unsaid
    assert all(found[each] == expected[each] for each in expected.keys() & found.keys())
    assert found["same"] in (said, said + 1)
    VectorStore.open(tmp_path / "a.npz", durability="os").add([[1, 1, 1, 1]], [{}])


@pytest.mark.parametrize("durability", WRITING)
def test_every_kind_of_change_is_there_when_the_file_is_opened_again(tmp_path, durability):
    store = filled(tmp_path / "a.npz", durability, rows=6)
    assert store.durability == durability == store.info()["durability"] and len(os.listdir(tmp_path)) == 2
    store.upsert(VECTORS[10:12], [{"n": "new"}, None], ids=["1", "ten"])
    store.delete(["0"])
    store.delete(where="n = 3")
    rest = contents(store)
    assert [each[0] for each in rest] == ["1", "2", "4", "5", "ten"]
    store.close()
    for options in ({}, {"durability": "os"}, {}):
        opened = VectorStore.open(tmp_path / "a.npz", **options)
        assert contents(opened) == rest and opened.get(0) is None and opened.get(id="0") is None
        assert opened.metadata[0] is None and opened.metadata[1] == {"n": "new"}
        del opened
    store = VectorStore(4, tmp_path / "a.npz", durability=durability)
    assert contents(store) == rest
    store.load()
    store.clear()
    assert len(store) == 0 and len(store.metadata) == 0
    store.add(VECTORS[:1], ["text"])
    assert store.get(0)[1] == "text" == VectorStore.open(tmp_path / "a.npz").get(0)[1]


def test_what_is_in_memory_becomes_durable_with_the_first_save(tmp_path):
    store = VectorStore(4, durability="os")
    store.add(VECTORS[:2], [{"n": 1}, {"n": 2}])
    store.save(tmp_path / "a.npz")
    assert store.info()["durability"] == "os" and store.info()["generation"] == 1
    store.add(VECTORS[2:3], [{"n": 3}])
    store.load()
    assert len(store) == 3 and store.info()["journal_bytes"] > 128
    assert contents(VectorStore.open(tmp_path / "a.npz")) == contents(store)
    store.save()
    assert contents(VectorStore.open(tmp_path / "a.npz")) == contents(store) and store.info()["generation"] == 2


def test_typed_fields_are_kept(tmp_path):
    schema = {"name": "U8", "year": "i4"}
    store = VectorStore(4, tmp_path / "a.npz", schema, durability="os")
    store.add_vectors(VECTORS[:2], np.array([("a", 1), ("b", 2)], [("name", "U8"), ("year", "i4")]))
    store.add(VECTORS[2:3], [{"name": "c", "year": 3}])
    rest = contents(store)
    del store
    store = VectorStore(4, tmp_path / "a.npz", schema, durability="os")
    assert contents(store) == rest and store.metadata["year"].tolist() == [1, 2, 3]
    store.close()
    with pytest.raises(ValueError, match="name"):
        VectorStore(4, tmp_path / "a.npz", {"name": "U9", "year": "i4"}, durability="os")
    with pytest.raises(ValueError, match="metadata_schema"):
        VectorStore(4, tmp_path / "b.npz", {"anything": object}, durability="os")


@pytest.mark.parametrize(
    "payload", [(1, 2), {"a": (1,)}, {1: 2}, b"x", {1, 2}, np.float32(1), {"a": np.int64(1)}, 2j, "\ud800"], ids=repr
)
def test_metadata_that_is_not_json_is_kept_in_the_journal(tmp_path, payload):
    store = filled(tmp_path / "a.npz")
    rows = store.info()["row_end"]
    store.add(VECTORS[:2], [{"fine": 1}, payload])
    store.upsert(VECTORS[:1], [payload], ids=["0"])
    opened = VectorStore.open(tmp_path / "a.npz", allow_pickle=payload in ({1, 2}, 2j))
    for row in (rows + 1, opened.row_of("0")):
        found = opened.get(row)[1]
        assert found == payload and type(found) is type(payload)


def test_a_change_that_cannot_be_written_is_not_made(tmp_path):
    store = filled(tmp_path / "a.npz")
    before, limits = contents(store), resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (store.info()["journal_bytes"] + 32, limits[1]))
    try:
        for change in (
            lambda: store.add(VECTORS[:5]),
            lambda: store.upsert(VECTORS[:1], [{"n": "other"}], ids=["0"]),
            lambda: store.delete(within_rows=range(3)),
        ):
            with pytest.raises(OSError, match=r"a\.npz"):
                change()
            assert contents(store) == before
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, handler)
    store.add(VECTORS[5:6], [{"n": 5}])
    assert contents(store) == contents(VectorStore.open(tmp_path / "a.npz")) and len(store) == 4


def broken_journal(store, path):
    """A change fails, and so does cutting the journal back to what it was: no more changes until the store is saved."""
    journal = os.stat(path)
    fd = next(
        int(name)
        for name in os.listdir("/proc/self/fd")
        if os.path.exists(f"/proc/self/fd/{name}") and os.path.samestat(os.stat(f"/proc/self/fd/{name}"), journal)
    )
    kept, full = os.dup(fd), os.open("/dev/full", os.O_RDWR)
    os.dup2(full, fd)
    with pytest.raises(OSError, match=r"a\.npz"):
        store.add(VECTORS[:1], [{"n": "not added"}])
    os.dup2(kept, fd)
    os.close(kept)
    os.close(full)
    with pytest.raises(OSError, match="no changes are taken"):
        store.add(VECTORS[:1], [{"n": "not added"}])


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="there is no full device")
@pytest.mark.parametrize("deleted", [0, 1])
def test_saving_mends_a_journal_that_took_no_changes(tmp_path, deleted):
    store = filled(tmp_path / "a.npz")
    store.delete(within_rows=range(deleted))
    broken_journal(store, tmp_path / "a.npz-journal")
    store.metadata[2]["n"] = "changed"
    store.save()
    assert [store.get(row)[1] for row in range(3 - deleted)] == [{"n": 0}, {"n": 1}, {"n": "changed"}][deleted:]
    assert contents(store) == contents(VectorStore.open(tmp_path / "a.npz"))
    store.add(VECTORS[5:6], [{"n": 5}])
    assert contents(store) == contents(VectorStore.open(tmp_path / "a.npz")) and len(store) == 4 - deleted


def test_contexts_save_and_close(tmp_path):
    with VectorStore(4, tmp_path / "a.npz", durability="os") as store:
        store.add(VECTORS[:2], [{"n": 0}, {"n": 1}])
    with np.load(tmp_path / "a.npz", allow_pickle=True) as members:
        assert len(members["vectors"]) == 2
    with pytest.raises(ValueError, match="closed"):
        len(store)
    with pytest.raises(RuntimeError), VectorStore.open(tmp_path / "a.npz", durability="os") as store:
        store.add(VECTORS[2:3], [{"n": 2}])
        raise RuntimeError
    assert len(VectorStore.open(tmp_path / "a.npz", durability="os")) == 3
    with VectorStore.open(tmp_path / "a.npz", durability="os") as store:
        store.close()


# ----------------------------------------------------------------------------------------------------------- who writes


def test_a_second_writer_is_told_who_has_the_file(tmp_path):
    program = """
        import sys, npvec
        store = npvec.VectorStore(4, sys.argv[1], durability="os")
        print("open", flush=True)
        sys.stdin.readline()
    """
    writer = start(program, tmp_path / "a.npz")
    assert writer.stdout.readline() == "open\n"
    for take in (
        lambda: VectorStore.open(tmp_path / "a.npz", durability="disk"),
        lambda: VectorStore(4, tmp_path / "a.npz", durability="os"),
        lambda: VectorStore(4).save(tmp_path / "a.npz"),
    ):
        with pytest.raises(BlockingIOError, match=rf"a\.npz.*{writer.pid}"):
            take()
    assert len(VectorStore.open(tmp_path / "a.npz")) == 0
    writer.communicate("end\n")
    VectorStore.open(tmp_path / "a.npz", durability="disk").add(VECTORS)


def test_the_file_is_free_when_its_writer_is_closed(tmp_path):
    store = filled(tmp_path / "a.npz")
    with pytest.raises(BlockingIOError):
        VectorStore.open(tmp_path / "a.npz", durability="os")
    view = store.vectors
    store.close()
    store.close()
    assert "closed" in repr(store)
    for use in (lambda: store.add(VECTORS), lambda: store.search(VECTORS[0]), store.save, store.refresh, store.get):
        with pytest.raises((ValueError, TypeError)):
            use()
    with pytest.raises(BlockingIOError):
        VectorStore.open(tmp_path / "a.npz", durability="os")
    assert np.isfinite(view).all()
    del view
    gc.collect()
    assert len(VectorStore.open(tmp_path / "a.npz", durability="os")) == 3


def test_wrong_arguments(tmp_path):
    for wrong, error in ((True, TypeError), (1, TypeError), (None, TypeError), ("yes", ValueError)):
        with pytest.raises(error):
            VectorStore(4, durability=wrong)
        with pytest.raises(error):
            VectorStore.open(tmp_path / "a.npz", durability=wrong)
    with pytest.raises(FileNotFoundError):
        VectorStore.open(tmp_path / "a.npz", durability="os")
    filled(tmp_path / "a.npz")
    with pytest.raises(ValueError, match="dimensions"):
        VectorStore(5, tmp_path / "a.npz", durability="os")
    with pytest.raises(ValueError):
        VectorStore(4, tmp_path / "a.npz", normalize=False, durability="os")
    np.savez(tmp_path / "objects.npz", vectors=VECTORS[:1], metadata=np.array([{1, 2}], object))
    with pytest.raises(npvec.UnsupportedError):
        VectorStore.open(tmp_path / "objects.npz", durability="os")
    with pytest.raises(AttributeError):
        VectorStore(4).durability = "os"


def test_copies_are_in_memory(tmp_path):
    store = filled(tmp_path / "a.npz")
    for other in (copy.deepcopy(store), pickle.loads(pickle.dumps(store))):
        assert other.durability == "off" and contents(other) == contents(store)
        other.add(VECTORS[:1])
    assert len(VectorStore.open(tmp_path / "a.npz")) == 3


# -------------------------------------------------------------------------------------------------------------- readers


def test_a_reader_catches_up(tmp_path):
    writer = filled(tmp_path / "a.npz")
    reader = VectorStore.open(tmp_path / "a.npz")
    kept = reader.get(1)[1]
    assert reader.refresh() == 0 and reader.get(1)[1] is kept and writer.refresh() == 0
    writer.add(VECTORS[3:5], [{"n": 3}, {"n": 4}])
    assert len(reader) == 3
    assert reader.refresh() == 1 and contents(reader) == contents(writer)
    assert reader.cosine_search(VECTORS[4], top_k=1)[0].metadata == {"n": 4}
    assert reader.count("n >= 3") == 2 and reader.metadata[3] == {"n": 3}
    writer.upsert(VECTORS[5:6], [{"n": "changed"}], ids=["1"])
    writer.delete(["0"])
    assert reader.refresh() == 1 and contents(reader) == contents(writer)
    assert reader.get(1)[1] == {"n": "changed"} and reader.get(0) is None and reader.metadata[0] is None
    view = reader.vectors
    writer.save()
    writer.add(VECTORS[6:7], [{"n": 6}])
    assert reader.refresh() == 2 and contents(reader) == contents(writer) and len(reader.vectors) == len(reader) == 5
    assert reader.search(VECTORS[6], 1)[0][2] == {"n": 6} and np.isfinite(view).all()
    writer.clear()
    assert reader.refresh() > 0 and len(reader) == 0 and reader.cosine_search(VECTORS[0]) == []


def test_a_reader_follows_a_file_that_is_replaced(tmp_path):
    filled(tmp_path / "a.npz").save()
    reader = VectorStore.open(tmp_path / "a.npz")
    other = VectorStore(4)
    other.add(VECTORS[:1], [{"other": True}])
    other.save(tmp_path / "a.npz")
    assert reader.refresh() == 2 and contents(reader) == contents(other)
    (tmp_path / "a.npz").unlink()
    with pytest.raises(FileNotFoundError):
        reader.refresh()
    assert contents(reader) == contents(other)


def test_only_readers_refresh(tmp_path):
    with pytest.raises(ValueError, match="opened from a file"):
        VectorStore(4).refresh()
    filled(tmp_path / "a.npz").save()
    store = VectorStore.open(tmp_path / "a.npz")
    kept = {1, 2}
    store.add(VECTORS[:1], [kept])
    with pytest.raises(ValueError, match="not changed"):
        store.refresh()
    assert store.get(3)[1] is kept and len(store) == 4
    store = VectorStore.open(tmp_path / "a.npz")
    store.delete(["0"])
    with pytest.raises(ValueError):
        store.refresh()
    store.save()
    assert store.refresh() == 0 and len(store) == 2


def test_a_damaged_journal_is_reported(tmp_path):
    writer = filled(tmp_path / "a.npz")
    reader = VectorStore.open(tmp_path / "a.npz")
    size = writer.info()["journal_bytes"]
    writer.add(VECTORS[:1])
    writer.add(VECTORS[:1])
    with open(tmp_path / "a.npz-journal", "r+b") as journal:
        journal.seek(size + 50)
        journal.write(b"\xff\xff\xff\xff")
    with pytest.raises(ValueError, match="journal"):
        reader.refresh()
    assert len(reader) == 3 and reader.get(0)[1] == {"n": 0}
    with pytest.raises(ValueError, match="journal"):
        VectorStore.open(tmp_path / "a.npz")


def test_readers_see_whole_changes_while_a_process_writes(tmp_path):
    """Each change sets all rows to one number, so a reader must never find two."""
    program = """
        import sys, npvec
        store = npvec.VectorStore(2, sys.argv[1], durability="os")
        ids = range(20)
        n = 0
        while True:
            n += 1
            store.upsert([[n, 1]] * 20, [{"n": n}] * 20, ids=ids)
            if n % 40 == 0:
                store.save()
            if n % 25 == 0:
                store.clear()
                store.upsert([[n, 1]] * 20, [{"n": n}] * 20, ids=ids)
            if n == 1:
                print(n, flush=True)
    """
    writer = start(program, tmp_path / "a.npz")
    writer.stdout.readline()
    reader = VectorStore.open(tmp_path / "a.npz")
    seen, turns = set(), 0
    while (len(seen) <= 20 or turns <= 300) and writer.poll() is None:
        turns += 1
        reader.refresh()
        hits = reader.cosine_search([1, 0], top_k=20)
        numbers = {hit.metadata["n"] for hit in hits}
        assert len(numbers) <= 1 and len(hits) in (0, 20)
        assert {each["n"] for each in reader.metadata if each is not None} == numbers
        seen |= numbers
    writer.kill()
    writer.communicate()
    assert len(seen) > 20


def test_searches_go_on_while_another_thread_refreshes(tmp_path):
    writer = filled(tmp_path / "a.npz")
    reader = VectorStore.open(tmp_path / "a.npz")

    def write(_):
        for turn in range(120):
            writer.upsert(VECTORS[turn % 50 : turn % 50 + 1], [{"n": turn}], ids=[turn % 9])
            if turn % 10 == 5:
                writer.delete([turn % 9])
            if turn % 30 == 20:
                writer.save()
            if turn % 50 == 49:
                writer.clear()
            reader.refresh()

    def read(stopped):
        while not stopped():
            for hit in reader.cosine_search(VECTORS[0], min_value=-1):
                assert isinstance(hit.metadata["n"], int)
            found = reader.get(0)
            assert found is None or "n" in found[1]
            assert np.isfinite(reader.vectors).all() and len(reader.metadata) >= 0
            reader.search_batch(VECTORS[:3], top_k=2)

    in_threads(write, read, read)
    assert contents(reader) == contents(writer)


def test_changes_and_refreshes_leave_no_memory_behind(tmp_path):
    writer = filled(tmp_path / "a.npz")
    reader = VectorStore.open(tmp_path / "a.npz")

    def call(turn):
        writer.upsert(VECTORS[:2], [{"n": 1, "tags": ["a"]}, None], ids=["0", "1"])
        writer.upsert(VECTORS[:1], [{"n": (turn, {1})}], ids=["more"])
        writer.delete(["more"])
        with pytest.raises(ValueError):
            writer.add(VECTORS[:1] * np.nan, [{"n": {1}}])
        assert reader.refresh() > 0 and reader.get(0)[1] == {"n": 1, "tags": ["a"]}
        assert len(reader.search(VECTORS[0], 2, -1, where="n = 1")) == 1
        assert reader.refresh() == 0 and reader.vectors.shape[1] == 4
        if turn % 20 == 0:
            writer.save()  # deleted rows go: the next refresh renumbers

    for turn in range(21):
        call(turn)
    grown = 401
    for _ in range(3):  # some hundred may come and stay, but not each time
        gc.collect()
        blocks = sys.getallocatedblocks()
        for turn in range(401):  # to a save: until then deleted rows keep their metadata
            call(turn)
        gc.collect()
        grown = min(grown, sys.getallocatedblocks() - blocks)
        if grown < 300:
            break
    assert grown < 300  # less than one a turn


@pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="no /proc")
def test_closed_stores_hold_no_files(tmp_path):
    gc.collect()  # stores of other tests
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(5):
        writer = filled(tmp_path / "a.npz")
        reader = VectorStore.open(tmp_path / "a.npz")
        writer.upsert(VECTORS[:1], ids=["0"])
        reader.refresh()
        writer.save()
        reader.refresh()
        writer.delete(["0", "1", "2"])
        writer.close()
        reader.close()
    assert len(os.listdir("/proc/self/fd")) == before
