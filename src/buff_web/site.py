"""One site: a store, the assets and the templates, handed to every route. Nothing is kept outside it.

Values go in; HTML, JSON and their headers come out. An answer that the client has already is a 304.
"""

import hashlib
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, TypeAlias

import msgspec
from attrs import field, frozen
from jinja2 import Environment, PackageLoader, StrictUndefined
from litestar import MediaType, Request, Response
from litestar.connection import ASGIConnection
from litestar.handlers import BaseRouteHandler

from buff import Store, __version__, safety
from buff.errors import CreationDisabled
from buff.health import Health
from buff.pyramid import Details
from buff.trials import Trials
from buff_web import drawings, metrics, words
from buff_web.assets import Assets
from buff_web.dimensions import Layouts
from buff_web.gauges import Gauges
from buff_web.listing import Listing
from buff_web.parts import Parts
from buff_web.problems import without_paths
from buff_web.turns import Turns
from buff_web.writing import Writing

Asked: TypeAlias = Request[Any, Any, Any]
REVALIDATE = "private, no-cache"


def templates() -> Environment:
    """Return the page templates: everything is escaped, and a name nobody gave is an error."""
    environment = Environment(
        loader=PackageLoader("buff_web"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    shown = (
        words.number,
        words.percent,
        words.points,
        words.price,
        words.size,
        words.short_time,
        words.stamp,
        words.time_tag,
        metrics.reason,
        metrics.because,
        words.duration,
        drawings.sparkline,
    )
    environment.filters |= {function.__name__: function for function in shown}
    environment.globals |= {
        "ago": words.ago,
        "metric_text": metrics.text,
        "metric_unit": metrics.unit,
        "version": __version__,
        "rendered": Parts(environment),
    }
    return environment


@frozen(kw_only=True, eq=False)
class Site:
    """What the routes work with."""

    store: Store
    assets: Assets
    describe: Callable[[], Mapping[str, Any]]
    health: Health
    gauges: Gauges
    details: Details
    listing: Listing
    trials: Trials
    layouts: Layouts
    writing: Writing
    turns: Turns = field(factory=Turns)
    environment: Environment = field(factory=templates)

    def page(self, template: str, *, status: int = 200, **values: Any) -> Response[bytes]:
        """Return a page. It is rendered here, in the thread of the route, not in the event loop.

        What every page shows of the root can be given another value: a stranger is shown nothing of it.
        """
        shown = {
            "now": self.store.host.clock(),
            "assets": self.assets,
            "problem": self.store.problem,
            "stopped": self._stopped(),
            "creating": self.store.settings.web_create,
            **values,
        }
        html = self.environment.get_template(template).render(shown)
        headers = {"cache-control": REVALIDATE}
        return Response(html.encode(), status_code=status, media_type=MediaType.HTML, headers=headers)

    def _stopped(self) -> Mapping[str, Any] | None:
        """Return the refusal of everything new while the kill switch is on; a journal in doubt has its own."""
        found = safety.state(self.store)
        if not set(found.sources) - {"journal"}:
            return None
        told: Mapping[str, Any] = without_paths(found.error.as_dict(), self.store.root)
        return told


def details_of(store: Store) -> Details:
    """Return what charts of a root's runs are cut from; files under way have a name that no other process uses."""
    return Details(store.disk, store.root, token=f"{store.host.pid}-{store.host.token()}")


def json_answer(request: Asked, value: Any, *, headers: Mapping[str, str] = MappingProxyType({})) -> Response[bytes]:
    """Return a value as JSON with sorted keys and a weak tag of its bytes, or 304 when the client has them."""
    body = msgspec.json.encode(value, order="sorted")
    return answer(request, body, media_type=MediaType.JSON, headers=headers)


def answer(
    request: Asked, body: bytes, *, media_type: str, headers: Mapping[str, str] = MappingProxyType({})
) -> Response[bytes]:
    """Return bytes with a weak tag of them, or 304 when the client has them."""
    tag = f'W/"{hashlib.sha256(body).hexdigest()[:32]}"'
    known = unless_known(request, tag)
    if known is not None:
        known.headers.update(headers)
        return known
    return Response(body, media_type=media_type, headers={**tagged(tag), **headers})


def tagged(tag: str) -> Mapping[str, str]:
    """Return the headers of an answer that may be kept and must be asked for again."""
    return {"etag": tag, "cache-control": REVALIDATE}


def unless_known(request: Asked, tag: str) -> Response[bytes] | None:
    """Return 304 when If-None-Match names the tag (weak comparison, RFC 9110 section 13.1.2), else None."""
    named = [each.strip().removeprefix("W/") for each in request.headers.get("if-none-match", "").split(",")]
    if "*" not in named and tag.removeprefix("W/") not in named:
        return None
    return Response(b"", status_code=304, headers=tagged(tag))


async def creation(connection: ASGIConnection[Any, Any, Any, Any], _handler: BaseRouteHandler) -> None:
    """Let a request pass only where making things through the web is on; a guard of Litestar, before any body is read.

    Raises CreationDisabled.
    """
    if not connection.app.state.site.store.settings.web_create:
        raise CreationDisabled(
            "creating runs and datasets through the web is off",
            hint="start the server with BUFF_WEB_CREATE=1, or use `buff run create`",
        )
