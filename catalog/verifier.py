"""SCRAM-SHA-256 verifiers: what is stored of a password, in PostgreSQL's own format.

``SCRAM-SHA-256$<iterations>:<salt>$<StoredKey>:<ServerKey>`` (salt and keys in base64). Neither the password nor what
a client proves it with can be computed from it.

References: RFC 5802 section 3, RFC 7677, RFC 4013 (SASLprep); PostgreSQL `pg_authid.rolpassword`.
"""

import base64
import hashlib
import hmac
import re
import secrets
import stringprep
import unicodedata

ITERATIONS = 4096
_SALT_BYTES = 16
_VERIFIER = re.compile(r"SCRAM-SHA-256\$[1-9]\d{0,8}:[A-Za-z0-9+/=]+\$[A-Za-z0-9+/]{43}=:[A-Za-z0-9+/]{43}=")
_PROHIBITED = (
    stringprep.in_table_c12,
    stringprep.in_table_c21_c22,
    stringprep.in_table_c3,
    stringprep.in_table_c4,
    stringprep.in_table_c5,
    stringprep.in_table_c6,
    stringprep.in_table_c7,
    stringprep.in_table_c8,
    stringprep.in_table_c9,
    stringprep.in_table_a1,
)


def is_verifier(password: str) -> bool:
    """Whether this is a ready verifier and no plain password, judged as PostgreSQL does."""
    return _VERIFIER.fullmatch(password) is not None


def read_salt(verifier: str) -> tuple[int, bytes]:
    """Iterations and salt, which a server tells whoever wants to log in."""
    _, counts, _ = verifier.split("$")
    iterations, _, salt = counts.partition(":")
    return int(iterations), base64.b64decode(salt)


def derive_salt(principal: str, secret: bytes) -> bytes:
    """The salt of a principal, there or not: without `secret` it cannot be told from a random one."""
    return hmac.digest(secret, b"salt:" + principal.encode(), "sha256")[:_SALT_BYTES]


def build_verifier(password: str, *, salt: bytes | None = None, iterations: int = ITERATIONS) -> str:
    """The verifier of a plain password, under a fresh random salt. Takes about a millisecond."""
    salt = secrets.token_bytes(_SALT_BYTES) if salt is None else salt
    salted = hashlib.pbkdf2_hmac("sha256", prepare_password(password).encode(), salt, iterations)
    stored_key = hashlib.sha256(hmac.digest(salted, b"Client Key", "sha256")).digest()
    server_key = hmac.digest(salted, b"Server Key", "sha256")
    return f"SCRAM-SHA-256${iterations}:{_encode(salt)}${_encode(stored_key)}:{_encode(server_key)}"


def prepare_password(password: str) -> str:
    """SASLprep. A password that it forbids is used as it is, which is what PostgreSQL and its clients do."""
    if password.isascii():
        return password
    prepared = unicodedata.normalize("NFKC", "".join(map(_map, password)))
    return password if not prepared or _is_prohibited(prepared) else prepared


def _map(character: str) -> str:
    if stringprep.in_table_c12(character):
        return " "
    return "" if stringprep.in_table_b1(character) else character


def _is_prohibited(text: str) -> bool:
    if any(prohibited(character) for character in text for prohibited in _PROHIBITED):
        return True
    if not any(map(stringprep.in_table_d1, text)):
        return False
    # RFC 3454 section 6: right-to-left text starts and ends so, and holds nothing that runs left to right.
    one_way = stringprep.in_table_d1(text[0]) and stringprep.in_table_d1(text[-1])
    return not one_way or any(map(stringprep.in_table_d2, text))


def _encode(raw: bytes) -> str:
    return base64.b64encode(raw).decode()
