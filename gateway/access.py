"""The access file: who is let in, from where, and by which proof. TOML in, an `Access` out.

[balancers]
trusted = ["10.0.0.0/8"]                  # these speak the PROXY protocol, version 2, and must

[tls]
channel_binding = true                    # false: a balancer in front ends TLS and begins it anew

[certificates]                            # of clients
authority = "/etc/lakegate/clients.pem"   # who has to have signed them
proof = "enough"                          # in place of a password, for the role that it names; "only": there is no
                                          # other way in; "beside": and a password, too
[certificates.roles]                      # by CN; without this table the CN is the role
"etl.example.com" = "etl"

[issuers.corporate]                       # of tokens (OpenID Connect)
url = "https://login.example.com"
audience = "lakegate"
users = ["*@example.com"]                 # names that log in by its tokens; the first issuer that fits counts
method = "oauthbearer"                    # or "password": the token is sent as the password, over TLS
claim = "email"                           # names the role
algorithms = ["RS256", "ES256"]
scope = "openid email"
skew_seconds = 60                         # between its clock and ours
keys = "https://login.example.com/keys"   # without it, what discovery says
authority = "/etc/lakegate/issuer.pem"    # without it, the system's authorities
[issuers.corporate.roles]                 # by the claim; without this table the claim is the role
"ann@example.com" = "ann"

[routing]
domain = "gateway.example"                # WORKSPACE.gateway.example, or SIZE.WORKSPACE.gateway.example, by SNI

[logins]
seconds = 60                              # that one may take
failures_per_address = 60                 # in the window
failures_per_user = 20
window_seconds = 60
"""

import ipaddress
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import Any

from gateway.auth.throttle import LoginLimits
from gateway.auth.token import ALGORITHMS, Issuer, Method
from gateway.pgwire.proxy import Network
from gateway.toml import (
    Keys,
    Unfit,
    check_flag,
    check_number,
    check_text,
    check_word,
    check_words,
    read_fields,
    read_file,
    read_part,
    read_table,
    read_tables,
    refuse_others,
)

_URL = re.compile(r"https://[^\s/?#@]+(/[^\s?#]*)?")
_DOMAIN = re.compile(r"(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)*[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")


class CertificateProof(StrEnum):
    """What a client's certificate is worth."""

    ENOUGH = "enough"
    ONLY = "only"
    BESIDE = "beside"


@dataclass(frozen=True, slots=True)
class Certificates:
    """Whose signatures count on clients' certificates, what such a one proves, and whose it is by its CN."""

    authority: Path
    proof: CertificateProof = CertificateProof.ENOUGH
    roles: Mapping[str, str] = field(default_factory=dict)

    def names(self, common_name: str | None, user: str) -> bool:
        """Whether a certificate with that CN is the user's."""
        if common_name is None:
            return False
        return (self.roles.get(common_name) if self.roles else common_name) == user


@dataclass(frozen=True, slots=True)
class Access:
    """What the access file says. `certificates` None: clients are not asked for any; `domain` None: SNI routes not."""

    balancers: tuple[Network, ...] = ()
    channel_binding: bool = True
    certificates: Certificates | None = None
    issuers: tuple[Issuer, ...] = ()
    domain: str | None = None
    logins: LoginLimits = field(default_factory=LoginLimits)

    def find_issuer(self, user: str) -> Issuer | None:
        """Whose tokens let in a user of that name, whether there is one or not."""
        return next((issuer for issuer in self.issuers if issuer.serves(user)), None)


def read_access(file: Path) -> Access:
    """Raises ValueError that names file and key, and says what to write instead."""
    return read_file(file, _build)


def _networks(value: Any) -> tuple[Network, ...]:
    try:
        return tuple(ipaddress.ip_network(word) for word in check_words(value))
    except ValueError:
        raise Unfit('a list of networks, such as ["10.0.0.0/8", "fd00::/8"]') from None


def _algorithms(value: Any) -> tuple[str, ...]:
    names = check_words(value)
    if not ALGORITHMS.issuperset(names):
        raise Unfit(f"a list of {', '.join(sorted(ALGORITHMS))}")
    return names


def _one_of(value: Any, *, kind: type[StrEnum]) -> StrEnum:
    if value not in list(kind):
        raise Unfit(" or ".join(f'"{each}"' for each in kind))
    return kind(value)


def _file(value: Any) -> Path:
    path = Path(check_word(value))
    if not path.is_file():
        raise Unfit("a file that is there")
    return path


_url = partial(check_text, form=_URL, example='an address that begins with "https://"')
_domain = partial(check_text, form=_DOMAIN, example='a domain in lower case, such as "gateway.example"')
_seconds = partial(check_number, least=0.001)
_some = partial(check_number, least=1, whole=True)

PARTS = ("balancers", "tls", "certificates", "issuers", "routing", "logins")
BALANCERS: Keys = {"trusted": ("balancers", _networks)}
TLS: Keys = {"channel_binding": ("channel_binding", check_flag)}
ROUTING: Keys = {"domain": ("domain", _domain)}
CERTIFICATES: Keys = {"authority": ("authority", _file), "proof": ("proof", partial(_one_of, kind=CertificateProof))}
ISSUER: Keys = {
    "url": ("url", _url),
    "audience": ("audience", check_word),
    "users": ("users", check_words),
    "method": ("method", partial(_one_of, kind=Method)),
    "claim": ("claim", check_word),
    "algorithms": ("algorithms", _algorithms),
    "scope": ("scope", check_word),
    "skew_seconds": ("skew_seconds", partial(check_number, least=0)),
    "keys": ("keys", _url),
    "authority": ("authority", _file),
}
NEEDED = ("url", "audience", "users")
LOGINS: Keys = {
    "seconds": ("login_seconds", _seconds),
    "failures_per_address": ("failures_per_address", _some),
    "failures_per_user": ("failures_per_user", _some),
    "window_seconds": ("window_seconds", _seconds),
}


def _build(content: Mapping[str, Any]) -> Access:
    refuse_others(content, PARTS, "")
    return Access(
        **read_part(content, "balancers", BALANCERS),
        **read_part(content, "tls", TLS),
        certificates=_certificates(content),
        issuers=tuple(_issuer(name, table) for name, table in read_tables(content, "issuers")),
        **read_part(content, "routing", ROUTING),
        logins=LoginLimits(**read_part(content, "logins", LOGINS)),
    )


def _certificates(content: Mapping[str, Any]) -> Certificates | None:
    if "certificates" not in content:
        return None
    table = read_table(content["certificates"], "certificates")
    refuse_others(table, (*CERTIFICATES, "roles"), "certificates.")
    if "authority" not in table:
        raise ValueError("certificates.authority: is missing; write the file of those who sign clients' certificates")
    return Certificates(**read_fields(table, CERTIFICATES, "certificates"), roles=_roles(table, "certificates"))


def _issuer(name: str, table: Mapping[str, Any]) -> Issuer:
    where = f"issuers.{name}"
    refuse_others(table, (*ISSUER, "roles"), f"{where}.")
    for key in NEEDED:
        if key not in table:
            raise ValueError(f"{where}.{key}: is missing")
    return Issuer(name, **read_fields(table, ISSUER, where), roles=_roles(table, where))


def _roles(table: Mapping[str, Any], where: str) -> Mapping[str, str]:
    """Roles by what proves them."""
    roles = read_table(table.get("roles", {}), f"{where}.roles")
    return read_fields(roles, {key: (key, check_word) for key in roles}, f"{where}.roles")
