"""`buff bundle`: prove a bundle that somebody sent, and bring its run into a root."""

import rich_click as click

from buff.cli.output import json_option, print_json, progress, root_option, surroundings


@click.group("bundle")
def command() -> None:
    """Prove a bundle that `buff run bundle` wrote, and bring its run into a root."""


@command.command("verify")
@click.argument("file")
@click.option("--recompute", is_flag=True, help="Make the run again from the bundled data, too, and compare.")
@json_option
def verify(file: str, recompute: bool, as_json: bool) -> int:
    """Prove every byte of a bundle. No root is needed, and nothing of the bundle is executed.

    Exit codes: 0 whole, and with --recompute identical; 4 refused; with --recompute those of `buff run verify`.
    """
    from buff.bundle import verify_bundle

    host, settings = surroundings()
    found = verify_bundle(file, host=host, settings=settings, recompute=recompute)
    if as_json:
        print_json(found.as_dict())
        return found.exit_code
    verdict = found.verdict
    click.echo(f"{'WHOLE' if verdict is None else verdict.outcome.upper()}  {found.run_id}")
    click.echo(f"  {found.files} files, {found.size:,} bytes, sha256 {found.sha256}")
    click.echo(f"  content {found.content_sha256}")
    click.echo(f"  receipt {found.receipt}")
    for line in () if verdict is None else verdict.lines():
        click.echo(f"  {line}")
    return found.exit_code


@command.command("import")
@click.argument("file")
@root_option
@json_option
def bring(file: str, runs_root: str | None, as_json: bool) -> None:
    """Bring the run of a bundle, with its dataset, into a root. Twice is the same as once.

    The bundle is proven first: one that is refused changes nothing. Whether its run can be made again is what
    `buff run verify` says.
    """
    from buff.bundle import bring as take

    host, settings = surroundings()
    with progress(quiet=as_json) as show:
        done = take(file, root=runs_root or settings.runs_root, host=host, settings=settings, progress=show)
    if as_json:
        print_json(done.as_dict())
        return
    click.echo(("exists   " if done.existed else "imported ") + done.run.id)
    click.echo(repr(done.run))
    click.echo(f"prove: buff run verify {done.run.id}")
