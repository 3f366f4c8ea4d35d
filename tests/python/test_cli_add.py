"""The command: add, and every format that it reads."""

import csv
import io
import json
import os
import struct
import subprocess

import numpy as np
import pytest
from command import COMMAND, done, npvec, refused

DOCUMENTS = [
    {"id": 7, "big": 2**63 - 1, "half": 0.5, "whole": 1.0, "t": "naïve ∑ 漢 \\ \"q\" /", "none": None},
    {"deep": {"list": [1, [2, {}], []], "yes": True}, "vectors": [1, 2], "": "empty key"},
    {"lines": "a\nb\tc\u0001", "order": {"z": 1, "a": 2}},
]


def vectors(count=3, dimensions=5, seed=0):
    return np.random.default_rng(seed).standard_normal((count, dimensions)).astype(np.float32)


def unit(rows):
    """What a store that normalises keeps of the rows."""
    wide = rows.astype(np.float64)
    return np.stack([(x / np.sqrt(x @ x)).astype(np.float32) for x in wide])


def stored(path):
    with np.load(path, allow_pickle=True) as archive:
        return archive["vectors"], list(archive["metadata"])


def as_lines(rows, documents, field="vector"):
    return "".join(json.dumps({**d, field: x.tolist()}) + "\n" for x, d in zip(rows, documents))


def add_raw(path, *arguments, **options):
    """Adds to a store that keeps vectors as they are, so that their bits can be compared."""
    return done("add", path, *arguments, "--create", "--no-normalize", **options)


# ------------------------------------------------------------------------------------------------------ the store


def test_add_says_how_many_rows_there_are(tmp_path):
    path = tmp_path / "s.npz"
    lines = as_lines(vectors(), DOCUMENTS)
    assert done("add", path, "-", "--create", stdin=lines) == f"added 3 rows to {path}, which has 3 now\n"
    assert done("add", path, "-", stdin=lines.splitlines()[0]) == f"added 1 row to {path}, which has 4 now\n"
    assert npvec("add", path, "-", "--json", stdin=lines).json == {"path": str(path), "added": 3, "rows": 7}


def test_vectors_are_scaled_unless_told_otherwise(tmp_path):
    rows = vectors()
    done("add", tmp_path / "unit.npz", "-", "--create", stdin=as_lines(rows, DOCUMENTS))
    np.testing.assert_allclose(stored(tmp_path / "unit.npz")[0], unit(rows), rtol=2e-7)
    add_raw(tmp_path / "raw.npz", "-", stdin=as_lines(rows, DOCUMENTS))
    assert stored(tmp_path / "raw.npz")[0].tobytes() == rows.tobytes()


def test_store_that_is_not_there_needs_create(tmp_path):
    message = refused("add", tmp_path / "s.npz", "-", stdin='{"vector": [1]}')
    assert message == f"npvec add: {tmp_path / 's.npz'}: there is no such file; --create makes it"
    assert os.listdir(tmp_path) == []


def test_create_adds_to_a_store_that_is_there(tmp_path):
    for rows in (1, 2):
        done("add", tmp_path / "s.npz", "-", "--create", stdin='{"vector": [1]}')
        assert npvec("info", tmp_path / "s.npz", "--json").json["rows"] == rows


def test_no_normalize_refuses_a_store_that_normalises(tmp_path):
    path = tmp_path / "s.npz"
    done("create", path, "--dimensions", 1)
    message = refused("add", path, "-", "--no-normalize", stdin='{"vector": [1]}')
    assert message == f"npvec add: {path}: expected a store that does not normalise, found one that does"


def test_nothing_to_add(tmp_path):
    path = tmp_path / "s.npz"
    message = refused("add", path, "-", "--create", stdin="")
    assert message == f"npvec add: {path}: not created: there was nothing to add, so its dimensions are unknown"
    done("create", path, "--dimensions", 1)
    assert done("add", path, "-", stdin="\n\n") == f"added 0 rows to {path}, which has 0 now\n"


def test_compress_makes_a_smaller_file_of_the_same_rows(tmp_path):
    np.save(tmp_path / "v.npy", np.tile(vectors(1, 64), (200, 1)))
    done("add", tmp_path / "stored.npz", tmp_path / "v.npy", "--create")
    done("add", tmp_path / "deflated.npz", tmp_path / "v.npy", "--create", "--compress")
    assert (tmp_path / "deflated.npz").stat().st_size * 10 < (tmp_path / "stored.npz").stat().st_size
    assert stored(tmp_path / "deflated.npz")[0].tobytes() == stored(tmp_path / "stored.npz")[0].tobytes()


def test_several_inputs_of_several_formats(tmp_path):
    rows = vectors(4)
    np.save(tmp_path / "a.npy", rows[:1])
    (tmp_path / "b.jsonl").write_text(as_lines(rows[1:2], [{"n": 1}]))
    (tmp_path / "c.csv").write_text(f"vector,n\n{' '.join(map(str, rows[2].tolist()))},2\n")
    add_raw(tmp_path / "s.npz", *(tmp_path / n for n in ("a.npy", "b.jsonl", "c.csv")), "-", stdin=as_lines(rows[3:], [{}]))
    found, documents = stored(tmp_path / "s.npz")
    assert found.tobytes() == rows.tobytes()
    assert documents == [None, {"n": 1}, {"n": "2"}, None]


def test_mistake_in_the_last_input_leaves_the_file_untouched(tmp_path):
    path = tmp_path / "s.npz"
    done("add", path, "-", "--create", stdin='{"vector": [1, 2]}')
    before = path.read_bytes()
    good = tmp_path / "good.jsonl"
    good.write_text('{"vector": [1, 2]}\n' * 10000)
    bad = tmp_path / "bad.jsonl"
    bad.write_text('{"vector": [1, 2]}\n' * 5000 + '{"vector": [0, 0]}\n' + '{"vector": [1, 2]}\n' * 5000)
    message = refused("add", path, good, bad)
    assert message.startswith(f"npvec add: {bad}:5001: expected a direction, found a vector of length zero")
    assert path.read_bytes() == before and sorted(os.listdir(tmp_path)) == ["bad.jsonl", "good.jsonl", "s.npz"]


def test_interrupted_input_leaves_the_file_untouched(tmp_path):
    path = tmp_path / "s.npz"
    done("create", path, "--dimensions", 2)
    before = path.read_bytes()
    process = subprocess.Popen([COMMAND, "add", path, "-"], stdin=subprocess.PIPE)
    process.stdin.write(b'{"vector": [1, 2]}\n' * 20000)
    process.stdin.flush()
    process.kill()
    process.wait(timeout=60)
    process.stdin.close()
    assert path.read_bytes() == before


def test_damaged_store_is_refused(tmp_path):
    path = tmp_path / "s.npz"
    path.write_bytes(b"PK\3\4" + b"x" * 100)
    assert refused("add", path, "-", stdin='{"vector": [1]}').startswith(f"npvec add: {path}: ")
    assert path.read_bytes() == b"PK\3\4" + b"x" * 100


def test_formats_are_told_by_content_then_by_name(tmp_path):
    rows = vectors(1, 2)
    np.save(tmp_path / "plain.npy", rows)
    np.savez(tmp_path / "plain.npz", vectors=rows)
    (tmp_path / "npy").write_bytes((tmp_path / "plain.npy").read_bytes())
    (tmp_path / "npz.csv").write_bytes((tmp_path / "plain.npz").read_bytes())
    (tmp_path / "jsonl").write_text("\n  " + as_lines(rows, [{}]))
    (tmp_path / "csv.CSV").write_text("vector\n1 2\n")
    (tmp_path / "lines.ndjson").write_text(as_lines(rows, [{}]))
    inputs = [tmp_path / name for name in ("npy", "npz.csv", "jsonl", "csv.CSV", "lines.ndjson")]
    assert npvec("add", tmp_path / "s.npz", *inputs, "--create", "--json").json["added"] == 5


def test_unknown_format_asks_for_it(tmp_path):
    (tmp_path / "data.txt").write_text("vector\n1 2\n")
    message = refused("add", tmp_path / "s.npz", tmp_path / "data.txt", "--create", usage=True)
    assert message.endswith(
        "data.txt: neither its name nor its first bytes tell its format; say --format npy, npz, jsonl, csv or fvecs"
    )
    done("add", tmp_path / "s.npz", tmp_path / "data.txt", "--create", "--format", "csv")


def test_pipes_are_read_whole(tmp_path):
    done("add", tmp_path / "s.npz", "/dev/stdin", "--create", stdin='{"vector": [1, 2], "n": 1}')
    done("add", tmp_path / "s.npz", "-", "--format", "csv", stdin="vector\n1 2\n")
    assert stored(tmp_path / "s.npz")[1] == [{"n": 1}, None]


@pytest.mark.parametrize("name", ["none.npy", "none.jsonl", "none.csv", "none.fvecs"])
def test_input_that_is_not_there(tmp_path, name):
    message = refused("add", tmp_path / "s.npz", tmp_path / name, "--create")
    assert message == f"npvec add: {tmp_path / name}: opening failed: No such file or directory"


def test_directory_as_input(tmp_path):
    (tmp_path / "d.jsonl").mkdir()
    assert refused("add", tmp_path / "s.npz", tmp_path / "d.jsonl", "--create").endswith("reading failed: Is a directory")


# ---------------------------------------------------------------------------------------------------- npy and npz


@pytest.mark.parametrize("dtype", ["<f4", "<f8", "<f2", ">f4", ">f8"])
@pytest.mark.parametrize("order", ["C", "F"])
def test_npy_with_documents(tmp_path, dtype, order):
    rows = np.asarray(np.asarray(vectors(), dtype), order=order)
    np.save(tmp_path / "v.npy", rows)
    (tmp_path / "d.jsonl").write_text("".join(json.dumps(d) + "\n" for d in DOCUMENTS))
    add_raw(tmp_path / "s.npz", tmp_path / "v.npy", "--metadata", tmp_path / "d.jsonl")
    found, documents = stored(tmp_path / "s.npz")
    assert found.tobytes() == rows.astype("<f4").tobytes(order="C")
    assert json.dumps(documents) == json.dumps(DOCUMENTS)


def test_documents_may_be_null_and_of_any_kind(tmp_path):
    np.save(tmp_path / "v.npy", vectors(5))
    lines = 'null\n\n  {}  \r\n[1, "a"]\n"text"\n7'
    add_raw(tmp_path / "s.npz", tmp_path / "v.npy", "--metadata", "-", stdin=lines)
    assert stored(tmp_path / "s.npz")[1] == [None, {}, [1, "a"], "text", 7]


@pytest.mark.parametrize("count, message", [
    (2, "{d}: expected a document for each vector of {v}, one a line, found only 2"),
    (4, "{d}:4: expected the end, because {v} has 3 vectors, found another document"),
])
@pytest.mark.parametrize("name", ["v.npy", "v.fvecs"])
def test_wrong_number_of_documents(tmp_path, name, count, message):
    v, d = tmp_path / name, tmp_path / "d.jsonl"
    if name == "v.npy":
        np.save(v, vectors())
    else:
        v.write_bytes(b"".join(struct.pack("<i", 5) + x.tobytes() for x in vectors()))
    d.write_text("{}\n" * count)
    assert refused("add", tmp_path / "s.npz", v, "--metadata", d, "--create") == "npvec add: " + message.format(v=v, d=d)


def test_wrong_document_is_told_by_line_and_column(tmp_path):
    np.save(tmp_path / "v.npy", vectors())
    (tmp_path / "d.jsonl").write_text('{}\n{"a": 1, "b": }\n{}\n')
    message = refused("add", tmp_path / "s.npz", tmp_path / "v.npy", "--metadata", tmp_path / "d.jsonl", "--create")
    assert message.startswith(f"npvec add: {tmp_path / 'd.jsonl'}:2: column 15: expected one JSON value: ")


def test_metadata_goes_with_vectors_alone(tmp_path):
    (tmp_path / "v.jsonl").write_text('{"vector": [1]}')
    np.savez(tmp_path / "v.npz", vectors=vectors(1, 1), metadata=np.array([{}], dtype=object))
    np.savez(tmp_path / "bare.npz", vectors=vectors(1, 1))
    (tmp_path / "d.jsonl").write_text('{"n": 1}')
    for name in ("v.jsonl", "v.npz"):
        words = ["add", tmp_path / "s.npz", tmp_path / name, "--metadata", tmp_path / "d.jsonl", "--create"]
        assert refused(*words, usage=True).endswith(f"{name} has documents of its own")
    done("add", tmp_path / "s.npz", tmp_path / "bare.npz", "--metadata", tmp_path / "d.jsonl", "--create")
    assert stored(tmp_path / "s.npz")[1] == [{"n": 1}]


def test_npz_brings_vectors_and_documents(tmp_path):
    np.savez_compressed(tmp_path / "v.npz", vectors=vectors(), metadata=np.array(DOCUMENTS, dtype=object))
    add_raw(tmp_path / "s.npz", tmp_path / "v.npz")
    found, documents = stored(tmp_path / "s.npz")
    assert found.tobytes() == vectors().tobytes() and json.dumps(documents) == json.dumps(DOCUMENTS)


def test_store_can_be_added_to_itself(tmp_path):
    path = tmp_path / "s.npz"
    add_raw(path, "-", stdin=as_lines(vectors(), DOCUMENTS))
    done("add", path, path)
    assert stored(path)[1] == DOCUMENTS * 2


def test_npz_of_other_dimensions(tmp_path):
    np.savez(tmp_path / "v.npz", vectors=vectors(2, 3))
    done("create", tmp_path / "s.npz", "--dimensions", 5)
    message = refused("add", tmp_path / "s.npz", tmp_path / "v.npz")
    assert message == f"npvec add: {tmp_path / 'v.npz'}: row 0: expected a vector of 5 numbers, found 3"


def test_npy_from_standard_input_is_refused(tmp_path):
    message = refused("add", tmp_path / "s.npz", "-", "--format", "npy", "--create", usage=True)
    assert message == "npvec add: npy and npz are read from a file, not from standard input"


def test_damaged_npy_is_refused(tmp_path):
    np.save(tmp_path / "v.npy", vectors())
    (tmp_path / "v.npy").write_bytes((tmp_path / "v.npy").read_bytes()[:-1])
    assert refused("add", tmp_path / "s.npz", tmp_path / "v.npy", "--create").startswith(f"npvec add: {tmp_path / 'v.npy'}: ")


# ----------------------------------------------------------------------------------------------------- JSON Lines


def test_jsonl_keeps_documents_and_vectors_to_the_bit(tmp_path):
    rows = vectors()
    add_raw(tmp_path / "s.npz", "-", stdin=as_lines(rows, DOCUMENTS))
    found, documents = stored(tmp_path / "s.npz")
    assert found.tobytes() == rows.tobytes()
    assert json.dumps(documents) == json.dumps(DOCUMENTS)  # also the order of keys, and 1.0 is not 1


@pytest.mark.parametrize(
    "line, document",
    [
        ('{"vector": [1, 2]}', None),
        ('  {  "vector"  :  [ 1 , 2 ]  }  ', None),
        ('{"vector": [1, 2], "a": 1}', {"a": 1}),
        ('{"vector":[1,2] , "a": 1}', {"a": 1}),
        ('{"a": 1, "vector": [1, 2]}', {"a": 1}),
        ('{"a": 1 , "vector": [1, 2] , "b": [2, 3]}', {"a": 1, "b": [2, 3]}),
        ('{"a": {"vector": [3]}, "vector": [1, 2]}', {"a": {"vector": [3]}}),
        (r'{"\u0076ector": [1, 2], "a": "\"]}"}', {"a": '"]}'}),
        ('{"a": ["]", "}", {"b": "[{"}], "vector": [1, 2]}', {"a": ["]", "}", {"b": "[{"}]}),
        ('{"embedding": [1, 2], "a": 1}', {"a": 1}),
        ('{"embedding": [3], "vector": [1, 2]}', {"embedding": [3]}),
        ('{"vector": [1e0, 2.0E+0]}\r', None),
        ('\ufeff{"vector": [1, 2]}', None),
    ],
)
def test_jsonl_takes_the_vector_out_of_its_document(tmp_path, line, document):
    add_raw(tmp_path / "s.npz", "-", stdin=line)
    found, documents = stored(tmp_path / "s.npz")
    assert found.tolist() == [[1, 2]] and documents == [document]


def test_jsonl_numbers_round_as_numpys_do(tmp_path):
    texts = ["0.1", "1e-46", "7.0064923216240853e-46", "3.4028235677973362e38", "-0", "1.00000017881393421514957253748434595763683319091796875001"]
    add_raw(tmp_path / "s.npz", "-", stdin='{"vector": [%s]}' % ", ".join(texts))
    assert stored(tmp_path / "s.npz")[0].tobytes() == np.array([[float(t) for t in texts]]).astype("<f4").tobytes()


def test_vector_field_names_the_member(tmp_path):
    add_raw(tmp_path / "s.npz", "-", "--vector-field", "v", stdin='{"vector": [9], "v": [1, 2]}')
    found, documents = stored(tmp_path / "s.npz")
    assert found.tolist() == [[1, 2]] and documents == [{"vector": [9]}]


def test_blank_lines_are_skipped_and_counted(tmp_path):
    text = '\n{"vector": [1, 2]}\n\r\n \t\n{"vector": [3]}'
    message = refused("add", tmp_path / "s.npz", "-", "--create", stdin=text)
    assert message == "npvec add: standard input:5: expected a vector of 2 numbers, found 1"


@pytest.mark.parametrize(
    "line, message",
    [
        ("[1, 2]", "expected a JSON object with a vector, found another value"),
        ('"text"', "expected a JSON object with a vector, found another value"),
        ('{"a": 1}', 'expected a member "vector" with the vector, found none; name it with --vector-field'),
        ('{}', 'expected a member "vector" with the vector, found none; name it with --vector-field'),
        ('{"vector": "1 2"}', 'expected an array of numbers in "vector", found a string'),
        ('{"vector": null}', 'expected an array of numbers in "vector", found null'),
        ('{"vector": {"a": 1}}', 'expected an array of numbers in "vector", found an object'),
        ('{"vector": 7}', 'expected an array of numbers in "vector", found a number'),
        ('{"vector": true}', 'expected an array of numbers in "vector", found a boolean'),
        ('{"vector": []}', "expected a vector, found one without numbers"),
        ('{"vector": [1, 2], "vector": [1, 2]}', 'expected one member "vector", found two'),
        ('{"vector": [1, [2]]}', "number 1 of the vector: expected a number, found '[2'"),
        ('{"vector": [1, "2"]}', "number 1 of the vector: expected a number, found '\"2\"'"),
        ('{"vector": [1, NaN]}', "number 1 of the vector: expected a number, found 'NaN'"),
        ('{"vector": [1, -Infinity]}', "number 1 of the vector: expected a number, found '-Infinity'"),
        ('{"vector": [1, null]}', "number 1 of the vector: expected a number, found 'null'"),
        ('{"vector": [01, 2]}', "number 0 of the vector: expected a number, found '01'"),
        ('{"vector": [1., 2]}', "number 0 of the vector: expected a number, found '1.'"),
        ('{"vector": [+1, 2]}', "number 0 of the vector: expected a number, found '+1'"),
        ('{"vector": [0x1, 2]}', "number 0 of the vector: expected a number, found '0x1'"),
        ('{"vector": [1, ]}', "number 1 of the vector: expected a number, found ']'"),
        ('{"vector": [1 2]}', "number 0 of the vector: expected ',' or ']' behind it"),
        ('{"vector": [1e39, 2]}', "number 0 of the vector: expected at most 3.40282e+38 (float32), found 1e+39"),
        ('{"vector": [1, -1e400]}', "number 1 of the vector: expected at most 3.40282e+38 (float32), found -inf"),
        ('{"vector": [%s]}' % ",".join("1" * 65537), "expected a vector of at most 65536 numbers, found more"),
        ('{"vector": [0, 0.0]}', "expected a direction, found a vector of length zero, which a store that normalises cannot hold"),
    ],
)
def test_wrong_vectors_in_jsonl(tmp_path, line, message):
    text = f'{{"vector": [1, 2]}}\n{line}\n'
    assert refused("add", tmp_path / "s.npz", "-", "--create", stdin=text) == f"npvec add: standard input:2: {message}"
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize(
    "line, column",
    [
        ('{"vector": [1, 2], "a": }', 25),
        ('{"a": tru, "vector": [1, 2]}', 9),
        ('{"vector": [1, 2],}', 19),
        ('{"vector": [1, 2]', 17),
        ('{"vector": [1, 2]} {}', 20),
        ('{"a": 1 "vector": [1, 2]}', 16),
        ('{"a" 1, "vector": [1, 2]}', 6),
        ('{"a": "unclosed, "vector": [1, 2]}', None),
        ('{"vector": [1, 2], "a": NaN}', None),
        ('{"vector": [1, 2], "a": 1, "a": 2}', None),
        ('{"vector": [1, 2], "a": [1}', None),
        ('{"vector": [1, 2], "a": {"b": ]}}', None),
        ('not json', 3),
        ('{"vector": [1, 2], "a": "\\ud80"}', None),
        ('{"vector": [1, 2], "a": {"\\ud800": 1, "\\uD800": 2}}', None),
        ('{"vector": [1, 2], "a": 1e400}', None),
    ],
)
def test_text_that_is_not_json_is_told_by_line_and_column(tmp_path, line, column):
    text = f'{{"vector": [1, 2]}}\n{line}\n'
    message = refused("add", tmp_path / "s.npz", "-", "--create", stdin=text)
    assert message.startswith("npvec add: standard input:2: column ")
    if column is not None:
        assert message.startswith(f"npvec add: standard input:2: column {column}: expected one JSON value: "), message


def test_whatever_json_spells_is_read_and_exported_again(tmp_path):
    documents = [{"n": [2**63, 2**64 - 1, -(2**63) - 1, 10**300]}, {"\ud800": "\udfff", "a\0b": "\\ud800", "\\": '"'}]
    done("add", tmp_path / "a.npz", "-", "--create", stdin=as_lines(np.ones((2, 1)), documents))
    lines = done("export", tmp_path / "a.npz", "-")
    assert [json.loads(line) for line in lines.splitlines()] == [{**each, "vector": [1]} for each in documents]
    done("add", tmp_path / "b.npz", "-", "--create", stdin=lines)
    assert stored(tmp_path / "b.npz")[1] == documents


def test_largest_integers_fit_their_fields(tmp_path):
    done("create", tmp_path / "a.npz", "--dimensions", 1, "--field", "n:u8")
    done("add", tmp_path / "a.npz", "-", stdin=f'{{"n": {2**64 - 1}, "vector": [1]}}')
    assert done("count", tmp_path / "a.npz", "--where", f"n = {2**64 - 1}") == "1\n"


def test_half_a_surrogate_pair_is_no_id(tmp_path):
    line = '{"id": "\\ud800", "vector": [1]}'
    message = refused("add", tmp_path / "s.npz", "-", "--create", "--id-field", "id", stdin=line)
    assert message == 'npvec add: standard input:1: expected text as the id in "id", found half of a surrogate pair'


def test_bytes_that_are_not_utf8_are_shown_escaped(tmp_path):
    message = refused("add", tmp_path / "s.npz", "-", "--create", stdin=b'{"vector": [1], "a": "caf\xe9"}')
    assert "standard input:1: column" in message and "0xe9" in message


def test_zero_byte_is_told_by_line(tmp_path):
    message = refused("add", tmp_path / "s.npz", "-", "--create", stdin=b'{"vector": [1]}\n{"ve\0ctor": [1]}')
    assert message == "npvec add: standard input:2: expected text, found a zero byte at byte 4 of the line"


def test_document_nested_too_deep(tmp_path):
    line = '{"vector": [1], "a": ' + "[" * 200 + "]" * 200 + "}"
    message = refused("add", tmp_path / "s.npz", "-", "--create", stdin='{"vector": [1]}\n' + line)
    assert message.startswith("npvec add: standard input:2: arrays and objects in a document may be nested 128 deep")
    line = '{"vector": [1], "a": ' + "[" * 100000
    refused("add", tmp_path / "s.npz", "-", "--create", stdin=line)


def test_line_without_end_is_refused_in_bounded_memory(tmp_path):
    writer = subprocess.Popen(["yes", "[" * 1000], stdout=subprocess.PIPE)
    tr = subprocess.Popen(["tr", "-d", "\\n"], stdin=writer.stdout, stdout=subprocess.PIPE)
    writer.stdout.close()
    result = subprocess.run(
        [COMMAND, "add", tmp_path / "s.npz", "-", "--create"], stdin=tr.stdout, capture_output=True, timeout=120, check=False
    )
    tr.stdout.close()
    writer.kill(), tr.kill()
    writer.wait(), tr.wait()
    assert result.returncode == 2
    assert result.stderr == b"npvec add: standard input:1: expected a line of at most 67108864 bytes, found more\n"


def test_document_of_too_many_bytes(tmp_path):
    line = '{"vector": [1], "a": "%s"}' % ("x" * 16777216)
    message = refused("add", tmp_path / "s.npz", "-", "--create", stdin=line)
    assert message == "npvec add: standard input:1: expected a document of at most 16777216 bytes, found 16777226"


def test_many_batches_keep_their_order(tmp_path):
    rows = vectors(20000, 3)
    add_raw(tmp_path / "s.npz", "-", stdin=as_lines(rows, ({"n": i} for i in range(20000))))
    found, documents = stored(tmp_path / "s.npz")
    assert found.tobytes() == rows.tobytes() and documents == [{"n": i} for i in range(20000)]


# ------------------------------------------------------------------------------------------------------------ CSV


def add_csv(path, text, *words):
    (path / "in.csv").write_text(text, newline="")
    add_raw(path / "s.npz", path / "in.csv", *words)
    return stored(path / "s.npz")


def test_csv_cells_are_strings(tmp_path):
    found, documents = add_csv(tmp_path, 'id,vector,text,flag\n7,"[0.5, -1]"," a, ""b""\nc ",true\n')
    assert found.tolist() == [[0.5, -1]]
    assert documents == [{"id": "7", "text": ' a, "b"\nc ', "flag": "true"}]


def test_csv_empty_cells_are_left_out_unless_quoted(tmp_path):
    assert add_csv(tmp_path, 'vector,a,b\n1 2,,""\n1 2,x,y\n1 2,,\n')[1] == [{"b": ""}, {"a": "x", "b": "y"}, {}]


def test_csv_of_vectors_alone_has_no_documents(tmp_path):
    assert add_csv(tmp_path, "vector\n1 2\n3 4")[1] == [None, None]
    assert npvec("info", tmp_path / "s.npz", "--json").json["rows"] == 2


@pytest.mark.parametrize(
    "cell", ['"[1, 2.5]"', "1 2.5", "1;2.5", '"1, 2.5"', "[1. 2.5]", '"[ 1.   2.5]"', '"[1.\n 2.5]"', "[1e0 +2.5]", '" [1,2.5] "']
)
def test_csv_spellings_of_a_vector(tmp_path, cell):
    assert add_csv(tmp_path, f"vector,a\n{cell},x\n")[0].tolist() == [[1, 2.5]]


def test_csv_as_python_writes_it(tmp_path):
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(["embedding", "t", "naïve"])
    rows = vectors()
    cells = [['a "quoted" one', "é"], ["two\r\nlines", ""], [",", "漢"]]
    writer.writerows([x.tolist(), *c] for x, c in zip(rows, cells))
    found, documents = add_csv(tmp_path, text.getvalue())
    assert found.tobytes() == rows.tobytes()
    assert documents == [{"t": cells[0][0], "naïve": "é"}, {"t": "two\r\nlines"}, {"t": ",", "naïve": "漢"}]


def test_csv_infer_takes_numbers_and_words(tmp_path):
    cells = ["1", "-7", "0", "1.5", "1e3", "true", "False", "null", "007", "+1", "1.", "nan", "0x1", "", '"1"', "9223372036854775807",
             "9223372036854775808", "-9223372036854775808", "-9223372036854775809", "1e999", "yes", "-", "1 ", "123456789012345678901"]
    text = "vector," + ",".join(f"c{i}" for i in range(len(cells))) + "\n1," + ",".join(cells) + "\n"
    found = add_csv(tmp_path, text, "--infer")[1][0]
    expected = [1, -7, 0, 1.5, 1000.0, True, False, None, "007", "+1", "1.", "nan", "0x1", ..., 1, 2**63 - 1,
                str(2**63), -(2**63), str(-(2**63) - 1), "1e999", "yes", "-", "1 ", "123456789012345678901"]
    assert found == {f"c{i}": value for i, value in enumerate(expected) if value is not ...}
    assert [type(v) for v in found.values()] == [type(v) for v in expected if v is not ...]


def test_csv_vector_column_and_byte_order_mark_and_line_ends(tmp_path):
    found, documents = add_csv(tmp_path, "\ufeffid,v\r\n\r\na,1 2\r\nb,3 4\r\n", "--vector-column", "v")
    assert found.tolist() == [[1, 2], [3, 4]] and documents == [{"id": "a"}, {"id": "b"}]


@pytest.mark.parametrize(
    "text, message",
    [
        ("", ": expected a header with the names of the columns, found an empty file"),
        ("\n\n", ": expected a header with the names of the columns, found an empty file"),
        ("a,b\n1,2\n", ':1: expected a column "vector" with the vectors, found none; name it with --vector-column'),
        ("vector,a,a\n", ':1: expected different names of columns, found two called "a"'),
        ("vector,,a\n", ":1: column 2: expected a name of 1 to 4096 bytes, found 0"),
        ("vector," + "n" * 5000 + "\n", ":1: column 2: expected a name of 1 to 4096 bytes, found 5000"),
        (",".join(f"c{i}" for i in range(4097)), ":1: expected at most 4096 columns, found more"),
        ("vector,a\n1 2\n", ":2: expected 2 cells, found 1"),
        ("vector,a\n1 2,x\n1 2,x,y\n", ":3: expected 2 cells, found more"),
        ('vector,a\n1 2,"x\ny"\n1 x,y\n', ":4: number 1 of the vector: expected a number, found 'x'"),
        ('vector,a\n1 2,x\n\n"1,2\n",x,y\n', ":4: expected 2 cells, found more"),
        ('vector,a\n1 2,x"y"\n', ":2: expected quotes only around whole cells, and doubled inside them, found one elsewhere"),
        ('vector,a\n1 2,"x"y\n', ":2: expected quotes only around whole cells, and doubled inside them, found one elsewhere"),
        ('vector,a\n1 2,x\n1 2,"x\n\n', ":3: expected the closing quote of a cell, found the end of the file"),
        ("vector,a\n,x\n", ":2: expected a vector, found one without numbers"),
        ("vector,a\n[],x\n", ":2: expected a vector, found one without numbers"),
        ("vector,a\n[1 2,x\n", ":2: column \"vector\": expected ']' at the end of the vector"),
        ("vector,a\n1 2],x\n", ':2: column "vector": expected one vector, found more behind it'),
        ("vector,a\n[1] [2],x\n", ':2: column "vector": expected one vector, found more behind it'),
        ("vector,a\n1 2,x\n1 2 3,x\n", ":3: expected a vector of 2 numbers, found 3"),
        ("vector,a\nnan 2,x\n", ":2: number 0 of the vector: expected a number, found 'nan'"),
        ("vector,a\n1e40 2,x\n", ":2: number 0 of the vector: expected at most 3.40282e+38 (float32), found 1e+40"),
        (b"vector,a\n1 2,caf\xe9\n", ':2: column "a": expected UTF-8, found the byte 0xe9'),
        (b"vector,a\n1 2,\xc0\xaf\n", ':2: column "a": expected UTF-8, found the byte 0xc0'),
        (b"vector,a\n1 2,\xed\xa0\x80\n", ':2: column "a": expected UTF-8, found the byte 0xed'),
        (b"vector,a\n1 2,x\xf4\x90\x80\x80\n", ':2: column "a": expected UTF-8, found the byte 0xf4'),
        (b"vector,a\n1 2,\xe6\xbc\n", ':2: column "a": expected UTF-8, found the byte 0xe6'),
        (b"vector,a\n1 2,\0\n", ":2: expected text, found a zero byte at byte 4 of the line"),
    ],
)
def test_wrong_csv(tmp_path, text, message):
    path = tmp_path / "in.csv"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    assert refused("add", tmp_path / "s.npz", path, "--create") == f"npvec add: {path}{message}"
    assert os.listdir(tmp_path) == ["in.csv"]


def test_csv_with_a_quote_that_is_never_closed_is_refused_in_bounded_memory(tmp_path):
    text = b'vector,a\n1 2,"' + (b"x" * 1023 + b"\n") * 70000
    message = refused("add", tmp_path / "s.npz", "-", "--format", "csv", "--create", stdin=text)
    assert message == (
        "npvec add: standard input:2: expected a cell of at most 67108864 bytes, found more: is a quote not closed?"
    )


def test_csv_document_of_too_many_bytes(tmp_path):
    text = "vector,a,b\n1 2," + "x" * 9000000 + "," + "y" * 9000000 + "\n"
    message = refused("add", tmp_path / "s.npz", "-", "--format", "csv", "--create", stdin=text)
    assert message == "npvec add: standard input:2: expected a document of at most 16777216 bytes, found more"


# ---------------------------------------------------------------------------------------------------------- fvecs


def test_fvecs(tmp_path):
    rows = vectors()
    (tmp_path / "v.fvecs").write_bytes(b"".join(struct.pack("<i", 5) + x.astype("<f4").tobytes() for x in rows))
    add_raw(tmp_path / "s.npz", tmp_path / "v.fvecs")
    assert stored(tmp_path / "s.npz")[0].tobytes() == rows.tobytes()


def test_fvecs_with_documents_from_standard_input(tmp_path):
    data = b"".join(struct.pack("<if", 1, x) for x in (1, 2))
    (tmp_path / "d.jsonl").write_text('{"n": 0}\n{"n": 1}\n')
    add_raw(tmp_path / "s.npz", "-", "--format", "fvecs", "--metadata", tmp_path / "d.jsonl", stdin=data)
    assert stored(tmp_path / "s.npz")[1] == [{"n": 0}, {"n": 1}]


@pytest.mark.parametrize(
    "data, message",
    [
        (struct.pack("<if", 1, 1) + b"\1\0", "row 1: expected 4 bytes, found the end of the file after 2"),
        (struct.pack("<if", 1, 1) + struct.pack("<if", 2, 1), "row 1: expected 8 bytes, found the end of the file after 4"),
        (struct.pack("<if", 1, 1) + struct.pack("<i", 1), "row 1: expected 4 bytes, found the end of the file"),
        (struct.pack("<if", 1, 1) + struct.pack("<iff", 2, 1, 1), "row 1: expected a vector of 1 numbers, found 2"),
        (struct.pack("<if", 0, 1), "row 0: expected 1 to 65536 dimensions, found 0: is this an fvecs file?"),
        (struct.pack("<if", -1, 1), "row 0: expected 1 to 65536 dimensions, found 4294967295: is this an fvecs file?"),
        (struct.pack("<if", 65537, 1), "row 0: expected 1 to 65536 dimensions, found 65537: is this an fvecs file?"),
        (struct.pack("<if", 1, float("nan")), "row 0: expected finite numbers, found NaN in dimension 0"),
        (struct.pack("<iff", 2, 1, float("-inf")), "row 0: expected finite numbers, found -infinity in dimension 1"),
    ],
)
def test_wrong_fvecs(tmp_path, data, message):
    path = tmp_path / "v.fvecs"
    path.write_bytes(data)
    assert refused("add", tmp_path / "s.npz", path, "--create") == f"npvec add: {path}: {message}"
