"""Debian's nginx in front of something, in a folder of its own, as the user who tests."""

from pathlib import Path

from lib.background import Changes
from lib.certs import Leaf
from lib.process import Process

# One process, so that nothing outlives it. Debian's own configuration is not read.
CONFIGURATION = """\
daemon off;
master_process off;
pid {folder}/nginx.pid;
error_log stderr notice;
events {{ }}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
{servers}
}}
"""
SERVER = """\
    server {{
        listen 127.0.0.1:{port} ssl http2;
        ssl_certificate {cert};
        ssl_certificate_key {key};
{inside}
    }}
"""


def server_block(port: int, leaf: Leaf, inside: str) -> str:
    return SERVER.format(port=port, cert=leaf.cert, key=leaf.key, inside=inside)


class Nginx:
    """Runs from the start on. `servers` are its server blocks."""

    def __init__(self, changes: Changes, folder: Path, servers: str):
        folder.mkdir(exist_ok=True)
        file = folder / "nginx.conf"
        file.write_text(CONFIGURATION.format(folder=folder, servers=servers))
        self.process = Process(
            changes,
            ["/usr/sbin/nginx", "-p", str(folder), "-c", str(file), "-e", "stderr"],
            cwd=folder,
        )
        self.process.wait_ready(self.is_ready, "nginx listening")

    def is_ready(self) -> bool:
        """It tells the system's name once its sockets listen."""
        assert self.process.is_running(), "nginx ended at once"
        return any(" OS: " in line for line in self.process.lines)

    def stop(self) -> None:
        self.process.terminate()
