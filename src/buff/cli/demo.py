"""`buff demo`: the main job on sample data, from CSV to a verified run, in one command."""

import os
import tempfile

import rich_click as click

from buff.cli.output import progress, surroundings, table


@click.command("demo")
@click.option("--runs-root", metavar="DIR", help="Where to make the run.  [default: a new temporary directory]")
@click.option("--year", is_flag=True, help="A year of minutes instead of a month.")
def command(runs_root: str | None, year: bool) -> int:
    """Make sample minutes, create a run from them, list it, show its metrics and verify it."""
    from buff.builder import create, open_root
    from buff.cli.show import RUN_COLUMNS, RUN_NUMBERS, print_metrics, run_row
    from buff.files import RealDisk, write_file
    from buff.proof import verify
    from buff.sample import MONTH, YEAR, csv_chunks
    from buff.store import Store

    host, settings = surroundings()
    root = os.path.abspath(runs_root or tempfile.mkdtemp(prefix="buff-demo-"))
    open_root(root)
    sample = os.path.join(tempfile.mkdtemp(prefix="buff-sample-"), "sample_1m.csv")
    minutes = YEAR if year else MONTH
    click.echo(f"1. Sample data: {minutes:,} one-minute candles of a made-up market\n   {sample}")
    write_file(RealDisk(), sample, csv_chunks(minutes))
    request = {
        "csv": [sample],
        "symbol": "DEMO",
        "timeframe": "1h",
        "strategy": "ma_cross",
        "params": {"fast": 10, "slow": 20},
        "risk_level": 3,
        "name": "demo",
        "tags": ["demo"],
    }
    with progress(quiet=False) as show:
        created = create(request, root=root, host=host, settings=settings, progress=show)
    click.echo(f"\n2. A run, {'already there' if created.existed else 'committed to the journal'}: {created.run.id}")
    with Store(root, host=host, settings=settings) as store:
        click.echo("\n3. The runs of this root:")
        table(RUN_COLUMNS, [run_row(entry) for entry in store.runs().items], right=RUN_NUMBERS)
        click.echo("\n4. Its metrics:")
        run = store.run(created.run.id)
        print_metrics(run)
        click.echo("\n5. Verified: recomputed from its inputs, every byte compared:")
        verdict = verify(store, run.id)
    click.echo(f"   {verdict.outcome}")
    click.echo(
        "\nWhat to type next:\n"
        f"   {host.program} run show {run.id} --runs-root {root}\n"
        f"   {host.program} serve --runs-root {root}          (then open the address it prints)\n"
        f"   {host.program} run create --csv YOUR.csv --symbol BTCUSDT --timeframe 1h --strategy ma_cross \\\n"
        f"       --param fast=10 --param slow=20 --risk-level 3 --runs-root {root}"
    )
    return verdict.exit_code
