"""The API described by itself: OpenAPI 3.1 from the signatures of its handlers.

Handlers go in; one document comes out. Parameters, bodies and schemas are what Litestar reads from the signatures.
Said once here is what holds for every operation: the problem documents, the headers, who may ask. Nothing is said
that a handler does not declare, and no example is made up.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, get_args, get_type_hints

import msgspec
from attrs import has
from litestar import Litestar, Router
from litestar.di import Provide
from litestar.handlers import HTTPRouteHandler
from litestar.openapi import OpenAPIConfig, ResponseSpec
from litestar.openapi.plugins import JsonRenderPlugin
from litestar.openapi.spec import Components, SecurityScheme
from litestar.routes import HTTPRoute
from litestar.serialization import encode_json

from buff import __version__
from buff.errors import CODES, BuffError
from buff_web import problems, query

JSON = "application/json"
TITLE = "Buff"
# What every address can answer with, whatever it does: see `guard`, `query.strict` and `problems.problem`.
EVERYWHERE = (
    "REQUEST_INVALID",
    "RUN_CONFIG_INVALID",
    "UNAUTHORIZED",
    "FORBIDDEN_ORIGIN",
    "INTERNAL",
    "RUNS_ROOT_INVALID",
    "JOURNAL_CORRUPT",
    "STORAGE_UNREADABLE",
)
INSTANT = {
    "type": "string",
    "description": f"{query.INSTANT[:1].upper()}{query.INSTANT[1:]}.",
    "pattern": query.INSTANT_PATTERN,
}
READING: list[dict[str, list[str]]] = [{}, {"bearer": []}]
CHANGING: list[dict[str, list[str]]] = [{"csrf": []}, {"bearer": []}]
SCHEMES: Mapping[str, Any] = {
    "bearer": SecurityScheme(
        type="http", scheme="bearer", description="The server's BUFF_TOKEN, where it was started with one."
    ),
    "csrf": SecurityScheme(
        type="apiKey",
        security_scheme_in="header",
        name="x-csrf-token",
        description="The value of the cookie `buff_csrf`, sent with the cookie itself. /api/v1/csrf gives both.",
    ),
}
_HEADERS = {
    "etag": "The tag of the answer; If-None-Match with it gives 304.",
    "retry-after": "After how many seconds to ask again, where that is known.",
    "www-authenticate": "How to say who asks.",
    "allow": "The methods that the address answers to.",
}
_NOISE = ("deprecated", "allowEmptyValue", "allowReserved")

Node = dict[str, Any]


# What a handler declares -------------------------------------------------------------------------------------------


@dataclass
class Answer(ResponseSpec):
    """One answer of a handler: all media types it may have, and the headers it carries."""

    media: tuple[str, ...] = ()
    headers: Mapping[str, str] = field(default_factory=dict)


def answers(
    kind: Any,
    *errors: type[BuffError],
    status: int = 200,
    media: tuple[str, ...] = (JSON,),
    says: str = "",
    headers: Mapping[str, str] | None = None,
    tagged: bool = True,
) -> dict[int, ResponseSpec]:
    """Return the answers of a handler: what it gives, and the problems that belong to its address.

    `kind` is a Struct, `bytes` for content of another type, or None for no body. The first of `media` is the type of
    `kind`, any further one is of bytes. `headers` names headers of the answer and says what they hold. A 200 has a tag
    and goes with a 304, unless it is not `tagged`.
    """
    shown = None if kind is bytes else kind
    text = says or _first_line(kind)
    named = dict(headers or {})
    if status == 200 and tagged:
        named = {"etag": _HEADERS["etag"], **named}
    found = {status: _answer(shown, text, media=() if kind is None else media, headers=named)}
    if status == 200 and tagged:
        found[304] = _answer(None, "The client has this answer already.", headers={"etag": _HEADERS["etag"]})
    return found | _told(dict.fromkeys([*EVERYWHERE, *(error.code for error in errors)]))


def told_as(status: int, says: str, *, headers: Mapping[str, str] | None = None) -> dict[int, ResponseSpec]:
    """Return a refusal that is a matter of HTTP alone: REQUEST_INVALID with a status of its own."""
    return {
        status: _answer(
            problems.Document, f"`REQUEST_INVALID`: {says}", media=(problems.MEDIA_TYPE,), headers=headers or {}
        )
    }


def stream_of(*media: str) -> dict[str, Any]:
    """Return the `opt` of a handler that reads its body as a stream of bytes of one of these types."""
    return {"stream": media}


def _answer(
    shown: Any, says: str, *, media: tuple[str, ...] = (), headers: Mapping[str, str] | None = None
) -> ResponseSpec:
    return Answer(
        shown,
        generate_examples=False,
        description=says,
        media_type=media[0] if media else JSON,
        media=media,
        headers=headers or {},
    )


def _told(codes: Mapping[str, None]) -> dict[int, ResponseSpec]:
    """Return the problem documents of some codes, by status."""
    headers = {401: "www-authenticate", 405: "allow", 429: "retry-after", 503: "retry-after"}
    return {
        status: _answer(
            problems.Document,
            " ".join(f"`{code}`: {CODES[code].says}" for code in codes if CODES[code].status == status),
            media=(problems.MEDIA_TYPE,),
            headers={name: _HEADERS[name] for number, name in headers.items() if number == status},
        )
        for status in sorted({CODES[code].status for code in codes})
    }


def _first_line(kind: Any) -> str:
    return (getattr(kind, "__doc__", None) or "").strip().partition("\n")[0] if isinstance(kind, type) else ""


# What is told of all ------------------------------------------------------------------------------------------------


def document(router: Router) -> Node:
    """Return the description of a router's handlers as plain values."""
    config = OpenAPIConfig(
        title=TITLE,
        version=__version__,
        description="Runs of trading strategies on your own data: what went in, what came out, and how it is proven.",
        components=Components(security_schemes=dict(SCHEMES)),
        operation_id_creator=lambda handler, _method, _path: handler.handler_name,
        render_plugins=[JsonRenderPlugin()],
        use_handler_docstrings=True,
    )
    # An application of its own, which is never served: the plugin would add addresses and pages to ours.
    site = {"site": Provide(_nobody, sync_to_thread=False)}
    app = Litestar([router], dependencies=site, openapi_config=config, logging_config=None)
    told: Node = msgspec.json.decode(encode_json(app.openapi_schema.to_schema()))
    for handler, operation in _operations(app, told):
        _finish(handler, operation)
    _close(told)
    for name, says in _documents(app).items():
        told["components"]["schemas"][name].setdefault("description", says)
    told["components"]["schemas"]["Instant"] = INSTANT
    told["components"]["schemas"]["Document"]["properties"]["code"]["enum"] = sorted(CODES)
    tidied: Node = _tidied(told)
    return tidied


def _nobody() -> None:
    """Stand for the site, which no description needs."""


def _documents(app: Litestar) -> dict[str, str]:
    """Return what the classes of bodies and answers say of themselves, which Litestar leaves out."""
    waiting: list[Any] = []
    for route in app.routes:
        for handler in getattr(route, "route_handlers", ()):
            waiting += [answer.data_container for answer in (handler.responses or {}).values()]
            data = handler.parsed_fn_signature.parameters.get("data")
            waiting += [data.annotation] if data else []
    said: dict[str, str] = {}
    while waiting:
        kind = waiting.pop()
        waiting += get_args(kind)
        if isinstance(kind, type) and kind.__name__ not in said and (issubclass(kind, msgspec.Struct) or has(kind)):
            said[kind.__name__] = " ".join((kind.__doc__ or "").split())
            waiting += get_type_hints(kind).values()
    return said


def _operations(app: Litestar, told: Node) -> Iterator[tuple[HTTPRouteHandler, Node]]:
    for route in app.routes:
        if isinstance(route, HTTPRoute) and route.path_format in told["paths"]:
            for method, (handler, _) in route.route_handler_map.items():
                if operation := told["paths"][route.path_format].get(method.lower()):
                    yield handler, operation


def _finish(handler: HTTPRouteHandler, operation: Node) -> None:
    summary, _, rest = operation.pop("description", "").partition("\n")
    operation["summary"] = summary.removesuffix(".")
    if rest.strip():
        operation["description"] = " ".join(rest.split())
    operation["security"] = READING if handler.http_methods <= {"GET", "HEAD"} else CHANGING
    _bound(handler, operation)
    if (body := handler.parsed_fn_signature.parameters.get("data")) is not None:
        operation["requestBody"]["required"] = not body.has_default  # Litestar always says it is
    if media := handler.opt.get("stream"):
        operation["requestBody"] = {"required": True, "content": {each: {} for each in media}}
    for status, response in list(operation["responses"].items()):
        declared = (handler.responses or {}).get(int(status))
        if not isinstance(declared, Answer):
            del operation["responses"][status]  # Litestar's own guess
            continue
        content = response.get("content", {})
        if declared.media:
            response["content"] = {each: content.get(each, {}) for each in declared.media}
        if declared.headers:
            response["headers"] = {
                name: {"description": says, "schema": {"type": "string"}} for name, says in declared.headers.items()
            }


def _bound(handler: HTTPRouteHandler, operation: Node) -> None:
    """Say of every number that its least value is 0 where it is: Litestar leaves that out of what may be absent."""
    declared = query.declared(handler)
    for parameter in operation.get("parameters", ()):
        if parameter["in"] == "query" and declared[parameter["name"]].kwarg_definition.ge == 0:  # type: ignore[union-attr]
            parameter["schema"]["minimum"] = 0


def _close(told: Node) -> None:
    """Say of every object that a body may hold that it has no other fields: Litestar leaves that out (#4280)."""
    waiting = [item.get("requestBody", {}) for path in told["paths"].values() for item in path.values()]
    seen: set[str] = set()
    while waiting:
        for name in set(_references(waiting.pop())) - seen:
            seen.add(name)
            schema = told["components"]["schemas"][name]
            if "properties" in schema:
                schema["additionalProperties"] = False
            waiting.append(schema)


def _references(node: Any) -> Iterator[str]:
    match node:
        case {"$ref": str(reference)}:
            yield reference.rpartition("/")[2]
        case dict():
            for value in node.values():
                yield from _references(value)
        case list():
            for value in node:
                yield from _references(value)


def _tidied(node: Any) -> Any:
    """Return a part of the document as it is meant: no null in a query but an empty text, no 9.0 for a 9.

    A union is `anyOf`: the `oneOf` of Litestar would refuse a 365 that is an integer and a number.
    """
    match node:
        case {"in": "query", "schema": {"oneOf": [shown, {"type": "null"}], **rest}, **others}:
            return _tidied({**others, "in": "query", "schema": {**shown, **rest}})
        case {"in": "query", "required": False, "allowEmptyValue": False, **others}:
            return _tidied({**others, "in": "query", "required": False, "allowEmptyValue": True})
        case {"format": "instant"}:
            return {"$ref": "#/components/schemas/Instant"}
        case {"oneOf": kinds, **others}:
            return _tidied({**others, "anyOf": kinds})
        case dict():
            return {name: _tidied(value) for name, value in node.items() if not (name in _NOISE and value is False)}
        case list():
            return [_tidied(value) for value in node]
        case float() if node.is_integer():
            return int(node)
        case _:
            return node
