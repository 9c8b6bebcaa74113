"""Every storage operation of a three-run workload fails, in every way, once or until somebody mends the disk.

Invariants checked: nothing acknowledged is lost, to the next process or to a power cut at the moment of the failure
and at the end; a run that is refused is not there behind the caller's back, unless the outcome was said to be unknown;
the same process goes on once the disk is well, and every request that failed succeeds when it is made again.
"""

import errno
import random
from collections.abc import Callable, Iterator

import pytest

from buff.builder import Created, create
from buff.errors import BuffError, RegistryWriteFailed
from buff.store import Store
from deeds import CREATE, begun, ended, surroundings, wishes
from ledgers import BOOT, OTHER_BOOT, SETTINGS, Ledger, fresh, hold, promise
from lying_disk import Failing, Fault, LyingDisk, strikes

WAYS = {
    "EIO": (errno.EIO, False),
    "ENOSPC": (errno.ENOSPC, False),
    "EDQUOT": (errno.EDQUOT, False),
    "EROFS": (errno.EROFS, False),
    "ENOSPC after half a write": (errno.ENOSPC, True),
    "a short write": (0, False),
}


def requests(ledger: Ledger) -> tuple[Callable[[], object], ...]:
    """Return what a person asks for, one after the other."""
    return (
        ledger.store.journal,
        ledger.take_in,
        lambda: ledger.commit("run_a"),
        ledger.note,
        lambda: ledger.commit("run_b"),
        lambda: ledger.commit("run_a"),
        lambda: ledger.commit("run_c"),
        ledger.store.write_index,
    )


def insist(ledger: Ledger, disk: LyingDisk) -> int:
    """Make each request until it succeeds, mending the disk after a failure; return how many failed."""
    failures = 0
    for request in requests(ledger):
        try:
            request()
            continue
        except (BuffError, OSError) as error:
            failures += 1
            disk.fault = None
            honest(ledger, disk, error)
        request()
    ledger.close()
    return failures


def honest(ledger: Ledger, disk: LyingDisk, error: BaseException) -> None:
    """Hold the disk at the moment of a failure to the promises, and the error to its word."""
    disk, model = disk.snapshot(), ledger.model.copy()
    if not isinstance(error, RegistryWriteFailed):
        promise(ledger.store.state.runs.keys() <= model.kept, f"{error!r}, and yet the run is there")
    for image in disk.images(random.Random(0), 2):
        hold(image, model.copy(), boot=OTHER_BOOT)
    hold(disk, model, boot=BOOT)


def operations() -> list[str]:
    """Return the kind of every operation of the workload, in order."""
    disk, model = fresh()
    kinds: list[str] = []
    disk.hear = kinds.append
    insist(Ledger(disk, model), disk)
    return kinds


def cases(kinds: list[str]) -> Iterator[Fault]:
    for code, short in WAYS.values():
        for sticky in (False, True):
            for at, kind in enumerate(kinds):
                if strikes(code, kind) and (kind == "write" or not short) and not (code == 0 and sticky):
                    yield Fault(at=at, code=code, sticky=sticky, short=short)


def strike(fault: Fault, failing: Failing) -> int:
    disk, model = fresh(failing)
    disk.fault = fault
    failures = insist(Ledger(disk, model), disk)
    promise(model.kept == {"run_a", "run_b", "run_c"}, "a request that was made again did not succeed")
    for image in disk.images(random.Random(fault.at), 2):
        hold(image, model.copy(), boot=OTHER_BOOT)
    hold(disk.snapshot(), model, boot=BOOT)
    return failures


def test_every_operation_fails_in_every_way() -> None:
    kinds = operations()
    count = failures = 0
    for fault in cases(kinds):
        try:
            failures += strike(fault, Failing.EXT4)
        except BaseException as error:
            error.add_note(f"{fault} at {kinds[fault.at]}")
            raise
        count += 1
    print(
        f"\nfaults: {len(kinds)} operations, {count:,} cases, {failures:,} requests failed and were made again, 0 lost"
    )
    assert count >= 1_000


@pytest.mark.parametrize("failing", [each for each in Failing if each is not Failing.EXT4], ids=lambda each: each.value)
def test_every_sync_fails_as_on_other_file_systems(failing: Failing) -> None:
    kinds = operations()
    syncs = [at for at, kind in enumerate(kinds) if kind in ("sync", "sync_directory")]
    for at in syncs:
        strike(Fault(at=at, code=errno.EIO), failing)
    print(f"\nfailed syncs as on {failing.value}: {len(syncs)}, 0 lost")


# What the search above found, each once more by itself


def failed_at(
    disk: LyingDisk, kind: str | tuple[str, ...], path: str, act: Callable[[], object], *, sticky: bool = False
) -> None:
    """Do something while the first operation of some kind on some path fails, or each; it must be reached."""
    struck: list[str] = []

    def watch() -> None:
        what = disk.doing
        if what.startswith(kind) and path in what and (sticky or not struck):
            struck.append(what)
            raise OSError(errno.EIO, "failed", path)

    disk.watch = watch
    try:
        act()
    finally:
        disk.watch = lambda: None
        assert struck, f"nothing did {kind} {path}"


def test_a_store_whose_opening_failed_half_way_opens_when_it_is_asked_again() -> None:
    """It kept a journal without a place of its own under _staging, and asserted ever after."""
    disk, model = fresh()
    ledger = Ledger(disk, model)
    with pytest.raises(OSError, match="failed"):
        failed_at(disk, "mkdir", "_staging/", ledger.store.journal)
    assert ledger.commit("run_a") is False
    assert ledger.store.owner.directory


def test_a_commit_that_is_durable_succeeds_though_its_clean_up_fails() -> None:
    """It was reported as failed when the intent could not be taken back."""
    disk, model = fresh()
    ledger = Ledger(disk, model)
    failed_at(disk, "unlink", ".intent", lambda: ledger.commit("run_a"))
    assert model.kept == {"run_a"}
    ledger.close()
    hold(disk, model, boot=BOOT)


def test_closing_never_raises() -> None:
    """The journal holds everything by then; it raised when the owner's folder could not be looked at."""
    disk, model = fresh()
    ledger = Ledger(disk, model)
    ledger.commit("run_a")
    disk.fault = Fault(at=disk.operations, code=errno.EIO, sticky=True)
    ledger.store.close()
    disk.fault = None
    hold(disk.snapshot(), model, boot=BOOT)


def test_a_staged_directory_that_could_not_be_removed_is_no_obstacle() -> None:
    """It refused the same run until the process ended."""
    disk = begun(CREATE)
    try:
        with Store(f"{disk.base}/root", host=surroundings(), settings=SETTINGS, disk=disk) as store:
            wish = next(wishes())

            def make_it() -> Created:
                return create(wish, root=store, host=store.host, settings=store.settings)

            store.journal()
            with pytest.raises(BuffError):
                failed_at(disk, ("create", "unlink", "rmdir"), "/run_", make_it, sticky=True)
            assert any(name.startswith("run_") for name in disk.names(store.owner.directory))
            assert make_it().existed is False
    finally:
        ended(disk)
