"""Pictures: the QR code in one (zbarimg), and the colours of a PNG."""

import struct
import subprocess
import zlib
from pathlib import Path
from typing import Callable, Iterator, Union

CHANNELS = {2: 3, 6: 4}  # by PNG's colour type: RGB, RGBA
Colour = tuple[int, int, int]


def code_in(picture: Union[Path, bytes]) -> str:
    """The text of the one QR code in the picture."""
    given = picture if isinstance(picture, bytes) else picture.read_bytes()
    done = subprocess.run(
        ["zbarimg", "--quiet", "--raw", "-Sdisable", "-Sqrcode.enable", "-"],
        input=given,
        capture_output=True,
        timeout=30,
    )
    assert done.returncode == 0, f"no code found: {done.stderr.decode(errors='replace')}"
    text = done.stdout.decode()
    assert text.endswith("\n") and text.count("\n") == 1, text
    return text[:-1]


def chunks_of(png: bytes) -> Iterator[tuple[bytes, bytes]]:
    at = 8
    while at < len(png):
        length, kind = struct.unpack_from(">I4s", png, at)
        yield kind, png[at + 8 : at + 8 + length]
        at += length + 12


def paeth(left: int, up: int, corner: int) -> int:
    estimate = left + up - corner
    return min((left, up, corner), key=lambda value: abs(estimate - value))


# By a line's filter: what is expected of a byte, by those to the left, above, and above that one
GUESSES: list[Callable[[int, int, int], int]] = [
    lambda left, up, corner: 0,
    lambda left, up, corner: left,
    lambda left, up, corner: up,
    lambda left, up, corner: (left + up) // 2,
    paeth,
]


def unfiltered(kind: int, line: bytes, above: bytes, step: int) -> bytes:
    """PNG (ISO 15948) section 9: a byte stands as what it differs by from its guess."""
    guess = GUESSES[kind]
    whole = bytearray(step)  # the pixel left of the first one
    for byte, up, corner in zip(line, above, bytes(step) + above):
        whole.append((byte + guess(whole[-step], up, corner)) & 0xFF)
    return bytes(whole[step:])


def colours_in(file: Path, inset: int) -> set[Colour]:
    """Of a PNG as browsers write it, without the outermost `inset` pixels."""
    png = file.read_bytes()
    chunks = list(chunks_of(png))
    width, height, depth, kind, _, _, interlaced = struct.unpack(">IIBBBBB", chunks[0][1])
    assert depth == 8 and kind in CHANNELS and not interlaced, (depth, kind, interlaced)
    step = CHANNELS[kind]
    data = zlib.decompress(b"".join(content for name, content in chunks if name == b"IDAT"))
    size = width * step + 1
    found: set[Colour] = set()
    line = bytes(size - 1)
    for row in range(height):
        start = row * size
        line = unfiltered(data[start], data[start + 1 : start + size], line, step)
        if inset <= row < height - inset:
            inner = line[inset * step : (width - inset) * step]
            found |= set(zip(inner[0::step], inner[1::step], inner[2::step]))
    return found
