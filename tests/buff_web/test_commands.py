"""The commands on a page do what the page says."""

import shlex
from pathlib import Path

import msgspec
import pytest

from buff_web import commands
from whole import buff, make, opened


def _run(root: Path, line: str, *more: str) -> str:
    words = shlex.split(line)
    assert words[0] == "buff"
    done = buff(*words[1:], *more, "--runs-root", str(root))
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("which", ["derived", "own"])
def test_the_command_that_makes_a_run_again_finds_the_same_run(which: str, tmp_path: Path, minutes: Path) -> None:
    own = {
        "run_id": "my_run",
        "params": {"fast": 3, "slow": 8, "direction": "both"},
        "start": "2024-01-01T06:00:00Z",
        "commission_bps": 2.5,
        "min_fee": 0.125,
        "initial_equity": 12_345.678,
    }
    run = make(tmp_path / "root", minutes, **(own if which == "own" else {})).run
    said = msgspec.json.decode(_run(tmp_path / "root", commands.create(run), "--json"))
    assert (said["run_id"], said["existed"]) == (run.id, True)


def test_the_command_of_a_list_lists_the_same_runs(several: Path) -> None:
    filters = {"symbol": "BTCUSDT", "risk_level": "5", "sort": "-net_return"}
    said = msgspec.json.decode(_run(several, commands.list_runs(filters)))
    assert [item["timeframe"] for item in said["items"]] == ["1m"]


def test_the_command_that_verifies(root: Path) -> None:
    run_id = opened(root).runs().items[0].run_id
    assert "IDENTICAL" in _run(root, commands.verify(run_id)).upper()


def test_what_a_page_shows_is_a_command() -> None:
    assert commands.show("run_1") == "buff run show run_1"
    assert commands.compare(["run_1", "run_2", "run_3"]) == "buff run diff run_1 run_2"
    assert commands.export("run_1") == "buff run export run_1 --out run_1\nbuff run export run_1 --out run_1.html"
