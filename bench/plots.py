#!/usr/bin/env python3
"""Draws the SVG plots of a results.json: plots.py RESULTS.json [DIRECTORY]."""

from __future__ import annotations

import json
import re
import sys
from collections import defaultdict
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("svg")
# Text stays text, and the same figures give the same file.
matplotlib.rcParams.update({"svg.fonttype": "none", "svg.hashsalt": "npvec", "font.family": "sans-serif"})

from matplotlib import pyplot  # noqa: E402
from matplotlib.ticker import FuncFormatter  # noqa: E402

import table  # noqa: E402

NPVEC, EXACT, APPROXIMATE = "#c2410c", "#475569", "#7c9cc4"
COLOURS = ("#475569", "#0f766e", "#7c3aed", "#a16207", "#be185d", "#0369a1", "#4d7c0f", "#6b7280", "#7c9cc4", "#b0bec5")
PLAIN_NUMBERS = FuncFormatter(lambda value, _: f"{value:g}")


def draw_all(results: dict[str, Any], directory: Path) -> list[Path]:
    """A bar plot for each case, and a line plot for each set that was measured with several row counts."""
    paths = [_bars(record, directory) for record in results["cases"]]
    for (name, dimensions, k), records in _by_rows(results["cases"]).items():
        if len({record["rows"] for record in records}) > 1:
            paths.append(_lines(name, dimensions, k, records, directory))
    return paths


def _by_rows(records: list[dict[str, Any]]) -> dict[tuple[str, int, int], list[dict[str, Any]]]:
    groups = defaultdict(list)
    for record in records:
        groups[record["name"], record["dimensions"], record["k"]].append(record)
    return {key: sorted(group, key=lambda record: record["rows"]) for key, group in groups.items()}


def _colour(result: dict[str, Any]) -> str:
    if result["system"] == "npvec":
        return NPVEC
    return EXACT if result["effort"] is None else APPROXIMATE


def _bars(record: dict[str, Any], directory: Path) -> Path:
    results = sorted(record["results"], key=lambda result: result["single_p50_s"], reverse=True)
    times = [result["single_p50_s"] * 1e3 for result in results]
    labels = [r["system"] + ("" if r["effort"] is None else f", recall {r['recall']:.2f}") for r in results]
    figure, axes = pyplot.subplots(figsize=(7, 0.6 + 0.32 * len(results)), layout="constrained")
    axes.barh(labels, times, color=[_colour(result) for result in results], height=0.65)
    for i, value in enumerate(times):
        axes.annotate(table.number(value), (value, i), (4, 0), textcoords="offset points", va="center", fontsize=9)
    axes.set_xscale("log")
    axes.set_xlim(min(times) / 2, max(times) * 3)
    axes.xaxis.set_major_formatter(PLAIN_NUMBERS)
    axes.set_xlabel("one query, median, ms (logarithmic)")
    axes.set_title(table.title(record), fontsize=11, loc="left")
    return _save(figure, axes, directory / f"{_file_name(table.title(record))}.svg")


def _lines(name: str, dimensions: int, k: int, records: list[dict[str, Any]], directory: Path) -> Path:
    figure, axes = pyplot.subplots(figsize=(7, 4.5), layout="constrained")
    systems = list(dict.fromkeys(result["system"] for record in records for result in record["results"]))
    colours = iter(COLOURS)
    for system in systems:
        points = [
            (record["rows"], result["single_p50_s"] * 1e3)
            for record in records
            for result in record["results"]
            if result["system"] == system
        ]
        ours = system == "npvec"
        colour = NPVEC if ours else next(colours)
        rows, times = zip(*points, strict=True)
        axes.plot(rows, times, marker="o", markersize=4, label=system, color=colour, linewidth=2.5 if ours else 1.2)
    axes.set_xscale("log")
    axes.set_yscale("log")
    rows = sorted({record["rows"] for record in records})
    axes.set_xticks(rows, [f"{count:,}" for count in rows])
    axes.set_xticks([], minor=True)
    axes.yaxis.set_major_formatter(PLAIN_NUMBERS)
    axes.set_xlabel("rows")
    axes.set_ylabel("one query, median, ms")
    axes.set_title(f"{name}, {dimensions:,} dimensions, k={k}", fontsize=11, loc="left")
    axes.legend(fontsize=8, frameon=False, loc="upper left", bbox_to_anchor=(1, 1))
    return _save(figure, axes, directory / f"{_file_name(f'{name} by rows, {dimensions}, k={k}')}.svg")


def _save(figure: Any, axes: Any, path: Path) -> Path:
    axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, metadata={"Date": None})
    pyplot.close(figure)
    return path


def _file_name(title: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", title.replace(",", "").lower()).strip("-")


if __name__ == "__main__":
    if len(sys.argv) not in (2, 3):
        sys.exit(__doc__)
    source = Path(sys.argv[1])
    target = Path(sys.argv[2]) if len(sys.argv) == 3 else source.parent
    print("\n".join(str(path) for path in draw_all(json.loads(source.read_text()), target)))
