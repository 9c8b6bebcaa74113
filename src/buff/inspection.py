"""Inspection: what some files hold, how they may be read, and what an ingest would say of them. Nothing is stored.

Paths and options as of a request go in; plain values come out, ready for JSON, with the error by which an ingest would
refuse the files as they were asked for. What is suggested is only ever shown under the options it needs: a reading
that nobody asked for says so.
"""

import shlex
from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from attrs import Factory, define, frozen

from buff.errors import BuffError, DataInvalid, LimitExceeded, RunConfigInvalid
from buff.inputs import Kept, Named, opened
from buff.intake import READING, Progress, doubted
from buff.market import tables
from buff.market.bars import COLUMNS, VALUES, Bars
from buff.market.detect import (
    PREFIX_BYTES,
    SHOWN_ROWS,
    TRIAL_ROWS,
    Detection,
    Glimpse,
    Suggestion,
    detect,
    kind_words,
    option_words,
)
from buff.market.draft import DRAFT
from buff.market.header import TABLES
from buff.market.ingest import FILL_GAP_MS_MAX, FILL_SHARE, Ingested, ingest
from buff.market.options import FILL, KEEP, CsvOptions
from buff.market.profiles import DESCENDING, PROFILES, Profile
from buff.market.quality import dataset_facts
from buff.market.source import Broken, Columns, Source
from buff.market.spacing import Spacing, Windows, base_of, questions, run_timeframe, some
from buff.market.timeframe import DAY_MS, Timeframe, coarser_or_equal
from buff.settings import Settings
from buff.times import iso

QUALITY_ROWS_MAX = 600_000  # what is held in memory for it: about 30 MB
DRAFT_FILE = f"{DRAFT}.toml"
UNKNOWN_SYMBOL = "SYMBOL"
OTHERS_SHOWN = 10
_NS = 1_000_000
# The order in which options are written.
_OPTIONS = ("profile", "timezone", "columns", "stamp", "volume", "ticker", "base_timeframe", "gaps")
_ZONES = "UTC, an offset such as -05:00, or a name such as America/New_York"


@define(kw_only=True)
class _Look:
    """What is kept of the accepted bars of one reading: the first rows, the spacing, and all of a small file.

    hours: of the timeframe that would be suggested, or None where the base has none.
    """

    spacing: Spacing
    hours: Windows | None
    first: list[list[Any]] = Factory(list)
    blocks: list[Columns] = Factory(list)
    rows: int = 0

    def take(self, columns: Columns) -> None:
        for row in range(min(SHOWN_ROWS - len(self.first), len(columns["ts"]))):
            self.first.append([iso(columns["ts"][row]), *(float(columns[name][row]) for name in VALUES)])
        self.spacing.take(columns["ts"][columns["filled"] == 0])
        if self.hours is not None:
            self.hours.take(columns["ts"])
        self.rows += len(columns["ts"])
        if self.rows > QUALITY_ROWS_MAX:
            self.blocks.clear()
        else:
            self.blocks.append(columns)

    def quality(self) -> dict[str, int] | None:
        """Return how often each check of the quality report found something, or None for a file too large for that."""
        if not self.blocks:
            return None
        whole: dict[str, Any] = {name: np.concatenate([block[name] for block in self.blocks]) for name in COLUMNS}
        facts = dataset_facts(Bars(timeframe=self.spacing.base, **whole), dict.fromkeys(VALUES))
        return {name: int(facts["checks"][name]["count"]) for name in ("stale", "spikes", "volume_jumps")}


@frozen(kw_only=True)
class _Read:
    """What came of one reading. said: the options, without what is the default."""

    said: Mapping[str, Any]
    options: CsvOptions
    look: _Look
    ingested: Ingested | None
    error: DataInvalid | LimitExceeded | None


def inspect_files(
    paths: Sequence[Named], options: Mapping[str, Any], *, settings: Settings, progress: Progress
) -> tuple[dict[str, Any], BuffError | None]:
    """Return what the files hold as plain values, and the error with which an ingest would refuse them, if it would.

    options: `profile` (a name, a table or a Profile), `timezone`, `gaps`, `base_timeframe`, `columns`, `stamp`,
    `volume`, `ticker`; None is what was not said. The first file alone says what the form is.
    Raises DataSourceNotFound, LimitExceeded, and what `CsvOptions` raises for wrong options.
    """
    given = {name: options[name] for name in _OPTIONS if options.get(name) is not None and options[name] != {}}
    seen = _glimpse(opened(paths)[0], settings.csv_bytes_max)
    others = detect(seen, _csv({name: value for name, value in given.items() if name != "profile"}))

    def look(said: Mapping[str, Any]) -> _Read:
        return _read(paths, said, settings=settings, progress=progress)

    asked, refusal = _asked(look, given)
    own = detect(seen, _csv({"profile": PROFILES["buff"], **given}))
    shown, suggestion = asked, (own.suggestions or (None,))[0]
    if refusal is not None:
        likely = own.likely if "profile" in given and own.likely is not None else others.likely
        better = None if likely is None else _better(look, given, likely)
        if better is not None and (better.error is None or _form(better.said) != _form(given)):
            shown, suggestion = better, likely
        elif likely is not None and suggestion is not None and not suggestion.fits:
            suggestion = likely
    typed = [path.name if isinstance(path, Kept) else path for path in paths]
    return _told(typed, given, refusal, shown, suggestion, others), refusal


def _asked(
    look: Callable[[Mapping[str, Any]], _Read], given: Mapping[str, Any]
) -> tuple[_Read | None, BuffError | None]:
    """Return the reading that the options ask for, and why it is refused; no reading where they do not say whose rows.

    A file of many instruments is worth a look before one is named.
    """
    try:
        found = look(given)
    except RunConfigInvalid as error:
        if error.details.get("field") != "ticker":
            raise
        return None, error
    if isinstance(found.error, LimitExceeded):
        raise found.error
    return found, found.error


def _better(look: Callable[[Mapping[str, Any]], _Read], given: Mapping[str, Any], likely: Suggestion) -> _Read:
    """Return the reading by a suggestion, with what the user said about bases and gaps, or what the rows say."""
    said: dict[str, Any] = {"profile": likely.profile, **likely.options, "gaps": given.get("gaps", KEEP)}
    base = given.get("base_timeframe") or _base_of(likely)
    found = look(_ordered({**said, "base_timeframe": base}))
    if "base_timeframe" not in given and base and found.error and "ALIGNMENT" in _counts(found.error):
        found = look(_ordered({**said, "base_timeframe": None}))  # the beginning of the file was coarser than the rest
    if "gaps" not in given and found.ingested is not None and not found.ingested.gap_count:
        return look({name: value for name, value in found.said.items() if name != "gaps"})
    return found


def _base_of(likely: Suggestion) -> str | None:
    """Return the base that the first rows suggest, where it is another than the default."""
    base = base_of(_steps_ms(likely))
    return None if base in (None, Timeframe.MINUTE_1) else base.value if base else None


def _steps_ms(suggestion: Suggestion) -> list[int]:
    stamps = sorted({ns // _NS for _, ns in suggestion.times})
    return [after - before for before, after in pairwise(stamps)]


def _counts(error: BuffError) -> Mapping[str, int]:
    counts = error.details.get("counts", {})
    assert isinstance(counts, Mapping)
    return counts


def _form(said: Mapping[str, Any]) -> dict[str, Any]:
    """Return what options say of the form of a file: all but the gaps."""
    chosen = {name: value for name, value in said.items() if name != "gaps"}
    profile = chosen.get("profile", "buff")
    return {**chosen, "profile": profile.name if isinstance(profile, Profile) else profile}


def _ordered(said: Mapping[str, Any]) -> dict[str, Any]:
    return {name: said[name] for name in _OPTIONS if said.get(name) is not None}


def _csv(said: Mapping[str, Any]) -> dict[str, Any]:
    """Return the same options by the names of `CsvOptions`."""
    return {"base" if name == "base_timeframe" else name: value for name, value in said.items()}


# Reading


def _glimpse(file: Source, bytes_max: int) -> Glimpse:
    """Return the beginning of a file. A table is read whole, since its columns are named at its end."""
    held, wanted, whole = bytearray(), PREFIX_BYTES, True
    names: tuple[str, ...] = ()
    rows: tuple[tuple[str, ...], ...] = ()
    broken: str | None = None
    try:
        for chunk in file.chunks():
            held += chunk
            if held.startswith(TABLES):
                wanted = bytes_max
            if len(held) > wanted:
                whole = False
                break
        if whole and held.startswith(TABLES):
            names, rows = tables.glimpse(bytes(held), TRIAL_ROWS)
    except Broken as error:
        whole = False
        broken = None if held and not held.startswith(TABLES) else str(error)
    return Glimpse(
        name=file.name,
        member=file.member,
        first=bytes(held[:PREFIX_BYTES]),
        whole=whole,
        names=names,
        rows=rows,
        broken=broken,
    )


def _read(paths: Sequence[Named], said: Mapping[str, Any], *, settings: Settings, progress: Progress) -> _Read:
    options = CsvOptions(**_csv(said))
    files = opened(paths)
    total = sum(file.size or 0 for file in files)
    hourly = coarser_or_equal(Timeframe.HOUR_1, options.base)
    hours = Windows(base=options.base, timeframe=Timeframe.HOUR_1) if hourly else None
    look, found, error = _Look(spacing=Spacing(base=options.base), hours=hours), None, None
    try:
        read = ingest(
            files,
            options,
            write=look.take,
            tick=lambda done: progress(READING, done, total),
            rows_max=settings.rows_max,
            bytes_max=settings.csv_bytes_max,
        )
        found = doubted(read, files)
    except (DataInvalid, LimitExceeded) as refused:
        error = refused
    return _Read(said=said, options=options, look=look, ingested=found, error=error)


# Telling


def _told(
    paths: Sequence[str],
    given: Mapping[str, Any],
    refusal: BuffError | None,
    shown: _Read | None,
    suggestion: Suggestion | None,
    others: Detection,
) -> dict[str, Any]:
    told: dict[str, Any] = {
        "accepted": refusal is None,
        "files": list(paths),
        "detected": _detected(others),
        "first_rows": _first_rows(shown, suggestion),
        "times": None if suggestion is None else _times(suggestion, shown),
        "spacing": _spacing(shown, suggestion),
        "questions": [] if suggestion is None else _questions(shown, suggestion),
        "read_as": None if shown is None else _read_as(shown, given),
        "choices": [],
        "commands": {},
        "next": _command("buff data inspect", paths, given if shown is None else shown.said),
    }
    if refusal is not None:
        told["problem"] = refusal.as_dict()
    if shown is not None and shown.ingested is not None:
        told |= _facts(shown, shown.ingested)
        told["choices"] = _choices(given, shown, suggestion)
        told["commands"] = _commands(paths, shown, suggestion)
        told["next"] = told["commands"]["create"]
    return told


def _detected(found: Detection) -> dict[str, Any]:
    return {
        "form": found.form,
        "alien": found.alien,
        "advice": list(found.advice),
        "draft": found.likely.draft if found.likely is not None else None,
        "suggestions": [
            {
                "profile": each.profile.name,
                "title": each.profile.title,
                "fits": each.fits,
                "options": _plain(each.options),
                "reasons": list(each.reasons),
                "why_not": each.why_not,
                "same_rows": each.same,
            }
            for each in found.suggestions
        ],
    }


def _plain(said: Mapping[str, Any]) -> dict[str, Any]:
    """Return options as JSON can carry them: a profile as its name."""
    names = {name: _named(value) if name == "profile" else value for name, value in said.items()}
    return {name: dict(value) if isinstance(value, Mapping) else value for name, value in names.items()}


def _named(profile: Any) -> str:
    return str(profile.get("name") if isinstance(profile, Mapping) else getattr(profile, "name", profile))


def _first_rows(shown: _Read | None, suggestion: Suggestion | None) -> list[list[Any]]:
    if shown is not None and shown.look.first:
        return shown.look.first
    bars = () if suggestion is None else suggestion.bars
    return [[iso(int(bar[0])), *bar[1:]] for bar in bars]


def _times(suggestion: Suggestion, shown: _Read | None) -> dict[str, Any]:
    return {
        "first": suggestion.times[0][0] if suggestion.times else None,
        "is": kind_words(suggestion.kind, zoned=suggestion.zoned),
        "kind": suggestion.kind,
        "zone": _zone(suggestion, shown),
    }


def _zone(suggestion: Suggestion, shown: _Read | None) -> str:
    if suggestion.zoned is None:
        return "not known"
    if suggestion.zoned:
        return "in each time" if suggestion.kind == "iso" or "%" in str(suggestion.kind) else "UTC, as epochs are"
    profile = suggestion.profile
    if profile.zone is not None:
        return f"{profile.zone}, as profile {profile.name} says"
    said = None if shown is None else shown.said.get("timezone")
    return f"not in the file; read as {said}" if said else f"not in the file: say --timezone ({_ZONES})"


def _spacing(shown: _Read | None, suggestion: Suggestion | None) -> dict[str, Any] | None:
    """Return the usual step of the accepted rows, or of the first ones in order of time where none were accepted.

    `back`: how many of these do not come after the row before them in the file.
    """
    found = None if shown is None else shown.look.spacing.as_dict()
    if shown is not None and found is not None:
        return {**found, "whole": shown.error is None, "back": 0}
    if suggestion is None or len(suggestion.times) < 2:
        return None
    back = sum(after <= before for (_, before), (_, after) in pairwise(suggestion.times))
    if suggestion.profile.order == DESCENDING:
        back = len(suggestion.times) - 1 - back
    beginning = Spacing(base=Timeframe.MINUTE_1)
    beginning.take(np.array(sorted({ns // _NS for _, ns in suggestion.times}), np.int64))
    counted = beginning.as_dict()
    return None if counted is None else {**counted, "whole": False, "back": back}


def _questions(shown: _Read | None, suggestion: Suggestion) -> list[str]:
    spacing = _spacing(shown, suggestion)
    if spacing is None:
        return []
    asked = []
    if suggestion.tried.declaration.stamp == "open":
        options = suggestion.tried if shown is None else shown.options
        first_ms = min(ns for _, ns in suggestion.times) // _NS if suggestion.times else 0
        offset_ms = options.zone.offset_ms(first_ms, first_ms) if options.zone is not None else 0
        asked += questions(suggestion.times, spacing["step_ms"], offset_ms or 0)
    if spacing["base_timeframe"] is None:
        asked.append(f"most rows are {spacing['apart']} apart, which is no base timeframe: is this the right file?")
    return asked


def _read_as(shown: _Read, given: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "options": _plain(shown.said),
        "words": _words(shown.said),
        "given": _plain(shown.said) == _plain(given),
        "accepted": shown.error is None,
        "problem": None if shown.error is None else shown.error.as_dict(),
    }


def _facts(shown: _Read, found: Ingested) -> dict[str, Any]:
    return {
        "profile": shown.options.profile.name,
        "timezone": shown.options.timezone,
        "base_timeframe": shown.options.base.value,
        "rows": found.rows,
        "first": iso(found.first_ts),
        "last": iso(found.last_ts),
        "gaps": found.gap_count,
        "missing": found.missing,
        "filled": found.filled,
        "gap_kinds": shown.look.spacing.gap_dict(),
        "windows": _hours(shown),
        "zero_volume": found.zero_volume,
        "quality": shown.look.quality(),
        "warnings": list(found.warnings),
        "sources": [dict(source) for source in found.sources],
    }


def _choices(given: Mapping[str, Any], shown: _Read, suggestion: Suggestion | None) -> list[dict[str, str]]:
    """Return what the commands say that the file does not: the user's to decide."""
    said = {name: value for name, value in shown.said.items() if name not in given}
    found = []
    if "timezone" in said:
        hint = shown.options.profile.hints.get("TIMEZONE") or f"their zone: {_ZONES}"
        found.append(_choice(f"--timezone {said['timezone']}", "no time in the file says its zone", hint))
    if "gaps" in said:
        found.append(_choice(f"--gaps {said['gaps']}", "bars are missing", _fill_words(shown)))
    if "ticker" in said and suggestion is not None and len(suggestion.tickers) > 1:
        others = [each for each in suggestion.tickers if each != said["ticker"]]
        more = ", ..." if len(others) > OTHERS_SHOWN else ""
        why = "the file has the rows of many instruments"
        found.append(_choice(f"--ticker {said['ticker']}", why, f"one of {', '.join(others[:OTHERS_SHOWN])}{more}"))
    for name, why in (("columns", "the header has other names"), ("volume", "the header names no volume")):
        if name in said:
            words = shlex.join(option_words({name: said[name]}))
            found.append(_choice(words, why, "--columns with the names that are meant"))
    if _symbol(suggestion) is None:
        found.append(
            _choice(f"--symbol {UNKNOWN_SYMBOL}", "the file does not say what is traded", "its symbol, such as BTCUSDT")
        )
    return found


def _choice(option: str, why: str, instead: str) -> dict[str, str]:
    return {"option": option, "why": why, "instead": instead}


def _fill_words(shown: _Read) -> str:
    found = shown.ingested
    longest = shown.look.spacing.longest
    assert found is not None
    step_ms = shown.options.step_ns // _NS
    too_long = longest is not None and longest[1] - longest[0] - step_ms > FILL_GAP_MS_MAX
    if too_long or found.missing * FILL_SHARE > found.rows:
        return "get the missing rows; --gaps fill would make too many bars here"
    return f"--gaps {FILL}, which makes {some(found.missing, 'flat bar')} without volume"


def _symbol(suggestion: Suggestion | None) -> str | None:
    return None if suggestion is None else suggestion.symbol


def _commands(paths: Sequence[str], shown: _Read, suggestion: Suggestion | None) -> dict[str, str]:
    symbol, plural = _symbol(suggestion) or UNKNOWN_SYMBOL, shown.options.profile.plural
    said = {name: value for name, value in shown.said.items() if name != "ticker" or (plural and value != symbol)}
    words = [f"--csv {shlex.quote(path)}" for path in paths]
    create = " ".join(filter(None, ["buff run create", *words, _words(said), f"--symbol {shlex.quote(symbol)}"]))
    return {
        "ingest": f"{_command('buff data ingest', paths, said)} --symbol {shlex.quote(symbol)}",
        "create": f"{create} --timeframe {_timeframe(shown)} --strategy ma_cross --risk-level 3",
    }


def _timeframe(shown: _Read) -> str:
    """Return a timeframe that the data have whole windows of."""
    found, hours = shown.ingested, _hours(shown)
    assert found is not None, "what was refused suggests no run"
    whole = 0 if hours is None else hours["whole"]
    return run_timeframe(shown.options.base, whole, found.last_ts - found.first_ts).value


def _hours(shown: _Read) -> dict[str, Any] | None:
    """Return the counts of hours, whole and not, or None where hours are no timeframe for these data."""
    found, hours = shown.ingested, shown.look.hours
    assert found is not None
    day = found.last_ts - found.first_ts >= DAY_MS - 3_600_000
    return hours.as_dict() if hours is not None and hours.timeframe is not shown.options.base and day else None


def _command(verb: str, paths: Sequence[str], said: Mapping[str, Any]) -> str:
    return " ".join(filter(None, [verb, *(shlex.quote(path) for path in paths), _words(said)]))


def _words(said: Mapping[str, Any]) -> str:
    """Return options as they are typed: a profile of one's own is a file of its name."""
    shown = _ordered(said)
    profile = shown.pop("profile", None)
    named: dict[str, Any] = {}
    if profile is not None:
        name = _named(profile)
        own = not isinstance(profile, str) and (name not in PROFILES or PROFILES[name] != profile)
        named = {"profile-file": f"{name}.toml"} if own else {"profile": name}
    if isinstance(profile, Profile) and named == {"profile": "buff"}:
        named = {}  # the default, which nobody said
    return shlex.join(option_words({**named, **shown}))
