"""`/uploads` and `/inspections`: files on their way in, and what they hold before anything is made of them.

The bytes of one file are the body of a request; its hash comes out, by which requests for runs and datasets name it. A
client never names a path of this machine.
"""

from collections.abc import Mapping
from typing import Annotated, Any

import msgspec
from litestar import Response, get, post, put
from litestar.di import NamedDependency
from litestar.params import JSONBody, PathParameter

from buff.errors import (
    ArtifactsWriteFailed,
    CreationDisabled,
    DataSourceNotFound,
    KillSwitchEngaged,
    LimitExceeded,
    ProfileInvalid,
    RateLimited,
    RunConfigInvalid,
    StorageFull,
    UploadNotFound,
)
from buff.runs.request import uploads_from
from buff.uploads import Arrival, Upload, find, kept
from buff_web.bodies import Body
from buff_web.openapi import answers, stream_of
from buff_web.problems import Declined, without_paths
from buff_web.site import Asked, Site, creation, json_answer

PIECE_BYTES = 1 << 20
FORMS = ("multipart/form-data", "application/x-www-form-urlencoded")
MEDIA_TYPES = ("application/octet-stream", "text/csv", "application/gzip", "application/zip")

UploadId = Annotated[str, PathParameter(description="the SHA-256 of the file's bytes, 64 hex digits")]


# One or several. Bounds are judged by the request itself: msgspec 0.22 crashes at the end of a process that described
# constrained members of such a union.
Texts = str | list[str]


class UploadDocument(msgspec.Struct, kw_only=True):
    """One uploaded file: `upload` is what requests name it by, the SHA-256 of its bytes; `received` is in UTC."""

    upload: str
    size_bytes: int
    received: str


class Reading(Body, frozen=True, kw_only=True):
    """How files are to be read: the options of `buff data inspect`; what is left out is not said."""

    profile: str | dict[str, Any] | None = None
    timezone: str | None = None
    gaps: str | None = None
    base_timeframe: str | None = None
    columns: dict[str, str] | None = None
    stamp: str | None = None
    volume: str | None = None
    ticker: str | None = None


class NewInspection(Reading, frozen=True, kw_only=True):
    """Uploads to be looked at, what they were called, and how they are to be read."""

    upload: Texts
    file_name: Texts | None = None


class Inspection(msgspec.Struct, kw_only=True):
    """What the files hold and how they may be read; nothing is stored. `problem` is why an ingest would refuse them."""

    accepted: bool
    files: list[str]
    detected: dict[str, Any]
    first_rows: list[list[Any]]
    times: dict[str, Any] | None
    spacing: dict[str, Any] | None
    questions: list[str]
    read_as: dict[str, Any] | None
    choices: list[dict[str, str]]
    commands: dict[str, str]
    next: str
    problem: dict[str, Any] | None = None


@put(
    "/uploads",
    guards=[creation],
    status_code=201,
    request_max_body_size=None,  # a limit that the settings say, and that is judged by `Arrival`
    opt=stream_of(*MEDIA_TYPES),
    responses=answers(
        UploadDocument,
        CreationDisabled,
        KillSwitchEngaged,
        LimitExceeded,
        StorageFull,
        ArtifactsWriteFailed,
        status=201,
        headers={"location": "The address of the upload."},
    ),
)
async def put_upload(request: Asked, site: NamedDependency[Site]) -> Response[bytes]:
    """Keep the file that is the body.

    The bytes are the file itself, packed or not; no form. The same bytes are one upload. Nothing is kept of a file that
    does not arrive whole.
    """
    _check_form(request)
    writing = site.writing
    arrival = await writing.do(Arrival, writing.store, size_bytes=request.content_length)
    try:
        held = bytearray()
        async for chunk in request.stream():
            held += chunk
            if len(held) >= PIECE_BYTES:
                await writing.do(arrival.take, bytes(held))
                held.clear()
        if held:
            await writing.do(arrival.take, bytes(held))
        found = await writing.do(arrival.finish)
    finally:
        # Not awaited: when the server ends, this is cancelled wherever it waits, and nothing may stay of the file.
        writing.later(arrival.close)
    return _told(found)


def _check_form(request: Asked) -> None:
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind in FORMS:
        raise Declined(
            415,
            "a form is not read here: the body must be the bytes of the file",
            hint="send the file itself: curl -T FILE",
            details={"header": "Content-Type"},
        )


def _told(found: Upload) -> Response[bytes]:
    headers = {"location": f"/api/v1/uploads/{found.sha256}", "cache-control": "no-store"}
    body = msgspec.json.encode(found.as_dict(), order="sorted")
    return Response(body, status_code=201, media_type="application/json", headers=headers)


@get("/uploads/{upload:str}", sync_to_thread=True, responses=answers(UploadDocument, UploadNotFound))
def show_upload(request: Asked, site: NamedDependency[Site], upload: UploadId) -> Response[bytes]:
    """Return the facts of an uploaded file."""
    return json_answer(request, find(site.store.root, upload).as_dict())


@post(
    "/inspections",
    guards=[creation],
    status_code=200,
    responses=answers(
        Inspection,
        CreationDisabled,
        UploadNotFound,
        DataSourceNotFound,
        ProfileInvalid,
        LimitExceeded,
        RateLimited,
        tagged=False,
    ),
)
async def inspect_uploads(data: JSONBody[NewInspection], site: NamedDependency[Site]) -> Response[bytes]:
    """Return what uploaded files hold, how they may be read, and what an ingest would say of them.

    Nothing is stored. The files are read whole.
    """
    values = said(data)
    await site.writing.do(_there, site.store.root, values)
    told = await site.writing.errands.run("inspect", values)
    body = msgspec.json.encode(without_paths(told, site.store.root), order="sorted")
    return Response(body, media_type="application/json", headers={"cache-control": "no-store"})


def _there(root: str, values: Mapping[str, Any]) -> None:
    """Raise what is wrong with the uploads that are named: it need not wait for a process."""
    named = uploads_from(values["upload"], values.get("file_name"))
    if not named:
        raise RunConfigInvalid("upload is missing", hint="name an uploaded file", details={"field": "upload"})
    for each in named:
        kept(root, each)


def said(body: Body) -> dict[str, Any]:
    """Return what a body says, without what it leaves out, as the plain values of a request."""
    values: dict[str, Any] = msgspec.to_builtins(body)
    return {name: value for name, value in values.items() if value is not None}


HANDLERS = (put_upload, show_upload, inspect_uploads)
