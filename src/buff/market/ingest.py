"""Ingest: files in, blocks of canonical columns out, or one error that names every offence.

Files somebody else opened and options go in; accepted bars are handed to `write` block by block, in bounded memory,
and what was seen in the files comes back. Nothing is sorted, dropped, filled or guessed unless the options say so, and
then it is counted. Nothing here opens a file or writes one.
"""

import hashlib
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import chain
from typing import Any

import numpy as np
from attrs import Factory, define, frozen
from numpy.typing import NDArray

from buff.errors import LimitExceeded
from buff.market import arrays, plain, tables
from buff.market.bars import DTYPES, PRICES
from buff.market.forms import MS_OF_DAY, form
from buff.market.header import content, halt
from buff.market.heading import head
from buff.market.judge import LINE_BYTES_MAX, judge, stride
from buff.market.options import FILL, REJECT, CsvOptions
from buff.market.profiles import CSV, JSON, TABLE
from buff.market.reading import NO_LAYOUT, Reading, nobody
from buff.market.rules import Halt, Offence
from buff.market.source import Broken, Columns, Source, Stored
from buff.market.timeframe import BASES, DAY_MS
from buff.market.timestamps import Stamp
from buff.times import iso

_DAY = re.compile(r"(?<!\d)(\d{8})(?!\d)", re.ASCII)
BLOCK_BYTES = 1 << 22
DOUBT_BYTES = 1 << 18  # a doubtful block is read again in pieces, so that the slow judge reads little
LISTED_MAX = 1_000
STEPS_MIN = 10
FILL_GAP_MS_MAX = 7 * DAY_MS
FILL_SHARE = 20  # at most one filled bar for every 20 rows read (5 %)


@frozen(kw_only=True)
class Gap:
    """Missing bars between two rows of the source: the bars' open stamps (epoch ms) and how many are missing."""

    after_ts: int
    before_ts: int
    missing: int


@frozen(kw_only=True)
class Ingested:
    """What was read. rows: bars written, filled ones included; first_ts, last_ts: epoch ms.

    gaps: the first 1,000 gaps of the source, kept or filled; gap_count, missing: all of them, and their bars.
    filled: bars made by `gaps=fill`. zero_volume: rows of the source without volume. sources: one description per file,
    for the manifest. warnings: sentences for the user.
    """

    rows: int
    first_ts: int
    last_ts: int
    gaps: tuple[Gap, ...]
    gap_count: int
    missing: int
    filled: int
    zero_volume: int
    sources: tuple[dict[str, Any], ...]
    warnings: tuple[str, ...]


def ingest(
    files: Sequence[Source],
    options: CsvOptions,
    *,
    write: Callable[[Columns], None],
    tick: Callable[[int], None] = lambda size_bytes: None,
    note: Callable[[Offence], None] = nobody,
    rows_max: int,
    bytes_max: int,
    block_bytes: int = BLOCK_BYTES,
    reference: bool = False,
) -> Ingested:
    """Read files as one dataset, in the given order, and hand its bars to `write` in consecutive blocks.

    After a first offence nothing more is written, but reading goes on to its end for exact counts. `tick` is called
    before each block with the bytes read so far, and may raise. `note` is told of every offence as it is met, also of
    steps that turn out at the end to be the file's spacing and no gaps.
    `block_bytes` changes nothing but memory and speed. `reference`: the judge reads every block (slow).
    Raises DataInvalid with all offences, or LimitExceeded when there are more bytes or rows than allowed, or when
    `gaps=fill` would invent too much.
    """
    assert files, "an ingest has at least one file"
    reading = Reading(options=options, note=note)
    sink = _Sink(options=options, write=write, rows_max=rows_max)
    tally = _Tally(tick=tick, bytes_max=bytes_max)
    sources = []
    try:
        for file in files:
            sources.append(_file(file, reading, sink, tally, block_bytes=block_bytes, reference=reference))
    except Halt as halt:
        reading.offend(halt.offence)
    _judge_spacing(reading)
    if reading.offences:
        raise reading.offences.error(several=len(files) > 1)
    sink.close()
    return sink.ingested(tuple(sources))


def blocks(chunks: Iterable[bytes], size_bytes: int) -> Iterator[bytes]:
    """Yield the same bytes in pieces that end at a line end and are about `size_bytes` long, whatever the chunks.

    The last piece may lack its line end. A line longer than any allowed one is yielded in pieces. When the chunks break
    off, whole lines are yielded before Broken is raised.
    """
    held: list[bytes] = []
    held_bytes = 0
    try:
        for chunk in chunks:
            held.append(chunk)
            held_bytes += len(chunk)
            if held_bytes < size_bytes:
                continue
            whole, at = b"".join(held), 0
            while len(whole) - at >= size_bytes:
                end = _line_end(whole, at, size_bytes)
                yield whole[at:end]
                at = end
            held, held_bytes = [whole[at:]], len(whole) - at
    except Broken:
        whole = b"".join(held)
        if b"\n" in whole:
            yield whole[: whole.rindex(b"\n") + 1]
        raise
    if held_bytes:
        yield b"".join(held)


def _line_end(whole: bytes, at: int, size_bytes: int) -> int:
    """Return where the block that begins at `at` ends: after its last whole line, or anywhere in an endless one."""
    last = whole.rfind(b"\n", at, at + size_bytes) + 1
    return last if last > at else whole.find(b"\n", at) + 1 or len(whole)


@define(kw_only=True)
class _Tally:
    """Bytes of all files so far, against their limit."""

    tick: Callable[[int], None]
    bytes_max: int
    size_bytes: int = 0

    def add(self, chunk: bytes) -> None:
        self.size_bytes += len(chunk)
        if self.size_bytes > self.bytes_max:
            raise LimitExceeded(
                f"the files are larger than {self.bytes_max:,} bytes",
                hint="split the data, or raise BUFF_CSV_BYTES_MAX",
                details={"limit": "csv_bytes", "max": self.bytes_max},
            )


def _file(
    file: Source, reading: Reading, sink: "_Sink", tally: _Tally, *, block_bytes: int, reference: bool
) -> dict[str, Any]:
    """Read one file to its end and return its description for the manifest."""
    before, newest_before = _counts(reading), reading.newest_ns
    reading.open(file.name, day_ns((file.member, file.name), reading.options))
    start, digest = tally.size_bytes, hashlib.sha256()

    def counted() -> Iterator[bytes]:
        for chunk in file.chunks():
            tally.add(chunk)
            if file.stored is None:
                digest.update(chunk)
            yield chunk

    kept: list[Columns] = []
    try:
        first, chunks = _begun(counted())
        form = content(first, reading.options.declaration, file.name)
        for columns in _READERS[form](chunks, reading, tally, block_bytes, reference):
            if columns is not None and not reading.offences:
                (kept.append if reading.descending else sink.take)(columns)
            _limit_rows(max(reading.rows, sink.rows), sink.rows_max)
    except Broken as error:
        raise halt(file.name, reading.line + 1, "ENCODING", str(error), "") from error
    rows, others, absent = (now - then for now, then in zip(_counts(reading), before, strict=True))
    if not rows:
        raise _empty(reading, others=others)
    if reading.descending:
        _judge_seam(newest_before, reading)
        while kept and not reading.offences:
            sink.take({name: np.ascontiguousarray(column[::-1]) for name, column in kept.pop().items()})
    stored = Stored(size=tally.size_bytes - start, sha256=digest.hexdigest()) if file.stored is None else file.stored()
    return _described(file, form, stored, reading, {"other_rows": others, "no_bar_rows": absent})


def _described(file: Source, form: str, stored: Stored, reading: Reading, counts: Mapping[str, int]) -> dict[str, Any]:
    """Return what a manifest says of a file that was read; what there was none of is left out."""
    perhaps = {"archive": stored.archive, "member": file.member, **counts}
    return {
        "type": form,
        "name": file.name,
        "path": file.path,
        "size": stored.size,
        "sha256": stored.sha256,
        **reading.options.described(),
        "extra_columns": list(reading.layout.extras),
        "banner_lines": reading.banners,
        "order": reading.options.declaration.order,
        **{name: value for name, value in perhaps.items() if value},
    }


def _begun(chunks: Iterator[bytes]) -> tuple[bytes, Iterator[bytes]]:
    """Return the first bytes of a file, which say what it is however it comes in chunks, and all its chunks again."""
    held = bytearray()
    try:
        while len(held) < LINE_BYTES_MAX and (chunk := next(chunks, None)) is not None:
            held += chunk
    except Broken as error:
        if not held:
            raise
        return bytes(held[:LINE_BYTES_MAX]), _broken_off(bytes(held), error)
    return bytes(held[:LINE_BYTES_MAX]), chain((bytes(held),), chunks)


def _broken_off(held: bytes, error: Broken) -> Iterator[bytes]:
    yield held
    raise error


def _counts(reading: Reading) -> tuple[int, int, int]:
    return reading.rows, reading.others, reading.absent


def day_ns(names: Sequence[str | None], options: CsvOptions) -> int | None:
    """Return the midnight that times of the day count from, or None where the profile has no such times.

    names: of the file in its archive, or None, and of the file itself. The first with a date of eight digits says it.
    """
    if MS_OF_DAY not in options.declaration.times:
        return None
    for name in names:
        match = _DAY.search(name or "")
        found = form("%Y%m%d").stamp(match[1]) if match else None
        if isinstance(found, Stamp):
            return found.ns
    return None


def _read_text(
    chunks: Iterable[bytes], reading: Reading, tally: _Tally, block_bytes: int, reference: bool
) -> Iterator[Columns | None]:
    """Read lines of text; None for a block with an offence before its end."""
    for block in blocks(chunks, block_bytes):
        tally.tick(tally.size_bytes)
        rest = head(block, reading) if reading.heading else block
        if rest:
            yield _read(rest, reading, reference=reference)


def _read_json(
    chunks: Iterable[bytes], reading: Reading, tally: _Tally, block_bytes: int, reference: bool
) -> Iterator[Columns | None]:
    return _read_text(arrays.lines(chunks), reading, tally, block_bytes, reference)


def _read_table(
    chunks: Iterable[bytes], reading: Reading, tally: _Tally, block_bytes: int, reference: bool
) -> Iterator[Columns | None]:
    content = b"".join(chunks)
    tally.tick(tally.size_bytes)
    yield from tables.read(content, reading, reference=reference)


_READERS = {CSV: _read_text, JSON: _read_json, TABLE: _read_table}


def _read(block: bytes, reading: Reading, *, reference: bool) -> Columns | None:
    if reference:
        return judge(block, reading)
    columns = plain.read(block, reading)
    if columns is not None:
        return columns
    if _counted(block, reading):
        return None
    if len(block) <= DOUBT_BYTES:
        return judge(block, reading)
    parts = []
    for piece in blocks((block,), DOUBT_BYTES):
        if _counted(piece, reading):
            continue
        columns = plain.read(piece, reading)
        part = judge(piece, reading) if columns is None else columns
        if part is not None:
            parts.append(part)
    return None if reading.offences else {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def _counted(piece: bytes, reading: Reading) -> bool:
    """Whether a piece only repeats offences of whole files (zone, order, spacing): counted without a look at each row.

    The first rows that offend are judged, and listed; so are all of them for whoever is told of every offence.
    """
    if not reading.silent or not (reading.offences.full or reading.offences.full_of_gaps):
        return False
    counts = plain.counted(piece, reading, gaps_only=not reading.offences.full)
    for rule, many in (counts or {}).items():
        reading.offences.count(rule, many)
    return counts is not None


def _judge_seam(newest_before_ns: int | None, reading: Reading) -> None:
    """Judge the step from the newest row of the file before to the last, oldest row of this one."""
    if newest_before_ns is None or reading.last_ns is None:
        return
    text = iso(reading.last_ns // 1_000_000)
    step = reading.stride(reading.last_ns - newest_before_ns, reading.line)
    found = stride(step, reading.options, iso(newest_before_ns // 1_000_000), text)
    if found is not None:
        hint = "give files whose rows come newest first from the oldest file to the newest"
        reading.offend(
            Offence(
                file=reading.file,
                line=reading.line,
                column=reading.layout.name("ts"),
                text=text,
                rule=found.rule,
                says=f"{found.says} (the newest row of the file before)" if found.rule == "ORDER" else found.says,
                hint=hint if found.rule == "ORDER" else None,
            )
        )


def _empty(reading: Reading, *, others: int = 0) -> Halt:
    if reading.layout is NO_LAYOUT:
        return halt(reading.file, 1, "EMPTY", "the file is empty", "")
    says = "the file has a header and no rows"
    if others:
        says = f"the file has no row of {reading.options.ticker} among its {others:,}"
    return halt(reading.file, max(reading.line, 1), "EMPTY", says, "")


def _limit_rows(rows: int, rows_max: int) -> None:
    if rows > rows_max:
        raise LimitExceeded(
            f"the data has more than {rows_max:,} rows",
            hint="take a shorter range, or raise BUFF_ROWS_MAX",
            details={"limit": "rows", "max": rows_max},
        )


def _judge_spacing(reading: Reading) -> None:
    """Say SPACING once when every step of the data is the same multiple of the base: those were no gaps.

    A single step says so only where nothing else is wrong. Where steps differ and none is as short as the base, gaps
    are still gaps, with another hint; but data that are allowed to have gaps are refused when all their steps, ten or
    more, are multiples of the shortest and that is the spacing of a coarser base: they would pass for a finer one.
    """
    if reading.least_ns is None or reading.least_ns <= reading.options.step_ns:
        return
    step_ms = reading.least_ns // 1_000_000
    looks = next((base.value for base in BASES if base.step_ms == step_ms), None)
    same = reading.multiple is not None and (reading.steps > 1 or not reading.offences.besides("GAP"))
    coarser = reading.options.gaps != REJECT and reading.steps >= STEPS_MIN and reading.common_ns == reading.least_ns
    if not same and not (coarser and looks is not None):
        if looks is not None:
            reading.offences.advise_gaps(f"no two rows are closer than {looks}: pass --base-timeframe {looks}")
        return
    number, file, line = reading.step_at
    apart = _span(step_ms)
    base = reading.options.base.value
    says = f"every row is {apart} after the one before" if same else f"no two rows are closer than {apart}"
    says += f": this looks like {looks}, not {base}" if looks else ""
    hint = f"pass --base-timeframe {looks}" if looks else f"Buff has no {apart} timeframe; get the data as {base}"
    reading.offences.forget_gaps()
    offence = Offence(file=file, line=line, column=None, text="", rule="SPACING", says=says, hint=hint)
    reading.offences.add(offence, number)
    reading.note(offence)


def _span(ms: int) -> str:
    for unit, size in (("d", DAY_MS), ("h", 3_600_000), ("m", 60_000)):
        if ms % size == 0:
            return f"{ms // size} {unit}"
    raise AssertionError("a base is a whole number of minutes")


def fill(columns: Columns, steps: NDArray[np.int64], close_before: float, step_ms: int) -> Columns:
    """Return the columns with a flat bar in the place of every missing one, and `filled` (uint8) marking these.

    steps: int64[n], the distance of each row from the row before it, in bars (1: none is missing between them).
    close_before: the close of the row before the first. A made bar has the last close as its four prices, volume 0.
    """
    row = np.repeat(np.arange(len(steps)), steps)  # of each bar: the row it is, or the next one after it
    ends = np.cumsum(steps) - 1
    made = np.ones(len(row), DTYPES["filled"])
    made[ends] = 0
    flat = np.concatenate(([close_before], columns["close"][:-1]))[row]
    return {
        "ts": columns["ts"][row] - (ends[row] - np.arange(len(row))) * step_ms,
        **{name: np.where(made, flat, columns[name][row]) for name in PRICES},
        "volume": np.where(made, 0.0, columns["volume"][row]),
        "filled": made,
    }


def _some(count: int, what: str) -> str:
    return f"{count:,} {what}{'s' * (count != 1)}"


@define(kw_only=True)
class _Sink:
    """Takes accepted blocks, counts what is in them, fills gaps where asked to, and writes them on."""

    options: CsvOptions
    write: Callable[[Columns], None]
    rows_max: int
    read: int = 0
    rows: int = 0
    first_ts: int | None = None
    last_ts: int = 0
    last_close: float = 0.0
    gaps: list[Gap] = Factory(list)
    gap_count: int = 0
    missing: int = 0
    longest: int = 0
    zero_volume: int = 0

    def take(self, columns: Columns) -> None:
        """Write one block of accepted bars on."""
        ts = columns["ts"]
        if not len(ts):
            return
        step_ms = self.options.step_ns // 1_000_000
        if self.first_ts is None:
            self.first_ts = int(ts[0])
            self.last_ts = self.first_ts - step_ms
        steps = np.diff(ts, prepend=self.last_ts) // step_ms
        gapped = np.flatnonzero(steps != 1)
        self._note(ts, steps, gapped)
        self.read += len(ts)
        self.zero_volume += int(np.count_nonzero(columns["volume"] == 0.0))
        if len(gapped) and self.options.gaps == FILL:
            # Past the limits nothing more is made: the ingest ends in LIMIT_EXCEEDED anyway.
            if not self._too_much(self.rows_max):
                self._emit(fill(columns, steps, self.last_close, step_ms))
        else:
            self._emit({**columns, "filled": np.zeros(len(ts), DTYPES["filled"])})
        self.last_ts, self.last_close = int(ts[-1]), float(columns["close"][-1])

    def _note(self, ts: NDArray[np.int64], steps: NDArray[np.int64], gapped: NDArray[np.int64]) -> None:
        for at in gapped[: LISTED_MAX - len(self.gaps)].tolist():
            before = int(ts[at - 1]) if at else self.last_ts
            self.gaps.append(Gap(after_ts=before, before_ts=int(ts[at]), missing=int(steps[at]) - 1))
        if len(gapped):
            self.gap_count += len(gapped)
            self.missing += int((steps[gapped] - 1).sum())
            self.longest = max(self.longest, int(steps[gapped].max()) - 1)

    def _emit(self, columns: Columns) -> None:
        self.rows += len(columns["ts"])
        self.write(columns)

    def _too_much(self, rows: int) -> bool:
        too_long = self.longest * (self.options.step_ns // 1_000_000) > FILL_GAP_MS_MAX
        return too_long or self.missing * FILL_SHARE > rows

    def close(self) -> None:
        """Judge what was filled. Raises LimitExceeded when it is too much to be called data."""
        if self.options.gaps == FILL and self._too_much(self.read):
            raise LimitExceeded(
                f"gaps=fill would make {self.missing:,} bars for {self.read:,} rows, {self.longest:,} in one gap; "
                "at most 5 % of the rows and 7 days in one gap are filled",
                hint="get the missing rows, or use --gaps keep",
                details={"limit": "fill", "missing": self.missing, "rows": self.read, "longest": self.longest},
            )

    def ingested(self, sources: tuple[dict[str, Any], ...]) -> Ingested:
        """Return what was read."""
        assert self.first_ts is not None, "an ingest without rows is EMPTY"
        filled = self.missing if self.options.gaps == FILL else 0
        return Ingested(
            rows=self.rows,
            first_ts=self.first_ts,
            last_ts=self.last_ts,
            gaps=tuple(self.gaps),
            gap_count=self.gap_count,
            missing=self.missing,
            filled=filled,
            zero_volume=self.zero_volume,
            sources=sources,
            warnings=tuple(self._warnings(sources, filled)),
        )

    def _warnings(self, sources: tuple[dict[str, Any], ...], filled: int) -> Iterator[str]:
        for source in sources:
            if source["extra_columns"]:
                yield f"{source['name']}: columns ignored: {', '.join(source['extra_columns'])}"
            if "other_rows" in source:
                others = f"{source['other_rows']:,} rows of other tickers than {source['ticker']}"
                yield f"{source['name']}: {others} left out"
            if "no_bar_rows" in source:
                yield f"{source['name']}: {source['no_bar_rows']:,} rows say that there was no bar; they are gaps"
        if filled:
            yield f"{_some(filled, 'missing bar')} filled in {_some(self.gap_count, 'gap')}"
        elif self.gap_count:
            yield f"{_some(self.missing, 'bar')} missing in {_some(self.gap_count, 'gap')}, kept as they are"
