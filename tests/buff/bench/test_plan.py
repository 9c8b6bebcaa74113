"""The plan is arithmetic: of round constants its numbers can be done by hand."""

from buff.bench.plan import committed, tables
from buff.bench.scale import CONSTANTS, rounded

ROUND = {
    "csv_bar": 100.0,
    "stored_bar": 50.0,
    "ingest_bar": 1e-6,
    "run": 2e6,
    "packed": 5e5,
    "pack": 0.01,
    "run_files": 10.0,
    "make": 0.01,
    "shipped": 2.5e6,
    "commit": 0.004,
    "syncs": 16.0,
    "sync": 0.001,
    "verify": 0.02,
    "look": 0.001,
    "event": 1_000.0,
    "prove": 1e-5,
    "row": 500.0,
    "resident": 2_000.0,
    "open": 2e-6,
}


def test_the_plan_of_round_constants() -> None:
    assert set(ROUND) == {each.name for each in CONSTANTS}
    runs, symbols, terabyte, workers = ({row[0]: row[1:] for row in each.rows} for each in tables(ROUND))
    assert runs["run directories"] == ("2 MB", "2 TB")
    assert runs["the same, decision records compressed"] == ("500 kB", "500 GB")
    assert runs["files and directories in them"] == ("10", "10,000,000")
    assert runs["opening the root"] == ("2 µs", "2 s")
    assert runs["making, 16 cores"] == ("625 µs", "10.4 min")
    assert runs["runs whose registry fits 16 GB of memory"] == ("", "8,000,000")
    assert symbols["minutes"] == ("2,630,000", "26,300,000,000")
    assert symbols["datasets"] == ("131 MB", "1.31 TB")
    assert symbols["one run at 1h of each, 43,800 bars"] == ("10 MB", "100 GB")
    assert terabyte["minutes in it"] == ("20,000,000,000",)
    assert terabyte["ingest, 100 cores"] == ("3.33 min",)
    assert workers["runs a second that one committer commits"] == ("250",)
    assert workers["workers that keep one committer busy"] == ("2.5",)
    assert workers["runs a second that a gigabit a second carries"] == ("50",)
    assert workers["processor time of a run from which on 100 workers are all busy"] == ("400 ms",)


def test_the_slower_of_processor_and_disk_is_what_a_commit_takes() -> None:
    assert committed(ROUND) == 0.004
    assert committed({**ROUND, "sync": 0.01}) == 0.04, "sixteen syncs, four at a time"


def test_a_constant_that_is_printed_is_the_constant_that_was_reckoned_with() -> None:
    assert rounded(0.012345) == 0.0123
    assert rounded(1_666_666.0) == 1_670_000.0
    assert rounded(rounded(1 / 3)) == rounded(1 / 3)
