"""The manifest: what went in, what came out, and the hash of every file.

Plain values go in; the manifest as a dict, its bytes and the two hashes made of it come out. Only `data.source` depends
on the file a user happened to have, and only `packages` on what else was installed, so `content_sha256` leaves both
out: two machines, a re-creation and an adopted orphan are compared by it.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from attrs import asdict, frozen

from buff.canonical import digest, digest_of, document

NAME = "manifest.json"
SCHEMA = "manifest.v1"


@frozen(kw_only=True)
class Artifact:
    """One file of a run directory: name with `/`, schema, size in bytes, SHA-256 of the whole file."""

    name: str
    schema: str
    size: int
    sha256: str


def manifest_of(
    *,
    run_id: str,
    inputs: Mapping[str, Any],
    inputs_hash: str,
    data: Mapping[str, Any],
    artifacts: Iterable[Artifact],
    references: Iterable[Mapping[str, str]],
    packages: Sequence[Mapping[str, str]] = (),
) -> dict[str, Any]:
    """Return the manifest (spec/contract.md). `data` holds dataset_id, base_timeframe, rows, first_ts, last_ts, gaps,
    filled and source. `references` are the columns that belong to the dataset: column, dataset_id, file, sha256.
    `packages` are what a strategy from outside came with, name and version, its own first; none for one built in.
    """
    manifest = {
        "schema_version": SCHEMA,
        "run_id": run_id,
        "inputs_hash": inputs_hash,
        "engine_version": inputs["engine_version"],
        "inputs": dict(inputs),
        "data": dict(data),
        "artifacts": [asdict(item) for item in sorted(artifacts, key=lambda item: item.name)],
        "references": sorted((dict(item) for item in references), key=lambda item: item["column"]),
    }
    return {**manifest, "packages": [dict(item) for item in packages]} if packages else manifest


def manifest_bytes(manifest: Mapping[str, Any]) -> bytes:
    """Return the bytes of manifest.json."""
    return document(dict(manifest))


def manifest_sha256(manifest: Mapping[str, Any]) -> str:
    """Return the SHA-256 of the file manifest.json."""
    return digest(manifest_bytes(manifest))


def content_sha256(manifest: Mapping[str, Any]) -> str:
    """Return the SHA-256 of the canonical manifest without `data.source` and `packages`."""
    data = {key: value for key, value in manifest["data"].items() if key != "source"}
    content = {key: value for key, value in manifest.items() if key != "packages"}
    return digest_of({**content, "data": data})
