"""The command that makes a run again names every input."""

import shlex

import pytest

from buff.cli.main import run as command_line
from buff.runs.run import Run
from whole import make, opened


@pytest.mark.parametrize("which", ["derived", "own"])
def test_the_command_finds_the_run_it_was_made_of(
    which: str, tmp_path_factory: pytest.TempPathFactory, minutes: object, capsys: pytest.CaptureFixture[str]
) -> None:
    root = tmp_path_factory.mktemp("command") / "root"
    own = {
        "run_id": "my_run",
        "params": {"fast": 3, "slow": 8, "direction": "both"},
        "start": "2024-01-01T06:00:00Z",
        "commission_bps": 2.5,
        "min_fee": 0.125,
        "initial_equity": 12_345.678,
    }
    run: Run = make(root, minutes, **(own if which == "own" else {})).run  # type: ignore[arg-type]
    program, *words = shlex.split(run.command)
    assert program == "buff"
    capsys.readouterr()
    assert command_line([*words, "--runs-root", str(root)]) == 0
    assert capsys.readouterr().out.split()[:2] == ["exists", run.id]
    assert len(opened(root).runs().items) == 1
