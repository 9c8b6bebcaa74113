"""Attacks on the ingestion: whatever a file holds, Buff accepts or refuses it as the slow reference reader does.

Invariants checked: nothing but a `BuffError` is raised; the plain reader, the judge and `reference_reader` agree on
acceptance, on every bit of every bar, on the first rule and line, and on the count of every rule, whatever the block
size; a JSON array that `json.loads` refuses is refused.
"""

import random
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import attrs
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import odd_archives
import odd_tables
from buff.errors import BuffError, ProfileInvalid
from buff.market.bars import COLUMNS
from buff.market.ingest import ingest
from buff.market.options import CsvOptions
from buff.market.profiles import PROFILES, Profile, profile_from
from buff.market.source import Source
from csv_files import HEADER, NASTY, rows
from reference_reader import Asked, File, Verdict
from reference_reader import read as read_slowly
from vendor_files import ODD, TEXTS, Case, damaged, made
from whole import events, make

SHARES = pytest.mark.parametrize("share", [1, pytest.param(10, marks=pytest.mark.nightly)])


def outcome(case: Case, options: CsvOptions, **how: Any) -> dict[str, Any]:
    """Return all that a reading comes to, as values that can be compared."""
    size = how.pop("chunk_bytes", 1 << 20)

    def source(file: File) -> Source:
        def chunks() -> Iterator[bytes]:
            return iter([file.content[at : at + size] for at in range(0, len(file.content), size)])

        return Source(name=file.name, member=file.member, chunks=chunks)

    written: list[Any] = []
    try:
        done = ingest(
            [source(file) for file in case.files],
            options,
            write=written.append,
            rows_max=10**7,
            bytes_max=10**9,
            **how,
        )
    except BuffError as error:
        return error.as_dict()
    columns = {name: np.concatenate([block[name] for block in written]) for name in COLUMNS}
    return {"columns": {name: column.tobytes() for name, column in columns.items()}, "done": done}


def seen(found: dict[str, Any]) -> tuple[Any, ...]:
    """Return of an outcome what the reference reader knows, too."""
    if "columns" in found:
        return tuple(found["columns"][name] for name in COLUMNS)
    details = found["details"]
    if found["code"] == "LIMIT_EXCEEDED":
        return ("too much is missing",)
    first = details["offences"][0]
    return details["rule"], first["line"], details["counts"]


def expected(verdict: Verdict) -> tuple[Any, ...]:
    """Return a verdict in the same words."""
    if verdict.limit:
        return ("too much is missing",)
    if verdict.rule is not None:
        return verdict.rule, verdict.line, dict(verdict.counts)
    table = list(zip(*verdict.bars, strict=True))
    kinds = ("<i8", "<f8", "<f8", "<f8", "<f8", "<f8", "u1")
    return tuple(np.array(column, kind).tobytes() for column, kind in zip(table, kinds, strict=True))


def hold(case: Case, chance: random.Random) -> str:
    """Hold the readers to each other over one case; return what it came to."""
    options = CsvOptions(**case.words())
    found = outcome(case, options)
    assert outcome(case, options, reference=True) == found
    assert outcome(case, options, block_bytes=chance.choice((1, 64, 200, 1_000))) == found
    assert outcome(case, options, chunk_bytes=chance.choice((7, 100)), block_bytes=1 << 18) == found
    verdict = read_slowly(case.files, case.asked)
    if verdict.broken:
        assert found["details"]["counts"], "refused for whatever reason"
        return "refused"
    assert seen(found) == expected(verdict)
    return "accepted" if "columns" in found else "refused"


def plain(content: bytes, profile: Profile = PROFILES["buff"], **words: Any) -> Case:
    """Return a case of one file."""
    ticker = "AB" if profile.plural else None
    return Case(files=(File(content=content),), asked=Asked(profile=profile, **{"ticker": ticker, **words}))


def attack(kind: str, count: int, case: Callable[[random.Random], Case]) -> Counter[str]:
    """Hold the readers to each other over many cases of one kind."""
    counts: Counter[str] = Counter()
    for seed in range(count):
        chance = random.Random(f"{kind} {seed}")
        each = case(chance)
        try:
            counts[hold(each, chance)] += 1
        except Exception as error:
            raise AssertionError(f"seed '{kind} {seed}': {each.asked} {each.files}") from error
    print(f"\n{kind}: {sum(counts.values()):,} cases, {counts['accepted']:,} accepted")
    return counts


EACH_PROFILE = pytest.mark.parametrize("profile", TEXTS.values(), ids=TEXTS.keys())


@EACH_PROFILE
def test_files_as_they_are_made_are_read_alike(profile: Profile) -> None:
    counts = attack(f"{profile.name}, whole", 60, lambda chance: made(profile, chance))
    assert counts["accepted"] > 5, "some forms of time have no minutes, so not all can be"


@SHARES
@EACH_PROFILE
def test_files_after_some_edits_are_read_alike(profile: Profile, share: int) -> None:
    counts = attack(f"{profile.name}, edited", 260 * share, lambda chance: damaged(made(profile, chance), chance))
    assert min(counts["accepted"], counts["refused"]) > 10 * share


@SHARES
def test_every_byte_in_every_kind_of_place_is_read_alike(share: int) -> None:
    """Put in, and put in the place of another: in a name, a time, a number, a separator and a line end."""
    bases = [HEADER + b"\n".join(rows(3, form=form)) for form in ("Z", "ms", "offset")]
    cases = [
        content[:at] + bytes([byte]) + content[at + gone :]
        for content in bases[: 1 if share == 1 else 3]
        for at in sorted({0, 1, 3, 29, 30, 31, 35, 40, 49, 50, 51, 53, len(content) - 1, len(content)})
        for gone in (0, 1)
        for byte in range(256)
    ]
    chosen = iter(cases)
    attack("every byte", len(cases), lambda chance: plain(next(chosen)))


@SHARES
def test_random_bytes_are_read_alike(share: int) -> None:
    """Bytes of any kind, alone and below a header that is right."""

    def case(chance: random.Random) -> Case:
        size = chance.choice((0, 1, 2, 3, 10, 50, 300))
        alphabets = (bytes(range(256)), b"0123456789,.\n-:TZ", b'01,\n\r" ', b'[]{}",0 \n1e', "é😀\u2028,1\n".encode())
        content = bytes(chance.choices(chance.choice(alphabets), k=size))
        above = chance.choice((b"", b"", HEADER, b"\xef\xbb\xbf", HEADER + rows(1)[0] + b"\n"))
        return plain(above + content, chance.choice(tuple(TEXTS.values())) if not above else PROFILES["buff"])

    attack("random bytes", 2_000 * share, case)


CELLS = st.one_of(
    st.sampled_from([each.decode("utf-8", "surrogateescape") for each in (*NASTY, *ODD)]),
    st.integers(1_577_836_800, 1_577_836_800 + 600).map(str),
    st.datetimes().map(str),
    st.floats().map(repr),
    st.decimals(allow_nan=False, allow_infinity=False, places=3).map(str),
    st.text(max_size=4),
)

ROWS = st.one_of(
    st.none(), st.none(), st.none(), st.lists(CELLS, min_size=5, max_size=7)
)  # none: the row that is right


@SHARES
def test_random_tables_are_read_alike(share: int) -> None:
    """Rows of cells of all kinds below the right header, which hypothesis makes smaller when they fail."""
    counts: Counter[str] = Counter()

    @settings(max_examples=800 * share, derandomize=True, database=None, deadline=None)
    @given(st.lists(ROWS, max_size=5), st.randoms(use_true_random=False))
    def check(made: list[Any], chance: random.Random) -> None:
        right = [row.decode().split(",") for row in rows(5, form="s", start_ms=1_577_836_800_000)]
        table = [right[at] if row is None else row for at, row in enumerate(made)]
        content = HEADER + b"\n".join(",".join(row).encode("utf-8", "surrogateescape") for row in table)
        counts[hold(plain(content, gaps=chance.choice(("reject", "keep", "fill"))), chance)] += 1

    check()
    print(f"\nrandom tables: {sum(counts.values()):,} cases, {counts['accepted']:,} accepted")
    assert min(counts["accepted"], counts["refused"]) > 10 * share


# Profiles of a user's own

SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=6), st.dates(), st.datetimes(),
    st.sampled_from(["csv", "json", "table", ",", ";", "none", "optional", "required", "UTC", "+01:00", "Mars",
                     "iso", "%Y%m%d", "%", "%%", "%Y%Y", "epoch", "close", "open", "ts", "descending",
                     "!x", "x*", "*", "!", "é", "\0"]),
)  # fmt: skip
VALUES_OF_TOML = st.recursive(
    SCALARS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.sampled_from(["ts", "open", "GAP", "x"]), inner, max_size=3)
    ),
    max_leaves=6,
)
RIGHT = {
    "name": "own", "columns": {name: name for name in ("ts", "open", "high", "low", "close", "volume")},
    "positions": ["ts", "open", "high", "low", "close", "volume"],
}  # fmt: skip
GOOD = st.sampled_from([
    ("formats", ["csv", "table"]), ("formats", ["csv", "json"]), ("delimiter", ";"), ("banner", "ts"),
    ("header", "optional"),
    ("header", "none"), ("subheaders", ["2020", "x"]), ("times", ["iso"]), ("times", "%Y-%m-%dT%H:%M:%SZ"),
    ("times", ["epoch.0", "ms_of_day", "iso"]), ("zone", "Europe/Berlin"), ("local", "ts"), ("stamp", "close"),
    ("order", "descending"), ("volume", False), ("scale", 2), ("no_bar", "0"), ("hints", {"GAP": "x"}), ("says", "é"),
])  # fmt: skip
FIELDS = st.sampled_from([*(each.name for each in attrs.fields(Profile)), "x", ""])


@SHARES
def test_random_profiles_are_followed_or_refused(share: int) -> None:
    """A table is a profile or PROFILE_INVALID, and a profile reads a file without a traceback."""
    counts: Counter[str] = Counter()

    @settings(max_examples=1_000 * share, derandomize=True, database=None, deadline=None)
    @given(st.lists(GOOD, max_size=4), st.dictionaries(FIELDS, VALUES_OF_TOML, max_size=2), st.integers(0, 3))
    def check(good: list[tuple[str, Any]], table: dict[str, Any], kind: int) -> None:
        try:
            own = profile_from(table if kind == 0 else {**RIGHT, **dict(good), **(table if kind == 1 else {})})
        except ProfileInvalid as error:
            counts["refused" if error.details["field"] is not None else "refused for nothing"] += 1
            return
        counts["accepted"] += 1
        case = plain(HEADER + b"\n".join(rows(3)), own, ticker="AB")
        hold(case, random.Random(1))

    check()
    print(f"\nrandom profiles: {sum(counts.values()):,} cases, {counts['accepted']:,} accepted")
    assert min(counts["accepted"], counts["refused"]) > 25 * share


# Through the doors of a user


def worst(chance: random.Random, folder: Path) -> Path:
    """Write one file of the kinds that are refused in most ways; return where."""
    content = damaged(made(chance.choice((PROFILES["buff"], PROFILES["ccxt"])), chance), chance).files[0].content
    match chance.randrange(4):
        case 0:
            content = odd_archives.damaged(odd_archives.packed(chance), chance)
        case 1:
            content = odd_tables.damaged(odd_tables.file_of(odd_tables.table_of(chance), chance), chance)
        case 2:
            content = chance.randbytes(chance.randrange(200))
        case _:
            pass
    path = folder / chance.choice(("bars.csv", "b.gz", "b.zip", "b.parquet", "b\n.csv", "é.csv"))
    path.write_bytes(content)
    return path


def files_of(root: Path) -> list[str]:
    """Return the files of a root but those of its journal."""
    found = sorted(each.relative_to(root).as_posix() for each in root.rglob("*") if each.is_file())
    return [each for each in found if "journal" not in each]


@SHARES
def test_a_refused_request_leaves_nothing_but_events(root: Path, tmp_path: Path, share: int) -> None:
    chance = random.Random("requests")
    told, left = len(events(root)), []
    counts: Counter[str] = Counter()
    for _ in range(200 * share):
        path = worst(chance, tmp_path)
        try:
            before = files_of(root)
            make(root, path, timeframe="1m", strategy="hold", params=None, gaps=chance.choice(("reject", "keep")))
        except BuffError as error:
            counts[error.code] += 1
            kept = error.code == "RUN_CONFIG_INVALID"  # its data was good
            left += [] if kept or files_of(root) == before else [path.read_bytes()]
    print(f"\nrequests: {200 * share:,} cases, {dict(counts)}")
    assert not left
    assert sum(counts.values()) > 150 * share
    assert len(events(root)) > told
    assert not any(each.name.startswith("ing_") for each in root.rglob("*"))


@SHARES
def test_a_process_ends_with_a_documented_code(root: Path, tmp_path: Path, share: int) -> None:
    """No traceback, whatever the file, and nothing left in the root but events."""
    chance = random.Random("processes")
    before = files_of(root)
    counts: Counter[int] = Counter()
    words = ["run", "create", "--symbol", "AB", "--timeframe", "1m", "--strategy", "hold", "--risk-level", "1"]
    for number in range(20 * share):
        path = worst(chance, tmp_path)
        command = [sys.executable, "-m", "buff", *words, "--runs-root", str(root)]
        fed = number % 4 == 0
        done = subprocess.run(
            [*command, "--csv", "-" if fed else str(path)],
            input=path.read_bytes() if fed else b"",
            capture_output=True,
            check=False,
        )
        assert b"Traceback" not in done.stderr, (number, done.stderr)
        counts[done.returncode] += 1
        assert done.returncode in (0, 3) or files_of(root) == before, (number, done.stderr)
        before = files_of(root)
    print(f"\nprocesses: {sum(counts.values()):,} cases, exit codes {dict(counts)}")
    assert set(counts) <= {0, 3, 4, 5}, counts
    assert counts[4] > 12 * share
