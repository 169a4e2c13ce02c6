"""The program as a person at a shell runs it: words, a configuration file, environment, user."""

import os
import pwd
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Any, Mapping, Optional

from lib.doorbell import BINARY, FAULTS, to_yaml
from lib.secrecy import secrecy

DEADLINE = 60.0
STRANGER = "nobody"


def stranger_ids() -> tuple[int, int]:
    entry = pwd.getpwnam(STRANGER)
    return entry.pw_uid, entry.pw_gid


def as_stranger() -> dict[str, Any]:
    """Arguments of subprocess that run it as another, unprivileged user. Root only."""
    user, group = stranger_ids()
    return {"user": user, "group": group, "extra_groups": []}


def as_user(user: int, group: int) -> list[str]:
    """A launcher that becomes this user, who need not have a name. Root only."""
    return ["setpriv", "--reuid", str(user), "--regid", str(group), "--clear-groups"]


def clean_environment(more: Optional[Mapping[str, str]] = None) -> dict[str, str]:
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("DOORBELL_", "MOLLY_"))
    }
    return {**kept, **(more or {})}


class Shell:
    """Runs in `folder`, where its files are."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.binary = BINARY

    def write(self, text: str, name: str = "doorbell.yaml") -> Path:
        file = self.folder / name
        file.write_text(text)
        return file

    def write_settings(self, settings: dict[str, Any]) -> Path:
        return self.write(to_yaml(settings))

    def run(
        self,
        *words: str,
        environment: Optional[Mapping[str, str]] = None,
        stdin: str = "",
        **options: Any,
    ) -> subprocess.CompletedProcess:
        """Until it ends, which a server that starts does not."""
        done = subprocess.run(
            [str(self.binary), *words],
            input=stdin,
            capture_output=True,
            text=True,
            timeout=DEADLINE,
            cwd=self.folder,
            env=clean_environment(environment),
            **options,
        )
        assert not any(fault in done.stderr for fault in FAULTS), done.stderr
        secrecy.command(done, words, [stdin, *(environment or {}).values()])
        return done


class OpenFolder:
    """A folder that other users can enter, unlike pytest's, with the program in it."""

    def __init__(self) -> None:
        self.path = Path(tempfile.mkdtemp(prefix="doorbell-e2e-"))
        self.path.chmod(0o755)
        self.binary = self.path / "doorbell"
        shutil.copy(BINARY, self.binary)
        self.binary.chmod(0o755)

    def make(self, name: str, mode: int, belongs_to_stranger: bool = False) -> Path:
        folder = self.path / name
        folder.mkdir()
        folder.chmod(mode)
        if belongs_to_stranger:
            os.chown(folder, *stranger_ids())
        return folder

    def copy(self, file: Any) -> str:
        return shutil.copy(file, self.path / Path(file).name)

    def remove(self) -> None:
        shutil.rmtree(self.path, ignore_errors=True)
