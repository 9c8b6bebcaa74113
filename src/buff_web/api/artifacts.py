"""`/runs/{id}/artifacts/{name}`: the bytes of one artifact, once they are known to be the committed ones.

An id and a name of the manifest go in; bytes come out.
"""

from typing import Annotated

from litestar import Response, get
from litestar.di import NamedDependency
from litestar.params import PathParameter
from litestar.response import Stream

from buff.errors import ArtifactNotFound, RunDamaged, RunNotFound
from buff_web import downloads
from buff_web.api.runs import RunId, run_of
from buff_web.openapi import answers
from buff_web.site import Asked, Site, tagged, unless_known

Name = Annotated[str, PathParameter(description="a name of the manifest, such as `columns/equity.npy`")]


@get(
    "/runs/{run_id:str}/artifacts/{name:path}",
    sync_to_thread=True,
    responses=answers(bytes, RunNotFound, ArtifactNotFound, RunDamaged, media=tuple(downloads.MEDIA_TYPES.values())),
)
def show_artifact(request: Asked, site: NamedDependency[Site], run_id: RunId, name: Name) -> Response[bytes] | Stream:
    """Return the bytes of one artifact the manifest names.

    They are checked against the committed size and SHA-256, which is the tag of the answer. A file above 1 MiB is
    checked while it is sent, and its end is sent only when all of it is right.
    """
    found = downloads.download(run_of(site, run_id), name.removeprefix("/"))
    tag = f'"{found.sha256}"'
    known = unless_known(request, tag)
    if known is not None:
        return known
    headers = {**tagged(tag), "content-disposition": f'inline; filename="{found.file_name}"'}
    if found.size <= downloads.CHUNK_BYTES:
        return Response(b"".join(found.chunks()), media_type=found.media_type, headers=headers)
    headers["content-length"] = str(found.size)
    return Stream(found.chunks(), media_type=found.media_type, headers=headers)


HANDLERS = (show_artifact,)
