"""Bundles: the same bytes for the same run, proven by a file of their own, and taken in whole or not at all.

Invariants checked: no byte of a bundle can change, no file of it be added, removed, renamed or packed another way
without both checkers refusing it; what is refused leaves no trace; what is taken in verifies as identical.
"""

import ast
import hashlib
import io
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import zipfile
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from buff import checker
from buff.bundle import Bundle, Imported, bring, bundle, verify_bundle
from buff.canonical import document
from buff.errors import (
    BuffError,
    BundleInvalid,
    DataSourceNotFound,
    Nondeterministic,
    RunConfigInvalid,
    RunDamaged,
    RunExists,
)
from buff.journal.events import DatasetStored, RunCommitted
from buff.journal.line import parse, seal
from buff.proof import verify
from buff.runs.manifest import content_sha256, manifest_sha256
from killing import import_until
from whole import SETTINGS, events, host, make, names, opened, write_csv

GOLDEN = Path(__file__).parents[1] / "golden" / "bundle_v1" / "golden.zip"
GOLDEN_SHA256 = "4baba57cc5a5335966937e6c791aacb1734cdb201c5cb41abf9fad640468f03b"
Files = dict[str, bytes]


def write(root: Path, out: Path, run_id: str = "small", **options: Any) -> Bundle:
    return bundle(opened(root), run_id, out=str(out), **options)


def take(path: Path, root: Path) -> Imported:
    return bring(str(path), root=str(root), host=host(), settings=SETTINGS)


def look(path: Path, **options: Any) -> Bundle:
    return verify_bundle(str(path), host=host(), settings=SETTINGS, **options)


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A root with two runs of a few minutes, one of them at the timeframe of its data."""
    folder = tmp_path_factory.mktemp("small")
    path = write_csv(folder / "minutes.csv", minutes=300)
    words = {"name": "a name", "notes": "notes", "tags": ["one", "two"]}
    make(folder / "root", path, run_id="small", timeframe="15m", **words)
    make(folder / "root", path, run_id="base", timeframe="1m")
    return folder / "root"


@pytest.fixture(scope="module")
def whole(small: Path, tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """The bytes of a bundle."""
    path = tmp_path_factory.mktemp("whole") / "small.zip"
    write(small, path)
    return path.read_bytes()


def unpacked(data: bytes) -> Files:
    with zipfile.ZipFile(io.BytesIO(data)) as bundle:
        return {name: bundle.read(name) for name in bundle.namelist()}


def packed(files: Files) -> bytes:
    """Write files as a bundle does, whatever is in them."""
    out = io.BytesIO()
    checker.write([(name, len(files[name]), partial(io.BytesIO, files[name])) for name in sorted(files)], out)
    return out.getvalue()


def told(files: Files) -> Files:
    """Let bundle.json tell the truth about changed files, so that what is behind it is what refuses them."""
    said = json.loads(files["bundle.json"])
    said["files"] = [
        {"name": name, "size": len(data), "sha256": hashlib.sha256(data).hexdigest()}
        for name, data in sorted(files.items())
        if name != "bundle.json"
    ]
    return {**files, "bundle.json": checker.canonical(said) + b"\n"}


def alone(path: Path, script: Path | None = None) -> subprocess.CompletedProcess[str]:
    """Run the checker that a bundle carries, or another, in a Python that sees nothing but its own library."""
    if script is None:
        script = path.with_suffix(".py")
        script.write_bytes(unpacked(path.read_bytes())["check_bundle.py"])
    return subprocess.run([sys.executable, "-I", "-S", script, path], capture_output=True, text=True, check=False)


def refused(data: bytes) -> bool:
    try:
        checker.check(io.BytesIO(data))
    except Exception:
        return True
    return False


# Out


def test_a_run_becomes_one_file_that_proves_itself(small: Path, tmp_path: Path) -> None:
    out = tmp_path / "small.zip"
    done = write(small, out)
    assert done.sha256 == hashlib.sha256(out.read_bytes()).hexdigest()
    assert (done.run_id, done.size, done.exit_code) == ("small", out.stat().st_size, 0)
    assert look(out) == done
    said = alone(out)
    assert (said.returncode, said.stdout) == (0, f"WHOLE  small, {done.files} files, {done.receipt}\n")
    files = unpacked(out.read_bytes())
    for name in sorted(files):
        if name not in (checker.BUNDLE, checker.CHECKER, checker.JOURNAL):
            assert files[name] == (small / name).read_bytes(), name


def test_the_same_run_gives_the_same_bytes_in_a_copy_of_its_root_and_after_later_events(
    small: Path, whole: bytes, tmp_path: Path
) -> None:
    copy = Path(shutil.copytree(small, tmp_path / "copy"))
    with opened(copy) as store:
        store.annotate("small", name="another")
        verify(store, "small")
    make(copy, write_csv(tmp_path / "same.csv", minutes=300), run_id="later", timeframe="30m")
    write(copy, tmp_path / "copy.zip")
    assert (tmp_path / "copy.zip").read_bytes() == whole


def test_the_journal_tells_of_the_ingest_and_of_the_run(small: Path, whole: bytes) -> None:
    lines = [json.loads(line) for line in unpacked(whole)["journal.jsonl"].splitlines()]
    assert [line["type"].split(".")[0] for line in lines] == [
        "journal_opened", "ingest_started", "ingest_parsed", "ingest_validated", "dataset_stored", "run_committed",
    ]  # fmt: skip
    assert lines[-1]["data"]["name"] == "a name"


def test_the_checker_stands_on_the_standard_library_alone() -> None:
    tree = ast.parse(Path(checker.__file__).read_text())
    imported = {
        name.split(".")[0]
        for node in ast.walk(tree)
        for name in (
            [alias.name for alias in node.names]
            if isinstance(node, ast.Import)
            else [node.module or ""] if isinstance(node, ast.ImportFrom) else []
        )
    }  # fmt: skip
    assert imported <= sys.stdlib_module_names


OLDER = sorted(
    str(path)
    for minor in ("3.8", "3.9", "3.10")
    for path in Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")).glob(f"versions/{minor}.*/bin/python{minor}")
)


@pytest.mark.skipif(not OLDER, reason="no Python older than Buff's own is installed here")
def test_older_pythons_than_those_of_buff_check_a_bundle(whole: bytes, tmp_path: Path) -> None:
    """Who gets a bundle has whatever Python there is."""
    path = tmp_path / "small.zip"
    path.write_bytes(whole)
    for python in OLDER:
        done = subprocess.run([python, "-I", "-S", checker.__file__, path], capture_output=True, text=True, check=False)
        assert (done.returncode, done.stderr, done.stdout[:12]) == (0, "", "WHOLE  small"), python


def test_a_run_at_the_timeframe_of_its_data_has_no_resample(small: Path, tmp_path: Path) -> None:
    write(small, tmp_path / "base.zip", "base")
    assert not [name for name in unpacked((tmp_path / "base.zip").read_bytes()) if name.endswith("resample.json")]
    assert take(tmp_path / "base.zip", tmp_path / "root").run.id == "base"
    with opened(tmp_path / "root") as store:
        assert verify(store, "base").outcome == "identical"


def test_what_is_there_is_replaced_only_when_asked(small: Path, tmp_path: Path) -> None:
    out = tmp_path / "small.zip"
    out.write_text("mine")
    with pytest.raises(RunConfigInvalid):
        write(small, out)
    assert out.read_text() == "mine"
    write(small, out, force=True)
    assert look(out).run_id == "small"
    assert os.listdir(tmp_path) == ["small.zip"]


@pytest.mark.parametrize("name", ["metrics.json", "columns/equity.npy", "dataset", "resample"])
def test_a_damaged_run_is_not_bundled(small: Path, tmp_path: Path, name: str) -> None:
    root = Path(shutil.copytree(small, tmp_path / "root"))
    folder = next((root / "_datasets").iterdir())
    path = {"dataset": folder / "close.npy", "resample": folder / "15m" / "ts.npy"}.get(name, root / "small" / name)
    path.chmod(0o644)
    data = path.read_bytes()
    path.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    with pytest.raises(RunDamaged, match="small cannot be bundled"):
        write(root, tmp_path / "small.zip")
    assert os.listdir(tmp_path) == ["root"]


# What both checkers refuse


def test_no_byte_can_change(whole: bytes) -> None:
    """All of the zip's own bytes of a small file and of its directory, and some hundred of everything."""
    with zipfile.ZipFile(io.BytesIO(whole)) as members:
        journal = members.getinfo("journal.jsonl")
        directory = members.start_dir
    chosen = random.Random(5)
    places = {*range(journal.header_offset, journal.header_offset + 43), *range(len(whole) - 22, len(whole))}
    places |= {*chosen.sample(range(directory, len(whole)), 150), *chosen.sample(range(len(whole)), 150)}
    for at in sorted(places):
        changed = bytearray(whole)
        changed[at] ^= 1 << chosen.randrange(8)
        assert refused(bytes(changed)), at


def test_no_byte_can_be_missing_or_more(whole: bytes) -> None:
    assert not refused(whole)
    for length in random.Random(6).sample(range(len(whole)), 60):
        assert refused(whole[:length]), length
    for changed in (b"", whole + b"\0", b"\0" + whole, whole + whole, b"PK\x05\x06" + bytes(18)):
        assert refused(changed)


def test_no_member_of_bundle_json_can_say_anything_else(whole: bytes) -> None:
    files = unpacked(whole)
    said = json.loads(files["bundle.json"])
    for name in sorted(said.keys() - {"files"}):
        text = said[name][:-1] + ("0" if said[name][-1] != "0" else "1")
        for changed in (text, "", None, 7, "../" + said[name]):
            assert refused(packed({**files, "bundle.json": checker.canonical({**said, name: changed}) + b"\n"})), name
    journal_id, _, rest = said["receipt"].partition(":")
    other = {**said, "receipt": f"{journal_id[:-1]}x:{rest}"}
    assert refused(packed({**files, "bundle.json": checker.canonical(other) + b"\n"}))


def without(files: Files, name: str) -> Files:
    return {key: data for key, data in files.items() if key != name}


def test_no_file_can_be_gone_renamed_added_or_changed_behind_an_honest_list(whole: bytes) -> None:
    files = unpacked(whole)
    assert packed(files) == whole
    free = {"bundle.json", "check_bundle.py"}  # the first is made anew here; only its own hash vouches for the second
    facts = {name for name in files if name.endswith(("quality.json", "/resample.json"))}  # Buff makes them again
    for name in sorted(files.keys() - free):
        rest = without(files, name)
        assert refused(packed(told(rest))), name
        assert refused(packed(told({**rest, name.replace(".", "_.", 1): files[name]}))), name
        if name not in facts and "quality_report" not in name:
            changed = files[name][:-2] + bytes([files[name][-2] ^ 1]) + files[name][-1:]
            assert refused(packed(told({**files, name: changed}))), name
    for name in ("small/extra.json", "extra.json", "_datasets/extra.json", "other/manifest.json"):
        assert refused(packed(told({**files, name: b"{}"}))), name


@pytest.mark.parametrize(
    "name", ["../out.json", "/out.json", "small/../../out.json", "C:/out.json", "a\\b.json", "a.sh"]
)
def test_no_name_leads_out_of_a_bundle(whole: bytes, name: str) -> None:
    assert refused(packed(told({**unpacked(whole), name: b"{}"})))


def zipped(change: Callable[[zipfile.ZipFile, str, bytes], None]) -> Callable[[Files], bytes]:
    def make_zip(files: Files) -> bytes:
        out = io.BytesIO()
        with zipfile.ZipFile(out, "w") as target:
            for name in sorted(files):
                change(target, name, files[name])
        return out.getvalue()

    return make_zip


def _info(name: str, **changes: Any) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))
    info.create_system, info.external_attr = 3, 0o100644 << 16
    for key, value in changes.items():
        setattr(info, key, value)
    return info


ODD: Mapping[str, Callable[[Files], bytes]] = {
    "packed": zipped(lambda target, name, data: target.writestr(_info(name), data, zipfile.ZIP_DEFLATED)),
    "dated": zipped(lambda target, name, data: target.writestr(_info(name, date_time=(2024, 1, 1, 0, 0, 0)), data)),
    "run": zipped(lambda target, name, data: target.writestr(_info(name, external_attr=0o100755 << 16), data)),
    "linked": zipped(lambda target, name, data: target.writestr(_info(name, external_attr=0o120777 << 16), data)),
    "noted": zipped(lambda target, name, data: target.writestr(_info(name, comment=b"x"), data)),
    "more": zipped(lambda target, name, data: target.writestr(_info(name, extra=b"\xfe\xca\x00\x00"), data)),
}


@pytest.mark.parametrize("odd", ODD)
def test_the_same_files_in_another_zip_are_refused(whole: bytes, odd: str) -> None:
    assert refused(ODD[odd](unpacked(whole)))
    assert not refused(zipped(lambda target, name, data: target.writestr(_info(name), data))(unpacked(whole)))


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_name_twice_is_refused(whole: bytes) -> None:
    out = io.BytesIO(whole)
    with zipfile.ZipFile(out, "a") as target:
        target.writestr(_info("small/metrics.json"), b"{}")
    assert refused(out.getvalue())


def test_a_zip_bomb_is_refused_before_it_is_read(whole: bytes) -> None:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as target:
        target.writestr("bundle.json", b"0" * (64 << 20))
    with pytest.raises(ValueError, match="sizes"):
        checker.check(io.BytesIO(out.getvalue()))


def test_a_refusal_is_one_error_of_buff_and_a_failure_of_the_checker_alone(whole: bytes, tmp_path: Path) -> None:
    script = tmp_path / "check.py"
    script.write_bytes(unpacked(whole)["check_bundle.py"])
    chosen = random.Random(7)
    broken = [b"", b"text", whole[:-1], whole[:5000], packed(told(without(unpacked(whole), "small/metrics.json")))]
    broken += [whole[:at] + bytes([whole[at] ^ 255]) + whole[at + 1 :] for at in chosen.sample(range(len(whole)), 4)]
    for number, data in enumerate(broken):
        path = tmp_path / f"{number}.zip"
        path.write_bytes(data)
        for judge in (look, partial(take, root=tmp_path / "root")):
            with pytest.raises(BundleInvalid):
                judge(path)
        said = alone(path, script)
        assert (said.returncode, said.stdout, said.stderr.count("\n")) == (1, "", 1)
        assert said.stderr.startswith(f"NOT WHOLE  '{path}': ")
    assert not (tmp_path / "root").exists()


@pytest.mark.parametrize("words", [[], ["a.zip", "b.zip"]])
def test_the_checker_says_how_it_is_called(capsys: pytest.CaptureFixture[str], words: list[str]) -> None:
    assert checker.main(words) == 2
    assert capsys.readouterr().err == "usage: python -I -S check_bundle.py FILE.zip\n"


def test_what_a_checker_says_is_harmless_on_a_terminal(whole: bytes, capsys: pytest.CaptureFixture[str]) -> None:
    """A name or a journal's id may hold whatever its maker wants: nothing but plain text is ever printed."""
    assert checker.main(["absent\x1b[2J\u202e.zip"]) == 1
    said = capsys.readouterr().err
    assert said.isascii()
    assert said.rstrip("\n").isprintable()
    files = unpacked(whole)
    known = json.loads(files["journal.jsonl"].splitlines()[0])["data"]["journal_id"]
    lines: list[bytes] = []
    was = ""
    for line in files["journal.jsonl"].splitlines(keepends=True):
        body = line[:-78] + b"}"
        if lines:
            body = body.replace(was.encode(), parse(lines[-1]).sha256.encode())
        was = parse(line).sha256
        lines.append(seal(body.replace(known.encode(), b"jrn_\\u001b[2J")))
    said_of_it = json.loads(files["bundle.json"])
    seq = said_of_it["receipt"].split(":")[1]
    said_of_it["receipt"] = f"jrn_\x1b[2J:{seq}:{parse(lines[-1]).sha256}"
    files |= {"journal.jsonl": b"".join(lines), "bundle.json": checker.canonical(said_of_it) + b"\n"}
    with pytest.raises(ValueError, match="the receipt is none of a journal"):
        checker.check(io.BytesIO(packed(told(files))))
    files = unpacked(whole)
    odd = files["journal.jsonl"].replace(b'"seq":2', b'"seq":"\\u001b[2J"', 1)
    with pytest.raises(ValueError, match="is not what was written") as caught:
        checker.check(io.BytesIO(packed(told({**files, "journal.jsonl": odd}))))
    assert str(caught.value).isprintable()


@pytest.mark.parametrize("path", ["absent.zip", ".", "a\0b"])
def test_a_bundle_that_is_not_there_is_said_so(tmp_path: Path, path: str) -> None:
    with pytest.raises(DataSourceNotFound):
        look(tmp_path / path)


# In


def test_an_imported_run_is_as_any_other(small: Path, whole: bytes, tmp_path: Path) -> None:
    path, root = tmp_path / "small.zip", tmp_path / "new"
    path.write_bytes(whole)
    done = take(path, root)
    assert (done.existed, done.dataset_existed) == (False, False)
    assert names(root) == {"runs": ["small"], "_datasets": names(small)["_datasets"], "_staging": [], "_orphans": []}
    with opened(root) as store, opened(small) as old:
        assert verify(store, "small").outcome == "identical"
        new, known = store.entry("small"), old.entry("small")
        assert (new.name, new.notes, new.tags) == ("a name", "notes", known.tags)
        same = ("content_sha256", "manifest_sha256", "inputs_hash", "metrics", "trades", "bars", "sparkline")
        assert all(getattr(new, each) == getattr(known, each) for each in same)
        assert store.run("small").manifest == old.run("small").manifest
    stored, committed = (event for event in events(root) if isinstance(event, DatasetStored | RunCommitted))
    assert committed.job == f"bundle:{look(path).receipt}"
    assert stored.source == opened(small).run("small").manifest["data"]["source"]


def test_twice_is_the_same_as_once(whole: bytes, tmp_path: Path) -> None:
    path, root = tmp_path / "small.zip", tmp_path / "new"
    path.write_bytes(whole)
    take(path, root)
    before = events(root), names(root)
    assert take(path, root).existed
    assert (events(root), names(root)) == before


def test_a_bundle_of_an_import_is_whole_too(whole: bytes, tmp_path: Path) -> None:
    path = tmp_path / "small.zip"
    path.write_bytes(whole)
    take(path, tmp_path / "new")
    write(tmp_path / "new", tmp_path / "again.zip")
    once, again = look(path), look(tmp_path / "again.zip")
    assert (once.content_sha256, once.run_id) == (again.content_sha256, again.run_id)
    assert once.receipt != again.receipt


def test_a_run_of_the_same_name_and_other_inputs_stays(whole: bytes, tmp_path: Path) -> None:
    path, root = tmp_path / "small.zip", tmp_path / "root"
    path.write_bytes(whole)
    make(root, write_csv(tmp_path / "other.csv", minutes=300, seed=8), run_id="small", timeframe="15m")
    before = names(root)
    with pytest.raises(RunExists):
        take(path, root)
    assert names(root) == before


def forged(data: bytes) -> bytes:
    """Return a bundle whose metrics are not those of the run, with every hash made anew."""
    files = unpacked(data)
    value = json.loads(files["small/metrics.json"])
    value["trades"]["value"] += 1
    files["small/metrics.json"] = checker.canonical(value) + b"\n"
    manifest = json.loads(files["small/manifest.json"])
    for item in manifest["artifacts"]:
        if item["name"] == "metrics.json":
            changed = files["small/metrics.json"]
            item |= {"size": len(changed), "sha256": hashlib.sha256(changed).hexdigest()}
    return _resealed(files, manifest)


def _resealed(files: Files, manifest: dict[str, Any]) -> bytes:
    """Let the journal, its receipt and bundle.json tell of another manifest."""
    files["small/manifest.json"] = document(manifest)
    said = json.loads(files["bundle.json"])
    said |= {"manifest_sha256": manifest_sha256(manifest), "content_sha256": content_sha256(manifest)}
    lines = files["journal.jsonl"].splitlines(keepends=True)
    last = json.loads(lines[-1])
    old = {name: last["data"][name].encode() for name in ("manifest_sha256", "content_sha256")}
    body = lines[-1][:-78] + b"}"
    for name, was in old.items():
        body = body.replace(was, said[name].encode())
    lines[-1] = seal(body)
    said["receipt"] = said["receipt"].rpartition(":")[0] + ":" + parse(lines[-1]).sha256
    files["journal.jsonl"] = b"".join(lines)
    return packed(told({**files, "bundle.json": checker.canonical(said) + b"\n"}))


def test_a_forged_bundle_is_whole_and_only_making_the_run_again_shows_it(
    whole: bytes, small: Path, tmp_path: Path
) -> None:
    """A hash proves nothing about who wrote it: what proves a run is the run."""
    path = tmp_path / "forged.zip"
    path.write_bytes(forged(whole))
    assert look(path).exit_code == 0
    found = look(path, recompute=True)
    assert found.verdict is not None
    assert (found.verdict.outcome, found.exit_code) == ("engine_changed", 11)
    assert found.verdict.difference is not None
    assert found.verdict.difference.artifact == "metrics.json"
    root = Path(shutil.copytree(small, tmp_path / "root"))
    before = names(root)
    with pytest.raises(Nondeterministic):
        take(path, root)
    assert names(root) == before


def test_facts_that_are_not_those_of_the_data_are_refused_and_nothing_is_published(
    whole: bytes, tmp_path: Path
) -> None:
    files = unpacked(whole)
    name = next(name for name in files if name.endswith("/quality.json"))
    path, root = tmp_path / "odd.zip", tmp_path / "root"
    facts = json.loads(files[name])
    facts["facts"]["checks"]["zero_volume"]["count"] += 1
    path.write_bytes(packed(told({**files, name: checker.canonical(facts) + b"\n"})))
    with pytest.raises(BundleInvalid):
        take(path, root)
    manifest = json.loads(files["small/manifest.json"])
    for changed in (
        {**manifest, "inputs": {**manifest["inputs"], "risk": {"level": 1, "policy": "risk.v1"}}},
        {**manifest, "data": {**manifest["data"], "rows": 1}},
        {**manifest, "schema_version": "manifest.v2"},
        {**manifest, "inputs": {**manifest["inputs"], "timeframe": "7m"}},
    ):
        path.write_bytes(_resealed(dict(files), changed))
        with pytest.raises(BundleInvalid):
            take(path, root)
    assert names(root) == {"runs": [], "_datasets": [], "_staging": [], "_orphans": []}
    assert not [event for event in events(root) if isinstance(event, DatasetStored | RunCommitted)]


def test_a_recomputed_bundle_is_identical_and_leaves_nothing(
    whole: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, temporary = tmp_path / "small.zip", tmp_path / "temporary"
    path.write_bytes(whole)
    temporary.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(temporary))
    found = look(path, recompute=True)
    assert found.verdict is not None
    assert found.verdict.outcome == "identical"
    assert found.as_dict()["verdict"]["outcome"] == "identical"
    assert os.listdir(temporary) == []


@pytest.mark.crash
@pytest.mark.parametrize("every", [9, pytest.param(1, marks=pytest.mark.nightly)])
def test_a_process_killed_at_any_change_of_an_import_leaves_a_root_that_heals(
    whole: bytes, tmp_path: Path, every: int
) -> None:
    path, traced = tmp_path / "small.zip", tmp_path / "traced"
    path.write_bytes(whole)
    traced.mkdir()
    assert import_until(traced, path, None, tmp_path / "trace.json") == 0
    steps = json.loads((tmp_path / "trace.json").read_text())
    intent = next(at for at, (_, name) in enumerate(steps) if name.endswith("small.intent"))
    for step in sorted({*range(0, len(steps), every), *range(intent, min(intent + 8, len(steps)))}):
        root = tmp_path / f"root-{step}"
        root.mkdir()
        assert import_until(root, path, step) == -signal.SIGKILL, steps[step]
        known = {event.run_id for event in events(root) if isinstance(event, RunCommitted)}
        take(path, root)
        assert names(root)["_staging"] == []
        assert names(root)["runs"] == ["small"]
        with opened(root) as store:
            assert set(store.state.runs) == {"small"} >= known
            assert verify(store, "small").outcome == "identical"
        shutil.rmtree(root)


# For ever


def test_a_bundle_of_the_first_version_is_taken_in_and_written_again(tmp_path: Path) -> None:
    """The golden file is what users have: neither its zip nor its parts may ever become unreadable."""
    data = GOLDEN.read_bytes()
    assert hashlib.sha256(data).hexdigest() == GOLDEN_SHA256
    assert packed(unpacked(data)) == data
    assert look(GOLDEN, recompute=True).exit_code == 0
    done = take(GOLDEN, tmp_path / "root")
    assert (done.run.id, done.run.manifest["inputs"]["timeframe"]) == ("golden", "15m")
    with pytest.raises(BuffError):
        take(GOLDEN, GOLDEN)
