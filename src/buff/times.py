"""Market time as text: epoch milliseconds in, `YYYY-MM-DDTHH:MM:SSZ` out, and back.

All of it is UTC. Reading the wall clock is not done here.
"""

from datetime import UTC, datetime, timedelta

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)


def iso(ms: int) -> str:
    """Return the stamp of an epoch-millisecond instant, whole seconds."""
    # Not strftime: its %Y has four digits on some systems and fewer on others for years before 1000.
    return (_EPOCH + timedelta(milliseconds=int(ms))).isoformat()[:19] + "Z"


def epoch_ms(text: str) -> int:
    """Return the epoch milliseconds of a stamp that `iso` wrote."""
    return (datetime.fromisoformat(text) - _EPOCH) // _MILLISECOND


def day(ms: int) -> str:
    """Return the UTC date of an instant, `YYYY-MM-DD`."""
    return iso(ms)[:10]
