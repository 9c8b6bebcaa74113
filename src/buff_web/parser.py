"""What becomes of bytes that are no HTTP: the same kind of refusal as of everything else.

Bytes of a connection go in, requests come out; uvicorn's reader on h11 does it, whatever else is installed, so that
what the tests attack is what is served. Only its answer to what it cannot read is ours: a problem document with the
headers of every answer, and the end of the connection, because nobody knows where the next request begins.
"""

import h11
import msgspec
from uvicorn.protocols.http.h11_impl import H11Protocol

from buff_web.guard import HEADERS
from buff_web.problems import MEDIA_TYPE, Declined, problem

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


class Parser(H11Protocol):
    """uvicorn's reader of HTTP, with our words for what it refuses."""

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
