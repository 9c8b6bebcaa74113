"""The package that `buff strategies new` writes is whole: it installs, passes its own test, and makes verified runs."""

import os
import subprocess
import sys
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec
import pytest

import outside
from buff import testing
from buff.decisions.strategy import source_sha256, strategy
from buff.errors import ArtifactsWriteFailed, RunConfigInvalid, StrategyInvalid
from buff.files import RealDisk
from buff.template import package, write
from whole import buff, environment, process

LONG = "r" * 64


def ran(
    program: str, *arguments: str, folder: Path, env: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    return process(["-m", program, *arguments], cwd=folder, env=env)


@pytest.mark.parametrize("id", ["midrange", "my_rule_2", LONG])
def test_what_is_written_is_clean_formatted_and_typed(tmp_path: Path, id: str) -> None:
    pytest.importorskip("ruff", reason="not installed beside the oldest versions")
    write(RealDisk(), str(tmp_path / id), package(id))
    rules = "E,F,W,I,B,UP,SIM,RUF,PT,D1,C4,RET"
    for arguments in (
        ("check", "--isolated", "--no-cache", "--select", rules, "."),
        ("format", "--isolated", "--check", "."),
    ):
        done = ran("ruff", *arguments, folder=tmp_path / id)
        assert done.returncode == 0, done.stdout


def test_its_own_test_passes_without_being_installed_and_fails_when_the_rule_peeks(tmp_path: Path) -> None:
    write(RealDisk(), str(tmp_path / "midrange"), package("midrange"))
    arguments = ("-q", "-p", "no:cacheprovider", "-p", "no:randomly", "-W", "error")
    done = ran("pytest", *arguments, folder=tmp_path / "midrange")
    assert done.returncode == 0, done.stdout
    assert "passed" in done.stdout
    module = tmp_path / "midrange" / "src" / "midrange" / "__init__.py"
    text = module.read_text()
    module.write_text(text.replace("middle[width - 1 :] =", "middle[width - 2 : -1] ="))
    assert module.read_text() != text
    done = ran("pytest", *arguments, folder=tmp_path / "midrange")
    assert done.returncode == 1
    assert "breaks its contract" in done.stdout


def test_the_strategy_keeps_the_contract_and_is_told_by_its_id(site: Path, tmp_path: Path) -> None:
    files = package("midrange")
    outside.install(site, "midrange", files={"__init__.py": files["src/midrange/__init__.py"]})
    testing.check(strategy("midrange"))


@pytest.mark.parametrize(
    ("id", "says"),
    [
        ("Mid", "beginning with a letter"),
        ("mid-range", "beginning with a letter"),
        ("../mid", "beginning with a letter"),
        ("", "beginning with a letter"),
        ("hold", "a strategy of that id is registered"),
        ("class", "a word or a module of that name"),
        ("json", "a word or a module of that name"),
        ("numpy", "a word or a module of that name"),
        ("buff", "a word or a module of that name"),
    ],
)
def test_a_name_that_cannot_be_is_refused(id: str, says: str) -> None:
    with pytest.raises(StrategyInvalid, match=says):
        package(id)


def test_nothing_that_is_there_is_overwritten(tmp_path: Path) -> None:
    target = tmp_path / "midrange"
    target.mkdir()
    (target / "mine.txt").write_text("mine")
    with pytest.raises(RunConfigInvalid, match="is there already, and is not overwritten"):
        write(RealDisk(), str(target), package("midrange"))
    assert [path.name for path in tmp_path.rglob("*")] == ["midrange", "mine.txt"]


def test_a_disk_that_says_no_leaves_nothing_under_the_name(tmp_path: Path) -> None:
    with pytest.raises(ArtifactsWriteFailed, match="the package could not be written"):
        write(RealDisk(), str(tmp_path / "absent" / "midrange"), package("midrange"))
    assert list(tmp_path.iterdir()) == []


# The command, and the whole way


def test_the_command_writes_it_and_says_what_to_do_next(tmp_path: Path) -> None:
    done = buff("strategies", "new", "midrange", "--dir", str(tmp_path))
    assert (done.returncode, done.stderr) == (0, "")
    written = sorted(path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*") if path.is_file())
    assert written == sorted(f"midrange/{path}" for path in package("midrange"))
    assert all(path in done.stdout for path in written)
    again = buff("strategies", "new", "midrange", "--dir", str(tmp_path))
    assert (again.returncode, again.stdout) == (3, "")
    assert "is not overwritten" in again.stderr


def installed(folder: Path, *what: str) -> Path:
    """Install with pip into a directory, from local paths alone."""
    target = folder / "installed"
    offline = ("--quiet", "--no-index", "--no-build-isolation", "--no-deps", "--disable-pip-version-check")
    done = ran("pip", "install", *offline, "--prefix", str(target), *what, folder=folder)
    assert done.returncode == 0, done.stderr
    return next(target.glob("lib/python*/site-packages"))


def hashed(pythonpath: Sequence[Path], *, through_site: bool) -> str:
    """Return what another process says of the strategy; `.pth` files are read where a site is added, not on a path."""
    code = "import site, sys; [site.addsitedir(each) for each in sys.argv[1:]]\n" if through_site else ""
    code += "from buff.decisions.strategy import source_sha256, strategy; print(source_sha256(strategy('midrange')))"
    paths = [str(path) for path in pythonpath]
    done = subprocess.run(
        [sys.executable, "-c", code, *(paths if through_site else ())],
        env=environment(PYTHONPATH="" if through_site else os.pathsep.join(paths)),
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.mark.skipif(sys.platform == "win32", reason="the layout of a prefix is another")
def test_a_wheel_and_an_editable_install_have_the_same_hash_and_make_the_same_run(
    tmp_path: Path, minutes: Path
) -> None:
    """By pip and the package's own build backend, from the directory that the command wrote."""
    pytest.importorskip("hatchling", reason="not installed beside the oldest versions")
    write(RealDisk(), str(tmp_path / "midrange"), package("midrange"))
    (tmp_path / "one").mkdir()
    (tmp_path / "two").mkdir()
    wheel = installed(tmp_path / "one", str(tmp_path / "midrange"))
    editable = installed(tmp_path / "two", "--editable", str(tmp_path / "midrange"))
    assert (wheel / "midrange" / "__init__.py").is_file()
    assert not (editable / "midrange").exists()
    found = hashed([wheel], through_site=False)
    assert found == hashed([wheel], through_site=True) == hashed([editable], through_site=True)
    with outside.site(tmp_path / "midrange" / "src"):
        outside.install(tmp_path / "midrange" / "src", "midrange", files={})
        assert source_sha256(strategy("midrange")) == found

    env = {"PYTHONPATH": str(wheel), "RUNS_ROOT": str(tmp_path / "root"), "BUFF_FREE_BYTES_MIN": "0"}
    words = (
        "--csv",
        str(minutes),
        "--symbol",
        "BTCUSDT",
        "--timeframe",
        "30m",
        "--strategy",
        "midrange",
        "--risk",
        "3",
    )
    done = buff("run", "create", *words, "--param", "bars=5", "--json", env=env)
    assert done.returncode == 0, done.stderr
    made = msgspec.json.decode(done.stdout)
    assert made["inputs"]["strategy"]["source_sha256"] == found
    assert made["metrics"]["trades"] > 0
    verified = buff("run", "verify", made["run_id"], "--no-lookahead", "--json", env=env)
    assert (verified.returncode, msgspec.json.decode(verified.stdout)["outcome"]) == (0, "identical")
    gone = buff("run", "verify", made["run_id"], env={**env, "PYTHONPATH": ""})
    assert gone.returncode == 14
    assert "strategy midrange is not registered any more; it came with midrange 0.1.0" in gone.stdout


@pytest.mark.nightly
def test_a_zip_on_the_import_path_has_the_hash_of_the_directory(site: Path, tmp_path: Path) -> None:
    folder = outside.install(site, "riser")
    found = source_sha256(strategy("riser"))
    with zipfile.ZipFile(tmp_path / "riser.zip", "w") as archive:
        for path in sorted(site.rglob("*")):
            if "__pycache__" not in path.parts:
                archive.write(path, path.relative_to(site))
    assert folder.is_dir()
    code = "from buff.decisions.strategy import source_sha256, strategy; print(source_sha256(strategy('riser')))"
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=environment(PYTHONPATH=str(tmp_path / "riser.zip")),
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == found
