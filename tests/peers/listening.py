"""A port of the strict server: TLS for whoever comes, or what a test wants instead of it."""

import asyncio
import socket
import ssl
import struct
from typing import Callable, Sequence

from tls_pipe import Receiver, TlsPipe

LOOPBACK = ("127.0.0.1", "::1")


class Port:
    def __init__(
        self,
        admit: Callable[[], str],
        context: Callable[[], ssl.SSLContext],
        ready: Callable[[TlsPipe], Receiver],
        failed: Callable[[str], None],
    ):
        """`admit` is told of each connection and says what becomes of it: "normal", "silent" or
        "reset"."""
        self.admit, self.context, self.ready, self.failed = admit, context, ready, failed
        self.number = 0
        self.hosts: Sequence[str] = LOOPBACK
        self.listeners: list[socket.socket] = []
        self.acceptors: list[asyncio.Task] = []
        self.silent: list[socket.socket] = []

    async def listen(self, number: int = 0, hosts: Sequence[str] = LOOPBACK) -> int:
        self.hosts = hosts
        for host in hosts:
            try:
                listener = socket.create_server(
                    (host, self.number or number),
                    family=socket.AF_INET6 if ":" in host else socket.AF_INET,
                    backlog=1024,
                )
            except OSError:
                if not self.listeners:
                    raise
                continue  # a machine without IPv6
            listener.setblocking(False)
            self.number = listener.getsockname()[1]
            self.listeners.append(listener)
            self.acceptors.append(asyncio.create_task(self.accept(listener)))
        return self.number

    async def stop(self) -> None:
        """Refuses new connections; those that are open go on."""
        for task in self.acceptors:
            task.cancel()
        await asyncio.gather(*self.acceptors, return_exceptions=True)
        await asyncio.sleep(0)  # the loop forgets the sockets before their numbers are used again
        for listener in self.listeners:
            listener.close()
        self.acceptors, self.listeners = [], []

    async def accept(self, listener: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        while True:
            connection, _ = await loop.sock_accept(listener)
            how = self.admit()
            if how == "silent":
                self.silent.append(connection)
            elif how == "reset":
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                connection.close()
            else:
                await loop.connect_accepted_socket(
                    lambda: TlsPipe(self.context(), self.ready, self.failed), connection
                )

    def free_silent(self) -> None:
        for connection in self.silent:
            connection.close()
