"""`PATCH /runs/{id}` and what is done to a run: archived, restored, verified. No byte of a run is ever changed.

A run's id and what is asked go in; its entry in the registry comes out, or a verdict. Each is an event of the journal.
"""

from typing import Annotated, Any

import msgspec
from litestar import Response, patch, post
from litestar.di import NamedDependency
from litestar.params import JSONBody, QueryParameter
from msgspec import UNSET, UnsetType

from buff import RunEntry
from buff.errors import DataInvalid, JournalLockTimeout, LimitExceeded, RateLimited, RunNotFound, StorageFull
from buff_web.api.runs import RunId
from buff_web.bodies import Body
from buff_web.openapi import answers
from buff_web.problems import without_paths
from buff_web.reading import entry_of
from buff_web.site import Site


class Annotation(Body, frozen=True, kw_only=True):
    """What is said of a run for people; what is left out stays as it is, null takes it away."""

    name: str | UnsetType | None = UNSET
    notes: str | UnsetType | None = UNSET
    tags: list[str] | UnsetType | None = UNSET


class Archiving(Body, frozen=True, kw_only=True):
    """Why a run is archived, for people."""

    why: str | None = None


NO_REASON = Archiving()


class VerdictDocument(msgspec.Struct, kw_only=True):
    """What verifying found: `outcome` is `identical` where every byte is what recomputing it gives."""

    run_id: str
    outcome: str
    exit_code: int
    difference: dict[str, Any] | None
    findings: list[str]


CHANGED = answers(RunEntry, RunNotFound, JournalLockTimeout, StorageFull, tagged=False)


@patch("/runs/{run_id:str}", status_code=200, responses=CHANGED)
async def annotate_run(data: JSONBody[Annotation], site: NamedDependency[Site], run_id: RunId) -> Response[bytes]:
    """Give a run another name, notes or tags; return its entry."""
    said = {name: getattr(data, name) for name in ("name", "notes", "tags")}
    return _json(await site.writing.do(lambda: site.writing.store.annotate(_exactly(site, run_id), **said)))


@post("/runs/{run_id:str}/archive", status_code=200, responses=CHANGED)
async def archive_run(
    site: NamedDependency[Site], run_id: RunId, data: JSONBody[Archiving] = NO_REASON
) -> Response[bytes]:
    """Take a run out of the lists; nothing of it is removed. Return its entry."""
    return _json(await site.writing.do(lambda: site.writing.store.archive(_exactly(site, run_id), why=data.why)))


@post("/runs/{run_id:str}/restore", status_code=200, responses=CHANGED)
async def restore_run(site: NamedDependency[Site], run_id: RunId) -> Response[bytes]:
    """Bring an archived run back into the lists. Return its entry."""
    return _json(await site.writing.do(lambda: site.writing.store.restore(_exactly(site, run_id))))


@post(
    "/runs/{run_id:str}/verify",
    status_code=200,
    responses=answers(
        VerdictDocument, RunNotFound, DataInvalid, LimitExceeded, RateLimited, JournalLockTimeout, tagged=False
    ),
)
async def verify_run(
    site: NamedDependency[Site],
    run_id: RunId,
    no_lookahead: Annotated[bool, QueryParameter(description="also try whether the strategy looks ahead")] = False,
) -> Response[bytes]:
    """Recompute a run from its inputs and compare every byte; return the verdict, which the journal tells of, too.

    It is done in a process of its own and takes as long as making the run did. It goes on when the client leaves.
    """
    known = await site.writing.do(_exactly, site, run_id)
    told = await site.writing.errands.run("verify", {"run_id": known, "no_lookahead": no_lookahead})
    return _json(without_paths(told, site.store.root))


def _exactly(site: Site, run_id: str) -> str:
    """Return the id of a run that is there: only what is named whole is changed. Raises RunNotFound."""
    return entry_of(site.store, run_id).run_id


def _json(value: Any) -> Response[bytes]:
    body = msgspec.json.encode(value, order="sorted")
    return Response(body, media_type="application/json", headers={"cache-control": "no-store"})


HANDLERS = (annotate_run, archive_run, restore_run, verify_run)
