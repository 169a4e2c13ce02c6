"""Ports that are free now. Whoever binds one later must cope with losing it."""

import itertools
import os
import random
import socket

# Below those that outgoing connections get, so that none can be in the way; workers that share the
# tests between them have a range each.
WORKER = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
PER_WORKER = 2000
FIRST = 20000 + WORKER % 6 * PER_WORKER
# In another order in each run, and none twice until all others had their turn.
ports = itertools.cycle(random.sample(range(FIRST, FIRST + PER_WORKER), PER_WORKER))


def free_port() -> int:
    for _ in range(100):
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
            try:
                probe.bind(("0.0.0.0", next(ports)))
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
