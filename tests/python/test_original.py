"""Files both ways between npvec and every release of numpy-vector-store."""

import json

import numpy as np
import pytest
from conftest import NUMPYS, ORIGINALS, run_python
from original import DIMENSIONS, DOCUMENTS, TOP, queries, vectors
from samples import spell

import store as npvec
from store import Store

METRICS = {"cosine": npvec.COSINE, "dot": npvec.DOT, "euclidean": npvec.EUCLIDEAN}
ALWAYS_NORMALIZE = ("0.1.0", "0.2.0")
KINDS = [
    (release, kind)
    for release in ORIGINALS
    for kind in ("normalized", "raw")
    if kind == "normalized" or release not in ALWAYS_NORMALIZE
]


@pytest.fixture(params=KINDS, ids="-".join)
def original(request):
    """PYTHONPATH and kind of store: every release, with all that it knows."""
    release, kind = request.param
    return ORIGINALS[release], kind


def run_original(command, path, original):
    python_path, kind = original
    return json.loads(run_python("original.py", command, path, kind, path=python_path))


def check_same(store, report, exact):
    """The store has the original's rows and finds what the original finds."""
    rows = np.frombuffer(bytes.fromhex(report["vectors"]), "<f4").reshape(-1, DIMENSIONS)
    if exact:
        assert store.vectors().tobytes() == rows.tobytes()
    else:
        np.testing.assert_allclose(store.vectors(), rows, rtol=0, atol=2e-7)
    assert report["documents"] == [spell(document) for document in DOCUMENTS]
    for metric, hits in report["hits"].items():
        if hits is None:
            continue
        for ours, theirs in zip(store.search(queries(), k=TOP, metric=METRICS[metric]), hits):
            assert [row for row, _ in ours] == [row for row, _ in theirs], metric
            np.testing.assert_allclose([score for _, score in ours], [score for _, score in theirs], rtol=1e-5)


def test_npvec_opens_what_the_original_saved_and_finds_the_same(tmp_path, original):
    report = run_original("save", tmp_path / "a.npz", original)
    assert report["hits"]["cosine"] is not None
    store = Store.open(tmp_path / "a.npz")
    assert bool(store.info().normalize) == (original[1] == "normalized")
    assert json.loads(store.document(3)) == {"number": 3, "text": "row 3", "tags": ["a", 2.5, None]}
    check_same(store, report, exact=True)


@pytest.mark.parametrize("compress", [False, True], ids=["stored", "deflated"])
def test_the_original_opens_what_npvec_saved_and_finds_the_same(tmp_path, original, compress):
    store = Store.create(DIMENSIONS, normalize=original[1] == "normalized")
    store.add(vectors(), [json.dumps({**document, "tags": list(document["tags"])}) for document in DOCUMENTS])
    store.save(tmp_path / "a.npz", compress)
    report = run_original("open", tmp_path / "a.npz", original)
    report["documents"] = [text.replace("list(", "tuple(") for text in report["documents"]]
    # Most releases scale the rows again when they load them, in arithmetic of their own.
    check_same(store, report, exact=original[1] == "raw")


def test_a_store_goes_back_and_forth_without_losing_anything(tmp_path, original):
    run_original("save", tmp_path / "a.npz", original)
    store = Store.open(tmp_path / "a.npz")
    store.save()
    report = run_original("open", tmp_path / "a.npz", original)
    check_same(store, report, exact=original[1] == "raw")
    check_same(Store.open(tmp_path / "a.npz"), report, exact=original[1] == "raw")


@pytest.mark.parametrize("numpy", [version for version in NUMPYS if version != "newest"])
def test_the_original_opens_npvec_files_with_an_older_numpy(tmp_path, numpy, original):
    python_path, kind = original
    store = Store.create(DIMENSIONS, normalize=kind == "normalized")
    store.add(vectors(), [json.dumps({"number": row}) for row in range(len(vectors()))])
    store.save(tmp_path / "a.npz")
    report = run_original("open", tmp_path / "a.npz", (f"{NUMPYS[numpy]}:{python_path}", kind))
    assert report["documents"] == [spell({"number": row}) for row in range(len(vectors()))]


def test_an_empty_store_of_npvec_is_one_for_the_original(tmp_path, original):
    Store.create(DIMENSIONS, normalize=original[1] == "normalized").save(tmp_path / "a.npz")
    report = run_original("open", tmp_path / "a.npz", original)
    assert report["vectors"] == "" and report["documents"] == []
    assert report["hits"]["cosine"] == [[], [], [], []]
