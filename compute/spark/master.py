"""A cluster that somebody else runs, as the operator names it: a standalone master (``spark://HOST:PORT``) or ``yarn``.

Its drivers run on this host and their executors there. The secret that a standalone master asks for is in a file of its
own, never in an argument. YARN is found by its client configuration, the folder with ``yarn-site.xml``, and makes a
secret for each application itself.

References: Spark documentation, "Spark Standalone Mode", "Running Spark on YARN", "Security"; Hadoop, yarn-default.xml.
"""

import json
import re
import socket
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from urllib.parse import urlsplit
from xml.etree import ElementTree

from compute.config import ANY_NODES, Executors
from compute.spark.allocation import allocation_settings

YARN = "yarn"
MASTER_PROPERTY = "master"
"""The engine's property that holds a `Master`, dumped."""
MASTER_PORT = 7077
RESOURCE_MANAGER_PORT = 8032
CONNECT_SECONDS = 10.0
_RESOURCE_MANAGER = re.compile(r"yarn\.resourcemanager\.(hostname|address)(\..+)?")


class Unreachable(Exception):
    """Nobody listens where the master should; the message says what to do."""


@dataclass(frozen=True, slots=True)
class Address:
    """A TCP end, as the operator wrote it."""

    host: str
    port: int


@dataclass(frozen=True, slots=True)
class Master:
    """`addresses` are those of the master, the first that answers being as good as another. `secret` is a file.

    `host` is where executors reach this host's drivers; None: the address that leads to the master. `port` is the first
    that drivers listen on, 0 for any. `hadoop` is the folder of YARN's client configuration, `queue` whose share
    applications use there, `jars` where the nodes find Spark's and Delta's jars (None: each driver uploads its own),
    `staging` the folder that drivers hand files over in; None: the user's home in YARN's file system.
    """

    url: str
    addresses: tuple[Address, ...]
    secret: str | None = None
    host: str | None = None
    port: int = 0
    hadoop: str | None = None
    queue: str = "default"
    jars: str | None = None
    staging: str | None = None

    @classmethod
    def load(cls, text: str) -> "Master":
        """From what `dump` wrote."""
        fields = json.loads(text)
        return cls(**fields | {"addresses": tuple(Address(**each) for each in fields["addresses"])})

    def dump(self) -> str:
        """As JSON. No secret is in it."""
        return json.dumps(asdict(self))

    @property
    def authenticates(self) -> bool:
        """Whether driver and executors hear nobody who lacks their secret."""
        return self.url == YARN or self.secret is not None

    def read_secret(self) -> str | None:
        """None where it has none, or makes it itself. Raises OSError, ValueError."""
        if self.secret is None:
            return None
        if secret := Path(self.secret).read_text().strip():
            return secret
        raise ValueError(f"{self.secret} is empty: it should hold the secret of {self.url}")

    def connect(self) -> str:
        """Connects once; returns the address of this host that leads to the master. Slow. Raises Unreachable."""
        failures = []
        for address in self.addresses:
            try:
                with socket.create_connection((address.host, address.port), CONNECT_SECONDS) as connection:
                    return str(connection.getsockname()[0])
            except OSError as error:
                failures.append(f"{address.host}:{address.port}: {error.strerror or error}")
        raise Unreachable(f"the master {self.url} can't be reached ({'; '.join(failures)}): see that it runs there")


def parse_addresses(url: str, hadoop: Path | None) -> tuple[Address, ...]:
    """Of the master by that URL. Raises ValueError for another kind of URL, or a folder that is no configuration."""
    if url == YARN:
        return _resource_managers(hadoop)
    split = urlsplit(url)
    if split.scheme != "spark" or not split.netloc or split.path or split.query or split.fragment or "@" in url:
        raise ValueError(f"there is no Spark master {url!r}: write spark://HOST:PORT, or yarn")
    return tuple(_parse_address(part, MASTER_PORT, url) for part in split.netloc.split(","))


def _resource_managers(hadoop: Path | None) -> tuple[Address, ...]:
    if hadoop is None or not (hadoop / "yarn-site.xml").is_file():
        raise ValueError("YARN is found by its client's configuration: set HADOOP_CONF_DIR to yarn-site.xml's folder")
    named = _read_properties(hadoop / "yarn-site.xml")
    found = [value for name, value in named.items() if _RESOURCE_MANAGER.fullmatch(name)]
    if not found:
        raise ValueError(f"{hadoop / 'yarn-site.xml'} names no yarn.resourcemanager.hostname or .address")
    return tuple(dict.fromkeys(_parse_address(value, RESOURCE_MANAGER_PORT, str(hadoop)) for value in found))


def _parse_address(text: str, port: int, source: str) -> Address:
    split = urlsplit(f"//{text}")
    with suppress(ValueError):
        if split.hostname:
            return Address(split.hostname, split.port or port)
    raise ValueError(f"{text!r} in {source} is no HOST:PORT")


def _read_properties(path: Path) -> Mapping[str, str]:
    """Raises ValueError."""
    try:
        entries = ElementTree.parse(path).iter("property")
    except ElementTree.ParseError as error:
        raise ValueError(f"{path} is not XML: {error}") from None
    return {entry.findtext("name", "").strip(): entry.findtext("value", "").strip() for entry in entries}


def executor_properties(master: Master, executors: Executors) -> Mapping[str, str]:
    """An engine's properties that make it a driver. Raises ValueError for what such a master does not know."""
    settings = {MASTER_PROPERTY: master.dump(), **allocation_settings(executors)}
    if master.url == YARN:
        label = executors.node_type
        return settings | ({} if label == ANY_NODES else {"spark.yarn.executor.nodeLabelExpression": label})
    if executors.node_type != ANY_NODES:
        raise ValueError("a standalone master knows no types of nodes: unset LAKEGATE_EXECUTOR_NODES")
    return settings | {"spark.cores.max": str(executors.most * executors.threads)}
