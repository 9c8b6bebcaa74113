"""Powers, logarithms and the normal distribution of a few scalars, the same digits on every machine.

Doubles go in, a double comes out; between them are decimals of 60 digits in one context of this module. Only `ln` and
`exp` are used, which are correctly rounded, and only methods of the context: an operator would take the thread's own.
"""

from decimal import ROUND_HALF_EVEN, Context, Decimal, DivisionByZero, InvalidOperation, Overflow
from functools import lru_cache

_CONTEXT = Context(
    prec=60, rounding=ROUND_HALF_EVEN, Emin=-999_999, Emax=999_999, traps=[InvalidOperation, DivisionByZero, Overflow]
)
_ONE, _TWO, _HALF = Decimal(1), Decimal(2), Decimal("0.5")
_ROOT_OF_TWO_PI = _CONTEXT.sqrt(
    _CONTEXT.multiply(_TWO, Decimal("3.14159265358979323846264338327950288419716939937510582097494"))
)
_EULER_GAMMA = 0.5772156649015329
_FAR = Decimal(16)  # beyond it 1 - CDF is under 1e-57, and 60 digits leave nothing of it
_CLOSE = Decimal("1e-45")


def growth(end: float, start: float, periods: int, length: int) -> float:
    """Return exp(ln(end / start) * periods / length) - 1 for positive amounts; infinity where no double is so large."""
    rate = _CONTEXT.ln(_CONTEXT.divide(Decimal(end), Decimal(start)))
    exponent = _CONTEXT.divide(_CONTEXT.multiply(rate, Decimal(periods)), Decimal(length))
    return float(_CONTEXT.subtract(_CONTEXT.exp(exponent), _ONE))


def normal(value: float) -> float:
    """Return the standard normal distribution function at a finite value, to within 1e-55."""
    return float(_normal(Decimal(value)))


@lru_cache(maxsize=128)  # two milliseconds, and every run of a sweep asks for the same
def largest_normal(draws: int) -> float:
    """Return about how large the largest of at least two draws from the standard normal distribution is expected to be.

    (1 - g) inv(1 - 1/N) + g inv(1 - 1/(N e)), g Euler's constant (Bailey and López de Prado, 2014).
    """
    count = Decimal(draws)
    low = _inverse(_CONTEXT.subtract(_ONE, _CONTEXT.divide(_ONE, count)))
    high = _inverse(_CONTEXT.subtract(_ONE, _CONTEXT.divide(_ONE, _CONTEXT.multiply(count, _CONTEXT.exp(_ONE)))))
    return (1.0 - _EULER_GAMMA) * float(low) + _EULER_GAMMA * float(high)


def _normal(x: Decimal) -> Decimal:
    """1/2 + pdf(x) (x + x^3/3 + x^5/(3 5) + ...) for x >= 0: terms of one sign, so that nothing cancels."""
    if x < 0:
        return _CONTEXT.subtract(_ONE, _normal(_CONTEXT.minus(x)))
    if x > _FAR:
        return _ONE
    square, term, total, odd = _CONTEXT.multiply(x, x), x, x, 1
    while True:
        odd += 2
        term = _CONTEXT.divide(_CONTEXT.multiply(term, square), Decimal(odd))
        before, total = total, _CONTEXT.add(total, term)
        if total == before:
            return _CONTEXT.add(_HALF, _CONTEXT.multiply(_density(x), total))


def _density(x: Decimal) -> Decimal:
    half_square = _CONTEXT.divide(_CONTEXT.multiply(x, x), _TWO)
    return _CONTEXT.divide(_CONTEXT.exp(_CONTEXT.minus(half_square)), _ROOT_OF_TWO_PI)


def _inverse(probability: Decimal) -> Decimal:
    """Return the x >= 0 whose distribution function is this, from 1/2 on; Newton's steps from 0 never pass it."""
    x = Decimal(0)
    while True:
        step = _CONTEXT.divide(_CONTEXT.subtract(probability, _normal(x)), _density(x))
        x = _CONTEXT.add(x, step)
        if step <= _CLOSE:
            return x
