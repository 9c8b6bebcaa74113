"""The plan past these machines: what a million runs, ten thousand symbols, a terabyte and a hundred workers come to.

The constants of `scale.py` go in; tables of text come out, by arithmetic alone. Nothing is measured here, and the page
that shows both is tested to be what this makes of the constants it shows.
"""

from collections.abc import Mapping

from attrs import frozen

from buff.bench.words import amount, duration, size

RUNS = 1_000_000
SYMBOLS, YEARS, YEAR_MINUTES = 10_000, 5, 525_600
TERABYTE = 10**12
WORKERS, SWEEP = 100, 100_000
RUN_BARS, LONG_BARS = 8_760, 43_800  # a year and five years of hours
CORES = (2, 16, 100)
MEMORY = (4 * 10**9, 16 * 10**9, 64 * 10**9)
WRITERS = 4  # threads of the committer that wait for the disk side by side
GIGABIT = 125_000_000  # bytes a second


@frozen(kw_only=True)
class Table:
    """Rows under headings."""

    name: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


def tables(constants: Mapping[str, float]) -> tuple[Table, ...]:
    """Return the tables of the plan."""
    return (_runs(constants), _symbols(constants), _terabyte(constants), _workers(constants))


def committed(constants: Mapping[str, float]) -> float:
    """Return the seconds by the clock that one committer needs for a run: its processor, or its share of the syncs."""
    return max(constants["commit"], constants["syncs"] * constants["sync"] / WRITERS)


def _runs(of: Mapping[str, float]) -> Table:
    return Table(
        name="runs",
        columns=("what", "of one run", f"of {RUNS:,}"),
        rows=(
            ("run directories", size(of["run"]), size(of["run"] * RUNS)),
            ("the same, decision records compressed", size(of["packed"]), size(of["packed"] * RUNS)),
            ("compressing them, one core", duration(of["pack"]), duration(of["pack"] * RUNS)),
            ("files and directories in them", amount(of["run_files"]), amount(of["run_files"] * RUNS)),
            ("journal", size(of["event"]), size(of["event"] * RUNS)),
            ("`index.json`", size(of["row"]), size(of["row"] * RUNS)),
            ("memory of each process that lists the root", size(of["resident"]), size(of["resident"] * RUNS)),
            ("opening the root", duration(of["open"]), duration(of["open"] * RUNS)),
            ("proving the whole journal", duration(of["prove"]), duration(of["prove"] * RUNS)),
            *(
                (f"making, {cores} cores", duration(of["make"] / cores), duration(of["make"] * RUNS / cores))
                for cores in CORES
            ),
            ("committing, one committer", duration(committed(of)), duration(committed(of) * RUNS)),
            *(
                (
                    f"recomputing all to verify, {cores} cores",
                    duration(of["verify"] / cores),
                    duration(of["verify"] * RUNS / cores),
                )
                for cores in CORES[:2]
            ),
            ("hashing all stored bytes, one core", duration(of["look"]), duration(of["look"] * RUNS)),
            *(
                (f"runs whose registry fits {size(room)} of memory", "", amount(room / of["resident"]))
                for room in MEMORY
            ),
        ),
    )


def _symbols(of: Mapping[str, float]) -> Table:
    one, bars = YEARS * YEAR_MINUTES, SYMBOLS * YEARS * YEAR_MINUTES
    longer = LONG_BARS / RUN_BARS
    return Table(
        name="symbols",
        columns=("what", "of one symbol", f"of {SYMBOLS:,}"),
        rows=(
            ("minutes", amount(one), amount(bars)),
            ("CSV files", size(of["csv_bar"] * one), size(of["csv_bar"] * bars)),
            ("datasets", size(of["stored_bar"] * one), size(of["stored_bar"] * bars)),
            *(
                (
                    f"ingest, {cores} cores",
                    duration(of["ingest_bar"] * one / cores),
                    duration(of["ingest_bar"] * bars / cores),
                )
                for cores in CORES
            ),
            (
                f"one run at 1h of each, {LONG_BARS:,} bars",
                size(of["run"] * longer),
                size(of["run"] * longer * SYMBOLS),
            ),
            (
                "making these runs, 2 cores",
                duration(of["make"] * longer / 2),
                duration(of["make"] * longer * SYMBOLS / 2),
            ),
            ("their events in the journal", size(of["event"]), size(of["event"] * SYMBOLS)),
        ),
    )


def _terabyte(of: Mapping[str, float]) -> Table:
    bars = TERABYTE / of["stored_bar"]
    return Table(
        name="terabyte",
        columns=("what", "comes to"),
        rows=(
            ("minutes in it", amount(bars)),
            ("years of minutes of one symbol", amount(bars / YEAR_MINUTES)),
            ("the CSV files it came from", size(of["csv_bar"] * bars)),
            *((f"ingest, {cores} cores", duration(of["ingest_bar"] * bars / cores)) for cores in CORES),
            ("sending it once over a gigabit a second", duration(TERABYTE / GIGABIT)),
            (
                "what one worker needs of it for runs of one symbol over five years at 1h",
                size(of["stored_bar"] * LONG_BARS),
            ),
        ),
    )


def _workers(of: Mapping[str, float]) -> Table:
    each, made = committed(of), 1 / of["make"]
    most = 1 / each
    return Table(
        name="workers",
        columns=("what", "comes to"),
        rows=(
            ("runs a second that one worker makes", amount(made)),
            (f"runs a second that {WORKERS} workers could make", amount(made * WORKERS)),
            ("runs a second that one committer commits", amount(most)),
            ("workers that keep one committer busy", amount(most / made)),
            ("bytes a second that arrive at the committer then", size(of["shipped"] * most)),
            ("runs a second that a gigabit a second carries", amount(GIGABIT / of["shipped"])),
            (f"processor time of a run from which on {WORKERS} workers are all busy", duration(each * WORKERS)),
            (f"a sweep of {SWEEP:,} runs, at the pace of the committer", duration(each * SWEEP)),
            (f"the same where a run takes a worker ten seconds, {WORKERS} workers", duration(SWEEP * 10 / WORKERS)),
        ),
    )
