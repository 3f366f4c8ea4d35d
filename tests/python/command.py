"""Runs the npvec command that the environment variable NPVEC_COMMAND names."""

import json
import os
import subprocess

import numpy as np

COMMAND = os.environ["NPVEC_COMMAND"]


class Result:
    def __init__(self, process):
        self.code = process.returncode
        self.out = process.stdout.decode()
        self.err = process.stderr.decode()

    @property
    def json(self):
        return json.loads(self.out)


def npvec(*arguments, stdin=b"", cwd=None, env=None):
    """Runs the command to its end, whatever that is."""
    if isinstance(stdin, str):
        stdin = stdin.encode()
    return Result(
        subprocess.run(
            [COMMAND, *map(str, arguments)], input=stdin, capture_output=True, timeout=120, cwd=cwd, env=env, check=False
        )
    )


def done(*arguments, **options):
    """Runs the command, which must succeed in silence; returns what it wrote on standard output."""
    result = npvec(*arguments, **options)
    assert (result.code, result.err) == (0, ""), result.err
    return result.out


def refused(*arguments, usage=False, **options):
    """Runs the command, which must fail with one line of message (and, for usage, one of advice); returns the message."""
    result = npvec(*arguments, **options)
    assert result.code == 2, result.out + result.err
    assert result.out == ""
    lines = result.err.splitlines()
    assert len(lines) == (2 if usage else 1), result.err
    if usage:
        assert lines[1].startswith("Try: npvec") and lines[1].endswith("--help")
    assert result.err.startswith("npvec")
    return lines[0]


def make_store(path):
    """Six rows in a plane, a sixth of a right angle apart."""
    lines = []
    for i in range(6):
        angle = i * np.pi / 12
        vector = [np.cos(angle), np.sin(angle)]
        lines.append(json.dumps({"name": f"n{i}", "size": i * 10, "tags": ["a", i], "vector": vector}))
    done("add", path, "-", "--create", stdin="\n".join(lines))
    return path
