"""TLS of our own on the web port (web.tls_cert, web.tls_key): who gets through and who does not, and
certificates that are renewed while the server runs.
"""

import datetime
import http.client
import os
import socket
import ssl
import time
import warnings
from pathlib import Path
from typing import Any, Callable

import pytest
from cryptography.hazmat.primitives import serialization

from lib.background import DEADLINE
from lib.browser import Browser
from lib.certs import Authority, Leaf
from lib.doorbell import Doorbell
from lib.linking_page import PUBLIC_URL, expect_good
from lib.push_peer import TEST, PushPeer
from lib.signal_peer import SignalPeer

MakeDoorbell = Callable[..., Doorbell]

HANDSHAKE = b"\x16\x03\x01\x02\x00\x01"  # a ClientHello's first bytes
MUCH = 50  # connections
NOT_USED = "The new certificate is not used"


class Pair:
    """The two files that the settings name, and what is put into them."""

    def __init__(self, folder: Path, authority: Authority):
        self.authority = authority
        self.cert, self.key = folder / "fullchain.pem", folder / "privkey.pem"
        self.serials = 0

    def settings(self) -> dict[str, str]:
        return {"web__tls_cert": str(self.cert), "web__tls_key": str(self.key)}

    def put(self, leaf: Leaf) -> None:
        """With the authority's own certificate behind it, as in fullchain.pem; by renaming."""
        chain = leaf.cert.read_bytes() + self.authority.file.read_bytes()
        self.replace(self.key, leaf.key.read_bytes())
        self.replace(self.cert, chain)

    def replace(self, file: Path, content: bytes) -> None:
        new = file.with_suffix(".new")
        new.write_bytes(content)
        new.chmod(0o600)
        new.rename(file)

    def move(self, folder: Path) -> None:
        self.cert, self.key = self.cert.rename(folder / self.cert.name), self.key.rename(
            folder / self.key.name
        )

    def renew(self, **how: Any) -> Leaf:
        self.serials += 1
        leaf = self.authority.leaf(f"renewed-{self.serials}", **how)
        self.put(leaf)
        return leaf


@pytest.fixture
def pair(tmp_path: Path) -> Pair:
    """Of an authority whose certificates last."""
    folder = tmp_path / "tls"
    folder.mkdir()
    pair = Pair(folder, Authority(folder, valid_for=datetime.timedelta(days=90)))
    pair.renew()
    return pair


@pytest.fixture
def secure(make_doorbell: MakeDoorbell, signal: SignalPeer, ntfy: PushPeer, pair: Pair) -> Doorbell:
    """Running; who speaks to it trusts the pair's authority."""
    return speak_tls(
        make_doorbell(
            signal__url=signal.url,
            push__allowed_endpoints=["*", ntfy.origin],
            **pair.settings(),
        ),
        pair,
    ).start()


def speak_tls(doorbell: Doorbell, pair: Pair) -> Doorbell:
    doorbell.tls = ssl.create_default_context(cafile=str(pair.authority.file))
    doorbell.tls.set_alpn_protocols(["h2", "http/1.1"])
    return doorbell


def dial(doorbell: Doorbell) -> socket.socket:
    return socket.create_connection(("127.0.0.1", doorbell.port), timeout=DEADLINE)


def dial_tls(doorbell: Doorbell) -> ssl.SSLSocket:
    assert doorbell.tls
    return doorbell.tls.wrap_socket(dial(doorbell), server_hostname="localhost")


def certificate_of(doorbell: Doorbell) -> bytes:
    with dial_tls(doorbell) as connection:
        found = connection.getpeercert(binary_form=True)
    assert found
    return found


def der_of(leaf: Leaf) -> bytes:
    return ssl.PEM_cert_to_DER_cert(leaf.cert.read_text())


def call_until(doorbell: Doorbell, happened: Callable[[], bool], what: str) -> None:
    """Connections, at which the server looks at its files, until something has happened."""
    deadline = time.monotonic() + DEADLINE
    while not happened():
        assert time.monotonic() < deadline, f"did not happen: {what}"
        assert doorbell.request("GET", "/discover")[0] == 200
        time.sleep(0.05)  # in a burst the server lets only so many handshakes through


def status_on(connection: http.client.HTTPConnection) -> int:
    connection.request("GET", "/discover")
    answer = connection.getresponse()
    answer.read()
    return answer.status


def wait_for_end(connection: socket.socket) -> bytes:
    """What came before it."""
    got = b""
    try:
        while piece := connection.recv(4096):
            got += piece
    except ConnectionResetError:
        pass
    return got


# Who gets through


def test_a_phone_registers_and_the_page_is_shown_over_https(
    secure: Doorbell, signal: SignalPeer, ntfy: PushPeer
) -> None:
    assert secure.register(signal.new_account(), ntfy.endpoint()) == "ok"
    assert [push.body for push in ntfy.wait_pushes(1)] == [TEST]
    status, headers, page = secure.request("GET", "/", headers={"Host": "push.example.org:8443"})
    assert status == 200
    assert b"Not ready yet" not in page and b"https://push.example.org:8443/" in page
    assert headers["content-security-policy"].startswith("default-src 'none'")
    assert not secure.has_logged("The certificate of web.tls_cert")
    large = b"x" * 2_000_000  # read to its end, so that the refusal is
    status, _, _ = secure.request("POST", "/", large, {"Content-Type": "application/json"})
    assert status == 413


def test_chromium_opens_the_page_without_a_proxy(
    make_doorbell: MakeDoorbell, browser: Browser, front_port: int, front_leaf: Leaf
) -> None:
    doorbell = make_doorbell(
        web__listen=[f"127.0.0.1:{front_port}"],
        web__tls_cert=str(front_leaf.cert),
        web__tls_key=str(front_leaf.key),
    ).start()
    browser.open(PUBLIC_URL)
    expect_good(browser, doorbell, "own-tls", PUBLIC_URL)
    assert doorbell.has_logged("The certificate of web.tls_cert ends on")  # the run's last for days


def test_tls_1_2_and_1_3_are_spoken_and_nothing_older(secure: Doorbell, pair: Pair) -> None:
    for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
        speak_tls(secure, pair)
        assert secure.tls
        secure.tls.minimum_version = secure.tls.maximum_version = version
        with dial_tls(secure) as connection:
            assert connection.selected_alpn_protocol() in ("http/1.1", None)
        assert secure.request("GET", "/discover")[0] == 200
    speak_tls(secure, pair)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        secure.tls.set_ciphers("DEFAULT@SECLEVEL=0")
        secure.tls.minimum_version = ssl.TLSVersion.TLSv1
        secure.tls.maximum_version = ssl.TLSVersion.TLSv1_1
    with pytest.raises(OSError):
        dial_tls(secure).close()
    assert speak_tls(secure, pair).request("GET", "/discover")[0] == 200


def test_who_comes_without_tls_is_told_and_gets_nothing_else(
    secure: Doorbell, signal: SignalPeer, ntfy: PushPeer
) -> None:
    secure.tls = None
    for method, path in [("GET", "/"), ("GET", "/discover"), ("GET", "/healthz"), ("PUT", "/")]:
        status, _, answer = secure.request(method, path, headers={"X-Forwarded-Proto": "https"})
        assert status == 400 and b"https://" in answer
    body = secure.registration(signal.new_account(), ntfy.endpoint())
    status, _, _ = secure.request("POST", "/", body, {"Content-Type": "application/json"})
    assert status == 400
    assert not signal.handshakes
    with dial(secure) as connection:  # as a proxy would with HTTP/2
        connection.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
        assert wait_for_end(connection).startswith((b"HTTP/1.1 400 ", b"HTTP/1.1 505 "))


def test_a_unix_socket_stays_without_tls_for_a_proxy(
    make_doorbell: MakeDoorbell, pair: Pair, tmp_path: Path
) -> None:
    path = tmp_path / "web.sock"
    make_doorbell(web__listen=[f"unix:{path}"], **pair.settings()).start()
    connection = http.client.HTTPConnection("localhost")
    connection.sock = socket.socket(socket.AF_UNIX)
    connection.sock.settimeout(DEADLINE)
    connection.sock.connect(str(path))
    assert status_on(connection) == 200
    connection.close()


# Strangers


def test_a_handshake_or_a_request_that_does_not_go_on_is_cut(
    make_doorbell: MakeDoorbell, pair: Pair
) -> None:
    doorbell = speak_tls(make_doorbell(web__timeout="500ms", **pair.settings()), pair).start()
    slow = [dial(doorbell) for _ in range(MUCH)]
    for number, connection in enumerate(slow):
        connection.sendall(HANDSHAKE[: number % (len(HANDSHAKE) + 1)])
    for connection in slow:
        wait_for_end(connection)
        connection.close()
    try:
        with dial_tls(doorbell) as connection:
            connection.sendall(b"GET / HTTP/1.1\r\n")
            assert connection.recv(4096) == b""
    except OSError:
        pass  # cut, which is what we wait for; on a slow machine already in the handshake


def test_garbage_ends_and_does_not_disturb(secure: Doorbell) -> None:
    for _ in range(MUCH):
        with dial(secure) as connection:
            try:
                connection.sendall(HANDSHAKE[:3] + os.urandom(2000))
                connection.shutdown(socket.SHUT_WR)
            except OSError:
                continue  # it has closed already
            wait_for_end(connection)
    assert secure.request("GET", "/discover")[0] == 200


def test_idle_connections_give_way_to_new_ones(make_doorbell: MakeDoorbell, pair: Pair) -> None:
    doorbell = speak_tls(make_doorbell(web__connections=4, **pair.settings()), pair).start()
    idle: list[socket.socket] = []
    for _ in range(2):
        idle += [dial_tls(doorbell), dial(doorbell)]
        idle[-1].sendall(HANDSHAKE)
    for _ in range(4):
        assert doorbell.request("GET", "/discover")[0] == 200
    for connection in idle:
        connection.close()


# Renewal


def test_changed_files_are_used_and_open_connections_live_on(secure: Doorbell, pair: Pair) -> None:
    old = certificate_of(secure)
    open_one = secure.connection()
    assert status_on(open_one) == 200
    leaf = pair.renew()
    call_until(secure, lambda: certificate_of(secure) == der_of(leaf), "the new certificate")
    assert der_of(leaf) != old
    assert secure.has_logged("The new certificate of web.tls_cert is in use; it ends on ")
    assert status_on(open_one) == 200
    open_one.close()


def test_a_reload_reads_them_at_once_and_may_name_others(
    secure: Doorbell, pair: Pair, authority: Authority, leaf: Leaf
) -> None:
    renewed = pair.renew()
    secure.reload()
    assert certificate_of(secure) == der_of(renewed)
    secure.reload(web__tls_cert=str(leaf.cert), web__tls_key=str(leaf.key))
    assert secure.tls
    secure.tls.load_verify_locations(str(authority.file))
    assert certificate_of(secure) == der_of(leaf)


def test_tls_may_come_and_go_by_a_reload(
    make_doorbell: MakeDoorbell, pair: Pair
) -> None:
    doorbell = make_doorbell()
    pair.move(doorbell.folder)  # to another folder the sandbox does not let it; test_sandbox.py
    doorbell.start()
    assert doorbell.request("GET", "/discover")[0] == 200
    doorbell.reload(**pair.settings())
    assert doorbell.request("GET", "/discover")[0] == 400
    assert speak_tls(doorbell, pair).request("GET", "/discover")[0] == 200
    doorbell.settings = {k: v for k, v in doorbell.settings.items() if "tls" not in k}
    doorbell.reload()
    doorbell.tls = None
    assert doorbell.request("GET", "/discover")[0] == 200


def test_a_pair_that_cannot_be_used_is_told_once_and_the_old_one_stays(
    secure: Doorbell, pair: Pair
) -> None:
    old = certificate_of(secure)
    good = pair.key.read_bytes()
    pair.replace(pair.key, pair.authority.leaf("another").key.read_bytes())
    call_until(secure, lambda: secure.has_logged(NOT_USED), "the word that it is not used")
    assert certificate_of(secure) == old
    leaf = pair.renew()
    call_until(secure, lambda: certificate_of(secure) == der_of(leaf), "the pair that was mended")
    pair.replace(pair.key, good)
    secure.reload()
    assert certificate_of(secure) == der_of(leaf)
    told = [line for line in secure.output() if NOT_USED in line]
    assert len(told) == 2 and all("is not the key of the first certificate" in t for t in told)


def test_a_certificate_that_has_ended_is_served_with_a_warning(
    make_doorbell: MakeDoorbell, pair: Pair
) -> None:
    pair.renew(expired=True)
    doorbell = speak_tls(make_doorbell(**pair.settings()), pair).start()
    assert doorbell.has_logged("The certificate of web.tls_cert has ended on ")
    with pytest.raises(ssl.SSLCertVerificationError, match="expired"):
        dial_tls(doorbell).close()
    leaf = pair.renew()
    doorbell.reload()
    assert certificate_of(doorbell) == der_of(leaf)


# Set-ups that stop the start


def locked(leaf: Leaf) -> bytes:
    key = serialization.load_pem_private_key(leaf.key.read_bytes(), None)
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.BestAvailableEncryption(b"a passphrase"),
    )


def test_a_set_up_that_cannot_work_stops_the_start_with_the_fix(
    make_doorbell: MakeDoorbell, pair: Pair
) -> None:
    doorbell = make_doorbell(**pair.settings())
    good = dict(doorbell.settings)
    other = pair.authority.leaf("another")
    bad = pair.cert.with_name("locked.pem")
    bad.write_bytes(locked(other))
    for changed, says in [
        ({"web.tls_key": None}, "web.tls_cert is set, but web.tls_key is not: name the file"),
        ({"web.tls_cert": None}, "web.tls_key is set, but web.tls_cert is not: name the file"),
        ({"web.tls_cert": "/nowhere/fullchain.pem"}, "web.tls_cert: /nowhere/fullchain.pem cannot"),
        ({"web.tls_key": str(other.key)}, "is not the key of the first certificate in"),
        ({"web.tls_key": str(pair.cert)}, "has no private key that can be read; name a PEM file"),
        ({"web.tls_cert": str(pair.key)}, "has no certificate that can be read; name a PEM file"),
        ({"web.tls_key": str(bad)}, "is locked with a passphrase, which nobody can type here"),
    ]:
        doorbell.settings = {k: v for k, v in {**good, **changed}.items() if v is not None}
        done = doorbell.command("server")
        assert done.returncode != 0 and says in done.stderr, (changed, done.stderr)
    done = doorbell.command("config", "check")
    assert done.returncode != 0 and "passphrase" in done.stderr, done.stderr
    assert not Path(good["store.path"]).exists()
