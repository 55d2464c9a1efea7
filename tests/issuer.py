"""A token issuer over HTTPS: discovery, keys that can be rotated, tokens; and the ways in which one misbehaves."""

import http.server
import json
import ssl
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from tests.certificates import Authority

AUDIENCE = "lakegate"


@cache
def make_key(owner: str, key_id: str, algorithm: str) -> Any:
    """The same each time."""
    if algorithm.startswith("RS"):
        return rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return ec.generate_private_key(ec.SECP256R1())


class TokenIssuer:
    """`requests` are the paths asked for; `answers` go before what it would answer by itself: a status and a body.

    Issuers of one `owner` have the same keys under the same ids, since making some takes time.
    """

    def __init__(self, url: str, owner: str = "") -> None:
        self.url = url
        self._owner = owner
        self.requests: list[str] = []
        self.answers: dict[str, tuple[int, bytes]] = {}
        self._keys: dict[str, tuple[str, Any]] = {}
        self.rotate("first")

    def rotate(self, key_id: str, algorithm: str = "RS256") -> None:
        """Signs by a new key from now on, the only one that is published."""
        self._keys = {key_id: (algorithm, make_key(self._owner, key_id, algorithm))}

    def token(self, subject: str, *, header: Mapping[str, Any] | None = None, **claims: Any) -> str:
        """A token that is valid but for what is said otherwise; a claim of None is left out."""
        [(key_id, (algorithm, key))] = self._keys.items()
        usual = {"iss": self.url, "aud": AUDIENCE, "sub": subject, "exp": int(time.time()) + 300}
        content = {name: value for name, value in {**usual, **claims}.items() if value is not None}
        return jwt.encode(content, key, algorithm, headers={"kid": key_id, **(header or {})})

    @property
    def key_set(self) -> bytes:
        return json.dumps({"keys": [self._publish(key_id) for key_id in self._keys]}).encode()

    def public_key(self) -> Any:
        [(_, key)] = self._keys.values()
        return key.public_key()

    def _publish(self, key_id: str) -> dict[str, Any]:
        algorithm, key = self._keys[key_id]
        kind = jwt.get_algorithm_by_name(algorithm)
        return {**kind.to_jwk(key.public_key(), as_dict=True), "kid": key_id, "alg": algorithm, "use": "sig"}

    def answer(self, path: str) -> tuple[int, bytes]:
        """What it says at that path."""
        self.requests.append(path)
        if path in self.answers:
            return self.answers[path]
        documents = {
            "/.well-known/openid-configuration": json.dumps({"issuer": self.url, "jwks_uri": f"{self.url}/keys"}),
            "/keys": self.key_set.decode(),
        }
        return (200, documents[path].encode()) if path in documents else (404, b"")


@contextmanager
def running_issuer(authority: Authority) -> Iterator[TokenIssuer]:
    """Serves on localhost, whose certificate the authority has signed, until the block ends."""
    pair = authority.issue("localhost", file="issuer")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pair)

    class Handler(http.server.BaseHTTPRequestHandler):
        """Answers as the issuer says."""

        def do_GET(self) -> None:
            status, body = issuer.answer(self.path)
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *arguments: Any) -> None:
            """Says nothing."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        issuer = TokenIssuer(f"https://localhost:{server.server_port}")
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield issuer
        finally:
            server.shutdown()
            thread.join()
