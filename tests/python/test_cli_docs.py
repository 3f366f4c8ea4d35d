"""The examples of docs/command.md do what it says."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from command import COMMAND

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs/command.md").read_text()

# What depends on the machine.
VARYING = re.compile(r"^(bytes|kernels|threads) .*$", re.M)


def examples():
    """Pairs of a command line and what is written below it, in order."""
    blocks = re.findall(r"^```console\n(.*?)^```$", TEXT, re.M | re.S)
    return [tuple(part.split("\n", 1)) for part in re.split(r"^\$ ", "".join(blocks), flags=re.M)[1:]]


@pytest.fixture
def directory(tmp_path):
    shutil.copy(ROOT / "examples/facts.npz", tmp_path)
    for words, output in examples():
        if words.startswith("cat "):
            (tmp_path / words.removeprefix("cat ")).write_text(output)
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/npvec").symlink_to(os.path.abspath(COMMAND))
    return tmp_path


def test_examples_of_the_reference(directory):
    assert len(examples()) > 15
    for words, expected in examples():
        done = subprocess.run(
            words,
            shell=True,
            cwd=directory,
            env=os.environ | {"PATH": f"{directory}/bin:{os.environ['PATH']}"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        assert VARYING.sub("", done.stdout) == VARYING.sub("", expected), words
