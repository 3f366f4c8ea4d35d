"""Writes the inputs in fuzz/corpus that are not text: files of npvec's and of NumPy's, and what they consist of.

    build/venv/bin/python fuzz/make_corpus.py build/release/npvec
"""

import io
import json
import pickle
import struct
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

import numpy as np

CORPUS = Path(__file__).parent / "corpus"
SHARED = {"x": [1, "é"]}
ROWS = [
    {"name": "a", "year": 2024, "tags": ["x", None, True], "score": -0.5},
    None,
    {"name": {"x": "nested"}, "big": 2**70, 7: b"\x00\xff", "tuple": (1, (2,), ())},
    {"shared": SHARED, "again": SHARED},
    {"numpy": np.float32(0.1), "text": np.str_("é"), "when": np.datetime64("2024-05-17T09:30", "25m")},
]
RECORD = np.dtype({
    "names": ["i", "u", "f", "h", "t", "s", "d", "m", "b"],
    "formats": ["<i4", ">u8", "<f8", ">f2", "<U3", "S4", "<M8[D]", ">m8[25us]", "?"],
    "offsets": [0, 4, 12, 20, 24, 36, 40, 48, 56],
    "itemsize": 64,
})  # fmt: skip


def objects(rows):
    array = np.empty(len(rows), dtype=object)
    array[:] = rows
    return array


def records(count):
    array = np.zeros(count, dtype=RECORD)
    array["i"] = np.arange(count) - 1
    array["f"] = np.nan
    array["t"] = "añ"
    array["s"] = b"\xff1"
    array["d"] = np.datetime64("NaT")
    return array


def npy(array, **options):
    file = io.BytesIO()
    np.lib.format.write_array(file, array, **options)
    return file.getvalue()


def write(target, name, content):
    (CORPUS / target).mkdir(parents=True, exist_ok=True)
    (CORPUS / target / name).write_bytes(content)


# What rows with objects are in the file (docs/format-pickle.md): of the first npvec writes the spelling.
OBJECTS = [
    b"cpickle\nloads\nB\x1a\0\0\0\x80\4cdatetime\ndate\nC\4\7\xe3\1\1\x85R.\x85R}(\x8c\1nJ\1\0\0\0u0",
    b"\x8c\6pickle\x8c\5loads\x93C\6ca\nb\n.\x85Rq\0",
    b"cpickle\nloads\n(C\0tRN0",
]


def with_objects(store, rows):
    """The pickle of a store's documents with other rows in it."""
    data = data_of(store, "metadata.npy")
    return b"\x80\5" + data[2 : data.index(b"](") + 2] + b"".join(rows) + data[data.rindex(b"etb.") :]


def pickles(command):
    rows = [{"id": str(i), "vector": [1, 0], "n": i} for i in range(3)]
    store = store_of(command, rows)
    write("pickle", "objects", b"\3" + with_objects(store, OBJECTS))
    write("pickle", "objects-shared", b"\3" + with_objects(store, [OBJECTS[1], b"h\0", b"N"]))
    for protocol in range(6):
        write("pickle", f"protocol-{protocol}", bytes([len(ROWS)]) + pickle.dumps(objects(ROWS), protocol))
    write("pickle", "none", b"\0" + pickle.dumps(objects([]), 4))
    write("pickle", "class", b"\1" + pickle.dumps(objects([{"x": complex(1, 2)}]), 4))
    write("pickle", "set", b"\1" + pickle.dumps(objects([{1, "2"}]), 4))
    cycle = []
    cycle.append(cycle)
    write("pickle", "cycle", b"\1" + pickle.dumps(objects([{"x": cycle}]), 4))


def arrays():
    vectors = np.arange(6).reshape(3, 2) / 4
    for dtype in ("<f2", "<f4", ">f8"):
        write("npy", f"vectors-{dtype[1:]}", npy(vectors.astype(dtype)))
    write("npy", "fortran", npy(np.asfortranarray(vectors)))
    write("npy", "version-3", npy(vectors, version=(3, 0)))
    write("npy", "scalar", npy(np.int64(3)))
    write("npy", "ids", npy(np.array(["a", "bé", ""])))
    write("npy", "ids-big-endian", npy(np.array(["a", "bé", "😀"], dtype=">U4")))
    write("npy", "records", npy(records(2)))
    write("npy", "records-nested", npy(np.zeros(1, dtype=[("r", [("x", "<i2", (2,))]), ("y\\'é", "S1")])))
    write("npy", "objects", npy(objects([None])))


def zipped(contents, method=zipfile.ZIP_STORED):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", method) as archive:
        for name, content in contents.items():
            archive.writestr(zipfile.ZipInfo(name), content, method)
    return file.getvalue()


def npz(members, method=zipfile.ZIP_STORED):
    return zipped({f"{name}.npy": npy(array) for name, array in members.items()}, method)


def archives(command):
    vectors = np.eye(5, 3, dtype="<f4")
    vectors[3:] = 0.5
    members = {"vectors": vectors, "metadata": objects(ROWS), "ids": np.array(["a", "", "bé", "c", "d"])}
    write("archive", "numpy", npz(members))
    write("archive", "numpy-deflated", npz(members, zipfile.ZIP_DEFLATED))
    write("archive", "numpy-records", npz({"vectors": vectors.astype(">f8"), "metadata": records(5)}))
    write("archive", "bare", npy(vectors))
    write("archive", "fortran", npz({"vectors": np.asfortranarray(vectors.astype("<f2"))}))
    store = store_of(command, [{"id": str(i), "vector": [1, 0], "n": i} for i in range(3)])
    with zipfile.ZipFile(io.BytesIO(store)) as archive:
        contents = {name: archive.read(name) for name in archive.namelist()}
    contents["metadata.npy"] = contents["metadata.npy"][:128] + with_objects(store, OBJECTS)
    write("archive", "objects", zipped(contents))
    with tempfile.TemporaryDirectory() as directory:
        rows = Path(directory, "rows.jsonl")
        rows.write_text("".join(
            json.dumps({"id": f"row {i}", "vector": [i, 1, -1], "name": "x" * i, "year": i}) + "\n" for i in range(4)
        ))  # fmt: skip
        for name, options in {"npvec": [], "npvec-deflated": ["--compress"]}.items():
            store = Path(directory, f"{name}.npz")
            subprocess.run([command, "upsert", store, rows, "--create", *options], check=True, capture_output=True)
            write("archive", name, store.read_bytes())


def store_of(command, rows, *options):
    """The bytes of a store with these rows, as npvec writes it."""
    with tempfile.TemporaryDirectory() as directory:
        lines, store = Path(directory, "rows.jsonl"), Path(directory, "store.npz")
        lines.write_text("".join(json.dumps(row) + "\n" for row in rows))
        subprocess.run([command, "create", store, "--dimensions", "2", *options], check=True, capture_output=True)
        subprocess.run([command, "upsert", store, lines], check=True, capture_output=True)
        return store.read_bytes()


def data_of(store, member):
    """What is behind the header of an array."""
    content = zipfile.ZipFile(io.BytesIO(store)).read(member)
    return content[10 + int.from_bytes(content[8:10], "little") :]


def batch(vectors=None, typed=b"", rows=(), ids=None, documents=b""):
    """The payload of rows that are added or replaced (docs/format.md)."""
    count = len(rows or (ids if vectors is None else vectors))
    floats = b"" if vectors is None else np.asarray(vectors, "<f4").tobytes()
    names = b"" if ids is None else "".join(f"{name}\0" for name in ids).encode()
    flags = {1: floats, 2: typed, 16: struct.pack(f"<{len(rows)}Q", *rows), 4: names, 8: documents}
    parts = flags.values()
    head = struct.pack("<QIIQQ", count, sum(flag for flag, part in flags.items() if part), 0, len(names), len(documents))
    return head + b"".join(part + bytes(-len(part) % 8) for part in parts)


def record(kind, payload=b""):
    """A change as fuzz/forge.h has it."""
    return struct.pack("<BH", kind, len(payload)) + payload


ADD, UPSERT, DELETE, CLEAR, SET_DOCUMENTS = 1, 2, 3, 4, 5
TORN_HEADER, TORN_PAYLOAD, SKIPS_ONE, UNFLUSHED = 8, 16, 32, 64


def changes(three, one):
    """Three rows and one, of documents or of records: added, deleted, replaced; and what may be wrong with that."""
    vectors = [[1, 0], [0, 1], [0.6, 0.8]]
    added = record(ADD, batch(vectors, ids=["x", "", "z"], **three))
    deleted = record(DELETE, struct.pack("<QQ", 1, 2))
    upserted = record(UPSERT, batch([[1, 0]], ids=["y"], **one))
    replaced = record(UPSERT, batch(ids=["x"], **one)) + record(SET_DOCUMENTS, batch(rows=[2], **one))
    cleared = record(CLEAR) + record(ADD, batch(vectors, **{**three, "documents": b""}))
    return added + deleted + upserted, replaced, cleared


def journals(command):
    rows = [{"id": str(i), "vector": [1, 0], "n": i, "s": "ab"} for i in range(3)]
    documents = [data_of(store_of(command, rows[:count]), "metadata.npy") for count in (3, 1)]
    fields = ["--field", "n:i4", "--field", "s:U2"]
    typed = [data_of(store_of(command, rows[:count], *fields), "metadata.npy") for count in (3, 1)]
    objects_of = [with_objects(store_of(command, rows[: len(some)]), some) for some in (OBJECTS, OBJECTS[:1])]
    kinds = {
        "objects": (b"\0", changes(*({"documents": data} for data in objects_of))),
        "documents": (b"\0", changes(*({"documents": data} for data in documents))),
        "scaled": (b"\1", changes(*({"documents": data} for data in documents))),
        "typed": (b"\2", changes(*({"typed": data} for data in typed))),
    }
    for name, (kind, (begin, replaced, cleared)) in kinds.items():
        write("journal", name, kind + begin + replaced)
        write("journal", f"{name}-cleared", kind + begin + cleared)
    archive = {"documents": store_of(command, rows, "--no-normalize"), "scaled": store_of(command, rows)}
    archive["typed"] = store_of(command, rows, "--no-normalize", *fields)
    for name, store in archive.items():
        begin, replaced, cleared = kinds[name][1]
        store = struct.pack("<H", len(store)) + store
        flags = {"lost": TORN_PAYLOAD, "headless": TORN_HEADER, "missing": SKIPS_ONE, "unflushed": UNFLUSHED}
        write("verify", name, store + begin + replaced + cleared)
        for flag, bits in flags.items():
            torn = bytes([begin[0] | bits]) + begin[1:]
            write("verify", f"{name}-{flag}", store + torn + replaced)
        torn = bytes([begin[0] | TORN_PAYLOAD]) + begin[1:]
        write("verify", f"{name}-dropped", store + torn + bytes([replaced[0] | UNFLUSHED]) + replaced[1:])
        write("verify", f"{name}-cut", store[: 2 + len(store) * 2 // 3])


pickles(sys.argv[1])
arrays()
archives(sys.argv[1])
journals(sys.argv[1])
