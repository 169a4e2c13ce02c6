"""What is configured wrongly stops the start with status 1 and a sentence that says where, what and
how to mend it; and what is configured rightly is what happens.
"""

import base64
import json
import os
import re
import sqlite3
import socket
import stat
import uuid
from pathlib import Path
from typing import Callable, Iterator, Mapping, Optional

import pytest

from lib.background import Changes
from lib.certs import Authority
from lib.doorbell import Doorbell
from lib.ports import free_port
from lib.process import Process
from lib.push_peer import PushPeer
from lib.shell import (
    BINARY,
    OpenFolder,
    Shell,
    as_stranger,
    clean_environment,
    stranger_ids,
)
from lib.signal_peer import SignalPeer

MakeDoorbell = Callable[..., Doorbell]
NOT_DONE = 1
PUBLIC_KEY = (  # somebody's
    "BNcRdreALRFXTkOOUHK1EtK2wtaz5Ry4YfYCA_0QTpQtUbVlUls0VJXg7A8u-Ts1XbjhazAkj7I99e8QcYP7DkM"
)

only_root = pytest.mark.skipif(os.geteuid() != 0, reason="changing the user needs root")


@pytest.fixture
def start(tmp_path: Path, changes: Changes) -> Iterator[Callable[..., Process]]:
    """Starts a server with these words and environment; it must say that it is ready."""
    started: list[Process] = []

    def run(
        *words: str, cwd: Optional[Path] = None, environment: Optional[Mapping[str, str]] = None
    ) -> Process:
        process = Process(
            changes,
            [str(BINARY), *words, "server"],
            cwd=cwd or tmp_path,
            env=clean_environment(environment),
        )
        process.is_watched()
        started.append(process)

        def ready() -> bool:
            assert process.is_running(), process.tail()
            return any(" is ready" in line for line in process.lines)

        changes.wait_for(ready, "Doorbell ready")
        return process

    yield run
    for process in started:
        if process.is_running():
            process.popen.terminate()
            assert process.wait() == 0, process.tail()
        process.end()


def refusal(
    shell: Shell,
    *words: str,
    environment: Optional[Mapping[str, str]] = None,
    **options: object,
) -> str:
    """The one sentence with which the server does not start."""
    named = {"DOORBELL_WEB_LISTEN": f"127.0.0.1:{free_port()}", **(environment or {})}
    done = shell.run(*words, "server", environment=named, **options)
    assert done.returncode == NOT_DONE, (done.returncode, done.stderr)
    assert done.stdout == ""
    lines = [line for line in done.stderr.splitlines() if re.search(r"^doorbell: | error ", line)]
    assert len(lines) == 1, done.stderr
    return lines[0]


# The file


@pytest.mark.parametrize(
    "text, line, needles",
    [
        (
            "push:\n  timeout: 5s\n  timout: 5s\n",
            3,
            ['key "push.timout" is not known', 'did you mean "push.timeout"?'],
        ),
        ("pusch:\n  timeout: 5s\n", 2, ['"pusch.timeout"', 'did you mean "push.timeout"?']),
        ("timeout: 5s\n", 1, ['key "timeout" is not known']),
        ("entirely:\n  something: else\n", 2, ['"entirely.something"', "doorbell config sample"]),
        ("push:\n\n  timeout: 5\n", 3, ["push.timeout", "no unit", "5s, 5m or 5h"]),
        ("push:\n  timeout: soon\n", 2, ["push.timeout", '"soon"', "20s, 5m, 1h"]),
        ("push:\n  timeout: 1d\n", 2, ["push.timeout", "from 1ms to 10m"]),
        ("push:\n  timeout: [5s]\n", 2, ["push.timeout", "one value, not a list"]),
        ("push:\n  timeout:\n    seconds: 5\n", 2, ["push.timeout", "not a section"]),
        ("push:\n  timeout:\n", 2, ["push.timeout", "15s"]),
        ("push: 5s\n", 1, ['"push" is a section', "indented by two spaces"]),
        ("web:\n  enabled: perhaps\n", 2, ["web.enabled", "neither true nor false"]),
        ("accounts:\n  max: many\n", 2, ["accounts.max", "number from 1"]),
        ("accounts:\n  max: 0\n", 2, ["accounts.max", "must be from 1"]),
        ("log:\n  level: loud\n", 2, ["log.level", '"loud"', "error, warn, info, debug"]),
        ("web:\n  listen: localhost:8020\n", 2, ["web.listen", "numeric address", "unix:PATH"]),
        ("web:\n  public_url: push.example.org\n", 2, ["web.public_url", "https://"]),
        ("signal:\n  url: https://chat.example/\n", 2, ["signal.url", "must begin with wss://"]),
        ("signal:\n  url: ws://chat.example/\n", 2, ["signal.url", "passwords in clear", "wss://"]),
        ("signal:\n  url: wss:///v1/\n", 2, ["signal.url"]),
        ("signal:\n  url: wss://me:secret@chat.example/\n", 2, ["signal.url", "user name"]),
        ("push:\n  vapid_subject: me\n", 2, ["push.vapid_subject", "mailto:"]),
        (
            'push:\n  allowed_endpoints:\n    - "*"\n    - ntfy.example.org\n',
            4,
            ["push.allowed_endpoints", "entry 2", "https://"],
        ),
        (
            "push:\n  denied:\n    - https://ntfy.example.org\n",
            3,
            ["push.denied", "host name without https://"],
        ),
        ("accounts:\n  allowed: [me]\n", 2, ["accounts.allowed", "8-4-4-4-12"]),
        ("net:\n  nameservers: dns.example\n", 2, ["net.nameservers", "192.0.2.53:5353"]),
        ("web:\n  trusted_proxies: [10.0.0.0/33]\n", 2, ["web.trusted_proxies"]),
        ("store:\n  path: ~/doorbell.db\n", 2, ["store.path", "write the whole path"]),
        ("store:\n  path: /var/lib/doorbell/\n", 2, ["store.path", "add the name of a file"]),
        ("push:\n\ttimeout: 5s\n", 2, ["tab", "indent it with spaces"]),
        ("push:\n  allowed_endpoints: *\n", 2, ['must stand in quotes: "*"']),
        ('push:\n  ca_file: "/etc\nlog:\n  level: info\n', 2, ["not closed"]),
        (
            "push:\n  timeout: 5s\nlog:\n  level: info\npush:\n  hold: 6s\n",
            5,
            ['key "push"', "second time, first in line 1", "make them one"],
        ),
        (
            "push:\n  timeout: 5s\n  hold: 6s\n  timeout: 6s\n",
            4,
            ['key "push.timeout"', "second time, first in line 2"],
        ),
    ],
    ids=lambda value: None if isinstance(value, (int, list)) else repr(value)[:50],
)
def test_a_wrong_file_stops_the_start_with_line_key_and_cure(
    shell: Shell, text: str, line: int, needles: list[str]
) -> None:
    file = shell.write(text, "wrong.yaml")
    for words in (["-c", "wrong.yaml"], ["--config", str(file)]):
        sentence = refusal(shell, *words)
        assert f"{words[1]}:{line}: " in sentence, sentence
        for needle in needles:
            assert needle in sentence, sentence
    check = shell.run("-c", str(file), "config", "check")
    assert check.returncode == NOT_DONE and check.stderr.strip() == sentence
    assert "me:secret" not in sentence
    assert [path.name for path in shell.folder.iterdir()] == ["wrong.yaml"]


DEFAULT_FILE = "doorbell.yaml"
REFUSED_ENTRY = 'push.allowed_endpoints: entry 2, "https://ntfy.example.org": '
POLICY = 'push:\n  allowed_endpoints:\n    - "*"\n    - https://ntfy.example.org/a/../b\n'


def test_an_entry_that_only_the_policy_refuses_is_told_without_its_path(shell: Shell) -> None:
    shell.write(POLICY)
    sentence = refusal(shell)
    assert f"{DEFAULT_FILE}:2: {REFUSED_ENTRY}" in sentence
    assert not (shell.folder / "data").exists()
    assert "its path must not have . or .." in sentence and "/a/" not in sentence


def test_an_entry_that_only_the_policy_refuses_is_told_by_the_check(shell: Shell) -> None:
    shell.write(POLICY)
    check = shell.run("config", "check")
    assert check.returncode == NOT_DONE
    assert f"{DEFAULT_FILE}:2: {REFUSED_ENTRY}" in check.stderr


def test_what_only_its_user_can_judge_is_told_with_the_place_where_it_was_written(
    shell: Shell,
) -> None:
    file = shell.write("web.enabled: false\npush:\n  ca_file: /nowhere/ca.pem\n")
    assert f"{DEFAULT_FILE}:3: push.ca_file: " in refusal(shell)
    file.write_text("\nsignal.ca_file: /nowhere/ca.pem\n")
    assert f"{DEFAULT_FILE}:2: signal.ca_file: /nowhere/ca.pem cannot be opened" in refusal(shell)
    file.write_text("push.vapid_key_file: /dev/null\n")
    assert f"{DEFAULT_FILE}:1: push.vapid_key_file: /dev/null: " in refusal(shell)
    file.write_text("# mine\nstore:\n  # here\n  path: /dev/null/x.db\n")
    assert f"{DEFAULT_FILE}:4: store.path: " in refusal(shell)
    environment = {"DOORBELL_PUSH_ALLOWED_ENDPOINTS": "https://a.example/b/../c"}
    file.unlink()
    assert "DOORBELL_PUSH_ALLOWED_ENDPOINTS: push.allowed_endpoints: entry 1, " in refusal(
        shell, environment=environment
    )
    sentence = refusal(shell, "--set", "push.allowed_endpoints=https://a.example/b/../c", environment=environment)
    assert "command line: push.allowed_endpoints: entry 1, " in sentence


def test_settings_that_contradict_each_other_are_both_named(shell: Shell) -> None:
    shell.write("push:\n  retry_min: 1h\n")
    sentence = refusal(shell)
    for needle in ("push.retry_min (1h)", "push.retry_max (15m)", "change one of them"):
        assert needle in sentence and f"{DEFAULT_FILE}:2: " in sentence
    shell.write("push:\n\n  retry_max: 1s\n")
    assert f"{DEFAULT_FILE}:3: push.retry_max (1s) is shorter than push.retry_min " in refusal(shell)


def test_a_file_that_is_missing_is_named(shell: Shell) -> None:
    assert "/nowhere/doorbell.yaml: " in refusal(shell, "-c", "/nowhere/doorbell.yaml")
    named = {"DOORBELL_CONFIG": "/nowhere/env.yaml"}
    assert "/nowhere/env.yaml: " in refusal(shell, environment=named)


def test_a_folder_in_place_of_the_file_is_named(shell: Shell) -> None:
    (shell.folder / "doorbell.yaml").mkdir()
    assert "doorbell.yaml: it is a folder" in refusal(shell)


@only_root
def test_a_file_that_may_not_be_read_is_named(open_folder: OpenFolder) -> None:
    shell = Shell(open_folder.make("work", 0o755))
    shell.binary = open_folder.binary
    file = shell.write("log:\n  level: info\n")
    file.chmod(0o600)
    sentence = refusal(shell, **as_stranger())
    assert "doorbell.yaml: it cannot be read (Permission denied)" in sentence


# Environment and command line


@pytest.mark.parametrize(
    "name, value, needles",
    [
        ("DOORBELL_PUSH_TIMEOUT", "5", ["no unit", "5s, 5m or 5h"]),
        ("DOORBELL_WEB_ENABLED", "perhaps", ["neither true nor false"]),
        ("DOORBELL_SIGNAL_URL", "https://chat.example/", ["must begin with wss://"]),
        ("DOORBELL_PUSH_ALLOWED_ENDPOINTS", "*,ntfy.example.org", ["entry 2", "https://"]),
        ("DOORBELL_PUSH_ALLOWED_ENDPOINTS", '["*"', ["not a list"]),
        ("DOORBELL_LOG_LEVEL", "loud", ["error, warn, info, debug"]),
        ("DOORBELL_STORE_PATH", "", ["it is empty", "./data/doorbell.db"]),
    ],
    ids=str,
)
def test_a_wrong_variable_stops_the_start_with_its_name(
    shell: Shell, name: str, value: str, needles: list[str]
) -> None:
    sentence = refusal(shell, environment={name: value})
    for needle in [f"{name}: ", *needles]:
        assert needle in sentence, sentence


@pytest.mark.parametrize(
    "override, needles",
    [
        ("push.timout=5s", ['"push.timout"', 'did you mean "push.timeout"?']),
        ("push.timeout=5", ["push.timeout: ", "no unit"]),
        ("push.timeout", ["push.timeout=VALUE"]),
    ],
    ids=str,
)
def test_a_wrong_word_on_the_command_line_stops_the_start(
    shell: Shell, override: str, needles: list[str]
) -> None:
    sentence = refusal(shell, "--set", override)
    for needle in ["command line: ", *needles]:
        assert needle in sentence, sentence


def test_an_unknown_variable_is_one_warning(start: Callable[..., Process], tmp_path: Path) -> None:
    process = start(
        "--set",
        f"web.listen=127.0.0.1:{free_port()}",
        *("--set", "accounts.max=100", "--set", "web.connections=64"),  # few descriptors will do
        environment={
            "DOORBELL_PUSH_TIMOUT": "secret value",
            "DOORBELL_PORT": "tcp://10.0.0.1:8020",  # as Kubernetes sets it
        },
    )
    warnings = [line for line in process.lines if " warn " in line]
    assert len(warnings) == 2 and "secret value" not in process.tail()
    assert any("did you mean DOORBELL_PUSH_TIMEOUT?" in line for line in warnings)


def subject_of(shell: Shell, *words: str, environment: Optional[dict] = None) -> str:
    """What push.vapid_subject is in force, as a token tells."""
    done = shell.run(
        *words, "vapid", "test", "https://ntfy.example.org/up", environment=environment
    )
    assert done.returncode == 0, done.stderr
    claims = done.stdout.partition("t=")[2].split(".")[1]
    return json.loads(base64.urlsafe_b64decode(claims + "=" * (-len(claims) % 4)))["sub"]


def test_the_command_line_wins_over_the_environment_over_the_file(shell: Shell) -> None:
    assert shell.run("qr-code", "airgapped").returncode == 0  # makes the key
    default = subject_of(shell)
    assert default.startswith("https://")
    variable = {"DOORBELL_PUSH_VAPID_SUBJECT": "mailto:environment@example.org"}
    shell.write("push:\n  vapid_subject: mailto:file@example.org\n")
    assert subject_of(shell) == "mailto:file@example.org"
    assert subject_of(shell, environment=variable) == "mailto:environment@example.org"
    override = ["--set", "push.vapid_subject=mailto:line@example.org"]
    assert subject_of(shell, *override, environment=variable) == "mailto:line@example.org"
    last = [*override, "--set", "push.vapid_subject=mailto:last@example.org"]
    assert subject_of(shell, *last, environment=variable) == "mailto:last@example.org"


def test_the_file_is_the_named_one_then_the_variables_then_the_one_here(shell: Shell) -> None:
    assert shell.run("qr-code", "airgapped").returncode == 0
    for name in ("named", "variable", "here"):
        text = f"push:\n  vapid_subject: mailto:{name}@example.org\n"
        shell.write(text, "doorbell.yaml" if name == "here" else f"{name}.yaml")
    variable = {"DOORBELL_CONFIG": "variable.yaml"}
    assert subject_of(shell) == "mailto:here@example.org"
    assert subject_of(shell, environment=variable) == "mailto:variable@example.org"
    named = subject_of(shell, "-c", "named.yaml", environment=variable)
    assert named == "mailto:named@example.org"


# The VAPID key


def test_a_key_that_is_missing_is_not_made_anew_once_there_are_accounts(shell: Shell) -> None:
    words = ("b83e9a5c-3e8a-4b52-8a53-57f0d8f2d3c1", "2", "secret", "https://127.0.0.1:9/up")
    allowed = ("--set", "push.allowed_endpoints=https://127.0.0.1:9")
    assert shell.run(*allowed, "connection", "add", *words).returncode == 0
    key = shell.folder / "data" / "vapid.key"
    key.unlink()
    sentence = refusal(shell, *allowed)
    assert "push.vapid_key_file: ./data/vapid.key does not exist" in sentence
    assert "Put it back from a backup" in sentence and not key.exists()


def test_the_check_reads_the_files_that_the_server_would_read(shell: Shell) -> None:
    for name in ("push.ca_file", "signal.ca_file", "push.vapid_key_file"):
        shell.write(f"{name}: /dev/null\n")
        check = shell.run("config", "check")
        assert check.returncode == NOT_DONE
        assert f"{DEFAULT_FILE}:1: {name}: " in check.stderr, check.stderr
        assert refusal(shell) and not (shell.folder / "data").exists()


def test_the_first_start_makes_a_key_and_the_second_keeps_it(
    make_doorbell: MakeDoorbell, signal: SignalPeer, ntfy: PushPeer
) -> None:
    doorbell = make_doorbell(signal__url=signal.url, push__allowed_endpoints=[ntfy.origin])
    key = doorbell.folder / "vapid.key"
    doorbell.start()
    made = key.read_bytes()
    assert re.fullmatch(rb"[A-Za-z0-9_-]{43}\n", made)
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    doorbell.stop()
    doorbell.start()
    assert key.read_bytes() == made
    assert sum("Made the VAPID key" in line for line in doorbell.output()) == 1
    assert made.decode().strip() not in "\n".join(doorbell.output())


@pytest.mark.parametrize(
    "content, needles",
    [
        ("", ["it is empty"]),
        ("\n", ["it is empty"]),
        ("not a key at all\n", ["43 letters", "doorbell vapid generate"]),
        ("A" * 43 + "\n", ["out of range"]),
        ("_" * 43 + "\n", []),
        ("Q" * 42 + "!\n", ["43 letters"]),
        ("Q" * 44 + "\n", ["43 letters"]),
        ("-----BEGIN PRIVATE KEY-----\nQUFBQUFB\n-----END PRIVATE KEY-----\n", ["PEM"]),
        (PUBLIC_KEY + "\n", ["public key"]),
        ("Q" * 5000, ["43 letters"]),
    ],
    ids=lambda value: repr(value)[:24] if isinstance(value, str) else None,
)
def test_a_wrong_key_file_stops_the_start_and_is_neither_shown_nor_replaced(
    shell: Shell, content: str, needles: list[str]
) -> None:
    file = shell.write(content, "my.key")
    file.chmod(0o600)
    sentence = refusal(shell, "--set", f"push.vapid_key_file={file}")
    for needle in [str(file), "VAPID private key", *needles]:
        assert needle in sentence, sentence
    assert not content.strip() or content.strip()[:20] not in sentence.replace("-----BEGIN", "")
    assert file.read_text() == content


def test_a_folder_in_place_of_the_key_is_told(shell: Shell) -> None:
    (shell.folder / "my.key").mkdir()
    sentence = refusal(shell, "--set", "push.vapid_key_file=my.key")
    assert "the VAPID key file my.key cannot be read: Is a directory" in sentence


@only_root
def test_a_key_that_may_not_be_read_is_told_and_not_replaced(open_folder: OpenFolder) -> None:
    shell = Shell(open_folder.make("work", 0o755, belongs_to_stranger=True))
    shell.binary = open_folder.binary
    key = shell.run("vapid", "generate").stdout
    shell.write(key, "my.key").chmod(0o600)  # root's
    sentence = refusal(shell, "--set", "push.vapid_key_file=my.key", **as_stranger())
    assert "the VAPID key file my.key cannot be read: Permission denied" in sentence
    assert f"Doorbell (user id {stranger_ids()[0]}) must be able to read it" in sentence
    assert (shell.folder / "my.key").read_text() == key


def test_a_key_that_everybody_may_read_is_a_warning(
    start: Callable[..., Process], tmp_path: Path
) -> None:
    shell = Shell(tmp_path)
    shell.write(shell.run("vapid", "generate").stdout, "my.key").chmod(0o644)
    process = start(
        "--set", "push.vapid_key_file=my.key", "--set", f"web.listen=127.0.0.1:{free_port()}"
    )
    assert any(" warn " in line and "chmod o= my.key" in line for line in process.lines)


# Certificates


@pytest.mark.parametrize("setting", ["signal.ca_file", "push.ca_file"])
@pytest.mark.parametrize("kind", ["missing", "no PEM", "empty", "broken", "folder"])
def test_a_ca_file_without_a_certificate_stops_the_start(
    shell: Shell, authority: Authority, setting: str, kind: str
) -> None:
    file = shell.folder / "ca.pem"
    good = authority.file.read_text().splitlines()
    if kind == "no PEM":
        file.write_bytes(authority.der())
    elif kind == "empty":
        file.write_text("")
    elif kind == "broken":
        file.write_text("\n".join([good[0], good[1][:10], *good[2:]]) + "\n")
    elif kind == "folder":
        file.mkdir()
    sentence = refusal(shell, "--set", f"{setting}={file}")
    assert setting in sentence and str(file) in sentence
    assert {
        "missing": "No such file or directory",
        "no PEM": "PEM",
        "empty": "PEM",
        "broken": "PEM",
        "folder": "",
    }[kind] in sentence, sentence


# Where to listen


def test_an_address_that_is_in_use_is_told(shell: Shell) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        address = f"127.0.0.1:{other.getsockname()[1]}"
        sentence = refusal(shell, environment={"DOORBELL_WEB_LISTEN": address})
    assert f"DOORBELL_WEB_LISTEN: web.listen: cannot listen on {address}: " in sentence
    assert "another program listens there already" in sentence


@pytest.mark.parametrize(
    "listen, needle",
    [
        ("203.0.113.7:8020", "this machine does not have that address"),
        ("unix:/nowhere/web.sock", "its folder does not exist"),
    ],
)
def test_an_address_that_cannot_be_had_is_told(shell: Shell, listen: str, needle: str) -> None:
    sentence = refusal(shell, environment={"DOORBELL_WEB_LISTEN": listen})
    assert f"web.listen: cannot listen on {listen}: " in sentence and needle in sentence


def test_a_file_in_place_of_the_control_socket_stays_and_is_told(shell: Shell) -> None:
    file = shell.write("precious", "control")
    sentence = refusal(shell, "--set", f"control.path={file}")
    assert f"control.path: {file} exists and is not a socket" in sentence
    assert file.read_text() == "precious"


def test_a_path_that_is_too_long_for_the_control_socket_is_told(shell: Shell) -> None:
    folder = "/".join(["a-long-name-of-a-folder"] * 6)
    sentence = refusal(shell, "--set", f"store.path={shell.folder}/{folder}/doorbell.db")
    assert "command line: store.path: control.path lies beside it" in sentence
    assert "choose a shorter one" in sentence


# The store


def test_the_folder_and_its_files_are_made_for_their_user_alone(
    start: Callable[..., Process], tmp_path: Path
) -> None:
    before = os.umask(0)
    try:
        start("--set", f"web.listen=127.0.0.1:{free_port()}")
    finally:
        os.umask(before)
    data = tmp_path / "data"
    assert stat.S_IMODE(data.stat().st_mode) == 0o700
    modes = {file.name: stat.S_IMODE(file.stat().st_mode) for file in data.iterdir()}
    assert modes.keys() >= {"doorbell.db", "doorbell.db.lock", "doorbell.sock", "vapid.key"}
    assert set(modes.values()) == {0o600}, modes


@only_root
def test_a_folder_that_cannot_be_written_is_told(open_folder: OpenFolder) -> None:
    shell = Shell(open_folder.make("work", 0o755))  # root's
    shell.binary = open_folder.binary
    sentence = refusal(shell, **as_stranger())
    assert "Cannot make the store's folder ./data: Permission denied" in sentence
    assert "must be able to write there" in sentence
    (shell.folder / "data").mkdir(mode=0o755)
    sentence = refusal(shell, **as_stranger())
    assert "data/doorbell.db" in sentence and "Permission denied" in sentence
    assert not list((shell.folder / "data").iterdir())


@only_root
def make_store(shell: Shell) -> None:
    """By the one command that may: an account is added, whose password is of no use."""
    words = (str(uuid.uuid4()), "2", "password", "https://push.example.invalid/up")
    assert shell.run("connection", "add", *words).returncode == 0


def test_a_store_of_another_user_is_told(open_folder: OpenFolder) -> None:
    shell = Shell(open_folder.make("work", 0o755, belongs_to_stranger=True))
    shell.binary = open_folder.binary
    make_store(shell)  # by root: data is root's
    for file in (shell.folder / "data").iterdir():
        file.chmod(0o644)
    (shell.folder / "data").chmod(0o777)
    sentence = refusal(shell, **as_stranger())
    assert "data/doorbell.db" in sentence and "Permission denied" in sentence


def store_with(shell: Shell, *statements: str) -> Path:
    """A store that Doorbell has made, changed."""
    make_store(shell)
    file = shell.folder / "data" / "doorbell.db"
    database = sqlite3.connect(file)
    try:
        for statement in statements:
            database.execute(statement)
        database.commit()
    finally:
        database.close()
    return file


def test_a_store_of_a_newer_schema_is_told_and_left_as_it_is(shell: Shell) -> None:
    file = store_with(shell, "PRAGMA user_version = 99", "CREATE TABLE future(x)")
    before = file.read_bytes()
    sentence = refusal(shell)
    assert "written by a newer Doorbell (schema 99" in sentence
    assert "Install the newer one again" in sentence
    assert file.read_bytes() == before


def test_a_database_of_mollysocket_is_told_and_left_as_it_is(shell: Shell) -> None:
    file = shell.folder / "mollysocket.db"
    database = sqlite3.connect(file)
    database.execute("CREATE TABLE connections(uuid TEXT)")
    database.commit()
    database.close()
    before = file.read_bytes()
    sentence = refusal(shell, "--set", f"store.path={file}")
    assert "MollySocket's database and was left as it is" in sentence and "store.path" in sentence
    assert file.read_bytes() == before


def test_a_damaged_store_is_told_and_left_as_it_is(shell: Shell) -> None:
    file = store_with(shell)
    file.write_bytes(b"SQLite format 3\0" + b"\xff" * 8176)
    before = file.read_bytes()
    sentence = refusal(shell)
    assert "damaged or not a database" in sentence and "Put a backup in its place" in sentence
    assert file.read_bytes() == before


def test_a_store_that_another_server_holds_is_told(
    make_doorbell: MakeDoorbell, signal: SignalPeer, ntfy: PushPeer, shell: Shell
) -> None:
    first = make_doorbell(signal__url=signal.url).start()
    store = first.settings["store.path"]
    sentence = refusal(
        shell, "--set", f"store.path={store}", "--set", f"control.path={shell.folder}/other.sock"
    )
    assert f"Another doorbell process holds the store {store}." in sentence
    assert (first.folder / "doorbell.sock").exists()
    assert first.command("connection", "list").returncode == 0


# What is right


def test_without_a_file_it_runs_on_its_embedded_default(
    start: Callable[..., Process], tmp_path: Path
) -> None:
    """But for the port, which may be somebody's."""
    port = free_port()
    process = start("--set", f"web.listen=127.0.0.1:{port}")
    assert any("0 accounts, store ./data/doorbell.db" in line for line in process.lines)
    assert any(f"listens on 127.0.0.1:{port}" in line for line in process.lines)
    with socket.create_connection(("127.0.0.1", port), 5) as client:
        client.sendall(b"GET /discover HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        assert client.recv(20).startswith(b"HTTP/1.1 200 ")


def test_without_a_web_server_it_runs_all_the_same(
    make_doorbell: MakeDoorbell, signal: SignalPeer, ntfy: PushPeer
) -> None:
    doorbell = make_doorbell(
        signal__url=signal.url, web__enabled=False, push__allowed_endpoints=[ntfy.origin]
    ).start()
    with pytest.raises(ConnectionRefusedError):
        doorbell.request("GET")
    account, endpoint = signal.new_account(), ntfy.endpoint()
    words = [account.uuid, str(account.device), account.password, endpoint]
    assert doorbell.command("connection", "add", *words).returncode == 0
    signal.wait_connected(account)


def test_log_lines_can_be_json_and_as_few_as_wanted(
    start: Callable[..., Process], tmp_path: Path
) -> None:
    listen = ["--set", f"web.listen=127.0.0.1:{free_port()}"]
    process = start(*listen, "--set", "log.format=json")
    for line in process.lines:
        assert set(json.loads(line)) == {"time", "level", "msg"}
    done = Shell(tmp_path).run(*listen, "--set", "log.level=error", "server")
    assert [re.search(r" (\w+) ", line)[1] for line in done.stderr.splitlines()] == ["error"]
