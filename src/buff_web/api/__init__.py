"""`/api/v1`: the registry, the runs and their artifacts as JSON.

One module is one family of addresses, and all have one shape: the Structs of what they answer, the handlers, and
`HANDLERS` at the end, which `MODULES` here lists under the tag of the family. A handler of this pattern is all there
is to write; checks, refusals and the API's description follow from its signature:

    @get(
        "/runs/{run_id:str}/trades",
        sync_to_thread=True,                              # it reads files
        dependencies={"asked": query.TRADES},             # query parameters that several addresses share
        responses=answers(TradesPage, RunNotFound, RunDamaged),
    )
    def show_trades(
        request: Asked, site: NamedDependency[Site], run_id: RunId, asked: NamedDependency[TradesAsked]
    ) -> Response[bytes]:
        \"\"\"Return a page of the trades alive in a window, in the order of entry.\"\"\"
        ...
        return json_answer(request, {"items": ..., "total": ..., "next": ...})

**Query**: a parameter is `name: Annotated[int, query.number(low=1, high=9, says="...")] = 1`, or `query.text`,
`query.choice`, `query.instant`, an Enum, a `bool`; or a function of such parameters, provided as a dependency. What is
not declared, comes twice or is out of bounds is refused before the handler is called (`query.strict`).

**Body**: `data: JSONBody[NewRun]`, where `NewRun` is a `bodies.Body`: strict JSON of exactly that shape, at most
`bodies.BODY_BYTES_MAX` bytes unless the handler says `request_max_body_size=`. Bytes of another kind are streamed:
`stream_of(...)` in `openapi` declares them.

**Answers**: `responses=answers(Struct, *errors, status=202, media=(...), headers={...})` declares the answer and the
BuffError classes that belong to this address; those every address can give are added. Errors are raised, never
returned; `problems` tells them. The first line of the docstring is the operation's summary, the rest its description.

**Who may ask**: the token and the mark of a change are asked for everywhere (`access`), with nothing to do here. What
creates something has `guards=[creation]` from `site`; what answers without the token, `opt=access.OPEN`.
"""

from litestar import Router

from buff_web import query
from buff_web.api import (
    artifacts,
    builds,
    changes,
    choices,
    compare,
    creation,
    datasets,
    description,
    events,
    health,
    journal,
    records,
    results,
    runs,
    series,
    session,
    sweeps,
    switch,
    uploads,
)

MODULES = (
    ("Runs", runs),
    ("Series", series),
    ("Records", records),
    ("Results", results),
    ("Comparison", compare),
    ("Sweeps", sweeps),
    ("Artifacts", artifacts),
    ("Datasets", datasets),
    ("Choices", choices),
    ("Journal", journal),
    ("Description", description),
    ("Session", session),
    ("Health", health),
    ("Uploads", uploads),
    ("Creation", creation),
    ("Builds", builds),
    ("Changes", changes),
    ("Events", events),
    ("Kill switch", switch),
)


def router() -> Router:
    """Return the routes of the API."""
    parts = [Router("/", route_handlers=list(module.HANDLERS), tags=[tag]) for tag, module in MODULES]
    return Router("/api/v1", route_handlers=parts, guards=[query.strict])
