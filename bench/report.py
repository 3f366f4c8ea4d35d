#!/usr/bin/env python3
"""Writes measured results into docs/benchmarks.md, between its two markers, so that no figure is typed by hand.

    report.py [FILE ...]

FILE is a results.json, plain.json, filters.json, durability.json or python.json of bench/run.py. Without arguments
those are taken that are in build/bench.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import table

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "benchmarks.md"
BEGIN = "<!-- results: written by bench/report.py -->"
END = "<!-- end of results -->"
MADE = ("results.json", "plain.json", "filters.json", "durability.json", "python.json")


def origin(results: dict[str, Any]) -> str:
    """What the figures depend on."""
    about, versions = results["machine"], results["versions"]
    load = results["load_average_before"]
    lines = [
        f"- {results['day']}; {about['cpu']}, {about['threads']} of {about['processors']} processors, "
        f"last cache {about['last_level_cache']}, {about['memory_gib']} GiB of memory; {about['system']}, "
        f"Python {about['python']}",
        f"- the processor has {', '.join(about['features'])}",
        "- " + ", ".join(f"{name} {version}" for name, version in versions.items()),
        "- options: " + ", ".join(f"{name} {_listed(value)}" for name, value in results["options"].items()),
    ]
    if load is not None:
        lines.append(f"- load average before the run: {load}")
    lines += [f"- left out: {name}, {why}" for name, why in results["missing"].items()]
    return "\n".join(lines)


def _listed(value: Any) -> str:
    return "/".join(map(str, value)) if isinstance(value, list) else str(value)


def compared(results: dict[str, Any]) -> list[str]:
    parts = ["### Against others", origin(results)]
    for record in results["cases"]:
        parts += [f"#### {table.title(record)}", record["description"][0].upper() + record["description"][1:] + "."]
        parts.append(table.markdown(table.HEADER, table.compared_cells(record)))
        left_out = [f"- {name} left out: {why}" for name, why in record["left_out"].items()]
        if left_out:
            parts.append("\n".join(left_out))
    return [*parts, correctness(results)]


def correctness(results: dict[str, Any]) -> str:
    single = [r for record in results["cases"] for r in record["results"] if r["system"] == "npvec"]
    wrong = sum(result["wrong_answers"] for result in single)
    answers = sum(result["single_count"] for result in single) + len(single) * results["options"]["batch"]
    return f"Answers of npvec compared with the oracle, rows, order and score bits: {answers:,}; different: {wrong}."


def against_itself(results: dict[str, Any]) -> list[str]:
    cells = [table.plain_cells(record) for record in results["cases"]]
    return ["### npvec against its own plain scan", origin(results), table.markdown(table.PLAIN_HEADER, cells)]


def filtered(results: dict[str, Any]) -> list[str]:
    parts = ["### Filters", origin(results)]
    for record in results["cases"]:
        parts += [f"#### {table.title(record)}", record["description"][0].upper() + record["description"][1:] + "."]
        parts += [table.markdown(header, cells) for header, cells in table.filtered_parts(record)]
    wrong = sum(record["wrong_answers"] for record in results["cases"])
    return [*parts, f"Answers of npvec that differ from those of the oracle, NumPy and SQLite: {wrong}."]


def durable(results: dict[str, Any]) -> list[str]:
    parts = ["### Changes that are kept", origin(results)]
    for record in results["cases"]:
        parts += [f"#### {table.title(record)}", record["description"][0].upper() + record["description"][1:] + "."]
        parts += [table.markdown(header, cells) for header, cells in table.durable_parts(record)]
    wrong = sum(record["wrong_answers"] for record in results["cases"])
    return [*parts, f"Rows that were not there when the file was opened again: {wrong}."]


def packaged(results: dict[str, Any]) -> list[str]:
    """One table for all cases of a set."""
    parts = ["### The Python package", origin(results)]
    for name in dict.fromkeys(record["name"] for record in results["cases"]):
        records = [record for record in results["cases"] if record["name"] == name]
        parts += [f"#### {name}", records[0]["description"][0].upper() + records[0]["description"][1:] + "."]
        cells = [line for record in records for line in table.package_cells(record)]
        parts.append(table.markdown(table.PACKAGE_HEADER, cells))
    wrong = sum(record["wrong_answers"] for record in results["cases"])
    return [*parts, f"Answers and stores of npvec that differ from what they must be: {wrong}."]


def write(parts: list[str]) -> None:
    page = PAGE.read_text()
    if page.count(BEGIN) != 1 or page.count(END) != 1:
        raise SystemExit(f"report: {PAGE.name}: expected the lines {BEGIN!r} and {END!r} once each")
    before, rest = page.split(BEGIN)
    after = rest.split(END)[1]
    PAGE.write_text("\n\n".join([before + BEGIN, *parts, END + after]))


def main() -> None:
    given = [Path(argument) for argument in sys.argv[1:]]
    paths = given or [ROOT / "build" / "bench" / name for name in MADE]
    parts = []
    for path in paths:
        if not given and not path.exists():
            continue
        results = json.loads(path.read_text())
        keys = results["cases"][0] if results["cases"] else {}
        kinds = {"plain_p50_s": against_itself, "filters": filtered, "adds": durable, "calls": packaged}
        parts += next((kinds[key] for key in kinds if key in keys), compared)(results)
    if not parts:
        raise SystemExit("report: no results: run `make bench` first")
    write(parts)


if __name__ == "__main__":
    main()
