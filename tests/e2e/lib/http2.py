"""HTTP/2 frames as bytes (RFC 9113 section 6): honest ones, and what attackers make of them."""

from typing import Iterator, NamedTuple, Optional


class Http2:
    (
        DATA,
        HEADERS,
        PRIORITY,
        RST_STREAM,
        SETTINGS,
        PUSH_PROMISE,
        PING,
        GOAWAY,
        WINDOW_UPDATE,
        CONTINUATION,
    ) = range(10)
    ACK = END_STREAM = 1
    END_HEADERS = 4
    PADDED = 8

    @staticmethod
    def frame(
        kind: int,
        flags: int = 0,
        stream: int = 0,
        payload: bytes = b"",
        length: Optional[int] = None,
    ) -> bytes:
        length = len(payload) if length is None else length
        return (
            length.to_bytes(3, "big") + bytes((kind, flags)) + stream.to_bytes(4, "big") + payload
        )


class Frame(NamedTuple):
    kind: int
    flags: int
    stream: int
    payload: bytes


def frames(data: bytes) -> Iterator[Frame]:
    """The complete ones of what a server sent."""
    while len(data) >= 9:
        length = int.from_bytes(data[:3], "big")
        if len(data) < 9 + length:
            return
        stream = int.from_bytes(data[5:9], "big") & 0x7FFFFFFF
        yield Frame(data[3], data[4], stream, data[9 : 9 + length])
        data = data[9 + length :]


def body(data: bytes, stream: int) -> bytes:
    return b"".join(
        frame.payload
        for frame in frames(data)
        if (frame.kind, frame.stream) == (Http2.DATA, stream)
    )


def goaway(data: bytes) -> Optional[int]:
    """The code of the farewell."""
    codes = [
        int.from_bytes(frame.payload[4:8], "big")
        for frame in frames(data)
        if frame.kind == Http2.GOAWAY
    ]
    return codes[-1] if codes else None


NO_ERROR, PROTOCOL_ERROR, ENHANCE_YOUR_CALM = 0, 1, 11
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
OPENING = PREFACE + Http2.frame(Http2.SETTINGS)
# RFC 7541: GET, http, /discover, an authority.
HEADER_BLOCK = b"\x82\x86\x04\x09/discover\x41\x07a.b.org"
HTTP2_GET = Http2.frame(Http2.HEADERS, Http2.END_STREAM | Http2.END_HEADERS, 1, HEADER_BLOCK)


def http2_floods() -> list[bytes]:
    frame = Http2.frame
    opened = frame(Http2.HEADERS, 0, 1, HEADER_BLOCK)
    return [
        # an honest request
        HTTP2_GET,
        # pings
        frame(Http2.PING, payload=b"12345678") * 20_000,
        # settings
        frame(Http2.SETTINGS, payload=b"\0\1\0\0\x10\0") * 10_000,
        # acknowledgements
        frame(Http2.SETTINGS, Http2.ACK) * 10_000,
        # continuations
        opened + frame(Http2.CONTINUATION, 0, 1, b"\x00\x01a\x01b" * 20) * 10_000,
        # empty continuations
        opened + frame(Http2.CONTINUATION, 0, 1) * 10_000,
        # streams that are reset
        b"".join(
            frame(Http2.HEADERS, Http2.END_HEADERS | Http2.END_STREAM, stream, HEADER_BLOCK)
            + frame(Http2.RST_STREAM, 0, stream, b"\0\0\0\x08")
            for stream in range(1, 8000, 2)
        ),
        # streams that never end
        b"".join(
            frame(Http2.HEADERS, Http2.END_HEADERS, stream, HEADER_BLOCK)
            for stream in range(1, 8000, 2)
        ),
        # a table that grows
        frame(
            Http2.HEADERS,
            Http2.END_HEADERS | Http2.END_STREAM,
            1,
            b"\x3f\xff\xff\xff\x7f" + b"\x40\x7f\x81\x1fa" * 500,
        ),
        # the same header again
        frame(
            Http2.HEADERS,
            Http2.END_HEADERS | Http2.END_STREAM,
            1,
            HEADER_BLOCK + b"\x40\x01a\x7f\x81\x1e" + b"b" * 4000 + b"\xbe" * 10_000,
        ),
        # empty data
        frame(Http2.HEADERS, Http2.END_HEADERS, 1, HEADER_BLOCK) + frame(Http2.DATA, 0, 1) * 20_000,
        # data for no stream
        frame(Http2.DATA, 0, 1, b"x" * 16_000) * 20,
        # windows
        frame(Http2.WINDOW_UPDATE, 0, 0, b"\x7f\xff\xff\xff") * 1000,
        # a window of nothing
        frame(Http2.WINDOW_UPDATE, 0, 0, b"\0\0\0\0"),
        # a huge frame
        frame(Http2.DATA, 0, 1, b"x" * 70_000, length=0xFFFFFF),
        # an unknown frame
        frame(0xEE, 0xFF, 0x7FFFFFFF, b"x" * 16_000) * 10,
        # padding beyond the end
        frame(Http2.HEADERS, Http2.PADDED | Http2.END_HEADERS, 1, b"\xff\x82"),
        # a promise
        frame(Http2.PUSH_PROMISE, Http2.END_HEADERS, 1, b"\0\0\0\2" + HEADER_BLOCK),
        # farewells
        frame(Http2.GOAWAY, 0, 0, b"\0\0\0\0\0\0\0\0" + b"x" * 1000) * 100,
        # dependence on itself
        frame(Http2.PRIORITY, 0, 1, b"\0\0\0\1\xff") * 5000,
        # stream 0
        frame(Http2.HEADERS, Http2.END_HEADERS, 0, HEADER_BLOCK),
    ]
