"""Events of older versions: the golden journal that holds them replays, and what they did not say is None."""

from pathlib import Path

from buff.files import RealDisk
from buff.journal.events import EVENTS, DatasetStored, IngestRejected, IngestStarted, IngestValidated
from buff.journal.log import read
from buff.journal.versions import UPCASTERS
from buff.registry.projection import project
from journals import BOOT

GOLDEN = Path(__file__).parents[2] / "golden" / "ingests_v1"


def test_the_golden_journal_of_the_first_ingests_replays_for_ever() -> None:
    """Two files stored, one of them twice, one refused, one given up. It is added to, never edited."""
    reading = read(RealDisk(), str(GOLDEN), boot=BOOT)
    assert (reading.problem, reading.confirmed) == (None, True)
    told = {line.type for line in reading.lines}
    assert told == {"journal_opened", "ingest_parsed", *(name for name in UPCASTERS if name != "run_committed")}
    events = [item.event for item in reading.events]
    assert events[1] == IngestStarted(
        ingest="ing_0000000000000001",
        owner=None,
        files=["minutes.csv"],
        size_bytes=7_901,
        symbol=None,
        options={"profile": "buff", "timezone": None, "gaps": "reject", "base_timeframe": "1m"},
        by="tester",
    )
    (rejected,) = (event for event in events if isinstance(event, IngestRejected))
    assert (rejected.rule, rejected.line, rejected.files, rejected.milliseconds) == ("GAP", 4, None, None)
    validated = [event for event in events if isinstance(event, IngestValidated)]
    assert [(event.gaps, event.missing, event.verdict, event.milliseconds) for event in validated] == [
        (0, None, None, None),
        (1, None, None, None),
        (0, None, None, None),
    ]
    stored = [event for event in events if isinstance(event, DatasetStored)]
    assert [(event.symbol, event.rows, event.existed, event.milliseconds) for event in stored] == [
        ("BTCUSDT", 120, False, None),
        ("BTCUSDT", 4, False, None),
        ("ETHUSDT", 120, True, None),
    ]


def test_the_registry_of_the_golden_journal_is_what_it_was() -> None:
    state = project(read(RealDisk(), str(GOLDEN), boot=BOOT).events)
    assert [entry.symbols for entry in state.datasets.values()] == [["BTCUSDT", "ETHUSDT"], ["BTCUSDT"]]
    assert [len(entry.sources) for entry in state.datasets.values()] == [1, 1]
    assert [entry.files for entry in state.ingests.values()] == [["minutes.csv"]]
    assert state.rejected == 1


def test_every_older_type_has_a_newer_one() -> None:
    today = {event.TYPE for event in EVENTS}
    for old in UPCASTERS:
        assert old not in today
        assert f"{old.partition('.')[0]}.v2" in today
