"""The command: filters, fields, and what is asked with them: count, facet, get, delete."""

import json
import os

import numpy as np
import pytest
from command import done, npvec, refused

ROWS = [
    {"title": "Tides", "year": 2021, "tags": ["sea", "moon"], "author": {"name": "Ada", "family name": "L, A"}},
    {"title": "Moons", "year": 2023, "tags": ["moon"], "author": {"name": "Émilie"}},
    {"title": "Bread", "year": 2021, "tags": []},
    {"title": "1984", "year": 1949, "price": 7.5, "read": True},
    {"title": "true", "year": None},
    None,
]


@pytest.fixture
def store(tmp_path):
    """Six rows in a plane, the further from the first the later."""
    path = tmp_path / "store.npz"
    angles = np.arange(6) * np.pi / 12
    np.savez(
        path,
        vectors=np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32),
        metadata=np.array(ROWS, dtype=object),
    )
    return path


@pytest.fixture
def typed(tmp_path):
    path = tmp_path / "typed.npz"
    fields = [("year", "i4"), ("title", "U8"), ("at", "M8[D]")]
    metadata = np.array([(2021, "Tides", "2024-05-01"), (2023, "Moons", "NaT")], dtype=fields)
    np.savez(path, vectors=np.eye(2, dtype=np.float32), metadata=metadata)
    return path


def rows_of(path, *words):
    return [row["row"] for row in npvec("get", path, *words, "--json").json["rows"]]


def mistake(*words):
    """What is written below the message: the text, and the column of the caret in it."""
    result = npvec(*words)
    assert (result.code, result.out) == (2, "")
    message, text, caret = result.err.splitlines()
    assert text.startswith("  ") and caret.strip() == "^" and caret.endswith("^")
    return message, text[2:], caret.index("^") - 2


# ---------------------------------------------------------------------------------------------------------------- where


@pytest.mark.parametrize(
    "words, rows",
    [
        (["year = 2021"], [0, 2]),
        (["author.name = 'Émilie' OR price > 7"], [1, 3]),
        (["tags CONTAINS ?", "--param", "moon"], [0, 1]),
        (["year BETWEEN ? AND ?", "--param", "1900", "--param", "2000"], [3]),
        (["year IN ?", "--param", "[2023, 1949]"], [1, 3]),
        (["title = ?", "--param", '"1984"'], [3]),
        (["title IN ?", "--param", '["1984", "true"]'], [3, 4]),
        (["read = ?", "--param", "true"], [3]),
        (["price = ?", "--param", "75e-1"], [3]),
        (['{"year": {"$lt": 2000}}'], [3]),
        (["NOT EXISTS(title)"], [5]),
    ],
)
def test_where(store, words, rows):
    assert rows_of(store, "--where", *words) == rows
    assert done("count", store, "--where", *words) == f"{len(rows)}\n"
    hits = npvec("search", store, "--vector", "-", "--where", *words, "--json", stdin="1 0").json["hits"]
    assert [hit["row"] for hit in hits] == rows
    values = npvec("facet", store, "title", "--where", *words, "--json").json
    assert values["values"] + values["missing"] == len(rows)
    dry = npvec("delete", store, "--where", *words, "--dry-run", "--json").json
    assert (dry["selected"], dry["deleted"], dry["rows"]) == (len(rows), 0, 6)


@pytest.mark.parametrize(
    "value",
    ["007", "[1, 2", "{}", '{"a": 1}', "nan", "Infinity", "True", "", " ", "'x'", "it's", 'a"b', "1 2", "\\", "x\n\ty", "漢", '"', '"\\ud80"', "\\ud800", '"\\'],
)
def test_parameters_that_are_no_json_are_text(tmp_path, value):
    path = tmp_path / "s.npz"
    done("add", path, "-", "--create", stdin=json.dumps({"t": value, "vector": [1]}))
    assert done("count", path, "--where", "t = ?", "--param", value) == "1\n"


@pytest.mark.parametrize("value", ["1", "-0.5", "18446744073709551615", "1e400", "true", "null", '"a"', " 7", "[1]", "[]"])
def test_parameters_that_are_json_are_not_text(tmp_path, value):
    path = tmp_path / "s.npz"
    done("add", path, "-", "--create", stdin=json.dumps({"t": value, "vector": [1]}))
    result = npvec("count", path, "--where", "t = ?", "--param", value)
    assert result.out != "1\n"


def test_large_integers_stay_exact(tmp_path):
    path = tmp_path / "s.npz"
    done("add", path, "-", "--create", stdin='{"n": 9007199254740993, "vector": [1]}')
    assert done("count", path, "--where", "n = ?", "--param", "9007199254740993") == "1\n"
    assert done("count", path, "--where", "n = ?", "--param", "9007199254740992") == "0\n"


def test_arrays_may_hold_what_few_readers_of_json_take(tmp_path):
    path = tmp_path / "s.npz"
    done("add", path, "-", "--create", stdin='{"n": 9007199254740993, "t": "a\\u0000b", "vector": [1]}')
    values = "[18446744073709551615, 9007199254740993]"
    assert done("count", path, "--where", "n IN ?", "--param", values) == "1\n"
    assert done("count", path, "--where", "t = ?", "--param", '"a\\u0000b"') == "1\n"
    assert done("count", path, "--where", "t IN ?", "--param", '["a\\u0000b"]') == "1\n"


@pytest.mark.parametrize("value", [r'"\udc80\""', r'"\uDC80\u0022"'])
def test_parameters_may_have_lone_surrogates(tmp_path, value):
    path = tmp_path / "s.npz"
    np.savez(path, vectors=[[1.0]], metadata=np.array([{"t": '\udc80"'}]))
    assert done("count", path, "--where", "t = ?", "--param", value) == "1\n"
    assert done("count", path, "--where", "t IN ?", "--param", f"[1, {value}]") == "1\n"


@pytest.mark.parametrize(
    "words, text, column",
    [
        (["year = 2021 && x = 1"], "year = 2021 && x = 1", 12),
        (["title = 'Ölçü' ANDD x = 1"], "title = 'Ölçü' ANDD x = 1", 15),
        (["title = '漢字' ANDD x = 1"], "title = '漢字' ANDD x = 1", 15),  # two columns each
        (["title = 'e\u0301' ANDD"], "title = 'e\u0301' ANDD", 12),  # an accent of no columns
        (["year\n=\t2021 ANDD"], r"year\n=\t2021 ANDD", 14),
        (["title = '\x1b[1m' ANDD"], r"title = '\u001b[1m' ANDD", 20),
        (["year ="], "year =", 6),
        ([""], "", 0),
        (['{"year": {"$gt": }}'], '{"year": {"$gt": }}', 17),
        (["year IN ?", "--param", "7"], "[7]", 1),
        (["year = ?", "--param", "é", "--param", "7"], '["é", 7]', 6),
        (["year = ?", "--param", "[1]"], "[[1]]", 1),
    ],
)
def test_mistakes_are_shown_with_a_caret_below(store, words, text, column):
    for command in (["count"], ["search", "--row", 0], ["get"], ["facet", "year"], ["delete"]):
        message, shown, caret = mistake(command[0], store, *command[1:], "--where", *words)
        assert message.startswith(f"npvec {command[0]}: --{'param' if len(words) > 1 else 'where'}: expected ")
        assert (shown, caret) == (text, column)


def test_bytes_that_are_not_utf8_are_pointed_at(store):
    assert mistake("count", store, "--where", os.fsdecode(b"year = \xff"))[1:] == (r"year = \xff", 7)
    message = refused("count", store, "--where", "a = ?", "--param", os.fsdecode(b"caf\xe9"), usage=True)
    assert message == "npvec count: --param: expected UTF-8, found the byte 0xe9"


@pytest.mark.parametrize("before, after", [(0, 500), (20, 500), (500, 0), (500, 20), (500, 500), (35, 30), (42, 20), (42, 33), (30000, 1)])
@pytest.mark.parametrize("letter, width", [("x", 1), ("é", 1), ("漢", 2)])
def test_long_filters_are_cut_around_the_mistake(store, before, after, letter, width):
    text = f"a = '{letter * before}' ! b = '{letter * after}'"
    _, shown, column = mistake("count", store, "--where", text)
    columns = lambda part: sum(width if c == letter else 1 for c in part)
    assert columns(shown) <= 76
    at = 0
    while columns(shown[:at]) < column:
        at += 1
    assert columns(shown[:at]) == column and shown[at] == "!"
    middle = shown.removeprefix("…").removesuffix("…")
    assert middle in text
    if columns(text) <= 76:
        assert shown == text
    assert shown.startswith("…") != text.startswith(middle) and shown.endswith("…") != text.endswith(middle)


def test_field_that_no_row_has_is_said_where_nothing_is_found(store):
    meant = "no row has a field 'yaer'; did you mean 'year'?"
    for words in (["search", store, "--row", 0], ["get", store], ["facet", store, "title"]):
        result = npvec(*words, "--where", "yaer = 2021")
        assert (result.code, result.out) == (1, "")
        assert result.err == f"npvec {words[0]}: nothing found: {meant}\n"
    result = npvec("count", store, "--where", "yaer = 2021")
    assert (result.code, result.out, result.err) == (0, "0\n", f"npvec count: {meant}\n")
    result = npvec("delete", store, "--where", "yaer = 2021")
    assert (result.code, result.err) == (1, f"npvec delete: nothing found: {meant}\n")
    assert npvec("count", store, "--where", "yaer = 1 OR year = 2023").err == ""
    assert npvec("get", store, "--where", "year = 1").err == "npvec get: nothing found\n"
    assert npvec("count", store, "--where", "year = 1").err == ""


def test_typed_stores_refuse_fields_they_do_not_have(typed):
    for words in (["search", "--row", 0], ["get"], ["facet", "title"], ["count"], ["delete"]):
        found = mistake(words[0], typed, *words[1:], "--where", "year = 2021 OR yaer = 1")
        message = f"npvec {words[0]}: --where: no row has a field 'yaer'; did you mean 'year'?"
        assert found == (message, "year = 2021 OR yaer = 1", 15)


@pytest.mark.parametrize(
    "words, message",
    [
        (["count", "s.npz", "--where", "a = 1", "--where", "b = 1"], "--where was given twice; say AND between the two conditions"),
        (["count", "s.npz", "--param", "1"], "--param goes with --where"),
        (["count"], "expected the name of one store, found 0"),
        (["count", "s.npz", "t.npz"], "expected the name of one store, found 2"),
        (["facet", "s.npz"], "expected a store and a field, found 1 names"),
        (["facet", "s.npz", "a", "b"], "expected a store and a field, found 3 names"),
        (["facet", "s.npz", "a", "--limit", "0"], "--limit: expected a whole number of at least 1, found '0'"),
        (["get", "s.npz", "1", "--where", "a = 1"], "expected one of rows, --id and --where, found two"),
        (["get", "s.npz", "1", "--where", "a = 1", "--id", "x"], "expected one of rows, --id and --where, found all"),
        (["get", "s.npz", "--id", "x", "--limit", "1"], "--order-by, --desc, --offset and --limit go with --where, or with all rows"),
        (["get", "s.npz", "1", "--order-by", "a"], "--order-by, --desc, --offset and --limit go with --where, or with all rows"),
        (["get", "s.npz", "--desc"], "--desc goes with --order-by"),
        (["get", "s.npz", "--offset", "x"], "--offset: expected a whole number of at least 0, found 'x'"),
        (["get", "s.npz", "--limit", "0"], "--limit: expected a whole number of at least 1, found '0'"),
        (["delete"], "expected a store, and rows, --id or --where"),
        (["delete", "s.npz"], "expected rows, --id or --where, found none: which rows are to be deleted?"),
        (["delete", "s.npz", "--dry-run"], "expected rows, --id or --where, found none: which rows are to be deleted?"),
        (["delete", "s.npz", "1", "--id", "x"], "expected one of rows, --id and --where, found two"),
        (["delete", "s.npy", "1"], "s.npy: expected a store's name, which ends in .npz"),
        (["delete", "s.npz", "-1"], "there is no option -1"),
        (["delete", "s.npz", "one"], "ROW: expected a whole number of at least 0, found 'one'"),
    ],
)
def test_usage_errors(words, message, tmp_path):
    assert refused(*words, usage=True, cwd=tmp_path) == f"npvec {words[0]}: {message}"


def test_stores_that_are_not_there(tmp_path):
    path = tmp_path / "none.npz"
    for words in (["count", path], ["facet", path, "a"], ["delete", path, "1"], ["get", path, "--limit", "1"]):
        assert "No such file or directory" in refused(*words)


# --------------------------------------------------------------------------------------------------------------- fields


def test_fields_are_paths(store):
    assert done("get", store, 0, 1, "--fields", 'author.name,tags[0],author."family name"').splitlines() == [
        'row  author.name  tags[0]  author."family name"',
        "  0  Ada          sea      L, A",
        "  1  Émilie       moon",
    ]


def test_fields_in_json_keep_their_order_and_names(store):
    rows = npvec("get", store, 0, 4, 5, "--fields", "year,author.name,title,nothing", "--json").json["rows"]
    assert [list(row["document"].items()) for row in rows[:2]] == [
        [("year", 2021), ("author.name", "Ada"), ("title", "Tides")],
        [("year", None), ("title", "true")],
    ]
    assert rows[2]["document"] is None


def test_fields_may_be_given_several_times(store):
    assert done("get", store, 3, "--fields", "year", "--fields", "price,read").splitlines()[0].split() == [
        "row", "year", "price", "read",
    ]


def test_commas_in_quoted_names_separate_nothing(tmp_path):
    path = tmp_path / "s.npz"
    row = {"a,b": 1, 'c"d,': 2, "e": 3, "vector": [1]}
    done("add", path, "-", "--create", stdin=json.dumps(row))
    found = npvec("get", path, 0, "--fields", '"a,b",e,"c""d,"', "--json").json["rows"][0]["document"]
    assert list(found.values()) == [1, 3, 2]


def test_fields_of_hits(store):
    hits = npvec("search", store, "--row", 0, "-k", 1, "--fields", "author.name", "--json").json["hits"]
    assert hits[0]["document"] == {"author.name": "Émilie"}


def test_wrong_names_of_fields_are_shown_with_a_caret(store):
    for words in (["get", 5, 3], ["get", "--limit", 9], ["search", "--row", 5]):
        for more in ([], ["--json"]):
            found = mistake(words[0], store, *words[1:], "--fields", "year,family name", *more)
            assert found[0].startswith(f"npvec {words[0]}: --fields: expected ") and found[1:] == ("family name", 6)
    assert mistake("get", store, 0, "--fields", 'a,"b,c')[1:] == ('"b,c', 0)
    assert mistake("facet", store, "é b")[1:] == ("é b", 1)
    assert mistake("get", store, "--order-by", "tags[x]")[1:] == ("tags[x]", 5)
    assert refused("get", store, 0, "--fields", "year,year").startswith("npvec get: --fields: expected each field once")


def test_typed_fields_that_are_not_there(typed):
    meant = "no row has a field 'yaer'; did you mean 'year'?"
    assert refused("get", typed, 0, "--fields", "title,yaer") == f"npvec get: --fields: {meant}"
    assert refused("get", typed, "--limit", 1, "--order-by", "yaer") == f"npvec get: --order-by: {meant}"
    assert refused("facet", typed, "yaer") == f"npvec facet: FIELD: {meant}"


def test_typed_fields_are_shown(typed):
    assert done("get", typed, 0, 1).splitlines() == [
        "row  document",
        '  0  {"year": 2021, "title": "Tides", "at": "2024-05-01"}',
        '  1  {"year": 2023, "title": "Moons", "at": null}',
    ]
    assert rows_of(typed, "--where", "at >= '2024-01-01' AND year = 2021") == [0]
    assert done("get", typed, 1, "--fields", "title,year").splitlines()[1] == "  1  Moons  2023"


# ------------------------------------------------------------------------------------------------------------------ get


@pytest.mark.parametrize(
    "words, rows",
    [
        (["--limit", "2"], [0, 1]),
        (["--offset", "4"], [4, 5]),
        (["--offset", "1", "--limit", "2"], [1, 2]),
        (["--order-by", "year"], [3, 0, 2, 1, 4, 5]),
        (["--order-by", "year", "--desc"], [1, 0, 2, 3, 4, 5]),
        (["--order-by", "author.name"], [0, 1, 2, 3, 4, 5]),
        (["--order-by", "title", "--where", "year > 2000"], [2, 1, 0]),
        (["--order-by", "title", "--where", "year > 2000", "--offset", "1", "--limit", "1"], [1]),
        (["--offset", "9"], []),
    ],
)
def test_pages(store, words, rows):
    assert rows_of(store, *words) == rows


def test_page_without_rows_is_nothing_found(store):
    result = npvec("get", store, "--offset", "6")
    assert (result.code, result.out, result.err) == (1, "", "npvec get: nothing found\n")
    assert npvec("get", store, "--offset", "6", "--json").json == {"rows": []}


def test_order_of_a_field_that_no_row_has_is_said(store):
    result = npvec("get", store, "--order-by", "yaer", "--limit", 1, "--fields", "year")
    assert (result.code, result.out.split()) == (0, ["row", "year", "0", "2021"])
    assert result.err == "npvec get: --order-by: no row has a field 'yaer'; did you mean 'year'?\n"


def test_page_with_vectors(store):
    row = npvec("get", store, "--where", "year = 1949", "--vector", "--json").json["rows"][0]
    assert list(row) == ["row", "document", "vector"] and np.allclose(row["vector"], [2**-0.5, 2**-0.5])


# ------------------------------------------------------------------------------------------------------ count and facet


def test_count(store):
    assert done("count", store) == "6\n"
    assert npvec("count", store, "--where", "year = 2021", "--json").json == {"count": 2}


def test_facet(store):
    assert done("facet", store, "year").splitlines() == [
        "count  year", "    2  2021", "    1  1949", "    1  2023", "    1  null", "1 row without year",
    ]
    assert npvec("facet", store, "year", "--limit", 1, "--json").json == {
        "field": "year", "facets": [{"value": 2021, "count": 2}], "values": 4, "missing": 1,
    }
    assert done("facet", store, "year", "--limit", 1, "--where", "title IN ('Tides', 'Bread', 'Moons')").splitlines() == [
        "count  year", "    2  2021", "and 1 more value",
    ]
    assert done("facet", store, "author.name").splitlines()[1:] == ["    1  Ada", "    1  Émilie", "4 rows without author.name"]


def test_values_that_look_alike_are_told_apart(store):
    lines = done("facet", store, "title").splitlines()[1:6]
    assert lines == ['    1  "1984"', "    1  Bread", "    1  Moons", "    1  Tides", '    1  "true"']


def test_facet_without_values_is_nothing_found(store):
    result = npvec("facet", store, "titel")
    assert (result.code, result.out) == (1, "6 rows without titel\n")
    assert result.err == "npvec facet: FIELD: no row has a field 'titel'; did you mean 'title'?\n"
    result = npvec("facet", store, "price", "--where", "year = 2021", "--json")
    assert (result.code, result.json["missing"], result.err) == (1, 2, "")


def test_hostile_values_are_shown_escaped(tmp_path):
    path = tmp_path / "s.npz"
    np.savez(path, vectors=np.ones((1, 1), np.float32), metadata=np.array([{"t": "\x1b[31m\x9b"}], dtype=object))
    for words in (["facet", path, "t"], ["facet", path, "t", "--json"], ["get", path, "0", "--fields", "t"]):
        out = done(*words)
        assert "\x1b" not in out and "\x9b" not in out and r"\u001b[31m\u009b" in out


# --------------------------------------------------------------------------------------------------------------- delete


def titles(path):
    with np.load(path, allow_pickle=True) as archive:
        assert len(archive["vectors"]) == len(archive["metadata"])
        return [document and document["title"] for document in archive["metadata"]]


@pytest.mark.parametrize(
    "words, left",
    [
        (["0", "4"], ["Moons", "Bread", "1984", None]),
        (["5"], ["Tides", "Moons", "Bread", "1984", "true"]),
        (["--where", "year = 2021"], ["Moons", "1984", "true", None]),
        (["--where", "year >= ?", "--param", "0"], ["true", None]),
        (["--where", "{}"], []),
    ],
)
def test_delete(store, words, left):
    count = 6 - len(left)
    path = os.fspath(store)
    out = done("delete", store, *words, "--dry-run")
    assert out == f"would delete {count} row{'s' * (count != 1)} from {path}, which has 6\n" and len(titles(store)) == 6
    out = done("delete", store, *words)
    assert out == f"deleted {count} row{'s' * (count != 1)} from {path}, which has {len(left)} now\n"
    assert titles(store) == left


def test_delete_in_json(store):
    result = npvec("delete", store, "1", "--json").json
    assert result == {"path": str(store), "selected": 1, "deleted": 1, "rows": 5}


def test_rows_that_are_not_there_delete_nothing(store):
    before = store.read_bytes()
    result = npvec("delete", store, "1", "6")
    assert (result.code, result.out) == (1, "")
    assert result.err == f"npvec delete: {store}: there is no row 6: the store has 6 rows, counted from 0\n"
    assert "found row 1 again" in refused("delete", store, "1", "1")
    assert store.read_bytes() == before


def test_nothing_to_delete_leaves_the_file_alone(store):
    before = store.stat()
    result = npvec("delete", store, "--where", "year = 1", "--json")
    assert (result.code, result.err) == (1, "npvec delete: nothing found\n")
    assert result.json == {"path": str(store), "selected": 0, "deleted": 0, "rows": 6}
    assert (store.stat().st_ino, store.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


def test_delete_compressed(tmp_path):
    path = tmp_path / "s.npz"
    np.savez(path, vectors=np.ones((500, 64), np.float32))
    done("delete", path, "1", "--compress")
    assert path.stat().st_size < 20000 and npvec("info", path, "--json").json["rows"] == 499
