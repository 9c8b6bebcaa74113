"""What a page weighs: everything that a browser loads for it but the chart library, compressed as it is sent."""

import http.client
import re
from contextlib import closing
from typing import Any
from urllib.parse import urljoin, urlsplit

from every_page import EXAMPLES

BYTES_MAX = 60_000
_LOADED = re.compile(rb'<(?:link|script)[^>]+(?:href|src)="(/assets/[^"]+)"')
_IMPORTED = re.compile(rb'from "(\./[^"]+)"')


def _load(connection: http.client.HTTPConnection, address: str) -> tuple[bytes, int]:
    """Return what an address holds, and how many bytes came for it."""
    sizes = []
    for coding in ("identity", "gzip"):
        connection.request("GET", address, headers={"accept-encoding": coding})
        answer = connection.getresponse()
        body = answer.read()
        assert answer.status in (200, 409), f"{address}: {answer.status}"  # 409: a run that is damaged
        sizes.append((body, answer.headers.get("content-encoding")))
    (plain, _), (sent, coding) = sizes
    assert coding == "gzip" or len(plain) < 1_100, f"{address} is sent as it is"
    return plain, len(sent)


def _weighed(connection: http.client.HTTPConnection, address: str) -> int:
    """Return the bytes of a page with everything it loads but the chart library."""
    html, total = _load(connection, address)
    waiting = {found.decode() for found in _LOADED.findall(html)}
    seen: set[str] = set()
    while waiting:
        part = waiting.pop()
        seen.add(part)
        if "/lwc-" in part:
            continue
        body, sent = _load(connection, part)
        total += sent
        waiting |= {urljoin(part, found.decode()) for found in _IMPORTED.findall(body)} - seen
    return total


def test_every_page_is_light(furnished: Any) -> None:
    place, server = furnished
    addresses = [address for page in sorted(EXAMPLES) for address in place.addresses(page)]
    with closing(http.client.HTTPConnection(urlsplit(server.local).netloc, timeout=60)) as connection:
        weights = {address: _weighed(connection, address) for address in addresses}
    print()
    for address, total in sorted(weights.items(), key=lambda item: -item[1]):
        print(f"  {total / 1000:6.1f} kB  {address}")
    assert max(weights.values()) <= BYTES_MAX
