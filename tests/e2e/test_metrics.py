"""What Prometheus gets to see: every series is documented, follows what happens, and names nobody;
the socket that serves it does no harm to the rest.
"""

import contextlib
import datetime
import http.client
import json
import re
import socket
import sqlite3
import time
from pathlib import Path
from typing import Any, Callable, Iterator, Optional

import pytest
import yaml
from cryptography import x509
from prometheus_client.parser import text_string_to_metric_families

from lib.background import DEADLINE
from lib.certs import Leaf
from lib.doorbell import Doorbell
from lib.nameserver import Nameserver
from lib.ports import free_port
from lib.process import REPOSITORY
from lib.push_peer import CONTESTED, PushPeer
from lib.receiver import Receiver
from lib.signal_peer import Account, SignalPeer

MakeDoorbell = Callable[..., Doorbell]
PUSH = "push.doorbell.test"
RULES = REPOSITORY / "config" / "prometheus" / "doorbell.rules.yaml"
DASHBOARD = REPOSITORY / "config" / "grafana" / "doorbell.json"
TABLE = REPOSITORY / "docs" / "metrics.md"
Series = dict[tuple[str, frozenset], float]


class Scraper:
    """Reads the metrics over one connection, as Prometheus does."""

    def __init__(self, doorbell: Doorbell, port: int):
        self.doorbell, self.port = doorbell, port
        self.connection: Optional[http.client.HTTPConnection] = None

    def ask(self, method: str = "GET", path: str = "/metrics") -> tuple[int, str, str]:
        try:
            return self.ask_once(method, path)
        except ConnectionError:  # it rested for too long
            self.connection = None
            return self.ask_once(method, path)

    def ask_once(self, method: str, path: str) -> tuple[int, str, str]:
        if not self.connection:
            self.connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        self.connection.request(method, path)
        answer = self.connection.getresponse()
        return answer.status, answer.headers["Content-Type"], answer.read().decode("ascii")

    def text(self) -> str:
        status, kind, text = self.ask()
        assert status == 200 and kind.startswith("text/plain; version=0.0.4")
        return text

    def series(self) -> Series:
        found: Series = {}
        for family in text_string_to_metric_families(self.text()):
            for sample in family.samples:
                key = (sample.name, frozenset(sample.labels.items()))
                assert key not in found, f"twice: {key}"
                found[key] = sample.value
        return found

    def value(self, name: str, **labels: str) -> float:
        """0 where nothing was counted yet."""
        return self.series().get((f"doorbell_{name}", frozenset(labels.items())), 0.0)

    def wait(self, expected: float, name: str, **labels: str) -> None:
        self.wait_until(lambda value: value == expected, name, **labels)

    def wait_at_least(self, least: float, name: str, **labels: str) -> None:
        self.wait_until(lambda value: value >= least, name, **labels)

    def wait_until(self, fits: Callable[[float], bool], name: str, **labels: str) -> None:
        """Asks again when something else has changed, or soon."""
        deadline = time.monotonic() + DEADLINE
        changed = self.doorbell.changes.condition
        while not fits(value := self.value(name, **labels)):
            assert time.monotonic() < deadline, f"{name}{labels} stays {value}"
            with changed:
                changed.wait(0.05)

    def close(self) -> None:
        if self.connection:
            self.connection.close()


class Watched:
    """A running Doorbell whose metrics are served, and an account whose test push has arrived."""

    def __init__(
        self, make: MakeDoorbell, signal: SignalPeer, ntfy: PushPeer, **settings: Any
    ) -> None:
        self.signal, self.ntfy = signal, ntfy
        port = free_port()
        needed = {
            "signal__url": signal.url,
            "push__allowed_endpoints": ["*", ntfy.origin],
            "wake__interval": "50ms",
            "metrics__listen": f"127.0.0.1:{port}",
        }
        self.doorbell = make(**{**needed, **settings}).start()
        self.metrics = Scraper(self.doorbell, port)

    def add_account(self) -> tuple[Account, str]:
        account, endpoint = self.signal.new_account(), self.ntfy.endpoint()
        accepted = self.metrics.value("wakes_total", cause="test")
        assert self.doorbell.register(account, endpoint) == "ok"
        self.metrics.wait(accepted + 1, "wakes_total", cause="test")
        return account, endpoint


@pytest.fixture
def watch(
    make_doorbell: MakeDoorbell, signal: SignalPeer, ntfy: PushPeer
) -> Iterator[Callable[..., Watched]]:
    made: list[Watched] = []

    def start(**settings: Any) -> Watched:
        made.append(Watched(make_doorbell, signal, ntfy, **settings))
        return made[-1]

    yield start
    for watched in made:
        watched.metrics.close()


# The documents


def table_rows() -> list[tuple[str, str, str]]:
    """Name, type and meaning."""
    row = re.compile(r"^\| `(doorbell_\w+)` \| (\w+) \| [^|]*\| (.*) \|$", re.MULTILINE)
    return row.findall(TABLE.read_text())


def table_labels() -> dict[str, set[str]]:
    row = re.compile(r"^\| `(doorbell_\w+)` \| \w+ \| ([^|]*)\|", re.MULTILINE)
    rows = row.findall(TABLE.read_text())
    return {name: set(re.findall(r"`(\w+)`", words)) for name, words in rows}


def names_in(text: str) -> set[str]:
    return set(re.findall(r"\bdoorbell_[a-z_]+", text))


def matched_in(expression: str) -> list[tuple[str, str, str]]:
    """Series, label and value of whatever it asks for by the value of a label."""
    return [
        (name, label, value)
        for name, matchers in re.findall(r"\b(doorbell_[a-z_]+){([^}]*)}", expression)
        for label, values in re.findall(r'(\w+)(?:=~|!~|!=|=)"([^"]*)"', matchers)
        for value in values.split("|")
    ]


def expressions(panel: Any) -> list[str]:
    """Everything called "expr" or "query", however deep."""
    if isinstance(panel, list):
        return [found for part in panel for found in expressions(part)]
    if not isinstance(panel, dict):
        return []
    own = [panel[key] for key in ("expr", "query") if isinstance(panel.get(key), str)]
    return own + [found for part in panel.values() for found in expressions(part)]


def test_every_series_is_in_the_table_and_each_dashboard_and_alert_has_its_series(
    watch: Callable[..., Watched],
) -> None:
    watched = watch()
    account, _ = watched.add_account()
    watched.signal.queue(account.key)
    watched.metrics.wait(1, "message_to_ring_seconds_count")
    text = watched.metrics.text()

    told = dict(re.findall(r"^# HELP (\w+) (.*)$", text, re.MULTILINE))
    kinds = dict(re.findall(r"^# TYPE (\w+) (.*)$", text, re.MULTILINE))
    assert table_rows() == [(name, kinds[name], told[name]) for name in told]

    labels: dict[str, set[str]] = {name: set() for name in told}
    values: dict[tuple[str, str], set[str]] = {}
    series = set(told)
    for family in text_string_to_metric_families(text):
        name = family.name + ("_total" if family.type == "counter" else "")
        assert name in told, "a series without a HELP line"
        for sample in family.samples:
            labels[name] |= set(sample.labels)
            for label, value in sample.labels.items():
                values.setdefault((name, label), set()).add(value)
            series.add(sample.name)
    assert labels == table_labels()

    rules = yaml.safe_load(RULES.read_text())["groups"][0]["rules"]
    for rule in rules:
        for name, label, value in matched_in(rule["expr"]):
            assert value in values[name, label] or label == "status", (rule["alert"], label, value)
    alerts = [name for rule in rules for name in names_in(rule["expr"])]
    dashboard = json.loads(DASHBOARD.read_text())
    panels = [name for found in expressions(dashboard) for name in names_in(found)]
    assert alerts and set(alerts) <= series
    assert set(panels) <= series
    shown = {re.sub("_(bucket|sum|count)$", "", name) for name in panels}
    assert shown == set(told), "the dashboard shows all there is"


def test_each_alert_says_what_is_wrong_and_what_to_do() -> None:
    rules = yaml.safe_load(RULES.read_text())["groups"][0]["rules"]
    assert len({rule["alert"] for rule in rules}) == len(rules)
    for rule in rules:
        assert rule["labels"]["severity"] in ("warning", "critical")
        for part in ("summary", "description"):
            assert rule["annotations"][part].endswith("."), (rule["alert"], part)


# What happens shows


def test_a_message_and_its_ring_show(watch: Callable[..., Watched]) -> None:
    watched = watch()
    metrics, origin = watched.metrics, watched.ntfy.origin
    assert metrics.value("accounts", state="up") == 0
    account, _ = watched.add_account()
    metrics.wait(1, "accounts", state="up")
    assert metrics.value("endpoints", state="ok") == 1
    assert metrics.value("connects_total") == 1
    assert metrics.value("messages_total", kind="urgent") == 0

    watched.signal.queue(account.key)
    metrics.wait(1, "wakes_total", cause="message")
    watched.signal.queue(account.key, urgent=False)
    watched.signal.queue(account.key, source=account.uuid, source_device=1)
    metrics.wait(1, "messages_total", kind="quiet")
    metrics.wait(1, "messages_total", kind="own")
    assert metrics.value("messages_total", kind="urgent") == 1
    assert metrics.value("pushes_total", cause="message") == 1
    assert metrics.value("push_answers_total", origin=origin, status="200") == 2
    assert metrics.value("message_to_ring_seconds_count") == 1
    assert metrics.value("message_to_ring_seconds_bucket", le="+Inf") == 1
    assert metrics.value("message_to_ring_seconds_sum") > 0
    assert metrics.value("owed_rings") == 0
    assert metrics.value("push_server_down", origin=origin) == 0
    assert metrics.value("store_write_seconds_count") >= 1
    assert metrics.value("process_resident_memory_bytes") > 1_000_000
    assert 0 < metrics.value("process_open_fds") < metrics.value("process_max_fds")
    assert metrics.value("process_start_time_seconds") > 1_700_000_000


def test_a_push_server_that_fails_shows_until_it_works_again(
    watch: Callable[..., Watched],
) -> None:
    watched = watch(push__breaker_failures=2, push__breaker_open="200ms", push__breaker_max="200ms")
    metrics, origin = watched.metrics, watched.ntfy.origin
    account, _ = watched.add_account()
    watched.ntfy.answer_with(503)
    watched.signal.queue(account.key)
    metrics.wait(1, "push_server_down", origin=origin)
    metrics.wait_at_least(2, "push_answers_total", origin=origin, status="503")
    assert metrics.value("owed_rings") == 1
    assert metrics.value("owed_ring_age_seconds") > 0
    assert metrics.value("endpoints", state="failing") == 1
    assert metrics.value("push_servers", endpoints="proven", breaker="closed") == 0
    assert metrics.value("message_to_ring_seconds_count") == 0

    watched.ntfy.answer_with(200)
    metrics.wait(1, "wakes_total", cause="message")
    metrics.wait(0, "push_server_down", origin=origin)
    assert metrics.value("owed_rings") == metrics.value("owed_ring_age_seconds") == 0
    assert metrics.value("message_to_ring_seconds_count") == 1
    assert metrics.value("endpoints", state="ok") == 1


def test_contention_shows(watch: Callable[..., Watched]) -> None:
    watched = watch(signal__contested_min="100ms", signal__contested_max="200ms")
    account, _ = watched.add_account()
    watched.signal.close(4409, "Connected elsewhere", account.key)
    watched.metrics.wait(1, "accounts", state="contested")
    watched.metrics.wait(1, "wakes_total", cause="notice")
    assert len(watched.ntfy.matching(lambda push: push.body == CONTESTED)) == 1
    assert watched.metrics.value("disconnects_total", reason="contested") == 1
    watched.metrics.wait(1, "reconnects_total")


def test_a_link_that_is_silent_shows_and_is_not_up(watch: Callable[..., Watched]) -> None:
    watched = watch(signal__proof="100ms")
    watched.add_account()
    assert watched.metrics.value("connects_total") == 1
    watched.signal.set_behaviour(deliver=False)
    watched.signal.end("eof")
    watched.metrics.wait_at_least(2, "disconnects_total", reason="silent")
    assert watched.metrics.value("accounts", state="up") == 0
    assert watched.metrics.value("connects_total") == 1
    watched.signal.reset_behaviour()
    watched.metrics.wait(1, "accounts", state="up")


def test_a_database_that_cannot_be_written_shows(watch: Callable[..., Watched]) -> None:
    watched = watch(push__hold="50ms", store__retry="100ms")
    account, _ = watched.add_account()
    watched.ntfy.answer_with(503)
    blocker = watched.doorbell.folder / "doorbell.db"
    lock_out(blocker, True)
    watched.signal.queue(account.key)
    watched.metrics.wait(1, "store_failing")
    watched.metrics.wait_at_least(1, "store_failed_changes_total")
    lock_out(blocker, False)
    watched.metrics.wait(0, "store_failing")


def test_alerts_that_do_not_arrive_show_until_they_do(
    watch: Callable[..., Watched], receiver: Receiver
) -> None:
    watched = watch(
        alert__url=receiver.url,
        alert__interval="50ms",
        alert__retry_min="50ms",
        alert__retry_max="200ms",
        signal__contested_min="100ms",
    )
    account, _ = watched.add_account()
    assert watched.metrics.value("alerts_failing") == 0
    receiver.answer_with(500)
    watched.signal.close(4409, "Connected elsewhere", account.key)
    watched.metrics.wait(1, "alerts_failing")
    receiver.answer_with(200)
    watched.metrics.wait(0, "alerts_failing")


def test_a_clock_that_is_wrong_and_the_end_of_the_own_certificate_show(
    watch: Callable[..., Watched], leaf: Leaf
) -> None:
    watched = watch()
    account, _ = watched.add_account()
    assert watched.metrics.value("clock_wrong") == 0
    assert watched.metrics.value("certificate_end_time_seconds") == 0
    past = {"Date": "Sat, 01 Jan 2000 00:00:00 GMT"}
    watched.ntfy.answer_with({"status": 201, "headers": past})
    watched.signal.queue(account.key)
    watched.metrics.wait(1, "clock_wrong")
    watched.ntfy.answer_with(200)
    watched.signal.queue(account.key)
    watched.metrics.wait(0, "clock_wrong")

    secure = watch(web__tls_cert=str(leaf.cert), web__tls_key=str(leaf.key))
    end = x509.load_pem_x509_certificate(leaf.cert.read_bytes()).not_valid_after
    ends_unix = end.replace(tzinfo=datetime.timezone.utc).timestamp()
    assert secure.metrics.value("certificate_end_time_seconds") == ends_unix


def lock_out(database: Path, locked: bool) -> None:
    """A trigger that refuses every write of a row."""
    with sqlite3.connect(database) as connection:
        if locked:
            connection.execute(
                "CREATE TRIGGER no BEFORE INSERT ON accounts BEGIN SELECT RAISE(ABORT, 'no'); END"
            )
        else:
            connection.execute("DROP TRIGGER no")
    connection.close()


def test_who_is_not_named_by_the_operator_is_not_named_to_anybody(
    watch: Callable[..., Watched], nameserver: Nameserver
) -> None:
    nameserver.set(PUSH, ["127.0.0.1"])  # which "*" does not allow
    watched = watch(net__nameservers=[f"127.0.0.1:{nameserver.port}"])
    stranger = watched.signal.new_account()
    endpoint = f"https://{PUSH}/upSecretTopic0?up=1"
    assert watched.doorbell.register(stranger, endpoint, ping=True) == "ok"
    watched.metrics.wait_at_least(1, "push_answers_total", origin="other", status="denied")
    account, own = watched.add_account()
    text = watched.metrics.text()
    assert watched.ntfy.origin in text
    listed = watched.doorbell.command("connection", "list", "-a").stdout
    pseudonyms = re.findall(r"^\w{6,}", listed, re.MULTILINE)
    assert len(pseudonyms) >= 2
    secrets = [PUSH, "upSecretTopic0", own.rpartition("/")[2], *pseudonyms]
    for one in (account, stranger):
        secrets += [one.uuid, one.password]
    assert not [word for word in secrets if word.lower() in text.lower()]


# The socket


def taken_port() -> socket.socket:
    while True:
        try:
            return socket.create_server(("127.0.0.1", free_port()))
        except OSError:
            continue


def test_a_port_that_is_taken_is_a_warning_and_a_reload_tries_again(
    watch: Callable[..., Watched],
) -> None:
    with taken_port() as taken:
        port = taken.getsockname()[1]
        watched = watch(metrics__listen=f"127.0.0.1:{port}")
        doorbell = watched.doorbell
        said = [line for line in doorbell.output() if "metrics" in line]
        assert len(said) == 1 and " warn " in said[0]
        assert f"metrics.listen: cannot listen on 127.0.0.1:{port}: " in said[0]
        assert doorbell.register(watched.signal.new_account(), watched.ntfy.endpoint()) == "ok"
    watched.doorbell.reload()
    watched.metrics.port = port
    assert watched.metrics.value("accounts", state="up") == 1


def test_none_means_none_until_a_reload_names_an_address(watch: Callable[..., Watched]) -> None:
    watched = watch(metrics__listen="none")
    port = watched.metrics.port
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port))
    assert not any("metrics" in line.lower() for line in watched.doorbell.output())
    watched.doorbell.reload(metrics__listen=f"127.0.0.1:{port}")
    watched.metrics.text()
    watched.doorbell.reload(metrics__listen="none")
    with pytest.raises(ConnectionRefusedError):  # nor over the connection that there was
        watched.metrics.text()


def test_a_socket_in_the_file_system_serves_them_as_well(watch: Callable[..., Watched]) -> None:
    watched = watch()
    path = watched.doorbell.folder / "metrics.sock"
    watched.doorbell.reload(metrics__listen=f"unix:{path}")
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(str(path))
        client.sendall(b"GET /metrics HTTP/1.0\r\n\r\n")
        answer = b"".join(iter(lambda: client.recv(65536), b""))
    assert answer.startswith(b"HTTP/1.") and b"doorbell_build_info" in answer


def test_there_is_nothing_else_there_and_nothing_of_it_on_the_web_port(
    watch: Callable[..., Watched],
) -> None:
    watched = watch()
    assert watched.doorbell.request("GET", "/metrics")[0] == 404
    for method, path in [("GET", "/"), ("POST", "/metrics"), ("POST", "/"), ("GET", "/discover")]:
        status, _, body = watched.metrics.ask(method, path)
        assert status == 404 and "mollysocket" not in body
    assert watched.metrics.ask("HEAD")[0] == 200


GARBAGE = [
    b"\x00" * 5000,
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00",
    b"GET /metrics HTTP/1.1\r\nHost: a\r\nX: " + b"x" * 100_000,
    b"GET /metrics HTTP/1.1\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    b"GET /metrics HTTP/9.9\r\n\r\n",
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    b"GET",
]


def test_garbage_and_connections_that_say_nothing_keep_neither_scrapes_nor_rings(
    watch: Callable[..., Watched],
) -> None:
    watched = watch()
    account, endpoint = watched.add_account()
    address = ("127.0.0.1", watched.metrics.port)
    clients = [socket.create_connection(address) for _ in range(40 + len(GARBAGE))]
    for client, garbage in zip(clients[40:], GARBAGE):
        with contextlib.suppress(ConnectionResetError, BrokenPipeError):
            client.sendall(garbage)
    watched.metrics.close()
    watched.metrics.connection = None
    number = watched.signal.queue(account.key)
    watched.ntfy.wait_rings(1, endpoint)
    watched.signal.wait_acked(number)
    watched.metrics.wait(1, "wakes_total", cause="message")
    for client in clients:
        client.close()
