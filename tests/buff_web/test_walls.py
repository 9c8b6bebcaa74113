"""The same wall with the same code, whichever door somebody comes through: command line, Python, HTTP."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import msgspec
import pytest

import buff
from buff.cli.main import run as command_line
from buff.errors import BuffError
from buff.safety import FILE
from clerk import Clerk
from whole import arguments, make, names, request

ON = {"BUFF_WEB_CREATE": "1", "BUFF_FREE_BYTES_MIN": "0"}
NEW = {"params": {"fast": 4, "slow": 9}}  # another run than the one that is there

Door = Callable[[Path, Path, Mapping[str, str]], str]


@pytest.fixture(params=["command line", "Python", "HTTP"])
def door(
    request: pytest.FixtureRequest,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    serve: Any,
    tmp_path: Path,
) -> Door:
    """A way to ask for a run of a file in some environment; what comes out is the code of the refusal, or "made"."""

    def entered(env: Mapping[str, str]) -> None:
        for name, value in {**ON, **env}.items():
            monkeypatch.setenv(name, value)

    def by_command(root: Path, csv: Path, env: Mapping[str, str]) -> str:
        entered(env)
        capsys.readouterr()
        words = ["run", "create", *arguments(wish(csv)), "--runs-root", str(root), "--json"]
        if command_line(words) == 0:
            return "made"
        return str(msgspec.json.decode(capsys.readouterr().err)["code"])

    def by_python(root: Path, csv: Path, env: Mapping[str, str]) -> str:
        entered(env)
        try:
            buff.create_run(runs_root=root, **wish(csv))
        except BuffError as error:
            return error.code
        return "made"

    def by_http(root: Path, csv: Path, env: Mapping[str, str]) -> str:
        clerk = Clerk(serve(root, env={**ON, **env}, log=tmp_path / "log").local)
        sent = clerk.ask("PUT", "/api/v1/uploads", csv.read_bytes())
        if sent.status >= 400:
            return str(sent.told["code"])
        asked = clerk.ask("POST", "/api/v1/runs", {**wish(), "upload": sent.told["upload"]})
        if asked.status >= 400:
            return str(asked.told["code"])
        return clerk.ended(asked.told["build_id"])["code"] or "made"

    doors: dict[str, Door] = {"command line": by_command, "Python": by_python, "HTTP": by_http}
    return doors[request.param]


def wish(csv: Path | None = None) -> dict[str, Any]:
    return request(csv, **NEW)


WALLS: dict[str, tuple[dict[str, str], str]] = {
    "nothing": ({}, "made"),
    "environment": ({"BUFF_KILL_SWITCH": "1"}, "KILL_SWITCH_ENGAGED"),
    "an odd environment": ({"BUFF_KILL_SWITCH": "perhaps"}, "KILL_SWITCH_ENGAGED"),
    "disk": ({"BUFF_FREE_BYTES_MIN": str(1 << 59)}, "LIMIT_EXCEEDED"),
    "rows": ({"BUFF_ROWS_MAX": "1000"}, "LIMIT_EXCEEDED"),
    "bytes": ({"BUFF_CSV_BYTES_MAX": "1000"}, "LIMIT_EXCEEDED"),
    "minute": ({"BUFF_REQUESTS_PER_MINUTE": "1"}, "RATE_LIMITED"),
}


@pytest.mark.parametrize("wall", WALLS)
def test_every_door_meets_the_same_wall_with_the_same_code(root: Path, minutes: Path, door: Door, wall: str) -> None:
    make(root, minutes, run_id="just-now")  # so that one was made in the last minute
    before = names(root)
    env, code = WALLS[wall]
    assert door(root, minutes, env) == code
    left = names(root)
    assert (left["_orphans"], left["_datasets"]) == (before["_orphans"], before["_datasets"])
    assert len(left["runs"]) == len(before["runs"]) + (code == "made")


def test_every_door_meets_the_file(root: Path, minutes: Path, door: Door) -> None:
    (root / FILE).write_text("a watchdog")
    assert door(root, minutes, {}) == "KILL_SWITCH_ENGAGED"
    (root / FILE).unlink()
    assert door(root, minutes, {}) == "made"
