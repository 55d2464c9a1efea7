"""SCRAM-SHA-256, bound to TLS (-PLUS) or not: the verifier that is stored, the server's side, and the client's.

The server holds no password. It keeps a verifier in PostgreSQL's format, from which the password cannot be had and with
which one cannot log in. For a user that does not exist the same exchange is run on a made-up verifier, so that neither
the messages nor the time tell which users there are.

With -PLUS the client proves, too, that it sees the certificate that this server shows: nobody stands between. A client
that could bind but thinks that the server can't ("y") is refused where it can: somebody has cut the offer out.

References: RFC 5802, 5929 and 7677; PostgreSQL's `auth-scram.c` for the texts of the errors.
"""

import base64
import binascii
import hashlib
import hmac
import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from catalog.errors import InvalidAuthorizationSpecification, InvalidPassword, ProtocolViolation, SqlError
from catalog.verifier import ITERATIONS, derive_salt, prepare_password
from gateway.auth.exchange import Continue, Failure, Step, Success

MECHANISM = "SCRAM-SHA-256"
BOUND_MECHANISM = "SCRAM-SHA-256-PLUS"
MAX_ITERATIONS = 1_000_000
"""The most rounds that a server may ask of our client: more would only burn time."""

_NONCE_SIZE = 18
_KEY_SIZE = 32
_END_POINT = b"p=tls-server-end-point"
_FIRST = re.compile(rb"([^,]+),,(n=([^,]*),r=([!-+\--~]+)(?:,[A-Za-z]=[^,]+)*)")
_FINAL = re.compile(rb"(c=([A-Za-z0-9+/=]+),r=([!-+\--~]+)(?:,[A-Za-z]=[^,]+)*),p=([A-Za-z0-9+/=]+)")
_CHALLENGE = re.compile(rb"r=([!-+\--~]+),s=([A-Za-z0-9+/=]+),i=([0-9]{1,9})(?:,[A-Za-z]=[^,]+)*")
_VERIFIER = re.compile(r"SCRAM-SHA-256\$([0-9]{1,9}):([A-Za-z0-9+/=]+)\$([A-Za-z0-9+/=]+):([A-Za-z0-9+/=]+)")


@dataclass(frozen=True, slots=True, repr=False)
class Verifier:
    """What the server keeps of a password."""

    iterations: int
    salt: bytes
    stored_key: bytes
    server_key: bytes

    @classmethod
    def parse(cls, text: str) -> "Verifier":
        """Reads ``SCRAM-SHA-256$iterations:salt$StoredKey:ServerKey``. Raises ValueError for anything else."""
        match = _VERIFIER.fullmatch(text)
        if match is None:
            raise ValueError("not a SCRAM-SHA-256 verifier")
        salt, stored_key, server_key = (base64.b64decode(part, validate=True) for part in match.groups()[1:])
        if len(stored_key) != _KEY_SIZE or len(server_key) != _KEY_SIZE or not salt or int(match[1]) < 1:
            raise ValueError("not a SCRAM-SHA-256 verifier")
        return cls(int(match[1]), salt, stored_key, server_key)

    def __str__(self) -> str:
        salt, stored_key, server_key = map(_encode, (self.salt, self.stored_key, self.server_key))
        return f"{MECHANISM}${self.iterations}:{salt}${stored_key}:{server_key}"


def find_secret(password: str, verifiers: Sequence[Verifier]) -> int | None:
    """Which of these, under one salt, a password in the clear is of. Takes a millisecond or more: call it in a
    thread."""
    salted = _salt(prepare_password(password).encode(), verifiers[0].salt, verifiers[0].iterations)
    stored_key = hashlib.sha256(_hmac(salted, b"Client Key")).digest()
    matches = [hmac.compare_digest(stored_key, verifier.stored_key) for verifier in verifiers]
    return matches.index(True) if any(matches) else None


def mock_verifier(user: str, secret: bytes) -> Verifier:
    """A verifier that no password fits, for a user that does not exist.

    Its salt is the same at each try, as a real one's would be; `secret` is the server's own and must outlive a restart
    for that. The keys cannot be met, as nobody knows what hashes to them.
    """
    return Verifier(
        ITERATIONS, derive_salt(user, secret), secrets.token_bytes(_KEY_SIZE), secrets.token_bytes(_KEY_SIZE)
    )


class ScramServer:
    """The server's side of one log-in: client-first, challenge, client-final, signature."""

    def __init__(
        self,
        user: str,
        verifiers: Sequence[Verifier],
        *,
        end_point: bytes | None = None,
        bound: bool = False,
        nonce: str | None = None,
    ) -> None:
        """`verifiers`, one or more under one salt, are of what the client may know; Success tells of which it was.

        `end_point` is the hash of the certificate that was shown where -PLUS is on offer; `bound` says that this is it.
        `nonce` is random but in tests. The name inside the messages is ignored, as PostgreSQL does.
        """
        self._user = user
        self._verifiers = verifiers
        self._end_point = end_point
        self._bound = bound
        self._nonce = (_new_nonce() if nonce is None else nonce).encode()
        self._binding = b""
        self._transcript = b""

    def exchange(self, content: bytes) -> Step:
        """Takes both messages of the client in turn. A first call without content asks for the first message."""
        try:
            if not self._transcript:
                return Continue(self._challenge(content) if content else b"")
            return self._check(content)
        except SqlError as error:
            return Failure(error)

    def _challenge(self, first: bytes) -> bytes:
        match = _FIRST.fullmatch(first)
        if match is None:
            raise _malformed("The message is not a client-first-message.")
        flag, bare, _, client_nonce = match.groups()
        self._binding = self._bind(flag)
        self._nonce = client_nonce + self._nonce
        salt = _encode(self._verifiers[0].salt).encode()
        challenge = b"r=%b,s=%b,i=%d" % (self._nonce, salt, self._verifiers[0].iterations)
        self._transcript = bare + b"," + challenge
        return challenge

    def _bind(self, flag: bytes) -> bytes:
        """What the last message has to repeat of the channel, by the flag of the first."""
        if flag not in (b"n", b"y") and not flag.startswith(b"p="):
            raise _malformed(f'Unexpected channel-binding flag "{flag[:1].decode("ascii", "replace")}".')
        if self._bound != flag.startswith(b"p="):
            chosen, told = (BOUND_MECHANISM, "does not include") if self._bound else (MECHANISM, "includes")
            without = "" if self._bound else " without channel binding"
            raise _malformed(
                f"The client selected {chosen}{without}, but the SCRAM message {told} channel binding data."
            )
        if flag == b"y" and self._end_point is not None:
            raise InvalidAuthorizationSpecification(
                "SCRAM channel binding negotiation error",
                detail="The client supports SCRAM channel binding but thinks the server does not.  "
                "However, this server does support channel binding.",
            )
        if self._bound and flag != _END_POINT:
            kind = flag[2:].decode("ascii", "replace")
            raise ProtocolViolation(f'unsupported SCRAM channel-binding type "{kind[:30]}"')
        return base64.b64encode(flag + b",," + ((self._end_point or b"") if self._bound else b""))

    def _check(self, final: bytes) -> Step:
        match = _FINAL.fullmatch(final)
        if match is None:
            raise _malformed("The message is not a client-final-message.")
        without_proof, binding, nonce, proof = match.groups()
        if not hmac.compare_digest(nonce, self._nonce):
            raise ProtocolViolation("invalid SCRAM response", detail="Nonce does not match.")
        if self._bound and not hmac.compare_digest(binding, self._binding):
            raise InvalidAuthorizationSpecification("SCRAM channel binding check failed")
        if binding != self._binding:
            raise ProtocolViolation("unexpected SCRAM channel-binding attribute in client-final-message")
        transcript = self._transcript + b"," + without_proof
        shown = _decode(proof)
        for number, verifier in enumerate(self._verifiers):
            client_key = _xor(shown, _hmac(verifier.stored_key, transcript))
            if hmac.compare_digest(hashlib.sha256(client_key).digest(), verifier.stored_key):
                return Success(b"v=" + _encode(_hmac(verifier.server_key, transcript)).encode(), number)
        return Failure(InvalidPassword(f'password authentication failed for user "{self._user}"'))


class ScramClient:
    """The client's side, for a PostgreSQL server that asks for it."""

    def __init__(self, password: str, *, nonce: str | None = None, user: str = "") -> None:
        """`nonce` is random but in tests; `user` is empty for PostgreSQL, which knows it from the start-up message."""
        self._password = password
        self._bare = b"n=%b,r=%b" % (user.encode(), (_new_nonce() if nonce is None else nonce).encode())
        self._signature = b""

    def exchange(self, content: bytes) -> Step:
        """Without content, the first message; then the answers to the challenge and to the signature."""
        if not content and not self._signature:
            return Continue(b"n,," + self._bare)
        try:
            return self._verify(content) if self._signature else Continue(self._prove(content))
        except ProtocolViolation as error:
            return Failure(error)

    def _prove(self, challenge: bytes) -> bytes:
        match = _CHALLENGE.fullmatch(challenge)
        if match is None or not match[1].startswith(self._bare.rpartition(b"r=")[2]):
            raise _malformed("The message is not a server-first-message to ours.")
        iterations = int(match[3])
        if not 1 <= iterations <= MAX_ITERATIONS:
            raise _malformed(f"The server asks for {iterations} iterations.")
        without_proof = b"c=biws,r=" + match[1]
        transcript = b",".join((self._bare, challenge, without_proof))
        salted = _salt_own(self._password, _decode(match[2]), iterations)
        client_key = _hmac(salted, b"Client Key")
        proof = _xor(client_key, _hmac(hashlib.sha256(client_key).digest(), transcript))
        self._signature = b"v=" + _encode(_hmac(_hmac(salted, b"Server Key"), transcript)).encode()
        return without_proof + b",p=" + _encode(proof).encode()

    def _verify(self, signature: bytes) -> Step:
        if hmac.compare_digest(signature, self._signature):
            return Success()
        return Failure(InvalidPassword("the server does not know the password: its SCRAM signature is wrong"))


def _malformed(detail: str) -> ProtocolViolation:
    return ProtocolViolation("malformed SCRAM message", detail=detail)


@lru_cache(maxsize=64)
def _salt_own(password: str, salt: bytes, iterations: int) -> bytes:
    """A client's salted password, kept while the server asks for it again, as RFC 5802 (section 3) allows: it takes
    longer than all the rest of a log-in."""
    return _salt(prepare_password(password).encode(), salt, iterations)


def _salt(password: bytes, salt: bytes, iterations: int) -> bytes:
    return hashlib.pbkdf2_hmac("sha256", password, salt, iterations)


def _hmac(key: bytes, content: bytes) -> bytes:
    return hmac.digest(key, content, "sha256")


def _xor(left: bytes, right: bytes) -> bytes:
    if len(left) != len(right):
        raise _malformed("Malformed proof in client-final-message.")
    return bytes(a ^ b for a, b in zip(left, right, strict=True))


def _new_nonce() -> str:
    return secrets.token_urlsafe(_NONCE_SIZE)


def _encode(content: bytes) -> str:
    return base64.b64encode(content).decode()


def _decode(content: bytes) -> bytes:
    try:
        return base64.b64decode(content, validate=True)
    except binascii.Error:
        raise _malformed("A value is not base64.") from None
