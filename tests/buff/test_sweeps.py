"""Sweeps: a plan, two events and ordinary runs; the same requests are the same sweep, and it goes on where it was."""

import json
import re
import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
from attrs import evolve, fields
from pyarrow import parquet

from buff import batch, sweeps, trials
from buff.audit import verify_all
from buff.backup import copy_root
from buff.builder import create
from buff.canonical import digest
from buff.crew import Here
from buff.decisions.metrics import estimate
from buff.decisions.returns import daily_equity
from buff.decisions.sharpe import numbers_of
from buff.errors import (
    LimitExceeded,
    RateLimited,
    RiskInvalid,
    RunConfigInvalid,
    RunDamaged,
    StorageUnreadable,
    StrategyInvalid,
    SweepNotFound,
)
from buff.export import write_rows
from buff.journal.events import RunCommitted, SweepFinished, SweepPlanned
from buff.registry.index import index_bytes, state_of
from buff.registry.projection import project
from buff.registry.queries import find_sweep
from buff.space import usage
from buff.store import Store
from buff.sweeps import Asked, Sweep, carry_out, grid, read_plan, resume
from buff.trials import Trial, flat, results
from buff.windows import Walk
from pages import REPOSITORY
from whole import SETTINGS, events, host, loosen, names, opened, request


@pytest.fixture
def dataset(root: Path) -> str:
    return opened(root).datasets()[0].dataset_id


def asked(dataset: str, **changes: Any) -> Asked:
    given = {
        "datasets": [dataset],
        "timeframes": "1h",
        "strategy_id": "ma_cross",
        "params": {"fast": "2..6..2", "slow": "4,6,8"},
        "risk": "3",
        "common": {},
    }
    return grid(**{**given, **changes})


def swept(root: Path, wanted: Asked, **settings: Any) -> Sweep:
    with Store(str(root), host=host(), settings=evolve(SETTINGS, **settings)) as store:
        return carry_out(store, wanted, executor=Here())


def kinds(root: Path) -> list[str]:
    return [event.TYPE for event in events(root) if event.TYPE.startswith("sweep_")]


# Asking


def test_a_grid_is_every_combination_but_those_that_the_strategy_does_not_allow(dataset: str) -> None:
    found = asked(dataset, risk="1,2")
    values = [(each["params"]["fast"], each["params"]["slow"], each["risk_level"]) for each in found.requests]
    right = [(fast, slow, risk) for fast in (2, 4, 6) for slow in (4, 6, 8) for risk in (1, 2) if fast < slow]
    assert values == right
    wrong = [(each.request["params"]["fast"], each.request["params"]["slow"]) for each in found.skipped]
    assert wrong == [(fast, slow) for fast in (2, 4, 6) for slow in (4, 6, 8) for _ in (1, 2) if fast >= slow]
    assert all("fast" in each.says for each in found.skipped)
    assert found.words["size"] == len(found.requests) + found.skips == 18


def test_a_dataset_that_is_named_twice_is_one(dataset: str) -> None:
    assert asked(dataset, datasets=(dataset, dataset)).requests == asked(dataset).requests


def test_a_sample_is_of_what_is_allowed_and_in_its_order(dataset: str) -> None:
    whole = asked(dataset, risk="1..5").requests
    found = asked(dataset, risk="1..5", number=7, seed=1)
    assert len(found.requests) == 7
    assert [each for each in whole if each in found.requests] == list(found.requests)
    assert found.requests == asked(dataset, risk="1..5", number=7, seed=1).requests
    assert found.requests != asked(dataset, risk="1..5", number=7, seed=2).requests


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"risk": "1..9"}, RiskInvalid),
        ({"risk": "low"}, RiskInvalid),
        ({"timeframes": "1h,7m"}, RunConfigInvalid),
        ({"strategy_id": "none"}, StrategyInvalid),
        ({"params": {"fast": "2..6", "other": "1"}}, StrategyInvalid),
        ({"params": {"fast": "0..6"}}, StrategyInvalid),
        ({"params": {"fast": "x"}}, StrategyInvalid),
        ({"params": {"fast": ""}}, RunConfigInvalid),
        ({"common": {"start": "yesterday"}}, RunConfigInvalid),
        ({"datasets": ["xyz"]}, RunConfigInvalid),
        ({"params": {"fast": "1..2000", "slow": "1..2000"}}, LimitExceeded),
    ],
)
def test_a_value_that_no_combination_makes_right_is_refused(dataset: str, changes: dict[str, Any], error: Any) -> None:
    with pytest.raises(error):
        asked(dataset, **changes)


def test_the_same_requests_are_the_same_sweep_however_they_were_typed(root: Path, dataset: str) -> None:
    one = swept(root, asked(dataset, params={"fast": "2,3,4", "slow": "6"}))
    other = swept(root, asked(dataset[:12], params={"fast": "2..4", "slow": "6"}))
    assert one.id == other.id


# Carrying out


def test_a_sweep_is_a_plan_two_events_and_ordinary_runs(root: Path, dataset: str) -> None:
    done = swept(root, asked(dataset))
    told = [event for event in events(root) if isinstance(event, SweepPlanned | SweepFinished)]
    planned, finished = told
    assert isinstance(planned, SweepPlanned)
    assert isinstance(finished, SweepFinished)
    data = (root / "_sweeps" / f"{planned.plan_sha256}.json").read_bytes()
    assert (digest(data), len(data)) == (planned.plan_sha256, planned.size_bytes)
    assert done.id == planned.sweep == f"swp_{planned.plan_sha256[:16]}"
    assert (planned.requests, planned.trials, planned.skipped) == (6, 6, 3)
    # One of them, fast 2... is not the run that the root had: that has fast 3.
    assert (finished.made, finished.existed, finished.failed) == (6, 0, 0)
    runs = [event for event in events(root) if isinstance(event, RunCommitted)]
    assert [event.job for event in runs] == [None] + [done.id] * 6
    with opened(root) as store:
        assert {verdict.outcome for verdict in verify_all(store, record=False)} == {"identical"}
        entry = store.state.sweeps[done.id]
    assert (entry.committed, entry.finished is not None, entry.by) == (6, True, "tester")
    assert entry.asked["grid"]["params.fast"] == {"values": "2..6..2", "count": 3}


def test_a_plan_names_no_path_no_clock_and_no_person(tmp_path: Path, minutes: Path) -> None:
    ids = set()
    for name in ("one", "two"):
        copy = tmp_path / f"{name}.csv"
        copy.write_bytes(minutes.read_bytes())
        folder = tmp_path / name
        folder.mkdir()
        wanted = Asked(requests=tuple(request(copy, risk_level=level) for level in (1, 2)))
        ids.add(swept(folder, wanted, user=name).id)
        (plan,) = (folder / "_sweeps").iterdir()
        assert str(tmp_path).encode() not in plan.read_bytes()
        assert json.loads(plan.read_bytes())["runs"][0]["request"]["dataset"]
    assert len(ids) == 1


def test_asked_again_it_makes_and_records_nothing(root: Path, dataset: str) -> None:
    first = swept(root, asked(dataset))
    before = len(events(root))
    again = swept(root, asked(dataset))
    assert again.id == first.id
    assert [outcome.run_id for outcome in again.outcomes] == [outcome.run_id for outcome in first.outcomes]
    assert all(outcome.existed for outcome in again.outcomes)
    assert len(events(root)) == before
    assert again.counts == {"made": 0, "existed": 6, "failed": 0}


class Interrupting(Here):
    """Somebody presses Ctrl-C while the last but one run is made."""

    left = 4

    def submit(self, *args: Any, **kwargs: Any) -> Any:
        self.left -= 1
        if self.left < 0:
            raise KeyboardInterrupt
        return super().submit(*args, **kwargs)


@pytest.mark.parametrize("by_id", [True, False])
def test_an_interrupted_sweep_goes_on_where_it_was(
    root: Path, dataset: str, by_id: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batch, "TOGETHER", 1)
    with opened(root) as store, pytest.raises(KeyboardInterrupt):
        carry_out(store, asked(dataset), executor=Interrupting())
    with opened(root) as store:
        (entry,) = store.sweeps()
        assert entry.finished is None
        assert 0 < entry.committed < 6
        again = resume(store, entry.sweep[:10], executor=Here()) if by_id else None
    done = again or swept(root, asked(dataset))
    assert done.counts == {"made": 6 - entry.committed, "existed": entry.committed, "failed": 0}
    assert kinds(root) == ["sweep_planned", "sweep_finished"]
    assert done.entry.committed == 6
    assert len(names(root)["runs"]) == 7


def test_failures_are_listed_and_tried_again(root: Path, dataset: str) -> None:
    right = asked(dataset).requests
    wanted = Asked(requests=(right[0], {**right[1], "end": "1970-01-02"}, right[2]))
    done = swept(root, wanted)
    assert [outcome.ok for outcome in done.outcomes] == [True, False, True]
    assert done.entry.failed == 1
    (failure,) = done.entry.failures
    assert (failure["at"], failure["code"], failure["run_id"]) == (1, "RUN_CONFIG_INVALID", None)
    with opened(root) as store:
        rows = results(store, done.id).rows
        again = resume(store, done.id, executor=Here())
    assert [row.state for row in rows] == ["committed", "failed", "committed"]
    assert rows[1].code == "RUN_CONFIG_INVALID"
    assert [type(outcome.error) for outcome in again.outcomes] == [type(None), RunConfigInvalid, type(None)]
    assert kinds(root) == ["sweep_planned", "sweep_finished"]


def test_a_sweep_whose_requests_became_other_runs_is_not_resumed(
    root: Path, dataset: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    done = swept(root, asked(dataset))
    monkeypatch.setattr("buff.builder.source_sha256", lambda rule: "0" * 64)
    with opened(root) as store, pytest.raises(RunConfigInvalid, match="other runs"):
        resume(store, done.id, executor=Here())


def test_a_plan_that_is_gone_or_changed_is_refused(root: Path, dataset: str) -> None:
    done = swept(root, asked(dataset))
    (plan,) = (root / "_sweeps").iterdir()
    with opened(root) as store:
        plan.write_bytes(plan.read_bytes() + b" ")
        with pytest.raises(RunDamaged):
            read_plan(store, done.entry)
        plan.unlink()
        with pytest.raises(StorageUnreadable):
            resume(store, done.id)
    swept(root, asked(dataset))
    with opened(root) as store:
        assert len(read_plan(store, done.entry)["runs"]) == 6, "asking again brings it back"


def test_a_sweep_is_found_by_the_beginning_of_its_id(root: Path, dataset: str) -> None:
    one, two = swept(root, asked(dataset)), swept(root, asked(dataset, risk="4"))
    with opened(root) as store:
        assert [entry.sweep for entry in store.sweeps()] == [two.id, one.id]
        assert find_sweep(store.state, one.id[:10]).sweep == one.id
        for unknown in ("swp_", "", "swp_x", "run_"):
            with pytest.raises(SweepNotFound):
                find_sweep(store.state, unknown)
        with pytest.raises(SweepNotFound, match="2 sweeps begin with swp_") as several:
            find_sweep(store.state, "swp_")
        assert several.value.hint.startswith("write more of its id")


def test_a_sweep_and_its_results_are_short_to_look_at(root: Path, dataset: str) -> None:
    done = swept(root, asked(dataset, params={"fast": "2", "slow": "4"}, risk="3"))
    assert repr(done) == f"<Sweep {done.id} {done.entry.what}  tried 1  skipped 0  made 1  existed 0  failed 0>"
    with opened(root) as store:
        assert repr(results(store, done.id)) == f"<SweepResults {done.id} {done.entry.what}  rows 1>"


def test_limits_of_a_sweep(root: Path, dataset: str) -> None:
    with pytest.raises(LimitExceeded) as refused:
        swept(root, asked(dataset), sweep_runs_max=5)
    assert refused.value.details["setting"] == "BUFF_SWEEP_RUNS_MAX"
    with pytest.raises(LimitExceeded):
        swept(root, asked(dataset, params={"fast": "2", "slow": "4"}, risk="1", walk=WALK), sweep_runs_max=5)
    with pytest.raises(RunConfigInvalid, match=r"no runs: 1 combination skipped, the first because .* below slow"):
        swept(root, asked(dataset, params={"fast": "8", "slow": "4"}))
    assert kinds(root) == []


def test_a_sweep_is_one_request(root: Path, dataset: str) -> None:
    """All its runs count as one of those that are allowed in a minute, and others are still counted one by one."""
    settings = evolve(SETTINGS, requests_per_minute=3)
    now = datetime.now(UTC) + timedelta(hours=1)  # a time that stands, long after the run that the root comes with
    here = host(clock=lambda: now.strftime("%Y-%m-%dT%H:%M:%S.%fZ"))

    def make(risk_level: int) -> None:
        wanted = {"dataset": dataset, "timeframe": "1h", "strategy": "hold", "risk_level": risk_level}
        create(wanted, root=str(root), host=here, settings=settings)

    with Store(str(root), host=here, settings=settings) as store:
        carry_out(store, asked(dataset), executor=Here())
    make(1)
    make(2)
    with pytest.raises(RateLimited):  # the sweep and these two were three
        make(3)
    with pytest.raises(RateLimited), Store(str(root), host=here, settings=settings) as store:
        carry_out(store, asked(dataset, risk="5"), executor=Here())


def test_the_page_names_every_member_of_a_plan(root: Path, dataset: str) -> None:
    page = (REPOSITORY / "docs" / "reference" / "artifacts.md").read_text(encoding="utf-8")
    section = page.split("## The plan of a sweep\n")[1].split("\n## ")[0]
    told = set(re.findall(r"`(\w+)`", "".join(line.split("|")[1] for line in section.splitlines() if line[:1] == "|")))
    wanted = asked(dataset, params={"fast": "2,8", "slow": "4"}, walk=WALK)
    walk = swept(root, wanted)
    failing = swept(root, Asked(requests=({**wanted.requests[0], "risk_level": 9},)))
    with opened(root) as store:
        plans = [read_plan(store, each.entry) for each in (walk, failing)]
    members = {name for plan in plans for each in (plan, *plan["runs"], *plan["skipped"]) for name in each}
    assert members - {"says"} == told


# Walking forward

WALK = Walk(train="12h", test="6h", purge="1h")


def test_a_walk_is_recorded_and_shown_side_by_side(root: Path, dataset: str) -> None:
    done = swept(root, asked(dataset, params={"fast": "2", "slow": "4,6"}, walk=WALK))
    with opened(root) as store:
        plan, found = read_plan(store, done.entry), results(store, done.id)
    rows = found.rows
    assert found.walk == plan["walk"] == {"train": "12h", "test": "6h", "step": "6h", "purge": "1h", "anchored": False}
    assert [(row.window, row.part) for row in rows[:4]] == [(0, "train"), (0, "test"), (1, "train"), (1, "test")]
    assert all(row.state == "committed" for row in rows)
    side_by_side = found.pairs
    assert len(side_by_side) * 2 == len(rows) == done.entry.trials
    for train, test in side_by_side:
        assert train.params == test.params
        assert str(train.end) < str(test.start)
    assert [train.params["slow"] for train, _ in side_by_side] == sorted(
        train.params["slow"] for train, _ in side_by_side
    )


def test_an_id_of_its_own_and_a_walk_do_not_go_together(root: Path, dataset: str) -> None:
    request = {"dataset": dataset, "timeframe": "1h", "strategy": "hold", "risk_level": 1, "run_id": "mine"}
    with pytest.raises(RunConfigInvalid, match="run_id names one"):
        swept(root, Asked(requests=(request,), walk=WALK))


def test_windows_begin_where_bars_do(root: Path, dataset: str) -> None:
    done = swept(root, asked(dataset, timeframes="4h", params={"fast": "2", "slow": "4"}, walk=WALK))
    assert all(outcome.ok for outcome in done.outcomes)


# Looking


def test_results_are_in_the_order_of_the_requests_with_how_many_were_tried(root: Path, dataset: str) -> None:
    done = swept(root, asked(dataset))
    with opened(root) as store:
        found = results(store, done.id[:10])
        sharpes = [store.run(str(row.run_id)).metrics["sharpe"].value for row in found.rows]
    rows = found.rows
    assert found.pairs == ()
    assert [each.request["params"]["fast"] for each in found.skipped] == [4, 6, 6]
    assert [row.run_id for row in rows] == [outcome.run_id for outcome in done.outcomes]
    assert {row.trials for row in rows} == {6}
    assert [row.metrics["sharpe"] for row in rows] == sharpes
    columns, table = flat(rows)
    assert list(columns)[:3] == ["at", "run_id", "state"]
    assert (columns["params.fast"], columns["params.direction"]) == ("int64", "string")
    assert [row["params.slow"] for row in table] == [row.params["slow"] for row in rows]
    assert set(columns) == set(table[0])


def test_a_run_is_deflated_by_what_its_commit_said_and_an_older_one_by_its_files(root: Path, dataset: str) -> None:
    """Bit for bit the same, since a commit says what the files would; and no directory is opened for it."""
    done = swept(root, asked(dataset))
    with opened(root) as store:
        found = results(store, done.id)
        assert [row.deflated_sharpe is not None for row in found.rows] == [True] * 6
        for row in found.rows:
            run, entry = store.run(str(row.run_id)), store.entry(str(row.run_id))
            told = estimate(daily_equity(run.bars, run.equity, run.inputs["initial_equity"]))
            older = msgspec.structs.replace(entry, daily_sharpe=None)
            assert told == trials._estimate(store, entry) == trials._estimate(store, older)
            assert entry.daily_sharpe == numbers_of(told)
        loosen(root)
        for row in found.rows:
            shutil.rmtree(root / str(row.run_id))
        assert results(store, done.id) == found
        assert trials._estimate(store, older) is None, "an older run without its files says nothing"


def test_a_run_that_was_reclaimed_or_is_missing_is_shown_as_such(root: Path, dataset: str) -> None:
    done = swept(root, asked(dataset))
    with opened(root) as store:
        store.archive(str(done.outcomes[0].run_id))
        assert results(store, done.id).rows[0].state == "archived"


def test_kinds_of_columns_that_differ_between_rows_are_text() -> None:
    nothing: Any = dict.fromkeys((each.name for each in fields(Trial)), None)
    rows = [
        Trial(**{**nothing, "at": at, "metrics": {}, "params": params})
        for at, params in enumerate(({"a": 1, "b": 1, "c": True}, {"a": 1.5, "b": "x"}))
    ]
    columns, table = flat(rows)
    assert [columns[f"params.{name}"] for name in "abc"] == ["float64", "string", "bool"]
    assert [[each[f"params.{name}"] for name in "abc"] for each in table] == [[1.0, "1", True], [1.5, "x", None]]


def test_what_was_refused_may_have_said_anything(root: Path, dataset: str, tmp_path: Path) -> None:
    good = {"dataset": dataset, "timeframe": "1h", "strategy": "ma_cross", "risk_level": 3}
    odd: list[dict[str, Any]] = [
        {"params": [1, 2]},
        {"params": "fast"},
        {"risk_level": "<b>high", "params": {"fast": 1 << 70, '"><img src=x>': [1]}},
        {"risk_level": 1 << 70, "start": "yesterday"},
        {"risk_level": True, "end": 12.5},
        {"dataset": ["a"], "symbol": 3, "timeframe": {"a": 1}, "strategy": 7},
    ]
    requests = [{**good, "params": {"fast": 2, "slow": 4}}, *({**good, **each} for each in odd), {}]
    done = swept(root, Asked(requests=requests))
    with opened(root) as store:
        rows = results(store, done.id).rows
        columns, table = flat(rows)
        for kind in ("csv", "parquet"):
            write_rows(store, table, columns, out=str(tmp_path / f"results.{kind}"), format=kind)
    assert [row.state for row in rows] == ["committed", *["failed"] * 7]
    assert [dict(row.params) for row in rows[1:4]] == [{}, {}, {"fast": 1 << 70, '"><img src=x>': [1]}]
    assert [each["risk_level"] for each in table] == [3, 3, 3, None, None, None, 3, None]
    assert [each["params.fast"] for each in table[:4]] == ["2", None, None, str(1 << 70)]
    assert (tmp_path / "results.csv").read_text().count("\n") == 9
    assert parquet.read_table(tmp_path / "results.parquet").num_rows == 8


# How many were tried


def test_a_run_knows_how_many_were_tried_beside_it(root: Path, dataset: str) -> None:
    """Of its symbol, and by each sweep that has its inputs, whichever of them made it."""
    before = opened(root).runs().items[0]
    assert opened(root).tried([before])[0].as_dict() == {"trials": 1, "on_symbol": 1, "sweeps": [], "unread": []}
    one = swept(root, asked(dataset))  # 6 runs
    other = swept(root, asked(dataset, params={"fast": "3", "slow": "8"}, risk="1..5"))  # 5, the root's own among them
    with opened(root) as store:
        runs = store.state.runs
        one_of = store.tried([runs[before.run_id]])[0].says
        assert one_of == f"one of 11 runs tried: 11 of BTCUSDT in this root, 5 by sweep {other.id}"
        alone, first = (store.tried([runs[str(run_id)]])[0] for run_id in (before.run_id, one.outcomes[0].run_id))
        assert (alone.trials, alone.on_symbol, [each.sweep for each in alone.sweeps]) == (11, 11, [other.id])
        assert [each.sweep for each in first.sweeps] == [one.id]
        store.archive(before.run_id)
        assert store.tried([before])[0].on_symbol == 11, "what is archived was tried"
        past = store.as_of(one.entry.seq)
        assert store.tried([before], state=past)[0].as_dict()["trials"] == 1
        assert store.tried([]) == ()
    walk = swept(root, asked(dataset, common={"symbol": "ELSE"}, walk=WALK))
    with opened(root) as store:
        (tried,) = store.tried([store.state.runs[str(walk.outcomes[0].run_id)]])
        assert tried.trials == tried.on_symbol == walk.entry.trials


def test_a_plan_that_is_gone_is_told_of_beside_the_runs(root: Path, dataset: str) -> None:
    done = swept(root, asked(dataset))
    (plan,) = (root / "_sweeps").iterdir()
    plan.unlink()
    with opened(root) as store:
        (tried,) = store.tried([store.state.runs[str(done.outcomes[0].run_id)]])
    assert (tried.sweeps, tried.unread, tried.trials) == ((), (done.id,), 7)
    assert tried.says.endswith(f", and perhaps more by sweep {done.id}, whose plan cannot be read")


# Keeping


def test_the_index_keeps_sweeps_and_a_backup_their_plans(root: Path, dataset: str, tmp_path: Path) -> None:
    done = swept(root, asked(dataset))
    with opened(root) as store:
        state = project(store.events())
        assert state.sweeps == store.state.sweeps
        again = state_of(index_bytes(state))
        assert again is not None
        assert again.sweeps == state.sweeps
        copy_root(store, str(tmp_path / "copy"))
        assert usage(store)["sweeps"].count == 1
    with opened(tmp_path / "copy") as copy:
        assert read_plan(copy, copy.state.sweeps[done.id])["schema"] == sweeps.SCHEMA
