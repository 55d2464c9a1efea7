"""The TLS context of the doors: the operator's certificate, or a self-signed one kept in the data folder."""

import datetime
import ipaddress
import os
import ssl
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from gateway.config import Config

_VALID_DAYS = 825


def make_context(config: Config) -> ssl.SSLContext:
    """TLS 1.2 or later. Raises OSError or ssl.SSLError when the operator's certificate cannot be read."""
    certificate, key = _files(config)
    if not certificate.exists() and (config.certificate is None or config.private_key is None):
        _write_self_signed(certificate, key, config.host)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_cert_chain(certificate, key)
    return context


def read_certificate(config: Config) -> bytes:
    """What the doors show, as DER, once there is a context."""
    chain = x509.load_pem_x509_certificates(_files(config)[0].read_bytes())
    return chain[0].public_bytes(serialization.Encoding.DER)


def _files(config: Config) -> tuple[Path, Path]:
    if config.certificate is not None and config.private_key is not None:
        return config.certificate, config.private_key
    return config.data / "tls" / "certificate.pem", config.data / "tls" / "key.pem"


def _write_self_signed(certificate: Path, key: Path, host: str) -> None:
    private = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "lakegate")])
    now = datetime.datetime.now(datetime.UTC)
    built = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(private.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=_VALID_DAYS))
        .add_extension(x509.SubjectAlternativeName(_alternative_names(host)), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(private, hashes.SHA256())
    )
    certificate.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    pem = private.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    with open(os.open(key, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        file.write(pem)
    certificate.write_bytes(built.public_bytes(serialization.Encoding.PEM))


def _alternative_names(host: str) -> list[x509.GeneralName]:
    names: list[x509.GeneralName] = [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
    try:
        names.append(x509.IPAddress(ipaddress.ip_address(host)))
    except ValueError:
        names.append(x509.DNSName(host))
    return names
