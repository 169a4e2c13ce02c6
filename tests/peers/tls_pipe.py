"""TLS over a socket on asyncio with what asyncio's own does not give: half-close (the chat server
sends EOF after its Close and still reads), a peer that falls silent, and a reset at will.
"""

import asyncio
import socket
import ssl
import struct
from typing import Callable, Optional, Protocol

LINGER_SECONDS = 0.3


class Receiver(Protocol):
    def feed(self, data: bytes) -> None: ...
    def eof(self) -> None: ...


class TlsPipe(asyncio.Protocol):
    """`ready` is called once TLS stands and returns who receives; `failed` when it never came to
    that.
    """

    def __init__(
        self,
        context: ssl.SSLContext,
        ready: Callable[["TlsPipe"], Receiver],
        failed: Callable[[str], None],
    ):
        self.incoming, self.outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = context.wrap_bio(self.incoming, self.outgoing, server_side=True)
        self.ready, self.failed = ready, failed
        self.transport: Optional[asyncio.Transport] = None
        self.receiver: Optional[Receiver] = None
        self.over = self.shut_down = self.frozen = False

    # From the socket

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport  # type: ignore[assignment]

    def data_received(self, data: bytes) -> None:
        if self.over:
            return
        self.incoming.write(data)
        try:
            if not self.receiver:
                self.tls.do_handshake()
                self.flush()
                self.receiver = self.ready(self)
            self.read()
        except ssl.SSLWantReadError:
            self.flush()
        except ssl.SSLZeroReturnError:
            self.end_of_input()
        except ssl.SSLError as error:
            self.flush()
            self.fail(error.reason or str(error))

    def read(self) -> None:
        while not self.over and not self.frozen:
            data = self.tls.read(65536)
            if not data:
                self.end_of_input()
                return
            assert self.receiver
            self.receiver.feed(data)

    def eof_received(self) -> bool:
        if self.over and self.transport:
            self.transport.close()
        self.end_of_input()
        return True

    def connection_lost(self, error: Optional[Exception]) -> None:
        self.transport = None
        self.end_of_input()

    def end_of_input(self) -> None:
        if self.over:
            return
        if self.receiver:
            self.over = True
            self.receiver.eof()
        else:
            self.fail("the peer ended the connection within the handshake")

    def fail(self, text: str) -> None:
        if not self.receiver:
            self.failed(text)
        elif not self.over:
            self.receiver.eof()
        self.over = True
        self.close()

    # To the socket

    def flush(self) -> None:
        data = self.outgoing.read()
        if data and self.transport and not self.frozen and not self.transport.is_closing():
            self.transport.write(data)

    def write(self, data: bytes) -> None:
        if self.shut_down or self.frozen:
            return
        view = memoryview(data)
        while view:
            view = view[self.tls.write(view) :]
        self.flush()

    def shut(self) -> None:
        """close_notify and FIN; reading goes on."""
        if self.shut_down or self.frozen or not self.transport or self.transport.is_closing():
            return
        self.shut_down = True
        waiting = self.incoming.read()  # unwrap would take what the peer still sends for an error
        try:
            self.tls.unwrap()
        except ssl.SSLError:
            pass  # it wants the peer's close_notify, which comes in its own time
        self.incoming.write(waiting)
        self.flush()
        try:
            self.transport.write_eof()
        except OSError:
            pass  # the peer is gone already

    def close(self, torn: bool = False) -> None:
        """What still comes is thrown away for a moment: closing with unread bytes would send RST,
        and the peer could lose what we said last.
        """
        if self.frozen:
            return
        self.shut()
        self.over = True
        if self.transport:
            asyncio.get_running_loop().call_later(LINGER_SECONDS, self.transport.close)

    def reset(self) -> None:
        """RST instead of FIN."""
        if not self.transport:
            return
        raw = self.transport.get_extra_info("socket")
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.over = True
        self.transport.abort()

    def freeze(self) -> None:
        """Like a network that is gone: nothing is read, nothing is written, no FIN."""
        self.frozen = True
        if self.transport:
            self.transport.pause_reading()

    def vanish(self) -> None:
        """Frees a frozen connection, at the end of a test."""
        self.frozen = False
        self.reset()
