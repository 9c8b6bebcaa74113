"""`/runs/{id}/artifacts/{name}`: the bytes of one artifact, once they are known to be the committed ones.

An id and a name of the manifest go in; bytes come out.
"""

from collections.abc import Iterator, Mapping
from itertools import chain
from typing import Annotated

from litestar import Response, get
from litestar.di import NamedDependency
from litestar.params import HeaderParameter, PathParameter
from litestar.response import Stream

from buff.errors import ArtifactNotFound, RunDamaged, RunNotFound
from buff_web import downloads
from buff_web.api.runs import RunId, run_of
from buff_web.downloads import Download
from buff_web.guard import AS_STORED
from buff_web.openapi import Answer, answers, told_as
from buff_web.site import Asked, Site, tagged, unless_known

MEDIA = tuple(downloads.MEDIA_TYPES.values())
Name = Annotated[str, PathParameter(description="a name of the manifest, such as `columns/equity.npy`")]


Range = Annotated[str | None, HeaderParameter(name="range", description="`bytes=FIRST-LAST`: one part", max_length=200)]
IfRange = Annotated[
    str | None, HeaderParameter(name="if-range", description="the tag of which the part is asked", max_length=200)
]
PART = {"content-range": "Which bytes of how many."}
HEADERS = {
    "accept-ranges": "bytes: a part may be asked for.",
    "content-disposition": "The name to save it under: the run's id, then the artifact's.",
}


@get(
    "/runs/{run_id:str}/artifacts/{name:path}",
    sync_to_thread=True,
    opt={AS_STORED: True},  # its tag is the hash of the bytes, and a part is a part of them
    responses={
        **answers(bytes, RunNotFound, ArtifactNotFound, RunDamaged, media=MEDIA, headers=HEADERS, says="All of it."),
        206: Answer(None, description="The part that was asked for.", media=MEDIA, headers={**HEADERS, **PART}),
        **told_as(416, "There are no such bytes.", headers=PART),
    },
)
def show_artifact(
    request: Asked, site: NamedDependency[Site], run_id: RunId, name: Name, part: Range = None, unless: IfRange = None
) -> Response[bytes] | Stream:
    """Return the bytes of one artifact the manifest names, all of them or a part.

    They are checked against the committed size and SHA-256, which is the tag of the answer. A file above 1 MiB is
    checked while it is sent, and its end is sent only when all of it is right; before a part of a file is sent, all of
    the file is checked.
    """
    found = downloads.download(run_of(site, run_id), name.removeprefix("/"))
    tag = f'"{found.sha256}"'
    known = unless_known(request, tag)
    if known is not None:
        return known
    headers = {
        **tagged(tag),
        "accept-ranges": "bytes",
        "content-disposition": f'inline; filename="{found.file_name}"',
    }
    if part is not None and unless in (None, tag):
        bounds = downloads.asked_part(part, found.size)
        if bounds is not None:
            return _part(found, *bounds, headers=headers)
    return _sent(found.chunks(), found.size, found, headers=headers)


def _part(found: Download, first: int, last: int, *, headers: Mapping[str, str]) -> Response[bytes] | Stream:
    named = {**headers, "content-range": f"bytes {first}-{last}/{found.size}"}
    pieces = found.part(first, last)
    # The first piece is taken before the answer begins: damage is then an answer of its own, not half of this one.
    begun = chain([next(pieces)], pieces)
    return _sent(begun, last - first + 1, found, headers=named, status=206)


def _sent(
    pieces: Iterator[bytes], size: int, found: Download, *, headers: Mapping[str, str], status: int = 200
) -> Response[bytes] | Stream:
    if size <= downloads.CHUNK_BYTES:
        return Response(b"".join(pieces), status_code=status, media_type=found.media_type, headers=headers)
    sized = {**headers, "content-length": str(size)}
    return Stream(pieces, status_code=status, media_type=found.media_type, headers=sized)


HANDLERS = (show_artifact,)
