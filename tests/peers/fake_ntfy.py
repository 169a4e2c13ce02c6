#!/usr/bin/python3
"""A push server that answers like ntfy (push-measured.md 1), or as badly as a test wants. Records
every request. In a test it is an object on an asyncio loop; as a program it prints one JSON line
with its ports and is worked through control.py:

    fake_ntfy.py --cert CERT --key KEY [--port 0] [--control-port 0]
"""

import argparse
import asyncio
import dataclasses
import json
import secrets
import socket
import ssl
import string
import struct
import time
from typing import Any, Callable, Optional, Sequence

from control import run_with_control

TOPIC_LENGTH = 12  # after "up"; ntfy bills the phone only for such names
BODY_MAX = 4096
REASONS = {
    200: "OK",
    201: "Created",
    302: "Found",
    400: "Bad Request",
    401: "Unauthorized",
    403: "Forbidden",
    404: "Not Found",
    410: "Gone",
    413: "Request Entity Too Large",
    429: "Too Many Requests",
    500: "Internal Server Error",
    502: "Bad Gateway",
    503: "Service Unavailable",
    507: "Insufficient Storage",
}
# ntfy's codes: the status is in the first three digits.
ERRORS = {
    40007: "invalid request: priority invalid",
    40009: "invalid request: topic invalid",
    40014: "invalid request: message must be UTF-8",
    40101: "unauthorized",
    40301: "forbidden",
    40401: "page not found",
    42901: "limit reached: too many requests",
    42904: "limit reached: the total number of topics on the server has been reached",
    42908: "limit reached: daily message quota reached",
    42909: "limit reached: too many auth failures",
    50701: "cannot publish to UnifiedPush topic without previously active subscriber",
}
MISBEHAVIOUR = (
    "hang",
    "reset",
    "eof",
    "slow",
    "endless_body",
    "endless_headers",
    "endless_trailers",
    "garbage",
)


@dataclasses.dataclass
class Push:
    """One request as it came."""

    number: int
    time: float
    connection: int
    method: str
    target: str
    headers: list[tuple[str, str]]
    body: bytes
    answer: Any
    answered: Optional[float] = None

    def get(self, name: str) -> Optional[str]:
        return next((value for known, value in self.headers if known.lower() == name.lower()), None)

    @property
    def topic(self) -> str:
        return self.target.partition("?")[0].strip("/")


@dataclasses.dataclass
class Script:
    """What to answer next: `answer` for ever, or for `times` requests."""

    answer: Any
    times: Optional[int] = None


class FakeNtfy:
    """An answer is an HTTP status, one of ntfy's codes (42901), one of MISBEHAVIOUR, or a
    dictionary {"status", "headers", "body"}. "hang" waits until `release` says what to answer.
    """

    def __init__(self, cert: str, key: str, on_change: Callable[[], None] = lambda: None):
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(cert, key)
        self.on_change = on_change
        self.changes = 0
        self.pushes: list[Push] = []
        self.scripts: dict[str, list[Script]] = {}
        self.hanging: dict[int, asyncio.Future] = {}
        self.connections = 0
        self.open_connections: set[int] = set()
        self.writers: set[asyncio.StreamWriter] = set()
        self.tasks: set[asyncio.Task] = set()
        self.port = 0

    async def start(self, port: int = 0, hosts: Sequence[str] = ("127.0.0.1", "::1")) -> int:
        self.servers: list[asyncio.Server] = []
        self.hosts = hosts
        for host in hosts:
            try:
                server = await asyncio.start_server(
                    self.serve, host, self.port or port, ssl=self.context, backlog=1024
                )
            except OSError:
                if not self.servers:
                    raise
                continue  # a machine without IPv6
            self.servers.append(server)
            self.port = server.sockets[0].getsockname()[1]
        return self.port

    async def stop(self) -> None:
        self.stop_listening()
        self.drop_connections()
        tasks = list(self.tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def stop_listening(self) -> None:
        """Refuses new connections; those that are open go on."""
        for server in self.servers:
            server.close()

    async def listen_again(self) -> None:
        await self.start(self.port, self.hosts)

    def present(self, cert: str, key: str) -> None:
        """Another certificate, to those who connect from now on."""
        self.context.load_cert_chain(cert, key)

    # Serving

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        number = self.connections
        self.open_connections.add(number)
        self.writers.add(writer)
        task = asyncio.current_task()
        assert task
        self.tasks.add(task)
        try:
            while await self.serve_one(reader, writer, number):
                pass
        except (
            ConnectionError,
            asyncio.IncompleteReadError,
            asyncio.LimitOverrunError,
            ssl.SSLError,
            asyncio.CancelledError,
        ):
            pass
        finally:
            self.open_connections.discard(number)
            self.writers.discard(writer)
            self.tasks.discard(task)
            writer.transport.abort() if writer.transport.is_closing() else writer.close()
            self.changed()

    async def serve_one(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, connection: int
    ) -> bool:
        try:
            head = await reader.readuntil(b"\r\n\r\n")
        except asyncio.IncompleteReadError:
            return False
        lines = head.decode("latin-1").split("\r\n")
        method, target, _ = lines[0].split(" ")
        headers = [
            (name, value.strip())
            for name, _, value in (line.partition(":") for line in lines[1:] if line)
        ]
        length = next((value for name, value in headers if name.lower() == "content-length"), "0")
        body = await reader.readexactly(int(length))
        push = Push(
            len(self.pushes) + 1, time.monotonic(), connection, method, target, headers, body, None
        )
        push.answer = self.next_answer(push)
        self.pushes.append(push)
        self.changed()
        return await self.answer(push, push.answer, writer)

    def next_answer(self, push: Push) -> Any:
        if (push.method, push.target) == ("GET", "/v1/health"):
            return {"status": 200, "body": '{"healthy":true}\n'}
        for name in (push.topic, ""):
            scripts = self.scripts.get(name) or []
            if not scripts:
                continue
            script = scripts[0]
            if script.times is not None:
                script.times -= 1
                if script.times == 0:
                    scripts.pop(0)
            return script.answer
        return 200

    async def answer(self, push: Push, answer: Any, writer: asyncio.StreamWriter) -> bool:
        if answer == "hang":
            self.hanging[push.number] = asyncio.get_running_loop().create_future()
            answer = await self.hanging[push.number]
        if answer in MISBEHAVIOUR:
            return await self.misbehave(answer, writer)
        status, headers, body = self.compose(push, answer)
        lines = [
            f"HTTP/1.1 {status} {REASONS.get(status, 'Status')}",
            *headers,
            f"Content-Length: {len(body)}",
            "",
            "",
        ]
        writer.write("\r\n".join(lines).encode() + body)
        await writer.drain()
        push.answered = time.monotonic()
        self.changed()
        return "Connection: close" not in headers

    def compose(self, push: Push, answer: Any) -> tuple[int, list[str], bytes]:
        date = time.strftime("Date: %a, %d %b %Y %H:%M:%S GMT", time.gmtime())
        if isinstance(answer, dict):
            headers = [f"{name}: {value}" for name, value in (answer.get("headers") or {}).items()]
            return answer["status"], [date, *headers], (answer.get("body") or "").encode()
        json_headers = [date, "Content-Type: application/json", "Access-Control-Allow-Origin: *"]
        if answer == 200:
            return 200, json_headers, self.echo(push)
        if answer > 999:
            body = {"code": answer, "http": answer // 100, "error": ERRORS.get(answer, "error")}
            return answer // 100, json_headers, json.dumps(body).encode() + b"\n"
        return answer, [date], b""

    @staticmethod
    def echo(push: Push) -> bytes:
        """Longer bodies are cut without a word, an empty one becomes "triggered"."""
        now = int(time.time())
        message = push.body[:BODY_MAX].decode("latin-1") or "triggered"
        return (
            json.dumps(
                {
                    "id": secrets.token_urlsafe(9)[:12],
                    "time": now,
                    "expires": now + 43200,
                    "event": "message",
                    "topic": push.topic,
                    "message": message,
                }
            ).encode()
            + b"\n"
        )

    async def misbehave(self, kind: str, writer: asyncio.StreamWriter) -> bool:
        if writer.transport.is_closing():
            return False  # the client has gone already
        if kind == "reset":
            raw = writer.get_extra_info("socket")
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            writer.transport.abort()
        elif kind == "garbage":
            writer.write(b"\x15\x03\x01\x00\x02 this is not HTTP\r\n\r\n")
            await writer.drain()
        elif kind == "slow":
            await self.drip(writer, b"HTTP/1.1 200 OK\r\n", b"X-Slow: 1\r\n", 0.2)
        elif kind == "endless_headers":
            await self.drip(writer, b"HTTP/1.1 200 OK\r\n", b"X-Endless: %s\r\n" % (b"x" * 4000), 0)
        elif kind == "endless_body":
            await self.drip(
                writer,
                b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
                b"1000\r\n%s\r\n" % (b"x" * 4096),
                0,
            )
        elif kind == "endless_trailers":
            await self.drip(
                writer,
                b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n",
                b"X-Endless: %s\r\n" % (b"x" * 4000),
                0,
            )
        return False  # "eof": just that

    @staticmethod
    async def drip(writer: asyncio.StreamWriter, start: bytes, piece: bytes, pause: float) -> None:
        """Until the client has had enough."""
        writer.write(start)
        while True:
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(pause)

    # Operations

    def endpoint(self, topic: Optional[str] = None) -> str:
        letters = string.ascii_letters + string.digits
        topic = topic or "up" + "".join(secrets.choice(letters) for _ in range(TOPIC_LENGTH))
        return f"https://localhost:{self.port}/{topic}?up=1"

    def answer_with(self, answer: Any, times: Optional[int] = None, topic: str = "") -> None:
        """From now on; with `times` what was there before comes back after. `topic` "": any."""
        scripts = self.scripts.setdefault(topic, [])
        if times is None:
            scripts.clear()
        scripts.insert(0, Script(answer, times))

    def release(self, answer: Any = 200) -> int:
        """Answers what hangs. Returns how many."""
        waiting = [future for future in self.hanging.values() if not future.done()]
        for future in waiting:
            future.set_result(answer)
        self.hanging.clear()
        return len(waiting)

    def drop_connections(self) -> None:
        for writer in list(self.writers):
            writer.transport.abort()

    def state(self) -> dict:
        return {
            "changes": self.changes,
            "connections": self.connections,
            "open_connections": sorted(self.open_connections),
            "pushes": [
                {**dataclasses.asdict(push), "body": push.body.hex()} for push in self.pushes
            ],
        }

    def changed(self) -> None:
        self.changes += 1
        self.on_change()

    def operations(self) -> dict[str, Callable[..., Any]]:
        return {
            operation.__name__: operation
            for operation in (
                self.endpoint,
                self.answer_with,
                self.release,
                self.drop_connections,
                self.stop_listening,
                self.listen_again,
                self.present,
                self.state,
            )
        }


async def main() -> None:
    parser = argparse.ArgumentParser(description="A push server that answers like ntfy")
    parser.add_argument("--cert", required=True)
    parser.add_argument("--key", required=True)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--control-port", type=int, default=0)
    arguments = parser.parse_args()
    server = FakeNtfy(arguments.cert, arguments.key)
    port = await server.start(arguments.port)
    await run_with_control({"port": port}, server.operations(), arguments.control_port)


if __name__ == "__main__":
    try:
        asyncio.run(main())
    except KeyboardInterrupt:
        pass
