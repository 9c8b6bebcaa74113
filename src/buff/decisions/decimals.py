"""Powers and logarithms of a few scalars, the same digits on every machine.

Doubles go in, a double comes out; between them are decimals of 60 digits in one context of this module. Only `ln` and
`exp` are used, which are correctly rounded, and only methods of the context: an operator would take the thread's own.
"""

from decimal import ROUND_HALF_EVEN, Context, Decimal, DivisionByZero, InvalidOperation, Overflow

_CONTEXT = Context(
    prec=60, rounding=ROUND_HALF_EVEN, Emin=-999_999, Emax=999_999, traps=[InvalidOperation, DivisionByZero, Overflow]
)
_ONE = Decimal(1)


def growth(end: float, start: float, periods: int, length: int) -> float:
    """Return exp(ln(end / start) * periods / length) - 1 for positive amounts; infinity where no double is so large."""
    rate = _CONTEXT.ln(_CONTEXT.divide(Decimal(end), Decimal(start)))
    exponent = _CONTEXT.divide(_CONTEXT.multiply(rate, Decimal(periods)), Decimal(length))
    return float(_CONTEXT.subtract(_CONTEXT.exp(exponent), _ONE))
