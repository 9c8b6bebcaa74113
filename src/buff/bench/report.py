"""The report of a suite: what was measured, on what, as rows for people and as plain values for programs.

Values go in; rows of text or a document come out. A contender that could not take part keeps its row, which says why.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from attrs import frozen

from buff.bench.extras import INSTALL
from buff.bench.scale import CONSTANTS
from buff.bench.suite import Found
from buff.bench.turns import Measured, Taken
from buff.bench.words import NONE, amount, duration, size

COLUMNS = ("job", "who", "rounds", "clock", "processor", "memory", "clock ratio", "processor ratio")
NUMBERS = COLUMNS[2:]
CONSTANT_COLUMNS = ("constant", "value", "unit", "what it is")


@frozen(kw_only=True)
class Report:
    """All that one call of the suite found: `machine` and how it was called, the subjects, and the constants, if asked.

    `load` is that before and after, `seconds` how long it took by the clock.
    """

    date: str
    command: str
    machine: Mapping[str, str]
    load: tuple[str, str]
    seconds: float
    found: tuple[Found, ...]
    constants: Mapping[str, float] | None

    @property
    def facts(self) -> dict[str, str]:
        """What every figure depends on, by its name."""
        return {
            "date": self.date,
            "command": self.command,
            "took": duration(self.seconds),
            "load before, after": ", ".join(self.load),
            **self.machine,
        }

    def as_dict(self) -> dict[str, Any]:
        """Return everything as plain values; times are seconds and sizes bytes."""
        return {
            "facts": self.facts,
            "subjects": [
                {"name": each.subject.name, "title": each.subject.title, "cases": [_case(case) for case in each.cases]}
                for each in self.found
            ],
            "constants": None if self.constants is None else dict(self.constants),
        }


def _case(case: Measured) -> dict[str, Any]:
    taken = [
        {
            "who": each.who,
            "rounds": len(each.turns),
            "wall_seconds": each.wall,
            "cpu_seconds": each.cpu,
            "peak_bytes": each.peak,
            "wall_ratio": case.wall_ratio(at),
            "cpu_ratio": case.cpu_ratio(at),
            "lacks": list(each.lacks),
            "failed": each.failed,
        }
        for at, each in enumerate(case.taken)
    ]
    return {"name": case.case, "taken": taken}


def rows(found: Found) -> Iterator[tuple[str, ...]]:
    """Yield the rows of a subject's table."""
    for case in found.cases:
        for at, each in enumerate(case.taken):
            yield (case.case, each.who, *_numbers(case, at, each))


def _numbers(case: Measured, at: int, taken: Taken) -> tuple[str, ...]:
    if not taken.turns:
        said = f"not installed: {', '.join(taken.lacks)}" if taken.lacks else "failed"
        return ("0", said, *(NONE for _ in NUMBERS[2:]))
    compared = len(case.taken) > 1
    ratios = (case.wall_ratio(at), case.cpu_ratio(at)) if compared else (None, None)
    return (
        str(len(taken.turns)),
        duration(taken.wall),
        duration(taken.cpu),
        size(taken.peak),
        *(amount(ratio) for ratio in ratios),
    )


def remarks(found: Found) -> Iterator[str]:
    """Yield a sentence about everybody who did not take part."""
    for case in found.cases:
        for each in case.taken:
            if each.failed is not None:
                yield f"{case.case}: {each.who} failed: {each.failed}"
    lacks = sorted({name for case in found.cases for each in case.taken for name in each.lacks})
    if lacks:
        yield f"Not installed: {', '.join(lacks)}. `{INSTALL}` brings every rival."


def constant_rows(constants: Mapping[str, float]) -> Iterator[tuple[str, ...]]:
    """Yield the rows of the table of constants, from which they can be read again."""
    for each in CONSTANTS:
        yield (each.name, f"{constants[each.name]:.12g}", each.unit, each.says)
