"""The manifest: sorted, canonical, and its content hash blind to nothing but the file the data came from."""

import hashlib
from typing import Any

import pytest

from buff.runs.manifest import Artifact, content_sha256, manifest_bytes, manifest_of, manifest_sha256

INPUTS = {"engine_version": "1", "symbol": "BTCUSDT"}
DATA: dict[str, Any] = {"dataset_id": "d" * 64, "rows": 2, "source": {"name": "a.csv", "path": "/home/me/a.csv"}}
ARTIFACTS = [
    Artifact(name="trades.jsonl", schema="trades.v1", size=0, sha256="1" * 64),
    Artifact(name="metrics.json", schema="metrics.v1", size=3, sha256="2" * 64),
]
REFERENCES = [{"column": "ts", "file": "x"}, {"column": "close", "file": "y"}]


def made(**changes: Any) -> dict[str, Any]:
    parts: dict[str, Any] = {
        "run_id": "run_0",
        "inputs": INPUTS,
        "inputs_hash": "0" * 64,
        "data": DATA,
        "artifacts": ARTIFACTS,
        "references": REFERENCES,
    }
    return manifest_of(**{**parts, **changes})


def test_a_manifest_holds_what_went_in_and_what_came_out_sorted() -> None:
    assert made() == {
        "schema_version": "manifest.v1",
        "run_id": "run_0",
        "inputs_hash": "0" * 64,
        "engine_version": "1",
        "inputs": INPUTS,
        "data": DATA,
        "artifacts": [
            {"name": "metrics.json", "schema": "metrics.v1", "size": 3, "sha256": "2" * 64},
            {"name": "trades.jsonl", "schema": "trades.v1", "size": 0, "sha256": "1" * 64},
        ],
        "references": [{"column": "close", "file": "y"}, {"column": "ts", "file": "x"}],
    }


def test_the_order_in_which_parts_were_made_does_not_matter() -> None:
    assert manifest_bytes(made(artifacts=ARTIFACTS[::-1], references=REFERENCES[::-1])) == manifest_bytes(made())


def test_the_hash_of_the_file_is_that_of_its_bytes() -> None:
    assert manifest_bytes(made()).endswith(b"}\n")
    assert manifest_sha256(made()) == hashlib.sha256(manifest_bytes(made())).hexdigest()


@pytest.mark.parametrize("source", [{}, {"name": "b.csv"}, {**DATA["source"], "sha256": "5" * 64}, None])
def test_the_content_hash_does_not_see_the_source(source: Any) -> None:
    other = made(data={**DATA, "source": source})
    assert content_sha256(other) == content_sha256(made())
    assert manifest_sha256(other) != manifest_sha256(made())


@pytest.mark.parametrize(
    "change",
    [
        {"run_id": "run_1"},
        {"inputs": {**INPUTS, "symbol": "ETHUSDT"}},
        {"inputs_hash": "1" * 64},
        {"data": {**DATA, "rows": 3}},
        {"artifacts": ARTIFACTS[:1]},
        {"references": REFERENCES[:1]},
        {"inputs": {**INPUTS, "source": "an input of that name is no source of data"}},
    ],
    ids=lambda change: next(iter(change)),
)
def test_the_content_hash_sees_everything_else(change: dict[str, Any]) -> None:
    assert content_sha256(made(**change)) != content_sha256(made())


def test_making_the_content_hash_leaves_the_manifest_alone() -> None:
    manifest = made()
    content_sha256(manifest)
    assert manifest == made()
