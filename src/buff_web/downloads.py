"""Artifacts as they are sent: only names of the manifest, only bytes that were committed.

A run and a name go in; the committed size, hash and bytes come out. A file that is a link, of another size or of other
bytes is RUN_DAMAGED; a large one is hashed while it is sent, and its last piece is held back until the hash agrees.
"""

import hashlib
import os
import stat
from collections.abc import Iterator
from typing import BinaryIO

from attrs import frozen

from buff import Run
from buff.errors import ArtifactNotFound, RunDamaged

CHUNK_BYTES = 1 << 20
MEDIA_TYPES = {".json": "application/json", ".jsonl": "application/x-ndjson", ".npy": "application/octet-stream"}
_BINARY = getattr(os, "O_BINARY", 0)  # Windows would translate line ends


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
            while chunk := file.read(CHUNK_BYTES):
                if held:
                    yield held
                hashed.update(chunk)
                held = chunk
        if hashed.hexdigest() != self.sha256:
            raise self._damaged("holds other bytes than were committed")
        yield held

    def check_file(self) -> None:
        """Raise RunDamaged unless this is a regular file of the committed size, inside the run's directory."""
        try:
            found = os.lstat(self.path)
        except OSError as error:
            raise self._damaged("cannot be read") from error
        if not stat.S_ISREG(found.st_mode) or os.path.islink(os.path.dirname(self.path)):
            raise self._damaged("is not a regular file of the run")
        if found.st_size != self.size:
            raise self._damaged(f"is {found.st_size} bytes, {self.size} were committed")

    def _open(self) -> BinaryIO:
        try:
            # A link that took the file's place since it was looked at is not followed.
            return os.fdopen(os.open(self.path, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | _BINARY), "rb")
        except OSError as error:
            raise self._damaged("cannot be read") from error

    def _damaged(self, says: str) -> RunDamaged:
        return RunDamaged(
            f"{self.name} of {self.run_id} {says}",
            hint=f"run `buff run verify {self.run_id}`",
            details={"run_id": self.run_id, "artifact": self.name},
        )


def download(run: Run, name: str) -> Download:
    """Return an artifact the manifest names, its file looked at. Raises ArtifactNotFound, RunDamaged."""
    item = next((item for item in run.manifest["artifacts"] if item["name"] == name), None)
    if item is None:
        raise ArtifactNotFound(
            f"{run.id} has no artifact of that name",
            hint=f"/api/v1/runs/{run.id} lists them under `manifest.artifacts`",
            details={"run_id": run.id, "artifact": name[:200]},
        )
    path = run.artifact_path(name)
    found = Download(run_id=run.id, name=name, path=path, size=item["size"], sha256=item["sha256"])
    found.check_file()
    return found
