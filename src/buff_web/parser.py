"""What becomes of bytes that are no HTTP: the same kind of refusal as of everything else.

Bytes of a connection go in, requests come out; uvicorn's reader on h11 does it, whatever else is installed, so that
what the tests attack is what is served. Only its answer to what it cannot read is ours: a problem document with the
headers of every answer, and the end of the connection, because nobody knows where the next request begins. What uvicorn
sends of an answer piece by piece goes out at once.
"""

import asyncio
from typing import Any, Final

import h11
import msgspec
from uvicorn.protocols.http.h11_impl import H11Protocol

from buff_web.guard import HEADERS
from buff_web.problems import MEDIA_TYPE, Declined, problem

TOGETHER_BYTES: Final = 1 << 17  # pieces above it would take longer to be put together than to be sent
_BEFORE_ANSWER = (h11.IDLE, h11.SEND_RESPONSE)


def refusal() -> tuple[int, list[tuple[bytes, bytes]], bytes]:
    """Return status, headers and body of the answer to what is not HTTP."""
    error = Declined(400, "what was sent is not HTTP as this server reads it", hint="send a whole HTTP/1.1 request")
    told = problem(error, root="")
    body = msgspec.json.encode(told.document, order="sorted")
    headers = {
        "content-type": MEDIA_TYPE,
        "content-length": str(len(body)),
        "connection": "close",
        "cache-control": "no-store",
        **HEADERS,
    }
    return told.status, [(name.encode(), text.encode()) for name, text in headers.items()], body


class Together:
    """A transport around another: small pieces that are written in one step of the event loop are sent at its end.

    An answer is a head and a body; each would be a call of the system, a packet, and a client that is woken.
    """

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        """Hold nothing yet."""
        self._transport, self._loop = transport, loop
        self._held: list[bytes] = []
        self._size = 0

    def __getattr__(self, name: str) -> Any:
        """Return what the transport has: all but sending is its own."""
        return getattr(self._transport, name)

    def write(self, data: bytes) -> None:
        """Send some bytes, those of this step together, in their order."""
        if not data:
            return
        if not self._held:
            self._loop.call_soon(self._flush)
        self._held.append(data)
        self._size += len(data)
        if self._size > TOGETHER_BYTES:  # a client that does not read must be noticed before more is made for it
            for piece in self._taken():
                self._transport.write(piece)

    def close(self) -> None:
        """Send what is held, then end the connection."""
        self._flush()
        self._transport.close()

    def _flush(self) -> None:
        if held := self._taken():
            self._transport.write(held[0] if len(held) == 1 else b"".join(held))

    def _taken(self) -> list[bytes]:
        held, self._held, self._size = self._held, [], 0
        return held


class Parser(H11Protocol):
    """uvicorn's reader of HTTP, with our words for what it refuses."""

    def connection_made(self, transport: Any) -> None:
        """Begin with a connection."""
        super().connection_made(transport)
        self.transport = Together(transport, self.loop)  # type: ignore[assignment]

    def send_400_response(self, msg: str) -> None:
        """Refuse what cannot be read and end the connection; when an answer has begun, only end it."""
        if self.cycle is not None and not self.cycle.response_complete:
            self.cycle.disconnected = True  # the request it belongs to is over: its handler can send nothing more
            self.cycle.message_event.set()
        if self.conn.our_state in _BEFORE_ANSWER:
            status, headers, body = refusal()
            answer = h11.Response(status_code=status, headers=headers, reason=b"Bad Request")
            for event in (answer, h11.Data(data=body), h11.EndOfMessage()):
                self.transport.write(self.conn.send(event) or b"")
        self.transport.close()
