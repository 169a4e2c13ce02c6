"""Thousands of accounts whose messenger's server goes away for minutes and comes back."""

import asyncio
import collections
import socket
import struct
import threading
import time
from typing import Sequence

from case import HTTP2, Alone, Case

SPREAD_MAX = 112  # connects begun in any second: 100, a burst of 10, and what the clocks differ
LINKS_SECONDS = 240.0
LAST_ACK_RECEIVED = 56  # where struct tcp_info has tcpi_last_ack_recv
SHAKING_MAX = 64 + 16  # TLS handshakes at once: the program's own limit, and what the server sees late
MEMORY_FACTOR, MEMORY_SLACK = 1.15, 8 << 20
DESCRIPTOR_SLACK = 64  # dials, pushes and the store come and go
LOOK_SECONDS = 0.5
ROOM_FOR_OTHERS = 10  # the healthy phones of its world


class Crowd(Alone):
    name = "crowd with the server gone"
    long_only = True
    phones = 5000
    by_rows = True
    own_messages = 1000
    outage_seconds = 600.0
    starts = 0
    fault_settings = {
        "log.level": "info",
        "signal.proof": "60s",
        "signal.reconnect_min": "2s",
        "signal.reconnect_max": "60s",
        "signal.keepalive": "30s",
        "signal.keepalive_timeout": "20s",
        "net.handshake_timeout": "30s",
        "net.connect_timeout": "10s",
    }

    def __init__(self) -> None:
        self.resize(self.phones, self.outage_seconds)

    def resize(self, phones: int, outage_seconds: float) -> None:
        self.phones, self.outage_seconds = phones, outage_seconds
        most = phones + ROOM_FOR_OTHERS  # it opens no descriptor more than so many need
        self.fault_settings = {**self.fault_settings, "accounts.max": most}

    async def inject(self, case: Case) -> None:
        signal = case.signal
        await self.until_linked(case)
        self.before = case.program.resident(), case.program.descriptors()
        self.peaks = self.before
        looking = asyncio.ensure_future(self.look(case))
        await signal.stop_listening()
        doorman = Doorman(signal.hosts[0], self.port(case))
        case.cut("reset")
        for _ in range(self.own_messages):
            case.send(case.draws.choice(case.phones))
        await asyncio.sleep(self.outage_seconds)
        doorman.stop()
        self.starts = len(doorman.times)
        self.most = most_in_a_second(doorman.times)
        signal.tls_under_way_most = 0
        await signal.listen_again()
        await self.until_linked(case)
        looking.cancel()

    def port(self, case: Case) -> int:
        return case.signal.http2_port if self.road == HTTP2 else case.signal.port

    def least_starts(self) -> int:
        """Over HTTP/2 one connection is tried for all that wait."""
        return 1 if self.road == HTTP2 else self.phones // 2

    async def look(self, case: Case) -> None:
        """At the most of each, all the time that the server is gone and everybody comes back."""
        while True:
            now = case.program.resident(), case.program.descriptors()
            self.peaks = max(self.peaks[0], now[0]), max(self.peaks[1], now[1])
            await asyncio.sleep(LOOK_SECONDS)

    async def until_linked(self, case: Case) -> None:
        await case.world.until(
            lambda: sum(1 for device in case.signal.devices.values() if device.session)
            >= len(case.phones),
            "all links",
            LINKS_SECONDS,
        )

    def hits(self, case: Case) -> int:
        """Connections that were turned away."""
        return self.starts

    async def check(self, case: Case) -> None:
        (memory, descriptors), (most_memory, most_descriptors) = self.before, self.peaks
        shaking = case.signal.tls_under_way_most
        print(
            f"{self.name}: {len(case.phones)} accounts, {self.starts} connects, at most "
            f"{self.most} in a second; memory {memory >> 20} MiB before and {most_memory >> 20} MiB "
            f"at most, descriptors {descriptors} and {most_descriptors}; at most {shaking} TLS "
            "handshakes at once when it came back"
        )
        assert self.starts >= self.least_starts(), f"only {self.starts} connects"
        assert self.most <= SPREAD_MAX, f"{self.most} connects in a second"
        assert 0 < shaking <= SHAKING_MAX, f"{shaking} handshakes at once"
        grown = most_memory - memory
        assert most_memory <= memory * MEMORY_FACTOR + MEMORY_SLACK, f"memory grew by {grown}"
        grown = most_descriptors - descriptors
        assert grown <= DESCRIPTOR_SLACK, f"descriptors grew by {grown}"
        assert "too many open files" not in case.program.said().lower(), "no descriptors left"


class Doorman:
    """Turns away whoever connects and notes when; in a thread, so that nothing else delays it."""

    def __init__(self, host: str, port: int):
        self.times: list[float] = []
        self.listener = socket.create_server((host, port), backlog=1024)
        self.thread = threading.Thread(target=self.turn_away, daemon=True)
        self.thread.start()

    def turn_away(self) -> None:
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            self.times.append(time.monotonic() - waited(connection))
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            connection.close()

    def stop(self) -> None:
        self.listener.shutdown(socket.SHUT_RDWR)  # which ends accept
        self.thread.join()
        self.listener.close()


def waited(connection: socket.socket) -> float:
    """Seconds since its last packet came: since it was made, if it was accepted late."""
    info = connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 104)
    milliseconds: int = struct.unpack_from("I", info, LAST_ACK_RECEIVED)[0]
    return milliseconds / 1000


def most_in_a_second(times: Sequence[float]) -> int:
    window: collections.deque[float] = collections.deque()
    most = 0
    for time in sorted(times):
        window.append(time)
        while window[0] < time - 1:
            window.popleft()
        most = max(most, len(window))
    return most
