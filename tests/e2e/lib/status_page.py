"""The operator's status page, as a client without a browser asks for it, and whom it shows."""

import contextlib
import http.client
import re
import time
from typing import Callable
from urllib.parse import urlencode

from lib.background import DEADLINE
from lib.browser import Browser
from lib.doorbell import Doorbell
from lib.linked import Linked
from lib.ports import free_port
from lib.push_peer import PushPeer
from lib.signal_peer import SignalPeer

Answer = tuple[int, http.client.HTTPMessage, str]


class Page:
    """The status page of a Doorbell that runs, and a client that keeps no cookies by itself."""

    def __init__(self, doorbell: Doorbell, port: int, path: str = "/"):
        self.doorbell, self.port, self.path = doorbell, port, path
        self.url = f"http://127.0.0.1:{port}{path}"

    def ask(self, method: str, path: str = "", body: str = "", **headers: str) -> Answer:
        """Header names with underscores for dashes. A POST is one of the page's own."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        if method == "POST":
            named = {"Origin": f"http://127.0.0.1:{self.port}", **named}
            named["Content-Type"] = "application/x-www-form-urlencoded"
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        with contextlib.closing(connection):
            sent = {name: value for name, value in named.items() if value}
            connection.request(method, self.path + path, body or None, sent)
            answer = connection.getresponse()
            return answer.status, answer.headers, answer.read().decode()

    def log_in(self, token: str, **headers: str) -> str:
        """The cookie."""
        status, answered, html = self.ask("POST", "login", urlencode({"token": token}), **headers)
        assert (status, answered["Location"]) == (303, "./"), (status, html)
        return answered["Set-Cookie"].partition(";")[0]

    def shown(self, cookie: str, query: str = "") -> str:
        status, _, html = self.ask("GET", query, Cookie=cookie)
        assert status == 200 and "The whole" in html, (status, html)
        self.expect_no_secret(html)
        return html

    def expect_no_secret(self, html: str) -> None:
        text = html.lower()
        assert not [secret for secret in self.doorbell.secrets if secret.lower() in text], html


def command(doorbell: Doorbell, *words: str) -> str:
    done = doorbell.command("admin", *words)
    assert (done.returncode, done.stderr) == (0, ""), done
    return done.stdout


def make_token(doorbell: Doorbell) -> str:
    found = re.search(r"^    (\S{32})$", command(doorbell, "token"), re.MULTILINE)
    assert found
    doorbell.secrets.add(found[1])
    return found[1]


def start_with_page(doorbell: Doorbell) -> Page:
    """On a port that is not the web port's as well."""
    port = next(port for port in iter(free_port, None) if port != doorbell.port)
    doorbell.settings["admin.listen"] = f"127.0.0.1:{port}"
    return Page(doorbell.start(), port)


class User(Linked):
    """Connected, and rung once."""

    def __init__(self, page: Page, signal: SignalPeer, ntfy: PushPeer):
        super().__init__(page.doorbell, signal, ntfy)
        signal.wait_connected(self.account)
        signal.wait_acked(self.queue())


def fill(browser: Browser, token: str) -> None:
    browser.evaluate(f"document.getElementById('token').value = '{token}'")


def until(predicate: Callable[[], bool], what: str) -> None:
    """By asking again and again: nobody tells."""
    deadline = time.monotonic() + DEADLINE
    while not predicate():
        assert time.monotonic() < deadline, f"in time did not happen: {what}"
        time.sleep(0.02)
