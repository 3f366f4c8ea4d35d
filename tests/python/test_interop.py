"""Files both ways between npvec and NumPy."""

import base64
import datetime
import decimal
import io
import json
import pickle
import sys
import threading
import zipfile
from collections import OrderedDict, namedtuple

import numpy as np
import pytest
from conftest import NUMPYS, run_python
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from samples import DOCUMENTS, JSON_DOCUMENTS, VECTOR_TYPES, objects, spell, vectors

import store as npvec
from store import Store

ROWS = len(DOCUMENTS)


def resave(path, saved, compress=False):
    """The file as npvec saves it."""
    Store.open(path).save(saved, compress=compress)
    return saved


def load_metadata(path):
    with np.load(path, allow_pickle=True) as file:
        return file["metadata"]


def write_pickle(path, pickled, rows):
    """An .npz of `rows` vectors whose metadata is that pickle."""
    member = io.BytesIO()
    np.lib.format.write_array_header_1_0(member, {"descr": "|O", "fortran_order": False, "shape": (rows,)})
    np.savez(path, vectors=np.ones((rows, 3), np.float32))
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("metadata.npy", member.getvalue() + pickled)


def write_array_pickle(path, documents, protocol):
    write_pickle(path, pickle.dumps(objects(documents), protocol=protocol), len(documents))


# ------------------------------------------------------------------------------------------------------- Documents --


@pytest.mark.parametrize("deflated", [False, True], ids=["stored", "deflated"])
def test_documents_that_any_numpy_wrote_come_back_from_npvec_in_every_numpy(tmp_path, numpy_path, deflated):
    run_python("samples.py", "documents", tmp_path / "a.npz", *["deflated"] * deflated, path=numpy_path)
    saved = resave(tmp_path / "a.npz", tmp_path / "b.npz", compress=deflated)
    for reader in NUMPYS.values():
        run_python("samples.py", "check", saved, path=reader)


def test_a_file_saved_twice_is_still_the_same(tmp_path, numpy_path):
    run_python("samples.py", "documents", tmp_path / "a.npz", path=numpy_path)
    first = resave(tmp_path / "a.npz", tmp_path / "b.npz")
    second = resave(first, tmp_path / "c.npz")
    with zipfile.ZipFile(first) as one, zipfile.ZipFile(second) as two:
        assert one.namelist() == two.namelist()
        assert all(one.read(name) == two.read(name) for name in one.namelist())


@pytest.mark.parametrize("protocol", range(6))
def test_pickles_of_every_protocol_are_read(tmp_path, protocol):
    write_array_pickle(tmp_path / "a.npz", DOCUMENTS, protocol)
    found = load_metadata(resave(tmp_path / "a.npz", tmp_path / "b.npz"))
    expected = load_metadata(tmp_path / "a.npz")
    for row in range(ROWS):
        assert spell(found[row]) == spell(expected[row]), f"row {row}"


def test_rows_may_share_a_long_text(tmp_path):
    """In the pickle it stands once, however many rows have it."""
    text = "x" * 10000
    documents = [{"row": row, "text": text} for row in range(1000)]
    np.savez_compressed(tmp_path / "a.npz", vectors=np.ones((1000, 2)), metadata=objects(documents))
    assert load_metadata(resave(tmp_path / "a.npz", tmp_path / "b.npz")).tolist() == documents


@pytest.mark.parametrize("protocol", [0, 2, 4])
def test_pickles_without_memo_or_optimised_are_read(tmp_path, protocol):
    import pickletools

    pickled = pickle.dumps(objects(DOCUMENTS), protocol=protocol)
    write_pickle(tmp_path / "a.npz", pickletools.optimize(pickled), ROWS)
    found = load_metadata(resave(tmp_path / "a.npz", tmp_path / "b.npz"))
    assert spell(list(found)) == spell(list(load_metadata(tmp_path / "a.npz")))


def plain(value):
    """What a document becomes when it is spelled in JSON, as npvec.h has it."""
    if isinstance(value, dict):
        return {key if key is None else plain(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if isinstance(value, bytes):
        return {"$bytes": base64.b64encode(value).decode()}
    if isinstance(value, (np.datetime64, np.timedelta64)):
        raise TypeError("JSON has no times")
    return value.item() if isinstance(value, np.generic) else value


def has_json(document):
    """Whether Python's json, given plain(document), says what npvec says."""
    try:
        json.dumps(plain(document))
    except TypeError:  # also for bytes as keys
        return False
    return True


@pytest.mark.parametrize("document", list(filter(has_json, DOCUMENTS)), ids=lambda document: ascii(document)[:40])
def test_documents_in_json_say_what_python_says(tmp_path, document):
    np.savez(tmp_path / "a.npz", vectors=np.ones((1, 2)), metadata=objects([document]))
    found = Store.open(tmp_path / "a.npz").document(0)
    if document is None:
        assert found is None
    else:
        assert spell(json.loads(found)) == spell(json.loads(json.dumps(plain(document))))


def test_documents_added_as_json_are_what_python_makes_of_it(tmp_path):
    store = Store.create(2)
    store.add(np.ones((len(JSON_DOCUMENTS), 2)), [json.dumps(document) for document in JSON_DOCUMENTS])
    store.save(tmp_path / "a.npz")
    found = load_metadata(tmp_path / "a.npz")
    assert [spell(document) for document in found] == [spell(document) for document in JSON_DOCUMENTS]


UNITS = ["Y", "M", "W", "D", "h", "m", "s", "ms", "us", "ns", "ps", "fs", "as"]


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(ticks=st.integers(-(2**63), 2**63 - 1), unit=st.sampled_from(UNITS), multiple=st.integers(1, 1000))
def test_times_in_json_are_spelled_as_numpy_spells_them(tmp_path, ticks, unit, multiple):
    time = np.datetime64(ticks >> 20, (unit, multiple))
    np.savez(tmp_path / "a.npz", vectors=np.ones((1, 2)), metadata=objects([{"at": time}]))
    assert json.loads(Store.open(tmp_path / "a.npz").document(0)) == {"at": str(time)}


def scalars_of_numpy():
    numbers = [np.bool_, np.int8, np.int64, np.uint16, np.uint64, np.float16, np.float32, np.float64]
    return st.one_of(
        *(st.binary(min_size=8, max_size=8).map(lambda raw, t=t: np.frombuffer(raw, t)[0]) for t in numbers[1:]),
        st.booleans().map(np.bool_),
        st.text().map(np.str_),
        st.binary().map(np.bytes_),
        st.integers(-(2**63), 2**63 - 1).map(lambda ticks: np.datetime64(ticks, "us")),
        st.integers(-(2**63), 2**63 - 1).map(lambda ticks: np.timedelta64(ticks, "7D")),
    )


TEXT = st.text(st.characters(exclude_categories=()))  # lone surrogates, too
ATOMS = st.one_of(
    st.none(), st.booleans(), st.integers(), st.integers(-(2**2000), 2**2000), st.floats(), TEXT, st.binary()
)
KEYS = (ATOMS | scalars_of_numpy()).filter(lambda key: key == key)
DOCUMENT = st.recursive(
    ATOMS | scalars_of_numpy(),
    lambda inner: st.one_of(
        st.lists(inner), st.lists(inner).map(tuple), st.dictionaries(TEXT, inner), st.dictionaries(KEYS, inner)
    ),
)


@settings(max_examples=80, deadline=None, suppress_health_check=list(HealthCheck))
@given(documents=st.lists(DOCUMENT, max_size=5), protocol=st.integers(0, 5), compress=st.booleans())
def test_any_documents_keep_values_types_and_order(tmp_path, documents, protocol, compress):
    write_array_pickle(tmp_path / "a.npz", documents, protocol)
    found = load_metadata(resave(tmp_path / "a.npz", tmp_path / "b.npz", compress))
    assert [spell(value) for value in found] == [spell(value) for value in load_metadata(tmp_path / "a.npz")]


# --------------------------------------------------------------------------------------------------------- Vectors --


@pytest.fixture(scope="module", params=NUMPYS, ids=lambda version: f"numpy-{version}")
def vector_files(request, tmp_path_factory):
    directory = tmp_path_factory.mktemp("vectors")
    run_python("samples.py", "vectors", directory, path=NUMPYS[request.param])
    return directory


@pytest.mark.parametrize("container", ["stored", "deflated", "alone", "version3"])
@pytest.mark.parametrize("order", "CF")
@pytest.mark.parametrize("dtype", VECTOR_TYPES)
def test_vectors_of_every_type_order_and_container_are_read(vector_files, tmp_path, container, order, dtype):
    name = f"{container}_{dtype.replace('<', 'little-').replace('>', 'big-')}_{order}"
    (path,) = vector_files.glob(f"{name}.np?")
    loaded = np.load(path)
    expected = (loaded if path.suffix == ".npy" else loaded["vectors"]).astype("<f4")
    store = Store.open(path)
    assert store.vectors().tobytes() == expected.tobytes()
    assert not store.info().normalize
    assert store.info().metadata == npvec.NO_METADATA
    # np.savez aligns nothing, so whether its vectors can be mapped is up to the lengths of the names before them.
    place = path.read_bytes().find(expected.tobytes())
    native = dtype == "<f4" and order == "C" and container != "deflated"
    assert bool(store.info().mapped) == (native and place % 4 == 0)
    assert (native, place % 4) != (True, 0) or store.info().origin == b"mapped"
    store.save(tmp_path / "b.npz")
    with np.load(tmp_path / "b.npz", allow_pickle=True) as file:
        assert file["vectors"].dtype == np.float32 and file["vectors"].tobytes() == expected.tobytes()
        assert file["metadata"].tolist() == [None] * ROWS


def test_float64_is_rounded_as_numpy_rounds_it(tmp_path):
    random = np.random.default_rng(1)
    exponents = random.integers(-160, 127, (500, 16)).astype(float)
    values = random.uniform(-2, 2, exponents.shape) * 2**exponents
    midpoints = (random.integers(2**23, 2**24, (50, 16)) * 2.0 + 1) * 2**-24  # halfway between two float32
    largest = np.full((1, 16), np.nextafter(2.0**128 - 2.0**103, 0))  # which only just does not become infinite
    values = np.concatenate([values, midpoints, largest])
    np.savez(tmp_path / "a.npz", vectors=values)
    assert Store.open(tmp_path / "a.npz").vectors().tobytes() == values.astype(np.float32).tobytes()


def test_every_finite_float16_is_read(tmp_path):
    values = np.arange(2**16, dtype=np.uint16).view(np.float16)
    values = values[np.isfinite(values)].reshape(-1, 8)
    np.savez(tmp_path / "a.npz", vectors=values)
    assert Store.open(tmp_path / "a.npz").vectors().tobytes() == values.astype(np.float32).tobytes()


@pytest.mark.parametrize("rows, dimensions", [(0, 4), (1, 1), (1, 7), (300, 1), (2, 5000)])
@pytest.mark.parametrize("compress", [False, True], ids=["stored", "deflated"])
def test_stores_of_every_shape_go_both_ways(tmp_path, rows, dimensions, compress):
    numbers = vectors(rows, dimensions) + 100
    np.savez(tmp_path / "a.npz", vectors=numbers, metadata=objects([{"row": row} for row in range(rows)]))
    store = Store.open(resave(tmp_path / "a.npz", tmp_path / "b.npz", compress))
    assert (len(store), store.info().dimensions) == (rows, dimensions)
    with np.load(tmp_path / "b.npz", allow_pickle=True) as file:
        assert file["vectors"].shape == (rows, dimensions) and file["vectors"].tobytes() == numbers.tobytes()
        assert file["metadata"].tolist() == [{"row": row} for row in range(rows)]
        assert file["format_version"][()] == 1 and file["dimensions"][()] == dimensions
        assert file["dimensions"].dtype == np.int64 and file["normalize"].dtype == np.bool_


def test_rows_of_unit_length_open_as_normalised_and_others_as_raw(tmp_path):
    numbers = vectors() / np.linalg.norm(vectors(), axis=1, keepdims=True)
    np.savez(tmp_path / "unit.npz", vectors=numbers.astype(np.float32))
    np.savez(tmp_path / "half.npz", vectors=numbers.astype(np.float16))
    np.savez(tmp_path / "raw.npz", vectors=numbers.astype(np.float32) * np.float32(1.001))
    assert Store.open(tmp_path / "unit.npz").info().normalize
    assert not Store.open(tmp_path / "raw.npz").info().normalize
    for name in ("unit.npz", "raw.npz"):
        with np.load(resave(tmp_path / name, tmp_path / "saved.npz"), allow_pickle=True) as file:
            assert file["normalize"][()] == (name == "unit.npz")
            with np.load(tmp_path / name) as original:
                assert file["vectors"].tobytes() == original["vectors"].tobytes()


def test_vectors_that_npvec_saves_are_mapped_again_and_aligned(tmp_path):
    np.savez_compressed(tmp_path / "a.npz", vectors=vectors(), metadata=objects(DOCUMENTS))
    assert not Store.open(tmp_path / "a.npz").info().mapped
    resave(tmp_path / "a.npz", tmp_path / "b.npz")
    store = Store.open(tmp_path / "b.npz")
    assert store.info().mapped and store.info().origin == b"mapped"
    assert (tmp_path / "b.npz").read_bytes().index(vectors().tobytes()) % 64 == 0


def test_rows_added_to_a_mapped_file_follow_the_mapped_ones(tmp_path):
    np.savez(tmp_path / "a.npz", vectors=vectors(), metadata=objects(DOCUMENTS))
    store = Store.open(tmp_path / "a.npz")
    assert store.add(vectors(3) + 1, ['{"new": 1}', None, '{"new": 3}']) == ROWS
    store.save()
    with np.load(tmp_path / "a.npz", allow_pickle=True) as file:
        assert file["vectors"].tobytes() == vectors().tobytes() + (vectors(3) + 1).tobytes()
        assert file["metadata"][ROWS:].tolist() == [{"new": 1}, None, {"new": 3}]
        assert spell(list(file["metadata"][:ROWS])) == spell([pickle.loads(pickle.dumps(d)) for d in DOCUMENTS])


# ------------------------------------------------------------------------------------------------------ Containers --


def repack(path, packed, **how):
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(packed, "w", **how) as new:
        for name in reversed(old.namelist()):
            new.writestr(name, old.read(name))


def test_archives_of_other_zip_programs_are_read(tmp_path):
    np.savez(tmp_path / "a.npz", vectors=vectors(), metadata=objects(DOCUMENTS))
    repack(tmp_path / "a.npz", tmp_path / "deflated.npz", compression=zipfile.ZIP_DEFLATED)
    repack(tmp_path / "a.npz", tmp_path / "stored.npz", compression=zipfile.ZIP_STORED)
    for name in ("deflated.npz", "stored.npz"):
        store = Store.open(tmp_path / name)
        assert store.vectors().tobytes() == vectors().tobytes()
        assert json.loads(store.document(0)) == DOCUMENTS[0]


def test_archives_written_to_a_pipe_are_read(tmp_path):
    """There the sizes come behind the members, in data descriptors."""

    class Pipe(io.BytesIO):
        def seekable(self):
            return False

        def tell(self):
            raise io.UnsupportedOperation

    pipe = Pipe()
    np.savez_compressed(pipe, vectors=vectors(), metadata=objects(DOCUMENTS))
    (tmp_path / "a.npz").write_bytes(pipe.getvalue())
    run_python("samples.py", "check", tmp_path / "a.npz")
    store = Store.open(tmp_path / "a.npz")
    assert store.vectors().tobytes() == vectors().tobytes()
    assert json.loads(store.document(0)) == DOCUMENTS[0]


@pytest.mark.parametrize("method", ["ZIP_BZIP2", "ZIP_LZMA"])
def test_other_compressions_are_refused_by_name(tmp_path, method):
    np.savez(tmp_path / "a.npz", vectors=vectors())
    repack(tmp_path / "a.npz", tmp_path / "b.npz", compression=getattr(zipfile, method))
    with pytest.raises(npvec.NpvecError, match="vectors.npy.*compress|method") as refused:
        Store.open(tmp_path / "b.npz")
    assert refused.value.code == npvec.UNSUPPORTED


# -------------------------------------------------------------------------------------------------- Typed metadata --

RECORDS = {
    "plain": [("title", "U20"), ("year", "i4"), ("score", "f8"), ("when", "M8[s]"), ("raw", "S5"), ("ok", "?")],
    "nested": [("sub", [("a", "u1"), ("b", ">f4", (3,))]), ("c", "i8", (2, 2))],
    "big-endian": [("title", ">U3"), ("year", ">i4")],
    "aligned": np.dtype([("a", "u1"), ("b", "f8"), ("c", "u1")], align=True),
    "titled": [(("a title", "a"), "u1"), ("b", "c16")],
}


@pytest.mark.parametrize("dtype", RECORDS.values(), ids=RECORDS)
@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
@pytest.mark.parametrize("compress", [False, True], ids=["stored", "deflated"])
def test_typed_metadata_is_kept_byte_for_byte(tmp_path, dtype, save, compress):
    dtype = np.dtype(dtype)
    records = np.random.default_rng(0).integers(0, 2, ROWS * dtype.itemsize, np.uint8).view(dtype)
    for name in dtype.names:
        if dtype[name].kind == "U":
            records[name] = "żółć"
    save(tmp_path / "a.npz", vectors=vectors(), metadata=records)
    assert Store.open(tmp_path / "a.npz").info().metadata == npvec.TYPED
    resave(tmp_path / "a.npz", tmp_path / "b.npz", compress)
    with zipfile.ZipFile(tmp_path / "a.npz") as old, zipfile.ZipFile(tmp_path / "b.npz") as new:
        assert old.read("metadata.npy") == new.read("metadata.npy")
    assert load_metadata(tmp_path / "b.npz").dtype == dtype


# --------------------------------------------------------------------------------------------- What must be refused --


def refuse(code, do, *arguments, **named):
    with pytest.raises(npvec.NpvecError) as refused:
        do(*arguments, **named)
    assert refused.value.code == code, refused.value.message
    assert "\n" not in refused.value.message
    return refused.value.message


class Calls:
    """Unpickling this calls a function."""

    def __init__(self, function, *arguments):
        self.call = function, arguments

    def __reduce__(self):
        return self.call


def calls(witness):
    """Ways to make a pickle do something that leaves a file."""
    import os

    write = f"open({str(witness)!r}, 'w')"
    return {
        "os.system": Calls(os.system, f"touch '{witness}'"),
        "eval": Calls(eval, write),
        "exec": Calls(exec, write),
        "open": Calls(open, str(witness), "w"),
        "inside numpy": Calls(np.array, [Calls(eval, write)]),
        "argument of a dtype": Calls(np.dtype, Calls(eval, f"{write} and 'f4'")),
    }


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize("name", calls(""))
def test_pickles_that_call_are_refused_and_call_nothing(tmp_path, name, protocol):
    witness = tmp_path / "witness"
    evil = calls(witness)[name]
    for position, pickled in {
        "a row": pickle.dumps(objects([{"fine": 1}, {"deep": [evil]}]), protocol=protocol),
        "a key": pickle.dumps(objects([{"fine": 1}, {evil: 1}]), protocol=protocol),
        "the whole": pickle.dumps(evil, protocol=protocol),
    }.items():
        write_pickle(tmp_path / "a.npz", pickled, rows=2)
        for read in (lambda store: store.document(0), lambda store: store.save(tmp_path / "b.npz")):
            message = refuse(npvec.UNSUPPORTED, read, Store.open(tmp_path / "a.npz"))
            assert position == "the whole" or "row 1: " in message
        assert not witness.exists(), position
        assert not (tmp_path / "b.npz").exists()
    try:
        load_metadata(tmp_path / "a.npz")
    except Exception:
        pass
    assert witness.exists(), "the pickle of this test does nothing at all"


Point = namedtuple("Point", "x y")
FOREIGN = {
    "datetime.datetime": datetime.datetime(2024, 2, 29),
    "datetime.date": datetime.date(2024, 2, 29),
    "decimal.Decimal": decimal.Decimal("1.5"),
    "collections.OrderedDict": OrderedDict(a=1),
    "test_interop.Point": Point(1, 2),
    "set": {1, 2},
    "frozenset": frozenset([1]),
    "bytearray": bytearray(b"x"),
    "complex": 1 + 2j,
    "slice": slice(1, 2),
    "numpy.ndarray": np.arange(3),
    "c16": np.complex128(1j),
}


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize("name", FOREIGN)
def test_objects_of_other_classes_are_refused_by_row_and_name(tmp_path, name, protocol):
    write_array_pickle(tmp_path / "a.npz", [{}, {"a": [1]}, {"deep": [{"er": FOREIGN[name]}]}], protocol)
    store = Store.open(tmp_path / "a.npz")
    message = refuse(npvec.UNSUPPORTED, store.document, 2)
    assert "a.npz" in message and "metadata" in message and "row 2: " in message
    assert name in message or (protocol < 2 and "class copy_reg._reconstructor" in message)
    assert np.array_equal(store.vectors(), np.ones((3, 3)))  # which can still be used


@pytest.mark.parametrize(
    "code, words, members",
    [
        (npvec.UNSUPPORTED, "(4, 2, 2)", {"vectors": np.ones((4, 2, 2), np.float32)}),
        (npvec.UNSUPPORTED, "(4,)", {"vectors": np.ones(4, np.float32)}),
        (npvec.UNSUPPORTED, "<i8", {"vectors": np.ones((4, 2), "<i8")}),
        (npvec.UNSUPPORTED, "<c8", {"vectors": np.ones((4, 2), "<c8")}),
        (npvec.UNSUPPORTED, "|O", {"vectors": np.ones((4, 2), object)}),
        (npvec.UNSUPPORTED, "dimension", {"vectors": np.ones((4, 0), np.float32)}),
        (npvec.UNSUPPORTED, "vectors", {"embeddings": np.ones((4, 2), np.float32)}),
        (npvec.UNSUPPORTED, "format_version 1, found 2", {"format_version": np.int64(2)}),
        (npvec.FORMAT, "format_version", {"format_version": np.float64(1)}),
        (npvec.FORMAT, "dimensions", {"dimensions": np.int64(3)}),
        (npvec.FORMAT, "normalize", {"normalize": np.int64(1)}),
        (npvec.FORMAT, "(3,)", {"metadata": objects([{}] * 3)}),
        (npvec.UNSUPPORTED, "<U1", {"metadata": np.array(["a", "b", "c", "d"])}),
        (npvec.UNSUPPORTED, "(2, 2)", {"metadata": objects([{}] * 4).reshape(2, 2)}),
        (npvec.UNSUPPORTED, "objects", {"metadata": np.zeros(4, [("a", object)])}),
        (npvec.FORMAT, "row 2", {"vectors": np.array([[1], [1], [np.nan], [1]], np.float32)}),
        (npvec.FORMAT, "row 3", {"vectors": np.array([[1], [1], [1], [-np.inf]], np.float64)}),
        (npvec.UNSUPPORTED, "row 1, column 0: 1e+39", {"vectors": np.array([[1], [1e39], [1], [1]])}),
        (npvec.UNSUPPORTED, "row 0, column 0: ", {"vectors": np.array([[2.0**128 - 2.0**103], [1], [1], [1]])}),
        (npvec.FORMAT, "row 1", {"vectors": np.array([[1], [0], [1], [1]], np.float32), "normalize": np.True_}),
    ],
)
def test_files_that_are_no_store_are_refused_with_the_reason(tmp_path, code, words, members):
    vectors_too = {} if "embeddings" in members else {"vectors": np.ones((4, 2), np.float32)}
    np.savez(tmp_path / "a.npz", **{**vectors_too, **members})
    message = refuse(code, Store.open, tmp_path / "a.npz")
    assert "a.npz" in message and words in message


def test_members_that_npvec_does_not_know_are_never_lost(tmp_path):
    np.savez(tmp_path / "a.npz", vectors=vectors(), notes=np.arange(3))
    before = (tmp_path / "a.npz").read_bytes()
    store = Store.open(tmp_path / "a.npz")
    for path in (None, tmp_path / "a.npz"):
        assert "notes" in refuse(npvec.UNSUPPORTED, store.save, path)
    assert (tmp_path / "a.npz").read_bytes() == before
    store.save(tmp_path / "b.npz")
    assert Store.open(tmp_path / "b.npz").vectors().tobytes() == vectors().tobytes()


def test_digits_of_float64_are_never_lost(tmp_path):
    np.savez(tmp_path / "a.npz", vectors=vectors().astype(np.float64) / 3)
    before = (tmp_path / "a.npz").read_bytes()
    assert "float64" in refuse(npvec.UNSUPPORTED, Store.open(tmp_path / "a.npz").save)
    assert (tmp_path / "a.npz").read_bytes() == before


def test_what_a_caller_asks_for_must_be_what_the_file_says(tmp_path):
    np.savez(tmp_path / "a.npz", vectors=vectors(), normalize=np.False_)
    assert "expected 6 dimensions, found 5" in refuse(npvec.ARGUMENT, Store.open, tmp_path / "a.npz", dimensions=6)
    refuse(npvec.ARGUMENT, Store.open, tmp_path / "a.npz", normalize=True)


def test_damaged_pickles_are_refused_wherever_they_are_cut(tmp_path):
    pickled = pickle.dumps(objects(DOCUMENTS[:8]), protocol=4)
    for length in [*range(0, len(pickled), 7), len(pickled) - 1]:
        write_pickle(tmp_path / "a.npz", pickled[:length], rows=8)
        message = refuse(npvec.FORMAT, Store.open(tmp_path / "a.npz").document, 0)
        assert "metadata" in message


# ---------------------------------------------------------------------------------------------------------- Memory --


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
def test_opening_a_mapped_store_takes_no_memory(tmp_path):
    path = tmp_path / "large.npz"
    store = Store.create(512)
    numbers = np.ones((30000, 512), np.float32)
    store.add(numbers, [f'{{"row": {row}}}' for row in range(len(numbers))])
    store.save(path)
    assert path.stat().st_size > 60e6
    grown = int(run_python("memory.py", path))
    assert grown < 2e6, f"opening took {grown} bytes"


def test_threads_may_open_one_file_at_once(tmp_path):
    np.savez_compressed(tmp_path / "a.npz", vectors=vectors(), metadata=objects(DOCUMENTS))
    failures = []

    def work():
        try:
            store = Store.open(tmp_path / "a.npz")
            assert [store.document(row) for row in range(ROWS)] == expected
        except Exception as failure:
            failures.append(failure)

    store = Store.open(tmp_path / "a.npz")
    expected = [store.document(row) for row in range(ROWS)]
    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
