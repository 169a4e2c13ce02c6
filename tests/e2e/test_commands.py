"""The commands as a person at a shell uses them: on the running server at once, without one on the
store, and with a sentence where neither can be had.
"""

import base64
import json
import os
import re
import socket
import stat
import subprocess
import sys
import time
import urllib.parse
from pathlib import Path
from typing import Callable, Optional

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from lib.doorbell import BINARY, Doorbell
from lib.drop_in import MollySocket
from lib.push_peer import TEST, PushPeer
from lib.secrecy import secrecy
from lib.shell import OpenFolder, Shell, as_stranger, clean_environment, stranger_ids
from lib.signal_peer import Account, SignalPeer, new_account
from lib.terminal_qr import decode, text_of

MakeDoorbell = Callable[..., Doorbell]
DONE, NOT_DONE, WRONG_WORDS = 0, 1, 2
KEY_LENGTH = 43
SOMEBODY = "3a1117dc-7152-4b0f-adb7-fbb4a8e71931"

only_root = pytest.mark.skipif(os.geteuid() != 0, reason="changing the user needs root")


@pytest.fixture
def stopped(make_doorbell: MakeDoorbell, signal: SignalPeer, ntfy: PushPeer) -> Doorbell:
    """Configured, not started."""
    return make_doorbell(signal__url=signal.url, push__allowed_endpoints=["*", ntfy.origin])


class Said:
    """What a command said, without the password in it."""

    def __init__(self, done: subprocess.CompletedProcess, account: Optional[Account] = None):
        self.status, self.out, self.err = done.returncode, done.stdout, done.stderr
        if account:
            assert account.password not in self.out + self.err

    def expect(self, status: int, out: str = "", err: str = "") -> "Said":
        assert self.status == status, (self.status, self.out, self.err)
        assert out in self.out, self.out
        assert err in self.err, self.err
        return self


def words_of(account: Account, endpoint: str) -> list[str]:
    return [account.uuid, str(account.device), account.password, endpoint]


def line_of(account: Account, endpoint: str) -> str:
    """What Molly shows and copies."""
    return "connection add " + " ".join(words_of(account, endpoint))


def add(doorbell: Doorbell, account: Account, endpoint: str, *words: str, stdin: str = "") -> Said:
    """`words` instead of the four arguments."""
    doorbell.secrets |= {account.uuid, account.password, endpoint.partition("?")[0][-14:]}
    given = words or tuple(words_of(account, endpoint))
    return Said(doorbell.command("connection", "add", *given, stdin=stdin), account)


def wait_linked(doorbell: Doorbell, count: int) -> None:
    """Until it, not only the server, knows that so many accounts have come up."""
    doorbell.changes.wait_for(
        lambda: sum("connected to Signal." in line for line in doorbell.output()) >= count,
        f"the word that {count} accounts are connected",
    )


def tests_at(ntfy: PushPeer, endpoint: str) -> list:
    return ntfy.matching(lambda push: push.body == TEST, endpoint)


# On the running server


def forms_of_adding(account: Account, endpoint: str) -> dict[str, dict]:
    line = line_of(account, endpoint)
    return {
        "four words": {"words": words_of(account, endpoint)},
        "the line of the app": {"words": [line]},
        "the line with spaces around it": {"words": [f"  {line}\r\n"]},
        "the words of the line": {"words": line.split(" ")},
        "the line without the command": {"words": [" ".join(words_of(account, endpoint))]},
        "the line behind the program's name": {"words": [f"docker exec ms mollysocket {line}"]},
        "the words behind the program's name": {"words": ["mollysocket", *line.split(" ")]},
        "the line in quotes": {"words": [f'"{line}"']},
        "standard input": {"words": ["-"], "stdin": line + "\n"},
        "standard input behind an empty line": {"words": ["-"], "stdin": f"\n  \n{line}\n"},
        "standard input in quotes": {"words": ["-"], "stdin": f"'{line}'\n"},
        "standard input without an end of line": {"words": ["-"], "stdin": line},
        "standard input with four words": {
            "words": ["-"],
            "stdin": " ".join(words_of(account, endpoint)) + "\r\n",
        },
    }


@pytest.mark.parametrize("form", forms_of_adding(new_account(), "").keys())
def test_adding_links_at_once_and_sends_a_test_push(
    doorbell: Doorbell, signal: SignalPeer, ntfy: PushPeer, form: str
) -> None:
    account, endpoint = signal.new_account(), ntfy.endpoint()
    given = forms_of_adding(account, endpoint)[form]
    said = add(doorbell, account, endpoint, *given["words"], stdin=given.get("stdin", ""))
    said.expect(DONE, f"Connection for {account.uuid} added.\n")
    assert "accepted" in said.out and not said.err
    assert len(tests_at(ntfy, endpoint)) == 1
    signal.wait_connected(account)
    number = signal.queue(account.key)
    ntfy.wait_rings(1, endpoint)
    signal.wait_acked(number)
    assert len(signal.handshakes) == 1


def test_adding_from_standard_input_acts_on_the_first_line_without_waiting_for_more(
    doorbell: Doorbell, signal: SignalPeer, ntfy: PushPeer
) -> None:
    account, endpoint = signal.new_account(), ntfy.endpoint()
    process = subprocess.Popen(
        [str(BINARY), "--config", str(doorbell.write_configuration()), "connection", "add", "-"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=doorbell.folder,
        env=clean_environment(),
    )
    assert process.stdin
    process.stdin.write(line_of(account, endpoint) + "\n")
    process.stdin.flush()
    signal.wait_connected(account)
    assert process.wait(10) == DONE  # its input is still open
    out, err = process.communicate()
    secrecy.said(out + err, [line_of(account, endpoint)])
    assert f"Connection for {account.uuid} added." in out and account.password not in out + err


def test_adding_is_done_also_when_the_push_server_refuses_and_says_so(
    doorbell: Doorbell, signal: SignalPeer, ntfy: PushPeer
) -> None:
    ntfy.answer_with(50701)
    account, endpoint = signal.new_account(), ntfy.endpoint()
    said = add(doorbell, account, endpoint)
    said.expect(DONE, "added.", "The phone is not connected to the push server")
    signal.wait_connected(account)


def test_adding_again_replaces_credentials_and_endpoint(
    doorbell: Doorbell, signal: SignalPeer, ntfy: PushPeer
) -> None:
    account, first, second = signal.new_account(), ntfy.endpoint(), ntfy.endpoint()
    add(doorbell, account, first).expect(DONE)
    signal.wait_connected(account)
    account.password = new_account().password
    signal.change_account(account.key, password=account.password)
    add(doorbell, account, second).expect(DONE)
    signal.wait_connected(account, 2)
    assert doorbell.rows() == 1
    number = signal.queue(account.key)
    ntfy.wait_rings(1, second)
    signal.wait_acked(number)
    assert not ntfy.rings(first)
    assert not signal.displacements  # the old link was closed first


@pytest.mark.parametrize(
    "change, sentence",
    [
        ({"uuid": "nonsense"}, "UUID"),
        ({"device": 0}, "from 1 to 127"),
        ({"device": 128}, "from 1 to 127"),
        ({"endpoint": "ftp://ntfy.example/up"}, "endpoint"),
        (
            {"endpoint": "https://10.11.12.13/up"},
            'to allow it add "https://10.11.12.13" to push.allowed_endpoints',
        ),
    ],
    ids=str,
)
def test_what_cannot_be_added_is_told_why_and_leaves_no_trace(
    doorbell: Doorbell, signal: SignalPeer, ntfy: PushPeer, change: dict, sentence: str
) -> None:
    account = new_account()
    account.uuid = change.get("uuid", account.uuid)
    account.device = change.get("device", account.device)
    add(doorbell, account, change.get("endpoint", ntfy.endpoint())).expect(NOT_DONE, err=sentence)
    assert doorbell.rows() == 0 and not signal.handshakes and ntfy.connections == 0


def test_listing_shows_states_and_hides_what_is_secret(
    doorbell: Doorbell, signal: SignalPeer, ntfy: PushPeer
) -> None:
    said = Said(doorbell.command("connection", "list")).expect(DONE)
    assert said.out == "No account is registered.\n"
    up, wrong = signal.new_account(), new_account(device=7)
    add(doorbell, up, ntfy.endpoint()).expect(DONE)
    wait_linked(doorbell, 1)
    add(doorbell, wrong, ntfy.endpoint()).expect(DONE)
    signal.changed.wait_for(lambda: doorbell.has_logged("refuses these credentials"), "the refusal")
    said = Said(doorbell.command("connection", "list"), up).expect(DONE)
    lines = {line.split()[0]: line for line in said.out.splitlines()}
    assert set(lines) == {up.uuid, wrong.uuid} and wrong.password not in said.out
    assert "device 2  up  endpoint ok" in lines[up.uuid]
    assert "device 7  backing-off" in lines[wrong.uuid]
    assert all(line.endswith(f"at {ntfy.origin}") for line in lines.values())
    for option in ("-a", "--anonymized"):
        anonymous = Said(doorbell.command("connection", "list", option), up).expect(DONE)
        assert len(anonymous.out.splitlines()) == 2
        assert up.uuid not in anonymous.out and wrong.uuid not in anonymous.out


def test_an_endpoint_that_was_never_pushed_to_or_may_not_be_is_not_listed_as_well(
    make_doorbell: MakeDoorbell, signal: SignalPeer, ntfy: PushPeer
) -> None:
    doorbell = make_doorbell(signal__url=signal.url, push__allowed_endpoints=[ntfy.origin])
    theirs = MollySocket(doorbell.folder / "mollysocket.db")
    taken, flagged, elsewhere = (signal.new_account() for _ in range(3))
    theirs.add(taken, ntfy.endpoint())
    theirs.add(flagged, ntfy.endpoint(), forbidden=True)
    theirs.add(elsewhere, "https://10.1.2.3/upAbCdEfGhIj")
    doorbell.start()
    for account in (taken, flagged, elsewhere):
        signal.wait_connected(account)

    def listed() -> dict[str, str]:
        said = Said(doorbell.command("connection", "list")).expect(DONE)
        return {line.split()[0]: line for line in said.out.splitlines()}

    lines = listed()
    assert "endpoint ok (not tried since the start) at" in lines[taken.uuid]
    assert "endpoint not tried yet at" in lines[flagged.uuid]
    assert "endpoint not allowed at https://10.1.2.3" in lines[elsewhere.uuid]

    def status(account: Account) -> str:
        """Its line in the table and that of the endpoint below."""
        told = Said(doorbell.command("status", "--account", account.uuid)).expect(DONE).out
        return " ".join(told.split())

    known = "ok (not tried since the start) at"
    assert f"{known} {ntfy.origin}: has accepted no push since the start" in status(taken)
    assert f"not tried yet at {ntfy.origin}: has accepted no push yet" in status(flagged)
    assert "not allowed at https://10.1.2.3: the settings do not allow it" in status(elsewhere)
    table = Said(doorbell.command("status")).expect(DONE).out
    for word in ("was ok", "untried", "denied"):
        assert f"  {word:8}  " in table, table
    for account in (taken, flagged):
        assert doorbell.command("connection", "ping", account.uuid).returncode == DONE
        assert "endpoint ok at" in listed()[account.uuid]


def test_a_debt_is_listed(make_doorbell: MakeDoorbell, signal: SignalPeer, ntfy: PushPeer) -> None:
    doorbell = make_doorbell(
        signal__url=signal.url, push__allowed_endpoints=[ntfy.origin], push__hold="200ms"
    ).start()
    account, endpoint = signal.new_account(), ntfy.endpoint()
    add(doorbell, account, endpoint).expect(DONE)
    signal.wait_connected(account)
    ntfy.answer_with(50701)
    signal.wait_acked(signal.queue(account.key))
    said = Said(doorbell.command("connection", "list")).expect(DONE)
    assert "endpoint failing" in said.out and "owed a ring" in said.out


def test_removing_ends_the_link_and_forgets_all_devices(
    doorbell: Doorbell, signal: SignalPeer, ntfy: PushPeer
) -> None:
    first = signal.new_account(device=2)
    second = signal.new_account(device=3, uuid_text=first.uuid)
    other = signal.new_account()
    for account in (first, second, other):
        add(doorbell, account, ntfy.endpoint()).expect(DONE)
    wait_linked(doorbell, 3)
    said = Said(doorbell.command("connection", "remove", first.uuid.upper()))
    said.expect(DONE, "successfully removed.")
    for account in (first, second):
        session = signal.sessions_of(account)[-1]
        signal.changed.wait_for(lambda: session.ended, "the end of the link")
        assert session.client_close and session.client_close[0] == 1000
    assert signal.sessions_of(other)[-1].state == "open"
    assert doorbell.rows() == 1
    Said(doorbell.command("connection", "remove", first.uuid)).expect(
        NOT_DONE, err="No account has this id."
    )
    doorbell.stop()
    doorbell.start()
    signal.wait_connected(other, 2)
    assert len(signal.handshakes) == 4


def test_a_ping_arrives_and_its_answer_is_told(
    doorbell: Doorbell, signal: SignalPeer, ntfy: PushPeer
) -> None:
    account, endpoint = signal.new_account(), ntfy.endpoint()
    assert doorbell.register(account, endpoint) == "ok"
    ntfy.wait_pushes(1)
    said = Said(doorbell.command("connection", "ping", account.uuid), account)
    said.expect(DONE, "The push server accepted a test push")
    assert len(tests_at(ntfy, endpoint)) == 2
    ntfy.answer_with(410)
    said = Said(doorbell.command("connection", "ping", account.uuid), account)
    said.expect(NOT_DONE, err="The endpoint is gone for good")
    assert said.out == ""


def test_a_ping_tells_of_a_push_server_that_is_away(
    doorbell: Doorbell, signal: SignalPeer, ntfy: PushPeer
) -> None:
    account, endpoint = signal.new_account(), ntfy.endpoint()
    assert doorbell.register(account, endpoint) == "ok"
    ntfy.wait_pushes(1)
    ntfy.stop_listening()
    ntfy.drop_connections()
    Said(doorbell.command("connection", "ping", account.uuid)).expect(
        NOT_DONE, err="The push server cannot be reached"
    )


@pytest.mark.parametrize("command", ["remove", "ping"])
def test_an_unknown_id_is_not_done(doorbell: Doorbell, command: str) -> None:
    Said(doorbell.command("connection", command, new_account().uuid)).expect(
        NOT_DONE, err="No account has this id."
    )
    Said(doorbell.command("connection", command, "nonsense")).expect(NOT_DONE, err="UUID")


# Without a server


def test_without_a_server_commands_act_on_the_store_and_the_next_server_connects(
    stopped: Doorbell, signal: SignalPeer, ntfy: PushPeer
) -> None:
    account, endpoint, other = signal.new_account(), ntfy.endpoint(), new_account()
    said = add(stopped, account, endpoint)
    said.expect(DONE, f"Connection for {account.uuid} added.\n")
    assert len(tests_at(ntfy, endpoint)) == 1
    add(stopped, other, ntfy.endpoint()).expect(DONE)
    said = Said(stopped.command("connection", "list"), account).expect(DONE)
    assert account.uuid in said.out and other.uuid in said.out
    assert said.out.count("  no server runs  ") == 2
    Said(stopped.command("connection", "ping", account.uuid)).expect(DONE, "accepted")
    Said(stopped.command("connection", "remove", other.uuid)).expect(DONE, "removed.")
    for command in ("remove", "ping"):
        Said(stopped.command("connection", command, other.uuid)).expect(
            NOT_DONE, err="No account has this id."
        )
    assert not signal.handshakes
    stopped.start()
    signal.wait_connected(account)
    number = signal.queue(account.key)
    ntfy.wait_rings(1, endpoint)
    signal.wait_acked(number)
    assert len(signal.handshakes) == 1


def test_without_server_and_store_nothing_is_made_up(stopped: Doorbell) -> None:
    for words in (["list"], ["remove", new_account().uuid], ["ping", new_account().uuid]):
        said = Said(stopped.command("connection", *words))
        said.expect(NOT_DONE, err=f"there is no store {stopped.settings['store.path']}. Run this")
    assert {path.name for path in stopped.folder.iterdir()} == {"doorbell.yaml"}


def test_a_ping_without_a_server_tells_a_refusal_once(stopped: Doorbell, ntfy: PushPeer) -> None:
    account, endpoint = new_account(), ntfy.endpoint()
    ntfy.answer_with(507)
    add(stopped, account, endpoint).expect(DONE)
    words = ("--set", "log.level=info", "connection", "ping", account.uuid)
    said = Said(stopped.command(*words)).expect(NOT_DONE)
    assert said.err.count("507") == 1, said.err


def test_a_store_that_another_process_holds_is_told_with_what_to_look_at(
    doorbell: Doorbell, signal: SignalPeer, ntfy: PushPeer, tmp_path: Path
) -> None:
    elsewhere = str(tmp_path / "elsewhere.sock")
    account = new_account()
    for words in (
        ["list"],
        ["add", *words_of(account, ntfy.endpoint())],
        ["remove", account.uuid],
        ["ping", account.uuid],
    ):
        said = Said(
            doorbell.command("--set", f"control.path={elsewhere}", "connection", *words), account
        )
        said.expect(
            NOT_DONE,
            err=f"Another process holds the store, but no server answers on the control socket "
            f"{elsewhere}.",
        )
    assert doorbell.rows() == 0


def test_a_socket_left_by_a_killed_server_stops_nobody(
    doorbell: Doorbell, signal: SignalPeer, ntfy: PushPeer
) -> None:
    doorbell.kill()
    assert (doorbell.folder / "doorbell.sock").exists()
    account = signal.new_account()
    add(doorbell, account, ntfy.endpoint()).expect(DONE, "added.")
    doorbell.start()
    signal.wait_connected(account)
    assert account.uuid in doorbell.command("connection", "list").stdout


# Who may


def test_the_socket_and_the_files_are_for_their_user_alone(doorbell: Doorbell) -> None:
    modes = {
        file.name: stat.S_IMODE(file.stat().st_mode)
        for file in doorbell.folder.iterdir()
        if file.name != "doorbell.yaml"  # the test's own
    }
    assert modes.keys() >= {"doorbell.sock", "doorbell.db", "doorbell.db.lock", "vapid.key"}
    assert set(modes.values()) == {0o600}, modes


def connection_list_as_stranger(folder: OpenFolder, control: Path) -> subprocess.CompletedProcess:
    """With a store of the stranger's own, so that nothing but the socket is in question."""
    own = folder.path / "own"
    own = own if own.exists() else folder.make("own", 0o700, belongs_to_stranger=True)
    shell = Shell(own)
    shell.binary = folder.binary
    return shell.run(
        "--set",
        f"store.path={own}/doorbell.db",
        "--set",
        f"control.path={control}",
        "connection",
        "list",
        **as_stranger(),
    )


@only_root
def test_a_stranger_is_refused_by_the_socket_and_again_by_the_server(
    make_doorbell: MakeDoorbell,
    signal: SignalPeer,
    ntfy: PushPeer,
    open_folder: OpenFolder,
) -> None:
    control = open_folder.make("control", 0o755) / "doorbell.sock"
    doorbell = make_doorbell(
        signal__url=signal.url,
        push__allowed_endpoints=[ntfy.origin],
        control__path=str(control),
    ).start()
    account = signal.new_account()
    assert doorbell.register(account, ntfy.endpoint()) == "ok"
    done = connection_list_as_stranger(open_folder, control)
    Said(done).expect(NOT_DONE, err="Run this as the user that runs the server.")
    assert done.stdout == ""
    control.chmod(0o666)  # as a careless script might
    done = connection_list_as_stranger(open_folder, control)
    Said(done).expect(NOT_DONE)
    assert account.uuid not in done.stdout + done.stderr
    assert account.uuid in doorbell.command("connection", "list").stdout


LISTENER = """
import socket, sys
listener = socket.socket(socket.AF_UNIX)
listener.bind(sys.argv[1])
listener.listen()
print("ready", flush=True)
connection, _ = listener.accept()
print(len(connection.recv(4096)), flush=True)
"""


@only_root
def test_a_password_is_not_told_to_a_stranger_who_listens_on_the_socket(
    stopped: Doorbell, ntfy: PushPeer, open_folder: OpenFolder
) -> None:
    control = open_folder.make("shared", 0o777) / "doorbell.sock"
    listener = subprocess.Popen(
        [sys.executable, "-c", LISTENER, str(control)],
        stdout=subprocess.PIPE,
        text=True,
        cwd="/",
        **as_stranger(),
    )
    try:
        assert listener.stdout
        assert listener.stdout.readline() == "ready\n"
        account = new_account()
        said = Said(
            stopped.command(
                "--set",
                f"control.path={control}",
                "connection",
                "add",
                *words_of(account, ntfy.endpoint()),
            ),
            account,
        )
        said.expect(NOT_DONE, err="it is not trusted")
        assert listener.stdout.readline() == "0\n"
    finally:
        listener.kill()
        listener.communicate()


CHANGED_LISTENER = """
import os, socket, sys
listener = socket.socket(socket.AF_UNIX)
listener.bind(sys.argv[1])
os.setuid(int(sys.argv[2]))
listener.listen()
print("ready", flush=True)
connection, _ = listener.accept()
print("asked" if connection.recv(4096) else "left", flush=True)
"""


@only_root
@pytest.mark.parametrize(("mode", "then"), [(0o700, "asked"), (0o770, "left"), (0o707, "left")])
def test_a_server_with_another_user_is_asked_where_only_the_folders_owner_could_put_its_socket(
    stopped: Doorbell, tmp_path: Path, mode: int, then: str
) -> None:
    """As with DynamicUser= of newer systemd, which shows a service its folder as its own."""
    folder = tmp_path / "served"
    folder.mkdir()
    folder.chmod(mode)
    control = str(folder / "doorbell.sock")
    words = [sys.executable, "-c", CHANGED_LISTENER, control, str(stranger_ids()[0])]
    listener = subprocess.Popen(words, stdout=subprocess.PIPE, text=True, cwd="/")
    try:
        assert listener.stdout
        assert listener.stdout.readline() == "ready\n"
        done = stopped.command("--set", f"control.path={control}", "health")
        assert listener.stdout.readline() == f"{then}\n"
        assert done.returncode != 0 and ("not trusted" in done.stderr) == (then == "left")
    finally:
        listener.kill()
        listener.communicate()


def test_what_is_no_request_on_the_socket_disturbs_nothing(
    doorbell: Doorbell, signal: SignalPeer, ntfy: PushPeer
) -> None:
    path = str(doorbell.folder / "doorbell.sock")
    answers = []
    for request in (
        b"\n",
        b"nonsense\n",
        b"[]\n",
        b"{}\n",
        b'{"command":"add"}\n',
        b'{"command":"add","uuid":1,"device":"x","password":[],"endpoint":null}\n',
        b'{"command":"list"' + b" " * 100000 + b"}\n",
        b"\xff\x00\n",
    ):
        with socket.socket(socket.AF_UNIX) as client:
            client.settimeout(10)
            client.connect(path)
            try:
                client.sendall(request)
                answers.append(client.recv(65536))
            except ConnectionError:
                answers.append(b"")
    for answer in answers:
        assert answer == b"" or json.loads(answer)["done"] is False, answer
    idle = [socket.socket(socket.AF_UNIX) for _ in range(40)]
    try:
        for client in idle:
            client.connect(path)
    finally:
        for client in idle:
            client.close()
    account = signal.new_account()
    add(doorbell, account, ntfy.endpoint()).expect(DONE)
    signal.wait_connected(account)


# Keys


def from_base64url(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def public_key_of(private_text: str) -> ec.EllipticCurvePublicKey:
    number = int.from_bytes(from_base64url(private_text), "big")
    return ec.derive_private_key(number, ec.SECP256R1()).public_key()


def verified_claims(header: str, key: ec.EllipticCurvePublicKey) -> dict:
    """RFC 8292: the claims of a token that this key has signed and that names it."""
    scheme, _, parameters = header.partition(" ")
    assert scheme == "vapid"
    named = dict(parameter.split("=", 1) for parameter in parameters.split(","))
    numbers = key.public_numbers()
    point = b"\x04" + numbers.x.to_bytes(32, "big") + numbers.y.to_bytes(32, "big")
    assert set(named) == {"t", "k"} and from_base64url(named["k"]) == point
    head, claims, signature = named["t"].split(".")
    assert json.loads(from_base64url(head)) == {"typ": "JWT", "alg": "ES256"}
    raw = from_base64url(signature)
    assert len(raw) == 64
    key.verify(
        encode_dss_signature(int.from_bytes(raw[:32], "big"), int.from_bytes(raw[32:], "big")),
        f"{head}.{claims}".encode(),
        ec.ECDSA(hashes.SHA256()),
    )
    return json.loads(from_base64url(claims))


def test_a_generated_key_is_one_line_of_43_characters_and_always_another(shell: Shell) -> None:
    keys = set()
    for _ in range(20):
        done = shell.run("vapid", "generate")
        assert (done.returncode, done.stderr) == (DONE, "")
        line, _, rest = done.stdout.partition("\n")
        assert rest == "" and len(line) == KEY_LENGTH and len(from_base64url(line)) == 32
        public_key_of(line)
        keys.add(line)
    assert len(keys) == 20
    assert not list(shell.folder.iterdir())


def test_the_header_of_vapid_test_is_signed_by_the_key_in_the_file(shell: Shell) -> None:
    key = shell.run("vapid", "generate").stdout
    shell.write(key, "my.key").chmod(0o600)
    shell.write_settings(
        {"push.vapid_key_file": "my.key", "push.vapid_subject": "mailto:me@example.org"}
    )
    done = shell.run("vapid", "test", "https://ntfy.example.org/upSecretTopic?up=1")
    assert (done.returncode, done.stderr) == (DONE, "")
    header, _, rest = done.stdout.partition("\n")
    assert rest == "" and key.strip() not in done.stdout
    claims = verified_claims(header, public_key_of(key.strip()))
    now = time.time()
    assert claims.pop("exp") == pytest.approx(now + 12 * 3600, abs=12 * 3600 - 60)
    assert claims == {"aud": "https://ntfy.example.org", "sub": "mailto:me@example.org"}


def test_vapid_test_without_a_key_says_so_and_makes_none(shell: Shell) -> None:
    Said(shell.run("vapid", "test", "https://ntfy.example.org/up")).expect(
        NOT_DONE, err="data/vapid.key does not exist"
    )
    assert not list(shell.folder.iterdir())
    Said(shell.run("vapid", "test", "nonsense")).expect(NOT_DONE, err="not a usable URL")


# QR codes


def vapid_of(shell: Shell) -> str:
    """The public key as `vapid test` tells it."""
    header = shell.run("vapid", "test", "https://ntfy.example.org/up").stdout.strip()
    return header.rpartition("k=")[2]


@pytest.mark.parametrize(
    "url",
    [
        "https://push.example.org/",
        "https://push.example.org:8443/molly/",
        "https://push.example.org/a%20path/?with=a&query=1",
        "https://" + "a-rather-long-label." * 10 + "example.org/with/a/long/path/" + "x" * 60,
    ],
    ids=["root", "port and path", "escapes and query", "long"],
)
def test_the_code_for_a_url_is_the_link_that_molly_reads(shell: Shell, url: str) -> None:
    done = shell.run("qr-code", "url", url)
    Said(done).expect(DONE)
    vapid = vapid_of(shell)
    assert len(vapid) == 87
    expected = "mollysocket://link?" + urllib.parse.urlencode(
        [("vapid", vapid), ("url", url), ("type", "webserver")]
    )
    assert decode(done.stdout) == expected
    assert text_of(done.stdout)[-1] == expected  # for who cannot scan


def test_the_airgapped_code_is_the_link_that_molly_reads(shell: Shell) -> None:
    done = shell.run("qr-code", "airgapped")
    Said(done).expect(DONE, "connection add -")
    expected = f"mollysocket://link?vapid={vapid_of(shell)}&type=airgapped"
    assert decode(done.stdout) == expected
    assert text_of(done.stdout)[-1] == expected
    assert shell.run("qr-code", "airgapped").stdout == done.stdout  # the key is kept


def test_the_code_names_the_key_of_the_running_server(
    doorbell: Doorbell, signal: SignalPeer, ntfy: PushPeer
) -> None:
    assert doorbell.register(signal.new_account(), ntfy.endpoint()) == "ok"
    link = decode(doorbell.command("qr-code", "airgapped").stdout)
    vapid = urllib.parse.parse_qs(link.partition("?")[2])["vapid"][0]
    assert (ntfy.wait_pushes(1)[0].get("Authorization") or "").endswith(f"k={vapid}")


@pytest.mark.parametrize(
    "url", ["http://push.example.org/", "push.example.org", "", "wss://push.example.org/"]
)
def test_what_molly_could_not_use_gets_no_code(shell: Shell, url: str) -> None:
    done = shell.run("qr-code", "url", url)
    Said(done).expect(NOT_DONE, err="https://")
    assert done.stdout == ""


# Documents


def test_the_sample_is_a_configuration_that_changes_nothing(shell: Shell) -> None:
    sample = shell.run("config", "sample")
    assert (sample.returncode, sample.stderr) == (DONE, "")
    shell.write(sample.stdout)
    Said(shell.run("config", "check")).expect(DONE, "The configuration can be loaded.")
    uncommented = re.sub(r"(?m)^(  )#(\w+: )", r"\1\2", sample.stdout)
    assert uncommented.count("#") < sample.stdout.count("#") - 40
    shell.write(uncommented, "all.yaml")
    Said(shell.run("-c", "all.yaml", "config", "check")).expect(DONE)


def test_the_table_has_every_setting_of_the_sample(shell: Shell) -> None:
    table = shell.run("config", "table").stdout
    section, names = "", []
    for line in shell.run("config", "sample").stdout.splitlines():
        if line.endswith(":") and line[0].isalpha():
            section = line[:-1]
        elif line.startswith("  #") and line[3].isalpha():
            names.append(f"{section}.{line[3:].partition(':')[0]}")
    assert len(names) > 40
    for name in names:
        variable = "DOORBELL_" + name.upper().replace(".", "_")
        assert f"| `{name}` | `{variable}` |" in table


def test_a_check_reads_no_store_and_makes_nothing(shell: Shell) -> None:
    Said(shell.run("config", "check")).expect(DONE)
    assert not list(shell.folder.iterdir())


# Words


@pytest.mark.parametrize("word", ["--version", "-V"])
def test_the_version_is_one_line(shell: Shell, word: str) -> None:
    done = shell.run(word)
    assert (done.returncode, done.stderr) == (DONE, "")
    name, _, number = done.stdout.rstrip("\n").partition(" ")
    assert name == "doorbell" and number[0].isdigit() and "\n" not in number


def test_the_version_names_the_commit_and_the_libraries_that_run(shell: Shell) -> None:
    done = shell.run("version")
    assert (done.returncode, done.stderr) == (DONE, "")
    first, commit, *libraries = done.stdout.splitlines()
    assert f"{first}\n" == shell.run("--version").stdout
    assert re.fullmatch(r"commit [0-9A-Za-z._+-]+", commit)
    versions = dict(line.split(" ") for line in libraries)
    assert all(re.match(r"\d+\.\d", version) for version in versions.values()), versions
    assert list(versions) == [
        *("libcurl", "openssl", "libsodium", "libyaml", "libuv", "c-ares", "libmicrohttpd"),
        *("nghttp2", "sqlite", "libqrencode", "jansson", "libseccomp"),
    ]


@pytest.mark.parametrize("word", ["--help", "-h", "help"])
@pytest.mark.parametrize("command", ["", "connection", "vapid", "qr-code", "config"])
def test_help_names_the_words_on_standard_output(shell: Shell, command: str, word: str) -> None:
    done = shell.run(*([command] if command else []), word)
    assert (done.returncode, done.stderr) == (DONE, "")
    assert done.stdout.startswith("Usage: doorbell")
    known = {
        "": ["server", "connection", "vapid", "qr-code", "config", "version", "--set", "-c, --config FILE", "--version"],
        "connection": ["add", "list", "remove", "ping"],
        "vapid": ["generate", "test"],
        "qr-code": ["url", "airgapped"],
        "config": ["check", "sample", "table"],
    }
    for name in known[command]:
        assert name in done.stdout


@pytest.mark.parametrize(
    "words",
    [
        [],
        ["conection"],
        ["connection"],
        ["connection", "ad"],
        ["connection", "add"],
        ["connection", "add", "one"],
        ["connection", "add", "one", "two", "three"],
        ["connection", "add", "one", "2", "three", "four", "five"],
        ["connection", "add", "connection", "add"],
        ["connection", "add", "connection add one 2 three"],
        ["connection", "add", ""],
        ["connection", "add", "-"],
        ["connection", "add", SOMEBODY, "two", "password", "https://ntfy.example/up"],
        ["connection", "list", "-x"],
        ["connection", "list", "-a", "-x"],
        ["connection", "remove"],
        ["connection", "remove", "one", "two"],
        ["connection", "ping"],
        ["vapid"],
        ["vapid", "make"],
        ["vapid", "generate", "two"],
        ["vapid", "test"],
        ["vapid", "test", "https://a.example/", "https://b.example/"],
        ["qr-code"],
        ["qr-code", "url"],
        ["qr-code", "airgapped", "now"],
        ["config", "chek"],
        ["server", "now"],
        ["--config"],
        ["--set"],
        ["--unknown", "server"],
        ["-c"],
        ["-vx", "server"],
        ["--version=1"],
        ["--verbose=2", "server"],
    ],
    ids=" ".join,
)
def test_wrong_words_are_told_on_standard_error_and_return_2(
    shell: Shell, words: list[str]
) -> None:
    done = shell.run(*words)
    Said(done).expect(WRONG_WORDS)
    assert done.stdout == ""
    assert "doorbell: " in done.stderr or done.stderr.startswith("Usage: doorbell")
    assert not list(shell.folder.iterdir())


@pytest.mark.parametrize(
    "words",
    [["version", "now"], ["config", "check", "now"], ["config", "sample", "x"]],
    ids=" ".join,
)
def test_words_that_a_command_does_not_know_are_wrong(shell: Shell, words: list[str]) -> None:
    Said(shell.run(*words)).expect(WRONG_WORDS)
