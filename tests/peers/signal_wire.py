"""Signal's resource protocol and its envelope as bytes (signal.md 2.1 and 3), for the strict
server.

A protobuf reader and writer of our own: what is malformed must be seen as such, and what a
server may send in odd ways (field order, unknown fields) must be possible to send.
"""

import dataclasses
from typing import Iterable, Iterator, Optional, Sequence, Union

REQUEST, RESPONSE = 1, 2
VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5

Value = Union[int, bytes]
Field = tuple[int, Value]


class Malformed(Exception):
    """The chat server would close with 1007."""


def varint(value: int) -> bytes:
    encoded = bytearray()
    while value > 0x7F:
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    encoded.append(value)
    return bytes(encoded)


def field(number: int, value: Union[int, bytes, str]) -> bytes:
    """A varint for a number, a length-delimited field for anything else."""
    if isinstance(value, int):
        return varint(number << 3 | VARINT) + varint(value)
    if isinstance(value, str):
        value = value.encode()
    return varint(number << 3 | BYTES) + varint(len(value)) + value


def message(
    fields: Iterable[tuple[int, Union[int, bytes, str]]],
    order: Union[None, str, Sequence[int]] = None,
) -> bytes:
    """In ascending order as the server does it, "reversed", or with these field numbers first."""
    fields = sorted(fields, key=lambda entry: entry[0])
    if order == "reversed":
        fields.reverse()
    elif order:
        places = {number: place for place, number in enumerate(order)}
        fields.sort(key=lambda entry: places.get(entry[0], len(places)))
    return b"".join(field(number, value) for number, value in fields)


def read_varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        if at >= len(data) or shift > 63:
            raise Malformed("a number ends early or is too long")
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            return value & 0xFFFFFFFFFFFFFFFF, at


def read_fields(data: bytes) -> Iterator[Field]:
    at = 0
    while at < len(data):
        key, at = read_varint(data, at)
        number, wire = key >> 3, key & 7
        if number == 0:
            raise Malformed("field 0")
        if wire == VARINT:
            value, at = read_varint(data, at)
            yield number, value
            continue
        if wire == BYTES:
            length, at = read_varint(data, at)
        elif wire in (FIXED64, FIXED32):
            length = 8 if wire == FIXED64 else 4
        else:
            raise Malformed(f"wire type {wire}")
        if length > len(data) - at:
            raise Malformed("a field ends early")
        yield number, data[at : at + length]
        at += length


def collect(data: bytes) -> dict[int, list[Value]]:
    fields: dict[int, list[Value]] = {}
    for number, value in read_fields(data):
        fields.setdefault(number, []).append(value)
    return fields


def last_number(fields: dict[int, list[Value]], number: int) -> Optional[int]:
    values = [value for value in fields.get(number, []) if isinstance(value, int)]
    return values[-1] if values else None


def last_bytes(fields: dict[int, list[Value]], number: int) -> Optional[bytes]:
    values = [value for value in fields.get(number, []) if isinstance(value, bytes)]
    return values[-1] if values else None


def merged(fields: dict[int, list[Value]], number: int) -> Optional[bytes]:
    """A sub-message that occurs twice is merged, which is what joining its bytes comes to."""
    values = [value for value in fields.get(number, []) if isinstance(value, bytes)]
    return b"".join(values) if values else None


@dataclasses.dataclass
class ClientRequest:
    verb: str
    path: str
    id: Optional[int]
    headers: dict[str, str]


@dataclasses.dataclass
class ClientResponse:
    id: int
    status: int


def read_client_message(data: bytes) -> Union[ClientRequest, ClientResponse]:
    """What the server accepts from a client (signal-measured.md 2); Malformed otherwise."""
    fields = collect(data)
    kind = last_number(fields, 1)
    if kind == REQUEST:
        return read_request(merged(fields, 2))
    if kind == RESPONSE:
        return read_response(merged(fields, 3))
    raise Malformed(f"type {kind}")


def read_request(data: Optional[bytes]) -> ClientRequest:
    if data is None:
        raise Malformed("a request without its sub-message")
    fields = collect(data)
    verb, path = last_bytes(fields, 1), last_bytes(fields, 2)
    if verb is None or path is None:
        raise Malformed("a request without verb or path")
    headers = {}
    for value in fields.get(5, []):
        parts = value.decode(errors="replace").split(":") if isinstance(value, bytes) else []
        if len(parts) == 2:
            headers[parts[0].strip().lower()] = parts[1].strip()
    return ClientRequest(
        verb.decode(errors="replace"),
        path.decode(errors="replace"),
        last_number(fields, 4),
        headers,
    )


def read_response(data: Optional[bytes]) -> ClientResponse:
    if data is None:
        raise Malformed("a response without its sub-message")
    fields = collect(data)
    id, status = last_number(fields, 1), last_number(fields, 2)
    if id is None or status is None or last_bytes(fields, 3) is None:
        raise Malformed("a response without id, status or message")
    return ClientResponse(id, status & 0xFFFFFFFF)


def server_request(
    verb: str,
    path: str,
    id: int,
    headers: Sequence[str],
    body: Optional[bytes],
    order: Union[None, str, Sequence[int]] = None,
    extra: Iterable[Field] = (),
) -> bytes:
    fields: list = [(1, verb), (2, path), (4, id), *((5, header) for header in headers), *extra]
    if body is not None:
        fields.append((3, body))
    return message([(1, REQUEST), (2, message(fields, order))], order)


def server_response(
    id: int, status: int, reason: str, headers: Sequence[str], body: Optional[bytes] = None
) -> bytes:
    fields: list = [(1, id), (2, status), (3, reason), *((5, header) for header in headers)]
    if body is not None:
        fields.append((4, body))
    return message([(1, RESPONSE), (3, message(fields))])


def envelope(
    *,
    type: int,
    urgent: Optional[bool],
    timestamp: int,
    guid: bytes,
    destination: bytes,
    content: Optional[bytes],
    source: Optional[bytes] = None,
    source_device: Optional[int] = None,
    story: bool = False,
    extra: Iterable[Field] = (),
    order: Union[None, str, Sequence[int]] = None,
) -> bytes:
    """As the server has sent it since June 2026: binary ids in fields 19 to 21, no string ids."""
    fields: list = [
        (1, type),
        (5, timestamp),
        (10, timestamp),
        (20, destination),
        (21, guid),
        *extra,
    ]
    if content is not None:
        fields.append((8, content))
    if urgent is not None:
        fields.append((14, int(urgent)))
    if source is not None:
        fields.append((19, source))
    if source_device is not None:
        fields.append((7, source_device))
    if story:
        fields.append((16, 1))
    return message(fields, order)
