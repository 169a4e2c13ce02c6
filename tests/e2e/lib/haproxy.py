"""Debian's HAProxy in front of something, in a folder of its own, on loopback alone."""

import socket
from pathlib import Path

from lib.background import Changes
from lib.process import Process

# The part of Debian's haproxy.cfg that stands above what people add.
DEFAULTS = """\
defaults
    mode http
    timeout connect 5s
    timeout client 50s
    timeout server 50s
"""


class HAProxy:
    """Runs from the start on. In `sections`, "{address}" is where it listens."""

    def __init__(self, changes: Changes, folder: Path, port: int, sections: str):
        folder.mkdir(exist_ok=True)
        file = folder / "haproxy.cfg"
        # It does not say when it listens, so it inherits a socket that already does.
        with socket.create_server(("127.0.0.1", port)) as listening:
            address = f"fd@{listening.fileno()}"
            file.write_text(DEFAULTS + sections.replace("{address}", address))
            # -db: one process, so that nothing outlives it.
            self.process = Process(
                changes,
                ["/usr/sbin/haproxy", "-db", "-f", str(file)],
                cwd=folder,
                pass_fds=[listening.fileno()],
            )

    def stop(self) -> None:
        ended = not self.process.is_running()
        self.process.terminate()
        assert not ended, f"HAProxy ended by itself: {self.process.tail()}"
