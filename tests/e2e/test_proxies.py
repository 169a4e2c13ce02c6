"""The samples of config/proxies as people copy them, in front of Doorbell: Debian's nginx, Apache,
Caddy and HAProxy with TLS, Molly's requests by curl and the page in a browser; Traefik by the
headers that it sends.
"""

import html
import json
import re
import subprocess
from pathlib import Path
from typing import Callable, Iterator, NamedTuple, Union

import pytest
import yaml

from lib.apache import Apache
from lib.background import Changes
from lib.browser import Browser
from lib.caddy import MOLLYSOCKETS_SAMPLE, Caddy
from lib.certs import Authority, Leaf
from lib.doorbell import MOLLY, Doorbell
from lib.haproxy import HAProxy
from lib.linking_page import (
    FAULT,
    NAME,
    PUBLIC_URL,
    expect_good,
    fault_is_shown,
    link_of,
    mismatch_is_shown,
)
from lib.nginx import Nginx
from lib.process import REPOSITORY
from lib.push_peer import PushPeer
from lib.signal_peer import SignalPeer

MakeDoorbell = Callable[..., Doorbell]
Proxy = Union[Nginx, Apache, Caddy, HAProxy]
Front = Callable[[str, str], Proxy]

SAMPLES = REPOSITORY / "config" / "proxies"
ORIGINS = {"usual-port": f"https://{NAME}", "another-port": f"https://{NAME}:8443"}
PLACES = {"name": "/", "path": "/molly/"}
FILES = {
    "nginx": {"name": "nginx.conf", "path": "nginx-path.conf"},
    "apache": {"name": "apache.conf", "path": "apache-path.conf"},
    "caddy": {"name": "Caddyfile", "path": "Caddyfile-path"},
    "haproxy": {"name": "haproxy.cfg", "path": "haproxy-path.cfg"},
    "traefik": {"name": "traefik.yaml", "path": "traefik-path.yaml"},
}
PROGRAMS = ["nginx", "apache", "caddy", "haproxy"]

each_program = pytest.mark.parametrize("program", PROGRAMS)
each_place = pytest.mark.parametrize("place", PLACES)


class Place(NamedTuple):
    """Where the samples stand in a test."""

    port: int
    leaf: Leaf
    doorbell: Doorbell

    def fill(self, program: str, sample: str) -> str:
        """Puts the test's ports, names and certificates into a sample; all else is as shipped."""
        pair = self.leaf.cert.with_name("front-and-key.pem")
        pair.write_bytes(self.leaf.cert.read_bytes() + self.leaf.key.read_bytes())
        filled = sample.replace("www.example.org", NAME)
        filled = filled.replace(":8020", f":{self.doorbell.port}")
        for pattern, value in [
            (r"/etc/letsencrypt/\S+/fullchain\.pem", str(self.leaf.cert)),
            (r"/etc/letsencrypt/\S+/privkey\.pem", str(self.leaf.key)),
            (r"/etc/haproxy/certs/\S+\.pem", str(pair)),
            (r"# (tls \S+ \S+)$", r"\1"),
            *self.listening(program),
        ]:
            filled = re.sub(pattern, value, filled, flags=re.MULTILINE)
        return filled

    def listening(self, program: str) -> list[tuple[str, str]]:
        """On loopback; a second address stands for the one of IPv6, which not all machines have."""
        return {
            "nginx": [
                (r"listen 443\b", f"listen 127.0.0.1:{self.port}"),
                (r"listen \[::\]:443\b", f"listen 127.0.0.2:{self.port}"),
            ],
            "apache": [(r"\*:443\b", f"*:{self.port}")],
            "haproxy": [(r"bind :::443 v4v6\b", "bind {address}")],
        }.get(program, [])


def sample_of(program: str, place: str) -> str:
    return (SAMPLES / FILES[program][place]).read_text()


def start(program: str, changes: Changes, folder: Path, port: int, filled: str) -> Proxy:
    if program == "nginx":
        return Nginx(changes, folder, filled)
    if program == "apache":
        return Apache(changes, folder, port, filled)
    if program == "caddy":
        return Caddy(changes, folder, filled, https_port=port)
    return HAProxy(changes, folder, port, filled)


@pytest.fixture
def front(
    changes: Changes, tmp_path: Path, front_port: int, front_leaf: Leaf, doorbell: Doorbell
) -> Iterator[Front]:
    """Puts a program with a sample in front, or another one in its place."""
    running: list[Proxy] = []
    place = Place(front_port, front_leaf, doorbell)

    def put(program: str, sample: str) -> Proxy:
        if running:
            running.pop().stop()
        filled = place.fill(program, sample)
        running.append(start(program, changes, tmp_path / program, front_port, filled))
        return running[-1]

    yield put
    for proxy in running:
        proxy.stop()


Curl = Callable[..., str]


@pytest.fixture
def curl(authority: Authority, front_port: int) -> Curl:
    """From outside: whatever the URL's port, it leads to the proxy. Returns the body of a 200."""

    def run(url: str, *options: str, sent: bytes = b"") -> str:
        words = ["--silent", "--show-error", "--fail-with-body", "--location"]
        ways = ["--connect-to", f"::127.0.0.1:{front_port}", "--cacert", str(authority.file)]
        done = subprocess.run(
            ["curl", *words, *ways, "--user-agent", MOLLY, *options, url],
            input=sent,
            capture_output=True,
            timeout=30,
        )
        assert done.returncode == 0, (url, done.stderr, done.stdout)
        return done.stdout.decode()

    return run


def expect_discovered(curl: Curl, url: str) -> None:
    """By the Molly of today, that of yesterday, and by who forgets the slash."""
    for asked in (url, f"{url}discover", url.rstrip("/")):
        assert json.loads(curl(asked))["mollysocket"]["version"], asked


def expect_registered(
    curl: Curl, doorbell: Doorbell, signal: SignalPeer, ntfy: PushPeer, url: str
) -> None:
    account, endpoint = signal.new_account(), ntfy.endpoint()
    kind = ["--header", "Content-Type: application/json; charset=utf-8"]
    body = doorbell.registration(account, endpoint)
    answer = curl(url, *kind, "--data-binary", "@-", sent=body)
    assert json.loads(answer)["mollysocket"]["status"] == "ok"
    number = signal.queue(account.key)
    ntfy.wait_rings(1, endpoint)
    signal.wait_acked(number)


# The samples


def test_every_sample_is_tested() -> None:
    named = {name for files in FILES.values() for name in files.values()}
    assert {file.name for file in SAMPLES.iterdir()} == named


@each_program
@each_place
def test_molly_finds_doorbell_and_registers_through_a_sample(
    front: Front,
    curl: Curl,
    doorbell: Doorbell,
    signal: SignalPeer,
    ntfy: PushPeer,
    program: str,
    place: str,
) -> None:
    front(program, sample_of(program, place))
    url = f"https://{NAME}{PLACES[place]}"
    expect_discovered(curl, url)
    expect_registered(curl, doorbell, signal, ntfy, url)


@each_program
@each_place
def test_behind_a_sample_the_code_is_the_address_outside(
    front: Front, browser: Browser, doorbell: Doorbell, program: str, place: str
) -> None:
    front(program, sample_of(program, place))
    for port, origin in ORIGINS.items():
        url = f"{origin}{PLACES[place]}"
        browser.open(url)
        expect_good(browser, doorbell, f"{program}-{place}-{port}", url)


MOLLYSOCKETS_APACHE = """\
<Location /molly/>
    ProxyPass http://localhost:8020/
    RequestHeader set X-Original-URL "/molly/"
    ProxyPreserveHost On
</Location>
"""
MOLLYSOCKETS_NGINX = """\
    location /molly/ {
        proxy_pass http://127.0.0.1:8020/;
        proxy_set_header            Host $host;
        proxy_set_header X-Original-URL $uri;
    }
"""
# MollySocket's samples are parts of a site that has TLS.
MOLLYSOCKETS = {
    "caddy": MOLLYSOCKETS_SAMPLE.format(port=8020),
    "apache": MOLLYSOCKETS_APACHE,
    "nginx": MOLLYSOCKETS_NGINX,  # of its guide
}


def in_a_site(program: str, part: str) -> str:
    """The sample at a name of its own, with `part` for what it does there."""
    site = PROXYING[program].sub("", sample_of(program, "name"))
    end = {"caddy": "}", "apache": "</VirtualHost>", "nginx": "}"}[program]
    return f"{part}{end}".join(site.rsplit(end, 1))


@pytest.mark.parametrize("program", MOLLYSOCKETS)
def test_a_sample_of_mollysocket_serves_unedited(
    front: Front,
    curl: Curl,
    browser: Browser,
    doorbell: Doorbell,
    signal: SignalPeer,
    ntfy: PushPeer,
    program: str,
) -> None:
    front(program, in_a_site(program, MOLLYSOCKETS[program]))
    for port, origin in ORIGINS.items():
        if program == "nginx" and port != "usual-port":
            continue  # $host has no port
        browser.open(f"{origin}/molly/")
        expect_good(browser, doorbell, f"mollysocket-{program}-{port}", f"{origin}/molly/")
    assert json.loads(curl(f"{PUBLIC_URL}molly/discover"))["mollysocket"]["version"]
    expect_registered(curl, doorbell, signal, ntfy, f"{PUBLIC_URL}molly/")


# What the page tells to write


# The lines of a sample for a name that say where Doorbell is and what it is told.
PROXYING = {
    "apache": re.compile(r"^    ProxyPreserveHost .*\n(?:    .*\n)+", re.MULTILINE),
    "caddy": re.compile(r"^    reverse_proxy .*\n", re.MULTILINE),
    "haproxy": re.compile(r"(?<=^backend doorbell\n)(?:    .*\n)+", re.MULTILINE),
    "nginx": re.compile(r"^    location / \{\n(?:        .*\n)+    \}\n", re.MULTILINE),
}
TITLES = {"nginx": "nginx", "apache": "Apache", "caddy": "Caddy", "haproxy": "HAProxy"}


def lines_of(browser: Browser, program: str, section: str = FAULT) -> str:
    """Of Caddy those inside its site block, which must name its certificates here."""
    lines = browser.evaluate(
        f"[...document.querySelectorAll('{section} details')]"
        f".find((one) => one.querySelector('summary').innerText.startsWith('{TITLES[program]}'))"
        ".querySelector('pre').textContent"
    )
    if program == "caddy":
        lines = lines.partition("{\n")[2].rpartition("}")[0]
    return lines.rstrip("\n") + "\n"


@pytest.mark.parametrize("program", PROXYING)
def test_the_lines_of_a_fault_mend_it(
    front: Front, browser: Browser, doorbell: Doorbell, program: str
) -> None:
    browser.open(f"http://127.0.0.1:{doorbell.port}/")
    assert fault_is_shown(browser)
    lines = lines_of(browser, program)
    front(program, PROXYING[program].sub(lambda _: lines, sample_of(program, "name")))
    for port, origin in ORIGINS.items():
        browser.open(f"{origin}/")
        expect_good(browser, doorbell, f"{program}-fault-mended-{port}", f"{origin}/")


NGINX_OF_FEW_WORDS = """\
    location / {
        proxy_pass http://127.0.0.1:8020;
        proxy_set_header Host $http_host;
    }
"""


def telling_no_more_than_the_name(program: str) -> str:
    if program == "nginx":
        return in_a_site(program, NGINX_OF_FEW_WORDS)
    sample = sample_of(program, "name")
    return re.sub(r"^    (?:option|http-request) .*\n", "", sample, flags=re.MULTILINE)


@pytest.mark.parametrize("program", ["nginx", "haproxy"])
def test_behind_a_proxy_that_tells_no_more_than_the_name_the_browser_tells_of_https(
    front: Front, browser: Browser, doorbell: Doorbell, program: str
) -> None:
    front(program, telling_no_more_than_the_name(program))
    for port, origin in ORIGINS.items():
        browser.open(f"{origin}/")
        expect_good(browser, doorbell, f"{program}-few-words-{port}", f"{origin}/")


@each_program
def test_a_path_that_a_proxy_hides_is_seen_and_the_line_told_mends_it(
    front: Front, browser: Browser, doorbell: Doorbell, program: str
) -> None:
    sample = sample_of(program, "path")
    told = re.compile(r"^ *[^#\s].*X-Original-URL.*\n", re.MULTILINE)
    assert len(told.findall(sample)) == 1
    front(program, told.sub("", sample))
    url = f"{ORIGINS['another-port']}/molly/"
    browser.open(url)
    assert mismatch_is_shown(browser) and not fault_is_shown(browser)
    found = re.search(rf"# {TITLES[program]}, in .*\n(.+)", browser.text("#mismatch pre"))
    assert found, browser.text("#mismatch")
    front(program, told.sub(lambda line: f"{found[1]}\n", sample))
    browser.open(url)
    expect_good(browser, doorbell, f"{program}-path-mended", url)


# What hands the path on as it is.
NOT_TAKEN_AWAY = {
    "apache": (r"ProxyPass (.*)/$", r"ProxyPass \1/molly/"),
    "caddy": (r"handle_path", r"handle"),
    "haproxy": (r"^    http-request replace-path .*\n", ""),
    "nginx": (r"(proxy_pass .*)/;$", r"\1;"),
}


@each_program
def test_a_path_that_was_not_taken_away_is_seen_and_the_lines_told_mend_it(
    front: Front, browser: Browser, doorbell: Doorbell, program: str
) -> None:
    pattern, instead = NOT_TAKEN_AWAY[program]
    sample = sample_of(program, "path")
    wrong = re.sub(pattern, instead, sample, flags=re.MULTILINE)
    assert wrong != sample
    front(program, wrong)
    browser.open(f"{PUBLIC_URL}molly/", expected=404)
    assert "meant to be below /molly/?" in browser.text("main")
    lines = lines_of(browser, program, "section[aria-labelledby=strip]")
    front(program, PROXYING[program].sub(lambda _: lines, sample_of(program, "name")))
    for port, origin in ORIGINS.items():
        browser.open(f"{origin}/molly/")
        expect_good(browser, doorbell, f"{program}-taken-away-{port}", f"{origin}/molly/")


DECODED = """\
    location "/my bell/gl\u00f6ckchen/" {
        proxy_pass http://127.0.0.1:8020/;
        proxy_set_header Host $http_host;
        proxy_set_header X-Forwarded-Proto $scheme;
        SAYS;
    }
"""


@pytest.mark.parametrize(
    "says",
    [
        "proxy_set_header X-Original-URL $uri",
        "proxy_set_header X-Original-URL $scheme://$http_host$uri",
        'proxy_set_header X-Forwarded-Prefix "/my bell/gl\u00f6ckchen"',
    ],
)
def test_a_path_that_nginx_decoded_is_the_one_that_the_browser_shows(
    front: Front, browser: Browser, doorbell: Doorbell, says: str
) -> None:
    front("nginx", in_a_site("nginx", DECODED.replace("SAYS", says)))
    url = f"{PUBLIC_URL}my%20bell/gl%C3%B6ckchen/"
    browser.open(url)
    expect_good(browser, doorbell, "nginx-decoded", url)


# Headers, without a program that sends them


def link_told(doorbell: Doorbell, path: str, headers: dict[str, str]) -> str:
    status, _, page = doorbell.request("GET", path, headers=headers)
    assert status == 200, page
    found = re.search(r'<textarea id="link"[^>]*>([^<]*)<', page.decode())
    assert found, page
    return html.unescape(found[1])


def is_faulty(doorbell: Doorbell, headers: dict[str, str]) -> bool:
    return b'aria-labelledby="fault"' in doorbell.request("GET", "/", headers=headers)[2]


@pytest.fixture
def headers_of_traefik(place: str) -> dict[str, str]:
    """As Traefik sends them for its sample, from which the prefix is taken."""
    sample = sample_of("traefik", place)
    assert 'url: "http://127.0.0.1:8020"' in sample
    prefix = re.search(r'stripPrefix:\n +prefixes: \["([^"]+)"\]', sample)
    host = f"{NAME}:8443"
    return {
        "Host": host,
        "X-Forwarded-For": "203.0.113.9",
        "X-Forwarded-Host": host,
        "X-Forwarded-Port": "8443",
        "X-Forwarded-Proto": "https",
        "X-Forwarded-Server": "traefik",
        "X-Real-Ip": "203.0.113.9",
        **({"X-Forwarded-Prefix": prefix[1]} if prefix else {}),
    }


@each_place
def test_traefiks_headers_tell_the_address_outside(
    doorbell: Doorbell, headers_of_traefik: dict[str, str], place: str
) -> None:
    assert ("X-Forwarded-Prefix" in headers_of_traefik) == (place == "path")
    assert not is_faulty(doorbell, headers_of_traefik)
    url = f"https://{NAME}:8443{PLACES[place]}"
    assert link_told(doorbell, "/", headers_of_traefik) == link_of(doorbell, url=url)


def test_the_page_has_the_lines_for_traefik_as_well(doorbell: Doorbell) -> None:
    page = doorbell.request("GET", "/")[2].decode()
    found = re.search(r"<summary>Traefik, in .*?<pre><code>(.*?)</code>", page, re.DOTALL)
    assert found, page
    told = yaml.safe_load(html.unescape(found[1]).replace("molly.example.org", "push.example.org"))
    sample = yaml.safe_load(sample_of("traefik", "name").replace(":8020", f":{doorbell.port}"))
    assert told == sample


FORWARDED = "for=203.0.113.9;host=push.example.org;proto=https"
WAYS = {
    "X-Original-URL as a path": (
        {"Host": NAME, "X-Original-URL": "/molly/"},
        f"https://{NAME}/molly/",
    ),
    "X-Original-URL as a URL": (
        {"Host": "127.0.0.1", "X-Original-URL": f"https://{NAME}:8443/molly/"},
        f"https://{NAME}:8443/molly/",
    ),
    "X-Forwarded": (
        {
            "Host": "127.0.0.1",
            "X-Forwarded-Host": NAME,
            "X-Forwarded-Proto": "https",
            "X-Forwarded-Prefix": "/molly",
        },
        f"https://{NAME}/molly/",
    ),
    "Forwarded": ({"Host": "127.0.0.1", "Forwarded": FORWARDED}, PUBLIC_URL),
}


@pytest.mark.parametrize("way", WAYS)
def test_each_way_to_tell_the_address_is_understood_and_the_setting_wins(
    doorbell: Doorbell, way: str
) -> None:
    headers, url = WAYS[way]
    assert not is_faulty(doorbell, headers)
    assert link_told(doorbell, "/", headers) == link_of(doorbell, url=url)
    own = "https://bell.example.net/ring/"
    doorbell.reload(web__public_url=own)
    assert link_told(doorbell, "/", headers) == link_of(doorbell, url=own)
    assert not is_faulty(doorbell, headers)


@pytest.mark.parametrize("way", WAYS)
def test_who_is_not_a_trusted_proxy_is_not_believed(make_doorbell: MakeDoorbell, way: str) -> None:
    doorbell = make_doorbell(web__trusted_proxies=["192.0.2.1"]).start()
    headers, _ = WAYS[way]
    told = link_told(doorbell, "/", {**headers, "Host": "other.example.org"})
    assert told == link_of(doorbell, url="https://other.example.org/")
    page = doorbell.request("GET", "/", headers=headers)[2].decode()
    assert 'trusted_proxies: [auto, "127.0.0.1"]' in page
