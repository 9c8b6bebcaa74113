"""`/health/live`, `/health/ready` and `/metrics`: what looks after the service asks for.

Nothing goes in; whether the process answers, whether the root can keep its promises, and numbers come out. `live` looks
at nothing and needs no token; the others read files, so each is answered in a thread.
"""

import msgspec
from litestar import Response, get
from litestar.di import NamedDependency

from buff_web import problems
from buff_web.access import OPEN
from buff_web.gauges import MEDIA_TYPE
from buff_web.openapi import JSON, Answer, answers
from buff_web.problems import without_paths
from buff_web.site import Site

UNKEPT = {"cache-control": "no-store"}


class Live(msgspec.Struct, kw_only=True):
    """The process answers. That says nothing of its root."""

    live: bool


class CheckDocument(msgspec.Struct, kw_only=True):
    """One check: `code` is `OK`, or that of the error which somebody who creates a run would meet."""

    name: str
    ok: bool
    code: str
    message: str
    time: str


class Readiness(msgspec.Struct, kw_only=True):
    """Whether every check passed, and each of them."""

    ready: bool
    checks: list[CheckDocument]


@get("/health/live", sync_to_thread=False, opt=OPEN, responses=answers(Live))
def show_live() -> Response[bytes]:
    """Say that the process answers. Cheap, whatever the state of the root, and needs no token."""
    return Response(b'{"live":true}', media_type=JSON, headers=UNKEPT)


@get(
    "/health/ready",
    sync_to_thread=True,
    responses={
        **answers(Readiness),
        503: Answer(
            Readiness,
            generate_examples=False,
            description="At least one check failed.",
            media_type=JSON,
            media=(JSON, problems.MEDIA_TYPE),
        ),
    },
)
def show_ready(site: NamedDependency[Site]) -> Response[bytes]:
    """Check root, journal, projection, worker, disk and kill switch; 503 when one of them fails.

    Answers are kept for a second, that of the worker for half a minute: who asks often learns nothing sooner.
    """
    checks = [without_paths(check.as_dict(), site.store.root) for check in site.health.checks()]
    ready = all(check["ok"] for check in checks)
    body = msgspec.json.encode({"checks": checks, "ready": ready})
    return Response(body, status_code=200 if ready else 503, media_type=JSON, headers=UNKEPT)


@get("/metrics", sync_to_thread=True, responses=answers(bytes, media=(MEDIA_TYPE,), says="Text for Prometheus."))
def show_metrics(site: NamedDependency[Site]) -> Response[bytes]:
    """Return the service in numbers, as Prometheus reads them: requests, this process, runs, builds, journal, disk."""
    return Response(site.gauges.text(), media_type=MEDIA_TYPE, headers=UNKEPT)


HANDLERS = (show_live, show_ready, show_metrics)
