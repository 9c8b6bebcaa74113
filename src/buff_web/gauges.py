"""What Prometheus reads: requests as Litestar counts them, this process, and gauges of the root.

A store goes in; text in Prometheus' format comes out. A gauge is looked at when it is asked for, never kept up to date,
and one that cannot be had is left out: a number that is wrong is worse than none.
"""

from collections import Counter
from collections.abc import Iterator
from typing import Final

from attrs import define, field
from litestar.middleware import DefineMiddleware
from litestar.plugins.prometheus import PrometheusConfig
from prometheus_client import REGISTRY, CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from buff import Store, __version__, safety
from buff.errors import BuffError
from buff.journal.survey import read_head
from buff.registry.rows import Rows
from buff.registry.state import RegistryState

MEDIA_TYPE: Final = "text/plain; version=0.0.4"
PREFIX: Final = "buff"
# Reads take a millisecond, a build's end may be waited for a minute.
BUCKETS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 60.0)


def counting() -> DefineMiddleware:
    """Return the middleware that counts and times requests by method, template of the path and status."""
    return PrometheusConfig(app_name="buff", prefix=PREFIX, group_path=True, buckets=list(BUCKETS)).middleware


@define(eq=False)
class Gauges(Collector):
    """The gauges of one root."""

    _store: Store
    _counted: tuple[Rows, Counter[str]] = field(factory=lambda: (Rows(), Counter()))

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
        for name, count in sorted(self._runs_by_state(state.runs).items()):
            runs.add_metric([name], count)
        yield runs
        yield _gauge("datasets", "Stored datasets.", len(state.datasets))
        statuses = Counter(build.status for build in state.builds.values() if build.open)
        builds = GaugeMetricFamily(f"{PREFIX}_builds", "Builds that have not ended.", labels=["status"])
        for status in ("queued", "running"):
            builds.add_metric([status], statuses[status])
        yield builds

    def _runs_by_state(self, runs: Rows) -> Counter[str]:
        """Return how many runs have each state; counted again only when there are other runs."""
        if self._counted[0] is not runs:
            self._counted = runs, Counter(row.state for row in runs.rows())
        return self._counted[1]


def _gauge(name: str, says: str, value: float) -> GaugeMetricFamily:
    return GaugeMetricFamily(f"{PREFIX}_{name}", says, value=float(value))
