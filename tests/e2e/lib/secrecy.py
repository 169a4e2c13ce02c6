"""Whatever Doorbell prints is searched for what must never be printed: the ids and passwords of all
accounts and the paths of all endpoints that the peers of a test made, in all their spellings.

Peers note what they make, processes what they are; conftest.py searches after every test, once all
its processes have ended. Of a server both streams are searched, of a command standard error: what
it shows on standard output, somebody asked for, and other tests look at that. A command may repeat
words that were its own.
"""

import base64
import dataclasses
import re
from typing import Callable, Iterable, Optional, Sequence

SHORTEST = 9  # what is shorter stands in other words, too
ABOUT_AN_ACCOUNT = re.compile(r"\bAccount [0-9a-f]{10}\b")


def spellings(uuid: str, password: str) -> set[str]:
    pairs = (f"{uuid}:{password}", f"{uuid}.2:{password}", password)
    return {uuid, uuid.replace("-", ""), password} | {
        base64.b64encode(text.encode()).decode().rstrip("=") for text in pairs
    }


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
    searched: int = 0


class Secrecy:
    """One for all tests of a run, or of a worker of it."""

    def __init__(self) -> None:
        self.texts: set[str] = set()  # of this test
        self.printed: list[Printed] = []
        self.noted = self.searched = self.about_accounts = 0  # in all tests
        self.servers_with_accounts = 0

    def note(self, *texts: str) -> None:
        fresh = {text.lower() for text in texts if len(text) >= SHORTEST} - self.texts
        self.texts |= fresh
        self.noted += len(fresh)

    def note_account(self, uuid: str, password: str) -> None:
        self.note(*spellings(uuid, password))

    def note_endpoint(self, url: str) -> None:
        self.note(url.partition("://")[2].partition("/")[2].partition("?")[0])

    def note_clients(self, count: int) -> None:
        """How many were let in by the messenger's server: what shows that there was something to
        search for, and does not come from the search.
        """
        if count and any(not printed.is_command for printed in self.printed):
            self.servers_with_accounts += 1

    def watch(self, lines: Callable[[], Sequence[str]], is_over: Callable[[], bool]) -> None:
        """A server's, also those that come later, in a later test perhaps."""
        self.printed.append(Printed(lines, is_over))

    def said(self, text: Optional[str], words: Iterable[str] = ()) -> None:
        """By a command that was given these words."""
        lines = without(text or "", words).splitlines()
        self.printed.append(Printed(lambda: lines, lambda: True, is_command=True))

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
                if any(text in lower for text in self.texts):
                    found.append(line)
        return found

    def begin(self) -> None:
        """Another test's peers; servers may be the same."""
        self.texts = set()
        self.printed = [printed for printed in self.printed if not printed.is_over()]


secrecy = Secrecy()
