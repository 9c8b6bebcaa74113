"""Group commit: many threads ask, one writes at a time, and what waited meanwhile shares a lock hold and a sync.

Requests go in; each comes out answered or with the error that befell it. One thread of the process writes for all
others, started when first needed; a thread that is alone does the same work itself. Nothing here reads a journal or
knows what a request asks for: `log.py` serves them.
"""

import contextlib
import queue
import threading
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from buff.journal.lock import Lock
from buff.journal.record import Entry, Receipt

if TYPE_CHECKING:
    from buff.journal.log import Hold

REQUESTS_MAX = 256

Serve = Callable[[Sequence["Request"]], None]
Prepare = Callable[["Hold"], Sequence[Entry] | None]


class Request:
    """What one caller asks to be recorded, and in the end what became of it.

    `prepare` is done under the lock, after entering and before anything is written; the entries it returns, if any, are
    recorded too. When it raises, only this request fails.
    """

    def __init__(self, entries: Sequence[Entry], prepare: Prepare | None = None) -> None:
        """Nobody has claimed it yet."""
        self.entries = entries
        self.prepare = prepare
        self.receipts: tuple[Receipt, ...] = ()
        self.error: BaseException | None = None
        self.done: threading.Event | None = None  # set when it has ended, if its caller waits for another thread
        self._unclaimed = threading.Lock()

    def claim(self) -> bool:
        """Say whether the request is the caller's now: the writer's or its owner's, who gave up; the first one's."""
        return self._unclaimed.acquire(blocking=False)

    def answer(self, receipts: tuple[Receipt, ...]) -> None:
        """End it well."""
        self.receipts = receipts

    def fail(self, error: BaseException) -> None:
        """End it with an error, unless it has ended."""
        if self.error is None and not self.receipts:
            self.error = error

    def finish(self) -> None:
        """Let its caller go on."""
        assert self.done is not None, "only a request that waits is finished by another thread"
        self.done.set()


class Group:
    """The requests of one journal in one process, and the thread that writes for those who wait."""

    def __init__(self, lock: Lock, *, timeout_seconds: float) -> None:
        """Start nothing yet. `timeout_seconds` is how long the thread waits for the journal's lock."""
        self._lock = lock
        self._timeout_seconds = timeout_seconds
        self._begin()

    def _begin(self) -> None:
        self._queue: queue.SimpleQueue[Request | None] = queue.SimpleQueue()
        self._alone = threading.Lock()  # held by whoever writes
        self._starting = threading.Lock()
        self._thread: threading.Thread | None = None

    def submit(self, request: Request, serve: Serve, timeout_seconds: float) -> None:
        """Have a request served, alone or with others; return when it has ended well.

        `serve` is the same for all: called with the journal's lock held, it ends every request it is given.
        Raises its error, or JournalLockTimeout when nobody could begin in time: then it was certainly not recorded.
        """
        assert not self._lock.held_here, "this thread holds the journal already"
        if self._queue.empty() and self._alone.acquire(blocking=False):
            try:
                with self._lock.held(timeout_seconds):
                    serve((request,))
            finally:
                self._alone.release()
        else:
            self._wait(request, serve, timeout_seconds)
        if request.error is not None:
            raise request.error

    def close(self) -> None:
        """End the thread when it has served what waits."""
        with self._starting:
            thread, self._thread = self._thread, None
        if thread is not None:
            self._queue.put(None)
            thread.join()

    def after_fork(self) -> None:
        """Forget, in the child of a fork, the thread and the requests: they are the parent's."""
        self._begin()

    def _wait(self, request: Request, serve: Serve, timeout_seconds: float) -> None:
        request.done = threading.Event()
        with self._starting:
            if self._thread is None:
                self._thread = threading.Thread(target=self._write, args=(serve,), name="buff-journal", daemon=True)
                self._thread.start()
            self._queue.put(request)
        if request.done.wait(timeout_seconds):
            return
        if request.claim():
            raise self._lock.timeout(timeout_seconds)
        request.done.wait()  # it is being written: how that ends must be known

    def _write(self, serve: Serve) -> None:
        """Serve batch after batch until told to end."""
        requests = self._queue
        while (first := requests.get()) is not None:
            batch: list[Request] = []
            going_on = True
            try:
                with self._alone, self._lock.held(self._timeout_seconds):
                    # Claimed under the lock: until then a caller may give up, and more may come to share the hold.
                    going_on = _take(requests, first, batch)
                    serve(batch)
            except BaseException as error:  # whatever it is, nobody may wait for ever
                if not batch:
                    going_on = _take(requests, first, batch)
                for request in batch:
                    request.fail(error)
            for request in batch:
                request.finish()
            if not going_on:
                return


def _take(requests: "queue.SimpleQueue[Request | None]", first: Request, batch: list[Request]) -> bool:
    """Claim what waits, `first` before all; say whether the thread goes on afterwards."""
    taken: Request | None = first
    with contextlib.suppress(queue.Empty):
        while True:
            if taken is None:
                return False
            if taken.claim():
                batch.append(taken)
            if len(batch) == REQUESTS_MAX:
                break
            taken = requests.get_nowait()
    return True
