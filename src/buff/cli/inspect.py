"""What `buff data inspect` finds in a file: the same reading as an ingest, with nothing stored."""

import shlex
from collections.abc import Mapping, Sequence
from typing import Any

import rich_click as click

from buff.cli.output import Progress, surroundings, table
from buff.errors import DataInvalid
from buff.inputs import opened
from buff.intake import READING
from buff.market.bars import VALUES
from buff.market.ingest import ingest
from buff.market.options import CsvOptions
from buff.market.source import Columns
from buff.times import iso

FIRST_ROWS = 5


def inspected(
    paths: Sequence[str], options: Mapping[str, Any], *, progress: Progress
) -> tuple[dict[str, Any], DataInvalid | None]:
    """Return what the files hold as plain values, and the error with which an ingest would refuse them, if it would."""
    given = {name: value for name, value in options.items() if value is not None}
    chosen = CsvOptions(**{"base" if name == "base_timeframe" else name: value for name, value in given.items()})
    _, settings = surroundings()
    total = sum(file.size or 0 for file in opened(paths))
    first: list[list[Any]] = []

    def keep(columns: Columns) -> None:
        for row in range(min(FIRST_ROWS - len(first), len(columns["ts"]))):
            first.append([iso(columns["ts"][row]), *(float(columns[name][row]) for name in VALUES)])

    try:
        found = ingest(
            opened(paths),
            chosen,
            write=keep,
            tick=lambda done: progress(READING, done, total),
            rows_max=settings.rows_max,
            bytes_max=settings.csv_bytes_max,
        )
    except DataInvalid as error:
        return {"accepted": False, "files": list(paths), "first_rows": first, "problem": error.as_dict()}, error
    facts = {
        "accepted": True,
        "files": list(paths),
        "profile": chosen.profile.name,
        "timezone": chosen.timezone,
        "base_timeframe": chosen.base.value,
        "rows": found.rows,
        "first": iso(found.first_ts),
        "last": iso(found.last_ts),
        "gaps": found.gap_count,
        "missing": found.missing,
        "filled": found.filled,
        "zero_volume": found.zero_volume,
        "warnings": list(found.warnings),
        "sources": [dict(source) for source in found.sources],
        "first_rows": first,
        "next": _command(paths, given),
    }
    return facts, None


def _command(paths: Sequence[str], given: Mapping[str, Any]) -> str:
    words = [f"--csv {shlex.quote(path)}" for path in paths]
    words += [f"--{name.replace('_', '-')} {shlex.quote(str(value))}" for name, value in given.items()]
    return f"buff run create {' '.join(words)} --symbol SYMBOL --timeframe 1h --strategy ma_cross --risk-level 3"


def print_inspected(found: Mapping[str, Any]) -> None:
    """Print what was found for a person."""
    if found["first_rows"]:
        rows = [[str(cell) for cell in row] for row in found["first_rows"]]
        table(("open stamp (UTC)", *VALUES), rows, right=VALUES)
    if not found["accepted"]:
        return
    facts = [
        ("rows", f"{found['rows']:,} of {found['base_timeframe']}"),
        ("range", f"{found['first']} to {found['last']}"),
        ("gaps", f"{found['gaps']:,} ({found['missing']:,} bars missing, {found['filled']:,} filled)"),
        ("zero volume", f"{found['zero_volume']:,} rows"),
        *(
            ("extra columns", ", ".join(source["extra_columns"]))
            for source in found["sources"]
            if source["extra_columns"]
        ),
        *(("warning", warning) for warning in found["warnings"]),
    ]
    table(("found", "what"), facts)
    click.echo(f"Next: {found['next']}")
