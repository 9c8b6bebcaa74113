"""A visit to a page in a real browser: one tab, and everything in it that should not have happened."""

from typing import Any
from urllib.parse import urlsplit

PATIENCE_MS = 15_000
WATCH = """
document.addEventListener("securitypolicyviolation", (event) => {
  (window.violations ??= []).push(`${event.violatedDirective} ${event.blockedURI} ${event.sourceFile}`);
});
"""


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
