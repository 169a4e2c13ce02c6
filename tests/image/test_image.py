"""The image as people run it: any user, a root file system that is read-only, no rights; between the
strict Signal server and the fake push server, on loopback. tests/image/check builds it and comes here.
"""

import json
import os
import re
import signal as signals
import stat
import subprocess
from pathlib import Path
from typing import Any, Callable, Iterator, Sequence

import pytest
import yaml

from lib.certs import Authority
from lib.doorbell import Doorbell
from lib.drop_in import (
    MollySocket,
    check_that_it_rings,
    key_pair,
    put_in_its_place,
    rings,
    shown_key,
)
from lib.process import REPOSITORY
from lib.push_peer import PushPeer
from lib.signal_peer import SignalPeer
from lib.terminal import Terminal

IMAGE = os.environ.get("DOORBELL_IMAGE", "localhost/doorbell")
# Where the image is for another architecture: what starts the program in the one that is run instead.
EMULATOR = os.environ.get("DOORBELL_EMULATOR")
RUN_IMAGE = f"{IMAGE}-emulated" if EMULATOR else IMAGE
PROGRAMS = "/usr/local/bin"
OWN_USER, SOMEBODY = 65532, 12345  # the image's, and one that it does not know
MEGABYTE = 1_000_000
LARGEST = 30 * MEGABYTE
DEADLINE = 60.0
CA = "/ca.pem"
PASSPHRASE = "a passphrase of the tests"
NO_TIMER = "--no-healthcheck"  # podman would want systemd's timers to call it; we call it ourselves


def podman(*words: str) -> subprocess.CompletedProcess:
    return subprocess.run(["podman", *words], capture_output=True, text=True, timeout=DEADLINE)


def told(*words: str) -> str:
    done = podman(*words)
    assert done.returncode == 0, done.stderr
    return done.stdout


def run_once(*words: str, options: Sequence[str] = ()) -> subprocess.CompletedProcess:
    return podman("run", "--rm", NO_TIMER, "--read-only", *options, RUN_IMAGE, *words)


def program(name: str = "doorbell") -> list[str]:
    """As it is started inside."""
    return [EMULATOR, os.path.join(PROGRAMS, name)] if EMULATOR else [name]


# What is in it


@pytest.fixture(scope="module")
def config() -> dict[str, Any]:
    (image,) = json.loads(told("image", "inspect", IMAGE))
    return {**image["Config"], "Healthcheck": image["Healthcheck"]}


@pytest.fixture(scope="module")
def content() -> Iterator[Path]:
    yield Path(told("image", "mount", IMAGE).strip())
    told("image", "unmount", IMAGE)


def files(content: Path) -> list[Path]:
    return [path for path in content.rglob("*") if not path.is_dir() or path.is_symlink()]


def test_it_says_how_it_is_run(config: dict[str, Any]) -> None:
    assert config["Entrypoint"] == ["/usr/local/bin/doorbell"] and config["Cmd"] == ["server"]
    assert config["Healthcheck"]["Test"] == ["CMD", "/usr/local/bin/doorbell", "health"]
    assert config["Volumes"] == {"/data": {}} and config["WorkingDir"] == "/data"
    assert config["ExposedPorts"] == {"8020/tcp": {}}
    assert "User" not in config or not config["User"]  # it drops its rights itself


def test_it_is_small(content: Path) -> None:
    size = sum(path.lstat().st_size for path in files(content))
    assert size < LARGEST, f"{size / MEGABYTE:.1f} MB"


def test_it_has_one_program_and_no_shell(content: Path) -> None:
    programs = {
        path.relative_to(content)
        for path in files(content)
        if path.lstat().st_mode & 0o111 and not path.is_symlink() and ".so" not in path.name
    }
    assert programs == {Path("usr/local/bin/doorbell")}
    for name in ("mollysocket", "ms"):
        assert os.readlink(content / "usr/local/bin" / name) == "doorbell"
    assert run_once(options=["--entrypoint", "/bin/sh"]).returncode == 127


def test_nobody_can_change_what_it_is_made_of(content: Path) -> None:
    for path in content.rglob("*"):
        status = path.lstat()
        if path == content / "data":
            assert (status.st_uid, status.st_gid) == (OWN_USER, OWN_USER)
            assert stat.S_IMODE(status.st_mode) == 0o700 and not list(path.iterdir())
        else:
            assert (status.st_uid, status.st_gid) == (0, 0), path
            assert path.is_symlink() or not status.st_mode & 0o7022, path


def packages(content: Path) -> set[str]:
    """Whose version a scanner for vulnerable ones finds."""
    return {path.name for path in (content / "var/lib/dpkg/status.d").iterdir()}


def test_each_package_has_its_licence_and_its_version(content: Path) -> None:
    known = packages(content)
    plain = {name.removesuffix("t64") for name in known}  # what Debian 13 has put there
    assert {"libc6", "libssl3", "libcurl4", "ca-certificates"} <= plain
    for package in known | {"doorbell"}:
        assert (content / "usr/share/doc" / package / "copyright").stat().st_size > 0, package


@pytest.mark.skipif(EMULATOR is not None, reason="this machine's dpkg knows its own libraries")
def test_each_library_is_of_such_a_package(content: Path) -> None:
    libraries = [path for path in files(content) if ".so" in path.name and not path.is_symlink()]
    assert len(libraries) > 20
    owners = {
        line.split(": ")[0].partition(":")[0]
        for path in libraries
        for line in subprocess.run(
            ["dpkg", "-S", f"*/{path.relative_to(content / 'usr')}"],
            capture_output=True,
            text=True,
            env={**os.environ, "LC_ALL": "C"},
        ).stdout.splitlines()[:1]
    }
    assert owners <= packages(content)


# How it runs


def variables(environment: dict[str, str]) -> list[str]:
    return [word for name in environment for word in ("--env", name)]


class Contained:
    """Doorbell in a container of the image; `run` starts it with options of podman's."""

    def __init__(self, doorbell: Doorbell, authority: Authority, ntfy: PushPeer):
        self.doorbell, self.ca = doorbell, authority.file
        self.name = f"doorbell-{doorbell.port}"
        doorbell.environment.update(
            {
                "DOORBELL_WEB_LISTEN": f"127.0.0.1:{doorbell.port}",
                "DOORBELL_PUSH_ALLOWED_ENDPOINTS": ntfy.origin,
                "DOORBELL_SIGNAL_CA_FILE": CA,
                "DOORBELL_PUSH_CA_FILE": CA,
            }
        )

    def launcher(self, *options: str) -> list[str]:
        return [
            *("podman", "run", "--rm", NO_TIMER, "--volume", f"{self.ca}:{CA}:ro"),
            *(*variables(self.doorbell.environment), *options),
        ]

    def run(self, *options: str) -> None:
        self.doorbell.launcher = self.launcher("--name", self.name, *options)
        self.doorbell.binary = Path(RUN_IMAGE)
        self.doorbell.start()

    def execute(self, name: str, *words: str) -> subprocess.CompletedProcess:
        return podman("exec", self.name, *program(name), *words)

    def process(self) -> int:
        return int(told("inspect", "--format", "{{.State.Pid}}", self.name))

    def stop(self) -> None:
        """What `docker stop` does first, and all that is needed."""
        if self.doorbell.process:
            os.kill(self.process(), signals.SIGTERM)
            self.doorbell.finish(0)

    def users(self) -> set[str]:
        status = Path(f"/proc/{self.process()}/status").read_text().splitlines()
        (line,) = [line for line in status if line.startswith("Uid:")]
        return set(line.split()[1:])


@pytest.fixture
def make_contained(
    make_doorbell: Callable[..., Doorbell],
    authority: Authority,
    signal: SignalPeer,
    ntfy: PushPeer,
) -> Iterator[Callable[[], Contained]]:
    made: list[Contained] = []

    def make() -> Contained:
        doorbell = put_in_its_place(make_doorbell(), signal, authority)
        made.append(Contained(doorbell, authority, ntfy))
        return made[-1]

    try:
        yield make
        for contained in made:
            contained.stop()
    finally:
        podman("rm", "--force", "--ignore", *(contained.name for contained in made))


@pytest.fixture
def contained(make_contained: Callable[[], Contained]) -> Contained:
    return make_contained()


@pytest.fixture
def data(tmp_path: Path) -> Path:
    folder = tmp_path / "data"
    folder.mkdir(mode=0o755)
    return folder


@pytest.fixture
def volume(contained: Contained) -> Iterator[str]:
    """As Compose makes it: what the image has there is its content, and whose it is."""
    yield contained.name
    contained.stop()
    told("volume", "rm", contained.name)


def service_of(file: str) -> dict[str, Any]:
    return yaml.safe_load((REPOSITORY / "docker" / file).read_text())["services"]["doorbell"]


def rights_of(file: str) -> list[str]:
    """And bounds: what a compose file says of them, in podman's words."""
    service = service_of(file)
    return [
        *(["--read-only"] if service.get("read_only") else []),
        *(["--user", service["user"]] if "user" in service else []),
        *(["--memory", service["mem_limit"]] if "mem_limit" in service else []),
        *(["--pids-limit", str(service["pids_limit"])] if "pids_limit" in service else []),
        *(word for name in service.get("cap_drop", []) for word in ("--cap-drop", name)),
        *(
            word
            for option in service.get("security_opt", [])
            for word in ("--security-opt", option.removesuffix(":true"))
        ),
    ]


def check_sandbox(contained: Contained) -> None:
    """Nor do the engine's own rules forbid it. QEMU has none of it, which is said and no more."""
    if EMULATOR:
        assert contained.doorbell.has_logged("The sandbox leaves all files open")
        assert contained.doorbell.has_logged("The sandbox leaves all system calls open")
    else:
        assert contained.doorbell.has_logged("The sandbox is on, for files and system calls.")


def check_health(contained: Contained, config: dict[str, Any]) -> None:
    """What the engine would run every thirty seconds."""
    kind, *words = config["Healthcheck"]["Test"]
    assert kind == "CMD"
    healthy = contained.execute(*words)
    assert healthy.returncode == 0, healthy.stderr


def test_a_user_that_nobody_knows_is_enough_on_a_read_only_root(
    contained: Contained, config: dict[str, Any], data: Path, signal: SignalPeer, ntfy: PushPeer
) -> None:
    """`user: 12345` with a ./data of theirs and `read_only: true`; what is there outlives it."""
    os.chown(data, SOMEBODY, SOMEBODY)
    options = ["--read-only", "--user", str(SOMEBODY), "--volume", f"{data}:/data"]
    contained.run(*options)
    assert contained.users() == {str(SOMEBODY)}
    check_sandbox(contained)
    check_health(contained, config)
    account, endpoint = signal.new_account(), ntfy.endpoint()
    assert contained.doorbell.register(account, endpoint) == "ok"
    rings(signal, ntfy, account, endpoint)
    assert {path.stat().st_uid for path in data.iterdir()} == {SOMEBODY}
    contained.stop()
    contained.run(*options)
    rings(signal, ntfy, account, endpoint)


def test_root_hands_roots_folder_over_and_is_root_no_more(
    contained: Contained, config: dict[str, Any], data: Path, signal: SignalPeer, ntfy: PushPeer
) -> None:
    """./data as Docker makes it, or as MollySocket's container left it."""
    account, endpoint = signal.new_account(), ntfy.endpoint()
    MollySocket(data / "mollysocket.db").add(account, endpoint)
    contained.run("--read-only", "--volume", f"{data}:/data")
    assert contained.users() == {str(OWN_USER)}
    check_health(contained, config)
    signal.wait_connected(account)
    rings(signal, ntfy, account, endpoint)
    check_that_it_rings(contained.doorbell, signal, ntfy)
    assert data.stat().st_uid == OWN_USER
    assert (data / "doorbell.db").stat().st_uid == OWN_USER


def test_a_volume_where_older_images_of_mollysocket_worked_is_found(
    contained: Contained, data: Path, signal: SignalPeer, ntfy: PushPeer
) -> None:
    """Its database, and a key that is named without a folder."""
    account, endpoint = signal.new_account(), ntfy.endpoint()
    MollySocket(data / "mollysocket.db").add(account, endpoint)
    private, public = key_pair()
    (data / "my.key").write_text(private)
    contained.doorbell.secrets.add(private)
    contained.doorbell.environment["MOLLY_VAPID_KEY_FILE"] = "my.key"
    contained.run("--read-only", "--volume", f"{data}:/app")
    signal.wait_connected(account)
    rings(signal, ntfy, account, endpoint)
    assert f"k={public}" in (ntfy.rings(endpoint)[0].get("authorization") or "")
    assert (data / "doorbell.db").exists()
    listed = contained.execute("doorbell", "connection", "list")
    assert account.uuid in listed.stdout, listed.stderr


def test_the_hardened_file_is_enough_to_ring(
    contained: Contained, config: dict[str, Any], volume: str, signal: SignalPeer, ntfy: PushPeer
) -> None:
    rights = rights_of("compose.hardened.yaml")
    assert rights == [
        *("--read-only", "--user", f"{OWN_USER}:{OWN_USER}"),
        *("--memory", "256m", "--pids-limit", "64"),
        *("--cap-drop", "ALL", "--security-opt", "no-new-privileges"),
    ]
    contained.run(*rights, "--volume", f"{volume}:/data")
    assert contained.users() == {str(OWN_USER)}
    check_sandbox(contained)
    check_health(contained, config)
    check_that_it_rings(contained.doorbell, signal, ntfy)


def test_root_needs_three_capabilities_and_none_to_ask(
    contained: Contained, config: dict[str, Any], data: Path, signal: SignalPeer, ntfy: PushPeer
) -> None:
    """README.md names them; with no more than these, root may not enter the folder that it gave away."""
    text = (REPOSITORY / "README.md").read_text()
    (row,) = re.findall(r"^\| capabilities \| (.*) \|$", text, re.MULTILINE)
    needed = [word for word in re.findall(r"[A-Z]+", row) if len(word) > 1]
    assert needed == ["CHOWN", "SETGID", "SETUID"]
    added = [word for name in needed for word in ("--cap-add", name)]
    for _ in ("the first start", "a later one"):
        contained.run("--read-only", "--cap-drop", "ALL", *added, "--volume", f"{data}:/data")
        assert contained.users() == {str(OWN_USER)}
        check_health(contained, config)
        contained.stop()
    contained.run("--cap-drop", "ALL", *added, "--volume", f"{data}:/data")
    check_that_it_rings(contained.doorbell, signal, ntfy)


def test_commands_reach_the_running_server_by_every_name(
    contained: Contained, volume: str, signal: SignalPeer, ntfy: PushPeer
) -> None:
    """As MollySocket's instructions and ours write them."""
    contained.run("--volume", f"{volume}:/data")
    account, endpoint = signal.new_account(), ntfy.endpoint()
    assert contained.doorbell.register(account, endpoint) == "ok"
    signal.wait_connected(account)
    for name in ("doorbell", "mollysocket", "ms"):
        listed = contained.execute(name, "connection", "list")
        assert listed.returncode == 0 and account.uuid in listed.stdout, (name, listed.stderr)
    beside = ["--volume", f"{volume}:/data", *variables(contained.doorbell.environment)]
    listed = subprocess.run(
        ["podman", "run", "--rm", NO_TIMER, *beside, RUN_IMAGE, "connection", "list"],
        capture_output=True,
        text=True,
        timeout=DEADLINE,
        env=contained.doorbell.clean_environment(),
    )
    assert listed.returncode == 0 and account.uuid in listed.stdout, listed.stderr


def test_a_backup_comes_out_without_a_copy_in_the_volume(
    contained: Contained, volume: str, signal: SignalPeer, ntfy: PushPeer
) -> None:
    """As docs/moving.md has it for timers and Kubernetes."""
    contained.run("--read-only", "--user", str(OWN_USER), "--volume", f"{volume}:/data")
    check_that_it_rings(contained.doorbell, signal, ntfy)
    words = [*program(), "backup", "--passphrase-file", "/dev/stdin", "-"]
    made = subprocess.run(
        ["podman", "exec", "-i", contained.name, *words],
        input=b"words that nobody guesses\n",
        capture_output=True,
        timeout=DEADLINE,
    )
    assert made.returncode == 0, made.stderr
    assert made.stdout.startswith(b"doorbell-backup\n") and b"1 account" in made.stderr


def test_a_typo_in_the_volume_makes_no_server_ill(
    contained: Contained, config: dict[str, Any], data: Path
) -> None:
    contained.run("--read-only", "--volume", f"{data}:/data")
    (data / "doorbell.yaml").write_text("nonsense: 1\n")
    check_health(contained, config)


# To another host, by the lines of docs/moving.md


class Move:
    """A service of a compose file on two hosts, and an account that rings on the first one."""

    def __init__(
        self, file: str, make: Callable[[], Contained], signal: SignalPeer, ntfy: PushPeer
    ):
        self.rights, self.signal, self.ntfy = rights_of(file), signal, ntfy
        self.old, self.new = make(), make()
        for place in (self.old, self.new):
            place.doorbell.secrets.add(PASSPHRASE)
            told("volume", "create", place.name)
        self.account, self.endpoint = signal.new_account(), ntfy.endpoint()

    def options(self, place: Contained, *more: str) -> list[str]:
        return [*self.rights, "--volume", f"{place.name}:/data", *more]

    def ring_here(self) -> None:
        self.old.run(*self.options(self.old))
        assert self.old.doorbell.register(self.account, self.endpoint) == "ok"
        rings(self.signal, self.ntfy, self.account, self.endpoint)
        self.key = shown_key(self.old.doorbell)

    def ring_there(self) -> None:
        """Nobody has linked anything anew."""
        self.new.run(*self.options(self.new))
        assert self.new.users() == {str(OWN_USER)}
        self.signal.wait_connected(self.account)
        rings(self.signal, self.ntfy, self.account, self.endpoint)
        assert shown_key(self.new.doorbell) == self.key
        assert f"k={self.key}" in (self.ntfy.rings(self.endpoint)[-1].get("authorization") or "")

    def run_once(self, place: Contained, *options: str) -> list[str]:
        """`docker compose run --rm`."""
        return [*place.launcher("-it", *self.options(place, *options)), RUN_IMAGE]

    def at_terminal(self, *words: str) -> Terminal:
        doorbell = self.new.doorbell
        return Terminal(doorbell.changes, words, doorbell.folder, doorbell.clean_environment())

    def back_up(self, *words: str) -> None:
        """By somebody who types the passphrase."""
        making = self.at_terminal(*words, "backup", "/data/doorbell.backup")
        making.answer("Passphrase for the backup:", PASSPHRASE)
        making.answer("The same once more:", PASSPHRASE)
        making.wait_for("Keep the passphrase somewhere else")
        assert making.finish() == 0

    def copy_out(self, place: str, folder: Path) -> Path:
        backup = folder / "doorbell.backup"
        told("cp", f"{place}:/data/doorbell.backup", str(backup))
        assert stat.S_IMODE(backup.stat().st_mode) == 0o600
        return backup

    def restore(self, backup: Path) -> None:
        mounted = self.run_once(self.new, "--volume", f"{backup}:/doorbell.backup:ro")
        if "--user" in self.rights:
            refused = self.at_terminal(*mounted, "restore", "/doorbell.backup")
            refused.wait_for("/doorbell.backup cannot be read: Permission denied.")
            assert refused.finish() == 1
            os.chown(backup, OWN_USER, -1)
        restoring = self.at_terminal(*mounted, "restore", "/doorbell.backup")
        restoring.answer("Passphrase of the backup:", PASSPHRASE)
        restoring.wait_for("Restored 1 account to /data/doorbell.db")
        assert restoring.finish() == 0


@pytest.fixture(params=["compose.yaml", "compose.hardened.yaml"])
def move(
    request: pytest.FixtureRequest,
    make_contained: Callable[[], Contained],
    signal: SignalPeer,
    ntfy: PushPeer,
) -> Iterator[Move]:
    move = Move(request.param, make_contained, signal, ntfy)
    yield move
    for place in (move.old, move.new):
        place.stop()
        told("volume", "rm", place.name)


def test_what_is_backed_up_in_a_container_rings_in_another_one(move: Move, tmp_path: Path) -> None:
    move.ring_here()
    move.back_up("podman", "exec", "-it", move.old.name, *program())
    backup = move.copy_out(move.old.name, tmp_path)
    move.old.stop()
    move.restore(backup)
    move.ring_there()


def test_what_is_backed_up_beside_a_stopped_container_rings_in_another_one(
    move: Move, tmp_path: Path
) -> None:
    """Where Compose has stopped one, it is there, with its volume; here one is made that never ran."""
    move.ring_here()
    move.old.stop()
    move.back_up(*move.run_once(move.old))
    told("create", "--name", move.old.name, *move.options(move.old), RUN_IMAGE)
    backup = move.copy_out(move.old.name, tmp_path)
    told("rm", move.old.name)
    move.restore(backup)
    move.ring_there()


def test_without_a_server_it_is_not_healthy() -> None:
    done = run_once("health")
    assert done.returncode == 1 and done.stderr


def test_an_image_that_is_made_of_it_may_name_the_program_as_mollysockets_did() -> None:
    for words in (["version"], ["mollysocket", "version"], ["/usr/local/bin/mollysocket", "version"]):
        done = run_once(*words)
        assert done.returncode == 0 and done.stdout.startswith("doorbell "), done.stderr
