"""Whatever Doorbell prints is searched for what must never be printed: the ids and passwords of all
accounts and the paths of all endpoints that the peers of a test made, in all their spellings.

Peers note what they make, processes what they are; conftest.py searches after every test, once all
its processes have ended: both streams of servers and commands, and the alerts that were sent. A
command may repeat words that were its own, and show what somebody asked it for (`asked_for`).

What is short stands in other words, too, and chance may put it into what is random: so only a path
together with its server is searched for if it is short, and a short password not at all.
"""

import base64
import dataclasses
import enum
import re
import subprocess
from typing import Callable, Iterable, Optional, Sequence

SHORTEST = 9
ABOUT_AN_ACCOUNT = re.compile(r"\bAccount [0-9a-f]{10}\b")


def spellings(uuid: str, password: str) -> set[str]:
    pairs = (f"{uuid}:{password}", f"{uuid}.2:{password}", password)
    return {uuid, uuid.replace("-", ""), password} | {
        base64.b64encode(text.encode()).decode().rstrip("=") for text in pairs
    }


def commands_of(words: Sequence[str]) -> list[str]:
    """Without options, whatever they take, and the name of the program."""
    kept, takes = [], False
    for word in words:
        if not takes and not word.startswith("-") and word not in ("mollysocket", "ms"):
            kept.append(word)
        takes = word in ("-c", "--config", "--set")
    return kept


class Asked(enum.Enum):
    """What a command was asked to show on standard output."""

    NOTHING = 0
    IDS = 1
    SECRETS = 2


def asked_for(words: Sequence[str]) -> Asked:
    first, second, *_ = [*commands_of(words), "", ""]
    if "--show-secrets" in words or (first and "export".startswith(first)):
        return Asked.SECRETS
    is_list = first and second and "connection".startswith(first) and "list".startswith(second)
    return Asked.IDS if is_list else Asked.NOTHING


def parts_of(endpoint: str) -> set[str]:
    """What nobody but its phone and its push server is to know of it."""
    authority, _, target = endpoint.partition("://")[2].partition("/")
    path, _, query = target.partition("?")
    login, _, server = authority.rpartition("@")
    parts = {login, login.partition(":")[2], *(part.partition("=")[2] for part in query.split("&"))}
    if login:
        parts.add(base64.b64encode(login.encode()).decode().rstrip("="))
    if path:
        parts |= {path, f"{server}/{path}"}
    return parts


def without(text: str, words: Iterable[str]) -> str:
    """The words of `words`, each of which may be several, left out."""
    for word in sorted({part for given in words for part in given.split()}, key=len, reverse=True):
        text = text.replace(word, "")
    return text


@dataclasses.dataclass
class Printed:
    lines: Callable[[], Sequence[str]]
    is_over: Callable[[], bool]  # none will come any more
    is_command: bool = False
    asked: Asked = Asked.NOTHING
    searched: int = 0


class Secrecy:
    """One for all tests of a run, or of a worker of it."""

    def __init__(self) -> None:
        self.texts: set[str] = set()  # of this test
        self.ids: set[str] = set()  # among them
        self.printed: list[Printed] = []
        self.noted = self.searched = self.about_accounts = 0  # in all tests
        self.servers_with_accounts = 0

    def note(self, *texts: str) -> None:
        fresh = {text.lower() for text in texts if len(text) >= SHORTEST} - self.texts
        self.texts |= fresh
        self.noted += len(fresh)

    def note_account(self, uuid: str, password: str) -> None:
        self.ids |= {uuid.lower(), uuid.lower().replace("-", "")}
        self.note(*spellings(uuid, password))

    def note_endpoint(self, url: str) -> None:
        self.note(*parts_of(url))

    def note_clients(self, count: int) -> None:
        """How many were let in by the messenger's server: what shows that there was something to
        search for, and does not come from the search.
        """
        if count and any(not printed.is_command for printed in self.printed):
            self.servers_with_accounts += 1

    def watch(self, lines: Callable[[], Sequence[str]], is_over: Callable[[], bool]) -> None:
        """A server's, also those that come later, in a later test perhaps."""
        self.printed.append(Printed(lines, is_over))

    def said(
        self,
        text: Optional[str],
        words: Iterable[str] = (),
        asked: Asked = Asked.NOTHING,
    ) -> None:
        """By a command that was given these words, or in a message."""
        lines = without(text or "", words).splitlines()
        self.printed.append(Printed(lambda: lines, lambda: True, True, asked))

    def command(
        self, done: subprocess.CompletedProcess, words: Sequence[str], more: Iterable[str] = ()
    ) -> None:
        """One that has ended, of these words, and given more by other ways."""
        for text, asked in ((done.stderr, Asked.NOTHING), (done.stdout, asked_for(words))):
            text = text.decode(errors="replace") if isinstance(text, bytes) else text
            if asked != Asked.SECRETS:
                self.said(text, [*words, *more], asked)

    def search(self) -> list[str]:
        """Once for each line: those that have a secret."""
        found = []
        for printed in self.printed:
            fresh = list(printed.lines())[printed.searched :]
            printed.searched += len(fresh)
            self.searched += len(fresh)
            for line in fresh:
                self.about_accounts += bool(ABOUT_AN_ACCOUNT.search(line))
                lower = line.lower()
                texts = self.texts - self.ids if printed.asked == Asked.IDS else self.texts
                if any(text in lower for text in texts):
                    found.append(line)
        return found

    def begin(self) -> None:
        """Another test's peers; servers may be the same."""
        self.texts, self.ids = set(), set()
        self.printed = [printed for printed in self.printed if not printed.is_over()]


secrecy = Secrecy()
