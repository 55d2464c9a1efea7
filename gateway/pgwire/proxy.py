"""The PROXY protocol, version 2: what a balancer says of its client before the client's first byte. No I/O.

Only a balancer that the operator trusts may say it, and such a one has to: whether a header comes is never guessed.
Version 1, a line of text, is refused, and so is what is not TCP. The header's extensions are checked for their form and
passed over: that a client spoke TLS to the balancer proves nothing here.

Reference: "The PROXY protocol, versions 1 & 2", section 2.2 (HAProxy).
"""

import ipaddress
from collections.abc import Iterable

from catalog.errors import ProtocolViolation

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Address = tuple[str, int]

SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"
LONGEST = 4096
"""Bytes of addresses and extensions. Balancers send some hundred; the field could announce 65,535."""

_FIXED = 16
_LOCAL, _PROXY = 0x20, 0x21
_UNKNOWN, _TCP4, _TCP6 = 0x00, 0x11, 0x21
_FAMILIES = {_UNKNOWN: 0, _TCP4: 4, _TCP6: 16}
"""Bytes of one address, by the family's code."""
_OLD = b"PROXY "


def trusts(networks: Iterable[Network], address: str) -> bool:
    """Whether an address, as a socket gives it, lies in one of these networks."""
    found = ipaddress.ip_address(address)
    mapped = found.ipv4_mapped if isinstance(found, ipaddress.IPv6Address) else None
    return any((mapped or found) in network for network in networks)


def resembles_header(content: bytes) -> bool:
    """Whether a start-up packet that makes no sense is such a header, of either version."""
    return content.startswith((SIGNATURE[:8], _OLD))


class Preface:
    """Reads one header. `source` is the client's true address, None where the balancer speaks for itself."""

    def __init__(self) -> None:
        self.source: Address | None = None
        self.whole = False
        self._received = b""

    def receive(self, data: bytes) -> bytes:
        """Takes what came; returns the client's first bytes, which follow the header. Raises ProtocolViolation."""
        self._received += data
        size = self._measure()
        if size is None or len(self._received) < size:
            return b""
        header, rest = self._received[:size], self._received[size:]
        self._read(header)
        self.whole, self._received = True, b""
        return rest

    def _measure(self) -> int | None:
        """How long the header is; None while that has not come. What cannot be one is refused at its first byte."""
        received = self._received
        if received[: len(SIGNATURE)] != SIGNATURE[: len(received)]:
            if received.startswith(_OLD[: len(received)]):
                raise _refusal("version 1 of the PROXY protocol is not accepted", "Let the balancer send version 2.")
            raise _refusal(
                "expected a PROXY protocol header",
                "This address is trusted as a balancer's, which must send one: version 2, before all else.",
            )
        if len(received) < _FIXED:
            return None
        length = int.from_bytes(received[_FIXED - 2 : _FIXED], "big")
        if length > LONGEST:
            raise _refusal(f"a PROXY protocol header of {length} bytes is too long: {LONGEST} at most")
        return _FIXED + length

    def _read(self, header: bytes) -> None:
        command, family = header[12], header[13]
        if command == _LOCAL:
            return
        if command != _PROXY:
            raise _refusal(f"PROXY protocol version and command {command:#04x} are not known")
        if family not in _FAMILIES:
            raise _refusal(f"PROXY protocol family {family:#04x} is not TCP over IPv4 or IPv6")
        size = _FAMILIES[family]
        ports = _FIXED + 2 * size
        end = ports + (4 if size else 0)
        if len(header) < end:
            raise _refusal("a PROXY protocol header is too short for its addresses")
        if size:
            address = ipaddress.ip_address(header[_FIXED : _FIXED + size])
            self.source = str(address), int.from_bytes(header[ports : ports + 2], "big")
        _check_extensions(header, end)


def _check_extensions(header: bytes, at: int) -> None:
    """Each is a type, two bytes of length, and so many bytes; the last ends where the header does."""
    while at + 3 <= len(header):
        at += 3 + int.from_bytes(header[at + 1 : at + 3], "big")
    if at != len(header):
        raise _refusal("an extension of a PROXY protocol header is cut off")


def _refusal(message: str, hint: str | None = None) -> ProtocolViolation:
    return ProtocolViolation(message, hint=hint)
