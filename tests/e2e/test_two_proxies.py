"""One proxy behind another, of which the inner one speaks of itself: what the page makes of it by a
browser's word, and the lines that mend it for who has none.
"""

import html
import re
import subprocess
from pathlib import Path
from typing import Callable, Iterator, Union

import pytest

from lib.background import Changes
from lib.browser import Browser
from lib.caddy import Caddy, plain_site
from lib.certs import Authority, Leaf
from lib.doorbell import Doorbell
from lib.linking_page import NAME, PUBLIC_URL, expect_good
from lib.nginx import Nginx, server_block
from lib.ports import free_port

MakeDoorbell = Callable[..., Doorbell]
Proxy = Union[Nginx, Caddy]

TELLING = """
    proxy_set_header Host $http_host;
    proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
    proxy_set_header X-Forwarded-Proto $scheme;
"""
# What a tunnel's near end hands on of the edge's words.
OF_THE_EDGE = TELLING + """
    proxy_set_header CF-Connecting-IP 203.0.113.9;
    proxy_set_header CF-Visitor '{"scheme":"https"}';
"""
PAIRS = ["nginx-caddy", "caddy-nginx", "edge-nginx"]


class Two:
    """They run from `start` on; an inner one that was mended takes the other's place."""

    def __init__(self, changes: Changes, folder: Path, port: int, leaf: Leaf, doorbell: Doorbell):
        self.changes, self.folder, self.port, self.leaf = changes, folder, port, leaf
        self.doorbell, self.inner_port = doorbell, free_port()
        self.running: list[Proxy] = []

    def outer(self, kind: str) -> Proxy:
        where = f"127.0.0.1:{self.inner_port}"
        if kind == "caddy":
            site = f"{NAME} {{\ntls {self.leaf.cert} {self.leaf.key}\nreverse_proxy {where}\n}}"
            return Caddy(self.changes, self.folder / "outer", site, https_port=self.port)
        says = OF_THE_EDGE if kind == "edge" else TELLING
        inside = f"location / {{ proxy_pass http://{where}; {says} }}"
        block = server_block(self.port, self.leaf, inside)
        return Nginx(self.changes, self.folder / "outer", block)

    def inner(self, kind: str, mending: str) -> Proxy:
        where = f"127.0.0.1:{self.doorbell.port}"
        if kind == "caddy":
            site = plain_site(self.inner_port, mending or f"reverse_proxy {where}")
            return Caddy(self.changes, self.folder / "inner", site)
        says = re.sub(r"proxy_set_header X-Forwarded-Proto .*", mending, TELLING)
        block = f"""server {{
            listen 127.0.0.1:{self.inner_port};
            location / {{ proxy_pass http://{where}; {says if mending else TELLING} }}
        }}"""
        return Nginx(self.changes, self.folder / "inner", block)

    def start(self, pair: str, mending: str = "") -> None:
        self.stop()
        outer, inner = pair.split("-")
        self.running = [self.inner(inner, mending), self.outer(outer)]

    def stop(self) -> None:
        while self.running:
            self.running.pop().stop()


@pytest.fixture
def doorbell(make_doorbell: MakeDoorbell) -> Doorbell:
    return make_doorbell().start()


@pytest.fixture
def two(
    changes: Changes, tmp_path: Path, front_port: int, front_leaf: Leaf, doorbell: Doorbell
) -> Iterator[Two]:
    two = Two(changes, tmp_path, front_port, front_leaf, doorbell)
    yield two
    two.stop()


Page = Callable[[], str]


@pytest.fixture
def page_of_an_old_browser(authority: Authority, front_port: int) -> Page:
    """One that does not say that it has https."""

    def fetch() -> str:
        done = subprocess.run(
            ["curl", "--silent", "--show-error", "--fail", "--cacert", str(authority.file)]
            + ["--connect-to", f"::127.0.0.1:{front_port}", PUBLIC_URL],
            capture_output=True,
            timeout=30,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.decode()

    return fetch


def is_faulty(page: str) -> bool:
    return 'aria-labelledby="fault"' in page


@pytest.mark.parametrize("pair", PAIRS)
def test_a_browser_that_has_https_outranks_the_word_of_the_inner_proxy(
    browser: Browser, doorbell: Doorbell, two: Two, pair: str
) -> None:
    two.start(pair)
    browser.open(PUBLIC_URL)
    expect_good(browser, doorbell, f"two-{pair}", PUBLIC_URL)


def test_what_the_edge_of_a_network_says_of_https_outranks_the_inner_proxy(
    two: Two, page_of_an_old_browser: Page
) -> None:
    two.start("edge-nginx")
    assert not is_faulty(page_of_an_old_browser())


@pytest.mark.parametrize("pair", ["nginx-caddy", "caddy-nginx"])
def test_the_lines_for_the_inner_proxy_mend_it(
    two: Two, page_of_an_old_browser: Page, pair: str
) -> None:
    two.start(pair)
    page = page_of_an_old_browser()
    assert is_faulty(page) and "came to it by http" in page
    told = re.search(r"<pre><code># Caddy\n(.*?)\n\n# nginx, .*?\n(.*?)</code>", page, re.DOTALL)
    assert told, page
    two.start(pair, html.unescape(told[1] if pair.endswith("caddy") else told[2]))
    assert not is_faulty(page_of_an_old_browser())
