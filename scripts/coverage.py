"""Sums up what gcov counted in a build with --coverage: lines and branches of src/ that were reached, file by file.

    scripts/coverage.py BUILD-DIRECTORY [--missing]      --missing also lists the lines, and those with other branches

Branches are gcc's: two for every condition, also inside && and ||. Those of assertions do not count, because the other
one is the one that is never taken. Objects of one source count as one: what any program reached is reached.
"""

import json
import re
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
ASSERTION = re.compile(r"\bassert\(")


def counted(build):
    """What gcov says of every object that ran."""
    objects = sorted(Path(build).rglob("*.gcda"))
    for start in range(0, len(objects), 50):
        paths = [str(path.resolve()) for path in objects[start : start + 50]]
        done = subprocess.run(
            ["gcov", "--json-format", "--branch-probabilities", "--stdout", *paths],
            capture_output=True,
            check=True,
            cwd=build,
        )
        for line in done.stdout.splitlines():
            yield from json.loads(line)["files"]


def merge(build):
    """For each file: {line: times}, {(function, line): [times of each branch]}."""
    lines = defaultdict(lambda: defaultdict(int))
    branches = defaultdict(dict)
    for file in counted(build):
        path = Path(build, file["file"]).resolve()
        if not path.is_relative_to(ROOT / "src"):
            continue
        for line in file["lines"]:
            lines[path][line["line_number"]] += line["count"]
            found = [branch["count"] for branch in line["branches"] if not branch["throw"]]
            key = (line.get("function_name"), line["line_number"])
            known = branches[path].setdefault(key, found)
            if known is not found and len(known) == len(found):
                branches[path][key] = [a + b for a, b in zip(known, found)]
    for path, found in branches.items():
        text = path.read_text().splitlines()
        branches[path] = {key: counts for key, counts in found.items() if not ASSERTION.search(text[key[1] - 1])}
    return lines, branches


def percent(part, whole):
    return f"{100 * part / whole:6.1f}" if whole else "     -"


def ranges(numbers):
    """[1, 2, 3, 7] as "1-3 7"."""
    runs = []
    for number in sorted(numbers):
        if runs and number == runs[-1][1] + 1:
            runs[-1][1] = number
        else:
            runs.append([number, number])
    return " ".join(str(a) if a == b else f"{a}-{b}" for a, b in runs)


def main(build, missing=""):
    lines, branches = merge(build)
    total = [0, 0, 0, 0]
    print(f"{'file':34} {'lines':>6} {'%':>6} {'branches':>9} {'%':>6}")
    for path in sorted(lines):
        taken = [count for counts in branches[path].values() for count in counts]
        row = [len(lines[path]), sum(map(bool, lines[path].values())), len(taken), sum(map(bool, taken))]
        total = [a + b for a, b in zip(total, row)]
        name = path.relative_to(ROOT)
        print(f"{name!s:34} {row[0]:6} {percent(row[1], row[0])} {row[2]:9} {percent(row[3], row[2])}")
        if missing:
            print("  lines:", ranges(number for number, count in lines[path].items() if count == 0))
            half = {number for (_, number), counts in branches[path].items() if 0 in counts and lines[path][number]}
            print("  branches at:", ranges(half))
    print(f"{'all':34} {total[0]:6} {percent(total[1], total[0])} {total[2]:9} {percent(total[3], total[2])}")


main(*sys.argv[1:])
