"""What is shown when a page could not be: the code, what is wrong, and what to do.

A problem goes in; a page comes out.
"""

from litestar import Response

from buff_web.problems import Problem
from buff_web.site import Site


def error_page(site: Site, told: Problem) -> Response[bytes]:
    """Return an error as a page."""
    return site.page("error.html", status=told.status, told=told.document)
