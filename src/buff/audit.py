"""verify_all(): every run of a root, one after the other, and what is news of it in the journal.

A store goes in; a `Verdict` for every run comes out, also for those whose directory was edited, half-copied or removed.
Runs are made again from their inputs, or only their stored bytes are compared with the hashes that were committed:
those of the artifacts, and those of the dataset's columns that the manifest refers to. Nothing is repaired.
"""

import os
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from buff.builder import silent
from buff.columns import content_sha256, read
from buff.errors import RunDamaged, RunNotFound
from buff.intake import Progress
from buff.journal.events import RunVerified
from buff.market.bars import DTYPES
from buff.proof import EXITS, Difference, Known, Verdict, judge, still_stands
from buff.registry.queries import held
from buff.registry.rows import RunEntry
from buff.runs.directory import committed_manifest, faults
from buff.runs.manifest import NAME
from buff.store import Store

# What a look at stored bytes can find. `whole` is less than `identical`: it takes back these and nothing else.
STORED = ("damaged", "data_changed", "inputs_missing")
WORST_FIRST = (*STORED, "strategy_changed", "look_ahead", "engine_changed", "whole", "identical")

Seen = dict[tuple[str, str], tuple[str, str] | None]


def verify_all(
    store: Store,
    *,
    stored_bytes_only: bool = False,
    record: bool = True,
    progress: Progress = silent,
    no_lookahead: bool = False,
) -> Iterator[Verdict]:
    """Yield the verdict on every run that was not reclaimed, in the order in which they were committed.

    `record` writes a verdict into the journal as it is found, unless it is the one the journal holds or the journal is
    damaged and can be told nothing. With `stored_bytes_only` nothing is recomputed, and a run without a fault is
    `whole`. With `no_lookahead` every strategy is tried for looking ahead, too.
    """
    entries = sorted(store.state.runs.values(), key=lambda entry: entry.seq)
    record = record and store.problem is None
    seen: Seen = {}
    known = Known()
    for done, entry in enumerate(entries):
        progress("verifying", done, len(entries))
        try:
            verdict = (
                stored(store, entry, seen)
                if stored_bytes_only
                else judge(store, held(store.state, entry.run_id), known, no_lookahead=no_lookahead)
            )
        except RunNotFound:
            continue  # it was reclaimed since we began
        if store.state.runs[entry.run_id].state == "reclaimed":
            continue
        news = is_news(entry.verdict, verdict.outcome)
        if record and news and not still_stands(entry.verdict, verdict.outcome, no_lookahead):
            artifact = None if verdict.difference is None else verdict.difference.artifact
            store.record(
                RunVerified(run_id=entry.run_id, verdict=verdict.outcome, artifact=artifact, by=store.settings.user)
            )
        yield verdict


def is_news(known: str | None, outcome: str) -> bool:
    """Say whether a verdict tells more than the last one: that bytes are whole is news only where they were not."""
    return known in STORED if outcome == "whole" else known != outcome


def counted(verdicts: Iterable[Verdict]) -> dict[str, int]:
    """Return how many verdicts there are of each outcome, by its name."""
    return dict(sorted(Counter(verdict.outcome for verdict in verdicts).items()))


def worst(verdicts: Iterable[Verdict]) -> int:
    """Return the exit code of the gravest verdict: 13 where any run is damaged, 0 where there is nothing to say."""
    outcomes = {verdict.outcome for verdict in verdicts}
    return next((EXITS[outcome] for outcome in WORST_FIRST if outcome in outcomes), 0)


def stored(store: Store, entry: RunEntry, seen: Seen) -> Verdict:
    """Return the verdict on the stored bytes of a run alone. `seen` keeps what was found of columns runs share."""
    directory = os.path.join(store.root, entry.run_id)
    try:
        manifest = committed_manifest(store.disk, directory, entry.run_id, entry.manifest_sha256)
    except RunDamaged as error:
        difference = Difference(artifact=NAME)
        return Verdict(run_id=entry.run_id, outcome="damaged", difference=difference, findings=(error.message,))
    faulty = tuple(faults(directory, manifest))
    found = [each for each in (_column(store.root, item, seen) for item in manifest["references"]) if each is not None]
    outcomes = ["damaged"] * bool(faulty) + [outcome for outcome, _ in found] + ["whole"]
    return Verdict(
        run_id=entry.run_id,
        outcome=min(outcomes, key=WORST_FIRST.index),
        difference=Difference(artifact=faulty[0].name) if faulty else None,
        findings=tuple(dict.fromkeys([*(f"{each.name} {each.says}" for each in faulty), *(says for _, says in found)])),
    )


def _column(root: str, reference: Mapping[str, Any], seen: Seen) -> tuple[str, str] | None:
    """Return what is wrong with a column a run refers to, as outcome and sentence; each column is hashed once."""
    key = (reference["file"], reference["sha256"])
    if key not in seen:
        seen[key] = _judge(root, reference)
    return seen[key]


def _judge(root: str, reference: Mapping[str, Any]) -> tuple[str, str] | None:
    folder, dataset_id, *_ = reference["file"].split("/")
    if not os.path.isdir(os.path.join(root, folder, dataset_id)):
        return "inputs_missing", f"dataset {dataset_id} is not in this root"
    try:
        column = read(os.path.join(root, *reference["file"].split("/")), DTYPES[reference["column"]])
    except RunDamaged as error:
        return "data_changed", f"{reference['file']}: {error.message}"
    if content_sha256(column) != reference["sha256"]:
        return "data_changed", f"{reference['file']} holds other values than were stored"
    return None
