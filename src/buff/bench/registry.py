"""A root with very many runs: opening it, looking at it, committing one more, beside a small root and beside SQLite."""

import json
import sqlite3
import sys
from collections.abc import Callable, Iterator
from itertools import product

import msgspec

from buff.bench.made import BATCH, SYMBOLS, commits, crowd
from buff.bench.place import Place
from buff.bench.processes import cost_of, environment
from buff.bench.turns import Case, Contender, Job, Subject, repeated
from buff.files import RealDisk
from buff.journal.reader import read
from buff.registry.projection import project
from buff.store import Store

FEW = 1_000
PAGE = 100
COMMITS = 10  # so many runs are committed in a turn
OPEN = "import sys, buff; assert buff.open(sys.argv[1]).runs().total"


def subject(*, quick: bool) -> Subject:
    """Return what is measured."""
    many = 5_000 if quick else 100_000
    large, small = f"Buff, {many:,} runs", f"Buff, {FEW:,} runs"

    def both(
        name: str, job: Callable[[Place, int], Job], *others: Contender, rounds: int = 7, seconds: float = 2
    ) -> Case:
        return Case(
            name=name,
            contenders=(
                Contender(who=large, prepare=lambda place: job(place, many)),
                Contender(who=small, prepare=lambda place: job(place, FEW)),
                *others,
            ),
            rounds=rounds,
            seconds=seconds,
        )

    def rival(job: Callable[["Table"], Job]) -> Contender:
        return Contender(who=f"SQLite, {many:,} rows", prepare=lambda place: job(_table(place, many)))

    return Subject(
        name="registry",
        title="A root with very many runs",
        says=(
            "Runs as large in the journal as those of real sweeps; none has a directory, which no list opens. What "
            "grows with the number of runs shows as the ratio of the small root to the large one. A journal as short "
            "as that of the small one is read whole whenever its root is opened; a longer one is read from its index "
            "on.",
            "SQLite has the same members in a table with indexes over what is filtered: it opens without reading "
            "anything and proves nothing. Buff proves the hash of its index when it opens a root, and then answers "
            "from memory; its past is folded from the journal, which the table does not have. A commit of Buff also "
            "gives a directory its name, durably and so that a crash anywhere leaves no half of it.",
            "A filter is one that nobody asked for before, so that no answer is a kept one.",
        ),
        cases=(
            both("open and list the first page, a process of its own", _process, seconds=30),
            both("open and list the first page, imports done", _open, rival(lambda table: repeated(table.open))),
            both(
                "make the registry anew from the whole journal",
                _anew,
                rival(lambda table: repeated(table.decode)),
                rounds=1,
                seconds=20,
            ),
            both("a filter that nobody asked before", _filter, rival(lambda table: repeated(table.filter))),
            both("the page in the middle", _middle),
            both("the first page as of the middle of its history", _past, rounds=5, seconds=15),
            both(
                f"commit a run, {COMMITS} in a row, each",
                _commit,
                rival(lambda table: lambda: repeated(table.commit, COMMITS)()),
            ),
        ),
    )


def _root(place: Place, runs: int) -> str:
    def filled() -> str:
        with Store(place.directory(f"root-{runs}"), host=place.host, settings=place.settings) as store:
            crowd(store, runs)
            return store.root

    return place.once(f"root {runs}", filled)


def _opened(place: Place, runs: int) -> Store:
    _root(place, runs)
    return place.store(f"root-{runs}")


def _process(place: Place, runs: int) -> Job:
    command = opening(_root(place, runs))
    return lambda: cost_of(command, environment=environment(place))


def opening(root: str) -> list[str]:
    """Return the command that opens a root and lists its first page."""
    return [sys.executable, "-c", OPEN, root]


def _open(place: Place, runs: int) -> Job:
    root = _root(place, runs)
    return repeated(lambda: Store(root, host=place.host, settings=place.settings).runs())


def _anew(place: Place, runs: int) -> Job:
    root, disk = _root(place, runs), RealDisk()

    def anew() -> None:
        assert len(project(read(disk, root, boot=place.host.boot).events).runs) >= runs

    return repeated(anew)


def _unasked() -> Iterator[tuple[str, int, str]]:
    """Yield what to filter by: symbol, risk level, timeframe, each combination once."""
    return iter(product(SYMBOLS, range(1, 6), ("1h", "4h")))


def _filter(place: Place, runs: int) -> Job:
    store, unasked = _opened(place, runs), _unasked()
    store.runs()  # a root that was opened and listed

    def look() -> None:
        symbol, risk_level, timeframe = next(unasked)
        store.runs(symbol=symbol, risk_level=risk_level, timeframe=timeframe)

    return repeated(look)


def _middle(place: Place, runs: int) -> Job:
    store = _opened(place, runs)
    return repeated(lambda: store.runs(after=runs // 2))


def _past(place: Place, runs: int) -> Job:
    store = _opened(place, runs)
    middle = store.state.seq // 2
    return repeated(lambda: store.runs(as_of=middle))


def _commit(place: Place, runs: int) -> Job:
    store, made = _opened(place, runs), commits(runs + 1)

    def commit() -> None:
        event = next(made)
        store.disk.mkdir(store.owner.path(event.run_id))  # stands for the directory, which costs the same in any root
        store.commit(event.run_id, event)

    return repeated(commit, COMMITS)


class Table:
    """Runs as rows of one SQLite file, with an index over what is filtered; synced at every commit."""

    def __init__(self, path: str, runs: int) -> None:
        """Make the file with so many rows."""
        self._path, self._made, self._unasked = path, commits(runs), _unasked()
        self._connection = sqlite3.connect(path, isolation_level=None)
        self._connection.execute("PRAGMA journal_mode=WAL")
        self._connection.execute("PRAGMA synchronous=FULL")
        self._connection.execute(
            "CREATE TABLE run (seq INTEGER PRIMARY KEY, symbol TEXT, risk_level INTEGER, timeframe TEXT, facts TEXT)"
        )
        self._connection.execute("CREATE INDEX narrow ON run (symbol, risk_level, timeframe, seq)")
        for _ in range(0, runs, BATCH):
            self._insert(BATCH)

    def _insert(self, count: int) -> None:
        self._connection.execute("BEGIN IMMEDIATE")
        self._connection.executemany(
            "INSERT INTO run (symbol, risk_level, timeframe, facts) VALUES (?, ?, ?, ?)",
            [
                (event.symbol, event.risk_level, event.timeframe, msgspec.json.encode(event).decode())
                for event, _ in zip(self._made, range(count), strict=False)
            ],
        )
        self._connection.execute("COMMIT")

    def open(self) -> None:
        """Open the file and read the first page and how many there are."""
        connection = sqlite3.connect(self._path)
        connection.execute("SELECT count(*) FROM run").fetchone()
        _read(connection.execute("SELECT facts FROM run ORDER BY seq DESC LIMIT ?", (PAGE,)))
        connection.close()

    def decode(self) -> None:
        """Read every row, decoded and kept by its id."""
        rows = self._connection.execute("SELECT facts FROM run ORDER BY seq")
        assert {found["run_id"]: found for found in map(json.loads, (facts for (facts,) in rows))}

    def filter(self) -> None:
        """Read the first page of some of them and how many there are."""
        where, given = "FROM run WHERE symbol = ? AND risk_level = ? AND timeframe = ?", next(self._unasked)
        self._connection.execute(f"SELECT count(*) {where}", given).fetchone()
        _read(self._connection.execute(f"SELECT facts {where} ORDER BY seq DESC LIMIT ?", (*given, PAGE)))

    def commit(self) -> None:
        """Insert one more."""
        self._insert(1)

    def close(self) -> None:
        """Close the file."""
        self._connection.close()


def _read(rows: sqlite3.Cursor) -> None:
    for (facts,) in rows:
        json.loads(facts)


def _table(place: Place, runs: int) -> Table:
    def made() -> Table:
        table = Table(place.path("runs.sqlite"), runs)
        place.closing(table.close)
        return table

    return place.once("table", made)
