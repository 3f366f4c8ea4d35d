"""Figures as text: the same tables for the terminal and for docs/benchmarks.md."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

Row = dict[str, Any]

HEADER = (
    "system", "p50 ms", "p99 ms", "after others", "x NumPy", "npvec x", "batch ms", "x NumPy", "npvec x", "recall", "build s",
    "first ms", "process ms", "MB", "own MB",
)  # fmt: skip
PLAIN_HEADER = (
    "case", "k", "plain p50 ms", "p50 ms", "ratio", "batch ratio", "plan", "survivors", "bytes read", "coding s",
    "coding / plain",
)  # fmt: skip
FILTER_HEADER = (
    "filter", "rows", "typed ms", "NumPy ms", "x NumPy", "x by numbers", "x all rows", "documents / typed",
    "without / with", "filter us", "on documents us",
)  # fmt: skip
FIRST_USE_HEADER = ("first use of a field", "ms", "json.loads ms", "x json.loads")
TEXT_HEADER = ("1,000 different texts", "rows", "us", "SQLite us", "x SQLite")

ADD_HEADER = ("rows added one at a time", "mean us", "p50 us", "p99 us", "npvec x mean", "npvec x p50", "without calls")
UPSERT_HEADER = ("rows replaced one at a time", "mean us", "p50 us", "p99 us", "npvec x mean", "npvec x p50")
FLUSH_HEADER = ("flushed batches", "mean ms", "p50 ms", "p99 ms", "x the write, p50", "x dd, mean")
READER_HEADER = ("a reader's searches", "p50 us", "slower %", "writer's rows a second")
FOLLOWER_HEADER = ("a reader that refreshes", "slower %", "refresh us", "refreshing / searching", "rows before", "after")
GROWTH_HEADER = ("bytes", "after 1", "after 100", "ratio")
PACKAGE_HEADER = ("rows", "dimensions", "call", "npvec ms", "numpy-vector-store ms", "npvec x")


def number(value: float | None, digits: int = 3) -> str:
    """So many significant digits, never an exponent; a dash for nothing."""
    if value is None:
        return "-"
    if value == 0:
        return "0"
    decimals = max(0, digits - 1 - _exponent(value))
    return f"{value:,.{decimals}f}"


def _exponent(value: float) -> int:
    return int(f"{abs(value):e}".split("e")[1])


def ratio(above: float | None, below: float | None) -> str:
    return "-" if above is None or not below else number(above / below, 2 if above / below < 100 else 3)


def _of(results: Sequence[Row], name: str, key: str) -> float | None:
    return next((result[key] for result in results if result["system"] == name), None)


def compared_cells(record: Row) -> list[list[str]]:
    """One line a system, without the header."""
    results = record["results"]
    numpy_one, numpy_many = _of(results, "NumPy", "single_p50_s"), _of(results, "NumPy", "batch_p50_s")
    npvec_one, npvec_many = _of(results, "npvec", "single_p50_s"), _of(results, "npvec", "batch_p50_s")
    lines = []
    for result in results:
        one, many, cold = result["single_p50_s"], result["batch_p50_s"], result["cold"]
        lines.append(
            [
                result["system"] + (f" (ef {result['effort']})" if result["effort"] else ""),
                number(one * 1e3),
                number(result["single_p99_s"] * 1e3),
                number(_scaled(result.get("single_first_s"), 1e3)),
                ratio(numpy_one, one),
                ratio(one, npvec_one),
                number(many * 1e3),
                ratio(numpy_many, many),
                ratio(many, npvec_many),
                f"{result['recall']:.3f}",
                number(result["build_s"], 2),
                number(_scaled(cold.get("first_s"), 1e3), 3),
                number(_scaled(cold.get("process_s"), 1e3), 3),
                number(_scaled(cold.get("memory", {}).get("resident"), 1e-6), 3),
                number(_scaled(cold.get("memory", {}).get("anonymous"), 1e-6), 3),
            ]
        )
    return lines


def _scaled(value: float | None, factor: float) -> float | None:
    return None if value is None else value * factor


def title(record: Row) -> str:
    return f"{record['name']}, {record['rows']:,} x {record['dimensions']:,}, k={record['k']}"


def compared(record: Row) -> str:
    """The table of one case for the terminal."""
    lines = [f"\n{title(record)} ({record['description']})", aligned([HEADER, *compared_cells(record)])]
    lines += [f"{name} is left out: {why}" for name, why in record["left_out"].items()]
    for result in record["results"]:
        if result["wrong_answers"]:
            lines.append(f"WRONG: {result['wrong_answers']} answers of {result['system']} differ from the oracle's")
    return "\n".join(lines)


def plain_cells(record: Row) -> list[str]:
    chosen, plain, single = record["chosen_p50_s"], record["plain_p50_s"], record["explain"]["single"]
    read = single["bytes4"] + single["bytes8"] + single["bytes32"]
    coding = record["coding_s"]
    return [
        f"{record['name']}, {record['rows']:,} x {record['dimensions']:,}",
        str(record["k"]),
        number(plain * 1e3),
        number(chosen * 1e3),
        ratio(plain, chosen),
        ratio(record["plain_batch_p50_s"], record["chosen_batch_p50_s"]),
        ", ".join(single["plans"]),
        share(single["survivors"], single["rows"]),
        share(read, 4 * record["dimensions"] * single["rows"]),
        number(coding, 2),
        "-" if coding is None else number(coding / plain, 2),
    ]


def share(part: float, whole: float) -> str:
    return "-" if not whole else f"{number(100 * part / whole, 2)} %"


def plain(record: Row) -> str:
    """The line of one case for the terminal, under its own header: cases are minutes apart."""
    return "\n" + aligned([PLAIN_HEADER, plain_cells(record)])


def filter_cells(record: Row) -> list[list[str]]:
    return [
        [
            line["filter"],
            f"{line['passing']:,}",
            number(line["typed_p50_s"] * 1e3),
            number(line["numpy_p50_s"] * 1e3),
            ratio(line["numpy_p50_s"], line["typed_p50_s"]),
            ratio(line["numpy_gather_p50_s"], line["typed_p50_s"]),
            ratio(line["numpy_all_p50_s"], line["typed_p50_s"]),
            ratio(line["documents_p50_s"], line["typed_p50_s"]),
            ratio(record["unfiltered_p50_s"], line["typed_p50_s"]),
            number(line["typed_count_p50_s"] * 1e6),
            number(line["documents_count_p50_s"] * 1e6),
        ]
        for line in record["filters"]
    ]


def first_use_cells(record: Row) -> list[list[str]]:
    loads = record["json_loads_p50_s"]
    return [
        [line["field"], number(line["first_p50_s"] * 1e3), number(loads * 1e3), ratio(loads, line["first_p50_s"])]
        for line in record["first_uses"]
    ]


def text_cells(record: Row) -> list[list[str]]:
    return [
        [
            line["condition"],
            f"{line['passing']:,}",
            number(line["npvec_p50_s"] * 1e6),
            number(line["sqlite_p50_s"] * 1e6),
            ratio(line["sqlite_p50_s"], line["npvec_p50_s"]),
        ]
        for line in record["texts"]
    ]


def filtered_parts(record: Row) -> list[tuple[Sequence[str], list[list[str]]]]:
    """The three tables of a case, each with its header."""
    return [
        (FILTER_HEADER, filter_cells(record)),
        (FIRST_USE_HEADER, first_use_cells(record)),
        (TEXT_HEADER, text_cells(record)),
    ]


def filtered(record: Row) -> str:
    """The tables of one case for the terminal."""
    parts = [f"\n{title(record)} ({record['description']})"]
    parts += [aligned([header, *cells]) for header, cells in filtered_parts(record)]
    return "\n\n".join(parts)


ADDS = {
    "npvec": "npvec",
    "sqlite": "SQLite",
    "sqlite_unique": "SQLite, unique ids",
    "write": "the bytes alone",
    "npvec_call": "npvec, nothing added",
    "sqlite_call": "SQLite, nothing inserted",
}


def add_cells(record: Row) -> list[list[str]]:
    """The last column is the ratio of the medians less what a call takes that adds nothing."""
    adds = record["adds"]
    own = adds["npvec"]["p50_s"] - adds["npvec_call"]["p50_s"]
    lines = []
    for name, label in ADDS.items():
        times, inserted = adds[name], name.startswith("sqlite") and name != "sqlite_call"
        lines.append(
            [
                label,
                *(number(times[key] * 1e6) for key in ("mean_s", "p50_s", "p99_s")),
                ratio(times["mean_s"], adds["npvec"]["mean_s"]),
                ratio(times["p50_s"], adds["npvec"]["p50_s"]),
                ratio(times["p50_s"] - adds["sqlite_call"]["p50_s"], own) if inserted else "-",
            ]
        )
    return lines


def upsert_cells(record: Row) -> list[list[str]]:
    upserts = record["upserts"]
    return [
        [
            ADDS[name],
            *(number(times[key] * 1e6) for key in ("mean_s", "p50_s", "p99_s")),
            *(ratio(times[key], upserts["npvec"][key]) for key in ("mean_s", "p50_s")),
        ]
        for name, times in upserts.items()
    ]


def _scaled(value: float | None, factor: float) -> float | None:
    return None if value is None else value * factor


def flush_cells(record: Row) -> list[list[str]]:
    flushed = record["flushed"]
    size = f"{flushed['bytes']:,} bytes"
    labels = {"npvec": f"npvec, {flushed['rows']} rows", "write": f"{size}, O_DSYNC", "dd": f"{size}, dd oflag=dsync"}
    return [
        [
            label,
            *(number(_scaled(flushed[name][key], 1e3)) for key in ("mean_s", "p50_s", "p99_s")),
            ratio(flushed[name]["p50_s"], flushed["write"]["p50_s"]),
            ratio(flushed[name]["mean_s"], flushed["dd"]["mean_s"]),
        ]
        for name, label in labels.items()
    ]


def reader_cells(record: Row) -> list[list[str]]:
    steady = record["readers"]["steady"]
    labels = {"rest": "alone", "compute": "beside a process that computes", "add": "beside a writer"}
    return [
        [
            label,
            number(steady[f"{what}_p50_s"] * 1e6),
            f"{100 * (steady[f'{what}_p50_s'] / steady['rest_p50_s'] - 1):.1f}",
            number(steady["rows_per_second"]) if what == "add" else "-",
        ]
        for what, label in labels.items()
    ]


def follower_cells(record: Row) -> list[list[str]]:
    following = record["readers"]["following"]
    return [
        [
            "beside a writer",
            f"{100 * (following['slowdown'] - 1):.1f}",
            number(following["refresh_p50_s"] * 1e6),
            number(following["refreshing_per_searching"], 2),
            *(f"{rows:,}" for rows in following["rows"]),
        ]
    ]


def growth_cells(record: Row) -> list[list[str]]:
    labels = {"journal": "journal before a save", "journal_saved": "journal after it", "archive": "archive"}
    return [
        [
            f"{label}, {'saved each round' if line['saved_each_round'] else 'saved at the end'}",
            f"{line['first'][key]:,}",
            f"{line['last'][key]:,}",
            ratio(line["last"][key], line["first"][key]),
        ]
        for line in record["growth"]
        for key, label in labels.items()
    ]


def durable_parts(record: Row) -> list[tuple[Sequence[str], list[list[str]]]]:
    """The six tables of a case, each with its header."""
    return [
        (ADD_HEADER, add_cells(record)),
        (UPSERT_HEADER, upsert_cells(record)),
        (FLUSH_HEADER, flush_cells(record)),
        (READER_HEADER, reader_cells(record)),
        (FOLLOWER_HEADER, follower_cells(record)),
        (GROWTH_HEADER, growth_cells(record)),
    ]


def durable(record: Row) -> str:
    """The tables of one case for the terminal."""
    parts = [f"\n{title(record)} ({record['description']})"]
    parts += [aligned([header, *cells]) for header, cells in durable_parts(record)]
    return "\n\n".join(parts)


def aligned(lines: Sequence[Sequence[str]]) -> str:
    widths = [max(len(line[column]) for line in lines) for column in range(len(lines[0]))]
    return "\n".join(_padded(line, widths, str.rjust).rstrip() for line in lines)


def markdown(header: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    rule = ["---"] + ["--:"] * (len(header) - 1)
    return "\n".join("| " + " | ".join(line) + " |" for line in [header, rule, *lines])


def _padded(line: Sequence[str], widths: Sequence[int], pad: Callable[[str, int], str]) -> str:
    first, *others = (str.ljust(line[0], widths[0]), *map(pad, line[1:], widths[1:]))
    return "  ".join([first, *others])


def package_cells(record: Row) -> list[list[str]]:
    return [
        [
            f"{record['added'] if line['call'].startswith('add') else record['rows']:,}",
            f"{record['dimensions']:,}",
            line["call"] + ("" if line["call"].startswith("add") else f", top_k={record['k']}"),
            number(line["npvec_p50_s"] * 1e3),
            number(line["original_p50_s"] * 1e3),
            ratio(line["original_p50_s"], line["npvec_p50_s"]),
        ]
        for line in record["calls"]
    ]


def packaged(record: Row) -> str:
    """The table of one case for the terminal."""
    heading = f"\n{title(record)} ({record['description']})"
    return f"{heading}\n\n{aligned([PACKAGE_HEADER, *package_cells(record)])}"
