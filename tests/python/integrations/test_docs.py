"""The programs of docs/python.md, README.md and examples/moving.py print what they say."""

import re
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
SECTIONS = re.findall(r"^### (\w+)\n\n```python\n(.*?)^```$", (ROOT / "docs/python.md").read_text(), re.M | re.S)
README = re.search(r"^## With LangChain.*?^## ", (ROOT / "README.md").read_text(), re.M | re.S)[0]
SECTIONS += [("README", program) for program in re.findall(r"^```python\n(.*?)^```$", README, re.M | re.S)]


def run(directory, *arguments):
    done = subprocess.run([sys.executable, *arguments], cwd=directory, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


@pytest.mark.parametrize("program", [program for _, program in SECTIONS], ids=[name for name, _ in SECTIONS])
def test_the_programs_of_the_manual(tmp_path, program):
    said = re.findall(r"^ *print\(.*\)  # (.*)$", program, re.M)
    assert said and run(tmp_path, "-c", program)[-len(said) :] == said


def test_every_framework_has_a_program():
    assert [name for name, _ in SECTIONS] == ["LangChain", "LlamaIndex", "Haystack"] + ["README"] * 3


def test_moving(tmp_path):
    extensions = hasattr(sqlite3.Connection, "enable_load_extension")
    said = [f"{package}: the same rows" for package in ("numpy", "faiss", "chromadb")]
    said.append(f"sqlite_vec: {'the same rows' if extensions else 'not available'}")
    assert run(tmp_path, ROOT / "examples/moving.py") == said
