"""Every sync in the code is needed: each call that asks for one is found, taken out in turn, and missed by a search.

The disk says "done" and does nothing when it is asked from that call. Which calls there are is read from the source, so
a new one is searched for without anybody listing it; one that nothing misses must be argued for in `EQUIVALENT`.
"""

import contextlib
import errno
import random
from collections.abc import Callable, Iterator
from functools import cache, partial
from pathlib import Path

import pytest

from buff.errors import BuffError
from buff.files import RealDisk
from buff.journal.log import read
from buff.journal.reader import judge
from buff.journal.record import Acceptance
from buff.journal.recovery import Action
from buff.journal.survey import read_head
from deeds import DEEDS, Deed, Told, begun, cuts, ended
from journals import note, open_journal
from ledgers import (
    BOOT,
    OTHER_BOOT,
    ROOT,
    Broken,
    Ledger,
    Model,
    fresh,
    headless,
    hold,
    inherited,
    machine,
    play,
    promise,
    rivals,
    rotate,
    small,
    torn,
)
from lying_disk import LyingDisk
from sync_places import PASSING, asking, passing, places
from wrecks import CASES, attack, lost, repair

Begin = Callable[..., tuple[LyingDisk, Model]]
Act = Callable[[LyingDisk, Model], None]
Search = Callable[["Deaf"], None]
SCENES: tuple[tuple[Begin, Act], ...] = (
    (fresh, play),
    (inherited, play),
    (fresh, rivals),
    (headless, play),
    (torn, play),
    (small, rotate),
)
IMAGES = 6

# Place -> why no crash can tell whether the sync was made.
_DISPOSABLE = "a {} whose bytes were lost does not carry its own hash, so it is none: it is ignored"
_OLD = "without it the {} may come back or be gone, which is what a crash just before would have left"
EQUIVALENT: dict[str, str] = {
    "buff.store: Store.write_index > replace_file > write_file > sync": _DISPOSABLE.format("index"),
    "buff.store: Store.write_index > replace_file > sync_directory": _OLD.format("index before"),
    "buff.store: Store._write_checkpoint > replace_file > write_file > sync": _DISPOSABLE.format("checkpoint"),
    "buff.store: Store._write_checkpoint > replace_file > sync_directory": _OLD.format("checkpoint"),
    "buff.staging: Owner.intend > write_file > sync": "an intent is its name; nobody reads its bytes",
    **dict.fromkeys(
        (
            "buff.probe: _syncs.once > sync",
            "buff.probe: _creates.once > sync",
            "buff.probe: _creates.once > sync_directory",
            "buff.probe: _sequence > sync",
        ),
        "it is there to be timed; what it saves is removed at once",
    ),
    "buff.health: _root > write_file > sync": "it is tried, not kept: the file is removed at once",
    "buff.template: write > write_file > sync": "a package to begin with is the user's own, as what an editor saves",
    "buff.cli.demo: command > write_file > sync": "the sample is made anew by every demo, in a folder of its own",
}


_MOVE = (
    "a rename survives whole or not at all, so the sync of its other directory, beside this one, does the same; "
    "there are two for file systems that promise less (tests/attack/test_orders.py leaves both out)"
)
_I7 = "the writer that records the loss syncs {} once more, before the new root has its name (spec/store.md, I7)"
EQUIVALENT |= {
    "buff.staging: move_aside > sync_directory": _MOVE,
    "buff.staging: move_aside > sync_directory#2": _MOVE,
    "buff.staging: sweep > sync_directory#2": _MOVE,
    "journal_tools.salvage: _write_journal > write_file#2 > sync": _I7.format("HEAD, when it writes the index"),
    "journal_tools.salvage: _write_journal > sync_directory": _I7.format("_journal, as of any journal it finds"),
}


class Deaf:
    """A disk's ear that does not hear one place, and remembers whether it was asked from there."""

    def __init__(self, place: str) -> None:
        self.place = place
        self.heard = False

    def __call__(self, kind: str, _path: str) -> bool:
        if asking(kind) != self.place:
            return False
        self.heard = True
        return True


# Ways to miss a sync: each raises Broken, or another AssertionError, when it does


def _watched(deaf: Deaf, begin: Begin, act: Act, watch: Callable[[LyingDisk, Model, random.Random], None]) -> None:
    disk, model = begin()
    disk.deaf, chance = deaf, random.Random(5)
    disk.watch = lambda: watch(disk, model, chance)
    act(disk, model)
    disk.watch()


def _cuts(begin: Begin, act: Act, deaf: Deaf) -> None:
    """The power goes before any step."""

    def watch(disk: LyingDisk, model: Model, chance: random.Random) -> None:
        if deaf.heard:
            for image in disk.images(chance, IMAGES):
                hold(image, model.copy(), boot=OTHER_BOOT)

    _watched(deaf, begin, act, watch)


def _kills(begin: Begin, act: Act, deaf: Deaf) -> None:
    """The process dies before any step, another commits a run, and the power goes."""

    def watch(disk: LyingDisk, model: Model, chance: random.Random) -> None:
        left, after = disk.snapshot(), model.copy()
        ledger = Ledger(left, after, boot=BOOT)
        ledger.commit("run_k")
        for image in left.images(chance, IMAGES) if deaf.heard else ():
            hold(image, after.copy(), boot=OTHER_BOOT)
        ledger.close()
        for image in left.images(chance, IMAGES) if deaf.heard else ():
            hold(image, after.copy(), boot=OTHER_BOOT)

    _watched(deaf, begin, act, watch)


def _recoveries(begin: Begin, act: Act, deaf: Deaf) -> None:
    """The power goes before any step, and again before any step of the recovery and of the work after it."""

    def watch(disk: LyingDisk, model: Model, chance: random.Random) -> None:
        if chance.random() < 0.8:
            return  # each recovery is a search of its own
        for image in disk.images(chance, 2):
            after = model.copy()

            def again(image: LyingDisk = image, after: Model = after) -> None:
                for nested in image.images(chance, 2):
                    hold(nested, after.copy(), boot="a third boot")

            image.watch = again
            Ledger(image, after, boot=OTHER_BOOT).commit("run_k")
            again()

    _watched(deaf, begin, act, watch)


def _failures(begin: Begin, act: Act, deaf: Deaf) -> None:
    """A write to HEAD or a sync fails, the process goes on, and the power goes at one of the next steps."""
    disk, model = begin()
    disk.deaf = deaf
    act(disk, model)
    steps = [at for at, line in enumerate(disk.trace) if line.split()[1] in ("write_at", "sync")]
    for step in steps:
        disk, model = begin()
        disk.deaf, disk.faults, chance = deaf, {step: errno.EIO}, random.Random(step)

        def watch(
            disk: LyingDisk = disk, model: Model = model, chance: random.Random = chance, step: int = step
        ) -> None:
            if step < disk.steps <= step + 12:
                for image in disk.images(chance, IMAGES):
                    hold(image, model.copy(), boot=OTHER_BOOT)

        disk.watch = watch
        with contextlib.suppress(BuffError, OSError):
            act(disk, model)


def _journal_alone(deaf: Deaf) -> None:
    """A journal without a store: made, appended to, closed, with nobody else to sync what it forgot."""
    disk = machine()
    disk.deaf = deaf
    journal = open_journal(disk, ROOT)
    (receipt,) = journal.append([note("x")])
    for image in disk.images(random.Random(1), 40):
        lines = read(image, ROOT, boot=OTHER_BOOT).lines if image.exists(f"{ROOT}/_journal") else []
        promise(receipt.sha256 in [line.sha256 for line in lines], "an acknowledged event is lost")
    journal.close()
    head = read_head(disk.least(), ROOT).current
    promise(head is not None and head.seq == receipt.seq, "HEAD is not durable when a journal was closed")


def _loss_accepted(deaf: Deaf) -> None:
    """Acknowledged events are gone, and a journal without a store is opened all the same: that must last."""
    disk = lost("R08", indexed=True, runs=False).disk.copy()
    disk.deaf = deaf
    kept = judge(disk, ROOT, head=read_head(disk, ROOT).current).findings.end.seq
    open_journal(disk, ROOT, accept=Acceptance(kept=kept, who="tester", why="a test")).close()
    for image in (disk.least(), *disk.images(random.Random(1), 20)):
        verdict = judge(image, ROOT, head=read_head(image, ROOT).current)
        promise(verdict.row.action is not Action.REFUSE, f"the accepted loss is refused again: {verdict.row.name}")


def _repair(case: str, indexed: bool, runs: bool, deaf: Deaf) -> None:
    attack(case, indexed, runs, IMAGES, deaf)


def _deed(deed: Deed, deaf: Deaf) -> None:
    for images, again in ((1, 0.0), (4, 0.3)):
        cuts(deed, images=images, again=again, deaf=deaf)


# Where they are found soonest; without it they are found, too
FIRST: dict[str, tuple[tuple[Callable[..., None], tuple[Begin, Act]], ...]] = {
    "buff.journal.writer: Writer._create_head > replace_file > sync_directory": ((_cuts, (headless, play)),),
    "buff.journal.writer: Writer._create_head > replace_file > write_file > sync": ((_failures, (fresh, play)),),
    "buff.journal.writer: Writer.settle > sync_directory": ((_kills, (fresh, play)),),
    "buff.staging: make_directory > sync_directory": ((_kills, (fresh, play)), (_kills, (inherited, play))),
    "buff.staging: sweep > sync_directory": ((_kills, (inherited, play)),),
    "buff.staging: sweep > sync_directory#2": ((_kills, (inherited, play)),),
}

# Which of them to begin with: those that come by the place when nothing happens


@cache
def _plainly() -> tuple[tuple[Search, frozenset[str]], ...]:
    """Return every way that does one thing undisturbed, with the places it comes by."""
    found: list[tuple[Search, frozenset[str]]] = []
    for alone in (_journal_alone, _loss_accepted):
        ear = _Ear()
        alone(ear)  # type: ignore[arg-type]
        found.append((alone, frozenset(ear.found)))
    for begin, act in SCENES:
        disk, model = begin()
        found.append((partial(_cuts, begin, act), _heard(disk, lambda d=disk, m=model, a=act: a(d, m))))
    for case in CASES:
        disk = lost(case[0], indexed=case[1], runs=case[2]).disk.copy()
        found.append((partial(_repair, *case), _heard(disk, lambda d=disk: repair(d, BOOT))))
    for deed in DEEDS:
        disk = begun(deed)
        found.append((partial(_deed, deed), _heard(disk, lambda d=disk, e=deed: e.do(d, Path(d.base), Told()))))
        ended(disk)
    return tuple(found)


class _Ear:
    """Hears every sync, and remembers who asked."""

    def __init__(self) -> None:
        self.found: set[str] = set()

    def __call__(self, kind: str, _path: str) -> bool:
        self.found.add(asking(kind) or "")
        return False


def _heard(disk: LyingDisk, act: Callable[[], object]) -> frozenset[str]:
    disk.deaf = ear = _Ear()
    act()
    return frozenset(ear.found)


def searches(place: str) -> Iterator[tuple[str, Search]]:
    """Yield the ways to miss a place, the most promising first."""
    for way, scene in FIRST.get(place, ()):
        yield _name(way), partial(way, *scene)
    for search, found in _plainly():
        if place in found:
            yield _name(search), search
    for way in (_kills, _failures, _recoveries):
        for begin, act in SCENES:
            yield _name(way), partial(way, begin, act)


def _name(search: Search) -> str:
    function = search.func if isinstance(search, partial) else search
    return function.__name__.strip("_").replace("_", " ")


def missed(place: str) -> str:
    """Return the promise that is broken when one sync is not made, or nothing when no search finds one broken."""
    for name, search in searches(place):
        try:
            search(Deaf(place))
        except (Broken, AssertionError) as error:
            return f"{name}: {str(error).splitlines()[0][:90]}"
    return ""


@pytest.mark.parametrize("place", [place for place in places() if place not in EQUIVALENT])
def test_a_sync_that_is_taken_out_is_missed(place: str) -> None:
    says = missed(place)
    print(f"\n  {place}: {says or 'NOT MISSED'}")
    assert says


def test_every_sync_is_missed_or_argued_for() -> None:
    """The test above has one case for each place in the code but those argued for, which must be there."""
    found = places()
    assert len(found) == len(set(found))
    assert EQUIVALENT.keys() <= set(found), "an argument for a sync that is not there any more"
    print(f"\nsyncs taken out: {len(found)} calls, {len(found) - len(EQUIVALENT)} missed, {len(EQUIVALENT)} argued for")


def test_what_only_passes_a_sync_on_makes_no_other() -> None:
    """A sync that is added to one of these functions must be added to what is said of it, too."""
    assert passing() == {name: len({path.split(" > ")[1] for path in paths}) for name, paths in PASSING.items()}


def test_the_disk_itself_asks_the_system(tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The two syncs below all others."""
    asked: list[str] = []
    monkeypatch.setattr("os.fdatasync", lambda handle: asked.append("data"), raising=False)
    monkeypatch.setattr("os.fsync", lambda handle: asked.append("all"))
    disk = RealDisk()
    handle = disk.create(str(tmp_path / "file"))
    disk.sync(handle)
    disk.close(handle)
    disk.sync_directory(str(tmp_path))
    assert len(asked) == 2
