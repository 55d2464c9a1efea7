"""A Spark Connect server that somebody else runs, by the URL that Spark itself uses: ``sc://HOST:PORT/;use_ssl=true``.

The token is in a file of its own and never in the URL, which is seen by whoever sees arguments. It travels encrypted,
or not beyond this host.

References: Spark documentation, "Connection string".
"""

import ipaddress
from pathlib import Path
from urllib.parse import urlsplit

from compute.spark.client import Server

PORT = 15002
"""Where servers listen unless the URL says otherwise."""


def parse_remote(url: str, token_file: Path | None = None) -> Server:
    """Raises ValueError for another kind of URL, and OSError where the token can't be read."""
    split = urlsplit(url)
    if split.scheme != "sc" or not split.hostname or split.username or split.query or split.fragment:
        raise ValueError(f"spark can't be reached at {url!r}: write sc://HOST:PORT or sc://HOST:PORT/;use_ssl=true")
    options = [option for option in split.path.removeprefix("/").split(";") if option]
    if any(option.startswith("token=") for option in options):
        raise ValueError("a token in spark's URL could be seen by others: put it into a file")
    if unknown := [option for option in options if option not in ("use_ssl=true", "use_ssl=false")]:
        raise ValueError(f"spark's URL has an option that is not known: {unknown[0]!r}")
    encrypted = "use_ssl=true" in options
    if token_file is not None and not encrypted and not _is_loopback(split.hostname):
        raise ValueError("a token would travel in plain text: add ;use_ssl=true to spark's URL")
    token = None if token_file is None else token_file.read_text().strip()
    host = f"[{split.hostname}]" if ":" in split.hostname else split.hostname
    return Server(f"{host}:{split.port or PORT}", token, encrypted)


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
