"""`make demo` tells the truth."""

import os
import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_demo_asks_five_questions_and_counts_the_answers():
    done = subprocess.run(
        [ROOT / "examples/demo.sh", os.environ["NPVEC_COMMAND"]], capture_output=True, text=True, check=True
    )
    lines = done.stdout.splitlines()
    assert done.stderr == ""
    assert sum("(The answer is row " in line for line in lines) == 5
    assert sum(line.startswith("rank  row     score  category") for line in lines) == 5
    # As NumPy counts them: see test_scores.py.
    assert lines[-1] == "28 of 40 questions have their answer at the top, 37 among the first five."
