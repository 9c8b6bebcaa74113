"""Creating runs: what a good request makes, and what every bad one gets, through Python and the command line."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import msgspec
import pytest

import outside
from bad_inputs import BAR, DATA, REQUESTS, Bad, lines
from buff.builder import create
from buff.cli.main import run as command_line
from buff.decisions import plugins
from buff.errors import CODES, BuffError, RunConfigInvalid
from buff.journal.events import IngestRejected, RunCommitted, RunRejected
from buff.preview import preview
from whole import SETTINGS, arguments, buff, events, host, make, names, opened, request, write_csv

# What a good request makes


def test_a_csv_becomes_a_committed_run(minutes: Path, tmp_path: Path) -> None:
    created = make(tmp_path / "root", minutes)
    assert not created.existed
    assert created.run.inputs["timeframe"] == "1h"
    assert len(created.run.records) == 48
    told = [event.TYPE for event in events(tmp_path / "root")]
    assert told == [
        "journal_opened",
        "ingest_started.v2",
        "ingest_parsed",
        "ingest_validated.v2",
        "dataset_stored.v2",
        "run_committed.v2",
    ]
    assert names(tmp_path / "root") == {
        "runs": [created.run.id],
        "_datasets": [created.run.inputs["dataset_id"]],
        "_staging": [],
        "_orphans": [],
    }


def test_the_same_inputs_return_the_run_that_is_there(root: Path, minutes: Path) -> None:
    before = names(root)
    again = make(root, minutes)
    assert again.existed
    assert names(root) == before
    assert sum(isinstance(event, RunCommitted) for event in events(root)) == 1


def test_defaults_written_out_are_the_same_inputs(root: Path, minutes: Path) -> None:
    written = {
        "profile": "buff",
        "gaps": "reject",
        "base_timeframe": "1m",
        "commission_bps": 10,
        "slippage_bps": 5,
        "min_fee": 0,
        "initial_equity": 10_000,
        "start": "2024-01-01",
        "end": "2024-01-03",
        "params": {"slow": 8, "fast": 3.0, "direction": "long"},
    }
    assert make(root, minutes, **written).existed


@pytest.mark.parametrize("field", ["name", "notes", "tags"])
def test_what_is_for_people_is_no_part_of_the_identity(root: Path, minutes: Path, field: str) -> None:
    assert make(root, minutes, **{field: "another"}).existed


def test_a_dataset_does_instead_of_its_csv(root: Path, minutes: Path) -> None:
    dataset = opened(root).datasets()[0]
    again = make(root, dataset=dataset.dataset_id, symbol=None)
    assert again.existed
    other = make(root, dataset=dataset.dataset_id, symbol="ETHUSDT")
    assert not other.existed
    assert len(names(root)["_datasets"]) == 1


def test_an_id_of_ones_own_names_the_run(root: Path, minutes: Path) -> None:
    mine = make(root, minutes, run_id="mine")
    assert mine.run.id == "mine"
    assert make(root, minutes, run_id="mine").existed


def test_several_files_are_one_dataset(tmp_path: Path, minutes: Path) -> None:
    lines = minutes.read_text().splitlines(keepends=True)
    first, second = tmp_path / "first.csv", tmp_path / "second.csv"
    first.write_text("".join(lines[:1_441]))
    second.write_text("".join([lines[0], *lines[1_441:]]))
    root = tmp_path / "root"
    whole, parts = make(root, minutes), make(root, csv=[str(first), str(second)])
    assert parts.existed
    assert parts.run.id == whole.run.id


# Windows


def test_a_window_is_cut_after_resampling(root: Path, minutes: Path) -> None:
    run = make(root, minutes, start="2024-01-01T06:00:00Z", end="2024-01-02").run
    assert (run.inputs["start"], run.inputs["end"]) == ("2024-01-01T06:00:00Z", "2024-01-02T00:00:00Z")
    assert len(run.bars) == len(run.equity) == len(run.records) == 18
    assert run.records[0]["ts"] == "2024-01-01T06:00:00Z"


@pytest.mark.parametrize(
    ("bounds", "field"),
    [
        ({"start": "2024-01-01T00:30:00Z"}, "start"),
        ({"end": "2024-01-01T23:59:00Z"}, "end"),
        ({"start": "2023-12-31"}, "start"),
        ({"end": "2024-01-03T01:00:00Z"}, "end"),
        ({"start": "2024-01-03"}, "end"),
        ({"start": "2024-01-02", "end": "2024-01-02"}, "end"),
        ({"start": "2024-01-02", "end": "2024-01-01T12:00:00Z"}, "end"),
        ({"start": "0001-01-01"}, "start"),
        ({"end": "9999-12-31"}, "end"),
    ],
    ids=str,
)
def test_a_window_that_cannot_be_names_its_bound(
    root: Path, minutes: Path, bounds: Mapping[str, str], field: str
) -> None:
    with pytest.raises(BuffError) as caught:
        make(root, minutes, **bounds)
    assert (caught.value.code, caught.value.details["field"]) == ("RUN_CONFIG_INVALID", field)
    assert caught.value.hint


def test_prices_beyond_arithmetic_are_stored_and_no_run_is_made_of_them(tmp_path: Path) -> None:
    """Squares of such prices are infinite: what a rule made of them would be noise, and was, once."""
    path, root = tmp_path / "huge.csv", tmp_path / "root"
    lines(*(f"+{at},1e155,2e155,1e155,1.5e155,1" for at in range(120)))(path)
    values = request(path, strategy="bollinger_reversion", params={"window": 2}, timeframe="1m")
    for ask in (preview, create):
        with pytest.raises(RunConfigInvalid, match=r"prices from 1e.155 to 2e.155 leave the range") as caught:
            ask(values, root=str(root), host=host(), settings=SETTINGS)
    assert "--dataset needs no file" in caught.value.hint
    assert names(root)["runs"] == []
    assert len(names(root)["_datasets"]) == 1


# What bad input gets: one table, two doors


ALL = [pytest.param(bad, id=bad.name) for bad in (*DATA, *REQUESTS)]


@pytest.fixture
def asked(tmp_path: Path, minutes: Path) -> Callable[[Bad], dict[str, Any]]:
    """Return a bad input's request, its file written."""

    def ask(bad: Bad) -> dict[str, Any]:
        path = minutes
        if bad.content is not None:
            path = tmp_path / "bad.csv"
            bad.content(path)
        return request(path, **bad.changes)

    return ask


def check_error(bad: Bad, error: Mapping[str, Any]) -> None:
    """The code is the stable one, the sentence says where, and there is something to do."""
    assert error["code"] == bad.code
    assert error["hint"]
    assert bad.says in error["message"] + error["hint"]
    details = error["details"]
    if bad.rule is not None:
        assert details["rule"] == bad.rule
        assert details["counts"][bad.rule] >= 1
        assert f"line {details['offences'][0]['line']}" in error["message"]
    if bad.line is not None:
        assert details["offences"][0]["line"] == bad.line
    if bad.field is not None:
        assert details["field"] == bad.field


def check_told(bad: Bad, root: Path) -> None:
    """The journal's last event tells of the refusal, in the family it belongs to."""
    last = events(root)[-1]
    assert isinstance(last, IngestRejected if bad.code.startswith("DATA_") else RunRejected)
    assert last.code == bad.code
    assert last.by == "tester"
    if isinstance(last, IngestRejected):
        assert (last.rule, last.line) == (bad.rule, bad.line if bad.line is not None else last.line)


@pytest.mark.parametrize("bad", ALL)
def test_bad_input_is_refused_and_leaves_nothing_but_an_event(
    bad: Bad, root: Path, asked: Callable[[Bad], dict[str, Any]]
) -> None:
    before, values = names(root), asked(bad)
    with pytest.raises(BuffError) as caught:
        create(values, root=str(root), host=host(), settings=SETTINGS)
    check_error(bad, caught.value.as_dict())
    check_told(bad, root)
    assert names(root) == before
    assert len(opened(root).runs().items) == 1


@pytest.mark.parametrize("bad", ALL)
def test_bad_input_at_the_command_line(
    bad: Bad,
    root: Path,
    asked: Callable[[Bad], dict[str, Any]],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("BUFF_USER", "tester")
    before, words = names(root), arguments(asked(bad))
    code = command_line(["run", "create", *words, "--runs-root", str(root), "--json"])
    out, err = capsys.readouterr()
    assert (code, out) == (CODES[bad.code].exit_code, "")
    check_error(bad, msgspec.json.decode(err))
    assert names(root) == before
    check_told(bad, root)

    assert command_line(["run", "create", *words, "--runs-root", str(root)]) == code
    out, err = capsys.readouterr()
    assert err.startswith(f"{bad.code}: ")
    assert "What to do: " in err
    assert "Traceback" not in out + err


@pytest.mark.parametrize(
    "bad", [bad for bad in ALL if bad.id in ("missing", "empty", "gap", "risk 6", "fast above slow")]
)
def test_bad_input_to_a_real_process(bad: Bad, root: Path, asked: Callable[[Bad], dict[str, Any]]) -> None:
    done = buff("run", "create", *arguments(asked(bad)), env={"RUNS_ROOT": str(root), "BUFF_USER": "tester"})
    assert (done.returncode, done.stdout) == (CODES[bad.code].exit_code, "")
    assert done.stderr.startswith(f"{bad.code}: ")
    assert "What to do: " in done.stderr
    assert "Traceback" not in done.stderr
    check_told(bad, root)


@pytest.mark.parametrize("bad", [bad for bad in ALL if bad.id in ("missing", "directory") or bad.values[0] in REQUESTS])
def test_a_request_that_cannot_be_makes_no_root(
    bad: Bad, tmp_path: Path, asked: Callable[[Bad], dict[str, Any]]
) -> None:
    needs_data = bad.name in ("no complete window", "empty window")
    with pytest.raises(BuffError) as caught:
        create(asked(bad), root=str(tmp_path / "root"), host=host(), settings=SETTINGS)
    assert caught.value.code == bad.code
    if not needs_data:
        assert not (tmp_path / "root").exists()


def test_the_exact_count_and_the_first_twenty_offences_are_told(root: Path, tmp_path: Path) -> None:
    path = tmp_path / "gaps.csv"
    rows = [row for n in range(31) for row in (f"+{4 * n},{BAR}", f"+{4 * n + 1},{BAR}")]
    lines(*rows)(path)
    with pytest.raises(BuffError) as caught:
        make(root, path)
    details: Any = caught.value.details
    assert details["counts"] == {"GAP": 30}
    assert [offence["line"] for offence in details["offences"]] == [4 + 2 * n for n in range(20)]
    last = events(root)[-1]
    assert (last.counts, last.line) == ({"GAP": 30}, 4)


# An id that is taken


def test_an_id_with_other_inputs_is_refused(root: Path, minutes: Path) -> None:
    taken = opened(root).runs().items[0]
    before = names(root)
    with pytest.raises(BuffError) as caught:
        make(root, minutes, run_id=taken.run_id, risk_level=4)
    assert (caught.value.code, caught.value.exit_code) == ("RUN_EXISTS", 6)
    assert caught.value.details["committed"] == taken.inputs_hash != caught.value.details["asked"]
    assert events(root)[-1].code == "RUN_EXISTS"
    assert {**names(root), "_staging": []} == before


# A root that cannot be


def test_a_root_must_be_named(minutes: Path) -> None:
    for nothing in (None, ""):
        with pytest.raises(BuffError) as caught:
            create(request(minutes), root=nothing, host=host(), settings=SETTINGS)
        assert (caught.value.code, caught.value.exit_code) == ("RUNS_ROOT_UNSET", 8)
        assert caught.value.hint
    done = buff("run", "create", *arguments(request(minutes)))
    assert (done.returncode, done.stderr.partition(":")[0]) == (8, "RUNS_ROOT_UNSET")


def test_a_root_that_is_a_file_is_refused_and_kept(minutes: Path, tmp_path: Path) -> None:
    place = tmp_path / "root"
    place.write_text("mine")
    for inside in (place, place / "deeper"):
        with pytest.raises(BuffError) as caught:
            create(request(minutes), root=str(inside), host=host(), settings=SETTINGS)
        assert (caught.value.code, caught.value.exit_code) == ("RUNS_ROOT_INVALID", 8)
        assert caught.value.hint
    assert place.read_text() == "mine"


def test_a_root_is_made_with_its_parents(minutes: Path, tmp_path: Path) -> None:
    assert make(tmp_path / "a" / "b" / "root", minutes).run.id.startswith("run_")


def test_the_environment_may_name_the_root(minutes: Path, tmp_path: Path) -> None:
    root = tmp_path / "root"
    done = buff("run", "create", *arguments(request(minutes)), "--json", env={"RUNS_ROOT": str(root)})
    assert (done.returncode, done.stderr) == (0, "")
    assert names(root)["runs"] == [msgspec.json.decode(done.stdout)["run_id"]]


def test_a_foreign_file_of_the_runs_name_is_not_touched(root: Path, minutes: Path) -> None:
    (root / "mine").write_text("a user's own")
    with pytest.raises(BuffError) as caught:
        make(root, minutes, run_id="mine")
    assert caught.value.code == "RUNS_ROOT_INVALID"
    assert (root / "mine").read_text() == "a user's own"
    assert names(root)["_staging"] == []
    assert make(root, minutes, run_id="other").run.id == "other"


def test_limits_are_held_before_anything_is_stored(tmp_path: Path, minutes: Path) -> None:
    for name, limit in (("BUFF_ROWS_MAX", "1000"), ("BUFF_CSV_BYTES_MAX", "1000")):
        root = tmp_path / name
        done = buff("run", "create", *arguments(request(minutes)), env={"RUNS_ROOT": str(root), name: limit})
        assert (done.returncode, done.stderr.partition(":")[0]) == (7, "LIMIT_EXCEEDED")
        assert names(root) == {"runs": [], "_datasets": [], "_staging": [], "_orphans": []}
        assert "ingest_rejected.v2" in [event.TYPE for event in events(root)]


def test_the_real_vendor_files_do_what_the_issue_says(shared_data: Path, tmp_path: Path) -> None:
    clean, gaps = shared_data / "clean_1m_BTC-PERP_2022-01-01_14d.csv", shared_data / "gaps_1m_6EH4_2024-01.csv"
    for timeframe, bars in (("1h", 336), ("1d", 14)):
        made = make(tmp_path / "root", clean, timezone="UTC", timeframe=timeframe, params={"fast": 2, "slow": 5})
        assert len(made.run.bars) == bars
    with pytest.raises(BuffError) as caught:
        make(tmp_path / "root", gaps, timezone="UTC")
    details: Any = caught.value.details
    assert (details["rule"], details["counts"]["GAP"], details["offences"][0]["line"]) == ("GAP", 375, 11)
    with pytest.raises(BuffError) as caught:
        make(tmp_path / "root", gaps)
    details = caught.value.details
    assert (details["rule"], details["offences"][0]["line"]) == ("TIMEZONE", 2)


def test_sample_minutes_of_other_seeds_are_other_runs(tmp_path: Path, minutes: Path) -> None:
    other = write_csv(tmp_path / "other.csv", seed=8)
    root = tmp_path / "root"
    assert make(root, minutes).run.id != make(root, other).run.id


# Strategies from outside


BREAKING = {
    "raised": (
        "    changed = np",
        "    bars.close[len(bars)]\n    changed = np",
        "decide raised IndexError: index 48 is out",
    ),
    "range": ("bars.close[:-1]\n", "bars.close[:-1]\n    target *= 2\n", "at bar 1: the target must be -1, 0 or +1"),
    "shape": (
        "    changed =",
        "    target = target.astype(float)\n    changed =",
        "target must be int8[48], it is float64[48]",
    ),
    "warmup": ("return 1\n", "return 9\n", "at bar 1: the target must be 0 on the 9 bars of the warm-up"),
    "repeat": (
        "    changed =",
        "    CALLS.append(0)\n    target[9:] = len(CALLS) % 2\n    changed =",
        "asked twice, it gave two",
    ),
}


@pytest.mark.parametrize("rule", BREAKING)
def test_a_strategy_that_breaks_its_contract_is_refused_and_nothing_is_half_made(
    root: Path, minutes: Path, site: Path, rule: str
) -> None:
    old, new, says = BREAKING[rule]
    text = outside.RULE.replace("{id}", "riser")
    assert text.count(old) == 1
    outside.install(site, "riser", files={"__init__.py": text.replace(old, new) + "\nCALLS = []\n"})
    before = names(root)
    with pytest.raises(BuffError) as caught:
        make(root, minutes, strategy="riser", params={})
    assert (caught.value.code, caught.value.details["rule"]) == ("STRATEGY_INVALID", rule)
    assert says in caught.value.message
    assert names(root) == before
    last = events(root)[-1]
    assert isinstance(last, RunRejected)
    assert (last.code, last.details["strategy"]) == ("STRATEGY_INVALID", "riser")
    assert str(site) not in repr(last)
    if rule == "raised":
        assert last.details["place"] == "riser, line 15, in _decide"
        assert last.details["source_line"] == "bars.close[len(bars)]"


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        (None, None),
        (True, True),
        ("a" * 300, "a" * 200),
        (1 << 60, str(1 << 60)),
        (float("nan"), "nan"),
        (0.5, 0.5),
        (({"source": "a.csv", "line": 7},), [{"source": "a.csv", "line": 7}]),
        (list(range(50)), list(range(20))),
        ({1: Path("a.csv")}, {"1": "a.csv"}),
        ([[[[["deep"]]]]], [[[["['deep']"]]]]),
        ([{"says": "\u20ac" * 200}] * 20, '[{"says":"' + "\u20ac" * 190),
    ],
)
def test_details_of_a_refusal_are_plain_values_and_cut(tmp_path: Path, minutes: Path, given: Any, kept: Any) -> None:
    """What the journal keeps is JSON, not the way in which Python writes it, however large it was."""

    def refused(stage: str, done: int, total: int) -> None:
        raise RunConfigInvalid("no", details={"given": given})

    with pytest.raises(RunConfigInvalid):
        create(request(minutes), root=str(tmp_path / "root"), host=host(), settings=SETTINGS, progress=refused)
    last = events(tmp_path / "root")[-1]
    assert isinstance(last, RunRejected)
    assert last.details == {"given": kept}


def test_other_runs_go_on_beside_a_package_that_cannot_be_imported(root: Path, minutes: Path, site: Path) -> None:
    outside.install(site, "faulty", files={"__init__.py": "raise RuntimeError('no')\n"})
    outside.install(site, "riser")
    with pytest.raises(BuffError, match=r"importing faulty:STRATEGY raised RuntimeError: no"):
        make(root, minutes, strategy="faulty", params={})
    assert not make(root, minutes, strategy="riser", params={}).existed
    assert not make(root, minutes, strategy="hold", params={}).existed


def test_the_source_of_a_strategy_from_outside_is_part_of_the_run_id(root: Path, minutes: Path, site: Path) -> None:
    outside.install(site, "riser")
    one = make(root, minutes, strategy="riser", params={}).run
    outside.uninstall(site, "riser")
    outside.install(site, "riser", files={"__init__.py": outside.RULE.replace("{id}", "riser"), "table.csv": "1\n"})
    plugins._LOADED.clear()
    other = make(root, minutes, strategy="riser", params={}).run
    assert other.id != one.id
    assert other.artifact("decision_records.jsonl") == one.artifact("decision_records.jsonl")
