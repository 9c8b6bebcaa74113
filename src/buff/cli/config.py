"""A request file, and values typed on a command line, as the plain values a request is made of."""

import json
import os
import tomllib
from collections.abc import Mapping, Sequence
from typing import Any

from buff.decisions.strategy import parse_text, strategy
from buff.errors import RequestInvalid, RiskInvalid, RunConfigInvalid


def document(path: str) -> dict[str, Any]:
    """Return the fields of a JSON or TOML file. Raises RequestInvalid when it cannot be read as one."""
    kind = os.path.splitext(path)[1].lower()
    if kind not in (".json", ".toml"):
        raise RequestInvalid(f"{path} is neither .json nor .toml", hint="name the file so", details={"file": path})
    try:
        with open(path, "rb") as file:
            data = file.read()
        values = json.loads(data, object_pairs_hook=_once) if kind == ".json" else tomllib.loads(data.decode())
    except OSError as error:
        raise RequestInvalid(f"{path} cannot be read: {error.strerror}", details={"file": path}) from error
    except ValueError as error:
        raise RequestInvalid(f"{path} is not valid {kind[1:].upper()}: {error}", details={"file": path}) from error
    if not isinstance(values, dict):
        raise RequestInvalid(f"{path} does not hold an object", details={"file": path})
    return values


def _once(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    values = dict(pairs)
    if len(values) != len(pairs):
        raise ValueError("a name stands twice in one object")
    return values


def level(text: str) -> int:
    """Return a typed risk level as a whole number, or raise RiskInvalid: 2.5 and true are none."""
    if not (text.isascii() and text.isdigit() and len(text) <= 3):
        raise RiskInvalid(
            f"risk level {text!r} is not a whole number from 1 to 5",
            hint="1 is the least risk, 5 the most",
            details={"field": "risk_level", "value": text},
        )
    return int(text)


def parameters(pairs: Sequence[str], strategy_id: object) -> Mapping[str, Any]:
    """Return `k=v` texts as the strategy's parameters, by the kinds it declares."""
    texts = {}
    for pair in pairs:
        name, separator, value = pair.partition("=")
        if not separator or not name:
            raise RunConfigInvalid(
                f"--param {pair!r} is not of the form name=value", details={"field": "params", "value": pair}
            )
        if name in texts:
            raise RunConfigInvalid(f"--param {name} is given twice", details={"field": "params", "value": pair})
        texts[name] = value
    if not isinstance(strategy_id, str):
        raise RunConfigInvalid("strategy is missing", hint="give --strategy", details={"field": "strategy"})
    return parse_text(strategy(strategy_id), texts)
