"""A request file, and values typed on a command line, as the plain values a request is made of."""

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from buff.decisions.strategy import parse_text, strategy
from buff.errors import DataInvalid, RequestInvalid, RunConfigInvalid
from buff.files import RealDisk
from buff.intake import write_offences
from buff.runs.request import data_from
from buff.settings import Settings


def document(path: str) -> dict[str, Any]:
    """Return the fields of a JSON or TOML file. Raises RequestInvalid when it cannot be read as one."""
    import json  # read when a request file is, not with every command
    import tomllib

    kind = os.path.splitext(path)[1].lower()
    if kind not in (".json", ".toml"):
        raise RequestInvalid(f"{path} is neither .json nor .toml", hint="name the file so", details={"file": path})
    try:
        with open(path, "rb") as file:
            data = file.read()
        values = json.loads(data, object_pairs_hook=_once) if kind == ".json" else tomllib.loads(data.decode())
    except OSError as error:
        raise RequestInvalid(
            f"{path} cannot be read: {error.strerror}", hint="check the path", details={"file": path}
        ) from error
    except (ValueError, RecursionError) as error:  # the latter for brackets in brackets without end
        raise RequestInvalid(
            f"{path} is not valid {kind[1:].upper()}: {error}",
            hint="check the file in an editor that knows the format",
            details={"file": path},
        ) from error
    if not isinstance(values, dict):
        raise RequestInvalid(
            f"{path} does not hold an object", hint='write {"csv": "...", ...}', details={"file": path}
        )
    return values


def _once(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    values = dict(pairs)
    if len(values) != len(pairs):
        raise ValueError("a name stands twice in one object")
    return values


def request_values(
    config: str | None, options: Mapping[str, Any], params: Sequence[str], risk_level: str | None
) -> dict[str, Any]:
    """Return the fields of a request: those of a file, over them what was typed. Raises BuffError."""
    values = document(config) if config else {}
    values |= {name: value for name, value in options.items() if value not in (None, ())}
    if risk_level is not None:
        values["risk_level"] = level(risk_level)
    stored = values.get("params") or {}
    if params and isinstance(stored, dict):  # what is no table is left for the request's own check to refuse
        values["params"] = {**stored, **parameters(params, values.get("strategy"))}
    return values


def level(text: str) -> int | str:
    """Return a typed risk level as a number where it is a whole one; 2.5 and true stay text, which no level is."""
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 3 else text


def parameters(pairs: Sequence[str], strategy_id: object) -> Mapping[str, Any]:
    """Return `k=v` texts as the strategy's parameters, by the kinds it declares."""
    found = texts(pairs)
    if not isinstance(strategy_id, str):
        raise RunConfigInvalid("strategy is missing", hint="give --strategy", details={"field": "strategy"})
    return parse_text(strategy(strategy_id), found)


def texts(pairs: Sequence[str]) -> dict[str, str]:
    """Return `k=v` texts by name. Raises RunConfigInvalid."""
    found = {}
    for pair in pairs:
        name, separator, value = pair.partition("=")
        if not separator or not name:
            raise RunConfigInvalid(
                f"--param {pair!r} is not of the form name=value",
                hint="write --param fast=10",
                details={"field": "params", "value": pair},
            )
        if name in found:
            raise RunConfigInvalid(
                f"--param {name} is given twice", hint="give it once", details={"field": "params", "value": pair}
            )
        found[name] = value
    return found


def documents(path: str) -> list[dict[str, Any]]:
    """Return the requests of a file: a JSON array (`.json`), or a JSON object a line (`.jsonl`).

    Raises RequestInvalid when it cannot be read as one.
    """
    import json

    lines = os.path.splitext(path)[1].lower() == ".jsonl"
    try:
        with open(path, "rb") as file:
            data = file.read()
        if lines:
            found = [_line(number, line) for number, line in enumerate(data.splitlines(), 1) if line.strip()]
        else:
            found = json.loads(data, object_pairs_hook=_once)
    except OSError as error:
        raise RequestInvalid(
            f"{path} cannot be read: {error.strerror}", hint="check the path", details={"file": path}
        ) from error
    except (ValueError, RecursionError) as error:
        raise RequestInvalid(
            f"{path} is not valid JSON: {error}",
            hint="write a JSON object in each line" if lines else "write a JSON array, or name JSON lines .jsonl",
            details={"file": path},
        ) from error
    if not isinstance(found, list) or not all(isinstance(each, dict) for each in found):
        raise RequestInvalid(
            f"{path} does not hold requests", hint='write [{"dataset": "...", ...}, ...]', details={"file": path}
        )
    return found


def _line(number: int, line: bytes) -> Any:
    """Return the value of one of many lines; what is wrong with it is said with its number."""
    import json

    try:
        return json.loads(line, object_pairs_hook=_once)
    except json.JSONDecodeError as error:
        raise ValueError(f"{error.msg}: line {number} column {error.colno}") from error


@contextmanager
def all_offences(target: str | None, values: Mapping[str, Any], settings: Settings) -> Iterator[None]:
    """Write every offence of refused data to the file `target`, when there is one; the error goes on its way."""
    try:
        yield
    except DataInvalid as error:
        if target is not None:
            wanted = data_from(values)
            write_offences(RealDisk(), target, wanted.csv, wanted.options, error, settings=settings)
        raise
