"""The access file: what each key does, and what is said of a wrong one."""

import ipaddress
from pathlib import Path

import pytest
from click.testing import CliRunner

from gateway.access import Access, CertificateProof, Certificates, read_access
from gateway.auth.throttle import LoginLimits
from gateway.auth.token import Issuer, Method
from gateway.cli import main

ISSUER = '[issuers.a]\nurl = "https://a.example/tenant"\naudience = "lakegate"\nusers = ["*@a.example"]\n'


def read(folder: Path, text: str) -> Access:
    file = folder / "access.toml"
    file.write_text(text)
    return read_access(file)


def test_an_empty_file_changes_nothing(tmp_path: Path) -> None:
    assert read(tmp_path, "") == Access()


def test_every_key(tmp_path: Path) -> None:
    authority = tmp_path / "authority.pem"
    authority.touch()
    text = f"""
        [balancers]
        trusted = ["10.0.0.0/8", "fd00::/8"]
        [tls]
        channel_binding = false
        [certificates]
        authority = "{authority}"
        proof = "beside"
        roles = {{ "etl.example.com" = "etl" }}
        {ISSUER}
        method = "password"
        claim = "email"
        algorithms = ["ES256", "EdDSA"]
        scope = "openid email"
        skew_seconds = 0
        keys = "https://a.example/keys"
        authority = "{authority}"
        roles = {{ "ann@a.example" = "ann" }}
        [routing]
        domain = "gateway.example"
        [logins]
        seconds = 5
        failures_per_address = 6
        failures_per_user = 7
        window_seconds = 8
    """
    issuer = Issuer(
        "a",
        "https://a.example/tenant",
        "lakegate",
        ("*@a.example",),
        Method.PASSWORD,
        "email",
        {"ann@a.example": "ann"},
        ("ES256", "EdDSA"),
        "openid email",
        "https://a.example/keys",
        authority,
        0.0,
    )
    assert read(tmp_path, text) == Access(
        (ipaddress.ip_network("10.0.0.0/8"), ipaddress.ip_network("fd00::/8")),
        False,
        Certificates(authority, CertificateProof.BESIDE, {"etl.example.com": "etl"}),
        (issuer,),
        "gateway.example",
        LoginLimits(6, 7, 8.0, 5.0),
    )
    assert issuer.discovery == "https://a.example/tenant/.well-known/openid-configuration"


def test_the_first_issuer_that_fits_counts(tmp_path: Path) -> None:
    access = read(tmp_path, ISSUER + ISSUER.replace("issuers.a", "issuers.b").replace("*@a.example", "*"))
    assert [getattr(access.find_issuer(user), "name", None) for user in ("x@a.example", "x")] == ["a", "b"]
    assert read(tmp_path, ISSUER).find_issuer("x") is None


def test_whose_a_certificate_is() -> None:
    plain, mapped = Certificates(Path()), Certificates(Path(), roles={"ann.example": "ann"})
    assert [plain.names(name, "ann") for name in ("ann", "Ann", None)] == [True, False, False]
    assert [mapped.names(name, "ann") for name in ("ann.example", "ann", None)] == [True, False, False]


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("[proxy]", "proxy: there is no such key; here may be balancers"),
        ("[balancers]\ntrusted = ['10.0.0.1/8']", r"balancers.trusted: must be a list of networks, such as \["),
        ("[balancers]\ntrusted = []", "balancers.trusted: must be a list of networks"),
        ("[certificates]\nproof = 'only'", "certificates.authority: is missing"),
        ("[certificates]\nauthority = '/nowhere'", "certificates.authority: must be a file that is there"),
        ("[issuers.a]\nurl = 'https://a'\naudience = 'b'", "issuers.a.users: is missing"),
        (ISSUER.replace("https", "http"), "issuers.a.url: must be an address that begins with"),
        (ISSUER + "algorithms = ['HS256']", "issuers.a.algorithms: must be a list of ES256, "),
        (ISSUER + "algorithms = ['none']", "issuers.a.algorithms: must be a list of ES256, "),
        (ISSUER + "method = 'basic'", 'issuers.a.method: must be "oauthbearer" or "password"'),
        (ISSUER + "secret = 'x'", "issuers.a.secret: there is no such key"),
        (ISSUER + "roles = { a = 1 }", "issuers.a.roles.a: must be a name in quotes"),
        ("[routing]\ndomain = 'Gateway'", "routing.domain: must be a domain in lower case"),
        ("[logins]\nfailures_per_user = 0", "logins.failures_per_user: must be a whole number, at least 1"),
        ("[", "Invalid|Expected"),
    ],
)
def test_what_is_wrong_is_said(tmp_path: Path, text: str, error: str) -> None:
    with pytest.raises(ValueError, match=error):
        read(tmp_path, text)


def test_the_command_line_says_it_too(tmp_path: Path) -> None:
    file = tmp_path / "access.toml"
    file.write_text("[logins]\nseconds = 0\n")
    done = CliRunner().invoke(main, ["serve", "--data", str(tmp_path), "--access", str(file)])
    assert done.exit_code == 2
    assert "logins.seconds: must be a number, at least 0.001, not 0" in done.output
