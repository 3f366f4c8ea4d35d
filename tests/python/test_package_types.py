"""The package's types, as its users' checkers see them."""

import subprocess
import sys
import textwrap
from pathlib import Path

import npvec
import pytest

# Without those that need packages which may not be there.
MODULES = [f"npvec.{path.stem}" for path in sorted(Path(npvec.__file__).parent.glob("_[!_]*.py*"))]
PROGRAM = """
    from pathlib import Path
    from typing import assert_type
    import numpy as np
    import numpy.typing as npt
    from npvec import VectorHit, VectorStore

    store = VectorStore[dict[str, int]](dimensions=2)
    store.add(np.eye(2), [{"a": 1}, {"a": 2}])
    assert_type(store.cosine_search([1.0, 0.0], where={"a": 1}), list[VectorHit[dict[str, int]]])
    assert_type(store.search([1.0, 0.0]), list[tuple[int, float, dict[str, int]]])
    assert_type(store.cosine_search([1, 0])[0].metadata["a"], int)
    assert_type(store.vectors, npt.NDArray[np.float32])
    assert_type(store.file_path, Path | None)
    assert_type(store.get(0), tuple[npt.NDArray[np.float32], dict[str, int]] | None)
    rows, scores = VectorStore[str].open("a.npz").search_batch(np.eye(2))
    assert_type((rows, scores), tuple[npt.NDArray[np.int64], npt.NDArray[np.float64]])
"""
MISTAKES = """
    from npvec import VectorStore
    VectorStore[str](2).add([[1, 2]], [3])
    VectorStore(2).search_batch([[1, 2]], metric="l2")
    VectorStore(2).dimensions = 3
"""


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    """NumPy's types take mypy seconds."""
    return tmp_path_factory.mktemp("mypy")


def run(*arguments):
    return subprocess.run([sys.executable, "-m", *map(str, arguments)], capture_output=True, text=True, check=False)


def check(directory, cache, program):
    path = directory / "program.py"
    path.write_text(
        textwrap.dedent(program).replace("from typing import assert_type", "from typing_extensions import assert_type")
    )
    return run("mypy", "--strict", "--cache-dir", cache, path)


def test_the_package_is_strictly_typed(cache):
    names = [word for module in MODULES for word in ("--module", module)]
    done = run("mypy", "--strict", "--cache-dir", cache, "--module", "npvec", *names)
    assert done.returncode == 0, done.stdout


def test_the_stub_says_what_the_extension_has():
    done = run("mypy.stubtest", *MODULES)
    assert done.returncode == 0, done.stdout


def test_metadata_has_its_type(tmp_path, cache):
    done = check(tmp_path, cache, PROGRAM)
    assert done.returncode == 0, done.stdout


def test_mistakes_are_found(tmp_path, cache):
    done = check(tmp_path, cache, MISTAKES)
    assert done.stdout.count("error:") == 3, done.stdout
