"""JSON arrays become lines of text; what is no array of arrays of scalars is refused, however it comes in chunks."""

import json

import pytest

from buff.market.arrays import lines
from buff.market.judge import LINE_BYTES_MAX
from buff.market.source import Broken

ROW = b"[1577836800000,1.5,2,1,1,0]"


def read(content: bytes, size: int = 1 << 20) -> bytes:
    return b"".join(lines(content[at : at + size] for at in range(0, len(content), size)))


def test_rows_become_lines_of_their_cells_as_they_are_written() -> None:
    content = b'\xef\xbb\xbf [\n [1, 2.50,\t"3" ],["4",-0.0e5 , null],["",true,NaN] ]\n'
    assert read(content) == b"1,2.50,3\n4,-0.0e5,null\n,true,NaN\n"
    for size in (1, 2, 7):
        assert read(content, size) == read(content)


def test_what_stands_in_a_text_is_not_trimmed() -> None:
    assert read(b'[[" 1 ", "2"]]') == b" 1 ,2\n"


@pytest.mark.parametrize("content", [b"[]", b" [ ] ", b"\xef\xbb\xbf[\n]"])
@pytest.mark.parametrize("size", [1, 100])
def test_an_empty_array_has_no_rows(content: bytes, size: int) -> None:
    assert read(content, size) == b""


def test_an_empty_row_is_no_blank_line() -> None:
    assert read(b"[" + ROW + b",[]]") == ROW[1:-1] + b"\n \n"


@pytest.mark.parametrize(
    "cells",
    [b"01,2", b'"1""2"', b'1"0",2', b"2020-01-01,2", b"1,", b",1", b"+1", b".5", b"5.", b"1 2", b"'1'", b'"1\r"',
     b'"\t"', b"0x10", b"nan", b"1,\x0c2", b"[1]", b"{}", b'"\\u0031"', b'"1,2"', b'"]"',
     b'"\xef\xbb\xbf1"', b"\xc2\xa01"],
)  # fmt: skip
def test_other_cells_are_refused_in_every_place(cells: bytes) -> None:
    """Whatever JSON refuses, and of what it takes: escapes, signs of the frame in texts, arrays in arrays."""
    for content in (b"[[" + cells + b"]]", b"[" + ROW + b",[" + cells + b"]," + ROW + b"]"):
        with pytest.raises(Broken, match=f"after row {content.count(ROW) // 2}"):
            read(content)


@pytest.mark.parametrize(
    "content",
    [b"[", b"[[1]", b"[[1],", b"[[1],]", b"[,[1]]", b"[[1]]]", b"[[1]] [[1]]", b"[[1]]\x0c", b"[1]", b"[[1] [2]]",
     b"[[1", b"]"],
)  # fmt: skip
@pytest.mark.parametrize("size", [1, 100])
def test_a_frame_that_is_not_whole_is_refused(content: bytes, size: int) -> None:
    with pytest.raises(Broken):
        read(content, size)
    with pytest.raises((json.JSONDecodeError, AttributeError)):
        json.loads(content)[0].index(1)


@pytest.mark.parametrize("size", [7_000, 1 << 20])
def test_a_row_may_be_as_long_as_a_line(size: int) -> None:
    for spaces, kept in ((0, True), (1, False)):
        row = b"[" + b"1" * (LINE_BYTES_MAX - 3) + b" " * spaces + b"]"
        if kept:
            assert read(b"[" + row + b"]", size) == b"1" * (LINE_BYTES_MAX - 3) + b"\n"
        else:
            with pytest.raises(Broken, match="too long"):
                read(b"[" + row + b"]", size)


def test_an_endless_row_is_given_up() -> None:
    """No more of it is held than a line may have, and a chunk."""
    taken = 0

    def endless():
        nonlocal taken
        yield b"[["
        while True:
            taken += 1_000
            yield b"1" * 1_000

    with pytest.raises(Broken):
        list(lines(endless()))
    assert taken <= LINE_BYTES_MAX + 2_000
