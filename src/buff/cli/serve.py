"""`buff serve`: the pages and the API, over the same root. The one arrow from `buff` to `buff_web`, by name."""

import importlib

import rich_click as click

from buff.cli.output import root_option, surroundings
from buff.errors import RunConfigInvalid


@click.command("serve")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", type=click.IntRange(0, 65535), default=8780, show_default=True, help="0 takes any free port.")
@click.option(
    "--create/--no-create",
    default=None,
    help="Let runs be created through the web, or not.  [default: BUFF_WEB_CREATE]",
)
@click.option(
    "--log-format",
    type=click.Choice(["console", "json"]),
    help="Log lines on stderr for people or as JSON.  [default: console on a terminal, else json]",
)
@click.option(
    "--log-level",
    type=click.Choice(["debug", "info", "warning", "error"]),
    default="info",
    show_default=True,
    help="How much is logged.",
)
@root_option
def command(
    host: str, port: int, create: bool | None, log_format: str | None, log_level: str, runs_root: str | None
) -> int:
    """Serve the runs of a root as pages and API, on this machine only, until Ctrl-C or SIGTERM."""
    from buff.api import open as open_store
    from buff.builder import open_root

    _, settings = surroundings()
    if settings.web_create if create is None else create:
        open_root(runs_root or settings.runs_root)  # as `buff run create` does: the first run may come through the web
    store = open_store(runs_root)
    try:
        web = importlib.import_module("buff_web.server")
    except ImportError as error:
        raise RunConfigInvalid(
            f"the web part is not installed ({error.name} is missing)", hint='pip install "buff[web]"'
        ) from error
    code: int = web.serve(store, host=host, port=port, style=log_format, level=log_level, create=create)
    return code
