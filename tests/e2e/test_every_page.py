"""Each page that a person gets to see, at the widths of a phone and of a desktop, dark and light: it
fits, it can be read, and its picture stays in `screenshots` beside the program for people to look
at. What the pages say and do is tested in test_pages.py and test_status_pages.py.
"""

import re
from pathlib import Path
from typing import Any, Callable, Iterator

import pytest

from lib.background import Changes
from lib.browser import Browser
from lib.certs import Leaf
from lib.doorbell import Doorbell
from lib.linked import Linked
from lib.linking_page import PAGES, PUBLIC_URL, fault_is_shown, mismatch_is_shown
from lib.looks import FEW, VIEWS, expect_good, expect_good_here
from lib.nginx import Nginx, server_block
from lib.process import REPOSITORY
from lib.push_peer import PushPeer
from lib.signal_peer import SignalPeer
from lib.status_page import Page, User, fill, make_token, start_with_page, until

MakeDoorbell = Callable[..., Doorbell]


@pytest.fixture
def front(
    changes: Changes, tmp_path: Path, front_port: int, front_leaf: Leaf
) -> Iterator[Callable[[Doorbell, str], None]]:
    """nginx at the public address, which says this of the requests that it hands on."""
    running: list[Nginx] = []

    def start(doorbell: Doorbell, says: str, path: str = "/") -> None:
        inside = f"location {path} {{ proxy_pass http://127.0.0.1:{doorbell.port}/; {says} }}"
        block = server_block(front_port, front_leaf, inside)
        running.append(Nginx(changes, tmp_path / "nginx", block))

    yield start
    for nginx in running:
        nginx.stop()


# The linking page


@pytest.mark.parametrize("page", PAGES)
def test_the_pages_that_link_molly(
    browser: Browser, make_doorbell: MakeDoorbell, page: str
) -> None:
    doorbell = make_doorbell(web__public_url=PUBLIC_URL).start()
    expect_good(browser, f"http://127.0.0.1:{doorbell.port}/{PAGES[page]}", f"every-{page}")
    assert not fault_is_shown(browser)


LONG = f"https://{'very-long-name.' * 12}example.org/{'below/' * 20}"
LONG_WORD = f"https://{'x' * 60}.{'y' * 60}.example.org/{'z' * 90}/"


@pytest.mark.parametrize("url", [LONG, LONG_WORD], ids=["parts", "words"])
def test_the_linking_page_with_a_long_address(
    browser: Browser, make_doorbell: MakeDoorbell, url: str
) -> None:
    doorbell = make_doorbell(web__public_url=url).start()
    here = f"http://127.0.0.1:{doorbell.port}/"
    expect_good(browser, here, f"every-linking-long-{len(url)}")
    assert browser.is_visible("svg.qr")
    expect_good(browser, f"{here}{'long' * 60}/", "every-not-found-long", FEW, expected=404)


HTTPS, HOST = "proxy_set_header X-Forwarded-Proto https;", "proxy_set_header Host $http_host;"
HTTP = "proxy_set_header X-Forwarded-Proto http;"
NO_WORD = 'proxy_set_header Sec-Fetch-Site "";'  # a browser that does not say that it has https
# By enum url_fault: the settings, and what a proxy says; None: there is none in front.
FAULTS: dict[str, tuple[dict[str, Any], Any]] = {
    "URL_WITHOUT_HTTPS": ({}, None),
    "URL_PROXY_NOT_TRUSTED": ({"web__trusted_proxies": ["none"]}, HOST + HTTPS),
    "URL_WITHOUT_NAME": ({}, 'proxy_set_header Host "!";' + HTTPS),
    "URL_PROXY_WITHOUT_HTTPS": ({}, HOST + HTTP + NO_WORD),
    "URL_LOCAL_NAME": ({}, HTTPS),
    "URL_SETTING": ({"web__public_url": "http://push.example.org/"}, None),
}


def test_no_fault_of_the_linking_page_is_left_out() -> None:
    header = (REPOSITORY / "src" / "web" / "public_url.h").read_text()
    named = re.findall(r"^    (URL_\w+),", header, re.MULTILINE)
    assert named and set(named) - {"URL_GOOD"} == set(FAULTS)


@pytest.mark.parametrize("fault", FAULTS)
def test_the_linking_page_with_a_fault(
    browser: Browser, make_doorbell: MakeDoorbell, front: Callable[..., None], fault: str
) -> None:
    settings, says = FAULTS[fault]
    doorbell = make_doorbell(**settings).start()
    url = f"http://127.0.0.1:{doorbell.port}/"
    if says:
        front(doorbell, says)
        url = PUBLIC_URL
    expect_good(browser, url, f"every-linking-{fault[4:].lower().replace('_', '-')}")
    assert fault_is_shown(browser)


def test_the_linking_page_below_a_path_that_the_proxy_hides(
    browser: Browser, make_doorbell: MakeDoorbell, front: Callable[..., None]
) -> None:
    doorbell = make_doorbell().start()
    front(doorbell, HOST + HTTPS, "/molly/")
    expect_good(browser, f"{PUBLIC_URL}molly/", "every-linking-mismatch")
    assert mismatch_is_shown(browser)


def test_the_linking_page_behind_a_proxy_that_does_not_say_who_asks(
    browser: Browser, make_doorbell: MakeDoorbell, front: Callable[..., None]
) -> None:
    doorbell = make_doorbell().start()
    front(doorbell, HOST + HTTPS)
    expect_good(browser, PUBLIC_URL, "every-linking-lacks-client")
    assert "does not say who asks" in browser.text("main")


# For everybody


def test_the_public_page(
    browser: Browser, make_doorbell: MakeDoorbell, signal: SignalPeer, ntfy: PushPeer
) -> None:
    doorbell = make_doorbell(
        signal__url=signal.url,
        push__allowed_endpoints=[ntfy.origin],
        health__links_down_after="1ms",
        web__privacy_contact="Jane Doe, jane@example.org",
    ).start()
    url = f"http://127.0.0.1:{doorbell.port}/status"
    expect_good(browser, url, "every-public-well")
    assert "It is well" in browser.text("main")
    signal.wait_connected(Linked(doorbell, signal, ntfy).account)
    signal.set_behaviour(tcp="reset")
    signal.end("reset")
    until(lambda: b"Trouble" in doorbell.request("GET", "/status")[2], "the word of the trouble")
    expect_good(browser, url, "every-public-trouble")
    assert "Trouble" in browser.text("main")


NOT_THERE = {
    "not-found": ("no/such.file", "there is nothing here"),
    "path-handed-on": ("molly/", "meant to be below /molly/?"),
}


@pytest.mark.parametrize("name", NOT_THERE)
def test_a_page_that_is_not_there(
    browser: Browser, make_doorbell: MakeDoorbell, name: str
) -> None:
    doorbell = make_doorbell().start()
    path, said = NOT_THERE[name]
    url = f"http://127.0.0.1:{doorbell.port}/{path}"
    expect_good(browser, url, f"every-{name}", expected=404)
    assert said in browser.text("main")
    colours = set()
    for view in ("phone-light", "phone-dark"):
        browser.look(VIEWS[view])
        colours.add(browser.evaluate("getComputedStyle(document.body).color"))
    assert len(colours) == 2


def test_the_page_that_a_port_with_tls_shows_to_who_asks_without(
    browser: Browser, make_doorbell: MakeDoorbell, leaf: Leaf
) -> None:
    doorbell = make_doorbell(web__tls_cert=str(leaf.cert), web__tls_key=str(leaf.key)).start()
    url = f"http://127.0.0.1:{doorbell.port}/"
    expect_good(browser, url, "every-without-tls", FEW, expected=400)
    assert "begins with https://" in browser.text("main")


# The operator's


@pytest.fixture
def page(make_doorbell: MakeDoorbell, signal: SignalPeer, ntfy: PushPeer) -> Page:
    return start_with_page(
        make_doorbell(
            signal__url=signal.url,
            signal__refused_confirm="50ms",
            signal__contested_min="1h",
            signal__contested_max="1h",
            push__allowed_endpoints=[ntfy.origin],
        )
    )


def test_the_way_to_the_status_page(browser: Browser, page: Page) -> None:
    expect_good(browser, page.url, "every-admin-without-token")
    assert "No token was made yet" in browser.text("main")
    make_token(page.doorbell)
    expect_good(browser, page.url, "every-admin-login")
    fill(browser, "wrong")
    browser.follow("form button")
    expect_good_here(browser, "every-admin-wrong-token")
    assert "not the valid token" in browser.text("[role=alert]")
    while "many wrong" not in browser.text("main"):
        fill(browser, "wrong")
        browser.follow("form button")
    expect_good_here(browser, "every-admin-too-many-wrong-tokens")


def test_what_the_status_page_refuses(browser: Browser, page: Page) -> None:
    expect_good(browser, f"{page.url}other", "every-admin-not-found", FEW, expected=404)
    assert "nothing here" in browser.text("main")
    browser.follow("main a")
    assert browser.address() == page.url
    token = make_token(page.doorbell)
    browser.open(page.url)
    fill(browser, token)
    browser.follow("form button")
    browser.evaluate("document.querySelector('form[action=logout]').action = 'test'")
    browser.follow("form[method=post] button")
    expect_good_here(browser, "every-admin-gone")
    assert "no such account any more" in browser.text("main")
    (page.doorbell.folder / "admin.token").write_text("00\n")
    expect_good(browser, page.url, "every-admin-token-damaged", FEW, expected=500)
    assert "doorbell admin token" in browser.text("main")


def test_the_status_page_in_good_and_bad_times(
    browser: Browser, page: Page, signal: SignalPeer, ntfy: PushPeer
) -> None:
    token = make_token(page.doorbell)
    browser.open(page.url)
    fill(browser, token)
    browser.follow("form button")
    expect_good(browser, page.url, "every-admin-empty")
    well = User(page, signal, ntfy)
    expect_good(browser, page.url, "every-admin-well")
    browser.follow(".account button")
    expect_good_here(browser, "every-admin-tested")
    assert "accepted a test push" in browser.text("#result")
    unlinked, contested, failing = (User(page, signal, ntfy) for _ in range(3))
    unlinked.is_unlinked()
    signal.close(4409, "Connected elsewhere", contested.account.key)
    failing.answer_with(40301)
    failing.queue()
    failing.wait_log("its endpoint is failing")
    contested.wait_log("somebody else uses the same linked device")
    expect_good(browser, page.url, "every-admin-broken")
    assert "access list refuses us" in browser.text("main")
    expect_good(browser, page.url + "?q=zz", "every-admin-nobody-found")
    assert "No pseudonym begins like that" in browser.text("main")
    well.answer_with(507)
    browser.open(page.url)
    browser.evaluate("[...document.querySelectorAll('.account button')].at(-1).id = 'last'")
    browser.follow("#last")
    expect_good_here(browser, "every-admin-test-failed")
    assert "not accepted" in browser.text("#result")
    failing.answer_with(200)
