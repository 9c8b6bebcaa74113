"""What is recorded when somebody changes how a run is kept: decided from its entry alone. Pure.

An entry and what was asked go in; an event comes out, or None when the run is already so. Nothing here looks at a disk,
and nothing removes a byte.
"""

from typing import Any

import msgspec
from msgspec import UNSET, UnsetType

from buff.journal.events import RunAnnotated, RunArchived, RunRestored
from buff.registry.rows import RunEntry


def annotated(
    entry: RunEntry,
    *,
    name: str | UnsetType | None = UNSET,
    notes: str | UnsetType | None = UNSET,
    tags: list[str] | UnsetType = UNSET,
    by: str,
) -> RunAnnotated | None:
    """Return the event that gives a run another name, notes or tags; UNSET leaves one as it is, None takes it away."""
    asked: dict[str, Any] = {"name": name, "notes": notes, "tags": tags}
    known = msgspec.structs.asdict(entry)
    changed = {key: value for key, value in asked.items() if value is not UNSET and value != known[key]}
    return RunAnnotated(run_id=entry.run_id, by=by, **changed) if changed else None


def archived(entry: RunEntry, *, why: str | None, by: str) -> RunArchived | None:
    """Return the event that takes a run out of the lists."""
    return None if entry.state == "archived" else RunArchived(run_id=entry.run_id, why=why, by=by)


def restored(entry: RunEntry, *, by: str) -> RunRestored | None:
    """Return the event that brings an archived run back into the lists."""
    return RunRestored(run_id=entry.run_id, by=by) if entry.state == "archived" else None
