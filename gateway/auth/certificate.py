"""What certificates say: how a client binds its log-in to the server's, and whose a client's is.

References: RFC 5929 section 4.1 (tls-server-end-point); PostgreSQL's `be_tls_get_certificate_hash`.
"""

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.x509.oid import NameOID

_LONGEST_NAME = 63
_ESCAPED = frozenset(',+"\\<>;')
_SHORT_NAMES = {
    NameOID.EMAIL_ADDRESS: "emailAddress",
    NameOID.GIVEN_NAME: "GN",
    NameOID.SERIAL_NUMBER: "serialNumber",
    NameOID.STREET_ADDRESS: "street",
    NameOID.SURNAME: "SN",
    NameOID.TITLE: "title",
}
"""OpenSSL's, where they differ from RFC 4514's."""


def hash_end_point(certificate: bytes) -> bytes | None:
    """The channel binding of a server that shows this certificate (PEM, the first one counts).

    The hash is that of the certificate's own signature, SHA-256 in place of MD5 and SHA-1. None where the signature
    has none (Ed25519): RFC 5929 does not say what to bind to then, and libpq and PostgreSQL cannot either.
    """
    shown = x509.load_pem_x509_certificate(certificate)
    try:
        algorithm = shown.signature_hash_algorithm
    except UnsupportedAlgorithm:
        return None
    if algorithm is None:
        return None
    weak = isinstance(algorithm, hashes.MD5 | hashes.SHA1)
    return shown.fingerprint(hashes.SHA256() if weak else algorithm)


def describe_certificate(certificate: bytes) -> dict[str, str]:
    """What pg_stat_ssl tells of a verified certificate (DER); nothing of one that it could not show."""
    try:
        shown = x509.load_der_x509_certificate(certificate)
        names = {"client_dn": _spell(shown.subject), "issuer_dn": _spell(shown.issuer)}
        return {**names, "client_serial": str(shown.serial_number)}
    except ValueError:
        return {}


def _spell(name: x509.Name) -> str:
    """As OpenSSL writes it on one line: `X509_NAME_to_cstring` of PostgreSQL, which keeps 63 bytes."""
    spelled = "".join(
        f"/{_SHORT_NAMES.get(part.oid, part.rfc4514_attribute_name)}={_escape(str(part.value))}" for part in name
    )
    return spelled.encode()[:_LONGEST_NAME].decode(errors="ignore")


def _escape(value: str) -> str:
    escaped = "".join(f"\\{each}" if each in _ESCAPED else each for each in value)
    first = "\\" if value[:1] in ("#", " ") else ""
    return first + (escaped[:-1] + "\\ " if len(value) > 1 and value.endswith(" ") else escaped)


def read_common_name(certificate: bytes) -> str | None:
    """The subject's CN of a verified certificate (DER). None for a certificate without, with several, or with an odd
    one: it names nobody."""
    try:
        names = x509.load_der_x509_certificate(certificate).subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    except ValueError:
        return None
    if len(names) != 1 or not isinstance(names[0].value, str) or "\0" in names[0].value:
        return None
    return names[0].value
