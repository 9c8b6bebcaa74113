"""What a run may be asked for: `/strategies`, `/risk-levels`, `/timeframes`, `/profiles`, and `/limits` of the server.

Nothing, or an id, goes in; what is registered and what each means comes out.
"""

from typing import Annotated, Any

import msgspec
from attrs import asdict
from litestar import Response, get
from litestar.di import NamedDependency
from litestar.params import PathParameter

from buff import Timeframe
from buff.decisions import strategy as table
from buff.decisions.contract import Param, Strategy, parameters_schema
from buff.decisions.risk import LEVELS, POLICY, means
from buff.errors import StrategyInvalid, StrategyNotFound
from buff.market.profiles import PROFILES, Profile
from buff.market.timeframe import BASES
from buff_web.openapi import answers
from buff_web.site import Asked, Site, json_answer

StrategyId = Annotated[str, PathParameter(description="the id of a registered strategy")]


class StrategyRow(msgspec.Struct, kw_only=True):
    """A registered strategy: what it says of itself. `package` is the one it came with, null for Buff's own."""

    id: str
    version: str
    rule: str
    citation: str
    sides: list[str]
    package: dict[str, str] | None
    runs: int


class Unusable(msgspec.Struct, kw_only=True):
    """A strategy of an installed package that cannot be used, and why."""

    id: str
    package: dict[str, str]
    code: str
    message: str


class StrategiesPage(msgspec.Struct, kw_only=True):
    """Every registered strategy; `runs` says how many runs of each the list shows."""

    items: list[StrategyRow]
    total: int
    next: None
    problems: list[Unusable]


class StrategyDocument(StrategyRow, kw_only=True):
    """One strategy with its parameters, as they are declared and as a JSON Schema.

    `warmup` is how many bars it waits with its defaults; `reasons` are its codes with what each stands for.
    """

    source_sha256: str
    warmup: int
    params: list[dict[str, Any]]
    schema: dict[str, Any]
    reasons: dict[str, str]


class RiskLevel(msgspec.Struct, kw_only=True):
    """What one risk level allows: parts of equity as fractions, and what that means in a sentence."""

    level: int
    position: float
    position_yellow: float
    daily_loss: float
    daily_loss_yellow: float
    drawdown: float
    drawdown_yellow: float
    means: str


class RiskLevels(msgspec.Struct, kw_only=True):
    """Every risk level of the policy that the manifest names."""

    items: list[RiskLevel]
    total: int
    next: None
    policy: str


class TimeframeRow(msgspec.Struct, kw_only=True):
    """A bar length: `step_ms` is null where it varies; `base` says whether a file may have this spacing."""

    timeframe: Timeframe
    step_ms: int | None
    months: int | None
    base: bool


class TimeframesPage(msgspec.Struct, kw_only=True):
    """Every timeframe, the shortest first."""

    items: list[TimeframeRow]
    total: int
    next: None


class ProfileRow(msgspec.Struct, kw_only=True):
    """A form of files that `--profile` reads."""

    name: str
    title: str
    says: str
    formats: list[str]
    times: list[str]
    zone: str | None
    order: str
    volume: bool


class ProfilesPage(msgspec.Struct, kw_only=True):
    """Every profile of the table."""

    items: list[ProfileRow]
    total: int
    next: None


class Limits(msgspec.Struct, kw_only=True):
    """What this server allows: sizes in bytes, null where there is no limit."""

    csv_bytes_max: int
    rows_max: int
    upload_bytes_max: int
    requests_per_minute: int | None
    builds_max: int | None
    queue_max: int
    free_bytes_min: int
    web_create: bool
    token: bool


@get("/strategies", sync_to_thread=True, responses=answers(StrategiesPage))
def list_strategies(request: Asked, site: NamedDependency[Site]) -> Response[bytes]:
    """Return the registered strategies, Buff's own first, and what installed packages offer that cannot be used."""
    items = [_row(site, found) for found in table.strategies().values()]
    problems = [
        {
            "id": each.id,
            "package": {"name": each.package.name, "version": each.package.version},
            "code": each.error.code,
            "message": each.error.message,
        }
        for each in table.unusable()
    ]
    return json_answer(request, {"items": items, "total": len(items), "next": None, "problems": problems})


@get("/strategies/{strategy_id:str}", sync_to_thread=True, responses=answers(StrategyDocument, StrategyNotFound))
def show_strategy(request: Asked, site: NamedDependency[Site], strategy_id: StrategyId) -> Response[bytes]:
    """Return one strategy: its rule and where it is from, its parameters, its reasons, the hash of its source."""
    try:
        found = table.strategy(strategy_id)
    except StrategyInvalid as error:
        raise StrategyNotFound(error.message, hint=error.hint, details=error.details) from error
    told = table.describe(found)
    document = {
        **_row(site, found),
        "source_sha256": table.source_sha256(found),
        "warmup": found.warmup({param.name: param.default for param in found.params}),
        "params": [_param(param) for param in found.params],
        "schema": parameters_schema(found),
        "reasons": told["reasons_say"],
    }
    return json_answer(request, document)


def _row(site: Site, found: Strategy) -> dict[str, Any]:
    came_with = table.packages(found)
    package = {"name": came_with[0].name, "version": came_with[0].version} if came_with else None
    return {
        **{name: getattr(found, name) for name in ("id", "version", "rule", "citation")},
        "sides": list(found.sides),
        "package": package,
        "runs": site.store.facets().counts["strategy"].get(found.id, 0),
    }


def _param(param: Param) -> dict[str, Any]:
    return {**asdict(param), "choices": list(param.choices), "allowed": param.allowed}


@get("/risk-levels", sync_to_thread=True, responses=answers(RiskLevels))
def list_risk_levels(request: Asked) -> Response[bytes]:
    """Return the five risk levels with what each means."""
    items = [{"level": level, **means(level)} for level in LEVELS]
    return json_answer(request, {"items": items, "total": len(items), "next": None, "policy": POLICY})


@get("/timeframes", sync_to_thread=True, responses=answers(TimeframesPage))
def list_timeframes(request: Asked) -> Response[bytes]:
    """Return the fourteen timeframes."""
    items = [
        {"timeframe": each.value, "step_ms": each.step_ms, "months": each.months, "base": each in BASES}
        for each in Timeframe
    ]
    return json_answer(request, {"items": items, "total": len(items), "next": None})


@get("/profiles", sync_to_thread=True, responses=answers(ProfilesPage))
def list_profiles(request: Asked) -> Response[bytes]:
    """Return the forms of files that are known by name."""
    items = [_profile(each) for each in PROFILES.values()]
    return json_answer(request, {"items": items, "total": len(items), "next": None})


def _profile(profile: Profile) -> dict[str, Any]:
    told = {name: getattr(profile, name) for name in ("name", "title", "says", "zone", "order", "volume")}
    return {**told, "formats": list(profile.formats), "times": list(profile.times)}


@get("/limits", sync_to_thread=True, responses=answers(Limits))
def show_limits(request: Asked, site: NamedDependency[Site]) -> Response[bytes]:
    """Return what this server allows, and whether it asks for a token or lets anything be created."""
    settings = site.store.settings
    told = {name: getattr(settings, name) for name in Limits.__struct_fields__ if name != "token"}
    return json_answer(request, {**told, "token": settings.token is not None})


HANDLERS = (list_strategies, show_strategy, list_risk_levels, list_timeframes, list_profiles, show_limits)
