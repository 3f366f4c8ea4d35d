"""Typed fields against NumPy: structured arrays that it wrote, and that it reads."""

import json
import math
import zipfile

import numpy as np
import pytest
import store as npvec
from store import Store

ROWS = 7


def vectors(rows=ROWS):
    return np.arange(1, rows * 3 + 1, dtype=np.float32).reshape(rows, 3)


def member(path, name="metadata.npy"):
    with zipfile.ZipFile(path) as archive:
        return archive.read(name)


def saved(tmp_path, metadata):
    """What np.savez makes of it."""
    np.savez(tmp_path / "expected.npz", metadata=metadata)
    return member(tmp_path / "expected.npz")


def refused(code, call, *arguments, **named):
    with pytest.raises(npvec.NpvecError) as failed:
        call(*arguments, **named)
    assert failed.value.code == code, failed.value.message
    return failed.value.message


# Every type, with its least and greatest values, values beside them, and what is rounded.
VALUES = {
    "b1": [True, False],
    "i1": [-128, 127, 0, -1],
    "i2": [-(2**15), 2**15 - 1, 0, -1],
    "i4": [-(2**31), 2**31 - 1, 0, -1],
    "i8": [-(2**63), 2**63 - 1, 2**53 + 1, -1],
    "u1": [0, 255],
    "u2": [0, 65535],
    "u4": [0, 2**32 - 1],
    "u8": [0, 2**63 - 1, 2**53 + 1],
    "f2": [0.1, -0.0, 65504.0, 65519.99, 6e-8, 2.0**-25, 1e-300, None, 2049, 2.0**-14 - 2.0**-26],
    "f4": [0.1, -0.0, 3.4028235e38, 1e-45, 1e-300, 1 + 2**-24, 1 + 2**-24 + 2**-40, None, 2**24 + 1, 7],
    "f8": [0.1, -0.0, 1.7976931348623157e308, 5e-324, None, 2**53, 2.5],
    "U5": ["", "abcde", "żółć😀", "a\0b", "日本"],
    "S5": ["", "abcde", "a\0b"],
    "M8[Y]": ["2024", None, "0001", "9999-01-01"],
    "M8[M]": ["2024-05", None, "1969-12"],
    "M8[W]": ["2024-05-16", None, "1969-12-25"],
    "M8[D]": ["2024-02-29", None, "1969-12-31", "0001-01-01", "9999-12-31"],
    "M8[h]": ["2024-05-17T09", None, "1969-12-31T23"],
    "M8[m]": ["2024-05-17T09:30", None, "1969-12-31T23:59"],
    "M8[s]": ["2024-05-17T09:30:15", None, "1969-12-31T23:59:59", "2024-05-17", "2024"],
    "M8[ms]": ["2024-05-17T09:30:15.123", None, "1969-12-31T23:59:59.999"],
    "M8[us]": ["2024-05-17T09:30:15.123456", None, "1969-12-31T23:59:59.5"],
    "M8[ns]": ["2024-05-17T09:30:15.123456789", None, "1677-09-21T00:12:43.145224193"],
    "M8[ps]": ["1970-03-17T09:30:15.123456789012", None],
    "M8[fs]": ["1970-01-01T01:30:15.123456789012345", None],
    "M8[as]": ["1970-01-01T00:00:09.123456789012345678", None, "1969-12-31T23:59:59.999999999999999999"],
    "M8[25us]": ["1970-01-01T00:00:00.000075", None],
    "m8[D]": [0, -5, None, 2**62],
    "m8[25us]": [0, -5, None],
}


def numpys(kind, value):
    """What NumPy makes of a value of a document. An array of one knows the unit, and rounds as arrays do."""
    if kind[0] in "Mm":
        return np.array(["NaT" if value is None else value], kind)[0]
    return math.nan if value is None else value


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("kind", VALUES)
def test_documents_become_what_numpy_makes_of_their_values(tmp_path, kind, order):
    values = VALUES[kind]
    dtype = np.dtype([("n", "u1"), ("value", order + kind)])
    expected = np.zeros(len(values), dtype)
    expected["n"] = np.arange(len(values))
    for row, value in enumerate(values):
        with np.errstate(over="ignore", under="ignore"):
            expected["value"][row] = numpys(kind, value)
    np.savez(tmp_path / "empty.npz", vectors=vectors(0), metadata=np.zeros(0, dtype))
    store = Store.open(tmp_path / "empty.npz")
    documents = [json.dumps({"n": n, "value": value}) for n, value in enumerate(values)]
    store.add(vectors(len(values)), documents)
    store.save(tmp_path / "a.npz")
    assert member(tmp_path / "a.npz") == saved(tmp_path, expected)
    # And what it shows makes the same records again.
    again = Store.open(tmp_path / "a.npz")
    shown = [again.document(row) for row in range(len(values))]
    again.add(vectors(len(values)), [text.replace("NaN", "null") for text in shown])
    assert again.schema()[2] == expected.tobytes() * 2


@pytest.mark.filterwarnings("ignore:Stored array in format")
def test_declared_fields_make_the_file_that_numpy_makes(tmp_path):
    fields = [(f"{kind}", kind) for kind in VALUES] + [("it's", "i4"), ('"', "i1"), ("'\"\\\n\t", "i1"), ("日本", "U1")]
    dtype = np.dtype([(name, kind) for name, kind in fields])
    store = Store.create(3, fields=fields)
    assert store.info().metadata == npvec.TYPED
    found, descr, records = store.schema()
    assert (found, descr, records) == (fields, repr(dtype.descr), b"")
    store.save(tmp_path / "empty.npz")
    assert member(tmp_path / "empty.npz") == saved(tmp_path, np.zeros(0, dtype))
    records = np.zeros(ROWS, dtype)
    for kind, values in VALUES.items():
        for row in range(ROWS):
            with np.errstate(over="ignore", under="ignore"):
                records[kind][row] = numpys(kind, values[row % len(values)])
    store.add(vectors(), records=records)
    assert store.schema()[2] == records.tobytes()
    for compress in (False, True):
        store.save(tmp_path / "a.npz", compress=compress)
        assert member(tmp_path / "a.npz") == saved(tmp_path, records)
        with np.load(tmp_path / "a.npz") as file:
            assert file["metadata"].dtype == dtype
    assert Store.open(tmp_path / "a.npz").schema() == (fields, repr(dtype.descr), records.tobytes())


# Names and shapes of dtypes that need care. NumPy writes version 1 in Latin-1, 2 for long headers, 3 in UTF-8.
DTYPES = {
    "aligned": np.dtype([("a", "u1"), ("b", "f8"), ("c", "u1")], align=True),
    "offsets": np.dtype({"names": ["a", "b"], "formats": ["<i4", "<U2"], "offsets": [3, 11], "itemsize": 24}),
    "titled": np.dtype([(("a title", "a"), "u1"), (("b's", "b"), ">f4")]),
    "latin-1": np.dtype([("año", "i4"), ("\xa0", "i1")]),
    "utf-8": np.dtype([("日本", "i4"), ("\u200b\u3000", "i1"), ("😀", "i1")]),
    "next to latin-1": np.dtype([("ÿ\u0100", "i1")]),
    "quotes": np.dtype([("it's", "i4"), ('"', "i1"), ("'\"", "i1"), ("\\", "i1"), ("\n\t\r\x07\x7f", "i1")]),
    "long": np.dtype([("f" * 65000, "i4"), ("g" * 3000, "U1")]),
    "big-endian": np.dtype([("a", ">U3"), ("b", ">i8"), ("c", ">f2"), ("d", ">M8[s]"), ("e", ">m8[D]")]),
    "no unit": np.dtype([("a", "<M8"), ("b", "<m8")]),
    "empty texts": np.dtype([("a", "U0"), ("b", "S0"), ("c", "i1")]),
    "many": np.dtype([(f"field {i}", "<i2") for i in range(1000)]),
}

# Those whose fields npvec does not know. They are kept, and rows may be added as records.
UNREAD = {
    "nested": np.dtype([("sub", [("a", "u1"), ("b", ">f4", (3,))]), ("c", "i8")]),
    "subarray": np.dtype([("a", "i4", (2, 3))]),
    "complex": np.dtype([("a", "c16"), ("b", "U2")]),
    "raw": np.dtype([("a", "V5")]),
    "long double": np.dtype([("a", "g")]),
    "too many": np.dtype([(f"f{i}", "<i2") for i in range(1025)]),
    "no fields": np.dtype([]),
    "no bytes": np.dtype([("a", "U0")]),
}


def random_records(dtype, rows=ROWS):
    """Any bytes, also between the fields, but for texts."""
    raw = np.random.default_rng(1).integers(0, 256, rows * dtype.itemsize, np.uint8)
    records = np.ndarray(rows, dtype, raw)
    for name in dtype.names:
        if dtype[name].kind == "U":
            records[name] = ["", "a", "żó", "😀", "日", "\0b", "\ud800"]
    return records


@pytest.mark.filterwarnings("ignore:Stored array in format")
@pytest.mark.parametrize("dtype", [*DTYPES.values(), *UNREAD.values()], ids=[*DTYPES, *UNREAD])
def test_records_of_numpy_come_back_byte_for_byte(tmp_path, dtype):
    records = random_records(dtype)
    np.savez(tmp_path / "a.npz", vectors=vectors(), metadata=records)
    store = Store.open(tmp_path / "a.npz")
    for compress in (False, True):
        store.save(tmp_path / "b.npz", compress=compress)
        assert member(tmp_path / "b.npz") == member(tmp_path / "a.npz")
    fields, descr, found = store.schema()
    assert descr == repr(dtype.descr) and found == records.tobytes()
    assert [name for name, kind in fields] == ([] if dtype in UNREAD.values() else list(dtype.names))


@pytest.mark.filterwarnings("ignore:Stored array in format")
@pytest.mark.parametrize("dtype", [*DTYPES.values(), *UNREAD.values()], ids=[*DTYPES, *UNREAD])
def test_records_are_added_behind_those_of_the_file(tmp_path, dtype):
    records = random_records(dtype)
    np.savez(tmp_path / "a.npz", vectors=vectors(), metadata=records)
    store = Store.open(tmp_path / "a.npz")
    assert store.add(vectors(2), records=records[3:5] if dtype.itemsize else np.zeros(2, "u1")) == ROWS
    store.save(tmp_path / "b.npz")
    raw = Store.open(tmp_path / "a.npz").schema()[2]
    both = np.frombuffer(raw + raw[3 * dtype.itemsize : 5 * dtype.itemsize], np.uint8)
    expected = np.ndarray(ROWS + 2, dtype, both)
    assert member(tmp_path / "b.npz") == saved(tmp_path, expected)
    assert len(Store.open(tmp_path / "b.npz")) == ROWS + 2


@pytest.mark.filterwarnings("ignore:Stored array in format")
@pytest.mark.parametrize("dtype", [*DTYPES.values(), *UNREAD.values()], ids=[*DTYPES, *UNREAD])
def test_deleted_rows_take_their_records_along(tmp_path, dtype):
    np.savez(tmp_path / "a.npz", vectors=vectors(), metadata=random_records(dtype))
    store = Store.open(tmp_path / "a.npz")
    raw = store.schema()[2]
    left = [raw[row * dtype.itemsize : (row + 1) * dtype.itemsize] for row in (1, 2, 4, 5)]
    assert store.delete([0, 3, 6]) == 3
    store.save(tmp_path / "b.npz")
    expected = np.ndarray(4, dtype, np.frombuffer(b"".join(left), np.uint8))
    assert member(tmp_path / "b.npz") == saved(tmp_path, expected)
    assert store.schema()[2] == b"".join(left)


def test_records_are_shown_as_documents(tmp_path):
    dtype = [("b", "?"), ("i", ">i4"), ("u", "u8"), ("f", ">f2"), ("t", ">U3"), ("s", "S3"), ("M", ">M8[D]"), ("m", "m8[25s]")]
    records = np.zeros(2, dtype)
    records[0] = (True, -5, 2**64 - 1, 0.1, "żó\ud800", b"a\0b", "2024-05-17", -3)
    records[1] = (False, 0, 0, math.nan, "", b"", "NaT", "NaT")
    np.savez(tmp_path / "a.npz", vectors=vectors(2), metadata=records)
    store = Store.open(tmp_path / "a.npz")
    assert store.document(0) == (
        '{"b": true, "i": -5, "u": 18446744073709551615, "f": 0.0999755859375, "t": "żó\\ud800", '
        '"s": "a\\u0000b", "M": "2024-05-17", "m": {"$timedelta": [-3, "25s"]}}'
    )
    assert store.document(1) == (
        '{"b": false, "i": 0, "u": 0, "f": NaN, "t": "", "s": "", "M": null, "m": null}'
    )


@pytest.mark.filterwarnings("ignore:Stored array in format")
@pytest.mark.parametrize("rows", [0, 12])
def test_headers_of_every_length_are_numpys(tmp_path, rows):
    """Their padding depends on it, and around 65,536 bytes the version."""
    for length in [*range(1, 130), *range(65440, 65580, 4)]:
        kind = np.dtype([("n" * length, "u1")])
        store = Store.create(3, fields=[("n" * length, "u1")])
        store.add(vectors(rows), records=np.zeros(rows, kind))
        store.save(tmp_path / "a.npz")
        assert member(tmp_path / "a.npz") == saved(tmp_path, np.zeros(rows, kind)), length


@pytest.mark.parametrize("dtype", UNREAD.values(), ids=UNREAD)
def test_records_that_are_not_read_say_why(tmp_path, dtype):
    np.savez(tmp_path / "a.npz", vectors=vectors(), metadata=random_records(dtype))
    store = Store.open(tmp_path / "a.npz")
    beginning = "this store's typed metadata is kept as it is, but npvec does not read its fields: "
    message = refused(npvec.UNSUPPORTED, store.document, 0)
    assert message.startswith(beginning) and len(message) > len(beginning) + 10
    assert refused(npvec.UNSUPPORTED, store.add, vectors(1), ["{}"]) == message
    assert len(store) == ROWS


def test_rows_at_fault_are_named_and_nothing_is_added(tmp_path):
    store = Store.create(3, fields=[("year", "i4"), ("title", "U5")])
    good, wide = '{"year": 1, "title": "x"}', '{"year": 3000000000, "title": "x"}'
    assert refused(npvec.ARGUMENT, store.add, vectors(2), [good, wide]) == (
        "row 1: field 'year': expected an integer from -2147483648 to 2147483647 (i4), found 3000000000"
    )
    assert refused(npvec.ARGUMENT, store.add, vectors(2), [good, None]) == (
        "row 1: expected a document with the store's typed fields, found none"
    )
    assert refused(npvec.ARGUMENT, store.add, vectors(2), [good, "{"]).startswith("row 1: ")
    records = np.array([(1, "x"), (2, "y")], "<i4,<U5")
    both = "expected records or documents, for this store has typed fields; found "
    assert refused(npvec.ARGUMENT, store.add, vectors(2)) == both + "neither"
    assert refused(npvec.ARGUMENT, store.add, vectors(2), [good, good], records) == both + "both"
    records.view("<u4")[2] = 0x110000
    assert refused(npvec.ARGUMENT, store.add, vectors(2), records=records) == (
        "row 0: field 'title': expected text, found 0x110000 as a character"
    )
    assert len(store) == 0 and store.schema()[2] == b""
    store.add(vectors(1), [good])
    assert store.document(0) == good


def test_text_beyond_unicode_in_a_file_is_refused(tmp_path):
    records = np.zeros(ROWS, [("title", ">U2")])
    records.view(">u4")[5] = 0x110000
    np.savez(tmp_path / "a.npz", vectors=vectors(), metadata=records)
    store = Store.open(tmp_path / "a.npz")
    for call in (lambda: store.document(0), store.schema, lambda: store.save(tmp_path / "b.npz")):
        message = refused(npvec.FORMAT, call)
        assert message.endswith("row 2: field 'title': expected text, found 0x110000 as a character")
    assert str(tmp_path / "a.npz") in message


def test_other_stores_take_no_records():
    store = Store.create(3)
    assert store.schema() == ([], None, b"")
    assert refused(npvec.ARGUMENT, store.add, vectors(1), records=np.zeros(1, "i4")) == (
        "expected documents, for this store has no typed fields; found records"
    )


def test_clearing_keeps_the_fields(tmp_path):
    store = Store.create(3, fields=[("year", "i4")])
    store.add(vectors(2), records=np.array([1, 2], "<i4"))
    store.clear()
    assert store.info().metadata == npvec.TYPED and store.schema() == ([("year", "i4")], "[('year', '<i4')]", b"")
    store.add(vectors(1), ['{"year": 3}'])
    store.save(tmp_path / "a.npz")
    assert member(tmp_path / "a.npz") == saved(tmp_path, np.array([(3,)], [("year", "i4")]))


def test_mistakes_in_declared_fields_are_named():
    def create(*fields):
        return refused(npvec.ARGUMENT, Store.create, 3, fields=fields)

    assert create() == "expected at least one field, found none"
    assert create(("a", "i4"), ("a", "i4")) == "field 'a' is there twice"
    assert create(("a", "int")).startswith("field 'a': expected a type (b1,")


def test_damaged_records_are_noticed(tmp_path):
    np.savez(tmp_path / "a.npz", vectors=vectors(), metadata=np.arange(ROWS).astype([("n", "<i8")]))
    data = bytearray((tmp_path / "a.npz").read_bytes())
    data[data.index(np.arange(ROWS).astype("<i8").tobytes()) + 8] ^= 1
    (tmp_path / "a.npz").write_bytes(data)
    store = Store.open(tmp_path / "a.npz")
    assert "CRC" in refused(npvec.FORMAT, store.document, 0)
