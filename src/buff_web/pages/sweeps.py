"""`/sweeps`: what was swept, the newest first, each with how many runs it tried and what became of them.

Words and a state go in; a page of the registry's entries comes out. No plan is read.
"""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

from litestar import Response, get
from litestar.di import NamedDependency

from buff import SweepEntry
from buff_web import query
from buff_web.api.sweeps import FINISHED, UNFINISHED
from buff_web.site import Site

LIMIT = 50
STATES = (FINISHED, UNFINISHED)


@get("/sweeps", sync_to_thread=True, guards=[query.strict])
def sweeps_page(
    site: NamedDependency[Site],
    words: Annotated[
        str | None, query.text("text", says="only sweeps with all these words in id, strategy, values or name")
    ] = None,
    standing: Annotated[str | None, query.choice("state", of=STATES, says="only sweeps in this state")] = None,
    after: query.After = 0,
) -> Response[bytes]:
    """Return a page of sweeps."""
    every = site.store.sweeps()
    found = [each for each in every if _has(each, words) and standing in (None, state(each))]
    rows = found[after : after + LIMIT]
    kept = {name: text for name, text in (("text", words), ("state", standing)) if text is not None}
    end, before = after + len(rows), max(after - LIMIT, 0)
    return site.page(
        "sweeps.html",
        rows=[_row(each) for each in rows],
        total=len(found),
        everything=len(every),
        first=after,
        kept=kept,
        states=[
            (each, _link({**kept, "state": each}), sum(state(entry) == each for entry in every)) for each in STATES
        ],
        drop={name: _link({key: text for key, text in kept.items() if key != name}) for name in kept},
        next=_link({**kept, "after": end}) if end < len(found) else None,
        previous=_link({**kept, **({"after": before} if before else {})}) if after else None,
        live=any(state(each) == UNFINISHED for each in rows),
        json="/api/v1/sweeps",
        command="buff sweep list",
    )


HANDLERS = (sweeps_page,)


def state(entry: SweepEntry) -> str:
    """Return whether every run of a sweep has been tried."""
    return UNFINISHED if entry.finished is None else FINISHED


def axes(entry: SweepEntry) -> list[tuple[str, str, int]]:
    """Return the name, the values as they were typed and their count, of each axis of a grid."""
    return [
        (name.removeprefix("params.").replace("_", " "), axis["values"], axis["count"])
        for name, axis in entry.asked.get("grid", {}).items()
    ]


def _row(entry: SweepEntry) -> dict[str, Any]:
    typed = {name: values for name, values, _ in axes(entry)}
    return {
        "entry": entry,
        "state": state(entry),
        "datasets": [each[:8] for each in typed.get("dataset", "").split(",") if each],
        "timeframes": typed.get("timeframe"),
    }


def _has(entry: SweepEntry, words: str | None) -> bool:
    """Say whether all of some words are in what is known of a sweep, in any case."""
    values: Sequence[Any] = [text for axis in axes(entry) for text in axis[:2]]
    text = " ".join(map(str, (entry.sweep, entry.what, entry.by, entry.planned[:10], *values))).lower()
    return all(word in text for word in (words or "").lower().split())


def _link(values: Mapping[str, Any]) -> str:
    return query.address("/sweeps", values)
