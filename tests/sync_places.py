"""Every place in the code that asks for a sync, found in its source; and which of them is asking right now.

A place is one call: `module: function > what it calls > sync`, with a number where a function has several alike. What
only passes a sync on (`PASSING`) is no place; each call of it is one, and of a function that makes two syncs two.
"""

import ast
import sys
from collections import Counter
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from types import FrameType

from attrs import frozen

from pages import REPOSITORY

SOURCES = {"buff": REPOSITORY / "src", "journal_tools": REPOSITORY}
SYNCS = ("sync", "sync_directory")
# Functions that are asked for a sync by others, and the calls in them that are or lead to one.
PASSING: dict[str, tuple[str, ...]] = {
    "write_file": ("write_file > sync",),
    "replace_file": ("replace_file > write_file > sync", "replace_file > sync_directory"),
    "_sync_head": ("_sync_head > sync",),
}


@frozen(kw_only=True)
class _Call:
    """One call in a function: its lines, and what it is known by there."""

    first: int
    last: int
    name: str


class _Finder(ast.NodeVisitor):
    """Finds the calls of one module, by the qualified name of the function they are in."""

    def __init__(self) -> None:
        self.found: dict[str, list[_Call]] = {}
        self.passed: Counter[tuple[str, str]] = Counter()
        self._inside: list[str] = []

    def visit_ClassDef(self, node: ast.ClassDef) -> None:
        self._enter(node, node.name)

    def visit_FunctionDef(self, node: ast.FunctionDef) -> None:
        self._enter(node, node.name)

    def _enter(self, node: ast.AST, name: str) -> None:
        self._inside.append(name)
        self.generic_visit(node)
        self._inside.pop()

    def visit_Call(self, node: ast.Call) -> None:
        name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        if name in SYNCS or name in PASSING:
            function = ".".join(self._inside)
            if self._inside and self._inside[-1] in PASSING:
                self.passed[self._inside[-1], name] += 1
            else:
                calls = self.found.setdefault(function, [])
                number = sum(call.name.partition("#")[0] == name for call in calls) + 1
                known = name if number == 1 else f"{name}#{number}"
                calls.append(_Call(first=node.lineno, last=node.end_lineno or node.lineno, name=known))
        self.generic_visit(node)


@cache
def _calls(module: str) -> dict[str, list[_Call]]:
    return _found(_path(module)).found


@cache
def _found(path: Path) -> _Finder:
    finder = _Finder()
    finder.visit(ast.parse(path.read_text(encoding="utf-8")))
    return finder


def _path(module: str) -> Path:
    package, *rest = module.split(".")
    path = SOURCES[package].joinpath(package, *rest)
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")


def _modules() -> Iterator[str]:
    for package, folder in SOURCES.items():
        for path in sorted((folder / package).rglob("*.py")):
            name = ".".join(path.relative_to(folder).with_suffix("").parts).removesuffix(".__init__")
            # `buff.files` is the door itself: its functions are in PASSING, its disk is what is asked. What a bench
            # syncs is promised to nobody.
            if name != "buff.files" and path.name != "verify_journal.py" and not name.startswith("buff.bench"):
                yield name


def places() -> list[str]:
    """Return every place there is."""
    return [
        f"{module}: {function} > {passed}"
        for module in _modules()
        for function, calls in _calls(module).items()
        for call in calls
        for passed in _passed(call.name)
    ]


def _passed(name: str) -> Iterator[str]:
    known, _, number = name.partition("#")
    for each in PASSING.get(known, (known,)):
        yield each.replace(known, name, 1) if number else each


def passing() -> dict[str, int]:
    """Return how many calls that lead to a sync each function of PASSING really makes."""
    counts: Counter[str] = Counter()
    for path in (_path(module) for module in (*_modules(), "buff.files")):
        for (function, _), count in _found(path).passed.items():
            counts[function] += count
    return dict(counts)


def asking(kind: str) -> str | None:
    """Return the place that asks for a sync of this kind right now, None when it is nobody's in the code."""
    names = [kind]
    frame: FrameType | None = sys._getframe(1)
    while frame is not None:
        module = frame.f_globals.get("__name__", "")
        if module.partition(".")[0] in SOURCES:
            code = frame.f_code
            if code.co_name not in PASSING:
                return f"{module}: {code.co_qualname} > {_numbered(module, code.co_qualname, frame.f_lineno, names)}"
            names.insert(0, code.co_name)
        frame = frame.f_back
    return None


def _numbered(module: str, function: str, line: int, names: list[str]) -> str:
    """Return the calls below a function, the first of them with its number where it has one."""
    alike = [
        call for call in _calls(module).get(function, []) if call.first <= line <= call.last
        and call.name.partition("#")[0] == names[0]
    ]  # fmt: skip
    assert len(alike) == 1, f"line {line} of {module} calls {names[0]} {len(alike)} times"
    return " > ".join([alike[0].name, *names[1:]])
