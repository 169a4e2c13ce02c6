"""A tiny nameserver on UDP that answers, denies or keeps silent, name by name (RFC 1035)."""

import asyncio
import ipaddress
import struct
from typing import Callable, Optional, Union

from lib.background import Background, Changes, OnLoop

TYPES = {1: 4, 28: 6}  # A, AAAA: the version of the addresses
RESPONSE, NO_SUCH_NAME = 0x8580, 0x8583  # authoritative, recursion available
POINTER_TO_QUESTION = 0xC00C
TTL_SECONDS = 30
SILENT = "silent"


class Protocol(asyncio.DatagramProtocol):
    def __init__(self, on_change: Callable[[], None]):
        self.on_change = on_change
        self.names: dict[str, Union[str, list[str]]] = {}
        self.questions: list[tuple[str, int]] = []  # name, version
        self.held: list[tuple[bytes, tuple]] = []
        self.transport: Optional[asyncio.DatagramTransport] = None

    async def start(self) -> None:
        loop = asyncio.get_running_loop()
        await loop.create_datagram_endpoint(lambda: self, ("127.0.0.1", 0))

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport  # type: ignore[assignment]

    def stop(self) -> None:
        if self.transport:
            self.transport.close()

    @property
    def port(self) -> int:
        assert self.transport
        return self.transport.get_extra_info("sockname")[1]

    def set(self, name: str, addresses: Union[str, list[str]]) -> None:
        """Addresses in the order in which they are told, or SILENT. What is held by then stays so."""
        self.names[name] = addresses

    def release(self) -> None:
        """Answers what was held, as the names are now."""
        held, self.held = self.held, []
        for query, peer in held:
            self.datagram_received(query, peer)

    def datagram_received(self, query: bytes, peer: tuple) -> None:
        name, kind, end = self.read_question(query)
        known = self.names.get(name)
        self.questions.append((name, TYPES.get(kind, 0)))
        if known == SILENT:
            self.held.append((query, peer))
        else:
            assert self.transport
            self.transport.sendto(self.answer(query, end, kind, known), peer)
        self.on_change()

    @staticmethod
    def read_question(query: bytes) -> tuple[str, int, int]:
        labels, at = [], 12
        while query[at]:
            labels.append(query[at + 1 : at + 1 + query[at]].decode())
            at += 1 + query[at]
        return ".".join(labels).lower(), int.from_bytes(query[at + 1 : at + 3], "big"), at + 5

    @staticmethod
    def answer(query: bytes, end: int, kind: int, known: Union[str, list[str], None]) -> bytes:
        found = [
            address
            for address in map(ipaddress.ip_address, known or [])
            if address.version == TYPES.get(kind)
        ]
        flags = NO_SUCH_NAME if known is None else RESPONSE
        records = b"".join(
            struct.pack("!HHHIH", POINTER_TO_QUESTION, kind, 1, TTL_SECONDS, len(address.packed))
            + address.packed
            for address in found
        )
        return (
            query[:2] + struct.pack("!HHHHH", flags, 1, len(found), 0, 0) + query[12:end] + records
        )


class Nameserver(OnLoop):
    def __init__(self, background: Background, changes: Changes):
        super().__init__(background, Protocol(changes.notify))
        self.changed = changes
        self.start()

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    def asked_for(self, name: str) -> int:
        return sum(asked == name for asked, _ in list(self.questions))

    def wait_asked(self, name: str, count: int = 1) -> None:
        self.changed.wait_for(
            lambda: self.asked_for(name) >= count, f"question {count} about {name}"
        )
