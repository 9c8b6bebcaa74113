"""A breadth-first search over every state of a model: the first state that breaks an invariant is the nearest one.

A protocol goes in; how many states it has comes out, or the shortest way to a broken one. States are remembered by
their 64-bit hash; the way back by the number of the move, so a trace is found by walking it again.
"""

import time

from attrs import frozen

from model.protocol import Protocol, State, draw


@frozen(kw_only=True)
class Search:
    """What was explored. `trace` is empty when every state keeps the invariants."""

    states: int
    moves: int
    depth: int
    seconds: float  # of CPU
    broken: str
    trace: tuple[str, ...]
    complete: bool

    def __str__(self) -> str:
        pace = self.states / max(self.seconds, 1e-9)
        whole = "" if self.complete else ", not all"
        figures = f"{self.states:,} states{whole}, {self.moves:,} moves, depth {self.depth}, {pace:,.0f} states/s"
        return "\n".join([figures, *([f"broken: {self.broken}"] if self.broken else []), *self.trace])


def explore(protocol: Protocol, *, states_max: int | None = None) -> Search:
    """Visit every state that can be reached, nearest first, until one is broken or `states_max` are known."""
    started = time.process_time()
    start = protocol.start()
    origins: dict[int, tuple[int, int]] = {hash(start): (0, 0)}
    frontier, moves, depth = [start], 0, 0

    def result(broken: State | None = None) -> Search:
        return Search(
            states=len(origins),
            moves=moves,
            depth=depth,
            seconds=time.process_time() - started,
            broken="" if broken is None else broken.broken,
            trace=() if broken is None else _trace(protocol, origins, broken),
            complete=not frontier,
        )

    while frontier:
        depth += 1
        following = []
        for state in frontier:
            origin = hash(state)
            for number, (_, after) in enumerate(protocol.moves(state)):
                moves += 1
                key = hash(after)
                if key not in origins:
                    origins[key] = (origin, number)
                    if after.broken:
                        return result(after)
                    following.append(after)
        if states_max is not None and len(origins) >= states_max:
            return result()
        frontier = following
    return result()


def _trace(protocol: Protocol, origins: dict[int, tuple[int, int]], broken: State) -> tuple[str, ...]:
    numbers = []
    start = protocol.start()
    key = hash(broken)
    while key != hash(start):
        key, number = origins[key]
        numbers.append(number)
    lines, state = [], start
    for number in reversed(numbers):
        label, state = list(protocol.moves(state))[number]
        lines.append(f"  {label:<45} {draw(state.disk)}")
    return tuple(lines)
