"""Everything that can be wrong with the world, as one tree of errors with stable codes.

What goes in: a sentence, details as plain values, a hint. What comes out: an exception whose `code` never changes
once released. This module does no I/O and no formatting, and it never describes a bug: a bug is an assert.

    BuffError
    ├── RequestError             the request cannot be carried out as written
    │   ├── RequestInvalid         REQUEST_INVALID       the document itself cannot be read (not JSON, not TOML)
    │   ├── RunConfigInvalid       RUN_CONFIG_INVALID
    │   ├── RunIdInvalid           RUN_ID_INVALID
    │   ├── StrategyInvalid        STRATEGY_INVALID
    │   ├── RiskInvalid            RISK_INVALID
    │   └── ProfileInvalid         PROFILE_INVALID
    ├── DataError                the data is absent or breaks a rule
    │   ├── DataSourceNotFound     DATA_SOURCE_NOT_FOUND
    │   ├── DataInvalid            DATA_INVALID          with `rule`: GAP, ORDER, OHLC, ...
    │   └── BundleInvalid          BUNDLE_INVALID
    ├── NotFound                 the thing named does not exist
    │   ├── RunNotFound            RUN_NOT_FOUND
    │   ├── DatasetNotFound        DATASET_NOT_FOUND
    │   ├── StrategyNotFound       STRATEGY_NOT_FOUND      no such page or address; a request is STRATEGY_INVALID
    │   ├── ArtifactNotFound       ARTIFACT_NOT_FOUND
    │   ├── BuildNotFound          BUILD_NOT_FOUND
    │   ├── SweepNotFound          SWEEP_NOT_FOUND
    │   └── UploadNotFound         UPLOAD_NOT_FOUND
    ├── RunExists                RUN_EXISTS              same id, other inputs
    ├── Refused                  a limit, a switch, or a door that is closed
    │   ├── LimitExceeded          LIMIT_EXCEEDED
    │   ├── RateLimited            RATE_LIMITED
    │   ├── KillSwitchEngaged      KILL_SWITCH_ENGAGED
    │   ├── CreationDisabled       CREATION_DISABLED
    │   ├── BuildLost              BUILD_LOST
    │   ├── BuildCancelled         BUILD_CANCELLED
    │   ├── Unauthorized           UNAUTHORIZED
    │   └── ForbiddenOrigin        FORBIDDEN_ORIGIN
    ├── RootError                the root or its journal cannot be used
    │   ├── RunsRootUnset          RUNS_ROOT_UNSET
    │   ├── RunsRootInvalid        RUNS_ROOT_INVALID
    │   ├── JournalCorrupt         JOURNAL_CORRUPT
    │   ├── JournalLockTimeout     JOURNAL_LOCK_TIMEOUT
    │   └── LockBroken             LOCK_BROKEN
    ├── StorageError             the disk said no, or what it holds is damaged
    │   ├── StorageFull            STORAGE_FULL
    │   ├── StorageUnreadable      STORAGE_UNREADABLE
    │   ├── ArtifactsWriteFailed   ARTIFACTS_WRITE_FAILED
    │   ├── RegistryWriteFailed    REGISTRY_WRITE_FAILED
    │   ├── KeyConflict            KEY_CONFLICT
    │   ├── Nondeterministic       NONDETERMINISTIC
    │   ├── OutputFailed           OUTPUT_FAILED
    │   └── RunDamaged             RUN_DAMAGED
    └── Internal                 INTERNAL                a bug that reached a door; never raised on purpose
"""

from collections.abc import Mapping
from typing import ClassVar

from attrs import frozen


@frozen(kw_only=True)
class Meaning:
    """What a code means at the doors: one row of the table in `docs/reference/errors.md`."""

    exit_code: int
    status: int
    says: str


# The one table from code to exit code and HTTP status; a test keeps the docs complete and the tree equal to it.
CODES: Mapping[str, Meaning] = {
    "REQUEST_INVALID": Meaning(exit_code=3, status=400, says="The request document cannot be read."),
    "RUN_CONFIG_INVALID": Meaning(exit_code=3, status=400, says="A field of the request is missing, unknown or wrong."),
    "RUN_ID_INVALID": Meaning(exit_code=3, status=400, says="The run id is not one Buff accepts."),
    "STRATEGY_INVALID": Meaning(exit_code=3, status=400, says="The strategy or one of its parameters is not valid."),
    "RISK_INVALID": Meaning(exit_code=3, status=400, says="The risk level is not a whole number from 1 to 5."),
    "PROFILE_INVALID": Meaning(exit_code=3, status=400, says="The CSV profile is unknown or not valid."),
    "DATA_SOURCE_NOT_FOUND": Meaning(exit_code=4, status=400, says="The data file does not exist or is not a file."),
    "DATA_INVALID": Meaning(exit_code=4, status=422, says="The data breaks a rule; `details.rule` names it."),
    "BUNDLE_INVALID": Meaning(exit_code=4, status=422, says="The file is not a whole bundle of a run."),
    "RUN_NOT_FOUND": Meaning(exit_code=5, status=404, says="No such run in this root."),
    "DATASET_NOT_FOUND": Meaning(exit_code=5, status=404, says="No such dataset in this root."),
    "STRATEGY_NOT_FOUND": Meaning(exit_code=5, status=404, says="No such registered strategy."),
    "ARTIFACT_NOT_FOUND": Meaning(exit_code=5, status=404, says="The run has no artifact of that name."),
    "BUILD_NOT_FOUND": Meaning(exit_code=5, status=404, says="No such build in this root."),
    "SWEEP_NOT_FOUND": Meaning(exit_code=5, status=404, says="No such sweep in this root."),
    "UPLOAD_NOT_FOUND": Meaning(exit_code=5, status=404, says="No such uploaded file in this root."),
    "RUN_EXISTS": Meaning(exit_code=6, status=409, says="The run id exists with other inputs."),
    "LIMIT_EXCEEDED": Meaning(exit_code=7, status=413, says="A limit of this root would be passed."),
    "RATE_LIMITED": Meaning(exit_code=7, status=429, says="Too many requests in a minute."),
    "KILL_SWITCH_ENGAGED": Meaning(exit_code=7, status=503, says="The kill switch stops new runs and ingests."),
    "CREATION_DISABLED": Meaning(exit_code=7, status=403, says="Creating runs through the web is off."),
    "BUILD_LOST": Meaning(exit_code=7, status=500, says="The process that built the run died."),
    "BUILD_CANCELLED": Meaning(exit_code=7, status=409, says="The build was cancelled."),
    "UNAUTHORIZED": Meaning(exit_code=7, status=401, says="The token is missing or wrong."),
    "FORBIDDEN_ORIGIN": Meaning(exit_code=7, status=403, says="The Host, Origin or mark is not of this server."),
    "RUNS_ROOT_UNSET": Meaning(exit_code=8, status=503, says="No runs root was given."),
    "RUNS_ROOT_INVALID": Meaning(exit_code=8, status=503, says="The runs root is not a directory Buff can use."),
    "JOURNAL_CORRUPT": Meaning(exit_code=8, status=503, says="The journal is damaged; reading serves what is proven."),
    "JOURNAL_LOCK_TIMEOUT": Meaning(exit_code=8, status=503, says="Another process holds the journal's lock."),
    "LOCK_BROKEN": Meaning(exit_code=8, status=503, says="Somebody wrote to the journal without its lock."),
    "STORAGE_FULL": Meaning(exit_code=9, status=507, says="The disk or quota is full; nothing was recorded."),
    "STORAGE_UNREADABLE": Meaning(exit_code=9, status=503, says="The disk could not be read."),
    "ARTIFACTS_WRITE_FAILED": Meaning(exit_code=9, status=500, says="The run's files could not be written."),
    "REGISTRY_WRITE_FAILED": Meaning(exit_code=9, status=500, says="The journal could not be written; ask again."),
    "KEY_CONFLICT": Meaning(exit_code=9, status=409, says="The same key was used for other facts."),
    "NONDETERMINISTIC": Meaning(exit_code=9, status=500, says="The same inputs gave other bytes."),
    "OUTPUT_FAILED": Meaning(exit_code=9, status=500, says="What a command prints could not be written."),
    "RUN_DAMAGED": Meaning(exit_code=13, status=409, says="The run's stored files are not what was committed."),
    "INTERNAL": Meaning(exit_code=1, status=500, says="A bug in Buff. The log has the details."),
}


class BuffError(Exception):
    """The world is not as asked: a stable code, what was wrong, where, and what to do.

    `message` is one sentence for a person. `details` holds plain JSON values. `hint` says what to do next, or "".
    """

    code: ClassVar[str] = "INTERNAL"

    def __init__(self, message: str, *, hint: str = "", details: Mapping[str, object] | None = None) -> None:
        """Keep the three parts; nothing is formatted here."""
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.details: dict[str, object] = dict(details or {})

    @property
    def exit_code(self) -> int:
        """The exit code of the command line for this error."""
        return CODES[self.code].exit_code

    @property
    def status(self) -> int:
        """The HTTP status for this error."""
        return CODES[self.code].status

    def as_dict(self) -> dict[str, object]:
        """The one JSON shape of an error: `{code, message, details, hint}`."""
        return {"code": self.code, "message": self.message, "details": self.details, "hint": self.hint}


class RequestError(BuffError):
    """The request cannot be carried out as written."""

    code = "REQUEST_INVALID"


class RequestInvalid(RequestError):
    """The document itself cannot be read."""


class RunConfigInvalid(RequestError):
    """A field of the request is missing, unknown or wrong."""

    code = "RUN_CONFIG_INVALID"


class RunIdInvalid(RequestError):
    """The run id is not one Buff accepts."""

    code = "RUN_ID_INVALID"


class StrategyInvalid(RequestError):
    """The strategy is unknown, a parameter is wrong, or its decisions break the contract."""

    code = "STRATEGY_INVALID"


class RiskInvalid(RequestError):
    """The risk level is not a whole number from 1 to 5."""

    code = "RISK_INVALID"


class ProfileInvalid(RequestError):
    """The CSV profile is unknown or not valid."""

    code = "PROFILE_INVALID"


class DataError(BuffError):
    """The data is absent or breaks a rule."""

    code = "DATA_INVALID"


class DataSourceNotFound(DataError):
    """The data file does not exist, cannot be opened or is not a file."""

    code = "DATA_SOURCE_NOT_FOUND"


class DataInvalid(DataError):
    """The data breaks at least one rule; `rule` is that of the first offence in line order.

    `details` holds `rule`, `counts` (rule -> exact number) and `offences` (the first 20 of them: line, column,
    text, rule and what it says).
    """

    def __init__(self, message: str, *, rule: str, hint: str = "", details: Mapping[str, object] | None = None) -> None:
        """Keep the rule among the details, where every door shows it."""
        super().__init__(message, hint=hint, details={"rule": rule, **(details or {})})
        self.rule = rule


class BundleInvalid(DataError):
    """The file is not a bundle, or a byte of it is not what was bundled."""

    code = "BUNDLE_INVALID"


class NotFound(BuffError):
    """The thing named does not exist."""

    code = "RUN_NOT_FOUND"


class RunNotFound(NotFound):
    """No such run in this root."""


class DatasetNotFound(NotFound):
    """No such dataset in this root."""

    code = "DATASET_NOT_FOUND"


class StrategyNotFound(NotFound):
    """No such registered strategy, where one is looked up; a request that names it is STRATEGY_INVALID."""

    code = "STRATEGY_NOT_FOUND"


class ArtifactNotFound(NotFound):
    """The run has no artifact of that name."""

    code = "ARTIFACT_NOT_FOUND"


class BuildNotFound(NotFound):
    """No such build in this root."""

    code = "BUILD_NOT_FOUND"


class SweepNotFound(NotFound):
    """No such sweep in this root."""

    code = "SWEEP_NOT_FOUND"


class UploadNotFound(NotFound):
    """No such uploaded file in this root: it never came, or it was removed after a day."""

    code = "UPLOAD_NOT_FOUND"


class RunExists(BuffError):
    """The run id exists with other inputs."""

    code = "RUN_EXISTS"


class Refused(BuffError):
    """A limit, a switch, or a door that is closed."""

    code = "LIMIT_EXCEEDED"


class LimitExceeded(Refused):
    """A limit of this root would be passed."""


class RateLimited(Refused):
    """Too many requests in a minute."""

    code = "RATE_LIMITED"


class KillSwitchEngaged(Refused):
    """The kill switch stops new runs and ingests."""

    code = "KILL_SWITCH_ENGAGED"


class CreationDisabled(Refused):
    """Creating runs through the web is off."""

    code = "CREATION_DISABLED"


class BuildLost(Refused):
    """The process that built the run died."""

    code = "BUILD_LOST"


class BuildCancelled(Refused):
    """The build was cancelled."""

    code = "BUILD_CANCELLED"


class Unauthorized(Refused):
    """The token is missing or wrong."""

    code = "UNAUTHORIZED"


class ForbiddenOrigin(Refused):
    """The Host or Origin of a request is not this server, or a change lacks the mark of its pages."""

    code = "FORBIDDEN_ORIGIN"


class RootError(BuffError):
    """The root or its journal cannot be used."""

    code = "RUNS_ROOT_INVALID"


class RunsRootUnset(RootError):
    """No runs root was given."""

    code = "RUNS_ROOT_UNSET"


class RunsRootInvalid(RootError):
    """The runs root is not a directory Buff can use."""


class JournalCorrupt(RootError):
    """The journal is damaged; `details` has the row of the decision table, the segment and the offset."""

    code = "JOURNAL_CORRUPT"


class JournalLockTimeout(RootError):
    """Another process holds the journal's lock; `details` says which."""

    code = "JOURNAL_LOCK_TIMEOUT"


class LockBroken(RootError):
    """Somebody wrote to the journal while we held its lock: a network share, or a tool that takes no lock."""

    code = "LOCK_BROKEN"


class StorageError(BuffError):
    """The disk said no, or what it holds is damaged."""

    code = "REGISTRY_WRITE_FAILED"


class StorageFull(StorageError):
    """The disk or quota is full; nothing was recorded."""

    code = "STORAGE_FULL"


class StorageUnreadable(StorageError):
    """The disk could not be read: no verdict on what it holds."""

    code = "STORAGE_UNREADABLE"


class ArtifactsWriteFailed(StorageError):
    """The run's files could not be written; nothing was committed."""

    code = "ARTIFACTS_WRITE_FAILED"


class RegistryWriteFailed(StorageError):
    """The journal could not be written; the outcome is unknown until the same request is made again."""


class KeyConflict(StorageError):
    """The same idempotency key was used for other facts."""

    code = "KEY_CONFLICT"


class Nondeterministic(StorageError):
    """The same inputs gave other bytes: a bug in a strategy or the engine, never silently accepted."""

    code = "NONDETERMINISTIC"


class OutputFailed(StorageError):
    """What a command prints could not be written where it was to go; what else it did is done."""

    code = "OUTPUT_FAILED"


class RunDamaged(StorageError):
    """The run's stored files are not what was committed."""

    code = "RUN_DAMAGED"


class Internal(BuffError):
    """A bug that reached a door; never raised on purpose."""
