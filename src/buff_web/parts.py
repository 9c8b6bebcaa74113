"""Parts of pages that are made of plain values alone, and so are the same text whenever the values are.

The name of a template and values go in; HTML comes out, rendered once and then kept, the latest first, in bounded
memory. What such a template shows can come from nowhere else: it sees no page, no request and no clock.
"""

import hashlib
from collections import OrderedDict
from threading import Lock
from typing import Any, Final

import msgspec
from jinja2 import Environment
from markupsafe import Markup

KEPT_CHARACTERS: Final = 16 << 20  # a row of a list has two thousand, a table of a page fifty thousand


class Parts:
    """The parts of the pages of one site. Threads may share it."""

    def __init__(self, environment: Environment, *, most: int = KEPT_CHARACTERS) -> None:
        """Keep nothing yet; at most so many characters later."""
        self._environment, self._most = environment, most
        self._kept: OrderedDict[bytes, Markup] = OrderedDict()
        self._size = 0
        self._lock = Lock()

    def __call__(self, template: str, **values: Any) -> Markup:
        """Return what a template makes of some values, which are plain: texts, numbers, lists and mappings of them."""
        key = hashlib.sha256(msgspec.msgpack.encode((template, values))).digest()
        with self._lock:
            known = self._kept.get(key)
            if known is not None:
                self._kept.move_to_end(key)
                return known
        made = Markup(self._environment.get_template(template).render(values))  # escaped there
        self._keep(key, made)
        return made

    def _keep(self, key: bytes, made: Markup) -> None:
        with self._lock:
            if key not in self._kept:
                self._kept[key] = made
                self._size += len(made)
            while self._size > self._most:
                self._size -= len(self._kept.popitem(last=False)[1])
