"""Backend keys: what is made is known again anywhere, and nothing else is."""

import pytest

from gateway.keys import LONG, SHORT, Keyring, Place


def make_keyring(number: int, account: bytes = b"account") -> Keyring:
    keyring = Keyring()
    keyring.number = number
    keyring.unlock(lambda purpose: account + purpose.encode())
    return keyring


@pytest.mark.parametrize("number", [2, 1023])
def test_a_process_id_is_a_positive_int4_that_holds_the_number(number: int) -> None:
    keyring = make_keyring(number)
    for _ in range(100):
        pid = keyring.make_pid()
        assert 2**22 <= pid < 2**31
        assert keyring.locate(pid, bytes(SHORT)) == Place(None, number)


def test_every_gateway_of_the_account_reads_a_signed_key() -> None:
    keyring, other = make_keyring(2), make_keyring(3)
    pid = keyring.make_pid()
    secret = keyring.make_secret(pid, long=True)
    assert len(secret) == LONG <= 256
    assert other.locate(pid, secret) == Place(keyring.replica, 2)
    assert keyring.is_own(Place(keyring.replica, 3))
    assert not other.is_own(Place(keyring.replica, 3))


def test_what_is_not_signed_as_it_stands_is_nobodys() -> None:
    keyring = make_keyring(2)
    pid = keyring.make_pid()
    secret = keyring.make_secret(pid, long=True)
    assert keyring.locate(pid + 1, secret) is None
    assert make_keyring(2, b"another account").locate(pid, secret) is None
    for place in range(LONG):
        forged = bytes([*secret[:place], secret[place] ^ 1, *secret[place + 1 :]])
        assert keyring.locate(pid, forged) is None
    for length in {*range(257)} - {SHORT, LONG}:
        assert keyring.locate(pid, bytes(length)) is None


@pytest.mark.parametrize("long", [False, True])
def test_a_sealed_key_is_opened_by_gateways_only(long: bool) -> None:
    keyring, other = make_keyring(2), make_keyring(3)
    pid = keyring.make_pid()
    secret = keyring.make_secret(pid, long=long)
    sealed = other.seal(pid, secret)
    assert keyring.unseal(pid, sealed) == secret
    assert keyring.unseal(pid + 1, sealed) is None
    assert keyring.locate(pid, sealed) is None
    assert make_keyring(2, b"another account").unseal(pid, sealed) is None
    assert keyring.unseal(pid, secret) is None
    assert keyring.unseal(pid, sealed[:-1] + bytes([sealed[-1] ^ 1])) is None
