"""A reader of journals written from docs/format.md, and nothing else, finds in them what the store was told."""

import ctypes
import ctypes.util
import pickle
import struct

import numpy as np
import pytest

from store import Store

OS = 1
HEADER = struct.Struct("<8sII16sQIIQQQQQ24sQQ")
RECORD = struct.Struct("<4sIQQQQ")
BATCH = struct.Struct("<QIIQQ")

_library = ctypes.util.find_library("xxhash")
pytestmark = pytest.mark.skipif(_library is None, reason="checksums need libxxhash")


def checksum(data, seed=0):
    function = ctypes.CDLL(_library).XXH3_64bits_withSeed
    function.restype = ctypes.c_uint64
    return function(data, ctypes.c_size_t(len(data)), ctypes.c_uint64(seed % 2**64))


def read_header(data):
    names = "magic version size id generation dimensions unit record descr salt follows count zeros checksum process"
    header = dict(zip(names.split(), HEADER.unpack_from(data)))
    assert header["magic"] == b"\x93NPVJ\r\n\x1a" and header["version"] == 1 and header["size"] == 128
    assert header["zeros"] == bytes(24) and header["checksum"] == checksum(data[:112])
    return header


def read_records(data, header):
    at, number = 128, 0
    while any(data[at:]):  # zeros are room
        magic, kind, sequence, size, payload_sum, header_sum = RECORD.unpack_from(data, at)
        payload = data[at + 40 : at + 40 + size]
        number += 1
        assert magic == b"NRC\x1e" and sequence == number and size % 8 == 0
        assert header_sum == checksum(data[at : at + 32], header["salt"] + at)
        assert payload_sum == checksum(payload, header["salt"])
        yield kind, payload
        at += 40 + size


def read_batch(payload, header):
    count, flags, zero, id_size, document_size = BATCH.unpack_from(payload)
    assert zero == 0
    sizes = {1: 4 * count * header["dimensions"], 2: count * header["record"], 4: id_size, 8: document_size}
    at, parts = 32, {}
    for flag, size in sizes.items():
        if flags & flag:
            parts[flag] = payload[at : at + size]
            padding = -size % 8
            assert payload[at + size : at + size + padding] == bytes(padding)
            at += size + padding
        else:
            assert flag in (1, 2) or size == 0
    assert at == len(payload)
    return count, parts


def test_documents_ids_and_deletions(tmp_path):
    path = tmp_path / "a.npz"
    vectors = np.random.default_rng(1).standard_normal((5, 3)).astype(np.float32)
    documents = ['{"a": [1, 2.5, null]}', None, '"text"', "7", "{}"]
    store = Store.open(path, 3, durability=OS)
    store.add(vectors, documents=documents, ids=["x", None, "é", "y", "z"])
    stored = store.vectors()
    store.delete([1, 2, 4])
    store.add(vectors[:1])
    store.clear()
    data = (tmp_path / "a.npz-journal").read_bytes()
    store.close()
    closed = (tmp_path / "a.npz-journal").read_bytes()
    assert data == closed + bytes(len(data) - len(closed)) and len(data) % 65536 == 0
    header = read_header(data)
    assert (header["generation"], header["dimensions"], header["unit"], header["record"]) == (1, 3, 1, 0)
    assert header["id"].hex() in path.read_bytes()[-120:].decode("latin-1")
    records = list(read_records(data, header))
    assert [kind for kind, _ in records] == [1, 3, 1, 4]
    count, parts = read_batch(records[0][1], header)
    assert count == 5 and parts[1] == stored.tobytes()
    assert parts[4].split(b"\0")[:-1] == [b"x", b"", "é".encode(), b"y", b"z"]
    assert pickle.loads(parts[8]).tolist() == [{"a": [1, 2.5, None]}, None, "text", 7, {}]
    assert struct.unpack("<4Q", records[1][1]) == (1, 3, 4, 5)
    count, parts = read_batch(records[2][1], header)
    assert count == 1 and list(parts) == [1]
    assert records[3][1] == b""


def test_typed_fields(tmp_path):
    path = tmp_path / "a.npz"
    store = Store.open(path, 2, normalize=False, durability=OS, fields=[("year", "i4"), ("name", "U3")])
    store.add(np.ones((2, 2), np.float32), documents=['{"year": 7, "name": "ab"}', '{"year": -1, "name": ""}'])
    data = (tmp_path / "a.npz-journal").read_bytes()
    store.close()
    header = read_header(data)
    text = b"[('year', '<i4'), ('name', '<U3')]"
    assert header["record"] == 16 and header["descr"] == checksum(text)
    ((kind, payload),) = read_records(data, header)
    count, parts = read_batch(payload, header)
    records = np.frombuffer(parts[2], dtype=[("year", "<i4"), ("name", "<U3")])
    assert (kind, count, sorted(parts)) == (1, 2, [1, 2])
    assert records.tolist() == [(7, "ab"), (-1, "")]


def test_a_saved_journal_says_what_it_follows(tmp_path):
    path = tmp_path / "a.npz"
    store = Store.open(path, 2, durability=OS)
    store.add(np.ones((2, 2), np.float32))
    store.add(np.ones((2, 2), np.float32))
    first = read_header((tmp_path / "a.npz-journal").read_bytes())
    store.save()
    second = read_header((tmp_path / "a.npz-journal").read_bytes())
    store.close()
    assert (second["follows"], second["count"]) == (first["salt"], 2)
    assert second["generation"] == 2 and second["id"] == first["id"] and second["salt"] != first["salt"]
