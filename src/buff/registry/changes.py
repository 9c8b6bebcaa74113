"""What is recorded when somebody changes how a run is kept, and when a build ends: decided from its entry alone. Pure.

An entry and what was asked go in; an event comes out, or None when the run is already so. Nothing here looks at a disk,
and nothing removes a byte.
"""

from typing import Any

import msgspec
from msgspec import UNSET, UnsetType

from buff.errors import BuffError, BuildCancelled, BuildLost
from buff.journal.events import BuildFailed, BuildFinished, RunAnnotated, RunArchived, RunRestored
from buff.journal.record import Entry
from buff.registry.rows import RunEntry
from buff.registry.state import BuildEntry


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


def end(event: BuildFinished | BuildFailed) -> Entry:
    """Return what records the end of a build. Every end of it has the same key, so that it has one."""
    return Entry(event=event, key=f"end:{event.job}")


def failed(entry: BuildEntry, error: BuffError, *, by: str) -> BuildFailed:
    """Return the event of a build that ends with an error."""
    return BuildFailed(
        job=entry.job,
        code=error.code,
        message=error.message,
        hint=error.hint,
        details=msgspec.to_builtins(dict(error.details), enc_hook=repr),
        by=by,
    )


def shortened(event: BuildFailed) -> BuildFailed:
    """Return the end of a build in few words that the journal can hold surely: its details may be no JSON, or too much.

    They may hold what a user's file held, or what a strategy from outside raised.
    """
    message, hint = (text.encode("ascii", "backslashreplace").decode()[:500] for text in (event.message, event.hint))
    return msgspec.structs.replace(event, message=message, hint=hint, details={"job": event.job})


def lost(entry: BuildEntry, *, by: str) -> BuildFailed:
    """Return the event of a build whose process died: it is lost, unless its end was asked for."""
    return failed(entry, cancelled(entry) if entry.cancelled_by is not None else died(entry), by=by)


def died(entry: BuildEntry) -> BuildLost:
    """Return the error of a build whose process died. It is never begun again by itself."""
    return BuildLost(
        "the process that was at this build died before it was done; nothing of it was committed",
        hint="build it again: the same inputs give the same result",
        details={"job": entry.job},
    )


def cancelled(entry: BuildEntry) -> BuildCancelled:
    """Return the error of a build whose end was asked for."""
    return BuildCancelled(
        "the build was cancelled; nothing of it was committed",
        hint="build it again when it is wanted after all",
        details={"job": entry.job},
    )
