"""The HTTP/1.1 road to the strict server: reads requests, answers them, and hands an accepted
websocket over (signal-measured.md 1). What is accepted is the server's decision, not this
file's.
"""

import base64
import dataclasses
import email.utils
import hashlib
import json
import time
import urllib.parse
from typing import Callable, Optional, Protocol, Union

from frames import Deflate, Pipe

HEADERS_MAX = 8 * 1024
HTTP2 = "HTTP/2"  # as the version of a request
WEBSOCKET_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


@dataclasses.dataclass
class Request:
    method: str
    target: str
    version: str
    headers: list[tuple[str, str]]
    wants_websocket: bool = False
    stream: Optional[tuple[int, int]] = None  # HTTP/2: connection and stream
    never_indexed: list[str] = dataclasses.field(default_factory=list)  # HTTP/2: these headers

    def get(self, name: str) -> Optional[str]:
        """The first one counts."""
        return next((value for known, value in self.headers if known.lower() == name), None)

    def path(self) -> str:
        return urllib.parse.unquote(self.target.partition("?")[0])


@dataclasses.dataclass
class Refusal:
    status: int
    reason: str
    headers: list[tuple[str, str]] = dataclasses.field(default_factory=list)
    body: bytes = b""
    timestamp: bool = True
    close: bool = False
    reset: Optional[int] = None  # HTTP/2: RST_STREAM with this code is all the answer


@dataclasses.dataclass
class Admission:
    headers: list[tuple[str, str]]
    deflate: Optional[Deflate]
    open: Callable[[Pipe], "Receiver"]


class Receiver(Protocol):
    def feed(self, data: bytes) -> None: ...
    def eof(self) -> None: ...
    def start(self) -> None: ...


def timestamp_header() -> tuple[str, str]:
    return "X-Signal-Timestamp", str(time.time_ns() // 1_000_000)


def not_found() -> Refusal:
    return Refusal(
        404,
        "Not Found",
        [("Content-Type", "application/json")],
        json.dumps({"code": 404, "message": "HTTP 404 Not Found"}).encode(),
    )


def html(status: int, line: str, text: str) -> Refusal:
    page = (
        f"<html><head><title>Error {status} {text}</title></head><body><h2>HTTP ERROR {status} "
        f"{text}</h2></body></html>\n"
    )
    return Refusal(status, line, [("Content-Type", "text/html;charset=iso-8859-1")], page.encode())


class Http1:
    """One connection until it becomes a websocket."""

    def __init__(
        self,
        pipe: Pipe,
        judge: Callable[[Request], Union[Refusal, Admission, None]],
        judged: Callable[[Request, int], None],
    ):
        """`judge` answers None to let the request wait for ever."""
        self.pipe, self.judge, self.judged = pipe, judge, judged
        self.unread = bytearray()
        self.body_left = 0
        self.upgraded: Optional[Receiver] = None
        self.over = False

    def feed(self, data: bytes) -> None:
        if self.upgraded:
            self.upgraded.feed(data)
            return
        self.unread += data
        while not self.over and not self.upgraded and self.take_body() and self.take_request():
            pass

    def eof(self) -> None:
        if self.upgraded:
            self.upgraded.eof()
        else:
            self.over = True
            self.pipe.close()

    def take_body(self) -> bool:
        taken = min(self.body_left, len(self.unread))
        del self.unread[:taken]
        self.body_left -= taken
        return self.body_left == 0

    def take_request(self) -> bool:
        end = self.unread.find(b"\r\n\r\n")
        if end > HEADERS_MAX or end < 0 and len(self.unread) > HEADERS_MAX:
            self.refuse(
                None, Refusal(431, "Request Header Fields Too Large", timestamp=False, close=True)
            )
            return False
        if end < 0:
            return False
        head = bytes(self.unread[:end])
        del self.unread[: end + 4]
        request = self.parse(head)
        if not request:
            self.refuse(None, Refusal(400, "Bad Request", timestamp=False, close=True))
            return False
        return self.decide(request)

    def parse(self, head: bytes) -> Optional[Request]:
        lines = head.decode("latin-1").split("\r\n")
        parts = lines[0].split(" ")
        if len(parts) != 3 or not parts[2].startswith("HTTP/1."):
            return None
        headers = []
        for line in lines[1:]:
            name, colon, value = line.partition(":")
            if not colon or not name or name != name.strip():
                return None
            headers.append((name, value.strip()))
        request = Request(parts[0], parts[1], parts[2], headers)
        if request.version == "HTTP/1.1" and request.get("host") is None:
            return None
        length = request.get("content-length") or "0"
        self.body_left = int(length) if length.isdigit() else 0
        request.wants_websocket = self.wants_websocket(request)
        return request

    @staticmethod
    def wants_websocket(request: Request) -> bool:
        connection = [word.strip().lower() for word in (request.get("connection") or "").split(",")]
        return (
            request.method == "GET"
            and request.version == "HTTP/1.1"
            and (request.get("upgrade") or "").lower() == "websocket"
            and "upgrade" in connection
            and request.get("sec-websocket-version") == "13"
        )

    def decide(self, request: Request) -> bool:
        if "//" in request.target.partition("?")[0]:
            answer: Union[Refusal, Admission, None] = Refusal(400, "Bad Request", timestamp=False)
        elif request.wants_websocket and not request.get("sec-websocket-key"):
            answer = Refusal(400, "Bad Request")
        else:
            answer = self.judge(request)
        if answer is None:
            self.over = True
            return False
        if isinstance(answer, Refusal):
            self.refuse(request, answer)
            return True
        self.upgrade(request, answer)
        return False

    def refuse(self, request: Optional[Request], refusal: Refusal) -> None:
        if request:
            self.judged(request, refusal.status)
        headers = [("Date", email.utils.formatdate(usegmt=True)), *refusal.headers]
        if refusal.timestamp:
            headers.append(timestamp_header())
        headers.append(("Content-Length", str(len(refusal.body))))
        if refusal.close:
            headers.append(("Connection", "close"))
        self.write_head(refusal.status, refusal.reason, headers, refusal.body)
        if refusal.close:
            self.over = True
            self.pipe.close()

    def upgrade(self, request: Request, admission: Admission) -> None:
        key = (request.get("sec-websocket-key") or "").encode()
        accept = base64.b64encode(hashlib.sha1(key + WEBSOCKET_GUID).digest()).decode()
        headers = [
            ("Date", email.utils.formatdate(usegmt=True)),
            ("Vary", "Accept-Encoding"),
            timestamp_header(),
            *admission.headers,
            ("Upgrade", "websocket"),
            ("Sec-WebSocket-Accept", accept),
            ("Connection", "Upgrade"),
        ]
        if admission.deflate:
            headers.append(("Sec-WebSocket-Extensions", admission.deflate.header()))
        self.judged(request, 101)
        self.write_head(101, "Switching Protocols", headers, b"")
        self.upgraded = admission.open(self.pipe)
        early, self.unread = bytes(self.unread), bytearray()
        if early:
            self.upgraded.feed(early)
        self.upgraded.start()

    def write_head(
        self, status: int, reason: str, headers: list[tuple[str, str]], body: bytes
    ) -> None:
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers)
        self.pipe.write(f"HTTP/1.1 {status} {reason}\r\n{lines}\r\n".encode("latin-1") + body)
