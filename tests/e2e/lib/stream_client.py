"""A raw client of websockets in HTTP/2 streams without any manners of its own, to try the strict
server's rules.
"""

import socket
import ssl
from pathlib import Path
from typing import Callable, Optional, Sequence

import hpack

from lib.chat_client import TIMEOUT, WebSocketClient
from lib.http2 import PREFACE, Frame, Http2

Headers = Sequence[tuple[str, Optional[str]]]

WINDOW = 65535
PATH = "/v1/websocket/"
DEFAULT_HEADERS = (
    (":method", "CONNECT"),
    (":protocol", "websocket"),
    (":scheme", "https"),
    (":path", PATH),
    (":authority", "localhost"),
    ("sec-websocket-version", "13"),
)
HEADER_TABLE_SIZE, MAX_CONCURRENT_STREAMS, INITIAL_WINDOW_SIZE = 1, 3, 4
MAX_HEADER_LIST_SIZE, ENABLE_CONNECT_PROTOCOL = 6, 8


class Stream(WebSocketClient):
    def __init__(self, connection: "Http2Client", number: int):
        super().__init__()
        self.connection, self.number = connection, number
        self.headers: dict[str, str] = {}
        self.pieces: list[int] = []  # the lengths of the DATA frames
        self.ended = False
        self.reset: Optional[int] = None

    @property
    def status(self) -> Optional[int]:
        """Once it is known; None: there was none before the stream or the connection ended."""
        self.connection.read_until(lambda: self.headers or self.is_over())
        return int(self.headers[":status"]) if self.headers else None

    def is_over(self) -> bool:
        return self.ended or self.reset is not None or self.connection.eof

    def send(self, data: bytes, end: bool = False) -> None:
        flags = Http2.END_STREAM if end else 0
        self.connection.send(Http2.frame(Http2.DATA, flags, self.number, data))

    def end(self) -> None:
        self.send(b"", end=True)

    def cancel(self, code: int = 8) -> None:
        frame = Http2.frame(Http2.RST_STREAM, 0, self.number, code.to_bytes(4, "big"))
        self.connection.send(frame)

    def give(self, credit: int) -> None:
        self.connection.give(credit, self.number)

    def fill(self) -> None:
        before = len(self.unread)
        self.connection.read_until(lambda: len(self.unread) > before or self.is_over())
        if len(self.unread) == before:
            raise EOFError("the server ended the stream")

    def expect_eof(self) -> None:
        """The stream's, by END_STREAM."""
        self.connection.read_until(self.is_over)
        assert not self.unread and self.ended and self.pieces[-1] == 0, self.unread

    def expect_reset(self, code: int) -> None:
        self.connection.read_until(lambda: self.reset is not None or self.connection.eof)
        assert self.reset == code


class Http2Client:
    def __init__(
        self,
        port: int,
        ca_file: Path,
        alpn: Sequence[str] = ("h2",),
        settings: Sequence[tuple[int, int]] = (),
        greets: bool = True,
        gives_credit: bool = True,
    ):
        context = ssl.create_default_context(cafile=str(ca_file))
        if alpn:
            context.set_alpn_protocols(alpn)
        raw = socket.create_connection(("127.0.0.1", port), TIMEOUT)
        self.tls = context.wrap_socket(raw, server_hostname="localhost")
        self.gives_credit = gives_credit
        self.unread = b""
        self.frames: list[Frame] = []  # all that came
        self.streams: dict[int, Stream] = {}
        self.settings: dict[int, int] = {}
        self.goaway: Optional[tuple[int, int]] = None  # last stream and code
        self.allowed = WINDOW  # bytes of DATA that we may send in all
        self.eof = False
        self.encoder, self.decoder = hpack.Encoder(), hpack.Decoder()
        if greets:
            pairs = (key.to_bytes(2, "big") + value.to_bytes(4, "big") for key, value in settings)
            self.send(PREFACE + Http2.frame(Http2.SETTINGS, payload=b"".join(pairs)))

    # What goes out

    def send(self, data: bytes) -> None:
        self.tls.sendall(data)

    def open(
        self,
        authorization: Optional[str] = None,
        headers: Headers = (),
        end: bool = False,
        before: bytes = b"",
        data: bytes = b"",
        pieces: int = 1,
    ) -> Stream:
        """`headers` replace the usual ones (None: leave out), or come after them; `before` and
        `data` (a frame of it) go in the same flight; `pieces`: HEADERS and CONTINUATION.
        """
        wanted = dict(DEFAULT_HEADERS) | dict(headers)
        if authorization is not None:
            wanted["authorization"] = authorization
        block = self.encoder.encode(
            [(name, value) for name, value in wanted.items() if value is not None]
        )
        stream = Stream(self, 2 * len(self.streams) + 1)
        self.streams[stream.number] = stream
        flight, step = before, -(-len(block) // pieces)
        for at in range(0, len(block), step):
            kind = Http2.CONTINUATION if at else Http2.HEADERS
            flags = Http2.END_STREAM if end and not at else 0
            flags |= Http2.END_HEADERS if at + step >= len(block) else 0
            flight += Http2.frame(kind, flags, stream.number, block[at : at + step])
        if data:
            flight += Http2.frame(Http2.DATA, 0, stream.number, data)
        self.send(flight)
        return stream

    def give(self, credit: int, stream: int = 0) -> None:
        self.send(Http2.frame(Http2.WINDOW_UPDATE, 0, stream, credit.to_bytes(4, "big")))

    def ping(self, payload: bytes = b"12345678") -> None:
        self.send(Http2.frame(Http2.PING, payload=payload))

    # What comes in

    def read_until(self, predicate: Callable[[], object]) -> None:
        while not predicate() and not self.eof:
            self.read_frame()

    def pong(self) -> None:
        """Until a ping of ours is answered: all that the server said before it is here then."""
        self.ping()
        count = len(self.frames)
        self.read_until(
            lambda: any(frame.kind == Http2.PING and frame.flags for frame in self.frames[count:])
        )
        assert not self.eof

    def expect_eof(self) -> None:
        self.read_until(lambda: False)

    def read_frame(self) -> None:
        head = self.take(9)
        payload = self.take(int.from_bytes(head[:3], "big"))
        if self.eof:
            return
        frame = Frame(head[3], head[4], int.from_bytes(head[5:], "big"), payload)
        self.frames.append(frame)
        self.on_frame(frame)

    def take(self, length: int) -> bytes:
        while len(self.unread) < length:
            try:
                data = self.tls.recv(65536)
            except (ssl.SSLError, ConnectionError):
                data = b""
            if not data:
                self.eof = True
                return b""
            self.unread += data
        data, self.unread = self.unread[:length], self.unread[length:]
        return data

    def on_frame(self, frame: Frame) -> None:
        stream = self.streams.get(frame.stream)
        if frame.kind == Http2.SETTINGS and not frame.flags:
            for at in range(0, len(frame.payload), 6):
                key, value = frame.payload[at : at + 2], frame.payload[at + 2 : at + 6]
                self.settings[int.from_bytes(key, "big")] = int.from_bytes(value, "big")
            self.send(Http2.frame(Http2.SETTINGS, Http2.ACK))
        elif frame.kind == Http2.GOAWAY:
            last, code = frame.payload[:4], frame.payload[4:8]
            self.goaway = int.from_bytes(last, "big"), int.from_bytes(code, "big")
        elif frame.kind == Http2.WINDOW_UPDATE and not stream:
            self.allowed += int.from_bytes(frame.payload, "big")
        elif stream:
            self.on_stream(stream, frame)

    def on_stream(self, stream: Stream, frame: Frame) -> None:
        if frame.kind == Http2.HEADERS:
            self.on_headers(stream, frame)
        elif frame.kind == Http2.DATA:
            stream.unread += frame.payload
            stream.pieces.append(len(frame.payload))
            if self.gives_credit and frame.payload:
                self.give(len(frame.payload))
                stream.give(len(frame.payload))
        elif frame.kind == Http2.RST_STREAM:
            stream.reset = int.from_bytes(frame.payload, "big")
        if frame.kind in (Http2.HEADERS, Http2.DATA) and frame.flags & Http2.END_STREAM:
            stream.ended = True

    def on_headers(self, stream: Stream, frame: Frame) -> None:
        block, flags = frame.payload, frame.flags
        while not flags & Http2.END_HEADERS:
            self.read_frame()
            assert self.frames[-1].kind == Http2.CONTINUATION
            block, flags = block + self.frames[-1].payload, self.frames[-1].flags
        stream.headers = dict(self.decoder.decode(block))

    def close(self) -> None:
        self.tls.close()
