"""Place: where one subject is measured, what it has made there, and its end.

A directory goes in; paths in it come out, and whatever contenders share, made once. When a place ends, its clusters,
pools and connections are closed and everything in it is removed, whatever ended it.
"""

import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from typing import Any, TypeVar, cast

from attrs import field, frozen

from buff.files import RealDisk, scratch
from buff.host import Host
from buff.settings import Settings
from buff.store import Store

PREFIX = ".bench-"

_Made = TypeVar("_Made")


@frozen(kw_only=True)
class Place:
    """A directory that is ours as long as a subject lasts, and whether sizes are to be small."""

    folder: str
    host: Host
    quick: bool = False
    settings: Settings = field(factory=lambda: Settings(user="bench", free_bytes_min=0))
    _made: dict[str, Any] = field(factory=dict, init=False)
    _stack: ExitStack = field(factory=ExitStack, init=False)

    def path(self, name: str) -> str:
        """Return the path of a name in this place."""
        return os.path.join(self.folder, name)

    def directory(self, name: str) -> str:
        """Make a directory in this place, the first time it is asked for, and return its path."""
        os.makedirs(self.path(name), exist_ok=True)
        return self.path(name)

    def once(self, name: str, make: Callable[[], _Made]) -> _Made:
        """Return what `make` makes, which is made the first time it is asked for."""
        if name not in self._made:
            self._made[name] = make()
        return cast(_Made, self._made[name])

    def entered(self, name: str, context: Callable[[], AbstractContextManager[_Made]]) -> _Made:
        """Return what a context gives, entered once and left when this place ends."""
        return self.once(name, lambda: self._stack.enter_context(context()))

    def store(self, name: str) -> Store:
        """Return the store of a root in this place, opened once."""
        root = self.directory(name)
        return self.entered(f"store {name}", lambda: Store(root, host=self.host, settings=self.settings))

    def closing(self, close: Callable[[], object]) -> None:
        """Have something called when this place ends."""
        self._stack.callback(close)

    def close(self) -> None:
        """Close what was entered, the last first."""
        self._stack.close()


@contextmanager
def place(parent: str, *, host: Host, quick: bool = False) -> Iterator[Place]:
    """Give a new place in a directory, and remove it in the end; what a killed suite left there is removed, too."""
    with scratch(RealDisk(), parent, PREFIX, host.token()) as folder:
        found = Place(folder=folder, host=host, quick=quick)
        try:
            yield found
        finally:
            found.close()
