"""Every driver's tests run against the oracle first: what PostgreSQL itself does not pass would test nothing."""

import pytest

from tests.target import Target


@pytest.fixture(params=["oracle", "gateway"])
def target(request: pytest.FixtureRequest) -> Target:
    found: Target = request.getfixturevalue(request.param)
    return found
