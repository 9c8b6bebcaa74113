"""Repair: first the plan, with the row and the exact bytes; then, when asked, what any writer does at open.

A root goes in, a report comes out. Bytes that count are never cut or overwritten: a torn tail is copied to
`quarantine/` and superseded by a new segment. What the decision table refuses is refused here too, except a torn tail
without HEAD (row R10).
"""

from buff.errors import RunsRootInvalid
from buff.files import Disk
from buff.host import Host
from buff.journal.head import Head
from buff.journal.log import Journal
from buff.journal.reader import Verdict, judge
from buff.journal.recovery import Action, Claim
from buff.journal.survey import Findings, read_head, segment_name
from buff.store import Store
from journal_tools.report import Report, report_on

REPAIRABLE = "R10"


def plan(disk: Disk, root: str) -> Report:
    """Say what `apply` would do, byte for byte. Raises RunsRootInvalid when there is no journal."""
    head = read_head(disk, root).current
    verdict = _judge(disk, root, head)
    report = report_on(verdict, head)
    exit_code = 0 if verdict.row.name == REPAIRABLE else report.exit_code
    return Report(values={**report.values, "plan": _steps(verdict)}, exit_code=exit_code)


def apply(disk: Disk, root: str, *, host: Host) -> Report:
    """Do it, then report on the journal as it is now.

    Raises JournalCorrupt when the table refuses, and what opening a root for writing raises.
    """
    before = _judge(disk, root, read_head(disk, root).current)
    Journal.open(
        disk,
        root,
        clock=host.clock,
        boot=host.boot,
        holder=host.holder,
        listener=lambda _: None,
        create=False,
        repair=True,
    ).close()
    with Store(root, host=host, disk=disk) as store:
        store.journal()  # sweeps what dead builds left; closing writes the index anew when it is not the journal's
    head = read_head(disk, root).current
    report = report_on(judge(disk, root, head=head), head)
    return Report(values={**report.values, "done": _steps(before)}, exit_code=report.exit_code)


def _judge(disk: Disk, root: str, head: Head | None) -> Verdict:
    verdict = judge(disk, root, head=head)
    if verdict.row.action is Action.CREATE:
        raise RunsRootInvalid("this root holds no journal", hint="give the directory that holds `_journal`")
    return verdict


def _steps(verdict: Verdict) -> list[str]:
    """Return what is done to a journal of this verdict, one sentence a step."""
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
