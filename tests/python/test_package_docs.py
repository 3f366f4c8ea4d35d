"""What is written about the package."""

import inspect
import re
import subprocess
import sys
from pathlib import Path

import npvec

ROOT = Path(__file__).parents[2]


def test_the_programs_of_the_readme_print_what_they_say(tmp_path):
    section = re.search(r"^## In Python\n(.*?)^## ", (ROOT / "README.md").read_text(), re.M | re.S)[1]
    program = "".join(re.findall(r"^```python\n(.*?)^```$", section, re.M | re.S))
    command = [sys.executable, "-W", "error", "-c", program]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    said = "\n".join(re.findall(r"  # (.*)$", program, re.M)).replace(", then ", "\n")
    assert (done.stdout, done.stderr) == (said + "\n", "")


def test_everything_public_says_what_it_is():
    for name in npvec.__all__:
        public = getattr(npvec, name)
        assert name == "__version__" or inspect.getdoc(public), name
        if inspect.isclass(public) and not issubclass(public, Exception):
            for attribute, value in vars(public).items():
                of_class = inspect.ismemberdescriptor(value) or attribute.startswith("_")
                assert of_class or inspect.getdoc(value), f"{name}.{attribute}"


def test_versions_agree():
    header = (ROOT / "include/npvec.h").read_text()
    numbers = re.findall(r"^#define NPV_VERSION_(?:MAJOR|MINOR|PATCH) (\d+)$", header, re.M)
    assert npvec.__version__ == ".".join(numbers)
