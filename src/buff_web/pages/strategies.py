"""`/strategies`: what may be run, and what each rule is. Nothing but what the strategies declare is shown."""

from typing import Any

from litestar import Response, get
from litestar.di import NamedDependency
from litestar.params import FromPath

from buff import Strategy
from buff.decisions import strategy as table
from buff_web import commands, query
from buff_web.site import Asked, Site


@get("/strategies", sync_to_thread=True)
def strategies_page(request: Asked, site: NamedDependency[Site]) -> Response[bytes]:
    """Return the list of registered strategies, and those of installed packages that cannot be used."""
    query.given(request.scope["query_string"], allowed=())
    known = tuple(table.strategies().values())
    return site.page(
        "strategies.html",
        strategies=[(found, _origin(found)) for found in known],
        problems=table.unusable(),
        used=site.store.facets().counts.get("strategy", {}),
        json="/api/v1/strategies",
        command="buff strategies list",
    )


@get("/strategies/{strategy_id:str}", sync_to_thread=True)
def strategy_page(request: Asked, site: NamedDependency[Site], strategy_id: FromPath[str]) -> Response[bytes]:
    """Return one strategy: its rule, its parameters, its source. Raises StrategyInvalid for one that is unknown."""
    query.given(request.scope["query_string"], allowed=())
    found = table.strategy(strategy_id)
    defaults = {param.name: param.default for param in found.params}
    return site.page(
        "strategy.html",
        strategy=found,
        origin=_origin(found),
        defaults=defaults,
        warmup=found.warmup(defaults),
        source_sha256=table.source_sha256(found),
        runs=site.store.runs(strategy=found.id, limit=1).total,
        create=commands.example(found),
        json=f"/api/v1/strategies/{found.id}",
        command=f"buff strategies show {found.id}",
    )


HANDLERS = (strategies_page, strategy_page)


def _origin(strategy: Strategy) -> str:
    came_with: tuple[Any, ...] = table.packages(strategy)
    return f"{came_with[0].name} {came_with[0].version}" if came_with else "Buff"
