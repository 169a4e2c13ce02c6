"""How a page looks in each of the ways that people look at it. Screenshots stay in `screenshots`
beside the program.
"""

from typing import Sequence

from lib.browser import Browser, View

PHONE, DESKTOP = View(390, 844), View(1280, 800)
NARROWEST = View(320, 640)  # WCAG 2.1, 1.4.10
VIEWS = {
    "phone-light": PHONE,
    "phone-dark": PHONE._replace(scheme="dark"),
    "desktop-light": DESKTOP,
    "desktop-dark": DESKTOP._replace(scheme="dark"),
    "narrowest": NARROWEST,
    "large-text": NARROWEST._replace(font=32),
}
FEW = ("phone-dark", "narrowest", "large-text")  # of what has little on it
LEAST_CONTRAST = 4.5  # WCAG 2.1, 1.4.3
LEAST_CONTRAST_OF_SHAPES = 3  # 1.4.11: fields, and what a drawing is understood by


def expect_fitting(browser: Browser) -> None:
    sizes = "[document.documentElement.scrollWidth, document.documentElement.clientWidth]"
    scroll, client = browser.evaluate(sizes)
    assert scroll <= client, f"it scrolls sideways: {scroll} > {client}"


# Of each element with text of its own: the text's colour against the first opaque ground below it.
CONTRASTS = """
(() => {
    const channels = (colour) => colour.match(/[\\d.]+/g).map(Number);
    const light = ([r, g, b]) => {
        const [x, y, z] = [r, g, b].map((one) => one / 255)
            .map((one) => (one <= 0.03928 ? one / 12.92 : ((one + 0.055) / 1.055) ** 2.4));
        return 0.2126 * x + 0.7152 * y + 0.0722 * z;
    };
    const probe = document.body.appendChild(document.createElement('i'));
    probe.style.backgroundColor = 'Canvas';  // what is below a page that has no ground of its own
    const canvas = channels(getComputedStyle(probe).backgroundColor);
    probe.remove();
    const ground = (one) => {
        for (; one; one = one.parentElement) {
            const colour = channels(getComputedStyle(one).backgroundColor);
            if (colour.length === 3 || colour[3] === 1) return colour;
        }
        return canvas;
    };
    const has_text = (one) => [...one.childNodes].some((node) =>
        node.nodeType === Node.TEXT_NODE && node.data.trim());
    return [...document.querySelectorAll('body *')]
        .filter((one) => one.checkVisibility() && !one.closest('svg') && has_text(one))
        .map((one) => {
            const [a, b] = [light(channels(getComputedStyle(one).color)), light(ground(one))];
            return [one.outerHTML.slice(0, 90), (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05)];
        });
})()
"""


def expect_contrast(browser: Browser) -> None:
    contrasts = browser.evaluate(CONTRASTS)
    assert len(contrasts) >= 2
    assert not [one for one in contrasts if one[1] < LEAST_CONTRAST]


# Of the border of each field to write in or to copy from, against the ground around it.
FIELDS = CONTRASTS.replace("!one.closest('svg') && has_text(one)", "one.matches('input, textarea')")
FIELDS = FIELDS.replace("getComputedStyle(one).color)", "getComputedStyle(one).borderTopColor)")
FIELDS = FIELDS.replace("ground(one))", "ground(one.parentElement))")

# Of the lines of each drawing, or of what has none, and of the words in it. The code to scan is
# black on white (test_pages.py).
DRAWN = CONTRASTS.replace(
    "!one.closest('svg') && has_text(one)", "one.matches('svg.picture rect, svg.picture path')"
).replace(
    "getComputedStyle(one).color)",
    "getComputedStyle(one)[getComputedStyle(one).stroke === 'none' ? 'fill' : 'stroke'])",
)
LETTERED = CONTRASTS.replace(
    "!one.closest('svg') && has_text(one)", "one.matches('svg.picture text')"
).replace("getComputedStyle(one).color)", "getComputedStyle(one).fill)")


# WCAG 2.1, 1.4.12: what readers may set.
SPACED = """
document.querySelectorAll('body *').forEach((one) => Object.assign(one.style, {
    lineHeight: '1.5', letterSpacing: '.12em', wordSpacing: '.16em'}))
"""
NOT_SPACED = SPACED.replace("'1.5'", "''").replace("'.12em'", "''").replace("'.16em'", "''")


def expect_fitting_when_spaced(browser: Browser) -> None:
    browser.evaluate(SPACED)
    expect_fitting(browser)
    browser.evaluate(NOT_SPACED)


def expect_good_look(browser: Browser, name: str) -> None:
    browser.evaluate("document.querySelectorAll('details').forEach((one) => { one.open = true })")
    expect_fitting(browser)
    expect_fitting_when_spaced(browser)
    expect_contrast(browser)
    shapes = browser.evaluate(FIELDS) + browser.evaluate(DRAWN)
    assert not [one for one in shapes if one[1] < LEAST_CONTRAST_OF_SHAPES]
    assert not [one for one in browser.evaluate(LETTERED) if one[1] < LEAST_CONTRAST]
    browser.screenshot(name)


def expect_good(
    browser: Browser,
    url: str,
    name: str,
    views: Sequence[str] = tuple(VIEWS),
    expected: int = 200,
) -> None:
    for view in views:
        browser.open(url, VIEWS[view], expected)
        expect_good_look(browser, f"{name}-{view}")
        complaints = browser.complaints()
        assert not [line for line in complaints if expected == 200 or "status of" not in line]


def expect_good_here(browser: Browser, name: str) -> None:
    """The page that is shown, which may be the answer to a form: it is not asked for again."""
    for view in VIEWS:
        browser.look(VIEWS[view])
        expect_good_look(browser, f"{name}-{view}")
