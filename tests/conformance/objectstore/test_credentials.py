"""What STS lends: for one folder, to read only, renewed in time; and who is refused."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.config import Config
from botocore.exceptions import ClientError
from botocore.session import get_session

from catalog.credentials import CredentialProvider, Credentials
from catalog.errors import InsufficientPrivilege, StoreUnavailable
from tests.objectstore.server import BUCKET, Store


@pytest.fixture(scope="module")
def mine(store: Store) -> str:
    for key in ("mine/a", "yours/a", "mine-too/a"):
        store.client.put_object(Bucket=BUCKET, Key=key, Body=b"content")
    return f"s3://{BUCKET}/mine"


def as_lent(store: Store, lent: Credentials, service: str = "s3") -> Any:
    session = get_session()
    session.set_credentials(lent.access_key, lent.secret_key, lent.token)
    style = Config(s3={"addressing_style": "path"})
    return session.create_client(service, region_name="us-east-1", endpoint_url=store.endpoint, config=style)


def test_they_read_the_folder(store: Store, mine: str) -> None:
    lent = CredentialProvider(store.settings()).lend("demo", mine)
    assert lent.access_key != store.key
    assert lent.expires > datetime.now(UTC)
    client = as_lent(store, lent)
    assert client.get_object(Bucket=BUCKET, Key="mine/a")["Body"].read() == b"content"
    assert client.list_objects_v2(Bucket=BUCKET, Prefix="mine/")["KeyCount"] == 1


@pytest.mark.parametrize(
    "attempt",
    [
        lambda client: client.get_object(Bucket=BUCKET, Key="yours/a"),
        lambda client: client.get_object(Bucket=BUCKET, Key="mine-too/a"),
        lambda client: client.put_object(Bucket=BUCKET, Key="mine/b", Body=b"x"),
        lambda client: client.delete_object(Bucket=BUCKET, Key="mine/a"),
        lambda client: client.list_objects_v2(Bucket=BUCKET, Prefix="yours/"),
    ],
    ids=["another folder", "a folder of like name", "write", "delete", "list another folder"],
)
def test_they_do_nothing_else(store: Store, mine: str, attempt: Callable[[Any], Any]) -> None:
    client = as_lent(store, CredentialProvider(store.settings()).lend("demo", mine))
    with pytest.raises(ClientError) as caught:
        attempt(client)
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 403


def test_they_are_kept_and_renewed_in_time(store: Store, mine: str) -> None:
    now = datetime.now(UTC)
    provider = CredentialProvider(store.settings(), lambda: now)
    first = provider.lend("demo", mine)
    assert provider.lend("demo", mine) is first
    now = first.expires - timedelta(minutes=4)
    assert provider.lend("demo", mine).access_key != first.access_key


def test_without_a_role_the_own_key_is_used(store: Store, mine: str) -> None:
    assert CredentialProvider(store.settings(role=None)).lend("demo", mine).access_key == store.key


def test_who_may_not_assume_the_role(store: Store, mine: str) -> None:
    wrong = replace(store.settings(), secret_key="wrong")
    with pytest.raises(InsufficientPrivilege, match="cannot be assumed"):
        CredentialProvider(wrong).lend("demo", mine)


def test_an_sts_that_is_not_there(store: Store, mine: str) -> None:
    gone = replace(store.settings(), sts_endpoint="http://127.0.0.1:1")
    with pytest.raises(StoreUnavailable):
        CredentialProvider(gone).lend("demo", mine)
