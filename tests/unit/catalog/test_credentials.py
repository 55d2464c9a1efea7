"""What a session of a role may do, what locations may be, and that nothing secret is ever shown."""

import re
from datetime import UTC, datetime

import pytest

from catalog.credentials import LONGEST_SESSION, Credentials, ObjectStore, log_options, reading_policy, session_name
from catalog.errors import InvalidParameterValue
from catalog.locations import split_object

ROLE = "arn:aws-cn:iam::123456789012:role/Lake"
CREDENTIALS = Credentials("key-id", "very-secret", "session-token", datetime(2030, 1, 1, tzinfo=UTC))


def test_a_session_reads_below_its_folder_and_nothing_else() -> None:
    objects, listing = reading_policy("s3://lake/sales/orders", ROLE)["Statement"]
    assert (objects["Action"], objects["Resource"]) == (["s3:GetObject"], ["arn:aws-cn:s3:::lake/sales/orders/*"])
    assert (listing["Action"], listing["Resource"]) == (["s3:ListBucket"], ["arn:aws-cn:s3:::lake"])
    assert listing["Condition"] == {"StringLike": {"s3:prefix": ["sales/orders/*"]}}


@pytest.mark.parametrize(
    "location", ["s3://lake", "s3://lake/", "s3:///x", "s3://Lake/x", "s3://lake/*", "s3://lake/a?b", "s3://lake/${x}"]
)
def test_folders_that_mean_more_than_one_place(location: str) -> None:
    with pytest.raises(InvalidParameterValue):
        split_object(location)


def test_sessions_have_names_that_sts_takes_and_that_differ() -> None:
    workspaces = ["a b", "a_b", "a/b", "ä", "é", "x" * 63, f"{'x' * 62}y", "数" * 21]
    names = {session_name(workspace) for workspace in workspaces}
    assert len(names) == len(workspaces)
    assert all(re.fullmatch(rf"[A-Za-z0-9_+=,.@-]{{2,{LONGEST_SESSION}}}", name) for name in names)


def test_a_plain_workspaces_session_has_its_name() -> None:
    assert session_name("analytics-2.eu") == "lakegate-analytics-2.eu"


def test_nothing_secret_is_shown() -> None:
    store = ObjectStore(access_key="key-id", secret_key="very-secret", token="session-token")
    shown = repr(CREDENTIALS) + repr(store)
    assert not any(secret in shown for secret in ("key-id", "very-secret", "session-token"))


def test_plain_http_only_where_the_endpoint_says_so() -> None:
    assert "allow_http" not in log_options(ObjectStore(), CREDENTIALS)
    assert log_options(ObjectStore(endpoint="https://store"), CREDENTIALS)["allow_http"] == "false"
    assert log_options(ObjectStore(endpoint="http://store"), CREDENTIALS)["allow_http"] == "true"
