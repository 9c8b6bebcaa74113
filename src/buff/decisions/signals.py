"""Signals: where a rule enters and leaves goes in, a target and a reason per bar comes out.

What the strategies share beside their indicators: the parameter `direction`, the reading of parameters, positions that
last from an entry to an exit, and the reasons for their changes. Nothing here looks at a price, and a position is
filled forward once per side.
"""

import numpy as np
from numpy.typing import NDArray

from buff.decisions.contract import Decisions, Param, Params

DIRECTION = Param(
    name="direction",
    kind="str",
    default="long",
    choices=("long", "short", "both"),
    says="which sides may be taken",
)
# Codes by the target before (rows) and after (columns) a change, each in the order short, flat, long.
_BY_RISE = np.array([[0, 1, 1], [2, 0, 1], [2, 2, 0]], np.uint8)
_BY_SIDE = np.array([[0, 4, 1], [2, 0, 1], [2, 3, 0]], np.uint8)


def follow(up: NDArray[np.bool_], down: NDArray[np.bool_], params: Params) -> Decisions:
    """Return decisions that are long from `up` to `down` and short from `down` to `up`, as `direction` allows.

    Where neither holds the target stays. Reasons: 1 where the target rises, 2 where it falls.
    """
    return _decisions(_target((up, down), (down, up), params), _BY_RISE)


def enter_and_leave(
    long: tuple[NDArray[np.bool_], NDArray[np.bool_]],
    short: tuple[NDArray[np.bool_], NDArray[np.bool_]],
    params: Params,
) -> Decisions:
    """Return decisions of a rule that enters on one condition and leaves on another, each side with its own two.

    `long` and `short` are (enter, leave), bool[n], never both true on a bar; an entry also ends the other side.
    Reasons: 1 enters long, 2 enters short, also as a reversal, 3 leaves long, 4 leaves short.
    """
    return _decisions(_target(long, short, params), _BY_SIDE)


def whole(params: Params, name: str) -> int:
    """Return a parameter that is a whole number."""
    value = params[name]
    assert isinstance(value, int), "parameters are resolved before they get here"
    return value


def number(params: Params, name: str) -> float:
    """Return a parameter that is a float."""
    value = params[name]
    assert isinstance(value, float), "parameters are resolved before they get here"
    return value


def fast_below_slow(params: Params) -> str | None:
    """Return what is wrong with a fast window that is not shorter than the slow one, or None."""
    fast, slow = whole(params, "fast"), whole(params, "slow")
    return f"fast ({fast}) must be below slow ({slow})" if fast >= slow else None


def _target(
    long: tuple[NDArray[np.bool_], NDArray[np.bool_]],
    short: tuple[NDArray[np.bool_], NDArray[np.bool_]],
    params: Params,
) -> NDArray[np.int8]:
    match params["direction"]:
        case "long":
            return _held(*long)
        case "short":
            return -_held(*short)
        case _:
            return _held(long[0], long[1] | short[0]) - _held(short[0], short[1] | long[0])


def _held(enter: NDArray[np.bool_], leave: NDArray[np.bool_]) -> NDArray[np.int8]:
    """Return int8[n]: 1 from a bar that enters to before the next that leaves, else 0."""
    side = enter.view(np.int8) - leave.view(np.int8)
    fresh = side != 0
    fresh[1:] &= side[1:] != side[:-1]  # rules that follow hold on nearly every bar, and few bars are news
    events = np.flatnonzero(fresh)
    entered = side[events] > 0
    turns = entered.copy()
    np.not_equal(entered[1:], entered[:-1], out=turns[1:])
    bounds = events[turns]  # in and out by turns, the first of them in
    held = np.zeros(len(enter), np.int8)
    held[bounds[::2]], held[bounds[1::2]] = 1, -1
    return np.cumsum(held, dtype=np.int8)


def _decisions(target: NDArray[np.int8], codes: NDArray[np.uint8]) -> Decisions:
    before = np.zeros(len(target), np.int8)
    before[1:] = target[:-1]
    changed = np.flatnonzero(target != before)
    reason = np.zeros(len(target), np.uint8)
    reason[changed] = codes[before[changed] + 1, target[changed] + 1]
    return Decisions(target=target, reason=reason)
