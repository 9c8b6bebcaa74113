"""`/api/docs`: the API for people, from its own description. It works offline and needs no script.

Nothing goes in but the description; a page comes out.
"""

from litestar import Response, get
from litestar.di import NamedDependency

from buff_web import query, reference
from buff_web.openapi import EVERYWHERE
from buff_web.problems import meanings
from buff_web.site import Asked, Site


@get("/api/docs", sync_to_thread=True)
def docs_page(request: Asked, site: NamedDependency[Site]) -> Response[bytes]:
    """Return the description of the API."""
    query.given(request.scope["query_string"], allowed=())
    document = site.describe()
    return site.page(
        "description.html",
        families=reference.families(document),
        shapes=reference.shapes(document),
        everywhere=meanings(EVERYWHERE),
    )


HANDLERS = (docs_page,)
