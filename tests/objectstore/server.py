"""An object store on loopback, with one bucket, a user who owns it, a role that may read it and roles of tenants."""

import base64
import json
import secrets
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from botocore.session import get_session

from catalog.credentials import ObjectStore, Role, reading_policy
from tests.objectstore.build import find_program

BUCKET = "lake"
ROLES = "arn:aws:iam::000000000000:role/"
READER = f"{ROLES}Reader"
TENANTS = ("analytics", "sales")
"""Each has a role of its name that may read the folder of its name, and nothing else. Trust policies' conditions, such
as on external ids, this server does not look at."""
HOST = "127.0.0.1"
START_SECONDS = 120.0
_PARTS = ("master.port", "volume.port", "filer.port", "s3.port")


@dataclass(frozen=True, slots=True)
class Store:
    """A running server. `key` and `secret` are the owner's, `client` asks in his name."""

    endpoint: str
    key: str
    secret: str = field(repr=False)
    client: Any = field(repr=False)

    @property
    def port(self) -> int:
        return int(self.endpoint.rpartition(":")[2])

    def settings(self, role: str | None = READER) -> ObjectStore:
        """As a gateway is told."""
        return ObjectStore(
            endpoint=self.endpoint,
            path_style=True,
            role=Role(role) if role else None,
            access_key=self.key,
            secret_key=self.secret,
        )

    def environment(self, role: str | None = READER) -> Mapping[str, str]:
        """The same, as variables of a gateway's process."""
        chosen = {} if role is None else {"LAKEGATE_S3_ROLE": role}
        keys = {"AWS_ACCESS_KEY_ID": self.key, "AWS_SECRET_ACCESS_KEY": self.secret}
        return {"LAKEGATE_S3_ENDPOINT": self.endpoint, **keys, **chosen}

    def upload(self, folder: Path, prefix: str) -> str:
        """Puts a folder's files there; their location."""
        for path in sorted(path for path in folder.rglob("*") if path.is_file()):
            self.client.put_object(Bucket=BUCKET, Key=f"{prefix}/{path.relative_to(folder)}", Body=path.read_bytes())
        return f"s3://{BUCKET}/{prefix}"


@contextmanager
def running_store(folder: Path, *, session_seconds: int = 3600) -> Iterator[Store]:
    """Sessions of the role last that long. Leaving ends the server."""
    key, secret = secrets.token_hex(10), secrets.token_hex(20)
    identities = folder / "identities.json"
    identities.write_text(json.dumps(_identities(key, secret, session_seconds)))
    ports = _free_ports(2 * len(_PARTS))
    options = [f"-{name}={port}" for name, port in zip(_PARTS, ports, strict=False)]
    options += [f"-{name}.grpc={port}" for name, port in zip(_PARTS, ports[len(_PARTS) :], strict=True)]
    command: list[str | Path] = [
        *(find_program(), "server", "-filer", "-s3", f"-ip={HOST}", f"-ip.bind={HOST}", f"-dir={folder}"),
        *(f"-s3.config={identities}", f"-s3.iam.config={identities}", "-s3.port.iceberg=0", "-s3.port.lance=0"),
        *("-master.telemetry=false", "-volume.max=64", "-master.volumeSizeLimitMB=128", "-volume.preStopSeconds=0"),
        *(f"-filer.localSocket={folder}/filer.sock", f"-s3.localSocket={folder}/s3.sock", *options),
    ]
    with ExitStack() as stack:
        log = stack.enter_context((folder / "log").open("wb"))
        process = stack.enter_context(subprocess.Popen(command, stdout=log, stderr=log, cwd=folder))
        stack.callback(process.kill)
        store = _connect(f"http://{HOST}:{ports[3]}", key, secret)
        _await(store, process, folder / "log")
        yield store


def _identities(key: str, secret: str, session_seconds: int) -> Mapping[str, Any]:
    """Who there is and what they may: the owner everything, sessions of roles to read what is theirs."""
    trust = _policy({"Principal": "*", "Action": ["sts:AssumeRole"]})
    policies = {
        "Reader": _policy({"Action": ["s3:Get*", "s3:List*"], "Resource": ["*"]}),
        **{name: reading_policy(f"s3://{BUCKET}/{name}", f"{ROLES}{name}") for name in TENANTS},
    }
    return {
        "identities": [
            {
                "name": "owner",
                "credentials": [{"accessKey": key, "secretKey": secret}],
                "actions": ["Admin", "Read", "Write", "List", "Tagging"],
            }
        ],
        "sts": {
            "tokenDuration": f"{session_seconds}s",
            "maxSessionLength": "12h",
            "issuer": "tests",
            "signingKey": base64.b64encode(secrets.token_bytes(32)).decode(),
        },
        "policy": {"defaultEffect": "Deny", "storeType": "memory"},
        "policies": [{"name": name, "document": policy} for name, policy in policies.items()],
        "roles": [
            {"roleName": name, "roleArn": f"{ROLES}{name}", "attachedPolicies": [name], "trustPolicy": trust}
            for name in policies
        ],
    }


def _policy(statement: Mapping[str, Any]) -> Mapping[str, Any]:
    return {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", **statement}]}


def _connect(endpoint: str, key: str, secret: str) -> Store:
    session = get_session()
    session.set_credentials(key, secret)
    style = Config(s3={"addressing_style": "path"}, retries={"total_max_attempts": 2}, max_pool_connections=32)
    client = session.create_client("s3", region_name="us-east-1", endpoint_url=endpoint, config=style)
    return Store(endpoint, key, secret, client)


def _await(store: Store, process: subprocess.Popen[bytes], log: Path) -> None:
    """Until the bucket takes an object. Raises AssertionError with the server's log."""
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        try:
            store.client.create_bucket(Bucket=BUCKET)
            store.client.put_object(Bucket=BUCKET, Key="ready", Body=b"ready")
            return
        except (BotoCoreError, ClientError):
            time.sleep(0.2)
    raise AssertionError(log.read_text(errors="replace"))


def _free_ports(count: int) -> list[int]:
    """Ports that nobody has now; all are held at once, so that they differ."""
    with ExitStack() as stack:
        held = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in held:
            each.bind((HOST, 0))
        return [each.getsockname()[1] for each in held]
