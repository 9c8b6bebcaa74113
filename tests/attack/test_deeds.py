"""Creating runs, freeing space, copying a root, salvaging one: the power goes at any step, and operations fail.

These map columns and ask the machine about files, so they run on a disk with a real twin, and what a power cut leaves
is opened as real files. Invariants checked (`deeds`): what was acknowledged is there, to the last byte of every mapped
column; nothing is freed that a run needs; a copy or a salvaged root is whole under its name or not there; the source
of either is as it was; and what was interrupted succeeds when it is asked for again.
"""

import contextlib
import errno
import random
from pathlib import Path

import pytest

from buff.errors import BuffError
from buff.files import Disk
from deeds import BUILD, COMPRESS, COPY, CREATE, DEEDS, FREE, SALVAGE, Deed, Told, begun, cuts, ended, hold
from ledgers import Broken
from lying_disk import Fault, strikes
from twin_disk import TwinDisk

FAULTS = 25  # of each error, at operations drawn by chance; a night tries them all
STORED = (
    CREATE,
    FREE,
    COMPRESS,
    COPY,
    SALVAGE,
    BUILD,
)  # a plan for a person that was half announced is not written over
each_deed = pytest.mark.parametrize("deed", DEEDS, ids=lambda deed: deed.name)


@each_deed
def test_the_power_may_go_at_any_step(deed: Deed) -> None:
    steps, states = cuts(deed, images=3, again=0.1)
    print(f"\npower cuts, {deed.name}: {steps} steps, {states:,} different states, 0 violations")
    assert states >= steps


@pytest.mark.parametrize("deed", [CREATE, FREE, COPY, BUILD], ids=lambda deed: deed.name)
def test_what_was_interrupted_may_be_interrupted_again(deed: Deed) -> None:
    """The power goes at some steps, the deed is asked for again, and the power goes again."""
    chance, states, starts = random.Random(6), 0, 3
    disk = begun(deed)
    deed.do(disk, Path(disk.base), Told())
    stops = sorted(chance.sample(range(disk.steps), starts))
    ended(disk)
    for stop in stops:
        states += cuts(deed, images=1, again=0.0, stop=stop)[1]
    print(f"\npower cuts, {deed.name} asked for again: {starts} starts, {states:,} different states, 0 violations")


@pytest.mark.parametrize("first", ["remove", "sync last"])
def test_the_other_form_may_not_go_before_its_successor_is_durable(first: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The order of an exchange is turned round, and missed."""

    def exchange(disk: Disk, staged: str, directory: str, wanted: str, other: str) -> None:
        if first == "remove":
            disk.unlink(f"{directory}/{other}")
        disk.rename(staged, f"{directory}/{wanted}")
        if first != "remove":
            disk.unlink(f"{directory}/{other}")
        disk.sync_directory(directory)

    monkeypatch.setattr("buff.cold._exchange", exchange)
    with pytest.raises(Broken):
        cuts(COMPRESS, images=12, again=0.0)


def strike(deed: Deed, fault: Fault) -> None:
    """Let one operation fail; the same is asked for again once the disk is well."""
    disk, told = begun(deed), Told()
    disk.fault = fault
    try:
        with contextlib.suppress(BuffError, OSError):
            deed.do(disk, Path(disk.base), told)
        disk.fault = None
        _judge(deed, disk, told)
        if not told.done:
            deed.do(disk, Path(disk.base), told)
            _judge(deed, disk, told)
    except BaseException as error:
        error.add_note(f"{fault} of {deed.name}")
        raise
    finally:
        ended(disk)


def _judge(deed: Deed, disk: TwinDisk, told: Told) -> None:
    hold(deed, disk.least(), told.copy(), again=True)
    hold(deed, disk.snapshot(), told.copy(), again=False)


def failing(deed: Deed, most: int) -> int:
    """Let operations fail in every way, at most so many of each; return how many cases there were."""
    disk, kinds = begun(deed), list[str]()
    disk.hear = kinds.append
    deed.do(disk, Path(disk.base), Told())
    ended(disk)
    count, chance = 0, random.Random(11)
    for code in (errno.EIO, errno.ENOSPC):
        struck = [at for at, kind in enumerate(kinds) if strikes(code, kind)]
        for at in struck if len(struck) <= most else sorted(chance.sample(struck, most)):
            strike(deed, Fault(at=at, code=code, short=kinds[at] == "write" and at % 2 == 0))
            count += 1
    print(f"\nfaults, {deed.name}: {len(kinds)} operations, {count} cases, each made again, 0 lost")
    return count


def test_a_journal_that_cannot_be_read_for_a_moment_is_salvaged_whole_or_not_at_all() -> None:
    disk, kinds = begun(SALVAGE), list[str]()
    disk.hear = kinds.append
    SALVAGE.do(disk, Path(disk.base), Told())
    ended(disk)
    for at in range(kinds.index("mkdir")):
        strike(SALVAGE, Fault(at=at, code=errno.EIO, short=False))


@pytest.mark.parametrize("deed", STORED, ids=lambda deed: deed.name)
def test_operations_may_fail(deed: Deed) -> None:
    assert failing(deed, FAULTS)


@pytest.mark.nightly
@pytest.mark.parametrize("deed", STORED, ids=lambda deed: deed.name)
def test_every_operation_may_fail(deed: Deed) -> None:
    assert failing(deed, 1 << 30)


@pytest.mark.nightly
@pytest.mark.parametrize("deed", STORED, ids=lambda deed: deed.name)
def test_the_power_may_go_at_any_step_in_more_ways(deed: Deed) -> None:
    steps, states = cuts(deed, images=40, again=0.3, seed=9)
    print(f"\npower cuts, {deed.name}: {steps} steps, {states:,} different states, 0 violations")
