"""What one thread finds while another is in the middle of a change: here the second acts at that very moment."""

import copy
import datetime

import numpy as np
import pytest

from npvec import VectorStore

VECTORS = np.eye(8, dtype=np.float32)
DAY = datetime.date(2026, 5, 17)  # what JSON does not say: only the object itself does


class Meanwhile:
    """The library's store, which does something else once, just after it has done what it is called for."""

    def __init__(self, store, name, act):
        self._handle, self._name, self._act = store._rows.handle, name, act
        self.store = store
        store._rows.handle = self

    def __getattr__(self, name):
        found = getattr(self._handle, name)
        if name != self._name:
            return found

        def call(*arguments):
            result = found(*arguments)
            self.store._rows.handle = self._handle
            self._act()
            return result

        return call


def filled(kind="documents", rows=4):
    schema = {"documents": None, "typed": {"n": "i4"}, "fields": {"n": "i4", "object": object}}[kind]
    store = VectorStore(8, metadata_schema=schema)
    store.add(VECTORS[:rows], [metadata(kind, row) for row in range(rows)], ids=range(rows))
    return store


def metadata(kind, number):
    return {"n": number} if kind == "typed" else {"n": number, "object": DAY}


def same(found, kind, number):
    """Not `==`: metadata may be a record."""
    return all(found[name] == value for name, value in metadata(kind, number).items())


KINDS = ["documents", "typed", "fields"]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("change", ["add", "upsert"])
def test_who_finds_a_new_row_finds_all_of_it(kind, change):
    store, seen = filled(kind), []

    def look():
        (hit,) = store.cosine_search(VECTORS[5], top_k=1)
        assert hit.index == 4 and same(hit.metadata, kind, 5)
        assert same(store.search(VECTORS[5], 1, where="n = 5")[0][2], kind, 5)
        for found in (store.get(4), store.get(id=5)):
            assert found[0].tolist() == VECTORS[5].tolist() and same(found[1], kind, 5)
        assert len(store) == len(store.vectors) == len(store.metadata) == 5
        assert store.row_of(5) == 4 and same(store.metadata[4], kind, 5)
        seen.append(True)

    Meanwhile(store, change, look)
    getattr(store, change)(VECTORS[[5]], [metadata(kind, 5)], ids=[5])
    assert seen


@pytest.mark.parametrize("kind", KINDS)
def test_a_hit_has_the_metadata_of_the_vector_that_was_scored(kind):
    store = filled(kind)

    def replace():
        store.upsert(VECTORS[[6]], [metadata(kind, 6)], ids=[2])

    Meanwhile(store, "search", replace)
    (hit,) = store.cosine_search(VECTORS[2], top_k=1, min_value=-1, within_rows=[2])
    assert hit.value == 0 and same(hit.metadata, kind, 6)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("others", [1, 5000])
def test_other_rows_that_are_replaced_do_not_matter(kind, others):
    store, searches = filled(kind), []

    def replace():
        store.upsert(VECTORS[[6] * others], [metadata(kind, 6)] * others, ids=range(100, 100 + others))
        store.upsert(VECTORS[[7] * others], [metadata(kind, 7)] * others, ids=range(100, 100 + others))
        Meanwhile(store, "search", lambda: searches.append(True))

    Meanwhile(store, "search", replace)
    (hit,) = store.cosine_search(VECTORS[2], top_k=1)
    assert (hit.index, hit.value) == (2, 1) and same(hit.metadata, kind, 2)
    assert len(searches) == (others > 1)  # of so many it is not kept which they were


@pytest.mark.parametrize("kind", KINDS)
def test_get_gives_vector_and_metadata_of_one_moment(kind):
    store = filled(kind)
    Meanwhile(store, "vector", lambda: store.upsert(VECTORS[[6]], [metadata(kind, 6)], ids=[2]))
    vector, found = store.get(2)
    assert vector.tolist() == VECTORS[6].tolist() and same(found, kind, 6)
    vector[:] = 0
    assert store.get(2)[0].tolist() == VECTORS[6].tolist()


@pytest.mark.parametrize("kind", KINDS)
def test_get_of_a_row_that_is_deleted_meanwhile(kind):
    store = filled(kind)
    Meanwhile(store, "find", lambda: store.delete([2]))
    assert store.get(id=2) is None
    Meanwhile(store, "size", lambda: store.delete([1]))
    assert store.get(1) is None


def test_a_row_is_gone_once_the_library_has_deleted_it():
    store, found = filled(), []
    Meanwhile(store, "delete", lambda: found.extend([len(store), store.get(2), store.get(id=2), store.row_of(2)]))
    assert store.delete([2]) == 1 and found == [3, None, None, None]


@pytest.mark.parametrize("how", ["search", "search_batch", "explain"])
def test_an_id_whose_row_is_deleted_meanwhile_is_passed_over(how):
    store = filled()
    Meanwhile(store, "select", lambda: store.delete([2]))
    if how == "search":
        assert [hit.index for hit in store.cosine_search(VECTORS[2], ids=[1, 2])] == [1]
    elif how == "search_batch":
        rows, scores = store.search_batch(VECTORS[[2]], top_k=2, ids=[1, 2])
        assert rows.tolist() == [[1, -1]] and scores[0, 0] == 0
    else:
        assert store.explain(VECTORS[2], ids=[1, 2])["rows"] == 1
    with pytest.raises(IndexError):
        store.cosine_search(VECTORS[2], ids=[1], within_rows=[2])
    with pytest.raises(IndexError):
        store.search_batch(VECTORS[[2]], ids=[1], within_rows=[9])


@pytest.mark.parametrize("read", ["hit", "view"])
@pytest.mark.parametrize("kept_as", ["object", "pickle"])
def test_metadata_that_was_read_for_a_number_is_not_kept_for_another_row_that_gets_it(tmp_path, read, kept_as):
    """Rows move up when deleted ones are dropped."""
    store = VectorStore(8)
    store.add(VECTORS, [{"n": row} | ({"object": DAY} if kept_as == "object" else {}) for row in range(8)])
    store.save(tmp_path / "a.npz")
    store = VectorStore.open(tmp_path / "a.npz", allow_pickle=True)

    def renumber():
        store.delete(within_rows=[0])
        store.save(tmp_path / "b.npz")

    Meanwhile(store, kept_as, renumber)
    if read == "hit":
        assert [hit.metadata["n"] for hit in store.cosine_search(VECTORS[3], top_k=1)] == [3]
    assert [found["n"] for found in store.metadata] == [1, 2, 3, 4, 5, 6, 7]
    assert [store.get(row)[1]["n"] for row in range(7)] == [1, 2, 3, 4, 5, 6, 7]


@pytest.mark.parametrize("kind", ["typed", "fields"])
def test_hits_that_are_records_stay_what_they_were(tmp_path, kind):
    store = filled(kind)
    hits = store.cosine_search(VECTORS[2], top_k=1) + store.cosine_search(VECTORS[3], top_k=1)
    store.upsert(VECTORS[[2]], [metadata(kind, 70)], ids=[2])
    store.delete([0])
    store.save(tmp_path / "a.npz")
    assert [same(hit.metadata, kind, number) for hit, number in zip(hits, (2, 3))] == [True, True]
    assert same(store.cosine_search(VECTORS[2], top_k=1)[0].metadata, kind, 70) and len(set(hits)) == 2


@pytest.mark.parametrize("kind", KINDS)
def test_a_copy_is_of_one_moment(kind):
    store = filled(kind)
    state = store.__getstate__()
    store.upsert(VECTORS[[6]], [metadata(kind, 6)], ids=[2])
    other = copy.copy(store)
    other.__setstate__(state)
    assert other.get(id=2)[0].tolist() == VECTORS[2].tolist() and same(other.get(id=2)[1], kind, 2)
    assert same(store.get(id=2)[1], kind, 6)


@pytest.mark.parametrize("durability", ["off", "os"])
def test_an_interrupt_after_a_change_leaves_the_store_whole(tmp_path, durability):
    """Ctrl-C during a long call is raised when that has done its work."""

    def interrupt():
        raise KeyboardInterrupt

    def interrupted(name, call, *arguments, **options):
        Meanwhile(store, name, interrupt)
        with pytest.raises(KeyboardInterrupt):
            call(*arguments, **options)

    def check(numbers):
        there = [row for row in range(len(store.metadata)) if store.get(row) is not None]
        assert [store.get(row)[1]["n"] for row in there] == numbers
        assert store.select("n IS NOT NULL").tolist() == there
        for number in numbers:
            (hit,) = store.cosine_search(VECTORS[number % 8], top_k=1)
            assert hit.metadata == {"n": number} and store.count({"n": number}) == 1

    for filtered in (False, True):
        store = VectorStore(8, tmp_path / f"{filtered}.npz", durability=durability)
        store.add(VECTORS[:2], [{"n": 0}, {"n": 1}], ids=["0", "1"])
        assert not filtered or store.count("n = 1") == 1
        interrupted("add", store.add, VECTORS[2:4], [{"n": 2}, {"n": 3}], ids=["2", "3"])
        store.add(VECTORS[4:6], [{"n": 4}, {"n": 5}], ids=["4", "5"])
        with pytest.raises(ValueError):
            store.add(VECTORS[4:6], [{"n": 4}, {"n": 5}], ids=["4", "5"])
        store.add(VECTORS[6:7], [{"n": 6}], ids=["6"])
        check([0, 1, 2, 3, 4, 5, 6])
        interrupted("upsert", store.upsert, VECTORS[[0, 7]], [{"n": 8}, {"n": 7}], ids=["0", "7"])
        check([8, 1, 2, 3, 4, 5, 6, 7])
        interrupted("delete", store.delete, ["0", "3"])
        check([1, 2, 4, 5, 6, 7])
        interrupted("save", store.save)
        check([1, 2, 4, 5, 6, 7])
        store.close()


def test_metadata_may_search_the_store_while_it_is_pickled(tmp_path):
    class Curious:
        def __reduce__(self):
            return str, (repr((store.cosine_search(VECTORS[1], top_k=1)[0].metadata, store.get(1)[1])),)

    store = VectorStore(8, tmp_path / "a.npz", durability="os", allow_pickle=True)
    store.add(VECTORS[:3], [{"n": 0}, {"n": 1}, {"n": 2}], ids=["0", "1", "2"])
    store.upsert(VECTORS[[1]], [Curious()], ids=["1"])
    store.close()
    assert VectorStore.open(tmp_path / "a.npz", allow_pickle=True).get(1)[1] == "({'n': 1}, {'n': 1})"
