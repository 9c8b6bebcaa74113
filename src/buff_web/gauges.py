"""What Prometheus reads: requests as they are counted here, this process, and gauges of the root.

A store goes in; text in Prometheus' format comes out. A gauge is looked at when it is asked for, never kept up to date,
and one that cannot be had is left out: a number that is wrong is worse than none.
"""

import time
from collections import Counter
from collections.abc import Iterator
from functools import lru_cache
from typing import Any, Final

from attrs import define
from litestar.types import ASGIApp, Message, Receive, Send
from prometheus_client import REGISTRY, CollectorRegistry, Gauge, Histogram, generate_latest
from prometheus_client import Counter as Counted
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from buff import Store, __version__, safety
from buff.errors import BuffError
from buff.journal.survey import read_head
from buff.registry.state import RegistryState

MEDIA_TYPE: Final = "text/plain; version=0.0.4"
PREFIX: Final = "buff"
# Reads take a millisecond, a build's end may be waited for a minute.
BUCKETS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 60.0)


LABELS: Final = ("method", "path", "status_code", "app_name")
REQUESTS: Final = Counted(f"{PREFIX}_requests_total", "Total requests", LABELS)
SECONDS: Final = Histogram(
    f"{PREFIX}_request_duration_seconds", "Request duration, in seconds", LABELS, buckets=BUCKETS
)
OPEN: Final = Gauge(
    f"{PREFIX}_requests_in_progress", "Total requests currently in progress", LABELS, multiprocess_mode="livesum"
)
ERRORS: Final = Counted(f"{PREFIX}_requests_error_total", "Total errors in requests", LABELS)


class Counting:
    """A middleware that counts and times requests by method, template of the path and status.

    Names and labels are those of Litestar's own, which makes a request and an address of each anew and looks for every
    number by its labels: a tenth of what a short answer takes.
    """

    def __init__(self, app: ASGIApp) -> None:
        """Keep the inner application."""
        self._app = app

    async def __call__(self, scope: Any, receive: Receive, send: Send) -> None:
        """Pass a request on, and count it when it is over."""
        method, path = scope["method"], scope["path_template"]
        began = seconds = time.perf_counter()
        status = 200

        async def sent(message: Message) -> None:
            nonlocal seconds, status
            if message["type"] == "http.response.start":
                status = message["status"]
            elif message["type"] == "http.response.body":
                seconds = time.perf_counter()
            await send(message)

        under_way = _under_way(method, path)
        under_way.inc()
        try:
            await self._app(scope, receive, sent)
        finally:
            under_way.dec()
            requests, durations, errors = _numbers(method, path, status)
            requests.inc()
            durations.observe(seconds - began)
            if errors is not None:
                errors.inc()


@lru_cache(maxsize=1_024)
def _under_way(method: str, path: str) -> Gauge:
    return OPEN.labels(method, path, "200", PREFIX)  # its status is not known yet


@lru_cache(maxsize=4_096)
def _numbers(method: str, path: str, status: int) -> tuple[Counted, Histogram, Counted | None]:
    """Return the numbers of requests that ended with a status, looked for once; of errors only where it is one."""
    labels = (method, path, str(status), PREFIX)
    return REQUESTS.labels(*labels), SECONDS.labels(*labels), ERRORS.labels(*labels) if status >= 500 else None


@define(eq=False)
class Gauges(Collector):
    """The gauges of one root."""

    _store: Store

    def text(self) -> bytes:
        """Return everything there is to read, this process's counters included."""
        own = CollectorRegistry()
        own.register(self)
        return bytes(generate_latest(REGISTRY) + generate_latest(own))

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Yield the gauges."""
        info = GaugeMetricFamily(f"{PREFIX}_info", "The version of Buff that serves.", labels=["version"])
        info.add_metric([__version__], 1)
        yield info
        head = read_head(self._store.disk, self._store.root).current
        try:
            state = self._store.state
        except BuffError:
            state = None
        whole = state is not None and self._store.problem is None
        yield _gauge("journal_whole", "1 when every event up to HEAD was verified.", whole)
        if state is not None:
            yield from self._registry(state)
            if head is not None:
                yield _gauge(
                    "projection_lag_events", "Acknowledged events that are not shown.", max(head.seq - state.seq, 0)
                )
        if head is not None:
            yield _gauge("journal_seq", "The last acknowledged event.", head.seq)
        yield _gauge(
            "kill_switch_engaged", "1 when new runs and ingests are stopped.", safety.state(self._store).engaged
        )
        try:
            yield _gauge(
                "free_bytes", "Free bytes on the disk of the root.", self._store.disk.free_bytes(self._store.root)
            )
        except OSError:
            return

    def _registry(self, state: RegistryState) -> Iterator[GaugeMetricFamily]:
        runs = GaugeMetricFamily(f"{PREFIX}_runs", "Runs by state.", labels=["state"])
        # Counted once, and from then on only what has changed.
        for name, count in sorted(self._store.facets().states.items()):
            runs.add_metric([name], count)
        yield runs
        yield _gauge("datasets", "Stored datasets.", len(state.datasets))
        statuses = Counter(build.status for build in state.builds.values() if build.open)
        builds = GaugeMetricFamily(f"{PREFIX}_builds", "Builds that have not ended.", labels=["status"])
        for status in ("queued", "running"):
            builds.add_metric([status], statuses[status])
        yield builds


def _gauge(name: str, says: str, value: float) -> GaugeMetricFamily:
    return GaugeMetricFamily(f"{PREFIX}_{name}", says, value=float(value))
