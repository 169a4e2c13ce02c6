"""A raw websocket client without any manners of its own, to try the strict server's rules."""

import base64
import os
import socket
import ssl
from pathlib import Path
from typing import Optional, Sequence

import frames
import signal_wire

TIMEOUT = 20.0
DEFAULT_HEADERS = (
    ("Host", "localhost"),
    ("Connection", "Upgrade"),
    ("Upgrade", "websocket"),
    ("Sec-WebSocket-Version", "13"),
)


class WebSocketClient:
    """Frames and the resource protocol; what carries them fills in the first three."""

    def __init__(self) -> None:
        self.unread = b""

    def send(self, data: bytes) -> None:
        raise NotImplementedError

    def fill(self) -> None:
        """Reads more, or raises EOFError."""
        raise NotImplementedError

    def expect_eof(self) -> None:
        raise NotImplementedError

    def take(self, length: int) -> bytes:
        while len(self.unread) < length:
            self.fill()
        data, self.unread = self.unread[:length], self.unread[length:]
        return data

    # Frames

    def send_frame(
        self,
        opcode: int,
        payload: bytes = b"",
        fin: bool = True,
        rsv1: bool = False,
        masked: bool = True,
    ) -> None:
        self.send(frames.frame(opcode, payload, fin, rsv1, os.urandom(4) if masked else None))

    def send_message(self, message: bytes) -> None:
        self.send_frame(frames.BINARY, message)

    def read_frame(self) -> tuple[bool, int, bytes]:
        """fin, opcode, payload."""
        first, second = self.take(2)
        assert not second & 0x80, "the server's frames are not masked"
        length = second
        if second >= 126:
            length = int.from_bytes(self.take(2 if second == 126 else 8), "big")
        return bool(first & 0x80), first & 15, self.take(length)

    def read_message(self) -> tuple[bytes, list[int]]:
        """The message and the sizes of its frames."""
        parts: list[bytes] = []
        while True:
            fin, opcode, payload = self.read_frame()
            assert opcode == (frames.CONTINUATION if parts else frames.BINARY), (opcode, payload)
            parts.append(payload)
            if fin:
                return b"".join(parts), [len(part) for part in parts]

    def read_close(self) -> tuple[int, str]:
        """Skips messages until the Close, and checks that nothing but EOF follows it."""
        while True:
            _, opcode, payload = self.read_frame()
            if opcode == frames.CLOSE:
                break
        self.expect_eof()
        return int.from_bytes(payload[:2], "big"), payload[2:].decode()

    # The resource protocol

    def read_request(self) -> dict:
        """The server's next request."""
        message, sizes = self.read_message()
        fields = signal_wire.collect(message)
        assert signal_wire.last_number(fields, 1) == signal_wire.REQUEST, fields
        request = signal_wire.collect(signal_wire.merged(fields, 2) or b"")
        return {
            "verb": signal_wire.last_bytes(request, 1),
            "path": signal_wire.last_bytes(request, 2),
            "body": signal_wire.last_bytes(request, 3),
            "id": signal_wire.last_number(request, 4),
            "headers": request.get(5, []),
            "sizes": sizes,
            "fields": [*request],
        }

    def expect_message(self) -> dict:
        request = self.read_request()
        assert request["path"] == b"/api/v1/message", request["path"]
        return request

    def expect_queue_empty(self) -> None:
        request = self.read_request()
        assert request["path"] == b"/api/v1/queue/empty", request["path"]

    def answer(self, request: dict, status: int = 200) -> None:
        self.send_message(response(request["id"], status))

    def call(self, verb: str, path: str, id: int = 7) -> dict:
        self.send_message(signal_wire.server_request(verb, path, id, [], None))
        return self.read_response()

    def read_response(self) -> dict:
        message, _ = self.read_message()
        fields = signal_wire.collect(message)
        assert signal_wire.last_number(fields, 1) == signal_wire.RESPONSE, fields
        answer = signal_wire.collect(signal_wire.merged(fields, 3) or b"")
        return {
            "id": signal_wire.last_number(answer, 1),
            "status": signal_wire.last_number(answer, 2),
            "message": signal_wire.last_bytes(answer, 3),
            "body": signal_wire.last_bytes(answer, 4),
            "headers": answer.get(5, []),
        }


class ChatClient(WebSocketClient):
    """Over HTTP/1.1."""

    def __init__(self, port: int, ca_file: Path):
        context = ssl.create_default_context(cafile=str(ca_file))
        raw = socket.create_connection(("127.0.0.1", port), TIMEOUT)
        self.tls = context.wrap_socket(raw, server_hostname="localhost")
        super().__init__()

    # HTTP

    def request(
        self,
        authorization: Optional[str] = None,
        path: str = "/v1/websocket/",
        method: str = "GET",
        version: str = "HTTP/1.1",
        headers: Sequence[tuple[str, Optional[str]]] = (),
    ) -> tuple[int, str, dict[str, str]]:
        """`headers` replace the usual ones (None: leave out). Returns status, reason, headers."""
        wanted = dict(DEFAULT_HEADERS) | {
            "Sec-WebSocket-Key": base64.b64encode(os.urandom(16)).decode()
        }
        if authorization is not None:
            wanted["Authorization"] = authorization
        wanted |= dict(headers)  # type: ignore[arg-type]
        lines = [
            f"{method} {path} {version}",
            *(f"{name}: {value}" for name, value in wanted.items() if value is not None),
            "",
            "",
        ]
        self.tls.sendall("\r\n".join(lines).encode())
        return self.read_head()

    def read_head(self) -> tuple[int, str, dict[str, str]]:
        while b"\r\n\r\n" not in self.unread:
            self.fill()
        head, _, self.unread = self.unread.partition(b"\r\n\r\n")
        lines = head.decode("latin-1").split("\r\n")
        _, status, reason = lines[0].split(" ", 2)
        headers = {
            name.lower(): value.strip()
            for name, _, value in (line.partition(":") for line in lines[1:])
        }
        self.take(int(headers.get("content-length", 0)))
        return int(status), reason, headers

    # What carries the frames

    def send(self, data: bytes) -> None:
        self.tls.sendall(data)

    def fill(self) -> None:
        data = self.tls.recv(65536)
        if not data:
            raise EOFError("the server ended the connection")
        self.unread += data

    def expect_eof(self) -> None:
        try:
            data = self.unread or self.tls.recv(1)
        except (ssl.SSLError, ConnectionError):
            data = b""
        assert data == b"", data

    def close(self) -> None:
        self.tls.close()


def response(id: Optional[int], status: Optional[int] = 200, text: Optional[str] = "OK") -> bytes:
    fields: list = [
        (number, value) for number, value in ((1, id), (2, status), (3, text)) if value is not None
    ]
    return signal_wire.message([(1, signal_wire.RESPONSE), (3, signal_wire.message(fields))])
