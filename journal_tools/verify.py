"""Check the chain: every line, the names of the segments, HEAD, the index, and a receipt if one is given.

A root goes in, a report comes out. No lock is taken and nothing is written, so a copy on a read-only disk will do.
"""

import re

from buff.errors import RunsRootInvalid
from buff.files import Disk
from buff.journal.reader import judge
from buff.journal.recovery import Action
from buff.journal.survey import Claimed, read_head
from journal_tools.report import Report, report_on

_RECEIPT = re.compile(r"(?:([^:]+):)?([1-9][0-9]{0,15}):([0-9a-f]{64})")


def verify(disk: Disk, root: str, *, receipt: Claimed | None = None) -> Report:
    """Verify the journal of a root in full. Raises RunsRootInvalid when there is no journal."""
    head = read_head(disk, root).current
    verdict = judge(disk, root, head=head, receipt=receipt)
    if verdict.row.action is Action.CREATE:
        raise RunsRootInvalid("this root holds no journal", hint="give the directory that holds `_journal`")
    return report_on(verdict, head)


def claimed(receipt: str) -> Claimed:
    """Return what a receipt claims, given as `SEQ:SHA256` or whole. Raises ValueError when it is neither."""
    match = _RECEIPT.fullmatch(receipt)
    if match is None:
        raise ValueError(f"{receipt!r} is no receipt: give SEQ:SHA256, or JOURNAL:SEQ:SHA256")
    journal, seq, sha256 = match.groups()
    return Claimed(journal=journal, seq=int(seq), sha256=sha256)
