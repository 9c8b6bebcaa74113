"""Settings: what the environment may say, read once at an entry point and checked whole.

A mapping of strings goes in (the process environment at a door, a dict in a test); a frozen value comes out, or
RUN_CONFIG_INVALID.
"""

from collections.abc import Mapping

from attrs import frozen

from buff.errors import RunConfigInvalid

GIB = 1 << 30


@frozen(kw_only=True)
class Settings:
    """Limits and switches, with safe defaults. Sizes are bytes; `runs_root` is None when nobody said."""

    runs_root: str | None = None
    artifacts_root: str | None = None
    user: str = "unknown"
    csv_bytes_max: int = 2 * GIB
    rows_max: int = 30_000_000
    free_bytes_min: int = GIB
    upload_bytes_max: int = GIB
    requests_per_minute: int = 600
    builds_max: int | None = None
    queue_max: int = 100
    kill_switch: bool = False
    web_create: bool = False
    token: str | None = None
    lock_timeout_seconds: float = 10.0

    @classmethod
    def from_env(cls, environment: Mapping[str, str], *, user: str = "unknown") -> "Settings":
        """Return the settings a process environment describes. Raises RunConfigInvalid on a value that is no size."""
        return cls(
            runs_root=environment.get("RUNS_ROOT") or None,
            artifacts_root=environment.get("ARTIFACTS_ROOT") or None,
            user=(environment.get("BUFF_USER") or user).encode("utf-8", "replace").decode(),
            csv_bytes_max=_size(environment, "BUFF_CSV_BYTES_MAX", 2 * GIB),
            rows_max=_size(environment, "BUFF_ROWS_MAX", 30_000_000),
            free_bytes_min=_size(environment, "BUFF_FREE_BYTES_MIN", GIB),
        )


def _size(environment: Mapping[str, str], name: str, default: int) -> int:
    text = environment.get(name)
    if not text:
        return default
    if not (text.isascii() and text.isdigit()):
        raise RunConfigInvalid(
            f"{name} is {text!r}, not a whole number", hint=f"unset {name} or give digits only", details={"field": name}
        )
    return int(text)
