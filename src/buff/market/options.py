"""How a user asked for files to be read: checked once, then relied upon.

Words of a request go in; a `CsvOptions` whose parts all exist comes out, or PROFILE_INVALID or RUN_CONFIG_INVALID.
"""

from collections.abc import Mapping
from typing import Any

from attrs import Factory, asdict, evolve, field, frozen

from buff.errors import ProfileInvalid, RunConfigInvalid
from buff.market.bars import VALUES
from buff.market.profiles import NONE, PROFILES, STAMPS, TABLE, Profile, profile, profile_from
from buff.market.timeframe import BASES, Timeframe
from buff.market.timestamps import Zone, zone

NO_VOLUME = "none"
# The columns a user may name; those of a time in two columns, or of a ticker, take a profile of one's own.
NAMED = ("ts", *VALUES)
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


def _profile(value: object) -> Profile:
    if isinstance(value, Profile):
        return value
    if not isinstance(value, Mapping):
        return profile(str(value))
    declared = profile_from(value)
    if PROFILES.get(declared.name, declared) != declared:
        raise ProfileInvalid(
            f"{declared.name!r} is the name of a profile of Buff, which is another",
            hint="give yours a name of its own",
            details={"field": "name", "value": declared.name},
        )
    return declared


def _wrong(name: str, value: object, says: str, hint: str) -> RunConfigInvalid:
    shown = value if isinstance(value, str) else repr(value)
    return RunConfigInvalid(says, hint=hint, details={"field": name, "value": shown})


@frozen(kw_only=True)
class CsvOptions:
    """The form of the files, the zone of their naive times (None: every time carries one), gaps and base.

    profile: a name of `buff.market.profiles`, or a table that declares one. What the user says of odd files goes before
    what the profile says: `columns` (role -> header name), `stamp` (open or close), `volume` ("none": there is none,
    so it is 0). ticker: whose rows to take of a file of many instruments.
    Raises ProfileInvalid, or RunConfigInvalid naming the field; `base` may be given as a Timeframe or its name.
    Derived: the declaration (the profile with what the user says of the files), the zone, whether the user named it,
    and the spacing of the rows in nanoseconds.
    """

    profile: Profile = field(default=PROFILES["buff"], converter=_profile)
    timezone: str | None = None
    gaps: str = field(default=REJECT, converter=_gaps)
    base: Timeframe = field(default=Timeframe.MINUTE_1, converter=_base)
    columns: Mapping[str, str] = Factory(dict)
    stamp: str | None = None
    volume: str | None = None
    ticker: str | None = None
    declaration: Profile = field(init=False, eq=False, repr=False)
    zone: Zone | None = field(init=False, eq=False, repr=False)
    zone_asked: bool = field(init=False, eq=False, repr=False)
    step_ns: int = field(init=False, eq=False, repr=False)

    @declaration.default
    def _declared(self) -> Profile:
        for role, name in self.columns.items():
            if role not in NAMED or not isinstance(name, str) or not name:
                known = ", ".join(NAMED)
                raise _wrong("columns", role, f"{role!r} is no column that can be named", f"name one of: {known}")
        self._check_apart()
        if self.stamp not in (None, *STAMPS):
            known = " or ".join(STAMPS)
            raise _wrong("stamp", self.stamp, f"{self.stamp!r} is no way to stamp a bar", f"use {known}")
        if self.volume not in (None, NO_VOLUME):
            hint = "use none, for files without a volume column"
            raise _wrong("volume", self.volume, f"volume cannot be {self.volume!r}", hint)
        if self.profile.plural and self.ticker is None:
            hint = "give --ticker (or --symbol, where they are the same)"
            raise _wrong("ticker", None, f"files of {self.profile.name} hold many instruments: say whose rows", hint)
        named = {role: (name.casefold().strip(),) for role, name in self.columns.items()}
        return evolve(
            self.profile,
            columns={**self.profile.columns, **named},
            positions=_placed(self.profile, self.columns),
            stamp=self.stamp or self.profile.stamp,
            volume=self.profile.volume and self.volume is None,
        )

    def _check_apart(self) -> None:
        """Refuse a column for a role that another role takes, too: by what the user says, or by what the profile knows.

        A profile of one's own may say that a column has several roles.
        """
        meant = {role: (name.casefold().strip(),) for role, name in self.columns.items()}
        known = {**{role: (role,) for role in self.profile.positions}, **self.profile.columns, **meant}
        for role, (name,) in meant.items():
            other = next((each for each in NAMED if each != role and name in known.get(each, ())), None)
            if other is not None and (other, self.volume) != ("volume", NO_VOLUME):
                hint = f"name another column, or say which one is {other}, too"
                says = f"column {self.columns[role]!r} cannot be both {other} and {role}"
                raise _wrong("columns", self.columns[role], says, hint)

    @zone.default
    def _zoned(self) -> Zone | None:
        if self.timezone is not None and self.profile.zone is not None:
            hint = f"leave it out: times without a zone are {self.profile.zone} in these files"
            raise _wrong("timezone", self.timezone, f"profile {self.profile.name} has a zone of its own", hint)
        name = self.profile.zone if self.timezone is None else self.timezone
        return None if name is None else zone(name)

    @zone_asked.default
    def _asked(self) -> bool:
        return self.timezone is not None

    @step_ns.default
    def _spaced(self) -> int:
        assert self.base.step_ms is not None, "a base has a fixed length"
        return self.base.step_ms * 1_000_000

    def described(self) -> dict[str, Any]:
        """Return how the files are read, for a manifest: the profile's name, the zone, and what else was said."""
        said: dict[str, Any] = {
            "columns": dict(self.columns) or None,
            "stamp": self.stamp,
            "volume": self.volume,
            "ticker": self.ticker if self.profile.plural else None,
            "declaration": None if self.profile == PROFILES.get(self.profile.name) else table_of(self.profile),
        }
        return {
            "profile": self.profile.name,
            "timezone": self.timezone or self.profile.zone,
            **{name: value for name, value in said.items() if value is not None},
        }


def _placed(profile: Profile, columns: Mapping[str, str]) -> tuple[str, ...]:
    """Return the positions of a file without header, with the roles that the user puts at named ones there."""
    positions = profile.positions
    for role, name in columns.items():
        at = next((at for at, each in enumerate(positions) if each.casefold() == name.casefold().strip()), None)
        if at is not None and positions[at] != role:
            moved = [f"{each} (not read)" if each == role else each for each in positions]
            positions = (*moved[:at], role, *moved[at + 1 :])
        elif at is None and profile.header == NONE and TABLE not in profile.formats:
            hint = f"its columns are, in order: {', '.join(profile.positions)}"
            raise _wrong(
                "columns", name, f"files of {profile.name} have no header, and no column called {name!r}", hint
            )
    return positions


def options_of(source: Mapping[str, Any], *, gaps: str, base: Timeframe) -> CsvOptions:
    """Return the options that a manifest's source describes: the inverse of `described`."""
    # A declaration of the name of a profile that has come since, or has changed, is still what was read with.
    declared = source.get("declaration")
    chosen = profile(source["profile"]) if declared is None else profile_from(declared)
    return CsvOptions(
        profile=chosen,
        timezone=None if chosen.zone is not None else source["timezone"],
        gaps=gaps,
        base=base,
        **{name: source[name] for name in ("columns", "stamp", "volume", "ticker") if name in source},
    )


def table_of(declared: Profile) -> dict[str, Any]:
    """Return a profile as the table that declares it, without what is the default."""
    table = {name: _listed(value) for name, value in asdict(declared).items()}
    return {
        name: value for name, value in table.items() if name in ("name", "title") or value != _DEFAULTS.get(name, {})
    }


def _listed(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _listed(each) for key, each in value.items()}
    return list(value) if isinstance(value, tuple) else value


# What a table may leave out.
_DEFAULTS = {
    name: _listed(value)
    for name, value in asdict(Profile(name="plain", title="plain", columns=PROFILES["buff"].columns)).items()
    if name != "columns"
}
