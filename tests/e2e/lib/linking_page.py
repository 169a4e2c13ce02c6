"""The page that links Molly: what it has to show, and what it shows in a browser."""

import urllib.parse

from lib.browser import Browser
from lib.doorbell import Doorbell
from lib.picture import code_in

NAME = "push.example.org"
PUBLIC_URL = f"https://{NAME}/"
PAGES = {"linking": "", "airgapped": "?airgapped"}
FAULT = "section[aria-labelledby=fault]"


def vapid_of(doorbell: Doorbell) -> str:
    """The public key as `vapid test` tells it."""
    done = doorbell.command("vapid", "test", "https://ntfy.example.org/up")
    assert done.returncode == 0, done.stderr
    return done.stdout.strip().rpartition("k=")[2]


def link_of(doorbell: Doorbell, page: str = "linking", url: str = PUBLIC_URL) -> str:
    """What Molly has to read."""
    parts = {
        "linking": [("url", url), ("type", "webserver")],
        "airgapped": [("type", "airgapped")],
    }
    return "mollysocket://link?" + urllib.parse.urlencode(
        [("vapid", vapid_of(doorbell)), *parts[page]]
    )


def link_shown(browser: Browser) -> str:
    return browser.evaluate("document.getElementById('link').value")


def expect_link(browser: Browser, name: str, link: str) -> None:
    """As text, and in the picture as the browser painted it."""
    assert link_shown(browser) == link
    assert code_in(browser.screenshot(name)) == link


def fault_is_shown(browser: Browser) -> bool:
    return browser.is_visible(FAULT)


def mismatch_is_shown(browser: Browser) -> bool:
    return browser.is_visible("#mismatch")


def expect_good(browser: Browser, doorbell: Doorbell, name: str, url: str) -> None:
    assert not fault_is_shown(browser) and not mismatch_is_shown(browser)
    expect_link(browser, name, link_of(doorbell, url=url))
    assert browser.complaints() == []
