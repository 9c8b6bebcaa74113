"""A store against a plain model: whatever happens to it, in any order, the two agree.

Invariants checked: after every step a reader sees every acknowledged run and no other than was asked for, each whole;
after every crash and every reopening all promises of `ledgers.hold` are kept, on a copy. A reader sees nothing beyond
HEAD, so what was acknowledged on a disk that did not take HEAD is seen from the next request on.
"""

import errno
import random
from collections import Counter

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from buff.errors import BuffError
from buff.journal import head as heads
from ledgers import BOOT, ROOT, Ledger, Model, fresh, hold, promise
from lying_disk import Failing, Fault, LyingDisk

TIMES = ["2026-02-01T00:00:00.000000Z", "1999-12-31T23:59:59.999999Z", "2031-07-01T12:00:00.000001Z"]
CODES = [errno.EIO, errno.ENOSPC, errno.EDQUOT, errno.EROFS]
RUN_IDS = st.sampled_from(["run_a", "run_b", "run_c", "run_d"])
steps: Counter[str] = Counter()


class Machine(RuleBasedStateMachine):
    """One root, up to two processes on it, and everything that may befall them."""

    disk: LyingDisk
    model: Model

    @initialize(failing=st.sampled_from(Failing))
    def begin(self, failing: Failing) -> None:
        self.disk, self.model = fresh(failing)
        self.boot, self.boots, self.time = BOOT, 0, TIMES[0]
        self.ledgers: list[Ledger] = []
        self.disks: list[LyingDisk] = []
        self.lagging = False  # the last request met a failing disk and succeeded: HEAD may not have been written

    # What people ask for

    @rule(who=st.integers(0, 1), run_id=RUN_IDS)
    def commit(self, who: int, run_id: str) -> None:
        self._ask(who, lambda ledger: ledger.commit(run_id), "commit")

    @rule(who=st.integers(0, 1))
    def note(self, who: int) -> None:
        self._ask(who, lambda ledger: ledger.note(), "note")

    @precondition(lambda self: not self.model.datasets)
    @rule(who=st.integers(0, 1))
    def take_in(self, who: int) -> None:
        self._ask(who, lambda ledger: ledger.take_in(), "take in")

    @rule(who=st.integers(0, 1))
    def index(self, who: int) -> None:
        self._ask(who, lambda ledger: ledger.store.write_index(), "index")

    @precondition(lambda self: self.ledgers)
    @rule()
    def close(self) -> None:
        steps["close"] += 1
        self.ledgers.pop().close()
        self.disks.pop()

    @rule(time=st.sampled_from(TIMES))
    def jump(self, time: str) -> None:
        steps["clock jump"] += 1
        self.time = time

    def _ask(self, who: int, request, name: str) -> None:
        """Ask one of the processes, starting it if need be. A disk that is well refuses nothing."""
        steps[name] += 1
        ledger, disk = self._process(who)
        faulty = disk.fault is not None
        try:
            request(ledger)
        except (BuffError, OSError) as error:
            promise(faulty, f"refused on a disk that is well: {error!r}")
            disk.fault = None
            request(ledger)
            faulty = False
        disk.fault, self.lagging = None, faulty

    def _process(self, who: int) -> tuple[Ledger, LyingDisk]:
        while len(self.ledgers) <= who:
            disk = self.disk.process()
            self.disks.append(disk)
            self.ledgers.append(Ledger(disk, self.model, boot=self.boot, clock=lambda: self.time))
        return self.ledgers[who], self.disks[who]

    # What may befall them

    @rule(code=st.sampled_from(CODES), after=st.integers(0, 60), sticky=st.booleans(), who=st.integers(0, 1))
    def fail(self, code: int, after: int, sticky: bool, who: int) -> None:
        steps["disk full or failing"] += 1
        _, disk = self._process(who)
        disk.fault = Fault(at=disk.operations + after, code=code, sticky=sticky)

    @rule()
    def kill(self) -> None:
        steps["kill"] += 1
        self._new_machine(self.disk.snapshot(), self.boot)

    @rule(seed=st.integers(0, 1 << 16), which=st.integers(0, 3))
    def cut(self, seed: int, which: int) -> None:
        steps["power cut"] += 1
        images = list(self.disk.images(random.Random(seed), which + 1))
        self.boots += 1
        self._new_machine(images[-1], f"00000000-2222-3333-4444-{self.boots:012}")

    @rule(name=st.sampled_from(["index.json", "the tail", "a slot of HEAD"]), junk=st.binary(min_size=1, max_size=40))
    def damage(self, name: str, junk: bytes) -> None:
        """Spoil what may be spoilt without loss: a disposable file, bytes nobody acknowledged, one of two slots."""
        steps["damage"] += 1
        disk = self.disk.snapshot()
        if not disk.exists(f"{ROOT}/_journal/HEAD") or len(disk.names(f"{ROOT}/_journal")) < 3:
            return
        if name == "index.json":
            disk.put(f"{ROOT}/index.json", junk)
        elif name == "the tail":
            last = [each for each in disk.names(f"{ROOT}/_journal") if each.endswith(".jsonl")]
            if last:
                path = f"{ROOT}/_journal/{last[-1]}"
                disk.put(path, disk.read(path) + junk)
        else:
            self._spoil_slot(disk, junk)
        self._new_machine(disk, self.boot)

    @staticmethod
    def _spoil_slot(disk: LyingDisk, junk: bytes) -> None:
        """The slot whose turn it is: what a torn write of HEAD leaves."""
        path = f"{ROOT}/_journal/HEAD"
        slots = heads.read(disk.read(path)).heads
        if None not in slots:
            at = 0 if slots[0].gen <= slots[1].gen else 4096
            data = bytearray(disk.read(path))
            data[at : at + len(junk)] = junk
            disk.put(path, bytes(data))

    def _new_machine(self, disk: LyingDisk, boot: str) -> None:
        hold(disk.snapshot(), self.model.copy(), boot=boot)
        self.disk, self.boot, self.ledgers, self.disks = disk, boot, [], []

    @invariant()
    def agrees(self) -> None:
        if hasattr(self, "disk"):
            reader = Ledger(self.disk.snapshot(), self.model.copy(), boot=self.boot).store
            assert reader.problem is None
            assert self.lagging or self.model.kept <= reader.state.runs.keys()
            assert reader.state.runs.keys() <= self.model.asked.keys()


def run(examples: int, seed: int) -> None:
    run_state_machine_as_test(
        Machine,
        settings=settings(
            max_examples=examples,
            stateful_step_count=50,
            deadline=None,
            derandomize=seed == 0,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        ),
    )


def test_a_store_agrees_with_a_plain_model() -> None:
    steps.clear()
    run(200, 0)
    print(f"\nstate machine: {steps.total():,} steps, {dict(steps)}")
    assert steps.total() >= 5_000


@pytest.mark.nightly
def test_a_store_agrees_with_a_plain_model_for_a_night() -> None:
    run(20_000, 1)
