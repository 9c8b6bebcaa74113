"""The form of a new run: what a browser sends as texts, and the values of a request.

Texts go in and plain values of a request come out, and back, so that a form is never lost: what was typed is in the
address, and what a build was asked for fills the form again. Nothing is judged here but what a text is; the request
itself is judged where every request is.
"""

from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import urlencode

from buff.decisions.contract import parse_text
from buff.decisions.strategy import strategies
from buff.errors import RunConfigInvalid
from buff.runs.request import READING, columns_from

Texts = Mapping[str, str]

SOURCE: Final = ("upload", "file_name", "dataset")
PLAIN: Final = ("symbol", "timeframe", "strategy", "start", "end", "name", "notes")
NUMBERS: Final = ("commission_bps", "slippage_bps", "min_fee", "initial_equity")
WHOLE: Final = "risk_level"
TAGS: Final = "tags"
PARAM: Final = "p."  # before the name of a parameter of the strategy
FIELDS: Final = (*SOURCE, *READING, *PLAIN, WHOLE, *NUMBERS, TAGS)
DEFAULTS: Final[Texts] = {
    "timeframe": "1h",
    "strategy": "ma_cross",
    "commission_bps": "10",
    "slippage_bps": "5",
    "min_fee": "0",
    "initial_equity": "10000",
}


def allowed(asked: Texts) -> tuple[str, ...]:
    """Return the fields that a form may have, among them the parameters of the strategy it names."""
    known = strategies().get(asked.get("strategy", "") or DEFAULTS["strategy"])
    return (*FIELDS, *(f"{PARAM}{param.name}" for param in (known.params if known else ())))


def address(texts: Texts, **more: str) -> str:
    """Return where the form stands filled with these texts; what is as the form begins is left out.

    `more` are parameters of the page that are no fields of the form.
    """
    told = {name: text for name, text in texts.items() if name in allowed(texts) and text != DEFAULTS.get(name, "")}
    told |= more
    return f"/runs/new?{urlencode(told)}" if told else "/runs/new"


def values(texts: Texts) -> dict[str, Any]:
    """Return the values of the request that a form describes; an empty field is one that nothing was said of.

    Raises RunConfigInvalid where a text is not what its field holds; what a strategy takes is left for it to judge.
    """
    said = {name: text.strip() for name, text in texts.items() if text.strip()}
    told: dict[str, Any] = {name: said[name] for name in (*SOURCE, *PLAIN) if name in said}
    told |= reading(said)
    told |= {name: _number(name, said[name]) for name in NUMBERS if name in said}
    if WHOLE in said:
        text = said[WHOLE]
        told[WHOLE] = int(text) if text.isascii() and text.isdigit() and len(text) <= 3 else text
    if TAGS in said:
        told[TAGS] = [tag for tag in (each.strip() for each in said[TAGS].split(",")) if tag]
    params = {name.removeprefix(PARAM): text for name, text in said.items() if name.startswith(PARAM)}
    if params:
        known = strategies().get(said.get("strategy", ""))
        told["params"] = parse_text(known, params) if known else params
    if "dataset" in told:  # it was read once for all
        told = {name: value for name, value in told.items() if name not in READING}
    return told


def reading(texts: Texts) -> dict[str, Any]:
    """Return how files are to be read, as far as a form says. Raises RunConfigInvalid."""
    told: dict[str, Any] = {name: texts[name].strip() for name in READING if texts.get(name, "").strip()}
    if "columns" in told:
        told["columns"] = columns_from(told["columns"])
    return told


def texts(request: Mapping[str, Any]) -> dict[str, str]:
    """Return the texts with which a form says what a request said."""
    told: dict[str, str] = {}
    for name, value in request.items():
        match value:
            case dict() if name == "params":
                told |= {f"{PARAM}{each}": _text(given) for each, given in value.items()}
            case dict() if name == "columns":
                told[name] = ",".join(f"{role}={column}" for role, column in value.items())
            case list() if name == TAGS:
                told[name] = ", ".join(value)
            case list() if len(value) == 1:
                told[name] = _text(value[0])
            case str() | bool() | int() | float():
                told[name] = _text(value)
    return {name: text for name, text in told.items() if name in allowed(told)}


def _text(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:g}" if isinstance(value, float) and value == float(f"{value:g}") else str(value)


def _number(name: str, text: str) -> float:
    try:
        if text.isascii() and "_" not in text:
            return float(text)
    except ValueError:
        pass
    raise RunConfigInvalid(
        f"{name} {text[:80]!r} is not a number",
        hint="write it with a point, without separators",
        details={"field": name, "value": text[:80]},
    )
