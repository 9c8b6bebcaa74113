"""`POST /runs` and `POST /datasets`: something is asked for, and made in the background.

A request goes in that names uploads or a stored dataset, never a path of this machine; a build comes out, or the run
where it exists already and that is known without reading a file.
"""

from typing import Annotated, Any

import msgspec
from litestar import Response, post
from litestar.di import NamedDependency
from litestar.params import JSONBody, QueryParameter

from buff import Store, builds, preview
from buff.builder import checked, stored_entry
from buff.errors import (
    CreationDisabled,
    DataInvalid,
    DatasetNotFound,
    DataSourceNotFound,
    JournalLockTimeout,
    KillSwitchEngaged,
    LimitExceeded,
    ProfileInvalid,
    RateLimited,
    RiskInvalid,
    RunConfigInvalid,
    RunDamaged,
    RunExists,
    RunIdInvalid,
    StorageFull,
    StrategyInvalid,
    UploadNotFound,
)
from buff.uploads import files_of
from buff_web.api.builds import BuildDocument, answer
from buff_web.api.runs import RunDocument
from buff_web.api.uploads import Reading, Texts, said
from buff_web.logs import REQUEST_ID
from buff_web.openapi import answers
from buff_web.reading import run_document
from buff_web.site import Site, creation

LOCATION = {"location": "The address of the build, or of the run that is there."}


class NewRun(Reading, frozen=True, kw_only=True):
    """A run that is asked for, with the fields of `buff run create`. Exactly one of `upload` and `dataset` is given.

    `upload` is one uploaded file or several that are one dataset, each by its SHA-256, followed by `::MEMBER` for one
    file of an archive; `file_name` is what each was called. `symbol` may be left out where a dataset settles it.
    """

    upload: Texts | None = None
    file_name: Texts | None = None
    dataset: str | None = None
    symbol: str | None = None
    timeframe: str
    strategy: str
    params: dict[str, bool | int | float | str] | None = None
    risk_level: int
    start: str | None = None
    end: str | None = None
    commission_bps: float | None = None
    slippage_bps: float | None = None
    min_fee: float | None = None
    initial_equity: float | None = None
    run_id: str | None = None
    name: str | None = None
    notes: str | None = None
    tags: list[str] | None = None


class NewDataset(Reading, frozen=True, kw_only=True):
    """Uploaded files that are to be stored as one dataset."""

    upload: Texts
    file_name: Texts | None = None
    symbol: str


class Preview(msgspec.Struct, kw_only=True):
    """What a request comes to: its resolved inputs, the id they give, whether that run exists, the disk it takes."""

    run_id: str
    inputs_hash: str
    inputs: dict[str, Any]
    exists: bool
    same_inputs: bool
    bars: int
    warnings: list[str]
    bytes: int


COMMON = (
    CreationDisabled,
    KillSwitchEngaged,
    LimitExceeded,
    RateLimited,
    ProfileInvalid,
    DataSourceNotFound,
    UploadNotFound,
    JournalLockTimeout,
    StorageFull,
)


@post(
    "/runs",
    guards=[creation],
    status_code=202,
    responses=answers(
        RunDocument | Preview,
        *COMMON,
        DataInvalid,
        DatasetNotFound,
        RunExists,
        RunDamaged,
        RunIdInvalid,
        RiskInvalid,
        StrategyInvalid,
        says="The run that exists already; of a dry run, what it would come to.",
        headers=LOCATION,
        tagged=False,
    )
    | {202: answers(BuildDocument, status=202, headers=LOCATION)[202]},
)
async def create_run(
    data: JSONBody[NewRun],
    site: NamedDependency[Site],
    dry_run: Annotated[bool, QueryParameter(description="only say what it would come to: nothing is made")] = False,
) -> Response[bytes]:
    """Ask for a run; return the build that makes it.

    What can be judged without the data is judged now; what is wrong with the data is the end of the build. With a
    dataset, a run that exists already is returned itself.
    """
    _check_source(data)
    values, writing = said(data), site.writing
    if dry_run:
        await writing.do(_possible, site.store, values)
        return _json(await writing.errands.run("preview", values), status=200)
    known = await writing.do(preview.known, site.store, values)
    if known is not None:
        told = await writing.do(lambda: run_document(site.store.run(known.run_id), *site.store.tried([known])))
        return _json(told, status=200, location=f"/api/v1/runs/{known.run_id}")
    return await _asked(site, values, "run")


@post(
    "/datasets",
    guards=[creation],
    status_code=202,
    responses=answers(BuildDocument, *COMMON, status=202, headers=LOCATION),
)
async def create_dataset(data: JSONBody[NewDataset], site: NamedDependency[Site]) -> Response[bytes]:
    """Ask for uploaded files to be stored as one dataset; return the build that does it."""
    return await _asked(site, said(data), "ingest")


def _check_source(data: NewRun) -> None:
    if bool(data.upload) == bool(data.dataset):
        raise RunConfigInvalid(
            "exactly one of upload and dataset must be given",
            hint="name files by the `upload` of the answer to PUT /api/v1/uploads, or a stored dataset by its id",
            details={"field": "upload"},
        )


def _possible(store: Store, values: dict[str, Any]) -> None:
    """Raise what is wrong with a request that can be said without its data: it need not wait for a process."""
    request, _ = checked(values)
    if request.dataset is None:
        files_of(store.root, request)
    else:
        stored_entry(store, request)


async def _asked(site: Site, values: dict[str, Any], kind: str) -> Response[bytes]:
    writing = site.writing
    entry = await writing.do(builds.request, writing.store, values, kind=kind, request_id=REQUEST_ID.get())
    writing.wake()
    return await answer(site, entry.job, status=202)


def _json(value: Any, *, status: int, location: str | None = None) -> Response[bytes]:
    headers = {"cache-control": "no-store", **({} if location is None else {"location": location})}
    body = msgspec.json.encode(value, order="sorted")
    return Response(body, status_code=status, media_type="application/json", headers=headers)


HANDLERS = (create_run, create_dataset)
