"""Every order in which things are made durable is needed: each is turned round in the real code, and missed.

An operation of the store is held back until another one that should come after it was made. The order of files inside a
staged directory is not among them: nobody looks there before its rename, and by then all of it is synced.
"""

import random
from collections.abc import Callable
from typing import Any

import pytest
from attrs import field, frozen

from buff.staging import Owner
from ledgers import BOOT, OTHER_BOOT, ROOT, Ledger, Model, fresh, hold, inherited, play, rotate, small, torn
from lying_disk import LyingDisk
from sync_places import asking

FOLDER = f"{ROOT}/_journal"
Begin = Callable[[], tuple[LyingDisk, Model]]
When = Callable[[str, str], bool]


@frozen(kw_only=True)
class Order:
    """What is held back, given an operation and the one before it, and the operation after which it is made."""

    name: str
    late: When = field(default=lambda what, before: False)
    until: Callable[[str], bool]
    begin: Begin = fresh
    act: Callable[[LyingDisk, Model], None] = play
    also: Callable[[LyingDisk, str], None] = field(default=lambda disk, what: None)  # done after it, too early
    call: tuple[type, str] | None = None  # a function that is called late


def _writes_head(what: str) -> bool:
    return what == f"write_at {FOLDER}/HEAD"


def _publishes(what: str) -> bool:
    return what.startswith(f"rename {ROOT}/_staging/") and f"-> {ROOT}/run_" in what


def _forgets(disk: LyingDisk, what: str) -> None:
    if _publishes(what):
        source = what.split()[1]
        disk.unlink(f"{source}.intent")
        disk.sync_directory(source.rpartition("/")[0])


def _moves_aside(what: str, before: str) -> bool:
    """The two syncs behind a move to _orphans."""
    first = what == f"sync_directory {ROOT}/_orphans" and f"-> {ROOT}/_orphans/" in before
    return first or (what.startswith("sync_directory") and before == f"sync_directory {ROOT}/_orphans")


ORDERS = (
    Order(
        name="HEAD is written before the batch is synced",
        late=lambda what, before: what.startswith(f"sync {FOLDER}/0"),
        until=_writes_head,
    ),
    Order(
        name="HEAD is written before a new segment's name is synced",
        late=lambda what, before: what == f"sync_directory {FOLDER}" and ".segment.tmp" in before,
        until=_writes_head,
        begin=small,
        act=rotate,
    ),
    Order(
        name="a new segment gets its name before its bytes are synced",
        late=lambda what, before: what == f"sync {FOLDER}/.segment.tmp",
        until=lambda what: what.startswith(f"rename {FOLDER}/.segment.tmp"),
        begin=small,
        act=rotate,
    ),
    Order(
        name="index.json is written before HEAD is synced",
        late=lambda what, before: what == f"sync {FOLDER}/HEAD" and "Writer.sync_head" in (asking("sync") or ""),
        until=lambda what: what.startswith("rename") and what.endswith("/index.json"),
        act=rotate,
    ),
    Order(
        name="a run's event comes before its rename",
        late=lambda what, before: _publishes(what) or (what == f"sync_directory {ROOT}" and _publishes(before)),
        until=_writes_head,
    ),
    Order(
        name="a run's event comes before its name is synced",
        late=lambda what, before: what == f"sync_directory {ROOT}" and _publishes(before),
        until=_writes_head,
    ),
    Order(
        name="a run's event comes before its artifacts are synced",
        late=lambda what, before: what.startswith("sync ") and what.endswith("/orders.jsonl"),
        until=_writes_head,
    ),
    Order(
        name="a run's event comes before the names of its artifacts are synced",
        late=lambda what, before: what.startswith(f"sync_directory {ROOT}/_staging/") and "/run_" in what,
        until=_writes_head,
    ),
    Order(
        name="an intent is written down after the rename",
        until=_publishes,
        call=(Owner, "intend"),
    ),
    Order(
        name="an intent's name is synced after the rename",
        late=lambda what, before: what.startswith("sync_directory") and before.endswith(".intent"),
        until=_publishes,
    ),
    Order(
        name="an intent is taken back before the event",
        until=lambda what: False,
        also=_forgets,
    ),
    Order(
        name="a dataset's event comes before its name is synced",
        late=lambda what, before: what == f"sync_directory {ROOT}/_datasets",
        until=_writes_head,
    ),
    Order(
        name="an orphan's event comes before its move is synced",
        late=_moves_aside,
        until=_writes_head,
        begin=inherited,
    ),
    Order(
        name="what a dead owner left is forgotten before its move is synced",
        late=lambda what, before: what in (f"sync_directory {ROOT}/_orphans", f"sync_directory {ROOT}"),
        until=lambda what: what.startswith("rmdir"),
        begin=inherited,
    ),
    Order(
        name="a torn tail is superseded before it is in quarantine",
        late=lambda what, before: ".tail.tmp" in what or what == f"sync_directory {FOLDER}/quarantine",
        until=lambda what: what.startswith(f"rename {FOLDER}/.segment.tmp"),
        begin=torn,
    ),
)


def disturb(disk: LyingDisk, order: Order) -> list[str]:
    """Let a disk hold operations back; return the list to which it adds those that came late."""
    held: list[Callable[[], object]] = []
    came: list[str] = []
    before = [""]

    def wrap(kind: str) -> None:
        original: Any = getattr(disk, kind)

        def act(*args: Any) -> Any:
            path = disk.path_of(args[0]) if isinstance(args[0], int) else args[0]
            what = f"{kind} {path} -> {args[1]}" if kind == "rename" else f"{kind} {path}"
            if order.late(what, before[0]):
                before[0] = what
                came.append(what)
                later = {"sync": disk.sync_later, "sync_directory": disk.sync_directory_later}.get(kind)
                held.append(later(*args) if later is not None else lambda: original(*args))
                return None
            before[0] = what
            result = original(*args)
            order.also(disk, what)
            if order.until(what):
                while held:
                    held.pop(0)()
            return result

        setattr(disk, kind, act)

    for kind in ("sync", "sync_directory", "rename", "unlink", "rmdir", "write_at"):
        wrap(kind)
    disk.hold_back = lambda act: (came.append("a call"), held.append(act))  # type: ignore[attr-defined]
    return came


def search(
    order: Order, monkeypatch: pytest.MonkeyPatch, way: Callable[[LyingDisk, Model, random.Random], None]
) -> int:
    """Do the act with the order turned round, and something worse before each step; return how often it was."""
    disk, model = order.begin()
    came, chance = disturb(disk, order), random.Random(5)
    if order.call is not None:
        kind, name = order.call
        original = getattr(kind, name)

        def late(self: Any, *args: Any) -> None:
            if self._disk is disk:
                disk.hold_back(lambda: original(self, *args))  # type: ignore[attr-defined]
                return
            original(self, *args)

        monkeypatch.setattr(kind, name, late)
    disk.watch = lambda: way(disk, model, chance)
    order.act(disk, model)
    disk.watch()
    return len(came)


def cut(disk: LyingDisk, model: Model, chance: random.Random) -> None:
    """The power goes."""
    for image in disk.images(chance, 8):
        hold(image, model.copy(), boot=OTHER_BOOT)


def kill(disk: LyingDisk, model: Model, chance: random.Random) -> None:
    """The process dies, another one commits a run, and the power goes."""
    left, after = disk.snapshot(), model.copy()
    ledger = Ledger(left, after, boot=BOOT)
    ledger.commit("run_k")
    ledger.close()
    for image in left.images(chance, 6):
        hold(image, after.copy(), boot=OTHER_BOOT)


@pytest.mark.parametrize("order", ORDERS, ids=lambda order: order.name)
def test_an_order_that_is_turned_round_is_missed(order: Order, monkeypatch: pytest.MonkeyPatch) -> None:
    for way in (cut, kill):
        try:
            search(order, monkeypatch, way)
        except AssertionError as error:
            print(f"\n  {order.name}: {way.__name__}: {str(error).splitlines()[0][:90]}")
            return
        monkeypatch.undo()
    raise AssertionError(f"nothing misses it when {order.name}")


def test_an_undisturbed_order_passes_the_same_search(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is found above is the order's fault, and not that of the search."""
    for begin, act in {(order.begin, order.act) for order in ORDERS}:
        order = Order(name="", until=lambda what: False, begin=begin, act=act)
        assert search(order, monkeypatch, cut) == 0
    print(f"\norders turned round: {len(ORDERS)}, all missed")
