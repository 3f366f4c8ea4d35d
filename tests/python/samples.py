"""Files of known contents, written and checked by whichever NumPy runs this file.

    python samples.py documents PATH [deflated]     writes vectors() and DOCUMENTS as an .npz
    python samples.py check PATH                    fails unless the file holds the same
    python samples.py vectors DIRECTORY             writes vectors() in every type, order and container

Needs nothing but NumPy, because older ones are put in its place by PYTHONPATH.
"""

import math
import pickle
import struct
import sys
from pathlib import Path

import numpy as np

SHARED = {"one": ["object", "mentioned"], "by": ("many", "rows")}

# Every row is one thing that goes wrong when it goes wrong. These are what JSON spells and npv_add takes:
JSON_DOCUMENTS = [
    {"text": "plain", "year": 2024, "score": 0.5, "draft": False, "source": None},
    {},
    {"integers": [0, 1, -1, 255, 256, -128, 65535, 2**31 - 1, 2**31, -(2**31), -(2**31) - 1]},
    {"exact in no float64": 2**53 + 1, "64 bits": [2**63 - 1, -(2**63)]},
    {"floats": [0.0, -0.0, 0.1, 1e308, 5e-324, -2.5, 1 / 3, 1e22, 1.0]},
    {"booleans": [True, False], "none": None, "integers": [1, 0]},
    {"unicode": "zażółć gęślą jaźń, 日本語, नमस्ते, עברית", "astral": "𝄞🜁😀", "combined": "e\u0301"},
    {"controls": "".join(map(chr, range(32))) + "\x7f\x80\x9f\u2028", "quoted": "\"\\/'", "zero": "a\0b"},
    {"10,000 characters": "0123456789" * 1000},
    {"10,000 others": "ü€😀abcdefg" * 1000},
    {"length 255, 256": ["a" * 255, "a" * 256, "ä" * 128], "none at all": ""},
    {"nested": {"a": [{"b": [[], {}, [[]], {"c": {"d": [1, [2, [3, [4]]]]}}]}]}},
    {"order": 1, "of": 2, "keys": 3, "is": 4, "kept": 5, "a": 6},
    {str(i): i for i in range(2000)},
    list(range(2000)),
    ["not", "a", {"dict": True}],
    "text alone",
    42,
]

DOCUMENTS = JSON_DOCUMENTS + [
    None,
    {"more than 64 bits": [2**63, 2**64, -(2**63) - 1, -(2**100), 10**400]},
    {"not a number": math.nan, "infinite": [math.inf, -math.inf]},
    {"lone surrogates": ["\ud800", "x\udfffy"], "\udc80": "as a key"},
    {"tuples": [(), (1,), (1, 2), (1, 2, 3), (1, 2, 3, 4), ((), ([],))], "in lists": [[], ()]},
    {"bytes": [b"", b"a", bytes(range(256)), b"x" * 300]},
    {1: "int", -(2**70): "big", 2.5: "float", None: "none", True + 1: "two", b"bytes": 0, "str": 1},
    {True: "true", "1": "not the same as 1", "True": "nor as this"},
    (1, "tuple"),
    {"integers": [np.int8(-1), np.int16(-2), np.int32(-3), np.int64(-4), np.intp(5), np.longlong(6)]},
    {"naturals": [np.uint8(255), np.uint16(65535), np.uint32(2**32 - 1), np.uint64(2**64 - 1), np.ulonglong(7)]},
    {"floats": [np.float16(0.1), np.float32(0.1), np.float64(0.1), np.float16(-0.0)]},
    {"no numbers": [np.float16("inf"), np.float32("nan"), np.float64("-inf")]},
    {"booleans": [np.bool_(True), np.bool_(False)]},
    {"strings": [np.str_("żółć 😀"), np.str_(""), np.bytes_(b"raw"), np.bytes_(b"")]},
    {"times": [np.datetime64("2024-02-29"), np.datetime64("1969-12-31T23:59:59.999"), np.datetime64(5, "25us")]},
    {"no times": [np.datetime64("NaT"), np.timedelta64("NaT")]},
    {"spans": [np.timedelta64(3, "D"), np.timedelta64(-1, "ns"), np.timedelta64(7)]},
    {np.str_("keys"): 1, np.int32(2): 2, np.float64(2.5): 3, np.bool_(False): 4},
    {"shared": [SHARED, SHARED], "again": SHARED["one"]},
    {"shared": SHARED},
]


def spell(value):
    """Text that is equal for values that are equal in every respect: type, bits, order of keys."""
    kind = type(value)
    if isinstance(value, np.generic):
        return f"{value.dtype.str}:{value.tobytes().hex()}"
    if kind is float:
        return struct.pack(">d", value).hex()
    if kind is dict:
        return "{" + ", ".join(f"{spell(key)}: {spell(value)}" for key, value in value.items()) + "}"
    if kind in (list, tuple):
        return f"{kind.__name__}({', '.join(map(spell, value))})"
    assert kind in (int, bool, str, bytes, type(None)), kind
    return ascii(value)


def vectors(rows=len(DOCUMENTS), dimensions=5):
    """Numbers that every NumPy makes alike and that even a float16 holds."""
    numbers = np.arange(rows * dimensions) * 37 % 101 - 50
    return (numbers / 8).astype(np.float32).reshape(rows, dimensions)


def objects(documents):
    """A one-dimensional object array, also of documents that are lists."""
    array = np.empty(len(documents), object)
    for row, document in enumerate(documents):
        array[row] = document
    return array


def write_documents(path, deflated=False):
    save = np.savez_compressed if deflated else np.savez
    save(path, vectors=vectors(), metadata=objects(DOCUMENTS))


def check(path):
    with np.load(path, allow_pickle=True) as file:
        assert file["vectors"].tobytes() == vectors().tobytes()
        metadata = file["metadata"]
    assert metadata.dtype == object and metadata.shape == (len(DOCUMENTS),)
    for row, (found, document) in enumerate(zip(metadata, DOCUMENTS)):
        # What a pickle makes of it: NumPy's own names for equal types differ from what was asked for.
        expected = pickle.loads(pickle.dumps(document))
        assert spell(found) == spell(expected), f"row {row}: expected {expected!a}, found {found!a}"


VECTOR_TYPES = [">f2", "<f2", ">f4", "<f4", ">f8", "<f8"]


def write_vectors(directory):
    """Files <container>_<type>_<order>.npz or .npy. Those of float64 have more digits than a float32."""
    directory = Path(directory)
    for dtype in map(np.dtype, VECTOR_TYPES):
        array = vectors().astype(dtype)
        if dtype.itemsize == 8:
            array /= 3
        for order in "CF":
            ordered = np.array(array, order=order)
            name = f"{dtype.str.replace('<', 'little-').replace('>', 'big-')}_{order}"
            np.savez(directory / f"stored_{name}.npz", vectors=ordered)
            np.savez_compressed(directory / f"deflated_{name}.npz", vectors=ordered)
            np.save(directory / f"alone_{name}.npy", ordered)
            with open(directory / f"version3_{name}.npy", "wb") as file:
                np.lib.format.write_array(file, ordered, version=(3, 0))


if __name__ == "__main__":
    command, path, *rest = sys.argv[1:]
    if command == "documents":
        write_documents(path, bool(rest))
    elif command == "check":
        check(path)
    elif command == "vectors":
        write_vectors(path)
    else:
        sys.exit(f"unknown command {command}")
