"""`/runs/new`: a run is asked for. First its data, then what is to be made of them; all of it works without scripts.

What was typed is in the address, so that a reload, a reading that is tried and the way back lose nothing. Data that
came as a file are looked at before anything is made of them, and what is only suggested waits for somebody to take it.
Asking makes a build; where the run exists already the page leads to that.
"""

from collections.abc import Mapping
from typing import Any

from litestar import Response, get, post
from litestar.datastructures import UploadFile
from litestar.di import NamedDependency
from litestar.response import Redirect

from buff import BuffError, Timeframe, builds, preview
from buff.decisions import risk
from buff.decisions.strategy import strategies
from buff.errors import RequestInvalid
from buff.market.options import GAPS
from buff.market.profiles import PROFILES, STAMPS
from buff.market.timeframe import BASES
from buff.registry.queries import find_dataset
from buff.runs.request import check_file_name
from buff.uploads import Arrival
from buff_web import access, forms, query
from buff_web.forms import Texts
from buff_web.logs import REQUEST_ID
from buff_web.problems import Problem, problem
from buff_web.site import Asked, Site, creation

PLAIN_BYTES_MAX = 10 << 20  # of a file that comes in a form, which no script sends in pieces
PIECE_BYTES = 1 << 20
DATASETS_MAX = 100
LATER = "later"  # in an address: the file is looked at by a second request, while the page is there already
FROM = "from"
EXISTS = "exists"


@get("/runs/new", guards=[creation])
async def new_page(request: Asked, site: NamedDependency[Site]) -> Response[bytes]:
    """Return the form, filled with what the address says, or with what a build was asked for."""
    asked = query.given(request.scope["query_string"], allowed=_fields(request))
    if FROM in asked:
        build = await site.writing.do(builds.status, site.store, asked[FROM])
        return Redirect(forms.address(forms.texts(build.entry.request)), status_code=303)
    return await _page(request, site, asked)


@post("/runs/new", guards=[creation], status_code=200)
async def ask(request: Asked, site: NamedDependency[Site]) -> Response[Any]:
    """Ask for the run that the form describes; or look at the data again, when that is what was pressed."""
    said = {name: text for name, text in (await request.form()).items() if isinstance(text, str)}
    texts = {name: said[name].strip() for name in forms.allowed(said) if said.get(name, "").strip()}
    if said.get("do") == "look":
        return Redirect(forms.address(texts), status_code=303)
    writing = site.writing
    try:
        values = forms.values(texts)
        known = await writing.do(preview.known, site.store, values)
        if known is not None:
            return Redirect(forms.address(texts, exists=known.run_id), status_code=303)
        entry = await writing.do(builds.request, writing.store, values, request_id=REQUEST_ID.get())
    except BuffError as error:
        return await _page(request, site, {**texts, LATER: "1"}, refused=problem(error, root=site.store.root))
    writing.wake()
    return Redirect(f"/builds/{entry.job}", status_code=303)


@post("/runs/new/file", guards=[creation], status_code=200, request_max_body_size=PLAIN_BYTES_MAX)
async def take_file(request: Asked, site: NamedDependency[Site]) -> Response[Any]:
    """Keep a file that a form holds, and go on with it. A large one comes by the script of the page, in pieces."""
    file = (await request.form()).get("file")
    if not isinstance(file, UploadFile) or not file.filename:
        raise RequestInvalid("no file was chosen", hint="choose a file of candles first")
    name, writing = check_file_name(file.filename), site.writing
    arrival = await writing.do(Arrival, writing.store, size_bytes=None)
    try:
        while piece := await file.read(PIECE_BYTES):
            await writing.do(arrival.take, piece)
        upload = await writing.do(arrival.finish)
    finally:
        writing.later(arrival.close)
    return Redirect(forms.address({"upload": upload.sha256, "file_name": name}), status_code=303)


HANDLERS = (new_page, ask, take_file)


def _fields(request: Asked) -> tuple[str, ...]:
    return (*forms.allowed(dict(request.query_params)), LATER, FROM, EXISTS)


async def _page(request: Asked, site: Site, asked: Texts, *, refused: Problem | None = None) -> Response[bytes]:
    texts = {**forms.DEFAULTS, **asked}
    found, unread = await _looked(site, asked)
    writing = site.writing
    stored = site.store.datasets()
    dataset = find_dataset(site.store.state, asked["dataset"]) if "dataset" in asked else None
    return await writing.do(
        site.page,
        "new.html",
        status=refused.status if refused else 200,
        texts=texts,
        field=access.FIELD,
        mark=access.of(request).mark(request),
        dataset=dataset,
        datasets=stored[:DATASETS_MAX],
        symbols=sorted({symbol for each in stored for symbol in each.symbols}),
        exists=site.store.entry(asked[EXISTS]).run_id if EXISTS in asked else None,
        looking="upload" in asked and LATER in asked,
        found=found,
        unread=unread,
        suggestion=_suggestion(found, asked),
        refused=None if refused is None else refused.document,
        wrong=_wrong_field(refused),
        strategies=tuple(strategies().values()),
        strategy=strategies().get(texts["strategy"]),
        levels=[{"level": level, **risk.means(level)} for level in risk.LEVELS],
        choices={
            "profile": tuple(PROFILES),
            "gaps": GAPS,
            "base_timeframe": tuple(base.value for base in BASES),
            "stamp": STAMPS,
            "timeframe": tuple(each.value for each in Timeframe),
        },
        upload_bytes_max=site.store.settings.upload_bytes_max,
        plain_bytes_max=PLAIN_BYTES_MAX,
        json="/api/v1/openapi.json",
        command="buff run create --help",
    )


async def _looked(site: Site, asked: Texts) -> tuple[Mapping[str, Any] | None, Mapping[str, Any] | None]:
    """Return what an uploaded file holds, and the problem that kept us from looking."""
    if "upload" not in asked or LATER in asked:
        return None, None
    try:
        told = {name: asked[name] for name in ("upload", "file_name") if name in asked}
        return await site.writing.errands.run("inspect", told | forms.reading(asked)), None
    except BuffError as error:
        return None, problem(error, root=site.store.root).document


def _suggestion(found: Mapping[str, Any] | None, asked: Texts) -> Mapping[str, Any] | None:
    """Return a reading that nobody asked for and that would read the file: its words, and where the form has it."""
    read = None if found is None else found["read_as"]
    if read is None or read["given"]:
        return None
    return {
        "words": read["words"],
        "accepted": read["accepted"],
        "link": forms.address({**asked, **forms.texts(read["options"])}),
    }


def _wrong_field(refused: Problem | None) -> str:
    details = {} if refused is None else refused.document["details"]
    return str(details.get("field") or "")
