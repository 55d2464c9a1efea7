"""Credentials for object stores: the gateway's own, or a role's that reach one table's folder only, and expire.

With a role, each table is read with credentials that STS hands out for it under a session policy: what the role may do,
and of that no more than to read below the table's folder. They are renewed before they expire. Without one, the
gateway's own are used as they are. Nothing here is ever logged.

References: AWS STS API, "AssumeRole" and session policies; IAM, actions of Amazon S3.
"""

import json
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cached_property
from threading import Lock
from typing import Any

from catalog.errors import InsufficientPrivilege, StoreUnavailable
from catalog.locations import split_object

RENEWED_BEFORE = timedelta(minutes=5)
"""How long what is lent is good for at least, or a quarter of its life where that is shorter."""
MOST_KEPT = 1024
STORE_HINT = "The gateway's key or role needs s3:GetObject and s3:ListBucket for the table's folder."
_SESSION = "lakegate"
_CONNECT_SECONDS, _READ_SECONDS, _TRIES = 5, 20, 3


@dataclass(frozen=True, slots=True)
class ObjectStore:
    """The store that ``s3://`` means, and who asks it. `endpoint` None is AWS's of the region.

    `role` is the ARN that is assumed for each table; None: the gateway's own key reads all of them. STS is asked at
    `sts_endpoint`, or where the store is. `access_key` None leaves it to the machine's own ways (AWS's files, web
    identity, instance metadata).
    """

    region: str = "us-east-1"
    endpoint: str | None = None
    sts_endpoint: str | None = None
    path_style: bool = False
    role: str | None = None
    access_key: str | None = field(default=None, repr=False)
    secret_key: str | None = field(default=None, repr=False)
    token: str | None = field(default=None, repr=False)


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
    """Lends credentials by folder. For any number of threads; a call may take as long as STS does."""

    def __init__(self, store: ObjectStore, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self.store = store
        self._now = now
        self._lent: OrderedDict[str, _Lent] = OrderedDict()
        self._lock = Lock()

    def lend(self, location: str) -> Credentials:
        """To read below that folder. Raises InsufficientPrivilege where they are refused, StoreUnavailable."""
        if self.store.role is None:
            return self._own()
        with self._lock:
            lent = self._lent.setdefault(location, _Lent())
            self._lent.move_to_end(location)
            if len(self._lent) > MOST_KEPT:
                self._lent.popitem(last=False)
        with lent.lock:
            if lent.credentials is None or lent.renewed is None or lent.renewed <= self._now():
                lent.credentials = self._assume(location)
                lent.renewed = _renewal(lent.credentials, self._now())
            return lent.credentials

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

    def _assume(self, location: str) -> Credentials:
        from botocore.exceptions import BotoCoreError, ClientError

        policy = json.dumps(reading_policy(location, str(self.store.role)), separators=(",", ":"))
        try:
            answer = self._sts.assume_role(RoleArn=self.store.role, RoleSessionName=_SESSION, Policy=policy)
        except ClientError as error:
            raise InsufficientPrivilege(
                "the object store's role cannot be assumed",
                detail=str(error.response.get("Error", {}).get("Code")),
                hint=f"The gateway's own credentials must be allowed to assume {self.store.role}.",
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
