"""nginx at the public address, and who comes by it."""

import json
import ssl
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any, Optional

from lib.background import Changes
from lib.certs import Authority, Leaf
from lib.doorbell import MOLLY, Doorbell
from lib.nginx import Nginx, server_block
from lib.ports import free_port


class Front:
    def __init__(self, changes: Changes, folder: Path, leaf: Leaf):
        self.changes, self.folder, self.leaf = changes, folder, leaf
        self.port = free_port()
        self.nginx: Optional[Nginx] = None

    def url(self, path: str = "/") -> str:
        return f"https://localhost:{self.port}{path}"

    def serve(self, inside: str) -> None:
        self.stop()
        self.nginx = Nginx(
            self.changes, self.folder, server_block(self.port, self.leaf, inside)
        )

    def serve_at(self, path: str, words: str) -> None:
        self.serve(f"location {path} {{ {words} }}")

    def lead_to(self, doorbell: Doorbell, path: str = "/", to: str = "/") -> None:
        """Without `to` it hands the path on."""
        self.serve(
            f"location {path} {{ proxy_pass http://127.0.0.1:{doorbell.port}{to}; "
            "proxy_set_header Host $http_host; proxy_set_header X-Forwarded-For $remote_addr; }"
        )

    def stop(self) -> None:
        if self.nginx:
            self.nginx.stop()


class ByFront:
    """A phone that knows the public address only."""

    def __init__(self, front: Front, authority: Authority):
        self.front = front
        self.context = ssl.create_default_context(cafile=str(authority.file))

    def ask(self, path: str, body: Optional[bytes] = None) -> tuple[int, bytes]:
        request = urllib.request.Request(
            self.front.url(path),
            data=body,
            headers={"User-Agent": MOLLY, "Content-Type": "application/json; charset=utf-8"},
        )
        try:
            with urllib.request.urlopen(request, context=self.context, timeout=30) as answer:
                return answer.status, answer.read()
        except urllib.error.HTTPError as error:
            return error.code, error.read()

    def register(self, doorbell: Doorbell, path: str, account: Any, endpoint: str) -> str:
        status, answer = self.ask(path, doorbell.registration(account, endpoint))
        assert status == 200, (status, answer)
        return json.loads(answer)["mollysocket"]["status"]
