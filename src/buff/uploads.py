"""Uploads: files that came through the web, kept under `_uploads/` by the hash of their bytes until they are read.

Pieces of a file go in as they arrive; `_uploads/<sha256>.csv` comes out, whole and durable, or nothing. The part that
grows lies in the folder of its process under `_staging/`, so that what a dead one left is swept with that. What the
bytes are is not judged here: whoever reads the file finds out by looking at them, whatever its name ends in.
"""

import hashlib
import os
import re
import stat
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Final, Self

from attrs import evolve, frozen

from buff import safety
from buff.errors import LimitExceeded, RequestInvalid, UploadNotFound
from buff.files import not_written
from buff.inputs import Kept, Named
from buff.intake import check_free
from buff.runs.request import DataRequest, RunRequest, Uploaded, uploads_from
from buff.staging import make_directory
from buff.store import Store

FOLDER: Final = "_uploads"
SUFFIX = ".csv"
SETTING = "BUFF_UPLOAD_BYTES_MAX"

_SHA256 = re.compile(r"[0-9a-f]{64}")


@frozen(kw_only=True)
class Upload:
    """One file that is kept. received: when it came last, ISO 8601 in UTC. existed: its bytes were there before."""

    sha256: str
    size_bytes: int
    received: str
    existed: bool = False

    def as_dict(self) -> dict[str, Any]:
        """Return what a client is told of it; `upload` is what a request names it by."""
        return {"upload": self.sha256, "size_bytes": self.size_bytes, "received": self.received}


class Arrival:
    """A file on its way in. Used as a context manager: what is not finished when it is left leaves no byte behind.

    Any thread may call its methods, which take turns: whoever gives it up need not know whether a write is under way.
    """

    def __init__(self, store: Store, *, size_bytes: int | None) -> None:
        """Begin a file of `size_bytes`, or of a size that nobody said.

        Raises LimitExceeded when it is larger than a file may be, or than the disk has room for, KillSwitchEngaged.
        """
        self._store, self._digest, self._size, self._handle = store, hashlib.sha256(), 0, -1
        self._turn = threading.Lock()
        safety.check(store)
        self._check(size_bytes or 0)
        self._watch = safety.Watch(store)
        self._path = store.owner.path(f"{store.host.token()}.part")
        with _written():
            self._handle = store.disk.create(self._path)

    def take(self, data: bytes) -> None:
        """Write the next piece. Raises what beginning does, and StorageFull."""
        self._watch()
        self._check(self._size + len(data), here=self._size)
        with self._turn, _written():
            self._store.disk.write(self._handle, data)
            self._digest.update(data)
            self._size += len(data)

    def finish(self) -> Upload:
        """Give the file its name, durably. Raises RequestInvalid when not a byte came, and what taking does."""
        if not self._size:
            raise RequestInvalid("the file is empty", hint="send the bytes of the file as the body")
        safety.check(self._store)
        disk, sha256 = self._store.disk, self._digest.hexdigest()
        target = path_of(self._store.root, sha256)
        with self._turn, _written():
            # Without this a power cut may leave a file of this name whose bytes are not those of its hash.
            disk.sync(self._handle)
            self._close()
            folder = make_directory(disk, self._store.root, FOLDER)
            existed = disk.exists(target)
            # Also over the same bytes: these are known to be whole, and are kept for as long as new ones.
            disk.rename(self._path, target)
            # Without this a file that was acknowledged may be gone after a power cut.
            disk.sync_directory(folder)
        return evolve(find(self._store.root, sha256), existed=existed)

    def close(self) -> None:
        """Give back what is held, and remove what was not finished."""
        with self._turn, suppress(FileNotFoundError):
            self._close()
            self._store.disk.unlink(self._path)

    def _close(self) -> None:
        if self._handle >= 0:
            self._store.disk.close(self._handle)
            self._handle = -1

    def _check(self, size_bytes: int, *, here: int = 0) -> None:
        """Refuse a file of this size, of which `here` bytes are on the disk already."""
        most = self._store.settings.upload_bytes_max
        if size_bytes > most:
            raise LimitExceeded(
                f"the file is larger than {most:,} bytes",
                hint=f"pack it with gzip, send less, or raise {SETTING}",
                details={"limit": most, "setting": SETTING},
            )
        check_free(self._store, size_bytes - here)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def path_of(root: str, sha256: str) -> str:
    """Return where an upload lies, or would."""
    assert _SHA256.fullmatch(sha256), "whoever asks has checked it"
    return os.path.join(root, FOLDER, sha256 + SUFFIX)


def find(root: str, sha256: str) -> Upload:
    """Return the facts of an upload by its hash. Raises UploadNotFound."""
    facts = _facts(path_of(root, sha256)) if _SHA256.fullmatch(sha256) else None
    if facts is None:
        raise UploadNotFound(
            f"no upload {sha256[:64]} in this root", hint="upload the file again", details={"upload": sha256[:64]}
        )
    received = datetime.fromtimestamp(facts.st_mtime, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    return Upload(sha256=sha256, size_bytes=facts.st_size, received=received)


def files_of(root: str, request: RunRequest | DataRequest) -> tuple[Named, ...]:
    """Return the files that a request names: paths of its user's, or uploads of this root. Raises UploadNotFound."""
    return request.csv or tuple(kept(root, each) for each in request.uploads)


def kept(root: str, upload: Uploaded) -> Kept:
    """Return an upload as a file to be read. Raises UploadNotFound."""
    found = find(root, upload.sha256)
    return Kept(
        path=path_of(root, found.sha256),
        name=upload.name,
        typed=upload.typed,
        member=upload.member,
        sha256=found.sha256,
    )


def names_of(values: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the names in `_uploads/` that the plain values of a request need."""
    return tuple(each.sha256 + SUFFIX for each in uploads_from(values.get("upload"), None))


def _facts(path: str) -> os.stat_result | None:
    with suppress(OSError):
        found = os.lstat(path)
        return found if stat.S_ISREG(found.st_mode) else None
    return None


@contextmanager
def _written() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise not_written(error, "the upload could not be kept", hint="free space or try again") from error
