"""Backend keys that tell every gateway of a metastore whose they are.

A process id is the number of its gateway and a slot there: a positive int4. The secret that goes with it is

| key | bytes |
| --- | --- |
| before protocol 3.2 | 4 random ones, known to the session's gateway alone |
| of 3.2 | the gateway's name (8), a nonce (16), and a signature of these and the process id (32) |
| sealed | either, and a signature of it and the process id (32): what one gateway hands on to another |

So a key of 3.2 that is made up is known for it anywhere, and nobody but a gateway can hand a key on. Signatures are
HMAC-SHA256 with secrets that all gateways of one metastore share.

Reference: PostgreSQL protocol 3.2, "BackendKeyData", "Canceling Requests in Progress".
"""

import hmac
import secrets
import struct
from collections.abc import Callable
from dataclasses import dataclass

SHORT = 4
LONG = 8 + 16 + 32
_SIGNATURE = 32
_SLOT_BITS = 21
_SEALED = (SHORT + _SIGNATURE, LONG + _SIGNATURE)
_PID = struct.Struct(">i").pack


@dataclass(frozen=True, slots=True)
class Place:
    """Whose a key is: by the name in it, else by the number in the process id."""

    replica: str | None
    number: int


class Keyring:
    """Makes and reads keys, once it is unlocked. `replica` is the gateway's own name, `number` what the metastore has
    given it."""

    def __init__(self) -> None:
        self.replica = secrets.token_hex(8)
        self.number = 0
        self._key_secret = self._seal_secret = secrets.token_bytes(32)

    def unlock(self, derive_secret: Callable[[str], bytes]) -> None:
        """Takes the metastore's secrets, one for each purpose."""
        self._key_secret, self._seal_secret = derive_secret("backend keys"), derive_secret("sealed backend keys")

    def make_pid(self) -> int:
        """At random: a process id that is free again should not be given out again soon."""
        return self.number << _SLOT_BITS | secrets.randbelow(1 << _SLOT_BITS)

    def make_secret(self, pid: int, *, long: bool) -> bytes:
        if not long:
            return secrets.token_bytes(SHORT)
        body = bytes.fromhex(self.replica) + secrets.token_bytes(16)
        return body + _sign(self._key_secret, pid, body)

    def locate(self, pid: int, secret: bytes) -> Place | None:
        """Whose the key says that it is; None for one that no gateway has made."""
        if len(secret) == SHORT:
            return Place(None, pid >> _SLOT_BITS)
        if len(secret) != LONG or not _is_signed(self._key_secret, pid, secret):
            return None
        return Place(secret[:8].hex(), pid >> _SLOT_BITS)

    def is_own(self, place: Place) -> bool:
        return place.number == self.number if place.replica is None else place.replica == self.replica

    def seal(self, pid: int, secret: bytes) -> bytes:
        return secret + _sign(self._seal_secret, pid, secret)

    def unseal(self, pid: int, sealed: bytes) -> bytes | None:
        """The secret that another gateway has sealed; None for anything else."""
        if len(sealed) not in _SEALED or not _is_signed(self._seal_secret, pid, sealed):
            return None
        return sealed[:-_SIGNATURE]


def _sign(secret: bytes, pid: int, body: bytes) -> bytes:
    return hmac.digest(secret, _PID(pid) + body, "sha256")


def _is_signed(secret: bytes, pid: int, signed: bytes) -> bool:
    return hmac.compare_digest(_sign(secret, pid, signed[:-_SIGNATURE]), signed[-_SIGNATURE:])
