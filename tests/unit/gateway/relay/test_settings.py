"""Which variables go to PostgreSQL, and which an answer depends on."""

import pytest

from catalog.errors import FeatureNotSupported
from gateway.relay.settings import Settings, check_variable


def test_settings_stay_the_same_object() -> None:
    settings = Settings()
    settings.read({"timezone": "UTC"})
    applied, relevant = settings.applied, settings.relevant
    settings.read({"timezone": "UTC"})
    assert settings.applied is applied
    assert settings.relevant is relevant
    settings.read({"timezone": "CET"})
    assert settings.relevant != relevant


def test_settings_that_do_not_matter() -> None:
    settings = Settings()
    settings.read({"application_name": "psql", "lakegate.lane": "spark", "datestyle": "ISO, DMY"})
    assert settings.applied == {"application_name": "psql", "lakegate.lane": "spark", "datestyle": "ISO, DMY"}
    assert settings.relevant == frozenset({("datestyle", "ISO, DMY")})


@pytest.mark.parametrize(("name", "value"), [("client_encoding", "LATIN1"), ("Standard_Conforming_Strings", "off")])
def test_refused_values(name: str, value: str) -> None:
    with pytest.raises(FeatureNotSupported):
        check_variable(name, value)


def test_other_values_pass() -> None:
    check_variable("client_encoding", "UTF8")
    check_variable("work_mem", "off")
    with pytest.raises(FeatureNotSupported):
        check_variable("client_encoding", "off")
