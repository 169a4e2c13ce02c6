"""Lets another program work a peer: POST /NAME with a JSON object calls the peer's operation of
that name and answers its result as JSON. Loopback only, and only in tests.
"""

import asyncio
import inspect
import json
from typing import Any, Callable


class Control:
    def __init__(self, operations: dict[str, Callable[..., Any]]):
        self.operations = operations

    async def start(self, port: int) -> int:
        self.server = await asyncio.start_server(self.serve, "127.0.0.1", port)
        return self.server.sockets[0].getsockname()[1]

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while await self.answer_one(reader, writer):
                pass
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    async def answer_one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        line = await reader.readline()
        if not line:
            return False
        length = 0
        while (header := await reader.readline()).strip():
            name, _, value = header.decode("latin-1").partition(":")
            if name.lower() == "content-length":
                length = int(value)
        body = await reader.readexactly(length)
        status, answer = await self.call(line.split()[1].decode().strip("/"), body)
        data = json.dumps(answer).encode()
        writer.write(
            b"HTTP/1.1 %d X\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
            % (status, len(data))
            + data
        )
        await writer.drain()
        return True

    async def call(self, name: str, body: bytes) -> tuple[int, Any]:
        operation = self.operations.get(name)
        if not operation:
            return 404, {"error": f"no operation {name!r}", "operations": sorted(self.operations)}
        try:
            result = operation(**json.loads(body or b"{}"))
            if inspect.isawaitable(result):
                result = await result
            return 200, result
        except Exception as error:  # whatever it is, the caller must see it
            return 400, {"error": f"{type(error).__name__}: {error}"}


async def run_with_control(
    describe: dict[str, Any], operations: dict[str, Callable[..., Any]], port: int
) -> None:
    """Prints one line with the ports, then serves until it is ended."""
    control_port = await Control(operations).start(port)
    print(json.dumps({**describe, "control_port": control_port}), flush=True)
    await asyncio.Event().wait()
