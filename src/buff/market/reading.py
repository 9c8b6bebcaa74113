"""Where a reading stands: all that one block of a file must know of the blocks and files before it.

Both readers (the judge, line by line, and the plain reader, block by block) take a `Reading` and move it on, so that
either may take the next block. This module reads nothing itself.
"""

import math
from collections.abc import Callable

from attrs import Factory, define

from buff.market.forms import read
from buff.market.header import Layout
from buff.market.options import CsvOptions
from buff.market.profiles import CLOSE, DESCENDING
from buff.market.rules import Offence, Offences
from buff.market.timestamps import Fault, Zone, place, within_years

NO_LAYOUT = Layout(names=(), places={}, extras=())


def nobody(offence: Offence) -> None:
    """Nobody asked to be told."""


@define(kw_only=True)
class Reading:
    """The state between two blocks.

    files: how many were opened. file, layout, line: the one being read, its columns, its physical lines read so far.
    heading: whether lines above its rows may still come; banners: how many of them were no header.
    day_ns: the midnight that times of the day count from, or None. blanks: blank lines at the end of these.
    rows: rows of all files; others: those of another ticker, absent: those that say there was no bar, both left out.
    kind: "iso", the epoch unit or the form of all times of the file so far. last_ns: the latest readable time (UTC);
    newest_ns: the first one of a file that begins with its newest row. step_ns, step_at: the first step between two
    times, and where (file number, file, line); uniform: whether all steps were that one. steps: how many there were;
    least_ns: the shortest; common_ns: the greatest that divides them all.
    note: told of every offence as it is met.
    """

    options: CsvOptions
    files: int = 0
    file: str = ""
    layout: Layout = NO_LAYOUT
    line: int = 0
    heading: bool = True
    banners: int = 0
    day_ns: int | None = None
    blanks: int = 0
    rows: int = 0
    others: int = 0
    absent: int = 0
    kind: str | None = None
    last_ns: int | None = None
    newest_ns: int | None = None
    step_ns: int | None = None
    step_at: tuple[int, str, int] = (0, "", 0)
    uniform: bool = True
    steps: int = 0
    least_ns: int | None = None
    common_ns: int = 0
    offences: Offences = Factory(Offences)
    note: Callable[[Offence], None] = nobody

    def open(self, file: str, day_ns: int | None = None) -> None:
        """Go on to the next file. Its times are of one kind, whatever those of the files before were."""
        self.files, self.file, self.line, self.blanks = self.files + 1, file, 0, 0
        self.heading, self.banners, self.layout, self.kind, self.day_ns = True, 0, NO_LAYOUT, None, day_ns
        if self.descending:
            self.last_ns, self.newest_ns = None, None

    @property
    def descending(self) -> bool:
        """Whether rows come newest first."""
        return self.options.declaration.order == DESCENDING

    @property
    def zone(self) -> Zone | None:
        """The zone of naive times in this file, or None: each time must carry its own."""
        declared = self.options.declaration
        local = bool(declared.local) and self.layout.name("ts").casefold() in declared.local
        return None if local and declared.zone is not None else self.options.zone

    @property
    def shift_ns(self) -> int:
        """What is taken from a written time to get the opening of its bar."""
        return self.options.step_ns if self.options.declaration.stamp == CLOSE else 0

    def time(self, text: str) -> int | Fault:
        """Return the opening (UTC nanoseconds) of the bar with this time, or why it is refused; learn the kind."""
        found = read(text, self.options.declaration.times, self.day_ns)
        ns = place(text, found, self.kind, self.zone, asked=self.options.zone_asked)
        if self.kind is None and not isinstance(found, Fault):
            self.kind = found.kind
        return ns if isinstance(ns, Fault) or not self.shift_ns else within_years(ns - self.shift_ns, text)

    @property
    def silent(self) -> bool:
        """Whether nobody asked to be told of every offence."""
        return self.note is nobody

    def offend(self, offence: Offence) -> None:
        """Record an offence of the current file."""
        self.offences.add(offence, self.files)
        self.note(offence)

    def step(self, ns: int, line: int) -> int | None:
        """Move on to a new time (UTC nanoseconds); return how far it lies behind the one before, or None for the first.

        Behind means later, or earlier where rows come newest first.
        """
        last, self.last_ns = self.last_ns, ns
        if last is None:
            self.newest_ns = ns
            return None
        return self.stride(last - ns if self.descending else ns - last, line)

    def stride(self, step: int, line: int) -> int:
        """Take note of a step between two times (nanoseconds)."""
        if self.step_ns is None:
            self.step_ns, self.step_at = step, (self.files, self.file, line)
        elif step != self.step_ns:
            self.uniform = False
        self.strides(1, step, step)
        return step

    def strides(self, count: int, least_ns: int, common_ns: int) -> None:
        """Take note of so many steps at once: the shortest of them, and the greatest that divides them all."""
        self.steps += count
        self.least_ns = least_ns if self.least_ns is None else min(self.least_ns, least_ns)
        self.common_ns = math.gcd(self.common_ns, common_ns)

    @property
    def multiple(self) -> int | None:
        """The k > 1 of a file whose every step is k times the base, or None."""
        step, base = self.step_ns, self.options.step_ns
        if step is None or not self.uniform or step <= base or step % base:
            return None
        return step // base
