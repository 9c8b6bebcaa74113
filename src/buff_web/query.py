"""What a request may ask for in its query, judged before anything is read.

A handler, or a function that it depends on, declares its query parameters in its signature: type, bounds, choices,
default and description. From that one declaration come the names that are allowed, the judgement of every text, and
the API's own description. The text of a query string goes in; typed values come out, or RUN_CONFIG_INVALID that names
the field. An empty value is the same as none, because a plain HTML form sends every field it has.
"""

import re
from collections.abc import Callable, Collection, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from enum import Enum
from functools import lru_cache
from inspect import Parameter, get_annotations, signature
from typing import Annotated, Any
from urllib.parse import parse_qsl, urlencode

from attrs import frozen
from litestar.connection import ASGIConnection
from litestar.di import NamedDependency, Provide
from litestar.handlers import BaseRouteHandler
from litestar.params import ParameterKwarg, QueryParameter
from litestar.typing import FieldDefinition
from litestar.utils.signature import ParsedSignature

from buff import Timeframe
from buff.errors import RequestInvalid, RunConfigInvalid
from buff.pyramid import Window
from buff.registry.queries import SORTS, STATES

RUNS_LIMIT, RUNS_LIMIT_MAX = 50, 200
TRADES_LIMIT, TRADES_LIMIT_MAX = 100, 1_000
BUCKETS_MIN, BUCKETS_MAX = 50, 3_000
AFTER_MAX = 10**9
TEXT_MAX = 200
FIELDS_MAX = 50
INSTANT = "a UTC date, an ISO time that ends in Z or an offset, or epoch milliseconds of ten digits or more"

Given = Mapping[str, str]
Declared = Mapping[str, FieldDefinition]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
# In April 1970 they got their tenth digit, and nobody has candles from before: fewer are a year, or seconds.
_MILLISECONDS = re.compile(r"-?[0-9]{10,15}", re.ASCII)
_TIME = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}(T[0-9]{2}:[0-9]{2}(:[0-9]{2}(\.[0-9]{3})?)?(Z|[+-][0-9]{2}:[0-9]{2}))?", re.ASCII
)
INSTANT_PATTERN = f"^({_MILLISECONDS.pattern}|{_TIME.pattern})$"
_WHOLE = re.compile(r"-?[0-9]{1,12}", re.ASCII)


# What is declared --------------------------------------------------------------------------------------------------


def text(name: str | None = None, *, says: str) -> ParameterKwarg:
    """Return the declaration of a text of at most 200 characters."""
    return QueryParameter(name=name, description=says, max_length=TEXT_MAX)


def number(name: str | None = None, *, low: int, high: int, says: str) -> ParameterKwarg:
    """Return the declaration of a whole number within bounds, both included."""
    return QueryParameter(name=name, description=says, ge=low, le=high)


def choice(name: str | None = None, *, of: Collection[str], says: str) -> ParameterKwarg:
    """Return the declaration of one of some texts."""
    return QueryParameter(name=name, description=says, enum=tuple(of))


def instant(name: str | None = None, *, says: str) -> ParameterKwarg:
    """Return the declaration of an instant: the text is read by `instant_ms`."""
    return QueryParameter(name=name, description=f"{says}: {INSTANT}", schema_extra={"format": "instant"})


def order(of: Collection[str]) -> ParameterKwarg:
    """Return the declaration of what a list is sorted by."""
    return choice(of=[f"{sign}{name}" for name in of for sign in ("", "-")], says="a leading `-` turns it around")


After = Annotated[int, number(low=0, high=AFTER_MAX, says="how many to skip: the `next` of the page before")]


Cursor = Annotated[
    str | None, text(says="the `cursor` of the page before, which holds while more is committed; `after` does not")
]


@lru_cache(maxsize=512)
def declared(handler: BaseRouteHandler) -> Declared:
    """Return the query parameters of a handler by their names, with those of what it depends on."""
    providers = handler.resolve_dependencies()
    return dict(_walk(handler.parsed_fn_signature.parameters, providers))


def _walk(fields: Declared, providers: Mapping[str, Provide]) -> Iterator[tuple[str, FieldDefinition]]:
    for name, field in fields.items():
        if name in providers:
            yield from _walk(providers[name].parsed_fn_signature.parameters, providers)
        elif isinstance(field.kwarg_definition, QueryParameter):
            yield field.kwarg_definition.name or name, field


@lru_cache(maxsize=512)
def _repeatable(handler: BaseRouteHandler) -> frozenset[str]:
    """Return the query parameters of a handler that may be given several times."""
    return frozenset(
        name for name, field in declared(handler).items() if field.has_inner_subclass_of(list) or _is_list(field)
    )


def _is_list(field: FieldDefinition) -> bool:
    return field.is_non_string_sequence or any(_is_list(inner) for inner in field.inner_types if field.is_union)


def provided(function: Callable[..., Any]) -> Provide:
    """Return the provider of what a function makes of query parameters.

    It asks for the site, of which it makes nothing. What needs nothing of each other Litestar provides side by side, in
    tasks of the event loop, and these cost more than the reading of the query.
    """

    def provide(*, site: object, **named: Any) -> Any:
        return function(**named)

    own = signature(function)
    first = Parameter("site", Parameter.KEYWORD_ONLY, annotation=NamedDependency[object])
    named = [each.replace(kind=Parameter.KEYWORD_ONLY) for each in own.parameters.values()]
    provide.__signature__ = own.replace(parameters=[first, *named])  # type: ignore[attr-defined]
    provide.__annotations__ = {**get_annotations(function), "site": first.annotation}
    return Provide(provide, sync_to_thread=False)


@lru_cache(maxsize=64)
def _of(function: Callable[..., Any]) -> Declared:
    return dict(_walk(ParsedSignature.from_fn(function, {}).parameters, {}))


# What is given -----------------------------------------------------------------------------------------------------


async def strict(connection: ASGIConnection[Any, Any, Any, Any], handler: BaseRouteHandler) -> None:
    """Refuse a query that a handler does not declare, and leave only what is filled in; a guard of Litestar.

    Raises RunConfigInvalid on a name that is unknown or comes twice and on a value that cannot be, RequestInvalid on
    bytes that are no text.
    """
    allowed = declared(handler)
    found = _gathered(connection.scope["query_string"], allowed, repeated=_repeatable(handler))
    for name, texts in found.items():
        for each in texts:
            _judged(name, each, allowed[name])
    connection.scope["query_string"] = urlencode(found, doseq=True).encode()


def given(query_string: bytes, *, allowed: Collection[str]) -> dict[str, str]:
    """Return what a query string gives, in the order of `allowed`, without what is empty.

    Raises RunConfigInvalid on a name that is unknown or comes twice, RequestInvalid on bytes that are no text.
    """
    return {name: texts[0] for name, texts in _gathered(query_string, allowed).items()}


def _gathered(
    query_string: bytes, allowed: Collection[str], repeated: Collection[str] = frozenset()
) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for name, said in _pairs(query_string):
        if name not in allowed:
            raise RunConfigInvalid(
                f"there is no query parameter {name[:80]!r} here",
                hint=f"one of {', '.join(allowed)}" if allowed else "leave it out",
                details={"field": name[:80]},
            )
        if name in found and name not in repeated:
            raise _wrong(name, said, "is given twice", "give it once")
        found.setdefault(name, []).append(said.strip())
    filled = {name: [each for each in found.get(name, ()) if each] for name in allowed}
    return {name: texts for name, texts in filled.items() if texts}


def _pairs(query_string: bytes) -> list[tuple[str, str]]:
    try:
        said = query_string.decode("ascii")
        return parse_qsl(said, keep_blank_values=True, max_num_fields=FIELDS_MAX, errors="strict")
    except ValueError as error:  # not UTF-8, or too many fields
        raise RequestInvalid("the query string cannot be read", hint="write it as percent-encoded UTF-8") from error


def _judged(name: str, said: str, field: FieldDefinition) -> Any:
    """Return the value of a text by its declaration."""
    kinds = [field.annotation, *(inner.annotation for inner in field.inner_types)]
    rule = field.kwarg_definition
    assert isinstance(rule, ParameterKwarg), "only what is declared is judged"
    if bool in kinds:
        return _one_of(name, said, {"false": False, "true": True})
    if int in kinds:
        assert rule.ge is not None and rule.le is not None, f"{name} has bounds"  # noqa: PT018 - one rule
        return _bounded(name, said, low=int(rule.ge), high=int(rule.le), default=field.default)
    for kind in kinds:
        if isinstance(kind, type) and issubclass(kind, Enum):
            return _one_of(name, said, {each.value: each for each in kind})
    if rule.enum:
        return _one_of(name, said, {each: each for each in rule.enum})
    if rule.max_length is not None and len(said) > rule.max_length:
        raise _wrong(name, said, f"is longer than {rule.max_length} characters", "write less")
    return said


def _one_of(name: str, said: str, choices: Mapping[str, Any]) -> Any:
    if said not in choices:
        raise _wrong(name, said, "is not known", f"one of {', '.join(choices)}")
    return choices[said]


def _bounded(name: str, said: str, *, low: int, high: int, default: object) -> int:
    if not (_WHOLE.fullmatch(said) and low <= int(said) <= high):
        hint = f"leave it out for {default}" if isinstance(default, int) else "leave it out for any"
        raise _wrong(name, said, f"is not a whole number from {low} to {high}", hint)
    return int(said)


def read(values: Given, function: Callable[..., Any]) -> Any:
    """Return what a function that declares query parameters makes of a query's texts."""
    fields = _of(function)
    return function(
        **{fields[name].name: _judged(name, said, fields[name]) for name, said in values.items() if name in fields}
    )


def whole(values: Given, name: str, *, default: int, low: int, high: int) -> int:
    """Return the whole number of a field, within bounds."""
    said = values.get(name)
    return default if said is None else _bounded(name, said, low=low, high=high, default=default)


def one_of(values: Given, name: str, *, of: Collection[str], default: str) -> str:
    """Return the text of a field that is one of some."""
    return str(_one_of(name, values[name], {each: each for each in of})) if name in values else default


def address(path: str, values: Mapping[str, Any]) -> str:
    """Return the address of a page with a query, or without one where there is nothing to ask."""
    return f"{path}?{urlencode(values)}" if values else path


# What several addresses ask for ------------------------------------------------------------------------------------


@frozen(kw_only=True)
class TradesAsked:
    """A page of trades, of those alive between two instants."""

    first_ms: int | None
    last_ms: int | None
    limit: int
    after: int


First = Annotated[str | None, instant("from", says="the first instant of the window")]
Last = Annotated[str | None, instant("to", says="the end of the window, not included")]
Buckets = Annotated[int, number("max", low=BUCKETS_MIN, high=BUCKETS_MAX, says="at most so many points")]


def window(first: First = None, last: Last = None, buckets: Buckets = BUCKETS_MAX) -> Window:
    """Return a window of a run: `from`, `to` and `max`."""
    first_ms, last_ms = bounds(first, last)
    return Window(first_ms=first_ms, last_ms=last_ms, buckets=buckets)


def trades_asked(
    first: First = None,
    last: Last = None,
    limit: Annotated[int, number(low=1, high=TRADES_LIMIT_MAX, says="at most so many trades")] = TRADES_LIMIT,
    after: After = 0,
) -> TradesAsked:
    """Return a page of trades: `from`, `to`, `limit` and `after`."""
    first_ms, last_ms = bounds(first, last)
    return TradesAsked(first_ms=first_ms, last_ms=last_ms, limit=limit, after=after)


def runs_asked(
    symbol: Annotated[str | None, text(says="only runs of this symbol, in any case")] = None,
    timeframe: Annotated[Timeframe | None, QueryParameter(description="only runs at this timeframe")] = None,
    strategy: Annotated[str | None, text(says="only runs of this strategy")] = None,
    risk_level: Annotated[int | None, number(low=1, high=5, says="only runs at this risk level")] = None,
    standing: Annotated[  # Litestar keeps the name `state` for itself
        str | None,
        choice("state", of=STATES, says="only runs in this state; left out: all but archived and reclaimed ones"),
    ] = None,
    tag: Annotated[str | None, text(says="only runs that have exactly this tag")] = None,
    words: Annotated[
        str | None,
        text("text", says="only runs with all these words in id, name, notes, symbol or strategy, in any case"),
    ] = None,
    since: Annotated[str | None, instant(says="only runs created at or after")] = None,
    until: Annotated[str | None, instant(says="only runs created before")] = None,
    sort: Annotated[str, order(SORTS)] = "-created",
    limit: Annotated[int, number(low=1, high=RUNS_LIMIT_MAX, says="at most so many runs")] = RUNS_LIMIT,
    after: After = 0,
    cursor: Cursor = None,
) -> dict[str, Any]:
    """Return the keyword arguments of `Store.runs` that a query describes."""
    filters = {
        "symbol": symbol,
        "timeframe": timeframe and timeframe.value,
        "strategy": strategy,
        "risk_level": risk_level,
        "state": standing,
        "tag": tag,
        "text": words,
        "cursor": cursor,
        "since": since and _wall_clock(instant_ms("since", since)),
        "until": until and _wall_clock(instant_ms("until", until)),
    }
    asked = {name: value for name, value in filters.items() if value is not None}
    return {**asked, "sort": sort, "limit": limit, "after": after}


RUNS_FIELDS = tuple(_of(runs_asked))
WINDOW = provided(window)
TRADES = provided(trades_asked)
RUNS = provided(runs_asked)


def run_filters(values: Given) -> dict[str, Any]:
    """Return the keyword arguments of `Store.runs` that a page's query describes."""
    filters: dict[str, Any] = read(values, runs_asked)
    return filters


# Instants ----------------------------------------------------------------------------------------------------------


def instant_ms(name: str, said: str) -> int:
    """Return a field that is an instant as epoch milliseconds: digits, a UTC date, or an ISO time with a zone."""
    try:
        return (_instant(said) - _EPOCH) // timedelta(milliseconds=1)
    except (ValueError, OverflowError) as error:
        raise _wrong(name, said, "is not a time", INSTANT) from error


def _instant(said: str) -> datetime:
    if _MILLISECONDS.fullmatch(said):
        return _EPOCH + timedelta(milliseconds=int(said))
    if not _TIME.fullmatch(said):
        raise ValueError(said)
    moment = datetime.fromisoformat(said)
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)


def bounds(first: str | None, last: str | None) -> tuple[int | None, int | None]:
    """Return the bounds of a window in epoch milliseconds, None where it is open. Raises RunConfigInvalid."""
    first_ms = None if first is None else instant_ms("from", first)
    last_ms = None if last is None else instant_ms("to", last)
    if first_ms is not None and last_ms is not None and first_ms >= last_ms:
        raise _wrong(
            "to", str(last), "is not later than `from`", "a window runs from `from` up to, not including, `to`"
        )
    return first_ms, last_ms


def _wall_clock(ms: int) -> str:
    """Return an instant in the form of the journal's times, which compare as text."""
    return (_EPOCH + timedelta(milliseconds=ms)).isoformat(timespec="microseconds").replace("+00:00", "Z")


def contradiction(one: str, other: str) -> RunConfigInvalid:
    """Return the refusal of two parameters that cannot both be meant."""
    return RunConfigInvalid(
        f"{one} and {other} contradict each other", hint="give one of them", details={"field": other}
    )


def _wrong(name: str, said: str, says: str, hint: str) -> RunConfigInvalid:
    return RunConfigInvalid(f"{name} {said[:80]!r} {says}", hint=hint, details={"field": name, "value": said[:80]})
