"""Credentials for object stores: the gateway's own, or a role's that reach one table's folder only, and expire.

A workspace's tables are read by its own role, or by the gateway's where the operator lets workspaces share that. Each
is read with credentials that STS hands out for it under a session policy: what the role may do, and of that no more
than to read below the table's folder. They are renewed before they expire. Sessions are named after their workspace,
which the store's owner then finds in his trail. Without any role, the gateway's own key is used as it is. Nothing here
is ever logged.

References: AWS STS API, "AssumeRole" and session policies; IAM, actions of Amazon S3 and "The confused deputy problem".
"""

import hashlib
import json
import re
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cached_property
from threading import Lock
from typing import Any
from urllib.parse import urlsplit

from catalog.errors import InsufficientPrivilege, StoreUnavailable
from catalog.locations import split_object

RENEWED_BEFORE = timedelta(minutes=5)
"""How long what is lent is good for at least, or a quarter of its life where that is shorter."""
MOST_KEPT = 1024
STORE_HINT = "The gateway's key or role needs s3:GetObject and s3:ListBucket for the table's folder."
LONGEST_SESSION = 64
_UNFIT_FOR_SESSION = re.compile(r"[^A-Za-z0-9_=,.@-]")
_PORTS = {"http": 80, "https": 443}
_CONNECT_SECONDS, _READ_SECONDS, _TRIES = 5, 20, 3


@dataclass(frozen=True, slots=True)
class Role:
    """Who is to be assumed. `external_id` is what the role's owner asks for, so that no other gateway can pass for
    this one."""

    arn: str
    external_id: str | None = None


@dataclass(frozen=True, slots=True)
class ObjectStore:
    """The store that ``s3://`` means, and who asks it. `endpoint` None is AWS's of the region.

    `roles` are assumed for the tables of these workspaces, `role` for those of all others; where it is None the
    gateway's own key reads them, and where it is not `shared` nobody does. STS is asked at `sts_endpoint`, or where the
    store is. `access_key` None leaves it to the machine's own ways (AWS's files, web identity, instance metadata).
    """

    region: str = "us-east-1"
    endpoint: str | None = None
    sts_endpoint: str | None = None
    path_style: bool = False
    role: Role | None = None
    roles: Mapping[str, Role] = field(default_factory=dict)
    shared: bool = True
    access_key: str | None = field(default=None, repr=False)
    secret_key: str | None = field(default=None, repr=False)
    token: str | None = field(default=None, repr=False)

    def address(self) -> tuple[str, int, bool]:
        """Host and port where it answers, for any bucket, and whether by TLS. Raises ValueError for a bad endpoint."""
        place = urlsplit(self.endpoint or f"https://s3.{self.region}.amazonaws.com")
        if place.hostname is None or place.scheme not in _PORTS:
            raise ValueError(f"{self.endpoint!r} is no endpoint of a store: write https://HOST or http://HOST:PORT")
        return place.hostname, place.port or _PORTS[place.scheme], place.scheme == "https"


@dataclass(frozen=True, slots=True)
class Credentials:
    """A key to a store, good until `expires` at least."""

    access_key: str = field(repr=False)
    secret_key: str = field(repr=False)
    token: str | None = field(repr=False)
    expires: datetime


@dataclass(slots=True)
class _Lent:
    """What was lent for one folder, until when it is lent again."""

    lock: Lock = field(default_factory=Lock)
    credentials: Credentials | None = None
    renewed: datetime | None = None


class CredentialProvider:
    """Lends credentials by workspace and folder. For any number of threads; a call may take as long as STS does."""

    def __init__(self, store: ObjectStore, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self.store = store
        self._now = now
        self._lent: OrderedDict[tuple[str, str], _Lent] = OrderedDict()
        self._lock = Lock()

    def lend(self, workspace: str, location: str) -> Credentials:
        """To read a table of that workspace, below that folder. Raises InsufficientPrivilege where they are refused,
        StoreUnavailable."""
        role = self._role_of(workspace)
        if role is None:
            return self._own()
        with self._lock:
            lent = self._lent.setdefault((workspace, location), _Lent())
            self._lent.move_to_end((workspace, location))
            if len(self._lent) > MOST_KEPT:
                self._lent.popitem(last=False)
        with lent.lock:
            if lent.credentials is None or lent.renewed is None or lent.renewed <= self._now():
                lent.credentials = self._assume(role, workspace, location)
                lent.renewed = _renewal(lent.credentials, self._now())
            return lent.credentials

    def _role_of(self, workspace: str) -> Role | None:
        """None: the gateway's own key."""
        store = self.store
        if workspace not in store.roles and not store.shared:
            raise InsufficientPrivilege(
                f"workspace {workspace} has no role to read the object store with",
                hint=f"An operator gives it one by [workspaces.{json.dumps(workspace)}] s3_role in the warehouse file.",
            )
        return store.roles.get(workspace, store.role)

    def _own(self) -> Credentials:
        """Renewed by botocore where they come from a role of the machine's."""
        found = self._session.get_credentials()
        if found is None:
            raise InsufficientPrivilege(
                "the gateway has no credentials for the object store",
                hint="Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY in its environment, or give its machine a role.",
            )
        frozen = found.get_frozen_credentials()
        return Credentials(frozen.access_key, frozen.secret_key, frozen.token, self._now() + RENEWED_BEFORE)

    def _assume(self, role: Role, workspace: str, location: str) -> Credentials:
        from botocore.exceptions import BotoCoreError, ClientError

        policy = json.dumps(reading_policy(location, role.arn), separators=(",", ":"))
        external = {} if role.external_id is None else {"ExternalId": role.external_id}
        try:
            answer = self._sts.assume_role(
                RoleArn=role.arn, RoleSessionName=session_name(workspace), Policy=policy, **external
            )
        except ClientError as error:
            raise InsufficientPrivilege(
                "the object store's role cannot be assumed",
                detail=str(error.response.get("Error", {}).get("Code")),
                hint=f"The gateway's own credentials must be allowed to assume {role.arn}, by its trust policy too.",
            ) from error
        except BotoCoreError as error:
            raise StoreUnavailable(
                "no credentials came for the object store", hint="Run the statement again."
            ) from error
        given = answer["Credentials"]
        return Credentials(
            given["AccessKeyId"], given["SecretAccessKey"], given["SessionToken"], given["Expiration"].astimezone(UTC)
        )

    @cached_property
    def _session(self) -> Any:
        """Loaded only where a table lies in a store: it would cost every start of a gateway a second."""
        from botocore.session import get_session

        session = get_session()
        if self.store.access_key is not None:
            session.set_credentials(self.store.access_key, self.store.secret_key, self.store.token)
        return session

    @cached_property
    def _sts(self) -> Any:
        from botocore.config import Config

        bounds = Config(
            connect_timeout=_CONNECT_SECONDS, read_timeout=_READ_SECONDS, retries={"total_max_attempts": _TRIES}
        )
        endpoint = self.store.sts_endpoint or self.store.endpoint
        return self._session.create_client("sts", region_name=self.store.region, endpoint_url=endpoint, config=bounds)


def session_name(workspace: str) -> str:
    """What the owner of a role finds in his trail. A name that STS would not take is spelt so that it differs."""
    spelt = f"lakegate-{_UNFIT_FOR_SESSION.sub('_', workspace)}"
    if spelt == f"lakegate-{workspace}" and len(spelt) <= LONGEST_SESSION:
        return spelt
    digest = hashlib.sha256(workspace.encode()).hexdigest()[:8]
    return f"{spelt[: LONGEST_SESSION - len(digest) - 1]}-{digest}"


def reading_policy(location: str, role: str) -> dict[str, Any]:
    """What a session may do of what its role may: read objects below that folder, and list them."""
    bucket, prefix = split_object(location)
    resource = f"arn:{role.split(':')[1]}:s3:::{bucket}"
    statements = [
        {"Effect": "Allow", "Action": ["s3:GetObject"], "Resource": [f"{resource}/{prefix}/*"]},
        {
            "Effect": "Allow",
            "Action": ["s3:ListBucket"],
            "Resource": [resource],
            "Condition": {"StringLike": {"s3:prefix": [f"{prefix}/*"]}},
        },
    ]
    return {"Version": "2012-10-17", "Statement": statements}


def log_options(store: ObjectStore, credentials: Credentials) -> dict[str, str]:
    """The same for delta-rs, as it spells them."""
    options = {
        "aws_access_key_id": credentials.access_key,
        "aws_secret_access_key": credentials.secret_key,
        "aws_region": store.region,
        "aws_virtual_hosted_style_request": str(not store.path_style).lower(),
        "connect_timeout": f"{_CONNECT_SECONDS}s",
        "timeout": f"{_READ_SECONDS}s",
        "max_retries": str(_TRIES),
    }
    if credentials.token is not None:
        options["aws_session_token"] = credentials.token
    if store.endpoint is not None:
        options |= {"aws_endpoint": store.endpoint, "allow_http": str(store.endpoint.startswith("http:")).lower()}
    return options


def _renewal(credentials: Credentials, now: datetime) -> datetime:
    return credentials.expires - min(RENEWED_BEFORE, (credentials.expires - now) / 4)
