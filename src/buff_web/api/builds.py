"""`/builds`: what is made in the background, how far it is, and what became of it.

A build's id goes in; its status comes out, as it is now or as it changes. What is asked of a build is an event of the
journal; nothing here starts or ends a process.
"""

from collections.abc import Mapping
from typing import Annotated, Any

import msgspec
from litestar import Response, get, post
from litestar.di import NamedDependency
from litestar.params import HeaderParameter, JSONBody, PathParameter

from buff import Store, builds
from buff.builds import Build
from buff.errors import (
    BuildNotFound,
    CreationDisabled,
    JournalLockTimeout,
    KillSwitchEngaged,
    LimitExceeded,
    RateLimited,
    StorageFull,
)
from buff.registry.queries import BUILD_SORTS
from buff.registry.state import RegistryState
from buff_web import query
from buff_web.bodies import Body
from buff_web.logs import REQUEST_ID
from buff_web.openapi import answers
from buff_web.problems import without_paths
from buff_web.site import Asked, Site, creation, json_answer
from buff_web.streams import MEDIA_TYPE, News, event, resumed

BuildId = Annotated[str, PathParameter(description="the id of a build, or the beginning of it")]
LastEventId = Annotated[
    str | None, HeaderParameter(name="last-event-id", description="the id of the last event that was seen")
]
LIMIT, LIMIT_MAX = 50, 200


class Step(msgspec.Struct, kw_only=True):
    """How far a build is: `done` of `total` of its stage, in bytes or files; a `total` of 0 is not known."""

    stage: str
    done: int
    total: int


class BuildDocument(msgspec.Struct, kw_only=True):
    """One build. `status` is queued, running, succeeded or failed; `run_id` is there as soon as it is known.

    `position` counts the queue from 1. `code`, `message`, `hint` and `details` are those of a failure; `existed` says
    that what was asked for was there before.
    """

    build_id: str
    kind: str
    status: str
    position: int | None
    stalled: bool
    cancelling: bool
    progress: Step | None
    run_id: str | None
    dataset_id: str | None
    existed: bool
    code: str | None
    message: str | None
    hint: str | None
    details: dict[str, Any] | None
    request: dict[str, Any]
    request_id: str | None
    retry_of: str | None
    by: str
    cancelled_by: str | None
    requested: str
    started: str | None
    ended: str | None
    seq: int


class BuildsPage(msgspec.Struct, kw_only=True):
    """Some of the builds that match: `next` is the `after` of the following page, and `cursor` its `cursor`."""

    items: list[BuildDocument]
    total: int
    next: int | None
    cursor: str | None


class Cancelling(Body, frozen=True, kw_only=True):
    """Why a build is cancelled, for people."""

    why: str | None = None


NO_REASON = Cancelling()


@get("/builds", sync_to_thread=True, responses=answers(BuildsPage))
def list_builds(
    request: Asked,
    site: NamedDependency[Site],
    status: Annotated[str | None, query.choice(of=builds.STATUSES, says="only builds that are")] = None,
    kind: Annotated[str | None, query.choice(of=builds.KINDS, says="only builds of a run, or of a dataset")] = None,
    sort: Annotated[str, query.order(BUILD_SORTS)] = "-created",
    limit: Annotated[int, query.number(low=1, high=LIMIT_MAX, says="how many at most")] = LIMIT,
    after: query.After = 0,
    cursor: query.Cursor = None,
) -> Response[bytes]:
    """Return a page of builds, the newest first."""
    page = builds.listed(site.store, status=status, kind=kind, sort=sort, limit=limit, after=after, cursor=cursor)
    items = [build_document(build, site.store.root) for build in page.items]
    return json_answer(request, {"items": items, "total": page.total, "next": page.next, "cursor": page.cursor})


@get("/builds/{build_id:str}", sync_to_thread=True, responses=answers(BuildDocument, BuildNotFound))
def show_build(request: Asked, site: NamedDependency[Site], build_id: BuildId) -> Response[bytes]:
    """Return a build as it is now."""
    return json_answer(request, build_document(builds.status(site.store, build_id), site.store.root))


@get(
    "/builds/{build_id:str}/events",
    responses=answers(
        bytes,
        BuildNotFound,
        RateLimited,
        media=(MEDIA_TYPE,),
        says="Events `status` with the build, each with the journal's number as its id, and `progress` without one.",
        tagged=False,
    )
    | {204: answers(None, status=204, says="The client has seen the end of this build.")[204]},
)
async def follow_build(
    request: Asked, site: NamedDependency[Site], build_id: BuildId, last_event_id: LastEventId = None
) -> Response[Any]:
    """Tell how a build goes on, until it has ended.

    The first event is the build as it is now. A client that lost its connection sends Last-Event-ID, and is answered
    204 when it has seen the end.
    """
    streams, seen = request.app.state.streams, resumed(last_event_id)
    job, last = await streams.ask(lambda: _end(site.store, build_id))
    if seen is not None and 0 < last <= seen:
        return Response(None, status_code=204)
    return streams.response(request, BuildSource(site, job))  # type: ignore[no-any-return]


@post(
    "/builds/{build_id:str}/cancel",
    status_code=200,
    responses=answers(BuildDocument, BuildNotFound, JournalLockTimeout, StorageFull, tagged=False),
)
async def cancel_build(
    site: NamedDependency[Site], build_id: BuildId, data: JSONBody[Cancelling] = NO_REASON
) -> Response[bytes]:
    """Ask that a build end without a result; one that has ended stays as it is.

    One that waits ends at once, one that runs within seconds. Nothing of it is left.
    """
    writing = site.writing
    entry = await writing.do(builds.cancel, writing.store, build_id, why=data.why)
    writing.wake()
    return await answer(site, entry.job, status=200)


@post(
    "/builds/{build_id:str}/retry",
    guards=[creation],
    status_code=202,
    responses=answers(
        BuildDocument,
        BuildNotFound,
        CreationDisabled,
        KillSwitchEngaged,
        LimitExceeded,
        RateLimited,
        JournalLockTimeout,
        StorageFull,
        status=202,
        headers={"location": "The address of the new build."},
    ),
)
async def retry_build(site: NamedDependency[Site], build_id: BuildId) -> Response[bytes]:
    """Ask once more for what a build that failed was asked for; return the new build."""
    writing = site.writing
    entry = await writing.do(builds.retry, writing.store, build_id, request_id=REQUEST_ID.get())
    writing.wake()
    return await answer(site, entry.job, status=202)


async def answer(site: Site, job: str, *, status: int) -> Response[bytes]:
    """Return a build as the answer to what was asked of it, with its address."""
    build = await site.writing.do(builds.status, site.store, job)
    body = msgspec.json.encode(build_document(build, site.store.root), order="sorted")
    headers = {"location": f"/api/v1/builds/{job}", "cache-control": "no-store"}
    return Response(body, status_code=status, media_type="application/json", headers=headers)


def build_document(build: Build, root: str) -> dict[str, Any]:
    """Return a build as plain values that name no path of this machine."""
    told = build.as_dict()
    public = {name: without_paths(told[name], root) for name in ("message", "hint", "details")}
    asked = told["request"]
    if "csv" in asked:
        asked["csv"] = without_paths(asked["csv"], root)
    return {**told, **public, "request": asked}


def _end(store: Store, build_id: str) -> tuple[str, int]:
    """Return a build's id, and the number of the event that ended it; 0 where none did, or that is long forgotten."""
    build = builds.status(store, build_id)
    return build.job, 0 if build.entry.open else _changed(store.state, build)


def _changed(state: RegistryState, build: Build) -> int:
    """Return the number of the last event that changed a build's status; 0 where that is long forgotten."""
    keys = [state.keys.get(f"{word}:{build.job}") for word in ("start", "end")]
    known = [key.seq for key in keys if key is not None]
    return max([*known, build.entry.seq]) if known or build.entry.open else 0


class BuildSource:
    """What a stream tells of one build: its status whenever an event changed it, its progress in between."""

    def __init__(self, site: Site, job: str) -> None:
        """Nothing was told yet."""
        self._site, self._job = site, job
        self._told: Any = None
        self._step: Mapping[str, Any] | None = None

    def __call__(self) -> News:
        """Return what changed since the last call. Raises BuildNotFound."""
        store = self._site.store
        build = builds.status(store, self._job)
        document = build_document(build, store.root)
        step = {name: document[name] for name in ("position", "progress", "run_id", "stalled")}
        before, self._step = self._step, step
        if build.entry != self._told:
            self._told = build.entry
            return News(
                events=[event(document, name="status", seq=_changed(store.state, build) or None)],
                over=not build.entry.open,
            )
        return News(events=[] if step == before else [event(step, name="progress")])


HANDLERS = (list_builds, show_build, follow_build, cancel_build, retry_build)
