"""Strategies from outside: installed packages that name a strategy in the entry-point group `buff.strategies`.

An id goes in; a loaded strategy comes out, with the hash of its package's source and the packages it stands on, or
STRATEGY_INVALID with the evidence. Nothing is imported before somebody asks for an id that is not built in, or for a
list; a package that cannot be imported is a value in that list and stops nobody else. This module asks what is
installed and reads package data through `importlib` alone; it writes nothing and knows no path.

A plug-in is code that runs with the rights of whoever asked for it. Nothing here is a sandbox.
"""

import hashlib
import importlib
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from importlib import metadata, resources
from importlib.resources.abc import Traversable
from importlib.util import find_spec

import numpy as np
from attrs import frozen

from buff.decisions.contract import Strategy, broken, check_declared, evidence, home, raised
from buff.errors import StrategyInvalid

GROUP = "buff.strategies"
COMPILED = (".so", ".pyd", ".dll", ".dylib", ".pyc", ".pyo")
NOT_RECORDED = frozenset({"buff", "numpy"})  # Buff's version is the engine's, and numpy's must not matter

_REQUIRED = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_OPTIONAL = re.compile(r";.*\bextra\b")


@frozen(kw_only=True)
class Package:
    """An installed distribution: its normalised name and its version."""

    name: str
    version: str


@frozen(kw_only=True, eq=False)
class Plugin:
    """A strategy from outside: `source_sha256` is of the files it was loaded from.

    `packages` are its own distribution, first, and those it requires, by name, without buff and numpy.
    """

    strategy: Strategy
    package: str
    source_sha256: str
    packages: tuple[Package, ...]


@frozen(kw_only=True, eq=False)
class Unusable:
    """A registered name that gives no strategy, and why."""

    id: str
    package: Package
    error: StrategyInvalid


# What was loaded stays loaded, as every imported module does: by name, object reference and the place it came from.
_LOADED: dict[tuple[str, str, str], Plugin] = {}


def names() -> tuple[str, ...]:
    """Return the ids that installed packages register, sorted. Nothing is imported."""
    return tuple(sorted({point.name for point in _points()}))


def load(id: str) -> Plugin | None:
    """Return the strategy from outside of that id, or None where no installed package registers it.

    Raises StrategyInvalid when more than one does, or when what is registered gives no strategy.
    """
    found = [point for point in _points() if point.name == id]
    if not found:
        return None
    if len(found) > 1:
        raise _twice(id, found)
    return _loaded(found[0])


def load_all(built_in: Mapping[str, Strategy]) -> tuple[tuple[Plugin, ...], tuple[Unusable, ...]]:
    """Return every strategy from outside in the order of the ids, and every registered name that gives none."""
    points = _points()
    count = Counter(point.name for point in points)
    plugins, unusable = [], []
    for point in sorted(points, key=lambda each: (each.name, each.value)):
        try:
            if point.name in built_in:
                raise _invalid(point, "it has the id of a strategy that is built in", "rename it")
            if count[point.name] > 1:
                raise _twice(point.name, [each for each in points if each.name == point.name])
            plugins.append(_loaded(point))
        except StrategyInvalid as error:
            unusable.append(Unusable(id=point.name, package=_own(point), error=error))
    return tuple(plugins), tuple(unusable)


def source_sha256(plugin: Plugin) -> str:
    """Return the hash of the source a strategy was loaded from.

    Raises StrategyInvalid when the files are others by now: this process would decide by the old ones and be recorded
    under the hash of the new ones.
    """
    if hash_of(plugin.strategy.id, plugin.package) != plugin.source_sha256:
        raise StrategyInvalid(
            f"the source of strategy {plugin.strategy.id} changed after it was loaded",
            hint="start the program again, so that it runs what is on disk",
            details={"strategy": plugin.strategy.id, "package": plugin.package},
        )
    return plugin.source_sha256


def version(name: str) -> str | None:
    """Return the version of an installed distribution, or None where there is none of that name."""
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


# From an entry point to a strategy


def _points() -> list[metadata.EntryPoint]:
    return list(metadata.entry_points(group=GROUP))


def _loaded(point: metadata.EntryPoint) -> Plugin:
    place = "" if point.dist is None else str(point.dist.locate_file(""))
    key = (point.name, point.value, place)
    if key not in _LOADED:
        _LOADED[key] = _load(point)
    return _LOADED[key]


def _load(point: metadata.EntryPoint) -> Plugin:
    package = point.value.partition(":")[0].partition(".")[0].strip()
    if package == "buff":
        raise _invalid(point, "it names a module of Buff", "a strategy from outside lives in a package of its own")
    try:
        with np.errstate():  # what a module asks of numpy when it is imported is not asked of all of Buff
            found = point.load()
    except (Exception, SystemExit) as error:  # whatever a module does when it is imported, the others go on
        raise _invalid(
            point,
            f"importing {point.value} raised {raised(error)}",
            "mend or uninstall the package",
            **evidence(error, package),
        ) from error
    if not isinstance(found, Strategy):
        raise _invalid(point, f"{point.value} is no buff.Strategy but {type(found).__name__}", "mend the entry point")
    if found.id != point.name:
        raise _invalid(point, f"it is registered as {point.name} but calls itself {found.id}", "use one name for both")
    check_declared(found)
    for part in (found.decide, found.warmup, found.check, found.indicators):
        if part is not None and home(part) not in (package, "buff"):
            says = f"it takes a part from {home(part)}, which the hash of {package} would not cover"
            raise broken(found, "source", None, says)
    return Plugin(
        strategy=found,
        package=package,
        source_sha256=hash_of(found.id, package),
        packages=_packages(point),
    )


def _invalid(point: metadata.EntryPoint, says: str, hint: str, **more: object) -> StrategyInvalid:
    own = _own(point)
    return StrategyInvalid(
        f"strategy {point.name} of package {own.name} {own.version} cannot be used: {says}",
        hint=hint,
        details={"strategy": point.name, "package": own.name, "entry_point": point.value, **more},
    )


def _twice(id: str, points: Sequence[metadata.EntryPoint]) -> StrategyInvalid:
    packages = sorted(f"{_own(point).name} ({point.value})" for point in points)
    return StrategyInvalid(
        f"strategy {id} is registered more than once: by {', '.join(packages)}",
        hint="uninstall all but one",
        details={"strategy": id, "packages": packages},
    )


# The hash of a package's source


def hash_of(id: str, package: str) -> str:
    """Return the SHA-256 over every file of a top-level package, in the order of the paths (spec/engine.md S7).

    Each file counts as its path with `/`, a NUL and the SHA-256 of its bytes, CRLF read as LF in `.py`; `__pycache__`
    is left out. Raises StrategyInvalid for compiled code, a namespace package, and what is no file or cannot be read.
    """
    digest = hashlib.sha256()
    try:
        for name, file in sorted(_files(_top(id, package)), key=lambda each: each[0]):
            if name.lower().endswith(COMPILED):
                raise _unhashable(id, package, f"{name} is compiled code, which nobody can read")
            if not file.is_file():  # reading a pipe would wait for ever
                raise _unhashable(id, package, f"{name} is no file")
            content = file.read_bytes()
            if name.endswith(".py"):
                content = content.replace(b"\r\n", b"\n")
            digest.update(name.encode("utf-8", "surrogateescape") + b"\0" + hashlib.sha256(content).digest())
    except OSError as error:
        raise _unhashable(id, package, f"its files cannot be read: {error.strerror}") from error
    return digest.hexdigest()


def _top(id: str, package: str) -> Traversable:
    spec = find_spec(package)
    if spec is None or spec.submodule_search_locations is None or not spec.has_location:
        raise _unhashable(id, package, "it is no package with an __init__.py, so that its files are not its own")
    return resources.files(importlib.import_module(package))


def _files(folder: Traversable, above: str = "") -> Iterator[tuple[str, Traversable]]:
    for each in folder.iterdir():
        if each.is_dir():
            if each.name != "__pycache__":
                yield from _files(each, f"{above}{each.name}/")
        else:
            yield above + each.name, each


def _unhashable(id: str, package: str, says: str) -> StrategyInvalid:
    return StrategyInvalid(
        f"the source of strategy {id} in package {package} has no hash: {says}",
        hint="a strategy is a package of Python source: its hash is part of every run's id",
        details={"strategy": id, "package": package},
    )


# What a plug-in stands on


def _own(point: metadata.EntryPoint) -> Package:
    if point.dist is None:
        return Package(name="unknown", version="unknown")
    return Package(name=_normal(point.dist.name), version=point.dist.version)


def _packages(point: metadata.EntryPoint) -> tuple[Package, ...]:
    """Return the plug-in's own distribution, and what it requires, directly or through others, by name."""
    own = _own(point)
    found: dict[str, Package] = {}
    waiting = list(_required(point.dist))
    while waiting:
        name = waiting.pop()
        if name in found or name == own.name or name in NOT_RECORDED:
            continue
        try:
            dist = metadata.distribution(name)
        except metadata.PackageNotFoundError:
            continue  # required under a condition that does not hold here
        found[name] = Package(name=name, version=dist.version)
        waiting += _required(dist)
    return own, *(found[name] for name in sorted(found))


def _required(dist: metadata.Distribution | None) -> Iterator[str]:
    """Yield the names a distribution requires; those of optional extras are left out."""
    for line in (dist.requires if dist is not None else None) or ():
        name = _REQUIRED.match(line)
        if name is not None and _OPTIONAL.search(line) is None:
            yield _normal(name.group())


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
