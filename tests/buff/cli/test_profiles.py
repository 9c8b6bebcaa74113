"""Vendors' files at the command line: what a user types, and what the manifest and a proof make of it."""

import gzip
import io
import json
import zipfile
from pathlib import Path
from typing import Any

import msgspec
import pytest

from buff import inputs
from buff.cli.main import run as command_line

jsonschema = pytest.importorskip("jsonschema")

CAPTURE = pytest.CaptureFixture[str]
START_MS = 1_735_689_600_000
RUN = ("--symbol", "X", "--timeframe", "1m", "--strategy", "hold", "--risk-level", "3", "--json")
SCHEMA = Path(__file__).parents[3] / "docs" / "reference" / "manifest.schema.json"


def kraken(rows: int = 10) -> bytes:
    return b"".join(b"%d,10,11,9,10.5,2,4\n" % (START_MS // 1000 + 60 * at) for at in range(rows))


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("RUNS_ROOT", str(tmp_path / "runs"))
    return tmp_path


def created(capsys: CAPTURE, *words: str) -> dict[str, Any]:
    """Create a run; return the source in its manifest, which must be of the published schema."""
    code = command_line(["run", "create", *words, *RUN])
    out, err = capsys.readouterr()
    assert code == 0, err
    found = msgspec.json.decode(out)
    assert command_line(["run", "show", found["run_id"], "--json"]) == 0
    capsys.readouterr()
    manifest = msgspec.json.decode((Path("runs") / found["run_id"] / "manifest.json").read_bytes())
    jsonschema.validate(manifest, json.loads(SCHEMA.read_text()))
    return {**manifest["data"]["source"], "run_id": found["run_id"], "dataset_id": found["dataset_id"]}


def refused(capsys: CAPTURE, *words: str) -> dict[str, Any]:
    code = command_line(["run", "create", *words, *RUN])
    out, err = capsys.readouterr()
    assert code != 0
    return dict(msgspec.json.decode(out or err))


def test_a_vendors_file_is_read_by_its_profile_and_proven_by_it(place: Path, capsys: CAPTURE) -> None:
    (place / "XBTUSD_1.csv").write_bytes(kraken())
    source = created(capsys, "--csv", "XBTUSD_1.csv", "--profile", "kraken")
    assert (source["profile"], source["extra_columns"], source["timezone"]) == ("kraken", ["trades"], None)
    assert command_line(["run", "verify", source["run_id"], "--source", "XBTUSD_1.csv"]) == 0
    (place / "XBTUSD_1.csv").write_bytes(kraken().replace(b"10.5", b"10.4"))
    assert command_line(["run", "verify", source["run_id"], "--source", "XBTUSD_1.csv"]) != 0


def test_the_same_bars_are_one_dataset_by_whatever_door_they_come(
    place: Path, capsys: CAPTURE, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = kraken()
    (place / "plain.csv").write_bytes(text)
    (place / "packed.csv.gz").write_bytes(gzip.compress(text))
    with zipfile.ZipFile(place / "packed.zip", "w") as archive:
        archive.writestr("XBTUSD_1.csv", text)
        archive.writestr("ETHUSD_1.csv", text.replace(b"10.5", b"10.6"))
    (place / "rows.json").write_text(json.dumps([[START_MS + 60_000 * at, 10, 11, "9", 10.5, 2] for at in range(10)]))
    spool = inputs._Spool(io.BytesIO(gzip.compress(text)))
    monkeypatch.setattr(inputs, "_standard_input", lambda: spool)
    doors = {
        "plain.csv": "kraken",
        "packed.csv.gz": "kraken",
        "packed.zip::XBTUSD_1.csv": "kraken",
        "-": "kraken",
        "rows.json": "ccxt",
    }
    found = {path: created(capsys, "--csv", path, "--profile", profile) for path, profile in doors.items()}
    assert len({source["dataset_id"] for source in found.values()}) == 1
    assert len({source["run_id"] for source in found.values()}) == 1
    asked = refused(capsys, "--csv", "packed.zip", "--profile", "kraken")
    assert asked["code"] == "DATA_SOURCE_NOT_FOUND"
    assert "packed.zip::MEMBER" in asked["hint"]
    spool.copy.close()


def test_a_profile_of_ones_own_is_a_file_and_is_kept_in_the_manifest(place: Path, capsys: CAPTURE) -> None:
    (place / "mine.toml").write_text(
        'name = "mine"\ndelimiter = ";"\ntimes = ["%d/%m/%Y %H:%M"]\nzone = "UTC"\nstamp = "close"\n'
        '[columns]\nts = "When"\nopen = "O"\nhigh = "H"\nlow = "L"\nclose = "Last"\nvolume = ["Vol", "Volume"]\n'
    )
    rows = "".join(f"01/02/2025 00:{at:02};10;11;9;10.5;2\n" for at in range(1, 11))
    (place / "mine.csv").write_text("When;O;H;L;Last;Vol\n" + rows)
    source = created(capsys, "--csv", "mine.csv", "--profile-file", "mine.toml")
    assert source["profile"] == "mine"
    assert source["declaration"]["times"] == ["%d/%m/%Y %H:%M"]
    (place / "mine.toml").unlink()
    assert command_line(["run", "verify", source["run_id"], "--source", "mine.csv"]) == 0
    capsys.readouterr()
    (place / "wrong.toml").write_text('name = "mine"\ntimes = ["%q"]\n')
    assert refused(capsys, "--csv", "mine.csv", "--profile-file", "wrong.toml")["code"] == "PROFILE_INVALID"
    assert refused(capsys, "--csv", "mine.csv", "--profile-file", "absent.toml")["code"] == "REQUEST_INVALID"


def test_odd_headers_closing_times_and_no_volume_need_no_profile(place: Path, capsys: CAPTURE) -> None:
    rows = "".join(f"2025-02-01 00:{at:02}Z,10,11,9,10.5\n" for at in range(1, 11))
    (place / "odd.csv").write_text("End,First,High,Low,Last\n" + rows)
    words = ("--columns", "ts=End,open=First,close=Last", "--stamp", "close", "--volume", "none")
    source = created(capsys, "--csv", "odd.csv", *words)
    assert source["columns"] == {"ts": "End", "open": "First", "close": "Last"}
    assert (source["stamp"], source["volume"]) == ("close", "none")
    assert command_line(["run", "verify", source["run_id"], "--source", "odd.csv"]) == 0
    capsys.readouterr()
    for words, field in (
        (("--columns", "close"), "columns"),
        (("--columns", "color=red"), "columns"),
        (("--stamp", "middle"), "stamp"),
        (("--volume", "some"), "volume"),
        (("--profile", "histdata", "--timezone", "UTC"), "timezone"),
    ):
        error = refused(capsys, "--csv", "odd.csv", *words)
        assert (error["code"], error["details"]["field"]) == ("RUN_CONFIG_INVALID", field)


def test_the_rows_of_one_ticker_are_taken_and_the_others_counted(place: Path, capsys: CAPTURE) -> None:
    header = "ticker,volume,open,close,high,low,window_start,transactions\n"
    rows = [f"{ticker},5,10,10.5,11,9,{(START_MS + 60_000 * at) * 10**6},3\n" for at in range(10) for ticker in "XY"]
    (place / "day.csv").write_text(header + "".join(rows))
    assert created(capsys, "--csv", "day.csv", "--profile", "polygon")["other_rows"] == 10
    (place / "day.csv").write_text(header + "".join(rows).replace("X,5", "C:X,6"))
    source = created(capsys, "--csv", "day.csv", "--profile", "polygon", "--ticker", "C:X")
    assert (source["ticker"], source["other_rows"]) == ("C:X", 10)
    error = refused(capsys, "--csv", "day.csv", "--profile", "polygon", "--ticker", "Z")
    assert (error["details"]["rule"], error["code"]) == ("EMPTY", "DATA_INVALID")


def test_the_profiles_are_listed_and_shown(capsys: CAPTURE) -> None:
    assert command_line(["data", "profiles"]) == 0
    assert "metatrader5" in capsys.readouterr().out
    assert command_line(["data", "profiles", "histdata"]) == 0
    shown = msgspec.json.decode(capsys.readouterr().out)
    assert (shown["zone"], shown["delimiter"], shown["times"]) == ("-05:00", ";", ["%Y%m%d %H%M%S"])
    assert command_line(["data", "profiles", "nobody"]) == 3
