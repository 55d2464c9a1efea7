"""What certificates say: the hash that a log-in binds to, against libpq's own; and whose a client's is."""

from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from gateway.auth.certificate import hash_end_point, read_common_name
from tests.certificates import Authority, Hash, Key


def der(path: Path) -> bytes:
    return x509.load_pem_x509_certificate(path.read_bytes()).public_bytes(serialization.Encoding.DER)


@pytest.mark.parametrize(
    ("key", "algorithm", "expected"),
    [
        (rsa.generate_private_key(public_exponent=65537, key_size=2048), hashes.SHA256(), hashes.SHA256()),
        (rsa.generate_private_key(public_exponent=65537, key_size=2048), hashes.SHA512(), hashes.SHA512()),
        (ec.generate_private_key(ec.SECP384R1()), hashes.SHA384(), hashes.SHA384()),
        (ed25519.Ed25519PrivateKey.generate(), None, None),
    ],
    ids=["rsa", "rsa-sha512", "ecdsa", "ed25519"],
)
def test_the_hash_is_that_of_the_signature(tmp_path: Path, key: Key, algorithm: Hash, expected: Hash) -> None:
    pair = Authority(tmp_path, key, algorithm).issue("localhost")
    digest = None
    if expected is not None:
        hasher = hashes.Hash(expected)
        hasher.update(der(pair))
        digest = hasher.finalize()
    assert hash_end_point(pair.read_bytes()) == digest


@pytest.mark.parametrize(
    ("names", "read"), [(["ann"], "ann"), (["ann", "bob"], None), (["Ännchen"], "Ännchen"), (["a\0b"], None)]
)
def test_whose_it_is(tmp_path: Path, names: list[str], read: str | None) -> None:
    pair = Authority(tmp_path).issue(*names, file="client")
    assert read_common_name(der(pair)) == read


@pytest.mark.parametrize("content", [b"", b"0\x82", b"no certificate"])
def test_what_is_no_certificate_names_nobody(content: bytes) -> None:
    assert read_common_name(content) is None
