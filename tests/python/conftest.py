"""What the Python tests share. scripts/pytest.sh says in the environment what is to be tested, and with what."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent


def _directories(variable):
    """The directories of a list like PATH, by their names."""
    return {Path(path).name: path for path in os.environ.get(variable, "").split(os.pathsep) if path}


# What PYTHONPATH must be for another NumPy than the one of these tests, by its version.
NUMPYS = {"newest": "", **_directories("NPVEC_NUMPY_DIRS")}

# The same for releases of numpy-vector-store. The newest needs Python 3.11.
ORIGINALS = {
    **_directories("NPVEC_ORIGINAL_DIRS"),
    **({"newest": ""} if importlib.util.find_spec("numpy_vector_store") else {}),
}


def run_python(script, *arguments, path=""):
    """Runs one of the scripts of this directory with `path` as PYTHONPATH and returns what it prints. Warnings fail."""
    done = subprocess.run(
        [sys.executable, "-W", "error", HERE / script, *arguments],
        env=os.environ | {"PYTHONPATH": str(path)},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        pytest.fail(f"{script} {arguments} with PYTHONPATH={path}:\n{done.stderr}", pytrace=False)
    return done.stdout


@pytest.fixture(params=NUMPYS, ids=lambda version: f"numpy-{version}")
def numpy_path(request):
    """PYTHONPATH for each of the NumPy versions in turn."""
    return NUMPYS[request.param]
