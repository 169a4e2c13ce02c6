"""As the users that containers run programs as: numbers without a name, a home or a file system that
can be written; a root that is somebody else outside.
"""

import os
import shutil
import signal as signals
import subprocess
import sys
from pathlib import Path
from typing import Callable

import pytest

from lib.certs import Authority
from lib.doorbell import Doorbell, to_yaml
from lib.drop_in import MollySocket, check_that_it_rings, key_pair, put_in_its_place, rings
from lib.push_peer import PushPeer
from lib.service_places import NAMESPACE, ServicePlaces, may_be_had
from lib.shell import OpenFolder, as_user
from lib.signal_peer import SignalPeer
from lib.status_page import until

NAMELESS = 4242  # in no /etc/passwd
FIRST = 100000  # what /etc/subuid gives a user
ROOTLESS = Path(__file__).parent / "lib" / "rootless.py"
NO_UNIX_SOCKETS = Path(__file__).parent / "lib" / "no_unix_sockets.py"
NO_HOME = ["env", "-u", "HOME", "-u", "XDG_CONFIG_HOME", "-u", "USER", "-u", "LOGNAME"]
# All but the folder that comes first; the working directory must be entered anew.
READ_ONLY = """
mount --bind "$0" "$0" && mount -o remount,ro,bind / && cd "$0" && exec "$@"
"""
# As in an image that has a user for us.
WITH_PASSWD = """
mount --bind "$0" /etc/passwd && exec "$@"
"""
# With a file of its own beside it.
LISTENER = """
import os, socket, sys, time
os.chdir(sys.argv[1])
open("theirs", "x").close()
listener = socket.socket(socket.AF_UNIX)
listener.bind("doorbell.sock")
os.chmod("doorbell.sock", 0o666)
listener.listen()
print("ready", flush=True)
time.sleep(60)
"""


pytestmark = pytest.mark.skipif(
    not may_be_had(), reason="other users and file systems need root and namespaces"
)


@pytest.fixture
def data(open_folder: OpenFolder) -> Path:
    return open_folder.make("data", 0o755)


@pytest.fixture
def dropped_in(
    make_doorbell: Callable[..., Doorbell],
    authority: Authority,
    signal: SignalPeer,
    ntfy: PushPeer,
    open_folder: OpenFolder,
    data: Path,
) -> Doorbell:
    """In the folder that the container has at /data, with what it may read."""
    doorbell = put_in_its_place(make_doorbell(), signal, authority)
    doorbell.folder, doorbell.binary = data, open_folder.binary
    doorbell.environment.update(
        {
            "MOLLY_DB": f'"{data}/mollysocket.db"',
            "MOLLY_PORT": str(doorbell.port),
            "MOLLY_ALLOWED_ENDPOINTS": f"[{ntfy.origin}]",
            "DOORBELL_SIGNAL_CA_FILE": open_folder.copy(authority.file),
            "DOORBELL_PUSH_CA_FILE": open_folder.copy(authority.file),
        }
    )
    return doorbell


def leave(data: Path, signal: SignalPeer, ntfy: PushPeer, user: int, group: int) -> tuple:
    """What MollySocket left there; the folder belongs to them."""
    account, endpoint = signal.new_account(), ntfy.endpoint()
    theirs = MollySocket(data / "mollysocket.db")
    theirs.add(account, endpoint)
    for entry in (data, theirs.file):
        os.chown(entry, user, group)
    return account, endpoint


def users_of(process: int, kind: str = "Uid") -> set[str]:
    status = Path(f"/proc/{process}/status").read_text().splitlines()
    (line,) = [line for line in status if line.startswith(f"{kind}:")]
    return set(line.split()[1:])


@pytest.mark.parametrize(
    "group, mode",
    [(NAMELESS, 0o700), (0, 0o775)],
    ids=["its own folder", "a folder of root's group"],
)
def test_a_user_without_name_and_home_is_enough_on_a_read_only_system(
    dropped_in: Doorbell, data: Path, signal: SignalPeer, ntfy: PushPeer, group: int, mode: int
) -> None:
    """`user: 4242:4242`, or `4242:0` as OpenShift has it, and `read_only: true`."""
    account, endpoint = leave(data, signal, ntfy, NAMELESS if group else 0, group)
    data.chmod(mode)
    dropped_in.launcher = [*NO_HOME, *NAMESPACE, "sh", "-c", READ_ONLY, str(data)]
    dropped_in.launcher += as_user(NAMELESS, group)
    dropped_in.start()
    assert dropped_in.process
    process = dropped_in.process.popen.pid
    assert users_of(process) == {str(NAMELESS)}
    mounts = Path(f"/proc/{process}/mounts").read_text().splitlines()
    (root,) = [line.split() for line in mounts if line.split()[1] == "/"]
    assert root[3].split(",")[0] == "ro"
    assert b"HOME=" not in Path(f"/proc/{process}/environ").read_bytes()
    signal.wait_connected(account)
    rings(signal, ntfy, account, endpoint)
    check_that_it_rings(dropped_in, signal, ntfy)
    made = {entry.stat().st_uid for entry in data.iterdir() if entry.name != "mollysocket.db"}
    assert made == {NAMELESS}


def is_closed(process: int) -> bool:
    """Not even its own user may trace it or read its memory, and it leaves no core dump."""
    return Path(f"/proc/{process}/environ").stat().st_uid == 0


@pytest.mark.parametrize("becomes", [False, True])
def test_neither_server_nor_command_can_be_looked_into_by_their_own_user(
    dropped_in: Doorbell, data: Path, becomes: bool
) -> None:
    os.chown(data, NAMELESS, NAMELESS)
    if becomes:
        dropped_in.environment["DOORBELL_USER"] = f"{NAMELESS}:{NAMELESS}"
    else:
        dropped_in.launcher = as_user(NAMELESS, NAMELESS)
    dropped_in.start()
    assert dropped_in.process
    server = dropped_in.process.popen.pid
    assert users_of(server) == {str(NAMELESS)} and is_closed(server)
    command = subprocess.Popen(
        [*as_user(NAMELESS, NAMELESS), str(dropped_in.binary), "connection", "add", "-"],
        stdin=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        cwd=data,
    )
    try:
        until(lambda: is_closed(command.pid), "the command closes itself")
    finally:
        command.communicate()


def test_a_folder_of_somebody_elses_is_told_with_who_needs_it(
    dropped_in: Doorbell, data: Path
) -> None:
    """`user: 4242`, and ./data is still root's: nothing can be handed over then."""
    dropped_in.launcher = [*NO_HOME, *as_user(NAMELESS, NAMELESS)]
    dropped_in.spawn().wait()
    dropped_in.finish(1)
    (line,) = [line for line in dropped_in.output() if "cannot start" in line]
    assert f"{data}/" in line and f"user id {NAMELESS}" in line
    assert "belongs to user id 0" in line and f"(chown -R {NAMELESS} {data})" in line


def test_a_server_that_becomes_a_user_leaves_the_keys_of_the_service_to_it(
    make_doorbell: Callable[..., Doorbell], authority: Authority, open_folder: OpenFolder
) -> None:
    """Root may read them, the user may not."""
    places = ServicePlaces(open_folder.path / "places")
    for name in ("doorbell.vapid.key", "doorbell.store.key"):
        file = places.credstore / name
        file.touch(mode=0o600)
        file.write_text(key_pair()[0])
    doorbell = make_doorbell(user=f"{NAMELESS}:{NAMELESS}", store__path=places.store)
    doorbell.binary = open_folder.binary
    for name in ("DOORBELL_SIGNAL_CA_FILE", "DOORBELL_PUSH_CA_FILE"):
        doorbell.environment[name] = open_folder.copy(authority.file)
    doorbell.launcher = doorbell.commander = places.launcher
    doorbell.start()
    assert (places.data / "vapid.key").exists()
    done = doorbell.command("health")
    assert done.returncode == 0, done.stderr


def test_what_root_makes_by_hand_in_a_services_folder_is_the_services(
    dropped_in: Doorbell,
    data: Path,
    signal: SignalPeer,
    ntfy: PushPeer,
    open_folder: OpenFolder,
) -> None:
    """`sudo doorbell import` beside the package's service, whose user has no name."""
    account, endpoint = signal.new_account(), ntfy.endpoint()
    theirs = MollySocket(open_folder.path / "ms.db")
    theirs.add(account, endpoint)
    theirs.file.chmod(0o600)
    dropped_in.environment.pop("MOLLY_DB")
    dropped_in.environment["DOORBELL_STORE_PATH"] = f"{data}/doorbell.db"
    os.chown(data, NAMELESS, NAMELESS)
    data.chmod(0o700)
    done = dropped_in.command("import", str(theirs.file))
    assert done.returncode == 0, done.stderr
    made = {entry.name: (entry.stat().st_uid, entry.stat().st_gid) for entry in data.iterdir()}
    assert {"doorbell.db", "doorbell.db.lock", "vapid.key"} <= set(made)
    assert set(made.values()) == {(NAMELESS, NAMELESS)}, made
    assert theirs.file.stat().st_uid == 0
    dropped_in.launcher = [*NO_HOME, *as_user(NAMELESS, NAMELESS)]
    dropped_in.start()
    signal.wait_connected(account)
    rings(signal, ntfy, account, endpoint)
    done = dropped_in.command("import", str(theirs.file))
    assert done.returncode == 1 and "Stop it and give this command again" in done.stderr


def test_a_file_that_a_services_user_has_put_there_is_not_given_to_it(
    dropped_in: Doorbell, data: Path, open_folder: OpenFolder
) -> None:
    """Links to none yet and to one of root's, before root makes a store in that folder."""
    theirs = MollySocket(open_folder.path / "ms.db")
    roots, missing = open_folder.path / "roots", open_folder.path / "missing"
    roots.touch(0o600)
    dropped_in.environment.pop("MOLLY_DB")
    dropped_in.environment["DOORBELL_STORE_PATH"] = f"{data}/doorbell.db"
    (data / "doorbell.db").symlink_to(missing)
    os.chown(data, NAMELESS, NAMELESS)
    done = dropped_in.command("import", str(theirs.file))
    assert done.returncode == 1 and "doorbell.db" in done.stderr
    assert not missing.exists()
    for file in ("doorbell.db", "doorbell.db.lock"):
        (data / file).unlink()
    (data / "doorbell.db.lock").symlink_to(roots)
    assert dropped_in.command("import", str(theirs.file)).returncode == 0
    assert roots.stat().st_uid == 0


@pytest.mark.parametrize(
    "launcher, settings",
    [([], {"DOORBELL_USER": f"{NAMELESS}:{NAMELESS}"}), (as_user(NAMELESS, NAMELESS), {})],
    ids=["the image's user", "a user that only the container has"],
)
def test_in_a_folder_of_everybodys_roots_commands_know_the_server_from_a_stranger(
    dropped_in: Doorbell, data: Path, launcher: list[str], settings: dict[str, str]
) -> None:
    """`tmpfs: /data`, which is 1777 and stays root's, and `docker exec` or the health check."""
    data.chmod(0o1777)
    dropped_in.environment.update(settings)
    dropped_in.launcher = launcher
    dropped_in.start()
    assert (data / "doorbell.db").stat().st_uid == NAMELESS and data.stat().st_uid == 0
    for command in ("health", "status"):
        done = dropped_in.command(command)
        assert done.returncode == 0, done.stderr
    dropped_in.stop()
    listener = subprocess.Popen(
        [*as_user(NAMELESS + 1, NAMELESS + 1), sys.executable, "-c", LISTENER, str(data)],
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert listener.stdout and listener.stdout.readline() == "ready\n"
        done = dropped_in.command("health")
        assert done.returncode == 1, done.stdout
        assert f"(uid {NAMELESS + 1})" in done.stderr and "it is not trusted" in done.stderr
        (data / "doorbell.db").rename(data / "kept.db")
        (data / "doorbell.db").symlink_to(data / "theirs")
        assert "it is not trusted" in dropped_in.command("health").stderr
    finally:
        listener.kill()
        listener.communicate()


@pytest.mark.parametrize("inside", [0, 1000], ids=["root there", "keep-id"])
def test_a_rootless_container_with_ids_of_its_own_starts(
    dropped_in: Doorbell, data: Path, signal: SignalPeer, ntfy: PushPeer, inside: int
) -> None:
    """Its root, who left ./data, becomes the image's user; with `--userns=keep-id` it is nobody's
    root from the start."""
    account, endpoint = leave(data, signal, ntfy, FIRST + inside, FIRST + inside)
    dropped_in.environment["DOORBELL_USER"] = f"{NAMELESS}:{NAMELESS}"  # the image's
    dropped_in.launcher = [sys.executable, str(ROOTLESS), str(FIRST), "65536", str(inside)]
    dropped_in.start()
    assert dropped_in.process
    user = FIRST + (inside or NAMELESS)
    assert users_of(dropped_in.process.popen.pid) == {str(user)}
    signal.wait_connected(account)
    rings(signal, ntfy, account, endpoint)
    check_that_it_rings(dropped_in, signal, ntfy)
    assert (data / "doorbell.db").stat().st_uid == data.stat().st_uid == user
    assert (data / "mollysocket.db").stat().st_uid == FIRST + inside


NEW_PROCESSES = ["--mount", "--pid", "--fork", "--kill-child"]
NO_CAPABILITIES = ["setpriv", "--bounding-set=-all", "--inh-caps=-all"]
NO_CHOWN = ["setpriv", "--bounding-set=-chown", "--inh-caps=-chown"]  # CIFS and exFAT are like it


@pytest.mark.parametrize(
    "outside, rights",
    [(NAMELESS + 1, []), (0, NO_CAPABILITIES), (0, NO_CHOWN)],
    ids=["a single id", "no capabilities", "files that cannot be given away"],
)
def test_a_container_that_lets_nobody_become_another_starts_as_who_it_is(
    dropped_in: Doorbell,
    data: Path,
    open_folder: OpenFolder,
    signal: SignalPeer,
    ntfy: PushPeer,
    outside: int,
    rights: list[str],
) -> None:
    """Rootless without subordinate ids, and `cap_drop: [ALL]`, although the image has a user. It is a
    container's first process, so it ends by a signal to itself, not to `unshare`."""
    passwd = open_folder.path / "passwd"
    passwd.write_text(f"root:x:0:0::/:/bin/sh\ndoorbell:x:{NAMELESS}:{NAMELESS}::/:/bin/false\n")
    account, endpoint = leave(data, signal, ntfy, outside, outside)
    rootless = [*as_user(outside, outside), "unshare", "--map-root-user", *NEW_PROCESSES]
    dropped_in.launcher = [
        *(rootless if outside else ["unshare", *NEW_PROCESSES]),
        *("sh", "-c", WITH_PASSWD, str(passwd)),
        *rights,
    ]
    dropped_in.start()
    assert dropped_in.process
    parent = dropped_in.process.popen.pid
    (first,) = Path(f"/proc/{parent}/task/{parent}/children").read_text().split()
    assert users_of(int(first)) == {str(outside)}
    signal.wait_connected(account)
    rings(signal, ntfy, account, endpoint)
    check_that_it_rings(dropped_in, signal, ntfy)
    assert {entry.stat().st_uid for entry in data.iterdir()} == {outside}
    os.kill(int(first), signals.SIGTERM)
    dropped_in.finish(0)


# The few with which root hands its folder over and becomes another; it may not enter that folder then.
FEW = "--bounding-set=-all,+chown,+setgid,+setuid"


def keep_in_files(doorbell: Doorbell, ntfy: PushPeer) -> None:
    """In the folder, and not in the environment."""
    files: dict[str, dict] = {
        "doorbell.yaml": {"web.listen": [f"127.0.0.1:{doorbell.port}"]},
        "setup.yaml": {"push.allowed_endpoints": [ntfy.origin]},
    }
    for name, settings in files.items():
        file = doorbell.folder / name
        file.write_text(to_yaml(settings))
        file.chmod(0o600)
        shutil.chown(file, doorbell.folder.stat().st_uid)
    for variable in ("MOLLY_PORT", "MOLLY_ALLOWED_ENDPOINTS"):
        del doorbell.environment[variable]


@pytest.mark.parametrize("owner", [0, NAMELESS], ids=["the first start", "a later start"])
def test_a_root_who_may_enter_nobodys_folder_starts_and_is_answered(
    dropped_in: Doorbell,
    data: Path,
    open_folder: OpenFolder,
    signal: SignalPeer,
    ntfy: PushPeer,
    owner: int,
) -> None:
    """`cap_drop: [ALL]` with `cap_add: [CHOWN, SETGID, SETUID]`; `docker exec` and the health check are
    root with no more than these."""
    passwd = open_folder.path / "passwd"
    passwd.write_text("root:x:0:0::/:/bin/sh\ndoorbell:x:65532:65532::/:/bin/false\n")
    left = data / "left"  # by whoever ran there before
    left.touch(0o600)
    data.chmod(0o700)
    for place in (data, left):
        os.chown(place, owner, owner)
    keep_in_files(dropped_in, ntfy)
    few = ["setpriv", FEW, "--inh-caps=-all"]
    dropped_in.launcher = ["unshare", *NEW_PROCESSES, "sh", "-c", WITH_PASSWD, str(passwd), *few]
    dropped_in.commander = few
    dropped_in.start()
    user = owner or 65532
    assert data.stat().st_uid == left.stat().st_uid == user
    check_that_it_rings(dropped_in, signal, ntfy)
    for command in ("health", "status"):
        done = dropped_in.command(command)
        assert done.returncode == 0, done.stderr
    assert "setup.yaml:" in dropped_in.command("config").stdout
    assert dropped_in.process
    parent = dropped_in.process.popen.pid
    (first,) = Path(f"/proc/{parent}/task/{parent}/children").read_text().split()
    assert users_of(int(first)) == {str(user)}
    os.kill(int(first), signals.SIGTERM)
    dropped_in.finish(0)


def test_a_root_who_can_become_nobody_is_told_whose_folder_it_is(
    dropped_in: Doorbell, data: Path
) -> None:
    """`cap_drop: [ALL]` and no `user:`, with a volume that the image has made for its own user."""
    os.chown(data, NAMELESS, NAMELESS)
    data.chmod(0o700)
    dropped_in.launcher = NO_CAPABILITIES
    dropped_in.spawn().wait()
    dropped_in.finish(1)
    (line,) = [line for line in dropped_in.output() if "cannot start" in line]
    assert f"belongs to user id {NAMELESS}: start Doorbell as that user" in line


MOUNTED_IN_IT = """
mount --bind "$0" "$0" && mount -o remount,ro,bind "$0" && exec "$@"
"""


def test_a_key_that_is_mounted_read_only_stays_roots_and_nothing_else(
    dropped_in: Doorbell, data: Path, signal: SignalPeer, ntfy: PushPeer
) -> None:
    """`./vapid.key:/data/vapid.key:ro`, readable for others."""
    private, public = key_pair()
    dropped_in.secrets.add(private)
    (data / "vapid.key").write_text(private)
    (data / "vapid.key").chmod(0o444)
    account, endpoint = leave(data, signal, ntfy, 0, 0)
    dropped_in.environment["DOORBELL_USER"] = f"{NAMELESS}:{NAMELESS}"
    dropped_in.launcher = [*NAMESPACE, "sh", "-c", MOUNTED_IN_IT, str(data / "vapid.key")]
    dropped_in.start()
    assert dropped_in.process
    assert users_of(dropped_in.process.popen.pid) == {str(NAMELESS)}
    assert dropped_in.has_logged("vapid.key, in the folder of store.path, stays root's")
    signal.wait_connected(account)
    rings(signal, ntfy, account, endpoint)
    assert f"k={public}" in (ntfy.rings(endpoint)[0].get("authorization") or "")


@pytest.mark.parametrize("group", [NAMELESS, 0], ids=["and group", "and root's group"])
def test_roots_container_with_a_folder_of_somebodys_own_becomes_that_one(
    dropped_in: Doorbell,
    data: Path,
    open_folder: OpenFolder,
    signal: SignalPeer,
    ntfy: PushPeer,
    group: int,
) -> None:
    """`mkdir data` before `docker compose up`, or `chown 4242 data`, and no `user:`."""
    passwd = open_folder.path / "passwd"
    passwd.write_text("root:x:0:0::/:/bin/sh\ndoorbell:x:65532:65532::/:/bin/false\n")
    account, endpoint = leave(data, signal, ntfy, NAMELESS, group)
    os.chown(data / "mollysocket.db", 0, 0)  # its server ran as root
    dropped_in.launcher = ["unshare", *NEW_PROCESSES, "sh", "-c", WITH_PASSWD, str(passwd)]
    dropped_in.start()
    assert dropped_in.process
    parent = dropped_in.process.popen.pid
    (first,) = Path(f"/proc/{parent}/task/{parent}/children").read_text().split()
    assert users_of(int(first)) == users_of(int(first), "Gid") == {str(NAMELESS)}
    signal.wait_connected(account)
    rings(signal, ntfy, account, endpoint)
    assert (data / "doorbell.db").stat().st_uid == NAMELESS
    os.kill(int(first), signals.SIGTERM)
    dropped_in.finish(0)


def test_a_unit_that_forbids_unix_sockets_costs_the_commands_and_no_ring(
    dropped_in: Doorbell, signal: SignalPeer, ntfy: PushPeer
) -> None:
    """As NixOS's for MollySocket does."""
    dropped_in.launcher = [sys.executable, str(NO_UNIX_SOCKETS)]
    dropped_in.start()
    assert dropped_in.has_logged("add AF_UNIX to RestrictAddressFamilies=")
    check_that_it_rings(dropped_in, signal, ntfy)
