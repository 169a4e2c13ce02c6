"""Reads a QR code off a terminal: half blocks to pixels, pixels to text."""

import re

from lib.picture import code_in

BLOCKS = {" ": (0, 0), "\u2580": (1, 0), "\u2584": (0, 1), "\u2588": (1, 1)}  # upper, lower
COLOURS = "\033[38;5;16;48;5;231m"  # black on white, whatever the terminal's scheme
PLAIN = "\033[0m"
SCALE = 6


def rows_of(output: str) -> list[list[int]]:
    """1 is dark. Two rows for each line that carries the colours."""
    rows: list[list[int]] = []
    for line in output.split("\n"):
        if not line.startswith(COLOURS):
            continue
        assert line.endswith(PLAIN), line
        pairs = [BLOCKS[character] for character in line[len(COLOURS) : -len(PLAIN)]]
        rows += [[upper for upper, _ in pairs], [lower for _, lower in pairs]]
    assert rows, output
    return rows


def to_pgm(rows: list[list[int]]) -> bytes:
    pixels = b"".join(
        bytes(0 if module else 255 for module in row for _ in range(SCALE)) * SCALE for row in rows
    )
    return b"P5 %d %d 255\n" % (len(rows[0]) * SCALE, len(rows) * SCALE) + pixels


def decode(output: str) -> str:
    return code_in(to_pgm(rows_of(output)))


def text_of(output: str) -> list[str]:
    """The lines around the code."""
    return [line for line in re.sub(r"\033\[.*?\033\[0m\n", "", output).split("\n") if line]
