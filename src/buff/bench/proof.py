"""Verifying a run beside creating it, and beside a look at its stored bytes."""

from itertools import cycle, product

from buff.audit import verify_all
from buff.bench.made import write_minutes
from buff.bench.place import Place
from buff.bench.turns import Case, Contender, Job, Subject, repeated
from buff.builder import create
from buff.deposit import deposit
from buff.proof import verify
from buff.sample import MONTH, YEAR
from buff.store import Store

TIMES = 3


def subject(*, quick: bool) -> Subject:
    """Return what is measured."""
    rows = MONTH if quick else YEAR
    return Subject(
        name="proof",
        title="Creating and verifying a run",
        says=(
            "Runs of a cross of averages over hours, of a dataset of minutes that is stored and resampled already; "
            "each has parameters of its own, so that each is computed and committed.",
            "Verifying recomputes the run from its inputs and compares every byte; the dataset's columns are hashed "
            "and resampled again for it, which creating a further run of a stored dataset does not do. A look at the "
            "stored bytes hashes what is there and computes nothing.",
        ),
        cases=(
            Case(
                name=f"a run at 1h of {rows:,} stored minutes",
                contenders=(
                    Contender(who="create and commit", prepare=lambda place: _create(place, rows)),
                    Contender(who="verify, recomputed", prepare=lambda place: _verify(place, rows)),
                    Contender(who="verify, stored bytes only", prepare=lambda place: _look(place, rows)),
                ),
                seconds=6,
            ),
        ),
    )


def _dataset(place: Place, rows: int) -> str:
    def stored() -> str:
        csv = write_minutes(place.path("minutes.csv"), rows)
        values = {"csv": [csv], "symbol": "DEMO"}
        return deposit(values, root=place.path("root"), host=place.host, settings=place.settings).dataset_id

    place.directory("root")
    return place.once("dataset", stored)


def _made(place: Place, rows: int) -> str:
    fast, slow = next(place.once("pairs", lambda: product(range(2, 100), range(100, 1_000))))
    request = {"dataset": _dataset(place, rows), "timeframe": "1h", "strategy": "ma_cross", "risk_level": 3}
    store = place.store("root")
    return create(
        {**request, "params": {"fast": fast, "slow": slow}}, root=store, host=place.host, settings=place.settings
    ).run.id


def _create(place: Place, rows: int) -> Job:
    _made(place, rows)
    return repeated(lambda: _made(place, rows), TIMES)


def _verify(place: Place, rows: int) -> Job:
    ids = cycle([_made(place, rows) for _ in range(TIMES)])

    def check() -> None:
        assert verify(place.store("root"), next(ids), record=False).outcome == "identical"

    return repeated(check, TIMES)


def _look(place: Place, rows: int) -> Job:
    """Return a look at every run of the root, of which there are more in every round; what one takes is told."""
    store: Store = place.store("root")

    def look() -> None:
        assert {each.outcome for each in verify_all(store, stored_bytes_only=True, record=False)} == {"whole"}

    return lambda: repeated(look)().per(len(store.state.runs))
