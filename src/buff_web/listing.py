"""The list of a root: a page of its runs, each with what is wrong with its directory, and legacy runs behind them.

A store and the directory of legacy runs go in; rows come out, the same for a page and for its machine form. A run whose
manifest cannot be read never hides the others: it is marked, with the error that says why. A manifest is read when a
run is listed first and again when its file has changed: after that a run in a list costs one look at one name.
"""

import os
from collections import Counter, OrderedDict
from collections.abc import Mapping
from threading import Lock
from typing import Any, TypeAlias

import msgspec
from attrs import evolve, frozen

from buff import LegacyEntry, LegacyRoot, LegacyRun, Page, RunEntry, Store
from buff.errors import BuffError, RunNotFound
from buff.legacy.folder import Folder, find
from buff.legacy.root import behind, matching, metric
from buff.registry.queries import LEGACY, Facets, Query, listing, without
from buff.runs.directory import committed_manifest
from buff.runs.manifest import NAME

KEPT = 20_000  # runs whose manifests were looked at
Entry: TypeAlias = RunEntry | LegacyEntry
Seen: TypeAlias = tuple[int, ...] | None  # what a file is by its name: None when there is none


@frozen(kw_only=True)
class Row:
    """A run in a list: what is known of it, and what is wrong with its directory."""

    entry: Entry
    fault: BuffError | None = None

    @property
    def state(self) -> str:
        """`damaged` where the directory or the last verification says so, else what the registry says, or `legacy`."""
        return "damaged" if self.fault is not None else self.entry.state

    def metric(self, name: str) -> float | None:
        """Return a metric by its name; that of a legacy run follows another formula and sign."""
        if isinstance(self.entry, LegacyEntry):
            return metric(self.entry, name)
        return self.entry.metrics.get(name)

    @property
    def document(self) -> dict[str, Any]:
        """The row as plain values."""
        code = self.fault.code if self.fault else None
        legacy = isinstance(self.entry, LegacyEntry)
        return {**msgspec.structs.asdict(self.entry), "state": self.state, "code": code, "legacy": legacy}


class Listing:
    """The runs of a store and of a directory of legacy runs, if there is one. Threads may share it."""

    def __init__(self, store: Store, artifacts_root: str | None) -> None:
        """Look at nothing yet. A directory that is not there is no directory."""
        self._store = store
        self._path = artifacts_root if artifacts_root and os.path.isdir(artifacts_root) else None
        self._looked: OrderedDict[str, tuple[str, Seen, BuffError | None]] = OrderedDict()
        self._lock = Lock()
        self._legacy: tuple[Any, tuple[LegacyEntry, ...]] = (None, ())

    def page(self, filters: Mapping[str, Any]) -> Page[Entry]:
        """Return a page of the list; filters are those of `buff.registry.queries.Query`. Raises RunConfigInvalid."""
        query = Query(**filters)
        found = self._store.runs(**filters)
        return behind(found, self.legacy() if query.legacy else (), query)

    def facets(self, filters: Mapping[str, Any]) -> Facets:
        """Return what the list can be narrowed by, legacy runs counted with the others. Raises RunConfigInvalid."""
        found, query, legacy = self._store.facets(**filters), listing(Query(**filters)), self.legacy()
        if not legacy:
            return found

        def counted(name: str) -> Counter[Any]:
            values = (getattr(entry, name) for entry in matching(legacy, without(query, name)))
            return Counter(value for value in values if value is not None)

        shown = len(matching(legacy, evolve(query, state=LEGACY)))
        return evolve(
            found,
            total=found.total + len(matching(legacy, query)),
            counts={name: Counter(counts) + counted(name) for name, counts in found.counts.items()},
            states={**found.states, **({LEGACY: shown} if shown else {})},
        )

    def rows(self, page: Page[Any]) -> tuple[Row, ...]:
        """Return the rows of a page, the manifest of each run looked at."""
        return tuple(
            Row(entry=entry, fault=self.fault(entry) if isinstance(entry, RunEntry) else None) for entry in page.items
        )

    def fault(self, entry: RunEntry) -> BuffError | None:
        """Return why a run's manifest is not the committed one, or None. Other artifacts are checked when read.

        A run that was reclaimed has no directory, and nothing is wrong with that.
        """
        if entry.state == "reclaimed":
            return None
        # A list has up to two hundred: to join the names of a path takes as long as to look at the file.
        seen = _seen(f"{self._store.root}{os.sep}{entry.run_id}{os.sep}{NAME}")
        known = self._looked.get(entry.run_id)
        if known is not None and known[:2] == (entry.manifest_sha256, seen):
            return known[2]
        error = self._read(entry)
        with self._lock:
            self._looked[entry.run_id] = entry.manifest_sha256, seen, error
            if len(self._looked) > KEPT:
                self._looked.popitem(last=False)
        return error

    def _read(self, entry: RunEntry) -> BuffError | None:
        directory = os.path.join(self._store.root, entry.run_id)
        try:
            committed_manifest(self._store.disk, directory, entry.run_id, entry.manifest_sha256)
        except BuffError as error:
            return error
        return None

    # Legacy runs

    def legacy(self) -> tuple[LegacyEntry, ...]:
        """Return what a list shows of every legacy run; they are read again when a directory of theirs has changed."""
        if self._path is None:
            return ()
        signature = tuple(_signature(folder) for folder in find(self._path).folders)
        known, entries = self._legacy
        if known != signature:
            entries = LegacyRoot(self._path).entries()
            self._legacy = signature, entries
        return entries

    def legacy_run(self, run_id: str) -> LegacyRun | None:
        """Return the legacy run of exactly this id, or None."""
        if self._path is None:
            return None
        root = LegacyRoot(self._path)
        if run_id not in root.ids():
            return None
        try:
            return root.run(run_id)
        except RunNotFound:
            return None  # it went away in this very moment


def _seen(path: str) -> Seen:
    try:
        found = os.lstat(path)
    except OSError:
        return None
    return found.st_mode, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns


def _signature(folder: Folder) -> tuple[Any, ...]:
    """Return what changes with a legacy run: its files, by what the system says of them without reading one."""
    return (folder.run_id, *((name, _seen(os.path.join(folder.path, name))) for name in folder.names))
