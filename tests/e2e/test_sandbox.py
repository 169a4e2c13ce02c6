"""The running server walls itself in: what it still reaches, and what nobody who takes it over does.
That all else works inside is what the other tests show, which run with the sandbox on.
"""

import ctypes
import errno
import json
import signal as signals
import subprocess
from pathlib import Path
from typing import Any, Callable

import pytest

from lib.doorbell import Doorbell
from lib.push_peer import PushPeer
from lib.signal_peer import SignalPeer

MakeDoorbell = Callable[..., Doorbell]
ON = "The sandbox is on, for files and system calls."
LANDLOCK_CREATE_RULESET = 444  # on every architecture


def has_landlock() -> bool:
    return ctypes.CDLL(None).syscall(LANDLOCK_CREATE_RULESET, 0, 0, 1) >= 1


needs_landlock = pytest.mark.skipif(not has_landlock(), reason="this kernel has no Landlock")

FILES = ("read", "list", "write", "make", "remove", "settings", "others")
CALLS = (
    *("execve", "fork", "ptrace", "peek", "kill", "owner", "packet", "vsock", "alg", "io_uring"),
    *("bpf", "mount", "unshare", "chroot", "setuid", "module", "keyctl", "memfd", "device"),
    *("terminal", "code", "unknown"),
)


def kernel_says(doorbell: Doorbell) -> dict[str, str]:
    assert doorbell.process
    lines = Path(f"/proc/{doorbell.process.popen.pid}/status").read_text().splitlines()
    return dict(line.split(":\t", 1) for line in lines if ":\t" in line)


def findings(doorbell: Doorbell) -> list[dict[str, Any]]:
    report = json.loads(doorbell.command("doctor", "--json").stdout)
    return [finding for finding in report["findings"] if finding["subject"] == "sandbox"]


def walls(doorbell: Doorbell) -> dict[str, str]:
    return json.loads(doorbell.command("status", "--json").stdout)["sandbox"]


def headers(origin: str, value: str) -> str:
    return f"{origin}:\n  X-Ring: {value}\n"


def replace(file: Path, text: str) -> None:
    """As whatever renews a file does it: by another one, which takes its name."""
    new = file.with_suffix(".new")
    new.write_text(text)
    new.chmod(0o600)
    new.rename(file)


@pytest.fixture
def named(tmp_path: Path, ntfy: PushPeer) -> Path:
    """A file that a setting names, in a folder of its own."""
    folder = tmp_path / "named"
    folder.mkdir()
    replace(folder / "headers.yaml", headers(ntfy.origin, "first"))
    return folder / "headers.yaml"


def rings(doorbell: Doorbell, signal: SignalPeer, ntfy: PushPeer) -> None:
    account, endpoint = signal.new_account(), ntfy.endpoint()
    assert doorbell.register(account, endpoint) == "ok"
    signal.wait_connected(account)
    number = signal.queue(account.key)
    ntfy.wait_rings(1, endpoint)
    signal.wait_acked(number)


# On


@needs_landlock
def test_it_is_on_by_default_and_says_so(doorbell: Doorbell) -> None:
    assert doorbell.has_logged(ON)
    status = kernel_says(doorbell)
    assert (status["Seccomp"], status["NoNewPrivs"]) == ("2", "1")
    assert walls(doorbell) == {"files": "on", "calls": "on"}
    (finding,) = findings(doorbell)
    assert finding["severity"] == "well"
    assert "sandbox" not in doorbell.command("status").stdout


def test_without_landlock_system_calls_are_walled_off_all_the_same(doorbell: Doorbell) -> None:
    status = kernel_says(doorbell)
    assert (status["Seccomp"], status["NoNewPrivs"]) == ("2", "1")
    assert walls(doorbell)["calls"] == "on"


@needs_landlock
def test_who_gets_in_gets_no_further_and_the_server_lives_on(
    make_doorbell: MakeDoorbell,
    signal: SignalPeer,
    ntfy: PushPeer,
    named: Path,
    tmp_path: Path,
) -> None:
    library, secret = tmp_path / "intruder.so", tmp_path / "secret"
    secret.write_text("somebody else's")
    source = Path(__file__).parent / "lib" / "intruder.c"
    subprocess.run(["cc", "-shared", "-fPIC", "-o", str(library), str(source)], check=True)
    doorbell = make_doorbell(
        signal__url=signal.url,
        push__allowed_endpoints=["*", ntfy.origin],
        push__headers_file=str(named),
    )
    doorbell.environment = {
        "LD_PRELOAD": str(library),
        "INTRUDER_SECRET": str(secret),
        "INTRUDER_NAMED": str(named),
    }
    doorbell.start()
    assert doorbell.process
    doorbell.process.popen.send_signal(signals.SIGUSR2)
    doorbell.changes.wait_for(lambda: doorbell.has_logged("intruder: end"), "the end of it")
    said = [line.split() for line in doorbell.output() if line.startswith("intruder: ")]
    refused = {name: int(reason) for _, name, reason in said if name != "end"}
    assert refused == {
        **{name: errno.EACCES for name in FILES},
        **{name: errno.ENOSYS for name in CALLS},
    }
    assert secret.read_text() == "somebody else's"
    rings(doorbell, signal, ntfy)


# Files that change


@needs_landlock
def test_a_file_that_is_replaced_is_read_again(
    make_doorbell: MakeDoorbell, signal: SignalPeer, ntfy: PushPeer, named: Path
) -> None:
    doorbell = make_doorbell(
        signal__url=signal.url,
        push__allowed_endpoints=["*", ntfy.origin],
        push__headers_file=str(named),
    ).start()
    replace(named, "nonsense\n")
    doorbell.reload()
    assert doorbell.has_logged("The configuration was not loaded again")
    replace(named, headers(ntfy.origin, "second"))
    doorbell.reload()
    assert doorbell.has_logged("The configuration was loaded again.")
    rings(doorbell, signal, ntfy)


@needs_landlock
def test_a_file_in_a_folder_that_is_new_to_it_needs_a_restart(
    make_doorbell: MakeDoorbell, named: Path
) -> None:
    doorbell = make_doorbell().start()
    doorbell.reload(push__headers_file=str(named))
    (line,) = [line for line in doorbell.output() if "was not loaded again" in line]
    assert f"push.headers_file: the folder of {named} is none of those" in line
    assert "restart it" in line
    assert doorbell.folder.joinpath("doorbell.yaml").as_posix() in line  # where it is written
    doorbell.stop()
    doorbell.start()
    assert doorbell.has_logged(ON)
    doorbell.reload()
    assert doorbell.has_logged("The configuration was loaded again.")


@needs_landlock
def test_a_socket_in_a_folder_that_is_new_to_it_needs_a_restart(
    make_doorbell: MakeDoorbell, tmp_path: Path
) -> None:
    folder = tmp_path / "sockets"
    folder.mkdir()
    doorbell = make_doorbell().start()
    doorbell.reload(metrics__listen=f"unix:{folder}/metrics")
    assert doorbell.has_logged("metrics.listen: the folder of")
    doorbell.stop()
    doorbell.start()
    assert (folder / "metrics").is_socket()
    doorbell.stop()
    assert not (folder / "metrics").exists()


@needs_landlock
def test_a_key_is_made_in_a_folder_that_was_missing(
    make_doorbell: MakeDoorbell, tmp_path: Path
) -> None:
    key = tmp_path / "keys" / "vapid.key"
    doorbell = make_doorbell(push__vapid_key_file=str(key)).start()
    assert doorbell.has_logged(ON)
    assert key.stat().st_mode & 0o777 == 0o600


# Off


def test_switched_off_it_says_so(make_doorbell: MakeDoorbell) -> None:
    doorbell = make_doorbell(sandbox=False).start()
    assert doorbell.has_logged("The sandbox is off, as the setting sandbox has it.")
    assert kernel_says(doorbell)["Seccomp"] == "0"
    assert walls(doorbell) == {"files": "off", "calls": "off"}
    (finding,) = findings(doorbell)
    assert finding["severity"] == "warning" and "The sandbox is off" in finding["what"]
    assert "The sandbox is off." in doorbell.command("status").stdout


def test_a_reload_does_not_open_it(make_doorbell: MakeDoorbell) -> None:
    doorbell = make_doorbell().start()
    doorbell.reload(sandbox=False)
    assert doorbell.has_logged("sandbox cannot change while the server runs; restart it")
    assert kernel_says(doorbell)["Seccomp"] == "2"
