"""`buff run`: create, list, show, explain, compare, export, verify, annotate and archive runs."""

import os
from collections.abc import Mapping
from itertools import zip_longest
from typing import TYPE_CHECKING, Any

import rich_click as click

from buff.cli.output import (
    errors_option,
    fail,
    json_option,
    print_json,
    progress,
    reading_options,
    root_option,
    surroundings,
    table,
)

if TYPE_CHECKING:
    from buff.store import Store


@click.group("run")
def command() -> None:
    """Create, list, show, explain, compare, export, verify, annotate and archive runs."""


artifacts_option = click.option(
    "--artifacts-root", metavar="DIR", help="Legacy runs to show, too; else the environment's ARTIFACTS_ROOT."
)


@command.command("create")
@click.option("--config", metavar="FILE", help="A JSON or TOML file with the same fields; options given here win.")
@click.option("--csv", "csv", multiple=True, metavar="FILE", help="OHLCV candles; several files are one dataset.")
@click.option("--dataset", metavar="ID", help="A dataset that is already stored, instead of --csv.")
@click.option("--symbol", metavar="S", help="What is traded, such as BTCUSDT.")
@click.option("--timeframe", metavar="TF", help="1m 5m 15m 30m 1h 2h 4h 1d 1w 2w 1M 3M 6M 1Y.")
@click.option("--strategy", metavar="ID", help="A registered strategy: see `buff strategies list`.")
@click.option("--param", "params", multiple=True, metavar="K=V", help="One parameter of the strategy; repeatable.")
@click.option("--risk-level", "--risk", "risk_level", metavar="N", help="1 (least) to 5 (most).")
@reading_options
@click.option("--start", metavar="T", help="First bar: a UTC date or an ISO time with a zone.")
@click.option("--end", metavar="T", help="End of the window, exclusive.")
@click.option("--commission-bps", type=float, help="Commission in basis points of notional.  [default: 10]")
@click.option("--slippage-bps", type=float, help="Slippage in basis points, against you.  [default: 5]")
@click.option("--min-fee", type=float, help="Least fee per fill.  [default: 0]")
@click.option("--initial-equity", type=float, help="Equity at the start.  [default: 10000]")
@click.option("--run-id", metavar="ID", help="An id of your own instead of one made from the inputs.")
@click.option("--name", metavar="TEXT", help="A name for people; not part of the run's identity.")
@click.option("--tag", "tags", multiple=True, metavar="TAG", help="A tag for people; repeatable.")
@click.option("--notes", metavar="TEXT", help="Notes for people.")
@errors_option
@click.option("--dry-run", is_flag=True, help="Print resolved inputs, run id and disk needed; commit nothing.")
@root_option
@json_option
def create(
    config: str | None,
    runs_root: str | None,
    as_json: bool,
    dry_run: bool,
    errors_out: str | None,
    params: tuple[str, ...],
    risk_level: str | None,
    **options: Any,
) -> None:
    """Create a run from a CSV or a stored dataset.

    The same inputs give the same run: creating it again returns it.
    """
    from buff.builder import create as build
    from buff.builder import told
    from buff.cli.config import all_offences, request_values

    host, settings = surroundings()
    root = runs_root or settings.runs_root
    if dry_run:
        from buff.preview import preview

        values = request_values(config, options, params, risk_level)
        with progress(quiet=as_json) as show:
            plan = preview(values, root=root, host=host, settings=settings, progress=show)
        for warning in plan["warnings"]:
            click.echo(f"Warning: {warning}", err=True)
        print_json(plan)
        return
    with told(root, host=host, settings=settings):
        values = request_values(config, options, params, risk_level)
    with progress(quiet=as_json) as show, all_offences(errors_out, values, settings):
        created = build(values, root=root, host=host, settings=settings, progress=show)
    for warning in created.warnings:
        click.echo(f"Warning: {warning}", err=True)
    if as_json:
        print_json(created.as_dict())
        return
    click.echo(("exists   " if created.existed else "created  ") + created.run.id)
    if created.archived:
        click.echo(f"It is archived: lists leave it out. Bring it back: buff run restore {created.run.id}")
    click.echo(repr(created.run))
    click.echo(f"look: buff run show {created.run.id}    prove: buff run verify {created.run.id}")


@command.command("list")
@click.option("--symbol", metavar="S", help="Only this symbol.")
@click.option("--timeframe", metavar="TF", help="Only this timeframe.")
@click.option("--strategy", metavar="ID", help="Only this strategy.")
@click.option("--risk-level", "--risk", "risk_level", type=int, help="Only this risk level.")
@click.option("--tag", metavar="TAG", help="Only runs with this tag.")
@click.option("--state", metavar="STATE", help="Only committed, damaged, archived, reclaimed or legacy; any for all.")
@click.option("--text", metavar="WORDS", help="Only with all these words in id, name, notes, symbol or strategy.")
@click.option("--since", metavar="DATE", help="Created at or after this UTC date or time.")
@click.option("--until", metavar="DATE", help="Created before this UTC date or time.")
@click.option("--sort", metavar="FIELD", default="-created", show_default=True, help="A field; '-' turns it around.")
@click.option("--limit", type=int, default=100, show_default=True, help="At most this many.")
@click.option("--after", type=int, default=0, help="Leave out this many: the `next` of the page before.")
@click.option("--archived", is_flag=True, help="Archived and reclaimed runs, too.")
@click.option("--as-of", type=int, metavar="SEQ", help="The list as it was after event SEQ of the journal.")
@click.option("--legacy/--no-legacy", default=None, help="Only legacy runs, or none.  [default: behind the others]")
@artifacts_option
@root_option
@json_option
def listing(
    runs_root: str | None,
    artifacts_root: str | None,
    as_json: bool,
    legacy: bool | None,
    as_of: int | None,
    **filters: Any,
) -> None:
    """List runs, the newest first, and behind them the legacy runs of ARTIFACTS_ROOT.

    A run whose manifest is not on disk is shown as damaged. Its files are not read: `buff run verify --all` does that.
    """
    from buff.cli.legacy import continued, only
    from buff.cli.show import RUN_COLUMNS, RUN_NUMBERS, RUN_SPARE, looked_at, run_json, run_row
    from buff.registry.queries import Query, runs

    page: Any
    problem, hidden, tried = None, False, tuple[Any, ...]()
    if legacy:
        page = only(artifacts_root, as_of, filters)
    else:
        with open_store(runs_root) as store:
            past = None if as_of is None else store.as_of(as_of)
            page = store.runs(**filters) if past is None else runs(past, Query(**filters))
            problem, tried = store.problem, store.tried(page.items, state=past) if as_json else ()
            if as_of is None:
                page, hidden = looked_at(store, page), bool(store.state.runs)
        if legacy is None and as_of is None:
            page = continued(page, artifacts_root, filters)
    if problem is not None:
        fail(problem, as_json=False)
        click.echo("  What follows is what the journal proves up to the damage.", err=True)
    if as_json:
        items = [run_json(*each) for each in zip_longest(page.items, tried)]  # legacy runs come behind the others
        told = None if problem is None else problem.as_dict()
        print_json({"items": items, "next": page.next, "total": page.total, "problem": told})
        return
    if not page.items:
        click.echo(_nothing(legacy=bool(legacy), hidden=hidden, filters=filters), err=True)
        return
    table(RUN_COLUMNS, [run_row(entry) for entry in page.items], right=RUN_NUMBERS, spare=RUN_SPARE)
    if page.next is not None:
        click.echo(f"{len(page.items)} of {page.total}; more: --after {page.next}", err=True)


FILTERS = ("symbol", "timeframe", "strategy", "risk_level", "tag", "state", "text", "since", "until")


def _nothing(*, legacy: bool, hidden: bool, filters: Mapping[str, Any]) -> str:
    if any(filters[name] is not None for name in FILTERS):
        return "No run matches. Leave out a filter to see more."
    if legacy:
        return "No legacy runs here."
    if hidden:
        return "All runs here are archived. `--archived` shows them."
    return "No runs here yet. Make one: buff run create --csv FILE --symbol S --timeframe 1h ..."


@command.command("show")
@click.argument("run_id")
@click.option("--legacy", is_flag=True, help="Look among the legacy runs only; no runs root is needed.")
@artifacts_option
@root_option
@json_option
def show(run_id: str, legacy: bool, artifacts_root: str | None, runs_root: str | None, as_json: bool) -> None:
    """Show one run: what went in, its metrics, its trades. The beginning of an id is enough."""
    from buff.cli.legacy import legacy_run, print_legacy
    from buff.cli.show import print_run, run_document

    old = legacy_run(run_id, None if legacy else open_store(runs_root), artifacts_root)
    if old is not None:
        if as_json:
            print_json(old.as_dict())
        else:
            print_legacy(old)
        return
    with open_store(runs_root) as store:
        run = store.run(run_id)
        (tried,) = store.tried([store.entry(run.id)])
        if as_json:
            print_json(run_document(run, tried))
        else:
            print_run(run, tried)


@command.command("explain")
@click.argument("run_id")
@click.option("--trade", type=int, metavar="N", help="The trade to explain; the first is 0.")
@click.option("--bar", metavar="SEQ", help="The bar to explain: its number, the first is 0, or its open stamp.")
@root_option
@json_option
def explain(run_id: str, trade: int | None, bar: str | None, runs_root: str | None, as_json: bool) -> None:
    """Tell the story of one trade, or say why something or nothing happened at one bar.

    Everything is read from the artifacts; only the strategy's indicator values are computed again, and only while its
    source is the one of the run.
    """
    from buff.cli.story import print_bar_story, print_trade_story

    if (trade is None) == (bar is None):
        raise click.UsageError("Give --trade N or --bar SEQ.")
    with open_store(runs_root) as store:
        story = store.run(run_id).explain(trade=trade, bar=bar)
    if as_json:
        print_json(story)
    elif trade is not None:
        print_trade_story(story)
    else:
        print_bar_story(story)


@command.command("diff")
@click.argument("run_a", metavar="A")
@click.argument("run_b", metavar="B")
@click.option("--limit", type=click.IntRange(min=0), default=20, show_default=True, help="At most this many trades.")
@root_option
@json_option
def diff(run_a: str, run_b: str, limit: int, runs_root: str | None, as_json: bool) -> int:
    """Say what differs between two runs: inputs, data, the first decision, trades, metrics.

    Records and trades are matched by their stamps. Exit codes: 0 the same artifacts, 1 they differ.
    """
    from buff.cli.contrast import print_contrast

    with open_store(runs_root) as store:
        found = store.run(run_a).diff(store.run(run_b), limit=limit)
    if as_json:
        print_json(found)
    else:
        print_contrast(found)
    return 0 if found["same_artifacts"] else 1


@command.command("export")
@click.argument("run_id")
@click.option("--out", metavar="PATH", required=True, help="A file, or a folder for all tables.")
@click.option("--format", metavar="F", help="csv, parquet or html.  [default: what PATH ends in, else csv]")
@click.option("--what", metavar="T", help="One table, trades, equity or records, into a file.  [default: all]")
@click.option("--force", is_flag=True, help="Replace what is there.")
@root_option
@json_option
def export(run_id: str, runs_root: str | None, as_json: bool, **options: Any) -> None:
    """Write a run as tables for other programs, or as one page of HTML that needs nothing else.

    The page has the curves, the trades, every metric with its definition, and where all of it comes from; it loads
    nothing and runs nothing. The same run gives the same bytes.
    """
    from buff.export import export as write
    from buff.market.spacing import some

    with open_store(runs_root) as store:
        done = write(store, run_id, **options)
    if as_json:
        print_json(done.as_dict())
        return
    for name, rows in done.files.items():
        place = done.out if len(done.files) == 1 else os.path.join(done.out, name)
        click.echo(f"wrote {place}" + ("" if rows is None else f", {some(rows, 'row')}"))


@command.command("bundle")
@click.argument("run_id")
@click.option("--out", metavar="FILE", required=True, help="The zip to write.")
@click.option("--force", is_flag=True, help="Replace what is there.")
@root_option
@json_option
def bundle(run_id: str, out: str, force: bool, runs_root: str | None, as_json: bool) -> None:
    """Write a run, its data and its evidence as one zip with a checker that needs nothing but Python.

    The same run of the same root gives the same bytes. On the other side wait `buff bundle verify` and `import`.
    """
    from buff.bundle import bundle as write

    with open_store(runs_root) as store:
        done = write(store, run_id, out=out, force=force)
    if as_json:
        print_json({**done.as_dict(), "out": out})
        return
    click.echo(f"wrote {out}, {done.files} files, {done.size:,} bytes, sha256 {done.sha256}")


@command.command("verify")
@click.argument("run_id", required=False)
@click.option("--all", "every", is_flag=True, help="Every run of the root; archived ones, too.")
@click.option("--stored-bytes-only", is_flag=True, help="With --all: compare stored bytes, make nothing again.")
@click.option("--source", metavar="FILE", multiple=True, help="Read the original CSV again, too.")
@click.option("--no-lookahead", is_flag=True, help="Try whether the strategy's decisions depend on later bars, too.")
@click.option("--no-record", is_flag=True, help="Do not write the verdict into the journal.")
@artifacts_option
@root_option
@json_option
def verify(
    run_id: str | None,
    every: bool,
    stored_bytes_only: bool,
    source: tuple[str, ...],
    no_lookahead: bool,
    no_record: bool,
    artifacts_root: str | None,
    runs_root: str | None,
    as_json: bool,
) -> int:
    """Recompute a run from its inputs and compare every byte. A legacy run has no inputs and cannot be verified.

    Exit codes: 0 identical or whole, 10 data changed, 11 engine changed, 12 inputs missing, 13 damaged, 14 strategy
    changed or absent, 15 look-ahead. With --all it is that of the gravest verdict: 13, 10, 12, 14, 15, 11, 0, in this
    order.
    """
    if every == (run_id is not None):
        raise click.UsageError("Give a run id, or --all.")
    if every and source:
        raise click.UsageError("--source is the file of one run; leave out --all.")
    if stored_bytes_only and not every:
        raise click.UsageError("--stored-bytes-only goes with --all.")
    if stored_bytes_only and no_lookahead:
        raise click.UsageError("--no-lookahead makes runs again, and --stored-bytes-only makes nothing again.")
    how = {"stored_bytes_only": stored_bytes_only, "record": not no_record, "no_lookahead": no_lookahead}
    if run_id is None:
        return _verify_all(runs_root, how, as_json=as_json)
    from buff.cli.legacy import legacy_run, unverifiable
    from buff.proof import verify as recompute

    with open_store(runs_root) as store, progress(quiet=as_json) as bar:
        old = legacy_run(run_id, store, artifacts_root)
        if old is not None:
            verdict = unverifiable(old)
        else:
            verdict = recompute(
                store, run_id, sources=source, progress=bar, record=not no_record, no_lookahead=no_lookahead
            )
    if as_json:
        print_json(verdict.as_dict())
    else:
        _print_verdict(verdict)
    return verdict.exit_code


def _verify_all(runs_root: str | None, how: Mapping[str, bool], *, as_json: bool) -> int:
    from buff.audit import counted, verify_all, worst
    from buff.market.spacing import some

    found = []
    with open_store(runs_root) as store, progress(quiet=as_json) as bar:
        for verdict in verify_all(store, progress=bar, **how):
            found.append(verdict)
            if verdict.exit_code and not as_json:
                bar.away()
                _print_verdict(verdict)
        problem = store.problem
    if problem is not None:
        fail(problem, as_json=False)
        click.echo("  Only what the journal proves up to the damage was verified.", err=True)
    counts = counted(found)
    if as_json:
        print_json({"items": [verdict.as_dict() for verdict in found], "counts": counts, "exit_code": worst(found)})
    else:
        click.echo(
            f"{some(len(found), 'run')}: " + (", ".join(f"{n:,} {name}" for name, n in counts.items()) or "none")
        )
    return worst(found)


def _print_verdict(verdict: Any) -> None:
    click.echo(f"{verdict.outcome.upper()}  {verdict.run_id}")
    for line in verdict.lines():
        click.echo(f"  {line}")


@command.command("annotate")
@click.argument("run_id")
@click.option("--name", metavar="TEXT", help="Another name; an empty one takes it away.")
@click.option("--notes", metavar="TEXT", help="Other notes; empty ones take them away.")
@click.option("--tag", "tags", multiple=True, metavar="TAG", help="Tags instead of those it has; repeatable.")
@click.option("--no-tags", is_flag=True, help="Take all tags away.")
@root_option
@json_option
def annotate(
    run_id: str,
    name: str | None,
    notes: str | None,
    tags: tuple[str, ...],
    no_tags: bool,
    runs_root: str | None,
    as_json: bool,
) -> None:
    """Change a run's name, notes or tags. They are for people: no file and no id changes."""
    if tags and no_tags:
        raise click.UsageError("--tag and --no-tags contradict each other.")
    given: dict[str, Any] = {"name": name, "notes": notes, "tags": tags or None}
    said = {key: value for key, value in given.items() if value is not None} | ({"tags": ()} if no_tags else {})
    if not said:
        raise click.UsageError("Give at least one of --name, --notes, --tag and --no-tags.")
    with open_store(runs_root) as store:
        _print_change(store, store.annotate(run_id, **said), as_json=as_json)


@command.command("archive")
@click.argument("run_id")
@click.option("--why", metavar="TEXT", help="Why; kept in the journal.")
@root_option
@json_option
def archive(run_id: str, why: str | None, runs_root: str | None, as_json: bool) -> None:
    """Take a run out of the lists. Nothing of it is removed; `show` and `verify` go on working."""
    with open_store(runs_root) as store:
        _print_change(store, store.archive(run_id, why=why), as_json=as_json)


@command.command("restore")
@click.argument("run_id")
@root_option
@json_option
def restore(run_id: str, runs_root: str | None, as_json: bool) -> None:
    """Bring an archived run back into the lists."""
    with open_store(runs_root) as store:
        _print_change(store, store.restore(run_id), as_json=as_json)


def _print_change(store: "Store", entry: Any, *, as_json: bool) -> None:
    from buff.cli.show import run_json

    if as_json:
        print_json(run_json(entry, *store.tried([entry])))
        return
    said = [f"name {entry.name!r}" if entry.name else "", f"tags {', '.join(entry.tags)}" if entry.tags else ""]
    click.echo("  ".join([f"{entry.state:<8} {entry.run_id}", *filter(None, said)]))


@command.command("import-legacy")
@click.option("--out", metavar="FILE", help="Write the plan as JSON into a new file, too.")
@artifacts_option
@json_option
def import_legacy(out: str | None, artifacts_root: str | None, as_json: bool) -> None:
    """Plan what it takes to make legacy runs again as runs that can be verified. Nothing is copied or changed."""
    from buff.cli.legacy import legacy_root, print_plan, write_plan

    root = legacy_root(artifacts_root)
    plan = root.plan()
    if out is not None:
        write_plan(out, plan, root)
    if as_json:
        print_json(plan)
    else:
        print_plan(plan)


def open_store(runs_root: str | None) -> Any:
    """Return the store of a root, for reading."""
    from buff.builder import root_of
    from buff.store import Store

    host, settings = surroundings()
    return Store(root_of(runs_root or settings.runs_root), host=host, settings=settings)
