"""Networks and disks of our own: the run moves into a network and a mount namespace, and makes
there what it then breaks. Without the right to do so, the faults that need it are skipped.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NoReturn, Optional, Sequence

INSIDE = "DOORBELL_CHAOS_INSIDE"
UNSHARE = ["unshare", "--net", "--mount", "--propagation", "private"]
AS_ROOT: list[str] = []
AS_MAPPED_ROOT = ["--map-root-user"]  # what others may do where the system lets them
TRIAL = ["mount", "-t", "tmpfs", "tmpfs", "/run"]
NOBODY = "02:00:00:00:00:66"  # a hardware address that no one answers to


def run(*words: str) -> None:
    done = subprocess.run(words, capture_output=True, text=True)
    if done.returncode != 0:
        raise OSError(f"{' '.join(words)}: {done.stderr.strip()}")


def works(*words: str) -> bool:
    return (
        shutil.which(words[0]) is not None
        and subprocess.run(words, capture_output=True).returncode == 0
    )


def enter() -> None:
    """Starts this program anew inside, where that is possible."""
    if INSIDE in os.environ:
        run("ip", "link", "set", "lo", "up")
        run(*TRIAL)  # "ip netns" keeps its names there
        return
    for how in (AS_ROOT, AS_MAPPED_ROOT):
        if shutil.which("ip") and works(*UNSHARE, *how, *TRIAL):
            os.environ[INSIDE] = "1"
            os.execvp(UNSHARE[0], [*UNSHARE, *how, "--", sys.executable, "-B", *sys.argv])


def start_anew(words: Sequence[str]) -> NoReturn:
    """In networks of its own once more, with nothing left of this run."""
    os.environ.pop(INSIDE, None)
    os.execvp(sys.executable, [sys.executable, "-B", *words])


def missing() -> Optional[str]:
    """Why there are no networks and disks of our own."""
    inside = INSIDE in os.environ
    return None if inside else "needs unshare and ip, as root or where user namespaces are allowed"


class Cables:
    """A network namespace for the program under test with one cable to each of the two servers:
    what is unplugged swallows packets in both directions and tells nobody.
    """

    SIGNAL, PUSH = "signal", "push"
    NETWORKS = {SIGNAL: "10.91", PUSH: "10.92"}

    def __init__(self, number: int) -> None:
        """Those with different numbers can exist at once."""
        self.number, self.name = number, f"doorbell{number}"
        self.wrap = ["ip", "netns", "exec", self.name]

    def there(self, cable: str) -> str:
        """The server's address."""
        return f"{self.NETWORKS[cable]}.{self.number}.1"

    def here(self, cable: str) -> str:
        """The program's."""
        return f"{self.NETWORKS[cable]}.{self.number}.2"

    def make(self) -> None:
        run("ip", "netns", "add", self.name)
        run("ip", "-n", self.name, "link", "set", "lo", "up")
        for cable in self.NETWORKS:
            device = self.device(cable)
            peer = ["peer", "name", device, "netns", self.name]
            run("ip", "link", "add", device, "type", "veth", *peer)
            run("ip", "address", "add", f"{self.there(cable)}/24", "dev", device)
            run("ip", "link", "set", device, "up")
            run("ip", "-n", self.name, "address", "add", f"{self.here(cable)}/24", "dev", device)
            run("ip", "-n", self.name, "link", "set", device, "up")

    def device(self, cable: str) -> str:
        """Called alike at both ends."""
        return f"{cable}{self.number}"

    def unplug(self, cable: str) -> None:
        lost = ["dev", self.device(cable), "lladdr", NOBODY, "nud", "permanent"]
        run("ip", "neigh", "replace", self.here(cable), *lost)
        run("ip", "-n", self.name, "neigh", "replace", self.there(cable), *lost)

    def plug_in(self, cable: str) -> None:
        run("ip", "neigh", "del", self.here(cable), "dev", self.device(cable))
        run("ip", "-n", self.name, "neigh", "del", self.there(cable), "dev", self.device(cable))

    def remove(self) -> None:
        subprocess.run(["ip", "netns", "del", self.name], capture_output=True)


class SmallDisk:
    """A few hundred kilobytes that can be filled to the last byte."""

    def __init__(self, folder: Path):
        self.folder, self.filler = folder, folder / "filler"

    def make(self) -> None:
        self.folder.mkdir(exist_ok=True)
        run("mount", "-t", "tmpfs", "-o", "size=1m,mode=700", "tmpfs", str(self.folder))

    def fill(self) -> None:
        with self.filler.open("wb", buffering=0) as filler:
            try:
                while True:
                    filler.write(bytes(4096))
            except OSError:
                pass

    def free(self) -> None:
        self.filler.unlink()

    def remove(self) -> None:
        subprocess.run(["umount", "-l", str(self.folder)], capture_output=True)


class FailingDisk:
    """An ext4 that goes read-only under those who write on it, as after a fault of the disk. It is
    writable again only after it has been mounted anew.
    """

    def __init__(self, folder: Path):
        self.folder, self.image = folder, folder.with_suffix(".img")

    def make(self) -> None:
        with self.image.open("wb") as image:
            image.truncate(8 << 20)
        run("mkfs.ext4", "-q", str(self.image))
        self.folder.mkdir(exist_ok=True)
        self.mount()

    def mount(self) -> None:
        run("mount", "-o", "loop", str(self.image), str(self.folder))
        self.folder.chmod(0o700)

    def fail(self) -> None:
        run("mount", "-o", "remount,abort", str(self.folder))

    def is_writable(self) -> bool:
        try:
            (self.folder / "trial").touch()
        except OSError:
            return False
        return True

    def mend(self) -> None:
        """While nobody uses it."""
        run("umount", str(self.folder))
        subprocess.run(["fsck.ext4", "-p", str(self.image)], capture_output=True)
        self.mount()

    def remove(self) -> None:
        subprocess.run(["umount", "-l", str(self.folder)], capture_output=True)
