"""What a user asks for, checked once at the edge.

A mapping of plain values goes in (keyword arguments, a JSON or TOML document, a command line); a frozen `RunRequest`
comes out whose every value is of the right type and within its bounds, or an error that names the field. What can only
be judged with the data or the strategy at hand is judged later, by the builder.
"""

import math
import re
import unicodedata
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from functools import cache
from typing import TYPE_CHECKING, Any

from attrs import field, fields, frozen
from msgspec import UNSET, UnsetType

from buff.decisions.engine import Costs, check_equity
from buff.decisions.risk import check_level
from buff.errors import RunConfigInvalid
from buff.market.options import CsvOptions
from buff.market.timeframe import BASES, Timeframe
from buff.runs.identity import check_run_id

if TYPE_CHECKING:
    import cattrs

_SYMBOL = re.compile(r"[A-Za-z0-9._/-]{1,32}")
_TAG = re.compile(r"[A-Za-z0-9._:/-]{1,64}")
_DATASET = re.compile(r"[0-9a-f]{12,64}")
_UPLOAD = re.compile(r"[0-9a-f]{64}(::.{1,1000})?", re.DOTALL)
_FILE_NAME = 255  # characters; no file system takes a longer one
_NEVER = ("Cc", "Cf", "Cs", "Zl", "Zp")  # categories of characters that no line of text should hold
_LONGEST = {"name": 200, "notes": 10_000, "why": 1_000}  # characters
DEFAULT_EQUITY = 10_000.0


@frozen(kw_only=True)
class Uploaded:
    """A file that came through the web: the SHA-256 of its bytes, the member of an archive, and what it was called."""

    sha256: str
    member: str = ""
    name: str

    @property
    def typed(self) -> str:
        """What names it in a request."""
        return f"{self.sha256}::{self.member}" if self.member else self.sha256


@frozen(kw_only=True)
class RunRequest:
    """One run, as asked for. Times are epoch ms (UTC); costs are in basis points; equity is in quote currency."""

    csv: tuple[str, ...] = ()
    uploads: tuple[Uploaded, ...] = ()
    dataset: str | None = None
    symbol: str | None = None
    timeframe: Timeframe
    strategy: str
    params: Mapping[str, Any] = field(factory=dict)
    risk_level: int
    options: CsvOptions = field(factory=CsvOptions)
    start: int | None = None
    end: int | None = None
    costs: Costs
    initial_equity: float = DEFAULT_EQUITY
    run_id: str | None = None
    name: str | None = None
    notes: str | None = None
    tags: tuple[str, ...] = ()


@frozen(kw_only=True)
class DataRequest:
    """The part of a request that says which data: files, what they are called, how they are to be read."""

    csv: tuple[str, ...] = ()
    uploads: tuple[Uploaded, ...] = ()
    symbol: str
    options: CsvOptions


@frozen(kw_only=True)
class _Document:
    """The fields a request document may have, with the types it must have.

    `csv` may be one path or several, `upload` and `file_name` one text or several.
    """

    csv: Any = None
    upload: Any = None
    file_name: Any = None
    dataset: str | None = None
    symbol: str | None = None
    timeframe: str | None = None
    strategy: str | None = None
    params: dict[str, Any] = field(factory=dict)
    risk_level: Any = None
    profile: Any = None
    timezone: str | None = None
    gaps: str | None = None
    base_timeframe: str | None = None
    columns: dict[str, str] = field(factory=dict)
    stamp: str | None = None
    volume: str | None = None
    ticker: str | None = None
    start: str | None = None
    end: str | None = None
    commission_bps: float = 10.0
    slippage_bps: float = 5.0
    min_fee: float = 0.0
    initial_equity: float = DEFAULT_EQUITY
    run_id: str | None = None
    name: str | None = None
    notes: str | None = None
    tags: Any = None


FIELDS = tuple(member.name for member in fields(_Document))
# Those that say how files are to be read; a stored dataset was read already.
READING = ("profile", "timezone", "gaps", "base_timeframe", "columns", "stamp", "volume", "ticker")


def request_from(values: Mapping[str, Any]) -> RunRequest:
    """Return the request that plain values describe; None stands for "not given".

    Raises RunConfigInvalid (with `details.field`), RunIdInvalid, RiskInvalid or ProfileInvalid.
    """
    given = {key: value for key, value in values.items() if value is not None}
    _check_text(given)
    document = _structure(given)
    csv, uploads = _paths(document.csv), uploads_from(document.upload, document.file_name)
    _one_source(document)
    return RunRequest(
        csv=csv,
        uploads=uploads,
        dataset=_dataset(document.dataset),
        symbol=_symbol(document.symbol, needed=document.dataset is None),
        timeframe=timeframe_from(_needed(document.timeframe, "timeframe"), "timeframe"),
        strategy=_needed(document.strategy, "strategy"),
        params=document.params,
        risk_level=check_level(_needed(document.risk_level, "risk_level")),
        options=_options(document),
        start=instant(document.start, "start"),
        end=instant(document.end, "end"),
        costs=Costs(
            commission_bps=document.commission_bps, slippage_bps=document.slippage_bps, min_fee=document.min_fee
        ),
        initial_equity=check_equity(document.initial_equity),
        run_id=None if document.run_id is None else check_run_id(document.run_id),
        name=_text(document.name, "name", _LONGEST["name"]),
        notes=_text(document.notes, "notes", _LONGEST["notes"]),
        tags=_tags(document.tags),
    )


def data_from(values: Mapping[str, Any]) -> DataRequest:
    """Return the files that plain values describe; what else a request may say is checked for its type alone.

    Raises RunConfigInvalid (with `details.field`) or ProfileInvalid.
    """
    given = {key: value for key, value in values.items() if value is not None}
    _check_text(given)
    document = _structure(given)
    csv, uploads = _paths(document.csv), uploads_from(document.upload, document.file_name)
    if not csv and not uploads:
        raise RunConfigInvalid("csv is missing", hint="give the path of a CSV file", details={"field": "csv"})
    if csv and uploads:
        raise _several()
    symbol = _symbol(_needed(document.symbol, "symbol"), needed=True)
    assert symbol is not None, "it is needed"
    return DataRequest(csv=csv, uploads=uploads, symbol=symbol, options=_options(document))


def words(
    *,
    name: str | UnsetType | None = UNSET,
    notes: str | UnsetType | None = UNSET,
    tags: Sequence[str] | UnsetType | None = UNSET,
    why: str | UnsetType | None = UNSET,
) -> dict[str, Any]:
    """Return what is said of a run for people, checked as in a request: without what is UNSET, empty text as None.

    Raises RunConfigInvalid.
    """
    texts = {key: value for key, value in (("name", name), ("notes", notes), ("why", why)) if value is not UNSET}
    _check_text({**texts, "tags": tags})
    for key, value in texts.items():
        if not isinstance(value, str | None):
            raise _wrong(key, value, f"{key} must be text", "give text, or None for none")
    said: dict[str, Any] = {key: _text(value, key, _LONGEST[key]) or None for key, value in texts.items()}
    return said if tags is UNSET else {**said, "tags": list(_tags(tags))}


def _check_text(values: Mapping[str, Any]) -> None:
    """Refuse text that no file could hold: half a surrogate pair. Only a path may have it, as the system gave it."""
    for name, value in values.items():
        if _unwritable(name) or (name != "csv" and _unwritable(value)):
            shown = name.encode("ascii", "backslashreplace").decode()
            raise RunConfigInvalid(
                f"{shown} holds text that is not Unicode", hint="type it again, in UTF-8", details={"field": shown}
            )


def _unwritable(value: Any) -> bool:
    match value:
        case str():
            return any("\ud800" <= letter <= "\udfff" for letter in value)
        case Mapping():
            return any(_unwritable(key) or _unwritable(item) for key, item in value.items())
        case list() | tuple():
            return any(_unwritable(item) for item in value)
        case _:
            return False


def _structure(values: dict[str, Any]) -> _Document:
    """Give every value its declared type, strictly: no text becomes a number, no number text."""
    import cattrs

    try:
        return _converter().structure(values, _Document)
    except cattrs.BaseValidationError as error:
        raise _refused(error, values) from error


@cache
def _converter() -> "cattrs.Converter":
    """Return the one converter of requests: it writes and compiles code for a type the first time it sees it."""
    import cattrs

    converter = cattrs.Converter(forbid_extra_keys=True)
    converter.register_structure_hook(str, _strict_text)
    converter.register_structure_hook(float, _strict_number)
    return converter


def _strict_text(value: Any, _: type) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{value!r} is not text")
    return value


def _strict_number(value: Any, _: type) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise TypeError(f"{value!r} is not a finite number")
    return float(value) + 0.0


def _refused(error: Exception, values: Mapping[str, Any]) -> RunConfigInvalid:
    unknown = sorted(set(values) - set(FIELDS))
    if unknown:
        return RunConfigInvalid(
            f"unknown field {unknown[0]!r}", hint=f"known fields: {', '.join(FIELDS)}", details={"field": unknown[0]}
        )
    import cattrs

    path = cattrs.transform_error(error)[0].rpartition("@ $.")[2].split("[")[0]
    kinds = {member.name: member.type for member in fields(_Document)}
    if path in ("params", "columns"):
        example = {"params": '{"fast": 10, "slow": 20}', "columns": '{"close": "Last"}'}[path]
        wanted, example = "a table", f"{path} = {example}"
    elif kinds.get(path) is float:
        wanted, example = "a finite number", f"{path} = 2.5"
    else:
        wanted, example = "text", f'{path} = "..."'
    return _wrong(path, values.get(path), f"{path} must be {wanted}", f"write {example}")


def _wrong(name: str, value: Any, message: str, hint: str) -> RunConfigInvalid:
    shown = value if isinstance(value, str | int | bool | None) else repr(value)  # JSON has neither inf nor nan
    return RunConfigInvalid(f"{message}; got {value!r}", hint=hint, details={"field": name, "value": shown})


def _needed(value: Any, name: str) -> Any:
    if value is None or value == "":
        raise RunConfigInvalid(f"{name} is missing", hint=f"give {name}", details={"field": name})
    return value


def _paths(value: Any) -> tuple[str, ...]:
    paths = (value,) if isinstance(value, str) else value
    if paths is None:
        return ()
    if not isinstance(paths, Sequence) or not all(isinstance(path, str) and path for path in paths):
        raise _wrong("csv", value, "csv must be one path or a list of paths", "give the path of a CSV file")
    return tuple(paths)


def uploads_from(upload: Any, file_name: Any) -> tuple[Uploaded, ...]:
    """Return the uploads that a request names, each with the name of its file: its hash where nobody gave one.

    Both may be one text or several. Raises RunConfigInvalid.
    """
    ids, names = _texts(upload, "upload"), _texts(file_name, "file_name")
    for each in ids:
        if not _UPLOAD.fullmatch(each):
            says = "upload must be the SHA-256 of an uploaded file, 64 hex digits"
            raise _wrong("upload", each, says, "upload the file first; the answer says it")
    if names and len(names) != len(ids):
        says = "file_name must name each upload, and nothing else"
        raise _wrong("file_name", file_name, says, "give as many names as uploads, or none")
    for name in names:
        check_file_name(name)
    parts = [each.partition("::") for each in ids]
    return tuple(
        Uploaded(sha256=sha256, member=member, name=name)
        for (sha256, _, member), name in zip(parts, names or [f"{part[0]}.csv" for part in parts], strict=True)
    )


def check_file_name(name: str) -> str:
    """Return what a file was called, or raise RunConfigInvalid: one name, without directories and odd characters."""
    odd = any(letter in "/\\" or unicodedata.category(letter) in _NEVER for letter in name)
    if odd or not 0 < len(name) <= _FILE_NAME:
        says = f"file_name must be one name of 1 to {_FILE_NAME} characters, without directories and control characters"
        raise _wrong("file_name", name, says, "give the name of the file alone, such as candles.csv")
    return name


def _texts(value: Any, name: str) -> tuple[str, ...]:
    texts = (value,) if isinstance(value, str) else value or ()
    if not isinstance(texts, Sequence) or not all(isinstance(text, str) for text in texts):
        raise _wrong(name, value, f"{name} must be one text or a list of texts", f'write {name} = "..."')
    return tuple(texts)


def _several() -> RunConfigInvalid:
    return RunConfigInvalid(
        "exactly one of csv and dataset must be given",
        hint="give --csv FILE, or --dataset ID of a dataset that is already stored",
        details={"field": "csv"},
    )


def _one_source(document: _Document) -> None:
    given = [name for name in ("csv", "upload", "dataset") if getattr(document, name) not in (None, "", [], ())]
    if len(given) != 1:
        raise _several()
    if given != ["dataset"]:
        return
    for name in READING:
        if getattr(document, name) not in (None, {}):
            raise RunConfigInvalid(
                f"{name} describes a CSV file and cannot be given together with dataset",
                hint=f"leave out {name}: the stored dataset already says it",
                details={"field": name},
            )


def _dataset(value: str | None) -> str | None:
    if value is not None and not _DATASET.fullmatch(value):
        says = "dataset must be an id of 64 hex digits, or at least the first 12 of them"
        raise _wrong("dataset", value, says, "see `buff data list`")
    return value


def _symbol(value: str | None, *, needed: bool) -> str | None:
    if value is None and not needed:
        return None
    symbol = str(_needed(value, "symbol"))
    if not _SYMBOL.fullmatch(symbol):
        allowed = "symbol must be 1 to 32 of A-Z, 0-9, '.', '_', '/', '-'"
        raise _wrong("symbol", value, allowed, "write it as its exchange does, such as BTCUSDT")
    return symbol.upper()


def timeframe_from(value: str, name: str) -> Timeframe:
    """Return a timeframe by the name users type. Raises RunConfigInvalid."""
    try:
        return Timeframe(value)
    except ValueError:
        known = ", ".join(timeframe.value for timeframe in (BASES if name == "base_timeframe" else Timeframe))
        raise _wrong(name, value, f"{name} is none that Buff knows", f"use one of: {known}") from None


def _options(document: _Document) -> CsvOptions:
    if not isinstance(document.profile, str | Mapping | None):
        says = "profile must be a name, or a table that declares one"
        raise _wrong("profile", document.profile, says, 'write profile = "binance"')
    given = {name: getattr(document, name) for name in READING if name != "base_timeframe"}
    options = {name: value for name, value in given.items() if value is not None}
    if document.base_timeframe is not None:
        options["base"] = timeframe_from(document.base_timeframe, "base_timeframe")
    # The rows of a file of many tickers are chosen by the symbol, where nothing else is said.
    read_as = CsvOptions(**{**options, "ticker": document.ticker or document.symbol})
    if document.ticker is not None and not read_as.profile.plural:
        says = f"files of {read_as.profile.name} name no tickers, so that no rows can be chosen by one"
        raise _wrong("ticker", document.ticker, says, "leave it out, or choose a profile of files of many tickers")
    return read_as


def columns_from(text: str) -> dict[str, str]:
    """Return `close=Last,ts=Time` as roles and names of columns. Raises RunConfigInvalid."""
    pairs = [each.partition("=") for each in text.split(",")]
    if not all(role and name for role, _, name in pairs):
        raise _wrong("columns", text, "columns must be of the form column=name,...", "write close=Last,ts=Time")
    return {role.strip(): name for role, _, name in pairs}


def instant(value: str | None, name: str) -> int | None:
    """Return epoch ms of `2022-01-01` (a UTC date) or an ISO time with Z or an offset. Raises RunConfigInvalid."""
    if value is None:
        return None
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        says = f"{name} must be a date or an ISO 8601 time"
        raise _wrong(name, value, says, "write 2022-01-01, or 2022-01-01T06:00:00Z") from None
    if moment.tzinfo is None:
        if len(value) > len("2022-01-01"):
            raise _wrong(name, value, f"{name} has no zone", f"write {value}Z for UTC, or an explicit offset")
        moment = moment.replace(tzinfo=UTC)
    try:
        moment = moment.astimezone(UTC)
    except OverflowError:
        raise _wrong(name, value, f"{name} is outside the years 1 to 9999 in UTC", "give a time of the data") from None
    if moment.microsecond:
        raise _wrong(name, value, f"{name} has a fraction of a second", "windows begin on whole minutes")
    return int(moment.timestamp()) * 1000


def _text(value: str | None, name: str, longest: int) -> str | None:
    if value is not None and len(value) > longest:
        raise RunConfigInvalid(
            f"{name} is longer than {longest} characters", hint="shorten it", details={"field": name}
        )
    return value


def _tags(value: Any) -> tuple[str, ...]:
    tags = (value,) if isinstance(value, str) else value or ()
    if not isinstance(tags, Sequence) or not all(isinstance(tag, str) and _TAG.fullmatch(tag) for tag in tags):
        allowed = "tags must be texts of 1 to 64 letters, digits and . _ : / -"
        raise _wrong("tags", value, allowed, "write words without spaces, such as trend or v2")
    return tuple(dict.fromkeys(tags))
