"""A network with addresses that this machine does not have. A thread lives in it: what is opened or
started there belongs to it for good. Needs root.
"""

import contextlib
import ctypes
import os
import shutil
import subprocess
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Callable, Iterator

from lib.background import DEADLINE, Background

CLONE_NEWNET = 0x40000000
libc = ctypes.CDLL(None, use_errno=True)


def checked(result: int) -> None:
    if result != 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


def network_of_this_thread() -> int:
    return os.open("/proc/thread-self/ns/net", os.O_RDONLY)


def move_to(network: int) -> None:
    checked(libc.setns(network, CLONE_NEWNET))


def may_have_network(address: str) -> bool:
    make = f"ip link set lo up && ip address add {address} dev lo"
    if os.geteuid() != 0 or not shutil.which("ip") or not shutil.which("unshare"):
        return False
    return subprocess.run(["unshare", "--net", "sh", "-c", make], capture_output=True).returncode == 0


class OwnNetwork:
    def __init__(self, *addresses: str):
        self.thread = ThreadPoolExecutor(1, "own network")
        self.network = self.inside(self.make, addresses)

    @staticmethod
    def make(addresses: tuple[str, ...]) -> int:
        checked(libc.unshare(CLONE_NEWNET))
        subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
        for address in addresses:
            # Without it nobody can listen there until the kernel has looked for duplicates.
            at_once = ["nodad"] if ":" in address else []
            subprocess.run(["ip", "address", "add", address, "dev", "lo", *at_once], check=True)
        return network_of_this_thread()

    def inside(self, function: Callable[..., Any], *args: Any) -> Any:
        """Calls it in the thread that lives there."""
        return self.thread.submit(function, *args).result(2 * DEADLINE)

    @contextlib.contextmanager
    def with_peers(self, background: Background) -> Iterator[None]:
        """Meanwhile the peers' loop opens its sockets there."""
        before = background.call(network_of_this_thread)
        background.call(move_to, self.network)
        try:
            yield
        finally:
            background.call(move_to, before)
            os.close(before)

    def leave(self) -> None:
        os.close(self.network)
        self.thread.shutdown()
