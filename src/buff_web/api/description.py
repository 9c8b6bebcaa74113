"""`/openapi.json`: what this API is, in the words of its handlers, for programs. `/api/docs` is the same for people.

Nothing goes in; the OpenAPI document comes out.
"""

from typing import Any

from litestar import Response, get
from litestar.di import NamedDependency

from buff_web.openapi import answers
from buff_web.site import Asked, Site, json_answer


@get("/openapi.json", sync_to_thread=True, responses=answers(dict[str, Any], says="An OpenAPI 3.1 document."))
def show_openapi(request: Asked, site: NamedDependency[Site]) -> Response[bytes]:
    """Return the description of this API."""
    return json_answer(request, site.describe())


HANDLERS = (show_openapi,)
