"""The public page, and the operator's status page behind its token: what they show and to whom, by
hand-made requests and in a real browser. Screenshots stay in `screenshots` beside the program.
"""

import contextlib
import http.client
import http.cookiejar
import json
import re
import sqlite3
import ssl
import stat
import uuid
from typing import Any, Callable, Iterator
from urllib.parse import urlencode, urljoin

import pytest

from lib.browser import Browser
from lib.certs import Authority, Leaf
from lib.doorbell import Doorbell
from lib.linked import Linked
from lib.looks import FEW, PHONE, expect_good
from lib.ports import free_port
from lib.push_peer import PushPeer
from lib.receiver import ALERTS, HEARTBEATS, TOKEN, Receiver
from lib.signal_peer import SignalPeer
from lib.status_page import Page, User, command, fill, make_token, start_with_page, until

MakeDoorbell = Callable[..., Doorbell]

COOKIE = re.compile(r"doorbell_session_[0-9a-f]{8}")

@pytest.fixture
def make_page(
    make_doorbell: MakeDoorbell, signal: SignalPeer, ntfy: PushPeer
) -> Callable[..., Page]:
    """Of a running Doorbell with a socket of its own for it."""

    def make(**settings: Any) -> Page:
        needed = {"signal__url": signal.url, "push__allowed_endpoints": [ntfy.origin]}
        return start_with_page(make_doorbell(**{**needed, **settings}))

    return make


@pytest.fixture
def page(make_page: Callable[..., Page]) -> Page:
    return make_page()


# What a browser shows


def expect_structure(browser: Browser, regions: list[str]) -> None:
    nodes = browser.nodes()
    roles = [node.role for node in nodes]
    for landmark in ("banner", "main", "contentinfo"):
        assert roles.count(landmark) == 1, (landmark, nodes)
    assert [node.name for node in nodes if node.role == "region"] == regions
    levels = [node.level for node in nodes if node.role == "heading"]
    assert levels[0] == 1 and levels.count(1) == 1, levels
    assert all(b <= a + 1 for a, b in zip(levels, levels[1:])), levels  # type: ignore[operator]


def press_until(browser: Browser, key: str, condition: str) -> None:
    for _ in range(30):
        if browser.evaluate(condition):
            return
        browser.press(key)
    raise AssertionError(f"{key} does not lead to {condition}")


# The public page

SECTIONS = ["What it stores", "What can be inferred", "How long, and how to be forgotten"]


def test_the_public_page_says_that_all_is_well_and_what_is_stored(
    browser: Browser, make_doorbell: MakeDoorbell
) -> None:
    contact = "Jane <b>Doe</b>, jane@example.org"
    doorbell = make_doorbell(web__privacy_contact=contact).start()
    url = f"http://127.0.0.1:{doorbell.port}/status"
    expect_good(browser, url, "public")
    expect_structure(browser, ["It is well", *SECTIONS])
    assert contact in browser.text("main")
    assert re.search(r"Doorbell \d+\.\d+", browser.text("footer"))
    browser.follow("footer a")
    assert browser.address() == f"http://127.0.0.1:{doorbell.port}/"
    browser.follow("footer a")
    assert browser.address() == url


def test_the_public_page_says_that_there_is_trouble_and_since_when_and_nothing_else(
    make_doorbell: MakeDoorbell, signal: SignalPeer, ntfy: PushPeer
) -> None:
    doorbell = make_doorbell(
        signal__url=signal.url,
        push__allowed_endpoints=[ntfy.origin],
        health__links_down_after="100ms",
    ).start()
    user = Linked(doorbell, signal, ntfy)
    signal.wait_connected(user.account)

    def said() -> str:
        status, _, body = doorbell.request("GET", "/status")
        assert status == 200
        return body.decode()

    assert "It is well" in said()
    signal.set_behaviour(tcp="reset")
    signal.end("reset")
    until(lambda: "Trouble" in said(), "the word that there is trouble")
    html = said()
    assert re.search(r"Trouble since \d{4}-\d\d-\d\d \d\d:\d\d UTC", html)
    assert not [secret for secret in (*doorbell.secrets, ntfy.origin) if secret in html]
    signal.reset_behaviour()
    until(lambda: "It is well" in said(), "the word that it is over")


SEVERAL = 6  # phones of which a stranger may know that their rings are late


def count_late(doorbell: Doorbell) -> int:
    """Of alert.after that is next to nothing."""
    seen = json.loads(doorbell.command("status", "--json").stdout)
    return sum(account["owed_is_stored"] for account in seen["accounts"])


def said_in_public(doorbell: Doorbell) -> str:
    status, _, body = doorbell.request("GET", "/status")
    html = body.decode()
    assert status == 200
    assert not [secret for secret in doorbell.secrets if secret in html]
    return html


def test_the_public_page_tells_of_rings_that_many_phones_wait_for_and_not_of_those_of_a_few(
    make_doorbell: MakeDoorbell, signal: SignalPeer, ntfy: PushPeer
) -> None:
    doorbell = make_doorbell(
        signal__url=signal.url,
        push__allowed_endpoints=[ntfy.origin],
        push__hold="50ms",
        alert__after="1ms",
    ).start()
    users = [Linked(doorbell, signal, ntfy) for _ in range(SEVERAL)]
    for user in users:
        signal.wait_connected(user.account)
        user.answer_with(40301)
    for count, user in enumerate(users[1:], 1):
        user.queue()
        until(lambda: count_late(doorbell) == count, "the debt is on disk")
    assert "It is well" in said_in_public(doorbell)
    users[0].queue()
    until(lambda: "Trouble since" in said_in_public(doorbell), "the word of the trouble")
    assert ntfy.origin not in said_in_public(doorbell)
    for user in users:
        user.answer_with(200)
        assert doorbell.command("connection", "ping", user.account.uuid).returncode == 0
    until(lambda: "It is well" in said_in_public(doorbell), "the word that it is over")


def test_the_public_page_tells_that_no_account_is_let_in(
    make_doorbell: MakeDoorbell, signal: SignalPeer, ntfy: PushPeer
) -> None:
    doorbell = make_doorbell(
        signal__url=signal.url, push__allowed_endpoints=[ntfy.origin], signal__refused_confirm="50ms"
    ).start()
    one, other = (Linked(doorbell, signal, ntfy) for _ in range(2))
    for user in (one, other):
        signal.wait_connected(user.account)
    one.is_unlinked()
    assert "It is well" in said_in_public(doorbell)
    other.is_unlinked()
    until(lambda: "Trouble since" in said_in_public(doorbell), "the word of the trouble")


# The token


def test_without_a_token_the_page_says_how_to_make_one_and_nothing_else(
    browser: Browser, page: Page, signal: SignalPeer, ntfy: PushPeer
) -> None:
    User(page, signal, ntfy)
    expect_good(browser, page.url, "admin-without-token", FEW)
    expect_structure(browser, ["No token was made yet"])
    assert "doorbell admin token" in browser.text("main")
    assert not browser.is_visible("form")
    status, headers, html = page.ask("POST", "login", "token=")
    assert status == 200 and "No token was made yet" in html and not headers["Set-Cookie"]


def test_a_token_is_told_once_with_the_place_and_its_file_does_not_have_it(page: Page) -> None:
    told = command(page.doorbell, "token")
    assert f"Open {page.url} and enter it there" in told
    (token,) = re.findall(r"^    (\S{32})$", told, re.MULTILINE)
    file = page.doorbell.folder / "admin.token"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert token not in file.read_text()
    assert "not valid any more" in command(page.doorbell, "revoke")
    assert not file.exists()
    assert "There is no admin token" in command(page.doorbell, "revoke")


@pytest.mark.parametrize(
    "listen, words",
    [
        ("none", "set it to 127.0.0.1:9103"),
        ("web", "Open https://push.example.org/molly/admin/ and"),
        ("unix:/run/doorbell.sock", "through the socket /run/doorbell.sock"),
    ],
)
def test_the_place_that_is_told_is_the_one_of_the_setting(
    make_doorbell: MakeDoorbell, listen: str, words: str
) -> None:
    url = "https://push.example.org/molly"
    doorbell = make_doorbell(admin__listen=listen, web__public_url=url)
    assert words in command(doorbell, "token")


def test_the_right_token_opens_the_page_with_a_cookie_for_this_page_alone(page: Page) -> None:
    token = make_token(page.doorbell)
    status, headers, html = page.ask("POST", "login", urlencode({"token": token}))
    assert (status, headers["Location"], html) == (303, "./", "")
    parts = headers["Set-Cookie"].split("; ")
    name, _, value = parts[0].partition("=")
    assert COOKIE.fullmatch(name) and len(value) == 43
    assert parts[1:] == ["Max-Age=43200", "HttpOnly", "SameSite=Strict"]
    assert "No account is registered" in page.shown(parts[0])
    secure = page.ask("POST", "login", urlencode({"token": token}), Sec_Fetch_Site="same-origin",
                      Origin="https://push.example.org")[1]["Set-Cookie"]
    assert secure.endswith("; Secure")
    assert page.ask("GET", "login")[0] == 303


@pytest.mark.parametrize("has_token", [False, True])
def test_what_is_no_part_of_the_page_is_not_found_and_other_methods_are_not_allowed(
    page: Page, has_token: bool
) -> None:
    if has_token:
        make_token(page.doorbell)
    for method in ("GET", "POST", "DELETE"):
        for path in ("other", "favicon.ico", "login/", "test/2"):
            status, _, html = page.ask(method, path)
            assert status == 404 and "Back" in html, (method, path)
    for method, path, allowed in (
        ("POST", "", "GET, HEAD"),
        ("DELETE", "", "GET, HEAD"),
        ("PUT", "login", "GET, HEAD, POST"),
        ("OPTIONS", "test", "GET, HEAD, POST"),
    ):
        status, headers, _ = page.ask(method, path)
        assert (status, headers["Allow"]) == (405, allowed), (method, path)


def test_a_session_is_found_behind_the_cookies_of_others_on_the_same_host(
    make_page: Callable[..., Page],
) -> None:
    """Browsers keep cookies by host, whatever the port."""
    one, other = make_page(), make_page()
    first, second = (page.log_in(make_token(page.doorbell)) for page in (one, other))
    assert first.partition("=")[0] != second.partition("=")[0]
    both = f"{first}; {second}"
    one.shown(both)
    other.shown(both)
    stale = f"{first.partition('=')[0]}={'A' * 43}"
    one.shown(f"{stale}; {both}")
    assert "The whole" not in one.ask("GET", Cookie=stale)[2]


def test_a_wrong_token_opens_nothing(page: Page) -> None:
    token = make_token(page.doorbell)
    for wrong in ("", token[:-1], token + "A", token.swapcase(), "%00"):
        status, headers, html = page.ask("POST", "login", f"token={wrong}")
        assert status == 403 and "not the valid token" in html and not headers["Set-Cookie"]
    name = page.log_in(token).partition("=")[0]
    for cookie in ("", f"{name}=", f"{name}={'A' * 43}", f"{name}={token}"):
        html = page.ask("GET", Cookie=cookie)[2]
        assert "Open the status page" in html and "The whole" not in html


def test_a_revoked_token_ends_its_sessions_and_so_does_a_new_one(page: Page) -> None:
    first = make_token(page.doorbell)
    cookie = page.log_in(first)
    page.shown(cookie)
    second = make_token(page.doorbell)
    assert "The whole" not in page.ask("GET", Cookie=cookie)[2]
    assert page.ask("POST", "login", urlencode({"token": first}))[0] == 403
    cookie = page.log_in(second)
    page.shown(cookie)
    command(page.doorbell, "revoke")
    assert "No token was made yet" in page.ask("GET", Cookie=cookie)[2]


def test_who_logs_out_is_out_and_the_other_browser_is_not(page: Page) -> None:
    token = make_token(page.doorbell)
    one, other = page.log_in(token), page.log_in(token)
    status, headers, _ = page.ask("POST", "logout", Cookie=one)
    assert status == 303 and COOKIE.match(headers["Set-Cookie"])
    assert "=; Max-Age=0" in headers["Set-Cookie"]
    assert "The whole" not in page.ask("GET", Cookie=one)[2]
    page.shown(other)


def test_a_session_ends_after_its_time(make_page: Callable[..., Page]) -> None:
    page = make_page(admin__session="1ms")
    cookie = page.log_in(make_token(page.doorbell))
    until(
        lambda: "Open the status page" in page.ask("GET", Cookie=cookie)[2], "the session's end"
    )


def test_a_damaged_file_opens_nothing_and_the_log_says_what_to_do(page: Page) -> None:
    (page.doorbell.folder / "admin.token").write_text("00\n")
    assert {page.ask("GET")[0] for _ in range(20)} == {500}
    page.shown(page.log_in(make_token(page.doorbell)))
    assert 1 <= count_logged(page, "Make another one: doorbell admin token.") < 20


def count_logged(page: Page, text: str) -> int:
    """Stops it, so that the log is whole."""
    page.doorbell.stop()
    return len([line for line in page.doorbell.lines if text in line])


def test_who_gives_many_wrong_tokens_waits_and_keeps_nobody_out(page: Page) -> None:
    token = make_token(page.doorbell)
    ask = lambda: page.ask("POST", "login", "token=a", X_Forwarded_For="192.0.2.7")
    guess = lambda: ask()[0]
    answers = [guess()]
    while answers[-1] == 403 and len(answers) < 500:
        answers.append(guess())
    assert answers[-1] == 429 and set(answers[:-1]) == {403}
    _, headers, html = ask()
    assert headers["Retry-After"] == "5" and "in 5 seconds" in html
    page.shown(page.log_in(token, X_Forwarded_For="192.0.2.7"))
    assert 1 <= count_logged(page, "a wrong admin token") < len(answers)


# Posts from elsewhere

ELSEWHERE: list[dict[str, str]] = [
    {"Origin": ""},
    {"Origin": "null"},
    {"Origin": "https://evil.example"},
    {"Origin": "http://127.0.0.1"},  # another port
    {"Sec_Fetch_Site": "cross-site"},
    {"Sec_Fetch_Site": "same-site"},
]


def test_a_post_from_elsewhere_is_refused(
    page: Page, signal: SignalPeer, ntfy: PushPeer
) -> None:
    user = User(page, signal, ntfy)
    token = make_token(page.doorbell)
    cookie = page.log_in(token)
    body = urlencode({"token": token, **device_in(page.shown(cookie))})
    for headers in ELSEWHERE:
        for path in ("login", "logout", "test"):
            status, answered, _ = page.ask("POST", path, body, Cookie=cookie, **headers)
            assert status == 403 and not answered["Set-Cookie"], (path, headers)
    page.shown(cookie)
    assert page.ask("POST", "test", body, Cookie=cookie)[0] == 303
    assert len(user.tests()) == 2  # that of the registration and the last one


def test_a_test_without_a_session_is_refused(
    page: Page, signal: SignalPeer, ntfy: PushPeer
) -> None:
    user = User(page, signal, ntfy)
    cookie = page.log_in(make_token(page.doorbell))
    body = urlencode(device_in(page.shown(cookie)))
    assert page.ask("POST", "test", body)[0] == 403
    assert page.ask("GET", f"test?{body}", Cookie=cookie)[0] == 303
    assert page.ask("POST", "test", body, Cookie=cookie)[0] == 303
    assert len(user.tests()) == 2


def test_a_test_of_nobody_is_not_found(page: Page) -> None:
    cookie = page.log_in(make_token(page.doorbell))
    for body in ("", "account=", "account=0123456789&device=2", "account=%00", "device=2"):
        assert page.ask("POST", "test", body, Cookie=cookie)[0] == 404


@contextlib.contextmanager
def hanging_test(page: Page, user: User, ntfy: PushPeer, cookie: str) -> Iterator[None]:
    """Asked for, and at the push server, which says nothing yet; then the browser goes away."""
    body = urlencode(device_in(page.shown(cookie)))
    headers = {"Origin": page.url.rstrip("/"), "Cookie": cookie}
    ntfy.answer_with("hang", times=1)
    connection = http.client.HTTPConnection("127.0.0.1", page.port, timeout=30)
    with contextlib.closing(connection):
        connection.request("POST", "/test", body, headers)
        user.doorbell.changes.wait_for(lambda: len(user.tests()) == 2, "the test push")
        yield


def test_a_browser_that_goes_away_while_a_test_is_out_is_told_when_it_comes_back(
    page: Page, signal: SignalPeer, ntfy: PushPeer
) -> None:
    user = User(page, signal, ntfy)
    cookie = page.log_in(make_token(page.doorbell))
    with hanging_test(page, user, ntfy, cookie):
        pass
    assert ntfy.release() == 1
    until(lambda: "accepted a test push" in page.shown(cookie), "the result is kept")


def test_the_server_stops_while_a_test_is_out(
    page: Page, signal: SignalPeer, ntfy: PushPeer
) -> None:
    user = User(page, signal, ntfy)
    cookie = page.log_in(make_token(page.doorbell))
    with hanging_test(page, user, ntfy, cookie):
        page.doorbell.stop()


# Where it is


def test_strangers_on_the_web_port_find_no_status_page(page: Page) -> None:
    make_token(page.doorbell)
    for path in ("/admin", "/admin/", "/admin/login"):
        for method in ("GET", "POST"):
            assert page.doorbell.request(method, path)[0] == 404, (method, path)


def test_on_the_web_port_it_is_below_admin_and_so_is_its_cookie(
    make_doorbell: MakeDoorbell,
) -> None:
    doorbell = make_doorbell(admin__listen="web").start()
    page = Page(doorbell, doorbell.port, "/admin/")
    token = make_token(doorbell)
    status, headers, _ = doorbell.request("GET", "/admin")
    assert status == 303 and urljoin(page.url.rstrip("/"), headers["location"]) == page.url
    assert doorbell.request("GET", "/administrator")[0] == 404
    assert doorbell.request("GET", "/")[0] == 200
    page.shown(page.log_in(token))
    jar = http.cookiejar.CookieJar()
    log_in = CookieRequest(f"{page.url}login")
    jar.extract_cookies(CookieResponse(page, token), log_in)  # type: ignore[arg-type]
    assert [cookie.path for cookie in jar] == ["/admin"]


class CookieRequest:
    """What a cookie jar wants of urllib's."""

    unverifiable, origin_req_host, type, host = False, "127.0.0.1", "http", "127.0.0.1"

    def __init__(self, url: str):
        self.url = url

    def get_full_url(self) -> str:
        return self.url


class CookieResponse:
    def __init__(self, page: Page, token: str):
        self.headers = page.ask("POST", "login", urlencode({"token": token}))[1]

    def info(self) -> http.client.HTTPMessage:
        return self.headers


def test_it_moves_with_its_setting_while_the_server_runs(make_page: Callable[..., Page]) -> None:
    page = make_page()
    doorbell = page.doorbell
    cookie = page.log_in(make_token(doorbell))
    doorbell.reload(admin__listen="web")
    with pytest.raises(ConnectionRefusedError):
        page.ask("GET")
    Page(doorbell, doorbell.port, "/admin/").shown(cookie)
    doorbell.reload(admin__listen="none")
    assert doorbell.request("GET", "/admin/")[0] == 404
    doorbell.reload(admin__listen=f"127.0.0.1:{page.port}")
    page.shown(cookie)


def test_who_is_connected_is_let_go_when_it_ends(page: Page) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", page.port, timeout=30)
    with contextlib.closing(connection):
        connection.request("GET", "/")
        assert connection.getresponse().read() and connection.sock
        page.doorbell.reload(admin__listen="none")
        with pytest.raises(ConnectionError):
            connection.request("GET", "/")
            connection.getresponse()


def test_an_address_that_is_taken_is_a_warning_and_the_rest_runs(
    make_doorbell: MakeDoorbell,
) -> None:
    doorbell = make_doorbell()
    doorbell.settings["admin.listen"] = f"127.0.0.1:{doorbell.port}"
    doorbell.start()
    assert doorbell.has_logged("Until then there is no status page; set admin.listen to none")
    assert doorbell.request("GET", "/healthz")[0] == 200


# What it shows


def device_in(html: str) -> dict[str, str]:
    """What the first test button there sends."""
    found = re.search(
        r'name="account" value="([0-9a-f]{10})"><input type="hidden" name="device" value="(\d+)"',
        html,
    )
    assert found, html
    return {"account": found[1], "device": found[2]}


def test_it_shows_an_account_and_its_test_by_keyboard_alone(
    browser: Browser, page: Page, signal: SignalPeer, ntfy: PushPeer
) -> None:
    User(page, signal, ntfy)
    token = make_token(page.doorbell)
    expect_good(browser, page.url, "admin-login", FEW)
    expect_structure(browser, ["Open the status page"])
    browser.open(page.url)
    press_until(browser, "Tab", "document.activeElement.id === 'token'")
    for key in token:
        browser.press(key)
    browser.enter()
    assert browser.address() == page.url
    expect_structure(browser, ["The whole", "Accounts"])
    text = browser.text("main")
    assert "1 account, 1 connected to Signal" in text and f"{ntfy.origin}: accepts pushes" in text
    assert "1 by messages, 1 by tests, 0 by notices" in text
    assert re.search(r"\(answer 200\), \d+ ms after the message", text)
    assert re.search(r"1 message, 1 ring\b", text) and "What happened last" in text
    press_until(browser, "Tab", "document.activeElement.tagName === 'SUMMARY'")
    browser.press("Enter")
    assert "rang, answer 200" in browser.text(".timeline")
    press_until(browser, "Tab", "document.activeElement.innerText === 'Send a test push'")
    browser.enter()
    assert "#result" in browser.address()
    assert "accepted a test push; the phone should show it now" in browser.text("#result")
    address = browser.address().partition("#")[0]
    expect_good(browser, address, "admin-tested")
    press_until(browser, "Tab", "document.activeElement.innerText === 'Log out'")
    browser.enter()
    assert browser.address() == page.url and browser.is_visible("#token")
    page.expect_no_secret(browser.evaluate("document.documentElement.outerHTML"))


def test_without_javascript_there_is_all_of_it(
    browser: Browser, page: Page, signal: SignalPeer, ntfy: PushPeer
) -> None:
    User(page, signal, ntfy)
    browser.open(page.url, PHONE._replace(script=False))
    assert "No token was made yet" in browser.text("main")
    token = make_token(page.doorbell)
    browser.open(page.url, PHONE._replace(script=False))
    assert browser.evaluate("document.title") == "Doorbell: open the status page"
    fill(browser, "wrong")
    browser.follow("form button")
    assert "not the valid token" in browser.text("[role=alert]")
    field = "document.getElementById('token')"
    assert browser.evaluate("document.title") == "Doorbell: not opened"
    until(
        lambda: browser.evaluate(f"document.activeElement === {field}"),
        "the focus, which comes with the next frame",
    )
    assert browser.evaluate(f"[{field}.ariaInvalid, {field}.getAttribute('aria-describedby')]") == [
        "true",
        "fault",
    ]
    fill(browser, token)
    browser.follow("form button")
    browser.click("details summary")
    assert "rang, answer 200" in browser.text(".timeline")
    browser.follow(".account button")
    assert "accepted a test push" in browser.text("#result")
    browser.follow("form[action=logout] button")
    assert browser.is_visible("#token")
    assert [line for line in browser.complaints() if "Policy" in line] == []


def test_what_is_broken_comes_first_with_its_remedy_and_foreign_words_are_only_words(
    browser: Browser, make_page: Callable[..., Page], signal: SignalPeer, ntfy: PushPeer
) -> None:
    page = make_page(signal__refused_confirm="50ms")
    User(page, signal, ntfy)
    broken, owed = User(page, signal, ntfy), User(page, signal, ntfy)
    broken.is_unlinked()
    owed.answer_with({"status": 400, "body": "no <img onerror> & \"so\" on"})
    owed.queue()
    owed.wait_log("its endpoint is failing")
    token = make_token(page.doorbell)
    browser.open(page.url)
    fill(browser, token)
    browser.follow("form button")
    badges = "[...document.querySelectorAll('.account .badge')].map((one) => one.innerText)"
    assert browser.evaluate(badges)[0] == "broken" and browser.evaluate(badges)[-1] == "well"
    cards = browser.evaluate("[...document.querySelectorAll('.account')].map((a) => a.innerText)")
    assert len([card for card in cards if "Signal unlinked this device" in card]) == 1
    (card,) = [card for card in cards if "a ring, since" in card]
    assert "(answer 400)" in card
    pseudonym = card[:10]
    browser.follow(f"button[aria-label*={pseudonym!r}]")
    assert "not accepted" in browser.text("#result")
    assert 'no <img onerror> & "so" on' in browser.text("#result")
    assert not browser.is_visible("main img")
    expect_good(browser, page.url, "admin-broken")
    page.expect_no_secret(browser.evaluate("document.documentElement.outerHTML"))
    owed.answer_with(200)


def test_it_shows_what_else_the_operator_is_told(
    browser: Browser,
    make_page: Callable[..., Page],
    authority: Authority,
    leaf: Leaf,
    signal: SignalPeer,
    ntfy: PushPeer,
    receiver: Receiver,
) -> None:
    page = make_page(
        alert__url=receiver.url,
        alert__heartbeat_url=receiver.heartbeat_url,
        alert__heartbeat_interval="50ms",
        alert__certificate_within="1h",
        alert__interval="50ms",
        web__tls_cert=str(leaf.cert),
        web__tls_key=str(leaf.key),
    )
    page.doorbell.tls = ssl.create_default_context(cafile=str(authority.file))
    page.doorbell.secrets |= {ALERTS, HEARTBEATS, TOKEN}
    user = User(page, signal, ntfy)
    token = make_token(page.doorbell)
    browser.open(page.url)
    fill(browser, token)
    browser.follow("form button")
    shown = browser.text("main")
    assert not [word for word in ("clock", "certificate", "have not reached", "came") if word in shown]
    stranger = signal.new_account()
    assert page.doorbell.register(stranger, "http://ntfy.home.test/up") == "invalid_endpoint"
    receiver.answer_with(403)
    ntfy.answer_with({"status": 200, "headers": {"Date": "Sat, 01 Jan 2000 00:00:00 GMT"}})
    user.queue()
    user.wait_log("The clock of the push server")
    page.doorbell.reload(alert__certificate_within="365d")
    for what in ("Alerts", "Heartbeats"):
        user.wait_log(f"{what} do not reach {receiver.origin}")
    expect_good(browser, page.url, "told", FEW)
    shown = browser.text("main")
    page.expect_no_secret(shown)
    assert "This machine\u2019s clock seems to be wrong" in shown
    assert "and was answered invalid_endpoint: " in shown
    assert 'add "http://ntfy.home.test" to push.allowed_endpoints' in shown
    assert re.search(r"The certificate of web\.tls_cert ends soon, in \d+ ", shown), shown
    for what in ("Alerts", "Heartbeats"):
        undelivered = rf"{what} have not reached {receiver.origin} since [\d:]+: it answers 403"
        assert re.search(undelivered, shown), shown


def test_two_devices_of_one_user_are_told_apart_and_each_is_tested_by_itself(
    browser: Browser, page: Page, signal: SignalPeer, ntfy: PushPeer
) -> None:
    user = User(page, signal, ntfy)
    second = Linked(page.doorbell, signal, ntfy, uuid_text=user.account.uuid, device=3)
    signal.wait_connected(second.account)
    token = make_token(page.doorbell)
    browser.open(page.url)
    fill(browser, token)
    browser.follow("form button")
    for controls in (".account button", ".account summary"):
        labels = browser.evaluate(
            f"[...document.querySelectorAll('{controls}')].map((one) => one.ariaLabel)"
        )
        assert len(labels) == len(set(labels)) == 2, labels
    for one, device in ((user, 2), (second, 3)):
        before = len(one.tests())
        browser.follow(f"button[aria-label$='device {device}']")
        assert browser.evaluate("document.querySelectorAll('#result').length") == 1
        assert browser.text("#result").startswith(f"Device {device}: the push server accepted")
        assert len(one.tests()) == before + 1
    page.expect_no_secret(browser.evaluate("document.documentElement.outerHTML"))


def test_the_counts_lead_to_the_accounts_of_that_state(
    browser: Browser, make_page: Callable[..., Page], signal: SignalPeer, ntfy: PushPeer
) -> None:
    page = make_page(signal__refused_confirm="50ms")
    User(page, signal, ntfy)
    User(page, signal, ntfy).is_unlinked()
    token = make_token(page.doorbell)
    browser.open(page.url)
    fill(browser, token)
    browser.follow("form button")
    badges = "[...document.querySelectorAll('.account .badge')].map((one) => one.innerText)"
    for state in ("broken", "well"):
        browser.open(page.url)
        browser.follow(f".counts a:has(.{state})")
        assert browser.address() == f"{page.url}?state={state}"
        assert browser.evaluate(badges) == [state]
        assert f"Those that are {state}" in browser.text("main")
    browser.open(f"{page.url}?state=off&q=aa")
    assert "No account is off and has a pseudonym that begins" in browser.text("main")
    browser.open(f"{page.url}?state=%3Cb%3E")
    assert browser.evaluate(badges) == ["broken", "well"]


CROWD = 250


def add_crowd(doorbell: Doorbell, endpoint: str) -> None:
    """Into the store, while nobody runs."""
    rows = [
        (uuid.uuid4().bytes, 2, f"password{number}", f"{endpoint}{number}")
        for number in range(CROWD)
    ]
    database = sqlite3.connect(doorbell.settings["store.path"])
    with database:
        database.executemany(
            "INSERT INTO accounts(messenger, uuid, device, password, endpoint, refused,"
            " endpoint_proven, endpoint_state, registered_unix, owed_since_unix)"
            " VALUES(1, ?, ?, ?, ?, 0, 1, 0, 1750000000, 0)",
            rows,
        )
    database.close()


def test_a_crowd_is_shown_by_pages_and_found_by_how_a_pseudonym_begins(
    make_doorbell: MakeDoorbell, ntfy: PushPeer
) -> None:
    doorbell = make_doorbell(
        signal__url=f"ws://127.0.0.1:{free_port()}/",
        accounts__allowed=[str(uuid.uuid4())],  # all are off, so that their order stays
        push__allowed_endpoints=[ntfy.origin],
    ).start()
    doorbell.stop()
    add_crowd(doorbell, f"{ntfy.origin}/upSecret")
    page = start_with_page(doorbell)
    cookie = page.log_in(make_token(doorbell))

    def shown(query: str) -> list[str]:
        html = page.shown(cookie, query)
        assert "upSecret" not in html and "password1" not in html
        return re.findall(r'name="account" value="([0-9a-f]{10})"', html)

    pages = [shown(f"?page={number}") for number in (1, 2, 3)]
    assert [len(one) for one in pages] == [100, 100, 50]
    everybody = {pseudonym for one in pages for pseudonym in one}
    assert len(everybody) == CROWD
    assert shown("") and len(shown("?page=99")) == 50 and len(shown("?page=-1")) == 50
    assert "page 1 of 3" in page.shown(cookie) and "page=2" in page.shown(cookie)
    someone = pages[1][7]
    assert shown(f"?q={someone}") == [someone]
    assert sorted(shown(f"?q={someone[0].upper()}")) == sorted(
        one for one in everybody if one[0] == someone[0]
    )[:100]
    html = page.shown(cookie, "?" + urlencode({"q": '"><script>'}))
    assert "No pseudonym begins like that" in html
    assert "<script>" not in html and "value=\"&quot;&gt;&lt;script&gt;\"" in html
