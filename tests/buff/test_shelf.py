"""Memory that processes share: what one lays down another sees, and who does not find it says so."""

import errno
import multiprocessing
import os
from concurrent.futures import ProcessPoolExecutor

import pytest
from attrs import evolve

from buff import shelf
from buff.shelf import Place, Shelf, lay

pytestmark = pytest.mark.skipif(not hasattr(os, "memfd_create"), reason="this system has no memory without a name")
SIZE = 5_000  # places begin in the middle of a page


@pytest.fixture(autouse=True)
def unknown() -> None:
    shelf._found.cache_clear()


def taken(held: Shelf) -> Place:
    place = held.take()
    assert place is not None
    return place


def test_what_another_process_lays_down_is_seen_here() -> None:
    held = Shelf(3, SIZE)
    places = [taken(held) for _ in range(3)]
    parts = [[b"%d" % number, b"ab" * 2_000, b"", b"end"] for number in range(3)]
    with ProcessPoolExecutor(2, multiprocessing.get_context("spawn")) as pool:
        sizes = list(pool.map(lay, parts, places))
    held.close()
    assert sizes == [4_004] * 3
    for place, part in zip(places, parts, strict=True):
        assert held.seen(place, 4_004) == b"".join(part)
        assert held.seen(place, SIZE)[4_004:] == bytes(SIZE - 4_004), "nothing was laid behind it"


def test_the_place_that_was_used_last_is_used_next_and_no_place_twice() -> None:
    held = Shelf(3, SIZE)
    places = [taken(held) for _ in range(3)]
    assert sorted(place.begin for place in places) == [0, SIZE, 2 * SIZE]
    assert held.take() is None
    held.put_back(places[0])
    held.put_back(places[2])
    assert [held.take(), held.take(), held.take()] == [places[2], places[0], None]
    held.close()
    held.close()


def test_what_does_not_fit_is_not_laid_down() -> None:
    held = Shelf(2, SIZE)
    place = taken(held)
    assert lay([b"x" * SIZE], place) == SIZE
    assert lay([b"y" * SIZE, b"y"], place) is None
    assert held.seen(place, SIZE) == b"x" * SIZE
    held.close()


def test_another_file_of_that_name_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    held, other = Shelf(1, SIZE), Shelf(1, SIZE)
    place, others = taken(held), taken(other)
    assert lay([b"x"], evolve(place, path=others.path)) is None
    assert other.seen(others, 1) == b"\0"
    held.close()
    assert lay([b"x"], place) is None, "it is closed, and was never found before"
    assert lay([b"x"], evolve(place, path="/proc/0/fd/0")) is None
    other.close()


def test_who_found_it_once_goes_on_when_it_is_closed() -> None:
    held = Shelf(2, SIZE)
    place = taken(held)
    assert lay([b"x"], place) == 1
    held.close()
    assert lay([b"yz"], place) == 2
    assert held.seen(place, 2) == b"yz"


def test_memory_that_is_refused_is_an_error_and_leaves_nothing_open(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(handle: int, size: int) -> None:
        raise OSError(errno.EFBIG, "no such size here")

    before = os.listdir("/proc/self/fd")
    monkeypatch.setattr(os, "ftruncate", refused)
    with pytest.raises(OSError, match="no such size"):
        Shelf(1, SIZE)
    assert os.listdir("/proc/self/fd") == before
