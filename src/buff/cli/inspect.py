"""What `buff data inspect` prints of a file: what it is, how it may be read, and the commands that read it so."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import rich_click as click

from buff.cli.output import offence_lines, surroundings, table
from buff.errors import BuffError
from buff.inspection import DRAFT_FILE, inspect_files
from buff.intake import Progress
from buff.market.bars import VALUES
from buff.market.spacing import GAP_KINDS, some

_QUALITY = {
    "stale": ("run of equal bars", "runs of equal bars"),
    "spikes": ("price move far above the usual", "price moves far above the usual"),
    "volume_jumps": ("day of another unit of volume", "days of another unit of volume"),
}


def inspected(
    paths: Sequence[str], options: Mapping[str, Any], *, progress: Progress
) -> tuple[dict[str, Any], BuffError | None]:
    """Return what the files hold as plain values, and the error with which an ingest would refuse them, if it would."""
    _, settings = surroundings()
    return inspect_files(paths, options, settings=settings, progress=progress)


def print_inspected(found: Mapping[str, Any]) -> None:
    """Print what was found for a person."""
    if found["first_rows"]:
        rows = [[str(cell) for cell in row] for row in found["first_rows"]]
        table(("open stamp (UTC)", *VALUES), rows, right=VALUES)
    table(("found", "what"), [*_form(found), *_range(found)])
    for line in _readings(found):
        click.echo(line)


def _form(found: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield what the file looks like."""
    detected, times, spacing = found["detected"], found["times"], found["spacing"]
    if detected["alien"] is not None:
        yield "the file", f"is {detected['alien']}"
    fits = [each for each in detected["suggestions"] if each["fits"]]
    for each in fits[:1]:
        yield "likely profile", f"{each['profile']}: {'; '.join(each['reasons'])}"
    for each in fits[1:]:
        how = "reads the first rows alike" if each["same_rows"] else "reads the first rows otherwise"
        yield "also fits", f"{each['profile']} ({how})"
    if not fits:
        for each in detected["suggestions"]:
            yield "closest profile", f"{each['profile']}: {each['why_not']}"
    for line in detected["advice"]:
        yield "would help", line
    if times is not None and times["first"] is not None:
        yield "times", f"{times['is']}, for example {times['first']}"
        yield "zone", times["zone"]
    if spacing is not None:
        where = "" if spacing["whole"] else " of the beginning"
        steps = some(spacing["of"], "step")
        apart = f"{spacing['apart']} apart ({spacing['count']:,} of {steps}{where})"
        if spacing["back"]:
            yield "order", f"rows are not in order of time: {spacing['back']:,} of {steps}{where} go back"
        yield "spacing", f"in order of time they would be {apart}" if spacing["back"] else f"rows are {apart}"
    for line in found["questions"]:
        yield "please check", line


def _range(found: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield what the accepted rows are."""
    if "rows" not in found:
        return
    yield "rows", f"{found['rows']:,} of {found['base_timeframe']}"
    yield "range", f"{found['first']} to {found['last']}"
    yield "gaps", f"{found['gaps']:,} ({some(found['missing'], 'bar')} missing, {found['filled']:,} filled)"
    kinds, longest = found["gap_kinds"]["kinds"], found["gap_kinds"]["longest"]
    for kind, count in kinds.items():
        yield "of these", f"{count:,} {GAP_KINDS[kind]}"
    if longest is not None:
        yield "longest gap", f"{some(longest['missing'], 'bar')} between {longest['after']} and {longest['before']}"
    yield from _windows(found["windows"])
    yield "zero volume", some(found["zero_volume"], "row")
    for name, count in (found["quality"] or {}).items():
        if count:
            yield "quality", some(count, *_QUALITY[name])
    for warning in found["warnings"]:
        yield "warning", warning


def _windows(windows: Mapping[str, Any] | None) -> Iterator[tuple[str, str]]:
    """Yield how many windows of the timeframe that is suggested, or would be, a run would drop."""
    if windows is None or not windows["lacking"]:
        return
    of = f"{some(windows['lacking'] + windows['whole'], 'window')} of {windows['timeframe']}"
    if windows["whole"]:
        lack = "lacks" if windows["lacking"] == 1 else "lack"
        yield "coarser bars", f"{windows['lacking']:,} of {of} {lack} bars and would be dropped"
    else:
        yield "coarser bars", f"all {of} lack bars, so that none could be made"


def _readings(found: Mapping[str, Any]) -> Iterator[str]:
    """Yield under which options the file was read, what is left to decide, and what to do next."""
    read = found["read_as"]
    if read is not None and not read["given"]:
        yield f"Read as if you had said: {read['words'] or 'nothing'}"
        if not read["accepted"]:
            yield f"  So read, it would be refused: {read['problem']['message']}"
            yield from (f"  {line}" for line in offence_lines(read["problem"]["details"]))
    if found["detected"]["draft"] is not None:
        yield f"A profile of your own, to be saved as {DRAFT_FILE}:"
        yield from (f"    {line}" for line in found["detected"]["draft"].splitlines())
    for choice in found["choices"]:
        yield f"You decide: {choice['option']} ({choice['why']}). Or: {choice['instead']}"
    if found["commands"]:
        yield f"Next: {found['commands']['create']}"
        yield f"  or: {found['commands']['ingest']}"
    elif found["detected"]["alien"] is None:
        yield f"When the file is mended: {found['next']}"
    if not found["accepted"] and read is not None and not read["given"]:
        yield "As you asked for it, the file is refused:"
