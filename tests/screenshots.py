"""Pictures of the main pages, for the documentation: the same Chromium makes the same pictures.

A directory goes in and is filled with PNG files of 1280 by 800 points, each page in light and in dark: the steps of
`docs/tutorial/first_run_in_the_browser.md` over the sample file, and the pages of `docs/how_to/sweep.md` over minutes
that are computed. Clock and chance of the roots are fixed, so that no picture changes by itself. Nothing else is
written.

    python tests/screenshots.py docs/images [NAME ...]
"""

import io
import itertools
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypeAlias

from attrs import evolve

from buff.builder import create
from buff.crew import Here
from buff.deposit import deposit
from buff.host import Host
from buff.settings import Settings
from buff.store import Store
from buff.sweeps import carry_out, grid
from buff.windows import Walk
from pages import SAMPLE
from visits import Server, chromium
from whole import host, write_csv

SIZE = {"width": 1280, "height": 800}
SCHEMES = ("light", "dark")
ALIKE = (  # each pixel is computed once, in one order
    "--disable-partial-raster",
    "--num-raster-threads=1",
    "--disable-lcd-text",
    "--disable-checker-imaging",
    "--run-all-compositor-stages-before-draw",
)
STILL_MS = 400  # after which a page has drawn what it draws
COLOURS = 128  # of a picture: more than a page has, but for the edges of its letters
BEGIN = datetime(2026, 1, 15, 9, 30, tzinfo=UTC)
SETTINGS = Settings(user="you", free_bytes_min=0, web_create=True)
REQUEST = {"symbol": "BTCUSDT", "timeframe": "15m", "risk_level": 3}
RULES = (
    {"strategy": "ma_cross", "params": {"fast": 10, "slow": 30}},
    {"strategy": "donchian_breakout", "params": {"entry": 20, "exit": 10}},
)


def still(minutes: int) -> Host:
    """Return surroundings whose clock stands so many minutes after the beginning, and whose chance counts."""
    now = (BEGIN + timedelta(minutes=minutes)).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    numbers = itertools.count(minutes << 32)
    fixed = host(user="you", name="here", program="buff", clock=lambda: now)
    return evolve(fixed, token=lambda: f"{next(numbers):016x}")


def furnish(root: Path) -> tuple[str, ...]:
    """Make the runs of the tutorial; return their ids."""
    csv = root.parent / "candles.csv"
    shutil.copyfile(SAMPLE, csv)
    made = (
        create({**REQUEST, **rule, "csv": [str(csv)]}, root=str(root), host=still(2 + 3 * at), settings=SETTINGS)
        for at, rule in enumerate(RULES)
    )
    return tuple(each.run.id for each in made)


def sweep(root: Path) -> tuple[str, ...]:
    """Carry out a grid and a walk forward over a quarter of a year; return their ids."""
    root.mkdir()
    csv = write_csv(root.parent / "quarter.csv", 90 * 1_440, seed=5)
    with Store(str(root), host=still(2), settings=SETTINGS) as store:
        values = {"csv": [str(csv)], "symbol": "BTCUSDT"}
        dataset = deposit(values, root=store, host=store.host, settings=SETTINGS).dataset_id
        common: Any = {"datasets": [dataset], "strategy_id": "ma_cross", "risk": "3", "common": {}}
        lengths = {"fast": "5..50..5", "slow": "20..120..10"}
        walk = Walk(train="30d", test="10d", purge="2d")
        asked = (
            grid(timeframes="4h", params={"fast": "4,8,12", "slow": "16,24,32"}, walk=walk, **common),
            grid(timeframes="1h", params=lengths, **common),
        )
        return tuple(carry_out(store, each, executor=Here()).id for each in asked)


def serve(root: str) -> int:
    """Serve a root a while after its runs were made; what the process of `served` does."""
    from buff_web.server import serve as serve_store

    return serve_store(Store(root, host=still(9), settings=SETTINGS), host="127.0.0.1", port=0, level="error")


@contextmanager
def served(root: Path) -> Iterator[str]:
    """Yield the address of a server over a root, whose time stands still."""
    server = Server.of(root, command=(__file__, "--serve", str(root)), log=root.parent / "log")
    try:
        yield server.local
    finally:
        server.end()


# The pictures ------------------------------------------------------------------------------------------------------


def _drawn(page: Any) -> None:
    page.locator(".chart[data-state='drawn']:not([data-busy])").wait_for()


def _top(page: Any, selector: str) -> None:
    page.evaluate("(each) => document.querySelector(each).scrollIntoView({ behavior: 'instant' })", selector)


def _new(page: Any, local: str, _: tuple[str, ...]) -> None:
    page.goto(f"{local}/runs/new")
    page.locator("[data-drop]").wait_for()


def _request(page: Any, local: str, _: tuple[str, ...]) -> None:
    _new(page, local, _)
    page.set_input_files("#file", {"name": "candles.csv", "mimeType": "text/csv", "buffer": SAMPLE.read_bytes()})
    page.wait_for_url("**/runs/new?upload=*")
    page.locator("#preview:not([data-looking]) .care.good").wait_for()
    page.fill("[name=symbol]", "BTCUSDT")
    page.select_option("[name=timeframe]", "15m")
    page.locator("#preview:not([data-looking]) .care.good").wait_for()
    page.check("[name=risk_level][value='3']")
    _top(page, "body")


def _rule(page: Any, local: str, ids: tuple[str, ...]) -> None:
    _request(page, local, ids)
    page.fill("[name='p.fast']", "10")
    page.fill("[name='p.slow']", "30")
    _top(page, "[name=symbol]")


def _run(page: Any, local: str, ids: tuple[str, ...]) -> None:
    page.goto(f"{local}/runs/{ids[0]}")
    _drawn(page)


def _trade(page: Any, local: str, ids: tuple[str, ...]) -> None:
    page.goto(f"{local}/runs/{ids[0]}?trade=2")
    _drawn(page)
    page.locator("#story").wait_for()
    _top(page, ".chart")


def _runs(page: Any, local: str, ids: tuple[str, ...]) -> None:
    page.goto(f"{local}/runs")
    for run_id in ids:
        page.get_by_label(f"Compare {run_id}").check()


def _compare(page: Any, local: str, ids: tuple[str, ...]) -> None:
    page.goto(f"{local}/compare?run={ids[0]}&run={ids[1]}")


def _sweep(page: Any, local: str, ids: tuple[str, ...]) -> None:
    page.goto(f"{local}/sweeps/{ids[1]}")
    _top(page, "#map")


def _lines(page: Any, local: str, ids: tuple[str, ...]) -> None:
    page.goto(f"{local}/sweeps/{ids[1]}?from.slow=50&to.slow=80")
    page.locator("details[open] > summary").click()
    _top(page, "#lines")


def _walk(page: Any, local: str, ids: tuple[str, ...]) -> None:
    page.goto(f"{local}/sweeps/{ids[0]}?at.window=2")
    _top(page, "#windows")


Pose: TypeAlias = Callable[[Any, str, tuple[str, ...]], None]
BEFORE: Mapping[str, Pose] = {"new": _new, "request": _request, "rule": _rule}  # while the root is empty
AFTER: Mapping[str, Pose] = {"run": _run, "trade": _trade, "runs": _runs, "compare": _compare}
SWEPT: Mapping[str, Pose] = {"sweep": _sweep, "lines": _lines, "walk": _walk}  # in a root of sweeps


def names() -> list[str]:
    """Return the names of the files that are made."""
    return [f"{name}-{scheme}.png" for name in (*BEFORE, *AFTER, *SWEPT) for scheme in SCHEMES]


def small(png: bytes) -> bytes:
    """Return a picture with few colours."""
    from PIL import Image

    out = io.BytesIO()
    found = Image.open(io.BytesIO(png)).convert("RGB")
    found.quantize(COLOURS, method=Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE).save(out, "PNG", optimize=True)
    return out.getvalue()


def shoot(browser: Any, local: str, poses: Mapping[str, Pose], ids: tuple[str, ...], folder: Path) -> None:
    """Write the pictures of some pages, in both schemes."""
    for scheme in SCHEMES:
        context = browser.new_context(
            color_scheme=scheme, viewport=SIZE, reduced_motion="reduce", locale="en-GB", timezone_id="UTC"
        )
        page = context.new_page()
        for name, pose in poses.items():
            pose(page, local, ids)
            page.evaluate("() => document.activeElement.blur()")
            page.mouse.move(0, 0)
            page.wait_for_timeout(STILL_MS)
            (folder / f"{name}-{scheme}.png").write_bytes(small(page.screenshot(animations="disabled")))
        context.close()


def take(folder: Path, *wanted: str) -> None:
    """Write every picture into a directory, or those of some pages."""
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as place, chromium(*ALIKE) as browser:
        empty, root, swept = (Path(place) / name for name in ("empty", "runs", "swept"))
        empty.mkdir()
        for poses, where, fill in ((BEFORE, empty, None), (AFTER, root, furnish), (SWEPT, swept, sweep)):
            chosen = {name: pose for name, pose in poses.items() if not wanted or name in wanted}
            if chosen:
                ids = fill(where) if fill is not None else ()
                with served(where) as local:
                    shoot(browser, local, chosen, ids, folder)


if __name__ == "__main__":
    if sys.argv[1] == "--serve":
        sys.exit(serve(sys.argv[2]))
    take(Path(sys.argv[1]), *sys.argv[2:])
