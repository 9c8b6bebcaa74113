"""Profiles: what a vendor's CSV looks like, as declarations. No code of the reader knows a vendor by name.

A profile says how columns are called and separated; it never says how to repair anything.
"""

from collections.abc import Mapping

from attrs import frozen

from buff.errors import ProfileInvalid
from buff.market.bars import VALUES


@frozen(kw_only=True)
class Profile:
    """One form of CSV. Names are compared in lower case, without surrounding spaces.

    delimiter: the one character between cells. columns: canonical name -> the header names it may have; exactly one
    of them must be there.
    """

    name: str
    delimiter: str
    columns: Mapping[str, tuple[str, ...]]


PROFILES: Mapping[str, Profile] = {
    "buff": Profile(
        name="buff",
        delimiter=",",
        columns={
            "ts": ("ts", "timestamp", "ts_utc", "timestamp_utc", "time", "date", "datetime"),
            **{name: (name,) for name in VALUES},
        },
    ),
}


def profile(name: str) -> Profile:
    """Return the profile of that name. Raises ProfileInvalid when there is none."""
    if name not in PROFILES:
        known = ", ".join(sorted(PROFILES))
        raise ProfileInvalid(
            f"there is no profile {name!r}", hint=f"use one of: {known}", details={"field": "profile", "value": name}
        )
    return PROFILES[name]
