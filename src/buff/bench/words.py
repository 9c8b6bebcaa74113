"""Numbers as people read them: durations, sizes, amounts and ratios of three digits, with a unit that fits.

Plain numbers go in, text comes out, the same for the same number everywhere.
"""

NONE = "–"
_DURATIONS = ((86_400.0, "days"), (3_600.0, "h"), (60.0, "min"), (1.0, "s"), (1e-3, "ms"), (1e-6, "µs"), (1e-9, "ns"))
_SIZES = ((1e12, "TB"), (1e9, "GB"), (1e6, "MB"), (1e3, "kB"), (1.0, "B"))


def duration(seconds: float | None) -> str:
    """Return seconds in a unit that leaves at least two of it for minutes and longer ones, one for shorter ones."""
    if seconds is None:
        return NONE
    for unit, name in _DURATIONS:
        if seconds >= unit * (2 if unit >= 60 else 1):
            return f"{amount(seconds / unit)} {name}"
    return "0 s" if seconds == 0 else f"{amount(seconds / 1e-9)} ns"


def size(size_bytes: float | None) -> str:
    """Return bytes in a decimal unit."""
    if size_bytes is None:
        return NONE
    unit, name = next(((unit, name) for unit, name in _SIZES if size_bytes >= unit), _SIZES[-1])
    return f"{amount(size_bytes / unit)} {name}"


def amount(value: float | None) -> str:
    """Return a number of three digits, whole ones with commas."""
    if value is None:
        return NONE
    rounded = float(f"{value:.3g}")
    if rounded >= 100 or rounded == int(rounded):
        return f"{rounded:,.0f}"
    return f"{rounded:.3g}"
