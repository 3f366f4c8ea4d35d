"""The examples of docs/command.md and of the README do what they say, and the reference names every option."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from command import COMMAND, done

ROOT = Path(__file__).parents[2]
REFERENCE = (ROOT / "docs/command.md").read_text()
README = re.search(r"^## On the command line\n(.*?)^## ", (ROOT / "README.md").read_text(), re.M | re.S)[1]

# What depends on the machine.
VARYING = re.compile(r"^(bytes|kernels|threads) .*$", re.M)


def examples(text):
    """Pairs of a command line and what is written below it, in order."""
    blocks = re.findall(r"^```console\n(.*?)^```$", text, re.M | re.S)
    return [tuple(part.split("\n", 1)) for part in re.split(r"^\$ ", "".join(blocks), flags=re.M)[1:]]


@pytest.mark.parametrize("text, least", [(REFERENCE, 40), (README, 6)], ids=["reference", "readme"])
def test_examples(tmp_path, text, least):
    shutil.copy(ROOT / "examples/facts.npz", tmp_path)
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/npvec").symlink_to(os.path.abspath(COMMAND))
    for words, output in examples(text):
        if words.startswith("cat "):
            (tmp_path / words.removeprefix("cat ")).write_text(output)
    assert len(examples(text)) >= least
    for words, expected in examples(text):
        process = subprocess.run(
            words,
            shell=True,
            cwd=tmp_path,
            env=os.environ | {"PATH": f"{tmp_path}/bin:{os.environ['PATH']}"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        assert VARYING.sub("", process.stdout) == VARYING.sub("", expected), words


def section(name):
    return re.search(rf"^## {name}\n(.*?)(?=^## |\Z)", REFERENCE, re.M | re.S)[1]


def test_reference_and_help_name_the_same_commands_and_options():
    commands = re.findall(r"^  ([a-z]+) +(\w.*)$", done("--help").split("Options:")[0], re.M)
    assert commands == re.findall(r"^\| \[`(\w+)`\]\(#\w+\) \| (.*) \|$", REFERENCE, re.M)
    for command, _ in commands:
        # What all commands have, and what is said for several of them.
        said = section(command) + section("Filters") + (section("add") if command == "upsert" else "") + "--json --help"
        for option in re.findall(r"^  (-\S+)", done(command, "--help"), re.M):
            assert re.search(rf"{option}\b", said), (command, option)


def test_reference_names_no_option_that_is_not_there():
    for command, _ in re.findall(r"^  ([a-z]+) +(\w.*)$", done("--help").split("Options:")[0], re.M):
        known = set(re.findall(r"^  (--?\S+)", done(command, "--help"), re.M)) | {"--help"}
        for words in re.findall(rf"^    npvec {command} (.*)$", section(command), re.M):
            assert set(re.findall(r"(?<![\w-])--?[a-z][a-z-]*", words)) <= known, words
        for option in re.findall(r"^- \*\*`(--?[a-z-]+)", section(command), re.M):
            assert option in known, (command, option)
