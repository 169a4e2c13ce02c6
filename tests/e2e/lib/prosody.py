"""Debian's Prosody with mod_unified_push over HTTPS, run by itself in a folder of its own; never as
root.
"""

import os
import pwd
import shutil
import tempfile
from pathlib import Path

from lib.background import Changes
from lib.certs import Authority
from lib.ports import free_port, has_ipv6_loopback
from lib.process import Process

HOST = "localhost"
CONFIGURATION = """\
pidfile = "{folder}/prosody.pid"
data_path = "{folder}/data"
plugin_paths = {{ "/usr/lib/prosody/modules" }}
log = {{ debug = "*console" }}
interfaces = {{ {interfaces} }}
c2s_ports = {{ {c2s_port} }}
s2s_ports = {{ }}
http_ports = {{ }}
https_ports = {{ {https_port} }}
https_interfaces = {{ {interfaces} }}
https_ssl = {{ certificate = "{folder}/cert.pem", key = "{folder}/cert.key" }}
modules_enabled = {{ "saslauth", "tls", "disco", "roster", "http" }}
modules_disabled = {{ "s2s" }}
authentication = "internal_plain"
c2s_require_encryption = true
VirtualHost "{host}"
    ssl = {{ certificate = "{folder}/cert.pem", key = "{folder}/cert.key" }}
    modules_enabled = {{ "unified_push" }}
    unified_push_backend = "{backend}"
    unified_push_secret = "only for tests"
    unified_push_registration_ttl = {registration_seconds}
    http_external_url = "https://{host}:{https_port}/"
"""


class Prosody:
    def __init__(
        self,
        changes: Changes,
        authority: Authority,
        registration_seconds: int = 86400,
        backend: str = "jwt",
    ):
        self.c2s_port, self.https_port = free_port(), free_port()
        self.folder = Path(tempfile.mkdtemp(prefix="prosody-"))
        leaf = authority.leaf("prosody")
        shutil.copy(leaf.cert, self.folder / "cert.pem")
        shutil.copy(leaf.key, self.folder / "cert.key")
        (self.folder / "data").mkdir()
        interfaces = ["127.0.0.1"] + (["::1"] if has_ipv6_loopback() else [])
        (self.folder / "prosody.cfg.lua").write_text(
            CONFIGURATION.format(
                folder=self.folder,
                host=HOST,
                c2s_port=self.c2s_port,
                https_port=self.https_port,
                interfaces=", ".join(f'"{interface}"' for interface in interfaces),
                backend=backend,
                registration_seconds=registration_seconds,
            )
        )
        self.process = Process(
            changes,
            ["prosody", "--config", str(self.folder / "prosody.cfg.lua"), "-F"],
            cwd=self.folder,
            **self.unprivileged(),
        )
        changes.wait_for(self.is_ready, "Prosody listening")

    @property
    def origin(self) -> str:
        return f"https://{HOST}:{self.https_port}"

    def unprivileged(self) -> dict:
        """As root it would change its user itself, but after reading what others may not."""
        if os.geteuid() != 0:
            return {}
        user = pwd.getpwnam("prosody")
        for path in [self.folder, *self.folder.rglob("*")]:
            os.chown(path, user.pw_uid, user.pw_gid)
        return {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}

    def is_ready(self) -> bool:
        assert self.process.is_running(), "\n".join(self.process.output + self.process.lines)
        wanted = [f":{self.c2s_port}", f":{self.https_port}"]
        return all(
            any("Activated service" in line and port_text in line for line in self.process.output)
            for port_text in wanted
        )

    def add_user(self, name: str, password: str) -> None:
        folder = self.folder / "data" / HOST / "accounts"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{name}.dat").write_text(f'return {{ ["password"] = "{password}"; }};\n')
        if os.geteuid() == 0:
            shutil.chown(self.folder / "data" / HOST, "prosody", "prosody")
            shutil.chown(folder, "prosody", "prosody")
            shutil.chown(folder / f"{name}.dat", "prosody", "prosody")

    def stop(self) -> None:
        if self.process.is_running():
            self.process.popen.terminate()
            self.process.wait()
        self.process.end()
        shutil.rmtree(self.folder, ignore_errors=True)
