"""Ingest: a CSV of minutes to checked, stored columns, beside pandas and beside the bare parse of pyarrow."""

import sys
from collections.abc import Callable
from itertools import count

from buff.bench.made import write_minutes
from buff.bench.place import Place
from buff.bench.processes import cost_of, environment, script
from buff.bench.turns import Case, Contender, Job, Subject, repeated
from buff.datasets import DatasetWriter
from buff.files import RealDisk, remove_tree
from buff.inputs import opened
from buff.market.ingest import ingest
from buff.market.options import CsvOptions
from buff.market.source import Columns
from buff.market.timeframe import Timeframe
from buff.sample import MONTH, YEAR


def subject(*, quick: bool) -> Subject:
    """Return what is measured."""
    rows = MONTH if quick else YEAR
    return Subject(
        name="ingest",
        title="Ingest",
        says=(
            "A CSV of ISO minutes becomes columns that are checked, hashed, stored and synced.",
            "In processes of their own Buff is the command `buff data ingest`, its journal included, and pandas a "
            "script with those of Buff's rules that can be seen after its parse; imports count for both.",
            "Afterwards the same in a process that has imported everything, beside a parse of pyarrow on one thread "
            "that checks, hashes and stores nothing: less than that nobody can do who uses it, as Buff does.",
        ),
        cases=(
            Case(
                name=f"{rows:,} minutes, a process of its own",
                contenders=(
                    Contender(who="Buff", prepare=lambda place: _ours(place, rows)),
                    Contender(
                        who="pandas, the same checks",
                        prepare=lambda place: _theirs(place, rows, "all"),
                        needs=("pandas",),
                    ),
                    Contender(
                        who="pandas, without those of the quality report",
                        prepare=lambda place: _theirs(place, rows, "fewer"),
                        needs=("pandas",),
                    ),
                ),
                seconds=14,
            ),
            Case(
                name=f"{rows:,} minutes, imports done",
                contenders=(
                    Contender(who="Buff, stored and synced", prepare=lambda place: _stored(place, rows)),
                    Contender(who="Buff, read and checked", prepare=lambda place: _read(place, rows)),
                    Contender(who="pyarrow, bare parse (limit)", prepare=lambda place: _bare(place, rows)),
                ),
                seconds=4,
            ),
        ),
    )


def _csv(place: Place, rows: int) -> str:
    return place.once(f"csv {rows}", lambda: write_minutes(place.path("minutes.csv"), rows))


def _ours(place: Place, rows: int) -> Job:
    csv, turn = _csv(place, rows), count()
    words = ["-m", "buff", "data", "ingest", csv, "--symbol", "DEMO", "--runs-root"]
    return lambda: cost_of([sys.executable, *words, place.path(f"root-{next(turn)}")], environment=environment(place))


def _theirs(place: Place, rows: int, checks: str) -> Job:
    csv, turn = _csv(place, rows), count()
    return lambda: cost_of(
        script("checked", csv, place.path(f"{checks}-{next(turn)}"), checks), environment=environment(place)
    )


def read(path: str, write: Callable[[Columns], None]) -> int:
    """Read and check a file of minutes by all rules of the contract; return how many rows it has."""
    (file,) = opened([path])
    return ingest([file], CsvOptions(), write=write, rows_max=10**9, bytes_max=10**12).rows


def store(path: str, staged: str) -> int:
    """Read, check and store a file of minutes as columns in a new directory; return how many rows it has."""
    writer = DatasetWriter(RealDisk(), staged, Timeframe.MINUTE_1)
    read(path, writer.write)
    return writer.finish().rows


def _read(place: Place, rows: int) -> Job:
    csv = _csv(place, rows)
    return repeated(lambda: read(csv, lambda block: None))


def _stored(place: Place, rows: int) -> Job:
    csv, staged = _csv(place, rows), place.path("staged")

    def once() -> None:
        assert store(csv, staged) == rows
        remove_tree(RealDisk(), staged)

    return repeated(once)


def _bare(place: Place, rows: int) -> Job:
    import pyarrow.csv

    csv, one_thread = _csv(place, rows), pyarrow.csv.ReadOptions(use_threads=False)
    return repeated(lambda: pyarrow.csv.read_csv(csv, read_options=one_thread))
