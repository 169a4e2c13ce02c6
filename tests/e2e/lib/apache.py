"""Debian's Apache in front of something, in a folder of its own, on loopback alone."""

from pathlib import Path

from lib.background import Changes
from lib.process import Process

# Debian's own configuration is not read; the modules are those of a2enmod ssl proxy_http headers
# and of its default that the samples use. Root gives itself up; others stay who they are.
CONFIGURATION = """\
ServerRoot {folder}
ServerName localhost
DefaultRuntimeDir {folder}
PidFile {folder}/apache.pid
Mutex pthread
User nobody
Group nogroup
ErrorLog /dev/stderr
LogLevel notice proxy:debug
{modules}
Listen 127.0.0.1:{port} https
{sites}
"""
MODULES = (
    "mpm_event",
    "authz_core",
    "alias",
    "headers",
    "socache_shmcb",
    "ssl",
    "proxy",
    "proxy_http",
)


class Apache:
    """Runs from the start on. `sites` are its virtual hosts."""

    def __init__(self, changes: Changes, folder: Path, port: int, sites: str):
        folder.mkdir(exist_ok=True)
        modules = "\n".join(
            f"LoadModule {name}_module /usr/lib/apache2/modules/mod_{name}.so" for name in MODULES
        )
        file = folder / "apache2.conf"
        file.write_text(
            CONFIGURATION.format(folder=folder, modules=modules, port=port, sites=sites)
        )
        # -X: one process, so that nothing outlives it.
        self.process = Process(
            changes, ["/usr/sbin/apache2", "-X", "-f", str(file)], cwd=folder
        )
        self.process.wait_ready(self.is_ready, "Apache listening")

    def is_ready(self) -> bool:
        """Its child, or what stands for one, is made once its sockets listen."""
        assert self.process.is_running(), "Apache ended at once"
        return any("in child" in line for line in self.process.lines)

    def stop(self) -> None:
        self.process.terminate()
