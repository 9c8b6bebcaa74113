"""What pages load beside their HTML: the stylesheet, the modules and the chart library.

A name made of a hash goes in, bytes that never change come out.
"""

from litestar import Response, get
from litestar.di import NamedDependency
from litestar.exceptions import NotFoundException
from litestar.params import FromPath

from buff_web.access import OPEN
from buff_web.site import Site

IMMUTABLE = "public, max-age=31536000, immutable"


@get("/assets/{name:path}", sync_to_thread=False, opt=OPEN)  # the form for the token is made of them, too
def asset(site: NamedDependency[Site], name: FromPath[str]) -> Response[bytes]:
    """Return a stylesheet, a module or the chart library; its address is made of its hash."""
    found = site.assets.files.get(name.removeprefix("/"))
    if found is None:
        raise NotFoundException
    return Response(found.body, media_type=found.media_type, headers={"cache-control": IMMUTABLE})


HANDLERS = (asset,)
