"""The API's description as a person reads it: operations by family, their parameters, bodies and answers in words.

The OpenAPI document goes in; plain values come out, for the page at `/api/docs` and for the reference in `docs/`.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from attrs import frozen

from buff_web.openapi import EVERYWHERE

Node = Mapping[str, Any]

_CODE = re.compile(r"`([A-Z_]+)`: ")


@frozen(kw_only=True)
class Field:
    """A parameter, or a field of an object: `kind` says in words what it may hold."""

    name: str
    kind: str
    required: bool
    says: str


@frozen(kw_only=True)
class Answer:
    """What an operation answers when it does what is asked: `kinds` are media types and what is in them."""

    status: int
    says: str
    kinds: tuple[str, ...]


@frozen(kw_only=True)
class Operation:
    """One verb at one address. `codes` are the errors that belong to it, beside those of every address."""

    name: str
    method: str
    path: str
    summary: str
    says: str
    parameters: tuple[Field, ...]
    body: tuple[str, ...]
    answers: tuple[Answer, ...]
    codes: tuple[str, ...]


@frozen(kw_only=True)
class Shape:
    """What has a name in bodies and answers: an object with fields, or a value that several places hold."""

    name: str
    says: str
    fields: tuple[Field, ...]


def families(document: Node) -> dict[str, tuple[Operation, ...]]:
    """Return the operations by their tag, in the order of the document."""
    found: dict[str, tuple[Operation, ...]] = {}
    for path, item in document["paths"].items():
        for method, operation in item.items():
            tag = operation["tags"][0]
            found[tag] = (*found.get(tag, ()), _operation(path, method.upper(), operation))
    return found


def shapes(document: Node) -> tuple[Shape, ...]:
    """Return the objects with their fields, and what else has a name, in the order of the names."""
    return tuple(_shape(name, schema) for name, schema in sorted(document["components"]["schemas"].items()))


def _shape(name: str, schema: Node) -> Shape:
    says = schema.get("description", "")
    if "properties" not in schema:
        kind = kind_of(schema)
        return Shape(name=name, says=f"{says} {kind[:1].upper()}{kind[1:]}.", fields=())
    return Shape(name=name, says=says, fields=tuple(_fields(schema)))


def _operation(path: str, method: str, operation: Node) -> Operation:
    answers = {int(status): answer for status, answer in operation["responses"].items()}
    refusals = " ".join(answer["description"] for status, answer in answers.items() if status >= 400)
    return Operation(
        name=operation["operationId"],
        method=method,
        path=path,
        summary=operation["summary"],
        says=operation.get("description", ""),
        parameters=tuple(
            Field(
                name=each["name"] if each["in"] == "query" else f"{each['name']} ({each['in']})",
                kind=kind_of(each["schema"]),
                required=each["required"],
                says=each.get("description", ""),
            )
            for each in operation.get("parameters", ())
        ),
        body=tuple(_bodies(operation.get("requestBody", {}))),
        answers=tuple(
            Answer(status=status, says=answer["description"], kinds=tuple(_contents(answer)))
            for status, answer in sorted(answers.items())
            if status < 400
        ),
        codes=tuple(code for code in dict.fromkeys(_CODE.findall(refusals)) if code not in EVERYWHERE),
    )


def _bodies(declared: Node) -> Iterator[str]:
    for kind in _contents(declared):
        yield kind if declared["required"] else f"{kind}, or none"


def _contents(answer: Node) -> Iterator[str]:
    for media, content in answer.get("content", {}).items():
        schema = content.get("schema")
        yield f"{media}: {kind_of(schema)}" if schema else media


def _fields(schema: Node) -> Iterator[Field]:
    for name, kind in schema["properties"].items():
        yield Field(
            name=name, kind=kind_of(kind), required=name in schema.get("required", ()), says=kind.get("description", "")
        )


def kind_of(schema: Node) -> str:
    """Return in words what a schema lets in."""
    match schema:
        case {"$ref": str(reference)}:
            return reference.rpartition("/")[2]
        case {"anyOf": kinds}:
            return " or ".join(dict.fromkeys(kind_of(each) for each in kinds))
        case {"enum": choices}:
            return "one of " + ", ".join(str(each) for each in choices)
        case {"type": "array"}:
            return f"list of {kind_of(schema.get('items', {}))}"
        case {"type": "object", "additionalProperties": dict(kind)} if kind:
            return f"object of {kind_of(kind)}"
        case {"type": "integer" | "number" as kind}:
            return _bounded(kind, schema)
        case {"type": "string"}:
            return f"text of at most {schema['maxLength']:,} characters" if "maxLength" in schema else "text"
        case {"type": str(kind)}:
            return {"boolean": "true or false"}.get(kind, kind)
        case _:
            return "anything"


def _bounded(kind: str, schema: Node) -> str:
    word = "whole number" if kind == "integer" else "number"
    low, high = schema.get("minimum"), schema.get("maximum")
    if low is not None and high is not None:
        word = f"{word} from {low:,} to {high:,}"
    return f"{word}, default {schema['default']:,}" if isinstance(schema.get("default"), int) else word
