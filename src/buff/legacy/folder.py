"""The directories of legacy runs: which there are, and the bytes of their files.

The path of an artifacts root goes in; folders, open files and bytes come out. An id is looked up among the names that
are there and never made into a path, so it cannot lead outside. Links are not followed, only regular files are opened,
no more is read than was asked for, and nothing is ever written.
"""

import os
import re
import stat
from collections.abc import Iterator
from typing import BinaryIO

from attrs import frozen

from buff.legacy.problem import Problem, damage, limit

FOLDERS_MAX = 10_000
DOCUMENT_BYTES_MAX = 16 << 20

MANIFEST, CONFIG, METRICS = "manifest.json", "config.json", "metrics.json"
DECISIONS = "decision_records.jsonl"
EQUITY = "equity_curve.json"
TIMELINES = ("timeline.json", "timeline_events.json")
TRADES = ("trades.parquet", "trades.jsonl")
BARS = re.compile(r"ohlcv(?:_([0-9A-Za-z]+))?\.(parquet|jsonl)")

_KNOWN = frozenset({MANIFEST, CONFIG, METRICS, DECISIONS, EQUITY, *TIMELINES, *TRADES})
_FLAGS = os.O_RDONLY
for _name in ("O_CLOEXEC", "O_NOFOLLOW", "O_NONBLOCK", "O_BINARY", "O_NOINHERIT"):
    _FLAGS |= getattr(os, _name, 0)  # O_NONBLOCK: a named pipe must not hold us until somebody writes into it


@frozen(kw_only=True)
class Bounds:
    """How much of one file is read: bytes of lines, rows of a table."""

    bytes_max: int
    rows_max: int


GLANCE = Bounds(bytes_max=1 << 20, rows_max=10_000)  # for a list of many runs
WHOLE = Bounds(bytes_max=32 << 20, rows_max=1_000_000)  # for one run


@frozen(kw_only=True)
class Folder:
    """One directory with at least one known artifact: its id, where it is, and the names in it, sorted."""

    run_id: str
    path: str
    names: tuple[str, ...]


@frozen(kw_only=True)
class Found:
    """What an artifacts root holds: folders in the order of their ids, and what was passed over and why."""

    folders: tuple[Folder, ...]
    problems: tuple[Problem, ...]


@frozen(kw_only=True)
class Content:
    """The first bytes of a file; `whole` when there are no more."""

    data: bytes
    whole: bool


def find(root: str) -> Found:
    """Return the legacy runs of a root: `<id>/`, and `users/<user>/runs/<id>/` with the id `<user>/<id>`.

    A directory counts when it holds a known artifact. Names that begin with a dot were never finished and do not
    count, and neither do runs of Buff's own, where both generations share a directory.
    """
    folders: list[Folder] = []
    problems: list[Problem] = []
    for prefix, place in _places(root, problems):
        for name in _directories(place, prefix, problems):
            folder = _folder(prefix + shown(name), os.path.join(place, name), problems)
            if folder is not None:
                folders.append(folder)
    if len(folders) > FOLDERS_MAX:
        problems.append(limit("", f"{len(folders):,} legacy runs are here; the first {FOLDERS_MAX:,} are listed"))
    ordered = sorted(folders, key=lambda folder: folder.run_id)[:FOLDERS_MAX]
    return Found(folders=tuple(ordered), problems=tuple(problems))


def _places(root: str, problems: list[Problem]) -> Iterator[tuple[str, str]]:
    """Yield the directories whose children may be runs, each with what their ids begin with."""
    yield "", root
    users = os.path.join(root, "users")
    if not _is_directory(users):
        return
    for user in _directories(users, "users/", problems):
        runs = os.path.join(users, user, "runs")
        if _is_directory(runs):
            yield f"{shown(user)}/", runs


def _directories(path: str, prefix: str, problems: list[Problem]) -> list[str]:
    """Return the names of the real directories in a directory, sorted; a link among them is a problem."""
    try:
        names = sorted(os.listdir(path))
    except OSError as error:
        problems.append(damage(prefix, f"cannot be listed: {error.strerror}"))
        return []
    found = []
    for name in names:
        if name.startswith("."):
            continue
        if _is_link(os.path.join(path, name)):
            problems.append(damage(prefix + shown(name), "is a link; links are not followed"))
        elif _is_directory(os.path.join(path, name)):
            found.append(name)
    return found


def _folder(run_id: str, path: str, problems: list[Problem]) -> Folder | None:
    try:
        names = tuple(sorted(os.listdir(path)))
    except OSError as error:
        problems.append(damage(run_id, f"cannot be listed: {error.strerror}"))
        return None
    ours = MANIFEST in names and "columns" in names
    if ours or not any(name in _KNOWN or BARS.fullmatch(name) for name in names):
        return None
    return Folder(run_id=run_id, path=path, names=names)


def open_file(folder: Folder, name: str) -> BinaryIO | Problem:
    """Return a file of a folder, open for reading, or why it is not: a link, a pipe, what the disk said.

    The caller closes it.
    """
    path = os.path.join(folder.path, name)
    try:
        if _is_link(path):
            return damage(name, "is a link; links are not followed")
        handle = os.open(path, _FLAGS)
    except OSError as error:
        return damage(name, f"cannot be opened: {error.strerror}")
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        os.close(handle)
        return damage(name, "is not a regular file")
    return os.fdopen(handle, "rb")


def read_bytes(folder: Folder, name: str, bytes_max: int) -> Content | Problem:
    """Return at most the first `bytes_max` bytes of a file, or why they cannot be had."""
    file = open_file(folder, name)
    if isinstance(file, Problem):
        return file
    with file:
        try:
            data = file.read(bytes_max + 1)
        except OSError as error:
            return damage(name, f"cannot be read: {error.strerror}")
    return Content(data=data[:bytes_max], whole=len(data) <= bytes_max)


def shown(name: str) -> str:
    """Return a file's name as text that can be printed and sent: what is no text becomes U+FFFD."""
    text = os.fsencode(name).decode("utf-8", "replace")
    return "".join(letter if letter.isprintable() else "�" for letter in text)


def _is_link(path: str) -> bool:
    """Say whether a name is a link, or on Windows any other thing that leads elsewhere."""
    try:
        found = os.lstat(path)
    except OSError:
        return False
    reparse = getattr(found, "st_file_attributes", 0) & stat.FILE_ATTRIBUTE_REPARSE_POINT
    return stat.S_ISLNK(found.st_mode) or bool(reparse)


def _is_directory(path: str) -> bool:
    try:
        return stat.S_ISDIR(os.lstat(path).st_mode) and not _is_link(path)
    except OSError:
        return False
