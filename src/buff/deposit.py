"""Deposit: files into the datasets of a root, without a run.

Plain values go in, as in a request for a run; an `Ingest` that says what was stored comes out, or a coded error of
which the journal tells. Nothing here knows strategies, and the same bars are stored once however often they come.
"""

import os
from collections.abc import Mapping
from contextlib import ExitStack
from typing import Any

import numpy as np
from attrs import frozen

from buff.admission import admitted, check_datasets
from buff.builder import open_root, root_of, silent, written
from buff.datasets import Dataset, base_bars
from buff.errors import NotFound, Refused, RequestError
from buff.host import Host
from buff.inputs import opened
from buff.intake import ALONE, SHOWN, Intake, Progress, Task, rejected, report_of, take_in
from buff.market.resample import windows
from buff.market.spacing import HOUR_MS, run_timeframe
from buff.market.timeframe import Timeframe, coarser_or_equal
from buff.runs.request import data_from
from buff.safety import check_settings
from buff.settings import Settings
from buff.store import Store
from buff.times import iso
from buff.uploads import files_of


@frozen(kw_only=True)
class Ingest:
    """What became of some files: the dataset they are, and whether it was there before.

    `first` and `last` are the open stamps of the first and last bar, ISO 8601 in UTC. `gaps` are ranges without bars
    and `missing` the bars in them; `filled` bars were made by `gaps="fill"`. `source` is what a manifest says of the
    files. `warnings` are for people and in no artifact. `quality` is the quality report of the bars as they are stored.
    `timeframe` is one of which the bars have whole windows: hours, else their own.
    """

    dataset_id: str
    existed: bool
    symbol: str
    base_timeframe: str
    rows: int
    first: str
    last: str
    gaps: int
    missing: int
    filled: int
    source: Mapping[str, Any]
    warnings: tuple[str, ...]
    quality: Mapping[str, Any]
    timeframe: str

    @property
    def verdict(self) -> str:
        """The verdict of the quality report: PASS, WARN or FAIL."""
        return str(self.quality["verdict"])

    @property
    def next(self) -> str:
        """The command that makes a run of it, with choices to be changed."""
        return (
            f"buff run create --dataset {self.dataset_id[:SHOWN]} --symbol {self.symbol} "
            f"--timeframe {self.timeframe} --strategy ma_cross --risk-level 3"
        )

    def as_dict(self) -> dict[str, Any]:
        """Return what `data ingest --json` prints."""
        return {
            "dataset_id": self.dataset_id,
            "existed": self.existed,
            "symbol": self.symbol,
            "base_timeframe": self.base_timeframe,
            "rows": self.rows,
            "first": self.first,
            "last": self.last,
            "gaps": self.gaps,
            "missing": self.missing,
            "filled": self.filled,
            "source": dict(self.source),
            "warnings": list(self.warnings),
            "verdict": self.verdict,
            "quality": dict(self.quality),
            "next": self.next,
        }


def deposit(
    values: Mapping[str, Any],
    *,
    root: str | os.PathLike[str] | Store | None,
    host: Host,
    settings: Settings,
    progress: Progress = silent,
    task: Task = ALONE,
) -> Ingest:
    """Store the files that plain values describe as a dataset; the same bars are the dataset that is there.

    Raises BuffError with the code of what was wrong; where a root exists its journal tells of the refusal.
    """
    if isinstance(root, Store):
        return _deposit(root, values, progress, task)
    place = root_of(root)
    if not os.path.isdir(place):
        check_settings(settings)
        opened(files_of(place, data_from(values)))  # what is refused by then makes no root
    with Store(open_root(place), host=host, settings=settings) as store:
        return _deposit(store, values, progress, task)


def _deposit(store: Store, values: Mapping[str, Any], progress: Progress, task: Task) -> Ingest:
    with ExitStack() as stack, written("the dataset"):
        try:
            wanted = data_from(values)
            files = files_of(store.root, wanted)
            admission = stack.enter_context(admitted(store, "ingest", progress=progress, task=task))
        except (RequestError, NotFound, Refused) as error:
            store.record(rejected(f"ing_{store.host.token()}", error, (), store.settings.user, milliseconds=0))
            raise
        check_datasets(store)  # of what comes too often no event tells: events of it would be what the limit is against
        intake = take_in(
            store, files, wanted.options, symbol=wanted.symbol, progress=admission.progress, task=admission.task
        )
    return _ingest(store.root, intake)


def _ingest(root: str, intake: Intake) -> Ingest:
    dataset = intake.dataset
    return Ingest(
        dataset_id=dataset.id,
        existed=not intake.fresh,
        symbol=intake.symbol,
        base_timeframe=dataset.base.value,
        rows=dataset.rows,
        first=iso(dataset.first_ts),
        last=iso(dataset.last_ts),
        gaps=dataset.gaps,
        missing=dataset.missing,
        filled=dataset.filled,
        source=intake.source,
        warnings=intake.warnings,
        quality=report_of(root, dataset),
        timeframe=_timeframe(root, dataset).value,
    )


def _timeframe(root: str, dataset: Dataset) -> Timeframe:
    """Return a timeframe that the dataset has whole windows of."""
    hours = 0
    if coarser_or_equal(Timeframe.HOUR_1, dataset.base):
        step_ms = dataset.base.step_ms
        assert step_ms is not None, "a base has a fixed length"
        _, _, rows = windows(base_bars(root, dataset).ts, Timeframe.HOUR_1, step_ms)
        hours = int(np.count_nonzero(rows * step_ms == HOUR_MS))
    return run_timeframe(dataset.base, hours, dataset.last_ts - dataset.first_ts)
