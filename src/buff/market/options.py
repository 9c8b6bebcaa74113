"""How a user asked for files to be read: checked once, then relied upon.

Words of a request go in; a `CsvOptions` whose parts all exist comes out, or PROFILE_INVALID or RUN_CONFIG_INVALID.
"""

from attrs import field, frozen

from buff.errors import RunConfigInvalid
from buff.market.profiles import Profile, profile
from buff.market.timeframe import BASES, Timeframe
from buff.market.timestamps import Zone, zone

REJECT, KEEP, FILL = "reject", "keep", "fill"
GAPS = (REJECT, KEEP, FILL)


def _base(value: object) -> Timeframe:
    name = value.value if isinstance(value, Timeframe) else value
    for base in BASES:
        if base.value == name:
            return base
    known = ", ".join(base.value for base in BASES)
    raise RunConfigInvalid(
        f"{name!r} cannot be a base timeframe",
        hint=f"use one of: {known}",
        details={"field": "base_timeframe", "value": str(name)},
    )


def _gaps(value: str) -> str:
    if value not in GAPS:
        raise RunConfigInvalid(
            f"{value!r} is no way to treat gaps",
            hint=f"use one of: {', '.join(GAPS)}",
            details={"field": "gaps", "value": str(value)},
        )
    return value


@frozen(kw_only=True)
class CsvOptions:
    """The form of the files, the zone of their naive times (None: every time carries one), gaps and base.

    Raises ProfileInvalid, or RunConfigInvalid naming the field; `base` may be given as a Timeframe or its name.
    Derived: the profile's declaration, the zone, and the spacing of the rows in nanoseconds.
    """

    profile: str = "buff"
    timezone: str | None = None
    gaps: str = field(default=REJECT, converter=_gaps)
    base: Timeframe = field(default=Timeframe.MINUTE_1, converter=_base)
    declaration: Profile = field(init=False, eq=False, repr=False)
    zone: Zone | None = field(init=False, eq=False, repr=False)
    step_ns: int = field(init=False, eq=False, repr=False)

    @declaration.default
    def _declared(self) -> Profile:
        return profile(self.profile)

    @zone.default
    def _zoned(self) -> Zone | None:
        return None if self.timezone is None else zone(self.timezone)

    @step_ns.default
    def _spaced(self) -> int:
        assert self.base.step_ms is not None, "a base has a fixed length"
        return self.base.step_ms * 1_000_000
