"""A run id is its inputs: one canonical object, one hash, sixteen hex digits.

The resolved inputs go in as plain values; their hash and the id made of it come out. Nothing here reads a clock or a
file, and nothing that differs between two machines is in the object.
"""

import re
from collections.abc import Mapping
from typing import Any

from buff.canonical import digest_of
from buff.errors import RunIdInvalid

ENGINE_VERSION = "1"  # bumped by every change of DESIGN §6 or spec/engine.md that changes a byte of an artifact
INPUTS_SCHEMA = "inputs.v1"

_RUN_ID = re.compile(r"[a-z0-9][a-z0-9_-]{2,63}")
_WINDOWS_DEVICES = frozenset({"con", "prn", "aux", "nul", *(f"{d}{n}" for d in ("com", "lpt") for n in range(10))})
_RESERVED = _WINDOWS_DEVICES | {"new"}


def is_run_id(name: str) -> bool:
    """This function says whether a name may be a run directory's."""
    return _RUN_ID.fullmatch(name) is not None and name not in _RESERVED


def check_run_id(run_id: str) -> str:
    """Return the id, or raise RunIdInvalid."""
    if not is_run_id(run_id):
        raise RunIdInvalid(
            f"run id {run_id!r} is not valid",
            hint="3 to 64 of a-z, 0-9, _ and -, beginning with a letter or digit, not 'new' and no Windows device name",
            details={"field": "run_id", "value": run_id},
        )
    return run_id


def inputs_of(
    *,
    dataset_id: str,
    base_timeframe: str,
    symbol: str,
    timeframe: str,
    start: str,
    end: str,
    gaps: str,
    strategy: Mapping[str, Any],
    risk: Mapping[str, Any],
    costs: Mapping[str, float],
    initial_equity: float,
) -> dict[str, Any]:
    """Return the object that is hashed: every default resolved and written (spec/contract.md, Identity).

    `strategy` holds id, version, params, source_sha256; `risk` level and policy; `costs` commission_bps, slippage_bps
    and min_fee.
    """
    return {
        "schema_version": INPUTS_SCHEMA,
        "dataset_id": dataset_id,
        "base_timeframe": base_timeframe,
        "symbol": symbol,
        "timeframe": timeframe,
        "start": start,
        "end": end,
        "gaps": gaps,
        "strategy": dict(strategy),
        "risk": dict(risk),
        "costs": dict(costs),
        "initial_equity": initial_equity,
        "engine_version": ENGINE_VERSION,
    }


def inputs_hash(inputs: Mapping[str, Any]) -> str:
    """Return the SHA-256 of the canonical JSON of the resolved inputs."""
    return digest_of(dict(inputs))


def run_id_of(hashed: str) -> str:
    """Return the id that a run gets when its caller names none."""
    return f"run_{hashed[:16]}"
