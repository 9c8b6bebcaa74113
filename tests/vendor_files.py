"""Files of every profile in every form of time, made from the declarations, and what can go wrong with them.

A seeded chance goes in; a `Case` comes out: the bytes of one file or several, and the words of a request for them. A
case as made is valid; `damaged` edits its bytes, lines, cells and columns at random.
"""

import random
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta, timezone
from typing import Any
from zoneinfo import ZoneInfo

from attrs import evolve, frozen

from buff.market.profiles import PROFILES, Profile, profile_from
from csv_files import BYTES, NASTY
from reference_reader import MINUTES, PRICES, VALUES, Asked, File

# Profiles of a user's own, for what no vendor does.
OWN: Mapping[str, Profile] = {
    table["name"]: profile_from(table)
    for table in (
        {
            "name": "own_bars", "delimiter": "|", "banner": "# made by", "header": "optional",
            "times": ["%d/%m/%Y %H:%M"], "zone": "Europe/London", "stamp": "close",
            "order": "descending", "no_bar": "-", "scale": 2,
            "columns": {"ts": "When", "ticker": "Who", **{name: [name, f"{name}*"] for name in VALUES}},
            "positions": ["ticker", "ts", *VALUES, "note"],
        },
        {
            "name": "own_offsets", "delimiter": " ", "header": "none", "volume": False,
            "times": ["%Y%m%dT%H%M%S.%f%z", "iso", "epoch.0"], "positions": ["close", "high", "low", "open", "ts"],
        },
        {
            "name": "own_halves", "subheaders": ["units"], "times": ["%Y-%m-%d %H:%M:%S", "ms_of_day"],
            "zone": "America/New_York", "order": "descending",
            "columns": {"ts": "day", "time": "clock", **{name: name[0] for name in PRICES}, "volume": "v*"},
        },
        {
            "name": "own_days", "times": ["%Y/%m/%d"], "zone": "UTC", "header": "none", "scale": 15,
            "positions": ["other", "low", "volume", "open", "ts", "high", "close"],
        },
    )
}  # fmt: skip
TEXTS: Mapping[str, Profile] = {
    name: each for name, each in {**PROFILES, **OWN}.items() if {"csv", "json"} & set(each.formats)
}
ZONES = ("UTC", "+05:30", "-00:45", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu")
# Beginnings near which something happens: changes of clocks, years, leap days, decimal lengths of epochs.
MOMENTS = (
    "2024-03-31T00:20", "2024-10-27T00:20", "2024-03-10T06:30", "2024-11-03T05:10", "2023-12-31T23:50",
    "2024-02-28T23:50", "2001-09-09T01:40", "2020-01-01T00:00", "2017-07-14T02:30", "1973-03-03T09:40",
    "1999-12-31T23:55", "0999-12-31T23:50", "2023-04-01T14:50", "1905-05-05T05:00", "9998-12-30T00:00",
)  # fmt: skip
UNITS_NS = {"s": 10**9, "ms": 10**6, "us": 10**3, "ns": 1}
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@frozen(kw_only=True)
class Case:
    """Files and how they are to be read."""

    files: tuple[File, ...]
    asked: Asked

    def words(self) -> dict[str, Any]:
        """The words of the request, as `CsvOptions` takes them."""
        names = ("profile", "timezone", "gaps", "base", "columns", "stamp", "volume", "ticker")
        return {name: getattr(self.asked, name) for name in names}


@frozen(kw_only=True)
class _Plan:
    """What all rows of a case have in common."""

    profile: Profile
    step: timedelta
    form: str
    zone: str | None
    stamp: str
    ticker: str | None


def made(profile: Profile, chance: random.Random) -> Case:
    """Return valid files of a profile, or files with gaps where the request says what to do with them."""
    form = _form(profile, chance)
    base = "1d" if form in ("%Y/%m/%d", "naive day") else chance.choice(("1m", "1m", "1m", *MINUTES))
    naive = form.startswith("naive") or form == "ms_of_day" or ("%" in form and "%z" not in form)
    zone = chance.choice(ZONES) if naive and profile.zone is None else None
    day = datetime.fromisoformat(chance.choice(MOMENTS)).replace(tzinfo=UTC)
    begin = day - (day - EPOCH) % timedelta(minutes=MINUTES[base])
    if form in UNITS_NS or form in ("ms_of_day", "epoch.0") or form == "%Y/%m/%d":
        begin = max(begin, EPOCH + timedelta(days=1))
        if form == "ns":
            begin = min(begin, EPOCH + timedelta(days=90_000))
    asked = Asked(
        profile=profile,
        timezone=zone,
        gaps=chance.choice(("reject", "reject", "keep", "fill")),
        base=base,
        stamp=chance.choice((None, None, None, "close", "open")),
        volume="none" if profile.header == "required" and chance.random() < 0.1 else None,
        ticker="AB" if profile.plural else None,
    )
    plan = _Plan(
        profile=profile,
        step=timedelta(minutes=MINUTES[base]),
        form=form,
        zone=zone or profile.zone,
        stamp=asked.stamp or profile.stamp,
        ticker=asked.ticker,
    )
    count = chance.choice((1, 1, 1, 2, 3))
    pieces = []
    for number in range(count):
        times = []
        for _ in range(chance.choice((1, 2, 4, 7, 12))):
            times.append(begin)
            if begin.year > 9990:
                break
            hole = 0 if asked.gaps == "reject" or chance.random() > 0.1 else chance.choice((1, 2, 3, 500))
            begin += plan.step * (1 + hole)
        name = f"bars{number}.csv"
        if form == "ms_of_day":
            midnight = _shown(times[0], plan).date()
            name = f"{midnight:%Y%m%d}_trade.zip"
            times = [each for each in times if _shown(each, plan).date() == midnight]
            begin = times[-1] + plan.step
        pieces.append(File(content=_content(times, plan, asked, chance), name=name))
    columns = {}
    if profile.header == "required" and chance.random() < 0.1:
        columns = {"open": chance.choice(("open", "first", "vol*"))}
    return Case(files=tuple(pieces), asked=evolve(asked, columns=columns))


def _form(profile: Profile, chance: random.Random) -> str:
    word = chance.choice(profile.times)
    if word == "iso":
        return chance.choice(("Z", "minutes", "fraction", "offset", "offsets", "naive", "naive minutes", "naive day"))
    return chance.choice(tuple(UNITS_NS)) if word == "epoch" else word


def _shown(time: datetime, plan: _Plan) -> datetime:
    """Return what the clock of the file shows at an instant, or at the end of the bar that begins there."""
    if plan.stamp == "close":
        time += plan.step
    if plan.zone is None or plan.zone == "UTC":
        return time
    if plan.zone[0] in "+-":
        hours, minutes = plan.zone[1:].split(":")
        offset = timedelta(hours=int(hours), minutes=int(minutes))
        return time.astimezone(timezone(-offset if plan.zone[0] == "-" else offset))
    return time.astimezone(ZoneInfo(plan.zone))


def _written(time: datetime, plan: _Plan, chance: random.Random) -> str:
    """Return an instant in the form of the plan."""
    time = _shown(time, plan)
    plain = time.replace(tzinfo=None).isoformat()[:19]
    utc = time.astimezone(UTC).replace(tzinfo=None).isoformat()[:19]
    since = time - EPOCH
    ns = (since.days * 86_400 + since.seconds) * 10**9
    form = plan.form
    if form in UNITS_NS:
        return str(ns // UNITS_NS[form])
    if form == "epoch.0":
        return f"{ns // 10**9}.0"
    if form == "ms_of_day":
        return str((time.hour * 3600 + time.minute * 60 + time.second) * 1000)
    if form in ("offset", "offsets"):
        hours = chance.choice((-9, 0, 1, 5)) if form == "offsets" else 1
        local = (time.astimezone(UTC) + timedelta(hours=hours)).replace(tzinfo=None).isoformat()
        return f"{local[:19]}{hours:+03d}{chance.choice((':00', '00', '')) if form == 'offsets' else ':00'}"
    if "%" in form:
        return _coded(time, form)
    return {
        "Z": f"{utc}Z",
        "minutes": f"{utc[:16].replace('T', ' ')}Z",
        "fraction": f"{utc}.{'0' * chance.choice((1, 3, 9))}Z",
        "naive": plain,
        "naive minutes": plain[:16].replace("T", " "),
        "naive day": plain[:10],
    }[form]


def _coded(time: datetime, form: str) -> str:
    text = form.replace("%Y", f"{time.year:04d}").replace("%f", "000").replace("%z", time.strftime("%z")[:5])
    for code, value in zip("mdHMS", (time.month, time.day, time.hour, time.minute, time.second), strict=True):
        text = text.replace(f"%{code}", f"{value:02d}")
    return text


def _content(times: Sequence[datetime], plan: _Plan, asked: Asked, chance: random.Random) -> bytes:
    """Return the bytes of one file with bars at these times."""
    profile = plan.profile
    rows = [_bar(_written(time, plan, chance), plan, asked, chance) for time in times]
    if profile.plural:
        others = [
            {**row, "ticker": chance.choice(("ABC", "A", "", "B"))} for row in chance.sample(rows, len(rows) // 2)
        ]
        rows = [*others[: len(others) // 2], *rows, *others[len(others) // 2 :]]
    if profile.no_bar is not None and chance.random() < 0.5:
        empty = dict.fromkeys(VALUES, profile.no_bar)
        rows.insert(chance.randrange(len(rows) + 1), {**chance.choice(rows), **empty})
    if profile.order == "descending":
        rows.reverse()
    if "csv" not in profile.formats or ("json" in profile.formats and chance.random() < 0.5):
        return _json([[row.get(role, "0") for role in profile.positions] for row in rows], chance)
    return _text(rows, plan, asked, chance)


def _bar(time: str, plan: _Plan, asked: Asked, chance: random.Random) -> dict[str, str]:
    low, *middle, high = sorted(chance.randint(1, 10**6) for _ in range(4))
    chance.shuffle(middle)
    digits = 0 if plan.profile.scale else chance.choice((0, 2, 5))
    prices = dict(zip(PRICES, (middle[0], high, low, middle[1]), strict=True))
    row = {name: f"{value / 10.0**digits:.{digits}f}" for name, value in prices.items()}
    row["volume"] = chance.choice(("0", "12", f"{chance.random() * 100:.4f}", "0.0", "1e3", "-0"))
    day, _, clock = time.replace("T", " ").partition(" ") if plan.profile.name == "own_halves" else (time, "", "")
    two = "time" in plan.profile.columns or "time" in plan.profile.positions
    if two and " " in time:
        day, _, clock = time.partition(" ")
    return {**row, "ts": day, "time": clock, "ticker": plan.ticker or ""}


def _json(rows: Sequence[Sequence[str]], chance: random.Random) -> bytes:
    space = chance.choice(("", "", " ", "\n", "\r\n\t"))
    quoted = chance.random() < 0.3

    def cell(text: str) -> str:
        return f'"{text}"' if quoted or set(text[1:]) & set(":TZ-") else text

    lines = [f"[{space}{(',' + space).join(cell(text) for text in row)}{space}]" for row in rows]
    return f"{space}[{(space + ',' + space).join(lines)}{space}]{space}".encode()


def _text(rows: Sequence[Mapping[str, str]], plan: _Plan, asked: Asked, chance: random.Random) -> bytes:
    profile = plan.profile
    named = profile.header == "required" or (profile.header == "optional" and chance.random() < 0.5)
    extra: list[str] = []
    if named:
        order = [role for role in profile.columns if role != "volume" or (profile.volume and asked.volume is None)]
        two = "time" in order and all(not row["time"] for row in rows)
        order = [role for role in order if role != "time" or not two]
        if chance.random() < 0.5:
            chance.shuffle(order)
        heads = [chance.choice(_names(profile, role)).replace("*", "x") for role in order]
        if chance.random() < 0.4:
            extra = chance.choice((["note"], ["Adj", "é"], ["Volume2"]))
    else:
        order = list(profile.positions)
        heads = order
    quote = chance.choice(("", "", "", '"'))

    def cell(text: str) -> str:
        return f"{quote}{text}{quote}" if quote and chance.random() < 0.5 else text

    case = chance.choice((str, str.upper, str.title))
    table = [[*(cell(row.get(role, "7")) for role in order), *(cell("é 1") for _ in extra)] for row in rows]
    lines = [profile.delimiter.join(row) for row in table]
    if named:
        words = profile.subheaders if chance.random() < 0.5 else ()
        below = [profile.delimiter.join((case(word), *("" for _ in heads[1:]), *extra)) for word in words]
        lines = [profile.delimiter.join((*map(case, heads), *extra)), *below, *lines]
    if profile.banner is not None and chance.random() < 0.7:
        lines.insert(0, f"{profile.banner}s://example.org, made")
    end = chance.choice(("\n", "\n", "\n", "\r\n"))
    text = end.join(lines) + chance.choice(("", end, end, end, end + end))
    return (b"\xef\xbb\xbf" if chance.random() < 0.1 else b"") + text.encode()


def _names(profile: Profile, role: str) -> list[str]:
    """Return the names that the column of a role may have."""
    local = profile.local if role == "ts" else ()
    return [name for name in profile.columns[role] if name[:1] != "!" and name not in local]


# What can go wrong

ODD = (
    b"2024-03-31 02:30", b"2024-10-27 02:30:00", b"2024-03-10 02:30", b"NaN", b"-", b"AB", b"ABC", b"0", b"86400000",
    b"60000", b"0060000", b"20240101 000000", b"20240101 00:00", b"01.01.2024 00:00:00.000", b"31.12.2023 23:59:00",
    b"01.01.2024 00:00:00.000 GMT+0100", b"2024.01.01 00:00", b"2024.01.01", b"00:00:00", b"24:00", b"1704067200.0",
    b"1704067200.00", b"1.7E+12", b"1,5", b"1704067200000000000", b"9223372036854775808", b"1e308", b"1e-320",
    b"4.9e-324", b"2e-324", b"1.7976931348623159e308", b"\xe2\x80\x83", b"\xd9\xa1", b"\x0c", b"\xc2\xa0" b"1",
    b"null", b"true", b"[]", b"[1]", b'"\\u0031"', b'1"0"', b'""', b'"1""2"', b"{}", b"Infinity", b"1 000", b"\x1a",
)  # fmt: skip
LINES = (
    b"", b" ", b"\t", b",,,,,", b";;;", b'"', b"ts,open,high,low,close,volume", b"# comment", b"\xef\xbb\xbf", b"\r",
    b"http://example.org", b"ticker,,,,,", b"Date", b"0,0,0,0,0,0", b"NaN,NaN,NaN,NaN,NaN,NaN", b"x" * 65_536,
    b"x" * 65_537, b"Total,1,2,3,4,5", b"1577836800000,1,1,1,1,1", b"[", b"]", b"\xff\xfe", b"PK\x03\x04",
)  # fmt: skip


def damaged(case: Case, chance: random.Random) -> Case:
    """Return the case after some edits of its files, their order, or the words of the request."""
    files = list(case.files)
    for _ in range(chance.choice((1, 1, 1, 2, 3))):
        at = chance.randrange(len(files))
        content = chance.choice(EDITS)(files[at].content, case.asked.profile.delimiter.encode(), chance)
        files[at] = evolve(files[at], content=content)
    if len(files) > 1 and chance.random() < 0.1:
        chance.shuffle(files)
    asked = case.asked if chance.random() > 0.15 else _asked_otherwise(case.asked, chance)
    return Case(files=tuple(files), asked=asked)


def _asked_otherwise(asked: Asked, chance: random.Random) -> Asked:
    match chance.randrange(5):
        case 0 if asked.profile.zone is None:
            return evolve(asked, timezone=chance.choice((None, *ZONES)))
        case 1:
            return evolve(asked, base=chance.choice(tuple(MINUTES)))
        case 2:
            return evolve(asked, gaps=chance.choice(("reject", "keep", "fill")))
        case 3:
            return evolve(asked, stamp=chance.choice((None, "open", "close")))
        case _:
            return evolve(asked, volume=chance.choice((None, "none")))


def _byte(content: bytes, delimiter: bytes, chance: random.Random) -> bytes:
    at = chance.randrange(len(content) + 1)
    byte = bytes([chance.choice(BYTES) if chance.random() < 0.7 else chance.randrange(256)])
    return chance.choice(
        (content[:at] + byte + content[at:], content[:at] + content[at + 1 :], content[:at] + byte + content[at + 1 :])
    )


def _run(content: bytes, delimiter: bytes, chance: random.Random) -> bytes:
    """Take out, repeat or replace a run of bytes."""
    first, last = sorted(chance.randrange(len(content) + 1) for _ in "ab")
    middle = chance.choice((b"", content[first:last] * 2, chance.randbytes(chance.randrange(9)), b"\0" * 4))
    return content[:first] + middle + content[last:]


def _cut(content: bytes, delimiter: bytes, chance: random.Random) -> bytes:
    return content[: chance.randrange(len(content) + 1)]


def _on_lines(edit: Callable[[list[bytes], bytes, random.Random], object]) -> Callable[..., bytes]:
    def edited(content: bytes, delimiter: bytes, chance: random.Random) -> bytes:
        lines = content.split(b"\n")
        edit(lines, delimiter, chance)
        return b"\n".join(lines)

    return edited


def _a_line(lines: list[bytes], delimiter: bytes, chance: random.Random) -> None:
    at = chance.randrange(len(lines))
    match chance.randrange(5):
        case 0:
            lines.insert(at, chance.choice(LINES))
        case 1:
            lines.insert(at, chance.choice(lines))
        case 2:
            del lines[at]
        case 3:
            other = chance.randrange(len(lines))
            lines[at], lines[other] = lines[other], lines[at]
        case _:
            lines.reverse()


def _a_cell(lines: list[bytes], delimiter: bytes, chance: random.Random) -> None:
    at = chance.randrange(len(lines))
    cells = lines[at].split(delimiter)
    place = chance.randrange(len(cells))
    nasty = chance.choice(chance.choice((NASTY, ODD)))
    match chance.randrange(6):
        case 0:
            cells.insert(place, nasty)
        case 1:
            del cells[place]
        case 2:
            cells[place] = b'"' + cells[place] + b'"'
        case 3:
            other = chance.randrange(len(cells))
            cells[place], cells[other] = cells[other], cells[place]
        case _:
            cells[place] = nasty
    lines[at] = delimiter.join(cells)


def _a_column(lines: list[bytes], delimiter: bytes, chance: random.Random) -> None:
    """Edit one column of all lines: taken out, repeated, swapped, or one cell for all."""
    table = [line.split(delimiter) for line in lines]
    width = len(table[0])
    first, second, what = chance.randrange(width), chance.randrange(width), chance.randrange(5)
    nasty = chance.choice(chance.choice((NASTY, ODD)))
    for row in table:
        if len(row) != width:
            continue
        if what == 0:
            del row[first]
        elif what == 1:
            row.insert(second, row[first])
        elif what == 2:
            row[first], row[second] = row[second], row[first]
        elif what == 3 and row is not table[0]:
            row[first] = nasty
        else:
            row[first] = b" " + row[first]
    lines[:] = [delimiter.join(row) for row in table]


def _a_head(lines: list[bytes], delimiter: bytes, chance: random.Random) -> None:
    """Edit one name of the first line."""
    cells = lines[0].split(delimiter)
    at = chance.randrange(len(cells))
    names = (b"", b"time", b"ts", b"open", b"Close ", b" VOLUME", b"volume btc", b"1", "İ".encode(), b"date", b"<vol>")
    cells[at] = chance.choice(names)
    lines[0] = delimiter.join(cells)


def _a_form(content: bytes, delimiter: bytes, chance: random.Random) -> bytes:
    """Change how the whole file is written."""
    match chance.randrange(8):
        case 0:
            return b"\xef\xbb\xbf" + content
        case 1:
            return content.replace(b"\n", b"\r\n")
        case 2:
            return content.replace(b"\n", b"\r")
        case 3:
            return content.decode("utf-8", "replace").encode("utf-16")
        case 4:
            return content.replace(delimiter, chance.choice((b";", b",", b"\t", b"|")))
        case 5:
            return content.replace(b".", b",")
        case 6:
            return content + chance.choice((b"\n", b"\r\n", b"\r", b"\n\n\n", b"\0", b" ", b"\x1a", b"\n \n"))
        case _:
            return chance.choice((b"\n", b"\r\n", b" ", b"\xef\xbb\xbf\n", b"\xef\xbb\xbf")) + content


EDITS: Sequence[Callable[[bytes, bytes, random.Random], bytes]] = (
    _byte, _byte, _byte, _run, _cut, _on_lines(_a_line), _on_lines(_a_line), _on_lines(_a_cell), _on_lines(_a_cell),
    _on_lines(_a_cell), _on_lines(_a_column), _on_lines(_a_head), _a_form,
)  # fmt: skip
