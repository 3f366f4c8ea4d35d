"""The command: its words, and create, get and info."""

import os
import re

import numpy as np
import pytest
from command import done, make_store, npvec, refused

COMMANDS = ["create", "add", "upsert", "search", "get", "count", "facet", "delete", "info", "export"]


@pytest.fixture
def store(tmp_path):
    return make_store(tmp_path / "store.npz")


# ----------------------------------------------------------------------------------------------------------------- help


def test_help_lists_every_command():
    out = done("--help")
    assert out == done("help")
    for command in COMMANDS:
        assert re.search(rf"^  {command} +\w", out, re.M)


def test_version_is_that_of_the_header():
    with open(os.path.join(os.path.dirname(__file__), "../../include/npvec.h")) as header:
        numbers = re.findall(r"#define NPV_VERSION_\w+ (\d+)", header.read())
    assert done("--version") == f"npvec {'.'.join(numbers)}\n"


@pytest.mark.parametrize("command", COMMANDS)
def test_help_of_a_command_goes_to_standard_output(command):
    out = done(command, "--help")
    assert out.startswith(f"Usage: npvec {command} ")
    assert out == done("help", command)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_option_has_a_line_of_help(command):
    options = done(command, "--help").split("Options:\n")[1]
    assert "  --json" in options and "  --help" in options
    for line in options.splitlines():
        assert re.match(r"  -\S+( [A-Z]\S*)? +\S|  --\S+ \S+$| {28}\S", line), line
        assert len(line) <= 110


def test_help_wins_over_other_words():
    assert done("search", "nonsense", "--help").startswith("Usage: npvec search")


# ---------------------------------------------------------------------------------------------------------------- usage


@pytest.mark.parametrize(
    "words, message",
    [
        (
            [],
            "npvec: expected a command: create, add, upsert, search, get, count, facet, delete, info, export, verify, "
            "repair or compact",
        ),
        (["serch"], "npvec: there is no command 'serch'; did you mean 'search'?"),
        (["ad"], "npvec: there is no command 'ad'; did you mean 'add'?"),
        (["frobnicate"], "npvec: there is no command 'frobnicate'"),
        (["x" * 100], f"npvec: there is no command '{'x' * 100}'"),
        (["--verbose"], "npvec: there is no option --verbose before the command"),
        (["help", "xport"], "npvec: there is no command 'xport'; did you mean 'export'?"),
        (["help", "add", "get"], "npvec: help: expected one command, found 'get' behind it"),
        (["create", "--dimension5", "3"], "npvec create: there is no option --dimension5; did you mean --dimensions?"),
        (["add", "--frobnicate"], "npvec add: there is no option --frobnicate"),
        (["add", "--" + "y" * 100], f"npvec add: there is no option --{'y' * 32}"),
        (["get", "-z"], "npvec get: there is no option -z"),
        (["info", "--json=yes"], "npvec info: --json takes no value"),
        (["search", "-k"], "npvec search: -k needs a value"),
        (["search", "s.npz", "--vector"], "npvec search: --vector needs a value"),
        (["create"], "npvec create: expected the name of one store to create, found 0"),
        (["create", "s.npz"], "npvec create: --dimensions is missing: how many numbers does a vector have?"),
        (
            ["create", "s.npz", "--dimensions", "0"],
            "npvec create: --dimensions: expected a whole number of at least 1, found '0'",
        ),
        (
            ["create", "s.npz", "--dimensions", "3x"],
            "npvec create: --dimensions: expected a whole number of at least 1, found '3x'",
        ),
        (
            ["create", "s.npz", "--dimensions", "99999999999999999999"],
            "npvec create: --dimensions: expected a whole number of at least 1, found '99999999999999999999'",
        ),
        (["create", "s.npz", "--dimensions", "65537"], "npvec create: expected 1 to 65536 dimensions, found 65537"),
        (
            ["create", "s.db", "--dimensions", "3"],
            "npvec create: s.db: expected a store's name, which ends in .npz",
        ),
        (["add", "s.npz"], "npvec add: expected a store and at least one file to add (- for standard input)"),
        (["add", "s.npy", "-"], "npvec add: s.npy: expected a store's name, which ends in .npz"),
        (["add", "s.npz", "a", "--format", "xml"], "npvec add: --format: expected npy, npz, jsonl, csv or fvecs, found 'xml'"),
        (["add", "s.npz", "a", "b", "--metadata", "m"], "npvec add: --metadata goes with one file of vectors, found 2"),
        (["add", "s.npz", "-", "-"], "npvec add: standard input can be read only once"),
        (["add", "s.npz", "-", "--metadata", "-"], "npvec add: standard input can be read only once"),
        (["get"], "npvec get: expected a store, and rows, --id or --where"),
        (["get", "s.npz"], "npvec get: expected rows, --id or --where, found none; --limit N shows the first N of all"),
        (["get", "s.npz", "x"], "npvec get: ROW: expected a whole number of at least 0, found 'x'"),
        (["get", "s.npz", "1.5"], "npvec get: ROW: expected a whole number of at least 0, found '1.5'"),
        (["info"], "npvec info: expected the name of one store, found 0"),
        (["info", "a.npz", "b.npz"], "npvec info: expected the name of one store, found 2"),
        (["search", "--row", "1"], "npvec search: expected the name of one store, found 0"),
        (["search", "s.npz"], "npvec search: expected one of --vector FILE, --row N and --id ID, found none"),
        (
            ["search", "s.npz", "--row", "1", "--vector", "q"],
            "npvec search: expected one of --vector FILE, --row N and --id ID, found two",
        ),
        (["search", "s.npz", "--row", "1", "-k", "0"], "npvec search: -k: expected a whole number of at least 1, found '0'"),
        (
            ["search", "s.npz", "--row", "1", "--metric", "hamming"],
            "npvec search: --metric: expected cosine, dot or euclidean, found 'hamming'",
        ),
        (["search", "s.npz", "--row", "1", "--min-score", "high"], "npvec search: --min-score: expected a number, found 'high'"),
        (["search", "s.npz", "--row", "1", "--min-score", "nan"], "npvec search: --min-score: expected a number, found 'nan'"),
        (
            ["search", "s.npz", "--row", "1", "--metric", "euclidean", "--min-score", "1"],
            "npvec search: --min-score goes with cosine and dot; for euclidean use --max-distance",
        ),
        (
            ["search", "s.npz", "--row", "1", "--max-distance", "1"],
            "npvec search: --max-distance goes with --metric euclidean; for cosine and dot use --min-score",
        ),
        (
            ["search", "s.npz", "--row", "1", "--fields", "a,,b"],
            "npvec search: --fields: expected names with one comma between them, found an empty name",
        ),
        (["export", "s.npz"], "npvec export: expected a store and the name of a file to write, found 1 names"),
        (
            ["export", "s.npz", "x.csv"],
            "npvec export: x.csv: its name does not tell the format; say --format npz, npy, jsonl or fvecs",
        ),
        (
            ["export", "s.npz", "x", "--format", "csv"],
            "npvec export: --format: expected npz, npy, jsonl or fvecs, found 'csv'",
        ),
        (["export", "s.npz", "x.npy", "--no-vectors"], "npvec export: --no-vectors goes with JSON Lines"),
        (["export", "s.npz", "x.npz", "--vector-field", "v"], "npvec export: --vector-field goes with JSON Lines"),
        (
            ["export", "s.npz", "x.jsonl", "--vector-field", "v", "--no-vectors"],
            "npvec export: --vector-field and --no-vectors exclude each other",
        ),
        (["export", "s.npz", "x.npy", "--compress"], "npvec export: --compress goes with .npz"),
        (["export", "s.npz", "-", "--json"], "npvec export: --json needs a file, not standard output"),
        (["export", "s.npz", "-", "--format", "npz"], "npvec export: --format npz needs a file, not standard output"),
    ],
)
def test_usage_errors_name_what_was_expected(words, message, tmp_path):
    assert refused(*words, usage=True, cwd=tmp_path) == message
    assert os.listdir(tmp_path) == []


def test_hostile_words_are_shown_escaped():
    assert refused("\x1b[31mred\n", usage=True) == r"npvec: there is no command '\u001b[31mred\n'"


# --------------------------------------------------------------------------------------------------------------- create


def test_create_makes_an_empty_store(tmp_path):
    path = tmp_path / "a.npz"
    assert done("create", path, "--dimensions", 3) == f"created {path}: 3 dimensions, vectors scaled to unit length\n"
    with np.load(path, allow_pickle=True) as archive:
        assert archive["vectors"].shape == (0, 3) and archive["vectors"].dtype == np.float32
    info = npvec("info", path, "--json").json
    assert (info["rows"], info["dimensions"], info["normalize"]) == (0, 3, True)


def test_create_without_normalisation(tmp_path):
    path = tmp_path / "a.npz"
    out = npvec("create", path, "--dimensions", 2, "--no-normalize", "--json").json
    assert out == {"path": str(path), "dimensions": 2, "normalize": False}
    done("add", path, "-", stdin='{"vector": [3, 4]}')
    assert npvec("get", path, 0, "--vector", "--json").json["rows"][0]["vector"] == [3, 4]


def test_create_replaces_a_file_only_when_forced(tmp_path):
    path = tmp_path / "a.npz"
    path.write_bytes(b"precious")
    assert (
        refused("create", path, "--dimensions", 3)
        == f"npvec create: {path}: the file is there already; --force replaces it"
    )
    assert path.read_bytes() == b"precious"
    done("create", path, "--dimensions", 3, "--force")
    assert npvec("info", path, "--json").json["dimensions"] == 3


def test_create_where_nothing_can_be_written(tmp_path):
    message = refused("create", tmp_path / "no/where.npz", "--dimensions", 3)
    assert "No such file or directory" in message


# --------------------------------------------------------------------------------------------------------- get and info


def test_get_shows_rows_in_the_order_asked_for(store):
    assert done("get", store, 4, 0).splitlines() == [
        "row  document",
        '  4  {"name": "n4", "size": 40, "tags": ["a", 4]}',
        '  0  {"name": "n0", "size": 0, "tags": ["a", 0]}',
    ]
    assert npvec("get", store, 4, "--json").json == {
        "rows": [{"row": 4, "document": {"name": "n4", "size": 40, "tags": ["a", 4]}}]
    }


def test_get_shows_vectors_that_read_back_as_the_same_bits(store):
    with np.load(store, allow_pickle=True) as archive:
        rows = archive["vectors"]
    for row in npvec("get", store, 5, 1, "--vector", "--json").json["rows"]:
        assert np.asarray(row["vector"], np.float32).tobytes() == rows[row["row"]].tobytes()
    assert re.search(r"^  0  \[1, 0\] +\{", done("get", store, 0, "--vector"), re.M)


def test_get_of_a_row_that_is_not_there(store):
    result = npvec("get", store, 1, 6)
    assert (result.code, result.out) == (1, "")
    assert result.err == f"npvec get: {store}: there is no row 6: the store has 6 rows, counted from 0\n"


def test_rows_without_documents(tmp_path):
    path = tmp_path / "bare.npz"
    done("add", path, "-", "--create", stdin='{"vector": [1, 2]}\n')
    assert npvec("get", path, 0, "--json").json == {"rows": [{"row": 0, "document": None}]}
    assert npvec("search", path, "--vector", "-", "--json", stdin="1 2").json["hits"][0]["document"] is None


def test_documents_that_json_cannot_spell_print_as_python_does(tmp_path):
    path = tmp_path / "nan.npz"
    document = {"x": float("nan"), "y": float("-inf"), "deep": {"z": 10**30}, "quote": 'a"b\\'}
    np.savez(path, vectors=np.array([[1, 0]], np.float32), metadata=np.array([document], dtype=object))
    out = done("get", path, 0, "--json")
    assert '"x": NaN, "y": -Infinity, "deep": {"z": 1' + "0" * 30 + "}" in out
    table = done("search", path, "--vector", "-", "--fields", "x,deep,quote", stdin="1 0")
    assert re.search(r'NaN +\{"z": 1' + "0" * 30 + r'\} +a"b\\$', table, re.M)


def test_typed_fields_that_are_not_read_are_said_to_be_left_out(tmp_path):
    path = tmp_path / "typed.npz"
    metadata = np.array([([1, 2], "a"), ([3, 4], "b")], dtype=[("pair", "i4", (2,)), ("name", "U8")])
    np.savez(path, vectors=np.eye(2, dtype=np.float32), metadata=metadata)
    for words in (["get", path, 0, 1, "--json"], ["get", path, 0, 1, "--fields", "name", "--json"]):
        result = npvec(*words)
        assert (result.code, [row["document"] for row in result.json["rows"]]) == (0, [None, None])
        message = f"npvec get: {path}: this store's typed metadata is kept as it is, but npvec does not read its fields: "
        assert result.err.startswith(message) and result.err.count("\n") == 1
    assert npvec("info", path, "--json").json["metadata"] == "typed"


def test_info_of_a_mapped_store(store):
    info = npvec("info", store, "--json").json
    assert info.pop("kernels") and info.pop("threads") >= 1
    assert info == {
        "path": str(store),
        "bytes": store.stat().st_size,
        "rows": 6,
        "dimensions": 2,
        "normalize": True,
        "metadata": "documents",
        "mapped": True,
        "origin": "mapped",
        "ids": 0,
    }
    table = done("info", store)
    assert re.search(rf"^file +{re.escape(str(store))}\n", table)
    for fact in ("rows +6", "ids +0", "dimensions +2", "normalized +yes", "metadata +documents", "vectors +mapped"):
        assert re.search(rf"^{fact}$", table, re.M)


def test_names_that_are_not_utf8(tmp_path):
    path = os.fsencode(tmp_path) + b"/caf\xe9.npz"
    done("create", os.fsdecode(path), "--dimensions", 2)
    assert npvec("info", os.fsdecode(path), "--json").json["path"].endswith("/caf\ufffd.npz")
    assert r"/caf\xe9.npz" in done("info", os.fsdecode(path))


def test_info_says_why_vectors_were_converted(tmp_path):
    path = tmp_path / "double.npz"
    np.savez(path, vectors=np.array([[3.0, 4.0]]))
    info = npvec("info", path, "--json").json
    assert info["mapped"] is False and "float64" in info["origin"] and info["metadata"] == "none"
    assert info["normalize"] is False
