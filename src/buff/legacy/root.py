"""LegacyRoot: one ARTIFACTS_ROOT. It is listed and read, and never written.

The path of a directory goes in; pages of entries and whole runs come out. It stands beside a `Store` and knows nothing
of it: `behind` puts the two lists together.
"""

import os
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from attrs import evolve

from buff.decisions.strategy import strategies
from buff.errors import RunNotFound, RunsRootInvalid, RunsRootUnset
from buff.legacy.fields import number
from buff.legacy.folder import GLANCE, Folder, find
from buff.legacy.plan import plan
from buff.legacy.problem import Problem
from buff.legacy.run import LegacyEntry, LegacyRun, read
from buff.registry.queries import Cursor, Page, Query, check, shown_behind, written
from buff.registry.rows import RunEntry

# A metric of ours -> the member of a legacy metrics.json that was the same question.
_METRICS = {"net_return": "total_return"}
_PLAIN = ("created", "run_id", "symbol", "timeframe", "strategy", "risk_level", "start", "bars", "trades")


class LegacyRoot:
    """The legacy runs of one directory: `runs()`, `run(id)`, `plan()`, `problems`."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        """Keep the directory; it may be a link itself, nothing in it may. Raises RunsRootInvalid without one."""
        self.path = os.path.realpath(path)
        if not os.path.isdir(self.path):
            raise RunsRootInvalid(
                "the artifacts root is not a directory",
                hint="ARTIFACTS_ROOT or --artifacts-root names a directory with one directory for each legacy run",
                details={"root": "ARTIFACTS_ROOT"},
            )

    @property
    def problems(self) -> tuple[Problem, ...]:
        """What was passed over in the directory itself: links, and what cannot be listed."""
        return find(self.path).problems

    def glance(self) -> tuple[LegacyRun, ...]:
        """Return every legacy run, in the order of their ids; of long files only the beginning (`folder.GLANCE`)."""
        return tuple(read(folder, GLANCE) for folder in find(self.path).folders)

    def entries(self) -> tuple[LegacyEntry, ...]:
        """Return what a list shows of every legacy run, in the order of their ids."""
        return tuple(run.entry for run in self.glance())

    def runs(self, **filters: Any) -> Page[LegacyEntry]:
        """Return a page of legacy runs; filters and sorting are those of `Store.runs`, where a run has the value."""
        return page(self.entries(), Query(**filters))

    def run(self, run_id: str) -> LegacyRun:
        """Return one legacy run by its id, or the beginning of it. Raises RunNotFound."""
        return read(self._folder(run_id))

    def ids(self) -> tuple[str, ...]:
        """Return the id of every legacy run, in order, without opening one."""
        return tuple(folder.run_id for folder in find(self.path).folders)

    def plan(self) -> dict[str, Any]:
        """Return what it would take to make every run here again, as plain values. Nothing is copied."""
        found = find(self.path)
        return plan((read(folder) for folder in found.folders), found.problems, strategies())

    def _folder(self, run_id: str) -> Folder:
        folders = find(self.path).folders
        exact = [folder for folder in folders if folder.run_id == run_id]
        begin = exact or [folder for folder in folders if run_id and folder.run_id.startswith(run_id)]
        if len(begin) == 1:
            return begin[0]
        raise RunNotFound(
            f"{len(begin)} legacy runs begin with {run_id!r}" if begin else f"no legacy run {run_id!r}",
            hint="`buff run list --legacy` shows what is there",
            details={"run_id": run_id},
        )


def artifacts_root_of(path: str | os.PathLike[str] | None) -> str:
    """Return the artifacts root as text. Raises RunsRootUnset when nobody named one."""
    if path is None or not os.fspath(path):
        raise RunsRootUnset(
            "no artifacts root was given",
            hint="set ARTIFACTS_ROOT, or give --artifacts-root DIR",
            details={"root": "ARTIFACTS_ROOT"},
        )
    return os.fspath(path)


def page(entries: Sequence[LegacyEntry], query: Query) -> Page[LegacyEntry]:
    """Return one page of the entries that match. Raises RunConfigInvalid on a sort or limit that cannot be."""
    check(query)
    found = _ordered(matching(entries, query), query.sort)
    items = tuple(found[query.after : query.after + query.limit])
    end = query.after + len(items)
    return Page(items=items, total=len(found), next=end if end < len(found) else None)


def matching(entries: Sequence[LegacyEntry], query: Query) -> list[LegacyEntry]:
    """Return the entries that match, in the same order."""
    return [entry for entry in entries if _matches(entry, query)]


def metric(entry: LegacyEntry, name: str) -> float | None:
    """Return the metric of a legacy run that was the same question as one of ours; its formula and sign are its own."""
    return number(entry.metrics.get(_METRICS.get(name, name)))


def behind(first: Page[RunEntry], entries: Sequence[LegacyEntry], query: Query) -> Page[RunEntry | LegacyEntry]:
    """Return a page of runs continued with legacy runs, as one list that `query` pages through.

    Legacy runs come behind all others in every order: their times are market time and their numbers follow other
    formulas and signs, so ranking the two against each other would say what is not so.
    """
    room = query.limit - len(first.items)
    told = shown_behind(query)
    after = max(query.after - first.total, 0) if told is None else told
    rest = page(entries, evolve(query, after=after, limit=max(room, 1)))
    shown = rest.items[:room]
    items: tuple[RunEntry | LegacyEntry, ...] = (*first.items, *shown)
    total = first.total + rest.total
    end = first.next if first.next is not None else first.total + after + len(shown)
    if end >= total:
        return Page(items=items, total=total, next=None)
    cursor = first.cursor or written(Cursor(query.sort, after + len(shown), None))
    return Page(items=items, total=total, next=end, cursor=cursor)


def is_legacy(run_id: str, ids: Iterable[str], legacy_ids: Iterable[str]) -> bool:
    """Say which of two lists an id, or the beginning of one, belongs to: whole ids come before beginnings, and runs
    before legacy runs. False where it belongs to neither.
    """
    known = [(each, legacy) for group, legacy in ((ids, False), (legacy_ids, True)) for each in group]
    exact = [legacy for each, legacy in known if each == run_id]
    begin = [legacy for each, legacy in known if run_id and each.startswith(run_id)]
    return next(iter(exact + begin), False)


def _matches(entry: LegacyEntry, query: Query) -> bool:
    """Say whether an entry has what is asked for; what it does not know is not what was asked for."""
    return (
        (query.symbol is None or (entry.symbol or "").upper() == query.symbol.upper())
        and (query.timeframe is None or entry.timeframe == query.timeframe)
        and (query.strategy is None or entry.strategy == query.strategy)
        and (query.risk_level is None or entry.risk_level == query.risk_level)
        and query.tag is None
        and query.legacy
        and all(any(word in text.casefold() for text in _texts(entry)) for word in query.words)
        and (query.since is None or (entry.created is not None and entry.created >= query.since))
        and (query.until is None or (entry.created is not None and entry.created < query.until))
    )


def _texts(entry: LegacyEntry) -> tuple[str, ...]:
    return (entry.run_id, entry.symbol or "", entry.strategy or "")


def _ordered(entries: Sequence[LegacyEntry], sort: str) -> list[LegacyEntry]:
    """Sort by a field, then by id; what has no value comes last in both directions."""
    name, descending = sort.removeprefix("-"), sort.startswith("-")
    key = _key(name)
    by_id = sorted(entries, key=lambda entry: entry.run_id, reverse=descending)
    valued = [entry for entry in by_id if key(entry) is not None]
    return sorted(valued, key=key, reverse=descending) + [entry for entry in by_id if key(entry) is None]


def _key(name: str) -> Callable[[LegacyEntry], Any]:
    if name in _PLAIN:
        return lambda entry: getattr(entry, name)
    return lambda entry: metric(entry, name)
