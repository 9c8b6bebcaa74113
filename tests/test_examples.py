"""Every example runs as it stands, in an empty directory, and says what a reader came for."""

import re
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

from pages import REPOSITORY

FOLDER = REPOSITORY / "examples"
EXAMPLES = sorted(FOLDER.glob("*.py"))
LINES_MAX = 50  # one screen


def run(name: str, *arguments: str, cwd: Path) -> str:
    done = subprocess.run(
        [sys.executable, "-W", "error", str(FOLDER / name), *arguments], cwd=cwd, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A root in which `create_run.py` has made its run."""
    folder = tmp_path_factory.mktemp("examples")
    run("create_run.py", "root", cwd=folder)
    return folder / "root"


def test_create_run_makes_one_run_however_often_it_is_called(tmp_path: Path) -> None:
    first = run("create_run.py", cwd=tmp_path)
    assert first.startswith("<Run run_")
    assert "buy_and_hold" in first
    assert run("create_run.py", cwd=tmp_path) == first
    assert len(list((tmp_path / "runs").glob("run_*"))) == 1


def test_resample_counts_the_bars_of_four_days(tmp_path: Path) -> None:
    printed = run("resample.py", cwd=tmp_path)
    counted = {line.split()[0]: line.split()[1] for line in printed.splitlines()[1:-1]}
    assert counted == {"5m": "1152", "15m": "384", "1h": "96", "4h": "24", "1d": "4"}
    assert printed.endswith("1 dataset\n")


def test_read_a_run_shows_what_is_stored(root: Path) -> None:
    printed = run("read_a_run.py", str(root), cwd=root.parent)
    for words in ("96 decisions", "because of cross_up", "Run ends"):
        assert words in printed


def test_replay_journal_tells_of_every_event(root: Path) -> None:
    lines = run("replay_journal.py", str(root), cwd=root.parent).splitlines()
    assert [int(line.split()[0]) for line in lines] == list(range(1, len(lines) + 1))
    assert lines[0].split()[2:] == ["journal_opened", "0", "runs"]
    assert any(line.split()[2:] == ["run_committed.v2", "1", "runs"] for line in lines)


def test_serve_answers_on_this_machine_until_it_is_ended(root: Path) -> None:
    with subprocess.Popen(
        [sys.executable, str(FOLDER / "serve.py"), str(root), "0"], stdout=subprocess.PIPE, text=True
    ) as server:
        assert server.stdout is not None
        try:
            address = re.search(r"http://127\.0\.0\.1:\d+", server.stdout.readline())
            assert address is not None
            with urllib.request.urlopen(f"{address[0]}/api/v1/runs", timeout=10) as answer:
                assert b'"run_id"' in answer.read()
        finally:
            server.terminate()
        assert server.wait(timeout=10) == 0


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.name)
def test_an_example_is_one_screen_with_at_most_one_import_from_buff(example: Path) -> None:
    lines = example.read_text(encoding="utf-8").splitlines()
    assert len(lines) <= LINES_MAX
    assert len([line for line in lines if re.match(r"\s*(import|from) buff\b", line)]) <= 1


def test_every_example_has_a_test_of_its_own() -> None:
    source = Path(__file__).read_text(encoding="utf-8")
    assert [example.name for example in EXAMPLES if source.count(f'"{example.name}"') == 0] == []
