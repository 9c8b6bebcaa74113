"""Drafts: profiles of a user's own that may read a file which no profile of the table reads.

The first rows of a file, cut at one separator, go in; declarations worth a trial come out. A draft declares only what
stands in those rows: where the day may be the month, or a time is of no form that can be declared, there is none.
Whether a draft fits is for the readers to say (`buff.market.detect`); nothing here reads a file.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from attrs import frozen

from buff.market.forms import EPOCH, EPOCH_POINT, read
from buff.market.header import looks_like_data
from buff.market.profiles import ASCENDING, CSV, DESCENDING, JSON, NONE, REQUIRED, ROLES, Profile
from buff.market.timestamps import ISO, Stamp

DRAFT = "mine"
ANY = (ISO, EPOCH)
_ROWS = 200
_YEAR_1971 = 31_536_000
# The orders in which sources without a header give the four prices: most; Bitfinex and KuCoin; Coinbase; yfinance.
_PRICE_ORDERS = (
    ("open", "high", "low", "close"),
    ("open", "close", "high", "low"),
    ("low", "high", "open", "close"),
    ("close", "high", "low", "open"),
)
_CLOCK = re.compile(r"\d\d:\d\d(?::\d\d(?:\.\d{1,9})?)?", re.ASCII)
_BARE_CLOCK = re.compile(r"[0-2]\d[0-5]\d(?:[0-5]\d)?", re.ASCII)
_DAY = re.compile(
    r"(?:(?P<y>\d{4})(?P<s>[-./]?)(?P<m>\d\d)(?P=s)(?P<d>\d\d)|(?P<a>\d\d)(?P<t>[-./])(?P<b>\d\d)(?P=t)(?P<z>\d{4}))",
    re.ASCII,
)
_TIME_OF_DAY = re.compile(
    r"(?P<gap>[ T_;,]?)(?P<h>\d\d)(?P<colon>:?)(?P<min>\d\d)(?:(?P=colon)(?P<sec>\d\d))?(?P<f>\.\d{1,9})?"
    r"(?P<before>(?: ?GMT| )?)(?P<zone>Z|[+-]\d\d(?::?\d\d)?)?",
    re.ASCII,
)
_NUMBER = re.compile(r" *-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)? *", re.ASCII)


@frozen(kw_only=True)
class Shape:
    """Where the columns of some rows stand. places: role -> index; ticker and time only where they are."""

    width: int
    places: Mapping[str, int]

    @property
    def positions(self) -> tuple[str, ...]:
        """The roles by position, and a name for every other column."""
        found = {place: role for role, place in self.places.items()}
        return tuple(found.get(at, f"column{at + 1}") for at in range(self.width))


def drafts(rows: Sequence[Sequence[str]], general: Profile, *, form: str, delimiter: str) -> Iterator[Profile]:
    """Yield the profiles that may read these rows, each in both orders of the rows.

    rows: the first of the file, its header included, as cells. general: whose names of columns are known.
    """
    if not rows:
        return
    for declared in _declared(rows, general, form=form, delimiter=delimiter):
        for order in (ASCENDING, DESCENDING):
            yield Profile(name=DRAFT, title="my files", formats=(form,), delimiter=delimiter, order=order, **declared)


def _declared(
    rows: Sequence[Sequence[str]], general: Profile, *, form: str, delimiter: str
) -> Iterator[dict[str, Any]]:
    """Yield what a draft says of header, columns and times."""
    first, body = rows[0], [row for row in rows[1:_ROWS] if len(row) == len(rows[0])]
    if form == JSON or any(looks_like_data(cell) for cell in first):
        yield from _by_place([row for row in rows[:_ROWS] if len(row) == len(first)], JSON if form == JSON else CSV)
        return
    names = [name.strip().casefold() for name in first]
    if not body:
        yield {"columns": general.columns}
        return
    if "" in names:
        for declared in _unnamed(names, body, general):
            yield {"banner": delimiter.join(first), **declared}
        return
    yield from _by_name(names, body, general)


# Rows without a header


def _by_place(rows: Sequence[Sequence[str]], form: str) -> Iterator[dict[str, Any]]:
    found = shape(rows)
    if found is None:
        return
    times = forms(_times(rows, found.places))
    if times is not None:
        volume = {} if "volume" in found.places else {"volume": False}
        yield {"header": NONE, "positions": found.positions, "times": times, **volume}


def shape(rows: Sequence[Sequence[str]]) -> Shape | None:
    """Return where the columns of rows without a header stand, or None where they cannot be told.

    The time is the first cell that reads as one, with a time of day beside it where it is a day; prices are the four
    numbers that follow, in the first known order by which highs are above and lows below; the volume follows, but
    never a column that lies between low and high in every row, which is an average price where another follows it.
    """
    width = len(rows[0])
    ts = next((at for at in range(width) if _is_time([row[at] for row in rows])), None)
    if ts is None:
        return None
    places = {"ts": ts}
    if ts + 1 < width and clocks([row[ts + 1] for row in rows], [row[ts] for row in rows]):
        places["time"] = ts + 1
    begin = max(places.values()) + 1
    if begin + 4 > width:
        return None
    prices = [row[begin : begin + 4] for row in rows]
    order = max(_PRICE_ORDERS, key=lambda each: sum(_sound(row, each) for row in prices))  # the first of the best
    places |= {name: begin + at for at, name in enumerate(order)}
    volumes = [at for at in range(begin + 4, width) if _most(_NUMBER.fullmatch(row[at]) is not None for row in rows)]
    volumes = [at for at in volumes if at == volumes[-1] or not _between(rows, at, places)]
    return Shape(width=width, places={**places, **({"volume": volumes[0]} if volumes else {})})


def _sound(cells: Sequence[str], order: Sequence[str]) -> bool:
    try:
        row = dict(zip(order, map(float, cells), strict=True))
    except ValueError:
        return False
    return row["low"] <= min(row["open"], row["close"]) and max(row["open"], row["close"]) <= row["high"]


def _between(rows: Sequence[Sequence[str]], at: int, places: Mapping[str, int]) -> bool:
    try:
        return all(float(row[places["low"]]) <= float(row[at]) <= float(row[places["high"]]) for row in rows)
    except ValueError:
        return False


def _is_time(cells: Sequence[str]) -> bool:
    return _most(_time(cell) for cell in cells)


def _time(cell: str) -> bool:
    if re.fullmatch(r"\d{9,}(\.0)?", cell, re.ASCII):
        return int(cell.partition(".")[0]) >= _YEAR_1971
    return _DAY.match(cell) is not None and (len(cell) < 9 or not cell.isdigit())


def clocks(cells: Sequence[str], days: Sequence[str]) -> bool:
    """Say whether cells are times of day beside days that have none."""
    if not _most(_DAY.fullmatch(day) is not None for day in days):
        return False
    bare = _most(_BARE_CLOCK.fullmatch(cell) is not None for cell in cells)
    return bare or _most(_CLOCK.fullmatch(cell) is not None for cell in cells)


def _most(found: Iterator[bool]) -> bool:
    each = list(found)
    return sum(each) * 2 > len(each)


# Rows below a header


def _by_name(names: Sequence[str], body: Sequence[Sequence[str]], general: Profile) -> Iterator[dict[str, Any]]:
    times_at = [at for at, name in enumerate(names) if name.strip("<>") in general.columns["ts"] or "time" in name]
    pair = next(
        (
            (day, clock) for day in range(len(names)) for clock in times_at
            if clock != day and clocks([row[clock] for row in body], [row[day] for row in body])
        ),
        None,
    )  # fmt: skip
    columns = {**general.columns}
    if pair is not None:
        columns |= {"ts": (names[pair[0]],), "time": (names[pair[1]],)}
    bracketed = {role: f"<{role}>" for role in columns if f"<{role}>" in names}
    columns |= {role: (name,) for role, name in bracketed.items() if role not in ("ts", "time")}
    day = pair[0] if pair is not None else next(iter(times_at), None)
    places = {} if day is None else {"ts": day, **({} if pair is None else {"time": pair[1]})}
    times = ANY if day is None else forms(_times(body, places))
    yield {"columns": columns, "header": REQUIRED, **({} if times is None else {"times": times})}


def _unnamed(names: Sequence[str], body: Sequence[Sequence[str]], general: Profile) -> Iterator[dict[str, Any]]:
    """Yield a draft for a header with columns that have no name, as an index that pandas wrote has none.

    Its header is taken as a banner, which stands above the rows and names nothing; columns are then told by place.
    """
    places = {
        role: next(at for at, name in enumerate(names) if name in known)
        for role, known in general.columns.items()
        if any(name in known for name in names)
    }
    unnamed = names.index("")
    if "ts" not in places and _is_time([row[unnamed] for row in body]):
        places["ts"] = unnamed
    times = forms(_times(body, places)) if "ts" in places else None
    if times is None or not {*_PRICE_ORDERS[0]} <= set(places):
        return
    by_place = {place: role for role, place in places.items()}
    others = [f"column{at + 1}" if name in ("", *ROLES) else name for at, name in enumerate(names)]
    positions = tuple(by_place.get(at, others[at]) for at in range(len(names)))
    if len(set(positions)) == len(positions):
        volume = {} if "volume" in places else {"volume": False}
        yield {"header": NONE, "positions": positions, "times": times, **volume}


# Times


def _times(rows: Sequence[Sequence[str]], places: Mapping[str, int]) -> list[str]:
    at = [places[role] for role in ("ts", "time") if role in places]
    return [" ".join(row[each] for each in at) for row in rows]


def forms(texts: Sequence[str]) -> tuple[str, ...] | None:
    """Return the forms of times by which most of these texts are read, or None where nothing can declare them.

    Whether the day or the month comes first is said by a number above 12 in its place, and by nothing else.
    """
    if _most(re.fullmatch(r"\d{9,}\.0", text, re.ASCII) is not None for text in texts):
        return (EPOCH, EPOCH_POINT)
    codes = {found for text in texts if (found := _codes(text, texts)) is not None}
    for candidate in (ANY, *((each,) for each in sorted(codes))):
        if _most(_reads(text, candidate) for text in texts):
            return candidate
    return None


def _reads(text: str, times: Sequence[str]) -> bool:
    # Eight or more digits that begin with a year are rather a day than seconds of 1970.
    small = times == ANY and text.isdigit() and int(text) < _YEAR_1971
    return not small and isinstance(read(text, times), Stamp)


def _codes(text: str, texts: Sequence[str]) -> str | None:
    """Return the strptime codes of a text, or None where it has no form, or one that may mean two days."""
    day = _DAY.match(text)
    if day is None:
        return None
    if day["y"]:
        codes = day["s"].join(("%Y", "%m", "%d"))
    else:
        leading = day_first(texts)
        if leading is None:
            return None
        codes = day["t"].join(("%d", "%m", "%Y") if leading else ("%m", "%d", "%Y"))
    rest = text[day.end() :]
    if not rest:
        return codes
    clock = _TIME_OF_DAY.fullmatch(rest)
    if clock is None:
        return None
    codes += clock["gap"] + clock["colon"].join(["%H", "%M", *(["%S"] if clock["sec"] else [])])
    codes += ".%f" if clock["f"] else ""
    return codes + (f"{clock['before']}%z" if clock["zone"] else "")


def day_first(texts: Sequence[str]) -> bool | None:
    """Say whether times such as 20/01/2024 have the day first; None where their numbers do not say it."""
    pairs = [(int(match["a"]), int(match["b"])) for text in texts if (match := _DAY.match(text)) and match["a"]]
    day, month = any(first > 12 for first, _ in pairs), any(second > 12 for _, second in pairs)
    return day if day != month else None
