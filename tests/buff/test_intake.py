"""Intake: files in, a stored dataset and the events of every step out; nothing half-made when it is refused."""

import gzip
import hashlib
import os
import zipfile
from pathlib import Path
from typing import Any

import msgspec
import pytest

from bad_inputs import BAR, lines
from buff.builder import create
from buff.errors import BuffError, DataSourceNotFound, LimitExceeded
from buff.intake import opened as opened_files
from buff.intake import read_into, take_in
from buff.journal.events import DatasetStored, IngestParsed, IngestRejected, IngestStarted, IngestValidated
from buff.market.options import CsvOptions
from buff.settings import Settings
from whole import events, make, names, opened, request


def silent(stage: str, done: int, total: int) -> None:
    """Show nothing."""


def taken(root: Path, *paths: Path, symbol: str | None = "BTCUSDT", **options: Any) -> Any:
    root.mkdir(exist_ok=True)
    with opened(root) as store:
        return take_in(store, [str(path) for path in paths], CsvOptions(**options), symbol=symbol, progress=silent)


def test_every_step_of_an_ingest_is_an_event(tmp_path: Path, minutes: Path) -> None:
    taken(tmp_path / "root", minutes)
    _, started, parsed, validated, stored = events(tmp_path / "root")
    assert isinstance(started, IngestStarted)
    assert (started.files, started.size_bytes, started.by) == (["minutes.csv"], minutes.stat().st_size, "tester")
    assert isinstance(parsed, IngestParsed)
    assert (parsed.rows, len(parsed.sha256)) == (2_880, 1)
    assert isinstance(validated, IngestValidated)
    assert (validated.gaps, validated.filled, validated.warnings) == (0, 0, [])
    assert isinstance(stored, DatasetStored)
    assert (stored.rows, stored.existed, stored.symbol) == (2_880, False, "BTCUSDT")
    assert {event.ingest for event in (started, parsed, validated, stored)} == {started.ingest}
    assert stored.source["path"] == str(minutes)


def test_the_same_bars_are_the_same_dataset_by_whatever_file(tmp_path: Path, minutes: Path) -> None:
    root, copy = tmp_path / "root", tmp_path / "copy.csv"
    text = minutes.read_text().splitlines()
    copy.write_text("\r\n".join(["Time,Open,High,Low,Close,Volume,Note", *(f"{line},x" for line in text[1:])]))
    first, second = taken(root, minutes), taken(root, copy, symbol="ETHUSDT")
    assert first.dataset.id == second.dataset.id
    assert second.source["extra_columns"] == ["Note"]
    stored = [event for event in events(root) if isinstance(event, DatasetStored)]
    assert [event.existed for event in stored] == [False, True]
    assert opened(root).datasets()[0].symbols == ["BTCUSDT", "ETHUSDT"]
    assert len(names(root)["_datasets"]) == 1


def test_a_dataset_of_two_symbols_does_not_settle_which(root: Path, minutes: Path) -> None:
    taken(root, minutes, symbol="ETHUSDT")
    dataset = opened(root).datasets()[0].dataset_id
    with pytest.raises(BuffError, match="does not settle") as caught:
        make(root, dataset=dataset, symbol=None)
    assert caught.value.details["field"] == "symbol"
    assert "BTCUSDT, ETHUSDT" in caught.value.hint


def test_several_files_are_named_one_by_one(tmp_path: Path) -> None:
    for number in (0, 1):
        lines(f"+{2 * number},{BAR}", f"+{2 * number + 1},{BAR}")(tmp_path / f"{number}.csv")
    intake = taken(tmp_path / "root", tmp_path / "0.csv", tmp_path / "1.csv")
    assert (intake.source["name"], intake.source["path"], intake.source["sha256"]) == ("2 files", None, None)
    assert [source["name"] for source in intake.source["files"]] == ["0.csv", "1.csv"]
    assert intake.source["size"] == sum((tmp_path / f"{number}.csv").stat().st_size for number in (0, 1))


@pytest.mark.parametrize(("gaps", "rows", "kept", "filled"), [("keep", 41, 1, 0), ("fill", 42, 0, 1)])
def test_gaps_are_kept_or_filled_only_when_that_is_asked_for(
    tmp_path: Path, gaps: str, rows: int, kept: int, filled: int
) -> None:
    csv, root = tmp_path / "gap.csv", tmp_path / "root"
    lines(*(f"+{n},{BAR}" for n in range(42) if n != 7))(csv)
    intake = taken(root, csv, gaps=gaps)
    assert (intake.dataset.rows, intake.dataset.gaps, intake.dataset.filled) == (rows, kept, filled)
    assert next(event for event in events(root) if isinstance(event, IngestValidated)).warnings
    made = make(root, csv, gaps=gaps, timeframe="5m", params={"fast": 1, "slow": 2}).run
    assert made.inputs["gaps"] == gaps


def test_asking_for_gaps_that_are_not_there_changes_no_identity(root: Path, minutes: Path) -> None:
    assert make(root, minutes, gaps="keep").existed
    assert make(root, minutes, gaps="fill").existed


def test_a_refused_file_is_told_and_leaves_nothing(tmp_path: Path) -> None:
    csv, root = tmp_path / "gap.csv", tmp_path / "root"
    lines(f"+0,{BAR}", f"+1,{BAR}", f"+9,{BAR}", f"+10,{BAR}")(csv)
    with pytest.raises(BuffError):
        taken(root, csv)
    assert names(root) == {"runs": [], "_datasets": [], "_staging": [], "_orphans": []}
    told = events(root)[-1]
    assert isinstance(told, IngestRejected)
    assert (told.code, told.rule, told.line, told.counts) == ("DATA_INVALID", "GAP", 4, {"GAP": 1})
    assert dict(opened(root).state.ingests) == {}


def test_a_limit_is_told_with_no_rule(tmp_path: Path, minutes: Path) -> None:
    with pytest.raises(LimitExceeded):
        read_into(
            opened(tmp_path).disk,
            str(tmp_path / "dataset"),
            [str(minutes)],
            CsvOptions(),
            settings=Settings(rows_max=10),
            progress=silent,
        )


@pytest.mark.parametrize("stop", [KeyboardInterrupt, SystemExit, MemoryError])
def test_an_ingest_that_is_stopped_leaves_no_file_and_shows_as_interrupted(
    root: Path, minutes: Path, stop: type[BaseException]
) -> None:
    def progress(stage: str, done: int, total: int) -> None:
        raise stop

    with pytest.raises(stop), opened(root) as store:
        take_in(store, [str(minutes)], CsvOptions(), symbol="X", progress=progress)
    assert names(root)["_staging"] == []
    state = opened(root).state
    assert [entry.files for entry in state.ingests.values()] == [["minutes.csv"]]


@pytest.mark.parametrize("stop", [KeyboardInterrupt, MemoryError])
@pytest.mark.parametrize("at", range(11))
def test_a_build_that_is_stopped_at_any_artifact_leaves_nothing(
    root: Path, minutes: Path, at: int, stop: type[BaseException]
) -> None:
    before, seen = names(root), []

    def progress(stage: str, done: int, total: int) -> None:
        seen.append(stage)
        if stage.startswith("writing") and done == at:
            raise stop

    with pytest.raises(stop), opened(root) as store:
        create(request(minutes, run_id="mine"), root=store, host=store.host, settings=store.settings, progress=progress)
    assert seen[-1].startswith("writing")
    assert names(root) == before
    assert not make(root, minutes, run_id="mine").existed


def test_progress_reaches_the_size_of_the_files(root: Path, minutes: Path) -> None:
    told: list[tuple[str, int, int]] = []
    with opened(root) as store:
        take_in(store, [str(minutes)], CsvOptions(), symbol="X", progress=lambda *step: told.append(step))
    assert {stage for stage, _, _ in told} == {"reading"}
    assert [done for _, done, _ in told] == sorted(done for _, done, _ in told)
    assert told[-1][1:] == (minutes.stat().st_size, minutes.stat().st_size)


def test_a_name_that_is_no_text_is_carried_with_marks(tmp_path: Path, minutes: Path) -> None:
    odd = tmp_path / b"caf\xe9.csv".decode("utf-8", "surrogateescape")
    odd.write_bytes(minutes.read_bytes())
    run = make(tmp_path / "root", odd).run
    assert run.manifest["data"]["source"]["name"] == "caf?.csv"
    assert msgspec.json.decode(run.artifact("manifest.json")) == run.manifest


@pytest.mark.parametrize("path", ["", "/nowhere/at/all.csv", "\0.csv", "\udcff.csv", "/dev/null"])
def test_what_is_no_file_is_not_opened(path: str) -> None:
    with pytest.raises(DataSourceNotFound) as caught:
        opened_files([path])
    assert caught.value.hint
    caught.value.message.encode()


def test_a_last_candle_that_has_not_ended_is_a_warning_and_nothing_more(tmp_path: Path, minutes: Path) -> None:
    """The clock stands half a minute before the end of the last minute, then after it: the dataset is the same."""
    ids = set()
    for clock, count in (("2024-01-02T23:59:30.000000Z", 1), ("2024-01-03T00:00:00.000000Z", 0)):
        root = tmp_path / clock[17:19]
        root.mkdir()
        with opened(root, clock=lambda clock=clock: clock) as store:
            taken_in = take_in(store, [str(minutes)], CsvOptions(), symbol="X", progress=silent)
        ids.add(taken_in.dataset.id)
        (validated,) = [event for event in events(root) if isinstance(event, IngestValidated)]
        assert len(taken_in.warnings) == len(validated.warnings) == count
        assert all("2024-01-03T00:00:00Z" in warning for warning in taken_in.warnings)
    assert len(ids) == 1


def packed(path: Path, content: bytes) -> Path:
    """Write content as it is, or as the end of the name says."""
    if path.suffix == ".gz":
        path.write_bytes(gzip.compress(content))
    elif path.suffix == ".zip":
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("bars.csv", content)
    else:
        path.write_bytes(content)
    return path


@pytest.mark.parametrize("name", ["bars.csv", "bars.csv.gz", "bars.zip"])
@pytest.mark.parametrize(("cut", "warned"), [(0, False), (1, True), (4, True)])
def test_a_last_line_without_its_end_is_a_warning_and_nothing_more(
    tmp_path: Path, minutes: Path, name: str, cut: int, warned: bool
) -> None:
    """Cut by four bytes the last volume is another number, and nothing in the file could tell."""
    content = minutes.read_bytes()
    path = packed(tmp_path / name, content[: len(content) - cut])
    found = taken(tmp_path / "root", path)
    says = f"{name}: the file does not end with a line end: was it cut short?"
    assert found.warnings == ((says,) if warned else ())
    (validated,) = [event for event in events(tmp_path / "root") if isinstance(event, IngestValidated)]
    assert validated.warnings == list(found.warnings)
    assert "line end" not in str(found.source)


def test_a_json_array_needs_no_line_end(tmp_path: Path) -> None:
    path = tmp_path / "candles.json"
    path.write_text("[[1704067200000,1,2,1,2,5],[1704067260000,1,2,1,2,5]]")
    assert taken(tmp_path / "root", path, profile="ccxt").warnings == ()


@pytest.mark.parametrize("what", ["touched", "replaced", "gone"])
def test_a_file_that_changed_while_it_was_read_is_a_warning(tmp_path: Path, minutes: Path, what: str) -> None:
    path, root = tmp_path / "bars.csv", tmp_path / "root"
    content = minutes.read_bytes()
    path.write_bytes(content)
    root.mkdir()

    def change(stage: str, done: int, total: int) -> None:
        if what == "touched":
            os.utime(path, ns=(0, 0))
        elif what == "replaced":
            (tmp_path / "other").write_bytes(content)
            (tmp_path / "other").replace(path)
        elif what == "gone":
            path.unlink(missing_ok=True)

    with opened(root) as store:
        found = take_in(store, [str(path)], CsvOptions(), symbol="X", progress=change)
    assert "bars.csv: the file changed while it was read; what is stored is what was read" in found.warnings
    assert found.source["sha256"] == hashlib.sha256(content).hexdigest()
