"""The command: ids, upsert, typed fields, and that export carries both."""

import json

import numpy as np
import pytest
from command import done, npvec, refused

LINES = [
    '{"id": "a", "n": 1, "vector": [1, 0]}',
    '{"vector": [0, 1], "id": 7, "n": 2}',
    '{"n": 3, "vector": [1, 1], "id": null}',
]
FIELDS = ["--field", "year:i4", "--field", "title:U5", "--field", "score:f8", "--field", "at:M8[s]"]
RECORDS = [
    {"year": -5, "title": "Tïdes", "score": 0.1, "at": "2024-05-01T12:00:00"},
    {"year": 2023, "title": "", "score": 1e300, "at": None},
]


@pytest.fixture
def store(tmp_path):
    path = tmp_path / "store.npz"
    done("add", path, "-", "--create", "--id-field", "id", stdin="\n".join(LINES))
    return path


@pytest.fixture
def typed(tmp_path):
    path = tmp_path / "typed.npz"
    done("create", path, "--dimensions", 2, *FIELDS)
    lines = [json.dumps({"key": key, "vector": [1, i], **r}) for i, (key, r) in enumerate(zip("ab", RECORDS))]
    done("add", path, "-", "--id-field", "key", stdin="\n".join(lines))
    return path


def rows(path):
    """What the store holds: id and document of each row."""
    found = npvec("get", path, "--limit", 1000, "--json").json["rows"]
    return [(row["id"] if "id" in row else None, row["document"]) for row in found]


# ------------------------------------------------------------------------------------------------------------------ add


def test_id_is_taken_out_of_the_document(store):
    assert rows(store) == [("a", {"n": 1}), ("7", {"n": 2}), (None, {"n": 3})]
    assert npvec("info", store, "--json").json["ids"] == 2
    with np.load(store, allow_pickle=True) as archive:
        assert list(archive["metadata"]) == [{"n": 1}, {"n": 2}, {"n": 3}]
        assert "ids" in archive


def test_without_id_field_a_member_id_stays_in_the_document(tmp_path):
    path = tmp_path / "s.npz"
    done("add", path, "-", "--create", stdin="\n".join(LINES))
    assert rows(path) == [(None, {"id": "a", "n": 1}), (None, {"id": 7, "n": 2}), (None, {"n": 3, "id": None})]
    with np.load(path, allow_pickle=True) as archive:
        assert "ids" not in archive


@pytest.mark.parametrize(
    "line, document",
    [
        ('{"id": "x", "vector": [1]}', None),
        ('{"vector": [1], "id": "x"}', None),
        ('{ "id" : "x" , "vector" : [1] , "a" : 1 }', {"a": 1}),
        ('{"vector": [1], "id": "x", "a": 1}', {"a": 1}),
        ('{"a": 1, "id": "x", "vector": [1]}', {"a": 1}),
        ('{"a": 1, "vector": [1], "id": "x"}', {"a": 1}),
        ('{"id": "x", "a": 1, "vector": [1]}', {"a": 1}),
        ('{"vector": [1], "a": 1, "id": "x"}', {"a": 1}),
        ('{"a": 1, "id": "x", "b": {"id": 2}, "vector": [1], "c": [3]}', {"a": 1, "b": {"id": 2}, "c": [3]}),
        ('{"a": 1, "vector": [1], "b": "  ", "id": "x", "c": [3]}', {"a": 1, "b": "  ", "c": [3]}),
        ('{"\\u0069d": "\\u0078", "vector": [1], "a": "é"}', {"a": "é"}),
    ],
)
def test_id_may_stand_anywhere(tmp_path, line, document):
    path = tmp_path / "s.npz"
    done("add", path, "-", "--create", "--id-field", "id", stdin=line)
    assert rows(path) == [("x", document)]


@pytest.mark.parametrize(
    "value, message",
    [
        ("1.5", 'expected a string or an integer in "id", found a number'),
        ("1e3", 'expected a string or an integer in "id", found a number'),
        ("true", 'expected a string or an integer in "id", found a boolean'),
        ("[1]", 'expected a string or an integer in "id", found an array'),
        ('{"a": 1}', 'expected a string or an integer in "id", found an object'),
        ('"a\\u0000b"', 'expected an id without zero characters in "id"'),
        ('"b", "id": "c"', 'expected one member "id", found two'),
        ('"a"', "the id 'a' is that of row 0 already"),
    ],
)
def test_wrong_ids_in_jsonl(store, value, message):
    text = f'{{"id": "z", "vector": [1, 2]}}\n{{"id": {value}, "vector": [1, 2]}}\n'
    before = store.read_bytes()
    assert refused("add", store, "-", "--id-field", "id", stdin=text) == f"npvec add: standard input:2: {message}"
    assert store.read_bytes() == before


@pytest.mark.parametrize("value", ['""', '"' + "x" * 513 + '"', '"\\ud800"', "nul", "01", "-"])
def test_ids_that_are_none_are_told_by_line(store, value):
    for command in ("add", "upsert"):
        message = refused(command, store, "-", "--id-field", "id", stdin=f'{{"id": {value}, "vector": [1, 2]}}')
        assert message.startswith(f"npvec {command}: standard input:1: ")


def test_line_without_the_member(store):
    message = refused("add", store, "-", "--id-field", "key", stdin='{"vector": [1, 2]}')
    assert message == 'npvec add: standard input:1: expected a member "key" with the id, found none; name it with --id-field'
    message = refused("add", store, "-", "--id-field", "vector", "--vector-field", "vector", stdin="", usage=True)
    assert message == "npvec add: expected different names for id and vector, found 'vector' for both"


def test_mistakes_behind_an_id_keep_their_column(store):
    message = refused("add", store, "-", "--id-field", "id", stdin='{"id": "x", "vector": [1, 2], "a": }')
    assert message.startswith("npvec add: standard input:1: column 36: expected one JSON value: ")


def test_same_id_twice_in_one_input(store):
    text = '{"id": "x", "vector": [1, 2]}\n' * 2
    message = refused("add", store, "-", "--id-field", "id", stdin=text)
    assert message == "npvec add: standard input:2: the id 'x' is that of row 3 already"


def test_csv_column_of_ids(tmp_path):
    path = tmp_path / "s.npz"
    words = ["add", path, "-", "--format", "csv", "--create", "--id-field"]
    done(*words, "key", stdin='vector,key,a\n1 2, x ,1\n1 2,,2\n1 2,007,3\n')
    assert rows(path) == [(" x ", {"a": "1"}), (None, {"a": "2"}), ("007", {"a": "3"})]
    message = refused(*words, "name", stdin="vector,key\n1 2,y\n")
    assert message.endswith(':1: expected a column "name" with the ids, found none; name it with --id-field')
    assert ":3: " in refused(*words, "key", stdin='vector,key\n1 2,y\n1 2,""\n')
    done(*words, "key", stdin="key,vector\ny,1 2\n")
    assert rows(path)[3] == ("y", None)


def test_ids_from_documents_beside_vectors(tmp_path):
    path = tmp_path / "s.npz"
    np.save(tmp_path / "v.npy", np.eye(2, dtype=np.float32))
    (tmp_path / "d.jsonl").write_text('{"id": 1, "n": 1}\n{"id": "b"}\n')
    words = [path, tmp_path / "v.npy", "--create"]
    message = refused("add", *words, "--id-field", "id", usage=True)
    assert message == (
        f"npvec add: --id-field goes with documents, and {tmp_path / 'v.npy'} has none; name a file with them with --metadata"
    )
    done("upsert", *words, "--metadata", tmp_path / "d.jsonl")
    assert rows(path) == [("1", {"n": 1}), ("b", None)]
    message = refused("upsert", *words)
    assert message.endswith('v.npy: row 0: expected a document with a member "id" for the id, found none')


def test_ids_of_a_store_come_along(store, tmp_path):
    done("add", tmp_path / "copy.npz", store, "--create")
    assert rows(tmp_path / "copy.npz") == rows(store)
    message = refused("add", store, tmp_path / "copy.npz")
    assert message == f"npvec add: {tmp_path / 'copy.npz'}: row 0: the id 'a' is that of row 0 already"
    message = refused("add", tmp_path / "b.npz", store, "--create", "--id-field", "n", usage=True)
    assert message == f"npvec add: --id-field goes with files whose rows have no ids, and those of {store} have"


def test_ids_from_the_documents_of_an_archive(tmp_path):
    path = tmp_path / "plain.npz"
    metadata = np.array([{"id": "x", "n": 1}, {"id": 3}], dtype=object)
    np.savez(path, vectors=np.eye(2, dtype=np.float32), metadata=metadata)
    done("upsert", tmp_path / "s.npz", path, "--create")
    assert rows(tmp_path / "s.npz") == [("x", {"n": 1}), ("3", None)]


# --------------------------------------------------------------------------------------------------------------- upsert


def test_upsert_replaces_and_adds(store):
    text = '{"id": "new", "vector": [2, 1], "n": 9}\n{"id": "7", "m": [1], "vector": [3, 4]}\n'
    out = done("upsert", store, "-", stdin=text)
    assert out == f"added 1 row to {store} and replaced 1; it has 4 now\n"
    assert rows(store) == [("a", {"n": 1}), ("7", {"m": [1]}), (None, {"n": 3}), ("new", {"n": 9})]
    vector = npvec("get", store, "--id", "7", "--vector", "--json").json["rows"][0]["vector"]
    assert np.allclose(vector, [0.6, 0.8])
    result = npvec("upsert", store, "-", "--json", stdin=text).json
    assert result == {"path": str(store), "added": 0, "rows": 4, "replaced": 2}


def test_upsert_can_create(tmp_path):
    path = tmp_path / "s.npz"
    assert refused("upsert", path, "-", stdin=LINES[0]).endswith("there is no such file; --create makes it")
    done("upsert", path, "-", "--create", "--no-normalize", "--compress", "--id-field", "n", stdin=LINES[0])
    assert rows(path) == [("1", {"id": "a"})]


def test_upsert_needs_ids(store):
    before = store.read_bytes()
    message = refused("upsert", store, "-", stdin="\n".join(LINES))
    assert message == "npvec upsert: standard input:3: expected an id, found none"
    message = refused("upsert", store, "-", stdin='{"vector": [1, 2]}')
    assert message.endswith('expected a member "id" with the id, found none; name it with --id-field')
    assert store.read_bytes() == before


@pytest.mark.parametrize("between", [0, 5000])
@pytest.mark.parametrize("again", ["a", "new"])
def test_id_that_is_there_twice_is_refused_wherever_batches_end(store, again, between):
    lines = ['{"id": "%s", "vector": [1, 2]}' % again]
    lines += ['{"id": "n%d", "vector": [1, 2]}' % i for i in range(between)]
    lines += lines[:1]
    before = store.read_bytes()
    message = refused("upsert", store, "-", stdin="\n".join(lines))
    assert message == f"npvec upsert: standard input:{between + 2}: expected each id once, found '{again}' again"
    assert store.read_bytes() == before


def test_upsert_of_many_rows_in_several_batches(tmp_path):
    path = tmp_path / "s.npz"
    line = '{"id": %d, "n": %d, "vector": [1, %d]}'
    done("upsert", path, "-", "--create", stdin="\n".join(line % (i, i, i) for i in range(9000)))
    out = npvec("upsert", path, "-", "--json", stdin="\n".join(line % (i, -i, i) for i in range(12000, 100, -1))).json
    assert (out["added"], out["replaced"], out["rows"]) == (3001, 8899, 12001)
    assert npvec("count", path, "--where", "n < 0", "--json").json == {"count": 11900}


# -------------------------------------------------------------------------------------------------------------- showing


def test_tables_show_ids_where_there_are_some(store, tmp_path):
    assert done("get", store, 0, 2, "--fields", "n").splitlines() == ["row  id  n", "  0  a   1", "  2      3"]
    assert done("search", store, "--row", 0, "-k", 1).splitlines() == [
        "rank  row  id     score  document", '   1    2      0.707107  {"n": 3}',
    ]
    hit = npvec("search", store, "--row", 2, "-k", 1, "--json").json["hits"][0]
    assert list(hit) == ["row", "score", "document", "id"] and hit["id"] == "a"
    row = npvec("get", store, 2, "--vector", "--json").json["rows"][0]
    assert list(row) == ["row", "document", "vector", "id"] and row["id"] is None


def test_get_by_id_in_the_order_asked_for(store):
    assert rows_of(npvec("get", store, "--id", "7", "--id", "a", "--json")) == [1, 0]
    result = npvec("get", store, "--id", "a", "--id", "b", "--id", "c")
    assert (result.code, result.out, result.err) == (1, "", f"npvec get: {store}: no row has the id 'b'\n")


def rows_of(result):
    return [row["row"] for row in result.json["rows"]]


def test_search_by_id(store):
    assert npvec("search", store, "--id", "7", "--json").json == npvec("search", store, "--row", 1, "--json").json
    assert refused("search", store, "--id", "b") == f"npvec search: {store}: no row has the id 'b'"
    message = refused("search", store, "--id", "b", "--row", 1, "--vector", "q", usage=True)
    assert message == "npvec search: expected one of --vector FILE, --row N and --id ID, found all"


def test_delete_by_id(store):
    assert done("delete", store, "--id", "a", "--dry-run") == f"would delete 1 row from {store}, which has 3\n"
    result = npvec("delete", store, "--id", "a", "--id", "b", "--id", "a")
    assert (result.code, result.err) == (0, f"npvec delete: {store}: no row has the id 'b'\n")
    assert result.out == f"deleted 1 row from {store}, which has 2 now\n"
    assert rows(store) == [("7", {"n": 2}), (None, {"n": 3})]
    result = npvec("delete", store, "--id", "a", "--json")
    assert (result.code, result.json["deleted"]) == (1, 0)
    done("add", store, "-", "--id-field", "id", stdin=LINES[0])
    assert rows(store)[-1] == ("a", {"n": 1})


def test_hostile_ids_are_shown_escaped(tmp_path):
    path = tmp_path / "s.npz"
    evil = "\x1b]0;t\x07\u202e\n"
    done("add", path, "-", "--create", "--id-field", "id", stdin=json.dumps({"id": evil, "vector": [1]}))
    for words in (["get", path, 0], ["get", path, 0, "--json"], ["export", path, "-"]):
        out = done(*words)
        assert not set(out) & set("\x1b\x07\u202e") and out.count("\n") == 1 + (words[-1] == 0)
    assert npvec("get", path, 0, "--json").json["rows"][0]["id"] == evil
    assert rows_of(npvec("get", path, "--id", evil, "--json")) == [0]


# -------------------------------------------------------------------------------------------------------- typed fields


def test_create_declares_fields(tmp_path):
    path = tmp_path / "s.npz"
    out = done("create", path, "--dimensions", 2, "--field", "year:i4", "--field", "a:b:M8[25us]")
    assert out == f"created {path}: 2 dimensions, vectors scaled to unit length, fields year:i4 a:b:M8[25us]\n"
    with np.load(path) as archive:
        assert archive["metadata"].dtype == np.dtype([("year", "<i4"), ("a:b", "<M8[25us]")])
    fields = [{"name": "year", "type": "i4"}, {"name": "a:b", "type": "M8[25us]"}]
    assert npvec("info", path, "--json").json["fields"] == fields
    assert "\nmetadata     typed\nfields       year:i4 a:b:M8[25us]\n" in done("info", path)
    result = npvec("create", path, "--dimensions", 2, "--field", "year:i4", "--force", "--json").json
    assert list(result) == ["path", "dimensions", "normalize", "fields"] and result["fields"] == fields[:1]


@pytest.mark.parametrize("field", ["year", "year:", ":i4", ""])
def test_fields_without_name_or_type(tmp_path, field):
    message = refused("create", tmp_path / "s.npz", "--dimensions", 2, "--field", field, usage=True)
    assert message == f"npvec create: --field: expected NAME:TYPE, such as year:i4, found '{field}'"


@pytest.mark.parametrize("fields, word", [(["year:i3"], "i3"), (["a:i4", "a:i4"], "a"), (["a:complex"], "complex")])
def test_fields_that_cannot_be_declared(tmp_path, fields, word):
    words = [w for f in fields for w in ("--field", f)]
    assert word in refused("create", tmp_path / "s.npz", "--dimensions", 2, *words, usage=True)


def test_typed_rows(typed):
    assert rows(typed) == list(zip("ab", RECORDS))
    with np.load(typed) as archive:
        assert archive["metadata"].dtype.names == ("year", "title", "score", "at")
        assert archive["metadata"]["title"].tolist() == ["Tïdes", ""]


@pytest.mark.parametrize(
    "change, word",
    [({"year": 2**31}, "year"), ({"title": "longer"}, "title"), ({"more": 1}, "more"), ({"at": "yesterday"}, "at")],
)
def test_values_that_do_not_fit_are_told_by_line(typed, change, word):
    good = {"key": "x", "vector": [1, 2], **RECORDS[0]}
    text = json.dumps(good) + "\n" + json.dumps(good | {"key": "y"} | change)
    message = refused("add", typed, "-", "--id-field", "key", stdin=text)
    assert message.startswith("npvec add: standard input:2: ") and word in message
    assert "standard input:1: " in refused("add", typed, "-", stdin='{"vector": [1, 2]}')


def test_typed_upsert(typed):
    line = json.dumps({"id": "b", "vector": [1, 2], **RECORDS[0]})
    done("upsert", typed, "-", stdin=line)
    assert rows(typed) == [("a", RECORDS[0]), ("b", RECORDS[0])]


def test_typed_csv(typed):
    cells = 'vector,id,year,title,score,at\n1 2,c,7,x,0.5,2020-01-01\n'
    done("upsert", typed, "-", "--format", "csv", "--infer", stdin=cells)
    assert rows(typed)[2] == ("c", {"year": 7, "title": "x", "score": 0.5, "at": "2020-01-01T00:00:00"})


def test_records_go_from_store_to_store_as_they_are(tmp_path):
    """What JSON cannot say: NaN with its bits, integers above int64."""
    fields = [("big", "<u8"), ("x", "<f4"), ("at", "<M8[s]"), ("s", "S3")]
    records = np.array([(2**64 - 1, np.nan, "NaT", b"\xff"), (1, -0.0, "2020-01-01", b"ab")], dtype=fields)
    records["x"].view("u4")[0] = 0xFFC12345
    source = tmp_path / "source.npz"
    np.savez(source, vectors=np.eye(2, dtype=np.float32), metadata=records)
    done("add", tmp_path / "copy.npz", source, source, "--create")
    with np.load(tmp_path / "copy.npz") as archive:
        assert archive["metadata"].tobytes() == records.tobytes() * 2
        assert archive["metadata"].dtype == records.dtype
    done("add", tmp_path / "copy.npz", source)
    assert npvec("info", tmp_path / "copy.npz", "--json").json["rows"] == 6


def test_records_and_documents_go_into_one_store_in_order(typed, tmp_path):
    line = tmp_path / "line.jsonl"
    line.write_text(json.dumps({"vector": [1, 1], **RECORDS[1]}))
    done("create", tmp_path / "s.npz", "--dimensions", 2, *FIELDS)
    done("export", typed, tmp_path / "plain.jsonl", "--no-ids")
    done("add", tmp_path / "s.npz", line, typed, tmp_path / "plain.jsonl")
    expected = [(None, RECORDS[1]), ("a", RECORDS[0]), ("b", RECORDS[1]), (None, RECORDS[0]), (None, RECORDS[1])]
    assert rows(tmp_path / "s.npz") == expected


def test_typed_rows_go_as_documents_into_other_stores(typed, tmp_path):
    done("create", tmp_path / "s.npz", "--dimensions", 2)
    done("add", tmp_path / "s.npz", typed)
    assert rows(tmp_path / "s.npz") == list(zip("ab", RECORDS))
    done("create", tmp_path / "t.npz", "--dimensions", 2, "--field", "at:M8[s]", *FIELDS[:-2])
    done("add", tmp_path / "t.npz", typed)
    assert [row[1] for row in rows(tmp_path / "t.npz")] == RECORDS


# --------------------------------------------------------------------------------------------------------------- export


def test_export_carries_ids(store, tmp_path):
    out = tmp_path / "o.jsonl"
    done("export", store, out)
    lines = [json.loads(line) for line in out.read_text().splitlines()]
    assert [list(line) for line in lines] == [["id", "n", "vector"]] * 3
    assert [line["id"] for line in lines] == ["a", "7", None]
    done("add", tmp_path / "back.npz", out, "--create", "--id-field", "id")
    assert rows(tmp_path / "back.npz") == rows(store)
    done("export", store, tmp_path / "o.npz")
    assert rows(tmp_path / "o.npz") == rows(store)


def test_export_names_and_leaves_out_ids(store):
    assert done("export", store, "-", "--no-vectors").splitlines()[1] == '{"id": "7", "n": 2}'
    assert done("export", store, "-", "--no-vectors", "--id-field", 'k"').splitlines()[1] == '{"k\\"": "7", "n": 2}'
    assert done("export", store, "-", "--no-vectors", "--no-ids").splitlines()[1] == '{"n": 2}'
    assert list(json.loads(done("export", store, "-", "--no-ids").splitlines()[0])) == ["n", "vector"]


@pytest.mark.parametrize("words, name", [(["--id-field", "vector"], "vector"), (["--vector-field", "id"], "id")])
def test_export_of_id_and_vector_under_one_name(store, tmp_path, words, name):
    message = refused("export", store, tmp_path / "o.jsonl", *words, usage=True)
    assert message == f"npvec export: expected different names for id and vector, found '{name}' for both"
    assert not (tmp_path / "o.jsonl").exists()
    assert '"id": [' in done("export", store, "-", "--vector-field", "id", "--no-ids")


def test_export_where_a_document_has_the_member_already(store, tmp_path):
    message = refused("export", store, tmp_path / "o.jsonl", "--id-field", "n")
    assert message == (
        f'npvec export: {store}: row 0: its document has a member "n" already; choose another name for the id with --id-field'
    )
    done("add", store, "-", stdin='{"id": "mine", "vector": [1, 2]}')
    assert 'row 3: its document has a member "id" already' in refused("export", store, tmp_path / "o.jsonl")
    assert not (tmp_path / "o.jsonl").exists()


def test_export_of_documents_that_are_no_objects(tmp_path):
    path = tmp_path / "s.npz"
    np.save(tmp_path / "v.npy", np.ones((1, 1), np.float32))
    (tmp_path / "d.jsonl").write_text("[1]\n")
    done("add", path, tmp_path / "v.npy", "--metadata", tmp_path / "d.jsonl", "--create")
    done("upsert", path, "-", stdin='{"id": "a", "vector": [1]}')
    message = refused("export", path, "-", "--no-vectors")
    assert message.endswith("expected a document that is an object, to put the id into; --no-ids writes documents of any kind")
    assert done("export", path, "-", "--no-vectors", "--no-ids") == "[1]\nnull\n"


@pytest.mark.parametrize(
    "words, message",
    [
        (["x.npy", "--no-ids"], "--no-ids goes with JSON Lines"),
        (["x.npz", "--id-field", "k"], "--id-field goes with JSON Lines"),
        (["-", "--id-field", "k", "--no-ids"], "--id-field and --no-ids exclude each other"),
    ],
)
def test_export_usage(words, message):
    assert refused("export", "s.npz", *words, usage=True) == f"npvec export: {message}"


def test_typed_fields_go_through_json_lines(typed, tmp_path):
    done("export", typed, tmp_path / "o.jsonl")
    done("create", tmp_path / "back.npz", "--dimensions", 2, *FIELDS)
    done("add", tmp_path / "back.npz", tmp_path / "o.jsonl", "--id-field", "id")
    with np.load(tmp_path / "back.npz") as back, np.load(typed) as archive:
        assert back["metadata"].tobytes() == archive["metadata"].tobytes()
        assert back["vectors"].tobytes() == archive["vectors"].tobytes()
    assert rows(tmp_path / "back.npz") == rows(typed)
