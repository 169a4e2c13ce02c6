"""Debian's Chromium, headless, with one page at a time (tests/peers/browser.mjs)."""

import base64
import hashlib
import json
from pathlib import Path
from typing import Any, NamedTuple, Optional

from cryptography import x509
from cryptography.hazmat.primitives import serialization

from lib.background import Changes
from lib.certs import Leaf
from lib.doorbell import BINARY
from lib.process import JsonPeer

SCREENSHOTS = BINARY.parent / "screenshots"


class View(NamedTuple):
    """What a person looks at a page with."""

    width: int = 1280
    height: int = 800
    scheme: str = "light"
    script: bool = True
    forced: bool = False  # the system's own few colours, such as Windows' contrast themes
    font: int = 16  # what the browser's settings have for text, in pixels


class Node(NamedTuple):
    """What a screen reader gets."""

    role: str
    name: str
    level: Optional[int]


def hash_of_key(leaf: Leaf) -> str:
    certificate = x509.load_pem_x509_certificate(leaf.cert.read_bytes())
    key = certificate.public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return base64.b64encode(hashlib.sha256(key).digest()).decode()


class Browser:
    """Takes every port of `name`, with a dot at its end or without, to one port of this machine,
    knows no other name, and trusts the leaf's key alone.
    """

    def __init__(self, name: str, port: int, leaf: Leaf):
        here = f"127.0.0.1:{port}"
        rules = f"MAP {name} {here}, MAP {name}. {here}, MAP * ^NOTFOUND, EXCLUDE 127.0.0.1"
        self.peer = JsonPeer(Changes(), "browser.mjs", rules, hash_of_key(leaf))
        self.commands = 0
        self.peer.wait_event("ready")

    def stop(self) -> None:
        self.peer.end()

    def do(self, op: str, **details: Any) -> Any:
        self.commands += 1
        tag = self.commands
        self.peer.do(op, tag=tag, **details)

        def find() -> Optional[str]:
            assert self.peer.is_running(), f"the browser ended: {self.peer.tail()}"
            lines = self.peer.output  # "ready", then one for each command
            return lines[tag] if len(lines) > tag else None

        answer = json.loads(self.peer.changes.wait_for(find, f"{op} {details} in the browser"))
        assert answer["tag"] == tag and answer["event"] == "done", (op, details, answer)
        return answer["value"]

    # What a person does

    def open(self, url: str, view: View = View(), expected: int = 200) -> None:
        status = self.do("open", url=url, **view._asdict())
        assert status == expected, f"{url} was answered with {status}"

    def look(self, view: View) -> None:
        """At the page that is shown, with another window and other colours."""
        self.do("look", **view._asdict())

    def click(self, selector: str) -> None:
        self.do("click", selector=selector)

    def follow(self, selector: str) -> None:
        """A link, until the page that it leads to has loaded."""
        self.do("follow", selector=selector)

    def enter(self, key: str = "Enter") -> None:
        """A key that sends a form, until the page that it leads to has loaded."""
        self.do("enter", key=key)

    def press(self, key: str) -> None:
        self.do("press", key=key)

    # What a person gets

    def evaluate(self, expression: str) -> Any:
        return self.do("evaluate", expression=expression)

    def address(self) -> str:
        return self.evaluate("location.href")

    def text(self, selector: str) -> str:
        """As it is shown; "" when nothing of it is."""
        return self.evaluate(f"document.querySelector({json.dumps(selector)}).innerText")

    def is_visible(self, selector: str) -> bool:
        """False as well when there is no such thing."""
        element = f"document.querySelector({json.dumps(selector)})"
        return self.evaluate(f"!!{element} && {element}.checkVisibility()")

    def screenshot(self, name: str, selector: Optional[str] = None) -> Path:
        """The whole page, or one element of it. The file stays for people to look at."""
        SCREENSHOTS.mkdir(exist_ok=True)
        file = SCREENSHOTS / f"{name}.png"
        self.do("screenshot", file=str(file), selector=selector)
        return file

    def nodes(self) -> list[Node]:
        return [Node(*node) for node in self.do("accessible")]

    def complaints(self) -> list[str]:
        """What the console has said, whatever its level, since the page was opened."""
        return self.do("complaints")
