"""The server's end of a websocket (RFC 6455) over any pipe of bytes, as strict as the chat server
(signal-measured.md 2). No sockets in here: HTTP/1.1 and HTTP/2 carry the same frames.
"""

import re
import struct
import zlib
from typing import Any, Iterator, Optional, Protocol

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10

CLIENT_MESSAGE_MAX = 512 * 1024
FRAME_OUT_MAX = 64 * 1024


class FrameError(Exception):
    """A rule was broken: the Close code and reason that answer it."""

    def __init__(self, code: int, reason: str):
        super().__init__(f"{code} {reason}")
        self.code, self.reason = code, reason


class Pipe(Protocol):
    def write(self, data: bytes) -> None: ...
    def shut(self) -> None:
        """Ends our direction; what the peer sends is still read."""

    def close(self, torn: bool = False) -> None:
        """Ends both; `torn`: at once, after a Close that is not ordinary."""


class Handler(Protocol):
    def on_message(self, message: bytes) -> None: ...
    def on_ping(self) -> bool:
        """Whether to answer."""

    def on_pong(self, payload: bytes) -> None: ...
    def on_client_close(
        self, code: Optional[int], reason: str
    ) -> Optional[tuple[Optional[int], str]]:
        """The Close that answers it; None for no answer."""

    def on_closing(self, code: int, reason: str) -> None:
        """We send a Close."""

    def on_end(self) -> None:
        """Nothing will be read any more."""

    def violation(self, text: str) -> None: ...


class Deflate:
    """permessage-deflate as the server does it once a client has offered it."""

    PARAMETERS = re.compile(r"(client|server)_(no_context_takeover|max_window_bits)(=\d+)?")

    def __init__(self, offer: str):
        parameters = [part.strip() for part in offer.split(";")][1:]
        if not all(self.PARAMETERS.fullmatch(parameter) for parameter in parameters):
            raise ValueError(f"unknown parameter in {offer!r}")
        self.agreed = [name for name in parameters if name.endswith("_no_context_takeover")]
        self.compressor: Any = None
        self.decompressor: Any = None

    def header(self) -> str:
        return "; ".join(["permessage-deflate", *self.agreed])

    def compress(self, message: bytes) -> bytes:
        if not self.compressor or "server_no_context_takeover" in self.agreed:
            self.compressor = zlib.compressobj(wbits=-15)
        return (self.compressor.compress(message) + self.compressor.flush(zlib.Z_SYNC_FLUSH))[:-4]

    def decompress(self, message: bytes) -> bytes:
        if not self.decompressor or "client_no_context_takeover" in self.agreed:
            self.decompressor = zlib.decompressobj(wbits=-15)
        data = self.decompressor.decompress(message + b"\0\0\xff\xff", CLIENT_MESSAGE_MAX + 1)
        if len(data) > CLIENT_MESSAGE_MAX:
            raise FrameError(1009, too_large(len(data)))
        return data


def too_large(length: int) -> str:
    return f"Binary message too large: {length:,} > {CLIENT_MESSAGE_MAX:,}"


def unmask(payload: bytes, mask: bytes) -> bytes:
    length = len(payload)
    key = mask * (length // 4 + 1)
    return (int.from_bytes(payload, "little") ^ int.from_bytes(key[:length], "little")).to_bytes(
        length, "little"
    )


def frame(
    opcode: int, payload: bytes, fin: bool = True, rsv1: bool = False, mask: Optional[bytes] = None
) -> bytes:
    head = bytes([fin << 7 | rsv1 << 6 | opcode])
    masked = 0x80 if mask else 0
    if len(payload) < 126:
        head += bytes([masked | len(payload)])
    elif len(payload) < 65536:
        head += bytes([masked | 126]) + struct.pack(">H", len(payload))
    else:
        head += bytes([masked | 127]) + struct.pack(">Q", len(payload))
    if mask:
        return head + mask + unmask(payload, mask)
    return head + payload


def may_be_sent(code: int) -> bool:
    return 1000 <= code <= 1003 or 1007 <= code <= 1014 or 3000 <= code <= 4999


def is_ordinary(code: int) -> bool:
    """After such a Close the server goes on reading; after any other it tears all down."""
    return code == 1000 or code >= 3000


class WebSocket:
    def __init__(self, pipe: Pipe, handler: Handler, deflate: Optional[Deflate] = None):
        self.pipe, self.handler, self.deflate = pipe, handler, deflate
        self.frame_out_max = FRAME_OUT_MAX
        self.unread = bytearray()
        self.parts: list[bytes] = []
        self.parts_length = 0
        self.parts_opcode: Optional[int] = None
        self.parts_compressed = False
        self.close_sent = False
        self.ended = False

    # What comes in

    def feed(self, data: bytes) -> None:
        self.unread += data
        try:
            for fin, rsv, opcode, payload in self.frames():
                self.on_frame(fin, rsv, opcode, payload)
                if self.ended:
                    return
        except FrameError as error:
            self.handler.violation(f"websocket: {error}")
            self.close(error.code, error.reason)

    def eof(self) -> None:
        """The peer ended without a Close, or after ours: the server closes silently."""
        if not self.ended:
            self.end()

    def frames(self) -> Iterator[tuple[bool, int, int, bytes]]:
        while len(self.unread) >= 2 and not self.ended:
            first, second = self.unread[0], self.unread[1]
            fin, rsv, opcode, length = bool(first & 0x80), first >> 4 & 7, first & 15, second & 0x7F
            if not second & 0x80:
                raise FrameError(1002, "Client frames must be masked")
            self.check_head(fin, rsv, opcode, length)
            at = 2 + {126: 2, 127: 8}.get(length, 0)
            if len(self.unread) < at:
                return
            if at > 2:
                length = int.from_bytes(self.unread[2:at], "big")
                self.check_length(length, at)
            if len(self.unread) < at + 4 + length:
                return
            mask = bytes(self.unread[at : at + 4])
            payload = unmask(bytes(self.unread[at + 4 : at + 4 + length]), mask)
            del self.unread[: at + 4 + length]
            yield fin, rsv, opcode, payload

    def check_head(self, fin: bool, rsv: int, opcode: int, length: int) -> None:
        control = opcode >= CLOSE
        if opcode not in (CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG):
            raise FrameError(1002, f"Unknown opcode: {opcode}")
        if rsv and (rsv != 4 or not self.deflate or control or opcode == CONTINUATION):
            raise FrameError(1002, "RSV bit set without an extension for it")
        if control and not fin:
            raise FrameError(1002, "Fragmented control frame")
        if control and length > 125:
            raise FrameError(1002, "Invalid control frame payload length")
        if opcode == CONTINUATION and self.parts_opcode is None:
            raise FrameError(1002, "Continuation without a message")
        if opcode in (TEXT, BINARY) and self.parts_opcode is not None:
            raise FrameError(1002, "Data frame inside a fragmented message")
        if not control and length < 126:
            self.check_sum(length)

    def check_length(self, length: int, at: int) -> None:
        if length > 0x7FFFFFFF:
            raise FrameError(1009, "Frame payload exceeded integer max value")
        if length < (126 if at == 4 else 65536):
            self.handler.violation("websocket: a length that is not in its shortest form")
        self.check_sum(length)

    def check_sum(self, length: int) -> None:
        if self.parts_length + length > CLIENT_MESSAGE_MAX:
            raise FrameError(1009, too_large(self.parts_length + length))

    def on_frame(self, fin: bool, rsv: int, opcode: int, payload: bytes) -> None:
        if opcode == CLOSE:
            self.on_close_frame(payload)
        elif opcode == PING:
            if self.handler.on_ping() and not self.close_sent:
                self.pipe.write(frame(PONG, payload))
        elif opcode == PONG:
            self.handler.on_pong(payload)
        else:
            self.on_data(fin, rsv, opcode, payload)

    def on_data(self, fin: bool, rsv: int, opcode: int, payload: bytes) -> None:
        if opcode != CONTINUATION:
            self.parts_opcode, self.parts_compressed = opcode, bool(rsv)
        self.parts.append(payload)
        self.parts_length += len(payload)
        if not fin:
            return
        message, kind = b"".join(self.parts), self.parts_opcode
        if self.parts_compressed:
            message = self.inflate(message)
        self.parts, self.parts_length, self.parts_opcode = [], 0, None
        if kind == BINARY:
            self.handler.on_message(message)
        else:
            self.on_text(message)

    def inflate(self, message: bytes) -> bytes:
        assert self.deflate
        try:
            return self.deflate.decompress(message)
        except zlib.error as error:
            raise FrameError(1007, f"Bad deflate data: {error}") from error

    def on_text(self, message: bytes) -> None:
        """Ignored by the server, but no client of Signal sends any."""
        try:
            message.decode()
        except UnicodeDecodeError as error:
            raise FrameError(1007, "Invalid UTF-8") from error
        self.handler.violation("websocket: a text message")

    def on_close_frame(self, payload: bytes) -> None:
        code, reason = None, ""
        if len(payload) == 1:
            raise FrameError(1002, "Invalid CLOSE payload")
        if payload:
            code = int.from_bytes(payload[:2], "big")
            if not may_be_sent(code):
                raise FrameError(1002, f"Invalid CLOSE code: {code}")
            try:
                reason = payload[2:].decode()
            except UnicodeDecodeError as error:
                raise FrameError(1007, "Invalid UTF-8") from error
        answer = self.handler.on_client_close(code, reason)
        if self.close_sent:
            self.end()
        elif answer is not None:
            self.write_close(*answer)
            self.end()

    # What goes out

    def send_message(self, message: bytes) -> None:
        if self.close_sent or self.ended:
            return
        compressed = self.deflate is not None
        if self.deflate:
            message = self.deflate.compress(message)
        step = self.frame_out_max
        starts = range(0, max(len(message), 1), step)
        for at in starts:
            self.pipe.write(
                frame(
                    BINARY if at == 0 else CONTINUATION,
                    message[at : at + step],
                    fin=at == starts[-1],
                    rsv1=compressed and at == 0,
                )
            )

    def ping(self, payload: bytes) -> None:
        if not self.close_sent:
            self.pipe.write(frame(PING, payload))

    def close(self, code: int, reason: str) -> None:
        """Close, then EOF at once."""
        if self.close_sent or self.ended:
            return
        self.handler.on_closing(code, reason)
        self.write_close(code, reason)
        if is_ordinary(code):
            self.pipe.shut()
        else:
            self.end(torn=True)

    def write_close(self, code: Optional[int], reason: str) -> None:
        self.close_sent = True
        payload = b"" if code is None else struct.pack(">H", code) + reason.encode()[:123]
        self.pipe.write(frame(CLOSE, payload))

    def end(self, torn: bool = False) -> None:
        if self.ended:
            return
        self.ended = True
        self.pipe.close(torn)
        self.handler.on_end()
