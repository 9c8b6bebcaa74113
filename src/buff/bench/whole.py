"""A CSV becomes a run in a process of its own, beside the way it is usually done, and what starting costs."""

import sys
from functools import partial
from itertools import count

from buff.bench.made import write_minutes
from buff.bench.place import Place
from buff.bench.processes import cost_of, environment, script
from buff.bench.turns import Case, Contender, Job, Subject
from buff.sample import MONTH, YEAR

TIMEFRAMES = {"1h": 14.0, "1m": 45.0}  # and how long they take
NEEDS = ("backtesting", "pandas")
STARTS = {"Buff, all that creates a run": "import buff; buff.create_run", "Buff, imported": "import buff"}


def subject(*, quick: bool) -> Subject:
    """Return what is measured."""
    rows = MONTH if quick else YEAR
    return Subject(
        name="whole",
        title="From a CSV to a result",
        says=(
            "`buff run create` reads, checks and stores a CSV of minutes, resamples it, trades a cross of two averages "
            "and commits a run that can be verified: every file hashed and synced, one event in the journal.",
            "The rival is the script that most people would write with pandas and backtesting.py: it reads, checks, "
            "resamples and trades, and writes bars, trades, equity and statistics; nothing is hashed or synced, and "
            "nobody could prove later what it did.",
            "Both are whole processes, imports included. The memory is the most the process ever had.",
        ),
        cases=(
            *(
                Case(
                    name=f"{rows:,} minutes, traded at {timeframe}",
                    contenders=(
                        Contender(who="Buff", prepare=partial(_ours, rows=rows, timeframe=timeframe)),
                        Contender(
                            who="pandas and backtesting.py",
                            prepare=partial(_theirs, rows=rows, timeframe=timeframe),
                            needs=NEEDS,
                        ),
                    ),
                    seconds=seconds,
                )
                for timeframe, seconds in TIMEFRAMES.items()
            ),
            Case(
                name="start and import",
                contenders=(
                    *(Contender(who=who, prepare=partial(_start, code=code)) for who, code in STARTS.items()),
                    Contender(who="Python, nothing imported (limit)", prepare=partial(_start, code="pass")),
                    Contender(
                        who="pandas and backtesting.py",
                        prepare=partial(_start, code="import pandas, backtesting"),
                        needs=NEEDS,
                    ),
                ),
                seconds=8,
            ),
        ),
    )


def _csv(place: Place, rows: int) -> str:
    return place.once(f"csv {rows}", lambda: write_minutes(place.path("minutes.csv"), rows))


def _ours(place: Place, rows: int, timeframe: str) -> Job:
    words = ["--csv", _csv(place, rows), "--symbol", "DEMO", "--strategy", "ma_cross", "--risk-level", "3"]
    command, turn = [sys.executable, "-m", "buff", "run", "create", *words, "--timeframe", timeframe], count()
    return lambda: cost_of(
        command, environment=environment(place, RUNS_ROOT=place.path(f"root-{timeframe}-{next(turn)}"))
    )


def _theirs(place: Place, rows: int, timeframe: str) -> Job:
    csv, turn = _csv(place, rows), count()
    return lambda: cost_of(
        script("typical", csv, place.path(f"typical-{timeframe}-{next(turn)}"), timeframe),
        environment=environment(place),
    )


def _start(place: Place, code: str) -> Job:
    return lambda: cost_of([sys.executable, "-c", code], environment=environment(place))
