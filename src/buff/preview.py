"""preview(): what creating a run would come to, with nothing written under the root.

A request goes in; the resolved inputs, the run id, whether it exists and the disk it would take come out, or the error
that creating it would give. A CSV is read whole, into a temporary directory that is gone afterwards.
"""

import os
import tempfile
from collections.abc import Mapping
from typing import Any

from buff.builder import checked, only_symbol, plan_of, root_of, silent, stored_entry, warnings_of
from buff.datasets import Dataset, Resampled, base_bars, load, publish, stored_resamples
from buff.files import RealDisk
from buff.host import Host
from buff.intake import Progress, read_into
from buff.market.bars import Bars
from buff.market.quality import resample_facts
from buff.market.resample import resample
from buff.market.timeframe import Timeframe
from buff.registry.rows import RunEntry
from buff.runs.request import RunRequest
from buff.settings import Settings
from buff.store import Store, exists
from buff.uploads import files_of

ROW_BYTES = 49  # six columns of eight bytes and one of one
BAR_BYTES = 160 + ROW_BYTES + 19  # a decision record on average, a resampled row, and the run's own columns


def preview(
    values: Mapping[str, Any],
    *,
    root: str | os.PathLike[str] | None,
    host: Host,
    settings: Settings,
    progress: Progress = silent,
) -> dict[str, Any]:
    """Return inputs, run_id, inputs_hash, exists, bars, bytes (about) and warnings as plain values.

    The warnings are those of the data; what a clock or the datasets of the root would say of it is not among them.
    Raises as `create` does.
    """
    request, params = checked(values)
    place = root_of(root)
    store = Store(place, host=host, settings=settings) if os.path.isdir(place) else None
    with tempfile.TemporaryDirectory(prefix="buff-preview-") as folder:
        dataset, base, symbol, warned = _data(request, store, place, folder, settings, progress)
        made = resample(base, request.timeframe)
        bars = Resampled(bars=made.bars, quality=resample_facts(made), references=())
        plan = plan_of(request, params, dataset, bars, symbol)
    found = None if store is None else store.state.runs.get(plan.run_id)
    there = found is not None and found.state != "reclaimed"
    return {
        "run_id": plan.run_id,
        "inputs_hash": plan.inputs_hash,
        "inputs": dict(plan.inputs),
        "exists": there,
        "same_inputs": found is not None and found.inputs_hash == plan.inputs_hash,
        "bars": len(plan.bars),
        "warnings": list(warnings_of(warned, bars)),
        "bytes": _bytes(store, dataset, len(plan.bars)) if not there else 0,
    }


def known(store: Store, values: Mapping[str, Any]) -> RunEntry | None:
    """Return the run that a request comes to, where it exists and that can be known without work.

    It can when the request names a dataset whose bars of the timeframe are stored; None where it cannot, or where there
    is no such run. Raises what `create` raises of a request, RunExists included.
    """
    request, params = checked(values)
    if request.dataset is None:
        return None
    entry = stored_entry(store, request)
    dataset = load(store.root, entry.dataset_id)
    bars = _stored(store.root, dataset, request.timeframe)
    if bars is None:
        return None
    plan = plan_of(request, params, dataset, bars, request.symbol or only_symbol(entry))
    found = store.state.runs.get(plan.run_id)
    if found is not None and found.inputs_hash != plan.inputs_hash:
        raise exists(found, plan.inputs_hash)
    return None if found is None or found.state == "reclaimed" else found


def _stored(root: str, dataset: Dataset, timeframe: Timeframe) -> Resampled | None:
    if timeframe is dataset.base:
        return Resampled(bars=base_bars(root, dataset), quality={}, references=())
    return next((each for each in stored_resamples(root, dataset) if each.bars.timeframe is timeframe), None)


def _data(
    request: RunRequest, store: Store | None, place: str, folder: str, settings: Settings, progress: Progress
) -> tuple[Dataset, Bars, str, tuple[str, ...]]:
    if request.dataset is None:
        disk, staged = RealDisk(), os.path.join(folder, "staged")
        files = files_of(place, request)
        dataset, ingested = read_into(disk, staged, files, request.options, settings=settings, progress=progress)
        publish(disk, folder, staged, dataset)
        return dataset, base_bars(folder, dataset), str(request.symbol), ingested.warnings
    entry = stored_entry(store, request)
    assert store is not None, "an entry was found in it"
    dataset = load(store.root, entry.dataset_id)
    return dataset, base_bars(store.root, dataset), request.symbol or only_symbol(entry), ()


def _bytes(store: Store | None, dataset: Dataset, bars: int) -> int:
    """Return about how many bytes the run adds: its records and columns, and the dataset where it is not there yet."""
    new = store is None or dataset.id not in store.state.datasets
    return bars * BAR_BYTES + (dataset.rows * ROW_BYTES if new else 0)
