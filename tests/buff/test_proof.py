"""Verifying a run: every verdict with its exit code, and who is to blame."""

import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import msgspec
import pytest

import outside
from buff import canonical
from buff.audit import verify_all
from buff.builder import checked, plan_of
from buff.columns import HEADER_BYTES
from buff.datasets import load, resampled
from buff.decisions import plugins
from buff.errors import BuffError, RunNotFound
from buff.journal.events import RunVerified
from buff.market.quality import report
from buff.proof import EXITS, Verdict, compare, verify
from buff.recipe import committed
from buff.runs.artifacts import SCHEMAS, build, pieces
from buff.runs.directory import Piece, write_manifest, write_pieces
from buff.runs.identity import inputs_hash, run_id_of
from buff.runs.manifest import content_sha256, manifest_of
from buff.times import epoch_ms
from whole import events, make, names, opened, request, write_csv


def verdict_on(root: Path, run_id: str = "run", **options: Any) -> Verdict:
    with opened(root) as store:
        return verify(store, run_id, **options)


def writable(path: Path) -> Path:
    """Return a stored file that can be changed."""
    path.chmod(0o644)
    return path


def run_directory(root: Path) -> Path:
    return root / names(root)["runs"][0]


# Identical


def test_an_untouched_run_is_identical_and_the_journal_says_so(root: Path) -> None:
    found = verdict_on(root)
    assert (found.outcome, found.exit_code, found.difference, found.findings) == ("identical", 0, None, ())
    told = events(root)[-1]
    assert isinstance(told, RunVerified)
    assert (told.verdict, told.artifact, told.by) == ("identical", None, "tester")
    assert opened(root).runs().items[0].verdict == "identical"


def test_a_verdict_need_not_be_recorded(root: Path) -> None:
    before = opened(root).state.seq
    assert verdict_on(root, record=False).outcome == "identical"
    assert opened(root).state.seq == before


def test_the_original_file_proves_the_dataset_too(root: Path, minutes: Path) -> None:
    assert verdict_on(root, sources=[str(minutes)]).outcome == "identical"


@pytest.mark.parametrize("timeframe", ["1m", "30m", "1d"])
@pytest.mark.parametrize("window", [{}, {"start": "2024-01-02"}], ids=["whole", "window"])
def test_runs_of_every_shape_are_identical(
    tmp_path: Path, minutes: Path, timeframe: str, window: Mapping[str, str]
) -> None:
    params = {"fast": 1, "slow": 2}
    run = make(tmp_path / "root", minutes, timeframe=timeframe, params=params, **window).run
    assert verdict_on(tmp_path / "root", run.id, sources=[str(minutes)]).outcome == "identical"


def test_a_run_that_is_not_there_cannot_be_verified(root: Path) -> None:
    with pytest.raises(RunNotFound):
        verdict_on(root, "run_ffffffff")


# Damaged


def flipped(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) * 2 // 3] ^= 1
    writable(path).write_bytes(data)


def cut(path: Path) -> None:
    writable(path).write_bytes(path.read_bytes()[:-3])


def grown(path: Path) -> None:
    writable(path).write_bytes(path.read_bytes() + b"\n")


def removed(path: Path) -> None:
    path.unlink()


def emptied(path: Path) -> None:
    writable(path).write_bytes(b"")


def linked(path: Path) -> None:
    """The same bytes, but somewhere else: a link is not the file that was committed."""
    elsewhere = Path(shutil.copy(path, path.parents[2] / f"elsewhere-{path.name}"))
    path.unlink()
    path.symlink_to(elsewhere)


TAMPERING = (flipped, cut, grown, removed, emptied, linked)


@pytest.mark.parametrize("artifact", sorted(SCHEMAS))
@pytest.mark.parametrize("tamper", TAMPERING, ids=lambda tamper: tamper.__name__)
def test_an_artifact_that_was_touched_is_damage_and_is_named(
    root: Path, artifact: str, tamper: Callable[[Path], None]
) -> None:
    directory = run_directory(root)
    for folder in (directory, directory / "columns"):
        folder.chmod(0o755)
    tamper(directory / artifact)
    found = verdict_on(root)
    assert (found.outcome, found.exit_code) == ("damaged", 13)
    assert found.difference is not None
    assert found.difference.artifact == artifact
    assert found.findings[0].startswith(f"{artifact} ")
    told = events(root)[-1]
    assert (told.verdict, told.artifact) == ("damaged", artifact)
    assert opened(root).runs().items[0].state == "damaged"


def replaced(path: Path, old: str, new: str, *, line: int | None = None) -> None:
    """Change one text of a file, in one of its lines."""
    lines = path.read_text().splitlines(keepends=True)
    at = next(at for at in range(len(lines)) if (line is None or at == line) and old in lines[at])
    lines[at] = lines[at].replace(old, new, 1)
    writable(path).write_text("".join(lines))


@pytest.mark.parametrize(
    ("artifact", "old", "new", "record", "field"),
    [
        ("decision_records.jsonl", '"action":"HOLD"', '"action":"HELD"', 17, "action"),
        ("decision_records.jsonl", '"risk_state":"GREEN"', '"risk_state":"GREY!"', 0, "risk_state"),
        ("decision_records.jsonl", '"seq":40', '"seq":41', 40, "seq"),
        ("trades.jsonl", '"side":"long"', '"side":"gone"', 0, "side"),
        ("trades.jsonl", '"reason":"', '"reason":"x', 0, "entry.reason"),
        ("metrics.json", '"unit":"', '"unit":"x', None, None),
        ("quality_report.json", '"verdict":"', '"verdict":"x', None, "verdict"),
        ("timeline.json", '"type":"run_start"', '"type":"run_stort"', None, "0.type"),
    ],
)
def test_the_record_and_the_field_are_named(
    root: Path, artifact: str, old: str, new: str, record: int | None, field: str | None
) -> None:
    replaced(run_directory(root) / artifact, old, new, line=record)
    difference = verdict_on(root).difference
    assert difference is not None
    assert (difference.artifact, difference.record) == (artifact, record)
    if field is not None:
        assert difference.field == field
    assert difference.stored != difference.recomputed


def test_the_row_of_a_column_is_named_with_both_values(root: Path) -> None:
    path = writable(run_directory(root) / "columns" / "equity.npy")
    data = bytearray(path.read_bytes())
    data[HEADER_BYTES + 8 * 31 + 6] ^= 0x10
    path.write_bytes(data)
    difference = verdict_on(root).difference
    assert difference is not None
    assert (difference.artifact, difference.record) == ("columns/equity.npy", 31)
    assert float(difference.stored or "") != float(difference.recomputed or "")


def test_a_file_that_is_not_part_of_the_run_is_damage(root: Path) -> None:
    directory = run_directory(root)
    directory.chmod(0o755)
    (directory / "notes.txt").write_text("mine")
    found = verdict_on(root)
    assert (found.outcome, found.findings) == ("damaged", ("notes.txt is not part of the run",))


@pytest.mark.parametrize("tamper", [*TAMPERING[:5], lambda path: replaced(path, '"BTCUSDT"', '"ETHUSDT"')])
def test_a_manifest_that_was_touched_is_damage(root: Path, tamper: Callable[[Path], None]) -> None:
    directory = run_directory(root)
    directory.chmod(0o755)
    tamper(directory / "manifest.json")
    found = verdict_on(root)
    assert (found.outcome, found.difference and found.difference.artifact) == ("damaged", "manifest.json")


def test_a_run_whose_directory_is_gone_is_damaged(root: Path) -> None:
    shutil.rmtree(run_directory(root))
    assert verdict_on(root, opened(root).runs().items[0].run_id).outcome == "damaged"


def test_a_run_made_whole_again_is_not_damaged_any_more(root: Path) -> None:
    path = run_directory(root) / "metrics.json"
    whole = path.read_bytes()
    flipped(path)
    assert verdict_on(root).outcome == "damaged"
    path.write_bytes(whole)
    assert verdict_on(root).outcome == "identical"
    assert opened(root).runs().items[0].state == "committed"


# The data


def dataset(root: Path) -> Path:
    return root / "_datasets" / names(root)["_datasets"][0]


@pytest.mark.parametrize("column", ["ts", "open", "high", "low", "close", "volume", "filled"])
def test_a_flipped_bit_in_the_dataset_is_changed_data(root: Path, column: str) -> None:
    path = writable(dataset(root) / f"{column}.npy")
    data = bytearray(path.read_bytes())
    data[-20] ^= 1
    path.write_bytes(data)
    found = verdict_on(root)
    assert (found.outcome, found.exit_code) == ("data_changed", 10)
    assert f"{column}.npy" in found.findings[0]


@pytest.mark.parametrize("name", ["dataset.json", "quality.json", "close.npy"])
def test_a_file_missing_from_the_dataset_is_changed_data(root: Path, name: str) -> None:
    (dataset(root) / name).unlink()
    assert verdict_on(root).outcome == "data_changed"


def test_an_original_that_was_edited_is_changed_data(root: Path, minutes: Path, tmp_path: Path) -> None:
    edited = tmp_path / "edited.csv"
    lines = minutes.read_text().splitlines(keepends=True)
    stamp, *cells = lines[100].split(",")
    edited.write_text("".join([*lines[:100], ",".join([stamp, *cells[:-1], "9.00000\n"]), *lines[101:]]))
    found = verdict_on(root, sources=[str(edited)])
    assert (found.outcome, found.exit_code) == ("data_changed", 10)
    assert "source files" in found.findings[0]


def revoiced(minutes: Path, path: Path) -> Path:
    """Write the same bars as a vendor with other names and epochs would."""
    head, *rows = minutes.read_text().splitlines()
    assert head.startswith("timestamp,")
    made = [f"{epoch_ms(stamp)},{rest}" for stamp, _, rest in (row.partition(",") for row in rows)]
    path.write_text("\n".join(["openTime,Open,High,Low,Close,Vol", *made]) + "\n")
    return path


@pytest.mark.parametrize("first", ["minutes", "other"])
def test_every_file_the_dataset_is_known_from_proves_it(tmp_path: Path, minutes: Path, first: str) -> None:
    """The run exists from one vendor's file; another's, with the same bars, is read as it was read when it came."""
    root, other = tmp_path / "root", revoiced(minutes, tmp_path / "other.csv")
    columns = {"ts": "openTime", "volume": "Vol"}
    ways: dict[str, tuple[Path, dict[str, Any]]] = {"minutes": (minutes, {}), "other": (other, {"columns": columns})}
    for name in sorted(ways, key=lambda name: name != first):
        path, changes = ways[name]
        assert make(root, path, **changes).existed == (name != first)
    for path, _ in ways.values():
        assert verdict_on(root, sources=[str(path)]).outcome == "identical"
    dataset_id = opened(root).datasets()[0].dataset_id
    by_id = make(root, dataset=dataset_id, risk_level=5).run
    for path, _ in ways.values():
        assert verdict_on(root, by_id.id, sources=[str(path)]).outcome == "identical"


def test_several_files_are_known_by_all_their_hashes(root: Path, minutes: Path, tmp_path: Path) -> None:
    rows = revoiced(minutes, tmp_path / "whole.csv").read_text().splitlines(keepends=True)
    parts = [tmp_path / "a.csv", tmp_path / "b.csv"]
    parts[0].write_text("".join(rows[:2001]))
    parts[1].write_text("".join([rows[0], *rows[2001:]]))
    columns = {"ts": "openTime", "volume": "Vol"}
    assert make(root, csv=[str(part) for part in parts], columns=columns).existed
    assert verdict_on(root, sources=[str(part) for part in parts]).outcome == "identical"


def test_a_file_the_dataset_is_not_known_from_is_refused_with_those_that_are(
    root: Path, minutes: Path, tmp_path: Path
) -> None:
    other = write_csv(tmp_path / "other.csv", seed=99)
    says = "the dataset is known from other files: minutes.csv (profile buff, sha256 "
    assert says in verdict_on(root, sources=[str(other)]).findings[1]
    with pytest.raises(BuffError) as caught:
        verdict_on(root, sources=[str(revoiced(minutes, tmp_path / "unknown.csv"))])
    assert caught.value.code == "DATA_INVALID"
    assert says in caught.value.hint
    copy = tmp_path / "copy.csv"
    copy.write_text(minutes.read_text() + "\n")
    assert verdict_on(root, sources=[str(copy)]).findings == (), "what makes the same bars needs not be known"


def test_an_original_of_other_minutes_is_changed_data(root: Path, tmp_path: Path) -> None:
    other = write_csv(tmp_path / "other.csv", seed=99)
    assert verdict_on(root, sources=[str(other)]).outcome == "data_changed"


def test_an_original_that_cannot_be_read_is_an_error_of_its_own(root: Path, tmp_path: Path) -> None:
    with pytest.raises(BuffError) as caught:
        verdict_on(root, sources=[str(tmp_path / "absent.csv")])
    assert caught.value.code == "DATA_SOURCE_NOT_FOUND"


@pytest.mark.parametrize("spoil", [False, True], ids=["whole", "damaged"])
def test_without_its_dataset_only_the_stored_bytes_can_be_checked(root: Path, spoil: bool) -> None:
    shutil.rmtree(dataset(root))
    if spoil:
        flipped(run_directory(root) / "metrics.json")
    found = verdict_on(root)
    assert (found.outcome, found.exit_code) == (("damaged", 13) if spoil else ("inputs_missing", 12))
    assert any("is not in this root" in finding for finding in found.findings)


def test_a_changed_resample_is_found_though_the_run_is_whole(root: Path) -> None:
    """It is what charts are drawn from; the run itself is recomputed from the base bars."""
    flipped(dataset(root) / "1h" / "close.npy")
    found = verdict_on(root)
    assert found.outcome == "data_changed"
    assert found.exit_code == 10
    assert any("1h/close.npy" in finding for finding in found.findings)


def test_a_damaged_run_of_changed_data_is_damaged(root: Path) -> None:
    flipped(run_directory(root) / "metrics.json")
    (dataset(root) / "dataset.json").unlink()
    found = verdict_on(root)
    assert (found.outcome, found.difference and found.difference.artifact) == ("damaged", "metrics.json")
    assert len(found.findings) == 3


# Strategy and engine: runs that were honestly made by another version


def another(root: Path, minutes: Path, change: Callable[[dict[str, Any]], object]) -> str:
    """Commit, through the store, the run that another version of Buff would have made; return its id."""
    with opened(root) as store:
        stored = store.datasets()[0]
        asked, params = checked(request(dataset=stored.dataset_id))
        data = load(str(root), stored.dataset_id)
        bars = resampled(store.disk, str(root), data, asked.timeframe, store.owner.path("resample"))
        plan = plan_of(asked, params, data, bars, "BTCUSDT")
        inputs: dict[str, Any] = msgspec.json.decode(canonical.encode(plan.inputs))
        change(inputs)
        hashed = inputs_hash(inputs)
        run_id = run_id_of(hashed)
        built = build(plan.inputs, plan.bars, report(data.quality, bars.quality))
        manifest = manifest_of(
            run_id=run_id,
            inputs=inputs,
            inputs_hash=hashed,
            data=store.run(names(root)["runs"][0]).manifest["data"],
            artifacts=write_pieces(store.disk, store.owner.path(run_id), pieces(built)),
            references=store.run(names(root)["runs"][0]).manifest["references"],
        )
        write_manifest(store.disk, store.owner.path(run_id), manifest)
        said = {"name": asked.name, "notes": asked.notes, "tags": asked.tags, "by": "tester"}
        store.commit(run_id, committed(manifest, metrics=built.metrics, equity=built.outcome.equity, **said))
    return run_id


OTHERS = {
    "engine_changed": lambda inputs: inputs.update(engine_version="0"),
    "strategy_changed": lambda inputs: inputs["strategy"].update(source_sha256="0" * 64),
    "strategy gone": lambda inputs: inputs["strategy"].update(id="moonshot"),
}


@pytest.mark.parametrize("name", OTHERS)
def test_a_run_of_another_version_is_told_from_a_wrong_one(root: Path, minutes: Path, name: str) -> None:
    run_id = another(root, minutes, OTHERS[name])
    outcome = "strategy_changed" if name == "strategy gone" else name
    found = verdict_on(root, run_id)
    assert (found.outcome, found.exit_code) == (outcome, {"engine_changed": 11}.get(outcome, 14))
    assert found.findings
    assert opened(root).runs().items[0].state == "committed"


@pytest.mark.parametrize("name", OTHERS)
def test_the_stored_bytes_of_another_version_are_still_checked(root: Path, minutes: Path, name: str) -> None:
    run_id = another(root, minutes, OTHERS[name])
    flipped(root / run_id / "decision_records.jsonl")
    found = verdict_on(root, run_id)
    assert (found.outcome, found.exit_code) == ("damaged", 13)
    assert found.difference is not None
    assert found.difference.artifact == "decision_records.jsonl"


def test_files_as_committed_that_come_out_otherwise_today_blame_the_engine(root: Path, minutes: Path) -> None:
    """An engine whose author forgot to raise its version: the inputs are the same, the bytes are not."""
    run_id = another(root, minutes, lambda inputs: inputs.update(initial_equity=20_000.0))
    found = verdict_on(root, run_id)
    assert (found.outcome, found.exit_code) == ("engine_changed", 11)
    assert found.difference is not None
    assert "other bytes today" in found.findings[-1]


# Looking ahead, and strategies from outside

SCHEMA = Path(__file__).parents[2] / "docs" / "reference" / "manifest.schema.json"
PEEKS = """
import numpy as np
from buff import Decisions, Strategy

def _decide(bars, params):
    target = (np.append(bars.close[1:], bars.close[-1]) > bars.close).astype(np.int8)
    changed = np.diff(target, prepend=np.int8(0))
    return Decisions(target=target, reason=(changed != 0).astype(np.uint8))

STRATEGY = Strategy(id="peeker", version="1", citation="none", rule="Knows tomorrow.", params=(), reasons=("", "knew"),
                    sides=("long",), warmup=lambda params: 0, decide=_decide)
"""


def test_an_honest_run_does_not_look_ahead(root: Path) -> None:
    assert verdict_on(root, no_lookahead=True).outcome == "identical"


def test_a_run_of_a_strategy_that_looks_ahead_is_told_with_the_bar(root: Path, minutes: Path, site: Path) -> None:
    """It recomputes byte for byte, so nothing but the trial can tell."""
    outside.install(site, "peeker", files={"__init__.py": PEEKS})
    run = make(root, minutes, strategy="peeker", params={}).run
    assert verdict_on(root, run.id).outcome == "identical"
    found = verdict_on(root, run.id, no_lookahead=True)
    assert (found.outcome, found.exit_code, found.difference) == ("look_ahead", 15, None)
    assert "strategy peeker breaks its contract at bar" in found.findings[0]
    assert "it decides otherwise when what follows bar" in found.findings[0]
    assert events(root)[-1].verdict == "look_ahead"
    assert opened(root).runs().items[0].state == "committed"


def test_only_a_trial_takes_back_that_a_rule_looks_ahead(root: Path, minutes: Path, site: Path) -> None:
    """Else a list would call a run verified that is known to cheat."""
    outside.install(site, "peeker", files={"__init__.py": PEEKS})
    run = make(root, minutes, strategy="peeker", params={}).run
    verdict_on(root, run.id, no_lookahead=True)
    assert verdict_on(root, run.id).outcome == "identical"
    with opened(root) as store:
        assert [each.outcome for each in verify_all(store)] == ["identical", "identical"]
        assert store.entry(run.id).verdict == "look_ahead"
    flipped(root / run.id / "trades.jsonl")
    assert verdict_on(root, run.id).outcome == "damaged"
    assert opened(root).entry(run.id).verdict == "damaged"


@pytest.mark.parametrize("name", ["ts", "close", "volume"])
def test_what_junk_makes_of_a_run_is_never_seen(root: Path, minutes: Path, name: str) -> None:
    """The run is made again while its data are still being hashed: whatever comes of them, the data are to blame."""
    run = make(root, minutes).run
    (path,) = (root / "_datasets").glob(f"*/{name}.npy")
    content = path.read_bytes()
    path.chmod(0o644)
    path.write_bytes(content[:HEADER_BYTES] + b"\xff" * (len(content) - HEADER_BYTES))
    found = verdict_on(root, run.id)
    assert (found.outcome, found.difference) == ("data_changed", None)
    assert f"{name}.npy" in found.findings[0]


def test_a_bug_in_making_a_run_again_is_not_swallowed(
    root: Path, minutes: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = make(root, minutes).run

    def broken(*given: Any, **named: Any) -> Any:
        raise ZeroDivisionError("a bug")

    monkeypatch.setattr("buff.proof.build", broken)
    with pytest.raises(ZeroDivisionError, match="a bug"):
        verdict_on(root, run.id)


def test_a_strategy_that_is_not_installed_any_more_leaves_its_runs_as_they_are(
    root: Path, minutes: Path, site: Path
) -> None:
    outside.install(site, "riser", version="1.4")
    run = make(root, minutes, strategy="riser", params={}).run
    assert verdict_on(root, run.id, no_lookahead=True).outcome == "identical"
    outside.uninstall(site, "riser")
    found = verdict_on(root, run.id, no_lookahead=True)
    assert (found.outcome, found.exit_code) == ("strategy_changed", 14)
    assert found.findings == (
        "strategy riser is not registered any more; it came with riser 1.4",
        "whether the strategy looks ahead was not tried, since the run could not be made again",
        "package riser 1.4, which the run was made with, is not installed here",
        "the stored files are those that were committed",
    )
    with opened(root) as store:
        again = store.run(run.id)
        assert again.inputs["strategy"]["id"] == "riser"
        assert (len(again.bars), len(again.records), list(again.trades)) == (48, 48, list(run.trades))
        assert "<svg" in again._repr_html_()
        assert store.runs(strategy="riser").items[0].run_id == run.id
        assert {each.run_id: each.outcome for each in verify_all(store, stored_bytes_only=True, record=False)} == {
            entry.run_id: "whole" for entry in store.runs().items
        }
    flipped(root / run.id / "decision_records.jsonl")
    assert verdict_on(root, run.id).outcome == "damaged"


def test_another_source_of_a_strategy_from_outside_is_told_with_the_packages_that_differ(
    root: Path, minutes: Path, site: Path
) -> None:
    outside.install(site, "maths", version="2.0")
    outside.install(site, "riser", version="1.4", requires=["maths"])
    run = make(root, minutes, strategy="riser", params={}).run
    assert run.manifest["packages"] == [{"name": "riser", "version": "1.4"}, {"name": "maths", "version": "2.0"}]
    jsonschema = pytest.importorskip("jsonschema", reason="not installed beside the oldest versions")
    jsonschema.validate(run.manifest, msgspec.json.decode(SCHEMA.read_bytes()))
    for package in ("maths", "riser"):
        outside.uninstall(site, package)
    outside.install(site, "maths", version="2.1")
    outside.install(site, "riser", version="1.4", files={"__init__.py": outside.RULE.replace("{id}", "riser") + "\n"})
    plugins._LOADED.clear()
    found = verdict_on(root, run.id)
    assert (found.outcome, found.findings) == (
        "strategy_changed",
        (
            "the source of strategy riser is not the one of this run",
            "the run was made with package maths 2.0, and 2.1 is installed here",
            "the stored files are those that were committed",
        ),
    )


def test_a_package_of_another_version_is_named_where_the_bytes_differ(root: Path, minutes: Path, site: Path) -> None:
    """The source is the same; what it stands on decides otherwise."""
    text = outside.RULE.replace("{id}", "riser").replace("import numpy as np", "import maths\nimport numpy as np")
    text = text.replace("> bars.close[:-1]", "> bars.close[:-1] * maths.FACTOR")
    outside.install(site, "maths", version="2.0", files={"__init__.py": "FACTOR = 1.0\nSTRATEGY = None\n"})
    outside.install(site, "riser", requires=["maths"], files={"__init__.py": text})
    run = make(root, minutes, strategy="riser", params={}).run
    outside.uninstall(site, "maths")
    outside.install(site, "maths", version="2.1", files={"__init__.py": "FACTOR = 1.002\nSTRATEGY = None\n"})
    plugins._LOADED.clear()
    found = verdict_on(root, run.id)
    assert found.outcome == "engine_changed"
    assert found.difference is not None
    assert "the run was made with package maths 2.0, and 2.1 is installed here" in found.findings


def test_packages_are_no_part_of_what_two_machines_compare(root: Path, minutes: Path, site: Path) -> None:
    """A run made again where a package is newer, and the decisions are the same, is the same run."""
    outside.install(site, "maths", version="2.0")
    outside.install(site, "riser", requires=["maths"])
    run = make(root, minutes, strategy="riser", params={}).run
    outside.uninstall(site, "maths")
    outside.install(site, "maths", version="2.1")
    plugins._LOADED.clear()
    with outside.site(site):
        again = make(root.parent / "other", minutes, strategy="riser", params={}).run
    assert again.manifest["packages"] != run.manifest["packages"]
    assert (again.id, content_sha256(again.manifest)) == (run.id, content_sha256(run.manifest))


# What people and scripts see


def test_every_verdict_has_an_exit_code_of_its_own() -> None:
    assert sorted(EXITS.values()) == [0, 0, 10, 11, 12, 13, 14, 15]


def test_a_verdict_is_told_as_lines_and_as_plain_values(root: Path) -> None:
    replaced(run_directory(root) / "decision_records.jsonl", '"seq":40', '"seq":41', line=40)
    found = verdict_on(root)
    assert list(found.lines())[-1] == (
        "first difference: decision_records.jsonl, record 40, field seq: stored 41, recomputed 40"
    )
    assert msgspec.json.decode(canonical.encode(found.as_dict())) == {
        "run_id": found.run_id,
        "outcome": "damaged",
        "exit_code": 13,
        "difference": {
            "artifact": "decision_records.jsonl",
            "record": 40,
            "field": "seq",
            "stored": "41",
            "recomputed": "40",
        },
        "findings": ["decision_records.jsonl holds other bytes than were committed"],
    }


def test_a_piece_is_read_to_its_end_whatever_the_file_holds(tmp_path: Path) -> None:
    """Later pieces may depend on what an earlier one has streamed."""
    for content in (None, b"", b"a\nx\n", b"a\nb\nc\nd\n"):
        read: list[bytes] = []

        def chunks(read: list[bytes] = read) -> Any:
            for chunk in (b"a\n", b"b\nc\n"):
                read.append(chunk)
                yield chunk

        path = tmp_path / "file.jsonl"
        path.unlink(missing_ok=True)
        if content is not None:
            path.write_bytes(content)
        found = compare(str(path), Piece(name="file.jsonl", schema="x", chunks=chunks()))
        assert read == [b"a\n", b"b\nc\n"]
        assert found is not None
        assert found.record == {None: None, b"": 0, b"a\nx\n": 1, b"a\nb\nc\nd\n": 3}[content]
