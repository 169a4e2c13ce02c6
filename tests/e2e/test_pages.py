"""The pages that link Molly, in a real browser, by themselves and behind a real nginx. Screenshots
stay in `screenshots` beside the program.
"""

import json
import re
from pathlib import Path
from typing import Callable, Iterator

import pytest
import yaml

from lib.background import Changes
from lib.browser import Browser, View
from lib.certs import Leaf
from lib.doorbell import Doorbell
from lib.linking_page import (
    FAULT,
    NAME,
    PAGES,
    PUBLIC_URL,
    expect_good,
    expect_link,
    fault_is_shown,
    link_of,
    link_shown,
    mismatch_is_shown,
)
from lib.nginx import Nginx, server_block
from lib.picture import colours_in

MakeDoorbell = Callable[..., Doorbell]
Front = Callable[[str], Nginx]

PHONE, DESKTOP = View(390, 844), View(1280, 800)
NARROWEST = View(320, 640)  # WCAG 2.1, 1.4.10
VIEWS = {
    "phone-light": PHONE,
    "phone-dark": PHONE._replace(scheme="dark"),
    "desktop-light": DESKTOP,
    "desktop-dark": DESKTOP._replace(scheme="dark"),
}
BLACK_ON_WHITE = {(0, 0, 0), (255, 255, 255)}
FRAME = 8  # of the code's picture: its border and its round corners
CONTROLS = "a[href], button, input, select, summary, textarea, [tabindex]"

each_page = pytest.mark.parametrize("page", PAGES)


@pytest.fixture
def front(
    changes: Changes, tmp_path: Path, front_port: int, front_leaf: Leaf
) -> Iterator[Front]:
    """Puts nginx in front, or another configuration into it."""
    running: list[Nginx] = []

    def start(server: str) -> Nginx:
        if running:
            running.pop().stop()
        block = server_block(front_port, front_leaf, server)
        running.append(Nginx(changes, tmp_path / "nginx", block))
        return running[-1]

    yield start
    for nginx in running:
        nginx.stop()


@pytest.fixture(scope="module")
def named(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Doorbell]:
    """Running; it was told its address."""
    folder = tmp_path_factory.mktemp("named")
    doorbell = Doorbell(Changes(), folder, {"web.public_url": PUBLIC_URL})
    try:
        yield doorbell.start()
        doorbell.tear_down()
    finally:
        if doorbell.process:
            doorbell.process.end()


@pytest.fixture
def guessing(make_doorbell: MakeDoorbell) -> Doorbell:
    """Running; it finds its address in requests."""
    return make_doorbell().start()


def page_of(doorbell: Doorbell, page: str = "linking") -> str:
    return f"http://127.0.0.1:{doorbell.port}/{PAGES[page]}"


def expect_black_on_white(browser: Browser, name: str) -> None:
    """The code, whatever surrounds it."""
    assert colours_in(browser.screenshot(f"{name}-code", "svg.qr"), FRAME) == BLACK_ON_WHITE


def expect_fitting(browser: Browser) -> None:
    sizes = "[document.documentElement.scrollWidth, document.documentElement.clientWidth]"
    scroll, client = browser.evaluate(sizes)
    assert scroll <= client, f"it scrolls sideways: {scroll} > {client}"


def open_details(browser: Browser) -> None:
    browser.evaluate("document.querySelectorAll('details').forEach((one) => { one.open = true })")


# The code


@each_page
@pytest.mark.parametrize("view", VIEWS)
def test_a_page_fits_the_screen_and_its_code_scans(
    browser: Browser, named: Doorbell, page: str, view: str
) -> None:
    browser.open(page_of(named, page), VIEWS[view])
    assert not fault_is_shown(browser)
    expect_fitting(browser)
    expect_link(browser, f"{page}-{view}", link_of(named, page))
    expect_black_on_white(browser, f"{page}-{view}")
    assert browser.complaints() == []


CUT_OFF = """
    [...document.querySelectorAll('main *')]
        .filter((one) => one.clientWidth > 0)
        .filter((one) => one.scrollWidth > one.clientWidth || one.scrollHeight > one.clientHeight)
        .map((one) => one.outerHTML)
"""


@each_page
def test_the_narrowest_phone_shows_all_of_a_page_without_scrolling_in_it(
    browser: Browser, guessing: Doorbell, page: str
) -> None:
    browser.open(page_of(guessing, page), NARROWEST)
    open_details(browser)
    expect_fitting(browser)
    browser.screenshot(f"{page}-narrowest")
    assert browser.evaluate(CUT_OFF) == []


@each_page
def test_the_colours_follow_the_system(browser: Browser, named: Doorbell, page: str) -> None:
    backgrounds = set()
    for scheme in ("light", "dark"):
        browser.open(page_of(named, page), PHONE._replace(scheme=scheme))
        backgrounds.add(browser.evaluate("getComputedStyle(document.body).backgroundColor"))
    assert len(backgrounds) == 2


@each_page
def test_without_javascript_there_is_the_same_code(
    browser: Browser, named: Doorbell, page: str
) -> None:
    browser.open(page_of(named, page), PHONE._replace(script=False))
    expect_link(browser, f"{page}-without-javascript", link_of(named, page))


@each_page
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_forced_colours_leave_the_code_black_on_white(
    browser: Browser, named: Doorbell, page: str, scheme: str
) -> None:
    browser.open(page_of(named, page), PHONE._replace(scheme=scheme, forced=True))
    assert browser.evaluate("matchMedia('(forced-colors: active)').matches")
    expect_link(browser, f"{page}-forced-colours-{scheme}", link_of(named, page))
    expect_black_on_white(browser, f"{page}-forced-colours-{scheme}")


def test_what_a_page_must_not_do_reaches_the_console(browser: Browser, named: Doorbell) -> None:
    """That the other tests hear nothing there means something."""
    browser.open(page_of(named))
    browser.evaluate("document.head.append(document.createElement('style'))")
    browser.evaluate("document.querySelector('head > style:last-of-type').textContent = 'p{}'")
    assert any("Content Security Policy" in line for line in browser.complaints())


@each_page
def test_a_section_is_not_cut_in_two_on_paper(
    browser: Browser, named: Doorbell, page: str
) -> None:
    browser.open(page_of(named, page))
    rules = "[...document.styleSheets[0].cssRules].filter((one) => one.media?.mediaText == 'print')"
    assert "break-inside: avoid" in browser.evaluate(f"{rules}.map((one) => one.cssText).join('')")


# Getting about


def test_each_page_leads_to_the_other(browser: Browser, named: Doorbell) -> None:
    browser.open(page_of(named))
    for page in ("airgapped", "linking"):
        browser.follow("main a")
        assert browser.address().rstrip("?") == page_of(named, page)
        assert link_shown(browser) == link_of(named, page)
        assert browser.complaints() == []


def expect_tabbing(browser: Browser) -> None:
    """From control to control in the order of the page, and each shows that it has the focus."""
    everything = f"[...document.querySelectorAll({json.dumps(CONTROLS)})]"
    visible = browser.evaluate(
        f"{everything}.flatMap((control, at) => control.checkVisibility() ? [at] : [])"
    )
    assert visible
    reached = []
    for _ in visible:
        browser.press("Tab")
        reached.append(browser.evaluate(f"{everything}.indexOf(document.activeElement)"))
        style, width = browser.evaluate(
            "(({outlineStyle, outlineWidth}) => [outlineStyle, parseFloat(outlineWidth)])"
            "(getComputedStyle(document.activeElement))"
        )
        assert style == "solid" and width >= 2, (reached, style, width)
    assert reached == visible


@each_page
def test_tab_reaches_every_control_and_shows_where_it_is(
    browser: Browser, named: Doorbell, page: str
) -> None:
    browser.open(page_of(named, page))
    expect_tabbing(browser)


@pytest.mark.parametrize("opened", [False, True], ids=["closed", "opened"])
def test_tab_reaches_every_control_of_a_page_with_a_fault(
    browser: Browser, guessing: Doorbell, opened: bool
) -> None:
    browser.open(page_of(guessing))
    if opened:
        open_details(browser)
    expect_tabbing(browser)


def expect_structure(browser: Browser) -> None:
    assert browser.evaluate("document.documentElement.lang") == "en"
    nodes = browser.nodes()
    roles = [node.role for node in nodes]
    for landmark in ("banner", "main", "contentinfo"):
        assert roles.count(landmark) == 1, (landmark, nodes)
    regions = [node.name for node in nodes if node.role == "region"]
    assert len(regions) >= 3 and all(regions) and len(set(regions)) == len(regions), regions
    levels = browser.evaluate(
        "[...document.querySelectorAll('h1, h2, h3, h4, h5, h6')]"
        ".filter((heading) => heading.checkVisibility()).map((heading) => +heading.tagName[1])"
    )
    assert levels[0] == 1 and levels.count(1) == 1, levels
    assert all(after <= before + 1 for before, after in zip(levels, levels[1:])), levels
    titles = [node.name for node in nodes if node.role == "heading" and node.level == 1]
    assert titles == ["Doorbell"]


@each_page
def test_a_screen_reader_finds_its_way(browser: Browser, named: Doorbell, page: str) -> None:
    browser.open(page_of(named, page))
    expect_structure(browser)
    nodes = browser.nodes()
    assert [node.name for node in nodes if node.role == "textbox"] == ["The same link as text"]
    images = [node.name for node in nodes if node.role == "image"]
    assert len(images) == 2, images
    assert images[0].startswith("QR code for Molly") and images[1] == "The way of a ring"


def test_a_screen_reader_finds_the_fault(browser: Browser, guessing: Doorbell) -> None:
    browser.open(page_of(guessing))
    expect_structure(browser)
    regions = [node.name for node in browser.nodes() if node.role == "region"]
    assert regions[0].startswith("Not ready yet")


# An address that Molly cannot use

ALL_THE_SAME = "section[aria-labelledby=connect] summary"


@pytest.mark.parametrize("by", ["click", "Enter"])
def test_without_https_the_fix_is_named_and_the_code_can_be_opened(
    browser: Browser, guessing: Doorbell, by: str
) -> None:
    browser.open(page_of(guessing), PHONE)
    assert fault_is_shown(browser) and not mismatch_is_shown(browser)
    fault = browser.text(FAULT)
    assert "Molly talks to https:// addresses only" in fault
    assert f"reverse_proxy 127.0.0.1:{guessing.port}" in fault
    assert "public_url: https://molly.example.org/" in fault
    assert not browser.is_visible("svg.qr") and not browser.is_visible("#link")
    expect_fitting(browser)
    browser.screenshot("without-https")
    if by == "click":
        browser.click(ALL_THE_SAME)
    else:
        browser.evaluate(f"document.querySelector('{ALL_THE_SAME}').focus()")
        browser.press(by)
    assert browser.is_visible("svg.qr") and browser.is_visible("#link")
    expect_fitting(browser)
    url = f"https://127.0.0.1:{guessing.port}/"
    expect_link(browser, "without-https-opened", link_of(guessing, url=url))
    assert browser.complaints() == []


def named_setting(browser: Browser, section: str) -> str:
    """web.public_url as the lines for doorbell.yaml there have it."""
    named = re.search(r"^web:\n  public_url: (\S+)$", browser.text(section), re.MULTILINE)
    assert named, browser.text(section)
    return named[1]


def variable_named(browser: Browser, section: str, form: str) -> dict[str, str]:
    """The same for a compose file whose environment is a map or a list."""
    begin = {"map": "", "list": "- "}[form]
    line = re.search(rf"^{begin}DOORBELL_WEB_PUBLIC_URL.*$", browser.text(section), re.MULTILINE)
    assert line, browser.text(section)
    read = yaml.safe_load(line[0])
    return read if form == "map" else dict([read[0].split("=", 1)])


def test_the_setting_that_a_fault_names_mends_it(browser: Browser, guessing: Doorbell) -> None:
    browser.open(page_of(guessing))
    url = named_setting(browser, FAULT)
    guessing.reload(web__public_url=url)
    browser.open(page_of(guessing))
    assert not fault_is_shown(browser) and not mismatch_is_shown(browser)
    expect_link(browser, "setting-of-the-fault", link_of(guessing, url=url))


@pytest.mark.parametrize("form", ["map", "list"])
def test_the_variable_that_a_fault_names_mends_it(
    browser: Browser, make_doorbell: MakeDoorbell, form: str
) -> None:
    doorbell = make_doorbell().start()
    browser.open(page_of(doorbell))
    doorbell.stop()
    doorbell.environment = variable_named(browser, FAULT, form)
    doorbell.start()
    browser.open(page_of(doorbell))
    assert not fault_is_shown(browser) and not mismatch_is_shown(browser)
    url = doorbell.environment["DOORBELL_WEB_PUBLIC_URL"]
    expect_link(browser, f"variable-of-the-fault-{form}", link_of(doorbell, url=url))


# Behind nginx

ORIGINS = {"usual port": f"https://{NAME}", "another port": f"https://{NAME}:8443"}
each_origin = pytest.mark.parametrize("origin", ORIGINS.values(), ids=ORIGINS.keys())


def nginx_example(browser: Browser) -> str:
    """What a fault says for nginx's server block."""
    return browser.evaluate(
        "[...document.querySelectorAll('details')]"
        ".find((one) => one.querySelector('summary').innerText.startsWith('nginx'))"
        ".querySelector('pre').textContent"
    )


def nginx_lines_of_mismatch(browser: Browser) -> list[str]:
    """Those below the comment that names nginx, up to the next empty line. A location that has
    others of the kind needs the first one only.
    """
    lines = re.search(r"# nginx, in location\n((?:.+\n)+)", browser.text("#mismatch pre"))
    assert lines, browser.text("#mismatch")
    return lines[1].splitlines()


def location_of(doorbell: Doorbell, path: str, more: str = "") -> str:
    """Takes the path away, hands on what is usual, and says nothing of path and port."""
    return f"""
        location {path} {{
            proxy_pass http://127.0.0.1:{doorbell.port}/;
            proxy_set_header Host $host;
            proxy_set_header X-Forwarded-For $remote_addr;
            proxy_set_header X-Forwarded-Proto $scheme;
            {more}
        }}"""


def expect_mismatch(browser: Browser, shown: str, said: str) -> None:
    assert mismatch_is_shown(browser) and not fault_is_shown(browser)
    assert f"Your browser shows {shown}, but the code says {said}" in browser.text("#mismatch")
    expect_fitting(browser)
    expect_structure(browser)
    assert browser.complaints() == []


def test_the_nginx_lines_of_a_fault_mend_it(
    browser: Browser, guessing: Doorbell, front: Front
) -> None:
    browser.open(page_of(guessing))
    assert fault_is_shown(browser)
    front(nginx_example(browser))
    browser.open(PUBLIC_URL)
    expect_good(browser, guessing, "nginx", PUBLIC_URL)
    browser.follow("main a")
    assert browser.address() == f"{PUBLIC_URL}?airgapped"
    assert link_shown(browser) == link_of(guessing, "airgapped")


@each_origin
@pytest.mark.parametrize("path", ["/", "/molly/"])
def test_an_address_that_nginx_hides_is_seen_and_the_lines_told_mend_it(
    browser: Browser, guessing: Doorbell, front: Front, origin: str, path: str
) -> None:
    url = f"{origin}{path}"
    front(location_of(guessing, path))
    browser.open(url, PHONE)
    if url == PUBLIC_URL:
        expect_good(browser, guessing, "nginx-nothing-hidden", url)
        return
    expect_mismatch(browser, url, PUBLIC_URL)
    expect_link(browser, "mismatch", link_of(guessing))
    lines = nginx_lines_of_mismatch(browser)
    front(location_of(guessing, path, lines[0]))
    browser.open(url, PHONE)
    expect_good(browser, guessing, "mismatch-mended", url)
    browser.follow("main a")
    assert browser.address() == f"{url}?airgapped"


def lacks_client(browser: Browser) -> bool:
    return "the proxy does not say who asks" in browser.text("main")


def test_the_nginx_lines_of_a_mismatch_do_not_forget_what_the_location_inherited(
    browser: Browser, guessing: Doorbell, front: Front
) -> None:
    inherited = """
        proxy_set_header Host $host;
        proxy_set_header X-Forwarded-For $remote_addr;
        proxy_set_header X-Forwarded-Proto $scheme;
    """
    place = f"proxy_pass http://127.0.0.1:{guessing.port}/;"
    url = f"{PUBLIC_URL}molly/"
    front(f"{inherited} location /molly/ {{ {place} }}")
    browser.open(url)
    assert mismatch_is_shown(browser) and not lacks_client(browser)
    lines = nginx_lines_of_mismatch(browser)
    front(f"{inherited} location /molly/ {{ {place} {lines[0]} }}")
    browser.open(url)
    expect_good(browser, guessing, "nginx-forgets", url)
    assert lacks_client(browser)
    front(f"{inherited} location /molly/ {{ {place}\n" + "\n".join(lines) + "\n}")
    browser.open(url)
    expect_good(browser, guessing, "nginx-remembers", url)
    assert not lacks_client(browser)


def test_the_setting_that_a_mismatch_names_mends_it(
    browser: Browser, guessing: Doorbell, front: Front
) -> None:
    front(location_of(guessing, "/molly/"))
    browser.open(f"{PUBLIC_URL}molly/")
    guessing.reload(web__public_url=named_setting(browser, "#mismatch"))
    browser.open(f"{PUBLIC_URL}molly/")
    expect_good(browser, guessing, "mismatch-mended-by-setting", f"{PUBLIC_URL}molly/")


def test_without_javascript_one_line_tells_where_the_code_leads(
    browser: Browser, guessing: Doorbell, front: Front
) -> None:
    front(location_of(guessing, "/molly/"))
    browser.open(f"{PUBLIC_URL}molly/", NARROWEST._replace(script=False))
    expect_good(browser, guessing, "mismatch-without-javascript", PUBLIC_URL)
    expect_fitting(browser)
    told = browser.text("section[aria-labelledby=connect]")
    assert f"This code leads to {PUBLIC_URL}. If your browser shows another address" in told
    assert "DOORBELL_WEB_PUBLIC_URL" in told


def test_the_dot_that_ends_a_name_is_no_mismatch(
    browser: Browser, guessing: Doorbell, front: Front
) -> None:
    front(location_of(guessing, "/"))
    browser.open(f"https://{NAME}./")
    expect_good(browser, guessing, "last-dot", PUBLIC_URL)
