"""SASLprep of passwords, as PostgreSQL does it: what cannot be prepared is used as it is.

References: RFC 4013 (the profile), RFC 3454 (the tables), PostgreSQL's `saslprep.c` (the deviation).
"""

import stringprep
import unicodedata

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


def prepare(password: str) -> bytes:
    """The bytes that take part in SCRAM for this password."""
    if password.isascii():
        return password.encode()
    prepared = unicodedata.normalize("NFKC", "".join(map(_map, password)))
    if not prepared or _is_prohibited(prepared):
        return password.encode()
    return prepared.encode()


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
