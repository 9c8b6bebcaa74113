"""How datasets, their differences and their ingests look on a terminal.

Plain values and frozen entries go in; tables come out. What is long is cut to a number of lines and says how many
there are.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import rich_click as click

from buff.catalogue import INTERRUPTED, REJECTED, STORED, IngestLog
from buff.cli.output import table
from buff.deposit import Ingest
from buff.extract import STDOUT, Extract
from buff.intake import SHOWN
from buff.market.spacing import some
from buff.revision import CHANGED, KINDS, ONLY_OLD, Change, Revision
from buff.runs.sketch import short
from buff.staging import ORPHANS, STAGING
from buff.times import iso

LIST_COLUMNS = (
    "dataset", "symbols", "base", "rows", "first", "last", "gaps", "filled", "bytes", "sources", "from",
)  # fmt: skip
LIST_NUMBERS = ("rows", "gaps", "filled", "bytes", "sources")
LIST_SPARE = ("from", "sources", "filled", "bytes", "gaps", "first")
INGEST_COLUMNS = ("ingest", "started", "state", "symbol", "files", "rows", "ms", "what")
INGEST_NUMBERS = ("rows", "ms")
INGEST_SPARE = ("ms", "rows", "files")


def dataset_row(entry: Mapping[str, Any]) -> list[str]:
    """Return the cells of a dataset in a list."""
    return [
        entry["dataset_id"][:SHOWN],
        ", ".join(entry["symbols"]),
        entry["base_timeframe"],
        f"{entry['rows']:,}",
        entry["first"],
        entry["last"],
        f"{entry['gaps']:,}",
        f"{entry['filled']:,}",
        f"{entry['size_bytes']:,}",
        f"{entry['sources']:,}",
        str(entry["source"].get("name", "")),
    ]


def ingest_row(entry: IngestLog) -> list[str]:
    """Return the cells of an ingest in a list."""
    return [
        entry.ingest,
        entry.time[:19].replace("T", " "),
        entry.state,
        entry.symbol or "–",
        ", ".join(entry.files),
        "–" if entry.rows is None else f"{entry.rows:,}",
        _milliseconds(entry.steps),
        _became(entry),
    ]


def remedy(place: str) -> str:
    """Say how to be rid of what a dead process left, in `_staging/` or already in `_orphans/`."""
    frees = "`buff store gc --apply --orphans` frees it"
    return f"the next writer moves it to {ORPHANS}; {frees}" if place.startswith(STAGING) else frees


def _milliseconds(steps: Mapping[str, int | None]) -> str:
    known = [each for each in steps.values() if each is not None]
    return f"{sum(known):,}" if len(known) > 1 else "–"


def _became(entry: IngestLog) -> str:
    """Say in a few words what became of an ingest."""
    if entry.state == STORED:
        return ("exists " if entry.existed else "dataset ") + (entry.dataset_id or "")[:SHOWN]
    if entry.state == REJECTED:
        place = "" if entry.line is None else f", line {entry.line}"
        return f"{entry.code}{f' {entry.rule}' if entry.rule else ''}{place}"
    last = list(entry.steps)[-1] if entry.steps else "started"
    return f"after it was {last}; {_left(entry)}" if entry.state == INTERRUPTED else f"{last}, its process lives"


def _left(entry: IngestLog) -> str:
    """Say what an interrupted ingest has left, and how to be rid of it."""
    if not entry.left:
        return "nothing is left of it"
    return f"{entry.left_bytes:,} bytes are left in {', '.join(entry.left)}: {remedy(entry.left[-1])}"


# Ingest


def print_ingest(ingest: Ingest) -> None:
    """Print what became of files that were taken in."""
    click.echo(("exists   " if ingest.existed else "stored   ") + ingest.dataset_id)
    gaps = f", {some(ingest.gaps, 'gap')}" if ingest.gaps else ""
    filled = f", {ingest.filled:,} filled" if ingest.filled else ""
    rows = f"{some(ingest.rows, 'row')}{gaps}{filled}"
    click.echo(f"{ingest.symbol} {ingest.base_timeframe}, {rows}, {ingest.first} to {ingest.last}")
    click.echo(f"quality {ingest.verdict}" + _not_passed(ingest.quality))
    click.echo(f"look: buff data show {ingest.dataset_id[:SHOWN]}")
    click.echo(f"next: {ingest.next}")


def _not_passed(quality: Mapping[str, Any]) -> str:
    names = [f"{name} {verdict}" for name, verdict in quality["verdicts"].items() if verdict != "PASS"]
    return f" ({', '.join(names)})" if names else ""


# Show


def print_dataset(found: Mapping[str, Any], *, limit: int) -> None:
    """Print all that is known of a dataset; at most `limit` lines of each list."""
    facts = [
        ("dataset", found["dataset_id"]),
        ("symbols", ", ".join(found["symbols"])),
        ("bars", f"{found['rows']:,} of {found['base_timeframe']}, {found['first']} to {found['last']}"),
        ("gaps", f"{found['gaps']:,} ({some(found['missing'], 'bar')} missing, {found['filled']:,} filled)"),
        ("zero volume", some(found["zero_volume"], "row")),
        ("on disk", f"{found['size_bytes']:,} bytes"),
    ]
    table(("what", "value"), facts)
    cells = ("name", "dtype", "decimals", "size_bytes", "sha256")
    _print_rows(
        "columns", [{name: column[name] for name in cells} for column in found["columns"]], len(found["columns"])
    )
    print_quality(found["quality"], limit=limit)
    _print_rows("ingests", [_ingest_cells(ingest) for ingest in found["ingests"]], limit)
    _print_rows("runs", found["runs"], limit)
    _print_rows("resamples", found["resamples"], limit)


def _ingest_cells(ingest: Mapping[str, Any]) -> dict[str, Any]:
    source = ingest["source"]
    return {
        "stored": ingest["time"][:19].replace("T", " "),
        "ingest": ingest["ingest"],
        "symbol": ingest["symbol"],
        "from": source.get("name"),
        "profile": source.get("profile"),
        "gaps": (ingest["options"] or {}).get("gaps"),
        "sha256": (source.get("sha256") or "")[:SHOWN],
        "by": ingest["by"],
    }


def print_quality(report: Mapping[str, Any], *, limit: int) -> None:
    """Print a quality report: a line for each check, then the first ranges of every check that found some."""
    checks = report["dataset"]["checks"]
    # Windows are dropped of a resample, and this is the report of bars as they are.
    rows = [(name, report["verdicts"][name], f"{check['count']:,}") for name, check in checks.items()]
    click.echo(f"quality {report['verdict']}")
    table(("check", "verdict", "found"), rows, right=("found",))
    for name, check in checks.items():
        _print_rows(name, check.get("ranges", ()), limit, count=check["count"])


def _print_rows(title: str, rows: Sequence[Mapping[str, Any]], limit: int, *, count: int | None = None) -> None:
    """Print rows of the same members under a title with their number; nothing where there are none."""
    if not rows:
        return
    total = len(rows) if count is None else count
    click.echo(f"{title}: {total:,}" + (f", the first {limit:,}" if len(rows) > limit else ""))
    numbers = [name for name, value in rows[0].items() if isinstance(value, int | float)]
    names = [*(name for name in rows[0] if name not in numbers), *numbers]
    table(names, [[short(row[name]) for name in names] for row in rows[:limit]], right=numbers)


# Diff


NAMES = {"only_old": "only in the first", "only_new": "only in the second", CHANGED: "changed"}


def print_revision(found: Revision) -> None:
    """Print what differs between two datasets."""
    click.echo(f"{found.old[:SHOWN]} and {found.new[:SHOWN]}, {found.base_timeframe}")
    spans = [(NAMES[kind], found.spans[kind]) for kind in KINDS]
    rows: list[Sequence[str]] = [("same", f"{found.same:,}", "", "")]
    rows += [
        (name, f"{span.count:,}", *("" if ts is None else iso(ts) for ts in (span.first, span.last)))
        for name, span in spans
    ]
    table(("rows", "count", "first", "last"), rows, right=("count",))
    counts = [f"{name} {count:,}" for name, count in found.columns.items() if count]
    if counts:
        click.echo(f"changed values: {', '.join(counts)}")
    if found.listed:
        click.echo(f"differing rows: {found.differing:,}" + _first(len(found.listed), found.differing))
        table(
            ("open stamp", "what", "column", "first", "second"),
            [row for change in found.listed for row in _lines(change)],
            right=("first", "second"),
        )


def _first(listed: int, total: int) -> str:
    return f", the first {listed:,}" if listed < total else ""


def _lines(change: Change) -> Iterable[tuple[str, str, str, str, str]]:
    """Yield a line for each changed value, or one for a whole row."""
    if change.kind == CHANGED:
        for name, value in change.old.items():
            yield iso(change.ts), NAMES[CHANGED], name, repr(value), repr(change.new[name])
        return
    row = " ".join(f"{value!r}" for value in (change.old or change.new).values())
    cells = (row, "") if change.kind == ONLY_OLD else ("", row)
    yield iso(change.ts), NAMES[change.kind], " ".join(change.old or change.new), *cells


# Export


def extract_lines(extract: Extract) -> Iterable[str]:
    """Yield what a person should know of a file that was written."""
    yield (
        f"wrote {some(extract.rows, 'bar')} of {extract.timeframe} as {extract.format} to "
        f"{'standard output' if extract.out == STDOUT else extract.out}, {extract.first} to {extract.last}"
    )
    if extract.dropped:
        yield f"{some(extract.dropped, 'window')} with missing bars {'is' if extract.dropped == 1 else 'are'} not in it"
    if extract.filled:
        yield (
            f"{some(extract.filled, 'bar was', 'bars were')} made by gaps=fill; the column `filled` says which, and no "
            "ingest reads it: from this file they come back as bars of the source, another dataset"
        )
    if extract.same and extract.out != STDOUT:
        options = " ".join(("", *extract.options))
        yield f"the same dataset comes back: buff data ingest {extract.out}{options} --symbol SYMBOL"
