"""A run's directory: written whole into a staging place, read back and checked against its manifest.

Pieces of bytes and a `Disk` go in; synced, read-only files and their hashes come out. Nothing here decides whether a
run exists: only the journal does.
"""

import hashlib
import os
import stat
from collections.abc import Callable, Container, Iterable, Iterator, Mapping
from typing import Any, BinaryIO

import msgspec
from attrs import frozen

from buff.canonical import digest
from buff.errors import RunDamaged
from buff.files import Disk, rest_sha256
from buff.runs.compression import COMPRESSIBLE, SUFFIX, NotRegular, opened, opened_form, size_of
from buff.runs.manifest import NAME, Artifact, manifest_bytes

COLUMNS = "columns"
_MISSING = "is missing"


@frozen(kw_only=True)
class Piece:
    """One artifact about to be written: its chunks are read once, in order."""

    name: str
    schema: str
    chunks: Iterable[bytes | memoryview]


def write_pieces(disk: Disk, directory: str, pieces: Iterable[Piece]) -> tuple[Artifact, ...]:
    """Make `directory` and write every piece into it, synced and read-only; return what was written.

    Pieces are taken one after the other, so a later piece may depend on what an earlier one has streamed.
    """
    disk.mkdir(directory)
    disk.mkdir(os.path.join(directory, COLUMNS))
    return tuple(_write_piece(disk, directory, piece) for piece in pieces)


def write_manifest(disk: Disk, directory: str, manifest: Mapping[str, Any]) -> None:
    """Write manifest.json last, then make the names in the directory durable."""
    data = manifest_bytes(manifest)
    _write_piece(disk, directory, Piece(name=NAME, schema="", chunks=(data,)))
    # Without these two a committed run may come back from a crash with files missing.
    disk.sync_directory(os.path.join(directory, COLUMNS))
    disk.sync_directory(directory)


def seal(disk: Disk, directory: str) -> None:
    """Take the write permission from a run's directories; its files have none since they were written."""
    disk.chmod(os.path.join(directory, COLUMNS), 0o555)
    disk.chmod(directory, 0o555)


def _write_piece(disk: Disk, directory: str, piece: Piece) -> Artifact:
    path = os.path.join(directory, *piece.name.split("/"))
    hashed, size = hashlib.sha256(), 0
    handle = disk.create(path)
    try:
        for chunk in piece.chunks:
            hashed.update(chunk)
            disk.write(handle, chunk)
            size += len(chunk)
        # Without this the event may be durable and the artifact it promises empty.
        disk.sync(handle)
    finally:
        disk.close(handle)
    disk.chmod(path, 0o444)
    return Artifact(name=piece.name, schema=piece.schema, size=size, sha256=hashed.hexdigest())


def read_manifest(disk: Disk, directory: str, run_id: str) -> tuple[dict[str, Any], bytes]:
    """Return the manifest and its bytes. Raises RunDamaged when it is absent or no such document."""
    try:
        data = disk.read(os.path.join(directory, NAME))
        manifest = msgspec.json.decode(data)
    except OSError as error:
        raise _damaged(run_id, NAME, "cannot be read") from error
    except (
        msgspec.DecodeError,
        UnicodeDecodeError,
        RecursionError,
    ) as error:  # the last for brackets in brackets without end
        raise _damaged(run_id, NAME, "is not JSON") from error
    if not isinstance(manifest, dict) or manifest_bytes(manifest) != data:
        raise _damaged(run_id, NAME, "is not canonical JSON")
    return manifest, data


def committed_manifest(disk: Disk, directory: str, run_id: str, sha256: str) -> dict[str, Any]:
    """Return the manifest whose hash was committed. Raises RunDamaged when what is there is not that very file.

    The hash is compared before a byte is understood, so nothing that somebody put there can do any harm.
    """
    path = os.path.join(directory, NAME)
    try:
        if not stat.S_ISREG(os.lstat(path).st_mode):
            raise _damaged(run_id, NAME, "is not a regular file")  # reading a pipe would wait for ever
        data = disk.read(path)
    except OSError as error:
        raise _damaged(run_id, NAME, f"cannot be read ({error.strerror})") from error
    if digest(data) != sha256:
        raise _damaged(run_id, NAME, f"is not the one that was committed ({len(data)} bytes)")
    manifest: dict[str, Any] = msgspec.json.decode(data)
    return manifest


@frozen(kw_only=True)
class Fault:
    """One way in which stored files differ from what was committed."""

    name: str
    says: str


def faults(directory: str, manifest: Mapping[str, Any]) -> Iterator[Fault]:
    """Yield every artifact that is missing, extra, of another size or of another hash, in order of name."""
    expected = {item["name"]: item for item in manifest["artifacts"]}
    found = set(_files(directory)) - {NAME}
    for name in sorted(expected.keys() | found):
        says = _fault(os.path.join(directory, *name.split("/")), name, expected, found)
        if says:
            yield Fault(name=name, says=says)


def _fault(path: str, name: str, expected: Mapping[str, Any], found: Container[str]) -> str:
    if name in expected:
        return _difference(path, expected[name], opened)
    plain = name.removesuffix(SUFFIX)
    if plain == name or plain not in COMPRESSIBLE or plain not in expected:
        return "is not part of the run"
    if plain not in found:
        return ""  # it is that artifact, and was looked at as such
    # Both forms are there, as a crash may leave them: each is one that may be read some day.
    says = _difference(path, expected[plain], opened_form)
    return "" if says == _MISSING else says  # it went while we looked


def _files(directory: str) -> Iterator[str]:
    for folder, folders, names in os.walk(directory):
        paths = [os.path.join(folder, name) for name in (*folders, *names)]
        for path in paths:
            if os.path.islink(path) or not os.path.isdir(path):  # a link to a directory is no part of any run
                yield os.path.relpath(path, directory).replace(os.sep, "/")


def _difference(path: str, expected: Mapping[str, Any], opening: Callable[[str], BinaryIO]) -> str:
    """Say what is wrong with an artifact as it is stored, compressed or not; nothing where it is what was committed."""
    try:
        with opening(path) as file:
            size = size_of(file)
            if size != expected["size"]:
                return f"is {size} bytes, {expected['size']} were committed"
            hashed = rest_sha256(file)
    except FileNotFoundError:
        return _MISSING
    except NotRegular:
        return _MISSING if os.path.isdir(path) and not os.path.islink(path) else "is not a regular file"
    except OSError as error:
        return f"cannot be read ({error.strerror})"
    return "" if hashed == expected["sha256"] else "holds other bytes than were committed"


def _damaged(run_id: str, name: str, says: str) -> RunDamaged:
    return RunDamaged(
        f"{name} of {run_id} {says}",
        hint=f"run `buff run verify {run_id}`; the same inputs make the same run again in another root",
        details={"run_id": run_id, "artifact": name},
    )
