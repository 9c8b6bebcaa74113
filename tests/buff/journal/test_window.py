"""The fast walk over many lines is the plain walk line by line, whatever the bytes are."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from buff.journal import chain
from buff.journal.chain import Chain, Stop, follow, follow_plainly
from buff.journal.head import START, Position
from buff.journal.line import Line, seal, write
from buff.journal.window import together
from journals import TIME

DATA = (
    b"{}",
    b'{"a":1}',
    b'{"sha256":"x","t":[1.5,-2,0.1,null,true]}',
    b'{"name":"premi\\u00e8re \\ud83d\\ude00"}',
    b'{"nested":{"a":{"b":[[1],[2]]}},"text":"a\\"b\\\\"}',
    b'{"digits":"1234567890123456789","f":0.1234567890123456,"n":-900719925474099}',
)
BAD_DATA = (
    b"[]",
    b'{"a": 1}',
    b'{"a":1,"a":1}',
    b'{"a":9007199254740993}',
    b'{"a":-9007199254740991}',
    b'{"a":-0}',
    b'{"a":1.50}',
    b'{"a":1e999}',
    b'{"a":NaN}',
    b'{"a":"\x7f"}',
    b'{"a":"\\ud800"}',
    b'{"a":' + 16 * b"[" + 16 * b"]" + b"}",
    b'{"a":[' + 15 * b"[]," + b"[]]}",
    b'{"a":"\\u00E8\\u0041"}',
    b'{"a":"\xc3\xa8"}',
    b'{"a":"\xc3"}',
)


def forged(seq: int, prev: str, data: bytes = b"{}", /, **changes: object) -> bytes:
    """Return a line with a hash that fits, whether or not its parts are what they should be."""
    parts = {"v": 1, "b": f"[{seq},{seq}]", "t": TIME, "type": "note", "key": "null"} | changes
    head = '{{"v":{v},"seq":{seq},"prev":"{prev}","b":{b},"t":"{t}","type":"{type}","key":{key},"data":'
    return seal(head.format(**({"seq": seq, "prev": prev} | parts)).encode() + data + b"}")


def journal(sizes: list[int], data: tuple[bytes, ...] = DATA) -> list[Line]:
    """Return the lines of batches of these sizes, their data taken in turn."""
    lines: list[Line] = []
    prev = START.sha256
    for size in sizes:
        first = len(lines) + 1
        for seq in range(first, first + size):
            line = write(
                seq=seq,
                prev=prev,
                first=first,
                last=first + size - 1,
                time=TIME,
                type=f"note.v{seq % 3 + 1}",
                key=None if seq % 2 else f"key:{seq}",
                data=data[seq % len(data)],
            )
            lines.append(line)
            prev = line.sha256
    return lines


def same(window: bytes, start: Position = START, **options: object) -> Chain:
    """Hold both walks against each other and return what they say."""
    plain = follow_plainly(window, start, **options)
    fast = chain._follow_together(
        window, start, options.get("until"), start.sha256 if options.get("prev") is None else options["prev"]
    )
    if fast is not None:
        assert list(fast.lines) == list(plain.lines)
        assert (fast.end, fast.batches, fast.last_batch_size, fast.stop) == (
            plain.end,
            plain.batches,
            plain.last_batch_size,
            plain.stop,
        )
    followed = follow(window, start, **options)
    assert (followed.end, followed.stop) == (plain.end, plain.stop)
    return plain


def test_a_window_of_good_lines_is_taken_at_once() -> None:
    """The fast way is really taken, and its lines are those of `parse`."""
    lines = journal([1] * 20 + [3, 5, 1])
    window = b"".join(line.raw for line in lines)
    found = together(window, 0, START.sha256)
    assert found is not None
    assert list(found) == lines
    assert found[4] == lines[4]
    assert list(found[2:5]) == lines[2:5]
    assert found.size == len(window)
    chain = same(window)
    assert (chain.end.seq, chain.batches, chain.stop) == (29, 23, Stop.SHORT)


@pytest.mark.parametrize("data", BAD_DATA)
@pytest.mark.parametrize("last", [False, True])
def test_data_that_is_not_plainly_good_is_looked_at_line_by_line(data: bytes, last: bool) -> None:
    """One line like that in a window of good ones: refused or not, both ways agree, and the fast one never takes it."""
    lines = [line.raw for line in journal([1] * 20)]
    bad = forged(21, journal([1] * 20)[-1].sha256, data)
    window = b"".join([*lines, bad]) if last else bad.replace(b'"seq":21', b'"seq":1') + b"".join(lines)
    assert together(b"".join([*lines, bad]), 0, START.sha256) is None
    same(window)


@pytest.mark.parametrize(
    "changes",
    [
        {"v": 2},
        {"v": "1.0"},
        {"t": TIME.replace("Z", "z")},
        {"t": TIME[:-1]},
        {"t": TIME.replace("2026", "٢٠٢٦")},
        {"type": "Note"},
        {"type": "n" * 65},
        {"type": ""},
        {"key": '""'},
        {"key": '"a b"'},
        {"key": f'"{"k" * 129}"'},
        {"key": '"\\u0041"'},
        {"key": '"é"'},
        {"key": "1"},
        {"b": "[21,20]"},
        {"b": "[20,21]"},
        {"b": "[22,22]"},
        {"b": "[21,99999999999999999]"},
        {"b": "[21,21,21]"},
        {"seq": 22},
        {"seq": "021"},
        {"seq": "2.1e1"},
        {"prev": "a" * 64},
        {"prev": "A" * 64},
    ],
    ids=str,
)
def test_an_envelope_that_is_not_in_its_form(changes: dict[str, object]) -> None:
    """With a hash that fits: the fast way takes no such line either."""
    lines = journal([1] * 20)
    window = b"".join(line.raw for line in lines) + forged(21, lines[-1].sha256, **changes)
    assert same(window).end.seq == 20


def test_the_first_lines_word_is_taken_for_the_hash_before_it_but_not_for_its_form() -> None:
    lines = journal([1] * 20)
    start = Position(segment=1, offset=0, seq=4, sha256="")
    assert same(b"".join(line.raw for line in lines[4:]), start, prev="").end.seq == 20
    assert same(forged(5, "A" * 64), start, prev="").end.seq == 4
    assert together(forged(5, "A" * 64), 4, "") is None


@pytest.mark.parametrize("until", [*range(17, 30)])
def test_an_end_that_is_wanted(until: int) -> None:
    window = b"".join(line.raw for line in journal([1] * 20 + [3, 5, 1]))
    same(window, until=until)


@given(st.data())
def test_both_walks_agree_on_mutated_journals(data: st.DataObject) -> None:
    """Invariants checked: same lines, same end, same batches, same reason to stop; whatever was done to the bytes."""
    sizes = data.draw(st.lists(st.integers(1, 6), min_size=1, max_size=25))
    lines = [line.raw for line in journal(sizes, tuple(data.draw(st.permutations(DATA))))]
    chance = random.Random(data.draw(st.integers(0, 2**32)))
    match data.draw(st.sampled_from(["none", "bit", "cut", "drop", "swap", "twice", "zeros", "insert"])):
        case "drop":
            del lines[chance.randrange(len(lines))]
        case "swap":
            at = chance.randrange(len(lines))
            lines[at], lines[0] = lines[0], lines[at]
        case "twice":
            at = chance.randrange(len(lines))
            lines.insert(at, lines[at])
        case kind:
            window = bytearray(b"".join(lines))
            at = chance.randrange(len(window))
            if kind == "bit":
                window[at] ^= 1 << chance.randrange(8)
            elif kind == "cut":
                del window[at:]
            elif kind == "zeros":
                window[at : at + 512] = bytes(len(window[at : at + 512]))
            elif kind == "insert":
                window[at:at] = chance.choice([b"\n", b" ", b"\r", b"{}", b"\n\n"])
            lines = [bytes(window)]
    same(b"".join(lines))


@given(st.integers(0, 20), st.integers(0, 400), st.integers(0, 7))
def test_every_flipped_bit_with_a_hash_that_fits_again(at_line: int, at: int, bit: int) -> None:
    """The hash alone refuses most changes; here it is made anew, so that the form has to be judged."""
    lines = [line.raw for line in journal([1] * 20 + [1])]
    body = bytearray(lines[at_line][:-78] + b"}")
    body[at % len(body)] ^= 1 << bit
    sealed = seal(bytes(body))
    same(b"".join([*lines[:at_line], sealed]))
    same(b"".join([sealed, *lines]))
