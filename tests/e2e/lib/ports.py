"""Ports that are free now. Whoever binds one later must cope with losing it."""

import random
import socket


def free_port() -> int:
    """Below the range from which outgoing connections take theirs, so that none can be in the way."""
    for _ in range(100):
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
            try:
                probe.bind(("0.0.0.0", random.randrange(20000, 32000)))
                return probe.getsockname()[1]
            except OSError:
                continue
    raise OSError("no port is free")


def has_ipv6_loopback() -> bool:
    try:
        with socket.socket(socket.AF_INET6, socket.SOCK_STREAM) as probe:
            probe.bind(("::1", 0))
        return True
    except OSError:
        return False
