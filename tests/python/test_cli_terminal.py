"""The command on terminals, in pipes, on full disks."""

import fcntl
import json
import os
import pty
import re
import select
import signal
import struct
import subprocess
import termios
import threading
import time

import numpy as np
import pytest
from command import COMMAND, done, make_store, npvec


@pytest.fixture
def store(tmp_path):
    return make_store(tmp_path / "store.npz")


def on_terminal(*arguments, columns=80, stdin=None, seconds=120, watch=lambda output: None):
    """Runs the command on a pseudo terminal; returns its exit code and all that it wrote there, as `watch` sees it."""
    try:
        master, slave = pty.openpty()
    except OSError as error:  # a container without /dev/pts
        pytest.skip(f"no pseudo terminals here: {error}")
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    process = subprocess.Popen(
        [COMMAND, *map(str, arguments)], stdin=stdin or subprocess.DEVNULL, stdout=slave, stderr=slave
    )
    os.close(slave)
    output = b""
    end = time.monotonic() + seconds
    while time.monotonic() < end and select.select([master], [], [], seconds)[0]:
        try:
            block = os.read(master, 65536)
        except OSError:  # Linux: the other side was closed
            block = b""
        if not block:
            break
        output += block
        watch(output)
    code = process.wait(timeout=seconds)
    os.close(master)
    return code, output.decode()


def open_text(text):
    read, write = os.pipe()
    os.write(write, text.encode())
    os.close(write)
    return read


def test_table_is_cut_to_the_width_of_a_terminal(store):
    code, out = on_terminal("search", store, "--row", 0, "-k", 2, columns=40)
    lines = out.replace("\r\n", "\n").splitlines()
    assert code == 0 and [len(line) for line in lines[1:]] == [40, 40]
    assert lines[1] == '   1    1  0.965926  {"name": "n1", "si…'


def test_wide_columns_are_cut_alike(tmp_path):
    path = tmp_path / "wide.npz"
    row = {"short": "abc", "long": "d" * 50, "longer": "e" * 90, "vector": [1, 0]}
    done("add", path, "-", "--create", stdin=json.dumps(row))
    words = ["--vector", "/dev/stdin", "--fields", "long,short,longer"]
    _, out = on_terminal("search", path, *words, columns=60, stdin=open_text("1 0"))
    line = out.replace("\r\n", "\n").splitlines()[1]
    assert re.fullmatch(r" +1 +0 +1\.000000  d{14}…  abc    e{14}…", line), line
    assert len(line) == 60


def test_wide_characters_count_as_two_columns(tmp_path):
    path = tmp_path / "wide.npz"
    done("add", path, "-", "--create", stdin=json.dumps({"t": "漢" * 40, "vector": [1]}, ensure_ascii=False))
    env_free = on_terminal("get", path, 0, columns=30)[1].replace("\r\n", "\n").splitlines()
    assert env_free[1] == '  0  {"t": "' + "漢" * 8 + "…"


def test_control_characters_do_not_reach_the_terminal(tmp_path):
    path = tmp_path / "hostile.npz"
    evil = "\x1b]0;title\x07 \x9b2J \x7f \u202egnp.exe \r\n tab\t"
    np.savez(
        path,
        vectors=np.array([[1, 0]], np.float32),
        metadata=np.array([{"evil": evil, evil: 1}], dtype=object),
    )
    for words in (["--fields", "evil"], [], ["--json"]):
        out = done("search", path, "--vector", "-", *words, stdin="1 0")
        assert not set(out) & set("\x1b\x07\x9b\x7f\u202e\r\t"), repr(out)
    assert npvec("get", path, 0, "--json").json["rows"][0]["document"] == {"evil": evil, evil: 1}
    table = done("search", path, "--vector", "-", "--fields", "evil", stdin="1 0")
    assert table.splitlines()[1].endswith(r"\u001b]0;title\u0007 \u009b2J \u007f \u202egnp.exe \r\n tab\t")


def test_progress_shows_after_a_second_on_a_terminal_and_is_erased(tmp_path):
    """Rows come until it shows."""
    read, write = os.pipe()
    shown, rows, start = threading.Event(), [0], time.monotonic()

    def feed():
        while not shown.wait(0.05):
            os.write(write, b'{"vector": [1, 2]}\n')
            rows[0] += 1
        os.close(write)

    def watch(output):
        if b"adding: " in output and not shown.is_set():
            assert time.monotonic() - start > 1
            shown.set()

    feeder = threading.Thread(target=feed)
    feeder.start()
    try:
        code, out = on_terminal("add", tmp_path / "slow.npz", "-", "--create", stdin=read, watch=watch)
    finally:
        shown.set()
        feeder.join()
        os.close(read)
    assert code == 0
    assert re.search(r"\r\x1b\[Kadding: \d+ rows", out)
    assert re.search(rf"\r\x1b\[Kadded {rows[0]} rows to [^\r]*\r\n$", out)


def test_no_progress_for_short_work(tmp_path):
    took = 1
    while took >= 1:  # on a busy machine it may not be short
        start = time.monotonic()
        code, out = on_terminal("add", tmp_path / "s.npz", "-", "--create", stdin=open_text('{"vector": [1]}\n'))
        took = time.monotonic() - start
    assert code == 0 and "\x1b" not in out


def test_reader_that_leaves_early_is_no_error(tmp_path):
    path = tmp_path / "big.npz"
    np.savez(path, vectors=np.ones((20000, 8), np.float32))
    for prepare in (None, lambda: signal.signal(signal.SIGPIPE, signal.SIG_IGN)):
        process = subprocess.Popen(
            [COMMAND, "export", path, "-"],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            preexec_fn=prepare,
            restore_signals=prepare is None,
        )
        process.stdout.readline()
        process.stdout.close()
        assert process.wait(timeout=60) == -signal.SIGPIPE
        assert process.stderr.read() == b""
        process.stderr.close()


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="Linux has a device that is always full")
@pytest.mark.parametrize("words", [["search", "--row", "0"], ["search", "--row", "0", "--json"], ["info"], ["get", "1"]])
def test_output_that_cannot_be_written_is_an_error(store, words):
    with open("/dev/full", "w") as full:
        process = subprocess.run(
            [COMMAND, words[0], store, *words[1:]], stdout=full, stderr=subprocess.PIPE, timeout=60, check=False
        )
    assert process.returncode == 2
    assert process.stderr.decode() == (
        f"npvec {words[0]}: writing to standard output failed: No space left on device\n"
    )


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="Linux has a device that is always full")
def test_long_output_that_cannot_be_written_is_an_error(tmp_path):
    path = tmp_path / "big.npz"
    np.savez(path, vectors=np.ones((2000, 8), np.float32))
    with open("/dev/full", "w") as full:
        process = subprocess.run([COMMAND, "export", path, "-"], stdout=full, stderr=subprocess.PIPE, check=False)
    assert process.returncode == 2 and b"writing to standard output failed" in process.stderr


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="Linux has a device that is always full")
def test_help_that_cannot_be_written_is_an_error():
    with open("/dev/full", "w") as full:
        for words in (["--help"], ["add", "--help"]):
            assert subprocess.run([COMMAND, *words], stdout=full, stderr=subprocess.PIPE, check=False).returncode == 2
