"""The programs in examples/ run, and print what is expected of them."""

import sqlite3
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[2] / "examples"


def run(directory, name, *arguments):
    command = [sys.executable, "-W", "error", EXAMPLES / name, *arguments]
    done = subprocess.run(command, cwd=directory, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def test_the_essay(tmp_path):
    printed = run(tmp_path, "essay.py")
    assert printed.startswith("437 rows in a file of ")
    assert "\n  0.678   1893  New Zealand gave women the vote in national elections in 1893," in printed
    assert "\n27 facts before our era; the oldest:\n  -300000000  Coal " in printed
    by_mask, by_condition = printed.split("in Italy: rows ")[1].split("\n")[0].split(", by a condition ")
    assert by_mask == by_condition and by_mask != "[]"
    assert printed.endswith("np.load: vectors (437, 384), metadata (437,)\n")


@pytest.mark.parametrize(
    ("arguments", "facts"),
    [((), 5), (("13", "category = 'chemistry'"), 2), (("13", "year > 3000"), 0)],
)
def test_retrieval_for_a_prompt(tmp_path, arguments, facts):
    printed = run(tmp_path, "rag.py", *arguments)
    assert printed.count("\n[") == facts
    assert ("[296] The Statue of Liberty turned green" in printed) == (facts > 0)
    assert printed.endswith("Question: Why is the famous lady in New York Harbor no longer the shade of a new penny?\n")


@pytest.fixture(scope="module")
def moved(tmp_path_factory):
    """What moving.py says of each kind of store."""
    printed = run(tmp_path_factory.mktemp("moving"), "moving.py").splitlines()
    return dict(line.split(": ") for line in printed)


@pytest.mark.parametrize("package", ["numpy", "faiss", "chromadb", "sqlite_vec"])
def test_moving(moved, package):
    if find_spec(package) is None:
        assert moved[package] == "not available"
        pytest.skip(f"{package} is not installed here; scripts/integrations.sh has it")
    if package == "sqlite_vec" and not hasattr(sqlite3.Connection, "enable_load_extension"):
        assert moved[package] == "not available"
        pytest.skip("the sqlite3 of this Python loads no extensions")
    assert moved[package] == "the same rows"


@pytest.mark.parametrize(
    ("module", "package", "extra"),
    [("langchain", "langchain_core", "langchain"), ("llama_index", "llama_index", "llama-index"), ("haystack",) * 3],
)
def test_without_its_framework_a_module_names_what_to_install(module, package, extra):
    program = f"import sys; sys.modules[{package!r}] = None; import npvec.{module}"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 1 and f"pip install 'npvec[{extra}]'" in done.stderr.splitlines()[-1]
