"""The command: verify, repair, compact, and export beside a writer."""

import json
import os
import random
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from command import done, npvec, refused
from store import Store

SECRET = "the password is swordfish"


@pytest.fixture
def store(tmp_path):
    """An archive of ten rows, and a journal with two more."""
    path = tmp_path / "s.npz"
    lines = [json.dumps({"id": f"r{i}", "n": i, "vector": [1, i]}) for i in range(10)]
    done("add", path, "-", "--create", "--id-field", "id", stdin="\n".join(lines))
    writer = Store.open(path, durability=1)
    for i in (10, 11):
        writer.add(np.array([[1, i]], np.float32), [json.dumps({"n": i})], ids=[f"r{i}"])
    writer.close()
    return path


def ids(path):
    return [row["id"] for row in npvec("get", path, "--limit", 9999, "--json").json["rows"]]


def flip(path, at):
    data = bytearray(path.read_bytes())
    data[at] ^= 1
    path.write_bytes(data)


def test_sound(store, tmp_path):
    assert done("verify", store) == f"{store}: sound, 12 rows\n"
    assert json.loads(done("verify", store, "--json")) == {
        "path": str(store), "findings": 0, "rows": 12, "rows_partial": 0, "rows_lost": 0, "report": []
    }  # fmt: skip
    assert done("repair", store, tmp_path / "new.npz") == f"saved 12 rows to {tmp_path}/new.npz; 0 lost\n"
    assert ids(tmp_path / "new.npz") == ids(store)


@pytest.mark.parametrize("member", ["vectors", "metadata", "ids"])
def test_damaged_member(store, tmp_path, member):
    place = store.read_bytes().index(f"{member}.npy".encode())
    flip(store, store.read_bytes().index(b"\x93NUMPY", place) + 128 + 2)
    result = npvec("verify", store, "--json")
    assert result.code == 1
    assert result.json["findings"] >= 1
    assert any(f"{member}.npy: at bytes" in line for line in result.json["report"])
    assert npvec("repair", store, tmp_path / "new.npz").code == 0
    assert done("verify", tmp_path / "new.npz").startswith(f"{tmp_path}/new.npz: sound")


def test_damaged_journal(store, tmp_path):
    journal = Path(f"{store}-journal")
    flip(journal, 128 + 40 + 33)
    assert npvec("get", store, 0).code == 2
    result = npvec("verify", store)
    assert result.code == 1
    assert "changes 1 to 1 of the journal are lost: bytes 128 to " in result.out
    assert done("repair", store, tmp_path / "new.npz").endswith("new.npz; 1 lost\n")
    assert ids(tmp_path / "new.npz") == [f"r{i}" for i in [*range(10), 11]]


def test_what_cannot_be_checked(tmp_path):
    (tmp_path / "text.npz").write_text("nothing of a store")
    assert "found nothing of one" in refused("verify", tmp_path / "text.npz")
    assert "No such file" in refused("verify", tmp_path / "none.npz")
    assert "found nothing of one" in refused("repair", tmp_path / "text.npz", tmp_path / "new.npz")
    assert not (tmp_path / "new.npz").exists()


def test_repair_never_overwrites(store, tmp_path):
    before = store.read_bytes()
    assert "never overwritten" in refused("repair", store, store)
    assert store.read_bytes() == before
    (tmp_path / "new.npz").write_text("mine")
    assert "never overwritten" in refused("repair", store, tmp_path / "new.npz")
    assert (tmp_path / "new.npz").read_text() == "mine"


def test_compact_erases(store):
    journal = Path(f"{store}-journal")
    writer = Store.open(store, durability=1)
    row = writer.add(np.array([[3, 4]], np.float32), [json.dumps({"text": SECRET})], ids=[SECRET[::-1]])
    writer.delete([row])
    assert SECRET.encode() in journal.read_bytes()
    assert "open for writing" in refused("compact", store)
    writer.close()
    done("compact", store)
    left = store.read_bytes() + (journal.read_bytes() if journal.exists() else b"")
    for text in (SECRET, SECRET[::-1]):
        assert text.encode() not in left and text.encode("utf-32-le") not in left
    assert done("verify", store) == f"{store}: sound, 12 rows\n"
    assert len(ids(store)) == 12


def test_a_hundred_rounds_take_no_more_room_than_one(store):
    sizes = []
    lines = "\n".join(json.dumps({"id": f"r{i}", "n": i, "vector": [1, i]}) for i in range(12))
    for rounds in (1, 100):
        for _ in range(rounds):
            done("upsert", store, "-", stdin=lines)
        done("compact", store)
        journal = Path(f"{store}-journal")
        sizes.append((store.stat().st_size, journal.stat().st_size if journal.exists() else 0))
    # The generation is a number of the archive's comment, and may be longer by some digits.
    assert sizes[1][0] - sizes[0][0] <= 2 and sizes[1][1] == sizes[0][1]


WRITER = """
import json, sys
import numpy as np
from store import Store
path, rounds = sys.argv[1], int(sys.argv[2])
writer = Store.open(path, durability=1)
print("ready", flush=True)
for i in range(rounds):
    batch = np.full((3, 2), [[1, i]], np.float32)
    writer.add(batch, [json.dumps({"round": i})] * 3, ids=[f"w{i}.{j}" for j in range(3)])
    if i % 40 == 39:
        writer.save()
writer.close()
"""


def test_export_and_verify_beside_a_writer(store, tmp_path):
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parent)}
    words = [sys.executable, "-c", WRITER, store, "400"]
    with subprocess.Popen(words, env=environment, stdout=subprocess.PIPE) as writer:
        assert writer.stdout.readline() == b"ready\n"
        seen = 12
        while True:
            running = writer.poll() is None
            done("verify", store)
            done("export", store, tmp_path / "out.npz", "--force")
            found = ids(tmp_path / "out.npz")
            # Whole batches, in their order, and never fewer than before.
            assert found[12:] == [f"w{i}.{j}" for i in range((len(found) - 12) // 3) for j in range(3)]
            assert len(found) >= seen
            seen = len(found)
            assert done("verify", tmp_path / "out.npz").endswith(f"sound, {seen} rows\n")
            if not running:
                break
        assert writer.wait() == 0
    assert seen == 12 + 3 * 400


def test_random_damage_ends_in_a_store_or_an_error(store, tmp_path):
    chance = random.Random(5)
    whole, journal = store.read_bytes(), Path(f"{store}-journal").read_bytes()
    for _ in range(40):
        damaged = bytearray(whole)
        for _ in range(chance.randrange(1, 6)):
            damaged[chance.randrange(len(damaged))] = chance.randrange(256)
        store.write_bytes(damaged[: chance.choice([len(damaged), chance.randrange(1, len(damaged))])])
        Path(f"{store}-journal").write_bytes(journal[: chance.choice([len(journal), chance.randrange(len(journal))])])
        assert npvec("verify", store).code in (0, 1, 2)
        shutil.rmtree(tmp_path / "out", ignore_errors=True)
        (tmp_path / "out").mkdir()
        if npvec("repair", store, tmp_path / "out/new.npz").code == 0:
            done("verify", tmp_path / "out/new.npz")
        else:
            assert not any((tmp_path / "out").iterdir())
