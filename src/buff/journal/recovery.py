"""What to do with a journal as it was found: fifteen rows, first match counts, total over every combination of facts.

Facts gathered by `survey.py` go in; one row of the table comes out. The table is data: each row lists the cases it
covers, each case the values a fact may have, and a fact a case does not name may have any. Nothing here reads or writes
a disk; `log.py` carries out what the row says.
"""

from collections.abc import Mapping
from enum import Enum

from attrs import field, fields_dict, frozen


class Layout(Enum):
    """Whether the segments' names are those of one journal. MISSING: there is no segment. IO: a read failed."""

    OK = "ok"
    MISSING = "missing"
    BAD = "bad"
    IO = "io"


class Body(Enum):
    """Whether everything before the last segment's end is whole."""

    OK = "ok"
    BAD = "bad"


class Tail(Enum):
    """What follows the last whole batch.

    BREAK: a valid line in its place with the wrong seq, prev or batch. TORN: bytes that only one batch, never
    acknowledged, can have left. MIXED: a valid line among them that such a batch cannot have left.
    """

    CLEAN = "clean"
    BREAK = "break"
    TORN = "torn"
    MIXED = "mixed"


class Claim(Enum):
    """What HEAD, index.json or a receipt says of an event, against what the journal holds.

    NONE: absent or unreadable. AHEAD: beyond the end. CONFLICT: another hash. FOREIGN: another journal.
    """

    NONE = "none"
    OK = "ok"
    AHEAD = "ahead"
    CONFLICT = "conflict"
    FOREIGN = "foreign"


class Action(Enum):
    """What a writer does."""

    REFUSE = "refuse"
    CREATE = "create"
    SUPERSEDE = "supersede"
    KEEP = "keep"
    ADOPT = "adopt"
    CARRY = "carry"


@frozen(kw_only=True)
class Facts:
    """Everything the decision depends on.

    `oversized`: the tail is longer than a batch may be. `head_zero`: HEAD names no event yet. `head_at_end`: HEAD names
    the end of the last segment. `born`: the last segment holds exactly one batch. `has_runs`: index.json or a run
    directory exists; it is looked for only when the segments are missing.
    """

    layout: Layout = Layout.OK
    body: Body = Body.OK
    tail: Tail = Tail.CLEAN
    oversized: bool = False
    head: Claim = Claim.OK
    head_zero: bool = False
    head_at_end: bool = True
    index: Claim = Claim.NONE
    receipt: Claim = Claim.NONE
    born: bool = False
    has_runs: bool = False


Case = Mapping[str, tuple[object, ...]]


@frozen(kw_only=True)
class Row:
    """One situation: its name, the cases it covers, what a writer does, and the sentence that says why."""

    name: str
    cases: tuple[Case, ...] = field()
    action: Action
    says: str
    hint: str = ""

    @cases.validator
    def _known(self, _attribute: object, cases: tuple[Case, ...]) -> None:
        assert all(name in fields_dict(Facts) for case in cases for name in case), f"{self.name} names no such fact"

    def covers(self, facts: Facts) -> bool:
        """Say whether one of the row's cases holds."""
        return any(all(getattr(facts, name) in values for name, values in case.items()) for case in self.cases)


_SALVAGE = "restore a backup, or look at `buff-journal repair --plan` and salvage what is whole into a new root"
_GONE = "restore the missing files from a backup; nothing was changed here"
_HISTORY = "two histories were mixed: put back the files that belong together from one backup"

TABLE: tuple[Row, ...] = (
    Row(
        name="R01",
        cases=({"layout": (Layout.IO,)},),
        action=Action.REFUSE,
        says="a segment of the journal could not be read",
        hint="check the disk and its permissions; the bytes themselves were not judged",
    ),
    Row(
        name="R02",
        cases=(
            {"layout": (Layout.MISSING,), "head": (Claim.NONE,), "has_runs": (False,)},
            {"layout": (Layout.MISSING,), "head_zero": (True,), "has_runs": (False,)},
        ),
        action=Action.CREATE,
        says="there is no journal yet",
    ),
    Row(
        name="R03",
        cases=({"layout": (Layout.MISSING,)},),
        action=Action.REFUSE,
        says="the journal is gone, although HEAD or the runs say there was one",
        hint=_GONE,
    ),
    Row(
        name="R04",
        cases=({"layout": (Layout.BAD,)},),
        action=Action.REFUSE,
        says="a segment is missing, or a name is not that of a segment",
        hint="restore the missing files from a backup, or salvage what is whole with `buff-journal repair --salvage`",
    ),
    Row(
        name="R05",
        cases=({"body": (Body.BAD,)},),
        action=Action.REFUSE,
        says="the journal is damaged before its last segment's end",
        hint=_SALVAGE,
    ),
    Row(
        name="R06",
        cases=({"tail": (Tail.MIXED, Tail.BREAK)},),
        action=Action.REFUSE,
        says="valid events follow the damage, so it is no crash's torn tail",
        hint=_SALVAGE,
    ),
    Row(
        name="R07",
        cases=(
            {"head": (Claim.FOREIGN, Claim.CONFLICT)},
            {"index": (Claim.CONFLICT,)},
            {"receipt": (Claim.FOREIGN, Claim.CONFLICT)},
        ),
        action=Action.REFUSE,
        says="HEAD, index.json or the receipt belongs to another history than these segments",
        hint=_HISTORY,
    ),
    Row(
        name="R08",
        cases=(
            {"head": (Claim.AHEAD,)},
            {"index": (Claim.AHEAD,)},
            {"receipt": (Claim.AHEAD,)},
        ),
        action=Action.REFUSE,
        says="acknowledged events are gone",
        hint=_GONE,
    ),
    Row(
        name="R09",
        cases=({"tail": (Tail.TORN,), "oversized": (True,)},),
        action=Action.REFUSE,
        says="the damaged tail is longer than one batch, so it is no crash's torn tail",
        hint=_SALVAGE,
    ),
    Row(
        name="R10",
        cases=({"tail": (Tail.TORN,), "head": (Claim.NONE,)},),
        action=Action.REFUSE,
        says="the tail is torn and there is no HEAD that says it was never acknowledged",
        hint="look at `buff-journal repair --plan`, then set the tail aside with `buff-journal repair --apply`",
    ),
    Row(
        name="R11",
        cases=({"tail": (Tail.TORN,)},),
        action=Action.SUPERSEDE,
        says="a batch was torn before it was acknowledged; it is set aside and superseded",
    ),
    Row(
        name="R12",
        cases=({"tail": (Tail.CLEAN,), "head": (Claim.OK,), "head_at_end": (True,)},),
        action=Action.KEEP,
        says="everything is as HEAD says",
    ),
    Row(
        name="R13",
        cases=({"tail": (Tail.CLEAN,), "born": (True,), "head": (Claim.OK, Claim.NONE)},),
        action=Action.ADOPT,
        says="the last segment was born whole and HEAD does not know it yet",
    ),
    Row(
        name="R14",
        cases=({"tail": (Tail.CLEAN,), "head": (Claim.OK, Claim.NONE)},),
        action=Action.CARRY,
        says="the last batch is whole but not proven durable; it is carried into a new segment",
    ),
    Row(
        name="R15",
        cases=({},),
        action=Action.REFUSE,
        says="the journal is in a state that no rule describes",
        hint=_SALVAGE,
    ),
)


# A loss that somebody may accept: whole events are left, and something outside them says that there were others.
LOSSES = frozenset({"R03", "R07", "R08"})


def decide(facts: Facts) -> Row:
    """Return the first row that covers `facts`. The last row covers everything."""
    return next(row for row in TABLE if row.covers(facts))
