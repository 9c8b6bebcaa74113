"""`/kill-switch`: whether new runs and ingests are stopped, and why. It is turned on and off by the command line alone.

A store goes in; what engages its switch comes out.
"""

import msgspec
from litestar import Response, get
from litestar.di import NamedDependency

from buff import safety
from buff_web.openapi import answers
from buff_web.problems import without_paths
from buff_web.site import Asked, Site, json_answer


class Engagement(msgspec.Struct, kw_only=True):
    """One thing that engages the switch: a command, the file, the environment, or a journal that cannot be read."""

    source: str
    since: str | None
    by: str | None
    why: str | None


class Switch(msgspec.Struct, kw_only=True):
    """The kill switch as this server sees it: `elsewhere` is the environment of another process, and stops that one."""

    engaged: bool
    sources: list[Engagement]
    elsewhere: Engagement | None


@get("/kill-switch", sync_to_thread=True, responses=answers(Switch))
def show_switch(request: Asked, site: NamedDependency[Site]) -> Response[bytes]:
    """Return whether new runs and ingests are stopped, and by what."""
    return json_answer(request, without_paths(safety.state(site.store).as_dict(), site.store.root))


HANDLERS = (show_switch,)
