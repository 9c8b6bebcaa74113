"""Small journals for tests: one way to open them, one way to look at them."""

from collections.abc import Callable, Sequence

from buff.files import Disk, RealDisk
from buff.journal.events import OrphanQuarantined, RunCommitted
from buff.journal.log import Entry, Journal, Recorded

TIME = "2026-02-01T00:00:00.000000Z"
BOOT = "11111111-2222-3333-4444-555555555555"
HOLDER = {"pid": 1, "started": TIME, "host": "here", "command": "pytest"}


def open_journal(
    disk: Disk | None,
    root: str,
    *,
    listener: Callable[[Sequence[Recorded]], object] = lambda _: None,
    boot: str = BOOT,
    **options,
) -> Journal:
    """Open a journal with a fixed clock, boot and id."""
    return Journal.open(
        disk or RealDisk(),
        root,
        clock=lambda: TIME,
        boot=boot,
        holder=HOLDER,
        listener=listener,
        **{"new_id": lambda: "jrn_0123456789abcdef", "lock_timeout_seconds": 2.0, **options},
    )


def note(name: str, *, key: str | None = None, reason: str = "a test") -> Entry:
    """Return the smallest event there is, told from others by its name."""
    return Entry(event=OrphanQuarantined(name=name, reason=reason, identical=False), key=key)


def commit(run_id: str, *, inputs_hash: str = "a" * 64, key: str | None = None) -> Entry:
    """Return a run_committed, whose batch syncs HEAD."""
    event = RunCommitted(
        run_id=run_id,
        inputs_hash=inputs_hash,
        manifest_sha256="b" * 64,
        content_sha256="c" * 64,
        job=None,
        dataset_id="d" * 64,
        symbol="BTCUSDT",
        timeframe="1h",
        start="2022-01-01T00:00:00Z",
        end="2022-01-15T00:00:00Z",
        strategy="ma_cross",
        strategy_version="1",
        params={"fast": 10, "slow": 20},
        risk_level=3,
        bars=336,
        trades=12,
        metrics={"net_return": 0.0123456789012345, "sharpe": None},
        daily_sharpe=[0.0512, 14, -0.25, 3.5],
        sparkline=[10000.0, 10123.45],
        name="première",
        notes=None,
        tags=[],
        by="somebody",
    )
    return Entry(event=event, key=key or f"run:{run_id}")
