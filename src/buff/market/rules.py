"""The rule catalogue: every reason for which Buff refuses a file, and the report of those it met.

Offences go in, in reading order; the error a user sees comes out: exact counts per rule, the first twenty offences in
line order, what to do. `docs/reference/csv_schema.md` documents every rule of this catalogue with an example.
"""

from collections.abc import Iterable, Mapping

from attrs import Factory, define, evolve, frozen

from buff.errors import DataInvalid

LISTED_MAX = 20
TEXT_MAX = 64


@frozen(kw_only=True)
class Rule:
    """What a rule asks of a file, and what to do about a file that breaks it. `stops`: reading ends at the offence."""

    asks: str
    hint: str
    stops: bool = False


RULES: Mapping[str, Rule] = {
    "ENCODING": Rule(
        asks="UTF-8 text, lines ended by LF or CRLF, no NUL bytes",
        hint="save the file as plain CSV in UTF-8 with LF or CRLF line ends; unpack archives first, and download a "
        "damaged one again",
        stops=True,
    ),
    "DELIMITER": Rule(
        asks="cells separated as the profile says (commas under `buff`)",
        hint="choose the profile of the file's vendor, or export the file with commas between cells and decimal points",
        stops=True,
    ),
    "EMPTY": Rule(asks="a header line and at least one row", hint="check that the export was complete", stops=True),
    "HEADER": Rule(
        asks="a header line whose names are neither empty nor repeated",
        hint="choose the profile of the file's vendor, or give every column one name of its own in the first line",
        stops=True,
    ),
    "COLUMNS": Rule(
        asks="the columns of the profile: one time column and open, high, low, close, volume",
        hint="choose the profile of the file's vendor, or say what a column is called, for example --columns ts=Stamp",
        stops=True,
    ),
    "SIZE": Rule(asks="at most 64 KiB a line", hint="check that the file has line ends", stops=True),
    "RAGGED": Rule(
        asks="as many cells in every row as in the header, and blank lines only at the end",
        hint="look at the line for a missing or additional comma, or a line cut short",
    ),
    "CELL": Rule(
        asks="times in a form of the profile (under `buff` YYYY-MM-DD HH:MM[:SS] or epoch digits), numbers as plain "
        "decimals of at most 32 characters",
        hint="write the cell as a plain value; Buff fills in and guesses nothing",
    ),
    "SIGN": Rule(
        asks="prices above zero, volume zero or more",
        hint="correct the value at its source; Buff drops no row by itself",
    ),
    "OHLC": Rule(
        asks="a high at or above, and a low at or below, open and close",
        hint="correct the bar at its source; columns in another order than their names are the usual cause",
    ),
    "TIMEZONE": Rule(
        asks="times that carry Z or an offset, or one declared zone for naive ones",
        hint="declare the zone of naive times, for example --timezone UTC, and none for times with Z or an offset",
    ),
    "UNIT": Rule(
        asks="one kind of time throughout: ISO, or plain epoch digits of one unit",
        hint="write all times in one form; epoch values are whole numbers of s, ms, us or ns",
    ),
    "ORDER": Rule(
        asks="rows in ascending time, or newest first where the profile says so",
        hint="sort the file by time, oldest first",
    ),
    "DUPLICATE": Rule(asks="one row per time", hint="remove the repeated row; Buff does not choose between two"),
    "ALIGNMENT": Rule(
        asks="times on the grid of the base timeframe, counted from midnight UTC",
        hint="times must be the opening times of bars; see --timezone for zones with odd offsets",
    ),
    "SPACING": Rule(asks="rows as far apart as the base timeframe says", hint="pass the --base-timeframe of the file"),
    "GAP": Rule(
        asks="no missing bar between the first and the last",
        hint="get the missing rows, or say what to do with gaps: --gaps keep (go on at the next bar) or --gaps fill "
        "(flat bars without volume); both are recorded",
    ),
}


# What may lie in the order of the files, where it is met behind the first of them.
_SEAMS = ("ORDER", "DUPLICATE")
_OLDEST_FIRST = "give the files from the oldest to the newest, each once and none that overlap; within a file"


@frozen(kw_only=True)
class Offence:
    """One place in a file that breaks one rule.

    line: physical, 1-based, header counted. column: as the header writes it, or None for a whole line.
    text: what stands there, cut to 64 characters. hint: better than the rule's own, or None.
    """

    file: str
    line: int
    column: str | None
    text: str
    rule: str
    says: str
    hint: str | None = None

    def as_dict(self, *, several: bool) -> dict[str, object]:
        """The JSON shape of an offence; it names its file where there were several."""
        shown: dict[str, object] = {
            "line": self.line,
            "column": self.column,
            "text": clip(self.text),
            "rule": self.rule,
            "says": self.says,
        }
        return {"file": self.file, **shown} if several else shown


class Halt(Exception):
    """An offence after which nothing else in the file can be read (the rules that stop)."""

    def __init__(self, offence: Offence) -> None:
        """Keep the offence; the ingest catches it and closes the report."""
        super().__init__(offence.says)
        self.offence = offence


@define
class Offences:
    """All offences met so far: exact counts, and enough of them to list the first twenty in line order.

    Steps longer than the base (GAP) are kept apart until the end, when it is known whether they were gaps or the
    spacing of the whole file (SPACING).
    """

    _counts: dict[str, int] = Factory(dict)
    _first: list[tuple[int, Offence]] = Factory(list)
    _first_gaps: list[tuple[int, Offence]] = Factory(list)

    def add(self, offence: Offence, file_number: int) -> None:
        """Count an offence; keep it when it may be listed. `file_number` orders the files."""
        self._counts[offence.rule] = self._counts.get(offence.rule, 0) + 1
        listed = self._first_gaps if offence.rule == "GAP" else self._first
        if len(listed) < LISTED_MAX or offence.rule == "SPACING":
            listed.append((file_number, offence))

    def count(self, rule: str, many: int) -> None:
        """Count offences that will not be listed: later ones than those that are."""
        self._counts[rule] = self._counts.get(rule, 0) + many

    def besides(self, rule: str) -> bool:
        """Whether another rule than this one was offended."""
        return any(other != rule for other in self._counts)

    @property
    def full(self) -> bool:
        """Whether as many are kept as are ever listed, so that later ones need only be counted."""
        return len(self._first) >= LISTED_MAX

    @property
    def full_of_gaps(self) -> bool:
        """Whether that is so of later gaps."""
        return len(self._first_gaps) >= LISTED_MAX

    def __bool__(self) -> bool:
        return bool(self._counts)

    def forget_gaps(self) -> None:
        """Take back every GAP: they were the spacing of the file."""
        self._counts.pop("GAP", None)
        self._first_gaps.clear()

    def advise_gaps(self, hint: str) -> None:
        """Say the same of what to do about every GAP."""
        self._first_gaps = [(number, evolve(offence, hint=hint)) for number, offence in self._first_gaps]

    def error(self, *, several: bool) -> DataInvalid:
        """Return the error that reports them all."""
        # Stable: offences of one line stay in the order in which the judge found them.
        found = sorted(self._first + self._first_gaps, key=lambda each: (each[0], each[1].line))
        listed = [offence for _, offence in found[:LISTED_MAX]]
        if found[0][0] > 1 and listed[0].rule in _SEAMS and listed[0].hint is None:
            listed[0] = evolve(listed[0], hint=f"{_OLDEST_FIRST}, {RULES[listed[0].rule].hint}")
        return report(listed, self._counts, several=several)


def report(listed: list[Offence], counts: Mapping[str, int], *, several: bool) -> DataInvalid:
    """Return DATA_INVALID for offences in line order, of which the first gives the rule, the sentence and the hint."""
    first, total = listed[0], sum(counts.values())
    rest = f" ({total:,} offences in all: {_spelled(sorted(counts.items()))})" if total > 1 else ""
    return DataInvalid(
        f"{first.file}, line {first.line}: {first.says}{rest}",
        rule=first.rule,
        hint=first.hint or RULES[first.rule].hint,
        details={
            "counts": {rule: counts[rule] for rule in sorted(counts)},
            "total": total,
            "offences": [offence.as_dict(several=several) for offence in listed],
        },
    )


def clip(text: str) -> str:
    """Return text that fits a message: at most 64 characters, the rest as an ellipsis."""
    return text if len(text) <= TEXT_MAX else text[: TEXT_MAX - 1] + "…"


def _spelled(counts: Iterable[tuple[str, int]]) -> str:
    return ", ".join(f"{rule} {count:,}" for rule, count in counts)
