"""A visit to a page in a real browser: a server, one tab, and everything in it that should not have happened.

Used by the journeys of `tests/buff_web/browser` and by the figures of `tests/bench/test_pages.py`.
"""

import os
import re
import shutil
import signal
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from attrs import define, field

from whole import start

LAUNCH = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
# A journey is made in the light by every change, and in the dark by night; each page by itself is looked at in both.
SCHEMES = ["light", pytest.param("dark", marks=pytest.mark.nightly)]
PATIENCE_SECONDS = 20
PATIENCE_MS = 15_000
WATCH = """
document.addEventListener("securitypolicyviolation", (event) => {
  (window.violations ??= []).push(`${event.violatedDirective} ${event.blockedURI} ${event.sourceFile}`);
});
"""


@define
class Server:
    """A `buff serve` of its own, ended by its process id."""

    process: subprocess.Popen[str]
    url: str
    local: str = field(init=False)

    def __attrs_post_init__(self) -> None:
        self.local = self.url.removesuffix("/runs")

    @classmethod
    def of(
        cls,
        root: Path,
        *options: str,
        module: str = "buff",
        env: Mapping[str, str] | None = None,
        command: Sequence[str] = (),
        log: Path | None = None,
    ) -> "Server":
        """Start one. Its log goes into a pipe that nobody reads, or into a file."""
        verb = ["serve"] if module == "buff" else []
        usual = ["-m", module, *verb, "--port", "0", "--runs-root", str(root), *options]
        with ExitStack() as stack:
            kept = {"stderr": stack.enter_context(log.open("w"))} if log else {}
            process = start(command or usual, env=env, **kept)
        assert process.stdout is not None
        found = re.search(r"http://\S+", process.stdout.readline())
        if not found:
            process.kill()
            raise AssertionError(f"no address; stderr: {process.communicate()[1]}")
        return cls(process, found[0])

    def end(self, by: int = signal.SIGTERM) -> tuple[int, str]:
        """End the server; return its exit code and what it said on stderr."""
        self.process.send_signal(by)
        try:
            said = self.process.communicate(timeout=PATIENCE_SECONDS)[1]
        except subprocess.TimeoutExpired:
            self.process.kill()
            said = self.process.communicate()[1]
        return self.process.returncode, said


@contextmanager
def chromium(*options: str) -> Iterator[Any]:
    """Yield a headless Chromium of this machine; skip where there is none, unless BUFF_TEST_BROWSER_REQUIRED is set."""
    program = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if program is None:
        if os.environ.get("BUFF_TEST_BROWSER_REQUIRED"):
            pytest.fail("BUFF_TEST_BROWSER_REQUIRED is set and no chromium was found on PATH")
        pytest.skip("no chromium on PATH")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        found = playwright.chromium.launch(executable_path=program, headless=True, args=[*LAUNCH, *options])
        yield found
        found.close()


class Visit:
    """One tab, and everything in it that should not have happened."""

    def __init__(self, browser: Any, scheme: str, width: int = 1360) -> None:
        self.context = browser.new_context(color_scheme=scheme, viewport={"width": width, "height": 900})
        self.page = self.context.new_page()
        self.page.set_default_timeout(PATIENCE_MS)
        self.page.add_init_script(WATCH)
        self.wrong: list[str] = []
        self.page.on("console", self._console)
        self.page.on("pageerror", lambda error: self.wrong.append(f"uncaught: {error}"))
        self.page.on("request", self._request)

    def _console(self, message: Any) -> None:
        if message.type in ("error", "warning"):
            self.wrong.append(f"console {message.type}: {message.text}")

    def _request(self, request: Any) -> None:
        if urlsplit(request.url).hostname != "127.0.0.1":
            self.wrong.append(f"foreign request: {request.url}")

    def violations(self) -> list[str]:
        return list(self.page.evaluate("() => window.violations ?? []"))

    def accessibility(self) -> list[str]:
        from axe_playwright_python.sync_playwright import Axe

        # The rows of a long table are alike; looking at each of a hundred takes ten times as long.
        found = Axe().run(self.page, context={"exclude": [["tbody tr:nth-child(n+9)"]]}).response["violations"]
        return [f"{each['id']}: {node['html'][:200]}" for each in found for node in each["nodes"]]

    def clean(self) -> None:
        """Assert that nothing went wrong so far: no violation, no console error, no foreign request, no overflow."""
        assert self.violations() + self.wrong == [], self.violations() + self.wrong
        assert self.page.evaluate("() => document.documentElement.scrollWidth <= window.innerWidth")

    def check(self) -> None:
        """Assert that nothing went wrong, and that axe finds nothing on the page as it stands."""
        self.clean()
        found = self.accessibility()
        assert found == [], found

    def drawn(self) -> None:
        """Wait until the chart of a run is there, with the marks of its trades."""
        self.page.locator(".chart[data-state='drawn']").wait_for()
