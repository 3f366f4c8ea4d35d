"""The command: export, and that what it writes can be read again."""

import json
import os
import shutil
import signal
import stat
import struct
import subprocess
import time

import numpy as np
import pytest
from command import COMMAND, done, npvec, refused

DOCUMENTS = [{"n": 1, "t": "é\u009b\n\"", "half": 0.5, "deep": [{"a": None}]}, {}, None, {"z": -(2**63), "a": 1e300}]


def make_rows(count=4, dimensions=7):
    rows = np.random.default_rng(1).standard_normal((count, dimensions)) * 10.0 ** np.arange(-3, 4)[:dimensions]
    return rows.astype(np.float32)


@pytest.fixture
def rows():
    return make_rows()


@pytest.fixture
def store(tmp_path, rows):
    path = tmp_path / "store.npz"
    metadata = np.empty(len(rows), dtype=object)
    metadata[:] = DOCUMENTS
    np.savez(path, vectors=rows, metadata=metadata)
    return path


def test_npy_is_what_np_save_writes(store, tmp_path, rows):
    np.save(tmp_path / "numpy.npy", rows)
    out = tmp_path / "ours.npy"
    assert done("export", store, out) == f"wrote 4 rows to {out}\n"
    assert np.load(out).tobytes() == rows.tobytes() and np.load(out, mmap_mode="r").shape == rows.shape
    assert out.read_bytes() == (tmp_path / "numpy.npy").read_bytes()


@pytest.mark.parametrize("count, dimensions", [(0, 3), (1, 1), (123456, 2)])
def test_npy_of_any_shape_begins_on_a_boundary(tmp_path, count, dimensions):
    rows = np.ones((count, dimensions), np.float32)
    np.savez(tmp_path / "s.npz", vectors=rows)
    done("export", tmp_path / "s.npz", tmp_path / "o.npy")
    assert np.load(tmp_path / "o.npy").shape == rows.shape
    assert ((tmp_path / "o.npy").stat().st_size - rows.nbytes) % 64 == 0


def test_fvecs(store, tmp_path, rows):
    out = tmp_path / "o.fvecs"
    done("export", store, out)
    assert out.read_bytes() == b"".join(struct.pack("<i", 7) + x.tobytes() for x in rows)
    done("add", tmp_path / "back.npz", out, "--create", "--no-normalize")
    with np.load(tmp_path / "back.npz", allow_pickle=True) as archive:
        assert archive["vectors"].tobytes() == rows.tobytes()


def test_jsonl_reads_back_to_the_bit(store, tmp_path, rows):
    out = tmp_path / "o.jsonl"
    done("export", store, out)
    for line, x, document in zip(out.read_text().splitlines(), rows, DOCUMENTS):
        found = json.loads(line)
        assert np.asarray(found.pop("vector"), np.float32).tobytes() == x.tobytes()
        assert json.dumps(found) == json.dumps(document or {})
    done("add", tmp_path / "back.npz", out, "--create", "--no-normalize")
    with np.load(tmp_path / "back.npz", allow_pickle=True) as archive:
        assert archive["vectors"].tobytes() == rows.tobytes()
        assert list(archive["metadata"]) == [d or None for d in DOCUMENTS]


def test_jsonl_without_vectors_goes_back_as_metadata(store, tmp_path):
    done("export", store, tmp_path / "d.jsonl", "--no-vectors")
    assert [json.loads(line) for line in (tmp_path / "d.jsonl").read_text().splitlines()] == DOCUMENTS
    done("export", store, tmp_path / "v.npy")
    done("add", tmp_path / "back.npz", tmp_path / "v.npy", "--metadata", tmp_path / "d.jsonl", "--create", "--no-normalize")
    with np.load(tmp_path / "back.npz", allow_pickle=True) as archive:
        assert list(archive["metadata"]) == DOCUMENTS


def test_standard_output_takes_lines_and_nothing_else(store, tmp_path):
    done("export", store, tmp_path / "o.jsonl")
    assert done("export", store, "-") == (tmp_path / "o.jsonl").read_text()
    assert done("export", store, "-", "--no-vectors").count("\n") == 4
    assert "\x9b" not in done("export", store, "-")


def test_vector_field_names_the_member(tmp_path):
    path = tmp_path / "s.npz"
    metadata = np.array([{"vector": "mine"}], dtype=object)
    np.savez(path, vectors=np.ones((1, 2), np.float32), metadata=metadata)
    message = refused("export", path, tmp_path / "o.jsonl")
    assert message == (
        f'npvec export: {path}: row 0: its document has a member "vector" already; '
        "choose another name for the vector with --vector-field"
    )
    assert os.listdir(tmp_path) == ["s.npz"]
    assert json.loads(done("export", path, "-", "--vector-field", 'a"b')) == {"vector": "mine", 'a"b': [1, 1]}


def test_documents_that_are_no_objects_go_without_vectors(tmp_path):
    path = tmp_path / "s.npz"
    metadata = np.empty(1, dtype=object)
    metadata[0] = [1, 2]
    np.savez(path, vectors=np.ones((1, 2), np.float32), metadata=metadata)
    assert "--no-vectors writes documents of any kind" in refused("export", path, tmp_path / "o.jsonl")
    assert done("export", path, "-", "--no-vectors") == "[1, 2]\n"


def test_npz_keeps_everything(store, tmp_path, rows):
    out = tmp_path / "copy.npz"
    assert npvec("export", store, out, "--json").json == {"path": str(out), "rows": 4}
    with np.load(out, allow_pickle=True) as archive:
        assert archive["vectors"].tobytes() == rows.tobytes() and list(archive["metadata"]) == DOCUMENTS
    assert npvec("info", out, "--json").json["mapped"] is True


def test_npz_compressed(tmp_path):
    np.savez(tmp_path / "s.npz", vectors=np.ones((500, 64), np.float32))
    done("export", tmp_path / "s.npz", tmp_path / "small.npz", "--compress")
    assert (tmp_path / "small.npz").stat().st_size * 10 < (tmp_path / "s.npz").stat().st_size
    assert npvec("info", tmp_path / "small.npz", "--json").json["mapped"] is False


def test_format_of_a_file_whose_name_does_not_tell(store, tmp_path):
    done("export", store, tmp_path / "o.dat", "--format", "npy")
    done("export", store, tmp_path / "o.npy")
    assert (tmp_path / "o.dat").read_bytes() == (tmp_path / "o.npy").read_bytes()
    assert "ends in .npz" in refused("export", store, tmp_path / "o", "--format", "npz")


@pytest.mark.parametrize("name", ["o.npz", "o.npy", "o.jsonl", "o.fvecs"])
def test_file_that_is_there_is_replaced_only_when_forced(store, tmp_path, name):
    out = tmp_path / name
    out.write_bytes(b"precious")
    assert refused("export", store, out) == f"npvec export: {out}: the file is there already; --force replaces it"
    assert out.read_bytes() == b"precious"
    done("export", store, out, "--force")
    assert out.read_bytes() != b"precious" and sorted(os.listdir(tmp_path)) == sorted(["store.npz", name])


def test_new_file_has_usual_permissions(store, tmp_path):
    mask = os.umask(0o027)
    try:
        done("export", store, tmp_path / "o.npy")
    finally:
        os.umask(mask)
    assert stat.S_IMODE((tmp_path / "o.npy").stat().st_mode) == 0o640


def test_place_where_nothing_can_be_written(store, tmp_path):
    out = tmp_path / "no/where.npy"
    message = refused("export", store, out)
    assert message == f"npvec export: {out}: creating a file beside it failed: No such file or directory"


@pytest.mark.skipif(shutil.which("prlimit") is None, reason="prlimit is Linux's")
def test_export_that_fails_half_way_leaves_nothing(tmp_path):
    big = tmp_path / "big.npz"
    np.savez(big, vectors=np.ones((2000, 64), np.float32))
    directory = tmp_path / "out"
    directory.mkdir()
    result = subprocess.run(
        ["prlimit", "--fsize=100000", COMMAND, "export", big, directory / "o.npy"],
        capture_output=True,
        preexec_fn=lambda: signal.signal(signal.SIGXFSZ, signal.SIG_IGN),
        restore_signals=False,
        check=False,
    )
    assert result.returncode == 2 and b"writing failed: File too large" in result.stderr
    assert os.listdir(directory) == []


def written(directory):
    """Bytes of files that are not finished: they have other names."""
    try:
        return sum(file.stat().st_size for file in directory.iterdir() if file.name != "o.jsonl")
    except FileNotFoundError:  # now it is finished
        return 0


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_export_that_is_interrupted_leaves_nothing(tmp_path, number):
    big = tmp_path / "big.npz"
    np.savez(big, vectors=np.ones((30000, 384), np.float32))
    directory = tmp_path / "out"
    directory.mkdir()
    for _ in range(20):  # on a busy machine it may be done before it is interrupted
        process = subprocess.Popen(
            [COMMAND, "export", big, directory / "o.jsonl", "--force"],
            preexec_fn=lambda: signal.signal(number, signal.SIG_DFL),  # a shell's background jobs ignore SIGINT
        )
        while process.poll() is None and written(directory) == 0:
            time.sleep(0.001)
        process.send_signal(number)
        ended = process.wait(timeout=600)
        if ended != 0:
            break
    assert ended == -number
    assert set(os.listdir(directory)) <= {"o.jsonl"}


def test_typed_metadata_is_kept_in_npz(tmp_path):
    path = tmp_path / "typed.npz"
    metadata = np.array([(1, "a"), (2, "b")], dtype=[("year", "i4"), ("name", "U8")])
    np.savez(path, vectors=np.eye(2, dtype=np.float32), metadata=metadata)
    done("export", path, tmp_path / "copy.npz")
    with np.load(tmp_path / "copy.npz") as archive:
        assert archive["metadata"].tolist() == metadata.tolist()
