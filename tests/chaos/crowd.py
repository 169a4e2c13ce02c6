"""Thousands of accounts whose messenger's server goes away for minutes and comes back."""

import asyncio
import collections
import socket
import struct
import threading
import time
from typing import Sequence

from case import Alone, Case

SPREAD_MAX = 112  # connects begun in any second: 100, a burst of 10, and what the clocks differ
LINKS_SECONDS = 240.0
LAST_ACK_RECEIVED = 56  # where struct tcp_info has tcpi_last_ack_recv
MEMORY_FACTOR, MEMORY_SLACK = 1.15, 8 << 20
DESCRIPTOR_SLACK = 64


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
        "signal.reconnect_min": "2s",
        "signal.reconnect_max": "60s",
        "signal.keepalive": "30s",
        "signal.keepalive_timeout": "20s",
        "net.handshake_timeout": "30s",
        "net.connect_timeout": "10s",
    }

    async def inject(self, case: Case) -> None:
        signal = case.signal
        await self.until_linked(case)
        memory, descriptors = case.program.resident(), case.program.descriptors()
        await signal.stop_listening()
        doorman = Doorman(signal.hosts[0], signal.port)
        signal.end("reset")
        for _ in range(self.own_messages):
            case.send(case.draws.choice(case.phones))
        await asyncio.sleep(self.outage_seconds)
        doorman.stop()
        self.starts = len(doorman.times)
        self.most = most_in_a_second(doorman.times)
        await signal.listen_again()
        await self.until_linked(case)
        self.memory = memory, case.program.resident()
        self.descriptors = descriptors, case.program.descriptors()

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
        before, after = self.memory
        print(
            f"{self.name}: {len(case.phones)} accounts, {self.starts} connects, at most "
            f"{self.most} in a second, memory {before >> 20} MiB before and {after >> 20} MiB "
            f"after, descriptors {self.descriptors[0]} and {self.descriptors[1]}"
        )
        assert self.starts >= len(case.phones) // 2, f"only {self.starts} connects"
        assert self.most <= SPREAD_MAX, f"{self.most} connects in a second"
        assert after <= before * MEMORY_FACTOR + MEMORY_SLACK, f"memory grew: {self.memory}"
        grown = self.descriptors[1] - self.descriptors[0]
        assert grown <= DESCRIPTOR_SLACK, f"descriptors grew: {self.descriptors}"
        assert "Too many open files" not in case.program.said(), "it ran out of descriptors"


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
