"""`buff strategies`: what is installed is listed, also where one of it is broken."""

from pathlib import Path
from typing import Any

import msgspec
import pytest

import outside
from buff.cli.main import run as command_line
from buff.template import package
from whole import make

CAPTURE = pytest.CaptureFixture[str]


def said(capsys: CAPTURE, *words: str) -> tuple[int, str, str]:
    capsys.readouterr()
    code = command_line(words)
    return code, *capsys.readouterr()


def told(capsys: CAPTURE, *words: str) -> Any:
    code, out, err = said(capsys, *words, "--json")
    assert (code, err) == (0, "")
    return msgspec.json.decode(out)


def test_a_strategy_from_outside_is_listed_with_its_package(capsys: CAPTURE, site: Path) -> None:
    outside.install(site, "riser", distribution="quiet-risers", version="1.2")
    code, out, err = said(capsys, "strategies", "list")
    assert (code, err) == (0, "")
    rows = {line.split("\t")[0]: line.split("\t") for line in out.splitlines()}
    assert rows["riser"] == ["riser", "1", "long", "", "quiet-risers 1.2"]
    assert rows["hold"][-1] == "Buff"
    found = told(capsys, "strategies", "list")
    assert found["problems"] == []
    packages = {item["id"]: item["package"] for item in found["items"]}
    assert packages["riser"] == {"name": "quiet-risers", "version": "1.2"}
    assert packages["hold"] is None


def test_a_strategy_from_outside_is_shown_with_its_package_and_source(capsys: CAPTURE, site: Path) -> None:
    outside.install(site, "riser", version="1.2")
    source = told(capsys, "strategies", "show", "riser")["source_sha256"]
    assert f"from: riser 1.2, source {source[:16]}\n" in said(capsys, "strategies", "show", "riser")[1]
    assert "from:" not in said(capsys, "strategies", "show", "hold")[1]


def test_what_the_reasons_of_a_strategy_stand_for_is_shown_where_somebody_wrote_it(capsys: CAPTURE, site: Path) -> None:
    outside.install(site, "riser")
    assert "\ncross_up\tthe line is above its signal\n" in said(capsys, "strategies", "show", "macd")[1]
    assert told(capsys, "strategies", "show", "macd")["reasons_say"]["cross_up"] == "the line is above its signal"
    assert "what it says" not in said(capsys, "strategies", "show", "riser")[1]


def test_a_reason_in_words_is_not_said_twice(capsys: CAPTURE, site: Path, tmp_path: Path, minutes: Path) -> None:
    outside.install(site, "riser")
    for strategy, line in (("riser", "reason rise"), ("ma_cross", "reason cross_up: the fast average is above the")):
        run = make(tmp_path / "root", minutes, strategy=strategy, params={}, timeframe="15m").run
        code, out, err = said(capsys, "run", "explain", run.id, "--trade", "0", "--runs-root", str(tmp_path / "root"))
        assert (code, err) == (0, "")
        assert any(each.startswith(f"  ENTER_LONG, {line}") for each in out.splitlines())
        assert "rise: rise" not in out


def test_a_broken_package_is_told_below_the_list_and_fails_nothing(capsys: CAPTURE, site: Path) -> None:
    outside.install(site, "riser")
    outside.install(site, "faulty", files={"__init__.py": "import no_such_library\n"})
    code, out, err = said(capsys, "strategies", "list")
    assert code == 0
    assert "riser\t" in out
    assert "faulty" not in out
    assert err.startswith(
        "STRATEGY_INVALID: strategy faulty of package faulty 0.1.0 cannot be used: importing faulty:STRATEGY raised "
        "ModuleNotFoundError: No module named 'no_such_library'\n"
    )
    (problem,) = told(capsys, "strategies", "list")["problems"]
    assert (problem["id"], problem["code"], problem["details"]["source_line"]) == (
        "faulty",
        "STRATEGY_INVALID",
        "import no_such_library",
    )
    assert said(capsys, "strategies", "show", "faulty")[0] == 3
    assert said(capsys, "strategies", "show", "riser")[0] == 0


def test_new_writes_the_package_once(capsys: CAPTURE, tmp_path: Path) -> None:
    code, out, err = said(capsys, "strategies", "new", "midrange", "--dir", str(tmp_path))
    assert (code, err) == (0, "")
    assert [line.split()[0] for line in out.splitlines()] == ["created"] * 4 + ["test:"]
    for path, text in package("midrange").items():
        assert (tmp_path / "midrange" / path).read_text(encoding="utf-8") == text
    assert said(capsys, "strategies", "new", "midrange", "--dir", str(tmp_path))[0] == 3
    assert said(capsys, "strategies", "new", "hold", "--dir", str(tmp_path))[0] == 3
    assert sorted(path.name for path in tmp_path.iterdir()) == ["midrange"]


# Looking ahead, at the command line

PEEKS = outside.RULE.replace("{id}", "peeker").replace(
    "target[1:] = bars.close[1:] > bars.close[:-1]", "target[1:-1] = bars.close[2:] > bars.close[1:-1]"
)


def test_a_look_ahead_has_an_exit_code_of_its_own(
    capsys: CAPTURE, root: Path, minutes: Path, site: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    outside.install(site, "peeker", files={"__init__.py": PEEKS})
    run = make(root, minutes, strategy="peeker", params={}).run
    monkeypatch.setenv("RUNS_ROOT", str(root))
    assert said(capsys, "run", "verify", run.id)[0] == 0
    code, out, _ = said(capsys, "run", "verify", run.id, "--no-lookahead")
    assert code == 15
    assert out.startswith(f"LOOK_AHEAD  {run.id}\n  strategy peeker breaks its contract at bar ")
    code, out, _ = said(capsys, "run", "verify", "--all", "--no-lookahead")
    assert code == 15
    assert out.endswith("2 runs: 1 identical, 1 look_ahead\n")
    assert said(capsys, "run", "verify", "--all")[0] == 0


def test_bytes_alone_cannot_tell_of_a_look_ahead(capsys: CAPTURE, root: Path) -> None:
    code, _, err = said(
        capsys, "run", "verify", "--all", "--stored-bytes-only", "--no-lookahead", "--runs-root", str(root)
    )
    assert code == 2
    assert "--stored-bytes-only makes nothing again" in err
