"""What one try shows for good, whatever a second one says: `tests/e2e/run` names the file that it
is written to.
"""

import os


def note(what: str) -> None:
    if path := os.environ.get("UNFORGIVABLE"):
        with open(path, "a") as file:
            file.write(what + "\n")
