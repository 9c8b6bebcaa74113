"""What a tool found, as plain values for JSON or text, with the exit code that says it to scripts.

A verdict of the journal goes in, a `Report` comes out. Nothing here reads a disk.
"""

from collections.abc import Mapping

from attrs import frozen

from buff.journal.head import Head
from buff.journal.reader import Verdict
from buff.journal.survey import segment_name


@frozen(kw_only=True)
class Report:
    """The findings under short names, in the order to print them, and the exit code."""

    values: Mapping[str, object]
    exit_code: int


def report_on(verdict: Verdict, head: Head | None) -> Report:
    """Return the report of a journal that was walked in full: the row of the table, and how far it is whole."""
    findings, row = verdict.findings, verdict.row
    problem = verdict.problem
    values: dict[str, object] = {
        "journal": findings.journal,
        "row": row.name,
        "action": row.action.value,
        "says": row.says,
        "events": findings.end.seq,
        "sha256": findings.end.sha256,
        "segment": segment_name(findings.end.segment),
        "whole_bytes": findings.end.offset,
        "other_bytes": max(findings.size - findings.end.offset, 0),
        "head": verdict.facts.head.value,
        "head_seq": None if head is None else head.seq,
        "index": verdict.facts.index.value,
        "receipt": verdict.facts.receipt.value,
    }
    if findings.flaw is not None:
        values["flaw"] = f"{findings.flaw.says}: {findings.flaw.segment} at byte {findings.flaw.offset}"
    if problem is not None:
        values |= {"code": problem.code, "hint": problem.hint}
    return Report(values=values, exit_code=0 if problem is None else problem.exit_code)
