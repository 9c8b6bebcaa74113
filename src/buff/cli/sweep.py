"""`buff sweep`: many declared runs at once, and what became of them, side by side."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

import rich_click as click
from click.core import ParameterSource

from buff.cli.output import fits, json_option, print_json, progress, root_option, surroundings, table
from buff.cli.run import open_store
from buff.jobs import Ended

if TYPE_CHECKING:
    from buff.store import Store
    from buff.sweeps import Asked, Sweep
    from buff.trials import SweepResults, Trial

COLUMNS = ("sweep", "planned", "runs", "tried", "skipped", "failed", "what", "by")
ENTRY_NUMBERS = ("runs", "tried", "skipped", "failed")
SHOWN = ("net_return", "sharpe", "max_drawdown")
NUMBERS = ("window", "risk", "trials", "deflated", "trades")
TOLD_APART = ("symbol", "dataset", "timeframe", "strategy")  # each a column where not all runs have the same
GRID = (
    "datasets", "timeframe", "strategy", "params", "risk", "symbol", "start", "end", "commission_bps", "slippage_bps",
    "min_fee", "initial_equity", "tags", "sample", "seed",
)  # fmt: skip
WALK = ("train", "test", "step", "purge", "anchored")
SPARE = ("trades", "max_drawdown", "deflated", "state", "sharpe")
PAIR_SPARE = ("max_drawdown train", "max_drawdown test", "run", "sharpe train", "sharpe test")
FAILURES_SHOWN = 10


@click.group("sweep", invoke_without_command=True)
@click.option("--dataset", "datasets", multiple=True, metavar="ID", help="A stored dataset; repeatable.")
@click.option("--timeframe", metavar="TF,...", help="One timeframe, or several between commas.")
@click.option("--strategy", metavar="ID", help="A registered strategy: see `buff strategies list`.")
@click.option("--param", "params", multiple=True, metavar="K=V", help="5..50..5, or a,b,c, or one value; repeatable.")
@click.option("--risk-level", "--risk", "risk", metavar="N", help="Risk levels: 1..5, or 1,3.")
@click.option("--symbol", metavar="S", help="What is traded; by default what the dataset was stored as.")
@click.option("--start", metavar="T", help="First bar: a UTC date or an ISO time with a zone.")
@click.option("--end", metavar="T", help="End of the window, exclusive.")
@click.option("--commission-bps", type=float, help="Commission in basis points of notional.  [default: 10]")
@click.option("--slippage-bps", type=float, help="Slippage in basis points, against you.  [default: 5]")
@click.option("--min-fee", type=float, help="Least fee per fill.  [default: 0]")
@click.option("--initial-equity", type=float, help="Equity at the start.  [default: 10000]")
@click.option("--tag", "tags", multiple=True, metavar="TAG", help="A tag for every run; repeatable.")
@click.option("--sample", type=click.IntRange(min=1), metavar="N", help="Only so many combinations, drawn by --seed.")
@click.option("--seed", type=int, default=0, show_default=True, metavar="S", help="What the sample is drawn by.")
@click.option("--train", metavar="LENGTH", help="Walk forward: what is looked at, such as 180d, 12w, 6M.")
@click.option("--test", metavar="LENGTH", help="Walk forward: what follows, to be judged by.")
@click.option("--step", metavar="LENGTH", help="Walk forward: how far each time.  [default: --test]")
@click.option("--purge", metavar="LENGTH", help="Walk forward: left out between the two.")
@click.option("--anchored", is_flag=True, help="Walk forward: every train window begins where the first does.")
@click.option("--requests", "file", metavar="FILE", help="Requests instead of a grid: a JSON array, or JSON lines.")
@click.option("--resume", metavar="SWEEP", help="Go on with a sweep, by its id or the beginning of it.")
@click.option("--dry-run", is_flag=True, help="Print how many runs there would be; make none.")
@click.option("--csv", "csv_out", metavar="FILE", help="Write the results as CSV, too.")
@click.option("--parquet", "parquet_out", metavar="FILE", help="Write the results as Parquet, too.")
@click.option("--force", is_flag=True, help="Replace these files where they are.")
@root_option
@json_option
@click.pass_context
def command(context: click.Context, /, runs_root: str | None, as_json: bool, **options: Any) -> int | None:
    """Make many runs of a stored dataset, on all cores: a grid, a sample of it, or a file of requests.

    A run that exists is not made again, and the same command goes on where an interrupted sweep was. Combinations that
    the strategy does not allow are skipped, counted and listed. Nothing picks a winner: how many runs were tried stands
    beside every metric. Exit code 3 when some runs failed.
    """
    if context.invoked_subcommand is not None:
        if context.params["strategy"] or options["file"] or options["resume"]:
            raise click.UsageError("Options of a new sweep do not go with a command.")
        return None
    from buff.builder import open_root
    from buff.safety import check_settings
    from buff.store import Store
    from buff.sweeps import carry_out, check_asked, resume
    from buff.trials import results

    _check_together(context, options)
    asked = None if options["resume"] else _asked(options)
    if options["dry_run"]:
        if asked is None:
            raise click.UsageError("--dry-run does not go with --resume.")
        check_asked(asked, surroundings()[1])
        _print_dry(asked, as_json=as_json)
        return None
    host, settings = surroundings()
    check_settings(settings)
    with Store(open_root(runs_root or settings.runs_root), host=host, settings=settings) as store:
        _check_outputs(store, options)
        with _going_on(), progress(quiet=as_json) as show:
            if asked is None:
                sweep = resume(store, options["resume"], progress=show)
            else:
                sweep = carry_out(store, asked, progress=show)
        if options["csv_out"] or options["parquet_out"]:
            _write(store, results(store, sweep.id), options)
        return _print_done(store, sweep, as_json=as_json)


@contextmanager
def _going_on() -> Iterator[None]:
    """Say to whoever ends a sweep early how it goes on."""
    try:
        yield
    except (KeyboardInterrupt, Ended):
        with suppress(OSError):  # the terminal may be gone
            click.echo("What was committed stays, and the same command goes on from there.", err=True)
        raise


@command.command("list")
@root_option
@json_option
def list_(runs_root: str | None, as_json: bool) -> None:
    """List sweeps, the newest first, with how many runs each tried."""
    with open_store(runs_root) as store:
        found = store.sweeps()
    if as_json:
        print_json({"items": list(found), "total": len(found)})
        return
    if not found:
        click.echo("No sweeps here yet. Make one: buff sweep --dataset ID --timeframe 1h --strategy ...", err=True)
        return
    table(COLUMNS, [_entry_row(entry) for entry in found], right=ENTRY_NUMBERS, spare=("by", "planned"))


@command.command("show")
@click.argument("sweep")
@click.option("--csv", "csv_out", metavar="FILE", help="Write the results as CSV.")
@click.option("--parquet", "parquet_out", metavar="FILE", help="Write the results as Parquet.")
@click.option("--force", is_flag=True, help="Replace these files where they are.")
@root_option
@json_option
def show(sweep: str, runs_root: str | None, as_json: bool, **options: Any) -> None:
    """Show SWEEP, by its id or the beginning of it: every run in the order it was asked for, with its metrics.

    A walk forward is shown with what was looked at and what it is judged by side by side. `deflated` says how probable
    it is that a Sharpe ratio is better than the best of as many trials without merit: information, not a verdict.
    """
    from buff.trials import results

    with open_store(runs_root) as store:
        found = results(store, sweep)
        _check_outputs(store, options)
        _write(store, found, options)
    if as_json:
        print_json(found.as_dict())
        return
    _print_entry(found.sweep)
    _print_results(found)
    for each in found.skipped[:FAILURES_SHOWN]:
        click.echo(f"skipped: {_params(each.request['params'])}: {each.says}", err=True)
    if len(found.skipped) > FAILURES_SHOWN:
        click.echo(f"... and {len(found.skipped) - FAILURES_SHOWN:,} more skipped: --json lists them", err=True)
    failed = [row for row in found.rows if row.code is not None]
    for row in failed[:FAILURES_SHOWN]:
        click.echo(f"failed: request {row.at}: {row.code}: {row.message}", err=True)
    if len(failed) > FAILURES_SHOWN:
        click.echo(f"... and {len(failed) - FAILURES_SHOWN:,} more failed: --json lists them", err=True)


# What was asked for


def _check_together(context: click.Context, options: Mapping[str, Any]) -> None:
    """Refuse options that would be ignored: those of a grid beside requests or a sweep that say them already."""
    given = {
        parameter.name: f"--{max(parameter.opts, key=len).removeprefix('--')}"
        for parameter in context.command.params
        if parameter.name in options and context.get_parameter_source(parameter.name) is not ParameterSource.DEFAULT
    }
    for name, says, others in (
        ("resume", "a sweep that was planned", (*GRID, *WALK, "file")),
        ("file", "a file of requests", GRID),
    ):
        beside = [given[other] for other in others if other in given]
        if name in given and beside:
            raise click.UsageError(f"{', '.join(beside)} cannot go with {says}: leave out the one or the other.")
    if "seed" in given and "sample" not in given:
        raise click.UsageError("--seed is what a sample is drawn by: give --sample, too, or leave it out.")


def _asked(options: Mapping[str, Any]) -> "Asked":
    from buff.sweeps import Asked, grid

    walk = _walk(options)
    if options["file"] is not None:
        from buff.cli.config import documents

        return Asked(requests=tuple(documents(options["file"])), words={"requests": "file"}, walk=walk)
    missing = [name for name in ("timeframe", "strategy", "risk") if options[name] is None]
    if not options["datasets"] or missing:
        names = [*([] if options["datasets"] else ["dataset"]), *missing]
        raise click.UsageError(f"Give {' and '.join(f'--{name}' for name in names)}, or --requests FILE, or --resume.")
    from buff.cli.config import texts

    common = {
        name: options[name]
        for name in ("symbol", "start", "end", "commission_bps", "slippage_bps", "min_fee", "initial_equity")
        if options[name] is not None
    }
    return grid(
        datasets=options["datasets"],
        timeframes=options["timeframe"],
        strategy_id=options["strategy"],
        params=texts(options["params"]),
        risk=options["risk"],
        common=common | ({"tags": list(options["tags"])} if options["tags"] else {}),
        number=options["sample"],
        seed=options["seed"],
        walk=walk,
    )


def _walk(options: Mapping[str, Any]) -> Any:
    from buff.windows import Walk

    given = {name: options[name] for name in ("train", "test", "step", "purge") if options[name] is not None}
    if not given and not options["anchored"]:
        return None
    if not {"train", "test"} <= given.keys():
        raise click.UsageError("A walk forward needs both --train and --test.")
    return Walk(**given, anchored=options["anchored"])


# What became of it


def _print_dry(asked: "Asked", *, as_json: bool) -> None:
    from buff.market.spacing import some

    skipped = [{"request": dict(each.request), "says": each.says} for each in asked.skipped]
    if as_json:
        print_json(
            {"runs": len(asked.requests), "requests": list(asked.requests), "skips": asked.skips, "skipped": skipped}
        )
        return
    per = ", twice for each window" if asked.walk is not None else ""
    skips = some(asked.skips, "combination")
    click.echo(f"{some(len(asked.requests), 'run')}{per}; {skips} skipped; nothing was made")


def _print_done(store: "Store", sweep: "Sweep", *, as_json: bool) -> int:
    failed = sweep.failed
    for warning in sweep.warnings:
        click.echo(f"Warning: {warning}", err=True)
    if as_json:
        failures = [
            {"at": at, "run_id": each.run_id, "error": each.error.as_dict()}
            for at, each in enumerate(sweep.outcomes)
            if each.error is not None
        ]
        runs = [outcome.run_id for outcome in sweep.outcomes]
        skipped = [{"request": dict(each.request), "says": each.says} for each in sweep.skipped]
        found = {"sweep": sweep.entry, "runs": runs, "failures": failures, "skipped": skipped}
        print_json({**found, "warnings": sweep.warnings})
        return 3 if failed else 0
    entry, counts = sweep.entry, sweep.counts
    click.echo(f"sweep    {entry.sweep}: {entry.what}")
    done = ", ".join(f"{count:,} {word}" for word, count in counts.items())
    click.echo(f"runs     {entry.trials:,} tried, {entry.skipped:,} skipped, {done}")
    errors = [(at, each.error) for at, each in enumerate(sweep.outcomes) if each.error is not None]
    told = set[str]()
    for at, error in errors[:FAILURES_SHOWN]:
        click.echo(f"failed: request {at}: {error.code}: {error.message}", err=True)
        if error.hint and error.hint not in told:
            click.echo(f"  What to do: {error.hint}", err=True)
        told.add(error.hint)
    if len(failed) > FAILURES_SHOWN:
        click.echo(f"... and {len(failed) - FAILURES_SHOWN:,} more: buff sweep show {sweep.id}", err=True)
    click.echo(f"look: buff sweep show {sweep.id}")
    return 3 if failed else 0


def _print_entry(entry: Any) -> None:
    click.echo(f"sweep    {entry.sweep}: {entry.what}")
    said = f"{entry.trials:,} tried, {entry.skipped:,} skipped"
    if entry.finished is None:
        click.echo(f"runs     {said}, {entry.committed:,} committed; not finished: buff sweep --resume {entry.sweep}")
        return
    click.echo(f"runs     {said}, {entry.made:,} made, {entry.existed:,} existed, {entry.failed:,} failed")


def _entry_row(entry: Any) -> list[str]:
    counts = (entry.requests, entry.trials, entry.skipped, entry.failed)
    state = "" if entry.finished else " (not finished)"
    planned = entry.planned[:19].replace("T", " ")
    return [entry.sweep, planned, *(f"{count:,}" for count in counts), entry.what + state, entry.by]


def _print_results(found: "SweepResults") -> None:
    """Print a row for each run, or pair of runs; on a narrow terminal what all have in common stands above them."""
    pairs = found.pairs
    varying = _told_apart(found)
    heads = tuple(f"{name} {part}" for name in SHOWN for part in ("train", "test")) if pairs else SHOWN
    rest = ("params", "risk", "trials", *heads)
    columns = ("window", *varying, *rest, "run") if pairs else ("run", *varying, *rest, "deflated", "trades", "state")

    def rows() -> list[list[str]]:
        cells = [_pair(*each, common) for each in pairs] if pairs else [_line(row, common) for row in found.rows]
        return [[each[name] for name in columns] for each in cells]

    common: dict[str, Any] = {}
    if not fits(columns, rows()):
        common = _common(found)
        levels = {row.risk_level for row in _made(found)}
        if len(levels) == 1:
            columns = tuple(name for name in columns if name != "risk")
        said = [_params(common)] * bool(common) + [f"risk level {level}" for level in levels if len(levels) == 1]
        if said:
            click.echo(f"in all   {', '.join(said)}")
    table(columns, rows(), right=(*NUMBERS, *heads), spare=PAIR_SPARE if pairs else SPARE)


def _told_apart(found: "SweepResults") -> tuple[str, ...]:
    """Return what else tells runs apart than parameters and the risk level; a symbol may stand for its dataset."""
    made = _made(found)
    counts = {name: len({getattr(row, name) for row in made}) for name in TOLD_APART}
    named = counts["symbol"] == counts["dataset"]
    return tuple(name for name, count in counts.items() if count > 1 and not (name == "dataset" and named))


def _made(found: "SweepResults") -> list["Trial"]:
    """Return the rows that are runs: what was refused may have said anything."""
    return [row for row in found.rows if row.run_id is not None]


def _common(found: "SweepResults") -> dict[str, Any]:
    """Return the parameters that all runs have with the same value."""
    made = _made(found)
    first = made[0].params if made else {}
    absent = object()
    return {name: value for name, value in first.items() if all(row.params.get(name, absent) == value for row in made)}


def _line(row: "Trial", common: Mapping[str, Any]) -> dict[str, str]:
    return {
        **_cells(row, common),
        **{name: _number(row.metrics.get(name)) for name in SHOWN},
        "deflated": _number(row.deflated_sharpe),
        "trades": "–" if row.trades is None else str(row.trades),
        "state": row.code or row.state,
    }


def _pair(train: "Trial", test: "Trial", common: Mapping[str, Any]) -> dict[str, str]:
    parts = (("train", train), ("test", test))
    return {
        **_cells(train, common),
        **{f"{name} {part}": _number(row.metrics.get(name)) for name in SHOWN for part, row in parts},
        "run": test.run_id or test.code or "–",
    }


def _cells(row: "Trial", common: Mapping[str, Any]) -> dict[str, str]:
    return {
        "run": row.run_id or "–",
        "window": str(row.window),
        **{name: "–" if getattr(row, name) is None else str(getattr(row, name)) for name in TOLD_APART},
        "dataset": str(row.dataset)[:16],
        "params": _params({name: value for name, value in row.params.items() if name not in common}),
        "risk": str(row.risk_level),
        "trials": f"{row.trials:,}",
    }


def _number(value: float | None) -> str:
    from buff.runs.sketch import short

    return short(value)


def _params(params: Mapping[str, Any]) -> str:
    return " ".join(f"{name}={value}" for name, value in params.items())


# Files


def _check_outputs(store: "Store", options: Mapping[str, Any]) -> None:
    """Refuse a file that is there before any work is done."""
    from buff.outlet import check_target

    for name in ("csv_out", "parquet_out"):
        if options[name] is not None:
            check_target(store.disk, options[name], force=options["force"])


def _write(store: "Store", found: "SweepResults", options: Mapping[str, Any]) -> None:
    from buff.export import CSV, PARQUET, write_rows
    from buff.trials import flat

    wanted = {format: out for format, out in ((CSV, options["csv_out"]), (PARQUET, options["parquet_out"])) if out}
    columns, rows = flat(found.rows) if wanted else ({}, [])
    for format, out in wanted.items():
        write_rows(store, rows, columns, out=out, format=format, force=options["force"])
