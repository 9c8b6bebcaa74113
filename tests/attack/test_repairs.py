"""`journal_tools repair` is interrupted before every step, and every operation of it fails.

Invariants checked: a journal whose loss somebody accepts is refused as before, or the loss stands in it; a torn tail
without HEAD is refused as before, or in quarantine and told of; no segment loses a byte; what was whole stays; the same
repair, made again with what the plan says by then, succeeds; and once it was said to be done, a power cut undoes
nothing.
"""

import contextlib
import errno

from buff.errors import BuffError
from journals import BOOT
from lying_disk import Fault, strikes
from wrecks import CASES, attack, kept, lost, repair


def test_a_repair_may_lose_its_power_at_any_step() -> None:
    states = 0
    for case, indexed, runs in CASES:
        try:
            states += attack(case, indexed, runs, 10)
        except AssertionError as error:
            error.add_note(f"{case}, {indexed=}, {runs=}")
            raise
    print(f"\npower cuts inside repairs: {len(CASES)} wrecks, {states:,} different states, 0 violations")
    assert states >= 1_500


def test_a_repair_may_fail_at_any_operation() -> None:
    count = 0
    for case, indexed, runs in CASES:
        wreck = lost(case, indexed=indexed, runs=runs)
        kinds: list[str] = []
        disk = wreck.disk.copy()
        disk.hear = kinds.append
        repair(disk, BOOT)
        for code in (errno.EIO, errno.ENOSPC):
            for at in [at for at, kind in enumerate(kinds) if strikes(code, kind)]:
                disk = wreck.disk.copy()
                disk.fault = Fault(at=at, code=code)
                try:
                    with contextlib.suppress(BuffError, OSError):
                        repair(disk, BOOT)
                    kept(disk.least(), wreck, done=False)
                    kept(disk.snapshot(), wreck, done=False)
                except AssertionError as error:
                    error.add_note(f"{disk.fault} at {kinds[at]} in {case}, {indexed=}, {runs=}")
                    raise
                count += 1
    print(f"\nfailing operations of repairs: {count:,}, 0 violations")
    assert count >= 2_000
