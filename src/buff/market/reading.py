"""Where a reading stands: all that one block of a file must know of the blocks and files before it.

Both readers (the judge, line by line, and the plain reader, block by block) take a `Reading` and move it on, so that
either may take the next block. This module reads nothing itself.
"""

from collections.abc import Callable

from attrs import Factory, define

from buff.market.header import Layout
from buff.market.options import CsvOptions
from buff.market.rules import Offence, Offences

NO_LAYOUT = Layout(names=(), places={}, extras=())


def _nobody(offence: Offence) -> None:
    """Nobody asked to be told."""


@define(kw_only=True)
class Reading:
    """The state between two blocks.

    files: how many were opened. file, layout, line: the one being read, its columns, its physical lines read so far.
    blanks: blank lines at the end of these. rows: rows of all files. kind: "iso" or the epoch unit of all times so
    far. last_ns: the latest readable time (UTC). step_ns, step_at: the first step between two times, and where
    (file number, file, line); uniform: whether all steps were that one. note: told of every offence as it is met.
    """

    options: CsvOptions
    files: int = 0
    file: str = ""
    layout: Layout = NO_LAYOUT
    line: int = 0
    blanks: int = 0
    rows: int = 0
    kind: str | None = None
    last_ns: int | None = None
    step_ns: int | None = None
    step_at: tuple[int, str, int] = (0, "", 0)
    uniform: bool = True
    offences: Offences = Factory(Offences)
    note: Callable[[Offence], None] = _nobody

    def open(self, file: str) -> None:
        """Go on to the next file."""
        self.files, self.file, self.line, self.blanks = self.files + 1, file, 0, 0

    def offend(self, offence: Offence) -> None:
        """Record an offence of the current file."""
        self.offences.add(offence, self.files)
        self.note(offence)

    def step(self, ns: int, line: int) -> int | None:
        """Move on to a new time (UTC nanoseconds); return its distance from the time before, or None for the first."""
        last, self.last_ns = self.last_ns, ns
        if last is None:
            return None
        step = ns - last
        if self.step_ns is None:
            self.step_ns, self.step_at = step, (self.files, self.file, line)
        elif step != self.step_ns:
            self.uniform = False
        return step

    @property
    def multiple(self) -> int | None:
        """The k > 1 of a file whose every step is k times the base, or None."""
        step, base = self.step_ns, self.options.step_ns
        if step is None or not self.uniform or step <= base or step % base:
            return None
        return step // base
