"""Certificates for TLS in tests, of every kind of key, signed by an authority of their own."""

import datetime
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.x509.oid import NameOID

Key = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey
Hash = hashes.SHA256 | hashes.SHA384 | hashes.SHA512 | None
DAY = datetime.timedelta(days=1)


class Authority:
    """Signs certificates by a key of any kind into files of both, certificate first. `file` holds its own."""

    def __init__(self, folder: Path, key: Key | None = None, algorithm: Hash = None, name: str = "authority") -> None:
        self._folder = folder
        self._key = key or ec.generate_private_key(ec.SECP256R1())
        self._algorithm = None if isinstance(self._key, ed25519.Ed25519PrivateKey) else (algorithm or hashes.SHA256())
        self._name = _subject(name)
        self.file = self._write(name, self._name, self._key, days=1, authority=True)

    def issue(self, *names: str, key: Key | None = None, days: int = 1, file: str = "") -> Path:
        """A certificate whose subject has these CNs, with its key behind; valid for `days`, which may lie in the
        past."""
        own = key or ec.generate_private_key(ec.SECP256R1())
        return self._write(file or names[0], _subject(*names), own, days=days, authority=False)

    def _write(self, file: str, subject: x509.Name, key: Key, *, days: int, authority: bool) -> Path:
        now = datetime.datetime.now(datetime.UTC)
        alternatives = [x509.DNSName("localhost"), x509.DNSName("*.gateway.test")]
        built = (
            x509.CertificateBuilder(self._name, subject, key.public_key(), x509.random_serial_number())
            .not_valid_before(now - 9 * DAY)
            .not_valid_after(now + days * DAY)
            .add_extension(x509.SubjectAlternativeName(alternatives), critical=False)
            .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
            .sign(self._key, self._algorithm)
        )
        form = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        path = self._folder / f"{file}.pem"
        path.touch(mode=0o600)
        path.write_bytes(
            built.public_bytes(serialization.Encoding.PEM) + key.private_bytes(serialization.Encoding.PEM, *form)
        )
        return path


def _subject(*names: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name) for name in names])
