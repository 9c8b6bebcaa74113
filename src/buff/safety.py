"""Safety: the kill switch of a root. Three things engage it, and so does doubt about any of them.

An open store goes in; a `SwitchState` comes out, or KILL_SWITCH_ENGAGED where something new was about to be made. It is
engaged by a command the journal tells of, by a file `_kill_switch` in the root, and by the environment of this very
process. What the journal says of files and environments is history: it engages nothing. What cannot be looked at counts
as engaged. Reading is never stopped, and neither is what keeps or removes runs that are there.
"""

import os
import weakref
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any, Final

import msgspec
from attrs import frozen

from buff.canonical import document
from buff.errors import BuffError, KillSwitchEngaged, RunConfigInvalid, StorageError
from buff.files import Disk, not_written, replace_file
from buff.journal import events
from buff.journal.events import Event
from buff.journal.record import Entry
from buff.registry.state import RegistryState, SwitchEntry
from buff.runs.request import words
from buff.settings import Settings
from buff.store import Store

FILE: Final = "_kill_switch"
TEXT_MAX = 1_000  # characters that are shown of a file, as many as a reason may have
READ_BYTES_MAX = 16_384  # a reason is never longer, however it is escaped
SET = "BUFF_KILL_SWITCH is set"
ASKED_SECONDS = 0.2  # what runs asks so often, and only when it has something to say

_HINTS = {
    "command": "`buff kill-switch off` releases it",
    "file": f"`buff kill-switch off` releases it and removes the file {FILE} from the runs root",
    "environment": "start this process without BUFF_KILL_SWITCH, or with BUFF_KILL_SWITCH=0",
    "journal": "`buff doctor` says what is wrong with the journal",
}


@frozen(kw_only=True)
class Engagement:
    """One thing that engages the switch: `source` is command, file, environment, or journal when that cannot be read.

    `since` is a time in UTC and `by` a person, None where nobody knows; `why` is for people.
    """

    source: str
    since: str | None = None
    by: str | None = None
    why: str | None = None

    def as_dict(self) -> dict[str, str | None]:
        """Return it as plain values."""
        return {"source": self.source, "since": self.since, "by": self.by, "why": self.why}

    def __str__(self) -> str:
        known = [self.by or "", f"since {self.since[:19]}Z" if self.since else ""]
        who = ", ".join(each for each in known if each)
        return f"{self.why or 'nobody said why'}{f' ({who})' if who else ''}"


@frozen(kw_only=True)
class SwitchState:
    """What engages the switch now, and the `problem` of a journal that cannot be read, which is one such thing.

    `elsewhere` is the environment of another process, as the journal tells of it: it stops that process alone.
    """

    engagements: tuple[Engagement, ...] = ()
    problem: BuffError | None = None
    elsewhere: Engagement | None = None

    @property
    def engaged(self) -> bool:
        """Whether new runs and ingests are stopped."""
        return bool(self.engagements)

    @property
    def sources(self) -> tuple[str, ...]:
        """What engages it."""
        return tuple(each.source for each in self.engagements)

    @property
    def hint(self) -> str:
        """What to do about each of them."""
        said = {_HINTS[source]: None for source in self.sources}
        if "file" in self.sources:
            said.pop(_HINTS["command"], None)  # one command releases both
        return "; ".join(said)

    def as_dict(self) -> dict[str, Any]:
        """Return what `buff kill-switch status --json` prints."""
        return {
            "engaged": self.engaged,
            "sources": [each.as_dict() for each in self.engagements],
            "elsewhere": None if self.elsewhere is None else self.elsewhere.as_dict(),
        }

    @property
    def error(self) -> BuffError:
        """The refusal of something new. Where only the journal is in doubt, what is wrong with it says more."""
        assert self.engaged, "a switch that is off refuses nothing"
        if self.problem is not None and self.sources == ("journal",):
            return self.problem
        says = f"the kill switch is on by {' and '.join(self.sources)}: {self.engagements[0]}"
        return KillSwitchEngaged(says, hint=self.hint, details={"sources": self.as_dict()["sources"]})


@frozen(kw_only=True)
class Switched:
    """What became of `on` or `off`: the state after it, and the `problem` that kept a part of it from being done."""

    state: SwitchState
    problem: BuffError | None = None


class _Said(msgspec.Struct):
    """What `on` writes into the file."""

    by: str
    since: str
    why: str


# Looking


def state(store: Store) -> SwitchState:
    """Return what engages the switch of a root now, for this process. Nothing is written, and nothing raised."""
    try:
        known, problem = store.state, store.problem
    except BuffError as error:
        known, problem = RegistryState(), error
    here = store.settings.kill_switch
    told = _told(known.switch, "environment")
    found = (
        _told(known.switch, "command"),
        _file(store.disk, store.root, known.switch),
        (told or Engagement(source="environment", by=store.settings.user, why=SET)) if here else None,
        None if problem is None else Engagement(source="journal", why=problem.message),
    )
    engagements = tuple(each for each in found if each is not None)
    return SwitchState(engagements=engagements, problem=problem, elsewhere=None if here else told)


def check(store: Store) -> None:
    """Raise KillSwitchEngaged when something new must not be made, or what is wrong with a journal in doubt."""
    found = state(store)
    if found.engaged:
        raise found.error


def check_settings(settings: Settings) -> None:
    """Raise KillSwitchEngaged when this process's environment engages the switch, before there is a root to ask."""
    if settings.kill_switch:
        raise SwitchState(engagements=(Engagement(source="environment", by=settings.user, why=SET),)).error


def _told(known: Mapping[str, SwitchEntry], source: str) -> Engagement | None:
    """Return what the journal tells of a source."""
    entry = known.get(source)
    return None if entry is None else Engagement(source=source, since=entry.since, by=entry.by, why=entry.why)


def _file(disk: Disk, root: str, known: Mapping[str, SwitchEntry]) -> Engagement | None:
    """Return what a name `_kill_switch` in the root says, whatever kind of thing has it."""
    path = os.path.join(root, FILE)
    try:
        # The second look is for systems on which the first says no to what it may not see.
        if not (disk.exists(path) or disk.is_directory(path)):
            return None
    except OSError as error:
        return Engagement(source="file", why=f"the file {FILE} cannot be looked at: {error.strerror}")
    said = _content(disk, path)
    if isinstance(said, _Said):
        return Engagement(source="file", since=_shown(said.since), by=_shown(said.by), why=_shown(said.why))
    entry = known.get("file")
    return Engagement(source="file", since=None if entry is None else entry.since, why=said)


def _content(disk: Disk, path: str) -> _Said | str | None:
    """Return what is in the file: what `on` wrote, or the text somebody put there, or None."""
    try:
        # A pipe has no size, and reading one would wait for ever.
        data = disk.read(path, 0, READ_BYTES_MAX) if disk.size(path) else b""
    except OSError:
        return f"{FILE} cannot be read"
    try:
        return msgspec.json.decode(data, type=_Said)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return _shown(data.decode("utf-8", "replace"))


def _shown(text: str) -> str | None:
    """Return somebody's text as one line that no terminal obeys; None when nothing is left of it."""
    line = " ".join("".join(letter if letter.isprintable() else " " for letter in text).split())
    return line[:TEXT_MAX] or None


# Telling of what was seen

_TOLD: "weakref.WeakSet[Store]" = weakref.WeakSet()


def note(store: Store) -> None:
    """Let the journal tell of a file or an environment that engages or no longer does, if it does not know.

    A process tells of its environment once, since that never changes: two processes of which one is stopped would else
    contradict each other in the journal for ever. Raises what the journal raises.
    """
    fresh = store not in _TOLD
    if changes(store.state.switch, state(store), environment=fresh, by=store.settings.user):
        store.together(lambda: changes(store.state.switch, state(store), environment=fresh, by=store.settings.user))
    _TOLD.add(store)


def changes(known: Mapping[str, SwitchEntry], found: SwitchState, *, environment: bool, by: str) -> list[Event]:
    """Return the events of what is so now and the journal does not know; of the environment only if asked. Pure."""
    told: list[Event] = []
    now = {each.source: each for each in found.engagements}
    # A file that `on` made is told of by its own event.
    expected = {"file": "command" in known or "file" in known, "environment": "environment" in known}
    for source in ("file", "environment") if environment else ("file",):
        seen = now.get(source)
        if seen is not None and not expected[source]:
            told.append(events.KillSwitchEngaged(source=source, why=seen.why, by=seen.by or by))
        if seen is None and source in known:
            told.append(events.KillSwitchReleased(source=source, why=f"the {source} no longer engages it", by=by))
    return told


# Switching


def engage(store: Store, why: str | None) -> Switched:
    """Turn the switch on: the file first, durable, then the event, so that it works where the journal does not.

    What could not be done of the two is the `problem` of what comes out. Raises RunConfigInvalid without a reason,
    StorageError when neither could be done: then it is not on.
    """
    said = (words(why=why)["why"] or "").strip()
    if not said:
        raise RunConfigInvalid(
            "why the kill switch is turned on is missing",
            hint="give --why with a reason: whoever is stopped by it reads that",
            details={"field": "why"},
        )
    unmade = _make_file(store, said)
    unrecorded = _recorded(store, said)
    if unmade is not None and unrecorded is not None:
        raise StorageError(
            f"the kill switch could not be turned on: {unmade.message}; {unrecorded.message}",
            hint=f"make a file {FILE} in the runs root yourself, or set BUFF_KILL_SWITCH=1",
        ) from unrecorded
    return Switched(state=state(store), problem=unmade or unrecorded)


def release(store: Store, why: str | None = None) -> Switched:
    """Turn the switch off: the event first, then the file, so that a crash between them leaves it on.

    The state that comes out says what engages it all the same: the environment of this process. Raises what a journal
    raises that cannot be written (then it stays on), and StorageError when the file cannot be removed.
    """
    said = words(why=why)["why"]
    path = os.path.join(store.root, FILE)
    before = state(store)
    if not (before.engaged or store.state.switch):
        return Switched(state=before)  # there is nothing to release, and perhaps no journal either
    with store.journal().exclusive() as hold:
        told = list(_released(store.state.switch, state(store), why=said, by=store.settings.user))
        if told:
            hold.append([Entry(event=event) for event in told])
        try:
            if store.disk.exists(path):
                store.disk.unlink(path)
                # Without this a crash may bring the file back: that stops what could go on, and nobody would know why.
                store.disk.sync_directory(store.root)
        except OSError as error:
            raise not_written(
                error, f"{FILE} could not be removed from the runs root", hint="remove it by hand: until then it is on"
            ) from error
    return Switched(state=state(store))


def _released(
    known: Mapping[str, SwitchEntry], found: SwitchState, *, why: str | None, by: str
) -> Iterator[events.KillSwitchReleased]:
    """Yield an event for each source that was engaged and is released; the environment is not ours to release."""
    now = set(found.sources)
    for source in ("command", "file", "environment"):
        if source in known and (source != "environment" or source not in now):
            yield events.KillSwitchReleased(source=source, why=why, by=by)
    if "file" in now and not {"command", "file"} & set(known):
        yield events.KillSwitchReleased(source="file", why=why, by=by)


def _make_file(store: Store, why: str) -> StorageError | None:
    """Make the file that engages the switch, durable; return why that could not be done."""
    said = document({"by": store.settings.user, "since": store.host.clock(), "why": why})
    path = os.path.join(store.root, FILE)
    try:
        replace_file(store.disk, os.path.join(store.root, f".{FILE}.{store.host.token()}"), path, (said,))
    except OSError as error:
        return not_written(error, f"the file {FILE} could not be written", hint="the journal engages it alone")
    return None


def _recorded(store: Store, why: str) -> BuffError | None:
    """Record that somebody turned the switch on; return why that could not be done."""
    try:
        store.record(events.KillSwitchEngaged(source="command", why=why, by=store.settings.user))
    except BuffError as error:
        return error
    except OSError as error:
        return not_written(error, "the event could not be written", hint=f"the file {FILE} engages it alone")
    return None


# While something is made


class Watch:
    """Asks whether the switch was engaged while something is made: at most five times a second, however often told."""

    def __init__(self, store: Store, ask: Callable[[], None] | None = None) -> None:
        """Ask `check` of the store, or what else may stop what is being made, which raises then."""
        self._ask = ask or partial(check, store)
        self._clock = store.host.monotonic
        self._asked = self._clock() - ASKED_SECONDS

    def __call__(self) -> None:
        """Ask, unless that was just done. Raises KillSwitchEngaged, or whatever `ask` raises."""
        now = self._clock()
        if now - self._asked >= ASKED_SECONDS:
            self._asked = now
            self._ask()
