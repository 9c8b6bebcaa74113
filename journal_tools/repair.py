"""Repair: first the plan, with the row and the exact bytes; then, when asked, what any writer does at open.

A root goes in, a report comes out. Bytes that count are never cut or overwritten: a torn tail is copied to
`quarantine/` and superseded by a new segment. What the decision table refuses is refused here too, except a torn tail
without HEAD (row R10), and the loss of acknowledged events when somebody accepts it (rows R03, R07, R08). A journal
that is damaged in the middle (rows R04, R05, R06, R09) is salvaged into a new root, and left as it is.
"""

import os

from buff.errors import RunConfigInvalid, RunsRootInvalid
from buff.files import Disk
from buff.host import Host
from buff.journal.head import Head
from buff.journal.log import Journal
from buff.journal.reader import Verdict, judge
from buff.journal.record import Acceptance
from buff.journal.recovery import LOSSES, Action, Claim
from buff.journal.survey import Findings, read_head, segment_name
from buff.store import Store
from journal_tools.report import Report, report_on
from journal_tools.salvage import REPORT, SALVAGEABLE, Wreck, check_target, inspect, rescue

REPAIRABLE = "R10"
_SALVAGE = "nothing in place; `--salvage NEW_DIRECTORY --why TEXT` makes a new root of what is proven"


def plan(disk: Disk, root: str, *, accept: Acceptance | None = None) -> Report:
    """Say what `apply` would do, byte for byte. Raises RunsRootInvalid when there is no journal."""
    head = read_head(disk, root).current
    verdict = _judge(disk, root, head)
    _check(verdict, accept)
    report = report_on(verdict, head)
    if verdict.row.name in SALVAGEABLE:
        wreck = inspect(disk, root, verdict, head)
        steps = [_SALVAGE if wreck.end.seq else "nothing: no event is proven"]
        return Report(values={**_left(report, wreck), "plan": steps}, exit_code=report.exit_code)
    exit_code = 0 if verdict.row.name == REPAIRABLE or accept is not None else report.exit_code
    return Report(values={**report.values, "plan": _steps(verdict, accept)}, exit_code=exit_code)


def apply(disk: Disk, root: str, *, host: Host, accept: Acceptance | None = None) -> Report:
    """Do it, then report on the journal as it is now.

    Raises JournalCorrupt when the table refuses, and what opening a root for writing raises.
    """
    before = _judge(disk, root, read_head(disk, root).current)
    _check(before, accept)
    Journal.open(
        disk,
        root,
        clock=host.clock,
        boot=host.boot,
        holder=host.holder,
        listener=lambda _: None,
        create=accept is not None,
        repair=True,
        accept=accept,
    ).close()
    with Store(root, host=host, disk=disk) as store:
        store.journal()  # sweeps what dead builds left; closing writes the index anew when it is not the journal's
    head = read_head(disk, root).current
    report = report_on(judge(disk, root, head=head), head)
    return Report(values={**report.values, "done": _steps(before, accept)}, exit_code=report.exit_code)


def salvage(disk: Disk, root: str, target: str, *, host: Host, why: str, planning: bool) -> Report:
    """Make a new root at `target` of what is proven of a damaged one, or say what that would be; report on it.

    The old root is left as it is. Raises RunConfigInvalid where the table asks for no salvage, and what `check_target`
    and `rescue` raise.
    """
    head, target = read_head(disk, root).current, os.path.abspath(target)
    verdict = _judge(disk, root, head)
    if verdict.row.name not in SALVAGEABLE:
        raise RunConfigInvalid(
            f"there is nothing to salvage: {verdict.row.says} ({verdict.row.name})",
            hint="leave out --salvage: the plan says what can be done",
            details={"field": "salvage", "row": verdict.row.name},
        )
    wreck = inspect(disk, root, verdict, head)
    check_target(disk, root, wreck, target)
    steps = _salvage_steps(wreck, host, why)
    if planning:
        values = _left(report_on(verdict, head), wreck)
        return Report(values={**values, "runs": list(wreck.runs), "plan": steps}, exit_code=0)
    salvaged = rescue(disk, root, wreck, target, host=host, why=why)
    head = read_head(disk, target).current
    report = report_on(judge(disk, target, head=head), head)
    values = {**report.values, **wreck.values(), **salvaged.values(), "done": steps}
    return Report(values=values, exit_code=report.exit_code or salvaged.exit_code)


def _left(report: Report, wreck: Wreck) -> dict[str, object]:
    """Return the report of a damaged journal with what is left of it: more may be proven than a writer looks at."""
    return {**report.values, "events": wreck.end.seq, "sha256": wreck.end.sha256, **wreck.values()}


def _salvage_steps(wreck: Wreck, host: Host, why: str) -> list[str]:
    return [
        f"copy events 1 to {wreck.end.seq}, byte for byte, to the journal of a new root",
        f"record journal_recovered there: kept up to {wreck.end.seq}, by {host.user}: {why}",
        f"copy what they name (runs: {len(wreck.runs)}, datasets: {len(wreck.state.datasets)}) and verify every byte",
        f"list in {REPORT} what is valid and not proven (events: {len(wreck.survivors)}); none of it becomes a fact",
        "the old root keeps all its bytes",
    ]


def _judge(disk: Disk, root: str, head: Head | None) -> Verdict:
    verdict = judge(disk, root, head=head)
    if verdict.row.action is Action.CREATE:
        raise RunsRootInvalid("this root holds no journal", hint="give the directory that holds `_journal`")
    return verdict


def _check(verdict: Verdict, accept: Acceptance | None) -> None:
    """Refuse to accept a loss where there is none, or another one than is there."""
    if accept is None:
        return
    if verdict.row.name not in LOSSES:
        raise RunConfigInvalid(
            f"there is no loss to accept: {verdict.row.says} ({verdict.row.name})",
            hint="leave out --accept-loss",
            details={"field": "accept_loss", "row": verdict.row.name},
        )
    if verdict.findings.end.seq != accept.kept:
        raise RunConfigInvalid(
            f"the journal is whole up to event {verdict.findings.end.seq}, not {accept.kept}",
            hint=f"`--accept-loss {verdict.findings.end.seq}` would go on from there; look at what is left first",
            details={"field": "accept_loss", "value": accept.kept, "seq": verdict.findings.end.seq},
        )


def _steps(verdict: Verdict, accept: Acceptance | None = None) -> list[str]:
    """Return what is done to a journal of this verdict, one sentence a step."""
    if accept is not None:
        return [
            "copy HEAD and index.json to quarantine/",
            f"go on behind event {accept.kept} in a new segment, with a new HEAD; no segment loses a byte",
            f"record journal_recovered: kept up to {accept.kept}, by {accept.who}: {accept.why}",
            "write index.json anew from the events that are left",
        ]
    action = Action.SUPERSEDE if verdict.row.name == REPAIRABLE else verdict.row.action
    steps = _segment_steps(action, verdict.findings)
    if action is not Action.REFUSE and verdict.facts.index is Claim.FOREIGN:
        steps.append("write index.json anew: it is that of another journal")
    return steps


def _segment_steps(action: Action, findings: Findings) -> list[str]:
    end, name = findings.end, segment_name(findings.end.segment)
    match action:
        case Action.SUPERSEDE:
            return [
                f"copy bytes {end.offset} to {findings.size} of {name} to quarantine/",
                f"begin segment {segment_name(end.seq + 1)} with tail_quarantined; {name} keeps all its bytes",
            ]
        case Action.CARRY:
            first = findings.last_batch[0].seq
            size = sum(len(line.raw) for line in findings.last_batch)
            return [
                f"copy bytes {end.offset - size} to {end.offset} of {name}, events {first} to {end.seq}, "
                f"to a new segment {segment_name(first)}; {name} keeps all its bytes"
            ]
        case Action.ADOPT:
            return [f"sync the name of {name} and point HEAD to its end, byte {end.offset}, event {end.seq}"]
        case Action.KEEP:
            return ["nothing: the journal is as HEAD says"]
        case _:
            return ["nothing: this damage is never repaired in place"]
