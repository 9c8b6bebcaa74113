"""Sample minutes for the demo, the goldens and the benches: a walk made by integer arithmetic alone.

A row count and a seed go in; CSV bytes come out, the same on every machine and for every version of anything, because
no float and no library of random numbers is involved.
"""

from collections.abc import Iterator

from buff.times import iso

START_MS = 1_704_067_200_000  # 2024-01-01T00:00:00Z
HEADER = b"timestamp,open,high,low,close,volume\n"
YEAR, MONTH = 525_600, 43_200

_MASK = (1 << 64) - 1


def _chance(seed: int) -> Iterator[int]:
    """Yield 32-bit numbers of a 64-bit linear congruential generator (Knuth, TAOCP 3.3.4, MMIX constants)."""
    state = seed & _MASK
    while True:
        state = (state * 6364136223846793005 + 1442695040888963407) & _MASK
        yield state >> 32


def rows(count: int, seed: int = 7) -> Iterator[tuple[int, int, int, int, int, int]]:
    """Yield (ts ms, open, high, low, close in cents, volume in 1e-5 units) of `count` minutes."""
    chance = _chance(seed)
    price, drift = 4_000_000, 0
    for index in range(count):
        if index % 360 == 0:
            drift = next(chance) % 41 - 20  # a new mood every six hours, in millionths a minute
        noise = sum(next(chance) % 801 for _ in range(3)) - 1_200
        opened = max(price + next(chance) % 101 - 50, 100)
        price = max(opened + opened * (noise + drift) // 2_000_000, 100)
        high = max(opened, price) + opened * (next(chance) % 300) // 1_000_000
        low = max(min(opened, price) - opened * (next(chance) % 300) // 1_000_000, 1)
        yield START_MS + index * 60_000, opened, high, low, price, 1_000 + next(chance) % 2_000_000


def csv_chunks(count: int, seed: int = 7) -> Iterator[bytes]:
    """Yield the CSV of `count` minutes in chunks of 4,096 lines; profile `buff`, UTC."""
    yield HEADER
    lines = []
    for ts, *prices, volume in rows(count, seed):
        cells = ",".join(f"{cents // 100}.{cents % 100:02d}" for cents in prices)
        lines.append(f"{iso(ts)},{cells},{volume // 100_000}.{volume % 100_000:05d}\n")
        if len(lines) == 4_096:
            yield "".join(lines).encode("ascii")
            lines = []
    yield "".join(lines).encode("ascii")
