"""The HTTP/2 road to the strict server: a websocket inside a stream (RFC 8441), with the rules that
were measured at Signal's front (signal-measured.md 4). What is accepted is the server's
decision, not this file's.

Debian's hpack and hyperframe know the bytes. The state is kept here, for a test must be able to
break any rule of it.
"""

import asyncio
import dataclasses
import email.utils
from typing import Any, Callable, Optional, Protocol, Union

import hpack
from hpack.exceptions import HPACKError
from hyperframe import frame as wire
from hyperframe.exceptions import HyperframeError

from tls_pipe import TlsPipe
from upgrade import HTTP2, Admission, Receiver, Refusal, Request, timestamp_header

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
WINDOW = 65535
WINDOW_MAX = 2**31 - 1
FRAME_MAX = 16384
HEADER_LIST_MAX = 8192
BLOCK_MAX = 256 * 1024  # of compressed headers; a flood beyond it
ENABLE_CONNECT_PROTOCOL = 8
NO_ERROR, PROTOCOL_ERROR, FLOW_CONTROL_ERROR, STREAM_CLOSED, REFUSED, CANCEL = 0, 1, 3, 5, 7, 8
SHED_LOAD = 0x40
ROUTED = ("/v1/websocket", "/v1/provisioning")  # what the front has a backend for
PSEUDO = {":method", ":protocol", ":scheme", ":path", ":authority"}
OF_CONNECTIONS = {"connection", "upgrade", "keep-alive", "proxy-connection", "transfer-encoding"}


@dataclasses.dataclass
class StreamBehaviour:
    """How connections of HTTP/2 are treated. The defaults are how Signal's front does it."""

    alpn: Optional[str] = "h2"  # None: none is selected; "http/1.1": that, and it is spoken
    max_streams: int = 100
    extended_connect: bool = True
    shed_load: bool = False  # SETTINGS, GOAWAY 0x40, EOF
    answer_http2_ping: bool = True
    give_credit: bool = True  # False: never a WINDOW_UPDATE
    data_piece: int = FRAME_MAX  # the most that a DATA frame holds
    header_piece: int = FRAME_MAX  # a longer block goes on in CONTINUATION
    huffman: bool = False
    connection_idle_seconds: float = 300


class Host(Protocol):
    """Whose connections these are."""

    def stream_behaviour(self) -> StreamBehaviour: ...
    def note(self, text: str) -> None:
        """A rule that the client broke."""

    def changed(self) -> None: ...


class Broken(Exception):
    """A rule was broken for which the connection ends."""


class Stream:
    """One stream, as the pipe of a websocket."""

    def __init__(self, connection: "Http2", number: int):
        self.connection, self.number = connection, number
        self.window = connection.initial_window  # what we may still send
        self.credit = WINDOW  # what the client may still send
        self.consumed = 0  # and no credit given for it yet
        self.outgoing = bytearray()
        self.receiver: Optional[Receiver] = None
        self.status: Optional[int] = None
        self.reset_by_client: Optional[int] = None
        self.reset_by_server: Optional[int] = None
        self.shut_down = self.end_sent = self.end_received = self.frozen = self.over = False

    def feed(self, data: bytes, ends: bool) -> None:
        if self.frozen:
            return
        if data and self.receiver:
            self.receiver.feed(data)
        if not ends or self.over:
            return
        self.end_received = True
        if self.receiver:
            self.receiver.eof()
        if self.end_sent:
            self.finish()

    def write(self, data: bytes) -> None:
        if self.shut_down or self.over:
            return
        self.outgoing += data
        self.flush()

    def shut(self) -> None:
        self.shut_down = True
        self.flush()

    def close(self, torn: bool = False) -> None:
        self.shut()
        if torn:
            self.reset()

    def flush(self) -> None:
        """What the client's windows allow."""
        piece = min(self.connection.behaviour.data_piece, FRAME_MAX)
        while self.outgoing and not self.over and not self.frozen:
            size = min(len(self.outgoing), self.window, self.connection.window, piece)
            if size <= 0:
                return
            data = bytes(self.outgoing[:size])
            del self.outgoing[:size]
            self.window -= size
            self.connection.window -= size
            self.connection.send(wire.DataFrame(self.number, data))
        if self.shut_down and not self.end_sent and not self.over and not self.frozen:
            self.connection.send(wire.DataFrame(self.number, b"", flags=["END_STREAM"]))
            self.end_was_sent()

    def end_was_sent(self) -> None:
        self.shut_down = self.end_sent = True
        if self.end_received:
            self.finish()

    def reset(self, code: int = CANCEL) -> None:
        if self.over:
            return
        self.reset_by_server = code
        self.finish()
        self.connection.send(wire.RstStreamFrame(self.number, code))

    def freeze(self) -> None:
        """Nothing is read any more and nothing written; the connection goes on."""
        self.frozen = True

    def finish(self) -> None:
        if self.over:
            return
        self.over = True
        self.outgoing.clear()
        self.connection.open.pop(self.number, None)
        if self.receiver:
            self.receiver.eof()
        self.connection.host.changed()


class Http2:
    """One connection."""

    def __init__(
        self,
        number: int,
        pipe: TlsPipe,
        host: Host,
        judge: Callable[[Request], Union[Refusal, Admission, None]],
        judged: Callable[[Request, int], None],
    ):
        """`judge` answers None to let the stream wait for ever."""
        self.number, self.pipe, self.host = number, pipe, host
        self.judge, self.judged = judge, judged
        self.unread = bytearray()
        self.greeted = False
        self.encoder, self.decoder = hpack.Encoder(), hpack.Decoder(BLOCK_MAX)
        self.block: Optional[tuple[wire.HeadersFrame, bytearray]] = None  # that is not complete
        self.open: dict[int, Stream] = {}
        self.last = 0  # the client's newest stream
        self.settings: Optional[dict[int, int]] = None  # the client's
        self.settings_unanswered = 0  # of ours
        self.settings_sent: dict[int, int] = {}
        self.initial_window = self.window = self.credit = WINDOW
        self.consumed = 0
        self.pings: list[bytes] = []
        self.farewell: Optional[int] = None  # the error code of the client's GOAWAY
        self.last_served: Optional[int] = None  # of our GOAWAY
        self.heard = asyncio.get_running_loop().time()
        self.idle_timer: Optional[asyncio.TimerHandle] = None
        self.over = False

    @property
    def behaviour(self) -> StreamBehaviour:
        return self.host.stream_behaviour()

    def start(self) -> None:
        self.send_settings()
        if self.behaviour.shed_load:
            self.leave(SHED_LOAD, 0)
            self.end()
        else:
            self.watch_idle()

    def send_settings(self) -> None:
        """Those that are not known to the client yet, for behaviour may change."""
        wanted = {
            wire.SettingsFrame.MAX_CONCURRENT_STREAMS: self.behaviour.max_streams,
            wire.SettingsFrame.MAX_HEADER_LIST_SIZE: HEADER_LIST_MAX,
        }
        if self.behaviour.extended_connect:
            wanted[ENABLE_CONNECT_PROTOCOL] = 1
        fresh = {key: wanted[key] for key in wanted if self.settings_sent.get(key) != wanted[key]}
        if not fresh:
            return
        self.settings_sent |= fresh
        self.settings_unanswered += 1
        self.send(wire.SettingsFrame(0, fresh))

    def behave(self) -> None:
        """Behaviour may have changed."""
        if self.over:
            return
        self.send_settings()
        for stream in [None, *self.open.values()]:
            self.give_credit(stream)

    # What ends it

    def watch_idle(self) -> None:
        loop = asyncio.get_running_loop()
        left = self.heard + self.behaviour.connection_idle_seconds - loop.time()
        if self.over:
            return
        if left <= 0:
            self.end()
            return
        self.idle_timer = loop.call_later(left + 0.001, self.watch_idle)

    def leave(self, code: int = NO_ERROR, last: Optional[int] = None) -> None:
        """GOAWAY. Streams above `last` (the newest) are as if they had never been."""
        newest = self.last if self.last_served is None else self.last_served
        self.last_served = newest if last is None else last
        for stream in list(self.open.values()):
            if stream.number > self.last_served:
                stream.finish()
        self.send(wire.GoAwayFrame(0, self.last_served, code))

    def end(self, how: str = "eof") -> None:
        """With all its streams: "eof", "reset" or "freeze" (like a network that is gone)."""
        if how == "freeze":
            self.pipe.freeze()
            return
        if how == "reset":
            self.pipe.reset()
        self.eof()

    def eof(self) -> None:
        if self.over:
            return
        self.over = True
        if self.idle_timer:
            self.idle_timer.cancel()
        for stream in list(self.open.values()):
            stream.finish()
        self.pipe.close()
        self.host.changed()

    # What comes in

    def feed(self, data: bytes) -> None:
        self.heard = asyncio.get_running_loop().time()
        self.unread += data
        try:
            self.take_preface()
            while self.greeted and not self.over and self.take_frame():
                pass
        except (Broken, HyperframeError, HPACKError) as error:
            self.host.note(f"HTTP/2: {error or type(error).__name__}")
            self.leave()
            self.end()

    def take_preface(self) -> None:
        if self.greeted:
            return
        start = bytes(self.unread[: len(PREFACE)])
        if not PREFACE.startswith(start):
            raise Broken("no preface")
        if len(start) == len(PREFACE):
            del self.unread[: len(PREFACE)]
            self.greeted = True

    def take_frame(self) -> bool:
        if len(self.unread) < 9:
            return False
        if int.from_bytes(self.unread[:3], "big") > FRAME_MAX:
            raise Broken(f"a frame over {FRAME_MAX} bytes")
        frame, length = wire.Frame.parse_frame_header(memoryview(bytes(self.unread[:9])))
        if len(self.unread) < 9 + length:
            return False
        frame.parse_body(memoryview(bytes(self.unread[9 : 9 + length])))
        del self.unread[: 9 + length]
        self.on_frame(frame)
        return True

    def on_frame(self, frame: Any) -> None:
        if self.settings is None and not isinstance(frame, wire.SettingsFrame):
            raise Broken("the preface ends without SETTINGS")
        if self.block and not isinstance(frame, wire.ContinuationFrame):
            raise Broken("a frame inside a header block")
        if isinstance(frame, wire.PushPromiseFrame):
            raise Broken("PUSH_PROMISE from a client")
        take = {
            wire.DataFrame: self.on_data,
            wire.HeadersFrame: self.on_headers,
            wire.ContinuationFrame: self.on_continuation,
            wire.SettingsFrame: self.on_settings,
            wire.WindowUpdateFrame: self.on_window_update,
            wire.RstStreamFrame: self.on_reset,
            wire.PingFrame: self.on_ping,
            wire.GoAwayFrame: self.on_goaway,
        }.get(type(frame))
        if take:
            take(frame)

    def on_settings(self, frame: wire.SettingsFrame) -> None:
        if "ACK" in frame.flags:
            if not self.settings_unanswered:
                raise Broken("SETTINGS acknowledged that were not sent")
            self.settings_unanswered -= 1
            return
        known = frame.settings
        window = known.get(frame.INITIAL_WINDOW_SIZE, self.initial_window)
        if window > WINDOW_MAX or not FRAME_MAX <= known.get(frame.MAX_FRAME_SIZE, FRAME_MAX):
            raise Broken("SETTINGS out of bounds")
        self.settings = (self.settings or {}) | known
        for stream in self.open.values():
            stream.window += window - self.initial_window
        self.initial_window = window
        if frame.HEADER_TABLE_SIZE in known:
            self.encoder.header_table_size = min(4096, known[frame.HEADER_TABLE_SIZE])
        self.send(wire.SettingsFrame(0, flags=["ACK"]))
        self.flush()

    def on_ping(self, frame: wire.PingFrame) -> None:
        if "ACK" in frame.flags:
            return
        self.pings.append(frame.opaque_data)
        if self.behaviour.answer_http2_ping:
            self.send(wire.PingFrame(0, frame.opaque_data, flags=["ACK"]))
        self.host.changed()

    def on_goaway(self, frame: wire.GoAwayFrame) -> None:
        self.farewell = frame.error_code
        self.host.changed()

    def on_window_update(self, frame: wire.WindowUpdateFrame) -> None:
        if not frame.stream_id:
            self.window += frame.window_increment
            if self.window > WINDOW_MAX:
                raise Broken("a window that is too large")
            self.flush()
            return
        stream = self.known(frame)
        if not stream:
            return
        stream.window += frame.window_increment
        if stream.window > WINDOW_MAX:
            self.host.note("HTTP/2: a window that is too large")
            stream.reset(FLOW_CONTROL_ERROR)
        else:
            stream.flush()

    def flush(self) -> None:
        for stream in list(self.open.values()):
            stream.flush()

    def on_reset(self, frame: wire.RstStreamFrame) -> None:
        stream = self.known(frame)
        if stream:
            stream.reset_by_client = frame.error_code
            stream.finish()

    def known(self, frame: wire.Frame) -> Optional[Stream]:
        """None for one that is over already."""
        if frame.stream_id > self.last or frame.stream_id % 2 == 0:
            raise Broken(f"{type(frame).__name__} for a stream that was never opened")
        return self.open.get(frame.stream_id)

    def on_data(self, frame: wire.DataFrame) -> None:
        length = frame.flow_controlled_length
        stream = self.known(frame)
        windows: list[Any] = [self, stream] if stream else [self]
        for window in windows:
            window.credit -= length
            window.consumed += length
            if window.credit < 0:
                raise Broken("more than the window allows")
        if stream and stream.end_received:
            self.host.note("HTTP/2: DATA after END_STREAM")
            stream.reset(STREAM_CLOSED)
        elif stream:
            stream.feed(frame.data, "END_STREAM" in frame.flags)
        self.give_credit(None)
        self.give_credit(self.open.get(frame.stream_id))

    def give_credit(self, stream: Optional[Stream]) -> None:
        """For half a window at a time; without a stream the connection's."""
        window: Any = stream or self
        if window.consumed <= WINDOW // 2 or self.over or not self.behaviour.give_credit:
            return
        if stream and (stream.end_received or stream.frozen):
            return
        number = stream.number if stream else 0
        self.send(wire.WindowUpdateFrame(number, window.consumed))
        window.credit += window.consumed
        window.consumed = 0

    # Streams

    def on_headers(self, frame: wire.HeadersFrame) -> None:
        self.block = (frame, bytearray(frame.data))
        if "END_HEADERS" in frame.flags:
            self.take_block()

    def on_continuation(self, frame: wire.ContinuationFrame) -> None:
        if not self.block or self.block[0].stream_id != frame.stream_id:
            raise Broken("CONTINUATION without HEADERS")
        self.block[1].extend(frame.data)
        if len(self.block[1]) > BLOCK_MAX:
            raise Broken("endless headers")
        if "END_HEADERS" in frame.flags:
            self.take_block()

    def take_block(self) -> None:
        assert self.block
        (frame, data), self.block = self.block, None
        headers = self.decoder.decode(bytes(data), raw=True)
        number = frame.stream_id
        if number in self.open:
            self.host.note("HTTP/2: headers a second time")
            self.open[number].reset(PROTOCOL_ERROR)
            return
        if number <= self.last or number % 2 == 0:
            raise Broken(f"HEADERS for stream {number}")
        self.last = number
        if self.last_served is not None:
            return  # after our GOAWAY
        self.open[number] = Stream(self, number)
        self.open[number].end_received = "END_STREAM" in frame.flags
        self.on_request(self.open[number], headers)

    def on_request(self, stream: Stream, headers: list) -> None:
        limit = self.behaviour.max_streams
        if len(self.open) > limit:
            if not self.settings_unanswered:
                self.host.note(f"HTTP/2: more than {limit} streams")
            stream.reset(REFUSED)
        elif sum(len(name) + len(value) + 32 for name, value in headers) > HEADER_LIST_MAX:
            self.host.note(f"HTTP/2: a header list over {HEADER_LIST_MAX}")
            self.answer(stream, [(":status", "431")], PROTOCOL_ERROR)
        elif fault := self.fault(headers):
            self.host.note(f"HTTP/2: {fault}")
            stream.reset(PROTOCOL_ERROR)
        elif self.is_premature(headers):
            stream.reset(PROTOCOL_ERROR)
        else:
            self.decide(stream, self.request(stream, headers))
        self.host.changed()

    def fault(self, headers: list) -> Optional[str]:
        """What makes a request malformed (RFC 9113 section 8)."""
        names = [name.decode("latin-1") for name, _ in headers]
        pseudo = [name for name in names if name.startswith(":")]
        if names[: len(pseudo)] != pseudo:
            return "a pseudo-header after others"
        if set(pseudo) - PSEUDO or len(set(pseudo)) != len(pseudo) or ":method" not in pseudo:
            return f"pseudo-headers {pseudo}"
        if any(name != name.lower() for name in names):
            return "a header name in upper case"
        if OF_CONNECTIONS.intersection(names):
            return f"headers of connections: {OF_CONNECTIONS.intersection(names)}"
        if any(value != value.strip(b" \t") or set(value) & set(b"\0\r\n") for _, value in headers):
            return "a header value that is not one"
        return None

    def is_premature(self, headers: list) -> bool:
        """An extended CONNECT that no SETTINGS allow: its fault only once it knows them."""
        if ENABLE_CONNECT_PROTOCOL in self.settings_sent or b":protocol" not in dict(headers):
            return False
        if not self.settings_unanswered:
            self.host.note("HTTP/2: an extended CONNECT where the SETTINGS do not allow it")
        return True

    def request(self, stream: Stream, headers: list) -> Request:
        texts = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in headers]
        values = dict(texts)
        return Request(
            values[":method"],
            values.get(":path", ""),
            HTTP2,
            texts,
            values[":method"] == "CONNECT"
            and values.get(":protocol") == "websocket"
            and values.get("sec-websocket-version") == "13",
            (self.number, stream.number),
            [header[0].decode("latin-1") for header in headers if not header.indexable],
        )

    def decide(self, stream: Stream, request: Request) -> None:
        if not request.target.startswith(ROUTED):
            answer: Union[Refusal, Admission, None] = Refusal(502, "", timestamp=False)
        elif (
            "//" in request.target.partition("?")[0]
            or not request.get(":scheme")
            or not (request.get(":authority") or request.get("host"))
        ):
            answer = Refusal(400, "", timestamp=False)
        else:
            answer = self.judge(request)
        if isinstance(answer, Refusal):
            self.refuse(stream, request, answer)
        elif answer:
            self.accept(stream, request, answer)

    def refuse(self, stream: Stream, request: Request, refusal: Refusal) -> None:
        stream.status = refusal.status
        self.judged(request, refusal.status)
        if refusal.reset is not None:
            stream.reset(refusal.reset)
            return
        headers = [(":status", str(refusal.status))]
        if refusal.status != 502:
            headers.append(("date", email.utils.formatdate(usegmt=True)))
            headers.append(("content-length", "0"))
        headers += refusal.headers
        if refusal.timestamp:
            headers.append(timestamp_header())
        abrupt = refusal.status == 502 or request.method != "CONNECT"
        self.answer(stream, headers, CANCEL if abrupt else None)

    def accept(self, stream: Stream, request: Request, admission: Admission) -> None:
        self.find_oddities(request)
        headers = [
            (":status", "200"),
            ("date", email.utils.formatdate(usegmt=True)),
            timestamp_header(),
            *admission.headers,
        ]
        if admission.deflate:
            headers.append(("sec-websocket-extensions", admission.deflate.header()))
        stream.status = 200
        self.judged(request, 200)
        self.send_headers(stream, headers)
        stream.receiver = admission.open(stream)
        stream.receiver.start()
        if stream.end_received:
            stream.receiver.eof()

    def find_oddities(self, request: Request) -> None:
        """What the front overlooks, but no client should send."""
        if request.get(":scheme") != "https":
            self.host.note("HTTP/2: a scheme other than https")
        for name in ("sec-websocket-key", "content-length"):
            if request.get(name) is not None:
                self.host.note(f"HTTP/2: the header {name}")

    # What goes out

    def answer(self, stream: Stream, headers: list, reset: Optional[int]) -> None:
        """All of an answer, with a RST_STREAM after it or not."""
        self.send_headers(stream, headers, ends=True)
        if reset is not None:
            stream.reset(reset)
        else:
            stream.end_was_sent()

    def send_headers(self, stream: Stream, headers: list, ends: bool = False) -> None:
        lower = [(name.lower(), value) for name, value in headers]
        block = self.encoder.encode(lower, huffman=self.behaviour.huffman)
        step = self.behaviour.header_piece
        pieces = [block[at : at + step] for at in range(0, len(block), step)]
        first = wire.HeadersFrame(stream.number, pieces[0], flags=["END_STREAM"] if ends else [])
        out = [first, *(wire.ContinuationFrame(stream.number, piece) for piece in pieces[1:])]
        out[-1].flags.add("END_HEADERS")
        self.pipe.write(b"".join(frame.serialize() for frame in out))

    def send(self, frame: wire.Frame) -> None:
        self.pipe.write(frame.serialize())

    def describe(self) -> dict:
        return {
            "number": self.number,
            "over": self.over,
            "streams": list(self.open),
            "pings": len(self.pings),
            "settings": self.settings,
            "farewell": self.farewell,
        }
