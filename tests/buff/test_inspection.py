"""Inspection: what a file holds under the options given, or under labelled ones; and commands that are accepted."""

import gzip
import shlex
import tomllib
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from buff import inspection
from buff.errors import BuffError, DataInvalid, LimitExceeded, RunConfigInvalid
from buff.inspection import inspect_files
from buff.market.profiles import profile_from
from buff.settings import Settings
from csv_files import rows

SHARED = Path(__file__).parents[3] / "shared" / "data"
KRAKEN = (
    b"1381095240,122.0,122.0,122.0,122.0,0.1,1\n1381179060,123.61,123.61,123.61,123.61,0.1,1\n"
    b"1381179120,123.61,123.61,123.61,123.61,0.1,1\n"
)
HEADER = b"ts,open,high,low,close,volume\n"


def seen(*paths: object, **options: Any) -> tuple[dict[str, Any], BuffError | None]:
    return inspect_files(
        [str(path) for path in paths], options, settings=Settings(), progress=lambda stage, done, total: None
    )


def written(folder: Path, content: bytes, name: str = "bars.csv") -> Path:
    path = folder / name
    path.write_bytes(content)
    return path


def followed(found: Mapping[str, Any]) -> dict[str, Any]:
    """Inspect again with the options of the command that was suggested, as typed."""
    words = shlex.split(found["commands"]["ingest"])
    paths = words[3 : next(at for at, word in enumerate(words) if word.startswith("--"))]
    options = {
        name.removeprefix("--").replace("-", "_"): value for name, value in zip(*[iter(_pairs(words))] * 2, strict=True)
    }
    options.pop("symbol")
    if "columns" in options:
        options["columns"] = dict(each.split("=") for each in options["columns"].split(","))
    again, refusal = seen(*paths, **options)
    assert refusal is None, refusal
    assert again["accepted"]
    assert again["read_as"]["given"]
    return again


def _pairs(words: Sequence[str]) -> list[str]:
    first = next(at for at, word in enumerate(words) if word.startswith("--"))
    return [part for word in words[first:] for part in (word.split("=", 1) if word.startswith("--") else [word])]


@pytest.mark.parametrize(
    ("name", "rows_read", "words", "first"),
    [
        ("binance_12col*", 10, "--profile binance", "2021-11-27T00:00:00Z"),
        ("clean_1m*", 20_160, "--timezone UTC", "2022-01-01T00:00:00Z"),
        ("fx_1m*", 11_092, "--profile histdata --gaps keep", "2017-03-01T05:00:00Z"),
        ("gaps_1m*", 29_996, "--timezone UTC --gaps keep", "2024-01-01T23:01:00Z"),
        ("outage_1h*", 743, "--profile binance --base-timeframe 1h --gaps keep", "2023-03-01T00:00:00Z"),
        ("pair*hour*", 24, "--profile lean --timezone UTC --base-timeframe 1h", "2022-12-13T00:00:00Z"),
        ("pair*minute*", 1_440, "--profile lean --timezone UTC", "2022-12-13T00:00:00Z"),
    ],
)
@pytest.mark.skipif(not SHARED.is_dir(), reason="the real files are not part of the repository")
def test_the_command_suggested_for_a_real_file_is_accepted(name: str, rows_read: int, words: str, first: str) -> None:
    (path,) = SHARED.glob(name)
    found, refusal = seen(path)
    assert isinstance(refusal, DataInvalid), "nothing is accepted that was not asked for"
    assert not found["accepted"]
    assert (found["read_as"]["words"], found["read_as"]["given"]) == (words, False)
    assert (found["rows"], found["first"]) == (rows_read, first)
    again = followed(found)
    assert (again["rows"], again["first"], again["last"]) == (rows_read, first, found["last"])


def test_a_file_that_is_accepted_as_it_is_needs_nothing_said(tmp_path: Path) -> None:
    found, refusal = seen(written(tmp_path, HEADER + b"\n".join(rows(200)) + b"\n"))
    assert refusal is None
    assert (found["accepted"], found["read_as"]["given"], found["read_as"]["words"]) == (True, True, "")
    assert found["spacing"] == {
        "step_ms": 60_000, "apart": "1 min", "count": 199, "of": 199, "base_timeframe": "1m", "whole": True,
        "back": 0,
    }  # fmt: skip
    assert [choice["option"] for choice in found["choices"]] == ["--symbol SYMBOL"]
    assert len(found["first_rows"]) == 5


def test_a_reading_nobody_asked_for_says_so_and_what_is_left_to_decide(tmp_path: Path) -> None:
    found, refusal = seen(written(tmp_path, KRAKEN, "XBTUSD 1.csv"))
    assert isinstance(refusal, DataInvalid)
    assert refusal.exit_code == 4
    assert found["read_as"]["words"] == "--profile kraken --gaps keep"
    assert found["gap_kinds"]["longest"]["missing"] == 1_396
    keep, symbol = found["choices"]
    assert keep["option"] == "--gaps keep"
    assert "too many" in keep["instead"], "and filling is not held out where it would be refused"
    assert symbol["option"] == "--symbol SYMBOL"
    assert shlex.split(found["next"])[3:5] == ["--csv", str(tmp_path / "XBTUSD 1.csv")]
    followed(found)


def test_filling_too_much_is_said_of_the_reading_suggested_too(tmp_path: Path) -> None:
    path = written(tmp_path, KRAKEN)
    found, refusal = seen(path, gaps="fill")
    assert isinstance(refusal, DataInvalid)
    assert found["read_as"]["words"] == "--profile kraken --gaps fill"
    assert found["read_as"]["problem"]["code"] == "LIMIT_EXCEEDED"
    with pytest.raises(LimitExceeded):
        seen(path, profile="kraken", gaps="fill")


def test_what_the_user_said_is_kept_and_the_rest_is_suggested(tmp_path: Path) -> None:
    content = b"2020.01.02,22:00,1,2,1,2,5\n2020.01.02,22:05,1,2,1,2,5\n2020.01.02,22:15,1,2,1,2,5\n"
    found, _ = seen(written(tmp_path, content), timezone="-05:00", gaps="keep")
    assert found["read_as"]["words"] == "--profile metatrader4 --timezone=-05:00 --base-timeframe 5m --gaps keep"
    assert found["first"] == "2020-01-03T03:00:00Z"
    assert {choice["option"] for choice in found["choices"]} == {"--symbol SYMBOL"}, "the rest was decided"
    followed(found)


def test_a_profile_that_fits_is_not_changed_for_another(tmp_path: Path) -> None:
    content = b"timestamp,open,high,low,close,volume\n2020-01-02 04:00,1,2,1,2,5\n2020-01-02 04:01,1,2,1,2,5\n"
    found, _ = seen(written(tmp_path, content), profile="firstrate")
    assert found["read_as"]["words"] == "--profile firstrate --timezone UTC"
    assert "New_York" in found["choices"][0]["instead"], "the profile knows what the zone may be"
    followed(found)


def test_a_profile_that_does_not_fit_is_said_and_the_one_that_does(tmp_path: Path) -> None:
    found, refusal = seen(written(tmp_path, KRAKEN), profile="binance", gaps="keep")
    assert refusal is not None
    assert refusal.details["rule"] == "COLUMNS"
    assert found["read_as"]["words"] == "--profile kraken --gaps keep"


def test_the_rows_of_one_ticker_are_shown_before_anybody_named_it(tmp_path: Path) -> None:
    content = (
        b"ticker,volume,open,close,high,low,window_start,transactions\n"
        b"AAPL,4930,200.29,200.5,200.63,200.29,1744792500000000000,129\n"
        b"MSFT,1815,380.39,380.34,380.61,380.34,1744792500000000000,57\n"
    )
    path = written(tmp_path, content)
    found, refusal = seen(path, profile="polygon")
    assert isinstance(refusal, RunConfigInvalid)
    assert refusal.details["field"] == "ticker"
    assert found["rows"] == 1
    assert found["choices"][0] == {
        "option": "--ticker AAPL", "why": "the file has the rows of many instruments", "instead": "one of MSFT",
    }  # fmt: skip
    assert found["commands"]["ingest"].endswith("--profile polygon --symbol AAPL"), "symbol and ticker are the same"
    other, refusal = seen(path, profile="polygon", ticker="MSFT")
    assert refusal is None
    assert (other["first_rows"][0][4], other["commands"]["ingest"].endswith("--symbol MSFT")) == (380.34, True)


def test_offences_of_the_reading_suggested_are_told_by_line(tmp_path: Path) -> None:
    found, refusal = seen(written(tmp_path, KRAKEN + b"1381179180,oops,123.61,123.61,123.61,0.1,1\n"))
    assert refusal is not None
    assert refusal.details["rule"] == "HEADER"
    problem = found["read_as"]["problem"]
    assert (problem["details"]["offences"][0]["line"], problem["details"]["rule"]) == (4, "CELL")
    assert len(found["first_rows"]) == 3, "the rows before it are shown as understood"
    assert found["commands"] == {}
    assert found["next"].startswith("buff data inspect")
    assert "rows" not in found


def test_a_file_with_bad_rows_of_the_form_asked_for_is_read_as_asked_for(tmp_path: Path) -> None:
    found, refusal = seen(
        written(
            tmp_path,
            HEADER
            + b"2024-01-01T00:00:00Z,1,2,1,2,5\n2024-01-01T00:02:00Z,1,2,1,-2,5\n2024-01-01T00:03:00Z,1,2,1,2,5\n",
        )
    )
    assert refusal is not None
    assert refusal.details["counts"] == {"GAP": 1, "SIGN": 1}
    assert found["read_as"]["given"]
    assert found["read_as"]["problem"] == found["problem"]


def test_a_profile_of_ones_own_is_drafted_and_its_command_names_the_file(tmp_path: Path) -> None:
    content = HEADER.replace(b",", b";") + b"2024-01-01T00:00:00Z;1;2;1;2;5\n2024-01-01T00:01:00Z;1;2;1;2;5\n"
    path = written(tmp_path, content)
    found, _ = seen(path)
    assert found["read_as"]["words"] == "--profile-file mine.toml"
    declared = tomllib.loads(found["detected"]["draft"])
    again, refusal = seen(path, profile=declared)
    assert refusal is None
    assert again["rows"] == 2
    assert seen(path, profile=profile_from(declared))[1] is None


def test_a_base_that_the_beginning_suggests_gives_way_to_the_rows_that_follow(tmp_path: Path) -> None:
    hours = [f"{1_600_000_200 + at * 3600 - 1_600_000_200 % 3600},1,1,1,1,1,1\n" for at in range(5_000)]
    last = int(hours[-1].partition(",")[0]) + 60
    found, _ = seen(written(tmp_path, "".join([*hours, f"{last},1,1,1,1,1,1\n"]).encode()))
    assert found["read_as"]["words"] == "--profile kraken --gaps keep"
    assert found["spacing"]["apart"] == "1 h"
    assert found["spacing"]["of"] == 5_000


def test_rows_in_no_order_are_said_to_be_in_none(tmp_path: Path) -> None:
    lines = [f"2024-01-01T00:{minute:02}:00Z,1,2,1,2,5\n".encode() for minute in (3, 0, 2, 1, 4)]
    found, _ = seen(written(tmp_path, HEADER + b"".join(lines)))
    assert (found["spacing"]["back"], found["spacing"]["of"]) == (2, 4)
    ordered, _ = seen(written(tmp_path, HEADER + b"".join(sorted(lines))))
    assert (ordered["spacing"]["back"], ordered["accepted"]) == (0, True)
    newest_first, _ = seen(written(tmp_path, HEADER + b"".join(sorted(lines, reverse=True))))
    assert (newest_first["spacing"]["back"], newest_first["read_as"]["words"]) == (0, "--profile-file mine.toml")


def test_files_given_in_the_wrong_order_are_told_apart_from_rows_in_it(tmp_path: Path) -> None:
    lines = [f"2024-01-01T00:{minute:02}:00Z,1,2,1,2,5\n".encode() for minute in range(6)]
    late, early = (
        written(tmp_path, HEADER + b"".join(lines[3:]), "b.csv"),
        written(tmp_path, HEADER + lines[0], "a.csv"),
    )
    for paths in ((late, early), (early, early)):
        _, refusal = seen(*paths)
        assert refusal is not None
        assert refusal.hint is not None
        assert refusal.hint.startswith("give the files from the oldest to the newest")
    _, refusal = seen(written(tmp_path, HEADER + lines[1] + lines[0], "c.csv"))
    assert refusal is not None
    assert refusal.hint == "sort the file by time, oldest first"


def test_seconds_are_no_base(tmp_path: Path) -> None:
    found, _ = seen(written(tmp_path, b"1381095240,1,1,1,1,1,1\n1381095241,1,1,1,1,1,1\n1381095242,1,1,1,1,1,1\n"))
    assert found["spacing"]["apart"] == "1 s"
    assert any("no base timeframe" in line for line in found["questions"])


def test_ends_of_bars_are_a_question_and_an_answer_ends_it(tmp_path: Path) -> None:
    lines = "".join(f"2024-01-01 00:0{minute}:00Z,1,2,1,2,5\n" for minute in range(1, 9))
    path = written(tmp_path, HEADER + lines.encode())
    found, refusal = seen(path)
    assert refusal is None, "it is a question and no refusal"
    assert "--stamp close" in found["questions"][0]
    found, _ = seen(path, stamp="close")
    assert found["questions"] == []
    assert found["first"] == "2024-01-01T00:00:00Z"


@pytest.mark.parametrize(
    ("content", "says"), [(b"", "empty"), (b"<html>\n", "an HTML page"), (b"\xff\xfet\0s\0", "UTF-16 text")]
)
def test_what_is_no_file_of_candles_is_said_and_refused(tmp_path: Path, content: bytes, says: str) -> None:
    found, refusal = seen(written(tmp_path, content))
    assert isinstance(refusal, DataInvalid)
    assert found["detected"]["alien"].startswith(says)
    assert (found["first_rows"], found["times"], found["commands"]) == ([], None, {})


@pytest.mark.parametrize(("member", "says"), [("xl/workbook.xml", "Excel"), ("content.xml", "OpenDocument")])
def test_a_workbook_is_no_archive_of_files(tmp_path: Path, member: str, says: str) -> None:
    path = tmp_path / "bars.xlsx"
    with zipfile.ZipFile(path, "w") as archive:
        for name in ("[Content_Types].xml", member, "data.csv"):
            archive.writestr(name, "")
    found, refusal = seen(path)
    assert isinstance(refusal, DataInvalid)
    assert refusal.details["rule"] == "ENCODING"
    assert says in refusal.message
    assert says in found["detected"]["alien"]


def test_an_archive_cut_short_is_still_looked_into(tmp_path: Path) -> None:
    whole = gzip.compress(b"".join(b"%d,10,11,9,10,1.%d,1\n" % (1_381_095_240 + at * 60, at) for at in range(30_000)))
    found, refusal = seen(written(tmp_path, whole[: len(whole) // 2], "XBTUSD_1.csv.gz"))
    assert refusal is not None
    assert found["detected"]["suggestions"][0]["profile"] == "kraken"
    assert "cut short" in found["read_as"]["problem"]["message"]
    found, _ = seen(written(tmp_path, b"PAR1 and no more", "bars.parquet"))
    assert found["detected"]["alien"].startswith("not readable: the table cannot be read")


@pytest.mark.parametrize(
    ("content", "says", "hint"),
    [
        (b"<!DOCTYPE html>\n<html>\n", "an HTML page", "download the data again"),
        (b'{"code":-1121,"msg":"Invalid symbol."}', "JSON of another shape", "array of arrays"),
        (b"\x28\xb5\x2f\xfd\x20\x05rest", "packed by Zstandard", "zstd -d"),
        (gzip.compress(b"a.csv".ljust(257, b"\0") + b"ustar\x0000".ljust(255, b"\0")), "a tar archive", "tar -xf"),
        ("ts,open,high,low,close,volume,Währung\n".encode("latin-1"), "not UTF-8", "iconv -f WINDOWS-1252"),
    ],
    ids=["page", "answer", "zst", "tar.gz", "latin-1"],
)
def test_what_to_do_about_a_file_that_is_none_of_candles_names_no_profile(
    tmp_path: Path, content: bytes, says: str, hint: str
) -> None:
    found, refusal = seen(written(tmp_path, content))
    assert refusal is not None
    assert refusal.details["rule"] == "ENCODING"
    assert says in refusal.message
    assert says in found["detected"]["alien"]
    assert refusal.hint is not None
    assert hint in refusal.hint
    assert "profile" not in refusal.hint


def test_an_archive_made_on_a_mac_has_one_file(tmp_path: Path) -> None:
    path = tmp_path / "bars.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for name in (".DS_Store", "data/bars.csv", "__MACOSX/data/._bars.csv", "data/._x", "data/.DS_Store"):
            archive.writestr(name, KRAKEN if name == "data/bars.csv" else b"\0")
    found, _ = seen(path, profile="kraken", gaps="keep")
    assert found["accepted"]
    assert found["sources"][0]["member"] == "data/bars.csv"


def test_several_files_are_one_dataset(tmp_path: Path) -> None:
    first, second = KRAKEN.splitlines(keepends=True)[:2], KRAKEN.splitlines(keepends=True)[2:]
    paths = [written(tmp_path, b"".join(each), f"{at}.csv") for at, each in enumerate((first, second))]
    found, refusal = seen(*paths)
    assert refusal is not None
    assert (found["rows"], len(found["sources"])) == (3, 2)
    assert followed(found)["rows"] == 3


def test_packed_files_are_looked_into(tmp_path: Path) -> None:
    found, _ = seen(written(tmp_path, gzip.compress(KRAKEN), "XBTUSD_1.csv.gz"))
    assert found["read_as"]["words"] == "--profile kraken --gaps keep"


def test_quality_is_looked_at_where_the_rows_are_at_hand(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    flat = "".join(f"2024-01-01 00:{minute:02}:00Z,1,2,1,2,5\n" for minute in range(12))
    path = written(tmp_path, HEADER + flat.encode())
    assert seen(path)[0]["quality"] == {"stale": 1, "spikes": 0, "volume_jumps": 0}
    monkeypatch.setattr(inspection, "QUALITY_ROWS_MAX", 11)
    assert seen(path)[0]["quality"] is None


def test_options_that_are_wrong_are_refused_as_everywhere(tmp_path: Path) -> None:
    path = written(tmp_path, KRAKEN)
    with pytest.raises(BuffError, match="no profile 'x'"):
        seen(path, profile="x")
    with pytest.raises(RunConfigInvalid):
        seen(path, timezone="Mars/Olympus")
