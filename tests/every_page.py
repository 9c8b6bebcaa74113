"""One example of every page: a root where each has something to show, and the addresses that lead there.

A directory goes in and is filled; addresses come out, by the address that the page is registered under. A page that is
registered and has no example fails the tests that walk through all of them.
"""

import contextlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from attrs import evolve, frozen

import old_runs
from buff import builds
from buff.crew import Here
from buff.errors import DataInvalid
from buff.store import Store
from buff.sweeps import carry_out, grid
from buff.windows import Walk
from buff_web.pages import handlers
from whole import loosen, make, opened, request

NO_PAGES = frozenset({"/", "/assets/{name:path}", "/runs/{run_id:str}/report"})  # they lead elsewhere, or are files
EXAMPLES: Mapping[str, tuple[str, ...]] = {
    "/runs": ("/runs", "/runs?symbol=BTCUSDT&sort=-sharpe", "/runs?state=any", "/runs?text=nothing"),
    "/runs/new": ("/runs/new", "/runs/new?dataset={dataset}"),
    "/builds": ("/builds",),
    "/builds/{build_id:str}": ("/builds/{build}",),
    "/runs/{run_id:str}": ("/runs/{run}?trade=1", "/runs/{damaged}", "/runs/{archived}"),
    "/runs/{run_id:str}/trades": ("/runs/{run}/trades",),
    "/runs/{run_id:str}/trades/{number:int}": ("/runs/{run}/trades/1",),
    "/runs/{run_id:str}/decisions": ("/runs/{run}/decisions",),
    "/runs/{run_id:str}/decisions/{seq:int}": ("/runs/{run}/decisions/90",),
    "/sweeps": ("/sweeps", "/sweeps?text=nothing"),
    "/sweeps/{sweep:str}": (
        "/sweeps/{sweep}?sort=-sharpe&metric=net_return&steps=rank&from.fast=8&x=slow",
        "/sweeps/{walk}",
        "/sweeps/{begun}",
    ),
    "/sweeps/{sweep:str}/progress": ("/sweeps/{begun}/progress",),
    "/legacy/{run_id:path}": ("/legacy/phase1_demo", "/legacy/stage5_demo"),
    "/compare": ("/compare", "/compare?run={run}&run={other}", "/compare?run={run}&run={other}&differing=true"),
    "/datasets": ("/datasets",),
    "/datasets/{dataset_id:str}": ("/datasets/{dataset}",),
    "/strategies": ("/strategies",),
    "/strategies/{strategy_id:str}": ("/strategies/ma_cross",),
    "/journal": ("/journal", "/journal?type=run_committed"),
    "/health": ("/health",),
    "/help": ("/help",),
    "/api/docs": ("/api/docs",),
    "/login": ("/login",),
}


@frozen(kw_only=True)
class Place:
    """A root, legacy runs beside it, and the ids of what is in them."""

    root: Path
    artifacts: Path
    ids: Mapping[str, str]

    def addresses(self, registered: str) -> tuple[str, ...]:
        """Return the examples of a page."""
        return tuple(each.format_map(self.ids) for each in EXAMPLES[registered])


def registered() -> frozenset[str]:
    """Return the addresses under which the application has pages."""
    return frozenset(
        path for handler in handlers() if "GET" in handler.http_methods for path in handler.paths
    ).difference(NO_PAGES)


def furnish(folder: Path, csv: Path) -> Place:
    """Fill a directory: runs, one of them damaged and one archived, sweeps, a build that failed, legacy runs."""
    root, artifacts = folder / "root", folder / "artifacts"
    params = {"fast": 5, "slow": 20, "direction": "both"}
    made = [
        make(root, csv, timeframe="1m", params=params, risk_level=5, name="Both ways", tags=["fine"]),
        make(root, csv, timeframe="15m", notes="Look\nhere.", tags=["fine", "slow"]),
        make(root, csv, symbol="ETHUSDT", strategy="hold", params={}, risk_level=1),
        make(root, csv, symbol="ETHUSDT", strategy="macd", params=None, risk_level=2),
    ]
    run, other, damaged, archived = (each.run.id for each in made)
    with opened(root) as store:
        store.archive(archived, why="superseded")
        build = builds.request(store, request(csv, symbol="LOSTUSDT"), kind="run").job
        builds.drop(store, [build], DataInvalid("line 2: low 9 is above high 8", rule="BAR", hint="correct the file"))
        dataset = store.datasets()[0].dataset_id
        sweeps = _sweep(store, dataset)
    loosen(root / damaged)
    (root / damaged / "manifest.json").write_bytes(b"{}")
    old_runs.every_layout(artifacts)
    ids = {"run": run, "other": other, "damaged": damaged, "archived": archived, "build": build, "dataset": dataset}
    return Place(root=root, artifacts=artifacts, ids=ids | sweeps)


def _sweep(store: Store, dataset: str) -> dict[str, str]:
    """Carry out a grid with a failure and what was skipped, and a walk forward; begin a third sweep."""
    common: Any = {"datasets": [dataset], "strategy_id": "ma_cross", "common": {"symbol": "BTCUSDT"}}
    one = grid(**common, timeframes="1h", params={"fast": "3,8", "slow": "5..13..4"}, risk="2,3")
    wrong = {**one.requests[0], "end": "1970-01-02"}
    asked = evolve(one, requests=(*one.requests, wrong))
    walk = Walk(train="24h", test="8h", purge="1h")
    two = grid(**common, timeframes="15m", params={"fast": "3,5", "slow": "8,13"}, risk="3", walk=walk)
    ids = {"sweep": carry_out(store, asked, executor=Here()).id, "walk": carry_out(store, two, executor=Here()).id}
    begun = grid(**common, timeframes="4h", params={"fast": "2,3", "slow": "5"}, risk="3")
    with contextlib.suppress(KeyboardInterrupt):
        carry_out(store, begun, executor=_Interrupted())
    return {**ids, "begun": store.sweeps()[0].sweep}


class _Interrupted(Here):
    """Somebody presses Ctrl-C before the first run is made."""

    def submit(self, *_: Any, **__: Any) -> Any:
        raise KeyboardInterrupt
