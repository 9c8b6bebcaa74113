"""The hand that writes the journal: bytes to a segment, new segments, HEAD, the quarantine.

Lines and positions go in, durable files come out. Every method is called under the journal's lock, by `log.py`, which
decides; nothing here decides or reads events. After any error the caller forgets what it knew and looks again.
"""

import contextlib
import hashlib
import os
from collections.abc import Iterator, Sequence

import msgspec

from buff.errors import BuffError, LockBroken, RegistryWriteFailed, StorageFull
from buff.files import NO_SPACE, Disk, replace_file, write_file
from buff.journal import head as heads
from buff.journal.head import START, Head, Position
from buff.journal.line import Line
from buff.journal.survey import FOLDER, HEAD, INDEX, read_head, segment_path

_AGAIN = "check the disk, then make the same request again: it is answered once, whatever happened to this one"


class Batch(msgspec.Struct, frozen=True, kw_only=True):
    """One whole batch, or two in a row: its bytes, its first and last seq, the hash of its last line.

    `commits` says that a run is committed by it.
    """

    data: bytes
    first: int
    last: int
    sha256: str
    commits: bool = False

    def end(self, segment: int, offset: int) -> Position:
        """Return where it ends when it begins at byte `offset` of a segment."""
        return Position(segment=segment, offset=offset + len(self.data), seq=self.last, sha256=self.sha256)


def batch_of(lines: Sequence[Line], then: Batch | None = None) -> Batch:
    """Return the batch of these lines, and what follows it in the same bytes."""
    data = b"".join([line.raw for line in lines])
    if then is None:
        return Batch(data=data, first=lines[0].seq, last=lines[-1].seq, sha256=lines[-1].sha256)
    return Batch(data=data + then.data, first=lines[0].seq, last=then.last, sha256=then.sha256)


class Writer:
    """Writes one journal. Keeps the open segment between appends and knows the HEAD it wrote or read last.

    `journal` is the id a new HEAD carries; whoever learns it says so.
    """

    def __init__(self, disk: Disk, root: str, *, boot: str) -> None:
        """Open nothing yet. `boot` is the kernel's boot id, which HEAD carries."""
        self._disk = disk
        self._root = root
        self._folder = os.path.join(root, FOLDER)
        self._head_path = os.path.join(self._folder, HEAD)
        self._index_path = os.path.join(root, INDEX)
        self._boot = boot
        self.journal = ""
        self._head: Head | None = None
        self._left = b""  # HEAD's bytes as we last saw or left them, sound and with our boot id; b"" when unknown
        self._unsynced = False  # whether we wrote to HEAD since its last sync
        self._head_file: tuple[tuple[int, int], int] | None = None  # identity of the HEAD that is open, its handle
        self._open: tuple[int, int] | None = None  # first seq of a segment, its handle

    # HEAD

    def look(self) -> Head | None:
        """Read HEAD and return the slot that counts, with our boot id and no slot torn; None when none is valid.

        A boot mark that is not ours tells readers that no writer has been here since the power came back.
        """
        try:
            data = self._head_bytes()
            if self._left and data == self._left:
                return self._head
            slots = heads.read(data)
        except OSError:
            self._drop_head()
            data, slots = b"", read_head(self._disk, self._root)
        self._head, self._left = slots.current, b""
        if self._head is None:
            return None
        if slots.torn or self._head.boot != self._boot:
            with _failures("HEAD could not be marked"):
                self._mark(self._head, torn=slots.torn)
        else:
            self._left = data
        return self._head

    def _mark(self, head: Head, *, torn: bool) -> None:
        if torn:
            # Made anew rather than mended: the whole slot may be the one whose turn it is (both begin with
            # generation 0), and a sync that fails here would leave the torn one behind an intact view of it.
            self._create_head(head.position)
        else:
            self._put(head.position)

    def acknowledge(self, position: Position, *, durable: bool = False) -> None:
        """Say in HEAD that everything up to `position` is durable, which it must be.

        A failure is no failure of what was acknowledged: HEAD then lags and the next enter looks at the journal itself.
        """
        try:
            if self._head is None:
                self._create_head(position)
            else:
                self._put(position)
                if durable:
                    # Without this a power cut sets HEAD back by everything since its last sync. That is never wrong,
                    # but a clean cut of the journal in that range could not be told from it.
                    self._sync_head()
        except OSError:
            self._renew_head(position)

    def sync_head(self) -> None:
        """Make HEAD as it is now durable. Raises RegistryWriteFailed."""
        assert self._head is not None, "the journal was entered, so there is a HEAD"
        try:
            self._sync_head()
        except OSError:
            with _failures("HEAD could not be synced"):
                self._create_head(self._head.position)

    def close(self) -> None:
        """Close what is open, and make HEAD durable if we left it otherwise: as good as possible, for it may lag."""
        self.forget()
        if self._unsynced:
            with contextlib.suppress(OSError):
                self._sync_head()
        self._drop_head()

    def after_fork(self) -> None:
        """Close, in the child of a fork, what belongs to the parent."""
        self.forget()
        self._drop_head()

    def _head_bytes(self) -> bytes:
        """Read both slots of the file that is HEAD now, which stays open: it is written next. Raises OSError."""
        if self._head_file is None or self._head_file[0] != self._disk.identity(self._head_path):
            self._drop_head()
        return self._disk.read_at(self._head_handle(), heads.READ_SIZE, 0)

    def _head_handle(self) -> int:
        if self._head_file is None:
            handle = self._disk.update(self._head_path)
            self._head_file = self._disk.identity_of(handle), handle
        return self._head_file[1]

    def _drop_head(self) -> None:
        self._left = b""
        if self._head_file is not None:
            _, handle = self._head_file
            self._head_file = None
            with contextlib.suppress(OSError):
                self._disk.close(handle)

    def _create_head(self, position: Position) -> None:
        """Make HEAD anew with both slots at `position`. Raises OSError."""
        self._drop_head()
        journal = self.journal if self._head is None else self._head.journal
        head = heads.make(position, gen=0, boot=self._boot, journal=journal)
        # Whole or not there: a crash must not leave a HEAD with one slot that was never written.
        replace_file(self._disk, os.path.join(self._folder, ".HEAD.tmp"), self._head_path, (heads.whole(head),))
        self._head, self._unsynced = head, False

    def _renew_head(self, position: Position) -> None:
        """After a failed write or sync the file itself is in doubt: a later sync may report success and lose it."""
        try:
            self._create_head(position)
        except OSError:
            self._head = None

    def _put(self, position: Position) -> None:
        assert self._head is not None, "there is a HEAD to update"
        head = heads.make(position, gen=self._head.gen + 1, boot=self._boot, journal=self._head.journal)
        slot, offset = heads.encode(head), heads.slot_offset(head.gen)
        handle = self._head_handle()
        self._unsynced = True
        self._disk.write_at(handle, slot, offset)
        self._head = head
        if self._left:
            self._left = self._left[:offset] + slot + self._left[offset + heads.SLOT_SIZE :]

    def _sync_head(self) -> None:
        self._disk.sync(self._head_handle())
        self._unsynced = False

    # Segments

    def append(self, batch: Batch, start: Position) -> Position:
        """Write one batch at `start`, the end of its segment, make it durable and acknowledge it; return its end.

        Raises StorageFull (not recorded), LockBroken, RegistryWriteFailed (not recorded when a write failed; unknown
        when neither the sync nor a new segment succeeded).
        """
        if self._head is None:
            # Without this a batch torn now could not be told from one that was acknowledged (row R10).
            with _failures("HEAD could not be made; nothing was recorded"):
                self._create_head(start)
        end = batch.end(start.segment, start.offset)
        handle = self._segment(start.segment)
        self._write(handle, batch.data, start.offset)
        if self._disk.length(handle) != end.offset:
            raise LockBroken(
                f"segment {start.segment} grew by other bytes than ours while we held the lock",
                hint="a journal on a network share, or written by a tool that takes no lock, cannot be used",
                details={"segment": start.segment, "offset": start.offset},
            )
        try:
            # Without this an acknowledged batch is lost by a power cut.
            self._disk.sync(handle)
        except OSError:
            # The failure was reported once; another sync of this file may return success and lose the batch.
            with _failures("the batch could not be synced, nor written to a new segment", always_unknown=True):
                return self.new_segment(batch, after=start.segment)
        self.acknowledge(end, durable=batch.commits)
        return end

    def new_segment(self, batch: Batch, *, after: int | None) -> Position:
        """Make a segment that holds one whole batch from the moment its name exists; return its end.

        The one way for creation, rotation, recovery and a failed sync. `after` is the first seq of the segment before.
        Raises OSError.
        """
        temporary = os.path.join(self._folder, ".segment.tmp")
        # The content is synced before the name exists: a crash must not leave a segment that is not whole.
        write_file(self._disk, temporary, (batch.data,))
        self._disk.rename(temporary, segment_path(self._root, batch.first))
        # Without this a power cut could forget the name, and with it an acknowledged batch.
        self._disk.sync_directory(self._folder)
        self.forget()
        if after is not None:
            # The segment before will never be written again; should its mode stay as it is, that harms nobody.
            with contextlib.suppress(OSError):
                self._disk.chmod(segment_path(self._root, after), 0o444)
        end = batch.end(batch.first, 0)
        self.acknowledge(end, durable=True)
        return end

    def settle(self) -> None:
        """Make durable what was found: that a name is visible does not make it so. Raises OSError.

        Without this a HEAD, or a last segment that was born whole, could vanish after we relied on it: whoever made it
        may have died before syncing the folder.
        """
        self._disk.sync_directory(self._folder)

    def quarantine(self, data: bytes, segment: int, offset: int) -> str:
        """Copy a torn tail to `quarantine/`, durably; return the SHA-256 of it. Raises OSError."""
        digest = hashlib.sha256(data).hexdigest()
        self._set_aside(data, f"{segment:020d}-{offset}-{digest[:16]}.bin")
        return digest

    def disown_head(self) -> None:
        """Copy HEAD and index.json to `quarantine/`, durably, and hold for nothing what HEAD says. Raises OSError."""
        for path in (self._head_path, self._index_path):
            if self._disk.exists(path):
                data = self._disk.read(path)
                self._set_aside(data, f"{os.path.basename(path)}-{hashlib.sha256(data).hexdigest()[:16]}.bin")
        self._drop_head()
        self._head = None

    def remove_index(self) -> None:
        """Remove index.json, which speaks of another history. Raises OSError."""
        if self._disk.exists(self._index_path):
            self._disk.unlink(self._index_path)
            self._disk.sync_directory(self._root)

    def _set_aside(self, data: bytes, name: str) -> None:
        folder = os.path.join(self._folder, "quarantine")
        if not self._disk.is_directory(folder):
            self._disk.mkdir(folder)
        # Always, even when it was there: the process that made it may have died before this. Without it the copy could
        # vanish together with its folder, while the event that speaks of it stays.
        self._disk.sync_directory(self._folder)
        replace_file(self._disk, os.path.join(folder, ".tail.tmp"), os.path.join(folder, name), (data,))

    def begin(self, *, head: bool = True) -> None:
        """Prepare an empty journal: make its folder's name durable, and give it a HEAD that names nothing yet."""
        # Always, even when the folder was there: whoever made it may have died before this.
        self._disk.sync_directory(self._root)
        if head and self._head is None:
            self._create_head(START)

    def forget(self) -> None:
        """Close the segment that is open for appending."""
        if self._open is not None:
            _, handle = self._open
            self._open = None
            with contextlib.suppress(OSError):
                self._disk.close(handle)

    def _segment(self, first: int) -> int:
        if self._open is None or self._open[0] != first:
            self.forget()
            with _failures("the segment could not be opened for writing; nothing was recorded"):
                self._open = first, self._disk.append(segment_path(self._root, first))
        assert self._open is not None, "it was just opened"
        return self._open[1]

    def _write(self, handle: int, data: bytes, offset: int) -> None:
        try:
            self._disk.write(handle, data)
        except OSError as error:
            if error.errno in NO_SPACE:
                # Makes room for others. Bytes that stay are an incomplete batch and never count.
                with contextlib.suppress(OSError):
                    self._disk.truncate(handle, offset)
            raise failure(error, "the batch could not be written; nothing was recorded") from error


def failure(error: OSError, says: str) -> BuffError:
    """Return the error of a journal that could not be written."""
    details = {"error": error.strerror or str(error)}
    if error.errno in NO_SPACE:
        return StorageFull(f"{says}: {error.strerror}", hint="free some space, then ask again", details=details)
    return RegistryWriteFailed(f"{says}: {error.strerror}", hint=_AGAIN, details=details)


@contextlib.contextmanager
def _failures(says: str, *, always_unknown: bool = False) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if always_unknown:
            raise RegistryWriteFailed(
                f"{says}: {error.strerror}", hint=_AGAIN, details={"error": error.strerror or str(error)}
            ) from error
        raise failure(error, says) from error
