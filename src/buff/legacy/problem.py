"""What is wrong with a legacy run, as a value: a file, how grave, and a sentence.

Nothing goes in but words. A problem is never raised: a legacy run that is half broken is shown with what is left of it.
"""

from typing import Literal

from attrs import frozen

Kind = Literal["damage", "warning", "limit"]


@frozen(kw_only=True)
class Problem:
    """One thing a person should know of a file. `damage`: something cannot be read. `warning`: what is read
    contradicts itself. `limit`: there is more than is read.
    """

    file: str
    kind: Kind
    says: str


def damage(file: str, says: str) -> Problem:
    """Return the problem of a file, or a part of one, that cannot be read."""
    return Problem(file=file, kind="damage", says=says)


def warning(file: str, says: str) -> Problem:
    """Return the problem of a file that says two things at once, or something that is not so."""
    return Problem(file=file, kind="warning", says=says)


def limit(file: str, says: str) -> Problem:
    """Return the problem of a file that holds more than was read."""
    return Problem(file=file, kind="limit", says=says)
