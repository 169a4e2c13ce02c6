"""A person who runs MollySocket changes the program and nothing else (mollysocket.md): its compose
file's environment, its systemd unit's file and credential, its command lines.
"""

import http.client
import json
import os
import re
import sqlite3
import subprocess
from pathlib import Path
from typing import Any, Callable, Union

import pytest

from lib.background import Background, Changes
from lib.certs import Authority, Leaf
from lib.doorbell import BINARY, MOLLY, Doorbell
from lib.drop_in import (
    LONG_AGO,
    MollySocket,
    check_that_it_rings,
    encoded,
    key_pair,
    public_key,
    put_in_its_place,
    rings,
    shown_key,
)
from lib.haproxy import HAProxy
from lib.nginx import Nginx, server_block
from lib.ports import free_port
from lib.process import STOP_DEADLINE
from lib.push_peer import PushPeer
from lib.secrecy import secrecy
from lib.shell import STRANGER, OpenFolder, Shell, clean_environment, stranger_ids
from lib.signal_peer import SignalPeer

MakeDoorbell = Callable[..., Doorbell]
DONE, NOT_DONE, WRONG_WORDS = 0, 1, 2
ORDER = int("FFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551", 16)


@pytest.fixture
def dropped_in(
    make_doorbell: MakeDoorbell, authority: Authority, signal: SignalPeer, ntfy: PushPeer
) -> Doorbell:
    return put_in_its_place(make_doorbell(), signal, authority)


def short_key_pair() -> tuple[str, str]:
    """One whose first byte is zero: MollySocket writes 31 bytes."""
    scalar = (1 << 240) + 12345
    assert 0 < scalar < ORDER and scalar.bit_length() <= 248
    private = encoded(scalar.to_bytes(31, "big"))
    return private, public_key(private)


# 1. Environment


def test_the_environment_of_its_compose_file_is_enough(
    dropped_in: Doorbell, signal: SignalPeer, ntfy: PushPeer
) -> None:
    folder = dropped_in.folder  # its working_dir
    dropped_in.environment.update(
        {
            "MOLLY_DB": f'"{folder}/mollysocket.db"',  # list form: the quotes are in the value
            "MOLLY_ALLOWED_ENDPOINTS": f'["{ntfy.origin}","*"]',
            "MOLLY_ALLOWED_UUIDS": '["*"]',
            "MOLLY_HOST": "127.0.0.1",
            "MOLLY_PORT": str(dropped_in.port),
            "MOLLY_NEW_IN_1_8": "yes",
            "RUST_LOG": "info",
        }
    )
    dropped_in.start()
    check_that_it_rings(dropped_in, signal, ntfy)
    assert (folder / "doorbell.db").exists() and not (folder / "mollysocket.db").exists()
    assert dropped_in.has_logged("MOLLY_NEW_IN_1_8 is not a setting of MollySocket and is ignored")
    told = dropped_in.command("config").stdout
    assert f'path: "{folder}/doorbell.db"  # MOLLY_DB' in told
    assert f'listen: ["127.0.0.1:{dropped_in.port}"]  # MOLLY_PORT' in told
    assert "level: info  # RUST_LOG" in told


# 2. Files


def test_the_file_and_credential_of_its_systemd_unit_are_enough(
    dropped_in: Doorbell, signal: SignalPeer, ntfy: PushPeer
) -> None:
    folder = dropped_in.folder
    private, public = key_pair()
    (folder / "conf.toml").write_text(
        f"db = '{folder}/ms.db'\nport = {dropped_in.port}\n"
        f'allowed_endpoints = ["{ntfy.origin}"]\nnew_in_1_8 = [1, 2]\n'
    )
    (folder / "vapid.key").write_text(private + "\n")
    dropped_in.environment.update(
        {
            "MOLLY_CONF": str(folder / "conf.toml"),
            "MOLLY_VAPID_KEY_FILE": str(folder / "vapid.key"),
        }
    )
    dropped_in.secrets.add(private)
    dropped_in.start()
    assert shown_key(dropped_in) == public
    check_that_it_rings(dropped_in, signal, ntfy)
    assert (folder / "doorbell.db").exists()
    assert dropped_in.has_logged("conf.toml:4: ")


@pytest.mark.parametrize("pair", [key_pair, short_key_pair], ids=["32 bytes", "31 bytes"])
@pytest.mark.parametrize("padding", ["", "="], ids=["bare", "padded"])
@pytest.mark.parametrize("where", ["variable", "credential", "file"])
def test_its_key_stays_the_key(
    dropped_in: Doorbell,
    ntfy: PushPeer,
    pair: Callable[[], tuple[str, str]],
    padding: str,
    where: str,
) -> None:
    private, public = pair()
    private += padding * (-len(private) % 4)
    folder = dropped_in.folder
    dropped_in.environment["MOLLY_PORT"] = str(dropped_in.port)
    dropped_in.secrets.add(private)
    if where == "variable":
        dropped_in.environment["MOLLY_VAPID_PRIVKEY"] = f'"{private}"'
    elif where == "credential":
        (folder / "vapid.key").write_text(private)
        dropped_in.environment["CREDENTIALS_DIRECTORY"] = str(folder)
        dropped_in.environment["MOLLY_DB"] = "./elsewhere/mollysocket.db"
    else:
        (folder / "named.key").write_text(f"  {private}\n\n")
        dropped_in.environment["MOLLY_VAPID_KEY_FILE"] = str(folder / "named.key")
        dropped_in.environment["MOLLY_VAPID_PRIVKEY"] = key_pair()[0]  # the file wins
    dropped_in.start()
    assert shown_key(dropped_in) == public
    assert private not in dropped_in.command("config").stdout
    assert dropped_in.process
    environment = Path(f"/proc/{dropped_in.process.popen.pid}/environ")
    if os.access(environment, os.R_OK):
        assert private.encode() not in environment.read_bytes()
    dropped_in.process.popen.send_signal(1)
    dropped_in.changes.wait_for(
        lambda: dropped_in.has_logged("The configuration was loaded again."), "the reload"
    )


@pytest.mark.parametrize("key", ["hunter2-is-no-key", "A" * 43], ids=["no key", "zero"])
@pytest.mark.parametrize(
    "where", ["variable", "TOML key", "variable of a file", "TOML file", "credential"]
)
def test_a_wrong_key_stops_the_start_and_is_named_not_shown(
    shell: Shell, key: str, where: str
) -> None:
    file = shell.write(key + "\n", "vapid.key")
    file.chmod(0o600)
    environment, named = {
        "variable": ({"MOLLY_VAPID_PRIVKEY": key}, "MOLLY_VAPID_PRIVKEY: "),
        "TOML key": ({"MOLLY_CONF": "conf.toml"}, "conf.toml:2: "),
        "variable of a file": ({"MOLLY_VAPID_KEY_FILE": str(file)}, "MOLLY_VAPID_KEY_FILE: "),
        "TOML file": ({"MOLLY_CONF": "conf.toml"}, "conf.toml:2: "),
        "credential": (
            {"CREDENTIALS_DIRECTORY": str(shell.folder), "MOLLY_DB": "mollysocket.db"},
            "credential vapid.key: ",
        ),
    }[where]
    setting = f"vapid_privkey = '{key}'" if where == "TOML key" else f"vapid_key_file = '{file}'"
    shell.write(f"webserver = false\n{setting}\n", "conf.toml")
    nowhere = {"DOORBELL_SIGNAL_URL": "wss://localhost:1/v1/websocket/"}  # should it start
    done = shell.run("server", environment={**nowhere, **environment})
    assert done.returncode == NOT_DONE
    assert named in done.stderr and key not in done.stderr, done.stderr
    assert (str(file) in done.stderr) == (where not in ("variable", "TOML key"))
    assert file.read_text() == key + "\n" and not list(shell.folder.glob("doorbell*"))


only_root = pytest.mark.skipif(os.geteuid() != 0, reason="changing user or /etc needs root")


@only_root
def test_the_file_of_the_whole_machine_is_the_last_that_is_looked_for(
    shell: Shell, tmp_path: Path
) -> None:
    etc = tmp_path / "etc"
    (etc / "mollysocket").mkdir(parents=True)
    (etc / "mollysocket" / "config.toml").write_text("port = 1\n")
    with_etc = ["unshare", "--mount", "sh", "-c", 'mount --bind "$0" /etc && exec "$@"', str(etc)]
    if subprocess.run([*with_etc, "true"], capture_output=True).returncode != 0:
        pytest.skip("there are no namespaces to be had")

    def listens_on() -> str:
        done = subprocess.run(
            [*with_etc, str(shell.binary), "config"],
            capture_output=True,
            text=True,
            timeout=STOP_DEADLINE,
            cwd=shell.folder,
            env=clean_environment({"HOME": str(shell.folder), "XDG_CONFIG_HOME": ""}),
        )
        assert done.returncode == DONE, done.stderr
        (line,) = [line for line in done.stdout.splitlines() if " listen: [" in line]
        return line.strip()

    assert listens_on() == 'listen: ["127.0.0.1:1"]  # /etc/mollysocket/config.toml:1'
    shell.write("port = 2\n", "mollysocket.toml")
    assert listens_on() == 'listen: ["127.0.0.1:2"]  # mollysocket.toml:1'
    (shell.folder / ".config" / "mollysocket").mkdir(parents=True)
    users = shell.write("port = 3\n", ".config/mollysocket/config.toml")
    assert listens_on() == f'listen: ["127.0.0.1:3"]  # {users}:1'


# 4. Command line


ID = "6f9619ff-8b86-d011-b42d-00c04fc964ff"


@pytest.mark.parametrize(
    "words, status, output",
    [
        (["vapid", "generate"], DONE, r"[\w-]{43}\n"),
        (["vapid", "gen"], DONE, r"[\w-]{43}\n"),
        (["v", "g"], DONE, r"[\w-]{43}\n"),
        (["-v", "v", "g"], DONE, r"[\w-]{43}\n"),
        (["-vvv", "vapid", "gen"], DONE, r"[\w-]{43}\n"),
        (["mollysocket", "vapid", "gen"], DONE, r"[\w-]{43}\n"),
        (["ms", "vapid", "gen"], DONE, r"[\w-]{43}\n"),
        (["--config=/dev/null", "v", "g"], DONE, r"[\w-]{43}\n"),
        (["-c", "/dev/null", "v", "g"], DONE, r"[\w-]{43}\n"),
        (["qr-code", "airgapped"], DONE, None),
        (["qr", "a"], DONE, None),
        (["qrcode", "air"], DONE, None),
        (["q", "u", "https://m.example.org"], DONE, None),
        (["t", "u", ID], DONE, f"UUID {ID} is valid\nUUID {ID} is not registered\n"),
        (["test", "uuid", "alice"], NOT_DONE, "UUID alice is not valid\n"),
        (["test", "endpoint", "https://127.0.0.1/up"], NOT_DONE, None),
        (["t", "e", "http://example.org/up"], NOT_DONE, None),
        (["t", "e", "nothing"], NOT_DONE, "Endpoint nothing is not valid\n"),
        (["c", "l"], NOT_DONE, ""),  # no server, no store
        (["connection", "ping", ID], NOT_DONE, ""),
        (["mollysocket", "connection", "ping", ID], NOT_DONE, ""),
        (["c", "p", "alice"], NOT_DONE, ""),
        (["c", "x"], WRONG_WORDS, ""),
        (["conf", "check"], DONE, None),
        (["test"], WRONG_WORDS, ""),
        (["test", "uuid"], WRONG_WORDS, ""),
        (["-c"], WRONG_WORDS, ""),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_its_command_lines_work_whole_and_shortened(
    shell: Shell, words: list[str], status: int, output: str
) -> None:
    done = shell.run(*words)
    assert done.returncode == status, done.stderr
    if output is not None:
        assert re.fullmatch(output, done.stdout), done.stdout
    assert not re.search(r"panicked|backtrace|Segmentation", done.stderr)


@pytest.mark.parametrize("path", ["", "/", "/a", "/abcd", "?x", "/?x"])
def test_an_endpoint_with_next_to_no_path_is_one_like_others(
    dropped_in: Doorbell, signal: SignalPeer, ntfy: PushPeer, path: str
) -> None:
    dropped_in.environment.update(
        {
            "MOLLY_PORT": str(dropped_in.port),
            "MOLLY_DB": "mollysocket.db",
            "MOLLY_ALLOWED_ENDPOINTS": f"[{ntfy.origin}]",
        }
    )
    dropped_in.start()
    account, endpoint = signal.new_account(), ntfy.origin + path
    sent = endpoint if path.startswith("/") else f"{ntfy.origin}/{path}"
    words = [account.uuid, str(account.device), account.password, endpoint]
    for command, said in [
        (["test", "endpoint", endpoint], f"Endpoint {endpoint} is valid\n"),
        (["vapid", "test", endpoint], "vapid t="),
        (["connection", "add", *words], "added."),
        (["connection", "list"], account.uuid),
        (["connection", "list", "--anonymized"], ntfy.origin),
        (["connection", "list", "--show-secrets"], f" at {sent}  "),
        (["connection", "ping", account.uuid], "accepted"),
    ]:
        done = dropped_in.command(*command)
        assert done.returncode == DONE and said in done.stdout, (command, done)
    number = signal.queue(account.key)
    ntfy.wait_rings(1)
    signal.wait_acked(number)
    assert dropped_in.register(account, endpoint, ping=True) == "ok"
    assert dropped_in.command("connection", "remove", account.uuid).returncode == DONE


@pytest.mark.parametrize("name", ["ms", "mollysocket"])
def test_called_by_a_name_of_mollysockets_it_stands_in_its_place(
    dropped_in: Doorbell, signal: SignalPeer, ntfy: PushPeer, name: str
) -> None:
    """A link to it and nothing else tells whose place it is."""
    dropped_in.binary = dropped_in.folder / name
    dropped_in.binary.symlink_to(BINARY)
    account, endpoint = signal.new_account(), ntfy.endpoint()
    dropped_in.environment.update(
        {
            "DOORBELL_WEB_LISTEN": f"127.0.0.1:{dropped_in.port}",
            "DOORBELL_PUSH_ALLOWED_ENDPOINTS": ntfy.origin,
        }
    )
    dropped_in.start()
    words = [account.uuid, str(account.device), account.password, endpoint]
    added = dropped_in.command("c", "a", *words)
    assert added.stdout.startswith(f"Connection for {account.uuid} added.\n"), added.stderr
    dropped_in.changes.wait_for(
        lambda: metrics_of(dropped_in)["connections"] == 1, "the account's link"
    )
    assert re.fullmatch(r"[\w-]{43}\n", dropped_in.command("vapid", "gen").stdout)
    dropped_in.stop()
    dropped_in.binary = BINARY
    dropped_in.start()
    assert dropped_in.request("GET", "/metrics")[0] == 404


@pytest.mark.parametrize(
    "words",
    [
        ["-c", "{0}"],
        ["-c{0}"],
        ["-c={0}"],
        ["--config", "{0}"],
        ["--config={0}"],
        ["-vc", "{0}"],
        ["-vvc{0}"],
        ["-v", "-c{0}", "--"],
    ],
    ids=" ".join,
)
def test_its_options_are_written_in_any_of_its_ways(shell: Shell, words: list[str]) -> None:
    file = shell.write('allowed_endpoints = ["https://only.example"]\n', "mine.toml")
    done = shell.run(*[word.format(file) for word in words], "config")
    assert (done.returncode, done.stderr) == (DONE, "")
    assert "https://only.example" in done.stdout


@pytest.mark.parametrize(
    "words, level",
    [
        (["-v"], "info"),
        (["-v", "-v"], "debug"),
        (["-vvv"], "debug"),
        (["-v", "--set=log.level=error"], "error"),
    ],
    ids=str,
)
def test_how_often_it_is_asked_to_say_more_is_counted(
    shell: Shell, words: list[str], level: str
) -> None:
    assert f"\n  level: {level}" in shell.run(*words, "config").stdout


@pytest.mark.parametrize("variable, level", [("debug", "debug"), ("warn", "info")])
def test_asked_to_say_more_it_says_no_less(shell: Shell, variable: str, level: str) -> None:
    told = shell.run("-v", "config", environment={"RUST_LOG": variable}).stdout
    assert f"\n  level: {level}" in told


def test_two_hyphens_end_the_options_of_a_command(shell: Shell) -> None:
    """What begins with a hyphen is an argument behind them."""
    for words in (["t", "e", "--", "-h"], ["-v", "--", "t", "e", "--", "--help"]):
        done = shell.run(*words)
        assert done.returncode == NOT_DONE and f"Endpoint {words[-1]} is" in done.stdout, done
    done = shell.run("import", "--dry-run", "--", "-old.db")
    assert (done.returncode, "-old.db does not exist" in done.stderr) == (NOT_DONE, True)
    done = shell.run("status", "--", "--json")
    assert done.returncode == WRONG_WORDS and "status takes" in done.stderr
    done = shell.run("status", "-ta")
    assert done.returncode == WRONG_WORDS and "status takes" in done.stderr


def test_what_may_be_rung_is_told_by_the_old_lists_meaning(shell: Shell) -> None:
    private = "http://127.0.0.1:8080/up1"
    refused = shell.run("test", "endpoint", private)
    assert refused.returncode == NOT_DONE and "is not valid" in refused.stdout
    allowed = shell.run(
        "test",
        "endpoint",
        private,
        environment={"MOLLY_ALLOWED_ENDPOINTS": '["http://127.0.0.1:8080/something","*"]'},
    )
    assert allowed.returncode == DONE, allowed.stderr
    assert allowed.stdout == f"Endpoint {private} is valid\n"


def test_secrets_are_listed_only_when_they_are_asked_for(
    dropped_in: Doorbell, signal: SignalPeer, ntfy: PushPeer
) -> None:
    dropped_in.environment.update(
        {
            "MOLLY_PORT": str(dropped_in.port),
            "MOLLY_DB": "mollysocket.db",
            "MOLLY_ALLOWED_ENDPOINTS": f"[{ntfy.origin}]",
        }
    )
    dropped_in.start()
    account, endpoint = signal.new_account(), ntfy.endpoint()
    added = dropped_in.command(
        "c", "a", account.uuid, str(account.device), account.password, endpoint
    )
    assert (added.returncode, added.stdout.splitlines()[0]) == (
        DONE,
        f"Connection for {account.uuid} added.",
    )
    told = dropped_in.command("c", "l").stdout
    assert account.uuid in told and account.password not in told and endpoint not in told
    whole = dropped_in.command("c", "l", "--show-secrets").stdout
    assert account.password in whole and endpoint in whole
    assert dropped_in.command("c", "l", "-a", "--show-secrets").returncode == WRONG_WORDS
    known = dropped_in.command("test", "uuid", account.uuid).stdout
    assert known.endswith(f"UUID {account.uuid} is registered\n")
    gone = dropped_in.command("c", "r", account.uuid)
    assert gone.stdout == f"Connection for {account.uuid} successfully removed.\n"


# 5. HTTP


PAGE, WORD = "text/html; charset=utf-8", "application/json"
ANSWERS = [
    ("GET", "/metrics/", "", 200, "text/plain; version=0.0.4; charset=utf-8"),  # before a phone asks
    ("GET", "/discover", "", 200, WORD),
    ("GET", "/discover/", "", 200, WORD),
    ("GET", "/", MOLLY, 200, WORD),
    ("GET", "/", "Mozilla/5.0 Signal-Android", 200, WORD),
    ("GET", "/", "Mozilla/5.0", 200, PAGE),
    ("GET", "/?airgapped", "Mozilla/5.0", 200, PAGE),
    ("HEAD", "/", "", 200, PAGE),
    ("GET", "/elsewhere", "", 404, PAGE),
    ("GET", "//", MOLLY, 200, WORD),
    ("GET", "//?airgapped", "Mozilla/5.0", 200, PAGE),
    ("GET", "//discover//", "", 200, WORD),
    ("GET", "/discovery", "", 404, PAGE),
    ("GET", "/discover/x", "", 404, PAGE),
    ("POST", "/discover", "", 404, PAGE),
    ("PUT", "/", "", 404, PAGE),
    ("DELETE", "/", "", 404, PAGE),
    ("OPTIONS", "/", "", 404, PAGE),
]


def test_its_answers_to_a_phone_are_the_same(dropped_in: Doorbell) -> None:
    dropped_in.environment["MOLLY_PORT"] = str(dropped_in.port)
    dropped_in.start()
    for method, path, agent, expected, kind in ANSWERS:
        status, headers, body = dropped_in.request(method, path, headers={"User-Agent": agent})
        assert (status, headers["content-type"]) == (expected, kind), (method, path, agent)
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["x-frame-options"] == "SAMEORIGIN"
        assert headers["permissions-policy"] == "interest-cohort=()"
        if kind == WORD:
            assert isinstance(json.loads(body)["mollysocket"]["version"], str)


def registered(**changed: Any) -> bytes:
    """A registration without a member that is None; it would be refused for its endpoint."""
    members = {"uuid": ID, "device_id": 2, "password": "p", "endpoint": "nothing", **changed}
    kept = {name: value for name, value in members.items() if value is not None}
    return json.dumps(kept).encode()


REGISTRATIONS = [
    (registered(), WORD, 200, "invalid_endpoint"),
    (registered(), f"{WORD}; charset=utf-8", 200, "invalid_endpoint"),
    (registered(ping=True, new=[1]), WORD, 200, "invalid_endpoint"),
    (registered()[:-1] + b', "ping": null}', WORD, 200, "invalid_endpoint"),
    (registered(endpoint="https://192.168.1.5/up"), WORD, 200, "invalid_endpoint"),
    (registered(uuid="alice"), WORD, 200, "invalid_uuid"),
    (registered(device_id=0, endpoint="https://ntfy.sh/up"), WORD, 200, "forbidden"),
    (registered(device_id=-1), WORD, 422, None),
    (registered(device_id="2"), WORD, 422, None),
    (registered(password=None), WORD, 422, None),
    (b"{}", WORD, 422, None),
    (b"{", WORD, 400, None),
    (b" " * (1024 * 1024 + 1), WORD, 413, None),
    (registered(), "text/plain", 404, None),
]


def test_its_words_for_a_registration_are_the_same(dropped_in: Doorbell) -> None:
    dropped_in.environment["MOLLY_PORT"] = str(dropped_in.port)
    dropped_in.start()
    for body, kind, expected, word in REGISTRATIONS:
        status, headers, answer = dropped_in.request("POST", "/", body, {"Content-Type": kind})
        case = (body[:200], kind)
        assert (status, headers["content-type"]) == (expected, WORD if word else PAGE), case
        if word:
            assert json.loads(answer)["mollysocket"]["status"] == word, case


def test_a_list_that_matches_nobody_closes_registration_and_keeps_who_is_there(
    dropped_in: Doorbell, signal: SignalPeer, ntfy: PushPeer
) -> None:
    """`[]`, as an operator has it whose own phone is registered."""
    dropped_in.environment.update(
        {
            "MOLLY_PORT": str(dropped_in.port),
            "MOLLY_DB": "mollysocket.db",
            "MOLLY_ALLOWED_UUIDS": "[]",
            "MOLLY_ALLOWED_ENDPOINTS": f"[{ntfy.origin}]",
        }
    )
    account, endpoint, other = signal.new_account(), ntfy.endpoint(), ntfy.endpoint()
    MollySocket(dropped_in.folder / "mollysocket.db").add(account, endpoint)
    dropped_in.start()
    assert dropped_in.has_logged("MOLLY_ALLOWED_UUIDS: it has no entry that can be used")
    signal.wait_connected(account)
    rings(signal, ntfy, account, endpoint)
    assert dropped_in.register(account, other) == "ok"
    rings(signal, ntfy, account, other)
    assert dropped_in.register(signal.new_account(), ntfy.endpoint()) == "invalid_uuid"


SERIES = {
    "connections": "gauge",
    "forbiddens": "gauge",
    "reconnections": "counter",
    "messages": "counter",
    "pushs": "counter",
}


SCRAPER = "127.0.0.2"  # phones' requests come from 127.0.0.1


def scrape(doorbell: Doorbell, address: str = SCRAPER, **headers: str) -> tuple[int, str, str]:
    """Status, type and text, as a Prometheus at this address of the machine gets them."""
    connection = http.client.HTTPConnection(
        "127.0.0.1", doorbell.port, timeout=30, source_address=(address, 0)
    )
    try:
        connection.request("GET", "/metrics", headers=headers)
        answer = connection.getresponse()
        return answer.status, answer.headers["content-type"], answer.read().decode()
    finally:
        connection.close()


def metrics_of(doorbell: Doorbell) -> dict[str, int]:
    status, kind, text = scrape(doorbell)
    assert (status, kind) == (200, "text/plain; version=0.0.4; charset=utf-8")
    for name, kind in SERIES.items():
        assert f"# TYPE mollysocket_{name} {kind}\n" in text, text
    return {
        name: int(value)
        for name, value in re.findall(r"^mollysocket_(\w+) (\d+)$", text, re.MULTILINE)
    }


def test_its_five_series_are_there_for_who_asks_directly(
    dropped_in: Doorbell, signal: SignalPeer, ntfy: PushPeer
) -> None:
    dropped_in.environment.update(
        {
            "MOLLY_PORT": str(dropped_in.port),
            "MOLLY_ALLOWED_ENDPOINTS": f"[{ntfy.origin}]",
        }
    )
    dropped_in.start()
    assert metrics_of(dropped_in) == dict.fromkeys(SERIES, 0)
    check_that_it_rings(dropped_in, signal, ntfy)
    dropped_in.changes.wait_for(
        lambda: metrics_of(dropped_in)["pushs"] == 2, "the count of test and ring"
    )
    assert metrics_of(dropped_in) == {
        "connections": 1,
        "forbiddens": 0,
        "reconnections": 0,
        "messages": 1,
        "pushs": 2,
    }
    account, endpoint = signal.new_account(), ntfy.endpoint()
    assert dropped_in.register(account, endpoint) == "ok"
    dropped_in.changes.wait_for(
        lambda: metrics_of(dropped_in)["pushs"] == 3, "the count of another test"
    )
    ntfy.answer_with(500, times=2)
    rings(signal, ntfy, account, endpoint)
    counted = metrics_of(dropped_in)
    assert (len(ntfy.rings(endpoint)), counted["messages"], counted["pushs"]) == (3, 2, 4)
    # X-Original-URL is all that the nginx lines of its guide tell.
    for name in ("X-Forwarded-For", "Forwarded", "Via", "X-Original-URL"):
        assert scrape(dropped_in, **{name: "for=192.0.2.1"})[0] == 404
    for host, status in [("mollysocket:8020", 200), ("mollysocket.example.org", 404)]:
        assert scrape(dropped_in, Host=host)[0] == status
    assert scrape(dropped_in)[0] == 404  # it asked as a proxy does
    assert scrape(dropped_in, "127.0.0.1")[0] == 404  # so did the phones
    assert scrape(dropped_in, "127.0.0.3")[0] == 200


@pytest.mark.parametrize("told", ["proxy_set_header Host $http_host;", ""], ids=["name", "nothing"])
def test_its_series_are_not_for_who_comes_through_a_proxy_of_few_words(
    dropped_in: Doorbell, changes: Changes, authority: Authority, tmp_path: Path, told: str
) -> None:
    """Messages of a server with one account, counted, are when somebody writes to it."""
    dropped_in.environment["MOLLY_PORT"] = str(dropped_in.port)
    dropped_in.start()
    port, name = free_port(), "m.example.org"
    location = f"location / {{ proxy_pass http://127.0.0.1:{dropped_in.port}; {told} }}"
    block = server_block(port, authority.leaf("few-words", [name]), location)
    nginx = Nginx(changes, tmp_path / "nginx", block)
    words = ["curl", "--silent", "--cacert", str(authority.file), "--write-out", "%{http_code}"]
    for path, status in [("discover", "200"), ("metrics", "404")]:
        done = subprocess.run(
            [*words, "--connect-to", f"::127.0.0.1:{port}", f"https://{name}/{path}"],
            capture_output=True,
            text=True,
            timeout=30,
        )
        assert done.stdout.endswith(status), done
    nginx.stop()


# As people write them who got a phone through and left it at that. The series' own Host is a
# stranger's to choose, or the proxy's.
SILENT = {
    "nginx-nothing": "proxy_http_version 1.1;",
    "nginx-name": "proxy_http_version 1.1; proxy_set_header Host $host;",
    "haproxy": """\
frontend doorbell
    bind {address} ssl crt PAIR
    default_backend doorbell

backend doorbell
    server doorbell 127.0.0.1:BEHIND
""",
}


def put_silent(
    name: str, changes: Changes, folder: Path, port: int, leaf: Leaf, behind: int
) -> Union[Nginx, HAProxy]:
    lines = SILENT[name]
    if name != "haproxy":
        location = f"location / {{ proxy_pass http://127.0.0.1:{behind}; {lines} }}"
        return Nginx(changes, folder, server_block(port, leaf, location))
    pair = leaf.cert.with_name("silent-and-key.pem")
    pair.write_bytes(leaf.cert.read_bytes() + leaf.key.read_bytes())
    lines = lines.replace("PAIR", str(pair)).replace("BEHIND", str(behind))
    return HAProxy(changes, folder, port, lines)


@pytest.mark.parametrize("name", SILENT)
def test_a_proxy_that_says_nothing_is_known_by_the_first_phone_that_comes_through_it(
    dropped_in: Doorbell, changes: Changes, authority: Authority, tmp_path: Path, name: str
) -> None:
    dropped_in.environment["MOLLY_PORT"] = str(dropped_in.port)
    dropped_in.start()
    port, host = free_port(), "m.example.org"
    leaf = authority.leaf("silent", [host])
    proxy = put_silent(name, changes, tmp_path / "silent", port, leaf, dropped_in.port)

    def ask(path: str, *words: str) -> str:
        curl = ["curl", "--silent", "--cacert", str(authority.file), "--http1.1", *words]
        more = ["--connect-to", f"::127.0.0.1:{port}", "--write-out", "%{http_code}"]
        done = subprocess.run(
            [*curl, *more, f"https://{host}/{path}"], capture_output=True, text=True, timeout=30
        )
        return done.stdout[-3:]

    forged = ["--header", "Host: localhost"]
    assert scrape(dropped_in, "127.0.0.1")[0] == 200
    assert ask("", "--user-agent", MOLLY) == "200"
    assert ask("metrics", *forged) == ask("metrics") == "404"
    assert scrape(dropped_in, "127.0.0.1")[0] == 404
    assert scrape(dropped_in)[0] == 200
    proxy.stop()


def test_beside_a_proxy_that_says_what_it_is_a_prometheus_has_the_series(
    dropped_in: Doorbell, changes: Changes, authority: Authority, tmp_path: Path
) -> None:
    dropped_in.environment["MOLLY_PORT"] = str(dropped_in.port)
    dropped_in.start()
    port, host = free_port(), "m.example.org"
    told = "proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;"
    location = f"location / {{ proxy_pass http://127.0.0.1:{dropped_in.port}; {told} }}"
    leaf = authority.leaf("telling", [host])
    nginx = Nginx(changes, tmp_path / "telling", server_block(port, leaf, location))
    for agent in (MOLLY, "Mozilla/5.0"):
        words = ["curl", "--silent", "--fail", "--cacert", str(authority.file), "--user-agent"]
        way = ["--connect-to", f"::127.0.0.1:{port}", f"https://{host}/"]
        assert subprocess.run([*words, agent, *way], timeout=30).returncode == 0
    assert scrape(dropped_in, "127.0.0.1")[0] == 200
    nginx.stop()


def test_without_its_configuration_there_are_no_metrics_on_the_web_port(doorbell: Doorbell) -> None:
    assert doorbell.request("GET", "/metrics")[0] == 404


# 6. Phone


def test_what_its_star_allowed_is_rung_on_and_nothing_new_like_it(
    dropped_in: Doorbell,
    background: Background,
    changes: Changes,
    authority: Authority,
    signal: SignalPeer,
) -> None:
    """It rang public servers on any port, also without TLS; for strangers "*" means less here."""
    name = "push.example.org"
    public = PushPeer(background, changes, authority.leaf("public", [name]))
    account, other = signal.new_account(), signal.new_account()
    endpoint = f"https://{name}:81" + public.endpoint()[len(public.origin) :]
    plain = "http://plain.example.org/upAbCdEfGh"
    theirs = MollySocket(dropped_in.folder / "mollysocket.db")
    theirs.add(account, endpoint)
    theirs.add(other, plain)
    dropped_in.environment.update(
        {
            "MOLLY_DB": "mollysocket.db",
            "MOLLY_PORT": str(dropped_in.port),
            "MOLLY_ALLOWED_ENDPOINTS": '["*"]',
            "DOORBELL_PUSH_CONNECT_TO": f"{name}:81=localhost:{public.port}",
        }
    )
    dropped_in.start()
    assert not dropped_in.has_logged("the settings do not allow")
    number = signal.queue(account.key)
    changes.wait_for(lambda: public.rings(), "a ring at the port that * does not cover")
    signal.wait_acked(number)
    assert dropped_in.register(account, endpoint, ping=False) == "ok"
    assert dropped_in.register(other, plain, ping=False) == "ok"
    words = [account.uuid, str(account.device), account.password, endpoint]
    assert dropped_in.command("connection", "add", *words).returncode == 0
    before, number = len(public.rings()), signal.queue(account.key)
    changes.wait_for(lambda: len(public.rings()) > before, "a ring after it was entered anew")
    signal.wait_acked(number)
    assert dropped_in.register(account, endpoint, ping=False) == "ok"
    stranger = signal.new_account()
    for new, where in [(stranger, endpoint), (account, plain), (other, f"{plain}x")]:
        assert dropped_in.register(new, where) == "invalid_endpoint"
    public.stop()


def test_what_was_taken_over_is_rung_on_when_its_database_has_gone(
    dropped_in: Doorbell,
    background: Background,
    changes: Changes,
    authority: Authority,
    signal: SignalPeer,
) -> None:
    """Nothing of MollySocket's is set: its database says alone whose place it is, until it has been
    taken over; who tidies up afterwards changes nothing."""
    name = "push.example.org"
    public = PushPeer(background, changes, authority.leaf("public", [name]))
    account = signal.new_account()
    endpoint = f"https://{name}:81" + public.endpoint()[len(public.origin) :]
    theirs = MollySocket(dropped_in.folder / "mollysocket.db")
    theirs.add(account, endpoint)
    dropped_in.environment.update(
        {
            "DOORBELL_WEB_LISTEN": f"127.0.0.1:{dropped_in.port}",
            "DOORBELL_STORE_PATH": "doorbell.db",
            "DOORBELL_PUSH_CONNECT_TO": f"{name}:81=localhost:{public.port}",
        }
    )
    dropped_in.start()

    def check_that_it_goes_on() -> None:
        before, number = len(public.rings()), signal.queue(account.key)
        changes.wait_for(lambda: len(public.rings()) > before, "a ring")
        signal.wait_acked(number)
        assert dropped_in.request("GET", "/metrics")[0] == 200

    check_that_it_goes_on()
    theirs.file.unlink()
    dropped_in.reload()
    check_that_it_goes_on()
    dropped_in.stop()
    (dropped_in.folder / "setup.yaml").write_text('push.allowed_endpoints: ["*", "https://a.lan"]\n')
    dropped_in.start()
    check_that_it_goes_on()
    public.stop()


# 8. A folder of root's

@only_root
@pytest.mark.parametrize("user", [STRANGER, "{0}:{1}"], ids=["by name", "by numbers"])
def test_a_folder_that_a_container_left_to_root_is_handed_over(
    dropped_in: Doorbell,
    signal: SignalPeer,
    ntfy: PushPeer,
    open_folder: OpenFolder,
    user: str,
) -> None:
    data = open_folder.make("data", 0o755)
    (data / "vapid.key").write_text(key_pair()[0])
    (data / "vapid.key").chmod(0o600)
    (data / "below").mkdir()
    (data / "link").symlink_to("/etc/hostname")
    outside = open_folder.path / "outside"
    outside.touch(0o600)
    os.link(outside, data / "second-name")
    theirs = data / "mollysocket.db"
    theirs.touch(0o600)
    dropped_in.binary = open_folder.binary
    dropped_in.environment.update(
        {
            "MOLLY_DB": f"{data}/mollysocket.db",
            "MOLLY_PORT": str(dropped_in.port),
            "MOLLY_VAPID_KEY_FILE": f"{data}/vapid.key",
            "MOLLY_ALLOWED_ENDPOINTS": f"[{ntfy.origin}]",
            "DOORBELL_USER": user.format(*stranger_ids()),
            "DOORBELL_SIGNAL_CA_FILE": open_folder.copy(dropped_in.settings["signal.ca_file"]),
            "DOORBELL_PUSH_CA_FILE": open_folder.copy(dropped_in.settings["push.ca_file"]),
        }
    )
    dropped_in.start()
    check_that_it_rings(dropped_in, signal, ntfy)
    assert dropped_in.process
    status = Path(f"/proc/{dropped_in.process.popen.pid}/status").read_text()
    for line in status.splitlines():
        name, _, value = line.partition(":")
        if name in ("Uid", "Gid"):
            assert set(value.split()) == {str(stranger_ids()[name == "Gid"])}, line
        if name in ("Groups", "CapEff", "CapPrm"):
            assert value.strip() in ("", "0" * 16), line
    for entry in (data, data / "vapid.key", data / "doorbell.db"):
        assert entry.stat().st_uid == stranger_ids()[0], entry
    for entry in (data / "below", Path("/etc/hostname"), outside, theirs):
        assert entry.stat().st_uid == 0, entry
    assert outside.stat().st_gid == 0 and outside.stat().st_mode & 0o777 == 0o600
    assert theirs.stat().st_gid == stranger_ids()[1] and theirs.stat().st_mode & 0o777 == 0o640
    # A second container on the same volume, also as root: both ways reach it.
    assert dropped_in.command("connection", "list").returncode == DONE
    dropped_in.stop()
    assert dropped_in.command("connection", "list").returncode == DONE
    assert {entry.stat().st_uid for entry in data.glob("doorbell*")} == {stranger_ids()[0]}


def test_a_database_that_is_not_where_it_was_named_is_warned_of_while_there_is_no_account(
    dropped_in: Doorbell, signal: SignalPeer, ntfy: PushPeer
) -> None:
    """As with another volume than MollySocket's, or without its working_dir."""
    dropped_in.environment.update(
        {
            "MOLLY_DB": "./ms.db",
            "MOLLY_PORT": str(dropped_in.port),
            "MOLLY_ALLOWED_ENDPOINTS": f"[{ntfy.origin}]",
        }
    )
    looked = f"MOLLY_DB: store.mollysocket: {dropped_in.folder}/ms.db does not exist"
    dropped_in.start()
    (line,) = [line for line in dropped_in.output() if "ms.db" in line and " warn " in line]
    assert looked in line and "volume is mounted" in line and "working_dir" in line
    check_that_it_rings(dropped_in, signal, ntfy)
    dropped_in.stop()
    before = len(dropped_in.output())
    dropped_in.start()
    assert not [line for line in dropped_in.output()[before:] if "ms.db does not exist" in line]


def test_where_a_database_was_looked_for_is_told_while_there_is_no_account(
    dropped_in: Doorbell, open_folder: OpenFolder
) -> None:
    data = open_folder.make("data", 0o700)
    dropped_in.environment.update(
        {"MOLLY_PORT": str(dropped_in.port), "DOORBELL_STORE_PATH": f"{data}/doorbell.db"}
    )
    dropped_in.start()
    (line,) = [line for line in dropped_in.output() if "No database of MollySocket's" in line]
    assert " info " in line
    assert f"there is no {data}/mollysocket.db and no {dropped_in.folder}/mollysocket.db." in line


@only_root
def test_a_database_that_nobody_named_stays_roots_in_such_a_folder(
    dropped_in: Doorbell, signal: SignalPeer, ntfy: PushPeer, open_folder: OpenFolder
) -> None:
    """Beside the store; in WAL mode, one row only in its log, which is to be read, too."""
    data = open_folder.make("data", 0o755)
    live = MollySocket(open_folder.path / "live.db")
    account, endpoint = signal.new_account(), ntfy.endpoint()
    database = sqlite3.connect(live.file)
    database.execute("PRAGMA journal_mode = WAL")
    row = (account.uuid, account.device, account.password, endpoint, LONG_AGO)
    with database:
        database.execute("INSERT INTO connections VALUES(?, ?, ?, ?, 0, ?)", row)
    theirs = [data / f"mollysocket.db{suffix}" for suffix in ("", "-wal", "-shm")]
    for file in theirs:
        file.write_bytes((live.file.parent / file.name.replace("mollysocket", "live")).read_bytes())
        file.chmod(0o600)
    database.close()
    (data / "mollysocket.db-notes").touch(0o600)
    before = [(file.read_bytes(), file.stat().st_mtime_ns) for file in theirs]
    dropped_in.binary = open_folder.binary
    dropped_in.environment.update(
        {
            "MOLLY_PORT": str(dropped_in.port),
            "MOLLY_ALLOWED_ENDPOINTS": f"[{ntfy.origin}]",
            "DOORBELL_STORE_PATH": f"{data}/doorbell.db",
            "DOORBELL_USER": STRANGER,
            "DOORBELL_SIGNAL_CA_FILE": open_folder.copy(dropped_in.settings["signal.ca_file"]),
            "DOORBELL_PUSH_CA_FILE": open_folder.copy(dropped_in.settings["push.ca_file"]),
        }
    )
    dropped_in.start()
    signal.wait_connected(account)
    rings(signal, ntfy, account, endpoint)
    user, group = stranger_ids()
    assert [(file.read_bytes(), file.stat().st_mtime_ns) for file in theirs] == before
    for file in theirs:
        status = file.stat()
        assert (status.st_uid, status.st_gid) == (0, group), file
        assert status.st_mode & 0o777 == 0o640, file
    for entry in (data, data / "doorbell.db", data / "mollysocket.db-notes"):
        assert entry.stat().st_uid == user, entry


# What `docker compose run` makes: processes, network and names of its own, and the same volume.
SECOND = ["unshare", "--fork", "--pid", "--mount-proc", "--net", "--ipc", "--uts"]


@only_root
def test_a_second_container_on_the_same_volume_reaches_the_running_server(
    dropped_in: Doorbell, signal: SignalPeer, ntfy: PushPeer, open_folder: OpenFolder
) -> None:
    if subprocess.run([*SECOND, "true"], capture_output=True).returncode != 0:
        pytest.skip("there are no namespaces to be had")
    data = open_folder.make("data", 0o755)
    dropped_in.binary = open_folder.binary
    dropped_in.environment.update(
        {
            "MOLLY_DB": f"{data}/mollysocket.db",
            "MOLLY_PORT": str(dropped_in.port),
            "MOLLY_ALLOWED_ENDPOINTS": f"[{ntfy.origin}]",
            "DOORBELL_USER": STRANGER,
            "DOORBELL_SIGNAL_CA_FILE": open_folder.copy(dropped_in.settings["signal.ca_file"]),
            "DOORBELL_PUSH_CA_FILE": open_folder.copy(dropped_in.settings["push.ca_file"]),
        }
    )
    dropped_in.start()
    account, endpoint = signal.new_account(), ntfy.endpoint()
    for words, said in [
        (["add", account.uuid, str(account.device), account.password, endpoint], "added."),
        (["list"], account.uuid),
        (["ping", account.uuid], "accepted"),
    ]:
        done = subprocess.run(
            [*SECOND, str(dropped_in.binary), "mollysocket", "connection", *words],
            env=dropped_in.clean_environment(),
            capture_output=True,
            text=True,
            timeout=STOP_DEADLINE,
        )
        secrecy.command(done, ["connection", *words])
        assert done.returncode == DONE and said in done.stdout, (words[0], done.stderr)
    signal.wait_connected(account)
    rings(signal, ntfy, account, endpoint)


@only_root
def test_a_user_that_is_not_there_is_named(shell: Shell) -> None:
    done = shell.run("server", environment={"DOORBELL_USER": "nobody-of-this-name"})
    assert done.returncode == NOT_DONE
    assert 'DOORBELL_USER: user: there is no user "nobody-of-this-name"' in done.stderr
