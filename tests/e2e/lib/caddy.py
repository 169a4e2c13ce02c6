"""Debian's Caddy in front of something, in a folder of its own, on loopback alone."""

import os
from pathlib import Path

from lib.background import Changes
from lib.process import Process

# No remote control, and it gets no certificates; what it keeps stays in its folder. A browser's
# idle connections do not hold up its end.
CONFIGURATION = """\
{{
    admin off
    grace_period 1ms
    auto_https off
    default_bind 127.0.0.1
    https_port {https_port}
}}
{sites}
"""

# MollySocket's sample for a part of a site; only the port is the test's.
MOLLYSOCKETS_SAMPLE = """\
    handle_path /molly/* {{
        reverse_proxy h2c://127.0.0.1:{port} {{
            header_up X-Original-URL "/molly/"
        }}
    }}
"""


def plain_site(port: int, inside: str) -> str:
    """Without TLS."""
    return f"http://:{port} {{\n{inside}\n}}"


class Caddy:
    """Runs from the start on. `sites` are its site blocks; those that name no port and have TLS
    listen at `https_port`.
    """

    def __init__(self, changes: Changes, folder: Path, sites: str, https_port: int = 443):
        folder.mkdir(exist_ok=True)
        file = folder / "Caddyfile"
        file.write_text(CONFIGURATION.format(https_port=https_port, sites=sites))
        own = {name: str(folder) for name in ("HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME")}
        self.process = Process(
            changes,
            ["/usr/bin/caddy", "run", "--config", str(file), "--adapter", "caddyfile"],
            cwd=folder,
            env={**os.environ, **own},
        )
        self.process.wait_ready(self.is_ready, "Caddy listening")

    def is_ready(self) -> bool:
        assert self.process.is_running(), "Caddy ended at once"
        return any("serving initial configuration" in line for line in self.process.lines)

    def stop(self) -> None:
        self.process.terminate()
