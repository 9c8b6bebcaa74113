"""Settings: what the environment may say, read once at an entry point and checked whole.

A mapping of strings goes in (the process environment at a door, a dict in a test); a frozen value comes out, or
RUN_CONFIG_INVALID. Of a kill switch that cannot be understood the safe reading is taken: it is on.
"""

from collections.abc import Mapping

from attrs import field, frozen

from buff.errors import RunConfigInvalid

GIB = 1 << 30
UNLIMITED = 10**12  # what stands for no limit where there must be a number
DIGITS_MAX = 18  # any number of so many digits is a 64-bit one, and Python itself refuses to read thousands

ON, OFF = frozenset({"1", "true", "yes", "on"}), frozenset({"", "0", "false", "no", "off"})


@frozen(kw_only=True)
class Settings:
    """Limits and switches, with safe defaults. Sizes are bytes; `runs_root` is None when nobody said.

    `requests_per_minute` and `builds_max` of None are no limit: what somebody gets who makes settings in Python and
    names none. Those that the environment gives always have both.
    """

    runs_root: str | None = None
    artifacts_root: str | None = None
    user: str = "unknown"
    csv_bytes_max: int = 2 * GIB
    rows_max: int = 30_000_000
    free_bytes_min: int = GIB
    upload_bytes_max: int = GIB
    requests_per_minute: int | None = None
    builds_max: int | None = None
    queue_max: int = 100
    sweep_runs_max: int = 10_000
    kill_switch: bool = False
    web_create: bool = False
    token: str | None = field(default=None, repr=False)
    lock_timeout_seconds: float = 10.0

    @classmethod
    def from_env(cls, environment: Mapping[str, str], *, user: str = "unknown", cores: int = 1) -> "Settings":
        """Return the settings a process environment describes; `cores` is how many builds run at once if it is silent.

        Raises RunConfigInvalid on a value that is not understood, but for that of the kill switch, which is then on.
        """
        return cls(
            runs_root=environment.get("RUNS_ROOT") or None,
            artifacts_root=environment.get("ARTIFACTS_ROOT") or None,
            user=(environment.get("BUFF_USER") or user).encode("utf-8", "replace").decode(),
            csv_bytes_max=_number(environment, "BUFF_CSV_BYTES_MAX", 2 * GIB),
            rows_max=_number(environment, "BUFF_ROWS_MAX", 30_000_000),
            free_bytes_min=_number(environment, "BUFF_FREE_BYTES_MIN", GIB),
            upload_bytes_max=_number(environment, "BUFF_UPLOAD_BYTES_MAX", GIB),
            requests_per_minute=_number(environment, "BUFF_REQUESTS_PER_MINUTE", 600, least=1),
            builds_max=_number(environment, "BUFF_BUILDS_MAX", cores, least=1),
            queue_max=_number(environment, "BUFF_QUEUE_MAX", 100),
            sweep_runs_max=_number(environment, "BUFF_SWEEP_RUNS_MAX", 10_000),
            kill_switch=(environment.get("BUFF_KILL_SWITCH") or "").strip().lower() not in OFF,
            web_create=_switch(environment, "BUFF_WEB_CREATE"),
            token=_token(environment, "BUFF_TOKEN"),
        )

    def as_env(self) -> dict[str, str]:
        """Return what the environment of a process must say that is to have the same limits, switch and user."""
        limits = {
            "BUFF_CSV_BYTES_MAX": self.csv_bytes_max,
            "BUFF_ROWS_MAX": self.rows_max,
            "BUFF_FREE_BYTES_MIN": self.free_bytes_min,
            "BUFF_UPLOAD_BYTES_MAX": self.upload_bytes_max,
            "BUFF_REQUESTS_PER_MINUTE": self.requests_per_minute,
            "BUFF_BUILDS_MAX": self.builds_max,
            "BUFF_QUEUE_MAX": self.queue_max,
            "BUFF_SWEEP_RUNS_MAX": self.sweep_runs_max,
            "BUFF_KILL_SWITCH": int(self.kill_switch),
        }
        return {
            "BUFF_USER": self.user,
            **{name: str(UNLIMITED if limit is None else limit) for name, limit in limits.items()},
        }


def _number(environment: Mapping[str, str], name: str, default: int, *, least: int = 0) -> int:
    text = environment.get(name)
    if not text:
        return default
    if not (text.isascii() and text.isdigit() and len(text) <= DIGITS_MAX):
        raise _invalid(f"{name} is {text[:40]!r}, not a whole number", name, f"unset {name} or give digits only")
    if int(text) < least:
        says = f"{name} is {text}, and nothing could be done under such a limit"
        raise _invalid(says, name, f"give {least} or more; `buff kill-switch on` is what stops everything")
    return int(text)


def _switch(environment: Mapping[str, str], name: str) -> bool:
    text = environment.get(name) or ""
    word = text.strip().lower()
    if word not in ON | OFF:
        raise _invalid(f"{name} is {text[:40]!r}, neither on nor off", name, f"unset {name}, or set it to 1 or 0")
    return word in ON


def _token(environment: Mapping[str, str], name: str) -> str | None:
    """Return the token, of which no message says anything: it is a secret."""
    text = environment.get(name)
    if text and not all("!" <= character <= "~" for character in text):
        says = f"{name} holds what cannot be sent as a token: a space, or a character that is not ASCII"
        raise _invalid(says, name, 'make one with `python -c "import secrets; print(secrets.token_urlsafe())"`')
    return text or None


def _invalid(says: str, name: str, hint: str) -> RunConfigInvalid:
    return RunConfigInvalid(says, hint=hint, details={"field": name})
