"""The pages: what the registry and the artifacts say as HTML that works without scripts. Nothing is recomputed.

One module is one address or a family of them, and all have one shape: functions that take a request and the site, read
through `buff`, and return `site.page(template, ...)`; `HANDLERS` at the end names them. A new page adds its module
here, its template, and its place in the navigation (`templates/base.html`).
"""

from collections.abc import Sequence

from litestar.handlers import HTTPRouteHandler

from buff_web.pages import (
    assets,
    builds,
    compare,
    datasets,
    description,
    health,
    help,
    journal,
    legacy,
    login,
    new,
    run,
    runs,
    strategies,
    sweep,
    sweeps,
)
from buff_web.pages.error import error_page

__all__ = ["error_page", "handlers"]


def handlers() -> Sequence[HTTPRouteHandler]:
    """Return the handlers of the pages and of what they load."""
    everyday = (runs, new, builds, run, legacy, sweeps, sweep, compare, datasets, strategies)
    modules = (*everyday, journal, health, help, description, login, assets)
    return [handler for module in modules for handler in module.HANDLERS]
