"""Artifacts as they are sent: only names of the manifest, only bytes that were committed.

A run and a name go in; the committed size, hash and bytes come out. A file that is a link, of another size or of other
bytes is RUN_DAMAGED; a large one is hashed while it is sent, and its last piece is held back until the hash agrees. Of
a part nobody could tell, so the whole file is hashed before a part of it is sent; that is remembered for as long as it
is the same file.
"""

import hashlib
import os
import re
from collections import OrderedDict
from collections.abc import Iterator
from threading import Lock
from typing import BinaryIO

from attrs import frozen

from buff import Run
from buff.errors import ArtifactNotFound, RunDamaged
from buff.files import Identity, identity_of, rest_sha256
from buff.runs.compression import NotRegular, opened, size_of
from buff_web.problems import Declined

CHUNK_BYTES = 1 << 20
_RANGE = re.compile(r"bytes\s*=\s*([0-9]{0,18})\s*-\s*([0-9]{0,18})", re.ASCII | re.IGNORECASE)
MEDIA_TYPES = {".json": "application/json", ".jsonl": "application/x-ndjson", ".npy": "application/octet-stream"}
HASHES_MAX = 1_024


@frozen(kw_only=True)
class Download:
    """One artifact about to be sent."""

    run_id: str
    name: str
    path: str
    size: int
    sha256: str

    @property
    def media_type(self) -> str:
        """The media type, by the name's ending."""
        return MEDIA_TYPES.get(os.path.splitext(self.name)[1], "application/octet-stream")

    @property
    def file_name(self) -> str:
        """The name to save it under: the run's id, then the artifact's."""
        return f"{self.run_id}.{self.name.replace('/', '.')}"

    def chunks(self) -> Iterator[bytes]:
        """Yield the bytes, at most 1 MiB at a time; the last only once all are known to be the committed ones."""
        hashed, held = hashlib.sha256(), b""
        with self._open() as file:
            while chunk := self._read(file, CHUNK_BYTES):
                if held:
                    yield held
                hashed.update(chunk)
                held = chunk
        if hashed.hexdigest() != self.sha256:
            raise self._damaged("holds other bytes than were committed")
        yield held

    def part(self, first: int, last: int) -> Iterator[bytes]:
        """Yield the bytes from `first` to `last`, both included, at most 1 MiB at a time.

        Raises RunDamaged before the first of them unless the whole file holds what was committed, and as soon as it
        changes.
        """
        with self._open() as file:
            known = identity_of(file.fileno())
            if not self._holds(file, known):
                raise self._damaged("holds other bytes than were committed")
            file.seek(first)
            left = last - first + 1
            while left:
                chunk = self._read(file, min(left, CHUNK_BYTES))
                if not chunk or not _unchanged(file, known):
                    raise self._damaged("changed while it was read")
                left -= len(chunk)
                yield chunk

    def _holds(self, file: BinaryIO, identity: Identity) -> bool:
        """Say whether an open file holds what was committed, all of it."""
        try:
            return _HASHES.of(file, identity) == self.sha256
        except OSError as error:
            raise self._damaged("cannot be read") from error

    def _read(self, file: BinaryIO, size: int) -> bytes:
        try:
            return file.read(size)
        except OSError as error:
            raise self._damaged("cannot be read") from error

    def check_file(self) -> None:
        """Raise RunDamaged unless this is a regular file of the committed size, inside the run's directory."""
        if os.path.islink(os.path.dirname(self.path)):
            raise self._damaged("is not a regular file of the run")
        with self._open() as file:
            size = size_of(file)
        if size != self.size:
            raise self._damaged(f"is {size} bytes, {self.size} were committed")

    def _open(self) -> BinaryIO:
        try:
            return opened(self.path)
        except NotRegular as error:
            raise self._damaged("is not a regular file of the run") from error
        except OSError as error:
            raise self._damaged("cannot be read") from error

    def _damaged(self, says: str) -> RunDamaged:
        return RunDamaged(
            f"{self.name} of {self.run_id} {says}",
            hint=f"run `buff run verify {self.run_id}`",
            details={"run_id": self.run_id, "artifact": self.name},
        )


def asked_part(ranges: str, size: int) -> tuple[int, int] | None:
    """Return the first and last byte that a Range header asks for, or None where it is answered whole.

    Whole is the answer to what is no range of bytes, and to more than one range at once (RFC 9110 section 14.2 leaves
    both open). Raises the 416 refusal where not one byte of it is there.
    """
    found = _RANGE.fullmatch(ranges.strip())
    if found is None or found[1] == found[2] == "":
        return None
    if found[1] == "":
        first, last = max(size - int(found[2]), 0), size - 1
    else:
        first, last = int(found[1]), min(int(found[2] or size), size - 1)
        if found[2] and int(found[2]) < first:
            return None
    if first >= size or first > last:
        raise Declined(
            416,
            "the artifact has no such bytes",
            hint=f"it has {size:,} bytes",
            details={"header": "Range", "size": size},
            headers={"content-range": f"bytes */{size}"},
        )
    return first, last


def download(run: Run, name: str) -> Download:
    """Return an artifact the manifest names, its file looked at. Raises ArtifactNotFound, RunDamaged."""
    item = next((item for item in run.manifest["artifacts"] if item["name"] == name), None)
    if item is None:
        raise ArtifactNotFound(
            f"{run.id} has no artifact of that name",
            hint=f"/api/v1/runs/{run.id} lists them under `manifest.artifacts`",
            details={"run_id": run.id, "artifact": name[:200]},
        )
    path = os.path.join(run.directory, *name.split("/"))
    found = Download(run_id=run.id, name=name, path=path, size=item["size"], sha256=item["sha256"])
    found.check_file()
    return found


def _unchanged(file: BinaryIO, known: Identity) -> bool:
    """Say whether a file is what it was. That its last name is gone, as when it was compressed meanwhile, is no change.

    The time of that is the time of its last change of anything.
    """
    now, nameless = identity_of(file.fileno()), os.fstat(file.fileno()).st_nlink == 0
    return now == known or (nameless and now[:-1] == known[:-1])


class _Hashes:
    """The hashes of files that were read whole, the latest kept. Threads may share it."""

    def __init__(self) -> None:
        self._known: OrderedDict[Identity, str] = OrderedDict()
        self._lock = Lock()

    def of(self, file: BinaryIO, identity: Identity) -> str:
        """Return the hash of an open file, read once for as long as it is the same. Raises OSError."""
        with self._lock:
            found = self._known.get(identity)
        if found is not None:
            return found
        file.seek(0)
        found = rest_sha256(file)
        with self._lock:
            if identity_of(file.fileno()) == identity:
                self._known[identity] = found
            while len(self._known) > HASHES_MAX:
                self._known.popitem(last=False)
        return found


_HASHES = _Hashes()
